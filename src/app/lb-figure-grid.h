/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <gtk/gtk.h>
#include <lb-figure.h>

G_BEGIN_DECLS

/*
 * LbFigureGrid: the figures of one result beside each other: curves two in a
 * row, pictures (maps) three in a row. Plots that stay keep their zoom.
 */
#define LB_TYPE_FIGURE_GRID (lb_figure_grid_get_type ())
G_DECLARE_FINAL_TYPE (LbFigureGrid, lb_figure_grid, LB, FIGURE_GRID, GtkWidget)

GtkWidget *lb_figure_grid_new (void);
/* @figures: of LbFigure; NULL or empty: none. */
void lb_figure_grid_set_figures (LbFigureGrid *self, GPtrArray *figures);
guint lb_figure_grid_get_length (LbFigureGrid *self);

G_END_DECLS
