/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-bench-noise-model-private.h"

#include <glib/gi18n-lib.h>
#include <json-glib/json-glib.h>
#include <lb-json-scan.h>
#include <math.h>
#include <string.h>

#define FORMAT "lightbench-noise-model"
#define VERSION 2
#define KNOTS_MAX 256
/* Larger than any file of ours: what is longer is not one. */
#define SIZE_MAX_BYTES (1024 * 1024)
#define DEPTH_MAX 8

/* Numbers of the file: where they go, and what they may be. */
typedef struct
{
  const char *name;
  gsize offset;
  double low, high;
} Field;

static const Field model_fields[] = {
  { "quantum_efficiency", G_STRUCT_OFFSET (LbBenchNoiseModel, quantum_efficiency), 1e-6, 1 },
  { "path_transmission", G_STRUCT_OFFSET (LbBenchNoiseModel, path_transmission), 1e-6, 1 },
  { "source_floor", G_STRUCT_OFFSET (LbBenchNoiseModel, source_floor), 0, 0.9 },
  { "weight_floor", G_STRUCT_OFFSET (LbBenchNoiseModel, weight_floor), 0, 0.9 },
};

static const Field knot_fields[] = {
  { "length", G_STRUCT_OFFSET (LbNoiseKnot, length), 1, 1e9 },
  { "read_variance", G_STRUCT_OFFSET (LbNoiseKnot, read_variance), 0, 1e12 },
  { "gaussian", G_STRUCT_OFFSET (LbNoiseKnot, gaussian), 0, 100 },
  { "systematic", G_STRUCT_OFFSET (LbNoiseKnot, systematic), 0, 100 },
  { "bias", G_STRUCT_OFFSET (LbNoiseKnot, bias), -100, 100 },
  { "background", G_STRUCT_OFFSET (LbNoiseKnot, background), 0, 100 },
  { "dimming", G_STRUCT_OFFSET (LbNoiseKnot, dimming), 1e-3, 10 },
  { "reference", G_STRUCT_OFFSET (LbNoiseKnot, reference), 1e-6, 1e12 },
  { "reference_variance", G_STRUCT_OFFSET (LbNoiseKnot, reference_variance), 0, 1e12 },
  { "frame_photons", G_STRUCT_OFFSET (LbNoiseKnot, frame_photons), 1e-6, 1e12 },
};

static gboolean fail (GError **error, const char *format, ...) G_GNUC_PRINTF (2, 3);

static gboolean
fail (GError **error, const char *format, ...)
{
  g_autofree char *what = NULL;
  va_list arguments;

  va_start (arguments, format);
  what = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  g_set_error (error, LB_CALIBRATION_ERROR, LB_CALIBRATION_ERROR_FORMAT,
               _ ("This is no noise model of a bench: %s. Export it again from a verification"), what);
  return FALSE;
}

static gboolean
is_number (JsonNode *node)
{
  return node != NULL && JSON_NODE_HOLDS_VALUE (node) &&
         (json_node_get_value_type (node) == G_TYPE_DOUBLE ||
          json_node_get_value_type (node) == G_TYPE_INT64);
}

static gboolean
read_fields (JsonObject *object, const Field *fields, gsize count, gpointer target, GError **error)
{
  for (gsize i = 0; i < count; i++)
    {
      JsonNode *node = json_object_get_member (object, fields[i].name);
      double value = is_number (node) ? json_node_get_double (node) : NAN;

      if (!(value >= fields[i].low && value <= fields[i].high))
        return fail (error, _ ("“%s” is missing or out of range"), fields[i].name);
      G_STRUCT_MEMBER (double, target, fields[i].offset) = value;
    }
  return TRUE;
}

static gboolean
read_knot (JsonNode *node, LbNoiseKnot *knot, GError **error)
{
  JsonObject *object;
  JsonNode *light, *passes;
  JsonArray *lights;

  if (node == NULL || !JSON_NODE_HOLDS_OBJECT (node))
    return fail (error, _ ("“knots” holds something else than objects"));
  object = json_node_get_object (node);
  if (!read_fields (object, knot_fields, G_N_ELEMENTS (knot_fields), knot, error))
    return FALSE;
  passes = json_object_get_member (object, "passes");
  if (!is_number (passes) || (json_node_get_double (passes) != 1 && json_node_get_double (passes) != 4))
    return fail (error, _ ("“passes” must be 1 or 4"));
  knot->is_signed = json_node_get_double (passes) > 1;
  light = json_object_get_member (object, "light");
  if (light == NULL || !JSON_NODE_HOLDS_ARRAY (light) ||
      json_array_get_length (json_node_get_array (light)) != LB_NOISE_LIGHTS)
    return fail (error, _ ("“light” must be a list of %u numbers"), LB_NOISE_LIGHTS);
  lights = json_node_get_array (light);
  for (guint i = 0; i < LB_NOISE_LIGHTS; i++)
    {
      JsonNode *element = json_array_get_element (lights, i);

      knot->light[i] = is_number (element) ? json_node_get_double (element) : NAN;
      if (!(knot->light[i] > 1e-4 && knot->light[i] < 1e4))
        return fail (error, _ ("“light” is out of range"));
    }
  return TRUE;
}

static gboolean
read_knots (LbBenchNoiseModel *self, JsonObject *root, GError **error)
{
  JsonNode *node = json_object_get_member (root, "knots");
  JsonArray *knots;

  if (node == NULL || !JSON_NODE_HOLDS_ARRAY (node))
    return fail (error, _ ("“knots” is missing"));
  knots = json_node_get_array (node);
  if (json_array_get_length (knots) == 0 || json_array_get_length (knots) > KNOTS_MAX)
    return fail (error, _ ("“knots” must hold 1 to %u lengths"), KNOTS_MAX);
  for (guint i = 0; i < json_array_get_length (knots); i++)
    {
      LbNoiseKnot knot = { 0 };

      if (!read_knot (json_array_get_element (knots, i), &knot, error))
        return FALSE;
      g_array_append_val (self->knots, knot);
    }
  return TRUE;
}

static const char *
get_text (JsonObject *object, const char *name)
{
  JsonNode *node = json_object_get_member (object, name);

  return node != NULL && JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == G_TYPE_STRING
             ? json_node_get_string (node)
             : NULL;
}

/**
 * lb_bench_noise_model_parse:
 * @json: text of a file
 * @length: of it in bytes, or -1
 * @error: %LB_CALIBRATION_ERROR_FORMAT, with what is wrong
 *
 * Returns: (transfer full) (nullable): the model
 */
LbBenchNoiseModel *
lb_bench_noise_model_parse (const char *json, gssize length, GError **error)
{
  g_autoptr (JsonParser) parser = json_parser_new_immutable ();
  g_autoptr (LbBenchNoiseModel) self = NULL;
  g_autoptr (GError) local_error = NULL;
  JsonNode *node, *version;
  JsonObject *root;

  g_return_val_if_fail (json != NULL, NULL);

  length = length >= 0 ? length : (gssize) strlen (json);
  if (length > SIZE_MAX_BYTES || !lb_json_scan (json, (gsize) length, DEPTH_MAX, &local_error) ||
      !json_parser_load_from_data (parser, json, length, &local_error))
    {
      fail (error, "%s", local_error != NULL ? local_error->message : _ ("the file is too large"));
      return NULL;
    }
  node = json_parser_get_root (parser);
  if (node == NULL || !JSON_NODE_HOLDS_OBJECT (node))
    {
      fail (error, _ ("it holds no object"));
      return NULL;
    }
  root = json_node_get_object (node);
  version = json_object_get_member (root, "version");
  if (g_strcmp0 (get_text (root, "format"), FORMAT) != 0 || !is_number (version) ||
      json_node_get_double (version) != VERSION)
    {
      fail (error, _ ("it is not of the format “%s”, version %d"), FORMAT, VERSION);
      return NULL;
    }
  self = g_new0 (LbBenchNoiseModel, 1);
  self->knots = g_array_new (FALSE, TRUE, sizeof (LbNoiseKnot));
  self->verification = g_strdup (get_text (root, "verification"));
  if (!read_fields (root, model_fields, G_N_ELEMENTS (model_fields), self, error) ||
      !read_knots (self, root, error))
    return NULL;
  return g_steal_pointer (&self);
}

/**
 * lb_bench_noise_model_load:
 * @path: of a file
 * @error: %LB_CALIBRATION_ERROR_FORMAT with what is wrong in the file, %G_FILE_ERROR
 *
 * Returns: (transfer full) (nullable): the model
 */
LbBenchNoiseModel *
lb_bench_noise_model_load (const char *path, GError **error)
{
  g_autofree char *text = NULL;
  LbBenchNoiseModel *self;
  gsize length;

  g_return_val_if_fail (path != NULL, NULL);

  if (!g_file_get_contents (path, &text, &length, error))
    return NULL;
  self = lb_bench_noise_model_parse (text, (gssize) length, error);
  if (self == NULL)
    g_prefix_error (error, "%s: ", path);
  return self;
}

static void
write_fields (JsonBuilder *builder, const Field *fields, gsize count, gconstpointer from)
{
  for (gsize i = 0; i < count; i++)
    {
      json_builder_set_member_name (builder, fields[i].name);
      json_builder_add_double_value (builder, G_STRUCT_MEMBER (double, (gpointer) from, fields[i].offset));
    }
}

static void
write_knot (JsonBuilder *builder, const LbNoiseKnot *knot)
{
  json_builder_begin_object (builder);
  write_fields (builder, knot_fields, G_N_ELEMENTS (knot_fields), knot);
  json_builder_set_member_name (builder, "passes");
  json_builder_add_int_value (builder, knot->is_signed ? 4 : 1);
  json_builder_set_member_name (builder, "light");
  json_builder_begin_array (builder);
  for (guint i = 0; i < LB_NOISE_LIGHTS; i++)
    json_builder_add_double_value (builder, knot->light[i]);
  json_builder_end_array (builder);
  json_builder_end_object (builder);
}

/**
 * lb_bench_noise_model_to_json:
 *
 * Returns: (transfer full): the text of its file
 */
char *
lb_bench_noise_model_to_json (const LbBenchNoiseModel *self)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autoptr (JsonGenerator) generator = json_generator_new ();
  g_autoptr (JsonNode) root = NULL;

  g_return_val_if_fail (self != NULL, NULL);

  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "format");
  json_builder_add_string_value (builder, FORMAT);
  json_builder_set_member_name (builder, "version");
  json_builder_add_int_value (builder, VERSION);
  json_builder_set_member_name (builder, "verification");
  json_builder_add_string_value (builder, self->verification != NULL ? self->verification : "");
  write_fields (builder, model_fields, G_N_ELEMENTS (model_fields), self);
  json_builder_set_member_name (builder, "knots");
  json_builder_begin_array (builder);
  for (guint i = 0; i < self->knots->len; i++)
    write_knot (builder, &g_array_index (self->knots, LbNoiseKnot, i));
  json_builder_end_array (builder);
  json_builder_end_object (builder);
  root = json_builder_get_root (builder);
  json_generator_set_root (generator, root);
  json_generator_set_pretty (generator, TRUE);
  return json_generator_to_data (generator, NULL);
}

/**
 * lb_bench_noise_model_save:
 * @path: of the file, replaced whole or not at all
 * @error: %G_FILE_ERROR
 *
 * Returns: whether it was written
 */
gboolean
lb_bench_noise_model_save (const LbBenchNoiseModel *self, const char *path, GError **error)
{
  g_autofree char *text = NULL;

  g_return_val_if_fail (self != NULL && path != NULL, FALSE);

  text = lb_bench_noise_model_to_json (self);
  return g_file_set_contents_full (path, text, -1, G_FILE_SET_CONTENTS_CONSISTENT, 0666, error);
}
