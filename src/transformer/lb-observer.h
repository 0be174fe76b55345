/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "lb-ranges.h"

G_BEGIN_DECLS

/* Private to this library: a product of a digital pass, of one head, as it was
 * computed. */
typedef void (*LbObserverFunc) (const LbProduct *product, const LbMatrix *out, gpointer user_data);

/* Reads @tokens digitally in windows of the context length, the last of them
 * shorter if need be, and shows every product to @observe; @progress may be NULL. */
gboolean lb_observe_windows (LbModel *model,
                             const guint32 *tokens,
                             gsize count,
                             LbObserverFunc observe,
                             gpointer observe_data,
                             LbRangesFunc progress,
                             gpointer progress_data,
                             GCancellable *cancellable,
                             GError **error);

G_END_DECLS
