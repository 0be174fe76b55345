/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <lb-encoder.h>
#include <lb-layout.h>
#include <lb-simulated-truth.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "calibration-fixture.h"

/* The step crosstalk against what the world does without noise, and on worlds
 * that are blurred. With LIGHTBENCH_WORLDS (and LIGHTBENCH_FIDELITY, see
 * calibration-fixture.h) those worlds alone. */

#define LEVEL 50
#define EXPOSURE_US 8000
/* Cells at the border of the field have no neighbours to leak from. */
#define BORDER 4

typedef struct
{
  LbDevice *camera;
  LbOpticsModel *model;
  LbLayout *layout;
  LbEncoder *encoder;
  guint8 *levels;
  guint8 *is_field;
  float *electrons;
  guint sensor_width;
} LeakTruth;

static void
leak_truth_init (LeakTruth *truth, CalibrationWorld *world, guint margin)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (LbOpticsModel) model = NULL;
  LbCameraCaps caps;

  truth->camera = lb_bench_get_device (world->bench, LB_ROLE_CAMERA);
  model = lb_calibration_set_make_model (world->set, world->bench, TRUE, &error);
  g_assert_no_error (error);
  truth->layout = lb_layout_new_cells (model, &error);
  g_assert_no_error (error);
  truth->model = lb_optics_model_copy (model);
  truth->model->source_margin = margin;
  truth->encoder = lb_encoder_new (truth->model);
  truth->levels = g_malloc0 (lb_optics_model_cells (model));
  truth->is_field = g_malloc0 (lb_optics_model_cells (model));
  for (guint tile = 0; tile < truth->layout->n_tiles; tile++)
    truth->is_field[truth->layout->tiles[tile].cells[0]] = 1;
  g_assert_true (lb_bench_get_camera_caps (world->bench, &caps));
  truth->sensor_width = caps.width;
  truth->electrons = g_new (float, (gsize) caps.width *caps.height);
}

static void
leak_truth_clear (LeakTruth *truth)
{
  lb_encoder_free (truth->encoder);
  lb_layout_unref (truth->layout);
  lb_optics_model_unref (truth->model);
  g_free (truth->levels);
  g_free (truth->is_field);
  g_free (truth->electrons);
}

static void
set_phase (LeakTruth *truth, int phase)
{
  memset (truth->levels, 0, lb_optics_model_cells (truth->model));
  for (guint cell = 0; cell < lb_optics_model_cells (truth->model); cell++)
    {
      const guint column = cell % truth->model->columns, row = cell / truth->model->columns;

      if (truth->is_field[cell] && phase >= 0 && column % 3 + 3 * (row % 3) == (guint) phase)
        truth->levels[cell] = 255;
    }
}

static LbFidelity world_fidelity = LB_FIDELITY_FAST;

/* Light on all pixels that see the inner part of the field. */
static double
light_of (LeakTruth *truth, int source_phase, int weight_phase)
{
  const LbOpticsModel *model = truth->model;
  g_autoptr (LbPattern) source = NULL;
  g_autoptr (LbPattern) weight = NULL;
  double sum = 0;

  set_phase (truth, source_phase);
  source = lb_pattern_new_take (model->source_width, model->source_height,
                                lb_encoder_render_source (truth->encoder, truth->levels));
  set_phase (truth, weight_phase);
  weight = lb_pattern_new_take (model->weight_width, model->weight_height,
                                lb_encoder_render_weight (truth->encoder, truth->levels));
  lb_simulated_truth_expected (truth->camera, source, weight, LEVEL, EXPOSURE_US, truth->electrons);
  for (guint y = 0; y < model->sensor_height; y++)
    for (guint x = 0; x < model->sensor_width; x++)
      {
        double column, row;

        lb_plane_map_apply (&model->camera_to_weight, (double) model->sensor_x + x,
                            (double) model->sensor_y + y, &column, &row);
        column = (column + 0.5 - model->origin_x) / model->macropixel;
        row = (row + 0.5 - model->origin_y) / model->macropixel;
        if (column >= BORDER && row >= BORDER && column < model->columns - BORDER &&
            row < model->rows - BORDER)
          sum += truth->electrons[(gsize) (model->sensor_y + y) * truth->sensor_width + model->sensor_x + x];
      }
  return sum;
}

/* What leaks from all eight neighbours, over the own light; all cells. */
static double
true_leak (LeakTruth *truth)
{
  const double dark = light_of (truth, -1, -1);
  double lit[9], own = 0, leak = 0;

  for (int phase = 0; phase < 9; phase++)
    lit[phase] = light_of (truth, phase, -1);
  for (int open = 0; open < 9; open++)
    {
      const double alone = light_of (truth, -1, open);

      for (int phase = 0; phase < 9; phase++)
        *(phase == open ? &own : &leak) += light_of (truth, phase, open) - lit[phase] - alone + dark;
    }
  return leak / own;
}

static CalibrationWorld *
new_world (LbFidelity fidelity, guint64 seed, const char *const *changes)
{
  CalibrationWorld *world = calibration_world_new (fidelity, seed, changes);

  calibration_world_run (world, "crosstalk");
  return world;
}

static void
test_leak (gconstpointer data)
{
  g_autoptr (CalibrationWorld) world = new_world (world_fidelity, GPOINTER_TO_UINT (data), NULL);
  LbCalibration *crosstalk = calibration_world_run (world, "crosstalk");
  const LbQuantities *values = lb_calibration_values (crosstalk);
  const LbMatrix *margins = lb_calibration_get_array (crosstalk, "margins");
  const guint margin = lb_setup_get_optics (world->setup)->source_margin;
  double found = lb_quantities_get (values, "source_leak", NAN) / 100;
  LeakTruth truth = { 0 };
  double expected;

  leak_truth_init (&truth, world, margin);
  expected = true_leak (&truth);
  leak_truth_clear (&truth);
  g_test_message ("margin %u: leak %.5f %%, truth %.5f %%", margin, 100 * found, 100 * expected);
  calibration_world_check (world, crosstalk, "leak at the margin in use, of its value",
                           fabs (found / expected - 1), 0.1);

  leak_truth_init (&truth, world, 0);
  expected = 1 / (1 + true_leak (&truth));
  leak_truth_clear (&truth);
  g_test_message ("margin 0: slope of signed products %.4f, truth %.4f", lb_matrix_get (margins, 0, 1),
                  expected);
  calibration_world_check (world, crosstalk, "slope without a margin, of what it lacks to 1",
                           fabs (lb_matrix_get (margins, 0, 1) - expected) / (1 - expected), 0.1);
  g_assert_cmpfloat (lb_matrix_get (margins, 1, 1), >, lb_matrix_get (margins, 0, 1));
  g_assert_cmpfloat (lb_quantities_get (values, "margin_to_use", NAN), ==, margin);
}

static void
test_wider_margin (void)
{
  /* Half as much blur again: a margin of 1 of 4 pixels is too narrow, and it says so. */
  const char *changes[] = { "\"source_blur_px\": 0.35", "\"source_blur_px\": 0.5", NULL };
  g_autoptr (CalibrationWorld) world = new_world (LB_FIDELITY_FAST, 5, changes);
  LbCalibration *crosstalk = calibration_world_run (world, "crosstalk");
  LeakTruth truth = { 0 };
  double expected, found;

  found = lb_quantities_get (lb_calibration_values (crosstalk), "source_leak", NAN) / 100;
  leak_truth_init (&truth, world, 1);
  expected = true_leak (&truth);
  leak_truth_clear (&truth);
  g_test_message ("blurred: leak %.4f %%, truth %.4f %%", 100 * found, 100 * expected);
  g_assert_cmpfloat (fabs (found - expected), <, 0.1 * expected);
  g_assert_cmpint (lb_calibration_get_verdict (crosstalk), !=, LB_VERDICT_PASS);
}

int
main (int argc, char *argv[])
{
  guint64 first = 1, last = 3;
  gboolean given;

  g_test_init (&argc, &argv, NULL);
  given = calibration_fixture_get_worlds (&world_fidelity, &first, &last);
  for (guint64 seed = first; seed <= last; seed++)
    {
      g_autofree char *path =
          g_strdup_printf ("/crosstalk/world-%" G_GUINT64_FORMAT "-leaks-as-measured", seed);

      g_test_add_data_func (path, GUINT_TO_POINTER (seed), test_leak);
    }
  if (!given)
    g_test_add_func ("/crosstalk/blur-asks-for-a-wider-margin", test_wider_margin);
  return g_test_run ();
}
