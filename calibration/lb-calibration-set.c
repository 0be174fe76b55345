/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-calibration-private.h"

#include <glib/gi18n-lib.h>
#include <math.h>

struct _LbCalibrationSet
{
  GObject parent_instance;
  GMutex lock;
  GHashTable *results; /* step -> LbCalibration */
  GHashTable *failed;  /* likewise, where the last run of the step failed */
};

G_DEFINE_FINAL_TYPE (LbCalibrationSet, lb_calibration_set, G_TYPE_OBJECT)

static guint changed_signal;

static const LbCalibrationStep *const steps[] = {
  &lb_calibration_step_dark,
  &lb_calibration_step_light,
  &lb_calibration_step_timing,
  &lb_calibration_step_photon_transfer,
  &lb_calibration_step_alignment,
  &lb_calibration_step_response,
  &lb_calibration_step_background,
  &lb_calibration_step_flat_field,
  &lb_calibration_step_crosstalk,
  &lb_calibration_step_verification,
  NULL,
};

static void
lb_calibration_set_finalize (GObject *object)
{
  LbCalibrationSet *self = LB_CALIBRATION_SET (object);

  g_hash_table_unref (self->results);
  g_hash_table_unref (self->failed);
  g_mutex_clear (&self->lock);
  G_OBJECT_CLASS (lb_calibration_set_parent_class)->finalize (object);
}

static void
lb_calibration_set_class_init (LbCalibrationSetClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = lb_calibration_set_finalize;
  changed_signal = g_signal_new ("changed", LB_TYPE_CALIBRATION_SET, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                 G_TYPE_NONE, 0);
}

static void
lb_calibration_set_init (LbCalibrationSet *self)
{
  g_mutex_init (&self->lock);
  self->results = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_object_unref);
  self->failed = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_object_unref);
}

/**
 * lb_calibration_steps_get:
 *
 * Returns: (transfer none): all steps, in the order in which they are done;
 * ends with %NULL.
 */
const LbCalibrationStep *const *
lb_calibration_steps_get (void)
{
  return steps;
}

/**
 * lb_calibration_steps_find:
 * @name: name of a step
 *
 * Returns: (transfer none) (nullable): the step of that name.
 */
const LbCalibrationStep *
lb_calibration_steps_find (const char *name)
{
  g_return_val_if_fail (name != NULL, NULL);

  for (guint i = 0; steps[i] != NULL; i++)
    if (g_str_equal (steps[i]->name, name))
      return steps[i];
  return NULL;
}

/**
 * lb_calibration_set_new:
 *
 * Makes an empty set. Returns: (transfer full).
 */
LbCalibrationSet *
lb_calibration_set_new (void)
{
  return g_object_new (LB_TYPE_CALIBRATION_SET, NULL);
}

static LbCalibration *
dup_from (LbCalibrationSet *self, GHashTable *results, const char *step)
{
  LbCalibration *calibration;

  g_mutex_lock (&self->lock);
  calibration = g_hash_table_lookup (results, step);
  if (calibration != NULL)
    g_object_ref (calibration);
  g_mutex_unlock (&self->lock);
  return calibration;
}

/**
 * lb_calibration_set_dup:
 * @self: a set
 * @step: name of a step
 *
 * Returns: (transfer full) (nullable): the result of @step that is in force.
 */
LbCalibration *
lb_calibration_set_dup (LbCalibrationSet *self, const char *step)
{
  g_return_val_if_fail (LB_IS_CALIBRATION_SET (self) && step != NULL, NULL);

  return dup_from (self, self->results, step);
}

/**
 * lb_calibration_set_dup_failed:
 * @self: a set
 * @step: name of a step
 *
 * Returns: (transfer full) (nullable): what came of the last run of @step, if that failed; what was in force
 *   before has stayed so
 */
LbCalibration *
lb_calibration_set_dup_failed (LbCalibrationSet *self, const char *step)
{
  g_return_val_if_fail (LB_IS_CALIBRATION_SET (self) && step != NULL, NULL);

  return dup_from (self, self->failed, step);
}

/**
 * lb_calibration_set_put:
 * @self: a set
 * @calibration: a sealed result
 *
 * Puts the result in force; it supersedes the one of the same step.
 */
void
lb_calibration_set_put (LbCalibrationSet *self, LbCalibration *calibration)
{
  g_return_if_fail (LB_IS_CALIBRATION_SET (self) && LB_IS_CALIBRATION (calibration));
  g_return_if_fail (lb_calibration_get_hash (calibration) != NULL);

  g_mutex_lock (&self->lock);
  g_hash_table_replace (self->results, g_strdup (lb_calibration_get_step (calibration)),
                        g_object_ref (calibration));
  g_hash_table_remove (self->failed, lb_calibration_get_step (calibration));
  g_mutex_unlock (&self->lock);
  g_signal_emit (self, changed_signal, 0);
}

static void
put_failed (LbCalibrationSet *self, LbCalibration *calibration)
{
  g_mutex_lock (&self->lock);
  g_hash_table_replace (self->failed, g_strdup (lb_calibration_get_step (calibration)),
                        g_object_ref (calibration));
  g_mutex_unlock (&self->lock);
  g_signal_emit (self, changed_signal, 0);
}

/* Of the setting that holds the hash of what it was measured with. */
static char *
name_used (const char *step)
{
  char *name = g_strdup_printf ("used_%s", step);

  return g_strdelimit (name, "-", '_');
}

/* Says why a result is too old by itself, or NULL. */
static char *
explain_age (const LbCalibrationStep *row, LbCalibration *calibration)
{
  double age_s = 1e-6 * (double) (g_get_real_time () - lb_calibration_get_time_us (calibration));

  if (lb_calibration_get_verdict (calibration) == LB_VERDICT_FAIL)
    return g_strdup_printf (_ ("%s failed"), _ (row->title));
  if (age_s > row->max_age_s)
    return g_strdup_printf (_ ("%s is %.1f h old, it holds for %.1f h"), _ (row->title), age_s / 3600,
                            row->max_age_s / 3600);
  return NULL;
}

/* Whether it was measured with another result of a step than @needed. */
static gboolean
used_another (LbCalibration *calibration, LbCalibration *needed)
{
  g_autofree char *name = name_used (lb_calibration_get_step (needed));
  const char *hash = lb_quantities_get_text (lb_calibration_settings (calibration), name);

  return hash != NULL && !g_str_equal (hash, lb_calibration_get_hash (needed));
}

static char *
explain_due (LbCalibrationSet *self, const LbCalibrationStep *row)
{
  g_autoptr (LbCalibration) calibration = lb_calibration_set_dup (self, row->name);
  char *reason;

  if (calibration == NULL)
    return g_strdup_printf (_ ("%s has not been measured"), _ (row->title));
  reason = explain_age (row, calibration);
  for (guint i = 0; reason == NULL && row->needs[i] != NULL; i++)
    {
      g_autoptr (LbCalibration) needed = lb_calibration_set_dup (self, row->needs[i]);
      const LbCalibrationStep *needed_row = lb_calibration_steps_find (row->needs[i]);

      if (needed == NULL)
        reason = g_strdup_printf (_ ("%s needs %s, which has not been measured"), _ (row->title),
                                  _ (needed_row->title));
      else if (lb_calibration_get_time_us (needed) > lb_calibration_get_time_us (calibration))
        reason = g_strdup_printf (_ ("%s is older than %s, which it needs"), _ (row->title),
                                  _ (needed_row->title));
      else if (used_another (calibration, needed))
        reason = g_strdup_printf (_ ("%s was measured with a result of %s that is no longer in force"),
                                  _ (row->title), _ (needed_row->title));
    }
  return reason;
}

/**
 * lb_calibration_set_is_due:
 * @self: a set
 * @step: name of a step
 * @why: (out) (optional) (nullable): a translated sentence if it is due
 *
 * Returns: whether the result of @step is missing, failed, older than the step
 * allows, older than one that it needs, or was measured with another than that.
 */
gboolean
lb_calibration_set_is_due (LbCalibrationSet *self, const char *step, char **why)
{
  const LbCalibrationStep *row;
  g_autofree char *reason = NULL;
  gboolean due;

  g_return_val_if_fail (LB_IS_CALIBRATION_SET (self) && step != NULL, FALSE);
  row = lb_calibration_steps_find (step);
  g_return_val_if_fail (row != NULL, FALSE);

  reason = explain_due (self, row);
  due = reason != NULL;
  if (why != NULL)
    *why = g_steal_pointer (&reason);
  return due;
}

/* What a result depends on beyond its devices: settings that are stored with it,
 * and their values now. */
static void
describe_setup (LbBench *bench, LbQuantities *settings)
{
  const LbSetupOptics *optics = lb_setup_get_optics (lb_bench_get_setup (bench));
  LbCameraCaps camera;

  lb_quantities_set (settings, "setup_exposure", 1e-3 * optics->exposure_us, "ms");
  lb_quantities_set (settings, "setup_light_level", optics->light_level, "");
  lb_quantities_set (settings, "setup_macropixel", optics->macropixel, "px");
  lb_quantities_set (settings, "setup_margin", optics->source_margin, "px");
  lb_quantities_set (settings, "setup_guard", optics->guard, "");
  if (lb_bench_get_camera_caps (bench, &camera))
    {
      lb_quantities_set (settings, "camera_width", camera.width, "px");
      lb_quantities_set (settings, "camera_height", camera.height, "px");
      lb_quantities_set (settings, LB_CALIBRATION_FRAME_PERIOD, 1e-3 * camera.frame_period_us, "ms");
    }
}

/* Of the light source, by which a result is due: a diode's wavelength and power and a
 * camera's dark current (which doubles in about 7 degrees) are no longer what they were. */
#define TEMPERATURE_LIMIT_C 3.0

/* Words for what describe_setup() notes. */
static const char *
name_setting (const char *name)
{
  static const struct
  {
    const char *name, *words;
  } settings[] = { { "setup_exposure", N_ ("an exposure time") },
                   { "setup_light_level", N_ ("a light level") },
                   { "setup_macropixel", N_ ("macropixels") },
                   { "setup_margin", N_ ("a margin of the source") },
                   { "setup_guard", N_ ("a guard between tiles") },
                   { "camera_width", N_ ("a camera width") },
                   { "camera_height", N_ ("a camera height") },
                   { LB_CALIBRATION_FRAME_PERIOD, N_ ("a frame period of the camera") } };

  for (guint i = 0; i < G_N_ELEMENTS (settings); i++)
    if (g_str_equal (settings[i].name, name))
      return _ (settings[i].words);
  return name;
}

static char *
explain_change (LbCalibration *calibration, LbBench *bench)
{
  g_autoptr (LbQuantities) now = lb_quantities_new ();
  const LbQuantities *then = lb_calibration_settings (calibration);

  describe_setup (bench, now);
  for (guint i = 0; i < lb_quantities_get_length (now); i++)
    {
      const LbQuantity *quantity = lb_quantities_get_nth (now, i);
      const double before = lb_quantities_get (then, quantity->name, NAN);
      const char *space = quantity->unit[0] != '\0' ? " " : "";
      const LbCalibrationStep *row = lb_calibration_steps_find (lb_calibration_get_step (calibration));

      /* How often the camera could see what it saw concerns nothing but times. */
      if (g_str_equal (quantity->name, LB_CALIBRATION_FRAME_PERIOD) && !g_str_equal (row->name, "timing"))
        continue;
      if (fabs (quantity->value - before) > 1e-6 * fabs (before))
        return g_strdup_printf (_ ("%s was measured with %s of %g%s%s, now it is %g%s%s"), _ (row->title),
                                name_setting (quantity->name), before, space, quantity->unit, quantity->value,
                                space, quantity->unit);
    }
  if (fabs (lb_bench_get_temperature (bench) - lb_quantities_get (then, "temperature", NAN)) >
      TEMPERATURE_LIMIT_C)
    return g_strdup_printf (_ ("%s was measured with the light source at %.1f °C, which is at %.1f °C now"),
                            _ (lb_calibration_steps_find (lb_calibration_get_step (calibration))->title),
                            lb_quantities_get (then, "temperature", NAN), lb_bench_get_temperature (bench));
  return NULL;
}

/**
 * lb_calibration_set_is_due_on:
 * @self: a set
 * @bench: a connected bench
 * @step: name of a step
 * @why: (out) (optional) (nullable): a translated sentence if it is due
 *
 * Returns: lb_calibration_set_is_due(), or whether exposure, light, layout or
 * region of the bench differ from those of the result, or its temperature has changed
 */
gboolean
lb_calibration_set_is_due_on (LbCalibrationSet *self, LbBench *bench, const char *step, char **why)
{
  g_autoptr (LbCalibration) calibration = NULL;
  g_autofree char *reason = NULL;
  gboolean due;

  g_return_val_if_fail (LB_IS_CALIBRATION_SET (self) && LB_IS_BENCH (bench) && step != NULL, FALSE);

  if (!lb_calibration_set_is_due (self, step, &reason))
    {
      calibration = lb_calibration_set_dup (self, step);
      reason = explain_change (calibration, bench);
    }
  due = reason != NULL;
  if (why != NULL)
    *why = g_steal_pointer (&reason);
  return due;
}

/**
 * lb_calibration_set_is_complete:
 * @self: a set
 *
 * Returns: whether all steps that products need have a result in force, and none
 * that they use failed.
 */
gboolean
lb_calibration_set_is_complete (LbCalibrationSet *self)
{
  g_return_val_if_fail (LB_IS_CALIBRATION_SET (self), FALSE);

  for (guint i = 0; steps[i] != NULL; i++)
    {
      g_autoptr (LbCalibration) calibration = lb_calibration_set_dup (self, steps[i]->name);

      if (steps[i]->only_checks || (calibration == NULL && steps[i]->optional))
        continue;
      if (calibration == NULL || lb_calibration_get_verdict (calibration) == LB_VERDICT_FAIL)
        return FALSE;
    }
  return TRUE;
}

/**
 * lb_calibration_report_progress:
 * @context: what a step measures with
 * @fraction: 0..1
 * @message: (nullable): translated, what goes on
 * @figure: (nullable): what is known so far
 * @frame: (nullable): the last one
 *
 * Tells who runs the step how far it is. In the worker.
 */
void
lb_calibration_report_progress (
    LbCalibrationContext *context, double fraction, const char *message, LbFigure *figure, LbFrame *frame)
{
  g_return_if_fail (context != NULL);

  if (context->progress != NULL)
    context->progress (context->step, CLAMP (fraction, 0, 1), message, figure, frame, context->progress_data);
}

/* One run of a step in the worker. */
typedef struct
{
  const LbCalibrationStep *step;
  LbCalibrationContext context;
  LbCalibration *result;
  guint64 ordinal;
} StepRun;

static void
describe_bench (LbCalibration *result, LbBench *bench, GCancellable *cancellable)
{
  const double temperature_c = lb_bench_read_temperature (bench, cancellable);
  LbSetup *setup = lb_bench_get_setup (bench);
  LbQuantities *settings = lb_calibration_settings (result);

  lb_quantities_set_text (settings, "setup", lb_setup_get_name (setup));
  lb_quantities_set_text (settings, LB_CALIBRATION_FIDELITY,
                          lb_calibration_fidelity_name (lb_setup_get_fidelity (setup)));
  describe_setup (bench, settings);
  if (isfinite (temperature_c))
    lb_quantities_set (settings, "temperature", temperature_c, "°C");
}

/* What it was measured with, so that it can be told which results went into it. */
static void
note_needed (LbCalibration *result, LbCalibrationSet *set, const LbCalibrationStep *step)
{
  for (guint i = 0; step->needs[i] != NULL; i++)
    {
      g_autoptr (LbCalibration) needed = lb_calibration_set_dup (set, step->needs[i]);
      g_autofree char *name = name_used (step->needs[i]);

      if (needed != NULL)
        lb_quantities_set_text (lb_calibration_settings (result), name, lb_calibration_get_hash (needed));
    }
}

/* Beside what it took, in the result for good. */
static void
note_forecast (LbCalibration *result,
               const LbCalibrationForecast *forecast,
               guint64 exposures,
               double duration_s)
{
  LbQuantities *values = lb_calibration_values (result);

  lb_quantities_set (values, "exposures", (double) exposures, "");
  lb_quantities_set (values, LB_CALIBRATION_EXPOSURES_FORECAST, (double) forecast->exposures, "");
  lb_quantities_set (values, "duration_s", duration_s, "s");
  lb_quantities_set (values, LB_CALIBRATION_DURATION_FORECAST, forecast->seconds, "s");
}

/* What the camera saw cannot be used: that is a verdict. Anything else that ends a step is no result at all.
 */
static gboolean
measure (StepRun *run, GCancellable *cancellable, GError **error)
{
  g_autoptr (GError) local_error = NULL;
  g_autofree char *sentence = NULL;

  if (!run->step->measure (&run->context, run->result, cancellable, &local_error))
    {
      if (!g_error_matches (local_error, LB_CALIBRATION_ERROR, LB_CALIBRATION_ERROR_SIGNAL))
        {
          g_propagate_error (error, g_steal_pointer (&local_error));
          return FALSE;
        }
      sentence = g_strconcat (local_error->message, ".", NULL);
      lb_calibration_set_verdict (run->result, LB_VERDICT_FAIL, NAN, NAN, "", sentence);
    }
  return !g_cancellable_set_error_if_cancelled (cancellable, error);
}

static gboolean
step_action (LbBench *bench, gpointer data, GCancellable *cancellable, GError **error)
{
  StepRun *run = data;
  gint64 begin_us = lb_clock_now_us (lb_bench_get_clock (bench));
  guint64 begin_exposures = lb_bench_get_exposures (bench);
  g_autoptr (LbQuantities) identities = NULL;
  LbCalibrationForecast forecast;
  guint64 exposures;
  double duration_s;

  lb_bench_begin_run (bench, run->ordinal);
  describe_bench (run->result, bench, cancellable);
  note_needed (run->result, run->context.in_force, run->step);
  lb_calibration_forecast (bench, run->context.in_force, run->step->name, &forecast);
  lb_calibration_report_progress (&run->context, 0, NULL, NULL, NULL);
  if (!measure (run, cancellable, error))
    return FALSE;

  exposures = lb_bench_get_exposures (bench) - begin_exposures;
  duration_s = 1e-6 * (double) (lb_clock_now_us (lb_bench_get_clock (bench)) - begin_us);
  note_forecast (run->result, &forecast, exposures, duration_s);
  identities = lb_bench_dup_identities (bench);
  lb_calibration_seal (run->result, g_get_real_time (), duration_s, exposures, identities);
  lb_calibration_report_progress (&run->context, 1, NULL, NULL, NULL);
  return TRUE;
}

static gboolean
check_needs (LbCalibrationSet *set, const LbCalibrationStep *step, GError **error)
{
  for (guint i = 0; step->needs[i] != NULL; i++)
    {
      g_autoptr (LbCalibration) needed = lb_calibration_set_dup (set, step->needs[i]);

      if (needed == NULL)
        {
          g_set_error (error, LB_CALIBRATION_ERROR, LB_CALIBRATION_ERROR_NEEDS,
                       _ ("%s needs %s, which has not been measured: run that step first"), _ (step->title),
                       _ (lb_calibration_steps_find (step->needs[i])->title));
          return FALSE;
        }
    }
  return TRUE;
}

/**
 * lb_calibration_set_apply_timing:
 * @self: results in force
 * @bench: the bench they belong to
 *
 * Puts the measured timing in force on the bench, or the nominal one where none
 * is known. Not for whom runs a step, which does so by itself.
 */
void
lb_calibration_set_apply_timing (LbCalibrationSet *self, LbBench *bench)
{
  static const char *const names[2] = { "source_wait", "weight_wait" };
  g_autoptr (LbCalibration) result = NULL;
  LbBenchTiming timing;

  g_return_if_fail (LB_IS_CALIBRATION_SET (self) && LB_IS_BENCH (bench));

  result = lb_calibration_set_dup (self, "timing");
  lb_bench_set_timing (bench, NULL);
  if (result == NULL)
    return;
  lb_bench_get_timing (bench, &timing);
  for (guint role = LB_ROLE_SOURCE; role <= LB_ROLE_WEIGHT; role++)
    {
      const double wait_ms = lb_quantities_get (lb_calibration_values (result), names[role], NAN);

      if (!isfinite (wait_ms) || wait_ms < 0)
        continue;
      timing.settling_us[role] = 1000 * wait_ms;
      timing.measured[role] = TRUE;
    }
  lb_bench_set_timing (bench, &timing);
}

/**
 * lb_calibration_run_step:
 * @bench: a connected bench
 * @set: results in force
 * @step: name of the step
 * @ordinal: keys the noise of simulated devices
 * @progress: (nullable): called in the worker
 * @user_data: for @progress
 * @cancellable: (nullable): stops the step; what was in force stays so
 * @error: set to %LB_CALIBRATION_ERROR, or what the bench or a device said
 *
 * Measures one step and puts its result in force unless it failed. Blocks; not
 * in M, not in the worker.
 *
 * Returns: (transfer full) (nullable): the sealed result, also if it failed.
 */
LbCalibration *
lb_calibration_run_step (LbBench *bench,
                         LbCalibrationSet *set,
                         const char *step,
                         guint64 ordinal,
                         LbCalibrationProgress progress,
                         gpointer user_data,
                         GCancellable *cancellable,
                         GError **error)
{
  const LbCalibrationStep *row;
  g_autoptr (LbCalibration) result = NULL;
  StepRun run = { 0 };

  g_return_val_if_fail (LB_IS_BENCH (bench) && LB_IS_CALIBRATION_SET (set) && step != NULL, NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  row = lb_calibration_steps_find (step);
  if (row == NULL)
    {
      g_set_error (error, LB_CALIBRATION_ERROR, LB_CALIBRATION_ERROR_NO_SUCH_STEP,
                   _ ("There is no calibration step “%s”"), step);
      return NULL;
    }
  if (!check_needs (set, row, error))
    return NULL;

  result = lb_calibration_new (row->name);
  run = (StepRun){ row, { bench, set, progress, user_data, row->name }, result, ordinal };
  if (!lb_bench_run (bench, _ (row->title), step_action, &run, cancellable, error))
    return NULL;
  if (lb_calibration_get_verdict (result) != LB_VERDICT_FAIL)
    lb_calibration_set_put (set, result);
  else
    put_failed (set, result);
  lb_calibration_set_apply_timing (set, bench);
  return g_steal_pointer (&result);
}
