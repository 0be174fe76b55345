/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-quantiser.h"

#include <lb-gemm.h>
#include <lb-target-clones.h>
#include <math.h>

/* Keeps the step of an empty range above 0. */
#define TINY 1e-8f

/* Whole number next to |x| < 2^22, ties to even; rintf() is a call to libm on
 * the lowest level of instructions. */
G_ALWAYS_INLINE static inline float
nearest_whole (float x)
{
  const float whole = 0x1.8p23f;

  return (x + whole) - whole;
}

/* @dither: 0.5 for rounding to nearest. */
G_ALWAYS_INLINE static inline float
quantise (const LbQuantiser *self, float value, float dither)
{
  const float top = (float) (self->levels - 1);
  const float least = self->floor * self->high;
  const float largest_negative = -self->floor * fabsf (self->low);
  float clamped = value < self->low ? self->low : value;
  float step, result, positive, negative;

  clamped = clamped > self->high ? self->high : clamped;
  step = (clamped - self->low) / (self->high - self->low + TINY) * top;
  result = nearest_whole (step + (dither - 0.5f)) / top * (self->high - self->low) + self->low;
  if (!(self->floor > 0))
    return result;
  positive = result > 0.0f ? result : 0.0f;
  negative = result - positive;
  positive = positive < least ? least : positive;
  negative = negative > largest_negative ? largest_negative : negative;
  return positive + negative;
}

float
lb_quantiser_apply (const LbQuantiser *self, float value)
{
  return quantise (self, value, 0.5f);
}

LB_TARGET_CLONES
static void
quantise_row (const LbQuantiser *given, const float *values, gsize count, float *out)
{
  const LbQuantiser self = *given;

  for (gsize i = 0; i < count; i++)
    out[i] = quantise (&self, values[i], 0.5f);
}

LB_TARGET_CLONES
static void
quantise_row_random (
    const LbQuantiser *given, const float *values, const float *dither, gsize count, float *out)
{
  const LbQuantiser self = *given;

  for (gsize i = 0; i < count; i++)
    out[i] = quantise (&self, values[i], dither[i]);
}

void
lb_quantiser_apply_row (const LbQuantiser *self, const float *values, gsize count, float *out)
{
  g_return_if_fail (self->levels >= 2);

  quantise_row (self, values, count, out);
}

void
lb_quantiser_apply_row_random (
    const LbQuantiser *self, const float *values, const float *dither, gsize count, float *out)
{
  g_return_if_fail (self->levels >= 2);

  quantise_row_random (self, values, dither, count, out);
}

LbMatrix *
lb_quantiser_apply_matrix (const LbQuantiser *self, const LbMatrix *values)
{
  LbMatrix *out = lb_matrix_new (values->rows, values->columns);

#pragma omp parallel for schedule(static)                                                                    \
    num_threads(lb_numerics_get_threads_for(values->rows * values->columns))
  for (gsize row = 0; row < values->rows; row++)
    lb_quantiser_apply_row (self, lb_matrix_row (values, row), values->columns, lb_matrix_row (out, row));
  return out;
}

double
lb_quantiser_apply_reference (const LbQuantiser *self, double value, double dither)
{
  const double low = self->low, high = self->high, steps = self->levels - 1.0;
  const double clamped = fmin (fmax (value, low), high);
  const double u = (clamped - low) / (high - low + 1e-8) * steps;
  const double r = rint (u + dither - 0.5) / steps * (high - low) + low;
  const double p = fmax (r, 0);

  if (self->floor <= 0)
    return r;
  return fmax (p, self->floor * high) + fmin (r - p, -self->floor * fabs (low));
}
