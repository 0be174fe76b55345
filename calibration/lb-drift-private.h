/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <lb-readout.h>

G_BEGIN_DECLS

/**
 * LbDrift: how the bench has drifted since it was calibrated, as smooth functions
 * of the place on the macropixel grid: coefficients of 1, x, y, which are -1..1
 * over the grid.
 * @dark: electrons a pixel and microsecond that are there without light
 * @log_gain: logarithm of the gain of the field over that of the reference patches
 * @gain_rms: of the gain over the tiles that it was fitted to, relative to 1
 *
 * Smooth, because a tile's own dark and reference frames would add their noise to
 * each result; and what drifts is smooth: light of the room, a beam that wanders
 * (the ratio of two displaced Gaussians is the exponential of a plane).
 */
typedef struct
{
  double dark[3];
  double log_gain[3];
  double gain_rms;
} LbDrift;

/* Dark level that is left in @reading (@frames frames of @exposure_us each,
 * without light). */
void lb_drift_fit_dark (
    LbDrift *self, const LbLayout *layout, const LbReading *reading, double exposure_us, guint frames);
/* Gains by @reading of a reference frame in which all elements of all tiles are
 * full on, corrected for @self's dark level already. FALSE if the reading does not
 * determine them: the gains stay. */
gboolean lb_drift_fit_gain (LbDrift *self, const LbLayout *layout, const LbReading *reading);
/* Takes the dark level out of a reading of one frame; light is found anew. */
void
lb_drift_correct_dark (const LbDrift *self, const LbLayout *layout, double exposure_us, LbReading *reading);
/* Brings the tiles' electrons to the gains of the calibration; after the dark level. */
void lb_drift_correct_gain (const LbDrift *self, const LbLayout *layout, LbReading *reading);

G_END_DECLS
