/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-bench-private.h"

#include <math.h>

#include <glib/gi18n-lib.h>

/* The bench as an object: its devices, its state and their notification in M. */

static GParamSpec *properties[LB_BENCH_N_PROPERTIES];

/* clang-format off */
G_DEFINE_QUARK (lb-bench-error-quark, lb_bench_error)
/* clang-format on */
G_DEFINE_FINAL_TYPE (LbBench, lb_bench, G_TYPE_OBJECT)

static void
lb_bench_get_property (GObject *object, guint id, GValue *value, GParamSpec *spec)
{
  LbBench *self = LB_BENCH (object);

  switch (id)
    {
    case LB_BENCH_PROP_STATE:
      g_value_set_uint (value, lb_bench_get_state (self));
      break;
    case LB_BENCH_PROP_LIGHT:
      g_value_set_uint (value, lb_bench_get_light (self));
      break;
    case LB_BENCH_PROP_ACTION:
      g_value_take_string (value, lb_bench_dup_action (self));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, spec);
    }
}

/* Actions hold a reference, so none runs here, and the light is off: but a bench
 * that goes must never leave it on. */
static void
lb_bench_dispose (GObject *object)
{
  LbBench *self = LB_BENCH (object);

  if (self->devices[LB_ROLE_LIGHT] != NULL)
    lb_light_source_off_now (LB_LIGHT_SOURCE (self->devices[LB_ROLE_LIGHT]),
                             atomic_fetch_add (&self->generation, 1) + 1);
  for (guint role = LB_ROLE_SOURCE; role <= LB_ROLE_WEIGHT; role++)
    if (self->devices[role] != NULL)
      lb_modulator_set_alarm (LB_MODULATOR (self->devices[role]), NULL, NULL);
  if (self->heartbeat != NULL)
    g_source_destroy (self->heartbeat);
  g_clear_pointer (&self->heartbeat, g_source_unref);
  lb_bench_end_watch (self);
  lb_bench_end_worker (self);
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
  for (guint plane = 0; plane < G_N_ELEMENTS (self->planes); plane++)
    g_clear_pointer (&self->planes[plane].wanted, lb_pattern_unref);
  g_clear_object (&self->driver_context.shared);
  g_clear_object (&self->driver_context.clock);
  g_clear_object (&self->setup);
  g_main_context_unref (self->context);
  g_mutex_clear (&self->lock);
  g_cond_clear (&self->changed);
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
  properties[LB_BENCH_PROP_STATE] =
      g_param_spec_uint ("state", NULL, NULL, 0, LB_BENCH_FAULTED, LB_BENCH_DISCONNECTED, flags);
  properties[LB_BENCH_PROP_LIGHT] =
      g_param_spec_uint ("light", NULL, NULL, 0, LB_LIGHT_NOT_CONFIRMED, LB_LIGHT_OFF, flags);
  properties[LB_BENCH_PROP_ACTION] = g_param_spec_string ("action", NULL, NULL, NULL, flags);
  g_object_class_install_properties (object_class, LB_BENCH_N_PROPERTIES, properties);
}

static void
lb_bench_init (LbBench *self)
{
  g_mutex_init (&self->lock);
  g_cond_init (&self->changed);
  self->context = g_main_context_ref_thread_default ();
  self->light_level = NAN;
  self->temperature_c = NAN;
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

static GWeakRef *
weak_ref_new (LbBench *self)
{
  GWeakRef *weak = g_new0 (GWeakRef, 1);

  g_weak_ref_init (weak, self);
  return weak;
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
  self->heartbeat = g_timeout_source_new (LB_BENCH_HEARTBEAT_US / 5000);
  g_source_set_callback (self->heartbeat, heartbeat_cb, weak_ref_new (self), weak_ref_free);
  g_source_attach (self->heartbeat, self->context);
}

static gboolean
heartbeat_is_old (LbBench *self)
{
  gint64 heartbeat_us = atomic_load (&self->heartbeat_us);

  return heartbeat_us != 0 && g_get_monotonic_time () - heartbeat_us > LB_BENCH_HEARTBEAT_US;
}

/*
 * A program may have no M that runs, or one that has ended (unit tests, small
 * tools): no operator sits there who could press STOP in it. So the heartbeat
 * counts once M has beaten, and while a thread runs M, which is when that thread
 * owns it: a loop that hangs in a callback still does.
 */
gboolean
lb_bench_is_deaf (LbBench *self)
{
  if (!heartbeat_is_old (self))
    return FALSE;
  if (g_main_context_acquire (self->context))
    {
      g_main_context_release (self->context);
      return FALSE;
    }
  /* A loop that has only just begun to run beats at once. */
  g_usleep (20 * 1000);
  return heartbeat_is_old (self);
}

/* --- Making one ------------------------------------------------------------------------ */

static gboolean
create_devices (LbBench *self, GError **error)
{
  for (guint role = 0; role < LB_N_ROLES; role++)
    {
      if (lb_setup_get_driver (self->setup, role) == NULL)
        continue;
      self->devices[role] = lb_drivers_create (&self->driver_context, role, error);
      if (self->devices[role] == NULL)
        return FALSE;
    }
  return TRUE;
}

static void
start (LbBench *self)
{
  lb_bench_set_timing (self, NULL);
  lb_bench_start_worker (self);
  lb_bench_start_watch (self);
  for (guint role = LB_ROLE_SOURCE; role <= LB_ROLE_WEIGHT; role++)
    if (self->devices[role] != NULL)
      lb_modulator_set_alarm (LB_MODULATOR (self->devices[role]), (LbModulatorAlarm) lb_bench_wake_watch,
                              self);
  start_heartbeat (self);
}

/**
 * lb_bench_new:
 * @options: (nullable): seeds, and where virtual time begins
 *
 * Makes a bench with the devices of @setup, none of them open. Time is virtual
 * if all of them are simulated, else wall time.
 *
 * Returns: (transfer full): the bench, or %NULL with an LbSetupError: a driver or one of its keys that there
 *   is not, or a value out of range
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
  self->driver_context.clock = lb_setup_is_simulated (setup)
                                   ? lb_clock_new_virtual (options != NULL ? options->start_us : 0)
                                   : lb_clock_new_wall ();
  if (!create_devices (self, error))
    return NULL;
  start (self);
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
    self->devices[role] = g_steal_pointer (&devices[role]);
  start (self);
  return self;
}

/* --- Notification ---------------------------------------------------------------------- */

static gboolean
notify_cb (gpointer user_data)
{
  g_autoptr (LbBench) self = g_weak_ref_get (user_data);
  guint changes;

  if (self == NULL)
    return G_SOURCE_REMOVE;
  g_mutex_lock (&self->lock);
  changes = self->changes;
  self->changes = 0;
  g_mutex_unlock (&self->lock);
  for (guint id = 1; id < LB_BENCH_N_PROPERTIES; id++)
    if (changes & (1u << id))
      g_object_notify_by_pspec (G_OBJECT (self), properties[id]);
  return G_SOURCE_REMOVE;
}

/* One notification stands for all changes until M comes to it. */
void
lb_bench_changed_locked (LbBench *self, guint property)
{
  g_autoptr (GSource) source = NULL;
  gboolean pending = self->changes != 0;

  self->changes |= 1u << property;
  if (pending)
    return;
  /* Weak: an M that nobody runs must not keep the bench. */
  source = g_idle_source_new ();
  g_source_set_priority (source, G_PRIORITY_DEFAULT);
  g_source_set_callback (source, notify_cb, weak_ref_new (self), weak_ref_free);
  g_source_attach (source, self->context);
}

void
lb_bench_set_light_locked (LbBench *self, LbLightState light)
{
  if (self->light == light)
    return;
  self->light = light;
  lb_bench_changed_locked (self, LB_BENCH_PROP_LIGHT);
}

void
lb_bench_set_state_locked (LbBench *self, LbBenchState state)
{
  if (self->state == state)
    return;
  self->state = state;
  lb_bench_changed_locked (self, LB_BENCH_PROP_STATE);
}

/* --- What it is, has and does: any thread ------------------------------------------------ */

/**
 * lb_bench_get_state:
 *
 * Returns: what the bench does
 */
LbBenchState
lb_bench_get_state (LbBench *self)
{
  LbBenchState state;

  g_return_val_if_fail (LB_IS_BENCH (self), LB_BENCH_DISCONNECTED);
  g_mutex_lock (&self->lock);
  state = self->state == LB_BENCH_IDLE && self->action != NULL ? LB_BENCH_ACTIVE : self->state;
  g_mutex_unlock (&self->lock);
  return state;
}

/**
 * lb_bench_get_light:
 *
 * Returns: the state of the light
 */
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

/**
 * lb_bench_dup_action:
 *
 * Returns: (transfer full) (nullable): name of the action that runs
 */
char *
lb_bench_dup_action (LbBench *self)
{
  char *name;

  g_return_val_if_fail (LB_IS_BENCH (self), NULL);
  g_mutex_lock (&self->lock);
  name = self->action != NULL ? g_strdup (self->action->name) : NULL;
  g_mutex_unlock (&self->lock);
  return name;
}

/**
 * lb_bench_get_setup:
 *
 * Returns: (transfer none): the setup that it was made of
 */
LbSetup *
lb_bench_get_setup (LbBench *self)
{
  g_return_val_if_fail (LB_IS_BENCH (self), NULL);
  return self->setup;
}

/**
 * lb_bench_get_clock:
 *
 * Returns: (transfer none): bench time
 */
LbClock *
lb_bench_get_clock (LbBench *self)
{
  g_return_val_if_fail (LB_IS_BENCH (self), NULL);
  return self->driver_context.clock;
}

/**
 * lb_bench_get_timing:
 * @timing: (out): what the bench waits for
 *
 * The timing in force.
 */
void
lb_bench_get_timing (LbBench *self, LbBenchTiming *timing)
{
  g_return_if_fail (LB_IS_BENCH (self) && timing != NULL);
  g_mutex_lock (&self->lock);
  *timing = self->timing;
  g_mutex_unlock (&self->lock);
}

/**
 * lb_bench_set_timing:
 * @timing: (nullable): what to wait for; %NULL: the setup's nominal values
 *
 * Puts a timing in force, for the patterns that are shown from now on.
 */
void
lb_bench_set_timing (LbBench *self, const LbBenchTiming *timing)
{
  const LbSetupOptics *optics;
  LbBenchTiming nominal = { 0 };

  g_return_if_fail (LB_IS_BENCH (self));
  optics = lb_setup_get_optics (self->setup);
  nominal.settling_us[LB_ROLE_SOURCE] = optics->source_settling_us;
  nominal.settling_us[LB_ROLE_WEIGHT] = optics->weight_settling_us;
  g_mutex_lock (&self->lock);
  self->timing = timing != NULL ? *timing : nominal;
  g_mutex_unlock (&self->lock);
}

/**
 * lb_bench_get_device:
 *
 * Returns: (transfer none) (nullable): the device of @role; only the worker may call it
 */
LbDevice *
lb_bench_get_device (LbBench *self, LbRole role)
{
  g_return_val_if_fail (LB_IS_BENCH (self) && (guint) role < LB_N_ROLES, NULL);
  return self->devices[role];
}

gboolean
lb_bench_has_light_source (LbBench *self)
{
  return self->devices[LB_ROLE_LIGHT] != NULL;
}

/**
 * lb_bench_dup_identity:
 *
 * Returns: (transfer full) (nullable): who the device of @role said it is when it was connected; %NULL before
 */
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

/**
 * lb_bench_dup_identities:
 *
 * Returns: (transfer full): the identities that are known, as texts by the names of the roles
 */
LbQuantities *
lb_bench_dup_identities (LbBench *self)
{
  LbQuantities *identities;

  g_return_val_if_fail (LB_IS_BENCH (self), NULL);
  identities = lb_quantities_new ();
  for (guint role = 0; role < LB_N_ROLES; role++)
    {
      g_autoptr (LbIdentity) identity = lb_bench_dup_identity (self, role);
      g_autofree char *text = identity != NULL ? lb_identity_to_string (identity) : NULL;

      if (text != NULL)
        lb_quantities_set_text (identities, lb_role_get_name (role), text);
    }
  return identities;
}

/**
 * lb_bench_get_camera_caps:
 * @caps: (out): as read when it was connected
 *
 * Returns: %FALSE before the bench was connected
 */
gboolean
lb_bench_get_camera_caps (LbBench *self, LbCameraCaps *caps)
{
  g_return_val_if_fail (LB_IS_BENCH (self) && caps != NULL, FALSE);
  g_mutex_lock (&self->lock);
  *caps = self->camera_caps;
  g_mutex_unlock (&self->lock);
  return caps->width > 0;
}

/**
 * lb_bench_get_modulator_caps:
 * @role: %LB_ROLE_SOURCE or %LB_ROLE_WEIGHT
 * @caps: (out): as read when it was connected
 *
 * Returns: %FALSE before the bench was connected
 */
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

/**
 * lb_bench_get_light_caps:
 * @caps: (out): as read when it was connected
 *
 * Returns: %FALSE before the bench was connected, or if it has no light source
 */
gboolean
lb_bench_get_light_caps (LbBench *self, LbLightSourceCaps *caps)
{
  g_return_val_if_fail (LB_IS_BENCH (self) && caps != NULL, FALSE);
  g_mutex_lock (&self->lock);
  *caps = self->light_caps;
  g_mutex_unlock (&self->lock);
  return lb_bench_has_light_source (self) && caps->maximum > 0;
}

/**
 * lb_bench_get_camera_format:
 * @format: (out): region and depth in force; zero before the bench was connected
 */
void
lb_bench_get_camera_format (LbBench *self, LbCameraFormat *format)
{
  g_return_if_fail (LB_IS_BENCH (self) && format != NULL);
  g_mutex_lock (&self->lock);
  *format = self->camera_format;
  g_mutex_unlock (&self->lock);
}

/**
 * lb_bench_get_exposures:
 *
 * Returns: frames taken by sequences since the bench was made
 */
guint64
lb_bench_get_exposures (LbBench *self)
{
  g_return_val_if_fail (LB_IS_BENCH (self), 0);
  return atomic_load (&self->exposures);
}

/**
 * lb_bench_get_generation:
 *
 * Returns: a number that rises with each STOP; leases of light of an older one are refused
 */
guint64
lb_bench_get_generation (LbBench *self)
{
  g_return_val_if_fail (LB_IS_BENCH (self), 0);
  return atomic_load (&self->generation);
}
