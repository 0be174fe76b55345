/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <gtk/gtk.h>
#include <lb-plot.h>

G_BEGIN_DECLS

/*
 * LbPlotWidget: a figure on the screen. A worker draws it; the pointer reads out
 * values, the wheel zooms, dragging pans, a double click shows everything again;
 * the context menu saves and copies.
 */
#define LB_TYPE_PLOT_WIDGET (lb_plot_widget_get_type ())
G_DECLARE_FINAL_TYPE (LbPlotWidget, lb_plot_widget, LB, PLOT_WIDGET, GtkWidget)

GtkWidget *lb_plot_widget_new (void);
/* Keeps the zoom if the new figure has the same title. NULL: nothing to show. */
void lb_plot_widget_set_figure (LbPlotWidget *self, LbFigure *figure);
LbFigure *lb_plot_widget_get_figure (LbPlotWidget *self);
/* Shows everything again. */
void lb_plot_widget_reset (LbPlotWidget *self);
/* Zooms by @factor (over 1: closer) about a position in the widget. */
void lb_plot_widget_zoom (LbPlotWidget *self, double factor, double x, double y);
/* Whether less than everything is shown. */
gboolean lb_plot_widget_is_zoomed (LbPlotWidget *self);
/* Whether what is on the screen is the newest figure at the newest size. */
gboolean lb_plot_widget_is_settled (LbPlotWidget *self);

G_END_DECLS
