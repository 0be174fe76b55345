/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-random.h"

#include <string.h>

#include "lb-random-private.h"

#define GROUP LB_PHILOX_GROUP
#define LANES LB_PHILOX_LANES

/* Runs the kernel on the groups that the numbers fill, and by way of a copy on
 * those at the ends. Numbers of every kind take four bytes. */
static void
fill (LbRandomKernel kernel,
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

  lb_random_philox_block (key, G_MAXUINT64, label, words);
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

  lb_random_philox_block (key, stream, index / GROUP * LANES + index % LANES, words);
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
  return lb_random_normal_quantile (lb_random_bits_at (key, stream, index));
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

  fill (lb_random_get_kernels ()->bits, key, stream, first, count, NULL, out);
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

  fill (lb_random_get_kernels ()->uniform, key, stream, first, count, NULL, (guint32 *) (void *) out);
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

  fill (lb_random_get_kernels ()->normal, key, stream, first, count, NULL, (guint32 *) (void *) out);
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

  fill (lb_random_get_kernels ()->poisson, key, stream, first, count, lambda, (guint32 *) (void *) out);
}
