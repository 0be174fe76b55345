/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <math.h>

#include <glib/gi18n-lib.h>
#include <lb-forward.h>
#include <lb-model.h>
#include <lb-tokenizer.h>

#include "lb-experiment-private.h"

/* Attention scores Q K^T of one head of one layer, on a sentence. */

typedef struct
{
  LbExperiment parent;
  LbModel *model;
  GArray *tokens; /* guint32 */
  GStrv labels;   /* of the tokens */
  guint layer;
  guint head;
  char *text;
} LbAttentionExperiment;

typedef struct
{
  LbExperimentClass parent_class;
} LbAttentionExperimentClass;

static GType lb_attention_experiment_get_type (void);
G_DEFINE_TYPE (LbAttentionExperiment, lb_attention_experiment, lb_experiment_get_type ())

/**
 * lb_experiment_default_text:
 *
 * Returns: (transfer none): the sentence that is used where none is given
 */
const char *
lb_experiment_default_text (void)
{
  return "It was a bright cold morning, and the light fell through the tall windows upon the table, where "
         "the "
         "old man had laid out his lenses and mirrors in a row, and waited for the boy to come back with the "
         "lamp.";
}

static gboolean
lb_attention_experiment_prepare (LbExperiment *experiment, GError **error)
{
  LbAttentionExperiment *self = (LbAttentionExperiment *) experiment;
  g_autoptr (LbForward) forward = lb_forward_new (self->model);
  LbMatrix *q = NULL;
  LbMatrix *k = NULL;

  if (!lb_forward_get_operands (forward, (const guint32 *) (const void *) self->tokens->data,
                                self->tokens->len, self->layer, self->head, LB_OP_QK, &q, &k, error))
    return FALSE;
  lb_experiment_add_part (experiment, q, k, FALSE, LB_PRODUCT_ATTENTION);
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

  lb_quantities_set_text (settings, "model", lb_model_get_name (self->model));
  lb_quantities_set (settings, "layer", self->layer, "");
  lb_quantities_set (settings, "head", self->head, "");
  lb_quantities_set (settings, "tokens", self->tokens->len, "");
  lb_quantities_set_text (settings, "text", self->text);
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
  LbFigure *figure = lb_figure_new (title, _ ("Attended token"), "", _ ("Token"), "");
  LbSeries *series = lb_figure_add_image (figure, NULL, map);

  /* Cells are centred on the numbers of their tokens. */
  series->x0 = series->y0 = -0.5;
  series->x1 = series->y1 = self->tokens->len - 0.5;
  series->low = low;
  series->high = high;
  series->diverging = diverging;
  figure->y_axis.reversed = TRUE;
  figure->x_axis.categories = g_strdupv (self->labels);
  figure->y_axis.categories = g_strdupv (self->labels);
  return figure;
}

static void
lb_attention_experiment_add_figures (LbExperiment *experiment, GPtrArray *figures)
{
  LbAttentionExperiment *self = (LbAttentionExperiment *) experiment;
  const LbExperimentPart *part = lb_experiment_get_part (experiment, 0);
  gsize tokens = self->tokens->len;
  g_autoptr (LbMatrix) ideal = attention_map (part->ideal, tokens, part->a->columns);
  g_autoptr (LbMatrix) measured = attention_map (part->measured, tokens, part->a->columns);
  g_autoptr (LbMatrix) difference = lb_matrix_new (tokens, tokens);
  float reach = 0;

  for (gsize r = 0; r < tokens; r++)
    for (gsize c = 0; c < tokens; c++)
      {
        float value = lb_matrix_get (measured, r, c) - lb_matrix_get (ideal, r, c);

        lb_matrix_row (difference, r)[c] = value;
        if (isfinite (value))
          reach = MAX (reach, fabsf (value));
      }
  reach = MAX (reach, 1e-3f);
  g_ptr_array_add (figures, new_map_figure (self, _ ("Attention, ideal"), ideal, 0, 1, FALSE));
  g_ptr_array_add (figures, new_map_figure (self, _ ("Attention, measured"), measured, 0, 1, FALSE));
  g_ptr_array_add (figures, new_map_figure (self, _ ("Measured - ideal"), difference, -reach, reach, TRUE));
}

static void
lb_attention_experiment_finalize (GObject *object)
{
  LbAttentionExperiment *self = (LbAttentionExperiment *) object;

  g_clear_object (&self->model);
  g_clear_pointer (&self->tokens, g_array_unref);
  g_strfreev (self->labels);
  g_free (self->text);
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

/* Tokens of the text, cut to @count (0: all), and their labels. */
static gboolean
take_tokens (LbAttentionExperiment *self, const char *text, guint count, GError **error)
{
  const LbModelConfig *config = lb_model_get_config (self->model);
  g_autoptr (LbTokenizer) tokenizer = NULL;

  tokenizer = lb_tokenizer_new (lb_model_get_directory (self->model), config->vocabulary, error);
  if (tokenizer == NULL)
    return FALSE;
  self->tokens = lb_tokenizer_encode (tokenizer, text, -1, error);
  if (self->tokens == NULL)
    return FALSE;
  if (count > 0 && self->tokens->len > count)
    g_array_set_size (self->tokens, count);
  if (self->tokens->len < 2)
    {
      g_set_error (error, LB_MODEL_ERROR, LB_MODEL_ERROR_TEXT,
                   _ ("the text has %u tokens, attention needs at least 2: give a longer text"),
                   self->tokens->len);
      return FALSE;
    }
  if (self->tokens->len > config->context)
    {
      g_set_error (
          error, LB_MODEL_ERROR, LB_MODEL_ERROR_TEXT,
          _ ("the text has %u tokens, the context of model %s holds %u: give a shorter text, or ask for "
             "fewer tokens"),
          self->tokens->len, lb_model_get_name (self->model), config->context);
      return FALSE;
    }
  self->labels = g_new0 (char *, self->tokens->len + 1);
  for (guint i = 0; i < self->tokens->len; i++)
    self->labels[i] = lb_tokenizer_label (tokenizer, g_array_index (self->tokens, guint32, i));
  return TRUE;
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
  const LbModelConfig *config;

  self->model = lb_model_open_named (model, error);
  if (self->model == NULL)
    return NULL;
  config = lb_model_get_config (self->model);
  if (layer >= config->layers || head >= config->heads)
    {
      g_set_error (error, LB_EXPERIMENT_ERROR, LB_EXPERIMENT_ERROR_SETTINGS,
                   _ ("layer %u, head %u: model %s has layers 0 to %u with heads 0 to %u"), layer, head,
                   lb_model_get_name (self->model), config->layers - 1, config->heads - 1);
      return NULL;
    }
  self->layer = layer;
  self->head = head;
  self->text = g_strdup (text != NULL ? text : lb_experiment_default_text ());
  if (!take_tokens (self, self->text, tokens, error))
    return NULL;
  lb_experiment_set_photons (experiment, photons_per_mac);
  return g_steal_pointer (&experiment);
}
