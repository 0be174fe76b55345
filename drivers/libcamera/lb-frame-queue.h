/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* A picture that a camera has delivered into one of its buffers. */
typedef struct
{
  guint slot;         /* of the buffer */
  guint64 sequence;   /* as the camera counts; made to go on over restarts by the queue */
  gint64 start_us;    /* bench time at which the exposure of the first row began */
  gint64 end_us;      /* and that of the last row ended */
  gint64 arrived_us;  /* when the host learnt of it */
  double exposure_us; /* in force; 0: the camera does not say */
  double gain;        /* in force; 0: the camera does not say */
  gsize bytes;        /* in the first plane */
  gboolean whole;     /* FALSE: the camera says that the data are damaged */
} LbCapture;

/*
 * LbFrameQueue: what the camera's own thread puts down and the bench's worker
 * picks up. A thread of its own gives buffers back that nobody picks up, oldest
 * first, so that the camera never runs dry while nobody waits. Reference
 * counted; every call from any thread.
 */
typedef struct _LbFrameQueue LbFrameQueue;

/* Gives the buffer back to the camera; called without a lock. */
typedef void (*LbFrameQueueRecycle) (guint slot, gpointer data);

typedef enum
{
  LB_FRAME_QUEUE_FRAME, /* *@capture is the caller's, who recycles it */
  LB_FRAME_QUEUE_NONE,  /* not yet */
  LB_FRAME_QUEUE_LOST,  /* the camera is gone */
} LbFrameQueueResult;

/* @keep: how many pictures at most wait to be picked up. */
LbFrameQueue *lb_frame_queue_new (guint keep);
LbFrameQueue *lb_frame_queue_ref (LbFrameQueue *self);
void lb_frame_queue_unref (LbFrameQueue *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (LbFrameQueue, lb_frame_queue_unref)

/* A stream begins: what is left of the last one is forgotten. */
void lb_frame_queue_begin (LbFrameQueue *self, LbFrameQueueRecycle recycle, gpointer data);
/* A stream ends; @recycle is not running and not called any more when it returns. */
void lb_frame_queue_end (LbFrameQueue *self);
/* From the camera's thread; never waits for anything but the queue's lock. */
void lb_frame_queue_post (LbFrameQueue *self, const LbCapture *capture);
void lb_frame_queue_lose (LbFrameQueue *self);
gboolean lb_frame_queue_is_lost (LbFrameQueue *self);

/* The oldest whole picture whose exposure began at @exposed_after_us or later;
 * older ones are given back and count as stale. Waits until @until_us. */
LbFrameQueueResult
lb_frame_queue_take (LbFrameQueue *self, gint64 exposed_after_us, gint64 until_us, LbCapture *capture);
/* Gives back all that waits, or the next to come: a setting is to go out with it. */
void lb_frame_queue_hurry (LbFrameQueue *self);
/* The next picture will have this or a later sequence number. */
guint64 lb_frame_queue_get_next_sequence (LbFrameQueue *self);
/* When a picture last came, or the stream began; monotonic. */
gint64 lb_frame_queue_get_last_us (LbFrameQueue *self);
/* Between the last two pictures, per sequence number; 0: not known yet. */
double lb_frame_queue_get_period_us (LbFrameQueue *self);
/* Since the queue was made. */
void lb_frame_queue_get_counters (LbFrameQueue *self, guint64 *delivered, guint64 *dropped, guint64 *stale);

G_END_DECLS
