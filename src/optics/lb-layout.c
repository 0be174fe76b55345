/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-optics-private.h"

#include <glib/gi18n-lib.h>
#include <math.h>

/* A tile may be wider than without unusable cells by that factor. */
#define STRETCH 1.25
/* Least share of a cell's light on good pixels for which it is used. */
#define SHARE_MIN 0.5f
/* A cell darker than that part of the median around it is not used, as all
 * elements of its tile would be dimmed to it: on it a source pixel less falls
 * into the margins, or a camera pixel is defective. */
#define OUTLIER_LIMIT 0.8f
#define OUTLIER_REACH 2
/* If more cells than that part are outliers, they are the rule. */
#define OUTLIER_SHARE_MAX 0.1

/* Where tiles may stand. */
typedef struct
{
  guint x0, y0, x1, y1; /* x1, y1 are outside */
  guint guard;
  guint columns; /* of the grid */
  guint8 *free;  /* per cell of the grid: can hold an element */
  guint *band;   /* per column: free cells of the band of rows looked at */
} Field;

/* Rectangles of the tiles of one slot; only column and width differ. */
typedef struct
{
  guint row, height;
  guint column[2], width[2];
} SlotPlace;

static void
field_clear (Field *field)
{
  g_clear_pointer (&field->free, g_free);
  g_clear_pointer (&field->band, g_free);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Field, field_clear)

static LbLayout *
layout_begin (LbOpticsModel *model, Field *field, GError **error)
{
  g_autoptr (LbLayout) self = g_new0 (LbLayout, 1);
  const gsize cells = lb_optics_model_cells (model);

  g_atomic_ref_count_init (&self->references);
  self->model = lb_optics_model_ref (model);
  self->bright_cells = g_array_new (FALSE, FALSE, sizeof (guint32));
  self->dark_cells = g_array_new (FALSE, FALSE, sizeof (guint32));
  lb_layout_find_shares (self);
  if (!lb_layout_place_ring (self, &field->x0, &field->y0, &field->x1, &field->y1, error))
    return NULL;
  field->guard = model->guard;
  field->columns = model->columns;
  field->free = g_malloc (cells);
  field->band = g_new0 (guint, model->columns);
  for (gsize i = 0; i < cells; i++)
    field->free[i] = model->usable[i] && self->cell_share[i] >= SHARE_MIN && model->gain[i] > 0;
  return g_steal_pointer (&self);
}

static float
effective_gain (const LbLayout *self, gsize cell)
{
  return self->model->gain[cell] * self->cell_share[cell];
}

/* Median gain of the free cells around one, itself included. */
static float
local_median (const LbLayout *self, const Field *field, guint column, guint row)
{
  float gains[(2 * OUTLIER_REACH + 1) * (2 * OUTLIER_REACH + 1)];
  gsize count = 0;

  for (guint y = MAX (row, OUTLIER_REACH) - OUTLIER_REACH;
       y <= MIN (row + OUTLIER_REACH, self->model->rows - 1); y++)
    for (guint x = MAX (column, OUTLIER_REACH) - OUTLIER_REACH;
         x <= MIN (column + OUTLIER_REACH, self->model->columns - 1); x++)
      {
        const gsize cell = (gsize) y * field->columns + x;
        gsize place = count;

        if (!field->free[cell])
          continue;
        for (; place > 0 && gains[place - 1] > effective_gain (self, cell); place--)
          gains[place] = gains[place - 1];
        gains[place] = effective_gain (self, cell);
        count++;
      }
  return count > 0 ? gains[count / 2] : 0;
}

static void
drop_outliers (const LbLayout *self, Field *field)
{
  g_autoptr (GArray) outliers = g_array_new (FALSE, FALSE, sizeof (gsize));
  gsize used = 0;

  for (guint row = field->y0; row < field->y1; row++)
    for (guint column = field->x0; column < field->x1; column++)
      {
        const gsize cell = (gsize) row * field->columns + column;

        if (!field->free[cell])
          continue;
        used++;
        if (effective_gain (self, cell) < OUTLIER_LIMIT * local_median (self, field, column, row))
          g_array_append_val (outliers, cell);
      }
  if (outliers->len > OUTLIER_SHARE_MAX * used)
    return;
  for (guint i = 0; i < outliers->len; i++)
    field->free[g_array_index (outliers, gsize, i)] = 0;
}

static void
count_band (Field *field, guint row, guint height)
{
  for (guint x = field->x0; x < field->x1; x++)
    {
      field->band[x] = 0;
      for (guint y = row; y < row + height; y++)
        field->band[x] += field->free[(gsize) y * field->columns + x];
    }
}

/* Width of a tile for @length elements from @column on in the band, 0: no room. */
static guint
tile_width (const Field *field, guint column, guint height, gsize length)
{
  const guint least = (guint) ((length + height - 1) / height);
  const guint most = (guint) ceil (STRETCH * least);
  gsize count = 0;

  for (guint width = 1; width <= most && column + width <= field->x1; width++)
    {
      count += field->band[column + width - 1];
      if (count >= length)
        return width;
    }
  return 0;
}

static GArray *
place_slots (Field *field, guint height, gsize length, guint tiles_per_slot)
{
  GArray *places = g_array_new (FALSE, FALSE, sizeof (SlotPlace));

  for (guint row = field->y0; row + height <= field->y1; row += height + field->guard)
    {
      guint column = field->x0;

      count_band (field, row, height);
      while (column < field->x1)
        {
          SlotPlace place = { .row = row, .height = height };
          guint next = column;
          gboolean fits = TRUE;

          for (guint i = 0; i < tiles_per_slot && fits; i++)
            {
              place.column[i] = next;
              place.width[i] = next < field->x1 ? tile_width (field, next, height, length) : 0;
              fits = place.width[i] > 0;
              next += place.width[i] + field->guard;
            }
          if (fits)
            g_array_append_val (places, place);
          column = fits ? next : column + 1;
        }
    }
  return places;
}

/* The heights of tiles near a square are tried; the one with which most slots
 * fit wins, among equals the most square one. */
static GArray *
place_best (Field *field, gsize length, guint tiles_per_slot, guint max_slots)
{
  const double side = sqrt ((double) length);
  const guint lowest = MAX (1, (guint) floor (0.7 * side)), highest = (guint) ceil (1.4 * side);
  GArray *best = g_array_new (FALSE, FALSE, sizeof (SlotPlace));
  double best_distance = G_MAXDOUBLE;

  for (guint height = lowest; height <= highest; height++)
    {
      const double distance = fabs (log (height / side));
      g_autoptr (GArray) places = place_slots (field, height, length, tiles_per_slot);
      const guint count = max_slots > 0 ? MIN (places->len, max_slots) : places->len;
      const guint best_count = max_slots > 0 ? MIN (best->len, max_slots) : best->len;

      if (count > best_count || (count == best_count && distance < best_distance))
        {
          g_array_unref (best);
          best = g_steal_pointer (&places);
          best_distance = distance;
        }
    }
  return best;
}

static double
centre_distance (const Field *field, const SlotPlace *place)
{
  const double right =
      place->width[1] > 0 ? place->column[1] + place->width[1] : place->column[0] + place->width[0];
  const double x = 0.5 * (place->column[0] + right) - 0.5 * (field->x0 + field->x1);
  const double y = place->row + 0.5 * place->height - 0.5 * (field->y0 + field->y1);

  return hypot (x, y);
}

static int
compare_doubles (gconstpointer a, gconstpointer b)
{
  const double x = *(const double *) a, y = *(const double *) b;

  return (x > y) - (x < y);
}

/* Keeps the @count slots nearest to the middle, where light and optics are best. */
static void
keep_central (const Field *field, GArray *places, guint count)
{
  g_autofree double *distances = g_new (double, places->len);
  double limit;
  guint kept = 0;

  if (places->len <= count)
    return;
  for (guint i = 0; i < places->len; i++)
    distances[i] = centre_distance (field, &g_array_index (places, SlotPlace, i));
  qsort (distances, places->len, sizeof (double), compare_doubles);
  limit = distances[count - 1];
  for (guint i = 0; i < places->len && kept < count; i++)
    {
      const SlotPlace place = g_array_index (places, SlotPlace, i);

      if (centre_distance (field, &place) <= limit)
        g_array_index (places, SlotPlace, kept++) = place;
    }
  g_array_set_size (places, kept);
}

typedef struct
{
  float gain;
  guint32 cell;
} GainOfCell;

static int
compare_gains (gconstpointer a, gconstpointer b)
{
  const GainOfCell *x = a, *y = b;

  if (x->gain != y->gain)
    return x->gain < y->gain ? 1 : -1;
  return (x->cell > y->cell) - (x->cell < y->cell);
}

static int
compare_cells (gconstpointer a, gconstpointer b)
{
  const GainOfCell *x = a, *y = b;

  return (x->cell > y->cell) - (x->cell < y->cell);
}

/* Takes the brightest free cells of the rectangle, in reading order: a dim cell
 * costs the whole tile light, since all are dimmed to the darkest one. */
static void
fill_tile (LbLayout *self, const Field *field, guint number, const SlotPlace *place, guint sign)
{
  LbTile *tile = &self->tiles[number];
  g_autofree GainOfCell *found = NULL;
  gsize count = 0;

  *tile = (LbTile){ .cells = g_new (guint32, self->segment_length),
                    .column = place->column[sign],
                    .row = place->row,
                    .width = place->width[sign],
                    .height = place->height };
  found = g_new (GainOfCell, (gsize) tile->width * tile->height);
  for (guint y = tile->row; y < tile->row + tile->height; y++)
    for (guint x = tile->column; x < tile->column + tile->width; x++)
      {
        const guint32 cell = y * field->columns + x;

        if (field->free[cell])
          found[count++] = (GainOfCell){ effective_gain (self, cell), cell };
      }
  qsort (found, count, sizeof *found, compare_gains);
  qsort (found, self->segment_length, sizeof *found, compare_cells);
  for (gsize i = 0; i < self->segment_length; i++)
    tile->cells[i] = found[i].cell;
}

static void
take_places (LbLayout *self, const Field *field, const GArray *places)
{
  self->slots = places->len;
  self->n_tiles = self->slots * self->tiles_per_slot;
  self->tiles = g_new0 (LbTile, self->n_tiles);
  for (guint slot = 0; slot < self->slots; slot++)
    for (guint sign = 0; sign < self->tiles_per_slot; sign++)
      fill_tile (self, field, slot * self->tiles_per_slot + sign, &g_array_index (places, SlotPlace, slot),
                 sign);
}

/**
 * lb_layout_new:
 * @model: of the bench; a reference is kept
 * @length: d of the vectors, at least 1
 * @paired: two neighbouring tiles a slot, W+ and W-
 * @max_slots: no more slots than that, those nearest to the middle; 0: as many as fit
 *
 * Places tiles for vectors of @length, split into as few segments as it takes
 * for a slot to fit. LB_OPTICS_ERROR_SPACE if there is no room for one element
 * a slot, or none for the reference patches.
 *
 * Returns: (transfer full): the layout, or NULL with @error
 */
LbLayout *
lb_layout_new (LbOpticsModel *model, gsize length, gboolean paired, guint max_slots, GError **error)
{
  g_auto (Field) field = { 0 };
  g_autoptr (LbLayout) self = NULL;
  g_autoptr (GArray) places = NULL;
  gsize segment_length = 0;

  g_return_val_if_fail (model != NULL && length > 0, NULL);

  self = layout_begin (model, &field, error);
  if (self == NULL)
    return NULL;
  drop_outliers (self, &field);
  self->length = length;
  self->tiles_per_slot = paired ? 2 : 1;
  for (gsize segments = 1; segments <= length && (places == NULL || places->len == 0); segments++)
    {
      /* Several numbers of segments may come to the same length of them. */
      if ((length + segments - 1) / segments == segment_length)
        continue;
      g_clear_pointer (&places, g_array_unref);
      segment_length = (length + segments - 1) / segments;
      places = place_best (&field, segment_length, self->tiles_per_slot, max_slots);
    }
  if (places->len == 0)
    {
      g_set_error (error, LB_OPTICS_ERROR, LB_OPTICS_ERROR_SPACE,
                   _ ("No room for a single tile inside the reference patches: check the alignment and the "
                      "flat field"));
      return NULL;
    }
  if (max_slots > 0)
    keep_central (&field, places, max_slots);
  self->segment_length = segment_length;
  self->segments = (guint) ((length + segment_length - 1) / segment_length);
  take_places (self, &field, places);
  lb_layout_find_regions (self, field.guard);
  return g_steal_pointer (&self);
}

/**
 * lb_layout_new_cells:
 * @model: of the bench; a reference is kept
 *
 * One tile (of one element, a slot of its own) for each usable cell inside the
 * ring of reference patches, in reading order; a tile's region holds the pixels
 * of its cell alone. For calibrations.
 *
 * Returns: (transfer full): the layout, or NULL with LB_OPTICS_ERROR_SPACE
 */
LbLayout *
lb_layout_new_cells (LbOpticsModel *model, GError **error)
{
  g_auto (Field) field = { 0 };
  g_autoptr (LbLayout) self = NULL;
  g_autoptr (GArray) places = NULL;

  g_return_val_if_fail (model != NULL, NULL);

  self = layout_begin (model, &field, error);
  if (self == NULL)
    return NULL;
  places = g_array_new (FALSE, FALSE, sizeof (SlotPlace));
  for (guint row = field.y0; row < field.y1; row++)
    for (guint column = field.x0; column < field.x1; column++)
      {
        const SlotPlace place = { .row = row, .height = 1, .column = { column }, .width = { 1 } };

        if (field.free[(gsize) row * field.columns + column])
          g_array_append_val (places, place);
      }
  if (places->len == 0)
    {
      g_set_error (error, LB_OPTICS_ERROR, LB_OPTICS_ERROR_SPACE,
                   _ ("No macropixel inside the reference patches can be used: check the alignment"));
      return NULL;
    }
  self->length = self->segment_length = 1;
  self->segments = 1;
  self->tiles_per_slot = 1;
  take_places (self, &field, places);
  lb_layout_find_regions (self, 0);
  return g_steal_pointer (&self);
}

/**
 * lb_layout_ref:
 *
 * Returns: (transfer full): @self with one more reference
 */
LbLayout *
lb_layout_ref (LbLayout *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  g_atomic_ref_count_inc (&self->references);
  return self;
}

/**
 * lb_layout_unref:
 *
 * Drops a reference; the last one frees the layout.
 */
void
lb_layout_unref (LbLayout *self)
{
  g_return_if_fail (self != NULL);

  if (!g_atomic_ref_count_dec (&self->references))
    return;
  for (guint i = 0; i < self->n_tiles; i++)
    {
      g_free (self->tiles[i].cells);
      if (self->cell_gain != NULL)
        g_free (self->cell_gain[i]);
    }
  g_free (self->tiles);
  g_array_unref (self->bright_cells);
  g_array_unref (self->dark_cells);
  g_free (self->region);
  g_free (self->cell_gain);
  g_free (self->tile_gain);
  g_free (self->tile_share);
  g_free (self->tile_c0);
  g_free (self->tile_source_floor);
  g_free (self->tile_weight_floor);
  g_free (self->tile_stray);
  g_free (self->tile_dark_per_s);
  g_free (self->tile_pixels);
  g_free (self->cell_share);
  g_clear_pointer (&self->runs, g_array_unref);
  g_clear_pointer (&self->column_runs, g_array_unref);
  g_free (self->offset_sums);
  lb_optics_model_unref (self->model);
  g_free (self);
}
