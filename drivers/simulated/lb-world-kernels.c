/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-world-kernels.h"

#include <string.h>

#include <lb-target-clones.h>

typedef float Vector4 __attribute__ ((vector_size (16)));
typedef float Vector8 __attribute__ ((vector_size (32)));
typedef float Vector16 __attribute__ ((vector_size (64)));

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
void
lb_kernel_transmission (const guint8 *levels,
                        const float *scale,
                        const float phase[256],
                        float floor,
                        float range,
                        gsize count,
                        float *out)
{
  for (gsize i = 0; i < count; i++)
    out[i] = floor + range * sine_square (phase[levels[i]] * scale[i]);
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

G_ALWAYS_INLINE static inline float
sum_of_8 (const Vector8 *v)
{
  Vector4 low, high, sum;

  memcpy (&low, v, sizeof low);
  memcpy (&high, (const char *) v + sizeof low, sizeof high);
  sum = low + high;
  return (sum[0] + sum[2]) + (sum[1] + sum[3]);
}

G_ALWAYS_INLINE static inline Vector8
weighted_8 (const float *row, float weight)
{
  Vector8 values;

  memcpy (&values, row, sizeof values);
  return values * weight;
}

/* Always all 8 rows, so that the loop unrolls; in two sums, so that one does not
 * wait for the other. */
LB_TARGET_CLONES
static void
resample_8 (const float *origin,
            gssize stride,
            const LbWorldTap *taps,
            const float *table,
            gsize count,
            float *out)
{
  for (gsize i = 0; i < count; i++)
    {
      const LbWorldTap *tap = &taps[i];
      const float *row = origin + tap->y * stride + tap->x;
      const float *along = table + (gsize) tap->phase_x * 8;
      const float *across = table + (gsize) tap->phase_y * 8;
      Vector8 even = weighted_8 (row, across[0]);
      Vector8 odd = weighted_8 (row + stride, across[1]);
      Vector8 weights;

      even += weighted_8 (row + 2 * stride, across[2]);
      odd += weighted_8 (row + 3 * stride, across[3]);
      even += weighted_8 (row + 4 * stride, across[4]);
      odd += weighted_8 (row + 5 * stride, across[5]);
      even += weighted_8 (row + 6 * stride, across[6]);
      odd += weighted_8 (row + 7 * stride, across[7]);
      memcpy (&weights, along, sizeof weights);
      even = (even + odd) * weights;
      out[i] = sum_of_8 (&even);
    }
}

G_ALWAYS_INLINE static inline Vector16
weighted_16 (const float *row, float weight)
{
  Vector16 values;

  memcpy (&values, row, sizeof values);
  return values * weight;
}

LB_TARGET_CLONES
static void
resample_16 (const float *origin,
             gssize stride,
             const LbWorldTap *taps,
             const float *table,
             guint first,
             guint height,
             gsize count,
             float *out)
{
  for (gsize i = 0; i < count; i++)
    {
      const LbWorldTap *tap = &taps[i];
      const float *row = origin + (tap->y + (int) first) * stride + tap->x;
      const float *along = table + (gsize) tap->phase_x * 16;
      const float *across = table + (gsize) tap->phase_y * 16 + first;
      Vector16 even = { 0 }, odd = { 0 };
      Vector16 weights;
      Vector8 low, high;

      for (guint j = 0; j < height; j += 2)
        {
          even += weighted_16 (row, across[j]);
          odd += weighted_16 (row + stride, across[j + 1]);
          row += 2 * stride;
        }
      memcpy (&weights, along, sizeof weights);
      even = (even + odd) * weights;
      memcpy (&low, &even, sizeof low);
      memcpy (&high, (const char *) &even + sizeof low, sizeof high);
      low += high;
      out[i] = sum_of_8 (&low);
    }
}

void
lb_kernel_resample (const LbWorldPlane *plane,
                    const LbWorldTap *taps,
                    const LbWorldKernel *kernel,
                    gsize count,
                    float *out)
{
  if (kernel->width == 8)
    resample_8 (plane->data, (gssize) plane->stride, taps, kernel->table, count, out);
  else
    resample_16 (plane->data, (gssize) plane->stride, taps, kernel->table, kernel->first, kernel->height, count, out);
}

void
lb_kernel_resample_reference (const LbWorldPlane *plane,
                              const LbWorldTap *taps,
                              const LbWorldKernel *kernel,
                              gsize count,
                              float *out)
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
    out[i] = (signal[i] * signal_scale + stray[i] * stray_scale) * speckle[i] + dark[i] * dark_scale;
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
