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
/* The same, plain loops with double accumulators; for tests. */
void lb_gemm_nt_reference (const LbMatrix *a, const LbMatrix *b, LbMatrix *out);

/* Number of threads that the numeric kernels use (OpenMP); 0 means one a core. */
void lb_numerics_set_threads (guint threads);
guint lb_numerics_get_threads (void);

G_END_DECLS
