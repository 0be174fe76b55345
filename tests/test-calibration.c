/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#include <lb-random.h>

#include "calibration-fixture.h"
#include "folder-fixture.h"

#define HOUR_US (G_GINT64_CONSTANT (3600) * G_USEC_PER_SEC)

static LbQuantities *
make_identities (void)
{
  LbQuantities *identities = lb_quantities_new ();

  lb_quantities_set_text (identities, "camera", "test: Maker Camera, serial 1");
  lb_quantities_set_text (identities, "source", "test: Maker Plane, serial 2");
  return identities;
}

/* A result with something of everything; @mark makes it different. */
static LbCalibration *
make_unsealed (const char *step, double mark)
{
  LbCalibration *calibration = lb_calibration_new (step);
  g_autoptr (LbMatrix) array = lb_matrix_new (3, 5);
  g_autoptr (LbMatrix) empty = lb_matrix_new (0, 2);
  g_autoptr (LbFigure) figure = lb_figure_new ("Title", "x", "px", "y", "DN");
  const double x[] = { 1, 2 }, y[] = { 3, NAN };
  LbPlaneMap map;

  for (guint i = 0; i < 15; i++)
    lb_matrix_row (array, i / 5)[i % 5] = (float) (i + mark);
  lb_matrix_row (array, 2)[4] = NAN;
  lb_figure_add_line (figure, "line", x, y, 2);
  lb_plane_map_init_identity (&map);
  map.x[7] = mark;
  lb_quantities_set (lb_calibration_values (calibration), "offset", mark, "DN");
  lb_quantities_set_text (lb_calibration_settings (calibration), "fidelity", "fast");
  lb_calibration_set_array (calibration, "array", array);
  lb_calibration_set_array (calibration, "empty", empty);
  lb_calibration_set_plane_map (calibration, "map", &map);
  lb_calibration_add_figure (calibration, "figure", figure);
  lb_calibration_set_verdict (calibration, LB_VERDICT_WARN, 0.25, 0.2, "DN", "Cool the camera.");
  return calibration;
}

static LbCalibration *
make_sealed (const char *step, double mark, gint64 time_us, const LbQuantities *identities)
{
  LbCalibration *calibration = make_unsealed (step, mark);

  lb_calibration_seal (calibration, time_us, 12.5, 48, identities);
  return calibration;
}

static LbCalibration *
make_result (const char *step, double mark, gint64 time_us)
{
  g_autoptr (LbQuantities) identities = make_identities ();

  return make_sealed (step, mark, time_us, identities);
}

/* What make_result ("dark", 1.5, 1234567) makes. */
static void
check_result (LbCalibration *after)
{
  LbMatrix *array;
  LbPlaneMap map;
  const char *name;
  LbFigure *figure;

  g_assert_cmpstr (lb_calibration_get_step (after), ==, "dark");
  g_assert_cmpint (lb_calibration_get_time_us (after), ==, 1234567);
  g_assert_cmpfloat (lb_calibration_get_duration_s (after), ==, 12.5);
  g_assert_cmpuint (lb_calibration_get_exposures (after), ==, 48);
  g_assert_cmpint (lb_calibration_get_verdict (after), ==, LB_VERDICT_WARN);
  g_assert_cmpfloat (lb_calibration_get_residual (after), ==, 0.25);
  g_assert_cmpfloat (lb_calibration_get_limit (after), ==, 0.2);
  g_assert_cmpstr (lb_calibration_get_unit (after), ==, "DN");
  g_assert_cmpstr (lb_calibration_get_message (after), ==, "Cool the camera.");
  g_assert_cmpfloat (lb_quantities_get (lb_calibration_values (after), "offset", 0), ==, 1.5);
  g_assert_cmpstr (lb_quantities_get_text (lb_calibration_settings (after), "fidelity"), ==, "fast");
  g_assert_cmpstr (lb_quantities_get_text (lb_calibration_get_identities (after), "camera"), ==,
                   "test: Maker Camera, serial 1");
  array = lb_calibration_get_array (after, "array");
  g_assert_cmpuint (array->rows, ==, 3);
  g_assert_cmpuint (array->columns, ==, 5);
  for (guint i = 0; i < 14; i++)
    g_assert_cmpfloat (lb_matrix_get (array, i / 5, i % 5), ==, i + 1.5);
  g_assert_true (isnan (lb_matrix_get (array, 2, 4)));
  g_assert_cmpuint (lb_calibration_get_array (after, "empty")->rows, ==, 0);
  g_assert_null (lb_calibration_get_array (after, "nothing"));
  g_assert_true (lb_calibration_get_plane_map (after, "map", &map));
  g_assert_cmpfloat (map.x[7], ==, 1.5);
  g_assert_false (lb_calibration_get_plane_map (after, "array", &map));
  g_assert_cmpuint (lb_calibration_get_n_figures (after), ==, 1);
  figure = lb_calibration_get_figure (after, 0, &name);
  g_assert_cmpstr (name, ==, "figure");
  g_assert_cmpstr (figure->title, ==, "Title");
}

static void
test_round_trip (void)
{
  g_autoptr (LbCalibration) before = make_result ("dark", 1.5, 1234567);
  g_autoptr (GBytes) bytes = lb_calibration_to_bytes (before);
  g_autoptr (GError) error = NULL;
  g_autoptr (LbCalibration) after = lb_calibration_from_bytes (bytes, &error);
  g_autoptr (GBytes) again = NULL;

  g_assert_no_error (error);
  check_result (after);
  g_assert_cmpstr (lb_calibration_get_hash (after), ==, lb_calibration_get_hash (before));
  again = lb_calibration_to_bytes (after);
  g_assert_true (g_bytes_equal (bytes, again));
}

/* Written when arrays were raw floats. */
static void
test_first_format (void)
{
  g_autofree char *path = g_test_build_filename (G_TEST_DIST, "data", "format-1.calibration", NULL);
  g_autofree char *data = NULL;
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (GBytes) again = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (LbCalibration) calibration = NULL;
  g_autofree char *checksum = NULL;
  gsize size;

  g_assert_true (g_file_get_contents (path, &data, &size, NULL));
  bytes = g_bytes_new (data, size);
  calibration = lb_calibration_from_bytes (bytes, &error);
  g_assert_no_error (error);
  check_result (calibration);
  checksum = g_compute_checksum_for_data (G_CHECKSUM_SHA256, (guint8 *) data + 40, size - 40);
  g_assert_cmpstr (lb_calibration_get_hash (calibration), ==, checksum);
  again = lb_calibration_to_bytes (calibration);
  g_assert_true (g_bytes_equal (bytes, again));
}

static void
check_array (LbMatrix *array, gsize most)
{
  g_autoptr (LbCalibration) before = lb_calibration_new ("dark");
  g_autoptr (LbCalibration) after = NULL;
  g_autoptr (LbQuantities) identities = make_identities ();
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (GError) error = NULL;
  LbMatrix *read;

  lb_calibration_set_array (before, "array", array);
  lb_calibration_set_verdict (before, LB_VERDICT_PASS, 0, 1, "DN", "");
  lb_calibration_seal (before, 1, 1, 1, identities);
  bytes = lb_calibration_to_bytes (before);
  g_assert_cmpuint (g_bytes_get_size (bytes), <, most);
  after = lb_calibration_from_bytes (bytes, &error);
  g_assert_no_error (error);
  read = lb_calibration_get_array (after, "array");
  g_assert_cmpuint (read->rows, ==, array->rows);
  g_assert_cmpuint (read->columns, ==, array->columns);
  for (gsize row = 0; row < array->rows; row++)
    g_assert_cmpmem (lb_matrix_row (read, row), 4 * array->columns, lb_matrix_row (array, row),
                     4 * array->columns);
}

/* Bit for bit, whatever the values: odd numbers, multiples of a step of either
 * sign with a few far off, and one that is too far off. */
static void
test_arrays_exact (void)
{
  static const float odd[] = { -0.0f, NAN, INFINITY, -INFINITY, 1e-40f, 3e38f, 1e-38f, 0.1f, -0.3f };
  const LbRandomKey key = lb_random_key (5);
  g_autoptr (LbMatrix) array = lb_matrix_new (100, 300);
  g_autoptr (LbMatrix) none = lb_matrix_new (4, 0);

  check_array (none, 1000);
  check_array (array, 1000);
  for (guint i = 0; i < 30000; i++)
    lb_matrix_row (array, i / 300)[i % 300] =
        0.25f * rintf (20 * (float) lb_random_normal_at (key, 0, i)) + 0.0f;
  lb_matrix_row (array, 1)[7] = 20071.75f;
  check_array (array, 35000);
  lb_matrix_row (array, 1)[8] = -8388608.0f;
  check_array (array, 35000);
  lb_matrix_row (array, 1)[9] = 1e20f;
  check_array (array, 121000);
  for (guint i = 0; i < G_N_ELEMENTS (odd); i++)
    {
      lb_matrix_row (array, 2)[i] = odd[i];
      check_array (array, 121000);
    }
}

static void
test_hash (void)
{
  g_autoptr (LbCalibration) a = make_result ("dark", 1, 5);
  g_autoptr (LbCalibration) same = make_result ("dark", 1, 5);
  g_autoptr (LbCalibration) other = make_result ("dark", 1.0000001, 5);
  g_autoptr (LbCalibration) unsealed = make_unsealed ("dark", 1);
  g_autoptr (GBytes) bytes = lb_calibration_to_bytes (a);
  g_autofree char *checksum = NULL;
  gsize size;
  const guint8 *data = g_bytes_get_data (bytes, &size);

  /* Of what follows the eight bytes of the format and the digest itself. */
  checksum = g_compute_checksum_for_data (G_CHECKSUM_SHA256, data + 40, size - 40);
  g_assert_cmpstr (lb_calibration_get_hash (a), ==, checksum);
  g_assert_cmpstr (lb_calibration_get_hash (a), ==, lb_calibration_get_hash (same));
  g_assert_cmpstr (lb_calibration_get_hash (a), !=, lb_calibration_get_hash (other));
  g_assert_null (lb_calibration_get_hash (unsealed));
}

/* Each byte wrong, each length short: an error, never a result. */
static void
test_damaged (void)
{
  g_autoptr (LbCalibration) calibration = make_result ("dark", 1, 5);
  g_autoptr (GBytes) bytes = lb_calibration_to_bytes (calibration);
  gsize size;
  const guint8 *data = g_bytes_get_data (bytes, &size);

  for (gsize i = 0; i < size; i++)
    {
      g_autofree guint8 *copy = g_memdup2 (data, size);
      g_autoptr (GBytes) damaged = NULL;
      g_autoptr (GBytes) cut = g_bytes_new (data, i);
      g_autoptr (GError) error = NULL;

      copy[i] ^= 0x10;
      damaged = g_bytes_new (copy, size);
      g_assert_null (lb_calibration_from_bytes (damaged, &error));
      g_assert_error (error, LB_CALIBRATION_ERROR, LB_CALIBRATION_ERROR_FORMAT);
      g_clear_error (&error);
      g_assert_null (lb_calibration_from_bytes (cut, &error));
      g_assert_error (error, LB_CALIBRATION_ERROR, LB_CALIBRATION_ERROR_FORMAT);
    }
}

/* The hash alone proves nothing: content that hashes right may still be wrong. */
static void
test_foreign (void)
{
  guint8 magic[8] = { 'L', 'B', 'C', 'A', 'L', 0, 0, 0 };
  g_autoptr (GChecksum) checksum = NULL;

  for (guint length = 1; length < 600; length += 7)
    {
      g_autofree guint8 *data = g_malloc (40 + length);
      g_autoptr (GBytes) bytes = NULL;
      g_autoptr (GError) error = NULL;
      g_autoptr (LbCalibration) calibration = NULL;
      gsize digest = 32;

      magic[7] = (guint8) (length % 4);
      memcpy (data, magic, sizeof magic);
      for (guint i = 0; i < length; i++)
        data[40 + i] = (guint8) (i * 37 + length);
      g_clear_pointer (&checksum, g_checksum_free);
      checksum = g_checksum_new (G_CHECKSUM_SHA256);
      g_checksum_update (checksum, data + 40, length);
      g_checksum_get_digest (checksum, data + 8, &digest);
      bytes = g_bytes_new (data, 40 + length);
      calibration = lb_calibration_from_bytes (bytes, &error);
      g_assert_null (calibration);
      g_assert_error (error, LB_CALIBRATION_ERROR, LB_CALIBRATION_ERROR_FORMAT);
    }
}

static void
count_cb (LbCalibrationSet *set, guint *count)
{
  (*count)++;
}

static void
test_set (void)
{
  g_autoptr (LbCalibrationSet) set = lb_calibration_set_new ();
  g_autoptr (LbCalibration) first = make_result ("dark", 1, 5);
  g_autoptr (LbCalibration) second = make_result ("dark", 2, 6);
  g_autoptr (LbCalibration) found = NULL;
  guint changes = 0;

  g_signal_connect (set, "changed", G_CALLBACK (count_cb), &changes);
  g_assert_null (lb_calibration_set_dup (set, "dark"));
  lb_calibration_set_put (set, first);
  lb_calibration_set_put (set, second);
  g_assert_cmpuint (changes, ==, 2);
  found = lb_calibration_set_dup (set, "dark");
  g_assert_true (found == second);
  g_assert_false (lb_calibration_set_is_complete (set));
}

static void
test_due (void)
{
  g_autoptr (LbCalibrationSet) set = lb_calibration_set_new ();
  const gint64 now_us = g_get_real_time ();
  g_autofree char *why = NULL;

  g_assert_true (lb_calibration_set_is_due (set, "dark", &why));
  g_assert_nonnull (strstr (why, "not been measured"));
  for (guint i = 0; lb_calibration_steps_get ()[i] != NULL; i++)
    {
      g_autoptr (LbCalibration) result =
          make_result (lb_calibration_steps_get ()[i]->name, 1, now_us - HOUR_US + i);

      g_clear_pointer (&why, g_free);
      lb_calibration_set_put (set, result);
      g_assert_false (lb_calibration_set_is_due (set, lb_calibration_steps_get ()[i]->name, &why));
      g_assert_null (why);
    }
  g_assert_true (lb_calibration_set_is_complete (set));

  /* A new alignment makes stale what needs it, and nothing else. */
  {
    g_autoptr (LbCalibration) alignment = make_result ("alignment", 2, now_us - HOUR_US / 2);

    lb_calibration_set_put (set, alignment);
  }
  g_assert_false (lb_calibration_set_is_due (set, "dark", NULL));
  g_assert_false (lb_calibration_set_is_due (set, "alignment", NULL));
  g_assert_true (lb_calibration_set_is_due (set, "response", &why));
  g_assert_nonnull (strstr (why, "older than"));
  g_assert_true (lb_calibration_set_is_due (set, "flat-field", NULL));

  /* Age. */
  {
    g_autoptr (LbCalibration) dark = make_result ("dark", 2, now_us - 1000 * HOUR_US);

    lb_calibration_set_put (set, dark);
  }
  g_clear_pointer (&why, g_free);
  g_assert_true (lb_calibration_set_is_due (set, "dark", &why));
  g_assert_nonnull (strstr (why, "1000.0 h old"));
}

static void
test_steps (void)
{
  const char *const order[] = { "dark",     "light",      "timing",     "photon-transfer", "alignment",
                                "response", "background", "flat-field", "crosstalk",       "verification" };

  for (guint i = 0; i < G_N_ELEMENTS (order); i++)
    {
      const LbCalibrationStep *step = lb_calibration_steps_get ()[i];

      g_assert_cmpstr (step->name, ==, order[i]);
      g_assert_true (lb_calibration_steps_find (order[i]) == step);
      /* What a step needs comes before it. */
      for (guint n = 0; step->needs[n] != NULL; n++)
        {
          guint j = 0;

          while (j < i && !g_str_equal (order[j], step->needs[n]))
            j++;
          g_assert_cmpuint (j, <, i);
        }
    }
  g_assert_null (lb_calibration_steps_get ()[G_N_ELEMENTS (order)]);
  g_assert_null (lb_calibration_steps_find ("polish"));
}

/* ---- Store --------------------------------------------------------------------- */

/* LIGHTBENCH_HOME while the tests run; main() sets it before there are threads. */
static char *home;

static void
empty_store (void)
{
  folder_fixture_remove (home);
  g_assert_cmpint (g_mkdir (home, 0700), ==, 0);
}

static guint
count_files (char **last)
{
  g_autofree char *folder = g_build_filename (home, "calibrations", NULL);
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name;
  guint count = 0;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      count++;
      if (last != NULL)
        {
          g_free (*last);
          *last = g_build_filename (folder, name, NULL);
        }
    }
  return count;
}

/* A result that belongs to @world, @age_us old. */
static LbCalibration *
make_for_world (CalibrationWorld *world, const char *step, double mark, gint64 age_us)
{
  g_autoptr (LbQuantities) identities = lb_bench_dup_identities (world->bench);

  return make_sealed (step, mark, g_get_real_time () - age_us, identities);
}

static void
test_store (void)
{
  g_autoptr (CalibrationWorld) world = calibration_world_new (LB_FIDELITY_FAST, 1, NULL);
  g_autoptr (CalibrationWorld) other = calibration_world_new (LB_FIDELITY_FAST, 2, NULL);
  g_autoptr (CalibrationWorld) pixel = calibration_world_new (LB_FIDELITY_PIXEL, 1, NULL);
  g_autoptr (LbCalibration) old = make_for_world (world, "dark", 1, 2 * HOUR_US);
  g_autoptr (LbCalibration) new = make_for_world (world, "dark", 2, HOUR_US);
  g_autoptr (LbCalibration) foreign = make_for_world (other, "dark", 3, 0);

  g_assert_cmpfloat (calibration_fixture_stored_mark (world, "dark"), ==, -1);
  calibration_fixture_save (new);
  calibration_fixture_save (old);
  calibration_fixture_save (foreign);
  calibration_fixture_save (new);
  g_assert_cmpuint (count_files (NULL), ==, 3);
  /* The newest of the bench's own devices and fidelity. */
  g_assert_cmpfloat (calibration_fixture_stored_mark (world, "dark"), ==, 2);
  g_assert_cmpfloat (calibration_fixture_stored_mark (other, "dark"), ==, 3);
  g_assert_cmpfloat (calibration_fixture_stored_mark (pixel, "dark"), ==, -1);
  g_assert_cmpfloat (calibration_fixture_stored_mark (world, "alignment"), ==, -1);
  g_assert_true (lb_calibration_fits_bench (new, world->bench));
  g_assert_false (lb_calibration_fits_bench (new, other->bench));
  g_assert_false (lb_calibration_fits_bench (new, pixel->bench));
  empty_store ();
}

static void
test_store_failed (void)
{
  g_autoptr (CalibrationWorld) world = calibration_world_new (LB_FIDELITY_FAST, 1, NULL);
  g_autoptr (LbQuantities) identities = lb_bench_dup_identities (world->bench);
  g_autoptr (LbCalibration) good = make_for_world (world, "dark", 1, HOUR_US);
  g_autoptr (LbCalibration) bad = make_unsealed ("dark", 2);

  lb_calibration_set_verdict (bad, LB_VERDICT_FAIL, 9, 0.2, "DN", "Cover the bench.");
  lb_calibration_seal (bad, g_get_real_time (), 1, 1, identities);
  calibration_fixture_save (good);
  calibration_fixture_save (bad);
  g_assert_cmpfloat (calibration_fixture_stored_mark (world, "dark"), ==, 1);
  empty_store ();
}

static void
test_store_damaged (void)
{
  g_autoptr (CalibrationWorld) world = calibration_world_new (LB_FIDELITY_FAST, 1, NULL);
  g_autoptr (LbCalibration) new = make_for_world (world, "dark", 2, HOUR_US);
  g_autoptr (LbCalibration) old = make_for_world (world, "dark", 1, 2 * HOUR_US);
  g_autofree char *path = NULL;
  g_autofree char *data = NULL;
  gsize size;

  calibration_fixture_save (new);
  g_assert_cmpuint (count_files (&path), ==, 1);
  calibration_fixture_save (old);
  g_assert_cmpfloat (calibration_fixture_stored_mark (world, "dark"), ==, 2);
  g_assert_true (g_file_get_contents (path, &data, &size, NULL));
  data[size / 2] ^= 1;
  g_assert_true (g_file_set_contents (path, data, (gssize) size, NULL));
  /* The damaged one is passed over; the older one holds. */
  g_assert_cmpfloat (calibration_fixture_stored_mark (world, "dark"), ==, 1);
  g_assert_true (g_file_set_contents (path, data, 17, NULL));
  g_assert_cmpfloat (calibration_fixture_stored_mark (world, "dark"), ==, 1);
  empty_store ();
}

static void
test_store_unwritable (void)
{
  g_autofree char *file = g_build_filename (home, "calibrations", NULL);
  g_autoptr (LbCalibration) calibration = make_result ("dark", 1, 5);
  g_autoptr (GError) error = NULL;

  /* A file stands where the folder should be: not even root gets past that. */
  g_assert_true (g_file_set_contents (file, "x", 1, NULL));
  g_assert_false (lb_calibration_store_save (calibration, &error));
  g_assert_nonnull (error);
  g_assert_true (error->domain == G_FILE_ERROR);
  g_assert_nonnull (strstr (error->message, file));
  empty_store ();
}

/* ---- Model ------------------------------------------------------------------------ */

static void
test_model (void)
{
  g_autoptr (CalibrationWorld) world = calibration_world_new (LB_FIDELITY_FAST, 1, NULL);
  const LbSetupOptics *optics = lb_setup_get_optics (world->setup);
  LbCalibration *alignment = calibration_world_run (world, "alignment");
  g_autoptr (GError) error = NULL;
  g_autoptr (LbOpticsModel) model = lb_calibration_set_make_model (world->set, world->bench, TRUE, &error);
  const double lit = pow (1 - 2.0 * optics->source_margin / optics->macropixel, 2);

  g_assert_no_error (error);
  g_assert_cmpuint (model->sensor_width, ==,
                    (guint) lb_quantities_get (lb_calibration_values (alignment), "region_width", 0));
  g_assert_cmpuint (model->macropixel, ==, optics->macropixel);
  g_assert_cmpfloat (model->electrons_per_dn, ==, optics->electrons_per_dn);
  g_assert_true (model->photons_nominal);
  /* Only alignment and dark are measured, so the rest is nominal, and says so. */
  g_assert_false (model->calibrated);
  g_assert_cmpfloat_with_epsilon (lb_optics_model_weight_floor (model, 0), optics->weight_floor, 1e-6);
  g_assert_cmpfloat_with_epsilon (lb_optics_model_source_floor (model, 0),
                                  optics->source_floor / (lit + (1 - lit) * optics->source_floor), 1e-6);
  g_assert_cmpfloat_with_epsilon (model->source_curves.values[255], 1, 1e-6);
  g_assert_cmpfloat_with_epsilon (model->weight_curves.values[255], 1, 1e-6);
  /* The offset is that of the sensor, cropped to the region. */
  {
    LbCalibration *dark = calibration_world_run (world, "dark");
    LbMatrix *offset = lb_calibration_get_array (dark, "offset");

    g_assert_cmpfloat (lb_matrix_get (model->offset_dn, 3, 5), ==,
                       lb_matrix_get (offset, model->sensor_y + 3, model->sensor_x + 5));
  }
}

int
main (int argc, char *argv[])
{
  int result;

  g_test_init (&argc, &argv, NULL);
  home = g_dir_make_tmp ("lightbench-test-XXXXXX", NULL);
  g_assert_nonnull (home);
  g_setenv ("LIGHTBENCH_HOME", home, TRUE);
  g_test_add_func ("/calibration/result/comes-back-from-its-bytes", test_round_trip);
  g_test_add_func ("/calibration/result/of-the-first-format-is-read", test_first_format);
  g_test_add_func ("/calibration/result/arrays-come-back-bit-for-bit", test_arrays_exact);
  g_test_add_func ("/calibration/result/hash-is-of-its-content", test_hash);
  g_test_add_func ("/calibration/result/damage-is-noticed", test_damaged);
  g_test_add_func ("/calibration/result/foreign-content-is-refused", test_foreign);
  g_test_add_func ("/calibration/set/a-new-result-supersedes", test_set);
  g_test_add_func ("/calibration/set/says-what-is-due", test_due);
  g_test_add_func ("/calibration/steps-come-in-order", test_steps);
  g_test_add_func ("/calibration/store/loads-the-newest-of-the-same-devices", test_store);
  g_test_add_func ("/calibration/store/a-failed-result-is-not-in-force", test_store_failed);
  g_test_add_func ("/calibration/store/a-damaged-file-is-passed-over", test_store_damaged);
  g_test_add_func ("/calibration/store/an-unwritable-folder-is-named", test_store_unwritable);
  g_test_add_func ("/calibration/model/without-a-response-is-nominal", test_model);
  result = g_test_run ();
  folder_fixture_remove (home);
  g_free (home);
  return result;
}
