/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "lb-plot-private.h"

/* Beyond this distance from the axes lines are cut: cairo's coordinates are
 * 24 bits before the point. */
#define CLIP_MARGIN 20

/* Colours and marks go by the order of the series that have one. */
guint
lb_plot_palette_index (const LbFigure *figure, guint series)
{
  guint index = 0;

  for (guint i = 0; i < series; i++)
    {
      const LbSeries *earlier = g_ptr_array_index (figure->series, i);

      if (earlier->kind != LB_SERIES_IMAGE && earlier->kind != LB_SERIES_IDENTITY)
        index++;
    }
  return index;
}

static LbPlotColour
series_colour (const LbPlotCanvas *canvas, guint series)
{
  return canvas->style.palette[lb_plot_palette_index (canvas->figure, series) % LB_PLOT_PALETTE_SIZE];
}

/* Cuts a segment to a rectangle (Liang and Barsky, 1984); FALSE if nothing of
 * it is inside. */
gboolean
lb_plot_clip_segment (
    double *x0, double *y0, double *x1, double *y1, double left, double top, double right, double bottom)
{
  double dx = *x1 - *x0, dy = *y1 - *y0;
  const double p[] = { -dx, dx, -dy, dy };
  const double q[] = { *x0 - left, right - *x0, *y0 - top, bottom - *y0 };
  double enter = 0, leave = 1;
  double from_x = *x0, from_y = *y0;

  for (guint i = 0; i < 4; i++)
    {
      if (p[i] == 0 && q[i] < 0)
        return FALSE;
      if (p[i] < 0)
        enter = MAX (enter, q[i] / p[i]);
      else if (p[i] > 0)
        leave = MIN (leave, q[i] / p[i]);
    }
  if (enter > leave)
    return FALSE;
  *x0 = from_x + enter * dx;
  *y0 = from_y + enter * dy;
  *x1 = from_x + leave * dx;
  *y1 = from_y + leave * dy;
  return TRUE;
}

/* A line as it grows: where the path stands, and where the line does. */
typedef struct
{
  const LbPlotCanvas *canvas;
  gboolean started;
  double x, y;
  gboolean pen_down;
  double pen_x, pen_y;
} Polyline;

static void
polyline_break (Polyline *line)
{
  line->started = FALSE;
  line->pen_down = FALSE;
}

static void
polyline_add (Polyline *line, double x, double y)
{
  const LbPlotCanvas *canvas = line->canvas;
  double x0 = line->x, y0 = line->y, x1 = x, y1 = y;

  if (line->started &&
      lb_plot_clip_segment (&x0, &y0, &x1, &y1, canvas->left - CLIP_MARGIN, canvas->top - CLIP_MARGIN,
                            canvas->right + CLIP_MARGIN, canvas->bottom + CLIP_MARGIN))
    {
      if (!line->pen_down || x0 != line->pen_x || y0 != line->pen_y)
        cairo_move_to (canvas->cairo, x0, y0);
      cairo_line_to (canvas->cairo, x1, y1);
      line->pen_down = TRUE;
      line->pen_x = x1;
      line->pen_y = y1;
    }
  line->started = TRUE;
  line->x = x;
  line->y = y;
}

/* Points that fall into one column of pixels: its ends and extremes tell all. */
typedef struct
{
  double column;
  guint count;
  double first, low, high, last, x;
} Column;

static void
column_flush (Column *column, Polyline *line)
{
  if (column->count > 0)
    polyline_add (line, column->x, column->first);
  if (column->count > 2)
    {
      polyline_add (line, column->x, column->low);
      polyline_add (line, column->x, column->high);
    }
  if (column->count > 1)
    polyline_add (line, column->x, column->last);
  column->count = 0;
}

static void
column_add (Column *column, Polyline *line, double x, double y)
{
  if (column->count == 0 || floor (x) != column->column)
    {
      column_flush (column, line);
      *column = (Column){ floor (x), 0, y, y, y, y, x };
    }
  column->count++;
  column->low = MIN (column->low, y);
  column->high = MAX (column->high, y);
  column->last = y;
}

static void
draw_line (const LbPlotCanvas *canvas, const LbSeries *series, LbPlotColour colour, guint index)
{
  static const double dashes[][4] = { { 0 }, { 5, 2 }, { 1.2, 1.8 }, { 6, 2, 1.2, 2 } };
  static const int dash_lengths[] = { 0, 2, 2, 4 };
  gsize length = lb_plot_series_length (series);
  gboolean dense = (double) length > 4 * (canvas->right - canvas->left);
  Polyline line = { .canvas = canvas };
  Column column = { 0 };

  cairo_new_path (canvas->cairo);
  for (gsize i = 0; i < length; i++)
    {
      double x = lb_plot_scale_map (&canvas->x, lb_plot_series_x (series)[i]);
      double y = lb_plot_scale_map (&canvas->y, lb_plot_series_y (series)[i]);

      if (!isfinite (x) || !isfinite (y))
        {
          column_flush (&column, &line);
          polyline_break (&line);
        }
      else if (dense)
        {
          column_add (&column, &line, x, y);
        }
      else
        {
          polyline_add (&line, x, y);
        }
    }
  column_flush (&column, &line);
  cairo_set_line_join (canvas->cairo, CAIRO_LINE_JOIN_ROUND);
  cairo_set_line_width (canvas->cairo, canvas->style.theme == LB_PLOT_THEME_PRINT ? 1.1 : 1.8);
  /* Colours alone do not survive a black-and-white printer. */
  if (canvas->style.theme == LB_PLOT_THEME_PRINT)
    cairo_set_dash (canvas->cairo, dashes[index % 4], dash_lengths[index % 4], 0);
  lb_plot_set_colour (canvas->cairo, colour, 1);
  cairo_stroke (canvas->cairo);
  cairo_set_dash (canvas->cairo, NULL, 0, 0);
}

/* One bar in user units, cut to the surroundings of the axes. */
static void
add_bar (const LbPlotCanvas *canvas, double x0, double x1, double y0, double y1)
{
  double left = MAX (MIN (x0, x1), canvas->left - CLIP_MARGIN);
  double right = MIN (MAX (x0, x1), canvas->right + CLIP_MARGIN);
  double top = MAX (MIN (y0, y1), canvas->top - CLIP_MARGIN);
  double bottom = MIN (MAX (y0, y1), canvas->bottom + CLIP_MARGIN);

  if (right > left && bottom > top)
    cairo_rectangle (canvas->cairo, left, top, right - left, bottom - top);
}

static void
draw_bars (const LbPlotCanvas *canvas, const LbSeries *series, LbPlotColour colour)
{
  gsize length = lb_plot_series_length (series);
  const double *x = lb_plot_series_x (series);
  const double *y = lb_plot_series_y (series);
  double base = lb_plot_scale_map (&canvas->y, canvas->y.logarithmic ? canvas->y.low : 0);
  double width = length > 1 ? x[1] - x[0] : 1;
  gboolean outlined = FALSE;

  for (gsize i = 0; i < length; i++)
    {
      double x0 = lb_plot_scale_map (&canvas->x, x[i]);
      double x1 = lb_plot_scale_map (&canvas->x, x[i] + width);

      if (!isfinite (x0) || !isfinite (x1) || !isfinite (y[i]) || (canvas->y.logarithmic && y[i] <= 0))
        continue;
      outlined = outlined || fabs (x1 - x0) > 5;
      add_bar (canvas, x0, x1, base, lb_plot_scale_map (&canvas->y, y[i]));
    }
  lb_plot_set_colour (canvas->cairo, colour, 0.72);
  cairo_fill_preserve (canvas->cairo);
  cairo_set_line_width (canvas->cairo, canvas->style.theme == LB_PLOT_THEME_PRINT ? 0.5 : 1);
  lb_plot_set_colour (canvas->cairo, canvas->style.background, outlined ? 0.9 : 0);
  cairo_stroke (canvas->cairo);
}

/* Error bars with caps; left out where there are more than can be told apart. */
static void
draw_errors (const LbPlotCanvas *canvas, const LbSeries *series, LbPlotColour colour)
{
  gsize length = lb_plot_series_length (series);
  const double *error = lb_plot_series_error (series);
  double cap = 0.22 * canvas->font_size;

  if (error == NULL || (double) length > 2 * (canvas->right - canvas->left))
    return;
  for (gsize i = 0; i < length; i++)
    {
      double x = lb_plot_scale_map (&canvas->x, lb_plot_series_x (series)[i]);
      double low = lb_plot_scale_map (&canvas->y, lb_plot_series_y (series)[i] - error[i]);
      double high = lb_plot_scale_map (&canvas->y, lb_plot_series_y (series)[i] + error[i]);

      if (!isfinite (x) || !isfinite (low) || !isfinite (high) || x < canvas->left - cap ||
          x > canvas->right + cap)
        continue;
      low = CLAMP (low, canvas->top - CLIP_MARGIN, canvas->bottom + CLIP_MARGIN);
      high = CLAMP (high, canvas->top - CLIP_MARGIN, canvas->bottom + CLIP_MARGIN);
      cairo_move_to (canvas->cairo, x, low);
      cairo_line_to (canvas->cairo, x, high);
      cairo_move_to (canvas->cairo, x - cap, low);
      cairo_rel_line_to (canvas->cairo, 2 * cap, 0);
      cairo_move_to (canvas->cairo, x - cap, high);
      cairo_rel_line_to (canvas->cairo, 2 * cap, 0);
    }
  cairo_set_line_width (canvas->cairo, canvas->style.theme == LB_PLOT_THEME_PRINT ? 0.7 : 1.1);
  lb_plot_set_colour (canvas->cairo, colour, 0.85);
  cairo_stroke (canvas->cairo);
}

static void
stroke_identity (const LbPlotCanvas *canvas)
{
  static const double dash[] = { 5, 3 };
  gboolean print = canvas->style.theme == LB_PLOT_THEME_PRINT;

  /* The seam in the colour of the paper keeps it visible where points are densest. */
  cairo_set_dash (canvas->cairo, dash, 2, 0);
  cairo_set_line_width (canvas->cairo, print ? 1.6 : 2.8);
  lb_plot_set_colour (canvas->cairo, canvas->style.background, 0.7);
  cairo_stroke_preserve (canvas->cairo);
  cairo_set_line_width (canvas->cairo, print ? 0.8 : 1.3);
  lb_plot_set_colour (canvas->cairo, canvas->style.foreground, 0.9);
  cairo_stroke (canvas->cairo);
  cairo_set_dash (canvas->cairo, NULL, 0, 0);
}

static void
draw_identity (const LbPlotCanvas *canvas)
{
  double low = MAX (canvas->x.low, canvas->y.low);
  double high = MIN (canvas->x.high, canvas->y.high);
  gboolean bent = canvas->x.logarithmic != canvas->y.logarithmic;

  if (low >= high)
    return;
  /* Straight unless one axis alone is logarithmic. */
  for (int i = 0; i <= (bent ? 100 : 1); i++)
    {
      double value = low + (high - low) * i / (bent ? 100 : 1);

      cairo_line_to (canvas->cairo, lb_plot_scale_map (&canvas->x, value),
                     lb_plot_scale_map (&canvas->y, value));
    }
  stroke_identity (canvas);
}

static void
draw_kind (const LbPlotCanvas *canvas, LbSeriesKind kind)
{
  for (guint i = 0; i < canvas->figure->series->len; i++)
    {
      const LbSeries *series = g_ptr_array_index (canvas->figure->series, i);
      LbPlotColour colour = series_colour (canvas, i);
      guint index = lb_plot_palette_index (canvas->figure, i);

      if (series->kind != kind || (kind <= LB_SERIES_BARS && lb_plot_series_length (series) == 0))
        continue;
      switch (kind)
        {
        case LB_SERIES_LINE:
          draw_line (canvas, series, colour, index);
          break;
        case LB_SERIES_POINTS:
          draw_errors (canvas, series, colour);
          lb_plot_draw_points (canvas, series, colour, index);
          break;
        case LB_SERIES_BARS:
          draw_bars (canvas, series, colour);
          break;
        case LB_SERIES_IMAGE:
          lb_plot_draw_image (canvas, series);
          break;
        case LB_SERIES_IDENTITY:
          draw_identity (canvas);
          break;
        default:
          break;
        }
    }
}

/* All series within the axes: what covers much first, thin lines last. */
void
lb_plot_draw_series (const LbPlotCanvas *canvas)
{
  cairo_save (canvas->cairo);
  cairo_rectangle (canvas->cairo, canvas->left, canvas->top, canvas->right - canvas->left,
                   canvas->bottom - canvas->top);
  cairo_clip (canvas->cairo);
  cairo_new_path (canvas->cairo);
  draw_kind (canvas, LB_SERIES_IMAGE);
  lb_plot_draw_grid (canvas);
  draw_kind (canvas, LB_SERIES_BARS);
  draw_kind (canvas, LB_SERIES_POINTS);
  draw_kind (canvas, LB_SERIES_LINE);
  draw_kind (canvas, LB_SERIES_IDENTITY);
  cairo_restore (canvas->cairo);
}

/* What a series looks like, for the legend: @width wide, around the height @y. */
void
lb_plot_draw_sample (const LbPlotCanvas *canvas, guint series, double x, double y, double width)
{
  const LbSeries *entry = g_ptr_array_index (canvas->figure->series, series);
  LbPlotColour colour = series_colour (canvas, series);
  guint index = lb_plot_palette_index (canvas->figure, series);
  double ends_x[] = { 0, 1 };
  double ends_y[] = { 0, 0 };
  g_autoptr (GArray) line_x = g_array_new (FALSE, FALSE, sizeof (double));
  g_autoptr (GArray) line_y = g_array_new (FALSE, FALSE, sizeof (double));
  LbSeries sample = { .kind = LB_SERIES_LINE, .x = line_x, .y = line_y };
  LbPlotCanvas place = *canvas;

  switch (entry->kind)
    {
    case LB_SERIES_POINTS:
      lb_plot_set_colour (canvas->cairo, colour, 0.9);
      lb_plot_draw_marker (canvas->cairo, index, x + 0.5 * width, y, 0.3 * canvas->font_size);
      break;
    case LB_SERIES_BARS:
      cairo_rectangle (canvas->cairo, x + 0.2 * width, y - 0.35 * canvas->font_size, 0.6 * width,
                       0.7 * canvas->font_size);
      lb_plot_set_colour (canvas->cairo, colour, 0.72);
      cairo_fill (canvas->cairo);
      break;
    case LB_SERIES_IDENTITY:
      cairo_move_to (canvas->cairo, x, y);
      cairo_rel_line_to (canvas->cairo, width, 0);
      stroke_identity (canvas);
      break;
    default:
      g_array_append_vals (line_x, ends_x, 2);
      g_array_append_vals (line_y, ends_y, 2);
      place.x = (LbPlotScale){ .low = 0, .high = 1, .start = x, .end = x + width };
      place.y = (LbPlotScale){ .low = 0, .high = 1, .start = y, .end = y - 1 };
      place.left = x;
      place.right = x + width;
      place.top = y - 1;
      place.bottom = y + 1;
      draw_line (&place, &sample, colour, index);
      break;
    }
}
