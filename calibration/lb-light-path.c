/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-light-path-private.h"

#include <glib/gi18n-lib.h>
#include <math.h>

/* Light of the reference patches over what the calibration saw, below or above which
 * something is wrong: a light source drifts by a few per cent. */
#define LIGHT_LOW 0.6
#define LIGHT_HIGH 1.6
/* rms over the tiles of what is off, relative to what is expected. */
#define PATTERN_LIMIT 0.25
/* Noise that is allowed for on top, standard deviations. */
#define SIGMAS 5.0
/* Noise that the pixels of a row have in common, once the dark columns have taken out what
 * they know, at most, in parts of the read noise. */
#define ROW_NOISE_PART 0.25
/* Less than that part of the expected light is what a dark plane leaks, or less. */
#define BLACK 0.08
/* One plane's leak must fit that much better than the other's to be named alone. */
#define SURE 1.5
/* A hypothesis must leave less than that of what the patterns as commanded leave. */
#define BETTER 0.5
/* Before calibration neither curves nor gains are known: tiles have up to half more than
 * the patches at the rim tell (20 worlds), and weights that are off let up to a fifth of
 * the light through. Of a tile's full light NOMINAL_FLOOR on top. Of the patches' light so
 * much is what they have over the dark ones. */
#define NOMINAL_PATTERN_LIMIT 1.5
#define NOMINAL_FLOOR 0.05
#define NOMINAL_CONTRAST 0.3
/* The power meter agrees with what is expected, but for that part of the source full on. */
#define METER_LOW 0.5
#define METER_HIGH 1.6
#define METER_FLOOR 0.02
#define METER_WAIT_US (2 * G_USEC_PER_SEC)

/* What a plane might show in place of its pattern. */
typedef enum
{
  SHOWN,          /* both as commanded, by a common factor */
  WEIGHT_UNIFORM, /* the weight plane one level all over */
  SOURCE_UNIFORM,
  N_SHOWN,
} Shown;

/* The tiles of a frame, and the bright patches as one point more: mean of c u v over
 * the elements, measured and by each template. */
typedef struct
{
  guint count;
  double *measured;
  double *variance;
  double *idle; /* likewise, what as many pixels of the dark patches have */
  double *expected[N_SHOWN];
  double ratio;     /* light of the patches over what is expected */
  double contrast;  /* of bright over dark patches, likewise */
  gboolean nothing; /* not even stray light and what dark planes leak */
} Points;

static void
points_clear (Points *self)
{
  g_free (self->measured);
  g_free (self->variance);
  g_free (self->idle);
  for (guint i = 0; i < N_SHOWN; i++)
    g_free (self->expected[i]);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Points, points_clear)

/* Means of c u v of a tile as commanded (optics.md, forward model: c v = fw c +
 * (1 - fw) c0 w), with v = 1, and with u = 1. */
static void
find_templates (
    const LbPathPlan *plan, guint64 number, guint tile, const LbPathSlot *what, double expected[N_SHOWN])
{
  const LbLayout *layout = plan->layout;
  const float *x = lb_path_plan_a (plan, number, what);
  const float *w = lb_path_plan_b (plan, tile % layout->tiles_per_slot, what);
  const double fx = layout->tile_source_floor[tile], fw = layout->tile_weight_floor[tile];
  double sums[N_SHOWN] = { 0 };

  for (gsize i = 0; i < layout->segment_length; i++)
    {
      const double c = layout->cell_gain[tile][i];
      const double u = fx + (i < what->length ? (1 - fx) * x[i] : 0);
      const double cv = fw * c + (i < what->length ? (1 - fw) * layout->tile_c0[tile] * w[i] : 0);

      sums[SHOWN] += u * cv;
      sums[WEIGHT_UNIFORM] += c * u;
      sums[SOURCE_UNIFORM] += cv;
    }
  for (guint i = 0; i < N_SHOWN; i++)
    expected[i] = sums[i] / (double) layout->segment_length;
}

/* Of the sum over a region of so many pixels, about as high as wide, electrons squared. */
static double
find_variance (double electrons, double pixels, double read_noise)
{
  return MAX (electrons, 0) +
         (pixels + ROW_NOISE_PART * ROW_NOISE_PART * pow (pixels, 1.5)) * read_noise * read_noise;
}

static void
add_point (Points *self, double measured, double idle, double variance, const double expected[N_SHOWN])
{
  self->measured[self->count] = measured;
  self->idle[self->count] = idle;
  self->variance[self->count] = variance;
  for (guint i = 0; i < N_SHOWN; i++)
    self->expected[i][self->count] = expected[i];
  self->count++;
}

/* @light: expected, of the frame. */
static void
find_points (const LbPathPlan *plan, guint64 number, const LbReading *reading, double light, Points *points)
{
  static const double patch[N_SHOWN] = { 1, 1, 1 };
  const LbLayout *layout = plan->layout;
  const double read_noise = plan->model->read_noise;
  const double bright = light * layout->bright_gain;
  const double dark = layout->dark_pixels > 0 ? reading->dark_electrons / layout->dark_pixels : 0;

  points->measured = g_new (double, layout->n_tiles + 1);
  points->variance = g_new (double, layout->n_tiles + 1);
  points->idle = g_new (double, layout->n_tiles + 1);
  for (guint i = 0; i < N_SHOWN; i++)
    points->expected[i] = g_new (double, layout->n_tiles + 1);
  points->ratio = reading->light / light;
  points->contrast = (reading->bright_electrons - dark * layout->bright_pixels) / bright;
  points->nothing = reading->bright_electrons / bright <
                    0.5 * (layout->bright_stray / layout->bright_gain +
                           MIN (layout->tile_weight_floor[0], layout->tile_source_floor[0]));
  for (guint t = 0; t < layout->n_tiles; t++)
    {
      const double full = light * layout->tile_gain[t] * (double) layout->segment_length;
      const double electrons = reading->electrons[t] - light * layout->tile_stray[t];
      double expected[N_SHOWN];
      LbPathSlot what;

      if (!lb_path_plan_slot (plan, number, t / layout->tiles_per_slot, &what) || reading->saturated[t] > 0)
        continue;
      find_templates (plan, number, t, &what, expected);
      /* Stray light comes from the light source, whatever the planes show. */
      add_point (points, electrons / full, dark * layout->tile_pixels[t] / full,
                 find_variance (reading->electrons[t], layout->tile_pixels[t], read_noise) / (full * full),
                 expected);
    }
  add_point (points, (reading->bright_electrons - light * layout->bright_stray) / bright,
             dark * layout->bright_pixels / bright,
             find_variance (reading->bright_electrons, layout->bright_pixels, read_noise) / (bright * bright),
             patch);
}

/* Least-squares amplitude of a template, and rms of what it leaves. */
static double
fit (const Points *points, Shown shown, double *amplitude)
{
  const double *expected = points->expected[shown];
  double both = 0, square = 0, left = 0;

  for (guint i = 0; i < points->count; i++)
    {
      both += points->measured[i] * expected[i];
      square += expected[i] * expected[i];
    }
  *amplitude = square > 0 ? both / square : 0;
  for (guint i = 0; i < points->count; i++)
    left += pow (points->measured[i] - *amplitude * expected[i], 2);
  return sqrt (left / points->count);
}

/* Whether the tiles are as commanded, by @light of the patches. rms of what may be off:
 * @limit, in parts of what is expected, and @floor, of the full light. */
static gboolean
pattern_agrees (const Points *points, double light, double limit, double floor)
{
  double off = 0, expected = 0, variance = 0;

  for (guint i = 0; i + 1 < points->count; i++)
    {
      const double value = light * points->expected[SHOWN][i];

      off += pow (points->measured[i] - value, 2);
      expected += value * value;
      variance += points->variance[i];
    }
  return sqrt (off) <=
         limit * sqrt (expected) + floor * light * sqrt (points->count) + SIGMAS * sqrt (variance);
}

/* Light of the patches, by at most @high times what is expected. */
static gboolean
light_agrees (const Points *points, double high)
{
  const double noise = SIGMAS * sqrt (points->variance[points->count - 1]);

  return points->ratio > LIGHT_LOW - noise && points->ratio < high + noise;
}

/* Watts that the pattern should give on the weight plane, and that the source full on
 * would; FALSE where its power has not been measured. */
static gboolean
expect_power (const LbPathRun *self, const LbExposure *exposure, double *expected_w, double *full_w)
{
  const LbOpticsModel *model = self->plan->model;
  const LbPattern *source = exposure->source;
  double sum = 0;

  if (source == NULL || !(model->full_power_w > 0))
    return FALSE;
  for (gsize i = 0; i < (gsize) source->width * source->height; i++)
    sum += model->source_curves.values[source->data[i]];
  /* At another set point the camera has told what comes of it, when the run began. */
  *full_w = model->full_power_w * (exposure->light_level > 0 ? self->light_per_us / model->light_per_us : 1);
  *expected_w = *full_w * sum / ((double) source->width * source->height);
  return TRUE;
}

/* Power on the weight plane over what the pattern should give, now that the camera
 * disagrees; NAN without a meter, or where its power has not been measured. */
static double
read_meter (const LbPathRun *self, const LbExposure *exposure, GCancellable *cancellable)
{
  LbPowerMeter *meter = (LbPowerMeter *) lb_bench_get_device (self->bench, LB_ROLE_POWER_METER);
  double expected, full, watts;

  if (meter == NULL || !expect_power (self, exposure, &expected, &full) ||
      !lb_power_meter_read (meter, &watts, NULL, cancellable, g_get_monotonic_time () + METER_WAIT_US, NULL))
    return NAN;
  return (watts - self->plan->model->dark_power_w) / expected;
}

/* "1.22 nW"; infinite power is more than the meter can measure. */
static char *
format_power (double watts)
{
  static const struct
  {
    double factor;
    const char *unit;
  } units[] = { { 1e3, "mW" }, { 1e6, "µW" }, { 1e9, "nW" }, { 1e12, "pW" } };
  guint i = 0;

  if (isinf (watts))
    return g_strdup (_ ("more than its range"));
  while (i + 1 < G_N_ELEMENTS (units) && fabs (watts) * units[i].factor < 1)
    i++;
  return g_strdup_printf ("%.3g %s", watts * units[i].factor, units[i].unit);
}

/* What the meter read beside this exposure, if it did. The camera agrees with what is
 * expected. */
static gboolean
check_meter (const LbPathRun *self, const LbExposure *exposure, GError **error)
{
  const double watts = lb_bench_get_power_w (self->bench) - self->plan->model->dark_power_w;
  g_autofree char *read = NULL;
  g_autofree char *wanted = NULL;
  double expected, full;

  if (isnan (watts) || !expect_power (self, exposure, &expected, &full) ||
      (watts > METER_LOW * expected - METER_FLOOR * full &&
       watts < METER_HIGH * expected + METER_FLOOR * full))
    return TRUE;
  read = format_power (watts);
  wanted = format_power (expected);
  g_set_error (
      error, LB_OPTICAL_PATH_ERROR, LB_OPTICAL_PATH_ERROR_LIGHT,
      _ ("The power meter reads %s where the pattern should give %s, but the camera sees what it should: %s. "
         "The light is off"),
      read, wanted,
      watts < expected ? _ ("the meter's head is covered or was moved, or its wavelength is not the light's")
                       : _ ("other light reaches the meter's head, or it was moved, or its range is too "
                            "small, or its wavelength is not the light's"));
  return FALSE;
}

/* How far what the bright patches have over the dark ones is from a plane's leak, in
 * parts of that. What comes to both from around them takes itself out. */
static double
misfit (const Points *points, double leak)
{
  return fabs (points->contrast - leak) / leak;
}

/* Next to no light reaches the camera. The meter stands before the weight plane. */
static const char *
name_dark (const Points *points, const LbLayout *layout, double meter)
{
  const double weight = misfit (points, layout->tile_weight_floor[0]);
  const double source = misfit (points, layout->tile_source_floor[0]);

  if (points->nothing && meter > METER_LOW)
    return _ ("light reaches the weight plane but not the camera: the way between them is blocked");
  if (points->nothing)
    return isnan (meter)
               ? _ ("no light reaches the camera: the beam is blocked, a shutter is closed, or the light "
                    "source gives none")
               : _ ("no light reaches the weight plane: the beam is blocked before it, or the light source "
                    "gives none");
  if (meter > METER_LOW || (isnan (meter) && SURE * weight < source))
    return _ ("the weight plane is dark: its display is off, or shows black");
  if (!isnan (meter) || SURE * source < weight)
    return _ ("the source plane is dark: its display is off, or shows black");
  return _ ("one of the planes is dark: a display is off, or shows black");
}

static const char *
name_amount (double amplitude, double meter)
{
  if (isnan (meter))
    return amplitude < 1 ? _ ("the camera exposes shorter than it says, or the light source gives less power")
                         : _ ("the camera exposes longer than it says, or the light source gives more power");
  if (meter > METER_LOW && meter < METER_HIGH && fabs (meter - 1) < fabs (amplitude - 1) / 2)
    return _ ("the power meter reads what it should, so the exposure is wrong (time or gain), or the way to "
              "the camera is partly blocked");
  return amplitude < 1 ? _ ("the light source gives less power than it should")
                       : _ ("the light source gives more power than it should");
}

/* The likely cause, as a part of a sentence. */
static const char *
name_cause (const Points *points, const LbLayout *layout, double meter)
{
  double amplitude[N_SHOWN], left[N_SHOWN];
  Shown best = SHOWN;

  for (guint i = 0; i < N_SHOWN; i++)
    left[i] = fit (points, i, &amplitude[i]);
  if (amplitude[SHOWN] < BLACK)
    return name_dark (points, layout, meter);
  for (guint i = 1; i < N_SHOWN; i++)
    if (left[i] < BETTER * left[SHOWN] && left[i] < left[best])
      best = i;
  if (best == WEIGHT_UNIFORM)
    return _ ("the weight plane shows something else: another window covers it, or its display lost the "
              "pattern");
  if (best == SOURCE_UNIFORM)
    return _ ("the source plane shows something else: another window covers it, or its display lost the "
              "pattern");
  if (pattern_agrees (points, points->ratio, PATTERN_LIMIT, 0))
    return name_amount (amplitude[SHOWN], meter);
  return _ ("the patterns are not where they should be, or not whole: the alignment no longer holds, or "
            "something stands in a part of the beam");
}

static gboolean
fail (const Points *points, const char *cause, GError **error)
{
  g_set_error (
      error, LB_OPTICAL_PATH_ERROR, LB_OPTICAL_PATH_ERROR_LIGHT,
      _ ("The camera does not see what the planes were told to show (%.1f %% of the expected light in "
         "the reference patches): %s. The light is off"),
      100 * points->ratio, cause);
  return FALSE;
}

/* Stray light, which is not known either, is as much as the dark patches have. */
static gboolean
check_nominal (Points *points, GError **error)
{
  /* What is too bright saturates, and is exposed again for a shorter time. */
  const gboolean light = light_agrees (points, INFINITY);

  for (guint i = 0; i < points->count; i++)
    points->measured[i] -= points->idle[i];
  if (light && points->contrast > NOMINAL_CONTRAST * points->ratio &&
      pattern_agrees (points, points->contrast, NOMINAL_PATTERN_LIMIT, NOMINAL_FLOOR))
    return TRUE;
  return fail (
      points,
      light ? _ ("a plane shows something else: another window covers it, or its display lost the "
                 "pattern")
            : _ ("the beam is blocked, a plane is dark or covered, or the light source gives less power"),
      error);
}

/* A sum that two frames share only if all their pixels are the same (as good as):
 * FNV-1a over words (http://www.isthe.com/chongo/tech/comp/fnv/). */
static guint64
frame_sum (const LbFrame *frame)
{
  guint64 sum = G_GUINT64_CONSTANT (14695981039346656037);

  for (gsize i = 0; i < (gsize) frame->width * frame->height; i++)
    sum = (sum ^ frame->data[i]) * G_GUINT64_CONSTANT (1099511628211);
  return sum;
}

static gboolean
repeats (LbPathRun *self, const LbFrame *frame)
{
  const guint64 before = self->frame_sum;

  self->frame_sum = frame_sum (frame);
  return self->frame_sum == before;
}

gboolean
lb_light_path_check (LbPathRun *self,
                     const LbExposure *exposure,
                     guint64 number,
                     guint nth,
                     LbFrame *frame,
                     double light_per_us,
                     GCancellable *cancellable,
                     GError **error)
{
  const LbLayout *layout = self->plan->layout;
  const LbOpticsModel *model = layout->model;
  g_auto (Points) points = { 0 };
  g_autoptr (LbReading) reading = NULL;

  /* What came of the light is known once some was measured. */
  if (!(light_per_us > 0))
    return TRUE;
  reading = lb_readout_read (layout, frame->data, frame->width, frame->height, frame->exposure_us,
                             frame->gain, FALSE, error);
  if (reading == NULL)
    return FALSE;
  if (self->drift != NULL)
    lb_drift_correct_dark (self->drift, layout, frame->exposure_us, reading);
  /* Frames that are white all over are all the same. */
  if (reading->bright_saturated > 0)
    return TRUE;
  if (repeats (self, frame))
    {
      g_set_error_literal (error, LB_OPTICAL_PATH_ERROR, LB_OPTICAL_PATH_ERROR_LIGHT,
                           _ ("The camera repeats its last frame, pixel for pixel: disconnect the bench and "
                              "connect it again. The light is off"));
      return FALSE;
    }
  find_points (self->plan, number, reading, light_per_us * frame->exposure_us, &points);
  /* What the patterns give, from the flat field on. */
  if (!model->calibrated || !(model->light_per_us > 0))
    return check_nominal (&points, error);
  if (light_agrees (&points, LIGHT_HIGH) && pattern_agrees (&points, points.ratio, PATTERN_LIMIT, 0))
    return nth > 0 || check_meter (self, exposure, error);
  return fail (&points, name_cause (&points, layout, read_meter (self, exposure, cancellable)), error);
}
