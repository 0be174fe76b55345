/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <glib/gi18n-lib.h>

#include "lb-camera.h"
#include "lb-light-source.h"
#include "lb-modulator.h"
#include "lb-power-meter.h"
#include "lb-self-test.h"

/* The part of the self-test for which somebody pulls the plug. */

#define CALL_US (2 * G_USEC_PER_SEC)
#define OPEN_US (15 * G_USEC_PER_SEC)
/* Somebody has to walk to it. */
#define HAND_US (120 * G_USEC_PER_SEC)
#define POLL_US (100 * 1000)
#define CAMERA_BUFFERS 4

typedef struct
{
  LbDevice *device;
  LbSelfTestFunc report;
  gpointer data;
  GCancellable *cancellable;
} Unplug;

static gint64
soon (void)
{
  return g_get_monotonic_time () + CALL_US;
}

/* Takes @failure. */
static gboolean
point (Unplug *self, const char *name, GError *failure)
{
  gboolean passed = failure == NULL;

  self->report (name, failure, self->data);
  g_clear_error (&failure);
  return passed;
}

static gboolean
open_it (Unplug *self, GError **error)
{
  return lb_device_open (self->device, self->cancellable, g_get_monotonic_time () + OPEN_US, error) &&
         (!LB_IS_CAMERA (self->device) ||
          lb_camera_start (LB_CAMERA (self->device), CAMERA_BUFFERS, self->cancellable, soon (), error));
}

static void
close_it (Unplug *self)
{
  lb_device_close (self->device, NULL, soon (), NULL);
}

/* Something that only a device which is there can do. */
static void
use (Unplug *self, GError **error)
{
  LbDevice *device = self->device;
  LbLightSourceState state;
  LbModulatorFaults faults;
  double watts;
  gint64 time_us;

  if (LB_IS_CAMERA (device))
    {
      g_autoptr (LbFrame) frame G_GNUC_UNUSED =
          lb_camera_wait_frame (LB_CAMERA (device), 0, self->cancellable, soon (), error);
    }
  else if (LB_IS_LIGHT_SOURCE (device))
    lb_light_source_read_state (LB_LIGHT_SOURCE (device), &state, self->cancellable, soon (), error);
  else if (LB_IS_POWER_METER (device))
    lb_power_meter_read (LB_POWER_METER (device), &watts, &time_us, self->cancellable, soon (), error);
  else if (LB_IS_MODULATOR (device))
    lb_modulator_check (LB_MODULATOR (device), &faults, self->cancellable, soon (), error);
}

static gboolean
may_wait (Unplug *self, gint64 until_us)
{
  if (g_cancellable_is_cancelled (self->cancellable) || g_get_monotonic_time () >= until_us)
    return FALSE;
  g_usleep (POLL_US);
  return TRUE;
}

/* It must say ABSENT by itself, and be so for those who ask. */
static GError *
wait_gone (Unplug *self)
{
  gint64 until_us = g_get_monotonic_time () + HAND_US;
  g_autoptr (GError) error = NULL;

  do
    {
      g_clear_error (&error);
      use (self, &error);
      if (lb_device_get_state (self->device) == LB_DEVICE_ABSENT)
        return NULL;
    }
  while (may_wait (self, until_us));
  if (error != NULL)
    return g_steal_pointer (&error);
  return g_error_new (LB_DEVICE_ERROR, LB_DEVICE_ERROR_FAULTED,
                      _ ("it was used for %d s without being unplugged, or without noticing"),
                      (int) (HAND_US / G_USEC_PER_SEC));
}

static GError *
open_fails (Unplug *self)
{
  GError *error = NULL;

  if (!open_it (self, &error))
    {
      if (g_error_matches (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_ABSENT))
        g_clear_error (&error);
      return error;
    }
  close_it (self);
  return g_error_new_literal (LB_DEVICE_ERROR, LB_DEVICE_ERROR_FAULTED, _ ("it was accepted"));
}

static GError *
wait_back (Unplug *self)
{
  gint64 until_us = g_get_monotonic_time () + HAND_US;
  g_autoptr (GError) error = NULL;

  do
    {
      g_clear_error (&error);
      if (open_it (self, &error))
        return NULL;
      close_it (self);
    }
  while (may_wait (self, until_us));
  return g_steal_pointer (&error);
}

static char *
dup_identity (Unplug *self, GError **error)
{
  g_autoptr (LbIdentity) identity = lb_device_get_identity (self->device, self->cancellable, soon (), error);

  return identity != NULL ? lb_identity_to_string (identity) : NULL;
}

static gboolean
check_back (Unplug *self, const char *before)
{
  g_autofree char *after = NULL;
  GError *error = NULL;

  after = dup_identity (self, &error);
  if (after != NULL && !g_str_equal (before, after))
    error =
        g_error_new_literal (LB_DEVICE_ERROR, LB_DEVICE_ERROR_FAULTED, _ ("it says that it is another one"));
  if (!point (self, "replugged-one-is-still-the-same", error))
    return FALSE;
  error = NULL;
  use (self, &error);
  return point (self, "replugged-one-works", error);
}

/**
 * lb_self_test_run_unplug:
 * @device: closed before and after; held by no bench
 * @ask: tells somebody to unplug it (%FALSE) or to plug it in again (%TRUE)
 * @report: called for each point
 *
 * Tests whether @device notices that it is unplugged while it is used, and works
 * again without a restart once it is plugged in. Waits two minutes for either.
 *
 * Returns: whether all points passed; %FALSE also if cancelled
 */
gboolean
lb_self_test_run_unplug (
    LbDevice *device, LbSelfTestAskFunc ask, LbSelfTestFunc report, gpointer data, GCancellable *cancellable)
{
  Unplug self = { device, report, data, cancellable };
  g_autofree char *before = NULL;
  GError *error = NULL;
  gboolean passed;

  g_return_val_if_fail (LB_IS_DEVICE (device) && ask != NULL && report != NULL, FALSE);

  before = open_it (&self, &error) ? dup_identity (&self, &error) : NULL;
  passed = point (&self, "opens-to-be-unplugged", error);
  if (passed)
    {
      ask (FALSE, data);
      passed = point (&self, "notices-that-it-is-unplugged", wait_gone (&self));
    }
  close_it (&self);
  if (passed)
    {
      passed = point (&self, "unplugged-one-does-not-open", open_fails (&self));
      ask (TRUE, data);
      passed = point (&self, "comes-back-when-replugged", wait_back (&self)) && check_back (&self, before) &&
               passed;
      close_it (&self);
    }
  return passed && !g_cancellable_is_cancelled (cancellable);
}
