/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <gio/gio.h>
#include <lb-calibration.h>
#include <lb-engine.h>
#include <lb-figure.h>
#include <lb-model.h>
#include <lb-session.h>
#include <lb-statistics.h>

G_BEGIN_DECLS

/*
 * LbExperiment: what is measured on the bench and compared with its ideal:
 * prepare (operands, ideal values, forecast), step (one product), finish
 * (figures of merit). The common loop does progress, pause, abort and storing.
 */
#define LB_EXPERIMENT_ERROR (lb_experiment_error_quark ())
GQuark lb_experiment_error_quark (void);
typedef enum
{
  LB_EXPERIMENT_ERROR_SETTINGS, /* what was asked for does not fit the model or the bench */
  LB_EXPERIMENT_ERROR_NOT_CALIBRATED,
  LB_EXPERIMENT_ERROR_SENTINEL, /* a known product was off by more than its limit */
} LbExperimentError;

/* A picture of a run at one moment; immutable, may cross threads. */
typedef struct
{
  double fraction;   /* 0..1 */
  char *message;     /* what is going on, for the operator */
  guint64 exposures; /* taken so far */
  guint64 exposures_forecast;
  double seconds;        /* bench time gone by */
  double seconds_left;   /* NAN where unknown */
  guint64 dot_products;  /* measured so far */
  GPtrArray *figures;    /* of LbFigure: scatter first; figures known so far */
  LbQuantities *results; /* so far; the final ones in the last snapshot */
  gboolean held;         /* paused by itself: a sentinel failed or a plane is at fault; the message says so */
  gboolean finished;
  /*< private >*/
  gatomicrefcount references;
} LbSnapshot;

#define LB_TYPE_SNAPSHOT (lb_snapshot_get_type ())
GType lb_snapshot_get_type (void);
LbSnapshot *lb_snapshot_ref (LbSnapshot *self);
void lb_snapshot_unref (LbSnapshot *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (LbSnapshot, lb_snapshot_unref)

#define LB_TYPE_EXPERIMENT (lb_experiment_get_type ())
G_DECLARE_DERIVABLE_TYPE (LbExperiment, lb_experiment, LB, EXPERIMENT, GObject)

/* What a run does when a sentinel has failed. What was measured since the one before,
 * and until the next one passes, is marked as in doubt in any case. */
typedef enum
{
  LB_SENTINELS_CONTINUE,    /* go on */
  LB_SENTINELS_HOLD,        /* pause until lb_experiment_set_paused() ends it; by what is in force then */
  LB_SENTINELS_RECALIBRATE, /* align again and what depends on that; then go on */
  LB_SENTINELS_END,         /* end the run: SENTINEL */
} LbSentinelAction;

/**
 * LbSentinelSettings: known products between the others of a run.
 * @every: exposures between two; 0: none, and drift is not corrected
 * @limit: of their normalised error; 0: the usual one
 */
typedef struct
{
  guint every;
  double limit;
  LbSentinelAction action;
} LbSentinelSettings;

/* Exposures between two sentinels where nothing else is asked for: a minute's worth
 * at most, a few per cent of the time. */
#define LB_SENTINELS_EVERY 200

/* Where an experiment runs. */
typedef struct
{
  LbBench *bench;
  LbCalibrationSet *calibrations;
  LbSession *session;        /* may be NULL: nothing is stored */
  gboolean uncalibrated_too; /* measure the same with nominal values, for the figure "before calibration" */
  LbSentinelSettings sentinels;
  /* An operator is there to put a plane's fault right, which has switched the light off
   * and disarmed it: the run holds until lb_experiment_set_paused() ends that. FALSE:
   * such a fault ends the run. */
  gboolean attended;
} LbExperimentPlace;

/* Called in the thread that runs the experiment or the bench's worker, at most
 * about ten times a second, and at the end. */
typedef void (*LbSnapshotFunc) (LbSnapshot *snapshot, gpointer user_data);

/* Runs it to the end; blocks (a computing thread: not M, not the worker).
 * Results are in the session as they come in. On error or when cancelled what
 * was measured is kept and the run is marked. */
gboolean lb_experiment_run (LbExperiment *self,
                            const LbExperimentPlace *place,
                            LbSnapshotFunc snapshot,
                            gpointer user_data,
                            GCancellable *cancellable,
                            GError **error);
/* Holds before the next exposure sequence; goes on. Any thread. */
void lb_experiment_set_paused (LbExperiment *self, gboolean paused);
/* "attention", "dot-product", "layer", "model". */
const char *lb_experiment_get_kind (LbExperiment *self);
/* For the operator, translated: "Attention scores, layer 0, head 1". */
char *lb_experiment_dup_title (LbExperiment *self);
/* Exposures and seconds that it will take; needs a calibrated bench. */
gboolean lb_experiment_forecast (
    LbExperiment *self, const LbExperimentPlace *place, guint64 *exposures, double *seconds, GError **error);
/* After a run: results by name as `run --json` gives them (architecture.md);
 * NULL before. */
const LbQuantities *lb_experiment_get_results (LbExperiment *self);
/* After a run: of LbExperimentGroup; one for attention and a layer's operator,
 * one per length and sign for dot products, one per layer and operator for a
 * model. @name: translated, or NULL: by length and sign; the experiment's. */
typedef struct
{
  const char *name;
  guint length;
  gboolean is_signed;
  LbFiguresOfMerit figures;
  LbFiguresOfMerit uncalibrated; /* count 0: not measured */
} LbExperimentGroup;
GArray *lb_experiment_get_groups (LbExperiment *self); /* transfer none, NULL before */
/* The session's id of the last run, 0 without one. */
gint64 lb_experiment_get_run (LbExperiment *self);

/* Random dot products: for each length @count signed (uniform in -1..1) and
 * @count non-negative (uniform in 0..1). */
LbExperiment *lb_dot_product_experiment_new (
    const guint *lengths, guint n_lengths, guint count, double photons_per_mac, guint64 seed);

/* Attention scores Q K^T of @head in @layer of the model (folder or shipped
 * name, NULL: the default) for the first @tokens tokens of @text (NULL: the
 * built-in sentence; 0 tokens: all of it). Errors of the model and tokenizer
 * come from here. */
LbExperiment *lb_attention_experiment_new (const char *model,
                                           const char *text,
                                           guint layer,
                                           guint head,
                                           guint tokens,
                                           double photons_per_mac,
                                           GError **error);

/* Operator @op of @layer (for qk and av: of @head), with the operands that a
 * digital pass over the first @tokens tokens brings there, clamped to the model's
 * ranges where it has them. */
LbExperiment *lb_layer_experiment_new (const char *model,
                                       const char *text,
                                       guint layer,
                                       guint head,
                                       LbTransformerOp op,
                                       guint tokens,
                                       double photons_per_mac,
                                       GError **error);

/*
 * A whole forward pass over the first @tokens tokens, all operators of all layers
 * on the bench: what one product gives goes into the next. Each product is
 * compared with the exact one of the same operands (clamped to the model's ranges
 * where it has them); next-token predictions and the loss of the passage with
 * those of a digital pass. Nothing is measured with nominal values. A dot product
 * that the bench could not measure goes on with its digital value, and is counted
 * as unusable.
 */
LbExperiment *lb_model_experiment_new (
    const char *model, const char *text, guint tokens, double photons_per_mac, GError **error);

/**
 * LbPrediction: what follows one token of the passage.
 * @token, @next: of the text, as shown on axes; @next NULL: the text ends there
 * @ideal, @measured: the likeliest next token by the digital pass and by the bench
 * @ideal_probability, @measured_probability: theirs
 * @ideal_loss, @measured_loss: -log of the probability of @next, nats; NAN without
 */
typedef struct
{
  char *token;
  char *next;
  char *ideal;
  char *measured;
  double ideal_probability, measured_probability;
  double ideal_loss, measured_loss;
} LbPrediction;

/* After a run of a model experiment: of LbPrediction, one a token; NULL before,
 * and for other kinds. */
GPtrArray *lb_model_experiment_get_predictions (LbExperiment *self); /* transfer none */

/* The sentence that is used where none is given. */
const char *lb_experiment_default_text (void);

G_END_DECLS
