/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define LB_NUMERICS_ERROR (lb_numerics_error_quark ())
GQuark lb_numerics_error_quark (void);
typedef enum
{
  LB_NUMERICS_ERROR_SINGULAR,
  LB_NUMERICS_ERROR_FORMAT, /* damaged or foreign file */
  LB_NUMERICS_ERROR_RANGE,
} LbNumericsError;

/*
 * Normal equations gathered row by row, in doubles, solved by Cholesky with
 * columns scaled; for up to a few tens of unknowns and several right sides.
 */
typedef struct _LbLeastSquares LbLeastSquares;

LbLeastSquares *lb_least_squares_new (guint unknowns, guint right_sides);
void lb_least_squares_add (LbLeastSquares *self, const double *row, const double *right, double weight);
/* @solution: (right_sides, unknowns), row-major. FALSE and SINGULAR if the
 * rows do not determine it. */
gboolean lb_least_squares_solve (LbLeastSquares *self, double *solution, GError **error);
void lb_least_squares_free (LbLeastSquares *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (LbLeastSquares, lb_least_squares_free)

/*
 * LbPlaneMap: a map of the plane as two bivariate cubic polynomials (10
 * coefficients each): an affine map with radial distortion and what
 * compositions of such maps need. Coordinates are centred and scaled first:
 * u = (x - centre_x) / scale, v = (y - centre_y) / scale; terms in the order
 * 1 u v uu uv vv uuu uuv uvv vvv.
 */
#define LB_PLANE_MAP_TERMS 10
typedef struct
{
  double centre_x, centre_y, scale;
  double x[LB_PLANE_MAP_TERMS];
  double y[LB_PLANE_MAP_TERMS];
} LbPlaneMap;

void lb_plane_map_init_identity (LbPlaneMap *map);
void lb_plane_map_apply (const LbPlaneMap *map, double x, double y, double *out_x, double *out_y);
/* d(out)/d(in) at a point: {dX/dx, dX/dy, dY/dx, dY/dy}. */
void lb_plane_map_jacobian (const LbPlaneMap *map, double x, double y, double jacobian[4]);
/*
 * Robust fit (iteratively reweighted, Tukey's biweight) of @count points from
 * -> to. @inliers may be NULL, else set TRUE where the final weight is over 0.
 * @residual_rms is over the inliers, per point (sqrt of mean dx^2 + dy^2).
 */
gboolean lb_plane_map_fit (LbPlaneMap *map,
                           const double *from_x,
                           const double *from_y,
                           const double *to_x,
                           const double *to_y,
                           gsize count,
                           gboolean *inliers,
                           double *residual_rms,
                           GError **error);
/* The inverse map over the rectangle, by fitting the polynomials to samples of
 * @map there; @residual_rms in units of the input plane. */
gboolean lb_plane_map_invert (const LbPlaneMap *map,
                              double x0,
                              double y0,
                              double x1,
                              double y1,
                              LbPlaneMap *inverse,
                              double *residual_rms,
                              GError **error);

G_END_DECLS
