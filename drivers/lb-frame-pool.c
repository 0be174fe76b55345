/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-frame-pool.h"

/* Of buffers that wait; a run holds a handful of frames at a time. */
#define KEPT_MAX 8

struct _LbFramePool
{
  gsize pixels;
  GAsyncQueue *free; /* shared with the buffers: frames may outlive the pool */
};

struct _LbFrameBuffer
{
  GAsyncQueue *home; /* a reference while it is out */
  guint16 data[];
};

/**
 * lb_frame_pool_new:
 * @pixels: of each frame
 *
 * Returns: (transfer full): a pool, empty
 */
LbFramePool *
lb_frame_pool_new (gsize pixels)
{
  LbFramePool *self = g_new (LbFramePool, 1);

  *self = (LbFramePool){ pixels, g_async_queue_new_full (g_free) };
  return self;
}

/**
 * lb_frame_pool_free:
 * @self: (nullable): a pool
 *
 * Frees the pool. Frames of it that are left keep their pixels.
 */
void
lb_frame_pool_free (LbFramePool *self)
{
  if (self == NULL)
    return;
  g_async_queue_unref (self->free);
  g_free (self);
}

/**
 * lb_frame_pool_take:
 *
 * Returns: (transfer full): a buffer with pixels of no particular value
 */
LbFrameBuffer *
lb_frame_pool_take (LbFramePool *self)
{
  LbFrameBuffer *buffer = g_async_queue_try_pop (self->free);

  if (buffer == NULL)
    buffer = g_malloc (sizeof *buffer + sizeof (guint16) * self->pixels);
  buffer->home = g_async_queue_ref (self->free);
  return buffer;
}

/**
 * lb_frame_buffer_pixels:
 *
 * Returns: (transfer none): to be written until a frame is made of them
 */
guint16 *
lb_frame_buffer_pixels (LbFrameBuffer *self)
{
  return self->data;
}

static void
release (gpointer data)
{
  LbFrameBuffer *self = data;
  g_autoptr (GAsyncQueue) home = g_steal_pointer (&self->home);

  if (g_async_queue_length (home) < KEPT_MAX)
    g_async_queue_push (home, self);
  else
    g_free (self);
}

/**
 * lb_frame_buffer_make_frame:
 * @self: (transfer full): a buffer, its pixels written
 * @info: all of the frame but its pixels
 *
 * Returns: (transfer full): a frame of these pixels
 */
LbFrame *
lb_frame_buffer_make_frame (LbFrameBuffer *self, const LbFrame *info)
{
  LbFrame frame = *info;

  frame.data = self->data;
  return lb_frame_new (&frame, self, release);
}
