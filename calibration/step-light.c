/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <glib/gi18n-lib.h>
#include <lb-statistics.h>
#include <math.h>

#include "lb-field-probe-private.h"
#include "lb-light-fit-private.h"

/* Limit of the uncertainty of the power at a set point (optics.md), %. */
#define POWER_LIMIT 2.0
/* The light may change by half of that in two minutes, half the time of a calibration. */
#define DRIFT_LIMIT_PER_S (0.01 * POWER_LIMIT / 240)
/* More than that from frame to frame cannot be averaged out in a run. */
#define JITTER_LIMIT 0.02
/* The power meter and the camera should see the light rise alike. */
#define DISAGREEMENT_LIMIT 0.03
#define LEVELS 10
#define LEVEL_FRAMES 6
/* Before and after the set points: readings of that many frames. */
#define SERIES 4
#define SERIES_FRAMES 30
#define DARK_FRAMES 4
/* Frames after a change of the set point that are not used: the source settles. */
#define SKIPPED 1
#define CLIPPED_MAX 0.001
/* A reading of the power meter, for the forecast. */
#define METER_S 0.05

/* One set point, for some frames. */
typedef struct
{
  double level;
  double time_s;
  double camera; /* DN per microsecond, mean; NAN: saturated */
  double watts;  /* NAN: no power meter */
} LightReading;

typedef struct
{
  LbFieldProbe probe;
  GCancellable *cancellable;
  gboolean has_meter, has_source;
  LbLightSourceCaps caps;
  double usual;     /* set point */
  LbFrame *placing; /* frame that the window is placed by */
  LightReading dark;
  LightReading now;        /* being taken */
  double sum, clipped;     /* over its frames */
  GArray *usual_readings;  /* of LightReading, at the usual set point, in order of time */
  GArray *levels;          /* of LightReading */
  GArray *time_s, *frames; /* of double: every frame at the usual set point */
} Light;

static void
light_clear (Light *self)
{
  lb_field_probe_clear (&self->probe);
  g_clear_pointer (&self->placing, lb_frame_unref);
  g_clear_pointer (&self->usual_readings, g_array_unref);
  g_clear_pointer (&self->levels, g_array_unref);
  g_clear_pointer (&self->time_s, g_array_unref);
  g_clear_pointer (&self->frames, g_array_unref);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Light, light_clear)

/* ---- Frames --------------------------------------------------------------------- */

static gboolean
placing_sink (const LbCaptureShot *shot, guint nth, LbFrame *frame, gpointer data, GError **error)
{
  Light *self = data;

  g_clear_pointer (&self->placing, lb_frame_unref);
  self->placing = lb_frame_ref (frame);
  return TRUE;
}

/* The last frame of a reading has the power meter's with it, while there is light. */
static gboolean
reading_sink (const LbCaptureShot *shot, guint nth, LbFrame *frame, gpointer data, GError **error)
{
  Light *self = data;
  double clipped, signal;

  if (nth < SKIPPED && shot->frames > SKIPPED)
    return TRUE;
  signal = lb_field_probe_sum (&self->probe, frame, &clipped) / frame->exposure_us;
  self->sum += signal;
  self->clipped = MAX (self->clipped, clipped);
  if (!shot->dark && self->now.level == self->usual)
    {
      const double time_s = 1e-6 * (double) frame->start_us;

      signal -= self->dark.camera;
      g_array_append_val (self->time_s, time_s);
      g_array_append_val (self->frames, signal);
    }
  if (nth + 1 < shot->frames)
    return TRUE;
  self->now.camera = self->clipped > CLIPPED_MAX ? NAN : self->sum / (shot->frames - SKIPPED);
  self->now.time_s = 1e-6 * (double) frame->start_us;
  return !self->has_meter ||
         lb_field_probe_read_meter (&self->probe, &self->now.watts, self->cancellable, error);
}

/* @level: NAN: dark. */
static gboolean
take_reading (Light *self, double level, guint frames, double to, GError **error)
{
  const LbCaptureShot shot = { .source = self->probe.full[LB_ROLE_SOURCE],
                               .weight = self->probe.full[LB_ROLE_WEIGHT],
                               .dark = isnan (level),
                               .frames = frames + SKIPPED };
  g_autoptr (GArray) shots = g_array_new (FALSE, TRUE, sizeof (LbCaptureShot));
  LbCapture *capture = &self->probe.capture;

  g_array_append_val (shots, shot);
  self->now = (LightReading){ .level = level, .watts = NAN };
  self->sum = self->clipped = 0;
  capture->light.level = isnan (level) ? self->usual : level;
  capture->fraction_from = capture->fraction_to;
  capture->fraction_to = to;
  if (!lb_capture_run (capture, shots, reading_sink, self, self->cancellable, error))
    return FALSE;
  if (isnan (level))
    return TRUE;
  self->now.camera -= self->dark.camera;
  self->now.watts -= self->dark.watts;
  return TRUE;
}

static gboolean
take_usual (Light *self, guint frames, double to, GError **error)
{
  if (!take_reading (self, self->usual, frames, to, error))
    return FALSE;
  g_array_append_val (self->usual_readings, self->now);
  return TRUE;
}

/* Light, exposure, and a window that is read out quickly. */
static gboolean
prepare (Light *self, GError **error)
{
  LbFieldProbe *probe = &self->probe;
  const LbSetupOptics *optics = lb_setup_get_optics (lb_bench_get_setup (probe->capture.context->bench));
  const LbCaptureShot shot = { .source = probe->full[LB_ROLE_SOURCE],
                               .weight = probe->full[LB_ROLE_WEIGHT],
                               .frames = 1 };
  g_autoptr (GArray) shots = g_array_new (FALSE, TRUE, sizeof (LbCaptureShot));
  LbCameraFormat window;

  g_array_append_val (shots, shot);
  self->has_source = lb_bench_get_device (probe->capture.context->bench, LB_ROLE_LIGHT) != NULL &&
                     lb_bench_get_light_caps (probe->capture.context->bench, &self->caps);
  if (!lb_capture_find_light (&probe->capture, shot.source, shot.weight, self->cancellable, error) ||
      !lb_capture_run (&probe->capture, shots, placing_sink, self, self->cancellable, error))
    return FALSE;
  window = lb_field_probe_place_window (probe, self->placing, probe->caps.width / 4, probe->caps.height / 4);
  self->usual = probe->capture.light.level > 0 ? probe->capture.light.level : optics->light_level;
  /* The highest set point must not saturate. */
  if (self->has_source)
    probe->capture.light.exposure_us = MAX (probe->capture.light.exposure_us * 0.8 * self->usual /
                                                MAX (MIN (self->caps.limit, self->caps.maximum), self->usual),
                                            probe->caps.exposure_min_us);
  return lb_field_probe_set_window (probe, &window, self->cancellable, error);
}

/* Set points go up, each followed by the usual one, so that what the light does
 * meanwhile can be told from what the set point does. */
static gboolean
sweep (Light *self, GError **error)
{
  const double top = MIN (self->caps.limit, self->caps.maximum);

  for (guint i = 1; i <= LEVELS; i++)
    {
      const double done = 0.3 + 0.4 * i / LEVELS;

      if (!take_reading (self, self->caps.minimum + (top - self->caps.minimum) * i / LEVELS, LEVEL_FRAMES,
                         done - 0.02, error))
        return FALSE;
      g_array_append_val (self->levels, self->now);
      if (!take_usual (self, LEVEL_FRAMES, done, error))
        return FALSE;
    }
  return TRUE;
}

static gboolean
take_series (Light *self, double from, double to, GError **error)
{
  for (guint i = 1; i <= SERIES; i++)
    if (!take_usual (self, SERIES_FRAMES, from + (to - from) * i / SERIES, error))
      return FALSE;
  return TRUE;
}

static gboolean
take_all (Light *self, GError **error)
{
  if (!take_reading (self, NAN, DARK_FRAMES, 0.1, error))
    return FALSE;
  self->dark = self->now;
  return take_series (self, 0.1, 0.3, error) && (!self->has_source || sweep (self, error)) &&
         take_series (self, 0.7, 0.95, error);
}

/* ---- Evaluation ------------------------------------------------------------------- */

typedef struct
{
  LbLightDrift camera; /* over the frames */
  LbLightDrift drift;  /* by the better of both */
  LbLightLine line;    /* relative to the usual set point */
  gboolean has_line;
  double relative[LEVELS], by_camera[LEVELS], level[LEVELS];
  guint n_levels, n_clipped;
  double disagreement; /* of camera and power meter */
  double watts;        /* at the usual set point; NAN */
  double error;        /* relative, of the power at the usual set point */
} LightOutcome;

static double
value_of (const LightReading *reading, gboolean meter)
{
  return meter ? reading->watts : reading->camera;
}

/* What the usual set point gave at the time of a reading. */
static double
reference_at (const Light *self, double time_s, gboolean meter)
{
  const LightReading *readings = (const LightReading *) self->usual_readings->data;

  for (guint i = 1; i < self->usual_readings->len; i++)
    if (readings[i].time_s >= time_s)
      {
        const double share =
            (time_s - readings[i - 1].time_s) / (readings[i].time_s - readings[i - 1].time_s);

        return value_of (&readings[i - 1], meter) * (1 - share) + value_of (&readings[i], meter) * share;
      }
  return value_of (&readings[self->usual_readings->len - 1], meter);
}

static void
compare_levels (const Light *self, LightOutcome *outcome)
{
  outcome->n_levels = self->levels->len;
  for (guint i = 0; i < self->levels->len; i++)
    {
      const LightReading *reading = &g_array_index (self->levels, LightReading, i);

      outcome->level[i] = reading->level;
      outcome->by_camera[i] = reading->camera / reference_at (self, reading->time_s, FALSE);
      outcome->relative[i] = self->has_meter ? reading->watts / reference_at (self, reading->time_s, TRUE)
                                             : outcome->by_camera[i];
      outcome->n_clipped += isnan (reading->camera);
      if (self->has_meter && isfinite (outcome->by_camera[i]) && outcome->relative[i] > 0.2)
        outcome->disagreement =
            MAX (outcome->disagreement, fabs (outcome->by_camera[i] / outcome->relative[i] - 1));
    }
  outcome->has_line =
      lb_light_line_fit (outcome->level, outcome->relative, outcome->n_levels, &outcome->line);
}

static gboolean
evaluate (const Light *self, LightOutcome *outcome, GError **error)
{
  const guint n = self->usual_readings->len;
  g_autofree double *time_s = g_new (double, n);
  g_autofree double *watts = g_new (double, n);

  if (!lb_light_drift_fit ((const double *) self->time_s->data, (const double *) self->frames->data,
                           self->frames->len, &outcome->camera))
    {
      g_set_error_literal (
          error, LB_CALIBRATION_ERROR, LB_CALIBRATION_ERROR_SIGNAL,
          _ ("The camera sees no light at the usual set point: check that the light is on, the "
             "beam is free and the lens is open"));
      return FALSE;
    }
  outcome->drift = outcome->camera;
  outcome->watts = NAN;
  outcome->error = outcome->camera.jitter / sqrt (self->frames->len);
  if (self->has_meter)
    {
      LbLightDrift meter;

      for (guint i = 0; i < n; i++)
        {
          const LightReading *reading = &g_array_index (self->usual_readings, LightReading, i);

          time_s[i] = reading->time_s;
          watts[i] = reading->watts;
        }
      if (!(lb_mean (watts, n) > 0))
        {
          g_set_error_literal (error, LB_CALIBRATION_ERROR, LB_CALIBRATION_ERROR_SIGNAL,
                               _ ("The camera sees light and the power meter does not: put its head into the "
                                  "beam, or take it out of the setup file"));
          return FALSE;
        }
      outcome->watts = lb_mean (watts, n);
      outcome->error = lb_standard_deviation (watts, n) / outcome->watts / sqrt (n);
      if (lb_light_drift_fit (time_s, watts, n, &meter) && meter.per_s_error < outcome->camera.per_s_error)
        outcome->drift = meter;
    }
  if (self->has_source)
    compare_levels (self, outcome);
  return TRUE;
}

static void
set_values (LbCalibration *result, const Light *self, const LightOutcome *outcome)
{
  LbQuantities *values = lb_calibration_values (result);

  lb_quantities_set (values, "jitter", 100 * outcome->camera.jitter, "%");
  lb_quantities_set (values, "drift", 6000 * outcome->drift.per_s, "%/min");
  lb_quantities_set (values, "drift_error", 6000 * outcome->drift.per_s_error, "%/min");
  if (isfinite (outcome->watts))
    {
      lb_quantities_set (values, "power", 1e6 * outcome->watts, "µW");
      lb_quantities_set (values, "power_dark", 1e6 * self->dark.watts, "µW");
    }
  if (self->has_source)
    lb_quantities_set (values, "usual_level", self->usual, self->caps.unit);
  if (outcome->has_line)
    {
      g_autofree char *unit = g_strdup_printf ("1/%s", self->caps.unit);

      lb_quantities_set (values, "threshold", outcome->line.threshold, self->caps.unit);
      /* Of the power at the usual set point. */
      lb_quantities_set (values, "slope", outcome->line.slope, unit);
    }
  lb_quantities_set_text (values, "measured_by", self->has_meter ? "power meter" : "camera");
  lb_capture_describe_light (&self->probe.capture, result);
}

static void
add_figures (LbCalibration *result, const Light *self, const LightOutcome *outcome)
{
  g_autoptr (LbFigure) steady =
      lb_figure_new (_ ("Steadiness of the light"), _ ("Time"), "s", _ ("Light of a frame, relative"), "");
  const guint n = self->frames->len;
  g_autofree double *time_s = g_new (double, n);
  g_autofree double *light = g_new (double, n);

  for (guint i = 0; i < n; i++)
    {
      time_s[i] = g_array_index (self->time_s, double, i) - g_array_index (self->time_s, double, 0);
      light[i] = g_array_index (self->frames, double, i) / outcome->camera.mean;
    }
  lb_figure_add_points (steady, NULL, time_s, light, NULL, n);
  lb_calibration_add_figure (result, "steadiness", steady);
  if (outcome->has_line)
    {
      g_autoptr (LbFigure) curve =
          lb_figure_new (_ ("Power against set point"), _ ("Set point"), self->caps.unit,
                         _ ("Power, relative to the usual one"), "");
      const double top = outcome->level[outcome->n_levels - 1], threshold = outcome->line.threshold;
      const double x[2] = { threshold, top }, y[2] = { 0, outcome->line.slope * (top - threshold) };

      lb_figure_add_points (curve, _ ("measured"), outcome->level, outcome->relative, NULL,
                            outcome->n_levels);
      lb_figure_add_line (curve, _ ("fit"), x, y, 2);
      lb_calibration_add_figure (result, "power", curve);
    }
}

/* ---- Verdict ----------------------------------------------------------------------- */

static char *
describe_good (const Light *self, const LightOutcome *outcome)
{
  const double drift = 6000 * fabs (outcome->drift.per_s);

  if (!self->has_source)
    return g_strdup_printf (
        _ ("The light of the display is steady: it changes by %.2f %% a minute and jitters "
           "by %.2f %%. It has no set point to measure."),
        drift, 100 * outcome->camera.jitter);
  return g_strdup_printf (
      _ ("The light follows its set point from %.2f %s on; it changes by %.2f %% a minute "
         "and jitters by %.2f %%."),
      outcome->line.threshold, self->caps.unit, drift, 100 * outcome->camera.jitter);
}

static char *
describe_bad (const LightOutcome *outcome, const Light *self)
{
  if (self->has_source && !outcome->has_line)
    return g_strdup_printf (
        _ ("The power does not rise with the set point: %u of %u set points saturate the camera. Lower the "
           "exposure to %.2f ms, or close the lens."),
        outcome->n_clipped, outcome->n_levels, 0.5e-3 * self->probe.capture.light.exposure_us);
  if (outcome->line.worst > outcome->error)
    return g_strdup_printf (
        _ ("The power leaves the straight line by %.1f %% at %.1f %s: keep away from that "
           "set point, or check the light source's current and temperature."),
        100 * outcome->line.worst, outcome->line.worst_level, self->caps.unit);
  return g_strdup (
      _ ("The power cannot be measured well enough: shield the power meter from other light, and "
         "put all of the beam on its head."));
}

/* Sentence of what is not as it should be though the power is known, or NULL. */
static char *
describe_trouble (const Light *self, const LightOutcome *outcome)
{
  const double sure = fabs (outcome->drift.per_s) - 2 * outcome->drift.per_s_error;

  if (sure > DRIFT_LIMIT_PER_S)
    return g_strdup_printf (
        _ ("The light is not stable yet: it changes by %.1f %% a minute. Let it warm up, and "
           "run the step again."),
        6000 * fabs (outcome->drift.per_s));
  if (outcome->camera.jitter > JITTER_LIMIT)
    return g_strdup_printf (
        _ ("The light jitters by %.1f %% from frame to frame: raise the set point, or expose "
           "for whole periods of its flicker."),
        100 * outcome->camera.jitter);
  if (outcome->disagreement > DISAGREEMENT_LIMIT)
    return g_strdup_printf (_ ("Camera and power meter see the light rise differently, by %.1f %%: check the "
                               "meter's range, and that the camera is linear."),
                            100 * outcome->disagreement);
  if (self->usual < outcome->line.threshold * 1.2)
    return g_strdup_printf (
        _ ("The usual set point is close to the threshold of %.2f %s: raise \"light_level\" in "
           "the setup file."),
        outcome->line.threshold, self->caps.unit);
  return NULL;
}

static void
judge (LbCalibration *result, const Light *self, const LightOutcome *outcome)
{
  const gboolean known = !self->has_source || outcome->has_line;
  const double residual = known ? 100 * MAX (outcome->line.worst, 2 * outcome->error) : 100;
  g_autofree char *good = known ? describe_good (self, outcome) : NULL;
  g_autofree char *bad = describe_bad (outcome, self);
  g_autofree char *trouble = NULL;

  lb_capture_judge (result, residual, POWER_LIMIT, "%", good, bad);
  trouble = describe_trouble (self, outcome);
  if (trouble != NULL && lb_calibration_get_verdict (result) == LB_VERDICT_PASS)
    lb_calibration_set_verdict (result, LB_VERDICT_WARN, residual, POWER_LIMIT, "%", trouble);
}

static gboolean
measure (LbCalibrationContext *context, LbCalibration *result, GCancellable *cancellable, GError **error)
{
  g_auto (Light) self = { .cancellable = cancellable, .dark = { .watts = NAN } };
  g_autoptr (GError) meter_error = NULL;
  LightOutcome outcome = { 0 };

  self.usual_readings = g_array_new (FALSE, FALSE, sizeof (LightReading));
  self.levels = g_array_new (FALSE, FALSE, sizeof (LightReading));
  self.time_s = g_array_new (FALSE, FALSE, sizeof (double));
  self.frames = g_array_new (FALSE, FALSE, sizeof (double));
  if (!lb_field_probe_init (&self.probe, context, cancellable, error))
    return FALSE;
  self.probe.capture.fraction_to = 0.05;
  self.probe.capture.message = _ ("Light against set point and time");
  self.has_meter = lb_field_probe_prepare_meter (&self.probe, cancellable, &meter_error);
  if (meter_error != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&meter_error));
      return FALSE;
    }
  if (!prepare (&self, error) || !take_all (&self, error) || !evaluate (&self, &outcome, error))
    return FALSE;
  judge (result, &self, &outcome);
  set_values (result, &self, &outcome);
  add_figures (result, &self, &outcome);
  return TRUE;
}

static void
forecast (LbBench *bench, LbCalibrationForecast *forecast)
{
  const gboolean has_source = lb_bench_get_device (bench, LB_ROLE_LIGHT) != NULL;
  const guint readings = 2 * SERIES + (has_source ? 2 * LEVELS : 0);
  const double frames = 2 * SERIES * (SERIES_FRAMES + SKIPPED) + DARK_FRAMES + SKIPPED +
                        (has_source ? 2 * LEVELS * (LEVEL_FRAMES + SKIPPED) : 0);

  lb_calibration_forecast_add (forecast, bench, 1, 2, 0, 1);
  lb_calibration_forecast_add (forecast, bench, 0, frames, 0, 0.25);
  if (lb_bench_get_device (bench, LB_ROLE_POWER_METER) != NULL)
    forecast->seconds += readings * METER_S;
}

const LbCalibrationStep lb_calibration_step_light = {
  .name = "light",
  .title = N_ ("Light"),
  .description = N_ ("Finds whether the light is stable yet, what power a set point gives, and how the light "
                     "jitters from frame to frame"),
  .needs = { "dark", NULL },
  .max_age_s = 12 * 3600,
  .optional = TRUE,
  .forecast = forecast,
  .measure = measure,
};
