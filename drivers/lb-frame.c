/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-frame.h"

G_DEFINE_BOXED_TYPE (LbFrame, lb_frame, lb_frame_ref, lb_frame_unref)

/**
 * lb_frame_new:
 * @info: what is copied; its data belongs to @owner
 * @owner: (nullable) (transfer full): freed with the last reference
 * @free_owner: (nullable): frees @owner, in the thread that gives up the last reference
 *
 * Returns: (transfer full): a frame
 */
LbFrame *
lb_frame_new (const LbFrame *info, gpointer owner, GDestroyNotify free_owner)
{
  LbFrame *self;

  g_return_val_if_fail (info != NULL && info->data != NULL, NULL);

  self = g_memdup2 (info, sizeof *info);
  self->owner = owner;
  self->free_owner = free_owner;
  g_atomic_ref_count_init (&self->references);
  return self;
}

/**
 * lb_frame_ref:
 *
 * Returns: (transfer full): the same frame; any thread
 */
LbFrame *
lb_frame_ref (LbFrame *self)
{
  g_return_val_if_fail (self != NULL, NULL);
  g_atomic_ref_count_inc (&self->references);
  return self;
}

/**
 * lb_frame_unref:
 *
 * Gives a reference up; any thread.
 */
void
lb_frame_unref (LbFrame *self)
{
  g_return_if_fail (self != NULL);
  if (!g_atomic_ref_count_dec (&self->references))
    return;
  if (self->free_owner != NULL)
    self->free_owner (self->owner);
  g_free (self);
}
