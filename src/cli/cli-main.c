/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <glib-unix.h>
#include <glib/gi18n.h>

#include "cli.h"

typedef struct
{
  const char *name;
  CliFunc func;
  const char *summary;
} Subcommand;

static const Subcommand subcommands[] = {
  { "devices", cli_devices, N_ ("list devices, or connect those of a setup") },
  { "off", cli_off, N_ ("light off, planes black, confirmed") },
  { "calibrate", cli_calibrate, N_ ("calibrate the bench") },
  { "calibrations", cli_calibrations, N_ ("list, compare, mark, export stored calibrations") },
  { "run", cli_run, N_ ("run an experiment: dot-product, layer, attention, model") },
  { "multiply", cli_multiply, N_ ("multiply two .npy matrices") },
  { "logits", cli_logits, N_ ("logits of a window of tokens") },
  { "perplexity", cli_perplexity, N_ ("how well a model predicts a text") },
  { "generate", cli_generate, N_ ("continue a text with a model") },
  { "report", cli_report, N_ ("write the report of a session as PDF") },
  { "sessions", cli_sessions, N_ ("what is in a session file, and whether it is whole") },
  { "first-light", cli_first_light, N_ ("calibrate, run, report: the whole session at once") },
};

typedef struct
{
  Cli cli;
  CliFunc func;
  int argc;
  char **argv;
  int exit_code;
  GMainLoop *loop;
  gboolean interrupted;
} Call;

static gboolean
quit_cb (gpointer user_data)
{
  Call *call = user_data;

  g_main_loop_quit (call->loop);
  return G_SOURCE_REMOVE;
}

static gpointer
call_thread (gpointer user_data)
{
  Call *call = user_data;

  call->exit_code = call->func (&call->cli, call->argc, call->argv);
  g_idle_add (quit_cb, call);
  return NULL;
}

/* Light off first, by the way that does not wait for anybody; then the run
 * ends itself and closes its session. */
static gboolean
interrupted_cb (gpointer user_data)
{
  Call *call = user_data;

  g_mutex_lock (&call->cli.lock);
  if (call->cli.bench != NULL)
    lb_bench_stop (call->cli.bench);
  g_mutex_unlock (&call->cli.lock);
  g_cancellable_cancel (call->cli.cancellable);
  call->interrupted = TRUE;
  return G_SOURCE_CONTINUE;
}

static void
print_usage (void)
{
  g_print ("%s\n  lightbench-cli %s\n\n%s\n", _ ("Usage:"), _ ("SUBCOMMAND [OPTION…]"), _ ("Subcommands:"));
  for (guint i = 0; i < G_N_ELEMENTS (subcommands); i++)
    g_print ("  %-12s %s\n", subcommands[i].name, _ (subcommands[i].summary));
  g_print ("\n%s\n", _ ("lightbench-cli SUBCOMMAND --help tells more of one; --version prints the version."));
}

static int
run_subcommand (const Subcommand *subcommand, int argc, char **argv)
{
  Call call = { .func = subcommand->func, .argc = argc, .argv = argv };
  GThread *thread;
  guint sources[2];

  call.cli.subcommand = subcommand->name;
  call.cli.cancellable = g_cancellable_new ();
  g_mutex_init (&call.cli.lock);
  call.loop = g_main_loop_new (NULL, FALSE);
  sources[0] = g_unix_signal_add (SIGINT, interrupted_cb, &call);
  sources[1] = g_unix_signal_add (SIGTERM, interrupted_cb, &call);
  thread = g_thread_new ("subcommand", call_thread, &call);
  g_main_loop_run (call.loop);
  g_thread_join (thread);
  for (guint i = 0; i < G_N_ELEMENTS (sources); i++)
    g_source_remove (sources[i]);
  g_main_loop_unref (call.loop);
  g_object_unref (call.cli.cancellable);
  g_mutex_clear (&call.cli.lock);
  return call.interrupted && call.exit_code != CLI_SUCCESS ? CLI_INTERRUPTED : call.exit_code;
}

/* What was said must have arrived: figures that a full disk swallowed are lost. */
static int
check_said (int exit_code)
{
  if (fflush (stdout) == 0 && !ferror (stdout))
    return exit_code;
  g_printerr (_ ("lightbench-cli: the output cannot be written: %s\n"), g_strerror (errno));
  return exit_code == CLI_SUCCESS ? CLI_FAILED : exit_code;
}

int
main (int argc, char **argv)
{
  const char *locale_folder = g_getenv ("LIGHTBENCH_LOCALE_DIR");

  setlocale (LC_ALL, "");
  bindtextdomain (GETTEXT_PACKAGE, locale_folder != NULL ? locale_folder : LB_LOCALE_DIR);
  bind_textdomain_codeset (GETTEXT_PACKAGE, "UTF-8");
  textdomain (GETTEXT_PACKAGE);
  g_set_prgname ("lightbench-cli");

  if (argc < 2 || g_str_equal (argv[1], "--help") || g_str_equal (argv[1], "-h"))
    {
      print_usage ();
      return argc < 2 ? CLI_WRONG_USE : CLI_SUCCESS;
    }
  if (g_str_equal (argv[1], "--version"))
    {
      g_print ("lightbench-cli %s\n", LB_VERSION);
      return CLI_SUCCESS;
    }
  for (guint i = 0; i < G_N_ELEMENTS (subcommands); i++)
    if (g_str_equal (argv[1], subcommands[i].name))
      return check_said (run_subcommand (&subcommands[i], argc - 1, argv + 1));
  g_printerr (_ ("lightbench-cli: %s: no such subcommand; lightbench-cli --help lists them\n"), argv[1]);
  return CLI_WRONG_USE;
}
