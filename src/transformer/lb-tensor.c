/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-safetensors.h"

#include <glib/gi18n-lib.h>
#include <string.h>

#include "lb-model.h"

/* IEEE 754 binary16 to binary32; exact. */
static float
half_to_float (guint16 half)
{
  guint32 sign = (guint32) (half & 0x8000) << 16;
  guint32 exponent = (half >> 10) & 0x1f;
  guint32 mantissa = half & 0x3ff;
  guint32 bits;
  float value;

  if (exponent == 0)
    {
      /* Subnormal: mantissa x 2^-24. */
      value = (float) mantissa * 0x1p-24f;
      return sign != 0 ? -value : value;
    }
  if (exponent == 31)
    bits = sign | 0x7f800000 | mantissa << 13;
  else
    bits = sign | (exponent + 112) << 23 | mantissa << 13;
  memcpy (&value, &bits, 4);
  return value;
}

static float
float_from_bits (guint32 bits)
{
  float value;

  memcpy (&value, &bits, 4);
  return value;
}

/* @count values from number @first on, to @out[i x @stride]. */
static void
convert (const LbTensor *tensor, gsize first, gsize count, float *out, gsize stride)
{
  if (strcmp (tensor->dtype, "F32") == 0)
    for (gsize i = 0; i < count; i++)
      {
        guint32 bits;

        memcpy (&bits, tensor->bytes + (first + i) * 4, 4);
        out[i * stride] = float_from_bits (GUINT32_FROM_LE (bits));
      }
  else
    for (gsize i = 0; i < count; i++)
      {
        guint16 bits;

        memcpy (&bits, tensor->bytes + (first + i) * 2, 2);
        bits = GUINT16_FROM_LE (bits);
        out[i * stride] =
            tensor->dtype[0] == 'B' ? float_from_bits ((guint32) bits << 16) : half_to_float (bits);
      }
}

/* Rows @row on of a (columns, all rows) tensor to all of @matrix, in blocks
 * that stay in the first-level cache while they are written. */
static void
convert_transposed (const LbTensor *tensor, gsize row, gsize all_rows, LbMatrix *matrix)
{
  const gsize block_rows = 256, block_columns = 16;

  for (gsize top = 0; top < matrix->rows; top += block_rows)
    for (gsize left = 0; left < matrix->columns; left += block_columns)
      for (gsize i = left; i < MIN (left + block_columns, matrix->columns); i++)
        convert (tensor, i * all_rows + row + top, MIN (block_rows, matrix->rows - top),
                 lb_matrix_row (matrix, top) + i, matrix->stride);
}

gboolean
lb_tensor_is_plain_float (const LbTensor *tensor, LbTensorLayout layout)
{
  g_return_val_if_fail (tensor != NULL, FALSE);

  return G_BYTE_ORDER == G_LITTLE_ENDIAN && layout == LB_TENSOR_PLAIN && strcmp (tensor->dtype, "F32") == 0 &&
         (guintptr) tensor->bytes % G_ALIGNOF (float) == 0;
}

/* "(2048, 64)" */
static char *
format_shape (const gsize *shape, guint axes)
{
  GString *text = g_string_new ("(");

  for (guint i = 0; i < axes; i++)
    g_string_append_printf (text, i == 0 ? "%zu" : ", %zu", shape[i]);
  return g_string_free (g_string_append_c (text, ')'), FALSE);
}

gboolean
lb_tensor_check (const LbTensor *tensor, gsize rows, gsize columns, LbTensorLayout layout, GError **error)
{
  const gsize expected[2] = { layout == LB_TENSOR_PLAIN ? rows : columns,
                              layout == LB_TENSOR_PLAIN ? columns : rows };
  gboolean fits;

  g_return_val_if_fail (tensor != NULL, FALSE);

  if (tensor->axes == 1)
    fits = rows == 1 && tensor->shape[0] == columns;
  else
    fits = tensor->axes == 2 && tensor->shape[0] == expected[0] && tensor->shape[1] == expected[1];
  if (!fits)
    {
      g_autofree char *is = format_shape (tensor->shape, tensor->axes);
      g_autofree char *wanted = rows == 1 ? format_shape (&columns, 1) : format_shape (expected, 2);

      g_set_error (
          error, LB_MODEL_ERROR, LB_MODEL_ERROR_SHAPE,
          _ ("%s: tensor “%s” has the shape %s, config.json asks for %s: the files are not of one model"),
          tensor->file, tensor->name, is, wanted);
      return FALSE;
    }
  if (strcmp (tensor->dtype, "F32") != 0 && strcmp (tensor->dtype, "F16") != 0 &&
      strcmp (tensor->dtype, "BF16") != 0)
    {
      g_set_error (
          error, LB_MODEL_ERROR, LB_MODEL_ERROR_FORMAT,
          _ ("%s: tensor “%s” holds numbers of the kind %s: only F32, F16 and BF16 are read, save it as "
             "F32"),
          tensor->file, tensor->name, tensor->dtype);
      return FALSE;
    }
  return TRUE;
}

LbMatrix *
lb_tensor_get_matrix (const LbTensor *tensor, LbTensorLayout layout, gsize row, gsize rows, GError **error)
{
  g_autoptr (LbMatrix) matrix = NULL;
  gsize all_rows, columns;

  g_return_val_if_fail (tensor != NULL && tensor->axes >= 1 && tensor->axes <= 2, NULL);

  columns = tensor->shape[layout == LB_TENSOR_PLAIN ? tensor->axes - 1 : 0];
  all_rows = columns > 0 ? tensor->values / columns : 0;
  g_return_val_if_fail (row <= all_rows && rows <= all_rows - row, NULL);

  if (lb_tensor_is_plain_float (tensor, layout))
    {
      /* The mapping is read-only: whoever writes to weights would crash. */
      float *first = (float *) (gpointer) (tensor->bytes + row * columns * sizeof (float));

      matrix = lb_matrix_new_wrap (first, rows, columns, columns, g_mapped_file_ref (tensor->mapping),
                                   (GDestroyNotify) g_mapped_file_unref);
    }
  else
    {
      matrix = lb_matrix_new (rows, columns);
      if (layout == LB_TENSOR_PLAIN)
        for (gsize i = 0; i < rows; i++)
          convert (tensor, (row + i) * columns, columns, lb_matrix_row (matrix, i), 1);
      else
        convert_transposed (tensor, row, all_rows, matrix);
    }
  if (!lb_matrix_is_finite (matrix))
    {
      g_set_error (
          error, LB_MODEL_ERROR, LB_MODEL_ERROR_VALUE,
          _ ("%s: tensor “%s” has weights that are NaN or infinite: the file is damaged, or its training "
             "failed"),
          tensor->file, tensor->name);
      return NULL;
    }
  return g_steal_pointer (&matrix);
}
