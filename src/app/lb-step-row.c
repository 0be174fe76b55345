/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-step-row.h"

#include <glib/gi18n.h>

#include "lb-format.h"

struct _LbStepRow
{
  GtkListBoxRow parent_instance;
  const LbCalibrationStep *step;
  GtkStack *state;
  GtkImage *icon;
  GtkSpinner *spinner;
  GtkLabel *title;
  GtkLabel *age;
  GtkLabel *residual;
  GtkLabel *message;
  GtkWidget *run_button;
};

enum
{
  SIGNAL_RUN,
  N_SIGNALS
};
static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (LbStepRow, lb_step_row, GTK_TYPE_LIST_BOX_ROW)

typedef struct
{
  const char *icon;
  const char *style;
  const char *word;
} Look;

/* In the order of LbVerdict; then not done, and due. */
static const Look looks[] = {
  { "object-select-symbolic", "success", N_ ("passed") },
  { "dialog-warning-symbolic", "warning", N_ ("passed with a warning") },
  { "dialog-error-symbolic", "error", N_ ("failed") },
  { "content-loading-symbolic", "dim-label", N_ ("not done") },
  { "lightbench-due-symbolic", "warning", N_ ("due again") },
};
#define LOOK_NOT_DONE 3
#define LOOK_DUE 4

static void
show_look (LbStepRow *self, guint look)
{
  g_autofree char *description = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (looks); i++)
    gtk_widget_remove_css_class (GTK_WIDGET (self->icon), looks[i].style);
  gtk_widget_add_css_class (GTK_WIDGET (self->icon), looks[look].style);
  gtk_image_set_from_icon_name (self->icon, looks[look].icon);
  gtk_widget_set_tooltip_text (GTK_WIDGET (self->icon), _ (looks[look].word));
  /* Translators: name of a calibration step, its verdict. */
  description = g_strdup_printf (_ ("%s: %s"), _ (self->step->title), _ (looks[look].word));
  gtk_accessible_update_property (GTK_ACCESSIBLE (self), GTK_ACCESSIBLE_PROPERTY_LABEL, description, -1);
}

static char *
make_message (LbCalibration *result, LbCalibration *failed, const char *why)
{
  if (failed == NULL)
    return g_strdup (why != NULL || result == NULL ? why : lb_calibration_get_message (result));
  if (result == NULL)
    return g_strdup (lb_calibration_get_message (failed));
  /* Translators: why the last run of a calibration step failed. */
  return g_strdup_printf (_ ("%s The result before is still in force."), lb_calibration_get_message (failed));
}

/**
 * lb_step_row_set_result:
 * @result: (nullable): in force
 * @failed: (nullable): of the last run, if that failed
 * @why: (nullable): a sentence, if the step is due
 */
void
lb_step_row_set_result (LbStepRow *self, LbCalibration *result, LbCalibration *failed, const char *why)
{
  g_autofree char *message = make_message (result, failed, why);
  g_autofree char *age = NULL;
  g_autofree char *residual = NULL;
  LbCalibration *last = failed != NULL ? failed : result;

  g_return_if_fail (LB_IS_STEP_ROW (self));

  if (last != NULL)
    {
      age = lb_format_age (lb_calibration_get_time_us (last));
      residual = lb_format_residual (lb_calibration_get_residual (last), lb_calibration_get_limit (last),
                                     lb_calibration_get_unit (last));
    }
  show_look (self, last == NULL                    ? LOOK_NOT_DONE
                   : failed == NULL && why != NULL ? LOOK_DUE
                                                   : lb_calibration_get_verdict (last));
  gtk_label_set_text (self->age, age != NULL ? age : "");
  gtk_label_set_text (self->residual, residual != NULL ? residual : "");
  gtk_widget_set_visible (GTK_WIDGET (self->age), age != NULL);
  gtk_widget_set_visible (GTK_WIDGET (self->residual), residual != NULL && residual[0] != '\0');
  gtk_label_set_text (self->message, message != NULL ? message : "");
  gtk_widget_set_visible (GTK_WIDGET (self->message), message != NULL && message[0] != '\0');
}

/**
 * lb_step_row_set_running:
 *
 * Shows that the step is being measured.
 */
void
lb_step_row_set_running (LbStepRow *self, gboolean running)
{
  g_return_if_fail (LB_IS_STEP_ROW (self));

  gtk_spinner_set_spinning (self->spinner, running);
  gtk_stack_set_visible_child (self->state, running ? GTK_WIDGET (self->spinner) : GTK_WIDGET (self->icon));
}

/**
 * lb_step_row_is_running:
 *
 * Returns: whether it shows that the step is being measured
 */
gboolean
lb_step_row_is_running (LbStepRow *self)
{
  g_return_val_if_fail (LB_IS_STEP_ROW (self), FALSE);

  return gtk_spinner_get_spinning (self->spinner);
}

/**
 * lb_step_row_set_runnable:
 *
 * Whether its button may be pressed.
 */
void
lb_step_row_set_runnable (LbStepRow *self, gboolean runnable)
{
  g_return_if_fail (LB_IS_STEP_ROW (self));

  gtk_widget_set_sensitive (self->run_button, runnable);
}

/**
 * lb_step_row_get_step:
 *
 * Returns: (transfer none): the step
 */
const LbCalibrationStep *
lb_step_row_get_step (LbStepRow *self)
{
  g_return_val_if_fail (LB_IS_STEP_ROW (self), NULL);

  return self->step;
}

static void
run_clicked_cb (LbStepRow *self)
{
  g_signal_emit (self, signals[SIGNAL_RUN], 0);
}

static void
lb_step_row_class_init (LbStepRowClass *klass)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  signals[SIGNAL_RUN] =
      g_signal_new ("run", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
  gtk_widget_class_set_template_from_resource (widget_class, "/org/lightbench/Lightbench/step-row.ui");
  gtk_widget_class_bind_template_child (widget_class, LbStepRow, state);
  gtk_widget_class_bind_template_child (widget_class, LbStepRow, icon);
  gtk_widget_class_bind_template_child (widget_class, LbStepRow, spinner);
  gtk_widget_class_bind_template_child (widget_class, LbStepRow, title);
  gtk_widget_class_bind_template_child (widget_class, LbStepRow, age);
  gtk_widget_class_bind_template_child (widget_class, LbStepRow, residual);
  gtk_widget_class_bind_template_child (widget_class, LbStepRow, message);
  gtk_widget_class_bind_template_child (widget_class, LbStepRow, run_button);
  gtk_widget_class_bind_template_callback (widget_class, run_clicked_cb);
}

static void
lb_step_row_init (LbStepRow *self)
{
  gtk_widget_init_template (GTK_WIDGET (self));
}

/**
 * lb_step_row_new:
 * @step: that it shows
 *
 * Returns: (transfer floating): a row that says that nothing was done
 */
GtkWidget *
lb_step_row_new (const LbCalibrationStep *step)
{
  LbStepRow *self = g_object_new (LB_TYPE_STEP_ROW, NULL);
  /* Translators: name of a calibration step. */
  g_autofree char *label = g_strdup_printf (_ ("Run %s"), _ (step->title));

  self->step = step;
  gtk_label_set_text (self->title, _ (step->title));
  gtk_widget_set_tooltip_text (self->run_button, label);
  gtk_accessible_update_property (GTK_ACCESSIBLE (self->run_button), GTK_ACCESSIBLE_PROPERTY_LABEL, label,
                                  -1);
  lb_step_row_set_result (self, NULL, NULL, NULL);
  return GTK_WIDGET (self);
}
