/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "lb-device.h"
#include "lb-frame.h"

G_BEGIN_DECLS

typedef struct
{
  guint width, height; /* of the sensor, pixels */
  guint bits;          /* largest depth */
  double exposure_min_us, exposure_max_us;
  double gain_min, gain_max;
  double frame_period_us; /* shortest, at the full region */
  double readout_us;      /* of a rolling shutter, first to last row; 0: global */
  gboolean has_region;    /* regions of interest */
  guint region_step;      /* x, y, width, height are multiples of it */
  LbTimeStampKind time_stamp;
} LbCameraCaps;

typedef struct
{
  guint x, y, width, height; /* region of interest; width 0: the whole sensor */
  guint bits;                /* 0: the largest depth */
} LbCameraFormat;

#define LB_TYPE_CAMERA (lb_camera_get_type ())
G_DECLARE_DERIVABLE_TYPE (LbCamera, lb_camera, LB, CAMERA, LbDevice)

struct _LbCameraClass
{
  LbDeviceClass parent_class;
  gboolean (*get_caps) (
      LbCamera *self, LbCameraCaps *caps, GCancellable *cancellable, gint64 deadline_us, GError **error);
  gboolean (*configure) (LbCamera *self,
                         const LbCameraFormat *want,
                         LbCameraFormat *actual,
                         GCancellable *cancellable,
                         gint64 deadline_us,
                         GError **error);
  gboolean (*set_exposure) (LbCamera *self,
                            double exposure_us,
                            double gain,
                            double *actual_exposure_us,
                            double *actual_gain,
                            guint64 *valid_from_sequence,
                            GCancellable *cancellable,
                            gint64 deadline_us,
                            GError **error);
  gboolean (*start) (
      LbCamera *self, guint buffers, GCancellable *cancellable, gint64 deadline_us, GError **error);
  gboolean (*stop) (LbCamera *self, GCancellable *cancellable, gint64 deadline_us, GError **error);
  LbFrame *(*wait_frame) (
      LbCamera *self, gint64 exposed_after_us, GCancellable *cancellable, gint64 deadline_us, GError **error);
  gboolean (*get_counters) (LbCamera *self,
                            guint64 *delivered,
                            guint64 *dropped,
                            guint64 *stale,
                            GCancellable *cancellable,
                            gint64 deadline_us,
                            GError **error);
  gpointer padding[8];
};

gboolean lb_camera_get_caps (
    LbCamera *self, LbCameraCaps *caps, GCancellable *cancellable, gint64 deadline_us, GError **error);
/* Only while not running. FORMAT if nothing near @want exists; @actual is what is in force. */
gboolean lb_camera_configure (LbCamera *self,
                              const LbCameraFormat *want,
                              LbCameraFormat *actual,
                              GCancellable *cancellable,
                              gint64 deadline_us,
                              GError **error);
/* RANGE outside the caps. Frames from *@valid_from_sequence on have it. Each of the actuals may be NULL. */
gboolean lb_camera_set_exposure (LbCamera *self,
                                 double exposure_us,
                                 double gain,
                                 double *actual_exposure_us,
                                 double *actual_gain,
                                 guint64 *valid_from_sequence,
                                 GCancellable *cancellable,
                                 gint64 deadline_us,
                                 GError **error);
gboolean lb_camera_start (
    LbCamera *self, guint buffers, GCancellable *cancellable, gint64 deadline_us, GError **error);
gboolean lb_camera_stop (LbCamera *self, GCancellable *cancellable, gint64 deadline_us, GError **error);
/* The first frame whose exposure of the first row began at @exposed_after_us
 * (bench time) or later; older ones are counted as stale. STALLED if none
 * comes within max (1 s, 3 periods). */
LbFrame *lb_camera_wait_frame (
    LbCamera *self, gint64 exposed_after_us, GCancellable *cancellable, gint64 deadline_us, GError **error);
gboolean lb_camera_get_counters (LbCamera *self,
                                 guint64 *delivered,
                                 guint64 *dropped,
                                 guint64 *stale,
                                 GCancellable *cancellable,
                                 gint64 deadline_us,
                                 GError **error);

G_END_DECLS
