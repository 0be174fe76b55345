/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include <lb-pixel-format.h>

/* Every format against a plain reference that reads single bits of the picture
 * and shares nothing with the unpacking. */

typedef struct
{
  const char *name;
  LbPixelColour colour;
  /* Value of the pixel at (x, y) of what comes out. */
  guint (*reference) (const guint8 *data, gsize stride, guint x, guint y, const char *cell, char wanted);
  const char *cell; /* Bayer: the 2 x 2 colours row by row; triples: in memory */
  guint divisor;
} Case;

static gboolean
bit (const guint8 *data, gsize index)
{
  return data[index / 8] >> (index % 8) & 1;
}

/* --- Of a pixel of the sensor, by bits ---------------------------------------------------- */

static guint
reference_byte (const guint8 *row, guint x)
{
  guint value = 0;

  for (guint k = 0; k < 8; k++)
    value |= (guint) bit (row, 8 * (gsize) x + k) << k;
  return value;
}

static guint
reference_word (const guint8 *row, guint x, guint bits)
{
  guint value = 0;

  for (guint k = 0; k < bits; k++)
    value |= (guint) bit (row, 16 * (gsize) x + k) << k;
  return value;
}

/* MIPI CSI-2 RAW10: bytes of four pixels, then a byte with two low bits of each. */
static guint
reference_raw10 (const guint8 *row, guint x)
{
  gsize group = 40 * (gsize) (x / 4);
  guint value = 0;

  for (guint k = 0; k < 8; k++)
    value |= (guint) bit (row, group + 8 * (x % 4) + k) << (k + 2);
  for (guint k = 0; k < 2; k++)
    value |= (guint) bit (row, group + 32 + 2 * (x % 4) + k) << k;
  return value;
}

/* MIPI CSI-2 RAW12: bytes of two pixels, then a byte with four low bits of each. */
static guint
reference_raw12 (const guint8 *row, guint x)
{
  gsize group = 24 * (gsize) (x / 2);
  guint value = 0;

  for (guint k = 0; k < 8; k++)
    value |= (guint) bit (row, group + 8 * (x % 2) + k) << (k + 4);
  for (guint k = 0; k < 4; k++)
    value |= (guint) bit (row, group + 16 + 4 * (x % 2) + k) << k;
  return value;
}

/* The first pixel of the wanted colour in the cell (x, y) of a mosaic, found by
 * walking over it. */
static void
find_in_cell (const char *cell, char wanted, guint *x, guint *y)
{
  guint cell_x = *x, cell_y = *y;

  for (guint dy = 0; dy < 2; dy++)
    for (guint dx = 0; dx < 2; dx++)
      if (cell[2 * dy + dx] == wanted)
        {
          *x = 2 * cell_x + dx;
          *y = 2 * cell_y + dy;
          return;
        }
  g_assert_not_reached ();
}

#define REFERENCE(name, expression)                                                                          \
  static guint name (const guint8 *data, gsize stride, guint x, guint y, const char *cell, char wanted)      \
  {                                                                                                          \
    const guint8 *row;                                                                                       \
    if (cell != NULL && strlen (cell) == 4)                                                                  \
      find_in_cell (cell, wanted, &x, &y);                                                                   \
    row = data + stride * y;                                                                                 \
    return expression;                                                                                       \
  }

REFERENCE (bytes, reference_byte (row, x))
REFERENCE (words10, reference_word (row, x, 10))
REFERENCE (words12, reference_word (row, x, 12))
REFERENCE (words16, reference_word (row, x, 16))
REFERENCE (raw10, reference_raw10 (row, x))
REFERENCE (raw12, reference_raw12 (row, x))
REFERENCE (first_of_two, reference_byte (row, 2 * x))
REFERENCE (second_of_two, reference_byte (row, 2 * x + 1))
REFERENCE (of_three, reference_byte (row, 3 * x + (guint) (strchr (cell, wanted) - cell)))

#define BAYER(name, order)                                                                                   \
  { name "8", 0, bytes, order, 2 }, { name "10", 0, words10, order, 2 },                                     \
      { name "12", 0, words12, order, 2 }, { name "16", 0, words16, order, 2 },                              \
      { name "10_CSI2P", 0, raw10, order, 2 },                                                               \
  {                                                                                                          \
    name "12_CSI2P", 0, raw12, order, 2                                                                      \
  }

static const Case cases[] = {
  { "R8", 0, bytes, NULL, 1 },
  { "R10", 0, words10, NULL, 1 },
  { "R12", 0, words12, NULL, 1 },
  { "R16", 0, words16, NULL, 1 },
  { "R10_CSI2P", 0, raw10, NULL, 1 },
  { "R12_CSI2P", 0, raw12, NULL, 1 },
  BAYER ("SRGGB", "rggb"),
  BAYER ("SGRBG", "grbg"),
  BAYER ("SGBRG", "gbrg"),
  BAYER ("SBGGR", "bggr"),
  { "YUYV", 0, first_of_two, NULL, 1 },
  { "YVYU", 0, first_of_two, NULL, 1 },
  { "UYVY", 0, second_of_two, NULL, 1 },
  { "VYUY", 0, second_of_two, NULL, 1 },
  { "NV12", 0, bytes, NULL, 1 },
  { "NV21", 0, bytes, NULL, 1 },
  { "RGB888", 0, of_three, "bgr", 1 },
  { "BGR888", 0, of_three, "rgb", 1 },
};

static void
fill_random (GRand *random, guint8 *data, gsize length)
{
  for (gsize i = 0; i < length; i++)
    data[i] = (guint8) g_rand_int_range (random, 0, 256);
}

/* One region of a picture of random bytes, in memory of exactly the extent, so
 * that the sanitizer sees any read beyond it. */
static void
check_region (const Case *test, LbPixelColour colour, GRand *random)
{
  static const char letters[] = "grb";
  const LbPixelFormat *format = lb_pixel_format_find (test->name);
  guint width = 4 * (guint) g_rand_int_range (random, 1, 12);
  guint height = (guint) g_rand_int_range (random, 1, 9);
  gsize stride = 6 * (gsize) width + (gsize) g_rand_int_range (random, 0, 9);
  gsize extent = lb_pixel_format_get_extent (format, stride, width, height);
  guint x = 4 * (guint) g_rand_int_range (random, 0, (gint) width / 4);
  guint y = (guint) g_rand_int_range (random, 0, (gint) height);
  guint part_width = (guint) g_rand_int_range (random, 1, (gint) (width - x) + 1);
  guint part_height = (guint) g_rand_int_range (random, 1, (gint) (height - y) + 1);
  g_autofree guint8 *data = g_malloc (extent);
  g_autofree guint16 *out = g_new (guint16, (gsize) part_width * part_height);

  fill_random (random, data, extent);
  lb_pixel_format_unpack (format, colour, data, stride, x, y, part_width, part_height, out);
  for (guint i = 0; i < part_height; i++)
    for (guint k = 0; k < part_width; k++)
      g_assert_cmpuint (out[(gsize) i * part_width + k], ==,
                        test->reference (data, stride, x + k, y + i, test->cell, letters[colour]));
}

static void
test_equals_reference (gconstpointer data)
{
  const Case *test = data;
  const LbPixelFormat *format = lb_pixel_format_find (test->name);
  g_autoptr (GRand) random = g_rand_new_with_seed (7);

  g_assert_nonnull (format);
  g_assert_cmpuint (lb_pixel_format_get_divisor (format), ==, test->divisor);
  for (guint round = 0; round < 40; round++)
    for (guint colour = 0; colour < (test->cell != NULL ? LB_PIXEL_N_COLOURS : 1); colour++)
      check_region (test, (LbPixelColour) colour, random);
}

static void
test_every_format_has_a_reference (void)
{
  guint n = 0;

  for (const LbPixelFormat *format = lb_pixel_format_get_all (); format->name != NULL; format++, n++)
    {
      gboolean found = FALSE;

      for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
        found = found || g_str_equal (cases[i].name, format->name);
      g_assert_true (found);
    }
  g_assert_cmpuint (n, ==, G_N_ELEMENTS (cases));
}

static void
test_full_values_are_the_largest_of_the_depth (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      const LbPixelFormat *format = lb_pixel_format_find (cases[i].name);
      gsize extent = lb_pixel_format_get_extent (format, 64, 4, 2);
      g_autofree guint8 *data = g_malloc (extent);
      guint16 out[8];

      memset (data, 0xff, extent);
      lb_pixel_format_unpack (format, LB_PIXEL_GREEN, data, 64, 0, 0, 4, 2, out);
      for (guint k = 0; k < 8; k++)
        g_assert_cmpuint (out[k], ==, (1u << format->bits) - 1);
    }
}

static void
test_gamma_encoded_formats_are_known_as_such (void)
{
  g_assert_false (lb_pixel_format_find ("R8")->gamma);
  g_assert_false (lb_pixel_format_find ("SRGGB10_CSI2P")->gamma);
  g_assert_true (lb_pixel_format_find ("YUYV")->gamma);
  g_assert_true (lb_pixel_format_find ("NV12")->gamma);
  g_assert_true (lb_pixel_format_find ("BGR888")->gamma);
  g_assert_null (lb_pixel_format_find ("MJPEG"));
  g_assert_null (lb_pixel_format_find (NULL));
}

static void
test_colours_have_names (void)
{
  g_assert_cmpint (lb_pixel_colour_find ("green"), ==, LB_PIXEL_GREEN);
  g_assert_cmpint (lb_pixel_colour_find ("red"), ==, LB_PIXEL_RED);
  g_assert_cmpint (lb_pixel_colour_find ("blue"), ==, LB_PIXEL_BLUE);
  g_assert_cmpint (lb_pixel_colour_find ("infrared"), ==, -1);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *path = g_strdup_printf ("/camera/pixels/%s-equals-the-reference", cases[i].name);

      g_test_add_data_func (path, &cases[i], test_equals_reference);
    }
  g_test_add_func ("/camera/pixels/every-format-has-a-reference", test_every_format_has_a_reference);
  g_test_add_func ("/camera/pixels/full-values-are-the-largest-of-the-depth",
                   test_full_values_are_the_largest_of_the_depth);
  g_test_add_func ("/camera/pixels/gamma-encoded-formats-are-known-as-such",
                   test_gamma_encoded_formats_are_known_as_such);
  g_test_add_func ("/camera/pixels/colours-have-names", test_colours_have_names);
  return g_test_run ();
}
