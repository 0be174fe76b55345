/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <gtk/gtk.h>
#include <lb-plot.h>

G_BEGIN_DECLS

/* What to draw. */
typedef struct
{
  LbFigure *figure;
  int width, height; /* in application pixels */
  int scale;         /* device pixels per application pixel */
  LbPlotTheme theme;
  LbPlotView view;
} LbPlotRequest;

/* Draws in a thread of its own, one figure after another (pango keeps one font
 * map a thread); comes back in the main context. Takes a reference of the
 * figure. */
void lb_plot_renderer_render_async (const LbPlotRequest *request,
                                    GCancellable *cancellable,
                                    GAsyncReadyCallback callback,
                                    gpointer user_data);
/* @request, @frame (may be NULL): what was drawn (its figure is borrowed until
 * @result goes), where the axes lie. NULL only when cancelled. */
GdkTexture *lb_plot_renderer_render_finish (GAsyncResult *result,
                                            LbPlotRequest *request,
                                            LbPlotFrame *frame,
                                            GError **error);

G_END_DECLS
