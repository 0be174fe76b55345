/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-forward.h"

#include <glib/gi18n-lib.h>
#include <lb-gemm.h>
#include <math.h>
#include <string.h>

#include "lb-kernels.h"
#include "lb-model-private.h"

struct _LbForward
{
  GObject parent_instance;

  LbModel *model;
  LbEngine *digital;
  LbEngine **routes; /* (layers, LB_N_OPS) */
  guint64 seed;
};

G_DEFINE_FINAL_TYPE (LbForward, lb_forward, G_TYPE_OBJECT)

/* Where a pass stops, and what it found there. */
typedef struct
{
  guint layer;
  guint head;
  LbTransformerOp op;
  gboolean at_norm; /* at the first LayerNorm of the layer instead of at @op */
  gboolean reached;
  LbMatrix *a;
  LbMatrix *b;
} Tap;

/* One pass over one window. Its functions return FALSE with an error, or FALSE
 * without one where the tap was reached. */
typedef struct
{
  LbForward *forward;
  const LbModelConfig *config;
  LbLayer *layer; /* the weights in use, and their index */
  guint layer_index;
  guint64 window;
  LbEngineCounts *counts;
  GCancellable *cancellable;
  Tap *tap;
  LbMatrix *x; /* the residual stream, (count, width) */
  LbMatrix *normalised;
  LbMatrix *query;
  LbMatrix *key;
  LbMatrix *value;
  LbMatrix *mixed;      /* the heads' outputs side by side */
  LbMatrix *head_query; /* the heads below each other: (heads count, width / heads) */
  LbMatrix *head_key;
  LbMatrix *head_mixed;
  LbMatrix *scores; /* (heads count, count) */
  LbMatrix *hidden;
  LbMatrix *change; /* what is added to the stream */
} Pass;

static void
lb_forward_finalize (GObject *object)
{
  LbForward *self = LB_FORWARD (object);
  guint count = self->model != NULL ? lb_model_get_config (self->model)->layers * LB_N_OPS : 0;

  for (guint i = 0; i < count; i++)
    g_clear_object (&self->routes[i]);
  g_free (self->routes);
  g_clear_object (&self->digital);
  g_clear_object (&self->model);

  G_OBJECT_CLASS (lb_forward_parent_class)->finalize (object);
}

static void
lb_forward_class_init (LbForwardClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = lb_forward_finalize;
}

static void
lb_forward_init (LbForward *self)
{
  self->digital = lb_digital_engine_new ();
}

/**
 * lb_forward_new:
 *
 * A forward pass of @model, all of it digital at first. One run at a time.
 *
 * Returns: (transfer full): a forward pass
 */
LbForward *
lb_forward_new (LbModel *model)
{
  LbForward *self;

  g_return_val_if_fail (LB_IS_MODEL (model), NULL);

  self = g_object_new (LB_TYPE_FORWARD, NULL);
  self->model = g_object_ref (model);
  self->routes = g_new0 (LbEngine *, lb_model_get_config (model)->layers * LB_N_OPS);
  lb_forward_set_engine (self, NULL);
  return self;
}

/**
 * lb_forward_get_model:
 *
 * Returns: (transfer none): the model
 */
LbModel *
lb_forward_get_model (LbForward *self)
{
  g_return_val_if_fail (LB_IS_FORWARD (self), NULL);

  return self->model;
}

static void
set_route (LbForward *self, guint place, LbEngine *engine)
{
  LbEngine *chosen = engine != NULL ? engine : self->digital;

  g_set_object (&self->routes[place], chosen);
}

/**
 * lb_forward_set_engine:
 * @engine: (nullable): for all operators of all layers; %NULL: digital
 */
void
lb_forward_set_engine (LbForward *self, LbEngine *engine)
{
  guint layers;

  g_return_if_fail (LB_IS_FORWARD (self));
  g_return_if_fail (engine == NULL || LB_IS_ENGINE (engine));

  layers = lb_model_get_config (self->model)->layers;
  for (guint i = 0; i < layers * LB_N_OPS; i++)
    set_route (self, i, engine);
}

/**
 * lb_forward_route:
 * @engine: (nullable): for operator @op of @layer; %NULL: digital
 */
void
lb_forward_route (LbForward *self, guint layer, LbTransformerOp op, LbEngine *engine)
{
  g_return_if_fail (LB_IS_FORWARD (self));
  g_return_if_fail (layer < lb_model_get_config (self->model)->layers);
  g_return_if_fail ((guint) op < LB_N_OPS);
  g_return_if_fail (engine == NULL || LB_IS_ENGINE (engine));

  set_route (self, layer * LB_N_OPS + op, engine);
}

/**
 * lb_forward_set_seed:
 * @seed: of the random numbers that engines draw
 */
void
lb_forward_set_seed (LbForward *self, guint64 seed)
{
  g_return_if_fail (LB_IS_FORWARD (self));

  self->seed = seed;
}

static gboolean
check_tokens (LbForward *self, const guint32 *tokens, gsize count, GError **error)
{
  const LbModelConfig *config = lb_model_get_config (self->model);

  if (count == 0)
    {
      g_set_error (error, LB_MODEL_ERROR, LB_MODEL_ERROR_TEXT,
                   _ ("The text is empty: give at least one token"));
      return FALSE;
    }
  if (count > config->context)
    {
      g_set_error (error, LB_MODEL_ERROR, LB_MODEL_ERROR_TEXT,
                   _ ("The text has %zu tokens, but the model “%s” reads at most %u at once: shorten it"),
                   count, lb_model_get_name (self->model), config->context);
      return FALSE;
    }
  for (gsize i = 0; i < count; i++)
    if (tokens[i] >= config->vocabulary)
      {
        g_set_error (error, LB_MODEL_ERROR, LB_MODEL_ERROR_TEXT,
                     _ ("The token %u is outside the vocabulary of the model “%s”, which ends at %u"),
                     tokens[i], lb_model_get_name (self->model), config->vocabulary - 1);
        return FALSE;
      }
  return TRUE;
}

static void
embed (Pass *pass, const guint32 *tokens)
{
  const LbOuterWeights *outer = lb_model_get_outer_weights (pass->forward->model);

  for (gsize i = 0; i < pass->x->rows; i++)
    {
      const float *token = lb_matrix_row (outer->token, tokens[i]);
      const float *position = lb_matrix_row (outer->position, i);
      float *x = lb_matrix_row (pass->x, i);

      for (gsize j = 0; j < pass->x->columns; j++)
        x[j] = token[j] + position[j];
    }
}

static void
pass_init (Pass *pass, LbForward *self, const guint32 *tokens, gsize count)
{
  const LbModelConfig *config = lb_model_get_config (self->model);

  memset (pass, 0, sizeof *pass);
  pass->forward = self;
  pass->config = config;
  pass->x = lb_matrix_new (count, config->width);
  pass->normalised = lb_matrix_new (count, config->width);
  pass->query = lb_matrix_new (count, config->width);
  pass->key = lb_matrix_new (count, config->width);
  pass->value = lb_matrix_new (count, config->width);
  pass->mixed = lb_matrix_new (count, config->width);
  pass->head_query = lb_matrix_new (config->heads * count, config->width / config->heads);
  pass->head_key = lb_matrix_new (config->heads * count, config->width / config->heads);
  pass->head_mixed = lb_matrix_new (config->heads * count, config->width / config->heads);
  pass->scores = lb_matrix_new (config->heads * count, count);
  pass->hidden = lb_matrix_new (count, config->hidden);
  pass->change = lb_matrix_new (count, config->width);
  embed (pass, tokens);
}

static void
pass_clear (Pass *pass)
{
  g_clear_pointer (&pass->layer, lb_layer_unref);
  g_clear_pointer (&pass->x, lb_matrix_unref);
  g_clear_pointer (&pass->normalised, lb_matrix_unref);
  g_clear_pointer (&pass->query, lb_matrix_unref);
  g_clear_pointer (&pass->key, lb_matrix_unref);
  g_clear_pointer (&pass->value, lb_matrix_unref);
  g_clear_pointer (&pass->mixed, lb_matrix_unref);
  g_clear_pointer (&pass->head_query, lb_matrix_unref);
  g_clear_pointer (&pass->head_key, lb_matrix_unref);
  g_clear_pointer (&pass->head_mixed, lb_matrix_unref);
  g_clear_pointer (&pass->scores, lb_matrix_unref);
  g_clear_pointer (&pass->hidden, lb_matrix_unref);
  g_clear_pointer (&pass->change, lb_matrix_unref);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Pass, pass_clear)

/* Remembers the operands of the tapped operator; of attention those of a head. */
static void
reach_tap (Tap *tap, LbMatrix *a, LbMatrix *b, guint heads)
{
  const guint head = heads > 1 ? tap->head : 0;
  const gsize a_rows = a->rows / heads, b_rows = b->rows / heads;

  tap->reached = TRUE;
  if (heads == 1)
    {
      tap->a = lb_matrix_ref (a);
      tap->b = lb_matrix_ref (b);
      return;
    }
  tap->a = lb_matrix_new_view (a, head * a_rows, 0, a_rows, a->columns);
  tap->b = lb_matrix_new_view (b, head * b_rows, 0, b_rows, b->columns);
}

/* Dot products that the engine could not measure (NAN) become those of the
 * operands as it was given them, clamped to their ranges. */
static void
replace_unusable (const LbProduct *product, LbMatrix *out)
{
  static const float open[] = { -INFINITY, INFINITY, -INFINITY, INFINITY };
  const float *ranges = product->ranges != NULL ? product->ranges : open;
  const guint heads = lb_product_get_heads (product);
  const gsize rows = product->a->rows / heads, columns = product->b->rows / heads;

  for (gsize row = 0; row < out->rows; row++)
    for (gsize column = 0; column < out->columns; column++)
      {
        const float *x = lb_matrix_row (product->a, row);
        const float *w = lb_matrix_row (product->b, row / rows * columns + column);
        double sum = 0;

        if (!isnan (lb_matrix_get (out, row, column)))
          continue;
        for (gsize k = 0; k < product->a->columns; k++)
          sum += (double) CLAMP (x[k], ranges[0], ranges[1]) * (double) CLAMP (w[k], ranges[2], ranges[3]);
        lb_matrix_row (out, row)[column] = (float) sum;
      }
}

static gboolean
multiply_on_engine (Pass *pass, LbTransformerOp op, const LbProduct *product, LbMatrix *out, GError **error)
{
  LbEngine *engine = pass->forward->routes[pass->layer_index * LB_N_OPS + op];
  LbEngineCounts unwanted = { 0 };
  LbEngineCounts *counts = pass->counts != NULL ? pass->counts : &unwanted;
  const guint64 unusable = counts->unusable;

  if (!lb_engine_multiply (engine, product, out, counts, pass->cancellable, error))
    {
      /* Whoever breaks a pass off knows that; where it was does not matter. */
      if (!g_cancellable_is_cancelled (pass->cancellable))
        g_prefix_error (error, _ ("Layer %u, operator %s: "), pass->layer_index,
                        lb_transformer_op_get_name (op));
      return FALSE;
    }
  if (counts->unusable > unusable)
    replace_unusable (product, out);
  return TRUE;
}

/* out = a b^T on the engine of this operator; of all heads for attention. */
static gboolean
multiply (Pass *pass, LbTransformerOp op, LbMatrix *a, LbMatrix *b, LbMatrix *out, GError **error)
{
  LbForward *self = pass->forward;
  Tap *tap = pass->tap;
  const gboolean attention = op == LB_OP_QK || op == LB_OP_AV;
  const LbProduct product = {
    .a = a,
    .b = b,
    .heads = attention ? pass->config->heads : 1,
    .kind = attention ? LB_PRODUCT_ATTENTION : LB_PRODUCT_LINEAR,
    .pairs = LB_PAIRS_ALL,
    .key = { .seed = self->seed,
             .layer = pass->layer_index,
             .op = (guint32) op,
             .window = (guint32) pass->window },
    .ranges = lb_model_get_ranges (self->model, pass->layer_index, op),
    .sigma_means = lb_model_get_sigma_means (self->model, pass->layer_index, op),
    .slm_floor = pass->config->slm_floor,
    .is_constant = !attention && pass->layer->is_kept,
  };

  if (tap == NULL)
    return multiply_on_engine (pass, op, &product, out, error);
  if (!tap->at_norm && tap->layer == pass->layer_index && tap->op == op)
    {
      reach_tap (tap, a, b, product.heads);
      return FALSE;
    }
  return lb_engine_multiply (self->digital, &product, out, NULL, pass->cancellable, error);
}

/* A linear operator of the layer, with its bias where it has one. */
static gboolean
apply_linear (Pass *pass, LbTransformerOp op, LbMatrix *a, LbMatrix *out, GError **error)
{
  if (!multiply (pass, op, a, pass->layer->weight[op], out, error))
    return FALSE;
  if (pass->layer->bias[op] != NULL)
    lb_kernel_add_bias (out, pass->layer->bias[op]);
  return TRUE;
}

/* Moves heads from side by side, (count, width), to below each other, (heads
 * count, width / heads), or back. */
static void
move_heads (LbMatrix *beside, LbMatrix *below, gboolean to_below)
{
  const gsize count = beside->rows, width = below->columns;

#pragma omp parallel for num_threads(lb_numerics_get_threads_for(below->rows *width)) schedule(static)
  for (gsize row = 0; row < below->rows; row++)
    {
      float *one = lb_matrix_row (beside, row % count) + row / count * width;
      float *two = lb_matrix_row (below, row);

      memcpy (to_below ? two : one, to_below ? one : two, width * sizeof (float));
    }
}

/* Scores, softmax and mixing of all heads. */
static gboolean
apply_heads (Pass *pass, GError **error)
{
  const gsize width = pass->config->width / pass->config->heads;
  g_autoptr (LbMatrix) v_transposed = NULL;

  move_heads (pass->query, pass->head_query, TRUE);
  move_heads (pass->key, pass->head_key, TRUE);
  if (!multiply (pass, LB_OP_QK, pass->head_query, pass->head_key, pass->scores, error))
    return FALSE;
  lb_kernel_causal_softmax (pass->scores, (float) (1.0 / sqrt ((double) width)));
  /* (width, count): the v^T of the heads below each other. */
  v_transposed = lb_matrix_new_transpose (pass->value);
  if (!multiply (pass, LB_OP_AV, pass->scores, v_transposed, pass->head_mixed, error))
    return FALSE;
  move_heads (pass->mixed, pass->head_mixed, FALSE);
  return TRUE;
}

static gboolean
apply_attention (Pass *pass, GError **error)
{
  lb_kernel_layer_norm (pass->x, pass->layer->norm_1_gain, pass->layer->norm_1_bias, pass->config->epsilon,
                        pass->normalised);
  if (pass->tap != NULL && pass->tap->at_norm && pass->tap->layer == pass->layer_index)
    {
      pass->tap->reached = TRUE;
      pass->tap->a = lb_matrix_ref (pass->normalised);
      return FALSE;
    }
  if (!apply_linear (pass, LB_OP_WQ, pass->normalised, pass->query, error) ||
      !apply_linear (pass, LB_OP_WK, pass->normalised, pass->key, error) ||
      !apply_linear (pass, LB_OP_WV, pass->normalised, pass->value, error))
    return FALSE;
  if (!apply_heads (pass, error))
    return FALSE;
  if (!apply_linear (pass, LB_OP_WO, pass->mixed, pass->change, error))
    return FALSE;
  lb_kernel_add (pass->x, pass->change);
  return TRUE;
}

static gboolean
apply_feed_forward (Pass *pass, GError **error)
{
  lb_kernel_layer_norm (pass->x, pass->layer->norm_2_gain, pass->layer->norm_2_bias, pass->config->epsilon,
                        pass->normalised);
  if (!apply_linear (pass, LB_OP_W1, pass->normalised, pass->hidden, error))
    return FALSE;
  if (pass->config->activation == LB_ACTIVATION_RELU6)
    lb_kernel_relu6 (pass->hidden);
  else
    lb_kernel_gelu_tanh (pass->hidden);
  if (!apply_linear (pass, LB_OP_W2, pass->hidden, pass->change, error))
    return FALSE;
  lb_kernel_add (pass->x, pass->change);
  return TRUE;
}

static gboolean
apply_layers (Pass *pass, GError **error)
{
  for (guint i = 0; i < pass->config->layers; i++)
    {
      g_clear_pointer (&pass->layer, lb_layer_unref);
      pass->layer = lb_model_hold_layer (pass->forward->model, i, error);
      pass->layer_index = i;
      if (pass->layer == NULL || !apply_attention (pass, error) || !apply_feed_forward (pass, error))
        return FALSE;
    }
  return TRUE;
}

LbMatrix *
lb_forward_run (LbForward *self,
                const guint32 *tokens,
                gsize count,
                guint64 window,
                LbEngineCounts *counts,
                GCancellable *cancellable,
                GError **error)
{
  const LbOuterWeights *outer;
  g_auto (Pass) pass = { NULL };
  LbMatrix *logits;

  g_return_val_if_fail (LB_IS_FORWARD (self), NULL);
  g_return_val_if_fail (tokens != NULL || count == 0, NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  if (!check_tokens (self, tokens, count, error))
    return NULL;
  pass_init (&pass, self, tokens, count);
  pass.window = window;
  pass.counts = counts;
  pass.cancellable = cancellable;
  if (!apply_layers (&pass, error))
    return NULL;

  outer = lb_model_get_outer_weights (self->model);
  lb_kernel_layer_norm (pass.x, outer->norm_gain, outer->norm_bias, pass.config->epsilon, pass.normalised);
  logits = lb_matrix_new (count, pass.config->vocabulary);
  lb_gemm_nt (pass.normalised, outer->head, logits);
  if (outer->head_bias != NULL)
    lb_kernel_add_bias (logits, outer->head_bias);
  return logits;
}

/* Runs digitally up to @tap. */
static gboolean
run_to (LbForward *self, const guint32 *tokens, gsize count, Tap *tap, GError **error)
{
  g_auto (Pass) pass = { NULL };

  if (!check_tokens (self, tokens, count, error))
    return FALSE;
  pass_init (&pass, self, tokens, count);
  pass.tap = tap;
  (void) apply_layers (&pass, error);
  return tap->reached;
}

gboolean
lb_forward_get_operands (LbForward *self,
                         const guint32 *tokens,
                         gsize count,
                         guint layer,
                         guint head,
                         LbTransformerOp op,
                         LbMatrix **a,
                         LbMatrix **b,
                         GError **error)
{
  Tap tap = { .layer = layer, .head = head, .op = op };

  g_return_val_if_fail (LB_IS_FORWARD (self), FALSE);
  g_return_val_if_fail (tokens != NULL || count == 0, FALSE);
  g_return_val_if_fail (layer < lb_model_get_config (self->model)->layers, FALSE);
  g_return_val_if_fail (head < lb_model_get_config (self->model)->heads, FALSE);
  g_return_val_if_fail ((guint) op < LB_N_OPS, FALSE);
  g_return_val_if_fail (a != NULL && b != NULL, FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  if (!run_to (self, tokens, count, &tap, error))
    return FALSE;
  *a = tap.a;
  *b = tap.b;
  return TRUE;
}

LbMatrix *
lb_forward_get_normalised (LbForward *self, const guint32 *tokens, gsize count, guint layer, GError **error)
{
  Tap tap = { .layer = layer, .at_norm = TRUE };

  g_return_val_if_fail (LB_IS_FORWARD (self), NULL);
  g_return_val_if_fail (tokens != NULL || count == 0, NULL);
  g_return_val_if_fail (layer < lb_model_get_config (self->model)->layers, NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  return run_to (self, tokens, count, &tap, error) ? tap.a : NULL;
}
