/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <gio/gio.h>
#include <lb-bench.h>
#include <lb-figure.h>
#include <lb-optics-model.h>
#include <lb-quantities.h>

G_BEGIN_DECLS

#define LB_CALIBRATION_ERROR (lb_calibration_error_quark ())
GQuark lb_calibration_error_quark (void);
typedef enum
{
  LB_CALIBRATION_ERROR_NEEDS, /* a step that it needs has not been done; the message names it */
  LB_CALIBRATION_ERROR_NO_SUCH_STEP,
  LB_CALIBRATION_ERROR_SIGNAL,  /* what the camera saw cannot be used; says what it saw and what to do */
  LB_CALIBRATION_ERROR_FORMAT,  /* stored result is damaged or foreign */
  LB_CALIBRATION_ERROR_DEVICES, /* stored result belongs to other devices */
  LB_CALIBRATION_ERROR_NO_SUCH_RESULT, /* nothing stored goes by that name */
} LbCalibrationError;

typedef enum
{
  LB_VERDICT_PASS,
  LB_VERDICT_WARN,
  LB_VERDICT_FAIL,
} LbVerdict;

/* "pass", "warn", "fail": for machines. */
const char *lb_verdict_get_name (LbVerdict verdict);

/**
 * LbCalibration: the result of one step: values, arrays and figures, with when
 * and on which devices, how well (residual against limit), the verdict and a
 * sentence that says what to do. Filled by the step, then sealed (its hash is
 * taken) and immutable.
 */
#define LB_TYPE_CALIBRATION (lb_calibration_get_type ())
G_DECLARE_FINAL_TYPE (LbCalibration, lb_calibration, LB, CALIBRATION, GObject)

LbCalibration *lb_calibration_new (const char *step);
/* For the step, before it is sealed. */
LbQuantities *lb_calibration_values (LbCalibration *self);   /* transfer none */
LbQuantities *lb_calibration_settings (LbCalibration *self); /* transfer none */
void lb_calibration_set_array (LbCalibration *self, const char *name, LbMatrix *array);
void lb_calibration_set_plane_map (LbCalibration *self, const char *name, const LbPlaneMap *map);
void lb_calibration_add_figure (LbCalibration *self, const char *name, LbFigure *figure);
void lb_calibration_set_verdict (LbCalibration *self,
                                 LbVerdict verdict,
                                 double residual,
                                 double limit,
                                 const char *unit,
                                 const char *message);
/* Any time. */
const char *lb_calibration_get_step (LbCalibration *self);
LbMatrix *lb_calibration_get_array (LbCalibration *self, const char *name); /* transfer none, NULL */
gboolean lb_calibration_get_plane_map (LbCalibration *self, const char *name, LbPlaneMap *map);
guint lb_calibration_get_n_figures (LbCalibration *self);
LbFigure *lb_calibration_get_figure (LbCalibration *self, guint nth, const char **name);
LbVerdict lb_calibration_get_verdict (LbCalibration *self);
double lb_calibration_get_residual (LbCalibration *self);
double lb_calibration_get_limit (LbCalibration *self);
const char *lb_calibration_get_unit (LbCalibration *self);
const char *lb_calibration_get_message (LbCalibration *self);
gint64 lb_calibration_get_time_us (LbCalibration *self);    /* Unix time */
double lb_calibration_get_duration_s (LbCalibration *self); /* bench time */
guint64 lb_calibration_get_exposures (LbCalibration *self);
const LbQuantities *lb_calibration_get_identities (LbCalibration *self);
const char *lb_calibration_get_hash (LbCalibration *self); /* SHA-256 hex; NULL before it is sealed */
/* For who runs a step: makes the result immutable and takes its hash. @time_us:
 * Unix time; @duration_s: of bench time; @identities: of the bench's devices. */
void lb_calibration_seal (LbCalibration *self,
                          gint64 time_us,
                          double duration_s,
                          guint64 exposures,
                          const LbQuantities *identities);
/* Whether it was measured on the bench's devices, in its fidelity. */
gboolean lb_calibration_fits_bench (LbCalibration *self, LbBench *bench);
/* The whole result, for session and store, once it is sealed; the same bytes give the same hash. */
GBytes *lb_calibration_to_bytes (LbCalibration *self);
LbCalibration *lb_calibration_from_bytes (GBytes *bytes, GError **error);

/* ---- Steps ---------------------------------------------------------------- */

typedef struct _LbCalibrationSet LbCalibrationSet;

/* Called in the thread that runs the step. @fraction 0..1; @figure (what is
 * known so far) and @frame (the last one) may be NULL. */
typedef void (*LbCalibrationProgress) (const char *step,
                                       double fraction,
                                       const char *message,
                                       LbFigure *figure,
                                       LbFrame *frame,
                                       gpointer user_data);

/* What a step measures with. */
typedef struct
{
  LbBench *bench;
  LbCalibrationSet *in_force;
  LbCalibrationProgress progress; /* use lb_calibration_report_progress() */
  gpointer progress_data;
  const char *step;
} LbCalibrationContext;

void lb_calibration_report_progress (
    LbCalibrationContext *context, double fraction, const char *message, LbFigure *figure, LbFrame *frame);

/* What a step will take: frames, and bench time. */
typedef struct
{
  guint64 exposures;
  double seconds;
} LbCalibrationForecast;

/* One file a step, one row here. */
typedef struct
{
  const char *name;        /* "dark" */
  const char *title;       /* marked with N_() */
  const char *description; /* what it finds and why, one sentence; N_() */
  const char *needs[6];    /* names of steps, NULL-terminated */
  double max_age_s;
  gboolean only_checks; /* it tells how good the others are; products can do without */
  gboolean optional; /* without it the setup file's nominal values are used; a failed one stands in the way */
  /* On a connected bench of which nothing is known but its setup. Adds to @forecast. */
  void (*forecast) (LbBench *bench, LbCalibrationForecast *forecast);
  /* In the worker. Fills @result; FALSE with @error if it could not measure. */
  gboolean (*measure) (LbCalibrationContext *context,
                       LbCalibration *result,
                       GCancellable *cancellable,
                       GError **error);
} LbCalibrationStep;

/* In the order in which they are done; NULL-terminated. */
const LbCalibrationStep *const *lb_calibration_steps_get (void);
const LbCalibrationStep *lb_calibration_steps_find (const char *name);

/* ---- The set in force ------------------------------------------------------ */

#define LB_TYPE_CALIBRATION_SET (lb_calibration_set_get_type ())
G_DECLARE_FINAL_TYPE (LbCalibrationSet, lb_calibration_set, LB, CALIBRATION_SET, GObject)

/* Results in force for the devices of one bench; thread-safe. Signal "changed"
 * (in the thread that changes it). */
LbCalibrationSet *lb_calibration_set_new (void);
LbCalibration *lb_calibration_set_dup (LbCalibrationSet *self, const char *step); /* transfer full, NULL */
/* Supersedes the one of the same step; those that need it become stale. */
void lb_calibration_set_put (LbCalibrationSet *self, LbCalibration *calibration);
/* What came of a step's last run if that failed; transfer full, NULL. */
LbCalibration *lb_calibration_set_dup_failed (LbCalibrationSet *self, const char *step);
/* Missing, older than its step allows, or older than one that it needs. @why
 * (may be NULL): a sentence. */
gboolean lb_calibration_set_is_due (LbCalibrationSet *self, const char *step, char **why);
/* The same, and due as well if the bench is set up differently now than it was
 * for the result: exposure, light, macropixels, margin, guard, the camera's size. */
gboolean lb_calibration_set_is_due_on (LbCalibrationSet *self, LbBench *bench, const char *step, char **why);
/* All steps that products need are in force, none failed. */
gboolean lb_calibration_set_is_complete (LbCalibrationSet *self);
/* What encodes and decodes. Needs alignment; everything else falls back to the
 * setup's nominal values. @calibrated FALSE: nominal values even where there are
 * measured ones, but for alignment and what concerns the sensor alone, dark and
 * photon transfer (the "before" of the reports). */
LbOpticsModel *
lb_calibration_set_make_model (LbCalibrationSet *self, LbBench *bench, gboolean calibrated, GError **error);

/* Has the bench wait for what the step Timing has measured, as far as it is in
 * force, else for the nominal times. */
void lb_calibration_set_apply_timing (LbCalibrationSet *self, LbBench *bench);

/* Names under which the values of a result hold the forecast of it. */
#define LB_CALIBRATION_EXPOSURES_FORECAST "exposures_forecast"
#define LB_CALIBRATION_DURATION_FORECAST "duration_forecast"

/* Of one step; the last result of it, if there is one in @set, tells. */
gboolean lb_calibration_forecast (LbBench *bench,
                                  LbCalibrationSet *set,
                                  const char *step,
                                  LbCalibrationForecast *forecast);

/* Runs one step: checks what it needs, measures in the bench's worker, seals
 * the result, puts it in force unless it failed. Blocks (not in M, not in the
 * worker). A result with verdict FAIL is returned all the same. */
LbCalibration *lb_calibration_run_step (LbBench *bench,
                                        LbCalibrationSet *set,
                                        const char *step,
                                        guint64 ordinal,
                                        LbCalibrationProgress progress,
                                        gpointer user_data,
                                        GCancellable *cancellable,
                                        GError **error);

/* ---- Store in the user's data folder ---------------------------------------- */

/* Saves it (a file a result, never overwritten); and the newest ones of the
 * bench's devices that did not fail. LIGHTBENCH_HOME or XDG data folder. */
/* Whether results can be saved: makes the folder. */
gboolean lb_calibration_store_prepare (GError **error);
gboolean lb_calibration_store_save (LbCalibration *calibration, GError **error);
LbCalibrationSet *lb_calibration_store_load (LbBench *bench, GError **error);

G_END_DECLS
