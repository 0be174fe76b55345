/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-gemm.h"

#include <math.h>
#include <string.h>

#include "lb-random.h"

static LbMatrix *
new_random (guint64 seed, gsize rows, gsize columns)
{
  LbMatrix *matrix = lb_matrix_new (rows, columns);

  for (gsize row = 0; row < rows; row++)
    lb_random_normal_fill (lb_random_key (seed), row, 0, columns, lb_matrix_row (matrix, row));
  return matrix;
}

static void
check_against_reference (gsize m, gsize n, gsize d)
{
  g_autoptr (LbMatrix) a = new_random (1, m, d);
  g_autoptr (LbMatrix) b = new_random (2, n, d);
  g_autoptr (LbMatrix) out = new_random (3, m, n);
  g_autoptr (LbMatrix) expected = lb_matrix_new (m, n);

  lb_gemm_nt (a, b, out);
  lb_gemm_nt_reference (a, b, expected);
  for (gsize row = 0; row < m; row++)
    for (gsize column = 0; column < n; column++)
      g_assert_cmpfloat_with_epsilon (lb_matrix_get (out, row, column), lb_matrix_get (expected, row, column),
                                      4e-6 * sqrt ((double) d) + 1e-30);
}

static void
test_matches_reference (void)
{
  const gsize shapes[][3] = { { 1, 1, 1 },     { 1, 5, 300 },    { 7, 3, 64 },     { 64, 64, 64 },
                              { 70, 90, 300 }, { 257, 385, 33 }, { 300, 800, 16 }, { 600, 1, 100 } };

  for (guint i = 0; i < G_N_ELEMENTS (shapes); i++)
    check_against_reference (shapes[i][0], shapes[i][1], shapes[i][2]);
}

static void
test_knows_a_product_by_hand (void)
{
  float a_values[] = { 1, 2, 3, 4, 5, 6 };
  float b_values[] = { 1, 0, -1, 2, 1, 0 };
  g_autoptr (LbMatrix) a = lb_matrix_new_wrap (a_values, 2, 3, 3, NULL, NULL);
  g_autoptr (LbMatrix) b = lb_matrix_new_wrap (b_values, 2, 3, 3, NULL, NULL);
  g_autoptr (LbMatrix) out = lb_matrix_new (2, 2);
  g_autoptr (LbMatrix) expected = lb_matrix_new (2, 2);

  lb_gemm_nt (a, b, out);
  lb_gemm_nt_reference (a, b, expected);
  for (guint i = 0; i < 2; i++)
    {
      const LbMatrix *product = i == 0 ? out : expected;

      g_assert_cmpfloat (lb_matrix_get (product, 0, 0), ==, -2);
      g_assert_cmpfloat (lb_matrix_get (product, 0, 1), ==, 4);
      g_assert_cmpfloat (lb_matrix_get (product, 1, 0), ==, -2);
      g_assert_cmpfloat (lb_matrix_get (product, 1, 1), ==, 13);
    }
}

static void
test_views_are_left_alone_around (void)
{
  g_autoptr (LbMatrix) a_whole = new_random (1, 40, 80);
  g_autoptr (LbMatrix) b_whole = new_random (2, 40, 80);
  g_autoptr (LbMatrix) out_whole = new_random (3, 40, 40);
  g_autoptr (LbMatrix) before = lb_matrix_copy (out_whole);
  g_autoptr (LbMatrix) a = lb_matrix_new_view (a_whole, 3, 5, 20, 61);
  g_autoptr (LbMatrix) b = lb_matrix_new_view (b_whole, 1, 7, 30, 61);
  g_autoptr (LbMatrix) out = lb_matrix_new_view (out_whole, 2, 4, 20, 30);
  g_autoptr (LbMatrix) expected = lb_matrix_new (20, 30);

  lb_gemm_nt (a, b, out);
  lb_gemm_nt_reference (a, b, expected);
  for (gsize row = 0; row < 40; row++)
    for (gsize column = 0; column < 40; column++)
      if (row >= 2 && row < 22 && column >= 4 && column < 34)
        g_assert_cmpfloat_with_epsilon (lb_matrix_get (out_whole, row, column),
                                        lb_matrix_get (expected, row - 2, column - 4), 4e-5);
      else
        g_assert_cmpfloat (lb_matrix_get (out_whole, row, column), ==, lb_matrix_get (before, row, column));
}

static void
test_threads_do_not_change_a_byte (void)
{
  const gsize m = 700, n = 900, d = 301;
  g_autoptr (LbMatrix) a = new_random (1, m, d);
  g_autoptr (LbMatrix) b = new_random (2, n, d);
  g_autoptr (LbMatrix) one = lb_matrix_new (m, n);

  lb_numerics_set_threads (1);
  lb_gemm_nt (a, b, one);
  for (guint threads = 2; threads <= 5; threads++)
    {
      g_autoptr (LbMatrix) more = lb_matrix_new (m, n);

      lb_numerics_set_threads (threads);
      lb_gemm_nt (a, b, more);
      for (gsize row = 0; row < m; row++)
        g_assert_cmpmem (lb_matrix_row (one, row), n * sizeof (float), lb_matrix_row (more, row),
                         n * sizeof (float));
    }
  lb_numerics_set_threads (0);
}

static void
test_no_terms_give_zero (void)
{
  g_autoptr (LbMatrix) a = lb_matrix_new (3, 0);
  g_autoptr (LbMatrix) b = lb_matrix_new (4, 0);
  g_autoptr (LbMatrix) out = new_random (1, 3, 4);
  g_autoptr (LbMatrix) nothing = lb_matrix_new (0, 5);
  g_autoptr (LbMatrix) some = new_random (1, 4, 5);
  g_autoptr (LbMatrix) empty = lb_matrix_new (0, 4);

  lb_gemm_nt (a, b, out);
  g_assert_cmpfloat (lb_matrix_max_abs (out), ==, 0);
  lb_gemm_nt (nothing, some, empty);
}

static void
test_threads_are_as_set (void)
{
  lb_numerics_set_threads (3);
  g_assert_cmpuint (lb_numerics_get_threads (), ==, 3);
  lb_numerics_set_threads (0);
  /* OpenMP's own variable is heeded, as the tests' environment has it. */
  g_assert_cmpuint (lb_numerics_get_threads (), ==,
                    g_getenv ("OMP_NUM_THREADS") != NULL
                        ? g_ascii_strtoull (g_getenv ("OMP_NUM_THREADS"), NULL, 10)
                        : g_get_num_processors ());
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/numerics/gemm/matches-reference", test_matches_reference);
  g_test_add_func ("/numerics/gemm/knows-a-product-by-hand", test_knows_a_product_by_hand);
  g_test_add_func ("/numerics/gemm/views-are-left-alone-around", test_views_are_left_alone_around);
  g_test_add_func ("/numerics/gemm/threads-do-not-change-a-byte", test_threads_do_not_change_a_byte);
  g_test_add_func ("/numerics/gemm/no-terms-give-zero", test_no_terms_give_zero);
  g_test_add_func ("/numerics/gemm/threads-are-as-set", test_threads_are_as_set);
  return g_test_run ();
}
