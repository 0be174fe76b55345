/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <gtk/gtk.h>

#include "lb-plane-screen.h"

G_BEGIN_DECLS

/*
 * LbPlaneView: draws a texture a layer, each texture pixel on one pixel of the
 * monitor whatever the scale; black elsewhere.
 */
#define LB_TYPE_PLANE_VIEW (lb_plane_view_get_type ())
G_DECLARE_FINAL_TYPE (LbPlaneView, lb_plane_view, LB, PLANE_VIEW, GtkWidget)

GtkWidget *lb_plane_view_new (void);
/* @texture: NULL: black; @x, @y in pixels of the monitor. */
void lb_plane_view_set (LbPlaneView *self, guint layer, GdkTexture *texture, guint x, guint y);
/* What it draws, as colours, by the renderer of its window; @width, @height in pixels
 * of the monitor. */
gboolean
lb_plane_view_render (LbPlaneView *self, guint width, guint height, guint32 *colours, GError **error);

G_END_DECLS
