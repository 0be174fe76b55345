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
  GThread *thread;
  FakeFlags flags;
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
  self->fake = fake_devices_new (self->flags);
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

/* Connected, with M running in its thread. */
static void
loop_begin (Loop *self, FakeFlags flags)
{
  g_autoptr (GError) error = NULL;

  *self = (Loop){ .context = g_main_context_new (), .flags = flags };
  g_mutex_init (&self->lock);
  g_cond_init (&self->ready);
  self->loop = g_main_loop_new (self->context, FALSE);
  self->thread = g_thread_new ("M", loop_thread, self);
  g_mutex_lock (&self->lock);
  while (!self->running)
    g_cond_wait (&self->ready, &self->lock);
  g_mutex_unlock (&self->lock);
  g_assert_true (lb_bench_connect (fake_devices_get_bench (self->fake), NULL, &error));
  g_assert_no_error (error);
}

static void
loop_quit (Loop *self)
{
  attach (self->context, quit_cb, self->loop);
  g_thread_join (self->thread);
}

static void
loop_end (Loop *self)
{
  fake_devices_free (self->fake);
  g_main_loop_unref (self->loop);
  g_main_context_unref (self->context);
  g_mutex_clear (&self->lock);
  g_cond_clear (&self->ready);
}

/* Runs @plan with M in a callback that does not come back. */
static void
run_deaf (Loop *self, Plan *plan)
{
  g_autoptr (GError) error = NULL;
  gint64 begin_us = g_get_monotonic_time ();

  attach (self->context, hang_cb, NULL);
  g_assert_false (
      lb_bench_run (fake_devices_get_bench (self->fake), "measure", run_plan, plan, NULL, &error));
  g_assert_error (error, LB_BENCH_ERROR, LB_BENCH_ERROR_LEASE);
  g_assert_cmpint (g_get_monotonic_time () - begin_us, <, 2400000);
  g_assert_false (fake_devices_is_lit (self->fake));
}

static void
test_main_loop_that_hangs_has_the_light_switched_off (void)
{
  Loop loop;
  g_autoptr (GError) error = NULL;
  LbExposure exposures[64];
  Plan plan = { .exposures = exposures, .count = 14 };

  for (guint i = 0; i < G_N_ELEMENTS (exposures); i++)
    exposures[i] = lit (NULL, NULL);
  loop_begin (&loop, 0);

  /* Longer than the second, with M answering. */
  fake_devices_slow (loop.fake, "camera.wait-frame", 100000, FALSE);
  g_assert_true (lb_bench_run (fake_devices_get_bench (loop.fake), "measure", run_plan, &plan, NULL, &error));
  g_assert_no_error (error);

  plan = (Plan){ .exposures = exposures, .count = G_N_ELEMENTS (exposures) };
  run_deaf (&loop, &plan);
  g_assert_cmpuint (plan.taken, >, 3);

  loop_quit (&loop);
  /* Nobody runs M any more: then its silence says nothing. */
  plan = (Plan){ .exposures = exposures, .count = 2 };
  g_usleep (1100000);
  g_assert_true (lb_bench_run (fake_devices_get_bench (loop.fake), "measure", run_plan, &plan, NULL, &error));
  g_assert_no_error (error);
  loop_end (&loop);
}

static void
test_main_loop_that_hangs_ends_a_long_exposure (void)
{
  Loop loop;
  LbExposure exposure = lit (NULL, NULL);
  Plan plan = { .exposures = &exposure, .count = 1 };
  g_autoptr (GError) error = NULL;

  exposure.exposure_us = 5000000;
  loop_begin (&loop, FAKE_WALL_CLOCK);
  fake_devices_slow (loop.fake, "camera.wait-frame", 5000000, TRUE);
  /* M has to have been heard once. */
  g_usleep (600000);
  run_deaf (&loop, &plan);
  g_assert_cmpuint (plan.taken, ==, 0);
  g_assert_cmpuint (fake_devices_count (loop.fake, "light.renew"), >, 0);

  /* M is back: such an exposure comes to its end. */
  fake_devices_slow (loop.fake, "camera.wait-frame", 2500000, TRUE);
  g_usleep (2000000);
  plan.next = 0;
  g_assert_true (lb_bench_run (fake_devices_get_bench (loop.fake), "measure", run_plan, &plan, NULL, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (plan.taken, ==, 1);
  g_assert_cmpuint (plan.frames[0][0], ==, 1);
  loop_quit (&loop);
  loop_end (&loop);
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
  ADD ("main-loop-that-hangs-ends-a-long-exposure", test_main_loop_that_hangs_ends_a_long_exposure);
  return g_test_run ();
}
