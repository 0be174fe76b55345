/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "lb-philox-private.h"

G_BEGIN_DECLS

/* Fills @groups whole groups of 64 numbers from group @group on; @lambda, the
 * means, only of the Poisson kernel. Numbers of every kind take four bytes. */
typedef void (*LbRandomKernel) (
    LbRandomKey key, guint64 stream, guint64 group, gsize groups, const float *lambda, void *out);

typedef struct
{
  LbRandomKernel bits;
  LbRandomKernel uniform;
  LbRandomKernel normal;
  LbRandomKernel poisson;
} LbRandomKernels;

/* Those of the level in force (lb-cpu-level.h); all levels give the same values. */
const LbRandomKernels *lb_random_get_kernels (void);

/* One block of Philox 4x32-10. */
void lb_random_philox_block (LbRandomKey key, guint64 stream, guint64 block, guint32 words[4]);
/* The standard normal quantile of (bits + 1/2) / 2^32, the same value as in a fill. */
float lb_random_normal_quantile (guint32 bits);

G_END_DECLS
