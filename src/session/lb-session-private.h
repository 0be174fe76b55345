/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <sqlite3.h>
#include "lb-session.h"

G_BEGIN_DECLS

/*
 * The writer: a thread that alone owns the SQLite handle. Everything else hands
 * it tasks and waits for them, or rows, for which nobody waits.
 */
typedef struct _LbSessionWriter LbSessionWriter;

/* What the thread works with. */
typedef struct
{
  char *path; /* of the session, not of a private copy */
  sqlite3 *handle;
  gboolean read_only;
  char *copy_folder; /* of a private copy, or NULL */
  sqlite3_stmt *insert_row;
  GHashTable *rows_stored; /* run id -> number of rows that are on disk */
  GHashTable *rows_lost;   /* run id -> number of rows that could not be stored */
} LbSessionStore;

typedef gboolean (*LbSessionTask) (LbSessionStore *store, gpointer data, GError **error);

/* lb-session-store.c */
gboolean lb_session_store_open (LbSessionStore *store, const char *path, gboolean read_only, GError **error);
gboolean lb_session_store_close (LbSessionStore *store, GError **error);
void lb_session_set_sqlite_error (GError **error, const LbSessionStore *store, int code, const char *doing);
gboolean lb_session_execute (LbSessionStore *store, const char *sql, GError **error);
/* A statement; NULL with an error. Free it with sqlite3_finalize(). */
sqlite3_stmt *lb_session_prepare (LbSessionStore *store, const char *sql, GError **error);
/* Runs a statement that yields nothing, and finalizes it. */
gboolean
lb_session_run_statement (LbSessionStore *store, sqlite3_stmt *statement, gint64 *id, GError **error);
gboolean lb_session_insert_rows (
    LbSessionStore *store, gint64 run, const LbSessionRow *rows, gsize count, GError **error);
gint64 lb_session_count (LbSessionStore *store, const char *sql, gint64 argument, GError **error);

/* lb-session-lock.c: closing any descriptor of a file drops all of the process's
 * locks on it (POSIX), SQLite's too. So files that this process has open for
 * writing are known here, and descriptors on them are closed with them. */
gboolean lb_session_lock_register (const char *path);
void lb_session_lock_release (const char *path);
gboolean lb_session_lock_is_held (const char *path);
void lb_session_lock_close (const char *path, int descriptor);

/* lb-session-copy.c */
/* Whether @path is a session: OPEN or FORMAT if not. @empty: it has no content yet. */
gboolean lb_session_check_header (const char *path, gboolean *empty, GError **error);
/* A consistent copy of the session and what lies beside it, in a folder of its own. */
char *lb_session_copy (const char *path, char **folder, GError **error);
void lb_session_remove_copy (const char *folder);

/* lb-session-writer.c */
LbSessionWriter *lb_session_writer_new (const char *path, gboolean read_only, GError **error);
/* Runs @task in the thread, after everything handed over before; returns when it is done. */
gboolean lb_session_writer_run (LbSessionWriter *writer, LbSessionTask task, gpointer data, GError **error);
void lb_session_writer_add_rows (LbSessionWriter *writer,
                                 gint64 run,
                                 const LbSessionRow *rows,
                                 gsize count,
                                 LbSessionDurableFunc durable,
                                 gpointer user_data);
gboolean lb_session_writer_flush (LbSessionWriter *writer, GError **error);
/* Ends the thread and frees the writer. */
gboolean lb_session_writer_close (LbSessionWriter *writer, GError **error);

/* lb-session.c */
LbSessionWriter *lb_session_acquire (LbSession *self, GError **error);
void lb_session_release (LbSession *self);
gboolean lb_session_run_task (LbSession *self, LbSessionTask task, gpointer data, GError **error);

/* lb-session-sentinels.c */
/* The table of sentinels of a file that was begun before there were any: made in
 * the file, or if it is only read, beside it in memory. */
gboolean lb_session_ensure_sentinels (LbSessionStore *store, GError **error);
/* Sets in_doubt of @rows (of LbSessionRow, all of the run in their order). */
gboolean lb_session_mark_rows (LbSessionStore *store, gint64 run, GArray *rows, GError **error);

/* lb-session-append.c */
gboolean lb_session_insert_note (LbSessionStore *store, const char *text, GError **error);
void lb_session_bind_bytes (sqlite3_stmt *statement, int parameter, GBytes *bytes);

/* lb-session-blob.c: plain data as bytes. */
GBytes *lb_session_variant_to_bytes (GVariant *variant);
GVariant *lb_session_bytes_to_variant (const void *bytes, gsize size, GError **error);
GBytes *lb_session_quantities_to_bytes (const LbQuantities *quantities);
LbQuantities *lb_session_bytes_to_quantities (const void *bytes, gsize size, GError **error);

/* lb-session-hash.c */
/* SHA-256 over the rows that @statement yields, hex. */
char *lb_session_hash_statement (LbSessionStore *store, sqlite3_stmt *statement, GError **error);
/* Notes the hash of every table that has grown, for lb_session_verify(). */
gboolean lb_session_seal (LbSessionStore *store, GError **error);
char *lb_session_hash_rows_of_run (LbSessionStore *store, gint64 run, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (sqlite3_stmt, sqlite3_finalize)

G_END_DECLS
