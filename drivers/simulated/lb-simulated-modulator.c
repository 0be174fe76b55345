/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-simulated-private.h"

#include <glib/gi18n-lib.h>
#include <lb-modulator.h>

/* A plane: shows patterns on the frames of its display, some frames late. */
#define LB_TYPE_SIMULATED_MODULATOR (lb_simulated_modulator_get_type ())
G_DECLARE_FINAL_TYPE (LbSimulatedModulator, lb_simulated_modulator, LB, SIMULATED_MODULATOR, LbModulator)

struct _LbSimulatedModulator
{
  LbModulator parent_instance;
};

G_DEFINE_FINAL_TYPE (LbSimulatedModulator, lb_simulated_modulator, LB_TYPE_MODULATOR)

static const LbModulatorOptions *
get_options (LbModulator *self)
{
  return &lb_simulated_get_world (LB_DEVICE (self))->modulators[lb_simulated_get_role (LB_DEVICE (self))];
}

static gboolean
modulator_open (LbDevice *device, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  if (!lb_simulated_open (device, "open", error))
    return FALSE;
  lb_world_black (lb_simulated_get_world (device), lb_simulated_get_role (device));
  return TRUE;
}

static gboolean
modulator_close (LbDevice *device, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  if (lb_device_get_state (device) != LB_DEVICE_ABSENT)
    lb_world_black (lb_simulated_get_world (device), lb_simulated_get_role (device));
  lb_device_set_state (device, LB_DEVICE_ABSENT);
  return TRUE;
}

static LbIdentity *
modulator_get_identity (LbDevice *device, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  const LbModulatorOptions *options = get_options (LB_MODULATOR (device));
  g_autofree char *model = g_strdup_printf (
      "%s plane %u x %u", lb_role_get_name (lb_simulated_get_role (device)), options->width, options->height);

  return lb_simulated_get_identity (device, model, error);
}

static void
modulator_begin_run (LbDevice *device, guint64 ordinal)
{
  lb_world_begin_run (lb_simulated_get_world (device), ordinal);
}

static gboolean
modulator_get_caps (
    LbModulator *self, LbModulatorCaps *caps, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  const LbModulatorOptions *options = get_options (self);

  if (!lb_simulated_check (LB_DEVICE (self), "get caps", error))
    return FALSE;
  *caps = (LbModulatorCaps){ options->width, options->height, 256, options->rate_hz, LB_TIME_STAMP_DEVICE };
  return TRUE;
}

static gboolean
modulator_show_at (LbModulator *self,
                   LbPattern *pattern,
                   guint64 sequence,
                   gint64 from_us,
                   gint64 *time_us,
                   GCancellable *cancellable,
                   gint64 deadline_us,
                   GError **error)
{
  const LbModulatorOptions *options = get_options (self);
  LbDevice *device = LB_DEVICE (self);

  if (!lb_simulated_check (device, "show", error))
    return FALSE;
  if (pattern->width != options->width || pattern->height != options->height)
    {
      g_set_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_SIZE,
                   _ ("show: the pattern is %u x %u, the %s plane %u x %u"), pattern->width, pattern->height,
                   lb_role_get_name (lb_simulated_get_role (device)), options->width, options->height);
      return FALSE;
    }
  *time_us = lb_world_show (lb_simulated_get_world (device), lb_simulated_get_role (device), pattern,
                            sequence, from_us);
  lb_device_set_state (device, LB_DEVICE_RUNNING);
  return TRUE;
}

static gboolean
modulator_show (LbModulator *self,
                LbPattern *pattern,
                guint64 sequence,
                GCancellable *cancellable,
                gint64 deadline_us,
                GError **error)
{
  gint64 time_us;

  return modulator_show_at (self, pattern, sequence, G_MININT64, &time_us, cancellable, deadline_us, error);
}

static gboolean
modulator_wait_presented (LbModulator *self,
                          guint64 sequence,
                          gint64 *time_us,
                          GCancellable *cancellable,
                          gint64 deadline_us,
                          GError **error)
{
  LbDevice *device = LB_DEVICE (self);
  gint64 shown_us;

  if (!lb_simulated_check (device, "wait presented", error))
    return FALSE;
  if (!lb_world_find_shown (lb_simulated_get_world (device), lb_simulated_get_role (device), sequence,
                            &shown_us))
    {
      g_set_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_PROTOCOL,
                   _ ("wait presented: pattern %llu was not shown on the %s plane"),
                   (unsigned long long) sequence, lb_role_get_name (lb_simulated_get_role (device)));
      return FALSE;
    }
  if (time_us != NULL)
    *time_us = shown_us;
  return lb_simulated_wait (device, "wait presented", shown_us, cancellable, deadline_us, error);
}

static gboolean
modulator_blank (LbModulator *self, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  const LbModulatorOptions *options = get_options (self);
  g_autoptr (LbPattern) black = NULL;
  LbDevice *device = LB_DEVICE (self);
  gint64 shown_us;

  if (!lb_simulated_check (device, "blank", error))
    return FALSE;
  black = lb_pattern_new_uniform (options->width, options->height, 0);
  shown_us =
      lb_world_show (lb_simulated_get_world (device), lb_simulated_get_role (device), black, 0, G_MININT64);
  if (!lb_simulated_wait (device, "blank", shown_us, cancellable, deadline_us, error))
    return FALSE;
  lb_device_set_state (device, LB_DEVICE_CONNECTED);
  return TRUE;
}

static LbPattern *
modulator_read_back (LbModulator *self, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  LbDevice *device = LB_DEVICE (self);

  if (!lb_simulated_check (device, "read back", error))
    return NULL;
  return lb_world_dup_shown (lb_simulated_get_world (device), lb_simulated_get_role (device));
}

static gboolean
modulator_check (LbModulator *self,
                 LbModulatorFaults *faults,
                 GCancellable *cancellable,
                 gint64 deadline_us,
                 GError **error)
{
  if (!lb_simulated_check (LB_DEVICE (self), "check", error))
    return FALSE;
  *faults = LB_MODULATOR_FAULT_NONE;
  return TRUE;
}

static void
lb_simulated_modulator_class_init (LbSimulatedModulatorClass *klass)
{
  LbDeviceClass *device_class = LB_DEVICE_CLASS (klass);
  LbModulatorClass *modulator_class = LB_MODULATOR_CLASS (klass);

  device_class->open = modulator_open;
  device_class->close = modulator_close;
  device_class->get_identity = modulator_get_identity;
  device_class->begin_run = modulator_begin_run;
  modulator_class->get_caps = modulator_get_caps;
  modulator_class->show = modulator_show;
  modulator_class->show_at = modulator_show_at;
  modulator_class->wait_presented = modulator_wait_presented;
  modulator_class->blank = modulator_blank;
  modulator_class->read_back = modulator_read_back;
  modulator_class->check = modulator_check;
}

static void
lb_simulated_modulator_init (LbSimulatedModulator *self)
{
}

LbDevice *
lb_simulated_modulator_new (void)
{
  return g_object_new (LB_TYPE_SIMULATED_MODULATOR, NULL);
}
