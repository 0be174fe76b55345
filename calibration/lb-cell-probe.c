/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-cell-probe-private.h"

#include <glib/gi18n-lib.h>
#include <math.h>
#include <string.h>

/* The zone's value that stands for a value 0..1: the floor comes on top. */
static float
lift (const LbCurves *curves, guint zone, guint thousandths)
{
  const float low = curves->values[(gsize) zone * LB_LEVELS + curves->low_level[zone]];
  const float part = (float) thousandths / 1000;

  return low * (1 - part) + part;
}

static guint8
cell_level (const LbCellProbe *self, const LbCurves *curves, guint number, guint32 cell)
{
  const LbOpticsModel *model = self->model;
  const guint column = cell % model->columns, row = cell / model->columns;
  const guint zone = lb_curves_zone (curves, model->columns, model->rows, column, row);

  if (number < LB_LEVELS)
    return (guint8) number;
  if (number >= LB_CELLS_CHECKER (0))
    return (column + row) % 2 == number - LB_CELLS_CHECKER (0) ? curves->high_level[zone]
                                                               : curves->low_level[zone];
  if (number >= LB_CELLS_LATTICE (0))
    return LB_CELLS_PHASE_OF (column, row) == number - LB_CELLS_LATTICE (0) ? curves->high_level[zone]
                                                                            : curves->low_level[zone];
  return lb_curves_invert (curves, zone, lift (curves, zone, number - LB_CELLS_DARK));
}

/* Levels of a pattern: all dark, references bright, the field as wanted. */
static void
fill_levels (LbCellProbe *self, const LbCurves *curves, guint number)
{
  const LbOpticsModel *model = self->model;

  for (guint32 cell = 0; cell < lb_optics_model_cells (model); cell++)
    self->levels[cell] = self->is_field[cell] ? cell_level (self, curves, number, cell)
                                              : cell_level (self, curves, LB_CELLS_DARK, cell);
  for (guint i = 0; i < self->layout->bright_cells->len; i++)
    {
      guint32 cell = g_array_index (self->layout->bright_cells, guint32, i);

      self->levels[cell] = cell_level (self, curves, LB_CELLS_FULL, cell);
    }
  for (guint32 cell = 0; self->always_on != NULL && cell < lb_optics_model_cells (model); cell++)
    if (self->always_on[cell])
      self->levels[cell] = cell_level (self, curves, LB_CELLS_FULL, cell);
}

static LbPattern *
render_source (guint number, gpointer data)
{
  LbCellProbe *self = data;

  fill_levels (self, &self->model->source_curves, number);
  return lb_pattern_new_take (self->model->source_width, self->model->source_height,
                              lb_encoder_render_source (self->encoder, self->levels));
}

static LbPattern *
render_weight (guint number, gpointer data)
{
  LbCellProbe *self = data;

  fill_levels (self, &self->model->weight_curves, number);
  return lb_pattern_new_take (self->model->weight_width, self->model->weight_height,
                              lb_encoder_render_weight (self->encoder, self->levels));
}

static void
index_pixels (LbCellProbe *self)
{
  const LbOpticsModel *model = self->model;

  self->cell_of_pixel = g_new (gint32, (gsize) model->sensor_width * model->sensor_height);
  for (guint y = 0; y < model->sensor_height; y++)
    for (guint x = 0; x < model->sensor_width; x++)
      {
        const gsize pixel = (gsize) y * model->sensor_width + x;
        double column, row;

        lb_plane_map_apply (&model->camera_to_weight, (double) model->sensor_x + x,
                            (double) model->sensor_y + y, &column, &row);
        column = floor ((column + 0.5 - model->origin_x) / model->macropixel);
        row = floor ((row + 0.5 - model->origin_y) / model->macropixel);
        self->cell_of_pixel[pixel] = -1;
        if (column >= 0 && row >= 0 && column < model->columns && row < model->rows &&
            !model->defective[pixel])
          self->cell_of_pixel[pixel] = (gint32) (row * model->columns + column);
      }
}

gboolean
lb_cell_probe_init (LbCellProbe *self,
                    LbCalibrationContext *context,
                    LbModelParts parts,
                    GCancellable *cancellable,
                    GError **error)
{
  LbCameraFormat region, actual;

  *self = (LbCellProbe){ 0 };
  self->model =
      lb_calibration_build_model (context->in_force, lb_bench_get_setup (context->bench), parts, error);
  if (self->model == NULL || !lb_calibration_get_region (context->in_force, &region, error) ||
      !lb_capture_set_region (context, &region, &actual, cancellable, error))
    return FALSE;
  if (actual.x != region.x || actual.y != region.y || actual.width != region.width ||
      actual.height != region.height)
    {
      g_set_error_literal (error, LB_CALIBRATION_ERROR, LB_CALIBRATION_ERROR_SIGNAL,
                           _ ("The camera does not take the region that the alignment chose: align again"));
      return FALSE;
    }
  self->layout = lb_layout_new_cells (self->model, error);
  if (self->layout == NULL)
    return FALSE;
  self->encoder = lb_encoder_new (self->model);
  self->is_field = g_malloc0 (lb_optics_model_cells (self->model));
  self->levels = g_malloc0 (lb_optics_model_cells (self->model));
  for (guint tile = 0; tile < self->layout->n_tiles; tile++)
    self->is_field[lb_cell_probe_cell (self, tile)] = 1;
  index_pixels (self);
  self->capture = (LbCapture){
    .context = context, .render_source = render_source, .render_weight = render_weight, .render_data = self
  };
  return TRUE;
}

void
lb_cell_probe_clear (LbCellProbe *self)
{
  g_clear_pointer (&self->layout, lb_layout_unref);
  g_clear_pointer (&self->encoder, lb_encoder_free);
  g_clear_pointer (&self->model, lb_optics_model_unref);
  g_clear_pointer (&self->is_field, g_free);
  g_clear_pointer (&self->always_on, g_free);
  g_clear_pointer (&self->levels, g_free);
  g_clear_pointer (&self->cell_of_pixel, g_free);
}

LbReading *
lb_cell_probe_read (LbCellProbe *self, LbFrame *frame, GError **error)
{
  g_autoptr (LbReading) reading = lb_readout_read (self->layout, frame->data, frame->width, frame->height,
                                                   frame->exposure_us, frame->gain, TRUE, error);
  guint64 saturated;

  if (reading == NULL)
    return NULL;
  saturated = reading->bright_saturated;
  for (guint tile = 0; tile < reading->tiles; tile++)
    saturated += reading->saturated[tile];
  if (saturated > self->layout->n_tiles / 100)
    {
      g_set_error (error, LB_CALIBRATION_ERROR, LB_CALIBRATION_ERROR_SIGNAL,
                   _ ("%llu pixels are saturated at %.2f ms: lower the light and run the step again"),
                   (unsigned long long) saturated, 1e-3 * frame->exposure_us);
      return NULL;
    }
  return g_steal_pointer (&reading);
}

void
lb_cell_probe_sum_cells (const LbCellProbe *self, LbFrame *frame, double *electrons)
{
  const LbOpticsModel *model = self->model;
  const double electrons_per_dn = model->electrons_per_dn / (frame->gain > 0 ? frame->gain : 1);
  const double exposure_s = 1e-6 * frame->exposure_us;

  memset (electrons, 0, lb_optics_model_cells (model) * sizeof *electrons);
  for (gsize y = 0; y < model->sensor_height; y++)
    {
      const gint32 *cells = self->cell_of_pixel + y * model->sensor_width;
      const guint16 *data = frame->data + y * model->sensor_width;
      const float *offset = lb_matrix_row (model->offset_dn, y);
      const float *dark = lb_matrix_row (model->dark_electrons_per_s, y);

      for (gsize x = 0; x < model->sensor_width; x++)
        if (cells[x] >= 0)
          electrons[cells[x]] += electrons_per_dn * (data[x] - (double) offset[x]) - dark[x] * exposure_s;
    }
}

double
lb_cell_probe_value (const LbCellProbe *self, const LbCurves *curves, guint32 cell, guint thousandths)
{
  const LbOpticsModel *model = self->model;
  const guint zone =
      lb_curves_zone (curves, model->columns, model->rows, cell % model->columns, cell / model->columns);

  return curves
      ->values[(gsize) zone * LB_LEVELS + lb_curves_invert (curves, zone, lift (curves, zone, thousandths))];
}

void
lb_cell_probe_plan (GArray *shots, guint source, guint weight, guint frames, guint tag)
{
  const LbCaptureShot shot = { .source = source, .weight = weight, .frames = frames, .tag = tag };

  g_array_append_val (shots, shot);
}

/* Fills the cells of a row, or column, that have no value with that of the
 * nearest one that has. */
static void
spread_line (float *values, guint8 *known, gsize count, gsize step)
{
  for (gsize pass = 0; pass < 2; pass++)
    {
      gssize last = -1;

      for (gsize i = 0; i < count; i++)
        {
          const gsize place = (pass == 0 ? i : count - 1 - i) * step;

          if (known[place] == 1)
            last = (gssize) place;
          else if (last >= 0 && known[place] == 0)
            {
              values[place] = values[last];
              known[place] = 2;
            }
        }
    }
}

LbMatrix *
lb_cell_probe_spread (const LbCellProbe *self, const double *values)
{
  const gsize columns = self->model->columns, rows = self->model->rows;
  g_autofree float *cells = g_new0 (float, columns *rows);
  g_autofree guint8 *known = g_malloc0 (columns * rows);
  LbMatrix *result = lb_matrix_new (rows, columns);

  for (guint tile = 0; tile < self->layout->n_tiles; tile++)
    if (isfinite (values[tile]))
      {
        cells[lb_cell_probe_cell (self, tile)] = (float) values[tile];
        known[lb_cell_probe_cell (self, tile)] = 1;
      }
  for (gsize row = 0; row < rows; row++)
    spread_line (cells + row * columns, known + row * columns, columns, 1);
  for (gsize i = 0; i < columns * rows; i++)
    known[i] = known[i] != 0;
  for (gsize column = 0; column < columns; column++)
    spread_line (cells + column, known + column, rows, columns);
  for (gsize row = 0; row < rows; row++)
    memcpy (lb_matrix_row (result, row), cells + row * columns, columns * sizeof (float));
  return result;
}
