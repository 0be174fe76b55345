/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>
#include <unistd.h>

#include <lb-usb.h>
#include <lb-usbtmc.h>

#include "usb-rig.h"

/* A power meter on USB through the interface that the bench uses. */

static void
expect_error (gboolean done, GError **error, LbDeviceError code)
{
  g_assert_false (done);
  g_assert_error (*error, LB_DEVICE_ERROR, (int) code);
  g_clear_error (error);
}

static void
open_meter (UsbRig *rig)
{
  g_autoptr (GError) error = NULL;

  lb_device_open (LB_DEVICE (rig->power_meter), NULL, usb_rig_in (10000), &error);
  g_assert_no_error (error);
}

static double
read_watts (UsbRig *rig)
{
  g_autoptr (GError) error = NULL;
  double watts = 0;

  lb_power_meter_read (rig->power_meter, &watts, NULL, NULL, usb_rig_in (3000), &error);
  g_assert_no_error (error);
  return watts;
}

static void
test_reads_power (void)
{
  static const char *const models[] = { "PM100D", "PM100A", "PM100USB", "PM16-120", "PM400" };

  for (guint i = 0; i < G_N_ELEMENTS (models); i++)
    {
      UsbRig *rig = usb_rig_new ("CLD1015", models[i], "");
      g_autoptr (LbIdentity) identity = NULL;
      LbPowerMeterCaps caps;

      open_meter (rig);
      instrument_set_power (rig->meter, 1.25e-3);
      g_assert_cmpfloat_with_epsilon (read_watts (rig), 1.25e-3, 1e-12);
      g_assert_true (lb_power_meter_get_caps (rig->power_meter, &caps, NULL, -1, NULL));
      g_assert_cmpfloat (caps.wavelength_min_nm, ==, 400);
      g_assert_cmpfloat (caps.wavelength_max_nm, ==, 1100);
      g_assert_true (caps.has_averaging == !g_str_equal (models[i], "PM16-120"));
      identity = lb_device_get_identity (LB_DEVICE (rig->power_meter), NULL, -1, NULL);
      g_assert_cmpstr (identity->model, ==, models[i]);
      g_assert_cmpstr (identity->serial, ==, USB_RIG_METER);
      usb_rig_free (rig);
    }
}

static void
test_settings_are_read_back (void)
{
  UsbRig *rig = usb_rig_new ("CLD1015", "PM100D", "");
  g_autofree char *log = NULL;
  GError *error = NULL;

  open_meter (rig);
  g_assert_true (lb_power_meter_set_wavelength (rig->power_meter, 635.5, NULL, usb_rig_in (2000), &error));
  g_assert_true (lb_power_meter_set_averaging (rig->power_meter, 300, NULL, usb_rig_in (2000), &error));
  g_assert_true (lb_power_meter_set_range (rig->power_meter, 0.01, NULL, usb_rig_in (2000), &error));
  log = instrument_dup_log (rig->meter);
  g_assert_nonnull (strstr (log, "SENS:CORR:WAV 532\nSYST:ERR?\nSENS:CORR:WAV?\n"));
  g_assert_nonnull (strstr (log, "SENS:CORR:WAV 635.5\nSYST:ERR?\nSENS:CORR:WAV?\n"));
  g_assert_nonnull (strstr (log, "SENS:AVER:COUN 300\nSYST:ERR?\nSENS:AVER:COUN?\n"));
  expect_error (lb_power_meter_set_wavelength (rig->power_meter, 300, NULL, -1, &error), &error,
                LB_DEVICE_ERROR_RANGE);
  expect_error (lb_power_meter_set_range (rig->power_meter, 7, NULL, -1, &error), &error,
                LB_DEVICE_ERROR_RANGE);
  expect_error (lb_power_meter_set_averaging (rig->power_meter, 0, NULL, -1, &error), &error,
                LB_DEVICE_ERROR_RANGE);
  /* Within what the driver allows, beyond what this instrument does. */
  expect_error (lb_power_meter_set_averaging (rig->power_meter, 9999, NULL, usb_rig_in (2000), &error),
                &error, LB_DEVICE_ERROR_RANGE);
  g_assert_cmpfloat (read_watts (rig), ==, 0);
  usb_rig_free (rig);
}

static void
test_over_range_is_named (void)
{
  UsbRig *rig = usb_rig_new ("CLD1015", "PM100D", "");
  GError *error = NULL;
  double watts;

  open_meter (rig);
  g_assert_true (lb_power_meter_set_range (rig->power_meter, 0.001, NULL, usb_rig_in (2000), &error));
  instrument_set_power (rig->meter, 0.002);
  expect_error (lb_power_meter_read (rig->power_meter, &watts, NULL, NULL, usb_rig_in (2000), &error), &error,
                LB_DEVICE_ERROR_OVER_RANGE);
  g_assert_true (lb_power_meter_set_range (rig->power_meter, 0, NULL, usb_rig_in (2000), &error));
  g_assert_cmpfloat_with_epsilon (read_watts (rig), 0.002, 1e-12);
  usb_rig_free (rig);
}

static void
test_averaging_that_is_not_there (void)
{
  UsbRig *rig = usb_rig_new ("CLD1015", "PM16-120", "");
  GError *error = NULL;

  open_meter (rig);
  expect_error (lb_power_meter_set_averaging (rig->power_meter, 10, NULL, usb_rig_in (2000), &error), &error,
                LB_DEVICE_ERROR_UNSUPPORTED);
  usb_rig_free (rig);
}

static void
test_zero (void)
{
  UsbRig *rig = usb_rig_new ("CLD1015", "PM100D", "");
  g_autoptr (GError) error = NULL;

  open_meter (rig);
  instrument_set_power (rig->meter, 2e-9);
  lb_power_meter_zero (rig->power_meter, NULL, usb_rig_in (3000), &error);
  g_assert_no_error (error);
  instrument_set_power (rig->meter, 5e-9);
  g_assert_cmpfloat_with_epsilon (read_watts (rig), 3e-9, 1e-15);
  usb_rig_free (rig);
}

static void
test_goes_on_after_faults (void)
{
  static const UsbFault faults[] = { USB_FAULT_STALL_OUT, USB_FAULT_STALL_IN, USB_FAULT_WRONG_TAG };
  UsbRig *rig = usb_rig_new ("CLD1015", "PM100D", "");
  GError *error = NULL;
  double watts;

  open_meter (rig);
  for (guint i = 0; i < G_N_ELEMENTS (faults); i++)
    {
      usb_instrument_set_fault (rig->meter_usb, faults[i]);
      expect_error (lb_power_meter_read (rig->power_meter, &watts, NULL, NULL, usb_rig_in (2000), &error),
                    &error, LB_DEVICE_ERROR_PROTOCOL);
      g_assert_cmpfloat (read_watts (rig), ==, 0);
    }
  usb_instrument_set_fault (rig->meter_usb, USB_FAULT_MUTE);
  expect_error (lb_power_meter_read (rig->power_meter, &watts, NULL, NULL, usb_rig_in (100), &error), &error,
                LB_DEVICE_ERROR_TIMEOUT);
  usb_instrument_set_fault (rig->meter_usb, USB_FAULT_NONE);
  g_assert_cmpfloat (read_watts (rig), ==, 0);
  usb_rig_free (rig);
}

static void
test_unplug_and_replug (void)
{
  UsbRig *rig = usb_rig_new ("CLD1015", "PM100D", "");
  guint cycles = g_test_slow () ? 100 : 5;
  guint before = 0;

  for (guint i = 0; i < cycles; i++)
    {
      GError *error = NULL;
      double watts;

      open_meter (rig);
      umock_usb_unplug_after (rig->bus, rig->meter_place, 1 + i % 5);
      while (lb_power_meter_read (rig->power_meter, &watts, NULL, NULL, usb_rig_in (2000), &error))
        ;
      g_assert_true (umock_usb_wait_unplugged (rig->bus, rig->meter_place));
      expect_error (FALSE, &error, LB_DEVICE_ERROR_ABSENT);
      g_assert_cmpint (lb_device_get_state (LB_DEVICE (rig->power_meter)), ==, LB_DEVICE_ABSENT);
      expect_error (lb_device_open (LB_DEVICE (rig->power_meter), NULL, usb_rig_in (2000), &error), &error,
                    LB_DEVICE_ERROR_ABSENT);
      umock_usb_plug (rig->bus, rig->meter_place);
      if (i == 1)
        before = usb_rig_count_descriptors ();
    }
  g_assert_true (usb_rig_wait_descriptors (before));
  open_meter (rig);
  usb_rig_free (rig);
}

/* Root may open everything: so as nobody then. */
static void
test_access_error_names_the_rule (void)
{
  UsbRig *rig = usb_rig_new ("CLD1015", "PM100D", "");
  uid_t user = geteuid ();
  g_autoptr (GError) error = NULL;
  LbUsbtmc *opened;

  /* What is open holds libusb, which nobody could start. */
  open_meter (rig);
  umock_usb_set_access (rig->bus, rig->light_place, 0);
  if (user == 0)
    g_assert_cmpint (seteuid (65534), ==, 0);
  opened = lb_usbtmc_open (0x1313, (const guint16[2]){ 0x804f, 0 }, USB_RIG_LIGHT,
                           &(LbUsbCall){ NULL, usb_rig_in (3000), NULL }, &error);
  if (user == 0)
    g_assert_cmpint (seteuid (0), ==, 0);
  g_assert_null (opened);
  g_assert_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_ACCESS);
  g_assert_nonnull (strstr (error->message, "70-lightbench.rules"));
  usb_rig_free (rig);
}

static void
test_listing_opens_nothing (void)
{
  UsbRig *rig = usb_rig_new ("CLD1015", "PM100D", "");
  g_autoptr (GPtrArray) identities = g_ptr_array_new_with_free_func ((GDestroyNotify) lb_identity_free);
  g_autoptr (GString) all = g_string_new (NULL);

  lb_usb_driver.list (identities);
  g_assert_cmpuint (identities->len, ==, 2);
  for (guint i = 0; i < identities->len; i++)
    {
      g_autofree char *text = lb_identity_to_string (g_ptr_array_index (identities, i));

      g_string_append_printf (all, "%s\n", text);
    }
  g_assert_nonnull (strstr (all->str, "usb: Thorlabs CLD1015, serial " USB_RIG_LIGHT "\n"));
  g_assert_nonnull (strstr (all->str, "usb: Thorlabs PM100D, serial " USB_RIG_METER "\n"));
  g_assert_true (umock_usb_has_kernel_driver (rig->bus, rig->light_place));
  g_assert_true (umock_usb_has_kernel_driver (rig->bus, rig->meter_place));
  usb_rig_free (rig);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/usb/meter/reads-power", test_reads_power);
  g_test_add_func ("/usb/meter/settings-are-read-back", test_settings_are_read_back);
  g_test_add_func ("/usb/meter/over-range-is-named", test_over_range_is_named);
  g_test_add_func ("/usb/meter/averaging-that-is-not-there", test_averaging_that_is_not_there);
  g_test_add_func ("/usb/meter/zero", test_zero);
  g_test_add_func ("/usb/meter/goes-on-after-faults", test_goes_on_after_faults);
  g_test_add_func ("/usb/meter/unplug-and-replug", test_unplug_and_replug);
  g_test_add_func ("/usb/meter/access-error-names-the-rule", test_access_error_names_the_rule);
  g_test_add_func ("/usb/meter/listing-opens-nothing", test_listing_opens_nothing);
  return g_test_run ();
}
