/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "lb-frame.h"

G_BEGIN_DECLS

/*
 * Pixels for the frames of a camera: those of a frame that is gone are used again, so
 * that megabytes are not asked of the system for each. One thread takes; frames come
 * back from any.
 */
typedef struct _LbFramePool LbFramePool;
typedef struct _LbFrameBuffer LbFrameBuffer;

LbFramePool *lb_frame_pool_new (gsize pixels);
void lb_frame_pool_free (LbFramePool *self);
LbFrameBuffer *lb_frame_pool_take (LbFramePool *self);
guint16 *lb_frame_buffer_pixels (LbFrameBuffer *self);
LbFrame *lb_frame_buffer_make_frame (LbFrameBuffer *self, const LbFrame *info);

G_END_DECLS
