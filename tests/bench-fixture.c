/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "bench-fixture.h"

#include <string.h>

gboolean
plan_source (LbExposure *exposure, gpointer data, GError **error)
{
  Plan *plan = data;

  if (plan->next == plan->count)
    return FALSE;
  *exposure = plan->exposures[plan->next++];
  return TRUE;
}

gboolean
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

gboolean
run_plan (LbBench *bench, gpointer data, GCancellable *cancellable, GError **error)
{
  return lb_bench_run_sequence (bench, plan_source, plan_sink, data, cancellable, error);
}

FakeDevices *
connected (FakeFlags flags)
{
  FakeDevices *fake = fake_devices_new (flags);
  g_autoptr (GError) error = NULL;

  lb_bench_connect (fake_devices_get_bench (fake), NULL, &error);
  g_assert_no_error (error);
  fake_devices_clear_log (fake);
  return fake;
}

LbPattern *
level (guint8 grey)
{
  return lb_pattern_new_uniform (16, 8, grey);
}

LbExposure
lit (LbPattern *source, LbPattern *weight)
{
  return (LbExposure){ .source = source, .weight = weight, .light = TRUE, .exposure_us = 8000, .frames = 1 };
}

gboolean
never_called (LbBench *bench, gpointer data, GCancellable *cancellable, GError **error)
{
  g_assert_not_reached ();
}

void
wait_for_light (LbBench *bench, LbLightState light, guint ms)
{
  for (guint i = 0; i < ms && lb_bench_get_light (bench) != light; i++)
    g_usleep (1000);
  g_assert_cmpint (lb_bench_get_light (bench), ==, light);
}

static gpointer
run_thread (gpointer data)
{
  Run *self = data;

  self->result = lb_bench_run (fake_devices_get_bench (self->fake), "measure", run_plan, &self->plan,
                               self->cancellable, &self->error);
  self->end_us = g_get_monotonic_time ();
  return NULL;
}

void
run_begin (Run *self, FakeDevices *fake, const char *call)
{
  *self = (Run){ .fake = fake, .cancellable = g_cancellable_new (), .exposure = lit (NULL, NULL) };
  self->plan = (Plan){ .exposures = &self->exposure, .count = 1 };
  fake_devices_block (fake, call);
  self->thread = g_thread_new ("run", run_thread, self);
  fake_devices_wait_blocked (fake);
}

void
run_end (Run *self)
{
  g_thread_join (self->thread);
  g_object_unref (self->cancellable);
  g_clear_error (&self->error);
}

void
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

void
done_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  Seen *seen = data;

  g_assert_true (g_thread_self () == seen->thread);
  lb_bench_run_finish (LB_BENCH (source), result, &seen->error);
  seen->done = TRUE;
}
