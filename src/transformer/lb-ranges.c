/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-ranges.h"

#include <glib/gi18n-lib.h>
#include <lb-statistics.h>
#include <math.h>
#include <string.h>

#include "lb-model-private.h"
#include "lb-observer.h"
#include "lb-tail-percentile.h"

#define INPUT_PERCENT 99.99
#define SECOND_PERCENT 98.0
#define OUTPUT_PERCENT 99.9999
#define WEIGHT_PERCENT 99.0
/* A range must have a width. */
#define SMALLEST_REACH 1e-6f

enum
{
  TAIL_INPUT,
  TAIL_SECOND, /* attention products alone */
  TAIL_OUTPUT,
  N_TAILS,
};

/* The values of all operators so far. */
typedef struct
{
  guint layers;
  LbTailPercentile (*tails)[LB_N_OPS][N_TAILS]; /* of each layer */
} RangeFinder;

static void
range_finder_clear (RangeFinder *self)
{
  for (guint layer = 0; layer < self->layers; layer++)
    for (guint op = 0; op < LB_N_OPS; op++)
      for (guint tail = 0; tail < N_TAILS; tail++)
        lb_tail_percentile_clear (&self->tails[layer][op][tail]);
  g_free (self->tails);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (RangeFinder, range_finder_clear)

static void
add_matrix (LbTailPercentile *tail, const LbMatrix *matrix)
{
  for (gsize row = 0; row < matrix->rows; row++)
    lb_tail_percentile_add (tail, lb_matrix_row (matrix, row), matrix->columns);
}

static void
observe (const LbProduct *product, const LbMatrix *out, gpointer user_data)
{
  RangeFinder *self = user_data;
  LbTailPercentile *tails = self->tails[product->key.layer][product->key.op];

  add_matrix (&tails[TAIL_INPUT], product->a);
  if (product->kind == LB_PRODUCT_ATTENTION)
    add_matrix (&tails[TAIL_SECOND], product->b);
  add_matrix (&tails[TAIL_OUTPUT], out);
}

/* How many values the operator takes and gives: @tokens of all windows, and
 * @squares, the sum of the squares of the windows' lengths. */
static void
init_tails (
    LbTailPercentile *tails, const LbModelConfig *config, LbTransformerOp op, gsize tokens, gsize squares)
{
  const gsize scores = config->heads * squares;
  const gsize values = tokens * config->width;
  const gsize hidden = tokens * config->hidden;

  lb_tail_percentile_init (&tails[TAIL_INPUT],
                           op == LB_OP_AV   ? scores
                           : op == LB_OP_W2 ? hidden
                                            : values,
                           INPUT_PERCENT);
  if (op == LB_OP_QK || op == LB_OP_AV)
    lb_tail_percentile_init (&tails[TAIL_SECOND], values, SECOND_PERCENT);
  lb_tail_percentile_init (&tails[TAIL_OUTPUT],
                           op == LB_OP_QK   ? scores
                           : op == LB_OP_W1 ? hidden
                                            : values,
                           OUTPUT_PERCENT);
}

static void
range_finder_init (RangeFinder *self, const LbModelConfig *config, gsize tokens, gsize squares)
{
  self->layers = config->layers;
  self->tails = g_malloc0_n (config->layers, sizeof *self->tails);
  for (guint layer = 0; layer < config->layers; layer++)
    for (guint op = 0; op < LB_N_OPS; op++)
      init_tails (self->tails[layer][op], config, (LbTransformerOp) op, tokens, squares);
}

static void
set_range (float *range, LbTailPercentile *tail)
{
  double high = lb_tail_percentile_get (tail);

  if (!(high > 0))
    high = tail->magnitude;
  range[1] = MAX ((float) high, SMALLEST_REACH);
  range[0] = tail->minimum >= 0 ? tail->minimum : -range[1];
  /* Values that are all the same, and positive. */
  if (range[0] >= range[1])
    range[0] = 0;
}

static void
set_weight_range (float *range, const LbMatrix *weight)
{
  g_autofree float *values = g_new (float, weight->rows * weight->columns);
  double high;

  for (gsize row = 0; row < weight->rows; row++)
    memcpy (values + row * weight->columns, lb_matrix_row (weight, row), weight->columns * sizeof (float));
  high = lb_percentile_float (values, weight->rows * weight->columns, WEIGHT_PERCENT);
  if (!(high > 0))
    high = lb_matrix_max_abs (weight);
  range[1] = MAX ((float) high, SMALLEST_REACH);
  range[0] = -range[1];
}

static gboolean
set_layer (LbRanges *self, LbModel *model, RangeFinder *finder, guint layer, GError **error)
{
  g_autoptr (LbLayer) held = lb_model_hold_layer (model, layer, error);

  if (held == NULL)
    return FALSE;
  for (guint op = 0; op < LB_N_OPS; op++)
    {
      LbTailPercentile *tails = finder->tails[layer][op];
      float *range = self->values[layer][op];

      set_range (range, &tails[TAIL_INPUT]);
      if (held->weight[op] != NULL)
        set_weight_range (range + 2, held->weight[op]);
      else
        set_range (range + 2, &tails[TAIL_SECOND]);
      set_range (range + 4, &tails[TAIL_OUTPUT]);
    }
  return TRUE;
}

LbRanges *
lb_ranges_find (LbModel *model,
                const guint32 *tokens,
                gsize count,
                guint windows,
                LbRangesFunc func,
                gpointer user_data,
                GCancellable *cancellable,
                GError **error)
{
  const LbModelConfig *config;
  g_auto (RangeFinder) finder = { 0 };
  g_autoptr (LbRanges) self = NULL;
  gsize last;

  g_return_val_if_fail (LB_IS_MODEL (model), NULL);
  g_return_val_if_fail (tokens != NULL || count == 0, NULL);
  g_return_val_if_fail (windows > 0, NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  if (count == 0)
    {
      g_set_error_literal (error, LB_MODEL_ERROR, LB_MODEL_ERROR_TEXT,
                           _ ("The text to find ranges on is empty: give some pages of it"));
      return NULL;
    }
  config = lb_model_get_config (model);
  count = MIN (count, (gsize) windows * config->context);
  last = count % config->context;
  range_finder_init (&finder, config, count, (count - last) * config->context + last * last);
  if (!lb_observe_windows (model, tokens, count, observe, &finder, func, user_data, cancellable, error))
    return NULL;
  self = g_new0 (LbRanges, 1);
  self->layers = config->layers;
  self->values = g_malloc0_n (config->layers, sizeof *self->values);
  for (guint layer = 0; layer < config->layers; layer++)
    if (!set_layer (self, model, &finder, layer, error))
      return NULL;
  return g_steal_pointer (&self);
}

void
lb_model_set_ranges (LbModel *model, const LbRanges *ranges)
{
  g_return_if_fail (LB_IS_MODEL (model));
  g_return_if_fail (ranges != NULL && ranges->layers == lb_model_get_config (model)->layers);

  for (guint layer = 0; layer < ranges->layers; layer++)
    for (guint op = 0; op < LB_N_OPS; op++)
      lb_model_set_range (model, layer, (LbTransformerOp) op, ranges->values[layer][op]);
}

void
lb_ranges_free (LbRanges *self)
{
  if (self == NULL)
    return;
  g_free (self->values);
  g_free (self);
}
