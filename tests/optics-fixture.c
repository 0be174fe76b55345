/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "optics-fixture.h"

#include <lb-random.h>
#include <math.h>

/* Blur in macropixels, and how far light is followed. */
#define BLUR 0.15
#define REACH 1.2

typedef struct
{
  guint32 pixel;
  float share;
} Splat;

static void
set_affine (LbPlaneMap *map,
            double angle,
            double scale_x,
            double scale_y,
            double from_x,
            double from_y,
            double to_x,
            double to_y)
{
  lb_plane_map_init_identity (map);
  map->x[1] = scale_x * cos (angle);
  map->x[2] = -scale_y * sin (angle);
  map->y[1] = scale_x * sin (angle);
  map->y[2] = scale_y * cos (angle);
  map->x[0] = to_x - map->x[1] * from_x - map->x[2] * from_y;
  map->y[0] = to_y - map->y[1] * from_x - map->y[2] * from_y;
}

static void
set_curves (LbCurves *curves, double power, double floor)
{
  lb_curves_clear (curves);
  lb_curves_init (curves, 2, 2);
  for (guint zone = 0; zone < 4; zone++)
    for (guint level = 0; level < LB_LEVELS; level++)
      curves->values[zone * LB_LEVELS + level] =
          (float) (floor + (1 - floor) * pow (level / (LB_LEVELS - 1.0), power + 0.1 * zone));
}

static void
set_flat_field (LbOpticsModel *model)
{
  double sum = 0;

  for (gsize i = 0; i < lb_optics_model_cells (model); i++)
    {
      const double x = (double) (i % model->columns) / model->columns - 0.5;
      const double y = (double) (i / model->columns) / model->rows - 0.5;

      model->gain[i] = (float) (exp (-(x * x + y * y)) * (1 + 0.02 * sin (40 * x + 17 * y)));
      model->stray[i] = (float) (0.003 * (1 + x));
      sum += model->gain[i];
    }
  for (gsize i = 0; i < lb_optics_model_cells (model); i++)
    model->gain[i] *= (float) ((double) lb_optics_model_cells (model) / sum);
}

LbOpticsModel *
optics_fixture_new_model (void)
{
  LbOpticsModel *model = lb_optics_model_new (320, 200, 320, 200, 4, 2, 272, 176, 4, 1, 1);
  const LbRandomKey key = lb_random_key (7);

  set_affine (&model->source_to_weight, 0.012, -1.01, 1.01, 159.5, 99.5, 162, 97);
  set_affine (&model->weight_to_camera, -0.01, 0.75, -0.75, 159.5, 99.5, 141, 91);
  g_assert_true (
      lb_plane_map_invert (&model->weight_to_camera, 0, 0, 319, 199, &model->camera_to_weight, NULL, NULL));
  set_curves (&model->source_curves, 1.8, 0.02);
  set_curves (&model->weight_curves, 1.2, 0.01);
  set_flat_field (model);
  model->bits = 16;
  model->electrons_per_dn = 0.5;
  model->read_noise = 1.6;
  model->full_well = 30000;
  model->quantum_efficiency = 0.7;
  model->path_transmission = 0.714;
  for (gsize y = 0; y < model->sensor_height; y++)
    for (gsize x = 0; x < model->sensor_width; x++)
      {
        lb_matrix_row (model->offset_dn, y)[x] =
            64 + (float) lb_random_normal_at (key, 0, y * model->sensor_width + x);
        lb_matrix_row (model->dark_electrons_per_s, y)[x] = 5;
      }
  lb_optics_model_find_usable (model);
  return model;
}

static double
profile (double distance, double half_width)
{
  return erf ((half_width - distance) / (BLUR * G_SQRT2)) + erf ((half_width + distance) / (BLUR * G_SQRT2));
}

/* Pixels of the cell's light, normalised to 1. */
static void
add_splats (OpticsFixture *self, gsize cell)
{
  const LbOpticsModel *model = self->model;
  const double column = (double) (cell % model->columns) + 0.5, row = (double) (cell / model->columns) + 0.5;
  const double half_width = 0.5 - (double) model->source_margin / model->macropixel;
  const gsize first = self->splats->len;
  double x, y, sum = 0;
  int reach;

  lb_plane_map_apply (&model->weight_to_camera, model->origin_x + column * model->macropixel - 0.5,
                      model->origin_y + row * model->macropixel - 0.5, &x, &y);
  reach = (int) ceil (REACH * model->macropixel);
  for (int py = (int) y - reach; py <= (int) y + reach; py++)
    for (int px = (int) x - reach; px <= (int) x + reach; px++)
      {
        double weight_x, weight_y;
        Splat splat;

        lb_plane_map_apply (&model->camera_to_weight, px, py, &weight_x, &weight_y);
        weight_x = (weight_x + 0.5 - model->origin_x) / model->macropixel - column;
        weight_y = (weight_y + 0.5 - model->origin_y) / model->macropixel - row;
        if (fabs (weight_x) > REACH || fabs (weight_y) > REACH || px < (int) model->sensor_x ||
            py < (int) model->sensor_y || px >= (int) (model->sensor_x + model->sensor_width) ||
            py >= (int) (model->sensor_y + model->sensor_height))
          continue;
        splat.pixel =
            (guint32) ((py - (int) model->sensor_y) * (int) model->sensor_width + px - (int) model->sensor_x);
        splat.share = (float) (profile (weight_x, half_width) * profile (weight_y, half_width));
        sum += splat.share;
        g_array_append_val (self->splats, splat);
      }
  for (gsize i = first; i < self->splats->len; i++)
    g_array_index (self->splats, Splat, i).share /= (float) sum;
}

static void
find_cells_of_pixels (OpticsFixture *self)
{
  const LbOpticsModel *model = self->model;

  for (guint py = 0; py < model->sensor_height; py++)
    for (guint px = 0; px < model->sensor_width; px++)
      {
        const gsize pixel = (gsize) py * model->sensor_width + px;
        double x, y;

        lb_plane_map_apply (&model->camera_to_weight, px + model->sensor_x, py + model->sensor_y, &x, &y);
        x = floor ((x + 0.5 - model->origin_x) / model->macropixel);
        y = floor ((y + 0.5 - model->origin_y) / model->macropixel);
        self->cell_of_pixel[pixel] = -1;
        if (x < 0 || y < 0 || x >= model->columns || y >= model->rows)
          continue;
        self->cell_of_pixel[pixel] = (gint32) (y * model->columns + x);
        if (!model->defective[pixel])
          self->good_pixels[self->cell_of_pixel[pixel]]++;
      }
}

OpticsFixture *
optics_fixture_new (LbOpticsModel *model)
{
  OpticsFixture *self = g_new0 (OpticsFixture, 1);
  const gsize cells = lb_optics_model_cells (model);

  self->model = lb_optics_model_ref (model);
  self->splats = g_array_new (FALSE, FALSE, sizeof (Splat));
  self->first_splat = g_new (gsize, cells + 1);
  for (gsize i = 0; i < cells; i++)
    {
      self->first_splat[i] = self->splats->len;
      add_splats (self, i);
    }
  self->first_splat[cells] = self->splats->len;
  self->cell_of_pixel = g_new (gint32, (gsize) model->sensor_width * model->sensor_height);
  self->good_pixels = g_new0 (guint32, cells);
  find_cells_of_pixels (self);
  g_assert_true (lb_plane_map_invert (&model->source_to_weight, 0, 0, model->source_width - 1.0,
                                      model->source_height - 1.0, &self->weight_to_source, NULL, NULL));
  return self;
}

void
optics_fixture_free (OpticsFixture *self)
{
  lb_optics_model_unref (self->model);
  g_array_unref (self->splats);
  g_free (self->first_splat);
  g_free (self->cell_of_pixel);
  g_free (self->good_pixels);
  g_free (self);
}

static double
curve_value (const LbOpticsModel *model, const LbCurves *curves, gsize cell, guint8 level)
{
  const guint zone = lb_curves_zone (curves, model->columns, model->rows, (guint) (cell % model->columns),
                                     (guint) (cell / model->columns));

  return curves->values[(gsize) zone * LB_LEVELS + level];
}

/* u v of a cell: by the source pixel that lights its middle, and the pixel in
 * the middle of the weight plane's macropixel. */
static double
transmitted (const OpticsFixture *self, gsize cell, const guint8 *source, const guint8 *weight)
{
  const LbOpticsModel *model = self->model;
  const guint column =
      model->origin_x + (guint) (cell % model->columns) * model->macropixel + model->macropixel / 2;
  const guint row =
      model->origin_y + (guint) (cell / model->columns) * model->macropixel + model->macropixel / 2;
  const double v =
      curve_value (model, &model->weight_curves, cell, weight[(gsize) row * model->weight_width + column]);
  double x, y;
  guint8 level = 0;

  lb_plane_map_apply (&self->weight_to_source, column - 0.5, row - 0.5, &x, &y);
  x = round (x);
  y = round (y);
  if (x >= 0 && y >= 0 && x < model->source_width && y < model->source_height)
    level = source[(gsize) y * model->source_width + (gsize) x];
  return curve_value (model, &model->source_curves, cell, level) * v;
}

guint16 *
optics_fixture_expose (const OpticsFixture *self,
                       const guint8 *source,
                       const guint8 *weight,
                       OpticsExposure exposure)
{
  const LbOpticsModel *model = self->model;
  const gsize pixels = (gsize) model->sensor_width * model->sensor_height;
  const double largest = (1u << model->bits) - 1;
  g_autofree double *electrons = g_new0 (double, pixels);
  guint16 *data = g_new (guint16, pixels);

  for (gsize cell = 0; cell < lb_optics_model_cells (model); cell++)
    {
      const double light = exposure.light * model->gain[cell] * transmitted (self, cell, source, weight);

      for (gsize i = self->first_splat[cell]; i < self->first_splat[cell + 1]; i++)
        {
          const Splat *splat = &g_array_index (self->splats, Splat, i);

          electrons[splat->pixel] += light * splat->share;
        }
    }
  for (gsize i = 0; i < pixels; i++)
    {
      const gsize row = i / model->sensor_width, column = i % model->sensor_width;
      const gint32 cell = self->cell_of_pixel[i];
      double value = electrons[i] +
                     1e-6 * exposure.exposure_us * lb_matrix_get (model->dark_electrons_per_s, row, column);

      if (cell >= 0 && self->good_pixels[cell] > 0)
        value += exposure.light * model->stray[cell] / self->good_pixels[cell];
      value = MIN (value, model->full_well);
      if (exposure.row_noise != NULL)
        value += exposure.row_noise[row];
      /* What a defective pixel shows means nothing. */
      if (model->defective[i])
        value = 12345;
      data[i] = (guint16) CLAMP (
          round (lb_matrix_get (model->offset_dn, row, column) + value / model->electrons_per_dn), 0,
          largest);
    }
  return data;
}

guint16 *
optics_fixture_expose_levels (const OpticsFixture *self,
                              const LbEncoder *encoder,
                              const guint8 *source,
                              const guint8 *weight,
                              OpticsExposure exposure)
{
  g_autofree guint8 *source_pixels = lb_encoder_render_source (encoder, source);
  g_autofree guint8 *weight_pixels = lb_encoder_render_weight (encoder, weight);

  return optics_fixture_expose (self, source_pixels, weight_pixels, exposure);
}

double
optics_fixture_collected (const OpticsFixture *self, const LbLayout *layout, gsize cell, gint32 label)
{
  double sum = 0;

  for (gsize i = self->first_splat[cell]; i < self->first_splat[cell + 1]; i++)
    {
      const Splat *splat = &g_array_index (self->splats, Splat, i);

      if (layout->region[splat->pixel] == label)
        sum += splat->share;
    }
  return sum;
}

void
optics_fixture_fill (float *values, gsize count, guint64 stream)
{
  lb_random_uniform_fill (lb_random_key (2024), stream, 0, count, values);
}

double
optics_fixture_correlation (const double *a, const double *b, gsize count)
{
  double mean_a = 0, mean_b = 0, aa = 0, bb = 0, ab = 0;

  for (gsize i = 0; i < count; i++)
    {
      mean_a += a[i] / (double) count;
      mean_b += b[i] / (double) count;
    }
  for (gsize i = 0; i < count; i++)
    {
      aa += (a[i] - mean_a) * (a[i] - mean_a);
      bb += (b[i] - mean_b) * (b[i] - mean_b);
      ab += (a[i] - mean_a) * (b[i] - mean_b);
    }
  return ab / sqrt (aa * bb);
}
