/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <lb-gemm.h>
#include <lb-target-clones.h>
#include <string.h>

#include "lb-noise-private.h"

/*
 * Up to four passes, each a matrix product and a Poisson count for every value
 * (transformer: "Optical evaluation", step 3). Done tile by tile of the result,
 * so that what a pass yields is still in the cache when its counts are drawn.
 */

#define TILE_ROWS 256
#define TILE_COLUMNS 384

/* Slots of the scratch: the parts of source and weights. */
enum
{
  SLOT_SOURCE,
  SLOT_WEIGHT = 2,
};

typedef struct
{
  LbNoisePlan *plan;
  LbMatrix *source[2]; /* x^ of each part, (heads rows, depth); NULL: no light */
  LbMatrix *weight[2]; /* w^, (heads outputs, depth) */
  gboolean has_pass[LB_NOISE_PASSES];
  gsize tiles_down;
  gsize tiles_across;
  LbRandomKey key;
} Exact;

/* Codes and splits the rows of @values, and adds up those of the source. */
static void
split_operand (const LbNoisePlan *plan, gboolean is_source, const LbMatrix *values, LbMatrix *parts[2])
{
  const LbNoiseCoding *coding = is_source ? &plan->source_coding : &plan->weight_coding;
  float *const *largest = is_source ? plan->source_largest : plan->weight_largest;
  const gsize rows_of_one = is_source ? 1 : plan->outputs;

#pragma omp parallel for schedule(static)                                                                    \
    num_threads(lb_numerics_get_threads_for(values->rows * values->columns))
  for (gsize row = 0; row < values->rows; row++)
    {
      const gsize one = row / rows_of_one;
      const float scales[2] = { largest[0][one], largest[1][one] };
      float *plus = lb_matrix_row (parts[0], row), *minus = lb_matrix_row (parts[1], row);

      lb_noise_coding_split (coding, lb_matrix_row (values, row), values->columns, scales, plus, minus);
      if (is_source)
        {
          plan->source_sum[0][row] = lb_noise_sum_row (plus, values->columns);
          plan->source_sum[1][row] = lb_noise_sum_row (minus, values->columns);
        }
    }
}

LB_TARGET_CLONES
static void
scale_row (float *values, float scale, gsize count)
{
  for (gsize i = 0; i < count; i++)
    values[i] *= scale;
}

LB_TARGET_CLONES
static void
add_row (float *out, const float *values, float factor, gsize count)
{
  for (gsize i = 0; i < count; i++)
    out[i] += factor * values[i];
}

/* One pass of one row of a tile, its products in @values; returns the sum of
 * what was counted, in normalised units. */
static double
count_row (const Exact *self, guint pass, gsize row, gsize column, gsize count, float *values)
{
  const LbNoisePlan *plan = self->plan;
  const float unit = lb_noise_pass_sign (pass) * lb_noise_plan_unit (plan, row, pass);
  float *out = lb_matrix_row (plan->out, row) + column;
  double scale = 1;

  if (lb_noise_plan_has_shot_noise (plan))
    {
      const guint64 stream =
          lb_product_random_stream (plan->product, (guint) (row / plan->rows), (LbDraw) pass);
      const guint64 first = lb_product_random_index (plan->product, row % plan->rows, plan->outputs);

      scale = lb_noise_plan_scale (plan, row, lb_noise_source_part (pass));
      scale_row (values, (float) scale, count);
      lb_random_poisson_fill (self->key, stream, first + column, count, values, values);
    }
  add_row (out, values, (float) ((double) unit / scale), count);
  return lb_noise_sum_row (values, count) / scale;
}

/* @sums: what each pass counted in this tile. */
static void
run_tile (const Exact *self, gsize tile, float *buffer, double sums[LB_NOISE_PASSES])
{
  const LbNoisePlan *plan = self->plan;
  const gsize per_head = self->tiles_down * self->tiles_across;
  const gsize head = tile / per_head;
  const gsize in_head = tile % per_head / self->tiles_across * TILE_ROWS;
  const gsize column = tile % self->tiles_across * TILE_COLUMNS;
  const gsize first = head * plan->rows + in_head;
  const gsize rows = MIN (TILE_ROWS, plan->rows - in_head);
  const gsize columns = MIN (TILE_COLUMNS, plan->outputs - column);

  for (gsize row = 0; row < rows; row++)
    memset (lb_matrix_row (plan->out, first + row) + column, 0, columns * sizeof (float));
  for (guint pass = 0; pass < LB_NOISE_PASSES; pass++)
    {
      const LbMatrix *source = self->source[lb_noise_source_part (pass)];
      const LbMatrix *weight = self->weight[lb_noise_weight_part (pass)];

      if (!self->has_pass[pass])
        continue;
      lb_gemm_nt_block (lb_matrix_row (source, first), source->stride,
                        lb_matrix_row (weight, head * plan->outputs + column), weight->stride, plan->depth,
                        buffer, TILE_COLUMNS, rows, columns);
      for (gsize row = 0; row < rows; row++)
        sums[pass] += count_row (self, pass, first + row, column, columns, buffer + row * TILE_COLUMNS);
    }
}

static void
finish (const Exact *self, const double measured[LB_NOISE_PASSES])
{
  const LbNoisePlan *plan = self->plan;

#pragma omp parallel num_threads(lb_noise_plan_get_threads(plan))
  {
    g_autofree float *numbers = g_new (float, plan->outputs);

#pragma omp for schedule(static)
    for (gsize row = 0; row < plan->out->rows; row++)
      {
        double means[LB_NOISE_PASSES];

        lb_noise_plan_choose_means (plan, (guint) (row / plan->rows), measured, means);
        lb_noise_plan_finish_row (plan, self->key, row, 0, plan->outputs,
                                  lb_noise_plan_sigma (plan, row, means), numbers);
      }
  }
}

/* All tiles; the sums are added up in the order of the tiles, so that they do not
 * depend on who worked on which. */
static void
run_tiles (const Exact *self, double means[LB_NOISE_PASSES])
{
  const LbNoisePlan *plan = self->plan;
  const gsize tiles = plan->heads * self->tiles_down * self->tiles_across;
  g_autofree double *sums = g_new0 (double, tiles *LB_NOISE_PASSES);

#pragma omp parallel num_threads(lb_noise_plan_get_threads(plan))
  {
    float *buffer = g_aligned_alloc (TILE_ROWS * TILE_COLUMNS, sizeof (float), 64);

#pragma omp for schedule(dynamic, 1)
    for (gsize tile = 0; tile < tiles; tile++)
      run_tile (self, tile, buffer, sums + tile * LB_NOISE_PASSES);
    g_aligned_free (buffer);
  }
  for (guint pass = 0; pass < LB_NOISE_PASSES; pass++)
    {
      means[pass] = 0;
      for (gsize tile = 0; tile < tiles; tile++)
        means[pass] += sums[tile * LB_NOISE_PASSES + pass];
      means[pass] /= (double) plan->out->rows * (double) plan->outputs;
    }
}

void
lb_noise_run_exact (LbNoisePlan *plan)
{
  const LbProduct *product = plan->product;
  double means[LB_NOISE_PASSES];
  Exact self = {
    .plan = plan,
    .tiles_down = (plan->rows + TILE_ROWS - 1) / TILE_ROWS,
    .tiles_across = (plan->outputs + TILE_COLUMNS - 1) / TILE_COLUMNS,
    .key = lb_product_random_key (product),
  };

  for (guint part = 0; part < 2; part++)
    {
      self.source[part] =
          lb_noise_scratch_get (plan->scratch, SLOT_SOURCE + part, product->a->rows, plan->depth);
      self.weight[part] =
          lb_noise_scratch_get (plan->scratch, SLOT_WEIGHT + part, product->b->rows, plan->depth);
    }
  for (guint pass = 0; pass < LB_NOISE_PASSES; pass++)
    self.has_pass[pass] = lb_noise_plan_has_pass (plan, pass);
  split_operand (plan, TRUE, product->a, self.source);
  split_operand (plan, FALSE, product->b, self.weight);
  run_tiles (&self, means);
  finish (&self, means);
  for (guint part = 0; part < 2; part++)
    {
      lb_matrix_unref (self.source[part]);
      lb_matrix_unref (self.weight[part]);
    }
}
