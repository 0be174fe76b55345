/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/*
 * json-glib 1.6 recurses without a limit, aborts at a lone UTF-16 surrogate and
 * reads more than JSON (comments, bare words). So text from elsewhere goes
 * through this strict scanner first; what json-glib sees is JSON.
 */
gboolean lb_json_scan (const char *data, gsize size, guint depth, GError **error);

G_END_DECLS
