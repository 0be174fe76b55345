/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <lb-plane-protocol.h>

G_BEGIN_DECLS

/* Colours are 0xRRGGBB; the upper byte is 0 going out, and not looked at coming in. */

/* How levels become the colours of a region. */
typedef struct
{
  LbPlaneSpec spec;
  guint32 colours[256];
  guint pattern_width, pattern_height;
  /* Pattern pixel of the region's (x, y): first + x across + y down. */
  gssize first, across, down;
  gboolean plain; /* rows as they are, each level a grey of its own */
} LbPlanePixels;

/* @spec must be a good one. */
void lb_plane_pixels_init (LbPlanePixels *self, const LbPlaneSpec *spec);
/* @levels: a pattern; @colours: rows @row to @row + @rows - 1 of the region, without gaps. */
void lb_plane_pixels_to_colours (
    const LbPlanePixels *self, const guint8 *levels, guint row, guint rows, guint32 *colours);
/* The whole region, 3 bytes a pixel. */
void lb_plane_pixels_to_rgb (const LbPlanePixels *self, const guint8 *levels, guint8 *rgb);
/* Back again. @shown: levels that should be there: where two levels have one
 * colour they decide. Returns how many pixels have a colour that is no level's;
 * they become 0. @levels must not be @shown. */
guint64 lb_plane_pixels_to_levels (const LbPlanePixels *self,
                                   const guint32 *colours,
                                   const guint8 *shown,
                                   guint8 *levels);

G_END_DECLS
