/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-calibration-private.h"

#include <math.h>
#include <string.h>

/*
 * A stored array: a byte that says what its 32-bit words are, a signed byte e,
 * and the words, first the lowest byte of all of them, then the next one, and so
 * on, in zlib's format (RFC 1950). Bytes of one kind deflate far better side by
 * side. Nothing is lost: values that are whole multiples of 2^e, e being as large
 * as it can, are stored as those multiples, all others as floats.
 */
enum
{
  WORDS_FLOATS,
  WORDS_MULTIPLES,
};

#define HEADER_LENGTH 2
/* Speed counts more than the last percent. */
#define DEFLATE_LEVEL 1
/* Multiples stay below 2^30. */
#define MULTIPLE_BITS 30
/* Deflate makes no more than 1,032 bytes of one. */
#define DEFLATE_RATIO_MAX 1040

typedef union
{
  float value;
  guint32 bits;
} Single;

/* Exponent of the largest power of two that all values are multiples of; FALSE
 * if there is none or they would be too large. */
static gboolean
find_exponent (const LbMatrix *array, int *exponent)
{
  int low = 127, high = -126;

  for (gsize row = 0; row < array->rows; row++)
    for (gsize column = 0; column < array->columns; column++)
      {
        const Single single = { .value = lb_matrix_row (array, row)[column] };
        const int biased = (int) (single.bits >> 23 & 0xff);
        const guint32 mantissa = (single.bits & 0x7fffff) | 0x800000;

        if (single.bits == 0)
          continue;
        /* Negative zeros, denormals, infinities, NaN. */
        if (biased == 0 || biased == 0xff)
          return FALSE;
        low = MIN (low, biased - 150 + g_bit_nth_lsf (mantissa, -1));
        high = MAX (high, biased - 126);
      }
  *exponent = MIN (low, 127);
  return low >= -126 && high - low <= MULTIPLE_BITS;
}

/* Small numbers of either sign become small ones without. */
static guint32
fold (gint32 number)
{
  return (guint32) number << 1 ^ (number < 0 ? G_MAXUINT32 : 0);
}

static gint32
unfold (guint32 folded)
{
  return (gint32) (folded >> 1) * ((folded & 1) != 0 ? -1 : 1) - (gint32) (folded & 1);
}

static guint32
word_of (float value, gboolean multiples, int exponent)
{
  const Single single = { .value = value };

  return multiples ? fold ((gint32) ldexp (value, -exponent)) : single.bits;
}

static float
value_of (guint32 word, gboolean multiples, int exponent)
{
  const Single single = { .bits = word };

  return multiples ? (float) ldexp (unfold (word), exponent) : single.value;
}

static GBytes *
deflate (const guint8 *data, gsize size)
{
  g_autoptr (GZlibCompressor) compressor =
      g_zlib_compressor_new (G_ZLIB_COMPRESSOR_FORMAT_ZLIB, DEFLATE_LEVEL);
  g_autoptr (GOutputStream) memory = g_memory_output_stream_new_resizable ();
  g_autoptr (GOutputStream) stream = g_converter_output_stream_new (memory, G_CONVERTER (compressor));
  g_autoptr (GError) error = NULL;

  /* Memory takes all that it is given. */
  if (!g_output_stream_write_all (stream, data, size, NULL, NULL, &error) ||
      !g_output_stream_close (stream, NULL, &error))
    g_error ("an array could not be deflated: %s", error->message);
  return g_memory_output_stream_steal_as_bytes (G_MEMORY_OUTPUT_STREAM (memory));
}

/* FALSE if it is not @size bytes that come of it. */
static gboolean
inflate (const guint8 *data, gsize length, guint8 *out, gsize size)
{
  g_autoptr (GZlibDecompressor) decompressor = g_zlib_decompressor_new (G_ZLIB_COMPRESSOR_FORMAT_ZLIB);
  g_autoptr (GInputStream) memory = g_memory_input_stream_new_from_data (data, (gssize) length, NULL);
  g_autoptr (GInputStream) stream = g_converter_input_stream_new (memory, G_CONVERTER (decompressor));
  guint8 more;
  gsize got;

  return g_input_stream_read_all (stream, out, size, &got, NULL, NULL) && got == size &&
         g_input_stream_read (stream, &more, 1, NULL, NULL) == 0;
}

/**
 * lb_calibration_pack_array:
 *
 * Returns: (transfer full): the values, without a loss
 */
GBytes *
lb_calibration_pack_array (const LbMatrix *array)
{
  const gsize count = array->rows * array->columns;
  g_autofree guint8 *planes = g_malloc (MAX (4 * count, 1));
  g_autoptr (GBytes) deflated = NULL;
  int exponent = 0;
  const gboolean multiples = find_exponent (array, &exponent);
  gsize length, i = 0;
  guint8 *packed;

  for (gsize row = 0; row < array->rows; row++)
    for (gsize column = 0; column < array->columns; column++, i++)
      {
        const guint32 word = word_of (lb_matrix_row (array, row)[column], multiples, exponent);

        for (guint byte = 0; byte < 4; byte++)
          planes[byte * count + i] = (guint8) (word >> 8 * byte);
      }
  deflated = deflate (planes, 4 * count);
  length = g_bytes_get_size (deflated);
  packed = g_malloc (HEADER_LENGTH + length);
  packed[0] = multiples ? WORDS_MULTIPLES : WORDS_FLOATS;
  packed[1] = (guint8) (multiples ? exponent : 0);
  memcpy (packed + HEADER_LENGTH, g_bytes_get_data (deflated, NULL), length);
  return g_bytes_new_take (packed, HEADER_LENGTH + length);
}

/**
 * lb_calibration_unpack_array:
 * @packed: what lb_calibration_pack_array() gave
 * @size: its length
 * @rows: of the array
 * @columns: of the array
 *
 * Returns: (transfer full) (nullable): the array; %NULL if @packed does not hold that many values
 */
LbMatrix *
lb_calibration_unpack_array (const guint8 *packed, gsize size, gsize rows, gsize columns)
{
  const gsize count = rows * columns;
  g_autofree guint8 *planes = NULL;
  LbMatrix *array;
  gboolean multiples;
  int exponent;

  /* Nothing that was made up may ask for endless memory. */
  if (size < HEADER_LENGTH || packed[0] > WORDS_MULTIPLES || rows > G_MAXUINT32 || columns > G_MAXUINT32 ||
      (rows > 0 && columns > DEFLATE_RATIO_MAX * size / 4 / rows))
    return NULL;
  planes = g_malloc (MAX (4 * count, 1));
  if (!inflate (packed + HEADER_LENGTH, size - HEADER_LENGTH, planes, 4 * count))
    return NULL;
  multiples = packed[0] == WORDS_MULTIPLES;
  exponent = (gint8) packed[1];
  array = lb_matrix_new (rows, columns);
  for (gsize i = 0; i < count; i++)
    {
      guint32 word = 0;

      for (guint byte = 0; byte < 4; byte++)
        word |= (guint32) planes[byte * count + i] << 8 * byte;
      lb_matrix_row (array, i / columns)[i % columns] = value_of (word, multiples, exponent);
    }
  return array;
}
