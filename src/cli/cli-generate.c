/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <math.h>

#include <glib/gi18n.h>
#include <lb-generate.h>
#include <lb-tokenizer.h>

#include "cli-engine.h"

#define DEFAULT_COUNT 40

typedef struct
{
  char *model;
  char *prompt;
  char *temperature;
  int count;
  int top_k;
  LbGenerateOptions generate;
} GenerateOptions;

static void
generate_options_clear (GenerateOptions *options)
{
  g_free (options->model);
  g_free (options->prompt);
  g_free (options->temperature);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (GenerateOptions, generate_options_clear)

typedef struct
{
  CliProgress progress;
  guint count;
} Shown;

static void
progress_cb (const GArray *tokens, guint added, gpointer user_data)
{
  Shown *shown = user_data;

  cli_progress_update (&shown->progress, _ ("Generating"), (double) added / shown->count);
}

static void
print_text (
    Cli *cli, LbTokenizer *tokenizer, const GArray *tokens, guint prompt_length, const LbQuantities *results)
{
  const guint32 *ids = (const guint32 *) (const void *) tokens->data;
  g_autofree char *text = lb_tokenizer_decode (tokenizer, ids, tokens->len);
  g_autofree char *added = lb_tokenizer_decode (tokenizer, ids + prompt_length, tokens->len - prompt_length);
  g_autoptr (JsonBuilder) builder = NULL;

  if (!cli->json)
    {
      g_print ("%s\n", text);
      return;
    }
  builder = json_builder_new ();
  json_builder_begin_object (builder);
  cli_json_text (builder, "text", text);
  cli_json_text (builder, "continuation", added);
  json_builder_set_member_name (builder, "tokens");
  json_builder_begin_array (builder);
  for (guint i = prompt_length; i < tokens->len; i++)
    json_builder_add_int_value (builder, ids[i]);
  json_builder_end_array (builder);
  cli_json_quantities (builder, results);
  json_builder_end_object (builder);
  cli_json_print (builder);
}

static gboolean
run (Cli *cli,
     CliEngines *engines,
     const CliEngineOptions *engine_options,
     GenerateOptions *options,
     LbTokenizer **tokenizer,
     GArray **tokens,
     guint *prompt_length,
     LbQuantities *results,
     GError **error)
{
  g_autoptr (LbForward) forward =
      cli_engines_new_forward (cli, engines, engine_options, options->model, error);
  g_autoptr (GArray) prompt = NULL;
  LbModel *model;
  LbEngineCounts counts = { 0 };
  Shown shown = { .count = (guint) options->count };

  if (forward == NULL)
    return FALSE;
  model = lb_forward_get_model (forward);
  *tokenizer =
      lb_tokenizer_new (lb_model_get_directory (model), lb_model_get_config (model)->vocabulary, error);
  prompt = *tokenizer != NULL ? lb_tokenizer_encode (*tokenizer, options->prompt, -1, error) : NULL;
  if (prompt == NULL)
    return FALSE;
  *prompt_length = prompt->len;
  options->generate.vocabulary = lb_tokenizer_get_size (*tokenizer);
  cli_progress_init (&shown.progress);
  *tokens = lb_generate (forward, (const guint32 *) (const void *) prompt->data, prompt->len,
                         &options->generate, &counts, progress_cb, &shown, cli->cancellable, error);
  cli_progress_done (&shown.progress);
  cli_add_engine (results, engine_options);
  cli_add_counts (results, &counts);
  cli_note_counts (&counts);
  return *tokens != NULL;
}

static int
check_options (Cli *cli, GenerateOptions *options, guint64 seed, int argc, char **argv)
{
  char *end = NULL;

  if (argc > 1)
    return cli_wrong (cli, _ ("\"%s\" is too much; see --help"), argv[1]);
  if (options->prompt == NULL)
    return cli_wrong (cli, _ ("give the beginning of the text: --prompt TEXT"));
  if (!g_utf8_validate (options->prompt, -1, NULL))
    return cli_wrong (cli, _ ("the text is not UTF-8: convert it first, for instance with iconv"));
  if (options->count < 1)
    return cli_wrong (cli, _ ("--count is %d: at least 1 token is needed"), options->count);
  if (options->top_k < 0)
    return cli_wrong (cli, _ ("--top-k is %d: it must not be negative"), options->top_k);
  options->generate =
      (LbGenerateOptions){ .count = (guint) options->count, .top_k = (guint) options->top_k, .seed = seed };
  if (options->temperature == NULL)
    return -1;
  options->generate.temperature = g_ascii_strtod (options->temperature, &end);
  if (end == options->temperature || *end != '\0' || !isfinite (options->generate.temperature) ||
      options->generate.temperature < 0)
    return cli_wrong (cli, _ ("--temperature is \"%s\": give a number from 0 on"), options->temperature);
  return -1;
}

int
cli_generate (Cli *cli, int argc, char **argv)
{
  g_auto (CliEngineOptions) engine_options = { { NULL } };
  g_autofree GOptionEntry *engine_entries = cli_engine_entries (&engine_options, TRUE);
  g_auto (GenerateOptions) options = { .count = DEFAULT_COUNT };
  const GOptionEntry entries[] = {
    { "model", 0, 0, G_OPTION_ARG_FILENAME, &options.model, N_ ("folder or name of the model"), N_ ("DIR") },
    { "prompt", 0, 0, G_OPTION_ARG_STRING, &options.prompt, N_ ("beginning of the text"), N_ ("TEXT") },
    { "count", 0, 0, G_OPTION_ARG_INT, &options.count, N_ ("tokens to add (default 40)"), "N" },
    { "temperature", 0, 0, G_OPTION_ARG_STRING, &options.temperature,
      N_ ("of the draw of a token; 0 (the default): always the likeliest"), "T" },
    { "top-k", 0, 0, G_OPTION_ARG_INT, &options.top_k,
      N_ ("draw from that many of the likeliest tokens (default: all)"), "K" },
    { NULL },
  };
  g_autoptr (LbTokenizer) tokenizer = NULL;
  g_autoptr (GArray) tokens = NULL;
  g_autoptr (LbQuantities) results = lb_quantities_new ();
  CliEngines engines = { { NULL } };
  guint prompt_length = 0;
  GError *error = NULL;
  gboolean done;
  int exit_code =
      cli_parse (cli, &argc, &argv, NULL, _ ("Continues a text with a model."), engine_entries, entries);

  if (exit_code >= 0 || (exit_code = cli_engine_options_check (cli, &engine_options)) >= 0 ||
      (exit_code = check_options (cli, &options, (guint64) engine_options.bench.seed, argc, argv)) >= 0)
    return exit_code;
  done = cli_engines_open (cli, &engines, &engine_options, "generate", &error) &&
         run (cli, &engines, &engine_options, &options, &tokenizer, &tokens, &prompt_length, results, &error);
  done = cli_engines_close (cli, &engines, done, results, &error);
  if (done)
    print_text (cli, tokenizer, tokens, prompt_length, results);
  return done ? CLI_SUCCESS : cli_fail (cli, error);
}
