/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-random-private.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "lb-cpu-level.h"

#if defined(__x86_64__)
#include <immintrin.h>
#define TARGET_AVX2 __attribute__ ((target ("avx2,fma,bmi2")))
#define AVX512 "avx2,fma,bmi2,avx512f,avx512bw,avx512cd,avx512dq,avx512vl"
#if defined(__clang__)
#define TARGET_AVX512 __attribute__ ((target (AVX512)))
#else
#define TARGET_AVX512 __attribute__ ((target (AVX512 ",prefer-vector-width=512")))
#endif
#endif

/*
 * The kernels are written once, as functions that are inlined into one wrapper
 * for each level; only Philox is written out for each. Every level gives the
 * same values: nothing is contracted or reordered, products are added by fma
 * where that is asked for, and no other function of libm is called.
 */

#define GROUP LB_PHILOX_GROUP
#define LANES LB_PHILOX_LANES
#define INLINE G_ALWAYS_INLINE static inline

/* Means from here on take the series. */
#define SERIES_MEAN 20.0f
/* No count of a mean below that is larger; 56 has a probability of 2e-10. */
#define SEARCH_LIMIT 128
/* Steps of the search between two looks whether it has ended. */
#define SEARCH_STEPS 4
/* -log2 (1 - x^2) from which on the quantile is a function of its root. */
#define TAIL 7.2134752f

/* One group of 64 numbers. */
typedef void (*PhiloxGroup) (LbRandomKey key, guint64 stream, guint64 group, guint32 bits[GROUP]);

/* ---- Philox ----------------------------------------------------------------- */

/* Ten rounds over one block (Salmon et al., section 3.3). */
INLINE void
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

INLINE void
philox_group_generic (LbRandomKey key, guint64 stream, guint64 group, guint32 bits[GROUP])
{
  guint64 block = group * LANES;

  for (gsize lane = 0; lane < LANES; lane++)
    {
      guint32 words[4];

      /* An or instead of a sum: nothing is carried into the upper word. */
      philox_block (key, stream, block | lane, words);
      for (gsize word = 0; word < 4; word++)
        bits[lane + word * LANES] = words[word];
    }
}

#if defined(__x86_64__)
/*
 * Words are kept in the lower halves of 64-bit lanes, where the multiplication
 * takes them from; what is in the upper halves does not matter. So a round is
 * two products, two shifts and four exclusive ors, without any shuffle.
 */
TARGET_AVX2 INLINE void
philox_group_avx2 (LbRandomKey key, guint64 stream, guint64 group, guint32 bits[GROUP])
{
  const __m256i m0 = _mm256_set1_epi64x (LB_PHILOX_MULTIPLIER_0);
  const __m256i m1 = _mm256_set1_epi64x (LB_PHILOX_MULTIPLIER_1);
  const __m256i lower = _mm256_setr_epi32 (0, 2, 4, 6, 0, 2, 4, 6);
  const guint64 block = group * LANES;
  __m256i word[4][4];

  for (gsize i = 0; i < 4; i++)
    {
      word[i][0] =
          _mm256_add_epi64 (_mm256_set1_epi64x ((gint64) (block + 4 * i)), _mm256_setr_epi64x (0, 1, 2, 3));
      word[i][1] = _mm256_set1_epi64x ((gint64) (block >> 32));
      word[i][2] = _mm256_set1_epi64x ((gint64) stream);
      word[i][3] = _mm256_set1_epi64x ((gint64) (stream >> 32));
    }
#pragma GCC unroll 10
  for (guint round = 0; round < LB_PHILOX_ROUNDS; round++)
    {
      const __m256i k0 = _mm256_set1_epi64x (key.word[0] + round * LB_PHILOX_WEYL_0);
      const __m256i k1 = _mm256_set1_epi64x (key.word[1] + round * LB_PHILOX_WEYL_1);

      for (gsize i = 0; i < 4; i++)
        {
          const __m256i product0 = _mm256_mul_epu32 (word[i][0], m0);
          const __m256i product1 = _mm256_mul_epu32 (word[i][2], m1);

          word[i][0] = _mm256_xor_si256 (_mm256_xor_si256 (_mm256_srli_epi64 (product1, 32), word[i][1]), k0);
          word[i][1] = product1;
          word[i][2] = _mm256_xor_si256 (_mm256_xor_si256 (_mm256_srli_epi64 (product0, 32), word[i][3]), k1);
          word[i][3] = product0;
        }
    }
  for (gsize i = 0; i < 4; i++)
    for (gsize j = 0; j < 4; j++)
      _mm_storeu_si128 ((__m128i *) (void *) (bits + j * LANES + 4 * i),
                        _mm256_castsi256_si128 (_mm256_permutevar8x32_epi32 (word[i][j], lower)));
}

TARGET_AVX512 INLINE void
philox_group_avx512 (LbRandomKey key, guint64 stream, guint64 group, guint32 bits[GROUP])
{
  const __m512i m0 = _mm512_set1_epi64 (LB_PHILOX_MULTIPLIER_0);
  const __m512i m1 = _mm512_set1_epi64 (LB_PHILOX_MULTIPLIER_1);
  const guint64 block = group * LANES;
  __m512i word[2][4];

  for (gsize i = 0; i < 2; i++)
    {
      word[i][0] = _mm512_add_epi64 (_mm512_set1_epi64 ((gint64) (block + 8 * i)),
                                     _mm512_setr_epi64 (0, 1, 2, 3, 4, 5, 6, 7));
      word[i][1] = _mm512_set1_epi64 ((gint64) (block >> 32));
      word[i][2] = _mm512_set1_epi64 ((gint64) stream);
      word[i][3] = _mm512_set1_epi64 ((gint64) (stream >> 32));
    }
#pragma GCC unroll 10
  for (guint round = 0; round < LB_PHILOX_ROUNDS; round++)
    {
      const __m512i k0 = _mm512_set1_epi64 (key.word[0] + round * LB_PHILOX_WEYL_0);
      const __m512i k1 = _mm512_set1_epi64 (key.word[1] + round * LB_PHILOX_WEYL_1);

      for (gsize i = 0; i < 2; i++)
        {
          const __m512i product0 = _mm512_mul_epu32 (word[i][0], m0);
          const __m512i product1 = _mm512_mul_epu32 (word[i][2], m1);

          /* 0x96: the exclusive or of three. */
          word[i][0] = _mm512_ternarylogic_epi64 (_mm512_srli_epi64 (product1, 32), word[i][1], k0, 0x96);
          word[i][1] = product1;
          word[i][2] = _mm512_ternarylogic_epi64 (_mm512_srli_epi64 (product0, 32), word[i][3], k1, 0x96);
          word[i][3] = product0;
        }
    }
  for (gsize i = 0; i < 2; i++)
    for (gsize j = 0; j < 4; j++)
      _mm256_storeu_si256 ((__m256i *) (void *) (bits + j * LANES + 8 * i),
                           _mm512_cvtepi64_epi32 (word[i][j]));
}
#endif

/* ---- The normal quantile ---------------------------------------------------- */

INLINE float
float_of_bits (guint32 bits)
{
  float value;

  memcpy (&value, &bits, sizeof value);
  return value;
}

INLINE guint32
bits_of_float (float value)
{
  guint32 bits;

  memcpy (&bits, &value, sizeof bits);
  return bits;
}

/* a b + c, rounded once. */
INLINE float
fused (float a, float b, float c)
{
  return __builtin_fmaf (a, b, c);
}

/* -log2 (y) for normal y in (0, 1]; minimax polynomial of log2 (1 + r) / r over
 * sqrt (1/2) - 1 <= r < sqrt (2) - 1, good to 5e-8. */
INLINE float
minus_log2 (float y)
{
  const guint32 sqrt_half = 0x3F3504F3;
  gint32 above = (gint32) (bits_of_float (y) - sqrt_half);
  float exponent = (float) (above >> 23);
  float r = float_of_bits (((guint32) above & 0x7FFFFF) + sqrt_half) - 1.0f;
  float q;

  q = fused (-0.145744482f, r, 0.236890382f);
  q = fused (q, r, -0.25006904f);
  q = fused (q, r, 0.286707455f);
  q = fused (q, r, -0.360087216f);
  q = fused (q, r, 0.480939445f);
  q = fused (q, r, -0.721357149f);
  q = fused (q, r, 1.44269477f);
  return fused (-q, r, -exponent);
}

/*
 * The standard normal quantile of (bits + 1/2) / 2^32, good to 4e-7 of its
 * value. After Giles, "Approximating the erfinv function", GPU Computing Gems
 * 2, 2011: with x = 2 u - 1 and w = -log (1 - x^2) the quantile is x times a
 * smooth function of w up to 5 and of sqrt (w) beyond; the minimax polynomials
 * are our own, of log2 and up to the largest w of 32 bits.
 *
 * These are |x| and w, and the two functions.
 */
INLINE void
quantile_argument (guint32 bits, float *x, float *w)
{
  /* 2^31 x = centred + 1/2; the distances to the middle and to the end are both
   * worked out in whole numbers, so that neither loses digits. */
  gint32 centred = (gint32) (bits ^ 0x80000000u);
  gint32 inner = centred ^ (centred >> 31);
  gint32 outer = G_MAXINT32 - inner;
  float rest = fused ((float) outer, 0x1p-31f, 0x1p-32f);

  *x = fused ((float) inner, 0x1p-31f, 0x1p-32f);
  *w = minus_log2 (rest * (2.0f - rest));
}

INLINE float
central_function (float w)
{
  float v = w - 3.6067376f;
  float q = fused (2.15029219e-09f, v, 3.73686496e-08f);

  q = fused (q, v, -5.5348077e-07f);
  q = fused (q, v, -9.94895692e-07f);
  q = fused (q, v, 7.13627179e-05f);
  q = fused (q, v, -0.00059045609f);
  q = fused (q, v, -0.00283859855f);
  q = fused (q, v, 0.24177158f);
  return fused (q, v, 2.12331357f);
}

INLINE float
tail_function (float w)
{
  float v = sqrtf (w) - 4.1340519f;
  float q = fused (-6.45213893e-06f, v, -7.24374576e-05f);

  q = fused (q, v, 0.000322443499f);
  q = fused (q, v, -0.000535865855f);
  q = fused (q, v, 0.000825688946f);
  q = fused (q, v, -0.00187786365f);
  q = fused (q, v, 0.0036106894f);
  q = fused (q, v, 1.18560645f);
  return fused (q, v, 4.63422464f);
}

/* @x with the sign of the number that @bits stand for. */
INLINE float
signed_value (float x, guint32 bits)
{
  return float_of_bits (bits_of_float (x) | (~bits & 0x80000000u));
}

INLINE void
normal_group (const guint32 bits[GROUP], float values[GROUP])
{
  float x[GROUP], w[GROUP];
  guint32 tail = 0;

  for (gsize i = 0; i < GROUP; i++)
    {
      quantile_argument (bits[i], &x[i], &w[i]);
      values[i] = signed_value (central_function (w[i]) * x[i], bits[i]);
      tail |= w[i] < TAIL ? 0 : 1;
    }
  /* One number in 150: four groups in ten have one. */
  if (tail)
    for (gsize i = 0; i < GROUP; i++)
      {
        float far = signed_value (tail_function (w[i]) * x[i], bits[i]);

        values[i] = w[i] < TAIL ? values[i] : far;
      }
}

/* ---- The Poisson quantile --------------------------------------------------- */

/* floor (x) for |x| < 2^22, some whole number within 1 of x up to 2^24, x itself
 * beyond. floorf() is a call to libm on the lowest level. */
INLINE float
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
INLINE float
poisson_series (float lambda, float w)
{
  float root = sqrtf (lambda);
  float scale = 1.0f / root;
  float square = w * w;
  float whole = whole_below (lambda);
  float sum, count;

  sum = -w * fused (square, fused (square, 23.0f / 17280, 137.0f / 38880), -671.0f / 38880);
  sum = fused (sum, scale, fused (square, fused (square, 1.0f / 270, 7.0f / 810), -8.0f / 405));
  sum = fused (sum, scale, w * fused (square, -1.0f / 72, -1.0f / 36));
  sum = fused (sum, scale, fused (square, 1.0f / 6, 1.0f / 3));
  sum = fused (root, w, sum);
  count = whole + whole_below (sum + (lambda - whole));
  return count > 0.0f ? count : 0.0f;
}

/* exp (-x) for 0 <= x <= 20, good to 1e-13 of its value; Taylor's series over
 * half a binary exponent. */
INLINE double
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

/* Inverts the distribution functions of a group by adding up their terms; leaves
 * @out where the mean is for the series. */
INLINE void
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

INLINE void
poisson_group (const guint32 bits[GROUP], const float given[GROUP], float values[GROUP])
{
  float mean[GROUP], variate[GROUP];
  guint32 small = 0, large = 0;

  for (gsize i = 0; i < GROUP; i++)
    {
      mean[i] = given[i] > 0.0f && given[i] <= FLT_MAX ? given[i] : 0.0f;
      small |= mean[i] < SERIES_MEAN ? 1 : 0;
      large |= mean[i] < SERIES_MEAN ? 0 : 1;
    }
  if (large)
    {
      normal_group (bits, variate);
      for (gsize i = 0; i < GROUP; i++)
        values[i] = poisson_series (mean[i] < SERIES_MEAN ? SERIES_MEAN : mean[i], variate[i]);
    }
  if (small)
    poisson_search (bits, mean, values);
}

/* ---- Fills of whole groups -------------------------------------------------- */

INLINE void
fill_bits (PhiloxGroup philox, LbRandomKey key, guint64 stream, guint64 group, gsize groups, guint32 *out)
{
  for (gsize i = 0; i < groups; i++)
    philox (key, stream, group + i, out + i * GROUP);
}

INLINE void
fill_uniform (PhiloxGroup philox, LbRandomKey key, guint64 stream, guint64 group, gsize groups, float *out)
{
  for (gsize i = 0; i < groups; i++)
    {
      guint32 bits[GROUP];

      philox (key, stream, group + i, bits);
      for (gsize j = 0; j < GROUP; j++)
        out[i * GROUP + j] = (float) (gint32) (bits[j] >> 8) * 0x1p-24f;
    }
}

INLINE void
fill_normal (PhiloxGroup philox, LbRandomKey key, guint64 stream, guint64 group, gsize groups, float *out)
{
  for (gsize i = 0; i < groups; i++)
    {
      guint32 bits[GROUP];

      philox (key, stream, group + i, bits);
      normal_group (bits, out + i * GROUP);
    }
}

INLINE void
fill_poisson (PhiloxGroup philox,
              LbRandomKey key,
              guint64 stream,
              guint64 group,
              gsize groups,
              const float *lambda,
              float *out)
{
  for (gsize i = 0; i < groups; i++)
    {
      guint32 bits[GROUP];
      float values[GROUP];

      philox (key, stream, group + i, bits);
      poisson_group (bits, lambda + i * GROUP, values);
      /* By way of a copy: @out may be @lambda. */
      memcpy (out + i * GROUP, values, sizeof values);
    }
}

#define DEFINE_KERNELS(level, TARGET)                                                                        \
  TARGET static void bits_##level (LbRandomKey key, guint64 stream, guint64 group, gsize groups,             \
                                   const float *lambda, void *out)                                           \
  {                                                                                                          \
    fill_bits (philox_group_##level, key, stream, group, groups, out);                                       \
  }                                                                                                          \
  TARGET static void uniform_##level (LbRandomKey key, guint64 stream, guint64 group, gsize groups,          \
                                      const float *lambda, void *out)                                        \
  {                                                                                                          \
    fill_uniform (philox_group_##level, key, stream, group, groups, out);                                    \
  }                                                                                                          \
  TARGET static void normal_##level (LbRandomKey key, guint64 stream, guint64 group, gsize groups,           \
                                     const float *lambda, void *out)                                         \
  {                                                                                                          \
    fill_normal (philox_group_##level, key, stream, group, groups, out);                                     \
  }                                                                                                          \
  TARGET static void poisson_##level (LbRandomKey key, guint64 stream, guint64 group, gsize groups,          \
                                      const float *lambda, void *out)                                        \
  {                                                                                                          \
    fill_poisson (philox_group_##level, key, stream, group, groups, lambda, out);                            \
  }                                                                                                          \
  static const LbRandomKernels kernels_##level = { bits_##level, uniform_##level, normal_##level,            \
                                                   poisson_##level };

DEFINE_KERNELS (generic, )
#if defined(__x86_64__)
DEFINE_KERNELS (avx2, TARGET_AVX2)
DEFINE_KERNELS (avx512, TARGET_AVX512)
#endif

const LbRandomKernels *
lb_random_get_kernels (void)
{
#if defined(__x86_64__)
  const LbCpuLevel level = lb_cpu_level_get ();

  if (level == LB_CPU_AVX512)
    return &kernels_avx512;
  if (level == LB_CPU_AVX2)
    return &kernels_avx2;
#endif
  return &kernels_generic;
}

void
lb_random_philox_block (LbRandomKey key, guint64 stream, guint64 block, guint32 words[4])
{
  philox_block (key, stream, block, words);
}

float
lb_random_normal_quantile (guint32 bits)
{
  float x, w;

  quantile_argument (bits, &x, &w);
  return signed_value ((w < TAIL ? central_function (w) : tail_function (w)) * x, bits);
}
