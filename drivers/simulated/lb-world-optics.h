/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <gio/gio.h>
#include <lb-random.h>

#include "lb-world-parameters.h"

G_BEGIN_DECLS

/* Zeros around a plane, so that taps need no checks at its border. */
#define LB_PLANE_PADDING 16

/* A padded plane of floats: value (x, y) is data[y * stride + x]; x and y from
 * -LB_PLANE_PADDING on. */
typedef struct
{
  guint width, height;
  gsize stride;
  float *data;
  /*< private >*/
  float *memory;
} LbWorldPlane;

void lb_world_plane_init (LbWorldPlane *self, guint width, guint height);
void lb_world_plane_clear (LbWorldPlane *self);

/* Affine map about the centres of two planes, then radial distortion:
 * u = A (p - centre_in); out = centre_out + u (1 + k |u|^2). */
typedef struct
{
  double in_x, in_y, out_x, out_y;
  double a[4], inverse[4];
  double k;
} LbWorldMap;

void lb_world_map_forward (const LbWorldMap *self, double x, double y, double *out_x, double *out_y);
/* The inverse; returns |det d(out)/d(in)| there. */
double lb_world_map_inverse (const LbWorldMap *self, double x, double y, double *in_x, double *in_y);

/* How finely positions between pixels are told apart. */
#define LB_KERNEL_PHASES 2048

/* Blur and pixel areas in one separable kernel: table[phase * width + tap]. */
typedef struct
{
  guint width;         /* taps a row: 8 or 16 */
  guint first, height; /* taps of a column that count: an even number */
  float *table;
} LbWorldKernel;

/* Where a pixel of the output takes its light: first tap, and the phases. */
typedef struct
{
  gint16 x, y;
  guint16 phase_x, phase_y;
} LbWorldTap;

/* Pixels [first, last) of a sensor row that see the weight plane, and the rows
 * [low, high) of it that they see; all 0 where there are none. */
typedef struct
{
  guint first, last;
  guint low, high;
} LbWorldSpan;

/* Pixels [x0, x1) and rows [y0, y1) of a plane. */
typedef struct
{
  guint x0, y0, x1, y1;
} LbWorldWindow;

/* A smooth field of a few cosines, largest magnitude 1. */
#define LB_FIELD_TERMS 4
typedef struct
{
  double coefficients[LB_FIELD_TERMS][LB_FIELD_TERMS];
} LbWorldField;

typedef struct
{
  guint source_width, source_height;
  guint weight_width, weight_height;
  guint sensor_width, sensor_height;
} LbWorldSizes;

/*
 * What does not change in a world: maps, kernels, taps, curves and fields. The
 * large arrays are made by lb_world_optics_prepare().
 */
typedef struct
{
  LbWorldSizes sizes;
  LbWorldParameters parameters;

  LbWorldMap source_to_weight;
  LbWorldMap weight_to_camera;
  LbWorldKernel source_kernel; /* source pixels to a weight-plane pixel */
  LbWorldKernel camera_kernel; /* weight-plane pixels to a camera pixel */

  float emission[256]; /* of a source pixel, floor included; 1 at 255 */
  float phase[256];    /* of the weight plane, in turns */
  LbWorldField nonuniformity_field, phase_field, stray_field;
  double illumination_x, illumination_y;     /* brightest point, weight-plane pixels */
  double illumination_exponent;              /* log of the envelope per square pixel */
  double fringe_kx, fringe_ky, fringe_phase; /* radians per pixel, radians */
  double stray_level;                        /* of a camera pixel, in full weight-plane pixels */

  /* After lb_world_optics_prepare(). */
  float *nonuniformity;      /* source_height x source_width, about 1 */
  float *phase_scale;        /* weight_height x weight_width, about 1 */
  float *illumination;       /* weight plane: light of a full source, flux conserved */
  LbWorldTap *source_taps;   /* weight plane */
  LbWorldTap *camera_taps;   /* sensor */
  LbWorldSpan *camera_spans; /* by sensor row */
  float *area;               /* sensor: weight-plane pixels a camera pixel covers */
  float *stray;              /* sensor: stray light, in full weight-plane pixels */
} LbWorldOptics;

void lb_world_optics_init (LbWorldOptics *self,
                           const LbWorldParameters *parameters,
                           const LbWorldSizes *sizes,
                           LbRandomKey key);
void lb_world_optics_prepare (LbWorldOptics *self);
void lb_world_optics_clear (LbWorldOptics *self);

/* The part of a plane of @width x @height that the taps [x0, x1) x [y0, y1) of
 * rows of @taps_width read by way of @kernel. */
LbWorldWindow lb_world_taps_window (const LbWorldTap *taps,
                                    guint taps_width,
                                    const LbWorldWindow *of,
                                    const LbWorldKernel *kernel,
                                    guint width,
                                    guint height);

/* At a point of the source plane, 1 on average. */
double lb_world_optics_nonuniformity_at (const LbWorldOptics *self, double x, double y);
/* At a point of the weight plane. */
double lb_world_optics_phase_scale_at (const LbWorldOptics *self, double x, double y);
double lb_world_optics_illumination_at (const LbWorldOptics *self, double x, double y);
/* Transmission of a weight-plane pixel, floor, loss and reflection included. */
double lb_world_optics_transmission_at (const LbWorldOptics *self, double x, double y, guint8 level);

G_END_DECLS
