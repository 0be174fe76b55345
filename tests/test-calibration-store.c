/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <glib/gstdio.h>
#include <lb-calibration-store.h>
#include <lb-simulated.h>
#include <math.h>
#include <string.h>

#include "calibration-fixture.h"

/* What an operator does with stored results: list, mark, compare, carry away. */

static char *home;

static LbCalibration *
make_result (CalibrationWorld *world, const char *step, double mark, gint64 time_us, LbVerdict verdict)
{
  LbCalibration *calibration = lb_calibration_new (step);
  g_autoptr (LbQuantities) identities = lb_bench_dup_identities (world->bench);
  g_autoptr (LbMatrix) array = lb_matrix_new (2, 3);

  for (guint i = 0; i < 6; i++)
    lb_matrix_row (array, i / 3)[i % 3] = (float) (10 + mark);
  lb_calibration_set_array (calibration, "array", array);
  lb_quantities_set (lb_calibration_values (calibration), "offset", mark, "DN");
  lb_quantities_set_text (lb_calibration_settings (calibration), "fidelity", "fast");
  lb_calibration_set_verdict (calibration, verdict, 0.125 * mark, 1, "DN", "Nothing to do.");
  lb_calibration_seal (calibration, time_us, 3, 7, identities);
  return calibration;
}

static void
empty_store (void)
{
  g_autofree char *folder = g_build_filename (home, "calibrations", NULL);
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (folder, name, NULL);

      g_unlink (path);
    }
}

static void
test_list (void)
{
  g_autoptr (CalibrationWorld) world = calibration_world_new (LB_FIDELITY_FAST, 1, NULL);
  g_autoptr (CalibrationWorld) other = calibration_world_new (LB_FIDELITY_FAST, 2, NULL);
  const gint64 now_us = g_get_real_time ();
  g_autoptr (LbCalibration) old = make_result (world, "dark", 1, now_us - 3000000, LB_VERDICT_PASS);
  g_autoptr (LbCalibration) good = make_result (world, "dark", 2, now_us - 2000000, LB_VERDICT_WARN);
  g_autoptr (LbCalibration) failed = make_result (world, "dark", 3, now_us - 1000000, LB_VERDICT_FAIL);
  g_autoptr (LbCalibration) foreign = make_result (other, "dark", 4, now_us, LB_VERDICT_PASS);
  g_autoptr (GPtrArray) list = NULL;
  g_autoptr (GError) error = NULL;
  LbStoredCalibration *entry;

  empty_store ();
  calibration_fixture_save (old);
  calibration_fixture_save (good);
  calibration_fixture_save (failed);
  calibration_fixture_save (foreign);
  list = lb_calibration_store_list (world->bench, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (list->len, ==, 3);
  entry = g_ptr_array_index (list, 0);
  g_assert_cmpstr (lb_calibration_get_hash (entry->calibration), ==, lb_calibration_get_hash (failed));
  g_assert_false (entry->in_force);
  entry = g_ptr_array_index (list, 1);
  g_assert_true (entry->in_force);
  g_assert_cmpuint (strlen (entry->id), ==, 16);
  entry = g_ptr_array_index (list, 2);
  g_assert_false (entry->in_force);
  g_assert_false (entry->bad);
}

static void
test_mark (void)
{
  g_autoptr (CalibrationWorld) world = calibration_world_new (LB_FIDELITY_FAST, 1, NULL);
  const gint64 now_us = g_get_real_time ();
  g_autoptr (LbCalibration) first = make_result (world, "dark", 1, now_us - 2000000, LB_VERDICT_PASS);
  g_autoptr (LbCalibration) second = make_result (world, "dark", 2, now_us - 1000000, LB_VERDICT_PASS);
  g_autoptr (LbCalibration) found = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) list = NULL;
  g_autofree char *id = g_strndup (lb_calibration_get_hash (second), 8);

  empty_store ();
  calibration_fixture_save (first);
  calibration_fixture_save (second);
  g_assert_cmpfloat (calibration_fixture_stored_mark (world, "dark"), ==, 2);
  found = lb_calibration_store_find (world->bench, id, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (lb_calibration_get_hash (found), ==, lb_calibration_get_hash (second));
  g_assert_true (lb_calibration_store_mark_bad (found, &error));
  /* The one before is in force again; the bad one is still there. */
  g_assert_cmpfloat (calibration_fixture_stored_mark (world, "dark"), ==, 1);
  list = lb_calibration_store_list (world->bench, &error);
  g_assert_cmpuint (list->len, ==, 2);
  g_assert_true (((LbStoredCalibration *) g_ptr_array_index (list, 0))->bad);
  g_clear_object (&found);
  found = lb_calibration_store_find (world->bench, "ffffffffffff", &error);
  g_assert_null (found);
  g_assert_error (error, LB_CALIBRATION_ERROR, LB_CALIBRATION_ERROR_NO_SUCH_RESULT);
  g_clear_error (&error);
  found = lb_calibration_store_find (world->bench, "", &error);
  g_assert_null (found);
  g_assert_error (error, LB_CALIBRATION_ERROR, LB_CALIBRATION_ERROR_NO_SUCH_RESULT);
}

static void
test_archive (void)
{
  g_autoptr (CalibrationWorld) world = calibration_world_new (LB_FIDELITY_FAST, 1, NULL);
  g_autoptr (GPtrArray) results = g_ptr_array_new_with_free_func (g_object_unref);
  g_autoptr (GPtrArray) read = NULL;
  g_autoptr (GPtrArray) bad = g_ptr_array_new ();
  g_autoptr (GError) error = NULL;
  g_autofree char *json = NULL;

  g_ptr_array_add (results, make_result (world, "dark", 1, 1000000, LB_VERDICT_PASS));
  g_ptr_array_add (results, make_result (world, "response", 2, 2000000, LB_VERDICT_WARN));
  /* Wherever it goes, it stays bad. */
  lb_calibration_store_mark_bad (g_ptr_array_index (results, 1), &error);
  g_assert_no_error (error);
  json = lb_calibration_archive_write (results);
  read = lb_calibration_archive_read (json, -1, bad, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (read->len, ==, 2);
  g_assert_cmpuint (bad->len, ==, 1);
  g_assert_true (g_ptr_array_index (bad, 0) == g_ptr_array_index (read, 1));
  for (guint i = 0; i < 2; i++)
    {
      g_autoptr (GBytes) a = lb_calibration_to_bytes (g_ptr_array_index (results, i));
      g_autoptr (GBytes) b = lb_calibration_to_bytes (g_ptr_array_index (read, i));

      g_assert_true (g_bytes_equal (a, b));
    }
}

/* Every way in which such a file can be damaged is an error that names it. */
static void
test_damaged_archive (void)
{
  g_autoptr (CalibrationWorld) world = calibration_world_new (LB_FIDELITY_FAST, 1, NULL);
  g_autoptr (GPtrArray) results = g_ptr_array_new_with_free_func (g_object_unref);
  g_autofree char *json = NULL;
  static const struct
  {
    const char *from, *to;
  } damages[] = {
    { "lightbench-calibrations", "something-else" },
    { "\"version\" : 1", "\"version\" : 2" },
    { "\"calibrations\"", "\"results\"" },
    { "\"dark\"", "\"light\"" },
    { "\"pass\"", "\"warn\"" },
    { "\"hash\" : \"", "\"hash\" : \"0" },
    { "\"data\" : \"", "\"data\" : \"AAAA" },
    { "\"data\"", "\"datum\"" },
  };
  gsize length;

  g_ptr_array_add (results, make_result (world, "dark", 1, 1000000, LB_VERDICT_PASS));
  json = lb_calibration_archive_write (results);
  for (guint i = 0; i < G_N_ELEMENTS (damages); i++)
    {
      GString *text = g_string_new (json);
      g_autoptr (GPtrArray) read = NULL;
      g_autoptr (GError) error = NULL;

      g_assert_cmpuint (g_string_replace (text, damages[i].from, damages[i].to, 1), ==, 1);
      read = lb_calibration_archive_read (text->str, -1, NULL, &error);
      g_assert_null (read);
      g_assert_error (error, LB_CALIBRATION_ERROR, LB_CALIBRATION_ERROR_FORMAT);
      g_string_free (text, TRUE);
    }
  length = strlen (json);
  for (gsize cut = 0; cut + 3 < length; cut += 97)
    {
      g_autoptr (GError) error = NULL;

      g_assert_null (lb_calibration_archive_read (json, (gssize) cut, NULL, &error));
      g_assert_error (error, LB_CALIBRATION_ERROR, LB_CALIBRATION_ERROR_FORMAT);
    }
}

static void
test_compare (void)
{
  g_autoptr (CalibrationWorld) world = calibration_world_new (LB_FIDELITY_FAST, 1, NULL);
  g_autoptr (LbCalibration) a = make_result (world, "dark", 0, 1000000, LB_VERDICT_PASS);
  g_autoptr (LbCalibration) b = make_result (world, "dark", 2, 2000000, LB_VERDICT_PASS);
  g_autoptr (LbCalibration) other = make_result (world, "response", 2, 2000000, LB_VERDICT_PASS);
  g_autoptr (GPtrArray) differences = NULL;
  g_autoptr (GError) error = NULL;
  const LbCalibrationDifference *one;

  differences = lb_calibration_compare (a, b, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (differences->len, ==, 3);
  one = g_ptr_array_index (differences, 0);
  g_assert_cmpstr (one->name, ==, "residual");
  g_assert_cmpfloat (one->b - one->a, ==, 0.25);
  one = g_ptr_array_index (differences, 1);
  g_assert_cmpstr (one->name, ==, "offset");
  g_assert_cmpfloat (one->b, ==, 2);
  /* 10 became 12. */
  one = g_ptr_array_index (differences, 2);
  g_assert_cmpfloat_with_epsilon (one->b, 20, 1e-4);
  g_clear_pointer (&differences, g_ptr_array_unref);
  differences = lb_calibration_compare (a, other, &error);
  g_assert_null (differences);
  g_assert_error (error, LB_CALIBRATION_ERROR, LB_CALIBRATION_ERROR_FORMAT);
}

/* A setup that changed makes a result due that was measured with the old one. */
static void
test_changed_setup (void)
{
  const char *changes[] = { "\"exposure_us\": 8000", "\"exposure_us\": 6000", NULL };
  g_autoptr (CalibrationWorld) world = calibration_world_new (LB_FIDELITY_FAST, 1, NULL);
  g_autoptr (CalibrationWorld) changed = calibration_world_new (LB_FIDELITY_FAST, 1, changes);
  g_autofree char *why = NULL;

  calibration_world_run (world, "dark");
  g_assert_false (lb_calibration_set_is_due_on (world->set, world->bench, "dark", &why));
  g_assert_null (why);
  g_assert_true (lb_calibration_set_is_due_on (world->set, changed->bench, "dark", &why));
  g_assert_nonnull (strstr (why, "exposure"));
}

/* By the light source's temperature when the bench was connected. */
static void
test_warmer (void)
{
  g_autoptr (CalibrationWorld) world = calibration_world_new (LB_FIDELITY_FAST, 1, NULL);
  LbDevice *camera = lb_bench_get_device (world->bench, LB_ROLE_CAMERA);
  g_autoptr (GError) error = NULL;
  g_autofree char *why = NULL;

  calibration_world_run (world, "dark");
  g_assert_cmpfloat (lb_bench_get_temperature (world->bench), ==, 25);
  for (guint warm = 0; warm < 2; warm++)
    {
      lb_simulated_set_fault (camera, "warm", warm);
      g_assert_true (lb_bench_disconnect (world->bench, NULL, &error));
      g_assert_true (lb_bench_connect (world->bench, NULL, &error));
      g_assert_cmpint (lb_calibration_set_is_due_on (world->set, world->bench, "dark", &why), ==, warm);
    }
  g_assert_nonnull (strstr (why, "25.0"));
  g_assert_nonnull (strstr (why, "30.0"));
}

int
main (int argc, char *argv[])
{
  int failed;

  g_test_init (&argc, &argv, NULL);
  home = g_dir_make_tmp ("lightbench-test-XXXXXX", NULL);
  g_assert_nonnull (home);
  g_setenv ("LIGHTBENCH_HOME", home, TRUE);
  g_test_add_func ("/calibration-store/lists-what-is-in-force", test_list);
  g_test_add_func ("/calibration-store/a-bad-one-is-kept-but-not-used", test_mark);
  g_test_add_func ("/calibration-store/export-comes-back", test_archive);
  g_test_add_func ("/calibration-store/damaged-export-is-refused", test_damaged_archive);
  g_test_add_func ("/calibration-store/two-are-compared", test_compare);
  g_test_add_func ("/calibration-store/a-changed-setup-makes-it-due", test_changed_setup);
  g_test_add_func ("/calibration-store/another-temperature-makes-it-due", test_warmer);
  failed = g_test_run ();
  empty_store ();
  g_free (home);
  return failed;
}
