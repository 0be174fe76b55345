/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "lb-experiment-private.h"
#include "lb-experiment-text.h"

G_BEGIN_DECLS

/* Figures of a model experiment. @groups: of LbExperimentGroup, by layer and
 * operator. @ideal, @measured: logits (tokens, vocabulary); @measured NULL while
 * it runs. @predictions: of LbPrediction, or NULL. */
void lb_model_experiment_add_pass_figures (GPtrArray *figures,
                                           const LbExperimentText *text,
                                           const GArray *groups,
                                           const LbMatrix *ideal,
                                           const LbMatrix *measured,
                                           const GPtrArray *predictions);

G_END_DECLS
