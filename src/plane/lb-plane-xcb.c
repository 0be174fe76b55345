/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-plane-xcb.h"

#include <glib/gi18n.h>

/* Small things of XCB. */

typedef struct
{
  GSource parent;
  xcb_connection_t *connection;
  xcb_generic_event_t *event; /* next to be dispatched */
  LbPlaneXcbFunc func;
  gpointer data;
} XcbSource;

static gboolean
source_prepare (GSource *source, gint *timeout)
{
  XcbSource *self = (XcbSource *) source;

  *timeout = -1;
  if (self->event == NULL)
    self->event = xcb_poll_for_queued_event (self->connection);
  return self->event != NULL;
}

static gboolean
source_check (GSource *source)
{
  XcbSource *self = (XcbSource *) source;

  if (self->event == NULL)
    self->event = xcb_poll_for_event (self->connection);
  return self->event != NULL || xcb_connection_has_error (self->connection) != 0;
}

static gboolean
source_dispatch (GSource *source, GSourceFunc callback, gpointer user_data)
{
  XcbSource *self = (XcbSource *) source;
  xcb_generic_event_t *event;

  if (self->event == NULL)
    {
      self->func (NULL, self->data);
      return G_SOURCE_REMOVE;
    }
  while ((event = g_steal_pointer (&self->event)) != NULL)
    {
      self->func (event, self->data);
      free (event);
      if (g_source_is_destroyed (source))
        return G_SOURCE_REMOVE;
      self->event = xcb_poll_for_event (self->connection);
    }
  return G_SOURCE_CONTINUE;
}

static void
source_finalize (GSource *source)
{
  free (((XcbSource *) source)->event);
}

GSource *
lb_plane_xcb_source_new (xcb_connection_t *connection, LbPlaneXcbFunc func, gpointer data)
{
  static GSourceFuncs funcs = { source_prepare, source_check, source_dispatch, source_finalize };
  GSource *source = g_source_new (&funcs, sizeof (XcbSource));
  XcbSource *self = (XcbSource *) source;

  self->connection = connection;
  self->func = func;
  self->data = data;
  g_source_set_priority (source, G_PRIORITY_HIGH);
  g_source_add_unix_fd (source, xcb_get_file_descriptor (connection), G_IO_IN | G_IO_HUP | G_IO_ERR);
  g_source_attach (source, NULL);
  return source;
}

xcb_screen_t *
lb_plane_xcb_get_screen (xcb_connection_t *connection, int number)
{
  xcb_screen_iterator_t screens = xcb_setup_roots_iterator (xcb_get_setup (connection));

  for (int i = 0; i < number && screens.rem > 1; i++)
    xcb_screen_next (&screens);
  return screens.data;
}

static const xcb_visualtype_t *
find_visual (xcb_screen_t *screen)
{
  for (xcb_depth_iterator_t depths = xcb_screen_allowed_depths_iterator (screen); depths.rem > 0;
       xcb_depth_next (&depths))
    for (xcb_visualtype_iterator_t visuals = xcb_depth_visuals_iterator (depths.data); visuals.rem > 0;
         xcb_visualtype_next (&visuals))
      if (visuals.data->visual_id == screen->root_visual)
        return visuals.data;
  return NULL;
}

gboolean
lb_plane_xcb_check_visual (xcb_screen_t *screen, GError **error)
{
  const xcb_visualtype_t *visual = find_visual (screen);

  if (screen->root_depth == 24 && visual != NULL && visual->red_mask == 0xff0000 &&
      visual->green_mask == 0xff00 && visual->blue_mask == 0xff)
    return TRUE;
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
               _ ("the X server shows %u bits a pixel; patterns need 24 (8 of red, green and blue)"),
               screen->root_depth);
  return FALSE;
}
