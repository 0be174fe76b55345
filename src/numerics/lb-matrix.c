/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-matrix.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "lb-gemm.h"
#include "lb-target-clones.h"

/* A cache line, and the widest vector register. */
#define ROW_ALIGNMENT 64
#define FLOATS_PER_LINE (ROW_ALIGNMENT / sizeof (float))

G_DEFINE_BOXED_TYPE (LbMatrix, lb_matrix, lb_matrix_ref, lb_matrix_unref)

/**
 * lb_matrix_new:
 * @rows: number of rows, may be 0
 * @columns: number of columns, may be 0
 *
 * Makes a matrix of zeros. Returns: (transfer full).
 */
LbMatrix *
lb_matrix_new (gsize rows, gsize columns)
{
  gsize stride;
  float *data;

  g_return_val_if_fail (columns <= G_MAXSIZE / 2 / sizeof (float), NULL);

  stride = (columns + FLOATS_PER_LINE - 1) / FLOATS_PER_LINE * FLOATS_PER_LINE;
  data = g_aligned_alloc0 (MAX (rows, 1), MAX (stride, FLOATS_PER_LINE) * sizeof (float), ROW_ALIGNMENT);
  return lb_matrix_new_wrap (data, rows, columns, stride, data, g_aligned_free);
}

/**
 * lb_matrix_new_view:
 * @parent: matrix to look into; kept alive by the view
 * @row: first row of the view
 * @column: first column of the view
 * @rows: number of rows
 * @columns: number of columns
 *
 * Makes a matrix that shares the values of a part of @parent.
 * Returns: (transfer full).
 */
LbMatrix *
lb_matrix_new_view (LbMatrix *parent, gsize row, gsize column, gsize rows, gsize columns)
{
  g_return_val_if_fail (parent != NULL, NULL);
  g_return_val_if_fail (row <= parent->rows && rows <= parent->rows - row, NULL);
  g_return_val_if_fail (column <= parent->columns && columns <= parent->columns - column, NULL);

  /* An empty view may begin behind the last value: it must not point there. */
  return lb_matrix_new_wrap (rows == 0 || columns == 0 ? parent->data : lb_matrix_row (parent, row) + column,
                             rows, columns, parent->stride, lb_matrix_ref (parent),
                             (GDestroyNotify) lb_matrix_unref);
}

/**
 * lb_matrix_new_wrap:
 * @data: the first value; @stride floats from row to row
 * @rows: number of rows
 * @columns: number of columns, at most @stride
 * @stride: distance between the starts of two rows, in floats
 * @owner: what keeps @data alive, or %NULL
 * @free_owner: called with @owner when the last reference goes, or %NULL
 *
 * Makes a matrix of values that lie elsewhere, without a copy.
 * Returns: (transfer full).
 */
LbMatrix *
lb_matrix_new_wrap (
    float *data, gsize rows, gsize columns, gsize stride, gpointer owner, GDestroyNotify free_owner)
{
  LbMatrix *self;

  g_return_val_if_fail (data != NULL || rows == 0 || columns == 0, NULL);
  g_return_val_if_fail (stride >= columns, NULL);

  self = g_new0 (LbMatrix, 1);
  self->rows = rows;
  self->columns = columns;
  self->stride = stride;
  self->data = data;
  self->owner = owner;
  self->free_owner = free_owner;
  g_atomic_ref_count_init (&self->references);
  return self;
}

/**
 * lb_matrix_copy:
 * @self: a matrix or view
 *
 * Makes an owned matrix with the same values. Returns: (transfer full).
 */
LbMatrix *
lb_matrix_copy (const LbMatrix *self)
{
  LbMatrix *copy;

  g_return_val_if_fail (self != NULL, NULL);

  copy = lb_matrix_new (self->rows, self->columns);
  if (self->columns > 0)
    for (gsize row = 0; row < self->rows; row++)
      memcpy (lb_matrix_row (copy, row), lb_matrix_row (self, row), self->columns * sizeof (float));
  return copy;
}

/**
 * lb_matrix_new_transpose:
 * @self: (rows, columns)
 *
 * Makes the owned matrix (columns, rows) of the same values.
 * Returns: (transfer full).
 */
LbMatrix *
lb_matrix_new_transpose (const LbMatrix *self)
{
  /* Square blocks keep both sides in the cache. */
  const gsize block = 32;
  LbMatrix *transpose;

  g_return_val_if_fail (self != NULL, NULL);

  transpose = lb_matrix_new (self->columns, self->rows);
#pragma omp parallel for num_threads(lb_numerics_get_threads_for(self->rows * self->columns)) schedule(static)
  for (gsize top = 0; top < self->rows; top += block)
    for (gsize left = 0; left < self->columns; left += block)
      for (gsize row = top; row < MIN (top + block, self->rows); row++)
        for (gsize column = left; column < MIN (left + block, self->columns); column++)
          lb_matrix_row (transpose, column)[row] = lb_matrix_get (self, row, column);
  return transpose;
}

/**
 * lb_matrix_ref:
 * @self: a matrix
 *
 * Takes a reference. Returns: (transfer full): @self.
 */
LbMatrix *
lb_matrix_ref (LbMatrix *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  g_atomic_ref_count_inc (&self->references);
  return self;
}

/**
 * lb_matrix_unref:
 * @self: (transfer full): a matrix
 *
 * Gives a reference back; with the last one the values go too.
 */
void
lb_matrix_unref (LbMatrix *self)
{
  g_return_if_fail (self != NULL);

  if (!g_atomic_ref_count_dec (&self->references))
    return;

  if (self->free_owner != NULL)
    self->free_owner (self->owner);
  g_free (self);
}

/**
 * lb_matrix_max_abs:
 * @self: a matrix
 *
 * Returns: the largest absolute value, 0 if there is none; NaN are left out.
 */
float
lb_matrix_max_abs (const LbMatrix *self)
{
  float largest = 0;

  g_return_val_if_fail (self != NULL, 0);

  for (gsize row = 0; row < self->rows; row++)
    {
      const float *values = lb_matrix_row (self, row);

      for (gsize column = 0; column < self->columns; column++)
        largest = fabsf (values[column]) > largest ? fabsf (values[column]) : largest;
    }
  return largest;
}

LB_TARGET_CLONES
static gboolean
row_is_finite (const float *values, gsize count)
{
  guint32 odd = 0;

  for (gsize i = 0; i < count; i++)
    odd |= !(fabsf (values[i]) <= FLT_MAX);
  return odd == 0;
}

/**
 * lb_matrix_is_finite:
 * @self: a matrix
 *
 * Returns: whether no value is NaN or infinite.
 */
gboolean
lb_matrix_is_finite (const LbMatrix *self)
{
  gboolean finite = TRUE;

  g_return_val_if_fail (self != NULL, FALSE);

#pragma omp parallel for num_threads(lb_numerics_get_threads_for(self->rows * self->columns / 4))              \
    reduction(& : finite) schedule(static)
  for (gsize row = 0; row < self->rows; row++)
    finite &= row_is_finite (lb_matrix_row (self, row), self->columns);
  return finite;
}
