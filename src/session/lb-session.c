/* SPDX-License-Identifier: GPL-3.0-or-later */

#include <errno.h>
#include <glib/gi18n-lib.h>
#include <glib/gstdio.h>
#include <lb-user-folder.h>

#include "lb-session-private.h"

G_DEFINE_QUARK (lb - session - error - quark, lb_session_error)

struct _LbSession
{
  GObject parent_instance;

  char *path;
  /* Held for reading while the writer is used, for writing while it is taken away. */
  GRWLock lock;
  LbSessionWriter *writer;
  char *setup_name;
  LbQuantities *identities;
  gint64 created_us;
};

G_DEFINE_FINAL_TYPE (LbSession, lb_session, G_TYPE_OBJECT)

void
lb_session_run_free (LbSessionRun *self)
{
  if (self == NULL)
    return;
  g_free (self->kind);
  g_free (self->message);
  g_clear_pointer (&self->settings, lb_quantities_free);
  g_clear_pointer (&self->results, lb_quantities_free);
  g_free (self);
}

void
lb_session_calibration_free (LbSessionCalibration *self)
{
  if (self == NULL)
    return;
  g_free (self->step);
  g_free (self->title);
  g_free (self->hash);
  g_free (self->verdict);
  g_free (self->message);
  g_free (self->unit);
  g_clear_pointer (&self->values, lb_quantities_free);
  g_clear_pointer (&self->data, g_bytes_unref);
  g_free (self);
}

/* The writer, kept from being closed until lb_session_release(), which is to
 * be called even if this is NULL (the session is closed). */
LbSessionWriter *
lb_session_acquire (LbSession *self, GError **error)
{
  g_rw_lock_reader_lock (&self->lock);
  if (self->writer == NULL)
    g_set_error (error, LB_SESSION_ERROR, LB_SESSION_ERROR_OPEN,
                 _ ("%s: the session is closed; open it again"), self->path);
  return self->writer;
}

void
lb_session_release (LbSession *self)
{
  g_rw_lock_reader_unlock (&self->lock);
}

/* Runs a task in the writer thread. */
gboolean
lb_session_run_task (LbSession *self, LbSessionTask task, gpointer data, GError **error)
{
  LbSessionWriter *writer = lb_session_acquire (self, error);
  gboolean done = writer != NULL && lb_session_writer_run (writer, task, data, error);

  lb_session_release (self);
  return done;
}

static LbSessionWriter *
take_writer (LbSession *self)
{
  LbSessionWriter *writer;

  g_rw_lock_writer_lock (&self->lock);
  writer = g_steal_pointer (&self->writer);
  g_rw_lock_writer_unlock (&self->lock);
  return writer;
}

static void
lb_session_dispose (GObject *object)
{
  LbSession *self = LB_SESSION (object);
  LbSessionWriter *writer = take_writer (self);
  g_autoptr (GError) error = NULL;

  if (writer != NULL && !lb_session_writer_close (writer, &error))
    g_warning ("%s", error->message);
  G_OBJECT_CLASS (lb_session_parent_class)->dispose (object);
}

static void
lb_session_finalize (GObject *object)
{
  LbSession *self = LB_SESSION (object);

  g_free (self->path);
  g_free (self->setup_name);
  g_clear_pointer (&self->identities, lb_quantities_free);
  g_rw_lock_clear (&self->lock);
  G_OBJECT_CLASS (lb_session_parent_class)->finalize (object);
}

static void
lb_session_class_init (LbSessionClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->dispose = lb_session_dispose;
  object_class->finalize = lb_session_finalize;
}

static void
lb_session_init (LbSession *self)
{
  g_rw_lock_init (&self->lock);
}

/* What the session says of itself, and what it is opened with. */
typedef struct
{
  LbSession *session;
  const char *setup_name; /* NULL: only read */
  const LbQuantities *identities;
} Introduction;

static gboolean
read_info (LbSessionStore *store, LbSession *self, gboolean *found, GError **error)
{
  g_autoptr (sqlite3_stmt) statement = lb_session_prepare (
      store, "SELECT setup_name, identities, created_us FROM info ORDER BY id LIMIT 1", error);

  if (statement == NULL)
    return FALSE;
  *found = sqlite3_step (statement) == SQLITE_ROW;
  if (*found)
    {
      self->setup_name = g_strdup ((const char *) sqlite3_column_text (statement, 0));
      self->identities = lb_session_bytes_to_quantities (sqlite3_column_blob (statement, 1),
                                                         (gsize) sqlite3_column_bytes (statement, 1), error);
      self->created_us = sqlite3_column_int64 (statement, 2);
      return self->identities != NULL;
    }
  self->setup_name = g_strdup ("");
  self->identities = lb_quantities_new ();
  return TRUE;
}

static gboolean
write_info (LbSessionStore *store, const Introduction *introduction, GError **error)
{
  g_autoptr (GBytes) identities = lb_session_quantities_to_bytes (introduction->identities);
  sqlite3_stmt *statement = lb_session_prepare (
      store, "INSERT INTO info (setup_name, identities, created_us) VALUES (?, ?, ?)", error);

  if (statement == NULL)
    return FALSE;
  sqlite3_bind_text (statement, 1, introduction->setup_name, -1, SQLITE_TRANSIENT);
  lb_session_bind_bytes (statement, 2, identities);
  sqlite3_bind_int64 (statement, 3, g_get_real_time ());
  return lb_session_run_statement (store, statement, NULL, error);
}

static void
append_identities (GString *text, const char *setup_name, const LbQuantities *identities)
{
  g_string_append (text, setup_name);
  for (guint i = 0; i < lb_quantities_get_length (identities); i++)
    {
      const LbQuantity *quantity = lb_quantities_get_nth (identities, i);

      if (quantity->text != NULL)
        g_string_append_printf (text, "; %s: %s", quantity->name, quantity->text);
    }
}

/* A note where another bench goes on with the session than worked on it last. */
static gboolean
note_change (LbSessionStore *store, const Introduction *introduction, GError **error)
{
  g_autoptr (GString) before = g_string_new (NULL);
  g_autoptr (GString) now = g_string_new (NULL);
  g_autofree char *note = NULL;
  g_autofree char *prefix = g_strconcat (_ ("Bench in use from here on: "), NULL);
  g_autoptr (sqlite3_stmt) last = NULL;

  append_identities (before, introduction->session->setup_name, introduction->session->identities);
  append_identities (now, introduction->setup_name, introduction->identities);
  note = g_strconcat (prefix, now->str, NULL);
  last = lb_session_prepare (
      store,
      "SELECT substr (text, length (?1) + 1) FROM notes WHERE substr (text, 1, length (?1)) = ?1"
      " ORDER BY id DESC LIMIT 1",
      error);
  if (last == NULL)
    return FALSE;
  sqlite3_bind_text (last, 1, prefix, -1, SQLITE_TRANSIENT);
  if (sqlite3_step (last) == SQLITE_ROW)
    g_string_assign (before, (const char *) sqlite3_column_text (last, 0));
  return g_str_equal (before->str, now->str) || lb_session_insert_note (store, note, error);
}

static gboolean
introduce (LbSessionStore *store, gpointer data, GError **error)
{
  const Introduction *introduction = data;
  gboolean found;

  if (!read_info (store, introduction->session, &found, error))
    return FALSE;
  if (introduction->setup_name == NULL)
    return TRUE;
  if (found)
    return note_change (store, introduction, error);
  g_clear_pointer (&introduction->session->setup_name, g_free);
  g_clear_pointer (&introduction->session->identities, lb_quantities_free);
  return write_info (store, introduction, error) && read_info (store, introduction->session, &found, error);
}

static LbSession *
open_session (const char *path, const Introduction *introduction, GError **error)
{
  g_autoptr (LbSession) self = g_object_new (LB_TYPE_SESSION, NULL);
  Introduction own = *introduction;

  own.session = self;
  self->path = g_strdup (path);
  self->writer = lb_session_writer_new (path, introduction->setup_name == NULL, error);
  if (self->writer == NULL || !lb_session_run_task (self, introduce, &own, error))
    return NULL;
  return g_steal_pointer (&self);
}

/**
 * lb_session_open:
 * @path: of the session file
 * @setup_name: of the bench
 * @identities: what the bench's devices say of themselves
 * @error: OPEN, FORMAT or WRITE
 *
 * Creates the session, or opens it to append. An empty file counts as none.
 *
 * Returns: (transfer full): the session; close it with lb_session_close()
 */
LbSession *
lb_session_open (const char *path, const char *setup_name, const LbQuantities *identities, GError **error)
{
  g_autoptr (LbQuantities) none = lb_quantities_new ();
  Introduction introduction = { .setup_name = setup_name != NULL ? setup_name : "",
                                .identities = identities };

  g_return_val_if_fail (path != NULL, NULL);

  if (identities == NULL)
    introduction.identities = none;
  return open_session (path, &introduction, error);
}

/**
 * lb_session_open_read_only:
 * @path: of the session file
 * @error: OPEN or FORMAT
 *
 * Opens a session to read, as it stands: a session that is being written to is
 * read from a private copy.
 *
 * Returns: (transfer full): the session
 */
LbSession *
lb_session_open_read_only (const char *path, GError **error)
{
  Introduction introduction = { 0 };

  g_return_val_if_fail (path != NULL, NULL);

  return open_session (path, &introduction, error);
}

/**
 * lb_session_default_path:
 * @error: OPEN where the folder cannot be made
 *
 * Returns: (transfer full): a path in the user's data folder at which there is
 *   no file yet
 */
char *
lb_session_default_path (GError **error)
{
  g_autofree char *folder = lb_user_folder ("sessions");
  g_autoptr (GDateTime) now = g_date_time_new_now_local ();
  g_autofree char *stem = g_date_time_format (now, "%Y-%m-%d-%H%M%S");
  g_autofree char *path = NULL;

  if (g_mkdir_with_parents (folder, 0700) != 0)
    {
      g_set_error (error, LB_SESSION_ERROR, LB_SESSION_ERROR_OPEN,
                   _ ("%s: the folder for sessions cannot be made: %s; name a file for the session"), folder,
                   g_strerror (errno));
      return NULL;
    }
  path = g_strdup_printf ("%s/%s.lbsession", folder, stem);
  for (guint i = 2; g_file_test (path, G_FILE_TEST_EXISTS); i++)
    {
      g_free (path);
      path = g_strdup_printf ("%s/%s-%u.lbsession", folder, stem, i);
    }
  return g_steal_pointer (&path);
}

/* Returns: (transfer none): the path that the session was opened with */
const char *
lb_session_get_path (LbSession *self)
{
  g_return_val_if_fail (LB_IS_SESSION (self), NULL);

  return self->path;
}

/* Returns: (transfer full): name of the setup that the session was created with */
char *
lb_session_get_setup_name (LbSession *self)
{
  g_return_val_if_fail (LB_IS_SESSION (self), NULL);

  return g_strdup (self->setup_name);
}

/* Returns: (transfer full): what the bench said of itself when the session was created */
LbQuantities *
lb_session_get_identities (LbSession *self)
{
  g_return_val_if_fail (LB_IS_SESSION (self), NULL);

  return lb_quantities_copy (self->identities);
}

/* Returns: Unix time at which the session was created, in microseconds */
gint64
lb_session_get_created_us (LbSession *self)
{
  g_return_val_if_fail (LB_IS_SESSION (self), 0);

  return self->created_us;
}

/**
 * lb_session_close:
 * @self: a session
 * @error: WRITE where rows were lost since it was opened, or where it could
 *   not be joined to one file (nothing that was acknowledged is lost then)
 *
 * Ends the writer thread. Closing twice does nothing. Not to be called from a
 * durable callback.
 */
gboolean
lb_session_close (LbSession *self, GError **error)
{
  LbSessionWriter *writer;

  g_return_val_if_fail (LB_IS_SESSION (self), FALSE);

  writer = take_writer (self);
  return writer == NULL || lb_session_writer_close (writer, error);
}

/**
 * lb_session_flush:
 * @self: a session
 * @error: WRITE, with the cause, where rows were lost since it was opened
 *
 * Blocks until everything handed over is on disk. Not to be called from a
 * durable callback.
 */
gboolean
lb_session_flush (LbSession *self, GError **error)
{
  LbSessionWriter *writer;
  gboolean flushed;

  g_return_val_if_fail (LB_IS_SESSION (self), FALSE);

  writer = lb_session_acquire (self, error);
  flushed = writer != NULL && lb_session_writer_flush (writer, error);
  lb_session_release (self);
  return flushed;
}
