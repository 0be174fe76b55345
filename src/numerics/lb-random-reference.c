/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-random.h"

#include <float.h>
#include <math.h>

#include "lb-philox-private.h"

/**
 * lb_philox_reference:
 * @counter: which block
 * @key: two words
 * @words: (out): the block
 *
 * Philox 4x32-10 as Salmon et al. (SC11), section 3.3, put it: each round
 * multiplies two words, permutes, and the key moves on by Weyl constants.
 */
void
lb_philox_reference (const guint32 counter[4], const guint32 key[2], guint32 words[4])
{
  guint32 round_key[2] = { key[0], key[1] };

  for (guint i = 0; i < 4; i++)
    words[i] = counter[i];

  for (guint round = 0; round < LB_PHILOX_ROUNDS; round++)
    {
      guint64 left = (guint64) LB_PHILOX_MULTIPLIER_0 * words[0];
      guint64 right = (guint64) LB_PHILOX_MULTIPLIER_1 * words[2];
      guint32 next[4] = { (guint32) (right >> 32) ^ words[1] ^ round_key[0], (guint32) right,
                          (guint32) (left >> 32) ^ words[3] ^ round_key[1], (guint32) left };

      for (guint i = 0; i < 4; i++)
        words[i] = next[i];
      round_key[0] += LB_PHILOX_WEYL_0;
      round_key[1] += LB_PHILOX_WEYL_1;
    }
}

static guint32
bits_of_number (LbRandomKey key, guint64 stream, guint64 index)
{
  guint64 block = index / LB_PHILOX_GROUP * LB_PHILOX_LANES + index % LB_PHILOX_LANES;
  guint32 counter[4] = { (guint32) block, (guint32) (block >> 32), (guint32) stream,
                         (guint32) (stream >> 32) };
  guint32 words[4];

  lb_philox_reference (counter, key.word, words);
  return words[index % LB_PHILOX_GROUP / LB_PHILOX_LANES];
}

/* The quantile of (bits + 1/2) / 2^32 by Newton's method on the logarithm of
 * the tail, which is concave: from the second step on it comes from one side. */
static double
normal_quantile (guint32 bits)
{
  double below = (bits + 0.5) * 0x1p-32;
  double tail = MIN (below, 1 - below);
  double z = 0;

  for (guint step = 0; step < 40; step++)
    {
      double reached = 0.5 * erfc (z * G_SQRT2 / 2);
      double density = exp (-0.5 * z * z) / sqrt (2 * G_PI);
      double move = log (reached / tail) * reached / density;

      z += move;
      if (fabs (move) < 1e-13)
        break;
    }
  return below < 0.5 ? -z : z;
}

static double
poisson_search (guint32 bits, double lambda)
{
  double below = (bits + 0.5) * 0x1p-32;
  double term = exp (-lambda);
  double sum = term;
  guint count = 0;

  while (below > sum && count < 1000)
    {
      count++;
      term *= lambda / count;
      sum += term;
    }
  return count;
}

static double
poisson_series (guint32 bits, double lambda)
{
  double w = normal_quantile (bits);
  double quantile = lambda + sqrt (lambda) * w;

  quantile += 1.0 / 3 + w * w / 6;
  quantile -= (w / 36 + pow (w, 3) / 72) / sqrt (lambda);
  quantile += (-8.0 / 405 + 7 * w * w / 810 + pow (w, 4) / 270) / lambda;
  quantile += (671 * w / 38880 - 137 * pow (w, 3) / 38880 - 23 * pow (w, 5) / 17280) / pow (lambda, 1.5);
  return MAX (floor (quantile), 0);
}

/**
 * lb_random_normal_fill_reference:
 * @key: a key
 * @stream: a stream of it
 * @first: the first number
 * @count: how many
 * @out: (count)
 *
 * As lb_random_normal_fill(), in doubles with libm, number by number; the fill
 * agrees within 6e-7 of the value (1e-7 next to 0).
 */
void
lb_random_normal_fill_reference (LbRandomKey key, guint64 stream, guint64 first, gsize count, float *out)
{
  g_return_if_fail (count == 0 || out != NULL);

  for (gsize i = 0; i < count; i++)
    out[i] = (float) normal_quantile (bits_of_number (key, stream, first + i));
}

/**
 * lb_random_poisson_fill_reference:
 * @key: a key
 * @stream: a stream of it
 * @first: the first number
 * @count: how many
 * @lambda: (count) means
 * @out: (count)
 *
 * As lb_random_poisson_fill(), in doubles with libm, number by number. The fill
 * agrees, but where the quantile lies within the rounding of floats of a whole
 * number: below a mean of 20 with the count of every number but one in 1e8,
 * above by 1 for one in about 1e7 / sqrt (lambda).
 */
void
lb_random_poisson_fill_reference (
    LbRandomKey key, guint64 stream, guint64 first, gsize count, const float *lambda, float *out)
{
  g_return_if_fail (count == 0 || (lambda != NULL && out != NULL));

  for (gsize i = 0; i < count; i++)
    {
      guint32 bits = bits_of_number (key, stream, first + i);
      double mean = lambda[i] > 0 && lambda[i] <= FLT_MAX ? lambda[i] : 0;

      out[i] = (float) (mean < 20 ? poisson_search (bits, mean) : poisson_series (bits, mean));
    }
}
