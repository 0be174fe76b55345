/* SPDX-License-Identifier: GPL-3.0-or-later */

#include <glib/gi18n-lib.h>
#include <math.h>
#include "lb-session-private.h"

/* One function reads all lists: what one row of the answer becomes is a
 * matter of a function each. */
typedef gpointer (*ReadRow) (LbSessionStore *store, sqlite3_stmt *statement, GError **error);

typedef struct
{
  const char *sql;
  gint64 arguments[2];
  ReadRow read;
  GPtrArray *list;
} ListTask;

static char *
column_text (sqlite3_stmt *statement, int column)
{
  return g_strdup ((const char *) sqlite3_column_text (statement, column));
}

static double
column_real (sqlite3_stmt *statement, int column)
{
  return sqlite3_column_type (statement, column) == SQLITE_NULL ? (double) NAN
                                                                : sqlite3_column_double (statement, column);
}

static LbQuantities *
column_quantities (sqlite3_stmt *statement, int column, GError **error)
{
  return lb_session_bytes_to_quantities (sqlite3_column_blob (statement, column),
                                         (gsize) sqlite3_column_bytes (statement, column), error);
}

static gboolean
read_list (LbSessionStore *store, gpointer data, GError **error)
{
  ListTask *task = data;
  g_autoptr (sqlite3_stmt) statement = lb_session_prepare (store, task->sql, error);
  int code;

  if (statement == NULL)
    return FALSE;
  for (int i = 0; i < sqlite3_bind_parameter_count (statement); i++)
    sqlite3_bind_int64 (statement, i + 1, task->arguments[i]);
  while ((code = sqlite3_step (statement)) == SQLITE_ROW)
    {
      gpointer entry = task->read (store, statement, error);

      if (entry == NULL)
        {
          g_prefix_error (error, "%s: ", store->path);
          return FALSE;
        }
      g_ptr_array_add (task->list, entry);
    }
  if (code != SQLITE_DONE)
    lb_session_set_sqlite_error (error, store, code, _ ("cannot read"));
  return code == SQLITE_DONE;
}

static GPtrArray *
list (LbSession *self, ListTask *task, GDestroyNotify free_entry, GError **error)
{
  g_autoptr (GPtrArray) entries = g_ptr_array_new_with_free_func (free_entry);

  task->list = entries;
  return lb_session_run_task (self, read_list, task, error) ? g_steal_pointer (&entries) : NULL;
}

static gpointer
read_run (LbSessionStore *store, sqlite3_stmt *statement, GError **error)
{
  g_autoptr (LbSessionRun) run = g_new0 (LbSessionRun, 1);
  const gint64 *rows;

  run->id = sqlite3_column_int64 (statement, 0);
  run->kind = column_text (statement, 1);
  run->started_us = sqlite3_column_int64 (statement, 2);
  run->settings = column_quantities (statement, 3, error);
  if (run->settings == NULL)
    return NULL;
  rows = g_hash_table_lookup (store->rows_stored, &run->id);
  run->rows = rows != NULL ? *rows : 0;
  if (sqlite3_column_type (statement, 4) == SQLITE_NULL)
    return g_steal_pointer (&run);
  run->state = (LbRunState) sqlite3_column_int (statement, 4);
  run->finished_us = sqlite3_column_int64 (statement, 5);
  run->results = column_quantities (statement, 6, error);
  run->message = column_text (statement, 7);
  return run->results != NULL ? g_steal_pointer (&run) : NULL;
}

/**
 * lb_session_list_runs:
 * @self: a session
 * @error: FORMAT
 *
 * Returns: (transfer full): array of LbSessionRun, oldest first
 */
GPtrArray *
lb_session_list_runs (LbSession *self, GError **error)
{
  ListTask task = {
    .sql = "SELECT runs.id, kind, started_us, settings, state, finished_us, results, message"
           " FROM runs LEFT JOIN run_ends ON run_ends.id = runs.id ORDER BY runs.id",
    .read = read_run,
  };

  g_return_val_if_fail (LB_IS_SESSION (self), NULL);

  return list (self, &task, (GDestroyNotify) lb_session_run_free, error);
}

static gpointer
read_calibration (LbSessionStore *store, sqlite3_stmt *statement, GError **error)
{
  g_autoptr (LbSessionCalibration) calibration = g_new0 (LbSessionCalibration, 1);

  calibration->id = sqlite3_column_int64 (statement, 0);
  calibration->step = column_text (statement, 1);
  calibration->title = column_text (statement, 2);
  calibration->hash = column_text (statement, 3);
  calibration->verdict = column_text (statement, 4);
  calibration->message = column_text (statement, 5);
  calibration->time_us = sqlite3_column_int64 (statement, 6);
  calibration->residual = column_real (statement, 7);
  calibration->limit = column_real (statement, 8);
  calibration->duration_s = column_real (statement, 9);
  calibration->unit = column_text (statement, 10);
  calibration->values = column_quantities (statement, 11, error);
  return calibration->values != NULL ? g_steal_pointer (&calibration) : NULL;
}

/**
 * lb_session_list_calibrations:
 * @self: a session
 * @error: FORMAT
 *
 * Returns: (transfer full): array of LbSessionCalibration without their data,
 *   oldest first
 */
GPtrArray *
lb_session_list_calibrations (LbSession *self, GError **error)
{
  ListTask task = {
    .sql =
        "SELECT id, step, title, hash, verdict, message, time_us, residual, residual_limit, duration_s, unit,"
        " quantities FROM calibrations ORDER BY id",
    .read = read_calibration,
  };

  g_return_val_if_fail (LB_IS_SESSION (self), NULL);

  return list (self, &task, (GDestroyNotify) lb_session_calibration_free, error);
}

static void
free_figure (gpointer data)
{
  LbSessionFigure *figure = data;

  g_free (figure->name);
  g_clear_pointer (&figure->figure, lb_figure_unref);
  g_free (figure);
}

static gpointer
read_figure (LbSessionStore *store, sqlite3_stmt *statement, GError **error)
{
  g_autoptr (GVariant) variant = lb_session_bytes_to_variant (
      sqlite3_column_blob (statement, 1), (gsize) sqlite3_column_bytes (statement, 1), error);
  g_autoptr (LbFigure) figure = NULL;
  g_autoptr (GError) problem = NULL;
  LbSessionFigure *entry;

  if (variant == NULL)
    return NULL;
  figure = lb_figure_from_variant (variant, &problem);
  if (figure == NULL)
    {
      g_set_error (error, LB_SESSION_ERROR, LB_SESSION_ERROR_FORMAT, _ ("a stored figure is damaged: %s"),
                   problem->message);
      return NULL;
    }
  entry = g_new0 (LbSessionFigure, 1);
  entry->name = column_text (statement, 0);
  entry->figure = g_steal_pointer (&figure);
  return entry;
}

/**
 * lb_session_list_figures:
 * @self: a session
 * @run: whose figures, or 0
 * @calibration: whose figures, or 0
 * @error: FORMAT
 *
 * Returns: (transfer full): array of LbSessionFigure in the order in which
 *   they were added
 */
GPtrArray *
lb_session_list_figures (LbSession *self, gint64 run, gint64 calibration, GError **error)
{
  ListTask task = {
    .sql = run != 0 ? "SELECT name, data FROM figures WHERE run = ? ORDER BY id"
                    : "SELECT name, data FROM figures WHERE calibration = ? ORDER BY id",
    .arguments = { run != 0 ? run : calibration },
    .read = read_figure,
  };

  g_return_val_if_fail (LB_IS_SESSION (self), NULL);

  return list (self, &task, free_figure, error);
}

static void
free_note (gpointer data)
{
  LbSessionNote *note = data;

  g_free (note->text);
  g_free (note);
}

static gpointer
read_note (LbSessionStore *store, sqlite3_stmt *statement, GError **error)
{
  LbSessionNote *note = g_new0 (LbSessionNote, 1);

  note->time_us = sqlite3_column_int64 (statement, 0);
  note->text = column_text (statement, 1);
  return note;
}

/**
 * lb_session_list_notes:
 * @self: a session
 * @error: FORMAT
 *
 * Returns: (transfer full): array of LbSessionNote, oldest first
 */
GPtrArray *
lb_session_list_notes (LbSession *self, GError **error)
{
  ListTask task = { .sql = "SELECT time_us, text FROM notes ORDER BY id", .read = read_note };

  g_return_val_if_fail (LB_IS_SESSION (self), NULL);

  return list (self, &task, free_note, error);
}

typedef struct
{
  gint64 id;
  GBytes *data;
} DataTask;

static gboolean
read_data (LbSessionStore *store, gpointer data, GError **error)
{
  DataTask *task = data;
  g_autoptr (sqlite3_stmt) statement =
      lb_session_prepare (store, "SELECT data FROM calibrations WHERE id = ?", error);
  int code;

  if (statement == NULL)
    return FALSE;
  sqlite3_bind_int64 (statement, 1, task->id);
  code = sqlite3_step (statement);
  if (code == SQLITE_ROW)
    task->data =
        g_bytes_new (sqlite3_column_blob (statement, 0), (gsize) sqlite3_column_bytes (statement, 0));
  else if (code == SQLITE_DONE)
    g_set_error (error, LB_SESSION_ERROR, LB_SESSION_ERROR_NOT_FOUND, _ ("%s: there is no calibration %lld"),
                 store->path, (long long) task->id);
  else
    lb_session_set_sqlite_error (error, store, code, _ ("cannot read"));
  return code == SQLITE_ROW;
}

/**
 * lb_session_get_calibration_data:
 * @self: a session
 * @id: of the calibration
 * @error: NOT_FOUND or FORMAT
 *
 * Returns: (transfer full): the whole result as it was stored
 */
GBytes *
lb_session_get_calibration_data (LbSession *self, gint64 id, GError **error)
{
  DataTask task = { .id = id };

  g_return_val_if_fail (LB_IS_SESSION (self), NULL);

  return lb_session_run_task (self, read_data, &task, error) ? task.data : NULL;
}

typedef struct
{
  gint64 run;
  GArray *rows;
} RowsTask;

static gboolean
read_rows (LbSessionStore *store, gpointer data, GError **error)
{
  RowsTask *task = data;
  g_autoptr (sqlite3_stmt) statement =
      lb_session_prepare (store,
                          "SELECT output_row, output_column, part, exposures, measured, ideal, uncalibrated,"
                          " raw_pp, raw_mp, raw_pm, raw_mm FROM rows WHERE run = ? ORDER BY id",
                          error);
  int code;

  if (statement == NULL)
    return FALSE;
  sqlite3_bind_int64 (statement, 1, task->run);
  while ((code = sqlite3_step (statement)) == SQLITE_ROW)
    {
      LbSessionRow row = {
        .row = (guint32) sqlite3_column_int64 (statement, 0),
        .column = (guint32) sqlite3_column_int64 (statement, 1),
        .group = (guint32) sqlite3_column_int64 (statement, 2),
        .exposures = (guint32) sqlite3_column_int64 (statement, 3),
        .measured = column_real (statement, 4),
        .ideal = column_real (statement, 5),
        .uncalibrated = column_real (statement, 6),
      };

      for (int i = 0; i < 4; i++)
        row.raw[i] = column_real (statement, 7 + i);
      g_array_append_val (task->rows, row);
    }
  if (code != SQLITE_DONE)
    lb_session_set_sqlite_error (error, store, code, _ ("cannot read"));
  return code == SQLITE_DONE && lb_session_mark_rows (store, task->run, task->rows, error);
}

/**
 * lb_session_get_rows:
 * @self: a session
 * @run: whose rows
 * @error: FORMAT
 *
 * Returns: (transfer full): array of LbSessionRow in the order in which they
 *   were added; empty for a run that has none
 */
GArray *
lb_session_get_rows (LbSession *self, gint64 run, GError **error)
{
  g_autoptr (GArray) rows = g_array_new (FALSE, FALSE, sizeof (LbSessionRow));
  RowsTask task = { .run = run, .rows = rows };

  g_return_val_if_fail (LB_IS_SESSION (self), NULL);

  return lb_session_run_task (self, read_rows, &task, error) ? g_steal_pointer (&rows) : NULL;
}

typedef struct
{
  const char *sql;
  gint64 value;
} NumberTask;

static gboolean
read_number (LbSessionStore *store, gpointer data, GError **error)
{
  NumberTask *task = data;

  task->value = lb_session_count (store, task->sql, 0, error);
  return task->value >= 0;
}

/* A number that every readable session has; 0 with a warning else. */
static gint64
get_number (LbSession *self, const char *sql)
{
  NumberTask task = { .sql = sql };
  g_autoptr (GError) error = NULL;

  if (lb_session_run_task (self, read_number, &task, &error))
    return task.value;
  g_warning ("%s", error->message);
  return 0;
}

/* Returns: bench time at which the last calibration or run ended; 0 in a new session */
gint64
lb_session_get_bench_time_us (LbSession *self)
{
  g_return_val_if_fail (LB_IS_SESSION (self), 0);

  return get_number (self, "SELECT time_us FROM bench_times ORDER BY id DESC LIMIT 1");
}

/* Returns: 1 more than the session has runs and calibrations */
guint64
lb_session_get_next_ordinal (LbSession *self)
{
  g_return_val_if_fail (LB_IS_SESSION (self), 1);

  return 1 + (guint64) get_number (
                 self, "SELECT (SELECT count (*) FROM runs) + (SELECT count (*) FROM calibrations)");
}
