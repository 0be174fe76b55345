/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-statistics.h"

#include <float.h>
#include <math.h>

#include "lb-random.h"

static void
test_figures_of_a_case_by_hand (void)
{
  /* e = 1, -1, 1, 1 */
  const double ideal[] = { 0, 2, 4, 6 };
  const double measured[] = { 1, 1, 5, 7 };
  LbFiguresOfMerit figures;

  lb_figures_of_merit (measured, ideal, 4, 5, &figures);
  g_assert_cmpuint (figures.count, ==, 4);
  g_assert_cmpfloat_with_epsilon (figures.rms_error, 1, 1e-15);
  g_assert_cmpfloat_with_epsilon (figures.normalised_error, 0.2, 1e-15);
  g_assert_cmpfloat_with_epsilon (figures.bias, 0.1, 1e-15);
  g_assert_cmpfloat_with_epsilon (figures.max_error, 1, 1e-15);
  g_assert_cmpfloat_with_epsilon (figures.ideal_deviation, sqrt (5.0), 1e-15);
  g_assert_cmpfloat_with_epsilon (figures.relative_error, 1 / sqrt (5.0), 1e-15);
  g_assert_cmpfloat_with_epsilon (figures.effective_bits, log2 (6 / sqrt (12.0)), 1e-14);
  /* sums of products: ideal 20, both 22, measured 27 */
  g_assert_cmpfloat_with_epsilon (figures.slope, 1.1, 1e-14);
  g_assert_cmpfloat_with_epsilon (figures.offset, 0.2, 1e-14);
  g_assert_cmpfloat_with_epsilon (figures.correlation, 22 / sqrt (20.0 * 27.0), 1e-14);
  /* residual 2.8 over 2 degrees of freedom, t = 4.3027 */
  g_assert_cmpfloat_with_epsilon (figures.slope_high - figures.slope, 4.302652729911275 * sqrt (1.4 / 20),
                                  1e-12);
  g_assert_cmpfloat_with_epsilon (figures.slope - figures.slope_low, 4.302652729911275 * sqrt (1.4 / 20),
                                  1e-12);
}

static void
test_unmeasured_pairs_do_not_count (void)
{
  const double ideal[] = { 0, 9, 2, 4, NAN, INFINITY, 6 };
  const double measured[] = { 1, NAN, 1, 5, 1, 3, 7 };
  const double whole_ideal[] = { 0, 2, 4, 6 };
  const double whole_measured[] = { 1, 1, 5, 7 };
  LbFiguresOfMerit figures, whole;

  lb_figures_of_merit (measured, ideal, G_N_ELEMENTS (ideal), 5, &figures);
  lb_figures_of_merit (whole_measured, whole_ideal, 4, 5, &whole);
  g_assert_cmpuint (figures.count, ==, 4);
  g_assert_cmpfloat (figures.rms_error, ==, whole.rms_error);
  g_assert_cmpfloat (figures.slope, ==, whole.slope);
  g_assert_cmpfloat (figures.correlation, ==, whole.correlation);
}

static void
test_no_error_has_infinite_bits (void)
{
  const double ideal[] = { 1, 2, 4 };
  LbFiguresOfMerit figures;

  lb_figures_of_merit (ideal, ideal, 3, 1, &figures);
  g_assert_cmpfloat (figures.normalised_error, ==, 0);
  g_assert_true (isinf (figures.effective_bits));
  g_assert_cmpfloat_with_epsilon (figures.slope, 1, 1e-15);
  g_assert_cmpfloat_with_epsilon (figures.slope_high, 1, 1e-7);
  g_assert_cmpfloat_with_epsilon (figures.correlation, 1, 1e-15);
}

static void
test_what_is_not_determined_is_nan (void)
{
  const double same[] = { 3, 3, 3 };
  const double measured[] = { 1, 2, 3 };
  const double nothing[] = { NAN };
  LbFiguresOfMerit figures;

  lb_figures_of_merit (measured, same, 3, 1, &figures);
  g_assert_true (isnan (figures.slope));
  g_assert_true (isnan (figures.correlation));
  g_assert_cmpfloat_with_epsilon (figures.rms_error, sqrt (5.0 / 3), 1e-15);

  lb_figures_of_merit (nothing, nothing, 1, 1, &figures);
  g_assert_cmpuint (figures.count, ==, 0);
  g_assert_true (isnan (figures.normalised_error));
  g_assert_true (isnan (figures.bias));
  g_assert_true (isnan (figures.max_error));
  g_assert_true (isnan (figures.effective_bits));
  g_assert_true (isnan (figures.slope));
  g_assert_true (isnan (figures.offset));

  lb_figures_of_merit (measured, measured, 2, 1, &figures);
  g_assert_cmpfloat_with_epsilon (figures.slope, 1, 1e-15);
  g_assert_true (isnan (figures.slope_low));
}

static void
test_slope_interval_holds_95_percent (void)
{
  enum
  {
    RUNS = 4000,
    POINTS = 6
  };
  guint inside = 0;

  for (guint run = 0; run < RUNS; run++)
    {
      double ideal[POINTS], measured[POINTS];
      LbFiguresOfMerit figures;

      for (guint i = 0; i < POINTS; i++)
        {
          ideal[i] = i;
          measured[i] = 0.7 * i + 2 + lb_random_normal_at (lb_random_key (1), 0, run * POINTS + i);
        }
      lb_figures_of_merit (measured, ideal, POINTS, 1, &figures);
      inside += figures.slope_low <= 0.7 && 0.7 <= figures.slope_high;
    }
  /* 3,800 +- 14 */
  g_assert_cmpuint (inside, >, 3745);
  g_assert_cmpuint (inside, <, 3855);
}

static void
test_large_means_lose_no_digits (void)
{
  const double values[] = { 1e9 + 1, 1e9 + 2, 1e9 + 3 };

  g_assert_cmpfloat_with_epsilon (lb_mean (values, 3), 1e9 + 2, 1e-6);
  g_assert_cmpfloat_with_epsilon (lb_standard_deviation (values, 3), 1, 1e-6);
}

static void
test_few_values_have_no_deviation (void)
{
  const double value = 3;

  g_assert_cmpfloat (lb_standard_deviation (&value, 1), ==, 0);
  g_assert_cmpfloat (lb_standard_deviation (NULL, 0), ==, 0);
  g_assert_cmpfloat (lb_mean (&value, 1), ==, 3);
  g_assert_true (isnan (lb_mean (NULL, 0)));
}

static void
test_percentile_interpolates (void)
{
  const double values[] = { 4, 1, 3, 2 };
  const float floats[] = { 4, 1, 3, 2, NAN };

  g_assert_cmpfloat (lb_percentile (values, 4, 0), ==, 1);
  g_assert_cmpfloat (lb_percentile (values, 4, 100), ==, 4);
  g_assert_cmpfloat_with_epsilon (lb_percentile (values, 4, 50), 2.5, 1e-15);
  g_assert_cmpfloat_with_epsilon (lb_percentile (values, 4, 10), 1.3, 1e-15);
  g_assert_cmpfloat_with_epsilon (lb_percentile_float (floats, 5, 50), 2.5, 1e-6);
  g_assert_cmpfloat (lb_percentile (values, 1, 73), ==, 4);
  g_assert_true (isnan (lb_percentile (values, 0, 50)));
  g_assert_cmpfloat (values[0], ==, 4);
}

static int
compare_doubles (gconstpointer a, gconstpointer b)
{
  double x = *(const double *) a, y = *(const double *) b;

  return (x > y) - (x < y);
}

static void
test_percentile_agrees_with_sorting (void)
{
  enum
  {
    COUNT = 1001
  };
  double values[COUNT], sorted[COUNT];

  /* The last two have many equal values, and are sorted already. */
  for (guint kind = 0; kind < 3; kind++)
    {
      for (guint i = 0; i < COUNT; i++)
        {
          double value = lb_random_normal_at (lb_random_key (2), kind, i);

          values[i] = kind == 0 ? value : kind == 1 ? floor (value) : i / 3;
          sorted[i] = values[i];
        }
      qsort (sorted, COUNT, sizeof (double), compare_doubles);
      for (guint percent = 0; percent <= 100; percent++)
        g_assert_cmpfloat_with_epsilon (lb_percentile (values, COUNT, percent), sorted[percent * 10], 1e-12);
    }
}

static void
check_isotonic (const double *given, const double *weights, const double *expected, gsize count)
{
  g_autofree double *values = g_memdup2 (given, count * sizeof (double));

  lb_isotonic_regression (values, weights, count);
  for (gsize i = 0; i < count; i++)
    g_assert_cmpfloat_with_epsilon (values[i], expected[i], 1e-12);
}

static void
test_isotonic_pools_violators (void)
{
  check_isotonic ((double[]){ 1, 3, 2, 4 }, NULL, (double[]){ 1, 2.5, 2.5, 4 }, 4);
  check_isotonic ((double[]){ 3, 2, 1 }, NULL, (double[]){ 2, 2, 2 }, 3);
  check_isotonic ((double[]){ 1, 2, 3 }, NULL, (double[]){ 1, 2, 3 }, 3);
  check_isotonic ((double[]){ 1, 3, 2, 4 }, (double[]){ 1, 3, 1, 1 }, (double[]){ 1, 2.75, 2.75, 4 }, 4);
  check_isotonic ((double[]){ 1, 9, 2, 4 }, (double[]){ 1, 0, 1, 1 }, (double[]){ 1, 2, 2, 4 }, 4);
  check_isotonic ((double[]){ 5, 4, 1 }, (double[]){ 0, 0, 1 }, (double[]){ 1, 1, 1 }, 3);
  check_isotonic ((double[]){ 7 }, NULL, (double[]){ 7 }, 1);
  lb_isotonic_regression (NULL, NULL, 0);
}

/* What makes a monotone sequence the nearest: its rest sums up to 0 or more from the start, to 0 in all,
 * and is at right angles to it. */
static void
test_isotonic_is_the_least_squares_fit (void)
{
  enum
  {
    COUNT = 200
  };
  double given[COUNT], values[COUNT], product = 0, sum = 0;

  for (guint i = 0; i < COUNT; i++)
    values[i] = given[i] = 0.02 * i + lb_random_normal_at (lb_random_key (3), 0, i);
  lb_isotonic_regression (values, NULL, COUNT);

  for (guint i = 0; i < COUNT; i++)
    {
      if (i > 0)
        g_assert_cmpfloat (values[i], >=, values[i - 1]);
      sum += given[i] - values[i];
      g_assert_cmpfloat (sum, >=, -1e-9);
      product += (given[i] - values[i]) * values[i];
    }
  g_assert_cmpfloat_with_epsilon (sum, 0, 1e-9);
  g_assert_cmpfloat_with_epsilon (product, 0, 1e-9);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/numerics/statistics/figures-of-a-case-by-hand", test_figures_of_a_case_by_hand);
  g_test_add_func ("/numerics/statistics/unmeasured-pairs-do-not-count", test_unmeasured_pairs_do_not_count);
  g_test_add_func ("/numerics/statistics/no-error-has-infinite-bits", test_no_error_has_infinite_bits);
  g_test_add_func ("/numerics/statistics/what-is-not-determined-is-nan", test_what_is_not_determined_is_nan);
  g_test_add_func ("/numerics/statistics/slope-interval-holds-95-percent",
                   test_slope_interval_holds_95_percent);
  g_test_add_func ("/numerics/statistics/large-means-lose-no-digits", test_large_means_lose_no_digits);
  g_test_add_func ("/numerics/statistics/few-values-have-no-deviation", test_few_values_have_no_deviation);
  g_test_add_func ("/numerics/statistics/percentile-interpolates", test_percentile_interpolates);
  g_test_add_func ("/numerics/statistics/percentile-agrees-with-sorting",
                   test_percentile_agrees_with_sorting);
  g_test_add_func ("/numerics/statistics/isotonic-pools-violators", test_isotonic_pools_violators);
  g_test_add_func ("/numerics/statistics/isotonic-is-the-least-squares-fit",
                   test_isotonic_is_the_least_squares_fit);
  return g_test_run ();
}
