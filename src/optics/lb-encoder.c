/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-encoder.h"

#include "lb-optics-private.h"

#include <math.h>
#include <string.h>

/* Consecutive source pixels of one row inside the same macropixel. */
typedef struct
{
  guint32 start;
  guint32 cell;
  guint16 count;
} SourceRun;

/* What a plane's cells need for encoding. */
typedef struct
{
  const LbCurves *curves;
  guint32 *zone; /* per cell */
  float *floor;  /* per cell */
} PlaneCells;

struct _LbEncoder
{
  LbOpticsModel *model;
  SourceRun *runs;
  gsize n_runs;
  PlaneCells source;
  PlaneCells weight;
};

static void
plane_cells_init (PlaneCells *self, const LbOpticsModel *model, const LbCurves *curves)
{
  const gsize cells = lb_optics_model_cells (model);

  self->curves = curves;
  self->zone = g_new (guint32, cells);
  self->floor = g_new (float, cells);
  for (gsize i = 0; i < cells; i++)
    {
      const guint zone = lb_curves_zone (curves, model->columns, model->rows, (guint) (i % model->columns),
                                         (guint) (i / model->columns));

      self->zone[i] = zone;
      self->floor[i] = curves->values[(gsize) zone * LB_LEVELS + curves->low_level[zone]];
    }
}

static void
plane_cells_clear (PlaneCells *self)
{
  g_free (self->zone);
  g_free (self->floor);
}

/* Level of @value (0..1) on a cell: its floor comes on top. */
static guint8
encode_value (const PlaneCells *plane, gsize cell, float value)
{
  return lb_curves_invert (plane->curves, plane->zone[cell],
                           plane->floor[cell] + (1 - plane->floor[cell]) * value);
}

/* The cell that a source pixel lights, by its place on the weight plane, or -1:
 * outside the grid or in the margin. */
static gint64
find_lit_cell (const LbOpticsModel *model, double weight_x, double weight_y)
{
  const double side = model->macropixel, margin = model->source_margin;
  const double x = weight_x + 0.5 - model->origin_x, y = weight_y + 0.5 - model->origin_y;
  const double column = floor (x / side), row = floor (y / side);

  if (!(column >= 0 && row >= 0 && column < model->columns && row < model->rows))
    return -1;
  if (x - column * side < margin || x - column * side > side - margin || y - row * side < margin ||
      y - row * side > side - margin)
    return -1;
  return (gint64) row * model->columns + (gint64) column;
}

static GArray *
find_source_runs (const LbOpticsModel *model)
{
  GArray *runs = g_array_new (FALSE, FALSE, sizeof (SourceRun));
  const gsize width = model->source_width;
  g_autofree double *weight_x = g_new (double, width);
  g_autofree double *weight_y = g_new (double, width);

  for (gsize y = 0; y < model->source_height; y++)
    {
      gint64 last = -1;

      lb_optics_map_row (&model->source_to_weight, 0, (double) y, width, weight_x, weight_y);
      for (gsize x = 0; x < width; x++)
        {
          const gint64 cell = find_lit_cell (model, weight_x[x], weight_y[x]);

          if (cell >= 0 && cell == last)
            g_array_index (runs, SourceRun, runs->len - 1).count++;
          else if (cell >= 0)
            {
              const SourceRun run = { (guint32) (y * width + x), (guint32) cell, 1 };

              g_array_append_val (runs, run);
            }
          last = cell;
        }
    }
  return runs;
}

/**
 * lb_encoder_new:
 * @model: of the bench; a reference is kept
 *
 * Prepares all that encoding a pattern needs, so that one takes about a
 * millisecond.
 *
 * Returns: (transfer full): the encoder
 */
LbEncoder *
lb_encoder_new (LbOpticsModel *model)
{
  LbEncoder *self;
  GArray *runs;

  g_return_val_if_fail (model != NULL, NULL);

  self = g_new0 (LbEncoder, 1);
  self->model = lb_optics_model_ref (model);
  plane_cells_init (&self->source, model, &model->source_curves);
  plane_cells_init (&self->weight, model, &model->weight_curves);
  runs = find_source_runs (model);
  self->n_runs = runs->len;
  self->runs = (SourceRun *) (gpointer) g_array_free (runs, FALSE);
  return self;
}

/**
 * lb_encoder_free:
 *
 * Frees an encoder.
 */
void
lb_encoder_free (LbEncoder *self)
{
  g_return_if_fail (self != NULL);

  plane_cells_clear (&self->source);
  plane_cells_clear (&self->weight);
  g_free (self->runs);
  lb_optics_model_unref (self->model);
  g_free (self);
}

/**
 * lb_encoder_render_weight:
 * @levels: a grey level for each cell of the grid
 *
 * Pixels of the weight plane: each cell's level on its whole macropixel, 0
 * outside the grid.
 *
 * Returns: (transfer full): (weight_height, weight_width) bytes
 */
guint8 *
lb_encoder_render_weight (const LbEncoder *self, const guint8 *levels)
{
  const LbOpticsModel *model;
  guint8 *pixels;
  gsize width, side;

  g_return_val_if_fail (self != NULL && levels != NULL, NULL);

  model = self->model;
  width = model->weight_width;
  side = model->macropixel;
  pixels = g_malloc0 (width * model->weight_height);
  for (gsize row = 0; row < model->rows; row++)
    {
      guint8 *line = pixels + (model->origin_y + row * side) * width;

      for (gsize column = 0; column < model->columns; column++)
        memset (line + model->origin_x + column * side, levels[row * model->columns + column], side);
      for (gsize y = 1; y < side; y++)
        memcpy (line + y * width, line, width);
    }
  return pixels;
}

/**
 * lb_encoder_render_source:
 * @levels: a grey level for each cell of the grid
 *
 * Pixels of the source plane: a cell's level on those pixels that the map puts
 * inside its macropixel, the source margin away from the border; 0 elsewhere.
 *
 * Returns: (transfer full): (source_height, source_width) bytes
 */
guint8 *
lb_encoder_render_source (const LbEncoder *self, const guint8 *levels)
{
  guint8 *pixels;

  g_return_val_if_fail (self != NULL && levels != NULL, NULL);

  pixels = g_malloc0 ((gsize) self->model->source_width * self->model->source_height);
  for (gsize i = 0; i < self->n_runs; i++)
    {
      const SourceRun *run = &self->runs[i];

      for (gsize x = 0; x < run->count; x++)
        pixels[run->start + x] = levels[run->cell];
    }
  return pixels;
}

/* All cells dark, but for the bright reference patches. */
static void
set_background (const LbEncoder *self, const PlaneCells *plane, const LbLayout *layout, guint8 *levels)
{
  for (gsize i = 0; i < lb_optics_model_cells (self->model); i++)
    levels[i] = plane->curves->low_level[plane->zone[i]];
  for (guint i = 0; i < layout->bright_cells->len; i++)
    {
      const guint32 cell = g_array_index (layout->bright_cells, guint32, i);

      levels[cell] = plane->curves->high_level[plane->zone[cell]];
    }
}

/**
 * lb_encoder_source_levels:
 * @layout: of the encoder's model
 * @values: per slot its elements, 0..1, or NULL: dark
 * @lengths: per slot the number of its elements, at most segment_length
 * @levels: (out): columns * rows levels
 *
 * Source levels of an exposure: u = fx + (1 - fx) x^ on both tiles of a slot
 * (optics.md, "Forward model and decode").
 */
void
lb_encoder_source_levels (const LbEncoder *self,
                          const LbLayout *layout,
                          const float *const *values,
                          const gsize *lengths,
                          guint8 *levels)
{
  g_return_if_fail (self != NULL && layout != NULL && layout->model == self->model);
  g_return_if_fail (values != NULL && lengths != NULL && levels != NULL);

  set_background (self, &self->source, layout, levels);
  for (guint t = 0; t < layout->n_tiles; t++)
    {
      const guint slot = t / layout->tiles_per_slot;
      const guint32 *cells = layout->tiles[t].cells;

      if (values[slot] == NULL)
        continue;
      for (gsize i = 0; i < MIN (lengths[slot], layout->segment_length); i++)
        levels[cells[i]] = encode_value (&self->source, cells[i], values[slot][i]);
    }
}

/**
 * lb_encoder_weight_levels:
 * @layout: of the encoder's model
 * @values: per tile its elements, 0..1, or NULL: dark
 * @lengths: per tile the number of its elements, at most segment_length
 * @levels: (out): columns * rows levels
 *
 * Weight levels of an exposure: v = fw + (1 - fw) (c0 / c_i) w^ (optics.md,
 * "Forward model and decode").
 */
void
lb_encoder_weight_levels (const LbEncoder *self,
                          const LbLayout *layout,
                          const float *const *values,
                          const gsize *lengths,
                          guint8 *levels)
{
  g_return_if_fail (self != NULL && layout != NULL && layout->model == self->model);
  g_return_if_fail (values != NULL && lengths != NULL && levels != NULL);

  set_background (self, &self->weight, layout, levels);
  for (guint t = 0; t < layout->n_tiles; t++)
    {
      const guint32 *cells = layout->tiles[t].cells;
      const float *gain = layout->cell_gain[t];

      if (values[t] == NULL)
        continue;
      for (gsize i = 0; i < MIN (lengths[t], layout->segment_length); i++)
        levels[cells[i]] =
            encode_value (&self->weight, cells[i], layout->tile_c0[t] / gain[i] * values[t][i]);
    }
}
