/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-usb-private.h"

#include <math.h>

#include <glib/gi18n-lib.h>

#include "lb-scpi.h"

/* A power meter on USB. */

/* What an instrument says of a power beyond its range. */
#define OVER_RANGE_W 9e37
#define ZERO_POLL_US (50 * 1000)
#define AVERAGING_MAX 10000

#define LB_TYPE_USB_POWER_METER (lb_usb_power_meter_get_type ())
G_DECLARE_FINAL_TYPE (LbUsbPowerMeter, lb_usb_power_meter, LB, USB_POWER_METER, LbPowerMeter)

struct _LbUsbPowerMeter
{
  LbPowerMeter parent_instance;
  const LbUsbModel *model;
  char *serial;
  LbUsbMeterOptions options;
  LbClock *clock;
  LbScpi *scpi; /* NULL: not open */
  LbPowerMeterCaps caps;
};

G_DEFINE_FINAL_TYPE (LbUsbPowerMeter, lb_usb_power_meter, LB_TYPE_POWER_METER)

/* --- What every call does --------------------------------------------------------------- */

static gboolean
begin (LbUsbPowerMeter *self, const char *what, GError **error)
{
  if (self->scpi != NULL)
    return TRUE;
  g_set_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_ABSENT,
               _ ("%s: the power meter is not open; connect the bench"), what);
  return FALSE;
}

/* Notes what the outcome says of the device, and passes the error on. */
static gboolean
finish (LbUsbPowerMeter *self, const char *what, gboolean done, GError **local_error, GError **error)
{
  if (done)
    return TRUE;
  if (self->scpi != NULL && lb_scpi_is_gone (self->scpi))
    lb_device_set_state (LB_DEVICE (self), LB_DEVICE_ABSENT);
  else if (g_error_matches (*local_error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_FAULTED))
    lb_device_set_state (LB_DEVICE (self), LB_DEVICE_FAULTED);
  g_propagate_prefixed_error (error, g_steal_pointer (local_error), "%s: ", what);
  return FALSE;
}

static gboolean
set_number (LbUsbPowerMeter *self,
            const char *command,
            double value,
            double *actual,
            const LbUsbCall *call,
            GError **error)
{
  char number[G_ASCII_DTOSTR_BUF_SIZE];

  return lb_scpi_set (self->scpi, command, g_ascii_formatd (number, sizeof number, "%.6g", value), call,
                      error) &&
         lb_scpi_get_number (self->scpi, command, NULL, actual, call, error);
}

static gboolean
not_taken (const char *what, double wanted, double actual, const char *unit, GError **error)
{
  g_set_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_PROTOCOL,
               _ ("%s: the instrument was told %g %s and says %g %s"), what, wanted, unit, actual, unit);
  return FALSE;
}

/* --- Settings --------------------------------------------------------------------------------- */

static gboolean
apply_wavelength (LbUsbPowerMeter *self, double nm, const LbUsbCall *call, GError **error)
{
  double actual;

  if (!(nm >= self->caps.wavelength_min_nm && nm <= self->caps.wavelength_max_nm))
    {
      g_set_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_RANGE,
                   _ ("%.1f nm is out of the range of the sensor, %.0f to %.0f nm"), nm,
                   self->caps.wavelength_min_nm, self->caps.wavelength_max_nm);
      return FALSE;
    }
  if (!set_number (self, self->model->meter->wavelength, nm, &actual, call, error))
    return FALSE;
  return fabs (actual - nm) <= 0.5 || not_taken ("set wavelength", nm, actual, "nm", error);
}

static gboolean
apply_range (LbUsbPowerMeter *self, double max_w, const LbUsbCall *call, GError **error)
{
  double actual;

  if (!(max_w >= 0 && max_w <= self->caps.power_max_w))
    {
      g_set_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_RANGE,
                   _ ("%g W is out of the range of the sensor, up to %g W"), max_w, self->caps.power_max_w);
      return FALSE;
    }
  if (max_w == 0)
    return lb_scpi_set (self->scpi, self->model->meter->range_auto, "1", call, error);
  if (!lb_scpi_set (self->scpi, self->model->meter->range_auto, "0", call, error) ||
      !set_number (self, self->model->meter->range, max_w, &actual, call, error))
    return FALSE;
  /* The instrument takes the next larger range that it has. */
  return actual >= max_w * 0.999 || not_taken ("set range", max_w, actual, "W", error);
}

static gboolean
apply_averaging (LbUsbPowerMeter *self, guint count, const LbUsbCall *call, GError **error)
{
  double actual;

  if (count < 1 || count > AVERAGING_MAX)
    {
      g_set_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_RANGE,
                   _ ("%u readings in one are out of the range, 1 to %d"), count, AVERAGING_MAX);
      return FALSE;
    }
  if (!self->caps.has_averaging)
    {
      g_set_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_UNSUPPORTED, _ ("the %s does not average"),
                   self->model->name);
      return FALSE;
    }
  if (!set_number (self, self->model->meter->averaging, count, &actual, call, error))
    return FALSE;
  return actual == count || not_taken ("set averaging", count, actual, "", error);
}

/* --- Open, close --------------------------------------------------------------------------------- */

static gboolean
read_caps (LbUsbPowerMeter *self, const LbUsbCall *call, GError **error)
{
  const LbScpiMeterDialect *dialect = self->model->meter;
  const char *averaging = dialect->averaging;
  g_autoptr (GError) averaging_error = NULL;

  if (!lb_scpi_get_number (self->scpi, dialect->wavelength, "MIN", &self->caps.wavelength_min_nm, call,
                           error) ||
      !lb_scpi_get_number (self->scpi, dialect->wavelength, "MAX", &self->caps.wavelength_max_nm, call,
                           error) ||
      !lb_scpi_get_number (self->scpi, dialect->range, "MAX", &self->caps.power_max_w, call, error))
    return FALSE;
  /* Some firmware has no averaging. Setting it tells, where a query would only not
   * be answered. */
  self->caps.has_averaging =
      averaging != NULL && lb_scpi_set (self->scpi, averaging, "1", call, &averaging_error);
  if (averaging_error == NULL ||
      g_error_matches (averaging_error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_UNSUPPORTED))
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&averaging_error));
  return FALSE;
}

static gboolean
set_up (LbUsbPowerMeter *self, const LbUsbCall *call, GError **error)
{
  const LbScpiMeterDialect *dialect = self->model->meter;

  for (guint i = 0; i < G_N_ELEMENTS (dialect->set_up) && dialect->set_up[i] != NULL; i++)
    if (!lb_scpi_send (self->scpi, dialect->set_up[i], call, error))
      return FALSE;
  return read_caps (self, call, error) && apply_range (self, 0, call, error) &&
         (self->options.wavelength_nm == 0 ||
          apply_wavelength (self, self->options.wavelength_nm, call, error)) &&
         (self->options.averaging == 0 || apply_averaging (self, self->options.averaging, call, error));
}

static gboolean
meter_open (LbDevice *device, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  LbUsbPowerMeter *self = LB_USB_POWER_METER (device);
  const LbUsbCall call = { cancellable, deadline_us, device };

  g_clear_pointer (&self->scpi, lb_scpi_close);
  self->scpi = lb_scpi_open (self->model, self->serial, &call, error);
  if (self->scpi == NULL)
    return FALSE;
  if (set_up (self, &call, error))
    {
      lb_device_set_state (device, LB_DEVICE_CONNECTED);
      return TRUE;
    }
  g_clear_pointer (&self->scpi, lb_scpi_close);
  g_prefix_error (error, "open: ");
  return FALSE;
}

static gboolean
meter_close (LbDevice *device, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  LbUsbPowerMeter *self = LB_USB_POWER_METER (device);

  g_clear_pointer (&self->scpi, lb_scpi_close);
  lb_device_set_state (device, LB_DEVICE_ABSENT);
  return TRUE;
}

static LbIdentity *
meter_get_identity (LbDevice *device, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  LbUsbPowerMeter *self = LB_USB_POWER_METER (device);

  return begin (self, "identity", error) ? lb_scpi_dup_identity (self->scpi) : NULL;
}

/* --- Calls ------------------------------------------------------------------------------------------ */

static gboolean
meter_get_caps (LbPowerMeter *meter,
                LbPowerMeterCaps *caps,
                GCancellable *cancellable,
                gint64 deadline_us,
                GError **error)
{
  LbUsbPowerMeter *self = LB_USB_POWER_METER (meter);

  if (!begin (self, "get caps", error))
    return FALSE;
  *caps = self->caps;
  return TRUE;
}

static gboolean
meter_set_wavelength (
    LbPowerMeter *meter, double nm, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  LbUsbPowerMeter *self = LB_USB_POWER_METER (meter);
  const LbUsbCall call = { cancellable, deadline_us, LB_DEVICE (meter) };
  GError *local_error = NULL;

  return begin (self, "set wavelength", error) &&
         finish (self, "set wavelength", apply_wavelength (self, nm, &call, &local_error), &local_error,
                 error);
}

static gboolean
meter_set_range (
    LbPowerMeter *meter, double max_w, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  LbUsbPowerMeter *self = LB_USB_POWER_METER (meter);
  const LbUsbCall call = { cancellable, deadline_us, LB_DEVICE (meter) };
  GError *local_error = NULL;

  return begin (self, "set range", error) &&
         finish (self, "set range", apply_range (self, max_w, &call, &local_error), &local_error, error);
}

static gboolean
meter_set_averaging (
    LbPowerMeter *meter, guint count, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  LbUsbPowerMeter *self = LB_USB_POWER_METER (meter);
  const LbUsbCall call = { cancellable, deadline_us, LB_DEVICE (meter) };
  GError *local_error = NULL;

  return begin (self, "set averaging", error) &&
         finish (self, "set averaging", apply_averaging (self, count, &call, &local_error), &local_error,
                 error);
}

static gboolean
wait_zero (LbUsbPowerMeter *self, const LbUsbCall *call, GError **error)
{
  gboolean running = TRUE;

  if (!lb_scpi_send (self->scpi, self->model->meter->zero, call, error))
    return FALSE;
  while (lb_scpi_ask_switch (self->scpi, self->model->meter->zero_state, &running, call, error))
    {
      if (!running)
        return TRUE;
      if (!lb_device_waiting (LB_DEVICE (self), error))
        return FALSE;
      g_usleep (ZERO_POLL_US);
    }
  return FALSE;
}

static gboolean
meter_zero (LbPowerMeter *meter, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  LbUsbPowerMeter *self = LB_USB_POWER_METER (meter);
  const LbUsbCall call = { cancellable, deadline_us, LB_DEVICE (meter) };
  GError *local_error = NULL;

  return begin (self, "zero", error) &&
         finish (self, "zero", wait_zero (self, &call, &local_error), &local_error, error);
}

static gboolean
read_power (LbUsbPowerMeter *self, double *watts, const LbUsbCall *call, GError **error)
{
  if (!lb_scpi_ask_number (self->scpi, self->model->meter->power, watts, call, error))
    return FALSE;
  if (fabs (*watts) < OVER_RANGE_W)
    return TRUE;
  g_set_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_OVER_RANGE,
               _ ("there is more light than the range of the %s holds; set a larger range, or attenuate it"),
               self->model->name);
  return FALSE;
}

static gboolean
meter_read (LbPowerMeter *meter,
            double *watts,
            gint64 *time_us,
            GCancellable *cancellable,
            gint64 deadline_us,
            GError **error)
{
  LbUsbPowerMeter *self = LB_USB_POWER_METER (meter);
  const LbUsbCall call = { cancellable, deadline_us, LB_DEVICE (meter) };
  GError *local_error = NULL;

  if (!begin (self, "read", error))
    return FALSE;
  if (!finish (self, "read", read_power (self, watts, &call, &local_error), &local_error, error))
    return FALSE;
  if (time_us != NULL)
    *time_us = lb_clock_now_us (self->clock);
  return TRUE;
}

static void
lb_usb_power_meter_finalize (GObject *object)
{
  LbUsbPowerMeter *self = LB_USB_POWER_METER (object);

  g_clear_pointer (&self->scpi, lb_scpi_close);
  g_clear_object (&self->clock);
  g_free (self->serial);
  G_OBJECT_CLASS (lb_usb_power_meter_parent_class)->finalize (object);
}

static void
lb_usb_power_meter_class_init (LbUsbPowerMeterClass *klass)
{
  LbDeviceClass *device_class = LB_DEVICE_CLASS (klass);
  LbPowerMeterClass *meter_class = LB_POWER_METER_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = lb_usb_power_meter_finalize;
  device_class->open = meter_open;
  device_class->close = meter_close;
  device_class->get_identity = meter_get_identity;
  meter_class->get_caps = meter_get_caps;
  meter_class->set_wavelength = meter_set_wavelength;
  meter_class->set_range = meter_set_range;
  meter_class->set_averaging = meter_set_averaging;
  meter_class->zero = meter_zero;
  meter_class->read = meter_read;
}

static void
lb_usb_power_meter_init (LbUsbPowerMeter *self)
{
}

LbDevice *
lb_usb_power_meter_new (const LbUsbModel *model,
                        const char *serial,
                        const LbUsbMeterOptions *options,
                        LbClock *clock)
{
  LbUsbPowerMeter *self = g_object_new (LB_TYPE_USB_POWER_METER, NULL);

  self->model = model;
  self->serial = g_strdup (serial);
  self->options = *options;
  self->clock = g_object_ref (clock);
  return LB_DEVICE (self);
}
