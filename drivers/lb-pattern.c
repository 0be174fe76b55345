/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-pattern.h"

#include <string.h>

G_DEFINE_BOXED_TYPE (LbPattern, lb_pattern, lb_pattern_ref, lb_pattern_unref)

static guint64
next_serial (void)
{
  static GMutex lock;
  static guint64 serial;
  guint64 result;

  g_mutex_lock (&lock);
  result = ++serial;
  g_mutex_unlock (&lock);
  return result;
}

/**
 * lb_pattern_new_take:
 * @data: (transfer full): width x height grey levels, g_malloc()ed
 *
 * Returns: (transfer full): a pattern with a serial of its own
 */
LbPattern *
lb_pattern_new_take (guint width, guint height, guint8 *data)
{
  LbPattern *self;

  g_return_val_if_fail (width > 0 && height > 0 && data != NULL, NULL);

  self = g_new0 (LbPattern, 1);
  self->width = width;
  self->height = height;
  self->data = self->owned = data;
  self->serial = next_serial ();
  g_atomic_ref_count_init (&self->references);
  return self;
}

/**
 * lb_pattern_new_uniform:
 *
 * Returns: (transfer full): a pattern with the same grey level everywhere
 */
LbPattern *
lb_pattern_new_uniform (guint width, guint height, guint8 level)
{
  guint8 *data = g_malloc ((gsize) width * height);

  memset (data, level, (gsize) width * height);
  return lb_pattern_new_take (width, height, data);
}

/**
 * lb_pattern_ref:
 *
 * Returns: (transfer full): the same pattern; any thread
 */
LbPattern *
lb_pattern_ref (LbPattern *self)
{
  g_return_val_if_fail (self != NULL, NULL);
  g_atomic_ref_count_inc (&self->references);
  return self;
}

/**
 * lb_pattern_unref:
 *
 * Gives a reference up; any thread.
 */
void
lb_pattern_unref (LbPattern *self)
{
  g_return_if_fail (self != NULL);
  if (!g_atomic_ref_count_dec (&self->references))
    return;
  g_free (self->owned);
  g_free (self);
}
