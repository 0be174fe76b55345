/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-model-writer.h"

#include <errno.h>
#include <glib/gi18n-lib.h>
#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <string.h>

#include "lb-model-private.h"
#include "lb-safetensors-writer.h"

static const char *const tokenizer_files[] = { "vocab.json", "merges.txt" };

struct _LbModelWriter
{
  LbModel *model; /* NULL: a new one */
  LbModelConfig config;
  char *tokenizer;     /* folder */
  GHashTable *tensors; /* name -> LbMatrix */
};

static LbModelWriter *
writer_new (const LbModelConfig *config)
{
  LbModelWriter *self = g_new0 (LbModelWriter, 1);

  self->config = *config;
  self->tensors = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) lb_matrix_unref);
  return self;
}

LbModelWriter *
lb_model_writer_new (const LbModelConfig *config)
{
  g_return_val_if_fail (config != NULL, NULL);

  return writer_new (config);
}

LbModelWriter *
lb_model_writer_new_from_model (LbModel *model)
{
  LbModelWriter *self;

  g_return_val_if_fail (LB_IS_MODEL (model), NULL);

  self = writer_new (lb_model_get_config (model));
  self->model = g_object_ref (model);
  self->tokenizer = g_strdup (lb_model_get_directory (model));
  return self;
}

void
lb_model_writer_free (LbModelWriter *self)
{
  if (self == NULL)
    return;
  g_clear_object (&self->model);
  g_hash_table_unref (self->tensors);
  g_free (self->tokenizer);
  g_free (self);
}

void
lb_model_writer_set_tokenizer (LbModelWriter *self, const char *directory)
{
  g_return_if_fail (self != NULL);

  g_free (self->tokenizer);
  self->tokenizer = g_strdup (directory);
}

void
lb_model_writer_set_tensor (LbModelWriter *self, const char *name, LbMatrix *values)
{
  g_return_if_fail (self != NULL);
  g_return_if_fail (name != NULL && g_utf8_validate (name, -1, NULL));
  g_return_if_fail (values != NULL && values->rows > 0 && values->columns > 0);

  g_hash_table_replace (self->tensors, g_strdup (name), lb_matrix_ref (values));
}

static void
set_values (LbModelWriter *self, const char *name, const float *values, gsize rows, gsize columns)
{
  g_autoptr (LbMatrix) matrix = lb_matrix_new (rows, columns);

  for (gsize i = 0; i < rows; i++)
    memcpy (lb_matrix_row (matrix, i), values + i * columns, columns * sizeof (float));
  lb_model_writer_set_tensor (self, name, matrix);
}

void
lb_model_writer_set_ranges (LbModelWriter *self, guint layer, LbTransformerOp op, const float *ranges)
{
  g_autofree char *name = NULL;

  g_return_if_fail (self != NULL);
  g_return_if_fail (layer < self->config.layers);
  g_return_if_fail ((guint) op < LB_N_OPS);
  g_return_if_fail (ranges != NULL);

  name = lb_weights_get_range_name (layer, op);
  set_values (self, name, ranges, 1, 6);
}

void
lb_model_writer_set_sigma_means (LbModelWriter *self, guint layer, LbTransformerOp op, const float *means)
{
  g_autofree char *name = NULL;

  g_return_if_fail (self != NULL);
  g_return_if_fail (layer < self->config.layers);
  g_return_if_fail ((guint) op < LB_N_OPS);
  g_return_if_fail (means != NULL);

  name = lb_weights_get_sigma_mean_name (layer, op);
  set_values (self, name, means, lb_weights_count_sigma_means (&self->config, op) / 4, 4);
}

/* What is wrong with a tensor, or NULL: nothing that would keep the model from
 * being opened. */
static const char *
find_fault (const char *name, const LbMatrix *matrix)
{
  if (!lb_matrix_is_finite (matrix))
    return _ ("it has values that are NaN or infinite");
  if (g_str_has_suffix (name, ".range"))
    for (gsize i = 0; i + 1 < matrix->columns; i += 2)
      if (matrix->data[i] >= matrix->data[i + 1])
        return _ ("a range ends before it starts");
  if (g_str_has_suffix (name, ".sigma_mean"))
    for (gsize i = 0; i < matrix->rows * matrix->columns; i++)
      if (lb_matrix_get (matrix, i / matrix->columns, i % matrix->columns) < 0)
        return _ ("a mean is below 0");
  return NULL;
}

static gboolean
check_values (LbModelWriter *self, GError **error)
{
  GHashTableIter iter;
  gpointer name, matrix;

  g_hash_table_iter_init (&iter, self->tensors);
  while (g_hash_table_iter_next (&iter, &name, &matrix))
    {
      const char *fault = find_fault (name, matrix);

      if (fault != NULL)
        {
          g_set_error (error, LB_MODEL_ERROR, LB_MODEL_ERROR_VALUE,
                       _ ("the tensor “%s” cannot be saved: %s; the folder stays as it is"),
                       (const char *) name, fault);
          return FALSE;
        }
    }
  return TRUE;
}

/* Replaces the file unless it has that text. */
static gboolean
write_text (const char *directory, const char *name, const char *text, gsize length, GError **error)
{
  g_autofree char *path = g_build_filename (directory, name, NULL);
  g_autofree char *present = NULL;
  gsize present_length;

  if (g_file_get_contents (path, &present, &present_length, NULL) && present_length == length &&
      memcmp (present, text, length) == 0)
    return TRUE;
  return g_file_set_contents_full (path, text, (gssize) length,
                                   G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE, 0666, error);
}

/* Nothing where there is no such file: a model can do without a tokenizer. */
static gboolean
copy_text (const char *from, const char *directory, const char *name, GError **error)
{
  g_autofree char *path = g_build_filename (from, name, NULL);
  g_autofree char *text = NULL;
  gsize length;

  if (!g_file_test (path, G_FILE_TEST_EXISTS))
    return TRUE;
  return g_file_get_contents (path, &text, &length, error) &&
         write_text (directory, name, text, length, error);
}

static char *
compose_config (const LbModelConfig *config)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autoptr (JsonNode) root = NULL;
  const struct
  {
    const char *name;
    guint value;
  } sizes[] = {
    { "n_embd", config->width }, { "n_inner", config->hidden },      { "n_layer", config->layers },
    { "n_head", config->heads }, { "n_positions", config->context }, { "vocab_size", config->vocabulary },
  };

  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "model_type");
  json_builder_add_string_value (builder, "optical-gpt");
  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      json_builder_set_member_name (builder, sizes[i].name);
      json_builder_add_int_value (builder, sizes[i].value);
    }
  json_builder_set_member_name (builder, "activation_function");
  json_builder_add_string_value (builder, config->activation == LB_ACTIVATION_RELU6 ? "relu6" : "gelu_new");
  json_builder_set_member_name (builder, "layer_norm_epsilon");
  json_builder_add_double_value (builder, config->epsilon);
  json_builder_set_member_name (builder, "slm_floor");
  json_builder_add_double_value (builder, config->slm_floor);
  json_builder_end_object (builder);
  root = json_builder_get_root (builder);
  return json_to_string (root, TRUE);
}

/* Tensors of the model that are not replaced, under either of their names. */
static gboolean
is_replaced (LbModelWriter *self, const char *name)
{
  return g_hash_table_contains (self->tensors, name) ||
         (g_str_has_prefix (name, LB_CHECKPOINT_PREFIX) &&
          g_hash_table_contains (self->tensors, name + strlen (LB_CHECKPOINT_PREFIX)));
}

static gboolean
write_tensors (LbModelWriter *self, const char *directory, GError **error)
{
  g_autoptr (LbSafetensorsWriter) writer = lb_safetensors_writer_new ();
  g_autofree char *path = g_build_filename (directory, "model.safetensors", NULL);
  g_autoptr (GPtrArray) present = NULL;
  GHashTableIter iter;
  gpointer name, matrix;

  if (self->model != NULL)
    present = lb_safetensors_list (lb_model_get_tensors (self->model));
  for (guint i = 0; present != NULL && i < present->len; i++)
    {
      const LbTensor *tensor = present->pdata[i];

      if (!is_replaced (self, tensor->name))
        lb_safetensors_writer_add_tensor (writer, tensor);
    }
  g_hash_table_iter_init (&iter, self->tensors);
  while (g_hash_table_iter_next (&iter, &name, &matrix))
    lb_safetensors_writer_add_matrix (writer, name, matrix);
  return lb_safetensors_writer_write (writer, path, error);
}

static gboolean
write_files (LbModelWriter *self, const char *directory, GError **error)
{
  if (self->model != NULL)
    {
      if (!copy_text (lb_model_get_directory (self->model), directory, "config.json", error))
        return FALSE;
    }
  else
    {
      g_autofree char *config = compose_config (&self->config);

      if (!write_text (directory, "config.json", config, strlen (config), error))
        return FALSE;
    }
  for (guint i = 0; self->tokenizer != NULL && i < G_N_ELEMENTS (tokenizer_files); i++)
    if (!copy_text (self->tokenizer, directory, tokenizer_files[i], error))
      return FALSE;
  return write_tensors (self, directory, error);
}

static void
remove_folder (const char *directory)
{
  g_autoptr (GDir) folder = g_dir_open (directory, 0, NULL);
  const char *name;

  while (folder != NULL && (name = g_dir_read_name (folder)) != NULL)
    {
      g_autofree char *path = g_build_filename (directory, name, NULL);

      g_unlink (path);
    }
  g_rmdir (directory);
}

/* Beside @directory under another name, which is changed at the end. */
static gboolean
write_new_folder (LbModelWriter *self, const char *directory, GError **error)
{
  g_autofree char *parent = g_path_get_dirname (directory);
  g_autofree char *temporary = g_strconcat (directory, ".XXXXXX", NULL);

  if (g_mkdir_with_parents (parent, 0777) != 0 || g_mkdtemp_full (temporary, 0777) == NULL)
    {
      g_set_error (error, G_FILE_ERROR, (int) g_file_error_from_errno (errno),
                   _ ("%s: the folder cannot be made: %s"), directory, g_strerror (errno));
      return FALSE;
    }
  if (!write_files (self, temporary, error))
    {
      remove_folder (temporary);
      return FALSE;
    }
  if (g_rename (temporary, directory) != 0)
    {
      g_set_error (error, G_FILE_ERROR, (int) g_file_error_from_errno (errno),
                   _ ("%s: the folder cannot be made: %s"), directory, g_strerror (errno));
      remove_folder (temporary);
      return FALSE;
    }
  return lb_sync_directory (parent, error);
}

gboolean
lb_model_writer_write (LbModelWriter *self, const char *directory, GError **error)
{
  g_autofree char *target = NULL;

  g_return_val_if_fail (self != NULL, FALSE);
  g_return_val_if_fail (directory != NULL, FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  if (!check_values (self, error))
    return FALSE;
  target = g_canonicalize_filename (directory, NULL);
  return g_file_test (target, G_FILE_TEST_IS_DIR) ? write_files (self, target, error)
                                                  : write_new_folder (self, target, error);
}
