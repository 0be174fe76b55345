/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-session-contents.h"

#include <glib/gi18n.h>
#include <math.h>

#include "lb-format.h"

G_DEFINE_FINAL_TYPE (LbSessionEntry, lb_session_entry, G_TYPE_OBJECT)

static void
lb_session_entry_finalize (GObject *object)
{
  LbSessionEntry *self = LB_SESSION_ENTRY (object);

  g_free (self->title);
  g_free (self->subtitle);
  g_free (self->text);
  g_free (self->style);
  g_clear_pointer (&self->settings, lb_quantities_free);
  g_clear_pointer (&self->results, lb_quantities_free);
  G_OBJECT_CLASS (lb_session_entry_parent_class)->finalize (object);
}

static void
lb_session_entry_class_init (LbSessionEntryClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = lb_session_entry_finalize;
}

static void
lb_session_entry_init (LbSessionEntry *self)
{
}

static LbSessionEntry *
entry_new (LbEntryKind kind, gint64 id, gint64 time_us, const char *title, const char *text)
{
  LbSessionEntry *entry = g_object_new (LB_TYPE_SESSION_ENTRY, NULL);

  entry->kind = kind;
  entry->id = id;
  entry->time_us = time_us;
  entry->title = g_strdup (title);
  entry->text = g_strdup (text);
  return entry;
}

static LbSessionEntry *
from_calibration (const LbSessionCalibration *row)
{
  LbSessionEntry *entry = entry_new (LB_ENTRY_CALIBRATION, row->id, row->time_us, row->title, row->message);

  entry->subtitle = lb_format_residual (row->residual, row->limit, row->unit);
  entry->style = g_strdup (g_strcmp0 (row->verdict, "pass") == 0   ? "success"
                           : g_strcmp0 (row->verdict, "warn") == 0 ? "warning"
                                                                   : "error");
  entry->results = row->values != NULL ? lb_quantities_copy (row->values) : NULL;
  return entry;
}

/* The title is shown above; it is no setting. */
static LbQuantities *
settings_without_title (const LbQuantities *settings)
{
  LbQuantities *copy = lb_quantities_new ();

  for (guint i = 0; settings != NULL && i < lb_quantities_get_length (settings); i++)
    {
      const LbQuantity *quantity = lb_quantities_get_nth (settings, i);

      if (g_str_equal (quantity->name, "title"))
        continue;
      if (quantity->text != NULL)
        lb_quantities_set_text (copy, quantity->name, quantity->text);
      else
        lb_quantities_set (copy, quantity->name, quantity->value, quantity->unit);
    }
  return copy;
}

/* @running: right now; a run that has no end and does not run was cut short. */
static LbSessionEntry *
from_run (const LbSessionRun *run, gboolean running)
{
  static const char *const states[] = { N_ ("did not end"), N_ ("finished"), N_ ("aborted"), N_ ("failed") };
  static const char *const styles[] = { "warning", "success", "warning", "error" };
  const char *cut_short = _ ("The program went away before the run had ended. What was measured is kept.");
  const char *state = running ? _ ("running") : _ (states[run->state]);
  const char *title = run->settings != NULL ? lb_quantities_get_text (run->settings, "title") : NULL;
  LbSessionEntry *entry =
      entry_new (LB_ENTRY_RUN, run->id, run->started_us, title != NULL ? title : run->kind,
                 run->state == LB_RUN_RUNNING && !running ? cut_short : run->message);
  double error = run->results != NULL ? lb_quantities_get (run->results, "normalised_error", NAN) : NAN;
  g_autofree char *percent = lb_format_percent (error);

  entry->subtitle =
      isfinite (error) ? g_strdup_printf (_ ("%s, error %s"), state, percent) : g_strdup (state);
  entry->style = g_strdup (running ? "" : styles[run->state]);
  entry->settings = settings_without_title (run->settings);
  entry->results = run->results != NULL ? lb_quantities_copy (run->results) : NULL;
  return entry;
}

static int
compare_times (gconstpointer a, gconstpointer b)
{
  const LbSessionEntry *left = *(LbSessionEntry *const *) a;
  const LbSessionEntry *right = *(LbSessionEntry *const *) b;

  return (left->time_us > right->time_us) - (left->time_us < right->time_us);
}

static GPtrArray *
load (LbSession *session, gboolean running, GError **error)
{
  g_autoptr (GPtrArray) entries = g_ptr_array_new_with_free_func (g_object_unref);
  g_autoptr (GPtrArray) calibrations = lb_session_list_calibrations (session, error);
  g_autoptr (GPtrArray) runs = NULL;
  g_autoptr (GPtrArray) notes = NULL;

  if (calibrations == NULL || (runs = lb_session_list_runs (session, error)) == NULL ||
      (notes = lb_session_list_notes (session, error)) == NULL)
    return NULL;
  for (guint i = 0; i < calibrations->len; i++)
    g_ptr_array_add (entries, from_calibration (g_ptr_array_index (calibrations, i)));
  for (guint i = 0; i < runs->len; i++)
    {
      const LbSessionRun *run = g_ptr_array_index (runs, i);

      g_ptr_array_add (entries,
                       from_run (run, running && i + 1 == runs->len && run->state == LB_RUN_RUNNING));
    }
  for (guint i = 0; i < notes->len; i++)
    {
      const LbSessionNote *note = g_ptr_array_index (notes, i);
      LbSessionEntry *entry = entry_new (LB_ENTRY_NOTE, i, note->time_us, _ ("Note"), note->text);

      entry->subtitle = g_strdup (note->text);
      g_ptr_array_add (entries, entry);
    }
  g_ptr_array_sort (entries, compare_times);
  return g_steal_pointer (&entries);
}

static void
contents_thread (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  GError *error = NULL;
  GPtrArray *entries = load (source, GPOINTER_TO_INT (data), &error);

  if (entries != NULL)
    g_task_return_pointer (task, entries, (GDestroyNotify) g_ptr_array_unref);
  else
    g_task_return_error (task, error);
}

/**
 * lb_session_contents_load_async:
 * @session: to read
 * @running: whether its last run is under way, if it has no end
 */
void
lb_session_contents_load_async (LbSession *session,
                                gboolean running,
                                GCancellable *cancellable,
                                GAsyncReadyCallback callback,
                                gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (session, cancellable, callback, user_data);

  g_task_set_task_data (task, GINT_TO_POINTER (running), NULL);
  g_task_run_in_thread (task, contents_thread);
}

/**
 * lb_session_contents_load_finish:
 *
 * Returns: (transfer full) (element-type LbSessionEntry): what was done
 */
GPtrArray *
lb_session_contents_load_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

static void
figures_thread (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  LbSessionEntry *entry = data;
  GError *error = NULL;
  g_autoptr (GPtrArray) figures = g_ptr_array_new_with_free_func ((GDestroyNotify) lb_figure_unref);
  g_autoptr (GPtrArray) stored =
      lb_session_list_figures (source, entry->kind == LB_ENTRY_RUN ? entry->id : 0,
                               entry->kind == LB_ENTRY_CALIBRATION ? entry->id : 0, &error);

  if (stored == NULL)
    {
      g_task_return_error (task, error);
      return;
    }
  for (guint i = 0; i < stored->len; i++)
    g_ptr_array_add (figures, lb_figure_ref (((LbSessionFigure *) g_ptr_array_index (stored, i))->figure));
  g_task_return_pointer (task, g_steal_pointer (&figures), (GDestroyNotify) g_ptr_array_unref);
}

/**
 * lb_session_figures_load_async:
 * @entry: a run or a calibration
 */
void
lb_session_figures_load_async (LbSession *session,
                               LbSessionEntry *entry,
                               GCancellable *cancellable,
                               GAsyncReadyCallback callback,
                               gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (session, cancellable, callback, user_data);

  g_task_set_task_data (task, g_object_ref (entry), g_object_unref);
  g_task_run_in_thread (task, figures_thread);
}

/**
 * lb_session_figures_load_finish:
 *
 * Returns: (transfer full) (element-type LbFigure): its figures
 */
GPtrArray *
lb_session_figures_load_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}
