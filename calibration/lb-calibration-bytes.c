/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-calibration-private.h"

#include <glib/gi18n-lib.h>
#include <string.h>

/*
 * A stored result: eight bytes that name the format, the last of them its
 * version, the SHA-256 digest of the rest, and a serialised GVariant,
 * little-endian. Arrays are rows, columns and what lb_calibration_pack_array()
 * gives; in version 1 raw little-endian floats.
 */
static const guint8 magic[7] = { 'L', 'B', 'C', 'A', 'L', 0, 0 };
#define VERSION 2
#define VERSION_RAW 1
#define DIGEST_LENGTH 32
#define DIGEST_START (sizeof magic + 1)
#define HEADER_LENGTH (DIGEST_START + DIGEST_LENGTH)

#define RESULT_TYPE "(sxdta(ssv)a(ssv)a(ssv)a(sttay)a(sad)a(sv)(sddss))"

enum
{
  FIELD_STEP,
  FIELD_TIME,
  FIELD_DURATION,
  FIELD_EXPOSURES,
  FIELD_IDENTITIES,
  FIELD_VALUES,
  FIELD_SETTINGS,
  FIELD_ARRAYS,
  FIELD_MAPS,
  FIELD_FIGURES,
  FIELD_VERDICT,
};

/* Numbers of a map in the order of its fields. */
#define MAP_NUMBERS (3 + 2 * LB_PLANE_MAP_TERMS)

static GVariant *
array_to_variant (const char *name, const LbMatrix *array)
{
  g_autoptr (GBytes) packed = lb_calibration_pack_array (array);

  return g_variant_new ("(stt@ay)", name, (guint64) array->rows, (guint64) array->columns,
                        g_variant_new_from_bytes (G_VARIANT_TYPE_BYTESTRING, packed, TRUE));
}

static GVariant *
arrays_to_variant (const GPtrArray *items)
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("a(sttay)"));
  for (guint i = 0; i < items->len; i++)
    {
      const LbCalibrationItem *item = g_ptr_array_index (items, i);

      g_variant_builder_add_value (&builder, array_to_variant (item->name, item->array));
    }
  return g_variant_builder_end (&builder);
}

static GVariant *
maps_to_variant (const GPtrArray *items)
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("a(sad)"));
  for (guint i = 0; i < items->len; i++)
    {
      const LbCalibrationItem *item = g_ptr_array_index (items, i);
      double numbers[MAP_NUMBERS] = { item->map.centre_x, item->map.centre_y, item->map.scale };

      memcpy (numbers + 3, item->map.x, sizeof item->map.x);
      memcpy (numbers + 3 + LB_PLANE_MAP_TERMS, item->map.y, sizeof item->map.y);
      g_variant_builder_add (
          &builder, "(s@ad)", item->name,
          g_variant_new_fixed_array (G_VARIANT_TYPE_DOUBLE, numbers, MAP_NUMBERS, sizeof (double)));
    }
  return g_variant_builder_end (&builder);
}

static GVariant *
figures_to_variant (const GPtrArray *items)
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("a(sv)"));
  for (guint i = 0; i < items->len; i++)
    {
      const LbCalibrationItem *item = g_ptr_array_index (items, i);

      g_variant_builder_add (&builder, "(sv)", item->name, lb_figure_to_variant (item->figure));
    }
  return g_variant_builder_end (&builder);
}

/* In the byte order of files, from that of the machine or back; takes @variant. */
static GVariant *
swap_if_needed (GVariant *variant)
{
  GVariant *swapped;

  if (G_BYTE_ORDER == G_LITTLE_ENDIAN)
    return variant;
  swapped = g_variant_byteswap (variant);
  g_variant_unref (variant);
  return swapped;
}

/* The result as bytes and the hash of its content (hex). */
GBytes *
lb_calibration_serialise (const LbCalibration *self, char **hash)
{
  g_autoptr (GVariant) variant = NULL;
  g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);
  gsize digest_length = DIGEST_LENGTH, size;
  guint8 *data;

  variant = swap_if_needed (g_variant_ref_sink (g_variant_new (
      "(sxdt@a(ssv)@a(ssv)@a(ssv)@a(sttay)@a(sad)@a(sv)(sddss))", self->step, self->time_us, self->duration_s,
      self->exposures, lb_quantities_to_variant (self->identities), lb_quantities_to_variant (self->values),
      lb_quantities_to_variant (self->settings), arrays_to_variant (self->arrays),
      maps_to_variant (self->maps), figures_to_variant (self->figures), lb_verdict_get_name (self->verdict),
      self->residual, self->limit, self->unit, self->message)));

  size = HEADER_LENGTH + g_variant_get_size (variant);
  data = g_malloc (size);
  memcpy (data, magic, sizeof magic);
  data[sizeof magic] = VERSION;
  g_variant_store (variant, data + HEADER_LENGTH);
  g_checksum_update (checksum, data + HEADER_LENGTH, (gssize) (size - HEADER_LENGTH));
  *hash = g_strdup (g_checksum_get_string (checksum));
  g_checksum_get_digest (checksum, data + DIGEST_START, &digest_length);
  return g_bytes_new_take (data, size);
}

static gboolean
fail_format (GError **error, const char *what)
{
  g_set_error (error, LB_CALIBRATION_ERROR, LB_CALIBRATION_ERROR_FORMAT,
               _ ("The stored calibration is damaged (%s): measure this step again"), what);
  return FALSE;
}

/* What follows the header, in the machine's byte order; NULL if there is none. */
static GVariant *
load_variant (GBytes *bytes)
{
  gsize size;
  const guint8 *data = g_bytes_get_data (bytes, &size);
  g_autoptr (GBytes) body = NULL;

  if (size <= HEADER_LENGTH || memcmp (data, magic, sizeof magic) != 0 || data[sizeof magic] < VERSION_RAW ||
      data[sizeof magic] > VERSION)
    return NULL;
  body = g_bytes_new_from_bytes (bytes, HEADER_LENGTH, size - HEADER_LENGTH);
  return swap_if_needed (
      g_variant_ref_sink (g_variant_new_from_bytes (G_VARIANT_TYPE (RESULT_TYPE), body, FALSE)));
}

static gboolean
verdict_from_name (const char *name, LbVerdict *verdict)
{
  for (guint i = LB_VERDICT_PASS; i <= LB_VERDICT_FAIL; i++)
    if (g_str_equal (name, lb_verdict_get_name (i)))
      {
        *verdict = i;
        return TRUE;
      }
  return FALSE;
}

static LbQuantities *
load_quantities (GVariant *result, guint field)
{
  g_autoptr (GVariant) variant = g_variant_get_child_value (result, field);

  return lb_quantities_from_variant (variant, NULL);
}

/* Reads who a stored result belongs to, without its arrays. */
gboolean
lb_calibration_peek (GBytes *bytes,
                     char **step,
                     gint64 *time_us,
                     LbVerdict *verdict,
                     LbQuantities **identities,
                     char **fidelity)
{
  g_autoptr (GVariant) result = load_variant (bytes);
  g_autoptr (LbQuantities) settings = NULL;
  g_autoptr (LbQuantities) devices = NULL;
  const char *verdict_name;

  if (result == NULL)
    return FALSE;
  settings = load_quantities (result, FIELD_SETTINGS);
  devices = load_quantities (result, FIELD_IDENTITIES);
  g_variant_get_child (result, FIELD_VERDICT, "(&sddss)", &verdict_name, NULL, NULL, NULL, NULL);
  if (settings == NULL || devices == NULL || !verdict_from_name (verdict_name, verdict))
    return FALSE;

  g_variant_get_child (result, FIELD_STEP, "s", step);
  g_variant_get_child (result, FIELD_TIME, "x", time_us);
  *identities = g_steal_pointer (&devices);
  *fidelity = g_strdup (lb_quantities_get_text (settings, LB_CALIBRATION_FIDELITY));
  return TRUE;
}

/* From little-endian. */
static void
copy_floats (float *to, const guint8 *from, gsize count)
{
  for (gsize i = 0; i < count; i++)
    {
      guint32 word;

      memcpy (&word, from + i * sizeof word, sizeof word);
      word = GUINT32_FROM_LE (word);
      memcpy (to + i, &word, sizeof word);
    }
}

/* NULL if the bytes are not as many as there are values. */
static LbMatrix *
unpack_raw (const guint8 *data, gsize size, guint64 rows, guint64 columns)
{
  LbMatrix *array;

  if (rows > G_MAXUINT32 || columns > G_MAXUINT32 ||
      (rows > 0 && columns > G_MAXSIZE / sizeof (float) / rows) || rows * columns * sizeof (float) != size)
    return NULL;
  array = lb_matrix_new (rows, columns);
  for (gsize row = 0; row < rows; row++)
    copy_floats (lb_matrix_row (array, row), data + row * columns * sizeof (float), columns);
  return array;
}

static gboolean
load_arrays (LbCalibration *self, GVariant *result, guint version, GError **error)
{
  g_autoptr (GVariant) arrays = g_variant_get_child_value (result, FIELD_ARRAYS);

  for (gsize i = 0; i < g_variant_n_children (arrays); i++)
    {
      g_autoptr (GVariant) bytes = NULL;
      g_autoptr (LbMatrix) array = NULL;
      const char *name;
      guint64 rows, columns;
      gsize size;
      const guint8 *data;

      g_variant_get_child (arrays, i, "(&stt@ay)", &name, &rows, &columns, &bytes);
      data = g_variant_get_fixed_array (bytes, &size, 1);
      array = version == VERSION_RAW ? unpack_raw (data, size, rows, columns)
                                     : lb_calibration_unpack_array (data, size, rows, columns);
      if (array == NULL)
        return fail_format (error, _ ("an array has not the size that it says"));
      lb_calibration_set_array (self, name, array);
    }
  return TRUE;
}

static gboolean
load_maps (LbCalibration *self, GVariant *result, GError **error)
{
  g_autoptr (GVariant) maps = g_variant_get_child_value (result, FIELD_MAPS);

  for (gsize i = 0; i < g_variant_n_children (maps); i++)
    {
      g_autoptr (GVariant) numbers = NULL;
      LbPlaneMap map;
      const char *name;
      const double *data;
      gsize count;

      g_variant_get_child (maps, i, "(&s@ad)", &name, &numbers);
      data = g_variant_get_fixed_array (numbers, &count, sizeof (double));
      if (count != MAP_NUMBERS)
        return fail_format (error, _ ("a map has not the right number of terms"));

      map.centre_x = data[0];
      map.centre_y = data[1];
      map.scale = data[2];
      memcpy (map.x, data + 3, sizeof map.x);
      memcpy (map.y, data + 3 + LB_PLANE_MAP_TERMS, sizeof map.y);
      lb_calibration_set_plane_map (self, name, &map);
    }
  return TRUE;
}

static gboolean
load_figures (LbCalibration *self, GVariant *result, GError **error)
{
  g_autoptr (GVariant) figures = g_variant_get_child_value (result, FIELD_FIGURES);

  for (gsize i = 0; i < g_variant_n_children (figures); i++)
    {
      g_autoptr (GVariant) variant = NULL;
      g_autoptr (LbFigure) figure = NULL;
      const char *name;

      g_variant_get_child (figures, i, "(&sv)", &name, &variant);
      figure = lb_figure_from_variant (variant, NULL);
      if (figure == NULL)
        return fail_format (error, _ ("a figure cannot be read"));
      lb_calibration_add_figure (self, name, figure);
    }
  return TRUE;
}

static gboolean
load_record (LbCalibration *self, GVariant *result, GError **error)
{
  const char *verdict_name, *unit, *message;
  LbVerdict verdict;
  double residual, limit;

  g_variant_get_child (result, FIELD_TIME, "x", &self->time_us);
  g_variant_get_child (result, FIELD_DURATION, "d", &self->duration_s);
  g_variant_get_child (result, FIELD_EXPOSURES, "t", &self->exposures);
  g_clear_pointer (&self->identities, lb_quantities_free);
  g_clear_pointer (&self->values, lb_quantities_free);
  g_clear_pointer (&self->settings, lb_quantities_free);
  self->identities = load_quantities (result, FIELD_IDENTITIES);
  self->values = load_quantities (result, FIELD_VALUES);
  self->settings = load_quantities (result, FIELD_SETTINGS);
  if (self->identities == NULL || self->values == NULL || self->settings == NULL)
    return fail_format (error, _ ("its values cannot be read"));

  g_variant_get_child (result, FIELD_VERDICT, "(&sdd&s&s)", &verdict_name, &residual, &limit, &unit,
                       &message);
  if (!verdict_from_name (verdict_name, &verdict))
    return fail_format (error, _ ("its verdict is none that is known"));
  lb_calibration_set_verdict (self, verdict, residual, limit, unit, message);
  return TRUE;
}

/**
 * lb_calibration_from_bytes:
 * @bytes: what lb_calibration_to_bytes() gave
 * @error: set to %LB_CALIBRATION_ERROR_FORMAT
 *
 * Reads a stored result, which comes back sealed. Returns: (transfer full)
 * (nullable).
 */
LbCalibration *
lb_calibration_from_bytes (GBytes *bytes, GError **error)
{
  g_autoptr (GVariant) result = NULL;
  g_autoptr (LbCalibration) self = NULL;
  g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);
  guint8 digest[DIGEST_LENGTH];
  gsize digest_length = DIGEST_LENGTH, size;
  const guint8 *data;
  const char *step;

  g_return_val_if_fail (bytes != NULL, NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  result = load_variant (bytes);
  if (result == NULL)
    {
      fail_format (error, _ ("it does not begin like one"));
      return NULL;
    }
  data = g_bytes_get_data (bytes, &size);
  g_checksum_update (checksum, data + HEADER_LENGTH, (gssize) (size - HEADER_LENGTH));
  g_checksum_get_digest (checksum, digest, &digest_length);
  if (memcmp (digest, data + DIGEST_START, DIGEST_LENGTH) != 0 || !g_variant_is_normal_form (result))
    {
      fail_format (error, _ ("its content does not have the hash that it says"));
      return NULL;
    }

  g_variant_get_child (result, FIELD_STEP, "&s", &step);
  self = lb_calibration_new (step);
  if (!load_record (self, result, error) || !load_arrays (self, result, data[sizeof magic], error) ||
      !load_maps (self, result, error) || !load_figures (self, result, error))
    return NULL;
  self->hash = g_strdup (g_checksum_get_string (checksum));
  self->bytes = g_bytes_ref (bytes);
  return g_steal_pointer (&self);
}
