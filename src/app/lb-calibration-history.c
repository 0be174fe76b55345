/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-calibration-history.h"

#include <glib/gi18n.h>
#include <lb-calibration-store.h>
#include <math.h>

#include "lb-quantity-list.h"

struct _LbCalibrationHistory
{
  GtkWidget parent_instance;
  GtkWidget *group;
  AdwComboRow *row;
  GtkStringList *names;
  LbQuantityList *changes;
  LbCalibration *current;
  GPtrArray *earlier; /* of LbCalibration, in the order of the rows after the first */
  GCancellable *cancellable;
};

G_DEFINE_FINAL_TYPE (LbCalibrationHistory, lb_calibration_history, GTK_TYPE_WIDGET)

/* --- Comparison ------------------------------------------------------------------------ */

typedef struct
{
  LbCalibration *before, *after;
} Pair;

static void
pair_free (gpointer data)
{
  Pair *pair = data;

  g_object_unref (pair->before);
  g_object_unref (pair->after);
  g_free (pair);
}

static char *
describe_change (const LbCalibrationDifference *difference)
{
  if (isnan (difference->a) || isnan (difference->b))
    return g_strdup_printf (_ ("%.5g %s, in one of the two alone"),
                            isnan (difference->a) ? difference->b : difference->a, difference->unit);
  return g_strdup_printf (_ ("%.5g, then %.5g %s"), difference->a, difference->b, difference->unit);
}

static void
compare_thread (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  const Pair *pair = data;
  GError *error = NULL;
  g_autoptr (GPtrArray) differences = lb_calibration_compare (pair->before, pair->after, &error);
  LbQuantities *changes;

  if (differences == NULL)
    {
      g_task_return_error (task, error);
      return;
    }
  changes = lb_quantities_new ();
  for (guint i = 0; i < differences->len; i++)
    {
      const LbCalibrationDifference *one = g_ptr_array_index (differences, i);
      g_autofree char *text = describe_change (one);

      if (one->a != one->b)
        lb_quantities_set_text (changes, one->name, text);
    }
  g_task_return_pointer (task, changes, (GDestroyNotify) lb_quantities_free);
}

static void
compared_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  LbCalibrationHistory *self = LB_CALIBRATION_HISTORY (source);
  g_autoptr (GError) error = NULL;
  g_autoptr (LbQuantities) changes = g_task_propagate_pointer (G_TASK (result), &error);

  if (changes != NULL && self->changes != NULL)
    lb_quantity_list_set_quantities (self->changes, changes);
  else if (error != NULL && !g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    g_warning ("%s", error->message);
}

static void
selected_cb (LbCalibrationHistory *self)
{
  const guint selected = adw_combo_row_get_selected (self->row);
  g_autoptr (GTask) task = NULL;
  Pair *pair;

  lb_quantity_list_set_quantities (self->changes, NULL);
  if (self->current == NULL || self->earlier == NULL || selected == 0 || selected > self->earlier->len)
    return;
  pair = g_new (Pair, 1);
  pair->before = g_object_ref (g_ptr_array_index (self->earlier, selected - 1));
  pair->after = g_object_ref (self->current);
  task = g_task_new (self, self->cancellable, compared_cb, NULL);
  g_task_set_task_data (task, pair, pair_free);
  g_task_run_in_thread (task, compare_thread);
}

/* --- What there is -------------------------------------------------------------------------- */

typedef struct
{
  LbBench *bench;
  LbCalibration *current;
} Question;

static void
question_free (gpointer data)
{
  Question *question = data;

  g_object_unref (question->bench);
  g_object_unref (question->current);
  g_free (question);
}

static void
list_thread (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  const Question *question = data;
  GError *error = NULL;
  g_autoptr (GPtrArray) stored = lb_calibration_store_list (question->bench, &error);
  GPtrArray *earlier;

  if (stored == NULL)
    {
      g_task_return_error (task, error);
      return;
    }
  earlier = g_ptr_array_new_with_free_func (g_object_unref);
  for (guint i = 0; i < stored->len; i++)
    {
      LbCalibration *one = ((LbStoredCalibration *) g_ptr_array_index (stored, i))->calibration;

      if (g_str_equal (lb_calibration_get_step (one), lb_calibration_get_step (question->current)) &&
          g_strcmp0 (lb_calibration_get_hash (one), lb_calibration_get_hash (question->current)) != 0)
        g_ptr_array_add (earlier, g_object_ref (one));
    }
  g_task_return_pointer (task, earlier, (GDestroyNotify) g_ptr_array_unref);
}

static char *
name_result (LbCalibration *calibration)
{
  /* In the order of LbVerdict. */
  static const char *const verdicts[] = { N_ ("passed"), N_ ("passed with a warning"), N_ ("failed") };
  g_autoptr (GDateTime) utc =
      g_date_time_new_from_unix_utc (lb_calibration_get_time_us (calibration) / G_USEC_PER_SEC);
  g_autoptr (GDateTime) local = g_date_time_to_local (utc);
  g_autofree char *when = g_date_time_format (local, "%x %X");
  const char *verdict = _ (verdicts[lb_calibration_get_verdict (calibration)]);

  if (!isfinite (lb_calibration_get_residual (calibration)))
    return g_strdup_printf ("%s: %s", when, verdict);
  return g_strdup_printf (_ ("%s: %s, residual %.3g %s"), when, verdict,
                          lb_calibration_get_residual (calibration), lb_calibration_get_unit (calibration));
}

static void
listed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  LbCalibrationHistory *self = LB_CALIBRATION_HISTORY (source);
  g_autoptr (GError) error = NULL;
  GPtrArray *earlier = g_task_propagate_pointer (G_TASK (result), &error);

  if (earlier == NULL)
    {
      if (!g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        g_warning ("%s", error->message);
      return;
    }
  g_clear_pointer (&self->earlier, g_ptr_array_unref);
  self->earlier = earlier;
  for (guint i = 0; i < earlier->len; i++)
    {
      g_autofree char *name = name_result (g_ptr_array_index (earlier, i));

      gtk_string_list_append (self->names, name);
    }
  gtk_widget_set_visible (GTK_WIDGET (self), earlier->len > 0);
}

void
lb_calibration_history_set_current (LbCalibrationHistory *self, LbBench *bench, LbCalibration *current)
{
  g_autoptr (GTask) task = NULL;
  Question *question;

  g_return_if_fail (LB_IS_CALIBRATION_HISTORY (self));

  g_cancellable_cancel (self->cancellable);
  g_clear_object (&self->cancellable);
  g_set_object (&self->current, current);
  g_clear_pointer (&self->earlier, g_ptr_array_unref);
  gtk_string_list_splice (self->names, 1, g_list_model_get_n_items (G_LIST_MODEL (self->names)) - 1, NULL);
  lb_quantity_list_set_quantities (self->changes, NULL);
  gtk_widget_set_visible (GTK_WIDGET (self), FALSE);
  if (bench == NULL || current == NULL)
    return;
  self->cancellable = g_cancellable_new ();
  question = g_new (Question, 1);
  *question = (Question){ g_object_ref (bench), g_object_ref (current) };
  task = g_task_new (self, self->cancellable, listed_cb, NULL);
  g_task_set_task_data (task, question, question_free);
  g_task_run_in_thread (task, list_thread);
}

/* --- The object ------------------------------------------------------------------------------ */

static void
lb_calibration_history_dispose (GObject *object)
{
  LbCalibrationHistory *self = LB_CALIBRATION_HISTORY (object);

  g_cancellable_cancel (self->cancellable);
  g_clear_object (&self->cancellable);
  g_clear_object (&self->current);
  g_clear_pointer (&self->earlier, g_ptr_array_unref);
  self->changes = NULL;
  g_clear_pointer (&self->group, gtk_widget_unparent);
  G_OBJECT_CLASS (lb_calibration_history_parent_class)->dispose (object);
}

static void
lb_calibration_history_class_init (LbCalibrationHistoryClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = lb_calibration_history_dispose;
  gtk_widget_class_set_layout_manager_type (GTK_WIDGET_CLASS (klass), GTK_TYPE_BIN_LAYOUT);
}

static void
lb_calibration_history_init (LbCalibrationHistory *self)
{
  const char *const first[] = { _ ("No comparison"), NULL };

  self->names = gtk_string_list_new (first);
  self->row = ADW_COMBO_ROW (adw_combo_row_new ());
  adw_preferences_row_set_title (ADW_PREFERENCES_ROW (self->row), _ ("Compare with"));
  adw_combo_row_set_model (self->row, G_LIST_MODEL (self->names));
  g_object_unref (self->names);
  self->changes = LB_QUANTITY_LIST (lb_quantity_list_new ());
  self->group = adw_preferences_group_new ();
  adw_preferences_group_set_title (ADW_PREFERENCES_GROUP (self->group), _ ("Earlier results"));
  adw_preferences_group_add (ADW_PREFERENCES_GROUP (self->group), GTK_WIDGET (self->row));
  adw_preferences_group_add (ADW_PREFERENCES_GROUP (self->group), GTK_WIDGET (self->changes));
  gtk_widget_set_parent (self->group, GTK_WIDGET (self));
  gtk_widget_set_visible (GTK_WIDGET (self), FALSE);
  g_signal_connect_object (self->row, "notify::selected", G_CALLBACK (selected_cb), self, G_CONNECT_SWAPPED);
}
