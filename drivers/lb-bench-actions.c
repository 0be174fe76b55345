/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-bench-private.h"

#include <glib/gi18n-lib.h>

/* The worker, actions, and the two actions that come with the bench. */

#define DEVICE_TIMEOUT_US (5 * G_USEC_PER_SEC)

/* Ends a worker; never a job. */
static LbBenchJob quit_job;

/* The job that this thread runs. */
static GPrivate current_job;

gint64
lb_bench_deadline (void)
{
  return g_get_monotonic_time () + DEVICE_TIMEOUT_US;
}

LbBenchJob *
lb_bench_job_ref (LbBenchJob *job)
{
  g_atomic_ref_count_inc (&job->references);
  return job;
}

void
lb_bench_job_unref (LbBenchJob *job)
{
  if (!g_atomic_ref_count_dec (&job->references))
    return;
  if (job->caller_handler != 0)
    g_cancellable_disconnect (job->caller, job->caller_handler);
  g_clear_object (&job->caller);
  g_clear_object (&job->cancellable);
  g_clear_object (&job->task);
  g_clear_error (&job->error);
  g_clear_object (&job->bench);
  g_mutex_clear (&job->lock);
  g_cond_clear (&job->changed);
  g_free (job->name);
  g_free (job);
}

static void
caller_cancelled_cb (GCancellable *caller, gpointer user_data)
{
  LbBenchJob *job = user_data;

  g_cancellable_cancel (job->cancellable);
}

LbBenchJob *
lb_bench_job_new (LbBench *self,
                  const char *name,
                  LbBenchFunc func,
                  gpointer data,
                  GDestroyNotify destroy,
                  GCancellable *cancellable)
{
  LbBenchJob *job = g_new0 (LbBenchJob, 1);

  g_atomic_ref_count_init (&job->references);
  g_mutex_init (&job->lock);
  g_cond_init (&job->changed);
  job->bench = g_object_ref (self);
  job->name = g_strdup (name);
  job->func = func;
  job->data = data;
  job->destroy = destroy;
  job->cancellable = g_cancellable_new ();
  job->generation = lb_bench_get_generation (self);
  if (cancellable != NULL)
    job->caller = g_object_ref (cancellable);
  return job;
}

LbBenchJob *
lb_bench_current_job (LbBench *self, GError **error)
{
  LbBenchJob *job = g_private_get (&current_job);

  if (job == NULL || job->bench != self)
    {
      g_set_error_literal (error, LB_BENCH_ERROR, LB_BENCH_ERROR_NOT_IN_ACTION,
                           _ ("the bench's devices can be used inside an action alone"));
      return NULL;
    }
  if (atomic_load (&job->abandoned))
    {
      g_set_error (error, LB_BENCH_ERROR, LB_BENCH_ERROR_LATE,
                   _ ("\"%s\" was given up, because it did not end in time"), job->name);
      return NULL;
    }
  return job;
}

/* --- Worker ------------------------------------------------------------------------- */

static void
worker_unref (LbBenchWorker *worker)
{
  if (!g_atomic_ref_count_dec (&worker->references))
    return;
  g_async_queue_unref (worker->jobs);
  g_free (worker);
}

/* Takes the result, once; TRUE if this call was the first. @error is taken. */
static gboolean
finish_job (LbBenchJob *job, gboolean result, GError *error)
{
  gboolean first;

  g_mutex_lock (&job->lock);
  first = !job->finished;
  if (first)
    {
      job->finished = TRUE;
      job->result = result;
      job->error = error;
      if (job->task != NULL && result)
        g_task_return_boolean (job->task, TRUE);
      else if (job->task != NULL)
        g_task_return_error (job->task, g_error_copy (error));
      g_cond_broadcast (&job->changed);
    }
  else
    g_clear_error (&error);
  g_mutex_unlock (&job->lock);
  return first;
}

static void
run_job (LbBenchJob *job)
{
  LbBench *self = job->bench;
  g_autoptr (GError) error = NULL;
  g_autoptr (GError) off_error = NULL;
  gboolean result;

  g_private_set (&current_job, job);
  result = job->func (self, job->data, job->cancellable, &error);
  if (!atomic_load (&job->abandoned) && !lb_bench_light_off (self, &off_error) && result)
    {
      result = FALSE;
      error = g_steal_pointer (&off_error);
    }
  g_private_set (&current_job, NULL);
  if (job->destroy != NULL)
    job->destroy (job->data);
  if (!result && error == NULL)
    error = g_error_new (LB_DEVICE_ERROR, LB_DEVICE_ERROR_FAULTED, _ ("\"%s\" failed without saying why"),
                         job->name);
  if (atomic_load (&job->abandoned))
    return;
  /* The bench is free before its caller goes on and may want the next action. */
  g_mutex_lock (&self->lock);
  if (self->job == job)
    {
      self->job = NULL;
      lb_bench_job_unref (job);
    }
  g_mutex_unlock (&self->lock);
  lb_bench_notify (self);
  finish_job (job, result, g_steal_pointer (&error));
}

static gpointer
worker_thread (gpointer user_data)
{
  LbBenchWorker *worker = user_data;
  LbBenchJob *job;

  while ((job = g_async_queue_pop (worker->jobs)) != &quit_job)
    {
      run_job (job);
      lb_bench_job_unref (job);
    }
  worker_unref (worker);
  return NULL;
}

void
lb_bench_start_worker (LbBench *self)
{
  LbBenchWorker *worker = g_new0 (LbBenchWorker, 1);

  g_atomic_ref_count_init (&worker->references);
  g_atomic_ref_count_inc (&worker->references);
  worker->jobs = g_async_queue_new ();
  self->worker = worker;
  g_thread_unref (g_thread_new ("lb-bench", worker_thread, worker));
}

/* It ends when it comes back from what it does. */
void
lb_bench_abandon_worker (LbBench *self)
{
  if (self->worker == NULL)
    return;
  g_async_queue_push (self->worker->jobs, &quit_job);
  g_clear_pointer (&self->worker, worker_unref);
}

/* --- Cancelled actions must end, or are given up --------------------------------------- */

static void
give_up (LbBenchJob *job)
{
  LbBench *self = job->bench;
  GError *error;

  atomic_store (&job->abandoned, TRUE);
  if (self->devices[LB_ROLE_LIGHT] != NULL)
    lb_light_source_off_now (LB_LIGHT_SOURCE (self->devices[LB_ROLE_LIGHT]),
                             atomic_fetch_add (&self->generation, 1) + 1);
  g_mutex_lock (&self->lock);
  if (self->job == job)
    {
      self->job = NULL;
      self->stopped = TRUE;
      self->light = LB_LIGHT_OFF;
      lb_bench_abandon_worker (self);
      lb_bench_start_worker (self);
      lb_bench_job_unref (job);
    }
  g_mutex_unlock (&self->lock);
  lb_bench_set_state (self, LB_BENCH_FAULTED);
  error = g_error_new (
      LB_BENCH_ERROR, LB_BENCH_ERROR_LATE,
      _ ("a device did not answer for 2 s after \"%s\" was cancelled; the light is off; disconnect the "
         "bench, check the devices and connect it again"),
      job->name);
  finish_job (job, FALSE, error);
}

static gpointer
watch_thread (gpointer user_data)
{
  LbBenchJob *job = user_data;
  gint64 end_us = g_get_monotonic_time () + LB_BENCH_LATE_US;
  gboolean finished;

  g_mutex_lock (&job->lock);
  while (!job->finished && g_cond_wait_until (&job->changed, &job->lock, end_us))
    ;
  finished = job->finished;
  g_mutex_unlock (&job->lock);
  if (!finished)
    give_up (job);
  lb_bench_job_unref (job);
  return NULL;
}

static void
action_cancelled_cb (GCancellable *cancellable, gpointer user_data)
{
  g_thread_unref (g_thread_new ("lb-watch", watch_thread, lb_bench_job_ref (user_data)));
}

/* --- Submitting ---------------------------------------------------------------------------- */

gboolean
lb_bench_submit (LbBench *self, LbBenchJob *job, gboolean even_if_stopped, GError **error)
{
  gboolean accepted = FALSE;

  g_mutex_lock (&self->lock);
  if (self->job != NULL)
    g_set_error (error, LB_BENCH_ERROR, LB_BENCH_ERROR_BUSY,
                 _ ("the bench is busy with \"%s\": wait for it, or abort it"), self->job->name);
  else if (self->stopped && !even_if_stopped)
    g_set_error (error, LB_BENCH_ERROR, LB_BENCH_ERROR_STOPPED,
                 _ ("\"%s\": STOP was pressed; arm the light again first"), job->name);
  else
    {
      self->job = lb_bench_job_ref (job);
      accepted = TRUE;
    }
  g_mutex_unlock (&self->lock);
  if (!accepted)
    return FALSE;
  g_signal_connect (job->cancellable, "cancelled", G_CALLBACK (action_cancelled_cb), job);
  if (job->caller != NULL)
    job->caller_handler = g_cancellable_connect (job->caller, G_CALLBACK (caller_cancelled_cb), job, NULL);
  lb_bench_notify (self);
  g_async_queue_push (self->worker->jobs, lb_bench_job_ref (job));
  return TRUE;
}

static gboolean
wait_for (LbBenchJob *job, GError **error)
{
  gboolean result;

  g_mutex_lock (&job->lock);
  while (!job->finished)
    g_cond_wait (&job->changed, &job->lock);
  result = job->result;
  if (!result)
    g_propagate_error (error, g_error_copy (job->error));
  g_mutex_unlock (&job->lock);
  return result;
}

static gboolean
check_connected (LbBench *self, const char *name, GError **error)
{
  LbBenchState state = lb_bench_get_state (self);

  if (state == LB_BENCH_IDLE || state == LB_BENCH_ACTIVE)
    return TRUE;
  g_set_error (error, LB_BENCH_ERROR, LB_BENCH_ERROR_NOT_CONNECTED,
               state == LB_BENCH_FAULTED
                   ? _ ("\"%s\": the bench has a fault; disconnect and connect it again")
                   : _ ("\"%s\": the bench is not connected: connect it first"),
               name);
  return FALSE;
}

static gboolean
run (LbBench *self,
     const char *name,
     LbBenchFunc func,
     gpointer data,
     gboolean even_if_stopped,
     GCancellable *cancellable,
     GError **error)
{
  LbBenchJob *job = lb_bench_job_new (self, name, func, data, NULL, cancellable);
  gboolean result = lb_bench_submit (self, job, even_if_stopped, error) && wait_for (job, error);

  lb_bench_job_unref (job);
  return result;
}

static void
run_async (LbBench *self,
           const char *name,
           LbBenchFunc func,
           gpointer data,
           GDestroyNotify destroy,
           gboolean even_if_stopped,
           GCancellable *cancellable,
           GAsyncReadyCallback callback,
           gpointer user_data)
{
  LbBenchJob *job = lb_bench_job_new (self, name, func, data, destroy, cancellable);
  GError *error = NULL;

  /* Without the caller's cancellable: what the worker says is the result. */
  job->task = g_task_new (self, NULL, callback, user_data);
  g_task_set_source_tag (job->task, lb_bench_run_async);
  if (!lb_bench_submit (self, job, even_if_stopped, &error))
    {
      if (destroy != NULL)
        destroy (data);
      g_task_return_error (job->task, error);
    }
  lb_bench_job_unref (job);
}

gboolean
lb_bench_run (LbBench *self,
              const char *name,
              LbBenchFunc func,
              gpointer data,
              GCancellable *cancellable,
              GError **error)
{
  g_return_val_if_fail (LB_IS_BENCH (self) && name != NULL && func != NULL, FALSE);
  return check_connected (self, name, error) && run (self, name, func, data, FALSE, cancellable, error);
}

void
lb_bench_run_async (LbBench *self,
                    const char *name,
                    LbBenchFunc func,
                    gpointer data,
                    GDestroyNotify destroy,
                    GCancellable *cancellable,
                    GAsyncReadyCallback callback,
                    gpointer user_data)
{
  GError *error = NULL;

  g_return_if_fail (LB_IS_BENCH (self) && name != NULL && func != NULL);

  if (check_connected (self, name, &error))
    {
      run_async (self, name, func, data, destroy, FALSE, cancellable, callback, user_data);
      return;
    }
  if (destroy != NULL)
    destroy (data);
  g_task_report_error (self, callback, user_data, lb_bench_run_async, error);
}

gboolean
lb_bench_run_finish (LbBench *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);
  return g_task_propagate_boolean (G_TASK (result), error);
}

/* --- Connect and disconnect -------------------------------------------------------------------- */

/* Closes devices @count - 1 .. 0; the first error stays. */
static gboolean
close_devices (LbBench *self, guint count, GError **error)
{
  gboolean closed = TRUE;

  while (count-- > 0)
    if (self->devices[count] != NULL && lb_device_get_state (self->devices[count]) != LB_DEVICE_ABSENT)
      closed =
          lb_device_close (self->devices[count], NULL, lb_bench_deadline (), closed ? error : NULL) && closed;
  return closed;
}

static gboolean
read_caps (LbBench *self, LbRole role, GCancellable *cancellable, GError **error)
{
  LbDevice *device = self->devices[role];
  gint64 deadline_us = lb_bench_deadline ();
  LbModulatorCaps modulator;
  LbCameraCaps camera;
  LbLightSourceCaps light;

  if (LB_IS_MODULATOR (device))
    {
      if (!lb_modulator_get_caps (LB_MODULATOR (device), &modulator, cancellable, deadline_us, error))
        return FALSE;
      g_mutex_lock (&self->lock);
      self->modulator_caps[role] = modulator;
      g_mutex_unlock (&self->lock);
    }
  else if (LB_IS_CAMERA (device))
    {
      if (!lb_camera_get_caps (LB_CAMERA (device), &camera, cancellable, deadline_us, error))
        return FALSE;
      g_mutex_lock (&self->lock);
      self->camera_caps = camera;
      g_mutex_unlock (&self->lock);
    }
  else if (LB_IS_LIGHT_SOURCE (device))
    {
      if (!lb_light_source_get_caps (LB_LIGHT_SOURCE (device), &light, cancellable, deadline_us, error))
        return FALSE;
      g_mutex_lock (&self->lock);
      self->light_caps = light;
      g_mutex_unlock (&self->lock);
    }
  return TRUE;
}

static gboolean
open_device (LbBench *self, LbRole role, GCancellable *cancellable, GError **error)
{
  LbDevice *device = self->devices[role];
  LbIdentity *identity;

  if (!lb_device_open (device, cancellable, lb_bench_deadline (), error))
    return FALSE;
  identity = lb_device_get_identity (device, cancellable, lb_bench_deadline (), error);
  if (identity == NULL)
    return FALSE;
  g_mutex_lock (&self->lock);
  g_clear_pointer (&self->identities[role], lb_identity_free);
  self->identities[role] = identity;
  g_mutex_unlock (&self->lock);
  return read_caps (self, role, cancellable, error);
}

static gboolean
connect_action (LbBench *self, gpointer data, GCancellable *cancellable, GError **error)
{
  const LbCameraFormat whole = { 0 };
  LbCameraFormat actual;

  self->shown[0] = self->shown[1] = 0;
  self->exposure_us = self->gain = self->light_level = 0;
  self->lit = self->camera_running = FALSE;
  for (guint role = 0; role < LB_N_ROLES; role++)
    if (self->devices[role] != NULL && !open_device (self, role, cancellable, error))
      {
        g_prefix_error (error, "%s: ", lb_role_get_name (role));
        close_devices (self, role + 1, NULL);
        return FALSE;
      }
  for (guint role = LB_ROLE_SOURCE; role <= LB_ROLE_WEIGHT; role++)
    if (!lb_modulator_blank (LB_MODULATOR (self->devices[role]), cancellable, lb_bench_deadline (), error))
      {
        close_devices (self, LB_N_ROLES, NULL);
        return FALSE;
      }
  if (!lb_bench_configure_camera (self, &whole, &actual, cancellable, error))
    {
      close_devices (self, LB_N_ROLES, NULL);
      return FALSE;
    }
  g_mutex_lock (&self->lock);
  self->stopped = FALSE;
  g_mutex_unlock (&self->lock);
  lb_bench_set_light_state (self, LB_LIGHT_ARMED);
  lb_bench_set_state (self, LB_BENCH_IDLE);
  return TRUE;
}

static gboolean
disconnect_action (LbBench *self, gpointer data, GCancellable *cancellable, GError **error)
{
  gboolean off = lb_bench_light_off (self, error);
  gboolean stopped = lb_bench_camera_stop (self, off ? error : NULL);
  gboolean closed = close_devices (self, LB_N_ROLES, off && stopped ? error : NULL);

  lb_bench_set_light_state (self, LB_LIGHT_OFF);
  lb_bench_set_state (self, LB_BENCH_DISCONNECTED);
  return off && stopped && closed;
}

static gboolean
check_disconnected (LbBench *self, GError **error)
{
  if (lb_bench_get_state (self) == LB_BENCH_DISCONNECTED)
    return TRUE;
  g_set_error_literal (error, LB_BENCH_ERROR, LB_BENCH_ERROR_BUSY, _ ("the bench is connected already"));
  return FALSE;
}

gboolean
lb_bench_connect (LbBench *self, GCancellable *cancellable, GError **error)
{
  g_return_val_if_fail (LB_IS_BENCH (self), FALSE);
  return check_disconnected (self, error) &&
         run (self, _ ("Connect"), connect_action, NULL, TRUE, cancellable, error);
}

void
lb_bench_connect_async (LbBench *self,
                        GCancellable *cancellable,
                        GAsyncReadyCallback callback,
                        gpointer user_data)
{
  GError *error = NULL;

  g_return_if_fail (LB_IS_BENCH (self));
  if (check_disconnected (self, &error))
    run_async (self, _ ("Connect"), connect_action, NULL, NULL, TRUE, cancellable, callback, user_data);
  else
    g_task_report_error (self, callback, user_data, lb_bench_run_async, error);
}

gboolean
lb_bench_disconnect (LbBench *self, GCancellable *cancellable, GError **error)
{
  g_return_val_if_fail (LB_IS_BENCH (self), FALSE);
  return run (self, _ ("Disconnect"), disconnect_action, NULL, TRUE, cancellable, error);
}

void
lb_bench_disconnect_async (LbBench *self,
                           GCancellable *cancellable,
                           GAsyncReadyCallback callback,
                           gpointer user_data)
{
  g_return_if_fail (LB_IS_BENCH (self));
  run_async (self, _ ("Disconnect"), disconnect_action, NULL, NULL, TRUE, cancellable, callback, user_data);
}
