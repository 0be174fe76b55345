/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-verification-shares.h"

#include <math.h>

#include "lb-verification-private.h"

G_STATIC_ASSERT (LB_VERIFICATION_CAUSES == LB_N_SHARES);

/**
 * lb_verification_cause_name:
 * @cause: less than %LB_VERIFICATION_CAUSES
 *
 * Returns: its name for machines
 */
const char *
lb_verification_cause_name (guint cause)
{
  g_return_val_if_fail (cause < LB_VERIFICATION_CAUSES, NULL);

  return lb_share_names[cause];
}

/* The nearest groups of that sign below and above a length, at the usual light. */
static void
find_rows (
    const LbMatrix *groups, double length, gboolean is_signed, const float **below, const float **above)
{
  *below = *above = NULL;
  for (gsize i = 0; i < groups->rows; i++)
    {
      const float *row = lb_matrix_row (groups, i);

      if ((row[LB_COLUMN_SIGNED] > 0.5f) != is_signed || row[LB_COLUMN_SWEEP] > 0.5f)
        continue;
      if (row[LB_COLUMN_LENGTH] <= length &&
          (*below == NULL || row[LB_COLUMN_LENGTH] > (*below)[LB_COLUMN_LENGTH]))
        *below = row;
      if (row[LB_COLUMN_LENGTH] >= length &&
          (*above == NULL || row[LB_COLUMN_LENGTH] < (*above)[LB_COLUMN_LENGTH]))
        *above = row;
    }
  if (*below == NULL)
    *below = *above;
  if (*above == NULL)
    *above = *below;
}

/* Mean square error by a cause, in units of the passes' means squared. */
static double
square_of (const float *row, guint cause, double photons)
{
  const double light = row[LB_COLUMN_PHOTONS] / photons;
  const double all = pow (row[LB_COLUMN_ERROR], 2), square = all * row[LB_N_COLUMNS + cause];

  if (cause == LB_SHARE_SHOT)
    return square * light;
  /* The camera's rounding is electrons, as read noise is; that of the levels goes with the product. */
  if (cause == LB_SHARE_QUANTISATION)
    return square + all * row[LB_COLUMN_CONVERTER] * (light * light - 1);
  return cause == LB_SHARE_READ ? square * light * light : square;
}

/**
 * lb_verification_find_shares:
 * @verification: a result of the step verification
 * @length: of the vectors
 * @is_signed: of the products
 * @photons_per_mac: light of the products
 * @normalised_error: of the products, a fraction
 * @shares: (out caller-allocates): of each cause
 *
 * Returns: whether the verification says something of such products
 */
gboolean
lb_verification_find_shares (LbCalibration *verification,
                             double length,
                             gboolean is_signed,
                             double photons_per_mac,
                             double normalised_error,
                             double shares[LB_VERIFICATION_CAUSES])
{
  const LbMatrix *groups;
  const float *below, *above;
  double part = 0, sum = 0;

  g_return_val_if_fail (LB_IS_CALIBRATION (verification) && shares != NULL, FALSE);

  groups = lb_calibration_get_array (verification, "groups");
  if (groups == NULL || groups->columns != LB_N_COLUMNS + LB_N_SHARES || !(photons_per_mac > 0) ||
      !(normalised_error > 0))
    return FALSE;
  find_rows (groups, length, is_signed, &below, &above);
  if (below == NULL)
    return FALSE;
  if (below != above)
    part = log (length / below[LB_COLUMN_LENGTH]) / log (above[LB_COLUMN_LENGTH] / below[LB_COLUMN_LENGTH]);
  for (guint cause = 0; cause < LB_SHARE_INTERACTION; cause++)
    {
      const double square = (1 - part) * square_of (below, cause, photons_per_mac) +
                            part * square_of (above, cause, photons_per_mac);

      shares[cause] = square / normalised_error / normalised_error;
      sum += shares[cause];
    }
  shares[LB_SHARE_INTERACTION] = 1 - sum;
  return TRUE;
}
