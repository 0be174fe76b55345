/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include <glib/gstdio.h>
#include <lb-bench.h>
#include <lb-setup-draft.h>

#include "german-locale.h"

static LbSetupCandidate
real (const char *driver, const char *options)
{
  LbSetupCandidate candidate = { .driver = driver };

  candidate.options =
      g_variant_ref_sink (g_variant_parse (G_VARIANT_TYPE_VARDICT, options, NULL, NULL, NULL));
  return candidate;
}

static LbSetupDraft
simulated_draft (const char *title)
{
  static const LbSetupCandidate simulated = { .driver = "simulated" };
  LbSetupDraft draft = {
    .title = title, .light_limit = 80, .light_level = 49.5, .exposure_us = 2500, .wavelength_nm = 635.5
  };

  for (guint role = 0; role < LB_N_ROLES; role++)
    draft.devices[role] = &simulated;
  return draft;
}

static LbSetup *
make (const LbSetupDraft *draft)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *json = lb_setup_draft_to_json (draft, &error);
  g_autoptr (LbSetup) setup = NULL;
  g_autoptr (LbBench) bench = NULL;

  g_assert_no_error (error);
  setup = lb_setup_parse (json, -1, "draft", LB_FIDELITY_PIXEL, &error);
  g_assert_no_error (error);
  bench = lb_bench_new (setup, NULL, &error);
  g_assert_no_error (error);
  return g_steal_pointer (&setup);
}

static double
get_number (LbSetup *setup, LbRole role, const char *key)
{
  double value = -1;

  g_variant_lookup (lb_setup_get_options (setup, role), key, "d", &value);
  return value;
}

static void
test_simulated_devices_make_a_setup (void)
{
  LbSetupDraft draft = simulated_draft ("Grüne Bank 2");
  g_autoptr (LbSetup) setup = make (&draft);

  g_assert_true (lb_setup_is_simulated (setup));
  g_assert_cmpstr (lb_setup_get_title (setup), ==, "Grüne Bank 2");
  g_assert_cmpfloat (lb_setup_get_optics (setup)->exposure_us, ==, 2500);
  g_assert_cmpfloat (lb_setup_get_optics (setup)->wavelength_nm, ==, 635.5);
}

static void
test_real_devices_make_a_setup (void)
{
  LbSetupDraft draft = simulated_draft ("Bench");
  LbSetupCandidate source =
      real ("display", "{'connector': <'HDMI-1'>, 'width': <1920.0>, 'height': <1080.0>}");
  LbSetupCandidate weight =
      real ("display", "{'connector': <'DP-1'>, 'width': <1920.0>, 'height': <1080.0>}");
  LbSetupCandidate camera = real ("libcamera", "{'model': <'imx290'>}");
  LbSetupCandidate light = real ("usb", "{'model': <'CLD1015'>, 'serial': <'M1'>}");
  LbSetupCandidate meter = real ("usb", "{'model': <'PM100D'>, 'serial': <'P1'>}");
  g_autoptr (LbSetup) setup = NULL;
  gboolean linear = FALSE;

  draft.devices[LB_ROLE_SOURCE] = &source;
  draft.devices[LB_ROLE_WEIGHT] = &weight;
  draft.devices[LB_ROLE_CAMERA] = &camera;
  draft.devices[LB_ROLE_LIGHT] = &light;
  draft.devices[LB_ROLE_POWER_METER] = &meter;
  draft.camera_linear = TRUE;
  setup = make (&draft);
  g_assert_false (lb_setup_is_simulated (setup));
  g_assert_null (lb_setup_get_world (setup));
  g_assert_cmpfloat (lb_setup_get_light_limit (setup), ==, 80);
  g_assert_cmpfloat (lb_setup_get_optics (setup)->light_level, ==, 49.5);
  g_assert_cmpfloat (get_number (setup, LB_ROLE_POWER_METER, "wavelength_nm"), ==, 635.5);
  g_assert_true (g_variant_lookup (lb_setup_get_options (setup, LB_ROLE_CAMERA), "linear", "b", &linear));
  g_assert_true (linear);
  g_assert_cmpfloat (get_number (setup, LB_ROLE_WEIGHT, "region_width"), ==, -1);
  g_variant_unref (source.options);
  g_variant_unref (weight.options);
  g_variant_unref (camera.options);
  g_variant_unref (light.options);
  g_variant_unref (meter.options);
}

static void
test_one_monitor_is_shared (void)
{
  LbSetupDraft draft = simulated_draft ("Bench");
  LbSetupCandidate monitor =
      real ("display", "{'connector': <'HDMI-1'>, 'width': <1921.0>, 'height': <1080.0>}");
  g_autoptr (LbSetup) setup = NULL;

  draft.devices[LB_ROLE_SOURCE] = draft.devices[LB_ROLE_WEIGHT] = &monitor;
  setup = make (&draft);
  g_assert_cmpfloat (get_number (setup, LB_ROLE_SOURCE, "region_x"), ==, 0);
  g_assert_cmpfloat (get_number (setup, LB_ROLE_WEIGHT, "region_x"), ==, 960);
  g_assert_cmpfloat (get_number (setup, LB_ROLE_SOURCE, "region_width"), ==, 960);
  g_assert_cmpfloat (get_number (setup, LB_ROLE_WEIGHT, "region_width"), ==, 960);
  g_variant_unref (monitor.options);
}

static void
test_light_and_meter_may_be_absent (void)
{
  LbSetupDraft draft = simulated_draft ("Bench");
  g_autoptr (LbSetup) setup = NULL;

  draft.devices[LB_ROLE_LIGHT] = draft.devices[LB_ROLE_POWER_METER] = NULL;
  setup = make (&draft);
  g_assert_null (lb_setup_get_driver (setup, LB_ROLE_LIGHT));
  g_assert_null (lb_setup_get_driver (setup, LB_ROLE_POWER_METER));
}

static void
expect_refused (const LbSetupDraft *draft, const char *why)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *json = lb_setup_draft_to_json (draft, &error);

  g_assert_null (json);
  g_assert_error (error, LB_SETUP_ERROR, LB_SETUP_ERROR_VALUE);
  g_assert_nonnull (strstr (error->message, why));
}

static void
test_what_makes_no_setup_is_refused (void)
{
  LbSetupDraft draft = simulated_draft ("!?");
  LbSetupCandidate light = real ("usb", "{'model': <'CLD1015'>, 'serial': <'M1'>}");

  expect_refused (&draft, "no name");
  draft.title = "Bench";
  draft.devices[LB_ROLE_LIGHT] = &light;
  draft.light_level = 81;
  expect_refused (&draft, "over the limit");
  draft.light_limit = 1500.5;
  expect_refused (&draft, "a CLD1015 gives 1500 mA at most");
  g_variant_unref (light.options);
}

static void
test_a_file_is_replaced_only_if_asked (void)
{
  g_autofree char *folder = g_dir_make_tmp ("lightbench-XXXXXX", NULL);
  g_autofree char *path = NULL;
  g_autofree char *setups = NULL;
  g_autofree char *text = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) files = NULL;

  g_setenv ("LIGHTBENCH_HOME", folder, TRUE);
  path = lb_setup_draft_make_path ("My  bench: No. 2");
  setups = g_path_get_dirname (path);
  g_assert_true (g_str_has_suffix (path, "/setups/my-bench-no-2.json"));
  g_assert_true (lb_setup_draft_save (path, "first", FALSE, &error));
  g_assert_no_error (error);
  g_assert_false (lb_setup_draft_save (path, "second", FALSE, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_EXISTS);
  g_clear_error (&error);
  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  g_assert_cmpstr (text, ==, "first");
  g_free (g_steal_pointer (&text));
  g_assert_true (lb_setup_draft_save (path, "second", TRUE, &error));
  g_assert_no_error (error);
  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  g_assert_cmpstr (text, ==, "second");
  files = lb_setup_draft_list_files ();
  g_assert_cmpuint (files->len, >=, 1);
  g_assert_cmpstr (g_ptr_array_index (files, 0), ==, path);
  for (guint i = 0; i < files->len; i++)
    g_unlink (g_ptr_array_index (files, i));
  g_rmdir (setups);
  g_rmdir (folder);
}

/* The simulated one is always there, and the last. */
static void
test_candidates_end_with_the_simulated_one (void)
{
  for (guint role = 0; role < LB_N_ROLES; role++)
    {
      g_autoptr (GPtrArray) candidates = lb_setup_candidates_find (role);
      const LbSetupCandidate *last = g_ptr_array_index (candidates, candidates->len - 1);

      g_assert_cmpstr (last->driver, ==, "simulated");
      g_assert_null (last->options);
      for (guint i = 0; i + 1 < candidates->len; i++)
        g_assert_nonnull (((LbSetupCandidate *) g_ptr_array_index (candidates, i))->options);
    }
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  use_german_locale ();
  g_test_add_func ("/app/setup-draft/simulated-devices-make-a-setup", test_simulated_devices_make_a_setup);
  g_test_add_func ("/app/setup-draft/real-devices-make-a-setup", test_real_devices_make_a_setup);
  g_test_add_func ("/app/setup-draft/one-monitor-is-shared", test_one_monitor_is_shared);
  g_test_add_func ("/app/setup-draft/light-and-meter-may-be-absent", test_light_and_meter_may_be_absent);
  g_test_add_func ("/app/setup-draft/what-makes-no-setup-is-refused", test_what_makes_no_setup_is_refused);
  g_test_add_func ("/app/setup-draft/a-file-is-replaced-only-if-asked",
                   test_a_file_is_replaced_only_if_asked);
  g_test_add_func ("/app/setup-draft/candidates-end-with-the-simulated-one",
                   test_candidates_end_with_the_simulated_one);
  return g_test_run ();
}
