/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-sentinel-private.h"

#include <glib/gi18n-lib.h>
#include <math.h>

G_DEFINE_QUARK (lb - optical - path - error - quark, lb_optical_path_error)
G_DEFINE_FINAL_TYPE (LbOpticalPath, lb_optical_path, G_TYPE_OBJECT)

static void
lb_optical_path_finalize (GObject *object)
{
  LbOpticalPath *self = LB_OPTICAL_PATH (object);

  g_clear_pointer (&self->sentinels, lb_sentinels_free);
  g_clear_pointer (&self->layout, lb_layout_unref);
  g_clear_pointer (&self->encoder, lb_encoder_free);
  g_clear_pointer (&self->model, lb_optics_model_unref);
  g_clear_object (&self->bench);
  G_OBJECT_CLASS (lb_optical_path_parent_class)->finalize (object);
}

static void
lb_optical_path_class_init (LbOpticalPathClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = lb_optical_path_finalize;
}

static void
lb_optical_path_init (LbOpticalPath *self)
{
}

/**
 * lb_optical_path_new:
 * @bench: a bench; a reference is kept
 * @model: what encodes and decodes; a reference is kept, immutable from now on
 *
 * Returns: (transfer full): the path
 */
LbOpticalPath *
lb_optical_path_new (LbBench *bench, LbOpticsModel *model)
{
  LbOpticalPath *self;

  g_return_val_if_fail (LB_IS_BENCH (bench) && model != NULL, NULL);

  self = g_object_new (LB_TYPE_OPTICAL_PATH, NULL);
  self->bench = g_object_ref (bench);
  self->model = lb_optics_model_ref (model);
  self->encoder = lb_encoder_new (model);
  return self;
}

/**
 * lb_optical_path_get_bench:
 *
 * Returns: (transfer none): the bench
 */
LbBench *
lb_optical_path_get_bench (LbOpticalPath *self)
{
  g_return_val_if_fail (LB_IS_OPTICAL_PATH (self), NULL);

  return self->bench;
}

/**
 * lb_optical_path_get_model:
 *
 * Returns: (transfer none): the model
 */
LbOpticsModel *
lb_optical_path_get_model (LbOpticalPath *self)
{
  g_return_val_if_fail (LB_IS_OPTICAL_PATH (self), NULL);

  return self->model;
}

/**
 * lb_optical_path_set_model:
 * @model: what encodes and decodes from now on; a reference is kept, immutable
 * @error: LB_OPTICS_ERROR_SPACE if it leaves no room for the sentinels that are set
 */
gboolean
lb_optical_path_set_model (LbOpticalPath *self, LbOpticsModel *model, GError **error)
{
  g_return_val_if_fail (LB_IS_OPTICAL_PATH (self) && model != NULL, FALSE);

  lb_optics_model_ref (model);
  g_clear_pointer (&self->layout, lb_layout_unref);
  g_clear_pointer (&self->encoder, lb_encoder_free);
  g_clear_pointer (&self->model, lb_optics_model_unref);
  self->model = model;
  self->encoder = lb_encoder_new (model);
  return self->sentinels == NULL ||
         lb_sentinels_set_model (self->sentinels, self->model, self->encoder, error);
}

/**
 * lb_optical_path_set_sentinels:
 * @every: exposures between two sentinels; 0: none are taken
 * @limit: of their residual
 * @taken: (nullable): told of each
 * @failed: (nullable): asked what to do; NULL: go on
 * @error: LB_OPTICS_ERROR_SPACE if the field has no room for them
 *
 * From now on a known product is measured before the first exposure and after
 * each @every of them, with dark and reference frames by which what follows is
 * corrected for drift.
 */
gboolean
lb_optical_path_set_sentinels (LbOpticalPath *self,
                               guint every,
                               double limit,
                               LbSentinelFunc taken,
                               LbSentinelFailedFunc failed,
                               gpointer user_data,
                               GError **error)
{
  g_return_val_if_fail (LB_IS_OPTICAL_PATH (self) && limit > 0, FALSE);

  g_clear_pointer (&self->sentinels, lb_sentinels_free);
  self->sentinel_taken = taken;
  self->sentinel_failed = failed;
  self->sentinel_data = user_data;
  if (every == 0)
    return TRUE;
  self->sentinels = lb_sentinels_new (every, limit);
  if (lb_sentinels_set_model (self->sentinels, self->model, self->encoder, error))
    return TRUE;
  g_clear_pointer (&self->sentinels, lb_sentinels_free);
  return FALSE;
}

/**
 * lb_optical_path_set_ordinal:
 * @ordinal: keys the noise of the next product; rises by one with each
 */
void
lb_optical_path_set_ordinal (LbOpticalPath *self, guint64 ordinal)
{
  g_return_if_fail (LB_IS_OPTICAL_PATH (self));

  self->ordinal = ordinal;
}

static gboolean
check_operands (const LbMatrix *a, const LbMatrix *b, gboolean diagonal, GError **error)
{
  if (a->rows == 0 || b->rows == 0 || a->columns == 0)
    g_set_error (error, LB_OPTICS_ERROR, LB_OPTICS_ERROR_SHAPE,
                 _ ("An operand is empty: %zu × %zu with %zu × %zu"), a->rows, a->columns, b->rows,
                 b->columns);
  else if (a->columns != b->columns || (diagonal && a->rows != b->rows))
    g_set_error (error, LB_OPTICS_ERROR, LB_OPTICS_ERROR_SHAPE,
                 _ ("The operands do not fit each other: %zu × %zu with %zu × %zu"), a->rows, a->columns,
                 b->rows, b->columns);
  else if (!lb_matrix_is_finite (a) || !lb_matrix_is_finite (b))
    g_set_error_literal (
        error, LB_OPTICS_ERROR, LB_OPTICS_ERROR_SHAPE,
        _ ("An operand has values that are NaN or infinite: they cannot be shown on a plane"));
  else
    return TRUE;
  return FALSE;
}

static gboolean
has_negative (const LbMatrix *values)
{
  for (gsize row = 0; row < values->rows; row++)
    for (gsize i = 0; i < values->columns; i++)
      if (lb_matrix_get (values, row, i) < 0)
        return TRUE;
  return FALSE;
}

/* A layout for the product: all the slots that fit, or if fewer are needed the
 * best of them. The last one is kept. */
static LbLayout *
find_layout (LbOpticalPath *self, const LbMatrix *a, const LbMatrix *b, gboolean diagonal, GError **error)
{
  const gboolean paired = has_negative (b);
  const guint tiles_per_slot = paired ? 2 : 1;
  const gsize products = diagonal ? a->rows : a->rows * b->rows;
  guint limit = 0;

  for (guint round = 0; round < 2; round++)
    {
      if (self->layout == NULL || self->layout->length != a->columns ||
          self->layout->tiles_per_slot != tiles_per_slot || self->layout_limit != limit)
        {
          g_clear_pointer (&self->layout, lb_layout_unref);
          self->layout = lb_layout_new (self->model, a->columns, paired, limit, error);
          self->layout_limit = limit;
          if (self->layout == NULL)
            return NULL;
        }
      if (products * self->layout->segments >= self->layout->slots)
        break;
      limit = (guint) (products * self->layout->segments);
    }
  return self->layout;
}

LbPathPlan *
lb_path_make_plan (
    LbOpticalPath *self, const LbMatrix *a, const LbMatrix *b, gboolean diagonal, GError **error)
{
  LbLayout *layout;

  if (!check_operands (a, b, diagonal, error))
    return NULL;
  layout = find_layout (self, a, b, diagonal, error);
  return layout != NULL ? lb_path_plan_new (layout, self->encoder, a, b, diagonal) : NULL;
}

/* A display stands by that many of its periods before it shows a pattern that is not
 * handed over ahead of time, until the timing has been measured. */
#define LATENCY_PERIODS 2

/* What exposures will be taken with. */
typedef struct
{
  LbCameraCaps camera;
  LbModulatorCaps planes[2];
} PathCaps;

/* Bench time of an exposure: the changed plane settles, the camera exposes and
 * reads out all its frames, in whole periods of the plane's display. What is handed
 * over ahead of time allows for a period of the camera before them. */
static double
period_s (double settling_us, const LbPathLight *light, const PathCaps *caps, double rate_hz)
{
  const double frame_us = light->exposure_us + caps->camera.readout_us;
  const double camera_us = light->frames * MAX (frame_us, caps->camera.frame_period_us);

  if (caps->planes[LB_ROLE_SOURCE].ahead && caps->planes[LB_ROLE_WEIGHT].ahead)
    return ceil (1e-6 * (settling_us + camera_us + frame_us) * rate_hz) / rate_hz;
  return (ceil (1e-6 * (settling_us + camera_us) * rate_hz) + LATENCY_PERIODS) / rate_hz;
}

static gboolean
find_caps (LbOpticalPath *self, PathCaps *caps, GError **error)
{
  if (!lb_bench_get_camera_caps (self->bench, &caps->camera) ||
      !lb_bench_get_modulator_caps (self->bench, LB_ROLE_SOURCE, &caps->planes[LB_ROLE_SOURCE]) ||
      !lb_bench_get_modulator_caps (self->bench, LB_ROLE_WEIGHT, &caps->planes[LB_ROLE_WEIGHT]))
    {
      g_set_error_literal (error, LB_BENCH_ERROR, LB_BENCH_ERROR_NOT_CONNECTED,
                           _ ("The bench is not connected: connect it first"));
      return FALSE;
    }
  return TRUE;
}

/* Of an exposure, by the plane that changes. */
static void
find_periods (LbOpticalPath *self, const PathCaps *caps, const LbPathLight *light, double periods_s[2])
{
  LbBenchTiming timing;

  lb_bench_get_timing (self->bench, &timing);
  for (guint role = LB_ROLE_SOURCE; role <= LB_ROLE_WEIGHT; role++)
    periods_s[role] = period_s (timing.settling_us[role], light, caps, caps->planes[role].rate_hz);
  periods_s[LB_ROLE_WEIGHT] = MAX (periods_s[LB_ROLE_SOURCE], periods_s[LB_ROLE_WEIGHT]);
}

/**
 * lb_optical_path_forecast:
 * @a: (m, d)
 * @b: (n, d)
 * @diagonal: row i with row i
 * @photons_per_mac: at the weight plane
 * @exposures: (out): frames, with the one that measures the light
 * @seconds: (out): bench time
 * @error: as lb_optical_path_multiply(); NOT_CONNECTED
 *
 * What lb_optical_path_multiply() will take, by the light that the flat-field
 * step had; without it, for one frame of the setup's usual exposure time each.
 */
gboolean
lb_optical_path_forecast (LbOpticalPath *self,
                          const LbMatrix *a,
                          const LbMatrix *b,
                          gboolean diagonal,
                          double photons_per_mac,
                          guint64 *exposures,
                          double *seconds,
                          GError **error)
{
  g_autoptr (LbPathPlan) plan = NULL;
  const LbSetupOptics *optics;
  PathCaps caps;
  LbPathLight light;
  guint64 extra = 0;
  double periods_s[2];

  g_return_val_if_fail (LB_IS_OPTICAL_PATH (self) && a != NULL && b != NULL, FALSE);

  plan = lb_path_make_plan (self, a, b, diagonal, error);
  if (plan == NULL || !find_caps (self, &caps, error))
    return FALSE;
  optics = lb_setup_get_optics (lb_bench_get_setup (self->bench));
  light = lb_path_forecast_light (plan, photons_per_mac, &caps.camera, optics->exposure_us);
  find_periods (self, &caps, &light, periods_s);
  if (self->sentinels != NULL)
    extra = lb_sentinels_between (self->sentinels, plan->exposures) *
            lb_sentinels_frames (self->sentinels, &caps.camera, optics->exposure_us);
  if (exposures != NULL)
    *exposures = plan->exposures * light.frames + 1 + extra;
  if (seconds != NULL)
    *seconds = (plan->patterns + 1) * periods_s[LB_ROLE_WEIGHT] +
               ((double) (plan->exposures - plan->patterns) + (double) extra) * periods_s[LB_ROLE_SOURCE];
  return TRUE;
}

/**
 * lb_optical_path_forecast_ends:
 * @exposures: (out): that a run's first and last sentinel take; 0 without sentinels
 * @seconds: (out): of bench time
 * @error: LB_BENCH_ERROR_NOT_CONNECTED
 */
gboolean
lb_optical_path_forecast_ends (LbOpticalPath *self, guint64 *exposures, double *seconds, GError **error)
{
  const LbPathLight light = { .frames = 1 };
  PathCaps caps;
  double periods_s[2];

  g_return_val_if_fail (LB_IS_OPTICAL_PATH (self), FALSE);

  *exposures = 0;
  *seconds = 0;
  if (self->sentinels == NULL)
    return TRUE;
  if (!find_caps (self, &caps, error))
    return FALSE;
  find_periods (self, &caps, &light, periods_s);
  *exposures = 2 * lb_sentinels_frames (self->sentinels, &caps.camera,
                                        lb_setup_get_optics (lb_bench_get_setup (self->bench))->exposure_us);
  *seconds = (double) *exposures * periods_s[LB_ROLE_SOURCE];
  return TRUE;
}
