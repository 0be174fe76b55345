/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <lb-simulated.h>
#include <math.h>

#include "bench-throughput.h"

/* Patterns that are handed over ahead of time: how much that gains, and that every
 * frame still shows what was asked for, and nothing else. Virtual time, so that all of
 * it repeats. */

#define COUNT 48
/* Jitter and speckle of the light, and what settles after 0.2 %. */
#define NOISE 0.02

static const guint8 levels[] = { 255, 90, 200, 140, 255, 170 };
#define N_LEVELS G_N_ELEMENTS (levels)

static void
check_share (LbBench *bench, gboolean weight_changes)
{
  const double attained = bench_throughput_measure (bench, weight_changes);
  const double attainable = bench_throughput_get_attainable (bench, weight_changes);

  g_test_message ("%s: %.2f exposures a second of %.2f", weight_changes ? "both planes" : "source alone",
                  attained, attainable);
  g_assert_cmpfloat (attained, >=, 0.9 * attainable);
  /* More would mean that something was not waited for. */
  g_assert_cmpfloat (attained, <=, 1.001 * attainable);
}

static void
test_throughput (void)
{
  LbBench *bench = bench_throughput_new_bench (BENCH_THROUGHPUT_CAMERA_HZ);

  check_share (bench, TRUE);
  check_share (bench, FALSE);
  bench_throughput_free_bench (bench);
}

typedef struct
{
  LbBench *bench;
  LbPattern *patterns[2][N_LEVELS];
  gboolean ahead, weight_changes, mixed;
  guint next, taken, stop_after;
  double means[COUNT];
  double powers[COUNT]; /* by the power meter; NAN: not read */
} Look;

/* The weight plane changes every third time; a mixed sequence has dark and longer
 * exposures, and several frames of one. */
static gboolean
next_look (LbExposure *exposure, gpointer data, GError **error)
{
  Look *look = data;
  const guint i = look->next;

  if (i == COUNT)
    return FALSE;
  *exposure =
      (LbExposure){ .source = look->patterns[LB_ROLE_SOURCE][i % N_LEVELS],
                    .weight = look->patterns[LB_ROLE_WEIGHT][look->weight_changes ? i / 3 % N_LEVELS : 1],
                    .light = !look->mixed || i % 7 != 3,
                    .exposure_us = look->mixed && i % 11 == 5 ? 6000 : 2000,
                    .frames = look->mixed ? 1 + i % 3 : 1,
                    .meter = TRUE,
                    .ahead = look->ahead,
                    .tag = i };
  look->next++;
  return TRUE;
}

static gboolean
take_look (const LbExposure *exposure, guint nth, LbFrame *frame, gpointer data, GError **error)
{
  Look *look = data;
  const gsize count = (gsize) frame->width * frame->height;
  double sum = 0;

  g_assert_cmpuint (exposure->tag, ==, look->taken);
  for (gsize i = 0; i < count; i++)
    sum += frame->data[i];
  /* The last frame of an exposure counts. */
  look->means[look->taken] = sum / (double) count;
  look->powers[look->taken] = lb_bench_get_power_w (look->bench);
  if (nth + 1 == MAX (exposure->frames, 1))
    look->taken++;
  if (look->taken != look->stop_after)
    return TRUE;
  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_FAILED, "enough");
  return FALSE;
}

static gboolean
run_look (LbBench *bench, gpointer data, GCancellable *cancellable, GError **error)
{
  return lb_bench_run_sequence (bench, next_look, take_look, data, cancellable, error);
}

static void
look_init (Look *look, guint camera_hz, gboolean ahead, gboolean weight_changes, gboolean mixed)
{
  *look = (Look){ .bench = bench_throughput_new_bench (camera_hz),
                  .ahead = ahead,
                  .weight_changes = weight_changes,
                  .mixed = mixed };
  for (guint role = 0; role < 2; role++)
    for (guint i = 0; i < N_LEVELS; i++)
      look->patterns[role][i] = lb_pattern_new_uniform (320, 200, levels[(i + role) % N_LEVELS]);
}

static void
look_clear (Look *look)
{
  for (guint role = 0; role < 2; role++)
    for (guint i = 0; i < N_LEVELS; i++)
      lb_pattern_unref (look->patterns[role][i]);
  bench_throughput_free_bench (look->bench);
}

static void
take_all (Look *look)
{
  g_autoptr (GError) error = NULL;

  lb_bench_run (look->bench, "look", run_look, look, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (look->taken, ==, COUNT);
}

static void
compare (const Look *one, const Look *other)
{
  double most = 0, worst = 0;

  for (guint i = 0; i < COUNT; i++)
    most = MAX (most, one->means[i] - 64);
  for (guint i = 0; i < COUNT; i++)
    worst = MAX (worst, fabs (one->means[i] - other->means[i]) / most);
  g_test_message ("frames differ by %.2f %% of the brightest", 100 * worst);
  g_assert_cmpfloat (worst, <, NOISE);
}

/* The meter read the source's pattern of each exposure, lit ones alone. */
static void
compare_powers (const Look *one, const Look *other)
{
  double most = 0;

  for (guint i = 0; i < COUNT; i++)
    most = fmax (most, one->powers[i]);
  g_assert_cmpfloat (most, >, 0);
  for (guint i = 0; i < COUNT; i++)
    {
      g_assert_cmpint (isnan (one->powers[i]), ==, one->mixed && i % 7 == 3);
      g_assert_cmpint (isnan (other->powers[i]), ==, isnan (one->powers[i]));
      if (isnan (one->powers[i]))
        continue;
      g_assert_cmpfloat (fabs (one->powers[i] - other->powers[i]), <, NOISE * most);
      if (levels[i % N_LEVELS] < 255)
        g_assert_cmpfloat (one->powers[i], <, 0.8 * most);
    }
}

static void
check_frames (guint camera_hz, gboolean weight_changes, gboolean mixed, const char *fault)
{
  Look plain, ahead;
  gint64 begin_us[2], end_us[2];
  LbClock *clocks[2];

  look_init (&plain, camera_hz, FALSE, weight_changes, mixed);
  look_init (&ahead, camera_hz, TRUE, weight_changes, mixed);
  clocks[0] = lb_bench_get_clock (plain.bench);
  clocks[1] = lb_bench_get_clock (ahead.bench);
  if (fault != NULL)
    g_assert_true (lb_simulated_set_fault (lb_bench_get_device (ahead.bench, LB_ROLE_CAMERA), fault, TRUE));
  for (guint i = 0; i < 2; i++)
    begin_us[i] = lb_clock_now_us (clocks[i]);
  take_all (&plain);
  take_all (&ahead);
  for (guint i = 0; i < 2; i++)
    end_us[i] = lb_clock_now_us (clocks[i]);
  compare (&plain, &ahead);
  compare_powers (&plain, &ahead);
  if (fault == NULL)
    g_assert_cmpint (end_us[1] - begin_us[1], <, end_us[0] - begin_us[0]);
  look_clear (&plain);
  look_clear (&ahead);
}

static void
test_source (void)
{
  check_frames (BENCH_THROUGHPUT_CAMERA_HZ, FALSE, FALSE, NULL);
}

static void
test_both (void)
{
  check_frames (BENCH_THROUGHPUT_CAMERA_HZ, TRUE, FALSE, NULL);
}

static void
test_mixed (void)
{
  check_frames (BENCH_THROUGHPUT_CAMERA_HZ, TRUE, TRUE, NULL);
}

/* A frame that comes a period later than it should is not one of two patterns. */
static void
test_lost_frames (void)
{
  check_frames (60, FALSE, FALSE, "drop-frames");
  check_frames (60, TRUE, TRUE, "drop-frames");
}

/* What was handed over for exposures that were not taken does not stay. */
static void
test_ended_early (void)
{
  Look plain, ahead;
  g_autoptr (GError) error = NULL;

  look_init (&plain, 60, FALSE, TRUE, FALSE);
  look_init (&ahead, 60, TRUE, TRUE, FALSE);
  take_all (&plain);
  ahead.stop_after = 13;
  g_assert_false (lb_bench_run (ahead.bench, "look", run_look, &ahead, NULL, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_FAILED);
  g_assert_cmpuint (ahead.taken, ==, 13);
  g_assert_cmpint (lb_bench_get_light (ahead.bench), ==, LB_LIGHT_ARMED);
  ahead.next = ahead.taken = ahead.stop_after = 0;
  take_all (&ahead);
  compare (&plain, &ahead);
  look_clear (&plain);
  look_clear (&ahead);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, function) g_test_add_func ("/drivers/bench/ahead/" name, function)
  ADD ("nine-tenths-of-the-attainable-rate-are-attained", test_throughput);
  ADD ("frames-show-what-was-asked-for-when-the-source-changes", test_source);
  ADD ("frames-show-what-was-asked-for-when-both-planes-change", test_both);
  ADD ("a-change-of-light-or-exposure-is-waited-for", test_mixed);
  ADD ("lost-frames-are-taken-again", test_lost_frames);
  ADD ("a-sequence-that-ends-early-leaves-no-pattern-behind", test_ended_early);
  return g_test_run ();
}
