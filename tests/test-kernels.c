/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <lb-kernels.h>
#include <math.h>

static LbMatrix *
make_matrix (gsize rows, gsize columns, double spread, guint32 seed)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
  LbMatrix *matrix = lb_matrix_new (rows, columns);

  for (gsize i = 0; i < rows; i++)
    for (gsize j = 0; j < columns; j++)
      lb_matrix_row (matrix, i)[j] = (float) g_rand_double_range (rand, -spread, spread);
  return matrix;
}

static void
test_layer_norm (void)
{
  /* An odd length, and an offset that single precision sums would suffer from. */
  g_autoptr (LbMatrix) x = make_matrix (9, 131, 1, 1);
  g_autoptr (LbMatrix) gain = make_matrix (1, 131, 2, 2);
  g_autoptr (LbMatrix) bias = make_matrix (1, 131, 2, 3);
  g_autoptr (LbMatrix) out = lb_matrix_new (9, 131);

  for (gsize i = 0; i < 9; i++)
    for (gsize j = 0; j < 131; j++)
      lb_matrix_row (x, i)[j] += 1000;
  lb_kernel_layer_norm (x, gain, bias, 1e-5, out);
  for (gsize i = 0; i < 9; i++)
    {
      double mean = 0, variance = 0;

      for (gsize j = 0; j < 131; j++)
        mean += (double) lb_matrix_get (x, i, j) / 131;
      for (gsize j = 0; j < 131; j++)
        variance += pow ((double) lb_matrix_get (x, i, j) - mean, 2) / 131;
      for (gsize j = 0; j < 131; j++)
        g_assert_cmpfloat_with_epsilon ((double) lb_matrix_get (out, i, j),
                                        ((double) lb_matrix_get (x, i, j) - mean) / sqrt (variance + 1e-5) *
                                                (double) gain->data[j] +
                                            (double) bias->data[j],
                                        1e-6);
    }
}

static void
test_softmax (void)
{
  g_autoptr (LbMatrix) scores = make_matrix (77, 77, 60, 4);
  g_autoptr (LbMatrix) softmax = lb_matrix_copy (scores);

  lb_kernel_causal_softmax (softmax, 0.25f);
  for (gsize i = 0; i < 77; i++)
    {
      double sum = 0, total = 0;

      for (gsize j = 0; j <= i; j++)
        sum += exp (0.25 * (double) lb_matrix_get (scores, i, j));
      for (gsize j = 0; j < 77; j++)
        {
          double expected = j <= i ? exp (0.25 * (double) lb_matrix_get (scores, i, j)) / sum : 0;

          total += (double) lb_matrix_get (softmax, i, j);
          g_assert_cmpfloat_with_epsilon ((double) lb_matrix_get (softmax, i, j), expected,
                                          4e-6 * expected + 1e-30);
        }
      g_assert_cmpfloat_with_epsilon (total, 1, 1e-6);
    }
}

static void
test_softmax_extremes (void)
{
  g_autoptr (LbMatrix) scores = lb_matrix_new (3, 3);

  lb_matrix_row (scores, 1)[0] = 3e38f;
  lb_matrix_row (scores, 1)[1] = -3e38f;
  lb_matrix_row (scores, 2)[1] = NAN;
  lb_kernel_causal_softmax (scores, 0.5f);
  g_assert_cmpfloat (lb_matrix_get (scores, 0, 0), ==, 1);
  g_assert_cmpfloat (lb_matrix_get (scores, 1, 0), ==, 1);
  g_assert_cmpfloat ((double) lb_matrix_get (scores, 1, 1), <, 1e-30);
  /* What was not measured must not look as if it had been. */
  for (gsize j = 0; j < 3; j++)
    g_assert_true (isnan (lb_matrix_get (scores, 2, j)));
}

static void
test_gelu (void)
{
  g_autoptr (LbMatrix) x = lb_matrix_new (1, 4001);
  g_autoptr (LbMatrix) out = NULL;

  for (guint i = 0; i < 4001; i++)
    x->data[i] = ((float) i - 2000.0f) / 100.0f;
  out = lb_matrix_copy (x);
  lb_kernel_gelu_tanh (out);
  for (guint i = 0; i < 4001; i++)
    {
      double v = (double) x->data[i];
      double expected = 0.5 * v * (1 + tanh (sqrt (2 / G_PI) * (v + 0.044715 * v * v * v)));

      g_assert_cmpfloat_with_epsilon ((double) out->data[i], expected, 1e-6 * fabs (expected) + 1e-7);
    }
  x->data[0] = NAN;
  lb_kernel_gelu_tanh (x);
  g_assert_true (isnan (x->data[0]));
}

static void
test_relu6 (void)
{
  g_autoptr (LbMatrix) x = lb_matrix_new (2, 3);
  const float values[] = { -1, 0, 0.5f, 5.99f, 6, 1e30f };
  const float expected[] = { 0, 0, 0.5f, 5.99f, 6, 6 };

  for (guint i = 0; i < 6; i++)
    lb_matrix_row (x, i / 3)[i % 3] = values[i];
  lb_kernel_relu6 (x);
  for (guint i = 0; i < 6; i++)
    g_assert_cmpfloat (lb_matrix_get (x, i / 3, i % 3), ==, expected[i]);
  x->data[0] = NAN;
  lb_kernel_relu6 (x);
  g_assert_true (isnan (x->data[0]));
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/transformer/kernels/layer-norm-equals-double-precision", test_layer_norm);
  g_test_add_func ("/transformer/kernels/causal-softmax-equals-double-precision", test_softmax);
  g_test_add_func ("/transformer/kernels/causal-softmax-holds-at-the-ends-of-the-range",
                   test_softmax_extremes);
  g_test_add_func ("/transformer/kernels/gelu-equals-double-precision", test_gelu);
  g_test_add_func ("/transformer/kernels/relu6-clips-at-0-and-6", test_relu6);

  return g_test_run ();
}
