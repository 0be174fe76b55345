/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "lb-device.h"

G_BEGIN_DECLS

/* What every call of a device checks first: not cancelled, not past its
 * deadline. FALSE with CANCELLED or TIMEOUT. @what: the call, for the message. */
gboolean lb_device_check_call (
    LbDevice *self, const char *what, GCancellable *cancellable, gint64 deadline_us, GError **error);

G_END_DECLS
