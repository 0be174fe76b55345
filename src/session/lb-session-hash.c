/* SPDX-License-Identifier: GPL-3.0-or-later */

#include <glib/gi18n-lib.h>
#include <math.h>
#include <string.h>
#include "lb-session-private.h"

static void
hash_integer (GChecksum *checksum, guint64 value)
{
  guint64 bytes = GUINT64_TO_LE (value);

  g_checksum_update (checksum, (const guchar *) &bytes, sizeof bytes);
}

/* One letter for the kind, then the value: numbers as 8 bytes, little-endian,
 * texts and blobs with their length before. */
static void
hash_column (GChecksum *checksum, sqlite3_stmt *statement, int column)
{
  int type = sqlite3_column_type (statement, column);
  double real;
  guint64 bits;

  switch (type)
    {
    case SQLITE_INTEGER:
      g_checksum_update (checksum, (const guchar *) "i", 1);
      hash_integer (checksum, (guint64) sqlite3_column_int64 (statement, column));
      break;
    case SQLITE_FLOAT:
      g_checksum_update (checksum, (const guchar *) "r", 1);
      real = sqlite3_column_double (statement, column);
      memcpy (&bits, &real, sizeof bits);
      hash_integer (checksum, bits);
      break;
    case SQLITE_NULL:
      g_checksum_update (checksum, (const guchar *) "n", 1);
      break;
    default:
      g_checksum_update (checksum, (const guchar *) (type == SQLITE_TEXT ? "t" : "b"), 1);
      hash_integer (checksum, (guint64) sqlite3_column_bytes (statement, column));
      if (sqlite3_column_bytes (statement, column) > 0)
        g_checksum_update (checksum, sqlite3_column_blob (statement, column),
                           sqlite3_column_bytes (statement, column));
      break;
    }
}

char *
lb_session_hash_statement (LbSessionStore *store, sqlite3_stmt *statement, GError **error)
{
  g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);
  int columns = sqlite3_column_count (statement);
  int code;

  for (int i = 0; i < columns; i++)
    {
      const char *name = sqlite3_column_name (statement, i);

      g_checksum_update (checksum, (const guchar *) name, (gssize) strlen (name) + 1);
    }
  while ((code = sqlite3_step (statement)) == SQLITE_ROW)
    for (int i = 0; i < columns; i++)
      hash_column (checksum, statement, i);
  if (code != SQLITE_DONE)
    {
      lb_session_set_sqlite_error (error, store, code, _ ("cannot read"));
      return NULL;
    }
  return g_strdup (g_checksum_get_string (checksum));
}

char *
lb_session_hash_rows_of_run (LbSessionStore *store, gint64 run, GError **error)
{
  g_autoptr (sqlite3_stmt) statement =
      lb_session_prepare (store, "SELECT * FROM rows WHERE run = ? ORDER BY id", error);

  if (statement == NULL)
    return NULL;
  sqlite3_bind_int64 (statement, 1, run);
  return lb_session_hash_statement (store, statement, error);
}

typedef struct
{
  const char *table;
  char *hash;
} HashTask;

static gboolean
hash_table (LbSessionStore *store, gpointer data, GError **error)
{
  HashTask *task = data;
  g_autofree char *sql = g_strdup_printf ("SELECT * FROM %s ORDER BY id", task->table);
  g_autoptr (sqlite3_stmt) statement = lb_session_prepare (store, sql, error);

  if (statement == NULL)
    return FALSE;
  task->hash = lb_session_hash_statement (store, statement, error);
  return task->hash != NULL;
}

/**
 * lb_session_hash_table:
 * @self: a session
 * @table: one of lb_session_tables
 * @error: NOT_FOUND for another table, FORMAT where it cannot be read
 *
 * Returns: SHA-256 over the names of the columns and all rows in the order of
 *   their ids, hex; the same contents give the same hash in any file
 */
char *
lb_session_hash_table (LbSession *self, const char *table, GError **error)
{
  HashTask task = { .table = table };
  LbSessionWriter *writer;
  gboolean done;

  g_return_val_if_fail (LB_IS_SESSION (self), NULL);
  g_return_val_if_fail (table != NULL, NULL);

  if (!g_strv_contains (lb_session_tables, table))
    {
      g_set_error (error, LB_SESSION_ERROR, LB_SESSION_ERROR_NOT_FOUND,
                   _ ("%s: there is no table \"%s\" in a session"), lb_session_get_path (self), table);
      return NULL;
    }
  writer = lb_session_acquire (self, error);
  done = writer != NULL && lb_session_writer_run (writer, hash_table, &task, error);
  lb_session_release (self);
  return done ? task.hash : NULL;
}

static char *
hash_up_to (LbSessionStore *store, const char *table, gint64 last_id, GError **error)
{
  g_autofree char *sql = g_strdup_printf ("SELECT * FROM %s WHERE id <= ? ORDER BY id", table);
  g_autoptr (sqlite3_stmt) statement = lb_session_prepare (store, sql, error);

  if (statement == NULL)
    return NULL;
  sqlite3_bind_int64 (statement, 1, last_id);
  return lb_session_hash_statement (store, statement, error);
}

/* The last id of @table that is sealed, and the hash up to there; 0 and NULL
 * if nothing is. */
static gboolean
find_seal (LbSessionStore *store, const char *table, gint64 *last_id, char **hash, GError **error)
{
  g_autoptr (sqlite3_stmt) statement = lb_session_prepare (
      store, "SELECT last_id, hash FROM seals WHERE of_table = ? ORDER BY id DESC LIMIT 1", error);
  int code;

  *last_id = 0;
  *hash = NULL;
  if (statement == NULL)
    return FALSE;
  sqlite3_bind_text (statement, 1, table, -1, SQLITE_TRANSIENT);
  code = sqlite3_step (statement);
  if (code == SQLITE_ROW)
    {
      *last_id = sqlite3_column_int64 (statement, 0);
      *hash = g_strdup ((const char *) sqlite3_column_text (statement, 1));
    }
  else if (code != SQLITE_DONE)
    {
      lb_session_set_sqlite_error (error, store, code, _ ("cannot read"));
    }
  return code == SQLITE_ROW || code == SQLITE_DONE;
}

static gboolean
seal_table (LbSessionStore *store, const char *table, GError **error)
{
  g_autofree char *sql = g_strdup_printf ("SELECT coalesce (max (id), 0) FROM %s", table);
  g_autofree char *sealed = NULL, *hash = NULL;
  gint64 last_id = lb_session_count (store, sql, 0, error), sealed_id;
  sqlite3_stmt *statement;

  if (last_id < 0 || !find_seal (store, table, &sealed_id, &sealed, error))
    return FALSE;
  if (last_id == sealed_id)
    return TRUE;
  hash = hash_up_to (store, table, last_id, error);
  if (hash == NULL)
    return FALSE;
  statement =
      lb_session_prepare (store, "INSERT INTO seals (of_table, last_id, hash) VALUES (?, ?, ?)", error);
  if (statement == NULL)
    return FALSE;
  sqlite3_bind_text (statement, 1, table, -1, SQLITE_TRANSIENT);
  sqlite3_bind_int64 (statement, 2, last_id);
  sqlite3_bind_text (statement, 3, hash, -1, SQLITE_TRANSIENT);
  return lb_session_run_statement (store, statement, NULL, error);
}

gboolean
lb_session_seal (LbSessionStore *store, GError **error)
{
  if (!lb_session_execute (store, "BEGIN IMMEDIATE", error))
    return FALSE;
  for (guint i = 0; lb_session_tables[i] != NULL; i++)
    if (!seal_table (store, lb_session_tables[i], error))
      {
        sqlite3_exec (store->handle, "ROLLBACK", NULL, NULL, NULL);
        return FALSE;
      }
  return lb_session_execute (store, "COMMIT", error);
}

static void
set_damaged (GError **error, const LbSessionStore *store, const char *what)
{
  g_set_error (error, LB_SESSION_ERROR, LB_SESSION_ERROR_FORMAT,
               _ ("%s: the session is damaged: %s; use a copy of it"), store->path, what);
}

static gboolean
verify_structure (LbSessionStore *store, GError **error)
{
  g_autoptr (sqlite3_stmt) integrity = lb_session_prepare (store, "PRAGMA integrity_check (1)", error);
  g_autoptr (sqlite3_stmt) references = lb_session_prepare (store, "PRAGMA foreign_key_check", error);
  const char *answer;

  if (integrity == NULL || references == NULL)
    return FALSE;
  if (sqlite3_step (integrity) != SQLITE_ROW)
    {
      set_damaged (error, store, sqlite3_errmsg (store->handle));
      return FALSE;
    }
  answer = (const char *) sqlite3_column_text (integrity, 0);
  if (g_strcmp0 (answer, "ok") != 0)
    {
      set_damaged (error, store, answer != NULL ? answer : "?");
      return FALSE;
    }
  if (sqlite3_step (references) != SQLITE_DONE)
    {
      set_damaged (error, store, _ ("something belongs to a run or a calibration that is not there"));
      return FALSE;
    }
  return TRUE;
}

static gboolean
verify_runs (LbSessionStore *store, GError **error)
{
  g_autoptr (sqlite3_stmt) ends =
      lb_session_prepare (store, "SELECT id, row_count, row_hash FROM run_ends", error);
  int code;

  if (ends == NULL)
    return FALSE;
  while ((code = sqlite3_step (ends)) == SQLITE_ROW)
    {
      gint64 run = sqlite3_column_int64 (ends, 0), expected = sqlite3_column_int64 (ends, 1);
      gint64 found = lb_session_count (store, "SELECT count (*) FROM rows WHERE run = ?", run, error);
      g_autofree char *hash = lb_session_hash_rows_of_run (store, run, error);
      g_autofree char *what = NULL;

      if (found < 0 || hash == NULL)
        return FALSE;
      if (found != expected)
        what = g_strdup_printf (_ ("run %lld has %lld rows of %lld"), (long long) run, (long long) found,
                                (long long) expected);
      else if (g_strcmp0 (hash, (const char *) sqlite3_column_text (ends, 2)) != 0)
        what = g_strdup_printf (_ ("the rows of run %lld are not those that were measured"), (long long) run);
      if (what != NULL)
        {
          set_damaged (error, store, what);
          return FALSE;
        }
    }
  if (code != SQLITE_DONE)
    set_damaged (error, store, sqlite3_errmsg (store->handle));
  return code == SQLITE_DONE;
}

/* Whether the blobs of @table are those that were stored. */
static gboolean
verify_blobs (LbSessionStore *store, const char *table, GError **error)
{
  g_autofree char *sql = g_strdup_printf ("SELECT id, data, data_hash FROM %s", table);
  g_autoptr (sqlite3_stmt) statement = lb_session_prepare (store, sql, error);
  int code;

  if (statement == NULL)
    return FALSE;
  while ((code = sqlite3_step (statement)) == SQLITE_ROW)
    {
      gsize size = (gsize) sqlite3_column_bytes (statement, 1);
      const void *data = sqlite3_column_blob (statement, 1);
      g_autofree char *hash =
          g_compute_checksum_for_data (G_CHECKSUM_SHA256, data != NULL ? data : (const void *) "", size);

      if (g_strcmp0 (hash, (const char *) sqlite3_column_text (statement, 2)) != 0)
        {
          g_autofree char *what = g_strdup_printf (_ ("entry %lld of %s is not what was stored"),
                                                   (long long) sqlite3_column_int64 (statement, 0), table);

          set_damaged (error, store, what);
          return FALSE;
        }
    }
  if (code != SQLITE_DONE)
    set_damaged (error, store, sqlite3_errmsg (store->handle));
  return code == SQLITE_DONE;
}

static gboolean
verify_seals (LbSessionStore *store, GError **error)
{
  for (guint i = 0; lb_session_tables[i] != NULL; i++)
    {
      g_autofree char *sealed = NULL, *hash = NULL, *what = NULL;
      gint64 last_id;

      if (!find_seal (store, lb_session_tables[i], &last_id, &sealed, error))
        return FALSE;
      if (sealed == NULL)
        continue;
      hash = hash_up_to (store, lb_session_tables[i], last_id, error);
      if (hash == NULL)
        return FALSE;
      if (g_str_equal (hash, sealed))
        continue;
      what = g_strdup_printf (_ ("the table %s is not what it was when the session was closed"),
                              lb_session_tables[i]);
      set_damaged (error, store, what);
      return FALSE;
    }
  return TRUE;
}

static gboolean
verify (LbSessionStore *store, gpointer data, GError **error)
{
  return verify_structure (store, error) && verify_runs (store, error) &&
         verify_blobs (store, "calibrations", error) && verify_blobs (store, "figures", error) &&
         verify_seals (store, error);
}

/**
 * lb_session_verify:
 * @self: a session
 * @error: FORMAT, naming the damage
 *
 * Checks the file's structure, that all belongs together, that every run that
 * has ended has its rows, the hashes of rows, calibrations and figures, and
 * that all tables begin as they were when the session was closed last.
 */
gboolean
lb_session_verify (LbSession *self, GError **error)
{
  LbSessionWriter *writer;
  gboolean whole;

  g_return_val_if_fail (LB_IS_SESSION (self), FALSE);

  writer = lb_session_acquire (self, error);
  whole = writer != NULL && lb_session_writer_run (writer, verify, NULL, error);
  lb_session_release (self);
  return whole;
}
