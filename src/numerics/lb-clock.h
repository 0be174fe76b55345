/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/*
 * LbClock: the time of a bench, in microseconds. A wall clock is the monotonic
 * clock of the machine. A virtual clock moves only when somebody waits; time
 * that concerns safety (leases, deadlines) is always wall time, never this.
 */
#define LB_TYPE_CLOCK (lb_clock_get_type ())
G_DECLARE_FINAL_TYPE (LbClock, lb_clock, LB, CLOCK, GObject)

LbClock *lb_clock_new_wall (void);
LbClock *lb_clock_new_virtual (gint64 start_us);

gboolean lb_clock_is_virtual (LbClock *self);
gint64 lb_clock_now_us (LbClock *self);
/* Returns at once if @time_us has passed. A virtual clock jumps there. FALSE
 * only if cancelled (G_IO_ERROR_CANCELLED). */
gboolean lb_clock_wait_until (LbClock *self, gint64 time_us, GCancellable *cancellable, GError **error);

G_END_DECLS
