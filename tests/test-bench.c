/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "fake-devices.h"

/* --- A sequence to run ------------------------------------------------------------------- */

typedef struct
{
  const LbExposure *exposures;
  guint count, next;
  guint16 frames[64][4];
  guint64 tags[64];
  gint64 starts_us[64];
  guint taken;
  guint fail_after;     /* frames; 0: never */
  GCancellable *cancel; /* at the first frame */
  gulong sink_us;       /* that the sink takes */
} Plan;

static gboolean
plan_source (LbExposure *exposure, gpointer data, GError **error)
{
  Plan *plan = data;

  if (plan->next == plan->count)
    return FALSE;
  *exposure = plan->exposures[plan->next++];
  return TRUE;
}

static gboolean
plan_sink (const LbExposure *exposure, guint nth, LbFrame *frame, gpointer data, GError **error)
{
  Plan *plan = data;

  g_assert_cmpuint (plan->taken, <, G_N_ELEMENTS (plan->frames));
  memcpy (plan->frames[plan->taken], frame->data, sizeof plan->frames[0]);
  plan->tags[plan->taken] = exposure->tag;
  plan->starts_us[plan->taken] = frame->start_us;
  plan->taken++;
  if (plan->cancel != NULL)
    g_cancellable_cancel (plan->cancel);
  g_usleep (plan->sink_us);
  if (plan->fail_after == 0 || plan->taken < plan->fail_after)
    return TRUE;
  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_NO_SPACE, "disk full");
  return FALSE;
}

static gboolean
run_plan (LbBench *bench, gpointer data, GCancellable *cancellable, GError **error)
{
  return lb_bench_run_sequence (bench, plan_source, plan_sink, data, cancellable, error);
}

static FakeDevices *
connected (FakeFlags flags)
{
  FakeDevices *fake = fake_devices_new (flags);
  g_autoptr (GError) error = NULL;

  lb_bench_connect (fake_devices_get_bench (fake), NULL, &error);
  g_assert_no_error (error);
  fake_devices_clear_log (fake);
  return fake;
}

static LbPattern *
level (guint8 grey)
{
  return lb_pattern_new_uniform (16, 8, grey);
}

/* A lit exposure of each plane's pattern. */
static LbExposure
lit (LbPattern *source, LbPattern *weight)
{
  return (LbExposure){ .source = source, .weight = weight, .light = TRUE, .exposure_us = 8000, .frames = 1 };
}

/* --- Connecting ----------------------------------------------------------------------------- */

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

static gboolean
never_called (LbBench *bench, gpointer data, GCancellable *cancellable, GError **error)
{
  g_assert_not_reached ();
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

/* --- Sequences --------------------------------------------------------------------------------- */

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

/* --- Every way out is dark ------------------------------------------------------------------------ */

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

/* --- An action in a thread of its own ---------------------------------------------------------------- */

typedef struct
{
  FakeDevices *fake;
  GThread *thread;
  GCancellable *cancellable;
  LbExposure exposure;
  Plan plan;
  gboolean result;
  GError *error;
  gint64 end_us;
} Run;

static gpointer
run_thread (gpointer data)
{
  Run *self = data;

  self->result = lb_bench_run (fake_devices_get_bench (self->fake), "measure", run_plan, &self->plan,
                               self->cancellable, &self->error);
  self->end_us = g_get_monotonic_time ();
  return NULL;
}

/* Begins a lit sequence that blocks in @call. */
static void
run_begin (Run *self, FakeDevices *fake, const char *call)
{
  *self = (Run){ .fake = fake, .cancellable = g_cancellable_new (), .exposure = lit (NULL, NULL) };
  self->plan = (Plan){ .exposures = &self->exposure, .count = 1 };
  fake_devices_block (fake, call);
  self->thread = g_thread_new ("run", run_thread, self);
  fake_devices_wait_blocked (fake);
}

static void
run_end (Run *self)
{
  g_thread_join (self->thread);
  g_object_unref (self->cancellable);
  g_clear_error (&self->error);
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

/* --- STOP ------------------------------------------------------------------------------------------------
 */

static void
wait_for_light (LbBench *bench, LbLightState light, guint ms)
{
  for (guint i = 0; i < ms && lb_bench_get_light (bench) != light; i++)
    g_usleep (1000);
  g_assert_cmpint (lb_bench_get_light (bench), ==, light);
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

typedef struct
{
  GThread *thread;
  guint state, light, action;
  gboolean done;
  GError *error;
} Seen;

static void
notify_cb (LbBench *bench, GParamSpec *spec, gpointer data)
{
  Seen *seen = data;

  g_assert_true (g_thread_self () == seen->thread);
  if (g_str_equal (spec->name, "state"))
    seen->state++;
  else if (g_str_equal (spec->name, "light"))
    seen->light++;
  else if (g_str_equal (spec->name, "action"))
    seen->action++;
}

static void
done_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  Seen *seen = data;

  g_assert_true (g_thread_self () == seen->thread);
  lb_bench_run_finish (LB_BENCH (source), result, &seen->error);
  seen->done = TRUE;
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

/* --- Lease and heartbeat
 * ------------------------------------------------------------------------------------ */

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

/* --- Notification in M
 * ------------------------------------------------------------------------------------------ */

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
  ADD ("set-points-beyond-the-limit-are-not-sent", test_set_points_beyond_the_limit_are_not_sent);
  ADD ("error-of-any-device-leaves-the-light-off", test_error_of_any_device_leaves_the_light_off);
  ADD ("error-of-the-sink-leaves-the-light-off", test_error_of_the_sink_leaves_the_light_off);
  ADD ("the-end-of-an-action-is-dark", test_the_end_of_an_action_is_dark);
  ADD ("light-that-does-not-go-off-is-stopped", test_light_that_does_not_go_off_is_stopped);
  ADD ("interlock-shows-and-is-armed-again", test_interlock_shows_and_is_armed_again);
  ADD ("second-action-is-told-which-one-runs", test_second_action_is_told_which_one_runs);
  ADD ("cancelled-action-is-dark-and-says-so", test_cancelled_action_is_dark_and_says_so);
  ADD ("stop-is-dark-at-once-and-holds", test_stop_is_dark_at_once_and_holds);
  ADD ("stopped-action-says-so-and-blacks-the-planes", test_stopped_action_says_so_and_blacks_the_planes);
  ADD ("silence-after-stop-is-not-confirmed", test_silence_after_stop_is_not_confirmed);
  ADD ("camera-that-hangs-cannot-keep-the-light-on", test_camera_that_hangs_cannot_keep_the_light_on);
  ADD ("bench-that-hangs-can-be-dropped", test_bench_that_hangs_can_be_dropped);
  ADD ("caller-waits-for-what-still-computes", test_caller_waits_for_what_still_computes);
  ADD ("lease-is-renewed-while-a-device-waits", test_lease_is_renewed_while_a_device_waits);
  ADD ("lease-that-ran-out-fails-the-action", test_lease_that_ran_out_fails_the_action);
  ADD ("busy-computer-does-not-spoil-a-simulated-run", test_busy_computer_does_not_spoil_a_simulated_run);
  ADD ("slow-sink-finds-the-light-on-again", test_slow_sink_finds_the_light_on_again);
  ADD ("main-loop-that-hangs-has-the-light-switched-off",
       test_main_loop_that_hangs_has_the_light_switched_off);
  ADD ("properties-are-notified-in-the-main-context", test_properties_are_notified_in_the_main_context);
  ADD ("data-of-an-action-is-freed-once", test_data_of_an_action_is_freed_once);
  return g_test_run ();
}
