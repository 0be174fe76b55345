/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <lb-calibration.h>
#include <lb-operand.h>
#include <lb-optical-path.h>
#include <lb-random.h>
#include <lb-statistics.h>
#include <math.h>

/* The optical path on the simulated bench, with what the calibration found. */
typedef struct
{
  LbBench *bench;
  LbCalibrationSet *set;
} Bench;

static Bench shared;

static void
calibrate (Bench *self)
{
  const LbBenchOptions options = { .seed = 3, .world_seed = 3 };
  const LbCalibrationStep *const *steps = lb_calibration_steps_get ();
  g_autoptr (GError) error = NULL;
  g_autoptr (LbSetup) setup = lb_setup_load ("simulated", LB_FIDELITY_FAST, &error);

  g_assert_no_error (error);
  self->bench = lb_bench_new (setup, &options, &error);
  g_assert_no_error (error);
  lb_bench_connect (self->bench, NULL, &error);
  g_assert_no_error (error);
  self->set = lb_calibration_set_new ();
  for (guint i = 0; steps[i] != NULL; i++)
    {
      g_autoptr (LbCalibration) result = NULL;

      if (steps[i]->only_checks)
        continue;
      result =
          lb_calibration_run_step (self->bench, self->set, steps[i]->name, 1 + i, NULL, NULL, NULL, &error);

      g_assert_no_error (error);
      g_assert_cmpint (lb_calibration_get_verdict (result), !=, LB_VERDICT_FAIL);
    }
}

static LbMatrix *
new_values (gsize rows, gsize columns, guint64 stream, float low)
{
  LbMatrix *values = lb_matrix_new (rows, columns);

  for (gsize row = 0; row < rows; row++)
    for (gsize i = 0; i < columns; i++)
      lb_matrix_row (values, row)[i] =
          low + (1 - low) * (float) lb_random_uniform_at (lb_random_key (77), stream, row * columns + i);
  return values;
}

static LbOpticalPath *
new_path (gboolean calibrated, guint64 ordinal)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (LbOpticsModel) model =
      lb_calibration_set_make_model (shared.set, shared.bench, calibrated, &error);
  LbOpticalPath *path;

  g_assert_no_error (error);
  path = lb_optical_path_new (shared.bench, model);
  lb_optical_path_set_ordinal (path, ordinal);
  return path;
}

/* @count random products of length @length, one by one. */
static LbFiguresOfMerit
measure (LbOpticalPath *path, gsize count, gsize length, gboolean is_signed, LbOpticalPathCounts *counts)
{
  g_autoptr (LbMatrix) a = new_values (count, length, 1, is_signed ? -1 : 0);
  g_autoptr (LbMatrix) b = new_values (count, length, 2, is_signed ? -1 : 0);
  g_autoptr (LbMatrix) out = lb_matrix_new (count, 1);
  g_autofree double *measured = g_new (double, count);
  g_autofree double *ideal = g_new0 (double, count);
  g_autoptr (GError) error = NULL;
  LbFiguresOfMerit figures;

  lb_optical_path_multiply (path, a, b, TRUE, 2000, out, counts, NULL, NULL, NULL, &error);
  g_assert_no_error (error);
  for (gsize i = 0; i < count; i++)
    {
      measured[i] = lb_matrix_get (out, i, 0);
      for (gsize k = 0; k < length; k++)
        ideal[i] += (double) lb_matrix_get (a, i, k) * lb_matrix_get (b, i, k);
    }
  lb_figures_of_merit (measured, ideal, count, lb_operand_pass_scale (a, b, TRUE), &figures);
  g_test_message ("d %zu %s: error %.2f %%, bias %.2f %%, slope %.4f, N %.0f, %.0f electrons per MAC", length,
                  is_signed ? "signed" : "not signed", 100 * figures.normalised_error, 100 * figures.bias,
                  figures.slope, counts->photons_per_mac, counts->electrons_per_mac);
  g_assert_cmpuint (figures.count, ==, count);
  return figures;
}

static void
test_accuracy (void)
{
  const gsize lengths[] = { 64, 256 };
  g_autoptr (LbOpticalPath) path = new_path (TRUE, 100);

  for (gsize i = 0; i < G_N_ELEMENTS (lengths); i++)
    for (guint is_signed = 0; is_signed < 2; is_signed++)
      {
        LbOpticalPathCounts counts;
        const LbFiguresOfMerit figures = measure (path, 200, lengths[i], is_signed, &counts);

        g_assert_cmpfloat (figures.normalised_error, <, 0.021);
        if (is_signed)
          g_assert_cmpfloat_with_epsilon (figures.slope, 1, 0.02);
        g_assert_cmpfloat_with_epsilon (counts.photons_per_mac, 2000, 60);
        g_assert_cmpuint (counts.unusable, ==, 0);
      }
}

static void
test_before (void)
{
  g_autoptr (LbOpticalPath) before = new_path (FALSE, 200);
  g_autoptr (LbOpticalPath) after = new_path (TRUE, 300);
  LbOpticalPathCounts counts;

  for (guint is_signed = 0; is_signed < 2; is_signed++)
    {
      const double error_before = measure (before, 200, 64, is_signed, &counts).normalised_error;
      const double error_after = measure (after, 200, 64, is_signed, &counts).normalised_error;

      g_assert_cmpfloat (error_before, >, 2 * error_after);
    }
}

static void
test_all_pairs (void)
{
  g_autoptr (LbOpticalPath) path = new_path (TRUE, 400);
  g_autoptr (LbMatrix) a = new_values (32, 16, 5, -1);
  g_autoptr (LbMatrix) b = new_values (32, 16, 6, -1);
  g_autoptr (LbMatrix) out = lb_matrix_new (32, 32);
  g_autofree double *measured = g_new (double, 32 * 32);
  g_autofree double *ideal = g_new0 (double, 32 * 32);
  g_autoptr (GError) error = NULL;
  LbOpticalPathCounts counts;
  LbFiguresOfMerit figures;

  lb_optical_path_multiply (path, a, b, FALSE, 2000, out, &counts, NULL, NULL, NULL, &error);
  g_assert_no_error (error);
  for (gsize i = 0; i < 32 * 32; i++)
    {
      measured[i] = lb_matrix_get (out, i / 32, i % 32);
      for (gsize k = 0; k < 16; k++)
        ideal[i] += (double) lb_matrix_get (a, i / 32, k) * lb_matrix_get (b, i % 32, k);
    }
  lb_figures_of_merit (measured, ideal, 32 * 32, lb_operand_pass_scale (a, b, FALSE), &figures);
  g_test_message ("error %.2f %%, slope %.4f, %" G_GUINT64_FORMAT " exposures",
                  100 * figures.normalised_error, figures.slope, counts.exposures);
  g_assert_cmpfloat (figures.normalised_error, <, 0.0565);
  g_assert_cmpfloat_with_epsilon (figures.slope, 1, 0.02);
}

static gpointer
run_tests (gpointer loop)
{
  int result;

  calibrate (&shared);
  result = g_test_run ();
  g_object_unref (shared.bench);
  g_object_unref (shared.set);
  g_main_loop_quit (loop);
  return GINT_TO_POINTER (result);
}

/* The bench's actions block, so the tests run beside the main loop. */
int
main (int argc, char **argv)
{
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  GThread *thread;

  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/optical-path/simulated/calibrated-products-are-accurate", test_accuracy);
  g_test_add_func ("/optical-path/simulated/calibration-halves-the-error", test_before);
  g_test_add_func ("/optical-path/simulated/all-pairs-of-attention-size-are-accurate", test_all_pairs);
  thread = g_thread_new ("tests", run_tests, loop);
  g_main_loop_run (loop);
  return GPOINTER_TO_INT (g_thread_join (thread));
}
