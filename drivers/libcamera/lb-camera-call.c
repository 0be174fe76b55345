/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-camera-call.h"

/* Whom to tell that the camera is gone. */
typedef struct
{
  GWeakRef device;
  LbFrameQueue *queue;
} Loss;

static void
loss_free (gpointer data)
{
  Loss *loss = data;

  g_weak_ref_clear (&loss->device);
  lb_frame_queue_unref (loss->queue);
  g_free (loss);
}

/* On libcamera's thread. */
static void
lost_cb (gpointer data)
{
  Loss *loss = data;
  g_autoptr (LbDevice) device = g_weak_ref_get (&loss->device);

  lb_frame_queue_lose (loss->queue);
  if (device != NULL)
    lb_device_set_state (device, LB_DEVICE_ABSENT);
}

static void
call_clear (gpointer data)
{
  LbCameraCall *call = data;

  g_clear_pointer (&call->options, g_variant_unref);
  g_clear_pointer (&call->loss, loss_free);
  g_clear_pointer (&call->entry, lb_camera_entry_free);
  g_clear_pointer (&call->link, lb_camera_link_unref);
  g_clear_pointer (&call->queue, lb_frame_queue_unref);
}

void
lb_camera_call_unref (gpointer data)
{
  g_atomic_rc_box_release_full (data, call_clear);
}

/**
 * lb_camera_call_new:
 * @options: what the texts of @choice belong to
 * @queue: receives the pictures
 * @mode: for lb_camera_call_start()
 * @link: (nullable): the open camera
 *
 * Returns: (transfer full): what one call apart needs
 */
LbCameraCall *
lb_camera_call_new (const LbCameraChoice *choice,
                    GVariant *options,
                    LbFrameQueue *queue,
                    const LbCameraMode *mode,
                    LbCameraLink *link)
{
  LbCameraCall *call = g_atomic_rc_box_new0 (LbCameraCall);

  call->choice = *choice;
  call->options = g_variant_ref (options);
  call->queue = lb_frame_queue_ref (queue);
  call->mode = *mode;
  if (link != NULL)
    call->link = lb_camera_link_ref (link);
  return call;
}

LbCameraCall *
lb_camera_call_ref (LbCameraCall *self)
{
  return g_atomic_rc_box_acquire (self);
}

/**
 * lb_camera_call_watch:
 * @device: becomes absent when the camera that lb_camera_call_open() opens is unplugged
 */
void
lb_camera_call_watch (LbCameraCall *self, LbDevice *device)
{
  Loss *loss = g_new0 (Loss, 1);

  g_weak_ref_init (&loss->device, device);
  loss->queue = lb_frame_queue_ref (self->queue);
  self->loss = loss;
}

gboolean
lb_camera_call_open (gpointer data, GError **error)
{
  LbCameraCall *call = data;
  g_autoptr (GPtrArray) entries = g_ptr_array_new_with_free_func ((GDestroyNotify) lb_camera_entry_free);
  const LbCameraEntry *found;

  if (!lb_camera_link_list (entries, error))
    return FALSE;
  for (guint i = 0; i < entries->len; i++)
    lb_camera_entry_look_up (g_ptr_array_index (entries, i), "/sys");
  found = lb_camera_choice_find (&call->choice, entries, error);
  if (found == NULL)
    return FALSE;
  call->entry = lb_camera_entry_copy (found);
  call->link = lb_camera_link_open (found->id, lost_cb, g_steal_pointer (&call->loss), loss_free, error);
  return call->link != NULL;
}

gboolean
lb_camera_call_start (gpointer data, GError **error)
{
  LbCameraCall *call = data;

  lb_frame_queue_begin (call->queue, lb_camera_link_recycle, call->link);
  if (lb_camera_link_start (call->link, &call->mode, call->buffers, &call->controls, &call->timing,
                            call->queue, &call->stride, &call->length, error))
    return TRUE;
  lb_frame_queue_end (call->queue);
  return FALSE;
}

gboolean
lb_camera_call_stop (gpointer data, GError **error)
{
  LbCameraCall *call = data;

  lb_frame_queue_end (call->queue);
  return lb_camera_link_stop (call->link, error);
}

/* The last reference to the link is that of the call, so it is released there. */
gboolean
lb_camera_call_close (gpointer data, GError **error)
{
  LbCameraCall *call = data;
  gboolean done = lb_camera_call_stop (call, error);

  g_clear_pointer (&call->link, lb_camera_link_unref);
  return done;
}
