/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <lb-operand.h>
#include <lb-random.h>
#include <math.h>

static LbMatrix *
new_values (gsize rows, gsize columns, guint64 stream, float low, float high)
{
  LbMatrix *values = lb_matrix_new (rows, columns);

  for (gsize row = 0; row < rows; row++)
    for (gsize i = 0; i < columns; i++)
      lb_matrix_row (values, row)[i] =
          low + (high - low) * (float) lb_random_uniform_at (lb_random_key (1), stream, row * columns + i);
  return values;
}

static void
check_split (LbOperandScale scale)
{
  g_autoptr (LbMatrix) values = new_values (5, 33, 1, -2, 3);
  g_autoptr (LbOperand) operand = lb_operand_new (values, scale);
  float whole = 0;

  for (gsize row = 0; row < values->rows; row++)
    {
      float largest = 0;

      for (gsize i = 0; i < values->columns; i++)
        {
          const float positive = lb_matrix_get (operand->positive, row, i);
          const float negative = lb_matrix_get (operand->negative, row, i);

          g_assert_cmpfloat (positive, >=, 0);
          g_assert_cmpfloat (negative, >=, 0);
          g_assert_cmpfloat (MIN (positive, negative), ==, 0);
          g_assert_cmpfloat_with_epsilon ((positive - negative) * operand->scale[row],
                                          lb_matrix_get (values, row, i), 1e-6);
          largest = MAX (largest, MAX (positive, negative));
        }
      if (scale == LB_SCALE_BY_ROW)
        g_assert_cmpfloat (largest, ==, 1);
      else
        g_assert_cmpfloat (operand->scale[row], ==, operand->scale[0]);
      whole = MAX (whole, largest);
    }
  g_assert_cmpfloat (whole, ==, 1);
}

static void
test_by_row (void)
{
  check_split (LB_SCALE_BY_ROW);
}

static void
test_whole (void)
{
  check_split (LB_SCALE_WHOLE);
}

static void
test_not_negative (void)
{
  g_autoptr (LbMatrix) values = new_values (3, 8, 2, 0, 1);
  g_autoptr (LbOperand) operand = lb_operand_new (values, LB_SCALE_WHOLE);

  g_assert_null (operand->negative);
}

static void
test_zero_row (void)
{
  g_autoptr (LbMatrix) values = new_values (2, 8, 3, -1, 1);
  g_autoptr (LbOperand) operand = NULL;

  for (gsize i = 0; i < values->columns; i++)
    lb_matrix_row (values, 1)[i] = 0;
  operand = lb_operand_new (values, LB_SCALE_BY_ROW);
  g_assert_cmpfloat (operand->scale[1], ==, 1);
  for (gsize i = 0; i < values->columns; i++)
    g_assert_cmpfloat (lb_matrix_get (operand->positive, 1, i), ==, 0);
}

static void
test_tiny_values (void)
{
  g_autoptr (LbMatrix) values = lb_matrix_new (1, 2);
  g_autoptr (LbOperand) operand = NULL;

  lb_matrix_row (values, 0)[0] = 1e-44f;
  lb_matrix_row (values, 0)[1] = -1e-44f;
  operand = lb_operand_new (values, LB_SCALE_WHOLE);
  g_assert_cmpfloat (lb_matrix_get (operand->positive, 0, 0), ==, 1);
  g_assert_cmpfloat (lb_matrix_get (operand->negative, 0, 1), ==, 1);
}

/* The definition, product by product. */
static double
reference_pass_scale (const LbMatrix *a, const LbMatrix *b, gboolean diagonal)
{
  double squares = 0;

  for (guint pass = 0; pass < 4; pass++)
    {
      double mean = 0;
      gsize count = 0;

      for (gsize i = 0; i < a->rows; i++)
        for (gsize j = 0; j < b->rows; j++)
          {
            if (diagonal && i != j)
              continue;
            for (gsize k = 0; k < a->columns; k++)
              mean += fmax (lb_matrix_get (a, i, k) * (pass % 2 == 0 ? 1 : -1), 0) *
                      fmax (lb_matrix_get (b, j, k) * (pass < 2 ? 1 : -1), 0);
            count++;
          }
      squares += mean * mean / (double) count / (double) count;
    }
  return sqrt (squares);
}

static void
test_pass_scale (void)
{
  g_autoptr (LbMatrix) a = new_values (6, 40, 4, -1, 2);
  g_autoptr (LbMatrix) b = new_values (6, 40, 5, -3, 1);
  g_autoptr (LbMatrix) positive = new_values (4, 40, 6, 0, 1);
  const double all = reference_pass_scale (a, b, FALSE), diagonal = reference_pass_scale (a, b, TRUE);

  g_assert_cmpfloat_with_epsilon (lb_operand_pass_scale (a, b, FALSE), all, 1e-9 * all);
  g_assert_cmpfloat_with_epsilon (lb_operand_pass_scale (a, b, TRUE), diagonal, 1e-9 * diagonal);
  g_assert_cmpfloat_with_epsilon (lb_operand_pass_scale (a, positive, FALSE),
                                  reference_pass_scale (a, positive, FALSE), 1e-6);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/optics/operand/rows-are-split-by-sign-and-scaled-each", test_by_row);
  g_test_add_func ("/optics/operand/whole-matrix-has-one-scale", test_whole);
  g_test_add_func ("/optics/operand/without-negative-values-there-is-no-second-pass", test_not_negative);
  g_test_add_func ("/optics/operand/row-of-zeros-has-scale-one", test_zero_row);
  g_test_add_func ("/optics/operand/denormal-values-stay-finite", test_tiny_values);
  g_test_add_func ("/optics/operand/pass-scale-is-as-defined", test_pass_scale);
  return g_test_run ();
}
