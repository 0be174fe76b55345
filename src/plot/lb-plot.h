/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <math.h>
#include <cairo.h>
#include <pango/pango.h>
#include <lb-figure.h>

G_BEGIN_DECLS

/*
 * Drawing of figures with cairo and pango: the same code for the screen, PNG,
 * SVG and PDF. Points are decimated by pixel and shown as density where they
 * overlap, so that 100,000 of them stay fast.
 */

/* Colours and type: light and dark screen, print. */
typedef enum
{
  LB_PLOT_THEME_LIGHT,
  LB_PLOT_THEME_DARK,
  LB_PLOT_THEME_PRINT,
} LbPlotTheme;

/* The part of the axes' range that is shown; all NAN: everything. */
typedef struct
{
  double x_low, x_high, y_low, y_high;
} LbPlotView;

#define LB_PLOT_VIEW_ALL ((LbPlotView){ NAN, NAN, NAN, NAN })

/* Where a figure's axes lie after drawing, for read-out, zoom and pan. */
typedef struct
{
  double left, top, width, height; /* of the area inside the axes, in user units of cairo */
  LbPlotView view;                 /* the range in force */
  gboolean x_logarithmic, y_logarithmic;
  gboolean x_reversed, y_reversed; /* larger values towards the origin */
} LbPlotFrame;

/*
 * Draws @figure into the rectangle (0, 0, width, height) of @cairo (user units;
 * 1 unit is one pixel at scale 1, or one point in print). @frame may be NULL.
 */
void lb_plot_draw (const LbFigure *figure,
                   cairo_t *cairo,
                   double width,
                   double height,
                   LbPlotTheme theme,
                   const LbPlotView *view,
                   LbPlotFrame *frame);

/* From a position in the drawing to values on the axes; FALSE outside them. */
gboolean
lb_plot_frame_to_values (const LbPlotFrame *frame, double x, double y, double *value_x, double *value_y);
/* Views for zoom and pan: the rectangle between two corners of the drawing;
 * @factor times as large around a position; the picture dragged by (dx, dy). */
LbPlotView lb_plot_frame_select (const LbPlotFrame *frame, double x0, double y0, double x1, double y1);
LbPlotView lb_plot_frame_zoom (const LbPlotFrame *frame, double x, double y, double factor);
LbPlotView lb_plot_frame_pan (const LbPlotFrame *frame, double dx, double dy);
/* What the pointer reads out there: "ideal 0.213, measured 0.207"; NULL
 * outside the axes. For an image the value of the cell under it too. */
char *lb_plot_describe (const LbFigure *figure, const LbPlotFrame *frame, double x, double y);

/* Figure as file, by the ending of @path: .png (width x height pixels), .svg,
 * .pdf (points). Written beside and renamed. */
gboolean lb_plot_save (const LbFigure *figure, const char *path, double width, double height, GError **error);
/* The data of all series as CSV. */
char *lb_plot_to_csv (const LbFigure *figure);

/* A number for a label: 1,234; 0.00123; 1.2e-9; digits significant digits. */
char *lb_plot_format_number (double value, int digits);
/* With so many digits after the point: 0.9980, for columns of a table. */
char *lb_plot_format_fixed (double value, int decimals);
/* A quantity with its unit, magnitude chosen: "12.3 µs", "1.2 mW", "2.1 %" for
 * unit "1" given as percent is not done here. */
char *lb_plot_format_quantity (double value, const char *unit);

G_END_DECLS
