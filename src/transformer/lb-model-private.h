/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "lb-model.h"
#include "lb-safetensors.h"

G_BEGIN_DECLS

/* Before the names of a checkpoint that holds more than the bare decoder. */
#define LB_CHECKPOINT_PREFIX "transformer."

/* Which names, layouts and extras a checkpoint has. */
typedef enum
{
  LB_ARCHITECTURE_OPTICAL_GPT, /* wq, wk, wv, wo, w1, w2 without biases; a head of its own */
  LB_ARCHITECTURE_GPT2,        /* c_attn, c_proj, c_fc in Conv1D layout, with biases; tied head */
} LbArchitecture;

/**
 * LbLayer: weights of one block, (outputs, inputs).
 * @bias: (1, outputs), or NULL: none
 * @copied: whether a matrix is a converted copy rather than a view of the file
 * @is_kept: whether the model keeps it, so that it is the same the next time
 */
typedef struct
{
  gatomicrefcount references;
  gboolean copied;
  gboolean is_kept;
  LbMatrix *weight[LB_N_OPS];
  LbMatrix *bias[LB_N_OPS];
  LbMatrix *norm_1_gain;
  LbMatrix *norm_1_bias;
  LbMatrix *norm_2_gain;
  LbMatrix *norm_2_bias;
} LbLayer;

/**
 * LbOuterWeights: what stands before and behind the blocks.
 * @token: E_token, (vocabulary, width)
 * @position: E_position, (context, width)
 * @head: (vocabulary, width); @token itself where tied
 * @head_bias: (1, vocabulary), or NULL: none
 */
typedef struct
{
  LbMatrix *token;
  LbMatrix *position;
  LbMatrix *norm_gain;
  LbMatrix *norm_bias;
  LbMatrix *head;
  LbMatrix *head_bias;
} LbOuterWeights;

/* Reads config.json of @directory. @architecture: by its model_type. Errors:
 * LB_MODEL_ERROR_MISSING, LB_MODEL_ERROR_FORMAT. */
gboolean lb_model_config_read (LbModelConfig *config,
                               LbArchitecture *architecture,
                               const char *directory,
                               GError **error);

/* The same of @size bytes of @data, which come from @path (for the messages). */
gboolean lb_model_config_parse (LbModelConfig *config,
                                LbArchitecture *architecture,
                                const char *data,
                                gsize size,
                                const char *path,
                                GError **error);

/* Checks that every tensor that @config asks for is there, and fits; counts
 * @parameters, and the bytes that they take in the files. */
gboolean lb_weights_check (const LbSafetensors *tensors,
                           LbArchitecture architecture,
                           const LbModelConfig *config,
                           guint64 *parameters,
                           guint64 *bytes,
                           GError **error);
/* Both after lb_weights_check(); LB_MODEL_ERROR_VALUE for NaN or infinite
 * values. */
LbLayer *lb_layer_load (const LbSafetensors *tensors,
                        LbArchitecture architecture,
                        const LbModelConfig *config,
                        guint layer,
                        GError **error);
gboolean lb_outer_weights_load (LbOuterWeights *outer,
                                const LbSafetensors *tensors,
                                LbArchitecture architecture,
                                GError **error);
void lb_outer_weights_clear (LbOuterWeights *outer);
/* Ranges of an operator, six values into @ranges; FALSE without an error where
 * there are none. LB_MODEL_ERROR_SHAPE, LB_MODEL_ERROR_VALUE. */
gboolean lb_weights_read_ranges (
    const LbSafetensors *tensors, guint layer, LbTransformerOp op, float *ranges, GError **error);
/* Names of the tensors; free with g_free(). */
char *lb_weights_get_range_name (guint layer, LbTransformerOp op);
char *lb_weights_get_sigma_mean_name (guint layer, LbTransformerOp op);
/* How many constants a set of sigma means has: four, for attention products four
 * a head. */
guint lb_weights_count_sigma_means (const LbModelConfig *config, LbTransformerOp op);
/* Sigma means of an operator into @means, as lb_model_get_sigma_means() gives
 * them; FALSE without an error where there are none. LB_MODEL_ERROR_SHAPE,
 * LB_MODEL_ERROR_VALUE. */
gboolean lb_weights_read_sigma_means (const LbSafetensors *tensors,
                                      const LbModelConfig *config,
                                      guint layer,
                                      LbTransformerOp op,
                                      float *means,
                                      GError **error);
LbLayer *lb_layer_ref (LbLayer *self);
void lb_layer_unref (LbLayer *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (LbLayer, lb_layer_unref)

/* The weights of @layer, loaded if need be; unref with lb_layer_unref().
 * Converted copies are kept as long as they fit a quarter of the memory. Any
 * thread. */
LbLayer *lb_model_hold_layer (LbModel *self, guint layer, GError **error);
/* Six values in the place of those of the file. */
void lb_model_set_range (LbModel *self, guint layer, LbTransformerOp op, const float *range);
/* As many as lb_weights_count_sigma_means() says, in the place of those of the file. */
void lb_model_set_sigma_mean (LbModel *self, guint layer, LbTransformerOp op, const float *means);
const LbOuterWeights *lb_model_get_outer_weights (LbModel *self);
const LbSafetensors *lb_model_get_tensors (LbModel *self);

G_END_DECLS
