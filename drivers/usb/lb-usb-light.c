/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-usb-private.h"

#include <math.h>

#include <glib/gi18n-lib.h>
#include <lb-program.h>

#include "lb-light-link.h"

/* A light source on USB: the client of a lightbench-light, which owns the device. */

#define LB_TYPE_USB_LIGHT (lb_usb_light_get_type ())
G_DECLARE_FINAL_TYPE (LbUsbLight, lb_usb_light, LB, USB_LIGHT, LbLightSource)

struct _LbUsbLight
{
  LbLightSource parent_instance;
  const LbUsbModel *model;
  char *serial;
  LbUsbLightOptions options;
  LbLightLink *link;
  LbIdentity *identity; /* as the open device says */
  double minimum_ma, maximum_ma;
  double level_ma;
};

G_DEFINE_FINAL_TYPE (LbUsbLight, lb_usb_light, LB_TYPE_LIGHT_SOURCE)

/* --- Requests ----------------------------------------------------------------------------- */

static void
note_state (LbUsbLight *self, const LbLightReply *reply)
{
  lb_device_set_state (LB_DEVICE (self), reply->state.output ? LB_DEVICE_RUNNING : LB_DEVICE_CONNECTED);
}

/* What an error says of the device. */
static void
note_error (LbUsbLight *self, const GError *error)
{
  if (g_error_matches (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_ABSENT))
    lb_device_set_state (LB_DEVICE (self), LB_DEVICE_ABSENT);
  else if (g_error_matches (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_FAULTED) ||
           g_error_matches (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_PROTOCOL))
    lb_device_set_state (LB_DEVICE (self), LB_DEVICE_FAULTED);
}

static gboolean
request (LbUsbLight *self,
         LbLightRequest *message,
         LbLightReply *reply,
         GCancellable *cancellable,
         gint64 deadline_us,
         GError **error)
{
  g_autoptr (GError) local_error = NULL;

  message->deadline_us = deadline_us;
  if (lb_light_link_request (self->link, message, reply, LB_DEVICE (self), cancellable, &local_error))
    {
      note_state (self, reply);
      return TRUE;
    }
  note_error (self, local_error);
  g_propagate_error (error, g_steal_pointer (&local_error));
  return FALSE;
}

/* --- Open, close ---------------------------------------------------------------------------- */

static void
append_number (GPtrArray *arguments, const char *option, double value)
{
  char number[G_ASCII_DTOSTR_BUF_SIZE];

  g_ptr_array_add (arguments, g_strdup (option));
  g_ptr_array_add (arguments, g_strdup (g_ascii_dtostr (number, sizeof number, value)));
}

static GPtrArray *
make_arguments (LbUsbLight *self)
{
  GPtrArray *arguments = g_ptr_array_new_with_free_func (g_free);

  g_ptr_array_add (arguments, lb_program_find ("lightbench-light"));
  g_ptr_array_add (arguments, g_strdup ("--model"));
  g_ptr_array_add (arguments, g_strdup (self->model->name));
  g_ptr_array_add (arguments, g_strdup ("--serial"));
  g_ptr_array_add (arguments, g_strdup (self->serial));
  append_number (arguments, "--limit", self->options.limit_ma);
  if (!isnan (self->options.temperature_c))
    append_number (arguments, "--temperature", self->options.temperature_c);
  if (self->options.ramp_ma_per_s > 0)
    append_number (arguments, "--ramp", self->options.ramp_ma_per_s);
  return arguments;
}

static gboolean
light_open (LbDevice *device, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  LbUsbLight *self = LB_USB_LIGHT (device);
  g_autoptr (GPtrArray) arguments = make_arguments (self);
  LbLightRequest message = { .kind = LB_LIGHT_OPEN };
  LbLightReply reply;

  if (!lb_light_link_start (self->link, arguments, error))
    return FALSE;
  if (!request (self, &message, &reply, cancellable, deadline_us, error))
    {
      lb_light_link_end (self->link, g_get_monotonic_time () + G_USEC_PER_SEC, NULL);
      return FALSE;
    }
  g_clear_pointer (&self->identity, lb_identity_free);
  self->identity = lb_identity_new ("usb", reply.maker, reply.model, reply.number, reply.firmware);
  self->minimum_ma = reply.minimum_ma;
  self->maximum_ma = reply.maximum_ma;
  self->level_ma = 0;
  lb_device_set_state (device, LB_DEVICE_CONNECTED);
  return TRUE;
}

static gboolean
light_close (LbDevice *device, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  LbUsbLight *self = LB_USB_LIGHT (device);
  gint64 until_us = deadline_us >= 0 ? deadline_us : g_get_monotonic_time () + 5 * G_USEC_PER_SEC;
  gboolean done = lb_light_link_end (self->link, until_us, error);

  lb_device_set_state (device, LB_DEVICE_ABSENT);
  return done;
}

static LbIdentity *
light_get_identity (LbDevice *device, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  LbUsbLight *self = LB_USB_LIGHT (device);

  if (!lb_light_link_check (self->link, "identity", error))
    return NULL;
  return lb_identity_copy (self->identity);
}

/* --- The light --------------------------------------------------------------------------------- */

static gboolean
light_get_caps (LbLightSource *source,
                LbLightSourceCaps *caps,
                GCancellable *cancellable,
                gint64 deadline_us,
                GError **error)
{
  LbUsbLight *self = LB_USB_LIGHT (source);

  if (!lb_light_link_check (self->link, "get caps", error))
    return FALSE;
  *caps = (LbLightSourceCaps){
    .unit = "mA", .minimum = self->minimum_ma, .maximum = self->maximum_ma, .limit = self->options.limit_ma
  };
  return TRUE;
}

static gboolean
check_level (LbUsbLight *self, double value, GError **error)
{
  if (!(value >= self->minimum_ma && value <= self->maximum_ma))
    g_set_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_RANGE,
                 _ ("set level: %.3f mA is out of the range of the %s, 0 to %.0f mA"), value,
                 self->model->name, self->maximum_ma);
  else if (value > self->options.limit_ma)
    g_set_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_LIMIT,
                 _ ("set level: %.3f mA is over the limit of the setup file, %.3f mA"), value,
                 self->options.limit_ma);
  else
    return TRUE;
  return FALSE;
}

static gboolean
light_set_level (LbLightSource *source,
                 double value,
                 double *actual,
                 GCancellable *cancellable,
                 gint64 deadline_us,
                 GError **error)
{
  LbUsbLight *self = LB_USB_LIGHT (source);
  LbLightRequest message = { .kind = LB_LIGHT_LEVEL, .level_ma = value };
  LbLightReply reply;

  if (!lb_light_link_check (self->link, "set level", error) || !check_level (self, value, error) ||
      !request (self, &message, &reply, cancellable, deadline_us, error))
    return FALSE;
  self->level_ma = value;
  if (actual != NULL)
    *actual = reply.level_ma;
  return TRUE;
}

static gboolean
lease (LbUsbLight *self,
       LbLightRequestKind kind,
       guint64 generation,
       gint64 lease_us,
       GCancellable *cancellable,
       gint64 deadline_us,
       GError **error)
{
  LbLightRequest message = {
    .kind = kind, .generation = generation, .lease_us = lease_us, .level_ma = self->level_ma
  };
  LbLightReply reply;

  return request (self, &message, &reply, cancellable, deadline_us, error);
}

static gboolean
light_output_on (LbLightSource *source,
                 guint64 generation,
                 gint64 lease_us,
                 GCancellable *cancellable,
                 gint64 deadline_us,
                 GError **error)
{
  return lease (LB_USB_LIGHT (source), LB_LIGHT_HOLD, generation, lease_us, cancellable, deadline_us, error);
}

static gboolean
light_renew (LbLightSource *source,
             guint64 generation,
             gint64 lease_us,
             GCancellable *cancellable,
             gint64 deadline_us,
             GError **error)
{
  return lease (LB_USB_LIGHT (source), LB_LIGHT_RENEW, generation, lease_us, cancellable, deadline_us, error);
}

static gboolean
light_output_off (LbLightSource *source, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  LbLightRequest message = { .kind = LB_LIGHT_EXTINGUISH };
  LbLightReply reply;

  return request (LB_USB_LIGHT (source), &message, &reply, cancellable, deadline_us, error);
}

static gboolean
light_read_state (LbLightSource *source,
                  LbLightSourceState *state,
                  GCancellable *cancellable,
                  gint64 deadline_us,
                  GError **error)
{
  LbLightRequest message = { .kind = LB_LIGHT_STATE };
  LbLightReply reply;

  if (!request (LB_USB_LIGHT (source), &message, &reply, cancellable, deadline_us, error))
    return FALSE;
  *state = reply.state;
  return TRUE;
}

static void
light_off_now (LbLightSource *source, guint64 generation)
{
  lb_light_link_stop (LB_USB_LIGHT (source)->link, generation);
}

static gboolean
light_is_confirmed_off (LbLightSource *source)
{
  return lb_light_link_is_confirmed_off (LB_USB_LIGHT (source)->link);
}

static void
lb_usb_light_finalize (GObject *object)
{
  LbUsbLight *self = LB_USB_LIGHT (object);

  lb_light_link_free (self->link);
  g_clear_pointer (&self->identity, lb_identity_free);
  g_free (self->serial);
  G_OBJECT_CLASS (lb_usb_light_parent_class)->finalize (object);
}

static void
lb_usb_light_class_init (LbUsbLightClass *klass)
{
  LbDeviceClass *device_class = LB_DEVICE_CLASS (klass);
  LbLightSourceClass *light_class = LB_LIGHT_SOURCE_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = lb_usb_light_finalize;
  device_class->open = light_open;
  device_class->close = light_close;
  device_class->get_identity = light_get_identity;
  light_class->get_caps = light_get_caps;
  light_class->set_level = light_set_level;
  light_class->output_on = light_output_on;
  light_class->renew = light_renew;
  light_class->output_off = light_output_off;
  light_class->read_state = light_read_state;
  light_class->off_now = light_off_now;
  light_class->is_confirmed_off = light_is_confirmed_off;
}

static void
lb_usb_light_init (LbUsbLight *self)
{
  self->link = lb_light_link_new ();
}

LbDevice *
lb_usb_light_new (const LbUsbModel *model, const char *serial, const LbUsbLightOptions *options)
{
  LbUsbLight *self = g_object_new (LB_TYPE_USB_LIGHT, NULL);

  self->model = model;
  self->serial = g_strdup (serial);
  self->options = *options;
  return LB_DEVICE (self);
}
