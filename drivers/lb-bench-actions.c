/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-bench-private.h"

#include <math.h>

#include <glib/gi18n-lib.h>

/* The actions that come with the bench: connect and disconnect. */

gint64
lb_bench_get_deadline (void)
{
  return g_get_monotonic_time () + LB_BENCH_DEVICE_US;
}

/* --- Open ---------------------------------------------------------------------------- */

static gboolean
read_caps (LbBench *self, LbRole role, GCancellable *cancellable, GError **error)
{
  LbDevice *device = self->devices[role];
  gint64 deadline_us = lb_bench_get_deadline ();
  LbModulatorCaps modulator = { 0 };
  LbCameraCaps camera = { 0 };
  LbLightSourceCaps light = { 0 };
  gboolean done = TRUE;

  if (LB_IS_MODULATOR (device))
    done = lb_modulator_get_caps (LB_MODULATOR (device), &modulator, cancellable, deadline_us, error);
  else if (LB_IS_CAMERA (device))
    done = lb_camera_get_caps (LB_CAMERA (device), &camera, cancellable, deadline_us, error);
  else if (LB_IS_LIGHT_SOURCE (device))
    done = lb_light_source_get_caps (LB_LIGHT_SOURCE (device), &light, cancellable, deadline_us, error);
  if (!done)
    return FALSE;

  g_mutex_lock (&self->lock);
  if (LB_IS_MODULATOR (device))
    self->modulator_caps[role] = modulator;
  else if (LB_IS_CAMERA (device))
    self->camera_caps = camera;
  else if (LB_IS_LIGHT_SOURCE (device))
    self->light_caps = light;
  g_mutex_unlock (&self->lock);
  return TRUE;
}

static void
note_temperature (LbBench *self, double temperature_c)
{
  g_mutex_lock (&self->lock);
  self->temperature_c = temperature_c;
  g_mutex_unlock (&self->lock);
}

/* A light source may have been left on by whoever had it before. */
static gboolean
begin_dark (LbBench *self, GCancellable *cancellable, GError **error)
{
  LbLightSource *light = LB_LIGHT_SOURCE (self->devices[LB_ROLE_LIGHT]);
  LbLightSourceState state = { 0 };

  lb_light_source_off_now (light, lb_bench_get_generation (self));
  if (!lb_light_source_output_off (light, cancellable, lb_bench_get_deadline (), error) ||
      !lb_light_source_read_state (light, &state, cancellable, lb_bench_get_deadline (), error))
    return FALSE;
  note_temperature (self, state.temperature_c);
  if (!state.output)
    return TRUE;
  g_set_error_literal (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_FAULTED,
                       _ ("the light is on and cannot be switched off; use the key switch"));
  return FALSE;
}

double
lb_bench_read_temperature (LbBench *self, GCancellable *cancellable)
{
  LbDevice *light = self->devices[LB_ROLE_LIGHT];
  g_autoptr (GError) error = NULL;
  LbLightSourceState state;

  if (light == NULL)
    return NAN;
  if (!lb_light_source_read_state (LB_LIGHT_SOURCE (light), &state, cancellable, lb_bench_get_deadline (),
                                   &error))
    {
      g_debug ("temperature of the light source: %s", error->message);
      state.temperature_c = NAN;
    }
  note_temperature (self, state.temperature_c);
  return state.temperature_c;
}

double
lb_bench_get_temperature (LbBench *self)
{
  double temperature_c;

  g_return_val_if_fail (LB_IS_BENCH (self), NAN);

  g_mutex_lock (&self->lock);
  temperature_c = self->temperature_c;
  g_mutex_unlock (&self->lock);
  return temperature_c;
}

static gboolean
open_device (LbBench *self, LbRole role, GCancellable *cancellable, GError **error)
{
  LbDevice *device = self->devices[role];
  LbIdentity *identity;

  if (!lb_device_open (device, cancellable, g_get_monotonic_time () + LB_BENCH_OPEN_US, error))
    return FALSE;
  self->opened[role] = TRUE;
  identity = lb_device_get_identity (device, cancellable, lb_bench_get_deadline (), error);
  if (identity == NULL)
    return FALSE;
  g_mutex_lock (&self->lock);
  g_clear_pointer (&self->identities[role], lb_identity_free);
  self->identities[role] = identity;
  g_mutex_unlock (&self->lock);
  return read_caps (self, role, cancellable, error) &&
         (role != LB_ROLE_LIGHT || begin_dark (self, cancellable, error));
}

static void
forget (LbBench *self)
{
  for (guint plane = 0; plane < G_N_ELEMENTS (self->planes); plane++)
    {
      g_clear_pointer (&self->planes[plane].wanted, lb_pattern_unref);
      self->planes[plane].shown = 0;
      self->planes[plane].presented_us = self->planes[plane].settled_us = G_MININT64;
    }
  lb_bench_set_timing (self, NULL);
  self->exposure_us = self->gain = 0;
  self->light_level = NAN;
  self->lit = self->renewing = self->camera_running = FALSE;
}

static gboolean
open_devices (LbBench *self, GCancellable *cancellable, GError **error)
{
  const LbCameraFormat whole = { 0 };

  for (guint role = 0; role < LB_N_ROLES; role++)
    if (self->devices[role] != NULL && !open_device (self, role, cancellable, error))
      {
        g_prefix_error (error, "%s: ", lb_role_get_name (role));
        return FALSE;
      }
  return lb_bench_blank_planes (self, error) &&
         lb_bench_configure_camera (self, &whole, NULL, cancellable, error);
}

/* A STOP while it connected has the last word. */
static gboolean
be_ready (LbBench *self, GError **error)
{
  LbBenchAction *action = lb_bench_get_current (self, error);
  gboolean ready = FALSE;

  if (action == NULL)
    return FALSE;
  g_mutex_lock (&self->lock);
  if (action->generation == atomic_load (&self->generation))
    {
      self->stopped = FALSE;
      self->confirm_us = 0;
      lb_bench_set_light_locked (self, LB_LIGHT_ARMED);
      lb_bench_set_state_locked (self, LB_BENCH_IDLE);
      ready = TRUE;
    }
  else
    g_set_error (error, LB_BENCH_ERROR, LB_BENCH_ERROR_STOPPED, _ ("\"%s\": STOP was pressed"), action->name);
  g_mutex_unlock (&self->lock);
  return ready;
}

static gboolean
connect_action (LbBench *self, gpointer data, GCancellable *cancellable, GError **error)
{
  forget (self);
  if (open_devices (self, cancellable, error) && be_ready (self, error))
    return TRUE;
  lb_bench_close_devices (self, NULL);
  return FALSE;
}

/* --- Close ----------------------------------------------------------------------------- */

gboolean
lb_bench_stop_camera (LbBench *self, GError **error)
{
  if (!self->camera_running)
    return TRUE;
  self->camera_running = FALSE;
  return lb_camera_stop (LB_CAMERA (self->devices[LB_ROLE_CAMERA]), NULL, lb_bench_get_deadline (), error);
}

/* A device that is not there any more need not say good-bye. */
static gboolean
close_device (LbBench *self, LbRole role, GError **error)
{
  LbDevice *device = self->devices[role];
  gboolean gone = lb_device_get_state (device) == LB_DEVICE_ABSENT;
  g_autoptr (GError) local_error = NULL;
  gboolean done = role != LB_ROLE_CAMERA || lb_bench_stop_camera (self, &local_error);

  self->opened[role] = FALSE;
  done = lb_device_close (device, NULL, lb_bench_get_deadline (), done ? &local_error : NULL) && done;
  if (done || gone)
    return TRUE;
  g_propagate_prefixed_error (error, g_steal_pointer (&local_error), "%s: ", lb_role_get_name (role));
  return FALSE;
}

/* In reverse order; all of them, whatever one says; the first error stays. */
gboolean
lb_bench_close_devices (LbBench *self, GError **error)
{
  gboolean done = lb_bench_light_off (self, error);

  for (guint role = LB_N_ROLES; role-- > 0;)
    if (self->opened[role])
      done = close_device (self, role, done ? error : NULL) && done;
  return done;
}

static gboolean
disconnect_action (LbBench *self, gpointer data, GCancellable *cancellable, GError **error)
{
  gboolean done = lb_bench_close_devices (self, error);

  g_mutex_lock (&self->lock);
  /* What has still to be confirmed, or was not, stays so. */
  if (done || (self->confirm_us == 0 && self->light != LB_LIGHT_NOT_CONFIRMED))
    {
      self->confirm_us = 0;
      lb_bench_set_light_locked (self, LB_LIGHT_OFF);
    }
  lb_bench_set_state_locked (self, LB_BENCH_DISCONNECTED);
  g_mutex_unlock (&self->lock);
  return done;
}

/* --- The calls ------------------------------------------------------------------------- */

/**
 * lb_bench_connect:
 *
 * Opens all devices, reads who they are and what they can do, blacks the planes,
 * starts the camera, arms the light. If one fails those that are open are closed
 * in reverse order. Waits; not for M.
 *
 * Returns: %FALSE with an LbDeviceError that names the role, or an LbBenchError
 */
gboolean
lb_bench_connect (LbBench *self, GCancellable *cancellable, GError **error)
{
  g_return_val_if_fail (LB_IS_BENCH (self), FALSE);
  return lb_bench_run_own (self, _ ("Connect"), connect_action, LB_BENCH_DISCONNECTED, cancellable, error);
}

/**
 * lb_bench_connect_async:
 *
 * As lb_bench_connect(); lb_bench_run_finish() ends it.
 */
void
lb_bench_connect_async (LbBench *self,
                        GCancellable *cancellable,
                        GAsyncReadyCallback callback,
                        gpointer user_data)
{
  g_return_if_fail (LB_IS_BENCH (self));
  lb_bench_run_own_async (self, _ ("Connect"), connect_action, LB_BENCH_DISCONNECTED, cancellable, callback,
                          user_data);
}

/* After a fault the late worker closes the devices as soon as it is back: then
 * the bench is as new. *@done: nothing is left to do. */
static gboolean
leave_fault (LbBench *self, gboolean *done, GError **error)
{
  gboolean closed, faulted;

  g_mutex_lock (&self->lock);
  faulted = self->state == LB_BENCH_FAULTED;
  closed = self->late_closed;
  *done = faulted || (self->state == LB_BENCH_DISCONNECTED && self->action == NULL);
  if (faulted && closed)
    lb_bench_set_state_locked (self, LB_BENCH_DISCONNECTED);
  g_mutex_unlock (&self->lock);
  if (!faulted)
    return TRUE;
  if (closed)
    {
      lb_bench_start_worker (self);
      return TRUE;
    }
  g_set_error_literal (error, LB_BENCH_ERROR, LB_BENCH_ERROR_LATE,
                       _ ("a device of the bench still does not answer; unplug it, or switch it off, and try "
                          "again"));
  return FALSE;
}

/**
 * lb_bench_disconnect:
 *
 * Light off, then closes all devices, in reverse order, whatever one of them
 * says. A bench that is not connected stays so. Waits; not for M.
 *
 * Returns: %FALSE with an LbDeviceError (it is disconnected all the same), BUSY, or LATE while a device of a
 *   faulted bench hangs
 */
gboolean
lb_bench_disconnect (LbBench *self, GCancellable *cancellable, GError **error)
{
  gboolean done;

  g_return_val_if_fail (LB_IS_BENCH (self), FALSE);
  if (!leave_fault (self, &done, error))
    return FALSE;
  return done ||
         lb_bench_run_own (self, _ ("Disconnect"), disconnect_action, LB_BENCH_IDLE, cancellable, error);
}

/**
 * lb_bench_disconnect_async:
 *
 * As lb_bench_disconnect(); lb_bench_run_finish() ends it.
 */
void
lb_bench_disconnect_async (LbBench *self,
                           GCancellable *cancellable,
                           GAsyncReadyCallback callback,
                           gpointer user_data)
{
  g_autoptr (GTask) task = NULL;
  GError *error = NULL;
  gboolean done;

  g_return_if_fail (LB_IS_BENCH (self));
  if (leave_fault (self, &done, &error) && !done)
    {
      lb_bench_run_own_async (self, _ ("Disconnect"), disconnect_action, LB_BENCH_IDLE, cancellable, callback,
                              user_data);
      return;
    }
  task = g_task_new (self, NULL, callback, user_data);
  g_task_set_source_tag (task, lb_bench_disconnect_async);
  if (error != NULL)
    g_task_return_error (task, error);
  else
    g_task_return_boolean (task, TRUE);
}
