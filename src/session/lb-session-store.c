/* SPDX-License-Identifier: GPL-3.0-or-later */

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n-lib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>
#include "lb-session-private.h"

/* Pages in the log that make SQLite move it into the file: 16 MiB. */
#define CHECKPOINT_PAGES "4000"

/* How long to wait for somebody who reads the file with another tool. */
#define BUSY_MS 1000

const char *const lb_session_tables[] = { "info", "bench_times", "calibrations", "runs",      "run_ends",
                                          "rows", "figures",     "notes",        "sentinels", NULL };

#define APPEND_ONLY(table)                                                                                   \
  "CREATE TRIGGER " table "_no_update BEFORE UPDATE ON " table                                               \
  " BEGIN SELECT RAISE (ABORT, 'sessions are append-only'); END;"                                            \
  "CREATE TRIGGER " table "_no_delete BEFORE DELETE ON " table                                               \
  " BEGIN SELECT RAISE (ABORT, 'sessions are append-only'); END;"

static const char schema[] =
    "CREATE TABLE info (id INTEGER PRIMARY KEY, setup_name TEXT NOT NULL, identities BLOB NOT NULL,"
    " created_us INTEGER NOT NULL);"
    "CREATE TABLE bench_times (id INTEGER PRIMARY KEY, time_us INTEGER NOT NULL);"
    "CREATE TABLE calibrations (id INTEGER PRIMARY KEY, step TEXT NOT NULL, title TEXT, hash TEXT, verdict "
    "TEXT,"
    " message TEXT, time_us INTEGER NOT NULL, residual REAL, residual_limit REAL, duration_s REAL, unit TEXT,"
    " quantities BLOB NOT NULL, data BLOB NOT NULL, data_hash TEXT NOT NULL);"
    "CREATE TABLE runs (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, started_us INTEGER NOT NULL,"
    " settings BLOB NOT NULL);"
    "CREATE TABLE run_ends (id INTEGER PRIMARY KEY REFERENCES runs (id), state INTEGER NOT NULL,"
    " finished_us INTEGER NOT NULL, results BLOB NOT NULL, message TEXT, row_count INTEGER NOT NULL,"
    " row_hash TEXT NOT NULL);"
    "CREATE TABLE rows (id INTEGER PRIMARY KEY, run INTEGER NOT NULL REFERENCES runs (id),"
    " output_row INTEGER NOT NULL, output_column INTEGER NOT NULL, part INTEGER NOT NULL,"
    " exposures INTEGER NOT NULL, measured REAL, ideal REAL, uncalibrated REAL,"
    " raw_pp REAL, raw_mp REAL, raw_pm REAL, raw_mm REAL);"
    "CREATE TABLE figures (id INTEGER PRIMARY KEY, run INTEGER REFERENCES runs (id),"
    " calibration INTEGER REFERENCES calibrations (id), name TEXT NOT NULL, data BLOB NOT NULL,"
    " data_hash TEXT NOT NULL, CHECK ((run IS NULL) <> (calibration IS NULL)));"
    "CREATE INDEX figures_of_runs ON figures (run);"
    "CREATE INDEX figures_of_calibrations ON figures (calibration);"
    "CREATE TABLE notes (id INTEGER PRIMARY KEY, time_us INTEGER NOT NULL, text TEXT NOT NULL);"
    "CREATE TABLE seals (id INTEGER PRIMARY KEY, of_table TEXT NOT NULL, last_id INTEGER NOT NULL,"
    " hash TEXT NOT NULL);"
    "CREATE TRIGGER rows_of_ended_run BEFORE INSERT ON rows WHEN EXISTS (SELECT 1 FROM run_ends WHERE id = "
    "NEW.run)"
    " BEGIN SELECT RAISE (ABORT, 'the run has ended'); END;" APPEND_ONLY ("info") APPEND_ONLY ("bench_times")
        APPEND_ONLY ("calibrations") APPEND_ONLY ("runs") APPEND_ONLY ("run_ends") APPEND_ONLY ("rows")
            APPEND_ONLY ("figures") APPEND_ONLY ("notes") APPEND_ONLY ("seals");

/* Says what could not be done, why, and what to do. */
void
lb_session_set_sqlite_error (GError **error, const LbSessionStore *store, int code, const char *doing)
{
  const char *reason = store->handle != NULL ? sqlite3_errmsg (store->handle) : sqlite3_errstr (code);

  switch (code & 0xFF)
    {
    case SQLITE_FULL:
      g_set_error (error, LB_SESSION_ERROR, LB_SESSION_ERROR_WRITE,
                   _ ("%s: %s: the disk is full; free some space; what was stored before is safe"),
                   store->path, doing);
      break;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      g_set_error (error, LB_SESSION_ERROR, LB_SESSION_ERROR_OPEN,
                   _ ("%s: %s: another program uses the session; close it there, or choose another file"),
                   store->path, doing);
      break;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      g_set_error (error, LB_SESSION_ERROR, LB_SESSION_ERROR_FORMAT,
                   _ ("%s: %s: the file is damaged (%s); use a copy of it, or begin a new session"),
                   store->path, doing, reason);
      break;
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
      g_set_error (error, LB_SESSION_ERROR, LB_SESSION_ERROR_OPEN,
                   _ ("%s: %s: %s; check the folder and its permissions"), store->path, doing, reason);
      break;
    case SQLITE_READONLY:
      g_set_error (error, LB_SESSION_ERROR, LB_SESSION_ERROR_WRITE,
                   _ ("%s: %s: the session is open for reading only"), store->path, doing);
      break;
    default:
      g_set_error (error, LB_SESSION_ERROR, LB_SESSION_ERROR_WRITE,
                   _ ("%s: %s: %s; check the disk; what was stored before is safe"), store->path, doing,
                   reason);
      break;
    }
}

gboolean
lb_session_execute (LbSessionStore *store, const char *sql, GError **error)
{
  int code = sqlite3_exec (store->handle, sql, NULL, NULL, NULL);

  if (code != SQLITE_OK)
    lb_session_set_sqlite_error (error, store, code, _ ("cannot write"));
  return code == SQLITE_OK;
}

sqlite3_stmt *
lb_session_prepare (LbSessionStore *store, const char *sql, GError **error)
{
  sqlite3_stmt *statement = NULL;
  int code = sqlite3_prepare_v2 (store->handle, sql, -1, &statement, NULL);

  /* The statements are sound: what they name is missing in the file. */
  if (code != SQLITE_OK)
    lb_session_set_sqlite_error (error, store, (code & 0xFF) == SQLITE_ERROR ? SQLITE_CORRUPT : code,
                                 _ ("cannot read"));
  return statement;
}

gboolean
lb_session_run_statement (LbSessionStore *store, sqlite3_stmt *statement, gint64 *id, GError **error)
{
  int code = sqlite3_step (statement);

  if (code != SQLITE_DONE)
    lb_session_set_sqlite_error (error, store, code, _ ("cannot write"));
  else if (id != NULL)
    *id = sqlite3_last_insert_rowid (store->handle);
  sqlite3_finalize (statement);
  return code == SQLITE_DONE;
}

/* The integer that @sql yields for @argument (its only parameter, if it has
 * one); -1 on error. */
gint64
lb_session_count (LbSessionStore *store, const char *sql, gint64 argument, GError **error)
{
  g_autoptr (sqlite3_stmt) statement = lb_session_prepare (store, sql, error);
  int code;

  if (statement == NULL)
    return -1;
  if (sqlite3_bind_parameter_count (statement) > 0)
    sqlite3_bind_int64 (statement, 1, argument);
  code = sqlite3_step (statement);
  if (code == SQLITE_ROW)
    return sqlite3_column_int64 (statement, 0);
  if (code == SQLITE_DONE)
    return 0;
  lb_session_set_sqlite_error (error, store, code, _ ("cannot read"));
  return -1;
}

/* Sets a pragma that answers with the value in force, and checks it. */
static gboolean
set_mode (LbSessionStore *store, const char *pragma, const char *expected, GError **error)
{
  g_autoptr (sqlite3_stmt) statement = lb_session_prepare (store, pragma, error);
  int code;

  if (statement == NULL)
    return FALSE;
  code = sqlite3_step (statement);
  if (code == SQLITE_ROW && g_strcmp0 ((const char *) sqlite3_column_text (statement, 0), expected) == 0)
    return TRUE;
  lb_session_set_sqlite_error (error, store, code == SQLITE_ROW ? SQLITE_IOERR : code, pragma);
  return FALSE;
}

static gboolean
create_tables (LbSessionStore *store, GError **error)
{
  g_autofree char *ids = g_strdup_printf ("PRAGMA application_id = %d; PRAGMA user_version = %d;",
                                          LB_SESSION_APPLICATION_ID, LB_SESSION_VERSION);

  return lb_session_execute (store, "BEGIN EXCLUSIVE", error) && lb_session_execute (store, schema, error) &&
         lb_session_execute (store, ids, error) && lb_session_execute (store, "COMMIT", error);
}

static gboolean
open_handle (LbSessionStore *store, const char *name, int flags, GError **error)
{
  int code =
      sqlite3_open_v2 (name, &store->handle, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);

  if (code != SQLITE_OK)
    {
      lb_session_set_sqlite_error (error, store, code, _ ("cannot be opened"));
      return FALSE;
    }
  sqlite3_busy_timeout (store->handle, BUSY_MS);
  return lb_session_execute (store,
                             "PRAGMA locking_mode = EXCLUSIVE; PRAGMA foreign_keys = ON;"
                             "PRAGMA recursive_triggers = ON; PRAGMA trusted_schema = OFF;"
                             "PRAGMA wal_autocheckpoint = " CHECKPOINT_PAGES ";",
                             error);
}

/* Whether all tables are there and can be counted. */
static gboolean
check_tables (LbSessionStore *store, GError **error)
{
  for (guint i = 0; lb_session_tables[i] != NULL; i++)
    {
      g_autofree char *sql = g_strdup_printf ("SELECT 1 FROM %s LIMIT 1", lb_session_tables[i]);
      g_autoptr (sqlite3_stmt) statement = NULL;
      int code = sqlite3_prepare_v2 (store->handle, sql, -1, &statement, NULL);

      if (code == SQLITE_OK)
        code = sqlite3_step (statement);
      if (code != SQLITE_ROW && code != SQLITE_DONE)
        {
          lb_session_set_sqlite_error (error, store, code == SQLITE_ERROR ? SQLITE_CORRUPT : code,
                                       _ ("cannot be opened"));
          return FALSE;
        }
    }
  return TRUE;
}

static gboolean
load_counts (LbSessionStore *store, GError **error)
{
  g_autoptr (sqlite3_stmt) statement =
      lb_session_prepare (store, "SELECT run, count (*) FROM rows GROUP BY run", error);
  int code;

  if (statement == NULL)
    return FALSE;
  while ((code = sqlite3_step (statement)) == SQLITE_ROW)
    {
      gint64 *run = g_new (gint64, 1), *count = g_new (gint64, 1);

      *run = sqlite3_column_int64 (statement, 0);
      *count = sqlite3_column_int64 (statement, 1);
      g_hash_table_insert (store->rows_stored, run, count);
    }
  if (code != SQLITE_DONE)
    lb_session_set_sqlite_error (error, store, code, _ ("cannot be opened"));
  return code == SQLITE_DONE;
}

static gboolean
open_writable (LbSessionStore *store, gboolean empty, GError **error)
{
  return open_handle (store, store->path, SQLITE_OPEN_READWRITE, error) &&
         (!empty || create_tables (store, error)) && lb_session_ensure_sentinels (store, error) &&
         check_tables (store, error) && set_mode (store, "PRAGMA journal_mode = WAL", "wal", error) &&
         lb_session_execute (store, "PRAGMA synchronous = FULL; BEGIN EXCLUSIVE; COMMIT", error) &&
         load_counts (store, error);
}

/* Makes sure that there is a file to write to; @created: there was none. */
static gboolean
ensure_file (const char *path, gboolean *created, GError **error)
{
  int descriptor;

  *created = FALSE;
  if (g_file_test (path, G_FILE_TEST_EXISTS))
    {
      if (g_access (path, W_OK) == 0)
        return TRUE;
      g_set_error (
          error, LB_SESSION_ERROR, LB_SESSION_ERROR_OPEN,
          _ ("%s: the session cannot be written to: %s; change its permissions, or choose another file"),
          path, g_strerror (errno));
      return FALSE;
    }
  descriptor = g_open (path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (descriptor < 0)
    {
      g_set_error (
          error, LB_SESSION_ERROR, LB_SESSION_ERROR_OPEN,
          _ ("%s: the session cannot be created: %s; choose a folder that exists and that you may write to"),
          path, g_strerror (errno));
      return FALSE;
    }
  close (descriptor);
  *created = TRUE;
  return TRUE;
}

static gboolean
open_for_writing (LbSessionStore *store, GError **error)
{
  gboolean created, empty = FALSE;

  if (lb_session_lock_is_held (store->path))
    {
      g_set_error (error, LB_SESSION_ERROR, LB_SESSION_ERROR_OPEN,
                   _ ("%s: this program has the session open already"), store->path);
      return FALSE;
    }
  if (!ensure_file (store->path, &created, error))
    return FALSE;
  if (!lb_session_check_header (store->path, &empty, error))
    return FALSE;
  if (!lb_session_lock_register (store->path))
    {
      g_set_error (error, LB_SESSION_ERROR, LB_SESSION_ERROR_OPEN,
                   _ ("%s: this program has the session open already"), store->path);
      return FALSE;
    }
  if (open_writable (store, empty, error))
    return TRUE;
  g_clear_pointer (&store->handle, sqlite3_close);
  lb_session_lock_release (store->path);
  if (created)
    g_unlink (store->path);
  return FALSE;
}

static gboolean
is_beside (const char *path, const char *ending)
{
  g_autofree char *name = g_strconcat (path, ending, NULL);

  return g_file_test (name, G_FILE_TEST_EXISTS);
}

/* Reads the file in place if nobody writes to it, else a copy. */
static gboolean
open_for_reading (LbSessionStore *store, GError **error)
{
  g_autofree char *copy = NULL;
  g_autofree char *absolute = g_canonicalize_filename (store->path, NULL);
  g_autofree char *escaped = g_uri_escape_string (absolute, "/", FALSE);
  g_autofree char *uri = g_strdup_printf ("file:%s?mode=ro&immutable=1", escaped);
  gboolean opened;

  if (!lb_session_check_header (store->path, NULL, error))
    return FALSE;
  if (lb_session_lock_is_held (store->path) || is_beside (store->path, "-wal") ||
      is_beside (store->path, "-journal"))
    {
      copy = lb_session_copy (store->path, &store->copy_folder, error);
      if (copy == NULL)
        return FALSE;
      opened = open_handle (store, copy, SQLITE_OPEN_READWRITE, error);
    }
  else
    {
      opened = open_handle (store, uri, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, error);
    }
  if (opened && lb_session_ensure_sentinels (store, error) && check_tables (store, error) &&
      load_counts (store, error) && lb_session_execute (store, "PRAGMA query_only = ON", error))
    return TRUE;
  g_clear_pointer (&store->handle, sqlite3_close);
  if (store->copy_folder != NULL)
    lb_session_remove_copy (store->copy_folder);
  return FALSE;
}

static void
clear_store (LbSessionStore *store)
{
  g_clear_pointer (&store->rows_stored, g_hash_table_unref);
  g_clear_pointer (&store->rows_lost, g_hash_table_unref);
  g_clear_pointer (&store->copy_folder, g_free);
  g_clear_pointer (&store->path, g_free);
}

gboolean
lb_session_store_open (LbSessionStore *store, const char *path, gboolean read_only, GError **error)
{
  *store = (LbSessionStore){ .path = g_strdup (path), .read_only = read_only };
  store->rows_stored = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, g_free);
  store->rows_lost = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, g_free);
  if (read_only ? open_for_reading (store, error) : open_for_writing (store, error))
    return TRUE;
  clear_store (store);
  return FALSE;
}

/* Moves the log into the file and removes it. */
static gboolean
join_files (LbSessionStore *store, GError **error)
{
  int code = sqlite3_wal_checkpoint_v2 (store->handle, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);

  if (code != SQLITE_OK)
    {
      lb_session_set_sqlite_error (error, store, code, _ ("cannot be closed as one file"));
      return FALSE;
    }
  return set_mode (store, "PRAGMA journal_mode = DELETE", "delete", error);
}

gboolean
lb_session_store_close (LbSessionStore *store, GError **error)
{
  gboolean whole = TRUE;

  g_clear_pointer (&store->insert_row, sqlite3_finalize);
  if (!store->read_only)
    whole = lb_session_seal (store, error) && join_files (store, error);
  sqlite3_close (store->handle);
  if (store->copy_folder != NULL)
    lb_session_remove_copy (store->copy_folder);
  if (!store->read_only)
    lb_session_lock_release (store->path);
  clear_store (store);
  return whole;
}

/* One statement a row, within the transaction that the caller has begun. */
gboolean
lb_session_insert_rows (
    LbSessionStore *store, gint64 run, const LbSessionRow *rows, gsize count, GError **error)
{
  if (store->insert_row == NULL)
    store->insert_row =
        lb_session_prepare (store,
                            "INSERT INTO rows (run, output_row, output_column, part, exposures, measured,"
                            " ideal, uncalibrated, raw_pp, raw_mp, raw_pm, raw_mm)"
                            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                            error);
  if (store->insert_row == NULL)
    return FALSE;
  for (gsize i = 0; i < count; i++)
    {
      const LbSessionRow *row = &rows[i];
      const double values[] = { row->measured, row->ideal,  row->uncalibrated, row->raw[0],
                                row->raw[1],   row->raw[2], row->raw[3] };
      int code;

      sqlite3_bind_int64 (store->insert_row, 1, run);
      sqlite3_bind_int64 (store->insert_row, 2, row->row);
      sqlite3_bind_int64 (store->insert_row, 3, row->column);
      sqlite3_bind_int64 (store->insert_row, 4, row->group);
      sqlite3_bind_int64 (store->insert_row, 5, row->exposures);
      /* SQLite makes NULL of NaN, and reading makes NaN of it again. */
      for (guint j = 0; j < G_N_ELEMENTS (values); j++)
        sqlite3_bind_double (store->insert_row, 6 + (int) j, values[j]);
      code = sqlite3_step (store->insert_row);
      if (code != SQLITE_DONE)
        lb_session_set_sqlite_error (error, store, code, _ ("cannot write"));
      sqlite3_reset (store->insert_row);
      if (code != SQLITE_DONE)
        return FALSE;
    }
  return TRUE;
}
