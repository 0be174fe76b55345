/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <lb-simulated.h>
#include <lb-statistics.h>
#include <math.h>

#include "calibration-fixture.h"

/* Sentinels and the correction of drift on small simulated planes: what they see of
 * a fault that begins during a product. */

#define ROWS 24
#define LENGTH 64
#define EVERY 10

typedef struct
{
  CalibrationWorld *world;
  LbOpticalPath *path;
  const char *fault; /* set at dot product `from` */
  guint from;
  guint measured;
  guint doubted; /* measured between sentinels of which one failed */
  guint since;   /* the last sentinel */
  gboolean last_failed;
  guint taken, failed, asked;
  double worst;
  double last_dark, last_gain, slope;
  gboolean recalibrate;
  gboolean refuse;
  double measured_values[ROWS * ROWS];
  double ideal[ROWS * ROWS];
  LbMatrix *a, *b;
} Case;

static void
case_init (Case *self, guint64 seed, const char *fault, guint from)
{
  *self = (Case){ .fault = fault, .from = from };
  self->world = calibration_world_new (LB_FIDELITY_FAST, seed, NULL);
  calibration_world_run (self->world, "flat-field");
  self->path = calibration_world_new_path (self->world);
  self->a = calibration_fixture_new_matrix (ROWS, LENGTH, 7, 0, -1);
  self->b = calibration_fixture_new_matrix (ROWS, LENGTH, 7, 1, -1);
  for (guint i = 0; i < ROWS * ROWS; i++)
    for (guint e = 0; e < LENGTH; e++)
      self->ideal[i] += (double) lb_matrix_get (self->a, i / ROWS, e) * lb_matrix_get (self->b, i % ROWS, e);
}

static void
case_clear (Case *self)
{
  g_clear_object (&self->path);
  lb_matrix_unref (self->a);
  lb_matrix_unref (self->b);
  calibration_world_free (self->world);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Case, case_clear)

static void
partial_cb (const guint32 *rows,
            const guint32 *columns,
            const float *values,
            const float *raw,
            gsize count,
            gpointer user_data)
{
  Case *self = user_data;

  for (gsize i = 0; i < count; i++)
    self->measured_values[rows[i] * ROWS + columns[i]] = values[i];
  self->measured += count;
  self->since += count;
  if (self->fault != NULL && self->measured >= self->from)
    {
      lb_simulated_set_fault (calibration_world_get_camera (self->world), self->fault, TRUE);
      self->fault = NULL;
    }
}

static void
taken_cb (const LbSentinel *sentinel, gpointer user_data)
{
  Case *self = user_data;

  g_test_message (
      "sentinel %u after %u products: residual %.4f, slope %.4f, dark %.1f electrons/s, gain %.4f",
      (guint) sentinel->ordinal, self->measured, sentinel->residual, sentinel->slope,
      sentinel->dark_electrons_per_s, sentinel->gain_drift);
  g_assert_cmpint (lb_bench_get_light (self->world->bench), !=, LB_LIGHT_ON);
  g_assert_cmpint (sentinel->passed, ==, sentinel->residual <= sentinel->limit);
  if (self->last_failed || !sentinel->passed)
    self->doubted += self->since;
  self->last_failed = !sentinel->passed;
  self->since = 0;
  self->taken++;
  self->failed += !sentinel->passed;
  self->worst = MAX (self->worst, sentinel->residual);
  self->last_dark = sentinel->dark_electrons_per_s;
  self->last_gain = sentinel->gain_drift;
  self->slope = sentinel->slope;
}

static gboolean
failed_cb (LbOpticalPath *path,
           const LbSentinel *sentinel,
           gpointer user_data,
           GCancellable *cancellable,
           GError **error)
{
  static const char *const steps[] = { "alignment", "response", "background", "flat-field" };
  Case *self = user_data;
  g_autoptr (LbOpticsModel) model = NULL;

  self->asked++;
  g_assert_cmpint (lb_bench_get_state (self->world->bench), ==, LB_BENCH_IDLE);
  g_assert_cmpint (lb_bench_get_light (self->world->bench), ==, LB_LIGHT_ARMED);
  if (self->refuse)
    g_set_error_literal (error, LB_CALIBRATION_ERROR, LB_CALIBRATION_ERROR_SIGNAL, "held");
  if (self->refuse || !self->recalibrate)
    return !self->refuse;
  for (guint i = 0; i < G_N_ELEMENTS (steps); i++)
    {
      g_autoptr (LbCalibration) result =
          lb_calibration_run_step (self->world->bench, self->world->set, steps[i],
                                   self->world->next_ordinal++, NULL, NULL, NULL, error);

      g_assert_no_error (*error);
      g_assert_cmpint (lb_calibration_get_verdict (result), !=, LB_VERDICT_FAIL);
    }
  model = lb_calibration_set_make_model (self->world->set, self->world->bench, TRUE, error);
  g_assert_no_error (*error);
  g_assert_true (lb_optical_path_set_model (path, model, error));
  return TRUE;
}

/* Figures of the products. */
static LbFiguresOfMerit
measure (Case *self, LbOpticalPathCounts *counts, GError **error)
{
  g_autoptr (LbMatrix) out = lb_matrix_new (ROWS, ROWS);
  LbFiguresOfMerit figures;
  gboolean done = lb_optical_path_multiply (self->path, self->a, self->b, FALSE, 2000, out, counts,
                                            partial_cb, self, NULL, error);

  if (done)
    lb_optical_path_close_sentinels (self->path, NULL, error);
  for (guint i = 0; done && i < ROWS * ROWS; i++)
    g_assert_cmpfloat ((float) self->measured_values[i], ==, lb_matrix_get (out, i / ROWS, i % ROWS));
  lb_figures_of_merit (self->measured_values, self->ideal, ROWS * ROWS, sqrt (LENGTH * LENGTH / 64.0),
                       &figures);
  g_test_message (
      "%u products, normalised error %.4f, slope %.4f; %u sentinels, %u failed, %u products in doubt",
      self->measured, figures.normalised_error, figures.slope, self->taken, self->failed, self->doubted);
  g_assert_cmpint (lb_bench_get_light (self->world->bench), ==, LB_LIGHT_ARMED);
  return figures;
}

static void
set_sentinels (Case *self)
{
  g_autoptr (GError) error = NULL;

  lb_optical_path_set_sentinels (self->path, EVERY, LB_SENTINEL_LIMIT, taken_cb, failed_cb, self, &error);
  g_assert_no_error (error);
}

static void
test_quiet (gconstpointer data)
{
  g_auto (Case) self = { 0 };
  g_autoptr (GError) error = NULL;
  LbOpticalPathCounts counts;
  LbFiguresOfMerit figures;
  guint64 forecast;

  case_init (&self, GPOINTER_TO_UINT (data), NULL, 0);
  set_sentinels (&self);
  g_assert_true (lb_optical_path_forecast (self.path, self.a, self.b, FALSE, 2000, &forecast, NULL, &error));
  figures = measure (&self, &counts, &error);
  g_assert_no_error (error);
  g_test_message ("forecast %" G_GUINT64_FORMAT " exposures, took %" G_GUINT64_FORMAT, forecast,
                  counts.exposures);
  g_assert_cmpuint (self.taken, ==, 2 + (96 - 1) / EVERY);
  g_assert_cmpfloat (fabs ((double) forecast / (double) counts.exposures - 1), <, 0.1);
  g_assert_cmpuint (self.failed, ==, 0);
  g_assert_cmpuint (self.asked, ==, 0);
  g_assert_cmpuint (self.since, ==, 0);
  g_assert_cmpuint (counts.dot_products, ==, ROWS * ROWS);
  g_assert_cmpfloat (figures.normalised_error, <, 0.021);
}

/* The truth is a shift of a pixel of four: sentinels see it, what was measured in
 * between is known, and going on leaves the rest as bad as it is. */
static void
test_misaligned (void)
{
  g_auto (Case) self = { 0 };
  g_autoptr (GError) error = NULL;

  case_init (&self, 3, "misalign", ROWS * ROWS / 2);
  set_sentinels (&self);
  measure (&self, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (self.failed, >, 0);
  g_assert_cmpuint (self.asked, >=, self.failed - 1);
  g_assert_cmpfloat (self.worst, >, 2 * LB_SENTINEL_LIMIT);
  g_assert_cmpfloat (self.slope, <, 0.97);
  /* All that came after the step is in doubt, and not much of what came before. */
  g_assert_cmpuint (self.doubted, >=, ROWS * ROWS / 2 - 1);
  g_assert_cmpuint (self.doubted, <, ROWS * ROWS);
}

static void
test_recalibrated (void)
{
  g_auto (Case) self = { 0 };
  g_autoptr (GError) error = NULL;
  LbOpticalPathCounts counts;
  double rest[2] = { 0, 0 };

  case_init (&self, 3, "misalign", ROWS * ROWS / 2);
  self.recalibrate = TRUE;
  set_sentinels (&self);
  measure (&self, &counts, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (self.asked, ==, 1);
  g_assert_cmpuint (self.failed, ==, 1);
  g_assert_false (self.last_failed);
  g_assert_cmpuint (self.measured, ==, ROWS * ROWS);
  g_assert_cmpuint (counts.dot_products, ==, ROWS * ROWS);
  g_assert_cmpuint (counts.macs, ==, ROWS * ROWS * LENGTH);
  g_assert_cmpuint (self.doubted, <, ROWS * ROWS / 2);
  /* The last columns were measured by the new calibration. */
  for (guint i = 0; i < ROWS * ROWS; i++)
    if (i % ROWS >= ROWS - 4)
      {
        rest[0] += pow (self.measured_values[i] - self.ideal[i], 2);
        rest[1]++;
      }
  g_assert_cmpfloat (sqrt (rest[0] / rest[1]) / LENGTH * 8, <, 0.021);
}

static void
test_held (void)
{
  g_auto (Case) self = { 0 };
  g_autoptr (GError) error = NULL;

  case_init (&self, 3, "misalign", 1);
  self.refuse = TRUE;
  set_sentinels (&self);
  measure (&self, NULL, &error);
  g_assert_error (error, LB_CALIBRATION_ERROR, LB_CALIBRATION_ERROR_SIGNAL);
  g_assert_cmpuint (self.measured, >, 0);
  g_assert_cmpuint (self.measured, <, ROWS * ROWS);
  g_assert_cmpint (lb_bench_get_state (self.world->bench), ==, LB_BENCH_IDLE);
}

/* Error of products under a fault that is there from the start, with and without
 * sentinels. */
static void
compare (const char *fault, LbFiguresOfMerit *without, LbFiguresOfMerit *with, Case *self)
{
  g_autoptr (GError) error = NULL;
  LbDevice *camera;

  case_init (self, 4, NULL, 0);
  camera = calibration_world_get_camera (self->world);
  lb_simulated_set_fault (camera, fault, TRUE);
  *without = measure (self, NULL, &error);
  g_assert_no_error (error);
  self->measured = self->since = 0;
  set_sentinels (self);
  *with = measure (self, NULL, &error);
  g_assert_no_error (error);
  lb_simulated_set_fault (camera, fault, FALSE);
}

static void
test_dark_drift (void)
{
  g_auto (Case) self = { 0 };
  LbFiguresOfMerit without, with;

  compare ("room-light", &without, &with, &self);
  g_assert_cmpfloat_with_epsilon (self.last_dark, 2000, 400);
  g_assert_cmpfloat (with.normalised_error, <, 0.021);
  g_assert_cmpfloat (with.normalised_error, <, 0.9 * without.normalised_error);
  /* What adds to the reference patches too makes products seem smaller. */
  g_assert_cmpfloat (without.slope, <, 0.98);
  g_assert_cmpfloat_with_epsilon (with.slope, 1, 0.01);
  g_assert_cmpuint (self.failed, ==, 0);
}

/* The beam wanders and a quarter of the light goes. */
static void
test_gain_drift (void)
{
  g_auto (Case) self = { 0 };
  LbFiguresOfMerit without, with;

  compare ("fast-drift", &without, &with, &self);
  g_assert_cmpfloat (self.last_gain, >, 0.004);
  g_assert_cmpfloat (with.normalised_error, <, 0.021);
  g_assert_cmpfloat (without.normalised_error, >, with.normalised_error);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_data_func ("/sentinels/a-calibrated-bench-passes", GUINT_TO_POINTER (3), test_quiet);
  g_test_add_func ("/sentinels/misalignment-is-seen-and-doubt-bounded", test_misaligned);
  g_test_add_func ("/sentinels/the-rest-is-measured-by-the-new-calibration", test_recalibrated);
  g_test_add_func ("/sentinels/held-the-light-is-off", test_held);
  g_test_add_func ("/sentinels/dark-frames-correct-light-of-the-room", test_dark_drift);
  g_test_add_func ("/sentinels/reference-frames-correct-a-wandering-beam", test_gain_drift);
  return g_test_run ();
}
