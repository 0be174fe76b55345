/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-bench-private.h"

#include <glib/gi18n-lib.h>

/* STOP, and the small thread that watches whether it was obeyed. */

#define POLL_DARK_US (5 * 1000)
#define POLL_NOT_CONFIRMED_US (100 * 1000)
#define POLL_DEVICE_US (500 * 1000)

/* --- Darkness ------------------------------------------------------------------------- */

/* As the device itself says. Without a light source the source plane is the light. */
static gboolean
is_dark (LbBench *self)
{
  gboolean black;

  if (lb_bench_has_light_source (self))
    return lb_light_source_is_confirmed_off (LB_LIGHT_SOURCE (self->devices[LB_ROLE_LIGHT]));
  g_mutex_lock (&self->lock);
  black = self->source_black;
  g_mutex_unlock (&self->lock);
  return black;
}

/* Without a lock and without waiting. */
static guint64
switch_off_now (LbBench *self)
{
  guint64 generation = atomic_fetch_add (&self->generation, 1) + 1;

  if (lb_bench_has_light_source (self))
    lb_light_source_off_now (LB_LIGHT_SOURCE (self->devices[LB_ROLE_LIGHT]), generation);
  return generation;
}

void
lb_bench_make_dark (LbBench *self)
{
  guint64 generation = switch_off_now (self);

  for (guint role = LB_ROLE_SOURCE; role <= LB_ROLE_WEIGHT; role++)
    if (self->devices[role] != NULL)
      lb_modulator_blank_now (LB_MODULATOR (self->devices[role]));
  g_mutex_lock (&self->lock);
  /* An action that was let in between the two would have a lease to use. */
  if (self->action != NULL && self->action->generation >= generation)
    switch_off_now (self);
  self->stopped = TRUE;
  if (self->light == LB_LIGHT_ARMED)
    lb_bench_set_light_locked (self, LB_LIGHT_OFF);
  if (self->state != LB_BENCH_DISCONNECTED)
    self->confirm_us = g_get_monotonic_time () + LB_BENCH_CONFIRM_US;
  g_mutex_unlock (&self->lock);
  lb_bench_wake_watch (self);
}

/**
 * lb_bench_stop:
 *
 * STOP: light off now, the running action cancelled, planes black. Any thread;
 * does not wait, and does not go by way of the worker: a device that hangs
 * cannot keep the light on. Nothing lights again before lb_bench_arm() or a new
 * connection.
 *
 * The light is %LB_LIGHT_OFF once the device has confirmed it, and
 * %LB_LIGHT_NOT_CONFIRMED if it has not within 500 ms. Planes are blanked at
 * once where their driver has a second way to them, else by the worker as soon
 * as it is free.
 */
void
lb_bench_stop (LbBench *self)
{
  LbBenchAction *action = NULL;

  g_return_if_fail (LB_IS_BENCH (self));

  lb_bench_make_dark (self);
  g_mutex_lock (&self->lock);
  if (self->action != NULL)
    {
      action = lb_bench_action_ref (self->action);
      action->stopped = TRUE;
    }
  g_mutex_unlock (&self->lock);
  if (action == NULL)
    {
      lb_bench_queue_blank (self);
      return;
    }
  lb_bench_action_cancel (action);
  lb_bench_action_unref (action);
}

/**
 * lb_bench_arm:
 *
 * Lets actions turn the light on again, after a STOP or a trip. Any thread.
 *
 * Returns: %FALSE with BUSY, NOT_CONNECTED, LATE, or STOPPED if it is not certain that the light is off
 */
gboolean
lb_bench_arm (LbBench *self, GError **error)
{
  gboolean dark, armed = FALSE;

  g_return_val_if_fail (LB_IS_BENCH (self), FALSE);

  dark = is_dark (self);
  g_mutex_lock (&self->lock);
  if (self->action != NULL)
    g_set_error (error, LB_BENCH_ERROR, LB_BENCH_ERROR_BUSY,
                 _ ("the light cannot be armed while \"%s\" runs; wait for its end"), self->action->name);
  else if (self->state == LB_BENCH_DISCONNECTED)
    g_set_error_literal (
        error, LB_BENCH_ERROR, LB_BENCH_ERROR_NOT_CONNECTED,
        _ ("the light cannot be armed: the bench is not connected; connect it, which arms it"));
  else if (self->state == LB_BENCH_FAULTED)
    g_set_error_literal (error, LB_BENCH_ERROR, LB_BENCH_ERROR_LATE,
                         _ ("the light cannot be armed: a device did not answer; disconnect the bench and "
                            "connect it again"));
  else if (!dark)
    g_set_error_literal (error, LB_BENCH_ERROR, LB_BENCH_ERROR_STOPPED,
                         _ ("the light cannot be armed: it has not confirmed that it is off; use the key "
                            "switch, then disconnect the bench and connect it again"));
  else
    {
      self->stopped = FALSE;
      self->confirm_us = 0;
      lb_bench_set_light_locked (self, LB_LIGHT_ARMED);
      armed = TRUE;
    }
  g_mutex_unlock (&self->lock);
  return armed;
}

/* --- Planes ---------------------------------------------------------------------------- */

/* With the lock held: the action that ran when the fault was seen; ended by it once. A
 * plane that it finds lost it opens again first, or ends by itself. */
static LbBenchAction *
note_fault (LbBench *self, LbBenchAction *action, LbRole role, gboolean lost, const char *text)
{
  /* Nothing is lit without an action; the next one finds the fault by itself, if it
   * is still there. While the bench connects, opening the plane says what is wrong
   * with it. */
  if (action == NULL || action != self->action || action->own || action->finished || action->fault != NULL ||
      (lost && !action->planes_are_there))
    return NULL;
  g_set_error (
      &action->fault, LB_BENCH_ERROR, LB_BENCH_ERROR_PLANE,
      _ ("\"%s\" was ended and the light switched off, because of the %s plane: %s. Put that right and arm "
         "the light"),
      action->name, lb_role_get_name (role), text);
  return lb_bench_action_ref (action);
}

static void
end_by_plane (LbBench *self, LbBenchAction *seen, LbRole role, const char *text)
{
  gboolean lost = lb_device_get_state (self->devices[role]) == LB_DEVICE_ABSENT;
  LbBenchAction *action;

  g_mutex_lock (&self->lock);
  action = note_fault (self, seen, role, lost, text);
  g_mutex_unlock (&self->lock);
  if (action == NULL)
    return;
  lb_bench_make_dark (self);
  lb_bench_action_cancel (action);
  lb_bench_action_unref (action);
}

void
lb_bench_look_at_planes (LbBench *self)
{
  LbBenchAction *action;

  g_mutex_lock (&self->lock);
  action = self->action != NULL ? lb_bench_action_ref (self->action) : NULL;
  g_mutex_unlock (&self->lock);
  for (guint role = LB_ROLE_SOURCE; role <= LB_ROLE_WEIGHT; role++)
    {
      g_autofree char *text = NULL;
      LbModulatorFaults faults = LB_MODULATOR_FAULT_NONE;

      if (self->devices[role] != NULL)
        faults = lb_modulator_peek (LB_MODULATOR (self->devices[role]), &text);
      if (faults & LB_MODULATOR_FAULT_STOP)
        lb_bench_stop (self);
      else if (faults != LB_MODULATOR_FAULT_NONE)
        end_by_plane (self, action, role, text);
    }
  if (action != NULL)
    lb_bench_action_unref (action);
}

/* --- The thread ------------------------------------------------------------------------ */

static gint64
earlier (gint64 a, gint64 b)
{
  return a < 0 ? b : b < 0 ? a : MIN (a, b);
}

/* With the lock held. @dark: as it was at @now_us or later; what was seen before a STOP confirms
 * nothing. Returns when to look again, -1: never. */
static gint64
confirm (LbBench *self, gboolean dark, gint64 now_us)
{
  if (self->confirm_us == 0)
    return -1;
  if (dark && now_us > self->confirm_us - LB_BENCH_CONFIRM_US)
    {
      self->confirm_us = 0;
      lb_bench_set_light_locked (self, LB_LIGHT_OFF);
      return -1;
    }
  if (now_us < self->confirm_us)
    return MIN (self->confirm_us, now_us + POLL_DARK_US);
  lb_bench_set_light_locked (self, LB_LIGHT_NOT_CONFIRMED);
  return now_us + POLL_NOT_CONFIRMED_US;
}

/* With the lock held. When the action is late: 2 s after it was cancelled, or
 * after a device should have answered. -1: never. */
static gint64
get_late_us (LbBenchAction *action)
{
  gboolean simulated = lb_clock_is_virtual (action->bench->driver_context.clock);
  gint64 cancelled_us = atomic_load (&action->cancelled_us);
  gint64 late_us = cancelled_us != 0 ? cancelled_us + LB_BENCH_LATE_US : -1;

  if (action->depth > 0 && action->device_deadline_us >= 0)
    late_us = earlier (late_us, action->device_deadline_us +
                                    (simulated ? LB_BENCH_SIMULATED_LATE_US : LB_BENCH_LATE_US));
  return late_us;
}

/* With the lock held. When a cancelled action must not keep the light on any longer,
 * whatever it hangs in. -1: never. */
static gint64
get_dark_us (LbBenchAction *action)
{
  gint64 cancelled_us = atomic_load (&action->cancelled_us);

  if (cancelled_us == 0 || action->own || action->generation != atomic_load (&action->bench->generation))
    return -1;
  return cancelled_us + LB_BENCH_CANCELLED_US;
}

/* A cancelled action switches the light off by itself; one that does not come back in
 * time has it switched off, and cannot relight. Unlike a STOP this leaves the bench
 * armed. Returns when to look again, -1: never. */
static gint64
darken_cancelled (LbBench *self, gint64 now_us)
{
  gint64 dark_us;

  g_mutex_lock (&self->lock);
  dark_us = self->action != NULL ? get_dark_us (self->action) : -1;
  if (dark_us >= 0 && dark_us <= now_us)
    {
      switch_off_now (self);
      dark_us = -1;
    }
  else
    now_us = -1;
  g_mutex_unlock (&self->lock);
  if (now_us >= 0 && !lb_bench_has_light_source (self))
    lb_modulator_blank_now (LB_MODULATOR (self->devices[LB_ROLE_SOURCE]));
  return dark_us;
}

/* Returns when to look again (monotonic), -1: when woken. */
static gint64
look (LbBench *self)
{
  gint64 now_us = g_get_monotonic_time ();
  gboolean dark = is_dark (self);
  LbBenchAction *late = NULL;
  gint64 next_us, dark_us;

  lb_bench_look_at_planes (self);
  dark_us = darken_cancelled (self, now_us);
  g_mutex_lock (&self->lock);
  next_us = earlier (dark_us, confirm (self, dark, now_us));
  if (self->action != NULL)
    {
      gint64 late_us = get_late_us (self->action);

      if (late_us >= 0 && late_us <= now_us)
        late = lb_bench_action_ref (self->action);
      else
        next_us = earlier (next_us, earlier (late_us, now_us + POLL_DEVICE_US));
    }
  g_mutex_unlock (&self->lock);
  if (late == NULL)
    return next_us;
  lb_bench_action_give_up (late);
  lb_bench_action_unref (late);
  return g_get_monotonic_time ();
}

static void
watch_unref (LbBenchWatch *watch)
{
  if (!g_atomic_ref_count_dec (&watch->references))
    return;
  g_weak_ref_clear (&watch->bench);
  g_mutex_clear (&watch->lock);
  g_cond_clear (&watch->wake);
  g_free (watch);
}

/* With the lock held: until woken, or the time has come. */
static void
watch_wait (LbBenchWatch *watch, gint64 until_us)
{
  while (!watch->woken && !watch->quit)
    {
      if (until_us < 0)
        g_cond_wait (&watch->wake, &watch->lock);
      else if (!g_cond_wait_until (&watch->wake, &watch->lock, until_us))
        break;
    }
  watch->woken = FALSE;
}

static gpointer
watch_thread (gpointer user_data)
{
  LbBenchWatch *watch = user_data;
  gint64 next_us = -1;

  g_mutex_lock (&watch->lock);
  while (!watch->quit)
    {
      LbBench *self;

      watch_wait (watch, next_us);
      if (watch->quit)
        break;
      g_mutex_unlock (&watch->lock);
      self = g_weak_ref_get (&watch->bench);
      if (self != NULL)
        {
          next_us = look (self);
          /* It may be the last reference: only the watch is safe from here. */
          g_object_unref (self);
        }
      g_mutex_lock (&watch->lock);
    }
  g_mutex_unlock (&watch->lock);
  watch_unref (watch);
  return NULL;
}

void
lb_bench_start_watch (LbBench *self)
{
  LbBenchWatch *watch = g_new0 (LbBenchWatch, 1);

  g_atomic_ref_count_init (&watch->references);
  g_atomic_ref_count_inc (&watch->references);
  g_mutex_init (&watch->lock);
  g_cond_init (&watch->wake);
  g_weak_ref_init (&watch->bench, self);
  self->watch = watch;
  watch->thread = g_thread_new ("lb-watch", watch_thread, watch);
}

void
lb_bench_end_watch (LbBench *self)
{
  LbBenchWatch *watch = g_steal_pointer (&self->watch);

  if (watch == NULL)
    return;
  g_mutex_lock (&watch->lock);
  watch->quit = TRUE;
  g_cond_signal (&watch->wake);
  g_mutex_unlock (&watch->lock);
  if (watch->thread == g_thread_self ())
    g_thread_unref (watch->thread);
  else
    g_thread_join (watch->thread);
  watch_unref (watch);
}

void
lb_bench_wake_watch (LbBench *self)
{
  LbBenchWatch *watch = self->watch;

  g_mutex_lock (&watch->lock);
  watch->woken = TRUE;
  g_cond_signal (&watch->wake);
  g_mutex_unlock (&watch->lock);
}
