/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "lb-plot-private.h"

/* Okabe & Ito, "Color Universal Design" (2008): told apart by people with any
 * of the usual kinds of colour blindness. Yellow is left out on white, the dark
 * blue is lightened on black. */
#define HEX(value)                                                                                           \
  {                                                                                                          \
    ((value) >> 16 & 255) / 255.0, ((value) >> 8 & 255) / 255.0, ((value) &255) / 255.0                      \
  }

static const LbPlotStyle styles[] = {
  [LB_PLOT_THEME_LIGHT] = {
    .theme = LB_PLOT_THEME_LIGHT,
    .background = HEX (0xFFFFFF),
    .foreground = HEX (0x2E3436),
    .muted = HEX (0x6A7073),
    .grid = HEX (0xE4E6E8),
    .minor_grid = HEX (0xF2F3F4),
    .missing = HEX (0xBFC3C6),
    .palette = { HEX (0x0072B2), HEX (0xD55E00), HEX (0x009E73), HEX (0xCC79A7), HEX (0xE69F00), HEX (0x56B4E9),
                 HEX (0x4D4D4D) },
  },
  [LB_PLOT_THEME_DARK] = {
    .theme = LB_PLOT_THEME_DARK,
    .background = HEX (0x1E1E1E),
    .foreground = HEX (0xE6E6E6),
    .muted = HEX (0xA5A9AC),
    .grid = HEX (0x3A3B3D),
    .minor_grid = HEX (0x2A2B2C),
    .missing = HEX (0x5A5D60),
    .palette = { HEX (0x56B4E9), HEX (0xE69F00), HEX (0x2FC49A), HEX (0xDE93BD), HEX (0xF0E442), HEX (0xF07B3A),
                 HEX (0xB8B8B8) },
  },
  [LB_PLOT_THEME_PRINT] = {
    .theme = LB_PLOT_THEME_PRINT,
    .background = HEX (0xFFFFFF),
    .foreground = HEX (0x000000),
    .muted = HEX (0x404040),
    .grid = HEX (0xDDDDDD),
    .minor_grid = HEX (0xEFEFEF),
    .missing = HEX (0xBBBBBB),
    .palette = { HEX (0x0072B2), HEX (0xD55E00), HEX (0x009E73), HEX (0xCC79A7), HEX (0xE69F00), HEX (0x56B4E9),
                 HEX (0x404040) },
  },
};

/* Colours of @theme; an unknown one is LIGHT. */
void
lb_plot_style_init (LbPlotStyle *style, LbPlotTheme theme)
{
  *style = styles[(guint) theme < G_N_ELEMENTS (styles) ? theme : LB_PLOT_THEME_LIGHT];
}

LbPlotColour
lb_plot_colour_mix (LbPlotColour a, LbPlotColour b, double share_of_b)
{
  return (LbPlotColour){
    a.red + (b.red - a.red) * share_of_b,
    a.green + (b.green - a.green) * share_of_b,
    a.blue + (b.blue - a.blue) * share_of_b,
  };
}

void
lb_plot_set_colour (cairo_t *cairo, LbPlotColour colour, double alpha)
{
  cairo_set_source_rgba (cairo, colour.red, colour.green, colour.blue, alpha);
}

static double
srgb_encode (double linear)
{
  return linear <= 0.0031308 ? 12.92 * linear : 1.055 * pow (linear, 1 / 2.4) - 0.055;
}

/* Oklab (Ottosson, "A perceptual color space for image processing", 2020) to
 * linear sRGB; TRUE if it lies within the gamut. */
static gboolean
oklab_to_linear (double lightness, double a, double b, double rgb[3])
{
  double l = pow (lightness + 0.3963377774 * a + 0.2158037573 * b, 3);
  double m = pow (lightness - 0.1055613458 * a - 0.0638541728 * b, 3);
  double s = pow (lightness - 0.0894841775 * a - 1.2914855480 * b, 3);
  gboolean inside = TRUE;

  rgb[0] = 4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s;
  rgb[1] = -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s;
  rgb[2] = -0.0041960863 * l - 0.7034186147 * m + 1.7076147010 * s;
  for (guint i = 0; i < 3; i++)
    inside = inside && rgb[i] >= 0 && rgb[i] <= 1;
  return inside;
}

/* The nearest colour within sRGB of the same lightness and hue. */
static guint32
oklab_to_pixel (double lightness, double a, double b)
{
  double rgb[3];
  guint32 pixel = 255;

  for (double chroma = 1; !oklab_to_linear (lightness, chroma * a, chroma * b, rgb) && chroma > 0;
       chroma -= 0.02)
    continue;
  for (guint i = 0; i < 3; i++)
    pixel = pixel << 8 | (guint32) lrint (255 * srgb_encode (CLAMP (rgb[i], 0, 1)));
  return pixel;
}

/* Catmull-Rom spline through @count equidistant values. */
static double
spline (const double *values, guint count, double position)
{
  guint i = MIN ((guint) position, count - 2);
  double t = position - i;
  double p1 = values[i];
  double p2 = values[i + 1];
  double p0 = i > 0 ? values[i - 1] : 2 * p1 - p2;
  double p3 = i + 2 < count ? values[i + 2] : 2 * p2 - p1;

  return p1 + 0.5 * t * (p2 - p0 + t * (2 * p0 - 5 * p1 + 4 * p2 - p3 + t * (3 * (p1 - p2) + p3 - p0)));
}

static void
fill_sequential (guint32 *map)
{
  /* Indigo, blue, teal, green, yellow: lightness rises evenly, so that the map
   * reads the same in grey. */
  static const double a[] = { 0.075, 0.015, -0.075, -0.120, -0.030 };
  static const double b[] = { -0.120, -0.125, -0.045, 0.090, 0.170 };

  for (guint i = 0; i < 256; i++)
    {
      double t = i / 255.0;

      map[i] = oklab_to_pixel (0.26 + 0.68 * t, spline (a, G_N_ELEMENTS (a), 4 * t),
                               spline (b, G_N_ELEMENTS (b), 4 * t));
    }
}

static void
fill_diverging (guint32 *map)
{
  for (guint i = 0; i < 256; i++)
    {
      double side = 2 * i / 255.0 - 1;
      double distance = fabs (side);
      double chroma = pow (distance, 0.8);

      map[i] = side < 0 ? oklab_to_pixel (0.965 - 0.56 * distance, -0.045 * chroma, -0.135 * chroma)
                        : oklab_to_pixel (0.965 - 0.46 * distance, 0.150 * chroma, 0.105 * chroma);
    }
}

const guint32 *
lb_plot_colour_map (gboolean diverging)
{
  static gsize ready;
  static guint32 maps[2][256];

  if (g_once_init_enter (&ready))
    {
      fill_sequential (maps[0]);
      fill_diverging (maps[1]);
      g_once_init_leave (&ready, 1);
    }
  return maps[diverging ? 1 : 0];
}
