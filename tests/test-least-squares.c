/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-least-squares.h"

#include <math.h>

#include "lb-random.h"

#define SIDE 21

/* Points of a regular grid and where a map with rotation, scale and radial
 * distortion puts them. */
typedef struct
{
  double from_x[SIDE * SIDE], from_y[SIDE * SIDE];
  double to_x[SIDE * SIDE], to_y[SIDE * SIDE];
} Grid;

static double
normal_number (guint64 index)
{
  return lb_random_normal_at (lb_random_key (1), 0, index);
}

static void
distort (double x, double y, double *out_x, double *out_y)
{
  double u = (x - 960) / 960, v = (y - 540) / 960;
  double stretch = 1 + 0.02 * (u * u + v * v);

  *out_x = 512 + 480 * stretch * (0.995 * u - 0.0998 * v);
  *out_y = 384 + 480 * stretch * (0.0998 * u + 0.995 * v);
}

static void
make_grid (Grid *grid, double noise)
{
  for (guint i = 0; i < SIDE * SIDE; i++)
    {
      grid->from_x[i] = 96.0 * (i % SIDE);
      grid->from_y[i] = 54.0 * (i / SIDE);
      distort (grid->from_x[i], grid->from_y[i], &grid->to_x[i], &grid->to_y[i]);
      grid->to_x[i] += noise * normal_number (2 * i);
      grid->to_y[i] += noise * normal_number (2 * i + 1);
    }
}

static gboolean
fit_grid (const Grid *grid, LbPlaneMap *map, gboolean *inliers, double *rms, GError **error)
{
  return lb_plane_map_fit (map, grid->from_x, grid->from_y, grid->to_x, grid->to_y, SIDE * SIDE, inliers, rms,
                           error);
}

static double
largest_miss (const LbPlaneMap *map)
{
  double largest = 0;

  for (double x = 0; x <= 1920; x += 60)
    for (double y = 0; y <= 1080; y += 60)
      {
        double fitted_x, fitted_y, true_x, true_y;

        lb_plane_map_apply (map, x, y, &fitted_x, &fitted_y);
        distort (x, y, &true_x, &true_y);
        largest = MAX (largest, hypot (fitted_x - true_x, fitted_y - true_y));
      }
  return largest;
}

static void
test_exact_rows_give_exact_unknowns (void)
{
  /* Columns of very different size, as exposures in us and levels are. */
  const double truth[2][3] = { { 3, -2e-6, 5e10 }, { 0, 1e-6, -7e6 } };
  g_autoptr (LbLeastSquares) equations = lb_least_squares_new (3, 2);
  g_autoptr (GError) error = NULL;
  double solution[2][3];

  for (guint i = 0; i < 50; i++)
    {
      double row[3] = { 1, 1e6 * normal_number (2 * i), 1e-10 * normal_number (2 * i + 1) };
      double right[2] = { 0, 0 };

      for (guint k = 0; k < 2; k++)
        for (guint j = 0; j < 3; j++)
          right[k] += truth[k][j] * row[j];
      lb_least_squares_add (equations, row, right, 1 + i % 3);
    }
  g_assert_true (lb_least_squares_solve (equations, solution[0], &error));
  g_assert_no_error (error);
  for (guint k = 0; k < 2; k++)
    for (guint j = 0; j < 3; j++)
      g_assert_cmpfloat_with_epsilon (solution[k][j], truth[k][j], 1e-9 * fabs (truth[0][j]));
}

static void
test_weights_count_as_repetitions (void)
{
  g_autoptr (LbLeastSquares) weighted = lb_least_squares_new (2, 1);
  g_autoptr (LbLeastSquares) repeated = lb_least_squares_new (2, 1);
  double a[2], b[2];

  for (guint i = 0; i < 10; i++)
    {
      double row[2] = { 1, i }, right = normal_number (i);
      guint weight = i % 4;

      lb_least_squares_add (weighted, row, &right, weight);
      for (guint j = 0; j < weight; j++)
        lb_least_squares_add (repeated, row, &right, 1);
    }
  g_assert_true (lb_least_squares_solve (weighted, a, NULL));
  g_assert_true (lb_least_squares_solve (repeated, b, NULL));
  g_assert_cmpfloat_with_epsilon (a[0], b[0], 1e-12);
  g_assert_cmpfloat_with_epsilon (a[1], b[1], 1e-12);
}

static void
test_line_fit_by_hand (void)
{
  /* 1, 2, 2 over 0, 1, 2: 7/6 + x / 2 */
  g_autoptr (LbLeastSquares) equations = lb_least_squares_new (2, 1);
  double solution[2];

  lb_least_squares_add (equations, (double[]){ 1, 0 }, (double[]){ 1 }, 1);
  lb_least_squares_add (equations, (double[]){ 1, 1 }, (double[]){ 2 }, 1);
  lb_least_squares_add (equations, (double[]){ 1, 2 }, (double[]){ 2 }, 1);
  g_assert_true (lb_least_squares_solve (equations, solution, NULL));
  g_assert_cmpfloat_with_epsilon (solution[0], 7.0 / 6, 1e-14);
  g_assert_cmpfloat_with_epsilon (solution[1], 0.5, 1e-14);
}

static void
test_undetermined_unknowns_are_refused (void)
{
  g_autoptr (LbLeastSquares) dependent = lb_least_squares_new (3, 1);
  g_autoptr (LbLeastSquares) empty = lb_least_squares_new (2, 1);
  g_autoptr (LbLeastSquares) damaged = lb_least_squares_new (1, 1);
  g_autoptr (GError) error = NULL;
  double solution[3] = { 7, 7, 7 };

  for (guint i = 0; i < 100; i++)
    {
      double a = normal_number (2 * i), b = normal_number (2 * i + 1);

      lb_least_squares_add (dependent, (double[]){ a, b, 0.3 * a - 1.7 * b }, &a, 1);
    }
  g_assert_false (lb_least_squares_solve (dependent, solution, &error));
  g_assert_error (error, LB_NUMERICS_ERROR, LB_NUMERICS_ERROR_SINGULAR);
  g_assert_cmpfloat (solution[0], ==, 7);
  g_clear_error (&error);

  g_assert_false (lb_least_squares_solve (empty, solution, &error));
  g_assert_error (error, LB_NUMERICS_ERROR, LB_NUMERICS_ERROR_SINGULAR);
  g_clear_error (&error);

  lb_least_squares_add (damaged, (double[]){ NAN }, (double[]){ 1 }, 1);
  g_assert_false (lb_least_squares_solve (damaged, solution, &error));
  g_assert_error (error, LB_NUMERICS_ERROR, LB_NUMERICS_ERROR_SINGULAR);
}

static void
test_identity_leaves_points (void)
{
  LbPlaneMap map;
  double x, y, jacobian[4];

  lb_plane_map_init_identity (&map);
  lb_plane_map_apply (&map, 17.25, -3.5, &x, &y);
  g_assert_cmpfloat (x, ==, 17.25);
  g_assert_cmpfloat (y, ==, -3.5);
  lb_plane_map_jacobian (&map, 5, 6, jacobian);
  g_assert_cmpfloat (jacobian[0], ==, 1);
  g_assert_cmpfloat (jacobian[1], ==, 0);
  g_assert_cmpfloat (jacobian[2], ==, 0);
  g_assert_cmpfloat (jacobian[3], ==, 1);
}

static void
test_exact_points_give_the_map (void)
{
  g_autoptr (GError) error = NULL;
  gboolean inliers[SIDE * SIDE];
  double rms;
  LbPlaneMap map;
  Grid grid;

  make_grid (&grid, 0);
  g_assert_true (fit_grid (&grid, &map, inliers, &rms, &error));
  g_assert_no_error (error);
  g_assert_cmpfloat (rms, <, 1e-8);
  g_assert_cmpfloat (largest_miss (&map), <, 1e-7);
}

static void
test_jacobian_is_the_derivative (void)
{
  const double step = 1e-3;
  LbPlaneMap map;
  Grid grid;

  make_grid (&grid, 0);
  g_assert_true (fit_grid (&grid, &map, NULL, NULL, NULL));
  for (double x = 100; x < 1900; x += 400)
    for (double y = 100; y < 1000; y += 300)
      {
        double jacobian[4], right[2], left[2], below[2], above[2];

        lb_plane_map_jacobian (&map, x, y, jacobian);
        lb_plane_map_apply (&map, x + step, y, &right[0], &right[1]);
        lb_plane_map_apply (&map, x - step, y, &left[0], &left[1]);
        lb_plane_map_apply (&map, x, y + step, &below[0], &below[1]);
        lb_plane_map_apply (&map, x, y - step, &above[0], &above[1]);
        g_assert_cmpfloat_with_epsilon (jacobian[0], (right[0] - left[0]) / (2 * step), 1e-8);
        g_assert_cmpfloat_with_epsilon (jacobian[1], (below[0] - above[0]) / (2 * step), 1e-8);
        g_assert_cmpfloat_with_epsilon (jacobian[2], (right[1] - left[1]) / (2 * step), 1e-8);
        g_assert_cmpfloat_with_epsilon (jacobian[3], (below[1] - above[1]) / (2 * step), 1e-8);
      }
}

static void
test_noise_is_averaged (void)
{
  gboolean inliers[SIDE * SIDE];
  guint count = 0;
  double rms;
  LbPlaneMap map;
  Grid grid;

  make_grid (&grid, 0.1);
  g_assert_true (fit_grid (&grid, &map, inliers, &rms, NULL));
  /* 0.1 in each of two coordinates. */
  g_assert_cmpfloat_with_epsilon (rms, 0.1 * G_SQRT2, 0.01);
  g_assert_cmpfloat (largest_miss (&map), <, 0.1);
  for (guint i = 0; i < SIDE * SIDE; i++)
    count += inliers[i];
  g_assert_cmpuint (count, >=, SIDE * SIDE - 2);
}

static gboolean
is_outlier (guint point)
{
  return lb_random_uniform_at (lb_random_key (0), 2, point) < 0.4;
}

static void
test_outliers_do_not_move_the_map (void)
{
  gboolean inliers[SIDE * SIDE];
  double rms;
  LbPlaneMap map;
  Grid grid;

  /* Two of five wrong at random, all to the same side, and two not found at all. */
  make_grid (&grid, 0.05);
  for (guint i = 0; i < SIDE * SIDE; i++)
    if (is_outlier (i))
      {
        grid.to_x[i] += 60 + 2 * normal_number (5000 + i);
        grid.to_y[i] += 20 + 2 * normal_number (7000 + i);
      }
  grid.to_x[9] = NAN;
  grid.from_y[10] = INFINITY;
  g_assert_true (fit_grid (&grid, &map, inliers, &rms, NULL));
  g_assert_cmpfloat (largest_miss (&map), <, 0.1);
  g_assert_cmpfloat_with_epsilon (rms, 0.05 * G_SQRT2, 0.01);
  for (guint i = 0; i < SIDE * SIDE; i++)
    if (i == 9 || i == 10 || is_outlier (i))
      g_assert_false (inliers[i]);
}

static void
test_too_few_points_are_refused (void)
{
  g_autoptr (GError) error = NULL;
  LbPlaneMap map;
  Grid grid;

  make_grid (&grid, 0);
  g_assert_false (
      lb_plane_map_fit (&map, grid.from_x, grid.from_y, grid.to_x, grid.to_y, 9, NULL, NULL, &error));
  g_assert_error (error, LB_NUMERICS_ERROR, LB_NUMERICS_ERROR_SINGULAR);
  g_clear_error (&error);

  /* Three rows do not determine a cubic. */
  g_assert_false (
      lb_plane_map_fit (&map, grid.from_x, grid.from_y, grid.to_x, grid.to_y, 3 * SIDE, NULL, NULL, &error));
  g_assert_error (error, LB_NUMERICS_ERROR, LB_NUMERICS_ERROR_SINGULAR);
  g_clear_error (&error);

  g_assert_false (lb_plane_map_fit (&map, NULL, NULL, NULL, NULL, 0, NULL, NULL, &error));
  g_assert_error (error, LB_NUMERICS_ERROR, LB_NUMERICS_ERROR_SINGULAR);
}

static void
test_inverse_leads_back (void)
{
  g_autoptr (GError) error = NULL;
  LbPlaneMap map, inverse;
  double rms, largest = 0;
  Grid grid;

  make_grid (&grid, 0);
  g_assert_true (fit_grid (&grid, &map, NULL, NULL, NULL));
  g_assert_true (lb_plane_map_invert (&map, 0, 0, 1920, 1080, &inverse, &rms, &error));
  g_assert_no_error (error);
  for (double x = 0; x <= 1920; x += 64)
    for (double y = 0; y <= 1080; y += 54)
      {
        double there_x, there_y, back_x, back_y;

        lb_plane_map_apply (&map, x, y, &there_x, &there_y);
        lb_plane_map_apply (&inverse, there_x, there_y, &back_x, &back_y);
        largest = MAX (largest, hypot (back_x - x, back_y - y));
      }
  g_assert_cmpfloat (rms, >, 0);
  g_assert_cmpfloat (rms, <, 0.2);
  g_assert_cmpfloat (largest, <, 1.2);
  g_assert_cmpfloat (largest, >=, rms);
}

static void
test_inverse_of_an_affine_map_is_exact (void)
{
  LbPlaneMap map, inverse;
  double rms, x, y;

  lb_plane_map_init_identity (&map);
  map.x[0] = 7;
  map.x[1] = 2;
  map.x[2] = 0.5;
  map.y[2] = -3;
  g_assert_true (lb_plane_map_invert (&map, 0, 0, 100, 50, &inverse, &rms, NULL));
  g_assert_cmpfloat (rms, <, 1e-10);
  lb_plane_map_apply (&inverse, 7 + 2 * 40 + 0.5 * 20, -3 * 20, &x, &y);
  g_assert_cmpfloat_with_epsilon (x, 40, 1e-9);
  g_assert_cmpfloat_with_epsilon (y, 20, 1e-9);
}

static void
test_inverse_of_nothing_is_refused (void)
{
  g_autoptr (GError) error = NULL;
  LbPlaneMap map, inverse;

  lb_plane_map_init_identity (&map);
  g_assert_false (lb_plane_map_invert (&map, 5, 5, 5, 90, &inverse, NULL, &error));
  g_assert_error (error, LB_NUMERICS_ERROR, LB_NUMERICS_ERROR_SINGULAR);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/numerics/least-squares/exact-rows-give-exact-unknowns",
                   test_exact_rows_give_exact_unknowns);
  g_test_add_func ("/numerics/least-squares/weights-count-as-repetitions", test_weights_count_as_repetitions);
  g_test_add_func ("/numerics/least-squares/line-fit-by-hand", test_line_fit_by_hand);
  g_test_add_func ("/numerics/least-squares/undetermined-unknowns-are-refused",
                   test_undetermined_unknowns_are_refused);
  g_test_add_func ("/numerics/plane-map/identity-leaves-points", test_identity_leaves_points);
  g_test_add_func ("/numerics/plane-map/exact-points-give-the-map", test_exact_points_give_the_map);
  g_test_add_func ("/numerics/plane-map/jacobian-is-the-derivative", test_jacobian_is_the_derivative);
  g_test_add_func ("/numerics/plane-map/noise-is-averaged", test_noise_is_averaged);
  g_test_add_func ("/numerics/plane-map/outliers-do-not-move-the-map", test_outliers_do_not_move_the_map);
  g_test_add_func ("/numerics/plane-map/too-few-points-are-refused", test_too_few_points_are_refused);
  g_test_add_func ("/numerics/plane-map/inverse-leads-back", test_inverse_leads_back);
  g_test_add_func ("/numerics/plane-map/inverse-of-an-affine-map-is-exact",
                   test_inverse_of_an_affine_map_is_exact);
  g_test_add_func ("/numerics/plane-map/inverse-of-nothing-is-refused", test_inverse_of_nothing_is_refused);
  return g_test_run ();
}
