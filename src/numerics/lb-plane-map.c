/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-least-squares.h"

#include <float.h>
#include <glib/gi18n-lib.h>
#include <math.h>

#include "lb-statistics.h"

/* Least absolute residuals first: their minimum is the only one, so that the
 * biweight, which has several, starts beside the right one. */
#define ABSOLUTE_ROUNDS 12
#define BIWEIGHT_ROUNDS 15
/* 95 % efficiency for normal errors. */
#define BIWEIGHT_CUTOFF 4.685
/* Median length of a plane vector of two standard normal components. */
#define RAYLEIGH_MEDIAN 1.1774100225154747
/* Samples on each side of the rectangle of which the inverse is fitted. */
#define INVERSE_SAMPLES 25

typedef struct
{
  const double *from_x;
  const double *from_y;
  const double *to_x;
  const double *to_y;
  gsize count;
} PointPairs;

static void
evaluate_terms (double u, double v, double terms[LB_PLANE_MAP_TERMS])
{
  terms[0] = 1;
  terms[1] = u;
  terms[2] = v;
  terms[3] = u * u;
  terms[4] = u * v;
  terms[5] = v * v;
  terms[6] = u * u * u;
  terms[7] = u * u * v;
  terms[8] = u * v * v;
  terms[9] = v * v * v;
}

/**
 * lb_plane_map_init_identity:
 * @map: map to set
 *
 * Makes @map leave every point where it is.
 */
void
lb_plane_map_init_identity (LbPlaneMap *map)
{
  g_return_if_fail (map != NULL);

  *map = (LbPlaneMap){ .scale = 1 };
  map->x[1] = 1;
  map->y[2] = 1;
}

/**
 * lb_plane_map_apply:
 * @map: a map
 * @x: coordinate in the input plane
 * @y: coordinate in the input plane
 * @out_x: (out): coordinate in the output plane
 * @out_y: (out): coordinate in the output plane
 *
 * Maps a point.
 */
void
lb_plane_map_apply (const LbPlaneMap *map, double x, double y, double *out_x, double *out_y)
{
  double terms[LB_PLANE_MAP_TERMS];
  double sum_x = 0;
  double sum_y = 0;

  evaluate_terms ((x - map->centre_x) / map->scale, (y - map->centre_y) / map->scale, terms);
  for (guint i = 0; i < LB_PLANE_MAP_TERMS; i++)
    {
      sum_x += map->x[i] * terms[i];
      sum_y += map->y[i] * terms[i];
    }
  *out_x = sum_x;
  *out_y = sum_y;
}

static double
derive_u (const double c[LB_PLANE_MAP_TERMS], double u, double v)
{
  return c[1] + 2 * c[3] * u + c[4] * v + 3 * c[6] * u * u + 2 * c[7] * u * v + c[8] * v * v;
}

static double
derive_v (const double c[LB_PLANE_MAP_TERMS], double u, double v)
{
  return c[2] + c[4] * u + 2 * c[5] * v + c[7] * u * u + 2 * c[8] * u * v + 3 * c[9] * v * v;
}

/**
 * lb_plane_map_jacobian:
 * @map: a map
 * @x: coordinate in the input plane
 * @y: coordinate in the input plane
 * @jacobian: (out): {dX/dx, dX/dy, dY/dx, dY/dy}
 *
 * Derives the map at a point.
 */
void
lb_plane_map_jacobian (const LbPlaneMap *map, double x, double y, double jacobian[4])
{
  double u = (x - map->centre_x) / map->scale;
  double v = (y - map->centre_y) / map->scale;

  jacobian[0] = derive_u (map->x, u, v) / map->scale;
  jacobian[1] = derive_v (map->x, u, v) / map->scale;
  jacobian[2] = derive_u (map->y, u, v) / map->scale;
  jacobian[3] = derive_v (map->y, u, v) / map->scale;
}

/* Puts centre and scale so that the points lie in -1..1. */
static void
centre_on_points (LbPlaneMap *map, const PointPairs *pairs, const double *weights)
{
  double low_x = INFINITY, high_x = -INFINITY;
  double low_y = INFINITY, high_y = -INFINITY;

  for (gsize i = 0; i < pairs->count; i++)
    if (weights[i] > 0)
      {
        low_x = MIN (low_x, pairs->from_x[i]);
        high_x = MAX (high_x, pairs->from_x[i]);
        low_y = MIN (low_y, pairs->from_y[i]);
        high_y = MAX (high_y, pairs->from_y[i]);
      }

  *map = (LbPlaneMap){ .scale = 1 };
  if (high_x < low_x)
    return;
  map->centre_x = (low_x + high_x) / 2;
  map->centre_y = (low_y + high_y) / 2;
  map->scale = MAX (high_x - low_x, high_y - low_y) / 2;
  if (!(map->scale > 0))
    map->scale = 1;
}

static gboolean
fit_weighted (LbPlaneMap *map, const PointPairs *pairs, const double *weights, GError **error)
{
  g_autoptr (LbLeastSquares) equations = lb_least_squares_new (LB_PLANE_MAP_TERMS, 2);
  double solution[2][LB_PLANE_MAP_TERMS];

  for (gsize i = 0; i < pairs->count; i++)
    if (weights[i] > 0)
      {
        double terms[LB_PLANE_MAP_TERMS];

        evaluate_terms ((pairs->from_x[i] - map->centre_x) / map->scale,
                        (pairs->from_y[i] - map->centre_y) / map->scale, terms);
        lb_least_squares_add (equations, terms, (double[]){ pairs->to_x[i], pairs->to_y[i] }, weights[i]);
      }

  if (!lb_least_squares_solve (equations, solution[0], NULL))
    {
      g_set_error_literal (error, LB_NUMERICS_ERROR, LB_NUMERICS_ERROR_SINGULAR,
                           _ ("The points do not determine a map of the plane: it takes ten or more, spread "
                              "over at least four rows and four columns"));
      return FALSE;
    }

  for (guint i = 0; i < LB_PLANE_MAP_TERMS; i++)
    {
      map->x[i] = solution[0][i];
      map->y[i] = solution[1][i];
    }
  return TRUE;
}

/* Length of the residual of each point; NaN for points that do not count. */
static void
measure_residuals (const LbPlaneMap *map, const PointPairs *pairs, double *residuals)
{
  for (gsize i = 0; i < pairs->count; i++)
    {
      double x, y;

      lb_plane_map_apply (map, pairs->from_x[i], pairs->from_y[i], &x, &y);
      residuals[i] = hypot (pairs->to_x[i] - x, pairs->to_y[i] - y);
    }
}

/* Standard deviation of a coordinate by the median residual, but no less than
 * what rounding leaves of exact points. */
static double
estimate_deviation (const LbPlaneMap *map, const double *residuals, gsize count)
{
  double size = 0;

  for (guint i = 0; i < LB_PLANE_MAP_TERMS; i++)
    size = MAX (size, MAX (fabs (map->x[i]), fabs (map->y[i])));
  return MAX (lb_percentile (residuals, count, 50) / RAYLEIGH_MEDIAN, MAX (size * 1e-12, DBL_MIN));
}

static double
biweight (double ratio)
{
  double rest = 1 - ratio * ratio;

  return ratio < 1 ? rest * rest : 0;
}

static void
reweight (
    const LbPlaneMap *map, const PointPairs *pairs, gboolean absolute, double *residuals, double *weights)
{
  double deviation;

  measure_residuals (map, pairs, residuals);
  deviation = estimate_deviation (map, residuals, pairs->count);
  for (gsize i = 0; i < pairs->count; i++)
    if (!isfinite (residuals[i]))
      weights[i] = 0;
    else if (absolute)
      weights[i] = deviation / MAX (residuals[i], 0.1 * deviation);
    else
      weights[i] = biweight (residuals[i] / (BIWEIGHT_CUTOFF * deviation));
}

static double
inlier_rms (const double *residuals, const double *weights, gsize count)
{
  double sum = 0;
  gsize inliers = 0;

  for (gsize i = 0; i < count; i++)
    if (weights[i] > 0)
      {
        sum += residuals[i] * residuals[i];
        inliers++;
      }
  return sqrt (sum / (double) inliers);
}

/**
 * lb_plane_map_fit:
 * @map: (out): the fitted map; undefined on failure
 * @from_x: (count) coordinates in the input plane
 * @from_y: (count)
 * @to_x: (count) coordinates in the output plane
 * @to_y: (count)
 * @count: number of points; ten or more that are not outliers. Points with a
 *   coordinate that is not finite do not count
 * @inliers: (nullable): (count) whether the point counted in the end
 * @residual_rms: (out) (nullable): sqrt of the mean of dx^2 + dy^2 of the
 *   inliers, in units of the output plane
 * @error: set to %LB_NUMERICS_ERROR_SINGULAR
 *
 * Fits the map to pairs of points, a part of which may be wrong: least
 * absolute residuals, then Tukey's biweight, both by reweighted least squares
 * (Holland and Welsch, "Robust regression using iteratively reweighted
 * least-squares", 1977).
 */
gboolean
lb_plane_map_fit (LbPlaneMap *map,
                  const double *from_x,
                  const double *from_y,
                  const double *to_x,
                  const double *to_y,
                  gsize count,
                  gboolean *inliers,
                  double *residual_rms,
                  GError **error)
{
  PointPairs pairs = { from_x, from_y, to_x, to_y, count };
  g_autofree double *weights = g_new0 (double, count);
  g_autofree double *residuals = g_new0 (double, count);

  g_return_val_if_fail (map != NULL, FALSE);
  g_return_val_if_fail (count == 0 || (from_x != NULL && from_y != NULL), FALSE);
  g_return_val_if_fail (count == 0 || (to_x != NULL && to_y != NULL), FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  for (gsize i = 0; i < count; i++)
    weights[i] = isfinite (from_x[i]) && isfinite (from_y[i]) && isfinite (to_x[i]) && isfinite (to_y[i]);
  centre_on_points (map, &pairs, weights);
  if (!fit_weighted (map, &pairs, weights, error))
    return FALSE;

  for (guint round = 0; round < ABSOLUTE_ROUNDS + BIWEIGHT_ROUNDS; round++)
    {
      reweight (map, &pairs, round < ABSOLUTE_ROUNDS, residuals, weights);
      if (!fit_weighted (map, &pairs, weights, error))
        return FALSE;
    }

  measure_residuals (map, &pairs, residuals);
  if (residual_rms != NULL)
    *residual_rms = inlier_rms (residuals, weights, count);
  if (inliers != NULL)
    for (gsize i = 0; i < count; i++)
      inliers[i] = weights[i] > 0;
  return TRUE;
}

/**
 * lb_plane_map_invert:
 * @map: a map
 * @x0: left of the rectangle, in the input plane of @map
 * @y0: top
 * @x1: right
 * @y1: bottom
 * @inverse: (out): maps what @map makes of the rectangle back to it
 * @residual_rms: (out) (nullable): sqrt of the mean of dx^2 + dy^2 over the
 *   samples, in units of the input plane of @map
 * @error: set to %LB_NUMERICS_ERROR_SINGULAR
 *
 * Fits a map from samples of @map, a regular grid over the rectangle, back to
 * where they came from.
 */
gboolean
lb_plane_map_invert (const LbPlaneMap *map,
                     double x0,
                     double y0,
                     double x1,
                     double y1,
                     LbPlaneMap *inverse,
                     double *residual_rms,
                     GError **error)
{
  const gsize count = INVERSE_SAMPLES * INVERSE_SAMPLES;
  g_autofree double *values = g_new (double, 6 * count);
  double *x = values, *y = values + count;
  double *mapped_x = values + 2 * count, *mapped_y = values + 3 * count;
  double *weights = values + 4 * count, *residuals = values + 5 * count;
  PointPairs pairs = { mapped_x, mapped_y, x, y, count };

  g_return_val_if_fail (map != NULL && inverse != NULL, FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  for (gsize i = 0; i < count; i++)
    {
      x[i] = x0 + (x1 - x0) * (double) (i % INVERSE_SAMPLES) / (INVERSE_SAMPLES - 1);
      y[i] = y0 + (y1 - y0) * (double) (i / INVERSE_SAMPLES) / (INVERSE_SAMPLES - 1);
      weights[i] = 1;
      lb_plane_map_apply (map, x[i], y[i], &mapped_x[i], &mapped_y[i]);
    }

  centre_on_points (inverse, &pairs, weights);
  if (!fit_weighted (inverse, &pairs, weights, error))
    return FALSE;

  measure_residuals (inverse, &pairs, residuals);
  if (residual_rms != NULL)
    *residual_rms = inlier_rms (residuals, weights, count);
  return TRUE;
}
