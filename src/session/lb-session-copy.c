/* SPDX-License-Identifier: GPL-3.0-or-later */

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n-lib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "lb-session-private.h"

/* Layout of the first page: https://www.sqlite.org/fileformat.html, 1.3. */
#define HEADER_SIZE 100
#define USER_VERSION_AT 60
#define APPLICATION_ID_AT 68
#define WAL_HEADER_SIZE 32

#define COPY_ATTEMPTS 20

static guint32
big_endian (const guint8 *bytes)
{
  return (guint32) bytes[0] << 24 | (guint32) bytes[1] << 16 | (guint32) bytes[2] << 8 | bytes[3];
}

static gboolean
check_header_bytes (const char *path, const guint8 *header, gssize length, GError **error)
{
  guint32 version;

  if (length < HEADER_SIZE || memcmp (header, "SQLite format 3", 16) != 0 ||
      big_endian (header + APPLICATION_ID_AT) != LB_SESSION_APPLICATION_ID)
    {
      g_set_error (
          error, LB_SESSION_ERROR, LB_SESSION_ERROR_FORMAT,
          _ ("%s: this is not a session of Lightbench, or its beginning is damaged; choose another file"),
          path);
      return FALSE;
    }
  version = big_endian (header + USER_VERSION_AT);
  if (version > LB_SESSION_VERSION)
    {
      g_set_error (error, LB_SESSION_ERROR, LB_SESSION_ERROR_FORMAT,
                   _ ("%s: the session is of version %u, and this program knows versions up to %u; use a "
                      "newer Lightbench"),
                   path, version, LB_SESSION_VERSION);
      return FALSE;
    }
  if (version < 1)
    {
      g_set_error (error, LB_SESSION_ERROR, LB_SESSION_ERROR_FORMAT,
                   _ ("%s: the session was never finished being created; choose another file"), path);
      return FALSE;
    }
  return TRUE;
}

gboolean
lb_session_check_header (const char *path, gboolean *empty, GError **error)
{
  guint8 header[HEADER_SIZE];
  struct stat status;
  gssize length;
  int descriptor = g_open (path, O_RDONLY | O_CLOEXEC, 0);

  if (descriptor < 0)
    {
      g_set_error (error, LB_SESSION_ERROR, LB_SESSION_ERROR_OPEN, _ ("%s: the session cannot be opened: %s"),
                   path, g_strerror (errno));
      return FALSE;
    }
  if (fstat (descriptor, &status) != 0 || !S_ISREG (status.st_mode))
    {
      lb_session_lock_close (path, descriptor);
      g_set_error (error, LB_SESSION_ERROR, LB_SESSION_ERROR_OPEN,
                   _ ("%s: this is not a file; choose a session file"), path);
      return FALSE;
    }
  length = pread (descriptor, header, sizeof header, 0);
  lb_session_lock_close (path, descriptor);
  if (empty != NULL)
    *empty = length == 0;
  return (empty != NULL && length == 0) || check_header_bytes (path, header, length, error);
}

static gboolean
copy_descriptor (int from, int to)
{
  g_autofree char *buffer = g_malloc (1 << 20);
  gssize length;

  while ((length = read (from, buffer, 1 << 20)) != 0)
    {
      if (length < 0 && errno == EINTR)
        continue;
      if (length < 0)
        return FALSE;
      for (gssize written = 0; written < length;)
        {
          gssize part = write (to, buffer + written, (gsize) (length - written));

          if (part < 0 && errno != EINTR)
            return FALSE;
          written += MAX (part, 0);
        }
    }
  return TRUE;
}

/* Copies a file; one that does not exist is no error, but has no copy. */
static gboolean
copy_file (const char *from, const char *to)
{
  int source = g_open (from, O_RDONLY | O_CLOEXEC, 0);
  int target;
  gboolean copied;
  int problem;

  if (source < 0)
    {
      if (errno != ENOENT)
        return FALSE;
      return g_unlink (to) == 0 || errno == ENOENT;
    }
  target = g_open (to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  copied = target >= 0 && copy_descriptor (source, target);
  problem = errno;
  lb_session_lock_close (from, source);
  if (target >= 0 && close (target) != 0)
    return FALSE;
  errno = problem;
  return copied;
}

/* What tells whether a writer has been at work in the session file itself or
 * has begun its log anew. */
typedef struct
{
  struct timespec modified;
  gint64 size;
  guint8 log[WAL_HEADER_SIZE];
} Trace;

static void
take_trace (const char *path, const char *log_path, Trace *trace)
{
  struct stat status;
  int descriptor;

  memset (trace, 0, sizeof *trace);
  if (stat (path, &status) == 0)
    {
      trace->modified = status.st_mtim;
      trace->size = status.st_size;
    }
  descriptor = g_open (log_path, O_RDONLY | O_CLOEXEC, 0);
  if (descriptor < 0)
    return;
  if (pread (descriptor, trace->log, sizeof trace->log, 0) < 0)
    memset (trace->log, 0, sizeof trace->log);
  close (descriptor);
}

void
lb_session_remove_copy (const char *folder)
{
  static const char *const names[] = { "session", "session-wal", "session-journal", "session-shm" };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autofree char *path = g_build_filename (folder, names[i], NULL);

      g_unlink (path);
    }
  g_rmdir (folder);
}

/*
 * Between two checkpoints the file itself stands still and the log only grows,
 * so copies of both fit each other if no checkpoint came between: then the
 * file's time and size and the head of the log are as before.
 */
char *
lb_session_copy (const char *path, char **folder, GError **error)
{
  static const char *const endings[] = { "", "-wal", "-journal" };
  g_autofree char *place = g_dir_make_tmp ("lightbench-session-XXXXXX", error);
  g_autofree char *copy = NULL;
  g_autofree char *log_path = g_strconcat (path, "-wal", NULL);

  if (place == NULL)
    return NULL;
  copy = g_build_filename (place, "session", NULL);
  for (guint attempt = 0; attempt < COPY_ATTEMPTS; attempt++)
    {
      Trace before, after;

      take_trace (path, log_path, &before);
      for (guint i = 0; i < G_N_ELEMENTS (endings); i++)
        {
          g_autofree char *from = g_strconcat (path, endings[i], NULL);
          g_autofree char *to = g_strconcat (copy, endings[i], NULL);

          if (!copy_file (from, to))
            {
              g_set_error (
                  error, LB_SESSION_ERROR, LB_SESSION_ERROR_OPEN,
                  _ ("%s: the session is in use, and a copy to read from could not be made in %s: %s"), path,
                  place, g_strerror (errno));
              lb_session_remove_copy (place);
              return NULL;
            }
        }
      take_trace (path, log_path, &after);
      if (memcmp (&before, &after, sizeof before) == 0)
        {
          *folder = g_steal_pointer (&place);
          return g_steal_pointer (&copy);
        }
    }
  lb_session_remove_copy (place);
  g_set_error (
      error, LB_SESSION_ERROR, LB_SESSION_ERROR_OPEN,
      _ ("%s: the session is being written to too fast to be read; try again when the run has ended"), path);
  return NULL;
}
