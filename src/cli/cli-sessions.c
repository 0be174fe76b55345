/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <glib/gi18n.h>

#include "cli.h"

static const char *
run_state_name (LbRunState state)
{
  static const char *const names[] = { "not ended", "finished", "aborted", "failed" };

  return names[state];
}

static void
print_plain (
    gboolean whole, const char *why, const GPtrArray *calibrations, const GPtrArray *runs, gint64 rows)
{
  g_print ("whole: %s%s%s\n", whole ? "true" : "false", why != NULL ? ", " : "", why != NULL ? why : "");
  g_print ("calibrations: %u\nruns: %u\nrows: %" G_GINT64_FORMAT "\n", calibrations->len, runs->len, rows);
  for (guint i = 0; i < runs->len; i++)
    {
      const LbSessionRun *run = g_ptr_array_index (runs, i);

      g_print ("run %" G_GINT64_FORMAT ": %s, %s, %" G_GINT64_FORMAT " rows\n", run->id, run->kind,
               run_state_name (run->state), run->rows);
    }
}

static void
print_json (
    gboolean whole, const char *why, const GPtrArray *calibrations, const GPtrArray *runs, gint64 rows)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();

  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "whole");
  json_builder_add_boolean_value (builder, whole);
  if (why != NULL)
    cli_json_text (builder, "why", why);
  cli_json_number (builder, "calibrations", calibrations->len);
  cli_json_number (builder, "runs", runs->len);
  cli_json_number (builder, "rows", rows);
  json_builder_end_object (builder);
  cli_json_print (builder);
}

int
cli_sessions (Cli *cli, int argc, char **argv)
{
  g_autoptr (LbSession) session = NULL;
  g_autoptr (GPtrArray) runs = NULL;
  g_autoptr (GPtrArray) calibrations = NULL;
  g_autoptr (GError) damage = NULL;
  GError *error = NULL;
  gboolean whole;
  gint64 rows = 0;
  int exit_code = cli_parse (cli, &argc, &argv, "SESSION",
                             _ ("What is in a session file, and whether it is whole."), NULL, NULL);

  if (exit_code >= 0)
    return exit_code;
  if (argc != 2)
    return cli_wrong (cli, _ ("give one session file"));
  session = lb_session_open_read_only (argv[1], &error);
  if (session == NULL)
    return cli_fail (cli, error);
  whole = lb_session_verify (session, &damage);
  runs = lb_session_list_runs (session, &error);
  if (runs == NULL)
    return cli_fail (cli, error);
  calibrations = lb_session_list_calibrations (session, &error);
  if (calibrations == NULL)
    return cli_fail (cli, error);
  for (guint i = 0; i < runs->len; i++)
    rows += ((const LbSessionRun *) g_ptr_array_index (runs, i))->rows;
  (cli->json ? print_json : print_plain) (whole, whole ? NULL : damage->message, calibrations, runs, rows);
  return whole ? CLI_SUCCESS : CLI_FAILED;
}
