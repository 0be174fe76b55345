/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <math.h>
#include <string.h>

#include <glib/gi18n.h>

#include "cli.h"

#define DEFAULT_PHOTONS 2000
#define DEFAULT_TOKENS 32
/* A whole model takes many exposures. */
#define DEFAULT_MODEL_TOKENS 16
/* Where --tokens was not given. */
#define NO_TOKENS G_MININT
#define KINDS "attention, dot-product, layer, model"
#define DEFAULT_COUNT 1000
#define DEFAULT_LENGTHS "64,256,1024"

typedef struct
{
  char *model;
  char *text;
  char *text_file;
  char *lengths;
  char *op;
  int layer, head, tokens, count;
  char *photons;
  double photons_per_mac;
  gboolean calibrate;
  int every;
  char *limit;
  char *on_sentinel;
  LbSentinelSettings sentinels;
} RunOptions;

static void
run_options_clear (RunOptions *options)
{
  g_free (options->model);
  g_free (options->text);
  g_free (options->text_file);
  g_free (options->lengths);
  g_free (options->op);
  g_free (options->photons);
  g_free (options->limit);
  g_free (options->on_sentinel);
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
          cli, _ ("--length is \"%s\": give whole numbers of 1 to 1048576, as in 64,256,1024"), text);
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

/* Reads --text-file into @text; the exit code of what is wrong, or -1. */
static int
read_text (Cli *cli, RunOptions *options)
{
  GError *error = NULL;

  if (options->layer < 0 || options->head < 0 || (options->tokens < 0 && options->tokens != NO_TOKENS))
    return cli_wrong (cli, _ ("--layer, --head and --tokens must not be negative"));
  if (options->text != NULL && options->text_file != NULL)
    return cli_wrong (cli, _ ("give --text or --text-file, not both"));
  if (options->text_file != NULL && !g_file_get_contents (options->text_file, &options->text, NULL, &error))
    return cli_fail (cli, error);
  if (options->text != NULL && !g_utf8_validate (options->text, -1, NULL))
    return cli_wrong (cli, _ ("the text is not UTF-8: convert it first, for instance with iconv"));
  return -1;
}

static LbExperiment *
make_with_text (const RunOptions *options, const char *kind, LbTransformerOp op, GError **error)
{
  guint tokens = options->tokens != NO_TOKENS ? options->tokens : DEFAULT_TOKENS;

  if (g_str_equal (kind, "attention"))
    return lb_attention_experiment_new (options->model, options->text, options->layer, options->head, tokens,
                                        options->photons_per_mac, error);
  if (g_str_equal (kind, "layer"))
    return lb_layer_experiment_new (options->model, options->text, options->layer, options->head, op, tokens,
                                    options->photons_per_mac, error);
  return lb_model_experiment_new (options->model, options->text,
                                  options->tokens != NO_TOKENS ? tokens : DEFAULT_MODEL_TOKENS,
                                  options->photons_per_mac, error);
}

/* An experiment in which a model reads a text. */
static LbExperiment *
new_with_text (Cli *cli, const char *kind, RunOptions *options, int *exit_code)
{
  LbTransformerOp op = LB_OP_QK;
  LbExperiment *experiment;
  GError *error = NULL;

  if (options->op != NULL && !lb_transformer_op_from_name (options->op, &op))
    {
      *exit_code =
          cli_wrong (cli, _ ("--op is \"%s\": it can be wq, wk, wv, qk, av, wo, w1 or w2"), options->op);
      return NULL;
    }
  *exit_code = read_text (cli, options);
  if (*exit_code >= 0)
    return NULL;
  experiment = make_with_text (options, kind, op, &error);
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
add_prediction_json (JsonBuilder *builder, const LbPrediction *prediction)
{
  json_builder_begin_object (builder);
  cli_json_text (builder, "token", prediction->token);
  if (prediction->next != NULL)
    {
      cli_json_text (builder, "next", prediction->next);
      cli_json_number (builder, "loss_ideal", prediction->ideal_loss);
      cli_json_number (builder, "loss", prediction->measured_loss);
    }
  cli_json_text (builder, "prediction_ideal", prediction->ideal);
  cli_json_number (builder, "probability_ideal", prediction->ideal_probability);
  cli_json_text (builder, "prediction", prediction->measured);
  cli_json_number (builder, "probability", prediction->measured_probability);
  json_builder_end_object (builder);
}

static void
add_predictions_json (JsonBuilder *builder, LbExperiment *experiment)
{
  const GPtrArray *predictions = lb_model_experiment_get_predictions (experiment);

  if (predictions == NULL)
    return;
  json_builder_set_member_name (builder, "predictions");
  json_builder_begin_array (builder);
  for (guint i = 0; i < predictions->len; i++)
    add_prediction_json (builder, g_ptr_array_index (predictions, i));
  json_builder_end_array (builder);
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
      if (group->name != NULL)
        cli_json_text (builder, "name", group->name);
      cli_json_number (builder, "length", group->length);
      json_builder_set_member_name (builder, "signed");
      json_builder_add_boolean_value (builder, group->is_signed);
      add_figures_json (builder, group);
      json_builder_end_object (builder);
    }
  json_builder_end_array (builder);
  add_predictions_json (builder, experiment);
  cli_json_text (builder, "session", lb_session_get_path (place->session));
  json_builder_end_object (builder);
  cli_json_print (builder);
}

static void
print_group (const LbExperimentGroup *group)
{
  g_autofree char *error = cli_format_number (group->figures.normalised_error);
  g_autofree char *slope = cli_format_number (group->figures.slope);

  if (group->name != NULL)
    g_print ("group: %s, ", group->name);
  else
    g_print ("group: length %u, %s, ", group->length, group->is_signed ? "signed" : "non-negative");
  g_print ("normalised_error %s, ", error);
  if (group->uncalibrated.count > 0)
    {
      g_autofree char *before = cli_format_number (group->uncalibrated.normalised_error);

      g_print ("normalised_error_uncalibrated %s, ", before);
    }
  g_print ("slope %s\n", slope);
}

static void
print_predictions (LbExperiment *experiment)
{
  const GPtrArray *predictions = lb_model_experiment_get_predictions (experiment);

  for (guint i = 0; predictions != NULL && i < predictions->len; i++)
    {
      const LbPrediction *prediction = g_ptr_array_index (predictions, i);
      g_autofree char *ideal = cli_format_number (prediction->ideal_probability);
      g_autofree char *measured = cli_format_number (prediction->measured_probability);

      g_print ("prediction: after %s, ideal %s %s, measured %s %s\n", prediction->token, prediction->ideal,
               ideal, prediction->measured, measured);
    }
}

static void
print_plain (const CliPlace *place, LbExperiment *experiment)
{
  const GArray *groups = lb_experiment_get_groups (experiment);

  cli_print_quantities (lb_experiment_get_results (experiment), "");
  for (guint i = 0; groups->len > 1 && i < groups->len; i++)
    print_group (&g_array_index (groups, LbExperimentGroup, i));
  print_predictions (experiment);
  g_print ("session: %s\n", lb_session_get_path (place->session));
}

/* On standard error, before the run. */
static gboolean
print_forecast (const CliPlace *place,
                LbExperiment *experiment,
                const LbSentinelSettings *sentinels,
                GError **error)
{
  const LbExperimentPlace where = { place->bench, place->calibrations, place->session, TRUE, *sentinels };
  g_autofree char *text = NULL;
  guint64 exposures;
  double seconds;

  if (!lb_experiment_forecast (experiment, &where, &exposures, &seconds, error))
    return FALSE;
  text = g_strdup_printf ("%" G_GUINT64_FORMAT, exposures);
  g_printerr (_ ("forecast: %s exposures, %.0f s of bench time\n"), text, seconds);
  return TRUE;
}

static int
run_experiment (Cli *cli,
                const CliBenchOptions *bench_options,
                LbExperiment *experiment,
                const RunOptions *options)
{
  CliPlace place = { NULL };
  GError *error = NULL;
  gboolean done;

  done = cli_place_open (cli, &place, bench_options, &error);
  if (done && options->calibrate)
    {
      const char *const due[] = { "due", NULL };

      done = cli_run_calibration (cli, &place, due, NULL, &error);
    }
  done = done && print_forecast (&place, experiment, &options->sentinels, &error) &&
         cli_run_experiment (cli, &place, experiment, &options->sentinels, &error);
  if (error != NULL && g_error_matches (error, LB_EXPERIMENT_ERROR, LB_EXPERIMENT_ERROR_NOT_CALIBRATED))
    {
      g_autofree char *why = g_strdup (error->message);

      g_clear_error (&error);
      g_set_error (&error, LB_EXPERIMENT_ERROR, LB_EXPERIMENT_ERROR_NOT_CALIBRATED,
                   _ ("%s (lightbench-cli calibrate, or --calibrate)"), why);
    }
  if (lb_experiment_get_results (experiment) != NULL &&
      lb_quantities_get (lb_experiment_get_results (experiment), "in_doubt", 0) > 0)
    g_printerr (_ ("%.0f dot products are in doubt: a sentinel before or after them was off; they are marked "
                   "in the session\n"),
                lb_quantities_get (lb_experiment_get_results (experiment), "in_doubt", 0));
  if (done)
    (cli->json ? print_json : print_plain) (&place, experiment);
  else if (place.session != NULL && lb_experiment_get_run (experiment) != 0)
    g_printerr (_ ("%.0f dot products that were measured so far are kept in %s\n"),
                lb_quantities_get (lb_experiment_get_results (experiment), "dot_products", 0),
                lb_session_get_path (place.session));
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

/* The exit code of what is wrong, or -1. */
static int
parse_sentinels (Cli *cli, RunOptions *options)
{
  static const struct
  {
    const char *name;
    LbSentinelAction action;
  } actions[] = { { "continue", LB_SENTINELS_CONTINUE },
                  { "hold", LB_SENTINELS_END },
                  { "recalibrate", LB_SENTINELS_RECALIBRATE } };
  const char *wanted = options->on_sentinel != NULL ? options->on_sentinel : "continue";
  char *end = NULL;
  guint i = 0;

  if (options->every < 0)
    return cli_wrong (cli, _ ("--sentinels is %d: give the exposures between two, or 0 for none"),
                      options->every);
  options->sentinels.every = (guint) options->every;
  if (options->limit != NULL)
    {
      options->sentinels.limit = g_ascii_strtod (options->limit, &end) / 100;
      if (end == options->limit || *end != '\0' || !(options->sentinels.limit > 0) ||
          !isfinite (options->sentinels.limit))
        return cli_wrong (cli, _ ("--sentinel-limit is \"%s\": give per cent, above 0"), options->limit);
    }
  while (i < G_N_ELEMENTS (actions) && !g_str_equal (wanted, actions[i].name))
    i++;
  if (i == G_N_ELEMENTS (actions))
    return cli_wrong (cli, _ ("--on-sentinel is \"%s\": it can be hold, recalibrate or continue"), wanted);
  options->sentinels.action = actions[i].action;
  return -1;
}

int
cli_run (Cli *cli, int argc, char **argv)
{
  g_auto (CliBenchOptions) bench_options = { NULL };
  g_autofree GOptionEntry *bench_entries = cli_bench_entries (&bench_options);
  g_auto (RunOptions) options = { .tokens = NO_TOKENS, .count = DEFAULT_COUNT, .every = LB_SENTINELS_EVERY };
  const GOptionEntry entries[] = {
    { "model", 0, 0, G_OPTION_ARG_FILENAME, &options.model, N_ ("folder or name of the model"), N_ ("DIR") },
    { "text", 0, 0, G_OPTION_ARG_STRING, &options.text, N_ ("what the model reads"), N_ ("TEXT") },
    { "text-file", 0, 0, G_OPTION_ARG_FILENAME, &options.text_file, N_ ("the same, from a file"),
      N_ ("FILE") },
    { "layer", 0, 0, G_OPTION_ARG_INT, &options.layer, N_ ("from 0"), "N" },
    { "head", 0, 0, G_OPTION_ARG_INT, &options.head, N_ ("from 0"), "N" },
    { "op", 0, 0, G_OPTION_ARG_STRING, &options.op,
      N_ ("of a layer: wq, wk, wv, qk (the default), av, wo, w1, w2"), "NAME" },
    { "tokens", 0, 0, G_OPTION_ARG_INT, &options.tokens,
      N_ ("first tokens of the text (default 32, of a whole model 16; 0: all)"), "N" },
    { "count", 0, 0, G_OPTION_ARG_INT, &options.count,
      N_ ("dot products of each length and sign (default 1000)"), "N" },
    { "length", 0, 0, G_OPTION_ARG_STRING, &options.lengths, N_ ("vector lengths (default 64,256,1024)"),
      "D,D,…" },
    { "photons", 0, 0, G_OPTION_ARG_STRING, &options.photons, N_ ("photons per MAC (default 2000)"), "P" },
    { "sentinels", 0, 0, G_OPTION_ARG_INT, &options.every,
      N_ ("exposures between two known products (default 200; 0: none)"), "N" },
    { "sentinel-limit", 0, 0, G_OPTION_ARG_STRING, &options.limit,
      N_ ("largest error of a known product (default 3 %)"), "%" },
    { "on-sentinel", 0, 0, G_OPTION_ARG_STRING, &options.on_sentinel,
      N_ ("when one is off: continue (the default) and mark the results, recalibrate, or hold: end the run"),
      "hold|recalibrate|continue" },
    { "calibrate", 0, 0, G_OPTION_ARG_NONE, &options.calibrate, N_ ("calibrate first what is due"), NULL },
    { NULL },
  };
  g_autoptr (LbExperiment) experiment = NULL;
  int exit_code = cli_parse (cli, &argc, &argv, "dot-product|layer|attention|model",
                             _ ("Runs an experiment on the bench."), bench_entries, entries);

  if (exit_code >= 0)
    return exit_code;
  if (argc != 2)
    return cli_wrong (cli, _ ("name one experiment: %s"), KINDS);
  if (!parse_photons (&options))
    return cli_wrong (cli, _ ("--photons is \"%s\": give a number above 0"), options.photons);
  exit_code = parse_sentinels (cli, &options);
  if (exit_code >= 0)
    return exit_code;
  if (g_str_equal (argv[1], "dot-product"))
    experiment = new_dot_product (cli, &options, bench_options.seed, &exit_code);
  else if (g_str_equal (argv[1], "attention") || g_str_equal (argv[1], "layer") ||
           g_str_equal (argv[1], "model"))
    experiment = new_with_text (cli, argv[1], &options, &exit_code);
  else
    return cli_wrong (cli, _ ("there is no experiment \"%s\": it can be %s"), argv[1], KINDS);
  return experiment == NULL ? exit_code : run_experiment (cli, &bench_options, experiment, &options);
}
