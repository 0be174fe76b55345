/* SPDX-License-Identifier: GPL-3.0-or-later */

#include <glib/gi18n-lib.h>
#include "lb-plot-private.h"

static void
frame_scales (const LbPlotFrame *frame, LbPlotScale *x, LbPlotScale *y)
{
  double right = frame->left + frame->width, bottom = frame->top + frame->height;

  *x = (LbPlotScale){
    .low = frame->view.x_low,
    .high = frame->view.x_high,
    .logarithmic = frame->x_logarithmic,
    .start = frame->x_reversed ? right : frame->left,
    .end = frame->x_reversed ? frame->left : right,
  };
  *y = (LbPlotScale){
    .low = frame->view.y_low,
    .high = frame->view.y_high,
    .logarithmic = frame->y_logarithmic,
    .start = frame->y_reversed ? frame->top : bottom,
    .end = frame->y_reversed ? bottom : frame->top,
  };
}

/**
 * lb_plot_frame_to_values:
 * @frame: as lb_plot_draw() left it
 * @x: in user units of the drawing
 * @y: in user units of the drawing
 * @value_x: (out) (optional): in units of the x axis
 * @value_y: (out) (optional): in units of the y axis
 *
 * Returns: %FALSE, with nothing set, where the position is not within the axes
 */
gboolean
lb_plot_frame_to_values (const LbPlotFrame *frame, double x, double y, double *value_x, double *value_y)
{
  LbPlotScale scale_x, scale_y;

  g_return_val_if_fail (frame != NULL, FALSE);

  if (!(frame->width > 0 && frame->height > 0) || !(x >= frame->left && x <= frame->left + frame->width) ||
      !(y >= frame->top && y <= frame->top + frame->height))
    return FALSE;
  frame_scales (frame, &scale_x, &scale_y);
  if (value_x != NULL)
    *value_x = lb_plot_scale_unmap (&scale_x, x);
  if (value_y != NULL)
    *value_y = lb_plot_scale_unmap (&scale_y, y);
  return TRUE;
}

static void
range_between (const LbPlotScale *scale, double position_a, double position_b, double *low, double *high)
{
  double a = lb_plot_scale_unmap (scale, position_a);
  double b = lb_plot_scale_unmap (scale, position_b);

  *low = MIN (a, b);
  *high = MAX (a, b);
}

/**
 * lb_plot_frame_select:
 * @frame: as lb_plot_draw() left it
 * @x0: one corner, in user units of the drawing; may lie outside the axes
 * @y0: the same corner
 * @x1: the opposite corner
 * @y1: the opposite corner
 *
 * The view that shows a rectangle of this one: zoom by a rectangle and by the
 * wheel, and pan, by the choice of the rectangle.
 */
LbPlotView
lb_plot_frame_select (const LbPlotFrame *frame, double x0, double y0, double x1, double y1)
{
  LbPlotView view = LB_PLOT_VIEW_ALL;
  LbPlotScale x, y;

  g_return_val_if_fail (frame != NULL, view);

  if (!(frame->width > 0 && frame->height > 0) || x0 == x1 || y0 == y1)
    return frame->view;
  frame_scales (frame, &x, &y);
  range_between (&x, x0, x1, &view.x_low, &view.x_high);
  range_between (&y, y0, y1, &view.y_low, &view.y_high);
  return view;
}

/**
 * lb_plot_frame_zoom:
 * @frame: as lb_plot_draw() left it
 * @x: what stays in place, in user units of the drawing
 * @y: what stays in place
 * @factor: over 1 magnifies
 *
 * The view that shows the surroundings of a position @factor times as large.
 */
LbPlotView
lb_plot_frame_zoom (const LbPlotFrame *frame, double x, double y, double factor)
{
  double right, bottom;

  g_return_val_if_fail (frame != NULL, (LbPlotView) LB_PLOT_VIEW_ALL);
  g_return_val_if_fail (factor > 0, frame->view);

  right = frame->left + frame->width;
  bottom = frame->top + frame->height;
  return lb_plot_frame_select (frame, x + (frame->left - x) / factor, y + (frame->top - y) / factor,
                               x + (right - x) / factor, y + (bottom - y) / factor);
}

/**
 * lb_plot_frame_pan:
 * @frame: as lb_plot_draw() left it
 * @dx: how far the picture moves right, in user units of the drawing
 * @dy: how far it moves down
 *
 * The view after the picture was dragged.
 */
LbPlotView
lb_plot_frame_pan (const LbPlotFrame *frame, double dx, double dy)
{
  g_return_val_if_fail (frame != NULL, (LbPlotView) LB_PLOT_VIEW_ALL);

  return lb_plot_frame_select (frame, frame->left - dx, frame->top - dy, frame->left + frame->width - dx,
                               frame->top + frame->height - dy);
}

/* Digits that tell two neighbouring pixels apart. */
static int
useful_digits (double value, double low, double high)
{
  double resolution = (high - low) / 1000;

  if (value == 0 || !(resolution > 0))
    return 3;
  return CLAMP ((int) ceil (log10 (fabs (value) / resolution)), 1, 12);
}

static void
append_value (GString *text, const LbAxis *axis, double value, double low, double high, double offset)
{
  g_autofree char *number = NULL;

  if (text->len > 0)
    g_string_append (text, ", ");
  if (axis->label != NULL && axis->label[0] != '\0')
    g_string_append_printf (text, "%s ", axis->label);
  if (axis->categories != NULL)
    {
      double index = round (value - offset);
      guint count = g_strv_length (axis->categories);

      if (index >= 0 && index < count)
        {
          g_autofree char *valid = g_utf8_make_valid (axis->categories[(guint) index], -1);

          g_string_append_printf (text, "%u (%s)", (guint) index, g_strstrip (valid));
        }
      else
        {
          g_string_append (text, "\xe2\x80\x93");
        }
      return;
    }
  number = lb_plot_format_number (value, useful_digits (value, low, high));
  g_string_append (text, number);
  if (axis->unit != NULL && axis->unit[0] != '\0')
    g_string_append_printf (text, "\xc2\xa0%s", axis->unit);
}

/* The cell of @series at a point; FALSE outside. Row 0 is at the top of the
 * drawing whichever way the axis runs. */
static gboolean
cell_at (const LbSeries *series, double x, double y, gboolean reversed, gsize *row, gsize *column)
{
  double across = (x - series->x0) / (series->x1 - series->x0);
  double up = (y - MIN (series->y0, series->y1)) / fabs (series->y1 - series->y0);
  double down = reversed ? up : 1 - up;

  if (!(across >= 0 && across < 1 && down >= 0 && down < 1))
    return FALSE;
  *row = (gsize) (down * (double) series->image->rows);
  *column = (gsize) (across * (double) series->image->columns);
  return *row < series->image->rows && *column < series->image->columns;
}

/**
 * lb_plot_describe:
 * @figure: the figure that was drawn
 * @frame: as lb_plot_draw() left it
 * @x: of the pointer, in user units of the drawing
 * @y: of the pointer
 *
 * Returns: (nullable): the values under the pointer in words, owned by the
 *   caller; %NULL outside the axes
 */
char *
lb_plot_describe (const LbFigure *figure, const LbPlotFrame *frame, double x, double y)
{
  g_autoptr (GString) text = g_string_new (NULL);
  const LbSeries *image;
  LbPlotScale scale_x, scale_y;
  double value_x, value_y;
  gsize row, column;

  g_return_val_if_fail (figure != NULL, NULL);
  g_return_val_if_fail (frame != NULL, NULL);

  if (!lb_plot_frame_to_values (frame, x, y, &value_x, &value_y))
    return NULL;
  lb_plot_scale_init (&scale_x, figure, FALSE, NAN, NAN);
  lb_plot_scale_init (&scale_y, figure, TRUE, NAN, NAN);
  append_value (text, &figure->x_axis, value_x, frame->view.x_low, frame->view.x_high,
                scale_x.category_offset);
  append_value (text, &figure->y_axis, value_y, frame->view.y_low, frame->view.y_high,
                scale_y.category_offset);
  image = lb_plot_find_image (figure);
  if (image != NULL && cell_at (image, value_x, value_y, frame->y_reversed, &row, &column))
    {
      g_autofree char *number = lb_plot_format_number (lb_matrix_get (image->image, row, column), 4);

      g_string_append_printf (text, ": %s", number);
    }
  return g_strdup (text->str);
}
