/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <lb-light-protocol.h>
#include <lb-scpi-light.h>

G_BEGIN_DECLS

/*
 * LightKeeper: owns the device in a thread of its own and keeps the lease. The
 * other calls come from the thread that reads the sockets; none of them waits for
 * the device, so that STOP and the end of a lease are never behind it.
 */
typedef struct _LightKeeper LightKeeper;

/* @status: shared with the program. @wake_fd: an eventfd, written to when there
 * are replies. */
LightKeeper *light_keeper_new (const LbUsbModel *model,
                               const char *serial,
                               const LbScpiLightOptions *options,
                               LbLightStatus *status,
                               int wake_fd);
/* Light off, device closed; FALSE if the device thread did not end by @deadline_us. */
gboolean light_keeper_end (LightKeeper *self, gint64 deadline_us);

/* A request of the control socket. TRUE: @reply is to be sent at once; else it
 * comes by light_keeper_take_reply(). */
gboolean light_keeper_request (LightKeeper *self, const LbLightRequest *request, LbLightReply *reply);
gboolean light_keeper_take_reply (LightKeeper *self, LbLightReply *reply);
/* STOP: off, and nothing older than @generation lights again. */
void light_keeper_stop (LightKeeper *self, guint64 generation);
/* When the lease ends (monotonic), -1: no light; off if that is past. */
gint64 light_keeper_check_lease (LightKeeper *self);

G_END_DECLS
