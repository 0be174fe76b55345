/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <math.h>

#include <glib/gi18n.h>

#include "cli.h"

/* What was done, an object that is still to be ended. */
static JsonBuilder *
make_object (const CliPlace *place, const GPtrArray *results)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();

  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "steps");
  json_builder_begin_array (builder);
  for (guint i = 0; i < results->len; i++)
    {
      LbCalibration *result = g_ptr_array_index (results, i);

      json_builder_begin_object (builder);
      cli_json_text (builder, "name", lb_calibration_get_step (result));
      cli_json_text (builder, "verdict", lb_verdict_get_name (lb_calibration_get_verdict (result)));
      cli_json_number (builder, "residual", lb_calibration_get_residual (result));
      cli_json_number (builder, "limit", lb_calibration_get_limit (result));
      cli_json_text (builder, "unit", lb_calibration_get_unit (result));
      cli_json_number (builder, "duration_s", lb_calibration_get_duration_s (result));
      cli_json_number (builder, "exposures", lb_calibration_get_exposures (result));
      cli_json_number (
          builder, "duration_forecast_s",
          lb_quantities_get (lb_calibration_values (result), LB_CALIBRATION_DURATION_FORECAST, NAN));
      cli_json_number (
          builder, "exposures_forecast",
          lb_quantities_get (lb_calibration_values (result), LB_CALIBRATION_EXPOSURES_FORECAST, NAN));
      cli_json_text (builder, "message", lb_calibration_get_message (result));
      cli_json_text (builder, "hash", lb_calibration_get_hash (result));
      json_builder_set_member_name (builder, "values");
      json_builder_begin_object (builder);
      cli_json_quantities (builder, lb_calibration_values (result));
      json_builder_end_object (builder);
      json_builder_end_object (builder);
    }
  json_builder_end_array (builder);
  cli_json_text (builder, "session", lb_session_get_path (place->session));
  return g_steal_pointer (&builder);
}

static void
print_plain (const CliPlace *place, const GPtrArray *results)
{
  for (guint i = 0; i < results->len; i++)
    {
      LbCalibration *result = g_ptr_array_index (results, i);
      g_autofree char *residual = cli_format_number (lb_calibration_get_residual (result));
      g_autofree char *limit = cli_format_number (lb_calibration_get_limit (result));
      g_autofree char *duration = cli_format_number (lb_calibration_get_duration_s (result));
      g_autofree char *forecast = cli_format_number (
          lb_quantities_get (lb_calibration_values (result), LB_CALIBRATION_DURATION_FORECAST, NAN));
      const char *unit = lb_calibration_get_unit (result);
      const char *space = unit[0] != '\0' ? " " : "";

      g_print ("step: %s\n", lb_calibration_get_step (result));
      g_print ("  verdict: %s\n", lb_verdict_get_name (lb_calibration_get_verdict (result)));
      if (isfinite (lb_calibration_get_residual (result)))
        g_print ("  residual: %s%s%s\n  limit: %s%s%s\n", residual, space, unit, limit, space, unit);
      g_print ("  duration_s: %s s\n  duration_forecast_s: %s s\n", duration, forecast);
      g_print ("  message: %s\n", lb_calibration_get_message (result));
    }
  if (results->len > 0)
    g_print ("session: %s\n", lb_session_get_path (place->session));
  else
    g_print (_ ("nothing is due\n"));
}

int
cli_calibrate (Cli *cli, int argc, char **argv)
{
  g_auto (CliBenchOptions) options = { NULL };
  g_autofree GOptionEntry *bench_entries = cli_bench_entries (&options);
  g_autofree char *steps = NULL;
  const GOptionEntry entries[] = {
    { "steps", 0, 0, G_OPTION_ARG_STRING, &steps, N_ ("steps to do (default all)"), "a,b|due|all" },
    { NULL },
  };
  g_autoptr (GPtrArray) results = g_ptr_array_new_with_free_func (g_object_unref);
  g_auto (GStrv) names = NULL;
  GError *error = NULL;
  CliPlace place = { NULL };
  g_autoptr (JsonBuilder) object = NULL;
  gboolean done;
  int exit_code =
      cli_parse (cli, &argc, &argv, NULL, _ ("Calibrates the bench, step by step."), bench_entries, entries);

  if (exit_code >= 0)
    return exit_code;
  if (argc > 1)
    return cli_wrong (cli, _ ("\"%s\" is too much; see --help"), argv[1]);
  names = steps != NULL ? g_strsplit (steps, ",", -1) : NULL;
  done = cli_place_open (cli, &place, &options, &error) &&
         cli_run_calibration (cli, &place, (const char *const *) names, results, &error);
  if (place.session != NULL && (done || results->len > 0))
    {
      if (cli->json)
        object = make_object (&place, results);
      else
        print_plain (&place, results);
    }
  done = cli_place_close (cli, &place, &error) && done;
  if (!done)
    return cli_fail_after (cli, object, error);
  if (object != NULL)
    {
      json_builder_end_object (object);
      cli_json_print (object);
    }
  return CLI_SUCCESS;
}
