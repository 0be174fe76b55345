/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <json-glib/json-glib.h>
#include <lb-workflow.h>

G_BEGIN_DECLS

#define CLI_SUCCESS 0
#define CLI_FAILED 1
#define CLI_WRONG_USE 2
#define CLI_INTERRUPTED 130

/* One call of the program: what all subcommands share. */
typedef struct
{
  const char *subcommand;
  GCancellable *cancellable; /* triggered by SIGINT and SIGTERM */
  GMutex lock;
  LbBench *bench; /* in use, for STOP; under lock */
  gboolean json;
} Cli;

/* A subcommand; runs in a thread of its own while the main context runs.
 * Returns the exit code. */
typedef int (*CliFunc) (Cli *cli, int argc, char **argv);

int cli_calibrate (Cli *cli, int argc, char **argv);
int cli_calibrations (Cli *cli, int argc, char **argv);
int cli_devices (Cli *cli, int argc, char **argv);
int cli_first_light (Cli *cli, int argc, char **argv);
int cli_generate (Cli *cli, int argc, char **argv);
int cli_logits (Cli *cli, int argc, char **argv);
int cli_multiply (Cli *cli, int argc, char **argv);
int cli_off (Cli *cli, int argc, char **argv);
int cli_perplexity (Cli *cli, int argc, char **argv);
int cli_report (Cli *cli, int argc, char **argv);
int cli_run (Cli *cli, int argc, char **argv);
int cli_sessions (Cli *cli, int argc, char **argv);

/* Parses; -1 to go on, else the exit code. @entries is added to --json. */
int cli_parse (Cli *cli,
               int *argc,
               char ***argv,
               const char *parameters,
               const char *summary,
               const GOptionEntry *entries,
               const GOptionEntry *more_entries);
/* Prints `lightbench-cli: what: why`, or the JSON object of an error; returns
 * the exit code that fits it. Takes @error. */
int cli_fail (Cli *cli, GError *error);
/* Likewise; what was done before, an object not yet ended (nullable), holds the error. */
int cli_fail_after (Cli *cli, JsonBuilder *done, GError *error);
int cli_wrong (Cli *cli, const char *format, ...) G_GNUC_PRINTF (2, 3);
int cli_check_output (Cli *cli, const char *path);

/* Tests each device of @setup by itself; what it finds goes to stdout. */
int cli_self_test (Cli *cli, LbSetup *setup, gboolean unplug);

/* --- Options that say on which bench and in which session --------------------- */

typedef struct
{
  char *setup;
  char *session;
  char *fidelity;
  gint64 seed;
  gint64 world_seed;
} CliBenchOptions;

/* Entries for a copy of @options; free with g_free(). */
GOptionEntry *cli_bench_entries (CliBenchOptions *options);
void cli_bench_options_clear (CliBenchOptions *options);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (CliBenchOptions, cli_bench_options_clear)

typedef struct
{
  LbBench *bench;
  LbSession *session;
  LbCalibrationSet *calibrations;
  gboolean new_session; /* was not there before */
} CliPlace;

/* Connects the bench, opens the session (a new one in the user's data folder
 * where none was named), loads the calibrations in force. */
gboolean cli_place_open (Cli *cli, CliPlace *place, const CliBenchOptions *options, GError **error);
/* The same without a session: what is in force comes from the store, or from the
 * session that was named, which is only read. */
gboolean cli_place_open_store (Cli *cli, CliPlace *place, const CliBenchOptions *options, GError **error);
/* Light off, session closed; @error may be set already and stays then. */
gboolean cli_place_close (Cli *cli, CliPlace *place, GError **error);

/* --- What is printed ------------------------------------------------------------- */

/* Progress on standard error: a bar with the time left on a terminal, plain
 * lines elsewhere. From any one thread at a time. */
typedef struct
{
  char *label;
  gboolean terminal;
  gint64 start_us;
  gint64 shown_us;
  int shown_percent;
} CliProgress;

void cli_progress_init (CliProgress *progress);
void cli_progress_update (CliProgress *progress, const char *label, double fraction);
/* Ends the line. */
void cli_progress_done (CliProgress *progress);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (CliProgress, cli_progress_done)

/* Shows progress of calibrations and experiments; user data is a CliProgress. */
void cli_snapshot_cb (LbSnapshot *snapshot, gpointer user_data);

/* `name: value unit` lines. */
void cli_print_quantities (const LbQuantities *quantities, const char *indent);
/* Lines, or with --json one object. */
void cli_print_results (Cli *cli, const LbQuantities *results);
/* A number for machines: C locale, as many digits as matter. */
char *cli_format_number (double value);
/* Members of the object that is open in @builder; NaN becomes null. */
void cli_json_number (JsonBuilder *builder, const char *name, double value);
void cli_json_text (JsonBuilder *builder, const char *name, const char *value);
void cli_json_quantities (JsonBuilder *builder, const LbQuantities *quantities);
/* Prints the root object on one line. */
void cli_json_print (JsonBuilder *builder);

/* Calibrates the steps with progress; those measured go to @results. */
gboolean
cli_run_calibration (Cli *cli, CliPlace *place, const char *const *steps, GPtrArray *results, GError **error);
/* Runs with progress. */
gboolean cli_run_experiment (
    Cli *cli, CliPlace *place, LbExperiment *experiment, const LbSentinelSettings *sentinels, GError **error);

G_END_DECLS
