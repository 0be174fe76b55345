/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <gio/gio.h>
#include <lb-matrix.h>

G_BEGIN_DECLS

#define LB_MODEL_ERROR (lb_model_error_quark ())
GQuark lb_model_error_quark (void);
typedef enum
{
  LB_MODEL_ERROR_MISSING, /* file or tensor */
  LB_MODEL_ERROR_FORMAT,  /* damaged, or of a kind that is not read */
  LB_MODEL_ERROR_SHAPE,   /* tensor or vocabulary that does not fit config.json */
  LB_MODEL_ERROR_VALUE,   /* NaN or infinite weight */
  LB_MODEL_ERROR_TEXT,    /* text that cannot be used: empty, too long, token outside the vocabulary */
} LbModelError;

/* The products of a block that go to an engine. */
typedef enum
{
  LB_OP_WQ,
  LB_OP_WK,
  LB_OP_WV,
  LB_OP_QK, /* MM1, scores */
  LB_OP_AV, /* MM2 */
  LB_OP_WO,
  LB_OP_W1,
  LB_OP_W2,
  LB_N_OPS,
} LbTransformerOp;

/* "wq", "wk", "wv", "qk", "av", "wo", "w1", "w2". */
const char *lb_transformer_op_get_name (LbTransformerOp op);
gboolean lb_transformer_op_from_name (const char *name, LbTransformerOp *op);

typedef enum
{
  LB_ACTIVATION_RELU6,
  LB_ACTIVATION_GELU_TANH,
} LbActivation;

typedef struct
{
  guint width;  /* n_embd */
  guint hidden; /* of the feed-forward part: n_inner, else 4 n_embd */
  guint layers;
  guint heads;
  guint context; /* n_positions */
  guint vocabulary;
  LbActivation activation;
  double epsilon;     /* of LayerNorm */
  double slm_floor;   /* lambda of the quantiser */
  gboolean tied;      /* without a head of its own, the embedding of the tokens is the head (gpt2) */
  gboolean quantised; /* every operator has ranges */
  guint64 parameters;
} LbModelConfig;

#define LB_TYPE_MODEL (lb_model_get_type ())
G_DECLARE_FINAL_TYPE (LbModel, lb_model, LB, MODEL, GObject)

/*
 * Opens a folder in Hugging Face layout: config.json, model.safetensors (see
 * data/model.md), and beside them vocab.json and merges.txt (lb_tokenizer_new()).
 * Weights are memory-mapped. Everything is checked against config.json here;
 * values (NaN, infinite) too, except the layers of a model over 1 GiB, which
 * are checked when they are first used. Errors: LB_MODEL_ERROR.
 */
LbModel *lb_model_open (const char *directory, GError **error);
/* Looks for a model by folder, or by name among the shipped ones
 * (LIGHTBENCH_DATA_DIR, the installed data folder); NULL: the default one. */
LbModel *lb_model_open_named (const char *name_or_directory, GError **error);
const char *lb_model_get_directory (LbModel *self);
const char *lb_model_get_name (LbModel *self);
const LbModelConfig *lb_model_get_config (LbModel *self);
/* Weight of a linear operator, (outputs, inputs); belongs to the model,
 * read-only. NULL for LB_OP_QK and LB_OP_AV, and (with a warning) if a value of
 * a model over 1 GiB turns out NaN or infinite. */
const LbMatrix *lb_model_get_weight (LbModel *self, guint layer, LbTransformerOp op);
/* Six values: input lo, hi; weight or second operand lo, hi; output lo, hi; or
 * NULL where the model was never quantised. */
const float *lb_model_get_ranges (LbModel *self, guint layer, LbTransformerOp op);
/* Mean outputs of the four passes (++, --, +-, -+: signs of input and weight) in
 * normalised units, which the Gaussian noise is scaled by when its mean is
 * "calibrated": four values, for LB_OP_QK and LB_OP_AV (heads, 4); or NULL where
 * they were not calibrated. */
const float *lb_model_get_sigma_means (LbModel *self, guint layer, LbTransformerOp op);

G_END_DECLS
