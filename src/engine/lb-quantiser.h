/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <lb-matrix.h>
#include <lb-random.h>

G_BEGIN_DECLS

/**
 * LbQuantiser: the quantiser of quantisation-aware training (Anderson et al.,
 * "Optical Transformers", arXiv 2302.10360, and the model code that its authors
 * published): the value is clamped, put on one of @levels equal steps, ties to
 * even, and put back on its scale.
 * @low, @high: range; @low is 0 or -@high
 * @levels: 256 for 8 bits
 * @floor: lambda, for what an SLM shows: positive and negative part each are at
 *   least @floor of their range, so that small values become 0 and the largest
 *   (1 - @floor) @high; 0 for everything else
 */
typedef struct
{
  float low;
  float high;
  guint levels;
  float floor;
} LbQuantiser;

/* One value; never decreases with @value. */
float lb_quantiser_apply (const LbQuantiser *self, float value);
/* @count values; @out may be @values. */
void lb_quantiser_apply_row (const LbQuantiser *self, const float *values, gsize count, float *out);
/* The same with random rounding: up or down in proportion to the nearness, by
 * the uniform numbers @dither, (count) in [0, 1). */
void lb_quantiser_apply_row_random (
    const LbQuantiser *self, const float *values, const float *dither, gsize count, float *out);
/* A new matrix, rounded to nearest. */
LbMatrix *lb_quantiser_apply_matrix (const LbQuantiser *self, const LbMatrix *values);

/* One value by the formulas of the paper's code, in double precision; for tests. */
double lb_quantiser_apply_reference (const LbQuantiser *self, double value, double dither);

G_END_DECLS
