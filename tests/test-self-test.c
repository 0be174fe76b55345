/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include <lb-self-test.h>

#include "fake-devices.h"

/* The self-test of a light source: whatever call fails is told, with the device's own words. */

typedef struct
{
  guint passed, failed;
  const char *wanted; /* in a failure's text */
  gboolean told;
} Report;

static void
report_cb (const char *point, const GError *failure, gpointer data)
{
  Report *report = data;

  report->passed += failure == NULL;
  report->failed += failure != NULL;
  if (failure == NULL)
    return;
  g_test_message ("%s: %s", point, failure->message);
  report->told = report->told || strstr (failure->message, report->wanted) != NULL;
}

static Report
test_light (FakeDevices *fake, const char *wanted)
{
  LbDevice *device = lb_bench_get_device (fake_devices_get_bench (fake), LB_ROLE_LIGHT);
  Report report = { .wanted = wanted };
  gboolean passed = lb_self_test_run (device, report_cb, &report, NULL);

  g_assert_cmpint (passed, ==, report.failed == 0);
  return report;
}

/* These planes take patterns of any size. */
static void
test_device_that_refuses_nothing_is_told (void)
{
  g_autoptr (FakeDevices) fake = fake_devices_new (FAKE_WALL_CLOCK);
  Report report = test_light (fake, "it was accepted");

  g_assert_true (report.told);
  g_assert_cmpuint (report.passed, >, 10);
}

static void
test_call_that_fails_is_told (gconstpointer data)
{
  g_autoptr (FakeDevices) fake = fake_devices_new (FAKE_WALL_CLOCK);
  g_autofree char *call = g_strdup_printf ("light.%s", (const char *) data);
  g_autofree char *text = g_strdup_printf ("%s fails", call);
  Report report;

  fake_devices_fail (fake, call, LB_DEVICE_ERROR_PROTOCOL);
  report = test_light (fake, text);
  g_assert_true (report.told);
  g_assert_cmpuint (fake_devices_count (fake, call), >, 0);
}

int
main (int argc, char **argv)
{
  static const char *const calls[] = {
    "open", "identity", "caps", "set-level", "off", "close",
  };

  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/self-test/light/tells-of-a-device-that-refuses-nothing",
                   test_device_that_refuses_nothing_is_told);
  for (guint i = 0; i < G_N_ELEMENTS (calls); i++)
    {
      g_autofree char *path = g_strdup_printf ("/self-test/light/tells-what-fails/%s", calls[i]);

      g_test_add_data_func (path, calls[i], test_call_that_fails_is_told);
    }
  return g_test_run ();
}
