/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-structured-light-private.h"

#include <math.h>
#include <string.h>

/* Pixels of the plane that the narrowest stripe is wide. */
#define NARROWEST_STRIPE 4
/* A bit is of use while the camera sees at least that part of its contrast: its
 * stripes are four camera pixels wide or more then. */
#define CONTRAST_MIN 0.70
#define AXES 2

static guint
bits_for (guint count)
{
  guint bits = 0;

  while ((1u << bits) < count)
    bits++;
  return MAX (bits, 1);
}

void
lb_stripes_init (
    LbStripes *self, guint width, guint height, guint high, guint camera_width, guint camera_height)
{
  const guint size[AXES] = { width, height };

  *self = (LbStripes){ .width = width,
                       .height = height,
                       .stripe = NARROWEST_STRIPE,
                       .high = high,
                       .camera_width = camera_width,
                       .camera_height = camera_height };
  for (guint axis = 0; axis < AXES; axis++)
    {
      self->bits[axis] = bits_for ((size[axis] + self->stripe - 1) / self->stripe);
      self->difference[axis] = g_new0 (gint16 *, self->bits[axis]);
    }
}

void
lb_stripes_clear (LbStripes *self)
{
  for (guint axis = 0; axis < AXES; axis++)
    {
      for (guint bit = 0; bit < self->bits[axis]; bit++)
        g_free (self->difference[axis][bit]);
      g_clear_pointer (&self->difference[axis], g_free);
      self->bits[axis] = 0;
    }
  if (self->held != NULL)
    lb_frame_unref ((LbFrame *) self->held);
  self->held = NULL;
}

guint
lb_stripes_count (const LbStripes *self)
{
  return 2 * (self->bits[0] + self->bits[1]);
}

/* Axis and bit of a pattern. */
static guint
split_number (const LbStripes *self, guint number, guint *axis)
{
  guint bit = number / 2;

  *axis = bit >= self->bits[0];
  return *axis == 0 ? bit : bit - self->bits[0];
}

/* Bit of the Gray code of a place; bit 0 is the coarsest. */
static guint
gray_bit (guint place, guint stripe, guint bits, guint bit)
{
  guint code = place / stripe;

  return ((code ^ (code >> 1)) >> (bits - 1 - bit)) & 1;
}

LbPattern *
lb_stripes_render (const LbStripes *self, guint number)
{
  guint8 *pixels = g_malloc ((gsize) self->width * self->height);
  guint axis, bit = split_number (self, number, &axis);
  const guint inverse = number & 1;

  for (guint y = 0; y < self->height; y++)
    {
      guint8 *row = pixels + (gsize) y * self->width;

      if (axis == 1)
        {
          guint bright = gray_bit (y, self->stripe, self->bits[1], bit) ^ inverse;

          memset (row, (int) (bright ? self->high : self->low), self->width);
        }
      else if (y > 0)
        memcpy (row, pixels, self->width);
      else
        for (guint x = 0; x < self->width; x++)
          row[x] =
              (guint8) (gray_bit (x, self->stripe, self->bits[0], bit) ^ inverse ? self->high : self->low);
    }
  return lb_pattern_new_take (self->width, self->height, pixels);
}

void
lb_stripes_add_frame (LbStripes *self, guint number, LbFrame *frame)
{
  const gsize pixels = (gsize) self->camera_width * self->camera_height;
  guint axis, bit = split_number (self, number, &axis);
  gint16 *difference;

  if ((number & 1) == 0)
    {
      if (self->held != NULL)
        lb_frame_unref ((LbFrame *) self->held);
      self->held = lb_frame_ref (frame);
      return;
    }
  difference = g_new (gint16, pixels);
  for (gsize i = 0; i < pixels; i++)
    difference[i] = (gint16) CLAMP ((int) self->held->data[i] - (int) frame->data[i], G_MININT16, G_MAXINT16);
  g_free (self->difference[axis][bit]);
  self->difference[axis][bit] = difference;
  lb_frame_unref ((LbFrame *) self->held);
  self->held = NULL;
}

/* Mean size of a bit's difference, as a part of the light. */
static double
measure_contrast (const LbStripes *self, const gint16 *difference)
{
  const gsize pixels = (gsize) self->camera_width * self->camera_height;
  gint64 sum = 0, all = 0;

  for (gsize i = 0; i < pixels; i++)
    if (self->lit[i])
      {
        sum += ABS (difference[i]);
        all += self->signal[i];
      }
  return all > 0 ? (double) sum / (double) all : 0;
}

void
lb_stripes_find_used (LbStripes *self, double *contrast)
{
  *contrast = 1;
  for (guint axis = 0; axis < AXES; axis++)
    {
      double last = 0;

      self->used_bits[axis] = 0;
      for (guint bit = 0; bit < self->bits[axis]; bit++)
        {
          double seen = measure_contrast (self, self->difference[axis][bit]);

          if (seen < CONTRAST_MIN)
            break;
          last = seen;
          self->used_bits[axis] = bit + 1;
        }
      *contrast = MIN (*contrast, last);
    }
}

/* Stripe that each pixel sees, by the used bits; -1 in the dark. */
static gint32 *
decode (const LbStripes *self, guint axis, const guint8 *defective)
{
  const gsize pixels = (gsize) self->camera_width * self->camera_height;
  gint32 *codes = g_new0 (gint32, pixels);

  for (guint bit = 0; bit < self->used_bits[axis]; bit++)
    {
      const gint16 *difference = self->difference[axis][bit];

      /* Binary from Gray: each bit is the sum of the coarser ones and itself. */
      for (gsize i = 0; i < pixels; i++)
        codes[i] = codes[i] * 2 + ((codes[i] & 1) ^ (difference[i] > 0));
    }
  for (gsize i = 0; i < pixels; i++)
    if (!self->lit[i] || (defective != NULL && defective[i]))
      codes[i] = -1;
  return codes;
}

/* Difference of a pixel as a part of its light, -1..1. */
static double
normalised (const LbStripes *self, const gint16 *difference, gsize pixel)
{
  return CLAMP ((double) difference[pixel] / self->signal[pixel], -1, 1);
}

/* The edge between the neighbouring pixels @p and @p + @step, if they see
 * neighbouring stripes; *@part: how far from @p. Pixels side by side add up to
 * the edge as it is, whatever the blur: how much of four is bright says where it
 * is, without the bias of interpolation, which beats with the stripes. */
static gboolean
find_edge (
    const LbStripes *self, guint axis, const gint32 *codes, gsize p, gsize step, double *part, double *value)
{
  const guint used = self->used_bits[axis];
  const guint width = self->stripe << (self->bits[axis] - used);
  const gsize q = p + step;
  const gint16 *difference;
  guint changed;
  double bright = 0;

  if (codes[p - step] < 0 || codes[p] < 0 || codes[q] < 0 || codes[q + step] < 0 ||
      ABS (codes[p] - codes[q]) != 1)
    return FALSE;
  changed = (guint) ((codes[p] ^ (codes[p] >> 1)) ^ (codes[q] ^ (codes[q] >> 1)));
  difference = self->difference[axis][used - 1 - (guint) g_bit_nth_lsf (changed, -1)];
  for (guint i = 0; i < 4; i++)
    bright += 0.5 + 0.5 * normalised (self, difference, p + i * step - step);
  *part = (difference[p] > 0 ? bright : 4 - bright) - 1.5;
  *value = (double) MAX (codes[p], codes[q]) * width - 0.5;
  return *part > -0.5 && *part < 1.5;
}

static void
add_point (LbEdgePoints *points, double x, double y, double value)
{
  g_array_append_val (points->x, x);
  g_array_append_val (points->y, y);
  g_array_append_val (points->value, value);
}

/* Edges between horizontal and vertical neighbours, each @step-th of them; their
 * number. @points may be NULL: count only. */
static gsize
scan_edges (const LbStripes *self, guint axis, const gint32 *codes, gsize step, LbEdgePoints *points)
{
  const gsize width = self->camera_width;
  gsize count = 0;

  for (gsize y = 1; y + 2 < self->camera_height; y++)
    for (gsize x = 1; x + 2 < width; x++)
      {
        const gsize p = y * width + x;
        double part, value;

        if (codes[p] < 0)
          continue;
        if (codes[p + 1] != codes[p] && find_edge (self, axis, codes, p, 1, &part, &value) &&
            count++ % step == 0 && points != NULL)
          add_point (points, (double) x + part, (double) y, value);
        if (codes[p + width] != codes[p] && find_edge (self, axis, codes, p, width, &part, &value) &&
            count++ % step == 0 && points != NULL)
          add_point (points, (double) x, (double) y + part, value);
      }
  return count;
}

void
lb_stripes_find_edges (
    const LbStripes *self, guint axis, const guint8 *defective, gsize count_max, LbEdgePoints *points)
{
  g_autofree gint32 *codes = decode (self, axis, defective);
  gsize count = scan_edges (self, axis, codes, 1, NULL);

  points->x = g_array_new (FALSE, FALSE, sizeof (double));
  points->y = g_array_new (FALSE, FALSE, sizeof (double));
  points->value = g_array_new (FALSE, FALSE, sizeof (double));
  scan_edges (self, axis, codes, count / count_max + 1, points);
}

void
lb_edge_points_clear (LbEdgePoints *self)
{
  g_clear_pointer (&self->x, g_array_unref);
  g_clear_pointer (&self->y, g_array_unref);
  g_clear_pointer (&self->value, g_array_unref);
}
