/* SPDX-License-Identifier: GPL-3.0-or-later */

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <lb-session.h>
#include <math.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct
{
  char *folder;
  char *path;
} Place;

static const char *own_path;

static void
place_up (Place *place, gconstpointer data)
{
  place->folder = g_dir_make_tmp ("test-session-XXXXXX", NULL);
  g_assert_nonnull (place->folder);
  place->path = g_build_filename (place->folder, "a b%c.lbsession", NULL);
}

static void
place_down (Place *place, gconstpointer data)
{
  g_autoptr (GDir) dir = g_dir_open (place->folder, 0, NULL);
  const char *name;

  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (place->folder, name, NULL);

      g_assert_cmpint (g_unlink (path), ==, 0);
    }
  g_assert_cmpint (g_rmdir (place->folder), ==, 0);
  g_free (place->folder);
  g_free (place->path);
}

static guint
count_files (const char *folder)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  guint count = 0;

  while (g_dir_read_name (dir) != NULL)
    count++;
  return count;
}

static LbQuantities *
identities (const char *camera)
{
  LbQuantities *quantities = lb_quantities_new ();

  lb_quantities_set_text (quantities, "camera", camera);
  lb_quantities_set (quantities, "width", 1920, "px");
  return quantities;
}

static LbSession *
open_session (const char *path)
{
  g_autoptr (LbQuantities) quantities = identities ("Simulated 1");
  g_autoptr (GError) error = NULL;
  LbSession *session = lb_session_open (path, "simulated", quantities, &error);

  g_assert_no_error (error);
  return session;
}

static LbSession *
open_read_only (const char *path)
{
  g_autoptr (GError) error = NULL;
  LbSession *session = lb_session_open_read_only (path, &error);

  g_assert_no_error (error);
  return session;
}

static void
close_session (LbSession *session)
{
  g_autoptr (GError) error = NULL;

  lb_session_close (session, &error);
  g_assert_no_error (error);
  g_object_unref (session);
}

static LbSessionRow
make_row (guint32 n)
{
  return (LbSessionRow){
    .row = n,
    .column = n % 7,
    .group = n / 1000,
    .exposures = 4,
    .measured = n % 10 == 9 ? (double) NAN : sin (n),
    .ideal = sin (n) + 0.01,
    .uncalibrated = n % 2 == 0 ? (double) NAN : 0.5,
    .raw = { 1e5 + n, 2e5, NAN, 0 },
  };
}

static void
assert_same (double a, double b)
{
  g_assert_true ((isnan (a) && isnan (b)) || a == b);
}

static void
assert_row (const LbSessionRow *row, guint32 n)
{
  LbSessionRow expected = make_row (n);

  g_assert_cmpuint (row->row, ==, expected.row);
  g_assert_cmpuint (row->column, ==, expected.column);
  g_assert_cmpuint (row->group, ==, expected.group);
  g_assert_cmpuint (row->exposures, ==, expected.exposures);
  assert_same (row->measured, expected.measured);
  assert_same (row->ideal, expected.ideal);
  assert_same (row->uncalibrated, expected.uncalibrated);
  for (guint i = 0; i < 4; i++)
    assert_same (row->raw[i], expected.raw[i]);
}

static gint64
begin_run (LbSession *session)
{
  g_autoptr (LbQuantities) settings = lb_quantities_new ();
  g_autoptr (GError) error = NULL;
  gint64 run = 0;

  lb_quantities_set (settings, "photons_per_mac", 2000, "");
  lb_session_begin_run (session, "attention", settings, &run, &error);
  g_assert_no_error (error);
  return run;
}

static void
add_rows (LbSession *session, gint64 run, guint32 first, guint32 count)
{
  for (guint32 i = first; i < first + count; i++)
    {
      LbSessionRow row = make_row (i);

      lb_session_add_rows (session, run, &row, 1, NULL, NULL);
    }
}

static void
finish_run (LbSession *session, gint64 run)
{
  g_autoptr (LbQuantities) results = lb_quantities_new ();
  g_autoptr (GError) error = NULL;

  lb_quantities_set (results, "normalised_error", 0.019, "");
  lb_session_finish_run (session, run, LB_RUN_FINISHED, results, NULL, &error);
  g_assert_no_error (error);
}

static LbFigure *
make_figure (void)
{
  const double x[] = { 0, 1, 2 }, y[] = { 0.1, 1.2, 1.9 };
  LbFigure *figure = lb_figure_new ("Title", "x", "mm", "y", "");

  lb_figure_add_points (figure, "points", x, y, NULL, 3);
  return figure;
}

static gint64
add_calibration (LbSession *session, const char *step)
{
  g_autoptr (LbQuantities) values = lb_quantities_new ();
  g_autoptr (GBytes) bytes = g_bytes_new ("result", 6);
  g_autoptr (GError) error = NULL;
  gint64 id = 0;
  LbSessionCalibration calibration = {
    .step = (char *) step,
    .title = (char *) "Dark",
    .hash = (char *) "abc",
    .verdict = (char *) "pass",
    .time_us = 1700000000000000,
    .residual = 0.1,
    .limit = 0.2,
    .duration_s = NAN,
    .unit = (char *) "DN",
    .values = values,
    .data = bytes,
  };

  lb_quantities_set (values, "read_noise", 1.6, "electrons");
  lb_session_add_calibration (session, &calibration, &id, &error);
  g_assert_no_error (error);
  return id;
}

/* A session with a calibration, an ended run of 300 rows, figures and a note. */
static void
fill_session (LbSession *session)
{
  g_autoptr (LbFigure) figure = make_figure ();
  g_autoptr (GError) error = NULL;
  gint64 calibration = add_calibration (session, "dark");
  gint64 run;

  g_assert_true (lb_session_add_figure_of_calibration (session, calibration, "noise", figure, &error));
  run = begin_run (session);
  add_rows (session, run, 0, 300);
  g_assert_true (lb_session_add_figure (session, run, "scatter", figure, &error));
  finish_run (session, run);
  g_assert_true (lb_session_add_note (session, "lamp was warm", &error));
  g_assert_true (lb_session_set_bench_time_us (session, 123456789012, &error));
  g_assert_no_error (error);
}

static void
make_session (const char *path)
{
  LbSession *session = open_session (path);

  fill_session (session);
  close_session (session);
}

static void
check_session (LbSession *session)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) runs = lb_session_list_runs (session, &error);
  g_autoptr (GPtrArray) calibrations = lb_session_list_calibrations (session, &error);
  g_autoptr (GPtrArray) notes = lb_session_list_notes (session, &error);
  g_autoptr (GPtrArray) figures = lb_session_list_figures (session, 1, 0, &error);
  g_autoptr (GPtrArray) plots = lb_session_list_figures (session, 0, 1, &error);
  g_autoptr (GArray) rows = lb_session_get_rows (session, 1, &error);
  g_autoptr (GBytes) data = lb_session_get_calibration_data (session, 1, &error);
  const LbSessionRun *run;
  const LbSessionCalibration *calibration;

  g_assert_no_error (error);
  g_assert_cmpuint (runs->len, ==, 1);
  run = g_ptr_array_index (runs, 0);
  g_assert_cmpstr (run->kind, ==, "attention");
  g_assert_cmpint (run->state, ==, LB_RUN_FINISHED);
  g_assert_cmpint (run->rows, ==, 300);
  g_assert_cmpint (run->finished_us, >=, run->started_us);
  g_assert_cmpfloat (lb_quantities_get (run->settings, "photons_per_mac", 0), ==, 2000);
  g_assert_cmpfloat (lb_quantities_get (run->results, "normalised_error", 0), ==, 0.019);
  g_assert_cmpuint (calibrations->len, ==, 1);
  calibration = g_ptr_array_index (calibrations, 0);
  g_assert_cmpstr (calibration->step, ==, "dark");
  g_assert_null (calibration->message);
  g_assert_true (isnan (calibration->duration_s));
  g_assert_cmpfloat (calibration->limit, ==, 0.2);
  g_assert_cmpfloat (lb_quantities_get (calibration->values, "read_noise", 0), ==, 1.6);
  g_assert_cmpmem (g_bytes_get_data (data, NULL), g_bytes_get_size (data), "result", 6);
  g_assert_cmpstr (((const LbSessionNote *) g_ptr_array_index (notes, 0))->text, ==, "lamp was warm");
  g_assert_cmpuint (figures->len, ==, 1);
  g_assert_cmpstr (((const LbSessionFigure *) g_ptr_array_index (plots, 0))->name, ==, "noise");
  g_assert_cmpstr (((const LbSessionFigure *) g_ptr_array_index (figures, 0))->figure->title, ==, "Title");
  g_assert_cmpuint (rows->len, ==, 300);
  for (guint i = 0; i < rows->len; i++)
    assert_row (&g_array_index (rows, LbSessionRow, i), i);
  g_assert_cmpint (lb_session_get_bench_time_us (session), ==, 123456789012);
  g_assert_cmpuint (lb_session_get_next_ordinal (session), ==, 3);
  lb_session_verify (session, &error);
  g_assert_no_error (error);
}

static void
test_round_trip (Place *place, gconstpointer data)
{
  LbSession *session = open_session (place->path);
  g_autofree char *setup = NULL;
  g_autoptr (LbQuantities) quantities = NULL;
  gint64 created = lb_session_get_created_us (session);

  g_assert_cmpuint (lb_session_get_next_ordinal (session), ==, 1);
  g_assert_cmpint (lb_session_get_bench_time_us (session), ==, 0);
  fill_session (session);
  check_session (session);
  close_session (session);
  session = open_read_only (place->path);
  check_session (session);
  setup = lb_session_get_setup_name (session);
  g_assert_cmpstr (setup, ==, "simulated");
  quantities = lb_session_get_identities (session);
  g_assert_cmpstr (lb_quantities_get_text (quantities, "camera"), ==, "Simulated 1");
  g_assert_cmpint (lb_session_get_created_us (session), ==, created);
  close_session (session);
  session = open_session (place->path);
  check_session (session);
  close_session (session);
}

static void
test_one_file (Place *place, gconstpointer data)
{
  g_autofree char *contents = NULL;
  gsize length;

  make_session (place->path);
  g_assert_cmpuint (count_files (place->folder), ==, 1);
  g_assert_true (g_file_get_contents (place->path, &contents, &length, NULL));
  /* Bytes 18 and 19 are 1 for a rollback journal, 2 for WAL. */
  g_assert_cmpint (contents[18], ==, 1);
  g_assert_cmpint (contents[19], ==, 1);
  g_assert_cmpmem (contents + 68, 4, "LBch", 4);
}

static void
count_durable (gpointer user_data, const GError *error)
{
  g_assert_no_error (error);
  g_atomic_int_inc ((gint *) user_data);
}

static gboolean
wait_for (gint *counter, gint value, gint64 most_us)
{
  gint64 deadline = g_get_monotonic_time () + most_us;

  while (g_atomic_int_get (counter) < value && g_get_monotonic_time () < deadline)
    g_usleep (1000);
  return g_atomic_int_get (counter) >= value;
}

static void
test_groups (Place *place, gconstpointer data)
{
  LbSession *session = open_session (place->path);
  gint64 run = begin_run (session);
  LbSessionRow row = make_row (0);
  gint durable = 0;
  gint64 start = g_get_monotonic_time ();

  lb_session_add_rows (session, run, &row, 1, count_durable, &durable);
  g_assert_true (wait_for (&durable, 1, 5 * G_TIME_SPAN_SECOND));
  /* Not at once, but when the group has come of age. */
  g_assert_cmpint (g_get_monotonic_time () - start, >=, 40 * G_TIME_SPAN_MILLISECOND);
  for (guint i = 1; i < 1000; i++)
    lb_session_add_rows (session, run, &row, 1, count_durable, &durable);
  g_assert_true (lb_session_flush (session, NULL));
  g_assert_cmpint (durable, ==, 1000);
  close_session (session);
}

static void
test_append_only (Place *place, gconstpointer data)
{
  static const char *const attempts[] = {
    "UPDATE rows SET measured = ideal",
    "DELETE FROM rows",
    "INSERT OR REPLACE INTO rows SELECT * FROM rows",
    "INSERT INTO rows (run, output_row, output_column, part, exposures) VALUES (1, 0, 0, 0, 0)",
    "UPDATE calibrations SET residual = 0",
    "DELETE FROM calibrations",
    "UPDATE figures SET name = 'x'",
    "DELETE FROM figures",
    "UPDATE notes SET text = 'x'",
    "DELETE FROM notes",
    "UPDATE runs SET kind = 'x'",
    "UPDATE run_ends SET state = 3",
    "DELETE FROM run_ends",
    "UPDATE info SET created_us = 0",
    "DELETE FROM bench_times",
  };
  sqlite3 *handle = NULL;
  LbSession *session;

  make_session (place->path);
  g_assert_cmpint (sqlite3_open (place->path, &handle), ==, SQLITE_OK);
  sqlite3_exec (handle, "PRAGMA recursive_triggers = ON", NULL, NULL, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (attempts); i++)
    if (sqlite3_exec (handle, attempts[i], NULL, NULL, NULL) != SQLITE_CONSTRAINT)
      g_error ("\"%s\" was not refused", attempts[i]);
  sqlite3_close (handle);
  session = open_read_only (place->path);
  check_session (session);
  close_session (session);
}

static void
fail_durable (gpointer user_data, const GError *error)
{
  g_assert_nonnull (error);
  g_atomic_int_inc ((gint *) user_data);
}

static void
test_ended_run (Place *place, gconstpointer data)
{
  LbSession *session = open_session (place->path);
  g_autoptr (GError) error = NULL;
  LbSessionRow row = make_row (1);
  gint refused = 0;
  gint64 run;

  fill_session (session);
  g_assert_false (lb_session_finish_run (session, 1, LB_RUN_ABORTED, NULL, NULL, &error));
  g_assert_error (error, LB_SESSION_ERROR, LB_SESSION_ERROR_WRITE);
  g_clear_error (&error);
  g_assert_false (lb_session_finish_run (session, 7, LB_RUN_ABORTED, NULL, NULL, &error));
  g_assert_error (error, LB_SESSION_ERROR, LB_SESSION_ERROR_NOT_FOUND);
  g_clear_error (&error);
  lb_session_add_rows (session, 1, &row, 1, fail_durable, &refused);
  g_assert_false (lb_session_flush (session, &error));
  g_assert_error (error, LB_SESSION_ERROR, LB_SESSION_ERROR_WRITE);
  g_clear_error (&error);
  g_assert_cmpint (refused, ==, 1);
  /* The session goes on, but closing tells that something was lost. */
  run = begin_run (session);
  add_rows (session, run, 0, 10);
  g_assert_true (lb_session_finish_run (session, run, LB_RUN_FAILED, NULL, "the lamp broke", &error));
  g_assert_false (lb_session_close (session, &error));
  g_assert_error (error, LB_SESSION_ERROR, LB_SESSION_ERROR_WRITE);
  g_clear_error (&error);
  g_assert_false (lb_session_flush (session, &error));
  g_assert_error (error, LB_SESSION_ERROR, LB_SESSION_ERROR_OPEN);
  g_object_unref (session);
  session = open_read_only (place->path);
  {
    g_autoptr (GPtrArray) runs = lb_session_list_runs (session, NULL);
    const LbSessionRun *last = g_ptr_array_index (runs, 1);

    g_assert_cmpint (last->state, ==, LB_RUN_FAILED);
    g_assert_cmpstr (last->message, ==, "the lamp broke");
    g_assert_cmpint (last->rows, ==, 10);
  }
  close_session (session);
}

/* --- Other processes: this program again, with a word that says what to do. */

typedef struct
{
  GPid pid;
  int output;
} Child;

static Child
spawn (const char *what, const char *path)
{
  const char *const argv[] = { own_path, what, path, NULL };
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

static void
test_read_only (Place *place, gconstpointer data)
{
  g_autofree char *before = NULL, *after = NULL;
  g_autoptr (GError) error = NULL;
  struct stat old, new;
  gsize length_before, length_after;
  gint refused = 0;
  LbSession *session;
  LbSessionRow row = make_row (0);

  make_session (place->path);
  g_assert_true (g_file_get_contents (place->path, &before, &length_before, NULL));
  g_assert_cmpint (stat (place->path, &old), ==, 0);
  session = open_read_only (place->path);
  check_session (session);
  g_assert_cmpuint (count_files (place->folder), ==, 1);
  g_assert_false (lb_session_add_note (session, "x", &error));
  g_assert_error (error, LB_SESSION_ERROR, LB_SESSION_ERROR_WRITE);
  g_clear_error (&error);
  lb_session_add_rows (session, 1, &row, 1, fail_durable, &refused);
  g_assert_false (lb_session_flush (session, NULL));
  g_assert_cmpint (refused, ==, 1);
  g_assert_false (lb_session_close (session, NULL));
  g_object_unref (session);
  g_assert_cmpint (stat (place->path, &new), ==, 0);
  g_assert_true (g_file_get_contents (place->path, &after, &length_after, NULL));
  g_assert_cmpmem (before, length_before, after, length_after);
  g_assert_cmpint (old.st_mtim.tv_nsec, ==, new.st_mtim.tv_nsec);
  g_assert_cmpuint (count_files (place->folder), ==, 1);
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

/* --- Files that are not what they should be. */

static void
assert_refused (const char *path, int code, const char *word)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *before = NULL, *after = NULL;
  gsize length_before = 0, length_after = 0;

  g_file_get_contents (path, &before, &length_before, NULL);
  g_assert_null (lb_session_open (path, "simulated", NULL, &error));
  g_assert_error (error, LB_SESSION_ERROR, code);
  g_assert_nonnull (strstr (error->message, path));
  g_assert_nonnull (strstr (error->message, word));
  g_clear_error (&error);
  g_assert_null (lb_session_open_read_only (path, &error));
  g_assert_error (error, LB_SESSION_ERROR, code);
  g_file_get_contents (path, &after, &length_after, NULL);
  g_assert_cmpmem (before, length_before, after, length_after);
}

static void
test_foreign (Place *place, gconstpointer data)
{
  sqlite3 *handle = NULL;

  g_assert_true (g_file_set_contents (place->path, "row,column\n1,2\n", -1, NULL));
  assert_refused (place->path, LB_SESSION_ERROR_FORMAT, "not a session");
  g_assert_cmpint (g_unlink (place->path), ==, 0);
  g_assert_cmpint (sqlite3_open (place->path, &handle), ==, SQLITE_OK);
  g_assert_cmpint (sqlite3_exec (handle, "CREATE TABLE rows (a)", NULL, NULL, NULL), ==, SQLITE_OK);
  sqlite3_close (handle);
  assert_refused (place->path, LB_SESSION_ERROR_FORMAT, "not a session");
  g_assert_cmpuint (count_files (place->folder), ==, 1);
}

static void
test_newer (Place *place, gconstpointer data)
{
  sqlite3 *handle = NULL;

  make_session (place->path);
  g_assert_cmpint (sqlite3_open (place->path, &handle), ==, SQLITE_OK);
  sqlite3_exec (handle, "PRAGMA user_version = 99", NULL, NULL, NULL);
  sqlite3_close (handle);
  assert_refused (place->path, LB_SESSION_ERROR_FORMAT, "99");
}

static void
test_no_folder (Place *place, gconstpointer data)
{
  g_autofree char *missing = g_build_filename (place->folder, "missing", "x.lbsession", NULL);
  g_autoptr (GError) error = NULL;

  g_assert_null (lb_session_open (missing, "simulated", NULL, &error));
  g_assert_error (error, LB_SESSION_ERROR, LB_SESSION_ERROR_OPEN);
  g_assert_nonnull (strstr (error->message, missing));
  g_clear_error (&error);
  /* Not writable for root either. */
  g_assert_null (lb_session_open ("/proc/x.lbsession", "simulated", NULL, &error));
  g_assert_error (error, LB_SESSION_ERROR, LB_SESSION_ERROR_OPEN);
  g_clear_error (&error);
  g_assert_null (lb_session_open (place->folder, "simulated", NULL, &error));
  g_assert_error (error, LB_SESSION_ERROR, LB_SESSION_ERROR_OPEN);
  g_clear_error (&error);
  g_assert_null (lb_session_open_read_only (missing, &error));
  g_assert_error (error, LB_SESSION_ERROR, LB_SESSION_ERROR_OPEN);
}

static void
overwrite (const char *path, const char *bytes, gsize length, gsize at)
{
  int descriptor = g_open (path, O_WRONLY, 0);

  g_assert_cmpint (pwrite (descriptor, bytes, length, (off_t) at), ==, (gssize) length);
  close (descriptor);
}

/* Wherever bytes are damaged, opening ends in an error or verify finds it, or
 * all that was stored is as it was. */
static void
test_damage (Place *place, gconstpointer data)
{
  static const char *const stored[] = {
    "rows", "figures", "calibrations", "runs", "run_ends", "notes", "info"
  };
  g_autofree char *whole = NULL;
  char *hashes[G_N_ELEMENTS (stored)];
  guint found = 0;
  gsize length;
  LbSession *intact;

  make_session (place->path);
  intact = open_read_only (place->path);
  for (guint i = 0; i < G_N_ELEMENTS (stored); i++)
    hashes[i] = lb_session_hash_table (intact, stored[i], NULL);
  close_session (intact);
  g_assert_true (g_file_get_contents (place->path, &whole, &length, NULL));
  for (gsize at = 100; at < length; at += 611)
    {
      char garbage[16];
      g_autoptr (LbSession) session = NULL;
      g_autoptr (GError) error = NULL;

      for (guint i = 0; i < sizeof garbage; i++)
        garbage[i] = (char) (at + sizeof garbage < length ? ~whole[at + i] : 0x55);
      g_assert_true (g_file_set_contents (place->path, whole, (gssize) length, NULL));
      overwrite (place->path, garbage, at + sizeof garbage < length ? sizeof garbage : length - at, at);
      session = lb_session_open_read_only (place->path, &error);
      if (session != NULL && lb_session_verify (session, &error))
        {
          for (guint i = 0; i < G_N_ELEMENTS (stored); i++)
            {
              g_autofree char *hash = lb_session_hash_table (session, stored[i], NULL);

              g_assert_cmpstr (hash, ==, hashes[i]);
            }
          continue;
        }
      found++;
      g_assert_error (error, LB_SESSION_ERROR, LB_SESSION_ERROR_FORMAT);
      g_assert_nonnull (strstr (error->message, "a b%c"));
    }
  g_assert_cmpuint (found, >, 30);
  for (guint i = 0; i < G_N_ELEMENTS (stored); i++)
    g_free (hashes[i]);
}

static void
test_cut_off (Place *place, gconstpointer data)
{
  g_autofree char *whole = NULL;
  gsize length;

  make_session (place->path);
  g_assert_true (g_file_get_contents (place->path, &whole, &length, NULL));
  for (gsize cut = 50; cut < length; cut += length / 7)
    {
      g_autoptr (LbSession) session = NULL;
      g_autoptr (GError) error = NULL;

      g_assert_true (g_file_set_contents (place->path, whole, (gssize) cut, NULL));
      session = lb_session_open_read_only (place->path, &error);
      if (session != NULL)
        g_assert_false (lb_session_verify (session, &error));
      g_assert_error (error, LB_SESSION_ERROR, LB_SESSION_ERROR_FORMAT);
    }
}

/* A changed value in a sound file is found by the hash of the run. */
static void
test_forged (Place *place, gconstpointer data)
{
  g_autoptr (LbSession) session = NULL;
  g_autoptr (GError) error = NULL;
  sqlite3 *handle = NULL;

  make_session (place->path);
  g_assert_cmpint (sqlite3_open (place->path, &handle), ==, SQLITE_OK);
  g_assert_cmpint (
      sqlite3_exec (handle, "DROP TRIGGER rows_no_update; UPDATE rows SET measured = ideal WHERE id = 17",
                    NULL, NULL, NULL),
      ==, SQLITE_OK);
  sqlite3_close (handle);
  session = open_read_only (place->path);
  g_assert_false (lb_session_verify (session, &error));
  g_assert_error (error, LB_SESSION_ERROR, LB_SESSION_ERROR_FORMAT);
}

static void
test_empty_file (Place *place, gconstpointer data)
{
  LbSession *session;

  g_assert_true (g_file_set_contents (place->path, "", 0, NULL));
  session = open_session (place->path);
  fill_session (session);
  check_session (session);
  close_session (session);
}

static void
test_hashes (Place *place, gconstpointer data)
{
  g_autofree char *copy = g_strconcat (place->path, ".copy", NULL);
  g_autofree char *contents = NULL;
  g_autofree char *before = NULL, *same = NULL, *after = NULL, *other = NULL;
  g_autoptr (GError) error = NULL;
  gsize length;
  LbSession *session;

  make_session (place->path);
  g_assert_true (g_file_get_contents (place->path, &contents, &length, NULL));
  g_assert_true (g_file_set_contents (copy, contents, (gssize) length, NULL));
  session = open_session (place->path);
  for (guint i = 0; lb_session_tables[i] != NULL; i++)
    {
      g_autofree char *hash = lb_session_hash_table (session, lb_session_tables[i], &error);

      g_assert_no_error (error);
      g_assert_cmpuint (strlen (hash), ==, 64);
    }
  before = lb_session_hash_table (session, "rows", NULL);
  add_rows (session, begin_run (session), 0, 1);
  after = lb_session_hash_table (session, "rows", NULL);
  g_assert_cmpstr (before, !=, after);
  g_assert_null (lb_session_hash_table (session, "rows; DROP TABLE rows", &error));
  g_assert_error (error, LB_SESSION_ERROR, LB_SESSION_ERROR_NOT_FOUND);
  close_session (session);
  session = open_read_only (copy);
  same = lb_session_hash_table (session, "rows", NULL);
  other = lb_session_hash_table (session, "runs", NULL);
  g_assert_cmpstr (before, ==, same);
  g_assert_cmpstr (before, !=, other);
  close_session (session);
}

static void
test_change_of_bench (Place *place, gconstpointer data)
{
  g_autoptr (LbQuantities) other = identities ("Simulated 2");
  g_autoptr (GPtrArray) notes = NULL;

  close_session (open_session (place->path));
  close_session (open_session (place->path));
  for (guint i = 0; i < 2; i++)
    {
      LbSession *session = lb_session_open (place->path, "simulated", other, NULL);

      g_clear_pointer (&notes, g_ptr_array_unref);
      notes = lb_session_list_notes (session, NULL);
      g_assert_cmpuint (notes->len, ==, 1);
      g_assert_nonnull (strstr (((const LbSessionNote *) g_ptr_array_index (notes, 0))->text, "Simulated 2"));
      close_session (session);
    }
}

static gpointer
add_from_thread (gpointer data)
{
  LbSession *session = data;

  for (guint i = 0; i < 20; i++)
    {
      g_assert_true (lb_session_add_note (session, "from a thread", NULL));
      add_rows (session, 1, i, 5);
    }
  return NULL;
}

static void
test_threads (Place *place, gconstpointer data)
{
  LbSession *session = open_session (place->path);
  GThread *threads[4];
  g_autoptr (GPtrArray) notes = NULL;
  g_autoptr (GArray) rows = NULL;

  begin_run (session);
  for (guint i = 0; i < 4; i++)
    threads[i] = g_thread_new ("adder", add_from_thread, session);
  for (guint i = 0; i < 4; i++)
    g_thread_join (threads[i]);
  notes = lb_session_list_notes (session, NULL);
  rows = lb_session_get_rows (session, 1, NULL);
  g_assert_cmpuint (notes->len, ==, 80);
  g_assert_cmpuint (rows->len, ==, 400);
  close_session (session);
}

static void
test_default_path (Place *place, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = lb_session_default_path (&error);
  g_autofree char *folder = NULL;
  g_autofree char *parent = NULL;
  g_autofree char *second = NULL;

  g_assert_no_error (error);
  folder = g_path_get_dirname (path);
  g_assert_true (g_file_test (folder, G_FILE_TEST_IS_DIR));
  g_assert_true (g_str_has_suffix (path, ".lbsession"));
  g_assert_true (g_str_has_prefix (path, g_getenv ("XDG_DATA_HOME")));
  g_assert_true (g_file_set_contents (path, "", 0, NULL));
  second = lb_session_default_path (NULL);
  g_assert_cmpstr (path, !=, second);
  g_unlink (path);
  g_rmdir (folder);
  parent = g_path_get_dirname (folder);
  g_rmdir (parent);
}

#define ADD(path, test) g_test_add ("/session/" path, Place, NULL, place_up, test, place_down)

int
main (int argc, char *argv[])
{
  g_autofree char *data_home = NULL;
  int result;

  own_path = "/proc/self/exe";
  if (argc == 3 && g_str_equal (argv[1], "--write-forever"))
    return write_forever (argv[2]);
  if (argc == 3 && g_str_equal (argv[1], "--write-until-full"))
    return write_until_full (argv[2]);
  if (argc == 3 && g_str_equal (argv[1], "--try-open"))
    return try_open (argv[2]);
  data_home = g_dir_make_tmp ("test-session-data-XXXXXX", NULL);
  g_setenv ("XDG_DATA_HOME", data_home, TRUE);
  g_test_init (&argc, &argv, NULL);
  ADD ("what-is-stored-is-read-back", test_round_trip);
  ADD ("a-clean-close-leaves-one-file", test_one_file);
  ADD ("rows-are-committed-in-groups", test_groups);
  ADD ("nothing-can-be-changed-or-deleted", test_append_only);
  ADD ("an-ended-run-takes-no-more-rows", test_ended_run);
  ADD ("acknowledged-rows-survive-a-kill", test_kill);
  ADD ("acknowledged-rows-survive-a-full-disk", test_full);
  ADD ("a-second-writer-is-refused", test_lock);
  ADD ("a-session-in-use-can-be-read", test_read_while_written);
  ADD ("reading-writes-nothing", test_read_only);
  ADD ("reading-after-a-crash-writes-nothing", test_read_only_after_crash);
  ADD ("foreign-files-are-refused", test_foreign);
  ADD ("newer-versions-are-refused", test_newer);
  ADD ("an-unwritable-folder-is-named", test_no_folder);
  ADD ("damage-is-found", test_damage);
  ADD ("a-cut-off-file-is-found", test_cut_off);
  ADD ("a-forged-row-is-found", test_forged);
  ADD ("an-empty-file-becomes-a-session", test_empty_file);
  ADD ("tables-have-hashes", test_hashes);
  ADD ("a-change-of-bench-is-noted", test_change_of_bench);
  ADD ("all-threads-may-add", test_threads);
  ADD ("the-default-path-is-free", test_default_path);
  result = g_test_run ();
  g_rmdir (data_home);
  return result;
}
