/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <math.h>

#include <glib/gi18n.h>
#include <lb-bench-noise-model.h>
#include <lb-calibration-store.h>

#include "cli.h"

typedef struct
{
  gboolean compare;
  char *mark_bad;
  char *export_path;
  char *import_path;
  char *noise_model;
} StoreOptions;

static void
store_options_clear (StoreOptions *options)
{
  g_free (options->mark_bad);
  g_free (options->export_path);
  g_free (options->import_path);
  g_free (options->noise_model);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (StoreOptions, store_options_clear)

static char *
format_time (gint64 time_us)
{
  g_autoptr (GDateTime) time = g_date_time_new_from_unix_utc (time_us / G_USEC_PER_SEC);

  return time != NULL ? g_date_time_format_iso8601 (time) : g_strdup ("");
}

static double
age_s (LbCalibration *calibration)
{
  return 1e-6 * (double) (g_get_real_time () - lb_calibration_get_time_us (calibration));
}

/* --- List ------------------------------------------------------------------------- */

static void
print_entry_json (JsonBuilder *builder, const LbStoredCalibration *entry, const char *why)
{
  LbCalibration *calibration = entry->calibration;
  g_autofree char *time = format_time (lb_calibration_get_time_us (calibration));

  json_builder_begin_object (builder);
  cli_json_text (builder, "id", entry->id);
  cli_json_text (builder, "step", lb_calibration_get_step (calibration));
  cli_json_text (builder, "time", time);
  cli_json_number (builder, "age_s", age_s (calibration));
  cli_json_text (builder, "verdict", lb_verdict_get_name (lb_calibration_get_verdict (calibration)));
  cli_json_number (builder, "residual", lb_calibration_get_residual (calibration));
  cli_json_number (builder, "limit", lb_calibration_get_limit (calibration));
  cli_json_text (builder, "unit", lb_calibration_get_unit (calibration));
  json_builder_set_member_name (builder, "in_force");
  json_builder_add_boolean_value (builder, entry->in_force);
  json_builder_set_member_name (builder, "bad");
  json_builder_add_boolean_value (builder, entry->bad);
  if (entry->in_force)
    {
      json_builder_set_member_name (builder, "due");
      json_builder_add_boolean_value (builder, why != NULL);
      if (why != NULL)
        cli_json_text (builder, "why", why);
    }
  cli_json_text (builder, "hash", lb_calibration_get_hash (calibration));
  json_builder_end_object (builder);
}

static void
print_entry (const LbStoredCalibration *entry, const char *why)
{
  LbCalibration *calibration = entry->calibration;
  g_autofree char *time = format_time (lb_calibration_get_time_us (calibration));
  g_autofree char *residual = cli_format_number (lb_calibration_get_residual (calibration));
  const char *unit = lb_calibration_get_unit (calibration);
  const char *state = entry->in_force ? (why != NULL ? "due" : "in force") : "superseded";

  if (entry->bad)
    state = "bad";
  else if (lb_calibration_get_verdict (calibration) == LB_VERDICT_FAIL)
    state = "failed";
  g_print ("%s: %s, %s, %s, ", entry->id, lb_calibration_get_step (calibration), time,
           lb_verdict_get_name (lb_calibration_get_verdict (calibration)));
  if (isfinite (lb_calibration_get_residual (calibration)))
    g_print ("residual %s%s%s, ", residual, unit[0] != '\0' ? " " : "", unit);
  g_print ("%s%s%s\n", state, why != NULL ? ": " : "", why != NULL ? why : "");
}

static gboolean
list_all (Cli *cli, CliPlace *place, GError **error)
{
  g_autoptr (GPtrArray) list = lb_calibration_store_list (place->bench, error);
  g_autoptr (JsonBuilder) builder = json_builder_new ();

  if (list == NULL)
    return FALSE;
  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "calibrations");
  json_builder_begin_array (builder);
  for (guint i = 0; i < list->len; i++)
    {
      const LbStoredCalibration *entry = g_ptr_array_index (list, i);
      const char *step = lb_calibration_get_step (entry->calibration);
      g_autofree char *why = NULL;

      if (entry->in_force && lb_calibration_steps_find (step) != NULL)
        lb_calibration_set_is_due_on (place->calibrations, place->bench, step, &why);
      if (cli->json)
        print_entry_json (builder, entry, why);
      else
        print_entry (entry, why);
    }
  json_builder_end_array (builder);
  json_builder_end_object (builder);
  if (cli->json)
    cli_json_print (builder);
  else if (list->len == 0)
    g_printerr (_ ("no calibrations of this bench are stored: run lightbench-cli calibrate\n"));
  return TRUE;
}

/* --- Compare ---------------------------------------------------------------------- */

static gboolean
compare_two (Cli *cli, CliPlace *place, const char *first, const char *second, GError **error)
{
  g_autoptr (LbCalibration) a = lb_calibration_store_find (place->bench, first, error);
  g_autoptr (LbCalibration) b = a != NULL ? lb_calibration_store_find (place->bench, second, error) : NULL;
  g_autoptr (GPtrArray) differences = b != NULL ? lb_calibration_compare (a, b, error) : NULL;
  g_autoptr (JsonBuilder) builder = json_builder_new ();

  if (differences == NULL)
    return FALSE;
  json_builder_begin_object (builder);
  cli_json_text (builder, "step", lb_calibration_get_step (a));
  json_builder_set_member_name (builder, "values");
  json_builder_begin_array (builder);
  for (guint i = 0; i < differences->len; i++)
    {
      const LbCalibrationDifference *one = g_ptr_array_index (differences, i);
      g_autofree char *from = cli_format_number (one->a);
      g_autofree char *to = cli_format_number (one->b);

      json_builder_begin_object (builder);
      cli_json_text (builder, "name", one->name);
      cli_json_number (builder, "a", one->a);
      cli_json_number (builder, "b", one->b);
      cli_json_text (builder, "unit", one->unit);
      json_builder_end_object (builder);
      if (!cli->json)
        g_print ("%s: %s -> %s%s%s\n", one->name, from, to, one->unit[0] != '\0' ? " " : "", one->unit);
    }
  json_builder_end_array (builder);
  json_builder_end_object (builder);
  if (cli->json)
    cli_json_print (builder);
  return TRUE;
}

/* --- Mark, export, import ------------------------------------------------------------ */

/* @rest_name: (nullable): of a second count */
static void
print_counts (Cli *cli, const char *name, guint count, const char *rest_name, guint rest)
{
  if (cli->json)
    {
      g_autoptr (JsonBuilder) builder = json_builder_new ();

      json_builder_begin_object (builder);
      cli_json_number (builder, name, count);
      if (rest_name != NULL)
        cli_json_number (builder, rest_name, rest);
      json_builder_end_object (builder);
      cli_json_print (builder);
    }
  else
    {
      g_print ("%s: %u\n", name, count);
      if (rest_name != NULL)
        g_print ("%s: %u\n", rest_name, rest);
    }
}

static gboolean
mark_bad (Cli *cli, CliPlace *place, const char *id, GError **error)
{
  g_autoptr (LbCalibration) calibration = lb_calibration_store_find (place->bench, id, error);

  if (calibration == NULL || !lb_calibration_store_mark_bad (calibration, error))
    return FALSE;
  print_counts (cli, "marked", 1, NULL, 0);
  return TRUE;
}

static gboolean
export_all (Cli *cli, CliPlace *place, const char *path, GError **error)
{
  g_autoptr (GPtrArray) list = lb_calibration_store_list (place->bench, error);
  g_autoptr (GPtrArray) results = g_ptr_array_new ();
  g_autofree char *json = NULL;

  if (list == NULL)
    return FALSE;
  for (guint i = 0; i < list->len; i++)
    g_ptr_array_add (results, ((LbStoredCalibration *) g_ptr_array_index (list, i))->calibration);
  json = lb_calibration_archive_write (results);
  if (!g_file_set_contents_full (path, json, -1, G_FILE_SET_CONTENTS_CONSISTENT, 0666, error))
    return FALSE;
  print_counts (cli, "exported", results->len, NULL, 0);
  return TRUE;
}

/* All or nothing: the file is checked whole before anything is stored. */
static gboolean
import_all (Cli *cli, const char *path, GError **error)
{
  g_autoptr (GPtrArray) results = NULL;
  g_autoptr (GPtrArray) bad = g_ptr_array_new ();
  g_autofree char *text = NULL;
  guint known = 0;
  gsize length;

  if (!g_file_get_contents (path, &text, &length, error))
    return FALSE;
  results = lb_calibration_archive_read (text, length, bad, error);
  if (results == NULL)
    {
      g_prefix_error (error, "%s: ", path);
      return FALSE;
    }
  for (guint i = 0; i < results->len; i++)
    {
      LbCalibration *result = g_ptr_array_index (results, i);

      known += lb_calibration_store_holds (result);
      if (!lb_calibration_store_save (result, error))
        return FALSE;
    }
  for (guint i = 0; i < bad->len; i++)
    if (!lb_calibration_store_mark_bad (g_ptr_array_index (bad, i), error))
      return FALSE;
  print_counts (cli, "imported", results->len - known, "already_there", known);
  return TRUE;
}

static gboolean
write_noise_model (Cli *cli, CliPlace *place, const char *path, GError **error)
{
  g_autoptr (LbCalibration) verification = lb_calibration_set_dup (place->calibrations, "verification");
  g_autoptr (LbBenchNoiseModel) model = NULL;

  if (verification == NULL)
    {
      g_set_error_literal (error, LB_CALIBRATION_ERROR, LB_CALIBRATION_ERROR_NEEDS,
                           _ ("the bench has no verification in force: calibrate it first"));
      return FALSE;
    }
  model = lb_bench_noise_model_new (verification, error);
  if (model == NULL || !lb_bench_noise_model_save (model, path, error))
    return FALSE;
  print_counts (cli, "noise_models", 1, NULL, 0);
  return TRUE;
}

static gboolean
run (Cli *cli, CliPlace *place, const StoreOptions *options, char **argv, GError **error)
{
  if (options->compare)
    return compare_two (cli, place, argv[1], argv[2], error);
  if (options->mark_bad != NULL)
    return mark_bad (cli, place, options->mark_bad, error);
  if (options->export_path != NULL)
    return export_all (cli, place, options->export_path, error);
  if (options->import_path != NULL)
    return import_all (cli, options->import_path, error);
  if (options->noise_model != NULL)
    return write_noise_model (cli, place, options->noise_model, error);
  return list_all (cli, place, error);
}

int
cli_calibrations (Cli *cli, int argc, char **argv)
{
  g_auto (CliBenchOptions) bench_options = { NULL };
  g_autofree GOptionEntry *bench_entries = cli_bench_entries (&bench_options);
  g_auto (StoreOptions) options = { FALSE };
  const GOptionEntry entries[] = {
    { "compare", 0, 0, G_OPTION_ARG_NONE, &options.compare,
      N_ ("compare the two calibrations of one step that are named"), NULL },
    { "mark-bad", 0, 0, G_OPTION_ARG_STRING, &options.mark_bad,
      N_ ("do not use this calibration any more; it is kept"), "ID" },
    { "export", 0, 0, G_OPTION_ARG_FILENAME, &options.export_path,
      N_ ("write all calibrations of the bench to a JSON file"), N_ ("FILE") },
    { "import", 0, 0, G_OPTION_ARG_FILENAME, &options.import_path,
      N_ ("store the calibrations of such a file"), N_ ("FILE") },
    { "noise-model", 0, 0, G_OPTION_ARG_FILENAME, &options.noise_model,
      N_ ("write the bench's noise model, from the verification in force, to a JSON file"), N_ ("FILE") },
    { NULL },
  };
  GError *error = NULL;
  CliPlace place = { NULL };
  const char *output;
  gboolean done;
  int chosen, exit_code = cli_parse (cli, &argc, &argv, "[A B]",
                                     _ ("Lists the stored calibrations of a bench."), bench_entries, entries);

  if (exit_code >= 0)
    return exit_code;
  chosen = options.compare + (options.mark_bad != NULL) + (options.export_path != NULL) +
           (options.import_path != NULL) + (options.noise_model != NULL);
  if (chosen > 1)
    return cli_wrong (cli, _ ("give one of --compare, --mark-bad, --export, --import and --noise-model"));
  if (options.compare && argc != 3)
    return cli_wrong (cli, _ ("--compare takes two calibrations, by the digits that the list shows"));
  if (!options.compare && argc > 1)
    return cli_wrong (cli, _ ("\"%s\" is too much; see --help"), argv[1]);
  output = options.export_path != NULL ? options.export_path : options.noise_model;
  exit_code = output != NULL ? cli_check_output (cli, output) : -1;
  if (exit_code >= 0)
    return exit_code;
  done =
      cli_place_open_store (cli, &place, &bench_options, &error) && run (cli, &place, &options, argv, &error);
  done = cli_place_close (cli, &place, &error) && done;
  return done ? CLI_SUCCESS : cli_fail (cli, error);
}
