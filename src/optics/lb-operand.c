/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-operand.h"

#include <math.h>

/* The larger of the row's magnitudes. */
static float
row_max_abs (const LbMatrix *values, gsize row)
{
  const float *row_values = lb_matrix_row (values, row);
  float largest = 0;

  for (gsize i = 0; i < values->columns; i++)
    largest = MAX (largest, fabsf (row_values[i]));
  return largest;
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

/**
 * lb_operand_new:
 * @values: (rows, d), finite
 * @scale: one scale a row, or the same for all
 *
 * Splits a matrix by sign and scales it to 0..1, both signs by the same scale:
 * what is left of floors and stray light after decoding then cancels between
 * the passes (optics.md, "Forward model and decode").
 *
 * Returns: (transfer full): the operand
 */
LbOperand *
lb_operand_new (const LbMatrix *values, LbOperandScale scale)
{
  LbOperand *self;
  float whole;

  g_return_val_if_fail (values != NULL, NULL);

  self = g_new0 (LbOperand, 1);
  self->positive = lb_matrix_new (values->rows, values->columns);
  if (has_negative (values))
    self->negative = lb_matrix_new (values->rows, values->columns);
  self->scale = g_new (float, values->rows);
  whole = scale == LB_SCALE_WHOLE ? lb_matrix_max_abs (values) : 0;
  for (gsize row = 0; row < values->rows; row++)
    {
      const float *from = lb_matrix_row (values, row);
      const float largest = scale == LB_SCALE_WHOLE ? whole : row_max_abs (values, row);
      float *positive = lb_matrix_row (self->positive, row);
      float *negative = self->negative != NULL ? lb_matrix_row (self->negative, row) : NULL;

      self->scale[row] = largest > 0 ? largest : 1;
      for (gsize i = 0; i < values->columns; i++)
        {
          /* Divided, not multiplied by an inverse: that of a denormal overflows. */
          positive[i] = MAX (from[i], 0) / self->scale[row];
          if (negative != NULL)
            negative[i] = MAX (-from[i], 0) / self->scale[row];
        }
    }
  return self;
}

/**
 * lb_operand_free:
 *
 * Frees an operand.
 */
void
lb_operand_free (LbOperand *self)
{
  g_return_if_fail (self != NULL);

  lb_matrix_unref (self->positive);
  g_clear_pointer (&self->negative, lb_matrix_unref);
  g_free (self->scale);
  g_free (self);
}

/* Mean over all pairs of rows of the products of one pass: the sums of the
 * columns, multiplied (or row by row, for the diagonal). @sign_a, @sign_b: 1 or
 * -1, the half of the values that the pass takes. */
static double
pass_mean (const LbMatrix *a, const LbMatrix *b, gboolean diagonal, float sign_a, float sign_b)
{
  double sum = 0;

  if (diagonal)
    {
      for (gsize row = 0; row < a->rows; row++)
        for (gsize i = 0; i < a->columns; i++)
          sum += (double) MAX (sign_a * lb_matrix_get (a, row, i), 0) *
                 MAX (sign_b * lb_matrix_get (b, row, i), 0);
      return sum / (double) a->rows;
    }
  for (gsize i = 0; i < a->columns; i++)
    {
      double sum_a = 0, sum_b = 0;

      for (gsize row = 0; row < a->rows; row++)
        sum_a += MAX (sign_a * lb_matrix_get (a, row, i), 0);
      for (gsize row = 0; row < b->rows; row++)
        sum_b += MAX (sign_b * lb_matrix_get (b, row, i), 0);
      sum += sum_a * sum_b;
    }
  return sum / (double) a->rows / (double) b->rows;
}

/**
 * lb_operand_pass_scale:
 * @a: (m, d)
 * @b: (n, d); (m, d) if @diagonal
 * @diagonal: row i with row i instead of every row with every row
 *
 * sqrt (sum over the four passes of (mean of that pass)^2), in output units:
 * what the normalised error refers to (optics.md, "Figures of merit").
 */
double
lb_operand_pass_scale (const LbMatrix *a, const LbMatrix *b, gboolean diagonal)
{
  double squares = 0;

  g_return_val_if_fail (a != NULL && b != NULL && a->columns == b->columns, 0);
  g_return_val_if_fail (a->rows > 0 && b->rows > 0 && (!diagonal || a->rows == b->rows), 0);

  for (guint pass = 0; pass < 4; pass++)
    {
      const double mean = pass_mean (a, b, diagonal, pass % 2 == 0 ? 1 : -1, pass / 2 == 0 ? 1 : -1);

      squares += mean * mean;
    }
  return sqrt (squares);
}
