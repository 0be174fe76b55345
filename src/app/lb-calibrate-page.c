/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-calibrate-page.h"

#include <glib/gi18n.h>
#include <lb-workflow.h>

#include "lb-calibration-history.h"
#include "lb-figure-grid.h"
#include "lb-format.h"
#include "lb-quantity-list.h"
#include "lb-step-row.h"

/* Ages are shown to the minute. */
#define AGE_INTERVAL_S 20

struct _LbCalibratePage
{
  GtkWidget parent_instance;
  LbConsole *console;

  GtkWidget *root;
  GtkWidget *all_button;
  GtkWidget *due_button;
  GtkWidget *abort_button;
  GtkWidget *bad_button;
  GtkLabel *forecast;
  GtkProgressBar *progress;
  GtkListBox *list;
  GtkLabel *title;
  GtkLabel *description;
  GtkStack *contents;
  AdwStatusPage *empty;
  GtkWidget *result;
  LbFigureGrid *figures;
  LbQuantityList *values;
  LbCalibrationHistory *history;
  LbCalibration *shown; /* whose values are shown; NULL while it is measured */
  guint age_source;
};

G_DEFINE_FINAL_TYPE (LbCalibratePage, lb_calibrate_page, GTK_TYPE_WIDGET)

/* --- What is selected ----------------------------------------------------------------- */

static const LbCalibrationStep *
get_selected (LbCalibratePage *self)
{
  GtkListBoxRow *row = gtk_list_box_get_selected_row (self->list);

  return row != NULL ? lb_step_row_get_step (LB_STEP_ROW (row)) : NULL;
}

static void
show_figures (LbCalibratePage *self, GPtrArray *figures, LbCalibration *calibration)
{
  gboolean any = figures->len > 0 || calibration != NULL;

  lb_figure_grid_set_figures (self->figures, figures);
  if (calibration != self->shown || calibration == NULL)
    {
      lb_quantity_list_set_quantities (self->values,
                                       calibration != NULL ? lb_calibration_values (calibration) : NULL);
      lb_calibration_history_set_current (self->history, lb_console_get_bench (self->console), calibration);
    }
  g_set_object (&self->shown, calibration);
  /* A failed one is never in force. */
  gtk_widget_set_visible (self->bad_button,
                          calibration != NULL && lb_calibration_get_verdict (calibration) != LB_VERDICT_FAIL);
  gtk_stack_set_visible_child (self->contents, any ? self->result : GTK_WIDGET (self->empty));
}

/* The figure so far of a step that runs, else those of its last result, in force or not. */
static void
show_selected (LbCalibratePage *self)
{
  const LbCalibrationStep *step = get_selected (self);
  const LbStepProgress *progress = lb_console_get_step_progress (self->console);
  LbCalibrationSet *set = lb_console_get_calibrations (self->console);
  g_autoptr (GPtrArray) figures = g_ptr_array_new ();
  g_autoptr (LbCalibration) calibration = NULL;
  gboolean measuring;

  if (step == NULL)
    return;
  measuring = progress != NULL && g_str_equal (progress->step, step->name);
  adw_status_page_set_title (self->empty, measuring ? _ ("Measuring…") : _ ("Nothing measured yet"));
  gtk_label_set_text (self->title, _ (step->title));
  gtk_label_set_text (self->description, _ (step->description));
  if (measuring)
    {
      if (progress->figure != NULL)
        g_ptr_array_add (figures, progress->figure);
    }
  else if (set != NULL)
    {
      calibration = lb_calibration_set_dup_failed (set, step->name);
      if (calibration == NULL)
        calibration = lb_calibration_set_dup (set, step->name);
      for (guint i = 0; calibration != NULL && i < lb_calibration_get_n_figures (calibration); i++)
        g_ptr_array_add (figures, lb_calibration_get_figure (calibration, i, NULL));
    }
  show_figures (self, figures, calibration);
}

static void
row_selected_cb (LbCalibratePage *self)
{
  if (self->console != NULL)
    show_selected (self);
}

/* --- State ------------------------------------------------------------------------------- */

/* By the bench as it is now, if it is connected. */
static gboolean
is_due (LbCalibratePage *self, LbCalibrationSet *set, const LbCalibrationStep *step, char **why)
{
  LbBench *bench = lb_console_get_bench (self->console);

  return bench != NULL && lb_console_is_connected (self->console)
             ? lb_calibration_set_is_due_on (set, bench, step->name, why)
             : lb_calibration_set_is_due (set, step->name, why);
}

static void
show_row (LbCalibratePage *self, LbStepRow *row)
{
  const LbCalibrationStep *step = lb_step_row_get_step (row);
  const LbStepProgress *progress = lb_console_get_step_progress (self->console);
  LbCalibrationSet *set = lb_console_get_calibrations (self->console);
  g_autoptr (LbCalibration) calibration = NULL;
  g_autoptr (LbCalibration) failed = NULL;
  g_autofree char *why = NULL;

  if (set != NULL)
    {
      calibration = lb_calibration_set_dup (set, step->name);
      failed = lb_calibration_set_dup_failed (set, step->name);
      is_due (self, set, step, &why);
    }
  lb_step_row_set_result (row, calibration, failed, why);
  lb_step_row_set_runnable (row, lb_console_is_ready (self->console));
  lb_step_row_set_running (row, progress != NULL && g_str_equal (progress->step, step->name));
}

static void
show_rows (LbCalibratePage *self)
{
  GtkListBoxRow *row;

  for (int i = 0; (row = gtk_list_box_get_row_at_index (self->list, i)) != NULL; i++)
    show_row (self, LB_STEP_ROW (row));
}

static gboolean
is_any_due (LbCalibratePage *self)
{
  LbCalibrationSet *set = lb_console_get_calibrations (self->console);

  for (const LbCalibrationStep *const *step = lb_calibration_steps_get (); set != NULL && *step != NULL;
       step++)
    if (is_due (self, set, *step, NULL))
      return TRUE;
  return FALSE;
}

/* Of all steps, on a bench that could take them now. */
static void
show_forecast (LbCalibratePage *self)
{
  LbBench *bench = lb_console_get_bench (self->console);
  LbCalibrationSet *set = lb_console_get_calibrations (self->console);
  g_autofree char *seconds = NULL;
  g_autofree char *text = NULL;
  LbCalibrationForecast forecast;

  gtk_widget_set_visible (GTK_WIDGET (self->forecast), set != NULL && lb_console_is_ready (self->console));
  if (set == NULL || !lb_console_is_ready (self->console))
    return;
  lb_workflow_forecast_calibration (bench, set, NULL, &forecast);
  seconds = lb_format_seconds (forecast.seconds);
  text = g_strdup_printf (_ ("Forecast: %llu exposures, %s of bench time"),
                          (unsigned long long) forecast.exposures, seconds);
  gtk_label_set_text (self->forecast, text);
}

static void
show_all (LbCalibratePage *self)
{
  gboolean ready = lb_console_is_ready (self->console);
  gboolean running = lb_console_get_task (self->console) == LB_TASK_CALIBRATE;

  gtk_widget_set_sensitive (self->all_button, ready);
  gtk_widget_set_sensitive (self->due_button, ready && is_any_due (self));
  gtk_widget_set_sensitive (self->abort_button, running);
  gtk_widget_set_sensitive (self->bad_button, ready);
  gtk_widget_set_visible (GTK_WIDGET (self->progress), running);
  show_forecast (self);
  show_rows (self);
  show_selected (self);
}

static guint
count_steps (void)
{
  guint count = 0;

  while (lb_calibration_steps_get ()[count] != NULL)
    count++;
  return count;
}

static void
step_progress_cb (LbCalibratePage *self, const LbStepProgress *progress)
{
  GtkListBoxRow *row;
  guint count = count_steps ();
  g_autofree char *text = NULL;

  for (int i = 0; (row = gtk_list_box_get_row_at_index (self->list, i)) != NULL; i++)
    {
      const LbCalibrationStep *step = lb_step_row_get_step (LB_STEP_ROW (row));

      if (!g_str_equal (step->name, progress->step))
        continue;
      /* Follows the steps, but stays where the operator looks while one runs. */
      if (!lb_step_row_is_running (LB_STEP_ROW (row)))
        gtk_list_box_select_row (self->list, row);
      text = progress->message != NULL
                 ? g_strdup_printf (_ ("Step %d of %u, %s: %s"), i + 1, count, _ (step->title),
                                    progress->message)
                 : g_strdup_printf (_ ("Step %d of %u, %s"), i + 1, count, _ (step->title));
    }
  gtk_progress_bar_set_fraction (self->progress, CLAMP (progress->fraction, 0, 1));
  gtk_progress_bar_set_text (self->progress, text);
  show_rows (self);
  show_selected (self);
}

static gboolean
age_cb (gpointer user_data)
{
  LbCalibratePage *self = user_data;

  if (gtk_widget_get_mapped (GTK_WIDGET (self)))
    show_rows (self);
  return G_SOURCE_CONTINUE;
}

/* --- Buttons ------------------------------------------------------------------------------- */

static void
all_cb (LbCalibratePage *self)
{
  lb_console_calibrate (self->console, NULL);
}

static void
due_cb (LbCalibratePage *self)
{
  lb_console_calibrate (self->console, (const char *const[]){ "due", NULL });
}

static void
abort_cb (LbCalibratePage *self)
{
  lb_console_abort (self->console);
}

static void
bad_response_cb (AdwMessageDialog *dialog, const char *response, LbCalibratePage *self)
{
  LbCalibration *calibration = g_object_get_data (G_OBJECT (dialog), "calibration");

  if (g_str_equal (response, "mark"))
    lb_console_mark_bad (self->console, calibration);
}

/* Asks first: there is no way back. */
static void
bad_cb (LbCalibratePage *self)
{
  GtkWidget *dialog;

  if (self->shown == NULL)
    return;
  dialog = adw_message_dialog_new (
      GTK_WINDOW (gtk_widget_get_root (GTK_WIDGET (self))), _ ("Mark This Result as Bad?"),
      _ ("It is kept, but never used again. The one before it, if there is one, comes into force."));
  adw_message_dialog_add_responses (ADW_MESSAGE_DIALOG (dialog), "cancel", _ ("_Cancel"), "mark",
                                    _ ("_Mark as Bad"), NULL);
  adw_message_dialog_set_response_appearance (ADW_MESSAGE_DIALOG (dialog), "mark", ADW_RESPONSE_DESTRUCTIVE);
  adw_message_dialog_set_default_response (ADW_MESSAGE_DIALOG (dialog), "cancel");
  adw_message_dialog_set_close_response (ADW_MESSAGE_DIALOG (dialog), "cancel");
  g_object_set_data_full (G_OBJECT (dialog), "calibration", g_object_ref (self->shown), g_object_unref);
  g_signal_connect_object (dialog, "response", G_CALLBACK (bad_response_cb), self, 0);
  gtk_window_present (GTK_WINDOW (dialog));
}

static void
run_one_cb (LbStepRow *row, LbCalibratePage *self)
{
  lb_console_calibrate (self->console, (const char *const[]){ lb_step_row_get_step (row)->name, NULL });
}

/* --- The object ------------------------------------------------------------------------------ */

static void
lb_calibrate_page_dispose (GObject *object)
{
  LbCalibratePage *self = LB_CALIBRATE_PAGE (object);

  g_clear_handle_id (&self->age_source, g_source_remove);
  g_clear_object (&self->shown);
  g_clear_object (&self->console);
  g_clear_pointer (&self->root, gtk_widget_unparent);
  G_OBJECT_CLASS (lb_calibrate_page_parent_class)->dispose (object);
}

static void
lb_calibrate_page_class_init (LbCalibratePageClass *klass)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  G_OBJECT_CLASS (klass)->dispose = lb_calibrate_page_dispose;
  gtk_widget_class_set_accessible_role (widget_class, GTK_ACCESSIBLE_ROLE_GROUP);
  g_type_ensure (LB_TYPE_CALIBRATION_HISTORY);
  g_type_ensure (LB_TYPE_FIGURE_GRID);
  g_type_ensure (LB_TYPE_QUANTITY_LIST);
  gtk_widget_class_set_template_from_resource (widget_class, "/org/lightbench/Lightbench/calibrate-page.ui");
  gtk_widget_class_bind_template_child (widget_class, LbCalibratePage, root);
  gtk_widget_class_bind_template_child (widget_class, LbCalibratePage, all_button);
  gtk_widget_class_bind_template_child (widget_class, LbCalibratePage, due_button);
  gtk_widget_class_bind_template_child (widget_class, LbCalibratePage, abort_button);
  gtk_widget_class_bind_template_child (widget_class, LbCalibratePage, bad_button);
  gtk_widget_class_bind_template_child (widget_class, LbCalibratePage, forecast);
  gtk_widget_class_bind_template_child (widget_class, LbCalibratePage, progress);
  gtk_widget_class_bind_template_child (widget_class, LbCalibratePage, list);
  gtk_widget_class_bind_template_child (widget_class, LbCalibratePage, title);
  gtk_widget_class_bind_template_child (widget_class, LbCalibratePage, description);
  gtk_widget_class_bind_template_child (widget_class, LbCalibratePage, contents);
  gtk_widget_class_bind_template_child (widget_class, LbCalibratePage, empty);
  gtk_widget_class_bind_template_child (widget_class, LbCalibratePage, result);
  gtk_widget_class_bind_template_child (widget_class, LbCalibratePage, figures);
  gtk_widget_class_bind_template_child (widget_class, LbCalibratePage, values);
  gtk_widget_class_bind_template_child (widget_class, LbCalibratePage, history);
  gtk_widget_class_bind_template_callback (widget_class, all_cb);
  gtk_widget_class_bind_template_callback (widget_class, due_cb);
  gtk_widget_class_bind_template_callback (widget_class, abort_cb);
  gtk_widget_class_bind_template_callback (widget_class, bad_cb);
  gtk_widget_class_bind_template_callback (widget_class, row_selected_cb);
}

static void
lb_calibrate_page_init (LbCalibratePage *self)
{
  gtk_widget_init_template (GTK_WIDGET (self));
  gtk_accessible_update_property (GTK_ACCESSIBLE (self), GTK_ACCESSIBLE_PROPERTY_LABEL, _ ("Calibrate page"),
                                  -1);
  for (const LbCalibrationStep *const *step = lb_calibration_steps_get (); *step != NULL; step++)
    {
      GtkWidget *row = lb_step_row_new (*step);

      g_signal_connect (row, "run", G_CALLBACK (run_one_cb), self);
      gtk_list_box_append (self->list, row);
    }
}

/**
 * lb_calibrate_page_new:
 * @console: what it shows
 *
 * Returns: (transfer floating): the page
 */
GtkWidget *
lb_calibrate_page_new (LbConsole *console)
{
  LbCalibratePage *self = g_object_new (LB_TYPE_CALIBRATE_PAGE, NULL);

  self->console = g_object_ref (console);
  g_signal_connect_object (console, "state-changed", G_CALLBACK (show_all), self, G_CONNECT_SWAPPED);
  g_signal_connect_object (console, "calibrations-changed", G_CALLBACK (show_all), self, G_CONNECT_SWAPPED);
  g_signal_connect_object (console, "step-progress", G_CALLBACK (step_progress_cb), self, G_CONNECT_SWAPPED);
  self->age_source = g_timeout_add_seconds (AGE_INTERVAL_S, age_cb, self);
  gtk_list_box_select_row (self->list, gtk_list_box_get_row_at_index (self->list, 0));
  show_all (self);
  return GTK_WIDGET (self);
}
