/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <lb-int8-engine.h>
#include <lb-model.h>
#include <math.h>
#include <string.h>

#include "lb-quantiser.h"
#include "reference-values.h"

/* In single and in double precision the same step, or at a tie its neighbour. */
static void
check_value (const LbQuantiser *self, float value, double dither, float quantised)
{
  const double step = ((double) self->high - (double) self->low) / (self->levels - 1);
  gboolean same = FALSE;

  for (int shift = -1; shift <= 1; shift++)
    same |= fabs ((double) quantised -
                  lb_quantiser_apply_reference (self, (double) value, dither + shift * 1e-4)) < 1e-3 * step;
  g_assert_true (same);
}

static void
test_quantiser (void)
{
  const LbQuantiser quantisers[] = {
    { -1.5f, 1.5f, 256, 0 },
    { 0, 2.6f, 256, 0 },
    { -0.25f, 0.25f, 256, 0.02004f },
    { -3, 3, 16, 0.1f },
  };

  for (guint k = 0; k < G_N_ELEMENTS (quantisers); k++)
    {
      const LbQuantiser *self = &quantisers[k];
      float values[1000], dither[1000], nearest[1000], random[1000];

      for (guint i = 0; i < 1000; i++)
        {
          values[i] = self->high * 1.2f * ((float) i / 500 - 1);
          dither[i] = (float) (i * 619 % 1000) / 1000;
        }
      lb_quantiser_apply_row (self, values, 1000, nearest);
      lb_quantiser_apply_row_random (self, values, dither, 1000, random);
      for (guint i = 0; i < 1000; i++)
        {
          check_value (self, values[i], 0.5, nearest[i]);
          check_value (self, values[i], (double) dither[i], random[i]);
          g_assert_cmpfloat (lb_quantiser_apply (self, values[i]), ==, nearest[i]);
          if (i > 0)
            g_assert_cmpfloat (nearest[i], >=, nearest[i - 1]);
        }
    }
}

static void
test_random_rounding_is_unbiased (void)
{
  const LbQuantiser self = { -1, 1, 256, 0 };
  const double step = 2.0 / 255;
  enum
  {
    COUNT = 100000
  };
  g_autofree float *values = g_new (float, COUNT);
  g_autofree float *dither = g_new (float, COUNT);
  double sum = 0;

  lb_random_uniform_fill (lb_random_key (5), 0, 0, COUNT, dither);
  for (gsize i = 0; i < COUNT; i++)
    values[i] = 0.1234f;
  lb_quantiser_apply_row_random (&self, values, dither, COUNT, values);
  for (gsize i = 0; i < COUNT; i++)
    sum += (double) values[i];
  /* Six standard deviations of the mean of a coin of this step. */
  g_assert_cmpfloat (fabs (sum / COUNT - (double) 0.1234f), <, 6 * 0.5 * step / sqrt (COUNT));
}

static void
check_operator (LbTransformerOp op, const char *name, gsize step, const char *suffix)
{
  const gboolean attention = op == LB_OP_QK;
  g_autofree char *a_name = g_strdup_printf ("%s-input.npy", name);
  g_autofree char *b_name = g_strdup_printf ("%s-%s.npy", name, attention ? "k" : "weight");
  g_autofree char *out_name = g_strdup_printf ("%s-output-int8-det%s.npy", name, suffix);
  g_autoptr (LbNpy) a_values = read_reference_values (a_name);
  g_autoptr (LbNpy) b_values = read_reference_values (b_name);
  g_autoptr (LbNpy) expected = read_reference_values (out_name);
  g_autoptr (LbModel) model = lb_model_open_named (NULL, NULL);
  g_autoptr (LbEngine) engine = lb_int8_engine_new (FALSE);
  const guint heads = attention ? 4 : 1;
  const gsize depth = a_values->shape[a_values->axes - 1];
  g_autoptr (LbMatrix) a =
      lb_matrix_new_wrap (a_values->values, a_values->count / depth, depth, depth, NULL, NULL);
  g_autoptr (LbMatrix) b =
      lb_matrix_new_wrap (b_values->values, b_values->count / depth, depth, depth, NULL, NULL);
  const gsize outputs = b->rows / heads;
  g_autoptr (LbMatrix) out = lb_matrix_new (a->rows, outputs);
  const float *ranges = lb_model_get_ranges (model, 1, op);
  const LbProduct product = {
    .a = a,
    .b = b,
    .heads = heads,
    .ranges = ranges,
    .slm_floor = lb_model_get_config (model)->slm_floor,
  };
  const double level = ((double) ranges[5] - (double) ranges[4]) / 255;
  gsize apart = 0;

  g_assert_true (lb_engine_multiply (engine, &product, out, NULL, NULL, NULL));
  g_assert_cmpuint (expected->count, ==, a->rows / step * outputs);
  for (gsize i = 0; i < expected->count; i++)
    {
      const double value = (double) lb_matrix_get (out, i / outputs * step, i % outputs);
      const double difference = fabs (value - (double) expected->values[i]) / level;

      g_assert_cmpfloat (difference, <, 2.01);
      apart += difference > 1.01 ? 1 : 0;
    }
  g_test_message ("%s: %zu of %zu values more than a step apart", name, apart, expected->count);
  g_assert_cmpuint (apart, <=, expected->count / 1000);
}

static void
test_reference_operators (void)
{
  check_operator (LB_OP_WQ, "h1_wq", 1, "");
  check_operator (LB_OP_W2, "h1_w2", 1, "");
  check_operator (LB_OP_QK, "h1_mm1", 4, "-every-4th");
}

static void
test_ranges_are_needed (void)
{
  g_autoptr (LbEngine) engine = lb_int8_engine_new (TRUE);
  g_autoptr (LbMatrix) a = lb_matrix_new (3, 4);
  g_autoptr (LbMatrix) out = lb_matrix_new (3, 3);
  const LbProduct product = { .a = a, .b = a };
  g_autoptr (GError) error = NULL;

  g_assert_false (lb_engine_multiply (engine, &product, out, NULL, NULL, &error));
  g_assert_error (error, LB_ENGINE_ERROR, LB_ENGINE_ERROR_RANGES);
}

/* Results on the steps of the output's range, others for another window, the
 * same ones for the same. */
static void
test_random_rounding_is_keyed (void)
{
  const float ranges[6] = { -1, 1, -1, 1, -4, 4 };
  g_autoptr (LbEngine) engine = lb_int8_engine_new (TRUE);
  g_autoptr (LbMatrix) a = lb_matrix_new (30, 20);
  g_autoptr (LbMatrix) first = lb_matrix_new (30, 30);
  g_autoptr (LbMatrix) again = lb_matrix_new (30, 30);
  g_autoptr (LbMatrix) other = lb_matrix_new (30, 30);
  LbMatrix *outs[] = { first, again, other };
  LbProduct product = { .a = a, .b = a, .ranges = ranges, .key = { .seed = 2 } };

  for (gsize row = 0; row < 30; row++)
    lb_random_normal_fill (lb_random_key (9), row, 0, 20, lb_matrix_row (a, row));
  for (guint i = 0; i < 3; i++)
    {
      product.key.window = i == 2 ? 1 : 0;
      g_assert_true (lb_engine_multiply (engine, &product, outs[i], NULL, NULL, NULL));
    }
  {
    guint differing = 0;

    for (gsize row = 0; row < 30; row++)
      for (gsize i = 0; i < 30; i++)
        {
          const double level = ((double) lb_matrix_get (outs[0], row, i) + 4) / 8 * 255;

          g_assert_cmpfloat (fabs (level - rint (level)), <, 1e-3);
          g_assert_cmpfloat (lb_matrix_get (outs[0], row, i), ==, lb_matrix_get (outs[1], row, i));
          differing += lb_matrix_get (outs[0], row, i) != lb_matrix_get (outs[2], row, i) ? 1 : 0;
        }
    g_assert_cmpuint (differing, >, 100);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/engine/quantiser/equals-double-precision-but-at-ties", test_quantiser);
  g_test_add_func ("/engine/quantiser/random-rounding-is-unbiased", test_random_rounding_is_unbiased);
  g_test_add_func ("/engine/int8/operators-equal-the-reference-model", test_reference_operators);
  g_test_add_func ("/engine/int8/ranges-are-needed", test_ranges_are_needed);
  g_test_add_func ("/engine/int8/random-rounding-is-keyed", test_random_rounding_is_keyed);

  return g_test_run ();
}
