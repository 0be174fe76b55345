/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-bench-ahead-private.h"

#include <math.h>
#include <string.h>

/*
 * Exposures ahead of time, in the worker. A display shows a pattern some frames
 * after it was handed over. So that this is not waited for, the patterns of the
 * next exposures are handed over while earlier ones settle and are exposed, each
 * with the time before which it must not stand: when the last row of the frames
 * before it has been exposed at the latest (optics.md, "Time"). Where the camera
 * is in its period when the planes have settled is not known: a whole one is
 * allowed for.
 */

static LbPattern *
ref_pattern (LbPattern *pattern)
{
  return pattern != NULL ? lb_pattern_ref (pattern) : NULL;
}

static void
turn_clear (LbBenchTurn *turn)
{
  g_clear_pointer (&turn->given.source, lb_pattern_unref);
  g_clear_pointer (&turn->given.weight, lb_pattern_unref);
}

void
lb_bench_ahead_init (LbBenchAhead *self, LbBench *bench, LbBenchAction *action)
{
  *self = (LbBenchAhead){ .bench = bench, .action = action };
  self->enabled = bench->modulator_caps[LB_ROLE_SOURCE].ahead && bench->modulator_caps[LB_ROLE_WEIGHT].ahead;
}

void
lb_bench_ahead_clear (LbBenchAhead *self)
{
  lb_bench_ahead_forget (self);
  for (guint i = 0; i < self->count; i++)
    turn_clear (&self->turns[i]);
  self->count = 0;
}

gboolean
lb_bench_ahead_has_room (const LbBenchAhead *self)
{
  return self->count == 0 ||
         (self->enabled && self->count < LB_BENCH_AHEAD && self->turns[self->count - 1].given.ahead);
}

void
lb_bench_ahead_push (LbBenchAhead *self, const LbExposure *given, const LbExposure *filled)
{
  g_return_if_fail (self->count < LB_BENCH_AHEAD);
  self->turns[self->count] = (LbBenchTurn){ .given = *given, .exposure = *filled };
  self->turns[self->count].given.source = ref_pattern (given->source);
  self->turns[self->count].given.weight = ref_pattern (given->weight);
  self->count++;
}

void
lb_bench_ahead_pop (LbBenchAhead *self)
{
  g_return_if_fail (self->count > 0);
  turn_clear (&self->turns[0]);
  self->count--;
  memmove (self->turns, self->turns + 1, self->count * sizeof *self->turns);
}

static void
expect_end (const LbBenchAhead *self, LbBenchTurn *turn, gint64 ready_us)
{
  const LbCameraCaps *caps = &self->bench->camera_caps;
  const double frame_us = turn->exposure.exposure_us + caps->readout_us;
  const double period_us = MAX (caps->frame_period_us, frame_us);

  turn->end_us = ready_us + (gint64) ceil (turn->exposure.frames * period_us + frame_us);
  turn->meter =
      lb_bench_meter_plan (self->bench, &turn->exposure, turn->settled_us[LB_ROLE_SOURCE], &turn->end_us);
}

void
lb_bench_ahead_note_first (LbBenchAhead *self, gint64 ready_us)
{
  LbBenchTurn *turn = &self->turns[0];

  for (guint role = LB_ROLE_SOURCE; role <= LB_ROLE_WEIGHT; role++)
    {
      turn->serial[role] = self->bench->planes[role].shown;
      turn->settled_us[role] = self->bench->planes[role].settled_us;
    }
  expect_end (self, turn, ready_us);
}

/* Whether nothing but patterns is different. Without a light source a dark exposure
 * is made by the source plane. */
static gboolean
can_follow (const LbBenchAhead *self, const LbExposure *before, const LbExposure *after)
{
  return !before->unsettled && !after->unsettled && before->light == after->light &&
         (after->light || lb_bench_has_light_source (self->bench)) &&
         before->light_level == after->light_level && before->exposure_us == after->exposure_us &&
         before->gain == after->gain;
}

static gboolean
hand_over_pattern (LbBenchAhead *self,
                   const LbBenchTurn *before,
                   LbBenchTurn *turn,
                   guint role,
                   LbPattern *pattern,
                   GError **error)
{
  LbBench *bench = self->bench;
  LbBenchTiming timing;
  gint64 time_us = 0;

  turn->serial[role] = before->serial[role];
  turn->settled_us[role] = before->settled_us[role];
  turn->sequence[role] = 0;
  if (pattern == NULL || pattern->serial == before->serial[role])
    return TRUE;
  turn->sequence[role] = ++bench->planes[role].sequence;
  if (!lb_modulator_show_at (LB_MODULATOR (bench->devices[role]), pattern, turn->sequence[role],
                             before->end_us, &time_us, self->action->cancellable, lb_bench_get_deadline (),
                             error))
    {
      g_prefix_error (error, "%s: ", lb_role_get_name (role));
      return FALSE;
    }
  lb_bench_get_timing (bench, &timing);
  turn->serial[role] = pattern->serial;
  turn->settled_us[role] = time_us + (gint64) ceil (timing.settling_us[role]);
  return TRUE;
}

gboolean
lb_bench_ahead_hand_over (LbBenchAhead *self, GError **error)
{
  for (guint i = 1; self->enabled && i < self->count; i++)
    {
      const LbBenchTurn *before = &self->turns[i - 1];
      LbBenchTurn *turn = &self->turns[i];

      if (turn->handed)
        continue;
      if (!can_follow (self, &before->exposure, &turn->exposure))
        return TRUE;
      /* What was handed over to one plane must be forgotten if the other fails. */
      turn->handed = TRUE;
      if (!hand_over_pattern (self, before, turn, LB_ROLE_SOURCE, turn->given.source, error) ||
          !hand_over_pattern (self, before, turn, LB_ROLE_WEIGHT, turn->given.weight, error))
        return FALSE;
      expect_end (self, turn, MAX (before->end_us, MAX (turn->settled_us[0], turn->settled_us[1])));
    }
  return TRUE;
}

void
lb_bench_ahead_forget (LbBenchAhead *self)
{
  for (guint i = 0; i < self->count; i++)
    {
      LbBenchTurn *turn = &self->turns[i];

      for (guint role = LB_ROLE_SOURCE; role <= LB_ROLE_WEIGHT; role++)
        if (turn->handed && turn->sequence[role] != 0)
          self->bench->planes[role].shown = 0;
      turn->handed = FALSE;
    }
}
