/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <glib/gi18n.h>
#include <lb-report.h>

#include "cli.h"

int
cli_report (Cli *cli, int argc, char **argv)
{
  g_autofree char *output = NULL;
  g_autofree char *title = NULL;
  g_autofree char *operator_name = NULL;
  const GOptionEntry entries[] = {
    { "output", 'o', 0, G_OPTION_ARG_FILENAME, &output, N_ ("PDF to write"), "FILE.pdf" },
    { "title", 0, 0, G_OPTION_ARG_STRING, &title, N_ ("title of the report"), N_ ("TEXT") },
    { "operator", 0, 0, G_OPTION_ARG_STRING, &operator_name, N_ ("name of the operator"), N_ ("NAME") },
    { NULL },
  };
  g_autoptr (LbSession) session = NULL;
  LbReportOptions options = { NULL };
  GError *error = NULL;
  int exit_code =
      cli_parse (cli, &argc, &argv, "SESSION", _ ("Writes the report of a session as PDF."), entries, NULL);

  if (exit_code >= 0)
    return exit_code;
  if (argc != 2 || output == NULL)
    return cli_wrong (cli, _ ("give a session file and -o FILE.pdf"));
  if ((exit_code = cli_check_output (cli, output)) >= 0)
    return exit_code;
  options.title = title;
  options.operator_name = operator_name;
  session = lb_session_open_read_only (argv[1], &error);
  if (session == NULL || !lb_report_write_pdf (session, output, &options, &error))
    return cli_fail (cli, error);
  if (cli->json)
    {
      g_autoptr (JsonBuilder) builder = json_builder_new ();

      json_builder_begin_object (builder);
      cli_json_text (builder, "report", output);
      json_builder_end_object (builder);
      cli_json_print (builder);
    }
  else
    g_print ("report: %s\n", output);
  return CLI_SUCCESS;
}
