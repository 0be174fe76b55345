/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-generate.h"

#include <lb-random.h>
#include <math.h>

/* Draws lie in a stream of their own under the seed. */
#define GENERATE_STREAM 0x67656e

typedef struct
{
  float logit;
  guint32 token;
} Candidate;

/* The most likely first, and of equals the lowest id. */
static int
compare_candidates (gconstpointer one, gconstpointer two)
{
  const Candidate *a = one, *b = two;

  if (a->logit != b->logit)
    return a->logit > b->logit ? -1 : 1;
  return a->token < b->token ? -1 : a->token > b->token;
}

static guint32
most_likely (const float *logits, gsize count)
{
  gsize best = 0;

  for (gsize i = 1; i < count; i++)
    if (logits[i] > logits[best])
      best = i;
  return (guint32) best;
}

guint32
lb_generate_choose (const float *logits, gsize count, const LbGenerateOptions *options, guint64 nth)
{
  g_autofree Candidate *candidates = NULL;
  double total = 0, point;
  gsize kept;

  g_return_val_if_fail (logits != NULL && count > 0 && options != NULL, 0);

  if (options->vocabulary > 0)
    count = MIN (count, options->vocabulary);
  if (!(options->temperature > 0) || options->top_k == 1)
    return most_likely (logits, count);
  candidates = g_new (Candidate, count);
  for (gsize i = 0; i < count; i++)
    candidates[i] = (Candidate){ logits[i], (guint32) i };
  qsort (candidates, count, sizeof *candidates, compare_candidates);
  kept = options->top_k > 0 ? MIN (options->top_k, count) : count;
  for (gsize i = 0; i < kept; i++)
    total += exp (((double) candidates[i].logit - (double) candidates[0].logit) / options->temperature);
  point = total * lb_random_uniform_at (lb_random_key (options->seed), GENERATE_STREAM, nth);
  for (gsize i = 0; i < kept; i++)
    {
      point -= exp (((double) candidates[i].logit - (double) candidates[0].logit) / options->temperature);
      if (point < 0)
        return candidates[i].token;
    }
  return candidates[kept - 1].token;
}

GArray *
lb_generate (LbForward *forward,
             const guint32 *prompt,
             gsize length,
             const LbGenerateOptions *options,
             LbEngineCounts *counts,
             LbGenerateFunc func,
             gpointer user_data,
             GCancellable *cancellable,
             GError **error)
{
  g_autoptr (GArray) tokens = g_array_new (FALSE, FALSE, sizeof (guint32));
  gsize context;

  g_return_val_if_fail (LB_IS_FORWARD (forward), NULL);
  g_return_val_if_fail (prompt != NULL || length == 0, NULL);
  g_return_val_if_fail (options != NULL, NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  context = lb_model_get_config (lb_forward_get_model (forward))->context;
  if (length > 0)
    g_array_append_vals (tokens, prompt, (guint) length);
  for (guint added = 0; added < options->count; added++)
    {
      const gsize read = MIN (tokens->len, context);
      const guint32 *all = (const guint32 *) (const void *) tokens->data;
      const guint32 *start = read > 0 ? all + (tokens->len - read) : NULL;
      g_autoptr (LbMatrix) logits = lb_forward_run (forward, start, read, added, counts, cancellable, error);
      guint32 token;

      if (logits == NULL)
        return NULL;
      token = lb_generate_choose (lb_matrix_row (logits, read - 1), logits->columns, options, added);
      g_array_append_val (tokens, token);
      if (func != NULL)
        func (tokens, added + 1, user_data);
    }
  return g_steal_pointer (&tokens);
}
