/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-clock.h"

static void
test_virtual_clock_moves_only_by_waits (void)
{
  g_autoptr (LbClock) clock = lb_clock_new_virtual (5000);
  g_autoptr (GError) error = NULL;
  gint64 before_us;

  g_assert_true (lb_clock_is_virtual (clock));
  g_assert_cmpint (lb_clock_now_us (clock), ==, 5000);
  g_usleep (2000);
  g_assert_cmpint (lb_clock_now_us (clock), ==, 5000);

  before_us = g_get_monotonic_time ();
  g_assert_true (lb_clock_wait_until (clock, 5000 + G_GINT64_CONSTANT (3600000000), NULL, &error));
  g_assert_no_error (error);
  g_assert_cmpint (lb_clock_now_us (clock), ==, 5000 + G_GINT64_CONSTANT (3600000000));
  g_assert_cmpint (g_get_monotonic_time () - before_us, <, 60 * G_USEC_PER_SEC);
}

static void
test_virtual_clock_never_goes_back (void)
{
  g_autoptr (LbClock) clock = lb_clock_new_virtual (5000);

  g_assert_true (lb_clock_wait_until (clock, 4000, NULL, NULL));
  g_assert_cmpint (lb_clock_now_us (clock), ==, 5000);
}

static void
test_cancelled_wait_leaves_virtual_time (void)
{
  g_autoptr (LbClock) clock = lb_clock_new_virtual (0);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;

  g_cancellable_cancel (cancellable);
  g_assert_false (lb_clock_wait_until (clock, 100, cancellable, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpint (lb_clock_now_us (clock), ==, 0);
}

static void
test_wall_clock_waits (void)
{
  g_autoptr (LbClock) clock = lb_clock_new_wall ();
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  gint64 until_us = lb_clock_now_us (clock) + 20000;

  g_assert_false (lb_clock_is_virtual (clock));
  g_assert_true (lb_clock_wait_until (clock, until_us, NULL, NULL));
  g_assert_cmpint (g_get_monotonic_time (), >=, until_us);
  until_us += 20000;
  g_assert_true (lb_clock_wait_until (clock, until_us, cancellable, NULL));
  g_assert_cmpint (g_get_monotonic_time (), >=, until_us);
}

static void
test_wall_clock_returns_at_once_for_the_past (void)
{
  g_autoptr (LbClock) clock = lb_clock_new_wall ();
  gint64 before_us = g_get_monotonic_time ();

  g_assert_true (lb_clock_wait_until (clock, before_us - G_USEC_PER_SEC, NULL, NULL));
  g_assert_true (lb_clock_wait_until (clock, G_MININT64 / 2, NULL, NULL));
  g_assert_cmpint (g_get_monotonic_time () - before_us, <, 10 * G_USEC_PER_SEC);
}

static gpointer
cancel_soon (gpointer cancellable)
{
  g_usleep (20000);
  g_cancellable_cancel (cancellable);
  return NULL;
}

static void
test_cancel_wakes_a_wall_wait (void)
{
  g_autoptr (LbClock) clock = lb_clock_new_wall ();
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;
  GThread *thread = g_thread_new ("cancel", cancel_soon, cancellable);
  gint64 before_us = g_get_monotonic_time ();

  g_assert_false (
      lb_clock_wait_until (clock, before_us + G_GINT64_CONSTANT (3600000000), cancellable, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpint (g_get_monotonic_time () - before_us, <, 60 * G_USEC_PER_SEC);
  g_thread_join (thread);
}

static gpointer
wait_in_steps (gpointer clock)
{
  for (gint64 time_us = 1; time_us <= 10000; time_us++)
    g_assert_true (lb_clock_wait_until (clock, time_us, NULL, NULL));
  return NULL;
}

static void
test_threads_share_a_virtual_clock (void)
{
  g_autoptr (LbClock) clock = lb_clock_new_virtual (0);
  GThread *thread = g_thread_new ("wait", wait_in_steps, clock);
  gint64 last_us = 0;

  while (last_us < 10000)
    {
      gint64 now_us = lb_clock_now_us (clock);

      g_assert_cmpint (now_us, >=, last_us);
      last_us = now_us;
      g_thread_yield ();
    }
  g_thread_join (thread);
  g_assert_cmpint (lb_clock_now_us (clock), ==, 10000);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/numerics/clock/virtual-moves-only-by-waits", test_virtual_clock_moves_only_by_waits);
  g_test_add_func ("/numerics/clock/virtual-never-goes-back", test_virtual_clock_never_goes_back);
  g_test_add_func ("/numerics/clock/cancelled-wait-leaves-virtual-time",
                   test_cancelled_wait_leaves_virtual_time);
  g_test_add_func ("/numerics/clock/wall-waits", test_wall_clock_waits);
  g_test_add_func ("/numerics/clock/wall-returns-at-once-for-the-past",
                   test_wall_clock_returns_at_once_for_the_past);
  g_test_add_func ("/numerics/clock/cancel-wakes-a-wall-wait", test_cancel_wakes_a_wall_wait);
  g_test_add_func ("/numerics/clock/threads-share-a-virtual-clock", test_threads_share_a_virtual_clock);
  return g_test_run ();
}
