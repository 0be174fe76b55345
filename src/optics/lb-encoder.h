/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "lb-layout.h"

G_BEGIN_DECLS

/*
 * LbEncoder: from values on cells to grey levels of the planes' pixels, by the
 * model's curves and maps. Pixels are bytes, (height, width) of the plane.
 */
typedef struct _LbEncoder LbEncoder;

LbEncoder *lb_encoder_new (LbOpticsModel *model);
void lb_encoder_free (LbEncoder *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (LbEncoder, lb_encoder_free)

/* @levels: a grey level for each cell (columns * rows). The weight plane shows
 * a cell's level on its whole macropixel (outside the grid level 0); the source
 * plane on those of its pixels that the map puts inside the macropixel, a margin
 * away from its border; level 0 elsewhere. New g_malloc'ed pixels. */
guint8 *lb_encoder_render_weight (const LbEncoder *self, const guint8 *levels);
guint8 *lb_encoder_render_source (const LbEncoder *self, const guint8 *levels);

/* Cell levels of values 0..1: @values[slot] (NULL: dark) has the elements of
 * the segment in that slot, `lengths[slot]` of them; the rest of the slot is 0.
 * Reference patches are set as they must be. @levels: columns * rows. */
void lb_encoder_source_levels (const LbEncoder *self,
                               const LbLayout *layout,
                               const float *const *values,
                               const gsize *lengths,
                               guint8 *levels);
/* The same for weights: per tile (slot * tiles_per_slot + sign); brighter cells
 * are dimmed by c0 / c_i. */
void lb_encoder_weight_levels (const LbEncoder *self,
                               const LbLayout *layout,
                               const float *const *values,
                               const gsize *lengths,
                               guint8 *levels);

G_END_DECLS
