/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "lb-light-protocol.h"

G_BEGIN_DECLS

/*
 * LbLightLink: a program's end of its lightbench-light: the process, the two
 * sockets and the page that both map. Requests come from one thread (a second may
 * be made while the first waits); STOP and its confirmation from any.
 */
typedef struct _LbLightLink LbLightLink;

LbLightLink *lb_light_link_new (void);
/* Ends the process first, if there is one. */
void lb_light_link_free (LbLightLink *self);

/* Starts the process. @arguments: program and its arguments (of char *, not ended
 * by NULL); those for the sockets are added. */
gboolean lb_light_link_start (LbLightLink *self, GPtrArray *arguments, GError **error);
/* The light is switched off and the process ends. FALSE with FAULTED if it has not
 * by @deadline_us; it goes on trying to switch off then. */
gboolean lb_light_link_end (LbLightLink *self, gint64 deadline_us, GError **error);
/* FALSE with ABSENT if there is no process. @what: for the message. */
gboolean lb_light_link_check (LbLightLink *self, const char *what, GError **error);

/* Sends @request (whose serial and protocol are filled in) and waits for its
 * reply until its deadline + 80 ms. lb_device_waiting() is called for @device. */
gboolean lb_light_link_request (LbLightLink *self,
                                LbLightRequest *request,
                                LbLightReply *reply,
                                LbDevice *device,
                                GCancellable *cancellable,
                                GError **error);

/* STOP. Any thread, no lock, does not wait. */
void lb_light_link_stop (LbLightLink *self, guint64 generation);
/* Whether the device has confirmed that it is off, since the last STOP. Any thread. */
gboolean lb_light_link_is_confirmed_off (LbLightLink *self);
/* Its process id; 0: none. */
int lb_light_link_get_pid (LbLightLink *self);

G_END_DECLS
