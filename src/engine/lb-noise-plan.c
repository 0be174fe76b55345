/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <lb-gemm.h>
#include <lb-target-clones.h>
#include <math.h>
#include <string.h>

#include "lb-noise-private.h"

/* Largest parts of every row of @values. */
static void
find_row_extremes (const LbNoiseCoding *coding, const LbMatrix *values, float *largest[2])
{
#pragma omp parallel for schedule(static)                                                                    \
    num_threads(lb_numerics_get_threads_for(values->rows * values->columns))
  for (gsize row = 0; row < values->rows; row++)
    {
      float ends[2];

      lb_noise_coding_extremes (coding, lb_matrix_row (values, row), values->columns, ends);
      largest[0][row] = ends[0];
      largest[1][row] = ends[1];
    }
}

static void
allocate_parts (float *largest[2], gsize count)
{
  largest[0] = g_new (float, count);
  largest[1] = g_new (float, count);
}

/* Largest parts of the whole matrix of each head. */
static void
find_weight_extremes (const LbNoisePlan *self, LbNoiseWeights *weights)
{
  float *rows[2];

  allocate_parts (rows, self->product->b->rows);
  allocate_parts (weights->largest, self->heads);
  find_row_extremes (&self->weight_coding, self->product->b, rows);
  for (guint part = 0; part < 2; part++)
    {
      for (guint head = 0; head < self->heads; head++)
        {
          float largest = 0;

          for (gsize row = 0; row < self->outputs; row++)
            largest = MAX (largest, rows[part][head * self->outputs + row]);
          weights->largest[part][head] = largest;
        }
      g_free (rows[part]);
    }
}

gboolean
lb_noise_plan_take_weights (LbNoisePlan *self, LbNoiseMode mode)
{
  gboolean found;

  g_clear_pointer (&self->weights, lb_noise_shelf_give_back);
  self->weights = lb_noise_shelf_take (self->shelf, mode, self->product, &found);
  if (!found)
    find_weight_extremes (self, self->weights);
  return found;
}

void
lb_noise_plan_init (LbNoisePlan *self,
                    const LbNoiseOptions *options,
                    LbNoiseShelf *shelf,
                    const LbProduct *product,
                    LbMatrix *out)
{
  const float *ranges = product->ranges;

  memset (self, 0, sizeof *self);
  self->product = product;
  self->out = out;
  self->shelf = shelf;
  self->heads = lb_product_get_heads (product);
  self->rows = product->a->rows / self->heads;
  self->outputs = product->b->rows / self->heads;
  self->depth = product->a->columns;
  self->photons = options->photons_per_mac;
  self->sigma_mean = options->sigma_mean;
  if (options->photons_per_mac > 0)
    self->g = product->kind == LB_PRODUCT_ATTENTION ? options->g_attention : options->g_linear;
  self->source_coding = lb_noise_coding (product->a, ranges, options->bits, 0, options->source);
  self->weight_coding = lb_noise_coding (product->b, ranges != NULL ? ranges + 2 : NULL, options->bits,
                                         (float) product->slm_floor, options->slm);
  allocate_parts (self->source_largest, product->a->rows);
  self->source_sum[0] = g_new0 (double, product->a->rows);
  self->source_sum[1] = g_new0 (double, product->a->rows);
  find_row_extremes (&self->source_coding, product->a, self->source_largest);
}

void
lb_noise_plan_clear (LbNoisePlan *self)
{
  for (guint part = 0; part < 2; part++)
    {
      g_free (self->source_largest[part]);
      g_free (self->source_sum[part]);
    }
  g_clear_pointer (&self->weights, lb_noise_shelf_give_back);
}

guint
lb_noise_plan_get_threads (const LbNoisePlan *self)
{
  const LbProduct *product = self->product;
  const gsize results = self->out->rows * self->outputs;

  return lb_numerics_get_threads_for ((product->a->rows + product->b->rows + results / 16) * self->depth);
}

gboolean
lb_noise_plan_has_part (const LbNoisePlan *self, gboolean is_source, guint part)
{
  const float *largest = is_source ? self->source_largest[part] : self->weights->largest[part];
  const gsize count = is_source ? self->product->a->rows : self->heads;
  gsize i = 0;

  while (i < count && !(largest[i] > 0))
    i++;
  return i < count;
}

gboolean
lb_noise_plan_has_pass (const LbNoisePlan *self, guint pass)
{
  return lb_noise_plan_has_part (self, TRUE, lb_noise_source_part (pass)) &&
         lb_noise_plan_has_part (self, FALSE, lb_noise_weight_part (pass));
}

gboolean
lb_noise_plan_has_shot_noise (const LbNoisePlan *self)
{
  return self->photons > 0 && isfinite (self->photons);
}

double
lb_noise_plan_scale (const LbNoisePlan *self, gsize row, guint part)
{
  const double sum = self->source_sum[part][row];

  return self->photons * (double) self->depth / (sum + (double) LB_NOISE_TINY);
}

float
lb_noise_plan_unit (const LbNoisePlan *self, gsize row, guint pass)
{
  return self->source_largest[lb_noise_source_part (pass)][row] *
         self->weights->largest[lb_noise_weight_part (pass)][row / self->rows];
}

/* Standard deviation of the merged Gaussian noise of a row; @means: of its passes,
 * in normalised units. */
static float
find_sigma (const LbNoisePlan *self, gsize row, const double means[LB_NOISE_PASSES])
{
  double variance = 0;

  for (guint pass = 0; pass < LB_NOISE_PASSES; pass++)
    {
      const double sigma = self->g * means[pass] * (double) lb_noise_plan_unit (self, row, pass);

      variance += sigma * sigma;
    }
  return (float) sqrt (variance);
}

/* The means that the Gaussian noise of @head is in proportion to: those of the
 * product where they are calibrated, else @measured. */
static void
choose_means (const LbNoisePlan *self,
              guint head,
              const double measured[LB_NOISE_PASSES],
              double means[LB_NOISE_PASSES])
{
  for (guint pass = 0; pass < LB_NOISE_PASSES; pass++)
    means[pass] = self->sigma_mean == LB_SIGMA_CALIBRATED
                      ? (double) self->product->sigma_means[head * LB_NOISE_PASSES + pass]
                      : measured[pass];
}

LB_TARGET_CLONES
static void
add_noise (float *values, const float *numbers, float sigma, gsize count)
{
  for (gsize i = 0; i < count; i++)
    values[i] += sigma * numbers[i];
}

LB_TARGET_CLONES
static void
add_shot_noise (float *values, const float *variance, const float *numbers, float gaussian, gsize count)
{
  for (gsize i = 0; i < count; i++)
    values[i] += sqrtf (variance[i] + gaussian) * numbers[i];
}

LB_TARGET_CLONES
static void
clamp_values (float *values, float low, float high, gsize count)
{
  for (gsize i = 0; i < count; i++)
    {
      float raised = values[i] < low ? low : values[i];

      values[i] = raised > high ? high : raised;
    }
}

/* @variance: shot variances of the row, or NULL; @numbers: (outputs), overwritten. */
static void
finish_row (
    const LbNoisePlan *self, LbRandomKey key, gsize row, float sigma, const float *variance, float *numbers)
{
  const gsize count = self->outputs;
  float *values = lb_matrix_row (self->out, row);
  const float *ranges = self->product->ranges;

  if (sigma > 0 || variance != NULL)
    {
      const guint64 stream =
          lb_product_random_stream (self->product, (guint) (row / self->rows), LB_DRAW_GAUSSIAN);
      const guint64 first = lb_product_random_index (self->product, row % self->rows, count);

      lb_random_normal_fill (key, stream, first, count, numbers);
      if (variance != NULL)
        add_shot_noise (values, variance, numbers, sigma * sigma, count);
      else
        add_noise (values, numbers, sigma, count);
    }
  if (ranges != NULL)
    clamp_values (values, ranges[4], ranges[5], count);
}

void
lb_noise_plan_finish (const LbNoisePlan *self,
                      LbRandomKey key,
                      const double measured[LB_NOISE_PASSES],
                      const LbMatrix *variance)
{
#pragma omp parallel num_threads(lb_noise_plan_get_threads(self))
  {
    g_autofree float *numbers = g_new (float, self->outputs);

#pragma omp for schedule(static)
    for (gsize row = 0; row < self->out->rows; row++)
      {
        double means[LB_NOISE_PASSES];

        choose_means (self, (guint) (row / self->rows), measured, means);
        finish_row (self, key, row, find_sigma (self, row, means),
                    variance != NULL ? lb_matrix_row (variance, row) : NULL, numbers);
      }
  }
}
