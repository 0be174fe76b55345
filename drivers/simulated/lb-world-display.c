/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-world-display.h"

#include <math.h>
#include <string.h>

/* What is less than that of a change has settled. */
#define SETTLED 1e-8
#define SINCE_EVER (G_MININT64 / 4)

static void
shown_clear (gpointer data)
{
  g_clear_pointer (&((LbWorldShown *) data)->pattern, lb_pattern_unref);
}

static LbWorldShown *
nth (GArray *array, guint index)
{
  return &g_array_index (array, LbWorldShown, index);
}

static LbWorldShown *
last (const LbWorldDisplay *self)
{
  return nth (self->shown, self->shown->len - 1);
}

void
lb_world_display_init (LbWorldDisplay *self, guint width, guint height, double tau_us)
{
  LbWorldShown black = { lb_pattern_new_uniform (width, height, 0), SINCE_EVER, 0, 0 };

  memset (self, 0, sizeof *self);
  self->width = width;
  self->height = height;
  self->tau_us = tau_us;
  self->pending = g_array_new (FALSE, FALSE, sizeof (LbWorldShown));
  self->shown = g_array_new (FALSE, FALSE, sizeof (LbWorldShown));
  g_array_set_clear_func (self->pending, shown_clear);
  g_array_set_clear_func (self->shown, shown_clear);
  g_array_append_val (self->shown, black);
  self->version = 1;
}

void
lb_world_display_clear (LbWorldDisplay *self)
{
  g_clear_pointer (&self->pending, g_array_unref);
  g_clear_pointer (&self->shown, g_array_unref);
  g_clear_pointer (&self->target, g_free);
  g_clear_pointer (&self->previous, g_free);
}

static double
rest_after (const LbWorldDisplay *self, double age_us)
{
  double rest = self->tau_us > 0 ? exp (-age_us / self->tau_us) : 0;

  return rest < SETTLED ? 0 : rest;
}

/* Forgets patterns of which nothing is left. */
static void
trim (LbWorldDisplay *self)
{
  guint first = self->shown->len - 1;
  double left = 1;

  /* The last pattern settles from `previous`: the one before it, and those whose
   * rest was carried into it. */
  while (first > 0 && left >= SETTLED)
    left *= nth (self->shown, first--)->carry;
  if (first == 0)
    return;
  g_array_remove_range (self->shown, 0, first);
  self->built = self->built > first ? self->built - first : 0;
}

static void
present (LbWorldDisplay *self, const LbWorldShown *next)
{
  LbWorldShown entry = *next;

  entry.pattern = lb_pattern_ref (next->pattern);
  entry.carry = (float) rest_after (self, (double) (next->time_us - last (self)->time_us));
  g_array_append_val (self->shown, entry);
  trim (self);
  self->recent[self->n_recent++ % G_N_ELEMENTS (self->recent)] = entry;
  self->version++;
}

void
lb_world_display_schedule (LbWorldDisplay *self, LbPattern *pattern, gint64 time_us, guint64 sequence)
{
  LbWorldShown entry = { lb_pattern_ref (pattern), time_us, sequence, 0 };

  while (self->pending->len > 0 && nth (self->pending, self->pending->len - 1)->time_us >= time_us)
    g_array_set_size (self->pending, self->pending->len - 1);
  g_array_append_val (self->pending, entry);
}

void
lb_world_display_reset (LbWorldDisplay *self, gint64 time_us)
{
  g_autoptr (LbPattern) black = lb_pattern_new_uniform (self->width, self->height, 0);
  LbWorldShown entry = { black, time_us, 0, 0 };

  g_array_set_size (self->pending, 0);
  self->n_recent = 0;
  present (self, &entry);
  self->n_recent = 0;
}

void
lb_world_display_advance (LbWorldDisplay *self, gint64 time_us)
{
  while (self->pending->len > 0 && nth (self->pending, 0)->time_us <= time_us)
    {
      present (self, nth (self->pending, 0));
      g_array_remove_index (self->pending, 0);
    }
}

gint64
lb_world_display_next (const LbWorldDisplay *self)
{
  return self->pending->len > 0 ? nth (self->pending, 0)->time_us : G_MAXINT64;
}

gboolean
lb_world_display_find (const LbWorldDisplay *self, guint64 sequence, gint64 *time_us)
{
  guint size = G_N_ELEMENTS (self->recent);
  guint oldest = self->n_recent > size ? self->n_recent - size : 0;

  for (guint i = oldest; i < self->n_recent; i++)
    if (self->recent[i % size].sequence >= sequence)
      {
        *time_us = self->recent[i % size].time_us;
        return TRUE;
      }
  for (guint i = 0; i < self->pending->len; i++)
    if (nth (self->pending, i)->sequence >= sequence)
      {
        *time_us = nth (self->pending, i)->time_us;
        return TRUE;
      }
  return FALSE;
}

LbPattern *
lb_world_display_pattern (const LbWorldDisplay *self)
{
  return last (self)->pattern;
}

double
lb_world_display_age (const LbWorldDisplay *self, gint64 time_us)
{
  return (double) (time_us - last (self)->time_us);
}

double
lb_world_display_rest (const LbWorldDisplay *self, gint64 from_us, gint64 to_us)
{
  double from = lb_world_display_age (self, from_us);
  double rest;

  if (self->tau_us <= 0 || to_us <= from_us)
    return 0;
  rest = exp (-from / self->tau_us) * -expm1 (-(double) (to_us - from_us) / self->tau_us) * self->tau_us /
         (double) (to_us - from_us);
  return rest < SETTLED ? 0 : rest;
}
