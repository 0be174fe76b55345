/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-engine-private.h"

#include <glib/gi18n-lib.h>
#include <math.h>

/* Rows of a result begin on whole groups of random numbers. */
#define ROW_STEP 64

LbRandomKey
lb_product_random_key (const LbProduct *product)
{
  const LbRandomKey layer = lb_random_key_derive (lb_random_key (product->key.seed), product->key.layer);

  return lb_random_key_derive (layer, product->key.op);
}

guint64
lb_product_random_stream (const LbProduct *product, guint head, LbDraw draw)
{
  return (guint64) product->key.window << 32 | (guint64) (product->key.head + head) << 8 | (guint64) draw;
}

guint64
lb_product_random_index (const LbProduct *product, gsize row, gsize columns)
{
  const guint64 step = (columns + ROW_STEP - 1) / ROW_STEP * ROW_STEP;

  return (product->key.first_token + row) * step;
}

gboolean
lb_product_check_ranges (const LbProduct *product, const char *engine, GError **error)
{
  const float *ranges = product->ranges;

  if (ranges == NULL)
    {
      g_set_error (error, LB_ENGINE_ERROR, LB_ENGINE_ERROR_RANGES,
                   _ ("The engine “%s” needs the ranges of quantisation, which the model does not have: "
                      "train it with quantisation, or have ranges found on a text"),
                   engine);
      return FALSE;
    }
  for (guint i = 0; i < 6; i += 2)
    if (!isfinite (ranges[i]) || !isfinite (ranges[i + 1]) || ranges[i] > ranges[i + 1])
      {
        g_set_error (error, LB_ENGINE_ERROR, LB_ENGINE_ERROR_RANGES,
                     _ ("A range of quantisation goes from %g to %g, which is none: the model is damaged"),
                     (double) ranges[i], (double) ranges[i + 1]);
        return FALSE;
      }
  return TRUE;
}

void
lb_product_set_diagonal_error (const char *engine, GError **error)
{
  g_set_error (error, LB_ENGINE_ERROR, LB_ENGINE_ERROR_SHAPE,
               _ ("The engine “%s” multiplies every row with every row, not rows one by one"), engine);
}

void
lb_engine_emit_result (LbEngine *self, const LbMatrix *out)
{
  g_autofree guint32 *rows = NULL;
  g_autofree guint32 *columns = NULL;

  if (!lb_engine_wants_partial (self))
    return;
  rows = g_new (guint32, out->columns);
  columns = g_new (guint32, out->columns);
  for (gsize j = 0; j < out->columns; j++)
    columns[j] = (guint32) j;
  for (gsize i = 0; i < out->rows; i++)
    {
      for (gsize j = 0; j < out->columns; j++)
        rows[j] = (guint32) i;
      lb_engine_emit_partial (self, rows, columns, lb_matrix_row (out, i), NULL, out->columns);
    }
}

void
lb_engine_counts_add_products (LbEngineCounts *counts, const LbProduct *product, const LbMatrix *out)
{
  const guint64 dot_products = (guint64) out->rows * out->columns;

  counts->dot_products += dot_products;
  counts->macs += dot_products * product->a->columns;
}
