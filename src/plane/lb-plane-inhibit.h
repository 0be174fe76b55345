/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/*
 * LbPlaneInhibit: asks the session (org.freedesktop.ScreenSaver) not to blank the
 * monitors, and the machine (org.freedesktop.login1) not to sleep, until it is
 * freed. Where there is nobody to ask it does nothing.
 */
typedef struct _LbPlaneInhibit LbPlaneInhibit;

LbPlaneInhibit *lb_plane_inhibit_new (void);
void lb_plane_inhibit_free (LbPlaneInhibit *self);

G_END_DECLS
