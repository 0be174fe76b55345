/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "lb-cell-probe-private.h"

G_BEGIN_DECLS

/* A cell and its eight neighbours, row by row; the cell itself is in the middle. */
#define LB_LEAK_PLACES 9
#define LB_LEAK_OWN 4
/* Zones of the field over which leaks are averaged. */
#define LB_LEAK_ZONES_X 12
#define LB_LEAK_ZONES_Y 8
#define LB_LEAK_ZONES (LB_LEAK_ZONES_X * LB_LEAK_ZONES_Y)

/**
 * LbLeakKernel: where light goes that is meant for one macropixel.
 * @source: part of the light of the source's macropixel at a place that lands on
 *   the cell's weight, over what the cell's own source puts there (own: 1)
 * @camera: part of a cell's light that the camera sees at a place (sum: 1)
 */
typedef struct
{
  double source[LB_LEAK_ZONES][LB_LEAK_PLACES];
  double camera[LB_LEAK_ZONES][LB_LEAK_PLACES];
  double mean_source[LB_LEAK_PLACES];
  double mean_camera[LB_LEAK_PLACES];
  double source_total; /* of the neighbours, mean over the field */
  double camera_total;
  double standard_error; /* of source_total, from parts of the frames */
} LbLeakKernel;

/* Which cell stands at @place of @cell, or -1 where there is none of the field. */
gint64 lb_leak_neighbour (const LbCellProbe *probe, guint32 cell, guint place);
guint lb_leak_zone (const LbCellProbe *probe, guint32 cell);
/* Frames that lb_leak_kernel_measure() takes of a field of @cells, and their @patterns. */
double lb_leak_kernel_forecast (double cells, guint *patterns);
/* Measures it by lattices that are out of step on the two planes. */
gboolean
lb_leak_kernel_measure (LbLeakKernel *self, LbCellProbe *probe, GCancellable *cancellable, GError **error);

G_END_DECLS
