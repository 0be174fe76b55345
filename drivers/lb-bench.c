/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-bench-private.h"

#include <glib/gi18n-lib.h>

/* The bench as an object: devices, state with notification in M, STOP. */

enum
{
  PROP_STATE = 1,
  PROP_LIGHT,
  PROP_ACTION,
  N_PROPERTIES,
};

static GParamSpec *properties[N_PROPERTIES];

G_DEFINE_QUARK (lb - bench - error - quark, lb_bench_error)
G_DEFINE_FINAL_TYPE (LbBench, lb_bench, G_TYPE_OBJECT)

static void
lb_bench_get_property (GObject *object, guint id, GValue *value, GParamSpec *spec)
{
  LbBench *self = LB_BENCH (object);

  switch (id)
    {
    case PROP_STATE:
      g_value_set_uint (value, lb_bench_get_state (self));
      break;
    case PROP_LIGHT:
      g_value_set_uint (value, lb_bench_get_light (self));
      break;
    case PROP_ACTION:
      g_value_take_string (value, lb_bench_dup_action (self));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, spec);
    }
}

/* Jobs hold a reference, so no action runs here. */
static void
lb_bench_dispose (GObject *object)
{
  LbBench *self = LB_BENCH (object);

  if (self->devices[LB_ROLE_LIGHT] != NULL)
    lb_light_source_off_now (LB_LIGHT_SOURCE (self->devices[LB_ROLE_LIGHT]),
                             atomic_fetch_add (&self->generation, 1) + 1);
  if (self->heartbeat_source != NULL)
    g_source_destroy (self->heartbeat_source);
  g_clear_pointer (&self->heartbeat_source, g_source_unref);
  lb_bench_abandon_worker (self);
  G_OBJECT_CLASS (lb_bench_parent_class)->dispose (object);
}

static void
lb_bench_finalize (GObject *object)
{
  LbBench *self = LB_BENCH (object);

  for (guint role = 0; role < LB_N_ROLES; role++)
    {
      g_clear_object (&self->devices[role]);
      g_clear_pointer (&self->identities[role], lb_identity_free);
    }
  g_clear_object (&self->driver_context.shared);
  g_clear_object (&self->driver_context.clock);
  g_clear_object (&self->setup);
  g_main_context_unref (self->context);
  g_mutex_clear (&self->lock);
  G_OBJECT_CLASS (lb_bench_parent_class)->finalize (object);
}

static void
lb_bench_class_init (LbBenchClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  const GParamFlags flags = G_PARAM_READABLE | G_PARAM_STATIC_STRINGS;

  object_class->get_property = lb_bench_get_property;
  object_class->dispose = lb_bench_dispose;
  object_class->finalize = lb_bench_finalize;
  properties[PROP_STATE] =
      g_param_spec_uint ("state", NULL, NULL, 0, LB_BENCH_FAULTED, LB_BENCH_DISCONNECTED, flags);
  properties[PROP_LIGHT] =
      g_param_spec_uint ("light", NULL, NULL, 0, LB_LIGHT_NOT_CONFIRMED, LB_LIGHT_OFF, flags);
  properties[PROP_ACTION] = g_param_spec_string ("action", NULL, NULL, NULL, flags);
  g_object_class_install_properties (object_class, N_PROPERTIES, properties);
}

static void
lb_bench_init (LbBench *self)
{
  g_mutex_init (&self->lock);
  self->context = g_main_context_ref_thread_default ();
  atomic_init (&self->generation, 1);
  atomic_init (&self->heartbeat_us, 0);
  atomic_init (&self->exposures, 0);
}

/* --- Heartbeat: M shows that it is alive, or the light is not renewed ------------- */

static void
weak_ref_free (gpointer data)
{
  g_weak_ref_clear (data);
  g_free (data);
}

static gboolean
heartbeat_cb (gpointer user_data)
{
  g_autoptr (LbBench) self = g_weak_ref_get (user_data);

  if (self == NULL)
    return G_SOURCE_REMOVE;
  atomic_store (&self->heartbeat_us, g_get_monotonic_time ());
  return G_SOURCE_CONTINUE;
}

static void
start_heartbeat (LbBench *self)
{
  GWeakRef *weak = g_new0 (GWeakRef, 1);

  g_weak_ref_init (weak, self);
  self->heartbeat_source = g_timeout_source_new (200);
  g_source_set_callback (self->heartbeat_source, heartbeat_cb, weak, weak_ref_free);
  g_source_attach (self->heartbeat_source, self->context);
}

/* --- Making one ------------------------------------------------------------------------ */

static gboolean
create_devices (LbBench *self, GError **error)
{
  for (guint role = 0; role < LB_N_ROLES; role++)
    {
      const char *name = lb_setup_get_driver (self->setup, role);
      const LbDriver *driver = name != NULL ? lb_drivers_find (name) : NULL;

      if (name == NULL)
        continue;
      if (driver == NULL || !driver->roles[role])
        {
          g_set_error (error, LB_SETUP_ERROR, LB_SETUP_ERROR_VALUE,
                       driver == NULL ? _ ("setup %s: there is no driver \"%s\" for %s")
                                      : _ ("setup %s: the driver \"%s\" cannot be used for %s"),
                       lb_setup_get_name (self->setup), name, lb_role_get_name (role));
          return FALSE;
        }
      self->devices[role] = driver->create (&self->driver_context, role, error);
      if (self->devices[role] == NULL)
        return FALSE;
    }
  return TRUE;
}

static gboolean
all_simulated (LbSetup *setup)
{
  for (guint role = 0; role < LB_N_ROLES; role++)
    {
      const char *name = lb_setup_get_driver (setup, role);
      const LbDriver *driver = name != NULL ? lb_drivers_find (name) : NULL;

      if (driver != NULL && !driver->simulated)
        return FALSE;
    }
  return TRUE;
}

/**
 * lb_bench_new:
 * @options: (nullable): seeds and where virtual time begins
 *
 * Returns: (transfer full): a bench with the devices of @setup, none of them
 *   open; or %NULL: the setup names a driver or an option that there is not
 */
LbBench *
lb_bench_new (LbSetup *setup, const LbBenchOptions *options, GError **error)
{
  g_autoptr (LbBench) self = NULL;

  g_return_val_if_fail (LB_IS_SETUP (setup), NULL);

  self = g_object_new (LB_TYPE_BENCH, NULL);
  self->setup = g_object_ref (setup);
  self->driver_context.setup = setup;
  self->driver_context.seed = options != NULL ? options->seed : 0;
  self->driver_context.world_seed = options != NULL ? options->world_seed : 0;
  self->driver_context.clock = all_simulated (setup)
                                   ? lb_clock_new_virtual (options != NULL ? options->start_us : 0)
                                   : lb_clock_new_wall ();
  if (!create_devices (self, error))
    return NULL;
  lb_bench_start_worker (self);
  start_heartbeat (self);
  return g_steal_pointer (&self);
}

LbBench *
lb_bench_new_for_devices (LbSetup *setup, LbClock *clock, LbDevice *devices[LB_N_ROLES])
{
  LbBench *self = g_object_new (LB_TYPE_BENCH, NULL);

  self->setup = g_object_ref (setup);
  self->driver_context.setup = setup;
  self->driver_context.clock = g_object_ref (clock);
  for (guint role = 0; role < LB_N_ROLES; role++)
    self->devices[role] = devices[role];
  lb_bench_start_worker (self);
  start_heartbeat (self);
  return self;
}

/* --- State ---------------------------------------------------------------------------------- */

static gboolean
notify_cb (gpointer user_data)
{
  LbBench *self = user_data;

  g_mutex_lock (&self->lock);
  g_clear_pointer (&self->notify, g_source_unref);
  g_mutex_unlock (&self->lock);
  for (guint id = 1; id < N_PROPERTIES; id++)
    g_object_notify_by_pspec (G_OBJECT (self), properties[id]);
  return G_SOURCE_REMOVE;
}

/* With the lock held. One notification stands for all changes until M runs. */
static void
queue_notify (LbBench *self)
{
  if (self->notify != NULL)
    return;
  self->notify = g_idle_source_new ();
  g_source_set_priority (self->notify, G_PRIORITY_DEFAULT);
  g_source_set_callback (self->notify, notify_cb, g_object_ref (self), g_object_unref);
  g_source_attach (self->notify, self->context);
}

void
lb_bench_notify (LbBench *self)
{
  g_mutex_lock (&self->lock);
  queue_notify (self);
  g_mutex_unlock (&self->lock);
}

void
lb_bench_set_state (LbBench *self, LbBenchState state)
{
  g_mutex_lock (&self->lock);
  self->state = state;
  queue_notify (self);
  g_mutex_unlock (&self->lock);
}

void
lb_bench_set_light_state (LbBench *self, LbLightState light)
{
  g_mutex_lock (&self->lock);
  if (self->light != light)
    {
      self->light = light;
      queue_notify (self);
    }
  g_mutex_unlock (&self->lock);
}

LbBenchState
lb_bench_get_state (LbBench *self)
{
  LbBenchState state;

  g_return_val_if_fail (LB_IS_BENCH (self), LB_BENCH_DISCONNECTED);
  g_mutex_lock (&self->lock);
  state = self->state == LB_BENCH_IDLE && self->job != NULL ? LB_BENCH_ACTIVE : self->state;
  g_mutex_unlock (&self->lock);
  return state;
}

LbLightState
lb_bench_get_light (LbBench *self)
{
  LbLightState light;

  g_return_val_if_fail (LB_IS_BENCH (self), LB_LIGHT_OFF);
  g_mutex_lock (&self->lock);
  light = self->light;
  g_mutex_unlock (&self->lock);
  return light;
}

char *
lb_bench_dup_action (LbBench *self)
{
  char *name;

  g_return_val_if_fail (LB_IS_BENCH (self), NULL);
  g_mutex_lock (&self->lock);
  name = self->job != NULL ? g_strdup (self->job->name) : NULL;
  g_mutex_unlock (&self->lock);
  return name;
}

LbSetup *
lb_bench_get_setup (LbBench *self)
{
  g_return_val_if_fail (LB_IS_BENCH (self), NULL);
  return self->setup;
}

LbClock *
lb_bench_get_clock (LbBench *self)
{
  g_return_val_if_fail (LB_IS_BENCH (self), NULL);
  return self->driver_context.clock;
}

LbDevice *
lb_bench_get_device (LbBench *self, LbRole role)
{
  g_return_val_if_fail (LB_IS_BENCH (self) && (guint) role < LB_N_ROLES, NULL);
  return self->devices[role];
}

LbIdentity *
lb_bench_dup_identity (LbBench *self, LbRole role)
{
  LbIdentity *identity = NULL;

  g_return_val_if_fail (LB_IS_BENCH (self) && (guint) role < LB_N_ROLES, NULL);
  g_mutex_lock (&self->lock);
  if (self->identities[role] != NULL)
    identity = lb_identity_copy (self->identities[role]);
  g_mutex_unlock (&self->lock);
  return identity;
}

LbQuantities *
lb_bench_dup_identities (LbBench *self)
{
  LbQuantities *identities = lb_quantities_new ();

  g_return_val_if_fail (LB_IS_BENCH (self), identities);
  for (guint role = 0; role < LB_N_ROLES; role++)
    {
      LbIdentity *identity = lb_bench_dup_identity (self, role);
      g_autofree char *text = identity != NULL ? lb_identity_to_string (identity) : NULL;

      if (text != NULL)
        lb_quantities_set_text (identities, lb_role_get_name (role), text);
      lb_identity_free (identity);
    }
  return identities;
}

gboolean
lb_bench_get_camera_caps (LbBench *self, LbCameraCaps *caps)
{
  g_return_val_if_fail (LB_IS_BENCH (self) && caps != NULL, FALSE);
  g_mutex_lock (&self->lock);
  *caps = self->camera_caps;
  g_mutex_unlock (&self->lock);
  return caps->width > 0;
}

gboolean
lb_bench_get_modulator_caps (LbBench *self, LbRole role, LbModulatorCaps *caps)
{
  g_return_val_if_fail (LB_IS_BENCH (self) && caps != NULL, FALSE);
  g_return_val_if_fail (role == LB_ROLE_SOURCE || role == LB_ROLE_WEIGHT, FALSE);
  g_mutex_lock (&self->lock);
  *caps = self->modulator_caps[role];
  g_mutex_unlock (&self->lock);
  return caps->width > 0;
}

gboolean
lb_bench_get_light_caps (LbBench *self, LbLightSourceCaps *caps)
{
  g_return_val_if_fail (LB_IS_BENCH (self) && caps != NULL, FALSE);
  if (self->devices[LB_ROLE_LIGHT] == NULL)
    return FALSE;
  g_mutex_lock (&self->lock);
  *caps = self->light_caps;
  g_mutex_unlock (&self->lock);
  return caps->maximum > 0;
}

guint64
lb_bench_get_exposures (LbBench *self)
{
  g_return_val_if_fail (LB_IS_BENCH (self), 0);
  return atomic_load (&self->exposures);
}

guint64
lb_bench_get_generation (LbBench *self)
{
  g_return_val_if_fail (LB_IS_BENCH (self), 0);
  return atomic_load (&self->generation);
}

/* --- STOP ---------------------------------------------------------------------------------------- */

/* Follows a STOP up: confirms darkness, blacks the planes. A thread of its own,
 * because it waits. */
static gpointer
stop_thread (gpointer user_data)
{
  g_autoptr (LbBench) self = user_data;
  LbDevice *light = self->devices[LB_ROLE_LIGHT];
  gint64 deadline_us = g_get_monotonic_time () + LB_BENCH_CONFIRM_US;

  while (light != NULL && !lb_light_source_is_confirmed_off (LB_LIGHT_SOURCE (light)) &&
         g_get_monotonic_time () < deadline_us)
    g_usleep (5000);
  if (light != NULL && !lb_light_source_is_confirmed_off (LB_LIGHT_SOURCE (light)))
    lb_bench_set_light_state (self, LB_LIGHT_NOT_CONFIRMED);
  else if (lb_bench_get_light (self) != LB_LIGHT_ARMED)
    lb_bench_set_light_state (self, LB_LIGHT_OFF);
  for (guint role = LB_ROLE_SOURCE; role <= LB_ROLE_WEIGHT; role++)
    {
      g_autoptr (GError) error = NULL;

      if (self->devices[role] != NULL && lb_device_get_state (self->devices[role]) != LB_DEVICE_ABSENT &&
          !lb_modulator_blank (LB_MODULATOR (self->devices[role]), NULL, deadline_us, &error))
        g_message ("after STOP the %s plane could not be made black: %s", lb_role_get_name (role),
                   error->message);
    }
  return NULL;
}

/**
 * lb_bench_stop:
 *
 * Light off now, planes black, the running action cancelled. Any thread; does
 * not wait. Nothing lights again before lb_bench_arm().
 */
void
lb_bench_stop (LbBench *self)
{
  guint64 generation;
  LbBenchJob *job = NULL;

  g_return_if_fail (LB_IS_BENCH (self));

  /* The light first, and without a lock. */
  generation = atomic_fetch_add (&self->generation, 1) + 1;
  if (self->devices[LB_ROLE_LIGHT] != NULL)
    lb_light_source_off_now (LB_LIGHT_SOURCE (self->devices[LB_ROLE_LIGHT]), generation);
  g_mutex_lock (&self->lock);
  self->stopped = TRUE;
  if (self->light == LB_LIGHT_ARMED)
    self->light = LB_LIGHT_OFF;
  if (self->job != NULL)
    job = lb_bench_job_ref (self->job);
  queue_notify (self);
  g_mutex_unlock (&self->lock);
  if (job != NULL)
    {
      g_cancellable_cancel (job->cancellable);
      lb_bench_job_unref (job);
    }
  g_thread_unref (g_thread_new ("lb-stop", stop_thread, g_object_ref (self)));
}

/**
 * lb_bench_arm:
 *
 * Lets actions turn the light on again after a STOP.
 */
gboolean
lb_bench_arm (LbBench *self, GError **error)
{
  gboolean armed = FALSE;

  g_return_val_if_fail (LB_IS_BENCH (self), FALSE);

  g_mutex_lock (&self->lock);
  if (self->state == LB_BENCH_IDLE && self->job == NULL)
    {
      self->stopped = FALSE;
      self->light = LB_LIGHT_ARMED;
      armed = TRUE;
      queue_notify (self);
    }
  else
    g_set_error_literal (
        error, LB_BENCH_ERROR, self->job != NULL ? LB_BENCH_ERROR_BUSY : LB_BENCH_ERROR_NOT_CONNECTED,
        self->job != NULL ? _ ("the action that was stopped has not ended yet: wait, then arm again")
                          : _ ("the bench is not connected: connect it, which arms it"));
  g_mutex_unlock (&self->lock);
  return armed;
}
