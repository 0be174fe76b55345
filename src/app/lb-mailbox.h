/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/*
 * LbMailbox: hands things from any thread to the main context. Only the newest
 * is kept: a main loop that is late never works off old ones. Reference counted.
 */
typedef struct _LbMailbox LbMailbox;

/* Called in the main context with a letter that it does not own. */
typedef void (*LbMailboxFunc) (gpointer letter, gpointer user_data);

LbMailbox *lb_mailbox_new (LbMailboxFunc func, gpointer user_data, GDestroyNotify free_letter);
LbMailbox *lb_mailbox_ref (LbMailbox *self);
void lb_mailbox_unref (LbMailbox *self);
/* Any thread; takes @letter. */
void lb_mailbox_post (LbMailbox *self, gpointer letter);
/* Main context: delivers what is waiting now. */
void lb_mailbox_flush (LbMailbox *self);
/* Main context: nothing is delivered any more. */
void lb_mailbox_close (LbMailbox *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LbMailbox, lb_mailbox_unref)

G_END_DECLS
