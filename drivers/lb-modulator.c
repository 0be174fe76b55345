/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-modulator.h"

#include "lb-device-private.h"

G_DEFINE_ABSTRACT_TYPE (LbModulator, lb_modulator, LB_TYPE_DEVICE)

static void
lb_modulator_class_init (LbModulatorClass *klass)
{
}

static void
lb_modulator_init (LbModulator *self)
{
}

gboolean
lb_modulator_get_caps (
    LbModulator *self, LbModulatorCaps *caps, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  g_return_val_if_fail (LB_IS_MODULATOR (self), FALSE);
  if (!lb_device_check_call (LB_DEVICE (self), "get caps", cancellable, deadline_us, error))
    return FALSE;
  return LB_MODULATOR_GET_CLASS (self)->get_caps (self, caps, cancellable, deadline_us, error);
}

gboolean
lb_modulator_show (LbModulator *self,
                   LbPattern *pattern,
                   guint64 sequence,
                   GCancellable *cancellable,
                   gint64 deadline_us,
                   GError **error)
{
  g_return_val_if_fail (LB_IS_MODULATOR (self), FALSE);
  if (!lb_device_check_call (LB_DEVICE (self), "show", cancellable, deadline_us, error))
    return FALSE;
  return LB_MODULATOR_GET_CLASS (self)->show (self, pattern, sequence, cancellable, deadline_us, error);
}

gboolean
lb_modulator_wait_presented (LbModulator *self,
                             guint64 sequence,
                             gint64 *time_us,
                             GCancellable *cancellable,
                             gint64 deadline_us,
                             GError **error)
{
  g_return_val_if_fail (LB_IS_MODULATOR (self), FALSE);
  if (!lb_device_check_call (LB_DEVICE (self), "wait presented", cancellable, deadline_us, error))
    return FALSE;
  return LB_MODULATOR_GET_CLASS (self)->wait_presented (self, sequence, time_us, cancellable, deadline_us,
                                                        error);
}

gboolean
lb_modulator_blank (LbModulator *self, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  g_return_val_if_fail (LB_IS_MODULATOR (self), FALSE);
  return LB_MODULATOR_GET_CLASS (self)->blank (self, cancellable, deadline_us, error);
}

LbPattern *
lb_modulator_read_back (LbModulator *self, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  g_return_val_if_fail (LB_IS_MODULATOR (self), NULL);
  if (!lb_device_check_call (LB_DEVICE (self), "read back", cancellable, deadline_us, error))
    return NULL;
  return LB_MODULATOR_GET_CLASS (self)->read_back (self, cancellable, deadline_us, error);
}

gboolean
lb_modulator_check (LbModulator *self,
                    LbModulatorFaults *faults,
                    GCancellable *cancellable,
                    gint64 deadline_us,
                    GError **error)
{
  g_return_val_if_fail (LB_IS_MODULATOR (self), FALSE);
  if (!lb_device_check_call (LB_DEVICE (self), "check", cancellable, deadline_us, error))
    return FALSE;
  return LB_MODULATOR_GET_CLASS (self)->check (self, faults, cancellable, deadline_us, error);
}
