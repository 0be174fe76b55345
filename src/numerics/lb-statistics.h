/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * LbFiguresOfMerit: how well measured values agree with ideal ones;
 * e = measured - ideal.
 * @count: number of pairs that were finite (only those count)
 * @normalised_error: rms(e) / pass scale (see lb_figures_of_merit())
 * @bias: mean(e) / pass scale
 * @slope: least-squares slope of measured on ideal, with its 95 % interval
 * @relative_error: rms(e) / std(ideal)
 * @correlation: Pearson's, of measured and ideal
 * @effective_bits: log2 (range of ideal / (sqrt (12) rms (e)))
 * @rms_error, @max_error: of e, in output units
 * @ideal_deviation: std(ideal), in output units
 */
typedef struct
{
  gsize count;
  double normalised_error;
  double bias;
  double slope;
  double slope_low;
  double slope_high;
  double offset;
  double relative_error;
  double correlation;
  double effective_bits;
  double rms_error;
  double max_error;
  double ideal_deviation;
} LbFiguresOfMerit;

/*
 * @pass_scale is sqrt (sum over the passes of (mean of that pass in output
 * units)^2); for one non-negative pass that is mean (ideal). With it
 * normalised_error is the constant g of the noise model of the paper (arXiv
 * 2302.10360). NaN in @measured marks a value that was not measured.
 */
void lb_figures_of_merit (
    const double *measured, const double *ideal, gsize count, double pass_scale, LbFiguresOfMerit *figures);

double lb_mean (const double *values, gsize count);
/* Sample standard deviation (n - 1); 0 for fewer than two values. */
double lb_standard_deviation (const double *values, gsize count);
/* Linear interpolation between order statistics, as numpy's percentile;
 * percent 0..100; copies and sorts. */
double lb_percentile (const double *values, gsize count, double percent);
float lb_percentile_float (const float *values, gsize count, double percent);
/* Pool-adjacent-violators: the non-decreasing sequence nearest to @values in
 * weighted least squares, in place. @weights may be NULL. */
void lb_isotonic_regression (double *values, const double *weights, gsize count);

G_END_DECLS
