/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-bench-engine.h"

#include <lb-operand.h>
#include <math.h>

#include "lb-engine-private.h"

#define PHOTONS_DEFAULT 2000.0

struct _LbBenchEngine
{
  LbEngine parent_instance;
  LbOpticalPath *path;
  double photons_per_mac;
  double last_photons;
  double last_electrons;
  double last_pass_scale;
};

G_DEFINE_FINAL_TYPE (LbBenchEngine, lb_bench_engine, LB_TYPE_ENGINE)

static void
lb_bench_engine_finalize (GObject *object)
{
  LbBenchEngine *self = LB_BENCH_ENGINE (object);

  g_clear_object (&self->path);
  G_OBJECT_CLASS (lb_bench_engine_parent_class)->finalize (object);
}

static const char *
lb_bench_engine_get_name (LbEngine *engine)
{
  return "bench";
}

static void
emit_partial (const guint32 *rows,
              const guint32 *columns,
              const float *values,
              const float *raw,
              gsize count,
              gpointer user_data)
{
  lb_engine_emit_partial (user_data, rows, columns, values, raw, count);
}

static void
add_counts (LbEngineCounts *counts, const LbOpticalPathCounts *path)
{
  counts->macs += path->macs;
  counts->dot_products += path->dot_products;
  counts->exposures += path->exposures;
  counts->source_values += path->source_values;
  counts->weight_values += path->weight_values;
  counts->readouts += path->readouts;
  counts->adc_samples += path->adc_samples;
  counts->unusable += path->unusable;
  counts->photons += path->photons;
  counts->detected_electrons += path->detected_electrons;
  counts->bench_time_s += path->bench_time_s;
}

static gboolean
lb_bench_engine_multiply (LbEngine *engine,
                          const LbProduct *product,
                          LbMatrix *out,
                          LbEngineCounts *counts,
                          GCancellable *cancellable,
                          GError **error)
{
  LbBenchEngine *self = LB_BENCH_ENGINE (engine);
  const gboolean diagonal = product->pairs == LB_PAIRS_DIAGONAL;
  const float *ranges = product->ranges;
  g_autoptr (LbMatrix) a = lb_product_clamp (product->a, ranges);
  g_autoptr (LbMatrix) b = lb_product_clamp (product->b, ranges != NULL ? ranges + 2 : NULL);
  LbOpticalPathCounts path_counts;
  gboolean done = lb_optical_path_multiply (self->path, a, b, diagonal, self->photons_per_mac, out,
                                            &path_counts, emit_partial, self, cancellable, error);

  if (counts != NULL)
    add_counts (counts, &path_counts);
  if (!done)
    return FALSE;
  self->last_photons = path_counts.photons_per_mac;
  self->last_electrons = path_counts.electrons_per_mac;
  self->last_pass_scale = lb_operand_pass_scale (a, b, diagonal);
  return TRUE;
}

static void
lb_bench_engine_class_init (LbBenchEngineClass *klass)
{
  LbEngineClass *engine_class = LB_ENGINE_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = lb_bench_engine_finalize;
  engine_class->get_name = lb_bench_engine_get_name;
  engine_class->multiply = lb_bench_engine_multiply;
}

static void
lb_bench_engine_init (LbBenchEngine *self)
{
  self->photons_per_mac = PHOTONS_DEFAULT;
  self->last_photons = self->last_electrons = self->last_pass_scale = NAN;
}

/**
 * lb_bench_engine_new:
 * @path: the calibrated optical path; a reference is kept
 *
 * Products on the optical bench. Operands are clamped to the product's input
 * and weight ranges where it has them; results are as measured.
 *
 * Returns: (transfer full): an engine
 */
LbEngine *
lb_bench_engine_new (LbOpticalPath *path)
{
  LbBenchEngine *self;

  g_return_val_if_fail (LB_IS_OPTICAL_PATH (path), NULL);

  self = g_object_new (LB_TYPE_BENCH_ENGINE, NULL);
  self->path = g_object_ref (path);
  return LB_ENGINE (self);
}

/**
 * lb_bench_engine_get_path:
 *
 * Returns: (transfer none): the optical path
 */
LbOpticalPath *
lb_bench_engine_get_path (LbBenchEngine *self)
{
  g_return_val_if_fail (LB_IS_BENCH_ENGINE (self), NULL);

  return self->path;
}

/**
 * lb_bench_engine_set_photons:
 * @photons_per_mac: at the weight plane, per pass and element, from now on
 */
void
lb_bench_engine_set_photons (LbBenchEngine *self, double photons_per_mac)
{
  g_return_if_fail (LB_IS_BENCH_ENGINE (self) && photons_per_mac > 0);

  self->photons_per_mac = photons_per_mac;
}

/**
 * lb_bench_engine_get_last:
 * @photons_per_mac: (out) (nullable): of the last product, as measured
 * @electrons_per_mac: (out) (nullable): detected, of the last product
 * @pass_scale: (out) (nullable): of the last product, in output units; see
 *   lb_figures_of_merit()
 *
 * NAN before the first product.
 */
void
lb_bench_engine_get_last (LbBenchEngine *self,
                          double *photons_per_mac,
                          double *electrons_per_mac,
                          double *pass_scale)
{
  g_return_if_fail (LB_IS_BENCH_ENGINE (self));

  if (photons_per_mac != NULL)
    *photons_per_mac = self->last_photons;
  if (electrons_per_mac != NULL)
    *electrons_per_mac = self->last_electrons;
  if (pass_scale != NULL)
    *pass_scale = self->last_pass_scale;
}
