/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <xcb/randr.h>
#include <xcb/xcb.h>

#include "lb-monitor.h"

G_BEGIN_DECLS

/* With the identity of that EDID; NULL, 0: none. */
LbMonitor *lb_monitor_new (const char *connector, const guint8 *edid_data, gsize edid_length);
/* Those that a screen of an open connection shows something on. */
GPtrArray *lb_monitors_list_xcb (xcb_connection_t *connection, xcb_window_t root);

G_END_DECLS
