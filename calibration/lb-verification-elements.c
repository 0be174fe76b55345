/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-verification-private.h"

#include <glib/gi18n-lib.h>
#include <math.h>

/* Values of the test of the tables, in 1/1000. */
static const guint test_values[LB_VERIFICATION_VALUES] = { 0, 50, 150, 300, 500, 700, 850, 1000 };

/* Exposures by their tag. */
enum
{
  TAG_FULL,
  TAG_DARK,
  TAG_SOURCE,                                           /* + value, weight plane full on */
  TAG_WEIGHT = TAG_SOURCE + LB_VERIFICATION_VALUES - 1, /* + value, source full on */
  TAG_LATTICE = TAG_WEIGHT + LB_VERIFICATION_VALUES - 1,
  N_ZONE_TAGS = TAG_LATTICE,
};

/* Frames, all even for the halves; the dark ones count in every lattice. */
#define FULL_FRAMES 16
#define DARK_FRAMES 24
#define VALUE_FRAMES 8
#define LATTICE_FRAMES 8
/* Cells that lost light to defective pixels say nothing of their gain. */
#define WHOLE_SHARE 0.999f

typedef struct
{
  LbVerificationElements *elements;
  gsize cells;
  double zone_sums[2][N_ZONE_TAGS][LB_LEAK_ZONES];
  guint zone_frames[2][N_ZONE_TAGS];
  double *lattice[2]; /* [half][1 + phase][cell]; 0: both planes dark */
  guint lattice_frames[2][1 + LB_CELLS_PHASES];
  double *sum, *square; /* per tile, of the full frames */
  double electrons;     /* of a macropixel, mean over all, a full frame */
  double *scratch;
} ElementWork;

static void
element_work_clear (ElementWork *work)
{
  g_free (work->lattice[0]);
  g_free (work->lattice[1]);
  g_free (work->sum);
  g_free (work->square);
  g_free (work->scratch);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (ElementWork, element_work_clear)

static void
add_zones (ElementWork *work, const LbReading *reading, guint tag, guint half)
{
  const LbCellProbe *probe = &work->elements->probe;

  for (guint tile = 0; tile < reading->tiles; tile++)
    work->zone_sums[half][tag][work->elements->zone[lb_cell_probe_cell (probe, tile)]] +=
        reading->electrons[tile] / reading->light - (double) probe->layout->tile_stray[tile];
  work->zone_frames[half][tag]++;
}

static void
add_lattice (ElementWork *work, const LbReading *reading, LbFrame *frame, guint phase, guint half)
{
  double *sums = work->lattice[half] + phase * work->cells;

  lb_cell_probe_sum_cells (&work->elements->probe, frame, work->scratch);
  for (gsize cell = 0; cell < work->cells; cell++)
    sums[cell] += work->scratch[cell] / reading->light;
  work->lattice_frames[half][phase]++;
}

static void
add_full (ElementWork *work, const LbReading *reading)
{
  for (guint tile = 0; tile < reading->tiles; tile++)
    {
      const double light = reading->electrons[tile] / reading->light;

      work->sum[tile] += light;
      work->square[tile] += light * light;
      work->electrons += reading->electrons[tile] / reading->tiles / FULL_FRAMES;
    }
}

static gboolean
element_sink (const LbCaptureShot *shot, guint nth, LbFrame *frame, gpointer data, GError **error)
{
  ElementWork *work = data;
  const guint half = nth % 2;
  g_autoptr (LbReading) reading = lb_cell_probe_read (&work->elements->probe, frame, error);

  if (reading == NULL)
    return FALSE;
  if (shot->tag < N_ZONE_TAGS)
    add_zones (work, reading, shot->tag, half);
  if (shot->tag == TAG_FULL)
    add_full (work, reading);
  if (shot->tag == TAG_DARK)
    add_lattice (work, reading, frame, 0, half);
  if (shot->tag >= TAG_LATTICE)
    add_lattice (work, reading, frame, 1 + shot->tag - TAG_LATTICE, half);
  return TRUE;
}

static GArray *
plan_shots (void)
{
  GArray *shots = g_array_new (FALSE, TRUE, sizeof (LbCaptureShot));

  lb_cell_probe_plan (shots, LB_CELLS_DARK, LB_CELLS_DARK, DARK_FRAMES, TAG_DARK);
  for (guint phase = 0; phase < LB_CELLS_PHASES; phase++)
    lb_cell_probe_plan (shots, LB_CELLS_LATTICE (phase), LB_CELLS_LATTICE (phase), LATTICE_FRAMES,
                        TAG_LATTICE + phase);
  for (guint i = 0; i + 1 < LB_VERIFICATION_VALUES; i++)
    lb_cell_probe_plan (shots, LB_CELLS_FULL, LB_CELLS_VALUE (test_values[i]), VALUE_FRAMES, TAG_WEIGHT + i);
  lb_cell_probe_plan (shots, LB_CELLS_FULL, LB_CELLS_FULL, FULL_FRAMES, TAG_FULL);
  for (guint i = 0; i + 1 < LB_VERIFICATION_VALUES; i++)
    lb_cell_probe_plan (shots, LB_CELLS_VALUE (test_values[i]), LB_CELLS_FULL, VALUE_FRAMES, TAG_SOURCE + i);
  return shots;
}

double
lb_verification_elements_forecast (guint *patterns)
{
  g_autoptr (GArray) shots = plan_shots ();
  double frames = 0;

  for (guint i = 0; i < shots->len; i++)
    frames += g_array_index (shots, LbCaptureShot, i).frames;
  *patterns = shots->len;
  return frames;
}

/* Light of a lattice's cell, wherever around it that lands. */
static double
lattice_light (const ElementWork *work, guint half, guint32 cell)
{
  const LbOpticsModel *model = work->elements->probe.model;
  const guint column = cell % model->columns, row = cell / model->columns;
  const guint phase = 1 + LB_CELLS_PHASE_OF (column, row);
  const double *lit = work->lattice[half] + phase * work->cells, *dark = work->lattice[half];
  double light = 0;

  for (guint y = MAX (row, 1) - 1; y <= MIN (row + 1, model->rows - 1); y++)
    for (guint x = MAX (column, 1) - 1; x <= MIN (column + 1, model->columns - 1); x++)
      light += lit[y * model->columns + x] / MAX (work->lattice_frames[half][phase], 1) -
               dark[y * model->columns + x] / MAX (work->lattice_frames[half][0], 1);
  return light;
}

/* Own light over what the gain says: a gain holds nothing of the neighbours' light
 * (step-flat-field.c), which is crosstalk then. */
static void
find_gain_errors (ElementWork *work)
{
  LbVerificationElements *self = work->elements;
  const LbCellProbe *probe = &self->probe;
  const LbOpticsModel *model = probe->model;

  for (guint tile = 0; tile < probe->layout->n_tiles; tile++)
    {
      const guint32 cell = lb_cell_probe_cell (probe, tile);
      const double expected =
          (double) model->gain[cell] * (1 - (double) lb_optics_model_source_floor (model, cell) *
                                                lb_optics_model_weight_floor (model, cell));

      if (probe->layout->tile_share[tile] < WHOLE_SHARE)
        continue;
      for (guint half = 0; half < 2; half++)
        self->gain_error[half][cell] = (float) (lattice_light (work, half, cell) / expected - 1);
    }
}

/* Sum over the tiles of a zone of gain times what the tables say for a tag. */
static void
expect_zones (const ElementWork *work, guint plane, guint value, double *sums)
{
  const LbCellProbe *probe = &work->elements->probe;
  const LbOpticsModel *model = probe->model;
  const LbCurves *curves = plane == 0 ? &model->source_curves : &model->weight_curves;

  for (guint zone = 0; zone < LB_LEAK_ZONES; zone++)
    sums[zone] = 0;
  for (guint tile = 0; tile < probe->layout->n_tiles; tile++)
    {
      const guint32 cell = lb_cell_probe_cell (probe, tile);

      sums[work->elements->zone[cell]] +=
          probe->layout->tile_gain[tile] * lb_cell_probe_value (probe, curves, cell, test_values[value]);
    }
}

static double
zone_light (const ElementWork *work, guint half, guint tag, guint zone)
{
  return work->zone_sums[half][tag][zone] / MAX (work->zone_frames[half][tag], 1);
}

static void
find_table_errors (ElementWork *work)
{
  LbVerificationElements *self = work->elements;
  double full[LB_LEAK_ZONES], expected[LB_LEAK_ZONES];

  expect_zones (work, 0, LB_VERIFICATION_VALUES - 1, full);
  for (guint plane = 0; plane < 2; plane++)
    for (guint value = 0; value + 1 < LB_VERIFICATION_VALUES; value++)
      {
        expect_zones (work, plane, value, expected);
        for (guint zone = 0; zone < LB_LEAK_ZONES; zone++)
          for (guint half = 0; half < 2; half++)
            if (full[zone] > 0)
              self->table_error[half][plane][value][zone] =
                  zone_light (work, half, (plane == 0 ? TAG_SOURCE : TAG_WEIGHT) + value, zone) /
                      zone_light (work, half, TAG_FULL, zone) -
                  expected[zone] / full[zone];
      }
}

static void
find_dark_errors (ElementWork *work)
{
  LbVerificationElements *self = work->elements;
  const LbCellProbe *probe = &self->probe;
  double floors[LB_LEAK_ZONES] = { 0 }, gains[LB_LEAK_ZONES] = { 0 };

  for (guint tile = 0; tile < probe->layout->n_tiles; tile++)
    {
      const guint32 cell = lb_cell_probe_cell (probe, tile);

      gains[self->zone[cell]] += probe->layout->tile_gain[tile];
      floors[self->zone[cell]] += (double) probe->layout->tile_gain[tile] *
                                  lb_optics_model_source_floor (probe->model, cell) *
                                  lb_optics_model_weight_floor (probe->model, cell);
    }
  for (guint zone = 0; zone < LB_LEAK_ZONES; zone++)
    for (guint half = 0; half < 2; half++)
      if (gains[zone] > 0)
        self->dark_error[half][zone] = (zone_light (work, half, TAG_DARK, zone) - floors[zone]) / gains[zone];
}

/* What is left of the scatter of a macropixel's light without shot and read
 * noise. Light that is common to all is out already: by the reference patches. */
static void
find_speckle (ElementWork *work)
{
  LbVerificationElements *self = work->elements;
  const LbLayout *layout = self->probe.layout;
  const LbOpticsModel *model = self->probe.model;
  const double pixel_noise2 =
      model->read_noise * model->read_noise + model->electrons_per_dn * model->electrons_per_dn / 12;
  double relative = 0, light = 0;

  for (guint tile = 0; tile < layout->n_tiles; tile++)
    light += work->sum[tile] / FULL_FRAMES / layout->n_tiles;
  for (guint tile = 0; tile < layout->n_tiles; tile++)
    {
      const double mean = MAX (work->sum[tile] / FULL_FRAMES, 1e-9);
      const double variance =
          (work->square[tile] - FULL_FRAMES * mean * mean) / (FULL_FRAMES - 1) / mean / mean;
      const double electrons = MAX (work->electrons * mean / light, 1);

      relative += variance - 1 / electrons - layout->tile_pixels[tile] * pixel_noise2 / electrons / electrons;
    }
  self->speckle = sqrt (MAX (relative / layout->n_tiles, 0));
}

static void
start (LbVerificationElements *self, ElementWork *work, LbCalibrationContext *context)
{
  g_autoptr (LbCalibration) crosstalk = lb_calibration_set_dup (context->in_force, "crosstalk");
  LbMatrix *leak = crosstalk != NULL ? lb_calibration_get_array (crosstalk, "source_leak") : NULL;

  work->elements = self;
  work->cells = lb_optics_model_cells (self->probe.model);
  work->scratch = g_new0 (double, work->cells);
  work->sum = g_new0 (double, self->probe.layout->n_tiles);
  work->square = g_new0 (double, self->probe.layout->n_tiles);
  self->zone = g_new (guint32, work->cells);
  for (guint32 cell = 0; cell < work->cells; cell++)
    self->zone[cell] = lb_leak_zone (&self->probe, cell);
  for (guint half = 0; half < 2; half++)
    {
      work->lattice[half] = g_new0 (double, (1 + LB_CELLS_PHASES) * work->cells);
      self->gain_error[half] = g_new0 (float, work->cells);
    }
  if (leak != NULL && leak->rows == LB_LEAK_ZONES && leak->columns == LB_LEAK_PLACES)
    self->leak = lb_matrix_ref (leak);
}

gboolean
lb_verification_elements_measure (LbVerificationElements *self,
                                  LbCalibrationContext *context,
                                  GCancellable *cancellable,
                                  GError **error)
{
  g_auto (ElementWork) work = { 0 };
  g_autoptr (GArray) shots = plan_shots ();

  *self = (LbVerificationElements){ 0 };
  if (!lb_cell_probe_init (&self->probe, context, LB_MODEL_ALL, cancellable, error))
    return FALSE;
  start (self, &work, context);
  self->probe.capture.message = _ ("Single macropixels and tables");
  self->probe.capture.fraction_from = 0.02;
  self->probe.capture.fraction_to = 0.3;
  if (!lb_capture_find_light (&self->probe.capture, LB_CELLS_FULL, LB_CELLS_FULL, cancellable, error) ||
      !lb_capture_run (&self->probe.capture, shots, element_sink, &work, cancellable, error))
    return FALSE;
  find_gain_errors (&work);
  find_table_errors (&work);
  find_dark_errors (&work);
  find_speckle (&work);
  return TRUE;
}

void
lb_verification_elements_clear (LbVerificationElements *self)
{
  lb_cell_probe_clear (&self->probe);
  g_clear_pointer (&self->gain_error[0], g_free);
  g_clear_pointer (&self->gain_error[1], g_free);
  g_clear_pointer (&self->zone, g_free);
  g_clear_pointer (&self->leak, lb_matrix_unref);
}

double
lb_verification_table_error (const LbVerificationElements *self,
                             guint half,
                             guint plane,
                             guint zone,
                             double value,
                             double *floor_error)
{
  const double at = CLAMP (1000 * value, 0, 1000);
  guint i = 1;
  double part, low, high;

  while (i + 1 < LB_VERIFICATION_VALUES && at > test_values[i])
    i++;
  part = (at - test_values[i - 1]) / (test_values[i] - test_values[i - 1]);
  low = self->table_error[half][plane][i - 1][zone];
  high = self->table_error[half][plane][i][zone];
  *floor_error = self->table_error[half][plane][0][zone] * (1 - at / 1000);
  return low + part * (high - low) - *floor_error;
}
