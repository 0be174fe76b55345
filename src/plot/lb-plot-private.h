/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <math.h>
#include <pango/pangocairo.h>
#include "lb-plot.h"

G_BEGIN_DECLS

/* sRGB, 0..1. */
typedef struct
{
  double red, green, blue;
} LbPlotColour;

#define LB_PLOT_PALETTE_SIZE 7

/* Sizes of type, relative to that of the axes' titles. */
#define LB_PLOT_TITLE_TEXT 1.12
#define LB_PLOT_TICK_TEXT 0.92
#define LB_PLOT_NOTE_TEXT 0.88

/* Length of a tick and its distance from the label, relative to the type. */
#define LB_PLOT_TICK_LENGTH 0.4
#define LB_PLOT_TICK_GAP 0.3

/* What a theme means in colours. */
typedef struct
{
  LbPlotTheme theme;
  LbPlotColour background;
  LbPlotColour foreground;
  LbPlotColour muted;
  LbPlotColour grid;
  LbPlotColour minor_grid;
  LbPlotColour missing; /* cells of an image that hold no number */
  LbPlotColour palette[LB_PLOT_PALETTE_SIZE];
} LbPlotStyle;

typedef struct
{
  double value;
  char *label; /* NULL: a minor tick */
} LbPlotTick;

/*
 * One axis with the range in force and its place in the drawing: @start and
 * @end are the positions of @low and @high in user units (or of high and low on
 * a reversed axis).
 */
typedef struct
{
  const LbAxis *axis;
  gboolean vertical;
  double low, high;
  gboolean logarithmic;
  gboolean reversed;
  gboolean empty;         /* no series has anything to show on it */
  double category_offset; /* 0.5 where categories name the cells of an image */
  int exponent;           /* labels are in units of 10^exponent */
  gboolean rotated;       /* labels of the x axis stand upright */
  double label_extent;    /* across the axis: height below an x axis, width beside a y axis */
  double label_overhang;  /* along the axis: half of the largest label */
  GArray *ticks;          /* of LbPlotTick */
  double start, end;
} LbPlotScale;

/* Everything that the parts of one drawing share. */
typedef struct
{
  cairo_t *cairo;
  PangoContext *pango;
  const LbFigure *figure;
  LbPlotStyle style;
  double width, height;
  double font_size;
  LbPlotScale x, y;
  double left, top, right, bottom; /* edges of the area inside the axes */
} LbPlotCanvas;

/* lb-plot-style.c */
void lb_plot_style_init (LbPlotStyle *style, LbPlotTheme theme);
LbPlotColour lb_plot_colour_mix (LbPlotColour a, LbPlotColour b, double share_of_b);
void lb_plot_set_colour (cairo_t *cairo, LbPlotColour colour, double alpha);
/* Colours of a scale as 256 opaque pixels in CAIRO_FORMAT_ARGB32. */
const guint32 *lb_plot_colour_map (gboolean diverging);

/* lb-plot-text.c */
PangoLayout *lb_plot_text_new (const LbPlotCanvas *canvas,
                               const char *text,
                               double scale,
                               gboolean bold,
                               double max_width,
                               int max_lines);
void lb_plot_text_size (PangoLayout *layout, double *width, double *height);
/* @align_x, @align_y: which part of the text lies at (x, y); 0 left or top, 1 right or bottom. */
void lb_plot_text_draw (const LbPlotCanvas *canvas,
                        PangoLayout *layout,
                        double x,
                        double y,
                        double align_x,
                        double align_y,
                        double angle);

/* lb-plot-axis.c */
void lb_plot_scale_init (
    LbPlotScale *scale, const LbFigure *figure, gboolean vertical, double view_low, double view_high);
void lb_plot_scale_clear (LbPlotScale *scale);
double lb_plot_scale_map (const LbPlotScale *scale, double value);
double lb_plot_scale_unmap (const LbPlotScale *scale, double position);
char *lb_plot_axis_title (const LbAxis *axis, int exponent);
char *lb_plot_power_of_ten (int exponent);
void lb_plot_equalise_ranges (LbPlotScale *x, LbPlotScale *y, const LbPlotView *view);

/* lb-plot-ticks.c */
/* Ticks for an axis @length user units long, as dense as their labels allow;
 * texts of categories take at most @max_label. */
void
lb_plot_scale_make_ticks (LbPlotScale *scale, const LbPlotCanvas *canvas, double length, double max_label);
void lb_plot_draw_grid (const LbPlotCanvas *canvas);
void lb_plot_draw_axes (const LbPlotCanvas *canvas);
double lb_plot_snap (const LbPlotCanvas *canvas, double position);

/* lb-plot-image.c */
const LbSeries *lb_plot_find_image (const LbFigure *figure);
void lb_plot_image_range (const LbSeries *series, double *low, double *high);
void lb_plot_draw_image (const LbPlotCanvas *canvas, const LbSeries *series);
double lb_plot_colour_bar_width (const LbPlotCanvas *canvas, const LbSeries *series, double height);
void lb_plot_draw_colour_bar (const LbPlotCanvas *canvas, const LbSeries *series, double left);

/* lb-plot-series.c */
void lb_plot_draw_series (const LbPlotCanvas *canvas);
void lb_plot_draw_sample (const LbPlotCanvas *canvas, guint series, double x, double y, double width);
gboolean lb_plot_clip_segment (
    double *x0, double *y0, double *x1, double *y1, double left, double top, double right, double bottom);
guint lb_plot_palette_index (const LbFigure *figure, guint series);

/* lb-plot-points.c */
double lb_plot_device_scale (const LbPlotCanvas *canvas);
void
lb_plot_draw_points (const LbPlotCanvas *canvas, const LbSeries *series, LbPlotColour colour, guint shape);
void lb_plot_draw_marker (cairo_t *cairo, guint shape, double x, double y, double radius);

/* lb-plot-legend.c */
typedef struct _LbPlotLegend LbPlotLegend;
LbPlotLegend *lb_plot_legend_new (const LbPlotCanvas *canvas);
void lb_plot_legend_free (LbPlotLegend *legend);
/* Looks for a free place inside the axes; FALSE if there is none. */
gboolean
lb_plot_legend_place_inside (LbPlotLegend *legend, const LbPlotCanvas *canvas, gboolean even_over_data);
/* Height that the legend takes as rows above the axes, @width wide. */
double lb_plot_legend_place_above (
    LbPlotLegend *legend, const LbPlotCanvas *canvas, double left, double width, double top);
void lb_plot_legend_draw (const LbPlotLegend *legend, const LbPlotCanvas *canvas);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (LbPlotLegend, lb_plot_legend_free)

static inline gsize
lb_plot_series_length (const LbSeries *series)
{
  return series->x != NULL && series->y != NULL ? MIN (series->x->len, series->y->len) : 0;
}

static inline const double *
lb_plot_series_x (const LbSeries *series)
{
  return (const double *) (gpointer) series->x->data;
}

static inline const double *
lb_plot_series_y (const LbSeries *series)
{
  return (const double *) (gpointer) series->y->data;
}

static inline const double *
lb_plot_series_error (const LbSeries *series)
{
  return series->error != NULL && series->error->len >= lb_plot_series_length (series)
             ? (const double *) (gpointer) series->error->data
             : NULL;
}

G_END_DECLS
