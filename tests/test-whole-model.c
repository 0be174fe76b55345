/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <glib/gstdio.h>
#include <lb-gemm.h>
#include <lb-generate.h>
#include <lb-int8-engine.h>
#include <lb-npy.h>
#include <lb-perplexity.h>
#include <lb-quantiser.h>
#include <lb-ranges.h>
#include <lb-sigma-means.h>
#include <lb-statistics.h>
#include <lb-tail-percentile.h>
#include <math.h>
#include <string.h>

#include "german-locale.h"
#include "model-fixture.h"

/* A small model with random weights, and a text of three windows and a bit. */
#define TEXT_LENGTH (3 * FIXTURE_CONTEXT + 8)

typedef struct
{
  Fixture *fixture;
  LbModel *model;
  LbForward *forward;
  guint32 tokens[TEXT_LENGTH];
} Small;

static void
small_set_up (Small *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  self->fixture = fixture_new ();
  fixture_add_optical (self->fixture, "F32");
  fixture_write_tensors (self->fixture, "model.safetensors", 0, -1);
  self->model = lb_model_open (self->fixture->directory, &error);
  g_assert_no_error (error);
  self->forward = lb_forward_new (self->model);
  for (guint i = 0; i < TEXT_LENGTH; i++)
    self->tokens[i] = (7 * i * i + 3 * i + 11) % FIXTURE_VOCABULARY;
}

static void
small_tear_down (Small *self, gconstpointer data)
{
  g_clear_object (&self->forward);
  g_clear_object (&self->model);
  fixture_free (self->fixture);
}

/* --- Perplexity ------------------------------------------------------------------- */

/* Loss of the window that begins at @first, by another way round: the sum of
 * the exponentials is not shifted. */
static double
plain_loss (Small *self, gsize first, gsize length)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (LbMatrix) logits =
      lb_forward_run (self->forward, self->tokens + first, length, 0, NULL, NULL, &error);
  double sum = 0;

  g_assert_no_error (error);
  for (gsize row = 0; row < length; row++)
    {
      double total = 0;

      for (gsize i = 0; i < logits->columns; i++)
        total += exp ((double) lb_matrix_get (logits, row, i));
      sum -= log (exp ((double) lb_matrix_get (logits, row, self->tokens[first + row + 1])) / total);
    }
  return sum / (double) length;
}

static void
test_cross_entropy (void)
{
  g_autoptr (LbMatrix) logits = lb_matrix_new (3, 5);
  const guint32 targets[] = { 4, 1, 0 };
  double losses[3];

  for (guint i = 0; i < 5; i++)
    {
      lb_matrix_row (logits, 0)[i] = 7.5f;
      lb_matrix_row (logits, 1)[i] = i == 1 ? 900.0f : -900.0f;
      lb_matrix_row (logits, 2)[i] = (float) i;
    }
  lb_cross_entropy (logits, targets, losses);
  g_assert_cmpfloat_with_epsilon (losses[0], log (5), 1e-12);
  g_assert_cmpfloat_with_epsilon (losses[1], 0, 1e-12);
  g_assert_cmpfloat_with_epsilon (losses[2], log (1 + exp (1) + exp (2) + exp (3) + exp (4)), 1e-12);
}

static void
test_perplexity (Small *self, gconstpointer data)
{
  g_auto (LbPerplexity) found = { 0 };
  g_autoptr (GError) error = NULL;
  double sum = 0, losses[3];

  lb_perplexity_run (self->forward, self->tokens, TEXT_LENGTH, &found, NULL, NULL, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (found.windows->len, ==, 3);
  g_assert_cmpuint (found.tokens, ==, 3 * FIXTURE_CONTEXT);
  for (guint i = 0; i < 3; i++)
    {
      const LbWindowLoss *window = &g_array_index (found.windows, LbWindowLoss, i);

      losses[i] = plain_loss (self, i * FIXTURE_CONTEXT, FIXTURE_CONTEXT);
      sum += losses[i];
      g_assert_cmpuint (window->first, ==, i * FIXTURE_CONTEXT);
      g_assert_cmpuint (window->count, ==, FIXTURE_CONTEXT);
      g_assert_cmpfloat_with_epsilon (window->loss, losses[i], 1e-9);
    }
  g_assert_cmpfloat_with_epsilon (found.loss, sum / 3, 1e-9);
  g_assert_cmpfloat_with_epsilon (found.perplexity, exp (sum / 3), 1e-6);
  g_assert_cmpfloat_with_epsilon (found.loss_error, lb_standard_deviation (losses, 3) / sqrt (3), 1e-9);
  g_assert_cmpuint (found.counts.macs, >, 0);
}

static void
test_short_text (Small *self, gconstpointer data)
{
  g_auto (LbPerplexity) found = { 0 };
  g_autoptr (GError) error = NULL;

  lb_perplexity_run (self->forward, self->tokens, 6, &found, NULL, NULL, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (found.tokens, ==, 5);
  g_assert_cmpfloat_with_epsilon (found.loss, plain_loss (self, 0, 5), 1e-9);
  g_assert_true (isnan (found.loss_error));
}

static void
test_unusable_texts (Small *self, gconstpointer data)
{
  g_auto (LbPerplexity) found = { 0 };
  g_auto (LbPerplexity) other = { 0 };
  g_autoptr (GError) error = NULL;

  g_assert_false (lb_perplexity_run (self->forward, self->tokens, 1, &found, NULL, NULL, NULL, &error));
  g_assert_error (error, LB_MODEL_ERROR, LB_MODEL_ERROR_TEXT);
  g_clear_error (&error);
  /* As a target alone it counts too. */
  self->tokens[5] = FIXTURE_VOCABULARY;
  g_assert_false (lb_perplexity_run (self->forward, self->tokens, 6, &other, NULL, NULL, NULL, &error));
  g_assert_error (error, LB_MODEL_ERROR, LB_MODEL_ERROR_TEXT);
  g_assert_nonnull (strstr (error->message, "264"));
}

static void
cancel_cb (const LbPerplexity *so_far, guint64 windows, gpointer user_data)
{
  g_assert_cmpuint (windows, ==, 3);
  if (so_far->windows->len == 2)
    g_cancellable_cancel (user_data);
}

static void
test_cancelled (Small *self, gconstpointer data)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_auto (LbPerplexity) found = { 0 };
  g_autoptr (GError) error = NULL;

  g_assert_false (lb_perplexity_run (self->forward, self->tokens, TEXT_LENGTH, &found, cancel_cb, cancellable,
                                     cancellable, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpuint (found.windows->len, ==, 2);
  g_assert_cmpuint (found.tokens, ==, 2 * FIXTURE_CONTEXT);
}

static void
test_csv (Small *self, gconstpointer data)
{
  g_auto (LbPerplexity) found = { 0 };
  g_autoptr (GError) error = NULL;
  g_autofree char *path = g_build_filename (self->fixture->directory, "losses.csv", NULL);
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;
  double sum = 0;

  lb_perplexity_run (self->forward, self->tokens, TEXT_LENGTH, &found, NULL, NULL, NULL, &error);
  g_assert_no_error (error);
  lb_perplexity_write_csv (&found, path, &error);
  g_assert_no_error (error);
  g_file_get_contents (path, &text, NULL, &error);
  g_assert_no_error (error);
  lines = g_strsplit (text, "\n", -1);
  g_assert_cmpstr (lines[0], ==, "window,first_token,tokens,loss,perplexity");
  g_assert_cmpuint (g_strv_length (lines), ==, 5);
  for (guint i = 0; i < 3; i++)
    {
      g_auto (GStrv) cells = g_strsplit (lines[i + 1], ",", -1);

      g_assert_cmpuint (g_strv_length (cells), ==, 5);
      g_assert_cmpfloat_with_epsilon (log (g_ascii_strtod (cells[4], NULL)), g_ascii_strtod (cells[3], NULL),
                                      1e-6);
      sum += g_ascii_strtod (cells[3], NULL);
    }
  g_assert_cmpfloat_with_epsilon (sum / 3, found.loss, 1e-7);
  g_unlink (path);
}

/* --- Generation --------------------------------------------------------------------- */

static void
test_greedy (Small *self, gconstpointer data)
{
  const LbGenerateOptions options = { .count = FIXTURE_CONTEXT + 4 };
  g_autoptr (GError) error = NULL;
  LbEngineCounts counts = { 0 };
  g_autoptr (GArray) found =
      lb_generate (self->forward, self->tokens, 5, &options, &counts, NULL, NULL, NULL, &error);
  const guint32 *tokens;

  g_assert_no_error (error);
  g_assert_cmpuint (found->len, ==, 5 + options.count);
  tokens = (const guint32 *) (const void *) found->data;
  g_assert_cmpmem (tokens, 5 * sizeof *tokens, self->tokens, 5 * sizeof *tokens);
  for (guint length = 5; length < found->len; length++)
    {
      const guint read = MIN (length, FIXTURE_CONTEXT);
      g_autoptr (LbMatrix) logits =
          lb_forward_run (self->forward, tokens + length - read, read, 0, NULL, NULL, &error);

      g_assert_no_error (error);
      for (guint i = 0; i < FIXTURE_VOCABULARY; i++)
        g_assert_cmpfloat (lb_matrix_get (logits, read - 1, i), <=,
                           lb_matrix_get (logits, read - 1, tokens[length]));
    }
  g_assert_cmpuint (counts.macs, >, 0);
}

static void
test_seeds (Small *self, gconstpointer data)
{
  const LbGenerateOptions one = { .count = 30, .temperature = 1.5, .seed = 5 };
  const LbGenerateOptions two = { .count = 30, .temperature = 1.5, .seed = 6 };
  g_autoptr (GArray) first = lb_generate (self->forward, self->tokens, 3, &one, NULL, NULL, NULL, NULL, NULL);
  g_autoptr (GArray) again = lb_generate (self->forward, self->tokens, 3, &one, NULL, NULL, NULL, NULL, NULL);
  g_autoptr (GArray) other = lb_generate (self->forward, self->tokens, 3, &two, NULL, NULL, NULL, NULL, NULL);

  g_assert_cmpmem (first->data, first->len * sizeof (guint32), again->data, again->len * sizeof (guint32));
  g_assert_true (memcmp (first->data, other->data, first->len * sizeof (guint32)) != 0);
}

static void
test_empty_prompt (Small *self, gconstpointer data)
{
  const LbGenerateOptions options = { .count = 1 };
  g_autoptr (GError) error = NULL;

  g_assert_null (lb_generate (self->forward, NULL, 0, &options, NULL, NULL, NULL, NULL, &error));
  g_assert_error (error, LB_MODEL_ERROR, LB_MODEL_ERROR_TEXT);
}

/* Chi-square of 20,000 draws with 4 degrees of freedom: above 23.5 once in
 * 10,000. */
static void
test_draws (void)
{
  const float logits[] = { 0.5f, -1.0f, 2.0f, 1.0f, -9.0f, 0.0f, 1.5f, 30.0f };
  const LbGenerateOptions options = { .temperature = 0.7, .top_k = 5, .vocabulary = 7, .seed = 3 };
  static const guint kept[] = { 0, 2, 3, 5, 6 };
  const guint draws = 20000;
  guint counts[8] = { 0 }, total = 0;
  double sum = 0, chi_square = 0;

  for (guint i = 0; i < draws; i++)
    counts[lb_generate_choose (logits, 8, &options, i)]++;
  for (guint i = 0; i < 5; i++)
    sum += exp ((double) logits[kept[i]] / 0.7);
  for (guint i = 0; i < 5; i++)
    {
      const double expected = draws * exp ((double) logits[kept[i]] / 0.7) / sum;

      chi_square += (counts[kept[i]] - expected) * (counts[kept[i]] - expected) / expected;
      total += counts[kept[i]];
    }
  g_test_message ("chi-square %g", chi_square);
  g_assert_cmpuint (total, ==, draws);
  g_assert_cmpfloat (chi_square, <, 23.5);
}

static void
test_likeliest (void)
{
  const float logits[] = { 1, 4, 4, 3, 9 };
  const LbGenerateOptions greedy = { .vocabulary = 4 }, narrow = { .temperature = 2, .top_k = 1 };

  g_assert_cmpuint (lb_generate_choose (logits, 5, &greedy, 0), ==, 1);
  g_assert_cmpuint (lb_generate_choose (logits, 5, &narrow, 0), ==, 4);
}

/* --- Ranges ----------------------------------------------------------------------------- */

static void
test_tail_percentile (void)
{
  static const double percents[] = { 98, 99.99, 99.9999, 100, 0, 50 };
  static const gsize counts[] = { 1, 2, 3, 1000, 20011 };
  g_autoptr (GRand) random = g_rand_new_with_seed (8);

  for (guint p = 0; p < G_N_ELEMENTS (percents); p++)
    for (guint n = 0; n < G_N_ELEMENTS (counts); n++)
      {
        g_autofree float *values = g_new (float, counts[n]);
        LbTailPercentile tail;

        /* With many that are equal. */
        for (gsize i = 0; i < counts[n]; i++)
          values[i] = (float) floor (g_rand_double_range (random, -300, 300)) / 4;
        lb_tail_percentile_init (&tail, counts[n], percents[p]);
        for (gsize first = 0; first < counts[n]; first += 700)
          lb_tail_percentile_add (&tail, values + first, MIN (700, counts[n] - first));
        g_assert_cmpfloat_with_epsilon (lb_tail_percentile_get (&tail),
                                        (double) lb_percentile_float (values, counts[n], percents[p]), 1e-4);
        lb_tail_percentile_clear (&tail);
      }
}

static void
test_tail_percentile_of_too_few (void)
{
  const float values[] = { 1, 2, 3 };
  LbTailPercentile tail;

  lb_tail_percentile_init (&tail, 4, 98);
  lb_tail_percentile_add (&tail, values, 3);
  g_assert_true (isnan (lb_tail_percentile_get (&tail)));
  lb_tail_percentile_clear (&tail);
}

/* All values that an operator takes and gives, kept whole. */
#define TEST_TYPE_COLLECTOR (test_collector_get_type ())
G_DECLARE_FINAL_TYPE (TestCollector, test_collector, TEST, COLLECTOR, LbEngine)

struct _TestCollector
{
  LbEngine parent_instance;
  GArray *values[FIXTURE_LAYERS][LB_N_OPS][3]; /* of float: first, second operand, output */
};

G_DEFINE_FINAL_TYPE (TestCollector, test_collector, LB_TYPE_ENGINE)

static const char *
test_collector_get_name (LbEngine *engine)
{
  return "collector";
}

static void
collect (GArray *values, const LbMatrix *matrix)
{
  for (gsize row = 0; row < matrix->rows; row++)
    g_array_append_vals (values, lb_matrix_row (matrix, row), (guint) matrix->columns);
}

static gboolean
test_collector_multiply (LbEngine *engine,
                         const LbProduct *product,
                         LbMatrix *out,
                         LbEngineCounts *counts,
                         GCancellable *cancellable,
                         GError **error)
{
  GArray **values = TEST_COLLECTOR (engine)->values[product->key.layer][product->key.op];

  lb_gemm_nt (product->a, product->b, out);
  collect (values[0], product->a);
  /* Weights are the same for every window. */
  if (product->kind == LB_PRODUCT_ATTENTION || values[1]->len == 0)
    collect (values[1], product->b);
  collect (values[2], out);
  return TRUE;
}

static void
test_collector_finalize (GObject *object)
{
  GArray **values = &TEST_COLLECTOR (object)->values[0][0][0];

  for (guint i = 0; i < FIXTURE_LAYERS * LB_N_OPS * 3; i++)
    g_array_unref (values[i]);
  G_OBJECT_CLASS (test_collector_parent_class)->finalize (object);
}

static void
test_collector_class_init (TestCollectorClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = test_collector_finalize;
  LB_ENGINE_CLASS (klass)->get_name = test_collector_get_name;
  LB_ENGINE_CLASS (klass)->multiply = test_collector_multiply;
}

static void
test_collector_init (TestCollector *self)
{
  GArray **values = &self->values[0][0][0];

  for (guint i = 0; i < FIXTURE_LAYERS * LB_N_OPS * 3; i++)
    values[i] = g_array_new (FALSE, FALSE, sizeof (float));
}

static void
check_range (const float *range, const GArray *values, double percent, gboolean symmetric)
{
  const float *data = (const float *) (const void *) values->data;
  const double high = (double) lb_percentile_float (data, values->len, percent);
  float lowest = data[0];

  for (guint i = 1; i < values->len; i++)
    lowest = MIN (lowest, data[i]);
  g_assert_cmpfloat_with_epsilon (range[1], high, 1e-5 * fabs (high));
  if (symmetric || lowest < 0)
    g_assert_cmpfloat (range[0], ==, -range[1]);
  else
    g_assert_cmpfloat (range[0], ==, lowest);
}

static void
test_ranges (Small *self, gconstpointer data)
{
  /* Two windows and a part of one. */
  const gsize count = 2 * FIXTURE_CONTEXT + 7;
  g_autoptr (TestCollector) collector = g_object_new (TEST_TYPE_COLLECTOR, NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (LbRanges) ranges =
      lb_ranges_find (self->model, self->tokens, count, 8, NULL, NULL, NULL, &error);

  g_assert_no_error (error);
  lb_forward_set_engine (self->forward, LB_ENGINE (collector));
  for (gsize first = 0; first < count; first += FIXTURE_CONTEXT)
    {
      g_autoptr (LbMatrix) logits = lb_forward_run (
          self->forward, self->tokens + first, MIN (FIXTURE_CONTEXT, count - first), 0, NULL, NULL, &error);

      g_assert_no_error (error);
      g_assert_nonnull (logits);
    }
  for (guint layer = 0; layer < FIXTURE_LAYERS; layer++)
    for (guint op = 0; op < LB_N_OPS; op++)
      {
        GArray **values = collector->values[layer][op];
        const float *range = ranges->values[layer][op];
        const gboolean attention = op == LB_OP_QK || op == LB_OP_AV;

        check_range (range, values[0], 99.99, FALSE);
        check_range (range + 2, values[1], attention ? 98 : 99, !attention);
        check_range (range + 4, values[2], 99.9999, FALSE);
      }
}

static void
test_ranges_become_the_models (Small *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (LbRanges) ranges =
      lb_ranges_find (self->model, self->tokens, TEXT_LENGTH, 1, NULL, NULL, NULL, &error);

  g_assert_no_error (error);
  g_assert_false (lb_model_get_config (self->model)->quantised);
  g_assert_null (lb_model_get_ranges (self->model, 1, LB_OP_AV));
  lb_model_set_ranges (self->model, ranges);
  g_assert_true (lb_model_get_config (self->model)->quantised);
  g_assert_cmpmem (lb_model_get_ranges (self->model, 1, LB_OP_AV), 6 * sizeof (float),
                   ranges->values[1][LB_OP_AV], 6 * sizeof (float));
}

static void
test_ranges_of_nothing (Small *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (lb_ranges_find (self->model, NULL, 0, 1, NULL, NULL, NULL, &error));
  g_assert_error (error, LB_MODEL_ERROR, LB_MODEL_ERROR_TEXT);
}

/* --- Calibrated means ---------------------------------------------------------------------- */

/* Mean over all outputs of one pass of the products of all windows, by
 * computing every one of them. */
typedef struct
{
  LbEngine parent_instance;
  double sums[FIXTURE_LAYERS][LB_N_OPS][FIXTURE_HEADS][4];
  double counts[FIXTURE_LAYERS][LB_N_OPS][FIXTURE_HEADS];
} TestAverager;

typedef LbEngineClass TestAveragerClass;

static GType test_averager_get_type (void);
G_DEFINE_TYPE (TestAverager, test_averager, LB_TYPE_ENGINE)

static double
part_of (float value, gboolean negative)
{
  return fmax (negative ? -(double) value : (double) value, 0);
}

static double
largest_part (const LbMatrix *matrix, gsize first, gsize rows, gboolean negative)
{
  double largest = 0;

  for (gsize row = first; row < first + rows; row++)
    for (gsize k = 0; k < matrix->columns; k++)
      largest = fmax (largest, part_of (lb_matrix_get (matrix, row, k), negative));
  return largest > 0 ? largest : 1;
}

static double
pass_output (
    const LbMatrix *a, const LbMatrix *b, gsize row, gsize column, gboolean minus_a, gboolean minus_b)
{
  const double x = largest_part (a, row, 1, minus_a), w = largest_part (b, 0, b->rows, minus_b);
  double sum = 0;

  for (gsize k = 0; k < a->columns; k++)
    sum += part_of (lb_matrix_get (a, row, k), minus_a) / x *
           part_of (lb_matrix_get (b, column, k), minus_b) / w;
  return sum;
}

static gboolean
test_averager_multiply (LbEngine *engine,
                        const LbProduct *product,
                        LbMatrix *out,
                        LbEngineCounts *counts,
                        GCancellable *cancellable,
                        GError **error)
{
  static const gboolean minus_a[] = { FALSE, TRUE, FALSE, TRUE }, minus_b[] = { FALSE, TRUE, TRUE, FALSE };
  TestAverager *self = (TestAverager *) engine;
  const LbProductKey *key = &product->key;
  const LbQuantiser first = { product->ranges[0], product->ranges[1], 256, 0 };
  const LbQuantiser second = { product->ranges[2], product->ranges[3], 256, (float) product->slm_floor };
  g_autoptr (LbMatrix) a = lb_quantiser_apply_matrix (&first, product->a);
  g_autoptr (LbMatrix) b = lb_quantiser_apply_matrix (&second, product->b);

  lb_gemm_nt (product->a, product->b, out);
  for (gsize row = 0; row < a->rows; row++)
    for (gsize column = 0; column < b->rows; column++)
      for (guint pass = 0; pass < 4; pass++)
        self->sums[key->layer][key->op][key->head][pass] +=
            pass_output (a, b, row, column, minus_a[pass], minus_b[pass]);
  self->counts[key->layer][key->op][key->head] += (double) a->rows * (double) b->rows;
  return TRUE;
}

static const char *
test_averager_get_name (LbEngine *engine)
{
  return "averager";
}

static void
test_averager_class_init (TestAveragerClass *klass)
{
  klass->get_name = test_averager_get_name;
  klass->multiply = test_averager_multiply;
}

static void
test_averager_init (TestAverager *self)
{
}

static void
test_sigma_means (Small *self, gconstpointer data)
{
  const gsize count = FIXTURE_CONTEXT + 5;
  g_autoptr (GError) error = NULL;
  g_autoptr (LbRanges) ranges =
      lb_ranges_find (self->model, self->tokens, TEXT_LENGTH, 4, NULL, NULL, NULL, &error);
  g_autoptr (LbEngine) averager = g_object_new (test_averager_get_type (), NULL);
  const TestAverager *plain = (const TestAverager *) averager;
  g_autoptr (LbSigmaMeans) means = NULL;

  g_assert_no_error (error);
  lb_model_set_ranges (self->model, ranges);
  means = lb_sigma_means_find (self->model, self->tokens, count, 4, NULL, NULL, NULL, &error);
  g_assert_no_error (error);
  lb_forward_set_engine (self->forward, averager);
  for (gsize first = 0; first < count; first += FIXTURE_CONTEXT)
    {
      g_autoptr (LbMatrix) logits = lb_forward_run (
          self->forward, self->tokens + first, MIN (FIXTURE_CONTEXT, count - first), 0, NULL, NULL, &error);

      g_assert_no_error (error);
      g_assert_nonnull (logits);
    }
  for (guint i = 0; i < FIXTURE_LAYERS * LB_N_OPS; i++)
    {
      const guint layer = i / LB_N_OPS, op = i % LB_N_OPS;

      for (guint head = 0; head < (op == LB_OP_QK || op == LB_OP_AV ? FIXTURE_HEADS : 1); head++)
        for (guint pass = 0; pass < 4; pass++)
          g_assert_cmpfloat_with_epsilon ((double) means->values[layer][op][4 * head + pass],
                                          plain->sums[layer][op][head][pass] / plain->counts[layer][op][head],
                                          1e-4);
    }
  g_assert_null (lb_model_get_sigma_means (self->model, 1, LB_OP_QK));
  lb_model_set_sigma_means (self->model, means);
  g_assert_cmpmem (lb_model_get_sigma_means (self->model, 1, LB_OP_QK), 4 * FIXTURE_HEADS * sizeof (float),
                   means->values[1][LB_OP_QK], 4 * FIXTURE_HEADS * sizeof (float));
}

static void
test_sigma_means_need_ranges (Small *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (lb_sigma_means_find (self->model, self->tokens, TEXT_LENGTH, 4, NULL, NULL, NULL, &error));
  g_assert_error (error, LB_ENGINE_ERROR, LB_ENGINE_ERROR_RANGES);
}

/* --- The 8-bit engine through a whole model ---------------------------------------------- */

static LbNpy *
read_reference (const char *name, gsize count)
{
  g_autofree char *path = fixture_reference (name);
  g_autoptr (GError) error = NULL;
  LbNpy *array = lb_npy_read (path, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (array->count, ==, count);
  return array;
}

/* Loss within 1e-3 nats, logits within 2 % rms of the reference's. */
static void
test_int8_model (void)
{
  g_autoptr (LbNpy) tokens = read_reference ("tokens.npy", 128);
  g_autoptr (LbNpy) expected = read_reference ("logits-int8-det-every-8th.npy", 16 * 2048);
  g_autoptr (LbNpy) expected_losses = read_reference ("losses-int8-det.npy", 127);
  g_autoptr (GError) error = NULL;
  g_autoptr (LbModel) model = lb_model_open_named (NULL, &error);
  g_autoptr (LbForward) forward = lb_forward_new (model);
  g_autoptr (LbEngine) engine = lb_int8_engine_new (FALSE);
  g_autoptr (LbMatrix) logits = NULL;
  g_autoptr (LbMatrix) predicting = NULL;
  double losses[127], loss = 0, expected_loss = 0, square = 0, spread = 0;
  guint32 ids[128];

  g_assert_no_error (error);
  for (guint i = 0; i < 128; i++)
    ids[i] = (guint32) tokens->values[i];
  lb_forward_set_engine (forward, engine);
  logits = lb_forward_run (forward, ids, 128, 0, NULL, NULL, &error);
  g_assert_no_error (error);
  for (gsize i = 0; i < 16; i++)
    for (gsize j = 0; j < 2048; j++)
      {
        const double value = (double) expected->values[i * 2048 + j];
        const double difference = (double) lb_matrix_get (logits, 8 * i + 7, j) - value;

        square += difference * difference;
        spread += value * value;
      }
  predicting = lb_matrix_new_view (logits, 0, 0, 127, 2048);
  lb_cross_entropy (predicting, ids + 1, losses);
  for (guint i = 0; i < 127; i++)
    {
      loss += losses[i] / 127;
      expected_loss += (double) expected_losses->values[i] / 127;
    }
  g_test_message ("logits: rms difference %g of their rms; loss %.6f, reference %.6f", sqrt (square / spread),
                  loss, expected_loss);
  g_assert_cmpfloat (sqrt (square / spread), <, 0.02);
  g_assert_cmpfloat (fabs (loss - expected_loss), <, 1e-3);
}

#define ADD(path, function)                                                                                  \
  g_test_add ("/transformer/" path, Small, NULL, small_set_up, function, small_tear_down)

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  use_german_locale ();

  g_test_add_func ("/transformer/perplexity/cross-entropy-of-known-logits", test_cross_entropy);
  ADD ("perplexity/windows-equal-a-plain-sum", test_perplexity);
  ADD ("perplexity/short-text-is-one-window", test_short_text);
  ADD ("perplexity/texts-that-cannot-be-used-are-refused", test_unusable_texts);
  ADD ("perplexity/cancelled-run-keeps-what-was-found", test_cancelled);
  ADD ("perplexity/csv-is-in-the-c-locale", test_csv);
  ADD ("generate/without-temperature-the-likeliest-with-sliding-context", test_greedy);
  ADD ("generate/a-seed-repeats-its-text", test_seeds);
  ADD ("generate/empty-prompt-is-refused", test_empty_prompt);
  g_test_add_func ("/transformer/generate/draws-follow-the-softmax-of-the-likeliest", test_draws);
  g_test_add_func ("/transformer/generate/likeliest-of-equals-has-the-lowest-id", test_likeliest);
  g_test_add_func ("/transformer/ranges/tail-percentile-equals-that-of-all-values", test_tail_percentile);
  g_test_add_func ("/transformer/ranges/tail-percentile-of-too-few-values-is-none",
                   test_tail_percentile_of_too_few);
  ADD ("ranges/equal-percentiles-of-all-values", test_ranges);
  ADD ("ranges/become-the-models", test_ranges_become_the_models);
  ADD ("ranges/text-of-nothing-is-refused", test_ranges_of_nothing);
  ADD ("sigma-means/equal-the-means-of-all-outputs", test_sigma_means);
  ADD ("sigma-means/without-ranges-are-refused", test_sigma_means_need_ranges);
  g_test_add_func ("/transformer/int8/logits-and-loss-of-a-whole-model-equal-the-reference", test_int8_model);

  return g_test_run ();
}
