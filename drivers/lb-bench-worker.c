/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-bench-private.h"

#include <stdint.h>
#include <unistd.h>

#include <glib/gi18n-lib.h>

/* The worker thread: it alone calls devices, one action at a time. */

/* Ends a worker; never an action. */
static LbBenchAction quit_action;

/* The action that this thread runs. */
static GPrivate current_action;

LbBenchAction *
lb_bench_action_ref (LbBenchAction *action)
{
  g_atomic_ref_count_inc (&action->references);
  return action;
}

void
lb_bench_action_unref (LbBenchAction *action)
{
  if (!g_atomic_ref_count_dec (&action->references))
    return;
  g_clear_object (&action->caller);
  g_clear_object (&action->cancellable);
  g_clear_object (&action->task);
  g_clear_error (&action->error);
  g_clear_error (&action->fault);
  g_clear_object (&action->bench);
  g_free (action->name);
  g_free (action);
}

static LbBenchAction *
action_new (LbBench *self, const char *name, LbBenchFunc func, gpointer data, GDestroyNotify destroy)
{
  LbBenchAction *action = g_new0 (LbBenchAction, 1);

  g_atomic_ref_count_init (&action->references);
  atomic_init (&action->cancelled_us, 0);
  action->bench = g_object_ref (self);
  action->name = g_strdup (name);
  action->func = func;
  action->data = data;
  action->destroy = destroy;
  action->cancellable = g_cancellable_new ();
  return action;
}

void
lb_bench_action_cancel (LbBenchAction *action)
{
  int_fast64_t never = 0;

  atomic_compare_exchange_strong (&action->cancelled_us, &never, g_get_monotonic_time ());
  g_cancellable_cancel (action->cancellable);
  lb_bench_wake_watch (action->bench);
}

LbBenchAction *
lb_bench_get_current (LbBench *self, GError **error)
{
  LbBenchAction *action = g_private_get (&current_action);

  if (action != NULL && action->bench == self)
    return action;
  g_set_error_literal (error, LB_BENCH_ERROR, LB_BENCH_ERROR_NOT_IN_ACTION,
                       _ ("the bench's devices can be used inside an action alone"));
  return NULL;
}

/* --- Its result ------------------------------------------------------------------------- */

/* Of a cancelled action that no STOP has come to, STOPPED says that it took too long
 * over it, and its light was switched off. */
static gboolean
is_cancelled (const GError *error)
{
  return g_error_matches (error, LB_BENCH_ERROR, LB_BENCH_ERROR_STOPPED) ||
         g_error_matches (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_CANCELLED) ||
         g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

/* With the lock held: what the caller is told. A result from before a STOP does
 * not count; a cancelled action says so, whatever device it was in. */
static void
take_result (LbBenchAction *action, gboolean result, GError *error)
{
  if (action->fault != NULL && !action->stopped && !action->abandoned)
    {
      result = FALSE;
      g_clear_error (&error);
      error = g_steal_pointer (&action->fault);
    }
  else if (action->stopped && !action->abandoned)
    {
      result = FALSE;
      g_clear_error (&error);
      error =
          g_error_new (LB_BENCH_ERROR, LB_BENCH_ERROR_STOPPED, _ ("\"%s\": STOP was pressed"), action->name);
    }
  else if (!result && atomic_load (&action->cancelled_us) != 0 && is_cancelled (error))
    {
      g_clear_error (&error);
      error = g_error_new (G_IO_ERROR, G_IO_ERROR_CANCELLED, _ ("\"%s\" was cancelled"), action->name);
    }
  action->finished = TRUE;
  action->result = result;
  action->error = error;
}

/* With the lock held, which it gives back: the bench is free, then the caller
 * learns of it, who may want the next action at once. */
static void
hand_over (LbBenchAction *action)
{
  LbBench *self = action->bench;
  gboolean current = self->action == action;
  gulong handler = action->caller_handler;

  if (current)
    {
      self->action = NULL;
      lb_bench_changed_locked (self, LB_BENCH_PROP_ACTION);
      lb_bench_changed_locked (self, LB_BENCH_PROP_STATE);
    }
  action->caller_handler = 0;
  g_cond_broadcast (&self->changed);
  g_mutex_unlock (&self->lock);
  if (handler != 0)
    g_cancellable_disconnect (action->caller, handler);
  if (action->task != NULL && action->result)
    g_task_return_boolean (action->task, TRUE);
  else if (action->task != NULL)
    g_task_return_error (action->task, g_error_copy (action->error));
  if (current)
    lb_bench_action_unref (action);
}

/* FALSE if the action was given up meanwhile. Takes @error. */
static gboolean
finish (LbBenchAction *action, gboolean result, GError *error)
{
  LbBench *self = action->bench;

  g_mutex_lock (&self->lock);
  if (action->abandoned)
    {
      g_mutex_unlock (&self->lock);
      g_clear_error (&error);
      return FALSE;
    }
  take_result (action, result, error);
  hand_over (action);
  return TRUE;
}

static GError *
late_error (LbBench *self, const LbBenchAction *action)
{
  for (guint role = 0; role < LB_N_ROLES; role++)
    if (action->depth > 0 && action->device == self->devices[role])
      return g_error_new (LB_BENCH_ERROR, LB_BENCH_ERROR_LATE,
                          _ ("\"%s\" was given up, because the device \"%s\" does not answer; the light was "
                             "switched off. Check the device's cable and power, then disconnect the bench "
                             "and connect it again"),
                          action->name, lb_role_get_name (role));
  return g_error_new (
      LB_BENCH_ERROR, LB_BENCH_ERROR_LATE,
      _ ("\"%s\" was given up, because it did not end within 2 s; the light was switched off. "
         "Disconnect the bench and connect it again"),
      action->name);
}

void
lb_bench_action_give_up (LbBenchAction *action)
{
  LbBench *self = action->bench;

  g_mutex_lock (&self->lock);
  if (action->finished)
    {
      g_mutex_unlock (&self->lock);
      return;
    }
  action->abandoned = TRUE;
  self->late = lb_bench_action_ref (action);
  self->late_closed = FALSE;
  lb_bench_set_state_locked (self, LB_BENCH_FAULTED);
  g_mutex_unlock (&self->lock);
  lb_bench_make_dark (self);
  lb_bench_end_worker (self);
  g_mutex_lock (&self->lock);
  take_result (action, FALSE, late_error (self, action));
  hand_over (action);
}

/* The late worker is back: nothing that it brings counts. It closes the devices,
 * which nobody else may touch before that, and leaves. */
static void
come_back_late (LbBenchAction *action)
{
  LbBench *self = action->bench;
  LbBenchAction *late;

  lb_device_set_call_guard (NULL);
  g_private_set (&current_action, NULL);
  g_mutex_lock (&self->lock);
  action->harmless = TRUE;
  g_cond_broadcast (&self->changed);
  g_mutex_unlock (&self->lock);
  if (action->destroy != NULL)
    action->destroy (action->data);
  lb_bench_close_devices (self, NULL);
  g_mutex_lock (&self->lock);
  self->late_closed = TRUE;
  late = g_steal_pointer (&self->late);
  g_mutex_unlock (&self->lock);
  if (late != NULL)
    lb_bench_action_unref (late);
}

/* The function of the action must not run on: what it was given may be gone. Its
 * thread sleeps for ever. */
static G_NORETURN void
park (LbBenchAction *action)
{
  come_back_late (action);
  lb_bench_action_unref (action);
  for (;;)
    pause ();
}

/* --- Around each device call ---------------------------------------------------------------- */

static void
call_end (LbDevice *device, gpointer data)
{
  LbBenchAction *action = data;
  LbBench *self = action->bench;
  gboolean caught;

  g_mutex_lock (&self->lock);
  action->depth--;
  caught = action->abandoned && action->depth == 0;
  g_mutex_unlock (&self->lock);
  if (caught)
    park (action);
}

static gboolean
call_begin (LbDevice *device, gboolean closing, gint64 deadline_us, gpointer data, GError **error)
{
  LbBenchAction *action = data;
  LbBench *self = action->bench;
  gboolean stopped, caught;

  g_mutex_lock (&self->lock);
  caught = action->abandoned && action->depth == 0;
  stopped = !closing && action->generation != atomic_load (&self->generation);
  if (!caught && !stopped && action->depth++ == 0)
    {
      action->device = device;
      action->device_deadline_us = deadline_us;
    }
  g_mutex_unlock (&self->lock);
  if (caught)
    park (action);
  if (stopped)
    {
      g_set_error (error, LB_BENCH_ERROR, LB_BENCH_ERROR_STOPPED, _ ("\"%s\": the light was switched off"),
                   action->name);
      return FALSE;
    }
  if (!closing && !lb_bench_light_renew (self, action, error))
    {
      call_end (device, action);
      return FALSE;
    }
  return TRUE;
}

static gboolean
call_waiting (LbDevice *device, gpointer data, GError **error)
{
  LbBenchAction *action = data;

  return lb_bench_light_renew (action->bench, action, error);
}

/* --- The thread -------------------------------------------------------------------------------- */

static gboolean
start_action (LbBenchAction *action)
{
  LbBench *self = action->bench;
  gboolean given_up;

  g_mutex_lock (&self->lock);
  given_up = action->abandoned;
  action->started = TRUE;
  g_mutex_unlock (&self->lock);
  return !given_up;
}

static gboolean
call_function (LbBenchAction *action, GError **error)
{
  LbBench *self = action->bench;
  g_autoptr (GError) local_error = NULL;
  g_autoptr (GError) off_error = NULL;
  gboolean result = action->func (self, action->data, action->cancellable, &local_error);
  gboolean ended = lb_bench_end_action (self, action, &off_error);

  if (!result && local_error == NULL)
    local_error = g_error_new (LB_DEVICE_ERROR, LB_DEVICE_ERROR_FAULTED,
                               _ ("\"%s\" failed without saying why"), action->name);
  if (!result)
    g_propagate_error (error, g_steal_pointer (&local_error));
  else if (!ended)
    g_propagate_error (error, g_steal_pointer (&off_error));
  return result && ended;
}

static void
run_action (LbBenchAction *action)
{
  const LbCallGuard guard = { call_begin, call_end, call_waiting, action };
  GError *error = NULL;
  gboolean result;

  if (!start_action (action))
    {
      come_back_late (action);
      return;
    }
  g_private_set (&current_action, action);
  lb_device_set_call_guard (&guard);
  result = call_function (action, &error);
  lb_device_set_call_guard (NULL);
  g_private_set (&current_action, NULL);
  if (action->destroy != NULL)
    action->destroy (g_steal_pointer (&action->data));
  action->destroy = NULL;
  if (action->silent)
    g_clear_error (&error);
  else if (!finish (action, result, error))
    come_back_late (action);
}

static void
worker_unref (LbBenchWorker *worker)
{
  if (!g_atomic_ref_count_dec (&worker->references))
    return;
  g_async_queue_unref (worker->actions);
  g_free (worker);
}

static gpointer
worker_thread (gpointer user_data)
{
  LbBenchWorker *worker = user_data;
  LbBenchAction *action;

  while ((action = g_async_queue_pop (worker->actions)) != &quit_action)
    {
      run_action (action);
      /* With it the bench may go, from here. */
      lb_bench_action_unref (action);
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
  worker->actions = g_async_queue_new ();
  worker->thread = g_thread_new ("lb-bench", worker_thread, worker);
  g_mutex_lock (&self->lock);
  self->worker = worker;
  g_mutex_unlock (&self->lock);
}

/* A worker that hangs is not waited for: it ends when it comes back. */
void
lb_bench_end_worker (LbBench *self)
{
  LbBenchWorker *worker;
  gboolean hangs;

  g_mutex_lock (&self->lock);
  worker = g_steal_pointer (&self->worker);
  hangs = self->late != NULL;
  g_mutex_unlock (&self->lock);
  if (worker == NULL)
    return;
  g_async_queue_push (worker->actions, &quit_action);
  if (hangs || worker->thread == g_thread_self ())
    g_thread_unref (worker->thread);
  else
    g_thread_join (worker->thread);
  worker_unref (worker);
}

/* --- Submitting -------------------------------------------------------------------------------- */

static void
caller_cancelled_cb (GCancellable *caller, gpointer user_data)
{
  lb_bench_action_cancel (user_data);
}

/* With the lock held. */
static gboolean
check_state (LbBench *self, const char *name, LbBenchState needed, gboolean own, GError **error)
{
  if (self->action != NULL)
    g_set_error (error, LB_BENCH_ERROR, LB_BENCH_ERROR_BUSY,
                 _ ("\"%s\": the bench is busy with \"%s\"; wait for it, or cancel it"), name,
                 self->action->name);
  else if (self->state == LB_BENCH_FAULTED)
    g_set_error (
        error, LB_BENCH_ERROR, LB_BENCH_ERROR_LATE,
        _ ("\"%s\": a device of the bench did not answer; disconnect the bench and connect it again"), name);
  else if (self->state != needed && needed == LB_BENCH_IDLE)
    g_set_error (error, LB_BENCH_ERROR, LB_BENCH_ERROR_NOT_CONNECTED,
                 _ ("\"%s\": the bench is not connected; connect it first"), name);
  else if (self->state != needed)
    g_set_error (error, LB_BENCH_ERROR, LB_BENCH_ERROR_BUSY, _ ("\"%s\": the bench is connected already"),
                 name);
  else if (self->stopped && !own)
    g_set_error (error, LB_BENCH_ERROR, LB_BENCH_ERROR_STOPPED,
                 _ ("\"%s\": STOP was pressed; arm the light first"), name);
  else
    return TRUE;
  return FALSE;
}

static gboolean
submit (LbBench *self,
        LbBenchAction *action,
        LbBenchState needed,
        gboolean own,
        GCancellable *caller,
        GError **error)
{
  GAsyncQueue *actions = NULL;
  gulong handler = 0;

  g_mutex_lock (&self->lock);
  if (check_state (self, action->name, needed, own, error))
    {
      action->generation = atomic_load (&self->generation);
      action->own = own;
      self->action = lb_bench_action_ref (action);
      actions = g_async_queue_ref (self->worker->actions);
      lb_bench_changed_locked (self, LB_BENCH_PROP_ACTION);
      lb_bench_changed_locked (self, LB_BENCH_PROP_STATE);
    }
  g_mutex_unlock (&self->lock);
  if (actions == NULL)
    return FALSE;
  if (caller != NULL)
    {
      action->caller = g_object_ref (caller);
      handler = g_cancellable_connect (caller, G_CALLBACK (caller_cancelled_cb), lb_bench_action_ref (action),
                                       (GDestroyNotify) lb_bench_action_unref);
      g_mutex_lock (&self->lock);
      action->caller_handler = handler;
      g_mutex_unlock (&self->lock);
    }
  g_async_queue_push (actions, lb_bench_action_ref (action));
  g_async_queue_unref (actions);
  lb_bench_wake_watch (self);
  return TRUE;
}

/* An action that was given up still holds what its caller gave it until it is
 * harmless: inside a device it is caught on its way out, before it begins it
 * never begins, and what computes will end. */
static gboolean
wait_for (LbBench *self, LbBenchAction *action, GError **error)
{
  g_mutex_lock (&self->lock);
  while (!action->finished ||
         (action->abandoned && action->started && !action->harmless && action->depth == 0))
    g_cond_wait (&self->changed, &self->lock);
  g_mutex_unlock (&self->lock);
  if (!action->result)
    g_propagate_error (error, g_error_copy (action->error));
  return action->result;
}

static gboolean
run (LbBench *self,
     LbBenchAction *action,
     LbBenchState needed,
     gboolean own,
     GCancellable *cancellable,
     GError **error)
{
  gboolean result = submit (self, action, needed, own, cancellable, error) && wait_for (self, action, error);

  lb_bench_action_unref (action);
  return result;
}

static void
run_async (LbBench *self,
           LbBenchAction *action,
           LbBenchState needed,
           gboolean own,
           GCancellable *cancellable,
           GAsyncReadyCallback callback,
           gpointer user_data)
{
  GError *error = NULL;

  /* Without the caller's cancellable: what the worker says is the result. */
  action->task = g_task_new (self, NULL, callback, user_data);
  g_task_set_source_tag (action->task, lb_bench_run_async);
  g_task_set_name (action->task, action->name);
  if (!submit (self, action, needed, own, cancellable, &error))
    {
      if (action->destroy != NULL)
        action->destroy (action->data);
      g_task_return_error (action->task, error);
    }
  lb_bench_action_unref (action);
}

/**
 * lb_bench_run:
 * @name: what it does, for the operator
 * @func: runs in the worker
 * @data: given to @func
 * @cancellable: (nullable): ends it early
 *
 * Runs an action and waits for it. Not for M, and not from inside an action. The
 * light is off when it returns.
 *
 * Returns: what @func returned; or %FALSE with %G_IO_ERROR_CANCELLED or an LbBenchError: BUSY,
 *   NOT_CONNECTED, STOPPED, LATE
 */
gboolean
lb_bench_run (LbBench *self,
              const char *name,
              LbBenchFunc func,
              gpointer data,
              GCancellable *cancellable,
              GError **error)
{
  g_return_val_if_fail (LB_IS_BENCH (self) && name != NULL && func != NULL, FALSE);
  return run (self, action_new (self, name, func, data, NULL), LB_BENCH_IDLE, FALSE, cancellable, error);
}

/**
 * lb_bench_run_async:
 * @destroy: (nullable): frees @data, in any thread, once @func has ended
 *
 * As lb_bench_run(), but comes back in the thread-default main context of the
 * caller.
 */
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
  g_return_if_fail (LB_IS_BENCH (self) && name != NULL && func != NULL);
  run_async (self, action_new (self, name, func, data, destroy), LB_BENCH_IDLE, FALSE, cancellable, callback,
             user_data);
}

/**
 * lb_bench_run_finish:
 *
 * Ends lb_bench_run_async(), lb_bench_connect_async() and
 * lb_bench_disconnect_async().
 *
 * Returns: as lb_bench_run()
 */
gboolean
lb_bench_run_finish (LbBench *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);
  return g_task_propagate_boolean (G_TASK (result), error);
}

gboolean
lb_bench_run_own (LbBench *self,
                  const char *name,
                  LbBenchFunc func,
                  LbBenchState state,
                  GCancellable *cancellable,
                  GError **error)
{
  return run (self, action_new (self, name, func, NULL, NULL), state, TRUE, cancellable, error);
}

void
lb_bench_run_own_async (LbBench *self,
                        const char *name,
                        LbBenchFunc func,
                        LbBenchState state,
                        GCancellable *cancellable,
                        GAsyncReadyCallback callback,
                        gpointer user_data)
{
  run_async (self, action_new (self, name, func, NULL, NULL), state, TRUE, cancellable, callback, user_data);
}

static gboolean
blank_action (LbBench *self, gpointer data, GCancellable *cancellable, GError **error)
{
  return lb_bench_blank_planes (self, error);
}

void
lb_bench_queue_blank (LbBench *self)
{
  LbBenchAction *action = action_new (self, "blank", blank_action, NULL, NULL);

  action->silent = TRUE;
  g_mutex_lock (&self->lock);
  if (self->worker != NULL && self->state == LB_BENCH_IDLE)
    g_async_queue_push (self->worker->actions, lb_bench_action_ref (action));
  g_mutex_unlock (&self->lock);
  lb_bench_action_unref (action);
}
