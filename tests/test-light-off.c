/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>
#include <sys/resource.h>

#include "fake-devices.h"
#include "usb-rig.h"

/*
 * A bench with the real driver of a light source, the real lightbench-light and an
 * instrument on the emulated bus; its other devices do as they are told. Whatever
 * ends a measurement, the light is off soon after, by the instrument's own clock.
 */

#define DARK_US (500 * 1000)
/* A frame of the camera. */
#define FRAME_US (30 * 1000)

typedef struct
{
  UsbRig *rig;
  FakeDevices *fake;
  GCancellable *cancellable;
  GThread *thread;
  LbPattern *patterns[2];
  guint asked, taken;
  gboolean reads_power;
  GError *error;
} Fixture;

/* --- A measurement that never ends by itself ------------------------------------------------ */

/* Each exposure differs from the one before in all that a device is told. */
static gboolean
next_exposure (LbExposure *exposure, gpointer data, GError **error)
{
  Fixture *fixture = data;
  guint odd = fixture->asked++ % 2;

  *exposure = (LbExposure){ .source = fixture->patterns[odd],
                            .weight = fixture->patterns[1 - odd],
                            .light = TRUE,
                            .light_level = 40 + 10 * odd,
                            .exposure_us = 8000 + 1000 * odd,
                            .frames = 1 };
  return TRUE;
}

static gboolean
take_frame (const LbExposure *exposure, guint nth, LbFrame *frame, gpointer data, GError **error)
{
  Fixture *fixture = data;
  LbDevice *meter = lb_bench_get_device (fake_devices_get_bench (fixture->fake), LB_ROLE_POWER_METER);
  double watts;

  fixture->taken++;
  return !fixture->reads_power ||
         lb_power_meter_read (LB_POWER_METER (meter), &watts, NULL, NULL, usb_rig_in (1000), error);
}

static gboolean
expose_for_ever (LbBench *bench, gpointer data, GCancellable *cancellable, GError **error)
{
  return lb_bench_run_sequence (bench, next_exposure, take_frame, data, cancellable, error);
}

static gpointer
run_thread (gpointer data)
{
  Fixture *fixture = data;

  lb_bench_run (fake_devices_get_bench (fixture->fake), "measure", expose_for_ever, fixture,
                fixture->cancellable, &fixture->error);
  return NULL;
}

/* Lit, and with some frames taken. */
static void
begin (Fixture *fixture)
{
  gint64 end_us = usb_rig_in (20000);

  fixture->taken = 0;
  fixture->cancellable = g_cancellable_new ();
  fixture->thread = g_thread_new ("run", run_thread, fixture);
  while (fixture->taken < 3)
    {
      g_assert_cmpint (g_get_monotonic_time (), <, end_us);
      g_usleep (1000);
    }
  g_assert_true (instrument_is_lit (fixture->rig->light));
}

/* It ends with an error. */
static void
end (Fixture *fixture)
{
  fake_devices_release (fixture->fake);
  g_thread_join (g_steal_pointer (&fixture->thread));
  g_clear_object (&fixture->cancellable);
  g_assert_nonnull (fixture->error);
  g_test_message ("%s", fixture->error->message);
  g_assert_false (instrument_is_lit (fixture->rig->light));
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  fixture->rig = usb_rig_new ("CLD1015", "PM100D", "");
  fixture->fake = fake_devices_new_with_light (FAKE_WALL_CLOCK | FAKE_QUICK_BLANK, fixture->rig->source);
  fake_devices_slow (fixture->fake, "camera.wait-frame", FRAME_US, TRUE);
  fixture->patterns[0] = lb_pattern_new_uniform (16, 8, 10);
  fixture->patterns[1] = lb_pattern_new_uniform (16, 8, 20);
  lb_bench_connect (fake_devices_get_bench (fixture->fake), NULL, &error);
  g_assert_no_error (error);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  g_clear_error (&fixture->error);
  fake_devices_free (fixture->fake);
  usb_rig_free (fixture->rig);
  lb_pattern_unref (fixture->patterns[0]);
  lb_pattern_unref (fixture->patterns[1]);
}

static void
expect_dark (Fixture *fixture, gint64 since_us)
{
  g_assert_true (usb_rig_wait_lit (fixture->rig, FALSE, 10000));
  g_test_message ("dark after %.0f ms",
                  (double) (instrument_get_changed_us (fixture->rig->light) - since_us) / 1000);
  g_assert_cmpint (instrument_get_changed_us (fixture->rig->light), >=, since_us);
  g_assert_cmpint (instrument_get_changed_us (fixture->rig->light) - since_us, <, DARK_US);
}

/* --- What ends it ----------------------------------------------------------------------------- */

static void
test_stop (Fixture *fixture, gconstpointer data)
{
  gint64 since_us;

  begin (fixture);
  since_us = g_get_monotonic_time ();
  lb_bench_stop (fake_devices_get_bench (fixture->fake));
  expect_dark (fixture, since_us);
  end (fixture);
  g_assert_error (fixture->error, LB_BENCH_ERROR, LB_BENCH_ERROR_STOPPED);
}

static void
test_abort (Fixture *fixture, gconstpointer data)
{
  gint64 since_us;

  begin (fixture);
  since_us = g_get_monotonic_time ();
  g_cancellable_cancel (fixture->cancellable);
  expect_dark (fixture, since_us);
  end (fixture);
  g_assert_error (fixture->error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

static void
test_error_of_a_device (Fixture *fixture, gconstpointer call)
{
  gint64 since_us;

  fixture->reads_power = TRUE;
  begin (fixture);
  since_us = g_get_monotonic_time ();
  fake_devices_fail (fixture->fake, call, LB_DEVICE_ERROR_PROTOCOL);
  expect_dark (fixture, since_us);
  end (fixture);
  g_assert_error (fixture->error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_PROTOCOL);
  g_assert_nonnull (strstr (fixture->error->message, call));
}

static void
test_fault_of_a_plane (Fixture *fixture, gconstpointer data)
{
  gint64 since_us;

  begin (fixture);
  /* It need not look at the planes for that. */
  fake_devices_block (fixture->fake, "camera.wait-frame");
  fake_devices_wait_blocked (fixture->fake);
  since_us = g_get_monotonic_time ();
  fake_devices_tell_faults (fixture->fake, LB_ROLE_WEIGHT, GPOINTER_TO_UINT (data));
  expect_dark (fixture, since_us);
  end (fixture);
  g_assert_true (g_error_matches (fixture->error, LB_BENCH_ERROR, LB_BENCH_ERROR_PLANE) ||
                 g_error_matches (fixture->error, LB_BENCH_ERROR, LB_BENCH_ERROR_STOPPED));
}

/* --- While a call hangs that nothing can cancel ------------------------------------------------- */

static void
check_no_relighting (Fixture *fixture, guint64 generation)
{
  guint switched_on = instrument_get_switched_on (fixture->rig->light);

  /* As the late worker would. */
  g_assert_false (
      lb_light_source_renew (fixture->rig->source, generation, 500 * 1000, NULL, usb_rig_in (500), NULL));
  g_assert_false (
      lb_light_source_output_on (fixture->rig->source, generation, 500 * 1000, NULL, usb_rig_in (500), NULL));
  end (fixture);
  g_assert_cmpuint (instrument_get_switched_on (fixture->rig->light), ==, switched_on);
}

/* Returns when it hangs in @call. */
static gint64
begin_and_hang (Fixture *fixture, const char *call)
{
  begin (fixture);
  fake_devices_block (fixture->fake, call);
  fake_devices_wait_blocked (fixture->fake);
  return g_get_monotonic_time ();
}

static void
test_stop_while_a_call_hangs (Fixture *fixture, gconstpointer call)
{
  LbBench *bench = fake_devices_get_bench (fixture->fake);
  guint64 generation = lb_bench_get_generation (bench);
  gint64 since_us = begin_and_hang (fixture, call);

  lb_bench_stop (bench);
  expect_dark (fixture, since_us);
  check_no_relighting (fixture, generation);
}

/* The light is off, and armed: it was no STOP. */
static void
test_abort_while_a_call_hangs (Fixture *fixture, gconstpointer call)
{
  LbBench *bench = fake_devices_get_bench (fixture->fake);
  guint64 generation = lb_bench_get_generation (bench);
  gint64 since_us = begin_and_hang (fixture, call);

  g_cancellable_cancel (fixture->cancellable);
  expect_dark (fixture, since_us);
  check_no_relighting (fixture, generation);
  g_assert_error (fixture->error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpint (lb_bench_get_light (bench), ==, LB_LIGHT_ARMED);
  g_clear_error (&fixture->error);
  begin (fixture);
  g_cancellable_cancel (fixture->cancellable);
  end (fixture);
}

int
main (int argc, char **argv)
{
  static const char *const calls[] = { "source.show",      "weight.show",         "source.presented",
                                       "weight.presented", "camera.set-exposure", "camera.wait-frame",
                                       "power-meter.read" };
  static const LbModulatorFaults faults[] = { LB_MODULATOR_FAULT_LOST, LB_MODULATOR_FAULT_COVERED,
                                              LB_MODULATOR_FAULT_GAMMA, LB_MODULATOR_FAULT_STOP };
  static const char *const names[] = { "lost", "covered", "gamma", "stop" };

  /* Where it may: what is timed is the program, not what else the computer does. */
  setpriority (PRIO_PROCESS, 0, -15);
  g_test_init (&argc, &argv, NULL);
#define ADD(path, data, function) g_test_add (path, Fixture, data, set_up, function, tear_down)
  ADD ("/light/off/by-stop", NULL, test_stop);
  ADD ("/light/off/by-abort", NULL, test_abort);
  for (guint i = 0; i < G_N_ELEMENTS (calls); i++)
    {
      g_autofree char *path = g_strdup_printf ("/light/off/by-error/%s", calls[i]);

      ADD (path, calls[i], test_error_of_a_device);
    }
  for (guint i = 0; i < G_N_ELEMENTS (faults); i++)
    {
      g_autofree char *path = g_strdup_printf ("/light/off/by-fault-of-a-plane/%s", names[i]);

      ADD (path, GUINT_TO_POINTER (faults[i]), test_fault_of_a_plane);
    }
  ADD ("/light/off/by-stop-while-the-camera-hangs", "camera.wait-frame", test_stop_while_a_call_hangs);
  ADD ("/light/off/by-stop-while-a-plane-hangs", "weight.show", test_stop_while_a_call_hangs);
  ADD ("/light/off/by-abort-while-the-camera-hangs", "camera.wait-frame", test_abort_while_a_call_hangs);
  ADD ("/light/off/by-abort-while-a-plane-hangs", "source.show", test_abort_while_a_call_hangs);
  return g_test_run ();
}
