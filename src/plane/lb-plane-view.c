/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-plane-view.h"

#include <glib/gi18n.h>

struct _LbPlaneView
{
  GtkWidget parent_instance;
  GdkTexture *textures[LB_PLANE_MAX_LAYERS];
  guint x[LB_PLANE_MAX_LAYERS], y[LB_PLANE_MAX_LAYERS];
};

G_DEFINE_FINAL_TYPE (LbPlaneView, lb_plane_view, GTK_TYPE_WIDGET)

/* Black need not be painted under a pattern that fills everything: at 1920 x 1080
 * that is worth a millisecond. */
static gboolean
is_filled (LbPlaneView *self, float width, float height, float scale)
{
  for (guint i = 0; i < LB_PLANE_MAX_LAYERS; i++)
    if (self->textures[i] != NULL && self->x[i] == 0 && self->y[i] == 0 &&
        (float) gdk_texture_get_width (self->textures[i]) >= width * scale &&
        (float) gdk_texture_get_height (self->textures[i]) >= height * scale)
      return TRUE;
  return FALSE;
}

static void
draw (LbPlaneView *self, GtkSnapshot *snapshot, float width, float height, float scale)
{
  const GdkRGBA black = { 0, 0, 0, 1 };

  if (!is_filled (self, width, height, scale))
    gtk_snapshot_append_color (snapshot, &black, &GRAPHENE_RECT_INIT (0, 0, width, height));
  for (guint i = 0; i < LB_PLANE_MAX_LAYERS; i++)
    if (self->textures[i] != NULL)
      gtk_snapshot_append_texture (
          snapshot, self->textures[i],
          &GRAPHENE_RECT_INIT ((float) self->x[i] / scale, (float) self->y[i] / scale,
                               (float) gdk_texture_get_width (self->textures[i]) / scale,
                               (float) gdk_texture_get_height (self->textures[i]) / scale));
}

static void
lb_plane_view_snapshot (GtkWidget *widget, GtkSnapshot *snapshot)
{
  draw (LB_PLANE_VIEW (widget), snapshot, (float) gtk_widget_get_width (widget),
        (float) gtk_widget_get_height (widget), (float) gtk_widget_get_scale_factor (widget));
}

static void
lb_plane_view_dispose (GObject *object)
{
  LbPlaneView *self = LB_PLANE_VIEW (object);

  for (guint i = 0; i < LB_PLANE_MAX_LAYERS; i++)
    g_clear_object (&self->textures[i]);
  G_OBJECT_CLASS (lb_plane_view_parent_class)->dispose (object);
}

static void
lb_plane_view_class_init (LbPlaneViewClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = lb_plane_view_dispose;
  GTK_WIDGET_CLASS (klass)->snapshot = lb_plane_view_snapshot;
}

static void
lb_plane_view_init (LbPlaneView *self)
{
  gtk_widget_set_hexpand (GTK_WIDGET (self), TRUE);
  gtk_widget_set_vexpand (GTK_WIDGET (self), TRUE);
  gtk_widget_set_overflow (GTK_WIDGET (self), GTK_OVERFLOW_HIDDEN);
}

GtkWidget *
lb_plane_view_new (void)
{
  return g_object_new (LB_TYPE_PLANE_VIEW, NULL);
}

void
lb_plane_view_set (LbPlaneView *self, guint layer, GdkTexture *texture, guint x, guint y)
{
  g_return_if_fail (LB_IS_PLANE_VIEW (self) && layer < LB_PLANE_MAX_LAYERS);

  g_set_object (&self->textures[layer], texture);
  self->x[layer] = x;
  self->y[layer] = y;
  gtk_widget_queue_draw (GTK_WIDGET (self));
}

gboolean
lb_plane_view_render (LbPlaneView *self, guint width, guint height, guint32 *colours, GError **error)
{
  GskRenderer *renderer = gtk_native_get_renderer (gtk_widget_get_native (GTK_WIDGET (self)));
  float scale = (float) gtk_widget_get_scale_factor (GTK_WIDGET (self));
  GtkSnapshot *snapshot = gtk_snapshot_new ();
  g_autoptr (GskRenderNode) node = NULL;
  g_autoptr (GdkTexture) texture = NULL;

  gtk_snapshot_scale (snapshot, scale, scale);
  draw (self, snapshot, (float) width / scale, (float) height / scale, scale);
  node = gtk_snapshot_free_to_node (snapshot);
  texture = renderer != NULL && node != NULL
                ? gsk_renderer_render_texture (renderer, node,
                                               &GRAPHENE_RECT_INIT (0, 0, (float) width, (float) height))
                : NULL;
  if (texture == NULL || gdk_texture_get_width (texture) != (int) width ||
      gdk_texture_get_height (texture) != (int) height)
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_FAILED,
                           _ ("the window has no picture of that size"));
      return FALSE;
    }
  /* Its pixels are native 32-bit words, alpha in the upper byte. */
  gdk_texture_download (texture, (guchar *) colours, (gsize) width * sizeof *colours);
  return TRUE;
}
