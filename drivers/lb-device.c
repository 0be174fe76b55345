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
  int notifying;         /* a notification is on its way, atomic */
  GMainContext *context; /* where state is notified */
} LbDevicePrivate;

/* Of the calling thread; a const LbCallGuard. */
static GPrivate call_guard;

enum
{
  PROP_STATE = 1,
  N_PROPERTIES,
};

static GParamSpec *properties[N_PROPERTIES];

/* clang-format off */
G_DEFINE_QUARK (lb-device-error-quark, lb_device_error)
/* clang-format on */
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

/**
 * lb_device_get_state:
 *
 * Returns: the state of the device as it was last known; any thread
 */
LbDeviceState
lb_device_get_state (LbDevice *self)
{
  g_return_val_if_fail (LB_IS_DEVICE (self), LB_DEVICE_ABSENT);
  return g_atomic_int_get (&PRIVATE (self)->state);
}

static gboolean
notify_state_cb (gpointer user_data)
{
  g_autoptr (LbDevice) self = g_weak_ref_get (user_data);

  if (self == NULL)
    return G_SOURCE_REMOVE;
  g_atomic_int_set (&PRIVATE (self)->notifying, FALSE);
  g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_STATE]);
  return G_SOURCE_REMOVE;
}

static void
weak_ref_free (gpointer data)
{
  g_weak_ref_clear (data);
  g_free (data);
}

/**
 * lb_device_set_state:
 *
 * For drivers, from any thread. The property is notified in the main context
 * that was the default of the thread that made the device; changes that follow
 * each other before that are notified once.
 */
void
lb_device_set_state (LbDevice *self, LbDeviceState state)
{
  g_autoptr (GSource) source = NULL;
  GWeakRef *weak;

  g_return_if_fail (LB_IS_DEVICE (self));

  if (g_atomic_int_exchange (&PRIVATE (self)->state, state) == (int) state ||
      g_atomic_int_exchange (&PRIVATE (self)->notifying, TRUE))
    return;
  /* Weak: a context that nobody runs must not keep the device. */
  weak = g_new0 (GWeakRef, 1);
  g_weak_ref_init (weak, self);
  source = g_idle_source_new ();
  g_source_set_priority (source, G_PRIORITY_DEFAULT);
  g_source_set_callback (source, notify_state_cb, weak, weak_ref_free);
  g_source_attach (source, PRIVATE (self)->context);
}

/* --- What every call goes through ------------------------------------------- */

void
lb_device_set_call_guard (const LbCallGuard *guard)
{
  g_private_set (&call_guard, (gpointer) guard);
}

gboolean
lb_device_begin_call (
    LbDevice *self, const char *what, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  const LbCallGuard *guard = g_private_get (&call_guard);

  if (guard != NULL && !guard->begin (self, FALSE, deadline_us, guard->data, error))
    return FALSE;
  if (g_cancellable_is_cancelled (cancellable))
    g_set_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_CANCELLED, _ ("%s: cancelled"), what);
  else if (deadline_us >= 0 && g_get_monotonic_time () > deadline_us)
    g_set_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_TIMEOUT,
                 _ ("%s: the time for it was over before it began"), what);
  else
    return TRUE;
  lb_device_end_call (self);
  return FALSE;
}

void
lb_device_begin_closing (LbDevice *self, gint64 deadline_us)
{
  const LbCallGuard *guard = g_private_get (&call_guard);

  if (guard != NULL)
    guard->begin (self, TRUE, deadline_us, guard->data, NULL);
}

void
lb_device_end_call (LbDevice *self)
{
  const LbCallGuard *guard = g_private_get (&call_guard);

  if (guard != NULL)
    guard->end (self, guard->data);
}

/**
 * lb_device_waiting:
 *
 * For drivers: to be called at least each 200 ms while a call waits, with no
 * lock held. The bench renews the light's lease meanwhile.
 *
 * Returns: %FALSE if there is nothing to wait for any more; the call returns
 *   with @error then
 */
gboolean
lb_device_waiting (LbDevice *self, GError **error)
{
  const LbCallGuard *guard = g_private_get (&call_guard);

  g_return_val_if_fail (LB_IS_DEVICE (self), FALSE);
  return guard == NULL || guard->waiting (self, guard->data, error);
}

/**
 * lb_device_open:
 *
 * Opens the device and confirms its identity; it is connected afterwards.
 *
 * Returns: %FALSE with ABSENT, ACCESS, BUSY or what the device said; nothing is left open then
 */
gboolean
lb_device_open (LbDevice *self, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  gboolean done;

  g_return_val_if_fail (LB_IS_DEVICE (self), FALSE);
  if (!lb_device_begin_call (self, "open", cancellable, deadline_us, error))
    return FALSE;
  done = LB_DEVICE_GET_CLASS (self)->open (self, cancellable, deadline_us, error);
  lb_device_end_call (LB_DEVICE (self));
  return done;
}

/**
 * lb_device_close:
 *
 * Closes the device; never refused.
 *
 * Returns: %FALSE with an LbDeviceError; it is closed all the same
 */
gboolean
lb_device_close (LbDevice *self, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  gboolean done;

  g_return_val_if_fail (LB_IS_DEVICE (self), FALSE);
  lb_device_begin_closing (LB_DEVICE (self), deadline_us);
  done = LB_DEVICE_GET_CLASS (self)->close (self, cancellable, deadline_us, error);
  lb_device_end_call (LB_DEVICE (self));
  return done;
}

/**
 * lb_device_get_identity:
 *
 * Returns: (transfer full): who the open device says it is
 */
LbIdentity *
lb_device_get_identity (LbDevice *self, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  LbIdentity *result;

  g_return_val_if_fail (LB_IS_DEVICE (self), NULL);
  if (!lb_device_begin_call (self, "identity", cancellable, deadline_us, error))
    return NULL;
  result = LB_DEVICE_GET_CLASS (self)->get_identity (self, cancellable, deadline_us, error);
  lb_device_end_call (LB_DEVICE (self));
  return result;
}

/**
 * lb_device_begin_run:
 * @ordinal: of the run in its session
 *
 * A run begins: keys the noise of simulated devices; others do nothing.
 */
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

/**
 * lb_identity_copy:
 *
 * Returns: (transfer full): a copy
 */
LbIdentity *
lb_identity_copy (const LbIdentity *self)
{
  g_return_val_if_fail (self != NULL, NULL);
  return lb_identity_new (self->driver, self->maker, self->model, self->serial, self->firmware);
}

/**
 * lb_identity_free:
 * @self: (nullable) (transfer full):
 *
 * Frees an identity and its texts.
 */
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

/**
 * lb_identity_to_string:
 *
 * Returns: (transfer full): "driver: maker model, serial 123, firmware 1.2"; the same text means the same
 *   device
 */
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
