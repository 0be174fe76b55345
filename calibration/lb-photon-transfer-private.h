/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/*
 * Photon transfer from pairs of frames, after EMVA 1288 (Release 4.0 Linear): the
 * temporal variance at a level is half the variance of the difference of two
 * frames of the same scene, and the system gain K (DN per electron) is its slope
 * on the mean signal, up to 70 % of saturation. Other than there the scene need
 * not be uniform: pixels are gathered by their own mean level. What the light as
 * a whole does from one frame to the next is taken out of a pair, and what
 * fluctuates in proportion to the signal (speckle) is told from shot noise by the
 * square of the signal that it goes with:
 *
 *   variance = dark + K signal + (share (signal - stray))^2
 *
 * Stray light has shot noise as well, but none of the speckle of the patterns'.
 */
#define LB_PHOTON_BINS 64
#define LB_PHOTON_STRIPS 16

typedef struct
{
  double count, signal, difference, square;
  double signal_us, square_us; /* sums of signal times exposure time, and of its square */
} LbPhotonBin;

/**
 * LbPhotonTransfer: sums over pairs.
 * @range_dn: signal at which the last bin ends
 * @stray: DN a microsecond that come when both planes are black
 * @bins: by strip of the sensor (bands of rows, interleaved) and signal
 */
typedef struct
{
  double range_dn;
  double stray;
  LbPhotonBin bins[LB_PHOTON_STRIPS][LB_PHOTON_BINS];
} LbPhotonTransfer;

/* One pair: digital numbers, those without light, and what to leave out;
 * @width * @height each. @difference: by what share the light of the first is
 * over that of the second, relative to their mean; @exposure_us: of both. */
void lb_photon_transfer_add (LbPhotonTransfer *self,
                             const guint16 *first,
                             const guint16 *second,
                             const float *black,
                             const guint8 *bad,
                             guint width,
                             guint height,
                             double difference,
                             double exposure_us);

/**
 * LbPhotonTransferFit:
 * @gain, @gain_error: K, DN per electron, and its standard error, from how strips of the sensor agree
 * @dark_variance: DN^2
 * @share: fluctuation in proportion to the signal
 * @strips: that were used; what does not fit to the others is left out
 */
typedef struct
{
  double gain, gain_error;
  double dark_variance;
  double share;
  guint strips;
} LbPhotonTransferFit;

/* Over signals from @low to @high DN. FALSE: too little light there, or no slope. */
gboolean
lb_photon_transfer_fit (const LbPhotonTransfer *self, double low, double high, LbPhotonTransferFit *fit);
/* Signal and variance of a bin over all strips; FALSE if too few pixels were there. */
gboolean lb_photon_transfer_point (const LbPhotonTransfer *self, guint bin, double *signal, double *variance);

/**
 * lb_linearity_error:
 * @time, @signal: exposure times and mean signals, @count of them
 * @slope: (out): signal per unit of time
 * @deviation: (out) (nullable): relative deviation of each from the line
 *
 * Fits a line through the origin to relative deviations and gives the mean of
 * their absolute values, which is the linearity error of EMVA 1288 (Release 4.0
 * Linear) for a signal whose dark value is known.
 *
 * Returns: that mean, as a share; NAN without points
 */
double
lb_linearity_error (const double *time, const double *signal, guint count, double *slope, double *deviation);

G_END_DECLS
