/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-optics-private.h"

#include <glib/gi18n-lib.h>

/* Cells along the ring that a bright or dark patch takes. */
#define PATCH_LENGTH 8
/* Cells across the ring: more light on large planes, more room on small ones. */
#define RING_WIDTH_MIN 2
#define RING_WIDTH_MAX 4
/* Fewer bright cells than that do not measure the light. */
#define BRIGHT_CELLS_MIN 8

typedef struct
{
  guint x0, y0, x1, y1; /* x1, y1 are outside */
} CellRectangle;

static guint
count_marked (const guint8 *marks, guint columns, guint x0, guint y0, guint x1, guint y1)
{
  guint count = 0;

  for (guint y = y0; y < y1; y++)
    for (guint x = x0; x < x1; x++)
      count += marks[(gsize) y * columns + x];
  return count;
}

/* The rectangle at whose four sides at least half of the cells can be reached:
 * turned maps leave wedges at the border of the grid. */
static CellRectangle
find_frame (const guint8 *reachable, guint columns, guint rows)
{
  CellRectangle r = { 0, 0, columns, rows };
  gboolean shrunk = TRUE;

  while (shrunk && r.x0 < r.x1 && r.y0 < r.y1)
    {
      const guint width = r.x1 - r.x0, height = r.y1 - r.y0;

      shrunk = TRUE;
      if (2 * count_marked (reachable, columns, r.x0, r.y0, r.x1, r.y0 + 1) < width)
        r.y0++;
      else if (2 * count_marked (reachable, columns, r.x0, r.y1 - 1, r.x1, r.y1) < width)
        r.y1--;
      else if (2 * count_marked (reachable, columns, r.x0, r.y0, r.x0 + 1, r.y1) < height)
        r.x0++;
      else if (2 * count_marked (reachable, columns, r.x1 - 1, r.y0, r.x1, r.y1) < height)
        r.x1--;
      else
        shrunk = FALSE;
    }
  return r;
}

/* Adds the reachable cells of one strip of the ring: bright and dark patches in
 * turn, with a guard between them, along its longer side. */
static void
add_strip (LbLayout *self, const guint8 *reachable, CellRectangle strip, gboolean along_x)
{
  const guint guard = MAX (self->model->guard, 1);
  const guint period = 2 * (PATCH_LENGTH + guard);

  for (guint y = strip.y0; y < strip.y1; y++)
    for (guint x = strip.x0; x < strip.x1; x++)
      {
        const guint32 cell = y * self->model->columns + x;
        const guint phase = (along_x ? x - strip.x0 : y - strip.y0) % period;

        if (!reachable[cell])
          continue;
        if (phase < PATCH_LENGTH)
          g_array_append_val (self->bright_cells, cell);
        else if (phase >= PATCH_LENGTH + guard && phase < 2 * PATCH_LENGTH + guard)
          g_array_append_val (self->dark_cells, cell);
      }
}

gboolean
lb_layout_place_ring (LbLayout *self, guint *x0, guint *y0, guint *x1, guint *y1, GError **error)
{
  const LbOpticsModel *model = self->model;
  const guint width = CLAMP (MIN (model->columns, model->rows) / 24, RING_WIDTH_MIN, RING_WIDTH_MAX);
  const guint guard = MAX (model->guard, 1);
  const guint inset = width + guard;
  g_autofree guint8 *reachable = g_malloc (lb_optics_model_cells (model));
  CellRectangle frame;

  lb_optics_model_find_reachable (model, reachable);
  for (gsize i = 0; i < lb_optics_model_cells (model); i++)
    if (self->cell_share[i] < 0.5f)
      reachable[i] = 0;
  frame = find_frame (reachable, model->columns, model->rows);
  if (frame.x1 - frame.x0 <= 2 * inset || frame.y1 - frame.y0 <= 2 * inset)
    {
      g_set_error (error, LB_OPTICS_ERROR, LB_OPTICS_ERROR_SPACE,
                   _ ("Source, weight plane and camera share only %u × %u macropixels, too few for the "
                      "reference patches: check the alignment, or choose smaller macropixels"),
                   frame.x1 - frame.x0, frame.y1 - frame.y0);
      return FALSE;
    }
  add_strip (self, reachable, (CellRectangle){ frame.x0, frame.y0, frame.x1, frame.y0 + width }, TRUE);
  add_strip (self, reachable, (CellRectangle){ frame.x0, frame.y1 - width, frame.x1, frame.y1 }, TRUE);
  add_strip (self, reachable,
             (CellRectangle){ frame.x0, frame.y0 + inset, frame.x0 + width, frame.y1 - inset }, FALSE);
  add_strip (self, reachable,
             (CellRectangle){ frame.x1 - width, frame.y0 + inset, frame.x1, frame.y1 - inset }, FALSE);
  if (self->bright_cells->len < BRIGHT_CELLS_MIN || self->dark_cells->len == 0)
    {
      g_set_error (error, LB_OPTICS_ERROR, LB_OPTICS_ERROR_SPACE,
                   _ ("Only %u macropixels are left for the bright reference patches: check the alignment"),
                   self->bright_cells->len);
      return FALSE;
    }
  *x0 = frame.x0 + inset;
  *y0 = frame.y0 + inset;
  *x1 = frame.x1 - inset;
  *y1 = frame.y1 - inset;
  return TRUE;
}
