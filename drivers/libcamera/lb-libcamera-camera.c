/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <math.h>

#include <glib/gi18n-lib.h>
#include <lb-frame-pool.h>

#include "lb-apart.h"
#include "lb-camera-call.h"
#include "lb-libcamera-private.h"
#include "lb-libcamera.h"

/* A camera of libcamera. Its calls that may hang run apart (lb-apart.h). */

#define CLOSE_US (2 * G_USEC_PER_SEC)
#define SLICE_US (100 * 1000)
#define BUFFERS_MIN 4
/* Pictures that wait to be picked up; the other buffers are the camera's. */
#define KEEP 2
/* Without a picture it has failed; to the first picture a camera may take longer. */
#define PATIENCE_US G_USEC_PER_SEC
#define FIRST_PATIENCE_US (3 * G_USEC_PER_SEC)
/* Of a camera that does not say, before it has streamed. */
#define PERIOD_US (G_USEC_PER_SEC / 30.0)
/* From the loss of a camera to where libcamera says so. */
#define GONE_US (G_USEC_PER_SEC / 2)
#define GONE_POLL_US (10 * 1000)
/* So that groups of packed pixels are whole. */
#define REGION_STEP 4

#define LB_TYPE_LIBCAMERA_CAMERA (lb_libcamera_camera_get_type ())
G_DECLARE_FINAL_TYPE (LbLibcameraCamera, lb_libcamera_camera, LB, LIBCAMERA_CAMERA, LbCamera)

struct _LbLibcameraCamera
{
  LbCamera parent_instance;
  GVariant *options; /* the texts of `choice` are in it */
  LbCameraChoice choice;

  LbCameraLink *link; /* NULL: not open */
  LbFrameQueue *queue;
  LbCameraEntry *entry;
  LbCameraMode mode;
  const LbPixelFormat *format;
  guint width, height; /* of the sensor's picture as it comes out */
  LbCameraFormat region;
  LbFramePool *pool; /* of the present region */

  gboolean running;
  gint64 started_us; /* monotonic */
  guint buffers;
  gsize stride;
  double exposure_us, gain;         /* wanted, from frame valid_from on */
  double old_exposure_us, old_gain; /* before it */
  guint64 valid_from;
  guint64 damaged; /* too short */
};

G_DEFINE_FINAL_TYPE (LbLibcameraCamera, lb_libcamera_camera, LB_TYPE_CAMERA)

/* --- Calls that run apart -------------------------------------------------------------------- */

static LbCameraCall *
new_call (LbLibcameraCamera *self)
{
  return lb_camera_call_new (&self->choice, self->options, self->queue, &self->mode, self->link);
}

/* Runs @func on @call, of which it takes one of two references. */
static gboolean
run_apart (LbLibcameraCamera *self,
           const char *what,
           LbApartFunc func,
           LbCameraCall *call,
           GCancellable *cancellable,
           gint64 deadline_us,
           GError **error)
{
  gboolean abandoned;
  gboolean done = lb_apart_run (func, lb_camera_call_ref (call), lb_camera_call_unref, LB_DEVICE (self),
                                cancellable, deadline_us >= 0 ? deadline_us : G_MAXINT64, &abandoned, error);

  if (abandoned)
    {
      /* The link is in use there and cannot be used again. */
      g_clear_pointer (&self->link, lb_camera_link_unref);
      self->running = FALSE;
      lb_device_set_state (LB_DEVICE (self), LB_DEVICE_FAULTED);
    }
  if (!done)
    g_prefix_error (error, "%s: ", what);
  return done;
}

/* --- Open and close ---------------------------------------------------------------------------- */

/* Lets go of the camera, apart, and waits until @until_us for that. */
static gboolean
let_go (LbLibcameraCamera *self, gint64 until_us, GError **error)
{
  gboolean abandoned;
  LbCameraCall *call;

  self->running = FALSE;
  if (self->link == NULL)
    return TRUE;
  call = new_call (self);
  g_clear_pointer (&self->link, lb_camera_link_unref);
  return lb_apart_run (lb_camera_call_close, call, lb_camera_call_unref, NULL, NULL, until_us, &abandoned,
                       error);
}

static gint64
closing_until (gint64 deadline_us)
{
  gint64 until_us = g_get_monotonic_time () + CLOSE_US;

  return deadline_us >= 0 ? MIN (deadline_us, until_us) : until_us;
}

/* What every call begins with. */
static gboolean
check (LbLibcameraCamera *self, const char *what, GError **error)
{
  if (self->link != NULL && lb_camera_link_is_lost (self->link))
    {
      let_go (self, 0, NULL);
      lb_device_set_state (LB_DEVICE (self), LB_DEVICE_ABSENT);
      g_set_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_ABSENT,
                   _ ("%s: the camera was unplugged; plug it in and connect again"), what);
      return FALSE;
    }
  if (self->link != NULL)
    return TRUE;
  if (lb_device_get_state (LB_DEVICE (self)) == LB_DEVICE_FAULTED)
    g_set_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_FAULTED,
                 _ ("%s: the camera hangs; unplug it, plug it in and connect again"), what);
  else
    g_set_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_ABSENT,
                 _ ("%s: the camera is not open; connect the bench"), what);
  return FALSE;
}

/* A camera that was just unplugged fails before libcamera says that it is gone. TRUE:
 * it is, and @error says that. */
static gboolean
is_gone (LbLibcameraCamera *self, const char *what, GError **error)
{
  gint64 until_us = g_get_monotonic_time () + GONE_US;

  while (self->link != NULL && !lb_camera_link_is_lost (self->link) && g_get_monotonic_time () < until_us)
    g_usleep (GONE_POLL_US);
  if (self->link == NULL || !lb_camera_link_is_lost (self->link))
    return FALSE;
  g_clear_error (error);
  check (self, what, error);
  return TRUE;
}

/* What is told at the same time as its loss does not hide that. */
static void
set_state (LbLibcameraCamera *self, LbDeviceState state)
{
  lb_device_set_state (LB_DEVICE (self), state);
  if (self->link != NULL && lb_camera_link_is_lost (self->link))
    lb_device_set_state (LB_DEVICE (self), LB_DEVICE_ABSENT);
}

static void
set_region (LbLibcameraCamera *self, const LbCameraFormat *region)
{
  self->region = *region;
  g_clear_pointer (&self->pool, lb_frame_pool_free);
  self->pool = lb_frame_pool_new ((gsize) region->width * region->height);
}

/* What the open camera will be used as. */
static gboolean
settle (LbLibcameraCamera *self, GError **error)
{
  const LbCameraLinkInfo *info = lb_camera_link_get_info (self->link);
  GArray *modes = lb_camera_link_get_modes (self->link);
  const LbCameraMode *mode =
      lb_camera_choice_get_mode (&self->choice, (const LbCameraMode *) modes->data, modes->len, error);
  guint divisor;

  if (mode == NULL)
    return FALSE;
  if (!info->has_exposure)
    {
      g_set_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_UNSUPPORTED,
                   _ ("the exposure time of the %s cannot be set, so it cannot measure"), self->entry->model);
      return FALSE;
    }
  self->mode = *mode;
  self->format = lb_pixel_format_find (mode->format);
  divisor = lb_pixel_format_get_divisor (self->format);
  self->width = mode->width / divisor / REGION_STEP * REGION_STEP;
  self->height = mode->height / divisor / REGION_STEP * REGION_STEP;
  set_region (self, &(LbCameraFormat){ 0, 0, self->width, self->height, self->format->bits });
  self->exposure_us = self->old_exposure_us = CLAMP (1000, info->exposure_min_us, info->exposure_max_us);
  self->gain = self->old_gain = info->has_gain ? CLAMP (1, info->gain_min, info->gain_max) : 1;
  self->valid_from = 0;
  self->damaged = 0;
  return TRUE;
}

static gboolean
camera_open (LbDevice *device, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  LbLibcameraCamera *self = LB_LIBCAMERA_CAMERA (device);
  gboolean done;
  LbCameraCall *call;

  let_go (self, closing_until (deadline_us), NULL);
  lb_device_set_state (device, LB_DEVICE_ABSENT);
  g_clear_pointer (&self->queue, lb_frame_queue_unref);
  self->queue = lb_frame_queue_new (KEEP);
  call = new_call (self);
  lb_camera_call_watch (call, device);
  done = run_apart (self, "open", lb_camera_call_open, call, cancellable, deadline_us, error);
  if (done)
    {
      self->link = g_steal_pointer (&call->link);
      g_clear_pointer (&self->entry, lb_camera_entry_free);
      self->entry = g_steal_pointer (&call->entry);
    }
  lb_camera_call_unref (call);
  if (!done)
    return FALSE;
  if (!settle (self, error))
    {
      let_go (self, closing_until (deadline_us), NULL);
      g_prefix_error (error, "open: ");
      return FALSE;
    }
  set_state (self, LB_DEVICE_CONNECTED);
  return TRUE;
}

static gboolean
camera_close (LbDevice *device, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  gboolean done = let_go (LB_LIBCAMERA_CAMERA (device), closing_until (deadline_us), error);

  lb_device_set_state (device, LB_DEVICE_ABSENT);
  if (!done)
    g_prefix_error (error, "close: ");
  return done;
}

static LbIdentity *
camera_get_identity (LbDevice *device, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  LbLibcameraCamera *self = LB_LIBCAMERA_CAMERA (device);

  if (!check (self, "identity", error))
    return NULL;
  /* A camera without a serial number is known by where it is plugged in. */
  return lb_identity_new (LB_LIBCAMERA_DRIVER, self->entry->maker, self->entry->model,
                          self->entry->serial[0] != '\0' ? self->entry->serial : self->entry->id, NULL);
}

/* --- Settings ------------------------------------------------------------------------------------- */

static double
get_period_us (LbLibcameraCamera *self)
{
  const LbCameraLinkInfo *info = lb_camera_link_get_info (self->link);
  double measured_us = lb_frame_queue_get_period_us (self->queue);
  double period_us = info->has_period ? info->period_min_us : measured_us > 0 ? measured_us : PERIOD_US;

  return self->choice.rate_hz > 0 ? MAX (period_us, G_USEC_PER_SEC / self->choice.rate_hz) : period_us;
}

static gboolean
camera_get_caps (
    LbCamera *camera, LbCameraCaps *caps, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  LbLibcameraCamera *self = LB_LIBCAMERA_CAMERA (camera);
  const LbCameraLinkInfo *info;

  if (!check (self, "get caps", error))
    return FALSE;
  info = lb_camera_link_get_info (self->link);
  *caps = (LbCameraCaps){
    .width = self->width,
    .height = self->height,
    .bits = self->format->bits,
    .exposure_min_us = info->exposure_min_us,
    .exposure_max_us = info->exposure_max_us,
    .gain_min = info->has_gain ? info->gain_min : 1,
    .gain_max = info->has_gain ? info->gain_max : 1,
    .frame_period_us = get_period_us (self),
    .readout_us = self->choice.readout_us,
    .has_region = TRUE,
    .region_step = REGION_STEP,
    .time_stamp = info->sensor_stamps ? LB_TIME_STAMP_DEVICE : LB_TIME_STAMP_HOST_ARRIVAL,
  };
  return TRUE;
}

/* The region of whole steps around the one that is wanted. It is cut out of the
 * whole picture here: the sensor's rate stays the same. */
static gboolean
fit_region (LbLibcameraCamera *self, const LbCameraFormat *want, LbCameraFormat *region)
{
  *region = (LbCameraFormat){ 0, 0, self->width, self->height, self->format->bits };
  if (want->bits != 0 && want->bits != self->format->bits)
    return FALSE;
  if (want->width == 0)
    return TRUE;
  if (want->width > self->width || want->x > self->width - want->width || want->height == 0 ||
      want->height > self->height || want->y > self->height - want->height)
    return FALSE;
  region->x = want->x / REGION_STEP * REGION_STEP;
  region->y = want->y / REGION_STEP * REGION_STEP;
  region->width = (want->x + want->width + REGION_STEP - 1) / REGION_STEP * REGION_STEP - region->x;
  region->height = (want->y + want->height + REGION_STEP - 1) / REGION_STEP * REGION_STEP - region->y;
  return TRUE;
}

static gboolean
camera_configure (LbCamera *camera,
                  const LbCameraFormat *want,
                  LbCameraFormat *actual,
                  GCancellable *cancellable,
                  gint64 deadline_us,
                  GError **error)
{
  LbLibcameraCamera *self = LB_LIBCAMERA_CAMERA (camera);
  LbCameraFormat region;

  if (!check (self, "configure", error))
    return FALSE;
  if (self->running)
    {
      g_set_error_literal (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_BUSY,
                           _ ("configure: the camera is running; stop it first"));
      return FALSE;
    }
  if (!fit_region (self, want, &region))
    {
      g_set_error (
          error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_FORMAT,
          _ ("configure: the camera has no region of %u x %u at (%u, %u) with %u bits; it has %u x %u "
             "pixels and %u bits"),
          want->width, want->height, want->x, want->y, want->bits, self->width, self->height,
          self->format->bits);
      return FALSE;
    }
  set_region (self, &region);
  if (actual != NULL)
    *actual = region;
  return TRUE;
}

static LbCameraControls
get_controls (LbLibcameraCamera *self)
{
  LbCameraControls controls = { self->exposure_us, self->gain,
                                MAX (get_period_us (self), self->exposure_us) };

  return controls;
}

/* Sends what changed with the next buffer; from when on it is in force. */
static void
apply (LbLibcameraCamera *self, double exposure_us, double gain)
{
  LbCameraControls controls;

  self->old_exposure_us = self->exposure_us;
  self->old_gain = self->gain;
  self->exposure_us = exposure_us;
  self->gain = gain;
  self->valid_from = lb_frame_queue_get_next_sequence (self->queue);
  if (!self->running)
    return;
  controls = get_controls (self);
  lb_camera_link_set_controls (self->link, &controls);
  lb_frame_queue_hurry (self->queue);
  /* Sensors take it with the request, behind those that are queued already; the
   * others as soon as it is sent, which may need one more picture. */
  self->valid_from += 1 + self->choice.control_delay;
  if (lb_camera_link_get_info (self->link)->sensor_stamps)
    self->valid_from += self->buffers;
}

static gboolean
camera_set_exposure (LbCamera *camera,
                     double exposure_us,
                     double gain,
                     double *actual_exposure_us,
                     double *actual_gain,
                     guint64 *valid_from_sequence,
                     GCancellable *cancellable,
                     gint64 deadline_us,
                     GError **error)
{
  LbLibcameraCamera *self = LB_LIBCAMERA_CAMERA (camera);
  LbCameraCaps caps;

  if (!check (self, "set exposure", error) ||
      !camera_get_caps (camera, &caps, cancellable, deadline_us, error))
    return FALSE;
  if (!(exposure_us >= caps.exposure_min_us && exposure_us <= caps.exposure_max_us && gain >= caps.gain_min &&
        gain <= caps.gain_max))
    {
      g_set_error (
          error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_RANGE,
          _ ("set exposure: %.1f us at gain %.2f is out of range: %.0f us to %.3f s, gain %.2f to %.2f"),
          exposure_us, gain, caps.exposure_min_us, caps.exposure_max_us / G_USEC_PER_SEC, caps.gain_min,
          caps.gain_max);
      return FALSE;
    }
  exposure_us = lb_camera_choice_round_exposure (
      exposure_us, !lb_camera_link_get_info (self->link)->sensor_stamps, caps.exposure_min_us);
  if (exposure_us != self->exposure_us || gain != self->gain)
    apply (self, exposure_us, gain);
  if (actual_exposure_us != NULL)
    *actual_exposure_us = self->exposure_us;
  if (actual_gain != NULL)
    *actual_gain = self->gain;
  if (valid_from_sequence != NULL)
    *valid_from_sequence = self->valid_from;
  return TRUE;
}

/* --- Start and stop --------------------------------------------------------------------------------- */

static gboolean
check_length (LbLibcameraCamera *self, const LbCameraCall *call, GError **error)
{
  gsize extent = lb_pixel_format_get_extent (self->format, call->stride, self->width, self->height);

  if (call->length >= extent)
    return TRUE;
  g_set_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_PROTOCOL,
               _ ("start: the camera's pictures have %.0f bytes, but %s needs %.0f"), (double) call->length,
               self->format->name, (double) extent);
  return FALSE;
}

static gboolean
camera_stop (LbCamera *camera, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  LbLibcameraCamera *self = LB_LIBCAMERA_CAMERA (camera);
  gboolean abandoned, done;

  if (!check (self, "stop", error))
    return FALSE;
  if (!self->running)
    return TRUE;
  self->running = FALSE;
  done = lb_apart_run (lb_camera_call_stop, new_call (self), lb_camera_call_unref, NULL, NULL,
                       closing_until (deadline_us), &abandoned, error);
  if (abandoned)
    g_clear_pointer (&self->link, lb_camera_link_unref);
  set_state (self, abandoned ? LB_DEVICE_FAULTED : LB_DEVICE_CONNECTED);
  if (!done && !is_gone (self, "stop", error))
    g_prefix_error (error, "stop: ");
  return done;
}

static gboolean
camera_start (LbCamera *camera, guint buffers, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  LbLibcameraCamera *self = LB_LIBCAMERA_CAMERA (camera);
  gboolean done;
  LbCameraCall *call;

  if (!check (self, "start", error))
    return FALSE;
  if (self->running)
    return TRUE;
  self->buffers = MAX (buffers, BUFFERS_MIN);
  call = new_call (self);
  call->buffers = self->buffers;
  call->controls = get_controls (self);
  call->timing = (LbCameraTiming){ self->choice.latency_us, self->choice.readout_us };
  done = run_apart (self, "start", lb_camera_call_start, call, cancellable, deadline_us, error);
  if (done)
    {
      self->running = TRUE;
      self->started_us = g_get_monotonic_time ();
      self->stride = call->stride;
      /* The first pictures may still have what was in force before. */
      self->old_exposure_us = self->exposure_us;
      self->old_gain = self->gain;
      self->valid_from = lb_frame_queue_get_next_sequence (self->queue) + self->choice.control_delay;
      done = check_length (self, call, error);
    }
  lb_camera_call_unref (call);
  if (done)
    set_state (self, LB_DEVICE_RUNNING);
  else if (!is_gone (self, "start", error))
    camera_stop (camera, NULL, -1, NULL);
  return done;
}

/* --- Frames -------------------------------------------------------------------------------------------- */

/* NULL: the picture is too short. */
static LbFrame *
unpack (LbLibcameraCamera *self, const LbCapture *capture)
{
  const LbCameraFormat *region = &self->region;
  gsize extent = lb_pixel_format_get_extent (self->format, self->stride, self->width, self->height);
  gboolean old = capture->sequence < self->valid_from;
  LbFrame info = {
    .x = region->x,
    .y = region->y,
    .width = region->width,
    .height = region->height,
    .bits = region->bits,
    .start_us = capture->start_us,
    .end_us = capture->end_us,
    .sequence = capture->sequence,
    .exposure_us = old ? self->old_exposure_us : self->exposure_us,
    .gain = old ? self->old_gain : self->gain,
  };
  LbFrameBuffer *buffer;

  if (capture->bytes < extent)
    return NULL;
  if (capture->exposure_us > 0)
    info.exposure_us = capture->exposure_us;
  if (capture->gain > 0)
    info.gain = capture->gain;
  buffer = lb_frame_pool_take (self->pool);
  lb_pixel_format_unpack (self->format, self->choice.colour,
                          lb_camera_link_begin_read (self->link, capture->slot), self->stride, region->x,
                          region->y, region->width, region->height, lb_frame_buffer_pixels (buffer));
  lb_camera_link_end_read (self->link, capture->slot);
  return lb_frame_buffer_make_frame (buffer, &info);
}

/* Whether it is worth waiting on. */
static gboolean
may_wait (LbLibcameraCamera *self, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  gint64 now_us = g_get_monotonic_time ();
  double period_us = MAX (lb_frame_queue_get_period_us (self->queue), get_period_us (self));
  gint64 last_us = lb_frame_queue_get_last_us (self->queue);
  gboolean first = last_us < self->started_us;
  double patience_us = MAX (first ? FIRST_PATIENCE_US : PATIENCE_US, 3 * MAX (period_us, self->exposure_us));

  if (!lb_device_waiting (LB_DEVICE (self), error))
    return FALSE;
  if (g_cancellable_is_cancelled (cancellable))
    g_set_error_literal (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_CANCELLED, _ ("wait frame: cancelled"));
  else if ((double) (now_us - MAX (last_us, self->started_us)) > patience_us)
    {
      lb_device_set_state (LB_DEVICE (self), LB_DEVICE_FAULTED);
      g_set_error_literal (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_STALLED,
                           _ ("wait frame: the camera sends no frames; disconnect and connect it"));
    }
  else if (deadline_us >= 0 && now_us >= deadline_us)
    g_set_error_literal (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_TIMEOUT,
                         _ ("wait frame: no frame of that time has come yet"));
  else
    return TRUE;
  return FALSE;
}

static LbFrame *
camera_wait_frame (
    LbCamera *camera, gint64 exposed_after_us, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  LbLibcameraCamera *self = LB_LIBCAMERA_CAMERA (camera);

  if (!check (self, "wait frame", error))
    return NULL;
  if (!self->running)
    {
      g_set_error_literal (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_STALLED,
                           _ ("wait frame: the camera is not running; start it first"));
      return NULL;
    }
  while (may_wait (self, cancellable, deadline_us, error))
    {
      gint64 until_us = g_get_monotonic_time () + SLICE_US;
      LbFrame *frame = NULL;
      LbCapture capture;

      if (deadline_us >= 0)
        until_us = MIN (until_us, deadline_us);
      if (lb_frame_queue_take (self->queue, exposed_after_us, until_us, &capture) == LB_FRAME_QUEUE_FRAME)
        {
          frame = unpack (self, &capture);
          lb_camera_link_recycle (capture.slot, self->link);
          self->damaged += frame == NULL;
        }
      if (frame != NULL)
        return frame;
      if (!check (self, "wait frame", error))
        return NULL;
    }
  return NULL;
}

static gboolean
camera_get_counters (LbCamera *camera,
                     guint64 *delivered,
                     guint64 *dropped,
                     guint64 *stale,
                     GCancellable *cancellable,
                     gint64 deadline_us,
                     GError **error)
{
  LbLibcameraCamera *self = LB_LIBCAMERA_CAMERA (camera);
  guint64 picked_up, lost, old;

  if (!check (self, "get counters", error))
    return FALSE;
  lb_frame_queue_get_counters (self->queue, &picked_up, &lost, &old);
  if (delivered != NULL)
    *delivered = picked_up - self->damaged;
  if (dropped != NULL)
    *dropped = lost + self->damaged;
  if (stale != NULL)
    *stale = old;
  return TRUE;
}

/* --- Object ------------------------------------------------------------------------------------------------
 */

static void
lb_libcamera_camera_finalize (GObject *object)
{
  LbLibcameraCamera *self = LB_LIBCAMERA_CAMERA (object);

  let_go (self, 0, NULL);
  g_clear_pointer (&self->queue, lb_frame_queue_unref);
  g_clear_pointer (&self->entry, lb_camera_entry_free);
  g_clear_pointer (&self->pool, lb_frame_pool_free);
  g_variant_unref (self->options);
  G_OBJECT_CLASS (lb_libcamera_camera_parent_class)->finalize (object);
}

static void
lb_libcamera_camera_class_init (LbLibcameraCameraClass *klass)
{
  LbDeviceClass *device_class = LB_DEVICE_CLASS (klass);
  LbCameraClass *camera_class = LB_CAMERA_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = lb_libcamera_camera_finalize;
  device_class->open = camera_open;
  device_class->close = camera_close;
  device_class->get_identity = camera_get_identity;
  camera_class->get_caps = camera_get_caps;
  camera_class->configure = camera_configure;
  camera_class->set_exposure = camera_set_exposure;
  camera_class->start = camera_start;
  camera_class->stop = camera_stop;
  camera_class->wait_frame = camera_wait_frame;
  camera_class->get_counters = camera_get_counters;
}

static void
lb_libcamera_camera_init (LbLibcameraCamera *self)
{
}

LbDevice *
lb_libcamera_camera_new (const LbCameraChoice *choice, GVariant *options)
{
  LbLibcameraCamera *self = g_object_new (LB_TYPE_LIBCAMERA_CAMERA, NULL);

  self->choice = *choice;
  self->options =
      options != NULL ? g_variant_ref_sink (options) : g_variant_ref_sink (g_variant_new ("a{sv}", NULL));
  return LB_DEVICE (self);
}
