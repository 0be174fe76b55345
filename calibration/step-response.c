/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-cell-probe-private.h"
#include "lb-response-curve-private.h"

#include <glib/gi18n-lib.h>
#include <lb-statistics.h>
#include <math.h>
#include <string.h>

/* Limit of the curves (optics.md), rms of full scale. */
#define CURVE_LIMIT 0.005
#define ZONES_X 12
#define ZONES_Y 8
#define ZONES (ZONES_X * ZONES_Y)
#define LEVEL_STEP 5
#define N_LEVELS ((LB_LEVELS - 1) / LEVEL_STEP + 1)
#define TOP (LB_LEVELS - 1)
/* The corners carry floors and scale: more frames than the other levels. */
#define CORNER_FACTOR 4
/* Relative noise of a zone that a level may have; and of a macropixel's light by
 * speckle, as far as a plan can know. */
#define ZONE_NOISE 0.0012
#define CELL_SPECKLE 0.01
#define FRAMES_MAX 8
/* Fewest cells of a zone for a curve of its own. */
#define ZONE_CELLS_MIN 6
/* A plane that changes the light by less does not work. */
#define CONTRAST_MIN 4.0

/* Exposures by their tag: the two scans, the four corners, the checks. */
enum
{
  TAG_SOURCE = 0,
  TAG_WEIGHT = TAG_SOURCE + N_LEVELS,
  TAG_CORNERS = TAG_WEIGHT + N_LEVELS, /* + (source is on) + 2 (weight is on) */
  TAG_CHECKS = TAG_CORNERS + 4,
};

/* Pairs of levels that no fit has seen: do curves, floors and stray light
 * together say what comes of them? */
static const guint check_levels[][2] = { { 201, 117 }, { 143, 171 }, { 98, 233 }, { 231, 92 } };
#define N_CHECKS G_N_ELEMENTS (check_levels)
#define N_TAGS (TAG_CHECKS + N_CHECKS)

typedef struct
{
  LbCellProbe probe;
  guint levels[N_LEVELS];
  guint *zone_of_tile;
  guint cells[ZONES];
  double sums[N_TAGS][ZONES]; /* light of a cell, mean over zone and frames, in units of L */
  guint frames[N_TAGS];
  guint planned; /* frames a level */
  /* What comes of it. */
  double scale[ZONES], stray[ZONES], source_floor[ZONES], weight_floor[ZONES];
  LbMatrix *curves[2]; /* source, weight; (ZONES, LB_LEVELS) */
  LbMatrix *ranges[2];
  double largest[2][ZONES];
  double residual;
  double check_errors[N_CHECKS * ZONES];
  gsize n_check_errors;
} ResponseWork;

static const char *const plane_names[2] = { "source", "weight" };

static void
response_work_clear (ResponseWork *work)
{
  if (work == NULL)
    return;
  lb_cell_probe_clear (&work->probe);
  g_free (work->zone_of_tile);
  for (guint plane = 0; plane < 2; plane++)
    {
      g_clear_pointer (&work->curves[plane], lb_matrix_unref);
      g_clear_pointer (&work->ranges[plane], lb_matrix_unref);
    }
  g_free (work);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ResponseWork, response_work_clear)

static void
find_zones (ResponseWork *work)
{
  const LbOpticsModel *model = work->probe.model;
  const LbCurves grid = { .zones_x = ZONES_X, .zones_y = ZONES_Y };

  work->zone_of_tile = g_new (guint, work->probe.layout->n_tiles);
  for (guint tile = 0; tile < work->probe.layout->n_tiles; tile++)
    {
      guint32 cell = lb_cell_probe_cell (&work->probe, tile);

      work->zone_of_tile[tile] =
          lb_curves_zone (&grid, model->columns, model->rows, cell % model->columns, cell / model->columns);
      work->cells[work->zone_of_tile[tile]]++;
    }
}

static gboolean
response_sink (const LbCaptureShot *shot, guint nth, LbFrame *frame, gpointer data, GError **error)
{
  ResponseWork *work = data;
  g_autoptr (LbReading) reading = lb_cell_probe_read (&work->probe, frame, error);

  if (reading == NULL)
    return FALSE;
  for (guint tile = 0; tile < reading->tiles; tile++)
    work->sums[shot->tag][work->zone_of_tile[tile]] += reading->electrons[tile] / reading->light;
  work->frames[shot->tag]++;
  return TRUE;
}

/* What one bright frame says of the light: frames that a level needs. */
typedef struct
{
  ResponseWork *work;
  double cell_electrons;
} ProbeFrame;

static gboolean
probe_sink (const LbCaptureShot *shot, guint nth, LbFrame *frame, gpointer data, GError **error)
{
  ProbeFrame *probe = data;
  g_autoptr (LbReading) reading = lb_cell_probe_read (&probe->work->probe, frame, error);

  if (reading == NULL)
    return FALSE;
  probe->cell_electrons = lb_percentile (reading->electrons, reading->tiles, 25);
  return TRUE;
}

static gboolean
plan_frames (ResponseWork *work, GCancellable *cancellable, GError **error)
{
  g_autoptr (GArray) shots = g_array_new (FALSE, TRUE, sizeof (LbCaptureShot));
  ProbeFrame probe = { .work = work };
  const double bright = MAX (work->probe.layout->bright_cells->len, 1);
  const double zone = (double) work->probe.layout->n_tiles / ZONES;
  double noise;

  lb_cell_probe_plan (shots, TOP, TOP, 1, 0);
  if (!lb_capture_run (&work->probe.capture, shots, probe_sink, &probe, cancellable, error))
    return FALSE;
  noise = (1 / zone + 1 / bright) * (1 / MAX (probe.cell_electrons, 1) + CELL_SPECKLE * CELL_SPECKLE);
  work->planned = (guint) CLAMP (ceil (noise / (ZONE_NOISE * ZONE_NOISE)), 1, FRAMES_MAX);
  return TRUE;
}

/* The slow plane changes least: first its own scan, then that of the source. */
static GArray *
plan_shots (const ResponseWork *work)
{
  GArray *shots = g_array_new (FALSE, TRUE, sizeof (LbCaptureShot));

  for (guint i = 0; i < N_LEVELS; i++)
    if (work->levels[i] != 0 && work->levels[i] != TOP)
      lb_cell_probe_plan (shots, TOP, work->levels[i], work->planned, TAG_WEIGHT + i);
  for (guint i = 0; i < N_CHECKS; i++)
    lb_cell_probe_plan (shots, check_levels[i][0], check_levels[i][1], work->planned, TAG_CHECKS + i);
  for (guint corner = 0; corner < 4; corner++)
    lb_cell_probe_plan (shots, (corner & 1) ? TOP : 0, (corner & 2) ? TOP : 0, CORNER_FACTOR * work->planned,
                        TAG_CORNERS + corner);
  for (guint i = 0; i < N_LEVELS; i++)
    if (work->levels[i] != 0 && work->levels[i] != TOP)
      lb_cell_probe_plan (shots, work->levels[i], TOP, work->planned, TAG_SOURCE + i);
  return shots;
}

static void
average (ResponseWork *work)
{
  for (guint tag = 0; tag < N_TAGS; tag++)
    for (guint zone = 0; zone < ZONES; zone++)
      work->sums[tag][zone] /= MAX (work->frames[tag], 1) * (double) MAX (work->cells[zone], 1);
}

/* Light of a scan at one of its levels; its ends are corners. */
static double
scan_value (const ResponseWork *work, guint plane, guint i, guint zone)
{
  if (i == 0)
    return work->sums[TAG_CORNERS + (plane == 0 ? 2 : 1)][zone];
  if (i == N_LEVELS - 1)
    return work->sums[TAG_CORNERS + 3][zone];
  return work->sums[(plane == 0 ? TAG_SOURCE : TAG_WEIGHT) + i][zone];
}

/* Floors, scale and stray light of a zone from its four corners: r = C u v + rho
 * with u, v = floor or 1 (optics.md, "Forward model and decode"). */
static gboolean
solve_corners (ResponseWork *work, guint zone)
{
  const double r00 = work->sums[TAG_CORNERS][zone], rm0 = work->sums[TAG_CORNERS + 1][zone];
  const double r0m = work->sums[TAG_CORNERS + 2][zone], rmm = work->sums[TAG_CORNERS + 3][zone];
  const double mixed = rmm - r0m - rm0 + r00;
  double source, weight; /* below 0 by noise alone */

  if (work->cells[zone] == 0 || mixed <= 0)
    return FALSE;
  source = (r0m - r00) / mixed;
  weight = (rm0 - r00) / mixed;
  work->source_floor[zone] = MAX (source, 0) / (1 + MAX (source, 0));
  work->weight_floor[zone] = MAX (weight, 0) / (1 + MAX (weight, 0));
  work->scale[zone] = mixed / (1 - work->source_floor[zone]) / (1 - work->weight_floor[zone]);
  work->stray[zone] = r00 - work->scale[zone] * work->source_floor[zone] * work->weight_floor[zone];
  return TRUE;
}

static void
fit_zone (ResponseWork *work, guint zone)
{
  for (guint plane = 0; plane < 2; plane++)
    {
      double values[N_LEVELS];
      guint8 low, high;

      for (guint i = 0; i < N_LEVELS; i++)
        values[i] = (scan_value (work, plane, i, zone) - work->stray[zone]) / work->scale[zone];
      work->largest[plane][zone] = lb_response_curve_fit (
          work->levels, values, N_LEVELS, lb_matrix_row (work->curves[plane], zone), &low, &high);
      lb_matrix_row (work->ranges[plane], zone)[0] = low;
      lb_matrix_row (work->ranges[plane], zone)[1] = high;
    }
}

/* The zone nearest to @zone that has a curve of its own; G_MAXUINT: none has. */
static guint
find_nearest (guint zone, const gboolean *fitted)
{
  guint nearest = G_MAXUINT, best = G_MAXUINT;

  for (guint other = 0; other < ZONES; other++)
    {
      int x = (int) (other % ZONES_X) - (int) (zone % ZONES_X);
      int y = (int) (other / ZONES_X) - (int) (zone / ZONES_X);

      if (fitted[other] && (guint) (x * x + y * y) < best)
        {
          best = (guint) (x * x + y * y);
          nearest = other;
        }
    }
  return nearest;
}

/* Moves a curve's lower end to @floor, its upper end stays. */
static void
set_floor (float *curve, double floor_value)
{
  const double before = curve[0];

  for (guint level = 0; level < LB_LEVELS; level++)
    curve[level] = (float) (floor_value + (curve[level] - before) * (1 - floor_value) / (1 - before));
}

/* A zone without enough cells takes the curves of the nearest one that has; the
 * floors, for which a few cells do, are its own where its corners tell them. */
static void
borrow_curves (ResponseWork *work, guint zone, guint nearest, gboolean solved)
{
  const double floors[2] = { work->source_floor[zone], work->weight_floor[zone] };

  for (guint plane = 0; plane < 2; plane++)
    {
      float *curve = lb_matrix_row (work->curves[plane], zone);

      memcpy (curve, lb_matrix_row (work->curves[plane], nearest), LB_LEVELS * sizeof (float));
      memcpy (lb_matrix_row (work->ranges[plane], zone), lb_matrix_row (work->ranges[plane], nearest),
              2 * sizeof (float));
      if (solved && floors[plane] * CONTRAST_MIN < 1)
        set_floor (curve, floors[plane] / work->largest[plane][nearest]);
    }
}

/* The checks: measured less what curves and corners say, as a part of full scale. */
static void
check_zone (ResponseWork *work, guint zone)
{
  for (guint i = 0; i < N_CHECKS; i++)
    {
      double u = lb_matrix_get (work->curves[0], zone, check_levels[i][0]) * work->largest[0][zone];
      double v = lb_matrix_get (work->curves[1], zone, check_levels[i][1]) * work->largest[1][zone];
      double error = (work->sums[TAG_CHECKS + i][zone] - work->stray[zone]) / work->scale[zone] - u * v;

      work->check_errors[work->n_check_errors++] = error;
      work->residual += error * error;
    }
}

static gboolean
fit_curves (ResponseWork *work, GError **error)
{
  gboolean solved[ZONES], fitted[ZONES];
  guint n_fitted = 0;

  for (guint plane = 0; plane < 2; plane++)
    {
      work->curves[plane] = lb_matrix_new (ZONES, LB_LEVELS);
      work->ranges[plane] = lb_matrix_new (ZONES, 2);
    }
  for (guint zone = 0; zone < ZONES; zone++)
    {
      solved[zone] = solve_corners (work, zone);
      fitted[zone] = solved[zone] && work->cells[zone] >= ZONE_CELLS_MIN;
      if (!fitted[zone])
        continue;
      n_fitted++;
      fit_zone (work, zone);
      check_zone (work, zone);
    }
  if (n_fitted < ZONES / 4)
    {
      g_set_error (error, LB_CALIBRATION_ERROR, LB_CALIBRATION_ERROR_SIGNAL,
                   _ ("Only %u of %u zones get brighter when both planes open: check that both show their "
                      "patterns, and align again"),
                   n_fitted, (guint) ZONES);
      return FALSE;
    }
  for (guint zone = 0; zone < ZONES; zone++)
    if (!fitted[zone])
      borrow_curves (work, zone, find_nearest (zone, fitted), solved[zone]);
  work->residual = sqrt (work->residual / (double) work->n_check_errors);
  return TRUE;
}

/* Mean over the zones of a curve's value at a level. */
static double
mean_value (const LbMatrix *curves, guint level)
{
  double sum = 0;

  for (guint zone = 0; zone < ZONES; zone++)
    sum += lb_matrix_get (curves, zone, level);
  return sum / ZONES;
}

static LbFigure *
draw_curves (const ResponseWork *work, guint plane)
{
  LbFigure *figure =
      lb_figure_new (plane == 0 ? _ ("Response of the source plane") : _ ("Response of the weight plane"),
                     _ ("Grey level"), "", plane == 0 ? _ ("Emission") : _ ("Transmission"), "");
  double levels[LB_LEVELS], mean[LB_LEVELS], low[LB_LEVELS], high[LB_LEVELS];

  for (guint level = 0; level < LB_LEVELS; level++)
    {
      double zones[ZONES];

      for (guint zone = 0; zone < ZONES; zone++)
        zones[zone] = lb_matrix_get (work->curves[plane], zone, level);
      levels[level] = level;
      mean[level] = lb_mean (zones, ZONES);
      low[level] = lb_percentile (zones, ZONES, 2);
      high[level] = lb_percentile (zones, ZONES, 98);
    }
  lb_figure_add_line (figure, _ ("Mean of the zones"), levels, mean, LB_LEVELS);
  lb_figure_add_line (figure, _ ("Lowest zones"), levels, low, LB_LEVELS);
  lb_figure_add_line (figure, _ ("Highest zones"), levels, high, LB_LEVELS);
  return figure;
}

static void
add_figures (const ResponseWork *work, LbCalibration *result)
{
  g_autoptr (LbFigure) source = draw_curves (work, 0);
  g_autoptr (LbFigure) weight = draw_curves (work, 1);
  g_autoptr (LbFigure) check = lb_figure_new (_ ("Check with pairs of levels that the fit has not seen"),
                                              _ ("Measured less expected"), "%", _ ("Zones"), "");
  g_autofree double *percent = g_new (double, work->n_check_errors);
  double range = MAX (4 * 100 * work->residual, 0.01);

  for (gsize i = 0; i < work->n_check_errors; i++)
    percent[i] = 100 * work->check_errors[i];
  lb_figure_add_histogram (check, NULL, percent, work->n_check_errors, -range, range, 41);
  lb_calibration_add_figure (result, "source_curve", source);
  lb_calibration_add_figure (result, "weight_curve", weight);
  lb_calibration_add_figure (result, "check", check);
}

static void
set_values (const ResponseWork *work, LbCalibration *result)
{
  LbQuantities *values = lb_calibration_values (result);

  for (guint plane = 0; plane < 2; plane++)
    {
      g_autofree char *curve = g_strdup_printf ("%s_curve", plane_names[plane]);
      g_autofree char *range = g_strdup_printf ("%s_range", plane_names[plane]);
      g_autofree char *floor_name = g_strdup_printf ("%s_floor", plane_names[plane]);

      lb_calibration_set_array (result, curve, work->curves[plane]);
      lb_calibration_set_array (result, range, work->ranges[plane]);
      lb_quantities_set (values, floor_name, mean_value (work->curves[plane], 0), "");
    }
  lb_quantities_set (values, "zones_x", ZONES_X, "");
  lb_quantities_set (values, "zones_y", ZONES_Y, "");
  lb_quantities_set (values, "check_residual", 100 * work->residual, "%");
  lb_quantities_set (lb_calibration_settings (result), "levels", N_LEVELS, "");
  lb_quantities_set (lb_calibration_settings (result), "frames_per_level", work->planned, "");
}

static void
judge (const ResponseWork *work, LbCalibration *result)
{
  double source_floor = mean_value (work->curves[0], 0), weight_floor = mean_value (work->curves[1], 0);
  g_autofree char *good =
      g_strdup_printf (_ ("Both planes follow their levels: floors %.4f (source) and %.4f (weight plane)."),
                       source_floor, weight_floor);

  lb_capture_judge (result, 100 * work->residual, 100 * CURVE_LIMIT, "%", good,
                    _ ("The planes do not do what their curves say: check that the light is steady and the "
                       "planes have settled, then measure again."));
  if (MAX (source_floor, weight_floor) * CONTRAST_MIN > 1)
    lb_calibration_set_verdict (
        result, LB_VERDICT_FAIL, 100 * work->residual, 100 * CURVE_LIMIT, "%",
        source_floor > weight_floor
            ? _ ("The source plane hardly gets darker with its level: check its display and its brightness.")
            : _ ("The weight plane hardly gets darker with its level: check its polarisers."));
}

static gboolean
measure_response (LbCalibrationContext *context,
                  LbCalibration *result,
                  GCancellable *cancellable,
                  GError **error)
{
  g_autoptr (ResponseWork) work = g_new0 (ResponseWork, 1);
  g_autoptr (GArray) shots = NULL;

  for (guint i = 0; i < N_LEVELS; i++)
    work->levels[i] = i * LEVEL_STEP;
  if (!lb_cell_probe_init (&work->probe, context, LB_MODEL_NOMINAL, cancellable, error))
    return FALSE;
  find_zones (work);
  work->probe.capture.message = _ ("Looking for light");
  if (!lb_capture_find_light (&work->probe.capture, TOP, TOP, cancellable, error) ||
      !plan_frames (work, cancellable, error))
    return FALSE;
  lb_capture_describe_light (&work->probe.capture, result);

  work->probe.capture.message = _ ("Levels of both planes");
  work->probe.capture.fraction_from = 0.03;
  work->probe.capture.fraction_to = 0.98;
  shots = plan_shots (work);
  if (!lb_capture_run (&work->probe.capture, shots, response_sink, work, cancellable, error))
    return FALSE;
  average (work);
  if (!fit_curves (work, error))
    return FALSE;
  set_values (work, result);
  add_figures (work, result);
  judge (work, result);
  return TRUE;
}

static void
forecast (LbBench *bench, LbCalibrationForecast *forecast)
{
  const double zone = lb_calibration_forecast_cells (bench) / ZONES;
  /* As find_frames(), for speckle and the light of the zone alone. */
  const double planned =
      CLAMP (ceil (2 * CELL_SPECKLE * CELL_SPECKLE / zone / (ZONE_NOISE * ZONE_NOISE)), 1, FRAMES_MAX);
  const double patterns = 2 * (N_LEVELS - 2) + N_CHECKS + 4;

  lb_calibration_forecast_add (forecast, bench, (guint) patterns + 1,
                               2 + planned * (patterns + 4 * (CORNER_FACTOR - 1)), 0, 1);
}

const LbCalibrationStep lb_calibration_step_response = {
  .name = "response",
  .title = N_ ("Response"),
  .description =
      N_ ("Finds how the light follows the grey levels of both planes, zone by zone, and what they "
          "let through when dark"),
  .needs = { "dark", "alignment", NULL },
  .max_age_s = 12 * 3600,
  .forecast = forecast,
  .measure = measure_response,
};
