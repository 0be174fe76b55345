/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-bench-private.h"

#include <math.h>

#include <glib/gi18n-lib.h>

/* The light, as the worker handles it: a lease that it renews. */

static LbLightSource *
light_source (LbBench *self)
{
  return (LbLightSource *) self->devices[LB_ROLE_LIGHT];
}

/* On a simulated bench wall time says nothing of an exposure, whose light is that
 * of its beginning: a busy computer may take long over a frame. The lease is new
 * then when a device is asked for one, and begins anew where it has run out. */
static gboolean
is_simulated (LbBench *self)
{
  return lb_clock_is_virtual (self->driver_context.clock);
}

static gboolean
has_run_out (LbBench *self)
{
  return lb_bench_has_light_source (self) && g_get_monotonic_time () >= self->lease_end_us;
}

/* After the device has said that light goes on, off, or will not. The generation
 * tells whether a STOP has come in between: what it set stays. */
static void
note_light (LbBench *self, const LbBenchAction *action, LbLightState light)
{
  g_mutex_lock (&self->lock);
  if (!self->stopped && (action == NULL || action->generation == atomic_load (&self->generation)))
    lb_bench_set_light_locked (self, light);
  g_mutex_unlock (&self->lock);
}

static void
note_error (LbBench *self, const LbBenchAction *action, const GError *error)
{
  if (g_error_matches (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_INTERLOCK))
    note_light (self, action, LB_LIGHT_TRIPPED);
}

static gboolean
check_level (LbBench *self, double level, GError **error)
{
  char number[G_ASCII_DTOSTR_BUF_SIZE], bound[G_ASCII_DTOSTR_BUF_SIZE];
  double limit = lb_setup_get_light_limit (self->setup);

  if (level >= 0 && level <= limit)
    return TRUE;
  g_set_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_LIMIT,
               _ ("a set point of %s is outside what the setup allows, 0 to %s"),
               g_ascii_formatd (number, sizeof number, "%.6g", level),
               g_ascii_formatd (bound, sizeof bound, "%.6g", limit));
  return FALSE;
}

static gboolean
set_level (LbBench *self, double level, GCancellable *cancellable, GError **error)
{
  if (level == self->light_level)
    return TRUE;
  self->light_level = NAN;
  if (!check_level (self, level, error) ||
      !lb_light_source_set_level (light_source (self), level, NULL, cancellable, lb_bench_get_deadline (),
                                  error))
    return FALSE;
  self->light_level = level;
  return TRUE;
}

static gboolean
check_heartbeat (LbBench *self, GError **error)
{
  if (!lb_bench_is_deaf (self))
    return TRUE;
  g_set_error_literal (error, LB_BENCH_ERROR, LB_BENCH_ERROR_LEASE,
                       _ ("the light was switched off, because the program has not answered for 1 s "
                          "and STOP could not have been pressed; run it again"));
  return FALSE;
}

static gboolean
switch_on (LbBench *self, LbBenchAction *action, GCancellable *cancellable, GError **error)
{
  gint64 now_us = g_get_monotonic_time ();
  g_autoptr (GError) local_error = NULL;
  gboolean done = TRUE;

  /* Lit before the device is asked: should its answer be lost, the light may be
   * on, and has to be switched off. */
  self->lit = TRUE;
  self->renewing = TRUE;
  self->lease_end_us = now_us + LB_BENCH_LEASE_US;
  self->renewed_us = now_us;
  if (lb_bench_has_light_source (self))
    done = lb_light_source_output_on (light_source (self), action->generation, LB_BENCH_LEASE_US, cancellable,
                                      lb_bench_get_deadline (), &local_error);
  self->renewing = FALSE;
  if (done)
    {
      note_light (self, action, LB_LIGHT_ON);
      return TRUE;
    }
  note_error (self, action, local_error);
  lb_bench_light_off (self, NULL);
  g_propagate_error (error, g_steal_pointer (&local_error));
  return FALSE;
}

gboolean
lb_bench_light_on (
    LbBench *self, LbBenchAction *action, double level, GCancellable *cancellable, GError **error)
{
  if (!check_heartbeat (self, error))
    return FALSE;
  if (lb_bench_has_light_source (self) && !set_level (self, level, cancellable, error))
    return FALSE;
  return self->lit || switch_on (self, action, cancellable, error);
}

gboolean
lb_bench_light_revive (LbBench *self, LbBenchAction *action, GCancellable *cancellable, GError **error)
{
  if (!self->lit || !has_run_out (self))
    return TRUE;
  return check_heartbeat (self, error) && switch_on (self, action, cancellable, error);
}

void
lb_bench_note_presented (LbBench *self, guint role, gint64 presented_us)
{
  LbBenchTiming timing;

  lb_bench_get_timing (self, &timing);
  self->planes[role].presented_us = presented_us;
  self->planes[role].settled_us = presented_us + (gint64) ceil (timing.settling_us[role]);
}

static gboolean
blank_plane (LbBench *self, guint role, GError **error)
{
  self->planes[role].shown = 0;
  if (!lb_modulator_blank (LB_MODULATOR (self->devices[role]), NULL, lb_bench_get_deadline (), error))
    {
      g_prefix_error (error, "%s: ", lb_role_get_name (role));
      return FALSE;
    }
  lb_bench_note_presented (self, role, lb_clock_now_us (self->driver_context.clock));
  if (role == LB_ROLE_SOURCE)
    {
      g_mutex_lock (&self->lock);
      self->source_black = TRUE;
      g_mutex_unlock (&self->lock);
    }
  return TRUE;
}

/* Without a light source the source plane is the light. */
gboolean
lb_bench_light_off (LbBench *self, GError **error)
{
  gboolean off;

  if (!self->lit)
    return TRUE;
  self->lit = FALSE;
  off = lb_bench_has_light_source (self)
            ? lb_light_source_output_off (light_source (self), NULL, lb_bench_get_deadline (), error)
            : blank_plane (self, LB_ROLE_SOURCE, error);
  if (!off)
    {
      g_prefix_error (error, _ ("the light did not confirm that it is off: "));
      lb_bench_make_dark (self);
      return FALSE;
    }
  if (lb_bench_get_light (self) == LB_LIGHT_ON)
    note_light (self, NULL, LB_LIGHT_ARMED);
  return TRUE;
}

gboolean
lb_bench_light_check (LbBench *self, GError **error)
{
  if (!self->lit || is_simulated (self) || !has_run_out (self))
    return TRUE;
  g_set_error_literal (error, LB_BENCH_ERROR, LB_BENCH_ERROR_LEASE,
                       _ ("the light went off by itself, because the bench could not renew it within 1 s: a "
                          "device took too long, or the computer was busy; run it again"));
  return FALSE;
}

static gboolean
renew (LbBench *self, LbBenchAction *action, gint64 now_us, GError **error)
{
  gboolean done;

  if (has_run_out (self))
    return lb_bench_light_check (self, error) && switch_on (self, action, NULL, error);
  self->renewing = TRUE;
  done = lb_light_source_renew (light_source (self), action->generation, LB_BENCH_LEASE_US, NULL,
                                now_us + LB_BENCH_LEASE_US / 2, error);
  self->renewing = FALSE;
  if (done)
    self->lease_end_us = now_us + LB_BENCH_LEASE_US;
  return done;
}

gboolean
lb_bench_light_renew (LbBench *self, LbBenchAction *action, GError **error)
{
  /* At half the interval, because the next call may come late. */
  gint64 interval_us = is_simulated (self) ? 0 : LB_BENCH_RENEW_US / 2;
  gint64 now_us = g_get_monotonic_time ();
  g_autoptr (GError) local_error = NULL;

  if (!self->lit || self->renewing || now_us - self->renewed_us < interval_us)
    return TRUE;
  self->renewed_us = now_us;
  if (check_heartbeat (self, &local_error) &&
      (!lb_bench_has_light_source (self) || renew (self, action, now_us, &local_error)))
    return TRUE;
  note_error (self, action, local_error);
  lb_bench_light_off (self, NULL);
  g_propagate_error (error, g_steal_pointer (&local_error));
  return FALSE;
}

gboolean
lb_bench_blank_planes (LbBench *self, GError **error)
{
  gboolean done = TRUE;

  for (guint role = LB_ROLE_SOURCE; role <= LB_ROLE_WEIGHT; role++)
    if (self->opened[role])
      done = blank_plane (self, role, done ? error : NULL) && done;
  return done;
}

gboolean
lb_bench_end_action (LbBench *self, LbBenchAction *action, GError **error)
{
  gboolean done = lb_bench_light_off (self, error);

  /* After a STOP the planes do not show either what the stopped action showed. */
  if (action->generation != atomic_load (&self->generation))
    done = lb_bench_blank_planes (self, done ? error : NULL) && done;
  return done;
}
