/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-frame-queue.h"

struct _LbFrameQueue
{
  gatomicrefcount references;
  GMutex lock;
  GCond arrived; /* a picture, or loss */
  GCond surplus; /* something to give back, or the end */
  guint keep;
  GQueue captures; /* of LbCapture, oldest first */
  GThread *recycler;
  LbFrameQueueRecycle recycle;
  gpointer recycle_data;
  gboolean ending, lost, hurried;
  gboolean any;           /* in this stream */
  guint64 first_sequence; /* of this stream as the camera counts, unknown before any */
  guint64 base;           /* sequence number of the first picture of this stream */
  guint64 next_sequence;
  gint64 last_us;
  double period_us;
  guint64 delivered, dropped, stale;
};

/**
 * lb_frame_queue_new:
 * @keep: how many pictures at most wait to be picked up, 1 or more
 *
 * Returns: (transfer full): an empty queue
 */
LbFrameQueue *
lb_frame_queue_new (guint keep)
{
  LbFrameQueue *self = g_new0 (LbFrameQueue, 1);

  g_return_val_if_fail (keep > 0, NULL);

  g_atomic_ref_count_init (&self->references);
  g_mutex_init (&self->lock);
  g_cond_init (&self->arrived);
  g_cond_init (&self->surplus);
  g_queue_init (&self->captures);
  self->keep = keep;
  return self;
}

LbFrameQueue *
lb_frame_queue_ref (LbFrameQueue *self)
{
  g_atomic_ref_count_inc (&self->references);
  return self;
}

void
lb_frame_queue_unref (LbFrameQueue *self)
{
  if (!g_atomic_ref_count_dec (&self->references))
    return;
  g_assert (self->recycler == NULL);
  g_queue_clear_full (&self->captures, g_free);
  g_cond_clear (&self->arrived);
  g_cond_clear (&self->surplus);
  g_mutex_clear (&self->lock);
  g_free (self);
}

/* Locked. */
static gboolean
has_surplus (LbFrameQueue *self)
{
  guint length = g_queue_get_length (&self->captures);

  return length > self->keep || (self->hurried && length > 0);
}

/* Gives pictures back that nobody picked up. */
static gpointer
recycler_main (gpointer data)
{
  LbFrameQueue *self = data;

  g_mutex_lock (&self->lock);
  while (!self->ending)
    {
      g_autofree LbCapture *capture = NULL;

      if (!has_surplus (self))
        {
          g_cond_wait (&self->surplus, &self->lock);
          continue;
        }
      capture = g_queue_pop_head (&self->captures);
      self->hurried = self->hurried && !g_queue_is_empty (&self->captures);
      self->stale++;
      g_mutex_unlock (&self->lock);
      self->recycle (capture->slot, self->recycle_data);
      g_mutex_lock (&self->lock);
    }
  g_mutex_unlock (&self->lock);
  return NULL;
}

/**
 * lb_frame_queue_begin:
 * @recycle: gives a buffer back to the camera
 *
 * A stream begins. The one before must have ended.
 */
void
lb_frame_queue_begin (LbFrameQueue *self, LbFrameQueueRecycle recycle, gpointer data)
{
  g_assert (self->recycler == NULL);

  g_mutex_lock (&self->lock);
  g_queue_clear_full (&self->captures, g_free);
  self->recycle = recycle;
  self->recycle_data = data;
  self->ending = self->lost = self->hurried = self->any = FALSE;
  self->base = self->next_sequence;
  self->last_us = g_get_monotonic_time ();
  self->period_us = 0;
  g_mutex_unlock (&self->lock);
  self->recycler = g_thread_new ("frame-queue", recycler_main, self);
}

/**
 * lb_frame_queue_end:
 *
 * The stream ends: nothing is given back any more, and what waits is forgotten.
 */
void
lb_frame_queue_end (LbFrameQueue *self)
{
  g_mutex_lock (&self->lock);
  self->ending = TRUE;
  g_cond_broadcast (&self->surplus);
  g_mutex_unlock (&self->lock);
  g_clear_pointer (&self->recycler, g_thread_join);
  g_mutex_lock (&self->lock);
  g_queue_clear_full (&self->captures, g_free);
  g_mutex_unlock (&self->lock);
}

/* Locked. Numbers the picture, counts those that are missing before it. */
static void
number (LbFrameQueue *self, LbCapture *capture)
{
  guint64 sequence;

  if (!self->any)
    self->first_sequence = capture->sequence;
  sequence = self->base + (capture->sequence - self->first_sequence);
  if (self->any && sequence > self->next_sequence)
    self->dropped += sequence - self->next_sequence;
  if (self->any && sequence >= self->next_sequence)
    self->period_us =
        (double) (capture->arrived_us - self->last_us) / (double) (sequence - self->next_sequence + 1);
  self->any = TRUE;
  self->next_sequence = sequence + 1;
  self->last_us = capture->arrived_us;
  capture->sequence = sequence;
}

/**
 * lb_frame_queue_post:
 *
 * The camera has delivered a picture. After the end of the stream it is forgotten.
 */
void
lb_frame_queue_post (LbFrameQueue *self, const LbCapture *capture)
{
  LbCapture *copy = g_memdup2 (capture, sizeof *capture);

  g_mutex_lock (&self->lock);
  if (self->ending)
    g_free (copy);
  else
    {
      number (self, copy);
      g_queue_push_tail (&self->captures, copy);
      g_cond_broadcast (&self->arrived);
      if (has_surplus (self))
        g_cond_broadcast (&self->surplus);
    }
  g_mutex_unlock (&self->lock);
}

/**
 * lb_frame_queue_lose:
 *
 * The camera is gone; whoever waits learns of it at once.
 */
void
lb_frame_queue_lose (LbFrameQueue *self)
{
  g_mutex_lock (&self->lock);
  self->lost = TRUE;
  g_cond_broadcast (&self->arrived);
  g_mutex_unlock (&self->lock);
}

gboolean
lb_frame_queue_is_lost (LbFrameQueue *self)
{
  gboolean lost;

  g_mutex_lock (&self->lock);
  lost = self->lost;
  g_mutex_unlock (&self->lock);
  return lost;
}

/* Locked, but not while a buffer is given back. Takes the head off; TRUE: it
 * is what was asked for. */
static gboolean
take_head (LbFrameQueue *self, gint64 exposed_after_us, LbCapture *capture)
{
  g_autofree LbCapture *head = g_queue_pop_head (&self->captures);

  if (head->whole && head->start_us >= exposed_after_us)
    {
      self->delivered++;
      *capture = *head;
      return TRUE;
    }
  if (head->whole)
    self->stale++;
  else
    self->dropped++;
  g_mutex_unlock (&self->lock);
  self->recycle (head->slot, self->recycle_data);
  g_mutex_lock (&self->lock);
  return FALSE;
}

/**
 * lb_frame_queue_take:
 * @exposed_after_us: bench time
 * @until_us: monotonic time until which it waits
 * @capture: (out): the picture, with LB_FRAME_QUEUE_FRAME
 *
 * Picks up the oldest picture whose exposure began at @exposed_after_us or
 * later. Older ones are given back and counted as stale, damaged ones as dropped.
 *
 * Returns: whether there is one
 */
LbFrameQueueResult
lb_frame_queue_take (LbFrameQueue *self, gint64 exposed_after_us, gint64 until_us, LbCapture *capture)
{
  LbFrameQueueResult result = LB_FRAME_QUEUE_NONE;

  g_mutex_lock (&self->lock);
  do
    {
      while (!g_queue_is_empty (&self->captures) && result == LB_FRAME_QUEUE_NONE)
        if (take_head (self, exposed_after_us, capture))
          result = LB_FRAME_QUEUE_FRAME;
      if (result == LB_FRAME_QUEUE_NONE && self->lost)
        result = LB_FRAME_QUEUE_LOST;
    }
  while (result == LB_FRAME_QUEUE_NONE && g_cond_wait_until (&self->arrived, &self->lock, until_us));
  g_mutex_unlock (&self->lock);
  return result;
}

/**
 * lb_frame_queue_hurry:
 *
 * Gives back all pictures that wait (they count as stale), or the next to come
 * if there are none, so that a changed setting goes out at once.
 */
void
lb_frame_queue_hurry (LbFrameQueue *self)
{
  g_mutex_lock (&self->lock);
  self->hurried = TRUE;
  g_cond_broadcast (&self->surplus);
  g_mutex_unlock (&self->lock);
}

guint64
lb_frame_queue_get_next_sequence (LbFrameQueue *self)
{
  guint64 sequence;

  g_mutex_lock (&self->lock);
  sequence = self->next_sequence;
  g_mutex_unlock (&self->lock);
  return sequence;
}

gint64
lb_frame_queue_get_last_us (LbFrameQueue *self)
{
  gint64 last_us;

  g_mutex_lock (&self->lock);
  last_us = self->last_us;
  g_mutex_unlock (&self->lock);
  return last_us;
}

double
lb_frame_queue_get_period_us (LbFrameQueue *self)
{
  double period_us;

  g_mutex_lock (&self->lock);
  period_us = self->period_us;
  g_mutex_unlock (&self->lock);
  return period_us;
}

/**
 * lb_frame_queue_get_counters:
 * @delivered: (out): pictures that were picked up
 * @dropped: (out): gaps in the camera's count, and damaged pictures
 * @stale: (out): pictures that were given back without having been picked up
 */
void
lb_frame_queue_get_counters (LbFrameQueue *self, guint64 *delivered, guint64 *dropped, guint64 *stale)
{
  g_mutex_lock (&self->lock);
  *delivered = self->delivered;
  *dropped = self->dropped;
  *stale = self->stale;
  g_mutex_unlock (&self->lock);
}
