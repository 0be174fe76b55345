/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <lb-int8-engine.h>
#include <lb-noise-engine.h>
#include <lb-perplexity.h>
#include <lb-tokenizer.h>
#include <math.h>

/*
 * Loss of the shipped model on a text against the light: it falls to a limit of
 * its own, which without Gaussian noise is that of the 8-bit engine. The text is
 * the licence: hard to predict, but not for chance.
 */

#define WINDOWS 24

typedef struct
{
  LbModel *model;
  GArray *tokens;
} Text;

static void
text_set_up (Text *self, gconstpointer data)
{
  g_autofree char *path = g_test_build_filename (G_TEST_DIST, "..", "COPYING", NULL);
  g_autofree char *contents = NULL;
  g_autoptr (LbTokenizer) tokenizer = NULL;
  g_autoptr (GError) error = NULL;

  self->model = lb_model_open_named (NULL, &error);
  g_assert_no_error (error);
  tokenizer = lb_tokenizer_new (lb_model_get_directory (self->model),
                                lb_model_get_config (self->model)->vocabulary, &error);
  g_assert_no_error (error);
  g_file_get_contents (path, &contents, NULL, &error);
  g_assert_no_error (error);
  self->tokens = lb_tokenizer_encode (tokenizer, contents, -1, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (self->tokens->len, >, WINDOWS * 128);
  g_array_set_size (self->tokens, WINDOWS * 128 + 1);
}

static void
text_tear_down (Text *self, gconstpointer data)
{
  g_clear_object (&self->model);
  g_clear_pointer (&self->tokens, g_array_unref);
}

/* Losses of the windows; takes @engine. */
static double *
find_losses (Text *self, LbEngine *engine)
{
  g_autoptr (LbForward) forward = lb_forward_new (self->model);
  g_auto (LbPerplexity) perplexity = { 0 };
  g_autoptr (GError) error = NULL;
  double *losses = g_new (double, WINDOWS);

  lb_forward_set_engine (forward, engine);
  g_object_unref (engine);
  lb_perplexity_run (forward, (const guint32 *) (gconstpointer) self->tokens->data, self->tokens->len,
                     &perplexity, NULL, NULL, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (perplexity.windows->len, ==, WINDOWS);
  for (guint i = 0; i < WINDOWS; i++)
    losses[i] = g_array_index (perplexity.windows, LbWindowLoss, i).loss;
  return losses;
}

/* Mean of a - b over the windows, and its standard error: what both find hard
 * falls out. */
static double
mean_difference (const double *a, const double *b, double *standard_error)
{
  double mean = 0, squares = 0;

  for (guint i = 0; i < WINDOWS; i++)
    mean += (a[i] - b[i]) / WINDOWS;
  for (guint i = 0; i < WINDOWS; i++)
    squares += pow (a[i] - b[i] - mean, 2);
  *standard_error = sqrt (squares / (WINDOWS - 1) / WINDOWS);
  return mean;
}

static LbEngine *
new_noise (double photons, LbNoiseMode mode, double g_linear, double g_attention)
{
  LbNoiseOptions options;

  lb_noise_options_init (&options);
  options.photons_per_mac = photons;
  options.mode = mode;
  options.g_linear = g_linear;
  options.g_attention = g_attention;
  return lb_noise_engine_new (&options);
}

static void
test_loss_falls_with_light (Text *self, gconstpointer data)
{
  const double photons[] = { 1, 3, 10, 30, 100, 1000, INFINITY };
  double *losses[G_N_ELEMENTS (photons)];
  double standard_error, difference;

  for (guint i = 0; i < G_N_ELEMENTS (photons); i++)
    {
      losses[i] = find_losses (self, new_noise (photons[i], LB_NOISE_EXACT, 0.021, 0.0565));
      if (i == 0)
        continue;
      difference = mean_difference (losses[i - 1], losses[i], &standard_error);
      g_test_message ("%g to %g photons: loss falls by %.4f +- %.4f", photons[i - 1], photons[i], difference,
                      standard_error);
      /* Clearly at first, and never the other way beyond chance. */
      g_assert_cmpfloat (difference, >, i <= 3 ? 4 * standard_error : -4 * standard_error);
    }
  for (guint i = 0; i < G_N_ELEMENTS (photons); i++)
    g_free (losses[i]);
}

static void
test_limit_without_gaussian_noise (Text *self, gconstpointer data)
{
  g_autofree double *limit = find_losses (self, new_noise (INFINITY, LB_NOISE_EXACT, 0, 0));
  g_autofree double *gaussian = find_losses (self, new_noise (INFINITY, LB_NOISE_EXACT, 0.021, 0.0565));
  g_autofree double *int8 = find_losses (self, lb_int8_engine_new (TRUE));
  double standard_error;
  double difference = mean_difference (limit, int8, &standard_error);

  g_test_message ("limit over int8: %.5f +- %.5f nat", difference, standard_error);
  g_assert_cmpfloat (fabs (expm1 (difference)), <, 0.005);
  difference = mean_difference (gaussian, limit, &standard_error);
  g_test_message ("Gaussian noise alone: %.5f +- %.5f nat", difference, standard_error);
  g_assert_cmpfloat (difference, >, 4 * standard_error);
}

static void
test_moment_equals_exact (Text *self, gconstpointer data)
{
  const double photons[] = { 30, 300 };

  for (guint i = 0; i < G_N_ELEMENTS (photons); i++)
    {
      g_autofree double *exact = find_losses (self, new_noise (photons[i], LB_NOISE_EXACT, 0.021, 0.0565));
      g_autofree double *moment = find_losses (self, new_noise (photons[i], LB_NOISE_MOMENT, 0.021, 0.0565));
      double standard_error;
      double difference = mean_difference (exact, moment, &standard_error);

      g_test_message ("%g photons: exact - moment = %.4f +- %.4f nat", photons[i], difference,
                      standard_error);
      g_assert_cmpfloat (fabs (difference), <, 4 * standard_error);
      g_assert_cmpfloat (standard_error, <, 0.02);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

#define ADD(path, function) g_test_add (path, Text, NULL, text_set_up, function, text_tear_down)
  ADD ("/transformer/photons/loss-falls-with-light-to-its-own-limit", test_loss_falls_with_light);
  ADD ("/transformer/photons/limit-without-gaussian-noise-is-int8", test_limit_without_gaussian_noise);
  ADD ("/transformer/photons/moment-and-exact-lose-alike", test_moment_equals_exact);
#undef ADD

  return g_test_run ();
}
