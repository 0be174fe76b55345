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

gboolean
lb_light_source_get_caps (LbLightSource *self,
                          LbLightSourceCaps *caps,
                          GCancellable *cancellable,
                          gint64 deadline_us,
                          GError **error)
{
  g_return_val_if_fail (LB_IS_LIGHT_SOURCE (self), FALSE);
  if (!lb_device_check_call (LB_DEVICE (self), "get caps", cancellable, deadline_us, error))
    return FALSE;
  return LB_LIGHT_SOURCE_GET_CLASS (self)->get_caps (self, caps, cancellable, deadline_us, error);
}

gboolean
lb_light_source_set_level (LbLightSource *self,
                           double value,
                           double *actual,
                           GCancellable *cancellable,
                           gint64 deadline_us,
                           GError **error)
{
  g_return_val_if_fail (LB_IS_LIGHT_SOURCE (self), FALSE);
  if (!lb_device_check_call (LB_DEVICE (self), "set level", cancellable, deadline_us, error))
    return FALSE;
  return LB_LIGHT_SOURCE_GET_CLASS (self)->set_level (self, value, actual, cancellable, deadline_us, error);
}

gboolean
lb_light_source_output_on (LbLightSource *self,
                           guint64 generation,
                           gint64 lease_us,
                           GCancellable *cancellable,
                           gint64 deadline_us,
                           GError **error)
{
  g_return_val_if_fail (LB_IS_LIGHT_SOURCE (self), FALSE);
  if (!lb_device_check_call (LB_DEVICE (self), "output on", cancellable, deadline_us, error))
    return FALSE;
  return LB_LIGHT_SOURCE_GET_CLASS (self)->output_on (self, generation, lease_us, cancellable, deadline_us,
                                                      error);
}

gboolean
lb_light_source_renew (LbLightSource *self,
                       guint64 generation,
                       gint64 lease_us,
                       GCancellable *cancellable,
                       gint64 deadline_us,
                       GError **error)
{
  g_return_val_if_fail (LB_IS_LIGHT_SOURCE (self), FALSE);
  if (!lb_device_check_call (LB_DEVICE (self), "renew", cancellable, deadline_us, error))
    return FALSE;
  return LB_LIGHT_SOURCE_GET_CLASS (self)->renew (self, generation, lease_us, cancellable, deadline_us,
                                                  error);
}

gboolean
lb_light_source_output_off (LbLightSource *self,
                            GCancellable *cancellable,
                            gint64 deadline_us,
                            GError **error)
{
  g_return_val_if_fail (LB_IS_LIGHT_SOURCE (self), FALSE);
  return LB_LIGHT_SOURCE_GET_CLASS (self)->output_off (self, cancellable, deadline_us, error);
}

gboolean
lb_light_source_read_state (LbLightSource *self,
                            LbLightSourceState *state,
                            GCancellable *cancellable,
                            gint64 deadline_us,
                            GError **error)
{
  g_return_val_if_fail (LB_IS_LIGHT_SOURCE (self), FALSE);
  if (!lb_device_check_call (LB_DEVICE (self), "read state", cancellable, deadline_us, error))
    return FALSE;
  return LB_LIGHT_SOURCE_GET_CLASS (self)->read_state (self, state, cancellable, deadline_us, error);
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
