/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-device-private.h"

#include <glib/gi18n-lib.h>

/*
 * Base of all devices: state with notification in the context of its maker, and
 * the calls that every device has.
 */

typedef struct
{
  int state;             /* LbDeviceState, atomic */
  GMainContext *context; /* where state is notified */
} LbDevicePrivate;

enum
{
  PROP_STATE = 1,
  N_PROPERTIES,
};

static GParamSpec *properties[N_PROPERTIES];

G_DEFINE_QUARK (lb - device - error - quark, lb_device_error)
G_DEFINE_ABSTRACT_TYPE_WITH_PRIVATE (LbDevice, lb_device, G_TYPE_OBJECT)

#define PRIVATE(self) ((LbDevicePrivate *) lb_device_get_instance_private (self))

/**
 * lb_device_state_get_name:
 *
 * Returns: the state's name for machines: "absent", "connected", ...
 */
const char *
lb_device_state_get_name (LbDeviceState state)
{
  static const char *const names[] = { "absent", "connected", "running", "faulted" };

  g_return_val_if_fail ((guint) state < G_N_ELEMENTS (names), NULL);
  return names[state];
}

static void
lb_device_get_property (GObject *object, guint id, GValue *value, GParamSpec *spec)
{
  if (id == PROP_STATE)
    g_value_set_uint (value, lb_device_get_state (LB_DEVICE (object)));
  else
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, spec);
}

static void
lb_device_finalize (GObject *object)
{
  g_main_context_unref (PRIVATE (LB_DEVICE (object))->context);
  G_OBJECT_CLASS (lb_device_parent_class)->finalize (object);
}

static void
lb_device_class_init (LbDeviceClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->get_property = lb_device_get_property;
  object_class->finalize = lb_device_finalize;
  properties[PROP_STATE] = g_param_spec_uint ("state", NULL, NULL, LB_DEVICE_ABSENT, LB_DEVICE_FAULTED,
                                              LB_DEVICE_ABSENT, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
  g_object_class_install_properties (object_class, N_PROPERTIES, properties);
}

static void
lb_device_init (LbDevice *self)
{
  PRIVATE (self)->context = g_main_context_ref_thread_default ();
}

LbDeviceState
lb_device_get_state (LbDevice *self)
{
  g_return_val_if_fail (LB_IS_DEVICE (self), LB_DEVICE_ABSENT);
  return g_atomic_int_get (&PRIVATE (self)->state);
}

static gboolean
notify_state_cb (gpointer user_data)
{
  g_object_notify_by_pspec (user_data, properties[PROP_STATE]);
  return G_SOURCE_REMOVE;
}

void
lb_device_set_state (LbDevice *self, LbDeviceState state)
{
  g_autoptr (GSource) source = NULL;

  g_return_if_fail (LB_IS_DEVICE (self));

  if (g_atomic_int_exchange (&PRIVATE (self)->state, state) == (int) state)
    return;
  source = g_idle_source_new ();
  g_source_set_callback (source, notify_state_cb, g_object_ref (self), g_object_unref);
  g_source_attach (source, PRIVATE (self)->context);
}

gboolean
lb_device_check_call (
    LbDevice *self, const char *what, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  if (g_cancellable_is_cancelled (cancellable))
    {
      g_set_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_CANCELLED, _ ("%s: cancelled"), what);
      return FALSE;
    }
  if (deadline_us >= 0 && g_get_monotonic_time () > deadline_us)
    {
      g_set_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_TIMEOUT,
                   _ ("%s: the time for it was over before it began"), what);
      return FALSE;
    }
  return TRUE;
}

/**
 * lb_device_open:
 *
 * Opens the device and confirms its identity; it is connected afterwards.
 */
gboolean
lb_device_open (LbDevice *self, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  g_return_val_if_fail (LB_IS_DEVICE (self), FALSE);
  if (!lb_device_check_call (self, "open", cancellable, deadline_us, error))
    return FALSE;
  return LB_DEVICE_GET_CLASS (self)->open (self, cancellable, deadline_us, error);
}

gboolean
lb_device_close (LbDevice *self, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  g_return_val_if_fail (LB_IS_DEVICE (self), FALSE);
  return LB_DEVICE_GET_CLASS (self)->close (self, cancellable, deadline_us, error);
}

/**
 * lb_device_get_identity:
 *
 * Returns: (transfer full): who the open device says it is
 */
LbIdentity *
lb_device_get_identity (LbDevice *self, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  g_return_val_if_fail (LB_IS_DEVICE (self), NULL);
  if (!lb_device_check_call (self, "identity", cancellable, deadline_us, error))
    return NULL;
  return LB_DEVICE_GET_CLASS (self)->get_identity (self, cancellable, deadline_us, error);
}

void
lb_device_begin_run (LbDevice *self, guint64 ordinal)
{
  g_return_if_fail (LB_IS_DEVICE (self));
  if (LB_DEVICE_GET_CLASS (self)->begin_run != NULL)
    LB_DEVICE_GET_CLASS (self)->begin_run (self, ordinal);
}

/**
 * lb_identity_new:
 *
 * Returns: (transfer full): an identity with copies of the texts; %NULL counts as ""
 */
LbIdentity *
lb_identity_new (
    const char *driver, const char *maker, const char *model, const char *serial, const char *firmware)
{
  LbIdentity *self = g_new0 (LbIdentity, 1);

  self->driver = g_strdup (driver != NULL ? driver : "");
  self->maker = g_strdup (maker != NULL ? maker : "");
  self->model = g_strdup (model != NULL ? model : "");
  self->serial = g_strdup (serial != NULL ? serial : "");
  self->firmware = g_strdup (firmware != NULL ? firmware : "");
  return self;
}

LbIdentity *
lb_identity_copy (const LbIdentity *self)
{
  g_return_val_if_fail (self != NULL, NULL);
  return lb_identity_new (self->driver, self->maker, self->model, self->serial, self->firmware);
}

void
lb_identity_free (LbIdentity *self)
{
  if (self == NULL)
    return;
  g_free (self->driver);
  g_free (self->maker);
  g_free (self->model);
  g_free (self->serial);
  g_free (self->firmware);
  g_free (self);
}

char *
lb_identity_to_string (const LbIdentity *self)
{
  GString *text;

  g_return_val_if_fail (self != NULL, NULL);

  text = g_string_new (self->driver);
  g_string_append_printf (text, ": %s %s", self->maker, self->model);
  if (self->serial[0] != '\0')
    g_string_append_printf (text, ", serial %s", self->serial);
  if (self->firmware[0] != '\0')
    g_string_append_printf (text, ", firmware %s", self->firmware);
  return g_string_free (text, FALSE);
}
