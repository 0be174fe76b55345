/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <lb-optics-model.h>

G_BEGIN_DECLS

/*
 * A curve over all levels through measured points: smoothed, monotone from its
 * minimum to its maximum, interpolated by monotone cubics (Fritsch and Carlson,
 * "Monotone piecewise cubic interpolation", 1980), divided by its maximum.
 * @levels: (count) rising, first 0, last LB_LEVELS - 1, at least 6
 * @values: (count)
 * @curve: (out): (LB_LEVELS)
 * @low, @high: (out): ends of the monotone range
 * Returns the maximum it was divided by.
 */
double lb_response_curve_fit (
    const guint *levels, const double *values, guint count, float *curve, guint8 *low, guint8 *high);

G_END_DECLS
