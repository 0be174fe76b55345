/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>
#include "lb-matrix.h"

G_BEGIN_DECLS

/*
 * LbFigure: a figure as plain data: one panel with two axes and series in it.
 * Who measures makes one; `plot` draws it on screen, in pictures and in the
 * report; the session stores it. Texts are already translated. Not thread-safe
 * while it is filled; afterwards treat it as immutable and share by reference.
 */
typedef enum
{
  LB_SERIES_LINE,     /* x, y */
  LB_SERIES_POINTS,   /* x, y, optional error (of y) */
  LB_SERIES_BARS,     /* x = left edges, y = heights, width = x[1] - x[0] */
  LB_SERIES_IMAGE,    /* matrix, drawn from (x0, y0) to (x1, y1), row 0 at the top */
  LB_SERIES_IDENTITY, /* the line y = x over the visible range; no data */
} LbSeriesKind;

typedef struct
{
  LbSeriesKind kind;
  char *name; /* for the legend; NULL: not in it */
  GArray *x;  /* of double */
  GArray *y;
  GArray *error; /* of double, or NULL */
  LbMatrix *image;
  double x0, y0, x1, y1; /* extent of an image, in axis units */
  double low, high;      /* values that the ends of the colour scale stand for */
  gboolean diverging;    /* colour scale with a middle at (low + high) / 2 */
} LbSeries;

typedef struct
{
  char *label;
  char *unit; /* "" for a pure number */
  gboolean logarithmic;
  double low, high;  /* fixed range, or NAN: from the data */
  gboolean reversed; /* larger values towards the origin (rows of an image) */
  GStrv categories;  /* or NULL: texts at 0, 1, 2 ... instead of numbers (tokens) */
} LbAxis;

typedef struct
{
  char *title;
  LbAxis x_axis;
  LbAxis y_axis;
  GPtrArray *series; /* of LbSeries */
  char *note;        /* a line under the figure, or NULL */
  /*< private >*/
  gatomicrefcount references;
} LbFigure;

LbFigure *lb_figure_new (
    const char *title, const char *x_label, const char *x_unit, const char *y_label, const char *y_unit);
LbFigure *lb_figure_ref (LbFigure *self);
void lb_figure_unref (LbFigure *self);
/* The series belongs to the figure. Values are copied. */
LbSeries *
lb_figure_add_line (LbFigure *self, const char *name, const double *x, const double *y, gsize count);
/* @error may be NULL. */
LbSeries *lb_figure_add_points (
    LbFigure *self, const char *name, const double *x, const double *y, const double *error, gsize count);
LbSeries *
lb_figure_add_bars (LbFigure *self, const char *name, const double *left, const double *height, gsize count);
/* Bars of the histogram of @values over @bins equal bins from low to high. */
LbSeries *lb_figure_add_histogram (
    LbFigure *self, const char *name, const double *values, gsize count, double low, double high, guint bins);
/* Refs @image; extent is (0, 0) to (columns, rows), scale the range of its values. */
LbSeries *lb_figure_add_image (LbFigure *self, const char *name, LbMatrix *image);
LbSeries *lb_figure_add_identity (LbFigure *self, const char *name);

GVariant *lb_figure_to_variant (const LbFigure *self); /* floating */
LbFigure *lb_figure_from_variant (GVariant *variant, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LbFigure, lb_figure_unref)

G_END_DECLS
