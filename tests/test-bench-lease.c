/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "bench-fixture.h"

static void
test_lease_is_renewed_while_a_device_waits (void)
{
  g_autoptr (FakeDevices) fake = connected (FAKE_WALL_CLOCK);
  g_autoptr (GError) error = NULL;
  LbExposure exposure = lit (NULL, NULL);
  Plan plan = { .exposures = &exposure, .count = 1 };

  fake_devices_slow (fake, "camera.wait-frame", 1500000, TRUE);
  g_assert_true (lb_bench_run (fake_devices_get_bench (fake), "measure", run_plan, &plan, NULL, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (plan.frames[0][0], ==, 1);
  g_assert_cmpuint (fake_devices_count (fake, "light.renew"), >=, 6);
}

static void
test_lease_that_ran_out_fails_the_action (void)
{
  g_autoptr (FakeDevices) fake = connected (FAKE_WALL_CLOCK);
  g_autoptr (GError) error = NULL;
  LbExposure exposure = lit (NULL, NULL);
  Plan plan = { .exposures = &exposure, .count = 1 };

  fake_devices_slow (fake, "camera.wait-frame", 1200000, FALSE);
  g_assert_false (lb_bench_run (fake_devices_get_bench (fake), "measure", run_plan, &plan, NULL, &error));
  g_assert_error (error, LB_BENCH_ERROR, LB_BENCH_ERROR_LEASE);
  g_assert_cmpuint (plan.taken, ==, 0);
  g_assert_false (fake_devices_is_lit (fake));
}

static void
test_busy_computer_does_not_spoil_a_simulated_run (void)
{
  g_autoptr (FakeDevices) fake = connected (0);
  g_autoptr (GError) error = NULL;
  LbExposure exposure = lit (NULL, NULL);
  Plan plan = { .exposures = &exposure, .count = 1 };

  exposure.frames = 2;
  fake_devices_slow (fake, "camera.wait-frame", 1200000, FALSE);
  g_assert_true (lb_bench_run (fake_devices_get_bench (fake), "measure", run_plan, &plan, NULL, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (plan.frames[0][0], ==, 1);
  g_assert_cmpuint (plan.frames[1][0], ==, 1);
  g_assert_false (fake_devices_is_lit (fake));
}

static void
test_slow_sink_finds_the_light_on_again (void)
{
  g_autoptr (FakeDevices) fake = connected (FAKE_WALL_CLOCK);
  g_autoptr (LbPattern) ten = level (10);
  g_autoptr (GError) error = NULL;
  LbExposure exposures[] = { lit (NULL, NULL), lit (ten, ten) };
  Plan plan = { .exposures = exposures, .count = G_N_ELEMENTS (exposures), .sink_us = 1100000 };

  exposures[0].frames = 2;
  g_assert_true (lb_bench_run (fake_devices_get_bench (fake), "measure", run_plan, &plan, NULL, &error));
  g_assert_no_error (error);
  for (guint i = 0; i < 3; i++)
    g_assert_cmpuint (plan.frames[i][0], ==, 1);
  g_assert_cmpuint (fake_devices_count (fake, "light.on"), ==, 3);
  g_assert_false (fake_devices_is_lit (fake));
}

typedef struct
{
  GMainContext *context;
  GMainLoop *loop;
  FakeDevices *fake;
  GMutex lock;
  GCond ready;
  gboolean running;
} Loop;

static gboolean
running_cb (gpointer data)
{
  Loop *self = data;

  g_mutex_lock (&self->lock);
  self->running = TRUE;
  g_cond_signal (&self->ready);
  g_mutex_unlock (&self->lock);
  return G_SOURCE_REMOVE;
}

static gpointer
loop_thread (gpointer data)
{
  Loop *self = data;

  g_main_context_push_thread_default (self->context);
  self->fake = fake_devices_new (0);
  g_main_context_invoke_full (self->context, G_PRIORITY_LOW, running_cb, self, NULL);
  g_main_loop_run (self->loop);
  g_main_context_pop_thread_default (self->context);
  return NULL;
}

static gboolean
hang_cb (gpointer data)
{
  g_usleep (2500000);
  return G_SOURCE_REMOVE;
}

static void
attach (GMainContext *context, GSourceFunc func, gpointer data)
{
  g_autoptr (GSource) source = g_idle_source_new ();

  g_source_set_callback (source, func, data, NULL);
  g_source_attach (source, context);
}

static gboolean
quit_cb (gpointer data)
{
  g_main_loop_quit (data);
  return G_SOURCE_REMOVE;
}

static void
test_main_loop_that_hangs_has_the_light_switched_off (void)
{
  Loop loop = { .context = g_main_context_new () };
  g_autoptr (GError) error = NULL;
  LbExposure exposures[64];
  Plan plan = { .exposures = exposures, .count = G_N_ELEMENTS (exposures) };
  GThread *thread;
  gint64 begin_us;

  for (guint i = 0; i < G_N_ELEMENTS (exposures); i++)
    exposures[i] = lit (NULL, NULL);
  g_mutex_init (&loop.lock);
  g_cond_init (&loop.ready);
  loop.loop = g_main_loop_new (loop.context, FALSE);
  thread = g_thread_new ("M", loop_thread, &loop);
  g_mutex_lock (&loop.lock);
  while (!loop.running)
    g_cond_wait (&loop.ready, &loop.lock);
  g_mutex_unlock (&loop.lock);
  g_assert_true (lb_bench_connect (fake_devices_get_bench (loop.fake), NULL, &error));
  g_assert_no_error (error);

  /* Longer than the second, with M answering. */
  fake_devices_slow (loop.fake, "camera.wait-frame", 100000, FALSE);
  plan.count = 14;
  g_assert_true (lb_bench_run (fake_devices_get_bench (loop.fake), "measure", run_plan, &plan, NULL, &error));
  g_assert_no_error (error);

  /* With M in a callback that does not come back. */
  plan = (Plan){ .exposures = exposures, .count = G_N_ELEMENTS (exposures) };
  begin_us = g_get_monotonic_time ();
  attach (loop.context, hang_cb, NULL);
  g_assert_false (
      lb_bench_run (fake_devices_get_bench (loop.fake), "measure", run_plan, &plan, NULL, &error));
  g_assert_error (error, LB_BENCH_ERROR, LB_BENCH_ERROR_LEASE);
  g_assert_cmpint (g_get_monotonic_time () - begin_us, <, 2400000);
  g_assert_cmpuint (plan.taken, >, 3);
  g_assert_false (fake_devices_is_lit (loop.fake));

  attach (loop.context, quit_cb, loop.loop);
  g_thread_join (thread);
  /* Nobody runs M any more: then its silence says nothing. */
  g_clear_error (&error);
  plan = (Plan){ .exposures = exposures, .count = 2 };
  g_usleep (1100000);
  g_assert_true (lb_bench_run (fake_devices_get_bench (loop.fake), "measure", run_plan, &plan, NULL, &error));
  g_assert_no_error (error);
  fake_devices_free (loop.fake);
  g_main_loop_unref (loop.loop);
  g_main_context_unref (loop.context);
  g_mutex_clear (&loop.lock);
  g_cond_clear (&loop.ready);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, function) g_test_add_func ("/drivers/bench/" name, function)
  ADD ("lease-is-renewed-while-a-device-waits", test_lease_is_renewed_while_a_device_waits);
  ADD ("lease-that-ran-out-fails-the-action", test_lease_that_ran_out_fails_the_action);
  ADD ("busy-computer-does-not-spoil-a-simulated-run", test_busy_computer_does_not_spoil_a_simulated_run);
  ADD ("slow-sink-finds-the-light-on-again", test_slow_sink_finds_the_light_on_again);
  ADD ("main-loop-that-hangs-has-the-light-switched-off",
       test_main_loop_that_hangs_has_the_light_switched_off);
  return g_test_run ();
}
