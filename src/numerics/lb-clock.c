/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-clock.h"

#include <poll.h>

struct _LbClock
{
  GObject parent_instance;

  gboolean is_virtual;
  GMutex mutex;
  gint64 virtual_us; /* guarded by mutex */
};

G_DEFINE_FINAL_TYPE (LbClock, lb_clock, G_TYPE_OBJECT)

static void
lb_clock_finalize (GObject *object)
{
  LbClock *self = LB_CLOCK (object);

  g_mutex_clear (&self->mutex);
  G_OBJECT_CLASS (lb_clock_parent_class)->finalize (object);
}

static void
lb_clock_class_init (LbClockClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = lb_clock_finalize;
}

static void
lb_clock_init (LbClock *self)
{
  g_mutex_init (&self->mutex);
}

/**
 * lb_clock_new_wall:
 *
 * Makes a clock that shows the monotonic time of the machine.
 * Returns: (transfer full).
 */
LbClock *
lb_clock_new_wall (void)
{
  return g_object_new (LB_TYPE_CLOCK, NULL);
}

/**
 * lb_clock_new_virtual:
 * @start_us: the time it shows at first, in microseconds
 *
 * Makes a clock that moves only when somebody waits.
 * Returns: (transfer full).
 */
LbClock *
lb_clock_new_virtual (gint64 start_us)
{
  LbClock *self = g_object_new (LB_TYPE_CLOCK, NULL);

  self->is_virtual = TRUE;
  self->virtual_us = start_us;
  return self;
}

/**
 * lb_clock_is_virtual:
 * @self: a clock
 *
 * Returns: whether its time moves by waits alone.
 */
gboolean
lb_clock_is_virtual (LbClock *self)
{
  g_return_val_if_fail (LB_IS_CLOCK (self), FALSE);

  return self->is_virtual;
}

/**
 * lb_clock_now_us:
 * @self: a clock
 *
 * Returns: its time, in microseconds. Any thread may ask.
 */
gint64
lb_clock_now_us (LbClock *self)
{
  gint64 now_us;

  g_return_val_if_fail (LB_IS_CLOCK (self), 0);

  if (!self->is_virtual)
    return g_get_monotonic_time ();

  g_mutex_lock (&self->mutex);
  now_us = self->virtual_us;
  g_mutex_unlock (&self->mutex);
  return now_us;
}

/* Sleeps for @duration_us, or less if the poll is woken by a cancel. */
static void
sleep_us (gint64 duration_us, GPollFD *cancelled)
{
  struct timespec duration = { .tv_sec = duration_us / G_USEC_PER_SEC,
                               .tv_nsec = duration_us % G_USEC_PER_SEC * 1000 };
  struct pollfd poll_fd = { .fd = -1 };

  if (cancelled != NULL)
    {
      poll_fd.fd = cancelled->fd;
      poll_fd.events = POLLIN;
    }
  ppoll (&poll_fd, 1, &duration, NULL);
}

static void
wait_for_wall (gint64 time_us, GCancellable *cancellable)
{
  /* Without a descriptor to poll, a cancel is seen this late. */
  const gint64 slice_us = 5000;
  GPollFD poll_fd;
  gboolean polled = g_cancellable_make_pollfd (cancellable, &poll_fd);

  while (!g_cancellable_is_cancelled (cancellable))
    {
      gint64 left_us = time_us - g_get_monotonic_time ();

      if (left_us <= 0)
        break;
      sleep_us (polled || cancellable == NULL ? left_us : MIN (left_us, slice_us), polled ? &poll_fd : NULL);
    }

  if (polled)
    g_cancellable_release_fd (cancellable);
}

/**
 * lb_clock_wait_until:
 * @self: a clock
 * @time_us: the time to wait for, in microseconds of this clock
 * @cancellable: (nullable): ends the wait early
 * @error: set to %G_IO_ERROR_CANCELLED
 *
 * Returns when the clock shows @time_us or later; a virtual clock is moved
 * there at once, never backwards.
 *
 * Returns: %FALSE only if cancelled.
 */
gboolean
lb_clock_wait_until (LbClock *self, gint64 time_us, GCancellable *cancellable, GError **error)
{
  g_return_val_if_fail (LB_IS_CLOCK (self), FALSE);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  if (g_cancellable_set_error_if_cancelled (cancellable, error))
    return FALSE;

  if (self->is_virtual)
    {
      g_mutex_lock (&self->mutex);
      self->virtual_us = MAX (self->virtual_us, time_us);
      g_mutex_unlock (&self->mutex);
      return TRUE;
    }

  wait_for_wall (time_us, cancellable);
  return !g_cancellable_set_error_if_cancelled (cancellable, error);
}
