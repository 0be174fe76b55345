/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <lb-bench-noise-model.h>

#include "lb-engine.h"

G_BEGIN_DECLS

/*
 * Products as a bench would measure them, by the noise model that its
 * verification found: operands are clamped to the product's ranges where there
 * are any and split by sign; tables, floors and quantisation are in the model's
 * systematic part. Takes @model. @photons_per_mac: above 0, finite.
 */
LbEngine *lb_bench_model_engine_new (LbBenchNoiseModel *model, double photons_per_mac);

G_END_DECLS
