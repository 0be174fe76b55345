/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "lb-camera-choice.h"
#include "lb-frame-queue.h"

G_BEGIN_DECLS

/*
 * LbCameraLink: one acquired camera of libcamera, which has no C interface. Any
 * of these calls may block inside libcamera for as long as it pleases, so the
 * driver makes them on threads that it can leave behind (lb-apart.h); none may
 * run beside another of the same link, but for lb_camera_link_recycle() and
 * lb_camera_link_set_controls(). Reference counted: the last reference stops and
 * releases the camera, which may block as well.
 */
typedef struct _LbCameraLink LbCameraLink;

typedef struct
{
  gboolean has_exposure, has_gain, has_period;
  double exposure_min_us, exposure_max_us;
  double gain_min, gain_max;
  double period_min_us, period_max_us;
  gboolean sensor_stamps; /* time stamps are the sensor's start of exposure */
} LbCameraLinkInfo;

/* Manual settings. 0: leave as it is. */
typedef struct
{
  double exposure_us, gain, period_us;
} LbCameraControls;

/* Appends an LbCameraEntry for each camera; acquires none. */
gboolean lb_camera_link_list (GPtrArray *entries, GError **error);
/* @lost: called from a thread of libcamera when the camera is unplugged. */
LbCameraLink *lb_camera_link_open (
    const char *id, void (*lost) (gpointer data), gpointer data, GDestroyNotify destroy, GError **error);
LbCameraLink *lb_camera_link_ref (LbCameraLink *self);
void lb_camera_link_unref (LbCameraLink *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (LbCameraLink, lb_camera_link_unref)

const LbCameraLinkInfo *lb_camera_link_get_info (LbCameraLink *self);
/* Element type LbCameraMode; belongs to the link. */
GArray *lb_camera_link_get_modes (LbCameraLink *self);
/* TRUE once it was unplugged. From any thread. */
gboolean lb_camera_link_is_lost (LbCameraLink *self);

/* How the time stamp of a picture gives the times of its exposure. */
typedef struct
{
  double latency_us; /* end of exposure to time stamp, negative: one period; not for sensor_stamps */
  double readout_us; /* first to last row */
} LbCameraTiming;

/* Streams @mode into @queue with about @n_buffers. *@stride: bytes from row to
 * row; *@length: bytes of the first plane. */
gboolean lb_camera_link_start (LbCameraLink *self,
                               const LbCameraMode *mode,
                               guint n_buffers,
                               const LbCameraControls *controls,
                               const LbCameraTiming *timing,
                               LbFrameQueue *queue,
                               gsize *stride,
                               gsize *length,
                               GError **error);
/* What has not been delivered by then never is. */
gboolean lb_camera_link_stop (LbCameraLink *self, GError **error);
/* For the next buffer that goes to the camera. From any thread. */
void lb_camera_link_set_controls (LbCameraLink *self, const LbCameraControls *controls);
/* Gives a buffer back to the camera. From any thread; nothing after a stop. */
void lb_camera_link_recycle (guint slot, gpointer self);
/* The pixels of a buffer that was delivered, until it is recycled; end_read()
 * follows. */
const guint8 *lb_camera_link_begin_read (LbCameraLink *self, guint slot);
void lb_camera_link_end_read (LbCameraLink *self, guint slot);

G_END_DECLS
