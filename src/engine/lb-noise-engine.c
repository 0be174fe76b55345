/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-noise-engine.h"

#include <glib/gi18n-lib.h>
#include <math.h>

#include "lb-noise-private.h"

#define DEFAULT_PHOTONS 2000.0
/* Of the paper's prototype: linear layers, attention products. */
#define G_LINEAR 0.021
#define G_ATTENTION 0.0565

#define LB_TYPE_NOISE_ENGINE (lb_noise_engine_get_type ())
G_DECLARE_FINAL_TYPE (LbNoiseEngine, lb_noise_engine, LB, NOISE_ENGINE, LbEngine)

struct _LbNoiseEngine
{
  LbEngine parent_instance;
  LbNoiseOptions options;
  LbLookupTable *slm;
  LbLookupTable *source;
  LbNoiseShelf shelf;
};

G_DEFINE_FINAL_TYPE (LbNoiseEngine, lb_noise_engine, LB_TYPE_ENGINE)

static void
lb_noise_engine_finalize (GObject *object)
{
  LbNoiseEngine *self = LB_NOISE_ENGINE (object);

  g_clear_pointer (&self->slm, lb_lookup_table_free);
  g_clear_pointer (&self->source, lb_lookup_table_free);
  lb_noise_shelf_clear (&self->shelf);
  G_OBJECT_CLASS (lb_noise_engine_parent_class)->finalize (object);
}

static const char *
lb_noise_engine_get_name (LbEngine *engine)
{
  return "noise";
}

/* Whether the engine can do the product. */
static gboolean
check_product (const LbNoiseEngine *self, const LbProduct *product, GError **error)
{
  if (product->pairs != LB_PAIRS_ALL)
    lb_product_set_diagonal_error ("noise", error);
  else if (self->options.sigma_mean == LB_SIGMA_CALIBRATED && product->sigma_means == NULL)
    g_set_error (error, LB_ENGINE_ERROR, LB_ENGINE_ERROR_RANGES,
                 _ ("The model has no calibrated means for its noise: have them found on a text, or use the "
                    "paper's mean"));
  else
    return product->ranges == NULL || lb_product_check_ranges (product, "noise", error);
  return FALSE;
}

/* Loads, readouts and light of the passes that were made. */
static void
add_counts (LbEngineCounts *counts, const LbNoisePlan *plan)
{
  const guint64 results = (guint64) plan->out->rows * plan->outputs;
  gboolean source[2] = { FALSE }, weight[2] = { FALSE };
  guint passes = 0;

  for (guint pass = 0; pass < LB_NOISE_PASSES; pass++)
    if (lb_noise_plan_has_pass (plan, pass))
      {
        passes++;
        source[lb_noise_source_part (pass)] = TRUE;
        weight[lb_noise_weight_part (pass)] = TRUE;
      }
  lb_engine_counts_add_products (counts, plan->product, plan->out);
  counts->readouts += passes * results;
  counts->source_values += (guint64) (source[0] + source[1]) * plan->product->a->rows * plan->depth;
  counts->weight_values += (guint64) (weight[0] + weight[1]) * plan->product->b->rows * plan->depth;
  if (lb_noise_plan_has_shot_noise (plan))
    counts->photons += plan->photons * passes * (double) results * (double) plan->depth;
}

static gboolean
lb_noise_engine_multiply (LbEngine *engine,
                          const LbProduct *product,
                          LbMatrix *out,
                          LbEngineCounts *counts,
                          GCancellable *cancellable,
                          GError **error)
{
  LbNoiseEngine *self = LB_NOISE_ENGINE (engine);
  g_auto (LbNoisePlan) plan = { NULL };

  if (!check_product (self, product, error))
    return FALSE;
  lb_noise_plan_init (&plan, &self->options, &self->shelf, product, out);
  if (self->options.mode == LB_NOISE_EXACT)
    lb_noise_run_exact (&plan);
  else if (!lb_noise_run_moment (&plan))
    {
      lb_noise_run_exact (&plan);
      if (counts != NULL)
        counts->exact_instead++;
    }
  lb_engine_emit_result (engine, out);
  if (counts != NULL)
    add_counts (counts, &plan);
  return TRUE;
}

static void
lb_noise_engine_class_init (LbNoiseEngineClass *klass)
{
  LbEngineClass *engine_class = LB_ENGINE_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = lb_noise_engine_finalize;
  engine_class->takes_heads = TRUE;
  engine_class->get_name = lb_noise_engine_get_name;
  engine_class->multiply = lb_noise_engine_multiply;
}

static void
lb_noise_engine_init (LbNoiseEngine *self)
{
}

/**
 * lb_noise_options_init:
 * @options: (out caller-allocates): the defaults
 */
void
lb_noise_options_init (LbNoiseOptions *options)
{
  g_return_if_fail (options != NULL);

  *options = (LbNoiseOptions){
    .photons_per_mac = DEFAULT_PHOTONS,
    .mode = LB_NOISE_EXACT,
    .sigma_mean = LB_SIGMA_PAPER,
    .g_linear = G_LINEAR,
    .g_attention = G_ATTENTION,
  };
}

static LbLookupTable *
copy_table (const LbLookupTable *table)
{
  LbLookupTable *copy;

  if (table == NULL)
    return NULL;
  copy = g_new (LbLookupTable, 1);
  copy->levels = table->levels;
  copy->transmission = g_memdup2 (table->transmission, table->levels * sizeof (float));
  return copy;
}

/**
 * lb_noise_engine_new:
 * @options: photons 0 or more, constants 0 or more, at most 16 bits; tables are
 *   copied
 *
 * The engine keeps what it makes of constant weights, 1 GiB at most.
 *
 * Returns: (transfer full): an engine
 */
LbEngine *
lb_noise_engine_new (const LbNoiseOptions *options)
{
  LbNoiseEngine *self;

  g_return_val_if_fail (options != NULL, NULL);
  g_return_val_if_fail (options->photons_per_mac >= 0, NULL);
  g_return_val_if_fail (options->g_linear >= 0 && options->g_attention >= 0, NULL);
  g_return_val_if_fail (options->bits <= 16, NULL);

  self = g_object_new (LB_TYPE_NOISE_ENGINE, NULL);
  self->options = *options;
  self->slm = copy_table (options->slm);
  self->source = copy_table (options->source);
  self->options.slm = self->slm;
  self->options.source = self->source;
  return LB_ENGINE (self);
}
