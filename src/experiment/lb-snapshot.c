/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-experiment-private.h"

G_DEFINE_BOXED_TYPE (LbSnapshot, lb_snapshot, lb_snapshot_ref, lb_snapshot_unref)

LbSnapshot *
lb_snapshot_new (void)
{
  LbSnapshot *self = g_new0 (LbSnapshot, 1);

  g_atomic_ref_count_init (&self->references);
  self->figures = g_ptr_array_new_with_free_func ((GDestroyNotify) lb_figure_unref);
  self->results = lb_quantities_new ();
  return self;
}

/**
 * lb_snapshot_ref:
 *
 * Returns: (transfer full): @self
 */
LbSnapshot *
lb_snapshot_ref (LbSnapshot *self)
{
  g_return_val_if_fail (self != NULL, NULL);
  g_atomic_ref_count_inc (&self->references);
  return self;
}

void
lb_snapshot_unref (LbSnapshot *self)
{
  g_return_if_fail (self != NULL);
  if (!g_atomic_ref_count_dec (&self->references))
    return;
  g_free (self->message);
  g_ptr_array_unref (self->figures);
  lb_quantities_free (self->results);
  g_free (self);
}
