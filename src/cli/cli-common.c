/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

#include <glib/gi18n.h>
#include <glib/gstdio.h>
#include <lb-model.h>
#include <lb-tokenizer.h>

#define BAR_WIDTH 24
#define TERMINAL_INTERVAL_US (G_USEC_PER_SEC / 15)
#define PLAIN_PERCENT 25

int
cli_parse (Cli *cli,
           int *argc,
           char ***argv,
           const char *parameters,
           const char *summary,
           const GOptionEntry *entries,
           const GOptionEntry *more_entries)
{
  const GOptionEntry json[] = {
    { "json", 0, 0, G_OPTION_ARG_NONE, &cli->json, N_ ("print one JSON object"), NULL },
    { NULL },
  };
  g_autoptr (GOptionContext) context = g_option_context_new (parameters);
  g_autoptr (GError) error = NULL;
  gboolean help = FALSE;
  const GOptionEntry help_entry[] = {
    { "help", 'h', 0, G_OPTION_ARG_NONE, &help, N_ ("show this help"), NULL },
    { NULL },
  };

  g_option_context_set_summary (context, summary);
  g_option_context_set_translation_domain (context, GETTEXT_PACKAGE);
  g_option_context_set_help_enabled (context, FALSE);
  if (entries != NULL)
    g_option_context_add_main_entries (context, entries, GETTEXT_PACKAGE);
  if (more_entries != NULL)
    g_option_context_add_main_entries (context, more_entries, GETTEXT_PACKAGE);
  g_option_context_add_main_entries (context, json, GETTEXT_PACKAGE);
  g_option_context_add_main_entries (context, help_entry, GETTEXT_PACKAGE);
  if (!g_option_context_parse (context, argc, argv, &error))
    return cli_wrong (cli, "%s", error->message);
  if (help)
    {
      g_autofree char *text = g_option_context_get_help (context, TRUE, NULL);
      g_autofree char *usage = g_strdup_printf ("lightbench-cli %s ", cli->subcommand);
      g_auto (GStrv) pieces = g_strsplit (text, "lightbench-cli ", 2);
      g_autofree char *whole = g_strjoinv (usage, pieces);

      g_print ("%s", whole);
      return CLI_SUCCESS;
    }
  return -1;
}

/* @done: (nullable): an object, not yet ended, of what was done before */
static void
print_error (Cli *cli, const char *why, JsonBuilder *done)
{
  g_printerr ("lightbench-cli: %s: %s\n", cli->subcommand, why);
  if (cli->json)
    {
      g_autoptr (JsonBuilder) builder = done != NULL ? g_object_ref (done) : json_builder_new ();

      if (done == NULL)
        json_builder_begin_object (builder);
      json_builder_set_member_name (builder, "error");
      json_builder_begin_object (builder);
      cli_json_text (builder, "what", cli->subcommand);
      cli_json_text (builder, "why", why);
      json_builder_end_object (builder);
      json_builder_end_object (builder);
      cli_json_print (builder);
    }
}

/* Errors that say the arguments were wrong, not that the run failed. */
static gboolean
is_wrong_use (const GError *error)
{
  return error->domain == LB_SETUP_ERROR ||
         g_error_matches (error, LB_CALIBRATION_ERROR, LB_CALIBRATION_ERROR_NO_SUCH_STEP) ||
         g_error_matches (error, LB_CALIBRATION_ERROR, LB_CALIBRATION_ERROR_NO_SUCH_RESULT) ||
         g_error_matches (error, LB_EXPERIMENT_ERROR, LB_EXPERIMENT_ERROR_SETTINGS) ||
         g_error_matches (error, LB_MODEL_ERROR, LB_MODEL_ERROR_TEXT);
}

int
cli_fail_after (Cli *cli, JsonBuilder *done, GError *error)
{
  int exit_code = is_wrong_use (error) ? CLI_WRONG_USE : CLI_FAILED;
  /* By a signal, which stops the bench as the key does. */
  gboolean interrupted = g_cancellable_is_cancelled (cli->cancellable) &&
                         (g_error_matches (error, LB_BENCH_ERROR, LB_BENCH_ERROR_STOPPED) ||
                          g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED));

  print_error (cli, interrupted ? _ ("interrupted") : error->message, done);
  g_error_free (error);
  return exit_code;
}

int
cli_fail (Cli *cli, GError *error)
{
  return cli_fail_after (cli, NULL, error);
}

int
cli_wrong (Cli *cli, const char *format, ...)
{
  g_autofree char *why = NULL;
  va_list arguments;

  va_start (arguments, format);
  why = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  print_error (cli, why, NULL);
  return CLI_WRONG_USE;
}

/**
 * cli_check_output:
 * @path: a file to be written when the work is done
 *
 * Whether it will be possible to write it, asked before the work.
 *
 * Returns: -1, or an exit code once the reason is printed
 */
int
cli_check_output (Cli *cli, const char *path)
{
  g_autofree char *folder = g_path_get_dirname (path);
  GStatBuf there;

  if (*path == '\0' || g_file_test (path, G_FILE_TEST_IS_DIR))
    return cli_wrong (cli, _ ("\"%s\" is not the name of a file to write"), path);
  /* A file is replaced as a whole: what is no file would be lost. */
  if (g_lstat (path, &there) == 0 && !S_ISREG (there.st_mode))
    return cli_wrong (cli, _ ("%s is there and is no ordinary file: give another name"), path);
  if (!g_file_test (folder, G_FILE_TEST_IS_DIR))
    return cli_fail (cli, g_error_new (G_FILE_ERROR, G_FILE_ERROR_NOENT,
                                       _ ("%s cannot be written: there is no folder %s"), path, folder));
  if (g_access (folder, W_OK) != 0)
    return cli_fail (cli, g_error_new (G_FILE_ERROR, G_FILE_ERROR_ACCES,
                                       _ ("%s cannot be written: its folder is not writable"), path));
  return -1;
}

/* --- Bench and session ------------------------------------------------------------ */

GOptionEntry *
cli_bench_entries (CliBenchOptions *options)
{
  const GOptionEntry entries[] = {
    { "setup", 0, 0, G_OPTION_ARG_FILENAME, &options->setup,
      N_ ("setup file, or simulated (the default), simulated-oled"), N_ ("SETUP") },
    { "session", 0, 0, G_OPTION_ARG_FILENAME, &options->session,
      N_ ("session file, made if it is missing (default: a new one in the user's data folder)"),
      N_ ("FILE") },
    { "fidelity", 0, 0, G_OPTION_ARG_STRING, &options->fidelity,
      N_ ("of the simulated bench: pixel (the default), or fast with small planes and camera"),
      "pixel|fast" },
    { "seed", 0, 0, G_OPTION_ARG_INT64, &options->seed, N_ ("of simulated world and noise (default 1)"),
      "N" },
    { "world-seed", 0, 0, G_OPTION_ARG_INT64, &options->world_seed,
      N_ ("of the simulated world alone (default: as --seed)"), "N" },
    { NULL },
  };

  options->seed = 1;
  options->world_seed = -1;
  return g_memdup2 (entries, sizeof entries);
}

void
cli_bench_options_clear (CliBenchOptions *options)
{
  g_free (options->setup);
  g_free (options->session);
  g_free (options->fidelity);
}

static LbBench *
new_bench (const CliBenchOptions *options, GError **error)
{
  LbFidelity fidelity = LB_FIDELITY_PIXEL;
  LbBenchOptions bench_options = {
    .seed = options->seed,
    .world_seed = options->world_seed >= 0 ? options->world_seed : options->seed,
  };
  g_autoptr (LbSetup) setup = NULL;

  if (g_strcmp0 (options->fidelity, "fast") == 0)
    fidelity = LB_FIDELITY_FAST;
  else if (options->fidelity != NULL && !g_str_equal (options->fidelity, "pixel"))
    {
      g_set_error (error, LB_SETUP_ERROR, LB_SETUP_ERROR_VALUE,
                   _ ("--fidelity is \"%s\": it can be pixel or fast"), options->fidelity);
      return NULL;
    }
  if (options->seed < 0)
    {
      g_set_error_literal (error, LB_SETUP_ERROR, LB_SETUP_ERROR_VALUE, _ ("--seed must not be negative"));
      return NULL;
    }
  setup = lb_setup_load (options->setup != NULL ? options->setup : "simulated", fidelity, error);
  if (setup == NULL)
    return NULL;
  if (options->session != NULL && g_file_test (options->session, G_FILE_TEST_EXISTS))
    {
      g_autoptr (LbSession) session = lb_session_open_read_only (options->session, error);

      if (session == NULL)
        return NULL;
      bench_options.start_us = lb_session_get_bench_time_us (session);
    }
  return lb_bench_new (setup, &bench_options, error);
}

static gboolean
connect_bench (Cli *cli, CliPlace *place, const CliBenchOptions *options, GError **error)
{
  LbBench *bench = new_bench (options, error);

  if (bench == NULL)
    return FALSE;
  place->bench = bench;
  g_mutex_lock (&cli->lock);
  cli->bench = bench;
  g_mutex_unlock (&cli->lock);
  return lb_bench_connect (bench, cli->cancellable, error);
}

gboolean
cli_place_open_store (Cli *cli, CliPlace *place, const CliBenchOptions *options, GError **error)
{
  g_autoptr (LbSession) session = NULL;

  if (!connect_bench (cli, place, options, error))
    return FALSE;
  if (options->session != NULL)
    {
      session = lb_session_open_read_only (options->session, error);
      if (session == NULL)
        return FALSE;
    }
  place->calibrations = lb_workflow_load_calibrations (place->bench, session, error);
  return place->calibrations != NULL;
}

gboolean
cli_place_open (Cli *cli, CliPlace *place, const CliBenchOptions *options, GError **error)
{
  g_autoptr (LbQuantities) identities = NULL;
  g_autofree char *path = NULL;
  LbBench *bench;

  if (!connect_bench (cli, place, options, error))
    return FALSE;
  bench = place->bench;
  path = options->session != NULL ? g_strdup (options->session) : lb_session_default_path (error);
  if (path == NULL)
    return FALSE;
  identities = lb_bench_dup_identities (bench);
  place->new_session = !g_file_test (path, G_FILE_TEST_EXISTS);
  place->session = lb_session_open (path, lb_setup_get_name (lb_bench_get_setup (bench)), identities, error);
  if (place->session == NULL)
    return FALSE;
  place->calibrations = lb_workflow_load_calibrations (bench, place->session, error);
  return place->calibrations != NULL;
}

/* A session that was made for nothing is not left behind; one that was
 * interrupted may go on. */
static gboolean
is_for_nothing (Cli *cli, const CliPlace *place)
{
  g_autoptr (GPtrArray) calibrations = NULL;
  g_autoptr (GPtrArray) runs = NULL;

  if (!place->new_session || g_cancellable_is_cancelled (cli->cancellable) ||
      !lb_session_flush (place->session, NULL))
    return FALSE;
  calibrations = lb_session_list_calibrations (place->session, NULL);
  runs = lb_session_list_runs (place->session, NULL);
  return calibrations != NULL && runs != NULL && calibrations->len == 0 && runs->len == 0;
}

static gboolean
close_session (Cli *cli, CliPlace *place, GError **error)
{
  g_autofree char *path =
      is_for_nothing (cli, place) ? g_strdup (lb_session_get_path (place->session)) : NULL;
  gboolean closed = lb_session_close (place->session, error);

  if (path != NULL)
    g_unlink (path);
  return closed;
}

gboolean
cli_place_close (Cli *cli, CliPlace *place, GError **error)
{
  gboolean closed = TRUE;

  g_mutex_lock (&cli->lock);
  cli->bench = NULL;
  g_mutex_unlock (&cli->lock);
  if (place->bench != NULL && lb_bench_get_state (place->bench) != LB_BENCH_DISCONNECTED)
    {
      g_autoptr (GError) local_error = NULL;

      /* STOP has switched the light off and closed the bench to actions. */
      if (!lb_bench_disconnect (place->bench, NULL, &local_error) &&
          !g_error_matches (local_error, LB_BENCH_ERROR, LB_BENCH_ERROR_STOPPED))
        {
          closed = FALSE;
          if (error != NULL && *error == NULL)
            g_propagate_error (error, g_steal_pointer (&local_error));
        }
    }
  if (place->session != NULL)
    closed = close_session (cli, place, error != NULL && *error == NULL ? error : NULL) && closed;
  g_clear_object (&place->session);
  g_clear_object (&place->calibrations);
  g_clear_object (&place->bench);
  return closed;
}

/* --- Progress ------------------------------------------------------------------------ */

void
cli_progress_init (CliProgress *progress)
{
  *progress = (CliProgress){ .terminal = isatty (STDERR_FILENO), .shown_percent = -1 };
}

static void
print_bar (const CliProgress *progress, double fraction, double seconds)
{
  char bar[BAR_WIDTH + 1];
  int full = (int) (fraction * BAR_WIDTH + 0.5);

  memset (bar, '-', BAR_WIDTH);
  memset (bar, '#', full);
  bar[BAR_WIDTH] = '\0';
  g_printerr ("\r\033[K%-30s [%s] %3.0f %%", progress->label, bar, 100 * fraction);
  if (fraction > 0.02 && fraction < 1)
    g_printerr (_ ("  %.0f s left"), seconds * (1 - fraction) / fraction);
}

void
cli_progress_update (CliProgress *progress, const char *label, double fraction)
{
  gint64 now_us = g_get_monotonic_time ();
  int percent;

  fraction = isfinite (fraction) ? CLAMP (fraction, 0, 1) : 0;
  percent = (int) (100 * fraction);
  if (g_strcmp0 (label, progress->label) != 0)
    {
      if (progress->terminal && progress->label != NULL)
        g_printerr ("\n");
      g_free (progress->label);
      progress->label = g_strdup (label);
      progress->start_us = now_us;
      progress->shown_us = 0;
      progress->shown_percent = -PLAIN_PERCENT;
    }
  if (progress->terminal)
    {
      if (now_us - progress->shown_us < TERMINAL_INTERVAL_US && percent < 100)
        return;
      print_bar (progress, fraction, (now_us - progress->start_us) / 1e6);
      progress->shown_us = now_us;
    }
  else if (percent >= progress->shown_percent + PLAIN_PERCENT)
    {
      progress->shown_percent = percent / PLAIN_PERCENT * PLAIN_PERCENT;
      g_printerr ("%s: %d %%\n", progress->label, percent);
    }
}

void
cli_progress_done (CliProgress *progress)
{
  if (progress->terminal && progress->label != NULL)
    g_printerr ("\n");
  g_clear_pointer (&progress->label, g_free);
}

/* The forecast is said once it is certain that something is measured. */
typedef struct
{
  CliProgress progress;
  LbCalibrationForecast forecast;
  gboolean said;
} CalibrationProgress;

static void
say_forecast (CalibrationProgress *self)
{
  g_autofree char *seconds = g_strdup_printf ("%.0f s", self->forecast.seconds);

  self->said = TRUE;
  g_printerr (_ ("Forecast: %llu exposures, %s of bench time"), (unsigned long long) self->forecast.exposures,
              seconds);
  g_printerr ("\n");
}

static void
calibration_progress_cb (const char *step,
                         double fraction,
                         const char *message,
                         LbFigure *figure,
                         LbFrame *frame,
                         gpointer user_data)
{
  const LbCalibrationStep *row = lb_calibration_steps_find (step);
  CalibrationProgress *self = user_data;

  if (!self->said)
    say_forecast (self);
  cli_progress_update (&self->progress, row != NULL ? _ (row->title) : step, fraction);
}

void
cli_snapshot_cb (LbSnapshot *snapshot, gpointer user_data)
{
  cli_progress_update (user_data, _ ("Experiment"), snapshot->fraction);
}

gboolean
cli_run_calibration (Cli *cli, CliPlace *place, const char *const *steps, GPtrArray *results, GError **error)
{
  CalibrationProgress progress = { .said = FALSE };
  gboolean done;

  lb_workflow_forecast_calibration (place->bench, place->calibrations, steps, &progress.forecast);
  cli_progress_init (&progress.progress);
  done = lb_workflow_calibrate (place->bench, place->calibrations, place->session, steps, results,
                                calibration_progress_cb, &progress, cli->cancellable, error);
  cli_progress_done (&progress.progress);
  return done;
}

/* Results that are due are used all the same; whoever runs is to know. */
static void
note_due (const CliPlace *place)
{
  g_autoptr (GString) names = g_string_new (NULL);

  for (const LbCalibrationStep *const *step = lb_calibration_steps_get (); *step != NULL; step++)
    {
      g_autoptr (LbCalibration) result = lb_calibration_set_dup (place->calibrations, (*step)->name);

      if (result != NULL && !(*step)->only_checks &&
          lb_calibration_set_is_due_on (place->calibrations, place->bench, (*step)->name, NULL))
        g_string_append_printf (names, "%s%s", names->len > 0 ? ", " : "", (*step)->name);
    }
  if (names->len > 0)
    g_printerr (_ ("note: calibration steps that are due are used as they are: %s (calibrate --steps due "
                   "measures them anew)\n"),
                names->str);
}

gboolean
cli_run_experiment (
    Cli *cli, CliPlace *place, LbExperiment *experiment, const LbSentinelSettings *sentinels, GError **error)
{
  LbExperimentPlace where = { place->bench, place->calibrations, place->session, TRUE, *sentinels };
  g_auto (CliProgress) progress = { NULL };

  note_due (place);
  cli_progress_init (&progress);
  return lb_experiment_run (experiment, &where, cli_snapshot_cb, &progress, cli->cancellable, error);
}

/* --- Output ------------------------------------------------------------------------------ */

char *
cli_format_number (double value)
{
  char buffer[G_ASCII_DTOSTR_BUF_SIZE];

  return g_strdup (g_ascii_formatd (buffer, sizeof buffer, "%.9g", value));
}

/* Groups are printed by themselves. */
static gboolean
is_group (const LbQuantity *quantity)
{
  return g_str_has_prefix (quantity->name, "group_");
}

void
cli_print_quantities (const LbQuantities *quantities, const char *indent)
{
  for (guint i = 0; i < lb_quantities_get_length (quantities); i++)
    {
      const LbQuantity *quantity = lb_quantities_get_nth (quantities, i);
      g_autofree char *number = quantity->text == NULL ? cli_format_number (quantity->value) : NULL;

      if (is_group (quantity))
        continue;
      g_print ("%s%s: %s%s%s\n", indent, quantity->name, number != NULL ? number : quantity->text,
               quantity->unit[0] != '\0' ? " " : "", quantity->unit);
    }
}

void
cli_json_number (JsonBuilder *builder, const char *name, double value)
{
  json_builder_set_member_name (builder, name);
  if (!isfinite (value))
    json_builder_add_null_value (builder);
  else if (value == rint (value) && fabs (value) < 9e15)
    json_builder_add_int_value (builder, (gint64) value);
  else
    json_builder_add_double_value (builder, value);
}

void
cli_json_text (JsonBuilder *builder, const char *name, const char *value)
{
  json_builder_set_member_name (builder, name);
  json_builder_add_string_value (builder, value);
}

void
cli_json_quantities (JsonBuilder *builder, const LbQuantities *quantities)
{
  for (guint i = 0; i < lb_quantities_get_length (quantities); i++)
    {
      const LbQuantity *quantity = lb_quantities_get_nth (quantities, i);

      if (is_group (quantity))
        continue;
      if (quantity->text != NULL)
        cli_json_text (builder, quantity->name, quantity->text);
      else
        cli_json_number (builder, quantity->name, quantity->value);
    }
}

void
cli_json_print (JsonBuilder *builder)
{
  g_autoptr (JsonNode) root = json_builder_get_root (builder);
  g_autofree char *text = json_to_string (root, FALSE);

  g_print ("%s\n", text);
}

void
cli_print_results (Cli *cli, const LbQuantities *results)
{
  g_autoptr (JsonBuilder) builder = NULL;

  if (!cli->json)
    {
      cli_print_quantities (results, "");
      return;
    }
  builder = json_builder_new ();
  json_builder_begin_object (builder);
  cli_json_quantities (builder, results);
  json_builder_end_object (builder);
  cli_json_print (builder);
}
