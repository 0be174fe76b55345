/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-optical-path-private.h"

#include <glib/gi18n-lib.h>
#include <math.h>

struct _LbOpticalPath
{
  GObject parent_instance;
  LbBench *bench;
  LbOpticsModel *model;
  LbEncoder *encoder;
  LbLayout *layout;   /* of the last product */
  guint layout_limit; /* max_slots that it was made with */
  guint64 ordinal;
};

G_DEFINE_FINAL_TYPE (LbOpticalPath, lb_optical_path, G_TYPE_OBJECT)

static void
lb_optical_path_finalize (GObject *object)
{
  LbOpticalPath *self = LB_OPTICAL_PATH (object);

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

static LbPathPlan *
make_plan (LbOpticalPath *self, const LbMatrix *a, const LbMatrix *b, gboolean diagonal, GError **error)
{
  LbLayout *layout;

  if (!check_operands (a, b, diagonal, error))
    return NULL;
  layout = find_layout (self, a, b, diagonal, error);
  return layout != NULL ? lb_path_plan_new (layout, self->encoder, a, b, diagonal) : NULL;
}

/* A display stands by that many of its periods before it shows a pattern, until
 * the timing has been measured. */
#define LATENCY_PERIODS 2

/* Bench time of an exposure: the changed plane settles, the camera exposes and
 * reads out all its frames, in whole periods of the plane's display. */
static double
period_s (double settling_us, const LbPathLight *light, const LbCameraCaps *camera, double rate_hz)
{
  const double frame_us = MAX (light->exposure_us + camera->readout_us, camera->frame_period_us);

  return (ceil (1e-6 * (settling_us + light->frames * frame_us) * rate_hz) + LATENCY_PERIODS) / rate_hz;
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
  LbCameraCaps camera;
  LbModulatorCaps source, weight;
  LbPathLight light;
  LbBenchTiming timing;
  double fast, slow;

  g_return_val_if_fail (LB_IS_OPTICAL_PATH (self) && a != NULL && b != NULL, FALSE);

  plan = make_plan (self, a, b, diagonal, error);
  if (plan == NULL)
    return FALSE;
  if (!lb_bench_get_camera_caps (self->bench, &camera) ||
      !lb_bench_get_modulator_caps (self->bench, LB_ROLE_SOURCE, &source) ||
      !lb_bench_get_modulator_caps (self->bench, LB_ROLE_WEIGHT, &weight))
    {
      g_set_error_literal (error, LB_BENCH_ERROR, LB_BENCH_ERROR_NOT_CONNECTED,
                           _ ("The bench is not connected: connect it first"));
      return FALSE;
    }
  optics = lb_setup_get_optics (lb_bench_get_setup (self->bench));
  light = lb_path_forecast_light (plan, photons_per_mac, &camera, optics->exposure_us);
  lb_bench_get_timing (self->bench, &timing);
  fast = period_s (timing.settling_us[LB_ROLE_SOURCE], &light, &camera, source.rate_hz);
  slow = MAX (fast, period_s (timing.settling_us[LB_ROLE_WEIGHT], &light, &camera, weight.rate_hz));
  if (exposures != NULL)
    *exposures = plan->exposures * light.frames + 1;
  if (seconds != NULL)
    *seconds = (plan->patterns + 1) * slow + (double) (plan->exposures - plan->patterns) * fast;
  return TRUE;
}

static void
run_init (LbPathRun *run, const LbPathPlan *plan)
{
  const gsize products = run->out->rows * run->out->columns;

  run->plan = plan;
  run->again = g_array_new (FALSE, FALSE, sizeof (guint64));
  run->shown = -1;
  run->products = g_new0 (double, products);
  run->raw = g_new (float, 4 * products);
  run->missing = g_new (guint16, products);
  for (gsize i = 0; i < 4 * products; i++)
    run->raw[i] = NAN;
  for (gsize i = 0; i < products; i++)
    run->missing[i] = (guint16) (plan->signs_a * plan->layout->segments);
  for (gsize row = 0; row < run->out->rows; row++)
    for (gsize i = 0; i < run->out->columns; i++)
      lb_matrix_row (run->out, row)[i] = NAN;
}

static void
run_clear (LbPathRun *run)
{
  g_array_unref (run->again);
  g_clear_pointer (&run->source_pattern, lb_pattern_unref);
  g_clear_pointer (&run->weight_pattern, lb_pattern_unref);
  g_clear_pointer (&run->sum, lb_reading_free);
  g_free (run->products);
  g_free (run->raw);
  g_free (run->missing);
}

/* Means over all tiles and exposures. */
static void
count_means (const LbPathRun *run)
{
  LbOpticalPathCounts *counts = run->counts;
  double mean;

  if (run->tiles == 0)
    return;
  mean = run->sum_photons / (double) run->tiles;
  counts->photons_per_mac = mean;
  counts->photons_per_mac_spread =
      sqrt (MAX (run->sum_square_photons / (double) run->tiles - mean * mean, 0));
  counts->electrons_per_mac = run->sum_electrons / (double) run->tiles;
}

/**
 * lb_optical_path_multiply:
 * @a: (m, d), finite; shown on the source plane, each row by its own scale
 * @b: (n, d), finite; shown on the weight plane, all by one scale
 * @diagonal: row i with row i instead of every row with every row
 * @photons_per_mac: at the weight plane, per pass and element, on the average
 * @out: (out caller-allocates): (m, n), or (m, 1) if @diagonal
 * @counts: (out caller-allocates) (nullable): what it took; also on failure
 * @partial: (nullable): gets dot products as they become known, in the bench's worker
 * @error: LB_OPTICS_ERROR (SHAPE; SPACE; DARK: no light, or the planes do not
 *   show the patterns), and those of the bench and its devices
 *
 * out = a b^T on the bench, by the forward model and decode of optics.md. NAN
 * marks dot products with saturated pixels even at the shortest exposure, and
 * after a failure those that were not measured.
 */
gboolean
lb_optical_path_multiply (LbOpticalPath *self,
                          const LbMatrix *a,
                          const LbMatrix *b,
                          gboolean diagonal,
                          double photons_per_mac,
                          LbMatrix *out,
                          LbOpticalPathCounts *counts,
                          LbOpticalPathPartial partial,
                          gpointer user_data,
                          GCancellable *cancellable,
                          GError **error)
{
  g_autoptr (LbPathPlan) plan = NULL;
  LbOpticalPathCounts unwanted;
  LbPathRun run = { 0 };
  gint64 start_us;
  gboolean done;

  g_return_val_if_fail (LB_IS_OPTICAL_PATH (self) && a != NULL && b != NULL && out != NULL, FALSE);
  g_return_val_if_fail (out->rows == a->rows && out->columns == (diagonal ? 1 : b->rows), FALSE);
  g_return_val_if_fail (photons_per_mac > 0, FALSE);

  counts = counts != NULL ? counts : &unwanted;
  *counts = (LbOpticalPathCounts){ 0 };
  plan = make_plan (self, a, b, diagonal, error);
  if (plan == NULL)
    return FALSE;
  run = (LbPathRun){ .bench = self->bench,
                     .ordinal = self->ordinal++,
                     .photons_per_mac = photons_per_mac,
                     .out = out,
                     .counts = counts,
                     .partial = partial,
                     .partial_data = user_data };
  run_init (&run, plan);
  start_us = lb_clock_now_us (lb_bench_get_clock (self->bench));
  done = lb_bench_run (self->bench, "multiply", lb_path_run, &run, cancellable, error);
  counts->bench_time_s = 1e-6 * (double) (lb_clock_now_us (lb_bench_get_clock (self->bench)) - start_us);
  count_means (&run);
  run_clear (&run);
  return done;
}
