/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "lb-engine.h"

G_BEGIN_DECLS

/* The forward pass of quantisation-aware training: both operands and the result
 * on 256 levels of their ranges; needs a product with ranges
 * (LB_ENGINE_ERROR_RANGES). @random_rounding: of the result, as in training;
 * else to nearest. */
LbEngine *lb_int8_engine_new (gboolean random_rounding);

G_END_DECLS
