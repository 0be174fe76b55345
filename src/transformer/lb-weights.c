/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-model-private.h"

#include <glib/gi18n-lib.h>
#include <string.h>

/* What a size in the tables below stands for. */
typedef enum
{
  SIZE_ONE,
  SIZE_WIDTH,
  SIZE_THREE_WIDTHS,
  SIZE_HIDDEN,
  SIZE_CONTEXT,
  SIZE_VOCABULARY,
} Size;

/* A tensor of a checkpoint: in rows and columns as they are used, (outputs,
 * inputs); @place: where the matrix goes in LbLayer or LbOuterWeights; @part:
 * which of the equal parts of its rows (c_attn holds three weights). */
typedef struct
{
  const char *name;
  Size rows;
  Size columns;
  LbTensorLayout layout;
  gsize place;
  guint part;
  gboolean optional; /* where LbModelConfig.tied */
} Entry;

#define WEIGHT(op) (G_STRUCT_OFFSET (LbLayer, weight) + (op) * sizeof (LbMatrix *))
#define BIAS(op) (G_STRUCT_OFFSET (LbLayer, bias) + (op) * sizeof (LbMatrix *))
#define LAYER(member) G_STRUCT_OFFSET (LbLayer, member)
#define OUTER(member) G_STRUCT_OFFSET (LbOuterWeights, member)

static const Entry optical_layer[] = {
  { "ln_1.weight", SIZE_ONE, SIZE_WIDTH, LB_TENSOR_PLAIN, LAYER (norm_1_gain) },
  { "ln_1.bias", SIZE_ONE, SIZE_WIDTH, LB_TENSOR_PLAIN, LAYER (norm_1_bias) },
  { "attn.wq.weight", SIZE_WIDTH, SIZE_WIDTH, LB_TENSOR_PLAIN, WEIGHT (LB_OP_WQ) },
  { "attn.wk.weight", SIZE_WIDTH, SIZE_WIDTH, LB_TENSOR_PLAIN, WEIGHT (LB_OP_WK) },
  { "attn.wv.weight", SIZE_WIDTH, SIZE_WIDTH, LB_TENSOR_PLAIN, WEIGHT (LB_OP_WV) },
  { "attn.wo.weight", SIZE_WIDTH, SIZE_WIDTH, LB_TENSOR_PLAIN, WEIGHT (LB_OP_WO) },
  { "ln_2.weight", SIZE_ONE, SIZE_WIDTH, LB_TENSOR_PLAIN, LAYER (norm_2_gain) },
  { "ln_2.bias", SIZE_ONE, SIZE_WIDTH, LB_TENSOR_PLAIN, LAYER (norm_2_bias) },
  { "mlp.w1.weight", SIZE_HIDDEN, SIZE_WIDTH, LB_TENSOR_PLAIN, WEIGHT (LB_OP_W1) },
  { "mlp.w2.weight", SIZE_WIDTH, SIZE_HIDDEN, LB_TENSOR_PLAIN, WEIGHT (LB_OP_W2) },
  { NULL },
};

static const Entry optical_outer[] = {
  { "wte.weight", SIZE_VOCABULARY, SIZE_WIDTH, LB_TENSOR_PLAIN, OUTER (token) },
  { "wpe.weight", SIZE_CONTEXT, SIZE_WIDTH, LB_TENSOR_PLAIN, OUTER (position) },
  { "ln_f.weight", SIZE_ONE, SIZE_WIDTH, LB_TENSOR_PLAIN, OUTER (norm_gain) },
  { "ln_f.bias", SIZE_ONE, SIZE_WIDTH, LB_TENSOR_PLAIN, OUTER (norm_bias) },
  { "head.weight", SIZE_VOCABULARY, SIZE_WIDTH, LB_TENSOR_PLAIN, OUTER (head) },
  { "head.bias", SIZE_ONE, SIZE_VOCABULARY, LB_TENSOR_PLAIN, OUTER (head_bias) },
  { NULL },
};

static const Entry gpt2_layer[] = {
  { "ln_1.weight", SIZE_ONE, SIZE_WIDTH, LB_TENSOR_PLAIN, LAYER (norm_1_gain) },
  { "ln_1.bias", SIZE_ONE, SIZE_WIDTH, LB_TENSOR_PLAIN, LAYER (norm_1_bias) },
  { "attn.c_attn.weight", SIZE_THREE_WIDTHS, SIZE_WIDTH, LB_TENSOR_TRANSPOSED, WEIGHT (LB_OP_WQ), 0 },
  { "attn.c_attn.weight", SIZE_THREE_WIDTHS, SIZE_WIDTH, LB_TENSOR_TRANSPOSED, WEIGHT (LB_OP_WK), 1 },
  { "attn.c_attn.weight", SIZE_THREE_WIDTHS, SIZE_WIDTH, LB_TENSOR_TRANSPOSED, WEIGHT (LB_OP_WV), 2 },
  { "attn.c_attn.bias", SIZE_ONE, SIZE_THREE_WIDTHS, LB_TENSOR_PLAIN, BIAS (LB_OP_WQ), 0 },
  { "attn.c_attn.bias", SIZE_ONE, SIZE_THREE_WIDTHS, LB_TENSOR_PLAIN, BIAS (LB_OP_WK), 1 },
  { "attn.c_attn.bias", SIZE_ONE, SIZE_THREE_WIDTHS, LB_TENSOR_PLAIN, BIAS (LB_OP_WV), 2 },
  { "attn.c_proj.weight", SIZE_WIDTH, SIZE_WIDTH, LB_TENSOR_TRANSPOSED, WEIGHT (LB_OP_WO) },
  { "attn.c_proj.bias", SIZE_ONE, SIZE_WIDTH, LB_TENSOR_PLAIN, BIAS (LB_OP_WO) },
  { "ln_2.weight", SIZE_ONE, SIZE_WIDTH, LB_TENSOR_PLAIN, LAYER (norm_2_gain) },
  { "ln_2.bias", SIZE_ONE, SIZE_WIDTH, LB_TENSOR_PLAIN, LAYER (norm_2_bias) },
  { "mlp.c_fc.weight", SIZE_HIDDEN, SIZE_WIDTH, LB_TENSOR_TRANSPOSED, WEIGHT (LB_OP_W1) },
  { "mlp.c_fc.bias", SIZE_ONE, SIZE_HIDDEN, LB_TENSOR_PLAIN, BIAS (LB_OP_W1) },
  { "mlp.c_proj.weight", SIZE_WIDTH, SIZE_HIDDEN, LB_TENSOR_TRANSPOSED, WEIGHT (LB_OP_W2) },
  { "mlp.c_proj.bias", SIZE_ONE, SIZE_WIDTH, LB_TENSOR_PLAIN, BIAS (LB_OP_W2) },
  { NULL },
};

static const Entry gpt2_outer[] = {
  { "wte.weight", SIZE_VOCABULARY, SIZE_WIDTH, LB_TENSOR_PLAIN, OUTER (token) },
  { "wpe.weight", SIZE_CONTEXT, SIZE_WIDTH, LB_TENSOR_PLAIN, OUTER (position) },
  { "ln_f.weight", SIZE_ONE, SIZE_WIDTH, LB_TENSOR_PLAIN, OUTER (norm_gain) },
  { "ln_f.bias", SIZE_ONE, SIZE_WIDTH, LB_TENSOR_PLAIN, OUTER (norm_bias) },
  { "lm_head.weight", SIZE_VOCABULARY, SIZE_WIDTH, LB_TENSOR_PLAIN, OUTER (head), 0, TRUE },
  { NULL },
};

/* What stands before ".range" and ".sigma_mean". */
static const char *const op_stems[LB_N_OPS] = {
  [LB_OP_WQ] = "attn.wq",  [LB_OP_WK] = "attn.wk", [LB_OP_WV] = "attn.wv", [LB_OP_QK] = "attn.mm1",
  [LB_OP_AV] = "attn.mm2", [LB_OP_WO] = "attn.wo", [LB_OP_W1] = "mlp.w1",  [LB_OP_W2] = "mlp.w2",
};

static gsize
get_size (const LbModelConfig *config, Size size)
{
  switch (size)
    {
    case SIZE_ONE:
      return 1;
    case SIZE_WIDTH:
      return config->width;
    case SIZE_THREE_WIDTHS:
      return (gsize) 3 * config->width;
    case SIZE_HIDDEN:
      return config->hidden;
    case SIZE_CONTEXT:
      return config->context;
    case SIZE_VOCABULARY:
      return config->vocabulary;
    default:
      g_assert_not_reached ();
    }
}

/* A tensor by its name in the block (@layer below 0: outside of any), with or
 * without the prefix of a language-model checkpoint. */
static const LbTensor *
find (const LbSafetensors *tensors, int layer, const char *name)
{
  static const char *const prefixes[] = { "", LB_CHECKPOINT_PREFIX };

  for (guint i = 0; i < G_N_ELEMENTS (prefixes); i++)
    {
      g_autofree char *full = layer < 0 ? g_strconcat (prefixes[i], name, NULL)
                                        : g_strdup_printf ("%sh.%d.%s", prefixes[i], layer, name);
      const LbTensor *tensor = lb_safetensors_lookup (tensors, full);

      if (tensor != NULL)
        return tensor;
    }
  return NULL;
}

static gboolean
check_entries (const Entry *entry,
               const LbSafetensors *tensors,
               int layer,
               const LbModelConfig *config,
               guint64 *parameters,
               guint64 *bytes,
               GError **error)
{
  for (; entry->name != NULL; entry++)
    {
      const LbTensor *tensor = find (tensors, layer, entry->name);

      if (tensor == NULL && entry->optional && config->tied)
        continue;
      if (tensor == NULL)
        {
          g_autofree char *full =
              layer < 0 ? g_strdup (entry->name) : g_strdup_printf ("h.%d.%s", layer, entry->name);

          g_set_error (error, LB_MODEL_ERROR, LB_MODEL_ERROR_MISSING,
                       _ ("model.safetensors: the tensor “%s”, which config.json asks for, is missing"),
                       full);
          return FALSE;
        }
      if (!lb_tensor_check (tensor, get_size (config, entry->rows), get_size (config, entry->columns),
                            entry->layout, error))
        return FALSE;
      if (entry->part > 0)
        continue;
      *parameters += tensor->values;
      *bytes += tensor->size;
    }
  return TRUE;
}

gboolean
lb_weights_check (const LbSafetensors *tensors,
                  LbArchitecture architecture,
                  const LbModelConfig *config,
                  guint64 *parameters,
                  guint64 *bytes,
                  GError **error)
{
  gboolean gpt2 = architecture == LB_ARCHITECTURE_GPT2;

  *parameters = 0;
  *bytes = 0;
  if (!check_entries (gpt2 ? gpt2_outer : optical_outer, tensors, -1, config, parameters, bytes, error))
    return FALSE;
  for (guint layer = 0; layer < config->layers; layer++)
    if (!check_entries (gpt2 ? gpt2_layer : optical_layer, tensors, (int) layer, config, parameters, bytes,
                        error))
      return FALSE;
  return TRUE;
}

/* Loads the matrices of @entry into @target, which is LbLayer or LbOuterWeights. */
static gboolean
load_entries (const Entry *entry,
              const LbSafetensors *tensors,
              int layer,
              gpointer target,
              gboolean *copied,
              GError **error)
{
  for (; entry->name != NULL; entry++)
    {
      const LbTensor *tensor = find (tensors, layer, entry->name);
      LbMatrix **place = G_STRUCT_MEMBER_P (target, entry->place);
      gboolean thirds = entry->rows == SIZE_THREE_WIDTHS || entry->columns == SIZE_THREE_WIDTHS;

      if (tensor == NULL)
        continue;
      *copied = *copied || !lb_tensor_is_plain_float (tensor, entry->layout);
      if (entry->rows == SIZE_THREE_WIDTHS)
        {
          gsize rows = tensor->shape[entry->layout == LB_TENSOR_PLAIN ? 0 : 1] / 3;

          *place = lb_tensor_get_matrix (tensor, entry->layout, entry->part * rows, rows, error);
        }
      else
        {
          gsize rows = tensor->axes == 1 ? 1 : tensor->shape[entry->layout == LB_TENSOR_PLAIN ? 0 : 1];
          g_autoptr (LbMatrix) whole = lb_tensor_get_matrix (tensor, entry->layout, 0, rows, error);

          if (whole != NULL && thirds)
            *place = lb_matrix_new_view (whole, 0, entry->part * (whole->columns / 3), 1, whole->columns / 3);
          else
            *place = g_steal_pointer (&whole);
        }
      if (*place == NULL)
        return FALSE;
    }
  return TRUE;
}

LbLayer *
lb_layer_load (const LbSafetensors *tensors,
               LbArchitecture architecture,
               const LbModelConfig *config,
               guint layer,
               GError **error)
{
  g_autoptr (LbLayer) self = g_new0 (LbLayer, 1);

  g_atomic_ref_count_init (&self->references);
  if (!load_entries (architecture == LB_ARCHITECTURE_GPT2 ? gpt2_layer : optical_layer, tensors, (int) layer,
                     self, &self->copied, error))
    return NULL;
  return g_steal_pointer (&self);
}

gboolean
lb_outer_weights_load (LbOuterWeights *outer,
                       const LbSafetensors *tensors,
                       LbArchitecture architecture,
                       GError **error)
{
  gboolean copied = FALSE;

  if (!load_entries (architecture == LB_ARCHITECTURE_GPT2 ? gpt2_outer : optical_outer, tensors, -1, outer,
                     &copied, error))
    return FALSE;
  if (outer->head == NULL)
    outer->head = lb_matrix_ref (outer->token);
  return TRUE;
}

void
lb_outer_weights_clear (LbOuterWeights *outer)
{
  g_clear_pointer (&outer->token, lb_matrix_unref);
  g_clear_pointer (&outer->position, lb_matrix_unref);
  g_clear_pointer (&outer->norm_gain, lb_matrix_unref);
  g_clear_pointer (&outer->norm_bias, lb_matrix_unref);
  g_clear_pointer (&outer->head, lb_matrix_unref);
  g_clear_pointer (&outer->head_bias, lb_matrix_unref);
}

gboolean
lb_weights_read_ranges (
    const LbSafetensors *tensors, guint layer, LbTransformerOp op, float *ranges, GError **error)
{
  g_autofree char *name = g_strconcat (op_stems[op], ".range", NULL);
  const LbTensor *tensor = find (tensors, (int) layer, name);
  g_autoptr (LbMatrix) matrix = NULL;

  if (tensor == NULL || !lb_tensor_check (tensor, 1, 6, LB_TENSOR_PLAIN, error))
    return FALSE;
  matrix = lb_tensor_get_matrix (tensor, LB_TENSOR_PLAIN, 0, 1, error);
  if (matrix == NULL)
    return FALSE;
  memcpy (ranges, matrix->data, 6 * sizeof (float));
  for (guint i = 0; i < 6; i += 2)
    if (ranges[i] >= ranges[i + 1])
      {
        g_set_error (error, LB_MODEL_ERROR, LB_MODEL_ERROR_VALUE,
                     _ ("%s: the range “%s” ends before it starts"), tensor->file, tensor->name);
        return FALSE;
      }
  return TRUE;
}

char *
lb_weights_get_range_name (guint layer, LbTransformerOp op)
{
  return g_strdup_printf ("h.%u.%s.range", layer, op_stems[op]);
}

char *
lb_weights_get_sigma_mean_name (guint layer, LbTransformerOp op)
{
  return g_strdup_printf ("h.%u.%s.sigma_mean", layer, op_stems[op]);
}

guint
lb_weights_count_sigma_means (const LbModelConfig *config, LbTransformerOp op)
{
  return op == LB_OP_QK || op == LB_OP_AV ? 4 * config->heads : 4;
}

gboolean
lb_weights_read_sigma_means (const LbSafetensors *tensors,
                             const LbModelConfig *config,
                             guint layer,
                             LbTransformerOp op,
                             float *means,
                             GError **error)
{
  g_autofree char *name = g_strconcat (op_stems[op], ".sigma_mean", NULL);
  const LbTensor *tensor = find (tensors, (int) layer, name);
  const guint count = lb_weights_count_sigma_means (config, op);
  gsize rows;
  g_autoptr (LbMatrix) matrix = NULL;

  if (tensor == NULL)
    return FALSE;
  /* Four values alone hold for every head. */
  rows = tensor->axes == 1 ? 1 : count / 4;
  if (!lb_tensor_check (tensor, rows, 4, LB_TENSOR_PLAIN, error))
    return FALSE;
  matrix = lb_tensor_get_matrix (tensor, LB_TENSOR_PLAIN, 0, rows, error);
  if (matrix == NULL)
    return FALSE;
  for (guint i = 0; i < count; i++)
    {
      means[i] = lb_matrix_get (matrix, rows == 1 ? 0 : i / 4, i % 4);
      if (means[i] < 0)
        {
          g_set_error (error, LB_MODEL_ERROR, LB_MODEL_ERROR_VALUE,
                       _ ("%s: the mean “%s” is below 0: light has no sign, find it again"), tensor->file,
                       tensor->name);
          return FALSE;
        }
    }
  return TRUE;
}

LbLayer *
lb_layer_ref (LbLayer *self)
{
  g_atomic_ref_count_inc (&self->references);
  return self;
}

void
lb_layer_unref (LbLayer *self)
{
  if (self == NULL || !g_atomic_ref_count_dec (&self->references))
    return;
  for (guint op = 0; op < LB_N_OPS; op++)
    {
      g_clear_pointer (&self->weight[op], lb_matrix_unref);
      g_clear_pointer (&self->bias[op], lb_matrix_unref);
    }
  g_clear_pointer (&self->norm_1_gain, lb_matrix_unref);
  g_clear_pointer (&self->norm_1_bias, lb_matrix_unref);
  g_clear_pointer (&self->norm_2_gain, lb_matrix_unref);
  g_clear_pointer (&self->norm_2_bias, lb_matrix_unref);
  g_free (self);
}
