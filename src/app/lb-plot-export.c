/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-plot-export.h"

#include <glib/gi18n.h>
#include <lb-plot.h>

#include "lb-file-dialog.h"
#include "lb-plot-renderer.h"
#include "lb-window.h"

/* A width and height that read well in a document. */
#define WIDTH 960
#define HEIGHT 640
#define COPY_SCALE 2

typedef struct
{
  LbFigure *figure;
  char *path;
} SaveJob;

static void
save_job_free (gpointer data)
{
  SaveJob *job = data;

  lb_figure_unref (job->figure);
  g_free (job->path);
  g_free (job);
}

/**
 * lb_plot_export_get_menu:
 *
 * Returns: (transfer none): the context menu of a plot
 */
GMenuModel *
lb_plot_export_get_menu (void)
{
  static GMenu *menu = NULL;

  if (menu == NULL)
    {
      menu = g_menu_new ();
      g_menu_append (menu, _ ("_Show Everything"), "plot.reset");
      g_menu_append (menu, _ ("_Copy Picture"), "plot.copy");
      g_menu_append (menu, _ ("Copy _Data as CSV"), "plot.copy-csv");
      g_menu_append (menu, _ ("_Save As…"), "plot.save");
    }
  return G_MENU_MODEL (menu);
}

static void
say (GtkWidget *widget, const char *text)
{
  GtkRoot *root = gtk_widget_get_root (widget);

  if (LB_IS_WINDOW (root))
    lb_window_add_toast (LB_WINDOW (root), text, NULL, NULL);
}

static void
save_thread (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  SaveJob *job = data;
  GError *error = NULL;
  gboolean saved;

  if (g_str_has_suffix (job->path, ".csv"))
    {
      g_autofree char *text = lb_plot_to_csv (job->figure);

      saved = g_file_set_contents (job->path, text, -1, &error);
    }
  else
    saved = lb_plot_save (job->figure, job->path, WIDTH, HEIGHT, &error);
  if (saved)
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

static void
saved_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  SaveJob *job = g_task_get_task_data (G_TASK (result));
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;

  if (g_task_propagate_boolean (G_TASK (result), &error))
    text = g_strdup_printf (_ ("Saved %s"), job->path);
  else
    text = g_strdup_printf (_ ("The figure could not be saved: %s"), error->message);
  say (GTK_WIDGET (source), text);
}

static void
chosen_cb (GtkWidget *widget, const char *path, gpointer data)
{
  g_autoptr (GTask) task = g_task_new (widget, NULL, saved_cb, NULL);
  SaveJob *job = g_new0 (SaveJob, 1);

  job->figure = lb_figure_ref (data);
  job->path = g_strdup (path);
  g_task_set_task_data (task, job, save_job_free);
  g_task_run_in_thread (task, save_thread);
}

static void
save (LbFigure *figure, GtkWidget *widget)
{
  GtkFileChooserNative *dialog = lb_file_dialog_new (widget, _ ("Save Figure"), GTK_FILE_CHOOSER_ACTION_SAVE);
  static const char *const endings[][2] = {
    { N_ ("Picture (PNG)"), "*.png" },
    { N_ ("Drawing (SVG)"), "*.svg" },
    { N_ ("Drawing (PDF)"), "*.pdf" },
    { N_ ("Data (CSV)"), "*.csv" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (endings); i++)
    lb_file_dialog_add_pattern (dialog, _ (endings[i][0]), endings[i][1]);
  gtk_file_chooser_set_current_name (GTK_FILE_CHOOSER (dialog), "figure.png");
  lb_file_dialog_show (dialog, widget, chosen_cb, lb_figure_ref (figure), (GDestroyNotify) lb_figure_unref);
}

static void
copied_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GtkWidget) widget = user_data;
  g_autoptr (GdkTexture) texture = lb_plot_renderer_render_finish (result, NULL, NULL, NULL);

  if (texture == NULL)
    return;
  gdk_clipboard_set_texture (gtk_widget_get_clipboard (widget), texture);
  say (widget, _ ("Picture copied"));
}

static void
copy (LbFigure *figure, GtkWidget *widget)
{
  const LbPlotRequest request = {
    .figure = figure,
    .width = MAX (gtk_widget_get_width (widget), 1),
    .height = MAX (gtk_widget_get_height (widget), 1),
    .scale = COPY_SCALE,
    .theme = LB_PLOT_THEME_PRINT,
    .view = LB_PLOT_VIEW_ALL,
  };

  lb_plot_renderer_render_async (&request, NULL, copied_cb, g_object_ref (widget));
}

/**
 * lb_plot_export_run:
 * @action: "save", "copy" or "copy-csv"
 * @figure: what is saved or copied
 * @widget: shows it; its window is the dialog's parent
 */
void
lb_plot_export_run (const char *action, LbFigure *figure, GtkWidget *widget)
{
  g_return_if_fail (figure != NULL);
  g_return_if_fail (GTK_IS_WIDGET (widget));

  if (g_str_equal (action, "save"))
    save (figure, widget);
  else if (g_str_equal (action, "copy"))
    copy (figure, widget);
  else if (g_str_equal (action, "copy-csv"))
    {
      g_autofree char *text = lb_plot_to_csv (figure);

      gdk_clipboard_set_text (gtk_widget_get_clipboard (widget), text);
      say (widget, _ ("Data copied"));
    }
}
