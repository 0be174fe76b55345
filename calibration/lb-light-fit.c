/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-light-fit-private.h"

#include <lb-least-squares.h>
#include <lb-statistics.h>
#include <math.h>

/* Points below that part of the largest power say little of the line. */
#define LOWEST 0.1
#define POINTS_MIN 3

gboolean
lb_light_line_fit (const double *level, const double *power, guint count, LbLightLine *line)
{
  g_autoptr (LbLeastSquares) squares = lb_least_squares_new (2, 1);
  double largest = 0, solution[2];
  guint points = 0;

  for (guint i = 0; i < count; i++)
    largest = isfinite (power[i]) ? MAX (largest, power[i]) : largest;
  for (guint i = 0; i < count; i++)
    if (isfinite (power[i]) && power[i] > LOWEST * largest)
      {
        const double row[2] = { 1, level[i] };

        lb_least_squares_add (squares, row, &power[i], 1 / (power[i] * power[i]));
        points++;
      }
  if (points < POINTS_MIN || !lb_least_squares_solve (squares, solution, NULL) || solution[1] <= 0)
    return FALSE;
  *line = (LbLightLine){ .threshold = -solution[0] / solution[1], .slope = solution[1] };
  for (guint i = 0; i < count; i++)
    if (isfinite (power[i]) && power[i] > LOWEST * largest)
      {
        const double off = fabs (power[i] / (line->slope * (level[i] - line->threshold)) - 1);

        if (off > line->worst)
          {
            line->worst = off;
            line->worst_level = level[i];
          }
      }
  return TRUE;
}

gboolean
lb_light_drift_fit (const double *time_s, const double *value, guint count, LbLightDrift *drift)
{
  double mean_time = 0, moment = 0, square = 0, rest = 0, steps = 0;

  *drift = (LbLightDrift){ .mean = lb_mean (value, count) };
  if (count < 4 || !(drift->mean > 0))
    return FALSE;
  mean_time = lb_mean (time_s, count);
  for (guint i = 0; i < count; i++)
    {
      moment += (time_s[i] - mean_time) * (value[i] / drift->mean - 1);
      square += (time_s[i] - mean_time) * (time_s[i] - mean_time);
    }
  if (!(square > 0))
    return FALSE;
  drift->per_s = moment / square;
  for (guint i = 0; i < count; i++)
    rest += pow (value[i] / drift->mean - 1 - drift->per_s * (time_s[i] - mean_time), 2);
  drift->per_s_error = sqrt (rest / (count - 2) / square);
  for (guint i = 1; i < count; i++)
    steps += pow ((value[i] - value[i - 1]) / drift->mean, 2);
  drift->jitter = sqrt (steps / (count - 1) / 2);
  return TRUE;
}
