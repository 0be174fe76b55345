/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib-object.h>
#include <lb-least-squares.h>
#include <lb-matrix.h>

G_BEGIN_DECLS

#define LB_OPTICS_ERROR (lb_optics_error_quark ())
GQuark lb_optics_error_quark (void);
typedef enum
{
  LB_OPTICS_ERROR_SPACE, /* too little of the planes can be used */
  LB_OPTICS_ERROR_SATURATED,
  LB_OPTICS_ERROR_DARK, /* no light where the reference patches should be bright */
  LB_OPTICS_ERROR_SHAPE,
} LbOpticsError;

#define LB_LEVELS 256

/**
 * LbCurves: transmission (or emission) against grey level, by zone of the
 * plane's macropixel grid.
 * @zones_x, @zones_y: number of zones across the grid's columns and rows
 * @values: [zone][LB_LEVELS], floor included; the largest value of the used
 *   range is 1; zone = zy * zones_x + zx
 * @low_level, @high_level: monotone range of levels that encoding uses, per zone
 */
typedef struct
{
  guint zones_x, zones_y;
  float *values;
  guint8 *low_level;
  guint8 *high_level;
} LbCurves;

void lb_curves_init (LbCurves *self, guint zones_x, guint zones_y); /* all linear, 0..1 */
void lb_curves_clear (LbCurves *self);
void lb_curves_copy (const LbCurves *from, LbCurves *to);
guint lb_curves_zone (const LbCurves *self, guint columns, guint rows, guint column, guint row);
/* Level in the monotone range whose value is nearest to @value. */
guint8 lb_curves_invert (const LbCurves *self, guint zone, float value);

/**
 * LbOpticsModel: all that encoding and decoding know of a bench: geometry,
 * curves, floors, flat field, stray light, sensor. Made by the calibration (or
 * from nominal values); pure data, immutable once shared. Lengths in pixels of
 * the plane named. Cells are macropixels of the weight plane's grid, index =
 * row * columns + column. Per-cell arrays have columns * rows values.
 *
 * Forward model: optics.md, "Forward model and decode"; here gain[i] = G_t c_i,
 * stray[i] is rho of the pixels of cell i, in units of the light L.
 */
typedef struct
{
  guint source_width, source_height;
  guint weight_width, weight_height;
  guint sensor_x, sensor_y, sensor_width, sensor_height; /* the camera's region in use, sensor pixels */
  guint bits;                                            /* of the camera format in use */

  guint macropixel;         /* weight-plane pixels a side */
  guint source_margin;      /* weight-plane pixels left dark by the source inside a macropixel's border */
  guint guard;              /* cells between tiles */
  guint origin_x, origin_y; /* weight-plane pixel of the grid's first cell */
  guint columns, rows;

  LbPlaneMap source_to_weight; /* pixel centres at integer coordinates on all planes */
  LbPlaneMap weight_to_camera; /* sensor pixels */
  LbPlaneMap camera_to_weight;

  guint8 *usable; /* per cell: 1 if source, weight plane and camera all reach it */
  LbCurves source_curves;
  LbCurves weight_curves;
  float *gain;  /* per cell; mean 1 over the usable cells */
  float *stray; /* per cell */

  /* Sensor, over the region in use (sensor_height x sensor_width). */
  LbMatrix *offset_dn;
  LbMatrix *dark_electrons_per_s;
  guint8 *defective;       /* 1: hot or dead */
  double electrons_per_dn; /* at gain 1 */
  double read_noise;       /* electrons rms a pixel */
  double full_well;        /* electrons */

  /* For forecasts; 0: not known. The brightest pixel is by its share of the light
   * of a fully lit cell of gain 1. */
  double light_per_us; /* L of a microsecond of exposure, at the usual set point */
  double peak_share;
  double full_power_w; /* on the weight plane, source full on, usual set point; 0: not known */
  double dark_power_w; /* that the meter reads without the light source: room light, its zero */

  double quantum_efficiency;
  double path_transmission; /* eta */
  gboolean photons_nominal; /* efficiency, path or electrons per DN not measured but nominal */
  gboolean calibrated;      /* FALSE: curves, floors, flat field are nominal */

  /*< private >*/
  gatomicrefcount references;
} LbOpticsModel;

/* Allocates the per-cell and per-pixel arrays (all cells usable, curves linear
 * without floor, gain 1, stray 0, offset 0, no defects) after the sizes are set. */
LbOpticsModel *lb_optics_model_new (guint source_width,
                                    guint source_height,
                                    guint weight_width,
                                    guint weight_height,
                                    guint sensor_x,
                                    guint sensor_y,
                                    guint sensor_width,
                                    guint sensor_height,
                                    guint macropixel,
                                    guint source_margin,
                                    guint guard);
LbOpticsModel *lb_optics_model_copy (const LbOpticsModel *self);
LbOpticsModel *lb_optics_model_ref (LbOpticsModel *self);
void lb_optics_model_unref (LbOpticsModel *self);
/* Marks as usable the cells that the source (its whole macropixel) and the
 * camera region reach by the maps. */
void lb_optics_model_find_usable (LbOpticsModel *self);
/* Marks as unusable the cells with a gain below @fraction of the median. */
void lb_optics_model_drop_dim (LbOpticsModel *self, double fraction);
static inline gsize
lb_optics_model_cells (const LbOpticsModel *self)
{
  return (gsize) self->columns * self->rows;
}
/* Floor of a cell's source and weight: value of its curve at the lowest used level. */
float lb_optics_model_source_floor (const LbOpticsModel *self, gsize cell);
float lb_optics_model_weight_floor (const LbOpticsModel *self, gsize cell);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (LbOpticsModel, lb_optics_model_unref)

G_END_DECLS
