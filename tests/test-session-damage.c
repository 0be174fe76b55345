/* SPDX-License-Identifier: GPL-3.0-or-later */

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <math.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "session-fixture.h"

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

/* A session of before there were sentinels is read as it is, and gets its table when
 * it is written to. */
static void
test_without_sentinels (Place *place, gconstpointer data)
{
  const LbSessionSentinel failed = { .residual = 0.1, .limit = 0.03, .slope = NAN, .passed = FALSE };
  g_autoptr (GError) error = NULL;
  g_autoptr (GArray) none = NULL, sentinels = NULL, rows = NULL;
  sqlite3 *handle = NULL;
  LbSession *session;
  gint64 run;

  make_session (place->path);
  g_assert_cmpint (sqlite3_open (place->path, &handle), ==, SQLITE_OK);
  g_assert_cmpint (sqlite3_exec (handle, "DROP TABLE sentinels", NULL, NULL, NULL), ==, SQLITE_OK);
  sqlite3_close (handle);
  session = open_read_only (place->path);
  none = lb_session_list_sentinels (session, 1, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (none->len, ==, 0);
  g_assert_true (lb_session_verify (session, &error));
  close_session (session);
  g_assert_cmpuint (count_files (place->folder), ==, 1);

  session = open_session (place->path);
  run = begin_run (session);
  add_rows (session, run, 0, 5);
  g_assert_true (lb_session_add_sentinel (session, run, &failed, &error));
  add_rows (session, run, 5, 5);
  sentinels = lb_session_list_sentinels (session, run, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (sentinels->len, ==, 1);
  g_assert_cmpint (g_array_index (sentinels, LbSessionSentinel, 0).rows_before, ==, 5);
  g_assert_true (isnan (g_array_index (sentinels, LbSessionSentinel, 0).slope));
  rows = lb_session_get_rows (session, run, &error);
  g_assert_cmpuint (rows->len, ==, 10);
  for (guint i = 0; i < rows->len; i++)
    g_assert_true (g_array_index (rows, LbSessionRow, i).in_doubt);
  close_session (session);
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

#define ADD(path, test) g_test_add ("/session/" path, Place, NULL, place_up, test, place_down)

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  ADD ("reading-writes-nothing", test_read_only);
  ADD ("foreign-files-are-refused", test_foreign);
  ADD ("newer-versions-are-refused", test_newer);
  ADD ("a-file-of-before-sentinels-is-read-and-written", test_without_sentinels);
  ADD ("an-unwritable-folder-is-named", test_no_folder);
  ADD ("damage-is-found", test_damage);
  ADD ("a-cut-off-file-is-found", test_cut_off);
  ADD ("a-forged-row-is-found", test_forged);
  ADD ("an-empty-file-becomes-a-session", test_empty_file);
  return g_test_run ();
}
