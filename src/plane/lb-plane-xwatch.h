/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <lb-monitor.h>
#include <xcb/xcb.h>

#include "lb-plane-screen.h"

G_BEGIN_DECLS

/*
 * LbPlaneXWatch: what can happen to a monitor and a window of an X server, seen
 * over a connection of its own: unplugged, moved, another mode, covered, gamma
 * ramp, standby. It also reads pixels as they really stand on the screen, and
 * keeps the server's own screen saver away.
 */
typedef struct _LbPlaneXWatch LbPlaneXWatch;

/* In the main context, when the faults have changed. */
typedef void (*LbPlaneXWatchFunc) (LbPlaneFaults faults, const char *text, gpointer data);

LbPlaneXWatch *lb_plane_xwatch_new (const LbPlaneWish *wish, GError **error);
void lb_plane_xwatch_free (LbPlaneXWatch *self);
const LbMonitor *lb_plane_xwatch_get_monitor (LbPlaneXWatch *self);
/* Puts @window, which is not mapped yet, in its place on the monitor, out of the
 * window manager's hands: that would move it to another monitor when this one is
 * unplugged, patterns and all, before anybody could hide it. */
void lb_plane_xwatch_pin (LbPlaneXWatch *self, xcb_window_t window);
/* From now on: @window must cover the monitor, at its place. */
void lb_plane_xwatch_start (LbPlaneXWatch *self, xcb_window_t window, LbPlaneXWatchFunc func, gpointer data);
/* The window stands on the screen: from now on its place is looked at too. */
void lb_plane_xwatch_set_mapped (LbPlaneXWatch *self);
/* Asks the server anew, and tells what has changed first. *@text: owned by the
 * caller, "" without faults. */
LbPlaneFaults lb_plane_xwatch_check (LbPlaneXWatch *self, char **text);
/* Colours of a rectangle of the monitor, rows without gaps. */
gboolean lb_plane_xwatch_read (
    LbPlaneXWatch *self, guint x, guint y, guint width, guint height, guint32 *colours, GError **error);

G_END_DECLS
