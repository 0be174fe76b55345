/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "lb-plane-screen.h"

G_BEGIN_DECLS

typedef LbPlaneScreen *(*LbPlaneScreenFunc) (const LbPlaneWish *wish,
                                             const LbPlaneListener *listener,
                                             GError **error);

/*
 * LbPlaneHost: the process as its control socket sees it: a screen, made when
 * the first plane comes, and the planes on it.
 */
typedef struct _LbPlaneHost LbPlaneHost;

/* Takes @control. @choice must outlive it. @quit: the control socket has ended, all is black. */
LbPlaneHost *lb_plane_host_new (int control,
                                const LbMonitorChoice *choice,
                                LbPlaneScreenFunc make_screen,
                                GSourceFunc quit,
                                gpointer data);
void lb_plane_host_free (LbPlaneHost *self);

G_END_DECLS
