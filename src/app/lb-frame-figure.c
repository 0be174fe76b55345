/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-frame-figure.h"

#include <glib/gi18n.h>

#define MAX_COLUMNS 320
#define MAX_ROWS 200

static float
mean_of_block (const LbFrame *frame, guint column, guint row, guint side)
{
  guint right = MIN ((column + 1) * side, frame->width), bottom = MIN ((row + 1) * side, frame->height);
  guint64 sum = 0;
  guint count = 0;

  for (guint y = row * side; y < bottom; y++)
    for (guint x = column * side; x < right; x++, count++)
      sum += frame->data[(gsize) y * frame->width + x];
  return (float) sum / MAX (count, 1);
}

/**
 * lb_frame_figure_new:
 * @frame: to show
 *
 * Returns: (transfer full): a picture with axes in sensor pixels
 */
LbFigure *
lb_frame_figure_new (const LbFrame *frame)
{
  guint side =
      MAX ((frame->width + MAX_COLUMNS - 1) / MAX_COLUMNS, (frame->height + MAX_ROWS - 1) / MAX_ROWS);
  guint columns, rows;
  g_autoptr (LbMatrix) picture = NULL;
  LbFigure *figure;
  LbSeries *series;

  g_return_val_if_fail (frame != NULL && frame->width > 0 && frame->height > 0, NULL);

  columns = (frame->width + side - 1) / side;
  rows = (frame->height + side - 1) / side;
  picture = lb_matrix_new (rows, columns);
  for (guint row = 0; row < rows; row++)
    for (guint column = 0; column < columns; column++)
      lb_matrix_row (picture, row)[column] = mean_of_block (frame, column, row, side);
  figure = lb_figure_new (_ ("Camera, newest frame"), _ ("Sensor column"), "px", _ ("Sensor row"), "px");
  series = lb_figure_add_image (figure, _ ("DN"), picture);
  series->x0 = frame->x;
  series->y0 = frame->y;
  series->x1 = frame->x + columns * side;
  series->y1 = frame->y + rows * side;
  figure->y_axis.reversed = TRUE;
  return figure;
}
