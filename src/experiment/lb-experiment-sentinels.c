/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <glib/gi18n-lib.h>
#include <math.h>

#include "lb-experiment-private.h"
#include "lb-workflow.h"

static void
changed_cb (LbCalibrationSet *set, gpointer user_data)
{
  LbSentinelWatch *self = user_data;

  g_atomic_int_inc (&self->changes);
}

void
lb_sentinel_watch_begin (LbSentinelWatch *self, LbExperiment *experiment, const LbExperimentPlace *place)
{
  *self = (LbSentinelWatch){ .experiment = experiment, .place = place };
  self->limit = place->sentinels.limit > 0 ? place->sentinels.limit : LB_SENTINEL_LIMIT;
  self->calibrations = g_object_ref (place->calibrations);
  self->changed_handler = g_signal_connect (self->calibrations, "changed", G_CALLBACK (changed_cb), self);
}

void
lb_sentinel_watch_end (LbSentinelWatch *self)
{
  if (self->calibrations != NULL)
    g_clear_signal_handler (&self->changed_handler, self->calibrations);
  g_clear_object (&self->calibrations);
  g_clear_error (&self->error);
  self->place = NULL;
}

/* In the bench's worker. */
static void
taken_cb (const LbSentinel *sentinel, gpointer user_data)
{
  LbSentinelWatch *self = user_data;
  const LbSessionSentinel stored = { .residual = sentinel->residual,
                                     .limit = sentinel->limit,
                                     .slope = sentinel->slope,
                                     .passed = sentinel->passed };

  if (sentinel->passed)
    self->fresh = FALSE;
  if (self->last_failed || !sentinel->passed)
    self->in_doubt += self->since;
  self->since = 0;
  self->last_failed = !sentinel->passed;
  self->taken++;
  self->failed += !sentinel->passed;
  self->worst = fmax (self->worst, sentinel->residual);
  if (self->place->session != NULL && self->run > 0 && self->error == NULL)
    lb_session_add_sentinel (self->place->session, self->run, &stored, &self->error);
}

static char *
describe (const LbSentinel *sentinel)
{
  if (isnan (sentinel->residual))
    return g_strdup (_ ("A sentinel could not be read: too many of its camera pixels are saturated"));
  return g_strdup_printf (_ ("A sentinel is off by %.1f %% (limit %.1f %%, slope %.3f): the calibration no "
                             "longer holds, or something has moved"),
                          100 * sentinel->residual, 100 * sentinel->limit, sentinel->slope);
}

static gboolean
use_calibrations (LbSentinelWatch *self, LbOpticalPath *path, GError **error)
{
  g_autoptr (LbOpticsModel) model =
      lb_calibration_set_make_model (self->place->calibrations, self->place->bench, TRUE, error);

  return model != NULL && lb_optical_path_set_model (path, model, error);
}

/* The alignment, and of the other steps those that were in force and are due by that. */
static gboolean
recalibrate (LbSentinelWatch *self, GCancellable *cancellable, GError **error)
{
  const LbExperimentPlace *place = self->place;

  for (const LbCalibrationStep *const *step = lb_calibration_steps_get (); *step != NULL; step++)
    {
      const char *const steps[] = { (*step)->name, NULL };
      g_autoptr (LbCalibration) in_force = lb_calibration_set_dup (place->calibrations, (*step)->name);

      if ((*step)->only_checks || in_force == NULL ||
          (!g_str_equal ((*step)->name, "alignment") &&
           !lb_calibration_set_is_due_on (place->calibrations, place->bench, (*step)->name, NULL)))
        continue;
      if (!lb_workflow_calibrate (place->bench, place->calibrations, place->session, steps, NULL, NULL, NULL,
                                  cancellable, error))
        return FALSE;
    }
  self->recalibrated++;
  self->fresh = TRUE;
  return TRUE;
}

/* In the thread that multiplies. */
static gboolean
failed_cb (LbOpticalPath *path,
           const LbSentinel *sentinel,
           gpointer user_data,
           GCancellable *cancellable,
           GError **error)
{
  LbSentinelWatch *self = user_data;
  g_autofree char *why = describe (sentinel);
  g_autofree char *message = NULL;
  const gint changes = g_atomic_int_get (&self->changes);

  switch (self->place->sentinels.action)
    {
    case LB_SENTINELS_HOLD:
      message = g_strdup_printf (_ ("Held. %s. Go on, or abort and calibrate"), why);
      return lb_experiment_hold (self->experiment, message, cancellable, error) &&
             (g_atomic_int_get (&self->changes) == changes || use_calibrations (self, path, error));
    case LB_SENTINELS_RECALIBRATE:
      /* Not twice at the same place: then it is not the calibration. */
      if (!self->fresh)
        return recalibrate (self, cancellable, error) && use_calibrations (self, path, error);
      break;
    case LB_SENTINELS_END:
      break;
    case LB_SENTINELS_CONTINUE:
    default:
      return TRUE;
    }
  g_set_error (error, LB_EXPERIMENT_ERROR, LB_EXPERIMENT_ERROR_SENTINEL,
               _ ("%s: calibrate again, then repeat what is in doubt"), why);
  return FALSE;
}

gboolean
lb_sentinel_watch_guard (LbSentinelWatch *self, LbOpticalPath *path, GError **error)
{
  return lb_optical_path_set_sentinels (path, self->place->sentinels.every, self->limit, taken_cb, failed_cb,
                                        self, error);
}

void
lb_sentinel_watch_add_results (const LbSentinelWatch *self, LbQuantities *results)
{
  if (self->taken == 0)
    return;
  lb_quantities_set (results, "sentinels", self->taken, "");
  lb_quantities_set (results, "sentinels_failed", self->failed, "");
  lb_quantities_set (results, "sentinel_worst", self->worst, "");
  lb_quantities_set (results, "sentinel_limit", self->limit, "");
  lb_quantities_set (results, "recalibrations", self->recalibrated, "");
  lb_quantities_set (results, "in_doubt", self->in_doubt + (self->last_failed ? self->since : 0), "");
}
