/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <math.h>

#include <glib/gi18n.h>
#include <lb-gemm.h>

#include "cli-engine.h"

#define DEFAULT_PHOTONS 2000
#define MAX_THREADS 1024
#define MIN_BITS 1
#define MAX_BITS 16
#define BITS_NOT_GIVEN (-1)
/* Far beyond what any light gives; counts of more are none that a float holds. */
#define MAX_PHOTONS 1e12
#define ENGINES "digital, int8, noise, bench"

static const char *const engine_names[CLI_N_ENGINES] = { "digital", "int8", "noise", "bench" };

static guint
count_entries (const GOptionEntry *entries)
{
  guint count = 0;

  while (entries[count].long_name != NULL)
    count++;
  return count;
}

/* Appends the entries that @more ends with an empty one. */
static GOptionEntry *
append_entries (GOptionEntry *entries, const GOptionEntry *more)
{
  guint before = count_entries (entries), count = count_entries (more);

  entries = g_renew (GOptionEntry, entries, before + count + 1);
  memcpy (entries + before, more, (count + 1) * sizeof *more);
  return entries;
}

GOptionEntry *
cli_engine_entries (CliEngineOptions *options, gboolean whole_model)
{
  const GOptionEntry entries[] = {
    { "engine", 0, 0, G_OPTION_ARG_STRING, &options->engine, N_ ("what multiplies (default digital)"),
      "digital|int8|noise|bench" },
    { "photons", 0, 0, G_OPTION_ARG_STRING, &options->photons,
      N_ ("photons per MAC, of noise and bench (default 2000); of noise also inf (no shot noise) and 0 (no "
          "noise)"),
      "P" },
    { "mode", 0, 0, G_OPTION_ARG_STRING, &options->mode,
      N_ ("of noise: each count drawn (the default), or mean and variance of their sum"), "exact|moment" },
    { "slm-lut", 0, 0, G_OPTION_ARG_FILENAME, &options->slm_lut, N_ ("look-up table of the SLM, of noise"),
      N_ ("FILE") },
    { "source-lut", 0, 0, G_OPTION_ARG_FILENAME, &options->source_lut,
      N_ ("look-up table of the source plane, of noise"), N_ ("FILE") },
    { "bits", 0, 0, G_OPTION_ARG_INT, &options->bits,
      N_ ("of operands without a table, of noise (default 8 for a model, none for a product alone)"), "N" },
    { "gaussian", 0, 0, G_OPTION_ARG_STRING, &options->gaussian,
      N_ ("of noise: Gaussian part over the mean of a pass, of linear layers and of attention (default "
          "0.021,0.0565)"),
      "G,G" },
    { "noise-model", 0, 0, G_OPTION_ARG_FILENAME, &options->noise_model,
      N_ ("of noise: that of a bench, as calibrations --noise-model writes it, instead of the paper's"),
      N_ ("FILE") },
    { "sigma-mean", 0, 0, G_OPTION_ARG_STRING, &options->sigma_mean,
      N_ ("of noise: mean of the output itself (paper), or of a calibration text"), "paper|calibrated" },
    { "threads", 0, 0, G_OPTION_ARG_INT, &options->threads, N_ ("of computing (default: one a core)"), "N" },
    { "calibrate", 0, 0, G_OPTION_ARG_NONE, &options->calibrate, N_ ("calibrate first what is due"), NULL },
    { NULL },
  };
  const GOptionEntry model_entries[] = {
    { "route", 0, 0, G_OPTION_ARG_STRING_ARRAY, &options->routes,
      N_ ("sends an operator to an engine, as in 3.w2=bench or *.qk=noise; more than one may be given, the "
          "last that fits counts"),
      N_ ("LAYER.OP=ENGINE") },
    { "calibration-text", 0, 0, G_OPTION_ARG_FILENAME, &options->calibration_text,
      N_ ("where to find what the model does not have: ranges of the quantiser, calibrated means"),
      N_ ("FILE") },
    { "save-model", 0, 0, G_OPTION_ARG_FILENAME, &options->save_model,
      N_ ("new folder for the model with what was found on the calibration text"), N_ ("FOLDER") },
    { NULL },
  };
  GOptionEntry *all;

  options->bits = BITS_NOT_GIVEN;
  all = append_entries (cli_bench_entries (&options->bench), entries);

  return whole_model ? append_entries (all, model_entries) : all;
}

gboolean
cli_engine_kind_from_name (const char *name, CliEngineKind *kind)
{
  for (guint i = 0; i < CLI_N_ENGINES; i++)
    if (g_str_equal (engine_names[i], name))
      {
        *kind = (CliEngineKind) i;
        return TRUE;
      }
  return FALSE;
}

/* LAYER.OP=ENGINE; * for all layers or operators. */
gboolean
cli_route_parse (const char *text, CliRoute *route, GError **error)
{
  g_auto (GStrv) sides = g_strsplit (text, "=", 2);
  g_auto (GStrv) place = g_strsplit (sides[0] != NULL ? sides[0] : "", ".", 2);
  guint64 layer = 0;

  *route = (CliRoute){ .layer = -1, .op = -1 };
  if (g_strv_length (sides) != 2 || g_strv_length (place) != 2 ||
      (!g_str_equal (place[0], "*") && !g_ascii_string_to_unsigned (place[0], 10, 0, G_MAXINT, &layer, NULL)))
    {
      g_set_error (error, LB_EXPERIMENT_ERROR, LB_EXPERIMENT_ERROR_SETTINGS,
                   _ ("--route is \"%s\": give LAYER.OP=ENGINE, as in 3.w2=bench or *.qk=noise"), text);
      return FALSE;
    }
  if (!g_str_equal (place[0], "*"))
    route->layer = (int) layer;
  if (!g_str_equal (place[1], "*"))
    {
      LbTransformerOp op;

      if (!lb_transformer_op_from_name (place[1], &op))
        {
          g_set_error (error, LB_EXPERIMENT_ERROR, LB_EXPERIMENT_ERROR_SETTINGS,
                       _ ("--route %s: there is no operator \"%s\"; it can be wq, wk, wv, qk, av, wo, w1, w2 "
                          "or *"),
                       text, place[1]);
          return FALSE;
        }
      route->op = (int) op;
    }
  if (!cli_engine_kind_from_name (sides[1], &route->kind))
    {
      g_set_error (error, LB_EXPERIMENT_ERROR, LB_EXPERIMENT_ERROR_SETTINGS,
                   _ ("--route %s: there is no engine \"%s\"; it can be %s"), text, sides[1], ENGINES);
      return FALSE;
    }
  return TRUE;
}

gboolean
cli_engine_is_wanted (const CliEngineOptions *options, CliEngineKind kind)
{
  if (options->kind == kind)
    return TRUE;
  for (guint i = 0; options->routes != NULL && options->routes[i] != NULL; i++)
    {
      CliRoute route;

      if (cli_route_parse (options->routes[i], &route, NULL) && route.kind == kind)
        return TRUE;
    }
  return FALSE;
}

static gboolean
is_one_of (const char *value, const char *one, const char *two)
{
  return value == NULL || g_str_equal (value, one) || g_str_equal (value, two);
}

static int
check_photons (Cli *cli, CliEngineOptions *options)
{
  char *end = NULL;
  gboolean bench = cli_engine_is_wanted (options, CLI_ENGINE_BENCH);

  options->photons_per_mac = DEFAULT_PHOTONS;
  if (options->photons == NULL)
    return -1;
  options->photons_per_mac =
      g_ascii_strcasecmp (options->photons, "inf") == 0 ? INFINITY : g_ascii_strtod (options->photons, &end);
  if ((end != NULL && (end == options->photons || *end != '\0')) || !(options->photons_per_mac >= 0) ||
      (isfinite (options->photons_per_mac) && options->photons_per_mac > MAX_PHOTONS))
    return cli_wrong (cli, _ ("--photons is \"%s\": give 0 (no noise at all), a number up to 1e12, or inf"),
                      options->photons);
  if (bench && (!isfinite (options->photons_per_mac) || !(options->photons_per_mac > 0)))
    return cli_wrong (cli, _ ("--photons is \"%s\": the bench needs a finite number above 0"),
                      options->photons);
  if (!bench && !cli_engine_is_wanted (options, CLI_ENGINE_NOISE))
    g_printerr (
        _ ("note: --photons changes nothing without --engine noise or bench (or a --route to one)\n"));
  return -1;
}

/* Two numbers of at least 0, or one for both. */
static gboolean
parse_gaussian (CliEngineOptions *options)
{
  g_auto (GStrv) pieces = NULL;
  guint count;

  options->g[0] = options->g[1] = -1;
  if (options->gaussian == NULL)
    return TRUE;
  pieces = g_strsplit (options->gaussian, ",", -1);
  count = g_strv_length (pieces);
  for (guint i = 0; i < 2 && count >= 1 && count <= 2; i++)
    {
      const char *text = pieces[MIN (i, count - 1)];
      char *end = NULL;

      options->g[i] = g_ascii_strtod (text, &end);
      if (end == text || *end != '\0' || !(options->g[i] >= 0 && isfinite (options->g[i])))
        return FALSE;
    }
  return count >= 1 && count <= 2;
}

/* Options of the noise engine are wrong without it. */
static int
check_noise (Cli *cli, CliEngineOptions *options)
{
  const struct
  {
    const char *name;
    const char *value;
  } given[] = { { "--mode", options->mode },
                { "--slm-lut", options->slm_lut },
                { "--source-lut", options->source_lut },
                { "--sigma-mean", options->sigma_mean },
                { "--gaussian", options->gaussian },
                { "--noise-model", options->noise_model } };

  if (!is_one_of (options->mode, "exact", "moment"))
    return cli_wrong (cli, _ ("--mode is \"%s\": it can be exact or moment"), options->mode);
  if (!is_one_of (options->sigma_mean, "paper", "calibrated"))
    return cli_wrong (cli, _ ("--sigma-mean is \"%s\": it can be paper or calibrated"), options->sigma_mean);
  if (!parse_gaussian (options))
    return cli_wrong (cli,
                      _ ("--gaussian is \"%s\": give one or two numbers of at least 0, as in 0.021,0.0565"),
                      options->gaussian);
  if (options->bits != BITS_NOT_GIVEN && (options->bits < MIN_BITS || options->bits > MAX_BITS))
    return cli_wrong (cli, _ ("--bits is %d: it can be %d to %d"), options->bits, MIN_BITS, MAX_BITS);
  if (options->bits != BITS_NOT_GIVEN && !cli_engine_is_wanted (options, CLI_ENGINE_NOISE))
    return cli_wrong (cli, _ ("%s goes with --engine noise (or a --route to it)"), "--bits");
  for (guint i = 0; options->noise_model != NULL && i < G_N_ELEMENTS (given) - 1; i++)
    if (given[i].value != NULL)
      return cli_wrong (cli,
                        _ ("%s does not go with --noise-model: a bench's tables and means are in its model"),
                        given[i].name);
  if (options->noise_model != NULL && options->bits != BITS_NOT_GIVEN)
    return cli_wrong (
        cli, _ ("%s does not go with --noise-model: a bench's tables and means are in its model"), "--bits");
  if (options->noise_model != NULL && !(options->photons_per_mac > 0 && isfinite (options->photons_per_mac)))
    return cli_wrong (cli, _ ("a bench's noise model needs --photons above 0 that are not infinite"));
  for (guint i = 0; i < G_N_ELEMENTS (given); i++)
    if (given[i].value != NULL && !cli_engine_is_wanted (options, CLI_ENGINE_NOISE))
      return cli_wrong (cli, _ ("%s goes with --engine noise (or a --route to it)"), given[i].name);
  return -1;
}

int
cli_engine_options_check (Cli *cli, CliEngineOptions *options)
{
  int exit_code;
  GError *error = NULL;
  CliRoute route;

  if (options->engine != NULL && !cli_engine_kind_from_name (options->engine, &options->kind))
    return cli_wrong (cli, _ ("--engine is \"%s\": it can be %s"), options->engine, ENGINES);
  for (guint i = 0; options->routes != NULL && options->routes[i] != NULL; i++)
    if (!cli_route_parse (options->routes[i], &route, &error))
      return cli_fail (cli, error);
  if (options->threads < 0 || options->threads > MAX_THREADS)
    return cli_wrong (cli, _ ("--threads is %d: it can be 1 to %d, or 0 for one a core"), options->threads,
                      MAX_THREADS);
  if (options->bench.seed < 0)
    return cli_wrong (cli, _ ("--seed must not be negative"));
  if (options->calibrate && !cli_engine_is_wanted (options, CLI_ENGINE_BENCH))
    return cli_wrong (cli, _ ("--calibrate goes with --engine bench (or a --route to it)"));
  if (options->save_model != NULL && options->calibration_text == NULL)
    return cli_wrong (cli, _ ("--save-model goes with --calibration-text"));
  if (options->save_model != NULL && g_file_test (options->save_model, G_FILE_TEST_EXISTS))
    return cli_wrong (cli, _ ("--save-model: %s is there already: give the name of a new folder"),
                      options->save_model);
  exit_code = check_photons (cli, options);
  if (exit_code < 0)
    exit_code = check_noise (cli, options);
  if (exit_code < 0)
    lb_numerics_set_threads ((guint) options->threads);
  return exit_code;
}

void
cli_engine_options_clear (CliEngineOptions *options)
{
  cli_bench_options_clear (&options->bench);
  g_free (options->engine);
  g_strfreev (options->routes);
  g_free (options->photons);
  g_free (options->mode);
  g_free (options->slm_lut);
  g_free (options->source_lut);
  g_free (options->sigma_mean);
  g_free (options->noise_model);
  g_free (options->gaussian);
  g_free (options->calibration_text);
  g_free (options->save_model);
}

void
cli_add_engine (LbQuantities *results, const CliEngineOptions *options)
{
  const char *name = engine_names[options->kind];
  gboolean light =
      cli_engine_is_wanted (options, CLI_ENGINE_NOISE) || cli_engine_is_wanted (options, CLI_ENGINE_BENCH);

  lb_quantities_set_text (results, "engine", name);
  if (options->routes != NULL)
    {
      g_autofree char *routes = g_strjoinv (" ", options->routes);

      lb_quantities_set_text (results, "routes", routes);
    }
  if (!light)
    return;
  if (isfinite (options->photons_per_mac))
    lb_quantities_set (results, "photons_per_mac", options->photons_per_mac, "");
  else
    lb_quantities_set_text (results, "photons_per_mac", "inf");
  if (!cli_engine_is_wanted (options, CLI_ENGINE_NOISE))
    return;
  if (options->noise_model != NULL)
    {
      lb_quantities_set_text (results, "noise_model", options->noise_model);
      return;
    }
  if (options->gaussian != NULL)
    lb_quantities_set_text (results, "gaussian", options->gaussian);
  lb_quantities_set_text (results, "mode", options->mode != NULL ? options->mode : "exact");
  lb_quantities_set_text (results, "sigma_mean", options->sigma_mean != NULL ? options->sigma_mean : "paper");
}
