/* SPDX-License-Identifier: GPL-3.0-or-later */

#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "session-fixture.h"

/* Other processes are this program again, with a word that says what to do. */

typedef struct
{
  GPid pid;
  int output;
} Child;

static Child
spawn (const char *what, const char *path)
{
  const char *const argv[] = { "/proc/self/exe", what, path, NULL };
  g_autoptr (GError) error = NULL;
  Child child;

  g_spawn_async_with_pipes (NULL, (char **) argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL, &child.pid,
                            NULL, &child.output, NULL, &error);
  g_assert_no_error (error);
  return child;
}

static int
reap (Child *child)
{
  int status;

  g_assert_cmpint (waitpid (child->pid, &status, 0), ==, child->pid);
  close (child->output);
  return status;
}

static void
print_durable (gpointer user_data, const GError *error)
{
  guint32 count = GPOINTER_TO_UINT (user_data);

  if (error == NULL && write (STDOUT_FILENO, &count, sizeof count) != sizeof count)
    _exit (3);
}

/* Writes rows until it is killed, and each number of rows when it is durable. */
static int
write_forever (const char *path)
{
  LbSession *session = open_session (path);
  gint64 run = begin_run (session);

  for (guint32 i = 0; i < 2000000; i++)
    {
      LbSessionRow row = make_row (i);

      lb_session_add_rows (session, run, &row, 1, print_durable, GUINT_TO_POINTER (i + 1));
      if (i % 16 == 0)
        g_usleep (100);
    }
  return 0;
}

/* 0 if the session can be opened for writing, 1 if it is refused. */
static int
try_open (const char *path)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (LbSession) session = lb_session_open (path, "simulated", NULL, &error);

  if (session != NULL)
    return 0;
  g_assert_error (error, LB_SESSION_ERROR, LB_SESSION_ERROR_OPEN);
  return 1;
}

/* Writes until a file may grow no more, as on a full disk, and the number of
 * rows that were durable. */
static int
write_until_full (const char *path)
{
  struct rlimit limit = { 400000, 400000 };
  LbSession *session = open_session (path);
  g_autoptr (GError) error = NULL;
  gint64 run = begin_run (session);
  gint lost = 0;

  signal (SIGXFSZ, SIG_IGN);
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &limit), ==, 0);
  for (guint32 i = 0; i < 20000; i++)
    {
      LbSessionRow row = make_row (i);

      lb_session_add_rows (session, run, &row, 1, print_durable, GUINT_TO_POINTER (i + 1));
    }
  g_assert_false (lb_session_flush (session, &error));
  g_assert_error (error, LB_SESSION_ERROR, LB_SESSION_ERROR_WRITE);
  g_clear_error (&error);
  lb_session_add_rows (session, run, &(LbSessionRow){ 0 }, 1, fail_durable, &lost);
  g_assert_false (lb_session_flush (session, NULL));
  g_assert_cmpint (lost, ==, 1);
  g_assert_false (lb_session_add_note (session, "no room", &error));
  g_assert_error (error, LB_SESSION_ERROR, LB_SESSION_ERROR_WRITE);
  g_clear_error (&error);
  g_assert_false (lb_session_close (session, &error));
  g_assert_error (error, LB_SESSION_ERROR, LB_SESSION_ERROR_WRITE);
  g_object_unref (session);
  return 0;
}

static guint32
read_acknowledged (Child *child, guint32 at_least)
{
  guint32 count, last = 0;

  while (last < at_least && read (child->output, &count, sizeof count) == sizeof count)
    last = count;
  return last;
}

static void
check_rows (const char *path, guint32 acknowledged)
{
  LbSession *session = open_session (path);
  g_autoptr (GArray) rows = lb_session_get_rows (session, 1, NULL);
  g_autoptr (GPtrArray) runs = lb_session_list_runs (session, NULL);
  g_autoptr (GError) error = NULL;

  g_assert_cmpuint (acknowledged, >, 0);
  g_assert_cmpuint (rows->len, >=, acknowledged);
  for (guint i = 0; i < rows->len; i++)
    assert_row (&g_array_index (rows, LbSessionRow, i), i);
  g_assert_cmpint (((const LbSessionRun *) g_ptr_array_index (runs, 0))->state, ==, LB_RUN_RUNNING);
  lb_session_verify (session, &error);
  g_assert_no_error (error);
  close_session (session);
}

static void
test_kill (Place *place, gconstpointer data)
{
  for (guint32 round = 0; round < 5; round++)
    {
      Child child = spawn ("--write-forever", place->path);
      guint32 acknowledged = read_acknowledged (&child, 500 + 700 * round), rest;
      int status;

      g_assert_cmpint (kill (child.pid, SIGKILL), ==, 0);
      while (read (child.output, &rest, sizeof rest) == sizeof rest)
        acknowledged = rest;
      status = reap (&child);
      g_assert_true (WIFSIGNALED (status));
      check_rows (place->path, acknowledged);
      g_assert_cmpuint (count_files (place->folder), ==, 1);
      g_assert_cmpint (g_unlink (place->path), ==, 0);
    }
}

static void
test_full (Place *place, gconstpointer data)
{
  Child child = spawn ("--write-until-full", place->path);
  guint32 acknowledged = read_acknowledged (&child, G_MAXUINT32);
  int status = reap (&child);

  g_assert_true (WIFEXITED (status));
  g_assert_cmpint (WEXITSTATUS (status), ==, 0);
  g_assert_cmpuint (acknowledged, <, 20000);
  check_rows (place->path, acknowledged);
}

static int
open_elsewhere (const char *path)
{
  Child child = spawn ("--try-open", path);
  int status = reap (&child);

  g_assert_true (WIFEXITED (status));
  return WEXITSTATUS (status);
}

static void
test_lock (Place *place, gconstpointer data)
{
  LbSession *session = open_session (place->path);
  LbSession *reader;
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (open_elsewhere (place->path), ==, 1);
  g_assert_null (lb_session_open (place->path, "simulated", NULL, &error));
  g_assert_error (error, LB_SESSION_ERROR, LB_SESSION_ERROR_OPEN);
  /* Reading the file here must not let go of the lock (POSIX drops all locks
   * of a process with the first descriptor that it closes). */
  fill_session (session);
  reader = open_read_only (place->path);
  check_session (reader);
  close_session (reader);
  g_assert_cmpint (open_elsewhere (place->path), ==, 1);
  close_session (session);
  g_assert_cmpint (open_elsewhere (place->path), ==, 0);
}

static void
test_read_while_written (Place *place, gconstpointer data)
{
  Child child = spawn ("--write-forever", place->path);
  guint32 acknowledged = 0;

  for (guint round = 1; round <= 5; round++)
    {
      LbSession *reader;
      g_autoptr (GArray) rows = NULL;
      g_autoptr (GError) error = NULL;

      acknowledged = read_acknowledged (&child, acknowledged + 2000);
      reader = open_read_only (place->path);
      rows = lb_session_get_rows (reader, 1, NULL);
      g_assert_cmpuint (rows->len, >=, acknowledged);
      for (guint i = 0; i < rows->len; i++)
        assert_row (&g_array_index (rows, LbSessionRow, i), i);
      lb_session_verify (reader, &error);
      g_assert_no_error (error);
      close_session (reader);
    }
  kill (child.pid, SIGKILL);
  reap (&child);
}

/* After a crash there is a log beside, which reading must leave alone. */
static void
test_read_only_after_crash (Place *place, gconstpointer data)
{
  Child child = spawn ("--write-forever", place->path);
  guint32 acknowledged = read_acknowledged (&child, 1000);
  g_autofree char *log_path = g_strconcat (place->path, "-wal", NULL);
  g_autofree char *before = NULL, *after = NULL;
  g_autoptr (GArray) rows = NULL;
  gsize length_before, length_after;
  LbSession *session;

  kill (child.pid, SIGKILL);
  reap (&child);
  g_assert_cmpuint (count_files (place->folder), ==, 2);
  g_assert_true (g_file_get_contents (log_path, &before, &length_before, NULL));
  session = open_read_only (place->path);
  rows = lb_session_get_rows (session, 1, NULL);
  g_assert_cmpuint (rows->len, >=, acknowledged);
  close_session (session);
  g_assert_true (g_file_get_contents (log_path, &after, &length_after, NULL));
  g_assert_cmpmem (before, length_before, after, length_after);
  g_assert_cmpuint (count_files (place->folder), ==, 2);
}

#define ADD(path, test) g_test_add ("/session/" path, Place, NULL, place_up, test, place_down)

int
main (int argc, char *argv[])
{
  if (argc == 3 && g_str_equal (argv[1], "--write-forever"))
    return write_forever (argv[2]);
  if (argc == 3 && g_str_equal (argv[1], "--write-until-full"))
    return write_until_full (argv[2]);
  if (argc == 3 && g_str_equal (argv[1], "--try-open"))
    return try_open (argv[2]);
  g_test_init (&argc, &argv, NULL);
  ADD ("acknowledged-rows-survive-a-kill", test_kill);
  ADD ("acknowledged-rows-survive-a-full-disk", test_full);
  ADD ("a-second-writer-is-refused", test_lock);
  ADD ("a-session-in-use-can-be-read", test_read_while_written);
  ADD ("reading-after-a-crash-writes-nothing", test_read_only_after_crash);
  return g_test_run ();
}
