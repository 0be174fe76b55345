/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <cblas.h>
#include <glib/gstdio.h>
#include <lb-forward.h>
#include <lb-gemm.h>
#include <lb-noise-engine.h>
#include <lb-random.h>
#include <math.h>
#include <string.h>

#include "benchmark-rows.h"
#include "gpt2-small.h"

/*
 * Speed of the engines on products of 512 tokens of a model of d = 768, beside
 * the plain OpenBLAS product of the same shape with as many threads, weights known
 * from the product before, as in every window of a text but the first; of the
 * samplers; and of a whole forward pass of the GPT-2-small shape. Every time is
 * the least of several, taken in turns. Prints one JSON object.
 */

#define TOKENS 512
#define PRODUCT_RUNS 30
#define FORWARD_RUNS 5
#define SETTLE_US 50000
#define SAMPLES (1u << 16)
#define SAMPLER_RUNS 100

typedef struct
{
  const char *name;
  gsize depth;
  gsize outputs;
  guint heads;
  gboolean positive; /* first operand */
  double exact_limit;
  double moment_limit;
} Shape;

/* Limits: the times to reach over those of OpenBLAS on the machine where both
 * were taken. */
static const Shape shapes[] = {
  { "768_to_768", 768, 768, 1, FALSE, 22 / 3.68, 11 / 3.68 },
  { "768_to_3072", 768, 3072, 1, FALSE, 85 / 14.9, 39 / 14.9 },
  { "3072_to_768", 3072, 768, 1, FALSE, 72 / 14.8, 36 / 14.8 },
  { "3072_to_768_relu6", 3072, 768, 1, TRUE, 40 / 14.8, 36 / 14.8 },
  { "qk_12_heads", 64, TOKENS, 12, FALSE, 55 / 3.5, 18 / 3.5 },
  { "av_12_heads", TOKENS, 64, 12, TRUE, 16 / 3.2, 12 / 3.2 },
};

static LbMatrix *
make_operand (gsize rows, gsize columns, gboolean positive, guint64 stream)
{
  LbMatrix *matrix = lb_matrix_new (rows, columns);

  for (gsize row = 0; row < rows; row++)
    {
      float *values = lb_matrix_row (matrix, row);

      lb_random_normal_fill (lb_random_key (1), stream, row * 4096, columns, values);
      for (gsize i = 0; positive && i < columns; i++)
        values[i] = MAX (values[i], 0);
    }
  return matrix;
}

static double
seconds_since (gint64 start_us)
{
  return (double) (g_get_monotonic_time () - start_us) / 1e6;
}

/* OpenBLAS as it comes, with its own threads. */
static double
time_plain (const LbProduct *product, LbMatrix *out)
{
  const guint heads = lb_product_get_heads (product);
  const gsize rows = product->a->rows / heads, outputs = product->b->rows / heads;
  gint64 start_us;
  double seconds;

  /* Until the threads of the product before sleep: they would take its cores. */
  g_usleep (SETTLE_US);
  openblas_set_num_threads ((int) lb_numerics_get_threads ());
  start_us = g_get_monotonic_time ();
  for (guint head = 0; head < heads; head++)
    cblas_sgemm (CblasRowMajor, CblasNoTrans, CblasTrans, (int) rows, (int) outputs,
                 (int) product->a->columns, 1, lb_matrix_row (product->a, head * rows),
                 (int) product->a->stride, lb_matrix_row (product->b, head * outputs),
                 (int) product->b->stride, 0, lb_matrix_row (out, head * rows), (int) out->stride);
  seconds = seconds_since (start_us);
  openblas_set_num_threads (1);
  /* Nor may its own threads take the cores of what comes next: they wait busily for a while. */
  g_usleep (SETTLE_US);
  return seconds;
}

static double
time_engine (LbEngine *engine, const LbProduct *product, LbMatrix *out)
{
  gint64 start_us = g_get_monotonic_time ();
  g_autoptr (GError) error = NULL;

  if (!lb_engine_multiply (engine, product, out, NULL, NULL, &error))
    g_error ("%s", error->message);
  return seconds_since (start_us);
}

static LbEngine *
new_noise_engine (LbNoiseMode mode)
{
  LbNoiseOptions options;

  lb_noise_options_init (&options);
  options.photons_per_mac = 100;
  options.mode = mode;
  return lb_noise_engine_new (&options);
}

static void
measure_shape (GPtrArray *rows, const Shape *shape)
{
  g_autoptr (LbMatrix) a = make_operand (shape->heads * TOKENS, shape->depth, shape->positive, 1);
  g_autoptr (LbMatrix) b = make_operand (shape->heads * shape->outputs, shape->depth, FALSE, 2);
  g_autoptr (LbMatrix) out = lb_matrix_new (shape->heads * TOKENS, shape->outputs);
  const float ranges[6] = { shape->positive ? 0 : -4, 4, -3, 3, -1e6f, 1e6f };
  const LbProduct product = {
    .a = a,
    .b = b,
    .heads = shape->heads,
    .kind = shape->heads > 1 ? LB_PRODUCT_ATTENTION : LB_PRODUCT_LINEAR,
    .ranges = ranges,
    .slm_floor = 0.02004,
    .is_constant = shape->heads == 1,
  };
  LbEngine *engines[] = { lb_digital_engine_new (), new_noise_engine (LB_NOISE_EXACT),
                          new_noise_engine (LB_NOISE_MOMENT) };
  const char *const names[] = { "digital", "exact", "moment" };
  const double limits[] = { 1 / 0.7, shape->exact_limit, shape->moment_limit };
  double plain = INFINITY, best[] = { INFINITY, INFINITY, INFINITY };

  for (guint run = 0; run < PRODUCT_RUNS; run++)
    {
      plain = fmin (plain, time_plain (&product, out));
      for (guint i = 0; i < G_N_ELEMENTS (engines); i++)
        best[i] = fmin (best[i], time_engine (engines[i], &product, out));
    }
  for (guint i = 0; i < G_N_ELEMENTS (engines); i++)
    {
      g_autofree char *name = g_strdup_printf ("engine_%s_%s", names[i], shape->name);

      benchmark_add_row (rows, name, best[i] * 1e3, "ms", "the same product by OpenBLAS with its own threads",
                         best[i] / plain, limits[i]);
      g_object_unref (engines[i]);
    }
}

/* Millions of samples a second of one thread, beside plain multiply-adds. */
static void
measure_samplers (GPtrArray *rows)
{
  g_autofree float *lambda = g_new (float, SAMPLES);
  g_autofree float *out = g_new (float, SAMPLES);
  const double means[] = { 0, 5, 100 };
  const char *const names[] = { "sampler_normal", "sampler_poisson_5", "sampler_poisson_100" };
  double best[] = { INFINITY, INFINITY, INFINITY }, plain = INFINITY;

  for (guint run = 0; run < SAMPLER_RUNS; run++)
    {
      gint64 start_us = g_get_monotonic_time ();

      for (gsize i = 0; i < SAMPLES; i++)
        out[i] = out[i] * 0.5f + 1;
      __asm__ volatile("" : : "r"(out) : "memory");
      plain = fmin (plain, fmax (seconds_since (start_us), 1e-6));
      for (guint i = 0; i < G_N_ELEMENTS (means); i++)
        {
          for (gsize k = 0; k < SAMPLES; k++)
            lambda[k] = (float) means[i];
          start_us = g_get_monotonic_time ();
          if (i == 0)
            lb_random_normal_fill (lb_random_key (1), 0, 0, SAMPLES, out);
          else
            lb_random_poisson_fill (lb_random_key (1), 0, 0, SAMPLES, lambda, out);
          best[i] = fmin (best[i], seconds_since (start_us));
        }
    }
  for (guint i = 0; i < G_N_ELEMENTS (means); i++)
    benchmark_add_row (rows, names[i], SAMPLES / best[i] / 1e6, "M samples/s",
                       "multiply-adds of one thread, written as plainly", plain / best[i], NAN);
}

/* Seconds of a multiply-add at the rate at which OpenBLAS multiplies @a and @b. */
static double
time_plain_mac (const LbMatrix *a, const LbMatrix *b, LbMatrix *out)
{
  const LbProduct product = { .a = a, .b = b };

  return time_plain (&product, out) / ((double) a->rows * (double) b->rows * (double) a->columns);
}

static void
measure_forward (GPtrArray *rows)
{
  g_autoptr (LbMatrix) a = make_operand (TOKENS, 768, FALSE, 1);
  g_autoptr (LbMatrix) b = make_operand (3072, 768, FALSE, 2);
  g_autoptr (LbMatrix) out = lb_matrix_new (TOKENS, 3072);
  g_autoptr (GError) error = NULL;
  g_autofree char *directory = gpt2_small_write (TOKENS, &error);
  g_autoptr (LbModel) model = directory != NULL ? lb_model_open (directory, &error) : NULL;
  LbEngine *engines[] = { lb_digital_engine_new (), new_noise_engine (LB_NOISE_EXACT),
                          new_noise_engine (LB_NOISE_MOMENT) };
  const char *const names[] = { "forward_digital", "forward_exact", "forward_moment" };
  const double limits[] = { 1 / 0.7, 5.0, 2.7 };
  double best[] = { INFINITY, INFINITY, INFINITY };
  double plain_mac = INFINITY, macs = 0;
  g_autoptr (LbForward) forward = NULL;
  guint32 tokens[TOKENS];

  if (model == NULL)
    g_error ("%s", error->message);
  forward = lb_forward_new (model);
  for (guint i = 0; i < TOKENS; i++)
    tokens[i] = i * 7 % GPT2_SMALL_VOCABULARY;
  for (guint run = 0; run < FORWARD_RUNS; run++)
    for (guint i = 0; i < G_N_ELEMENTS (engines); i++)
      {
        LbEngineCounts counts = { 0 };
        g_autoptr (LbMatrix) logits = NULL;
        gint64 start_us;

        plain_mac = fmin (plain_mac, time_plain_mac (a, b, out));
        start_us = g_get_monotonic_time ();
        lb_forward_set_engine (forward, engines[i]);
        logits = lb_forward_run (forward, tokens, TOKENS, 0, &counts, NULL, &error);
        if (logits == NULL)
          g_error ("%s", error->message);
        best[i] = fmin (best[i], seconds_since (start_us));
        macs = (double) counts.macs;
      }
  for (guint i = 0; i < G_N_ELEMENTS (engines); i++)
    {
      benchmark_add_row (rows, names[i], best[i] * 1e3, "ms",
                         i == 0 ? "its products at the rate of OpenBLAS for 768 to 3072"
                                : "the same forward pass by the digital engine",
                         best[i] / (i == 0 ? macs * plain_mac : best[0]), limits[i]);
      g_object_unref (engines[i]);
    }
  gpt2_small_remove (directory);
}

int
main (void)
{
  g_autoptr (GPtrArray) rows = g_ptr_array_new_with_free_func (g_free);

  for (guint i = 0; i < G_N_ELEMENTS (shapes); i++)
    measure_shape (rows, &shapes[i]);
  measure_samplers (rows);
  measure_forward (rows);
  benchmark_print (rows);
  return 0;
}
