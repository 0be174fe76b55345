/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-console-private.h"

#include <glib/gi18n.h>
#include <lb-simulated.h>

#define NOTIFY_INTERVAL_MS 50

guint lb_console_signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (LbConsole, lb_console, G_TYPE_OBJECT)

LbStepProgress *
lb_step_progress_new (const char *step, double fraction, const char *message, LbFigure *figure)
{
  LbStepProgress *self = g_new0 (LbStepProgress, 1);

  self->step = g_strdup (step);
  self->fraction = fraction;
  self->message = g_strdup (message);
  self->figure = figure != NULL ? lb_figure_ref (figure) : NULL;
  return self;
}

void
lb_step_progress_free (LbStepProgress *self)
{
  g_free (self->step);
  g_free (self->message);
  g_clear_pointer (&self->figure, lb_figure_unref);
  g_free (self);
}

/* --- State ------------------------------------------------------------------------- */

void
lb_console_emit_state (LbConsole *self)
{
  g_signal_emit (self, lb_console_signals[SIGNAL_STATE_CHANGED], 0);
}

void
lb_console_set_fault (LbConsole *self, const char *fault)
{
  if (g_strcmp0 (fault, self->fault) == 0)
    return;
  g_free (self->fault);
  self->fault = g_strdup (fault);
  lb_console_emit_state (self);
}

/**
 * lb_console_get_options:
 *
 * Returns: (transfer none): how the application was asked to start
 */
const LbConsoleOptions *
lb_console_get_options (LbConsole *self)
{
  g_return_val_if_fail (LB_IS_CONSOLE (self), NULL);
  return &self->options;
}

/**
 * lb_console_get_bench:
 *
 * Returns: (transfer none) (nullable): the bench of the chosen setup
 */
LbBench *
lb_console_get_bench (LbConsole *self)
{
  g_return_val_if_fail (LB_IS_CONSOLE (self), NULL);
  return self->bench;
}

/**
 * lb_console_get_calibrations:
 *
 * Returns: (transfer none) (nullable): what is in force
 */
LbCalibrationSet *
lb_console_get_calibrations (LbConsole *self)
{
  g_return_val_if_fail (LB_IS_CONSOLE (self), NULL);
  return self->calibrations;
}

/**
 * lb_console_get_session:
 *
 * Returns: (transfer none) (nullable): the open session; there is none before
 *   something was done
 */
LbSession *
lb_console_get_session (LbConsole *self)
{
  g_return_val_if_fail (LB_IS_CONSOLE (self), NULL);
  return self->session;
}

/**
 * lb_console_get_snapshot:
 *
 * Returns: (transfer none) (nullable): the newest picture of the run, also after its end
 */
LbSnapshot *
lb_console_get_snapshot (LbConsole *self)
{
  g_return_val_if_fail (LB_IS_CONSOLE (self), NULL);
  return self->snapshot;
}

/**
 * lb_console_get_step_progress:
 *
 * Returns: (transfer none) (nullable): of the calibration that runs
 */
const LbStepProgress *
lb_console_get_step_progress (LbConsole *self)
{
  g_return_val_if_fail (LB_IS_CONSOLE (self), NULL);
  return self->progress;
}

/**
 * lb_console_get_setup_name:
 *
 * Returns: preset or path of the chosen setup
 */
const char *
lb_console_get_setup_name (LbConsole *self)
{
  g_return_val_if_fail (LB_IS_CONSOLE (self), NULL);
  return self->setup;
}

/**
 * lb_console_get_task:
 *
 * Returns: what runs
 */
LbTask
lb_console_get_task (LbConsole *self)
{
  g_return_val_if_fail (LB_IS_CONSOLE (self), LB_TASK_NONE);
  return self->task;
}

/**
 * lb_console_get_task_title:
 *
 * Returns: (nullable): title of what runs, translated
 */
const char *
lb_console_get_task_title (LbConsole *self)
{
  g_return_val_if_fail (LB_IS_CONSOLE (self), NULL);
  return self->task_title;
}

/**
 * lb_console_is_connected:
 *
 * Returns: whether the devices are open
 */
gboolean
lb_console_is_connected (LbConsole *self)
{
  g_return_val_if_fail (LB_IS_CONSOLE (self), FALSE);
  return self->bench != NULL && self->calibrations != NULL &&
         lb_bench_get_state (self->bench) != LB_BENCH_DISCONNECTED;
}

/**
 * lb_console_is_ready:
 *
 * Returns: whether a task that needs light may begin
 */
gboolean
lb_console_is_ready (LbConsole *self)
{
  g_return_val_if_fail (LB_IS_CONSOLE (self), FALSE);
  return self->task == LB_TASK_NONE && lb_console_is_connected (self) &&
         lb_bench_get_state (self->bench) == LB_BENCH_IDLE &&
         lb_bench_get_light (self->bench) == LB_LIGHT_ARMED;
}

/**
 * lb_console_is_calibrated:
 *
 * Returns: whether all steps are in force
 */
gboolean
lb_console_is_calibrated (LbConsole *self)
{
  g_return_val_if_fail (LB_IS_CONSOLE (self), FALSE);
  return self->calibrations != NULL && lb_calibration_set_is_complete (self->calibrations);
}

/**
 * lb_console_is_paused:
 *
 * Returns: whether the run holds
 */
gboolean
lb_console_is_paused (LbConsole *self)
{
  g_return_val_if_fail (LB_IS_CONSOLE (self), FALSE);
  return self->paused;
}

/**
 * lb_console_get_reading:
 * @reading: (out): what the devices said when they were last asked
 */
void
lb_console_get_reading (LbConsole *self, LbDeviceReading *reading)
{
  g_return_if_fail (LB_IS_CONSOLE (self));
  *reading = self->reading;
}

/**
 * lb_console_get_fault:
 *
 * Returns: (nullable): what went wrong and what to do, translated
 */
const char *
lb_console_get_fault (LbConsole *self)
{
  g_return_val_if_fail (LB_IS_CONSOLE (self), NULL);
  return self->fault;
}

/**
 * lb_console_dismiss_fault:
 *
 * The operator has read it.
 */
void
lb_console_dismiss_fault (LbConsole *self)
{
  g_return_if_fail (LB_IS_CONSOLE (self));
  lb_console_set_fault (self, NULL);
}

/* --- Light ---------------------------------------------------------------------------- */

/**
 * lb_console_stop:
 *
 * Light off now, whatever hangs; then the task is cancelled.
 */
void
lb_console_stop (LbConsole *self)
{
  g_return_if_fail (LB_IS_CONSOLE (self));

  if (self->bench != NULL)
    lb_bench_stop (self->bench);
  if (self->cancellable != NULL)
    g_cancellable_cancel (self->cancellable);
  lb_console_emit_state (self);
}

/**
 * lb_console_arm:
 *
 * Lets tasks turn the light on again after STOP.
 */
void
lb_console_arm (LbConsole *self)
{
  g_autoptr (GError) error = NULL;

  g_return_if_fail (LB_IS_CONSOLE (self));

  if (self->bench == NULL)
    return;
  if (!lb_bench_arm (self->bench, &error))
    lb_console_set_fault (self, error->message);
  /* What was read of the light source before is not so any more. */
  else if (self->task == LB_TASK_NONE)
    lb_console_check (self);
  lb_console_emit_state (self);
}

/* --- Faults to inject ------------------------------------------------------------------- */

/**
 * lb_console_set_fault_injected:
 * @fault: see lb_simulated_list_faults()
 * @active: whether it is there
 *
 * Does nothing on a bench that is not simulated.
 */
void
lb_console_set_fault_injected (LbConsole *self, const char *fault, gboolean active)
{
  g_return_if_fail (LB_IS_CONSOLE (self));

  for (guint role = 0; self->bench != NULL && role < LB_N_ROLES; role++)
    {
      LbDevice *device = lb_bench_get_device (self->bench, role);

      if (device != NULL && lb_simulated_set_fault (device, fault, active))
        break;
    }
  lb_console_emit_state (self);
}

/**
 * lb_console_get_fault_injected:
 *
 * Returns: whether @fault is there
 */
gboolean
lb_console_get_fault_injected (LbConsole *self, const char *fault)
{
  g_return_val_if_fail (LB_IS_CONSOLE (self), FALSE);

  for (guint role = 0; self->bench != NULL && role < LB_N_ROLES; role++)
    {
      LbDevice *device = lb_bench_get_device (self->bench, role);

      if (device != NULL && lb_simulated_get_fault (device, fault))
        return TRUE;
    }
  return FALSE;
}

/* --- Taking what a computing thread has made ---------------------------------------------- */

static gboolean
emit_state_cb (gpointer user_data)
{
  LbConsole *self = user_data;

  self->notify_source = 0;
  lb_console_emit_state (self);
  return G_SOURCE_REMOVE;
}

/* The light of a running task changes with every exposure: the pages look at
 * most twenty times a second. */
static void
bench_notify_cb (LbConsole *self)
{
  if (self->notify_source == 0)
    self->notify_source = g_timeout_add (NOTIFY_INTERVAL_MS, emit_state_cb, self);
}

void
lb_console_take_bench (LbConsole *self, LbBench *bench)
{
  if (self->bench != NULL)
    {
      g_signal_handlers_disconnect_by_data (self->bench, self);
      for (guint role = 0; role < LB_N_ROLES; role++)
        if (lb_bench_get_device (self->bench, role) != NULL)
          g_signal_handlers_disconnect_by_data (lb_bench_get_device (self->bench, role), self);
      g_clear_object (&self->bench);
    }
  self->reading = (LbDeviceReading){ 0 };
  self->bench = bench;
  if (bench != NULL)
    {
      g_signal_connect_object (bench, "notify", G_CALLBACK (bench_notify_cb), self, G_CONNECT_SWAPPED);
      for (guint role = 0; role < LB_N_ROLES; role++)
        if (lb_bench_get_device (bench, role) != NULL)
          g_signal_connect_object (lb_bench_get_device (bench, role), "notify", G_CALLBACK (bench_notify_cb),
                                   self, G_CONNECT_SWAPPED);
    }
  lb_console_emit_state (self);
}

void
lb_console_take_calibrations (LbConsole *self, LbCalibrationSet *calibrations)
{
  g_clear_object (&self->calibrations);
  self->calibrations = calibrations;
  g_signal_emit (self, lb_console_signals[SIGNAL_CALIBRATIONS_CHANGED], 0);
  lb_console_emit_state (self);
}

/* --- Tasks --------------------------------------------------------------------------------- */

static void
say (LbConsole *self, const char *text)
{
  g_signal_emit (self, lb_console_signals[SIGNAL_NEWS], 0, text);
}

gboolean
lb_console_begin_task (LbConsole *self, LbTask task, const char *title)
{
  if (self->shut_down_done != NULL)
    return FALSE;
  if (self->task != LB_TASK_NONE)
    {
      g_autofree char *text = g_strdup_printf (_ ("The bench is busy: %s"), self->task_title);

      say (self, text);
      return FALSE;
    }
  self->task = task;
  self->task_title = g_strdup (title);
  self->cancellable = g_cancellable_new ();
  self->paused = FALSE;
  g_clear_pointer (&self->fault, g_free);
  lb_console_emit_state (self);
  return TRUE;
}

static gboolean
is_ended_by_operator (const GError *error)
{
  return g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED) ||
         g_error_matches (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_CANCELLED) ||
         g_error_matches (error, LB_BENCH_ERROR, LB_BENCH_ERROR_STOPPED);
}

static void shut_down_begin (LbConsole *self);

static char *
describe_failure (LbTask task, const char *title, const char *why)
{
  if (task == LB_TASK_RUN)
    return g_strdup_printf (_ ("The run ended: %s"), why);
  if (task == LB_TASK_CALIBRATE)
    return g_strdup_printf (_ ("The calibration ended: %s"), why);
  return g_strdup_printf ("%s: %s", title, why);
}

/* Sentinels may have failed on the way of a run that was let go on. */
static void
finish_run (LbConsole *self)
{
  const double in_doubt = self->snapshot != NULL && self->snapshot->finished
                              ? lb_quantities_get (self->snapshot->results, "in_doubt", 0)
                              : 0;
  g_autofree char *text = NULL;

  say (self, _ ("Run finished"));
  if (!(in_doubt > 0))
    return;
  text = g_strdup_printf (
      _ ("%.0f of the dot products are in doubt: a sentinel before or after them was off. They "
         "are marked in the session: calibrate, and run again"),
      in_doubt);
  lb_console_set_fault (self, text);
}

void
lb_console_end_task (LbConsole *self, GError *error)
{
  LbTask task = self->task;
  g_autofree char *title = g_steal_pointer (&self->task_title);
  gboolean aborted = g_cancellable_is_cancelled (self->cancellable);

  self->task = LB_TASK_NONE;
  self->paused = FALSE;
  g_clear_object (&self->cancellable);
  g_clear_object (&self->experiment);
  g_clear_pointer (&self->progress, lb_step_progress_free);
  if (error != NULL && (aborted || is_ended_by_operator (error)))
    say (self, task == LB_TASK_RUN ? _ ("The run was ended; what was measured is kept")
                                   : _ ("Ended before it was done"));
  else if (error != NULL)
    {
      g_autofree char *text = describe_failure (task, title, error->message);

      lb_console_set_fault (self, text);
    }
  else if (task == LB_TASK_CALIBRATE)
    say (self, _ ("Calibration finished"));
  else if (task == LB_TASK_RUN)
    finish_run (self);
  g_signal_emit (self, lb_console_signals[SIGNAL_TASK_FINISHED], 0, task, error);
  lb_console_emit_state (self);
  g_clear_error (&error);
  if (self->shut_down_done != NULL)
    shut_down_begin (self);
}

/**
 * lb_console_abort:
 *
 * A clean end of what runs, results kept.
 */
void
lb_console_abort (LbConsole *self)
{
  g_return_if_fail (LB_IS_CONSOLE (self));

  if (self->cancellable != NULL)
    g_cancellable_cancel (self->cancellable);
}

/* Without it a run that goes on would end at once. */
static gboolean
is_armed (LbConsole *self)
{
  LbLightState light = self->bench != NULL ? lb_bench_get_light (self->bench) : LB_LIGHT_OFF;

  return light == LB_LIGHT_ARMED || light == LB_LIGHT_ON;
}

/**
 * lb_console_set_paused:
 *
 * The run holds before its next exposure sequence, or goes on, which it cannot
 * before the light is armed.
 */
void
lb_console_set_paused (LbConsole *self, gboolean paused)
{
  g_return_if_fail (LB_IS_CONSOLE (self));

  if (self->task != LB_TASK_RUN || paused == self->paused)
    return;
  if (!paused && !is_armed (self))
    {
      say (self, _ ("The light is not armed: arm it, then resume"));
      return;
    }
  self->paused = paused;
  /* Why it was held is settled. */
  if (!paused && self->snapshot != NULL && self->snapshot->held)
    lb_console_set_fault (self, NULL);
  if (self->experiment != NULL)
    lb_experiment_set_paused (self->experiment, paused);
  lb_console_emit_state (self);
}

/* --- The end --------------------------------------------------------------------------------- */

typedef struct
{
  LbBench *bench;
  LbSession *session;
} Closing;

static void
closing_free (gpointer data)
{
  Closing *closing = data;

  g_clear_object (&closing->bench);
  g_clear_object (&closing->session);
  g_free (closing);
}

static void
close_thread (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  Closing *closing = data;
  g_autoptr (GError) error = NULL;

  if (closing->bench != NULL && lb_bench_get_state (closing->bench) != LB_BENCH_DISCONNECTED)
    lb_bench_disconnect (closing->bench, NULL, NULL);
  if (closing->session != NULL && !lb_session_close (closing->session, &error))
    g_printerr ("lightbench: %s: %s\n", lb_session_get_path (closing->session), error->message);
  g_clear_object (&closing->bench);
  g_task_return_boolean (task, TRUE);
}

static gboolean
shut_down_end (gpointer user_data)
{
  LbConsole *self = user_data;
  GSourceFunc done = self->shut_down_done;

  g_clear_handle_id (&self->shut_down_timeout, g_source_remove);
  self->shut_down_done = NULL;
  if (done != NULL)
    done (self->shut_down_data);
  return G_SOURCE_REMOVE;
}

static gboolean
shut_down_timeout_cb (gpointer user_data)
{
  LbConsole *self = user_data;

  self->shut_down_timeout = 0;
  return shut_down_end (self);
}

static void
closed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  shut_down_end (LB_CONSOLE (source));
}

static void
shut_down_begin (LbConsole *self)
{
  g_autoptr (GTask) task = g_task_new (self, NULL, closed_cb, NULL);
  Closing *closing = g_new0 (Closing, 1);

  closing->bench = self->bench != NULL ? g_object_ref (self->bench) : NULL;
  closing->session = self->session != NULL ? g_object_ref (self->session) : NULL;
  g_task_set_task_data (task, closing, closing_free);
  g_task_run_in_thread (task, close_thread);
}

void
lb_console_shut_down (LbConsole *self, GSourceFunc done, gpointer user_data)
{
  g_return_if_fail (LB_IS_CONSOLE (self));
  g_return_if_fail (done != NULL);

  if (self->shut_down_done != NULL)
    return;
  self->shut_down_done = done;
  self->shut_down_data = user_data;
  self->shut_down_timeout = g_timeout_add_seconds (5, shut_down_timeout_cb, self);
  if (self->task != LB_TASK_NONE)
    lb_console_stop (self);
  else
    shut_down_begin (self);
}

/* --- The object --------------------------------------------------------------------------------- */

static void
snapshot_cb (gpointer letter, gpointer user_data)
{
  LbConsole *self = user_data;

  g_clear_pointer (&self->snapshot, lb_snapshot_unref);
  self->snapshot = lb_snapshot_ref (letter);
  /* The run has paused itself; nobody asked for that. */
  if (self->snapshot->held && !self->paused && self->task == LB_TASK_RUN)
    {
      self->paused = TRUE;
      lb_console_set_fault (self, self->snapshot->message);
      lb_console_emit_state (self);
    }
  g_signal_emit (self, lb_console_signals[SIGNAL_SNAPSHOT], 0, letter);
}

static void
progress_cb (gpointer letter, gpointer user_data)
{
  LbConsole *self = user_data;
  const LbStepProgress *progress = letter;
  LbFigure *figure = progress->figure;

  /* A step that says nothing new about its figure still shows the last one. */
  if (figure == NULL && self->progress != NULL && g_strcmp0 (self->progress->step, progress->step) == 0)
    figure = self->progress->figure;
  if (figure != NULL)
    lb_figure_ref (figure);
  g_clear_pointer (&self->progress, lb_step_progress_free);
  self->progress = lb_step_progress_new (progress->step, progress->fraction, progress->message, figure);
  g_clear_pointer (&figure, lb_figure_unref);
  g_signal_emit (self, lb_console_signals[SIGNAL_STEP_PROGRESS], 0, self->progress);
}

static void
lb_console_dispose (GObject *object)
{
  LbConsole *self = LB_CONSOLE (object);

  if (self->bench != NULL)
    lb_console_take_bench (self, NULL);
  g_clear_object (&self->calibrations);
  g_clear_object (&self->session);
  g_clear_object (&self->shared_session);
  g_clear_handle_id (&self->shut_down_timeout, g_source_remove);
  g_clear_handle_id (&self->notify_source, g_source_remove);
  G_OBJECT_CLASS (lb_console_parent_class)->dispose (object);
}

static void
lb_console_finalize (GObject *object)
{
  LbConsole *self = LB_CONSOLE (object);

  lb_mailbox_close (self->snapshots);
  lb_mailbox_close (self->progresses);
  g_clear_pointer (&self->snapshots, lb_mailbox_unref);
  g_clear_pointer (&self->progresses, lb_mailbox_unref);
  g_clear_pointer (&self->snapshot, lb_snapshot_unref);
  g_clear_pointer (&self->progress, lb_step_progress_free);
  g_free ((char *) self->options.setup);
  g_free ((char *) self->options.session);
  g_free (self->setup);
  g_free (self->task_title);
  g_free (self->fault);
  g_mutex_clear (&self->session_lock);
  G_OBJECT_CLASS (lb_console_parent_class)->finalize (object);
}

static void
add_signal (LbConsoleClass *klass, guint nth, const char *name, guint parameters, const GType *types)
{
  lb_console_signals[nth] = g_signal_newv (name, G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, NULL, NULL,
                                           NULL, NULL, G_TYPE_NONE, parameters, (GType *) types);
}

static void
lb_console_class_init (LbConsoleClass *klass)
{
  const GType pointer[] = { G_TYPE_POINTER };
  const GType snapshot[] = { LB_TYPE_SNAPSHOT };
  const GType finished[] = { G_TYPE_UINT, G_TYPE_ERROR };
  const GType text[] = { G_TYPE_STRING };

  G_OBJECT_CLASS (klass)->dispose = lb_console_dispose;
  G_OBJECT_CLASS (klass)->finalize = lb_console_finalize;
  add_signal (klass, SIGNAL_STATE_CHANGED, "state-changed", 0, NULL);
  add_signal (klass, SIGNAL_CALIBRATIONS_CHANGED, "calibrations-changed", 0, NULL);
  add_signal (klass, SIGNAL_SESSION_CHANGED, "session-changed", 0, NULL);
  add_signal (klass, SIGNAL_STEP_PROGRESS, "step-progress", 1, pointer);
  add_signal (klass, SIGNAL_SNAPSHOT, "snapshot", 1, snapshot);
  add_signal (klass, SIGNAL_TASK_FINISHED, "task-finished", 2, finished);
  add_signal (klass, SIGNAL_NEWS, "news", 1, text);
}

static void
lb_console_init (LbConsole *self)
{
  g_mutex_init (&self->session_lock);
  self->snapshots = lb_mailbox_new (snapshot_cb, self, (GDestroyNotify) lb_snapshot_unref);
  self->progresses = lb_mailbox_new (progress_cb, self, (GDestroyNotify) lb_step_progress_free);
}

/**
 * lb_console_new:
 * @options: copied
 *
 * Returns: (transfer full): a console without a bench; lb_console_connect()
 *   makes it
 */
LbConsole *
lb_console_new (const LbConsoleOptions *options)
{
  LbConsole *self = g_object_new (LB_TYPE_CONSOLE, NULL);

  self->options = *options;
  self->options.setup = g_strdup (options->setup);
  self->options.session = g_strdup (options->session);
  self->setup = g_strdup (options->setup);
  self->fidelity = options->fidelity;
  self->session_named = options->session != NULL;
  return self;
}
