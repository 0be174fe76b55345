/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-safetensors.h"

#include <glib/gi18n-lib.h>
#include <string.h>

#include "lb-json.h"
#include "lb-model.h"

/* The limit of the format's own library. */
#define MAX_HEADER_BYTES 100000000
#define INDEX_NAME "model.safetensors.index.json"

struct _LbSafetensors
{
  GHashTable *tensors; /* name -> LbTensor */
  GPtrArray *files;    /* base names that LbTensor.file points to */
};

static const struct
{
  const char *name;
  gsize bytes;
} dtypes[] = {
  { "F32", 4 }, { "F16", 2 }, { "BF16", 2 },    { "F64", 8 },     { "BOOL", 1 }, { "U8", 1 },
  { "I8", 1 },  { "U16", 2 }, { "I16", 2 },     { "U32", 4 },     { "I32", 4 },  { "U64", 8 },
  { "I64", 8 }, { "C64", 8 }, { "F8_E4M3", 1 }, { "F8_E5M2", 1 },
};

static void
tensor_free (LbTensor *tensor)
{
  g_free (tensor->name);
  g_free (tensor->dtype);
  g_clear_pointer (&tensor->mapping, g_mapped_file_unref);
  g_free (tensor);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LbTensor, tensor_free)

static LbSafetensors *
safetensors_new (void)
{
  LbSafetensors *self = g_new0 (LbSafetensors, 1);

  self->tensors = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, (GDestroyNotify) tensor_free);
  self->files = g_ptr_array_new_with_free_func (g_free);
  return self;
}

/* Sets LB_MODEL_ERROR_FORMAT for @tensor of @path; always FALSE. */
static gboolean
report_tensor (const char *path, const char *tensor, const char *why, GError **error)
{
  g_set_error (error, LB_MODEL_ERROR, LB_MODEL_ERROR_FORMAT,
               _ ("%s: tensor “%s”: %s: the file is damaged, fetch it again"), path, tensor, why);
  return FALSE;
}

/* The two or more whole numbers of an array; FALSE if something else is there. */
static gboolean
read_sizes (JsonObject *entry, const char *member, guint maximum, gsize *sizes, guint *count)
{
  JsonNode *node = json_object_get_member (entry, member);
  JsonArray *array;

  if (node == NULL || !JSON_NODE_HOLDS_ARRAY (node))
    return FALSE;
  array = json_node_get_array (node);
  *count = json_array_get_length (array);
  if (*count > maximum)
    return FALSE;
  for (guint i = 0; i < *count; i++)
    {
      JsonNode *element = json_array_get_element (array, i);

      if (json_node_get_value_type (element) != G_TYPE_INT64 || json_node_get_int (element) < 0)
        return FALSE;
      sizes[i] = (gsize) json_node_get_int (element);
    }
  return TRUE;
}

static gboolean
read_dtype (LbTensor *tensor, JsonObject *entry, gsize *value_bytes)
{
  JsonNode *node = json_object_get_member (entry, "dtype");

  if (node == NULL || json_node_get_value_type (node) != G_TYPE_STRING)
    return FALSE;
  for (guint i = 0; i < G_N_ELEMENTS (dtypes); i++)
    if (strcmp (dtypes[i].name, json_node_get_string (node)) == 0)
      {
        tensor->dtype = g_strdup (dtypes[i].name);
        *value_bytes = dtypes[i].bytes;
        return TRUE;
      }
  return FALSE;
}

/* Fills @tensor from its entry in the header. @data is the part of the file
 * after the header, of @data_size bytes. */
static gboolean
read_entry (
    LbTensor *tensor, JsonNode *node, const char *path, const guint8 *data, gsize data_size, GError **error)
{
  JsonObject *entry;
  gsize offsets[2], value_bytes, expected;
  guint n_offsets;

  if (!JSON_NODE_HOLDS_OBJECT (node))
    return report_tensor (path, tensor->name, _ ("not described as the format demands"), error);
  entry = json_node_get_object (node);
  if (!read_dtype (tensor, entry, &value_bytes))
    return report_tensor (path, tensor->name, _ ("a kind of number that is not known"), error);
  if (!read_sizes (entry, "shape", LB_TENSOR_MAX_AXES, tensor->shape, &tensor->axes))
    return report_tensor (path, tensor->name, _ ("a shape that is none"), error);
  if (!read_sizes (entry, "data_offsets", 2, offsets, &n_offsets) || n_offsets != 2 ||
      offsets[0] > offsets[1])
    return report_tensor (path, tensor->name, _ ("offsets that are none"), error);
  if (offsets[1] > data_size)
    {
      g_set_error (error, LB_MODEL_ERROR, LB_MODEL_ERROR_FORMAT,
                   _ ("%s: cut off: tensor “%s” ends at byte %zu of the data, which has %zu: fetch it again"),
                   path, tensor->name, offsets[1], data_size);
      return FALSE;
    }
  tensor->values = 1;
  for (guint i = 0; i < tensor->axes; i++)
    if (!g_size_checked_mul (&tensor->values, tensor->values, tensor->shape[i]))
      return report_tensor (path, tensor->name, _ ("a shape larger than any memory"), error);
  tensor->bytes = data + offsets[0];
  tensor->size = offsets[1] - offsets[0];
  if (!g_size_checked_mul (&expected, tensor->values, value_bytes) || expected != tensor->size)
    return report_tensor (path, tensor->name, _ ("its shape and its offsets disagree"), error);
  return TRUE;
}

static int
compare_places (gconstpointer a, gconstpointer b)
{
  const LbTensor *one = *(LbTensor *const *) a;
  const LbTensor *two = *(LbTensor *const *) b;

  if (one->bytes != two->bytes)
    return one->bytes < two->bytes ? -1 : 1;
  return one->size < two->size ? -1 : one->size > two->size;
}

/* The format wants the data covered without overlaps and without holes. */
static gboolean
check_places (GPtrArray *tensors, const char *path, const guint8 *data, gsize data_size, GError **error)
{
  const guint8 *end = data;
  const LbTensor *previous = NULL;

  g_ptr_array_sort (tensors, compare_places);
  for (guint i = 0; i < tensors->len; i++)
    {
      const LbTensor *tensor = tensors->pdata[i];

      if (tensor->bytes < end)
        {
          g_set_error (error, LB_MODEL_ERROR, LB_MODEL_ERROR_FORMAT,
                       _ ("%s: tensors “%s” and “%s” overlap: the file is damaged, fetch it again"), path,
                       previous->name, tensor->name);
          return FALSE;
        }
      if (tensor->bytes > end)
        return report_tensor (path, tensor->name, _ ("bytes before it belong to no tensor"), error);
      end = tensor->bytes + tensor->size;
      previous = tensor;
    }
  if (end != data + data_size)
    {
      g_set_error (error, LB_MODEL_ERROR, LB_MODEL_ERROR_FORMAT,
                   _ ("%s: %zu bytes at the end belong to no tensor: the file is damaged, fetch it again"),
                   path, (gsize) (data + data_size - end));
      return FALSE;
    }
  return TRUE;
}

static gboolean
read_tensors (LbSafetensors *self,
              JsonObject *header,
              GMappedFile *mapping,
              const char *path,
              const guint8 *data,
              gsize data_size,
              GError **error)
{
  g_autoptr (GPtrArray) tensors = g_ptr_array_new ();
  char *file = g_path_get_basename (path);
  JsonObjectIter iter;
  const char *name;
  JsonNode *node;

  g_ptr_array_add (self->files, file);
  json_object_iter_init (&iter, header);
  while (json_object_iter_next (&iter, &name, &node))
    {
      g_autoptr (LbTensor) tensor = NULL;

      if (strcmp (name, "__metadata__") == 0)
        continue;
      tensor = g_new0 (LbTensor, 1);
      tensor->name = g_strdup (name);
      tensor->file = file;
      tensor->mapping = g_mapped_file_ref (mapping);
      if (!read_entry (tensor, node, path, data, data_size, error))
        return FALSE;
      if (g_hash_table_contains (self->tensors, name))
        return report_tensor (path, name, _ ("another file of the model has it too"), error);
      g_ptr_array_add (tensors, tensor);
      g_hash_table_insert (self->tensors, tensor->name, tensor);
      (void) g_steal_pointer (&tensor);
    }
  return check_places (tensors, path, data, data_size, error);
}

/* Adds the tensors of the file at @path. */
static gboolean
add_file (LbSafetensors *self, const char *path, GError **error)
{
  g_autoptr (GMappedFile) mapping = NULL;
  g_autoptr (JsonObject) header = NULL;
  const guint8 *bytes;
  gsize size;
  guint64 header_size;

  mapping = lb_json_map_file (path, error);
  if (mapping == NULL)
    return FALSE;
  bytes = (const guint8 *) g_mapped_file_get_contents (mapping);
  size = g_mapped_file_get_length (mapping);
  if (size < 8)
    {
      g_set_error (error, LB_MODEL_ERROR, LB_MODEL_ERROR_FORMAT,
                   _ ("%s: cut off: only %zu bytes long: fetch it again"), path, size);
      return FALSE;
    }
  memcpy (&header_size, bytes, 8);
  header_size = GUINT64_FROM_LE (header_size);
  if (header_size > size - 8 || header_size > MAX_HEADER_BYTES)
    {
      g_set_error (error, LB_MODEL_ERROR, LB_MODEL_ERROR_FORMAT,
                   _ ("%s: a header of %zu bytes in a file of %zu (at most %d are read): cut off, or not a "
                      "safetensors file: fetch it again"),
                   path, (gsize) header_size, size, MAX_HEADER_BYTES);
      return FALSE;
    }
  header = lb_json_parse_object ((const char *) bytes + 8, (gsize) header_size, 3, path, error);
  if (header == NULL)
    return FALSE;
  return read_tensors (self, header, mapping, path, bytes + 8 + header_size, size - 8 - (gsize) header_size,
                       error);
}

LbSafetensors *
lb_safetensors_open (const char *path, GError **error)
{
  g_autoptr (LbSafetensors) self = NULL;

  g_return_val_if_fail (path != NULL, NULL);

  self = safetensors_new ();
  return add_file (self, path, error) ? g_steal_pointer (&self) : NULL;
}

/* The files that the index at @path names, each once, in order; NULL and
 * LB_MODEL_ERROR_FORMAT if it is no index. */
static GPtrArray *
read_index (const char *path, GError **error)
{
  g_autoptr (JsonObject) index = lb_json_read_object (path, 3, error);
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);
  g_autoptr (GPtrArray) files = g_ptr_array_new_with_free_func (g_free);
  JsonNode *map;
  JsonObjectIter iter;
  const char *tensor;
  JsonNode *node;

  if (index == NULL)
    return NULL;
  map = json_object_get_member (index, "weight_map");
  if (map == NULL || !JSON_NODE_HOLDS_OBJECT (map))
    {
      g_set_error (error, LB_MODEL_ERROR, LB_MODEL_ERROR_FORMAT, _ ("%s: the entry “weight_map” is missing"),
                   path);
      return NULL;
    }
  json_object_iter_init (&iter, json_node_get_object (map));
  while (json_object_iter_next (&iter, &tensor, &node))
    {
      const char *file =
          json_node_get_value_type (node) == G_TYPE_STRING ? json_node_get_string (node) : NULL;

      /* A model folder does not reach outside itself. */
      if (file == NULL || *file == '\0' || *file == '.' || strchr (file, G_DIR_SEPARATOR) != NULL)
        {
          report_tensor (path, tensor, _ ("not a plain file name"), error);
          return NULL;
        }
      if (g_hash_table_add (seen, (gpointer) file))
        g_ptr_array_add (files, g_strdup (file));
    }
  return g_steal_pointer (&files);
}

LbSafetensors *
lb_safetensors_open_folder (const char *directory, GError **error)
{
  g_autoptr (LbSafetensors) self = NULL;
  g_autoptr (GPtrArray) files = NULL;
  g_autofree char *single = NULL;
  g_autofree char *index = NULL;

  g_return_val_if_fail (directory != NULL, NULL);

  single = g_build_filename (directory, "model.safetensors", NULL);
  index = g_build_filename (directory, INDEX_NAME, NULL);
  if (g_file_test (single, G_FILE_TEST_EXISTS) || !g_file_test (index, G_FILE_TEST_EXISTS))
    return lb_safetensors_open (single, error);

  files = read_index (index, error);
  if (files == NULL)
    return NULL;
  self = safetensors_new ();
  for (guint i = 0; i < files->len; i++)
    {
      g_autofree char *path = g_build_filename (directory, files->pdata[i], NULL);

      if (!add_file (self, path, error))
        return NULL;
    }
  return g_steal_pointer (&self);
}

void
lb_safetensors_free (LbSafetensors *self)
{
  if (self == NULL)
    return;
  g_hash_table_unref (self->tensors);
  g_ptr_array_unref (self->files);
  g_free (self);
}

const LbTensor *
lb_safetensors_lookup (const LbSafetensors *self, const char *name)
{
  g_return_val_if_fail (self != NULL, NULL);
  g_return_val_if_fail (name != NULL, NULL);

  return g_hash_table_lookup (self->tensors, name);
}

static int
compare_files_and_places (gconstpointer a, gconstpointer b)
{
  const LbTensor *one = *(LbTensor *const *) a;
  const LbTensor *two = *(LbTensor *const *) b;
  int order = strcmp (one->file, two->file);

  if (order == 0)
    order = compare_places (a, b);
  /* Tensors without values share a place. */
  return order != 0 ? order : strcmp (one->name, two->name);
}

GPtrArray *
lb_safetensors_list (const LbSafetensors *self)
{
  GPtrArray *list;
  GHashTableIter iter;
  gpointer tensor;

  g_return_val_if_fail (self != NULL, NULL);

  list = g_ptr_array_new ();
  g_hash_table_iter_init (&iter, self->tensors);
  while (g_hash_table_iter_next (&iter, NULL, &tensor))
    g_ptr_array_add (list, tensor);
  g_ptr_array_sort (list, compare_files_and_places);
  return list;
}

guint
lb_safetensors_get_count (const LbSafetensors *self)
{
  g_return_val_if_fail (self != NULL, 0);

  return g_hash_table_size (self->tensors);
}
