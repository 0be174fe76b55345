/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <lb-random.h>
#include <math.h>
#include <string.h>

#include "optics-fixture.h"

#define LIGHT 8000.0
#define EXPOSURE_US 5000.0

/* Random operands in all slots of a layout, and the frame of them. */
typedef struct
{
  OpticsFixture *fixture;
  LbEncoder *encoder;
  LbLayout *layout;
  gsize length;
  float *x; /* per slot, `length` each; NULL: none */
  float *w; /* per tile */
  guint8 *source, *weight;
  LbReading *reading;
} Scene;

static void
scene_clear (Scene *self)
{
  g_clear_pointer (&self->reading, lb_reading_free);
  g_clear_pointer (&self->encoder, lb_encoder_free);
  g_clear_pointer (&self->layout, lb_layout_unref);
  g_clear_pointer (&self->fixture, optics_fixture_free);
  g_clear_pointer (&self->x, g_free);
  g_clear_pointer (&self->w, g_free);
  g_clear_pointer (&self->source, g_free);
  g_clear_pointer (&self->weight, g_free);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Scene, scene_clear)

static void
scene_init (Scene *self, LbOpticsModel *model, gsize length, gboolean paired)
{
  const gsize cells = lb_optics_model_cells (model);
  g_autoptr (GError) error = NULL;

  self->fixture = optics_fixture_new (model);
  self->encoder = lb_encoder_new (model);
  self->layout = lb_layout_new (model, length, paired, 0, &error);
  g_assert_no_error (error);
  self->length = length;
  self->x = g_new (float, self->layout->slots *length);
  self->w = g_new (float, self->layout->n_tiles *length);
  optics_fixture_fill (self->x, self->layout->slots * length, 1);
  optics_fixture_fill (self->w, self->layout->n_tiles * length, 2);
  self->source = g_malloc (cells);
  self->weight = g_malloc (cells);
}

/* Levels for all x, or none; all w, or none. */
static void
scene_encode (Scene *self, gboolean with_x, gboolean with_w)
{
  g_autofree const float **x = g_new0 (const float *, self->layout->slots);
  g_autofree const float **w = g_new0 (const float *, self->layout->n_tiles);
  g_autofree gsize *lengths = g_new (gsize, self->layout->n_tiles);

  for (guint t = 0; t < self->layout->n_tiles; t++)
    {
      lengths[t] = self->length;
      if (with_x)
        x[t / self->layout->tiles_per_slot] = self->x + t / self->layout->tiles_per_slot * self->length;
      if (with_w)
        w[t] = self->w + t * self->length;
    }
  lb_encoder_source_levels (self->encoder, self->layout, x, lengths, self->source);
  lb_encoder_weight_levels (self->encoder, self->layout, w, lengths, self->weight);
}

static void
scene_read (Scene *self, OpticsExposure exposure)
{
  const LbOpticsModel *model = self->fixture->model;
  g_autofree guint16 *data =
      optics_fixture_expose_levels (self->fixture, self->encoder, self->source, self->weight, exposure);
  g_autoptr (GError) error = NULL;

  g_clear_pointer (&self->reading, lb_reading_free);
  self->reading = lb_readout_read (self->layout, data, model->sensor_width, model->sensor_height,
                                   exposure.exposure_us, 0, TRUE, &error);
  g_assert_no_error (error);
}

static double
scene_decode (const Scene *self, guint tile)
{
  const float *x = self->x + tile / self->layout->tiles_per_slot * self->length;
  const float *w = self->w + tile * self->length;
  double sum_cx = 0, sum_w = 0;

  for (gsize i = 0; i < self->length; i++)
    {
      sum_cx += (double) self->layout->cell_gain[tile][i] * x[i];
      sum_w += w[i];
    }
  return lb_readout_decode (self->layout, self->reading, tile, sum_cx, sum_w, self->length);
}

static double
scene_product (const Scene *self, guint tile)
{
  double sum = 0;

  for (gsize i = 0; i < self->length; i++)
    sum += (double) self->x[tile / self->layout->tiles_per_slot * self->length + i] *
           self->w[tile * self->length + i];
  return sum;
}

static double
shown_value (const LbOpticsModel *model, const LbCurves *curves, gsize cell, guint8 level)
{
  const guint zone = lb_curves_zone (curves, model->columns, model->rows, (guint) (cell % model->columns),
                                     (guint) (cell / model->columns));
  const double floor = curves->values[zone * LB_LEVELS + curves->low_level[zone]];

  return (curves->values[zone * LB_LEVELS + level] - floor) / (1 - floor);
}

/* What the levels of 8 bits stand for, instead of what was asked for. */
static double
scene_shown_product (const Scene *self, guint tile)
{
  const LbOpticsModel *model = self->fixture->model;
  const LbLayout *layout = self->layout;
  double sum = 0;

  for (gsize i = 0; i < self->length; i++)
    {
      const guint32 cell = layout->tiles[tile].cells[i];

      sum += shown_value (model, &model->source_curves, cell, self->source[cell]) *
             shown_value (model, &model->weight_curves, cell, self->weight[cell]) *
             layout->cell_gain[tile][i] / layout->tile_c0[tile];
    }
  return sum;
}

/* Root mean square of decoded - expected over the tiles, as a part of the mean. */
static double
scene_error (const Scene *self, gboolean shown)
{
  double squares = 0, mean = 0;

  for (guint t = 0; t < self->layout->n_tiles; t++)
    {
      const double expected = shown ? scene_shown_product (self, t) : scene_product (self, t);
      const double difference = scene_decode (self, t) - expected;

      squares += difference * difference / self->layout->n_tiles;
      mean += expected / self->layout->n_tiles;
    }
  return sqrt (squares) / mean;
}

static void
check_decode (gsize length, gboolean paired)
{
  g_autoptr (LbOpticsModel) model = optics_fixture_new_model ();
  g_auto (Scene) scene = { 0 };

  scene_init (&scene, model, length, paired);
  scene_encode (&scene, TRUE, TRUE);
  scene_read (&scene, (OpticsExposure){ LIGHT, EXPOSURE_US, NULL });
  g_assert_cmpfloat_with_epsilon (scene.reading->light, LIGHT, 1e-3 * LIGHT);
  g_assert_cmpfloat (scene_error (&scene, TRUE), <, 5e-4);
  /* 8-bit levels are off by a quarter of a percent, independently. */
  g_assert_cmpfloat (scene_error (&scene, FALSE), <, MAX (1e-3, 8e-3 / sqrt ((double) length)));
}

static void
test_decode (void)
{
  check_decode (16, FALSE);
  check_decode (64, TRUE);
  check_decode (256, TRUE);
  check_decode (900, TRUE);
}

static void
test_four_corners (void)
{
  g_autoptr (LbOpticsModel) model = optics_fixture_new_model ();
  g_auto (Scene) scene = { 0 };
  g_autofree double *y = NULL;
  const OpticsExposure exposure = { LIGHT, EXPOSURE_US, NULL };

  scene_init (&scene, model, 100, TRUE);
  y = g_new0 (double, scene.layout->n_tiles);
  for (guint corner = 0; corner < 4; corner++)
    {
      const gboolean with_x = corner % 2 == 0, with_w = corner / 2 == 0;

      scene_encode (&scene, with_x, with_w);
      scene_read (&scene, exposure);
      for (guint t = 0; t < scene.layout->n_tiles; t++)
        y[t] += (with_x == with_w ? 1 : -1) * scene.reading->electrons[t] / scene.reading->light /
                scene.layout->tile_gain[t];
    }
  scene_encode (&scene, TRUE, TRUE);
  for (guint t = 0; t < scene.layout->n_tiles; t++)
    {
      const double a = (double) scene.layout->tile_c0[t] * (1 - scene.layout->tile_source_floor[t]) *
                       (1 - scene.layout->tile_weight_floor[t]);

      g_assert_cmpfloat_with_epsilon (y[t] / a, scene_shown_product (&scene, t), 0.02);
    }
}

static void
test_short_last_segment (void)
{
  g_autoptr (LbOpticsModel) model = optics_fixture_new_model ();
  g_auto (Scene) scene = { 0 };

  scene_init (&scene, model, 100, TRUE);
  /* 60 of the 100 cells of a tile are taken, the others leak. */
  scene.length = 60;
  scene_encode (&scene, TRUE, TRUE);
  scene_read (&scene, (OpticsExposure){ LIGHT, EXPOSURE_US, NULL });
  g_assert_cmpfloat (scene_error (&scene, TRUE), <, 5e-4);
}

static void
test_dark (void)
{
  g_autoptr (LbOpticsModel) model = optics_fixture_new_model ();
  g_auto (Scene) scene = { 0 };
  g_autofree guint16 *data = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (LbReading) reading = NULL;

  scene_init (&scene, model, 64, TRUE);
  scene_encode (&scene, TRUE, TRUE);
  data = optics_fixture_expose_levels (scene.fixture, scene.encoder, scene.source, scene.weight,
                                       (OpticsExposure){ 0, EXPOSURE_US, NULL });
  g_assert_null (lb_readout_read (scene.layout, data, model->sensor_width, model->sensor_height, EXPOSURE_US,
                                  1, TRUE, &error));
  g_assert_error (error, LB_OPTICS_ERROR, LB_OPTICS_ERROR_DARK);
  g_clear_error (&error);
  /* Where no light is expected it is a reading like any other. */
  reading = lb_readout_read (scene.layout, data, model->sensor_width, model->sensor_height, EXPOSURE_US, 1,
                             FALSE, &error);
  g_assert_no_error (error);
  g_assert_cmpfloat_with_epsilon (reading->bright_electrons / scene.layout->bright_pixels, 0, 0.05);
  for (guint t = 0; t < reading->tiles; t++)
    g_assert_cmpfloat_with_epsilon (reading->electrons[t] / scene.layout->tile_pixels[t], 0, 0.05);
}

/* Nothing is decoded from what was not measured: the patches are right, but the
 * tiles show something else than the operands with which they are decoded. */
static void
test_other_patterns (void)
{
  g_autoptr (LbOpticsModel) model = optics_fixture_new_model ();
  g_auto (Scene) scene = { 0 };
  g_autofree double *decoded = NULL;
  g_autofree double *right = NULL;
  g_autofree double *residual = NULL;
  guint tiles;

  scene_init (&scene, model, 9, FALSE);
  tiles = scene.layout->n_tiles;
  g_assert_cmpuint (tiles, >, 100);
  scene_encode (&scene, TRUE, TRUE);
  decoded = g_new (double, tiles);
  right = g_new (double, tiles);
  residual = g_new (double, tiles);
  /* The frame of one pair of patterns, the operands of another. */
  scene_read (&scene, (OpticsExposure){ LIGHT, EXPOSURE_US, NULL });
  optics_fixture_fill (scene.x, tiles * scene.length, 11);
  optics_fixture_fill (scene.w, tiles * scene.length, 12);
  for (guint t = 0; t < tiles; t++)
    {
      decoded[t] = scene_decode (&scene, t);
      right[t] = scene_product (&scene, t);
    }
  g_assert_cmpfloat (fabs (optics_fixture_correlation (decoded, right, tiles)), <, 4 / sqrt (tiles));
  /* The same frame with its own operands does. */
  optics_fixture_fill (scene.x, tiles * scene.length, 1);
  optics_fixture_fill (scene.w, tiles * scene.length, 2);
  for (guint t = 0; t < tiles; t++)
    {
      residual[t] = scene_decode (&scene, t);
      right[t] = scene_product (&scene, t);
    }
  g_assert_cmpfloat (optics_fixture_correlation (residual, right, tiles), >, 0.999);
}

static void
test_saturation (void)
{
  g_autoptr (LbOpticsModel) model = optics_fixture_new_model ();
  g_auto (Scene) scene = { 0 };
  guint saturated = 0;

  scene_init (&scene, model, 64, TRUE);
  scene_encode (&scene, TRUE, TRUE);
  scene_read (&scene, (OpticsExposure){ LIGHT, EXPOSURE_US, NULL });
  for (guint t = 0; t < scene.layout->n_tiles; t++)
    saturated += scene.reading->saturated[t];
  g_assert_cmpuint (saturated + scene.reading->bright_saturated, ==, 0);
  /* Beyond the full well, but within the 16 bits. */
  scene_read (&scene, (OpticsExposure){ 40 * LIGHT, EXPOSURE_US, NULL });
  for (guint t = 0; t < scene.layout->n_tiles; t++)
    saturated += scene.reading->saturated[t] > 0;
  g_assert_cmpuint (saturated, >, scene.layout->n_tiles / 2);
  g_assert_cmpuint (scene.reading->bright_saturated, >, 0);
}

static void
test_defective_pixels (void)
{
  g_autoptr (LbOpticsModel) model = optics_fixture_new_model ();
  g_auto (Scene) scene = { 0 };

  for (gsize i = 0; i < 300; i++)
    model->defective[lb_random_bits_at (lb_random_key (3), 0, i) %
                     (model->sensor_width * model->sensor_height)] = 1;
  scene_init (&scene, model, 64, TRUE);
  scene_encode (&scene, TRUE, TRUE);
  scene_read (&scene, (OpticsExposure){ LIGHT, EXPOSURE_US, NULL });
  g_assert_cmpfloat_with_epsilon (scene.reading->light, LIGHT, 2e-3 * LIGHT);
  g_assert_cmpfloat (scene_error (&scene, TRUE), <, 2e-3);
}

/* The same with the operands' tiles read without and with row noise. */
static void
test_row_noise (void)
{
  g_autoptr (LbOpticsModel) model = NULL;
  g_auto (Scene) scene = { 0 };
  g_autofree double *row_noise = NULL;
  g_autofree double *quiet = NULL;
  double uncorrected = 0, corrected = 0;

  /* A wide region, with dark columns left and right of the image. */
  {
    g_autoptr (LbOpticsModel) narrow = optics_fixture_new_model ();

    model = lb_optics_model_new (320, 200, 320, 200, 0, 0, 480, 180, 4, 1, 1);
    model->source_to_weight = narrow->source_to_weight;
    model->weight_to_camera = narrow->weight_to_camera;
    model->weight_to_camera.x[0] += 100;
    g_assert_true (
        lb_plane_map_invert (&model->weight_to_camera, 0, 0, 319, 199, &model->camera_to_weight, NULL, NULL));
  }
  model->bits = 16;
  model->electrons_per_dn = 0.1;
  model->read_noise = 0.1;
  lb_optics_model_find_usable (model);
  scene_init (&scene, model, 16, FALSE);
  scene_encode (&scene, TRUE, TRUE);
  scene_read (&scene, (OpticsExposure){ 1000, EXPOSURE_US, NULL });
  quiet = g_memdup2 (scene.reading->electrons, scene.layout->n_tiles * sizeof (double));
  row_noise = g_new (double, model->sensor_height);
  for (guint y = 0; y < model->sensor_height; y++)
    row_noise[y] = 2 + lb_random_normal_at (lb_random_key (5), 0, y);
  /* A constant is offset, not row noise: it stays. */
  scene_read (&scene, (OpticsExposure){ 1000, EXPOSURE_US, row_noise });
  for (guint t = 0; t < scene.layout->n_tiles; t++)
    {
      const double pixels = scene.layout->tile_pixels[t];
      double noise = 0;

      for (gsize i = 0; i < (gsize) model->sensor_width * model->sensor_height; i++)
        if (scene.layout->region[i] == (gint32) t)
          noise += row_noise[i / model->sensor_width] - 2;
      uncorrected += noise * noise / pixels;
      noise = scene.reading->electrons[t] - quiet[t] - 2 * pixels;
      corrected += noise * noise / pixels;
    }
  g_assert_cmpfloat (corrected, <, 0.4 * uncorrected);
}

static void
test_shape (void)
{
  g_autoptr (LbOpticsModel) model = optics_fixture_new_model ();
  g_autoptr (GError) error = NULL;
  g_autoptr (LbLayout) layout = lb_layout_new (model, 16, FALSE, 0, &error);
  g_autofree guint16 *data = g_new0 (guint16, 273 * 176);

  g_assert_no_error (error);
  g_assert_null (lb_readout_read (layout, data, 273, 176, 100, 1, TRUE, &error));
  g_assert_error (error, LB_OPTICS_ERROR, LB_OPTICS_ERROR_SHAPE);
}

/* Cell by cell, as the calibration reads them. */
static void
test_cells (void)
{
  g_autoptr (LbOpticsModel) model = optics_fixture_new_model ();
  g_autoptr (GError) error = NULL;
  g_autoptr (LbLayout) layout = lb_layout_new_cells (model, &error);
  g_autoptr (LbEncoder) encoder = lb_encoder_new (model);
  g_autoptr (OpticsFixture) fixture = optics_fixture_new (model);
  g_autofree guint8 *levels = g_malloc0 (lb_optics_model_cells (model));
  g_autofree guint16 *data = NULL;
  g_autoptr (LbReading) reading = NULL;
  const guint lit = layout->n_tiles / 2 + 3;

  levels[layout->tiles[lit].cells[0]] = 255;
  for (guint i = 0; i < layout->bright_cells->len; i++)
    levels[g_array_index (layout->bright_cells, guint32, i)] = 255;
  data = optics_fixture_expose_levels (fixture, encoder, levels, levels,
                                       (OpticsExposure){ LIGHT, EXPOSURE_US, NULL });
  reading =
      lb_readout_read (layout, data, model->sensor_width, model->sensor_height, EXPOSURE_US, 1, TRUE, &error);
  g_assert_no_error (error);
  for (guint t = 0; t < layout->n_tiles; t++)
    {
      const double ratio = reading->electrons[t] / reading->light / layout->tile_gain[t];

      if (t == lit)
        g_assert_cmpfloat_with_epsilon (ratio, 1, 0.15);
      else
        g_assert_cmpfloat (ratio, <, 0.15);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/optics/readout/decoded-products-are-those-shown", test_decode);
  g_test_add_func ("/optics/readout/four-corners-give-the-product", test_four_corners);
  g_test_add_func ("/optics/readout/short-last-segment-leaks-as-the-model-says", test_short_last_segment);
  g_test_add_func ("/optics/readout/dark-frame-is-an-error", test_dark);
  g_test_add_func ("/optics/readout/nothing-is-decoded-from-what-was-not-measured", test_other_patterns);
  g_test_add_func ("/optics/readout/saturation-is-counted", test_saturation);
  g_test_add_func ("/optics/readout/defective-pixels-do-not-count", test_defective_pixels);
  g_test_add_func ("/optics/readout/dark-columns-take-out-row-noise", test_row_noise);
  g_test_add_func ("/optics/readout/frame-of-another-size-is-refused", test_shape);
  g_test_add_func ("/optics/readout/cell-layout-reads-single-macropixels", test_cells);
  return g_test_run ();
}
