/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-optics-private.h"

#include <math.h>
#include <lb-statistics.h>
#include <string.h>

G_DEFINE_QUARK (lb_optics_error, lb_optics_error)

/* Rounding of a fitted inverse map must not cost the cells at the border. */
#define REACH_TOLERANCE 0.05

/**
 * lb_curves_init:
 * @self: curves to set
 * @zones_x: zones across the grid's columns, at least 1
 * @zones_y: zones across the grid's rows, at least 1
 *
 * Allocates the curves of all zones, each linear from 0 to 1.
 */
void
lb_curves_init (LbCurves *self, guint zones_x, guint zones_y)
{
  const gsize zones = (gsize) zones_x * zones_y;

  g_return_if_fail (self != NULL && zones > 0);

  self->zones_x = zones_x;
  self->zones_y = zones_y;
  self->values = g_new (float, zones *LB_LEVELS);
  self->low_level = g_new0 (guint8, zones);
  self->high_level = g_new (guint8, zones);
  memset (self->high_level, LB_LEVELS - 1, zones);
  for (gsize i = 0; i < zones * LB_LEVELS; i++)
    self->values[i] = (float) (i % LB_LEVELS) / (LB_LEVELS - 1);
}

/**
 * lb_curves_clear:
 * @self: curves, or zeros
 *
 * Frees what the curves hold.
 */
void
lb_curves_clear (LbCurves *self)
{
  g_return_if_fail (self != NULL);

  g_clear_pointer (&self->values, g_free);
  g_clear_pointer (&self->low_level, g_free);
  g_clear_pointer (&self->high_level, g_free);
  self->zones_x = self->zones_y = 0;
}

/**
 * lb_curves_copy:
 * @from: curves
 * @to: initialised (or zeroed) curves, replaced
 *
 * Makes @to a deep copy of @from.
 */
void
lb_curves_copy (const LbCurves *from, LbCurves *to)
{
  gsize zones;

  g_return_if_fail (from != NULL && to != NULL);

  if (from == to)
    return;
  zones = (gsize) from->zones_x * from->zones_y;
  lb_curves_clear (to);
  to->zones_x = from->zones_x;
  to->zones_y = from->zones_y;
  to->values = g_memdup2 (from->values, zones * LB_LEVELS * sizeof (float));
  to->low_level = g_memdup2 (from->low_level, zones);
  to->high_level = g_memdup2 (from->high_level, zones);
}

/**
 * lb_curves_zone:
 * @columns: of the macropixel grid
 * @rows: of the macropixel grid
 * @column: of a cell
 * @row: of a cell
 *
 * The zone in which a cell lies.
 */
guint
lb_curves_zone (const LbCurves *self, guint columns, guint rows, guint column, guint row)
{
  guint64 x, y;

  g_return_val_if_fail (self != NULL && column < columns && row < rows, 0);

  x = (guint64) column * self->zones_x / columns;
  y = (guint64) row * self->zones_y / rows;
  return (guint) (y * self->zones_x + x);
}

/**
 * lb_curves_invert:
 * @zone: of the cell
 * @value: transmission or emission, floor included; of the highest used level: 1
 *
 * The level between the zone's low and high level whose value is nearest. The
 * curve rises from low_level to high_level, whichever of them is greater.
 */
guint8
lb_curves_invert (const LbCurves *self, guint zone, float value)
{
  const float *values = self->values + (gsize) zone * LB_LEVELS;
  const int low = self->low_level[zone];
  const int steps = abs ((int) self->high_level[zone] - low);
  const int direction = self->high_level[zone] >= low ? 1 : -1;
  int under = 0, over = steps;

  /* The last step whose value is not above the one that is wanted. */
  while (under < over)
    {
      const int middle = (under + over + 1) / 2;

      if (values[low + direction * middle] <= value)
        under = middle;
      else
        over = middle - 1;
    }
  if (under < steps &&
      values[low + direction * (under + 1)] - value < value - values[low + direction * under])
    under++;
  return (guint8) (low + direction * under);
}

static float *
new_filled (gsize count, float value)
{
  float *values = g_new (float, count);

  for (gsize i = 0; i < count; i++)
    values[i] = value;
  return values;
}

/**
 * lb_optics_model_new:
 * @source_width, @source_height: of the source plane, pixels
 * @weight_width, @weight_height: of the weight plane, pixels
 * @sensor_x, @sensor_y, @sensor_width, @sensor_height: the camera's region in use, sensor pixels
 * @macropixel: weight-plane pixels a side
 * @source_margin: weight-plane pixels that the source leaves dark inside a macropixel's border
 * @guard: cells between tiles
 *
 * A model with ideal optics: maps are identities, all cells are usable, curves
 * linear without floor, gain 1, no stray light, offset or defects, 12 bits, one
 * electron per DN. The grid of macropixels is centred on the weight plane.
 *
 * Returns: (transfer full): the model, to be filled before it is shared
 */
LbOpticsModel *
lb_optics_model_new (guint source_width,
                     guint source_height,
                     guint weight_width,
                     guint weight_height,
                     guint sensor_x,
                     guint sensor_y,
                     guint sensor_width,
                     guint sensor_height,
                     guint macropixel,
                     guint source_margin,
                     guint guard)
{
  LbOpticsModel *self;
  gsize cells;

  g_return_val_if_fail (macropixel > 0 && 2 * source_margin < macropixel, NULL);
  g_return_val_if_fail (weight_width >= macropixel && weight_height >= macropixel, NULL);
  g_return_val_if_fail (source_width > 0 && source_height > 0, NULL);
  g_return_val_if_fail (sensor_width > 0 && sensor_height > 0, NULL);

  self = g_new0 (LbOpticsModel, 1);
  g_atomic_ref_count_init (&self->references);
  self->source_width = source_width;
  self->source_height = source_height;
  self->weight_width = weight_width;
  self->weight_height = weight_height;
  self->sensor_x = sensor_x;
  self->sensor_y = sensor_y;
  self->sensor_width = sensor_width;
  self->sensor_height = sensor_height;
  self->bits = 12;
  self->macropixel = macropixel;
  self->source_margin = source_margin;
  self->guard = guard;
  self->columns = weight_width / macropixel;
  self->rows = weight_height / macropixel;
  self->origin_x = (weight_width - self->columns * macropixel) / 2;
  self->origin_y = (weight_height - self->rows * macropixel) / 2;
  lb_plane_map_init_identity (&self->source_to_weight);
  lb_plane_map_init_identity (&self->weight_to_camera);
  lb_plane_map_init_identity (&self->camera_to_weight);
  cells = lb_optics_model_cells (self);
  self->usable = g_malloc (cells);
  memset (self->usable, 1, cells);
  lb_curves_init (&self->source_curves, 1, 1);
  lb_curves_init (&self->weight_curves, 1, 1);
  self->gain = new_filled (cells, 1);
  self->stray = new_filled (cells, 0);
  self->offset_dn = lb_matrix_new (sensor_height, sensor_width);
  self->dark_electrons_per_s = lb_matrix_new (sensor_height, sensor_width);
  self->defective = g_malloc0 ((gsize) sensor_width * sensor_height);
  self->electrons_per_dn = 1;
  self->full_well = G_MAXDOUBLE;
  self->quantum_efficiency = 1;
  self->path_transmission = 1;
  self->photons_nominal = TRUE;
  return self;
}

/**
 * lb_optics_model_copy:
 *
 * A deep copy, to be changed.
 *
 * Returns: (transfer full): the copy
 */
LbOpticsModel *
lb_optics_model_copy (const LbOpticsModel *self)
{
  LbOpticsModel *copy;
  gsize cells;

  g_return_val_if_fail (self != NULL, NULL);

  cells = lb_optics_model_cells (self);
  copy = g_memdup2 (self, sizeof *self);
  g_atomic_ref_count_init (&copy->references);
  copy->usable = g_memdup2 (self->usable, cells);
  copy->source_curves = (LbCurves){ 0 };
  copy->weight_curves = (LbCurves){ 0 };
  lb_curves_copy (&self->source_curves, &copy->source_curves);
  lb_curves_copy (&self->weight_curves, &copy->weight_curves);
  copy->gain = g_memdup2 (self->gain, cells * sizeof (float));
  copy->stray = g_memdup2 (self->stray, cells * sizeof (float));
  copy->offset_dn = lb_matrix_copy (self->offset_dn);
  copy->dark_electrons_per_s = lb_matrix_copy (self->dark_electrons_per_s);
  copy->defective = g_memdup2 (self->defective, (gsize) self->sensor_width * self->sensor_height);
  return copy;
}

/**
 * lb_optics_model_ref:
 *
 * Returns: (transfer full): @self with one more reference
 */
LbOpticsModel *
lb_optics_model_ref (LbOpticsModel *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  g_atomic_ref_count_inc (&self->references);
  return self;
}

/**
 * lb_optics_model_unref:
 *
 * Drops a reference; the last one frees the model.
 */
void
lb_optics_model_unref (LbOpticsModel *self)
{
  g_return_if_fail (self != NULL);

  if (!g_atomic_ref_count_dec (&self->references))
    return;
  g_free (self->usable);
  lb_curves_clear (&self->source_curves);
  lb_curves_clear (&self->weight_curves);
  g_free (self->gain);
  g_free (self->stray);
  lb_matrix_unref (self->offset_dn);
  lb_matrix_unref (self->dark_electrons_per_s);
  g_free (self->defective);
  g_free (self);
}

/**
 * lb_optics_map_row:
 * @x0: x of the first point
 * @y: of all points
 * @count: number of points, one pixel apart
 * @out_x, @out_y: @count coordinates each
 *
 * Maps a row of pixels. On a row the two polynomials are cubics in x, which
 * saves four fifths of the work of lb_plane_map_apply().
 */
void
lb_optics_map_row (const LbPlaneMap *map, double x0, double y, gsize count, double *out_x, double *out_y)
{
  const double v = (y - map->centre_y) / map->scale;
  double cubic[2][4];

  for (guint axis = 0; axis < 2; axis++)
    {
      const double *k = axis == 0 ? map->x : map->y;

      cubic[axis][0] = k[0] + v * (k[2] + v * (k[5] + v * k[9]));
      cubic[axis][1] = k[1] + v * (k[4] + v * k[8]);
      cubic[axis][2] = k[3] + v * k[7];
      cubic[axis][3] = k[6];
    }
  for (gsize i = 0; i < count; i++)
    {
      const double u = (x0 + (double) i - map->centre_x) / map->scale;

      out_x[i] = cubic[0][0] + u * (cubic[0][1] + u * (cubic[0][2] + u * cubic[0][3]));
      out_y[i] = cubic[1][0] + u * (cubic[1][1] + u * (cubic[1][2] + u * cubic[1][3]));
    }
}

static gboolean
is_inside (const LbPlaneMap *map, double x, double y, double left, double top, double width, double height)
{
  double mapped_x, mapped_y;

  lb_plane_map_apply (map, x, y, &mapped_x, &mapped_y);
  return mapped_x >= left - 0.5 - REACH_TOLERANCE && mapped_x <= left + width - 0.5 + REACH_TOLERANCE &&
         mapped_y >= top - 0.5 - REACH_TOLERANCE && mapped_y <= top + height - 0.5 + REACH_TOLERANCE;
}

void
lb_optics_model_find_reachable (const LbOpticsModel *self, guint8 *reachable)
{
  const double side = self->macropixel;
  const double around = 0.5 * self->guard * side;
  LbPlaneMap weight_to_source;

  memset (reachable, 0, lb_optics_model_cells (self));
  if (!lb_plane_map_invert (&self->source_to_weight, 0, 0, self->source_width - 1.0,
                            self->source_height - 1.0, &weight_to_source, NULL, NULL))
    return;
  for (guint row = 0; row < self->rows; row++)
    for (guint column = 0; column < self->columns; column++)
      {
        const double left = self->origin_x + column * side - 0.5, top = self->origin_y + row * side - 0.5;
        gboolean inside = TRUE;

        for (guint corner = 0; corner < 4 && inside; corner++)
          {
            const double x = left + (corner % 2) * side, y = top + (corner / 2) * side;
            const double far_x = x + (corner % 2 != 0 ? around : -around);
            const double far_y = y + (corner / 2 != 0 ? around : -around);

            inside = is_inside (&weight_to_source, x, y, 0, 0, self->source_width, self->source_height) &&
                     is_inside (&self->weight_to_camera, far_x, far_y, self->sensor_x, self->sensor_y,
                                self->sensor_width, self->sensor_height);
          }
        reachable[(gsize) row * self->columns + column] = inside;
      }
}

/**
 * lb_optics_model_find_usable:
 *
 * Sets `usable` from the geometry: 1 for the cells whose whole macropixel the
 * source reaches and whose light, half a guard around included, falls into the
 * camera's region.
 */
void
lb_optics_model_find_usable (LbOpticsModel *self)
{
  g_return_if_fail (self != NULL);

  lb_optics_model_find_reachable (self, self->usable);
}

/**
 * lb_optics_model_drop_dim:
 * @fraction: of the median gain of the usable cells
 *
 * Marks as unusable the cells whose gain is below that.
 */
void
lb_optics_model_drop_dim (LbOpticsModel *self, double fraction)
{
  g_autofree float *gains = NULL;
  gsize cells, count = 0;
  float limit;

  g_return_if_fail (self != NULL && fraction >= 0);

  cells = lb_optics_model_cells (self);
  gains = g_new (float, cells);
  for (gsize i = 0; i < cells; i++)
    if (self->usable[i])
      gains[count++] = self->gain[i];
  if (count == 0)
    return;
  limit = (float) (fraction * lb_percentile_float (gains, count, 50));
  for (gsize i = 0; i < cells; i++)
    /* Written so that a NaN is dropped too. */
    if (!(self->gain[i] >= limit))
      self->usable[i] = 0;
}

static float
curve_floor (const LbOpticsModel *self, const LbCurves *curves, gsize cell)
{
  const guint zone = lb_curves_zone (curves, self->columns, self->rows, (guint) (cell % self->columns),
                                     (guint) (cell / self->columns));

  return curves->values[(gsize) zone * LB_LEVELS + curves->low_level[zone]];
}

/**
 * lb_optics_model_source_floor:
 * @cell: index of a cell
 *
 * fx: what the source gives at its lowest used level, as a part of the highest.
 */
float
lb_optics_model_source_floor (const LbOpticsModel *self, gsize cell)
{
  g_return_val_if_fail (self != NULL && cell < lb_optics_model_cells (self), 0);

  return curve_floor (self, &self->source_curves, cell);
}

/**
 * lb_optics_model_weight_floor:
 * @cell: index of a cell
 *
 * fw: what the weight plane lets through at its lowest used level, as a part of
 * the highest.
 */
float
lb_optics_model_weight_floor (const LbOpticsModel *self, gsize cell)
{
  g_return_val_if_fail (self != NULL && cell < lb_optics_model_cells (self), 0);

  return curve_floor (self, &self->weight_curves, cell);
}
