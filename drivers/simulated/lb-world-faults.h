/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "lb-world.h"

G_BEGIN_DECLS

/*
 * What injected faults do to patterns, light and frames. A fault stays until it
 * is cleared; none draws from the world's random numbers, so that a world with
 * one is otherwise the same.
 */

/* Bits of the faults that change what a plane shows. */
guint lb_world_faults_of_planes (const LbWorld *self);
/* What the plane of @role shows when it is told to show @pattern: another window,
 * black, or the pattern shifted; transfer full. */
LbPattern *lb_world_faults_show (LbWorld *self, LbRole role, LbPattern *pattern);
/* Part of the light that reaches the planes at @time_us: 0 when the beam is
 * blocked; falling while it drifts. */
double lb_world_faults_light (LbWorld *self, gint64 time_us);
/* Part of the exposure time that the camera really takes. */
double lb_world_faults_exposure (LbWorld *self);
/* Dark current over that of the usual temperature. */
double lb_world_faults_dark (LbWorld *self);
/* Whether lb_world_faults_signal() has something to do. */
gboolean lb_world_faults_change_signal (LbWorld *self);
/* The region's mean electrons, as an image of the whole sensor that belongs to
 * the world: `signal` times @scale, tilted while the beam wanders, and what the
 * room's light adds in @exposure_us. */
const float *
lb_world_faults_signal (LbWorld *self, const LbWorldExposure *exposure, double scale, double exposure_us);

G_END_DECLS
