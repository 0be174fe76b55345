/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "lb-plot-private.h"

#define BAR_WIDTH 1.1
#define BAR_GAP 0.8

/* The first image of @figure, or NULL: it decides on the colour bar. */
const LbSeries *
lb_plot_find_image (const LbFigure *figure)
{
  for (guint i = 0; i < figure->series->len; i++)
    {
      const LbSeries *series = g_ptr_array_index (figure->series, i);

      if (series->kind == LB_SERIES_IMAGE && series->image != NULL && series->image->rows > 0 &&
          series->image->columns > 0)
        return series;
    }
  return NULL;
}

/* Values at the ends of the colour scale; never equal. */
void
lb_plot_image_range (const LbSeries *series, double *low, double *high)
{
  *low = series->low;
  *high = series->high;
  if (!isfinite (*low) || !isfinite (*high) || *low >= *high)
    {
      *low = G_MAXDOUBLE;
      *high = -G_MAXDOUBLE;
      for (gsize row = 0; row < series->image->rows; row++)
        for (gsize column = 0; column < series->image->columns; column++)
          {
            double value = lb_matrix_get (series->image, row, column);

            if (isfinite (value))
              {
                *low = MIN (*low, value);
                *high = MAX (*high, value);
              }
          }
      if (*low > *high)
        *low = *high = 0;
    }
  if (*high - *low <= 1e-9 * fabs (*low) || *high - *low < 1e-30)
    {
      double half = *low == 0 ? 0.5 : 0.1 * fabs (*low);

      *low -= half;
      *high += half;
    }
}

static guint32
colour_to_pixel (LbPlotColour colour)
{
  return 0xFF000000u | (guint32) lrint (255 * colour.red) << 16 | (guint32) lrint (255 * colour.green) << 8 |
         (guint32) lrint (255 * colour.blue);
}

/* Mean of the finite values of a block; NAN where there is none. */
static double
block_mean (const LbMatrix *image, gsize row, gsize rows, gsize column, gsize columns)
{
  double sum = 0;
  gsize count = 0;

  for (gsize r = row; r < MIN (row + rows, image->rows); r++)
    {
      const float *values = lb_matrix_row (image, r);

      for (gsize c = column; c < MIN (column + columns, image->columns); c++)
        if (isfinite (values[c]))
          {
            sum += values[c];
            count++;
          }
    }
  return count > 0 ? sum / (double) count : (double) NAN;
}

/* One pixel for each block of @rows x @columns values. */
static cairo_surface_t *
image_to_surface (const LbPlotCanvas *canvas, const LbSeries *series, gsize rows, gsize columns)
{
  const guint32 *map = lb_plot_colour_map (series->diverging);
  guint32 missing = colour_to_pixel (canvas->style.missing);
  gsize height = (series->image->rows + rows - 1) / rows;
  gsize width = (series->image->columns + columns - 1) / columns;
  cairo_surface_t *surface = cairo_image_surface_create (CAIRO_FORMAT_ARGB32, (int) width, (int) height);
  double low, high;

  if (cairo_surface_status (surface) != CAIRO_STATUS_SUCCESS)
    return surface;
  lb_plot_image_range (series, &low, &high);
  for (gsize y = 0; y < height; y++)
    {
      guint32 *pixels = (guint32 *) (gpointer) (cairo_image_surface_get_data (surface) +
                                                y * cairo_image_surface_get_stride (surface));

      for (gsize x = 0; x < width; x++)
        {
          double value = rows == 1 && columns == 1
                             ? (double) lb_matrix_get (series->image, y, x)
                             : block_mean (series->image, y * rows, rows, x * columns, columns);

          pixels[x] = isfinite (value) ? map[(int) CLAMP (255 * (value - low) / (high - low) + 0.5, 0, 255)]
                                       : missing;
        }
    }
  cairo_surface_mark_dirty (surface);
  return surface;
}

/* Values to a pixel of the output, at least 1. */
static gsize
reduction (gsize values, double units, double pixels_per_unit)
{
  return (gsize) MAX (1, floor ((double) values / MAX (1, fabs (units) * pixels_per_unit)));
}

/* Draws the cells of an image as they are, or their means where they are
 * smaller than the pixels of the output. */
void
lb_plot_draw_image (const LbPlotCanvas *canvas, const LbSeries *series)
{
  double left, right, top, bottom, pixels;
  gsize rows, columns;
  cairo_surface_t *surface;
  cairo_t *cairo = canvas->cairo;

  if (series->image == NULL || series->image->rows == 0 || series->image->columns == 0)
    return;
  left = lb_plot_scale_map (&canvas->x, series->x0);
  right = lb_plot_scale_map (&canvas->x, series->x1);
  top = lb_plot_scale_map (&canvas->y, series->y0);
  bottom = lb_plot_scale_map (&canvas->y, series->y1);
  if (top > bottom)
    {
      double swap = top;

      top = bottom;
      bottom = swap;
    }
  if (fabs (right - left) < 1e-6 || bottom - top < 1e-6)
    return;
  pixels = lb_plot_device_scale (canvas);
  rows = reduction (series->image->rows, bottom - top, pixels);
  columns = reduction (series->image->columns, right - left, pixels);
  surface = image_to_surface (canvas, series, rows, columns);
  cairo_save (cairo);
  cairo_translate (cairo, left, top);
  /* The last block may be partly beyond the image. */
  cairo_scale (cairo, (right - left) / ((double) series->image->columns / (double) columns),
               (bottom - top) / ((double) series->image->rows / (double) rows));
  cairo_rectangle (cairo, 0, 0, (double) series->image->columns / (double) columns,
                   (double) series->image->rows / (double) rows);
  cairo_clip (cairo);
  cairo_set_source_surface (cairo, surface, 0, 0);
  cairo_pattern_set_filter (cairo_get_source (cairo), CAIRO_FILTER_NEAREST);
  cairo_paint (cairo);
  cairo_restore (cairo);
  cairo_surface_destroy (surface);
}

/* The scale of a colour bar @height long; @axis lends it its name. */
static void
init_bar_scale (
    LbPlotScale *scale, LbAxis *axis, const LbPlotCanvas *canvas, const LbSeries *series, double height)
{
  *axis = (LbAxis){ .label = series->name, .low = NAN, .high = NAN };
  *scale = (LbPlotScale){ .axis = axis, .vertical = TRUE };
  lb_plot_image_range (series, &scale->low, &scale->high);
  lb_plot_scale_make_ticks (scale, canvas, height, 0);
}

/* Width that the colour bar takes with its labels and its name, from the
 * right edge of the axes; @height is that of the axes. */
double
lb_plot_colour_bar_width (const LbPlotCanvas *canvas, const LbSeries *series, double height)
{
  LbPlotScale scale;
  LbAxis axis;
  g_autofree char *title = NULL;
  double width;

  init_bar_scale (&scale, &axis, canvas, series, height);
  title = lb_plot_axis_title (&axis, scale.exponent);
  width = BAR_GAP + BAR_WIDTH + LB_PLOT_TICK_LENGTH + LB_PLOT_TICK_GAP;
  width = width * canvas->font_size + scale.label_extent;
  if (title != NULL)
    {
      g_autoptr (PangoLayout) layout =
          lb_plot_text_new (canvas, title, LB_PLOT_TICK_TEXT, FALSE, MAX (height, 40), 2);
      double text_height;

      lb_plot_text_size (layout, NULL, &text_height);
      width += 0.4 * canvas->font_size + text_height;
    }
  lb_plot_scale_clear (&scale);
  return width;
}

static void
fill_bar (const LbPlotCanvas *canvas, const LbSeries *series, double left, double width)
{
  const guint32 *map = lb_plot_colour_map (series->diverging);
  cairo_surface_t *surface = cairo_image_surface_create (CAIRO_FORMAT_ARGB32, 1, 256);
  double height = canvas->bottom - canvas->top;

  for (int i = 0; i < 256; i++)
    *(guint32 *) (gpointer) (cairo_image_surface_get_data (surface) +
                             i * cairo_image_surface_get_stride (surface)) = map[255 - i];
  cairo_surface_mark_dirty (surface);
  cairo_save (canvas->cairo);
  cairo_rectangle (canvas->cairo, left, canvas->top, width, height);
  cairo_clip (canvas->cairo);
  cairo_translate (canvas->cairo, left, canvas->top);
  cairo_scale (canvas->cairo, width, height / 256);
  cairo_set_source_surface (canvas->cairo, surface, 0, 0);
  cairo_pattern_set_filter (cairo_get_source (canvas->cairo), CAIRO_FILTER_NEAREST);
  cairo_paint (canvas->cairo);
  cairo_restore (canvas->cairo);
  cairo_surface_destroy (surface);
}

static void
draw_bar_ticks (const LbPlotCanvas *canvas, const LbPlotScale *scale, double left)
{
  double length = LB_PLOT_TICK_LENGTH * canvas->font_size;

  for (guint i = 0; i < scale->ticks->len; i++)
    {
      const LbPlotTick *tick = &g_array_index (scale->ticks, LbPlotTick, i);
      double position = lb_plot_scale_map (scale, tick->value);
      g_autoptr (PangoLayout) layout = NULL;
      double height;

      if (tick->label == NULL)
        continue;
      cairo_move_to (canvas->cairo, left, lb_plot_snap (canvas, position));
      cairo_rel_line_to (canvas->cairo, length, 0);
      lb_plot_set_colour (canvas->cairo, canvas->style.muted, 1);
      cairo_stroke (canvas->cairo);
      layout = lb_plot_text_new (canvas, tick->label, LB_PLOT_TICK_TEXT, FALSE, 0, 1);
      lb_plot_text_size (layout, NULL, &height);
      position = CLAMP (position, 0.5 * height + 1, canvas->height - 0.5 * height - 1);
      lb_plot_set_colour (canvas->cairo, canvas->style.foreground, 1);
      lb_plot_text_draw (canvas, layout, left + length + LB_PLOT_TICK_GAP * canvas->font_size, position, 0,
                         0.5, 0);
    }
}

/* Draws the colour bar beside the axes; @left is their right edge. */
void
lb_plot_draw_colour_bar (const LbPlotCanvas *canvas, const LbSeries *series, double left)
{
  double bar = lb_plot_snap (canvas, left + BAR_GAP * canvas->font_size);
  double width = BAR_WIDTH * canvas->font_size;
  g_autofree char *title = NULL;
  LbPlotScale scale;
  LbAxis axis;

  init_bar_scale (&scale, &axis, canvas, series, canvas->bottom - canvas->top);
  scale.start = canvas->bottom;
  scale.end = canvas->top;
  fill_bar (canvas, series, bar, width);
  cairo_rectangle (canvas->cairo, bar, lb_plot_snap (canvas, canvas->top), width,
                   canvas->bottom - canvas->top);
  lb_plot_set_colour (canvas->cairo, canvas->style.muted, 1);
  cairo_stroke (canvas->cairo);
  draw_bar_ticks (canvas, &scale, bar + width);
  title = lb_plot_axis_title (&axis, scale.exponent);
  if (title != NULL)
    {
      g_autoptr (PangoLayout) layout = lb_plot_text_new (canvas, title, LB_PLOT_TICK_TEXT, FALSE,
                                                         MAX (canvas->bottom - canvas->top, 40), 2);
      double x = bar + width + (LB_PLOT_TICK_LENGTH + LB_PLOT_TICK_GAP + 0.4) * canvas->font_size +
                 scale.label_extent;

      pango_layout_set_alignment (layout, PANGO_ALIGN_CENTER);
      lb_plot_set_colour (canvas->cairo, canvas->style.foreground, 1);
      lb_plot_text_draw (canvas, layout, x, 0.5 * (canvas->top + canvas->bottom), 0.5, 0, -G_PI_2);
    }
  lb_plot_scale_clear (&scale);
}
