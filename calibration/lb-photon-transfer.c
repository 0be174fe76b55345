/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-photon-transfer-private.h"

#include <lb-least-squares.h>
#include <lb-statistics.h>
#include <math.h>

/* Rows of a band of the sensor. */
#define BAND 8
/* Pixels that a bin needs before its variance says anything. */
#define BIN_MIN 100
#define POINTS_MIN 6
#define STRIPS_MIN 4
/* Strips are left out that are that many robust deviations from the median. */
#define OUTLYING 6.0

void
lb_photon_transfer_add (LbPhotonTransfer *self,
                        const guint16 *first,
                        const guint16 *second,
                        const float *black,
                        const guint8 *bad,
                        guint width,
                        guint height,
                        double difference,
                        double exposure_us)
{
  const double scale = LB_PHOTON_BINS / self->range_dn;

  for (guint y = 0; y < height; y++)
    {
      LbPhotonBin *bins = self->bins[y / BAND % LB_PHOTON_STRIPS];

      for (guint x = 0; x < width; x++)
        {
          const gsize i = (gsize) y * width + x;
          const double signal = 0.5 * ((double) first[i] + second[i]) - (double) black[i];
          const double change = (double) first[i] - (double) second[i] - difference * signal;
          const int bin = (int) floor (signal * scale);

          if (bin < 0 || bin >= LB_PHOTON_BINS || bad[i])
            continue;
          bins[bin].count++;
          bins[bin].signal += signal;
          bins[bin].difference += change;
          bins[bin].square += change * change;
          bins[bin].signal_us += signal * exposure_us;
          bins[bin].square_us += exposure_us * exposure_us;
        }
    }
}

static double
bin_variance (const LbPhotonBin *bin)
{
  return (bin->square - bin->difference * bin->difference / bin->count) / (bin->count - 1) / 2;
}

/* The variance of a variance goes with its square over the number of pixels; that
 * of the model is taken, because one that happens to be low would count for more. */
static gboolean
fit_bins (const LbPhotonBin *bins, double range_dn, double stray, double low, double high, double solution[3])
{
  solution[0] = solution[1] = solution[2] = 0;
  for (guint pass = 0; pass < 3; pass++)
    {
      g_autoptr (LbLeastSquares) squares = lb_least_squares_new (3, 1);
      guint points = 0;

      for (guint i = 0; i < LB_PHOTON_BINS; i++)
        {
          const LbPhotonBin *bin = &bins[i];
          double signal, row[3], expected, variance;

          if (bin->count < BIN_MIN || (signal = bin->signal / bin->count) < low ||
              (i + 1) * range_dn / LB_PHOTON_BINS > high)
            continue;
          variance = bin_variance (bin);
          row[0] = 1;
          row[1] = signal;
          row[2] = signal * signal - stray * (2 * bin->signal_us - stray * bin->square_us) / bin->count;
          expected = solution[0] + solution[1] * signal + solution[2] * row[2];
          if (pass == 0 || expected < 0.2 * variance)
            expected = variance;
          if (expected <= 0)
            continue;
          lb_least_squares_add (squares, row, &variance, bin->count / (expected * expected));
          points++;
        }
      if (points < POINTS_MIN || !lb_least_squares_solve (squares, solution, NULL))
        return FALSE;
    }
  return solution[1] > 0;
}

gboolean
lb_photon_transfer_fit (const LbPhotonTransfer *self, double low, double high, LbPhotonTransferFit *fit)
{
  double solutions[LB_PHOTON_STRIPS][3], gains[LB_PHOTON_STRIPS], deviations[LB_PHOTON_STRIPS];
  double median, spread, sum[3] = { 0 }, squares = 0;
  guint found = 0, used = 0;

  for (guint strip = 0; strip < LB_PHOTON_STRIPS; strip++)
    if (fit_bins (self->bins[strip], self->range_dn, self->stray, low, high, solutions[found]))
      {
        gains[found] = solutions[found][1];
        found++;
      }
  if (found < STRIPS_MIN)
    return FALSE;
  median = lb_percentile (gains, found, 50);
  for (guint i = 0; i < found; i++)
    deviations[i] = fabs (gains[i] - median);
  spread = 1.4826 * lb_percentile (deviations, found, 50);
  for (guint i = 0; i < found; i++)
    if (deviations[i] <= OUTLYING * spread)
      {
        for (guint k = 0; k < 3; k++)
          sum[k] += solutions[i][k];
        squares += gains[i] * gains[i];
        used++;
      }
  if (used < STRIPS_MIN)
    return FALSE;
  fit->strips = used;
  fit->dark_variance = sum[0] / used;
  fit->gain = sum[1] / used;
  fit->gain_error = sqrt (MAX (squares / used - fit->gain * fit->gain, 0) / (used - 1));
  fit->share = sqrt (MAX (sum[2] / used, 0));
  return TRUE;
}

gboolean
lb_photon_transfer_point (const LbPhotonTransfer *self, guint bin, double *signal, double *variance)
{
  double count = 0;

  *signal = *variance = 0;
  for (guint strip = 0; strip < LB_PHOTON_STRIPS; strip++)
    {
      const LbPhotonBin *part = &self->bins[strip][bin];

      if (part->count < 2)
        continue;
      count += part->count;
      *signal += part->signal;
      *variance += part->count * bin_variance (part);
    }
  if (count < BIN_MIN)
    return FALSE;
  *signal /= count;
  *variance /= count;
  return TRUE;
}

double
lb_linearity_error (const double *time, const double *signal, guint count, double *slope, double *deviation)
{
  double ratio = 0, square = 0, sum = 0;

  /* Least sum of (1 - slope time / signal)^2. */
  for (guint i = 0; i < count; i++)
    {
      const double part = time[i] / signal[i];

      ratio += part;
      square += part * part;
    }
  *slope = ratio / square;
  for (guint i = 0; i < count; i++)
    {
      const double off = signal[i] / (*slope * time[i]) - 1;

      if (deviation != NULL)
        deviation[i] = off;
      sum += fabs (off);
    }
  return count > 0 ? sum / count : NAN;
}
