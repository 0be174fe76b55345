/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* A plane counts as settled when less than that of a step is left. */
#define LB_SETTLED_SHARE 0.002

/**
 * LbSettlingSample: one frame of a step.
 * @from_us, @to_us: of its exposure, from when the new pattern was handed over
 * @rest: part of the step that is still to go, mean over the exposure: 1 before it, 0 long after
 */
typedef struct
{
  double from_us, to_us;
  double rest;
} LbSettlingSample;

/**
 * LbSettling: how a plane goes from one pattern to the next.
 * @start_us: when it begins to change, from when the new pattern was handed over
 * @settled_us: when less than LB_SETTLED_SHARE is left, likewise
 * @settled_error_us: its standard error
 * @rms: of what the fit leaves of the samples
 * @whole: the samples go on until it has settled, and nothing is left then
 */
typedef struct
{
  double start_us;
  double settled_us, settled_error_us;
  double rms;
  gboolean whole;
} LbSettling;

/* Fits a start and an exponential approach, averaged over each exposure, to all
 * samples; then once more to the end of the approach, which tells when it has
 * settled. FALSE if there is no step in the samples. */
gboolean lb_settling_fit (const LbSettlingSample *samples, guint count, LbSettling *settling);

G_END_DECLS
