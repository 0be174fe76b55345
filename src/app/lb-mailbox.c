/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-mailbox.h"

struct _LbMailbox
{
  gatomicrefcount references;
  GMutex lock;
  gpointer letter;
  gboolean scheduled;
  GDestroyNotify free_letter;
  LbMailboxFunc func; /* main context only; NULL: closed */
  gpointer user_data;
};

/**
 * lb_mailbox_new:
 * @func: called in the main context with the newest letter
 * @user_data: for @func
 * @free_letter: frees a letter, from any thread
 *
 * Returns: (transfer full): a mailbox
 */
LbMailbox *
lb_mailbox_new (LbMailboxFunc func, gpointer user_data, GDestroyNotify free_letter)
{
  LbMailbox *self = g_new0 (LbMailbox, 1);

  g_atomic_ref_count_init (&self->references);
  g_mutex_init (&self->lock);
  self->func = func;
  self->user_data = user_data;
  self->free_letter = free_letter;
  return self;
}

/**
 * lb_mailbox_ref:
 *
 * Returns: (transfer full): @self
 */
LbMailbox *
lb_mailbox_ref (LbMailbox *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  g_atomic_ref_count_inc (&self->references);
  return self;
}

/**
 * lb_mailbox_unref:
 *
 * Any thread.
 */
void
lb_mailbox_unref (LbMailbox *self)
{
  g_return_if_fail (self != NULL);

  if (!g_atomic_ref_count_dec (&self->references))
    return;
  if (self->letter != NULL)
    self->free_letter (self->letter);
  g_mutex_clear (&self->lock);
  g_free (self);
}

/**
 * lb_mailbox_flush:
 *
 * Delivers what is waiting, if anything is; main context.
 */
void
lb_mailbox_flush (LbMailbox *self)
{
  gpointer letter;

  g_return_if_fail (self != NULL);

  g_mutex_lock (&self->lock);
  letter = g_steal_pointer (&self->letter);
  g_mutex_unlock (&self->lock);
  if (letter == NULL)
    return;
  if (self->func != NULL)
    self->func (letter, self->user_data);
  self->free_letter (letter);
}

static gboolean
deliver_cb (gpointer user_data)
{
  LbMailbox *self = user_data;

  g_mutex_lock (&self->lock);
  self->scheduled = FALSE;
  g_mutex_unlock (&self->lock);
  lb_mailbox_flush (self);
  return G_SOURCE_REMOVE;
}

/**
 * lb_mailbox_post:
 * @letter: (transfer full): replaces one that still waits
 *
 * Any thread.
 */
void
lb_mailbox_post (LbMailbox *self, gpointer letter)
{
  gpointer old;
  gboolean schedule;

  g_return_if_fail (self != NULL);
  g_return_if_fail (letter != NULL);

  g_mutex_lock (&self->lock);
  old = self->letter;
  self->letter = letter;
  schedule = !self->scheduled;
  self->scheduled = TRUE;
  g_mutex_unlock (&self->lock);
  if (old != NULL)
    self->free_letter (old);
  if (schedule)
    g_idle_add_full (G_PRIORITY_DEFAULT, deliver_cb, lb_mailbox_ref (self),
                     (GDestroyNotify) lb_mailbox_unref);
}

/**
 * lb_mailbox_close:
 *
 * For a reader that goes away before the writers do; main context.
 */
void
lb_mailbox_close (LbMailbox *self)
{
  g_return_if_fail (self != NULL);

  self->func = NULL;
}
