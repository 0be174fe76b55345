/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib-object.h>

G_BEGIN_DECLS

/**
 * LbPattern: grey levels for a modulator, one byte a pixel, rows without gaps;
 * immutable, reference counted, may cross threads. Two patterns of the same
 * @serial are the same; serials are unique in the process.
 */
typedef struct
{
  guint width, height;
  const guint8 *data;
  guint64 serial;
  /*< private >*/
  guint8 *owned;
  gatomicrefcount references;
} LbPattern;

#define LB_TYPE_PATTERN (lb_pattern_get_type ())
GType lb_pattern_get_type (void);
/* Takes @data (g_malloc'ed, width x height). */
LbPattern *lb_pattern_new_take (guint width, guint height, guint8 *data);
LbPattern *lb_pattern_new_uniform (guint width, guint height, guint8 level);
LbPattern *lb_pattern_ref (LbPattern *self);
void lb_pattern_unref (LbPattern *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (LbPattern, lb_pattern_unref)

G_END_DECLS
