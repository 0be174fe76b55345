/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <math.h>
#include <string.h>

#include <glib/gi18n.h>
#include <lb-bench-engine.h>
#include <lb-npy.h>

#include "cli.h"

/* Products of a run get noise keys apart from those of experiments and
 * calibrations. */
#define MULTIPLY_ORDINALS (G_GUINT64_CONSTANT (1) << 48)

typedef struct
{
  char *output;
  char *engine;
  char *kind;
  char *photons;
  double photons_per_mac;
  gboolean calibrate;
} MultiplyOptions;

static void
multiply_options_clear (MultiplyOptions *options)
{
  g_free (options->output);
  g_free (options->engine);
  g_free (options->kind);
  g_free (options->photons);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (MultiplyOptions, multiply_options_clear)

/* Both operands, and how many products they hold (heads). */
typedef struct
{
  LbNpy *a;
  LbNpy *b;
  gsize heads, rows, outputs, length;
} Operands;

static void
operands_clear (Operands *operands)
{
  g_clear_pointer (&operands->a, lb_npy_free);
  g_clear_pointer (&operands->b, lb_npy_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Operands, operands_clear)

static gboolean
read_operands (Operands *operands, const char *a, const char *b, gboolean attention, GError **error)
{
  guint axes;

  operands->a = lb_npy_read (a, error);
  if (operands->a == NULL)
    return FALSE;
  operands->b = lb_npy_read (b, error);
  if (operands->b == NULL)
    return FALSE;
  axes = operands->a->axes;
  if (axes != operands->b->axes || (axes != 2 && !(attention && axes == 3)))
    {
      g_set_error (
          error, LB_ENGINE_ERROR, LB_ENGINE_ERROR_SHAPE,
          _ ("%s has %u axes and %s has %u: both need two (with --kind attention both may have three, heads "
             "first)"),
          a, axes, b, operands->b->axes);
      return FALSE;
    }
  operands->heads = axes == 3 ? operands->a->shape[0] : 1;
  operands->rows = operands->a->shape[axes - 2];
  operands->length = operands->a->shape[axes - 1];
  operands->outputs = operands->b->shape[axes - 2];
  if (operands->b->shape[axes - 1] != operands->length ||
      (axes == 3 && operands->b->shape[0] != operands->heads) || operands->heads == 0 ||
      operands->rows == 0 || operands->outputs == 0 || operands->length == 0)
    {
      g_set_error (
          error, LB_ENGINE_ERROR, LB_ENGINE_ERROR_SHAPE,
          _ ("%s and %s do not fit: A is (rows, d), B is (outputs, d), with the same d and the same number "
             "of heads, none of them 0"),
          a, b);
      return FALSE;
    }
  return TRUE;
}

static float *
multiply (LbEngine *engine,
          const Operands *operands,
          gboolean attention,
          LbEngineCounts *counts,
          GCancellable *cancellable,
          GError **error)
{
  gsize out_size = operands->rows * operands->outputs;
  g_autofree float *out = g_new0 (float, operands->heads *out_size);

  for (gsize head = 0; head < operands->heads; head++)
    {
      g_autoptr (LbMatrix) a =
          lb_matrix_new_wrap (operands->a->values + head * operands->rows * operands->length, operands->rows,
                              operands->length, operands->length, NULL, NULL);
      g_autoptr (LbMatrix) b =
          lb_matrix_new_wrap (operands->b->values + head * operands->outputs * operands->length,
                              operands->outputs, operands->length, operands->length, NULL, NULL);
      g_autoptr (LbMatrix) product = lb_matrix_new_wrap (out + head * out_size, operands->rows,
                                                         operands->outputs, operands->outputs, NULL, NULL);
      const LbProduct request = {
        .a = a,
        .b = b,
        .kind = attention ? LB_PRODUCT_ATTENTION : LB_PRODUCT_LINEAR,
        .key.head = head,
      };

      if (!lb_engine_multiply (engine, &request, product, counts, cancellable, error))
        return NULL;
    }
  return g_steal_pointer (&out);
}

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
  lb_optical_path_set_ordinal (path,
                               MULTIPLY_ORDINALS + (lb_session_get_next_ordinal (place->session) << 24));
  engine = LB_ENGINE (lb_bench_engine_new (path));
  lb_bench_engine_set_photons (LB_BENCH_ENGINE (engine), photons_per_mac);
  return engine;
}

static LbQuantities *
make_results (const LbEngineCounts *counts)
{
  LbQuantities *results = lb_quantities_new ();

  lb_quantities_set (results, "dot_products", counts->dot_products, "");
  lb_quantities_set (results, "macs", counts->macs, "");
  lb_quantities_set (results, "exposures", counts->exposures, "");
  lb_quantities_set (results, "unusable", counts->unusable, "");
  if (counts->exposures > 0)
    {
      lb_quantities_set (results, "photons", counts->photons, "");
      lb_quantities_set (results, "detected_electrons", counts->detected_electrons, "");
      lb_quantities_set (results, "duration_s", counts->bench_time_s, "s");
    }
  return results;
}

static float *
multiply_on_bench (Cli *cli,
                   const CliBenchOptions *bench_options,
                   const MultiplyOptions *options,
                   const Operands *operands,
                   gboolean attention,
                   LbEngineCounts *counts,
                   GError **error)
{
  CliPlace place = { NULL };
  g_autoptr (LbEngine) engine = NULL;
  g_autoptr (LbQuantities) settings = lb_quantities_new ();
  g_autofree float *out = NULL;
  const char *const due[] = { "due", NULL };
  gint64 run = 0;

  if (cli_place_open (cli, &place, bench_options, error) &&
      (!options->calibrate || cli_run_calibration (cli, &place, due, NULL, error)))
    engine = new_bench_engine (&place, options->photons_per_mac, error);
  if (engine != NULL)
    {
      lb_quantities_set (settings, "photons_per_mac", options->photons_per_mac, "");
      if (lb_session_begin_run (place.session, "multiply", settings, &run, error))
        out = multiply (engine, operands, attention, counts, cli->cancellable, error);
      if (run != 0)
        {
          g_autoptr (LbQuantities) results = make_results (counts);
          LbRunState state = out != NULL ? LB_RUN_FINISHED : LB_RUN_FAILED;

          if (!lb_session_finish_run (place.session, run, state, results, NULL,
                                      *error == NULL ? error : NULL))
            g_clear_pointer (&out, g_free);
        }
    }
  g_clear_object (&engine);
  if (!cli_place_close (cli, &place, error))
    g_clear_pointer (&out, g_free);
  return g_steal_pointer (&out);
}

static gboolean
write_output (const MultiplyOptions *options, const Operands *operands, const float *out, GError **error)
{
  const gsize shape[3] = { operands->heads, operands->rows, operands->outputs };

  if (operands->a->axes == 3)
    return lb_npy_write (options->output, out, 3, shape, error);
  return lb_npy_write (options->output, out, 2, shape + 1, error);
}

static void
print_results (Cli *cli, const LbEngineCounts *counts)
{
  g_autoptr (LbQuantities) results = make_results (counts);

  if (cli->json)
    {
      g_autoptr (JsonBuilder) builder = json_builder_new ();

      json_builder_begin_object (builder);
      cli_json_quantities (builder, results);
      json_builder_end_object (builder);
      cli_json_print (builder);
    }
  else
    cli_print_quantities (results, "");
}

static int
check_options (Cli *cli, MultiplyOptions *options, int argc)
{
  char *end = NULL;

  if (argc != 3 || options->output == NULL || options->engine == NULL)
    return cli_wrong (cli, _ ("give A.npy, B.npy, -o OUT.npy and --engine; see --help"));
  if (!g_str_equal (options->engine, "digital") && !g_str_equal (options->engine, "bench"))
    return cli_wrong (cli, _ ("--engine is \"%s\": it can be digital or bench"), options->engine);
  if (options->kind != NULL && !g_str_equal (options->kind, "linear") &&
      !g_str_equal (options->kind, "attention"))
    return cli_wrong (cli, _ ("--kind is \"%s\": it can be linear or attention"), options->kind);
  options->photons_per_mac = 2000;
  if (options->photons != NULL)
    {
      options->photons_per_mac = g_ascii_strtod (options->photons, &end);
      if (end == options->photons || *end != '\0' || !isfinite (options->photons_per_mac) ||
          options->photons_per_mac <= 0)
        return cli_wrong (cli, _ ("--photons is \"%s\": give a number above 0"), options->photons);
    }
  return -1;
}

int
cli_multiply (Cli *cli, int argc, char **argv)
{
  g_auto (CliBenchOptions) bench_options = { NULL };
  g_autofree GOptionEntry *bench_entries = cli_bench_entries (&bench_options);
  g_auto (MultiplyOptions) options = { NULL };
  const GOptionEntry entries[] = {
    { "output", 'o', 0, G_OPTION_ARG_FILENAME, &options.output, N_ ("the product A B^T"), "OUT.npy" },
    { "engine", 0, 0, G_OPTION_ARG_STRING, &options.engine, N_ ("what multiplies"), "digital|bench" },
    { "kind", 0, 0, G_OPTION_ARG_STRING, &options.kind, N_ ("of product (default linear)"),
      "linear|attention" },
    { "photons", 0, 0, G_OPTION_ARG_STRING, &options.photons, N_ ("photons per MAC (default 2000)"), "P" },
    { "calibrate", 0, 0, G_OPTION_ARG_NONE, &options.calibrate, N_ ("calibrate first what is due"), NULL },
    { NULL },
  };
  g_auto (Operands) operands = { NULL };
  g_autofree float *out = NULL;
  LbEngineCounts counts = { 0 };
  gboolean attention;
  GError *error = NULL;
  int exit_code =
      cli_parse (cli, &argc, &argv, "A.npy B.npy",
                 _ ("Multiplies: A is (rows, d), B is (outputs, d), OUT = A B^T."), bench_entries, entries);

  if (exit_code >= 0 || (exit_code = check_options (cli, &options, argc)) >= 0)
    return exit_code;
  attention = g_strcmp0 (options.kind, "attention") == 0;
  if (!read_operands (&operands, argv[1], argv[2], attention, &error))
    return cli_fail (cli, error);
  if (g_str_equal (options.engine, "digital"))
    {
      g_autoptr (LbEngine) engine = lb_digital_engine_new ();

      out = multiply (engine, &operands, attention, &counts, cli->cancellable, &error);
    }
  else
    out = multiply_on_bench (cli, &bench_options, &options, &operands, attention, &counts, &error);
  if (out == NULL || !write_output (&options, &operands, out, &error))
    return cli_fail (cli, error);
  print_results (cli, &counts);
  return CLI_SUCCESS;
}
