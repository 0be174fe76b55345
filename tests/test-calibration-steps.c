/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <lb-encoder.h>
#include <lb-simulated-truth.h>
#include <lb-statistics.h>
#include <math.h>
#include <string.h>

#include "calibration-fixture.h"
#include "sanitized.h"

/* Every step against the truth of several worlds, to the accuracy of the table
 * in optics.md, and steps that must not succeed. With LIGHTBENCH_WORLDS (and
 * LIGHTBENCH_FIDELITY, see calibration-fixture.h) the steps alone, on those worlds. */

typedef struct
{
  LbFidelity fidelity;
  guint64 seed;
} Case;

static const Case own_cases[] = {
  { LB_FIDELITY_FAST, 1 },
  { LB_FIDELITY_FAST, 2 },
  { LB_FIDELITY_FAST, 3 },
/* Full planes take minutes under a sanitizer and run the same code as small ones. */
#if !SANITIZED
  { LB_FIDELITY_PIXEL, 4 },
#endif
};

/* A world stays for all tests of it, as later steps need the earlier ones; they
 * run in order. */
static CalibrationWorld *present;
static const Case *present_case;

static CalibrationWorld *
get_world (gconstpointer data)
{
  const Case *which = data;

  if (which != present_case)
    g_clear_pointer (&present, calibration_world_free);
  if (present == NULL)
    present = calibration_world_new (which->fidelity, which->seed, NULL);
  present_case = which;
  return present;
}

/* ---- Dark ------------------------------------------------------------------ */

static void
test_dark (gconstpointer data)
{
  CalibrationWorld *world = get_world (data);
  LbCalibration *dark = calibration_world_run (world, "dark");
  LbDevice *camera = calibration_world_get_camera (world);
  const LbMatrix *offset = lb_calibration_get_array (dark, "offset");
  const LbMatrix *defects = lb_calibration_get_array (dark, "defects");
  g_autofree guint8 *defective = g_malloc0 (offset->rows * offset->columns);
  double squares = 0, noise;
  gsize good = 0, hot = 0, hot_found = 0, wrong = 0;

  for (gsize i = 0; i < defects->rows; i++)
    defective[(gsize) lb_matrix_get (defects, i, 1) * offset->columns +
              (gsize) lb_matrix_get (defects, i, 0)] = 1;
  for (guint y = 0; y < offset->rows; y++)
    for (guint x = 0; x < offset->columns; x++)
      {
        LbSimulatedTruthPixel pixel;
        gboolean marked = defective[y * offset->columns + x];
        double error;

        lb_simulated_truth_pixel (camera, x, y, &pixel);
        hot += pixel.hot;
        hot_found += pixel.hot && marked;
        wrong += !pixel.hot && marked;
        error = lb_matrix_get (offset, y, x) - pixel.offset_dn;
        squares += marked ? 0 : error * error;
        good += !marked;
      }
  noise = lb_simulated_truth_get_parameter (camera, "read_noise") /
          lb_simulated_truth_get_parameter (camera, "electrons_per_dn");
  g_test_message ("%zu of %zu hot pixels, %zu wrongly marked, read noise %.3f DN of %.3f DN", hot_found, hot,
                  wrong, calibration_get_value (dark, "read_noise_dn"), noise);
  calibration_world_check (world, dark, "offset (DN rms)", sqrt (squares / (double) good), 0.2);
  calibration_world_check (world, dark, "read noise",
                           fabs (calibration_get_value (dark, "read_noise_dn") / noise - 1), 0.05);
  /* Of few hot pixels none may be missing. */
  calibration_world_check (world, dark, "share of hot pixels not found",
                           (double) (hot - hot_found) / (double) MAX (hot, 1), 0.01 + 1e-9);
  g_assert_cmpfloat ((double) wrong, <=, 1 + 1e-5 * (double) good);
}

/* ---- Alignment --------------------------------------------------------------- */

#define GRID 21

/* Root mean square distance of @map from the truth over a part of the plane
 * (fractions), where @inside says so. */
typedef void (*TruthMap) (LbDevice *, gsize, const double *, const double *, double *, double *);

static double
compare_maps (LbDevice *device,
              const LbPlaneMap *map,
              TruthMap truth,
              double x0,
              double y0,
              double x1,
              double y1,
              double width,
              double height)
{
  double squares = 0;
  guint count = 0;

  for (guint i = 0; i < GRID * GRID; i++)
    {
      double x = x0 + (x1 - x0) * (i % GRID) / (GRID - 1), y = y0 + (y1 - y0) * (i / GRID) / (GRID - 1);
      double true_x, true_y, found_x, found_y;

      truth (device, 1, &x, &y, &true_x, &true_y);
      if (true_x < -0.5 || true_y < -0.5 || true_x > width - 0.5 || true_y > height - 0.5)
        continue;
      lb_plane_map_apply (map, x, y, &found_x, &found_y);
      squares += (found_x - true_x) * (found_x - true_x) + (found_y - true_y) * (found_y - true_y);
      count++;
    }
  g_assert_cmpuint (count, >, 0);
  return sqrt (squares / count);
}

static void
check_alignment (CalibrationWorld *world)
{
  LbCalibration *alignment = calibration_world_run (world, "alignment");
  const LbQuantities *values = lb_calibration_values (alignment);
  const double source_width = lb_quantities_get (values, "source_width", 0);
  const double source_height = lb_quantities_get (values, "source_height", 0);
  const double width = lb_quantities_get (values, "weight_width", 0);
  const double height = lb_quantities_get (values, "weight_height", 0);
  LbDevice *camera = calibration_world_get_camera (world);
  LbPlaneMap composed, to_camera;
  LbCameraCaps caps;
  double error, middle, corner = 0;

  g_assert_true (lb_bench_get_camera_caps (world->bench, &caps));
  g_assert_true (lb_calibration_get_plane_map (alignment, "source_to_weight", &composed));
  g_assert_true (lb_calibration_get_plane_map (alignment, "weight_to_camera", &to_camera));
  error = compare_maps (camera, &composed, lb_simulated_truth_source_to_weight, 0, 0, source_width - 1,
                        source_height - 1, width, height);
  middle = compare_maps (camera, &to_camera, lb_simulated_truth_weight_to_camera, width / 4, height / 4,
                         3 * width / 4, 3 * height / 4, caps.width, caps.height);
  for (guint i = 0; i < 4; i++)
    {
      double x = (i % 2) * 0.9 * width, y = (i / 2) * 0.9 * height;

      corner = MAX (corner, compare_maps (camera, &to_camera, lb_simulated_truth_weight_to_camera, x, y,
                                          x + 0.1 * width, y + 0.1 * height, caps.width, caps.height));
    }
  calibration_world_check (world, alignment, "source to SLM (px rms)", error, 0.15);
  calibration_world_check (world, alignment, "SLM to camera, middle (px rms)", middle, 0.1);
  calibration_world_check (world, alignment, "SLM to camera, worst corner (px rms)", corner, 0.3);
  /* The residual that it reports is no flattery: not less than a third of the truth. */
  g_assert_cmpfloat (3 * lb_calibration_get_residual (alignment), >, error);
}

static void
test_alignment (gconstpointer data)
{
  check_alignment (get_world (data));
}

/* ---- Patterns of cells, and what they must look like -------------------------- */

typedef struct
{
  LbDevice *camera;
  LbOpticsModel *model;
  LbLayout *layout;
  LbEncoder *encoder;
  guint8 *levels;
  float *electrons; /* whole sensor */
  guint sensor_width;
  gint32 *cell;       /* of each pixel of the region, -1 */
  gboolean only_good; /* pixels that are not defective */
} CellTruth;

static void
cell_truth_init (CellTruth *truth, CalibrationWorld *world, gboolean calibrated)
{
  g_autoptr (GError) error = NULL;
  LbCameraCaps caps;

  truth->camera = calibration_world_get_camera (world);
  truth->model = lb_calibration_set_make_model (world->set, world->bench, calibrated, &error);
  g_assert_no_error (error);
  truth->layout = lb_layout_new_cells (truth->model, &error);
  g_assert_no_error (error);
  truth->encoder = lb_encoder_new (truth->model);
  truth->levels = g_malloc0 (lb_optics_model_cells (truth->model));
  g_assert_true (lb_bench_get_camera_caps (world->bench, &caps));
  truth->sensor_width = caps.width;
  truth->electrons = g_new (float, (gsize) caps.width *caps.height);
  truth->cell = g_new (gint32, (gsize) truth->model->sensor_width * truth->model->sensor_height);
  for (guint y = 0; y < truth->model->sensor_height; y++)
    for (guint x = 0; x < truth->model->sensor_width; x++)
      {
        const LbOpticsModel *model = truth->model;
        double px = model->sensor_x + x, py = model->sensor_y + y;

        lb_plane_map_apply (&model->camera_to_weight, px, py, &px, &py);
        px = floor ((px + 0.5 - model->origin_x) / model->macropixel);
        py = floor ((py + 0.5 - model->origin_y) / model->macropixel);
        truth->cell[(gsize) y * model->sensor_width + x] =
            px >= 0 && py >= 0 && px < model->columns && py < model->rows
                ? (gint32) (py * model->columns + px)
                : -1;
      }
}

static void
cell_truth_clear (CellTruth *truth)
{
  lb_encoder_free (truth->encoder);
  lb_layout_unref (truth->layout);
  lb_optics_model_unref (truth->model);
  g_free (truth->levels);
  g_free (truth->electrons);
  g_free (truth->cell);
}

/* Sets all cells of the field: to @level, or those of one of nine phases. */
static void
set_levels (CellTruth *truth, guint8 level, int phase)
{
  memset (truth->levels, 0, lb_optics_model_cells (truth->model));
  for (guint tile = 0; tile < truth->layout->n_tiles; tile++)
    {
      const guint32 cell = truth->layout->tiles[tile].cells[0];
      const guint column = cell % truth->model->columns, row = cell / truth->model->columns;

      if (phase < 0 || column % 3 + 3 * (row % 3) == (guint) phase)
        truth->levels[cell] = level;
    }
}

/* Mean electrons that each cell's light would give without noise, stray light
 * and dark current. */
static void
expect_cells (CellTruth *truth, guint8 source_level, guint8 weight_level, int phase, double *cells)
{
  const double light = lb_simulated_truth_electrons (truth->camera, 50, 8000);
  const LbOpticsModel *model = truth->model;
  g_autoptr (LbPattern) source = NULL;
  g_autoptr (LbPattern) weight = NULL;

  set_levels (truth, source_level, phase);
  source = lb_pattern_new_take (model->source_width, model->source_height,
                                lb_encoder_render_source (truth->encoder, truth->levels));
  set_levels (truth, weight_level, phase);
  weight = lb_pattern_new_take (model->weight_width, model->weight_height,
                                lb_encoder_render_weight (truth->encoder, truth->levels));
  lb_simulated_truth_expected (truth->camera, source, weight, 50, 8000, truth->electrons);
  memset (cells, 0, lb_optics_model_cells (model) * sizeof *cells);
  for (guint y = 0; y < model->sensor_height; y++)
    for (guint x = 0; x < model->sensor_width; x++)
      {
        const gsize place = (gsize) y * model->sensor_width + x;
        const gint32 cell = truth->cell[place];
        LbSimulatedTruthPixel pixel;

        if (cell < 0 || (truth->only_good && model->defective[place]))
          continue;
        lb_simulated_truth_pixel (truth->camera, model->sensor_x + x, model->sensor_y + y, &pixel);
        cells[cell] +=
            truth->electrons[(gsize) (model->sensor_y + y) * truth->sensor_width + model->sensor_x + x] -
            pixel.stray * light - pixel.dark_electrons_per_s * 8e-3;
      }
}

/* ---- Response ------------------------------------------------------------------ */

#define ZONES 96
static const guint8 response_levels[] = { 0, 33, 71, 128, 187, 226, 255 };
#define N_RESPONSE_LEVELS G_N_ELEMENTS (response_levels)

static void
sum_zones (const CellTruth *truth, const double *cells, double *zones)
{
  const LbCurves grid = { .zones_x = 12, .zones_y = 8 };

  memset (zones, 0, ZONES * sizeof *zones);
  for (guint tile = 0; tile < truth->layout->n_tiles; tile++)
    {
      const guint32 cell = truth->layout->tiles[tile].cells[0];

      zones[lb_curves_zone (&grid, truth->model->columns, truth->model->rows, cell % truth->model->columns,
                            cell / truth->model->columns)] += cells[cell];
    }
}

static void
test_response (gconstpointer data)
{
  CalibrationWorld *world = get_world (data);
  LbCalibration *response = calibration_world_run (world, "response");
  const LbMatrix *curves[2] = { lb_calibration_get_array (response, "source_curve"),
                                lb_calibration_get_array (response, "weight_curve") };
  CellTruth truth = { 0 };
  g_autofree double *cells = NULL;
  double full[ZONES];

  cell_truth_init (&truth, world, FALSE);
  cells = g_new (double, lb_optics_model_cells (truth.model));
  expect_cells (&truth, 255, 255, -1, cells);
  sum_zones (&truth, cells, full);
  for (guint plane = 0; plane < 2; plane++)
    {
      double squares = 0, low_sum = 0, floor_error = 0;
      guint count = 0, low_count = 0;

      for (guint i = 0; i < N_RESPONSE_LEVELS; i++)
        {
          const guint8 level = response_levels[i];
          double zones[ZONES];

          expect_cells (&truth, plane == 0 ? level : 255, plane == 0 ? 255 : level, -1, cells);
          sum_zones (&truth, cells, zones);
          for (guint zone = 0; zone < ZONES; zone++)
            if (full[zone] > 0)
              {
                double expected = zones[zone] / full[zone];
                double error =
                    lb_matrix_get (curves[plane], zone, level) / lb_matrix_get (curves[plane], zone, 255) -
                    expected;

                squares += error * error;
                count++;
                if (expected < 0.25)
                  {
                    low_sum += error;
                    low_count++;
                  }
                if (level == 0)
                  floor_error = MAX (floor_error, fabs (error));
              }
        }
      calibration_world_check (world, response, plane == 0 ? "source curve (rms)" : "SLM curve (rms)",
                               sqrt (squares / count), 0.005);
      calibration_world_check (world, response, plane == 0 ? "source, lowest quarter" : "SLM, lowest quarter",
                               fabs (low_sum / low_count), 0.001);
      calibration_world_check (world, response,
                               plane == 0 ? "source floor, worst zone" : "SLM floor, worst zone", floor_error,
                               0.001);
    }
  g_assert_cmpuint (lb_calibration_get_n_figures (response), >=, 2);
  cell_truth_clear (&truth);
}

/* ---- Background ------------------------------------------------------------------ */

static void
test_background (gconstpointer data)
{
  CalibrationWorld *world = get_world (data);
  LbCalibration *background = calibration_world_run (world, "background");
  const LbMatrix *stray = lb_calibration_get_array (background, "stray");
  const double unit = lb_quantities_get (lb_calibration_values (background), "mean_signal", NAN);
  CellTruth truth = { 0 };
  g_autofree double *cells = NULL;
  g_autofree double *found = NULL;
  double light, mean = 0, zones[ZONES], found_zones[ZONES], count[ZONES], worst = 0;

  cell_truth_init (&truth, world, FALSE);
  light = lb_simulated_truth_electrons (truth.camera, 50, 8000);
  cells = g_new (double, lb_optics_model_cells (truth.model));
  found = g_new0 (double, lb_optics_model_cells (truth.model));
  expect_cells (&truth, 255, 255, -1, cells);
  for (guint tile = 0; tile < truth.layout->n_tiles; tile++)
    mean += cells[truth.layout->tiles[tile].cells[0]] / truth.layout->n_tiles;

  memset (cells, 0, lb_optics_model_cells (truth.model) * sizeof *cells);
  for (guint y = 0; y < truth.model->sensor_height; y++)
    for (guint x = 0; x < truth.model->sensor_width; x++)
      {
        const gint32 cell = truth.cell[(gsize) y * truth.model->sensor_width + x];
        LbSimulatedTruthPixel pixel;

        lb_simulated_truth_pixel (truth.camera, truth.model->sensor_x + x, truth.model->sensor_y + y, &pixel);
        if (cell >= 0)
          cells[cell] += pixel.stray * light / mean;
      }
  for (guint cell = 0; cell < lb_optics_model_cells (truth.model); cell++)
    found[cell] = lb_matrix_get (stray, cell / truth.model->columns, cell % truth.model->columns) / unit;
  sum_zones (&truth, cells, zones);
  sum_zones (&truth, found, found_zones);
  for (guint cell = 0; cell < lb_optics_model_cells (truth.model); cell++)
    found[cell] = 1;
  sum_zones (&truth, found, count);
  for (guint zone = 0; zone < ZONES; zone++)
    if (count[zone] > 0)
      worst = MAX (worst, fabs (found_zones[zone] - zones[zone]) / count[zone]);
  calibration_world_check (world, background, "stray light, worst zone", worst, 0.002);
  cell_truth_clear (&truth);
}

/* ---- Flat field ------------------------------------------------------------------- */

/* Light of every cell when it is on and its neighbours are not, wherever it
 * lands. */
static double *
expect_gains (CellTruth *truth)
{
  const LbOpticsModel *model = truth->model;
  const gsize n_cells = lb_optics_model_cells (model);
  double *gains = g_new0 (double, n_cells);
  g_autofree double *dark = g_new (double, n_cells);
  g_autofree double *cells = g_new (double, n_cells);

  expect_cells (truth, 0, 0, -1, dark);
  for (guint phase = 0; phase < 9; phase++)
    {
      expect_cells (truth, 255, 255, (int) phase, cells);
      for (guint row = 1; row + 1 < model->rows; row++)
        for (guint column = 1; column + 1 < model->columns; column++)
          if (column % 3 + 3 * (row % 3) == phase)
            for (guint i = 0; i < 9; i++)
              {
                const gsize other = (gsize) (row + i / 3 - 1) * model->columns + column + i % 3 - 1;

                gains[(gsize) row * model->columns + column] += cells[other] - dark[other];
              }
    }
  return gains;
}

static void
test_flat_field (gconstpointer data)
{
  CalibrationWorld *world = get_world (data);
  LbCalibration *flat_field = calibration_world_run (world, "flat-field");
  const LbMatrix *usable = lb_calibration_get_array (flat_field, "usable");
  CellTruth truth = { 0 };
  g_autofree double *gains = NULL;
  double product = 0, square = 0, errors = 0, sum = 0;
  guint count = 0;

  cell_truth_init (&truth, world, TRUE);
  /* Decoding takes a gain times the share of the cell's pixels that count (lb-layout.h):
   * the light of those is compared. */
  truth.only_good = TRUE;
  gains = expect_gains (&truth);
  g_assert_true (truth.model->calibrated);
  g_assert_true (lb_calibration_set_is_complete (world->set));
  for (guint tile = 0; tile < truth.layout->n_tiles; tile++)
    {
      const guint32 cell = truth.layout->tiles[tile].cells[0];

      if (lb_matrix_get (usable, cell / truth.model->columns, cell % truth.model->columns) < 0.5f)
        continue;
      product += (double) truth.model->gain[cell] * truth.layout->tile_share[tile] * gains[cell];
      square += gains[cell] * gains[cell];
      sum += truth.model->gain[cell];
      count++;
    }
  for (guint tile = 0; tile < truth.layout->n_tiles; tile++)
    {
      const guint32 cell = truth.layout->tiles[tile].cells[0];
      double expected = gains[cell] * product / square;

      if (lb_matrix_get (usable, cell / truth.model->columns, cell % truth.model->columns) > 0.5f)
        errors += pow (truth.model->gain[cell] * truth.layout->tile_share[tile] / expected - 1, 2);
    }
  g_test_message ("%u macropixels, reported %.3f %%", count, lb_calibration_get_residual (flat_field));
  calibration_world_check (world, flat_field, "gains (rms)", sqrt (errors / count), 0.005);
  g_assert_cmpfloat (fabs (sum / count - 1), <, 0.05);
  cell_truth_clear (&truth);
}

/* ---- Worlds that are hard, or cannot work --------------------------------------- */

/* How the planes lie before the camera; small planes of 320 x 200. */
typedef struct
{
  const char *name;
  guint seed; /* draws flips, the rest of the rotation, and all else */
  const char *magnification, *rotation_deg, *quarter_turns;
  const char *sensor;         /* that holds the image */
  const char *photons_per_us; /* so that a camera pixel gets what it usually does */
} Geometry;

static const Geometry geometries[] = {
  { "a-quarter-turn", 7, "0.75", "1.5", "1", "\"width\": 320, \"height\": 272", "0.0188" },
  { "a-half-turn", 7, "0.75", "1.5", "2", "\"width\": 320, \"height\": 176", "0.0188" },
  { "any-rotation", 3, "0.75", "45", "0", "\"width\": 480, \"height\": 480", "0.0188" },
  { "any-rotation-and-flip", 4, "0.5", "45", "3", "\"width\": 320, \"height\": 320", "0.0084" },
  { "three-camera-pixels-an-slm-pixel", 2, "3", "1.5", "0", "\"width\": 1136, \"height\": 752", "0.3" },
  { "a-quarter-camera-pixel-an-slm-pixel", 3, "0.25", "1.5", "0", "\"width\": 128, \"height\": 96",
    "0.0021" },
};

static void
test_geometry (gconstpointer data)
{
  const Geometry *geometry = data;
  g_autofree char *magnification = g_strdup_printf ("magnification\": %s", geometry->magnification);
  g_autofree char *rotation = g_strdup_printf ("camera_rotation_deg\": %s", geometry->rotation_deg);
  g_autofree char *turns = g_strdup_printf ("camera_quarter_turns\": %s", geometry->quarter_turns);
  g_autofree char *photons = g_strdup_printf ("photons_per_us\": %s", geometry->photons_per_us);
  const char *changes[] = { "magnification\": 0.75",
                            magnification,
                            "camera_rotation_deg\": 1.5",
                            rotation,
                            "camera_quarter_turns\": 0",
                            turns,
                            "\"width\": 320, \"height\": 176",
                            geometry->sensor,
                            "photons_per_us\": 0.0188",
                            photons,
                            "\"rate_hz\": 60, \"readout_us\"",
                            "\"rate_hz\": 30, \"readout_us\"",
                            NULL };
  g_autoptr (CalibrationWorld) world = calibration_world_new (LB_FIDELITY_FAST, geometry->seed, changes);

  check_alignment (world);
  g_assert_cmpfloat (lb_calibration_get_duration_s (calibration_world_run (world, "alignment")), <, 30);
}

static void
expect_no_light (const char *what, const char *value, const char *step)
{
  const char *changes[] = { what, value, NULL };
  g_autoptr (CalibrationWorld) world = calibration_world_new (LB_FIDELITY_FAST, 8, changes);
  g_autoptr (LbCalibration) result = NULL;
  g_autoptr (LbCalibration) in_force = NULL;
  g_autoptr (LbCalibration) failed = NULL;
  g_autoptr (GError) error = NULL;

  calibration_world_run (world, "dark");
  result = lb_calibration_run_step (world->bench, world->set, step, 9, NULL, NULL, NULL, &error);
  g_assert_no_error (error);
  g_test_message ("%s", lb_calibration_get_message (result));
  g_assert_cmpint (lb_calibration_get_verdict (result), ==, LB_VERDICT_FAIL);
  g_assert_cmpstr (lb_calibration_get_message (result), !=, "");
  g_assert_true (isnan (lb_calibration_get_residual (result)));
  in_force = lb_calibration_set_dup (world->set, step);
  g_assert_null (in_force);
  failed = lb_calibration_set_dup_failed (world->set, step);
  g_assert_true (failed == result);
  g_assert_cmpint (lb_bench_get_light (world->bench), ==, LB_LIGHT_ARMED);
}

static void
test_dark_world (void)
{
  expect_no_light ("\"quantum_efficiency\": 0.7,\n    \"path", "\"quantum_efficiency\": 0.001,\n    \"path",
                   "alignment");
}

static void
test_needs (void)
{
  g_autoptr (CalibrationWorld) world = calibration_world_new (LB_FIDELITY_FAST, 1, NULL);
  g_autoptr (GError) error = NULL;

  g_assert_null (lb_calibration_run_step (world->bench, world->set, "response", 1, NULL, NULL, NULL, &error));
  g_assert_error (error, LB_CALIBRATION_ERROR, LB_CALIBRATION_ERROR_NEEDS);
  g_clear_error (&error);
  g_assert_null (lb_calibration_run_step (world->bench, world->set, "polish", 1, NULL, NULL, NULL, &error));
  g_assert_error (error, LB_CALIBRATION_ERROR, LB_CALIBRATION_ERROR_NO_SUCH_STEP);
  g_clear_error (&error);
  g_assert_null (lb_calibration_set_make_model (world->set, world->bench, TRUE, &error));
  g_assert_error (error, LB_CALIBRATION_ERROR, LB_CALIBRATION_ERROR_NEEDS);
}

typedef struct
{
  GCancellable *cancellable;
  double last;
  guint calls;
} Canceller;

static void
cancel_cb (
    const char *step, double fraction, const char *message, LbFigure *figure, LbFrame *frame, gpointer data)
{
  Canceller *canceller = data;

  g_assert_cmpstr (step, ==, "dark");
  g_assert_cmpfloat (fraction, >=, canceller->last);
  canceller->last = fraction;
  canceller->calls++;
  if (fraction > 0.3)
    g_cancellable_cancel (canceller->cancellable);
}

static void
test_cancel (void)
{
  g_autoptr (CalibrationWorld) world = calibration_world_new (LB_FIDELITY_FAST, 1, NULL);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  LbCalibration *before = calibration_world_run (world, "dark");
  g_autoptr (LbCalibration) after = NULL;
  g_autoptr (GError) error = NULL;
  Canceller canceller = { cancellable, 0, 0 };

  g_assert_null (lb_calibration_run_step (world->bench, world->set, "dark", 2, cancel_cb, &canceller,
                                          cancellable, &error));
  g_assert_nonnull (error);
  g_assert_cmpuint (canceller.calls, >, 1);
  g_assert_cmpfloat (canceller.last, <, 0.5);
  after = lb_calibration_set_dup (world->set, "dark");
  g_assert_true (after == before);
  g_assert_cmpint (lb_bench_get_light (world->bench), ==, LB_LIGHT_ARMED);
  g_assert_cmpint (lb_bench_get_state (world->bench), ==, LB_BENCH_IDLE);
}

/* The same seeds and ordinals give the same numbers. */
static void
test_repeats (void)
{
  double residual[2];

  for (guint i = 0; i < 2; i++)
    {
      g_autoptr (CalibrationWorld) world = calibration_world_new (LB_FIDELITY_FAST, 5, NULL);

      residual[i] = lb_calibration_get_residual (calibration_world_run (world, "alignment"));
    }
  g_assert_cmpfloat (residual[0], ==, residual[1]);
}

/* Of each step the forecast comes near what it takes; the next one is what it took. */
static void
test_forecast (void)
{
  g_autoptr (CalibrationWorld) world = calibration_world_new (LB_FIDELITY_FAST, 1, NULL);

  for (const LbCalibrationStep *const *step = lb_calibration_steps_get (); *step != NULL; step++)
    {
      LbCalibrationForecast before, after;
      LbCalibration *result;

      g_assert_true (lb_calibration_forecast (world->bench, world->set, (*step)->name, &before));
      result = calibration_world_run (world, (*step)->name);
      g_assert_cmpfloat (before.seconds, >, 0.5 * lb_calibration_get_duration_s (result));
      g_assert_cmpfloat (before.seconds, <, 2 * lb_calibration_get_duration_s (result));
      g_assert_cmpuint (before.exposures, >, lb_calibration_get_exposures (result) / 2);
      g_assert_cmpuint (before.exposures, <, 2 * lb_calibration_get_exposures (result));
      g_assert_cmpfloat (calibration_get_value (result, LB_CALIBRATION_DURATION_FORECAST), ==,
                         before.seconds);
      g_assert_cmpfloat (calibration_get_value (result, LB_CALIBRATION_EXPOSURES_FORECAST), ==,
                         (double) before.exposures);
      g_assert_true (lb_calibration_forecast (world->bench, world->set, (*step)->name, &after));
      g_assert_cmpfloat (after.seconds, ==, lb_calibration_get_duration_s (result));
      g_assert_cmpuint (after.exposures, ==, lb_calibration_get_exposures (result));
    }
}

static void
add_world_tests (const Case *which)
{
  const struct
  {
    const char *name;
    GTestDataFunc func;
  } tests[] = {
    { "dark-finds-offset-noise-and-hot-pixels", test_dark },
    { "alignment-finds-the-maps", test_alignment },
    { "response-finds-curves-and-floors", test_response },
    { "background-finds-stray-light", test_background },
    { "flat-field-finds-the-gains", test_flat_field },
  };

  for (guint t = 0; t < G_N_ELEMENTS (tests); t++)
    {
      g_autofree char *path = g_strdup_printf ("/calibration/steps/%s-%" G_GUINT64_FORMAT "/%s",
                                               which->fidelity == LB_FIDELITY_FAST ? "fast" : "pixel",
                                               which->seed, tests[t].name);

      g_test_add_data_func (path, which, tests[t].func);
    }
}

static void
add_own_tests (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (own_cases); i++)
    add_world_tests (&own_cases[i]);
  for (guint i = 0; i < G_N_ELEMENTS (geometries); i++)
    {
      g_autofree char *path = g_strconcat ("/calibration/steps/alignment-finds-", geometries[i].name, NULL);

      g_test_add_data_func (path, &geometries[i], test_geometry);
    }
  g_test_add_func ("/calibration/steps/a-dark-world-is-named", test_dark_world);
  g_test_add_func ("/calibration/steps/a-step-says-what-it-needs", test_needs);
  g_test_add_func ("/calibration/steps/a-cancelled-step-leaves-the-earlier-result", test_cancel);
  g_test_add_func ("/calibration/steps/the-same-seed-gives-the-same-result", test_repeats);
  g_test_add_func ("/calibration/steps/a-forecast-comes-near", test_forecast);
}

int
main (int argc, char *argv[])
{
  g_autoptr (GArray) cases = g_array_new (FALSE, FALSE, sizeof (Case));
  guint64 first, last;
  Case one;
  int result;

  g_test_init (&argc, &argv, NULL);
  if (!calibration_fixture_get_worlds (&one.fidelity, &first, &last))
    add_own_tests ();
  else
    for (one.seed = first; one.seed <= last; one.seed++)
      g_array_append_val (cases, one);
  for (guint i = 0; i < cases->len; i++)
    add_world_tests (&g_array_index (cases, Case, i));
  result = g_test_run ();
  g_clear_pointer (&present, calibration_world_free);
  return result;
}
