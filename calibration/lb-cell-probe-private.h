/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <lb-encoder.h>
#include <lb-layout.h>
#include <lb-readout.h>

#include "lb-calibration-model-private.h"
#include "lb-capture-private.h"

G_BEGIN_DECLS

/* Patterns of cells by number: levels 0..255 are shown as they are on all cells
 * of the field; above that come values in 1/1000 (by the curve of each cell's
 * zone), lattices: every third cell full on, in nine phases, and the two halves
 * of a checkerboard. Reference patches are full on, or dark, always. */
#define LB_CELLS_VALUE(thousandths) (1000u + (thousandths))
#define LB_CELLS_FULL LB_CELLS_VALUE (1000u)
#define LB_CELLS_DARK LB_CELLS_VALUE (0u)
#define LB_CELLS_LATTICE(phase) (3000u + (phase))
#define LB_CELLS_PHASES 9
#define LB_CELLS_CHECKER(half) (3100u + (half))
/* Phase of the lattice that a cell is in. */
#define LB_CELLS_PHASE_OF(column, row) ((column) % 3 + 3 * ((row) % 3))

/**
 * LbCellProbe: uniform and sparse patterns of macropixels, and what each
 * macropixel of the field sends to the camera, in units of the frame's light.
 * @capture: takes the frames; set to this probe's patterns
 */
typedef struct
{
  LbCapture capture;
  LbOpticsModel *model;
  LbEncoder *encoder;
  LbLayout *layout;
  guint8 *is_field;      /* per cell */
  guint8 *always_on;     /* per cell: full on whatever the pattern; NULL: none */
  guint8 *levels;        /* scratch, per cell */
  gint32 *cell_of_pixel; /* of the camera's region; -1 outside the grid */
} LbCellProbe;

gboolean lb_cell_probe_init (LbCellProbe *self,
                             LbCalibrationContext *context,
                             LbModelParts parts,
                             GCancellable *cancellable,
                             GError **error);
void lb_cell_probe_clear (LbCellProbe *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (LbCellProbe, lb_cell_probe_clear)

/* Reads a frame; an error if anything is saturated. */
LbReading *lb_cell_probe_read (LbCellProbe *self, LbFrame *frame, GError **error);
/* Electrons of every cell of the grid, dark current taken out but not row noise
 * (columns * rows). */
void lb_cell_probe_sum_cells (const LbCellProbe *self, LbFrame *frame, double *electrons);
/* The cell of tile @tile. */
static inline guint32
lb_cell_probe_cell (const LbCellProbe *self, guint tile)
{
  return self->layout->tiles[tile].cells[0];
}
/* Value of the level that LB_CELLS_VALUE (@thousandths) puts on a cell. */
double lb_cell_probe_value (const LbCellProbe *self, const LbCurves *curves, guint32 cell, guint thousandths);
/* Adds a shot to a plan. */
void lb_cell_probe_plan (GArray *shots, guint source, guint weight, guint frames, guint tag);
/* Per cell of the grid the value of the nearest tile's cell; @values per tile. */
LbMatrix *lb_cell_probe_spread (const LbCellProbe *self, const double *values);

G_END_DECLS
