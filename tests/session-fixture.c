/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "session-fixture.h"

#include <glib/gstdio.h>
#include <math.h>

void
place_up (Place *place, gconstpointer data)
{
  place->folder = g_dir_make_tmp ("test-session-XXXXXX", NULL);
  g_assert_nonnull (place->folder);
  place->path = g_build_filename (place->folder, "a b%c.lbsession", NULL);
}

void
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

guint
count_files (const char *folder)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  guint count = 0;

  while (g_dir_read_name (dir) != NULL)
    count++;
  return count;
}

LbQuantities *
identities (const char *camera)
{
  LbQuantities *quantities = lb_quantities_new ();

  lb_quantities_set_text (quantities, "camera", camera);
  lb_quantities_set (quantities, "width", 1920, "px");
  return quantities;
}

LbSession *
open_session (const char *path)
{
  g_autoptr (LbQuantities) quantities = identities ("Simulated 1");
  g_autoptr (GError) error = NULL;
  LbSession *session = lb_session_open (path, "simulated", quantities, &error);

  g_assert_no_error (error);
  return session;
}

LbSession *
open_read_only (const char *path)
{
  g_autoptr (GError) error = NULL;
  LbSession *session = lb_session_open_read_only (path, &error);

  g_assert_no_error (error);
  return session;
}

void
close_session (LbSession *session)
{
  g_autoptr (GError) error = NULL;

  lb_session_close (session, &error);
  g_assert_no_error (error);
  g_object_unref (session);
}

LbSessionRow
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

void
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

gint64
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

void
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

void
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

void
make_session (const char *path)
{
  LbSession *session = open_session (path);

  fill_session (session);
  close_session (session);
}

void
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

void
fail_durable (gpointer user_data, const GError *error)
{
  g_assert_nonnull (error);
  g_atomic_int_inc ((gint *) user_data);
}
