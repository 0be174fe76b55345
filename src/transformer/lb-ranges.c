/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-ranges.h"

#include <glib/gi18n-lib.h>
#include <lb-statistics.h>
#include <math.h>
#include <string.h>

#include "lb-model-private.h"
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

/* Multiplies digitally and looks at what goes in and what comes out. */
#define LB_TYPE_RANGE_FINDER (lb_range_finder_get_type ())
G_DECLARE_FINAL_TYPE (LbRangeFinder, lb_range_finder, LB, RANGE_FINDER, LbEngine)

struct _LbRangeFinder
{
  LbEngine parent_instance;
  LbEngine *digital;
  guint layers;
  LbTailPercentile (*tails)[LB_N_OPS][N_TAILS]; /* of each layer */
};

G_DEFINE_FINAL_TYPE (LbRangeFinder, lb_range_finder, LB_TYPE_ENGINE)

static const char *
lb_range_finder_get_name (LbEngine *engine)
{
  return "digital";
}

static void
add_matrix (LbTailPercentile *tail, const LbMatrix *matrix)
{
  for (gsize row = 0; row < matrix->rows; row++)
    lb_tail_percentile_add (tail, lb_matrix_row (matrix, row), matrix->columns);
}

static gboolean
lb_range_finder_multiply (LbEngine *engine,
                          const LbProduct *product,
                          LbMatrix *out,
                          LbEngineCounts *counts,
                          GCancellable *cancellable,
                          GError **error)
{
  LbRangeFinder *self = LB_RANGE_FINDER (engine);
  LbTailPercentile *tails = self->tails[product->key.layer][product->key.op];

  if (!lb_engine_multiply (self->digital, product, out, counts, cancellable, error))
    return FALSE;
  add_matrix (&tails[TAIL_INPUT], product->a);
  if (product->kind == LB_PRODUCT_ATTENTION)
    add_matrix (&tails[TAIL_SECOND], product->b);
  add_matrix (&tails[TAIL_OUTPUT], out);
  return TRUE;
}

static void
lb_range_finder_finalize (GObject *object)
{
  LbRangeFinder *self = LB_RANGE_FINDER (object);

  for (guint layer = 0; layer < self->layers; layer++)
    for (guint op = 0; op < LB_N_OPS; op++)
      for (guint tail = 0; tail < N_TAILS; tail++)
        lb_tail_percentile_clear (&self->tails[layer][op][tail]);
  g_free (self->tails);
  g_clear_object (&self->digital);
  G_OBJECT_CLASS (lb_range_finder_parent_class)->finalize (object);
}

static void
lb_range_finder_class_init (LbRangeFinderClass *klass)
{
  LbEngineClass *engine_class = LB_ENGINE_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = lb_range_finder_finalize;
  engine_class->get_name = lb_range_finder_get_name;
  engine_class->multiply = lb_range_finder_multiply;
}

static void
lb_range_finder_init (LbRangeFinder *self)
{
  self->digital = lb_digital_engine_new ();
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

static LbRangeFinder *
finder_new (const LbModelConfig *config, gsize tokens, gsize squares)
{
  LbRangeFinder *self = g_object_new (LB_TYPE_RANGE_FINDER, NULL);

  self->layers = config->layers;
  self->tails = g_malloc0_n (config->layers, sizeof *self->tails);
  for (guint layer = 0; layer < config->layers; layer++)
    for (guint op = 0; op < LB_N_OPS; op++)
      init_tails (self->tails[layer][op], config, (LbTransformerOp) op, tokens, squares);
  return self;
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
set_layer (LbRanges *self, LbModel *model, LbRangeFinder *finder, guint layer, GError **error)
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

static gboolean
read_windows (LbModel *model,
              LbRangeFinder *finder,
              const guint32 *tokens,
              gsize count,
              LbRangesFunc func,
              gpointer user_data,
              GCancellable *cancellable,
              GError **error)
{
  const gsize context = lb_model_get_config (model)->context;
  const guint windows = (guint) ((count + context - 1) / context);
  g_autoptr (LbForward) forward = lb_forward_new (model);

  lb_forward_set_engine (forward, LB_ENGINE (finder));
  for (guint window = 0; window < windows; window++)
    {
      const gsize first = window * context;
      g_autoptr (LbMatrix) logits = lb_forward_run (forward, tokens + first, MIN (context, count - first),
                                                    window, NULL, cancellable, error);

      if (logits == NULL)
        return FALSE;
      if (func != NULL)
        func (window + 1, windows, user_data);
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
  g_autoptr (LbRangeFinder) finder = NULL;
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
  finder = finder_new (config, count, (count - last) * config->context + last * last);
  if (!read_windows (model, finder, tokens, count, func, user_data, cancellable, error))
    return NULL;
  self = g_new0 (LbRanges, 1);
  self->layers = config->layers;
  self->values = g_malloc0_n (config->layers, sizeof *self->values);
  for (guint layer = 0; layer < config->layers; layer++)
    if (!set_layer (self, model, finder, layer, error))
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
