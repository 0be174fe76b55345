/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-json.h"

#include <glib/gi18n-lib.h>
#include <math.h>
#include <string.h>

#include <lb-json-scan.h>

#include "lb-model.h"

JsonObject *
lb_json_parse_object (const char *data, gsize size, guint depth, const char *name, GError **error)
{
  g_autoptr (JsonParser) parser = NULL;
  g_autoptr (GError) parse_error = NULL;
  JsonNode *root;

  g_return_val_if_fail (data != NULL || size == 0, NULL);
  g_return_val_if_fail (name != NULL, NULL);

  if (!lb_json_scan (data, size, depth, &parse_error))
    {
      g_set_error (error, LB_MODEL_ERROR, LB_MODEL_ERROR_FORMAT,
                   _ ("%s: %s: the file is damaged, fetch it again"), name, parse_error->message);
      return NULL;
    }
  parser = json_parser_new ();
  if (!json_parser_load_from_data (parser, data, (gssize) size, &parse_error))
    {
      g_set_error (error, LB_MODEL_ERROR, LB_MODEL_ERROR_FORMAT, _ ("%s: not valid JSON: %s"), name,
                   parse_error->message);
      return NULL;
    }
  root = json_parser_get_root (parser);
  if (root == NULL || !JSON_NODE_HOLDS_OBJECT (root))
    {
      g_set_error (error, LB_MODEL_ERROR, LB_MODEL_ERROR_FORMAT,
                   _ ("%s: a JSON object was expected, something else is there"), name);
      return NULL;
    }
  return json_object_ref (json_node_get_object (root));
}

GMappedFile *
lb_json_map_file (const char *path, GError **error)
{
  g_autoptr (GError) file_error = NULL;
  GMappedFile *file;

  g_return_val_if_fail (path != NULL, NULL);

  file = g_mapped_file_new (path, FALSE, &file_error);
  if (file == NULL)
    g_set_error (error, LB_MODEL_ERROR, LB_MODEL_ERROR_MISSING,
                 _ ("%s; give a folder with config.json, vocab.json, merges.txt and model.safetensors"),
                 file_error->message);
  return file;
}

JsonObject *
lb_json_read_object (const char *path, guint depth, GError **error)
{
  g_autoptr (GMappedFile) file = lb_json_map_file (path, error);

  if (file == NULL)
    return NULL;
  return lb_json_parse_object (g_mapped_file_get_contents (file), g_mapped_file_get_length (file), depth,
                               path, error);
}

/* The member, or NULL if it is absent or null. */
static JsonNode *
get_member (JsonObject *object, const char *member)
{
  JsonNode *node = json_object_get_member (object, member);

  return node != NULL && !JSON_NODE_HOLDS_NULL (node) ? node : NULL;
}

static gboolean
report_member (const char *name, const char *member, const char *expected, gboolean absent, GError **error)
{
  if (absent)
    g_set_error (error, LB_MODEL_ERROR, LB_MODEL_ERROR_FORMAT, _ ("%s: the entry “%s” is missing (%s)"), name,
                 member, expected);
  else
    g_set_error (error, LB_MODEL_ERROR, LB_MODEL_ERROR_FORMAT, _ ("%s: the entry “%s” must be %s"), name,
                 member, expected);
  return FALSE;
}

gboolean
lb_json_get_count (JsonObject *object,
                   const char *member,
                   guint maximum,
                   const guint *fallback,
                   const char *name,
                   guint *value,
                   GError **error)
{
  JsonNode *node = get_member (object, member);
  gint64 number;

  if (node == NULL && fallback != NULL)
    {
      *value = *fallback;
      return TRUE;
    }
  number = node != NULL && json_node_get_value_type (node) == G_TYPE_INT64 ? json_node_get_int (node) : 0;
  if (number < 1 || number > maximum)
    {
      g_autofree char *expected = g_strdup_printf (_ ("a whole number from 1 to %u"), maximum);

      return report_member (name, member, expected, node == NULL, error);
    }
  *value = (guint) number;
  return TRUE;
}

gboolean
lb_json_get_number (JsonObject *object,
                    const char *member,
                    const double *fallback,
                    const char *name,
                    double *value,
                    GError **error)
{
  JsonNode *node = get_member (object, member);
  GType type = node != NULL ? json_node_get_value_type (node) : G_TYPE_INVALID;

  if (node == NULL && fallback != NULL)
    {
      *value = *fallback;
      return TRUE;
    }
  if (type != G_TYPE_INT64 && type != G_TYPE_DOUBLE)
    return report_member (name, member, _ ("a number"), node == NULL, error);
  *value = json_node_get_double (node);
  return isfinite (*value) ? TRUE : report_member (name, member, _ ("a finite number"), FALSE, error);
}

gboolean
lb_json_get_text (JsonObject *object,
                  const char *member,
                  const char *fallback,
                  const char *name,
                  const char **value,
                  GError **error)
{
  JsonNode *node = get_member (object, member);

  if (node == NULL && fallback != NULL)
    {
      *value = fallback;
      return TRUE;
    }
  if (node == NULL || json_node_get_value_type (node) != G_TYPE_STRING)
    return report_member (name, member, _ ("a text"), node == NULL, error);
  *value = json_node_get_string (node);
  return TRUE;
}

gboolean
lb_json_get_flag (JsonObject *object,
                  const char *member,
                  gboolean fallback,
                  const char *name,
                  gboolean *value,
                  GError **error)
{
  JsonNode *node = get_member (object, member);

  *value = fallback;
  if (node == NULL)
    return TRUE;
  if (json_node_get_value_type (node) != G_TYPE_BOOLEAN)
    return report_member (name, member, _ ("true or false"), FALSE, error);
  *value = json_node_get_boolean (node);
  return TRUE;
}
