/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <adwaita.h>
#include <glib/gstdio.h>
#include <math.h>

#include <lb-figure-grid.h>
#include <lb-format.h>
#include <lb-mailbox.h>
#include <lb-plot-widget.h>
#include <lb-session-contents.h>

#define TIMEOUT_US (10 * G_USEC_PER_SEC)

/* Runs the main loop until @condition holds; fails after ten seconds. */
#define wait_until(condition)                                                                                \
  do                                                                                                         \
    {                                                                                                        \
      gint64 end_us = g_get_monotonic_time () + TIMEOUT_US;                                                  \
      while (!(condition))                                                                                   \
        {                                                                                                    \
          g_assert_cmpint (g_get_monotonic_time (), <, end_us);                                              \
          g_main_context_iteration (NULL, FALSE);                                                            \
          g_usleep (1000);                                                                                   \
        }                                                                                                    \
    }                                                                                                        \
  while (0)

static LbFigure *
new_figure (const char *title)
{
  const double x[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 };
  LbFigure *figure = lb_figure_new (title, "x", "", "y", "");

  lb_figure_add_line (figure, NULL, x, x, G_N_ELEMENTS (x));
  return figure;
}

static GtkWidget *
show (GtkWidget *child)
{
  GtkWidget *window = gtk_window_new ();

  gtk_window_set_default_size (GTK_WINDOW (window), 640, 480);
  gtk_window_set_child (GTK_WINDOW (window), child);
  gtk_window_present (GTK_WINDOW (window));
  return window;
}

/* --- Plots ---------------------------------------------------------------------------- */

static void
test_plot_is_drawn (void)
{
  g_autoptr (LbFigure) figure = new_figure ("Line");
  LbPlotWidget *plot = LB_PLOT_WIDGET (lb_plot_widget_new ());
  GtkWidget *window = show (GTK_WIDGET (plot));

  g_assert_false (lb_plot_widget_is_settled (plot));
  lb_plot_widget_set_figure (plot, figure);
  wait_until (lb_plot_widget_is_settled (plot));
  gtk_test_accessible_assert_role (GTK_ACCESSIBLE (plot), GTK_ACCESSIBLE_ROLE_IMG);
  gtk_test_accessible_assert_property (GTK_ACCESSIBLE (plot), GTK_ACCESSIBLE_PROPERTY_LABEL, "Line");
  gtk_window_destroy (GTK_WINDOW (window));
}

static void
test_zoom_survives_a_newer_figure (void)
{
  g_autoptr (LbFigure) first = new_figure ("Line");
  g_autoptr (LbFigure) second = new_figure ("Line");
  g_autoptr (LbFigure) other = new_figure ("Something else");
  LbPlotWidget *plot = LB_PLOT_WIDGET (lb_plot_widget_new ());
  GtkWidget *window = show (GTK_WIDGET (plot));

  lb_plot_widget_set_figure (plot, first);
  wait_until (lb_plot_widget_is_settled (plot));
  g_assert_false (lb_plot_widget_is_zoomed (plot));
  lb_plot_widget_zoom (plot, 2, 300, 200);
  g_assert_true (lb_plot_widget_is_zoomed (plot));
  lb_plot_widget_set_figure (plot, second);
  g_assert_true (lb_plot_widget_is_zoomed (plot));
  lb_plot_widget_set_figure (plot, other);
  g_assert_false (lb_plot_widget_is_zoomed (plot));
  gtk_window_destroy (GTK_WINDOW (window));
}

static void
test_zoom_is_reset (void)
{
  g_autoptr (LbFigure) figure = new_figure ("Line");
  LbPlotWidget *plot = LB_PLOT_WIDGET (lb_plot_widget_new ());
  GtkWidget *window = show (GTK_WIDGET (plot));

  lb_plot_widget_set_figure (plot, figure);
  wait_until (lb_plot_widget_is_settled (plot));
  lb_plot_widget_zoom (plot, 2, 300, 200);
  lb_plot_widget_reset (plot);
  g_assert_false (lb_plot_widget_is_zoomed (plot));
  gtk_window_destroy (GTK_WINDOW (window));
}

/* A hundred figures in a row must not be drawn one by one. */
static void
test_only_the_newest_figure_is_drawn (void)
{
  LbPlotWidget *plot = LB_PLOT_WIDGET (lb_plot_widget_new ());
  GtkWidget *window = show (GTK_WIDGET (plot));
  g_autoptr (LbFigure) last = NULL;
  gint64 start_us = g_get_monotonic_time ();

  for (guint i = 0; i < 1000; i++)
    {
      g_clear_pointer (&last, lb_figure_unref);
      last = new_figure ("Line");
      lb_plot_widget_set_figure (plot, last);
      g_main_context_iteration (NULL, FALSE);
    }
  wait_until (lb_plot_widget_is_settled (plot));
  g_assert_true (lb_plot_widget_get_figure (plot) == last);
  g_assert_cmpint (g_get_monotonic_time () - start_us, <, TIMEOUT_US);
  gtk_window_destroy (GTK_WINDOW (window));
}

static void
test_grid_shows_what_it_is_given (void)
{
  LbFigureGrid *grid = LB_FIGURE_GRID (lb_figure_grid_new ());
  GtkWidget *window = show (GTK_WIDGET (grid));
  g_autoptr (GPtrArray) figures = g_ptr_array_new_with_free_func ((GDestroyNotify) lb_figure_unref);

  for (guint i = 0; i < 5; i++)
    g_ptr_array_add (figures, new_figure ("Line"));
  lb_figure_grid_set_figures (grid, figures);
  g_assert_cmpuint (lb_figure_grid_get_length (grid), ==, 5);
  g_ptr_array_set_size (figures, 2);
  lb_figure_grid_set_figures (grid, figures);
  g_assert_cmpuint (lb_figure_grid_get_length (grid), ==, 2);
  lb_figure_grid_set_figures (grid, NULL);
  g_assert_cmpuint (lb_figure_grid_get_length (grid), ==, 0);
  gtk_window_destroy (GTK_WINDOW (window));
}

/* --- Mailbox ------------------------------------------------------------------------------ */

typedef struct
{
  guint deliveries;
  char *newest;
} Reader;

static void
read_cb (gpointer letter, gpointer user_data)
{
  Reader *reader = user_data;

  reader->deliveries++;
  g_free (reader->newest);
  reader->newest = g_strdup (letter);
}

static gpointer
write_thread (gpointer data)
{
  for (guint i = 0; i < 1000; i++)
    lb_mailbox_post (data, g_strdup_printf ("%u", i));
  return NULL;
}

static void
test_mailbox_keeps_the_newest (void)
{
  Reader reader = { 0 };
  g_autoptr (LbMailbox) mailbox = lb_mailbox_new (read_cb, &reader, g_free);
  GThread *writer = g_thread_new ("writer", write_thread, mailbox);

  g_thread_join (writer);
  wait_until (g_strcmp0 (reader.newest, "999") == 0);
  g_assert_cmpuint (reader.deliveries, ==, 1);
  lb_mailbox_flush (mailbox);
  g_assert_cmpuint (reader.deliveries, ==, 1);
  g_free (reader.newest);
}

static void
test_closed_mailbox_delivers_nothing (void)
{
  Reader reader = { 0 };
  g_autoptr (LbMailbox) mailbox = lb_mailbox_new (read_cb, &reader, g_free);

  lb_mailbox_post (mailbox, g_strdup ("late"));
  lb_mailbox_close (mailbox);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_cmpuint (reader.deliveries, ==, 0);
}

/* --- Words ---------------------------------------------------------------------------------- */

static void
test_times_read_well (void)
{
  static const struct
  {
    double seconds;
    const char *text;
  } table[] = {
    { 0.04, "0.0 s" },         { 9.94, "9.9 s" },     { 10.4, "10 s" }, { 59.6, "1 min 0 s" },
    { 3599.4, "59 min 59 s" }, { 3660, "1 h 1 min" }, { NAN, "–" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (table); i++)
    {
      g_autofree char *text = lb_format_seconds (table[i].seconds);

      g_assert_cmpstr (text, ==, table[i].text);
    }
}

static void
test_quantities_read_well (void)
{
  g_autoptr (LbQuantities) quantities = lb_quantities_new ();
  g_autofree char *name = lb_format_quantity_name ("normalised_error");
  g_autofree char *unknown = lb_format_quantity_name ("dark_current_mean");
  g_autofree char *group = lb_format_quantity_name ("group_2");
  g_autofree char *of_group = lb_format_quantity_name ("group_12_normalised_error");
  g_autofree char *no_group = lb_format_quantity_name ("group_velocity");
  g_autofree char *value = NULL;
  g_autofree char *of_group_value = NULL;

  lb_quantities_set (quantities, "normalised_error", 0.0231, "");
  lb_quantities_set (quantities, "group_12_normalised_error", 0.0032, "");
  value = lb_format_quantity_value (lb_quantities_get_nth (quantities, 0));
  of_group_value = lb_format_quantity_value (lb_quantities_get_nth (quantities, 1));
  g_assert_cmpstr (group, ==, "Group 2");
  g_assert_cmpstr (of_group, ==, "Group 12: Normalised error");
  g_assert_cmpstr (no_group, ==, "Group velocity");
  g_assert_cmpstr (of_group_value, ==, "0.32 %");
  g_assert_cmpstr (name, ==, "Normalised error");
  g_assert_cmpstr (unknown, ==, "Dark current mean");
  g_assert_cmpstr (value, ==, "2.31 %");
}

static void
loaded_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  *(GAsyncResult **) user_data = g_object_ref (result);
}

static char *
dup_run_subtitle (LbSession *session, gboolean running)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GPtrArray) entries = NULL;
  g_autoptr (GError) error = NULL;

  lb_session_contents_load_async (session, running, NULL, loaded_cb, &result);
  while (result == NULL)
    g_main_context_iteration (NULL, TRUE);
  entries = lb_session_contents_load_finish (result, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (entries->len, ==, 1);
  return g_strdup (((LbSessionEntry *) g_ptr_array_index (entries, 0))->subtitle);
}

/* What a kill leaves behind does not run. */
static void
test_run_without_an_end (void)
{
  g_autofree char *folder = g_dir_make_tmp ("test-app-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (folder, "cut.lbsession", NULL);
  g_autoptr (LbQuantities) settings = lb_quantities_new ();
  g_autoptr (GError) error = NULL;
  LbSession *session = lb_session_open (path, "simulated", settings, &error);
  g_autofree char *running = NULL;
  g_autofree char *cut_short = NULL;
  gint64 run;

  g_assert_no_error (error);
  lb_session_begin_run (session, "attention", settings, &run, &error);
  g_assert_no_error (error);
  running = dup_run_subtitle (session, TRUE);
  cut_short = dup_run_subtitle (session, FALSE);
  g_assert_cmpstr (running, ==, "running");
  g_assert_cmpstr (cut_short, ==, "did not end");
  /* The task that listed it may hold it a moment longer. */
  lb_session_close (session, &error);
  g_assert_no_error (error);
  g_object_unref (session);
  g_assert_cmpint (g_unlink (path), ==, 0);
  g_assert_cmpint (g_rmdir (folder), ==, 0);
}

int
main (int argc, char **argv)
{
  gtk_test_init (&argc, &argv, NULL);
  adw_init ();
  g_test_add_func ("/app/session/a-run-cut-short-does-not-run", test_run_without_an_end);
  g_test_add_func ("/app/plot/is-drawn-by-a-worker", test_plot_is_drawn);
  g_test_add_func ("/app/plot/zoom-survives-a-newer-figure", test_zoom_survives_a_newer_figure);
  g_test_add_func ("/app/plot/zoom-is-reset", test_zoom_is_reset);
  g_test_add_func ("/app/plot/only-the-newest-figure-is-drawn", test_only_the_newest_figure_is_drawn);
  g_test_add_func ("/app/grid/shows-what-it-is-given", test_grid_shows_what_it_is_given);
  g_test_add_func ("/app/mailbox/keeps-the-newest", test_mailbox_keeps_the_newest);
  g_test_add_func ("/app/mailbox/delivers-nothing-once-closed", test_closed_mailbox_delivers_nothing);
  g_test_add_func ("/app/format/times-read-well", test_times_read_well);
  g_test_add_func ("/app/format/quantities-read-well", test_quantities_read_well);
  return g_test_run ();
}
