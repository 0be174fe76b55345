/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "lb-camera-link.h"

G_BEGIN_DECLS

/*
 * What a call of a camera that runs apart (lb-apart.h) needs and yields. It may
 * outlive the device. Reference counted.
 */
typedef struct
{
  LbCameraChoice choice;
  GVariant *options;
  LbFrameQueue *queue;
  gpointer loss; /* whom to tell, until the link has it */
  LbCameraEntry *entry;
  LbCameraLink *link;
  LbCameraMode mode;
  guint buffers;
  LbCameraControls controls;
  LbCameraTiming timing;
  gsize stride, length;
} LbCameraCall;

LbCameraCall *lb_camera_call_new (const LbCameraChoice *choice,
                                  GVariant *options,
                                  LbFrameQueue *queue,
                                  const LbCameraMode *mode,
                                  LbCameraLink *link);
LbCameraCall *lb_camera_call_ref (LbCameraCall *self);
void lb_camera_call_unref (gpointer self);
/* Has @device told when the camera that is opened is unplugged. */
void lb_camera_call_watch (LbCameraCall *self, LbDevice *device);

/* LbApartFunc, of an LbCameraCall. Finds and opens the chosen camera. */
gboolean lb_camera_call_open (gpointer self, GError **error);
gboolean lb_camera_call_start (gpointer self, GError **error);
gboolean lb_camera_call_stop (gpointer self, GError **error);
/* Stops; the last reference to the link is that of the call, so it is released here. */
gboolean lb_camera_call_close (gpointer self, GError **error);

G_END_DECLS
