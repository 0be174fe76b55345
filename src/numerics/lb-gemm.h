/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "lb-matrix.h"

G_BEGIN_DECLS

/*
 * out = a b^T; a is (m, d), b is (n, d), out is (m, n), allocated by the
 * caller. OpenBLAS, single-threaded, on fixed blocks that OpenMP runs in
 * parallel: the same bytes for any number of threads.
 */
void lb_gemm_nt (const LbMatrix *a, const LbMatrix *b, LbMatrix *out);
/* The same for each of @heads products that lie below each other: a (heads m, d), b
 * (heads n, d), out (heads m, n). */
void lb_gemm_nt_heads (const LbMatrix *a, const LbMatrix *b, LbMatrix *out, gsize heads);
/* One block of such a product, in the calling thread: @rows of @a by @columns of
 * @b, @depth long, strides in floats; for callers with a parallel region of
 * their own. */
void lb_gemm_nt_block (const float *a,
                       gsize a_stride,
                       const float *b,
                       gsize b_stride,
                       gsize depth,
                       float *out,
                       gsize out_stride,
                       gsize rows,
                       gsize columns);
/* The same, plain loops with double accumulators; for tests. */
void lb_gemm_nt_reference (const LbMatrix *a, const LbMatrix *b, LbMatrix *out);

/* Number of threads that the numeric kernels use (OpenMP); 0 means one a core. */
void lb_numerics_set_threads (guint threads);
guint lb_numerics_get_threads (void);
/* The same for a loop over so many values, 1 where it is over before a second
 * thread has begun. */
guint lb_numerics_get_threads_for (gsize values);

G_END_DECLS
