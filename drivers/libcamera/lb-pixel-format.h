/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/*
 * Pixel formats of cameras and their unpacking to 16-bit digital numbers. Named
 * as libcamera names them (its formats.yaml; memory layouts as in the kernel's
 * "Video for Linux API", "Image Formats", and MIPI CSI-2 RAW10 and RAW12).
 */

/* How the pixels of a row lie in memory. */
typedef enum
{
  LB_PIXEL_BYTES,    /* one byte a pixel */
  LB_PIXEL_WORDS,    /* one little-endian 16-bit word a pixel, value in the low bits */
  LB_PIXEL_PACKED10, /* four pixels in 5 bytes: their high bytes, then 2 bits of each */
  LB_PIXEL_PACKED12, /* two pixels in 3 bytes: their high bytes, then 4 bits of each */
  LB_PIXEL_PAIRS,    /* every second byte, from `first` on */
  LB_PIXEL_TRIPLES,  /* three bytes a pixel: colours in the order of `colours` */
} LbPixelLayout;

/* What a pixel sees; also the choice of the setup file. */
typedef enum
{
  LB_PIXEL_GREEN, /* the default */
  LB_PIXEL_RED,
  LB_PIXEL_BLUE,
  LB_PIXEL_N_COLOURS,
} LbPixelColour;

typedef struct
{
  const char *name; /* "R10_CSI2P" */
  LbPixelLayout layout;
  guint bits;
  gboolean gamma;  /* cameras usually gamma-encode it */
  guint first;     /* LB_PIXEL_PAIRS */
  char colours[5]; /* Bayer: row by row of the 2 x 2 cell; triples: in memory; "": grey */
  gboolean mosaic; /* Bayer: one pixel of each 2 x 2 cell is taken */
} LbPixelFormat;

/* NULL if pixels of that name cannot be read. */
const LbPixelFormat *lb_pixel_format_find (const char *name);
/* All of them, ended by a row without a name. */
const LbPixelFormat *lb_pixel_format_get_all (void);
/* "green", "red", "blue"; -1 for anything else. */
int lb_pixel_colour_find (const char *name);
/* A colour plane of a mosaic has half the size. */
guint lb_pixel_format_get_divisor (const LbPixelFormat *self);
/* Bytes from the start of the first row to the last byte of the last that
 * unpacking @height rows (of what comes out) of @width pixels reads. */
gsize lb_pixel_format_get_extent (const LbPixelFormat *self, gsize stride, guint width, guint height);
/*
 * Unpacks a region of one plane of a picture.
 * @colour: for formats with colours
 * @data, @stride: the first row of the whole picture, and bytes from row to row
 * @x, @y, @width, @height: region, in pixels of what comes out; @x a multiple of 4
 * @out: width x height digital numbers, rows without gaps
 */
void lb_pixel_format_unpack (const LbPixelFormat *self,
                             LbPixelColour colour,
                             const guint8 *data,
                             gsize stride,
                             guint x,
                             guint y,
                             guint width,
                             guint height,
                             guint16 *out);

G_END_DECLS
