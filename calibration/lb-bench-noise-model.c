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
  STREAM_REFERENCE, /* one an exposure: the signs of x */
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
  for (gsize i = 0; i < noise->rows; i++)
    {
      const float *row = lb_matrix_row (noise, i);
      LbNoiseKnot knot = { .length = row[LB_NOISE_LENGTH],
                           .is_signed = row[LB_NOISE_SIGNED] > 0.5f,
                           .read_variance = row[LB_NOISE_READ],
                           .gaussian = row[LB_NOISE_GAUSSIAN],
                           .systematic = row[LB_NOISE_SYSTEMATIC],
                           .bias = row[LB_NOISE_BIAS],
                           .background = row[LB_NOISE_BACKGROUND],
                           .dimming = row[LB_NOISE_DIMMING],
                           .reference = row[LB_NOISE_REFERENCE],
                           .reference_variance = row[LB_NOISE_REFERENCE_READ],
                           .frame_photons = row[LB_NOISE_FRAME_PHOTONS] };

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

/* A relative error at @length between two others: errors of elements that do not
 * know of each other add up as squares, so that it goes with 1 / sqrt (length). */
static double
between_errors (double low, double low_length, double high, double high_length, double part, double length)
{
  return sqrt (between (low * low * low_length, high * high * high_length, part) / length);
}

static void
find_neighbours (const GArray *knots,
                 double length,
                 gboolean is_signed,
                 const LbNoiseKnot **below,
                 const LbNoiseKnot **above)
{
  *below = *above = NULL;
  for (guint i = 0; i < knots->len; i++)
    {
      const LbNoiseKnot *one = &g_array_index (knots, LbNoiseKnot, i);

      if (one->is_signed != is_signed)
        continue;
      if (one->length <= length && (*below == NULL || one->length > (*below)->length))
        *below = one;
      if (one->length >= length && (*above == NULL || one->length < (*above)->length))
        *above = one;
    }
}

/* Linear in the logarithm of the length. */
static LbNoiseKnot
interpolate (const LbNoiseKnot *below, const LbNoiseKnot *above, double length)
{
  const double part = log (length / below->length) / log (above->length / below->length);
  LbNoiseKnot knot = *below;

  knot.length = length;
  knot.read_variance =
      between (below->read_variance / below->length, above->read_variance / above->length, part) * length;
  knot.gaussian =
      between_errors (below->gaussian, below->length, above->gaussian, above->length, part, length);
  knot.systematic =
      between_errors (below->systematic, below->length, above->systematic, above->length, part, length);
  knot.bias = between (below->bias, above->bias, part);
  knot.background = between (below->background, above->background, part);
  knot.dimming = between (below->dimming, above->dimming, part);
  knot.reference = between (below->reference, above->reference, part);
  knot.reference_variance = between (below->reference_variance, above->reference_variance, part);
  knot.frame_photons = between (below->frame_photons, above->frame_photons, part);
  for (guint i = 0; i < LB_NOISE_LIGHTS; i++)
    knot.light[i] = between (below->light[i], above->light[i], part);
  return knot;
}

gboolean
lb_noise_knots_find (const GArray *knots, double length, gboolean is_signed, LbNoiseKnot *knot)
{
  const LbNoiseKnot *below, *above;

  find_neighbours (knots, length, is_signed, &below, &above);
  if (below == NULL || above == NULL)
    return FALSE;
  *knot = below == above ? *below : interpolate (below, above, length);
  return TRUE;
}

/* Beyond the knots of its sign the last one, with the read noise of as many pixels as
 * it takes. */
static LbNoiseKnot
find_knot (const LbBenchNoiseModel *self, double length, gboolean is_signed)
{
  const LbNoiseKnot *below, *above;
  LbNoiseKnot knot;

  if (lb_noise_knots_find (self->knots, length, is_signed, &knot))
    return knot;
  find_neighbours (self->knots, length, is_signed, &below, &above);
  if (below == NULL && above == NULL)
    return find_knot (self, length, !is_signed);
  knot = below != NULL ? *below : *above;
  knot.read_variance *= length / knot.length;
  return knot;
}

/* What dot products of one call have in common. */
typedef struct
{
  LbNoiseKnot knot;
  double common; /* electrons of an element with u = v = c G = 1 */
  double frames;
  LbRandomKey key;
  guint64 first;
} Draw;

/* Errors of one pass by photons and electrons, in output units. @exposure: what was
 * expected of the passes that share its exposure, added up, in output units. */
static void
add_pass (const LbBenchNoiseModel *self,
          const LbBenchNoiseInput *input,
          const Draw *draw,
          guint pass,
          const double *light,
          double *exposure,
          double *out)
{
  const double fx = self->source_floor, fw = self->weight_floor, c0 = draw->knot.dimming;
  const double scale = c0 * (1 - fx) * (1 - fw), read = sqrt (draw->knot.read_variance * draw->frames);
  g_autofree float *expected = g_new (float, input->count);
  g_autofree float *counted = g_new (float, input->count);
  g_autofree float *normal = g_new (float, input->count);

  for (gsize i = 0; i < input->count; i++)
    /* y of the forward model, optics.md. */
    expected[i] =
        (float) (light[i] * (scale * input->products[pass][i] + fw * (1 - fx) * input->sums_x[pass][i] +
                             fx * (1 - fw) * c0 * input->sums_w[pass][i] +
                             (fx * fw + draw->knot.background) * (double) input->length));
  lb_random_poisson_fill (draw->key, STREAM_SHOT + pass, draw->first, input->count, expected, counted);
  lb_random_normal_fill (draw->key, STREAM_READ + pass, draw->first, input->count, normal);
  for (gsize i = 0; i < input->count; i++)
    {
      const double to_output = input->signs[pass] * input->scale[i] / (light[i] * scale);

      out[i] += to_output * ((double) counted[i] - (double) expected[i] + read * normal[i]);
      exposure[i] += to_output * (double) expected[i];
    }
}

/* The light of an exposure is known by the electrons of the reference patches, and
 * what it is off by goes into all that the exposure shows. */
static void
add_reference (
    const LbBenchNoiseInput *input, const Draw *draw, guint nth, const double *exposure, double *out)
{
  const double electrons = draw->common * draw->knot.reference;
  const double relative = sqrt (electrons + draw->knot.reference_variance * draw->frames) / electrons;
  g_autofree float *normal = g_new (float, input->count);

  lb_random_normal_fill (draw->key, STREAM_REFERENCE + nth, draw->first, input->count, normal);
  for (gsize i = 0; i < input->count; i++)
    out[i] += relative * normal[i] * exposure[i];
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
  Draw draw = { .key = key, .first = first };
  g_autofree double *light = NULL;
  g_autofree float *gaussian = NULL;
  gboolean is_signed = FALSE;
  double squares = 0;

  g_return_if_fail (self != NULL && input != NULL && out != NULL);
  g_return_if_fail (input->length > 0 && input->photons_per_mac > 0);

  for (guint pass = 0; pass < LB_NOISE_PASSES; pass++)
    if (input->used[pass])
      {
        is_signed = is_signed || pass > 0;
        squares += input->pass_mean[pass] * input->pass_mean[pass];
      }
  draw.knot = find_knot (self, (double) input->length, is_signed);
  draw.frames = MAX (ceil (input->photons_per_mac / draw.knot.frame_photons), 1);
  /* N = L mean (c u) / (QE eta). */
  draw.common = input->photons_per_mac * self->quantum_efficiency * self->path_transmission /
                MAX (self->source_floor + (1 - self->source_floor) * input->mean_x, 0.01);
  light = g_new (double, input->count);
  gaussian = g_new (float, input->count);
  lb_random_normal_fill (key, STREAM_GAUSSIAN, first, input->count, gaussian);
  for (gsize i = 0; i < input->count; i++)
    {
      const guint64 tile = input->tiles != NULL ? input->tiles[i] : first + i;
      const double systematic =
          draw.knot.bias + draw.knot.systematic * lb_random_normal_at (tile_key, STREAM_SYSTEMATIC, tile);

      light[i] =
          draw.common * draw.knot.light[lb_random_bits_at (tile_key, STREAM_LIGHT, tile) % LB_NOISE_LIGHTS];
      out[i] = (systematic + draw.knot.gaussian / sqrt (draw.frames) * gaussian[i]) * sqrt (squares);
      for (guint pass = 0; pass < LB_NOISE_PASSES; pass++)
        if (input->used[pass])
          out[i] += input->signs[pass] * input->scale[i] * input->products[pass][i];
    }
  /* W+ and W- are neighbours in an exposure, x+ and x- come one after the other. */
  for (guint nth = 0; nth < 2; nth++)
    {
      g_autofree double *exposure = g_new0 (double, input->count);

      for (guint pass = nth; pass < LB_NOISE_PASSES; pass += 2)
        if (input->used[pass])
          add_pass (self, input, &draw, pass, light, exposure, out);
      add_reference (input, &draw, nth, exposure, out);
    }
}
