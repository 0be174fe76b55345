/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "lb-ranges.h"

G_BEGIN_DECLS

/**
 * LbSigmaMeans: mean outputs of the four passes (++ -- +- -+: signs of input
 * and weight) of all operators, in units of the scales of their operands: what
 * the calibrated Gaussian noise is in proportion to.
 * @values: (layers): for each operator 4 numbers, for qk and av 4 of each head
 */
typedef struct
{
  guint layers;
  float *(*values)[LB_N_OPS];
} LbSigmaMeans;

/*
 * Finds them on the first @windows context windows of @tokens, digitally, with
 * the operands clamped and quantised to 8 bits by the model's ranges (as the noise
 * engine does without look-up tables): over all rows, outputs and windows.
 * LB_ENGINE_ERROR_RANGES where the model has no ranges; LB_MODEL_ERROR_TEXT
 * without tokens.
 */
LbSigmaMeans *lb_sigma_means_find (LbModel *model,
                                   const guint32 *tokens,
                                   gsize count,
                                   guint windows,
                                   LbRangesFunc func,
                                   gpointer user_data,
                                   GCancellable *cancellable,
                                   GError **error);
/* The model's from now on. Not while it is in use. */
void lb_model_set_sigma_means (LbModel *model, const LbSigmaMeans *means);
void lb_sigma_means_free (LbSigmaMeans *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (LbSigmaMeans, lb_sigma_means_free)

G_END_DECLS
