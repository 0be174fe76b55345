/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "lb-plane-screen.h"

G_BEGIN_DECLS

/*
 * LbPlaneClient: one plane, as its socket sees it: takes what the program says,
 * checks it, and has a layer of the screen do it. Anything that is not a message,
 * or comes at the wrong time, ends it.
 */
typedef struct _LbPlaneClient LbPlaneClient;

/* It has ended: end of file, or a damaged message. The layer is black; the
 * owner frees it. */
typedef void (*LbPlaneClientFunc) (LbPlaneClient *self, gpointer data);

/* Takes @socket. @spec must be a good one. */
LbPlaneClient *lb_plane_client_new (
    int socket, const LbPlaneSpec *spec, guint layer, LbPlaneClientFunc ended, gpointer data);
void lb_plane_client_free (LbPlaneClient *self);
guint lb_plane_client_get_layer (LbPlaneClient *self);
const LbPlaneSpec *lb_plane_client_get_spec (LbPlaneClient *self);
/* The screen is black and full: from now on patterns can come. */
void lb_plane_client_be_ready (LbPlaneClient *self, LbPlaneScreen *screen);
void lb_plane_client_presented (LbPlaneClient *self, guint64 ticket, gint64 time_us, LbTimeStampKind stamp);
void lb_plane_client_tell_faults (LbPlaneClient *self, LbPlaneFaults faults, const char *text);

G_END_DECLS
