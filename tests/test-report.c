/* SPDX-License-Identifier: GPL-3.0-or-later */

#include <glib/gstdio.h>
#include <lb-report.h>
#include <math.h>
#include <pango/pangocairo.h>

#include "pdf-words.h"

#define LONG_NAME                                                                                            \
  "A camera with a name that nobody could fit into one line of a table on a page of paper, serial "          \
  "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"

typedef struct
{
  char *folder;
  char *session_path;
  char *path;
} Place;

static void
place_up (Place *place, gconstpointer data)
{
  place->folder = g_dir_make_tmp ("test-report-XXXXXX", NULL);
  place->session_path = g_build_filename (place->folder, "bench.lbsession", NULL);
  place->path = g_build_filename (place->folder, "report.pdf", NULL);
}

static void
place_down (Place *place, gconstpointer data)
{
  g_unlink (place->session_path);
  g_unlink (place->path);
  /* Fails if anything else was left there. */
  g_assert_cmpint (g_rmdir (place->folder), ==, 0);
  g_free (place->folder);
  g_free (place->session_path);
  g_free (place->path);
}

static LbSession *
new_session (const Place *place)
{
  g_autoptr (LbQuantities) identities = lb_quantities_new ();
  g_autoptr (GError) error = NULL;
  LbSession *session;

  lb_quantities_set_text (identities, "camera", LONG_NAME);
  lb_quantities_set_text (identities, "light", "Lamp SN-42");
  session = lb_session_open (place->session_path, "simulated", identities, &error);
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

static LbFigure *
new_figure (const char *title)
{
  LbFigure *figure = lb_figure_new (title, "ideal", "", "measured", "V");
  const double x[] = { -2, 0, 1, 3 }, y[] = { -2.1, 0.1, 0.9, 3.2 };

  lb_figure_add_points (figure, "points", x, y, NULL, 4);
  lb_figure_add_identity (figure, "identity");
  return figure;
}

static void
add_calibration (LbSession *session, const char *step, const char *verdict, gint64 time_us)
{
  g_autoptr (LbQuantities) values = lb_quantities_new ();
  g_autoptr (LbFigure) figure = new_figure ("Residual of the step");
  g_autoptr (GError) error = NULL;
  gint64 id;
  LbSessionCalibration calibration = {
    .step = (char *) step,
    .title = (char *) step,
    .hash = (char *) "cafecafecafecafecafe",
    .verdict = (char *) verdict,
    .message = (char *) "Close the curtain, then repeat this step.",
    .time_us = time_us,
    .residual = 0.125,
    .limit = 0.5,
    .duration_s = 200,
    .unit = (char *) "px",
    .values = values,
  };

  lb_quantities_set (values, "read_noise", 1.61, "electrons");
  lb_session_add_calibration (session, &calibration, &id, &error);
  g_assert_no_error (error);
  g_assert_true (lb_session_add_figure_of_calibration (session, id, "residual", figure, NULL));
}

static LbQuantities *
new_settings (void)
{
  LbQuantities *settings = lb_quantities_new ();

  lb_quantities_set_text (settings, "title", "Attention scores, layer 0, head 1");
  lb_quantities_set_text (settings, "text", "The light went through the modulator.");
  lb_quantities_set (settings, "photons_per_mac", 2000, "");
  lb_quantities_set (settings, "quantum_efficiency", 0.7, "");
  lb_quantities_set (settings, "tokens", 32, "");
  lb_quantities_set_text (settings, "nominal", "photons_per_mac, quantum_efficiency");
  return settings;
}

static LbQuantities *
new_results (void)
{
  LbQuantities *results = lb_quantities_new ();

  lb_quantities_set (results, "normalised_error", 0.0193, "");
  lb_quantities_set (results, "normalised_error_uncalibrated", 0.0871, "");
  lb_quantities_set (results, "bias", -0.0012, "");
  lb_quantities_set (results, "slope", 0.998, "");
  lb_quantities_set (results, "slope_low", 0.996, "");
  lb_quantities_set (results, "slope_high", 1.0, "");
  lb_quantities_set (results, "relative_error", 0.0467, "");
  lb_quantities_set (results, "correlation", 0.99891, "");
  lb_quantities_set (results, "effective_bits", 5.47, "");
  lb_quantities_set (results, "photons_per_mac", 1987, "");
  lb_quantities_set (results, "photons_per_mac_detected", 991, "");
  return results;
}

static void
add_run (LbSession *session, guint groups, guint figures)
{
  g_autoptr (LbQuantities) settings = new_settings ();
  g_autoptr (LbQuantities) results = new_results ();
  g_autoptr (GError) error = NULL;
  gint64 run;

  g_assert_true (lb_session_begin_run (session, "attention", settings, &run, &error));
  for (guint i = 0; i < 120; i++)
    {
      LbSessionRow row = { .row = i, .group = i % groups, .exposures = 4, .ideal = sin (i) };

      row.measured = i == 7 ? (double) NAN : row.ideal + 0.02 * cos (9.0 * i);
      row.uncalibrated = 0.9 * row.ideal;
      lb_session_add_rows (session, run, &row, 1, NULL, NULL);
    }
  for (guint i = 0; i < figures; i++)
    {
      g_autoptr (LbFigure) figure = new_figure ("Measured against ideal, and what else there is to say");

      g_assert_true (lb_session_add_figure (session, run, "figure", figure, &error));
    }
  lb_session_finish_run (session, run, LB_RUN_FINISHED, results, NULL, &error);
  g_assert_no_error (error);
}

static char *
write_report (LbSession *session, const Place *place, const LbReportOptions *options, guint *pages)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GArray) words = NULL;

  lb_report_write_pdf (session, place->path, options, &error);
  g_assert_no_error (error);
  words = pdf_read_words (place->path, pages);
  pdf_assert_words_are_clear (words);
  return pdf_run ("-layout", place->path);
}

static void
assert_contains (const char *text, const char *words)
{
  if (strstr (text, words) == NULL)
    g_error ("\"%s\" is not in the report:\n%s", words, text);
}

/* As assert_contains(), whatever space is between the words. */
static void
assert_line (const char *text, const char *pattern)
{
  if (!g_regex_match_simple (pattern, text, G_REGEX_MULTILINE, 0))
    g_error ("\"%s\" is not in the report:\n%s", pattern, text);
}

static void
test_whole (Place *place, gconstpointer data)
{
  LbSession *session = new_session (place);
  LbReportOptions options = { .title = "First light", .operator_name = "Ada L." };
  g_autofree char *text = NULL;
  gint64 now = g_get_real_time ();
  guint pages;

  add_calibration (session, "dark", "pass", now - 5400 * G_TIME_SPAN_SECOND);
  add_calibration (session, "alignment", "warn", now - 1800 * G_TIME_SPAN_SECOND);
  add_calibration (session, "dark", "fail", now - 600 * G_TIME_SPAN_SECOND);
  add_run (session, 1, 5);
  g_assert_true (lb_session_add_note (session, "Somebody opened the door.", NULL));
  text = write_report (session, place, &options, &pages);
  assert_contains (text, "First light");
  assert_contains (text, "Ada L.");
  assert_contains (text, "Lamp SN-42");
  assert_contains (text, "Somebody opened the door.");
  assert_contains (text, "Close the curtain, then repeat this step.");
  assert_contains (text, "The light went through the modulator.");
  assert_line (text, "^dark +pass, superseded +0\\.125.px +0\\.5.px +.* 1 h 30 min +3 min 20 s");
  assert_line (text, "^alignment +warning +0\\.125");
  assert_line (text, "^dark +fail +0\\.125");
  assert_line (text, "normalised error +1\\.93.% +8\\.71.%");
  assert_line (text, "rms\\(e\\) / std\\(ideal\\) +4\\.67.% +1[0-9]\\.[0-9].%");
  assert_line (text, "slope, with its 95 % interval +0\\.9980 ± 0\\.0020 +0\\.9000");
  assert_line (text, "effective bits +5\\.47");
  assert_line (text, "photons per MAC \\(nominal\\) +2,000");
  assert_line (text, "quantum efficiency \\(nominal\\) +0\\.7");
  assert_line (text, "photons per MAC, detected +991");
  assert_line (text, "tokens +32");
  for (guint i = 0; lb_session_tables[i] != NULL; i++)
    {
      g_autofree char *hash = lb_session_hash_table (session, lb_session_tables[i], NULL);

      assert_contains (text, hash);
    }
  for (guint i = 1; i <= pages; i++)
    {
      g_autofree char *footer = g_strdup_printf ("page %u of %u", i, pages);

      assert_contains (text, footer);
    }
  g_assert_cmpuint (pages, >=, 2);
  close_session (session);
}

static void
test_empty (Place *place, gconstpointer data)
{
  LbSession *session = new_session (place);
  g_autofree char *text = NULL;
  guint pages;

  text = write_report (session, place, NULL, &pages);
  g_assert_cmpuint (pages, ==, 1);
  assert_contains (text, "Nothing was calibrated");
  close_session (session);
}

/* Whatever number of figures, and of groups: nothing overlaps (see
 * write_report()) and all groups are there. */
static void
test_shapes (Place *place, gconstpointer data)
{
  LbSession *session = new_session (place);
  g_autofree char *text = NULL;
  guint pages;

  for (guint figures = 0; figures < 8; figures++)
    add_run (session, 1 + figures % 7, figures);
  for (guint i = 0; i < 60; i++)
    g_assert_true (lb_session_add_note (session, LONG_NAME, NULL));
  text = write_report (session, place, NULL, &pages);
  assert_contains (text, "Run 8: Attention scores");
  assert_contains (text, "group 7");
  g_assert_cmpuint (pages, >, 8);
  close_session (session);
}

/* What a run did not get to is not made up. */
static void
test_unfinished (Place *place, gconstpointer data)
{
  LbSession *session = new_session (place);
  g_autoptr (LbQuantities) settings = new_settings ();
  g_autofree char *text = NULL;
  gint64 run;
  guint pages;

  g_assert_true (lb_session_begin_run (session, "attention", settings, &run, NULL));
  g_assert_true (lb_session_begin_run (session, "multiply", NULL, &run, NULL));
  g_assert_true (
      lb_session_finish_run (session, run, LB_RUN_FAILED, NULL, "The camera was unplugged.", NULL));
  text = write_report (session, place, NULL, &pages);
  assert_contains (text, "did not end");
  assert_contains (text, "The camera was unplugged.");
  g_assert_null (strstr (text, "figure of merit"));
  close_session (session);
}

static void
test_read_only (Place *place, gconstpointer data)
{
  LbSession *session = new_session (place);
  g_autofree char *text = NULL;
  guint pages;

  add_run (session, 1, 2);
  close_session (session);
  session = lb_session_open_read_only (place->session_path, NULL);
  text = write_report (session, place, NULL, &pages);
  assert_contains (text, "Run 1");
  close_session (session);
}

static void
test_unwritable (Place *place, gconstpointer data)
{
  LbSession *session = new_session (place);
  g_autofree char *missing = g_build_filename (place->folder, "missing", "report.pdf", NULL);
  g_autoptr (GError) error = NULL;

  g_assert_false (lb_report_write_pdf (session, missing, NULL, &error));
  g_assert_error (error, G_FILE_ERROR, G_FILE_ERROR_NOENT);
  g_assert_nonnull (strstr (error->message, missing));
  g_clear_error (&error);
  close_session (session);
}

#define ADD(path, test) g_test_add ("/report/" path, Place, NULL, place_up, test, place_down)

int
main (int argc, char *argv[])
{
  int result;

  g_test_init (&argc, &argv, NULL);
  ADD ("a-session-is-told-in-full", test_whole);
  ADD ("an-empty-session-has-a-report", test_empty);
  ADD ("no-text-overlaps-whatever-there-is", test_shapes);
  ADD ("unfinished-runs-are-marked", test_unfinished);
  ADD ("a-session-open-to-read-is-enough", test_read_only);
  ADD ("an-unwritable-path-is-named", test_unwritable);
  result = g_test_run ();
  pango_cairo_font_map_set_default (NULL);
  cairo_debug_reset_static_data ();
  return result;
}
