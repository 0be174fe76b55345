/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "lb-layout.h"

G_BEGIN_DECLS

/**
 * LbReading: what one frame says.
 * @electrons: per tile, sum over its region of K (DN - offset) with row noise
 *   taken out by the dark columns and n D tau subtracted
 * @saturated: per tile, number of saturated pixels
 * @bright_electrons, @dark_electrons: the same of the reference patches
 * @bright_saturated: saturated pixels of the bright patches: light is not known
 * @light: L_k, electrons of a fully lit cell of gain 1, from the reference patches
 */
typedef struct
{
  guint tiles;
  double *electrons;
  guint32 *saturated;
  double bright_electrons, dark_electrons;
  guint32 bright_saturated;
  double light;
} LbReading;

/* @data: the frame's pixels, (sensor_height, sensor_width) of the layout's
 * model. SHAPE if @width, @height differ from that; DARK if the reference
 * patches show no light and @light_on (then light is not known). */
LbReading *lb_readout_read (const LbLayout *layout,
                            const guint16 *data,
                            guint width,
                            guint height,
                            double exposure_us,
                            double gain,
                            gboolean light_on,
                            GError **error);
/* Electrons of the brightest pixel of the bright patches. */
double lb_readout_find_peak (const LbLayout *layout, const guint16 *data, double gain);
void lb_reading_free (LbReading *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (LbReading, lb_reading_free)

/* sum x^ w^ of one tile from its reading, by the decode of optics.md.
 * @sum_cx: sum c_i x^_i, @sum_w: sum w^_i over the elements. */
double lb_readout_decode (const LbLayout *layout,
                          const LbReading *reading,
                          guint tile,
                          double sum_cx,
                          double sum_w,
                          gsize elements);

G_END_DECLS
