/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <math.h>
#include <string.h>

#include <glib/gi18n.h>
#include <glib/gstdio.h>
#include <lb-npy.h>

#include "cli-engine.h"

typedef struct
{
  char *output;
  char *kind;
} MultiplyOptions;

static void
multiply_options_clear (MultiplyOptions *options)
{
  g_free (options->output);
  g_free (options->kind);
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

/* The range of an operand's own values: from 0 or the smallest, if there is no
 * negative one, else symmetric. */
static void
set_range (const LbMatrix *values, float *range)
{
  float lowest = INFINITY;

  for (gsize row = 0; row < values->rows; row++)
    for (gsize i = 0; i < values->columns; i++)
      lowest = fminf (lowest, lb_matrix_get (values, row, i));
  range[1] = lb_matrix_max_abs (values);
  range[0] = lowest >= 0 ? lowest : -range[1];
}

/* The int8 engine does not work without ranges: those of operands and product. */
static gboolean
find_ranges (LbProduct *product, LbMatrix *out, float *ranges, GError **error)
{
  g_autoptr (LbEngine) digital = lb_digital_engine_new ();

  if (!lb_engine_multiply (digital, product, out, NULL, NULL, error))
    return FALSE;
  set_range (product->a, ranges);
  set_range (product->b, ranges + 2);
  set_range (out, ranges + 4);
  product->ranges = ranges;
  return TRUE;
}

static LbMatrix *
multiply (Cli *cli,
          CliEngines *engines,
          const CliEngineOptions *options,
          const Operands *operands,
          gboolean attention,
          LbEngineCounts *counts,
          GError **error)
{
  const gsize heads = operands->heads;
  g_autoptr (LbMatrix) a = lb_matrix_new_wrap (operands->a->values, heads * operands->rows, operands->length,
                                               operands->length, NULL, NULL);
  g_autoptr (LbMatrix) b = lb_matrix_new_wrap (operands->b->values, heads * operands->outputs,
                                               operands->length, operands->length, NULL, NULL);
  g_autoptr (LbMatrix) out = lb_matrix_new (heads * operands->rows, operands->outputs);
  float ranges[6];
  LbProduct product = {
    .a = a,
    .b = b,
    .heads = (guint) heads,
    .kind = attention ? LB_PRODUCT_ATTENTION : LB_PRODUCT_LINEAR,
    .key.seed = (guint64) options->bench.seed,
  };

  if (options->kind == CLI_ENGINE_INT8 && !find_ranges (&product, out, ranges, error))
    return NULL;
  if (!lb_engine_multiply (engines->engines[options->kind], &product, out, counts, cli->cancellable, error))
    return NULL;
  /* What the bench cannot measure stays NaN, and is counted. */
  if (counts->unusable == 0 && !lb_matrix_is_finite (out))
    {
      g_set_error (error, LB_ENGINE_ERROR, LB_ENGINE_ERROR_VALUE,
                   _ ("the product does not fit single precision: scale the operands down"));
      return NULL;
    }
  return g_steal_pointer (&out);
}

static gboolean
write_output (const char *path, const Operands *operands, const LbMatrix *out, GError **error)
{
  const gsize shape[3] = { operands->heads, operands->rows, operands->outputs };
  g_autofree float *values = g_new (float, out->rows * out->columns);

  for (gsize row = 0; row < out->rows; row++)
    memcpy (values + row * out->columns, lb_matrix_row (out, row), out->columns * sizeof (float));
  if (operands->a->axes == 3)
    return lb_npy_write (path, values, 3, shape, error);
  return lb_npy_write (path, values, 2, shape + 1, error);
}

static LbQuantities *
make_results (const CliEngineOptions *options, const LbEngineCounts *counts)
{
  LbQuantities *results = lb_quantities_new ();

  cli_add_engine (results, options);
  cli_add_counts (results, counts);
  return results;
}

static gboolean
is_same_file (const char *one, const char *other)
{
  GStatBuf a, b;

  return g_stat (one, &a) == 0 && g_stat (other, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

static int
check_options (
    Cli *cli, const MultiplyOptions *options, const CliEngineOptions *engine_options, int argc, char **argv)
{
  if (argc != 3 || options->output == NULL)
    return cli_wrong (cli, _ ("give A.npy, B.npy and -o OUT.npy; see --help"));
  if (options->kind != NULL && !g_str_equal (options->kind, "linear") &&
      !g_str_equal (options->kind, "attention"))
    return cli_wrong (cli, _ ("--kind is \"%s\": it can be linear or attention"), options->kind);
  if (g_strcmp0 (engine_options->sigma_mean, "calibrated") == 0)
    return cli_wrong (cli, _ ("--sigma-mean calibrated is for models: a product alone has the paper's mean"));
  for (int i = 1; i <= 2; i++)
    if (is_same_file (options->output, argv[i]))
      return cli_wrong (cli, _ ("-o %s would overwrite an operand: give another name"), options->output);
  return cli_check_output (cli, options->output);
}

int
cli_multiply (Cli *cli, int argc, char **argv)
{
  g_auto (CliEngineOptions) engine_options = { { NULL } };
  g_autofree GOptionEntry *engine_entries = cli_engine_entries (&engine_options, FALSE);
  g_auto (MultiplyOptions) options = { NULL };
  const GOptionEntry entries[] = {
    { "output", 'o', 0, G_OPTION_ARG_FILENAME, &options.output, N_ ("the product A B^T"), "OUT.npy" },
    { "kind", 0, 0, G_OPTION_ARG_STRING, &options.kind, N_ ("of product (default linear)"),
      "linear|attention" },
    { NULL },
  };
  g_auto (Operands) operands = { NULL };
  g_autoptr (LbMatrix) out = NULL;
  g_autoptr (LbQuantities) results = NULL;
  CliEngines engines = { { NULL } };
  LbEngineCounts counts = { 0 };
  gboolean attention, done;
  GError *error = NULL;
  int exit_code =
      cli_parse (cli, &argc, &argv, "A.npy B.npy",
                 _ ("Multiplies: A is (rows, d), B is (outputs, d), OUT = A B^T."), engine_entries, entries);

  if (exit_code >= 0 || (exit_code = check_options (cli, &options, &engine_options, argc, argv)) >= 0 ||
      (exit_code = cli_engine_options_check (cli, &engine_options)) >= 0)
    return exit_code;
  attention = g_strcmp0 (options.kind, "attention") == 0;
  if (!read_operands (&operands, argv[1], argv[2], attention, &error))
    return cli_fail (cli, error);
  done = cli_engines_open (cli, &engines, &engine_options, "multiply", &error);
  if (done)
    out = multiply (cli, &engines, &engine_options, &operands, attention, &counts, &error);
  done = out != NULL && write_output (options.output, &operands, out, &error);
  results = make_results (&engine_options, &counts);
  cli_note_counts (&counts);
  done = cli_engines_close (cli, &engines, done, results, &error);
  if (done)
    cli_print_results (cli, results);
  return done ? CLI_SUCCESS : cli_fail (cli, error);
}
