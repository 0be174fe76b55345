/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-structured-light-private.h"

#include <lb-statistics.h>
#include <math.h>

/* Samples a side when maps are put together. */
#define GRID 24
/* Fewer edges do not count as a zone. */
#define ZONE_POINTS_MIN 12

static double *
values_of (GArray *array)
{
  return (double *) (gpointer) array->data;
}

/* One coordinate of the plane as a polynomial of the camera's; @inliers: of the
 * points. */
static gboolean
fit_coordinate (
    const LbEdgePoints *points, LbPlaneMap *map, gboolean *inliers, double *residual, GError **error)
{
  const gsize count = points->value->len;
  g_autofree double *zeros = g_new0 (double, count);

  return lb_plane_map_fit (map, values_of (points->x), values_of (points->y), values_of (points->value),
                           zeros, count, inliers, residual, error);
}

static void
find_box (LbPlaneFit *self, const LbEdgePoints *a, const LbEdgePoints *b)
{
  const LbEdgePoints *both[2] = { a, b };

  self->x0 = self->y0 = -G_MAXDOUBLE;
  self->x1 = self->y1 = G_MAXDOUBLE;
  for (guint i = 0; i < 2; i++)
    {
      const double *x = values_of (both[i]->x), *y = values_of (both[i]->y);
      const gsize count = both[i]->x->len;

      /* Single edges outside may be noise. */
      self->x0 = MAX (self->x0, lb_percentile (x, count, 0.2));
      self->x1 = MIN (self->x1, lb_percentile (x, count, 99.8));
      self->y0 = MAX (self->y0, lb_percentile (y, count, 0.2));
      self->y1 = MIN (self->y1, lb_percentile (y, count, 99.8));
    }
}

/* One map of the two coordinates, each of which has a centre of its own. A
 * cubic stays one when its centre moves, so a grid of samples says it all. */
static gboolean
join_coordinates (LbPlaneFit *self, const LbPlaneMap *first, const LbPlaneMap *second, GError **error)
{
  double x[GRID * GRID], y[GRID * GRID], plane_x[GRID * GRID], plane_y[GRID * GRID], unused;

  for (guint i = 0; i < GRID * GRID; i++)
    {
      x[i] = self->x0 + (self->x1 - self->x0) * (i % GRID) / (GRID - 1.0);
      y[i] = self->y0 + (self->y1 - self->y0) * (i / GRID) / (GRID - 1.0);
      lb_plane_map_apply (first, x[i], y[i], &plane_x[i], &unused);
      lb_plane_map_apply (second, x[i], y[i], &plane_y[i], &unused);
    }
  return lb_plane_map_fit (&self->camera_to_plane, x, y, plane_x, plane_y, GRID * GRID, NULL, NULL, error);
}

/* Mean residual of each zone of the image; returns the sum of their squares. */
static double
average_zones (
    LbPlaneFit *self, const LbEdgePoints *points, const gboolean *inliers, guint axis, guint *zones)
{
  double sum[LB_FIT_ZONES_X * LB_FIT_ZONES_Y] = { 0 }, squares = 0;
  guint count[LB_FIT_ZONES_X * LB_FIT_ZONES_Y] = { 0 };

  for (gsize i = 0; i < points->value->len; i++)
    {
      double x = values_of (points->x)[i], y = values_of (points->y)[i], plane[2];
      guint zone_x =
          (guint) CLAMP (LB_FIT_ZONES_X * (x - self->x0) / (self->x1 - self->x0), 0, LB_FIT_ZONES_X - 1);
      guint zone_y =
          (guint) CLAMP (LB_FIT_ZONES_Y * (y - self->y0) / (self->y1 - self->y0), 0, LB_FIT_ZONES_Y - 1);
      guint zone = zone_y * LB_FIT_ZONES_X + zone_x;

      if (!inliers[i])
        continue;
      lb_plane_map_apply (&self->camera_to_plane, x, y, &plane[0], &plane[1]);
      sum[zone] += values_of (points->value)[i] - plane[axis];
      count[zone]++;
    }
  *zones = 0;
  for (guint zone = 0; zone < G_N_ELEMENTS (sum); zone++)
    if (count[zone] >= ZONE_POINTS_MIN)
      {
        double mean = sum[zone] / count[zone];

        lb_matrix_row (self->zone_residual,
                       zone / LB_FIT_ZONES_X)[axis * LB_FIT_ZONES_X + zone % LB_FIT_ZONES_X] = (float) mean;
        squares += mean * mean;
        (*zones)++;
      }
  return squares;
}

gboolean
lb_plane_fit_edges (LbPlaneFit *self,
                    const LbEdgePoints *across_x,
                    const LbEdgePoints *across_y,
                    GError **error)
{
  const LbEdgePoints *points[2] = { across_x, across_y };
  LbPlaneMap coordinate[2];
  double residual[2], squares = 0;
  gboolean *inliers[2] = { NULL, NULL };
  gboolean done = TRUE;

  for (guint axis = 0; done && axis < 2; axis++)
    {
      inliers[axis] = g_new (gboolean, points[axis]->value->len + 1);
      done = fit_coordinate (points[axis], &coordinate[axis], inliers[axis], &residual[axis], error);
    }
  if (done)
    {
      find_box (self, across_x, across_y);
      done = join_coordinates (self, &coordinate[0], &coordinate[1], error) &&
             lb_plane_map_invert (&self->camera_to_plane, self->x0, self->y0, self->x1, self->y1,
                                  &self->plane_to_camera, NULL, error);
    }
  if (done)
    {
      self->residual = hypot (residual[0], residual[1]);
      g_clear_pointer (&self->zone_residual, lb_matrix_unref);
      self->zone_residual = lb_matrix_new (LB_FIT_ZONES_Y, 2 * LB_FIT_ZONES_X);
      for (guint axis = 0; axis < 2; axis++)
        {
          guint zones;
          double sum = average_zones (self, points[axis], inliers[axis], axis, &zones);

          squares += sum / MAX (zones, 1);
        }
      self->systematic = sqrt (squares);
    }
  g_free (inliers[0]);
  g_free (inliers[1]);
  return done;
}

void
lb_plane_fit_clear (LbPlaneFit *self)
{
  g_clear_pointer (&self->zone_residual, lb_matrix_unref);
}
