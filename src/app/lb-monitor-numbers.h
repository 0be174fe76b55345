/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "lb-setup-draft.h"

G_BEGIN_DECLS

/* Shows each monitor of @candidates its number, full screen, for some seconds or
 * until it is cancelled. For a thread. FALSE with the first error; the others
 * have shown theirs all the same. */
gboolean lb_monitor_numbers_show (GPtrArray *candidates, GCancellable *cancellable, GError **error);
/* A big figure in the middle of a black picture; a byte a pixel. */
guint8 *lb_monitor_number_draw (guint number, guint width, guint height);

G_END_DECLS
