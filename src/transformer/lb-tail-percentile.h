/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/*
 * Private to this library: a high percentile of many values that come piece by
 * piece, without keeping them all: those that can still matter are the largest.
 * Exactly numpy's linear percentile of all of them.
 */
typedef struct
{
  gsize total; /* values that will come */
  gsize seen;
  double percent;
  gsize keep; /* the largest so many are needed */
  gsize length, capacity;
  float *values;
  float threshold; /* what is not above it cannot matter; valid once @full */
  gboolean full;
  float minimum;
  float magnitude; /* the largest absolute value */
} LbTailPercentile;

void lb_tail_percentile_init (LbTailPercentile *self, gsize total, double percent);
void lb_tail_percentile_add (LbTailPercentile *self, const float *values, gsize count);
/* NAN unless exactly as many values came as were announced. */
double lb_tail_percentile_get (LbTailPercentile *self);
void lb_tail_percentile_clear (LbTailPercentile *self);

G_END_DECLS
