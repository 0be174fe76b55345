/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-camera.h"

#include "lb-device-private.h"

G_DEFINE_ABSTRACT_TYPE (LbCamera, lb_camera, LB_TYPE_DEVICE)

static void
lb_camera_class_init (LbCameraClass *klass)
{
}

static void
lb_camera_init (LbCamera *self)
{
}

/**
 * lb_camera_get_caps:
 *
 * What the open camera can do.
 *
 * Returns: %FALSE with an LbDeviceError
 */
gboolean
lb_camera_get_caps (
    LbCamera *self, LbCameraCaps *caps, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  gboolean done;

  g_return_val_if_fail (LB_IS_CAMERA (self), FALSE);
  if (!lb_device_begin_call (LB_DEVICE (self), "get caps", cancellable, deadline_us, error))
    return FALSE;
  done = LB_CAMERA_GET_CLASS (self)->get_caps (self, caps, cancellable, deadline_us, error);
  lb_device_end_call (LB_DEVICE (self));
  return done;
}

/**
 * lb_camera_configure:
 * @want: region (sensor pixels) and depth; width 0: the whole sensor, bits 0: the deepest
 * @actual: (out) (optional): what is in force
 *
 * Sets region of interest and depth of a camera that does not run.
 *
 * Returns: %FALSE with FORMAT if there is nothing near @want
 */
gboolean
lb_camera_configure (LbCamera *self,
                     const LbCameraFormat *want,
                     LbCameraFormat *actual,
                     GCancellable *cancellable,
                     gint64 deadline_us,
                     GError **error)
{
  gboolean done;

  g_return_val_if_fail (LB_IS_CAMERA (self), FALSE);
  if (!lb_device_begin_call (LB_DEVICE (self), "configure", cancellable, deadline_us, error))
    return FALSE;
  done = LB_CAMERA_GET_CLASS (self)->configure (self, want, actual, cancellable, deadline_us, error);
  lb_device_end_call (LB_DEVICE (self));
  return done;
}

/**
 * lb_camera_set_exposure:
 * @exposure_us: microseconds
 * @gain: factor
 * @valid_from_sequence: (out) (optional): frames from this one on have it
 *
 * Returns: %FALSE with RANGE outside the caps
 */
gboolean
lb_camera_set_exposure (LbCamera *self,
                        double exposure_us,
                        double gain,
                        double *actual_exposure_us,
                        double *actual_gain,
                        guint64 *valid_from_sequence,
                        GCancellable *cancellable,
                        gint64 deadline_us,
                        GError **error)
{
  gboolean done;

  g_return_val_if_fail (LB_IS_CAMERA (self), FALSE);
  if (!lb_device_begin_call (LB_DEVICE (self), "set exposure", cancellable, deadline_us, error))
    return FALSE;
  done = LB_CAMERA_GET_CLASS (self)->set_exposure (self, exposure_us, gain, actual_exposure_us, actual_gain,
                                                   valid_from_sequence, cancellable, deadline_us, error);
  lb_device_end_call (LB_DEVICE (self));
  return done;
}

/**
 * lb_camera_start:
 * @buffers: frames that the camera may hold ready
 *
 * Starts the stream of frames.
 *
 * Returns: %FALSE with an LbDeviceError
 */
gboolean
lb_camera_start (LbCamera *self, guint buffers, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  gboolean done;

  g_return_val_if_fail (LB_IS_CAMERA (self), FALSE);
  if (!lb_device_begin_call (LB_DEVICE (self), "start", cancellable, deadline_us, error))
    return FALSE;
  done = LB_CAMERA_GET_CLASS (self)->start (self, buffers, cancellable, deadline_us, error);
  lb_device_end_call (LB_DEVICE (self));
  return done;
}

/**
 * lb_camera_stop:
 *
 * Ends the stream of frames; never refused, so that it works on every way out.
 *
 * Returns: %FALSE with an LbDeviceError
 */
gboolean
lb_camera_stop (LbCamera *self, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  gboolean done;

  g_return_val_if_fail (LB_IS_CAMERA (self), FALSE);
  lb_device_begin_closing (LB_DEVICE (self), deadline_us);
  done = LB_CAMERA_GET_CLASS (self)->stop (self, cancellable, deadline_us, error);
  lb_device_end_call (LB_DEVICE (self));
  return done;
}

/**
 * lb_camera_wait_frame:
 * @exposed_after_us: bench time
 *
 * Returns: (transfer full): the first frame whose exposure began at @exposed_after_us or later; %NULL with
 *   STALLED if none comes
 */
LbFrame *
lb_camera_wait_frame (
    LbCamera *self, gint64 exposed_after_us, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  LbFrame *result;

  g_return_val_if_fail (LB_IS_CAMERA (self), NULL);
  if (!lb_device_begin_call (LB_DEVICE (self), "wait frame", cancellable, deadline_us, error))
    return NULL;
  result = LB_CAMERA_GET_CLASS (self)->wait_frame (self, exposed_after_us, cancellable, deadline_us, error);
  lb_device_end_call (LB_DEVICE (self));
  return result;
}

/**
 * lb_camera_get_counters:
 *
 * Frames since the camera was opened: handed on, lost on their way, older than asked for.
 *
 * Returns: %FALSE with an LbDeviceError
 */
gboolean
lb_camera_get_counters (LbCamera *self,
                        guint64 *delivered,
                        guint64 *dropped,
                        guint64 *stale,
                        GCancellable *cancellable,
                        gint64 deadline_us,
                        GError **error)
{
  gboolean done;

  g_return_val_if_fail (LB_IS_CAMERA (self), FALSE);
  if (!lb_device_begin_call (LB_DEVICE (self), "get counters", cancellable, deadline_us, error))
    return FALSE;
  done = LB_CAMERA_GET_CLASS (self)->get_counters (self, delivered, dropped, stale, cancellable, deadline_us,
                                                   error);
  lb_device_end_call (LB_DEVICE (self));
  return done;
}
