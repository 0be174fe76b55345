/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <lb-gemm.h>
#include <string.h>

#include "lb-noise-private.h"

/* What an engine keeps of coded weights, in all: those of a model of the size of
 * GPT-2 small. Of larger ones the first layers are kept. */
#define KEEP_BYTES ((gsize) 1 << 30)

/* Rows a whole number of pages apart fall into the same places of the cache. */
static gsize
choose_stride (gsize columns)
{
  const gsize stride = (columns + 15) / 16 * 16;

  return stride + (stride % 1024 == 0 ? 16 : 0);
}

LbMatrix *
lb_noise_scratch_get (LbNoiseScratch *self, guint slot, gsize rows, gsize columns)
{
  const gsize stride = choose_stride (columns);

  if (self->size[slot] < rows * stride)
    {
      g_clear_pointer (&self->data[slot], g_aligned_free);
      self->size[slot] = rows * stride;
      self->data[slot] = g_aligned_alloc (self->size[slot], sizeof (float), 64);
    }
  return lb_matrix_new_wrap (self->data[slot], rows, columns, stride, NULL, NULL);
}

void
lb_noise_scratch_clear (LbNoiseScratch *self)
{
  for (guint slot = 0; slot < LB_NOISE_SCRATCH_SLOTS; slot++)
    g_clear_pointer (&self->data[slot], g_aligned_free);
  memset (self, 0, sizeof *self);
}

static void
weights_free (LbNoiseWeights *self)
{
  g_clear_pointer (&self->of, lb_matrix_unref);
  for (guint i = 0; i < 2; i++)
    {
      g_clear_pointer (&self->values[i], lb_matrix_unref);
      g_free (self->largest[i]);
      g_free (self->column_means[i]);
    }
  g_free (self);
}

/* Whether @self was made of the second operand of @product, for @mode. */
static gboolean
is_of (const LbNoiseWeights *self, LbNoiseMode mode, const LbProduct *product)
{
  const float *ranges = product->ranges;

  return self->of == product->b && self->mode == mode && self->heads == lb_product_get_heads (product) &&
         self->floor == product->slm_floor && self->has_range == (ranges != NULL) &&
         (ranges == NULL || (self->range[0] == ranges[2] && self->range[1] == ranges[3]));
}

static LbNoiseWeights *
weights_new (LbNoiseMode mode, const LbProduct *product)
{
  LbNoiseWeights *self = g_new0 (LbNoiseWeights, 1);

  self->mode = mode;
  self->of = lb_matrix_ref ((LbMatrix *) product->b);
  self->heads = lb_product_get_heads (product);
  self->floor = product->slm_floor;
  self->has_range = product->ranges != NULL;
  if (self->has_range)
    memcpy (self->range, product->ranges + 2, sizeof self->range);
  return self;
}

LbNoiseWeights *
lb_noise_shelf_take (LbNoiseShelf *self, LbNoiseMode mode, const LbProduct *product, gboolean *found)
{
  LbNoiseWeights *weights;

  for (guint i = 0; self->kept != NULL && i < self->kept->len; i++)
    if (is_of (g_ptr_array_index (self->kept, i), mode, product))
      {
        *found = TRUE;
        return g_ptr_array_index (self->kept, i);
      }
  *found = FALSE;
  weights = weights_new (mode, product);
  weights->is_kept = product->is_constant && self->bytes < KEEP_BYTES;
  if (self->kept == NULL)
    self->kept = g_ptr_array_new_with_free_func ((GDestroyNotify) weights_free);
  if (weights->is_kept)
    g_ptr_array_add (self->kept, weights);
  return weights;
}

void
lb_noise_shelf_give_back (LbNoiseWeights *weights)
{
  if (!weights->is_kept)
    weights_free (weights);
}

LbMatrix *
lb_noise_shelf_allocate (
    LbNoiseShelf *self, LbNoiseWeights *weights, guint slot, guint nth, gsize rows, gsize columns)
{
  const gsize stride = choose_stride (columns);
  float *data;

  if (!weights->is_kept)
    weights->values[nth] = lb_noise_scratch_get (&self->scratch, slot, rows, columns);
  else
    {
      data = g_aligned_alloc (rows * stride, sizeof (float), 64);
      weights->values[nth] = lb_matrix_new_wrap (data, rows, columns, stride, data, g_aligned_free);
      self->bytes += rows * stride * sizeof (float);
    }
  return weights->values[nth];
}

void
lb_noise_shelf_clear (LbNoiseShelf *self)
{
  lb_noise_scratch_clear (&self->scratch);
  g_clear_pointer (&self->kept, g_ptr_array_unref);
  self->bytes = 0;
}
