/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-world-faults.h"

#include <math.h>
#include <string.h>

/* Level of the window that covers the weight plane: a desktop's grey. */
#define WINDOW_LEVEL 150
/* A misalignment step, in parts of a macropixel. */
#define MISALIGNMENT 0.25
/* Fast drift: that much of the light goes in the end, and the beam tilts by that
 * much to either side of the field, with that time constant. */
#define DRIFT_LOSS 0.3
#define DRIFT_TILT 0.03
#define DRIFT_TAU_S 30.0
/* The room's light: electrons a second and pixel in the middle, and by how much
 * more or less at the left and right. */
#define ROOM_ELECTRONS_PER_S 2000.0
#define ROOM_TILT 0.4
/* A speck of dust: where it is and its radius, in widths of the sensor, and the light
 * that it takes in its middle. */
#define DUST_X 0.42
#define DUST_Y 0.3
#define DUST_RADIUS 0.02
#define DUST_LOSS 0.8
/* Five degrees more: it doubles each seven or so (EMVA 1288, dark current). */
#define WARM_DARK 1.6
/* Of the exposure time asked for. */
#define WRONG_EXPOSURE 0.5

guint
lb_world_faults_of_planes (const LbWorld *self)
{
  return atomic_load (&self->faults) & (1u << LB_FAULT_COVER_WEIGHT | 1u << LB_FAULT_DARK_SOURCE |
                                        1u << LB_FAULT_DARK_WEIGHT | 1u << LB_FAULT_MISALIGN);
}

/* The picture of the source lies further to the right on the weight plane, so it
 * is the source's pattern that is shifted. */
static LbPattern *
shift (const LbPattern *pattern, guint by)
{
  guint8 *data = g_malloc0 ((gsize) pattern->width * pattern->height);

  for (guint y = 0; y < pattern->height && by < pattern->width; y++)
    memcpy (data + (gsize) y * pattern->width + by, pattern->data + (gsize) y * pattern->width,
            pattern->width - by);
  return lb_pattern_new_take (pattern->width, pattern->height, data);
}

LbPattern *
lb_world_faults_show (LbWorld *self, LbRole role, LbPattern *pattern)
{
  const guint macropixel = lb_setup_get_optics (self->setup)->macropixel;

  if (lb_world_has_fault (self, role == LB_ROLE_SOURCE ? LB_FAULT_DARK_SOURCE : LB_FAULT_DARK_WEIGHT))
    return lb_pattern_new_uniform (pattern->width, pattern->height, 0);
  if (role == LB_ROLE_WEIGHT && lb_world_has_fault (self, LB_FAULT_COVER_WEIGHT))
    return lb_pattern_new_uniform (pattern->width, pattern->height, WINDOW_LEVEL);
  if (role == LB_ROLE_SOURCE && lb_world_has_fault (self, LB_FAULT_MISALIGN))
    return shift (pattern, MAX (1, (guint) lround (MISALIGNMENT * macropixel)));
  return lb_pattern_ref (pattern);
}

/* How far the fast drift has gone, 0..1. */
static double
drifted (LbWorld *self, gint64 time_us)
{
  const double since_s = (double) (time_us - atomic_load (&self->drift_since_us)) / G_USEC_PER_SEC;

  return lb_world_has_fault (self, LB_FAULT_FAST_DRIFT) ? -expm1 (-MAX (since_s, 0) / DRIFT_TAU_S) : 0;
}

double
lb_world_faults_light (LbWorld *self, gint64 time_us)
{
  if (lb_world_has_fault (self, LB_FAULT_BLOCK_BEAM))
    return 0;
  return 1 - DRIFT_LOSS * drifted (self, time_us);
}

double
lb_world_faults_exposure (LbWorld *self)
{
  return lb_world_has_fault (self, LB_FAULT_WRONG_EXPOSURE) ? WRONG_EXPOSURE : 1;
}

double
lb_world_faults_dark (LbWorld *self)
{
  return lb_world_has_fault (self, LB_FAULT_WARM) ? WARM_DARK : 1;
}

gboolean
lb_world_faults_change_signal (LbWorld *self)
{
  return lb_world_has_fault (self, LB_FAULT_FAST_DRIFT) || lb_world_has_fault (self, LB_FAULT_ROOM_LIGHT) ||
         lb_world_has_fault (self, LB_FAULT_DUST);
}

/* Out of focus, so its edge is soft. */
static double
behind_dust (double x, double y)
{
  return 1 - DUST_LOSS * exp (-(pow (x - DUST_X, 2) + pow (y - DUST_Y, 2)) / (DUST_RADIUS * DUST_RADIUS));
}

const float *
lb_world_faults_signal (LbWorld *self, const LbWorldExposure *exposure, double scale, double exposure_us)
{
  const guint width = self->optics.sizes.sensor_width;
  const LbWorldWindow *region = &exposure->region;
  const double tilt = DRIFT_TILT * drifted (self, exposure->start_us);
  const double room = lb_world_has_fault (self, LB_FAULT_ROOM_LIGHT)
                          ? ROOM_ELECTRONS_PER_S * exposure_us / G_USEC_PER_SEC
                          : 0;
  const gboolean dust = lb_world_has_fault (self, LB_FAULT_DUST);

  if (self->faulted_signal == NULL)
    self->faulted_signal = g_new0 (float, (gsize) width * self->optics.sizes.sensor_height);
  for (guint y = region->y0; y < region->y1; y++)
    for (guint x = region->x0; x < region->x1; x++)
      {
        const gsize at = (gsize) y * width + x;
        const double side = 2.0 * x / width - 1;

        self->faulted_signal[at] =
            (float) (scale * (1 + tilt * side) *
                         (dust ? behind_dust ((double) x / width, (double) y / width) : 1) *
                         self->signal[at] +
                     room * (1 + ROOM_TILT * side));
      }
  return self->faulted_signal;
}
