/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <glib/gstdio.h>

#include "fake-devices.h"
#include "german-locale.h"

/* --- A setup file with one thing changed ------------------------------------------------- */

static LbSetup *
parse_changed (const char *from, const char *to, LbFidelity fidelity, GError **error)
{
  g_autoptr (GString) json = g_string_new (fake_devices_get_json ());

  if (from != NULL)
    g_assert_cmpuint (g_string_replace (json, from, to, 1), ==, 1);
  return lb_setup_parse (json->str, -1, "test.json", fidelity, error);
}

/* What is said names the file and @part, in one line. */
static void
check_refused (const char *from, const char *to, LbSetupError code, const char *part)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (LbSetup) setup = parse_changed (from, to, LB_FIDELITY_PIXEL, &error);

  g_assert_null (setup);
  g_assert_error (error, LB_SETUP_ERROR, (int) code);
  g_assert_nonnull (strstr (error->message, "test.json"));
  g_assert_null (strchr (error->message, '\n'));
  if (strstr (error->message, part) == NULL)
    g_error ("\"%s\" does not say \"%s\"", error->message, part);
}

static void
test_values_are_read (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (LbSetup) setup = parse_changed (NULL, NULL, LB_FIDELITY_PIXEL, &error);
  const LbSetupOptics *optics;
  double width, blur;
  const char *kind;
  gboolean flips;

  g_assert_no_error (error);
  optics = lb_setup_get_optics (setup);
  g_assert_cmpstr (lb_setup_get_name (setup), ==, "fake");
  g_assert_cmpstr (lb_setup_get_title (setup), ==, "Fake bench");
  g_assert_cmpstr (lb_setup_get_driver (setup, LB_ROLE_CAMERA), ==, "simulated");
  g_assert_cmpuint (optics->macropixel, ==, 8);
  g_assert_cmpuint (optics->source_margin, ==, 2);
  g_assert_cmpfloat (optics->source_floor, ==, 0.005);
  g_assert_cmpfloat (optics->path_transmission, ==, 0.714);
  g_assert_cmpfloat (optics->exposure_us, ==, 8000);
  g_assert_cmpfloat (lb_setup_get_light_limit (setup), ==, 80.5);
  g_assert_true (lb_setup_is_simulated (setup));
  g_assert_true (g_variant_lookup (lb_setup_get_options (setup, LB_ROLE_SOURCE), "width", "d", &width));
  g_assert_cmpfloat (width, ==, 16);
  g_assert_false (g_variant_lookup (lb_setup_get_options (setup, LB_ROLE_SOURCE), "driver", "s", NULL));
  g_assert_true (g_variant_lookup (lb_setup_get_world (setup), "blur", "d", &blur));
  g_assert_cmpfloat (blur, ==, 0.7);
  g_assert_true (g_variant_lookup (lb_setup_get_world (setup), "kind", "&s", &kind));
  g_assert_cmpstr (kind, ==, "ideal");
  g_assert_true (g_variant_lookup (lb_setup_get_world (setup), "flips", "b", &flips));
  g_assert_true (flips);
}

static void
test_fast_section_lies_over_the_rest (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (LbSetup) setup = parse_changed (NULL, NULL, LB_FIDELITY_FAST, &error);
  double width, blur, limit;

  g_assert_no_error (error);
  g_assert_cmpint (lb_setup_get_fidelity (setup), ==, LB_FIDELITY_FAST);
  g_assert_cmpuint (lb_setup_get_optics (setup)->macropixel, ==, 4);
  g_assert_cmpuint (lb_setup_get_optics (setup)->guard, ==, 1);
  g_assert_true (g_variant_lookup (lb_setup_get_options (setup, LB_ROLE_SOURCE), "width", "d", &width));
  g_assert_cmpfloat (width, ==, 8);
  g_assert_cmpstr (lb_setup_get_driver (setup, LB_ROLE_SOURCE), ==, "simulated");
  g_assert_true (g_variant_lookup (lb_setup_get_world (setup), "blur", "d", &blur));
  g_assert_cmpfloat (blur, ==, 0.35);
  g_assert_true (g_variant_lookup (lb_setup_get_options (setup, LB_ROLE_LIGHT), "limit", "d", &limit));
  g_assert_cmpfloat (limit, ==, 80.5);
}

static void
test_unknown_keys_are_named_with_their_path (void)
{
  check_refused ("\"title\"", "\"titel\"", LB_SETUP_ERROR_KEY, "\"titel\"");
  check_refused ("\"guard\"", "\"gard\"", LB_SETUP_ERROR_KEY, "\"optics.gard\"");
  check_refused ("\"power-meter\"", "\"powermeter\"", LB_SETUP_ERROR_KEY, "\"devices.powermeter\"");
  check_refused ("\"macropixel\": 4", "\"macropixels\": 4", LB_SETUP_ERROR_KEY,
                 "\"fast.optics.macropixels\"");
  check_refused ("\"devices\": {\"source\"", "\"devices\": {\"sauce\"", LB_SETUP_ERROR_KEY,
                 "\"fast.devices.sauce\"");
  check_refused ("\"world\": {\"blur\": 0.35", "\"worlds\": {\"blur\": 0.35", LB_SETUP_ERROR_KEY,
                 "\"fast.worlds\"");
}

static void
test_missing_keys_are_named_with_their_path (void)
{
  check_refused ("\"guard\": 1,", "", LB_SETUP_ERROR_KEY, "\"optics.guard\"");
  check_refused ("\"name\": \"fake\",", "", LB_SETUP_ERROR_KEY, "\"name\"");
  check_refused ("\"camera\": {\"driver\": \"simulated\"},", "", LB_SETUP_ERROR_KEY, "\"devices.camera\"");
  check_refused (", \"limit\": 80.5", "", LB_SETUP_ERROR_KEY, "\"devices.light.limit\"");
  check_refused ("\"weight\": {\"driver\": \"simulated\"}", "\"weight\": {}", LB_SETUP_ERROR_KEY,
                 "\"devices.weight.driver\"");
}

static void
test_wrong_values_are_named_with_their_range (void)
{
  check_refused ("\"macropixel\": 8", "\"macropixel\": 0", LB_SETUP_ERROR_VALUE,
                 "\"optics.macropixel\" is 0: it must be a whole number from 1 to 256");
  check_refused ("\"macropixel\": 8", "\"macropixel\": 8.5", LB_SETUP_ERROR_VALUE, "whole number");
  check_refused ("\"macropixel\": 8", "\"macropixel\": \"8\"", LB_SETUP_ERROR_VALUE,
                 "must be a number from 1 to");
  check_refused ("\"source_floor\": 0.005", "\"source_floor\": 0.75", LB_SETUP_ERROR_VALUE,
                 "\"optics.source_floor\" is 0.75: it must be from 0 to 0.5");
  check_refused ("\"source_margin\": 2", "\"source_margin\": 4", LB_SETUP_ERROR_VALUE,
                 "\"optics.source_margin\"");
  check_refused ("\"source_margin\": 1}", "\"source_margin\": 2}", LB_SETUP_ERROR_VALUE, "\"fast\"");
  check_refused ("\"limit\": 80.5", "\"limit\": 49.5", LB_SETUP_ERROR_VALUE,
                 "\"optics.light_level\" is 50: it must not be over \"devices.light.limit\", 49.5");
  check_refused ("\"limit\": 80.5", "\"limit\": -1", LB_SETUP_ERROR_VALUE, "\"devices.light.limit\" is -1");
  check_refused ("\"title\": \"Fake bench\"", "\"title\": 7", LB_SETUP_ERROR_VALUE, "\"title\"");
  check_refused ("\"title\": \"Fake bench\"", "\"title\": \"\"", LB_SETUP_ERROR_VALUE, "\"title\"");
  check_refused ("\"blur\": 0.7", "\"blur\": [0.7]", LB_SETUP_ERROR_VALUE, "\"world.blur\"");
  check_refused ("\"camera\": {\"driver\": \"simulated\"}", "\"camera\": 7", LB_SETUP_ERROR_VALUE,
                 "\"devices.camera\"");
  check_refused ("\"camera\": {\"driver\": \"simulated\"}", "\"camera\": {\"driver\": \"nikon\"}",
                 LB_SETUP_ERROR_VALUE, "\"devices.camera.driver\" is \"nikon\"");
}

static void
test_light_source_may_be_absent (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (LbSetup) setup =
      parse_changed ("\"light\": {\"driver\": \"simulated\", \"unit\": \"mW\", \"limit\": 80.5},", "",
                     LB_FIDELITY_PIXEL, &error);

  g_assert_no_error (error);
  g_assert_null (lb_setup_get_driver (setup, LB_ROLE_LIGHT));
  g_assert_null (lb_setup_get_options (setup, LB_ROLE_LIGHT));
  g_assert_cmpfloat (lb_setup_get_light_limit (setup), ==, 0);
}

static void
test_what_is_not_json_is_refused_with_its_line (void)
{
  const char *const texts[] = { "", "[]", "7", "null", "{", "{\"name\": }", "\xff\xfe", "{\"name\": \"a\"" };

  check_refused ("\"guard\": 1,", "\"guard\": 1;", LB_SETUP_ERROR_FORMAT, "line 11,");
  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_null (lb_setup_parse (texts[i], -1, "test.json", LB_FIDELITY_PIXEL, &error));
      g_assert_error (error, LB_SETUP_ERROR, LB_SETUP_ERROR_FORMAT);
    }
}

static void
test_any_cut_of_a_file_is_refused (void)
{
  const char *json = fake_devices_get_json ();
  gsize end = (gsize) (strrchr (json, '}') - json);

  for (gsize length = 0; length <= end; length++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_null (lb_setup_parse (json, (gssize) length, "test.json", LB_FIDELITY_PIXEL, &error));
      g_assert_error (error, LB_SETUP_ERROR, LB_SETUP_ERROR_FORMAT);
    }
}

static void
test_missing_file_names_the_presets (void)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (lb_setup_load ("/nowhere/bench.json", LB_FIDELITY_PIXEL, &error));
  g_assert_error (error, LB_SETUP_ERROR, LB_SETUP_ERROR_MISSING);
  g_assert_nonnull (strstr (error->message, "/nowhere/bench.json"));
  g_assert_nonnull (strstr (error->message, "simulated-oled"));
}

static void
test_files_are_loaded_by_path (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = NULL;
  g_autoptr (LbSetup) setup = NULL;
  int fd = g_file_open_tmp ("test-setup-XXXXXX.json", &path, &error);

  g_assert_no_error (error);
  g_close (fd, NULL);
  g_file_set_contents (path, fake_devices_get_json (), -1, &error);
  g_assert_no_error (error);
  setup = lb_setup_load (path, LB_FIDELITY_PIXEL, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (lb_setup_get_name (setup), ==, "fake");
  g_remove (path);
}

static void
test_presets_make_a_bench_at_both_fidelities (void)
{
  const char *const *presets = lb_setup_list_presets ();

  g_assert_nonnull (presets[0]);
  for (; *presets != NULL; presets++)
    for (guint fidelity = LB_FIDELITY_PIXEL; fidelity <= LB_FIDELITY_FAST; fidelity++)
      {
        g_autoptr (GError) error = NULL;
        g_autoptr (LbSetup) setup = lb_setup_load (*presets, fidelity, &error);
        g_autoptr (LbBench) bench = NULL;

        g_assert_no_error (error);
        g_assert_cmpstr (lb_setup_get_name (setup), ==, *presets);
        g_assert_true (lb_setup_is_simulated (setup));
        bench = lb_bench_new (setup, &(LbBenchOptions){ .start_us = 7 }, &error);
        g_assert_no_error (error);
        g_assert_true (lb_clock_is_virtual (lb_bench_get_clock (bench)));
        g_assert_cmpint (lb_clock_now_us (lb_bench_get_clock (bench)), ==, 7);
        g_assert_nonnull (lb_bench_get_device (bench, LB_ROLE_CAMERA));
        g_assert_cmpint (lb_bench_get_device (bench, LB_ROLE_LIGHT) != NULL, ==,
                         lb_setup_get_driver (setup, LB_ROLE_LIGHT) != NULL);
      }
}

static void
test_unknown_key_of_a_driver_is_named (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (LbSetup) setup = parse_changed ("\"width\": 16", "\"widht\": 16", LB_FIDELITY_PIXEL, &error);
  g_autoptr (LbBench) bench = NULL;

  g_assert_no_error (error);
  bench = lb_bench_new (setup, NULL, &error);
  g_assert_null (bench);
  g_assert_nonnull (error);
  g_assert_true (error->domain == LB_SETUP_ERROR);
  g_assert_nonnull (strstr (error->message, "fake"));
}

/* None of their devices needs to be there. */
static void
test_shipped_files_make_a_bench (void)
{
  g_autofree char *folder = g_build_filename (g_getenv ("LIGHTBENCH_DATA_DIR"), "setups", NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (GDir) dir = g_dir_open (folder, 0, &error);
  const char *name;
  guint count = 0;

  g_assert_no_error (error);
  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (folder, name, NULL);
      g_autoptr (LbSetup) setup = NULL;
      g_autoptr (LbBench) bench = NULL;

      if (!g_str_has_suffix (name, ".json"))
        continue;
      setup = lb_setup_load (path, LB_FIDELITY_PIXEL, &error);
      g_prefix_error (&error, "%s: ", name);
      g_assert_no_error (error);
      bench = lb_bench_new (setup, NULL, &error);
      g_prefix_error (&error, "%s: ", name);
      g_assert_no_error (error);
      for (guint role = 0; role < LB_N_ROLES; role++)
        g_assert_true ((lb_bench_get_device (bench, role) != NULL) ==
                       (lb_setup_get_driver (setup, role) != NULL));
      count++;
    }
  g_assert_cmpuint (count, >=, 5);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  use_german_locale ();
  g_test_add_func ("/drivers/setup/values-are-read", test_values_are_read);
  g_test_add_func ("/drivers/setup/fast-section-lies-over-the-rest", test_fast_section_lies_over_the_rest);
  g_test_add_func ("/drivers/setup/unknown-keys-are-named-with-their-path",
                   test_unknown_keys_are_named_with_their_path);
  g_test_add_func ("/drivers/setup/missing-keys-are-named-with-their-path",
                   test_missing_keys_are_named_with_their_path);
  g_test_add_func ("/drivers/setup/wrong-values-are-named-with-their-range",
                   test_wrong_values_are_named_with_their_range);
  g_test_add_func ("/drivers/setup/light-source-may-be-absent", test_light_source_may_be_absent);
  g_test_add_func ("/drivers/setup/what-is-not-json-is-refused-with-its-line",
                   test_what_is_not_json_is_refused_with_its_line);
  g_test_add_func ("/drivers/setup/any-cut-of-a-file-is-refused", test_any_cut_of_a_file_is_refused);
  g_test_add_func ("/drivers/setup/missing-file-names-the-presets", test_missing_file_names_the_presets);
  g_test_add_func ("/drivers/setup/files-are-loaded-by-path", test_files_are_loaded_by_path);
  g_test_add_func ("/drivers/setup/presets-make-a-bench-at-both-fidelities",
                   test_presets_make_a_bench_at_both_fidelities);
  g_test_add_func ("/drivers/setup/shipped-files-make-a-bench", test_shipped_files_make_a_bench);
  g_test_add_func ("/drivers/setup/unknown-key-of-a-driver-is-named", test_unknown_key_of_a_driver_is_named);
  return g_test_run ();
}
