/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib-object.h>

G_BEGIN_DECLS

/**
 * LbFrame: one camera frame; immutable, reference counted, may cross threads.
 * @x, @y: where it lies on the sensor, in sensor pixels
 * @width, @height: in pixels; rows follow each other without gaps
 * @bits: depth; the largest value is 2^bits - 1 and means saturated
 * @data: digital numbers, black level included
 * @exposure_us, @gain: in force for this frame
 * @start_us: bench time at which the exposure of the first row began
 * @end_us: bench time at which the exposure of the last row ended
 * @sequence: counts frames of the camera; a gap is a dropped frame
 */
typedef struct
{
  guint x, y, width, height;
  guint bits;
  const guint16 *data;
  double exposure_us;
  double gain;
  gint64 start_us;
  gint64 end_us;
  guint64 sequence;
  /*< private >*/
  gpointer owner;
  GDestroyNotify free_owner;
  gatomicrefcount references;
} LbFrame;

#define LB_TYPE_FRAME (lb_frame_get_type ())
GType lb_frame_get_type (void);
/* Copies what @info says; @info->data belongs to @owner from now on, which
 * @free_owner frees with the last reference. */
LbFrame *lb_frame_new (const LbFrame *info, gpointer owner, GDestroyNotify free_owner);
LbFrame *lb_frame_ref (LbFrame *self);
void lb_frame_unref (LbFrame *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (LbFrame, lb_frame_unref)

G_END_DECLS
