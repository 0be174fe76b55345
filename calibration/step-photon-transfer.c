/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <glib/gi18n-lib.h>
#include <math.h>
#include <string.h>

#include "lb-field-probe-private.h"
#include "lb-photon-transfer-private.h"

/* Limit of the uncertainty of electrons per DN (optics.md), %. */
#define GAIN_LIMIT 2.0
/* Mean linearity error from which on the camera is not taken to be linear. */
#define LINEARITY_LIMIT 0.01
#define LINEARITY_MAX 0.05
/* Exposures: part of the range that the brightest part of the picture fills. */
static const double fills[] = { 0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9 };
#define N_FILLS G_N_ELEMENTS (fills)
/* Range of the fit, as parts of saturation: EMVA 1288. */
#define FIT_HIGH 0.7
/* Signals below are where rounding and the error of the offset count, DN. */
#define FIT_LOW_DN 6.0
/* Differences of pixels that an exposure should give. */
#define DIFFERENCES_WANTED 6e5
#define PAIRS_MIN 3
#define PAIRS_MAX 24
/* Means of pairs are sorted up to that, in parts of saturation. */
#define PAIRS_RANGE 1.25
/* Exposure with which pixels are filled to overflowing, in terms of the range. */
#define OVERFLOW_FILL 2.5
#define OVERFLOW_FRAMES 2
#define EFFICIENCY_FRAMES 8
#define EXPOSURE_MAX_US 400000.0
/* Part of the sensor that is lit, and mean exposure in terms of the usual one, for the forecast. */
#define LIT_SHARE 0.6
#define MEAN_EXPOSURE 4
/* Planck's constant times the speed of light (SI, exact), J m. */
#define PHOTON_ENERGY_M 1.98644586e-25

enum
{
  TAG_BASE = 100,
  TAG_OVERFLOW,
  TAG_STRAY,
  TAG_BLACK,
  TAG_PATCH,
};

typedef struct
{
  LbFieldProbe probe;
  GCancellable *cancellable;
  gboolean has_meter;
  LbPhotonTransfer pairs;
  LbFrame *first;     /* of the pair under way */
  guint8 *bright;     /* pixels of the brightest part, for the light of a frame */
  float *base_signal; /* of the first frame, DN above black */
  double base_us, base_level;
  double saturation_dn; /* signal at which the range or the well ends; expected, then measured */
  double time_us[N_FILLS], sum[N_FILLS]; /* of the bright part */
  guint frames[N_FILLS];
  double overflow_dn;         /* signal of overflowing pixels, NAN: not seen */
  gboolean converter_ends_it; /* that is the end of the converter, not of the well */
  double patch[2], watts[2];  /* mean sum in DN per microsecond; black, patch */
  double border_share;        /* of the patch's light at the edge of the frame */
  guint n_patch[2];
} Transfer;

static void
transfer_clear (Transfer *self)
{
  lb_field_probe_clear (&self->probe);
  g_clear_pointer (&self->first, lb_frame_unref);
  g_free (self->bright);
  g_free (self->base_signal);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Transfer, transfer_clear)

/* ---- Frames ------------------------------------------------------------------- */

static int
compare_floats (gconstpointer a, gconstpointer b)
{
  const float x = *(const float *) a, y = *(const float *) b;

  return (x > y) - (x < y);
}

/* Level that the brightest part in a thousand of the pixels passes, from a coarse grid. */
static double
bright_level (const Transfer *self, guint width, guint height)
{
  g_autoptr (GArray) sample = g_array_new (FALSE, FALSE, sizeof (float));

  for (guint y = 0; y < height; y += 3)
    for (guint x = 0; x < width; x += 3)
      if (!self->probe.bad[(gsize) y * width + x])
        g_array_append_val (sample, self->base_signal[(gsize) y * width + x]);
  g_array_sort (sample, compare_floats);
  return sample->len > 0 ? (double) g_array_index (sample, float, (guint) (0.998 * (sample->len - 1))) : 0;
}

static void
take_base (Transfer *self, LbFrame *frame)
{
  const gsize count = (gsize) frame->width * frame->height;
  const float *black = lb_field_probe_black (&self->probe, frame);

  self->base_signal = g_new (float, count);
  self->bright = g_malloc0 (count);
  for (gsize i = 0; i < count; i++)
    self->base_signal[i] = (float) frame->data[i] - black[i];
  self->base_us = frame->exposure_us;
  self->base_level = bright_level (self, frame->width, frame->height);
  for (gsize i = 0; i < count; i++)
    self->bright[i] = !self->probe.bad[i] && self->base_signal[i] > 0.6 * self->base_level &&
                      self->base_signal[i] < self->base_level;
}

static double
sum_bright (Transfer *self, LbFrame *frame, const float *black)
{
  const gsize count = (gsize) frame->width * frame->height;
  double sum = 0;

  for (gsize i = 0; i < count; i++)
    if (self->bright[i])
      sum += frame->data[i] - (double) black[i];
  return sum;
}

/* Every two frames of an exposure are a pair. */
static void
take_level (Transfer *self, guint level, guint nth, LbFrame *frame)
{
  const float *black = lb_field_probe_black (&self->probe, frame);
  const double sum = sum_bright (self, frame, black);

  self->time_us[level] = frame->exposure_us;
  self->sum[level] += sum;
  self->frames[level]++;
  if (nth % 2 == 0)
    {
      g_clear_pointer (&self->first, lb_frame_unref);
      self->first = lb_frame_ref (frame);
    }
  else if (self->first != NULL)
    {
      const double before = sum_bright (self, self->first, black);

      if (before + sum > 0)
        lb_photon_transfer_add (&self->pairs, self->first->data, frame->data, black, self->probe.bad,
                                frame->width, frame->height, 2 * (before - sum) / (before + sum),
                                frame->exposure_us);
      g_clear_pointer (&self->first, lb_frame_unref);
    }
}

/* Where pixels stand that get far more light than they can hold. */
static void
take_overflow (Transfer *self, LbFrame *frame)
{
  const gsize count = (gsize) frame->width * frame->height;
  const float *black = lb_field_probe_black (&self->probe, frame);
  const double needed = 1.5 * self->saturation_dn * self->base_us / frame->exposure_us;
  double sum = 0;
  gsize n = 0, at_end = 0;

  for (gsize i = 0; i < count; i++)
    if (!self->probe.bad[i] && self->base_signal[i] > needed)
      {
        sum += frame->data[i] - (double) black[i];
        at_end += frame->data[i] >= self->probe.largest;
        n++;
      }
  if (n < 50)
    return;
  self->overflow_dn = sum / (double) n;
  self->converter_ends_it = 2 * at_end > n;
}

/* Mean signal of the outermost pixels. */
static double
border_level (Transfer *self, LbFrame *frame)
{
  const float *black = lb_field_probe_black (&self->probe, frame);
  double sum = 0;
  gsize n = 0;

  for (gsize y = 0; y < frame->height; y++)
    for (gsize x = 0; x < frame->width; x += y == 0 || y + 1 == frame->height ? 1 : frame->width - 1)
      {
        const gsize i = y * frame->width + x;

        sum += self->probe.bad[i] ? 0 : frame->data[i] - (double) black[i];
        n++;
      }
  return sum / (double) n;
}

static gboolean
take_patch (
    Transfer *self, const LbCaptureShot *shot, guint nth, LbFrame *frame, gboolean patch, GError **error)
{
  const gsize count = (gsize) frame->width * frame->height;
  const double sum = lb_field_probe_sum (&self->probe, frame, NULL);

  self->patch[patch] +=
      sum * (double) count / (double) self->probe.n_good / frame->exposure_us / EFFICIENCY_FRAMES;
  if (nth == 0)
    self->border_share += (patch ? 1 : -1) * border_level (self, frame) / (0.5 * self->base_level);
  if (nth + 1 < shot->frames || !self->has_meter)
    return TRUE;
  return lb_field_probe_read_meter (&self->probe, &self->watts[patch], self->cancellable, error);
}

static gboolean
sink (const LbCaptureShot *shot, guint nth, LbFrame *frame, gpointer data, GError **error)
{
  Transfer *self = data;

  switch (shot->tag)
    {
    case TAG_BASE:
      take_base (self, frame);
      return TRUE;
    case TAG_OVERFLOW:
      take_overflow (self, frame);
      return TRUE;
    case TAG_STRAY:
      self->pairs.stray += lb_field_probe_sum (&self->probe, frame, NULL) / (double) self->probe.n_good /
                           frame->exposure_us / EFFICIENCY_FRAMES;
      return TRUE;
    case TAG_BLACK:
    case TAG_PATCH:
      return take_patch (self, shot, nth, frame, shot->tag == TAG_PATCH, error);
    default:
      take_level (self, shot->tag, nth, frame);
      return TRUE;
    }
}

/* ---- Plan --------------------------------------------------------------------- */

static void
plan (GArray *shots, guint tag, guint source, guint weight, double exposure_us, guint frames)
{
  const LbCaptureShot shot = {
    .source = source, .weight = weight, .exposure_us = exposure_us, .frames = frames, .tag = tag
  };

  g_array_append_val (shots, shot);
}

static gboolean
run (Transfer *self, GArray *shots, double from, double to, GError **error)
{
  self->probe.capture.fraction_from = from;
  self->probe.capture.fraction_to = to;
  return lb_capture_run (&self->probe.capture, shots, sink, self, self->cancellable, error);
}

static guint
find_pairs (const Transfer *self)
{
  const gsize count = (gsize) self->probe.window.width * self->probe.window.height;
  gsize lit = 0;

  for (gsize i = 0; i < count; i++)
    lit += self->base_signal[i] > 0.2 * self->base_level;
  return (guint) CLAMP (ceil (DIFFERENCES_WANTED / (double) MAX (lit, 1)), PAIRS_MIN, PAIRS_MAX);
}

static gboolean
measure_levels (Transfer *self, GError **error)
{
  const LbFieldProbe *probe = &self->probe;
  const guint source = probe->full[LB_ROLE_SOURCE], weight = probe->full[LB_ROLE_WEIGHT];
  g_autoptr (GArray) base = g_array_new (FALSE, TRUE, sizeof (LbCaptureShot));
  g_autoptr (GArray) shots = g_array_new (FALSE, TRUE, sizeof (LbCaptureShot));
  double full_us;
  guint pairs;

  plan (base, TAG_BASE, source, weight, 0, 1);
  if (!run (self, base, 0.05, 0.08, error))
    return FALSE;
  if (self->base_level <= 0)
    {
      g_set_error_literal (error, LB_CALIBRATION_ERROR, LB_CALIBRATION_ERROR_SIGNAL,
                           _ ("The camera sees no light: check that the beam is free and the lens is open"));
      return FALSE;
    }
  full_us = self->base_us * self->saturation_dn / self->base_level;
  pairs = find_pairs (self);
  for (guint i = 0; i < N_FILLS; i++)
    plan (shots, i, source, weight,
          CLAMP (fills[i] * full_us, probe->caps.exposure_min_us,
                 MIN (probe->caps.exposure_max_us, EXPOSURE_MAX_US)),
          2 * pairs);
  if (OVERFLOW_FILL * full_us <= MIN (probe->caps.exposure_max_us, EXPOSURE_MAX_US))
    plan (shots, TAG_OVERFLOW, source, weight, OVERFLOW_FILL * full_us, OVERFLOW_FRAMES);
  if (!run (self, shots, 0.08, 0.75, error))
    return FALSE;
  self->pairs.range_dn = MAX (self->pairs.range_dn, 1);
  if (isfinite (self->overflow_dn))
    self->saturation_dn = self->overflow_dn;
  return TRUE;
}

/* A part of the source of which all light gets to weight plane and camera. */
static gboolean
measure_patch (Transfer *self, GError **error)
{
  const guint weight = self->probe.full[LB_ROLE_WEIGHT];
  g_autoptr (GArray) shots = g_array_new (FALSE, TRUE, sizeof (LbCaptureShot));
  const double exposure_us =
      MAX (0.5 * self->base_us * self->saturation_dn / self->base_level, self->probe.caps.exposure_min_us);

  plan (shots, TAG_STRAY, 0, 0, exposure_us, EFFICIENCY_FRAMES);
  plan (shots, TAG_BLACK, 0, weight, exposure_us, EFFICIENCY_FRAMES);
  plan (shots, TAG_PATCH, LB_FIELD_PATCH, weight, exposure_us, EFFICIENCY_FRAMES);
  return run (self, shots, 0.75, 0.95, error);
}

/* ---- Result ------------------------------------------------------------------- */

typedef struct
{
  LbPhotonTransferFit fit;
  double electrons_per_dn, error_percent; /* two standard errors */
  double bend_percent;                    /* by what the lower half of the range gives another gain */
  double linearity, slope;
  double time_us[N_FILLS], signal[N_FILLS], deviation[N_FILLS];
  guint n_levels;
  double efficiency; /* electrons per photon on the weight plane; NAN: not measured */
} Outcome;

static void
find_linearity (const Transfer *self, Outcome *outcome)
{
  for (guint i = 0; i < N_FILLS; i++)
    {
      const double signal = self->frames[i] > 0 ? self->sum[i] / self->frames[i] : 0;
      const double fill = self->base_level / self->saturation_dn * self->time_us[i] / self->base_us;

      if (signal <= 0 || fill > 0.95)
        continue;
      outcome->time_us[outcome->n_levels] = self->time_us[i];
      outcome->signal[outcome->n_levels++] = signal;
    }
  outcome->linearity = lb_linearity_error (outcome->time_us, outcome->signal, outcome->n_levels,
                                           &outcome->slope, outcome->deviation);
}

static void
find_efficiency (const Transfer *self, Outcome *outcome)
{
  const LbSetupOptics *optics = lb_setup_get_optics (lb_bench_get_setup (self->probe.capture.context->bench));
  const double photons_per_us =
      (self->watts[1] - self->watts[0]) * 1e-6 * optics->wavelength_nm * 1e-9 / PHOTON_ENERGY_M;
  const double electrons_per_us = (self->patch[1] - self->patch[0]) * outcome->electrons_per_dn;

  outcome->efficiency = NAN;
  if (self->has_meter && optics->wavelength_nm > 0 && photons_per_us > 0 && electrons_per_us > 0)
    outcome->efficiency = electrons_per_us / photons_per_us;
}

static gboolean
evaluate (const Transfer *self, Outcome *outcome, GError **error)
{
  const double high = FIT_HIGH * self->saturation_dn;
  LbPhotonTransferFit half;

  if (!lb_photon_transfer_fit (&self->pairs, FIT_LOW_DN, high, &outcome->fit))
    {
      g_set_error (error, LB_CALIBRATION_ERROR, LB_CALIBRATION_ERROR_SIGNAL,
                   _ ("The noise of the camera does not rise with the light (brightest signal %.0f DN): set "
                      "the camera to raw data without noise reduction, and give it more light"),
                   self->base_level);
      return FALSE;
    }
  outcome->electrons_per_dn = 1 / outcome->fit.gain;
  outcome->error_percent = 200 * outcome->fit.gain_error / outcome->fit.gain;
  if (lb_photon_transfer_fit (&self->pairs, FIT_LOW_DN, high / 2, &half))
    {
      const double apart = fabs (half.gain - outcome->fit.gain);
      const double sure = apart - 3 * hypot (half.gain_error, outcome->fit.gain_error);

      outcome->bend_percent = sure > 0 ? 100 * apart / outcome->fit.gain : 0;
    }
  find_linearity (self, outcome);
  find_efficiency (self, outcome);
  return TRUE;
}

static void
set_values (LbCalibration *result, const Transfer *self, const Outcome *outcome)
{
  LbQuantities *values = lb_calibration_values (result);
  const double offset = lb_quantities_get (lb_calibration_values (self->probe.dark), "offset", 0);

  lb_quantities_set (values, "electrons_per_dn", outcome->electrons_per_dn, "electrons");
  lb_quantities_set (values, "electrons_per_dn_error",
                     outcome->electrons_per_dn * outcome->error_percent / 200, "electrons");
  lb_quantities_set (values, "linearity_error", 100 * outcome->linearity, "%");
  lb_quantities_set (values, "signal_fluctuation", 100 * outcome->fit.share, "%");
  if (isfinite (self->overflow_dn))
    {
      lb_quantities_set (values, "saturation", offset + self->overflow_dn, "DN");
      lb_quantities_set (values, "saturation_capacity", self->overflow_dn * outcome->electrons_per_dn,
                         "electrons");
      lb_quantities_set_text (values, "saturation_by", self->converter_ends_it ? "converter" : "full well");
    }
  if (isfinite (outcome->efficiency))
    lb_quantities_set (values, "electrons_per_photon", outcome->efficiency, "");
  lb_quantities_set_text (lb_calibration_settings (result), "definitions", "EMVA 1288 Release 4.0 Linear");
  lb_capture_describe_light (&self->probe.capture, result);
}

static LbFigure *
make_transfer_figure (const Transfer *self, const Outcome *outcome)
{
  LbFigure *figure = lb_figure_new (_ ("Photon transfer"), _ ("Signal"), "DN", _ ("Variance"), "DN²");
  double x[LB_PHOTON_BINS], y[LB_PHOTON_BINS], shot[LB_PHOTON_BINS], model[LB_PHOTON_BINS];
  guint n = 0;

  for (guint i = 0; i < LB_PHOTON_BINS; i++)
    if (lb_photon_transfer_point (&self->pairs, i, &x[n], &y[n]))
      {
        const double steady = outcome->fit.dark_variance + outcome->fit.gain * x[n];

        shot[n] = steady;
        model[n] = steady + pow (outcome->fit.share * x[n], 2);
        n++;
      }
  lb_figure_add_points (figure, _ ("measured"), x, y, NULL, n);
  lb_figure_add_line (figure, _ ("fit"), x, model, n);
  lb_figure_add_line (figure, _ ("shot noise and read noise"), x, shot, n);
  return figure;
}

static LbFigure *
make_linearity_figure (const Outcome *outcome)
{
  LbFigure *figure =
      lb_figure_new (_ ("Linearity of the camera"), _ ("Exposure"), "ms", _ ("Deviation from the line"), "%");
  double x[N_FILLS], y[N_FILLS];

  for (guint i = 0; i < outcome->n_levels; i++)
    {
      x[i] = 1e-3 * outcome->time_us[i];
      y[i] = 100 * outcome->deviation[i];
    }
  lb_figure_add_points (figure, NULL, x, y, NULL, outcome->n_levels);
  return figure;
}

static void
warn (LbCalibration *result, double residual, const char *message)
{
  lb_calibration_set_verdict (result, LB_VERDICT_WARN, residual, GAIN_LIMIT, "%", message);
}

static void
judge_photons (LbCalibration *result, const Transfer *self, Outcome *outcome, double residual)
{
  if (!isfinite (outcome->efficiency))
    return;
  if (self->border_share > 0.02)
    {
      outcome->efficiency = NAN;
      warn (result, residual,
            _ ("Electrons per DN are measured, photons are not: the camera sees only part of the weight "
               "plane's middle. Move the camera back, or take photons from the data sheets."));
    }
  else if (outcome->efficiency > 1)
    {
      outcome->efficiency = NAN;
      warn (result, residual,
            _ ("Electrons per DN are measured, photons are not: the camera finds more electrons than the "
               "power meter finds photons. Check the meter's place and the setup's wavelength."));
    }
}

static void
judge (LbCalibration *result, const Transfer *self, Outcome *outcome)
{
  const double residual = hypot (outcome->error_percent, outcome->bend_percent);
  g_autofree char *good =
      g_strdup_printf (_ ("The camera counts %.3f electrons per DN (± %.3f); linear within %.2f %%."),
                       outcome->electrons_per_dn, outcome->electrons_per_dn * outcome->error_percent / 200,
                       100 * outcome->linearity);
  g_autofree char *bent = NULL;

  lb_capture_judge (
      result, residual, GAIN_LIMIT, "%", good,
      outcome->bend_percent > outcome->error_percent
          ? _ ("The noise does not follow the light as shot noise does: set the camera to raw "
               "data, gain 1, without noise reduction, and run the step again.")
          : _ ("Too few photons to tell electrons per DN: give the camera more light, or steady "
               "the speckle, and run the step again."));
  if (lb_calibration_get_verdict (result) == LB_VERDICT_FAIL)
    return;
  if (!(outcome->linearity <= LINEARITY_LIMIT))
    {
      bent = g_strdup_printf (
          _ ("The signal does not go with the exposure time (%.1f %%): switch the camera's "
             "gamma and automatic functions off; or, if the light flickers, make it steady."),
          100 * outcome->linearity);
      lb_calibration_set_verdict (result,
                                  outcome->linearity <= LINEARITY_MAX ? LB_VERDICT_WARN : LB_VERDICT_FAIL,
                                  residual, GAIN_LIMIT, "%", bent);
      return;
    }
  judge_photons (result, self, outcome, residual);
}

static gboolean
measure (LbCalibrationContext *context, LbCalibration *result, GCancellable *cancellable, GError **error)
{
  const LbSetupOptics *optics = lb_setup_get_optics (lb_bench_get_setup (context->bench));
  g_auto (Transfer) self = { .cancellable = cancellable, .overflow_dn = NAN };
  g_autoptr (LbFigure) transfer = NULL;
  g_autoptr (LbFigure) linearity = NULL;
  g_autoptr (GError) meter_error = NULL;
  Outcome outcome = { 0 };
  double offset;

  if (!lb_field_probe_init (&self.probe, context, cancellable, error))
    return FALSE;
  self.probe.capture.fraction_to = 0.05;
  self.probe.capture.message = _ ("Mean and variance of pairs of frames");
  offset = lb_quantities_get (lb_calibration_values (self.probe.dark), "offset", 0);
  self.saturation_dn = MIN (self.probe.largest - offset, optics->full_well / optics->electrons_per_dn);
  /* A converter may reach far beyond what the pixels hold. */
  self.pairs.range_dn = MIN (self.probe.largest - offset, PAIRS_RANGE * self.saturation_dn);
  self.has_meter = lb_field_probe_prepare_meter (&self.probe, cancellable, &meter_error);
  if (meter_error != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&meter_error));
      return FALSE;
    }
  if (!lb_capture_find_light (&self.probe.capture, self.probe.full[LB_ROLE_SOURCE],
                              self.probe.full[LB_ROLE_WEIGHT], cancellable, error) ||
      !measure_levels (&self, error) || !measure_patch (&self, error) || !evaluate (&self, &outcome, error))
    return FALSE;
  judge (result, &self, &outcome);
  set_values (result, &self, &outcome);
  transfer = make_transfer_figure (&self, &outcome);
  linearity = make_linearity_figure (&outcome);
  lb_calibration_add_figure (result, "transfer", transfer);
  lb_calibration_add_figure (result, "linearity", linearity);
  return TRUE;
}

static void
forecast (LbBench *bench, LbCalibrationForecast *forecast)
{
  LbCameraCaps camera;
  double pairs;

  if (!lb_bench_get_camera_caps (bench, &camera))
    return;
  pairs =
      CLAMP (ceil (DIFFERENCES_WANTED / (LIT_SHARE * camera.width * camera.height)), PAIRS_MIN, PAIRS_MAX);
  lb_calibration_forecast_add (forecast, bench, 1, 2 + N_FILLS * 2 * pairs + OVERFLOW_FRAMES,
                               MEAN_EXPOSURE * lb_setup_get_optics (lb_bench_get_setup (bench))->exposure_us,
                               1);
  if (lb_bench_get_device (bench, LB_ROLE_POWER_METER) != NULL)
    lb_calibration_forecast_add (forecast, bench, 3, 3 * EFFICIENCY_FRAMES, 0, 1);
}

const LbCalibrationStep lb_calibration_step_photon_transfer = {
  .name = "photon-transfer",
  .title = N_ ("Photon transfer"),
  .description =
      N_ ("Finds electrons per DN, full well and linearity of the camera, after EMVA 1288, and with "
          "a power meter the electrons that a photon gives: so that photons can be counted"),
  .needs = { "dark", NULL },
  .max_age_s = 30 * 24 * 3600,
  .optional = TRUE,
  .forecast = forecast,
  .measure = measure,
};
