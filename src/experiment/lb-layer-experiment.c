/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <math.h>

#include <glib/gi18n-lib.h>
#include <lb-forward.h>

#include "lb-experiment-private.h"
#include "lb-experiment-text.h"

/* One operator of one layer, with the operands that a text brings there. */

typedef struct
{
  LbExperiment parent;
  LbExperimentText text;
  guint layer;
  guint head;
  LbTransformerOp op;
} LbLayerExperiment;

typedef struct
{
  LbExperimentClass parent_class;
} LbLayerExperimentClass;

static GType lb_layer_experiment_get_type (void);
G_DEFINE_TYPE (LbLayerExperiment, lb_layer_experiment, lb_experiment_get_type ())

static gboolean
is_attention (LbTransformerOp op)
{
  return op == LB_OP_QK || op == LB_OP_AV;
}

static gboolean
lb_layer_experiment_prepare (LbExperiment *experiment, GError **error)
{
  LbLayerExperiment *self = (LbLayerExperiment *) experiment;
  g_autoptr (LbForward) forward = lb_forward_new (self->text.model);
  const float *ranges = lb_model_get_ranges (self->text.model, self->layer, self->op);
  g_autoptr (LbMatrix) a = NULL;
  g_autoptr (LbMatrix) b = NULL;

  if (!lb_forward_get_operands (forward, lb_experiment_text_get_tokens (&self->text), self->text.tokens->len,
                                self->layer, self->head, self->op, &a, &b, error))
    return FALSE;
  lb_experiment_add_part (experiment, lb_product_clamp (a, ranges),
                          lb_product_clamp (b, ranges != NULL ? ranges + 2 : NULL), FALSE,
                          is_attention (self->op) ? LB_PRODUCT_ATTENTION : LB_PRODUCT_LINEAR);
  return TRUE;
}

static char *
lb_layer_experiment_dup_title (LbExperiment *experiment)
{
  LbLayerExperiment *self = (LbLayerExperiment *) experiment;
  const char *op = lb_transformer_op_get_name (self->op);

  return is_attention (self->op)
             ? g_strdup_printf (_ ("Layer %u, operator %s, head %u"), self->layer, op, self->head)
             : g_strdup_printf (_ ("Layer %u, operator %s"), self->layer, op);
}

static void
lb_layer_experiment_add_settings (LbExperiment *experiment, LbQuantities *settings)
{
  LbLayerExperiment *self = (LbLayerExperiment *) experiment;

  lb_quantities_set (settings, "layer", self->layer, "");
  lb_quantities_set_text (settings, "operator", lb_transformer_op_get_name (self->op));
  if (is_attention (self->op))
    lb_quantities_set (settings, "head", self->head, "");
  lb_quantities_set_text (settings, "clamped",
                          lb_model_get_ranges (self->text.model, self->layer, self->op) != NULL ? "yes"
                                                                                                : "no");
  lb_experiment_text_add_settings (&self->text, settings);
}

static LbMatrix *
to_matrix (const double *values, gsize rows, gsize columns)
{
  LbMatrix *matrix = lb_matrix_new (rows, columns);

  for (gsize r = 0; r < rows; r++)
    for (gsize c = 0; c < columns; c++)
      lb_matrix_row (matrix, r)[c] = (float) values[r * columns + c];
  return matrix;
}

static double
rms (const double *values, gsize count)
{
  double sum = 0;

  for (gsize i = 0; i < count; i++)
    sum += values[i] * values[i];
  return sqrt (sum / (double) count);
}

static void
lb_layer_experiment_add_figures (LbExperiment *experiment, GPtrArray *figures)
{
  LbLayerExperiment *self = (LbLayerExperiment *) experiment;
  const LbExperimentPart *part = lb_experiment_get_part (experiment, 0);
  g_autoptr (LbMatrix) ideal = to_matrix (part->ideal, part->a->rows, part->columns);
  g_autoptr (LbMatrix) measured = to_matrix (part->measured, part->a->rows, part->columns);
  double difference_reach;
  g_autoptr (LbMatrix) difference = lb_experiment_difference (measured, ideal, 1e-6, &difference_reach);
  const gboolean scores = self->op == LB_OP_QK;
  const char *label = scores ? _ ("Attended token") : _ ("Output");
  GStrv columns = scores ? self->text.labels : NULL;
  /* A few outputs are far larger than the others: the scale is for these. */
  const double reach = 3 * rms (part->ideal, part->count);

  g_ptr_array_add (figures, lb_experiment_text_new_map (&self->text, _ ("Output, ideal"), label, columns,
                                                        ideal, -reach, reach, TRUE));
  g_ptr_array_add (figures, lb_experiment_text_new_map (&self->text, _ ("Output, measured"), label, columns,
                                                        measured, -reach, reach, TRUE));
  g_ptr_array_add (figures,
                   lb_experiment_text_new_map (&self->text, _ ("Measured - ideal"), label, columns,
                                               difference, -difference_reach, difference_reach, TRUE));
}

static void
lb_layer_experiment_finalize (GObject *object)
{
  lb_experiment_text_clear (&((LbLayerExperiment *) object)->text);
  G_OBJECT_CLASS (lb_layer_experiment_parent_class)->finalize (object);
}

static void
lb_layer_experiment_class_init (LbLayerExperimentClass *klass)
{
  LbExperimentClass *experiment_class = (LbExperimentClass *) klass;

  G_OBJECT_CLASS (klass)->finalize = lb_layer_experiment_finalize;
  experiment_class->kind = "layer";
  experiment_class->prepare = lb_layer_experiment_prepare;
  experiment_class->dup_title = lb_layer_experiment_dup_title;
  experiment_class->add_settings = lb_layer_experiment_add_settings;
  experiment_class->add_figures = lb_layer_experiment_add_figures;
}

static void
lb_layer_experiment_init (LbLayerExperiment *self)
{
}

/**
 * lb_layer_experiment_new:
 * @model: (nullable): a model's folder, or the name of a shipped one
 * @text: (nullable): what the model reads
 * @layer: from 0
 * @head: from 0; of the attention products
 * @op: which product
 * @tokens: how many tokens of the text, 0 for all
 * @photons_per_mac: light to use
 *
 * Returns: (transfer full): the experiment, or %NULL: model, text, layer or
 *   head cannot be used
 */
LbExperiment *
lb_layer_experiment_new (const char *model,
                         const char *text,
                         guint layer,
                         guint head,
                         LbTransformerOp op,
                         guint tokens,
                         double photons_per_mac,
                         GError **error)
{
  g_autoptr (LbExperiment) experiment = NULL;
  LbLayerExperiment *self;

  g_return_val_if_fail ((guint) op < LB_N_OPS, NULL);

  experiment = g_object_new (lb_layer_experiment_get_type (), NULL);
  self = (LbLayerExperiment *) experiment;
  if (!lb_experiment_text_init (&self->text, model, text, tokens, 1, error) ||
      !lb_experiment_text_check (&self->text, layer, is_attention (op) ? head : 0, error))
    return NULL;
  self->layer = layer;
  self->head = head;
  self->op = op;
  lb_experiment_set_photons (experiment, photons_per_mac);
  return g_steal_pointer (&experiment);
}
