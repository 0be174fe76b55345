/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-random.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "lb-philox-private.h"
#include "lb-target-clones.h"

#define GROUP LB_PHILOX_GROUP
#define LANES LB_PHILOX_LANES

/* Means from here on take the series. */
#define SERIES_MEAN 20.0f
/* No count of a mean below that is larger; 56 has a probability of 2e-10. */
#define SEARCH_LIMIT 128
/* Steps of the search between two looks whether it has ended. */
#define SEARCH_STEPS 4

/* Fills whole groups; @lambda only of the Poisson fill. */
typedef void (*GroupKernel) (
    LbRandomKey key, guint64 stream, guint64 group, gsize groups, const float *lambda, void *out);

/* Ten rounds of Philox (Salmon et al., section 3.3) over one block. */
G_ALWAYS_INLINE static inline void
philox_block (LbRandomKey key, guint64 stream, guint64 block, guint32 words[4])
{
  guint32 c0 = (guint32) block;
  guint32 c1 = (guint32) (block >> 32);
  guint32 c2 = (guint32) stream;
  guint32 c3 = (guint32) (stream >> 32);
  guint32 k0 = key.word[0];
  guint32 k1 = key.word[1];

#pragma GCC unroll 10
  for (guint round = 0; round < LB_PHILOX_ROUNDS; round++)
    {
      guint64 product0 = (guint64) LB_PHILOX_MULTIPLIER_0 * c0;
      guint64 product1 = (guint64) LB_PHILOX_MULTIPLIER_1 * c2;

      c0 = (guint32) (product1 >> 32) ^ c1 ^ k0;
      c1 = (guint32) product1;
      c2 = (guint32) (product0 >> 32) ^ c3 ^ k1;
      c3 = (guint32) product0;
      k0 += LB_PHILOX_WEYL_0;
      k1 += LB_PHILOX_WEYL_1;
    }

  words[0] = c0;
  words[1] = c1;
  words[2] = c2;
  words[3] = c3;
}

G_ALWAYS_INLINE static inline void
philox_group (LbRandomKey key, guint64 stream, guint64 group, guint32 bits[GROUP])
{
  guint64 block = group * LANES;

  for (gsize lane = 0; lane < LANES; lane++)
    {
      guint32 words[4];

      /* An or instead of a sum: nothing is carried into the upper word. */
      philox_block (key, stream, block | lane, words);
      bits[lane] = words[0];
      bits[lane + LANES] = words[1];
      bits[lane + 2 * LANES] = words[2];
      bits[lane + 3 * LANES] = words[3];
    }
}

G_ALWAYS_INLINE static inline float
float_of_bits (guint32 bits)
{
  float value;

  memcpy (&value, &bits, sizeof value);
  return value;
}

G_ALWAYS_INLINE static inline guint32
bits_of_float (float value)
{
  guint32 bits;

  memcpy (&bits, &value, sizeof bits);
  return bits;
}

/* -log2 (y) for normal y in (0, 1]; minimax polynomial of log2 (1 + r) / r over
 * sqrt (1/2) - 1 <= r < sqrt (2) - 1, good to 5e-8. */
G_ALWAYS_INLINE static inline float
minus_log2 (float y)
{
  const guint32 sqrt_half = 0x3F3504F3;
  gint32 above = (gint32) (bits_of_float (y) - sqrt_half);
  float exponent = (float) (above >> 23);
  float r = float_of_bits (((guint32) above & 0x7FFFFF) + sqrt_half) - 1.0f;
  float q;

  q = 0.236890382f - 0.145744482f * r;
  q = -0.25006904f + q * r;
  q = 0.286707455f + q * r;
  q = -0.360087216f + q * r;
  q = 0.480939445f + q * r;
  q = -0.721357149f + q * r;
  q = 1.44269477f + q * r;
  return -exponent - q * r;
}

/*
 * The standard normal quantile of (bits + 1/2) / 2^32, good to 4e-7 of its
 * value. After Giles, "Approximating the erfinv function", GPU Computing Gems
 * 2, 2011: with x = 2 u - 1 and w = -log (1 - x^2) the quantile is x times a
 * smooth function of w up to 5 and of sqrt (w) beyond; the minimax polynomials
 * are our own, of log2 and up to the largest w of 32 bits.
 */
G_ALWAYS_INLINE static inline float
normal_quantile (guint32 bits)
{
  /* 2^31 x = centred + 1/2; the distances to the middle and to the end are both
   * worked out in whole numbers, so that neither loses digits. */
  gint32 centred = (gint32) (bits ^ 0x80000000u);
  gint32 sign = centred >> 31;
  gint32 inner = centred ^ sign;
  gint32 outer = G_MAXINT32 - inner;
  float x = ((float) inner + 0.5f) * 0x1p-31f;
  float rest = ((float) outer + 0.5f) * 0x1p-31f;
  float w = minus_log2 (rest * (2.0f - rest));
  gboolean central = w < 7.2134752f;
  float v = central ? w - 3.6067376f : sqrtf (w) - 4.1340519f;
  float q;

  q = central ? 2.15029219e-09f : -6.45213893e-06f;
  q = (central ? 3.73686496e-08f : -7.24374576e-05f) + q * v;
  q = (central ? -5.5348077e-07f : 0.000322443499f) + q * v;
  q = (central ? -9.94895692e-07f : -0.000535865855f) + q * v;
  q = (central ? 7.13627179e-05f : 0.000825688946f) + q * v;
  q = (central ? -0.00059045609f : -0.00187786365f) + q * v;
  q = (central ? -0.00283859855f : 0.0036106894f) + q * v;
  q = (central ? 0.24177158f : 1.18560645f) + q * v;
  q = (central ? 2.12331357f : 4.63422464f) + q * v;
  return float_of_bits (bits_of_float (q * x) | ((guint32) sign & 0x80000000u));
}

/* floor (x) for |x| < 2^22, some whole number within 1 of x up to 2^24, x itself
 * beyond. floorf() is a call to libm on the lowest level. */
G_ALWAYS_INLINE static inline float
whole_below (float x)
{
  const float whole = 0x1.8p23f;
  float nearest = (x + whole) - whole;

  return nearest > x ? nearest - 1.0f : nearest;
}

/*
 * The Poisson quantile in the standard normal variate w (Giles, Algorithm 955,
 * section 2.3, and the next term of the same series, worked out from the
 * inverse of the incomplete gamma function at large means). Whole and broken
 * parts of the mean are kept apart so that large means lose no digits.
 */
G_ALWAYS_INLINE static inline float
poisson_series (float lambda, float w)
{
  float root = sqrtf (lambda);
  float scale = 1.0f / root;
  float square = w * w;
  float whole = whole_below (lambda);
  float sum, count;

  sum = (671.0f / 38880 - square * (137.0f / 38880 + square * (23.0f / 17280))) * w;
  sum = -8.0f / 405 + square * (7.0f / 810 + square * (1.0f / 270)) + sum * scale;
  sum = w * (-1.0f / 36 - square * (1.0f / 72)) + sum * scale;
  sum = 1.0f / 3 + square * (1.0f / 6) + sum * scale;
  sum = root * w + sum;
  count = whole + whole_below (sum + (lambda - whole));
  return count > 0.0f ? count : 0.0f;
}

/* exp (-x) for 0 <= x <= 20, good to 1e-13 of its value; Taylor's series over
 * half a binary exponent. */
G_ALWAYS_INLINE static inline double
exp_minus (double x)
{
  const double whole = 0x1.8p52;
  double shifted = whole - x * 0x1.71547652b82fep0;
  double exponent = shifted - whole;
  double r = -x - exponent * 0x1.62e42fefa39efp-1;
  guint64 bits;
  double scale, sum;

  memcpy (&bits, &shifted, sizeof bits);
  bits = (bits + 1023) << 52;
  memcpy (&scale, &bits, sizeof scale);

  sum = 1.0 / 3628800;
  sum = 1.0 / 362880 + sum * r;
  sum = 1.0 / 40320 + sum * r;
  sum = 1.0 / 5040 + sum * r;
  sum = 1.0 / 720 + sum * r;
  sum = 1.0 / 120 + sum * r;
  sum = 1.0 / 24 + sum * r;
  sum = 1.0 / 6 + sum * r;
  sum = 0.5 + sum * r;
  sum = 1.0 + sum * r;
  sum = 1.0 + sum * r;
  return sum * scale;
}

/* Inverts the distribution functions of a group by adding up their terms. */
G_ALWAYS_INLINE static inline void
poisson_search (const guint32 bits[GROUP], const float lambda[GROUP], float out[GROUP])
{
  double mean[GROUP], uniform[GROUP], term[GROUP], sum[GROUP], count[GROUP];

  for (gsize i = 0; i < GROUP; i++)
    {
      mean[i] = lambda[i] < SERIES_MEAN ? (double) lambda[i] : 0.0;
      uniform[i] = ((double) (gint32) (bits[i] ^ 0x80000000u) + (0x1p31 + 0.5)) * 0x1p-32;
      term[i] = exp_minus (mean[i]);
      sum[i] = term[i];
      count[i] = 0;
    }

  for (guint k = 0; k < SEARCH_LIMIT; k += SEARCH_STEPS)
    {
      const double one_over[SEARCH_STEPS] = { 1.0 / (k + 1), 1.0 / (k + 2), 1.0 / (k + 3), 1.0 / (k + 4) };
      guint64 unfinished = 0;

      for (gsize i = 0; i < GROUP; i++)
        {
#pragma GCC unroll 4
          for (guint step = 0; step < SEARCH_STEPS; step++)
            {
              count[i] += uniform[i] > sum[i] ? 1.0 : 0.0;
              term[i] *= mean[i] * one_over[step];
              sum[i] += term[i];
            }
          unfinished |= uniform[i] > sum[i] ? 1 : 0;
        }
      if (unfinished == 0)
        break;
    }

  for (gsize i = 0; i < GROUP; i++)
    out[i] = lambda[i] < SERIES_MEAN ? (float) count[i] : out[i];
}

LB_TARGET_CLONES
static void
bits_groups (LbRandomKey key, guint64 stream, guint64 group, gsize groups, const float *lambda, void *out)
{
  for (gsize i = 0; i < groups; i++)
    {
      guint32 bits[GROUP];

      philox_group (key, stream, group + i, bits);
      memcpy ((guint32 *) out + i * GROUP, bits, sizeof bits);
    }
}

LB_TARGET_CLONES
static void
uniform_groups (LbRandomKey key, guint64 stream, guint64 group, gsize groups, const float *lambda, void *out)
{
  for (gsize i = 0; i < groups; i++)
    {
      guint32 bits[GROUP];
      float *values = (float *) out + i * GROUP;

      philox_group (key, stream, group + i, bits);
      for (gsize j = 0; j < GROUP; j++)
        values[j] = (float) (gint32) (bits[j] >> 8) * 0x1p-24f;
    }
}

LB_TARGET_CLONES
static void
normal_groups (LbRandomKey key, guint64 stream, guint64 group, gsize groups, const float *lambda, void *out)
{
  for (gsize i = 0; i < groups; i++)
    {
      guint32 bits[GROUP];
      float *values = (float *) out + i * GROUP;

      philox_group (key, stream, group + i, bits);
      for (gsize j = 0; j < GROUP; j++)
        values[j] = normal_quantile (bits[j]);
    }
}

LB_TARGET_CLONES
static void
poisson_groups (LbRandomKey key, guint64 stream, guint64 group, gsize groups, const float *lambda, void *out)
{
  for (gsize i = 0; i < groups; i++)
    {
      guint32 bits[GROUP];
      float mean[GROUP], values[GROUP];
      guint32 small = 0, large = 0;

      philox_group (key, stream, group + i, bits);
      for (gsize j = 0; j < GROUP; j++)
        {
          float given = lambda[i * GROUP + j];

          mean[j] = given > 0.0f && given <= FLT_MAX ? given : 0.0f;
          small |= mean[j] < SERIES_MEAN ? 1 : 0;
          large |= mean[j] >= SERIES_MEAN ? 1 : 0;
        }
      if (large)
        for (gsize j = 0; j < GROUP; j++)
          values[j] =
              poisson_series (mean[j] >= SERIES_MEAN ? mean[j] : SERIES_MEAN, normal_quantile (bits[j]));
      if (small)
        poisson_search (bits, mean, values);
      memcpy ((float *) out + i * GROUP, values, sizeof values);
    }
}

/* Runs the kernel on the groups that the numbers fill, and by way of a copy on
 * those at the ends. Numbers of every kind take four bytes. */
static void
fill (GroupKernel kernel,
      LbRandomKey key,
      guint64 stream,
      guint64 first,
      gsize count,
      const float *lambda,
      guint32 *out)
{
  while (count > 0)
    {
      gsize offset = (gsize) (first % GROUP);
      gsize taken = count - count % GROUP;

      if (offset == 0 && taken > 0)
        kernel (key, stream, first / GROUP, taken / GROUP, lambda, out);
      else
        {
          guint32 values[GROUP];
          float mean[GROUP] = { 0 };

          taken = MIN (GROUP - offset, count);
          if (lambda != NULL)
            memcpy (mean + offset, lambda, taken * sizeof (float));
          kernel (key, stream, first / GROUP, 1, mean, values);
          memcpy (out, values + offset, taken * sizeof (guint32));
        }

      first += taken;
      count -= taken;
      out += taken;
      if (lambda != NULL)
        lambda += taken;
    }
}

/**
 * lb_random_key:
 * @seed: any number
 *
 * Returns: the key of that seed; neighbouring seeds have unrelated keys.
 */
LbRandomKey
lb_random_key (guint64 seed)
{
  return lb_random_key_derive ((LbRandomKey){ { 0, 0 } }, seed);
}

/**
 * lb_random_key_derive:
 * @key: a key
 * @label: what tells its children apart
 *
 * Returns: the key of that child: two words of a block of Philox under @key,
 * of the last stream, which is kept for that.
 */
LbRandomKey
lb_random_key_derive (LbRandomKey key, guint64 label)
{
  guint32 words[4];

  philox_block (key, G_MAXUINT64, label, words);
  return (LbRandomKey){ { words[0], words[1] } };
}

/**
 * lb_random_bits_at:
 * @key: a key
 * @stream: a stream of it, below 2^64 - 1
 * @index: which number
 *
 * Returns: 32 random bits.
 */
guint32
lb_random_bits_at (LbRandomKey key, guint64 stream, guint64 index)
{
  guint32 words[4];

  philox_block (key, stream, index / GROUP * LANES + index % LANES, words);
  return words[index % GROUP / LANES];
}

/**
 * lb_random_uniform_at:
 * @key: a key
 * @stream: a stream of it, below 2^64 - 1
 * @index: which number
 *
 * Returns: bits / 2^32, in [0, 1). The fill gives it rounded down to the 24
 * bits of a float.
 */
double
lb_random_uniform_at (LbRandomKey key, guint64 stream, guint64 index)
{
  return lb_random_bits_at (key, stream, index) * 0x1p-32;
}

/**
 * lb_random_normal_at:
 * @key: a key
 * @stream: a stream of it, below 2^64 - 1
 * @index: which number
 *
 * Returns: the standard normal quantile of (bits + 1/2) / 2^32, the same float
 * as from the fill.
 */
double
lb_random_normal_at (LbRandomKey key, guint64 stream, guint64 index)
{
  return normal_quantile (lb_random_bits_at (key, stream, index));
}

/**
 * lb_random_bits_fill:
 * @key: a key
 * @stream: a stream of it, below 2^64 - 1
 * @first: the first number
 * @count: how many
 * @out: (count)
 *
 * Fills @out with the bits of the numbers from @first on.
 */
void
lb_random_bits_fill (LbRandomKey key, guint64 stream, guint64 first, gsize count, guint32 *out)
{
  g_return_if_fail (count == 0 || out != NULL);

  fill (bits_groups, key, stream, first, count, NULL, out);
}

/**
 * lb_random_uniform_fill:
 * @key: a key
 * @stream: a stream of it, below 2^64 - 1
 * @first: the first number
 * @count: how many
 * @out: (count)
 *
 * Fills @out with uniform numbers in [0, 1): the upper 24 bits.
 */
void
lb_random_uniform_fill (LbRandomKey key, guint64 stream, guint64 first, gsize count, float *out)
{
  g_return_if_fail (count == 0 || out != NULL);

  fill (uniform_groups, key, stream, first, count, NULL, (guint32 *) (void *) out);
}

/**
 * lb_random_normal_fill:
 * @key: a key
 * @stream: a stream of it, below 2^64 - 1
 * @first: the first number
 * @count: how many
 * @out: (count)
 *
 * Fills @out with standard normal numbers, up to 6.3 either way.
 */
void
lb_random_normal_fill (LbRandomKey key, guint64 stream, guint64 first, gsize count, float *out)
{
  g_return_if_fail (count == 0 || out != NULL);

  fill (normal_groups, key, stream, first, count, NULL, (guint32 *) (void *) out);
}

/**
 * lb_random_poisson_fill:
 * @key: a key
 * @stream: a stream of it, below 2^64 - 1
 * @first: the first number
 * @count: how many
 * @lambda: (count) means; those that are not positive and finite count as 0
 * @out: (count) counts, as whole numbers; may be @lambda
 *
 * Fills @out with Poisson counts: the quantiles of (bits + 1/2) / 2^32, exact
 * below a mean of 20. The series from there on is off by less than 0.011 of a
 * count within 4 standard deviations, 0.06 within 5, and by less the larger the
 * mean. Beyond 2^24, counts are what floats hold.
 */
void
lb_random_poisson_fill (
    LbRandomKey key, guint64 stream, guint64 first, gsize count, const float *lambda, float *out)
{
  g_return_if_fail (count == 0 || (lambda != NULL && out != NULL));

  fill (poisson_groups, key, stream, first, count, lambda, (guint32 *) (void *) out);
}
