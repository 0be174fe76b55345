/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "lb-layout.h"

G_BEGIN_DECLS

/* Width of the Gaussian that stands for all blurs, in macropixels: the shape of
 * a macropixel's light on the camera, for the share that a defective pixel
 * would have had. */
#define LB_BLUR_MACROPIXELS 0.15

/* Consecutive pixels of one row of the camera's region with the same label. */
typedef struct
{
  guint32 start; /* index of the first pixel */
  guint16 row;
  guint16 count;
  guint32 sum; /* index of the sum that it goes to */
} LbReadoutRun;

/* Maps @count points (x0, y), (x0 + 1, y), ... */
void
lb_optics_map_row (const LbPlaneMap *map, double x0, double y, gsize count, double *out_x, double *out_y);

/* Marks the cells (1 or 0) whose whole macropixel the source reaches and whose
 * light, half a guard around included, falls into the camera's region. */
void lb_optics_model_find_reachable (const LbOpticsModel *self, guint8 *reachable);

/* The ring of reference patches: fills bright_cells and dark_cells and the
 * field inside the ring. It depends on geometry alone, not on which cells are
 * usable: the scale of the light hangs on the same patches always. */
gboolean lb_layout_place_ring (LbLayout *self, guint *x0, guint *y0, guint *x1, guint *y1, GError **error);

/* cell_share of the layout, from the model's defective pixels. */
void lb_layout_find_shares (LbLayout *self);

/* Labels of the camera's pixels, what they collect, and the gains; the tiles
 * must have been placed. @guard: in cells, half of it around a tile belongs to
 * its region. */
void lb_layout_find_regions (LbLayout *self, guint guard);

G_END_DECLS
