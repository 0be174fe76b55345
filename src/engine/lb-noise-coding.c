/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <lb-gemm.h>
#include <lb-target-clones.h>
#include <math.h>
#include <string.h>

#include "lb-noise-private.h"

#define DEFAULT_BITS 8
#define SUM_LANES 16

LbNoiseCoding
lb_noise_coding (
    const LbMatrix *values, const float *range, guint bits, float floor, const LbLookupTable *table)
{
  LbNoiseCoding self = { .low = -INFINITY, .high = INFINITY, .table = table };
  const guint levels = 1u << (bits > 0 ? bits : DEFAULT_BITS);

  if (range != NULL)
    {
      self.low = range[0];
      self.high = range[1];
    }
  else if (bits > 0 && table == NULL)
    {
      float lowest = INFINITY;

      for (gsize row = 0; row < values->rows; row++)
        for (gsize i = 0; i < values->columns; i++)
          lowest = MIN (lowest, lb_matrix_get (values, row, i));
      self.high = lb_matrix_max_abs (values);
      self.low = lowest >= 0 ? lowest : -self.high;
    }
  if (table == NULL && isfinite (self.low))
    self.quantiser = (LbQuantiser){ self.low, self.high, levels, floor };
  return self;
}

LB_TARGET_CLONES
static void
clamp_row (float low, float high, const float *values, gsize count, float *out)
{
  for (gsize i = 0; i < count; i++)
    {
      float raised = values[i] < low ? low : values[i];

      out[i] = raised > high ? high : raised;
    }
}

void
lb_noise_coding_code (const LbNoiseCoding *self, const float *values, gsize count, float *out)
{
  if (self->quantiser.levels > 0)
    lb_quantiser_apply_row (&self->quantiser, values, count, out);
  else
    clamp_row (self->low, self->high, values, count, out);
}

LB_TARGET_CLONES
static void
find_extremes (const float *values, gsize count, float *lowest, float *highest)
{
  float low[SUM_LANES], high[SUM_LANES];
  gsize i = 0;

  for (gsize lane = 0; lane < SUM_LANES; lane++)
    low[lane] = high[lane] = values[0];
  for (; i + SUM_LANES <= count; i += SUM_LANES)
    for (gsize lane = 0; lane < SUM_LANES; lane++)
      {
        low[lane] = values[i + lane] < low[lane] ? values[i + lane] : low[lane];
        high[lane] = values[i + lane] > high[lane] ? values[i + lane] : high[lane];
      }
  for (; i < count; i++)
    {
      low[0] = values[i] < low[0] ? values[i] : low[0];
      high[0] = values[i] > high[0] ? values[i] : high[0];
    }
  *lowest = low[0];
  *highest = high[0];
  for (gsize lane = 1; lane < SUM_LANES; lane++)
    {
      *lowest = MIN (*lowest, low[lane]);
      *highest = MAX (*highest, high[lane]);
    }
}

void
lb_noise_coding_extremes (const LbNoiseCoding *self, const float *values, gsize count, float largest[2])
{
  float ends[2];

  /* Coding never turns the order of values round, so the ends suffice. */
  find_extremes (values, count, &ends[0], &ends[1]);
  lb_noise_coding_code (self, ends, 2, ends);
  largest[0] = MAX (ends[1], 0.0f);
  largest[1] = MAX (-ends[0], 0.0f);
}

/* @minus: (in): the coded values, (out): their negative part. */
LB_TARGET_CLONES
static void
split_row (gsize count, float per_plus, float per_minus, float *plus, float *minus)
{
  for (gsize i = 0; i < count; i++)
    {
      float value = minus[i];

      plus[i] = (value > 0.0f ? value : 0.0f) * per_plus;
      minus[i] = (value < 0.0f ? -value : 0.0f) * per_minus;
    }
}

LB_TARGET_CLONES
static void
look_up_row (const float *transmission, float top, gsize count, float *values)
{
  const float whole = 0x1.8p23f;

  for (gsize i = 0; i < count; i++)
    values[i] = transmission[(gint32) ((values[i] * top + whole) - whole)];
}

void
lb_noise_coding_split (const LbNoiseCoding *self,
                       const float *values,
                       gsize count,
                       const float largest[2],
                       float *plus,
                       float *minus)
{
  lb_noise_coding_code (self, values, count, minus);
  split_row (count, 1.0f / (largest[0] + LB_NOISE_TINY), 1.0f / (largest[1] + LB_NOISE_TINY), plus, minus);
  if (self->table != NULL)
    {
      const float top = (float) (self->table->levels - 1);

      look_up_row (self->table->transmission, top, count, plus);
      look_up_row (self->table->transmission, top, count, minus);
    }
}

LB_TARGET_CLONES
double
lb_noise_sum_row (const float *values, gsize count)
{
  double lanes[SUM_LANES] = { 0 };
  double sum = 0;
  gsize i = 0;

  for (; i + SUM_LANES <= count; i += SUM_LANES)
    for (gsize lane = 0; lane < SUM_LANES; lane++)
      lanes[lane] += (double) values[i + lane];
  for (; i < count; i++)
    sum += (double) values[i];
  for (gsize lane = 0; lane < SUM_LANES; lane++)
    sum += lanes[lane];
  return sum;
}
