/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <lb-apart.h>
#include <lb-frame-queue.h>

/* What a camera's thread puts down and a worker picks up; calls that hang. */

#define KEEP 2
#define LONG_US (10 * G_USEC_PER_SEC)

typedef struct
{
  LbFrameQueue *queue;
  GAsyncQueue *recycled; /* slot + 1 */
} Fixture;

static void
recycle_cb (guint slot, gpointer data)
{
  g_async_queue_push (((Fixture *) data)->recycled, GUINT_TO_POINTER (slot + 1));
}

static void
set_up (Fixture *self, gconstpointer data)
{
  self->queue = lb_frame_queue_new (KEEP);
  self->recycled = g_async_queue_new ();
  lb_frame_queue_begin (self->queue, recycle_cb, self);
}

static void
tear_down (Fixture *self, gconstpointer data)
{
  lb_frame_queue_end (self->queue);
  lb_frame_queue_unref (self->queue);
  g_async_queue_unref (self->recycled);
}

static void
post (Fixture *self, guint slot, guint64 sequence, gint64 start_us)
{
  const LbCapture capture = { .slot = slot,
                              .sequence = sequence,
                              .start_us = start_us,
                              .arrived_us = g_get_monotonic_time (),
                              .whole = TRUE };

  lb_frame_queue_post (self->queue, &capture);
}

static LbFrameQueueResult
take (Fixture *self, gint64 after_us, gint64 wait_us, LbCapture *capture)
{
  return lb_frame_queue_take (self->queue, after_us, g_get_monotonic_time () + wait_us, capture);
}

/* Waits for it; a queue that gives nothing back fails here. */
static void
assert_recycled (Fixture *self, guint slot)
{
  gpointer value = g_async_queue_timeout_pop (self->recycled, LONG_US);

  g_assert_cmpuint (GPOINTER_TO_UINT (value), ==, slot + 1);
}

static void
assert_counters (Fixture *self, guint64 delivered, guint64 dropped, guint64 stale)
{
  guint64 a, b, c;

  lb_frame_queue_get_counters (self->queue, &a, &b, &c);
  g_assert_cmpuint (a, ==, delivered);
  g_assert_cmpuint (b, ==, dropped);
  g_assert_cmpuint (c, ==, stale);
}

static void
test_oldest_comes_first (Fixture *self, gconstpointer data)
{
  LbCapture capture;

  post (self, 3, 0, 10);
  post (self, 1, 1, 20);
  g_assert_cmpint (take (self, 0, 0, &capture), ==, LB_FRAME_QUEUE_FRAME);
  g_assert_cmpuint (capture.slot, ==, 3);
  g_assert_cmpint (take (self, 0, 0, &capture), ==, LB_FRAME_QUEUE_FRAME);
  g_assert_cmpuint (capture.slot, ==, 1);
  g_assert_cmpint (take (self, 0, 0, &capture), ==, LB_FRAME_QUEUE_NONE);
  assert_counters (self, 2, 0, 0);
}

static void
test_older_ones_are_stale_and_given_back (Fixture *self, gconstpointer data)
{
  LbCapture capture;

  post (self, 0, 0, 10);
  post (self, 1, 1, 20);
  g_assert_cmpint (take (self, 20, 0, &capture), ==, LB_FRAME_QUEUE_FRAME);
  g_assert_cmpuint (capture.slot, ==, 1);
  assert_recycled (self, 0);
  assert_counters (self, 1, 0, 1);
}

static void
test_gaps_are_dropped (Fixture *self, gconstpointer data)
{
  LbCapture capture;

  /* The first number means nothing. */
  post (self, 0, 100, 10);
  post (self, 1, 104, 20);
  g_assert_cmpint (take (self, 20, 0, &capture), ==, LB_FRAME_QUEUE_FRAME);
  g_assert_cmpuint (capture.sequence, ==, 4);
  assert_counters (self, 1, 3, 1);
}

static void
test_damaged_ones_are_dropped (Fixture *self, gconstpointer data)
{
  const LbCapture damaged = { .slot = 5 };
  LbCapture capture;

  lb_frame_queue_post (self->queue, &damaged);
  g_assert_cmpint (take (self, -1, 0, &capture), ==, LB_FRAME_QUEUE_NONE);
  assert_recycled (self, 5);
  assert_counters (self, 0, 1, 0);
}

static void
test_nobody_waiting_keeps_the_camera_supplied (Fixture *self, gconstpointer data)
{
  LbCapture capture;

  for (guint i = 0; i < KEEP + 3; i++)
    post (self, i, i, i);
  for (guint i = 0; i < 3; i++)
    assert_recycled (self, i);
  g_assert_cmpint (take (self, 0, 0, &capture), ==, LB_FRAME_QUEUE_FRAME);
  g_assert_cmpuint (capture.slot, ==, 3);
  assert_counters (self, 1, 0, 3);
}

static void
test_hurry_gives_back_what_waits (Fixture *self, gconstpointer data)
{
  post (self, 0, 0, 0);
  post (self, 1, 1, 0);
  lb_frame_queue_hurry (self->queue);
  assert_recycled (self, 0);
  assert_recycled (self, 1);
}

static void
test_hurry_gives_back_the_next (Fixture *self, gconstpointer data)
{
  LbCapture capture;

  lb_frame_queue_hurry (self->queue);
  post (self, 0, 0, 0);
  assert_recycled (self, 0);
  /* And only that one. */
  post (self, 1, 1, 0);
  g_assert_cmpint (take (self, 0, LONG_US, &capture), ==, LB_FRAME_QUEUE_FRAME);
  g_assert_cmpuint (capture.slot, ==, 1);
}

static gpointer
lose_main (gpointer data)
{
  g_usleep (50 * 1000);
  lb_frame_queue_lose (((Fixture *) data)->queue);
  return NULL;
}

static void
test_loss_wakes_who_waits (Fixture *self, gconstpointer data)
{
  GThread *thread = g_thread_new ("lose", lose_main, self);
  LbCapture capture;

  g_assert_cmpint (take (self, 0, LONG_US, &capture), ==, LB_FRAME_QUEUE_LOST);
  g_assert_true (lb_frame_queue_is_lost (self->queue));
  g_thread_join (thread);
}

static gpointer
post_main (gpointer data)
{
  g_usleep (50 * 1000);
  post (data, 9, 0, 5);
  return NULL;
}

static void
test_arrival_wakes_who_waits (Fixture *self, gconstpointer data)
{
  GThread *thread = g_thread_new ("post", post_main, self);
  LbCapture capture;

  g_assert_cmpint (take (self, 5, LONG_US, &capture), ==, LB_FRAME_QUEUE_FRAME);
  g_assert_cmpuint (capture.slot, ==, 9);
  g_thread_join (thread);
}

static void
test_numbers_go_on_after_a_restart (Fixture *self, gconstpointer data)
{
  LbCapture capture;

  post (self, 0, 0, 0);
  post (self, 1, 1, 0);
  lb_frame_queue_end (self->queue);
  /* Late ones are forgotten. */
  post (self, 2, 2, 0);
  lb_frame_queue_begin (self->queue, recycle_cb, self);
  g_assert_cmpuint (lb_frame_queue_get_next_sequence (self->queue), ==, 2);
  post (self, 0, 0, 0);
  g_assert_cmpint (take (self, 0, 0, &capture), ==, LB_FRAME_QUEUE_FRAME);
  g_assert_cmpuint (capture.sequence, ==, 2);
  assert_counters (self, 1, 0, 0);
}

static void
test_period_is_per_number (Fixture *self, gconstpointer data)
{
  const LbCapture first = { .sequence = 0, .arrived_us = 1000, .whole = TRUE };
  const LbCapture second = { .sequence = 4, .arrived_us = 9000, .whole = TRUE };

  lb_frame_queue_post (self->queue, &first);
  g_assert_cmpfloat (lb_frame_queue_get_period_us (self->queue), ==, 0);
  lb_frame_queue_post (self->queue, &second);
  g_assert_cmpfloat (lb_frame_queue_get_period_us (self->queue), ==, 2000);
}

/* --- Calls apart ---------------------------------------------------------------------------- */

typedef struct
{
  GMutex lock;
  GCond cond;
  gboolean go;
  gboolean destroyed;
} Hang;

static gboolean
hang_cb (gpointer data, GError **error)
{
  Hang *hang = data;

  g_mutex_lock (&hang->lock);
  while (!hang->go)
    g_cond_wait (&hang->cond, &hang->lock);
  g_mutex_unlock (&hang->lock);
  g_set_error_literal (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_BUSY, "busy");
  return FALSE;
}

static void
destroyed_cb (gpointer data)
{
  Hang *hang = data;

  g_mutex_lock (&hang->lock);
  hang->destroyed = TRUE;
  g_cond_broadcast (&hang->cond);
  g_mutex_unlock (&hang->lock);
}

static void
test_hanging_call_is_left_behind (void)
{
  static Hang hang;
  g_autoptr (GError) error = NULL;
  gboolean abandoned;

  g_assert_false (lb_apart_run (hang_cb, &hang, destroyed_cb, NULL, NULL, g_get_monotonic_time () + 50000,
                                &abandoned, &error));
  g_assert_true (abandoned);
  g_assert_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_TIMEOUT);
  g_mutex_lock (&hang.lock);
  g_assert_false (hang.destroyed);
  hang.go = TRUE;
  g_cond_broadcast (&hang.cond);
  /* It ends, however late, and frees what it held. */
  while (!hang.destroyed)
    g_cond_wait (&hang.cond, &hang.lock);
  g_mutex_unlock (&hang.lock);
}

static void
test_error_of_a_call_is_passed_on (void)
{
  static Hang hang = { .go = TRUE };
  g_autoptr (GError) error = NULL;
  gboolean abandoned;

  g_assert_false (lb_apart_run (hang_cb, &hang, destroyed_cb, NULL, NULL, g_get_monotonic_time () + LONG_US,
                                &abandoned, &error));
  g_assert_false (abandoned);
  g_assert_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_BUSY);
}

#define ADD(name, func) g_test_add ("/camera/queue/" name, Fixture, NULL, set_up, func, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("oldest-comes-first", test_oldest_comes_first);
  ADD ("older-ones-are-stale-and-given-back", test_older_ones_are_stale_and_given_back);
  ADD ("gaps-are-dropped", test_gaps_are_dropped);
  ADD ("damaged-ones-are-dropped", test_damaged_ones_are_dropped);
  ADD ("nobody-waiting-keeps-the-camera-supplied", test_nobody_waiting_keeps_the_camera_supplied);
  ADD ("hurry-gives-back-what-waits", test_hurry_gives_back_what_waits);
  ADD ("hurry-gives-back-the-next", test_hurry_gives_back_the_next);
  ADD ("loss-wakes-who-waits", test_loss_wakes_who_waits);
  ADD ("arrival-wakes-who-waits", test_arrival_wakes_who_waits);
  ADD ("numbers-go-on-after-a-restart", test_numbers_go_on_after_a_restart);
  ADD ("period-is-per-number", test_period_is_per_number);
  g_test_add_func ("/camera/apart/hanging-call-is-left-behind", test_hanging_call_is_left_behind);
  g_test_add_func ("/camera/apart/error-of-a-call-is-passed-on", test_error_of_a_call_is_passed_on);
  return g_test_run ();
}
