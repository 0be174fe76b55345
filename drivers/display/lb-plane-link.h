/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <lb-device.h>

#include "lb-plane-protocol.h"

G_BEGIN_DECLS

/*
 * LbPlaneLink: the program's end of a plane's socket. A thread of its own takes
 * what the plane says; calls wait for it.
 */
typedef struct _LbPlaneLink LbPlaneLink;

/* What the plane has said so far. */
typedef struct
{
  gboolean ready;
  LbPlaneMessage monitor;                            /* READY */
  gboolean closed;                                   /* the plane is gone */
  LbPlaneFaults faults;                              /* now */
  char text[sizeof ((LbPlaneMessage *) NULL)->text]; /* of the last fault */
  guint64 presented;                                 /* ticket */
  gint64 presented_us;                               /* monotonic */
  guint32 stamp;
  guint64 answered; /* ticket of the last WAS_READ or CHECKED */
  LbPlaneMessage answer;
} LbPlaneNews;

/* In the thread of the link, without a lock: something is wrong, or not any more. */
typedef void (*LbPlaneLinkFunc) (LbPlaneLink *self, gpointer data);
/* Is what is waited for there? */
typedef gboolean (*LbPlaneLinkTest) (const LbPlaneNews *news, guint64 ticket);

/* Takes @socket. */
LbPlaneLink *lb_plane_link_new (int socket, LbPlaneLinkFunc alarm, gpointer data);
/* No alarm comes any more once it returns. */
void lb_plane_link_free (LbPlaneLink *self);
/* Any thread. */
void lb_plane_link_get_news (LbPlaneLink *self, LbPlaneNews *news);
/* Faults now, and those that came and went since the last time; STOP once. */
LbPlaneFaults lb_plane_link_take_faults (LbPlaneLink *self, char **text);
/* Sends it under a ticket that is new, and returns that; 0: FALSE. @fd: as lb_plane_send(). */
guint64 lb_plane_link_send (LbPlaneLink *self, LbPlaneMessage *message, int fd, GError **error);
/* Waits for @test; *@news: what there was then. ABSENT if the plane is gone,
 * TIMEOUT, CANCELLED. */
gboolean lb_plane_link_wait (LbPlaneLink *self,
                             LbDevice *device,
                             const char *what,
                             LbPlaneLinkTest test,
                             guint64 ticket,
                             LbPlaneNews *news,
                             GCancellable *cancellable,
                             gint64 deadline_us,
                             GError **error);

G_END_DECLS
