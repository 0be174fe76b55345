/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "lb-forward.h"

G_BEGIN_DECLS

/**
 * LbGenerateOptions: how a text is continued.
 * @count: tokens to add
 * @temperature: logits are divided by it before one is drawn; 0: the most likely token, always
 * @top_k: only that many of the most likely tokens are drawn from; 0: all
 * @vocabulary: only tokens below it are chosen (the tokenizer's size, where the
 *   model's is padded); 0: all
 * @seed: of the draws
 */
typedef struct
{
  guint count;
  double temperature;
  guint top_k;
  guint vocabulary;
  guint64 seed;
} LbGenerateOptions;

/* After each token, in the thread that computes; @tokens: prompt and what was
 * added so far. */
typedef void (*LbGenerateFunc) (const GArray *tokens, guint added, gpointer user_data);

/*
 * Prompt and continuation, of guint32. The model reads the last tokens that fit
 * its context; each step is a window of its own for the keys of random numbers,
 * so that noise is drawn anew. Equally likely tokens: the lowest id. Errors:
 * lb_forward_run()'s.
 */
GArray *lb_generate (LbForward *forward,
                     const guint32 *prompt,
                     gsize length,
                     const LbGenerateOptions *options,
                     LbEngineCounts *counts,
                     LbGenerateFunc func,
                     gpointer user_data,
                     GCancellable *cancellable,
                     GError **error);

/* One token of @logits (count), by @options; draw @nth of its seed. */
guint32 lb_generate_choose (const float *logits, gsize count, const LbGenerateOptions *options, guint64 nth);

G_END_DECLS
