/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-power-meter.h"

#include "lb-device-private.h"

G_DEFINE_ABSTRACT_TYPE (LbPowerMeter, lb_power_meter, LB_TYPE_DEVICE)

static void
lb_power_meter_class_init (LbPowerMeterClass *klass)
{
}

static void
lb_power_meter_init (LbPowerMeter *self)
{
}

gboolean
lb_power_meter_get_caps (
    LbPowerMeter *self, LbPowerMeterCaps *caps, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  g_return_val_if_fail (LB_IS_POWER_METER (self), FALSE);
  if (!lb_device_check_call (LB_DEVICE (self), "get caps", cancellable, deadline_us, error))
    return FALSE;
  return LB_POWER_METER_GET_CLASS (self)->get_caps (self, caps, cancellable, deadline_us, error);
}

gboolean
lb_power_meter_set_wavelength (
    LbPowerMeter *self, double nm, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  g_return_val_if_fail (LB_IS_POWER_METER (self), FALSE);
  if (!lb_device_check_call (LB_DEVICE (self), "set wavelength", cancellable, deadline_us, error))
    return FALSE;
  return LB_POWER_METER_GET_CLASS (self)->set_wavelength (self, nm, cancellable, deadline_us, error);
}

gboolean
lb_power_meter_set_range (
    LbPowerMeter *self, double max_w, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  g_return_val_if_fail (LB_IS_POWER_METER (self), FALSE);
  if (!lb_device_check_call (LB_DEVICE (self), "set range", cancellable, deadline_us, error))
    return FALSE;
  return LB_POWER_METER_GET_CLASS (self)->set_range (self, max_w, cancellable, deadline_us, error);
}

gboolean
lb_power_meter_set_averaging (
    LbPowerMeter *self, guint count, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  g_return_val_if_fail (LB_IS_POWER_METER (self), FALSE);
  if (!lb_device_check_call (LB_DEVICE (self), "set averaging", cancellable, deadline_us, error))
    return FALSE;
  return LB_POWER_METER_GET_CLASS (self)->set_averaging (self, count, cancellable, deadline_us, error);
}

gboolean
lb_power_meter_zero (LbPowerMeter *self, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  g_return_val_if_fail (LB_IS_POWER_METER (self), FALSE);
  if (!lb_device_check_call (LB_DEVICE (self), "zero", cancellable, deadline_us, error))
    return FALSE;
  return LB_POWER_METER_GET_CLASS (self)->zero (self, cancellable, deadline_us, error);
}

gboolean
lb_power_meter_read (LbPowerMeter *self,
                     double *watts,
                     gint64 *time_us,
                     GCancellable *cancellable,
                     gint64 deadline_us,
                     GError **error)
{
  g_return_val_if_fail (LB_IS_POWER_METER (self), FALSE);
  if (!lb_device_check_call (LB_DEVICE (self), "read", cancellable, deadline_us, error))
    return FALSE;
  return LB_POWER_METER_GET_CLASS (self)->read (self, watts, time_us, cancellable, deadline_us, error);
}
