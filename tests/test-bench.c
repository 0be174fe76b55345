/* SPDX-License-Identifier: GPL-3.0-or-later */

#include <string.h>

#include "bench-fixture.h"

static void
test_connecting_opens_in_order_and_arms (void)
{
  g_autoptr (FakeDevices) fake = fake_devices_new (0);
  LbBench *bench = fake_devices_get_bench (fake);
  g_autoptr (GError) error = NULL;
  g_autofree char *opened = NULL, *closed = NULL;
  g_autoptr (LbQuantities) identities = NULL;
  LbCameraCaps camera;
  LbModulatorCaps plane;
  LbLightSourceCaps light;
  LbCameraFormat format;

  g_assert_cmpint (lb_bench_get_state (bench), ==, LB_BENCH_DISCONNECTED);
  g_assert_null (lb_bench_dup_identity (bench, LB_ROLE_CAMERA));
  g_assert_false (lb_bench_get_camera_caps (bench, &camera));
  g_assert_true (lb_bench_connect (bench, NULL, &error));
  g_assert_no_error (error);
  opened = fake_devices_dup_order (fake, "open");
  g_assert_cmpstr (opened, ==, "source weight camera light power-meter");
  g_assert_cmpint (lb_bench_get_state (bench), ==, LB_BENCH_IDLE);
  g_assert_cmpint (lb_bench_get_light (bench), ==, LB_LIGHT_ARMED);
  identities = lb_bench_dup_identities (bench);
  g_assert_cmpstr (lb_quantities_get_text (identities, "camera"), ==, "fake: Lightbench camera, serial 1");
  g_assert_true (lb_bench_get_camera_caps (bench, &camera));
  g_assert_true (lb_bench_get_modulator_caps (bench, LB_ROLE_WEIGHT, &plane));
  g_assert_cmpuint (plane.width, ==, 16);
  g_assert_true (lb_bench_get_light_caps (bench, &light));
  lb_bench_get_camera_format (bench, &format);
  g_assert_cmpuint (format.width, ==, 4);

  g_assert_false (lb_bench_connect (bench, NULL, &error));
  g_assert_error (error, LB_BENCH_ERROR, LB_BENCH_ERROR_BUSY);
  g_clear_error (&error);
  g_assert_true (lb_bench_disconnect (bench, NULL, &error));
  closed = fake_devices_dup_order (fake, "close");
  g_assert_cmpstr (closed, ==, "power-meter light camera weight source");
  g_assert_cmpuint (fake_devices_count (fake, "camera.stop"), ==, 1);
  g_assert_cmpint (lb_bench_get_light (bench), ==, LB_LIGHT_OFF);
  g_assert_true (lb_bench_disconnect (bench, NULL, &error));
  g_assert_no_error (error);
}

static void
test_failed_connection_closes_in_reverse_order (void)
{
  const struct
  {
    const char *fails, *closed;
  } cases[] = {
    { "source.open", "" },
    { "camera.open", "weight source" },
    { "light.open", "camera weight source" },
    { "light.identity", "light camera weight source" },
    { "light.state", "light camera weight source" },
    { "power-meter.open", "light camera weight source" },
    { "weight.blank", "power-meter light camera weight source" },
    { "camera.start", "power-meter light camera weight source" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (FakeDevices) fake = fake_devices_new (0);
      LbBench *bench = fake_devices_get_bench (fake);
      g_autoptr (GError) error = NULL;
      g_autofree char *closed = NULL;
      g_autofree char *role = g_strndup (cases[i].fails, strcspn (cases[i].fails, "."));

      fake_devices_fail (fake, cases[i].fails, LB_DEVICE_ERROR_ACCESS);
      g_assert_false (lb_bench_connect (bench, NULL, &error));
      g_assert_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_ACCESS);
      g_assert_true (g_str_has_prefix (error->message, role));
      closed = fake_devices_dup_order (fake, "close");
      g_assert_cmpstr (closed, ==, cases[i].closed);
      g_assert_cmpint (lb_bench_get_state (bench), ==, LB_BENCH_DISCONNECTED);
      g_assert_cmpint (lb_bench_get_light (bench), ==, LB_LIGHT_OFF);

      g_clear_error (&error);
      fake_devices_fail (fake, NULL, 0);
      g_assert_true (lb_bench_connect (bench, NULL, &error));
      g_assert_no_error (error);
    }
}

static void
test_actions_need_a_connection (void)
{
  g_autoptr (FakeDevices) fake = fake_devices_new (0);
  LbBench *bench = fake_devices_get_bench (fake);
  g_autoptr (GError) error = NULL;
  Plan plan = { 0 };

  g_assert_false (lb_bench_run (bench, "measure", never_called, NULL, NULL, &error));
  g_assert_error (error, LB_BENCH_ERROR, LB_BENCH_ERROR_NOT_CONNECTED);
  g_clear_error (&error);
  g_assert_false (lb_bench_arm (bench, &error));
  g_assert_error (error, LB_BENCH_ERROR, LB_BENCH_ERROR_NOT_CONNECTED);
  g_clear_error (&error);
  g_assert_false (lb_bench_run_sequence (bench, plan_source, plan_sink, &plan, NULL, &error));
  g_assert_error (error, LB_BENCH_ERROR, LB_BENCH_ERROR_NOT_IN_ACTION);
}

static void
test_frames_show_what_was_asked_for (void)
{
  g_autoptr (FakeDevices) fake = connected (0);
  g_autoptr (LbPattern) ten = level (10);
  g_autoptr (LbPattern) twenty = level (20);
  g_autoptr (LbPattern) thirty = level (30);
  g_autoptr (GError) error = NULL;
  LbExposure exposures[] = { lit (ten, twenty), lit (ten, thirty), lit (NULL, twenty), lit (ten, twenty) };
  const guint16 expected[][4] = {
    { 1, 10, 20, 8 }, { 1, 10, 30, 8 }, { 0, 10, 20, 8 }, { 1, 10, 20, 5 }, { 1, 10, 20, 5 }
  };
  Plan plan = { .exposures = exposures, .count = G_N_ELEMENTS (exposures) };

  exposures[2].light = FALSE;
  exposures[3].exposure_us = 5000;
  exposures[3].frames = 2;
  exposures[3].tag = 7;
  lb_bench_run (fake_devices_get_bench (fake), "measure", run_plan, &plan, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (plan.taken, ==, G_N_ELEMENTS (expected));
  for (guint i = 0; i < plan.taken; i++)
    g_assert_cmpmem (plan.frames[i], sizeof plan.frames[i], expected[i], sizeof expected[i]);
  g_assert_cmpuint (plan.tags[4], ==, 7);
  g_assert_cmpuint (fake_devices_count (fake, "source.show"), ==, 1);
  g_assert_cmpuint (fake_devices_count (fake, "weight.show"), ==, 3);
  g_assert_cmpuint (fake_devices_count (fake, "camera.set-exposure"), ==, 2);
  g_assert_cmpuint (fake_devices_count (fake, "light.set-level"), ==, 1);
  g_assert_cmpuint (lb_bench_get_exposures (fake_devices_get_bench (fake)), ==, 5);
  g_assert_false (fake_devices_is_lit (fake));
  g_assert_cmpint (lb_bench_get_light (fake_devices_get_bench (fake)), ==, LB_LIGHT_ARMED);
}

static void
test_frames_begin_after_the_planes_have_settled (void)
{
  g_autoptr (FakeDevices) fake = connected (0);
  LbClock *clock = lb_bench_get_clock (fake_devices_get_bench (fake));
  g_autoptr (LbPattern) one = level (1);
  g_autoptr (LbPattern) two = level (2);
  g_autoptr (LbPattern) three = level (3);
  g_autoptr (GError) error = NULL;
  /* Both change; the source alone; none. */
  const LbExposure exposures[] = { lit (one, two), lit (three, two), lit (three, two) };
  Plan plan = { .exposures = exposures, .count = G_N_ELEMENTS (exposures) };
  gint64 begin_us = lb_clock_now_us (clock);

  lb_bench_run (fake_devices_get_bench (fake), "measure", run_plan, &plan, NULL, &error);
  g_assert_no_error (error);
  /* Of 30 ms of latency, 6 and 62 ms of settling, and frames of 10 ms. */
  g_assert_cmpint (plan.starts_us[0] - begin_us, >=, 30000 + 62000);
  g_assert_cmpint (plan.starts_us[1] - plan.starts_us[0], >=, 30000 + 6000);
  g_assert_cmpint (plan.starts_us[1] - plan.starts_us[0], <, 30000 + 62000);
  g_assert_cmpint (plan.starts_us[2] - plan.starts_us[1], ==, 10000);
}

static void
test_dark_exposures_without_a_light_source_black_the_source (void)
{
  g_autoptr (FakeDevices) fake = connected (FAKE_WITHOUT_LIGHT);
  LbBench *bench = fake_devices_get_bench (fake);
  g_autoptr (LbPattern) ten = level (10);
  g_autoptr (LbPattern) twenty = level (20);
  g_autoptr (GError) error = NULL;
  LbExposure exposures[] = { lit (ten, twenty), lit (ten, NULL), lit (NULL, NULL) };
  Plan plan = { .exposures = exposures, .count = G_N_ELEMENTS (exposures) };

  exposures[1].light = FALSE;
  lb_bench_run (bench, "measure", run_plan, &plan, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (plan.frames[0][1], ==, 10);
  g_assert_cmpuint (plan.frames[1][1], ==, 0);
  g_assert_cmpuint (plan.frames[1][2], ==, 20);
  g_assert_cmpuint (plan.frames[2][1], ==, 10);
  g_assert_cmpuint (fake_devices_get_level (fake, LB_ROLE_SOURCE), ==, 0);
  g_assert_cmpuint (fake_devices_get_level (fake, LB_ROLE_WEIGHT), ==, 20);
  g_assert_cmpint (lb_bench_get_light (bench), ==, LB_LIGHT_ARMED);

  /* STOP has nothing to switch off but the plane. */
  lb_bench_stop (bench);
  for (guint i = 0; i < 100 && fake_devices_get_level (fake, LB_ROLE_WEIGHT) != 0; i++)
    g_usleep (10000);
  g_assert_cmpuint (fake_devices_get_level (fake, LB_ROLE_WEIGHT), ==, 0);
  g_assert_cmpint (lb_bench_get_light (bench), ==, LB_LIGHT_OFF);
}

static void
test_second_action_is_told_which_one_runs (void)
{
  g_autoptr (FakeDevices) fake = connected (0);
  LbBench *bench = fake_devices_get_bench (fake);
  g_autoptr (GError) error = NULL;
  g_autofree char *action = NULL;
  Run run;

  run_begin (&run, fake, "camera.wait-frame");
  g_assert_cmpint (lb_bench_get_state (bench), ==, LB_BENCH_ACTIVE);
  g_assert_cmpint (lb_bench_get_light (bench), ==, LB_LIGHT_ON);
  action = lb_bench_dup_action (bench);
  g_assert_cmpstr (action, ==, "measure");
  g_assert_false (lb_bench_run (bench, "look", never_called, NULL, NULL, &error));
  g_assert_error (error, LB_BENCH_ERROR, LB_BENCH_ERROR_BUSY);
  g_assert_nonnull (strstr (error->message, "\"measure\""));
  g_clear_error (&error);
  g_assert_false (lb_bench_arm (bench, &error));
  g_assert_error (error, LB_BENCH_ERROR, LB_BENCH_ERROR_BUSY);
  g_clear_error (&error);
  g_assert_false (lb_bench_disconnect (bench, NULL, &error));
  g_assert_error (error, LB_BENCH_ERROR, LB_BENCH_ERROR_BUSY);
  fake_devices_release (fake);
  run_end (&run);
  g_assert_true (run.result);
  g_assert_null (lb_bench_dup_action (bench));
  g_assert_cmpint (lb_bench_get_state (bench), ==, LB_BENCH_IDLE);
}

/* Does not look at its cancellable, nor at a device. */
static gboolean
compute (LbBench *bench, gpointer data, GCancellable *cancellable, GError **error)
{
  volatile guint *steps = data;

  for (*steps = 0; *steps < 60; (*steps)++)
    g_usleep (50000);
  return TRUE;
}

static gpointer
cancel_thread (gpointer data)
{
  g_usleep (200000);
  g_cancellable_cancel (data);
  return NULL;
}

static void
test_caller_waits_for_what_still_computes (void)
{
  g_autoptr (FakeDevices) fake = connected (0);
  LbBench *bench = fake_devices_get_bench (fake);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;
  GThread *thread = g_thread_new ("cancel", cancel_thread, cancellable);
  guint steps = 0;

  /* Given up after 2 s; but what it computes with is the caller's. */
  g_assert_false (lb_bench_run (bench, "compute", compute, &steps, cancellable, &error));
  g_assert_error (error, LB_BENCH_ERROR, LB_BENCH_ERROR_LATE);
  g_assert_cmpuint (steps, ==, 60);
  g_assert_cmpint (lb_bench_get_state (bench), ==, LB_BENCH_FAULTED);
  g_thread_join (thread);
}

static void
test_properties_are_notified_in_the_main_context (void)
{
  g_autoptr (FakeDevices) fake = fake_devices_new (0);
  LbBench *bench = fake_devices_get_bench (fake);
  LbExposure exposure = lit (NULL, NULL);
  Plan plan = { .exposures = &exposure, .count = 1 };
  Seen seen = { .thread = g_thread_self () };
  g_autoptr (GError) error = NULL;
  g_autofree char *action = NULL;
  guint state, light;

  g_signal_connect (bench, "notify", G_CALLBACK (notify_cb), &seen);
  lb_bench_connect_async (bench, NULL, done_cb, &seen);
  while (!seen.done)
    g_main_context_iteration (NULL, TRUE);
  g_assert_no_error (seen.error);
  while (g_main_context_pending (NULL))
    g_main_context_iteration (NULL, FALSE);
  g_assert_cmpuint (seen.state, >, 0);
  g_assert_cmpuint (seen.light, >, 0);
  g_assert_cmpuint (seen.action, >, 0);
  g_object_get (bench, "state", &state, "light", &light, "action", &action, NULL);
  g_assert_cmpuint (state, ==, LB_BENCH_IDLE);
  g_assert_cmpuint (light, ==, LB_LIGHT_ARMED);
  g_assert_null (action);

  /* While M does not run, many changes become one notification. */
  seen = (Seen){ .thread = g_thread_self () };
  for (guint i = 0; i < 5; i++)
    {
      plan.next = 0;
      g_assert_true (lb_bench_run (bench, "measure", run_plan, &plan, NULL, &error));
      g_assert_no_error (error);
    }
  g_assert_cmpuint (seen.light, ==, 0);
  while (g_main_context_pending (NULL))
    g_main_context_iteration (NULL, FALSE);
  g_assert_cmpuint (seen.light, ==, 1);
  g_assert_cmpuint (seen.state, ==, 1);
  g_assert_cmpuint (seen.action, ==, 1);
}

static void
count_free (gpointer data)
{
  g_atomic_int_inc ((int *) data);
}

static gboolean
succeed (LbBench *bench, gpointer data, GCancellable *cancellable, GError **error)
{
  return TRUE;
}

static void
test_data_of_an_action_is_freed_once (void)
{
  g_autoptr (FakeDevices) fake = fake_devices_new (0);
  LbBench *bench = fake_devices_get_bench (fake);
  Seen seen = { .thread = g_thread_self () };
  g_autoptr (GError) error = NULL;
  int freed = 0;

  /* Refused, then done. */
  lb_bench_run_async (bench, "measure", succeed, &freed, count_free, NULL, done_cb, &seen);
  g_assert_false (seen.done);
  while (!seen.done)
    g_main_context_iteration (NULL, TRUE);
  g_assert_error (seen.error, LB_BENCH_ERROR, LB_BENCH_ERROR_NOT_CONNECTED);
  g_clear_error (&seen.error);
  g_assert_cmpint (freed, ==, 1);
  g_assert_true (lb_bench_connect (bench, NULL, &error));
  g_assert_no_error (error);
  seen.done = FALSE;
  lb_bench_run_async (bench, "measure", succeed, &freed, count_free, NULL, done_cb, &seen);
  while (!seen.done)
    g_main_context_iteration (NULL, TRUE);
  g_assert_no_error (seen.error);
  g_assert_cmpint (g_atomic_int_get (&freed), ==, 2);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, function) g_test_add_func ("/drivers/bench/" name, function)
  ADD ("connecting-opens-in-order-and-arms", test_connecting_opens_in_order_and_arms);
  ADD ("failed-connection-closes-in-reverse-order", test_failed_connection_closes_in_reverse_order);
  ADD ("actions-need-a-connection", test_actions_need_a_connection);
  ADD ("frames-show-what-was-asked-for", test_frames_show_what_was_asked_for);
  ADD ("frames-begin-after-the-planes-have-settled", test_frames_begin_after_the_planes_have_settled);
  ADD ("dark-exposures-without-a-light-source-black-the-source",
       test_dark_exposures_without_a_light_source_black_the_source);
  ADD ("second-action-is-told-which-one-runs", test_second_action_is_told_which_one_runs);
  ADD ("properties-are-notified-in-the-main-context", test_properties_are_notified_in_the_main_context);
  ADD ("data-of-an-action-is-freed-once", test_data_of_an_action_is_freed_once);
  ADD ("caller-waits-for-what-still-computes", test_caller_waits_for_what_still_computes);
  return g_test_run ();
}
