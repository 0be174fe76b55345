/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-bench-noise-model-private.h"

#include <glib/gi18n-lib.h>
#include <math.h>

/* Streams under the keys; shot and read noise have one a pass. */
enum
{
  STREAM_SHOT = 0,
  STREAM_READ = STREAM_SHOT + LB_NOISE_PASSES,
  STREAM_GAUSSIAN = STREAM_READ + LB_NOISE_PASSES,
  STREAM_LIGHT = 0, /* these two under the tiles' key */
  STREAM_SYSTEMATIC,
};

static LbBenchNoiseModel *
new_model (const char *verification)
{
  LbBenchNoiseModel *self = g_new0 (LbBenchNoiseModel, 1);

  self->verification = g_strdup (verification);
  self->knots = g_array_new (FALSE, TRUE, sizeof (LbNoiseKnot));
  return self;
}

/**
 * lb_bench_noise_model_new:
 * @verification: a sealed result of the step verification
 * @error: %LB_CALIBRATION_ERROR_FORMAT if it holds no noise model
 *
 * Returns: (transfer full) (nullable): the model fitted from it
 */
LbBenchNoiseModel *
lb_bench_noise_model_new (LbCalibration *verification, GError **error)
{
  const LbMatrix *noise;
  const LbQuantities *values;
  LbBenchNoiseModel *self;

  g_return_val_if_fail (LB_IS_CALIBRATION (verification), NULL);

  noise = lb_calibration_get_array (verification, "noise");
  if (noise == NULL || noise->rows == 0 || noise->columns != LB_NOISE_COLUMNS)
    {
      g_set_error_literal (error, LB_CALIBRATION_ERROR, LB_CALIBRATION_ERROR_FORMAT,
                           _ ("This calibration holds no noise model: run the step Verification"));
      return NULL;
    }
  values = lb_calibration_values (verification);
  self = new_model (lb_calibration_get_hash (verification));
  self->quantum_efficiency = lb_quantities_get (values, "quantum_efficiency", 1);
  self->path_transmission = lb_quantities_get (values, "path_transmission", 1);
  self->source_floor = lb_quantities_get (values, "source_floor", 0);
  self->weight_floor = lb_quantities_get (values, "weight_floor", 0);
  self->dimming = lb_quantities_get (values, "dimming", 1);
  for (gsize i = 0; i < noise->rows; i++)
    {
      const float *row = lb_matrix_row (noise, i);
      LbNoiseKnot knot = { .length = row[LB_NOISE_LENGTH],
                           .is_signed = row[LB_NOISE_SIGNED] > 0.5f,
                           .read_variance = row[LB_NOISE_READ],
                           .gaussian = row[LB_NOISE_GAUSSIAN],
                           .systematic = row[LB_NOISE_SYSTEMATIC],
                           .bias = row[LB_NOISE_BIAS],
                           .background = row[LB_NOISE_BACKGROUND] };

      for (guint light = 0; light < LB_NOISE_LIGHTS; light++)
        knot.light[light] = row[LB_NOISE_LIGHT + light];
      g_array_append_val (self->knots, knot);
    }
  return self;
}

/**
 * lb_bench_noise_model_free:
 *
 * Frees a model.
 */
void
lb_bench_noise_model_free (LbBenchNoiseModel *self)
{
  g_return_if_fail (self != NULL);

  g_free (self->verification);
  g_array_unref (self->knots);
  g_free (self);
}

/**
 * lb_bench_noise_model_get_verification:
 *
 * Returns: (transfer none): hash of the verification that it was fitted from
 */
const char *
lb_bench_noise_model_get_verification (const LbBenchNoiseModel *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return self->verification;
}

static double
between (double low, double high, double part)
{
  return low + part * (high - low);
}

/* Between the knots of its sign, linear in the logarithm of the length; beyond
 * them the last one, with the read noise of as many pixels as it takes. */
static LbNoiseKnot
find_knot (const LbBenchNoiseModel *self, double length, gboolean is_signed)
{
  const LbNoiseKnot *below = NULL, *above = NULL;
  LbNoiseKnot knot;
  double part;

  for (guint i = 0; i < self->knots->len; i++)
    {
      const LbNoiseKnot *one = &g_array_index (self->knots, LbNoiseKnot, i);

      if (one->is_signed != is_signed)
        continue;
      if (one->length <= length && (below == NULL || one->length > below->length))
        below = one;
      if (one->length >= length && (above == NULL || one->length < above->length))
        above = one;
    }
  if (below == NULL && above == NULL)
    return find_knot (self, length, !is_signed);
  if (below == NULL || above == NULL || below == above)
    {
      knot = below != NULL ? *below : *above;
      knot.read_variance *= length / knot.length;
      return knot;
    }
  part = log (length / below->length) / log (above->length / below->length);
  knot = *below;
  knot.read_variance =
      between (below->read_variance / below->length, above->read_variance / above->length, part) * length;
  knot.gaussian = between (below->gaussian, above->gaussian, part);
  knot.systematic = between (below->systematic, above->systematic, part);
  knot.bias = between (below->bias, above->bias, part);
  knot.background = between (below->background, above->background, part);
  for (guint i = 0; i < LB_NOISE_LIGHTS; i++)
    knot.light[i] = between (below->light[i], above->light[i], part);
  return knot;
}

/* Errors of one pass by photons and electrons, in output units. */
static void
add_pass (const LbBenchNoiseModel *self,
          const LbBenchNoiseInput *input,
          const LbNoiseKnot *knot,
          guint pass,
          const double *light,
          LbRandomKey key,
          guint64 first,
          double *out)
{
  const double fx = self->source_floor, fw = self->weight_floor, c0 = self->dimming;
  const double scale = c0 * (1 - fx) * (1 - fw), read = sqrt (knot->read_variance);
  g_autofree float *expected = g_new (float, input->count);
  g_autofree float *counted = g_new (float, input->count);
  g_autofree float *normal = g_new (float, input->count);

  for (gsize i = 0; i < input->count; i++)
    /* y of the forward model, optics.md. */
    expected[i] =
        (float) (light[i] * (scale * input->products[pass][i] + fw * (1 - fx) * input->sums_x[pass][i] +
                             fx * (1 - fw) * c0 * input->sums_w[pass][i] +
                             (fx * fw + knot->background) * (double) input->length));
  lb_random_poisson_fill (key, STREAM_SHOT + pass, first, input->count, expected, counted);
  lb_random_normal_fill (key, STREAM_READ + pass, first, input->count, normal);
  for (gsize i = 0; i < input->count; i++)
    out[i] += input->signs[pass] * input->scale[i] *
              ((double) counted[i] - (double) expected[i] + read * normal[i]) / (light[i] * scale);
}

/**
 * lb_bench_noise_model_apply:
 * @input: dot products and what is known of their operands
 * @key: of the random part
 * @tile_key: of the systematic part
 * @first: index of the first dot product under @key
 * @out: (out caller-allocates): (count) dot products with noise, output units
 *
 * Adds the noise of the bench. Numbers depend on keys, index and tile alone,
 * not on how the dot products are divided over calls or threads.
 */
void
lb_bench_noise_model_apply (const LbBenchNoiseModel *self,
                            const LbBenchNoiseInput *input,
                            LbRandomKey key,
                            LbRandomKey tile_key,
                            guint64 first,
                            double *out)
{
  g_autofree double *light = NULL;
  g_autofree float *gaussian = NULL;
  gboolean is_signed = FALSE;
  double common, squares = 0;
  LbNoiseKnot knot;

  g_return_if_fail (self != NULL && input != NULL && out != NULL);
  g_return_if_fail (input->length > 0 && input->photons_per_mac > 0);

  for (guint pass = 0; pass < LB_NOISE_PASSES; pass++)
    if (input->used[pass])
      {
        is_signed = is_signed || pass > 0;
        squares += input->pass_mean[pass] * input->pass_mean[pass];
      }
  knot = find_knot (self, (double) input->length, is_signed);
  /* N = L mean (c u) / (QE eta). */
  common = input->photons_per_mac * self->quantum_efficiency * self->path_transmission /
           MAX (self->source_floor + (1 - self->source_floor) * input->mean_x, 0.01);
  light = g_new (double, input->count);
  gaussian = g_new (float, input->count);
  lb_random_normal_fill (key, STREAM_GAUSSIAN, first, input->count, gaussian);
  for (gsize i = 0; i < input->count; i++)
    {
      const guint64 tile = input->tiles != NULL ? input->tiles[i] : first + i;
      const double systematic =
          knot.bias + knot.systematic * lb_random_normal_at (tile_key, STREAM_SYSTEMATIC, tile);

      light[i] = common * knot.light[lb_random_bits_at (tile_key, STREAM_LIGHT, tile) % LB_NOISE_LIGHTS];
      out[i] = (systematic + knot.gaussian * gaussian[i]) * sqrt (squares);
      for (guint pass = 0; pass < LB_NOISE_PASSES; pass++)
        if (input->used[pass])
          out[i] += input->signs[pass] * input->scale[i] * input->products[pass][i];
    }
  for (guint pass = 0; pass < LB_NOISE_PASSES; pass++)
    if (input->used[pass])
      add_pass (self, input, &knot, pass, light, key, first, out);
}
