/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-experiment-page.h"

#include <glib/gi18n.h>

#include "lb-experiment-choice.h"
#include "lb-figure-grid.h"
#include "lb-file-dialog.h"
#include "lb-format.h"
#include "lb-merit-table.h"

/* The forecast follows the settings when they have been left alone that long. */
#define FORECAST_DELAY_MS 300

struct _LbExperimentPage
{
  GtkWidget parent_instance;
  LbConsole *console;

  GtkWidget *root;
  AdwComboRow *kind_row;
  AdwComboRow *model_row;
  GtkWidget *layer_row;
  AdwComboRow *op_row;
  GtkWidget *head_row;
  GtkWidget *tokens_row;
  GtkWidget *passage_row;
  GtkWidget *lengths_row;
  GtkWidget *count_row;
  GtkSpinButton *layer_spin;
  GtkSpinButton *head_spin;
  GtkSpinButton *tokens_spin;
  GtkSpinButton *passage_spin;
  GtkSpinButton *count_spin;
  GtkSpinButton *photons_spin;
  GtkWidget *before_row;
  GtkSwitch *before_switch;
  AdwComboRow *sentinel_row;
  GtkWidget *text_box;
  GtkTextView *text_view;
  GtkLabel *forecast_label;
  GtkProgressBar *progress;
  GtkWidget *run_button;
  GtkWidget *pause_button;
  GtkWidget *abort_button;
  GtkStack *contents;
  GtkWidget *empty;
  GtkWidget *result;
  LbMeritTable *merits;
  LbFigureGrid *figures;

  GPtrArray *models; /* of LbModelChoice */
  char *forecast;    /* what the last one said */
  guint forecast_source;
  guint forecast_serial; /* answers to older questions are dropped */
  gboolean filling;
};

G_DEFINE_FINAL_TYPE (LbExperimentPage, lb_experiment_page, GTK_TYPE_WIDGET)

static void schedule_forecast (LbExperimentPage *self);

/* --- What is chosen ---------------------------------------------------------------------- */

/* The rows of the list, in the order of LbChoiceKind. */
static LbChoiceKind
get_kind (LbExperimentPage *self)
{
  return (LbChoiceKind) MIN (adw_combo_row_get_selected (self->kind_row), (guint) LB_CHOICE_MODEL);
}

/* The rows of the list, in the order of LbTransformerOp. */
static LbTransformerOp
get_op (LbExperimentPage *self)
{
  return (LbTransformerOp) MIN (adw_combo_row_get_selected (self->op_row), (guint) LB_N_OPS - 1);
}

static const LbModelChoice *
get_model (LbExperimentPage *self)
{
  guint selected = adw_combo_row_get_selected (self->model_row);

  return selected < self->models->len ? g_ptr_array_index (self->models, selected) : NULL;
}

/* The rows of the list: none, then what a failed one leads to. */
static LbSentinelSettings
get_sentinels (LbExperimentPage *self)
{
  static const LbSentinelSettings rows[] = {
    { 0 },
    { LB_SENTINELS_EVERY, 0, LB_SENTINELS_HOLD },
    { LB_SENTINELS_EVERY, 0, LB_SENTINELS_RECALIBRATE },
    { LB_SENTINELS_EVERY, 0, LB_SENTINELS_CONTINUE },
  };

  return rows[MIN (adw_combo_row_get_selected (self->sentinel_row), G_N_ELEMENTS (rows) - 1)];
}

static LbExperimentChoice *
get_choice (LbExperimentPage *self)
{
  LbExperimentChoice *choice = g_new0 (LbExperimentChoice, 1);
  GtkTextBuffer *buffer = gtk_text_view_get_buffer (self->text_view);
  const LbModelChoice *model = get_model (self);
  GtkTextIter start, end;

  gtk_text_buffer_get_bounds (buffer, &start, &end);
  choice->kind = get_kind (self);
  choice->model = g_strdup (model != NULL ? model->name : NULL);
  choice->text = gtk_text_buffer_get_text (buffer, &start, &end, FALSE);
  choice->layer = gtk_spin_button_get_value_as_int (self->layer_spin);
  choice->head = gtk_spin_button_get_value_as_int (self->head_spin);
  choice->op = get_op (self);
  choice->tokens = gtk_spin_button_get_value_as_int (choice->kind == LB_CHOICE_MODEL ? self->passage_spin
                                                                                     : self->tokens_spin);
  choice->lengths = g_strdup (gtk_editable_get_text (GTK_EDITABLE (self->lengths_row)));
  choice->count = gtk_spin_button_get_value_as_int (self->count_spin);
  choice->seed = lb_console_get_options (self->console)->seed;
  choice->photons_per_mac = gtk_spin_button_get_value (self->photons_spin);
  choice->uncalibrated_too = gtk_switch_get_active (self->before_switch);
  choice->sentinels = get_sentinels (self);
  return choice;
}

/* Heads have the attention products alone. */
static gboolean
has_head (LbExperimentPage *self)
{
  LbTransformerOp op = get_op (self);

  return get_kind (self) == LB_CHOICE_ATTENTION ||
         (get_kind (self) == LB_CHOICE_LAYER && (op == LB_OP_QK || op == LB_OP_AV));
}

static void
show_kind (LbExperimentPage *self)
{
  LbChoiceKind kind = get_kind (self);
  gboolean reads = kind != LB_CHOICE_DOT_PRODUCT, whole = kind == LB_CHOICE_MODEL;

  gtk_widget_set_visible (GTK_WIDGET (self->model_row), reads);
  gtk_widget_set_visible (self->layer_row, reads && !whole);
  gtk_widget_set_visible (GTK_WIDGET (self->op_row), kind == LB_CHOICE_LAYER);
  gtk_widget_set_visible (self->head_row, has_head (self));
  gtk_widget_set_visible (self->tokens_row, reads && !whole);
  gtk_widget_set_visible (self->passage_row, whole);
  gtk_widget_set_visible (self->before_row, !whole);
  gtk_widget_set_visible (self->text_box, reads);
  gtk_widget_set_visible (self->lengths_row, !reads);
  gtk_widget_set_visible (self->count_row, !reads);
}

static void
changed_cb (LbExperimentPage *self)
{
  if (self->console == NULL || self->filling)
    return;
  show_kind (self);
  schedule_forecast (self);
}

/* --- Models --------------------------------------------------------------------------------- */

static void
show_model (LbExperimentPage *self)
{
  const LbModelChoice *model = get_model (self);

  if (model == NULL)
    return;
  gtk_spin_button_set_range (self->layer_spin, 0, model->layers - 1);
  gtk_spin_button_set_range (self->head_spin, 0, model->heads - 1);
  gtk_spin_button_set_range (self->tokens_spin, 2, model->context);
  gtk_spin_button_set_range (self->passage_spin, 2, model->context);
}

/* The last row asks for a folder. */
static void
fill_models (LbExperimentPage *self, guint selected)
{
  g_autoptr (GtkStringList) titles = gtk_string_list_new (NULL);

  for (guint i = 0; i < self->models->len; i++)
    gtk_string_list_append (titles, ((LbModelChoice *) g_ptr_array_index (self->models, i))->title);
  gtk_string_list_append (titles, _ ("Folder…"));
  self->filling = TRUE;
  adw_combo_row_set_model (self->model_row, G_LIST_MODEL (titles));
  adw_combo_row_set_selected (self->model_row, selected);
  show_model (self);
  self->filling = FALSE;
  changed_cb (self);
}

static void
models_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (LbExperimentPage) self = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) found = lb_model_choice_load_finish (result, &error);

  if (self->console == NULL)
    return;
  if (found == NULL)
    {
      gtk_label_set_text (self->forecast_label, error->message);
      return;
    }
  for (guint i = 0; i < found->len; i++)
    g_ptr_array_add (self->models, g_ptr_array_index (found, i));
  g_ptr_array_set_free_func (found, NULL);
  fill_models (self, self->models->len - found->len);
}

static void
folder_cb (GtkWidget *widget, const char *path, gpointer data)
{
  lb_model_choice_load_async (path, models_cb, g_object_ref (widget));
}

static void
choose_folder (LbExperimentPage *self)
{
  lb_file_dialog_show (lb_file_dialog_new (GTK_WIDGET (self), _ ("Choose the Folder of a Model"),
                                           GTK_FILE_CHOOSER_ACTION_SELECT_FOLDER),
                       GTK_WIDGET (self), folder_cb, NULL, NULL);
}

static void
model_selected_cb (LbExperimentPage *self)
{
  if (self->console == NULL || self->filling || self->models->len == 0)
    return;
  if (get_model (self) == NULL)
    {
      fill_models (self, 0);
      choose_folder (self);
      return;
    }
  show_model (self);
  changed_cb (self);
}

/* --- Forecast ---------------------------------------------------------------------------------- */

typedef struct
{
  guint serial;
  LbExperimentChoice *choice;
  LbBench *bench;
  LbCalibrationSet *calibrations;
  guint64 exposures;
  double seconds;
} Forecast;

static void
forecast_free (gpointer data)
{
  Forecast *forecast = data;

  lb_experiment_choice_free (forecast->choice);
  g_object_unref (forecast->bench);
  g_object_unref (forecast->calibrations);
  g_free (forecast);
}

static void
forecast_thread (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  Forecast *forecast = data;
  const LbExperimentPlace place = { forecast->bench, forecast->calibrations, NULL,
                                    forecast->choice->uncalibrated_too, forecast->choice->sentinels };
  GError *error = NULL;
  g_autoptr (LbExperiment) experiment = lb_experiment_choice_make (forecast->choice, &error);

  if (experiment != NULL &&
      lb_experiment_forecast (experiment, &place, &forecast->exposures, &forecast->seconds, &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

static void show_forecast (LbExperimentPage *self);

static void
forecast_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  LbExperimentPage *self = LB_EXPERIMENT_PAGE (source);
  const Forecast *forecast = g_task_get_task_data (G_TASK (result));
  g_autoptr (GError) error = NULL;
  g_autofree char *seconds = NULL;

  if (self->console == NULL || forecast->serial != self->forecast_serial)
    return;
  g_clear_pointer (&self->forecast, g_free);
  if (g_task_propagate_boolean (G_TASK (result), &error))
    {
      seconds = lb_format_seconds (forecast->seconds);
      self->forecast = g_strdup_printf (_ ("Forecast: %llu exposures, %s of bench time"),
                                        (unsigned long long) forecast->exposures, seconds);
    }
  else
    self->forecast = g_strdup_printf (_ ("Not possible: %s"), error->message);
  show_forecast (self);
}

static gboolean
begin_forecast (gpointer user_data)
{
  LbExperimentPage *self = user_data;
  g_autoptr (GTask) task = NULL;
  Forecast *forecast;

  self->forecast_source = 0;
  if (!lb_console_is_ready (self->console) || !lb_console_is_calibrated (self->console))
    return G_SOURCE_REMOVE;
  forecast = g_new0 (Forecast, 1);
  forecast->serial = ++self->forecast_serial;
  forecast->choice = get_choice (self);
  forecast->bench = g_object_ref (lb_console_get_bench (self->console));
  forecast->calibrations = g_object_ref (lb_console_get_calibrations (self->console));
  task = g_task_new (self, NULL, forecast_cb, NULL);
  g_task_set_task_data (task, forecast, forecast_free);
  g_task_run_in_thread (task, forecast_thread);
  return G_SOURCE_REMOVE;
}

static void
schedule_forecast (LbExperimentPage *self)
{
  g_clear_handle_id (&self->forecast_source, g_source_remove);
  self->forecast_source = g_timeout_add (FORECAST_DELAY_MS, begin_forecast, self);
}

static void
show_forecast (LbExperimentPage *self)
{
  LbSnapshot *snapshot = lb_console_get_snapshot (self->console);
  g_autofree char *text = NULL;

  if (lb_console_get_task (self->console) == LB_TASK_RUN && snapshot != NULL)
    text = g_strdup_printf (
        _ ("%s: exposure %llu of %llu, %llu dot products"),
        lb_console_is_paused (self->console) && !snapshot->held ? _ ("Paused") : snapshot->message,
        (unsigned long long) snapshot->exposures, (unsigned long long) snapshot->exposures_forecast,
        (unsigned long long) snapshot->dot_products);
  else if (!lb_console_is_connected (self->console))
    text = g_strdup (_ ("The bench is not connected: connect it on the page Bench."));
  else if (!lb_console_is_calibrated (self->console))
    text = g_strdup (_ ("The bench has no complete calibration: calibrate it on the page Calibrate."));
  gtk_label_set_text (self->forecast_label, text != NULL             ? text
                                            : self->forecast != NULL ? self->forecast
                                                                     : "");
}

/* --- The run --------------------------------------------------------------------------------------- */

static void
run_cb (LbExperimentPage *self)
{
  LbExperimentChoice *choice = get_choice (self);

  lb_console_run (self->console, lb_experiment_choice_make, choice,
                  (GDestroyNotify) lb_experiment_choice_free, choice->uncalibrated_too, &choice->sentinels);
}

static void
pause_cb (LbExperimentPage *self)
{
  lb_console_set_paused (self->console, !lb_console_is_paused (self->console));
}

static void
abort_cb (LbExperimentPage *self)
{
  lb_console_abort (self->console);
}

static void
show_snapshot (LbExperimentPage *self)
{
  LbSnapshot *snapshot = lb_console_get_snapshot (self->console);

  if (snapshot == NULL)
    return;
  lb_merit_table_set_results (self->merits, snapshot->results);
  lb_figure_grid_set_figures (self->figures, snapshot->figures);
  gtk_progress_bar_set_fraction (self->progress, CLAMP (snapshot->fraction, 0, 1));
  gtk_stack_set_visible_child (self->contents, self->result);
  show_forecast (self);
}

static void
show_all (LbExperimentPage *self)
{
  gboolean running = lb_console_get_task (self->console) == LB_TASK_RUN;
  gboolean ready = lb_console_is_ready (self->console) && lb_console_is_calibrated (self->console);

  if (ready && !gtk_widget_get_sensitive (self->run_button))
    schedule_forecast (self);
  gtk_widget_set_sensitive (self->run_button, ready);
  gtk_widget_set_sensitive (self->pause_button, running);
  gtk_widget_set_sensitive (self->abort_button, running);
  gtk_button_set_label (GTK_BUTTON (self->pause_button),
                        lb_console_is_paused (self->console) ? _ ("Resume") : _ ("Pause"));
  if (!running)
    gtk_progress_bar_set_fraction (self->progress, 0);
  show_forecast (self);
}

/* --- The object --------------------------------------------------------------------------------------- */

static void
lb_experiment_page_dispose (GObject *object)
{
  LbExperimentPage *self = LB_EXPERIMENT_PAGE (object);

  g_clear_handle_id (&self->forecast_source, g_source_remove);
  g_clear_object (&self->console);
  g_clear_pointer (&self->root, gtk_widget_unparent);
  g_clear_pointer (&self->models, g_ptr_array_unref);
  g_clear_pointer (&self->forecast, g_free);
  G_OBJECT_CLASS (lb_experiment_page_parent_class)->dispose (object);
}

static void
bind_children (GtkWidgetClass *widget_class)
{
  gtk_widget_class_bind_template_child (widget_class, LbExperimentPage, root);
  gtk_widget_class_bind_template_child (widget_class, LbExperimentPage, kind_row);
  gtk_widget_class_bind_template_child (widget_class, LbExperimentPage, model_row);
  gtk_widget_class_bind_template_child (widget_class, LbExperimentPage, layer_row);
  gtk_widget_class_bind_template_child (widget_class, LbExperimentPage, op_row);
  gtk_widget_class_bind_template_child (widget_class, LbExperimentPage, head_row);
  gtk_widget_class_bind_template_child (widget_class, LbExperimentPage, tokens_row);
  gtk_widget_class_bind_template_child (widget_class, LbExperimentPage, passage_row);
  gtk_widget_class_bind_template_child (widget_class, LbExperimentPage, lengths_row);
  gtk_widget_class_bind_template_child (widget_class, LbExperimentPage, count_row);
  gtk_widget_class_bind_template_child (widget_class, LbExperimentPage, layer_spin);
  gtk_widget_class_bind_template_child (widget_class, LbExperimentPage, head_spin);
  gtk_widget_class_bind_template_child (widget_class, LbExperimentPage, tokens_spin);
  gtk_widget_class_bind_template_child (widget_class, LbExperimentPage, passage_spin);
  gtk_widget_class_bind_template_child (widget_class, LbExperimentPage, count_spin);
  gtk_widget_class_bind_template_child (widget_class, LbExperimentPage, photons_spin);
  gtk_widget_class_bind_template_child (widget_class, LbExperimentPage, before_row);
  gtk_widget_class_bind_template_child (widget_class, LbExperimentPage, before_switch);
  gtk_widget_class_bind_template_child (widget_class, LbExperimentPage, sentinel_row);
  gtk_widget_class_bind_template_child (widget_class, LbExperimentPage, text_box);
  gtk_widget_class_bind_template_child (widget_class, LbExperimentPage, text_view);
  gtk_widget_class_bind_template_child (widget_class, LbExperimentPage, forecast_label);
  gtk_widget_class_bind_template_child (widget_class, LbExperimentPage, progress);
  gtk_widget_class_bind_template_child (widget_class, LbExperimentPage, run_button);
  gtk_widget_class_bind_template_child (widget_class, LbExperimentPage, pause_button);
  gtk_widget_class_bind_template_child (widget_class, LbExperimentPage, abort_button);
  gtk_widget_class_bind_template_child (widget_class, LbExperimentPage, contents);
  gtk_widget_class_bind_template_child (widget_class, LbExperimentPage, empty);
  gtk_widget_class_bind_template_child (widget_class, LbExperimentPage, result);
  gtk_widget_class_bind_template_child (widget_class, LbExperimentPage, merits);
  gtk_widget_class_bind_template_child (widget_class, LbExperimentPage, figures);
}

static void
lb_experiment_page_class_init (LbExperimentPageClass *klass)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  G_OBJECT_CLASS (klass)->dispose = lb_experiment_page_dispose;
  gtk_widget_class_set_accessible_role (widget_class, GTK_ACCESSIBLE_ROLE_GROUP);
  g_type_ensure (LB_TYPE_FIGURE_GRID);
  g_type_ensure (LB_TYPE_MERIT_TABLE);
  gtk_widget_class_set_template_from_resource (widget_class, "/org/lightbench/Lightbench/experiment-page.ui");
  bind_children (widget_class);
  gtk_widget_class_bind_template_callback (widget_class, run_cb);
  gtk_widget_class_bind_template_callback (widget_class, pause_cb);
  gtk_widget_class_bind_template_callback (widget_class, abort_cb);
  gtk_widget_class_bind_template_callback (widget_class, changed_cb);
  gtk_widget_class_bind_template_callback (widget_class, model_selected_cb);
}

static void
lb_experiment_page_init (LbExperimentPage *self)
{
  self->models = g_ptr_array_new_with_free_func ((GDestroyNotify) lb_model_choice_free);
  gtk_widget_init_template (GTK_WIDGET (self));
  gtk_accessible_update_property (GTK_ACCESSIBLE (self), GTK_ACCESSIBLE_PROPERTY_LABEL, _ ("Experiment page"),
                                  -1);
  gtk_widget_set_sensitive (self->run_button, FALSE);
  gtk_text_buffer_set_text (gtk_text_view_get_buffer (self->text_view), lb_experiment_default_text (), -1);
}

/**
 * lb_experiment_page_new:
 * @console: what it shows
 *
 * Returns: (transfer floating): the page
 */
GtkWidget *
lb_experiment_page_new (LbConsole *console)
{
  LbExperimentPage *self = g_object_new (LB_TYPE_EXPERIMENT_PAGE, NULL);

  self->console = g_object_ref (console);
  g_signal_connect_object (console, "state-changed", G_CALLBACK (show_all), self, G_CONNECT_SWAPPED);
  g_signal_connect_object (console, "calibrations-changed", G_CALLBACK (show_all), self, G_CONNECT_SWAPPED);
  g_signal_connect_object (console, "snapshot", G_CALLBACK (show_snapshot), self, G_CONNECT_SWAPPED);
  g_signal_connect_object (gtk_text_view_get_buffer (self->text_view), "changed", G_CALLBACK (changed_cb),
                           self, G_CONNECT_SWAPPED);
  lb_model_choice_load_async (NULL, models_cb, g_object_ref (self));
  show_kind (self);
  show_snapshot (self);
  show_all (self);
  return GTK_WIDGET (self);
}
