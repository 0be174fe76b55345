/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "lb-forward.h"

G_BEGIN_DECLS

/* How well one window was predicted. */
typedef struct
{
  guint64 first; /* index in the text of its first token */
  guint count;   /* positions that were predicted */
  double loss;   /* mean over them, in nats */
} LbWindowLoss;

/**
 * LbPerplexity: how well a model predicts a text.
 * @perplexity: exp (loss)
 * @loss: mean over all positions, in nats
 * @loss_error: standard error of @loss, from the spread of the windows; NAN for one window
 * @tokens: positions that were predicted
 * @windows: of LbWindowLoss, in the order of the text
 * @counts: of all products
 */
typedef struct
{
  double perplexity;
  double loss;
  double loss_error;
  guint64 tokens;
  GArray *windows;
  LbEngineCounts counts;
} LbPerplexity;

/* After each window, in the thread that computes. */
typedef void (*LbPerplexityFunc) (const LbPerplexity *so_far, guint64 windows, gpointer user_data);

/*
 * -log softmax (logits of row i)[targets[i]] in nats into @losses, (rows).
 * Every logit of the row counts, those of padded tokens too.
 */
void lb_cross_entropy (const LbMatrix *logits, const guint32 *targets, double *losses);

/*
 * Perplexity of @tokens in windows of the context length without overlap: a
 * window reads tokens first .. first + context - 1 and predicts the one after
 * each; every position of it counts. What is left at the end and does not fill a
 * window is read only where it is all there is, so that all positions have had as
 * much context as any other.
 * LB_MODEL_ERROR_TEXT for fewer than two tokens; else lb_forward_run()'s. What
 * was found so far is in @result also on error; clear it with
 * lb_perplexity_clear().
 */
gboolean lb_perplexity_run (LbForward *forward,
                            const guint32 *tokens,
                            gsize count,
                            LbPerplexity *result,
                            LbPerplexityFunc func,
                            gpointer user_data,
                            GCancellable *cancellable,
                            GError **error);
void lb_perplexity_clear (LbPerplexity *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (LbPerplexity, lb_perplexity_clear)
/* window, first token, tokens, loss, perplexity: one line a window. */
gboolean lb_perplexity_write_csv (const LbPerplexity *self, const char *path, GError **error);

G_END_DECLS
