/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-leak-kernel-private.h"

#include <glib/gi18n-lib.h>
#include <math.h>

/*
 * One phase of the weight plane's lattice is open, one phase of the source's is
 * lit: each open cell has at most one lit neighbour, at a place that the two
 * phases tell. What both do together is the light that leaks from there:
 *   leak = I(lit, open) - I(lit, none) - I(none, open) + I(none, none)
 * which is free of both floors and of stray light. These are as bright as the
 * leak, so the light of a frame must be known well: the border of the field,
 * many macropixels, is full on in all patterns and tells it.
 */

/* Phases of the weight plane that are opened; a third of all cells. */
static const guint open_phases[] = { 0, 4, 8 };
#define N_OPEN G_N_ELEMENTS (open_phases)
/* Of weight and source: 0 all dark, above that a phase. */
#define N_WEIGHTS (1 + N_OPEN)
#define N_SOURCES (1 + LB_CELLS_PHASES)
#define TAG(weight, source) ((weight) *N_SOURCES + (source))
#define N_TAGS TAG (N_WEIGHTS, 0)
/* Cells that near to the border are not looked at. */
#define BORDER 2
/* Frames of a pattern; those with a dark source count in all places. Few of
 * them leave a small leak in the shot, read and row noise of the floors. */
#define FRAMES_MIN 4
/* Parts of a pattern's frames that are looked at apart: what they scatter by is
 * the error of the mean. */
#define FOLDS 4
#define FRAMES_MAX 24
#define CELLS_WANTED 80000.0
#define DARK_FACTOR 8
/* A zone with fewer open cells has the mean of the field. */
#define ZONE_CELLS_MIN 8

typedef struct
{
  LbCellProbe *probe;
  gsize cells;
  double *sums[FOLDS]; /* [fold][tag][cell], light of a frame's border: 1 */
  guint8 *interior;    /* per cell */
  guint frames[FOLDS][N_TAGS];
} LatticeWork;

static void
lattice_work_clear (LatticeWork *work)
{
  for (guint fold = 0; fold < FOLDS; fold++)
    g_free (work->sums[fold]);
  g_free (work->interior);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (LatticeWork, lattice_work_clear)

gint64
lb_leak_neighbour (const LbCellProbe *probe, guint32 cell, guint place)
{
  const LbOpticsModel *model = probe->model;
  const gint64 column = (gint64) (cell % model->columns) + (gint64) (place % 3) - 1;
  const gint64 row = (gint64) (cell / model->columns) + (gint64) (place / 3) - 1;
  gint64 other;

  if (column < 0 || row < 0 || column >= model->columns || row >= model->rows)
    return -1;
  other = row * model->columns + column;
  return probe->is_field[other] ? other : -1;
}

guint
lb_leak_zone (const LbCellProbe *probe, guint32 cell)
{
  const LbCurves grid = { .zones_x = LB_LEAK_ZONES_X, .zones_y = LB_LEAK_ZONES_Y };
  const LbOpticsModel *model = probe->model;

  return lb_curves_zone (&grid, model->columns, model->rows, cell % model->columns, cell / model->columns);
}

static gboolean
is_near_border (const LbCellProbe *probe, guint32 cell, gint64 distance)
{
  const LbOpticsModel *model = probe->model;
  const gint64 column = cell % model->columns, row = cell / model->columns;

  for (gint64 y = row - distance; y <= row + distance; y++)
    for (gint64 x = column - distance; x <= column + distance; x++)
      if (x < 0 || y < 0 || x >= model->columns || y >= model->rows ||
          !probe->is_field[y * model->columns + x])
        return TRUE;
  return FALSE;
}

static void
find_border (LatticeWork *work)
{
  LbCellProbe *probe = work->probe;

  work->interior = g_malloc0 (work->cells);
  probe->always_on = g_malloc0 (work->cells);
  for (guint tile = 0; tile < probe->layout->n_tiles; tile++)
    {
      const guint32 cell = lb_cell_probe_cell (probe, tile);

      probe->always_on[cell] = is_near_border (probe, cell, 1);
      work->interior[cell] = !is_near_border (probe, cell, 1 + BORDER);
    }
}

static gboolean
lattice_sink (const LbCaptureShot *shot, guint nth, LbFrame *frame, gpointer data, GError **error)
{
  LatticeWork *work = data;
  const LbCellProbe *probe = work->probe;
  g_autoptr (LbReading) reading = lb_cell_probe_read (work->probe, frame, error);
  double *sums = work->sums[nth % FOLDS] + shot->tag * work->cells;
  double border = 0;

  if (reading == NULL)
    return FALSE;
  for (guint tile = 0; tile < reading->tiles; tile++)
    if (probe->always_on[lb_cell_probe_cell (probe, tile)])
      border += reading->electrons[tile];
  if (!(border > 0))
    {
      g_set_error_literal (error, LB_CALIBRATION_ERROR, LB_CALIBRATION_ERROR_SIGNAL,
                           _ ("The border of the field stays dark: check both planes, and align again"));
      return FALSE;
    }
  work->frames[nth % FOLDS][shot->tag]++;
  for (guint tile = 0; tile < reading->tiles; tile++)
    sums[lb_cell_probe_cell (probe, tile)] += reading->electrons[tile] / border;
  return TRUE;
}

/* As many in each fold. */
static guint
find_frames (double cells)
{
  return FOLDS * ((guint) CLAMP (ceil (CELLS_WANTED / cells), FRAMES_MIN, FRAMES_MAX) / FOLDS);
}

double
lb_leak_kernel_forecast (double cells, guint *patterns)
{
  *patterns = N_TAGS;
  return find_frames (cells) * N_WEIGHTS * (DARK_FACTOR + LB_CELLS_PHASES);
}

/* The slow weight plane changes least. */
static GArray *
plan_shots (const LatticeWork *work)
{
  GArray *shots = g_array_new (FALSE, TRUE, sizeof (LbCaptureShot));
  const guint frames = find_frames (work->probe->layout->n_tiles);

  for (guint weight = 0; weight < N_WEIGHTS; weight++)
    for (guint source = 0; source < N_SOURCES; source++)
      lb_cell_probe_plan (shots, source == 0 ? LB_CELLS_DARK : LB_CELLS_LATTICE (source - 1),
                          weight == 0 ? LB_CELLS_DARK : LB_CELLS_LATTICE (open_phases[weight - 1]),
                          source == 0 ? DARK_FACTOR * frames : frames, TAG (weight, source));
  return shots;
}

static double
mean_light (const LatticeWork *work, guint fold, guint tag, gint64 cell)
{
  return work->sums[fold][tag * work->cells + cell] / MAX (work->frames[fold][tag], 1);
}

/* What @cell has of both together. */
static double
joint_light (const LatticeWork *work, guint fold, guint weight, guint phase, gint64 cell)
{
  return mean_light (work, fold, TAG (weight, 1 + phase), cell) -
         mean_light (work, fold, TAG (0, 1 + phase), cell) - mean_light (work, fold, TAG (weight, 0), cell) +
         mean_light (work, fold, TAG (0, 0), cell);
}

static guint
phase_of (const LatticeWork *work, gint64 cell)
{
  const LbOpticsModel *model = work->probe->model;

  return LB_CELLS_PHASE_OF ((guint) (cell % model->columns), (guint) (cell / model->columns));
}

/* Sums over the open cells of a zone, or of the field. */
typedef struct
{
  double source[LB_LEAK_PLACES];
  double camera[LB_LEAK_PLACES];
  guint cells;
} LeakSums;

static void
add_cell (const LatticeWork *work, guint weight, guint32 cell, guint fold, LeakSums *sums)
{
  for (guint place = 0; place < LB_LEAK_PLACES; place++)
    {
      const gint64 other = lb_leak_neighbour (work->probe, cell, place);

      /* Light that leaks in lies at the border, from where the camera spreads it
       * to either side; of the own light all is gathered. */
      for (guint seen = 0; seen < LB_LEAK_PLACES; seen++)
        if (place == LB_LEAK_OWN || seen == LB_LEAK_OWN || seen == place)
          sums->source[place] += joint_light (work, fold, weight, phase_of (work, other),
                                              lb_leak_neighbour (work->probe, cell, seen));
      sums->camera[place] += joint_light (work, fold, weight, phase_of (work, cell), other);
    }
  sums->cells++;
}

static void
add_sums (LeakSums *to, const LeakSums *from)
{
  for (guint place = 0; place < LB_LEAK_PLACES; place++)
    {
      to->source[place] += from->source[place];
      to->camera[place] += from->camera[place];
    }
  to->cells += from->cells;
}

static void
normalise (const LeakSums *sums, double *source, double *camera)
{
  const double own = sums->source[LB_LEAK_OWN];
  double total = 0;

  for (guint place = 0; place < LB_LEAK_PLACES; place++)
    total += sums->camera[place];
  for (guint place = 0; place < LB_LEAK_PLACES; place++)
    {
      source[place] = own > 0 ? sums->source[place] / own : 0;
      camera[place] = total > 0 ? sums->camera[place] / total : 0;
    }
}

static double
sum_neighbours (const double *kernel)
{
  double sum = 0;

  for (guint place = 0; place < LB_LEAK_PLACES; place++)
    if (place != LB_LEAK_OWN)
      sum += kernel[place];
  return sum;
}

/* Leak of the parts, for the error of their mean. */
static double
total_of (const LeakSums *sums)
{
  double source[LB_LEAK_PLACES], camera[LB_LEAK_PLACES];

  normalise (sums, source, camera);
  return sum_neighbours (source);
}

/* Standard error of the mean over all parts: the folds of a phase have the same
 * cells, so they differ by noise alone; the phases have cells of their own. */
static double
find_standard_error (LeakSums parts[N_OPEN][FOLDS])
{
  double variance = 0;

  for (guint open = 0; open < N_OPEN; open++)
    {
      double totals[FOLDS], mean = 0;

      for (guint fold = 0; fold < FOLDS; fold++)
        mean += (totals[fold] = total_of (&parts[open][fold])) / FOLDS;
      for (guint fold = 0; fold < FOLDS; fold++)
        variance += pow (totals[fold] - mean, 2) / (FOLDS * (FOLDS - 1));
    }
  return sqrt (variance) / N_OPEN;
}

static void
sum_tiles (const LatticeWork *work, LeakSums *zones, LeakSums parts[N_OPEN][FOLDS])
{
  for (guint tile = 0; tile < work->probe->layout->n_tiles; tile++)
    {
      const guint32 cell = lb_cell_probe_cell (work->probe, tile);
      const guint zone = lb_leak_zone (work->probe, cell);

      for (guint open = 0; open < N_OPEN; open++)
        if (phase_of (work, cell) == open_phases[open] && work->interior[cell])
          for (guint fold = 0; fold < FOLDS; fold++)
            {
              LeakSums one = { 0 };

              add_cell (work, 1 + open, cell, fold, &one);
              add_sums (&parts[open][fold], &one);
              add_sums (&zones[zone], &one);
            }
    }
}

static gboolean
analyse (LbLeakKernel *self, const LatticeWork *work, GError **error)
{
  g_autofree LeakSums *zones = g_new0 (LeakSums, LB_LEAK_ZONES);
  LeakSums parts[N_OPEN][FOLDS] = { 0 }, field = { 0 };
  gboolean any = TRUE;

  sum_tiles (work, zones, parts);
  for (guint open = 0; open < N_OPEN; open++)
    for (guint fold = 0; fold < FOLDS; fold++)
      {
        any = any && parts[open][fold].source[LB_LEAK_OWN] > 0;
        add_sums (&field, &parts[open][fold]);
      }
  if (!any)
    {
      g_set_error_literal (error, LB_CALIBRATION_ERROR, LB_CALIBRATION_ERROR_SIGNAL,
                           _ ("No light comes through single macropixels that are on: check both planes, and "
                              "align again"));
      return FALSE;
    }
  normalise (&field, self->mean_source, self->mean_camera);
  for (guint zone = 0; zone < LB_LEAK_ZONES; zone++)
    normalise (zones[zone].cells >= FOLDS * ZONE_CELLS_MIN ? &zones[zone] : &field, self->source[zone],
               self->camera[zone]);
  self->source_total = sum_neighbours (self->mean_source);
  self->camera_total = sum_neighbours (self->mean_camera);
  self->standard_error = find_standard_error (parts);
  return TRUE;
}

gboolean
lb_leak_kernel_measure (LbLeakKernel *self, LbCellProbe *probe, GCancellable *cancellable, GError **error)
{
  g_auto (LatticeWork) work = { .probe = probe };
  g_autoptr (GArray) shots = NULL;
  gboolean done;

  work.cells = lb_optics_model_cells (probe->model);
  for (guint fold = 0; fold < FOLDS; fold++)
    work.sums[fold] = g_new0 (double, N_TAGS *work.cells);
  shots = plan_shots (&work);
  find_border (&work);
  *self = (LbLeakKernel){ 0 };
  done = lb_capture_run (&probe->capture, shots, lattice_sink, &work, cancellable, error);
  g_clear_pointer (&probe->always_on, g_free);
  return done && analyse (self, &work, error);
}
