/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "lb-engine-private.h"
#include "lb-noise-engine.h"
#include "lb-quantiser.h"

G_BEGIN_DECLS

/* Keeps a scale above 0; from the paper's code. */
#define LB_NOISE_TINY 1e-8f
/* Passes in the order ++ -- +- -+, source sign first: that of LbDraw and of
 * LbProduct's sigma_means. */
#define LB_NOISE_PASSES 4

/* 0: the positive part of an operand, 1: the negative one. */
static inline guint
lb_noise_source_part (guint pass)
{
  return pass == 1 || pass == 3 ? 1 : 0;
}

static inline guint
lb_noise_weight_part (guint pass)
{
  return pass == 1 || pass == 2 ? 1 : 0;
}

static inline float
lb_noise_pass_sign (guint pass)
{
  return pass < 2 ? 1.0f : -1.0f;
}

/**
 * LbNoiseCoding: how the values of one operand are shown.
 * @low, @high: clamped to; infinite: not clamped
 * @quantiser: its @levels 0: none
 * @table: (nullable)
 */
typedef struct
{
  float low;
  float high;
  LbQuantiser quantiser;
  const LbLookupTable *table;
} LbNoiseCoding;

/* Of the operand @values, with its range lo, hi (or NULL); @bits as in
 * LbNoiseOptions, @floor of the quantiser. */
LbNoiseCoding lb_noise_coding (
    const LbMatrix *values, const float *range, guint bits, float floor, const LbLookupTable *table);
/* Largest positive and negative part (as a positive number) of the coded values. */
void lb_noise_coding_extremes (const LbNoiseCoding *self, const float *values, gsize count, float largest[2]);
/* Coded values, before they are split and go through the table. */
void lb_noise_coding_code (const LbNoiseCoding *self, const float *values, gsize count, float *out);
/* Codes a row and splits it by sign: plus[i] of max (v, 0) / (largest[0] + tiny),
 * minus[i] of max (-v, 0) / (largest[1] + tiny), by the table if there is one. */
void lb_noise_coding_split (const LbNoiseCoding *self,
                            const float *values,
                            gsize count,
                            const float largest[2],
                            float *plus,
                            float *minus);
/* Sum of @count values, in double and in an order that does not depend on the
 * machine. */
double lb_noise_sum_row (const float *values, gsize count);

/* Memory for the operands of a product, kept from one product to the next. */
#define LB_NOISE_SCRATCH_SLOTS 5
typedef struct
{
  float *data[LB_NOISE_SCRATCH_SLOTS];
  gsize size[LB_NOISE_SCRATCH_SLOTS]; /* in floats */
} LbNoiseScratch;

/* (rows, columns) in slot @slot, not cleared; valid until the slot is asked for again. */
LbMatrix *lb_noise_scratch_get (LbNoiseScratch *self, guint slot, gsize rows, gsize columns);
void lb_noise_scratch_clear (LbNoiseScratch *self);

/**
 * LbNoiseWeights: what a mode made of the second operand of a product.
 * @is_kept: stays on the shelf, with memory of its own; else it is of this product alone
 * @of, @mode, @heads, @floor, @has_range, @range: made of what, and how
 * @largest: (heads) w_max of each part
 * @values: exact: the coded parts; moment: the operands of the means and of the variances
 * @column_means: (heads, depth) moment: of w^ of each part, over the outputs
 */
typedef struct
{
  gboolean is_kept;
  LbMatrix *of;
  LbNoiseMode mode;
  guint heads;
  double floor;
  gboolean has_range;
  float range[2];
  float *largest[2];
  LbMatrix *values[2];
  float *column_means[2];
} LbNoiseWeights;

/* An engine's memory: of the product at hand, and of weights that stay as they are. */
typedef struct
{
  LbNoiseScratch scratch;
  GPtrArray *kept;
  gsize bytes;
} LbNoiseShelf;

/* The weights of @product for @mode: as they were left, with @found, or empty. */
LbNoiseWeights *
lb_noise_shelf_take (LbNoiseShelf *self, LbNoiseMode mode, const LbProduct *product, gboolean *found);
/* After the product. */
void lb_noise_shelf_give_back (LbNoiseWeights *weights);
/* Memory for @values[@nth], not cleared; in slot @slot of the scratch if it is not kept. */
LbMatrix *lb_noise_shelf_allocate (
    LbNoiseShelf *self, LbNoiseWeights *weights, guint slot, guint nth, gsize rows, gsize columns);
void lb_noise_shelf_clear (LbNoiseShelf *self);

/**
 * LbNoisePlan: one product on its way through the engine.
 * @rows, @outputs, @depth: m, n, d of one head
 * @g: standard deviation of the Gaussian noise over the mean of a pass; 0: none
 * @source_largest: (heads rows) x_max of each part
 * @source_sum: (heads rows) sum of x^ of each part
 * @weights: of the mode that runs
 */
typedef struct
{
  const LbProduct *product;
  LbMatrix *out;
  LbNoiseShelf *shelf;
  guint heads;
  gsize rows;
  gsize outputs;
  gsize depth;
  double photons;
  double g;
  LbSigmaMean sigma_mean;
  LbNoiseCoding source_coding;
  LbNoiseCoding weight_coding;
  float *source_largest[2];
  double *source_sum[2];
  LbNoiseWeights *weights;
} LbNoisePlan;

/* Finds the codings and the source's largest values; source_sum is left for the modes to fill. */
void lb_noise_plan_init (LbNoisePlan *self,
                         const LbNoiseOptions *options,
                         LbNoiseShelf *shelf,
                         const LbProduct *product,
                         LbMatrix *out);
/* Sets @weights, with their largest values; FALSE: the rest is for the mode to fill. */
gboolean lb_noise_plan_take_weights (LbNoisePlan *self, LbNoiseMode mode);
void lb_noise_plan_clear (LbNoisePlan *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (LbNoisePlan, lb_noise_plan_clear)

/* Threads for its loops over operands and results. */
guint lb_noise_plan_get_threads (const LbNoisePlan *self);
/* Whether any value of a part of the source, or of the weights, is above 0. */
gboolean lb_noise_plan_has_part (const LbNoisePlan *self, gboolean is_source, guint part);
/* Whether the pass can add anything to the result. */
gboolean lb_noise_plan_has_pass (const LbNoisePlan *self, guint pass);
gboolean lb_noise_plan_has_shot_noise (const LbNoisePlan *self);
/* s of row @row of all heads and a part of the source, in counts a unit of
 * x^ w^: N d / (sum x^ + tiny). */
double lb_noise_plan_scale (const LbNoisePlan *self, gsize row, guint part);
/* x_max w_max of a row and pass, without its sign. */
float lb_noise_plan_unit (const LbNoisePlan *self, gsize row, guint pass);
/* Adds Gaussian noise to all results and clamps them to their range. @measured: means
 * of the passes, in normalised units, over all of the product. @variance: (nullable)
 * of the shot noise, (heads rows, outputs): then one number stands for both. */
void lb_noise_plan_finish (const LbNoisePlan *self,
                           LbRandomKey key,
                           const double measured[LB_NOISE_PASSES],
                           const LbMatrix *variance);

void lb_noise_run_exact (LbNoisePlan *self);
/* FALSE, with nothing done: more than 1 % of the rows have a pass with fewer than
 * 20 expected counts a value, which no Gaussian number stands for. */
gboolean lb_noise_run_moment (LbNoisePlan *self);

/*
 * Plain, slow reference in double precision, written from the formulas alone: the
 * mean and the variance of every value of the result, before the output's range;
 * (heads rows, outputs) each. For tests.
 */
void
lb_noise_reference (const LbNoiseOptions *options, const LbProduct *product, double *mean, double *variance);

G_END_DECLS
