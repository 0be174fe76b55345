/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-world.h"

#include <math.h>
#include <string.h>

#include <glib/gi18n-lib.h>
#include <lb-light-source.h>

#include "lb-options.h"

G_DEFINE_FINAL_TYPE (LbWorld, lb_world, G_TYPE_OBJECT)

#define MODULATOR_OPTION(name, kind, low, high)                                                              \
  {                                                                                                          \
#name, kind, G_STRUCT_OFFSET(LbModulatorOptions, name), low, high                                        \
  }
static const LbOption modulator_options[] = {
  MODULATOR_OPTION (width, LB_OPTION_WHOLE, 16, 8192),
  MODULATOR_OPTION (height, LB_OPTION_WHOLE, 16, 8192),
  MODULATOR_OPTION (rate_hz, LB_OPTION_NUMBER, 1, 1000),
  MODULATOR_OPTION (latency_frames, LB_OPTION_WHOLE, 0, 20),
};

#define CAMERA_OPTION(name, kind, low, high)                                                                 \
  {                                                                                                          \
#name, kind, G_STRUCT_OFFSET(LbCameraOptions, name), low, high                                           \
  }
static const LbOption camera_options[] = {
  CAMERA_OPTION (width, LB_OPTION_WHOLE, 16, 8192),     CAMERA_OPTION (height, LB_OPTION_WHOLE, 16, 8192),
  CAMERA_OPTION (bits, LB_OPTION_WHOLE, 8, 16),         CAMERA_OPTION (rate_hz, LB_OPTION_NUMBER, 0.1, 10000),
  CAMERA_OPTION (readout_us, LB_OPTION_NUMBER, 0, 1e6),
};

static const LbOption light_options[] = {
  { "unit", LB_OPTION_TEXT, G_STRUCT_OFFSET (LbLightOptions, unit), 0, 0 },
  { "maximum", LB_OPTION_NUMBER, G_STRUCT_OFFSET (LbLightOptions, maximum), 1e-6, 1e6 },
  { "limit", LB_OPTION_NUMBER, G_STRUCT_OFFSET (LbLightOptions, limit), 0, 1e6 },
};

static void
lb_world_finalize (GObject *object)
{
  LbWorld *self = LB_WORLD (object);

  for (guint role = 0; role < LB_N_ROLES; role++)
    g_weak_ref_clear (&self->devices[role]);
  for (guint i = 0; i < 2; i++)
    lb_world_display_clear (&self->displays[i]);
  lb_world_optics_clear (&self->optics);
  lb_world_sensor_clear (&self->sensor);
  lb_world_plane_clear (&self->emission);
  lb_world_plane_clear (&self->product);
  g_clear_pointer (&self->signal, g_free);
  g_clear_pointer (&self->faulted_signal, g_free);
  g_clear_object (&self->clock);
  g_clear_object (&self->setup);
  g_mutex_clear (&self->lock);
  G_OBJECT_CLASS (lb_world_parent_class)->finalize (object);
}

static void
lb_world_class_init (LbWorldClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = lb_world_finalize;
}

static void
lb_world_init (LbWorld *self)
{
  g_mutex_init (&self->lock);
  for (guint role = 0; role < LB_N_ROLES; role++)
    g_weak_ref_init (&self->devices[role], NULL);
}

LbRandomKey
lb_world_key (const LbWorld *self, const char *name)
{
  return lb_random_key_derive (lb_random_key_derive (lb_random_key (self->world_seed), g_str_hash ("world")),
                               g_str_hash (name));
}

/* The devices' parts of the setup; those of another driver have the defaults. */
static gboolean
read_options (LbWorld *self, LbSetup *setup, GError **error)
{
  const struct
  {
    const LbOption *options;
    gsize count;
    gpointer target;
  } parts[LB_N_ROLES] = {
    { modulator_options, G_N_ELEMENTS (modulator_options), &self->modulators[LB_ROLE_SOURCE] },
    { modulator_options, G_N_ELEMENTS (modulator_options), &self->modulators[LB_ROLE_WEIGHT] },
    { camera_options, G_N_ELEMENTS (camera_options), &self->camera },
    { light_options, G_N_ELEMENTS (light_options), &self->light_options },
    { NULL, 0, NULL },
  };

  for (guint role = 0; role < LB_N_ROLES; role++)
    {
      g_autofree char *where = g_strdup_printf ("devices.%s.", lb_role_get_name (role));

      if (g_strcmp0 (lb_setup_get_driver (setup, role), LB_SIMULATED_DRIVER) == 0 &&
          !lb_options_read (parts[role].options, parts[role].count, lb_setup_get_options (setup, role), where,
                            parts[role].target, error))
        return FALSE;
    }
  return TRUE;
}

/* Depth, sizes and unit have more than a range. */
static gboolean
check_options (LbWorld *self, GError **error)
{
  static const char *const units[] = { "mW", "W", "mA", "A", "%", NULL };
  const LbCameraOptions *camera = &self->camera;

  if (camera->bits != 8 && camera->bits != 10 && camera->bits != 12 && camera->bits != 16)
    {
      g_set_error (error, LB_SETUP_ERROR, LB_SETUP_ERROR_VALUE,
                   _ ("\"devices.camera.bits\" is %u: it must be 8, 10, 12 or 16"), camera->bits);
      return FALSE;
    }
  if (camera->width % LB_CAMERA_REGION_STEP != 0 || camera->height % LB_CAMERA_REGION_STEP != 0)
    {
      g_set_error (error, LB_SETUP_ERROR, LB_SETUP_ERROR_VALUE,
                   _ ("\"devices.camera\" is %u x %u: width and height must be multiples of %d"),
                   camera->width, camera->height, LB_CAMERA_REGION_STEP);
      return FALSE;
    }
  if (!g_strv_contains (units, self->light_options.unit))
    {
      g_set_error (error, LB_SETUP_ERROR, LB_SETUP_ERROR_VALUE,
                   _ ("\"devices.light.unit\" is \"%s\": it must be mW, W, mA, A or %%"),
                   self->light_options.unit);
      return FALSE;
    }
  if (self->light_options.limit > self->light_options.maximum)
    {
      g_set_error_literal (error, LB_SETUP_ERROR, LB_SETUP_ERROR_VALUE,
                           _ ("\"devices.light.limit\" is over \"devices.light.maximum\""));
      return FALSE;
    }
  return TRUE;
}

static LbWorld *
world_new (LbDriverContext *context, GError **error)
{
  static const char *const grids[] = { "source-phase", "weight-phase", "camera-phase" };
  const LbModulatorOptions modulator = { 1920, 1080, 60, 2 };
  g_autoptr (LbWorld) self = g_object_new (LB_TYPE_WORLD, NULL);
  LbWorldParameters parameters;
  LbWorldSizes sizes;

  self->setup = g_object_ref (context->setup);
  self->clock = g_object_ref (context->clock);
  self->seed = context->seed;
  self->world_seed = context->world_seed;
  self->modulators[0] = self->modulators[1] = modulator;
  self->camera = (LbCameraOptions){ 1920, 1080, 12, 60, 0 };
  self->light_options = (LbLightOptions){ "mW", 100, 100 };
  self->has_light = lb_setup_get_driver (context->setup, LB_ROLE_LIGHT) != NULL;
  if (!read_options (self, context->setup, error) || !check_options (self, error) ||
      !lb_world_parameters_read (&parameters, lb_setup_get_world (context->setup),
                                 lb_world_key (self, "parameters"), error))
    return NULL;

  sizes = (LbWorldSizes){ self->modulators[LB_ROLE_SOURCE].width,
                          self->modulators[LB_ROLE_SOURCE].height,
                          self->modulators[LB_ROLE_WEIGHT].width,
                          self->modulators[LB_ROLE_WEIGHT].height,
                          self->camera.width,
                          self->camera.height };
  for (guint i = 0; i < G_N_ELEMENTS (grids); i++)
    self->phases[i] = lb_random_uniform_at (lb_world_key (self, grids[i]), 0, 0);
  lb_world_optics_init (&self->optics, &parameters, &sizes, lb_world_key (self, "optics"));
  lb_world_display_init (&self->displays[LB_ROLE_SOURCE], sizes.source_width, sizes.source_height,
                         parameters.source_tau_us);
  lb_world_display_init (&self->displays[LB_ROLE_WEIGHT], sizes.weight_width, sizes.weight_height,
                         parameters.weight_tau_us);
  self->noise = lb_world_noise (self->seed, 0);
  return g_steal_pointer (&self);
}

LbWorld *
lb_world_ensure (LbDriverContext *context, GError **error)
{
  if (context->shared == NULL)
    context->shared = (GObject *) world_new (context, error);
  if (context->shared == NULL)
    return NULL;
  g_return_val_if_fail (LB_IS_WORLD (context->shared), NULL);
  return g_object_ref (LB_WORLD (context->shared));
}

void
lb_world_prepare (LbWorld *self)
{
  const LbWorldSizes *sizes = &self->optics.sizes;
  gsize cells = (gsize) sizes->weight_width * sizes->weight_height;

  g_mutex_lock (&self->lock);
  if (!self->prepared)
    {
      lb_world_optics_prepare (&self->optics);
      lb_world_sensor_init (&self->sensor, &self->optics.parameters, sizes->sensor_width,
                            sizes->sensor_height, self->camera.bits, lb_world_key (self, "sensor"));
      lb_world_plane_init (&self->emission, sizes->source_width, sizes->source_height);
      lb_world_plane_init (&self->product, sizes->weight_width, sizes->weight_height);
      self->signal = g_new0 (float, (gsize) sizes->sensor_width * sizes->sensor_height);
      for (guint i = 0; i < 2; i++)
        {
          self->displays[i].target = g_new0 (float, cells);
          self->displays[i].previous = g_new0 (float, cells);
        }
      self->prepared = TRUE;
    }
  g_mutex_unlock (&self->lock);
}

void
lb_world_begin_run (LbWorld *self, guint64 ordinal)
{
  g_mutex_lock (&self->lock);
  self->run = ordinal;
  self->ordinal = 0;
  self->noise = lb_world_noise (self->seed, ordinal);
  g_mutex_unlock (&self->lock);
}

gint64
lb_world_next_frame (const LbWorld *self, guint grid, double period_us, gint64 time_us)
{
  double phase_us = self->phases[grid] * period_us;
  gint64 frame = (gint64) ceil (((double) time_us - phase_us) / period_us);
  gint64 next_us = (gint64) llround ((double) frame * period_us + phase_us);

  return next_us >= time_us ? next_us : (gint64) llround ((double) (frame + 1) * period_us + phase_us);
}

/* --- Planes ---------------------------------------------------------------------- */

gint64
lb_world_show (LbWorld *self, LbRole role, LbPattern *pattern, guint64 sequence, gint64 from_us)
{
  const LbModulatorOptions *options = &self->modulators[role];
  double period_us = G_USEC_PER_SEC / options->rate_hz;
  gint64 now_us = lb_clock_now_us (self->clock);
  gint64 time_us = lb_world_next_frame (self, role, period_us, now_us);

  time_us += (gint64) llround (options->latency_frames * period_us);
  if (from_us > time_us)
    time_us = lb_world_next_frame (self, role, period_us, from_us);
  g_mutex_lock (&self->lock);
  lb_world_display_advance (&self->displays[role], now_us);
  lb_world_display_schedule (&self->displays[role], pattern, time_us, sequence);
  g_mutex_unlock (&self->lock);
  return time_us;
}

gboolean
lb_world_find_shown (LbWorld *self, LbRole role, guint64 sequence, gint64 *time_us)
{
  gboolean found;

  g_mutex_lock (&self->lock);
  found = lb_world_display_find (&self->displays[role], sequence, time_us);
  g_mutex_unlock (&self->lock);
  return found;
}

LbPattern *
lb_world_dup_shown (LbWorld *self, LbRole role)
{
  LbPattern *pattern;

  g_mutex_lock (&self->lock);
  lb_world_display_advance (&self->displays[role], lb_clock_now_us (self->clock));
  pattern = lb_pattern_ref (lb_world_display_pattern (&self->displays[role]));
  g_mutex_unlock (&self->lock);
  return pattern;
}

void
lb_world_black (LbWorld *self, LbRole role)
{
  g_mutex_lock (&self->lock);
  lb_world_display_advance (&self->displays[role], lb_clock_now_us (self->clock));
  lb_world_display_reset (&self->displays[role], lb_clock_now_us (self->clock));
  g_mutex_unlock (&self->lock);
}

gint64
lb_world_changed_us (LbWorld *self)
{
  const gint64 now_us = lb_clock_now_us (self->clock);
  gint64 changed_us = atomic_load (&self->light.changed_us);

  g_mutex_lock (&self->lock);
  for (guint role = LB_ROLE_SOURCE; role <= LB_ROLE_WEIGHT; role++)
    {
      lb_world_display_advance (&self->displays[role], now_us);
      changed_us = MAX (changed_us, now_us - (gint64) lb_world_display_age (&self->displays[role], now_us));
    }
  g_mutex_unlock (&self->lock);
  return changed_us;
}

/* --- Light and faults ------------------------------------------------------------- */

void
lb_world_note_light (LbWorld *self)
{
  atomic_store (&self->light.changed_us, lb_clock_now_us (self->clock));
}

gboolean
lb_world_is_lit (LbWorld *self)
{
  if (!self->has_light)
    return TRUE;
  return atomic_load (&self->light.lease_end_us) > g_get_monotonic_time () &&
         !lb_world_has_fault (self, LB_FAULT_INTERLOCK) &&
         !lb_world_has_fault (self, LB_FAULT_OVER_TEMPERATURE) &&
         !lb_world_has_fault (self, LB_FAULT_UNPLUG_LIGHT);
}

double
lb_world_light_level (const LbWorld *self, double set_point)
{
  if (!self->has_light)
    return 1;
  return MAX (set_point - self->optics.parameters.light_threshold, 0);
}

double
lb_world_light_drift (const LbWorld *self, gint64 time_us)
{
  /* Three incommensurable waves, together of the deviation asked for. */
  static const double rates[] = { 1, 1.6180339887, 0.6180339887 };
  const LbWorldParameters *p = &self->optics.parameters;
  LbRandomKey key = lb_world_key (self, "drift");
  double seconds = (double) time_us / G_USEC_PER_SEC;
  double sum = 0;

  for (guint i = 0; i < G_N_ELEMENTS (rates); i++)
    sum += sin (2 * G_PI * (rates[i] * seconds / p->light_drift_period_s + lb_random_uniform_at (key, 0, i)));
  return (1 + p->light_drift * sum * sqrt (2.0 / 3.0)) *
         (1 - p->light_warm_up * exp (-MAX (seconds, 0) / p->light_warm_up_s));
}

gboolean
lb_world_has_fault (LbWorld *self, LbFault fault)
{
  return (atomic_load (&self->faults) & (1u << fault)) != 0;
}

void
lb_world_set_fault (LbWorld *self, LbFault fault, gboolean active)
{
  if (active && fault == LB_FAULT_FAST_DRIFT && !lb_world_has_fault (self, fault))
    atomic_store (&self->drift_since_us, lb_clock_now_us (self->clock));
  if (active)
    atomic_fetch_or (&self->faults, 1u << fault);
  else
    atomic_fetch_and (&self->faults, ~(1u << fault));
  if (!active)
    return;
  /* The light does not come back by itself. */
  if (fault == LB_FAULT_INTERLOCK || fault == LB_FAULT_OVER_TEMPERATURE || fault == LB_FAULT_UNPLUG_LIGHT)
    atomic_store (&self->light.lease_end_us, 0);
  if (fault <= LB_FAULT_UNPLUG_POWER_METER)
    {
      g_autoptr (LbDevice) device = g_weak_ref_get (&self->devices[fault]);

      if (device != NULL)
        lb_device_set_state (device, LB_DEVICE_ABSENT);
    }
}

gboolean
lb_world_loses_frame (LbWorld *self, guint64 sequence)
{
  /* One frame in five. */
  return lb_world_has_fault (self, LB_FAULT_DROP_FRAMES) &&
         lb_random_uniform_at (self->noise.loss, 0, sequence) < 0.2;
}
