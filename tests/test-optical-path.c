/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <lb-optical-path.h>
#include <lb-operand.h>
#include <lb-random.h>
#include <lb-statistics.h>
#include <math.h>
#include <string.h>

#include "fake-bench.h"

/* Brightest pixel of a fully lit cell of gain 1, in parts of its light. */
#define PEAK_SHARE 0.42

/* One product on the fake bench, and what came of it. */
typedef struct
{
  FakeBenchOptions options;
  LbOpticsModel *model;
  LbBench *bench;
  LbOpticalPath *path;
  LbMatrix *a, *b, *out;
  gboolean diagonal;
  double photons;
  LbOpticalPathCounts counts;
  GError *error;
  /* Of the partial results. */
  guint *seen;
  float *raw;
} Product;

static LbMatrix *
new_values (gsize rows, gsize columns, guint64 stream, float low)
{
  LbMatrix *values = lb_matrix_new (rows, columns);

  for (gsize row = 0; row < rows; row++)
    for (gsize i = 0; i < columns; i++)
      lb_matrix_row (values, row)[i] =
          low + (1 - low) * (float) lb_random_uniform_at (lb_random_key (77), stream, row * columns + i);
  return values;
}

static void
product_init (Product *self, gsize m, gsize n, gsize d, gboolean is_signed, gboolean diagonal)
{
  *self = (Product){ .options = { .electrons_per_us = 2.5,
                                  .exposure_min_us = 20,
                                  .exposure_max_us = 200000,
                                  .has_light = TRUE },
                     .diagonal = diagonal,
                     .photons = 20000 };
  self->model = optics_fixture_new_model ();
  self->a = new_values (m, d, 1, is_signed ? -1 : 0);
  self->b = new_values (n, d, 2, is_signed ? -1 : 0);
  self->out = lb_matrix_new (m, diagonal ? 1 : n);
  self->seen = g_new0 (guint, m * (diagonal ? 1 : n));
  self->raw = g_new0 (float, 4 * m * (diagonal ? 1 : n));
}

static void
product_clear (Product *self)
{
  g_clear_object (&self->path);
  g_clear_object (&self->bench);
  g_clear_pointer (&self->model, lb_optics_model_unref);
  g_clear_pointer (&self->a, lb_matrix_unref);
  g_clear_pointer (&self->b, lb_matrix_unref);
  g_clear_pointer (&self->out, lb_matrix_unref);
  g_clear_pointer (&self->seen, g_free);
  g_clear_pointer (&self->raw, g_free);
  g_clear_error (&self->error);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Product, product_clear)

static void
note_partial (const guint32 *rows,
              const guint32 *columns,
              const float *values,
              const float *raw,
              gsize count,
              gpointer user_data)
{
  Product *self = user_data;

  for (gsize i = 0; i < count; i++)
    {
      const gsize place = rows[i] * self->out->columns + columns[i];
      const float stored = lb_matrix_get (self->out, rows[i], columns[i]);

      self->seen[place]++;
      g_assert_true (stored == values[i] || (isnan (stored) && isnan (values[i])));
      memcpy (self->raw + 4 * place, raw + 4 * i, 4 * sizeof (float));
    }
}

static gboolean
product_run (Product *self)
{
  g_clear_object (&self->path);
  g_clear_object (&self->bench);
  g_clear_error (&self->error);
  self->bench = fake_bench_new (self->model, &self->options);
  self->path = lb_optical_path_new (self->bench, self->model);
  return lb_optical_path_multiply (self->path, self->a, self->b, self->diagonal, self->photons, self->out,
                                   &self->counts, note_partial, self, self->options.cancellable,
                                   &self->error);
}

static double
ideal_product (const Product *self, gsize row, gsize column)
{
  double sum = 0;

  for (gsize i = 0; i < self->a->columns; i++)
    sum +=
        (double) lb_matrix_get (self->a, row, i) * lb_matrix_get (self->b, self->diagonal ? row : column, i);
  return sum;
}

static void
product_judge (const Product *self, LbFiguresOfMerit *figures)
{
  const gsize count = self->out->rows * self->out->columns;
  g_autofree double *measured = g_new (double, count);
  g_autofree double *ideal = g_new (double, count);

  for (gsize i = 0; i < count; i++)
    {
      measured[i] = lb_matrix_get (self->out, i / self->out->columns, i % self->out->columns);
      ideal[i] = ideal_product (self, i / self->out->columns, i % self->out->columns);
    }
  lb_figures_of_merit (measured, ideal, count, lb_operand_pass_scale (self->a, self->b, self->diagonal),
                       figures);
}

static void
check_product (Product *self, double limit)
{
  LbFiguresOfMerit figures;
  const gsize count = self->out->rows * self->out->columns;

  product_run (self);
  g_assert_no_error (self->error);
  product_judge (self, &figures);
  g_test_message ("error %.2e bias %.2e slope %.4f, %" G_GUINT64_FORMAT " exposures, N %.0f +- %.0f",
                  figures.normalised_error, figures.bias, figures.slope, self->counts.exposures,
                  self->counts.photons_per_mac, self->counts.photons_per_mac_spread);
  g_assert_cmpuint (figures.count, ==, count);
  g_assert_cmpfloat (figures.normalised_error, <, limit);
  g_assert_cmpfloat_with_epsilon (figures.slope, 1, 0.01);
  for (gsize i = 0; i < count; i++)
    g_assert_cmpuint (self->seen[i], ==, 1);
  g_assert_cmpuint (self->counts.dot_products, ==, count);
  g_assert_cmpuint (self->counts.macs, ==, count * self->a->columns);
  g_assert_cmpuint (self->counts.unusable, ==, 0);
}

static void
test_signed (void)
{
  g_auto (Product) product = { 0 };

  product_init (&product, 7, 5, 64, TRUE, FALSE);
  check_product (&product, 2e-3);
  /* All four passes have been seen. */
  for (gsize i = 0; i < 4 * 35; i++)
    g_assert_cmpfloat (product.raw[i], >, 0);
}

static void
test_not_negative (void)
{
  g_auto (Product) product = { 0 };

  product_init (&product, 7, 5, 64, FALSE, FALSE);
  check_product (&product, 2e-3);
  for (gsize i = 0; i < 35; i++)
    {
      g_assert_cmpfloat (product.raw[4 * i], >, 0);
      for (guint pass = 1; pass < 4; pass++)
        g_assert_true (isnan (product.raw[4 * i + pass]));
    }
}

static void
test_diagonal (void)
{
  g_auto (Product) product = { 0 };

  product_init (&product, 40, 40, 64, TRUE, TRUE);
  check_product (&product, 2e-3);
}

static void
test_long (void)
{
  g_auto (Product) product = { 0 };

  product_init (&product, 3, 2, 4000, TRUE, FALSE);
  check_product (&product, 1e-3);
}

/* 30 x 4 products of 16 elements: many at a time. */
static void
test_packed (void)
{
  g_auto (Product) product = { 0 };

  product_init (&product, 30, 4, 16, TRUE, FALSE);
  check_product (&product, 4e-3);
  g_assert_cmpuint (product.counts.exposures, <, 12);
  g_assert_cmpuint (product.options.weight_changes, <=, 2);
}

static void
test_slow_plane (void)
{
  g_auto (Product) product = { 0 };

  /* More weights than slots: each pattern is shown once, for all rows of a. */
  product_init (&product, 3, 60, 64, TRUE, FALSE);
  check_product (&product, 2e-3);
  g_assert_cmpuint (product.options.weight_changes, <, 8);
}

static void
test_jitter (void)
{
  g_auto (Product) product = { 0 };

  product_init (&product, 7, 5, 64, TRUE, FALSE);
  product.options.jitter = 0.05;
  check_product (&product, 2e-3);
}

static void
test_photons (void)
{
  const double wanted[] = { 200, 2000, 50000, 1e6 };

  for (gsize i = 0; i < G_N_ELEMENTS (wanted); i++)
    {
      g_auto (Product) product = { 0 };

      product_init (&product, 20, 20, 64, TRUE, FALSE);
      product.photons = wanted[i];
      check_product (&product, i == 0 ? 2e-2 : 4e-3);
      g_assert_cmpfloat_with_epsilon (product.counts.photons_per_mac, wanted[i], 0.02 * wanted[i]);
      g_assert_cmpfloat (product.counts.photons_per_mac_spread, <, 0.2 * wanted[i]);
      g_assert_cmpfloat (product.counts.electrons_per_mac, >, 0);
      g_assert_cmpfloat (product.counts.electrons_per_mac, <, wanted[i] * 0.5);
    }
}

/* At full level a hundred times too bright even for the shortest exposure. */
static void
test_level_is_lowered (void)
{
  g_auto (Product) product = { 0 };

  product_init (&product, 5, 5, 64, TRUE, FALSE);
  product.options.electrons_per_us = 250;
  product.options.exposure_min_us = 100;
  product.photons = 2000;
  check_product (&product, 4e-3);
  g_assert_cmpfloat (product.options.lowest_level, <, 25);
  g_assert_cmpfloat_with_epsilon (product.counts.photons_per_mac, 2000, 100);
}

static void
test_repeated_shorter (void)
{
  g_auto (Product) product = { 0 };
  double expected;

  product_init (&product, 20, 20, 64, TRUE, FALSE);
  product.photons = 50000;
  check_product (&product, 2e-3);
  expected = product.counts.photons_per_mac;
  memset (product.seen, 0, 400 * sizeof (guint));
  product.options.surge = 6;
  product.options.frames = 0;
  check_product (&product, 2e-3);
  /* The same light in more frames, each of them shorter. */
  g_assert_cmpfloat_with_epsilon (product.counts.photons_per_mac, 6 * expected, 0.5 * expected);
}

static void
test_never_silent (void)
{
  g_auto (Product) product = { 0 };

  product_init (&product, 6, 6, 64, TRUE, FALSE);
  product.photons = 50000;
  product.options.surge = 1000;
  product_run (&product);
  g_assert_no_error (product.error);
  g_assert_cmpuint (product.counts.unusable, ==, 36);
  for (gsize i = 0; i < 36; i++)
    {
      g_assert_cmpuint (product.seen[i], ==, 1);
      g_assert_true (isnan (lb_matrix_get (product.out, i / 6, i % 6)));
    }
}

static void
test_dark (void)
{
  g_auto (Product) product = { 0 };

  product_init (&product, 5, 5, 64, TRUE, FALSE);
  product.options.fault = FAKE_BENCH_DARK;
  g_assert_false (product_run (&product));
  g_assert_error (product.error, LB_OPTICS_ERROR, LB_OPTICS_ERROR_DARK);
  for (gsize i = 0; i < 25; i++)
    g_assert_true (isnan (lb_matrix_get (product.out, i / 5, i % 5)));
}

static void
test_all_bright (void)
{
  g_auto (Product) product = { 0 };

  product_init (&product, 5, 5, 64, TRUE, FALSE);
  product.options.fault = FAKE_BENCH_ALL_BRIGHT;
  g_assert_false (product_run (&product));
  g_assert_error (product.error, LB_OPTICS_ERROR, LB_OPTICS_ERROR_DARK);
}

/* Planes that stand still give numbers, but no right ones: what was not shown
 * does not come out. The first pair of patterns is left out, it is shown. */
static void
test_frozen (void)
{
  g_auto (Product) product = { 0 };
  g_autofree double *measured = NULL;
  g_autofree double *ideal = NULL;
  const gsize count = 600;

  product_init (&product, count, count, 64, TRUE, TRUE);
  product.options.fault = FAKE_BENCH_FROZEN;
  product_run (&product);
  g_assert_no_error (product.error);
  measured = g_new (double, count);
  ideal = g_new (double, count);
  for (gsize i = 100; i < count; i++)
    {
      measured[i] = lb_matrix_get (product.out, i, 0);
      ideal[i] = ideal_product (&product, i, 0);
    }
  g_assert_cmpfloat (fabs (optics_fixture_correlation (measured + 100, ideal + 100, count - 100)), <,
                     4 / sqrt (count - 100.0));
}

/* Of the product that has been run. */
static void
check_forecast (Product *self, guint frames)
{
  guint64 exposures;
  double seconds;

  g_assert_true (lb_optical_path_forecast (self->path, self->a, self->b, FALSE, self->photons, &exposures,
                                           &seconds, &self->error));
  g_assert_no_error (self->error);
  g_assert_cmpuint (self->counts.exposures, ==, exposures);
  g_assert_cmpuint (exposures % frames, ==, 1 % frames);
  /* The fake bench takes a frame each 16.7 ms, and no time for its planes. */
  g_assert_cmpfloat (seconds, >, 0.016 * exposures);
  g_assert_cmpfloat (seconds, <, 0.016 * exposures + 0.2 * exposures / frames);
}

static void
test_forecast (void)
{
  g_auto (Product) product = { 0 };

  product_init (&product, 9, 40, 100, TRUE, FALSE);
  product.photons = 2000;
  check_product (&product, 4e-3);
  check_forecast (&product, 1);
}

/* A calibration tells how much light there is: so much that one frame cannot
 * take what is asked for, and so little that the longest exposure does not. */
static void
test_forecast_of_frames (void)
{
  for (guint dim = 0; dim < 2; dim++)
    {
      g_auto (Product) product = { 0 };
      guint64 frames;

      product_init (&product, 9, 40, 100, TRUE, FALSE);
      product.options.electrons_per_us = dim ? 0.2 : 2.5;
      product.options.exposure_max_us = dim ? 8000 : 200000;
      product.photons = dim ? 5000 : 60000;
      product_run (&product);
      g_assert_no_error (product.error);
      frames = (product.counts.exposures - 1) / (product.options.source_changes - 1);
      g_assert_cmpuint (frames, >, 1);
      product.model->light_per_us = product.options.electrons_per_us;
      product.model->peak_share = PEAK_SHARE;
      check_forecast (&product, (guint) frames);
    }
}

static void
test_cancelled (void)
{
  g_auto (Product) product = { 0 };
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();

  product_init (&product, 20, 40, 64, TRUE, FALSE);
  product.options.cancellable = cancellable;
  product.options.cancel_at = 5;
  g_assert_false (product_run (&product));
  g_assert_error (product.error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpuint (product.options.frames, ==, 5);
  g_assert_cmpuint (product.counts.exposures, ==, 5);
}

static void
test_refused (void)
{
  g_auto (Product) product = { 0 };
  g_autoptr (LbMatrix) b = new_values (5, 63, 3, -1);
  guint64 exposures;

  product_init (&product, 5, 5, 64, TRUE, FALSE);
  lb_matrix_row (product.a, 2)[3] = INFINITY;
  g_assert_false (product_run (&product));
  g_assert_error (product.error, LB_OPTICS_ERROR, LB_OPTICS_ERROR_SHAPE);
  g_assert_cmpuint (product.options.frames, ==, 0);
  g_clear_error (&product.error);
  g_assert_false (lb_optical_path_forecast (product.path, product.a, b, FALSE, product.photons, &exposures,
                                            NULL, &product.error));
  g_assert_error (product.error, LB_OPTICS_ERROR, LB_OPTICS_ERROR_SHAPE);
}

static void
test_ordinal (void)
{
  g_auto (Product) product = { 0 };

  product_init (&product, 2, 2, 16, TRUE, FALSE);
  product_run (&product);
  lb_optical_path_set_ordinal (product.path, 41);
  for (guint64 ordinal = 41; ordinal < 43; ordinal++)
    {
      g_assert_true (lb_optical_path_multiply (product.path, product.a, product.b, FALSE, 2000, product.out,
                                               NULL, NULL, NULL, NULL, &product.error));
      g_assert_cmpuint (product.options.ordinal, ==, ordinal);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/optical-path/signed-products-come-out-right", test_signed);
  g_test_add_func ("/optical-path/products-without-signs-take-one-pass", test_not_negative);
  g_test_add_func ("/optical-path/diagonal-pairs-come-out-right", test_diagonal);
  g_test_add_func ("/optical-path/long-vectors-are-split-and-added", test_long);
  g_test_add_func ("/optical-path/short-vectors-share-exposures", test_packed);
  g_test_add_func ("/optical-path/weight-plane-changes-least", test_slow_plane);
  g_test_add_func ("/optical-path/jitter-of-the-light-is-taken-out", test_jitter);
  g_test_add_func ("/optical-path/photons-are-met", test_photons);
  g_test_add_func ("/optical-path/light-is-lowered-where-time-does-not-do", test_level_is_lowered);
  g_test_add_func ("/optical-path/saturated-exposure-is-repeated-shorter", test_repeated_shorter);
  g_test_add_func ("/optical-path/saturation-is-never-silent", test_never_silent);
  g_test_add_func ("/optical-path/dark-bench-is-an-error", test_dark);
  g_test_add_func ("/optical-path/planes-that-show-no-patterns-are-an-error", test_all_bright);
  g_test_add_func ("/optical-path/nothing-is-decoded-from-what-was-not-measured", test_frozen);
  g_test_add_func ("/optical-path/forecast-counts-the-exposures", test_forecast);
  g_test_add_func ("/optical-path/forecast-counts-all-frames", test_forecast_of_frames);
  g_test_add_func ("/optical-path/cancelled-run-stops-at-once", test_cancelled);
  g_test_add_func ("/optical-path/operands-that-do-not-fit-are-refused", test_refused);
  g_test_add_func ("/optical-path/ordinal-rises-with-each-product", test_ordinal);
  return g_test_run ();
}
