/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-bench-model-engine.h"

#include <lb-gemm.h>
#include <lb-operand.h>
#include <math.h>

#include "lb-engine-private.h"

#define LB_TYPE_BENCH_MODEL_ENGINE (lb_bench_model_engine_get_type ())
G_DECLARE_FINAL_TYPE (LbBenchModelEngine, lb_bench_model_engine, LB, BENCH_MODEL_ENGINE, LbEngine)

struct _LbBenchModelEngine
{
  LbEngine parent_instance;
  LbBenchNoiseModel *model;
  double photons_per_mac;
};

G_DEFINE_FINAL_TYPE (LbBenchModelEngine, lb_bench_model_engine, LB_TYPE_ENGINE)

/* One product, split by sign; passes as LbBenchNoiseInput counts them. */
typedef struct
{
  LbOperand *a;
  LbOperand *b;
  LbMatrix *products[LB_NOISE_PASSES]; /* (rows, outputs) of x^ w^ */
  double *sums_w[LB_NOISE_PASSES];     /* (outputs) */
  double pass_mean[LB_NOISE_PASSES];   /* in output units */
  double mean_x;
} Passes;

static const LbMatrix *
source_of (const Passes *self, guint pass)
{
  return pass % 2 == 0 ? self->a->positive : self->a->negative;
}

static const LbMatrix *
weight_of (const Passes *self, guint pass)
{
  return pass / 2 == 0 ? self->b->positive : self->b->negative;
}

static void
passes_clear (Passes *self)
{
  for (guint pass = 0; pass < LB_NOISE_PASSES; pass++)
    {
      g_clear_pointer (&self->products[pass], lb_matrix_unref);
      g_free (self->sums_w[pass]);
    }
  g_clear_pointer (&self->a, lb_operand_free);
  g_clear_pointer (&self->b, lb_operand_free);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Passes, passes_clear)

static double
sum_row (const LbMatrix *matrix, gsize row)
{
  double sum = 0;

  for (gsize i = 0; i < matrix->columns; i++)
    sum += (double) lb_matrix_get (matrix, row, i);
  return sum;
}

/* Products of a pass, and the sums that go with them. */
static void
multiply_pass (Passes *self, guint pass)
{
  const LbMatrix *source = source_of (self, pass), *weight = weight_of (self, pass);
  double mean = 0;

  self->products[pass] = lb_matrix_new (source->rows, weight->rows);
  lb_gemm_nt (source, weight, self->products[pass]);
  self->sums_w[pass] = g_new (double, weight->rows);
  for (gsize i = 0; i < weight->rows; i++)
    self->sums_w[pass][i] = sum_row (weight, i);
  for (gsize row = 0; row < source->rows; row++)
    mean += sum_row (self->products[pass], row) * (double) self->a->scale[row] * (double) self->b->scale[0];
  self->pass_mean[pass] = mean / (double) source->rows / (double) weight->rows;
}

/* Splits and multiplies; the light is shared by all elements of the source in
 * every pass that is made. */
static void
passes_init (Passes *self, const LbMatrix *a, const LbMatrix *b)
{
  guint parts = 0;

  self->a = lb_operand_new (a, LB_SCALE_BY_ROW);
  self->b = lb_operand_new (b, LB_SCALE_WHOLE);
  for (guint pass = 0; pass < LB_NOISE_PASSES; pass++)
    if (source_of (self, pass) != NULL && weight_of (self, pass) != NULL)
      multiply_pass (self, pass);
  for (guint part = 0; part < 2; part++)
    if (source_of (self, part) != NULL)
      {
        parts++;
        for (gsize row = 0; row < a->rows; row++)
          self->mean_x += sum_row (source_of (self, part), row) / ((double) a->rows * (double) a->columns);
      }
  self->mean_x /= parts;
}

/* What the noise model asks about one row of the result; @buffer: (3 + 2
 * LB_NOISE_PASSES, outputs), the first line is for the results. */
static void
describe_row (const Passes *passes, gsize row, double *buffer, LbBenchNoiseInput *input)
{
  const gsize outputs = passes->b->positive->rows;
  double *scale = buffer + outputs;

  input->count = outputs;
  input->mean_x = passes->mean_x;
  input->scale = scale;
  for (gsize i = 0; i < outputs; i++)
    scale[i] = (double) passes->a->scale[row] * (double) passes->b->scale[0];
  for (guint pass = 0; pass < LB_NOISE_PASSES; pass++)
    {
      double *products = buffer + (2 + 2 * pass) * outputs, *sums_x = products + outputs;

      if (passes->products[pass] == NULL)
        continue;
      for (gsize i = 0; i < outputs; i++)
        {
          products[i] = (double) lb_matrix_get (passes->products[pass], row, i);
          sums_x[i] = sum_row (source_of (passes, pass), row);
        }
      input->used[pass] = TRUE;
      input->signs[pass] = pass % 2 == pass / 2 ? 1 : -1;
      input->products[pass] = products;
      input->sums_x[pass] = sums_x;
      input->sums_w[pass] = passes->sums_w[pass];
      input->pass_mean[pass] = passes->pass_mean[pass];
    }
}

static void
add_noise (const LbBenchModelEngine *self, const Passes *passes, const LbProduct *product, LbMatrix *out)
{
  const gsize outputs = out->columns;
  const LbRandomKey place = lb_product_random_key (product);
  const LbRandomKey key =
      lb_random_key_derive (place, lb_product_random_stream (product, 0, LB_DRAW_GAUSSIAN));
  /* The systematic part stays with the weights: the same in every window. */
  const LbRandomKey tile_key = lb_random_key_derive (place, product->key.head);

#pragma omp parallel num_threads(lb_numerics_get_threads_for(out->rows *outputs))
  {
    g_autofree double *buffer = g_new (double, (2 + 2 * LB_NOISE_PASSES) * outputs);
    g_autofree guint64 *tiles = g_new (guint64, outputs);

    for (gsize i = 0; i < outputs; i++)
      tiles[i] = i;
#pragma omp for schedule(static)
    for (gsize row = 0; row < out->rows; row++)
      {
        LbBenchNoiseInput input = { .length = product->a->columns,
                                    .photons_per_mac = self->photons_per_mac,
                                    .tiles = tiles };

        describe_row (passes, row, buffer, &input);
        lb_bench_noise_model_apply (self->model, &input, key, tile_key,
                                    lb_product_random_index (product, row, outputs), buffer);
        for (gsize i = 0; i < outputs; i++)
          lb_matrix_row (out, row)[i] = (float) buffer[i];
      }
  }
}

static gboolean
lb_bench_model_engine_multiply (LbEngine *engine,
                                const LbProduct *product,
                                LbMatrix *out,
                                LbEngineCounts *counts,
                                GCancellable *cancellable,
                                GError **error)
{
  LbBenchModelEngine *self = LB_BENCH_MODEL_ENGINE (engine);
  const float *ranges = product->ranges;
  g_autoptr (LbMatrix) a = NULL;
  g_autoptr (LbMatrix) b = NULL;
  g_auto (Passes) passes = { NULL };

  if (product->pairs != LB_PAIRS_ALL)
    {
      lb_product_set_diagonal_error ("noise", error);
      return FALSE;
    }
  if (ranges != NULL && !lb_product_check_ranges (product, "noise", error))
    return FALSE;
  a = lb_product_clamp (product->a, ranges);
  b = lb_product_clamp (product->b, ranges != NULL ? ranges + 2 : NULL);
  passes_init (&passes, a, b);
  add_noise (self, &passes, product, out);
  lb_engine_emit_result (engine, out);
  if (counts != NULL)
    lb_engine_counts_add_products (counts, product, out);
  return TRUE;
}

static const char *
lb_bench_model_engine_get_name (LbEngine *engine)
{
  return "noise";
}

static void
lb_bench_model_engine_finalize (GObject *object)
{
  g_clear_pointer (&LB_BENCH_MODEL_ENGINE (object)->model, lb_bench_noise_model_free);
  G_OBJECT_CLASS (lb_bench_model_engine_parent_class)->finalize (object);
}

static void
lb_bench_model_engine_class_init (LbBenchModelEngineClass *klass)
{
  LbEngineClass *engine_class = LB_ENGINE_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = lb_bench_model_engine_finalize;
  engine_class->get_name = lb_bench_model_engine_get_name;
  engine_class->multiply = lb_bench_model_engine_multiply;
}

static void
lb_bench_model_engine_init (LbBenchModelEngine *self)
{
}

/**
 * lb_bench_model_engine_new:
 * @model: (transfer full): of a bench
 * @photons_per_mac: at the weight plane, per pass and element
 *
 * Returns: (transfer full): an engine
 */
LbEngine *
lb_bench_model_engine_new (LbBenchNoiseModel *model, double photons_per_mac)
{
  LbBenchModelEngine *self;

  g_return_val_if_fail (model != NULL, NULL);
  g_return_val_if_fail (photons_per_mac > 0 && isfinite (photons_per_mac), NULL);

  self = g_object_new (LB_TYPE_BENCH_MODEL_ENGINE, NULL);
  self->model = model;
  self->photons_per_mac = photons_per_mac;
  return LB_ENGINE (self);
}
