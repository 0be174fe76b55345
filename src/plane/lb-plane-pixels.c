/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-plane-pixels.h"

#include <string.h>

/* Levels to colours and back, bit by bit: nothing is scaled, rounded or mixed. */

static guint32
get_colour (const LbPlaneSpec *spec, guint drive)
{
  /* The highest bit of a drive value is the highest of its first channel. */
  guint32 wide = (guint32) drive << (16 - spec->bits);
  guint32 upper = wide >> 8, lower = wide & 0xff;

  switch (spec->channels)
    {
    case LB_PLANE_CHANNELS_RED:
      return upper << 16;
    case LB_PLANE_CHANNELS_GREEN:
      return upper << 8;
    case LB_PLANE_CHANNELS_BLUE:
      return upper;
    case LB_PLANE_CHANNELS_RED_GREEN:
      return upper << 16 | lower << 8;
    case LB_PLANE_CHANNELS_GREEN_RED:
      return upper << 8 | lower << 16;
    case LB_PLANE_CHANNELS_GREEN_BLUE:
      return upper << 8 | lower;
    case LB_PLANE_CHANNELS_GREY:
    default:
      return upper * 0x010101u;
    }
}

/* Index in the pattern of pixel (x, y) of the region. */
static gssize
get_index (const LbPlanePixels *self, gssize x, gssize y)
{
  gssize width = self->pattern_width, height = self->pattern_height, u, v;

  switch (self->spec.quarter_turns)
    {
    case 1:
      u = y;
      v = height - 1 - x;
      break;
    case 2:
      u = width - 1 - x;
      v = height - 1 - y;
      break;
    case 3:
      u = width - 1 - y;
      v = x;
      break;
    case 0:
    default:
      u = x;
      v = y;
      break;
    }
  if (self->spec.flip & LB_PLANE_FLIP_HORIZONTAL)
    u = width - 1 - u;
  if (self->spec.flip & LB_PLANE_FLIP_VERTICAL)
    v = height - 1 - v;
  return v * width + u;
}

void
lb_plane_pixels_init (LbPlanePixels *self, const LbPlaneSpec *spec)
{
  self->spec = *spec;
  for (guint level = 0; level < G_N_ELEMENTS (self->colours); level++)
    self->colours[level] = get_colour (spec, spec->drive[level]);
  lb_plane_spec_get_pattern_size (spec, &self->pattern_width, &self->pattern_height);
  self->first = get_index (self, 0, 0);
  self->across = get_index (self, 1, 0) - self->first;
  self->down = get_index (self, 0, 1) - self->first;
  self->plain = self->across == 1;
  for (guint level = 0; level < G_N_ELEMENTS (self->colours); level++)
    self->plain = self->plain && self->colours[level] == level * 0x010101u;
}

/* The usual case, without a table: the compiler does many pixels at a time. */
static void
to_greys (const guint8 *restrict from, guint32 *restrict row, gsize width)
{
  for (gsize x = 0; x < width; x++)
    row[x] = from[x] * 0x010101u;
}

void
lb_plane_pixels_to_colours (
    const LbPlanePixels *self, const guint8 *levels, guint row, guint rows, guint32 *colours)
{
  const gssize width = self->spec.width, across = self->across;

  for (gssize y = 0; y < (gssize) rows; y++)
    {
      const guint8 *from = levels + self->first + (row + y) * self->down;
      guint32 *to = colours + y * width;

      if (self->plain)
        to_greys (from, to, (gsize) width);
      else
        for (gssize x = 0; x < width; x++)
          to[x] = self->colours[from[x * across]];
    }
}

/* Each pixel is stored as a word, whose fourth byte the next one overwrites: that is
 * faster than bytes. */
void
lb_plane_pixels_to_rgb (const LbPlanePixels *self, const guint8 *levels, guint8 *rgb)
{
  const gssize width = self->spec.width, across = self->across;
  guint8 bytes[G_N_ELEMENTS (self->colours)][4];

  for (guint level = 0; level < G_N_ELEMENTS (bytes); level++)
    {
      guint32 word = GUINT32_TO_BE (self->colours[level] << 8);

      memcpy (bytes[level], &word, sizeof word);
    }
  for (gssize y = 0; y < (gssize) self->spec.height; y++)
    {
      const guint8 *from = levels + self->first + y * self->down;
      guint8 *row = rgb + 3 * y * width;

      for (gssize x = 0; x < width - 1; x++)
        memcpy (row + 3 * x, bytes[from[x * across]], 4);
      memcpy (row + 3 * (width - 1), bytes[from[(width - 1) * across]], 3);
    }
}

/* -1: it is no level's. */
static int
find_level (const LbPlanePixels *self, guint32 colour)
{
  for (int level = 0; level < (int) G_N_ELEMENTS (self->colours); level++)
    if (self->colours[level] == colour)
      return level;
  return -1;
}

guint64
lb_plane_pixels_to_levels (const LbPlanePixels *self,
                           const guint32 *colours,
                           const guint8 *shown,
                           guint8 *levels)
{
  guint64 wrong = 0;

  for (gssize y = 0; y < (gssize) self->spec.height; y++)
    for (gssize x = 0; x < (gssize) self->spec.width; x++)
      {
        gssize index = self->first + x * self->across + y * self->down;
        guint32 colour = colours[y * (gssize) self->spec.width + x] & 0xffffff;
        int level = shown[index];

        if (self->colours[level] != colour)
          level = find_level (self, colour);
        wrong += level < 0;
        levels[index] = (guint8) MAX (level, 0);
      }
  return wrong;
}
