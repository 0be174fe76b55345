/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-json.h"

#include <glib/gi18n-lib.h>
#include <math.h>
#include <string.h>

#include "lb-model.h"

/*
 * json-glib 1.6 recurses without a limit, aborts at a lone UTF-16 surrogate and
 * reads more than JSON (comments, bare words). So the text goes through this
 * strict scanner first; what json-glib sees is JSON.
 */
typedef struct
{
  const char *at;
  const char *end;
} Scanner;

static gboolean scan_value (Scanner *scanner, guint depth);

static void
skip_space (Scanner *scanner)
{
  while (scanner->at < scanner->end && strchr (" \t\r\n", *scanner->at) != NULL)
    scanner->at++;
}

static gboolean
take (Scanner *scanner, char expected)
{
  if (scanner->at == scanner->end || *scanner->at != expected)
    return FALSE;
  scanner->at++;
  return TRUE;
}

/* The four hexadecimal digits of an escape; -1 if they are not. */
static int
scan_escape_unit (Scanner *scanner)
{
  int unit = 0;

  for (guint i = 0; i < 4; i++)
    {
      if (scanner->at == scanner->end || !g_ascii_isxdigit (*scanner->at))
        return -1;
      unit = unit * 16 + g_ascii_xdigit_value (*scanner->at++);
    }
  return unit;
}

static gboolean
scan_escape (Scanner *scanner)
{
  int unit;

  if (scanner->at == scanner->end)
    return FALSE;
  if (*scanner->at != 'u')
    return strchr ("\"\\/bfnrt", *scanner->at++) != NULL;
  scanner->at++;
  unit = scan_escape_unit (scanner);
  if (unit >= 0xd800 && unit <= 0xdbff)
    {
      if (!take (scanner, '\\') || !take (scanner, 'u'))
        return FALSE;
      unit = scan_escape_unit (scanner);
      return unit >= 0xdc00 && unit <= 0xdfff;
    }
  return unit > 0 && !(unit >= 0xdc00 && unit <= 0xdfff);
}

static gboolean
scan_string (Scanner *scanner)
{
  if (!take (scanner, '"'))
    return FALSE;
  while (scanner->at < scanner->end)
    {
      guchar c = (guchar) *scanner->at++;

      if (c == '"')
        return TRUE;
      if (c < 0x20 || (c == '\\' && !scan_escape (scanner)))
        return FALSE;
    }
  return FALSE;
}

static gboolean
scan_digits (Scanner *scanner)
{
  const char *start = scanner->at;

  while (scanner->at < scanner->end && g_ascii_isdigit (*scanner->at))
    scanner->at++;
  return scanner->at > start;
}

static gboolean
scan_number (Scanner *scanner)
{
  const char *start = scanner->at;

  (void) take (scanner, '-');
  if (!take (scanner, '0') && !scan_digits (scanner))
    return FALSE;
  if (take (scanner, '.') && !scan_digits (scanner))
    return FALSE;
  if (take (scanner, 'e') || take (scanner, 'E'))
    {
      if (!take (scanner, '+'))
        (void) take (scanner, '-');
      if (!scan_digits (scanner))
        return FALSE;
    }
  return scanner->at - start <= 64;
}

static gboolean
scan_word (Scanner *scanner, const char *word)
{
  gsize length = strlen (word);

  if ((gsize) (scanner->end - scanner->at) < length || memcmp (scanner->at, word, length) != 0)
    return FALSE;
  scanner->at += length;
  return TRUE;
}

static gboolean
scan_members (Scanner *scanner, gboolean named, char close, guint depth)
{
  scanner->at++;
  skip_space (scanner);
  if (take (scanner, close))
    return TRUE;
  do
    {
      skip_space (scanner);
      if (named)
        {
          if (!scan_string (scanner))
            return FALSE;
          skip_space (scanner);
          if (!take (scanner, ':'))
            return FALSE;
        }
      if (!scan_value (scanner, depth))
        return FALSE;
      skip_space (scanner);
    }
  while (take (scanner, ','));
  return take (scanner, close);
}

static gboolean
scan_value (Scanner *scanner, guint depth)
{
  skip_space (scanner);
  if (scanner->at == scanner->end)
    return FALSE;
  switch (*scanner->at)
    {
    case '{':
      return depth > 0 && scan_members (scanner, TRUE, '}', depth - 1);
    case '[':
      return depth > 0 && scan_members (scanner, FALSE, ']', depth - 1);
    case '"':
      return scan_string (scanner);
    case 't':
      return scan_word (scanner, "true");
    case 'f':
      return scan_word (scanner, "false");
    case 'n':
      return scan_word (scanner, "null");
    default:
      return scan_number (scanner);
    }
}

static gboolean
scan_text (const char *data, gsize size, guint depth, gsize *bad_byte)
{
  Scanner scanner = { data, data + size };
  const char *valid_end;
  gboolean good;

  if (!g_utf8_validate_len (data, size, &valid_end))
    {
      *bad_byte = (gsize) (valid_end - data);
      return FALSE;
    }
  good = scan_value (&scanner, depth);
  skip_space (&scanner);
  *bad_byte = (gsize) (scanner.at - data);
  return good && scanner.at == scanner.end;
}

JsonObject *
lb_json_parse_object (const char *data, gsize size, guint depth, const char *name, GError **error)
{
  g_autoptr (JsonParser) parser = NULL;
  g_autoptr (GError) parse_error = NULL;
  JsonNode *root;
  gsize bad_byte;

  g_return_val_if_fail (data != NULL || size == 0, NULL);
  g_return_val_if_fail (name != NULL, NULL);

  if (size == 0 || !scan_text (data, size, depth, &bad_byte))
    {
      g_set_error (error, LB_MODEL_ERROR, LB_MODEL_ERROR_FORMAT,
                   _ ("%s: not valid JSON from byte %zu on: the file is damaged, fetch it again"), name,
                   size == 0 ? (gsize) 0 : bad_byte);
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

void
lb_model_fail_file (GError **error, const GError *cause)
{
  g_set_error (error, LB_MODEL_ERROR, LB_MODEL_ERROR_MISSING,
               _ ("%s; give a folder with config.json, vocab.json, merges.txt and model.safetensors"),
               cause->message);
}

JsonObject *
lb_json_read_object (const char *path, guint depth, GError **error)
{
  g_autoptr (GMappedFile) file = NULL;
  g_autoptr (GError) file_error = NULL;

  g_return_val_if_fail (path != NULL, NULL);

  file = g_mapped_file_new (path, FALSE, &file_error);
  if (file == NULL)
    {
      lb_model_fail_file (error, file_error);
      return NULL;
    }
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
