/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-workflow.h"

#include <glib/gi18n-lib.h>
#include <lb-calibration-store.h>

/* Noise keys of calibrations lie apart from those of runs (lb-experiment.c), so
 * that no calibration shares its noise with what it decodes. */
#define CALIBRATION_ORDINALS (G_GUINT64_CONSTANT (1) << 40)

static gboolean
is_wanted (const LbCalibrationStep *step, LbCalibrationSet *set, LbBench *bench, const char *const *steps)
{
  if (steps == NULL)
    return TRUE;
  if (g_strcmp0 (steps[0], "due") == 0)
    return lb_calibration_set_is_due_on (set, bench, step->name, NULL);
  return g_strv_contains (steps, step->name) || g_strv_contains (steps, "all");
}

static gboolean
check_names (const char *const *steps, GError **error)
{
  if (steps != NULL && steps[0] == NULL)
    {
      g_set_error_literal (error, LB_CALIBRATION_ERROR, LB_CALIBRATION_ERROR_NO_SUCH_STEP,
                           _ ("no calibration step is named: give their names, or due, or all"));
      return FALSE;
    }
  for (guint i = 0; steps != NULL && steps[i] != NULL; i++)
    if (lb_calibration_steps_find (steps[i]) == NULL && !g_str_equal (steps[i], "due") &&
        !g_str_equal (steps[i], "all"))
      {
        g_autoptr (GString) names = g_string_new (NULL);

        for (const LbCalibrationStep *const *step = lb_calibration_steps_get (); *step != NULL; step++)
          g_string_append_printf (names, "%s%s", names->len > 0 ? ", " : "", (*step)->name);
        g_set_error (error, LB_CALIBRATION_ERROR, LB_CALIBRATION_ERROR_NO_SUCH_STEP,
                     _ ("there is no calibration step \"%s\"; the steps are: %s, and due, all"), steps[i],
                     names->str);
        return FALSE;
      }
  return TRUE;
}

gboolean
lb_workflow_store_calibration (LbSession *session, LbCalibration *calibration, GError **error)
{
  const LbCalibrationStep *step = lb_calibration_steps_find (lb_calibration_get_step (calibration));
  g_autoptr (GBytes) bytes = lb_calibration_to_bytes (calibration);
  gint64 id = 0;
  LbSessionCalibration stored = {
    .step = (char *) lb_calibration_get_step (calibration),
    .title = (char *) (step != NULL ? _ (step->title) : lb_calibration_get_step (calibration)),
    .hash = (char *) lb_calibration_get_hash (calibration),
    .verdict = (char *) lb_verdict_get_name (lb_calibration_get_verdict (calibration)),
    .message = (char *) lb_calibration_get_message (calibration),
    .time_us = lb_calibration_get_time_us (calibration),
    .residual = lb_calibration_get_residual (calibration),
    .limit = lb_calibration_get_limit (calibration),
    .duration_s = lb_calibration_get_duration_s (calibration),
    .unit = (char *) lb_calibration_get_unit (calibration),
    .values = lb_calibration_values (calibration),
    .data = bytes,
  };

  if (!lb_session_add_calibration (session, &stored, &id, error))
    return FALSE;
  for (guint i = 0; i < lb_calibration_get_n_figures (calibration); i++)
    {
      const char *name = NULL;
      LbFigure *figure = lb_calibration_get_figure (calibration, i, &name);

      if (!lb_session_add_figure_of_calibration (session, id, name, figure, error))
        return FALSE;
    }
  return TRUE;
}

static gboolean
is_stored (const GPtrArray *stored, LbCalibration *calibration)
{
  for (guint i = 0; i < stored->len; i++)
    if (g_str_equal (((const LbSessionCalibration *) g_ptr_array_index (stored, i))->hash,
                     lb_calibration_get_hash (calibration)))
      return TRUE;
  return FALSE;
}

gboolean
lb_workflow_store_calibrations_in_force (LbSession *session, LbCalibrationSet *set, GError **error)
{
  const LbCalibrationStep *const *steps = lb_calibration_steps_get ();
  g_autoptr (GPtrArray) stored = NULL;

  g_return_val_if_fail (session != NULL, FALSE);
  g_return_val_if_fail (LB_IS_CALIBRATION_SET (set), FALSE);

  stored = lb_session_list_calibrations (session, error);
  if (stored == NULL)
    return FALSE;
  for (guint i = 0; steps[i] != NULL; i++)
    {
      g_autoptr (LbCalibration) calibration = lb_calibration_set_dup (set, steps[i]->name);

      if (calibration != NULL && !is_stored (stored, calibration) &&
          !lb_workflow_store_calibration (session, calibration, error))
        return FALSE;
    }
  return TRUE;
}

/* What a step without a result leaves in the session. */
static void
note_failure (LbSession *session, const LbCalibrationStep *step, GError **error)
{
  g_autofree char *text = NULL;
  g_autoptr (GError) note_error = NULL;

  if (session == NULL || error == NULL || *error == NULL)
    return;
  text = g_strdup_printf (_ ("The calibration step %s ended without a result: %s"), _ (step->title),
                          (*error)->message);
  if (!lb_session_add_note (session, text, &note_error))
    g_warning ("%s", note_error->message);
}

static gboolean
run_step (LbBench *bench,
          LbCalibrationSet *set,
          LbSession *session,
          const LbCalibrationStep *step,
          guint nth,
          GPtrArray *results,
          LbCalibrationProgress progress,
          gpointer user_data,
          GCancellable *cancellable,
          GError **error)
{
  guint64 ordinal =
      CALIBRATION_ORDINALS + (session != NULL ? lb_session_get_next_ordinal (session) : nth + 1);
  g_autoptr (LbCalibration) result = NULL;

  result = lb_calibration_run_step (bench, set, step->name, ordinal, progress, user_data, cancellable, error);
  if (result == NULL)
    {
      note_failure (session, step, error);
      g_prefix_error (error, "%s: ", _ (step->title));
      return FALSE;
    }
  if (results != NULL)
    g_ptr_array_add (results, g_object_ref (result));
  if (session != NULL &&
      (!lb_workflow_store_calibration (session, result, error) ||
       !lb_session_set_bench_time_us (session, lb_clock_now_us (lb_bench_get_clock (bench)), error)))
    return FALSE;
  if (!lb_calibration_store_save (result, error))
    return FALSE;
  if (lb_calibration_get_verdict (result) == LB_VERDICT_FAIL)
    {
      g_set_error (error, LB_CALIBRATION_ERROR, LB_CALIBRATION_ERROR_SIGNAL, "%s: %s", _ (step->title),
                   lb_calibration_get_message (result));
      return FALSE;
    }
  return TRUE;
}

gboolean
lb_workflow_calibrate (LbBench *bench,
                       LbCalibrationSet *set,
                       LbSession *session,
                       const char *const *steps,
                       GPtrArray *results,
                       LbCalibrationProgress progress,
                       gpointer user_data,
                       GCancellable *cancellable,
                       GError **error)
{
  const LbCalibrationStep *const *all = lb_calibration_steps_get ();

  g_return_val_if_fail (LB_IS_BENCH (bench), FALSE);
  g_return_val_if_fail (LB_IS_CALIBRATION_SET (set), FALSE);

  if (!check_names (steps, error) || !lb_calibration_store_prepare (error))
    return FALSE;
  for (guint i = 0; all[i] != NULL; i++)
    if (is_wanted (all[i], set, bench, steps) &&
        !run_step (bench, set, session, all[i], i, results, progress, user_data, cancellable, error))
      return FALSE;
  return TRUE;
}

void
lb_workflow_forecast_calibration (LbBench *bench,
                                  LbCalibrationSet *set,
                                  const char *const *steps,
                                  LbCalibrationForecast *forecast)
{
  const LbCalibrationStep *const *all = lb_calibration_steps_get ();

  g_return_if_fail (LB_IS_BENCH (bench) && LB_IS_CALIBRATION_SET (set));

  *forecast = (LbCalibrationForecast){ 0 };
  for (guint i = 0; all[i] != NULL; i++)
    {
      LbCalibrationForecast one;

      if (!is_wanted (all[i], set, bench, steps))
        continue;
      lb_calibration_forecast (bench, set, all[i]->name, &one);
      forecast->exposures += one.exposures;
      forecast->seconds += one.seconds;
    }
}

/* Whether @set has one of that step which is newer. */
static gboolean
is_superseded (LbCalibrationSet *set, LbCalibration *calibration)
{
  g_autoptr (LbCalibration) other = lb_calibration_set_dup (set, lb_calibration_get_step (calibration));

  return other != NULL && lb_calibration_get_time_us (other) > lb_calibration_get_time_us (calibration);
}

static gboolean
take_from_session (LbCalibrationSet *set, LbBench *bench, LbSession *session, GError **error)
{
  g_autoptr (GPtrArray) stored = lb_session_list_calibrations (session, error);

  if (stored == NULL)
    return FALSE;
  for (guint i = 0; i < stored->len; i++)
    {
      const LbSessionCalibration *row = g_ptr_array_index (stored, i);
      g_autoptr (GBytes) bytes = lb_session_get_calibration_data (session, row->id, error);
      g_autoptr (LbCalibration) calibration = NULL;

      if (bytes == NULL || (calibration = lb_calibration_from_bytes (bytes, error)) == NULL)
        return FALSE;
      if (lb_calibration_get_verdict (calibration) != LB_VERDICT_FAIL &&
          lb_calibration_fits_bench (calibration, bench) && !is_superseded (set, calibration) &&
          !lb_calibration_store_is_bad (lb_calibration_get_hash (calibration)))
        lb_calibration_set_put (set, calibration);
    }
  return TRUE;
}

LbCalibrationSet *
lb_workflow_load_calibrations (LbBench *bench, LbSession *session, GError **error)
{
  g_autoptr (LbCalibrationSet) set = NULL;

  g_return_val_if_fail (LB_IS_BENCH (bench), NULL);

  set = lb_calibration_store_load (bench, error);
  if (set == NULL)
    return NULL;
  if (session != NULL && !take_from_session (set, bench, session, error))
    return NULL;
  lb_calibration_set_apply_timing (set, bench);
  return g_steal_pointer (&set);
}
