/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-simulated-private.h"

#include <glib/gi18n-lib.h>

/* What the four devices share: their world, their faults, being plugged in. */

/* A waiting device lets the bench know at least each 200 ms. */
#define WAITING_US (100 * 1000)

typedef struct
{
  LbWorld *world;
  LbRole role;
} Attachment;

static G_DEFINE_QUARK (lb - simulated - attachment, attachment)

    static void attachment_free (gpointer data)
{
  g_object_unref (((Attachment *) data)->world);
  g_free (data);
}

static Attachment *
get_attachment (LbDevice *device)
{
  return g_object_get_qdata (G_OBJECT (device), attachment_quark ());
}

LbWorld *
lb_simulated_get_world (LbDevice *device)
{
  Attachment *attachment = get_attachment (device);

  return attachment != NULL ? attachment->world : NULL;
}

LbRole
lb_simulated_get_role (LbDevice *device)
{
  return get_attachment (device)->role;
}

/* --- The driver --------------------------------------------------------------------- */

static LbDevice *
create (LbDriverContext *context, LbRole role, GError **error)
{
  LbWorld *world = lb_world_ensure (context, error);
  Attachment *attachment;
  LbDevice *device;

  if (world == NULL)
    return NULL;
  switch (role)
    {
    case LB_ROLE_SOURCE:
    case LB_ROLE_WEIGHT:
      device = lb_simulated_modulator_new ();
      break;
    case LB_ROLE_CAMERA:
      device = lb_simulated_camera_new ();
      break;
    case LB_ROLE_LIGHT:
      device = lb_simulated_light_new ();
      break;
    case LB_ROLE_POWER_METER:
    case LB_N_ROLES:
    default:
      device = lb_simulated_power_meter_new ();
      break;
    }
  attachment = g_new (Attachment, 1);
  *attachment = (Attachment){ world, role };
  g_object_set_qdata_full (G_OBJECT (device), attachment_quark (), attachment, attachment_free);
  g_weak_ref_set (&world->devices[role], device);
  return device;
}

const LbDriver lb_simulated_driver = {
  .name = LB_SIMULATED_DRIVER,
  .simulated = TRUE,
  .roles = { TRUE, TRUE, TRUE, TRUE, TRUE },
  .create = create,
};

/* --- Faults -------------------------------------------------------------------------- */

static const struct
{
  const char *name;
  const char *title;
} faults[LB_N_FAULTS] = {
  [LB_FAULT_UNPLUG_SOURCE] = { "unplug-source", N_ ("Source plane unplugged") },
  [LB_FAULT_UNPLUG_WEIGHT] = { "unplug-weight", N_ ("Weight plane unplugged") },
  [LB_FAULT_UNPLUG_CAMERA] = { "unplug-camera", N_ ("Camera unplugged") },
  [LB_FAULT_UNPLUG_LIGHT] = { "unplug-light", N_ ("Light source unplugged") },
  [LB_FAULT_UNPLUG_POWER_METER] = { "unplug-power-meter", N_ ("Power meter unplugged") },
  [LB_FAULT_DROP_FRAMES] = { "drop-frames", N_ ("Camera drops one frame in five") },
  [LB_FAULT_INTERLOCK] = { "interlock", N_ ("Interlock open") },
  [LB_FAULT_OVER_TEMPERATURE] = { "over-temperature", N_ ("Light source too hot") },
  [LB_FAULT_USB_TIME_OUT] = { "usb-time-out", N_ ("Light source does not answer") },
  [LB_FAULT_STALL_CAMERA] = { "stall-camera", N_ ("Camera sends no frames") },
  [LB_FAULT_HANG_CAMERA] = { "hang-camera", N_ ("Camera's driver hangs for a minute") },
  [LB_FAULT_STALE_FRAMES] = { "stale-frames", N_ ("Camera repeats its last frame") },
  [LB_FAULT_WRONG_EXPOSURE] = { "wrong-exposure", N_ ("Camera exposes half as long as it says") },
  [LB_FAULT_COVER_WEIGHT] = { "cover-weight", N_ ("Window covers the weight plane") },
  [LB_FAULT_DARK_SOURCE] = { "dark-source", N_ ("Source plane shows black") },
  [LB_FAULT_DARK_WEIGHT] = { "dark-weight", N_ ("Weight plane shows black") },
  [LB_FAULT_BLOCK_BEAM] = { "block-beam", N_ ("Beam blocked") },
  [LB_FAULT_MISALIGN] = { "misalign", N_ ("Source plane displaced by a quarter of a macropixel") },
  [LB_FAULT_FAST_DRIFT] = { "fast-drift", N_ ("Light drifts fast") },
  [LB_FAULT_ROOM_LIGHT] = { "room-light", N_ ("Room light on") },
  [LB_FAULT_WARM] = { "warm", N_ ("Light source and camera 5 °C warmer") },
  [LB_FAULT_DUST] = { "dust", N_ ("Speck of dust before the camera") },
  [LB_FAULT_COVER_METER] = { "cover-meter", N_ ("Power meter's head covered") },
};

static gboolean
find_fault (const char *name, LbFault *fault)
{
  for (guint i = 0; i < LB_N_FAULTS; i++)
    if (g_strcmp0 (faults[i].name, name) == 0)
      {
        *fault = (LbFault) i;
        return TRUE;
      }
  return FALSE;
}

/**
 * lb_simulated_list_faults:
 *
 * Returns: the names of the faults that can be injected, %NULL-terminated
 */
const char *const *
lb_simulated_list_faults (void)
{
  static const char *names[LB_N_FAULTS + 1];
  static gsize ready;

  if (g_once_init_enter (&ready))
    {
      for (guint i = 0; i < LB_N_FAULTS; i++)
        names[i] = faults[i].name;
      g_once_init_leave (&ready, 1);
    }
  return names;
}

/**
 * lb_simulated_get_fault_title:
 *
 * Returns: what the fault is, translated; %NULL if there is no such fault
 */
const char *
lb_simulated_get_fault_title (const char *fault)
{
  LbFault index;

  return find_fault (fault, &index) ? _ (faults[index].title) : NULL;
}

/**
 * lb_simulated_set_fault:
 * @device: any device of the world
 *
 * Injects or clears a fault, from any thread.
 *
 * Returns: %FALSE if there is no such fault, or @device is not a simulated one
 */
gboolean
lb_simulated_set_fault (LbDevice *device, const char *fault, gboolean active)
{
  LbFault index;
  LbWorld *world;

  g_return_val_if_fail (LB_IS_DEVICE (device), FALSE);

  world = lb_simulated_get_world (device);
  if (world == NULL || !find_fault (fault, &index))
    return FALSE;
  lb_world_set_fault (world, index, active);
  return TRUE;
}

/**
 * lb_simulated_get_fault:
 *
 * Returns: whether the fault is active in the world of @device
 */
gboolean
lb_simulated_get_fault (LbDevice *device, const char *fault)
{
  LbFault index;
  LbWorld *world;

  g_return_val_if_fail (LB_IS_DEVICE (device), FALSE);

  world = lb_simulated_get_world (device);
  return world != NULL && find_fault (fault, &index) && lb_world_has_fault (world, index);
}

/* --- Calls ----------------------------------------------------------------------------- */

static gboolean
is_unplugged (LbDevice *device, const char *what, GError **error)
{
  Attachment *attachment = get_attachment (device);

  /* The unplugging faults stand in the order of the roles. */
  if (!lb_world_has_fault (attachment->world, (LbFault) attachment->role))
    return FALSE;
  lb_device_set_state (device, LB_DEVICE_ABSENT);
  g_set_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_ABSENT,
               _ ("%s: the simulated device is unplugged (%s): plug it in and connect again"), what,
               lb_role_get_name (attachment->role));
  return TRUE;
}

gboolean
lb_simulated_open (LbDevice *device, const char *what, GError **error)
{
  if (is_unplugged (device, what, error))
    return FALSE;
  lb_world_prepare (lb_simulated_get_world (device));
  lb_device_set_state (device, LB_DEVICE_CONNECTED);
  return TRUE;
}

gboolean
lb_simulated_check (LbDevice *device, const char *what, GError **error)
{
  if (is_unplugged (device, what, error))
    return FALSE;
  if (lb_device_get_state (device) != LB_DEVICE_ABSENT)
    return TRUE;
  g_set_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_ABSENT,
               _ ("%s: the simulated device is not open (%s): connect the bench"), what,
               lb_role_get_name (lb_simulated_get_role (device)));
  return FALSE;
}

/* The serial number holds the world seed and a hash of what the world is like,
 * so that no calibration of another world is in force in this one. */
LbIdentity *
lb_simulated_get_identity (LbDevice *device, const char *model, GError **error)
{
  LbWorld *world = lb_simulated_get_world (device);
  const LbWorldSizes *sizes = &world->optics.sizes;
  g_autofree char *parameters = NULL;
  g_autofree char *all = NULL;
  g_autofree char *serial = NULL;

  if (!lb_simulated_check (device, "identity", error))
    return NULL;
  parameters = lb_world_parameters_print (&world->optics.parameters);
  all = g_strdup_printf ("%s%u %u %u %u %u %u %u", parameters, sizes->source_width, sizes->source_height,
                         sizes->weight_width, sizes->weight_height, sizes->sensor_width, sizes->sensor_height,
                         world->camera.bits);
  serial = g_strdup_printf ("%" G_GUINT64_FORMAT "-%08x", world->world_seed, g_str_hash (all));
  return lb_identity_new (LB_SIMULATED_DRIVER, "Lightbench", model, serial, "1");
}

/* Wall time passes: the bench keeps the light on meanwhile, or says that there is
 * nothing to wait for any more. */
static gboolean
wait_for_wall (LbDevice *device,
               LbClock *clock,
               gint64 until_us,
               GCancellable *cancellable,
               gboolean *cancelled,
               GError **error)
{
  for (gint64 now_us = lb_clock_now_us (clock); now_us < until_us; now_us = lb_clock_now_us (clock))
    {
      if (!lb_device_waiting (device, error))
        return FALSE;
      *cancelled = !lb_clock_wait_until (clock, MIN (until_us, now_us + WAITING_US), cancellable, NULL);
      if (*cancelled)
        return FALSE;
    }
  return TRUE;
}

gboolean
lb_simulated_wait (LbDevice *device,
                   const char *what,
                   gint64 time_us,
                   GCancellable *cancellable,
                   gint64 deadline_us,
                   GError **error)
{
  LbClock *clock = lb_simulated_get_world (device)->clock;
  gboolean cancelled = FALSE;
  gint64 until_us = time_us;

  if (lb_clock_is_virtual (clock))
    cancelled = !lb_clock_wait_until (clock, until_us, cancellable, NULL);
  else
    {
      if (deadline_us >= 0)
        until_us = MIN (time_us, lb_clock_now_us (clock) + MAX (deadline_us - g_get_monotonic_time (), 0));
      cancelled = g_cancellable_is_cancelled (cancellable);
      if (!cancelled && !wait_for_wall (device, clock, until_us, cancellable, &cancelled, error) &&
          !cancelled)
        return FALSE;
    }
  if (cancelled)
    {
      g_set_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_CANCELLED, _ ("%s: cancelled"), what);
      return FALSE;
    }
  if (until_us < time_us)
    {
      g_set_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_TIMEOUT,
                   _ ("%s: the %s did not get there in time"), what,
                   lb_role_get_name (lb_simulated_get_role (device)));
      return FALSE;
    }
  return TRUE;
}
