/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <gio/gio.h>
#include <lb-calibration.h>
#include <lb-experiment.h>
#include <lb-session.h>

G_BEGIN_DECLS

/*
 * LbConsole: what the pages share: the bench, the calibrations in force, the
 * session, and the task that runs. All of it is for the main context; the work
 * is done in computing threads, and nothing here waits for them.
 */
typedef enum
{
  LB_TASK_NONE,
  LB_TASK_CONNECT,
  LB_TASK_DISCONNECT,
  LB_TASK_CALIBRATE,
  LB_TASK_MARK, /* a calibration as bad */
  LB_TASK_RUN,
  LB_TASK_CHECK, /* reads the state of light source and camera */
} LbTask;

/* Progress of a calibration, as it is handed to the pages. */
typedef struct
{
  char *step;
  double fraction; /* of the step */
  char *message;
  LbFigure *figure; /* so far, or NULL */
} LbStepProgress;

/* How the application was asked to start. */
typedef struct
{
  const char *setup; /* preset or file */
  LbFidelity fidelity;
  guint64 seed;
  guint64 world_seed;
  const char *session; /* file, or NULL: a new one in the user's data folder */
} LbConsoleOptions;

/* What the devices said of themselves when they were last asked. */
typedef struct
{
  gboolean known;
  gboolean light_output;
  double light_level;
  guint light_trips; /* LbLightTrips */
  guint64 frames_delivered;
  guint64 frames_dropped;
} LbDeviceReading;

/*
 * Signals, all in the main context:
 * "state-changed" (): bench, light, devices, task, session: look again
 * "calibrations-changed" ()
 * "session-changed" (): something was added to it, or it is another one
 * "step-progress" (const LbStepProgress *)
 * "snapshot" (LbSnapshot *)
 * "task-finished" (guint task, GError * or NULL)
 * "news" (const char *): for a toast
 */
#define LB_TYPE_CONSOLE (lb_console_get_type ())
G_DECLARE_FINAL_TYPE (LbConsole, lb_console, LB, CONSOLE, GObject)

LbConsole *lb_console_new (const LbConsoleOptions *options);
const LbConsoleOptions *lb_console_get_options (LbConsole *self);

/* Each may be NULL; transfer none. */
LbBench *lb_console_get_bench (LbConsole *self);
LbCalibrationSet *lb_console_get_calibrations (LbConsole *self);
LbSession *lb_console_get_session (LbConsole *self);
LbSnapshot *lb_console_get_snapshot (LbConsole *self);
const LbStepProgress *lb_console_get_step_progress (LbConsole *self);
const char *lb_console_get_setup_name (LbConsole *self);

LbTask lb_console_get_task (LbConsole *self);
/* Title of the running task, for the status line; NULL without one. */
const char *lb_console_get_task_title (LbConsole *self);
gboolean lb_console_is_connected (LbConsole *self);
/* Connected, no task, not stopped. */
gboolean lb_console_is_ready (LbConsole *self);
/* Whether a complete calibration is in force. */
gboolean lb_console_is_calibrated (LbConsole *self);
gboolean lb_console_is_paused (LbConsole *self);
void lb_console_get_reading (LbConsole *self, LbDeviceReading *reading);
/* The standing fault, NULL without; until the next task begins or it is dismissed. */
const char *lb_console_get_fault (LbConsole *self);
void lb_console_dismiss_fault (LbConsole *self);

/* Chooses another setup and connects it (another session begins if one was
 * open). */
void lb_console_choose_setup (LbConsole *self, const char *setup, LbFidelity fidelity);
void lb_console_connect (LbConsole *self);
void lb_console_disconnect (LbConsole *self);
/* Light off now. */
void lb_console_stop (LbConsole *self);
void lb_console_arm (LbConsole *self);
void lb_console_check (LbConsole *self);
void lb_console_set_fault_injected (LbConsole *self, const char *fault, gboolean active);
gboolean lb_console_get_fault_injected (LbConsole *self, const char *fault);

/* @steps: NULL-terminated names, {"due", NULL}, or NULL for all. */
void lb_console_calibrate (LbConsole *self, const char *const *steps);
void lb_console_mark_bad (LbConsole *self, LbCalibration *calibration);
/* Makes an experiment; in a computing thread. @data belongs to who asked. */
typedef LbExperiment *(*LbExperimentMaker) (gconstpointer data, GError **error);
void lb_console_run (LbConsole *self,
                     LbExperimentMaker maker,
                     gpointer data,
                     GDestroyNotify free_data,
                     gboolean uncalibrated_too,
                     const LbSentinelSettings *sentinels);
void lb_console_set_paused (LbConsole *self, gboolean paused);
/* Ends the running task; what was measured is kept. */
void lb_console_abort (LbConsole *self);

/* Opens the session if there is none; "session-changed" comes when it is on disk. */
void lb_console_add_note (LbConsole *self, const char *text);

/* Light off, tasks ended, session closed; @done in the main context when that is
 * so, after 5 s at the latest. */
void lb_console_shut_down (LbConsole *self, GSourceFunc done, gpointer user_data);

G_END_DECLS
