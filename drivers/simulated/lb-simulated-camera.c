/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-simulated-private.h"

#include <math.h>
#include <string.h>

#include <glib/gi18n-lib.h>
#include <lb-camera.h>
#include <lb-frame-pool.h>

/*
 * A free-running camera. Its frames begin on a grid in bench time whose period
 * is the longer of exposure and readout (in proportion to the region's rows). As
 * many as it has buffers wait for somebody who comes late.
 */

#define EXPOSURE_MIN_US 10
#define EXPOSURE_MAX_US 1e7
#define GAIN_MAX 16
#define HANG_US (60 * G_USEC_PER_SEC)
#define CAMERA_GRID 2

#define LB_TYPE_SIMULATED_CAMERA (lb_simulated_camera_get_type ())
G_DECLARE_FINAL_TYPE (LbSimulatedCamera, lb_simulated_camera, LB, SIMULATED_CAMERA, LbCamera)

struct _LbSimulatedCamera
{
  LbCamera parent_instance;
  LbCameraFormat format;
  double exposure_us, gain;
  gboolean running;
  guint buffers;
  double anchor_us; /* start of frame anchor_sequence */
  guint64 anchor_sequence;
  guint64 next_sequence; /* first frame that was not accounted for */
  guint64 delivered, dropped, stale;
  GBytes *repeated;  /* what comes over and over under that fault */
  LbFramePool *pool; /* of the present format */
};

G_DEFINE_FINAL_TYPE (LbSimulatedCamera, lb_simulated_camera, LB_TYPE_CAMERA)

static const LbCameraOptions *
get_options (LbSimulatedCamera *self)
{
  return &lb_simulated_get_world (LB_DEVICE (self))->camera;
}

static double
rows_share (LbSimulatedCamera *self)
{
  return (double) self->format.height / get_options (self)->height;
}

static double
period_us (LbSimulatedCamera *self)
{
  return MAX (G_USEC_PER_SEC / get_options (self)->rate_hz * rows_share (self), self->exposure_us);
}

static double
frame_start_us (LbSimulatedCamera *self, guint64 sequence)
{
  return self->anchor_us + (double) (sequence - self->anchor_sequence) * period_us (self);
}

/* The first frame, from the anchor on, that begins at @time_us or later. */
static guint64
frame_from (LbSimulatedCamera *self, gint64 time_us)
{
  double frames = ceil (((double) time_us - self->anchor_us) / period_us (self));
  guint64 sequence = self->anchor_sequence + (guint64) MAX (frames, 0);

  while (llround (frame_start_us (self, sequence)) < time_us)
    sequence++;
  return sequence;
}

/* --- Open and close -------------------------------------------------------------------- */

static void
set_format (LbSimulatedCamera *self, const LbCameraFormat *format)
{
  self->format = *format;
  g_clear_pointer (&self->pool, lb_frame_pool_free);
  self->pool = lb_frame_pool_new ((gsize) format->width * format->height);
}

static gboolean
camera_open (LbDevice *device, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  LbSimulatedCamera *self = LB_SIMULATED_CAMERA (device);
  const LbCameraOptions *options = get_options (self);
  LbCameraFormat whole = { 0, 0, options->width, options->height, options->bits };

  if (!lb_simulated_open (device, "open", error))
    return FALSE;
  set_format (self, &whole);
  self->exposure_us = 1000;
  self->gain = 1;
  self->running = FALSE;
  return TRUE;
}

static gboolean
camera_close (LbDevice *device, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  LB_SIMULATED_CAMERA (device)->running = FALSE;
  lb_device_set_state (device, LB_DEVICE_ABSENT);
  return TRUE;
}

static LbIdentity *
camera_get_identity (LbDevice *device, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  const LbCameraOptions *options = get_options (LB_SIMULATED_CAMERA (device));
  g_autofree char *model =
      g_strdup_printf ("camera %u x %u, %u bits", options->width, options->height, options->bits);

  return lb_simulated_get_identity (device, model, error);
}

static void
camera_begin_run (LbDevice *device, guint64 ordinal)
{
  lb_world_begin_run (lb_simulated_get_world (device), ordinal);
}

/* --- Settings --------------------------------------------------------------------------- */

static gboolean
camera_get_caps (
    LbCamera *camera, LbCameraCaps *caps, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  const LbCameraOptions *options = get_options (LB_SIMULATED_CAMERA (camera));

  if (!lb_simulated_check (LB_DEVICE (camera), "get caps", error))
    return FALSE;
  *caps = (LbCameraCaps){
    .width = options->width,
    .height = options->height,
    .bits = options->bits,
    .exposure_min_us = EXPOSURE_MIN_US,
    .exposure_max_us = EXPOSURE_MAX_US,
    .gain_min = 1,
    .gain_max = GAIN_MAX,
    .frame_period_us = G_USEC_PER_SEC / options->rate_hz,
    .readout_us = options->readout_us,
    .has_region = TRUE,
    .region_step = LB_CAMERA_REGION_STEP,
    .time_stamp = LB_TIME_STAMP_DEVICE,
  };
  return TRUE;
}

/* The region of whole steps around the one that is wanted. */
static gboolean
fit_format (LbSimulatedCamera *self, const LbCameraFormat *want, LbCameraFormat *format)
{
  const LbCameraOptions *options = get_options (self);
  const guint step = LB_CAMERA_REGION_STEP;

  *format =
      (LbCameraFormat){ 0, 0, options->width, options->height, want->bits > 0 ? want->bits : options->bits };
  if (want->width > 0)
    {
      if (want->width > options->width || want->x > options->width - want->width || want->height == 0 ||
          want->height > options->height || want->y > options->height - want->height)
        return FALSE;
      format->x = want->x / step * step;
      format->y = want->y / step * step;
      format->width = (want->x + want->width + step - 1) / step * step - format->x;
      format->height = (want->y + want->height + step - 1) / step * step - format->y;
    }
  return format->bits <= options->bits &&
         (format->bits == 8 || format->bits == 10 || format->bits == 12 || format->bits == 16);
}

static gboolean
camera_configure (LbCamera *camera,
                  const LbCameraFormat *want,
                  LbCameraFormat *actual,
                  GCancellable *cancellable,
                  gint64 deadline_us,
                  GError **error)
{
  LbSimulatedCamera *self = LB_SIMULATED_CAMERA (camera);
  LbCameraFormat format;

  if (!lb_simulated_check (LB_DEVICE (camera), "configure", error))
    return FALSE;
  if (self->running)
    {
      g_set_error_literal (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_BUSY,
                           _ ("configure: the camera is running; stop it first"));
      return FALSE;
    }
  if (!fit_format (self, want, &format))
    {
      g_set_error (
          error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_FORMAT,
          _ ("configure: the camera has no region of %u x %u at (%u, %u) with %u bits; it has %u x %u "
             "pixels and %u bits"),
          want->width, want->height, want->x, want->y, want->bits, get_options (self)->width,
          get_options (self)->height, get_options (self)->bits);
      return FALSE;
    }
  set_format (self, &format);
  if (actual != NULL)
    *actual = format;
  return TRUE;
}

/* The frame that has begun keeps its exposure; the grid goes on from the next. */
static void
move_anchor (LbSimulatedCamera *self)
{
  LbWorld *world = lb_simulated_get_world (LB_DEVICE (self));
  guint64 next = MAX (frame_from (self, lb_clock_now_us (world->clock)), self->next_sequence);

  self->anchor_us = frame_start_us (self, next);
  self->anchor_sequence = next;
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
  LbSimulatedCamera *self = LB_SIMULATED_CAMERA (camera);

  if (!lb_simulated_check (LB_DEVICE (camera), "set exposure", error))
    return FALSE;
  if (!(exposure_us >= EXPOSURE_MIN_US && exposure_us <= EXPOSURE_MAX_US && gain >= 1 && gain <= GAIN_MAX))
    {
      g_set_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_RANGE,
                   _ ("set exposure: %.1f us at gain %.2f is out of range: %d us to %.0f s, gain 1 to %d"),
                   exposure_us, gain, EXPOSURE_MIN_US, EXPOSURE_MAX_US / G_USEC_PER_SEC, GAIN_MAX);
      return FALSE;
    }
  if (self->running)
    move_anchor (self);
  self->exposure_us = rint (exposure_us);
  self->gain = rint (gain * 100) / 100;
  if (actual_exposure_us != NULL)
    *actual_exposure_us = self->exposure_us;
  if (actual_gain != NULL)
    *actual_gain = self->gain;
  if (valid_from_sequence != NULL)
    *valid_from_sequence = self->running ? self->anchor_sequence : self->next_sequence;
  return TRUE;
}

/* --- Frames ------------------------------------------------------------------------------ */

static gboolean
camera_start (LbCamera *camera, guint buffers, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  LbSimulatedCamera *self = LB_SIMULATED_CAMERA (camera);
  LbWorld *world = lb_simulated_get_world (LB_DEVICE (camera));

  if (!lb_simulated_check (LB_DEVICE (camera), "start", error))
    return FALSE;
  if (self->running)
    return TRUE;
  self->anchor_us =
      (double) lb_world_next_frame (world, CAMERA_GRID, period_us (self), lb_clock_now_us (world->clock));
  self->anchor_sequence = self->next_sequence;
  self->buffers = MAX (buffers, 1);
  self->running = TRUE;
  lb_device_set_state (LB_DEVICE (camera), LB_DEVICE_RUNNING);
  return TRUE;
}

static gboolean
camera_stop (LbCamera *camera, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  LbSimulatedCamera *self = LB_SIMULATED_CAMERA (camera);

  if (!lb_simulated_check (LB_DEVICE (camera), "stop", error))
    return FALSE;
  self->running = FALSE;
  lb_device_set_state (LB_DEVICE (camera), LB_DEVICE_CONNECTED);
  return TRUE;
}

/* Frames that passed wait in the buffers; of those the world tells only the ones during which nothing has
 * changed. */
static gint64
oldest_us (LbSimulatedCamera *self)
{
  LbWorld *world = lb_simulated_get_world (LB_DEVICE (self));

  return MAX (lb_clock_now_us (world->clock) - (gint64) ((self->buffers - 1) * period_us (self)),
              lb_world_changed_us (world));
}

/* The frame to deliver: frames that passed are stale, lost ones dropped. */
static gboolean
next_frame (LbSimulatedCamera *self, gint64 exposed_after_us, guint64 *sequence, GError **error)
{
  LbWorld *world = lb_simulated_get_world (LB_DEVICE (self));
  guint64 next = MAX (frame_from (self, MAX (exposed_after_us, oldest_us (self))), self->next_sequence);
  gint64 patience_us = (gint64) MAX (G_USEC_PER_SEC, 3 * period_us (self));
  gint64 first_us = (gint64) frame_start_us (self, next);

  self->stale += next - self->next_sequence;
  while (lb_world_loses_frame (world, next))
    {
      self->dropped++;
      next++;
      if (frame_start_us (self, next) - (double) first_us > (double) patience_us)
        {
          self->next_sequence = next;
          g_set_error_literal (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_STALLED,
                               _ ("wait frame: the camera sends no frames; disconnect and connect it"));
          return FALSE;
        }
    }
  self->next_sequence = next + 1;
  *sequence = next;
  return TRUE;
}

static LbFrame *
expose (LbSimulatedCamera *self, guint64 sequence, gint64 start_us, gint64 end_us)
{
  LbWorld *world = lb_simulated_get_world (LB_DEVICE (self));
  const LbCameraFormat *format = &self->format;
  const gsize size = sizeof (guint16) * format->width * format->height;
  LbFrameBuffer *buffer = lb_frame_pool_take (self->pool);
  guint16 *pixels = lb_frame_buffer_pixels (buffer);
  LbWorldExposure exposure = { start_us,
                               self->exposure_us,
                               self->gain,
                               format->bits,
                               { format->x, format->y, format->x + format->width,
                                 format->y + format->height } };
  LbFrame info = {
    .x = format->x,
    .y = format->y,
    .width = format->width,
    .height = format->height,
    .bits = format->bits,
    .exposure_us = self->exposure_us,
    .gain = self->gain,
    .start_us = start_us,
    .end_us = end_us,
    .sequence = sequence,
  };

  lb_world_expose (world, &exposure, pixels);
  self->delivered++;
  if (!lb_world_has_fault (world, LB_FAULT_STALE_FRAMES))
    g_clear_pointer (&self->repeated, g_bytes_unref);
  else if (self->repeated == NULL || g_bytes_get_size (self->repeated) != size)
    {
      g_clear_pointer (&self->repeated, g_bytes_unref);
      self->repeated = g_bytes_new (pixels, size);
    }
  else
    memcpy (pixels, g_bytes_get_data (self->repeated, NULL), size);
  return lb_frame_buffer_make_frame (buffer, &info);
}

/* The time that a watchdog gives a camera passes. */
static LbFrame *
stall (LbSimulatedCamera *self, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  LbWorld *world = lb_simulated_get_world (LB_DEVICE (self));
  const gint64 patience_us = (gint64) MAX (G_USEC_PER_SEC, 3 * period_us (self));

  if (lb_simulated_wait (LB_DEVICE (self), "wait frame", lb_clock_now_us (world->clock) + patience_us,
                         cancellable, deadline_us, error))
    g_set_error_literal (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_STALLED,
                         _ ("wait frame: the camera sends no frames; disconnect and connect it"));
  return NULL;
}

/* A driver that returns from no call, whoever cancels; in real time, as nothing can wait for it. */
static void
hang (LbDevice *device)
{
  const gint64 end_us = g_get_monotonic_time () + HANG_US;

  while (lb_world_has_fault (lb_simulated_get_world (device), LB_FAULT_HANG_CAMERA) &&
         g_get_monotonic_time () < end_us)
    g_usleep (G_USEC_PER_SEC / 100);
}

static LbFrame *
camera_wait_frame (
    LbCamera *camera, gint64 exposed_after_us, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  LbSimulatedCamera *self = LB_SIMULATED_CAMERA (camera);
  LbDevice *device = LB_DEVICE (camera);
  gint64 start_us, end_us;
  guint64 sequence;

  if (!lb_simulated_check (device, "wait frame", error))
    return NULL;
  if (!self->running)
    {
      g_set_error_literal (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_STALLED,
                           _ ("wait frame: the camera is not running; start it first"));
      return NULL;
    }
  if (lb_world_has_fault (lb_simulated_get_world (device), LB_FAULT_STALL_CAMERA))
    return stall (self, cancellable, deadline_us, error);
  hang (device);
  if (!next_frame (self, exposed_after_us, &sequence, error))
    return NULL;
  start_us = llround (frame_start_us (self, sequence));
  end_us = start_us + llround (self->exposure_us + get_options (self)->readout_us * rows_share (self));
  if (!lb_simulated_wait (device, "wait frame", end_us, cancellable, deadline_us, error) ||
      !lb_simulated_check (device, "wait frame", error))
    return NULL;
  return expose (self, sequence, start_us, end_us);
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
  LbSimulatedCamera *self = LB_SIMULATED_CAMERA (camera);

  if (!lb_simulated_check (LB_DEVICE (camera), "get counters", error))
    return FALSE;
  if (delivered != NULL)
    *delivered = self->delivered;
  if (dropped != NULL)
    *dropped = self->dropped;
  if (stale != NULL)
    *stale = self->stale;
  return TRUE;
}

static void
lb_simulated_camera_finalize (GObject *object)
{
  g_clear_pointer (&LB_SIMULATED_CAMERA (object)->pool, lb_frame_pool_free);
  g_clear_pointer (&LB_SIMULATED_CAMERA (object)->repeated, g_bytes_unref);
  G_OBJECT_CLASS (lb_simulated_camera_parent_class)->finalize (object);
}

static void
lb_simulated_camera_class_init (LbSimulatedCameraClass *klass)
{
  LbDeviceClass *device_class = LB_DEVICE_CLASS (klass);
  LbCameraClass *camera_class = LB_CAMERA_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = lb_simulated_camera_finalize;
  device_class->open = camera_open;
  device_class->close = camera_close;
  device_class->get_identity = camera_get_identity;
  device_class->begin_run = camera_begin_run;
  camera_class->get_caps = camera_get_caps;
  camera_class->configure = camera_configure;
  camera_class->set_exposure = camera_set_exposure;
  camera_class->start = camera_start;
  camera_class->stop = camera_stop;
  camera_class->wait_frame = camera_wait_frame;
  camera_class->get_counters = camera_get_counters;
}

static void
lb_simulated_camera_init (LbSimulatedCamera *self)
{
}

LbDevice *
lb_simulated_camera_new (void)
{
  return g_object_new (LB_TYPE_SIMULATED_CAMERA, NULL);
}
