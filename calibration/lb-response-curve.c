/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-response-curve-private.h"

#include <lb-statistics.h>
#include <math.h>
#include <string.h>

/* Quadratic through five points, at the middle one (Savitzky and Golay, 1964).
 * The points must be evenly spaced; ends, which have more light, stay. */
static void
smooth (const double *values, double *out, guint count)
{
  memcpy (out, values, count * sizeof *out);
  for (guint i = 2; i + 2 < count; i++)
    out[i] =
        (-3 * (values[i - 2] + values[i + 2]) + 12 * (values[i - 1] + values[i + 1]) + 17 * values[i]) / 35;
}

/* Slopes that keep the cubics monotone wherever the points are. */
static void
find_slopes (const guint *levels, const double *values, double *slopes, guint count)
{
  for (guint i = 0; i < count; i++)
    {
      double before = 0, after = 0, wide, narrow;

      if (i > 0)
        before = (values[i] - values[i - 1]) / (levels[i] - levels[i - 1]);
      if (i + 1 < count)
        after = (values[i + 1] - values[i]) / (levels[i + 1] - levels[i]);
      if (i == 0 || i + 1 == count)
        {
          slopes[i] = i == 0 ? after : before;
          continue;
        }
      wide = 2.0 * levels[i + 1] - levels[i] - levels[i - 1];
      narrow = (double) levels[i + 1] + levels[i] - 2.0 * levels[i - 1];
      slopes[i] = before * after <= 0 ? 0 : (wide + narrow) / (wide / before + narrow / after);
    }
}

static double
hermite (double t, double width, double y0, double y1, double slope0, double slope1)
{
  const double t2 = t * t, t3 = t2 * t;

  return (2 * t3 - 3 * t2 + 1) * y0 + (t3 - 2 * t2 + t) * width * slope0 + (3 * t2 - 2 * t3) * y1 +
         (t3 - t2) * width * slope1;
}

static void
interpolate (const guint *levels, const double *values, guint count, float *curve)
{
  g_autofree double *slopes = g_new (double, count);

  find_slopes (levels, values, slopes, count);
  for (guint i = 0; i + 1 < count; i++)
    {
      const double width = levels[i + 1] - levels[i];

      for (guint level = levels[i]; level <= levels[i + 1]; level++)
        curve[level] = (float) hermite ((level - levels[i]) / width, width, values[i], values[i + 1],
                                        slopes[i], slopes[i + 1]);
    }
}

double
lb_response_curve_fit (
    const guint *levels, const double *values, guint count, float *curve, guint8 *low, guint8 *high)
{
  g_autofree double *fitted = g_new (double, count);
  guint bottom = 0, top = 0;
  double largest;

  smooth (values, fitted, count);
  for (guint i = 0; i < count; i++)
    if (fitted[i] > fitted[top])
      top = i;
  for (guint i = 0; i <= top; i++)
    if (fitted[i] < fitted[bottom])
      bottom = i;
  lb_isotonic_regression (fitted + bottom, NULL, top - bottom + 1);
  interpolate (levels, fitted, count, curve);

  largest = fitted[top];
  for (guint level = 0; level < LB_LEVELS; level++)
    curve[level] = (float) MAX (curve[level] / largest, 0); /* a floor below 0 is noise */
  *low = (guint8) levels[bottom];
  *high = (guint8) levels[top];
  return largest;
}
