/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "lb-forward.h"

G_BEGIN_DECLS

/* Windows of the context length that ranges are found on, unless told otherwise. */
#define LB_RANGES_WINDOWS 16

/**
 * LbRanges: quantiser ranges of all operators.
 * @values: (layers): for each operator input lo, hi; weight or second operand
 *   lo, hi; output lo, hi
 */
typedef struct
{
  guint layers;
  float (*values)[LB_N_OPS][6];
} LbRanges;

/* After each window, in the thread that computes. */
typedef void (*LbRangesFunc) (guint done, guint windows, gpointer user_data);

/*
 * Finds the ranges on the first @windows context windows of @tokens, digitally,
 * by the percentiles of the model's training (numpy's linear ones, of signed
 * values of all windows together): first operands 99.99, second operands of
 * attention products 98, outputs (before bias and mask) 99.9999; lo is the
 * smallest value if that is not negative, else -hi. Weights: +- their 99th
 * percentile. Where a percentile is no upper end (not above 0), the largest
 * magnitude takes its place. LB_MODEL_ERROR_TEXT without tokens.
 */
LbRanges *lb_ranges_find (LbModel *model,
                          const guint32 *tokens,
                          gsize count,
                          guint windows,
                          LbRangesFunc func,
                          gpointer user_data,
                          GCancellable *cancellable,
                          GError **error);
/* The model quantises by @ranges from now on, instead of by what its file has.
 * Not while it is in use. */
void lb_model_set_ranges (LbModel *model, const LbRanges *ranges);
void lb_ranges_free (LbRanges *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (LbRanges, lb_ranges_free)

G_END_DECLS
