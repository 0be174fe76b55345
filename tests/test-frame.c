/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <lb-frame-pool.h>

/* Frames, and the pool that their pixels come from. */

#define WIDTH 6
#define HEIGHT 4

static LbFrame *
make_frame (LbFramePool *pool, guint16 value)
{
  const LbFrame info = { .width = WIDTH, .height = HEIGHT, .bits = 12, .sequence = value };
  LbFrameBuffer *buffer = lb_frame_pool_take (pool);

  for (guint i = 0; i < WIDTH * HEIGHT; i++)
    lb_frame_buffer_pixels (buffer)[i] = value;
  return lb_frame_buffer_make_frame (buffer, &info);
}

static void
expect (const LbFrame *frame, guint16 value)
{
  g_assert_cmpuint (frame->width, ==, WIDTH);
  g_assert_cmpuint (frame->sequence, ==, value);
  for (guint i = 0; i < WIDTH * HEIGHT; i++)
    g_assert_cmpuint (frame->data[i], ==, value);
}

static void
test_pixels_are_used_again (void)
{
  LbFramePool *pool = lb_frame_pool_new (WIDTH * HEIGHT);
  LbFrame *first = make_frame (pool, 1), *second = make_frame (pool, 2);
  const guint16 *pixels = first->data;

  g_assert_true (second->data != pixels);
  lb_frame_ref (first);
  lb_frame_unref (first);
  expect (first, 1);
  lb_frame_unref (first);
  first = make_frame (pool, 3);
  g_assert_true (first->data == pixels);
  expect (first, 3);
  expect (second, 2);
  lb_frame_unref (first);
  lb_frame_unref (second);
  lb_frame_pool_free (pool);
}

static gpointer
drop_thread (gpointer frame)
{
  expect (frame, 7);
  lb_frame_unref (frame);
  return NULL;
}

/* A camera that was closed, or has another format now. */
static void
test_frames_outlive_their_pool (void)
{
  LbFramePool *pool = lb_frame_pool_new (WIDTH * HEIGHT);
  GThread *threads[20];

  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("drops", drop_thread, make_frame (pool, 7));
  lb_frame_pool_free (pool);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
  lb_frame_pool_free (NULL);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/frame/pixels-are-used-again", test_pixels_are_used_again);
  g_test_add_func ("/frame/frames-outlive-their-pool", test_frames_outlive_their_pool);
  return g_test_run ();
}
