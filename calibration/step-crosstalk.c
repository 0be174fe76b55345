/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-leak-kernel-private.h"

#include <glib/gi18n-lib.h>
#include <math.h>

/* Light of a macropixel's neighbours that its weight may let through, part of
 * its own: what signed products fall short by (optics.md, "Forward model and
 * decode"). Up to WARN_FACTOR times that it is a warning. */
#define LEAK_LIMIT 0.005
#define WARN_FACTOR 10
/* The leak is promised to that part of it, and a larger standard error is a
 * warning; a leak that is surely below that part of the limit need not be known. */
#define UNCERTAINTY_LIMIT 0.1
/* A margin is wide enough if signed products fall short by less; a guard if the
 * camera sees less of a tile's border beyond it. */
#define SLOPE_LOSS 0.005
#define CAMERA_LOSS 0.002
#define MARGINS_MAX 4
#define FRAMES 4

/* Patterns of one margin: checkers in and out of step, and the corners. */
enum
{
  TAG_SAME_A,
  TAG_SAME_B,
  TAG_OPPOSITE_A,
  TAG_OPPOSITE_B,
  TAG_FULL,
  TAG_SOURCE,
  TAG_WEIGHT,
  TAG_DARK,
  N_TAGS,
};

static const struct
{
  guint source, weight;
} margin_patterns[N_TAGS] = {
  [TAG_SAME_A] = { LB_CELLS_CHECKER (0), LB_CELLS_CHECKER (0) },
  [TAG_OPPOSITE_A] = { LB_CELLS_CHECKER (1), LB_CELLS_CHECKER (0) },
  [TAG_OPPOSITE_B] = { LB_CELLS_CHECKER (0), LB_CELLS_CHECKER (1) },
  [TAG_SAME_B] = { LB_CELLS_CHECKER (1), LB_CELLS_CHECKER (1) },
  [TAG_FULL] = { LB_CELLS_FULL, LB_CELLS_FULL },
  [TAG_SOURCE] = { LB_CELLS_FULL, LB_CELLS_DARK },
  [TAG_DARK] = { LB_CELLS_DARK, LB_CELLS_DARK },
  [TAG_WEIGHT] = { LB_CELLS_DARK, LB_CELLS_FULL },
};

typedef struct
{
  LbCellProbe probe;
  LbLeakKernel kernel;
  double *scratch; /* per cell */
  double sums[N_TAGS];
  guint frames[N_TAGS];
  guint margins;
  double checker[MARGINS_MAX]; /* signed checkers over uniform light, per margin */
  double slope[MARGINS_MAX];   /* that random signs have then */
  double light[MARGINS_MAX];   /* of uniform patterns, electrons a macropixel and ms */
} CrosstalkWork;

static void
crosstalk_work_clear (CrosstalkWork *work)
{
  lb_cell_probe_clear (&work->probe);
  g_free (work->scratch);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (CrosstalkWork, crosstalk_work_clear)

static gboolean
margin_sink (const LbCaptureShot *shot, guint nth, LbFrame *frame, gpointer data, GError **error)
{
  CrosstalkWork *work = data;
  const LbCellProbe *probe = &work->probe;
  g_autoptr (LbReading) reading = lb_cell_probe_read (&work->probe, frame, error);
  double sum = 0;

  if (reading == NULL)
    return FALSE;
  lb_cell_probe_sum_cells (probe, frame, work->scratch);
  for (guint tile = 0; tile < probe->layout->n_tiles; tile++)
    sum += work->scratch[lb_cell_probe_cell (probe, tile)];
  work->sums[shot->tag] += sum / reading->light;
  work->frames[shot->tag]++;
  if (shot->tag == TAG_FULL)
    work->light[work->margins] += sum / probe->layout->n_tiles / (1e-3 * frame->exposure_us) / FRAMES;
  return TRUE;
}

/* (x+ - x-)(w+ - w-) of checkers over uniform light: own and corners less edges,
 * over all. With a along each axis to either side, (1 - 4 a)^2; random signs
 * keep the own part alone, (1 - 2 a)^2. */
static void
find_slope (CrosstalkWork *work)
{
  double light[N_TAGS], full;

  for (guint tag = 0; tag < N_TAGS; tag++)
    light[tag] = work->sums[tag] / MAX (work->frames[tag], 1);
  full = light[TAG_FULL] - light[TAG_SOURCE] - light[TAG_WEIGHT] + light[TAG_DARK];
  work->checker[work->margins] =
      (light[TAG_SAME_A] + light[TAG_SAME_B] - light[TAG_OPPOSITE_A] - light[TAG_OPPOSITE_B]) /
      MAX (full, 1e-9);
  work->slope[work->margins] = pow (0.5 * (1 + sqrt (MAX (work->checker[work->margins], 0))), 2);
}

static gboolean
measure_margin (CrosstalkWork *work, guint margin, GCancellable *cancellable, GError **error)
{
  LbEncoder *kept = work->probe.encoder;
  g_autoptr (GArray) shots = g_array_new (FALSE, TRUE, sizeof (LbCaptureShot));
  g_autoptr (LbOpticsModel) model = lb_optics_model_copy (work->probe.model);
  g_autoptr (LbEncoder) encoder = NULL;
  gboolean done;

  model->source_margin = margin;
  encoder = lb_encoder_new (model);
  for (guint tag = 0; tag < N_TAGS; tag++)
    {
      lb_cell_probe_plan (shots, margin_patterns[tag].source, margin_patterns[tag].weight, FRAMES, tag);
      work->sums[tag] = work->frames[tag] = 0;
    }
  work->probe.encoder = encoder;
  done = lb_capture_find_light (&work->probe.capture, LB_CELLS_FULL, LB_CELLS_FULL, cancellable, error) &&
         lb_capture_run (&work->probe.capture, shots, margin_sink, work, cancellable, error);
  work->probe.encoder = kept;
  if (!done)
    return FALSE;
  find_slope (work);
  work->margins++;
  return TRUE;
}

static LbMatrix *
kernel_matrix (const double kernel[LB_LEAK_ZONES][LB_LEAK_PLACES])
{
  LbMatrix *matrix = lb_matrix_new (LB_LEAK_ZONES, LB_LEAK_PLACES);

  for (guint zone = 0; zone < LB_LEAK_ZONES; zone++)
    for (guint place = 0; place < LB_LEAK_PLACES; place++)
      lb_matrix_row (matrix, zone)[place] = (float) kernel[zone][place];
  return matrix;
}

static guint
find_margin (const CrosstalkWork *work)
{
  for (guint margin = 0; margin < work->margins; margin++)
    if (1 - work->slope[margin] <= SLOPE_LOSS)
      return margin;
  return work->margins - 1;
}

/* What the camera sees beyond a border is that of the border cells alone; a
 * guard of one holds half a macropixel on each side. */
static guint
find_guard (const CrosstalkWork *work)
{
  if (work->kernel.camera_total <= CAMERA_LOSS)
    return 0;
  return work->kernel.camera_total <= 0.5 ? 1 : 2;
}

static double
find_asymmetry (const LbLeakKernel *kernel)
{
  double squares = 0;

  for (guint place = 0; place < LB_LEAK_OWN; place++)
    squares += pow (kernel->mean_source[place] - kernel->mean_source[LB_LEAK_PLACES - 1 - place], 2);
  return sqrt (squares);
}

static void
add_figures (const CrosstalkWork *work, LbCalibration *result)
{
  g_autoptr (LbFigure) slope =
      lb_figure_new (_ ("Slope of signed products against the margin"), _ ("Margin of the source"),
                     _ ("weight-plane pixels"), _ ("Slope"), "");
  g_autoptr (LbFigure) map =
      lb_figure_new (_ ("Light that leaks onto a macropixel"), _ ("Column"), "", _ ("Row"), "");
  g_autoptr (LbMatrix) leaks = lb_matrix_new (3, 3);
  double margins[MARGINS_MAX];
  LbSeries *image;

  for (guint i = 0; i < work->margins; i++)
    margins[i] = i;
  lb_figure_add_points (slope, _ ("random signs"), margins, work->slope, NULL, work->margins);
  lb_figure_add_points (slope, _ ("checkers"), margins, work->checker, NULL, work->margins);
  for (guint place = 0; place < LB_LEAK_PLACES; place++)
    lb_matrix_row (leaks, place / 3)[place % 3] =
        place == LB_LEAK_OWN ? 0 : (float) (100 * work->kernel.mean_source[place]);
  image = lb_figure_add_image (map, NULL, leaks);
  image->low = 0;
  image->high = MAX (lb_matrix_max_abs (leaks), 1e-6f);
  map->y_axis.reversed = TRUE;
  map->note = g_strdup_printf (_ ("Colours from 0 to %.4f %% of the macropixel's own light"), image->high);
  lb_calibration_add_figure (result, "slope", slope);
  lb_calibration_add_figure (result, "leak", map);
}

static void
judge (const CrosstalkWork *work, LbCalibration *result, guint margin)
{
  const guint used = work->probe.model->source_margin;
  const double leak = work->kernel.source_total;
  const double error = work->kernel.standard_error;
  g_autofree char *message = NULL;
  LbVerdict verdict = LB_VERDICT_PASS;

  if (!(leak <= WARN_FACTOR * LEAK_LIMIT))
    verdict = LB_VERDICT_FAIL;
  else if (leak > LEAK_LIMIT)
    verdict = LB_VERDICT_WARN;
  if (verdict == LB_VERDICT_PASS &&
      !(error <= UNCERTAINTY_LIMIT * leak || fabs (leak) + 2 * error <= UNCERTAINTY_LIMIT * LEAK_LIMIT))
    {
      verdict = LB_VERDICT_WARN;
      message = g_strdup_printf (_ ("%.3f %% of the neighbours' light leaks onto a macropixel, but that is "
                                    "uncertain by %.3f %%: open the lens or raise the light, and run the "
                                    "step again."),
                                 100 * leak, 100 * error);
    }
  else if (verdict == LB_VERDICT_PASS)
    message = g_strdup_printf (
        _ ("With a margin of %u of %u pixels, %.3f %% of the neighbours' light leaks onto a macropixel."),
        used, work->probe.model->macropixel, 100 * leak);
  else if (margin > used)
    message = g_strdup_printf (
        _ ("%.2f %% of the neighbours' light leaks onto a macropixel, so signed products come out too "
           "small: set source_margin to %u in the setup and calibrate again."),
        100 * leak, margin);
  else
    message = g_strdup_printf (
        _ ("%.2f %% of the neighbours' light leaks onto a macropixel though the margin is %u pixels: focus "
           "the source onto the weight plane, align again, or use larger macropixels."),
        100 * leak, used);
  lb_calibration_set_verdict (result, verdict, 100 * leak, 100 * LEAK_LIMIT, "%", message);
}

static void
report (const CrosstalkWork *work, LbCalibration *result)
{
  LbQuantities *values = lb_calibration_values (result);
  g_autoptr (LbMatrix) source = kernel_matrix (work->kernel.source);
  g_autoptr (LbMatrix) camera = kernel_matrix (work->kernel.camera);
  g_autoptr (LbMatrix) margins = lb_matrix_new (work->margins, 4);
  const guint margin = find_margin (work);

  for (guint i = 0; i < work->margins; i++)
    {
      float *row = lb_matrix_row (margins, i);

      row[0] = (float) i;
      row[1] = (float) work->slope[i];
      row[2] = (float) work->checker[i];
      row[3] = (float) (work->light[i] / MAX (work->light[0], 1e-9));
    }
  lb_calibration_set_array (result, "source_leak", source);
  lb_calibration_set_array (result, "camera_leak", camera);
  lb_calibration_set_array (result, "margins", margins);
  lb_quantities_set (values, "zones_x", LB_LEAK_ZONES_X, "");
  lb_quantities_set (values, "zones_y", LB_LEAK_ZONES_Y, "");
  lb_quantities_set (values, "source_leak", 100 * work->kernel.source_total, "%");
  lb_quantities_set (values, "camera_leak", 100 * work->kernel.camera_total, "%");
  lb_quantities_set (values, "repeatability", 100 * work->kernel.standard_error, "%");
  lb_quantities_set (values, "asymmetry", 100 * find_asymmetry (&work->kernel), "%");
  lb_quantities_set (values, "signed_slope", 1 / (1 + work->kernel.source_total), "");
  if (work->probe.model->source_margin < work->margins)
    lb_quantities_set (values, "checker_slope", work->checker[work->probe.model->source_margin], "");
  lb_quantities_set (values, "margin_to_use", margin, "px");
  lb_quantities_set (values, "guard_to_use", find_guard (work), "");
  lb_quantities_set (lb_calibration_settings (result), "margin", work->probe.model->source_margin, "px");
  lb_quantities_set (lb_calibration_settings (result), "guard", work->probe.model->guard, "");
  add_figures (work, result);
  judge (work, result, margin);
}

static gboolean
measure_crosstalk (LbCalibrationContext *context,
                   LbCalibration *result,
                   GCancellable *cancellable,
                   GError **error)
{
  g_auto (CrosstalkWork) work = { 0 };
  guint margins;

  if (!lb_cell_probe_init (&work.probe, context, LB_MODEL_ALL, cancellable, error))
    return FALSE;
  work.scratch = g_new0 (double, lb_optics_model_cells (work.probe.model));
  work.probe.capture.message = _ ("Looking for light");
  if (!lb_capture_find_light (&work.probe.capture, LB_CELLS_FULL, LB_CELLS_FULL, cancellable, error))
    return FALSE;
  lb_capture_describe_light (&work.probe.capture, result);

  work.probe.capture.message = _ ("Isolated macropixels");
  work.probe.capture.fraction_from = 0.02;
  work.probe.capture.fraction_to = 0.6;
  if (!lb_leak_kernel_measure (&work.kernel, &work.probe, cancellable, error))
    return FALSE;
  work.probe.capture.message = _ ("Checkers of every margin");
  margins = MIN ((work.probe.model->macropixel + 1) / 2, MARGINS_MAX);
  for (guint margin = 0; margin < margins; margin++)
    {
      work.probe.capture.fraction_from = 0.6 + 0.38 * margin / margins;
      work.probe.capture.fraction_to = 0.6 + 0.38 * (margin + 1) / margins;
      if (!measure_margin (&work, margin, cancellable, error))
        return FALSE;
    }
  report (&work, result);
  return TRUE;
}

static void
forecast (LbBench *bench, LbCalibrationForecast *forecast)
{
  const guint macropixel = lb_setup_get_optics (lb_bench_get_setup (bench))->macropixel;
  const guint margins = MIN ((macropixel + 1) / 2, MARGINS_MAX);
  guint patterns;
  const double frames = lb_leak_kernel_forecast (lb_calibration_forecast_cells (bench), &patterns);

  lb_calibration_forecast_add (forecast, bench, patterns + margins * (1 + N_TAGS),
                               1 + frames + margins * (1 + N_TAGS * FRAMES), 0, 1);
}

const LbCalibrationStep lb_calibration_step_crosstalk = {
  .name = "crosstalk",
  .title = N_ ("Crosstalk"),
  .description = N_ ("Finds how much light of a macropixel's neighbours leaks onto it, and the margin and "
                     "guard that keep it small"),
  .needs = { "dark", "alignment", "response", "flat-field", NULL },
  .max_age_s = 12 * 3600,
  .only_checks = TRUE,
  .forecast = forecast,
  .measure = measure_crosstalk,
};
