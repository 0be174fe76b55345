/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-model-private.h"

#include <glib/gi18n-lib.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_MODEL "model-d64"
/* Values of larger models are checked layer by layer, when they are needed. */
#define CHECK_AT_OPEN_BYTES (G_GUINT64_CONSTANT (1) << 30)

G_DEFINE_QUARK (lb - model - error - quark, lb_model_error)

struct _LbModel
{
  GObject parent_instance;

  char *directory;
  char *name;
  LbArchitecture architecture;
  LbModelConfig config;
  LbSafetensors *tensors;
  LbOuterWeights outer;
  float (*ranges)[LB_N_OPS][6]; /* of each layer */
  gboolean (*has_ranges)[LB_N_OPS];
  float *(*sigma_means)[LB_N_OPS]; /* of each layer; NULL: none */
  gboolean keeps_copies;
  GMutex mutex;     /* guards layers */
  LbLayer **layers; /* NULL: not loaded, or not kept */
};

G_DEFINE_FINAL_TYPE (LbModel, lb_model, G_TYPE_OBJECT)

static const char *const op_names[LB_N_OPS] = {
  [LB_OP_WQ] = "wq", [LB_OP_WK] = "wk", [LB_OP_WV] = "wv", [LB_OP_QK] = "qk",
  [LB_OP_AV] = "av", [LB_OP_WO] = "wo", [LB_OP_W1] = "w1", [LB_OP_W2] = "w2",
};

const char *
lb_transformer_op_get_name (LbTransformerOp op)
{
  g_return_val_if_fail ((guint) op < LB_N_OPS, NULL);

  return op_names[op];
}

gboolean
lb_transformer_op_from_name (const char *name, LbTransformerOp *op)
{
  g_return_val_if_fail (name != NULL, FALSE);
  g_return_val_if_fail (op != NULL, FALSE);

  for (guint i = 0; i < LB_N_OPS; i++)
    if (strcmp (op_names[i], name) == 0)
      {
        *op = (LbTransformerOp) i;
        return TRUE;
      }
  return FALSE;
}

static void
lb_model_finalize (GObject *object)
{
  LbModel *self = LB_MODEL (object);

  if (self->layers != NULL)
    for (guint i = 0; i < self->config.layers; i++)
      lb_layer_unref (self->layers[i]);
  if (self->sigma_means != NULL)
    for (guint i = 0; i < self->config.layers * LB_N_OPS; i++)
      g_free (self->sigma_means[i / LB_N_OPS][i % LB_N_OPS]);
  g_free (self->sigma_means);
  g_free (self->layers);
  g_free (self->ranges);
  g_free (self->has_ranges);
  lb_outer_weights_clear (&self->outer);
  g_clear_pointer (&self->tensors, lb_safetensors_free);
  g_free (self->directory);
  g_free (self->name);
  g_mutex_clear (&self->mutex);

  G_OBJECT_CLASS (lb_model_parent_class)->finalize (object);
}

static void
lb_model_class_init (LbModelClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = lb_model_finalize;
}

static void
lb_model_init (LbModel *self)
{
  g_mutex_init (&self->mutex);
}

static gboolean
read_ranges (LbModel *self, GError **error)
{
  guint found = 0;

  self->ranges = g_malloc0_n (self->config.layers, sizeof *self->ranges);
  self->has_ranges = g_malloc0_n (self->config.layers, sizeof *self->has_ranges);
  for (guint layer = 0; layer < self->config.layers; layer++)
    for (guint op = 0; op < LB_N_OPS; op++)
      {
        g_autoptr (GError) range_error = NULL;

        self->has_ranges[layer][op] = lb_weights_read_ranges (self->tensors, layer, (LbTransformerOp) op,
                                                              self->ranges[layer][op], &range_error);
        if (range_error != NULL)
          {
            g_propagate_error (error, g_steal_pointer (&range_error));
            return FALSE;
          }
        found += self->has_ranges[layer][op] ? 1 : 0;
      }
  self->config.quantised = found == self->config.layers * LB_N_OPS;
  return TRUE;
}

void
lb_model_set_range (LbModel *self, guint layer, LbTransformerOp op, const float *range)
{
  guint found = 0;

  memcpy (self->ranges[layer][op], range, sizeof self->ranges[layer][op]);
  self->has_ranges[layer][op] = TRUE;
  for (guint i = 0; i < self->config.layers; i++)
    for (guint k = 0; k < LB_N_OPS; k++)
      found += self->has_ranges[i][k] ? 1 : 0;
  self->config.quantised = found == self->config.layers * LB_N_OPS;
}

void
lb_model_set_sigma_mean (LbModel *self, guint layer, LbTransformerOp op, const float *means)
{
  const guint count = lb_weights_count_sigma_means (&self->config, op);

  g_free (self->sigma_means[layer][op]);
  self->sigma_means[layer][op] = g_memdup2 (means, count * sizeof *means);
}

static gboolean
read_sigma_means (LbModel *self, GError **error)
{
  self->sigma_means = g_malloc0_n (self->config.layers, sizeof *self->sigma_means);
  for (guint layer = 0; layer < self->config.layers; layer++)
    for (guint i = 0; i < LB_N_OPS; i++)
      {
        const LbTransformerOp op = (LbTransformerOp) i;
        g_autofree float *means = g_new (float, lb_weights_count_sigma_means (&self->config, op));
        g_autoptr (GError) means_error = NULL;

        if (lb_weights_read_sigma_means (self->tensors, &self->config, layer, op, means, &means_error))
          self->sigma_means[layer][op] = g_steal_pointer (&means);
        if (means_error != NULL)
          {
            g_propagate_error (error, g_steal_pointer (&means_error));
            return FALSE;
          }
      }
  return TRUE;
}

static gboolean
load (LbModel *self, GError **error)
{
  guint64 bytes = 0;
  guint64 memory = (guint64) MAX (sysconf (_SC_PHYS_PAGES), 0) * (guint64) MAX (sysconf (_SC_PAGESIZE), 0);

  if (!lb_model_config_read (&self->config, &self->architecture, self->directory, error))
    return FALSE;
  self->tensors = lb_safetensors_open_folder (self->directory, error);
  if (self->tensors == NULL ||
      !lb_weights_check (self->tensors, self->architecture, &self->config, &self->config.parameters, &bytes,
                         error) ||
      !read_ranges (self, error) || !read_sigma_means (self, error) ||
      !lb_outer_weights_load (&self->outer, self->tensors, self->architecture, error))
    return FALSE;

  self->layers = g_new0 (LbLayer *, self->config.layers);
  self->keeps_copies = self->config.parameters <= memory / 4 / sizeof (float);
  for (guint layer = 0; layer < self->config.layers && bytes <= CHECK_AT_OPEN_BYTES; layer++)
    {
      g_autoptr (LbLayer) loaded = lb_model_hold_layer (self, layer, error);

      if (loaded == NULL)
        return FALSE;
    }
  return TRUE;
}

LbModel *
lb_model_open (const char *directory, GError **error)
{
  g_autoptr (LbModel) self = NULL;

  g_return_val_if_fail (directory != NULL, NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  self = g_object_new (LB_TYPE_MODEL, NULL);
  self->directory = g_canonicalize_filename (directory, NULL);
  self->name = g_path_get_basename (self->directory);
  if (!g_file_test (self->directory, G_FILE_TEST_IS_DIR))
    {
      g_set_error (error, LB_MODEL_ERROR, LB_MODEL_ERROR_MISSING,
                   _ ("%s: there is no such model folder: give one with config.json and model.safetensors"),
                   directory);
      return NULL;
    }
  return load (self, error) ? g_steal_pointer (&self) : NULL;
}

/* The folder of the shipped model @name; NULL if there is none. */
static char *
find_shipped (const char *name)
{
  const char *folders[] = { g_getenv ("LIGHTBENCH_DATA_DIR"), LB_DATA_DIR, LB_SOURCE_DATA_DIR };

  for (guint i = 0; i < G_N_ELEMENTS (folders); i++)
    {
      g_autofree char *path = NULL;

      if (folders[i] == NULL || *folders[i] == '\0')
        continue;
      path = g_build_filename (folders[i], "models", name, NULL);
      if (g_file_test (path, G_FILE_TEST_IS_DIR))
        return g_steal_pointer (&path);
    }
  return NULL;
}

LbModel *
lb_model_open_named (const char *name_or_directory, GError **error)
{
  const char *name = name_or_directory != NULL ? name_or_directory : DEFAULT_MODEL;
  g_autofree char *shipped = NULL;

  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  if (strchr (name, G_DIR_SEPARATOR) == NULL && strcmp (name, ".") != 0 && strcmp (name, "..") != 0 &&
      *name != '\0')
    shipped = find_shipped (name);
  if (shipped == NULL && !g_file_test (name, G_FILE_TEST_IS_DIR))
    {
      g_set_error (
          error, LB_MODEL_ERROR, LB_MODEL_ERROR_MISSING,
          _ ("\"%s\": there is no model of that name, nor a folder: give the folder of a model, or “%s”"),
          name, DEFAULT_MODEL);
      return NULL;
    }
  return lb_model_open (shipped != NULL ? shipped : name, error);
}

const char *
lb_model_get_directory (LbModel *self)
{
  g_return_val_if_fail (LB_IS_MODEL (self), NULL);

  return self->directory;
}

const char *
lb_model_get_name (LbModel *self)
{
  g_return_val_if_fail (LB_IS_MODEL (self), NULL);

  return self->name;
}

const LbModelConfig *
lb_model_get_config (LbModel *self)
{
  g_return_val_if_fail (LB_IS_MODEL (self), NULL);

  return &self->config;
}

const LbOuterWeights *
lb_model_get_outer_weights (LbModel *self)
{
  g_return_val_if_fail (LB_IS_MODEL (self), NULL);

  return &self->outer;
}

const LbSafetensors *
lb_model_get_tensors (LbModel *self)
{
  g_return_val_if_fail (LB_IS_MODEL (self), NULL);

  return self->tensors;
}

/* @keep: even where copies are not kept. */
static LbLayer *
hold_layer (LbModel *self, guint layer, gboolean keep, GError **error)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&self->mutex);
  g_autoptr (LbLayer) loaded = NULL;

  if (self->layers[layer] != NULL)
    return lb_layer_ref (self->layers[layer]);
  loaded = lb_layer_load (self->tensors, self->architecture, &self->config, layer, error);
  if (loaded == NULL)
    return NULL;
  if (keep || self->keeps_copies || !loaded->copied)
    {
      loaded->is_kept = TRUE;
      self->layers[layer] = lb_layer_ref (loaded);
    }
  return g_steal_pointer (&loaded);
}

LbLayer *
lb_model_hold_layer (LbModel *self, guint layer, GError **error)
{
  g_return_val_if_fail (LB_IS_MODEL (self), NULL);
  g_return_val_if_fail (layer < self->config.layers, NULL);

  return hold_layer (self, layer, FALSE, error);
}

const LbMatrix *
lb_model_get_weight (LbModel *self, guint layer, LbTransformerOp op)
{
  g_autoptr (LbLayer) held = NULL;
  g_autoptr (GError) error = NULL;

  g_return_val_if_fail (LB_IS_MODEL (self), NULL);
  g_return_val_if_fail (layer < self->config.layers, NULL);
  g_return_val_if_fail ((guint) op < LB_N_OPS, NULL);

  held = hold_layer (self, layer, TRUE, &error);
  if (held == NULL)
    {
      g_warning ("%s", error->message);
      return NULL;
    }
  return held->weight[op];
}

const float *
lb_model_get_ranges (LbModel *self, guint layer, LbTransformerOp op)
{
  g_return_val_if_fail (LB_IS_MODEL (self), NULL);
  g_return_val_if_fail (layer < self->config.layers, NULL);
  g_return_val_if_fail ((guint) op < LB_N_OPS, NULL);

  return self->has_ranges[layer][op] ? self->ranges[layer][op] : NULL;
}

const float *
lb_model_get_sigma_means (LbModel *self, guint layer, LbTransformerOp op)
{
  g_return_val_if_fail (LB_IS_MODEL (self), NULL);
  g_return_val_if_fail (layer < self->config.layers, NULL);
  g_return_val_if_fail ((guint) op < LB_N_OPS, NULL);

  return self->sigma_means[layer][op];
}
