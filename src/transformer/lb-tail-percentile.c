/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-tail-percentile.h"

#include <math.h>
#include <stdlib.h>

#define SPARE 1024

static double
get_position (const LbTailPercentile *self)
{
  return self->percent / 100.0 * (double) (self->total - 1);
}

void
lb_tail_percentile_init (LbTailPercentile *self, gsize total, double percent)
{
  g_return_if_fail (total > 0 && percent >= 0 && percent <= 100);

  *self = (LbTailPercentile){ .total = total, .percent = percent, .minimum = INFINITY };
  self->keep = total - (gsize) floor (get_position (self));
  self->capacity = MIN (total, 2 * self->keep + SPARE);
  self->values = g_new (float, self->capacity);
}

static int
compare_descending (gconstpointer one, gconstpointer two)
{
  const float a = *(const float *) one, b = *(const float *) two;

  return a > b ? -1 : a < b;
}

/* Keeps the largest @keep, in descending order. */
static void
prune (LbTailPercentile *self)
{
  qsort (self->values, self->length, sizeof (float), compare_descending);
  if (self->length < self->keep)
    return;
  self->length = self->keep;
  self->threshold = self->values[self->keep - 1];
  self->full = TRUE;
}

void
lb_tail_percentile_add (LbTailPercentile *self, const float *values, gsize count)
{
  for (gsize i = 0; i < count; i++)
    {
      self->minimum = MIN (self->minimum, values[i]);
      self->magnitude = MAX (self->magnitude, fabsf (values[i]));
      if (self->full && values[i] <= self->threshold)
        continue;
      if (self->length == self->capacity)
        prune (self);
      if (!self->full || values[i] > self->threshold)
        self->values[self->length++] = values[i];
    }
  self->seen += count;
}

double
lb_tail_percentile_get (LbTailPercentile *self)
{
  double position, low, high;

  if (self->seen != self->total)
    return NAN;
  prune (self);
  position = get_position (self);
  low = self->values[self->keep - 1];
  high = self->keep > 1 ? self->values[self->keep - 2] : low;
  return low + (high - low) * (position - floor (position));
}

void
lb_tail_percentile_clear (LbTailPercentile *self)
{
  g_clear_pointer (&self->values, g_free);
}
