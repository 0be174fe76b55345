/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-console-private.h"

#include <glib/gi18n.h>
#include <lb-calibration-store.h>
#include <lb-workflow.h>

#include "lb-frame-figure.h"

/* The tasks: what runs in computing threads. */

#define DEVICE_DEADLINE_US (2 * G_USEC_PER_SEC)
#define PICTURE_INTERVAL_US (G_USEC_PER_SEC / 10)

typedef struct
{
  LbConsole *console; /* for its mailboxes; the GTask keeps it alive */
  LbBench *bench;
  LbSession *session;
  LbCalibrationSet *calibrations;
  /* connect */
  char *setup;
  LbFidelity fidelity;
  LbBenchOptions options;
  char *session_path;
  gboolean new_bench;
  /* calibrate */
  GStrv steps;
  LbCalibration *bad; /* to be marked */
  gint64 last_picture_us;
  const char *drawn_step; /* interned; the last step that had a figure */
  /* run */
  LbExperimentMaker maker;
  gpointer maker_data;
  GDestroyNotify free_maker_data;
  gboolean uncalibrated_too;
  LbSentinelSettings sentinels;
  /* found */
  LbDeviceReading reading;
} Job;

static void
job_free (gpointer data)
{
  Job *job = data;

  g_clear_object (&job->bench);
  g_clear_object (&job->session);
  g_clear_object (&job->calibrations);
  g_clear_object (&job->bad);
  g_free (job->setup);
  g_free (job->session_path);
  g_strfreev (job->steps);
  if (job->free_maker_data != NULL)
    job->free_maker_data (job->maker_data);
  g_free (job);
}

static Job *
job_new (LbConsole *self)
{
  Job *job = g_new0 (Job, 1);

  job->console = self;
  job->bench = self->bench != NULL ? g_object_ref (self->bench) : NULL;
  job->calibrations = self->calibrations != NULL ? g_object_ref (self->calibrations) : NULL;
  return job;
}

static void
start (LbConsole *self, Job *job, GTaskThreadFunc func, GAsyncReadyCallback callback)
{
  g_autoptr (GTask) task = g_task_new (self, self->cancellable, callback, NULL);

  /* Whoever cancels still gets what the task says about how it ended. */
  g_task_set_check_cancellable (task, FALSE);
  g_task_set_task_data (task, job, job_free);
  g_task_run_in_thread (task, func);
}

/* --- Handing objects to the main context ------------------------------------------------ */

typedef struct
{
  LbConsole *console;
  gpointer object;
  void (*take) (LbConsole *console, gpointer object);
} Parcel;

static gboolean
deliver_cb (gpointer user_data)
{
  Parcel *parcel = user_data;

  parcel->take (parcel->console, g_steal_pointer (&parcel->object));
  return G_SOURCE_REMOVE;
}

static void
parcel_free (gpointer data)
{
  Parcel *parcel = data;

  g_clear_object (&parcel->object);
  g_object_unref (parcel->console);
  g_free (parcel);
}

/* @take gets a reference of its own. */
static void
hand_over (LbConsole *console, gpointer object, void (*take) (LbConsole *, gpointer))
{
  Parcel *parcel = g_new0 (Parcel, 1);

  parcel->console = g_object_ref (console);
  parcel->object = object != NULL ? g_object_ref (object) : NULL;
  parcel->take = take;
  g_idle_add_full (G_PRIORITY_DEFAULT, deliver_cb, parcel, parcel_free);
}

static void
take_bench (LbConsole *self, gpointer bench)
{
  lb_console_take_bench (self, bench);
}

static void
take_session (LbConsole *self, gpointer session)
{
  g_clear_object (&self->session);
  self->session = session;
  g_signal_emit (self, lb_console_signals[SIGNAL_SESSION_CHANGED], 0);
  lb_console_emit_state (self);
}

static void
take_experiment (LbConsole *self, gpointer experiment)
{
  g_clear_object (&self->experiment);
  self->experiment = experiment;
  if (self->paused)
    lb_experiment_set_paused (experiment, TRUE);
}

/* --- Session ---------------------------------------------------------------------------- */

static LbSession *
open_session (LbBench *bench, const char *named, GError **error)
{
  g_autofree char *path = named != NULL ? g_strdup (named) : lb_session_default_path (error);
  g_autoptr (LbQuantities) identities = NULL;

  if (path == NULL)
    return NULL;
  identities = lb_bench_dup_identities (bench);
  return lb_session_open (path, lb_setup_get_name (lb_bench_get_setup (bench)), identities, error);
}

static LbSession *
share_session (LbConsole *self, LbBench *bench, const char *named, GError **error)
{
  LbSession *session = NULL;

  g_mutex_lock (&self->session_lock);
  if (self->shared_session == NULL)
    {
      self->shared_session = open_session (bench, named, error);
      if (self->shared_session != NULL)
        hand_over (self, self->shared_session, take_session);
    }
  if (self->shared_session != NULL)
    session = g_object_ref (self->shared_session);
  g_mutex_unlock (&self->session_lock);
  return session;
}

LbSession *
lb_console_ensure_session (LbConsole *self, LbBench *bench, GError **error)
{
  return share_session (self, bench, NULL, error);
}

static gboolean
close_session (LbConsole *self, GError **error)
{
  g_autoptr (LbSession) session = NULL;

  g_mutex_lock (&self->session_lock);
  session = g_steal_pointer (&self->shared_session);
  g_mutex_unlock (&self->session_lock);
  if (session == NULL)
    return TRUE;
  hand_over (self, NULL, take_session);
  return lb_session_close (session, error);
}

/* --- Reading the devices ------------------------------------------------------------------ */

/* In the bench's worker. */
static gboolean
read_devices (LbBench *bench, gpointer data, GCancellable *cancellable, GError **error)
{
  LbDeviceReading *reading = data;
  LbDevice *light = lb_bench_get_device (bench, LB_ROLE_LIGHT);
  LbDevice *camera = lb_bench_get_device (bench, LB_ROLE_CAMERA);
  gint64 deadline_us = g_get_monotonic_time () + DEVICE_DEADLINE_US;
  LbLightSourceState state = { 0 };
  guint64 stale;

  if (light != NULL &&
      !lb_light_source_read_state (LB_LIGHT_SOURCE (light), &state, cancellable, deadline_us, error))
    return FALSE;
  if (camera != NULL &&
      !lb_camera_get_counters (LB_CAMERA (camera), &reading->frames_delivered, &reading->frames_dropped,
                               &stale, cancellable, deadline_us, error))
    return FALSE;
  reading->light_output = state.output;
  reading->light_level = state.level;
  reading->light_trips = state.trips;
  reading->known = TRUE;
  return TRUE;
}

static void
check_thread (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  Job *job = data;
  GError *error = NULL;

  if (lb_bench_run (job->bench, "check", read_devices, &job->reading, cancellable, &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

/* After a task: what it did to the counters. That it fails (an unplugged camera)
 * is no news then. */
static void
check_after (Job *job)
{
  lb_bench_run (job->bench, "check", read_devices, &job->reading, NULL, NULL);
}

static void
finished_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  LbConsole *self = LB_CONSOLE (source);
  const Job *job = g_task_get_task_data (G_TASK (result));
  GError *error = NULL;

  g_task_propagate_boolean (G_TASK (result), &error);
  lb_mailbox_flush (self->snapshots);
  lb_mailbox_flush (self->progresses);
  if (job->reading.known && job->bench == self->bench)
    self->reading = job->reading;
  if (self->task == LB_TASK_CALIBRATE || self->task == LB_TASK_RUN)
    g_signal_emit (self, lb_console_signals[SIGNAL_SESSION_CHANGED], 0);
  if (self->task == LB_TASK_CALIBRATE)
    g_signal_emit (self, lb_console_signals[SIGNAL_CALIBRATIONS_CHANGED], 0);
  lb_console_end_task (self, error);
}

/**
 * lb_console_check:
 *
 * Asks light source and camera how they are.
 */
void
lb_console_check (LbConsole *self)
{
  g_return_if_fail (LB_IS_CONSOLE (self));

  if (self->bench != NULL && lb_console_begin_task (self, LB_TASK_CHECK, _ ("Checking the devices")))
    start (self, job_new (self), check_thread, finished_cb);
}

/* --- Connecting ---------------------------------------------------------------------------- */

static LbBench *
make_bench (Job *job, GError **error)
{
  g_autoptr (LbSetup) setup = lb_setup_load (job->setup, job->fidelity, error);

  if (setup == NULL)
    return NULL;
  /* Virtual time goes on from where the session left it. */
  if (job->session_path != NULL && g_file_test (job->session_path, G_FILE_TEST_EXISTS))
    {
      g_autoptr (LbSession) session = lb_session_open_read_only (job->session_path, error);

      if (session == NULL)
        return NULL;
      job->options.start_us = lb_session_get_bench_time_us (session);
    }
  return lb_bench_new (setup, &job->options, error);
}

static gboolean
replace_bench (Job *job, GCancellable *cancellable, GError **error)
{
  LbBench *bench = make_bench (job, error);

  /* What there was stays if the new setup cannot be used. */
  if (bench == NULL)
    return FALSE;
  if (job->bench != NULL && lb_bench_get_state (job->bench) != LB_BENCH_DISCONNECTED)
    lb_bench_disconnect (job->bench, NULL, NULL);
  g_set_object (&job->bench, bench);
  hand_over (job->console, bench, take_bench);
  g_object_unref (bench);
  return close_session (job->console, error);
}

static gboolean
connect_bench (Job *job, GCancellable *cancellable, GError **error)
{
  if (job->new_bench && !replace_bench (job, cancellable, error))
    return FALSE;
  if (!lb_bench_connect (job->bench, cancellable, error))
    return FALSE;
  g_clear_object (&job->session);
  if (job->session_path != NULL)
    {
      job->session = share_session (job->console, job->bench, job->session_path, error);
      if (job->session == NULL)
        return FALSE;
    }
  g_clear_object (&job->calibrations);
  job->calibrations = lb_workflow_load_calibrations (job->bench, job->session, error);
  if (job->calibrations == NULL)
    return FALSE;
  check_after (job);
  return TRUE;
}

static void
connect_thread (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  GError *error = NULL;

  if (connect_bench (data, cancellable, &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

static void
connected_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  LbConsole *self = LB_CONSOLE (source);
  Job *job = g_task_get_task_data (G_TASK (result));

  /* A setup that could not be used changes nothing. */
  if (job->bench != NULL && job->bench == self->bench)
    {
      g_free (self->setup);
      self->setup = g_strdup (job->setup);
      self->fidelity = job->fidelity;
    }
  if (!g_task_had_error (G_TASK (result)))
    {
      self->session_named = FALSE;
      lb_console_take_calibrations (self, g_steal_pointer (&job->calibrations));
    }
  finished_cb (source, result, user_data);
}

static void
connect_setup (LbConsole *self, const char *setup, LbFidelity fidelity, gboolean new_bench)
{
  Job *job;

  if (!lb_console_begin_task (self, LB_TASK_CONNECT, _ ("Connecting the bench")))
    return;
  job = job_new (self);
  job->setup = g_strdup (setup);
  job->fidelity = fidelity;
  job->new_bench = new_bench || self->bench == NULL;
  job->options = (LbBenchOptions){ .seed = self->options.seed, .world_seed = self->options.world_seed };
  if (self->session_named)
    job->session_path = g_strdup (self->options.session);
  start (self, job, connect_thread, connected_cb);
}

/**
 * lb_console_choose_setup:
 * @setup: preset or path of a setup file
 * @fidelity: of a simulated bench
 */
void
lb_console_choose_setup (LbConsole *self, const char *setup, LbFidelity fidelity)
{
  g_return_if_fail (LB_IS_CONSOLE (self));
  g_return_if_fail (setup != NULL);

  connect_setup (self, setup, fidelity, TRUE);
}

/**
 * lb_console_connect:
 *
 * Opens all devices and loads the calibrations that belong to them.
 */
void
lb_console_connect (LbConsole *self)
{
  g_return_if_fail (LB_IS_CONSOLE (self));

  connect_setup (self, self->setup, self->fidelity, FALSE);
}

static void
disconnect_thread (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  Job *job = data;
  GError *error = NULL;

  if (lb_bench_disconnect (job->bench, cancellable, &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

/**
 * lb_console_disconnect:
 *
 * Light off, all devices closed.
 */
void
lb_console_disconnect (LbConsole *self)
{
  g_return_if_fail (LB_IS_CONSOLE (self));

  if (self->bench != NULL && lb_console_begin_task (self, LB_TASK_DISCONNECT, _ ("Disconnecting the bench")))
    start (self, job_new (self), disconnect_thread, finished_cb);
}

/* --- Calibrating ------------------------------------------------------------------------------ */

static void
step_progress_cb (const char *step,
                  double fraction,
                  const char *message,
                  LbFigure *figure,
                  LbFrame *frame,
                  gpointer user_data)
{
  Job *job = user_data;
  gint64 now_us = g_get_monotonic_time ();
  g_autoptr (LbFigure) picture = NULL;

  if (figure != NULL)
    job->drawn_step = g_intern_string (step);
  /* Where a step has no figure of its own, what the camera sees. */
  if (figure == NULL && frame != NULL && job->drawn_step != g_intern_string (step) &&
      now_us - job->last_picture_us > PICTURE_INTERVAL_US)
    {
      picture = lb_frame_figure_new (frame);
      job->last_picture_us = now_us;
    }
  lb_mailbox_post (job->console->progresses,
                   lb_step_progress_new (step, fraction, message, figure != NULL ? figure : picture));
}

static void
calibrate_thread (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  Job *job = data;
  GError *error = NULL;
  gboolean done = FALSE;

  job->session = lb_console_ensure_session (job->console, job->bench, &error);
  if (job->session != NULL)
    done =
        lb_workflow_calibrate (job->bench, job->calibrations, job->session, (const char *const *) job->steps,
                               NULL, step_progress_cb, job, cancellable, &error);
  check_after (job);
  if (done)
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

/**
 * lb_console_calibrate:
 * @steps: (nullable): names of steps, "due", or %NULL for all
 */
void
lb_console_calibrate (LbConsole *self, const char *const *steps)
{
  Job *job;

  g_return_if_fail (LB_IS_CONSOLE (self));

  if (!lb_console_is_connected (self) || !lb_console_begin_task (self, LB_TASK_CALIBRATE, _ ("Calibrating")))
    return;
  job = job_new (self);
  job->steps = g_strdupv ((char **) steps);
  start (self, job, calibrate_thread, finished_cb);
}

static gboolean
mark_bad (Job *job, GError **error)
{
  const LbCalibrationStep *step = lb_calibration_steps_find (lb_calibration_get_step (job->bad));
  g_autofree char *note = g_strdup_printf (
      _ ("%s, %.12s, was marked as bad"), step != NULL ? _ (step->title) : lb_calibration_get_step (job->bad),
      lb_calibration_get_hash (job->bad));

  if (!lb_calibration_store_mark_bad (job->bad, error))
    return FALSE;
  job->session = lb_console_ensure_session (job->console, job->bench, error);
  if (job->session == NULL || !lb_session_add_note (job->session, note, error))
    return FALSE;
  g_clear_object (&job->calibrations);
  job->calibrations = lb_workflow_load_calibrations (job->bench, job->session, error);
  return job->calibrations != NULL;
}

static void
mark_thread (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  GError *error = NULL;

  if (mark_bad (data, &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

static void
marked_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Job *job = g_task_get_task_data (G_TASK (result));

  if (!g_task_had_error (G_TASK (result)))
    lb_console_take_calibrations (LB_CONSOLE (source), g_steal_pointer (&job->calibrations));
  finished_cb (source, result, user_data);
}

/**
 * lb_console_mark_bad:
 * @calibration: a result
 *
 * It is kept, but not used any more; the one before it of its step comes into force.
 */
void
lb_console_mark_bad (LbConsole *self, LbCalibration *calibration)
{
  Job *job;

  g_return_if_fail (LB_IS_CONSOLE (self) && LB_IS_CALIBRATION (calibration));

  if (!lb_console_is_connected (self) ||
      !lb_console_begin_task (self, LB_TASK_MARK, _ ("Marking a calibration as bad")))
    return;
  job = job_new (self);
  job->bad = g_object_ref (calibration);
  start (self, job, mark_thread, marked_cb);
}

/* --- Experiments --------------------------------------------------------------------------------- */

static void
run_snapshot_cb (LbSnapshot *snapshot, gpointer user_data)
{
  LbConsole *self = user_data;

  lb_mailbox_post (self->snapshots, lb_snapshot_ref (snapshot));
}

static gboolean
run_experiment (Job *job, GCancellable *cancellable, GError **error)
{
  g_autoptr (LbExperiment) experiment = job->maker (job->maker_data, error);
  LbExperimentPlace place = { job->bench, job->calibrations, NULL, job->uncalibrated_too, job->sentinels };

  if (experiment == NULL)
    return FALSE;
  hand_over (job->console, experiment, take_experiment);
  job->session = lb_console_ensure_session (job->console, job->bench, error);
  if (job->session == NULL)
    return FALSE;
  place.session = job->session;
  place.attended = TRUE;
  return lb_experiment_run (experiment, &place, run_snapshot_cb, job->console, cancellable, error);
}

static void
run_thread (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  Job *job = data;
  GError *error = NULL;
  gboolean done = run_experiment (job, cancellable, &error);

  check_after (job);
  if (done)
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

/**
 * lb_console_run:
 * @maker: makes the experiment, in a computing thread
 * @data: for @maker
 * @free_data: frees @data
 * @uncalibrated_too: whether the same is measured with nominal values, for comparison
 * @sentinels: known products between the others
 */
void
lb_console_run (LbConsole *self,
                LbExperimentMaker maker,
                gpointer data,
                GDestroyNotify free_data,
                gboolean uncalibrated_too,
                const LbSentinelSettings *sentinels)
{
  Job *job;

  g_return_if_fail (LB_IS_CONSOLE (self));

  if (!lb_console_is_connected (self) || !lb_console_begin_task (self, LB_TASK_RUN, _ ("Running")))
    {
      free_data (data);
      return;
    }
  g_clear_pointer (&self->snapshot, lb_snapshot_unref);
  job = job_new (self);
  job->maker = maker;
  job->maker_data = data;
  job->free_maker_data = free_data;
  job->uncalibrated_too = uncalibrated_too;
  job->sentinels = *sentinels;
  start (self, job, run_thread, finished_cb);
}

/* --- Notes ------------------------------------------------------------------------------------------ */

typedef struct
{
  LbBench *bench;
  char *text;
} Note;

static void
note_free (gpointer data)
{
  Note *note = data;

  g_object_unref (note->bench);
  g_free (note->text);
  g_free (note);
}

static void
note_thread (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  Note *note = data;
  GError *error = NULL;
  g_autoptr (LbSession) session = lb_console_ensure_session (source, note->bench, &error);

  if (session != NULL && lb_session_add_note (session, note->text, &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

static void
noted_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  LbConsole *self = LB_CONSOLE (source);
  g_autoptr (GError) error = NULL;

  if (g_task_propagate_boolean (G_TASK (result), &error))
    g_signal_emit (self, lb_console_signals[SIGNAL_SESSION_CHANGED], 0);
  else
    lb_console_set_fault (self, error->message);
}

/**
 * lb_console_add_note:
 * @text: of the note
 *
 * Needs a bench.
 */
void
lb_console_add_note (LbConsole *self, const char *text)
{
  g_autoptr (GTask) task = NULL;
  Note *note;

  g_return_if_fail (LB_IS_CONSOLE (self));
  g_return_if_fail (self->bench != NULL);

  note = g_new0 (Note, 1);
  note->bench = g_object_ref (self->bench);
  note->text = g_strdup (text);
  task = g_task_new (self, NULL, noted_cb, NULL);
  g_task_set_task_data (task, note, note_free);
  g_task_run_in_thread (task, note_thread);
}
