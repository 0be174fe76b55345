/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <glib/gi18n.h>
#include <lb-npy.h>

#include "cli-engine.h"

typedef struct
{
  char *model;
  char *tokens;
  char *output;
} LogitsOptions;

static void
logits_options_clear (LogitsOptions *options)
{
  g_free (options->model);
  g_free (options->tokens);
  g_free (options->output);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (LogitsOptions, logits_options_clear)

/* Comma-separated ids; NULL if they are not. */
static GArray *
parse_tokens (const char *text)
{
  g_autoptr (GArray) tokens = g_array_new (FALSE, FALSE, sizeof (guint32));
  g_auto (GStrv) pieces = g_strsplit (text, ",", -1);

  for (guint i = 0; pieces[i] != NULL; i++)
    {
      guint64 value;
      guint32 token;

      if (!g_ascii_string_to_unsigned (g_strstrip (pieces[i]), 10, 0, G_MAXUINT32, &value, NULL))
        return NULL;
      token = (guint32) value;
      g_array_append_val (tokens, token);
    }
  return tokens->len > 0 ? g_steal_pointer (&tokens) : NULL;
}

static gboolean
run (Cli *cli,
     CliEngines *engines,
     const CliEngineOptions *engine_options,
     const LogitsOptions *options,
     const GArray *tokens,
     LbQuantities *results,
     GError **error)
{
  g_autoptr (LbForward) forward =
      cli_engines_new_forward (cli, engines, engine_options, options->model, error);
  g_autoptr (LbMatrix) logits = NULL;
  LbEngineCounts counts = { 0 };

  if (forward == NULL)
    return FALSE;
  logits = lb_forward_run (forward, (const guint32 *) (const void *) tokens->data, tokens->len, 0, &counts,
                           cli->cancellable, error);
  if (logits == NULL || !lb_npy_write_matrix (options->output, logits, error))
    return FALSE;
  lb_quantities_set (results, "tokens", tokens->len, "");
  lb_quantities_set (results, "vocabulary", (double) logits->columns, "");
  cli_add_engine (results, engine_options);
  cli_add_counts (results, &counts);
  cli_note_counts (&counts);
  return TRUE;
}

int
cli_logits (Cli *cli, int argc, char **argv)
{
  g_auto (CliEngineOptions) engine_options = { { NULL } };
  g_autofree GOptionEntry *engine_entries = cli_engine_entries (&engine_options, TRUE);
  g_auto (LogitsOptions) options = { NULL };
  const GOptionEntry entries[] = {
    { "model", 0, 0, G_OPTION_ARG_FILENAME, &options.model, N_ ("folder or name of the model"), N_ ("DIR") },
    { "tokens", 0, 0, G_OPTION_ARG_STRING, &options.tokens, N_ ("ids of what the model reads"), "N,N,…" },
    { "output", 'o', 0, G_OPTION_ARG_FILENAME, &options.output, N_ ("logits, (tokens, vocabulary)"),
      "OUT.npy" },
    { NULL },
  };
  g_autoptr (GArray) tokens = NULL;
  g_autoptr (LbQuantities) results = lb_quantities_new ();
  CliEngines engines = { { NULL } };
  GError *error = NULL;
  gboolean done;
  int exit_code =
      cli_parse (cli, &argc, &argv, NULL, _ ("Logits of one window of tokens."), engine_entries, entries);

  if (exit_code >= 0)
    return exit_code;
  if (argc > 1)
    return cli_wrong (cli, _ ("\"%s\" is too much; see --help"), argv[1]);
  if (options.tokens == NULL || options.output == NULL)
    return cli_wrong (cli, _ ("give --tokens and -o OUT.npy; see --help"));
  tokens = parse_tokens (options.tokens);
  if (tokens == NULL)
    return cli_wrong (cli, _ ("--tokens is \"%s\": give ids of tokens, as in 1,2,3"), options.tokens);
  if ((exit_code = cli_check_output (cli, options.output)) >= 0 ||
      (exit_code = cli_engine_options_check (cli, &engine_options)) >= 0)
    return exit_code;
  done = cli_engines_open (cli, &engines, &engine_options, "logits", &error) &&
         run (cli, &engines, &engine_options, &options, tokens, results, &error);
  done = cli_engines_close (cli, &engines, done, results, &error);
  if (done)
    cli_print_results (cli, results);
  return done ? CLI_SUCCESS : cli_fail (cli, error);
}
