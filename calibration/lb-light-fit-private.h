/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * LbLightLine: power against set point, slope * max (set point - threshold, 0).
 * @worst: largest relative deviation of a point from the line, of those above a tenth of the largest power
 * @worst_level: set point of that
 */
typedef struct
{
  double threshold, slope;
  double worst, worst_level;
} LbLightLine;

/* Points @level, @power, @count of them, with relative errors alike. FALSE if
 * fewer than three are above the threshold. */
gboolean lb_light_line_fit (const double *level, const double *power, guint count, LbLightLine *line);

/**
 * LbLightDrift: how the light changes.
 * @mean: of the values
 * @per_s, @per_s_error: relative slope with time and its standard error
 * @jitter: relative standard deviation from one value to the next without slow
 *   changes: of the differences of neighbours, over sqrt 2
 */
typedef struct
{
  double mean;
  double per_s, per_s_error;
  double jitter;
} LbLightDrift;

/* Values at times in seconds, in their order. FALSE for fewer than four, or a mean that is not above 0. */
gboolean lb_light_drift_fit (const double *time_s, const double *value, guint count, LbLightDrift *drift);

G_END_DECLS
