/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-world-kernels.h"

#include <string.h>

#include <lb-gemm.h>
#include <lb-target-clones.h>

typedef float Vector8 __attribute__ ((vector_size (32)));
typedef float Vector16 __attribute__ ((vector_size (64)));

/* Nanoseconds of work below which one thread does it. */
#define WORTH_THREADS 100000

guint
lb_kernel_threads (gsize pixels, guint cost)
{
  return pixels * cost < WORTH_THREADS ? 1 : lb_numerics_get_threads ();
}

LB_TARGET_CLONES
void
lb_kernel_emission (const guint8 *levels,
                    const float *nonuniformity,
                    const float emission[256],
                    float scale,
                    gsize count,
                    float *out)
{
  for (gsize i = 0; i < count; i++)
    out[i] = scale * nonuniformity[i] * emission[levels[i]];
}

/* sin^2 (pi turns): reduced to |turns| <= 1/2, Taylor's series to x^13 (6e-10). */
G_ALWAYS_INLINE static inline float
sine_square (float turns)
{
  const float whole = 0x1.8p23f;
  float x = turns - ((turns + whole) - whole);
  float z, sine;

  x *= 3.14159265f;
  z = x * x;
  sine = 1.60590438e-10f;
  sine = -2.50521084e-8f + sine * z;
  sine = 2.75573192e-6f + sine * z;
  sine = -1.98412698e-4f + sine * z;
  sine = 8.33333333e-3f + sine * z;
  sine = -1.66666667e-1f + sine * z;
  sine = x + x * (z * sine);
  return sine * sine;
}

LB_TARGET_CLONES
static void
sine_curve (const float *turns, const float *scale, float floor, float range, gsize count, float *out)
{
  for (gsize i = 0; i < count; i++)
    out[i] = floor + range * sine_square (turns[i] * scale[i]);
}

void
lb_kernel_transmission (const guint8 *levels,
                        const float *scale,
                        const float phase[256],
                        float floor,
                        float range,
                        gsize count,
                        float *out)
{
  /* The table is looked up first: with it the loop would not become vectors. */
  for (gsize done = 0; done < count;)
    {
      float turns[512];
      gsize part = MIN (count - done, G_N_ELEMENTS (turns));

      for (gsize i = 0; i < part; i++)
        turns[i] = phase[levels[done + i]];
      sine_curve (turns, scale + done, floor, range, part, out + done);
      done += part;
    }
}

LB_TARGET_CLONES
void
lb_kernel_carry (const float *target, float share, gsize count, float *previous)
{
  for (gsize i = 0; i < count; i++)
    previous[i] = target[i] + (previous[i] - target[i]) * share;
}

LB_TARGET_CLONES
static void
product_settled (const float *source,
                 const float *weight,
                 const float *illumination,
                 float both,
                 gboolean add,
                 gsize count,
                 float *out)
{
  for (gsize i = 0; i < count; i++)
    {
      float light = illumination[i] * (source[i] * (both * weight[i]));

      out[i] = add ? out[i] + light : light;
    }
}

LB_TARGET_CLONES
static void
product_settling (const float *source,
                  const float *source_previous,
                  const float *weight,
                  const float *weight_previous,
                  const float *illumination,
                  LbWorldShares shares,
                  gboolean add,
                  gsize count,
                  float *out)
{
  for (gsize i = 0; i < count; i++)
    {
      float change = weight_previous[i] - weight[i];
      float steady = shares.both * weight[i] + shares.weight_change * change;
      float moving = shares.source_change * weight[i] + shares.product_change * change;

      float light = illumination[i] * (source[i] * steady + (source_previous[i] - source[i]) * moving);

      out[i] = add ? out[i] + light : light;
    }
}

void
lb_kernel_product (const float *source,
                   const float *source_previous,
                   const float *weight,
                   const float *weight_previous,
                   const float *illumination,
                   const LbWorldShares *shares,
                   gboolean add,
                   gsize count,
                   float *out)
{
  if (shares->source_change == 0 && shares->weight_change == 0)
    product_settled (source, weight, illumination, shares->both, add, count, out);
  else
    product_settling (source, source_previous, weight, weight_previous, illumination, *shares, add, count,
                      out);
}

/* Pixels that are resampled together, so that their sums are taken together. */
#define GROUP 8

/* out[i] = sum of v[i], always in the order
 * ((v0 + v2) + (v1 + v3)) + ((v4 + v6) + (v5 + v7)). */
G_ALWAYS_INLINE static inline void
sums_of_8 (const Vector8 v[GROUP], float *out)
{
  Vector8 pairs[4], fours[2], all;

#pragma GCC unroll 4
  for (guint i = 0; i < 4; i++)
    pairs[i] = __builtin_shufflevector (v[2 * i], v[2 * i + 1], 0, 8, 1, 9, 4, 12, 5, 13) +
               __builtin_shufflevector (v[2 * i], v[2 * i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
#pragma GCC unroll 2
  for (guint i = 0; i < 2; i++)
    fours[i] = __builtin_shufflevector (pairs[2 * i], pairs[2 * i + 1], 0, 1, 8, 9, 4, 5, 12, 13) +
               __builtin_shufflevector (pairs[2 * i], pairs[2 * i + 1], 2, 3, 10, 11, 6, 7, 14, 15);
  all = __builtin_shufflevector (fours[0], fours[1], 0, 1, 2, 3, 8, 9, 10, 11) +
        __builtin_shufflevector (fours[0], fours[1], 4, 5, 6, 7, 12, 13, 14, 15);
  memcpy (out, &all, sizeof all);
}

G_ALWAYS_INLINE static inline void
add_8 (Vector8 *sum, const float *row, float weight)
{
  Vector8 values;

  memcpy (&values, row, sizeof values);
  *sum += values * weight;
}

/* The columns of one pixel, weighted and summed over its rows. Always all 8
 * rows, so that the loop unrolls; in two sums, so that one does not wait for
 * the other. */
G_ALWAYS_INLINE static inline void
columns_8 (const float *origin, gssize stride, const LbWorldTap *tap, const float *table, Vector8 *out)
{
  const float *row = origin + tap->y * stride + tap->x;
  const float *across = table + (gsize) tap->phase_y * 8;
  Vector8 even = { 0 }, odd = { 0 };
  Vector8 along;

#pragma GCC unroll 4
  for (guint j = 0; j < 8; j += 2)
    {
      add_8 (&even, row + j * stride, across[j]);
      add_8 (&odd, row + (j + 1) * stride, across[j + 1]);
    }
  memcpy (&along, table + (gsize) tap->phase_x * 8, sizeof along);
  *out = (even + odd) * along;
}

G_ALWAYS_INLINE static inline void
add_16 (Vector16 *sum, const float *row, float weight)
{
  Vector16 values;

  memcpy (&values, row, sizeof values);
  *sum += values * weight;
}

G_ALWAYS_INLINE static inline void
columns_16 (const float *origin,
            gssize stride,
            const LbWorldTap *tap,
            const float *table,
            guint first,
            guint height,
            Vector8 *out)
{
  const float *row = origin + (tap->y + (int) first) * stride + tap->x;
  const float *across = table + (gsize) tap->phase_y * 16 + first;
  Vector16 even = { 0 }, odd = { 0 };
  Vector16 along;
  Vector8 high;

  for (guint j = 0; j < height; j += 2)
    {
      add_16 (&even, row, across[j]);
      add_16 (&odd, row + stride, across[j + 1]);
      row += 2 * stride;
    }
  memcpy (&along, table + (gsize) tap->phase_x * 16, sizeof along);
  even = (even + odd) * along;
  memcpy (out, &even, sizeof *out);
  memcpy (&high, (const char *) &even + sizeof high, sizeof high);
  *out += high;
}

/* @width is constant where this is inlined. */
G_ALWAYS_INLINE static inline void
resample_groups (const LbWorldPlane *plane,
                 const LbWorldTap *taps,
                 const LbWorldKernel *kernel,
                 guint width,
                 gsize groups,
                 float *out)
{
  gssize stride = (gssize) plane->stride;

  for (gsize i = 0; i < groups * GROUP; i += GROUP)
    {
      Vector8 columns[GROUP];

#pragma GCC unroll 8
      for (guint j = 0; j < GROUP; j++)
        if (width == 8)
          columns_8 (plane->data, stride, &taps[i + j], kernel->table, &columns[j]);
        else
          columns_16 (plane->data, stride, &taps[i + j], kernel->table, kernel->first, kernel->height,
                      &columns[j]);
      sums_of_8 (columns, out + i);
    }
}

LB_TARGET_CLONES
static void
resample_8 (
    const LbWorldPlane *plane, const LbWorldTap *taps, const LbWorldKernel *kernel, gsize groups, float *out)
{
  resample_groups (plane, taps, kernel, 8, groups, out);
}

LB_TARGET_CLONES
static void
resample_16 (
    const LbWorldPlane *plane, const LbWorldTap *taps, const LbWorldKernel *kernel, gsize groups, float *out)
{
  resample_groups (plane, taps, kernel, 16, groups, out);
}

void
lb_kernel_resample (
    const LbWorldPlane *plane, const LbWorldTap *taps, const LbWorldKernel *kernel, gsize count, float *out)
{
  void (*resample) (const LbWorldPlane *, const LbWorldTap *, const LbWorldKernel *, gsize, float *) =
      kernel->width == 8 ? resample_8 : resample_16;
  gsize whole = count / GROUP * GROUP;

  resample (plane, taps, kernel, count / GROUP, out);
  if (whole < count)
    {
      LbWorldTap rest[GROUP];
      float values[GROUP];

      for (guint i = 0; i < GROUP; i++)
        rest[i] = taps[MIN (whole + i, count - 1)];
      resample (plane, rest, kernel, 1, values);
      memcpy (out + whole, values, (count - whole) * sizeof (float));
    }
}

void
lb_kernel_resample_reference (
    const LbWorldPlane *plane, const LbWorldTap *taps, const LbWorldKernel *kernel, gsize count, float *out)
{
  for (gsize i = 0; i < count; i++)
    {
      const float *along = kernel->table + (gsize) taps[i].phase_x * kernel->width;
      const float *across = kernel->table + (gsize) taps[i].phase_y * kernel->width;
      double sum = 0;

      for (guint y = kernel->first; y < kernel->first + kernel->height; y++)
        for (guint x = 0; x < kernel->width; x++)
          {
            gssize at = (gssize) (taps[i].y + (int) y) * (gssize) plane->stride + taps[i].x + (int) x;

            sum += (double) along[x] * across[y] * plane->data[at];
          }
      out[i] = (float) sum;
    }
}

LB_TARGET_CLONES
void
lb_kernel_multiply (const float *value, const float *factor, gboolean add, gsize count, float *out)
{
  for (gsize i = 0; i < count; i++)
    out[i] = add ? out[i] + value[i] * factor[i] : value[i] * factor[i];
}

LB_TARGET_CLONES
void
lb_kernel_mean (const float *signal,
                const float *stray,
                const float *speckle,
                const float *dark,
                float signal_scale,
                float stray_scale,
                float dark_scale,
                gsize count,
                float *out)
{
  for (gsize i = 0; i < count; i++)
    out[i] = signal[i] * signal_scale * speckle[i] + stray[i] * stray_scale + dark[i] * dark_scale;
}

LB_TARGET_CLONES
static void
speckle_pairs (const float *normal, float contrast, gsize pairs, float *out)
{
  for (gsize i = 0; i < pairs; i++)
    {
      float value = 1.0f + contrast * normal[i];

      value = value > 0.0f ? value : 0.0f;
      out[2 * i] = value;
      out[2 * i + 1] = value;
    }
}

void
lb_kernel_speckle (const float *normal, float contrast, guint first, guint cell, gsize count, float *out)
{
  guint base = first / cell;
  gsize i = 0;

  if (cell == 2 && first % 2 == 0)
    {
      speckle_pairs (normal, contrast, count / 2, out);
      i = count / 2 * 2;
    }
  for (; i < count; i++)
    {
      float value = 1.0f + contrast * normal[(first + i) / cell - base];

      out[i] = value > 0.0f ? value : 0.0f;
    }
}

LB_TARGET_CLONES
static void
convert (const float *electrons,
         const float *normal,
         const float *offset_dn,
         LbWorldAdc adc,
         gsize count,
         guint16 *out)
{
  for (gsize i = 0; i < count; i++)
    {
      float charge = electrons[i] < adc.full_well ? electrons[i] : adc.full_well;
      float dn = (charge + adc.read_noise * normal[i] + adc.row) * adc.dn_per_electron +
                 offset_dn[i] * adc.offset_scale + 0.5f;

      dn = dn > 0.0f ? dn : 0.0f;
      dn = dn < adc.largest ? dn : adc.largest;
      out[i] = (guint16) (gint32) dn;
    }
}

void
lb_kernel_convert (const float *electrons,
                   const float *normal,
                   const float *offset_dn,
                   const LbWorldAdc *adc,
                   gsize count,
                   guint16 *out)
{
  convert (electrons, normal, offset_dn, *adc, count, out);
}
