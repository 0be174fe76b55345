/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <gio/gio.h>
#include <xcb/xcb.h>

G_BEGIN_DECLS

/* An event of a connection; NULL: the server is gone, none comes any more. */
typedef void (*LbPlaneXcbFunc) (const xcb_generic_event_t *event, gpointer data);

/* Dispatches the events of @connection, at high priority, also those that XCB has
 * read while it wrote or waited for a reply: its descriptor does not tell of them. */
GSource *lb_plane_xcb_source_new (xcb_connection_t *connection, LbPlaneXcbFunc func, gpointer data);

/* Does the screen show colours as they are: 8 bits each of R, G, B from the upper
 * to the lower? */
gboolean lb_plane_xcb_check_visual (xcb_screen_t *screen, GError **error);
xcb_screen_t *lb_plane_xcb_get_screen (xcb_connection_t *connection, int number);

G_END_DECLS
