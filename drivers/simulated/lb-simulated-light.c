/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-simulated-private.h"

#include <math.h>

#include <glib/gi18n-lib.h>
#include <lb-light-source.h>

/* A light source that gives light as a lease in wall time. */

#define LEASE_MAX_US G_USEC_PER_SEC
/* Finest step of the set point, in its unit. */
#define LEVEL_STEP 0.001
#define TEMPERATURE_C 25.0
#define HOT_C 62.0
#define WARMER_C 5.0

#define LB_TYPE_SIMULATED_LIGHT (lb_simulated_light_get_type ())
G_DECLARE_FINAL_TYPE (LbSimulatedLight, lb_simulated_light, LB, SIMULATED_LIGHT, LbLightSource)

struct _LbSimulatedLight
{
  LbLightSource parent_instance;
};

G_DEFINE_FINAL_TYPE (LbSimulatedLight, lb_simulated_light, LB_TYPE_LIGHT_SOURCE)

static gboolean
light_open (LbDevice *device, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  LbWorldLight *light;

  if (!lb_simulated_open (device, "open", error))
    return FALSE;
  light = &lb_simulated_get_world (device)->light;
  atomic_store (&light->lease_end_us, 0);
  atomic_store (&light->level, 0);
  return TRUE;
}

static gboolean
light_close (LbDevice *device, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  atomic_store (&lb_simulated_get_world (device)->light.lease_end_us, 0);
  lb_device_set_state (device, LB_DEVICE_ABSENT);
  return TRUE;
}

static LbIdentity *
light_get_identity (LbDevice *device, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  const LbLightOptions *options = &lb_simulated_get_world (device)->light_options;
  char number[G_ASCII_DTOSTR_BUF_SIZE];
  g_autofree char *model = g_strdup_printf (
      "laser %s %s", g_ascii_formatd (number, sizeof number, "%g", options->maximum), options->unit);

  return lb_simulated_get_identity (device, model, error);
}

static void
light_begin_run (LbDevice *device, guint64 ordinal)
{
  lb_world_begin_run (lb_simulated_get_world (device), ordinal);
}

/* Every call but opening and closing: the device is there and answers. */
static gboolean
check (LbLightSource *self, const char *what, GError **error)
{
  LbWorld *world = lb_simulated_get_world (LB_DEVICE (self));

  if (!lb_simulated_check (LB_DEVICE (self), what, error))
    return FALSE;
  if (!lb_world_has_fault (world, LB_FAULT_USB_TIME_OUT))
    return TRUE;
  g_set_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_TIMEOUT,
               _ ("%s: the light source does not answer: check its cable and power, then connect again"),
               what);
  return FALSE;
}

static gboolean
light_get_caps (LbLightSource *self,
                LbLightSourceCaps *caps,
                GCancellable *cancellable,
                gint64 deadline_us,
                GError **error)
{
  const LbLightOptions *options = &lb_simulated_get_world (LB_DEVICE (self))->light_options;

  if (!check (self, "get caps", error))
    return FALSE;
  *caps = (LbLightSourceCaps){ .minimum = 0, .maximum = options->maximum, .limit = options->limit };
  g_strlcpy (caps->unit, options->unit, sizeof caps->unit);
  return TRUE;
}

static gboolean
light_set_level (LbLightSource *self,
                 double value,
                 double *actual,
                 GCancellable *cancellable,
                 gint64 deadline_us,
                 GError **error)
{
  LbWorld *world = lb_simulated_get_world (LB_DEVICE (self));
  const LbLightOptions *options = &world->light_options;
  double level;

  if (!check (self, "set level", error))
    return FALSE;
  if (!(value >= 0 && value <= options->maximum))
    {
      g_set_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_RANGE,
                   _ ("set level: %.3f %s is out of the light source's range, 0 to %.3f %s"), value,
                   options->unit, options->maximum, options->unit);
      return FALSE;
    }
  if (value > options->limit)
    {
      g_set_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_LIMIT,
                   _ ("set level: %.3f %s is over the limit of the setup file, %.3f %s"), value,
                   options->unit, options->limit, options->unit);
      return FALSE;
    }
  level = MIN (rint (value / LEVEL_STEP) * LEVEL_STEP, options->limit);
  if (level != atomic_load (&world->light.level))
    lb_world_note_light (world);
  atomic_store (&world->light.level, level);
  if (actual != NULL)
    *actual = level;
  return TRUE;
}

static gboolean
refuse (GError **error, const char *what, const char *why)
{
  g_set_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_INTERLOCK, "%s: %s", what, why);
  return FALSE;
}

/* A lease, new or renewed. The generation is looked at again after the lease
 * stands, because lb_light_source_off_now() may come in between. */
static gboolean
hold (LbLightSource *self, const char *what, guint64 generation, gint64 lease_us, GError **error)
{
  LbWorld *world = lb_simulated_get_world (LB_DEVICE (self));
  LbWorldLight *light = &world->light;

  if (!check (self, what, error))
    return FALSE;
  if (lease_us <= 0 || lease_us > LEASE_MAX_US)
    {
      g_set_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_RANGE,
                   _ ("%s: a lease of light lasts up to 1 s, not %.3f s"), what,
                   (double) lease_us / G_USEC_PER_SEC);
      return FALSE;
    }
  if (lb_world_has_fault (world, LB_FAULT_OVER_TEMPERATURE))
    return refuse (error, what, _ ("the light source is too hot: let it cool down and look at its cooling"));
  if (lb_world_has_fault (world, LB_FAULT_INTERLOCK))
    return refuse (error, what, _ ("the interlock of the light source is open: close it and try again"));
  if (generation < atomic_load (&light->generation))
    return refuse (error, what, _ ("the light was switched off by STOP: arm it again"));
  atomic_store (&light->lease_end_us, g_get_monotonic_time () + lease_us);
  if (generation < atomic_load (&light->generation))
    {
      atomic_store (&light->lease_end_us, 0);
      return refuse (error, what, _ ("the light was switched off by STOP: arm it again"));
    }
  if (!lb_world_is_lit (world))
    {
      atomic_store (&light->lease_end_us, 0);
      return refuse (error, what, _ ("the interlock of the light source is open: close it and try again"));
    }
  lb_device_set_state (LB_DEVICE (self), LB_DEVICE_RUNNING);
  return TRUE;
}

static gboolean
light_output_on (LbLightSource *self,
                 guint64 generation,
                 gint64 lease_us,
                 GCancellable *cancellable,
                 gint64 deadline_us,
                 GError **error)
{
  lb_world_note_light (lb_simulated_get_world (LB_DEVICE (self)));
  return hold (self, "output on", generation, lease_us, error);
}

/* A lease that has run out begins anew: the worker is alive and of the right
 * generation, as for output on. */
static gboolean
light_renew (LbLightSource *self,
             guint64 generation,
             gint64 lease_us,
             GCancellable *cancellable,
             gint64 deadline_us,
             GError **error)
{
  return hold (self, "renew", generation, lease_us, error);
}

static gboolean
light_output_off (LbLightSource *self, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  LbWorld *world = lb_simulated_get_world (LB_DEVICE (self));

  if (!check (self, "output off", error))
    return FALSE;
  atomic_store (&world->light.lease_end_us, 0);
  lb_world_note_light (world);
  lb_device_set_state (LB_DEVICE (self), LB_DEVICE_CONNECTED);
  return TRUE;
}

static gboolean
light_read_state (LbLightSource *self,
                  LbLightSourceState *state,
                  GCancellable *cancellable,
                  gint64 deadline_us,
                  GError **error)
{
  LbWorld *world = lb_simulated_get_world (LB_DEVICE (self));
  const gboolean too_hot = lb_world_has_fault (world, LB_FAULT_OVER_TEMPERATURE);

  if (!check (self, "read state", error))
    return FALSE;
  *state = (LbLightSourceState){
    .output = lb_world_is_lit (world),
    .level = atomic_load (&world->light.level),
    .trips = (lb_world_has_fault (world, LB_FAULT_INTERLOCK) ? LB_LIGHT_TRIP_INTERLOCK : 0) |
             (too_hot ? LB_LIGHT_TRIP_TEMPERATURE : 0),
    .temperature_c =
        too_hot ? HOT_C : TEMPERATURE_C + (lb_world_has_fault (world, LB_FAULT_WARM) ? WARMER_C : 0),
  };
  lb_device_set_state (LB_DEVICE (self), state->output ? LB_DEVICE_RUNNING : LB_DEVICE_CONNECTED);
  return TRUE;
}

static void
light_off_now (LbLightSource *self, guint64 generation)
{
  LbWorld *world = lb_simulated_get_world (LB_DEVICE (self));
  LbWorldLight *light = &world->light;
  guint64 known = atomic_load (&light->generation);

  while (known < generation && !atomic_compare_exchange_weak (&light->generation, &known, generation))
    ;
  atomic_store (&light->lease_end_us, 0);
  lb_world_note_light (world);
}

static gboolean
light_is_confirmed_off (LbLightSource *self)
{
  return !lb_world_is_lit (lb_simulated_get_world (LB_DEVICE (self)));
}

static void
lb_simulated_light_class_init (LbSimulatedLightClass *klass)
{
  LbDeviceClass *device_class = LB_DEVICE_CLASS (klass);
  LbLightSourceClass *light_class = LB_LIGHT_SOURCE_CLASS (klass);

  device_class->open = light_open;
  device_class->close = light_close;
  device_class->get_identity = light_get_identity;
  device_class->begin_run = light_begin_run;
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
lb_simulated_light_init (LbSimulatedLight *self)
{
}

LbDevice *
lb_simulated_light_new (void)
{
  return g_object_new (LB_TYPE_SIMULATED_LIGHT, NULL);
}
