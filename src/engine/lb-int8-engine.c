/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-int8-engine.h"

#include <lb-gemm.h>

#include "lb-engine-private.h"
#include "lb-quantiser.h"

#define LEVELS 256

#define LB_TYPE_INT8_ENGINE (lb_int8_engine_get_type ())
G_DECLARE_FINAL_TYPE (LbInt8Engine, lb_int8_engine, LB, INT8_ENGINE, LbEngine)

struct _LbInt8Engine
{
  LbEngine parent_instance;
  gboolean random_rounding;
};

G_DEFINE_FINAL_TYPE (LbInt8Engine, lb_int8_engine, LB_TYPE_ENGINE)

static const char *
lb_int8_engine_get_name (LbEngine *engine)
{
  return "int8";
}

static void
round_results (LbInt8Engine *self, const LbProduct *product, LbMatrix *out)
{
  const LbQuantiser quantiser = { product->ranges[4], product->ranges[5], LEVELS, 0 };
  const LbRandomKey key = lb_product_random_key (product);
  const guint64 stream = lb_product_random_stream (product, 0, LB_DRAW_ROUNDING);

#pragma omp parallel num_threads(lb_numerics_get_threads_for(out->rows * out->columns))
  {
    g_autofree float *dither = g_new (float, out->columns);

#pragma omp for schedule(static)
    for (gsize row = 0; row < out->rows; row++)
      {
        float *values = lb_matrix_row (out, row);

        if (self->random_rounding)
          {
            lb_random_uniform_fill (key, stream, lb_product_random_index (product, row, out->columns),
                                    out->columns, dither);
            lb_quantiser_apply_row_random (&quantiser, values, dither, out->columns, values);
          }
        else
          lb_quantiser_apply_row (&quantiser, values, out->columns, values);
      }
  }
}

static gboolean
lb_int8_engine_multiply (LbEngine *engine,
                         const LbProduct *product,
                         LbMatrix *out,
                         LbEngineCounts *counts,
                         GCancellable *cancellable,
                         GError **error)
{
  LbInt8Engine *self = LB_INT8_ENGINE (engine);
  const float *ranges = product->ranges;
  LbQuantiser first, second;
  g_autoptr (LbMatrix) a = NULL;
  g_autoptr (LbMatrix) b = NULL;

  if (!lb_product_check_ranges (product, "int8", error))
    return FALSE;
  if (product->pairs != LB_PAIRS_ALL)
    {
      lb_product_set_diagonal_error ("int8", error);
      return FALSE;
    }
  first = (LbQuantiser){ ranges[0], ranges[1], LEVELS, 0 };
  second = (LbQuantiser){ ranges[2], ranges[3], LEVELS, (float) product->slm_floor };
  a = lb_quantiser_apply_matrix (&first, product->a);
  b = lb_quantiser_apply_matrix (&second, product->b);
  lb_gemm_nt (a, b, out);
  round_results (self, product, out);
  lb_engine_emit_result (engine, out);
  if (counts != NULL)
    lb_engine_counts_add_products (counts, product, out);
  return TRUE;
}

static void
lb_int8_engine_class_init (LbInt8EngineClass *klass)
{
  LbEngineClass *engine_class = LB_ENGINE_CLASS (klass);

  engine_class->get_name = lb_int8_engine_get_name;
  engine_class->multiply = lb_int8_engine_multiply;
}

static void
lb_int8_engine_init (LbInt8Engine *self)
{
}

/**
 * lb_int8_engine_new:
 * @random_rounding: whether results are rounded up or down by chance, as in
 *   training, or to nearest
 *
 * Returns: (transfer full): an engine
 */
LbEngine *
lb_int8_engine_new (gboolean random_rounding)
{
  LbInt8Engine *self = g_object_new (LB_TYPE_INT8_ENGINE, NULL);

  self->random_rounding = random_rounding;
  return LB_ENGINE (self);
}
