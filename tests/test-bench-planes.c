/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "fake-devices.h"

/* What the bench does when a plane tells of a fault by itself. */

typedef struct
{
  FakeDevices *fake;
  LbExposure exposure;
  guint asked, taken;
  gboolean result;
  GError *error;
  GThread *thread;
} Run;

static gboolean
one_exposure (LbExposure *exposure, gpointer data, GError **error)
{
  Run *run = data;

  *exposure = run->exposure;
  return run->asked++ == 0;
}

static gboolean
count_frame (const LbExposure *exposure, guint nth, LbFrame *frame, gpointer data, GError **error)
{
  Run *run = data;

  run->taken++;
  return TRUE;
}

static gboolean
expose (LbBench *bench, gpointer data, GCancellable *cancellable, GError **error)
{
  return lb_bench_run_sequence (bench, one_exposure, count_frame, data, cancellable, error);
}

static gpointer
run_thread (gpointer data)
{
  Run *run = data;

  run->result = lb_bench_run (fake_devices_get_bench (run->fake), "measure", expose, run, NULL, &run->error);
  return NULL;
}

/* Begins a lit run and has it wait in the camera. */
static void
begin (Run *run, FakeFlags flags)
{
  g_autoptr (GError) error = NULL;

  *run = (Run){ .fake = fake_devices_new (FAKE_QUICK_BLANK | flags) };
  run->exposure = (LbExposure){ .light = TRUE, .exposure_us = 8000, .frames = 1 };
  run->exposure.source = lb_pattern_new_uniform (16, 8, 10);
  run->exposure.weight = lb_pattern_new_uniform (16, 8, 20);
  lb_bench_connect (fake_devices_get_bench (run->fake), NULL, &error);
  g_assert_no_error (error);
  fake_devices_block (run->fake, "camera.wait-frame");
  run->thread = g_thread_new ("run", run_thread, run);
  fake_devices_wait_blocked (run->fake);
}

static void
end (Run *run)
{
  fake_devices_release (run->fake);
  g_thread_join (run->thread);
  run->thread = NULL;
}

static void
clear (Run *run)
{
  lb_pattern_unref (run->exposure.source);
  lb_pattern_unref (run->exposure.weight);
  g_clear_error (&run->error);
  fake_devices_free (run->fake);
}

static gboolean
is_black (FakeDevices *fake)
{
  return fake_devices_get_level (fake, LB_ROLE_SOURCE) == 0 &&
         fake_devices_get_level (fake, LB_ROLE_WEIGHT) == 0;
}

/* The camera still hangs meanwhile. */
static void
wait_dark (FakeDevices *fake)
{
  gint64 until_us = g_get_monotonic_time () + 5 * G_USEC_PER_SEC;

  while ((fake_devices_is_lit (fake) || !is_black (fake)) && g_get_monotonic_time () < until_us)
    g_usleep (1000);
  g_assert_false (fake_devices_is_lit (fake));
  g_assert_true (is_black (fake));
}

static void
check_fault (LbModulatorFaults faults, FakeFlags flags)
{
  LbBench *bench;
  Run run;

  begin (&run, flags);
  bench = fake_devices_get_bench (run.fake);
  if ((flags & FAKE_WITHOUT_LIGHT) == 0)
    g_assert_true (fake_devices_is_lit (run.fake));
  fake_devices_tell_faults (run.fake, LB_ROLE_WEIGHT, faults);
  wait_dark (run.fake);
  end (&run);
  g_assert_false (run.result);
  g_assert_error (run.error, LB_BENCH_ERROR, LB_BENCH_ERROR_PLANE);
  g_assert_nonnull (strstr (run.error->message, "weight plane: a cat sits on it"));
  /* A fault that holds is acted upon once. */
  g_assert_cmpuint (fake_devices_count (run.fake, "weight.blank-now"), ==, 1);
  /* The frame that was exposed meanwhile does not count. */
  g_assert_cmpuint (run.taken, ==, 0);
  g_assert_cmpint (lb_bench_get_state (bench), ==, LB_BENCH_IDLE);
  g_clear_error (&run.error);

  /* Nothing lights before the operator has armed it; then all is as before. */
  run.asked = 0;
  run_thread (&run);
  g_assert_error (run.error, LB_BENCH_ERROR, LB_BENCH_ERROR_STOPPED);
  g_clear_error (&run.error);
  fake_devices_tell_faults (run.fake, LB_ROLE_WEIGHT, LB_MODULATOR_FAULT_NONE);
  for (guint i = 0; i < 1000 && !lb_bench_arm (bench, NULL); i++)
    g_usleep (1000);
  run_thread (&run);
  g_assert_no_error (run.error);
  g_assert_cmpuint (run.taken, ==, 1);
  clear (&run);
}

static void
test_fault_of_a_plane_switches_the_light_off (void)
{
  check_fault (LB_MODULATOR_FAULT_COVERED, 0);
  check_fault (LB_MODULATOR_FAULT_LOST, 0);
  check_fault (LB_MODULATOR_FAULT_GAMMA, 0);
}

static void
test_fault_of_a_plane_blacks_a_source_that_is_the_light (void)
{
  check_fault (LB_MODULATOR_FAULT_COVERED, FAKE_WITHOUT_LIGHT);
}

static void
test_keys_on_a_plane_are_stop (void)
{
  LbBench *bench;
  Run run;

  begin (&run, 0);
  bench = fake_devices_get_bench (run.fake);
  fake_devices_tell_faults (run.fake, LB_ROLE_SOURCE, LB_MODULATOR_FAULT_STOP);
  wait_dark (run.fake);
  end (&run);
  g_assert_error (run.error, LB_BENCH_ERROR, LB_BENCH_ERROR_STOPPED);
  g_assert_cmpuint (run.taken, ==, 0);
  g_assert_cmpint (lb_bench_get_light (bench), ==, LB_LIGHT_OFF);
  clear (&run);
}

static void
test_fault_while_nothing_runs_ends_nothing (void)
{
  LbBench *bench;
  Run run;

  begin (&run, 0);
  bench = fake_devices_get_bench (run.fake);
  end (&run);
  g_assert_no_error (run.error);
  fake_devices_tell_faults (run.fake, LB_ROLE_WEIGHT, LB_MODULATOR_FAULT_COVERED);
  g_usleep (50 * 1000);
  g_assert_cmpint (lb_bench_get_light (bench), ==, LB_LIGHT_ARMED);
  fake_devices_tell_faults (run.fake, LB_ROLE_WEIGHT, LB_MODULATOR_FAULT_NONE);
  run.asked = 0;
  run_thread (&run);
  g_assert_no_error (run.error);
  g_assert_cmpuint (run.taken, ==, 2);
  clear (&run);
}

/* One that holds when a run begins is found at its first frame at the latest. */
static void
test_fault_that_holds_lets_no_run_through (void)
{
  Run run;

  begin (&run, 0);
  end (&run);
  g_assert_no_error (run.error);
  fake_devices_tell_faults (run.fake, LB_ROLE_SOURCE, LB_MODULATOR_FAULT_GAMMA);
  run.asked = run.taken = 0;
  run_thread (&run);
  g_assert_error (run.error, LB_BENCH_ERROR, LB_BENCH_ERROR_PLANE);
  g_assert_cmpuint (run.taken, ==, 0);
  g_assert_false (fake_devices_is_lit (run.fake));
  clear (&run);
}

/* A run that ended because its plane's display went away, as the operator finds it. */
static LbBench *
begin_lost (Run *run)
{
  LbBench *bench;

  begin (run, 0);
  bench = fake_devices_get_bench (run->fake);
  lb_device_set_state (lb_bench_get_device (bench, LB_ROLE_WEIGHT), LB_DEVICE_ABSENT);
  fake_devices_tell_faults (run->fake, LB_ROLE_WEIGHT, LB_MODULATOR_FAULT_LOST);
  wait_dark (run->fake);
  end (run);
  g_assert_error (run->error, LB_BENCH_ERROR, LB_BENCH_ERROR_PLANE);
  g_clear_error (&run->error);
  for (guint i = 0; i < 1000 && !lb_bench_arm (bench, NULL); i++)
    g_usleep (1000);
  g_assert_cmpint (lb_bench_get_light (bench), ==, LB_LIGHT_ARMED);
  fake_devices_clear_log (run->fake);
  run->asked = run->taken = 0;
  return bench;
}

static void
test_lost_plane_comes_back_with_the_next_run (void)
{
  g_autofree char *opened = NULL;
  g_autofree char *closed = NULL;
  Run run;

  begin_lost (&run);
  fake_devices_tell_faults (run.fake, LB_ROLE_WEIGHT, LB_MODULATOR_FAULT_NONE);
  run_thread (&run);
  g_assert_no_error (run.error);
  g_assert_cmpuint (run.taken, ==, 1);
  opened = fake_devices_dup_order (run.fake, "open");
  closed = fake_devices_dup_order (run.fake, "close");
  g_assert_cmpstr (opened, ==, "weight");
  g_assert_cmpstr (closed, ==, "weight");
  g_assert_cmpint (fake_devices_get_level (run.fake, LB_ROLE_WEIGHT), ==, 20);
  clear (&run);
}

/* Each try says so and leaves the light armed, so that another can be made. */
static void
test_plane_that_stays_away_lets_no_run_through (void)
{
  LbBench *bench;
  Run run;

  bench = begin_lost (&run);
  fake_devices_fail (run.fake, "weight.open", LB_DEVICE_ERROR_ABSENT);
  for (guint i = 0; i < 2; i++)
    {
      run_thread (&run);
      g_assert_error (run.error, LB_BENCH_ERROR, LB_BENCH_ERROR_PLANE);
      g_assert_nonnull (strstr (run.error->message, "weight plane"));
      g_clear_error (&run.error);
      g_assert_cmpuint (run.asked, ==, 0);
      g_assert_cmpint (lb_bench_get_light (bench), ==, LB_LIGHT_ARMED);
    }
  g_assert_cmpuint (fake_devices_count (run.fake, "light.on"), ==, 0);
  fake_devices_fail (run.fake, NULL, 0);
  fake_devices_tell_faults (run.fake, LB_ROLE_WEIGHT, LB_MODULATOR_FAULT_NONE);
  run_thread (&run);
  g_assert_no_error (run.error);
  g_assert_cmpuint (run.taken, ==, 1);
  clear (&run);
}

/* Calibrations are those of the display that was there. */
static void
test_another_display_is_not_taken_for_the_lost_one (void)
{
  Run run;

  begin_lost (&run);
  fake_devices_tell_faults (run.fake, LB_ROLE_WEIGHT, LB_MODULATOR_FAULT_NONE);
  fake_devices_exchange (run.fake, TRUE);
  run_thread (&run);
  g_assert_error (run.error, LB_BENCH_ERROR, LB_BENCH_ERROR_PLANE);
  g_assert_cmpuint (run.asked, ==, 0);
  g_clear_error (&run.error);
  fake_devices_exchange (run.fake, FALSE);
  run_thread (&run);
  g_assert_no_error (run.error);
  g_assert_cmpuint (run.taken, ==, 1);
  clear (&run);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/bench/planes/fault-switches-the-light-off",
                   test_fault_of_a_plane_switches_the_light_off);
  g_test_add_func ("/bench/planes/fault-blacks-a-source-that-is-the-light",
                   test_fault_of_a_plane_blacks_a_source_that_is_the_light);
  g_test_add_func ("/bench/planes/keys-on-a-plane-are-stop", test_keys_on_a_plane_are_stop);
  g_test_add_func ("/bench/planes/fault-while-nothing-runs-ends-nothing",
                   test_fault_while_nothing_runs_ends_nothing);
  g_test_add_func ("/bench/planes/fault-that-holds-lets-no-run-through",
                   test_fault_that_holds_lets_no_run_through);
  g_test_add_func ("/bench/planes/lost-plane-comes-back-with-the-next-run",
                   test_lost_plane_comes_back_with_the_next_run);
  g_test_add_func ("/bench/planes/plane-that-stays-away-lets-no-run-through",
                   test_plane_that_stays_away_lets_no_run_through);
  g_test_add_func ("/bench/planes/another-display-is-not-taken-for-the-lost-one",
                   test_another_display_is_not_taken_for_the_lost_one);
  return g_test_run ();
}
