/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-kernels.h"

#include <lb-gemm.h>
#include <lb-target-clones.h>
#include <math.h>
#include <string.h>

/* Partial sums that a vector unit can keep side by side. Their number is fixed,
 * so that a sum does not depend on the width of the machine's registers. */
#define LANES 8

/*
 * e^x for floats, to 2 units in the last place, in arithmetic that compilers
 * turn into vector instructions: 2^n times a polynomial in what is left
 * (coefficients: Cephes, expf.c, S. Moshier). x is held within -87 and 88; NaN
 * stays NaN.
 */
G_ALWAYS_INLINE static inline float
exponential (float x)
{
  const float magic = 12582912.0f; /* 1.5 x 2^23: adding it rounds to a whole number */
  float held, n, r, p, power;
  gint32 bits;

  held = x > -87.0f ? x : -87.0f;
  held = held < 88.0f ? held : 88.0f;
  n = (held * 1.44269504f + magic) - magic;
  r = (held - n * 0.693359375f) - n * -2.12194440e-4f;
  p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + r + 1.0f;
  bits = ((gint32) n + 127) << 23;
  memcpy (&power, &bits, sizeof power);
  return x == x ? p * power : x;
}

G_ALWAYS_INLINE static inline double
sum_row (const float *values, gsize count)
{
  double lanes[LANES] = { 0 }, sum = 0;
  gsize i;

  for (i = 0; i + LANES <= count; i += LANES)
    for (gsize lane = 0; lane < LANES; lane++)
      lanes[lane] += (double) values[i + lane];
  for (; i < count; i++)
    sum += (double) values[i];
  for (gsize lane = 0; lane < LANES; lane++)
    sum += lanes[lane];
  return sum;
}

G_ALWAYS_INLINE static inline double
sum_squares (const float *values, gsize count, double mean)
{
  double lanes[LANES] = { 0 }, sum = 0;
  gsize i;

  for (i = 0; i + LANES <= count; i += LANES)
    for (gsize lane = 0; lane < LANES; lane++)
      lanes[lane] += ((double) values[i + lane] - mean) * ((double) values[i + lane] - mean);
  for (; i < count; i++)
    sum += ((double) values[i] - mean) * ((double) values[i] - mean);
  for (gsize lane = 0; lane < LANES; lane++)
    sum += lanes[lane];
  return sum;
}

G_ALWAYS_INLINE static inline float
largest_of (const float *values, gsize count)
{
  float lanes[LANES], largest = values[0];
  gsize i;

  for (gsize lane = 0; lane < LANES; lane++)
    lanes[lane] = values[0];
  for (i = 0; i + LANES <= count; i += LANES)
    for (gsize lane = 0; lane < LANES; lane++)
      lanes[lane] = values[i + lane] > lanes[lane] ? values[i + lane] : lanes[lane];
  for (; i < count; i++)
    largest = values[i] > largest ? values[i] : largest;
  for (gsize lane = 0; lane < LANES; lane++)
    largest = lanes[lane] > largest ? lanes[lane] : largest;
  return largest;
}

LB_TARGET_CLONES
static void
normalise_row (const float *x, const float *gain, const float *bias, gsize count, double epsilon, float *out)
{
  const double mean = sum_row (x, count) / (double) count;
  const double factor = 1.0 / sqrt (sum_squares (x, count, mean) / (double) count + epsilon);

  for (gsize i = 0; i < count; i++)
    out[i] = (float) (((double) x[i] - mean) * factor) * gain[i] + bias[i];
}

void
lb_kernel_layer_norm (
    const LbMatrix *x, const LbMatrix *gain, const LbMatrix *bias, double epsilon, LbMatrix *out)
{
  g_return_if_fail (out->rows == x->rows && out->columns == x->columns);
  g_return_if_fail (gain->columns == x->columns && bias->columns == x->columns);

#pragma omp parallel for schedule(static) num_threads(lb_numerics_get_threads())
  for (gsize row = 0; row < x->rows; row++)
    normalise_row (lb_matrix_row (x, row), gain->data, bias->data, x->columns, epsilon,
                   lb_matrix_row (out, row));
}

LB_TARGET_CLONES
static void
softmax_row (float *values, gsize count, float scale)
{
  const float largest = largest_of (values, count) * scale;
  float factor;

  for (gsize i = 0; i < count; i++)
    values[i] = exponential (values[i] * scale - largest);
  factor = (float) (1.0 / sum_row (values, count));
  for (gsize i = 0; i < count; i++)
    values[i] *= factor;
}

void
lb_kernel_causal_softmax (LbMatrix *scores, float scale)
{
  g_return_if_fail (scores->columns > 0 && scores->rows % scores->columns == 0);
  g_return_if_fail (scale > 0);

#pragma omp parallel for schedule(dynamic, 16) num_threads(lb_numerics_get_threads())
  for (gsize row = 0; row < scores->rows; row++)
    {
      float *values = lb_matrix_row (scores, row);
      const gsize seen = row % scores->columns + 1;

      softmax_row (values, seen, scale);
      memset (values + seen, 0, (scores->columns - seen) * sizeof (float));
    }
}

LB_TARGET_CLONES
static void
relu6_row (float *values, gsize count)
{
  for (gsize i = 0; i < count; i++)
    {
      /* NaN passes: what was not measured must not look like zero. */
      float positive = values[i] < 0.0f ? 0.0f : values[i];

      values[i] = positive > 6.0f ? 6.0f : positive;
    }
}

void
lb_kernel_relu6 (LbMatrix *x)
{
#pragma omp parallel for schedule(static) num_threads(lb_numerics_get_threads())
  for (gsize row = 0; row < x->rows; row++)
    relu6_row (lb_matrix_row (x, row), x->columns);
}

LB_TARGET_CLONES
static void
gelu_tanh_row (float *values, gsize count)
{
  /* (1 + tanh u) / 2 = 1 / (1 + exp (-2 u)), without cancellation; the constant is 2 sqrt (2 / pi). */
  const float slope = 1.59576912f;

  for (gsize i = 0; i < count; i++)
    {
      float v = values[i];

      values[i] = v / (1.0f + exponential (-slope * (v + 0.044715f * v * v * v)));
    }
}

void
lb_kernel_gelu_tanh (LbMatrix *x)
{
#pragma omp parallel for schedule(static) num_threads(lb_numerics_get_threads())
  for (gsize row = 0; row < x->rows; row++)
    gelu_tanh_row (lb_matrix_row (x, row), x->columns);
}

LB_TARGET_CLONES
static void
add_row (float *values, const float *more, gsize count)
{
  for (gsize i = 0; i < count; i++)
    values[i] += more[i];
}

void
lb_kernel_add_bias (LbMatrix *x, const LbMatrix *bias)
{
  g_return_if_fail (bias->columns == x->columns);

#pragma omp parallel for schedule(static) num_threads(lb_numerics_get_threads())
  for (gsize row = 0; row < x->rows; row++)
    add_row (lb_matrix_row (x, row), bias->data, x->columns);
}

void
lb_kernel_add (LbMatrix *x, const LbMatrix *y)
{
  g_return_if_fail (y->rows == x->rows && y->columns == x->columns);

#pragma omp parallel for schedule(static) num_threads(lb_numerics_get_threads())
  for (gsize row = 0; row < x->rows; row++)
    add_row (lb_matrix_row (x, row), lb_matrix_row (y, row), x->columns);
}
