/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli-engine.h"

#include <math.h>

#include <glib/gi18n.h>
#include <lb-bench-engine.h>
#include <lb-int8-engine.h>
#include <lb-bench-model-engine.h>
#include <lb-noise-engine.h>
#include <lb-model-writer.h>
#include <lb-ranges.h>
#include <lb-sigma-means.h>
#include <lb-tokenizer.h>
#include <lb-workflow.h>

/* Products of a run get noise keys apart from those of experiments and
 * calibrations. */
#define RUN_ORDINALS (G_GUINT64_CONSTANT (1) << 48)

static LbEngine *
new_bench_engine (CliPlace *place, double photons_per_mac, GError **error)
{
  g_autoptr (LbOpticsModel) model = NULL;
  g_autoptr (LbOpticalPath) path = NULL;
  LbEngine *engine;

  if (!lb_calibration_set_is_complete (place->calibrations))
    {
      g_set_error_literal (error, LB_EXPERIMENT_ERROR, LB_EXPERIMENT_ERROR_NOT_CALIBRATED,
                           _ ("the bench has no complete calibration in force: calibrate it first "
                              "(lightbench-cli calibrate, or --calibrate)"));
      return NULL;
    }
  model = lb_calibration_set_make_model (place->calibrations, place->bench, TRUE, error);
  if (model == NULL)
    return NULL;
  path = lb_optical_path_new (place->bench, model);
  lb_optical_path_set_ordinal (path, RUN_ORDINALS + (lb_session_get_next_ordinal (place->session) << 24));
  engine = LB_ENGINE (lb_bench_engine_new (path));
  lb_bench_engine_set_photons (LB_BENCH_ENGINE (engine), photons_per_mac);
  return engine;
}

static gboolean
open_bench (
    Cli *cli, CliEngines *engines, const CliEngineOptions *options, const char *run_kind, GError **error)
{
  const char *const due[] = { "due", NULL };
  g_autoptr (LbQuantities) settings = lb_quantities_new ();

  if (!cli_place_open (cli, &engines->place, &options->bench, error) ||
      (options->calibrate && !cli_run_calibration (cli, &engines->place, due, NULL, error)))
    return FALSE;
  engines->engines[CLI_ENGINE_BENCH] = new_bench_engine (&engines->place, options->photons_per_mac, error);
  if (engines->engines[CLI_ENGINE_BENCH] == NULL)
    return FALSE;
  cli_add_engine (settings, options);
  return lb_workflow_store_calibrations_in_force (engines->place.session, engines->place.calibrations,
                                                  error) &&
         lb_session_begin_run (engines->place.session, run_kind, settings, &engines->run, error);
}

static gboolean
read_table (const char *path, LbLookupTable **table, GError **error)
{
  *table = path != NULL ? lb_lookup_table_new_from_file (path, error) : NULL;
  return path == NULL || *table != NULL;
}

static LbEngine *
new_noise_engine (const CliEngineOptions *options, GError **error)
{
  g_autoptr (LbLookupTable) slm = NULL;
  g_autoptr (LbLookupTable) source = NULL;
  LbNoiseOptions noise;

  if (options->noise_model != NULL)
    {
      LbBenchNoiseModel *model = lb_bench_noise_model_load (options->noise_model, error);

      return model != NULL ? lb_bench_model_engine_new (model, options->photons_per_mac) : NULL;
    }
  if (!read_table (options->slm_lut, &slm, error) || !read_table (options->source_lut, &source, error))
    return NULL;
  lb_noise_options_init (&noise);
  noise.photons_per_mac = options->photons_per_mac;
  noise.slm = slm;
  noise.source = source;
  noise.bits = (guint) MAX (options->bits, 0);
  if (options->g[0] >= 0)
    {
      noise.g_linear = options->g[0];
      noise.g_attention = options->g[1];
    }
  if (g_strcmp0 (options->mode, "moment") == 0)
    noise.mode = LB_NOISE_MOMENT;
  if (g_strcmp0 (options->sigma_mean, "calibrated") == 0)
    noise.sigma_mean = LB_SIGMA_CALIBRATED;
  return lb_noise_engine_new (&noise);
}

gboolean
cli_engines_open (
    Cli *cli, CliEngines *engines, const CliEngineOptions *options, const char *run_kind, GError **error)
{
  *engines = (CliEngines){ { NULL } };
  engines->engines[CLI_ENGINE_DIGITAL] = lb_digital_engine_new ();
  if (cli_engine_is_wanted (options, CLI_ENGINE_INT8))
    engines->engines[CLI_ENGINE_INT8] = lb_int8_engine_new (TRUE);
  if (cli_engine_is_wanted (options, CLI_ENGINE_NOISE))
    {
      engines->engines[CLI_ENGINE_NOISE] = new_noise_engine (options, error);
      if (engines->engines[CLI_ENGINE_NOISE] == NULL)
        return FALSE;
    }
  return !cli_engine_is_wanted (options, CLI_ENGINE_BENCH) ||
         open_bench (cli, engines, options, run_kind, error);
}

gboolean
cli_engines_close (Cli *cli, CliEngines *engines, gboolean done, const LbQuantities *results, GError **error)
{
  LbRunState state = done                                            ? LB_RUN_FINISHED
                     : g_cancellable_is_cancelled (cli->cancellable) ? LB_RUN_ABORTED
                                                                     : LB_RUN_FAILED;

  for (guint i = 0; i < CLI_N_ENGINES; i++)
    g_clear_object (&engines->engines[i]);
  if (engines->run != 0)
    {
      g_autoptr (LbQuantities) none = lb_quantities_new ();
      const char *why = error != NULL && *error != NULL ? (*error)->message : NULL;

      done = lb_session_finish_run (engines->place.session, engines->run, state,
                                    results != NULL ? results : none, why,
                                    error != NULL && *error == NULL ? error : NULL) &&
             done;
    }
  if (engines->place.bench != NULL)
    done = cli_place_close (cli, &engines->place, error) && done;
  return done;
}

/* --- Models --------------------------------------------------------------------- */

GArray *
cli_read_tokens (LbModel *model, const char *path, const char *text, GError **error)
{
  const guint vocabulary = lb_model_get_config (model)->vocabulary;
  g_autoptr (LbTokenizer) tokenizer = lb_tokenizer_new (lb_model_get_directory (model), vocabulary, error);
  g_autofree char *contents = NULL;
  gsize length = 0;
  GArray *tokens;

  if (tokenizer == NULL)
    return NULL;
  if (text != NULL)
    return lb_tokenizer_encode (tokenizer, text, -1, error);
  if (!g_file_get_contents (path, &contents, &length, error))
    return NULL;
  tokens = lb_tokenizer_encode (tokenizer, contents, (gssize) length, error);
  if (tokens == NULL)
    g_prefix_error (error, "%s: ", path);
  return tokens;
}

static void
calibrating_cb (guint done, guint windows, gpointer user_data)
{
  cli_progress_update (user_data, _ ("Reading the calibration text"), (double) done / windows);
}

/* Whether some operator has no calibrated means. */
static gboolean
lacks_means (LbModel *model)
{
  const guint layers = lb_model_get_config (model)->layers;

  for (guint i = 0; i < layers * LB_N_OPS; i++)
    if (lb_model_get_sigma_means (model, i / LB_N_OPS, (LbTransformerOp) (i % LB_N_OPS)) == NULL)
      return TRUE;
  return FALSE;
}

/* Ranges if the model has none, and means if these are @wanted and it has none. */
static gboolean
calibrate_model (Cli *cli, LbModel *model, const char *path, gboolean means_wanted, GError **error)
{
  g_autoptr (GArray) tokens = cli_read_tokens (model, path, NULL, error);
  const guint32 *ids = tokens != NULL ? (const guint32 *) (const void *) tokens->data : NULL;
  g_auto (CliProgress) progress = { NULL };

  if (tokens == NULL)
    return FALSE;
  cli_progress_init (&progress);
  if (!lb_model_get_config (model)->quantised)
    {
      g_autoptr (LbRanges) ranges = lb_ranges_find (model, ids, tokens->len, LB_RANGES_WINDOWS,
                                                    calibrating_cb, &progress, cli->cancellable, error);

      if (ranges == NULL)
        return FALSE;
      lb_model_set_ranges (model, ranges);
    }
  if (means_wanted && lacks_means (model))
    {
      g_autoptr (LbSigmaMeans) means = lb_sigma_means_find (
          model, ids, tokens->len, LB_RANGES_WINDOWS, calibrating_cb, &progress, cli->cancellable, error);

      if (means == NULL)
        return FALSE;
      lb_model_set_sigma_means (model, means);
    }
  return TRUE;
}

/* The model as it is now, ranges and means with it. */
static gboolean
save_model (LbModel *model, const char *folder, GError **error)
{
  const guint layers = lb_model_get_config (model)->layers;
  g_autoptr (LbModelWriter) writer = lb_model_writer_new_from_model (model);

  for (guint i = 0; i < layers * LB_N_OPS; i++)
    {
      const guint layer = i / LB_N_OPS;
      const LbTransformerOp op = (LbTransformerOp) (i % LB_N_OPS);
      const float *ranges = lb_model_get_ranges (model, layer, op);
      const float *means = lb_model_get_sigma_means (model, layer, op);

      if (ranges != NULL)
        lb_model_writer_set_ranges (writer, layer, op, ranges);
      if (means != NULL)
        lb_model_writer_set_sigma_means (writer, layer, op, means);
    }
  return lb_model_writer_write (writer, folder, error);
}

/* Engines that quantise cannot do without ranges, nor the calibrated mean
 * without its constants. */
static gboolean
check_model (LbModel *model, const CliEngineOptions *options, gboolean means_wanted, GError **error)
{
  const gboolean quantises =
      cli_engine_is_wanted (options, CLI_ENGINE_INT8) || cli_engine_is_wanted (options, CLI_ENGINE_NOISE);

  if (quantises && !lb_model_get_config (model)->quantised)
    g_set_error (error, LB_ENGINE_ERROR, LB_ENGINE_ERROR_RANGES,
                 _ ("the model \"%s\" was never quantised, and the engine needs ranges: give a text to find "
                    "them on (--calibration-text FILE)"),
                 lb_model_get_name (model));
  else if (means_wanted && lacks_means (model))
    g_set_error (error, LB_ENGINE_ERROR, LB_ENGINE_ERROR_RANGES,
                 _ ("the model \"%s\" has no calibrated means: give a text to find them on "
                    "(--calibration-text FILE), or leave --sigma-mean at paper"),
                 lb_model_get_name (model));
  else
    return TRUE;
  return FALSE;
}

static gboolean
apply_route (LbForward *forward, CliEngines *engines, const char *text, GError **error)
{
  const LbModelConfig *config = lb_model_get_config (lb_forward_get_model (forward));
  CliRoute route;

  if (!cli_route_parse (text, &route, error))
    return FALSE;
  if (route.layer >= (int) config->layers)
    {
      g_set_error (error, LB_EXPERIMENT_ERROR, LB_EXPERIMENT_ERROR_SETTINGS,
                   _ ("--route %s: model %s has layers 0 to %u"), text,
                   lb_model_get_name (lb_forward_get_model (forward)), config->layers - 1);
      return FALSE;
    }
  for (int layer = 0; layer < (int) config->layers; layer++)
    for (int op = 0; op < LB_N_OPS; op++)
      if ((route.layer < 0 || route.layer == layer) && (route.op < 0 || route.op == op))
        lb_forward_route (forward, (guint) layer, (LbTransformerOp) op, engines->engines[route.kind]);
  return TRUE;
}

LbForward *
cli_engines_new_forward (
    Cli *cli, CliEngines *engines, const CliEngineOptions *options, const char *model_name, GError **error)
{
  const gboolean means_wanted = g_strcmp0 (options->sigma_mean, "calibrated") == 0;
  g_autoptr (LbModel) model = lb_model_open_named (model_name, error);
  g_autoptr (LbForward) forward = NULL;

  if (model == NULL ||
      (options->calibration_text != NULL &&
       !calibrate_model (cli, model, options->calibration_text, means_wanted, error)) ||
      (options->save_model != NULL && !save_model (model, options->save_model, error)) ||
      !check_model (model, options, means_wanted, error))
    return NULL;
  forward = lb_forward_new (model);
  lb_forward_set_seed (forward, (guint64) options->bench.seed);
  lb_forward_set_engine (forward, engines->engines[options->kind]);
  for (guint i = 0; options->routes != NULL && options->routes[i] != NULL; i++)
    if (!apply_route (forward, engines, options->routes[i], error))
      return NULL;
  return g_steal_pointer (&forward);
}

/* --- What is said of it ------------------------------------------------------------ */

void
cli_note_counts (const LbEngineCounts *counts)
{
  g_autofree char *number = NULL;

  if (counts->exact_instead == 0)
    return;
  number = cli_format_number ((double) counts->exact_instead);
  g_printerr (_ ("note: products drawn exactly, because they have too few counts for moments: %s\n"), number);
}

void
cli_add_counts (LbQuantities *results, const LbEngineCounts *counts)
{
  lb_quantities_set (results, "dot_products", (double) counts->dot_products, "");
  lb_quantities_set (results, "macs", (double) counts->macs, "");
  if (counts->exact_instead > 0)
    lb_quantities_set (results, "exact_instead", (double) counts->exact_instead, "");
  lb_quantities_set (results, "exposures", (double) counts->exposures, "");
  lb_quantities_set (results, "unusable", (double) counts->unusable, "");
  if (counts->exposures == 0)
    return;
  lb_quantities_set (results, "photons", counts->photons, "");
  lb_quantities_set (results, "detected_electrons", counts->detected_electrons, "");
  lb_quantities_set (results, "duration_s", counts->bench_time_s, "s");
}
