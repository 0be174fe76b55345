/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <lb-gemm.h>

#include "lb-engine-private.h"

#define LB_TYPE_DIGITAL_ENGINE (lb_digital_engine_get_type ())
G_DECLARE_FINAL_TYPE (LbDigitalEngine, lb_digital_engine, LB, DIGITAL_ENGINE, LbEngine)

struct _LbDigitalEngine
{
  LbEngine parent_instance;
};

G_DEFINE_FINAL_TYPE (LbDigitalEngine, lb_digital_engine, LB_TYPE_ENGINE)

static const char *
lb_digital_engine_get_name (LbEngine *engine)
{
  return "digital";
}

/* Row i of @a with row i of @b; summed in double, so that the order of the sum
 * does not show. */
static void
multiply_diagonal (const LbMatrix *a, const LbMatrix *b, LbMatrix *out)
{
  const gsize length = a->columns;
  const guint threads = lb_numerics_get_threads ();

#pragma omp parallel for num_threads(threads) schedule(static)
  for (gsize i = 0; i < a->rows; i++)
    {
      const float *one = lb_matrix_row (a, i);
      const float *two = lb_matrix_row (b, i);
      double sum = 0.0;

      for (gsize k = 0; k < length; k++)
        sum += (double) one[k] * (double) two[k];
      lb_matrix_row (out, i)[0] = (float) sum;
    }
}

static gboolean
lb_digital_engine_multiply (LbEngine *engine,
                            const LbProduct *product,
                            LbMatrix *out,
                            LbEngineCounts *counts,
                            GCancellable *cancellable,
                            GError **error)
{
  if (product->pairs == LB_PAIRS_DIAGONAL)
    multiply_diagonal (product->a, product->b, out);
  else
    lb_gemm_nt_heads (product->a, product->b, out, lb_product_get_heads (product));
  lb_engine_emit_result (engine, out);
  if (counts != NULL)
    lb_engine_counts_add_products (counts, product, out);
  return TRUE;
}

static void
lb_digital_engine_class_init (LbDigitalEngineClass *klass)
{
  LbEngineClass *engine_class = LB_ENGINE_CLASS (klass);

  engine_class->takes_heads = TRUE;
  engine_class->get_name = lb_digital_engine_get_name;
  engine_class->multiply = lb_digital_engine_multiply;
}

static void
lb_digital_engine_init (LbDigitalEngine *self)
{
}

/**
 * lb_digital_engine_new:
 *
 * Exact products in float32 on the processor; ranges are not applied.
 *
 * Returns: (transfer full): an engine
 */
LbEngine *
lb_digital_engine_new (void)
{
  return g_object_new (LB_TYPE_DIGITAL_ENGINE, NULL);
}
