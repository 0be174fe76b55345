/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-npy.h"

#include <glib/gi18n-lib.h>
#include <math.h>
#include <string.h>

#include "lb-least-squares.h"

#define MAGIC "\x93NUMPY"
#define MAGIC_LENGTH 6
/* numpy.lib.format aligns the values to this. */
#define VALUE_ALIGNMENT 64

/* What the header says. */
typedef struct
{
  char kind; /* f, i or u */
  guint item_size;
  gboolean big_endian;
  guint axes;
  gsize shape[4];
  gsize count;
} Layout;

/* A place in the header, a dictionary written as Python source. */
typedef struct
{
  const char *at;
  const char *end;
} Cursor;

static gboolean G_GNUC_PRINTF (3, 4) fail (GError **error, const char *name, const char *format, ...)
{
  g_autofree char *cause = NULL;
  va_list arguments;

  va_start (arguments, format);
  cause = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  g_set_error (error, LB_NUMERICS_ERROR, LB_NUMERICS_ERROR_FORMAT, "%s: %s", name, cause);
  return FALSE;
}

static void
skip_space (Cursor *cursor)
{
  while (cursor->at < cursor->end && g_ascii_isspace (*cursor->at))
    cursor->at++;
}

static gboolean
accept (Cursor *cursor, const char *token)
{
  gsize length = strlen (token);

  skip_space (cursor);
  if ((gsize) (cursor->end - cursor->at) < length || strncmp (cursor->at, token, length) != 0)
    return FALSE;
  cursor->at += length;
  return TRUE;
}

/* A string in single or double quotes, without escapes; NULL if there is none. */
static char *
take_string (Cursor *cursor)
{
  const char *start, *end;

  skip_space (cursor);
  if (cursor->at == cursor->end || (*cursor->at != '\'' && *cursor->at != '"'))
    return NULL;
  start = cursor->at + 1;
  end = memchr (start, *cursor->at, (gsize) (cursor->end - start));
  if (end == NULL)
    return NULL;
  cursor->at = end + 1;
  return g_utf8_make_valid (start, end - start);
}

static gboolean
take_size (Cursor *cursor, gsize *value)
{
  const char *start;

  skip_space (cursor);
  *value = 0;
  for (start = cursor->at; cursor->at < cursor->end && g_ascii_isdigit (*cursor->at); cursor->at++)
    if (!g_size_checked_mul (value, *value, 10) ||
        !g_size_checked_add (value, *value, (gsize) g_ascii_digit_value (*cursor->at)))
      return FALSE;
  if (cursor->at == start)
    return FALSE;
  /* Python 2 wrote 3L. */
  if (cursor->at < cursor->end && *cursor->at == 'L')
    cursor->at++;
  return TRUE;
}

static gboolean
take_type (Cursor *cursor, Layout *layout, const char *name, GError **error)
{
  static const char *const known[] = { "f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8" };
  g_autofree char *type = take_string (cursor);

  if (type == NULL)
    return fail (error, name, _ ("its values are records; only plain numbers can be read"));

  for (guint i = 0; i < G_N_ELEMENTS (known); i++)
    if (type[0] != '\0' && strchr ("<>|=", type[0]) != NULL && g_str_equal (type + 1, known[i]) &&
        (type[0] != '|' || known[i][1] == '1'))
      {
        layout->kind = type[1];
        layout->item_size = (guint) (type[2] - '0');
        layout->big_endian = type[0] == '>' || (type[0] == '=' && G_BYTE_ORDER == G_BIG_ENDIAN);
        return TRUE;
      }
  return fail (error, name,
               _ ("its values are of type “%s”; floats and whole numbers can be read: convert them with "
                  "astype('float32')"),
               type);
}

static gboolean
take_order (Cursor *cursor, gboolean *fortran_order)
{
  *fortran_order = accept (cursor, "True");
  return *fortran_order || accept (cursor, "False");
}

static gboolean
take_shape (Cursor *cursor, Layout *layout, const char *name, GError **error)
{
  if (!accept (cursor, "("))
    return fail (error, name, _ ("its header is damaged (shape)"));

  layout->axes = 0;
  while (!accept (cursor, ")"))
    {
      gsize length;

      if (!take_size (cursor, &length))
        return fail (error, name, _ ("its header is damaged (shape)"));
      if (layout->axes == G_N_ELEMENTS (layout->shape))
        return fail (error, name, _ ("it has more than four axes"));
      layout->shape[layout->axes++] = length;
      if (!accept (cursor, ",") && !(cursor->at < cursor->end && *cursor->at == ')'))
        return fail (error, name, _ ("its header is damaged (shape)"));
    }
  return TRUE;
}

/* The axes that are not empty must be addressable too, or strides overflow. */
static gboolean
count_values (Layout *layout, const char *name, GError **error)
{
  gsize bytes = layout->item_size;

  layout->count = 1;
  for (guint i = 0; i < layout->axes; i++)
    {
      if (!g_size_checked_mul (&bytes, bytes, MAX (layout->shape[i], 1)))
        return fail (error, name, _ ("its shape is larger than any memory"));
      layout->count *= layout->shape[i];
    }
  return TRUE;
}

static gboolean
parse_header (Cursor cursor, Layout *layout, const char *name, GError **error)
{
  gboolean has_type = FALSE, has_order = FALSE, has_shape = FALSE, fortran_order = FALSE;

  if (!accept (&cursor, "{"))
    return fail (error, name, _ ("its header is damaged"));

  while (!accept (&cursor, "}"))
    {
      g_autofree char *key = take_string (&cursor);

      if (key == NULL || !accept (&cursor, ":"))
        return fail (error, name, _ ("its header is damaged"));
      if (g_str_equal (key, "descr") && !(has_type = take_type (&cursor, layout, name, error)))
        return FALSE;
      else if (g_str_equal (key, "shape") && !(has_shape = take_shape (&cursor, layout, name, error)))
        return FALSE;
      else if (g_str_equal (key, "fortran_order") && !(has_order = take_order (&cursor, &fortran_order)))
        return fail (error, name, _ ("its header is damaged (fortran_order)"));
      if (!accept (&cursor, ",") && !(cursor.at < cursor.end && *cursor.at == '}'))
        return fail (error, name, _ ("its header is damaged"));
    }

  if (!has_type || !has_order || !has_shape)
    return fail (error, name, _ ("its header lacks descr, fortran_order or shape"));
  if (fortran_order && layout->axes > 1)
    return fail (error, name, _ ("it is in Fortran order: save it with numpy.ascontiguousarray()"));
  return count_values (layout, name, error);
}

/* Finds the header between the fixed part and the values. */
static gboolean
find_header (const guint8 *bytes, gsize size, Cursor *header, const char *name, GError **error)
{
  gsize start, length;

  if (size < MAGIC_LENGTH || memcmp (bytes, MAGIC, MAGIC_LENGTH) != 0)
    return fail (error, name, _ ("it is not a .npy file"));
  if (size < 12)
    return fail (error, name, _ ("it ends in its header: it was cut short"));
  if (bytes[6] < 1 || bytes[6] > 3)
    return fail (error, name, _ ("it is of version %u of .npy; versions 1 to 3 can be read"), bytes[6]);

  start = bytes[6] == 1 ? 10 : 12;
  length = (gsize) bytes[8] | (gsize) bytes[9] << 8;
  if (bytes[6] > 1)
    length |= (gsize) bytes[10] << 16 | (gsize) bytes[11] << 24;
  if (length > size - start)
    return fail (error, name, _ ("it ends in its header: it was cut short"));

  header->at = (const char *) bytes + start;
  header->end = header->at + length;
  return TRUE;
}

static float
half_to_float (guint16 bits)
{
  float magnitude;
  guint exponent = bits >> 10 & 31;
  guint fraction = bits & 1023;

  if (exponent == 31)
    magnitude = fraction != 0 ? NAN : INFINITY;
  else if (exponent == 0)
    magnitude = ldexpf ((float) fraction, -24);
  else
    magnitude = ldexpf ((float) (fraction | 1024), (int) exponent - 25);
  return bits >> 15 != 0 ? -magnitude : magnitude;
}

static float
float_from_bits (guint64 bits, guint size)
{
  guint32 bits32 = (guint32) bits;
  float value32;
  double value64;

  if (size == 2)
    return half_to_float ((guint16) bits);
  if (size == 4)
    {
      memcpy (&value32, &bits32, sizeof value32);
      return value32;
    }
  memcpy (&value64, &bits, sizeof value64);
  return (float) value64;
}

static float
integer_from_bits (guint64 bits, guint size)
{
  switch (size)
    {
    case 1:
      return (gint8) bits;
    case 2:
      return (gint16) bits;
    case 4:
      return (float) (gint32) bits;
    default:
      return (float) (gint64) bits;
    }
}

static guint64
read_bits (const guint8 *bytes, guint size, gboolean big_endian)
{
  guint64 bits = 0;

  for (guint i = 0; i < size; i++)
    bits = bits << 8 | bytes[big_endian ? i : size - 1 - i];
  return bits;
}

static void
convert_values (const guint8 *bytes, const Layout *layout, float *values)
{
  if (G_BYTE_ORDER == G_LITTLE_ENDIAN && layout->kind == 'f' && layout->item_size == 4 && !layout->big_endian)
    {
      if (layout->count > 0)
        memcpy (values, bytes, layout->count * sizeof (float));
      return;
    }

  for (gsize i = 0; i < layout->count; i++)
    {
      guint64 bits = read_bits (bytes + i * layout->item_size, layout->item_size, layout->big_endian);

      if (layout->kind == 'f')
        values[i] = float_from_bits (bits, layout->item_size);
      else if (layout->kind == 'i')
        values[i] = integer_from_bits (bits, layout->item_size);
      else
        values[i] = (float) bits;
    }
}

/**
 * lb_npy_parse:
 * @bytes: (size) the contents of a file
 * @size: number of bytes
 * @name: what error messages call it
 * @error: set to %LB_NUMERICS_ERROR_FORMAT
 *
 * Reads an array; no damage to @bytes can do harm. Returns: (transfer full)
 * (nullable).
 */
LbNpy *
lb_npy_parse (const guint8 *bytes, gsize size, const char *name, GError **error)
{
  Layout layout = { 0 };
  Cursor header;
  LbNpy *self;
  gsize left;

  g_return_val_if_fail (size == 0 || bytes != NULL, NULL);
  g_return_val_if_fail (name != NULL, NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  if (!find_header (bytes, size, &header, name, error) || !parse_header (header, &layout, name, error))
    return NULL;

  left = size - (gsize) (header.end - (const char *) bytes);
  if (left != layout.count * layout.item_size)
    {
      fail (error, name, _ ("its values take %zu bytes, but it has %zu: it is damaged or was cut short"),
            layout.count * layout.item_size, left);
      return NULL;
    }

  self = g_new0 (LbNpy, 1);
  self->axes = layout.axes;
  memcpy (self->shape, layout.shape, sizeof self->shape);
  self->count = layout.count;
  self->values = g_new (float, layout.count);
  convert_values ((const guint8 *) header.end, &layout, self->values);
  return self;
}

/**
 * lb_npy_read:
 * @path: the file
 * @error: set to a %G_FILE_ERROR or to %LB_NUMERICS_ERROR_FORMAT; names the
 *   file
 *
 * Reads a .npy file. Returns: (transfer full) (nullable).
 */
LbNpy *
lb_npy_read (const char *path, GError **error)
{
  g_autofree char *contents = NULL;
  g_autofree char *name = NULL;
  gsize size;

  g_return_val_if_fail (path != NULL, NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  if (!g_file_get_contents (path, &contents, &size, error))
    return NULL;

  name = g_filename_display_name (path);
  return lb_npy_parse ((const guint8 *) contents, size, name, error);
}

/* The fixed part and the padded header of version 1. */
static GByteArray *
compose_header (guint axes, const gsize *shape)
{
  g_autoptr (GString) header = g_string_new ("{'descr': '<f4', 'fortran_order': False, 'shape': (");
  GByteArray *bytes = g_byte_array_new ();
  gsize length;

  for (guint i = 0; i < axes; i++)
    g_string_append_printf (header, "%s%" G_GSIZE_FORMAT, i > 0 ? ", " : "", shape[i]);
  g_string_append (header, axes == 1 ? ",), }" : "), }");

  length = MAGIC_LENGTH + 4 + header->len + 1;
  for (; length % VALUE_ALIGNMENT != 0; length++)
    g_string_append_c (header, ' ');
  g_string_append_c (header, '\n');

  g_byte_array_append (bytes, (const guint8 *) MAGIC "\1", MAGIC_LENGTH + 2);
  g_byte_array_append (bytes, (const guint8[]){ header->len & 255, header->len >> 8 }, 2);
  g_byte_array_append (bytes, (const guint8 *) header->str, (guint) header->len);
  return bytes;
}

static gboolean
store (const char *path, GByteArray *header, const LbMatrix *rows, GError **error)
{
  g_autofree guint8 *contents = NULL;
  gsize size = header->len, row_size = rows->columns * sizeof (float);

  contents = g_malloc (size + rows->rows * row_size);
  memcpy (contents, header->data, size);
  for (gsize row = 0; row < rows->rows && row_size > 0; row++, size += row_size)
    {
      memcpy (contents + size, lb_matrix_row (rows, row), row_size);
#if G_BYTE_ORDER == G_BIG_ENDIAN
      for (gsize i = 0; i < row_size; i += sizeof (guint32))
        {
          guint32 bits;

          memcpy (&bits, contents + size + i, sizeof bits);
          bits = GUINT32_TO_LE (bits);
          memcpy (contents + size + i, &bits, sizeof bits);
        }
#endif
    }
  return g_file_set_contents_full (path, (const char *) contents, (gssize) size,
                                   G_FILE_SET_CONTENTS_CONSISTENT, 0666, error);
}

/**
 * lb_npy_write:
 * @path: the file, replaced as a whole or not at all
 * @values: (product of @shape), row-major
 * @axes: number of axes, up to four
 * @shape: (axes)
 * @error: set to a %G_FILE_ERROR, which names the file
 *
 * Writes an array of floats.
 */
gboolean
lb_npy_write (const char *path, const float *values, guint axes, const gsize *shape, GError **error)
{
  g_autoptr (GByteArray) header = NULL;
  g_autoptr (LbMatrix) row = NULL;
  gsize count = 1;

  g_return_val_if_fail (path != NULL, FALSE);
  g_return_val_if_fail (axes <= 4 && (axes == 0 || shape != NULL), FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  for (guint i = 0; i < axes; i++)
    count *= shape[i];
  g_return_val_if_fail (count == 0 || values != NULL, FALSE);

  header = compose_header (axes, shape);
  row = lb_matrix_new_wrap ((float *) values, 1, count, count, NULL, NULL);
  return store (path, header, row, error);
}

/**
 * lb_npy_write_matrix:
 * @path: the file, replaced as a whole or not at all
 * @matrix: (rows, columns)
 * @error: set to a %G_FILE_ERROR, which names the file
 *
 * Writes a matrix as an array of two axes.
 */
gboolean
lb_npy_write_matrix (const char *path, const LbMatrix *matrix, GError **error)
{
  g_autoptr (GByteArray) header = NULL;

  g_return_val_if_fail (path != NULL, FALSE);
  g_return_val_if_fail (matrix != NULL, FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  header = compose_header (2, (gsize[]){ matrix->rows, matrix->columns });
  return store (path, header, matrix, error);
}

/**
 * lb_npy_to_matrix:
 * @self: an array
 * @error: set to %LB_NUMERICS_ERROR_FORMAT
 *
 * Makes a matrix of an array of two axes; one axis makes one row.
 * Returns: (transfer full) (nullable): %NULL for another number of axes, and
 * for an array without values.
 */
LbMatrix *
lb_npy_to_matrix (const LbNpy *self, GError **error)
{
  LbMatrix *matrix;
  gsize rows, columns;

  g_return_val_if_fail (self != NULL, NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  if (self->axes < 1 || self->axes > 2 || self->count == 0)
    {
      g_set_error (error, LB_NUMERICS_ERROR, LB_NUMERICS_ERROR_FORMAT,
                   self->count == 0 ? _ ("the array holds no values (it has %u axes)")
                                    : _ ("a matrix has two axes, the array has %u"),
                   self->axes);
      return NULL;
    }

  rows = self->axes == 1 ? 1 : self->shape[0];
  columns = self->shape[self->axes - 1];
  matrix = lb_matrix_new (rows, columns);
  for (gsize row = 0; row < rows; row++)
    memcpy (lb_matrix_row (matrix, row), self->values + row * columns, columns * sizeof (float));
  return matrix;
}

/**
 * lb_npy_free:
 * @self: (nullable) (transfer full): an array
 *
 * Frees it.
 */
void
lb_npy_free (LbNpy *self)
{
  if (self == NULL)
    return;

  g_free (self->values);
  g_free (self);
}
