/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-engine.h"

#include <glib/gi18n-lib.h>

G_DEFINE_QUARK (lb - engine - error - quark, lb_engine_error)

typedef struct
{
  LbEnginePartialFunc partial_func;
  gpointer partial_data;
  guint32 partial_row; /* first row of the head that is being multiplied */
} LbEnginePrivate;

G_DEFINE_ABSTRACT_TYPE_WITH_PRIVATE (LbEngine, lb_engine, G_TYPE_OBJECT)

static void
lb_engine_class_init (LbEngineClass *klass)
{
}

static void
lb_engine_init (LbEngine *self)
{
}

static gboolean
check_shapes (const LbProduct *product, const LbMatrix *out, GError **error)
{
  const LbMatrix *a = product->a, *b = product->b;
  gboolean diagonal = product->pairs == LB_PAIRS_DIAGONAL;
  const guint heads = lb_product_get_heads (product);
  gsize columns = diagonal ? 1 : b->rows / heads;

  if (a->columns == 0 || a->rows == 0 || b->rows == 0)
    g_set_error (error, LB_ENGINE_ERROR, LB_ENGINE_ERROR_SHAPE,
                 _ ("An operand is empty: %zu × %zu with %zu × %zu"), a->rows, a->columns, b->rows,
                 b->columns);
  else if (a->columns != b->columns)
    g_set_error (error, LB_ENGINE_ERROR, LB_ENGINE_ERROR_SHAPE,
                 _ ("The operands do not fit: rows of %zu values with rows of %zu; both must be as long"),
                 a->columns, b->columns);
  else if (a->rows % heads != 0 || b->rows % heads != 0)
    g_set_error (error, LB_ENGINE_ERROR, LB_ENGINE_ERROR_SHAPE,
                 _ ("The operands have %zu and %zu rows, which cannot be shared among %u heads"), a->rows,
                 b->rows, heads);
  else if (diagonal && a->rows != b->rows)
    g_set_error (error, LB_ENGINE_ERROR, LB_ENGINE_ERROR_SHAPE,
                 _ ("The operands do not fit: %zu rows cannot be paired with %zu rows one by one"), a->rows,
                 b->rows);
  else if (out->rows != a->rows || out->columns != columns)
    g_set_error (error, LB_ENGINE_ERROR, LB_ENGINE_ERROR_SHAPE,
                 _ ("The result has a place of %zu × %zu values, but it is %zu × %zu"), out->rows,
                 out->columns, a->rows, columns);
  else
    return TRUE;
  return FALSE;
}

static gboolean
check_values (const LbProduct *product, GError **error)
{
  const gboolean first = !lb_matrix_is_finite (product->a);

  if (!first && (product->is_constant || lb_matrix_is_finite (product->b)))
    return TRUE;
  g_set_error (
      error, LB_ENGINE_ERROR, LB_ENGINE_ERROR_VALUE,
      first ? _ ("The first operand has values that are NaN or infinite: mend them before multiplying")
            : _ ("The second operand has values that are NaN or infinite: mend them before multiplying"));
  return FALSE;
}

/**
 * lb_engine_get_name:
 *
 * The name by which the command line chooses the engine: "digital", "bench".
 */
const char *
lb_engine_get_name (LbEngine *self)
{
  g_return_val_if_fail (LB_IS_ENGINE (self), NULL);

  return LB_ENGINE_GET_CLASS (self)->get_name (self);
}

/**
 * lb_product_clamp:
 * @values: an operand
 * @range: (nullable): lo, hi
 *
 * Returns: (transfer full): a copy, as an engine with ranges shows it
 */
LbMatrix *
lb_product_clamp (const LbMatrix *values, const float *range)
{
  LbMatrix *clamped = lb_matrix_copy (values);

  for (gsize row = 0; range != NULL && row < clamped->rows; row++)
    for (gsize i = 0; i < clamped->columns; i++)
      lb_matrix_row (clamped, row)[i] = CLAMP (lb_matrix_get (clamped, row, i), range[0], range[1]);
  return clamped;
}

static LbMatrix *
view_rows (const LbMatrix *matrix, gsize rows, guint nth)
{
  return lb_matrix_new_wrap (lb_matrix_row (matrix, nth * rows), rows, matrix->columns, matrix->stride, NULL,
                             NULL);
}

/* One head after the other, for engines that know of no heads. */
static gboolean
multiply_heads (LbEngine *self,
                const LbProduct *product,
                LbMatrix *out,
                LbEngineCounts *counts,
                GCancellable *cancellable,
                GError **error)
{
  LbEnginePrivate *priv = lb_engine_get_instance_private (self);
  const guint heads = lb_product_get_heads (product);
  const gsize rows = out->rows / heads;
  gboolean done = TRUE;

  for (guint head = 0; head < heads && done; head++)
    {
      g_autoptr (LbMatrix) a = view_rows (product->a, product->a->rows / heads, head);
      g_autoptr (LbMatrix) b = view_rows (product->b, product->b->rows / heads, head);
      g_autoptr (LbMatrix) head_out = view_rows (out, rows, head);
      LbProduct part = *product;

      part.a = a;
      part.b = b;
      part.heads = 1;
      part.is_constant = FALSE;
      part.key.head += head;
      part.sigma_means = product->sigma_means != NULL ? product->sigma_means + 4 * head : NULL;
      priv->partial_row = (guint32) (head * rows);
      done = LB_ENGINE_GET_CLASS (self)->multiply (self, &part, head_out, counts, cancellable, error);
    }
  priv->partial_row = 0;
  return done;
}

/**
 * lb_engine_multiply:
 * @product: what to multiply
 * @out: (heads m, n), or (heads m, 1) for diagonal pairs; must not overlap the operands
 * @counts: (nullable): added to
 *
 * Computes out = a b^T. LB_ENGINE_ERROR_SHAPE and LB_ENGINE_ERROR_VALUE come
 * before anything is computed or shown; other errors are the engine's.
 */
gboolean
lb_engine_multiply (LbEngine *self,
                    const LbProduct *product,
                    LbMatrix *out,
                    LbEngineCounts *counts,
                    GCancellable *cancellable,
                    GError **error)
{
  g_return_val_if_fail (LB_IS_ENGINE (self), FALSE);
  g_return_val_if_fail (product != NULL && product->a != NULL && product->b != NULL, FALSE);
  g_return_val_if_fail (out != NULL, FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  if (!check_shapes (product, out, error) || !check_values (product, error) ||
      g_cancellable_set_error_if_cancelled (cancellable, error))
    return FALSE;
  if (lb_product_get_heads (product) > 1 && !LB_ENGINE_GET_CLASS (self)->takes_heads)
    return multiply_heads (self, product, out, counts, cancellable, error);
  return LB_ENGINE_GET_CLASS (self)->multiply (self, product, out, counts, cancellable, error);
}

/**
 * lb_engine_set_partial_func:
 * @func: (nullable): called with dot products as they become known
 *
 * Not while the engine multiplies.
 */
void
lb_engine_set_partial_func (LbEngine *self, LbEnginePartialFunc func, gpointer user_data)
{
  LbEnginePrivate *priv = lb_engine_get_instance_private (self);

  g_return_if_fail (LB_IS_ENGINE (self));

  priv->partial_func = func;
  priv->partial_data = user_data;
}

/**
 * lb_engine_wants_partial:
 *
 * For implementations: whether lb_engine_emit_partial() reaches anybody.
 */
gboolean
lb_engine_wants_partial (LbEngine *self)
{
  LbEnginePrivate *priv = lb_engine_get_instance_private (self);

  g_return_val_if_fail (LB_IS_ENGINE (self), FALSE);

  return priv->partial_func != NULL;
}

/**
 * lb_engine_emit_partial:
 * @rows, @columns, @values: @count places of the result, and what is there
 * @raw: (nullable): four region sums a dot product, ++ -+ +- --, in electrons,
 *   NAN where there was no such pass
 *
 * For implementations: passes dot products on to the function that was set.
 */
void
lb_engine_emit_partial (LbEngine *self,
                        const guint32 *rows,
                        const guint32 *columns,
                        const float *values,
                        const float *raw,
                        gsize count)
{
  LbEnginePrivate *priv = lb_engine_get_instance_private (self);

  g_autofree guint32 *moved = NULL;

  g_return_if_fail (LB_IS_ENGINE (self));

  if (priv->partial_func == NULL || count == 0)
    return;
  if (priv->partial_row > 0)
    {
      moved = g_new (guint32, count);
      for (gsize i = 0; i < count; i++)
        moved[i] = rows[i] + priv->partial_row;
    }
  priv->partial_func (moved != NULL ? moved : rows, columns, values, raw, count, priv->partial_data);
}
