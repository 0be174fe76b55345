/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <glib/gi18n-lib.h>
#include <math.h>
#include <string.h>

#include "lb-step-response-private.h"

/* Limit of the uncertainty of the settling times (optics.md), %. */
#define SETTLING_LIMIT 20.0
/* Frames of one step: what is before it begins, and how far beyond the settling
 * that is expected they go. */
#define FRAMES_BEFORE 6
#define BEYOND 1.8
/* Frames in the time that settling is expected to take. */
#define FRAMES_IN_SETTLING 20
/* Frames in a period of the display, for a first look. */
#define FRAMES_IN_PERIOD 8
#define FRAMES_MAX 1000
/* Tries with longer or shorter frames, until they fit to what is found. */
#define TRIES_MAX 6
#define TRIES_USUAL 4
/* Frames of few rows in a period of the camera, for the forecast. */
#define FRAMES_A_PERIOD 16
/* Settling that is faster than that many frames, or not clear to that share in every
 * step, is found from all steps together, in up to so many rounds. */
#define FRAMES_RESOLVED 3.0
#define CLEAR 0.1
#define ROUNDS_MAX 3
/* What the bench waits is so many standard errors longer than what was found. */
#define SAFETY_ERRORS 2.0
/* A step that is less than that of the largest one says too little. */
#define CONTRAST_MIN 0.05
/* Readout that is more than that of a frame period is a rolling shutter's. */
#define ROLLING_SHARE 0.1
/* Rows of the camera in terms of which the shutter is looked at. */
#define BANDS 12
#define SHUTTER_TRIES 4

static const guint8 steps[][2] = {
  { 0, 255 }, { 255, 0 }, { 0, 128 }, { 128, 255 }, { 255, 128 }, { 128, 0 }
};
#define N_STEPS G_N_ELEMENTS (steps)

/* What was found of a plane. */
typedef struct
{
  gboolean found;
  double latency_us;                     /* handed over until it changes: the longest of the steps */
  double lag_us;                         /* presented, as it says, until it changes: mean */
  double settling_us, settling_error_us; /* presented until settled: the worst step */
  guint worst, followed;
  gboolean whole; /* all of them settled, and for good */
  double frame_us;
  double start_us;         /* roughly, from the handing over */
  LbStepResponse response; /* of the first step, for the figure */
} PlaneTiming;

typedef struct
{
  LbStepProbe probe;
  PlaneTiming planes[2];
  double readout_us, readout_error_us; /* of the whole sensor; NAN: not found */
} Timing;

static void
timing_clear (Timing *self)
{
  for (guint role = 0; role < 2; role++)
    lb_step_response_clear (&self->planes[role].response);
  lb_step_probe_clear (&self->probe);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Timing, timing_clear)

/* ---- Settling ---------------------------------------------------------------------- */

/* Frames from before a step begins, wherever in a period of the display it is
 * handed over, to beyond its settling. */
static double
plan_frames (const Timing *self, LbRole role, double start_us, double expected_us, guint *frames)
{
  const double frame_us = self->planes[role].frame_us, display_us = self->probe.display_us[role];
  const double delay_us = MAX (start_us - display_us - FRAMES_BEFORE * frame_us, 0);

  *frames = (guint) CLAMP (
      (start_us - delay_us + display_us + BEYOND * expected_us) / frame_us + FRAMES_BEFORE, 24, FRAMES_MAX);
  return delay_us;
}

/* Exposure and rows with which a plane is followed. */
static gboolean
set_frames (Timing *self, LbRole role, double frame_us, GCancellable *cancellable, GError **error)
{
  self->planes[role].frame_us = frame_us;
  return lb_step_probe_set_frames (&self->probe, frame_us, cancellable, error) &&
         lb_step_probe_find_blocks (&self->probe, role, cancellable, error);
}

/* The first step of a plane, followed more and more closely: from a guess of what
 * settling takes to frames that are a small part of it and go on beyond it. */
static gboolean
look_closely (Timing *self,
              LbRole role,
              double *expected_us,
              LbSettling *settling,
              GCancellable *cancellable,
              GError **error)
{
  PlaneTiming *plane = &self->planes[role];
  const double shortest_us = lb_step_probe_get_shortest_us (&self->probe);
  double frame_us = MAX (*expected_us / FRAMES_IN_SETTLING, shortest_us);

  if (!set_frames (self, role, MAX (self->probe.display_us[role] / FRAMES_IN_PERIOD, shortest_us),
                   cancellable, error) ||
      !lb_step_probe_find_start (&self->probe, role, *expected_us, &plane->start_us, cancellable, error))
    return FALSE;
  for (guint i = 0; i < TRIES_MAX; i++)
    {
      double delay_us, found_us;
      guint frames;

      if (!set_frames (self, role, frame_us, cancellable, error))
        return FALSE;
      delay_us = plan_frames (self, role, plane->start_us, *expected_us, &frames);
      if (!lb_step_probe_follow (&self->probe, role, steps[0][0], steps[0][1], delay_us, *expected_us, frames,
                                 &plane->response, cancellable, error))
        return FALSE;
      if (!lb_settling_fit (plane->response.samples, plane->response.count, settling))
        {
          *expected_us *= 2;
          frame_us *= 2;
          continue;
        }
      found_us = settling->settled_us - settling->start_us;
      if (!settling->whole)
        *expected_us = MAX (2 * *expected_us, found_us);
      else if (found_us < 0.5 * *expected_us && frame_us > shortest_us)
        *expected_us = 1.1 * found_us;
      else
        return TRUE;
      frame_us = MAX (*expected_us / FRAMES_IN_SETTLING, shortest_us);
    }
  return TRUE;
}

static void
note_step (PlaneTiming *plane, guint step, const LbStepResponse *response, const LbSettling *settling)
{
  const double settling_us = settling->settled_us - response->presented_us;

  plane->latency_us = MAX (plane->latency_us, settling->start_us);
  plane->lag_us += settling->start_us - response->presented_us;
  plane->followed++;
  plane->whole = plane->whole && settling->whole;
  if (plane->found && settling_us <= plane->settling_us)
    return;
  plane->found = TRUE;
  plane->worst = step;
  plane->settling_us = settling_us;
  plane->settling_error_us = settling->settled_error_us;
}

static int
compare_samples (gconstpointer a, gconstpointer b)
{
  const LbSettlingSample *first = a, *second = b;

  return (first->from_us > second->from_us) - (first->from_us < second->from_us);
}

/* Steps that are over within a frame or two, or not clear, are laid over each other by the times
 * at which the display says that it showed them: they fall into the frames anywhere. */
static void
note_together (PlaneTiming *plane, GArray *samples)
{
  LbSettling settling;

  g_array_sort (samples, compare_samples);
  if (!lb_settling_fit ((const LbSettlingSample *) samples->data, samples->len, &settling))
    return;
  plane->settling_us = settling.settled_us;
  plane->settling_error_us = settling.settled_error_us;
  plane->whole = settling.whole;
}

static void
add_samples (GArray *samples, const LbStepResponse *response)
{
  for (guint i = 0; i < response->count; i++)
    {
      LbSettlingSample sample = response->samples[i];

      sample.from_us -= response->presented_us;
      sample.to_us -= response->presented_us;
      g_array_append_val (samples, sample);
    }
}

/* One round of the steps. */
static gboolean
follow_steps (
    Timing *self, LbRole role, double expected_us, GArray *samples, GCancellable *cancellable, GError **error)
{
  PlaneTiming *plane = &self->planes[role];

  for (guint i = 0; i < N_STEPS; i++)
    {
      g_auto (LbStepResponse) response = { 0 };
      LbSettling settling;
      guint frames;
      const double delay_us = plan_frames (self, role, plane->start_us, expected_us, &frames);

      if (!lb_step_probe_follow (&self->probe, role, steps[i][0], steps[i][1], delay_us, expected_us, frames,
                                 &response, cancellable, error))
        return FALSE;
      if (response.contrast < CONTRAST_MIN || !lb_settling_fit (response.samples, response.count, &settling))
        continue;
      note_step (plane, i, &response, &settling);
      add_samples (samples, &response);
      if (i == 0)
        {
          lb_step_response_clear (&plane->response);
          plane->response = response;
          response = (LbStepResponse){ 0 };
        }
    }
  return TRUE;
}

/* Twice the standard error of a plane's settling, as a share of it; a frame counts as
 * much as the limit, because what is faster than that cannot be followed. */
static double
find_uncertainty (const PlaneTiming *plane)
{
  return 2 * plane->settling_error_us / MAX (plane->settling_us, 5 * plane->frame_us);
}

static gboolean
is_clear (const PlaneTiming *plane)
{
  return plane->found && plane->settling_us > FRAMES_RESOLVED * plane->frame_us &&
         find_uncertainty (plane) < CLEAR;
}

static gboolean
measure_plane (Timing *self, LbRole role, double from, double to, GCancellable *cancellable, GError **error)
{
  LbCalibrationContext *context = self->probe.field.capture.context;
  const LbSetupOptics *optics = lb_setup_get_optics (lb_bench_get_setup (context->bench));
  g_autoptr (GArray) samples = g_array_new (FALSE, FALSE, sizeof (LbSettlingSample));
  PlaneTiming *plane = &self->planes[role];
  double expected_us =
      MAX (role == LB_ROLE_SOURCE ? optics->source_settling_us : optics->weight_settling_us, 100);
  LbSettling settling;

  plane->whole = TRUE;
  if (!look_closely (self, role, &expected_us, &settling, cancellable, error))
    return FALSE;
  for (guint round = 0; round < ROUNDS_MAX; round++)
    {
      lb_calibration_report_progress (context, from + (to - from) * (round + 1) / (ROUNDS_MAX + 1),
                                      self->probe.field.capture.message, NULL, NULL);
      if (!follow_steps (self, role, expected_us, samples, cancellable, error))
        return FALSE;
      if (is_clear (plane))
        break;
    }
  if (!plane->found)
    {
      g_set_error (
          error, LB_CALIBRATION_ERROR, LB_CALIBRATION_ERROR_SIGNAL,
          _ ("The camera does not see the %s plane change: check that it shows patterns, and that the "
             "camera looks at it"),
          lb_role_get_name (role));
      return FALSE;
    }
  plane->lag_us /= plane->followed;
  if (!is_clear (plane))
    note_together (plane, samples);
  return TRUE;
}

/* ---- Shutter ----------------------------------------------------------------------- */

/* Line through the times at which bands of rows, from the top of the sensor down,
 * saw the source change. */
static void
find_readout (Timing *self, const double *seen_us, const double *row, guint count)
{
  double mean = 0, middle = 0, moment = 0, square = 0, rest = 0, slope;

  for (guint i = 0; i < count; i++)
    {
      mean += seen_us[i] / count;
      middle += row[i] / count;
    }
  for (guint i = 0; i < count; i++)
    {
      moment += (row[i] - middle) * (seen_us[i] - mean);
      square += (row[i] - middle) * (row[i] - middle);
    }
  slope = moment / square;
  for (guint i = 0; i < count; i++)
    rest += pow (seen_us[i] - mean - slope * (row[i] - middle), 2);
  /* Rows that are exposed later see it earlier in their exposure. */
  self->readout_us = -slope * self->probe.field.caps.height;
  self->readout_error_us = sqrt (rest / (count - 2) / square) * self->probe.field.caps.height;
}

/* Tries with the frames a frame later each, until hardly a band misses the step. */
static gboolean
measure_shutter (Timing *self, GCancellable *cancellable, GError **error)
{
  double seen_us[BANDS], row[BANDS];
  guint best = 3;

  self->readout_us = self->readout_error_us = NAN;
  for (guint i = 0; i < SHUTTER_TRIES && best < BANDS - 2; i++)
    {
      const double later_us = i * self->probe.field.caps.frame_period_us;
      guint count = 0;

      if (!lb_step_probe_watch_rows (&self->probe, self->planes[LB_ROLE_SOURCE].latency_us + later_us, BANDS,
                                     seen_us, row, &count, cancellable, error))
        return FALSE;
      if (count <= best)
        continue;
      best = count;
      find_readout (self, seen_us, row, count);
    }
  return TRUE;
}

/* ---- Result ------------------------------------------------------------------------ */

static gboolean
is_rolling (const Timing *self)
{
  return self->readout_us >
         MAX (ROLLING_SHARE * self->probe.field.caps.frame_period_us, 5 * self->readout_error_us);
}

/* What the bench is to wait for, and not less than nothing. */
static double
get_wait_us (const PlaneTiming *plane)
{
  return MAX (plane->settling_us + SAFETY_ERRORS * plane->settling_error_us, 0);
}

static void
set_values (LbCalibration *result, const Timing *self)
{
  static const char *const names[2] = { "source", "weight" };
  LbQuantities *values = lb_calibration_values (result);

  for (guint role = LB_ROLE_SOURCE; role <= LB_ROLE_WEIGHT; role++)
    {
      const PlaneTiming *plane = &self->planes[role];
      const struct
      {
        const char *what;
        double us;
      } times[] = { { "latency", plane->latency_us },   { "lag", plane->lag_us },
                    { "settling", plane->settling_us }, { "settling_error", plane->settling_error_us },
                    { "wait", get_wait_us (plane) },    { "frame", plane->frame_us } };

      for (guint i = 0; i < G_N_ELEMENTS (times); i++)
        {
          g_autofree char *name = g_strdup_printf ("%s_%s", names[role], times[i].what);

          lb_quantities_set (values, name, 1e-3 * times[i].us, "ms");
        }
    }
  lb_quantities_set (values, "frame_age", 1e-3 * self->probe.age_us, "ms");
  if (isfinite (self->readout_us))
    {
      lb_quantities_set (values, "readout", 1e-3 * self->readout_us, "ms");
      lb_quantities_set_text (values, "shutter", is_rolling (self) ? "rolling" : "global");
    }
  lb_capture_describe_light (&self->probe.field.capture, result);
}

static void
add_figures (LbCalibration *result, const Timing *self)
{
  static const char *const names[2] = { "source", "weight" };

  for (guint role = LB_ROLE_SOURCE; role <= LB_ROLE_WEIGHT; role++)
    {
      const LbStepResponse *response = &self->planes[role].response;
      g_autoptr (LbFigure) figure = lb_figure_new (
          role == LB_ROLE_SOURCE ? _ ("Step of the source plane") : _ ("Step of the weight plane"),
          _ ("Time since the pattern was handed over"), "ms", _ ("Part of the step to go"), "");
      g_autofree double *x = g_new (double, response->count);
      g_autofree double *y = g_new (double, response->count);

      for (guint i = 0; i < response->count; i++)
        {
          x[i] = 0.5e-3 * (response->samples[i].from_us + response->samples[i].to_us);
          y[i] = response->samples[i].rest;
        }
      lb_figure_add_points (figure, NULL, x, y, NULL, response->count);
      lb_calibration_add_figure (result, names[role], figure);
    }
}

static LbRole
find_least_sure (const Timing *self)
{
  return find_uncertainty (&self->planes[LB_ROLE_SOURCE]) > find_uncertainty (&self->planes[LB_ROLE_WEIGHT])
             ? LB_ROLE_SOURCE
             : LB_ROLE_WEIGHT;
}

static char *
describe (const Timing *self)
{
  return g_strdup_printf (
      _ ("The bench waits %.1f ms for the source plane and %.1f ms for the weight plane; the shutter is %s."),
      1e-3 * get_wait_us (&self->planes[LB_ROLE_SOURCE]), 1e-3 * get_wait_us (&self->planes[LB_ROLE_WEIGHT]),
      !isfinite (self->readout_us) ? _ ("unknown")
      : is_rolling (self)          ? _ ("rolling")
                                   : _ ("global"));
}

/* Sentence of what is not as it should be though the times are known, or NULL. */
static char *
describe_trouble (const Timing *self)
{
  const LbCameraCaps *caps = &self->probe.field.caps;

  for (guint role = LB_ROLE_SOURCE; role <= LB_ROLE_WEIGHT; role++)
    if (!self->planes[role].whole)
      return g_strdup_printf (
          _ ("The %s plane creeps on after it seems settled: switch its overdrive and power "
             "saving off, and run the step again."),
          lb_role_get_name (role));
  if (isfinite (self->readout_us) && is_rolling (self) != (caps->readout_us > 0))
    return g_strdup_printf (is_rolling (self)
                                ? _ ("The camera's rows are exposed one after the other, over %.1f ms, "
                                     "though it says it has a global "
                                     "shutter: set \"readout_us\" of the camera in the setup file.")
                                : _ ("The camera's rows are exposed together (within %.1f ms) though it says "
                                     "its shutter is rolling: "
                                     "check \"readout_us\" of the camera in the setup file."),
                            1e-3 * fabs (self->readout_us));
  return NULL;
}

static void
judge (LbCalibration *result, const Timing *self)
{
  const LbRole role = find_least_sure (self);
  const double residual = 100 * find_uncertainty (&self->planes[role]);
  g_autofree char *good = describe (self);
  g_autofree char *trouble = describe_trouble (self);
  g_autofree char *bad = g_strdup_printf (
      _ ("The %s plane's settling is not clear in the noise: give the camera more light, and run "
         "the step again."),
      lb_role_get_name (role));

  lb_capture_judge (result, residual, SETTLING_LIMIT, "%", good, bad);
  if (trouble != NULL && lb_calibration_get_verdict (result) == LB_VERDICT_PASS)
    lb_calibration_set_verdict (result, LB_VERDICT_WARN, residual, SETTLING_LIMIT, "%", trouble);
}

static gboolean
measure (LbCalibrationContext *context, LbCalibration *result, GCancellable *cancellable, GError **error)
{
  g_auto (Timing) self = { 0 };

  if (!lb_step_probe_init (&self.probe, context, cancellable, error))
    return FALSE;
  self.probe.field.capture.message = _ ("Steps of both planes");
  if (!measure_plane (&self, LB_ROLE_SOURCE, 0.1, 0.45, cancellable, error) ||
      !measure_plane (&self, LB_ROLE_WEIGHT, 0.45, 0.85, cancellable, error) ||
      !measure_shutter (&self, cancellable, error))
    return FALSE;
  set_values (result, &self);
  add_figures (result, &self);
  judge (result, &self);
  return TRUE;
}

static void
forecast (LbBench *bench, LbCalibrationForecast *forecast)
{
  const LbSetupOptics *optics = lb_setup_get_optics (lb_bench_get_setup (bench));
  LbCameraCaps camera;

  if (!lb_bench_get_camera_caps (bench, &camera))
    return;
  for (guint role = LB_ROLE_SOURCE; role <= LB_ROLE_WEIGHT; role++)
    {
      const double expected_us =
          role == LB_ROLE_SOURCE ? optics->source_settling_us : optics->weight_settling_us;
      const double frame_us =
          MAX (expected_us / FRAMES_IN_SETTLING, camera.frame_period_us / FRAMES_A_PERIOD);
      const guint follows =
          TRIES_USUAL + N_STEPS * (expected_us > FRAMES_RESOLVED * frame_us * 2 ? 1 : ROUNDS_MAX);
      LbModulatorCaps plane;
      double frames;

      if (!lb_bench_get_modulator_caps (bench, role, &plane) || !(plane.rate_hz > 0))
        continue;
      frames = CLAMP ((G_USEC_PER_SEC / plane.rate_hz + BEYOND * expected_us) / frame_us + FRAMES_BEFORE, 24,
                      FRAMES_MAX);
      /* Each looks for the level before, and for where the plane is seen. */
      lb_calibration_forecast_add (forecast, bench, 4 * follows, follows * frames, frame_us, 0);
    }
}

const LbCalibrationStep lb_calibration_step_timing = {
  .name = "timing",
  .title = N_ ("Timing"),
  .description =
      N_ ("Finds latency and settling of both planes, age of a frame and kind of shutter: what the "
          "bench waits for before it takes a frame"),
  .needs = { "dark", NULL },
  .max_age_s = 7 * 24 * 3600,
  .optional = TRUE,
  .forecast = forecast,
  .measure = measure,
};
