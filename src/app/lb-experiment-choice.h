/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <lb-experiment.h>

G_BEGIN_DECLS

typedef enum
{
  LB_CHOICE_ATTENTION,
  LB_CHOICE_DOT_PRODUCT,
  LB_CHOICE_LAYER,
  LB_CHOICE_MODEL,
} LbChoiceKind;

/* What the operator chose to measure; plain data, may cross threads. */
typedef struct
{
  LbChoiceKind kind;
  /* all but dot products */
  char *model; /* name of a shipped one, or folder */
  char *text;
  guint tokens;
  /* attention, layer */
  guint layer;
  guint head;
  LbTransformerOp op; /* of a layer */
  /* dot products */
  char *lengths; /* "64, 256, 1024" */
  guint count;
  guint64 seed;
  double photons_per_mac;
  gboolean uncalibrated_too;
  LbSentinelSettings sentinels;
} LbExperimentChoice;

LbExperimentChoice *lb_experiment_choice_copy (const LbExperimentChoice *self);
void lb_experiment_choice_free (LbExperimentChoice *self);
/* Computing thread (reads the model). An LbExperimentMaker: @data is an
 * LbExperimentChoice. */
LbExperiment *lb_experiment_choice_make (gconstpointer data, GError **error);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (LbExperimentChoice, lb_experiment_choice_free)

/* A model that can be chosen. */
typedef struct
{
  char *name; /* for lb_attention_experiment_new() */
  char *title;
  guint layers;
  guint heads;
  guint context;
} LbModelChoice;

void lb_model_choice_free (LbModelChoice *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (LbModelChoice, lb_model_choice_free)
/* Reads the model @name (folder or shipped name) in a computing thread; with
 * @name NULL all that are shipped. */
void lb_model_choice_load_async (const char *name, GAsyncReadyCallback callback, gpointer user_data);
/* Of LbModelChoice. */
GPtrArray *lb_model_choice_load_finish (GAsyncResult *result, GError **error);

G_END_DECLS
