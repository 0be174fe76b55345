/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <math.h>

#include <glib/gi18n-lib.h>
#include <lb-perplexity.h>

#include "lb-model-experiment-private.h"

/* A whole forward pass on the bench, product by product. */

typedef struct
{
  LbExperiment parent;
  LbExperimentText text;
  LbMatrix *ideal; /* logits of the digital pass, (tokens, vocabulary) */
  LbMatrix *measured;
  GPtrArray *predictions; /* of LbPrediction */
} LbModelExperiment;

typedef struct
{
  LbExperimentClass parent_class;
} LbModelExperimentClass;

static GType lb_model_experiment_get_type (void);
G_DEFINE_TYPE (LbModelExperiment, lb_model_experiment, lb_experiment_get_type ())

/*
 * The engine that stands between the forward pass and the bench. Without
 * @bench it multiplies digitally and makes a part of each product; with it the
 * same products, in the same order, are measured as these parts.
 */
#define LB_TYPE_PASS_ENGINE (lb_pass_engine_get_type ())
G_DECLARE_FINAL_TYPE (LbPassEngine, lb_pass_engine, LB, PASS_ENGINE, LbEngine)

struct _LbPassEngine
{
  LbEngine parent_instance;
  LbExperiment *experiment; /* borrowed */
  LbEngine *bench;          /* borrowed, or NULL */
  LbEngine *digital;
  guint next;
};

G_DEFINE_FINAL_TYPE (LbPassEngine, lb_pass_engine, LB_TYPE_ENGINE)

static const char *
lb_pass_engine_get_name (LbEngine *engine)
{
  return "bench";
}

static void
add_part (LbPassEngine *self, const LbProduct *product, LbMatrix *a, LbMatrix *b)
{
  LbExperimentPart *part = lb_experiment_add_part (self->experiment, a, b, FALSE, product->kind);

  part->group = product->key.layer * LB_N_OPS + product->key.op;
  part->group_row = product->key.head * a->rows;
  part->name = g_strdup_printf (_ ("layer %u, %s"), product->key.layer,
                                lb_transformer_op_get_name ((LbTransformerOp) product->key.op));
}

/* What the bench could not measure goes on with its ideal value. */
static gboolean
measure (
    LbPassEngine *self, LbMatrix *a, LbMatrix *b, LbMatrix *out, GCancellable *cancellable, GError **error)
{
  LbExperimentPart *part = lb_experiment_get_part (self->experiment, self->next);

  lb_experiment_set_operands (part, a, b);
  if (!lb_experiment_measure_part (self->experiment, self->bench, self->next, cancellable, error))
    return FALSE;
  for (gsize i = 0; i < part->count; i++)
    lb_matrix_row (out, i / part->columns)[i % part->columns] =
        (float) (isfinite (part->measured[i]) ? part->measured[i] : part->ideal[i]);
  self->next++;
  return TRUE;
}

static gboolean
lb_pass_engine_multiply (LbEngine *engine,
                         const LbProduct *product,
                         LbMatrix *out,
                         LbEngineCounts *counts,
                         GCancellable *cancellable,
                         GError **error)
{
  LbPassEngine *self = LB_PASS_ENGINE (engine);
  const float *ranges = product->ranges;
  LbMatrix *a = lb_product_clamp (product->a, ranges);
  LbMatrix *b = lb_product_clamp (product->b, ranges != NULL ? ranges + 2 : NULL);

  if (self->bench != NULL)
    return measure (self, a, b, out, cancellable, error);
  add_part (self, product, a, b);
  return lb_engine_multiply (self->digital, product, out, counts, cancellable, error);
}

static void
lb_pass_engine_finalize (GObject *object)
{
  g_clear_object (&LB_PASS_ENGINE (object)->digital);
  G_OBJECT_CLASS (lb_pass_engine_parent_class)->finalize (object);
}

static void
lb_pass_engine_class_init (LbPassEngineClass *klass)
{
  LbEngineClass *engine_class = LB_ENGINE_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = lb_pass_engine_finalize;
  engine_class->get_name = lb_pass_engine_get_name;
  engine_class->multiply = lb_pass_engine_multiply;
}

static void
lb_pass_engine_init (LbPassEngine *self)
{
  self->digital = lb_digital_engine_new ();
}

static LbMatrix *
run_pass (LbModelExperiment *self, LbEngine *bench, GCancellable *cancellable, GError **error)
{
  g_autoptr (LbForward) forward = lb_forward_new (self->text.model);
  g_autoptr (LbPassEngine) engine = g_object_new (LB_TYPE_PASS_ENGINE, NULL);

  engine->experiment = (LbExperiment *) self;
  engine->bench = bench;
  lb_forward_set_engine (forward, LB_ENGINE (engine));
  return lb_forward_run (forward, lb_experiment_text_get_tokens (&self->text), self->text.tokens->len, 0,
                         NULL, cancellable, error);
}

static gboolean
lb_model_experiment_prepare (LbExperiment *experiment, GError **error)
{
  LbModelExperiment *self = (LbModelExperiment *) experiment;

  g_clear_pointer (&self->ideal, lb_matrix_unref);
  g_clear_pointer (&self->measured, lb_matrix_unref);
  g_clear_pointer (&self->predictions, g_ptr_array_unref);
  self->ideal = run_pass (self, NULL, NULL, error);
  return self->ideal != NULL;
}

/* --- Predictions -------------------------------------------------------------- */

static void
prediction_free (gpointer data)
{
  LbPrediction *prediction = data;

  g_free (prediction->token);
  g_free (prediction->next);
  g_free (prediction->ideal);
  g_free (prediction->measured);
  g_free (prediction);
}

/* The likeliest token of a row of logits, its probability, and the loss of
 * @next. Padded tokens, which have no text, are not predicted. */
static char *
predict (const LbModelExperiment *self,
         LbMatrix *logits,
         gsize row,
         const guint32 *next,
         double *probability,
         double *loss)
{
  g_autoptr (LbMatrix) view = lb_matrix_new_view (logits, row, 0, 1, logits->columns);
  const float *values = lb_matrix_row (view, 0);
  const guint size = lb_tokenizer_get_size (self->text.tokenizer);
  guint32 best = 0;

  for (guint32 i = 1; i < MIN (size, view->columns); i++)
    if (values[i] > values[best])
      best = i;
  lb_cross_entropy (view, &best, probability);
  *probability = exp (-*probability);
  *loss = NAN;
  if (next != NULL)
    lb_cross_entropy (view, next, loss);
  return lb_tokenizer_label (self->text.tokenizer, best);
}

static const guint32 *
get_next (const LbModelExperiment *self, guint nth)
{
  if (nth + 1 < self->text.tokens->len)
    return &g_array_index (self->text.tokens, guint32, nth + 1);
  return self->text.has_next ? &self->text.next : NULL;
}

static GPtrArray *
make_predictions (const LbModelExperiment *self)
{
  GPtrArray *predictions = g_ptr_array_new_with_free_func (prediction_free);

  for (guint i = 0; i < self->text.tokens->len; i++)
    {
      LbPrediction *prediction = g_new0 (LbPrediction, 1);
      const guint32 *next = get_next (self, i);

      prediction->token = g_strdup (self->text.labels[i]);
      prediction->next = next != NULL ? lb_tokenizer_label (self->text.tokenizer, *next) : NULL;
      prediction->ideal =
          predict (self, self->ideal, i, next, &prediction->ideal_probability, &prediction->ideal_loss);
      prediction->measured = predict (self, self->measured, i, next, &prediction->measured_probability,
                                      &prediction->measured_loss);
      g_ptr_array_add (predictions, prediction);
    }
  return predictions;
}

static gboolean
lb_model_experiment_measure (LbExperiment *experiment,
                             LbEngine *engine,
                             GCancellable *cancellable,
                             GError **error)
{
  LbModelExperiment *self = (LbModelExperiment *) experiment;

  self->measured = run_pass (self, engine, cancellable, error);
  if (self->measured == NULL)
    return FALSE;
  self->predictions = make_predictions (self);
  return TRUE;
}

/* rms (measured - ideal) / std (ideal) of the logits. */
static double
logits_error (const LbModelExperiment *self)
{
  double sum = 0, square = 0, error = 0, mean;
  const double count = (double) self->ideal->rows * (double) self->ideal->columns;

  for (gsize r = 0; r < self->ideal->rows; r++)
    for (gsize c = 0; c < self->ideal->columns; c++)
      {
        const double ideal = lb_matrix_get (self->ideal, r, c);
        const double difference = lb_matrix_get (self->measured, r, c) - ideal;

        sum += ideal;
        square += ideal * ideal;
        error += difference * difference;
      }
  mean = sum / count;
  return sqrt (error / count) / sqrt (MAX (square / count - mean * mean, 1e-30));
}

static void
lb_model_experiment_add_results (LbExperiment *experiment, LbQuantities *results)
{
  LbModelExperiment *self = (LbModelExperiment *) experiment;
  double ideal = 0, measured = 0;
  guint predicted = 0, agreed = 0;

  if (self->predictions == NULL)
    return;
  for (guint i = 0; i < self->predictions->len; i++)
    {
      const LbPrediction *prediction = g_ptr_array_index (self->predictions, i);

      agreed += g_str_equal (prediction->ideal, prediction->measured);
      if (prediction->next == NULL)
        continue;
      ideal += prediction->ideal_loss;
      measured += prediction->measured_loss;
      predicted++;
    }
  if (predicted > 0)
    {
      lb_quantities_set (results, "perplexity", exp (measured / predicted), "");
      lb_quantities_set (results, "perplexity_ideal", exp (ideal / predicted), "");
      lb_quantities_set (results, "predicted_tokens", predicted, "");
    }
  lb_quantities_set (results, "same_prediction", (double) agreed / self->predictions->len, "");
  lb_quantities_set (results, "logits_relative_error", logits_error (self), "");
}

/* --- The object ------------------------------------------------------------------ */

GPtrArray *
lb_model_experiment_get_predictions (LbExperiment *experiment)
{
  g_return_val_if_fail (LB_IS_EXPERIMENT (experiment), NULL);

  return G_TYPE_CHECK_INSTANCE_TYPE (experiment, lb_model_experiment_get_type ())
             ? ((LbModelExperiment *) experiment)->predictions
             : NULL;
}

static char *
lb_model_experiment_dup_title (LbExperiment *experiment)
{
  LbModelExperiment *self = (LbModelExperiment *) experiment;

  return g_strdup_printf (_ ("Whole model %s"), lb_model_get_name (self->text.model));
}

static void
lb_model_experiment_add_settings (LbExperiment *experiment, LbQuantities *settings)
{
  LbModelExperiment *self = (LbModelExperiment *) experiment;

  lb_quantities_set_text (settings, "clamped",
                          lb_model_get_config (self->text.model)->quantised ? "yes" : "no");
  lb_experiment_text_add_settings (&self->text, settings);
}

static void
lb_model_experiment_add_figures (LbExperiment *experiment, GPtrArray *figures)
{
  LbModelExperiment *self = (LbModelExperiment *) experiment;
  g_autoptr (GArray) groups = lb_experiment_compute_groups (lb_experiment_get_parts (experiment));

  lb_model_experiment_add_pass_figures (figures, &self->text, groups, self->ideal, self->measured,
                                        self->predictions);
}

static void
lb_model_experiment_finalize (GObject *object)
{
  LbModelExperiment *self = (LbModelExperiment *) object;

  lb_experiment_text_clear (&self->text);
  g_clear_pointer (&self->ideal, lb_matrix_unref);
  g_clear_pointer (&self->measured, lb_matrix_unref);
  g_clear_pointer (&self->predictions, g_ptr_array_unref);
  G_OBJECT_CLASS (lb_model_experiment_parent_class)->finalize (object);
}

static void
lb_model_experiment_class_init (LbModelExperimentClass *klass)
{
  LbExperimentClass *experiment_class = (LbExperimentClass *) klass;

  G_OBJECT_CLASS (klass)->finalize = lb_model_experiment_finalize;
  experiment_class->kind = "model";
  experiment_class->calibrated_only = TRUE;
  experiment_class->prepare = lb_model_experiment_prepare;
  experiment_class->measure = lb_model_experiment_measure;
  experiment_class->dup_title = lb_model_experiment_dup_title;
  experiment_class->add_settings = lb_model_experiment_add_settings;
  experiment_class->add_results = lb_model_experiment_add_results;
  experiment_class->add_figures = lb_model_experiment_add_figures;
}

static void
lb_model_experiment_init (LbModelExperiment *self)
{
}

/**
 * lb_model_experiment_new:
 * @model: (nullable): a model's folder, or the name of a shipped one
 * @text: (nullable): what the model reads
 * @tokens: how many tokens of the text, 0 for all
 * @photons_per_mac: light to use
 *
 * Returns: (transfer full): the experiment, or %NULL: model or text cannot be
 *   used
 */
LbExperiment *
lb_model_experiment_new (
    const char *model, const char *text, guint tokens, double photons_per_mac, GError **error)
{
  g_autoptr (LbExperiment) experiment = g_object_new (lb_model_experiment_get_type (), NULL);
  LbModelExperiment *self = (LbModelExperiment *) experiment;

  if (!lb_experiment_text_init (&self->text, model, text, tokens, 2, error))
    return NULL;
  lb_experiment_set_photons (experiment, photons_per_mac);
  return g_steal_pointer (&experiment);
}
