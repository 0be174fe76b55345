/* SPDX-License-Identifier: GPL-3.0-or-later */

#include <cairo-pdf.h>
#include <string.h>
#include "lb-plot-private.h"

/* Up to so many points are drawn as marks, more as density. */
#define MOST_MARKS 1500

/* Weight of a pixel that a point covers wholly. */
#define FULL_WEIGHT 16

/* Pixels of the output to a user unit; what goes into files of vectors is
 * rasterised for 288 dots an inch. */
double
lb_plot_device_scale (const LbPlotCanvas *canvas)
{
  cairo_surface_t *surface = cairo_get_target (canvas->cairo);
  double x = 1, y = 0, scale_x, scale_y;

  cairo_user_to_device_distance (canvas->cairo, &x, &y);
  cairo_surface_get_device_scale (surface, &scale_x, &scale_y);
  switch (cairo_surface_get_type (surface))
    {
    case CAIRO_SURFACE_TYPE_PDF:
    case CAIRO_SURFACE_TYPE_PS:
    case CAIRO_SURFACE_TYPE_SVG:
      return 4 * hypot (x, y);
    default:
      return CLAMP (hypot (x, y) * scale_x, 0.1, 8);
    }
}

/* Adds the path of a mark: disc, square, triangle, diamond by @shape, and fills
 * it with the source in force. */
void
lb_plot_draw_marker (cairo_t *cairo, guint shape, double x, double y, double radius)
{
  switch (shape % 4)
    {
    case 1:
      cairo_rectangle (cairo, x - 0.86 * radius, y - 0.86 * radius, 1.72 * radius, 1.72 * radius);
      break;
    case 2:
      cairo_move_to (cairo, x, y - 1.2 * radius);
      cairo_line_to (cairo, x + 1.1 * radius, y + 0.8 * radius);
      cairo_line_to (cairo, x - 1.1 * radius, y + 0.8 * radius);
      cairo_close_path (cairo);
      break;
    case 3:
      cairo_move_to (cairo, x, y - 1.25 * radius);
      cairo_line_to (cairo, x + 1.25 * radius, y);
      cairo_line_to (cairo, x, y + 1.25 * radius);
      cairo_line_to (cairo, x - 1.25 * radius, y);
      cairo_close_path (cairo);
      break;
    default:
      cairo_new_sub_path (cairo);
      cairo_arc (cairo, x, y, radius, 0, 2 * G_PI);
      break;
    }
  cairo_fill (cairo);
}

static double
mark_radius (const LbPlotCanvas *canvas, gsize length)
{
  double crowd = log10 (MAX (length, 30) / 30.0);

  return canvas->font_size * CLAMP (0.34 - 0.07 * crowd, 0.11, 0.34);
}

static void
draw_marks (const LbPlotCanvas *canvas, const LbSeries *series, LbPlotColour colour, guint shape)
{
  gsize length = lb_plot_series_length (series);
  double radius = mark_radius (canvas, length);

  lb_plot_set_colour (canvas->cairo, colour, length > 100 ? 0.65 : 0.9);
  for (gsize i = 0; i < length; i++)
    {
      double x = lb_plot_scale_map (&canvas->x, lb_plot_series_x (series)[i]);
      double y = lb_plot_scale_map (&canvas->y, lb_plot_series_y (series)[i]);

      if (x >= canvas->left - radius && x <= canvas->right + radius && y >= canvas->top - radius &&
          y <= canvas->bottom + radius)
        lb_plot_draw_marker (canvas->cairo, shape, x, y, radius);
    }
}

/* How many points cover each pixel, in FULL_WEIGHTs. */
typedef struct
{
  int width, height;
  int reach; /* of the mark from its middle, in pixels */
  guint32 *counts;
  guint8 *kernel; /* (2 reach + 1) squared weights of the mark */
} Density;

static void
density_init (Density *density, int width, int height, double radius)
{
  int side;

  density->width = width;
  density->height = height;
  density->reach = (int) ceil (radius);
  side = 2 * density->reach + 1;
  density->counts = g_new0 (guint32, (gsize) width * (gsize) height);
  density->kernel = g_malloc0 ((gsize) side * (gsize) side);
  for (int y = 0; y < side; y++)
    for (int x = 0; x < side; x++)
      {
        double cover = radius + 0.5 - hypot (x - density->reach, y - density->reach);

        density->kernel[y * side + x] = (guint8) lrint (FULL_WEIGHT * CLAMP (cover, 0, 1));
      }
}

static void
density_clear (Density *density)
{
  g_free (density->counts);
  g_free (density->kernel);
}

static void
density_add (Density *density, int x, int y)
{
  int side = 2 * density->reach + 1;
  int first = MAX (0, density->reach - x);
  int last = MIN (side - 1, density->width - 1 - x + density->reach);

  for (int row = MAX (0, density->reach - y); row < side && y + row - density->reach < density->height; row++)
    {
      guint32 *counts =
          density->counts + (gsize) (y + row - density->reach) * density->width + x - density->reach;
      const guint8 *kernel = density->kernel + row * side;

      for (int column = first; column <= last; column++)
        counts[column] += kernel[column];
    }
}

static void
density_add_series (Density *density, const LbPlotCanvas *canvas, const LbSeries *series, double scale)
{
  gsize length = lb_plot_series_length (series);
  const double *values_x = lb_plot_series_x (series);
  const double *values_y = lb_plot_series_y (series);

  for (gsize i = 0; i < length; i++)
    {
      double x = (lb_plot_scale_map (&canvas->x, values_x[i]) - canvas->left) * scale;
      double y = (lb_plot_scale_map (&canvas->y, values_y[i]) - canvas->top) * scale;

      if (x > -density->reach && y > -density->reach && x < density->width + density->reach &&
          y < density->height + density->reach)
        density_add (density, (int) floor (x), (int) floor (y));
    }
}

static guint32
premultiplied (LbPlotColour colour, double alpha)
{
  return (guint32) lrint (255 * alpha) << 24 | (guint32) lrint (255 * alpha * colour.red) << 16 |
         (guint32) lrint (255 * alpha * colour.green) << 8 | (guint32) lrint (255 * alpha * colour.blue);
}

#define SHADES 2048

/* Colours for densities: pale where points are alone, the series' colour where
 * some overlap, near black (on dark: near white) where most do. */
static void
make_shades (const LbPlotCanvas *canvas, LbPlotColour colour, guint32 largest, guint shift, guint32 *shades)
{
  gboolean dark = canvas->style.theme == LB_PLOT_THEME_DARK;
  LbPlotColour extreme = dark ? (LbPlotColour){ 1, 1, 1 } : (LbPlotColour){ 0, 0, 0 };
  LbPlotColour pale = lb_plot_colour_mix (colour, canvas->style.background, 0.42);
  /* Fewer than eight deep is no crowd: it does not get the darkest shade. */
  double deepest = log (MAX (largest / (double) FULL_WEIGHT, 8));

  shades[0] = 0;
  for (guint i = 1; i < SHADES; i++)
    {
      double depth = (double) (i << shift) / FULL_WEIGHT;
      double t = CLAMP (log (MAX (depth, 1)) / deepest, 0, 1);
      LbPlotColour shade = t < 0.5 ? lb_plot_colour_mix (pale, colour, 2 * t)
                                   : lb_plot_colour_mix (colour, extreme, (dark ? 1.6 : 1.4) * (t - 0.5));

      shades[i] = premultiplied (shade, MIN (depth, 1));
    }
}

static cairo_surface_t *
density_to_surface (const Density *density, const LbPlotCanvas *canvas, LbPlotColour colour)
{
  cairo_surface_t *surface =
      cairo_image_surface_create (CAIRO_FORMAT_ARGB32, density->width, density->height);
  gsize pixels = (gsize) density->width * (gsize) density->height;
  guint32 shades[SHADES];
  guint32 largest = 0;
  guint shift = 0;

  if (cairo_surface_status (surface) != CAIRO_STATUS_SUCCESS)
    return surface;
  for (gsize i = 0; i < pixels; i++)
    largest = MAX (largest, density->counts[i]);
  while (largest >> shift >= SHADES)
    shift++;
  make_shades (canvas, colour, largest, shift, shades);
  for (int y = 0; y < density->height; y++)
    {
      const guint32 *counts = density->counts + (gsize) y * density->width;
      guint32 *row = (guint32 *) (gpointer) (cairo_image_surface_get_data (surface) +
                                             y * cairo_image_surface_get_stride (surface));

      for (int x = 0; x < density->width; x++)
        if (counts[x] != 0)
          row[x] = shades[MAX (1, counts[x] >> shift)];
    }
  cairo_surface_mark_dirty (surface);
  return surface;
}

static void
draw_density (const LbPlotCanvas *canvas, const LbSeries *series, LbPlotColour colour)
{
  double width = canvas->right - canvas->left;
  double height = canvas->bottom - canvas->top;
  double scale = lb_plot_device_scale (canvas);
  cairo_surface_t *surface;
  Density density;

  /* A poster is not worth more than 16 million pixels. */
  scale = MIN (scale, sqrt (16e6 / MAX (1, width * height)));
  density_init (&density, (int) ceil (width * scale), (int) ceil (height * scale),
                mark_radius (canvas, lb_plot_series_length (series)) * scale);
  density_add_series (&density, canvas, series, scale);
  surface = density_to_surface (&density, canvas, colour);
  density_clear (&density);
  cairo_save (canvas->cairo);
  cairo_translate (canvas->cairo, canvas->left, canvas->top);
  cairo_scale (canvas->cairo, 1 / scale, 1 / scale);
  cairo_set_source_surface (canvas->cairo, surface, 0, 0);
  cairo_pattern_set_filter (cairo_get_source (canvas->cairo), CAIRO_FILTER_NEAREST);
  cairo_paint (canvas->cairo);
  cairo_restore (canvas->cairo);
  cairo_surface_destroy (surface);
}

/* Points as marks, or as density where they are many. */
void
lb_plot_draw_points (const LbPlotCanvas *canvas, const LbSeries *series, LbPlotColour colour, guint shape)
{
  if (lb_plot_series_length (series) > MOST_MARKS)
    draw_density (canvas, series, colour);
  else
    draw_marks (canvas, series, colour, shape);
}
