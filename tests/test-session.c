/* SPDX-License-Identifier: GPL-3.0-or-later */

#include <glib/gstdio.h>
#include <sqlite3.h>
#include <string.h>

#include "session-fixture.h"

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
  g_autofree char *data_home = g_dir_make_tmp ("test-session-data-XXXXXX", NULL);
  int result;

  g_setenv ("XDG_DATA_HOME", data_home, TRUE);
  g_test_init (&argc, &argv, NULL);
  ADD ("what-is-stored-is-read-back", test_round_trip);
  ADD ("a-clean-close-leaves-one-file", test_one_file);
  ADD ("rows-are-committed-in-groups", test_groups);
  ADD ("nothing-can-be-changed-or-deleted", test_append_only);
  ADD ("an-ended-run-takes-no-more-rows", test_ended_run);
  ADD ("tables-have-hashes", test_hashes);
  ADD ("a-change-of-bench-is-noted", test_change_of_bench);
  ADD ("all-threads-may-add", test_threads);
  ADD ("the-default-path-is-free", test_default_path);
  result = g_test_run ();
  g_rmdir (data_home);
  return result;
}
