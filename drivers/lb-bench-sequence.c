/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-bench-ahead-private.h"

#include <glib/gi18n-lib.h>
#include <math.h>

/* Sequences of exposures, in the worker. */

#define CAMERA_BUFFERS 4

typedef struct
{
  LbBench *bench;
  LbBenchAction *action;
  LbBenchAhead ahead;
  gboolean ended;      /* the source has no more */
  LbExposure exposure; /* of the first turn */
  gboolean changed[2]; /* planes that were handed a pattern for it */
  gint64 ready_us;     /* bench time from which everything is as it should be */
} Sequence;

/* --- Camera --------------------------------------------------------------------------- */

/**
 * lb_bench_begin_run:
 * @ordinal: of the run in its session
 *
 * In an action: a new run, which keys the noise of simulated devices.
 */
void
lb_bench_begin_run (LbBench *self, guint64 ordinal)
{
  g_return_if_fail (LB_IS_BENCH (self));
  g_return_if_fail (lb_bench_get_current (self, NULL) != NULL);

  for (guint role = 0; role < LB_N_ROLES; role++)
    if (self->devices[role] != NULL)
      lb_device_begin_run (self->devices[role], ordinal);
}

static gboolean
configure_camera (LbBench *self,
                  const LbCameraFormat *want,
                  LbCameraFormat *format,
                  GCancellable *cancellable,
                  GError **error)
{
  LbCamera *camera = LB_CAMERA (self->devices[LB_ROLE_CAMERA]);

  if (!lb_bench_stop_camera (self, error) ||
      !lb_camera_configure (camera, want, format, cancellable, lb_bench_get_deadline (), error) ||
      !lb_camera_start (camera, CAMERA_BUFFERS, cancellable, lb_bench_get_deadline (), error))
    {
      g_prefix_error (error, "%s: ", lb_role_get_name (LB_ROLE_CAMERA));
      return FALSE;
    }
  self->camera_running = TRUE;
  self->exposure_us = 0;
  return TRUE;
}

/**
 * lb_bench_configure_camera:
 * @want: region (sensor pixels) and depth; width 0: the whole sensor, bits 0: the deepest
 * @actual: (out) (optional): what is in force
 *
 * In an action: stops the camera, sets the region of interest, starts it again.
 *
 * Returns: %FALSE with an LbDeviceError, and the camera stopped; or NOT_IN_ACTION
 */
gboolean
lb_bench_configure_camera (LbBench *self,
                           const LbCameraFormat *want,
                           LbCameraFormat *actual,
                           GCancellable *cancellable,
                           GError **error)
{
  LbCameraFormat format = { 0 };

  g_return_val_if_fail (LB_IS_BENCH (self) && want != NULL, FALSE);
  if (lb_bench_get_current (self, error) == NULL ||
      !configure_camera (self, want, &format, cancellable, error))
    return FALSE;
  g_mutex_lock (&self->lock);
  self->camera_format = format;
  g_mutex_unlock (&self->lock);
  if (actual != NULL)
    *actual = format;
  return TRUE;
}

static gboolean
set_exposure (Sequence *sequence, GError **error)
{
  LbBench *self = sequence->bench;
  const LbExposure *exposure = &sequence->exposure;

  if (exposure->exposure_us == self->exposure_us && exposure->gain == self->gain)
    return TRUE;
  self->exposure_us = 0;
  self->valid_from_sequence = 0;
  if (!lb_camera_set_exposure (LB_CAMERA (self->devices[LB_ROLE_CAMERA]), exposure->exposure_us,
                               exposure->gain, NULL, NULL, &self->valid_from_sequence,
                               sequence->action->cancellable, lb_bench_get_deadline (), error))
    {
      g_prefix_error (error, "%s: ", lb_role_get_name (LB_ROLE_CAMERA));
      return FALSE;
    }
  self->exposure_us = exposure->exposure_us;
  self->gain = exposure->gain;
  return TRUE;
}

/* --- Planes ----------------------------------------------------------------------------- */

/* Hands a pattern to its plane if another stands there; *@changed tells so. */
static gboolean
show (Sequence *sequence, guint role, gboolean *changed, GError **error)
{
  LbBench *self = sequence->bench;
  LbBenchPlane *plane = &self->planes[role];

  *changed = FALSE;
  if (plane->wanted == NULL || plane->wanted->serial == plane->shown)
    return TRUE;
  plane->shown = 0;
  if (role == LB_ROLE_SOURCE)
    {
      g_mutex_lock (&self->lock);
      self->source_black = FALSE;
      g_mutex_unlock (&self->lock);
    }
  sequence->ahead.turns[0].sequence[role] = ++plane->sequence;
  if (!lb_modulator_show (LB_MODULATOR (self->devices[role]), plane->wanted, plane->sequence,
                          sequence->action->cancellable, lb_bench_get_deadline (), error))
    {
      g_prefix_error (error, "%s: ", lb_role_get_name (role));
      return FALSE;
    }
  *changed = TRUE;
  return TRUE;
}

static gboolean
wait_presented (Sequence *sequence, guint role, GError **error)
{
  LbBench *self = sequence->bench;
  LbBenchPlane *plane = &self->planes[role];
  gint64 presented_us = 0;

  if (!lb_modulator_wait_presented (LB_MODULATOR (self->devices[role]),
                                    sequence->ahead.turns[0].sequence[role], &presented_us,
                                    sequence->action->cancellable, lb_bench_get_deadline (), error))
    {
      g_prefix_error (error, "%s: ", lb_role_get_name (role));
      return FALSE;
    }
  plane->shown = plane->wanted->serial;
  lb_bench_note_presented (self, role, presented_us);
  return TRUE;
}

static gboolean
wait_changed (Sequence *sequence, GError **error)
{
  for (guint role = LB_ROLE_SOURCE; role <= LB_ROLE_WEIGHT; role++)
    if (sequence->changed[role] && !wait_presented (sequence, role, error))
      return FALSE;
  return TRUE;
}

static void
want (LbBench *self, guint role, LbPattern *pattern)
{
  if (pattern == NULL || pattern == self->planes[role].wanted)
    return;
  g_clear_pointer (&self->planes[role].wanted, lb_pattern_unref);
  self->planes[role].wanted = lb_pattern_ref (pattern);
}

/* --- Light -------------------------------------------------------------------------------- */

static gboolean
set_light (Sequence *sequence, GError **error)
{
  LbBench *self = sequence->bench;
  gboolean done = sequence->exposure.light
                      ? lb_bench_light_on (self, sequence->action, sequence->exposure.light_level,
                                           sequence->action->cancellable, error)
                      : lb_bench_light_off (self, error);

  if (!done)
    {
      g_prefix_error (error, "%s: ", lb_role_get_name (LB_ROLE_LIGHT));
      return FALSE;
    }
  return TRUE;
}

/* Both planes are asked before either is waited for. Without a light source the
 * source plane is the light: it must count as lit before it shows anything, and shows
 * nothing for a dark exposure. */
static gboolean
show_now (Sequence *sequence, GError **error)
{
  LbBench *self = sequence->bench;
  gboolean has_light = lb_bench_has_light_source (self);
  gboolean early = !sequence->exposure.light || !has_light;
  guint first = !sequence->exposure.light && !has_light ? LB_ROLE_WEIGHT : LB_ROLE_SOURCE;

  if (early && !set_light (sequence, error))
    return FALSE;
  for (guint role = first; role <= LB_ROLE_WEIGHT; role++)
    if (!show (sequence, role, &sequence->changed[role], error))
      return FALSE;
  sequence->ready_us = lb_clock_now_us (self->driver_context.clock);
  return set_exposure (sequence, error) && (early || set_light (sequence, error));
}

/* What was handed over ahead of time is on its way: light and camera are as they were. */
static gboolean
resume (Sequence *sequence, GError **error)
{
  for (guint role = LB_ROLE_SOURCE; role <= LB_ROLE_WEIGHT; role++)
    sequence->changed[role] = sequence->ahead.turns[0].sequence[role] != 0;
  return lb_bench_ahead_hand_over (&sequence->ahead, error) && set_light (sequence, error);
}

/* Everything as the exposure wants it. */
static gboolean
prepare (Sequence *sequence, GError **error)
{
  LbBench *self = sequence->bench;

  sequence->changed[LB_ROLE_SOURCE] = sequence->changed[LB_ROLE_WEIGHT] = FALSE;
  want (self, LB_ROLE_SOURCE, sequence->exposure.source);
  want (self, LB_ROLE_WEIGHT, sequence->exposure.weight);
  if (!(sequence->ahead.turns[0].handed ? resume (sequence, error) : show_now (sequence, error)))
    return FALSE;
  if (sequence->exposure.unsettled)
    {
      sequence->ready_us += (gint64) MAX (sequence->exposure.delay_us, 0);
      return TRUE;
    }
  if (!wait_changed (sequence, error))
    return FALSE;
  sequence->ready_us = lb_clock_now_us (self->driver_context.clock);
  for (guint role = LB_ROLE_SOURCE; role <= LB_ROLE_WEIGHT; role++)
    sequence->ready_us = MAX (sequence->ready_us, self->planes[role].settled_us);
  /* The end of one that was handed over has been counted on. */
  if (sequence->ahead.turns[0].handed)
    return TRUE;
  lb_bench_ahead_note_first (&sequence->ahead, sequence->ready_us);
  return lb_bench_ahead_hand_over (&sequence->ahead, error);
}

/* --- Frames --------------------------------------------------------------------------------- */

/* Wall time by which the frame must be there. */
static gint64
get_frame_deadline (Sequence *sequence)
{
  LbBench *self = sequence->bench;
  LbClock *clock = self->driver_context.clock;
  double longest_us = MAX (sequence->exposure.exposure_us, self->camera_caps.frame_period_us);
  gint64 until_ready_us =
      lb_clock_is_virtual (clock) ? 0 : MAX (sequence->ready_us - lb_clock_now_us (clock), 0);

  return lb_bench_get_deadline () + until_ready_us + (gint64) (3 * longest_us);
}

/* Whether a plane's fault has ended the action, be it cancelled already or not. */
static gboolean
has_fault (LbBenchAction *action)
{
  gboolean faulted;

  g_mutex_lock (&action->bench->lock);
  faulted = action->fault != NULL;
  g_mutex_unlock (&action->bench->lock);
  return faulted;
}

static LbFrame *
take_frame (Sequence *sequence, GError **error)
{
  LbBench *self = sequence->bench;
  LbCamera *camera = LB_CAMERA (self->devices[LB_ROLE_CAMERA]);
  gint64 deadline_us = get_frame_deadline (sequence);
  g_autoptr (LbFrame) frame = NULL;

  /* Frames that were under way when the exposure time was set still have the old one. */
  do
    {
      g_clear_pointer (&frame, lb_frame_unref);
      frame = lb_camera_wait_frame (camera, sequence->ready_us, sequence->action->cancellable, deadline_us,
                                    error);
      if (frame == NULL)
        {
          g_prefix_error (error, "%s: ", lb_role_get_name (LB_ROLE_CAMERA));
          return NULL;
        }
      sequence->ready_us = MAX (sequence->ready_us, frame->start_us + 1);
    }
  while (frame->sequence < self->valid_from_sequence);
  /* What was exposed while a plane did not show its pattern does not count. */
  lb_bench_look_at_planes (self);
  if (has_fault (sequence->action))
    {
      g_set_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_CANCELLED, _ ("\"%s\" was cancelled"),
                   sequence->action->name);
      return NULL;
    }
  if (g_cancellable_set_error_if_cancelled (sequence->action->cancellable, error) ||
      !lb_bench_light_check (self, error))
    return NULL;
  atomic_fetch_add (&self->exposures, 1);
  return g_steal_pointer (&frame);
}

/* Before each frame, and before what leads to it. */
static gboolean
go_on (Sequence *sequence, GError **error)
{
  if (!g_cancellable_is_cancelled (sequence->action->cancellable))
    return lb_bench_light_revive (sequence->bench, sequence->action, sequence->action->cancellable, error);
  g_set_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_CANCELLED, _ ("\"%s\" was cancelled"),
               sequence->action->name);
  return FALSE;
}

static void
fill_in (const LbBench *self, LbExposure *exposure)
{
  const LbSetupOptics *optics = lb_setup_get_optics (self->setup);

  exposure->frames = MAX (exposure->frames, 1);
  exposure->gain = exposure->gain > 0 ? exposure->gain : 1;
  exposure->exposure_us = exposure->exposure_us > 0 ? exposure->exposure_us : optics->exposure_us;
  exposure->light_level = exposure->light_level > 0 ? exposure->light_level : optics->light_level;
}

/* A frame that came so late (others were lost) that the next pattern may have stood
 * during it. */
static gboolean
came_late (const Sequence *sequence, const LbFrame *frame)
{
  const LbBenchAhead *ahead = &sequence->ahead;

  return ahead->count > 1 && ahead->turns[1].handed && frame->end_us > ahead->turns[0].end_us;
}

static gboolean
read_meter (Sequence *sequence, GError **error)
{
  LbBench *self = sequence->bench;

  self->power_w = NAN;
  return !sequence->ahead.turns[0].meter ||
         lb_bench_meter_read (self, sequence->action, self->planes[LB_ROLE_SOURCE].settled_us, error);
}

/* Shows the first one again, and from now on nothing ahead of time. */
static gboolean
start_over (Sequence *sequence, GError **error)
{
  lb_bench_ahead_forget (&sequence->ahead);
  sequence->ahead.enabled = FALSE;
  return prepare (sequence, error);
}

static gboolean
expose (Sequence *sequence, LbFrameSink sink, gpointer data, GError **error)
{
  const LbExposure *given = &sequence->ahead.turns[0].given;

  sequence->exposure = sequence->ahead.turns[0].exposure;
  if (!go_on (sequence, error) || !prepare (sequence, error) || !read_meter (sequence, error))
    return FALSE;
  for (guint nth = 0; nth < sequence->exposure.frames;)
    {
      g_autoptr (LbFrame) frame = go_on (sequence, error) ? take_frame (sequence, error) : NULL;

      if (frame == NULL)
        return FALSE;
      if (came_late (sequence, frame))
        {
          if (!start_over (sequence, error))
            return FALSE;
          continue;
        }
      if (!sink (given, nth, frame, data, error))
        return FALSE;
      nth++;
    }
  return !sequence->exposure.unsettled || wait_changed (sequence, error);
}

/* FALSE with @error; or without, when there is nothing to expose. */
static gboolean
ask (Sequence *sequence, LbExposureSource source, gpointer data, GError **error)
{
  LbBenchAhead *ahead = &sequence->ahead;

  while (!sequence->ended && lb_bench_ahead_has_room (ahead))
    {
      LbExposure given = { .frames = 1 }, filled;
      g_autoptr (GError) local_error = NULL;

      sequence->ended = !source (&given, data, &local_error);
      if (local_error != NULL)
        {
          g_propagate_error (error, g_steal_pointer (&local_error));
          return FALSE;
        }
      if (sequence->ended)
        break;
      filled = given;
      fill_in (sequence->bench, &filled);
      lb_bench_ahead_push (ahead, &given, &filled);
    }
  return ahead->count > 0;
}

static gboolean
run_exposures (Sequence *sequence, LbExposureSource source, LbFrameSink sink, gpointer data, GError **error)
{
  g_autoptr (GError) local_error = NULL;

  while (ask (sequence, source, data, &local_error))
    {
      if (!expose (sequence, sink, data, error))
        return FALSE;
      lb_bench_ahead_pop (&sequence->ahead);
    }
  if (local_error == NULL)
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&local_error));
  return FALSE;
}

static void
cancelled_cb (GCancellable *cancellable, gpointer user_data)
{
  lb_bench_action_cancel (user_data);
}

/**
 * lb_bench_run_sequence:
 * @source: is asked for one exposure after the other
 * @sink: is given their frames, in order
 * @data: for both
 * @cancellable: (nullable): the action's, or another that ends it too
 *
 * In an action: opens planes again that were lost, shows the patterns that changed, sets light and exposure,
 * waits until the planes have settled, takes frames whose exposure began after that, hands them on, asks for
 * the next; ahead of time where that is allowed and both planes can. The light is off when it returns.
 *
 * Returns: %TRUE when @source has no more; %FALSE with the error of a device, of @source or of @sink, with
 *   NOT_IN_ACTION, STOPPED, LEASE, PLANE, or a CANCELLED
 */
gboolean
lb_bench_run_sequence (LbBench *self,
                       LbExposureSource source,
                       LbFrameSink sink,
                       gpointer data,
                       GCancellable *cancellable,
                       GError **error)
{
  Sequence sequence = { .bench = self };
  gulong handler = 0;
  gboolean done;

  g_return_val_if_fail (LB_IS_BENCH (self) && source != NULL && sink != NULL, FALSE);

  sequence.action = lb_bench_get_current (self, error);
  if (sequence.action == NULL)
    return FALSE;
  if (cancellable != NULL && cancellable != sequence.action->cancellable)
    handler =
        g_cancellable_connect (cancellable, G_CALLBACK (cancelled_cb), lb_bench_action_ref (sequence.action),
                               (GDestroyNotify) lb_bench_action_unref);
  done = lb_bench_reopen_planes (self, sequence.action, error);
  lb_bench_ahead_init (&sequence.ahead, self, sequence.action);
  self->meter_ready = FALSE;
  done = done && run_exposures (&sequence, source, sink, data, error);
  lb_bench_ahead_clear (&sequence.ahead);
  g_cancellable_disconnect (cancellable, handler);
  return lb_bench_light_off (self, done ? error : NULL) && done;
}

/**
 * lb_bench_get_presented_us:
 * @role: a plane
 *
 * In an action.
 *
 * Returns: bench time at which the plane showed its last pattern, as it says; G_MININT64 before the first
 */
gint64
lb_bench_get_presented_us (LbBench *self, LbRole role)
{
  g_return_val_if_fail (LB_IS_BENCH (self) && (role == LB_ROLE_SOURCE || role == LB_ROLE_WEIGHT), G_MININT64);
  return self->planes[role].presented_us;
}
