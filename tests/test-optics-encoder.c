/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <math.h>

#include "optics-fixture.h"

static void
test_invert (void)
{
  LbCurves curves = { 0 };

  lb_curves_init (&curves, 1, 1);
  curves.low_level[0] = 5;
  curves.high_level[0] = 200;
  for (guint level = 0; level < LB_LEVELS; level++)
    curves.values[level] = (float) (0.01 + 0.99 * pow (MAX (level, 5) / 200.0, 2.2));
  for (guint step = 0; step <= 1000; step++)
    {
      const float value = (float) step / 1000;
      const guint8 level = lb_curves_invert (&curves, 0, value);

      g_assert_cmpuint (level, >=, 5);
      g_assert_cmpuint (level, <=, 200);
      for (guint other = 5; other <= 200; other++)
        g_assert_cmpfloat (fabsf (curves.values[level] - value), <=, fabsf (curves.values[other] - value));
    }
  lb_curves_clear (&curves);
}

static void
test_falling_curve (void)
{
  LbCurves curves = { 0 };

  lb_curves_init (&curves, 1, 1);
  curves.low_level[0] = 240;
  curves.high_level[0] = 10;
  for (guint level = 0; level < LB_LEVELS; level++)
    curves.values[level] = 1 - (float) level / 255;
  g_assert_cmpuint (lb_curves_invert (&curves, 0, 0), ==, 240);
  g_assert_cmpuint (lb_curves_invert (&curves, 0, 1), ==, 10);
  g_assert_cmpuint (lb_curves_invert (&curves, 0, 0.5f), ==, 127);
  lb_curves_clear (&curves);
}

static void
test_zones (void)
{
  LbCurves curves = { 0 };

  lb_curves_init (&curves, 3, 2);
  g_assert_cmpuint (lb_curves_zone (&curves, 10, 10, 0, 0), ==, 0);
  g_assert_cmpuint (lb_curves_zone (&curves, 10, 10, 9, 0), ==, 2);
  g_assert_cmpuint (lb_curves_zone (&curves, 10, 10, 0, 9), ==, 3);
  g_assert_cmpuint (lb_curves_zone (&curves, 10, 10, 5, 5), ==, 4);
  lb_curves_clear (&curves);
}

static void
test_weight_pixels (void)
{
  g_autoptr (LbOpticsModel) model = lb_optics_model_new (64, 64, 70, 45, 0, 0, 64, 64, 8, 1, 1);
  g_autoptr (LbEncoder) encoder = lb_encoder_new (model);
  g_autofree guint8 *levels = g_malloc (lb_optics_model_cells (model));
  g_autofree guint8 *pixels = NULL;

  g_assert_cmpuint (model->columns, ==, 8);
  g_assert_cmpuint (model->rows, ==, 5);
  for (gsize i = 0; i < lb_optics_model_cells (model); i++)
    levels[i] = (guint8) (i + 1);
  pixels = lb_encoder_render_weight (encoder, levels);
  for (guint y = 0; y < 45; y++)
    for (guint x = 0; x < 70; x++)
      {
        /* 70 = 3 + 8 * 8 + 3 and 45 = 2 + 5 * 8 + 3. */
        const gboolean inside = x >= 3 && x < 67 && y >= 2 && y < 42;

        g_assert_cmpuint (pixels[y * 70 + x], ==, inside ? levels[(y - 2) / 8 * 8 + (x - 3) / 8] : 0);
      }
}

static void
test_source_pixels (void)
{
  g_autoptr (LbOpticsModel) model = optics_fixture_new_model ();
  g_autoptr (LbEncoder) encoder = lb_encoder_new (model);
  g_autofree guint8 *levels = g_malloc (lb_optics_model_cells (model));
  g_autofree guint8 *pixels = NULL;
  guint lit = 0;

  for (gsize i = 0; i < lb_optics_model_cells (model); i++)
    levels[i] = (guint8) (i % 255 + 1);
  pixels = lb_encoder_render_source (encoder, levels);
  for (guint y = 0; y < model->source_height; y++)
    for (guint x = 0; x < model->source_width; x++)
      {
        const guint8 level = pixels[y * model->source_width + x];
        double weight_x, weight_y, column, row;

        lb_plane_map_apply (&model->source_to_weight, x, y, &weight_x, &weight_y);
        weight_x = (weight_x + 0.5 - model->origin_x) / model->macropixel;
        weight_y = (weight_y + 0.5 - model->origin_y) / model->macropixel;
        column = floor (weight_x);
        row = floor (weight_y);
        if (level == 0)
          continue;
        lit++;
        /* A quarter of a macropixel of 4 is the margin of 1. */
        g_assert_cmpfloat (fabs (weight_x - column - 0.5), <=, 0.25 + 1e-9);
        g_assert_cmpfloat (fabs (weight_y - row - 0.5), <=, 0.25 + 1e-9);
        g_assert_cmpuint (level, ==, levels[(gsize) row * model->columns + (gsize) column]);
      }
  /* A quarter of the pixels, less what falls beside the weight plane. */
  g_assert_cmpfloat_with_epsilon (lit, 0.25 * model->source_width * model->source_height,
                                  0.02 * model->source_width * model->source_height);
}

static double
value_of (const LbOpticsModel *model, const LbCurves *curves, gsize cell, guint8 level)
{
  const guint zone = lb_curves_zone (curves, model->columns, model->rows, (guint) (cell % model->columns),
                                     (guint) (cell / model->columns));

  return curves->values[zone * LB_LEVELS + level];
}

static void
test_levels (void)
{
  g_autoptr (LbOpticsModel) model = optics_fixture_new_model ();
  g_autoptr (LbEncoder) encoder = lb_encoder_new (model);
  g_autoptr (GError) error = NULL;
  g_autoptr (LbLayout) layout = lb_layout_new (model, 49, TRUE, 0, &error);
  g_autofree guint8 *source = g_malloc (lb_optics_model_cells (model));
  g_autofree guint8 *weight = g_malloc (lb_optics_model_cells (model));
  g_autofree const float **x = g_new0 (const float *, layout->slots);
  g_autofree const float **w = g_new0 (const float *, layout->n_tiles);
  g_autofree gsize *lengths = g_new (gsize, layout->n_tiles);
  float values[49];
  /* Tile 3 is W- of slot 1. */
  const LbTile *tile = &layout->tiles[3];

  optics_fixture_fill (values, G_N_ELEMENTS (values), 9);
  x[1] = values;
  w[3] = values;
  for (guint t = 0; t < layout->n_tiles; t++)
    lengths[t] = 40;
  lb_encoder_source_levels (encoder, layout, x, lengths, source);
  lb_encoder_weight_levels (encoder, layout, w, lengths, weight);
  for (gsize i = 0; i < layout->segment_length; i++)
    {
      const guint32 cell = tile->cells[i], partner = layout->tiles[2].cells[i];
      const double fx = lb_optics_model_source_floor (model, cell),
                   fw = lb_optics_model_weight_floor (model, cell);
      const double value = i < 40 ? values[i] : 0;

      g_assert_cmpfloat_with_epsilon (value_of (model, &model->source_curves, cell, source[cell]),
                                      fx + (1 - fx) * value, 5e-3);
      g_assert_cmpfloat_with_epsilon (value_of (model, &model->weight_curves, cell, weight[cell]),
                                      fw + (1 - fw) * value * layout->tile_c0[3] / layout->cell_gain[3][i],
                                      5e-3);
      /* W+ of the slot has the same x and no w. */
      g_assert_cmpfloat_with_epsilon (value_of (model, &model->source_curves, partner, source[partner]),
                                      fx + (1 - fx) * value, 5e-3);
      g_assert_cmpuint (weight[partner], ==, 0);
      g_assert_cmpuint (source[layout->tiles[0].cells[i]], ==, 0);
    }
  for (guint i = 0; i < layout->bright_cells->len; i++)
    {
      g_assert_cmpuint (source[g_array_index (layout->bright_cells, guint32, i)], ==, 255);
      g_assert_cmpuint (weight[g_array_index (layout->bright_cells, guint32, i)], ==, 255);
    }
  for (guint i = 0; i < layout->dark_cells->len; i++)
    {
      g_assert_cmpuint (source[g_array_index (layout->dark_cells, guint32, i)], ==, 0);
      g_assert_cmpuint (weight[g_array_index (layout->dark_cells, guint32, i)], ==, 0);
    }
}

/* A full-size exposure is encoded faster than a display shows one. */
static void
test_fast_enough (void)
{
  g_autoptr (LbOpticsModel) model = lb_optics_model_new (1920, 1080, 1920, 1080, 0, 0, 1920, 1080, 8, 2, 1);
  g_autoptr (LbEncoder) encoder = lb_encoder_new (model);
  g_autoptr (GError) error = NULL;
  g_autoptr (LbLayout) layout = lb_layout_new (model, 64, TRUE, 0, &error);
  g_autofree guint8 *levels = g_malloc (lb_optics_model_cells (model));
  g_autofree const float **x = g_new0 (const float *, layout->slots);
  g_autofree gsize *lengths = g_new (gsize, layout->slots);
  float values[64];
  double best = G_MAXDOUBLE;

  optics_fixture_fill (values, G_N_ELEMENTS (values), 10);
  for (guint slot = 0; slot < layout->slots; slot++)
    {
      x[slot] = values;
      lengths[slot] = 64;
    }
  for (guint repeat = 0; repeat < 10; repeat++)
    {
      const gint64 start = g_get_monotonic_time ();
      g_autofree guint8 *pixels = NULL;

      lb_encoder_source_levels (encoder, layout, x, lengths, levels);
      pixels = lb_encoder_render_source (encoder, levels);
      best = MIN (best, 1e-3 * (double) (g_get_monotonic_time () - start));
    }
  g_test_message ("%u slots of 64 elements: %.2f ms an exposure", layout->slots, best);
  /* Under the sanitizers too. */
  g_assert_cmpfloat (best, <, 50);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/optics/encoder/inverse-curve-gives-the-nearest-level", test_invert);
  g_test_add_func ("/optics/encoder/falling-curve-is-inverted-too", test_falling_curve);
  g_test_add_func ("/optics/encoder/zones-divide-the-grid", test_zones);
  g_test_add_func ("/optics/encoder/weight-fills-whole-macropixels", test_weight_pixels);
  g_test_add_func ("/optics/encoder/source-keeps-the-margin", test_source_pixels);
  g_test_add_func ("/optics/encoder/levels-stand-for-values-floors-and-flat-field", test_levels);
  g_test_add_func ("/optics/encoder/full-size-exposure-is-encoded-in-time", test_fast_enough);
  return g_test_run ();
}
