/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <lb-pattern.h>

#include "lb-world-kernels.h"

G_BEGIN_DECLS

/* A pattern that stands, stood or will stand on a plane from @time_us on. */
typedef struct
{
  LbPattern *pattern;
  gint64 time_us;
  guint64 sequence;
  float carry; /* share of what was left to settle when it came */
} LbWorldShown;

/*
 * One plane of the world: what it was told to show and when, and the light or
 * transmission of that on the weight plane's grid. The state at time t is
 * target + (previous - target) exp (-(t - time of the last pattern) / tau).
 */
typedef struct
{
  guint width, height;
  double tau_us;
  GArray *pending;         /* LbWorldShown, by time */
  GArray *shown;           /* LbWorldShown: the last, and those before it that still count */
  guint built;             /* how many of @shown target and previous hold */
  guint64 version;         /* counts what was shown */
  LbWorldShown recent[16]; /* ring of time and sequence, for waits */
  guint n_recent;
  float *target; /* weight plane's grid */
  float *previous;
  double mean_emission; /* of the target; source only */
} LbWorldDisplay;

/* Black since ever. */
void lb_world_display_init (LbWorldDisplay *self, guint width, guint height, double tau_us);
void lb_world_display_clear (LbWorldDisplay *self);
/* @pattern stands from @time_us on; one of the same time is replaced. */
void lb_world_display_schedule (LbWorldDisplay *self, LbPattern *pattern, gint64 time_us, guint64 sequence);
/* Forgets what is to come and is black from @time_us on. */
void lb_world_display_reset (LbWorldDisplay *self, gint64 time_us);
/* What is due at @time_us stands. */
void lb_world_display_advance (LbWorldDisplay *self, gint64 time_us);
/* Time of the next pattern to come; G_MAXINT64: none. */
gint64 lb_world_display_next (const LbWorldDisplay *self);
/* When the pattern of @sequence (or the one that replaced it) stands. FALSE: never shown. */
gboolean lb_world_display_find (const LbWorldDisplay *self, guint64 sequence, gint64 *time_us);
LbPattern *lb_world_display_pattern (const LbWorldDisplay *self); /* transfer none */
/* Mean over [@from_us, @to_us) of what is left to settle of the last pattern;
 * negligible rests count as 0. */
double lb_world_display_rest (const LbWorldDisplay *self, gint64 from_us, gint64 to_us);
/* Age of the last pattern, us. */
double lb_world_display_age (const LbWorldDisplay *self, gint64 time_us);

G_END_DECLS
