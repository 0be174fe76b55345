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

/* Rows of the source and of the weights in one tile, all parts counted. */
#define TILE_ROWS 512
#define TILE_COLUMNS 768
#define BUFFER_STRIDE (TILE_COLUMNS + 16)

/* Slots of the scratch. */
enum
{
  SLOT_SOURCE,
  SLOT_WEIGHT,
};

/*
 * Stack: the coded parts of an operand, strip by strip: the positive parts of the
 * rows of a strip, then their negative ones. One product of two strips is thus
 * that of all passes, and the operands are read and packed half as often.
 * @values: (heads rows parts, depth)
 * @rows: of one head
 * @strip: rows of a strip; the last of a head may have fewer
 * @has: which parts have light; others are not there
 */
typedef struct
{
  LbMatrix *values;
  gsize rows;
  gsize strip;
  gsize parts;
  gboolean has[2];
} Stack;

typedef struct
{
  LbNoisePlan *plan;
  Stack source;
  Stack weight;
  LbRandomKey key;
} Exact;

/* A strip of all those of all heads. */
typedef struct
{
  gsize head;
  gsize in_head; /* its first row */
  gsize count;   /* rows of one part */
  gsize first;   /* its first row in the stack */
} Strip;

static gsize
stack_strips_of_head (const Stack *self)
{
  return (self->rows + self->strip - 1) / self->strip;
}

static Strip
stack_strip (const Stack *self, gsize head, gsize number)
{
  const gsize in_head = number * self->strip;

  return (Strip){ head, in_head, MIN (self->strip, self->rows - in_head),
                  (head * self->rows + in_head) * self->parts };
}

/* Where the rows of a part begin in its strip. */
static gsize
stack_offset (const Stack *self, const Strip *strip, guint part)
{
  return part == 1 && self->has[0] ? strip->count : 0;
}

static void
stack_init (Stack *self, LbNoisePlan *plan, gboolean is_source)
{
  const LbMatrix *values = is_source ? plan->product->a : plan->product->b;

  self->rows = values->rows / plan->heads;
  for (guint part = 0; part < 2; part++)
    self->has[part] = lb_noise_plan_has_part (plan, is_source, part);
  self->parts = (gsize) self->has[0] + (gsize) self->has[1];
  self->strip = (is_source ? TILE_ROWS : TILE_COLUMNS) / MAX (self->parts, 1);
}

/* Codes and splits one row of an operand; @parts: where each part goes, (depth). */
static void
split_operand_row (
    const LbNoisePlan *plan, gboolean is_source, const LbMatrix *values, gsize row, float *const parts[2])
{
  const LbNoiseCoding *coding = is_source ? &plan->source_coding : &plan->weight_coding;
  float *const *largest = is_source ? plan->source_largest : plan->weights->largest;
  const gsize one = is_source ? row : row / plan->outputs;
  const float scales[2] = { largest[0][one], largest[1][one] };

  lb_noise_coding_split (coding, lb_matrix_row (values, row), plan->depth, scales, parts[0], parts[1]);
  for (guint part = 0; part < 2 && is_source; part++)
    plan->source_sum[part][row] = lb_noise_sum_row (parts[part], plan->depth);
}

/* Fills a stack, and adds up the rows of the source. */
static void
stack_fill (const Stack *self, const LbNoisePlan *plan, gboolean is_source)
{
  const LbMatrix *values = is_source ? plan->product->a : plan->product->b;

#pragma omp parallel num_threads(lb_numerics_get_threads_for(values->rows * values->columns))
  {
    g_autofree float *dark = g_new (float, plan->depth);

#pragma omp for schedule(static)
    for (gsize row = 0; row < values->rows; row++)
      {
        const gsize in_head = row % self->rows;
        const Strip strip = stack_strip (self, row / self->rows, in_head / self->strip);
        float *parts[2] = { dark, dark };

        for (guint part = 0; part < 2; part++)
          if (self->has[part])
            parts[part] = lb_matrix_row (self->values, strip.first + stack_offset (self, &strip, part) +
                                                           in_head - strip.in_head);
        split_operand_row (plan, is_source, values, row, parts);
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
run_tile (
    const Exact *self, const Strip *source, const Strip *weight, float *buffer, double sums[LB_NOISE_PASSES])
{
  const LbNoisePlan *plan = self->plan;
  const LbMatrix *a = self->source.values, *b = self->weight.values;

  lb_gemm_nt_block (lb_matrix_row (a, source->first), a->stride, lb_matrix_row (b, weight->first), b->stride,
                    plan->depth, buffer, BUFFER_STRIDE, source->count * self->source.parts,
                    weight->count * self->weight.parts);
  for (gsize i = 0; i < source->count; i++)
    {
      const gsize row = source->head * plan->rows + source->in_head + i;

      memset (lb_matrix_row (plan->out, row) + weight->in_head, 0, weight->count * sizeof (float));
      for (guint pass = 0; pass < LB_NOISE_PASSES; pass++)
        {
          const guint source_part = lb_noise_source_part (pass), weight_part = lb_noise_weight_part (pass);
          float *values = buffer + (stack_offset (&self->source, source, source_part) + i) * BUFFER_STRIDE +
                          stack_offset (&self->weight, weight, weight_part);

          if (self->source.has[source_part] && self->weight.has[weight_part])
            sums[pass] += count_row (self, pass, row, weight->in_head, weight->count, values);
        }
    }
}

/* All tiles; the sums are added up in the order of the tiles, so that they do not
 * depend on who worked on which. */
static void
run_tiles (const Exact *self, double means[LB_NOISE_PASSES])
{
  const LbNoisePlan *plan = self->plan;
  const gsize down = stack_strips_of_head (&self->source), across = stack_strips_of_head (&self->weight);
  const gsize tiles = plan->heads * down * across;
  g_autofree double *sums = g_new0 (double, tiles *LB_NOISE_PASSES);

#pragma omp parallel num_threads(lb_noise_plan_get_threads(plan))
  {
    float *buffer = g_aligned_alloc (TILE_ROWS * BUFFER_STRIDE, sizeof (float), 64);

#pragma omp for schedule(dynamic, 1)
    for (gsize tile = 0; tile < tiles; tile++)
      {
        const gsize head = tile / (down * across);
        const Strip source = stack_strip (&self->source, head, tile % (down * across) / across);
        const Strip weight = stack_strip (&self->weight, head, tile % across);

        run_tile (self, &source, &weight, buffer, sums + tile * LB_NOISE_PASSES);
      }
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

static void
clear_out (LbMatrix *out)
{
  for (gsize row = 0; row < out->rows; row++)
    memset (lb_matrix_row (out, row), 0, out->columns * sizeof (float));
}

/* Takes the weights as they were kept, or fills them. */
static void
prepare_weights (Stack *self, LbNoisePlan *plan)
{
  const gboolean found = lb_noise_plan_take_weights (plan, LB_NOISE_EXACT);

  stack_init (self, plan, FALSE);
  self->values = found ? plan->weights->values[0]
                       : lb_noise_shelf_allocate (plan->shelf, plan->weights, SLOT_WEIGHT, 0,
                                                  plan->product->b->rows * self->parts, plan->depth);
  if (!found)
    stack_fill (self, plan, FALSE);
}

void
lb_noise_run_exact (LbNoisePlan *plan)
{
  double means[LB_NOISE_PASSES] = { 0 };
  Exact self = { .plan = plan, .key = lb_product_random_key (plan->product) };

  prepare_weights (&self.weight, plan);
  stack_init (&self.source, plan, TRUE);
  self.source.values = lb_noise_scratch_get (&plan->shelf->scratch, SLOT_SOURCE,
                                             plan->product->a->rows * self.source.parts, plan->depth);
  stack_fill (&self.source, plan, TRUE);
  if (self.source.parts > 0 && self.weight.parts > 0)
    run_tiles (&self, means);
  else
    clear_out (plan->out);
  lb_noise_plan_finish (plan, self.key, means, NULL);
  lb_matrix_unref (self.source.values);
}
