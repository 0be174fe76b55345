/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <gio/gio.h>
#include <lb-matrix.h>

G_BEGIN_DECLS

#define LB_ENGINE_ERROR (lb_engine_error_quark ())
GQuark lb_engine_error_quark (void);
typedef enum
{
  LB_ENGINE_ERROR_SHAPE,  /* operands do not fit each other */
  LB_ENGINE_ERROR_VALUE,  /* NaN or infinite operand */
  LB_ENGINE_ERROR_RANGES, /* the engine needs ranges that the model does not have */
} LbEngineError;

/* What kind of product: decides between the noise constants of linear layers
 * and of attention products. */
typedef enum
{
  LB_PRODUCT_LINEAR,
  LB_PRODUCT_ATTENTION,
} LbProductKind;

/* Which pairs of rows are multiplied. */
typedef enum
{
  LB_PAIRS_ALL,      /* out (m, n): every row of a with every row of b */
  LB_PAIRS_DIAGONAL, /* out (m, 1): row i of a with row i of b */
} LbProductPairs;

/* Where a product stands, for the keys of random numbers: the same place gives
 * the same draws whatever the batch. */
typedef struct
{
  guint64 seed;
  guint32 layer;
  guint32 op; /* LbTransformerOp or 0 */
  guint32 head;
  guint32 window;      /* index of the context window */
  guint32 first_token; /* absolute index of row 0 of a */
} LbProductKey;

/**
 * LbProduct: one product out = a b^T, or one for each attention head.
 * @a: (heads m, d), activations: shown on the source plane
 * @b: (heads n, d), weights or second operand: shown on the weight plane
 * @heads: how many products lie below each other in @a, @b and the result,
 *   (heads m, n): rows of head h are multiplied with rows of head h; 0 counts as 1
 * @key: of the first head; @key.head goes up from there
 * @ranges: input lo, hi; weight lo, hi; output lo, hi; or NULL: none, nothing is clamped
 * @sigma_means: (heads, 4), mean of the passes ++ -- +- -+ in normalised units,
 *   as found on a calibration text; or NULL: none
 * @slm_floor: lambda of the weights' quantiser; 0: none
 * @is_constant: @b keeps its values as long as it lives, and they are known to be
 *   finite: an engine may keep what it makes of them, with a reference
 */
typedef struct
{
  const LbMatrix *a;
  const LbMatrix *b;
  guint heads;
  LbProductKind kind;
  LbProductPairs pairs;
  LbProductKey key;
  const float *ranges;
  const float *sigma_means;
  double slm_floor;
  gboolean is_constant;
} LbProduct;

/* At least 1. */
static inline guint
lb_product_get_heads (const LbProduct *product)
{
  return MAX (product->heads, 1);
}

/* What engines show of an operand: a copy of @values, within @range, lo and hi,
 * if there is one (else NULL). */
LbMatrix *lb_product_clamp (const LbMatrix *values, const float *range);

/* What a product cost; added to by every multiply. */
typedef struct
{
  guint64 macs;
  guint64 dot_products;
  guint64 exposures;
  guint64 source_values; /* loaded onto the source plane */
  guint64 weight_values; /* loaded onto the weight plane */
  guint64 readouts;      /* region sums */
  guint64 adc_samples;   /* camera pixels that were added up */
  guint64 unusable;      /* dot products marked NAN (saturated) */
  guint64 exact_instead; /* products whose noise was drawn exactly although moments were asked for */
  double photons;        /* at the SLM plane, over all passes */
  double detected_electrons;
  double bench_time_s;
} LbEngineCounts;

/* Dot products as they become known: @rows[i], @columns[i] of out and the
 * value; @raw (4 a dot product: ++ -+ +- --, electrons, NAN where there was no
 * such pass) may be NULL. Called in the thread that multiplies or the bench's
 * worker, one call at a time. */
typedef void (*LbEnginePartialFunc) (const guint32 *rows,
                                     const guint32 *columns,
                                     const float *values,
                                     const float *raw,
                                     gsize count,
                                     gpointer user_data);

#define LB_TYPE_ENGINE (lb_engine_get_type ())
G_DECLARE_DERIVABLE_TYPE (LbEngine, lb_engine, LB, ENGINE, GObject)

/**
 * LbEngineClass:
 * @takes_heads: whether @multiply takes products of several heads; else it is
 *   called for one after the other
 */
struct _LbEngineClass
{
  GObjectClass parent_class;
  gboolean takes_heads;
  const char *(*get_name) (LbEngine *self);
  gboolean (*multiply) (LbEngine *self,
                        const LbProduct *product,
                        LbMatrix *out,
                        LbEngineCounts *counts,
                        GCancellable *cancellable,
                        GError **error);
  gpointer padding[8];
};

const char *lb_engine_get_name (LbEngine *self);
/* @out: (heads m, n), or (heads m, 1) for diagonal pairs, by the caller. @counts may be
 * NULL, else is added to. Checks shapes and finiteness before anything moves. */
gboolean lb_engine_multiply (LbEngine *self,
                             const LbProduct *product,
                             LbMatrix *out,
                             LbEngineCounts *counts,
                             GCancellable *cancellable,
                             GError **error);
void lb_engine_set_partial_func (LbEngine *self, LbEnginePartialFunc func, gpointer user_data);
/* For implementations. */
gboolean lb_engine_wants_partial (LbEngine *self);
void lb_engine_emit_partial (LbEngine *self,
                             const guint32 *rows,
                             const guint32 *columns,
                             const float *values,
                             const float *raw,
                             gsize count);

/* Exact products in float32. */
LbEngine *lb_digital_engine_new (void);

G_END_DECLS
