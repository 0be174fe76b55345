/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-model-private.h"

#include <glib/gi18n-lib.h>
#include <string.h>

#include "lb-json.h"

/* Bounds that keep the products of sizes far from overflow. */
#define MAX_WIDTH 65536
#define MAX_LAYERS 1024
#define MAX_CONTEXT (1 << 20)
#define MAX_VOCABULARY (1 << 24)
/* Objects and arrays within each other. */
#define MAX_DEPTH 16

/* First transmission of the SLM table that the authors published. */
#define DEFAULT_SLM_FLOOR 0.02004

/* What Hugging Face's libraries call one function, by its implementations. */
static const char *const gelu_tanh_names[] = { "gelu_new", "gelu_pytorch_tanh", "gelu_python_tanh",
                                               "gelu_fast", NULL };

static gboolean
report_unsupported (
    const char *path, const char *member, const char *value, const char *supported, GError **error)
{
  g_set_error (error, LB_MODEL_ERROR, LB_MODEL_ERROR_FORMAT, _ ("%s: “%s” is “%s”; what can be read is %s"),
               path, member, value, supported);
  return FALSE;
}

static gboolean
read_kind (
    LbModelConfig *config, LbArchitecture *architecture, JsonObject *object, const char *path, GError **error)
{
  const char *kind, *activation;

  if (!lb_json_get_text (object, "model_type", NULL, path, &kind, error))
    return FALSE;
  if (strcmp (kind, "optical-gpt") == 0)
    *architecture = LB_ARCHITECTURE_OPTICAL_GPT;
  else if (strcmp (kind, "gpt2") == 0)
    *architecture = LB_ARCHITECTURE_GPT2;
  else
    return report_unsupported (path, "model_type", kind, "optical-gpt, gpt2", error);

  if (!lb_json_get_text (object, "activation_function",
                         *architecture == LB_ARCHITECTURE_GPT2 ? "gelu_new" : "relu6", path, &activation,
                         error))
    return FALSE;
  if (strcmp (activation, "relu6") == 0)
    config->activation = LB_ACTIVATION_RELU6;
  else if (g_strv_contains (gelu_tanh_names, activation))
    config->activation = LB_ACTIVATION_GELU_TANH;
  else
    return report_unsupported (path, "activation_function", activation, "relu6, gelu_new", error);
  return TRUE;
}

/* Whether a checkpoint may do without a head. */
static gboolean
read_head (
    LbModelConfig *config, LbArchitecture architecture, JsonObject *object, const char *path, GError **error)
{
  if (architecture != LB_ARCHITECTURE_GPT2)
    return TRUE;
  return lb_json_get_flag (object, "tie_word_embeddings", TRUE, path, &config->tied, error);
}

/* Variants of attention in GPT-2 configurations that compute something else. */
static gboolean
check_variants (JsonObject *object, const char *path, GError **error)
{
  gboolean scaled, by_layer, cross;

  if (!lb_json_get_flag (object, "scale_attn_weights", TRUE, path, &scaled, error) ||
      !lb_json_get_flag (object, "scale_attn_by_inverse_layer_idx", FALSE, path, &by_layer, error) ||
      !lb_json_get_flag (object, "add_cross_attention", FALSE, path, &cross, error))
    return FALSE;
  if (!scaled)
    return report_unsupported (path, "scale_attn_weights", "false", "true", error);
  if (by_layer)
    return report_unsupported (path, "scale_attn_by_inverse_layer_idx", "true", "false", error);
  if (cross)
    return report_unsupported (path, "add_cross_attention", "true", "false", error);
  return TRUE;
}

static gboolean
read_sizes (LbModelConfig *config, JsonObject *object, const char *path, GError **error)
{
  /* The first GPT-2 checkpoints have n_ctx alone. */
  const char *context =
      json_object_has_member (object, "n_positions") || !json_object_has_member (object, "n_ctx")
          ? "n_positions"
          : "n_ctx";
  guint hidden;

  if (!lb_json_get_count (object, "n_embd", MAX_WIDTH, NULL, path, &config->width, error) ||
      !lb_json_get_count (object, "n_layer", MAX_LAYERS, NULL, path, &config->layers, error) ||
      !lb_json_get_count (object, "n_head", MAX_WIDTH, NULL, path, &config->heads, error) ||
      !lb_json_get_count (object, context, MAX_CONTEXT, NULL, path, &config->context, error) ||
      !lb_json_get_count (object, "vocab_size", MAX_VOCABULARY, NULL, path, &config->vocabulary, error))
    return FALSE;
  hidden = 4 * config->width;
  if (!lb_json_get_count (object, "n_inner", 4 * MAX_WIDTH, &hidden, path, &config->hidden, error))
    return FALSE;
  if (config->width % config->heads != 0)
    {
      g_set_error (error, LB_MODEL_ERROR, LB_MODEL_ERROR_FORMAT,
                   _ ("%s: n_embd (%u) is not a multiple of n_head (%u)"), path, config->width,
                   config->heads);
      return FALSE;
    }
  return TRUE;
}

static gboolean
read_constants (LbModelConfig *config, JsonObject *object, const char *path, GError **error)
{
  const double epsilon = 1e-5, floor = DEFAULT_SLM_FLOOR;

  if (!lb_json_get_number (object, "layer_norm_epsilon", &epsilon, path, &config->epsilon, error) ||
      !lb_json_get_number (object, "slm_floor", &floor, path, &config->slm_floor, error))
    return FALSE;
  if (config->epsilon <= 0 || config->epsilon > 1)
    {
      g_set_error (error, LB_MODEL_ERROR, LB_MODEL_ERROR_FORMAT,
                   _ ("%s: the entry “%s” must be over 0 and at most 1"), path, "layer_norm_epsilon");
      return FALSE;
    }
  if (config->slm_floor < 0 || config->slm_floor >= 1)
    {
      g_set_error (error, LB_MODEL_ERROR, LB_MODEL_ERROR_FORMAT,
                   _ ("%s: the entry “%s” must be 0 or more and below 1"), path, "slm_floor");
      return FALSE;
    }
  return TRUE;
}

gboolean
lb_model_config_parse (LbModelConfig *config,
                       LbArchitecture *architecture,
                       const char *data,
                       gsize size,
                       const char *path,
                       GError **error)
{
  g_autoptr (JsonObject) object = lb_json_parse_object (data, size, MAX_DEPTH, path, error);

  memset (config, 0, sizeof *config);
  return object != NULL && read_kind (config, architecture, object, path, error) &&
         read_sizes (config, object, path, error) && check_variants (object, path, error) &&
         read_head (config, *architecture, object, path, error) &&
         read_constants (config, object, path, error);
}

gboolean
lb_model_config_read (LbModelConfig *config,
                      LbArchitecture *architecture,
                      const char *directory,
                      GError **error)
{
  g_autofree char *path = g_build_filename (directory, "config.json", NULL);
  g_autoptr (GMappedFile) file = lb_json_map_file (path, error);

  return file != NULL && lb_model_config_parse (config, architecture, g_mapped_file_get_contents (file),
                                                g_mapped_file_get_length (file), path, error);
}
