/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <math.h>

#include <glib/gi18n.h>
#include <lb-perplexity.h>

#include "cli-engine.h"

typedef struct
{
  char *model;
  char *text_file;
  char *csv;
  gint64 limit;
} PerplexityOptions;

static void
perplexity_options_clear (PerplexityOptions *options)
{
  g_free (options->model);
  g_free (options->text_file);
  g_free (options->csv);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (PerplexityOptions, perplexity_options_clear)

static void
progress_cb (const LbPerplexity *so_far, guint64 windows, gpointer user_data)
{
  cli_progress_update (user_data, _ ("Perplexity"), (double) so_far->windows->len / (double) windows);
}

static LbQuantities *
make_results (const LbPerplexity *found, const CliEngineOptions *options)
{
  LbQuantities *results = lb_quantities_new ();

  lb_quantities_set (results, "perplexity", found->perplexity, "");
  lb_quantities_set (results, "loss", found->loss, "nats");
  if (isfinite (found->loss_error))
    lb_quantities_set (results, "loss_error", found->loss_error, "nats");
  lb_quantities_set (results, "tokens", (double) found->tokens, "");
  lb_quantities_set (results, "windows", found->windows->len, "");
  cli_add_engine (results, options);
  cli_add_counts (results, &found->counts);
  cli_note_counts (&found->counts);
  return results;
}

/* Everything that is found, also of a run that was broken off. */
static gboolean
run (Cli *cli,
     CliEngines *engines,
     const CliEngineOptions *engine_options,
     const PerplexityOptions *options,
     LbPerplexity *found,
     GError **error)
{
  g_autoptr (LbForward) forward =
      cli_engines_new_forward (cli, engines, engine_options, options->model, error);
  g_autoptr (GArray) tokens = NULL;
  g_auto (CliProgress) progress = { NULL };
  gboolean done;

  if (forward == NULL)
    return FALSE;
  tokens = cli_read_tokens (lb_forward_get_model (forward), options->text_file, NULL, error);
  if (tokens == NULL)
    return FALSE;
  if (options->limit > 0 && (gint64) tokens->len > options->limit)
    g_array_set_size (tokens, (guint) options->limit);
  cli_progress_init (&progress);
  done = lb_perplexity_run (forward, (const guint32 *) (const void *) tokens->data, tokens->len, found,
                            progress_cb, &progress, cli->cancellable, error);
  if (options->csv != NULL && found->windows->len > 0 &&
      !lb_perplexity_write_csv (found, options->csv, *error == NULL ? error : NULL))
    done = FALSE;
  return done;
}

static int
check_options (Cli *cli, const PerplexityOptions *options, int argc, char **argv)
{
  if (argc > 1)
    return cli_wrong (cli, _ ("\"%s\" is too much; see --help"), argv[1]);
  if (options->text_file == NULL)
    return cli_wrong (cli, _ ("give the text: --text-file FILE"));
  if (options->limit < 0 || options->limit == 1)
    return cli_wrong (cli, _ ("--limit must be at least 2 tokens"));
  return options->csv != NULL ? cli_check_output (cli, options->csv) : -1;
}

static void
print_so_far (const LbPerplexity *found)
{
  g_autofree char *perplexity = cli_format_number (found->perplexity);

  g_printerr (_ ("broken off after %u windows, with a perplexity of %s\n"), found->windows->len, perplexity);
}

int
cli_perplexity (Cli *cli, int argc, char **argv)
{
  g_auto (CliEngineOptions) engine_options = { { NULL } };
  g_autofree GOptionEntry *engine_entries = cli_engine_entries (&engine_options, TRUE);
  g_auto (PerplexityOptions) options = { NULL };
  const GOptionEntry entries[] = {
    { "model", 0, 0, G_OPTION_ARG_FILENAME, &options.model, N_ ("folder or name of the model"), N_ ("DIR") },
    { "text-file", 0, 0, G_OPTION_ARG_FILENAME, &options.text_file, N_ ("what is predicted"), N_ ("FILE") },
    { "limit", 0, 0, G_OPTION_ARG_INT64, &options.limit, N_ ("first tokens of the text (default: all)"),
      N_ ("TOKENS") },
    { "csv", 0, 0, G_OPTION_ARG_FILENAME, &options.csv, N_ ("losses of the windows"), N_ ("FILE") },
    { NULL },
  };
  g_auto (LbPerplexity) found = { .windows = NULL };
  g_autoptr (LbQuantities) results = NULL;
  CliEngines engines = { { NULL } };
  GError *error = NULL;
  gboolean done;
  int exit_code = cli_parse (cli, &argc, &argv, NULL,
                             _ ("How well a model predicts a text, in windows of its context length."),
                             engine_entries, entries);

  if (exit_code >= 0 || (exit_code = check_options (cli, &options, argc, argv)) >= 0 ||
      (exit_code = cli_engine_options_check (cli, &engine_options)) >= 0)
    return exit_code;
  done = cli_engines_open (cli, &engines, &engine_options, "perplexity", &error) &&
         run (cli, &engines, &engine_options, &options, &found, &error);
  if (found.windows != NULL && found.windows->len > 0)
    results = make_results (&found, &engine_options);
  done = cli_engines_close (cli, &engines, done, results, &error);
  if (done)
    cli_print_results (cli, results);
  else if (results != NULL)
    print_so_far (&found);
  return done ? CLI_SUCCESS : cli_fail (cli, error);
}
