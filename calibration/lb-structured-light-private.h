/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <lb-least-squares.h>

#include "lb-capture-private.h"

G_BEGIN_DECLS

/* Places of the camera at which a coordinate of a plane is known: from edges
 * between stripes. All of double; x, y are sensor pixels, value is in pixels of
 * the plane. */
typedef struct
{
  GArray *x, *y, *value;
} LbEdgePoints;

/**
 * LbStripes: Gray-code stripes of one plane, horizontal and vertical, each shown
 * with its inverse (Inokuchi, Sato and Matsuda, "Range imaging system for 3-D
 * object recognition", 1984); what the camera made of them; and the map that
 * follows.
 * @difference: [axis][bit], bit 0 the coarsest: frame less inverse frame, DN
 * @lit: per camera pixel: 1 where there is enough light to decode
 * @signal: frame with light less frame without, per pixel, DN; over 0 where lit
 */
typedef struct
{
  guint width, height; /* of the plane */
  guint stripe;        /* width of the narrowest stripe of the code, pixels of the plane */
  guint low, high;     /* grey levels of dark and bright */
  guint bits[2];       /* per axis */
  guint used_bits[2];  /* those that the camera can still tell apart */
  gint16 **difference[2];
  guint camera_width, camera_height;
  const guint8 *lit;
  const gint16 *signal;
  const LbFrame *held; /* the frame of a pattern until that of its inverse comes */
} LbStripes;

void lb_stripes_init (
    LbStripes *self, guint width, guint height, guint high, guint camera_width, guint camera_height);
void lb_stripes_clear (LbStripes *self);
/* Number of patterns, inverses included; pattern 2n + 1 is the inverse of 2n. */
guint lb_stripes_count (const LbStripes *self);
LbPattern *lb_stripes_render (const LbStripes *self, guint number);
/* Takes the frame of pattern @number, in their order. */
void lb_stripes_add_frame (LbStripes *self, guint number, LbFrame *frame);
/* Finds used_bits; @contrast of the finest used bit of the worse axis. */
void lb_stripes_find_used (LbStripes *self, double *contrast);
/* Edges of the stripes across @axis, at most @count_max of them, evenly. */
void lb_stripes_find_edges (
    const LbStripes *self, guint axis, const guint8 *defective, gsize count_max, LbEdgePoints *points);

void lb_edge_points_clear (LbEdgePoints *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (LbEdgePoints, lb_edge_points_clear)
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (LbStripes, lb_stripes_clear)

/**
 * LbPlaneFit: map from the camera to a plane, fitted to edges.
 * @residual: rms of the edges, in pixels of the plane
 * @systematic: rms over zones of the image of the zone's mean residual, in
 *   pixels of the plane: what the map is off by
 * @x0, @y0, @x1, @y1: part of the camera that the plane was seen in
 */
typedef struct
{
  LbPlaneMap camera_to_plane;
  LbPlaneMap plane_to_camera;
  double residual;
  double systematic;
  double x0, y0, x1, y1;
  LbMatrix *zone_residual; /* (zones_y, 2 * zones_x): along x, then along y; pixels of the plane */
} LbPlaneFit;

#define LB_FIT_ZONES_X 12
#define LB_FIT_ZONES_Y 8

gboolean lb_plane_fit_edges (LbPlaneFit *self,
                             const LbEdgePoints *across_x,
                             const LbEdgePoints *across_y,
                             GError **error);
void lb_plane_fit_clear (LbPlaneFit *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (LbPlaneFit, lb_plane_fit_clear)

G_END_DECLS
