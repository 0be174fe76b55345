/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-cell-probe-private.h"

#include <glib/gi18n-lib.h>
#include <lb-statistics.h>
#include <math.h>

/* Limit of the gain of a macropixel (optics.md), rms. */
#define GAIN_LIMIT 0.005
/* Electrons a macropixel (of the dim quarter) over all frames, and how many
 * frames there are at least for speckle, which light does not lower. */
#define ELECTRONS_WANTED 600000.0
#define FRAMES_MIN 40
#define FRAMES_MAX 120
/* Noise that the light of the neighbours may be known with, as a part of the
 * cell's own; and the light of a cell that is dark on the source alone, with the
 * variance of its pixels, from which the frames it takes follow. */
#define SPILL_NOISE 0.0018
#define IDLE_PART 0.04
#define IDLE_VARIANCE 45.0
#define SOURCE_FRAMES_MAX 24
/* Dark frames count eightfold in the light of eight neighbours. */
#define DARK_FACTOR 8
/* Light that is not a cell's own, as a part of its light, from which on it is said to
 * be why gains do not repeat. In focus and covered it is less than 0.1 of each kind. */
#define FOREIGN_PART 0.15
/* Cells with less of the median gain are not used. */
#define DIM_PART 0.25

/* Value of source and weight, 1/1000, and share of the frames. */
static const struct
{
  guint source, weight;
  double share;
} uniform_levels[] = { { 1000, 1000, 0.6 }, { 700, 1000, 0.2 }, { 1000, 700, 0.2 } };
#define N_UNIFORM G_N_ELEMENTS (uniform_levels)

/* Every third cell on: on both planes, which tells where the light of a cell
 * lands; on the source alone with the weight plane open, which tells whose light
 * lands on a cell. */
typedef enum
{
  LATTICE_BOTH,
  LATTICE_SOURCE,
  N_LATTICES,
} Lattice;

/* Tags of exposures: uniform levels, then each lattice's dark frames and phases. */
#define TAG_DARK(lattice) ((guint) N_UNIFORM + (lattice) * (1 + LB_CELLS_PHASES))
#define TAG_PHASE(lattice, phase) (TAG_DARK (lattice) + 1 + (phase))
#define N_TAGS TAG_DARK (N_LATTICES)

typedef struct
{
  LbCellProbe probe;
  guint planned;
  double cell_electrons; /* of a macropixel in one frame, lower quartile */
  double *products[2];   /* per tile, even and odd frames: sum of light times expected */
  double *squares[2];    /* sum of the squares of what was expected */
  guint uniform_frames;
  double *lattice[2]; /* [half][tag - TAG_DARK (0)][cell]: sums over even and odd frames */
  guint lattice_frames[2][N_TAGS];
  /* Of each phase of the lattices. Even: halves say how well the result repeats. */
  guint source_frames, both_frames;
  double *scratch; /* per cell */
  double *gain;    /* per tile, of a bright reference cell: 1 */
  double light;    /* sum over the uniform frames */
  double peak;     /* sum over them of the brightest pixel's electrons */
  double repeatability;
  /* Means over the cells, as parts of a cell's light. */
  double spill;    /* lands on the neighbours' pixels: the camera sees it so */
  double received; /* comes from the neighbours, with their weights open */
  double stray;    /* is there with both planes dark */
} FlatFieldWork;

static void
flat_field_work_clear (FlatFieldWork *work)
{
  lb_cell_probe_clear (&work->probe);
  for (guint half = 0; half < 2; half++)
    {
      g_free (work->products[half]);
      g_free (work->squares[half]);
      g_free (work->lattice[half]);
    }
  g_free (work->scratch);
  g_free (work->gain);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (FlatFieldWork, flat_field_work_clear)

static void
add_uniform (FlatFieldWork *work, guint level, const LbReading *reading)
{
  const LbOpticsModel *model = work->probe.model;
  const guint half = work->uniform_frames++ % 2;

  for (guint tile = 0; tile < reading->tiles; tile++)
    {
      const guint32 cell = lb_cell_probe_cell (&work->probe, tile);
      const double expected =
          work->probe.layout->tile_share[tile] *
          lb_cell_probe_value (&work->probe, &model->source_curves, cell, uniform_levels[level].source) *
          lb_cell_probe_value (&work->probe, &model->weight_curves, cell, uniform_levels[level].weight);
      const double light = reading->electrons[tile] / reading->light - work->probe.layout->tile_stray[tile];

      work->products[half][tile] += light * expected;
      work->squares[half][tile] += expected * expected;
    }
}

static gboolean
flat_field_sink (const LbCaptureShot *shot, guint nth, LbFrame *frame, gpointer data, GError **error)
{
  FlatFieldWork *work = data;
  const gsize cells = lb_optics_model_cells (work->probe.model);
  g_autoptr (LbReading) reading = lb_cell_probe_read (&work->probe, frame, error);
  double *sums;

  if (reading == NULL)
    return FALSE;
  if (shot->tag < N_UNIFORM)
    {
      add_uniform (work, shot->tag, reading);
      work->light += reading->light;
      work->peak += lb_readout_find_peak (work->probe.layout, frame->data, frame->gain);
      return TRUE;
    }
  sums = work->lattice[nth % 2] + (gsize) (shot->tag - TAG_DARK (0)) * cells;
  work->lattice_frames[nth % 2][shot->tag]++;
  lb_cell_probe_sum_cells (&work->probe, frame, work->scratch);
  for (gsize cell = 0; cell < cells; cell++)
    sums[cell] += work->scratch[cell] / reading->light;
  return TRUE;
}

static gboolean
probe_sink (const LbCaptureShot *shot, guint nth, LbFrame *frame, gpointer data, GError **error)
{
  FlatFieldWork *work = data;
  g_autoptr (LbReading) reading = lb_cell_probe_read (&work->probe, frame, error);

  if (reading == NULL)
    return FALSE;
  work->cell_electrons = lb_percentile (reading->electrons, reading->tiles, 25);
  return TRUE;
}

static gboolean
plan_frames (FlatFieldWork *work, GCancellable *cancellable, GError **error)
{
  g_autoptr (GArray) shots = g_array_new (FALSE, TRUE, sizeof (LbCaptureShot));
  double electrons, frames;

  lb_cell_probe_plan (shots, LB_CELLS_FULL, LB_CELLS_FULL, 1, 0);
  if (!lb_capture_run (&work->probe.capture, shots, probe_sink, work, cancellable, error))
    return FALSE;
  electrons = MAX (work->cell_electrons, 1);
  work->planned = (guint) CLAMP (ceil (ELECTRONS_WANTED / electrons), FRAMES_MIN, FRAMES_MAX);
  frames = 2 * DARK_FACTOR * (IDLE_PART * electrons + IDLE_VARIANCE) / pow (SPILL_NOISE * electrons, 2);
  work->source_frames = 2 * (guint) CLAMP (ceil (frames / 2), 1, SOURCE_FRAMES_MAX / 2);
  /* Here the dark counts once. */
  work->both_frames = 2 * ((work->source_frames + 3) / 4);
  return TRUE;
}

static GArray *
plan_shots (const FlatFieldWork *work)
{
  GArray *shots = g_array_new (FALSE, TRUE, sizeof (LbCaptureShot));

  for (guint i = 0; i < N_UNIFORM; i++)
    lb_cell_probe_plan (shots, LB_CELLS_VALUE (uniform_levels[i].source),
                        LB_CELLS_VALUE (uniform_levels[i].weight),
                        (guint) ceil (uniform_levels[i].share * work->planned), i);
  lb_cell_probe_plan (shots, LB_CELLS_DARK, LB_CELLS_FULL, DARK_FACTOR * work->source_frames,
                      TAG_DARK (LATTICE_SOURCE));
  for (guint phase = 0; phase < LB_CELLS_PHASES; phase++)
    lb_cell_probe_plan (shots, LB_CELLS_LATTICE (phase), LB_CELLS_FULL, work->source_frames,
                        TAG_PHASE (LATTICE_SOURCE, phase));
  lb_cell_probe_plan (shots, LB_CELLS_DARK, LB_CELLS_DARK, 2 * work->both_frames, TAG_DARK (LATTICE_BOTH));
  for (guint phase = 0; phase < LB_CELLS_PHASES; phase++)
    lb_cell_probe_plan (shots, LB_CELLS_LATTICE (phase), LB_CELLS_LATTICE (phase), work->both_frames,
                        TAG_PHASE (LATTICE_BOTH, phase));
  return shots;
}

/* Mean over the frames of a half, of @tag. */
static double
mean_light (const FlatFieldWork *work, guint half, guint tag, guint32 cell)
{
  const gsize cells = lb_optics_model_cells (work->probe.model);

  return work->lattice[half][(tag - TAG_DARK (0)) * cells + cell] / MAX (work->lattice_frames[half][tag], 1);
}

/* Light of @cell when only the phase of the cell (@column, @row) is on, over
 * what it has with all dark. */
static double
lattice_light (const FlatFieldWork *work, guint half, Lattice lattice, guint32 cell, guint column, guint row)
{
  return mean_light (work, half, TAG_PHASE (lattice, column % 3 + 3 * (row % 3)), cell) -
         mean_light (work, half, TAG_DARK (lattice), cell);
}

/* What a cell sends onto its eight neighbours, less what they send onto it. In
 * uniform patterns a cell misses the former and has the latter; in products,
 * where neighbours differ, only its own light is that of its element. */
static double
find_spill (const FlatFieldWork *work, guint half, guint32 cell, double *sent, double *received)
{
  const LbOpticsModel *model = work->probe.model;
  const guint column = cell % model->columns, row = cell / model->columns;

  *sent = *received = 0;
  for (guint y = MAX (row, 1) - 1; y <= MIN (row + 1, model->rows - 1); y++)
    for (guint x = MAX (column, 1) - 1; x <= MIN (column + 1, model->columns - 1); x++)
      {
        const guint32 other = y * model->columns + x;

        if (other == cell)
          continue;
        *sent += lattice_light (work, half, LATTICE_BOTH, other, column, row);
        if (work->probe.is_field[other])
          *received += lattice_light (work, half, LATTICE_SOURCE, cell, x, y) /
                       (1 - lb_optics_model_source_floor (model, other));
      }
  return *sent - *received;
}

static void
find_gain (FlatFieldWork *work)
{
  const guint n_tiles = work->probe.layout->n_tiles;
  double squares = 0, mean = 0, spill = 0, light = 0, stray = 0;

  work->gain = g_new (double, n_tiles);
  for (guint tile = 0; tile < n_tiles; tile++)
    {
      const double share = MAX (work->probe.layout->tile_share[tile], 0.1);
      const guint32 cell = lb_cell_probe_cell (&work->probe, tile);
      double halves[2], sent, received;

      for (guint half = 0; half < 2; half++)
        {
          halves[half] = work->products[half][tile] / MAX (work->squares[half][tile], 1e-9) +
                         find_spill (work, half, cell, &sent, &received) / share;
          spill += 0.5 * sent / share;
          light += 0.5 * received / share;
          stray += 0.5 * mean_light (work, half, TAG_DARK (LATTICE_BOTH), cell) / share;
        }
      work->gain[tile] = 0.5 * (halves[0] + halves[1]);
      squares += 0.25 * (halves[0] - halves[1]) * (halves[0] - halves[1]);
      mean += work->gain[tile];
    }
  mean /= n_tiles;
  work->repeatability = sqrt (squares / n_tiles) / mean;
  work->spill = spill / n_tiles / mean;
  work->received = light / n_tiles / mean;
  work->stray = stray / n_tiles / mean;
}

/* Gains of all cells of the grid: those of the field as measured, the bright
 * references 1, the rest as the nearest of the field. */
static LbMatrix *
make_gain_map (const FlatFieldWork *work)
{
  LbMatrix *gain = lb_cell_probe_spread (&work->probe, work->gain);
  const LbLayout *layout = work->probe.layout;

  for (guint i = 0; i < layout->bright_cells->len; i++)
    {
      guint32 cell = g_array_index (layout->bright_cells, guint32, i);

      lb_matrix_row (gain, cell / work->probe.model->columns)[cell % work->probe.model->columns] = 1;
    }
  return gain;
}

/* 1 where a cell may be used. Of the field alone: the references are no tiles. */
static LbMatrix *
make_usable_map (const FlatFieldWork *work, guint *dropped)
{
  const LbOpticsModel *model = work->probe.model;
  const LbLayout *layout = work->probe.layout;
  LbMatrix *usable = lb_matrix_new (model->rows, model->columns);
  const double limit = DIM_PART * lb_percentile (work->gain, layout->n_tiles, 50);

  *dropped = 0;
  for (gsize cell = 0; cell < lb_optics_model_cells (model); cell++)
    lb_matrix_row (usable, cell / model->columns)[cell % model->columns] = model->usable[cell];
  for (guint tile = 0; tile < layout->n_tiles; tile++)
    if (!(work->gain[tile] >= limit) || layout->tile_share[tile] < 0.5f)
      {
        guint32 cell = lb_cell_probe_cell (&work->probe, tile);

        lb_matrix_row (usable, cell / model->columns)[cell % model->columns] = 0;
        (*dropped)++;
      }
  return usable;
}

/* Divides all gains by their mean over the usable cells; that of the references
 * was 1 and becomes what is returned. */
static double
normalise (LbMatrix *gain, const LbMatrix *usable)
{
  double sum = 0, count = 0;

  for (gsize row = 0; row < gain->rows; row++)
    for (gsize column = 0; column < gain->columns; column++)
      if (lb_matrix_get (usable, row, column) > 0.5f)
        {
          sum += lb_matrix_get (gain, row, column);
          count++;
        }
  if (!(sum > 0))
    return 1;
  for (gsize row = 0; row < gain->rows; row++)
    for (gsize column = 0; column < gain->columns; column++)
      lb_matrix_row (gain, row)[column] = (float) (lb_matrix_get (gain, row, column) * count / sum);
  return count / sum;
}

static void
add_figures (const FlatFieldWork *work, LbCalibration *result, LbMatrix *gain, double reference_gain)
{
  const guint n_tiles = work->probe.layout->n_tiles;
  g_autoptr (LbFigure) map =
      lb_figure_new (_ ("Gain of the macropixels"), _ ("Macropixel column"), "", _ ("Macropixel row"), "");
  g_autoptr (LbFigure) histogram =
      lb_figure_new (_ ("Spread of the gain"), _ ("Gain"), "", _ ("Macropixels"), "");
  g_autofree double *values = g_new (double, n_tiles);
  LbSeries *image = lb_figure_add_image (map, NULL, gain);
  double low, high;

  for (guint tile = 0; tile < n_tiles; tile++)
    values[tile] = work->gain[tile] * reference_gain;
  low = lb_percentile (values, n_tiles, 0.5);
  high = lb_percentile (values, n_tiles, 99.5);
  map->y_axis.reversed = TRUE;
  image->low = low;
  image->high = MAX (high, low + 1e-6);
  map->note = g_strdup_printf (_ ("Colours from %.2f to %.2f; mean of the usable macropixels 1"), low, high);
  lb_figure_add_histogram (histogram, NULL, values, n_tiles, low, MAX (high, low + 1e-6), 60);
  lb_calibration_add_figure (result, "gain", map);
  lb_calibration_add_figure (result, "spread", histogram);
}

/* What else than a cell's own light there is makes its gain uncertain: the most of it
 * is named. A source out of focus lights neighbours on the weight plane, which the
 * lattice on both planes leaves dark; a camera out of focus sees a cell's light on its
 * neighbours with either lattice. */
static char *
explain (const FlatFieldWork *work)
{
  const double source = work->received - work->spill;
  const double most = MAX (MAX (work->stray, source), work->spill);
  const double electrons = work->cell_electrons * work->uniform_frames;

  if (most >= FOREIGN_PART && most == work->stray)
    return g_strdup_printf (
        _ ("The gain of the macropixels does not repeat well enough for stray light: with "
           "both planes dark there is %.0f %% of their full light. Look for reflections, "
           "cover the bench against room light, and measure the background again."),
        100 * most);
  if (most >= FOREIGN_PART && most == source)
    return g_strdup_printf (
        _ ("The gain of the macropixels does not repeat well enough, as the source is out of focus: %.0f %% "
           "of their light comes from their neighbours on the source. Focus the source onto the weight "
           "plane, then align again."),
        100 * most);
  if (most >= FOREIGN_PART)
    return g_strdup_printf (
        _ ("The gain of the macropixels does not repeat well enough, as the camera is out of focus: %.0f %% "
           "of their light lands on their neighbours' pixels. Focus the camera on the weight plane, then "
           "align again."),
        100 * most);
  if (electrons < ELECTRONS_WANTED)
    return g_strdup_printf (_ ("The gain of the macropixels does not repeat well enough with %.0f electrons "
                               "each: give more light, or open the camera's lens."),
                            electrons);
  return g_strdup (_ ("The gain of the macropixels does not repeat well enough, though there is light enough "
                      "and little of it strays: check that nothing moves, and steady the speckle."));
}

static void
report (const FlatFieldWork *work, LbCalibration *result)
{
  const guint n_tiles = work->probe.layout->n_tiles;
  LbQuantities *values = lb_calibration_values (result);
  guint dropped;
  g_autoptr (LbMatrix) gain = make_gain_map (work);
  g_autoptr (LbMatrix) usable = make_usable_map (work, &dropped);
  double reference_gain = normalise (gain, usable);
  g_autofree char *good =
      g_strdup_printf (_ ("The gain of %u macropixels is known to %.2f %%; %u dim ones are left out."),
                       n_tiles - dropped, 100 * work->repeatability, dropped);
  g_autofree char *bad = explain (work);

  lb_calibration_set_array (result, "gain", gain);
  lb_calibration_set_array (result, "usable", usable);
  lb_quantities_set (values, "reference_gain", reference_gain, "");
  lb_quantities_set (values, "macropixels", n_tiles - dropped, "");
  lb_quantities_set (values, "dim_macropixels", dropped, "");
  lb_quantities_set (values, "repeatability", 100 * work->repeatability, "%");
  lb_quantities_set (values, "spill", 100 * work->spill, "%");
  lb_quantities_set (values, "received", 100 * work->received, "%");
  lb_quantities_set (values, "stray", 100 * work->stray, "%");
  lb_quantities_set (values, "electrons", work->cell_electrons * work->uniform_frames, "electrons");
  /* Of a macropixel of gain 1, by which the light is told everywhere else. */
  lb_quantities_set (values, "light", work->light / work->uniform_frames / reference_gain, "electrons");
  lb_quantities_set (values, "peak_share", work->peak / work->light, "");
  lb_quantities_set (lb_calibration_settings (result), "frames", work->uniform_frames, "");
  add_figures (work, result, gain, reference_gain);

  lb_capture_judge (result, 100 * work->repeatability, 100 * GAIN_LIMIT, "%", good, bad);
  if (dropped > n_tiles / 5 && lb_calibration_get_verdict (result) == LB_VERDICT_PASS)
    lb_calibration_set_verdict (result, LB_VERDICT_WARN, 100 * work->repeatability, 100 * GAIN_LIMIT, "%",
                                _ ("More than a fifth of the macropixels is too dim to be used: centre the "
                                   "illumination on the weight plane."));
}

static void
start (FlatFieldWork *work)
{
  const guint n_tiles = work->probe.layout->n_tiles;
  const gsize cells = lb_optics_model_cells (work->probe.model);

  for (guint half = 0; half < 2; half++)
    {
      work->products[half] = g_new0 (double, n_tiles);
      work->squares[half] = g_new0 (double, n_tiles);
      work->lattice[half] = g_new0 (double, (N_TAGS - N_UNIFORM) * cells);
    }
  work->scratch = g_new0 (double, cells);
}

static gboolean
measure_flat_field (LbCalibrationContext *context,
                    LbCalibration *result,
                    GCancellable *cancellable,
                    GError **error)
{
  g_auto (FlatFieldWork) work = { 0 };
  g_autoptr (GArray) shots = NULL;

  if (!lb_cell_probe_init (&work.probe, context, LB_MODEL_CURVES | LB_MODEL_STRAY, cancellable, error))
    return FALSE;
  start (&work);
  work.probe.capture.message = _ ("Looking for light");
  if (!lb_capture_find_light (&work.probe.capture, LB_CELLS_FULL, LB_CELLS_FULL, cancellable, error) ||
      !plan_frames (&work, cancellable, error))
    return FALSE;
  lb_capture_describe_light (&work.probe.capture, result);

  work.probe.capture.message = _ ("Uniform and sparse patterns");
  work.probe.capture.fraction_from = 0.05;
  work.probe.capture.fraction_to = 0.98;
  shots = plan_shots (&work);
  if (!lb_capture_run (&work.probe.capture, shots, flat_field_sink, &work, cancellable, error))
    return FALSE;
  find_gain (&work);
  report (&work, result);
  return TRUE;
}

static void
forecast (LbBench *bench, LbCalibrationForecast *forecast)
{
  /* Of each phase of the lattices, where a macropixel gives some 20,000 electrons a frame. */
  const double source = SOURCE_FRAMES_MAX / 2, both = source / 2;
  const double frames =
      2 + FRAMES_MIN + (DARK_FACTOR + LB_CELLS_PHASES) * source + (2 + LB_CELLS_PHASES) * both;

  lb_calibration_forecast_add (forecast, bench, N_UNIFORM + 2 * (1 + LB_CELLS_PHASES), frames, 0, 1);
}

const LbCalibrationStep lb_calibration_step_flat_field = {
  .name = "flat-field",
  .title = N_ ("Flat field"),
  .description = N_ ("Finds how bright each macropixel is with the same levels on it: the encoder evens it "
                     "out"),
  .needs = { "dark", "alignment", "response", "background", NULL },
  .max_age_s = 12 * 3600,
  .forecast = forecast,
  .measure = measure_flat_field,
};
