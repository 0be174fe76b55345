/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <math.h>
#include <string.h>

#include <glib/gi18n.h>

#include "cli.h"

#define DEFAULT_PHOTONS 2000
#define DEFAULT_TOKENS 32
#define DEFAULT_COUNT 1000
#define DEFAULT_LENGTHS "64,256,1024"

typedef struct
{
  char *model;
  char *text;
  char *text_file;
  char *lengths;
  int layer, head, tokens, count;
  char *photons;
  double photons_per_mac;
  gboolean calibrate;
} RunOptions;

static void
run_options_clear (RunOptions *options)
{
  g_free (options->model);
  g_free (options->text);
  g_free (options->text_file);
  g_free (options->lengths);
  g_free (options->photons);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (RunOptions, run_options_clear)

/* Comma-separated whole numbers, each at least 1. */
static GArray *
parse_lengths (const char *text)
{
  g_autoptr (GArray) lengths = g_array_new (FALSE, FALSE, sizeof (guint));
  g_auto (GStrv) pieces = g_strsplit (text, ",", -1);

  for (guint i = 0; pieces[i] != NULL; i++)
    {
      guint64 value;
      guint length;

      if (!g_ascii_string_to_unsigned (pieces[i], 10, 1, 1 << 20, &value, NULL))
        return NULL;
      length = value;
      g_array_append_val (lengths, length);
    }
  return lengths->len > 0 ? g_steal_pointer (&lengths) : NULL;
}

/* @exit_code is set if the arguments are wrong. */
static LbExperiment *
new_dot_product (Cli *cli, const RunOptions *options, guint64 seed, int *exit_code)
{
  const char *text = options->lengths != NULL ? options->lengths : DEFAULT_LENGTHS;
  g_autoptr (GArray) lengths = parse_lengths (text);

  if (lengths == NULL)
    {
      *exit_code = cli_wrong (
          cli, _ ("--length is \"%s\": give whole numbers of at least 1, as in 64,256,1024"), text);
      return NULL;
    }
  if (options->count < 2)
    {
      *exit_code = cli_wrong (cli, _ ("--count is %d: at least 2 are needed"), options->count);
      return NULL;
    }
  return lb_dot_product_experiment_new ((const guint *) (const void *) lengths->data, lengths->len,
                                        options->count, options->photons_per_mac, seed);
}

static LbExperiment *
new_attention (Cli *cli, RunOptions *options, int *exit_code)
{
  LbExperiment *experiment;
  GError *error = NULL;

  if (options->layer < 0 || options->head < 0 || options->tokens < 0)
    {
      *exit_code = cli_wrong (cli, _ ("--layer, --head and --tokens must not be negative"));
      return NULL;
    }
  if (options->text_file != NULL && !g_file_get_contents (options->text_file, &options->text, NULL, &error))
    {
      *exit_code = cli_fail (cli, error);
      return NULL;
    }
  if (options->text != NULL && !g_utf8_validate (options->text, -1, NULL))
    {
      *exit_code = cli_wrong (cli, _ ("the text is not UTF-8: convert it first, for instance with iconv"));
      return NULL;
    }
  experiment = lb_attention_experiment_new (options->model, options->text, options->layer, options->head,
                                            options->tokens, options->photons_per_mac, &error);
  if (experiment == NULL)
    *exit_code = cli_fail (cli, error);
  return experiment;
}

static void
add_figures_json (JsonBuilder *builder, const LbExperimentGroup *group)
{
  const LbFiguresOfMerit *figures = &group->figures;

  cli_json_number (builder, "normalised_error", figures->normalised_error);
  if (group->uncalibrated.count > 0)
    cli_json_number (builder, "normalised_error_uncalibrated", group->uncalibrated.normalised_error);
  cli_json_number (builder, "bias", figures->bias);
  cli_json_number (builder, "slope", figures->slope);
  cli_json_number (builder, "slope_low", figures->slope_low);
  cli_json_number (builder, "slope_high", figures->slope_high);
  cli_json_number (builder, "relative_error", figures->relative_error);
  cli_json_number (builder, "correlation", figures->correlation);
  cli_json_number (builder, "effective_bits", figures->effective_bits);
  cli_json_number (builder, "dot_products", figures->count);
}

/* The quantities "share_CAUSE" as an object of their own. */
static void
add_shares_json (JsonBuilder *builder, const LbQuantities *results)
{
  json_builder_set_member_name (builder, "shares");
  json_builder_begin_object (builder);
  for (guint i = 0; i < lb_quantities_get_length (results); i++)
    {
      const LbQuantity *quantity = lb_quantities_get_nth (results, i);

      if (g_str_has_prefix (quantity->name, "share_") && quantity->text == NULL)
        cli_json_number (builder, quantity->name + strlen ("share_"), quantity->value);
    }
  json_builder_end_object (builder);
}

static void
print_json (const CliPlace *place, LbExperiment *experiment)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  const GArray *groups = lb_experiment_get_groups (experiment);

  json_builder_begin_object (builder);
  cli_json_text (builder, "kind", lb_experiment_get_kind (experiment));
  cli_json_quantities (builder, lb_experiment_get_results (experiment));
  add_shares_json (builder, lb_experiment_get_results (experiment));
  json_builder_set_member_name (builder, "groups");
  json_builder_begin_array (builder);
  for (guint i = 0; i < groups->len; i++)
    {
      const LbExperimentGroup *group = &g_array_index (groups, LbExperimentGroup, i);

      json_builder_begin_object (builder);
      cli_json_number (builder, "length", group->length);
      json_builder_set_member_name (builder, "signed");
      json_builder_add_boolean_value (builder, group->is_signed);
      add_figures_json (builder, group);
      json_builder_end_object (builder);
    }
  json_builder_end_array (builder);
  cli_json_text (builder, "session", lb_session_get_path (place->session));
  json_builder_end_object (builder);
  cli_json_print (builder);
}

static void
print_plain (const CliPlace *place, LbExperiment *experiment)
{
  const GArray *groups = lb_experiment_get_groups (experiment);

  cli_print_quantities (lb_experiment_get_results (experiment), "");
  for (guint i = 0; groups->len > 1 && i < groups->len; i++)
    {
      const LbExperimentGroup *group = &g_array_index (groups, LbExperimentGroup, i);
      g_autofree char *error = cli_format_number (group->figures.normalised_error);
      g_autofree char *before = cli_format_number (group->uncalibrated.normalised_error);
      g_autofree char *slope = cli_format_number (group->figures.slope);

      g_print ("group: length %u, %s, normalised_error %s, normalised_error_uncalibrated %s, slope %s\n",
               group->length, group->is_signed ? "signed" : "non-negative", error, before, slope);
    }
  g_print ("session: %s\n", lb_session_get_path (place->session));
}

static int
run_experiment (Cli *cli, const CliBenchOptions *bench_options, LbExperiment *experiment, gboolean calibrate)
{
  CliPlace place = { NULL };
  GError *error = NULL;
  gboolean done;

  done = cli_place_open (cli, &place, bench_options, &error);
  if (done && calibrate)
    {
      const char *const due[] = { "due", NULL };

      done = cli_run_calibration (cli, &place, due, NULL, &error);
    }
  done = done && cli_run_experiment (cli, &place, experiment, &error);
  if (error != NULL && g_error_matches (error, LB_EXPERIMENT_ERROR, LB_EXPERIMENT_ERROR_NOT_CALIBRATED))
    {
      g_autofree char *why = g_strdup (error->message);

      g_clear_error (&error);
      g_set_error (&error, LB_EXPERIMENT_ERROR, LB_EXPERIMENT_ERROR_NOT_CALIBRATED,
                   _ ("%s (lightbench-cli calibrate, or --calibrate)"), why);
    }
  if (done)
    (cli->json ? print_json : print_plain) (&place, experiment);
  else if (place.session != NULL && lb_experiment_get_run (experiment) != 0)
    g_printerr (_ ("what was measured so far is kept in %s\n"), lb_session_get_path (place.session));
  done = cli_place_close (cli, &place, &error) && done;
  return done ? CLI_SUCCESS : cli_fail (cli, error);
}

static gboolean
parse_photons (RunOptions *options)
{
  char *end = NULL;

  options->photons_per_mac = DEFAULT_PHOTONS;
  if (options->photons == NULL)
    return TRUE;
  options->photons_per_mac = g_ascii_strtod (options->photons, &end);
  return end != options->photons && *end == '\0' && isfinite (options->photons_per_mac) &&
         options->photons_per_mac > 0;
}

int
cli_run (Cli *cli, int argc, char **argv)
{
  g_auto (CliBenchOptions) bench_options = { NULL };
  g_autofree GOptionEntry *bench_entries = cli_bench_entries (&bench_options);
  g_auto (RunOptions) options = { .tokens = DEFAULT_TOKENS, .count = DEFAULT_COUNT };
  const GOptionEntry entries[] = {
    { "model", 0, 0, G_OPTION_ARG_FILENAME, &options.model, N_ ("folder or name of the model"), N_ ("DIR") },
    { "text", 0, 0, G_OPTION_ARG_STRING, &options.text, N_ ("what the model reads"), N_ ("TEXT") },
    { "text-file", 0, 0, G_OPTION_ARG_FILENAME, &options.text_file, N_ ("the same, from a file"),
      N_ ("FILE") },
    { "layer", 0, 0, G_OPTION_ARG_INT, &options.layer, N_ ("from 0"), "N" },
    { "head", 0, 0, G_OPTION_ARG_INT, &options.head, N_ ("from 0"), "N" },
    { "tokens", 0, 0, G_OPTION_ARG_INT, &options.tokens, N_ ("first tokens of the text (default 32; 0: all)"),
      "N" },
    { "count", 0, 0, G_OPTION_ARG_INT, &options.count,
      N_ ("dot products of each length and sign (default 1000)"), "N" },
    { "length", 0, 0, G_OPTION_ARG_STRING, &options.lengths, N_ ("vector lengths (default 64,256,1024)"),
      "D,D,…" },
    { "photons", 0, 0, G_OPTION_ARG_STRING, &options.photons, N_ ("photons per MAC (default 2000)"), "P" },
    { "calibrate", 0, 0, G_OPTION_ARG_NONE, &options.calibrate, N_ ("calibrate first what is due"), NULL },
    { NULL },
  };
  g_autoptr (LbExperiment) experiment = NULL;
  int exit_code = cli_parse (cli, &argc, &argv, "attention|dot-product",
                             _ ("Runs an experiment on the bench."), bench_entries, entries);

  if (exit_code >= 0)
    return exit_code;
  if (argc != 2)
    return cli_wrong (cli, _ ("name one experiment: attention or dot-product"));
  if (!parse_photons (&options))
    return cli_wrong (cli, _ ("--photons is \"%s\": give a number above 0"), options.photons);
  if (g_str_equal (argv[1], "attention"))
    experiment = new_attention (cli, &options, &exit_code);
  else if (g_str_equal (argv[1], "dot-product"))
    experiment = new_dot_product (cli, &options, bench_options.seed, &exit_code);
  else
    return cli_wrong (cli, _ ("there is no experiment \"%s\": it can be attention or dot-product"), argv[1]);
  return experiment == NULL ? exit_code : run_experiment (cli, &bench_options, experiment, options.calibrate);
}
