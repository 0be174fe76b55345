/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-optics-private.h"

#include <math.h>
#include <string.h>

/* Dark columns used on each side of the image; more do not lower the noise of
 * their mean below that of the rows themselves. */
#define COLUMNS_MAX 128
/* A pixel is taken as saturated from that part of the full well on. */
#define FULL_WELL_USED 0.98

/* The part of the camera's region onto which the weight plane is imaged, half a
 * guard around it included, in pixels of the region; x1, y1 are outside. */
typedef struct
{
  gsize x0, y0, x1, y1;
} ImageBox;

/* Labels of half cells, of which a grid has 2 * columns by 2 * rows; a border
 * around the grid catches the light that is blurred out of it. */
typedef struct
{
  gint64 columns, rows; /* with the border */
  gint64 border;
  gint32 *labels;
} HalfCells;

static gsize
clamp_to_region (double pixel, guint size)
{
  return (gsize) CLAMP (pixel, 0.0, (double) size);
}

static ImageBox
find_image_box (const LbOpticsModel *model)
{
  const guint samples = 32;
  const double around = 0.5 * model->guard * model->macropixel;
  double low_x = G_MAXDOUBLE, low_y = G_MAXDOUBLE, high_x = -G_MAXDOUBLE, high_y = -G_MAXDOUBLE;

  for (guint side = 0; side < 4; side++)
    for (guint i = 0; i <= samples; i++)
      {
        const double along = (double) i / samples, across = side / 2;
        const double x = (side % 2 == 0 ? along : across) * (model->weight_width + 2 * around) - around - 0.5;
        const double y =
            (side % 2 == 0 ? across : along) * (model->weight_height + 2 * around) - around - 0.5;
        double camera_x, camera_y;

        lb_plane_map_apply (&model->weight_to_camera, x, y, &camera_x, &camera_y);
        low_x = MIN (low_x, camera_x);
        high_x = MAX (high_x, camera_x);
        low_y = MIN (low_y, camera_y);
        high_y = MAX (high_y, camera_y);
      }
  return (ImageBox){ clamp_to_region (floor (low_x) - model->sensor_x, model->sensor_width),
                     clamp_to_region (floor (low_y) - model->sensor_y, model->sensor_height),
                     clamp_to_region (ceil (high_x) + 1 - model->sensor_x, model->sensor_width),
                     clamp_to_region (ceil (high_y) + 1 - model->sensor_y, model->sensor_height) };
}

/* Light of a macropixel at a distance from its middle along one axis, relative
 * to that of an unblurred one: a box of the lit width, blurred; lengths in
 * macropixels. */
static double
light_profile (double distance, double half_width)
{
  return 0.5 * (erf ((half_width - distance) / (LB_BLUR_MACROPIXELS * G_SQRT2)) +
                erf ((half_width + distance) / (LB_BLUR_MACROPIXELS * G_SQRT2)));
}

/* Takes from the cells around a defective pixel the share of light that it
 * would have had. */
static void
lose_share (LbLayout *self, gsize pixel_x, gsize pixel_y)
{
  const LbOpticsModel *model = self->model;
  const double half_width = 0.5 - (double) model->source_margin / model->macropixel;
  double x, y, jacobian[4], area;

  lb_plane_map_apply (&model->camera_to_weight, (double) (model->sensor_x + pixel_x),
                      (double) (model->sensor_y + pixel_y), &x, &y);
  lb_plane_map_jacobian (&model->camera_to_weight, (double) (model->sensor_x + pixel_x),
                         (double) (model->sensor_y + pixel_y), jacobian);
  area = fabs (jacobian[0] * jacobian[3] - jacobian[1] * jacobian[2]) / model->macropixel / model->macropixel;
  x = (x + 0.5 - model->origin_x) / model->macropixel;
  y = (y + 0.5 - model->origin_y) / model->macropixel;
  for (int row = (int) floor (y) - 1; row <= (int) floor (y) + 1; row++)
    for (int column = (int) floor (x) - 1; column <= (int) floor (x) + 1; column++)
      {
        const double lost = area * light_profile (x - column - 0.5, half_width) *
                            light_profile (y - row - 0.5, half_width) / (4 * half_width * half_width);

        if (row >= 0 && column >= 0 && row < (int) model->rows && column < (int) model->columns)
          self->cell_share[(gsize) row * model->columns + (gsize) column] -= (float) lost;
      }
}

void
lb_layout_find_shares (LbLayout *self)
{
  const LbOpticsModel *model = self->model;
  const gsize cells = lb_optics_model_cells (model);
  const ImageBox box = find_image_box (model);

  self->cell_share = g_new (float, cells);
  for (gsize i = 0; i < cells; i++)
    self->cell_share[i] = 1;
  for (gsize y = box.y0; y < box.y1; y++)
    for (gsize x = box.x0; x < box.x1; x++)
      if (model->defective[y * model->sensor_width + x])
        lose_share (self, x, y);
  for (gsize i = 0; i < cells; i++)
    self->cell_share[i] = MAX (self->cell_share[i], 0);
}

/* Labels a rectangle of cells and @halves half cells around it. */
static void
claim (HalfCells *map,
       gint64 column,
       gint64 row,
       gint64 width,
       gint64 height,
       gint64 halves,
       gint32 label,
       gboolean free_only)
{
  const gint64 left = 2 * column + map->border, top = 2 * row + map->border;
  const gint64 x0 = MAX (left - halves, 0), x1 = MIN (left + 2 * width + halves, map->columns);
  const gint64 y0 = MAX (top - halves, 0), y1 = MIN (top + 2 * height + halves, map->rows);

  for (gint64 y = y0; y < y1; y++)
    for (gint64 x = x0; x < x1; x++)
      {
        gint32 *place = &map->labels[y * map->columns + x];

        if (!free_only || *place == LB_REGION_NONE)
          *place = label;
      }
}

static HalfCells
label_half_cells (const LbLayout *self, guint guard)
{
  const LbOpticsModel *model = self->model;
  HalfCells map = { .columns = 2 * (model->columns + model->guard),
                    .rows = 2 * (model->rows + model->guard),
                    .border = model->guard };

  map.labels = g_new (gint32, (gsize) (map.columns * map.rows));
  for (gint64 i = 0; i < map.columns * map.rows; i++)
    map.labels[i] = LB_REGION_NONE;
  for (guint i = 0; i < self->bright_cells->len; i++)
    {
      const guint32 cell = g_array_index (self->bright_cells, guint32, i);

      claim (&map, cell % model->columns, cell / model->columns, 1, 1, model->guard, LB_REGION_BRIGHT, FALSE);
    }
  for (guint i = 0; i < self->dark_cells->len; i++)
    {
      const guint32 cell = g_array_index (self->dark_cells, guint32, i);

      claim (&map, cell % model->columns, cell / model->columns, 1, 1, 0, LB_REGION_DARK, TRUE);
    }
  for (guint i = 0; i < self->n_tiles; i++)
    {
      const LbTile *tile = &self->tiles[i];

      claim (&map, tile->column, tile->row, tile->width, tile->height, guard, (gint32) i, FALSE);
    }
  return map;
}

/* Labels the pixels of the image; @cells: the cell of each pixel, -1 outside
 * the grid; @pixels_of_cell: its number of pixels that are not defective. */
static void
label_pixels (
    LbLayout *self, const ImageBox *box, const HalfCells *map, gint32 *cells, guint32 *pixels_of_cell)
{
  const LbOpticsModel *model = self->model;
  const double halves_per_pixel = 2.0 / model->macropixel;
  const gsize width = box->x1 - box->x0;
  g_autofree double *weight_x = g_new (double, width);
  g_autofree double *weight_y = g_new (double, width);

  for (gsize y = box->y0; y < box->y1; y++)
    {
      lb_optics_map_row (&model->camera_to_weight, (double) (model->sensor_x + box->x0),
                         (double) (model->sensor_y + y), width, weight_x, weight_y);
      for (gsize i = 0; i < width; i++)
        {
          const gsize pixel = y * model->sensor_width + box->x0 + i;
          const double half_x = (weight_x[i] + 0.5 - model->origin_x) * halves_per_pixel + map->border;
          const double half_y = (weight_y[i] + 0.5 - model->origin_y) * halves_per_pixel + map->border;
          gint64 column, row;

          if (!(half_x >= 0 && half_y >= 0 && half_x < map->columns && half_y < map->rows) ||
              model->defective[pixel])
            continue;
          self->region[pixel] = map->labels[(gint64) half_y * map->columns + (gint64) half_x];
          if ((gint64) half_x < map->border || (gint64) half_y < map->border)
            continue;
          column = ((gint64) half_x - map->border) / 2;
          row = ((gint64) half_y - map->border) / 2;
          if (column >= model->columns || row >= model->rows)
            continue;
          cells[pixel] = (gint32) (row * model->columns + column);
          pixels_of_cell[cells[pixel]]++;
        }
    }
}

/* Labels what lies left and right of the image. The image of the plane ends
 * sharply but for blur and the errors of the map: a macropixel of distance. */
static void
label_dark_columns (LbLayout *self, const ImageBox *box)
{
  const LbOpticsModel *model = self->model;
  double jacobian[4], scale;
  gsize distance, left_end, right_start;

  if (box->x0 >= box->x1)
    return;
  lb_plane_map_jacobian (&model->weight_to_camera, 0.5 * model->weight_width, 0.5 * model->weight_height,
                         jacobian);
  scale = sqrt (fabs (jacobian[0] * jacobian[3] - jacobian[1] * jacobian[2]));
  distance = (gsize) ceil (model->macropixel * scale);
  left_end = box->x0 > distance ? box->x0 - distance : 0;
  right_start = MIN (box->x1 + distance, model->sensor_width);
  for (gsize y = box->y0; y < box->y1; y++)
    {
      gint32 *labels = self->region + y * model->sensor_width;

      for (gsize x = left_end > COLUMNS_MAX ? left_end - COLUMNS_MAX : 0; x < left_end; x++)
        labels[x] = LB_REGION_COLUMN;
      for (gsize x = right_start; x < MIN (right_start + COLUMNS_MAX, model->sensor_width); x++)
        labels[x] = LB_REGION_COLUMN;
    }
  for (gsize i = 0; i < (gsize) model->sensor_width * model->sensor_height; i++)
    if (model->defective[i])
      self->region[i] = LB_REGION_NONE;
}

/* Index of the sum of a label: tiles, then bright, then dark patches. */
static guint32
sum_of_label (const LbLayout *self, gint32 label)
{
  return label >= 0 ? (guint32) label : self->n_tiles + (label == LB_REGION_BRIGHT ? 0 : 1);
}

static void
collect_runs (LbLayout *self)
{
  const LbOpticsModel *model = self->model;

  self->runs = g_array_new (FALSE, FALSE, sizeof (LbReadoutRun));
  self->column_runs = g_array_new (FALSE, FALSE, sizeof (LbReadoutRun));
  for (gsize y = 0; y < model->sensor_height; y++)
    {
      const gint32 *labels = self->region + y * model->sensor_width;

      for (gsize x = 0, end; x < model->sensor_width; x = end)
        {
          LbReadoutRun run = { .start = (guint32) (y * model->sensor_width + x), .row = (guint16) y };

          for (end = x + 1; end < model->sensor_width && labels[end] == labels[x];)
            end++;
          run.count = (guint16) (end - x);
          if (labels[x] == LB_REGION_COLUMN)
            g_array_append_val (self->column_runs, run);
          else if (labels[x] != LB_REGION_NONE)
            {
              run.sum = sum_of_label (self, labels[x]);
              g_array_append_val (self->runs, run);
            }
        }
    }
}

/* Gains, shares and floors of the tiles' elements. */
static void
find_gains (LbLayout *self)
{
  const LbOpticsModel *model = self->model;
  const gsize length = self->segment_length;

  for (guint t = 0; t < self->n_tiles; t++)
    {
      const guint32 *cells = self->tiles[t].cells;
      float *relative = self->cell_gain[t] = g_new (float, length);
      double gain = 0, full_gain = 0, source = 0, weight = 0;
      float c0 = G_MAXFLOAT;

      for (gsize i = 0; i < length; i++)
        {
          relative[i] = model->gain[cells[i]] * self->cell_share[cells[i]];
          full_gain += model->gain[cells[i]];
          gain += relative[i];
          source += relative[i] * lb_optics_model_source_floor (model, cells[i]);
          weight += relative[i] * lb_optics_model_weight_floor (model, cells[i]);
          c0 = MIN (c0, relative[i]);
        }
      self->tile_source_floor[t] = (float) (source / gain);
      self->tile_weight_floor[t] = (float) (weight / gain);
      self->tile_share[t] = (float) (gain / full_gain);
      gain /= (double) length;
      self->tile_gain[t] = (float) gain;
      self->tile_c0[t] = (float) (c0 / gain);
      for (gsize i = 0; i < length; i++)
        relative[i] = (float) (relative[i] / gain);
    }
  for (guint i = 0; i < self->bright_cells->len; i++)
    {
      const guint32 cell = g_array_index (self->bright_cells, guint32, i);

      self->bright_gain += (double) model->gain[cell] * self->cell_share[cell];
    }
}

/* Per cell: light of the cell, in units of L, that is there although it shows
 * nothing; elements and bright cells are counted by the forward model itself. */
static float *
find_idle_light (const LbLayout *self)
{
  const LbOpticsModel *model = self->model;
  const gsize cells = lb_optics_model_cells (model);
  float *idle = g_new (float, cells);

  for (gsize i = 0; i < cells; i++)
    idle[i] =
        model->gain[i] * lb_optics_model_source_floor (model, i) * lb_optics_model_weight_floor (model, i);
  for (guint t = 0; t < self->n_tiles; t++)
    for (gsize i = 0; i < self->segment_length; i++)
      idle[self->tiles[t].cells[i]] = 0;
  for (guint i = 0; i < self->bright_cells->len; i++)
    idle[g_array_index (self->bright_cells, guint32, i)] = 0;
  return idle;
}

/* Sums over each region what its pixels have besides the light of the elements. */
static void
find_backgrounds (LbLayout *self, const gint32 *cells, const guint32 *pixels_of_cell)
{
  const LbOpticsModel *model = self->model;
  const guint sums = self->n_tiles + 2;
  g_autofree float *idle = find_idle_light (self);
  g_autofree double *stray = g_new0 (double, sums);
  g_autofree double *dark = g_new0 (double, sums);
  g_autofree guint32 *pixels = g_new0 (guint32, sums);

  self->offset_sums = g_new0 (double, sums);
  for (guint i = 0; i < self->runs->len; i++)
    {
      const LbReadoutRun *run = &g_array_index (self->runs, LbReadoutRun, i);
      const gsize row = run->row, column = run->start - row * model->sensor_width;
      const float *offset_row = lb_matrix_row (model->offset_dn, row) + column;
      const float *dark_row = lb_matrix_row (model->dark_electrons_per_s, row) + column;

      pixels[run->sum] += run->count;
      for (gsize x = 0; x < run->count; x++)
        {
          const gint32 cell = cells[run->start + x];

          if (cell >= 0)
            stray[run->sum] += ((double) model->stray[cell] + idle[cell]) / pixels_of_cell[cell];
          dark[run->sum] += dark_row[x];
          self->offset_sums[run->sum] += offset_row[x];
        }
    }
  for (guint t = 0; t < self->n_tiles; t++)
    {
      self->tile_stray[t] = (float) stray[t];
      self->tile_dark_per_s[t] = (float) dark[t];
      self->tile_pixels[t] = pixels[t];
    }
  self->bright_stray = stray[self->n_tiles];
  self->dark_stray = stray[self->n_tiles + 1];
  self->bright_dark_per_s = dark[self->n_tiles];
  self->dark_dark_per_s = dark[self->n_tiles + 1];
  self->bright_pixels = pixels[self->n_tiles];
  self->dark_pixels = pixels[self->n_tiles + 1];
}

/* The camera clips at its largest number, or before it where the well is full. */
static guint16
find_saturated_dn (const LbOpticsModel *model)
{
  const double largest = (double) ((1u << MIN (model->bits, 16)) - 1);
  double offset = 0;

  for (gsize y = 0; y < model->sensor_height; y++)
    for (gsize x = 0; x < model->sensor_width; x++)
      offset += lb_matrix_get (model->offset_dn, y, x);
  offset /= (double) model->sensor_width * model->sensor_height;
  return (guint16) MIN (largest, offset + FULL_WELL_USED * model->full_well / model->electrons_per_dn);
}

void
lb_layout_find_regions (LbLayout *self, guint guard)
{
  const LbOpticsModel *model = self->model;
  const gsize pixels = (gsize) model->sensor_width * model->sensor_height;
  const ImageBox box = find_image_box (model);
  g_autofree gint32 *cells = g_new (gint32, pixels);
  g_autofree guint32 *pixels_of_cell = g_new0 (guint32, lb_optics_model_cells (model));
  HalfCells map = label_half_cells (self, guard);

  self->region = g_new (gint32, pixels);
  for (gsize i = 0; i < pixels; i++)
    self->region[i] = LB_REGION_NONE;
  memset (cells, 0xff, pixels * sizeof *cells);
  label_pixels (self, &box, &map, cells, pixels_of_cell);
  g_free (map.labels);
  label_dark_columns (self, &box);
  collect_runs (self);
  self->cell_gain = g_new0 (float *, self->n_tiles);
  self->tile_gain = g_new0 (float, self->n_tiles);
  self->tile_share = g_new0 (float, self->n_tiles);
  self->tile_c0 = g_new0 (float, self->n_tiles);
  self->tile_source_floor = g_new0 (float, self->n_tiles);
  self->tile_weight_floor = g_new0 (float, self->n_tiles);
  self->tile_stray = g_new0 (float, self->n_tiles);
  self->tile_dark_per_s = g_new0 (float, self->n_tiles);
  self->tile_pixels = g_new0 (guint32, self->n_tiles);
  find_gains (self);
  find_backgrounds (self, cells, pixels_of_cell);
  self->saturated_dn = find_saturated_dn (model);
}
