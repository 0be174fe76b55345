/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <lb-forward.h>
#include <lb-gemm.h>
#include <lb-npy.h>
#include <math.h>
#include <string.h>

#include "model-fixture.h"

/* The digital engine, noting what it is asked. */
#define TEST_TYPE_ENGINE (test_engine_get_type ())
G_DECLARE_FINAL_TYPE (TestEngine, test_engine, TEST, ENGINE, LbEngine)

struct _TestEngine
{
  LbEngine parent_instance;
  GArray *keys; /* LbProductKey */
  guint attention_products;
  guint with_ranges;
  guint fail_at;        /* number of the product that fails; 0: none */
  guint unusable_every; /* of these dot products one is marked; 0: none */
};

G_DEFINE_FINAL_TYPE (TestEngine, test_engine, LB_TYPE_ENGINE)

static const char *
test_engine_get_name (LbEngine *engine)
{
  return "test";
}

static gboolean
test_engine_multiply (LbEngine *engine,
                      const LbProduct *product,
                      LbMatrix *out,
                      LbEngineCounts *counts,
                      GCancellable *cancellable,
                      GError **error)
{
  TestEngine *self = TEST_ENGINE (engine);

  g_array_append_val (self->keys, product->key);
  self->attention_products += product->kind == LB_PRODUCT_ATTENTION ? 1 : 0;
  self->with_ranges += product->ranges != NULL ? 1 : 0;
  if (self->keys->len == self->fail_at)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED, "The cable is out");
      return FALSE;
    }
  lb_gemm_nt (product->a, product->b, out);
  for (gsize i = 0; self->unusable_every > 0 && i < out->rows * out->columns; i += self->unusable_every)
    {
      lb_matrix_row (out, i / out->columns)[i % out->columns] = NAN;
      counts->unusable++;
    }
  return TRUE;
}

static void
test_engine_finalize (GObject *object)
{
  g_array_unref (TEST_ENGINE (object)->keys);
  G_OBJECT_CLASS (test_engine_parent_class)->finalize (object);
}

static void
test_engine_class_init (TestEngineClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = test_engine_finalize;
  LB_ENGINE_CLASS (klass)->get_name = test_engine_get_name;
  LB_ENGINE_CLASS (klass)->multiply = test_engine_multiply;
}

static void
test_engine_init (TestEngine *self)
{
  self->keys = g_array_new (FALSE, FALSE, sizeof (LbProductKey));
}

typedef struct
{
  LbModel *model;
  LbForward *forward;
  guint32 tokens[128];
} Reference;

static void
reference_set_up (Reference *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = fixture_reference ("tokens.npy");
  g_autoptr (LbNpy) tokens = lb_npy_read (path, &error);

  g_assert_no_error (error);
  self->model = lb_model_open_named (NULL, &error);
  g_assert_no_error (error);
  self->forward = lb_forward_new (self->model);
  g_assert_cmpuint (tokens->count, ==, 128);
  for (guint i = 0; i < 128; i++)
    self->tokens[i] = (guint32) tokens->values[i];
}

static void
reference_tear_down (Reference *self, gconstpointer data)
{
  g_clear_object (&self->forward);
  g_clear_object (&self->model);
}

/* Largest |matrix - values|, where values are (rows, columns) in order. */
static double
largest_difference (const LbMatrix *matrix, const float *values)
{
  double largest = 0;

  for (gsize i = 0; i < matrix->rows; i++)
    for (gsize j = 0; j < matrix->columns; j++)
      largest = fmax (
          largest, fabs ((double) lb_matrix_get (matrix, i, j) - (double) values[i * matrix->columns + j]));
  return largest;
}

static LbNpy *
read_layer (guint layer, const char *what, gsize count)
{
  g_autofree char *name = g_strdup_printf ("h%u-float-%s.npy", layer, what);
  g_autofree char *path = fixture_reference (name);
  g_autoptr (GError) error = NULL;
  LbNpy *array = lb_npy_read (path, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (array->count, ==, count);
  return array;
}

static void
test_attention_operands (Reference *self, gconstpointer data)
{
  for (guint layer = 0; layer < 2; layer++)
    {
      g_autoptr (LbNpy) q = read_layer (layer, "q", 4 * 128 * 16);
      g_autoptr (LbNpy) k = read_layer (layer, "k", 4 * 128 * 16);
      g_autoptr (LbNpy) v = read_layer (layer, "v", 4 * 128 * 16);
      g_autoptr (LbNpy) scores = read_layer (layer, "scores", 4 * 128 * 128);

      for (guint head = 0; head < 4; head++)
        {
          const gsize first = (gsize) head * 128 * 16;
          g_autoptr (LbMatrix) a = NULL;
          g_autoptr (LbMatrix) b = NULL;
          g_autoptr (LbMatrix) softmax = NULL;
          g_autoptr (LbMatrix) v_transposed = NULL;
          g_autoptr (LbMatrix) value = NULL;
          g_autoptr (LbMatrix) product = lb_matrix_new (128, 128);

          g_assert_true (lb_forward_get_operands (self->forward, self->tokens, 128, layer, head, LB_OP_QK, &a,
                                                  &b, NULL));
          g_assert_true (lb_forward_get_operands (self->forward, self->tokens, 128, layer, head, LB_OP_AV,
                                                  &softmax, &v_transposed, NULL));
          value = lb_matrix_new_transpose (v_transposed);
          lb_gemm_nt (a, b, product);
          g_assert_cmpuint (a->columns, ==, 16);
          g_assert_cmpuint (value->columns, ==, 16);
          g_assert_cmpfloat (largest_difference (a, q->values + first), <, 1e-4);
          g_assert_cmpfloat (largest_difference (b, k->values + first), <, 1e-4);
          g_assert_cmpfloat (largest_difference (value, v->values + first), <, 1e-4);
          g_assert_cmpfloat (largest_difference (product, scores->values + (gsize) head * 128 * 128), <,
                             1e-4);
        }
    }
}

static void
test_normalised (Reference *self, gconstpointer data)
{
  for (guint layer = 0; layer < 2; layer++)
    {
      g_autoptr (LbNpy) expected = read_layer (layer, "ln1", 128 * 64);
      g_autoptr (LbMatrix) normalised =
          lb_forward_get_normalised (self->forward, self->tokens, 128, layer, NULL);
      g_autoptr (LbMatrix) a = NULL;
      g_autoptr (LbMatrix) b = NULL;

      g_assert_cmpfloat (largest_difference (normalised, expected->values), <, 1e-5);
      g_assert_true (
          lb_forward_get_operands (self->forward, self->tokens, 128, layer, 0, LB_OP_WK, &a, &b, NULL));
      g_assert_cmpfloat (largest_difference (a, expected->values), <, 1e-5);
      g_assert_true (b == lb_model_get_weight (self->model, layer, LB_OP_WK));
    }
}

/* Against the reference's float32 logits, relative to the largest of them. */
static void
test_logits (Reference *self, gconstpointer data)
{
  g_autofree char *path = fixture_reference ("logits-float32-every-8th.npy");
  g_autoptr (LbNpy) expected = lb_npy_read (path, NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (LbMatrix) logits = lb_forward_run (self->forward, self->tokens, 128, 0, NULL, NULL, &error);
  double difference = 0, largest = 0;

  g_assert_no_error (error);
  g_assert_nonnull (expected);
  g_assert_cmpuint (expected->count, ==, 16 * 2048);
  g_assert_cmpuint (logits->rows, ==, 128);
  g_assert_cmpuint (logits->columns, ==, 2048);
  for (gsize i = 0; i < 16; i++)
    for (gsize j = 0; j < 2048; j++)
      {
        double value = (double) expected->values[i * 2048 + j];

        largest = fmax (largest, fabs (value));
        difference = fmax (difference, fabs ((double) lb_matrix_get (logits, 8 * i + 7, j) - value));
      }
  g_test_message ("logits: largest difference %g of a largest value %g", difference, largest);
  g_assert_cmpfloat (difference, <, 2e-4 * largest);
  g_assert_cmpfloat (largest, >, 1);
}

/* The digital value takes the place of what could not be measured: of operands
 * clamped to the model's ranges, so that the pass is not quite the digital one. */
static void
test_unusable (Reference *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (LbEngine) engine = g_object_new (TEST_TYPE_ENGINE, NULL);
  g_autoptr (LbMatrix) expected = lb_forward_run (self->forward, self->tokens, 40, 0, NULL, NULL, &error);
  g_autoptr (LbMatrix) logits = NULL;
  LbEngineCounts counts = { 0 };
  double largest = 0, difference = 0;

  g_assert_no_error (error);
  TEST_ENGINE (engine)->unusable_every = 1000;
  lb_forward_route (self->forward, 1, LB_OP_QK, engine);
  lb_forward_route (self->forward, 2, LB_OP_W1, engine);
  logits = lb_forward_run (self->forward, self->tokens, 40, 0, &counts, NULL, &error);
  g_assert_no_error (error);
  /* 4 heads of 40 x 40, and 40 x 256. */
  g_assert_cmpuint (counts.unusable, ==, 4 * 2 + 11);
  g_assert_true (lb_matrix_is_finite (logits));
  for (gsize row = 0; row < 40; row++)
    for (gsize i = 0; i < logits->columns; i++)
      {
        largest = fmax (largest, fabs ((double) lb_matrix_get (expected, row, i)));
        difference = fmax (difference, fabs ((double) lb_matrix_get (expected, row, i) -
                                             (double) lb_matrix_get (logits, row, i)));
      }
  g_test_message ("largest difference %g of %g", difference, largest);
  g_assert_cmpfloat (difference, <, 0.2 * largest);
  g_clear_pointer (&logits, lb_matrix_unref);
  logits = lb_forward_run (self->forward, self->tokens, 40, 0, NULL, NULL, &error);
  g_assert_no_error (error);
  g_assert_true (lb_matrix_is_finite (logits));
}

/* A token does not see those after it. */
static void
test_causal (Reference *self, gconstpointer data)
{
  g_autoptr (LbMatrix) whole = lb_forward_run (self->forward, self->tokens, 60, 0, NULL, NULL, NULL);
  g_autoptr (LbMatrix) changed = NULL;

  self->tokens[40] = (self->tokens[40] + 1) % 2048;
  changed = lb_forward_run (self->forward, self->tokens, 60, 0, NULL, NULL, NULL);
  for (gsize i = 0; i < 40; i++)
    g_assert_cmpmem (lb_matrix_row (whole, i), 2048 * sizeof (float), lb_matrix_row (changed, i),
                     2048 * sizeof (float));
  g_assert_cmpfloat (largest_difference (changed, whole->data), >, 0.1);
}

static void
test_threads (Reference *self, gconstpointer data)
{
  g_autoptr (LbMatrix) one = NULL;
  g_autoptr (LbMatrix) two = NULL;

  lb_numerics_set_threads (1);
  one = lb_forward_run (self->forward, self->tokens, 128, 0, NULL, NULL, NULL);
  lb_numerics_set_threads (2);
  two = lb_forward_run (self->forward, self->tokens, 128, 0, NULL, NULL, NULL);
  lb_numerics_set_threads (0);
  for (gsize i = 0; i < 128; i++)
    g_assert_cmpmem (lb_matrix_row (one, i), 2048 * sizeof (float), lb_matrix_row (two, i),
                     2048 * sizeof (float));
}

static void
test_routes (Reference *self, gconstpointer data)
{
  g_autoptr (TestEngine) engine = g_object_new (TEST_TYPE_ENGINE, NULL);
  g_autoptr (LbMatrix) digital = lb_forward_run (self->forward, self->tokens, 30, 0, NULL, NULL, NULL);
  g_autoptr (LbMatrix) routed = NULL;

  lb_forward_set_seed (self->forward, 77);
  lb_forward_route (self->forward, 3, LB_OP_W2, LB_ENGINE (engine));
  lb_forward_route (self->forward, 1, LB_OP_AV, LB_ENGINE (engine));
  routed = lb_forward_run (self->forward, self->tokens, 30, 5, NULL, NULL, NULL);
  for (gsize i = 0; i < 30; i++)
    g_assert_cmpmem (lb_matrix_row (digital, i), 2048 * sizeof (float), lb_matrix_row (routed, i),
                     2048 * sizeof (float));
  /* Four heads of layer 1, then W2 of layer 3. */
  g_assert_cmpuint (engine->keys->len, ==, 5);
  g_assert_cmpuint (engine->attention_products, ==, 4);
  g_assert_cmpuint (engine->with_ranges, ==, 5);
  for (guint i = 0; i < 5; i++)
    {
      const LbProductKey *key = &g_array_index (engine->keys, LbProductKey, i);

      g_assert_cmpuint (key->seed, ==, 77);
      g_assert_cmpuint (key->window, ==, 5);
      g_assert_cmpuint (key->layer, ==, i < 4 ? 1 : 3);
      g_assert_cmpuint (key->op, ==, i < 4 ? LB_OP_AV : LB_OP_W2);
      g_assert_cmpuint (key->head, ==, i < 4 ? i : 0);
    }

  lb_forward_set_engine (self->forward, LB_ENGINE (engine));
  g_clear_pointer (&routed, lb_matrix_unref);
  routed = lb_forward_run (self->forward, self->tokens, 30, 0, NULL, NULL, NULL);
  g_assert_cmpuint (engine->keys->len, ==, 5 + 4 * (6 + 2 * 4));
  lb_forward_set_engine (self->forward, NULL);
  g_clear_pointer (&routed, lb_matrix_unref);
  routed = lb_forward_run (self->forward, self->tokens, 30, 0, NULL, NULL, NULL);
  g_assert_cmpuint (engine->keys->len, ==, 5 + 4 * (6 + 2 * 4));
}

static void
test_counts (Reference *self, gconstpointer data)
{
  LbEngineCounts counts = { 0 };
  const guint64 n = 50, d = 64;
  g_autoptr (LbMatrix) logits = lb_forward_run (self->forward, self->tokens, n, 0, &counts, NULL, NULL);

  g_assert_nonnull (logits);
  g_assert_cmpuint (counts.macs, ==, 4 * (n * 12 * d * d + 2 * n * n * d));
}

static void
test_engine_error (Reference *self, gconstpointer data)
{
  g_autoptr (TestEngine) engine = g_object_new (TEST_TYPE_ENGINE, NULL);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;

  engine->fail_at = 2;
  lb_forward_route (self->forward, 2, LB_OP_WO, LB_ENGINE (engine));
  lb_forward_route (self->forward, 2, LB_OP_W1, LB_ENGINE (engine));
  g_assert_null (lb_forward_run (self->forward, self->tokens, 10, 0, NULL, NULL, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_FAILED);
  g_assert_cmpstr (error->message, ==, "Layer 2, operator w1: The cable is out");
  g_clear_error (&error);

  g_cancellable_cancel (cancellable);
  g_assert_null (lb_forward_run (self->forward, self->tokens, 10, 0, NULL, cancellable, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

static void
assert_refused (Reference *self, const guint32 *tokens, gsize count, const char *const *parts)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GError) same = NULL;
  LbMatrix *a = NULL, *b = NULL;

  g_assert_null (lb_forward_run (self->forward, tokens, count, 0, NULL, NULL, &error));
  g_assert_error (error, LB_MODEL_ERROR, LB_MODEL_ERROR_TEXT);
  g_assert_false (lb_forward_get_operands (self->forward, tokens, count, 0, 0, LB_OP_QK, &a, &b, &same));
  g_assert_error (same, LB_MODEL_ERROR, LB_MODEL_ERROR_TEXT);
  g_assert_null (strchr (error->message, '\n'));
  for (guint i = 0; parts[i] != NULL; i++)
    g_assert_nonnull (strstr (error->message, parts[i]));
}

static void
test_windows (Reference *self, gconstpointer data)
{
  g_autofree guint32 *many = g_new0 (guint32, 129);
  g_autoptr (LbMatrix) one = lb_forward_run (self->forward, many, 1, 0, NULL, NULL, NULL);
  const guint32 foreign[] = { 5, 2048 };

  g_assert_nonnull (one);
  assert_refused (self, many, 129,
                  (const char *const[]){ "129 tokens", "at most 128", "model-d64", "shorten", NULL });
  assert_refused (self, many, 0, (const char *const[]){ "empty", NULL });
  assert_refused (self, foreign, 2, (const char *const[]){ "2048", "2047", NULL });
}

/* Plain double arithmetic straight from the checkpoint, for comparison. */
typedef struct
{
  Fixture *fixture;
  const char *prefix;
  gsize count;
  double (*x)[FIXTURE_WIDTH];
} Plain;

static const double *
plain_values (Plain *plain, int layer, const char *name)
{
  g_autofree char *full = layer < 0 ? g_strconcat (plain->prefix, name, NULL)
                                    : g_strdup_printf ("%sh.%d.%s", plain->prefix, layer, name);

  return fixture_find (plain->fixture, full)->values;
}

static void
plain_norm (Plain *plain, int layer, const char *name, double (*out)[FIXTURE_WIDTH])
{
  g_autofree char *gain_name = g_strconcat (name, ".weight", NULL);
  g_autofree char *bias_name = g_strconcat (name, ".bias", NULL);
  const double *gain = plain_values (plain, layer, gain_name);
  const double *bias = plain_values (plain, layer, bias_name);

  for (gsize i = 0; i < plain->count; i++)
    {
      double mean = 0, variance = 0;

      for (guint j = 0; j < FIXTURE_WIDTH; j++)
        mean += plain->x[i][j] / FIXTURE_WIDTH;
      for (guint j = 0; j < FIXTURE_WIDTH; j++)
        variance += (plain->x[i][j] - mean) * (plain->x[i][j] - mean) / FIXTURE_WIDTH;
      for (guint j = 0; j < FIXTURE_WIDTH; j++)
        out[i][j] = (plain->x[i][j] - mean) / sqrt (variance + 1e-5) * gain[j] + bias[j];
    }
}

/* out = in W (+ bias): W (inputs, outputs) if @conv1d, else transposed. */
static void
plain_linear (const double *in,
              gsize count,
              gsize inputs,
              gsize outputs,
              const double *weight,
              const double *bias,
              gboolean conv1d,
              double *out)
{
  for (gsize i = 0; i < count; i++)
    for (gsize o = 0; o < outputs; o++)
      {
        double sum = bias != NULL ? bias[o] : 0;

        for (gsize k = 0; k < inputs; k++)
          sum += in[i * inputs + k] * (conv1d ? weight[k * outputs + o] : weight[o * inputs + k]);
        out[i * outputs + o] = sum;
      }
}

/* @qkv (count, 3 width): q, k, v side by side. */
static void
plain_attention (const double *qkv, gsize count, double *out)
{
  const gsize width = FIXTURE_WIDTH / FIXTURE_HEADS;

  for (gsize head = 0; head < FIXTURE_HEADS; head++)
    for (gsize i = 0; i < count; i++)
      {
        double a[FIXTURE_CONTEXT], sum = 0;
        const double *q = qkv + i * 3 * FIXTURE_WIDTH + head * width;

        for (gsize j = 0; j <= i; j++)
          {
            const double *k = qkv + j * 3 * FIXTURE_WIDTH + FIXTURE_WIDTH + head * width;
            double score = 0;

            for (gsize c = 0; c < width; c++)
              score += q[c] * k[c];
            a[j] = exp (score / sqrt ((double) width));
            sum += a[j];
          }
        for (gsize c = 0; c < width; c++)
          {
            double mixed = 0;

            for (gsize j = 0; j <= i; j++)
              mixed += a[j] / sum * qkv[j * 3 * FIXTURE_WIDTH + 2 * FIXTURE_WIDTH + head * width + c];
            out[i * FIXTURE_WIDTH + head * width + c] = mixed;
          }
      }
}

static void
plain_gpt2_layer (Plain *plain, int layer)
{
  const gsize n = plain->count, d = FIXTURE_WIDTH;
  g_autofree double *norm = g_new (double, n *d);
  g_autofree double *qkv = g_new (double, n * 3 * d);
  g_autofree double *mixed = g_new (double, n *d);
  g_autofree double *change = g_new (double, n *d);
  g_autofree double *hidden = g_new (double, n * 4 * d);

  plain_norm (plain, layer, "ln_1", (double (*)[FIXTURE_WIDTH]) (gpointer) norm);
  plain_linear (norm, n, d, 3 * d, plain_values (plain, layer, "attn.c_attn.weight"),
                plain_values (plain, layer, "attn.c_attn.bias"), TRUE, qkv);
  plain_attention (qkv, n, mixed);
  plain_linear (mixed, n, d, d, plain_values (plain, layer, "attn.c_proj.weight"),
                plain_values (plain, layer, "attn.c_proj.bias"), TRUE, change);
  for (gsize i = 0; i < n * d; i++)
    plain->x[i / d][i % d] += change[i];
  plain_norm (plain, layer, "ln_2", (double (*)[FIXTURE_WIDTH]) (gpointer) norm);
  plain_linear (norm, n, d, 4 * d, plain_values (plain, layer, "mlp.c_fc.weight"),
                plain_values (plain, layer, "mlp.c_fc.bias"), TRUE, hidden);
  for (gsize i = 0; i < n * 4 * d; i++)
    hidden[i] = 0.5 * hidden[i] *
                (1 + tanh (sqrt (2 / G_PI) * (hidden[i] + 0.044715 * hidden[i] * hidden[i] * hidden[i])));
  plain_linear (hidden, n, 4 * d, d, plain_values (plain, layer, "mlp.c_proj.weight"),
                plain_values (plain, layer, "mlp.c_proj.bias"), TRUE, change);
  for (gsize i = 0; i < n * d; i++)
    plain->x[i / d][i % d] += change[i];
}

/* Logits of a GPT-2 checkpoint in memory. */
static double *
plain_gpt2 (Fixture *fixture, const char *prefix, const guint32 *tokens, gsize count)
{
  Plain plain = { fixture, prefix, count, g_malloc (count * sizeof (double[FIXTURE_WIDTH])) };
  g_autofree double *norm = g_new (double, count *FIXTURE_WIDTH);
  double *logits = g_new (double, count *FIXTURE_VOCABULARY);
  const double *token = plain_values (&plain, -1, "wte.weight");
  const double *position = plain_values (&plain, -1, "wpe.weight");

  for (gsize i = 0; i < count; i++)
    for (gsize j = 0; j < FIXTURE_WIDTH; j++)
      plain.x[i][j] = token[tokens[i] * FIXTURE_WIDTH + j] + position[i * FIXTURE_WIDTH + j];
  for (int layer = 0; layer < FIXTURE_LAYERS; layer++)
    plain_gpt2_layer (&plain, layer);
  plain_norm (&plain, -1, "ln_f", (double (*)[FIXTURE_WIDTH]) (gpointer) norm);
  plain_linear (norm, count, FIXTURE_WIDTH, FIXTURE_VOCABULARY, token, NULL, FALSE, logits);
  g_free (plain.x);
  return logits;
}

static void
test_gpt2 (void)
{
  static const char *const prefixes[] = { "", "transformer." };
  const guint32 tokens[] = { 3, 263, 17, 17, 99, 255, 256, 0, 41, 200, 8, 8, 8, 130, 77, 12, 1, 2, 90, 91 };

  for (guint i = 0; i < G_N_ELEMENTS (prefixes); i++)
    {
      g_autoptr (Fixture) fixture = fixture_new ();
      g_autoptr (GError) error = NULL;
      g_autoptr (LbModel) model = NULL;
      g_autoptr (LbForward) forward = NULL;
      g_autoptr (LbMatrix) logits = NULL;
      g_autofree double *expected = NULL;
      double difference = 0, largest = 0;

      fixture_add_gpt2 (fixture, prefixes[i]);
      fixture_write_tensors (fixture, "model.safetensors", 0, -1);
      model = lb_model_open (fixture->directory, &error);
      g_assert_no_error (error);
      forward = lb_forward_new (model);
      logits = lb_forward_run (forward, tokens, G_N_ELEMENTS (tokens), 0, NULL, NULL, &error);
      g_assert_no_error (error);
      expected = plain_gpt2 (fixture, prefixes[i], tokens, G_N_ELEMENTS (tokens));
      for (gsize row = 0; row < logits->rows; row++)
        for (gsize column = 0; column < logits->columns; column++)
          {
            double value = expected[row * logits->columns + column];

            largest = fmax (largest, fabs (value));
            difference = fmax (difference, fabs ((double) lb_matrix_get (logits, row, column) - value));
          }
      g_test_message ("GPT-2 logits: largest difference %g of a largest value %g", difference, largest);
      g_assert_cmpfloat (largest, >, 1);
      g_assert_cmpfloat (difference, <, 2e-5 * largest);
    }
}

#define ADD(path, function)                                                                                  \
  g_test_add ("/transformer/forward/" path, Reference, NULL, reference_set_up, function, reference_tear_down)

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  ADD ("query-key-value-and-scores-equal-the-reference", test_attention_operands);
  ADD ("first-layer-norm-equals-the-reference", test_normalised);
  ADD ("digital-logits-equal-the-reference", test_logits);
  ADD ("tokens-do-not-see-what-follows", test_causal);
  ADD ("same-bytes-with-one-and-two-threads", test_threads);
  ADD ("operators-go-to-the-engines-they-are-routed-to", test_routes);
  ADD ("products-are-counted", test_counts);
  ADD ("what-could-not-be-measured-goes-on-digitally", test_unusable);
  ADD ("engine-errors-name-layer-and-operator", test_engine_error);
  ADD ("windows-that-do-not-fit-are-refused-in-one-line", test_windows);
  g_test_add_func ("/transformer/forward/gpt2-checkpoints-equal-plain-double-arithmetic", test_gpt2);

  return g_test_run ();
}
