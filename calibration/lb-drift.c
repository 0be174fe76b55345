/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-drift-private.h"

#include <lb-least-squares.h>
#include <math.h>

#define TERMS 3
/* Tiles without which a plane is not fitted. */
#define TILES_MIN 6
/* A gain further from 1 is no drift; the sentinel that follows will tell. */
#define GAIN_LIMIT 0.3

/* Terms at a place on the grid, in cells. */
static void
find_terms (const LbOpticsModel *model, double column, double row, double terms[TERMS])
{
  terms[0] = 1;
  terms[1] = 2 * column / model->columns - 1;
  terms[2] = 2 * row / model->rows - 1;
}

static void
tile_terms (const LbLayout *layout, guint tile, double terms[TERMS])
{
  const LbTile *place = &layout->tiles[tile];

  find_terms (layout->model, place->column + 0.5 * place->width, place->row + 0.5 * place->height, terms);
}

static double
evaluate (const double coefficients[TERMS], const double terms[TERMS])
{
  return coefficients[0] * terms[0] + coefficients[1] * terms[1] + coefficients[2] * terms[2];
}

void
lb_drift_fit_dark (
    LbDrift *self, const LbLayout *layout, const LbReading *reading, double exposure_us, guint frames)
{
  g_autoptr (LbLeastSquares) squares = lb_least_squares_new (TERMS, 1);
  double solution[TERMS];
  guint used = 0;

  for (guint t = 0; t < layout->n_tiles; t++)
    {
      double terms[TERMS], level;

      if (layout->tile_pixels[t] == 0 || reading->saturated[t] > 0)
        continue;
      tile_terms (layout, t, terms);
      level = reading->electrons[t] / layout->tile_pixels[t] / frames / exposure_us;
      lb_least_squares_add (squares, terms, &level, layout->tile_pixels[t]);
      used++;
    }
  if (used >= TILES_MIN && lb_least_squares_solve (squares, solution, NULL))
    for (guint i = 0; i < TERMS; i++)
      self->dark[i] = solution[i];
}

/* sum c u v of a tile whose elements are full on: source 1, weight as the encoder
 * dims it, c_i v_i = fw c_i + (1 - fw) c0 (optics.md, forward model). */
static double
full_sum (const LbLayout *layout, guint tile)
{
  const double fw = layout->tile_weight_floor[tile];
  double sum_c = 0;

  for (gsize i = 0; i < layout->segment_length; i++)
    sum_c += layout->cell_gain[tile][i];
  return fw * sum_c + (1 - fw) * layout->tile_c0[tile] * (double) layout->segment_length;
}

gboolean
lb_drift_fit_gain (LbDrift *self, const LbLayout *layout, const LbReading *reading)
{
  g_autoptr (LbLeastSquares) squares = lb_least_squares_new (TERMS, 1);
  double solution[TERMS], sum = 0;
  guint used = 0;

  for (guint t = 0; t < layout->n_tiles; t++)
    {
      const double stray = reading->light * layout->tile_stray[t];
      const double expected = reading->light * layout->tile_gain[t] * full_sum (layout, t);
      double terms[TERMS], gain, logarithm;

      if (reading->saturated[t] > 0 || !(expected > 0) || !(reading->electrons[t] > stray))
        continue;
      gain = (reading->electrons[t] - stray) / expected;
      if (fabs (gain - 1) > GAIN_LIMIT)
        continue;
      tile_terms (layout, t, terms);
      logarithm = log (gain);
      lb_least_squares_add (squares, terms, &logarithm, expected);
      sum += (gain - 1) * (gain - 1);
      used++;
    }
  if (used < TILES_MIN || !lb_least_squares_solve (squares, solution, NULL))
    return FALSE;
  for (guint i = 0; i < TERMS; i++)
    self->log_gain[i] = solution[i];
  self->gain_rms = sqrt (sum / used);
  return TRUE;
}

/* Mean place of reference cells. */
static void
patch_terms (const LbLayout *layout, const GArray *cells, double terms[TERMS])
{
  const guint columns = layout->model->columns;
  double column = 0, row = 0;

  for (guint i = 0; i < cells->len; i++)
    {
      const guint32 cell = g_array_index (cells, guint32, i);

      column += cell % columns + 0.5;
      row += cell / columns + 0.5;
    }
  find_terms (layout->model, column / MAX (cells->len, 1), row / MAX (cells->len, 1), terms);
}

void
lb_drift_correct_dark (const LbDrift *self, const LbLayout *layout, double exposure_us, LbReading *reading)
{
  double terms[TERMS];

  for (guint t = 0; t < layout->n_tiles; t++)
    {
      tile_terms (layout, t, terms);
      reading->electrons[t] -= evaluate (self->dark, terms) * exposure_us * layout->tile_pixels[t];
    }
  patch_terms (layout, layout->bright_cells, terms);
  reading->bright_electrons -= evaluate (self->dark, terms) * exposure_us * layout->bright_pixels;
  patch_terms (layout, layout->dark_cells, terms);
  reading->dark_electrons -= evaluate (self->dark, terms) * exposure_us * layout->dark_pixels;
  reading->light = reading->bright_electrons / (layout->bright_gain + layout->bright_stray);
}

void
lb_drift_correct_gain (const LbDrift *self, const LbLayout *layout, LbReading *reading)
{
  for (guint t = 0; t < layout->n_tiles; t++)
    {
      const double stray = reading->light * layout->tile_stray[t];
      double terms[TERMS];

      tile_terms (layout, t, terms);
      reading->electrons[t] =
          stray + (reading->electrons[t] - stray) * exp (-evaluate (self->log_gain, terms));
    }
}
