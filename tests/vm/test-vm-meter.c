/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include <lb-power-meter.h>
#include <lb-usb.h>

#include "guest.h"

/* The power meter driver over the real USB stack, and the self-test of all devices. */

#define METER "PM100D"
#define WATTS 1.5e-3
#define WAIT_MS 10000

static LbPowerMeter *
open_meter (void)
{
  LbPowerMeter *meter = LB_POWER_METER (guest_make_device (LB_USB_DRIVER, LB_ROLE_POWER_METER));
  g_autoptr (GError) error = NULL;

  lb_device_open (LB_DEVICE (meter), NULL, guest_in (WAIT_MS), &error);
  g_assert_no_error (error);
  return meter;
}

static void
close_meter (LbPowerMeter *meter)
{
  g_autoptr (GError) error = NULL;

  lb_device_close (LB_DEVICE (meter), NULL, guest_in (WAIT_MS), &error);
  g_assert_no_error (error);
  g_object_unref (meter);
}

static void
expect_reading (LbPowerMeter *meter)
{
  g_autoptr (GError) error = NULL;
  double watts = 0;
  gint64 time_us;

  lb_power_meter_read (meter, &watts, &time_us, NULL, guest_in (WAIT_MS), &error);
  g_assert_no_error (error);
  g_assert_cmpfloat_with_epsilon (watts, WATTS, WATTS / 1000);
}

static void
test_reads (void)
{
  LbPowerMeter *meter = open_meter ();

  expect_reading (meter);
  close_meter (meter);
}

/* One reading may fail for it; the next does not. */
static void
test_fault_is_got_over (gconstpointer fault)
{
  LbPowerMeter *meter = open_meter ();
  double watts;
  gint64 time_us;

  guest_tell (METER, fault);
  lb_power_meter_read (meter, &watts, &time_us, NULL, guest_in (1000), NULL);
  guest_tell (METER, "fault none");
  expect_reading (meter);
  close_meter (meter);
}

static void
test_mute_one_times_out (void)
{
  LbPowerMeter *meter = open_meter ();
  g_autoptr (GError) error = NULL;
  gint64 before_us = g_get_monotonic_time ();
  double watts;
  gint64 time_us;

  guest_tell (METER, "fault mute");
  g_assert_false (lb_power_meter_read (meter, &watts, &time_us, NULL, guest_in (500), &error));
  g_assert_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_TIMEOUT);
  g_assert_cmpint (g_get_monotonic_time () - before_us, <, 2 * G_USEC_PER_SEC);
  guest_tell (METER, "fault none");
  expect_reading (meter);
  close_meter (meter);
}

static void
test_unplugged_comes_back (void)
{
  LbPowerMeter *meter = open_meter ();
  g_autoptr (GError) error = NULL;
  gint64 end_us = guest_in (2 * WAIT_MS);
  gboolean open = FALSE;
  double watts;
  gint64 time_us;

  guest_tell (METER, "unplug");
  while (lb_power_meter_read (meter, &watts, &time_us, NULL, guest_in (WAIT_MS), &error))
    g_assert_cmpint (g_get_monotonic_time (), <, end_us);
  g_assert_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_ABSENT);
  lb_device_close (LB_DEVICE (meter), NULL, guest_in (WAIT_MS), NULL);
  guest_tell (METER, "plug");
  while (!open)
    {
      g_autoptr (GError) local_error = NULL;

      open = lb_device_open (LB_DEVICE (meter), NULL, guest_in (WAIT_MS), &local_error);
      if (!open && g_get_monotonic_time () > end_us)
        g_assert_no_error (local_error);
      if (!open)
        g_usleep (100 * 1000);
    }
  expect_reading (meter);
  close_meter (meter);
}

static void
test_cli_self_test (gconstpointer cli)
{
  const char *argv[] = { cli, "devices", "--setup", GUEST_RESULTS "/setup.json", "--self-test", NULL };
  g_autofree char *out = NULL;
  g_autofree char *messages = NULL;
  g_autoptr (GError) error = NULL;
  int status;

  g_spawn_sync (NULL, (char **) argv, NULL, G_SPAWN_DEFAULT, NULL, NULL, &out, &messages, &status, &error);
  g_assert_no_error (error);
  g_test_message ("%s%s", out, messages);
  g_assert_true (g_spawn_check_wait_status (status, NULL));
  g_assert_nonnull (strstr (out, "camera: opens: pass"));
  g_assert_nonnull (strstr (out, "light: opens: pass"));
  g_assert_nonnull (strstr (out, "power-meter: opens: pass"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_assert_cmpint (argc, ==, 2);
  g_test_add_func ("/vm/meter/reads", test_reads);
  g_test_add_data_func ("/vm/meter/stall-of-a-command-is-got-over", "fault stall-out",
                        test_fault_is_got_over);
  g_test_add_data_func ("/vm/meter/stall-of-an-answer-is-got-over", "fault stall-in", test_fault_is_got_over);
  g_test_add_func ("/vm/meter/mute-one-times-out", test_mute_one_times_out);
  g_test_add_func ("/vm/meter/unplugged-one-comes-back", test_unplugged_comes_back);
  g_test_add_data_func ("/vm/cli/self-test-passes", argv[1], test_cli_self_test);
  return g_test_run ();
}
