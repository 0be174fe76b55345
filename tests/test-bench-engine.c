/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <lb-bench-engine.h>
#include <lb-operand.h>
#include <math.h>

#include "fake-bench.h"

typedef struct
{
  FakeBenchOptions options;
  LbMatrix *a, *b, *out;
  LbEngine *engine;
  guint seen;
} Fixture;

static LbMatrix *
new_values (gsize rows, gsize columns, guint64 stream)
{
  LbMatrix *values = lb_matrix_new (rows, columns);

  for (gsize row = 0; row < rows; row++)
    {
      optics_fixture_fill (lb_matrix_row (values, row), columns, stream + row);
      for (gsize i = 0; i < columns; i++)
        lb_matrix_row (values, row)[i] = 2 * lb_matrix_row (values, row)[i] - 1;
    }
  return values;
}

static void
set_up (Fixture *self, gconstpointer unused)
{
  g_autoptr (LbOpticsModel) model = optics_fixture_new_model ();
  g_autoptr (LbBench) bench = NULL;
  g_autoptr (LbOpticalPath) path = NULL;

  self->options =
      (FakeBenchOptions){ .electrons_per_us = 2.5, .exposure_min_us = 20, .exposure_max_us = 200000 };
  bench = fake_bench_new (model, &self->options);
  path = lb_optical_path_new (bench, model);
  self->engine = lb_bench_engine_new (path);
  g_assert_true (lb_bench_engine_get_path (LB_BENCH_ENGINE (self->engine)) == path);
  self->a = new_values (6, 64, 100);
  self->b = new_values (4, 64, 200);
  self->out = lb_matrix_new (6, 4);
}

static void
tear_down (Fixture *self, gconstpointer unused)
{
  g_clear_object (&self->engine);
  g_clear_pointer (&self->a, lb_matrix_unref);
  g_clear_pointer (&self->b, lb_matrix_unref);
  g_clear_pointer (&self->out, lb_matrix_unref);
}

static void
count_partial (const guint32 *rows,
               const guint32 *columns,
               const float *values,
               const float *raw,
               gsize count,
               gpointer user_data)
{
  Fixture *self = user_data;

  for (gsize i = 0; i < count; i++)
    {
      g_assert_cmpfloat (values[i], ==, lb_matrix_get (self->out, rows[i], columns[i]));
      g_assert_cmpfloat (raw[4 * i], >, 0);
    }
  self->seen += (guint) count;
}

static double
clamped_product (const Fixture *self, gsize row, gsize column, double limit)
{
  double sum = 0;

  for (gsize i = 0; i < self->a->columns; i++)
    sum += CLAMP (lb_matrix_get (self->a, row, i), -limit, limit) *
           CLAMP (lb_matrix_get (self->b, column, i), -limit, limit);
  return sum;
}

static void
check_result (const Fixture *self, double limit, double scale)
{
  for (gsize row = 0; row < 6; row++)
    for (gsize column = 0; column < 4; column++)
      g_assert_cmpfloat_with_epsilon (lb_matrix_get (self->out, row, column),
                                      clamped_product (self, row, column, limit), 0.01 * scale);
}

static void
test_multiplies (Fixture *self, gconstpointer unused)
{
  const LbProduct product = {
    .a = self->a, .b = self->b, .kind = LB_PRODUCT_ATTENTION, .pairs = LB_PAIRS_ALL
  };
  LbEngineCounts counts = { .macs = 1000 };
  g_autoptr (GError) error = NULL;
  double photons, electrons, pass_scale;

  lb_bench_engine_get_last (LB_BENCH_ENGINE (self->engine), &photons, NULL, NULL);
  g_assert_true (isnan (photons));
  lb_engine_set_partial_func (self->engine, count_partial, self);
  lb_bench_engine_set_photons (LB_BENCH_ENGINE (self->engine), 5000);
  lb_engine_multiply (self->engine, &product, self->out, &counts, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (lb_engine_get_name (self->engine), ==, "bench");
  lb_bench_engine_get_last (LB_BENCH_ENGINE (self->engine), &photons, &electrons, &pass_scale);
  g_assert_cmpfloat_with_epsilon (photons, 5000, 100);
  g_assert_cmpfloat (electrons, >, 100);
  g_assert_cmpfloat_with_epsilon (pass_scale, lb_operand_pass_scale (self->a, self->b, FALSE), 1e-9);
  check_result (self, 1, pass_scale);
  g_assert_cmpuint (self->seen, ==, 24);
  g_assert_cmpuint (counts.macs, ==, 1000 + 24 * 64);
  g_assert_cmpuint (counts.dot_products, ==, 24);
  g_assert_cmpuint (counts.exposures, ==, self->options.frames);
  g_assert_cmpuint (counts.adc_samples, >, counts.readouts);
  g_assert_cmpfloat (counts.photons, >, 0);
  g_assert_cmpfloat (counts.bench_time_s, >, 0);
}

static void
test_clamps (Fixture *self, gconstpointer unused)
{
  const float ranges[6] = { -0.5f, 0.5f, -0.5f, 0.5f, -1, 1 };
  const LbProduct product = { .a = self->a, .b = self->b, .pairs = LB_PAIRS_ALL, .ranges = ranges };
  g_autoptr (GError) error = NULL;
  double pass_scale;

  lb_engine_multiply (self->engine, &product, self->out, NULL, NULL, &error);
  g_assert_no_error (error);
  lb_bench_engine_get_last (LB_BENCH_ENGINE (self->engine), NULL, NULL, &pass_scale);
  check_result (self, 0.5, pass_scale);
}

static void
test_fails (Fixture *self, gconstpointer unused)
{
  const LbProduct product = { .a = self->a, .b = self->b, .pairs = LB_PAIRS_ALL };
  g_autoptr (GError) error = NULL;
  LbEngineCounts counts = { 0 };

  self->options.fault = FAKE_BENCH_DARK;
  g_assert_false (lb_engine_multiply (self->engine, &product, self->out, &counts, NULL, &error));
  g_assert_error (error, LB_OPTICS_ERROR, LB_OPTICS_ERROR_DARK);
  g_assert_cmpuint (counts.exposures, >, 0);
  g_assert_cmpuint (counts.dot_products, ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add ("/bench-engine/multiplies-and-counts", Fixture, NULL, set_up, test_multiplies, tear_down);
  g_test_add ("/bench-engine/operands-are-clamped-to-their-ranges", Fixture, NULL, set_up, test_clamps,
              tear_down);
  g_test_add ("/bench-engine/failure-is-passed-on-with-what-it-took", Fixture, NULL, set_up, test_fails,
              tear_down);
  return g_test_run ();
}
