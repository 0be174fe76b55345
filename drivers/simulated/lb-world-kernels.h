/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "lb-world-optics.h"

G_BEGIN_DECLS

/*
 * The loops over pixels that cost time. Each takes one row (or any run of
 * neighbouring pixels) and gives for every pixel the same bits, whatever the
 * length of the run and the machine's vectors.
 */

/* Threads that are worth their start for @pixels of a loop that takes @cost
 * nanoseconds a pixel. */
guint lb_kernel_threads (gsize pixels, guint cost);

/* Shares of the four products of target and change of the two planes in the
 * light of an exposure: (source + source_change e_s) (weight + weight_change e_w),
 * averaged over the exposure. */
typedef struct
{
  float both;           /* share of the exposure that this counts for */
  float source_change;  /* mean of e_s */
  float weight_change;  /* mean of e_w */
  float product_change; /* mean of e_s e_w */
} LbWorldShares;

/* out = scale * nonuniformity * emission[levels]. */
void lb_kernel_emission (const guint8 *levels,
                         const float *nonuniformity,
                         const float emission[256],
                         float scale,
                         gsize count,
                         float *out);
/* out = floor + range * sin^2 (pi phase[levels] scale). */
void lb_kernel_transmission (const guint8 *levels,
                             const float *scale,
                             const float phase[256],
                             float floor,
                             float range,
                             gsize count,
                             float *out);
/* previous = target + (previous - target) * share. */
void lb_kernel_carry (const float *target, float share, gsize count, float *previous);
/* out (+)= illumination * light through the weight plane. */
void lb_kernel_product (const float *source,
                        const float *source_previous,
                        const float *weight,
                        const float *weight_previous,
                        const float *illumination,
                        const LbWorldShares *shares,
                        gboolean add,
                        gsize count,
                        float *out);
/* out[i] = sum of the kernel at taps[i] over @plane. */
void lb_kernel_resample (
    const LbWorldPlane *plane, const LbWorldTap *taps, const LbWorldKernel *kernel, gsize count, float *out);
/* The same, plain loops; for tests. */
void lb_kernel_resample_reference (
    const LbWorldPlane *plane, const LbWorldTap *taps, const LbWorldKernel *kernel, gsize count, float *out);
/* out (+)= value * factor. */
void lb_kernel_multiply (const float *value, const float *factor, gboolean add, gsize count, float *out);
/* Mean electrons: signal * signal_scale * speckle + stray * stray_scale + dark * dark_scale. */
void lb_kernel_mean (const float *signal,
                     const float *stray,
                     const float *speckle,
                     const float *dark,
                     float signal_scale,
                     float stray_scale,
                     float dark_scale,
                     gsize count,
                     float *out);
/* out[x] = max (1 + contrast * normal[(first + x) / cell - first / cell], 0). */
void
lb_kernel_speckle (const float *normal, float contrast, guint first, guint cell, gsize count, float *out);

/* From electrons to digital numbers. */
typedef struct
{
  float full_well;
  float read_noise; /* electrons rms */
  float row;        /* electrons that this row is off by */
  float dn_per_electron;
  float offset_scale; /* of offset_dn, for depths below the largest */
  float largest;      /* 2^bits - 1 */
} LbWorldAdc;

void lb_kernel_convert (const float *electrons,
                        const float *normal,
                        const float *offset_dn,
                        const LbWorldAdc *adc,
                        gsize count,
                        guint16 *out);

G_END_DECLS
