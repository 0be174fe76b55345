/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <lb-gemm.h>
#include <lb-model.h>
#include <lb-noise-engine.h>
#include <math.h>
#include <string.h>

#include "lb-noise-private.h"
#include "reference-values.h"

/* Draws of every value; the error of a variance over all values is far below
 * the half per cent that is allowed. */
#define DRAWS 400

static LbMatrix *
make_matrix (gsize rows, gsize columns, double low, double high, guint32 seed)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
  LbMatrix *matrix = lb_matrix_new (rows, columns);

  for (gsize i = 0; i < rows; i++)
    for (gsize j = 0; j < columns; j++)
      lb_matrix_row (matrix, i)[j] = (float) g_rand_double_range (rand, low, high);
  return matrix;
}

/* What many draws of a product come to. */
typedef struct
{
  gsize count;
  double *mean;
  double *variance;
} Moments;

static void
moments_clear (Moments *self)
{
  g_free (self->mean);
  g_free (self->variance);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Moments, moments_clear)

/* Every window draws anew. */
static void
draw (const LbNoiseOptions *options, LbProduct product, guint draws, Moments *moments)
{
  g_autoptr (LbEngine) engine = lb_noise_engine_new (options);
  const gsize outputs = product.b->rows / lb_product_get_heads (&product);
  g_autoptr (LbMatrix) out = lb_matrix_new (product.a->rows, outputs);
  g_autoptr (GError) error = NULL;

  moments->count = product.a->rows * outputs;
  moments->mean = g_new0 (double, moments->count);
  moments->variance = g_new0 (double, moments->count);
  for (guint i = 0; i < draws; i++)
    {
      product.key.window = i;
      g_assert_true (lb_engine_multiply (engine, &product, out, NULL, NULL, &error));
      g_assert_no_error (error);
      for (gsize k = 0; k < moments->count; k++)
        {
          const double value = (double) lb_matrix_get (out, k / outputs, k % outputs);
          const double delta = value - moments->mean[k];

          moments->mean[k] += delta / (i + 1);
          moments->variance[k] += delta * (value - moments->mean[k]);
        }
    }
  for (gsize k = 0; k < moments->count; k++)
    moments->variance[k] /= draws - 1;
}

/* Standard scores of the means, and the ratio of the variances, over the values
 * that @use tells (NULL: all). */
static void
compare (const char *what,
         const Moments *drawn,
         guint draws,
         const double *mean,
         const double *variance,
         const gboolean *use,
         double ratio_tolerance)
{
  double sum = 0, squares = 0, drawn_variance = 0, expected_variance = 0, count = 0, worst = 0;

  for (gsize i = 0; i < drawn->count; i++)
    if (use == NULL || use[i])
      {
        const double score = (drawn->mean[i] - mean[i]) / sqrt (variance[i] / draws);

        sum += score;
        squares += score * score;
        worst = fmax (worst, fabs (score));
        drawn_variance += drawn->variance[i] / variance[i];
        expected_variance += 1;
        count++;
      }
  g_test_message ("%s: %g values, scores: mean %.4f, square %.4f, worst %.2f; variance ratio %.5f", what,
                  count, sum / count, squares / count, worst, drawn_variance / expected_variance);
  g_assert_cmpfloat (count, >, 200);
  /* Six standard deviations each. */
  g_assert_cmpfloat (fabs (sum / count), <, 6 / sqrt (count));
  g_assert_cmpfloat (fabs (squares / count - 1), <, 6 * sqrt (2 / count));
  g_assert_cmpfloat (worst, <, 7);
  g_assert_cmpfloat (fabs (drawn_variance / expected_variance - 1), <, ratio_tolerance);
}

static void
check_moments (const char *what, const LbNoiseOptions *options, const LbProduct *product)
{
  g_auto (Moments) drawn = { 0 };
  g_autofree double *mean = NULL;
  g_autofree double *variance = NULL;

  draw (options, *product, DRAWS, &drawn);
  mean = g_new (double, drawn.count);
  variance = g_new (double, drawn.count);
  lb_noise_reference (options, product, mean, variance);
  compare (what, &drawn, DRAWS, mean, variance, NULL, 0.005);
}

/* Every kind of product, in both modes: signs, heads, tables, ranges, bits. */
static void
test_moments_equal_the_formulas (void)
{
  const float ranges[6] = { -0.9f, 0.9f, -0.8f, 0.8f, -1e6f, 1e6f };
  const float means[12] = { 1, 1.2f, 0.8f, 1.1f, 2, 2.2f, 1.8f, 2.1f, 0.5f, 0.6f, 0.4f, 0.5f };
  float transmission[256];
  const LbLookupTable table = { 256, transmission };
  g_autoptr (LbMatrix) a = make_matrix (3 * 18, 40, -1, 1, 1);
  g_autoptr (LbMatrix) b = make_matrix (3 * 25, 40, -1, 1, 2);
  g_autoptr (LbMatrix) positive = make_matrix (3 * 18, 40, 0, 1, 3);
  const struct
  {
    const char *what;
    LbProduct product;
    gboolean tables;
    guint bits;
    LbSigmaMean sigma;
    double photons;
  } cases[] = {
    { "linear", { .a = a, .b = b }, FALSE, 0, LB_SIGMA_PAPER, 50 },
    { "heads", { .a = a, .b = b, .heads = 3, .kind = LB_PRODUCT_ATTENTION }, FALSE, 0, LB_SIGMA_PAPER, 50 },
    { "ranges", { .a = a, .b = b, .ranges = ranges, .slm_floor = 0.02 }, FALSE, 0, LB_SIGMA_PAPER, 50 },
    { "bits", { .a = a, .b = b }, FALSE, 4, LB_SIGMA_PAPER, 50 },
    { "tables", { .a = a, .b = b, .ranges = ranges, .slm_floor = 0.02 }, TRUE, 0, LB_SIGMA_PAPER, 50 },
    { "two passes", { .a = positive, .b = b }, FALSE, 0, LB_SIGMA_PAPER, 50 },
    { "calibrated",
      { .a = a, .b = b, .heads = 3, .kind = LB_PRODUCT_ATTENTION, .sigma_means = means },
      FALSE,
      0,
      LB_SIGMA_CALIBRATED,
      50 },
    { "no shot noise", { .a = a, .b = b }, FALSE, 0, LB_SIGMA_PAPER, INFINITY },
  };

  for (guint i = 0; i < G_N_ELEMENTS (transmission); i++)
    transmission[i] = 0.02f + 0.98f * powf ((float) i / 255, 1.3f);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    for (guint mode = 0; mode < 2; mode++)
      {
        LbNoiseOptions options;

        lb_noise_options_init (&options);
        options.photons_per_mac = cases[i].photons;
        options.mode = mode;
        options.sigma_mean = cases[i].sigma;
        options.bits = cases[i].bits;
        options.slm = options.source = cases[i].tables ? &table : NULL;
        check_moments (cases[i].what, &options, &cases[i].product);
      }
}

/* At few photons an exact run must still give the right moments. */
static void
test_few_photons (void)
{
  g_autoptr (LbMatrix) a = make_matrix (40, 50, -1, 1, 4);
  g_autoptr (LbMatrix) b = make_matrix (30, 50, -1, 1, 5);
  const LbProduct product = { .a = a, .b = b };
  LbNoiseOptions options;

  lb_noise_options_init (&options);
  options.photons_per_mac = 0.05;
  options.mode = LB_NOISE_EXACT;
  {
    g_auto (Moments) drawn = { 0 };
    g_autofree double *mean = g_new (double, 1200);
    g_autofree double *variance = g_new (double, 1200);

    draw (&options, product, 4000, &drawn);
    lb_noise_reference (&options, &product, mean, variance);
    /* The Gaussian noise follows the mean of what was counted, whose own scatter
     * adds a little to its variance. */
    compare ("0.05 photons", &drawn, 4000, mean, variance, NULL, 0.005);
  }
}

static void
test_moment_gives_way_to_exact (void)
{
  g_autoptr (LbMatrix) a = make_matrix (40, 50, -1, 1, 4);
  g_autoptr (LbMatrix) b = make_matrix (30, 50, -1, 1, 5);
  g_autoptr (LbMatrix) moment = lb_matrix_new (40, 30);
  g_autoptr (LbMatrix) exact = lb_matrix_new (40, 30);
  const LbProduct product = { .a = a, .b = b, .key = { .seed = 3 } };

  for (guint i = 0; i < 2; i++)
    {
      LbEngineCounts counts = { 0 };
      LbNoiseOptions options;
      g_autoptr (LbEngine) one = NULL;
      g_autoptr (LbEngine) two = NULL;
      gboolean same = TRUE;

      lb_noise_options_init (&options);
      options.photons_per_mac = i == 0 ? 0.05 : 1000;
      one = lb_noise_engine_new (&options);
      options.mode = LB_NOISE_MOMENT;
      two = lb_noise_engine_new (&options);
      g_assert_true (lb_engine_multiply (one, &product, exact, NULL, NULL, NULL));
      g_assert_true (lb_engine_multiply (two, &product, moment, &counts, NULL, NULL));
      g_assert_cmpuint (counts.exact_instead, ==, i == 0 ? 1 : 0);
      for (gsize row = 0; row < 40; row++)
        same &= memcmp (lb_matrix_row (moment, row), lb_matrix_row (exact, row), 30 * sizeof (float)) == 0;
      g_assert_cmpint (same, ==, i == 0);
    }
}

/* What PyTorch's 600 draws of an operator of the reference model came to. */
static void
check_reference (LbTransformerOp op, const char *name, const char *photons, gsize step, const char *suffix)
{
  const gboolean attention = op == LB_OP_QK;
  g_autofree char *mean_name = g_strdup_printf ("%s-noise-%s-mean%s.npy", name, photons, suffix);
  g_autofree char *std_name = g_strdup_printf ("%s-noise-%s-std%s.npy", name, photons, suffix);
  g_autofree char *a_name = g_strdup_printf ("%s-input.npy", name);
  g_autofree char *b_name = g_strdup_printf ("%s-%s.npy", name, attention ? "k" : "weight");
  g_autoptr (LbNpy) mean = read_reference_values (mean_name);
  g_autoptr (LbNpy) deviation = read_reference_values (std_name);
  g_autoptr (LbNpy) a_values = read_reference_values (a_name);
  g_autoptr (LbNpy) b_values = read_reference_values (b_name);
  const guint heads = attention ? 4 : 1;
  const gsize depth = a_values->shape[a_values->axes - 1];
  g_autoptr (LbMatrix) a =
      lb_matrix_new_wrap (a_values->values, a_values->count / depth, depth, depth, NULL, NULL);
  g_autoptr (LbMatrix) b =
      lb_matrix_new_wrap (b_values->values, b_values->count / depth, depth, depth, NULL, NULL);
  g_autoptr (LbModel) model = lb_model_open_named (NULL, NULL);
  const float *ranges = lb_model_get_ranges (model, 1, op);
  const gsize outputs = b->rows / heads, rows = a->rows / heads / step;
  const LbProduct product = { .a = a,
                              .b = b,
                              .heads = heads,
                              .kind = attention ? LB_PRODUCT_ATTENTION : LB_PRODUCT_LINEAR,
                              .ranges = ranges,
                              .slm_floor = lb_model_get_config (model)->slm_floor };
  g_autofree gboolean *use = g_new (gboolean, a->rows * outputs);
  g_autofree double *theirs = g_new (double, a->rows *outputs);
  g_autofree double *variance = g_new (double, a->rows *outputs);
  LbNoiseOptions options;
  g_auto (Moments) drawn = { 0 };

  lb_noise_options_init (&options);
  options.photons_per_mac = g_ascii_strtod (photons, NULL);
  draw (&options, product, DRAWS, &drawn);
  for (gsize i = 0; i < a->rows * outputs; i++)
    {
      const gsize row = i / outputs % (a->rows / heads), head = i / outputs / (a->rows / heads);
      const gsize there = (head * rows + row / step) * outputs + i % outputs;

      /* Where the range of the output is not reached. */
      use[i] =
          row % step == 0 &&
          fabs ((double) mean->values[there]) + 6 * (double) deviation->values[there] < (double) ranges[5];
      theirs[i] = use[i] ? (double) mean->values[there] : 0;
      variance[i] = use[i] ? pow ((double) deviation->values[there], 2) : 1;
      /* Both means scatter. */
      variance[i] *= 1 + DRAWS / 600.0;
      drawn.variance[i] *= 1 + DRAWS / 600.0;
    }
  /* The variances of 600 draws scatter themselves; their ratio is 1 + 2 / 600 in the mean. */
  compare (name, &drawn, DRAWS, theirs, variance, use, 0.012);
}

static void
test_reference_moments (void)
{
  check_reference (LB_OP_W2, "h1_w2", "100", 1, "");
  check_reference (LB_OP_W2, "h1_w2", "1", 1, "");
  check_reference (LB_OP_QK, "h1_mm1", "100", 8, "-every-8th");
  check_reference (LB_OP_QK, "h1_mm1", "1", 8, "-every-8th");
}

static void
assert_same_bytes (const LbMatrix *one, const LbMatrix *two)
{
  for (gsize i = 0; i < one->rows; i++)
    g_assert_cmpmem (lb_matrix_row (one, i), one->columns * sizeof (float), lb_matrix_row (two, i),
                     two->columns * sizeof (float));
}

/* Sizes beyond a tile, and odd ones. */
static void
test_threads (void)
{
  const guint heads = 2;
  g_autoptr (LbMatrix) a = make_matrix (heads * 301, 70, -1, 1, 7);
  g_autoptr (LbMatrix) b = make_matrix (heads * 777, 70, -1, 1, 8);

  for (guint mode = 0; mode < 2; mode++)
    {
      g_autoptr (LbMatrix) one = lb_matrix_new (heads * 301, 777);
      g_autoptr (LbMatrix) two = lb_matrix_new (heads * 301, 777);
      const LbProduct product = { .a = a, .b = b, .heads = heads };
      g_autoptr (LbEngine) engine = NULL;
      LbNoiseOptions options;

      lb_noise_options_init (&options);
      options.mode = mode;
      engine = lb_noise_engine_new (&options);
      lb_numerics_set_threads (1);
      g_assert_true (lb_engine_multiply (engine, &product, one, NULL, NULL, NULL));
      lb_numerics_set_threads (2);
      g_assert_true (lb_engine_multiply (engine, &product, two, NULL, NULL, NULL));
      lb_numerics_set_threads (0);
      assert_same_bytes (one, two);
    }
}

/* Weights that are kept from product to product, several of them, with more than
 * one range and with too little light for moments. */
static void
test_kept_weights (void)
{
  const double photons[] = { 1000, 0.05 };
  const float ranges[2][6] = { { -1, 1, -1, 1, -100, 100 }, { -1, 1, -0.5, 0.7f, -100, 100 } };
  g_autoptr (LbMatrix) first = make_matrix (50, 70, -1, 1, 11);
  g_autoptr (LbMatrix) second = make_matrix (50, 70, -1, 1, 12);
  LbMatrix *const weights[] = { first, second };
  g_autoptr (LbMatrix) kept = lb_matrix_new (20, 50);
  g_autoptr (LbMatrix) fresh = lb_matrix_new (20, 50);

  for (guint i = 0; i < 4; i++)
    {
      g_autoptr (LbEngine) engine = NULL;
      LbNoiseOptions options;

      lb_noise_options_init (&options);
      options.mode = i % 2;
      options.photons_per_mac = photons[i / 2];
      engine = lb_noise_engine_new (&options);
      for (guint round = 0; round < 12; round++)
        {
          g_autoptr (LbMatrix) a = make_matrix (20, 70, -1, 1, 20 + round);
          LbProduct product = {
            .a = a, .b = weights[round % 2], .ranges = ranges[round % 3 % 2], .is_constant = TRUE
          };

          g_assert_true (lb_engine_multiply (engine, &product, kept, NULL, NULL, NULL));
          product.is_constant = FALSE;
          {
            g_autoptr (LbEngine) other = lb_noise_engine_new (&options);

            g_assert_true (lb_engine_multiply (other, &product, fresh, NULL, NULL, NULL));
          }
          assert_same_bytes (kept, fresh);
        }
    }
}

/* A token's noise must not depend on what else is in the product. */
static void
test_keys (void)
{
  g_autoptr (LbMatrix) a = make_matrix (100, 70, -1, 1, 9);
  g_autoptr (LbMatrix) b = make_matrix (90, 70, -1, 1, 10);
  const float means[4] = { 6, 6, 6, 6 };
  LbProduct product = { .a = a, .b = b, .sigma_means = means, .key = { .seed = 1, .window = 3 } };
  g_autoptr (LbMatrix) whole = lb_matrix_new (100, 90);
  g_autoptr (LbMatrix) piece = lb_matrix_new (40, 90);
  g_autoptr (LbMatrix) view = lb_matrix_new_view (a, 60, 0, 40, 70);
  LbNoiseOptions options;

  lb_noise_options_init (&options);
  options.sigma_mean = LB_SIGMA_CALIBRATED;
  for (guint mode = 0; mode < 2; mode++)
    {
      g_autoptr (LbEngine) engine = NULL;

      options.mode = mode;
      engine = lb_noise_engine_new (&options);
      product.a = a;
      product.key.first_token = 0;
      g_assert_true (lb_engine_multiply (engine, &product, whole, NULL, NULL, NULL));
      product.a = view;
      product.key.first_token = 60;
      g_assert_true (lb_engine_multiply (engine, &product, piece, NULL, NULL, NULL));
      /* The matrix product may differ in the last place, and a count with it. */
      for (gsize i = 0; i < 40; i++)
        for (gsize j = 0; j < 90; j++)
          g_assert_cmpfloat (fabsf (lb_matrix_get (piece, i, j) - lb_matrix_get (whole, 60 + i, j)), <,
                             0.01f);
      product.key.window++;
      g_assert_true (lb_engine_multiply (engine, &product, piece, NULL, NULL, NULL));
      g_assert_cmpfloat (fabsf (lb_matrix_get (piece, 0, 0) - lb_matrix_get (whole, 60, 0)), >, 0);
      product.key.window--;
    }
}

static void
test_counts (void)
{
  g_autoptr (LbMatrix) a = make_matrix (12, 16, 0, 1, 1);
  g_autoptr (LbMatrix) b = make_matrix (10, 16, -1, 1, 2);
  g_autoptr (LbMatrix) out = lb_matrix_new (12, 10);
  const LbProduct product = { .a = a, .b = b };
  LbEngineCounts counts = { 0 };
  LbNoiseOptions options;
  g_autoptr (LbEngine) engine = NULL;

  lb_noise_options_init (&options);
  options.photons_per_mac = 7;
  engine = lb_noise_engine_new (&options);
  g_assert_true (lb_engine_multiply (engine, &product, out, &counts, NULL, NULL));
  /* Two passes: nothing in the source is negative. */
  g_assert_cmpuint (counts.macs, ==, 12 * 10 * 16);
  g_assert_cmpuint (counts.dot_products, ==, 12 * 10);
  g_assert_cmpuint (counts.readouts, ==, 2 * 12 * 10);
  g_assert_cmpuint (counts.source_values, ==, 12 * 16);
  g_assert_cmpuint (counts.weight_values, ==, 2 * 10 * 16);
  g_assert_cmpfloat (counts.photons, ==, 7.0 * 2 * 12 * 10 * 16);
}

/* Without light there is no noise, with bad ranges or means there is no run. */
static void
test_edges (void)
{
  const float bad[6] = { 1, -1, -1, 1, -1, 1 };
  g_autoptr (LbMatrix) a = make_matrix (12, 16, -1, 1, 1);
  g_autoptr (LbMatrix) b = make_matrix (10, 16, -1, 1, 2);
  g_autoptr (LbMatrix) zero = lb_matrix_new (12, 16);
  g_autoptr (LbMatrix) out = lb_matrix_new (12, 10);
  g_autoptr (LbMatrix) expected = lb_matrix_new (12, 10);
  LbProduct product = { .a = a, .b = b };
  LbNoiseOptions options;
  g_autoptr (LbEngine) engine = NULL;
  g_autoptr (LbEngine) calibrated = NULL;
  g_autoptr (GError) error = NULL;

  lb_noise_options_init (&options);
  options.photons_per_mac = 0;
  engine = lb_noise_engine_new (&options);
  g_assert_true (lb_engine_multiply (engine, &product, out, NULL, NULL, NULL));
  lb_gemm_nt_reference (a, b, expected);
  for (gsize i = 0; i < 12; i++)
    for (gsize j = 0; j < 10; j++)
      g_assert_cmpfloat_with_epsilon (lb_matrix_get (out, i, j), lb_matrix_get (expected, i, j), 1e-5);

  product.a = zero;
  options.photons_per_mac = 10;
  for (options.mode = LB_NOISE_EXACT; options.mode <= LB_NOISE_MOMENT; options.mode++)
    {
      g_autoptr (LbEngine) dark = lb_noise_engine_new (&options);

      g_assert_true (lb_engine_multiply (dark, &product, out, NULL, NULL, NULL));
      for (gsize i = 0; i < 12; i++)
        for (gsize j = 0; j < 10; j++)
          g_assert_cmpfloat (lb_matrix_get (out, i, j), ==, 0);
    }

  product.ranges = bad;
  g_assert_false (lb_engine_multiply (engine, &product, out, NULL, NULL, &error));
  g_assert_error (error, LB_ENGINE_ERROR, LB_ENGINE_ERROR_RANGES);
  g_clear_error (&error);
  product.ranges = NULL;
  options.mode = LB_NOISE_EXACT;
  options.sigma_mean = LB_SIGMA_CALIBRATED;
  calibrated = lb_noise_engine_new (&options);
  g_assert_false (lb_engine_multiply (calibrated, &product, out, NULL, NULL, &error));
  g_assert_error (error, LB_ENGINE_ERROR, LB_ENGINE_ERROR_RANGES);
  g_clear_error (&error);
  product.pairs = LB_PAIRS_DIAGONAL;
  product.b = a;
  {
    g_autoptr (LbMatrix) column = lb_matrix_new (12, 1);

    g_assert_false (lb_engine_multiply (engine, &product, column, NULL, NULL, &error));
    g_assert_error (error, LB_ENGINE_ERROR, LB_ENGINE_ERROR_SHAPE);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/engine/noise/moments-equal-the-formulas", test_moments_equal_the_formulas);
  g_test_add_func ("/engine/noise/exact-holds-at-few-photons", test_few_photons);
  g_test_add_func ("/engine/noise/moment-gives-way-to-exact-where-counts-are-few",
                   test_moment_gives_way_to_exact);
  g_test_add_func ("/engine/noise/moments-equal-those-of-the-reference-model", test_reference_moments);
  g_test_add_func ("/engine/noise/same-bytes-with-one-and-two-threads", test_threads);
  g_test_add_func ("/engine/noise/kept-weights-give-the-same-bytes", test_kept_weights);
  g_test_add_func ("/engine/noise/noise-of-a-token-is-its-own", test_keys);
  g_test_add_func ("/engine/noise/loads-readouts-and-light-are-counted", test_counts);
  g_test_add_func ("/engine/noise/no-light-bad-ranges-and-missing-means", test_edges);

  return g_test_run ();
}
