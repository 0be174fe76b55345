/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/*
 * Counter-based random numbers: Philox 4x32-10 (Salmon et al., "Parallel
 * random numbers: as easy as 1, 2, 3", SC11). A number is a function of its
 * key, its stream and its index alone, so results depend neither on the order
 * of calls nor on the number of threads.
 */

/* 64 bits of key; make one with lb_random_key() and narrow it with
 * lb_random_key_derive() (seed -> run -> device -> purpose). */
typedef struct
{
  guint32 word[2];
} LbRandomKey;

LbRandomKey lb_random_key (guint64 seed);
LbRandomKey lb_random_key_derive (LbRandomKey key, guint64 label);

/* Number @index of @stream under @key, and the fills of @count numbers from
 * @first on: out[i] == number (first + i). */
guint32 lb_random_bits_at (LbRandomKey key, guint64 stream, guint64 index);
double lb_random_uniform_at (LbRandomKey key, guint64 stream, guint64 index); /* [0, 1), 32 bits */
double lb_random_normal_at (LbRandomKey key, guint64 stream, guint64 index);  /* same value as the fill */
void lb_random_bits_fill (LbRandomKey key, guint64 stream, guint64 first, gsize count, guint32 *out);
void lb_random_uniform_fill (LbRandomKey key, guint64 stream, guint64 first, gsize count, float *out);
/* Standard normal. */
void lb_random_normal_fill (LbRandomKey key, guint64 stream, guint64 first, gsize count, float *out);
/* Poisson counts with means lambda[i] >= 0 (a mean that is not a positive
 * number counts as 0). Exact inversion below 20, above that the asymptotic
 * series of the inverse distribution function in a normal variate (Giles,
 * "Algorithm 955", ACM TOMS 42, 2016). Values are whole numbers. @out may be
 * @lambda. */
void lb_random_poisson_fill (
    LbRandomKey key, guint64 stream, guint64 first, gsize count, const float *lambda, float *out);

/* Plain, slow references of the fast fills, for tests. */
void
lb_random_normal_fill_reference (LbRandomKey key, guint64 stream, guint64 first, gsize count, float *out);
void lb_random_poisson_fill_reference (
    LbRandomKey key, guint64 stream, guint64 first, gsize count, const float *lambda, float *out);

G_END_DECLS
