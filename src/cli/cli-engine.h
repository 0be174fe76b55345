/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <lb-forward.h>

#include "cli.h"

G_BEGIN_DECLS

/* What multiplies: options and engines that logits, perplexity, generate and
 * multiply share. */
typedef enum
{
  CLI_ENGINE_DIGITAL,
  CLI_ENGINE_INT8,
  CLI_ENGINE_NOISE,
  CLI_ENGINE_BENCH,
  CLI_N_ENGINES,
} CliEngineKind;

typedef struct
{
  CliBenchOptions bench;
  char *engine;
  char **routes; /* LAYER.OP=ENGINE */
  char *photons;
  char *mode;
  char *slm_lut;
  char *source_lut;
  char *sigma_mean;
  char *noise_model;
  char *gaussian;
  char *calibration_text;
  char *save_model;
  int bits;
  int threads;
  gboolean calibrate;
  /* By cli_engine_options_check(). */
  CliEngineKind kind;
  double photons_per_mac; /* INFINITY: no shot noise */
  double g[2];            /* of linear layers, of attention; negative: the paper's */
} CliEngineOptions;

/* Entries for a copy of @options, those of bench and session with them; free
 * with g_free(). @whole_model: with those that a single product has no use for. */
GOptionEntry *cli_engine_entries (CliEngineOptions *options, gboolean whole_model);
/* Checks what was parsed; -1 to go on, else the exit code. */
int cli_engine_options_check (Cli *cli, CliEngineOptions *options);
void cli_engine_options_clear (CliEngineOptions *options);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (CliEngineOptions, cli_engine_options_clear)

/* One --route; -1: all layers, all operators. */
typedef struct
{
  int layer;
  int op;
  CliEngineKind kind;
} CliRoute;

/* LB_EXPERIMENT_ERROR_SETTINGS if it is not LAYER.OP=ENGINE. */
gboolean cli_route_parse (const char *text, CliRoute *route, GError **error);
gboolean cli_engine_kind_from_name (const char *name, CliEngineKind *kind);
/* Whether --engine or a --route names it. */
gboolean cli_engine_is_wanted (const CliEngineOptions *options, CliEngineKind kind);

/* The engines that the options ask for, and the bench if it is one of them. */
typedef struct
{
  LbEngine *engines[CLI_N_ENGINES]; /* NULL: not asked for */
  CliPlace place;
  gint64 run; /* of the session, 0 without the bench */
} CliEngines;

/* Makes the engines; connects (and calibrates, if asked) the bench if it is
 * among them, and begins a run of kind @run_kind in its session. */
gboolean cli_engines_open (
    Cli *cli, CliEngines *engines, const CliEngineOptions *options, const char *run_kind, GError **error);
/* Ends the run, closes the bench; @done: whether everything went well so far;
 * @results: of the run. @error may be set already and stays then. Returns whether
 * it still does. */
gboolean
cli_engines_close (Cli *cli, CliEngines *engines, gboolean done, const LbQuantities *results, GError **error);

/*
 * Opens the model, finds what it lacks on the calibration text, sends all operators to the engine and
 * the routed ones to theirs. Wrong layers or operators, and engines that need
 * ranges where the model has none: an error.
 */
LbForward *cli_engines_new_forward (
    Cli *cli, CliEngines *engines, const CliEngineOptions *options, const char *model, GError **error);

/* Tells on standard error where --mode moment was not followed. */
void cli_note_counts (const LbEngineCounts *counts);
/* What the products cost, for results: MACs, exposures, photons and so on. */
void cli_add_counts (LbQuantities *results, const LbEngineCounts *counts);
/* The engine's name and settings, as results name them. */
void cli_add_engine (LbQuantities *results, const CliEngineOptions *options);

/* Token ids of a text file (or @text, if not NULL), by the model's tokenizer. */
GArray *cli_read_tokens (LbModel *model, const char *path, const char *text, GError **error);

G_END_DECLS
