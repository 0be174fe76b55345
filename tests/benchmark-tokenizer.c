/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>
#include <time.h>

#include <lb-model.h>
#include <lb-tokenizer.h>

#include "benchmark-rows.h"

/*
 * Speed of the tokenizer with the shipped model's vocabulary, on one core,
 * beside a yardstick of the same run: counting the bytes of the same text by
 * value. The text is that of random tokens, in which few words come twice, or
 * the file that is named as the argument. Times are those of the processor, as
 * nothing here waits. Prints one JSON object.
 */

#define TOKENS 400000
#define RUNS 5
/* MB/s */
#define LIMIT 1

static double
get_time_us (void)
{
  struct timespec now;

  clock_gettime (CLOCK_THREAD_CPUTIME_ID, &now);
  return (double) now.tv_sec * 1e6 + (double) now.tv_nsec / 1e3;
}

static char *
make_text (LbTokenizer *tokenizer)
{
  g_autofree guint32 *tokens = g_new (guint32, TOKENS);
  g_autoptr (GRand) rand = g_rand_new_with_seed (1);
  const gint32 size = (gint32) lb_tokenizer_get_size (tokenizer);

  /* The first 256 are single bytes, which would be no text. */
  for (guint i = 0; i < TOKENS; i++)
    tokens[i] = (guint32) g_rand_int_range (rand, MIN (256, size - 1), size);
  return lb_tokenizer_decode (tokenizer, tokens, TOKENS);
}

/* MB/s, the best of the runs. */
static double
measure_yardstick (const char *text, gsize length)
{
  double best = 0;

  for (guint run = 0; run < RUNS; run++)
    {
      guint64 counts[256] = { 0 };
      double start_us = get_time_us ();

      for (gsize i = 0; i < length; i++)
        counts[(guint8) text[i]]++;
      /* Keeps the compiler from leaving the counts out. */
      __asm__ volatile("" : : "r"(counts) : "memory");
      best = MAX (best, (double) length / MAX (get_time_us () - start_us, 1));
    }
  return best;
}

static void
measure (LbTokenizer *tokenizer, const char *text, gsize length, double *encode, double *decode)
{
  *encode = 0;
  *decode = 0;
  for (guint run = 0; run < RUNS; run++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (GArray) tokens = NULL;
      g_autofree char *back = NULL;
      double start_us = get_time_us ();
      double middle_us;

      tokens = lb_tokenizer_encode (tokenizer, text, (gssize) length, &error);
      g_assert_no_error (error);
      middle_us = get_time_us ();
      back = lb_tokenizer_decode (tokenizer, (const guint32 *) (gconstpointer) tokens->data, tokens->len);
      *encode = MAX (*encode, (double) length / (middle_us - start_us));
      *decode = MAX (*decode, (double) length / (get_time_us () - middle_us));
    }
}

int
main (int argc, char *argv[])
{
  const char *yardstick_name = "counting the bytes of the text";
  g_autoptr (GPtrArray) rows = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GError) error = NULL;
  g_autoptr (LbModel) model = lb_model_open_named (NULL, &error);
  g_autoptr (LbTokenizer) tokenizer = NULL;
  g_autofree char *text = NULL;
  double encode, decode, yardstick;
  gsize length;

  if (model != NULL)
    tokenizer =
        lb_tokenizer_new (lb_model_get_directory (model), lb_model_get_config (model)->vocabulary, &error);
  if (tokenizer == NULL)
    g_error ("%s", error->message);
  if (argc < 2)
    text = make_text (tokenizer);
  else if (!g_file_get_contents (argv[1], &text, NULL, &error))
    g_error ("%s", error->message);

  length = strlen (text);
  yardstick = measure_yardstick (text, length);
  measure (tokenizer, text, length, &encode, &decode);
  benchmark_add_row (rows, "tokenizer_encode", encode, "MB/s", yardstick_name, encode / yardstick, LIMIT);
  benchmark_add_row (rows, "tokenizer_decode", decode, "MB/s", yardstick_name, decode / yardstick, LIMIT);
  benchmark_print (rows);
  return 0;
}
