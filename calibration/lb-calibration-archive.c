/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <glib/gi18n-lib.h>
#include <json-glib/json-glib.h>
#include <lb-json-scan.h>
#include <math.h>
#include <string.h>

#include "lb-calibration-private.h"
#include "lb-calibration-store.h"

#define FORMAT "lightbench-calibrations"
#define VERSION 1
#define DEPTH_MAX 8

/* ---- Writing --------------------------------------------------------------------- */

static void
add_text (JsonBuilder *builder, const char *name, const char *text)
{
  json_builder_set_member_name (builder, name);
  json_builder_add_string_value (builder, text);
}

static void
add_number (JsonBuilder *builder, const char *name, double value)
{
  json_builder_set_member_name (builder, name);
  if (isfinite (value))
    json_builder_add_double_value (builder, value);
  else
    json_builder_add_null_value (builder);
}

static void
add_quantities (JsonBuilder *builder, const char *name, const LbQuantities *quantities)
{
  json_builder_set_member_name (builder, name);
  json_builder_begin_object (builder);
  for (guint i = 0; i < lb_quantities_get_length (quantities); i++)
    {
      const LbQuantity *quantity = lb_quantities_get_nth (quantities, i);

      if (quantity->text != NULL)
        add_text (builder, quantity->name, quantity->text);
      else
        add_number (builder, quantity->name, quantity->value);
    }
  json_builder_end_object (builder);
}

static void
add_calibration (JsonBuilder *builder, LbCalibration *calibration)
{
  g_autoptr (GBytes) bytes = lb_calibration_to_bytes (calibration);
  g_autoptr (GDateTime) time =
      g_date_time_new_from_unix_utc (lb_calibration_get_time_us (calibration) / G_USEC_PER_SEC);
  g_autofree char *date = time != NULL ? g_date_time_format_iso8601 (time) : g_strdup ("");
  g_autofree char *data = NULL;
  gsize size;
  const guint8 *content = g_bytes_get_data (bytes, &size);

  data = g_base64_encode (content, size);
  json_builder_begin_object (builder);
  add_text (builder, "step", lb_calibration_get_step (calibration));
  add_text (builder, "hash", lb_calibration_get_hash (calibration));
  add_text (builder, "time", date);
  add_text (builder, "verdict", lb_verdict_get_name (lb_calibration_get_verdict (calibration)));
  add_number (builder, "residual", lb_calibration_get_residual (calibration));
  add_number (builder, "limit", lb_calibration_get_limit (calibration));
  add_text (builder, "unit", lb_calibration_get_unit (calibration));
  add_text (builder, "message", lb_calibration_get_message (calibration));
  add_quantities (builder, "devices", lb_calibration_get_identities (calibration));
  add_quantities (builder, "settings", lb_calibration_settings (calibration));
  add_quantities (builder, "values", lb_calibration_values (calibration));
  json_builder_set_member_name (builder, "bad");
  json_builder_add_boolean_value (builder,
                                  lb_calibration_store_is_bad (lb_calibration_get_hash (calibration)));
  add_text (builder, "data", data);
  json_builder_end_object (builder);
}

/**
 * lb_calibration_archive_write:
 * @calibrations: (element-type LbCalibration): sealed results
 *
 * Returns: (transfer full): them as JSON; "data" of each is the stored result,
 * base64, the rest is for the reader
 */
char *
lb_calibration_archive_write (const GPtrArray *calibrations)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autoptr (JsonGenerator) generator = json_generator_new ();
  g_autoptr (JsonNode) root = NULL;

  g_return_val_if_fail (calibrations != NULL, NULL);

  json_builder_begin_object (builder);
  add_text (builder, "format", FORMAT);
  json_builder_set_member_name (builder, "version");
  json_builder_add_int_value (builder, VERSION);
  json_builder_set_member_name (builder, "calibrations");
  json_builder_begin_array (builder);
  for (guint i = 0; i < calibrations->len; i++)
    add_calibration (builder, g_ptr_array_index (calibrations, i));
  json_builder_end_array (builder);
  json_builder_end_object (builder);
  root = json_builder_get_root (builder);
  json_generator_set_root (generator, root);
  json_generator_set_pretty (generator, TRUE);
  return json_generator_to_data (generator, NULL);
}

/* ---- Reading ---------------------------------------------------------------------- */

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
               _ ("These are no exported calibrations: %s. Export them again"), what);
  return FALSE;
}

static const char *
get_text (JsonObject *object, const char *name)
{
  JsonNode *node = json_object_get_member (object, name);

  return node != NULL && JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == G_TYPE_STRING
             ? json_node_get_string (node)
             : NULL;
}

/* What is for the reader must be what the data says, or somebody edited it. */
static gboolean
read_calibration (JsonNode *node, guint nth, GPtrArray *results, GPtrArray *bad, GError **error)
{
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (LbCalibration) calibration = NULL;
  g_autoptr (GError) local_error = NULL;
  JsonObject *object;
  JsonNode *mark;
  const char *data;
  guint8 *decoded;
  gsize size;

  if (node == NULL || !JSON_NODE_HOLDS_OBJECT (node))
    return fail (error, _ ("number %u is no object"), nth + 1);
  object = json_node_get_object (node);
  data = get_text (object, "data");
  if (data == NULL || *data == '\0')
    return fail (error, _ ("number %u has no data"), nth + 1);
  decoded = g_base64_decode (data, &size);
  bytes = g_bytes_new_take (decoded, size);
  calibration = lb_calibration_from_bytes (bytes, &local_error);
  if (calibration == NULL)
    return fail (error, _ ("number %u: %s"), nth + 1, local_error->message);
  if (g_strcmp0 (get_text (object, "hash"), lb_calibration_get_hash (calibration)) != 0 ||
      g_strcmp0 (get_text (object, "step"), lb_calibration_get_step (calibration)) != 0 ||
      g_strcmp0 (get_text (object, "verdict"),
                 lb_verdict_get_name (lb_calibration_get_verdict (calibration))) != 0)
    return fail (error, _ ("number %u says something else than its data"), nth + 1);
  mark = json_object_get_member (object, "bad");
  if (mark != NULL && (!JSON_NODE_HOLDS_VALUE (mark) || json_node_get_value_type (mark) != G_TYPE_BOOLEAN))
    return fail (error, _ ("number %u: “bad” is neither true nor false"), nth + 1);
  if (bad != NULL && mark != NULL && json_node_get_boolean (mark))
    g_ptr_array_add (bad, calibration);
  g_ptr_array_add (results, g_steal_pointer (&calibration));
  return TRUE;
}

/**
 * lb_calibration_archive_read:
 * @json: text of a file
 * @length: of it in bytes, or -1
 * @bad: (nullable) (element-type LbCalibration): those that are marked as bad are added, unowned
 * @error: %LB_CALIBRATION_ERROR_FORMAT, with what is wrong
 *
 * Returns: (transfer full) (nullable) (element-type LbCalibration): all results,
 * each checked by its hash; %NULL if one of them is damaged
 */
GPtrArray *
lb_calibration_archive_read (const char *json, gssize length, GPtrArray *bad, GError **error)
{
  g_autoptr (JsonParser) parser = json_parser_new_immutable ();
  g_autoptr (GPtrArray) results = g_ptr_array_new_with_free_func (g_object_unref);
  g_autoptr (GError) local_error = NULL;
  JsonNode *node, *version;
  JsonArray *array;
  JsonObject *root;

  g_return_val_if_fail (json != NULL, NULL);

  length = length >= 0 ? length : (gssize) strlen (json);
  if (!lb_json_scan (json, (gsize) length, DEPTH_MAX, &local_error) ||
      !json_parser_load_from_data (parser, json, length, &local_error))
    {
      fail (error, "%s", local_error->message);
      return NULL;
    }
  node = json_parser_get_root (parser);
  root = node != NULL && JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
  version = root != NULL ? json_object_get_member (root, "version") : NULL;
  node = root != NULL ? json_object_get_member (root, "calibrations") : NULL;
  if (root == NULL || g_strcmp0 (get_text (root, "format"), FORMAT) != 0 || version == NULL ||
      !JSON_NODE_HOLDS_VALUE (version) || json_node_get_value_type (version) != G_TYPE_INT64 ||
      json_node_get_int (version) != VERSION || node == NULL || !JSON_NODE_HOLDS_ARRAY (node))
    {
      fail (error, _ ("it is not of the format “%s”, version %d"), FORMAT, VERSION);
      return NULL;
    }
  array = json_node_get_array (node);
  for (guint i = 0; i < json_array_get_length (array); i++)
    if (!read_calibration (json_array_get_element (array, i), i, results, bad, error))
      return NULL;
  return g_steal_pointer (&results);
}

/* ---- Comparing ---------------------------------------------------------------------- */

static void
difference_free (LbCalibrationDifference *difference)
{
  g_free (difference->name);
  g_free (difference->unit);
  g_free (difference);
}

static void
add_difference (GPtrArray *differences, const char *name, const char *unit, double a, double b)
{
  LbCalibrationDifference *difference = g_new (LbCalibrationDifference, 1);

  *difference = (LbCalibrationDifference){ g_strdup (name), g_strdup (unit), a, b };
  g_ptr_array_add (differences, difference);
}

static void
compare_values (GPtrArray *differences, const LbQuantities *a, const LbQuantities *b)
{
  for (guint i = 0; i < lb_quantities_get_length (a); i++)
    {
      const LbQuantity *quantity = lb_quantities_get_nth (a, i);

      if (quantity->text == NULL)
        add_difference (differences, quantity->name, quantity->unit, quantity->value,
                        lb_quantities_get (b, quantity->name, NAN));
    }
  for (guint i = 0; i < lb_quantities_get_length (b); i++)
    {
      const LbQuantity *quantity = lb_quantities_get_nth (b, i);

      if (quantity->text == NULL && isnan (lb_quantities_get (a, quantity->name, NAN)))
        add_difference (differences, quantity->name, quantity->unit, NAN, quantity->value);
    }
}

/* rms of b - a over rms of a, of values that both have. */
static double
relative_change (const LbMatrix *a, const LbMatrix *b)
{
  double squares = 0, changes = 0;

  if (b == NULL || a->rows != b->rows || a->columns != b->columns)
    return NAN;
  for (gsize row = 0; row < a->rows; row++)
    for (gsize i = 0; i < a->columns; i++)
      {
        const double value = lb_matrix_get (a, row, i), change = lb_matrix_get (b, row, i) - value;

        if (isfinite (change))
          {
            squares += value * value;
            changes += change * change;
          }
      }
  return squares > 0 ? sqrt (changes / squares) : NAN;
}

/**
 * lb_calibration_compare:
 * @a: a sealed result
 * @b: another of the same step
 * @error: %LB_CALIBRATION_ERROR_FORMAT if the steps differ
 *
 * Returns: (transfer full) (nullable) (element-type LbCalibrationDifference):
 * residual, all values that are numbers, and how much each array changed
 */
GPtrArray *
lb_calibration_compare (LbCalibration *a, LbCalibration *b, GError **error)
{
  g_autoptr (GPtrArray) differences = NULL;

  g_return_val_if_fail (LB_IS_CALIBRATION (a) && LB_IS_CALIBRATION (b), NULL);

  if (g_strcmp0 (lb_calibration_get_step (a), lb_calibration_get_step (b)) != 0)
    {
      g_set_error (error, LB_CALIBRATION_ERROR, LB_CALIBRATION_ERROR_FORMAT,
                   _ ("a calibration of the step %s cannot be compared with one of %s"),
                   lb_calibration_get_step (a), lb_calibration_get_step (b));
      return NULL;
    }
  differences = g_ptr_array_new_with_free_func ((GDestroyNotify) difference_free);
  add_difference (differences, "residual", lb_calibration_get_unit (a), lb_calibration_get_residual (a),
                  lb_calibration_get_residual (b));
  compare_values (differences, lb_calibration_values (a), lb_calibration_values (b));
  for (guint i = 0; i < a->arrays->len; i++)
    {
      const LbCalibrationItem *item = g_ptr_array_index (a->arrays, i);
      g_autofree char *name = g_strdup_printf ("%s (rms change)", item->name);

      add_difference (differences, name, "%", 0,
                      100 * relative_change (item->array, lb_calibration_get_array (b, item->name)));
    }
  return g_steal_pointer (&differences);
}
