/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-bench-private.h"

#include <math.h>

/*
 * The power meter beside exposures, in the worker. It sees the source plane, not what
 * the weight plane makes of it, so it is read as soon as the source has settled: while
 * the slower plane still does, or the camera exposes, whose frames wait in its buffers.
 * A meter that takes longer than that is read less often.
 */

/* Time that a meter which is too slow to be read beside each exposure may take, one part in that many. */
#define SLOW_SHARE 50
/* At most between two renewals of the light. */
#define WAIT_US (G_USEC_PER_SEC / 5)

static LbPowerMeter *
power_meter (LbBench *self)
{
  return (LbPowerMeter *) self->devices[LB_ROLE_POWER_METER];
}

gboolean
lb_bench_meter_plan (LbBench *self, const LbExposure *exposure, gint64 from_us, gint64 *end_us)
{
  if (!exposure->meter || !exposure->light || exposure->unsettled || power_meter (self) == NULL)
    return FALSE;
  if (from_us + self->meter_reading_us <= *end_us)
    return TRUE;
  if (from_us < self->meter_next_us)
    return FALSE;
  self->meter_next_us = from_us + SLOW_SHARE * self->meter_reading_us;
  *end_us += self->meter_reading_us;
  return TRUE;
}

static gboolean
make_ready (LbBench *self, GCancellable *cancellable, GError **error)
{
  LbPowerMeterCaps caps;

  if (self->meter_ready)
    return TRUE;
  /* What a calibration step has set is far too slow. */
  self->meter_ready =
      lb_power_meter_get_caps (power_meter (self), &caps, cancellable, lb_bench_get_deadline (), error) &&
      (!caps.has_averaging ||
       lb_power_meter_set_averaging (power_meter (self), 1, cancellable, lb_bench_get_deadline (), error));
  return self->meter_ready;
}

/* More than its range is infinite power. */
static gboolean
read_power (LbBench *self, GCancellable *cancellable, GError **error)
{
  g_autoptr (GError) local_error = NULL;

  if (lb_power_meter_read (power_meter (self), &self->power_w, NULL, cancellable, lb_bench_get_deadline (),
                           &local_error))
    return TRUE;
  self->power_w = INFINITY;
  if (g_error_matches (local_error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_OVER_RANGE))
    return TRUE;
  self->power_w = NAN;
  g_propagate_error (error, g_steal_pointer (&local_error));
  return FALSE;
}

/* The light's lease is renewed meanwhile. */
static gboolean
wait_until (LbBench *self, LbBenchAction *action, gint64 time_us, GError **error)
{
  LbClock *clock = self->driver_context.clock;

  while (lb_clock_now_us (clock) < time_us)
    if (!lb_clock_wait_until (clock, MIN (time_us, lb_clock_now_us (clock) + WAIT_US), action->cancellable,
                              error) ||
        !lb_bench_light_renew (self, action, error))
      return FALSE;
  return TRUE;
}

gboolean
lb_bench_meter_read (LbBench *self, LbBenchAction *action, gint64 from_us, GError **error)
{
  LbClock *clock = self->driver_context.clock;
  gint64 begun_us;

  if (!wait_until (self, action, from_us, error))
    return FALSE;
  begun_us = lb_clock_now_us (clock);
  if (!make_ready (self, action->cancellable, error) || !read_power (self, action->cancellable, error))
    {
      g_prefix_error (error, "%s: ", lb_role_get_name (LB_ROLE_POWER_METER));
      return FALSE;
    }
  self->meter_reading_us = lb_clock_now_us (clock) - begun_us;
  return TRUE;
}

/**
 * lb_bench_get_power_w:
 *
 * In a sink of frames.
 *
 * Returns: watts that the power meter read during the exposure whose frames are handed on, infinite if that
 *   was over its range; NAN where it was not read
 */
double
lb_bench_get_power_w (LbBench *self)
{
  g_return_val_if_fail (LB_IS_BENCH (self), NAN);
  return self->power_w;
}
