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

/**
 * lb_power_meter_get_caps:
 *
 * What the open power meter can do.
 *
 * Returns: %FALSE with an LbDeviceError
 */
gboolean
lb_power_meter_get_caps (
    LbPowerMeter *self, LbPowerMeterCaps *caps, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  gboolean done;

  g_return_val_if_fail (LB_IS_POWER_METER (self), FALSE);
  if (!lb_device_begin_call (LB_DEVICE (self), "get caps", cancellable, deadline_us, error))
    return FALSE;
  done = LB_POWER_METER_GET_CLASS (self)->get_caps (self, caps, cancellable, deadline_us, error);
  lb_device_end_call (LB_DEVICE (self));
  return done;
}

/**
 * lb_power_meter_set_wavelength:
 * @nm: nanometres
 *
 * Returns: %FALSE with RANGE outside the caps
 */
gboolean
lb_power_meter_set_wavelength (
    LbPowerMeter *self, double nm, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  gboolean done;

  g_return_val_if_fail (LB_IS_POWER_METER (self), FALSE);
  if (!lb_device_begin_call (LB_DEVICE (self), "set wavelength", cancellable, deadline_us, error))
    return FALSE;
  done = LB_POWER_METER_GET_CLASS (self)->set_wavelength (self, nm, cancellable, deadline_us, error);
  lb_device_end_call (LB_DEVICE (self));
  return done;
}

/**
 * lb_power_meter_set_range:
 * @max_w: watts; 0: automatic
 *
 * Returns: %FALSE with RANGE outside the caps
 */
gboolean
lb_power_meter_set_range (
    LbPowerMeter *self, double max_w, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  gboolean done;

  g_return_val_if_fail (LB_IS_POWER_METER (self), FALSE);
  if (!lb_device_begin_call (LB_DEVICE (self), "set range", cancellable, deadline_us, error))
    return FALSE;
  done = LB_POWER_METER_GET_CLASS (self)->set_range (self, max_w, cancellable, deadline_us, error);
  lb_device_end_call (LB_DEVICE (self));
  return done;
}

/**
 * lb_power_meter_set_averaging:
 * @count: readings in one
 *
 * Returns: %FALSE with UNSUPPORTED where the meter has no averaging
 */
gboolean
lb_power_meter_set_averaging (
    LbPowerMeter *self, guint count, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  gboolean done;

  g_return_val_if_fail (LB_IS_POWER_METER (self), FALSE);
  if (!lb_device_begin_call (LB_DEVICE (self), "set averaging", cancellable, deadline_us, error))
    return FALSE;
  done = LB_POWER_METER_GET_CLASS (self)->set_averaging (self, count, cancellable, deadline_us, error);
  lb_device_end_call (LB_DEVICE (self));
  return done;
}

/**
 * lb_power_meter_zero:
 *
 * Takes what it reads now as zero: the light must be off.
 *
 * Returns: %FALSE with an LbDeviceError
 */
gboolean
lb_power_meter_zero (LbPowerMeter *self, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  gboolean done;

  g_return_val_if_fail (LB_IS_POWER_METER (self), FALSE);
  if (!lb_device_begin_call (LB_DEVICE (self), "zero", cancellable, deadline_us, error))
    return FALSE;
  done = LB_POWER_METER_GET_CLASS (self)->zero (self, cancellable, deadline_us, error);
  lb_device_end_call (LB_DEVICE (self));
  return done;
}

/**
 * lb_power_meter_read:
 * @watts: (out): optical power
 * @time_us: (out) (optional): bench time of the reading
 *
 * Returns: %FALSE with OVER_RANGE
 */
gboolean
lb_power_meter_read (LbPowerMeter *self,
                     double *watts,
                     gint64 *time_us,
                     GCancellable *cancellable,
                     gint64 deadline_us,
                     GError **error)
{
  gboolean done;

  g_return_val_if_fail (LB_IS_POWER_METER (self), FALSE);
  if (!lb_device_begin_call (LB_DEVICE (self), "read", cancellable, deadline_us, error))
    return FALSE;
  done = LB_POWER_METER_GET_CLASS (self)->read (self, watts, time_us, cancellable, deadline_us, error);
  lb_device_end_call (LB_DEVICE (self));
  return done;
}
