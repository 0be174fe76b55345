/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include <lb-bench.h>

#include "bench-throughput.h"
#include "benchmark-rows.h"

/*
 * Speed of the simulated bench through its drivers, both patterns new at each
 * exposure, beside a yardstick of the same run: plain passes of one
 * multiplication and addition over a 1920 x 1080 array of floats, on one core. And the
 * rate in bench time, which is virtual and repeats, beside what displays, settling and
 * exposure allow at most (optics.md, "Time"). Prints one JSON object.
 */

#define YARDSTICK_PIXELS (1920u * 1080)
#define N_PATTERNS 4

typedef struct
{
  LbPattern *source[N_PATTERNS];
  LbPattern *weight[N_PATTERNS];
  guint exposures;
  guint next;
} Load;

static LbPattern *
new_pattern (LbBench *bench, LbRole role, guint nth)
{
  LbModulatorCaps caps;
  guint8 *data;

  lb_bench_get_modulator_caps (bench, role, &caps);
  data = g_malloc ((gsize) caps.width * caps.height);
  for (gsize i = 0; i < (gsize) caps.width * caps.height; i++)
    data[i] = (guint8) (i * 7 + i / caps.width * 3 + nth * 61);
  return lb_pattern_new_take (caps.width, caps.height, data);
}

static gboolean
next_exposure (LbExposure *exposure, gpointer data, GError **error)
{
  Load *load = data;

  if (load->next == load->exposures)
    return FALSE;
  exposure->source = load->source[load->next % N_PATTERNS];
  exposure->weight = load->weight[load->next % N_PATTERNS];
  exposure->light = TRUE;
  exposure->exposure_us = 4000;
  load->next++;
  return TRUE;
}

static gboolean
drop_frame (const LbExposure *exposure, guint nth, LbFrame *frame, gpointer data, GError **error)
{
  return TRUE;
}

static gboolean
run_load (LbBench *bench, gpointer data, GCancellable *cancellable, GError **error)
{
  return lb_bench_run_sequence (bench, next_exposure, drop_frame, data, cancellable, error);
}

/* Exposures a second. */
static double
measure (LbFidelity fidelity, guint exposures)
{
  const LbBenchOptions options = { .seed = 1, .world_seed = 1 };
  g_autoptr (GError) error = NULL;
  g_autoptr (LbSetup) setup = lb_setup_load ("simulated", fidelity, &error);
  g_autoptr (LbBench) bench = setup != NULL ? lb_bench_new (setup, &options, &error) : NULL;
  Load load = { .exposures = 8 };
  double best = 0;

  if (bench == NULL || !lb_bench_connect (bench, NULL, &error))
    g_error ("%s", error->message);
  for (guint i = 0; i < N_PATTERNS; i++)
    {
      load.source[i] = new_pattern (bench, LB_ROLE_SOURCE, i);
      load.weight[i] = new_pattern (bench, LB_ROLE_WEIGHT, i + N_PATTERNS);
    }
  /* The first run warms up; the best of the others counts. */
  for (guint run = 0; run < 4; run++)
    {
      gint64 start_us = g_get_monotonic_time ();

      load.next = 0;
      if (!lb_bench_run (bench, "benchmark", run_load, &load, NULL, &error))
        g_error ("%s", error->message);
      if (run > 0)
        best = MAX (best, load.exposures * 1e6 / (g_get_monotonic_time () - start_us));
      load.exposures = exposures;
    }
  if (!lb_bench_disconnect (bench, NULL, &error))
    g_error ("%s", error->message);
  for (guint i = 0; i < N_PATTERNS; i++)
    {
      lb_pattern_unref (load.source[i]);
      lb_pattern_unref (load.weight[i]);
    }
  return best;
}

/* Passes a second. */
static double
measure_yardstick (void)
{
  g_autofree float *values = g_new0 (float, YARDSTICK_PIXELS);
  double best = 0;

  for (guint run = 0; run < 5; run++)
    {
      gint64 start_us = g_get_monotonic_time ();

      for (guint pass = 0; pass < 50; pass++)
        {
          for (gsize i = 0; i < YARDSTICK_PIXELS; i++)
            values[i] = values[i] * 0.99f + 1;
          /* Keeps the compiler from folding passes into one. */
          __asm__ volatile("" : : "r"(values) : "memory");
        }
      best = MAX (best, 50 * 1e6 / (g_get_monotonic_time () - start_us));
    }
  return best;
}

static void
add_attained_row (GPtrArray *rows, LbBench *bench, const char *name, gboolean weight_changes)
{
  const double attained = bench_throughput_measure (bench, weight_changes);
  const double attainable = bench_throughput_get_attainable (bench, weight_changes);

  benchmark_add_row (rows, name, attained, "exposures/s of bench time",
                     "attainable exposures/s of bench time", attained / attainable, 0.9 * attainable);
}

int
main (void)
{
  const char *yardstick_name = "passes over 1920 x 1080 floats a second";
  g_autoptr (GPtrArray) rows = g_ptr_array_new_with_free_func (g_free);
  double yardstick = measure_yardstick ();
  double pixel = measure (LB_FIDELITY_PIXEL, 40);
  double fast = measure (LB_FIDELITY_FAST, 2000);
  LbBench *small = bench_throughput_new_bench (BENCH_THROUGHPUT_CAMERA_HZ);

  benchmark_add_row (rows, "bench_pixel_1920x1080_12bit", pixel, "exposures/s", yardstick_name,
                     pixel / yardstick, 30);
  add_attained_row (rows, small, "bench_attained_both_planes_change", TRUE);
  add_attained_row (rows, small, "bench_attained_source_changes", FALSE);
  bench_throughput_free_bench (small);
  benchmark_add_row (rows, "bench_fast", fast, "exposures/s", yardstick_name, fast / yardstick, 1000);
  benchmark_print (rows);
  return 0;
}
