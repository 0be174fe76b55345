/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-bench-private.h"

#include <glib/gi18n-lib.h>

/* Planes whose display went away while the bench was connected, and comes back. */

static gboolean
is_lost (LbBench *self, LbRole role)
{
  return self->opened[role] && lb_device_get_state (self->devices[role]) == LB_DEVICE_ABSENT;
}

/* A calibration is one of a certain display. */
static gboolean
check_identity (LbBench *self, LbRole role, LbIdentity *found, GError **error)
{
  g_autoptr (LbIdentity) known = lb_bench_dup_identity (self, role);
  g_autofree char *known_text = known != NULL ? lb_identity_to_string (known) : NULL;
  g_autofree char *found_text = lb_identity_to_string (found);

  if (known_text == NULL || g_str_equal (known_text, found_text))
    return TRUE;
  g_set_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_ABSENT,
               _ ("%s was there, and now it is %s; plug the first in again, or disconnect and connect the "
                  "bench"),
               known_text, found_text);
  return FALSE;
}

static gboolean
open_again (LbBench *self, LbRole role, GCancellable *cancellable, GError **error)
{
  LbDevice *device = self->devices[role];
  LbBenchPlane *plane = &self->planes[role];
  g_autoptr (LbIdentity) identity = NULL;

  plane->shown = 0;
  plane->presented_us = plane->settled_us = G_MININT64;
  if (!lb_device_open (device, cancellable, g_get_monotonic_time () + LB_BENCH_OPEN_US, error))
    return FALSE;
  identity = lb_device_get_identity (device, cancellable, lb_bench_get_deadline (), error);
  if (identity != NULL && check_identity (self, role, identity, error))
    return TRUE;
  lb_device_close (device, NULL, lb_bench_get_deadline (), NULL);
  return FALSE;
}

/* So that the operator may put it right and go on, as with any fault of a plane. */
static void
set_plane_error (LbBenchAction *action, LbRole role, GError *cause, GError **error)
{
  g_set_error (error, LB_BENCH_ERROR, LB_BENCH_ERROR_PLANE,
               _ ("\"%s\" cannot go on, because of the %s plane: %s"), action->name, lb_role_get_name (role),
               cause->message);
  g_error_free (cause);
}

/* Both are closed before one is opened: they may share a display, whose program does
 * not show anything any more. */
gboolean
lb_bench_reopen_planes (LbBench *self, LbBenchAction *action, GError **error)
{
  gboolean lost[2] = { FALSE, FALSE };

  if (action->own || action->planes_are_there)
    return TRUE;
  for (guint role = LB_ROLE_SOURCE; role <= LB_ROLE_WEIGHT; role++)
    {
      lost[role] = is_lost (self, role);
      if (lost[role])
        lb_device_close (self->devices[role], NULL, lb_bench_get_deadline (), NULL);
    }
  for (guint role = LB_ROLE_SOURCE; role <= LB_ROLE_WEIGHT; role++)
    {
      GError *cause = NULL;

      if (!lost[role] || open_again (self, role, action->cancellable, &cause))
        continue;
      set_plane_error (action, role, cause, error);
      return FALSE;
    }
  g_mutex_lock (&self->lock);
  action->planes_are_there = TRUE;
  g_mutex_unlock (&self->lock);
  /* What they tell counts from now on. */
  lb_bench_wake_watch (self);
  return TRUE;
}
