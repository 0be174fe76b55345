/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "calibration-fixture.h"

#include <lb-random.h>
#include <lb-simulated-truth.h>
#include <math.h>
#include <string.h>

static char *
read_preset (const char *preset, const char *const *changes)
{
  g_autofree char *path = g_strdup_printf ("/org/lightbench/setups/%s.json", preset);
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) bytes = NULL;
  GString *json;

  /* The resource is registered with the drivers' first use. */
  g_assert_nonnull (lb_setup_list_presets ());
  bytes = g_resources_lookup_data (path, G_RESOURCE_LOOKUP_FLAGS_NONE, &error);
  g_assert_no_error (error);
  json = g_string_new_len (g_bytes_get_data (bytes, NULL), (gssize) g_bytes_get_size (bytes));
  for (guint i = 0; changes != NULL && changes[i] != NULL; i += 2)
    g_assert_cmpuint (g_string_replace (json, changes[i], changes[i + 1], 0), >, 0);
  return g_string_free (json, FALSE);
}

CalibrationWorld *
calibration_world_new (LbFidelity fidelity, guint64 seed, const char *const *changes)
{
  return calibration_world_new_of ("simulated", fidelity, seed, changes);
}

CalibrationWorld *
calibration_world_new_of (const char *preset, LbFidelity fidelity, guint64 seed, const char *const *changes)
{
  CalibrationWorld *world = g_new0 (CalibrationWorld, 1);
  const LbBenchOptions options = { .seed = seed,
                                   .world_seed = seed,
                                   .start_us = G_GINT64_CONSTANT (3600) * G_USEC_PER_SEC };
  g_autoptr (GError) error = NULL;
  g_autofree char *json = read_preset (preset, changes);
  g_autofree char *truth = NULL;

  world->name = g_strdup_printf ("%s %s world %" G_GUINT64_FORMAT, preset,
                                 fidelity == LB_FIDELITY_FAST ? "fast" : "pixel", seed);
  world->setup = lb_setup_parse (json, -1, preset, fidelity, &error);
  g_assert_no_error (error);
  world->bench = lb_bench_new (world->setup, &options, &error);
  g_assert_no_error (error);
  g_assert_true (lb_bench_connect (world->bench, NULL, &error));
  world->set = lb_calibration_set_new ();
  world->next_ordinal = 1;
  truth = lb_simulated_truth_print (lb_bench_get_device (world->bench, LB_ROLE_CAMERA));
  g_test_message ("%s:\n%s", world->name, truth);
  return world;
}

void
calibration_world_free (CalibrationWorld *world)
{
  g_autoptr (GError) error = NULL;

  g_clear_object (&world->set);
  lb_bench_disconnect (world->bench, NULL, &error);
  g_assert_no_error (error);
  g_clear_object (&world->bench);
  g_clear_object (&world->setup);
  g_free (world->name);
  g_free (world);
}

LbCalibration *
calibration_world_run (CalibrationWorld *world, const char *step)
{
  const LbCalibrationStep *row = lb_calibration_steps_find (step);
  g_autoptr (LbCalibration) result = lb_calibration_set_dup (world->set, step);
  g_autoptr (GError) error = NULL;
  gint64 begin_us;

  if (result != NULL)
    return result;
  for (guint i = 0; row->needs[i] != NULL; i++)
    calibration_world_run (world, row->needs[i]);
  begin_us = g_get_monotonic_time ();
  result = lb_calibration_run_step (world->bench, world->set, step, world->next_ordinal++, NULL, NULL, NULL,
                                    &error);
  g_assert_no_error (error);
  g_test_message ("%s, %s: %s, residual %g of %g %s, %.1f s of bench time, %.1f s. %s", world->name, step,
                  lb_verdict_get_name (lb_calibration_get_verdict (result)),
                  lb_calibration_get_residual (result), lb_calibration_get_limit (result),
                  lb_calibration_get_unit (result), lb_calibration_get_duration_s (result),
                  1e-6 * (double) (g_get_monotonic_time () - begin_us), lb_calibration_get_message (result));
  g_assert_cmpint (lb_calibration_get_verdict (result), !=, LB_VERDICT_FAIL);
  /* The set holds it; where assertions are not fatal a failed one too, to go on with. */
  lb_calibration_set_put (world->set, result);
  return result;
}

LbDevice *
calibration_world_get_camera (CalibrationWorld *world)
{
  return lb_bench_get_device (world->bench, LB_ROLE_CAMERA);
}

double
calibration_world_get_truth (CalibrationWorld *world, const char *name)
{
  return lb_simulated_truth_get_parameter (calibration_world_get_camera (world), name);
}

LbOpticalPath *
calibration_world_new_path (CalibrationWorld *world)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (LbOpticsModel) model = lb_calibration_set_make_model (world->set, world->bench, TRUE, &error);
  LbOpticalPath *path;

  g_assert_no_error (error);
  path = lb_optical_path_new (world->bench, model);
  lb_optical_path_set_ordinal (path, 1000);
  return path;
}

double
calibration_get_value (LbCalibration *result, const char *name)
{
  return lb_quantities_get (lb_calibration_values (result), name, NAN);
}

void
calibration_fixture_save (LbCalibration *result)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (lb_calibration_store_save (result, &error));
  g_assert_no_error (error);
}

double
calibration_fixture_stored_mark (CalibrationWorld *world, const char *step)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (LbCalibrationSet) set = lb_calibration_store_load (world->bench, &error);
  g_autoptr (LbCalibration) result = NULL;

  g_assert_no_error (error);
  result = lb_calibration_set_dup (set, step);
  return result != NULL ? calibration_get_value (result, "offset") : -1;
}

void
calibration_world_check (
    CalibrationWorld *world, LbCalibration *result, const char *what, double off, double limit)
{
  const LbVerdict verdict = lb_calibration_get_verdict (result);

  g_test_message ("%s, %s (%s): %s off by %.3g of %.3g", world->name, lb_calibration_get_step (result),
                  lb_verdict_get_name (verdict), what, off, limit);
  g_assert_true (isfinite (off));
  if (verdict != LB_VERDICT_FAIL)
    g_assert_cmpfloat (off, <, limit);
}

gboolean
calibration_fixture_get_worlds (LbFidelity *fidelity, guint64 *first, guint64 *last)
{
  const char *range = g_getenv ("LIGHTBENCH_WORLDS"), *name = g_getenv ("LIGHTBENCH_FIDELITY");
  char *end = NULL;

  if (range == NULL)
    return FALSE;
  /* What is wrong in one world does not end the look at it. */
  g_test_set_nonfatal_assertions ();
  *first = *last = g_ascii_strtoull (range, &end, 10);
  if (*end == '-')
    *last = g_ascii_strtoull (end + 1, NULL, 10);
  *fidelity = g_strcmp0 (name, "pixel") == 0 ? LB_FIDELITY_PIXEL : LB_FIDELITY_FAST;
  return TRUE;
}

LbMatrix *
calibration_fixture_new_matrix (gsize rows, gsize columns, guint64 seed, guint64 stream, float low)
{
  LbMatrix *matrix = lb_matrix_new (rows, columns);

  for (gsize row = 0; row < rows; row++)
    {
      float *values = lb_matrix_row (matrix, row);

      lb_random_uniform_fill (lb_random_key (seed), stream, row * columns, columns, values);
      for (gsize i = 0; i < columns; i++)
        values[i] = low + (1 - low) * values[i];
    }
  return matrix;
}
