/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-matrix.h"

#include <math.h>

/* value[row][column] = 100 row + column */
static LbMatrix *
new_counting (gsize rows, gsize columns)
{
  LbMatrix *matrix = lb_matrix_new (rows, columns);

  for (gsize row = 0; row < rows; row++)
    for (gsize column = 0; column < columns; column++)
      lb_matrix_row (matrix, row)[column] = 100.0f * row + column;
  return matrix;
}

static void
test_new_is_zero_and_aligned (void)
{
  g_autoptr (LbMatrix) matrix = lb_matrix_new (5, 17);

  g_assert_cmpuint (matrix->rows, ==, 5);
  g_assert_cmpuint (matrix->columns, ==, 17);
  g_assert_cmpuint (matrix->stride, >=, 17);
  for (gsize row = 0; row < 5; row++)
    {
      g_assert_cmpuint ((gsize) lb_matrix_row (matrix, row) % 64, ==, 0);
      for (gsize column = 0; column < 17; column++)
        g_assert_cmpfloat (lb_matrix_get (matrix, row, column), ==, 0);
    }
}

static void
test_view_shares_values (void)
{
  g_autoptr (LbMatrix) matrix = new_counting (6, 20);
  g_autoptr (LbMatrix) view = lb_matrix_new_view (matrix, 2, 3, 4, 5);

  g_assert_cmpfloat (lb_matrix_get (view, 0, 0), ==, 203);
  g_assert_cmpfloat (lb_matrix_get (view, 3, 4), ==, 507);
  lb_matrix_row (view, 1)[2] = -1;
  g_assert_cmpfloat (lb_matrix_get (matrix, 3, 5), ==, -1);
}

static void
count_call (gpointer owner)
{
  (*(guint *) owner)++;
}

static void
test_view_keeps_parent_alive (void)
{
  float values[4] = { 1, 2, 3, 4 };
  guint calls = 0;
  LbMatrix *matrix = lb_matrix_new_wrap (values, 2, 2, 2, &calls, count_call);
  LbMatrix *view = lb_matrix_new_view (matrix, 1, 0, 1, 2);
  LbMatrix *inner = lb_matrix_new_view (view, 0, 1, 1, 1);

  lb_matrix_unref (matrix);
  lb_matrix_unref (view);
  g_assert_cmpuint (calls, ==, 0);
  g_assert_cmpfloat (lb_matrix_get (inner, 0, 0), ==, 4);
  lb_matrix_unref (inner);
  g_assert_cmpuint (calls, ==, 1);
}

static void
test_owner_is_freed_with_last_reference (void)
{
  float values[1] = { 1 };
  guint calls = 0;
  LbMatrix *matrix = lb_matrix_new_wrap (values, 1, 1, 1, &calls, count_call);

  g_assert_true (lb_matrix_ref (matrix) == matrix);
  lb_matrix_unref (matrix);
  g_assert_cmpuint (calls, ==, 0);
  lb_matrix_unref (matrix);
  g_assert_cmpuint (calls, ==, 1);
}

static void
test_copy_is_independent (void)
{
  g_autoptr (LbMatrix) matrix = new_counting (3, 40);
  g_autoptr (LbMatrix) view = lb_matrix_new_view (matrix, 1, 5, 2, 30);
  g_autoptr (LbMatrix) copy = lb_matrix_copy (view);

  lb_matrix_row (matrix, 1)[5] = -1;
  g_assert_cmpuint (copy->rows, ==, 2);
  g_assert_cmpuint (copy->columns, ==, 30);
  g_assert_cmpfloat (lb_matrix_get (copy, 0, 0), ==, 105);
  g_assert_cmpfloat (lb_matrix_get (copy, 1, 29), ==, 234);
}

static void
test_transpose_swaps_rows_and_columns (void)
{
  g_autoptr (LbMatrix) matrix = new_counting (70, 35);
  g_autoptr (LbMatrix) transpose = lb_matrix_new_transpose (matrix);

  g_assert_cmpuint (transpose->rows, ==, 35);
  g_assert_cmpuint (transpose->columns, ==, 70);
  for (gsize row = 0; row < 70; row++)
    for (gsize column = 0; column < 35; column++)
      g_assert_cmpfloat (lb_matrix_get (transpose, column, row), ==, lb_matrix_get (matrix, row, column));
}

static void
test_max_abs_sees_negative_values_and_no_padding (void)
{
  g_autoptr (LbMatrix) matrix = new_counting (3, 5);
  g_autoptr (LbMatrix) view = lb_matrix_new_view (matrix, 0, 0, 2, 3);

  g_assert_cmpfloat (lb_matrix_max_abs (view), ==, 102);
  lb_matrix_row (matrix, 0)[2] = -1000;
  g_assert_cmpfloat (lb_matrix_max_abs (view), ==, 1000);
  lb_matrix_row (matrix, 0)[1] = NAN;
  g_assert_cmpfloat (lb_matrix_max_abs (view), ==, 1000);
}

static void
test_finite_finds_nan_and_infinity (void)
{
  const float odd[] = { NAN, -NAN, INFINITY, -INFINITY };
  g_autoptr (LbMatrix) matrix = new_counting (3, 33);

  g_assert_true (lb_matrix_is_finite (matrix));
  for (guint i = 0; i < G_N_ELEMENTS (odd); i++)
    {
      lb_matrix_row (matrix, 2)[32] = odd[i];
      g_assert_false (lb_matrix_is_finite (matrix));
    }
}

static void
test_empty_matrices_work (void)
{
  g_autoptr (LbMatrix) flat = lb_matrix_new (0, 7);
  g_autoptr (LbMatrix) thin = lb_matrix_new (7, 0);
  g_autoptr (LbMatrix) copy = lb_matrix_copy (thin);
  g_autoptr (LbMatrix) transpose = lb_matrix_new_transpose (flat);
  g_autoptr (LbMatrix) view = lb_matrix_new_view (flat, 0, 7, 0, 0);

  g_assert_cmpuint (copy->rows, ==, 7);
  g_assert_cmpuint (transpose->rows, ==, 7);
  g_assert_cmpuint (transpose->columns, ==, 0);
  g_assert_cmpfloat (lb_matrix_max_abs (flat), ==, 0);
  g_assert_true (lb_matrix_is_finite (thin));
  g_assert_cmpuint (view->columns, ==, 0);
}

static void
test_boxed_type_counts_references (void)
{
  float values[1] = { 1 };
  guint calls = 0;
  LbMatrix *matrix = lb_matrix_new_wrap (values, 1, 1, 1, &calls, count_call);
  g_auto (GValue) value = G_VALUE_INIT;

  g_value_init (&value, LB_TYPE_MATRIX);
  g_value_take_boxed (&value, matrix);
  g_assert_true (g_value_get_boxed (&value) == matrix);
  g_value_reset (&value);
  g_assert_cmpuint (calls, ==, 1);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/numerics/matrix/new-is-zero-and-aligned", test_new_is_zero_and_aligned);
  g_test_add_func ("/numerics/matrix/view-shares-values", test_view_shares_values);
  g_test_add_func ("/numerics/matrix/view-keeps-parent-alive", test_view_keeps_parent_alive);
  g_test_add_func ("/numerics/matrix/owner-is-freed-with-last-reference",
                   test_owner_is_freed_with_last_reference);
  g_test_add_func ("/numerics/matrix/copy-is-independent", test_copy_is_independent);
  g_test_add_func ("/numerics/matrix/transpose-swaps-rows-and-columns",
                   test_transpose_swaps_rows_and_columns);
  g_test_add_func ("/numerics/matrix/max-abs-sees-negative-values-and-no-padding",
                   test_max_abs_sees_negative_values_and_no_padding);
  g_test_add_func ("/numerics/matrix/finite-finds-nan-and-infinity", test_finite_finds_nan_and_infinity);
  g_test_add_func ("/numerics/matrix/empty-matrices-work", test_empty_matrices_work);
  g_test_add_func ("/numerics/matrix/boxed-type-counts-references", test_boxed_type_counts_references);
  return g_test_run ();
}
