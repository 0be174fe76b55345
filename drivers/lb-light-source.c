/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-light-source.h"

#include "lb-device-private.h"

G_DEFINE_ABSTRACT_TYPE (LbLightSource, lb_light_source, LB_TYPE_DEVICE)

static void
lb_light_source_class_init (LbLightSourceClass *klass)
{
}

static void
lb_light_source_init (LbLightSource *self)
{
}

/**
 * lb_light_source_get_caps:
 *
 * Unit, range and limit of the set point.
 *
 * Returns: %FALSE with an LbDeviceError
 */
gboolean
lb_light_source_get_caps (LbLightSource *self,
                          LbLightSourceCaps *caps,
                          GCancellable *cancellable,
                          gint64 deadline_us,
                          GError **error)
{
  gboolean done;

  g_return_val_if_fail (LB_IS_LIGHT_SOURCE (self), FALSE);
  if (!lb_device_begin_call (LB_DEVICE (self), "get caps", cancellable, deadline_us, error))
    return FALSE;
  done = LB_LIGHT_SOURCE_GET_CLASS (self)->get_caps (self, caps, cancellable, deadline_us, error);
  lb_device_end_call (LB_DEVICE (self));
  return done;
}

/**
 * lb_light_source_set_level:
 * @value: set point, in the unit of the caps
 * @actual: (out) (optional): what is in force
 *
 * Returns: %FALSE with LIMIT beyond the limit of the setup, RANGE outside the range of the device
 */
gboolean
lb_light_source_set_level (LbLightSource *self,
                           double value,
                           double *actual,
                           GCancellable *cancellable,
                           gint64 deadline_us,
                           GError **error)
{
  gboolean done;

  g_return_val_if_fail (LB_IS_LIGHT_SOURCE (self), FALSE);
  if (!lb_device_begin_call (LB_DEVICE (self), "set level", cancellable, deadline_us, error))
    return FALSE;
  done = LB_LIGHT_SOURCE_GET_CLASS (self)->set_level (self, value, actual, cancellable, deadline_us, error);
  lb_device_end_call (LB_DEVICE (self));
  return done;
}

/**
 * lb_light_source_output_on:
 * @generation: of the bench; older than the last lb_light_source_off_now() is refused
 * @lease_us: wall time for which the light stays on without renewal, at most 1 s
 *
 * Returns: %FALSE with INTERLOCK or LIMIT
 */
gboolean
lb_light_source_output_on (LbLightSource *self,
                           guint64 generation,
                           gint64 lease_us,
                           GCancellable *cancellable,
                           gint64 deadline_us,
                           GError **error)
{
  gboolean done;

  g_return_val_if_fail (LB_IS_LIGHT_SOURCE (self), FALSE);
  if (!lb_device_begin_call (LB_DEVICE (self), "output on", cancellable, deadline_us, error))
    return FALSE;
  done = LB_LIGHT_SOURCE_GET_CLASS (self)->output_on (self, generation, lease_us, cancellable, deadline_us,
                                                      error);
  lb_device_end_call (LB_DEVICE (self));
  return done;
}

/**
 * lb_light_source_renew:
 * @generation: as for lb_light_source_output_on()
 * @lease_us: from now on
 *
 * Returns: %FALSE with INTERLOCK if the lease has run out or @generation is an old one
 */
gboolean
lb_light_source_renew (LbLightSource *self,
                       guint64 generation,
                       gint64 lease_us,
                       GCancellable *cancellable,
                       gint64 deadline_us,
                       GError **error)
{
  gboolean done;

  g_return_val_if_fail (LB_IS_LIGHT_SOURCE (self), FALSE);
  if (!lb_device_begin_call (LB_DEVICE (self), "renew", cancellable, deadline_us, error))
    return FALSE;
  done =
      LB_LIGHT_SOURCE_GET_CLASS (self)->renew (self, generation, lease_us, cancellable, deadline_us, error);
  lb_device_end_call (LB_DEVICE (self));
  return done;
}

/**
 * lb_light_source_output_off:
 *
 * Light off, read back; never refused.
 *
 * Returns: %FALSE with an LbDeviceError if the device did not confirm it
 */
gboolean
lb_light_source_output_off (LbLightSource *self,
                            GCancellable *cancellable,
                            gint64 deadline_us,
                            GError **error)
{
  gboolean done;

  g_return_val_if_fail (LB_IS_LIGHT_SOURCE (self), FALSE);
  lb_device_begin_closing (LB_DEVICE (self), deadline_us);
  done = LB_LIGHT_SOURCE_GET_CLASS (self)->output_off (self, cancellable, deadline_us, error);
  lb_device_end_call (LB_DEVICE (self));
  return done;
}

/**
 * lb_light_source_read_state:
 *
 * Output, set point, trips and temperature as the device itself says.
 *
 * Returns: %FALSE with an LbDeviceError
 */
gboolean
lb_light_source_read_state (LbLightSource *self,
                            LbLightSourceState *state,
                            GCancellable *cancellable,
                            gint64 deadline_us,
                            GError **error)
{
  gboolean done;

  g_return_val_if_fail (LB_IS_LIGHT_SOURCE (self), FALSE);
  if (!lb_device_begin_call (LB_DEVICE (self), "read state", cancellable, deadline_us, error))
    return FALSE;
  done = LB_LIGHT_SOURCE_GET_CLASS (self)->read_state (self, state, cancellable, deadline_us, error);
  lb_device_end_call (LB_DEVICE (self));
  return done;
}

/**
 * lb_light_source_off_now:
 * @generation: leases of an older one are refused from now on
 *
 * Light off, from any thread, without a lock and without waiting.
 */
void
lb_light_source_off_now (LbLightSource *self, guint64 generation)
{
  g_return_if_fail (LB_IS_LIGHT_SOURCE (self));
  LB_LIGHT_SOURCE_GET_CLASS (self)->off_now (self, generation);
}

/**
 * lb_light_source_is_confirmed_off:
 *
 * Returns: whether the device itself has confirmed that it is off; any thread
 */
gboolean
lb_light_source_is_confirmed_off (LbLightSource *self)
{
  g_return_val_if_fail (LB_IS_LIGHT_SOURCE (self), FALSE);
  return LB_LIGHT_SOURCE_GET_CLASS (self)->is_confirmed_off (self);
}
