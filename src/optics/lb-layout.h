/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "lb-optics-model.h"

G_BEGIN_DECLS

/* One dot product (or a segment of one) on the planes: element e of it stands
 * on cell cells[e]. */
typedef struct
{
  guint32 *cells;                   /* `length` of them */
  guint column, row, width, height; /* rectangle, in cells */
} LbTile;

/**
 * LbLayout: where vectors of one length stand on the planes. A slot holds one
 * vector segment: one tile, or two neighbours (W+ and W-) for signed weights.
 * A ring of reference patches (bright, dark) lies around the field.
 *
 * @length: d of the vectors; @segments: pieces that a vector is split into;
 * @segment_length: elements of a piece (the last may be shorter)
 * @tiles: slots * tiles_per_slot; tile of slot s and sign g: s * tiles_per_slot + g
 */
typedef struct
{
  LbOpticsModel *model;
  gsize length;
  guint segments;
  gsize segment_length;
  guint slots;
  guint tiles_per_slot; /* 1, or 2: W+ then W- */
  LbTile *tiles;
  guint n_tiles;
  GArray *bright_cells; /* guint32, reference: always full on */
  GArray *dark_cells;   /* guint32, reference: always 0 on both planes */

  /* Readout: for each pixel of the camera's region the tile that collects it,
   * or LB_REGION_BRIGHT, LB_REGION_DARK, LB_REGION_COLUMN (dark columns, no
   * light: take out row noise), or -1. Defective pixels are -1. */
  gint32 *region;
  /* Per tile: c_i relative to the tile's mean gain (sums to segment_length), its
   * mean gain G_t, share of its light that falls on pixels that are not
   * defective, c0, floors (means over the elements, weighted with c_i), stray
   * light, pixels, dark electrons per second. Gains are those of the model times
   * the share: a calibration that measures gain divides by tile_gain or, where
   * it wants the gain as such, by tile_share. Stray light includes what the dark
   * cells of the region let through at their floors. */
  float **cell_gain;
  float *tile_gain;
  float *tile_share;
  float *tile_c0;
  float *tile_source_floor;
  float *tile_weight_floor;
  float *tile_stray;
  float *tile_dark_per_s;
  guint32 *tile_pixels;
  double bright_gain; /* sum of gain over the bright cells, defects accounted for */
  double bright_stray, dark_stray;
  double bright_dark_per_s, dark_dark_per_s;
  guint32 bright_pixels, dark_pixels;

  /*< private >*/
  gatomicrefcount references;
  float *cell_share;    /* per cell: share of its light on pixels that are not defective */
  GArray *runs;         /* LbReadoutRun: the regions, row by row */
  GArray *column_runs;  /* LbReadoutRun: the dark columns, row by row */
  double *offset_sums;  /* DN, per sum: tiles, then bright, then dark patches */
  guint16 saturated_dn; /* from here on a pixel is saturated (at gain 1) */
} LbLayout;

#define LB_REGION_NONE (-1)
#define LB_REGION_BRIGHT (-2)
#define LB_REGION_DARK (-3)
#define LB_REGION_COLUMN (-4)

/* @max_slots: no more slots than that (0: as many as fit). SPACE if not one fits. */
LbLayout *
lb_layout_new (LbOpticsModel *model, gsize length, gboolean paired, guint max_slots, GError **error);
/* One tile a cell over the whole grid (but the ring): flat field, background
 * and other calibrations per macropixel. */
LbLayout *lb_layout_new_cells (LbOpticsModel *model, GError **error);
LbLayout *lb_layout_ref (LbLayout *self);
void lb_layout_unref (LbLayout *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (LbLayout, lb_layout_unref)

G_END_DECLS
