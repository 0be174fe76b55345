/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <gtk/gtk.h>
#include <lb-figure.h>

G_BEGIN_DECLS

/* The context menu of a plot; its actions are "plot.save", "plot.copy",
 * "plot.copy-csv", "plot.reset". Transfer none. */
GMenuModel *lb_plot_export_get_menu (void);
/* Does one of them but "reset", for a plot that @widget shows. */
void lb_plot_export_run (const char *action, LbFigure *figure, GtkWidget *widget);

G_END_DECLS
