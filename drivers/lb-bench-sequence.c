/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-bench-private.h"

#include <math.h>

#include <glib/gi18n-lib.h>

/* What actions do with the devices, in the worker: light, camera, exposures. */

/* A lit exposure has to end well within one lease, because the worker cannot
 * renew while it waits for the frame. */
#define LONGEST_LIT_EXPOSURE_US (G_USEC_PER_SEC / 2)
#define HEARTBEAT_LIMIT_US G_USEC_PER_SEC

static LbLightSource *
light_source (LbBench *self)
{
  return (LbLightSource *) self->devices[LB_ROLE_LIGHT];
}

/* M must be alive: nobody could press STOP otherwise. */
static gboolean
check_heartbeat (LbBench *self, GError **error)
{
  gint64 heartbeat_us = atomic_load (&self->heartbeat_us);

  if (heartbeat_us == 0 || g_get_monotonic_time () - heartbeat_us < HEARTBEAT_LIMIT_US)
    return TRUE;
  g_set_error_literal (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_TIMEOUT,
                       _ ("the program's main loop has not answered for 1 s, so the light was switched off"));
  return FALSE;
}

/* An error that came from the light shows in the state too. */
static void
note_trip (LbBench *self, const GError *error)
{
  if (g_error_matches (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_INTERLOCK) &&
      lb_bench_get_light (self) != LB_LIGHT_OFF)
    lb_bench_set_light_state (self, LB_LIGHT_TRIPPED);
}

gboolean
lb_bench_light_on (LbBench *self, LbBenchJob *job, double level, GError **error)
{
  LbLightSource *light = light_source (self);
  g_autoptr (GError) local_error = NULL;
  gint64 deadline_us = lb_bench_deadline ();
  gboolean done = check_heartbeat (self, &local_error);

  if (light == NULL)
    {
      /* The source plane is the light. */
      self->lit = done;
      if (done)
        lb_bench_set_light_state (self, LB_LIGHT_ON);
    }
  else
    {
      if (done && level != self->light_level)
        {
          done = lb_light_source_set_level (light, level, NULL, job->cancellable, deadline_us, &local_error);
          self->light_level = done ? level : 0;
        }
      if (done && self->lit)
        done = lb_light_source_renew (light, job->generation, LB_BENCH_LEASE_US, job->cancellable,
                                      deadline_us, &local_error);
      else if (done)
        done = lb_light_source_output_on (light, job->generation, LB_BENCH_LEASE_US, job->cancellable,
                                          deadline_us, &local_error);
      if (done && !self->lit)
        lb_bench_set_light_state (self, LB_LIGHT_ON);
      self->lit = done;
    }
  if (done)
    return TRUE;
  note_trip (self, local_error);
  g_propagate_error (error, g_steal_pointer (&local_error));
  return FALSE;
}

gboolean
lb_bench_light_off (LbBench *self, GError **error)
{
  LbLightSource *light = light_source (self);
  gboolean off = TRUE;

  if (!self->lit)
    return TRUE;
  self->lit = FALSE;
  if (light != NULL)
    {
      off = lb_device_get_state (LB_DEVICE (light)) == LB_DEVICE_ABSENT ||
            lb_light_source_output_off (light, NULL, lb_bench_deadline (), error);
      if (!off)
        lb_light_source_off_now (light, atomic_load (&self->generation));
    }
  else if (lb_device_get_state (self->devices[LB_ROLE_SOURCE]) != LB_DEVICE_ABSENT)
    {
      off = lb_modulator_blank (LB_MODULATOR (self->devices[LB_ROLE_SOURCE]), NULL, lb_bench_deadline (),
                                error);
      self->shown[LB_ROLE_SOURCE] = 0;
    }
  if (lb_bench_get_light (self) == LB_LIGHT_ON)
    lb_bench_set_light_state (self, off ? LB_LIGHT_ARMED : LB_LIGHT_NOT_CONFIRMED);
  return off;
}

gboolean
lb_bench_camera_stop (LbBench *self, GError **error)
{
  LbCamera *camera = LB_CAMERA (self->devices[LB_ROLE_CAMERA]);

  if (!self->camera_running)
    return TRUE;
  self->camera_running = FALSE;
  return lb_device_get_state (LB_DEVICE (camera)) == LB_DEVICE_ABSENT ||
         lb_camera_stop (camera, NULL, lb_bench_deadline (), error);
}

void
lb_bench_begin_run (LbBench *self, guint64 ordinal)
{
  g_return_if_fail (LB_IS_BENCH (self));
  for (guint role = 0; role < LB_N_ROLES; role++)
    if (self->devices[role] != NULL)
      lb_device_begin_run (self->devices[role], ordinal);
}

gboolean
lb_bench_configure_camera (LbBench *self,
                           const LbCameraFormat *want,
                           LbCameraFormat *actual,
                           GCancellable *cancellable,
                           GError **error)
{
  LbCamera *camera = LB_CAMERA (self->devices[LB_ROLE_CAMERA]);
  LbCameraFormat format;

  if (lb_bench_current_job (self, error) == NULL)
    return FALSE;
  if (!lb_bench_camera_stop (self, error) ||
      !lb_camera_configure (camera, want, &format, cancellable, lb_bench_deadline (), error) ||
      !lb_camera_start (camera, 4, cancellable, lb_bench_deadline (), error))
    {
      g_prefix_error (error, "%s: ", lb_role_get_name (LB_ROLE_CAMERA));
      return FALSE;
    }
  self->camera_running = TRUE;
  self->camera_format = format;
  self->exposure_us = 0;
  if (actual != NULL)
    *actual = format;
  return TRUE;
}

void
lb_bench_get_camera_format (LbBench *self, LbCameraFormat *format)
{
  g_return_if_fail (LB_IS_BENCH (self));
  *format = self->camera_format;
}

/* Waits in bench time; keeps a lit lease alive on the way. */
static gboolean
wait_until (LbBench *self, LbBenchJob *job, gint64 time_us, GError **error)
{
  LbClock *clock = self->driver_context.clock;
  gint64 step_us = lb_clock_is_virtual (clock) ? G_MAXINT64 / 4 : LB_BENCH_RENEW_US;

  while (lb_clock_now_us (clock) < time_us)
    {
      gint64 next_us = MIN (time_us, lb_clock_now_us (clock) + step_us);

      if (self->lit && !lb_bench_light_on (self, job, self->light_level, error))
        return FALSE;
      if (!lb_clock_wait_until (clock, next_us, job->cancellable, error))
        return FALSE;
    }
  return TRUE;
}

/* Hands a changed pattern to its plane; @changed tells that it did. */
static gboolean
show (LbBench *self, LbBenchJob *job, LbRole role, LbPattern *pattern, gboolean *changed, GError **error)
{
  *changed = FALSE;
  if (pattern == NULL || pattern->serial == self->shown[role])
    return TRUE;
  self->shown[role] = 0;
  if (!lb_modulator_show (LB_MODULATOR (self->devices[role]), pattern, ++self->sequence[role],
                          job->cancellable, lb_bench_deadline (), error))
    return FALSE;
  self->shown[role] = pattern->serial;
  *changed = TRUE;
  return TRUE;
}

/* Shows both patterns; *@ready_us: bench time from which they are settled. */
static gboolean
show_patterns (LbBench *self, LbBenchJob *job, const LbExposure *exposure, gint64 *ready_us, GError **error)
{
  const LbSetupOptics *optics = lb_setup_get_optics (self->setup);
  const double settling_us[2] = { optics->source_settling_us, optics->weight_settling_us };
  LbPattern *patterns[2] = { exposure->source, exposure->weight };
  gboolean changed[2];

  *ready_us = lb_clock_now_us (self->driver_context.clock);
  for (guint role = LB_ROLE_SOURCE; role <= LB_ROLE_WEIGHT; role++)
    if (!show (self, job, role, patterns[role], &changed[role], error))
      {
        g_prefix_error (error, "%s: ", lb_role_get_name (role));
        return FALSE;
      }
  for (guint role = LB_ROLE_SOURCE; role <= LB_ROLE_WEIGHT; role++)
    {
      gint64 presented_us;

      if (!changed[role])
        continue;
      if (!lb_modulator_wait_presented (LB_MODULATOR (self->devices[role]), self->sequence[role],
                                        &presented_us, job->cancellable, lb_bench_deadline (), error))
        {
          g_prefix_error (error, "%s: ", lb_role_get_name (role));
          return FALSE;
        }
      *ready_us = MAX (*ready_us, presented_us + (gint64) ceil (settling_us[role]));
    }
  return TRUE;
}

static gboolean
set_exposure (LbBench *self, LbBenchJob *job, const LbExposure *exposure, GError **error)
{
  double gain = exposure->gain > 0 ? exposure->gain : 1;

  if (exposure->exposure_us == self->exposure_us && gain == self->gain)
    return TRUE;
  self->exposure_us = 0;
  if (!lb_camera_set_exposure (LB_CAMERA (self->devices[LB_ROLE_CAMERA]), exposure->exposure_us, gain, NULL,
                               NULL, NULL, job->cancellable, lb_bench_deadline (), error))
    {
      g_prefix_error (error, "%s: ", lb_role_get_name (LB_ROLE_CAMERA));
      return FALSE;
    }
  self->exposure_us = exposure->exposure_us;
  self->gain = gain;
  return TRUE;
}

/* Light as the exposure wants it. */
static gboolean
set_light (LbBench *self, LbBenchJob *job, const LbExposure *exposure, GError **error)
{
  double level =
      exposure->light_level > 0 ? exposure->light_level : lb_setup_get_optics (self->setup)->light_level;

  if (!exposure->light)
    {
      /* Without a light source the source plane is dark already, by its pattern. */
      gboolean off = light_source (self) == NULL || lb_bench_light_off (self, error);

      if (!off)
        g_prefix_error (error, "%s: ", lb_role_get_name (LB_ROLE_LIGHT));
      return off;
    }
  if (lb_bench_light_on (self, job, level, error))
    return TRUE;
  g_prefix_error (error, "%s: ", lb_role_get_name (LB_ROLE_LIGHT));
  return FALSE;
}

static gboolean
take_frames (LbBench *self,
             LbBenchJob *job,
             const LbExposure *exposure,
             gint64 ready_us,
             LbFrameSink sink,
             gpointer data,
             GError **error)
{
  LbCamera *camera = LB_CAMERA (self->devices[LB_ROLE_CAMERA]);
  gint64 patience_us = (gint64) MAX (3 * G_USEC_PER_SEC, 4 * exposure->exposure_us + G_USEC_PER_SEC);

  for (guint nth = 0; nth < MAX (exposure->frames, 1); nth++)
    {
      g_autoptr (LbFrame) frame = NULL;

      if (exposure->light && !set_light (self, job, exposure, error))
        return FALSE;
      frame = lb_camera_wait_frame (camera, ready_us, job->cancellable, g_get_monotonic_time () + patience_us,
                                    error);
      if (frame == NULL)
        {
          g_prefix_error (error, "%s: ", lb_role_get_name (LB_ROLE_CAMERA));
          return FALSE;
        }
      ready_us = frame->end_us;
      atomic_fetch_add (&self->exposures, 1);
      if (lb_bench_current_job (self, error) == NULL || !sink (exposure, nth, frame, data, error))
        return FALSE;
    }
  return TRUE;
}

/* Without a light source a dark exposure shows a black source plane. */
static void
black_source (LbBench *self, LbExposure *exposure, LbPattern **black)
{
  if (exposure->light || light_source (self) != NULL)
    return;
  if (*black == NULL)
    *black = lb_pattern_new_uniform (self->modulator_caps[LB_ROLE_SOURCE].width,
                                     self->modulator_caps[LB_ROLE_SOURCE].height, 0);
  exposure->source = *black;
}

static gboolean
expose (LbBench *self,
        LbBenchJob *job,
        LbExposure *exposure,
        LbPattern **black,
        LbFrameSink sink,
        gpointer data,
        GError **error)
{
  gint64 ready_us;

  if (exposure->light && exposure->exposure_us > LONGEST_LIT_EXPOSURE_US)
    {
      g_set_error_literal (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_RANGE,
                           _ ("an exposure with light on can be 0.5 s at most: use several"));
      return FALSE;
    }
  black_source (self, exposure, black);
  return show_patterns (self, job, exposure, &ready_us, error) && set_exposure (self, job, exposure, error) &&
         set_light (self, job, exposure, error) && wait_until (self, job, ready_us, error) &&
         take_frames (self, job, exposure, ready_us, sink, data, error);
}

gboolean
lb_bench_run_sequence (LbBench *self,
                       LbExposureSource source,
                       LbFrameSink sink,
                       gpointer data,
                       GCancellable *cancellable,
                       GError **error)
{
  LbBenchJob *job = lb_bench_current_job (self, error);
  g_autoptr (LbPattern) black = NULL;
  g_autoptr (GError) local_error = NULL;
  gboolean done = job != NULL;

  g_return_val_if_fail (LB_IS_BENCH (self) && source != NULL && sink != NULL, FALSE);

  while (done)
    {
      LbExposure exposure = { .frames = 1 };

      if (g_cancellable_is_cancelled (cancellable) || g_cancellable_is_cancelled (job->cancellable))
        {
          g_set_error (&local_error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_CANCELLED, _ ("\"%s\" was cancelled"),
                       job->name);
          done = FALSE;
        }
      else if (lb_bench_current_job (self, &local_error) == NULL)
        done = FALSE;
      else if (!source (&exposure, data, &local_error))
        {
          done = local_error == NULL;
          break;
        }
      else
        done = expose (self, job, &exposure, &black, sink, data, &local_error);
    }
  if (job != NULL && !atomic_load (&job->abandoned))
    done = lb_bench_light_off (self, done ? &local_error : NULL) && done;
  if (local_error != NULL)
    g_propagate_error (error, g_steal_pointer (&local_error));
  return done;
}
