/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-perplexity.h"

#include <glib/gi18n-lib.h>
#include <lb-gemm.h>
#include <math.h>

static double
row_loss (const float *logits, gsize count, guint32 target)
{
  float largest = logits[0];
  double sum = 0;

  for (gsize i = 1; i < count; i++)
    largest = MAX (largest, logits[i]);
  for (gsize i = 0; i < count; i++)
    sum += exp ((double) logits[i] - (double) largest);
  return log (sum) + (double) largest - (double) logits[target];
}

void
lb_cross_entropy (const LbMatrix *logits, const guint32 *targets, double *losses)
{
  g_return_if_fail (logits != NULL && targets != NULL && losses != NULL);

#pragma omp parallel for schedule(static) num_threads(lb_numerics_get_threads())
  for (gsize row = 0; row < logits->rows; row++)
    losses[row] = row_loss (lb_matrix_row (logits, row), logits->columns, targets[row]);
}

/* Means over what is known so far. The standard error is that of a mean of
 * windows weighted by their positions. */
static void
summarise (LbPerplexity *self)
{
  double sum = 0, square = 0;

  self->tokens = 0;
  for (guint i = 0; i < self->windows->len; i++)
    {
      const LbWindowLoss *window = &g_array_index (self->windows, LbWindowLoss, i);

      self->tokens += window->count;
      sum += window->count * window->loss;
    }
  self->loss = sum / (double) self->tokens;
  self->perplexity = exp (self->loss);
  for (guint i = 0; i < self->windows->len; i++)
    {
      const LbWindowLoss *window = &g_array_index (self->windows, LbWindowLoss, i);
      double part = window->count * (window->loss - self->loss);

      square += part * part;
    }
  self->loss_error = NAN;
  if (self->windows->len > 1)
    self->loss_error =
        sqrt (square * self->windows->len / (self->windows->len - 1.0)) / (double) self->tokens;
}

static gboolean
check_targets (LbForward *forward, const guint32 *tokens, gsize count, GError **error)
{
  LbModel *model = lb_forward_get_model (forward);
  const guint vocabulary = lb_model_get_config (model)->vocabulary;

  if (count < 2)
    {
      g_set_error (error, LB_MODEL_ERROR, LB_MODEL_ERROR_TEXT,
                   _ ("the text has %zu tokens: at least 2 are needed, one to read and one to predict"),
                   count);
      return FALSE;
    }
  for (gsize i = 0; i < count; i++)
    if (tokens[i] >= vocabulary)
      {
        g_set_error (error, LB_MODEL_ERROR, LB_MODEL_ERROR_TEXT,
                     _ ("The token %u is outside the vocabulary of the model “%s”, which ends at %u"),
                     tokens[i], lb_model_get_name (model), vocabulary - 1);
        return FALSE;
      }
  return TRUE;
}

gboolean
lb_perplexity_run (LbForward *forward,
                   const guint32 *tokens,
                   gsize count,
                   LbPerplexity *result,
                   LbPerplexityFunc func,
                   gpointer user_data,
                   GCancellable *cancellable,
                   GError **error)
{
  gsize context, windows;

  g_return_val_if_fail (LB_IS_FORWARD (forward), FALSE);
  g_return_val_if_fail (tokens != NULL || count == 0, FALSE);
  g_return_val_if_fail (result != NULL, FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  *result = (LbPerplexity){ .perplexity = NAN, .loss = NAN, .loss_error = NAN };
  result->windows = g_array_new (FALSE, FALSE, sizeof (LbWindowLoss));
  if (!check_targets (forward, tokens, count, error))
    return FALSE;
  context = lb_model_get_config (lb_forward_get_model (forward))->context;
  windows = MAX ((count - 1) / context, 1);
  for (gsize window = 0; window < windows; window++)
    {
      const gsize first = window * context, length = MIN (context, count - 1 - first);
      g_autoptr (LbMatrix) logits =
          lb_forward_run (forward, tokens + first, length, window, &result->counts, cancellable, error);
      g_autofree double *losses = g_new (double, length);
      LbWindowLoss found = { .first = first, .count = (guint) length };

      if (logits == NULL)
        return FALSE;
      lb_cross_entropy (logits, tokens + first + 1, losses);
      for (gsize i = 0; i < length; i++)
        found.loss += losses[i] / (double) length;
      g_array_append_val (result->windows, found);
      summarise (result);
      if (func != NULL)
        func (result, windows, user_data);
    }
  return TRUE;
}

void
lb_perplexity_clear (LbPerplexity *self)
{
  g_clear_pointer (&self->windows, g_array_unref);
}

gboolean
lb_perplexity_write_csv (const LbPerplexity *self, const char *path, GError **error)
{
  g_autoptr (GString) text = g_string_new ("window,first_token,tokens,loss,perplexity\n");

  g_return_val_if_fail (self != NULL && path != NULL, FALSE);

  for (guint i = 0; i < self->windows->len; i++)
    {
      const LbWindowLoss *window = &g_array_index (self->windows, LbWindowLoss, i);
      char loss[G_ASCII_DTOSTR_BUF_SIZE], perplexity[G_ASCII_DTOSTR_BUF_SIZE];

      g_ascii_formatd (loss, sizeof loss, "%.9g", window->loss);
      g_ascii_formatd (perplexity, sizeof perplexity, "%.9g", exp (window->loss));
      g_string_append_printf (text, "%u,%" G_GUINT64_FORMAT ",%u,%s,%s\n", i, window->first, window->count,
                              loss, perplexity);
    }
  return g_file_set_contents (path, text->str, (gssize) text->len, error);
}
