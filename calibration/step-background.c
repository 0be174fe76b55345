/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-cell-probe-private.h"

#include <glib/gi18n-lib.h>
#include <lb-statistics.h>
#include <math.h>

/* Limit of the mean of a region (optics.md), part of the mean signal. */
#define BACKGROUND_LIMIT 0.002
#define ZONES_X 12
#define ZONES_Y 8
#define ZONES (ZONES_X * ZONES_Y)
/* Frames with both planes dark, even and odd ones apart; of the other corners,
 * and of the mixed values that test whether light is a product. */
#define DARK_FRAMES 16
#define CORNER_FRAMES 3
#define MIXED_FRAMES 3
#define MIXED_VALUE 500u
/* Fewer cells do not make a zone. */
#define ZONE_CELLS_MIN 6

enum
{
  TAG_DARK,
  TAG_SOURCE, /* source on, weight plane dark */
  TAG_WEIGHT,
  TAG_BOTH,
  TAG_MIXED,
  N_TAGS,
};

typedef struct
{
  LbCellProbe probe;
  double *sums[N_TAGS]; /* per tile, in units of the light of a bright reference cell */
  double *halves[2];    /* of the dark frames */
  guint frames[N_TAGS];
  guint half_frames[2];
  double *stray; /* per tile */
  guint *zone_of_tile;
  double mean_signal;
  double repeatability; /* of the mean of a zone, part of the mean signal */
  double corner_error;  /* the two corners that stray light did not come from */
  double separability;  /* mixed values */
  double stray_low, stray_high;
} BackgroundWork;

static void
background_work_clear (BackgroundWork *work)
{
  lb_cell_probe_clear (&work->probe);
  for (guint i = 0; i < N_TAGS; i++)
    g_free (work->sums[i]);
  g_free (work->halves[0]);
  g_free (work->halves[1]);
  g_free (work->stray);
  g_free (work->zone_of_tile);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (BackgroundWork, background_work_clear)

static gboolean
background_sink (const LbCaptureShot *shot, guint nth, LbFrame *frame, gpointer data, GError **error)
{
  BackgroundWork *work = data;
  g_autoptr (LbReading) reading = lb_cell_probe_read (&work->probe, frame, error);

  if (reading == NULL)
    return FALSE;
  for (guint tile = 0; tile < reading->tiles; tile++)
    {
      double light = reading->electrons[tile] / reading->light;

      work->sums[shot->tag][tile] += light;
      if (shot->tag == TAG_DARK)
        work->halves[nth % 2][tile] += light;
    }
  work->frames[shot->tag]++;
  if (shot->tag == TAG_DARK)
    work->half_frames[nth % 2]++;
  return TRUE;
}

static GArray *
plan_shots (void)
{
  GArray *shots = g_array_new (FALSE, TRUE, sizeof (LbCaptureShot));
  const guint mixed = LB_CELLS_VALUE (MIXED_VALUE);

  lb_cell_probe_plan (shots, LB_CELLS_DARK, LB_CELLS_DARK, DARK_FRAMES, TAG_DARK);
  lb_cell_probe_plan (shots, LB_CELLS_FULL, LB_CELLS_DARK, CORNER_FRAMES, TAG_SOURCE);
  lb_cell_probe_plan (shots, LB_CELLS_FULL, LB_CELLS_FULL, CORNER_FRAMES, TAG_BOTH);
  lb_cell_probe_plan (shots, LB_CELLS_DARK, LB_CELLS_FULL, CORNER_FRAMES, TAG_WEIGHT);
  lb_cell_probe_plan (shots, mixed, mixed, MIXED_FRAMES, TAG_MIXED);
  return shots;
}

static void
average (BackgroundWork *work)
{
  for (guint tile = 0; tile < work->probe.layout->n_tiles; tile++)
    {
      for (guint tag = 0; tag < N_TAGS; tag++)
        work->sums[tag][tile] /= MAX (work->frames[tag], 1);
      for (guint half = 0; half < 2; half++)
        work->halves[half][tile] /= MAX (work->half_frames[half], 1);
    }
}

/* rho = r00 - C fx fw with C from all four corners (optics.md). */
static void
find_stray (BackgroundWork *work)
{
  const LbCellProbe *probe = &work->probe;
  const guint n_tiles = probe->layout->n_tiles;

  work->stray = g_new (double, n_tiles);
  for (guint tile = 0; tile < n_tiles; tile++)
    {
      const guint32 cell = lb_cell_probe_cell (probe, tile);
      const double fx = lb_optics_model_source_floor (probe->model, cell);
      const double fw = lb_optics_model_weight_floor (probe->model, cell);
      const double scale = (work->sums[TAG_BOTH][tile] - work->sums[TAG_SOURCE][tile] -
                            work->sums[TAG_WEIGHT][tile] + work->sums[TAG_DARK][tile]) /
                           (1 - fx) / (1 - fw);

      /* Pixels that are left out miss their stray light too. */
      work->stray[tile] =
          (work->sums[TAG_DARK][tile] - scale * fx * fw) / MAX (probe->layout->tile_share[tile], 0.1);
    }
}

/* The light of a frame was taken from the bright reference, stray light and all, which is
 * known only now: where the reference has the part s of its own, all came out as if
 * divided by 1 + s, and s itself as s / (1 + s). */
static void
take_stray_from_reference (BackgroundWork *work)
{
  const LbLayout *layout = work->probe.layout;
  g_autoptr (LbMatrix) stray = lb_cell_probe_spread (&work->probe, work->stray);
  double seen = 0, shares = 0, factor;

  for (guint i = 0; i < layout->bright_cells->len; i++)
    {
      const guint32 cell = g_array_index (layout->bright_cells, guint32, i);

      seen += layout->cell_share[cell] *
              (double) lb_matrix_get (stray, cell / stray->columns, cell % stray->columns);
      shares += layout->cell_share[cell];
    }
  factor = 1 / (1 - CLAMP (seen / shares, 0, 0.9));
  for (guint tile = 0; tile < layout->n_tiles; tile++)
    {
      for (guint tag = 0; tag < N_TAGS; tag++)
        work->sums[tag][tile] *= factor;
      for (guint half = 0; half < 2; half++)
        work->halves[half][tile] *= factor;
      work->stray[tile] *= factor;
    }
}

/* What the tests ask of a tile: measured less expected. */
typedef enum
{
  TEST_HALVES,
  TEST_SOURCE,
  TEST_WEIGHT,
  TEST_MIXED,
} Test;

static double
test_tile (const BackgroundWork *work, guint tile, Test test)
{
  const LbCellProbe *probe = &work->probe;
  const guint32 cell = lb_cell_probe_cell (probe, tile);
  const double fx = lb_optics_model_source_floor (probe->model, cell);
  const double fw = lb_optics_model_weight_floor (probe->model, cell);
  const double stray = work->stray[tile] * probe->layout->tile_share[tile];
  const double scale = work->sums[TAG_BOTH][tile] - stray;

  switch (test)
    {
    case TEST_HALVES:
      return 0.5 * (work->halves[0][tile] - work->halves[1][tile]);
    case TEST_SOURCE:
      return work->sums[TAG_SOURCE][tile] - stray - scale * fw;
    case TEST_WEIGHT:
      return work->sums[TAG_WEIGHT][tile] - stray - scale * fx;
    case TEST_MIXED:
    default:
      return work->sums[TAG_MIXED][tile] - stray -
             scale * lb_cell_probe_value (probe, &probe->model->source_curves, cell, MIXED_VALUE) *
                 lb_cell_probe_value (probe, &probe->model->weight_curves, cell, MIXED_VALUE);
    }
}

/* rms over the zones of the zone's mean, as a part of the mean signal. */
static double
test_zones (const BackgroundWork *work, Test test)
{
  double sums[ZONES] = { 0 }, squares = 0;
  guint count[ZONES] = { 0 }, zones = 0;

  for (guint tile = 0; tile < work->probe.layout->n_tiles; tile++)
    {
      sums[work->zone_of_tile[tile]] += test_tile (work, tile, test);
      count[work->zone_of_tile[tile]]++;
    }
  for (guint zone = 0; zone < ZONES; zone++)
    if (count[zone] >= ZONE_CELLS_MIN)
      {
        double mean = sums[zone] / count[zone] / work->mean_signal;

        squares += mean * mean;
        zones++;
      }
  return sqrt (squares / MAX (zones, 1));
}

static void
analyse (BackgroundWork *work)
{
  const guint n_tiles = work->probe.layout->n_tiles;

  find_stray (work);
  take_stray_from_reference (work);
  work->mean_signal = lb_mean (work->sums[TAG_BOTH], n_tiles);
  work->repeatability = test_zones (work, TEST_HALVES);
  work->corner_error =
      sqrt (0.5 * (pow (test_zones (work, TEST_SOURCE), 2) + pow (test_zones (work, TEST_WEIGHT), 2)));
  work->separability = test_zones (work, TEST_MIXED);
  work->stray_low = lb_percentile (work->stray, n_tiles, 1);
  work->stray_high = lb_percentile (work->stray, n_tiles, 99);
}

static void
add_figures (const BackgroundWork *work, LbCalibration *result, LbMatrix *stray)
{
  g_autoptr (LbFigure) map =
      lb_figure_new (_ ("Stray light"), _ ("Macropixel column"), "", _ ("Macropixel row"), "");
  g_autoptr (LbFigure) corners = lb_figure_new (_ ("Light with planes dark and full on"), "", "",
                                                _ ("Light, part of a bright reference"), "");
  const double where[N_TAGS] = { 0, 1, 2, 3, 4 };
  const char *const names[] = { _ ("both dark"), _ ("source on"),   _ ("weight plane on"),
                                _ ("both on"),   _ ("half values"), NULL };
  double means[N_TAGS];
  LbSeries *image = lb_figure_add_image (map, NULL, stray);

  map->y_axis.reversed = TRUE;
  image->low = work->stray_low;
  image->high = MAX (work->stray_high, work->stray_low + 1e-6);
  map->note =
      g_strdup_printf (_ ("From %.3f %% to %.3f %% of the mean signal"),
                       100 * work->stray_low / work->mean_signal, 100 * work->stray_high / work->mean_signal);
  for (guint tag = 0; tag < N_TAGS; tag++)
    means[tag] = lb_mean (work->sums[tag], work->probe.layout->n_tiles);
  corners->x_axis.categories = g_strdupv ((char **) names);
  corners->y_axis.logarithmic = means[TAG_DARK] > 0;
  lb_figure_add_points (corners, NULL, where, means, NULL, N_TAGS);
  lb_calibration_add_figure (result, "stray", map);
  lb_calibration_add_figure (result, "corners", corners);
}

static void
report (const BackgroundWork *work, LbCalibration *result)
{
  g_autoptr (LbMatrix) stray = lb_cell_probe_spread (&work->probe, work->stray);
  LbQuantities *values = lb_calibration_values (result);
  const double residual = hypot (work->repeatability, work->corner_error);
  const double mean = lb_mean (work->stray, work->probe.layout->n_tiles) / work->mean_signal;
  g_autofree char *good =
      g_strdup_printf (_ ("Stray light is %.2f %% of the mean signal and steady."), 100 * mean);

  lb_calibration_set_array (result, "stray", stray);
  lb_quantities_set (values, "stray_mean", 100 * mean, "%");
  lb_quantities_set (values, "stray_low", 100 * work->stray_low / work->mean_signal, "%");
  lb_quantities_set (values, "stray_high", 100 * work->stray_high / work->mean_signal, "%");
  lb_quantities_set (values, "mean_signal", work->mean_signal, "");
  lb_quantities_set (values, "repeatability", 100 * work->repeatability, "%");
  lb_quantities_set (values, "corner_error", 100 * work->corner_error, "%");
  lb_quantities_set (values, "separability_error", 100 * work->separability, "%");
  add_figures (work, result, stray);

  lb_capture_judge (result, 100 * residual, 100 * BACKGROUND_LIMIT, "%", good,
                    _ ("The light with dark planes does not repeat, or does not agree with the floors: cover "
                       "the bench against room light, then measure response and background again."));
  if (lb_calibration_get_verdict (result) != LB_VERDICT_PASS)
    return;
  if (mean > 0.05)
    lb_calibration_set_verdict (result, LB_VERDICT_WARN, 100 * residual, 100 * BACKGROUND_LIMIT, "%",
                                _ ("There is much stray light: look for reflections and cover the bench."));
  else if (work->separability > 0.02)
    lb_calibration_set_verdict (result, LB_VERDICT_WARN, 100 * residual, 100 * BACKGROUND_LIMIT, "%",
                                _ ("Light is not the product of what the two planes show: align again, then "
                                   "measure the response again."));
}

static void
start (BackgroundWork *work)
{
  const LbOpticsModel *model = work->probe.model;
  const LbCurves grid = { .zones_x = ZONES_X, .zones_y = ZONES_Y };
  const guint n_tiles = work->probe.layout->n_tiles;

  for (guint tag = 0; tag < N_TAGS; tag++)
    work->sums[tag] = g_new0 (double, n_tiles);
  work->halves[0] = g_new0 (double, n_tiles);
  work->halves[1] = g_new0 (double, n_tiles);
  work->zone_of_tile = g_new (guint, n_tiles);
  for (guint tile = 0; tile < n_tiles; tile++)
    {
      guint32 cell = lb_cell_probe_cell (&work->probe, tile);

      work->zone_of_tile[tile] =
          lb_curves_zone (&grid, model->columns, model->rows, cell % model->columns, cell / model->columns);
    }
}

static gboolean
measure_background (LbCalibrationContext *context,
                    LbCalibration *result,
                    GCancellable *cancellable,
                    GError **error)
{
  g_auto (BackgroundWork) work = { 0 };
  g_autoptr (GArray) shots = plan_shots ();

  if (!lb_cell_probe_init (&work.probe, context, LB_MODEL_CURVES, cancellable, error))
    return FALSE;
  start (&work);
  work.probe.capture.message = _ ("Looking for light");
  if (!lb_capture_find_light (&work.probe.capture, LB_CELLS_FULL, LB_CELLS_FULL, cancellable, error))
    return FALSE;
  lb_capture_describe_light (&work.probe.capture, result);

  work.probe.capture.message = _ ("Dark and bright planes");
  work.probe.capture.fraction_from = 0.05;
  work.probe.capture.fraction_to = 0.98;
  if (!lb_capture_run (&work.probe.capture, shots, background_sink, &work, cancellable, error))
    return FALSE;
  average (&work);
  analyse (&work);
  if (!(work.mean_signal > 0))
    {
      g_set_error_literal (error, LB_CALIBRATION_ERROR, LB_CALIBRATION_ERROR_SIGNAL,
                           _ ("No light comes through with both planes full on: check the planes, and align "
                              "again"));
      return FALSE;
    }
  report (&work, result);
  return TRUE;
}

static void
forecast (LbBench *bench, LbCalibrationForecast *forecast)
{
  lb_calibration_forecast_add (forecast, bench, 5, 1 + DARK_FRAMES + 3 * CORNER_FRAMES + MIXED_FRAMES, 0, 1);
}

const LbCalibrationStep lb_calibration_step_background = {
  .name = "background",
  .title = N_ ("Background"),
  .description = N_ ("Finds the light that reaches the camera whatever the planes show, macropixel by "
                     "macropixel, and tests that light is the product of both planes"),
  .needs = { "dark", "alignment", "response", NULL },
  .max_age_s = 12 * 3600,
  .forecast = forecast,
  .measure = measure_background,
};
