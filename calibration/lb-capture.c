/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-capture-private.h"

#include <glib/gi18n-lib.h>
#include <math.h>

/* Part of the camera's range that the brightest pixels should fill: the usual
 * exposure is kept between the first two, else the third is aimed at. */
#define FILL_LOW 0.35
#define FILL_HIGH 0.80
#define FILL_AIM 0.60
/* Share of the brightest pixels that is passed over: hot pixels and speckle. */
#define BRIGHTEST_SHARE 0.001
/* Light takes the place of an even longer exposure. */
#define LONGEST_EXPOSURE_US 100000.0
#define PROBES_MAX 8
/* Less than that is no light, DN. */
#define SIGNAL_MIN_DN 8.0

gboolean
lb_capture_set_region (LbCalibrationContext *context,
                       const LbCameraFormat *want,
                       LbCameraFormat *actual,
                       GCancellable *cancellable,
                       GError **error)
{
  LbCameraFormat now;
  LbCameraCaps caps;

  lb_bench_get_camera_format (context->bench, &now);
  if (!lb_bench_get_camera_caps (context->bench, &caps))
    caps = (LbCameraCaps){ 0 };
  if (want->width == 0 ? now.width == caps.width && now.height == caps.height
                       : now.x == want->x && now.y == want->y && now.width == want->width &&
                             now.height == want->height && (want->bits == 0 || want->bits == now.bits))
    {
      if (actual != NULL)
        *actual = now;
      return TRUE;
    }
  return lb_bench_configure_camera (context->bench, want, actual, cancellable, error);
}

/* A plan on its way. */
typedef struct
{
  LbCapture *capture;
  const GArray *shots;
  guint next;
  guint frames_done, frames_all;
  LbPattern *source, *weight;
  LbCaptureSink sink;
  gpointer data;
} PlanRun;

static void
renew_pattern (LbPattern **pattern, guint number, guint last, LbCaptureRender render, gpointer data)
{
  if (*pattern != NULL && number == last)
    return;
  g_clear_pointer (pattern, lb_pattern_unref);
  *pattern = render (number, data);
}

static gboolean
plan_source (LbExposure *exposure, gpointer data, GError **error)
{
  PlanRun *run = data;
  const LbCapture *capture = run->capture;
  const LbCaptureShot *shot, *last;

  if (run->next >= run->shots->len)
    return FALSE;
  shot = &g_array_index (run->shots, LbCaptureShot, run->next);
  last = &g_array_index (run->shots, LbCaptureShot, run->next > 0 ? run->next - 1 : 0);
  renew_pattern (&run->source, shot->source, last->source, capture->render_source, capture->render_data);
  renew_pattern (&run->weight, shot->weight, last->weight, capture->render_weight, capture->render_data);
  exposure->source = run->source;
  exposure->weight = run->weight;
  exposure->light = !shot->dark;
  exposure->light_level = capture->light.level;
  exposure->exposure_us = shot->exposure_us > 0 ? shot->exposure_us : capture->light.exposure_us;
  exposure->frames = shot->frames;
  exposure->tag = run->next;
  run->next++;
  return TRUE;
}

static gboolean
plan_sink (const LbExposure *exposure, guint nth, LbFrame *frame, gpointer data, GError **error)
{
  PlanRun *run = data;
  const LbCapture *capture = run->capture;
  const LbCaptureShot *shot = &g_array_index (run->shots, LbCaptureShot, (guint) exposure->tag);
  LbCameraFormat format;

  lb_bench_get_camera_format (capture->context->bench, &format);
  if (frame->width != format.width || frame->height != format.height)
    {
      g_set_error (error, LB_CALIBRATION_ERROR, LB_CALIBRATION_ERROR_SIGNAL,
                   _ ("The camera sent a frame of %u × %u pixels instead of %u × %u: connect it again"),
                   frame->width, frame->height, format.width, format.height);
      return FALSE;
    }
  if (!run->sink (shot, nth, frame, run->data, error))
    return FALSE;
  run->frames_done++;
  lb_calibration_report_progress (capture->context,
                                  capture->fraction_from + (capture->fraction_to - capture->fraction_from) *
                                                               run->frames_done / run->frames_all,
                                  capture->message, NULL, frame);
  return TRUE;
}

gboolean
lb_capture_run (LbCapture *self,
                const GArray *shots,
                LbCaptureSink sink,
                gpointer data,
                GCancellable *cancellable,
                GError **error)
{
  PlanRun run = { .capture = self, .shots = shots, .sink = sink, .data = data };
  gboolean done;

  for (guint i = 0; i < shots->len; i++)
    run.frames_all += g_array_index (shots, LbCaptureShot, i).frames;
  done = lb_bench_run_sequence (self->context->bench, plan_source, plan_sink, &run, cancellable, error);
  g_clear_pointer (&run.source, lb_pattern_unref);
  g_clear_pointer (&run.weight, lb_pattern_unref);
  return done;
}

/* What a frame says of its exposure, in DN. */
typedef struct
{
  double black, bright; /* of the darkest and brightest pixels */
  double clipped;       /* share of pixels at the end of the range */
  double range;         /* from black to that end */
} FrameLevels;

typedef struct
{
  const LbSetupOptics *optics;
  double dark_dn; /* of a dark frame's pixels, where that is known; else infinite */
  FrameLevels levels;
} LevelProbe;

static guint
find_rank (const guint32 *histogram, guint64 rank)
{
  guint64 sum = 0;
  guint level = 0;

  for (; level < G_MAXUINT16; level++)
    {
      sum += histogram[level];
      if (sum > rank)
        break;
    }
  return level;
}

static gboolean
level_sink (const LbCaptureShot *shot, guint nth, LbFrame *frame, gpointer data, GError **error)
{
  LevelProbe *probe = data;
  const gsize count = (gsize) frame->width * frame->height;
  g_autofree guint32 *histogram = g_new0 (guint32, G_MAXUINT16 + 1);
  FrameLevels *levels = &probe->levels;
  guint64 clipped = 0;
  double limit;

  for (gsize i = 0; i < count; i++)
    histogram[frame->data[i]]++;
  /* The planes may fill the frame with light. */
  levels->black = fmin (probe->dark_dn, find_rank (histogram, (guint64) (BRIGHTEST_SHARE * (double) count)));
  levels->bright = find_rank (histogram, (guint64) ((1 - BRIGHTEST_SHARE) * (double) count));
  limit = MIN ((1u << MIN (frame->bits, 16)) - 1.0,
               levels->black + 0.98 * probe->optics->full_well / probe->optics->electrons_per_dn);
  levels->range = limit - levels->black;
  for (guint level = (guint) limit; level <= G_MAXUINT16; level++)
    clipped += histogram[level];
  levels->clipped = (double) clipped / (double) count;
  return TRUE;
}

/* Longer exposure first, then more light; shorter exposure first. FALSE if
 * nothing is left to change. */
static gboolean
change_light (LbCapture *self, double factor)
{
  LbBench *bench = self->context->bench;
  const LbSetupOptics *optics = lb_setup_get_optics (lb_bench_get_setup (bench));
  LbCaptureLight before = self->light;
  double usual = before.level > 0 ? before.level : optics->light_level;
  LbCameraCaps camera;
  LbLightSourceCaps light;
  double wanted_us = before.exposure_us * factor;

  if (!lb_bench_get_camera_caps (bench, &camera))
    return FALSE;
  self->light.exposure_us =
      CLAMP (wanted_us, camera.exposure_min_us, MIN (camera.exposure_max_us, LONGEST_EXPOSURE_US));
  if (lb_bench_get_light_caps (bench, &light))
    {
      double level = usual * wanted_us / self->light.exposure_us;

      /* Within a factor of two of the usual set point: sources with a threshold
       * do not follow it in proportion, so that more is for the next probe. */
      if (fabs (wanted_us / self->light.exposure_us - 1) > 0.01)
        self->light.level =
            CLAMP (CLAMP (level, usual / 2, usual * 2), light.minimum, MIN (light.maximum, light.limit));
    }
  return fabs (self->light.exposure_us / before.exposure_us - 1) > 0.01 ||
         fabs (self->light.level - before.level) > 0.01 * usual;
}

static gboolean
fail_light (const FrameLevels *levels, const LbCapture *self, GError **error)
{
  if (levels->clipped <= BRIGHTEST_SHARE && levels->bright - levels->black < SIGNAL_MIN_DN)
    g_set_error (
        error, LB_CALIBRATION_ERROR, LB_CALIBRATION_ERROR_SIGNAL,
        _ ("The camera sees no light: its brightest pixels are %.0f DN above the darkest in %.1f ms. "
           "Check that the light is on, the beam is free and the lens is open"),
        levels->bright - levels->black, 1e-3 * self->light.exposure_us);
  else
    g_set_error (error, LB_CALIBRATION_ERROR, LB_CALIBRATION_ERROR_SIGNAL,
                 levels->clipped > BRIGHTEST_SHARE
                     ? _ ("The camera saturates even at its shortest exposure (%.0f of %.0f DN): lower the "
                          "light, or close the lens")
                     : _ ("The camera gets too little light even at the longest exposure and the highest set "
                          "point (%.0f of %.0f DN): open the lens, or align the beam"),
                 levels->bright - levels->black, levels->range);
  return FALSE;
}

gboolean
lb_capture_find_light (LbCapture *self, guint source, guint weight, GCancellable *cancellable, GError **error)
{
  const LbSetupOptics *optics = lb_setup_get_optics (lb_bench_get_setup (self->context->bench));
  g_autoptr (GArray) shots = g_array_new (FALSE, TRUE, sizeof (LbCaptureShot));
  const LbCaptureShot shot = { .source = source, .weight = weight, .frames = 1 };
  g_autoptr (LbCalibration) dark = lb_calibration_set_dup (self->context->in_force, "dark");
  LevelProbe probe = { .optics = optics, .dark_dn = INFINITY };

  if (dark != NULL)
    probe.dark_dn = lb_quantities_get (lb_calibration_values (dark), "offset", INFINITY);
  self->light = (LbCaptureLight){ 0, optics->exposure_us };
  g_array_append_val (shots, shot);
  for (guint i = 0; i < PROBES_MAX; i++)
    {
      double fill;

      if (!lb_capture_run (self, shots, level_sink, &probe, cancellable, error))
        return FALSE;
      fill = (probe.levels.bright - probe.levels.black) / probe.levels.range;
      if (probe.levels.clipped > BRIGHTEST_SHARE)
        fill = 4 * FILL_AIM;
      else if (fill >= FILL_LOW && fill <= FILL_HIGH)
        return TRUE;
      if (!change_light (self, CLAMP (FILL_AIM / MAX (fill, 1e-3), 1.0 / 4, 16)))
        break;
    }
  /* A dim picture is better than none: noise only makes it slower. */
  if (probe.levels.clipped <= BRIGHTEST_SHARE &&
      probe.levels.bright - probe.levels.black > 0.1 * probe.levels.range)
    return TRUE;
  return fail_light (&probe.levels, self, error);
}

void
lb_capture_describe_light (const LbCapture *self, LbCalibration *result)
{
  LbBench *bench = self->context->bench;
  LbQuantities *settings = lb_calibration_settings (result);
  LbLightSourceCaps light;

  lb_quantities_set (settings, "exposure", 1e-3 * self->light.exposure_us, "ms");
  if (lb_bench_get_light_caps (bench, &light))
    lb_quantities_set (settings, "light_level",
                       self->light.level > 0 ? self->light.level
                                             : lb_setup_get_optics (lb_bench_get_setup (bench))->light_level,
                       light.unit);
}

void
lb_capture_judge (
    LbCalibration *result, double residual, double limit, const char *unit, const char *good, const char *bad)
{
  LbVerdict verdict = LB_VERDICT_FAIL;

  if (residual <= limit)
    verdict = LB_VERDICT_PASS;
  else if (residual <= 2 * limit)
    verdict = LB_VERDICT_WARN;
  lb_calibration_set_verdict (result, verdict, residual, limit, unit,
                              verdict == LB_VERDICT_PASS ? good : bad);
}
