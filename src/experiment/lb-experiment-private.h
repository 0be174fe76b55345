/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <lb-optical-path.h>

#include "lb-experiment.h"

G_BEGIN_DECLS

/**
 * LbExperimentPart: one product of an experiment, with its ideal values and
 * what has been measured of it.
 * @a: (m, d), @b: (n, d), or (m, d) for @diagonal
 * @columns: of the output: n, or 1 for @diagonal
 * @count: values of the output, m * columns
 * @group: parts of one group are one line of the results (heads of an attention
 *   product); from 0, without gaps
 * @group_row: where the part's rows begin among those of its group
 * @name: of the group, translated, or NULL: named by length and sign
 * @pass_scale: see lb_figures_of_merit()
 * @ideal, @measured, @uncalibrated: @count values, row-major; NAN: not measured yet
 */
typedef struct
{
  LbMatrix *a;
  LbMatrix *b;
  gboolean diagonal;
  LbProductKind kind;
  gboolean is_signed;
  guint group;
  gsize group_row;
  char *name;
  gsize columns;
  gsize count;
  double pass_scale;
  double *ideal;
  double *measured;
  double *uncalibrated;
  guint8 *seen; /* bits: 1 measured, 2 with nominal values */
} LbExperimentPart;

struct _LbExperimentClass
{
  GObjectClass parent_class;
  const char *kind;
  char *(*dup_title) (LbExperiment *self);
  /* Whether there is nothing to be measured with nominal values: what one
   * product gives goes into the next. */
  gboolean calibrated_only;
  /* Adds the parts by lb_experiment_add_part(). */
  gboolean (*prepare) (LbExperiment *self, GError **error);
  void (*add_settings) (LbExperiment *self, LbQuantities *settings);
  /* Measures all parts by lb_experiment_measure_part(); NULL: one after another. */
  gboolean (*measure) (LbExperiment *self, LbEngine *engine, GCancellable *cancellable, GError **error);
  /* Adds results of this kind to those that every experiment has; may be NULL. */
  void (*add_results) (LbExperiment *self, LbQuantities *results);
  /* Appends figures of this kind to those that every experiment has; may be NULL. */
  void (*add_figures) (LbExperiment *self, GPtrArray *figures);
};

void lb_experiment_set_photons (LbExperiment *self, double photons_per_mac);
/* Takes the matrices. The part is a group by itself until told otherwise. */
LbExperimentPart *
lb_experiment_add_part (LbExperiment *self, LbMatrix *a, LbMatrix *b, gboolean diagonal, LbProductKind kind);
/* Other operands of the same shapes, and the ideal values that go with them;
 * takes the matrices. Before the part is measured. */
void lb_experiment_set_operands (LbExperimentPart *part, LbMatrix *a, LbMatrix *b);
/* Measures part @nth: waits while paused, stores, tells. */
gboolean lb_experiment_measure_part (
    LbExperiment *self, LbEngine *engine, guint nth, GCancellable *cancellable, GError **error);
guint lb_experiment_get_n_parts (LbExperiment *self);
GPtrArray *lb_experiment_get_parts (LbExperiment *self);
LbExperimentPart *lb_experiment_get_part (LbExperiment *self, guint nth);

/* Figures of merit of each group, of LbExperimentGroup. */
GArray *lb_experiment_compute_groups (GPtrArray *parts);
/* The worst signed group, or the first where none is signed. */
const LbExperimentGroup *lb_experiment_find_headline (const GArray *groups);
/* Figures of the headline, and each group by itself where there are several. */
void lb_experiment_add_merits (LbQuantities *results, const GArray *groups);

/* Scatter of measured against ideal and histogram of the residuals of all parts. */
void lb_experiment_add_common_figures (LbExperiment *self, GPtrArray *figures);

LbSnapshot *lb_snapshot_new (void);

/* --- Sentinels of a run ------------------------------------------------------------- */

/* What became of them so far. */
typedef struct
{
  LbExperiment *experiment;
  const LbExperimentPlace *place; /* while it runs */
  LbCalibrationSet *calibrations;
  gint64 run; /* of the session; 0: none */
  gulong changed_handler;
  gint changes; /* of the calibrations in force; atomic */
  guint taken, failed, recalibrated;
  double worst, limit;
  guint64 since;    /* products since the last one */
  guint64 in_doubt; /* products that a failed one precedes or follows */
  gboolean last_failed;
  gboolean fresh; /* calibrated anew, and no sentinel has passed since */
  GError *error;  /* of storing */
} LbSentinelWatch;

void
lb_sentinel_watch_begin (LbSentinelWatch *self, LbExperiment *experiment, const LbExperimentPlace *place);
void lb_sentinel_watch_end (LbSentinelWatch *self);
/* Sets the path's sentinels as the place asks for. */
gboolean lb_sentinel_watch_guard (LbSentinelWatch *self, LbOpticalPath *path, GError **error);
void lb_sentinel_watch_add_results (const LbSentinelWatch *self, LbQuantities *results);
/* Pauses, tells @message (the snapshots' while it holds), waits until that is ended. */
gboolean
lb_experiment_hold (LbExperiment *self, const char *message, GCancellable *cancellable, GError **error);

G_END_DECLS
