/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "lb-capture-private.h"

G_BEGIN_DECLS

/* Patterns by number: levels 0..255 are shown everywhere; the middle half of the
 * plane each way, full on in the dark; a chessboard of blocks, every second one
 * at a level, the others at the probe's reference level. */
#define LB_FIELD_PATCH 1000u
#define LB_FIELD_BLOCKS(level) (2000u + (level))

/**
 * LbFieldProbe: light on the sensor before anything is known of where the planes
 * are. Needs the dark step.
 * @capture: takes the frames; set to this probe's patterns
 * @window: the camera's region in use
 * @full: by role of the plane, the level that is taken to be brightest
 * @reference: by role, level of the blocks that stay
 * @bad: of the window, 1: defective
 */
typedef struct
{
  LbCapture capture;
  LbCalibration *dark;
  LbCameraFormat window;
  LbCameraCaps caps;
  guint8 full[2], reference[2];
  guint8 *bad;
  gsize n_good;
  double largest; /* DN at the end of the range */
  /*< private >*/
  double dark_electrons_per_dn;
  float *black;
  double black_us;
} LbFieldProbe;

/* Takes the whole sensor. NEEDS without a dark result that fits the camera. */
gboolean lb_field_probe_init (LbFieldProbe *self,
                              LbCalibrationContext *context,
                              GCancellable *cancellable,
                              GError **error);
void lb_field_probe_clear (LbFieldProbe *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (LbFieldProbe, lb_field_probe_clear)

/* Width 0: the whole sensor. A camera without regions keeps the whole sensor. */
gboolean lb_field_probe_set_window (LbFieldProbe *self,
                                    const LbCameraFormat *want,
                                    GCancellable *cancellable,
                                    GError **error);
/* A window of about that size around the middle of the light of @frame. */
LbCameraFormat lb_field_probe_place_window (LbFieldProbe *self, LbFrame *frame, guint width, guint height);
/* Digital numbers without light at the exposure of @frame, of the window's
 * pixels; valid until the next call. */
const float *lb_field_probe_black (LbFieldProbe *self, LbFrame *frame);
/* Sum of digital numbers above black over the good pixels of the window;
 * *@clipped (may be NULL): the share of pixels at the end of the range. */
double lb_field_probe_sum (LbFieldProbe *self, LbFrame *frame, double *clipped);

/* Sets the power meter to the wavelength of the setup, automatic range, several
 * readings. FALSE without @error: the bench has none. In the worker. */
gboolean lb_field_probe_prepare_meter (LbFieldProbe *self, GCancellable *cancellable, GError **error);
/* Watts on the weight plane now. In the worker. */
gboolean
lb_field_probe_read_meter (LbFieldProbe *self, double *watts, GCancellable *cancellable, GError **error);

G_END_DECLS
