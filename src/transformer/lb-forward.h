/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <lb-engine.h>
#include "lb-model.h"

G_BEGIN_DECLS

/*
 * LbForward: a forward pass over one context window. Every operator goes to an
 * engine of its own (default: digital); embedding, LayerNorm, softmax,
 * activation, residual and head are digital.
 */
#define LB_TYPE_FORWARD (lb_forward_get_type ())
G_DECLARE_FINAL_TYPE (LbForward, lb_forward, LB, FORWARD, GObject)

LbForward *lb_forward_new (LbModel *model);
LbModel *lb_forward_get_model (LbForward *self);
/* All operators of all layers. */
void lb_forward_set_engine (LbForward *self, LbEngine *engine);
/* One operator of one layer. */
void lb_forward_route (LbForward *self, guint layer, LbTransformerOp op, LbEngine *engine);
void lb_forward_set_seed (LbForward *self, guint64 seed);
/* Logits (count, vocabulary); NULL and an error: LB_MODEL_ERROR_TEXT for a
 * window longer than the context or a token outside the vocabulary, or the
 * engine's, after its layer and operator. @window: its index in the text, for
 * the keys of random numbers. @counts (may be NULL): the products of all
 * engines are added, digital ones too. A dot product that an engine could not
 * measure (NAN, counted as unusable) does not end the pass: the digital product
 * of the same clamped operands takes its place. One run at a time. */
LbMatrix *lb_forward_run (LbForward *self,
                          const guint32 *tokens,
                          gsize count,
                          guint64 window,
                          LbEngineCounts *counts,
                          GCancellable *cancellable,
                          GError **error);
/*
 * The operands of one operator as they arrive there, with everything before it
 * computed digitally: a (m, d), b (n, d) such that its output is a b^T. For
 * LB_OP_QK: a = q, b = k of @head, (count, width / heads), before scaling and
 * mask; for LB_OP_AV: a = softmax (count, count), b = v^T (width / heads, count).
 * @head is ignored for the others.
 */
gboolean lb_forward_get_operands (LbForward *self,
                                  const guint32 *tokens,
                                  gsize count,
                                  guint layer,
                                  guint head,
                                  LbTransformerOp op,
                                  LbMatrix **a,
                                  LbMatrix **b,
                                  GError **error);
/* Output of the first LayerNorm of @layer, (count, width), digital. */
LbMatrix *
lb_forward_get_normalised (LbForward *self, const guint32 *tokens, gsize count, guint layer, GError **error);

G_END_DECLS
