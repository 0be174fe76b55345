/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <lb-gemm.h>
#include <lb-target-clones.h>
#include <math.h>
#include <string.h>

#include "lb-noise-private.h"

/*
 * One Gaussian number a value, with the mean and the variance that the four
 * passes would have: with a = x_max, c = w_max of each sign,
 *   mean = (a+ x^+ - a- x^-) (c+ w^+ - c- w^-)^T
 *   shot variance = (a+^2 x^+ / s+ + a-^2 x^- / s-) (c+^2 w^+ + c-^2 w^-)^T
 * and the four Gaussian terms, whose means follow from the column means of w^.
 */

/* Tiles of the two products, each a call of its own: the larger, the less often
 * the operands are packed. */
#define TILE_ROWS 512
#define TILE_COLUMNS 768
/* Rows of the weights whose columns are added up together. */
#define BLOCK 64
/* Counts below which a Gaussian number does not stand for a Poisson one, and the
 * share of rows that may have them. */
#define FEW_COUNTS 20.0
#define FEW_ROWS 0.01

enum
{
  SLOT_SOURCE_MEAN,
  SLOT_SOURCE_VARIANCE,
  SLOT_WEIGHT_MEAN,
  SLOT_WEIGHT_VARIANCE,
  SLOT_VARIANCE,
};

typedef struct
{
  LbNoisePlan *plan;
  LbMatrix *source_mean;           /* (heads rows, depth) */
  LbMatrix *source_variance;       /* likewise */
  const LbMatrix *weight_mean;     /* (heads outputs, depth) */
  const LbMatrix *weight_variance; /* likewise */
  LbMatrix *variance;              /* (heads rows, outputs) shot variances; NULL: no shot noise */
  double *row_means;               /* (heads rows, 4) mean of x^ w^ over the outputs, each pass */
  LbRandomKey key;
} Moment;

/* plus and minus part weighed by two factors each: into @difference and @sum. */
LB_TARGET_CLONES
static void
combine_row (const float *plus,
             const float *minus,
             const float largest[2],
             const float weights[2],
             gsize count,
             float *difference,
             float *sum)
{
  const float plus_unit = largest[0], minus_unit = largest[1];
  const float plus_weight = weights[0], minus_weight = weights[1];

  for (gsize i = 0; i < count; i++)
    {
      difference[i] = plus_unit * plus[i] - minus_unit * minus[i];
      sum[i] = plus_weight * plus[i] + minus_weight * minus[i];
    }
}

/* lb_noise_coding_split() without a table, combine_row() and add_columns() in one
 * go over @coded; the weights are the larger operand and do not stay in the cache. */
LB_TARGET_CLONES
static void
weigh_row (const float *coded,
           const float largest[2],
           const float weights[2],
           gsize count,
           float *difference,
           float *sum,
           float *sums)
{
  const float plus_unit = largest[0], minus_unit = largest[1];
  const float per_plus = 1.0f / (plus_unit + LB_NOISE_TINY), per_minus = 1.0f / (minus_unit + LB_NOISE_TINY);
  const float plus_weight = weights[0], minus_weight = weights[1];

  for (gsize i = 0; i < count; i++)
    {
      const float plus = (coded[i] > 0.0f ? coded[i] : 0.0f) * per_plus;
      const float minus = (coded[i] < 0.0f ? -coded[i] : 0.0f) * per_minus;

      difference[i] = plus_unit * plus - minus_unit * minus;
      sum[i] = plus_weight * plus + minus_weight * minus;
      sums[i] += plus;
      sums[count + i] += minus;
    }
}

LB_TARGET_CLONES
static void
add_columns (float *sums, const float *values, gsize count)
{
  for (gsize i = 0; i < count; i++)
    sums[i] += values[i];
}

LB_TARGET_CLONES
static double
dot_row (const float *a, const float *b, gsize count)
{
  enum
  {
    LANES = 16
  };
  double lanes[LANES] = { 0 };
  double sum = 0;
  gsize i = 0;

  for (; i + LANES <= count; i += LANES)
    for (gsize lane = 0; lane < LANES; lane++)
      lanes[lane] += (double) (a[i + lane] * b[i + lane]);
  for (; i < count; i++)
    sum += (double) (a[i] * b[i]);
  for (gsize lane = 0; lane < LANES; lane++)
    sum += lanes[lane];
  return sum;
}

/* Rows @first to @last of the weights of @head; their columns are added up in
 * @sums, (2, depth). @parts: (2, depth), overwritten. */
static void
prepare_weight_rows (const Moment *self, gsize head, gsize first, gsize last, float *sums, float *parts)
{
  const LbNoisePlan *plan = self->plan;
  const float largest[2] = { plan->weights->largest[0][head], plan->weights->largest[1][head] };
  const float squares[2] = { largest[0] * largest[0], largest[1] * largest[1] };
  const gsize depth = plan->depth;

  memset (sums, 0, 2 * depth * sizeof (float));
  for (gsize row = first; row < last; row++)
    {
      const float *values = lb_matrix_row (plan->product->b, row);
      float *difference = lb_matrix_row (self->weight_mean, row);
      float *sum = lb_matrix_row (self->weight_variance, row);

      if (plan->weight_coding.table == NULL)
        {
          lb_noise_coding_code (&plan->weight_coding, values, depth, parts);
          weigh_row (parts, largest, squares, depth, difference, sum, sums);
          continue;
        }
      lb_noise_coding_split (&plan->weight_coding, values, depth, largest, parts, parts + depth);
      combine_row (parts, parts + depth, largest, squares, depth, difference, sum);
      add_columns (sums, parts, 2 * depth);
    }
}

static void
fill_weights (const Moment *self)
{
  const LbNoisePlan *plan = self->plan;
  const gsize blocks = (plan->outputs + BLOCK - 1) / BLOCK;
  const gsize depth = plan->depth;
  g_autofree float *sums = g_new (float, plan->heads *blocks * 2 * depth);

#pragma omp parallel num_threads(lb_noise_plan_get_threads(plan))
  {
    g_autofree float *parts = g_new (float, 2 * depth);

#pragma omp for schedule(static)
    for (gsize i = 0; i < plan->heads * blocks; i++)
      {
        const gsize head = i / blocks, start = head * plan->outputs;
        const gsize first = i % blocks * BLOCK;

        prepare_weight_rows (self, head, start + first, start + MIN (first + BLOCK, plan->outputs),
                             sums + i * 2 * depth, parts);
      }
  }
  for (guint part = 0; part < 2; part++)
    {
      plan->weights->column_means[part] = g_new0 (float, plan->heads *depth);
      for (gsize i = 0; i < plan->heads * blocks; i++)
        add_columns (plan->weights->column_means[part] + i / blocks * depth, sums + (2 * i + part) * depth,
                     depth);
      for (gsize i = 0; i < plan->heads * depth; i++)
        plan->weights->column_means[part][i] /= (float) plan->outputs;
    }
}

/* Takes the weights as they were kept, or fills them. */
static void
prepare_weights (Moment *self)
{
  LbNoisePlan *plan = self->plan;
  const gboolean found = lb_noise_plan_take_weights (plan, LB_NOISE_MOMENT);
  const guint slots[2] = { SLOT_WEIGHT_MEAN, SLOT_WEIGHT_VARIANCE };

  for (guint i = 0; i < 2 && !found; i++)
    lb_noise_shelf_allocate (plan->shelf, plan->weights, slots[i], i, plan->product->b->rows, plan->depth);
  self->weight_mean = plan->weights->values[0];
  self->weight_variance = plan->weights->values[1];
  if (!found)
    fill_weights (self);
}

/* @parts: (2, depth), overwritten. */
static void
prepare_source_row (const Moment *self, gsize row, float *parts)
{
  LbNoisePlan *plan = self->plan;
  const gsize depth = plan->depth, head = row / plan->rows;
  const float largest[2] = { plan->source_largest[0][row], plan->source_largest[1][row] };
  float weights[2] = { 0 };

  lb_noise_coding_split (&plan->source_coding, lb_matrix_row (plan->product->a, row), depth, largest, parts,
                         parts + depth);
  for (guint part = 0; part < 2; part++)
    plan->source_sum[part][row] = lb_noise_sum_row (parts + part * depth, depth);
  for (guint pass = 0; pass < LB_NOISE_PASSES; pass++)
    self->row_means[row * LB_NOISE_PASSES + pass] =
        dot_row (parts + lb_noise_source_part (pass) * depth,
                 plan->weights->column_means[lb_noise_weight_part (pass)] + head * depth, depth);
  for (guint part = 0; part < 2 && lb_noise_plan_has_shot_noise (plan); part++)
    weights[part] =
        (float) ((double) largest[part] * (double) largest[part] / lb_noise_plan_scale (plan, row, part));
  combine_row (parts, parts + depth, largest, weights, depth, lb_matrix_row (self->source_mean, row),
               lb_matrix_row (self->source_variance, row));
}

static void
prepare_source (Moment *self)
{
  const LbNoisePlan *plan = self->plan;

  self->row_means = g_new (double, plan->out->rows *LB_NOISE_PASSES);
#pragma omp parallel num_threads(lb_noise_plan_get_threads(plan))
  {
    g_autofree float *parts = g_new (float, 2 * plan->depth);

#pragma omp for schedule(static)
    for (gsize row = 0; row < plan->out->rows; row++)
      prepare_source_row (self, row, parts);
  }
}

/* Whether enough counts are expected for Gaussian numbers. */
static gboolean
has_enough_counts (const Moment *self)
{
  const LbNoisePlan *plan = self->plan;
  gsize few = 0;

  if (!lb_noise_plan_has_shot_noise (plan))
    return TRUE;
  for (gsize row = 0; row < plan->out->rows; row++)
    {
      gboolean is_dim = FALSE;

      for (guint pass = 0; pass < LB_NOISE_PASSES; pass++)
        if (lb_noise_plan_unit (plan, row, pass) > 0)
          is_dim |= lb_noise_plan_scale (plan, row, lb_noise_source_part (pass)) *
                        self->row_means[row * LB_NOISE_PASSES + pass] <
                    FEW_COUNTS;
      few += is_dim ? 1 : 0;
    }
  return (double) few <= FEW_ROWS * (double) plan->out->rows;
}

/* Means of the passes over all results. */
static void
find_means (const Moment *self, double means[LB_NOISE_PASSES])
{
  const gsize rows = self->plan->out->rows;

  for (gsize i = 0; i < rows * LB_NOISE_PASSES; i++)
    means[i % LB_NOISE_PASSES] += self->row_means[i] / (double) rows;
}

/* One tile of the means or of the variances. */
static void
run_tile (const Moment *self, gboolean is_variance, gsize head, gsize in_head, gsize column)
{
  const LbNoisePlan *plan = self->plan;
  const LbMatrix *source = is_variance ? self->source_variance : self->source_mean;
  const LbMatrix *weight = is_variance ? self->weight_variance : self->weight_mean;
  const LbMatrix *out = is_variance ? self->variance : plan->out;
  const gsize first = head * plan->rows + in_head;

  lb_gemm_nt_block (lb_matrix_row (source, first), source->stride,
                    lb_matrix_row (weight, head * plan->outputs + column), weight->stride, plan->depth,
                    lb_matrix_row (out, first) + column, out->stride, MIN (TILE_ROWS, plan->rows - in_head),
                    MIN (TILE_COLUMNS, plan->outputs - column));
}

static void
run_tiles (const Moment *self)
{
  const LbNoisePlan *plan = self->plan;
  const gsize down = (plan->rows + TILE_ROWS - 1) / TILE_ROWS;
  const gsize across = (plan->outputs + TILE_COLUMNS - 1) / TILE_COLUMNS;
  const gsize products = self->variance != NULL ? 2 : 1;

#pragma omp parallel for schedule(dynamic, 1) num_threads(lb_noise_plan_get_threads(plan))
  for (gsize i = 0; i < plan->heads * down * across * products; i++)
    {
      const gsize tile = i / products;

      run_tile (self, i % products == 1, tile / (down * across), tile % (down * across) / across * TILE_ROWS,
                tile % across * TILE_COLUMNS);
    }
}

gboolean
lb_noise_run_moment (LbNoisePlan *plan)
{
  const LbProduct *product = plan->product;
  LbNoiseScratch *scratch = &plan->shelf->scratch;
  double means[LB_NOISE_PASSES] = { 0 };
  gboolean enough;
  Moment self = {
    .plan = plan,
    .source_mean = lb_noise_scratch_get (scratch, SLOT_SOURCE_MEAN, product->a->rows, plan->depth),
    .source_variance = lb_noise_scratch_get (scratch, SLOT_SOURCE_VARIANCE, product->a->rows, plan->depth),
    .key = lb_product_random_key (product),
  };

  if (lb_noise_plan_has_shot_noise (plan))
    self.variance = lb_noise_scratch_get (scratch, SLOT_VARIANCE, plan->out->rows, plan->outputs);
  prepare_weights (&self);
  prepare_source (&self);
  enough = has_enough_counts (&self);
  if (enough)
    {
      run_tiles (&self);
      find_means (&self, means);
      lb_noise_plan_finish (plan, self.key, means, self.variance);
    }
  lb_matrix_unref (self.source_mean);
  lb_matrix_unref (self.source_variance);
  g_clear_pointer (&self.variance, lb_matrix_unref);
  g_free (self.row_means);
  return enough;
}
