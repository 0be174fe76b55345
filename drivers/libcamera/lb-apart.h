/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <lb-device.h>

G_BEGIN_DECLS

/* A call that may hang, on a thread of its own that is left behind if it does. */
typedef gboolean (*LbApartFunc) (gpointer data, GError **error);

/*
 * Runs @func on a new thread and waits until @until_us (monotonic). It owns
 * @data: @destroy runs on the new thread when @func is through, however late.
 * @device: renews the light's lease meanwhile; NULL: closing, which neither does
 * nor can be cancelled. FALSE with @func's error, or with TIMEOUT, CANCELLED or
 * what the device's guard says, *@abandoned being TRUE: the call goes on.
 */
gboolean lb_apart_run (LbApartFunc func,
                       gpointer data,
                       GDestroyNotify destroy,
                       LbDevice *device,
                       GCancellable *cancellable,
                       gint64 until_us,
                       gboolean *abandoned,
                       GError **error);

G_END_DECLS
