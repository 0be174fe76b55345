/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <lb-cpu-level.h>
#include "lb-random.h"

#include <math.h>
#include <string.h>

#include "lb-philox-private.h"

/* The vectors that come with the authors' Random123 library. */
static void
test_philox_gives_the_published_words (void)
{
  const struct
  {
    guint32 counter[4], key[2], words[4];
  } vectors[] = {
    { { 0, 0, 0, 0 }, { 0, 0 }, { 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8 } },
    { { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff },
      { 0xffffffff, 0xffffffff },
      { 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd } },
    { { 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344 },
      { 0xa4093822, 0x299f31d0 },
      { 0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1 } },
  };

  for (guint i = 0; i < G_N_ELEMENTS (vectors); i++)
    {
      guint32 words[4];

      lb_philox_reference (vectors[i].counter, vectors[i].key, words);
      g_assert_cmpmem (words, sizeof words, vectors[i].words, sizeof words);
    }
}

static void
test_bits_are_philox (void)
{
  const guint64 blocks[] = {
    0, 1, 17, G_MAXUINT32, G_GUINT64_CONSTANT (0x123456789a), G_GUINT64_CONSTANT (1) << 61
  };
  const guint64 stream = G_GUINT64_CONSTANT (0xfedcba9876543210);
  LbRandomKey key = { { 0xa4093822, 0x299f31d0 } };

  for (guint i = 0; i < G_N_ELEMENTS (blocks); i++)
    {
      guint32 counter[4] = { (guint32) blocks[i], (guint32) (blocks[i] >> 32), (guint32) stream,
                             (guint32) (stream >> 32) };
      guint64 first = blocks[i] / LB_PHILOX_LANES * LB_PHILOX_GROUP + blocks[i] % LB_PHILOX_LANES;
      guint32 words[4];

      lb_philox_reference (counter, key.word, words);
      for (guint word = 0; word < 4; word++)
        {
          guint32 filled;

          g_assert_cmpuint (lb_random_bits_at (key, stream, first + word * LB_PHILOX_LANES), ==, words[word]);
          lb_random_bits_fill (key, stream, first + word * LB_PHILOX_LANES, 1, &filled);
          g_assert_cmpuint (filled, ==, words[word]);
        }
    }
}

static void
test_fills_agree_with_single_numbers (void)
{
  enum
  {
    COUNT = 1000
  };
  const guint64 first = G_GUINT64_CONSTANT (0x3fffffffc0) - 77;
  LbRandomKey key = lb_random_key (5);
  guint32 bits[COUNT];
  float uniform[COUNT], normal[COUNT];

  lb_random_bits_fill (key, 9, first, COUNT, bits);
  lb_random_uniform_fill (key, 9, first, COUNT, uniform);
  lb_random_normal_fill (key, 9, first, COUNT, normal);
  for (guint i = 0; i < COUNT; i++)
    {
      g_assert_cmpuint (bits[i], ==, lb_random_bits_at (key, 9, first + i));
      g_assert_cmpfloat (lb_random_uniform_at (key, 9, first + i), ==, bits[i] * 0x1p-32);
      g_assert_cmpfloat (uniform[i], ==, (bits[i] >> 8) * 0x1p-24);
      g_assert_cmpfloat (normal[i], ==, lb_random_normal_at (key, 9, first + i));
    }
}

/* Means of both methods and of neither, in turns. */
static void
make_means (float *lambda, gsize count)
{
  const float means[] = { 0, 0.3f, 250, 19.99f, 20, 1e6f, 7, NAN, -1, 33, INFINITY };

  for (gsize i = 0; i < count; i++)
    lambda[i] = means[i % G_N_ELEMENTS (means)];
}

static void
test_pieces_equal_the_whole (void)
{
  enum
  {
    COUNT = 700
  };
  const gsize pieces[] = { 1, 3, 63, 64, 65, 128, 200 };
  const guint64 first = 1000003;
  LbRandomKey key = lb_random_key (6);
  float lambda[COUNT], poisson[COUNT], normal[COUNT], uniform[COUNT], piece[COUNT];

  make_means (lambda, COUNT);
  lb_random_poisson_fill (key, 1, first, COUNT, lambda, poisson);
  lb_random_normal_fill (key, 1, first, COUNT, normal);
  lb_random_uniform_fill (key, 1, first, COUNT, uniform);
  for (guint i = 0; i < G_N_ELEMENTS (pieces); i++)
    for (gsize start = 0; start < COUNT; start += pieces[i])
      {
        gsize count = MIN (pieces[i], COUNT - start);

        lb_random_poisson_fill (key, 1, first + start, count, lambda + start, piece);
        g_assert_cmpmem (piece, count * sizeof (float), poisson + start, count * sizeof (float));
        lb_random_normal_fill (key, 1, first + start, count, piece);
        g_assert_cmpmem (piece, count * sizeof (float), normal + start, count * sizeof (float));
        lb_random_uniform_fill (key, 1, first + start, count, piece);
        g_assert_cmpmem (piece, count * sizeof (float), uniform + start, count * sizeof (float));
      }
}

static void
test_nothing_is_written_beside_the_fill (void)
{
  float values[130], lambda[130];

  for (gsize i = 0; i < G_N_ELEMENTS (values); i++)
    {
      values[i] = -7;
      lambda[i] = 50;
    }
  lb_random_poisson_fill (lb_random_key (1), 0, 5, 128, lambda + 1, values + 1);
  g_assert_cmpfloat (values[0], ==, -7);
  g_assert_cmpfloat (values[129], ==, -7);
  g_assert_cmpfloat (values[1], >=, 0);
  g_assert_cmpfloat (values[128], >=, 0);
  lb_random_normal_fill (lb_random_key (1), 0, 5, 0, NULL);
}

static void
test_poisson_works_in_place (void)
{
  enum
  {
    COUNT = 500
  };
  float lambda[COUNT], counts[COUNT];

  make_means (lambda, COUNT);
  lb_random_poisson_fill (lb_random_key (1), 0, 30, COUNT, lambda, counts);
  lb_random_poisson_fill (lb_random_key (1), 0, 30, COUNT, lambda, lambda);
  g_assert_cmpmem (lambda, sizeof lambda, counts, sizeof counts);
}

static void
test_normal_agrees_with_reference (void)
{
  enum
  {
    COUNT = 100000
  };
  g_autofree float *values = g_new (float, COUNT);
  g_autofree float *expected = g_new (float, COUNT);

  lb_random_normal_fill (lb_random_key (7), 3, 5, COUNT, values);
  lb_random_normal_fill_reference (lb_random_key (7), 3, 5, COUNT, expected);
  for (gsize i = 0; i < COUNT; i++)
    g_assert_cmpfloat (fabsf (values[i] - expected[i]), <=, 6e-7 * fabsf (expected[i]) + 1e-7);
}

static void
test_poisson_agrees_with_reference (void)
{
  enum
  {
    COUNT = 30000
  };
  /* How many counts in COUNT may round to the other side. */
  const struct
  {
    float lambda;
    guint differences;
  } cases[] = { { 0.01f, 0 }, { 0.3f, 0 }, { 3, 0 },    { 15, 0 },   { 19.99f, 0 },
                { 20, 1 },    { 100, 1 },  { 1000, 2 }, { 1e5f, 4 }, { 1e6f, 10 } };
  g_autofree float *lambda = g_new (float, COUNT);
  g_autofree float *counts = g_new (float, COUNT);
  g_autofree float *expected = g_new (float, COUNT);

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      guint differences = 0;

      for (gsize j = 0; j < COUNT; j++)
        lambda[j] = cases[i].lambda;
      lb_random_poisson_fill (lb_random_key (8), i, 11, COUNT, lambda, counts);
      lb_random_poisson_fill_reference (lb_random_key (8), i, 11, COUNT, lambda, expected);
      for (gsize j = 0; j < COUNT; j++)
        {
          g_assert_cmpfloat (fabsf (counts[j] - expected[j]), <=, 1);
          differences += counts[j] != expected[j];
        }
      g_assert_cmpuint (differences, <=, cases[i].differences);
    }
}

/* Chi-square as a standard normal variate (Wilson and Hilferty, 1931). */
static double
chi_square_score (double chi_square, double degrees)
{
  return (cbrt (chi_square / degrees) - (1 - 2 / (9 * degrees))) / sqrt (2 / (9 * degrees));
}

/* Compares counts of cells with what is expected; neighbouring cells are
 * pooled until 20 are expected. */
static void
check_cells (const double *seen, const double *expected, gsize cells, const char *what)
{
  double chi_square = 0, pooled_seen = 0, pooled_expected = 0, score;
  guint pools = 0;

  for (gsize i = 0; i < cells; i++)
    {
      pooled_seen += seen[i];
      pooled_expected += expected[i];
      if (pooled_expected >= 20)
        {
          chi_square += (pooled_seen - pooled_expected) * (pooled_seen - pooled_expected) / pooled_expected;
          pooled_seen = pooled_expected = 0;
          pools++;
        }
    }
  g_assert_cmpuint (pools, >, 1);
  g_assert_cmpfloat (fabs (pooled_seen - pooled_expected), <, 6 * sqrt (pooled_expected + 4));
  score = chi_square_score (chi_square, pools - 1);
  g_test_message ("%s: chi-square %.1f, %u degrees, score %.2f", what, chi_square, pools - 1, score);
  g_assert_cmpfloat (score, <, 4);
  g_assert_cmpfloat (score, >, -4);
}

static double
poisson_probability (double lambda, double count)
{
  return count < 0 ? 0 : exp (count * log (lambda) - lambda - lgamma (count + 1));
}

/* Every count is its own cell up to a mean of 1,000; beyond, cells are a
 * sixteenth of the standard deviation wide. */
static void
check_poisson_distribution (float lambda, guint64 stream)
{
  enum
  {
    COUNT = 1 << 20,
    CELLS = 512
  };
  g_autofree float *counts = g_new (float, COUNT);
  g_autofree double *seen = g_new0 (double, CELLS);
  g_autofree double *expected = g_new0 (double, CELLS);
  g_autofree char *what = g_strdup_printf ("mean %g", lambda);
  double width = lambda > 1000 ? floor (sqrt (lambda) / 16) : 1;
  double low = MAX (floor (lambda - width * CELLS / 2), 0);
  double mean = 0, variance = 0;

  for (gsize i = 0; i < COUNT; i++)
    counts[i] = lambda;
  lb_random_poisson_fill (lb_random_key (20), stream, 0, COUNT, counts, counts);
  for (gsize i = 0; i < COUNT; i++)
    {
      double cell = floor ((counts[i] - low) / width);

      g_assert_cmpfloat (counts[i], ==, floorf (counts[i]));
      g_assert_cmpfloat (counts[i], >=, 0);
      seen[(gsize) CLAMP (cell, 0, CELLS - 1)]++;
      mean += (counts[i] - lambda) / COUNT;
      variance += (counts[i] - lambda) * (counts[i] - lambda) / COUNT;
    }
  for (gsize i = 0; i < (gsize) (CELLS * width); i++)
    expected[i / (gsize) width] += COUNT * poisson_probability (lambda, low + i);

  check_cells (seen, expected, CELLS, what);
  g_assert_cmpfloat (fabs (mean), <, 4 * sqrt (lambda / COUNT));
  g_assert_cmpfloat (fabs (variance - lambda), <, 4 * sqrt ((2 * lambda * lambda + lambda) / COUNT));
}

static void
test_poisson_counts_have_their_distribution (void)
{
  const float means[] = { 0.01f, 0.3f, 3, 15, 19.9f, 20, 20.1f, 25, 50, 300, 1000, 1e5f, 1e6f };

  for (guint i = 0; i < G_N_ELEMENTS (means); i++)
    check_poisson_distribution (means[i], i);
}

static void
test_poisson_of_no_mean_is_zero (void)
{
  float lambda[] = { 0, -0.0f, -5, NAN, -NAN, INFINITY, -INFINITY, 0x1p-149f };

  lb_random_poisson_fill (lb_random_key (1), 0, 0, G_N_ELEMENTS (lambda), lambda, lambda);
  for (guint i = 0; i < G_N_ELEMENTS (lambda); i++)
    g_assert_cmpfloat (lambda[i], ==, 0);
}

static void
test_poisson_of_huge_means_is_whole (void)
{
  const float means[] = { 3e6f, 5000000.5f, 1.6e7f, 1e8f, 1e12f, 1e20f, 3e38f };
  float counts[G_N_ELEMENTS (means)];

  for (guint i = 0; i < 200; i++)
    {
      lb_random_poisson_fill (lb_random_key (1), i, 0, G_N_ELEMENTS (means), means, counts);
      for (guint j = 0; j < G_N_ELEMENTS (means); j++)
        {
          g_assert_cmpfloat (counts[j], ==, floorf (counts[j]));
          g_assert_cmpfloat (fabsf (counts[j] - means[j]), <=, 7 * sqrtf (means[j]) + 1e-6f * means[j]);
        }
    }
}

static void
test_normal_has_its_distribution (void)
{
  enum
  {
    COUNT = 1 << 22,
    CELLS = 200
  };
  g_autofree float *values = g_new (float, COUNT);
  double seen[CELLS] = { 0 }, expected[CELLS];
  double mean = 0, variance = 0, third = 0, fourth = 0;

  lb_random_normal_fill (lb_random_key (9), 0, 0, COUNT, values);
  for (gsize i = 0; i < COUNT; i++)
    {
      double z = values[i], square = z * z;

      seen[(gsize) CLAMP (floor ((z + 5) * CELLS / 10), 0, CELLS - 1)]++;
      mean += z / COUNT;
      variance += square / COUNT;
      third += square * z / COUNT;
      fourth += square * square / COUNT;
    }
  for (guint i = 0; i < CELLS; i++)
    {
      double below = i == 0 ? 1 : 0.5 * erfc ((i * 10.0 / CELLS - 5) / G_SQRT2);
      double above = i == CELLS - 1 ? 0 : 0.5 * erfc (((i + 1) * 10.0 / CELLS - 5) / G_SQRT2);

      expected[i] = COUNT * (below - above);
    }

  check_cells (seen, expected, CELLS, "normal");
  g_assert_cmpfloat (fabs (mean), <, 4 / sqrt (COUNT));
  g_assert_cmpfloat (fabs (variance - 1), <, 4 * sqrt (2.0 / COUNT));
  g_assert_cmpfloat (fabs (third), <, 4 * sqrt (15.0 / COUNT));
  g_assert_cmpfloat (fabs (fourth - 3), <, 4 * sqrt (96.0 / COUNT));
}

static void
test_uniform_has_its_distribution (void)
{
  enum
  {
    COUNT = 1 << 20,
    CELLS = 256
  };
  g_autofree float *values = g_new (float, COUNT);
  double seen[CELLS] = { 0 }, expected[CELLS];

  lb_random_uniform_fill (lb_random_key (10), 0, 0, COUNT, values);
  for (gsize i = 0; i < COUNT; i++)
    {
      g_assert_cmpfloat (values[i], >=, 0);
      g_assert_cmpfloat (values[i], <, 1);
      seen[(gsize) (values[i] * CELLS)]++;
    }
  for (guint i = 0; i < CELLS; i++)
    expected[i] = (double) COUNT / CELLS;
  check_cells (seen, expected, CELLS, "uniform");
}

static void
check_uncorrelated (const float *a, const float *b, gsize count)
{
  double sum = 0;

  for (gsize i = 0; i < count; i++)
    sum += a[i] * b[i];
  g_assert_cmpfloat (fabs (sum), <, 4.5 * sqrt (count));
}

static void
test_numbers_streams_and_keys_are_independent (void)
{
  enum
  {
    COUNT = 1 << 18
  };
  const gsize lags[] = { 1, 2, 3, 4, 15, 16, 17, 32, 48, 63, 64, 65, 128, 1024 };
  g_autofree float *values = g_new (float, COUNT);
  g_autofree float *others = g_new (float, COUNT);
  LbRandomKey key = lb_random_key (1);

  lb_random_normal_fill (key, 0, 0, COUNT, values);
  for (guint i = 0; i < G_N_ELEMENTS (lags); i++)
    check_uncorrelated (values, values + lags[i], COUNT - lags[i]);

  lb_random_normal_fill (key, 1, 0, COUNT, others);
  check_uncorrelated (values, others, COUNT);
  lb_random_normal_fill (lb_random_key (2), 0, 0, COUNT, others);
  check_uncorrelated (values, others, COUNT);
  lb_random_normal_fill (lb_random_key_derive (key, 0), 0, 0, COUNT, others);
  check_uncorrelated (values, others, COUNT);
}

static void
test_derived_keys_differ (void)
{
  const guint64 labels[] = {
    0, 1, 2, 16, 1 << 20, G_GUINT64_CONSTANT (1) << 62, G_GUINT64_CONSTANT (1) << 63, G_MAXUINT64
  };
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL);

  for (guint64 seed = 0; seed < 100; seed++)
    for (guint i = 0; i < G_N_ELEMENTS (labels); i++)
      {
        LbRandomKey key = lb_random_key_derive (lb_random_key (seed), labels[i]);

        g_assert_true (g_hash_table_add (seen, g_memdup2 (&key, sizeof key)));
      }
}

static guint64
hash_floats (const float *values, gsize count)
{
  guint64 hash = G_GUINT64_CONSTANT (0xcbf29ce484222325);

  for (gsize i = 0; i < count; i++)
    {
      guint32 bits;

      memcpy (&bits, &values[i], sizeof bits);
      hash = (hash ^ bits) * G_GUINT64_CONSTANT (0x100000001b3);
    }
  return hash;
}

/* Whatever instructions the machine has, and whatever the compiler makes of
 * them: figures of a session must come out again elsewhere. */
static void
test_every_machine_gives_the_same_values (void)
{
  enum
  {
    COUNT = 100000
  };
  g_autofree float *values = g_new (float, COUNT);
  const LbCpuLevel highest = lb_cpu_level_get ();

  for (LbCpuLevel level = LB_CPU_GENERIC; level <= highest; level++)
    {
      g_assert_cmpint (lb_cpu_level_set (level), ==, level);
      lb_random_normal_fill (lb_random_key (123), 4, 0, COUNT, values);
      g_assert_cmphex (hash_floats (values, COUNT), ==, G_GUINT64_CONSTANT (0x555278793665d6d3));
      for (gsize i = 0; i < COUNT; i++)
        values[i] = 0.0005f * i + 0.003f * (i % 100) * (i % 100);
      lb_random_poisson_fill (lb_random_key (123), 4, 0, COUNT, values, values);
      g_assert_cmphex (hash_floats (values, COUNT), ==, G_GUINT64_CONSTANT (0x0e1bccb7146837a5));
    }
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/numerics/random/philox-gives-the-published-words",
                   test_philox_gives_the_published_words);
  g_test_add_func ("/numerics/random/bits-are-philox", test_bits_are_philox);
  g_test_add_func ("/numerics/random/fills-agree-with-single-numbers", test_fills_agree_with_single_numbers);
  g_test_add_func ("/numerics/random/pieces-equal-the-whole", test_pieces_equal_the_whole);
  g_test_add_func ("/numerics/random/nothing-is-written-beside-the-fill",
                   test_nothing_is_written_beside_the_fill);
  g_test_add_func ("/numerics/random/poisson-works-in-place", test_poisson_works_in_place);
  g_test_add_func ("/numerics/random/normal-agrees-with-reference", test_normal_agrees_with_reference);
  g_test_add_func ("/numerics/random/poisson-agrees-with-reference", test_poisson_agrees_with_reference);
  g_test_add_func ("/numerics/random/poisson-counts-have-their-distribution",
                   test_poisson_counts_have_their_distribution);
  g_test_add_func ("/numerics/random/poisson-of-no-mean-is-zero", test_poisson_of_no_mean_is_zero);
  g_test_add_func ("/numerics/random/poisson-of-huge-means-is-whole", test_poisson_of_huge_means_is_whole);
  g_test_add_func ("/numerics/random/normal-has-its-distribution", test_normal_has_its_distribution);
  g_test_add_func ("/numerics/random/uniform-has-its-distribution", test_uniform_has_its_distribution);
  g_test_add_func ("/numerics/random/numbers-streams-and-keys-are-independent",
                   test_numbers_streams_and_keys_are_independent);
  g_test_add_func ("/numerics/random/derived-keys-differ", test_derived_keys_differ);
  g_test_add_func ("/numerics/random/every-machine-gives-the-same-values",
                   test_every_machine_gives_the_same_values);
  return g_test_run ();
}
