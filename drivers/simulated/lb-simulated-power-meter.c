/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-simulated-private.h"

#include <math.h>

#include <glib/gi18n-lib.h>
#include <lb-power-meter.h>

/* A power meter at the weight plane, calibrated to about a percent. */

#define WAVELENGTH_MIN_NM 200.0
#define WAVELENGTH_MAX_NM 2000.0
#define POWER_MAX_W 0.5
#define AVERAGING_MAX 10000
/* One reading, bench time: what a query over USB takes. */
#define READING_US 3000
/* What its electronics add, before zero, and per reading. */
#define ZERO_W 2e-10
#define NOISE_W 2e-11

#define LB_TYPE_SIMULATED_POWER_METER (lb_simulated_power_meter_get_type ())
G_DECLARE_FINAL_TYPE (
    LbSimulatedPowerMeter, lb_simulated_power_meter, LB, SIMULATED_POWER_METER, LbPowerMeter)

struct _LbSimulatedPowerMeter
{
  LbPowerMeter parent_instance;
  double wavelength_nm;
  double range_w; /* 0: automatic */
  guint averaging;
  double zero_w; /* subtracted */
  guint64 run;
  guint64 readings; /* of the run: keys the noise */
};

G_DEFINE_FINAL_TYPE (LbSimulatedPowerMeter, lb_simulated_power_meter, LB_TYPE_POWER_METER)

static gboolean
meter_open (LbDevice *device, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  LbSimulatedPowerMeter *self = LB_SIMULATED_POWER_METER (device);

  if (!lb_simulated_open (device, "open", error))
    return FALSE;
  self->wavelength_nm = lb_simulated_get_world (device)->optics.parameters.wavelength_nm;
  self->range_w = 0;
  self->averaging = 1;
  self->zero_w = 0;
  return TRUE;
}

static gboolean
meter_close (LbDevice *device, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  lb_device_set_state (device, LB_DEVICE_ABSENT);
  return TRUE;
}

static LbIdentity *
meter_get_identity (LbDevice *device, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  return lb_simulated_get_identity (device, "power meter", error);
}

static void
meter_begin_run (LbDevice *device, guint64 ordinal)
{
  LbSimulatedPowerMeter *self = LB_SIMULATED_POWER_METER (device);

  self->run = ordinal;
  self->readings = 0;
  lb_world_begin_run (lb_simulated_get_world (device), ordinal);
}

static gboolean
meter_get_caps (
    LbPowerMeter *self, LbPowerMeterCaps *caps, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  if (!lb_simulated_check (LB_DEVICE (self), "get caps", error))
    return FALSE;
  *caps = (LbPowerMeterCaps){ WAVELENGTH_MIN_NM, WAVELENGTH_MAX_NM, POWER_MAX_W, TRUE };
  return TRUE;
}

static gboolean
meter_set_wavelength (
    LbPowerMeter *self, double nm, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  if (!lb_simulated_check (LB_DEVICE (self), "set wavelength", error))
    return FALSE;
  if (!(nm >= WAVELENGTH_MIN_NM && nm <= WAVELENGTH_MAX_NM))
    {
      g_set_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_RANGE,
                   _ ("set wavelength: %.1f nm is out of the power meter's range, %.0f to %.0f nm"), nm,
                   WAVELENGTH_MIN_NM, WAVELENGTH_MAX_NM);
      return FALSE;
    }
  LB_SIMULATED_POWER_METER (self)->wavelength_nm = nm;
  return TRUE;
}

static gboolean
meter_set_range (
    LbPowerMeter *self, double max_w, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  if (!lb_simulated_check (LB_DEVICE (self), "set range", error))
    return FALSE;
  if (!(max_w >= 0 && max_w <= POWER_MAX_W))
    {
      g_set_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_RANGE,
                   _ ("set range: %g W is out of the power meter's range, up to %g W"), max_w, POWER_MAX_W);
      return FALSE;
    }
  LB_SIMULATED_POWER_METER (self)->range_w = max_w;
  return TRUE;
}

static gboolean
meter_set_averaging (
    LbPowerMeter *self, guint count, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  if (!lb_simulated_check (LB_DEVICE (self), "set averaging", error))
    return FALSE;
  if (count < 1 || count > AVERAGING_MAX)
    {
      g_set_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_RANGE,
                   _ ("set averaging: %u readings are out of range, 1 to %d"), count, AVERAGING_MAX);
      return FALSE;
    }
  LB_SIMULATED_POWER_METER (self)->averaging = count;
  return TRUE;
}

/* What the meter's electronics make of the light, before zero. */
static double
measure (LbSimulatedPowerMeter *self)
{
  LbWorld *world = lb_simulated_get_world (LB_DEVICE (self));
  double nominal_nm = world->optics.parameters.wavelength_nm;
  LbRandomKey key = lb_random_key_derive (lb_random_key_derive (lb_random_key (world->seed), self->run),
                                          g_str_hash ("power-meter"));
  double watts = lb_world_has_fault (world, LB_FAULT_COVER_METER)
                     ? 0
                     : lb_world_power (world, lb_clock_now_us (world->clock));

  /* A silicon diode's response goes with the wavelength; set to another one the
   * meter divides by the wrong response. */
  return watts * nominal_nm / self->wavelength_nm + ZERO_W +
         NOISE_W / sqrt (self->averaging) * lb_random_normal_at (key, 0, self->readings++);
}

static gboolean
meter_zero (LbPowerMeter *meter, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  LbSimulatedPowerMeter *self = LB_SIMULATED_POWER_METER (meter);

  if (!lb_simulated_check (LB_DEVICE (meter), "zero", error))
    return FALSE;
  self->zero_w = measure (self);
  return TRUE;
}

static gboolean
meter_read (LbPowerMeter *meter,
            double *watts,
            gint64 *time_us,
            GCancellable *cancellable,
            gint64 deadline_us,
            GError **error)
{
  LbSimulatedPowerMeter *self = LB_SIMULATED_POWER_METER (meter);
  LbDevice *device = LB_DEVICE (meter);
  LbWorld *world = lb_simulated_get_world (device);
  double range_w = self->range_w > 0 ? self->range_w : POWER_MAX_W;

  if (!lb_simulated_check (device, "read", error) ||
      !lb_simulated_wait (device, "read",
                          lb_clock_now_us (world->clock) + (gint64) self->averaging * READING_US, cancellable,
                          deadline_us, error))
    return FALSE;
  *watts = measure (self) - self->zero_w;
  if (time_us != NULL)
    *time_us = lb_clock_now_us (world->clock);
  if (*watts <= range_w)
    return TRUE;
  g_set_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_OVER_RANGE,
               _ ("read: the power is over the range of %g W: set a larger one"), range_w);
  return FALSE;
}

static void
lb_simulated_power_meter_class_init (LbSimulatedPowerMeterClass *klass)
{
  LbDeviceClass *device_class = LB_DEVICE_CLASS (klass);
  LbPowerMeterClass *meter_class = LB_POWER_METER_CLASS (klass);

  device_class->open = meter_open;
  device_class->close = meter_close;
  device_class->get_identity = meter_get_identity;
  device_class->begin_run = meter_begin_run;
  meter_class->get_caps = meter_get_caps;
  meter_class->set_wavelength = meter_set_wavelength;
  meter_class->set_range = meter_set_range;
  meter_class->set_averaging = meter_set_averaging;
  meter_class->zero = meter_zero;
  meter_class->read = meter_read;
}

static void
lb_simulated_power_meter_init (LbSimulatedPowerMeter *self)
{
}

LbDevice *
lb_simulated_power_meter_new (void)
{
  return g_object_new (LB_TYPE_SIMULATED_POWER_METER, NULL);
}
