/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-pixel-format.h"

#include <string.h>

#define MOSAIC(order, NAME)                                                                                  \
  { NAME "8", LB_PIXEL_BYTES, 8, FALSE, 0, order, TRUE },                                                    \
      { NAME "10", LB_PIXEL_WORDS, 10, FALSE, 0, order, TRUE },                                              \
      { NAME "12", LB_PIXEL_WORDS, 12, FALSE, 0, order, TRUE },                                              \
      { NAME "16", LB_PIXEL_WORDS, 16, FALSE, 0, order, TRUE },                                              \
      { NAME "10_CSI2P", LB_PIXEL_PACKED10, 10, FALSE, 0, order, TRUE },                                     \
  {                                                                                                          \
    NAME "12_CSI2P", LB_PIXEL_PACKED12, 12, FALSE, 0, order, TRUE                                            \
  }

/* RGB888 is blue, green, red in memory: the name is of the little-endian word. */
static const LbPixelFormat formats[] = {
  { "R8", LB_PIXEL_BYTES, 8 },
  { "R10", LB_PIXEL_WORDS, 10 },
  { "R12", LB_PIXEL_WORDS, 12 },
  { "R16", LB_PIXEL_WORDS, 16 },
  { "R10_CSI2P", LB_PIXEL_PACKED10, 10 },
  { "R12_CSI2P", LB_PIXEL_PACKED12, 12 },
  MOSAIC ("rggb", "SRGGB"),
  MOSAIC ("grbg", "SGRBG"),
  MOSAIC ("gbrg", "SGBRG"),
  MOSAIC ("bggr", "SBGGR"),
  { "YUYV", LB_PIXEL_PAIRS, 8, TRUE, 0 },
  { "YVYU", LB_PIXEL_PAIRS, 8, TRUE, 0 },
  { "UYVY", LB_PIXEL_PAIRS, 8, TRUE, 1 },
  { "VYUY", LB_PIXEL_PAIRS, 8, TRUE, 1 },
  { "NV12", LB_PIXEL_BYTES, 8, TRUE },
  { "NV21", LB_PIXEL_BYTES, 8, TRUE },
  { "RGB888", LB_PIXEL_TRIPLES, 8, TRUE, 0, "bgr" },
  { "BGR888", LB_PIXEL_TRIPLES, 8, TRUE, 0, "rgb" },
  { NULL },
};

static const char *const colour_names[LB_PIXEL_N_COLOURS] = { "green", "red", "blue" };

/**
 * lb_pixel_format_get_all:
 *
 * Returns: the formats that can be read, ended by a row without a name
 */
const LbPixelFormat *
lb_pixel_format_get_all (void)
{
  return formats;
}

/**
 * lb_pixel_format_find:
 * @name: (nullable): as libcamera names it
 *
 * Returns: (nullable): the format
 */
const LbPixelFormat *
lb_pixel_format_find (const char *name)
{
  for (const LbPixelFormat *format = formats; format->name != NULL; format++)
    if (g_strcmp0 (format->name, name) == 0)
      return format;
  return NULL;
}

/**
 * lb_pixel_colour_find:
 * @name: (nullable): "green", "red", "blue"
 *
 * Returns: an #LbPixelColour, or -1
 */
int
lb_pixel_colour_find (const char *name)
{
  for (guint i = 0; i < LB_PIXEL_N_COLOURS; i++)
    if (g_strcmp0 (colour_names[i], name) == 0)
      return (int) i;
  return -1;
}

/**
 * lb_pixel_format_get_divisor:
 *
 * Returns: by what the picture is smaller than the sensor, a side: 2 for one
 *   colour of a mosaic, else 1
 */
guint
lb_pixel_format_get_divisor (const LbPixelFormat *self)
{
  return self->mosaic ? 2 : 1;
}

static gsize
row_bytes (const LbPixelFormat *self, gsize pixels)
{
  switch (self->layout)
    {
    case LB_PIXEL_BYTES:
      return pixels;
    case LB_PIXEL_PACKED10:
      return (pixels + 3) / 4 * 5;
    case LB_PIXEL_PACKED12:
      return (pixels + 1) / 2 * 3;
    case LB_PIXEL_TRIPLES:
      return 3 * pixels;
    case LB_PIXEL_WORDS:
    case LB_PIXEL_PAIRS:
    default:
      return 2 * pixels;
    }
}

/**
 * lb_pixel_format_get_extent:
 * @stride: bytes from row to row
 * @width, @height: pixels of what comes out
 *
 * Returns: how many bytes a whole picture must have at least
 */
gsize
lb_pixel_format_get_extent (const LbPixelFormat *self, gsize stride, guint width, guint height)
{
  guint divisor = lb_pixel_format_get_divisor (self);

  return height == 0 ? 0
                     : ((gsize) height * divisor - 1) * stride + row_bytes (self, (gsize) width * divisor);
}

/* Where @colour is in the cell (0 to 3) or in the triple (0 to 2). A cell has
 * two greens; the first is taken: their mean would be of another noise. */
static guint
find_colour (const LbPixelFormat *self, LbPixelColour colour)
{
  const char *place = strchr (self->colours, colour_names[colour][0]);

  g_return_val_if_fail (place != NULL, 0);
  return (guint) (place - self->colours);
}

/* --- Rows: @in is at the first pixel that is wanted -------------------------------------- */

static void
unpack_bytes (const guint8 *restrict in, guint step, guint count, guint16 *restrict out)
{
  /* Constant steps, so that the compiler makes vector code of each. */
  if (step == 1)
    for (guint i = 0; i < count; i++)
      out[i] = in[i];
  else if (step == 2)
    for (guint i = 0; i < count; i++)
      out[i] = in[2 * (gsize) i];
  else
    for (guint i = 0; i < count; i++)
      out[i] = in[3 * (gsize) i];
}

static void
unpack_words (const guint8 *restrict in, guint step, guint16 mask, guint count, guint16 *restrict out)
{
  if (step == 1 && mask == G_MAXUINT16 && G_BYTE_ORDER == G_LITTLE_ENDIAN)
    {
      memcpy (out, in, sizeof *out * count);
      return;
    }
  for (guint i = 0; i < count; i++)
    {
      guint16 word;

      memcpy (&word, in + sizeof word * step * i, sizeof word);
      out[i] = GUINT16_FROM_LE (word) & mask;
    }
}

/* All pixels of a packed row, from a whole group on. */
static void
unpack_packed10 (const guint8 *restrict in, guint count, guint16 *restrict out)
{
  guint i = 0;

  for (; i + 4 <= count; i += 4, in += 5)
    for (guint k = 0; k < 4; k++)
      out[i + k] = (guint16) (in[k] << 2 | (in[4] >> 2 * k & 3));
  for (guint k = 0; i + k < count; k++)
    out[i + k] = (guint16) (in[k] << 2 | (in[4] >> 2 * k & 3));
}

static void
unpack_packed12 (const guint8 *restrict in, guint count, guint16 *restrict out)
{
  guint i = 0;

  for (; i + 2 <= count; i += 2, in += 3)
    {
      out[i] = (guint16) (in[0] << 4 | (in[2] & 15));
      out[i + 1] = (guint16) (in[1] << 4 | in[2] >> 4);
    }
  if (i < count)
    out[i] = (guint16) (in[0] << 4 | (in[2] & 15));
}

/* Every second pixel of a packed row, from @offset (0 or 1) on. */
static void
unpack_packed10_mosaic (const guint8 *restrict in, guint offset, guint count, guint16 *restrict out)
{
  guint shift = 2 * offset;
  guint i = 0;

  in += offset;
  for (; i + 2 <= count; i += 2, in += 5)
    {
      guint low = in[4 - (gssize) offset];

      out[i] = (guint16) (in[0] << 2 | (low >> shift & 3));
      out[i + 1] = (guint16) (in[2] << 2 | (low >> (shift + 4) & 3));
    }
  if (i < count)
    out[i] = (guint16) (in[0] << 2 | (in[4 - (gssize) offset] >> shift & 3));
}

static void
unpack_packed12_mosaic (const guint8 *restrict in, guint offset, guint count, guint16 *restrict out)
{
  guint shift = 4 * offset;

  for (guint i = 0; i < count; i++, in += 3)
    out[i] = (guint16) (in[offset] << 4 | (in[2] >> shift & 15));
}

static void
unpack_row (const LbPixelFormat *self, const guint8 *row, guint place, guint x, guint count, guint16 *out)
{
  guint divisor = lb_pixel_format_get_divisor (self);
  guint offset = self->mosaic ? place % 2 : 0;
  /* A multiple of 4, so that groups are whole. */
  const guint8 *in = row + row_bytes (self, (gsize) x * divisor);
  guint16 mask = (guint16) ((1u << self->bits) - 1);

  switch (self->layout)
    {
    case LB_PIXEL_BYTES:
      unpack_bytes (in + offset, divisor, count, out);
      break;
    case LB_PIXEL_WORDS:
      unpack_words (in + 2 * offset, divisor, mask, count, out);
      break;
    case LB_PIXEL_PAIRS:
      unpack_bytes (in + self->first, 2, count, out);
      break;
    case LB_PIXEL_TRIPLES:
      unpack_bytes (in + place, 3, count, out);
      break;
    case LB_PIXEL_PACKED10:
      if (self->mosaic)
        unpack_packed10_mosaic (in, offset, count, out);
      else
        unpack_packed10 (in, count, out);
      break;
    case LB_PIXEL_PACKED12:
    default:
      if (self->mosaic)
        unpack_packed12_mosaic (in, offset, count, out);
      else
        unpack_packed12 (in, count, out);
      break;
    }
}

/**
 * lb_pixel_format_unpack:
 * @colour: which, for formats with colours
 * @data: first row of the whole picture
 * @stride: bytes from row to row
 * @x, @y, @width, @height: region, in pixels of what comes out; @x a multiple of 4
 * @out: (out): width x height digital numbers
 *
 * Unpacks a region to 16-bit digital numbers of the format's bits. Bits above
 * them are dropped.
 */
void
lb_pixel_format_unpack (const LbPixelFormat *self,
                        LbPixelColour colour,
                        const guint8 *data,
                        gsize stride,
                        guint x,
                        guint y,
                        guint width,
                        guint height,
                        guint16 *out)
{
  guint divisor = lb_pixel_format_get_divisor (self);
  guint place = self->colours[0] != '\0' ? find_colour (self, colour) : 0;
  guint down = self->mosaic ? place / 2 : 0;

  g_return_if_fail (x % 4 == 0);

  for (guint row = 0; row < height; row++)
    unpack_row (self, data + ((gsize) (y + row) * divisor + down) * stride, place, x, width,
                out + (gsize) row * width);
}
