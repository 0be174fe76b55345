/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <lb-matrix.h>

G_BEGIN_DECLS

/**
 * LbOperand: a matrix split by sign and scaled to 0..1.
 * @positive: (rows, d), max (v, 0) / scale
 * @negative: (rows, d), max (-v, 0) / scale; NULL if no value is negative
 * @scale: one a row (by row) or the same for all (whole); 1 where all values are 0
 */
typedef struct
{
  LbMatrix *positive;
  LbMatrix *negative;
  float *scale;
} LbOperand;

typedef enum
{
  LB_SCALE_BY_ROW, /* a: the largest magnitude of the row */
  LB_SCALE_WHOLE,  /* b: the largest magnitude of the matrix */
} LbOperandScale;

LbOperand *lb_operand_new (const LbMatrix *values, LbOperandScale scale);
void lb_operand_free (LbOperand *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (LbOperand, lb_operand_free)

/* sqrt (sum over the passes of (mean of that pass in output units)^2) of
 * out = a b^T (or its diagonal), computed digitally; the scale of
 * lb_figures_of_merit(). */
double lb_operand_pass_scale (const LbMatrix *a, const LbMatrix *b, gboolean diagonal);

G_END_DECLS
