/* SPDX-License-Identifier: GPL-3.0-or-later */

#include <string.h>

#include "bench-fixture.h"

static void
test_set_points_beyond_the_limit_are_not_sent (void)
{
  g_autoptr (FakeDevices) fake = connected (0);
  g_autoptr (GError) error = NULL;
  LbExposure exposure = lit (NULL, NULL);
  Plan plan = { .exposures = &exposure, .count = 1 };

  exposure.light_level = 80.6;
  g_assert_false (lb_bench_run (fake_devices_get_bench (fake), "measure", run_plan, &plan, NULL, &error));
  g_assert_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_LIMIT);
  g_assert_cmpuint (fake_devices_count (fake, "light.set-level"), ==, 0);
  g_assert_cmpuint (fake_devices_count (fake, "light.on"), ==, 0);
}

static void
test_error_of_any_device_leaves_the_light_off (void)
{
  const char *const calls[] = { "source.show",       "weight.show",     "source.presented",
                                "weight.presented",  "light.on",        "camera.set-exposure",
                                "camera.wait-frame", "light.set-level", "light.renew" };

  for (guint i = 0; i < G_N_ELEMENTS (calls); i++)
    {
      g_autoptr (FakeDevices) fake = connected (0);
      LbBench *bench = fake_devices_get_bench (fake);
      g_autoptr (LbPattern) ten = level (10);
      g_autoptr (GError) error = NULL;
      const LbExposure exposures[] = { lit (ten, ten), lit (ten, ten) };
      Plan plan = { .exposures = exposures, .count = G_N_ELEMENTS (exposures) };

      fake_devices_fail (fake, calls[i], LB_DEVICE_ERROR_PROTOCOL);
      /* Else there would be nothing to renew. */
      fake_devices_slow (fake, "camera.wait-frame", 150000, FALSE);
      g_assert_false (lb_bench_run (bench, "measure", run_plan, &plan, NULL, &error));
      g_assert_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_PROTOCOL);
      g_assert_nonnull (strstr (error->message, calls[i]));
      g_assert_false (fake_devices_is_lit (fake));
      g_assert_cmpint (lb_bench_get_light (bench), ==, LB_LIGHT_ARMED);
      g_assert_cmpint (lb_bench_get_state (bench), ==, LB_BENCH_IDLE);

      g_clear_error (&error);
      fake_devices_fail (fake, NULL, 0);
      plan.next = 0;
      g_assert_true (lb_bench_run (bench, "measure", run_plan, &plan, NULL, &error));
      g_assert_no_error (error);
    }
}

static void
test_error_of_the_sink_leaves_the_light_off (void)
{
  g_autoptr (FakeDevices) fake = connected (0);
  g_autoptr (GError) error = NULL;
  LbExposure exposure = lit (NULL, NULL);
  Plan plan = { .exposures = &exposure, .count = 1, .fail_after = 1 };

  g_assert_false (lb_bench_run (fake_devices_get_bench (fake), "measure", run_plan, &plan, NULL, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_NO_SPACE);
  g_assert_cmpuint (fake_devices_count (fake, "light.on"), ==, 1);
  g_assert_false (fake_devices_is_lit (fake));
}

/* The light is still on when the function returns: the bench turns it off. */
static gboolean
forget_light (LbBench *bench, gpointer data, GCancellable *cancellable, GError **error)
{
  LbBenchAction *action = lb_bench_get_current (bench, error);

  return action != NULL && lb_bench_light_on (bench, action, 50, cancellable, error);
}

static void
test_the_end_of_an_action_is_dark (void)
{
  g_autoptr (FakeDevices) fake = connected (0);
  g_autoptr (GError) error = NULL;

  g_assert_true (lb_bench_run (fake_devices_get_bench (fake), "measure", forget_light, NULL, NULL, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (fake_devices_count (fake, "light.on"), ==, 1);
  g_assert_cmpuint (fake_devices_count (fake, "light.off"), ==, 1);
  g_assert_false (fake_devices_is_lit (fake));
}

static void
test_light_that_does_not_go_off_is_stopped (void)
{
  g_autoptr (FakeDevices) fake = connected (0);
  LbBench *bench = fake_devices_get_bench (fake);
  g_autoptr (GError) error = NULL;
  LbExposure exposure = lit (NULL, NULL);
  Plan plan = { .exposures = &exposure, .count = 1 };

  fake_devices_fail (fake, "light.off", LB_DEVICE_ERROR_TIMEOUT);
  fake_devices_set_silent (fake, TRUE);
  g_assert_false (lb_bench_run (bench, "measure", run_plan, &plan, NULL, &error));
  g_assert_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_TIMEOUT);
  g_assert_false (fake_devices_is_lit (fake));
  for (guint i = 0; i < 100 && lb_bench_get_light (bench) != LB_LIGHT_NOT_CONFIRMED; i++)
    g_usleep (10000);
  g_assert_cmpint (lb_bench_get_light (bench), ==, LB_LIGHT_NOT_CONFIRMED);
  g_clear_error (&error);
  g_assert_false (lb_bench_run (bench, "measure", never_called, NULL, NULL, &error));
  g_assert_error (error, LB_BENCH_ERROR, LB_BENCH_ERROR_STOPPED);
  g_clear_error (&error);
  g_assert_false (lb_bench_arm (bench, &error));
  g_assert_error (error, LB_BENCH_ERROR, LB_BENCH_ERROR_STOPPED);
  fake_devices_fail (fake, NULL, 0);
  fake_devices_set_silent (fake, FALSE);
}

static void
test_interlock_shows_and_is_armed_again (void)
{
  g_autoptr (FakeDevices) fake = connected (0);
  LbBench *bench = fake_devices_get_bench (fake);
  g_autoptr (GError) error = NULL;
  LbExposure exposure = lit (NULL, NULL);
  Plan plan = { .exposures = &exposure, .count = 1 };

  fake_devices_fail (fake, "light.on", LB_DEVICE_ERROR_INTERLOCK);
  g_assert_false (lb_bench_run (bench, "measure", run_plan, &plan, NULL, &error));
  g_assert_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_INTERLOCK);
  g_assert_cmpint (lb_bench_get_light (bench), ==, LB_LIGHT_TRIPPED);
  g_clear_error (&error);
  fake_devices_fail (fake, NULL, 0);
  g_assert_true (lb_bench_arm (bench, &error));
  g_assert_no_error (error);
  g_assert_cmpint (lb_bench_get_light (bench), ==, LB_LIGHT_ARMED);
}

static void
test_cancelled_action_is_dark_and_says_so (void)
{
  g_autoptr (FakeDevices) fake = connected (0);
  LbBench *bench = fake_devices_get_bench (fake);
  g_autoptr (LbPattern) ten = level (10);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;
  const LbExposure exposures[] = { lit (ten, ten), lit (ten, ten) };
  Plan plan = { .exposures = exposures, .count = 2, .cancel = cancellable };

  g_assert_false (lb_bench_run (bench, "measure", run_plan, &plan, cancellable, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpuint (plan.taken, ==, 1);
  g_assert_false (fake_devices_is_lit (fake));
  g_assert_cmpint (lb_bench_get_light (bench), ==, LB_LIGHT_ARMED);
  g_assert_cmpint (lb_bench_get_state (bench), ==, LB_BENCH_IDLE);

  /* One that is cancelled before it begins does not light at all. */
  g_clear_error (&error);
  fake_devices_clear_log (fake);
  plan.next = 0;
  g_assert_false (lb_bench_run (bench, "measure", run_plan, &plan, cancellable, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpuint (fake_devices_count (fake, "light.on"), ==, 0);
}

static void
test_stop_is_dark_at_once_and_holds (void)
{
  g_autoptr (FakeDevices) fake = connected (FAKE_QUICK_BLANK);
  LbBench *bench = fake_devices_get_bench (fake);
  g_autoptr (GError) error = NULL;
  guint64 generation = lb_bench_get_generation (bench);
  LbPattern *ten = level (10);
  LbExposure exposure = lit (ten, ten);
  Plan plan = { .exposures = &exposure, .count = 1 };
  Run run;

  g_assert_true (lb_bench_run (bench, "show", run_plan, &plan, NULL, &error));
  lb_pattern_unref (ten);
  run_begin (&run, fake, "camera.wait-frame");
  g_assert_true (fake_devices_is_lit (fake));
  g_assert_cmpuint (fake_devices_get_level (fake, LB_ROLE_WEIGHT), ==, 10);
  lb_bench_stop (bench);
  g_assert_false (fake_devices_is_lit (fake));
  g_assert_cmpuint (fake_devices_get_level (fake, LB_ROLE_SOURCE), ==, 0);
  g_assert_cmpuint (fake_devices_get_level (fake, LB_ROLE_WEIGHT), ==, 0);
  g_assert_cmpuint (lb_bench_get_generation (bench), >, generation);
  wait_for_light (bench, LB_LIGHT_OFF, 5000);
  fake_devices_release (fake);
  run_end (&run);
  g_assert_false (run.result);
  g_assert_cmpint (lb_bench_get_state (bench), ==, LB_BENCH_IDLE);
  g_assert_cmpuint (run.plan.taken, ==, 0);

  g_assert_false (lb_bench_run (bench, "measure", never_called, NULL, NULL, &error));
  g_assert_error (error, LB_BENCH_ERROR, LB_BENCH_ERROR_STOPPED);
  g_clear_error (&error);
  g_assert_true (lb_bench_arm (bench, &error));
  g_assert_no_error (error);
  plan.next = 0;
  exposure.source = exposure.weight = NULL;
  g_assert_true (lb_bench_run (bench, "measure", run_plan, &plan, NULL, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (plan.frames[1][0], ==, 1);
}

static void
test_stopped_action_says_so_and_blacks_the_planes (void)
{
  g_autoptr (FakeDevices) fake = connected (0);
  LbBench *bench = fake_devices_get_bench (fake);
  g_autoptr (GError) error = NULL;
  LbPattern *ten = level (10);
  LbExposure exposure = lit (ten, ten);
  Plan plan = { .exposures = &exposure, .count = 1 };
  Run run;

  g_assert_true (lb_bench_run (bench, "show", run_plan, &plan, NULL, &error));
  lb_pattern_unref (ten);
  run_begin (&run, fake, "camera.wait-frame");
  lb_bench_stop (bench);
  fake_devices_release (fake);
  g_thread_join (g_steal_pointer (&run.thread));
  g_assert_error (run.error, LB_BENCH_ERROR, LB_BENCH_ERROR_STOPPED);
  g_assert_cmpuint (fake_devices_get_level (fake, LB_ROLE_SOURCE), ==, 0);
  g_assert_cmpuint (fake_devices_get_level (fake, LB_ROLE_WEIGHT), ==, 0);
  g_object_unref (run.cancellable);
  g_clear_error (&run.error);
}

static void
test_silence_after_stop_is_not_confirmed (void)
{
  g_autoptr (FakeDevices) fake = connected (0);
  LbBench *bench = fake_devices_get_bench (fake);
  g_autoptr (GError) error = NULL;

  fake_devices_set_silent (fake, TRUE);
  lb_bench_stop (bench);
  g_assert_cmpint (lb_bench_get_light (bench), ==, LB_LIGHT_OFF);
  wait_for_light (bench, LB_LIGHT_NOT_CONFIRMED, 5000);
  g_assert_false (lb_bench_arm (bench, &error));
  g_assert_error (error, LB_BENCH_ERROR, LB_BENCH_ERROR_STOPPED);
  /* It may still come. */
  fake_devices_set_silent (fake, FALSE);
  wait_for_light (bench, LB_LIGHT_OFF, 5000);
  g_clear_error (&error);
  g_assert_true (lb_bench_arm (bench, &error));
  g_assert_no_error (error);
}

static void
test_camera_that_hangs_cannot_keep_the_light_on (void)
{
  g_autoptr (FakeDevices) fake = connected (FAKE_QUICK_BLANK);
  LbBench *bench = fake_devices_get_bench (fake);
  g_autoptr (GError) error = NULL;
  guint64 generation = lb_bench_get_generation (bench);
  gint64 stop_us;
  Run run;

  run_begin (&run, fake, "camera.wait-frame");
  g_assert_true (fake_devices_is_lit (fake));
  stop_us = g_get_monotonic_time ();
  lb_bench_stop (bench);
  g_assert_cmpint (g_get_monotonic_time () - stop_us, <, 500000);
  g_assert_false (fake_devices_is_lit (fake));
  g_assert_cmpint (lb_bench_get_state (bench), ==, LB_BENCH_ACTIVE);
  g_thread_join (g_steal_pointer (&run.thread));
  /* The caller came back though the camera still hangs. */
  g_assert_error (run.error, LB_BENCH_ERROR, LB_BENCH_ERROR_LATE);
  g_assert_nonnull (strstr (run.error->message, "\"camera\""));
  g_assert_cmpint (run.end_us - stop_us, >, 1900000);
  g_assert_cmpint (run.end_us - stop_us, <, 6000000);
  g_assert_cmpint (lb_bench_get_state (bench), ==, LB_BENCH_FAULTED);
  g_assert_cmpint (lb_bench_get_light (bench), ==, LB_LIGHT_OFF);
  g_assert_false (lb_bench_arm (bench, &error));
  g_assert_error (error, LB_BENCH_ERROR, LB_BENCH_ERROR_LATE);
  g_clear_error (&error);
  g_assert_false (lb_bench_disconnect (bench, NULL, &error));
  g_assert_error (error, LB_BENCH_ERROR, LB_BENCH_ERROR_LATE);
  g_clear_error (&error);

  /* What the late worker would ask for is refused; what it brings is dropped. */
  g_assert_false (fake_devices_relight (fake, generation));
  fake_devices_clear_log (fake);
  fake_devices_release (fake);
  for (guint i = 0; i < 300 && !lb_bench_disconnect (bench, NULL, NULL); i++)
    g_usleep (10000);
  g_assert_cmpint (lb_bench_get_state (bench), ==, LB_BENCH_DISCONNECTED);
  g_assert_cmpuint (run.plan.taken, ==, 0);
  g_assert_cmpuint (fake_devices_count (fake, "light.on") + fake_devices_count (fake, "light.renew"), ==, 0);
  g_assert_cmpuint (fake_devices_count (fake, "light.close"), ==, 1);
  g_assert_false (fake_devices_is_lit (fake));
  g_object_unref (run.cancellable);
  g_clear_error (&run.error);

  /* Then the bench is as new. */
  g_assert_true (lb_bench_connect (bench, NULL, &error));
  g_assert_no_error (error);
  run.plan = (Plan){ .exposures = &run.exposure, .count = 1 };
  g_assert_true (lb_bench_run (bench, "measure", run_plan, &run.plan, NULL, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (run.plan.taken, ==, 1);
}

static void
test_bench_that_hangs_can_be_dropped (void)
{
  FakeDevices *fake = connected (0);
  Seen seen = { .thread = g_thread_self () };
  LbExposure exposure = lit (NULL, NULL);
  Plan plan = { .exposures = &exposure, .count = 1 };
  gint64 begin_us;

  fake_devices_block (fake, "camera.wait-frame");
  lb_bench_run_async (fake_devices_get_bench (fake), "measure", run_plan, &plan, NULL, NULL, done_cb, &seen);
  fake_devices_wait_blocked (fake);
  lb_bench_stop (fake_devices_get_bench (fake));
  while (!seen.done)
    g_main_context_iteration (NULL, TRUE);
  g_assert_error (seen.error, LB_BENCH_ERROR, LB_BENCH_ERROR_LATE);
  g_clear_error (&seen.error);
  begin_us = g_get_monotonic_time ();
  fake_devices_drop (fake);
  g_assert_cmpint (g_get_monotonic_time () - begin_us, <, 1000000);
  g_assert_false (fake_devices_is_lit (fake));
  /* The worker has the last reference, and gives it up when it comes back. */
  fake_devices_release (fake);
  fake_devices_free (fake);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, function) g_test_add_func ("/drivers/bench/" name, function)
  ADD ("set-points-beyond-the-limit-are-not-sent", test_set_points_beyond_the_limit_are_not_sent);
  ADD ("error-of-any-device-leaves-the-light-off", test_error_of_any_device_leaves_the_light_off);
  ADD ("error-of-the-sink-leaves-the-light-off", test_error_of_the_sink_leaves_the_light_off);
  ADD ("the-end-of-an-action-is-dark", test_the_end_of_an_action_is_dark);
  ADD ("light-that-does-not-go-off-is-stopped", test_light_that_does_not_go_off_is_stopped);
  ADD ("interlock-shows-and-is-armed-again", test_interlock_shows_and_is_armed_again);
  ADD ("cancelled-action-is-dark-and-says-so", test_cancelled_action_is_dark_and_says_so);
  ADD ("stop-is-dark-at-once-and-holds", test_stop_is_dark_at_once_and_holds);
  ADD ("stopped-action-says-so-and-blacks-the-planes", test_stopped_action_says_so_and_blacks_the_planes);
  ADD ("silence-after-stop-is-not-confirmed", test_silence_after_stop_is_not_confirmed);
  ADD ("camera-that-hangs-cannot-keep-the-light-on", test_camera_that_hangs_cannot_keep_the_light_on);
  ADD ("bench-that-hangs-can-be-dropped", test_bench_that_hangs_can_be_dropped);
  return g_test_run ();
}
