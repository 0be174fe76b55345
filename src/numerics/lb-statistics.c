/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-statistics.h"

#include <float.h>
#include <math.h>

typedef struct
{
  gsize count;
  double mean_ideal, mean_measured;
  double low_ideal, high_ideal;
  double sum_ii, sum_mm, sum_im; /* of products of deviations from the means */
  double sum_ee, sum_e;          /* of e^2 and e */
  double max_e;
} Sums;

static gboolean
is_pair (double measured, double ideal)
{
  return isfinite (measured) && isfinite (ideal);
}

static void
gather_means (Sums *sums, const double *measured, const double *ideal, gsize count)
{
  sums->low_ideal = INFINITY;
  sums->high_ideal = -INFINITY;
  for (gsize i = 0; i < count; i++)
    if (is_pair (measured[i], ideal[i]))
      {
        sums->count++;
        sums->mean_ideal += ideal[i];
        sums->mean_measured += measured[i];
        sums->low_ideal = MIN (sums->low_ideal, ideal[i]);
        sums->high_ideal = MAX (sums->high_ideal, ideal[i]);
      }
  sums->mean_ideal /= (double) sums->count;
  sums->mean_measured /= (double) sums->count;
}

/* In a second round over the values: the squares of large means would drown
 * small deviations. */
static void
gather_products (Sums *sums, const double *measured, const double *ideal, gsize count)
{
  for (gsize i = 0; i < count; i++)
    if (is_pair (measured[i], ideal[i]))
      {
        double di = ideal[i] - sums->mean_ideal;
        double dm = measured[i] - sums->mean_measured;
        double e = measured[i] - ideal[i];

        sums->sum_ii += di * di;
        sums->sum_mm += dm * dm;
        sums->sum_im += di * dm;
        sums->sum_ee += e * e;
        sums->sum_e += e;
        sums->max_e = MAX (sums->max_e, fabs (e));
      }
}

/* The 97.5 % quantile of Student's t: Abramowitz and Stegun, 26.7.5, which is
 * within 0.2 % from three degrees of freedom on. */
static double
student_quantile (gsize degrees)
{
  const double z = 1.959963984540054, z2 = z * z;
  double r = 1.0 / (double) degrees;

  if (degrees == 1)
    return 12.706204736432095;
  if (degrees == 2)
    return 4.302652729911275;
  return z * (1 + r * ((z2 + 1) / 4 +
                       r * (((5 * z2 + 16) * z2 + 3) / 96 +
                            r * ((((3 * z2 + 19) * z2 + 17) * z2 - 15) / 384 +
                                 r * ((((79 * z2 + 776) * z2 + 1482) * z2 - 1920) * z2 - 945) / 92160))));
}

static void
fit_slope (const Sums *sums, LbFiguresOfMerit *figures)
{
  double rest, half_width = NAN;

  figures->slope = sums->sum_ii > 0 ? sums->sum_im / sums->sum_ii : NAN;
  figures->offset = sums->mean_measured - figures->slope * sums->mean_ideal;
  if (sums->count > 2)
    {
      rest = MAX (sums->sum_mm - figures->slope * sums->sum_im, 0);
      half_width =
          student_quantile (sums->count - 2) * sqrt (rest / (double) (sums->count - 2) / sums->sum_ii);
    }
  figures->slope_low = figures->slope - half_width;
  figures->slope_high = figures->slope + half_width;
}

/**
 * lb_figures_of_merit:
 * @measured: (count) measured values; NaN was not measured
 * @ideal: (count) what they should be
 * @count: number of pairs
 * @pass_scale: sqrt (sum over the passes of (mean of that pass)^2), in output
 *   units; over 0
 * @figures: (out): the figures. What the pairs do not determine is NaN: all of
 *   them if there is no finite pair, slope and correlation if the ideal values
 *   are all the same, the interval of the slope with less than three pairs
 *
 * Says how well measured values agree with ideal ones. Deviations of the ideal
 * values are those of the population (n, not n - 1), as rms(e) is. Without any
 * error the effective bits are infinite.
 */
void
lb_figures_of_merit (
    const double *measured, const double *ideal, gsize count, double pass_scale, LbFiguresOfMerit *figures)
{
  Sums sums = { 0 };
  double n;

  g_return_if_fail (count == 0 || (measured != NULL && ideal != NULL));
  g_return_if_fail (figures != NULL);

  gather_means (&sums, measured, ideal, count);
  if (sums.count > 0)
    gather_products (&sums, measured, ideal, count);

  n = sums.count > 0 ? (double) sums.count : NAN;
  figures->count = sums.count;
  figures->rms_error = sqrt (sums.sum_ee / n);
  figures->max_error = sums.count > 0 ? sums.max_e : NAN;
  figures->ideal_deviation = sqrt (sums.sum_ii / n);
  figures->normalised_error = figures->rms_error / pass_scale;
  figures->bias = sums.sum_e / n / pass_scale;
  figures->relative_error = figures->rms_error / figures->ideal_deviation;
  figures->correlation = sums.sum_im / sqrt (sums.sum_ii * sums.sum_mm);
  figures->effective_bits = log2 ((sums.high_ideal - sums.low_ideal) / (sqrt (12.0) * figures->rms_error));
  if (sums.count == 0)
    figures->effective_bits = NAN;
  fit_slope (&sums, figures);
}

/**
 * lb_mean:
 * @values: (count)
 * @count: number of values
 *
 * Returns: the arithmetic mean; NaN of no values.
 */
double
lb_mean (const double *values, gsize count)
{
  double sum = 0;

  g_return_val_if_fail (count == 0 || values != NULL, NAN);

  for (gsize i = 0; i < count; i++)
    sum += values[i];
  return count > 0 ? sum / (double) count : NAN;
}

/**
 * lb_standard_deviation:
 * @values: (count)
 * @count: number of values
 *
 * Returns: the sample standard deviation (n - 1); 0 for fewer than two values.
 */
double
lb_standard_deviation (const double *values, gsize count)
{
  double mean, sum = 0;

  g_return_val_if_fail (count == 0 || values != NULL, 0);

  if (count < 2)
    return 0;
  mean = lb_mean (values, count);
  for (gsize i = 0; i < count; i++)
    sum += (values[i] - mean) * (values[i] - mean);
  return sqrt (sum / (double) (count - 1));
}

static void
swap (double *a, double *b)
{
  double kept = *a;

  *a = *b;
  *b = kept;
}

static double
median_of_three (double a, double b, double c)
{
  return MAX (MIN (a, b), MIN (MAX (a, b), c));
}

/* Puts the value of that rank in its place, none larger before it, none smaller
 * behind it (Hoare, "Algorithm 65: find", 1961). */
static void
select_rank (double *values, gsize count, gsize rank)
{
  gssize low = 0, high = (gssize) count - 1;

  while (low < high)
    {
      double pivot = median_of_three (values[low], values[low + (high - low) / 2], values[high]);
      gssize i = low, j = high;

      while (i <= j)
        {
          while (values[i] < pivot)
            i++;
          while (values[j] > pivot)
            j--;
          if (i <= j)
            swap (&values[i++], &values[j--]);
        }
      if ((gssize) rank <= j)
        high = j;
      else if ((gssize) rank >= i)
        low = i;
      else
        return;
    }
}

/* Changes the order of @values. */
static double
interpolate_percentile (double *values, gsize count, double percent)
{
  double position, above = INFINITY;
  gsize rank;

  if (count == 0)
    return NAN;

  position = CLAMP (percent, 0, 100) / 100 * (double) (count - 1);
  rank = MIN ((gsize) position, count - 1);
  select_rank (values, count, rank);
  if (rank + 1 == count || position - (double) rank == 0)
    return values[rank];
  for (gsize i = rank + 1; i < count; i++)
    above = MIN (above, values[i]);
  return values[rank] + (position - (double) rank) * (above - values[rank]);
}

/**
 * lb_percentile:
 * @values: (count); not changed
 * @count: number of values
 * @percent: 0..100
 *
 * Returns: the percentile, linear between order statistics (numpy's default);
 * NaN are left out; NaN if nothing is left.
 */
double
lb_percentile (const double *values, gsize count, double percent)
{
  g_autofree double *copy = g_new (double, count);
  gsize left = 0;

  g_return_val_if_fail (count == 0 || values != NULL, NAN);
  g_return_val_if_fail (!isnan (percent), NAN);

  for (gsize i = 0; i < count; i++)
    if (!isnan (values[i]))
      copy[left++] = values[i];
  return interpolate_percentile (copy, left, percent);
}

/**
 * lb_percentile_float:
 * @values: (count); not changed
 * @count: number of values
 * @percent: 0..100
 *
 * As lb_percentile(), of floats.
 */
float
lb_percentile_float (const float *values, gsize count, double percent)
{
  g_autofree double *copy = g_new (double, count);
  gsize left = 0;

  g_return_val_if_fail (count == 0 || values != NULL, NAN);
  g_return_val_if_fail (!isnan (percent), NAN);

  for (gsize i = 0; i < count; i++)
    if (!isnan (values[i]))
      copy[left++] = values[i];
  return (float) interpolate_percentile (copy, left, percent);
}

/**
 * lb_isotonic_regression:
 * @values: (count), replaced; finite
 * @weights: (nullable): (count), not negative; %NULL: all the same
 * @count: number of values
 *
 * Replaces @values by the nearest non-decreasing sequence, in weighted least
 * squares, by pooling adjacent violators (Ayer et al., Ann. Math. Stat. 26,
 * 1955). A value of weight 0 takes that of its block, and moves no other.
 */
void
lb_isotonic_regression (double *values, const double *weights, gsize count)
{
  g_autofree double *means = g_new (double, count);
  g_autofree double *sums = g_new (double, count);
  g_autofree gsize *ends = g_new (gsize, count);
  gsize blocks = 0, i = 0;

  g_return_if_fail (count == 0 || values != NULL);

  for (gsize next = 0; next < count; next++)
    {
      double mean = values[next];
      /* Not quite 0, so that means of weightless values exist. */
      double sum = weights != NULL ? MAX (weights[next], DBL_MIN / DBL_EPSILON) : 1;

      while (blocks > 0 && means[blocks - 1] >= mean)
        {
          blocks--;
          mean += (means[blocks] - mean) * (sums[blocks] / (sums[blocks] + sum));
          sum += sums[blocks];
        }
      means[blocks] = mean;
      sums[blocks] = sum;
      ends[blocks++] = next + 1;
    }

  for (gsize block = 0; block < blocks; block++)
    for (; i < ends[block]; i++)
      values[i] = means[block];
}
