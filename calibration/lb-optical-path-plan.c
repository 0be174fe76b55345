/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-optical-path-private.h"

/**
 * lb_path_plan_new:
 * @layout: for vectors of the operands' length; paired if @b has negative values
 * @encoder: of the same model; not owned, must outlive the plan
 * @a: (m, d)
 * @b: (n, d)
 * @diagonal: row i with row i
 *
 * Plans a product.
 *
 * Returns: (transfer full): the plan
 */
LbPathPlan *
lb_path_plan_new (
    LbLayout *layout, LbEncoder *encoder, const LbMatrix *a, const LbMatrix *b, gboolean diagonal)
{
  LbPathPlan *self = g_new0 (LbPathPlan, 1);

  self->layout = lb_layout_ref (layout);
  self->model = layout->model;
  self->encoder = encoder;
  self->a = lb_operand_new (a, LB_SCALE_BY_ROW);
  self->b = lb_operand_new (b, LB_SCALE_WHOLE);
  self->diagonal = diagonal;
  self->units = b->rows * layout->segments;
  /* As many units a pattern as are needed for the least number of patterns;
   * what is left over of the slots goes to copies. */
  self->patterns = (guint) ((self->units + layout->slots - 1) / layout->slots);
  self->distinct = (guint) ((self->units + self->patterns - 1) / self->patterns);
  self->copies = diagonal ? 1 : (guint) MIN (layout->slots / self->distinct, a->rows);
  self->groups = diagonal ? 1 : (guint) ((a->rows + self->copies - 1) / self->copies);
  self->signs_a = self->a->negative != NULL ? 2 : 1;
  self->signs_b = self->b->negative != NULL ? 2 : 1;
  self->exposures = (guint64) self->patterns * self->groups * self->signs_a;
  return self;
}

void
lb_path_plan_free (LbPathPlan *self)
{
  lb_operand_free (self->a);
  lb_operand_free (self->b);
  lb_layout_unref (self->layout);
  g_free (self);
}

guint
lb_path_plan_sign (const LbPathPlan *self, guint64 exposure)
{
  return (guint) (exposure % self->signs_a);
}

guint
lb_path_plan_pattern (const LbPathPlan *self, guint64 exposure)
{
  return (guint) (exposure / self->signs_a / self->groups);
}

gboolean
lb_path_plan_slot (const LbPathPlan *self, guint64 exposure, guint slot, LbPathSlot *what)
{
  const gsize group = exposure / self->signs_a % self->groups;
  const gsize unit = (gsize) lb_path_plan_pattern (self, exposure) * self->distinct + slot % self->distinct;
  const guint copy = slot / self->distinct;

  if (copy >= self->copies || unit >= self->units)
    return FALSE;
  what->column = unit / self->layout->segments;
  what->segment = (guint) (unit % self->layout->segments);
  what->row = self->diagonal ? what->column : group * self->copies + copy;
  what->start = what->segment * self->layout->segment_length;
  what->length = MIN (self->layout->segment_length, self->layout->length - what->start);
  return what->row < self->a->positive->rows;
}

const float *
lb_path_plan_a (const LbPathPlan *self, guint64 exposure, const LbPathSlot *what)
{
  const LbMatrix *values = lb_path_plan_sign (self, exposure) == 0 ? self->a->positive : self->a->negative;

  return lb_matrix_row (values, what->row) + what->start;
}

const float *
lb_path_plan_b (const LbPathPlan *self, guint sign, const LbPathSlot *what)
{
  const LbMatrix *values = sign == 0 ? self->b->positive : self->b->negative;

  return lb_matrix_row (values, what->column) + what->start;
}

LbPattern *
lb_path_plan_source (const LbPathPlan *self, guint64 exposure)
{
  const LbLayout *layout = self->layout;
  const LbOpticsModel *model = self->model;
  g_autofree const float **values = g_new0 (const float *, layout->slots);
  g_autofree gsize *lengths = g_new0 (gsize, layout->slots);
  g_autofree guint8 *levels = g_malloc (lb_optics_model_cells (model));

  for (guint slot = 0; slot < layout->slots; slot++)
    {
      LbPathSlot what;

      if (!lb_path_plan_slot (self, exposure, slot, &what))
        continue;
      values[slot] = lb_path_plan_a (self, exposure, &what);
      lengths[slot] = what.length;
    }
  lb_encoder_source_levels (self->encoder, layout, values, lengths, levels);
  return lb_pattern_new_take (model->source_width, model->source_height,
                              lb_encoder_render_source (self->encoder, levels));
}

/* All copies of the pattern's units are shown, also those that the last group
 * of rows has no row for: the pattern is the same for all groups. */
LbPattern *
lb_path_plan_weight (const LbPathPlan *self, guint64 exposure)
{
  const LbLayout *layout = self->layout;
  const LbOpticsModel *model = self->model;
  const guint64 first = exposure - exposure % ((guint64) self->groups * self->signs_a);
  g_autofree const float **values = g_new0 (const float *, layout->n_tiles);
  g_autofree gsize *lengths = g_new0 (gsize, layout->n_tiles);
  g_autofree guint8 *levels = g_malloc (lb_optics_model_cells (model));

  for (guint slot = 0; slot < layout->slots; slot++)
    {
      LbPathSlot what;

      if (!lb_path_plan_slot (self, first, slot, &what))
        continue;
      for (guint sign = 0; sign < self->signs_b; sign++)
        {
          values[slot * layout->tiles_per_slot + sign] = lb_path_plan_b (self, sign, &what);
          lengths[slot * layout->tiles_per_slot + sign] = what.length;
        }
    }
  lb_encoder_weight_levels (self->encoder, layout, values, lengths, levels);
  return lb_pattern_new_take (model->weight_width, model->weight_height,
                              lb_encoder_render_weight (self->encoder, levels));
}

static double
mean_of (const LbMatrix *values)
{
  double sum = 0;

  for (gsize row = 0; row < values->rows; row++)
    for (gsize i = 0; i < values->columns; i++)
      sum += lb_matrix_get (values, row, i);
  return sum / (double) values->rows / (double) values->columns;
}

double
lb_path_plan_mean_u (const LbPathPlan *self)
{
  double x = mean_of (self->a->positive), fx = 0;

  if (self->signs_a == 2)
    x = 0.5 * (x + mean_of (self->a->negative));
  for (guint t = 0; t < self->layout->n_tiles; t++)
    fx += self->layout->tile_source_floor[t];
  fx /= self->layout->n_tiles;
  return fx + (1 - fx) * x;
}
