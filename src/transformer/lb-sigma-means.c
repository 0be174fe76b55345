/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-sigma-means.h"

#include <glib/gi18n-lib.h>
#include <lb-quantiser.h>
#include <math.h>

#include "lb-model-private.h"
#include "lb-observer.h"

#define LEVELS 256
#define PASSES 4
/* Keeps a scale above 0; as in the noise engine. */
#define TINY 1e-8

/* Sums over the outputs of a head so far, and their number. */
typedef struct
{
  double sum[PASSES];
  double count;
} HeadSum;

typedef struct
{
  guint heads;
  HeadSum *sums; /* (layers, operators, heads) */
} Finder;

static HeadSum *
get_sum (const Finder *self, guint layer, guint op, guint head)
{
  return &self->sums[(layer * LB_N_OPS + op) * self->heads + head];
}

/* Adds the columns of both signs of @values, row by row over the row's scale if
 * @by_row; sums[0]: positive parts, sums[1]: negative ones. */
static void
add_columns (const LbMatrix *values, gboolean by_row, double *sums[2])
{
  double scale[2] = { 0, 0 };

  for (gsize r = 0; r < values->rows && !by_row; r++)
    for (gsize c = 0; c < values->columns; c++)
      {
        scale[0] = fmax (scale[0], (double) lb_matrix_get (values, r, c));
        scale[1] = fmax (scale[1], -(double) lb_matrix_get (values, r, c));
      }
  for (gsize r = 0; r < values->rows; r++)
    {
      const float *row = lb_matrix_row (values, r);

      if (by_row)
        scale[0] = scale[1] = 0;
      for (gsize c = 0; c < values->columns && by_row; c++)
        {
          scale[0] = fmax (scale[0], (double) row[c]);
          scale[1] = fmax (scale[1], -(double) row[c]);
        }
      for (gsize c = 0; c < values->columns; c++)
        sums[row[c] < 0][c] += fabs ((double) row[c]) / (scale[row[c] < 0] + TINY);
    }
}

/* The sum of all outputs of a pass is the product of the operands' column sums. */
static void
observe (const LbProduct *product, const LbMatrix *out, gpointer user_data)
{
  static const guint input_part[PASSES] = { 0, 1, 0, 1 }, weight_part[PASSES] = { 0, 1, 1, 0 };
  const Finder *self = user_data;
  const gboolean attention = product->kind == LB_PRODUCT_ATTENTION;
  HeadSum *sum = get_sum (self, product->key.layer, product->key.op, attention ? product->key.head : 0);
  const float *ranges = product->ranges;
  const LbQuantiser first = { ranges[0], ranges[1], LEVELS, 0 };
  const LbQuantiser second = { ranges[2], ranges[3], LEVELS, (float) product->slm_floor };
  g_autoptr (LbMatrix) a = lb_quantiser_apply_matrix (&first, product->a);
  g_autoptr (LbMatrix) b = lb_quantiser_apply_matrix (&second, product->b);
  const gsize length = a->columns;
  g_autofree double *columns = g_new0 (double, 4 * length);
  double *inputs[2] = { columns, columns + length };
  double *weights[2] = { columns + 2 * length, columns + 3 * length };

  add_columns (a, TRUE, inputs);
  add_columns (b, FALSE, weights);
  for (guint pass = 0; pass < PASSES; pass++)
    for (gsize k = 0; k < length; k++)
      sum->sum[pass] += inputs[input_part[pass]][k] * weights[weight_part[pass]][k];
  sum->count += (double) a->rows * (double) b->rows;
}

static LbSigmaMeans *
make_means (const Finder *finder, const LbModelConfig *config)
{
  LbSigmaMeans *self = g_new0 (LbSigmaMeans, 1);

  self->layers = config->layers;
  self->values = g_malloc0_n (config->layers, sizeof *self->values);
  for (guint layer = 0; layer < config->layers; layer++)
    for (guint op = 0; op < LB_N_OPS; op++)
      {
        const guint count = lb_weights_count_sigma_means (config, (LbTransformerOp) op);
        float *values = g_new (float, count);

        for (guint i = 0; i < count; i++)
          {
            const HeadSum *sum = get_sum (finder, layer, op, i / PASSES);

            values[i] = (float) (sum->sum[i % PASSES] / sum->count);
          }
        self->values[layer][op] = values;
      }
  return self;
}

LbSigmaMeans *
lb_sigma_means_find (LbModel *model,
                     const guint32 *tokens,
                     gsize count,
                     guint windows,
                     LbRangesFunc func,
                     gpointer user_data,
                     GCancellable *cancellable,
                     GError **error)
{
  const LbModelConfig *config;
  g_autofree HeadSum *sums = NULL;
  Finder finder;

  g_return_val_if_fail (LB_IS_MODEL (model), NULL);
  g_return_val_if_fail (tokens != NULL || count == 0, NULL);
  g_return_val_if_fail (windows > 0, NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  config = lb_model_get_config (model);
  if (!config->quantised)
    {
      g_set_error (error, LB_ENGINE_ERROR, LB_ENGINE_ERROR_RANGES,
                   _ ("The model “%s” has no ranges of quantisation: find these first"),
                   lb_model_get_name (model));
      return NULL;
    }
  if (count == 0)
    {
      g_set_error_literal (error, LB_MODEL_ERROR, LB_MODEL_ERROR_TEXT,
                           _ ("The text to calibrate on is empty: give some pages of it"));
      return NULL;
    }
  count = MIN (count, (gsize) windows * config->context);
  sums = g_new0 (HeadSum, config->layers * LB_N_OPS * config->heads);
  finder = (Finder){ config->heads, sums };
  if (!lb_observe_windows (model, tokens, count, observe, &finder, func, user_data, cancellable, error))
    return NULL;
  return make_means (&finder, config);
}

void
lb_model_set_sigma_means (LbModel *model, const LbSigmaMeans *means)
{
  g_return_if_fail (LB_IS_MODEL (model));
  g_return_if_fail (means != NULL && means->layers == lb_model_get_config (model)->layers);

  for (guint layer = 0; layer < means->layers; layer++)
    for (guint op = 0; op < LB_N_OPS; op++)
      lb_model_set_sigma_mean (model, layer, (LbTransformerOp) op, means->values[layer][op]);
}

void
lb_sigma_means_free (LbSigmaMeans *self)
{
  if (self == NULL)
    return;
  for (guint i = 0; i < self->layers * LB_N_OPS; i++)
    g_free (self->values[i / LB_N_OPS][i % LB_N_OPS]);
  g_free (self->values);
  g_free (self);
}
