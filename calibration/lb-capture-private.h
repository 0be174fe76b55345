/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "lb-calibration-private.h"

G_BEGIN_DECLS

/* Light that a step measures with: set point (0: the usual one of the setup) in
 * the unit of the light source, and exposure. */
typedef struct
{
  double level;
  double exposure_us;
} LbCaptureLight;

/* One exposure of a plan. Patterns go by numbers that mean something to who
 * renders them; equal numbers on consecutive shots are shown once. */
typedef struct
{
  guint source, weight;
  gboolean dark;
  double exposure_us; /* 0: that of the light */
  guint frames;
  guint tag;
} LbCaptureShot;

typedef LbPattern *(*LbCaptureRender) (guint number, gpointer data);
typedef gboolean (*LbCaptureSink) (
    const LbCaptureShot *shot, guint nth, LbFrame *frame, gpointer data, GError **error);

/**
 * LbCapture: what a step takes its frames with.
 * @fraction_from, @fraction_to: part of the step that the next plan is
 */
typedef struct
{
  LbCalibrationContext *context;
  LbCaptureRender render_source;
  LbCaptureRender render_weight;
  gpointer render_data;
  LbCaptureLight light;
  double fraction_from, fraction_to;
  const char *message;
} LbCapture;

/* Region of interest (width 0: whole sensor) at full depth. */
gboolean lb_capture_set_region (LbCalibrationContext *context,
                                const LbCameraFormat *want,
                                LbCameraFormat *actual,
                                GCancellable *cancellable,
                                GError **error);
/* Takes all @shots (of LbCaptureShot) in their order. */
gboolean lb_capture_run (LbCapture *self,
                         const GArray *shots,
                         LbCaptureSink sink,
                         gpointer data,
                         GCancellable *cancellable,
                         GError **error);
/* Sets self->light so that the brightest part of the frame (of patterns
 * @source, @weight) is well exposed. SIGNAL if there is no light. */
gboolean lb_capture_find_light (
    LbCapture *self, guint source, guint weight, GCancellable *cancellable, GError **error);
/* Notes the light in the settings of @result. */
void lb_capture_describe_light (const LbCapture *self, LbCalibration *result);

/* Verdict by residual and limit: pass up to the limit, warn up to twice, fail
 * beyond. Sentences are translated. */
void lb_capture_judge (LbCalibration *result,
                       double residual,
                       double limit,
                       const char *unit,
                       const char *good,
                       const char *bad);

G_END_DECLS
