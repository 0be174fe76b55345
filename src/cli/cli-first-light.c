/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <math.h>
#include <string.h>

#include <glib/gi18n.h>
#include <lb-report.h>

#include "cli.h"

/* The whole session at once: connect, calibrate, run both experiments, report.
 * What the application does with the mouse, without a display. */

#define DOT_PRODUCTS 1000

typedef struct
{
  const char *title;
  LbQuantities *results;
} Column;

/* Measures @experiment and keeps its results. */
static gboolean
run_column (Cli *cli, CliPlace *place, LbExperiment *experiment, Column *column, GError **error)
{
  const LbSentinelSettings none = { 0 };

  if (!cli_run_experiment (cli, place, experiment, &none, error))
    return FALSE;
  column->results = lb_quantities_copy (lb_experiment_get_results (experiment));
  return TRUE;
}

static void
print_row (const char *label,
           const char *name,
           const char *format,
           double factor,
           const Column *columns,
           guint count)
{
  int padding = MAX (0, 34 - (int) g_utf8_strlen (label, -1));

  g_print ("%s%*s", label, padding, "");
  for (guint i = 0; i < count; i++)
    {
      double value = lb_quantities_get (columns[i].results, name, NAN);
      char number[G_ASCII_DTOSTR_BUF_SIZE];

      g_print ("%20s", isnan (value) ? "-" : g_ascii_formatd (number, sizeof number, format, factor * value));
    }
  g_print ("\n");
}

static gboolean
photons_are_nominal (const Column *columns, guint count)
{
  for (guint i = 0; i < count; i++)
    if (g_strcmp0 (lb_quantities_get_text (columns[i].results, "photons_are"), "measured") != 0)
      return TRUE;
  return FALSE;
}

static void
print_table (const Column *columns, guint count)
{
  const gboolean nominal = photons_are_nominal (columns, count);

  g_print ("%34s", "");
  for (guint i = 0; i < count; i++)
    g_print ("%*s%s", MAX (1, 20 - (int) g_utf8_strlen (columns[i].title, -1)), "", columns[i].title);
  g_print ("\n");
  print_row (_ ("Normalised error before, %"), "normalised_error_uncalibrated", "%.2f", 100, columns, count);
  print_row (_ ("Normalised error calibrated, %"), "normalised_error", "%.2f", 100, columns, count);
  print_row (_ ("rms(error) / std(ideal), %"), "relative_error", "%.2f", 100, columns, count);
  print_row (_ ("Bias, %"), "bias", "%.3f", 100, columns, count);
  print_row (_ ("Slope"), "slope", "%.4f", 1, columns, count);
  print_row (_ ("Correlation"), "correlation", "%.5f", 1, columns, count);
  print_row (_ ("Exposures"), "exposures", "%.0f", 1, columns, count);
  print_row (_ ("Seconds on the bench"), "duration_s", "%.1f", 1, columns, count);
  print_row (nominal ? _ ("Photons per MAC (nominal)") : _ ("Photons per MAC (measured)"), "photons_per_mac",
             "%.0f", 1, columns, count);
  print_row (_ ("Photons per MAC detected"), "photons_per_mac_detected", "%.0f", 1, columns, count);
}

static void
print_json (const Column *columns, guint count, const char *session, const char *report)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  static const char *const names[] = { "attention", "dot_product" };

  json_builder_begin_object (builder);
  for (guint i = 0; i < count; i++)
    {
      json_builder_set_member_name (builder, names[i]);
      json_builder_begin_object (builder);
      cli_json_quantities (builder, columns[i].results);
      json_builder_end_object (builder);
    }
  cli_json_text (builder, "session", session);
  cli_json_text (builder, "report", report);
  json_builder_end_object (builder);
  cli_json_print (builder);
}

static char *
report_path (const char *session)
{
  const char *dot = strrchr (session, '.');
  gsize length = dot != NULL && strchr (dot, '/') == NULL ? (gsize) (dot - session) : strlen (session);
  g_autofree char *stem = g_strndup (session, length);

  return g_strconcat (stem, ".pdf", NULL);
}

static gboolean
run_session (Cli *cli, CliPlace *place, guint64 seed, Column columns[2], GError **error)
{
  const guint lengths[] = { 64, 256, 1024 };
  g_autoptr (LbExperiment) attention = lb_attention_experiment_new (NULL, NULL, 0, 0, 32, 2000, error);
  g_autoptr (LbExperiment) dot_product = NULL;

  if (attention == NULL || !cli_run_calibration (cli, place, NULL, NULL, error) ||
      !run_column (cli, place, attention, &columns[0], error))
    return FALSE;
  dot_product = lb_dot_product_experiment_new (lengths, G_N_ELEMENTS (lengths), DOT_PRODUCTS, 2000, seed);
  return run_column (cli, place, dot_product, &columns[1], error);
}

int
cli_first_light (Cli *cli, int argc, char **argv)
{
  g_auto (CliBenchOptions) options = { NULL };
  g_autofree GOptionEntry *bench_entries = cli_bench_entries (&options);
  g_autofree char *output = NULL;
  const GOptionEntry entries[] = {
    { "output", 'o', 0, G_OPTION_ARG_FILENAME, &output, N_ ("report to write (default: beside the session)"),
      "FILE.pdf" },
    { NULL },
  };
  Column columns[2] = { { _ ("attention scores"), NULL }, { _ ("dot products"), NULL } };
  g_autofree char *session = NULL;
  CliPlace place = { NULL };
  GError *error = NULL;
  gboolean done;
  int exit_code = cli_parse (cli, &argc, &argv, NULL,
                             _ ("Calibrates, runs attention scores and random dot products, "
                                "and writes the report."),
                             bench_entries, entries);

  if (exit_code >= 0)
    return exit_code;
  if (argc > 1)
    return cli_wrong (cli, _ ("\"%s\" is too much; see --help"), argv[1]);
  if (output != NULL && (exit_code = cli_check_output (cli, output)) >= 0)
    return exit_code;
  done = cli_place_open (cli, &place, &options, &error) &&
         run_session (cli, &place, options.seed, columns, &error);
  if (place.session != NULL)
    {
      session = g_strdup (lb_session_get_path (place.session));
      if (output == NULL)
        output = report_path (session);
      done = done && lb_report_write_pdf (place.session, output, NULL, &error);
    }
  done = cli_place_close (cli, &place, &error) && done;
  if (done && cli->json)
    print_json (columns, G_N_ELEMENTS (columns), session, output);
  else if (done)
    {
      print_table (columns, G_N_ELEMENTS (columns));
      g_print (_ ("\nSession: %s\nReport:  %s\n"), session, output);
    }
  for (guint i = 0; i < G_N_ELEMENTS (columns); i++)
    g_clear_pointer (&columns[i].results, lb_quantities_free);
  return done ? CLI_SUCCESS : cli_fail (cli, error);
}
