/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "lb-console.h"
#include "lb-mailbox.h"

G_BEGIN_DECLS

struct _LbConsole
{
  GObject parent_instance;
  LbConsoleOptions options; /* its strings are owned */
  char *setup;
  LbFidelity fidelity;
  gboolean session_named; /* options.session still to be opened */

  LbBench *bench;
  LbCalibrationSet *calibrations;
  LbSession *session;

  LbTask task;
  char *task_title;
  GCancellable *cancellable; /* of the task */
  gboolean paused;
  LbExperiment *experiment; /* that runs */
  char *fault;
  LbDeviceReading reading;
  guint notify_source; /* will emit "state-changed" */

  LbSnapshot *snapshot;     /* newest */
  LbStepProgress *progress; /* newest */
  LbMailbox *snapshots;
  LbMailbox *progresses;

  /* Between computing threads: which session is open. */
  GMutex session_lock;
  LbSession *shared_session;

  GSourceFunc shut_down_done;
  gpointer shut_down_data;
  guint shut_down_timeout;
};

enum
{
  SIGNAL_STATE_CHANGED,
  SIGNAL_CALIBRATIONS_CHANGED,
  SIGNAL_SESSION_CHANGED,
  SIGNAL_STEP_PROGRESS,
  SIGNAL_SNAPSHOT,
  SIGNAL_TASK_FINISHED,
  SIGNAL_NEWS,
  N_SIGNALS
};
extern guint lb_console_signals[N_SIGNALS];

LbStepProgress *
lb_step_progress_new (const char *step, double fraction, const char *message, LbFigure *figure);
void lb_step_progress_free (LbStepProgress *self);

void lb_console_emit_state (LbConsole *self);
void lb_console_set_fault (LbConsole *self, const char *fault);
/* Refuses (with a toast) while another task runs. */
gboolean lb_console_begin_task (LbConsole *self, LbTask task, const char *title);
/* Takes @error (may be NULL). */
void lb_console_end_task (LbConsole *self, GError *error);
/* Computing thread: opens the session if there is none. Transfer full. */
LbSession *lb_console_ensure_session (LbConsole *self, LbBench *bench, GError **error);
void lb_console_take_bench (LbConsole *self, LbBench *bench);
void lb_console_take_calibrations (LbConsole *self, LbCalibrationSet *calibrations);

G_END_DECLS
