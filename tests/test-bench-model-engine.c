/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <lb-bench-model-engine.h>
#include <lb-gemm.h>
#include <lb-random.h>
#include <math.h>

#define LENGTH 64
#define ROWS 40
#define OUTPUTS 30
#define DRAWS 300
#define READ_VARIANCE 900.0
#define GAUSSIAN 0.01
#define SYSTEMATIC 0.02

static LbBenchNoiseModel *
new_model (void)
{
  const char *json =
      "{\"format\": \"lightbench-noise-model\", \"version\": 2, \"verification\": \"x\", "
      "\"quantum_efficiency\": 0.7, \"path_transmission\": 0.7, \"source_floor\": 0, \"weight_floor\": 0, "
      "\"knots\": [{\"length\": 64, \"passes\": 4, \"read_variance\": 900, \"gaussian\": 0.01, "
      "\"systematic\": 0.02, \"bias\": 0, \"background\": 0, \"dimming\": 1, \"reference\": 1e9, "
      "\"reference_variance\": 0, \"frame_photons\": 1e6, \"light\": [1, 1, 1, 1, 1, 1, 1, 1]}]}";
  g_autoptr (GError) error = NULL;
  LbBenchNoiseModel *model = lb_bench_noise_model_parse (json, -1, &error);

  g_assert_no_error (error);
  return model;
}

static LbMatrix *
make_matrix (gsize rows, guint64 stream)
{
  LbMatrix *matrix = lb_matrix_new (rows, LENGTH);

  for (gsize row = 0; row < rows; row++)
    {
      lb_random_uniform_fill (lb_random_key (1), stream, row * LENGTH, LENGTH, lb_matrix_row (matrix, row));
      for (gsize i = 0; i < LENGTH; i++)
        lb_matrix_row (matrix, row)[i] = 2 * lb_matrix_get (matrix, row, i) - 1;
    }
  return matrix;
}

/* Variance of the noise of one result, from the operands alone: shot and read
 * noise of four passes, and a Gaussian of the passes' means. */
static double
expected_variance (
    const LbMatrix *a, const LbMatrix *b, gsize row, gsize column, double photons, double pass_scale)
{
  double x_max = 0, w_max = lb_matrix_max_abs (b), light = 0, shot = 0, scale;

  for (gsize i = 0; i < LENGTH; i++)
    x_max = fmax (x_max, fabs ((double) lb_matrix_get (a, row, i)));
  for (gsize i = 0; i < LENGTH; i++)
    shot += fabs ((double) lb_matrix_get (a, row, i) * (double) lb_matrix_get (b, column, i)) / x_max / w_max;
  /* The mean of x^ over both parts, on the average over the rows. */
  for (gsize r = 0; r < ROWS; r++)
    {
      double sum = 0, largest = 0;

      for (gsize i = 0; i < LENGTH; i++)
        {
          sum += fabs ((double) lb_matrix_get (a, r, i));
          largest = fmax (largest, fabs ((double) lb_matrix_get (a, r, i)));
        }
      light += sum / largest / LENGTH / 2 / ROWS;
    }
  light = photons * 0.7 * 0.7 / light;
  scale = x_max * w_max;
  return scale * scale * (shot / light + 4 * READ_VARIANCE / light / light) +
         pass_scale * pass_scale * GAUSSIAN * GAUSSIAN;
}

/* sqrt of the sum of the squares of the passes' means, in output units. */
static double
find_pass_scale (const LbMatrix *a, const LbMatrix *b)
{
  double squares = 0;

  for (guint pass = 0; pass < 4; pass++)
    {
      const double x_sign = pass % 2 == 0 ? 1 : -1, w_sign = pass / 2 == 0 ? 1 : -1;
      double mean = 0;

      for (gsize i = 0; i < LENGTH; i++)
        {
          double x = 0, w = 0;

          for (gsize row = 0; row < ROWS; row++)
            x += fmax (x_sign * (double) lb_matrix_get (a, row, i), 0) / ROWS;
          for (gsize row = 0; row < OUTPUTS; row++)
            w += fmax (w_sign * (double) lb_matrix_get (b, row, i), 0) / OUTPUTS;
          mean += x * w;
        }
      squares += mean * mean;
    }
  return sqrt (squares);
}

static void
test_noise_is_that_of_the_model (void)
{
  const double photons = 200;
  g_autoptr (LbMatrix) a = make_matrix (ROWS, 1);
  g_autoptr (LbMatrix) b = make_matrix (OUTPUTS, 2);
  g_autoptr (LbMatrix) out = lb_matrix_new (ROWS, OUTPUTS);
  g_autoptr (LbMatrix) ideal = lb_matrix_new (ROWS, OUTPUTS);
  g_autoptr (LbEngine) engine = lb_bench_model_engine_new (new_model (), photons);
  LbProduct product = { .a = a, .b = b };
  const double pass_scale = find_pass_scale (a, b);
  double mean[ROWS][OUTPUTS] = { { 0 } }, squares[ROWS][OUTPUTS] = { { 0 } };
  double ratio = 0, systematic = 0;

  g_assert_cmpstr (lb_engine_get_name (engine), ==, "noise");
  lb_gemm_nt_reference (a, b, ideal);
  for (guint draw = 0; draw < DRAWS; draw++)
    {
      product.key.window = draw;
      g_assert_true (lb_engine_multiply (engine, &product, out, NULL, NULL, NULL));
      for (gsize r = 0; r < ROWS; r++)
        for (gsize c = 0; c < OUTPUTS; c++)
          {
            const double error = (double) lb_matrix_get (out, r, c) - (double) lb_matrix_get (ideal, r, c);

            mean[r][c] += error / DRAWS;
            squares[r][c] += error * error / DRAWS;
          }
    }
  for (gsize r = 0; r < ROWS; r++)
    for (gsize c = 0; c < OUTPUTS; c++)
      {
        const double variance = (squares[r][c] - mean[r][c] * mean[r][c]) * DRAWS / (DRAWS - 1);
        const double expected = expected_variance (a, b, r, c, photons, pass_scale);

        ratio += variance / expected / (ROWS * OUTPUTS);
        systematic += (mean[r][c] * mean[r][c] - expected / DRAWS) / (ROWS * OUTPUTS);
      }
  g_test_message ("variance ratio %.4f, systematic part %.4f of %.4f", ratio, sqrt (systematic),
                  SYSTEMATIC * pass_scale);
  /* Six standard deviations of the mean ratio of 1,200 variances. */
  g_assert_cmpfloat (fabs (ratio - 1), <, 6 * sqrt (2.0 / DRAWS / (ROWS * OUTPUTS)));
  /* The systematic part is one number a column: thirty of them. */
  g_assert_cmpfloat (fabs (sqrt (systematic) / (SYSTEMATIC * pass_scale) - 1), <, 6 * sqrt (0.5 / OUTPUTS));
}

/* Heads, ranges and threads. */
static void
test_same_bytes_and_ranges (void)
{
  const float ranges[6] = { -0.5f, 0.5f, -0.25f, 0.25f, -9, 9 };
  g_autoptr (LbMatrix) a = make_matrix (2 * 200, 1);
  g_autoptr (LbMatrix) b = make_matrix (2 * 150, 2);
  g_autoptr (LbMatrix) one = lb_matrix_new (400, 150);
  g_autoptr (LbMatrix) two = lb_matrix_new (400, 150);
  g_autoptr (LbEngine) engine = lb_bench_model_engine_new (new_model (), 2000);
  const LbProduct product = { .a = a, .b = b, .heads = 2, .ranges = ranges };

  lb_numerics_set_threads (1);
  g_assert_true (lb_engine_multiply (engine, &product, one, NULL, NULL, NULL));
  lb_numerics_set_threads (2);
  g_assert_true (lb_engine_multiply (engine, &product, two, NULL, NULL, NULL));
  lb_numerics_set_threads (0);
  for (gsize row = 0; row < 400; row++)
    g_assert_cmpmem (lb_matrix_row (one, row), 150 * sizeof (float), lb_matrix_row (two, row),
                     150 * sizeof (float));
  /* Nothing can be larger than clamped operands allow, but by its noise. */
  for (gsize row = 0; row < 400; row++)
    for (gsize i = 0; i < 150; i++)
      g_assert_cmpfloat (fabsf (lb_matrix_get (one, row, i)), <, 0.5f * 0.25f * LENGTH);
}

static void
test_edges (void)
{
  g_autoptr (LbMatrix) a = make_matrix (10, 1);
  g_autoptr (LbMatrix) b = make_matrix (10, 2);
  g_autoptr (LbMatrix) out = lb_matrix_new (10, 10);
  g_autoptr (LbMatrix) column = lb_matrix_new (10, 1);
  g_autoptr (LbMatrix) zero = lb_matrix_new (10, LENGTH);
  g_autoptr (LbEngine) engine = lb_bench_model_engine_new (new_model (), 2000);
  const LbProduct diagonal = { .a = a, .b = b, .pairs = LB_PAIRS_DIAGONAL };
  const LbProduct dark = { .a = zero, .b = b };
  g_autoptr (GError) error = NULL;

  g_assert_false (lb_engine_multiply (engine, &diagonal, column, NULL, NULL, &error));
  g_assert_error (error, LB_ENGINE_ERROR, LB_ENGINE_ERROR_SHAPE);
  g_assert_true (lb_engine_multiply (engine, &dark, out, NULL, NULL, NULL));
  g_assert_true (lb_matrix_is_finite (out));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/engine/bench-model/noise-is-that-of-the-model", test_noise_is_that_of_the_model);
  g_test_add_func ("/engine/bench-model/same-bytes-with-one-and-two-threads", test_same_bytes_and_ranges);
  g_test_add_func ("/engine/bench-model/rows-one-by-one-are-refused-and-darkness-is-finite", test_edges);

  return g_test_run ();
}
