/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <math.h>

#include <glib/gi18n-lib.h>

#include "lb-experiment-private.h"

/* Figures of merit of the groups of an experiment. */

/* All values of one group, one part after another. */
typedef struct
{
  GArray *ideal; /* of double, as the others */
  GArray *measured;
  GArray *uncalibrated;
  double square_scale; /* sum over the values of their part's pass scale squared */
} Values;

static void
values_clear (Values *values)
{
  g_array_unref (values->ideal);
  g_array_unref (values->measured);
  g_array_unref (values->uncalibrated);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Values, values_clear)

static void
values_add (Values *values, const LbExperimentPart *part)
{
  g_array_append_vals (values->ideal, part->ideal, (guint) part->count);
  g_array_append_vals (values->measured, part->measured, (guint) part->count);
  g_array_append_vals (values->uncalibrated, part->uncalibrated, (guint) part->count);
  values->square_scale += (double) part->count * part->pass_scale * part->pass_scale;
}

/* Parts of one group (heads) have pass scales of their own: theirs together is
 * the rms over the values. */
static LbExperimentGroup
compute_group (GPtrArray *parts, guint number)
{
  g_auto (Values)
      values = { g_array_new (FALSE, FALSE, sizeof (double)), g_array_new (FALSE, FALSE, sizeof (double)),
                 g_array_new (FALSE, FALSE, sizeof (double)) };
  LbExperimentGroup group = { .name = NULL };
  double scale;

  for (guint p = 0; p < parts->len; p++)
    {
      const LbExperimentPart *part = g_ptr_array_index (parts, p);

      if (part->group != number)
        continue;
      group.length = (guint) part->a->columns;
      group.is_signed |= part->is_signed;
      group.name = part->name;
      values_add (&values, part);
    }
  scale = sqrt (values.square_scale / MAX (values.ideal->len, 1));
  lb_figures_of_merit ((double *) (void *) values.measured->data, (double *) (void *) values.ideal->data,
                       values.ideal->len, scale, &group.figures);
  lb_figures_of_merit ((double *) (void *) values.uncalibrated->data, (double *) (void *) values.ideal->data,
                       values.ideal->len, scale, &group.uncalibrated);
  return group;
}

GArray *
lb_experiment_compute_groups (GPtrArray *parts)
{
  GArray *groups = g_array_new (FALSE, TRUE, sizeof (LbExperimentGroup));
  guint count = 0;

  for (guint p = 0; p < parts->len; p++)
    count = MAX (count, ((const LbExperimentPart *) g_ptr_array_index (parts, p))->group + 1);
  for (guint number = 0; number < count; number++)
    {
      LbExperimentGroup group = compute_group (parts, number);

      g_array_append_val (groups, group);
    }
  return groups;
}

const LbExperimentGroup *
lb_experiment_find_headline (const GArray *groups)
{
  const LbExperimentGroup *headline = NULL;

  for (guint i = 0; i < groups->len; i++)
    {
      const LbExperimentGroup *group = &g_array_index (groups, LbExperimentGroup, i);

      if (group->figures.count > 0 && group->is_signed &&
          (headline == NULL || group->figures.normalised_error > headline->figures.normalised_error))
        headline = group;
    }
  return headline != NULL ? headline : &g_array_index (groups, LbExperimentGroup, 0);
}

/* Each group by itself, where there are several; the report shows them. */
static void
add_group (LbQuantities *results, const LbExperimentGroup *group, guint number)
{
  g_autofree char *name = g_strdup_printf ("group_%u", number);
  g_autofree char *error_name = g_strconcat (name, "_normalised_error", NULL);
  g_autofree char *before_name = g_strconcat (error_name, "_uncalibrated", NULL);
  g_autofree char *text = NULL;

  if (group->figures.count == 0)
    return;
  if (group->name != NULL)
    text = g_strdup (group->name);
  else
    text = g_strdup_printf (group->is_signed ? _ ("length %u, signed") : _ ("length %u, non-negative"),
                            group->length);
  lb_quantities_set_text (results, name, text);
  lb_quantities_set (results, error_name, group->figures.normalised_error, "");
  if (group->uncalibrated.count > 0)
    lb_quantities_set (results, before_name, group->uncalibrated.normalised_error, "");
}

void
lb_experiment_add_merits (LbQuantities *results, const GArray *groups)
{
  const LbExperimentGroup *group = lb_experiment_find_headline (groups);
  const LbFiguresOfMerit *figures = &group->figures;

  if (figures->count > 0)
    {
      lb_quantities_set (results, "normalised_error", figures->normalised_error, "");
      if (group->uncalibrated.count > 0)
        lb_quantities_set (results, "normalised_error_uncalibrated", group->uncalibrated.normalised_error,
                           "");
      lb_quantities_set (results, "bias", figures->bias, "");
      lb_quantities_set (results, "slope", figures->slope, "");
      lb_quantities_set (results, "slope_low", figures->slope_low, "");
      lb_quantities_set (results, "slope_high", figures->slope_high, "");
      lb_quantities_set (results, "relative_error", figures->relative_error, "");
      lb_quantities_set (results, "correlation", figures->correlation, "");
      lb_quantities_set (results, "effective_bits", figures->effective_bits, "");
    }
  for (guint i = 0; groups->len > 1 && i < groups->len; i++)
    add_group (results, &g_array_index (groups, LbExperimentGroup, i), i);
}
