/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <math.h>

#include <glib/gi18n-lib.h>
#include <lb-forward.h>

#include "lb-experiment-private.h"
#include "lb-experiment-text.h"

/* Attention scores Q K^T of one head of one layer, on a sentence. */

typedef struct
{
  LbExperiment parent;
  LbExperimentText text;
  guint layer;
  guint head;
} LbAttentionExperiment;

typedef struct
{
  LbExperimentClass parent_class;
} LbAttentionExperimentClass;

static GType lb_attention_experiment_get_type (void);
G_DEFINE_TYPE (LbAttentionExperiment, lb_attention_experiment, lb_experiment_get_type ())

static gboolean
lb_attention_experiment_prepare (LbExperiment *experiment, GError **error)
{
  LbAttentionExperiment *self = (LbAttentionExperiment *) experiment;
  g_autoptr (LbForward) forward = lb_forward_new (self->text.model);
  const float *ranges = lb_model_get_ranges (self->text.model, self->layer, LB_OP_QK);
  g_autoptr (LbMatrix) q = NULL;
  g_autoptr (LbMatrix) k = NULL;

  if (!lb_forward_get_operands (forward, lb_experiment_text_get_tokens (&self->text), self->text.tokens->len,
                                self->layer, self->head, LB_OP_QK, &q, &k, error))
    return FALSE;
  lb_experiment_add_part (experiment, lb_product_clamp (q, ranges),
                          lb_product_clamp (k, ranges != NULL ? ranges + 2 : NULL), FALSE,
                          LB_PRODUCT_ATTENTION);
  return TRUE;
}

static char *
lb_attention_experiment_dup_title (LbExperiment *experiment)
{
  LbAttentionExperiment *self = (LbAttentionExperiment *) experiment;

  return g_strdup_printf (_ ("Attention scores, layer %u, head %u"), self->layer, self->head);
}

static void
lb_attention_experiment_add_settings (LbExperiment *experiment, LbQuantities *settings)
{
  LbAttentionExperiment *self = (LbAttentionExperiment *) experiment;

  lb_quantities_set (settings, "layer", self->layer, "");
  lb_quantities_set (settings, "head", self->head, "");
  lb_experiment_text_add_settings (&self->text, settings);
}

/*
 * Causal softmax of scores / sqrt (d); rows with a value that was not measured
 * yet are NAN.
 */
static LbMatrix *
attention_map (const double *scores, gsize tokens, gsize width)
{
  LbMatrix *map = lb_matrix_new (tokens, tokens);

  for (gsize r = 0; r < tokens; r++)
    {
      const double *row = scores + r * tokens;
      double maximum = -INFINITY, sum = 0;

      for (gsize c = 0; c <= r; c++)
        maximum = fmax (maximum, row[c]);
      for (gsize c = 0; c <= r; c++)
        sum += exp ((row[c] - maximum) / sqrt (width));
      for (gsize c = 0; c <= r; c++)
        lb_matrix_row (map, r)[c] = exp ((row[c] - maximum) / sqrt (width)) / sum;
    }
  return map;
}

static LbFigure *
new_map_figure (LbAttentionExperiment *self,
                const char *title,
                LbMatrix *map,
                double low,
                double high,
                gboolean diverging)
{
  return lb_experiment_text_new_map (&self->text, title, _ ("Attended token"), self->text.labels, map, low,
                                     high, diverging);
}

static void
lb_attention_experiment_add_figures (LbExperiment *experiment, GPtrArray *figures)
{
  LbAttentionExperiment *self = (LbAttentionExperiment *) experiment;
  const LbExperimentPart *part = lb_experiment_get_part (experiment, 0);
  gsize tokens = self->text.tokens->len;
  g_autoptr (LbMatrix) ideal = attention_map (part->ideal, tokens, part->a->columns);
  g_autoptr (LbMatrix) measured = attention_map (part->measured, tokens, part->a->columns);
  double reach;
  g_autoptr (LbMatrix) difference = lb_experiment_difference (measured, ideal, 1e-3, &reach);

  g_ptr_array_add (figures, new_map_figure (self, _ ("Attention, ideal"), ideal, 0, 1, FALSE));
  g_ptr_array_add (figures, new_map_figure (self, _ ("Attention, measured"), measured, 0, 1, FALSE));
  g_ptr_array_add (figures, new_map_figure (self, _ ("Measured - ideal"), difference, -reach, reach, TRUE));
}

static void
lb_attention_experiment_finalize (GObject *object)
{
  LbAttentionExperiment *self = (LbAttentionExperiment *) object;

  lb_experiment_text_clear (&self->text);
  G_OBJECT_CLASS (lb_attention_experiment_parent_class)->finalize (object);
}

static void
lb_attention_experiment_class_init (LbAttentionExperimentClass *klass)
{
  LbExperimentClass *experiment_class = (LbExperimentClass *) klass;

  G_OBJECT_CLASS (klass)->finalize = lb_attention_experiment_finalize;
  experiment_class->kind = "attention";
  experiment_class->prepare = lb_attention_experiment_prepare;
  experiment_class->dup_title = lb_attention_experiment_dup_title;
  experiment_class->add_settings = lb_attention_experiment_add_settings;
  experiment_class->add_figures = lb_attention_experiment_add_figures;
}

static void
lb_attention_experiment_init (LbAttentionExperiment *self)
{
}

/**
 * lb_attention_experiment_new:
 * @model: (nullable): a model's folder, or the name of a shipped one
 * @text: (nullable): what the model reads
 * @layer: from 0
 * @head: from 0
 * @tokens: how many tokens of the text, 0 for all
 * @photons_per_mac: light to use
 *
 * Returns: (transfer full): the experiment, or %NULL: model, text, layer or
 *   head cannot be used
 */
LbExperiment *
lb_attention_experiment_new (const char *model,
                             const char *text,
                             guint layer,
                             guint head,
                             guint tokens,
                             double photons_per_mac,
                             GError **error)
{
  g_autoptr (LbExperiment) experiment = g_object_new (lb_attention_experiment_get_type (), NULL);
  LbAttentionExperiment *self = (LbAttentionExperiment *) experiment;

  if (!lb_experiment_text_init (&self->text, model, text, tokens, 2, error) ||
      !lb_experiment_text_check (&self->text, layer, head, error))
    return NULL;
  self->layer = layer;
  self->head = head;
  lb_experiment_set_photons (experiment, photons_per_mac);
  return g_steal_pointer (&experiment);
}
