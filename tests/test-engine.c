/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <lb-engine.h>
#include <lb-gemm.h>
#include <math.h>
#include <string.h>

/* An engine that only notes that it was asked. */
#define TEST_TYPE_ENGINE (test_engine_get_type ())
G_DECLARE_FINAL_TYPE (TestEngine, test_engine, TEST, ENGINE, LbEngine)

struct _TestEngine
{
  LbEngine parent_instance;
  guint multiplied;
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
  TEST_ENGINE (engine)->multiplied++;
  return TRUE;
}

static void
test_engine_class_init (TestEngineClass *klass)
{
  LB_ENGINE_CLASS (klass)->get_name = test_engine_get_name;
  LB_ENGINE_CLASS (klass)->multiply = test_engine_multiply;
}

static void
test_engine_init (TestEngine *self)
{
}

static LbMatrix *
make_matrix (gsize rows, gsize columns, guint32 seed)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
  LbMatrix *matrix = lb_matrix_new (rows, columns);

  for (gsize i = 0; i < rows; i++)
    for (gsize j = 0; j < columns; j++)
      lb_matrix_row (matrix, i)[j] = (float) g_rand_double_range (rand, -1, 1);
  return matrix;
}

static double
largest_difference (const LbMatrix *a, const LbMatrix *b)
{
  double largest = 0;

  g_assert_cmpuint (a->rows, ==, b->rows);
  g_assert_cmpuint (a->columns, ==, b->columns);
  for (gsize i = 0; i < a->rows; i++)
    for (gsize j = 0; j < a->columns; j++)
      largest = fmax (largest, fabs ((double) lb_matrix_get (a, i, j) - (double) lb_matrix_get (b, i, j)));
  return largest;
}

static void
test_product (void)
{
  g_autoptr (LbEngine) engine = lb_digital_engine_new ();
  g_autoptr (LbMatrix) wide = make_matrix (70, 400, 1);
  g_autoptr (LbMatrix) a = lb_matrix_new_view (wide, 3, 17, 60, 300);
  g_autoptr (LbMatrix) b = make_matrix (90, 300, 2);
  g_autoptr (LbMatrix) wide_out = lb_matrix_new (60, 200);
  g_autoptr (LbMatrix) out = lb_matrix_new_view (wide_out, 0, 100, 60, 90);
  g_autoptr (LbMatrix) expected = lb_matrix_new (60, 90);
  const LbProduct product = { .a = a, .b = b };
  GError *error = NULL;

  g_assert_cmpstr (lb_engine_get_name (engine), ==, "digital");
  g_assert_true (lb_engine_multiply (engine, &product, out, NULL, NULL, &error));
  g_assert_no_error (error);
  lb_gemm_nt_reference (a, b, expected);
  g_assert_cmpfloat (largest_difference (out, expected), <, 3e-5);
  /* Nothing beside the result was written. */
  g_assert_cmpfloat (lb_matrix_get (wide_out, 30, 99), ==, 0);
  g_assert_cmpfloat (lb_matrix_get (wide_out, 30, 190), ==, 0);
}

static void
test_diagonal (void)
{
  g_autoptr (LbEngine) engine = lb_digital_engine_new ();
  g_autoptr (LbMatrix) a = make_matrix (50, 257, 3);
  g_autoptr (LbMatrix) b = make_matrix (50, 257, 4);
  g_autoptr (LbMatrix) out = lb_matrix_new (50, 1);
  g_autoptr (LbMatrix) all = lb_matrix_new (50, 50);
  const LbProduct product = { .a = a, .b = b, .pairs = LB_PAIRS_DIAGONAL };
  LbEngineCounts counts = { .macs = 1 };

  g_assert_true (lb_engine_multiply (engine, &product, out, &counts, NULL, NULL));
  lb_gemm_nt_reference (a, b, all);
  for (gsize i = 0; i < 50; i++)
    g_assert_cmpfloat (lb_matrix_get (out, i, 0), ==, lb_matrix_get (all, i, i));
  g_assert_cmpuint (counts.dot_products, ==, 50);
  g_assert_cmpuint (counts.macs, ==, 1 + 50 * 257);
}

/* Adds up where dot products were told of. */
static void
note_place_cb (const guint32 *rows,
               const guint32 *columns,
               const float *values,
               const float *raw,
               gsize count,
               gpointer user_data)
{
  const LbMatrix *seen = user_data;

  for (gsize i = 0; i < count; i++)
    lb_matrix_row (seen, rows[i])[columns[i]] += values[i];
}

static void
test_heads (void)
{
  g_autoptr (LbEngine) engine = lb_digital_engine_new ();
  g_autoptr (LbMatrix) a = make_matrix (3 * 20, 16, 7);
  g_autoptr (LbMatrix) b = make_matrix (3 * 30, 16, 8);
  g_autoptr (LbMatrix) out = lb_matrix_new (60, 30);
  g_autoptr (LbMatrix) seen = lb_matrix_new (60, 30);
  g_autoptr (LbMatrix) all = lb_matrix_new (60, 90);
  const LbProduct product = { .a = a, .b = b, .heads = 3 };
  const LbProduct odd = { .a = a, .b = b, .heads = 4 };
  LbEngineCounts counts = { 0 };
  g_autoptr (GError) error = NULL;

  lb_engine_set_partial_func (engine, note_place_cb, seen);
  g_assert_true (lb_engine_multiply (engine, &product, out, &counts, NULL, NULL));
  lb_gemm_nt_reference (a, b, all);
  for (gsize i = 0; i < 60; i++)
    for (gsize j = 0; j < 30; j++)
      {
        g_assert_cmpfloat_with_epsilon (lb_matrix_get (out, i, j), lb_matrix_get (all, i, i / 20 * 30 + j),
                                        1e-5);
        g_assert_cmpfloat (lb_matrix_get (seen, i, j), ==, lb_matrix_get (out, i, j));
      }
  g_assert_cmpuint (counts.dot_products, ==, 60 * 30);
  g_assert_false (lb_engine_multiply (engine, &odd, out, NULL, NULL, &error));
  g_assert_error (error, LB_ENGINE_ERROR, LB_ENGINE_ERROR_SHAPE);
}

static void
test_threads (void)
{
  g_autoptr (LbEngine) engine = lb_digital_engine_new ();
  g_autoptr (LbMatrix) a = make_matrix (300, 90, 5);
  g_autoptr (LbMatrix) b = make_matrix (700, 90, 6);
  g_autoptr (LbMatrix) one = lb_matrix_new (300, 700);
  g_autoptr (LbMatrix) two = lb_matrix_new (300, 700);
  const LbProduct product = { .a = a, .b = b };

  lb_numerics_set_threads (1);
  g_assert_true (lb_engine_multiply (engine, &product, one, NULL, NULL, NULL));
  lb_numerics_set_threads (2);
  g_assert_true (lb_engine_multiply (engine, &product, two, NULL, NULL, NULL));
  lb_numerics_set_threads (0);
  for (gsize i = 0; i < 300; i++)
    g_assert_cmpmem (lb_matrix_row (one, i), 700 * sizeof (float), lb_matrix_row (two, i),
                     700 * sizeof (float));
}

typedef struct
{
  LbMatrix *seen;
  gsize total;
} Partial;

static void
partial_cb (const guint32 *rows,
            const guint32 *columns,
            const float *values,
            const float *raw,
            gsize count,
            gpointer user_data)
{
  Partial *partial = user_data;

  g_assert_null (raw);
  for (gsize i = 0; i < count; i++)
    {
      g_assert_cmpuint (rows[i], <, partial->seen->rows);
      g_assert_cmpuint (columns[i], <, partial->seen->columns);
      lb_matrix_row (partial->seen, rows[i])[columns[i]] = values[i];
    }
  partial->total += count;
}

static void
test_partial (void)
{
  g_autoptr (LbEngine) engine = lb_digital_engine_new ();
  g_autoptr (LbMatrix) a = make_matrix (7, 20, 7);
  g_autoptr (LbMatrix) b = make_matrix (5, 20, 8);
  g_autoptr (LbMatrix) out = lb_matrix_new (7, 5);
  g_autoptr (LbMatrix) seen = lb_matrix_new (7, 5);
  const LbProduct product = { .a = a, .b = b };
  Partial partial = { seen, 0 };

  g_assert_false (lb_engine_wants_partial (engine));
  lb_engine_set_partial_func (engine, partial_cb, &partial);
  g_assert_true (lb_engine_wants_partial (engine));
  g_assert_true (lb_engine_multiply (engine, &product, out, NULL, NULL, NULL));
  g_assert_cmpuint (partial.total, ==, 35);
  g_assert_cmpfloat (largest_difference (seen, out), ==, 0);

  lb_engine_set_partial_func (engine, NULL, NULL);
  g_assert_true (lb_engine_multiply (engine, &product, out, NULL, NULL, NULL));
  g_assert_cmpuint (partial.total, ==, 35);
}

static void
assert_refused (
    const LbMatrix *a, const LbMatrix *b, LbProductPairs pairs, LbMatrix *out, int code, const char *part)
{
  g_autoptr (LbEngine) engine = g_object_new (TEST_TYPE_ENGINE, NULL);
  const LbProduct product = { .a = a, .b = b, .pairs = pairs };
  g_autoptr (GError) error = NULL;

  g_assert_false (lb_engine_multiply (engine, &product, out, NULL, NULL, &error));
  g_assert_error (error, LB_ENGINE_ERROR, code);
  g_assert_nonnull (strstr (error->message, part));
  g_assert_null (strchr (error->message, '\n'));
  g_assert_cmpuint (TEST_ENGINE (engine)->multiplied, ==, 0);
}

static void
test_shapes (void)
{
  g_autoptr (LbMatrix) a = make_matrix (4, 10, 1);
  g_autoptr (LbMatrix) b = make_matrix (3, 10, 2);
  g_autoptr (LbMatrix) longer = make_matrix (3, 11, 3);
  g_autoptr (LbMatrix) none = lb_matrix_new (0, 10);
  g_autoptr (LbMatrix) out = lb_matrix_new (4, 3);
  g_autoptr (LbMatrix) column = lb_matrix_new (4, 1);

  assert_refused (a, longer, LB_PAIRS_ALL, out, LB_ENGINE_ERROR_SHAPE, "11");
  assert_refused (a, none, LB_PAIRS_ALL, out, LB_ENGINE_ERROR_SHAPE, "empty");
  assert_refused (a, b, LB_PAIRS_ALL, column, LB_ENGINE_ERROR_SHAPE, "4 × 1");
  assert_refused (a, b, LB_PAIRS_DIAGONAL, column, LB_ENGINE_ERROR_SHAPE, "one by one");
  assert_refused (a, a, LB_PAIRS_DIAGONAL, out, LB_ENGINE_ERROR_SHAPE, "4 × 3");
}

static void
test_values (void)
{
  g_autoptr (LbMatrix) good = make_matrix (4, 10, 1);
  g_autoptr (LbMatrix) nan_in = make_matrix (4, 10, 2);
  g_autoptr (LbMatrix) infinite = make_matrix (4, 10, 3);
  g_autoptr (LbMatrix) out = lb_matrix_new (4, 4);

  lb_matrix_row (nan_in, 2)[7] = NAN;
  lb_matrix_row (infinite, 3)[9] = -INFINITY;
  assert_refused (nan_in, good, LB_PAIRS_ALL, out, LB_ENGINE_ERROR_VALUE, "first");
  assert_refused (good, infinite, LB_PAIRS_ALL, out, LB_ENGINE_ERROR_VALUE, "second");
}

static void
test_cancelled (void)
{
  g_autoptr (LbEngine) engine = g_object_new (TEST_TYPE_ENGINE, NULL);
  g_autoptr (LbMatrix) a = make_matrix (4, 10, 1);
  g_autoptr (LbMatrix) out = lb_matrix_new (4, 4);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  const LbProduct product = { .a = a, .b = a };
  g_autoptr (GError) error = NULL;

  g_assert_true (lb_engine_multiply (engine, &product, out, NULL, cancellable, &error));
  g_cancellable_cancel (cancellable);
  g_assert_false (lb_engine_multiply (engine, &product, out, NULL, cancellable, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpuint (TEST_ENGINE (engine)->multiplied, ==, 1);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/engine/heads-are-multiplied-each-with-its-own", test_heads);
  g_test_add_func ("/engine/digital/product-of-views-equals-double-precision-loops", test_product);
  g_test_add_func ("/engine/digital/diagonal-pairs-rows-one-by-one", test_diagonal);
  g_test_add_func ("/engine/digital/same-bytes-with-one-and-two-threads", test_threads);
  g_test_add_func ("/engine/digital/partial-results-cover-the-product-once", test_partial);
  g_test_add_func ("/engine/operands-that-do-not-fit-are-refused-before-anything-moves", test_shapes);
  g_test_add_func ("/engine/values-that-are-not-finite-are-refused-before-anything-moves", test_values);
  g_test_add_func ("/engine/cancelled-product-is-not-begun", test_cancelled);

  return g_test_run ();
}
