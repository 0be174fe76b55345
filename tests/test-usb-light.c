/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include <lb-usb.h>

#include "usb-rig.h"

/* A light source on USB through the interface that the bench uses: the driver, the
 * real lightbench-light, the real libusb, an emulated instrument. */

static void
expect_error (gboolean done, GError **error, LbDeviceError code)
{
  g_assert_false (done);
  g_assert_error (*error, LB_DEVICE_ERROR, (int) code);
  g_clear_error (error);
}

/* From the last answer of a light source to darkness. */
#define MUTE_US (500 * 1000)

/* --- What goes out ------------------------------------------------------------------------- */

/* While it is lit it is looked at now and then. */
#define LOOK "OUTP1:STAT?\n"

static char *
dup_log_since (Instrument *instrument, gsize length)
{
  g_autofree char *log = instrument_dup_log (instrument);
  g_autoptr (GString) text = g_string_new (log + length);

  g_string_replace (text, "SOUR:CURR:LEV:AMPL?\n" LOOK, "SOUR:CURR:LEV:AMPL?\n", 0);
  while (g_string_replace (text, LOOK LOOK, LOOK, 0) > 0)
    ;
  return g_string_free (g_steal_pointer (&text), FALSE);
}

static void
test_on_and_off_in_order (void)
{
  static const char expected[] = "*CLS\nSYST:ERR?\n"
                                 "OUTP:PROT:INTL:TRIP?\nOUTP:PROT:KEYL:TRIP?\nOUTP:PROT:OTEM:TRIP?\n"
                                 "SOUR:CURR:LIM:AMPL 0.080000\nSYST:ERR?\nSOUR:CURR:LIM:AMPL?\n"
                                 "OUTP2:STAT?\nSENS2:TEMP:DATA?\n"
                                 "SOUR:CURR:LEV:AMPL 0.000000\nSYST:ERR?\nSOUR:CURR:LEV:AMPL?\n"
                                 "OUTP1:STAT 1\nLIGHT ON\nSYST:ERR?\nOUTP1:STAT?\n"
                                 "SOUR:CURR:LEV:AMPL 0.050000\nSYST:ERR?\nSOUR:CURR:LEV:AMPL?\n"
                                 "OUTP1:STAT 0\nLIGHT OFF\nSYST:ERR?\nOUTP1:STAT?\n"
                                 "SOUR:CURR:LEV:AMPL 0.000000\nSYST:ERR?\nSOUR:CURR:LEV:AMPL?\n";
  UsbRig *rig = usb_rig_new ("CLD1015", "PM100D", ", \"temperature_c\": 25");
  g_autoptr (GError) error = NULL;
  g_autofree char *before = NULL;
  g_autofree char *log = NULL;

  usb_rig_open (rig);
  before = instrument_dup_log (rig->light);
  usb_rig_light_up (rig, 50, 1);
  lb_light_source_output_off (rig->source, NULL, usb_rig_in (2000), &error);
  g_assert_no_error (error);
  log = dup_log_since (rig->light, strlen (before));
  g_assert_cmpstr (log, ==, expected);
  g_assert_true (instrument_is_cooling (rig->light));
  usb_rig_free (rig);
}

static void
test_opening_switches_off_and_sets_the_limit (void)
{
  UsbRig *rig = usb_rig_new ("CLD1015", "PM100D", "");
  LbLightSourceState state;
  LbLightSourceCaps caps;
  g_autoptr (GError) error = NULL;
  g_autoptr (LbIdentity) identity = NULL;

  instrument_set_current (rig->light, 0.7);
  instrument_set_output (rig->light, TRUE);
  usb_rig_open (rig);
  g_assert_false (instrument_is_lit (rig->light));
  g_assert_cmpfloat (instrument_get_current (rig->light), ==, 0);
  g_assert_cmpfloat_with_epsilon (instrument_get_current_limit (rig->light), 0.08, 1e-12);
  g_assert_true (lb_light_source_is_confirmed_off (rig->source));
  g_assert_true (lb_light_source_read_state (rig->source, &state, NULL, usb_rig_in (2000), &error));
  g_assert_false (state.output);
  g_assert_cmpfloat (state.level, ==, 0);
  g_assert_cmpfloat (state.temperature_c, ==, 25);
  g_assert_true (lb_light_source_get_caps (rig->source, &caps, NULL, -1, &error));
  g_assert_cmpstr (caps.unit, ==, "mA");
  g_assert_cmpfloat (caps.maximum, ==, 1500);
  g_assert_cmpfloat (caps.limit, ==, 80);
  identity = lb_device_get_identity (LB_DEVICE (rig->source), NULL, -1, &error);
  g_assert_cmpstr (identity->model, ==, "CLD1015");
  g_assert_cmpstr (identity->serial, ==, USB_RIG_LIGHT);
  usb_rig_free (rig);
}

static void
test_level_ramps (void)
{
  UsbRig *rig = usb_rig_new ("CLD1015", "PM100D", ", \"ramp_ma_per_s\": 1000");
  g_autoptr (GError) error = NULL;

  usb_rig_open (rig);
  usb_rig_light_up (rig, 60, 1);
  g_assert_cmpfloat_with_epsilon (instrument_get_current (rig->light), 0.06, 1e-9);
  lb_light_source_set_level (rig->source, 10, NULL, NULL, usb_rig_in (3000), &error);
  g_assert_no_error (error);
  g_assert_cmpfloat_with_epsilon (instrument_get_current (rig->light), 0.01, 1e-9);
  /* 1000 mA/s in steps of 10 ms. */
  g_assert_cmpfloat (instrument_get_step_peak (rig->light), <=, 0.01 + 1e-9);
  usb_rig_free (rig);
}

static void
test_levels_out_of_range_are_named (void)
{
  UsbRig *rig = usb_rig_new ("CLD1015", "PM100D", "");
  GError *error = NULL;

  usb_rig_open (rig);
  expect_error (lb_light_source_set_level (rig->source, 80.001, NULL, NULL, -1, &error), &error,
                LB_DEVICE_ERROR_LIMIT);
  expect_error (lb_light_source_set_level (rig->source, 1500.5, NULL, NULL, -1, &error), &error,
                LB_DEVICE_ERROR_RANGE);
  expect_error (lb_light_source_set_level (rig->source, -1, NULL, NULL, -1, &error), &error,
                LB_DEVICE_ERROR_RANGE);
  usb_rig_free (rig);
}

/* --- Protections ------------------------------------------------------------------------------ */

static void
test_open_interlock_is_named (void)
{
  UsbRig *rig = usb_rig_new ("CLD1015", "PM100D", "");
  GError *error = NULL;
  LbLightSourceState state;

  usb_rig_open (rig);
  instrument_set_condition (rig->light, INSTRUMENT_INTERLOCK, TRUE);
  instrument_set_condition (rig->light, INSTRUMENT_KEY, TRUE);
  g_assert_false (lb_light_source_output_on (rig->source, 1, 500000, NULL, usb_rig_in (2000), &error));
  g_assert_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_INTERLOCK);
  g_assert_nonnull (strstr (error->message, "interlock"));
  g_assert_nonnull (strstr (error->message, "key switch"));
  g_error_free (error);
  g_assert_true (lb_light_source_read_state (rig->source, &state, NULL, usb_rig_in (2000), NULL));
  g_assert_cmpuint (state.trips, ==, LB_LIGHT_TRIP_INTERLOCK | LB_LIGHT_TRIP_KEY);
  g_assert_cmpuint (instrument_get_switched_on (rig->light), ==, 0);
  instrument_set_condition (rig->light, INSTRUMENT_INTERLOCK, FALSE);
  instrument_set_condition (rig->light, INSTRUMENT_KEY, FALSE);
  usb_rig_light_up (rig, 20, 1);
  usb_rig_free (rig);
}

/* Renews until it is refused; the error. */
static GError *
renew_until_refused (UsbRig *rig, gint64 milliseconds)
{
  gint64 end_us = usb_rig_in (milliseconds);
  GError *error = NULL;

  while (lb_light_source_renew (rig->source, 1, G_USEC_PER_SEC, NULL, usb_rig_in (1000), &error))
    {
      g_assert_cmpint (g_get_monotonic_time (), <, end_us);
      g_usleep (20 * 1000);
    }
  return error;
}

static void
test_trip_while_lit_ends_the_lease (void)
{
  UsbRig *rig = usb_rig_new ("CLD1015", "PM100D", "");
  g_autoptr (GError) error = NULL;

  usb_rig_open (rig);
  usb_rig_light_up (rig, 20, 1);
  instrument_set_condition (rig->light, INSTRUMENT_INTERLOCK, TRUE);
  error = renew_until_refused (rig, 1000);
  g_assert_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_INTERLOCK);
  g_assert_false (instrument_is_lit (rig->light));
  usb_rig_free (rig);
}

static void
test_front_panel_ends_the_lease (void)
{
  UsbRig *rig = usb_rig_new ("CLD1015", "PM100D", "");
  g_autoptr (GError) error = NULL;

  usb_rig_open (rig);
  usb_rig_light_up (rig, 20, 1);
  instrument_set_output (rig->light, FALSE);
  error = renew_until_refused (rig, 1000);
  g_assert_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_INTERLOCK);
  usb_rig_free (rig);
}

static void
test_cooler_is_waited_for (void)
{
  UsbRig *rig = usb_rig_new ("CLD1015", "PM100D", ", \"temperature_c\": 18");
  GError *error = NULL;

  instrument_set_settling (rig->light, 20 * G_USEC_PER_SEC);
  usb_rig_open (rig);
  g_assert_true (instrument_is_cooling (rig->light));
  expect_error (lb_light_source_output_on (rig->source, 1, 500000, NULL, usb_rig_in (300), &error), &error,
                LB_DEVICE_ERROR_TIMEOUT);
  g_assert_cmpuint (instrument_get_switched_on (rig->light), ==, 0);
  instrument_set_settling (rig->light, 0);
  usb_rig_light_up (rig, 20, 1);
  usb_rig_free (rig);
}

static void
test_stuck_output_is_not_confirmed (void)
{
  UsbRig *rig = usb_rig_new ("CLD1015", "PM100D", "");
  GError *error = NULL;

  usb_rig_open (rig);
  usb_rig_light_up (rig, 20, 1);
  instrument_set_stuck_on (rig->light, TRUE);
  expect_error (lb_light_source_output_off (rig->source, NULL, usb_rig_in (2000), &error), &error,
                LB_DEVICE_ERROR_FAULTED);
  lb_light_source_off_now (rig->source, 2);
  g_assert_false (usb_rig_wait_confirmed (rig, 300));
  /* It goes on trying. */
  instrument_set_stuck_on (rig->light, FALSE);
  g_assert_true (usb_rig_wait_confirmed (rig, 2000));
  g_assert_false (instrument_is_lit (rig->light));
  usb_rig_free (rig);
}

/* By the instrument's own clock; whether or not it can be brought back to where it
 * answers, whatever it was asked last, and when STOP comes meanwhile. */
static void
test_mute_instrument_goes_dark (void)
{
  static const UsbFault faults[] = { USB_FAULT_MUTE, USB_FAULT_MUTE_FOR_GOOD };

  for (guint i = 0; i < 3 * G_N_ELEMENTS (faults); i++)
    {
      UsbRig *rig = usb_rig_new ("CLD1015", "PM100D", "");
      g_autoptr (GError) error = NULL;
      LbLightSourceState state;
      gint64 mute_us;

      usb_rig_open (rig);
      usb_rig_light_up (rig, 20, 1);
      usb_instrument_set_fault (rig->light_usb, faults[i / 3]);
      mute_us = g_get_monotonic_time ();
      if (i % 3 == 1)
        g_assert_false (lb_light_source_read_state (rig->source, &state, NULL, usb_rig_in (5000), NULL));
      if (i % 3 == 2)
        {
          /* It is being looked at by then. */
          g_usleep (150 * 1000);
          lb_light_source_off_now (rig->source, 2);
        }
      error = renew_until_refused (rig, 5000);
      g_assert_true (usb_rig_wait_lit (rig, FALSE, 2000));
      g_test_message ("dark after %.0f ms",
                      (double) (instrument_get_changed_us (rig->light) - mute_us) / 1000);
      g_assert_cmpint (instrument_get_changed_us (rig->light) - mute_us, <, MUTE_US);
      usb_instrument_set_fault (rig->light_usb, USB_FAULT_NONE);
      g_assert_true (usb_rig_wait_confirmed (rig, 5000));
      usb_rig_free (rig);
    }
}

/* Nothing reaches it, so nothing may say that it is off, until it listens again. */
static void
test_deaf_instrument_is_not_confirmed (void)
{
  UsbRig *rig = usb_rig_new ("CLD1015", "PM100D", "");
  g_autoptr (GError) error = NULL;

  usb_rig_open (rig);
  usb_rig_light_up (rig, 20, 1);
  usb_instrument_set_fault (rig->light_usb, USB_FAULT_DEAF);
  error = renew_until_refused (rig, 5000);
  g_assert_nonnull (strstr (error->message, "did not answer in time"));
  g_assert_false (usb_rig_wait_confirmed (rig, 500));
  g_assert_true (instrument_is_lit (rig->light));
  usb_instrument_set_fault (rig->light_usb, USB_FAULT_NONE);
  g_assert_true (usb_rig_wait_lit (rig, FALSE, 5000));
  g_assert_true (usb_rig_wait_confirmed (rig, 2000));
  usb_rig_free (rig);
}

/* --- Plugging, other models, setup ---------------------------------------------------------------- */

static void
test_unplug_and_replug (void)
{
  UsbRig *rig = usb_rig_new ("CLD1015", "PM100D", "");
  guint cycles = g_test_slow () ? 100 : 5;
  guint before = 0;

  for (guint i = 0; i < cycles; i++)
    {
      gint64 start_us;
      GError *error = NULL;

      usb_rig_open (rig);
      if (i % 2 == 0)
        usb_rig_light_up (rig, 20, i + 1);
      umock_usb_unplug_after (rig->bus, rig->light_place, 1 + i % 7);
      start_us = g_get_monotonic_time ();
      while (lb_light_source_output_on (rig->source, i + 1, G_USEC_PER_SEC, NULL, usb_rig_in (1000), &error))
        g_assert_true (lb_light_source_output_off (rig->source, NULL, usb_rig_in (1000), &error) ||
                       error != NULL);
      g_assert_true (umock_usb_wait_unplugged (rig->bus, rig->light_place));
      g_clear_error (&error);
      expect_error (lb_light_source_output_on (rig->source, i + 1, 1000, NULL, usb_rig_in (1000), &error),
                    &error, LB_DEVICE_ERROR_ABSENT);
      g_assert_cmpint (lb_device_get_state (LB_DEVICE (rig->source)), ==, LB_DEVICE_ABSENT);
      lb_device_close (LB_DEVICE (rig->source), NULL, usb_rig_in (2000), NULL);
      expect_error (lb_device_open (LB_DEVICE (rig->source), NULL, usb_rig_in (2000), &error), &error,
                    LB_DEVICE_ERROR_ABSENT);
      g_assert_cmpint (g_get_monotonic_time () - start_us, <, 10 * G_USEC_PER_SEC);
      umock_usb_plug (rig->bus, rig->light_place);
      if (i == 1)
        before = usb_rig_count_descriptors ();
    }
  g_assert_true (usb_rig_wait_descriptors (before));
  usb_rig_open (rig);
  g_assert_true (lb_light_source_is_confirmed_off (rig->source));
  usb_rig_free (rig);
}

static void
test_other_models (void)
{
  static const char *const models[] = { "CLD1010", "CLD1011", "ITC4001", "ITC4002", "ITC4005", "DC2200" };

  for (guint i = 0; i < G_N_ELEMENTS (models); i++)
    {
      UsbRig *rig = usb_rig_new (models[i], "PM100D", ", \"temperature_c\": 25");
      g_autoptr (GError) error = NULL;
      LbLightSourceState state;

      usb_rig_open (rig);
      usb_rig_light_up (rig, 42.5, 1);
      g_assert_true (lb_light_source_read_state (rig->source, &state, NULL, usb_rig_in (2000), &error));
      g_assert_true (state.output);
      g_assert_cmpfloat_with_epsilon (state.level, 42.5, 1e-9);
      g_assert_true (lb_light_source_output_off (rig->source, NULL, usb_rig_in (2000), &error));
      g_assert_false (instrument_is_lit (rig->light));
      usb_rig_free (rig);
    }
}

static void
check_setup (const char *model, const char *keys, const char *expected)
{
  g_autofree char *json = usb_rig_make_json (model, "PM100D", keys);
  LbDriverContext context = { .setup = lb_setup_parse (json, -1, "rig", LB_FIDELITY_PIXEL, NULL) };
  g_autoptr (GError) error = NULL;

  g_assert_nonnull (context.setup);
  g_assert_null (lb_usb_driver.create (&context, LB_ROLE_LIGHT, &error));
  g_assert_nonnull (strstr (error->message, expected));
  g_object_unref (context.setup);
}

static void
test_setup_keys_are_checked (void)
{
  check_setup ("CLD1015", ", \"colour\": 1", "devices.light.colour");
  check_setup ("CLD1015", ", \"temperature_c\": 300", "devices.light.temperature_c");
  check_setup ("PM100D", "", "CLD1015");
  check_setup ("LDC500", "", "devices.light.model");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/usb/light/on-and-off-in-order", test_on_and_off_in_order);
  g_test_add_func ("/usb/light/opening-switches-off-and-sets-the-limit",
                   test_opening_switches_off_and_sets_the_limit);
  g_test_add_func ("/usb/light/level-ramps", test_level_ramps);
  g_test_add_func ("/usb/light/levels-out-of-range-are-named", test_levels_out_of_range_are_named);
  g_test_add_func ("/usb/light/open-interlock-is-named", test_open_interlock_is_named);
  g_test_add_func ("/usb/light/trip-while-lit-ends-the-lease", test_trip_while_lit_ends_the_lease);
  g_test_add_func ("/usb/light/front-panel-ends-the-lease", test_front_panel_ends_the_lease);
  g_test_add_func ("/usb/light/cooler-is-waited-for", test_cooler_is_waited_for);
  g_test_add_func ("/usb/light/stuck-output-is-not-confirmed", test_stuck_output_is_not_confirmed);
  g_test_add_func ("/usb/light/mute-instrument-goes-dark", test_mute_instrument_goes_dark);
  g_test_add_func ("/usb/light/deaf-instrument-is-not-confirmed-off", test_deaf_instrument_is_not_confirmed);
  g_test_add_func ("/usb/light/unplug-and-replug", test_unplug_and_replug);
  g_test_add_func ("/usb/light/other-models", test_other_models);
  g_test_add_func ("/usb/light/setup-keys-are-checked", test_setup_keys_are_checked);
  return g_test_run ();
}
