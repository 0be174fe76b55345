/* SPDX-License-Identifier: GPL-3.0-or-later */

#include <glib/gi18n-lib.h>
#include <math.h>
#include "lb-session-private.h"

#define COLUMNS                                                                                              \
  "sentinels (id INTEGER PRIMARY KEY, run INTEGER NOT NULL, rows_before INTEGER NOT NULL,"                   \
  " time_us INTEGER NOT NULL, residual REAL, residual_limit REAL, slope REAL, passed INTEGER NOT NULL);"

gboolean
lb_session_ensure_sentinels (LbSessionStore *store, GError **error)
{
  gint64 there = lb_session_count (
      store, "SELECT count (*) FROM sqlite_master WHERE type = 'table' AND name = 'sentinels'", 0, error);

  if (there != 0)
    return there > 0;
  if (store->read_only)
    return lb_session_execute (store, "CREATE TEMP TABLE " COLUMNS, error);
  return lb_session_execute (store,
                             "BEGIN EXCLUSIVE; CREATE TABLE " COLUMNS
                             "CREATE TRIGGER sentinels_no_update BEFORE UPDATE ON sentinels"
                             " BEGIN SELECT RAISE (ABORT, 'sessions are append-only'); END;"
                             "CREATE TRIGGER sentinels_no_delete BEFORE DELETE ON sentinels"
                             " BEGIN SELECT RAISE (ABORT, 'sessions are append-only'); END; COMMIT",
                             error);
}

typedef struct
{
  gint64 run;
  const LbSessionSentinel *sentinel;
  GArray *list;
} SentinelTask;

static gboolean
add_sentinel (LbSessionStore *store, gpointer data, GError **error)
{
  const SentinelTask *task = data;
  const LbSessionSentinel *sentinel = task->sentinel;
  gint64 rows = lb_session_count (store, "SELECT count (*) FROM rows WHERE run = ?", task->run, error);
  sqlite3_stmt *statement =
      rows < 0 ? NULL
               : lb_session_prepare (store,
                                     "INSERT INTO sentinels (run, rows_before, time_us, residual,"
                                     " residual_limit, slope, passed) VALUES (?, ?, ?, ?, ?, ?, ?)",
                                     error);

  if (statement == NULL)
    return FALSE;
  sqlite3_bind_int64 (statement, 1, task->run);
  sqlite3_bind_int64 (statement, 2, rows);
  sqlite3_bind_int64 (statement, 3, g_get_real_time ());
  /* SQLite makes NULL of what is not a number. */
  sqlite3_bind_double (statement, 4, sentinel->residual);
  sqlite3_bind_double (statement, 5, sentinel->limit);
  sqlite3_bind_double (statement, 6, sentinel->slope);
  sqlite3_bind_int (statement, 7, sentinel->passed);
  return lb_session_run_statement (store, statement, NULL, error);
}

/**
 * lb_session_add_sentinel:
 * @self: a session
 * @run: that it was measured in
 * @sentinel: its residual, limit, slope, and whether it passed
 * @error: WRITE
 *
 * The rows since the sentinel before, and those until the next one, are in doubt
 * if it failed. Returns when it is on disk.
 */
gboolean
lb_session_add_sentinel (LbSession *self, gint64 run, const LbSessionSentinel *sentinel, GError **error)
{
  SentinelTask task = { .run = run, .sentinel = sentinel };

  g_return_val_if_fail (LB_IS_SESSION (self), FALSE);
  g_return_val_if_fail (run > 0 && sentinel != NULL, FALSE);

  return lb_session_run_task (self, add_sentinel, &task, error);
}

static double
column_real (sqlite3_stmt *statement, int column)
{
  return sqlite3_column_type (statement, column) == SQLITE_NULL ? (double) NAN
                                                                : sqlite3_column_double (statement, column);
}

static gboolean
list_sentinels (LbSessionStore *store, gpointer data, GError **error)
{
  SentinelTask *task = data;
  g_autoptr (sqlite3_stmt) statement = lb_session_prepare (
      store,
      "SELECT rows_before, time_us, residual, residual_limit, slope, passed FROM sentinels"
      " WHERE run = ? ORDER BY id",
      error);
  int code;

  if (statement == NULL)
    return FALSE;
  sqlite3_bind_int64 (statement, 1, task->run);
  while ((code = sqlite3_step (statement)) == SQLITE_ROW)
    {
      const LbSessionSentinel sentinel = {
        .rows_before = sqlite3_column_int64 (statement, 0),
        .time_us = sqlite3_column_int64 (statement, 1),
        .residual = column_real (statement, 2),
        .limit = column_real (statement, 3),
        .slope = column_real (statement, 4),
        .passed = sqlite3_column_int (statement, 5) != 0,
      };

      g_array_append_val (task->list, sentinel);
    }
  if (code != SQLITE_DONE)
    lb_session_set_sqlite_error (error, store, code, _ ("cannot read"));
  return code == SQLITE_DONE;
}

/**
 * lb_session_list_sentinels:
 * @self: a session
 * @run: that they were measured in
 * @error: FORMAT
 *
 * Returns: (transfer full): of #LbSessionSentinel, in their order
 */
GArray *
lb_session_list_sentinels (LbSession *self, gint64 run, GError **error)
{
  g_autoptr (GArray) sentinels = g_array_new (FALSE, FALSE, sizeof (LbSessionSentinel));
  SentinelTask task = { .run = run, .list = sentinels };

  g_return_val_if_fail (LB_IS_SESSION (self), NULL);

  return lb_session_run_task (self, list_sentinels, &task, error) ? g_steal_pointer (&sentinels) : NULL;
}

gboolean
lb_session_mark_rows (LbSessionStore *store, gint64 run, GArray *rows, GError **error)
{
  g_autoptr (GArray) sentinels = g_array_new (FALSE, FALSE, sizeof (LbSessionSentinel));
  SentinelTask task = { .run = run, .list = sentinels };
  gboolean failed_before = FALSE;
  guint row = 0;

  if (!list_sentinels (store, &task, error))
    return FALSE;
  for (guint i = 0; i <= sentinels->len; i++)
    {
      const LbSessionSentinel *after =
          i < sentinels->len ? &g_array_index (sentinels, LbSessionSentinel, i) : NULL;
      const gboolean in_doubt = failed_before || (after != NULL && !after->passed);

      for (; row < rows->len && (after == NULL || row < after->rows_before); row++)
        g_array_index (rows, LbSessionRow, row).in_doubt = in_doubt;
      failed_before = after != NULL && !after->passed;
    }
  return TRUE;
}
