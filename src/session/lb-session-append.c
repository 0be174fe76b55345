/* SPDX-License-Identifier: GPL-3.0-or-later */

#include <glib/gi18n-lib.h>
#include <math.h>
#include "lb-session-private.h"

void
lb_session_bind_bytes (sqlite3_stmt *statement, int parameter, GBytes *bytes)
{
  gsize size;
  const void *data = g_bytes_get_data (bytes, &size);

  if (size == 0)
    sqlite3_bind_zeroblob (statement, parameter, 0);
  else
    sqlite3_bind_blob64 (statement, parameter, data, size, SQLITE_TRANSIENT);
}

static void
bind_hash (sqlite3_stmt *statement, int parameter, GBytes *bytes)
{
  g_autofree char *hash = g_compute_checksum_for_bytes (G_CHECKSUM_SHA256, bytes);

  sqlite3_bind_text (statement, parameter, hash, -1, SQLITE_TRANSIENT);
}

static void
bind_text (sqlite3_stmt *statement, int parameter, const char *text)
{
  sqlite3_bind_text (statement, parameter, text, -1, SQLITE_TRANSIENT);
}

/* Quantities, none for NULL. */
static void
bind_quantities (sqlite3_stmt *statement, int parameter, const LbQuantities *quantities)
{
  g_autoptr (LbQuantities) none = lb_quantities_new ();
  g_autoptr (GBytes) bytes = lb_session_quantities_to_bytes (quantities != NULL ? quantities : none);

  lb_session_bind_bytes (statement, parameter, bytes);
}

gboolean
lb_session_insert_note (LbSessionStore *store, const char *text, GError **error)
{
  sqlite3_stmt *statement =
      lb_session_prepare (store, "INSERT INTO notes (time_us, text) VALUES (?, ?)", error);

  if (statement == NULL)
    return FALSE;
  sqlite3_bind_int64 (statement, 1, g_get_real_time ());
  bind_text (statement, 2, text);
  return lb_session_run_statement (store, statement, NULL, error);
}

static gboolean
add_note (LbSessionStore *store, gpointer data, GError **error)
{
  return lb_session_insert_note (store, data, error);
}

/**
 * lb_session_add_note:
 * @self: a session
 * @text: what the operator has to say
 * @error: WRITE
 *
 * Returns when the note is on disk.
 */
gboolean
lb_session_add_note (LbSession *self, const char *text, GError **error)
{
  g_return_val_if_fail (LB_IS_SESSION (self), FALSE);
  g_return_val_if_fail (text != NULL, FALSE);

  return lb_session_run_task (self, add_note, (gpointer) text, error);
}

static gboolean
set_bench_time (LbSessionStore *store, gpointer data, GError **error)
{
  sqlite3_stmt *statement = lb_session_prepare (store, "INSERT INTO bench_times (time_us) VALUES (?)", error);

  if (statement == NULL)
    return FALSE;
  sqlite3_bind_int64 (statement, 1, *(const gint64 *) data);
  return lb_session_run_statement (store, statement, NULL, error);
}

/**
 * lb_session_set_bench_time_us:
 * @self: a session
 * @time_us: bench time at which something ended
 * @error: WRITE
 *
 * Returns when it is on disk.
 */
gboolean
lb_session_set_bench_time_us (LbSession *self, gint64 time_us, GError **error)
{
  g_return_val_if_fail (LB_IS_SESSION (self), FALSE);

  return lb_session_run_task (self, set_bench_time, &time_us, error);
}

typedef struct
{
  const LbSessionCalibration *calibration;
  gint64 id;
} CalibrationTask;

static gboolean
add_calibration (LbSessionStore *store, gpointer data, GError **error)
{
  CalibrationTask *task = data;
  const LbSessionCalibration *calibration = task->calibration;
  g_autoptr (GBytes) empty = g_bytes_new (NULL, 0);
  GBytes *result = calibration->data != NULL ? calibration->data : empty;
  sqlite3_stmt *statement =
      lb_session_prepare (store,
                          "INSERT INTO calibrations (step, title, hash, verdict, message, time_us, residual,"
                          " residual_limit, duration_s, unit, quantities, data, data_hash)"
                          " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                          error);

  if (statement == NULL)
    return FALSE;
  bind_text (statement, 1, calibration->step);
  bind_text (statement, 2, calibration->title);
  bind_text (statement, 3, calibration->hash);
  bind_text (statement, 4, calibration->verdict);
  bind_text (statement, 5, calibration->message);
  sqlite3_bind_int64 (statement, 6, calibration->time_us);
  sqlite3_bind_double (statement, 7, calibration->residual);
  sqlite3_bind_double (statement, 8, calibration->limit);
  sqlite3_bind_double (statement, 9, calibration->duration_s);
  bind_text (statement, 10, calibration->unit);
  bind_quantities (statement, 11, calibration->values);
  lb_session_bind_bytes (statement, 12, result);
  bind_hash (statement, 13, result);
  return lb_session_run_statement (store, statement, &task->id, error);
}

/**
 * lb_session_add_calibration:
 * @self: a session
 * @calibration: to store; its id is not looked at
 * @id: (out) (optional): what it is known by from now on
 * @error: WRITE
 *
 * Returns when it is on disk.
 */
gboolean
lb_session_add_calibration (LbSession *self,
                            const LbSessionCalibration *calibration,
                            gint64 *id,
                            GError **error)
{
  CalibrationTask task = { .calibration = calibration };

  g_return_val_if_fail (LB_IS_SESSION (self), FALSE);
  g_return_val_if_fail (calibration != NULL && calibration->step != NULL, FALSE);

  if (!lb_session_run_task (self, add_calibration, &task, error))
    return FALSE;
  if (id != NULL)
    *id = task.id;
  return TRUE;
}

typedef struct
{
  gint64 run;
  const char *kind;
  LbRunState state;
  const LbQuantities *quantities;
  const char *message;
} RunTask;

static gboolean
begin_run (LbSessionStore *store, gpointer data, GError **error)
{
  RunTask *task = data;
  sqlite3_stmt *statement =
      lb_session_prepare (store, "INSERT INTO runs (kind, started_us, settings) VALUES (?, ?, ?)", error);

  if (statement == NULL)
    return FALSE;
  bind_text (statement, 1, task->kind);
  sqlite3_bind_int64 (statement, 2, g_get_real_time ());
  bind_quantities (statement, 3, task->quantities);
  return lb_session_run_statement (store, statement, &task->run, error);
}

/**
 * lb_session_begin_run:
 * @self: a session
 * @kind: of run
 * @settings: (nullable): what it is set to
 * @run: (out): what it is known by from now on
 * @error: WRITE
 *
 * Returns when it is on disk.
 */
gboolean
lb_session_begin_run (
    LbSession *self, const char *kind, const LbQuantities *settings, gint64 *run, GError **error)
{
  RunTask task = { .kind = kind, .quantities = settings };

  g_return_val_if_fail (LB_IS_SESSION (self), FALSE);
  g_return_val_if_fail (kind != NULL, FALSE);
  g_return_val_if_fail (run != NULL, FALSE);

  if (!lb_session_run_task (self, begin_run, &task, error))
    return FALSE;
  *run = task.run;
  return TRUE;
}

static gint64
known_count (GHashTable *counts, gint64 run)
{
  const gint64 *count = g_hash_table_lookup (counts, &run);

  return count != NULL ? *count : 0;
}

static gboolean
finish_run (LbSessionStore *store, gpointer data, GError **error)
{
  const RunTask *task = data;
  g_autofree char *hash = NULL;
  sqlite3_stmt *statement;
  gint64 runs;

  runs = lb_session_count (store, "SELECT count (*) FROM runs WHERE id = ?", task->run, error);
  if (runs == 0)
    g_set_error (error, LB_SESSION_ERROR, LB_SESSION_ERROR_NOT_FOUND, _ ("%s: there is no run %lld to end"),
                 store->path, (long long) task->run);
  if (runs <= 0)
    return FALSE;
  hash = lb_session_hash_rows_of_run (store, task->run, error);
  if (hash == NULL)
    return FALSE;
  statement = lb_session_prepare (
      store,
      "INSERT INTO run_ends (id, state, finished_us, results, message, row_count, row_hash)"
      " VALUES (?, ?, ?, ?, ?, ?, ?)",
      error);
  if (statement == NULL)
    return FALSE;
  sqlite3_bind_int64 (statement, 1, task->run);
  sqlite3_bind_int64 (statement, 2, task->state);
  sqlite3_bind_int64 (statement, 3, g_get_real_time ());
  bind_quantities (statement, 4, task->quantities);
  bind_text (statement, 5, task->message);
  /* Rows that were lost belong to the run: without them it is not whole. */
  sqlite3_bind_int64 (
      statement, 6, known_count (store->rows_stored, task->run) + known_count (store->rows_lost, task->run));
  bind_text (statement, 7, hash);
  return lb_session_run_statement (store, statement, NULL, error);
}

/**
 * lb_session_finish_run:
 * @self: a session
 * @run: that is to end
 * @state: FINISHED, ABORTED or FAILED
 * @results: (nullable): what it found
 * @message: (nullable): why it failed
 * @error: NOT_FOUND or WRITE; a run ends once
 *
 * Returns when the run with all its rows is on disk. No rows can be added
 * after that.
 */
gboolean
lb_session_finish_run (LbSession *self,
                       gint64 run,
                       LbRunState state,
                       const LbQuantities *results,
                       const char *message,
                       GError **error)
{
  RunTask task = { .run = run, .state = state, .quantities = results, .message = message };

  g_return_val_if_fail (LB_IS_SESSION (self), FALSE);
  g_return_val_if_fail (state > LB_RUN_RUNNING && state <= LB_RUN_FAILED, FALSE);

  return lb_session_run_task (self, finish_run, &task, error);
}

typedef struct
{
  gint64 run;
  gint64 calibration;
  const char *name;
  GBytes *bytes;
} FigureTask;

static gboolean
add_figure (LbSessionStore *store, gpointer data, GError **error)
{
  const FigureTask *task = data;
  sqlite3_stmt *statement = lb_session_prepare (
      store, "INSERT INTO figures (run, calibration, name, data, data_hash) VALUES (?, ?, ?, ?, ?)", error);

  if (statement == NULL)
    return FALSE;
  if (task->run != 0)
    sqlite3_bind_int64 (statement, 1, task->run);
  if (task->calibration != 0)
    sqlite3_bind_int64 (statement, 2, task->calibration);
  bind_text (statement, 3, task->name);
  lb_session_bind_bytes (statement, 4, task->bytes);
  bind_hash (statement, 5, task->bytes);
  return lb_session_run_statement (store, statement, NULL, error);
}

static gboolean
store_figure (
    LbSession *self, gint64 run, gint64 calibration, const char *name, const LbFigure *figure, GError **error)
{
  g_autoptr (GBytes) bytes = lb_session_variant_to_bytes (lb_figure_to_variant (figure));
  FigureTask task = { run, calibration, name, bytes };

  return lb_session_run_task (self, add_figure, &task, error);
}

/**
 * lb_session_add_figure:
 * @self: a session
 * @run: that the figure belongs to
 * @name: of the figure within the run
 * @figure: to store
 * @error: WRITE
 *
 * Returns when it is on disk.
 */
gboolean
lb_session_add_figure (LbSession *self, gint64 run, const char *name, const LbFigure *figure, GError **error)
{
  g_return_val_if_fail (LB_IS_SESSION (self), FALSE);
  g_return_val_if_fail (run > 0, FALSE);
  g_return_val_if_fail (name != NULL && figure != NULL, FALSE);

  return store_figure (self, run, 0, name, figure, error);
}

/* As lb_session_add_figure(), for a calibration. */
gboolean
lb_session_add_figure_of_calibration (
    LbSession *self, gint64 calibration, const char *name, const LbFigure *figure, GError **error)
{
  g_return_val_if_fail (LB_IS_SESSION (self), FALSE);
  g_return_val_if_fail (calibration > 0, FALSE);
  g_return_val_if_fail (name != NULL && figure != NULL, FALSE);

  return store_figure (self, 0, calibration, name, figure, error);
}

/**
 * lb_session_add_rows:
 * @self: a session
 * @run: that they belong to
 * @rows: to store; copied
 * @count: number of rows
 * @durable: (nullable): called once in the writer thread, when all of them are
 *   on disk, or with why they are not; it may add rows, but not wait for the
 *   session. Of a closed session it is called at once, in this thread.
 * @user_data: for @durable
 *
 * Queues rows and returns at once.
 */
void
lb_session_add_rows (LbSession *self,
                     gint64 run,
                     const LbSessionRow *rows,
                     gsize count,
                     LbSessionDurableFunc durable,
                     gpointer user_data)
{
  g_autoptr (GError) error = NULL;
  LbSessionWriter *writer;

  g_return_if_fail (LB_IS_SESSION (self));
  g_return_if_fail (rows != NULL || count == 0);

  writer = lb_session_acquire (self, &error);
  if (writer != NULL)
    lb_session_writer_add_rows (writer, run, rows, count, durable, user_data);
  lb_session_release (self);
  if (error != NULL && durable != NULL)
    durable (user_data, error);
}
