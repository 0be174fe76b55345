/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <lb-matrix.h>

G_BEGIN_DECLS

/*
 * Private to this library: what stays digital between the products. All work
 * on rows, in parallel, with sums in a fixed order: the same bytes for any
 * number of threads.
 */

/* out = (x - mean) / sqrt (variance + epsilon) * gain + bias, by rows; gain and
 * bias (1, columns) (Ba et al., "Layer normalization", 2016). */
void lb_kernel_layer_norm (
    const LbMatrix *x, const LbMatrix *gain, const LbMatrix *bias, double epsilon, LbMatrix *out);
/* In place, for (heads n, n), the scores of heads below each other: row i of a
 * head becomes softmax (scale x row i) over its columns 0 to i, and 0 behind
 * them (the causal mask). */
void lb_kernel_causal_softmax (LbMatrix *scores, float scale);
/* In place: min (max (x, 0), 6). */
void lb_kernel_relu6 (LbMatrix *x);
/* In place: x / 2 (1 + tanh (sqrt (2 / pi) (x + 0.044715 x^3))) (Hendrycks and
 * Gimpel, "Gaussian error linear units", 2016). */
void lb_kernel_gelu_tanh (LbMatrix *x);
/* In place: every row of @x plus the row @bias. */
void lb_kernel_add_bias (LbMatrix *x, const LbMatrix *bias);
/* In place: @x plus @y. */
void lb_kernel_add (LbMatrix *x, const LbMatrix *y);

G_END_DECLS
