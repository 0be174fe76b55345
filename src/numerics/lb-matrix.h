/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib-object.h>

G_BEGIN_DECLS

/**
 * LbMatrix:
 * @rows: number of rows
 * @columns: number of columns
 * @stride: distance between the starts of two rows, in floats
 * @data: the first value; rows of an owned matrix start on 64-byte boundaries
 *
 * A dense row-major matrix of floats, owned or a view of somebody else's
 * memory. Reference counted; may cross threads as long as nobody writes.
 */
typedef struct
{
  gsize rows;
  gsize columns;
  gsize stride;
  float *data;
  /*< private >*/
  gpointer owner;
  GDestroyNotify free_owner;
  gatomicrefcount references;
} LbMatrix;

#define LB_TYPE_MATRIX (lb_matrix_get_type ())
GType lb_matrix_get_type (void);

/* All values zero. */
LbMatrix *lb_matrix_new (gsize rows, gsize columns);
/* A view; keeps @parent alive. */
LbMatrix *lb_matrix_new_view (LbMatrix *parent, gsize row, gsize column, gsize rows, gsize columns);
/* Wraps @data without a copy; @free_owner (@owner) runs with the last reference. */
LbMatrix *lb_matrix_new_wrap (
    float *data, gsize rows, gsize columns, gsize stride, gpointer owner, GDestroyNotify free_owner);
LbMatrix *lb_matrix_copy (const LbMatrix *self);
LbMatrix *lb_matrix_new_transpose (const LbMatrix *self);
LbMatrix *lb_matrix_ref (LbMatrix *self);
void lb_matrix_unref (LbMatrix *self);
/* Largest absolute value; 0 for an empty matrix. */
float lb_matrix_max_abs (const LbMatrix *self);
/* Whether no value is NaN or infinite. */
gboolean lb_matrix_is_finite (const LbMatrix *self);

static inline float *
lb_matrix_row (const LbMatrix *self, gsize row)
{
  return self->data + row * self->stride;
}

static inline float
lb_matrix_get (const LbMatrix *self, gsize row, gsize column)
{
  return self->data[row * self->stride + column];
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LbMatrix, lb_matrix_unref)

G_END_DECLS
