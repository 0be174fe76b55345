/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "lb-device.h"

G_BEGIN_DECLS

/*
 * Who watches over the device calls of one thread: the bench, over its worker.
 * Each call of a device goes through it, so that the light's lease is renewed on
 * the way, STOP refuses what comes after it, and a worker that was given up is
 * caught when it comes out of the device.
 */
typedef struct
{
  /* Before a call. FALSE refuses it. @closing: close, stop, blank and light off,
   * which are never refused. */
  gboolean (*begin) (LbDevice *device, gboolean closing, gint64 deadline_us, gpointer data, GError **error);
  /* After each call that was not refused. */
  void (*end) (LbDevice *device, gpointer data);
  /* A call waits; see lb_device_waiting(). */
  gboolean (*waiting) (LbDevice *device, gpointer data, GError **error);
  gpointer data;
} LbCallGuard;

/* For the calling thread, from now on; NULL: none. @guard must stay valid. */
void lb_device_set_call_guard (const LbCallGuard *guard);

/* What every call of a device does first: FALSE with CANCELLED, TIMEOUT, or the
 * guard's reason. @what: the call, for the message. After TRUE,
 * lb_device_end_call() follows. */
gboolean lb_device_begin_call (
    LbDevice *self, const char *what, GCancellable *cancellable, gint64 deadline_us, GError **error);
/* The same for calls that make the bench safe: these are never refused. */
void lb_device_begin_closing (LbDevice *self, gint64 deadline_us);
void lb_device_end_call (LbDevice *self);

G_END_DECLS
