/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "lb-experiment.h"

G_BEGIN_DECLS

/**
 * LbExperimentPart: one product of an experiment, with its ideal values and
 * what has been measured of it.
 * @a: (m, d), @b: (n, d), or (m, d) for @diagonal
 * @columns: of the output: n, or 1 for @diagonal
 * @count: values of the output, m * columns
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
  gsize columns;
  gsize count;
  double pass_scale;
  double *ideal;
  double *measured;
  double *uncalibrated;
} LbExperimentPart;

struct _LbExperimentClass
{
  GObjectClass parent_class;
  const char *kind;
  char *(*dup_title) (LbExperiment *self);
  /* Adds the parts by lb_experiment_add_part(). */
  gboolean (*prepare) (LbExperiment *self, GError **error);
  void (*add_settings) (LbExperiment *self, LbQuantities *settings);
  /* Appends figures of this kind to those that every experiment has; may be NULL. */
  void (*add_figures) (LbExperiment *self, GPtrArray *figures);
};

void lb_experiment_set_photons (LbExperiment *self, double photons_per_mac);
/* Takes the matrices. */
void
lb_experiment_add_part (LbExperiment *self, LbMatrix *a, LbMatrix *b, gboolean diagonal, LbProductKind kind);
guint lb_experiment_get_n_parts (LbExperiment *self);
LbExperimentPart *lb_experiment_get_part (LbExperiment *self, guint nth);

/* Scatter of measured against ideal and histogram of the residuals of all parts. */
void lb_experiment_add_common_figures (LbExperiment *self, GPtrArray *figures);

LbSnapshot *lb_snapshot_new (void);

G_END_DECLS
