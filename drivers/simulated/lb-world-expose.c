/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-world-faults.h"

#include <math.h>
#include <string.h>

/* From patterns to a frame. */

/* Rows of one unit of parallel work. */
#define BLOCK 16
/* Rows of a rolling shutter that are taken to be exposed together. */
#define BAND 8

static gsize
window_pixels (const LbWorldWindow *window)
{
  return (gsize) (window->x1 - window->x0) * (window->y1 - window->y0);
}

/* --- Patterns to light and transmission -------------------------------------------- */

/* Mean emission of a pattern, by its histogram: no order of summation. */
static double
mean_emission (const LbWorldOptics *optics, const LbPattern *pattern)
{
  gsize count = (gsize) pattern->width * pattern->height;
  guint64 histogram[256] = { 0 };
  double sum = 0;

  for (gsize i = 0; i < count; i++)
    histogram[pattern->data[i]]++;
  for (guint level = 0; level < 256; level++)
    sum += (double) histogram[level] * optics->emission[level];
  return sum / (double) count;
}

/* Light of the source's pattern on the weight plane, within the window. */
static void
build_source (LbWorld *self, LbWorldDisplay *display, const LbPattern *pattern)
{
  const LbWorldOptics *optics = &self->optics;
  const LbWorldSizes *sizes = &optics->sizes;
  const LbWorldParameters *p = &optics->parameters;
  const LbWorldWindow window = self->window;
  const LbWorldWindow seen = self->source_window;
  guint emission_threads = lb_kernel_threads (window_pixels (&seen), 1);
  guint resample_threads = lb_kernel_threads (window_pixels (&window), 5);
  float scale;

  display->mean_emission = p->source_load > 0 || p->stray_of_source > 0 ? mean_emission (optics, pattern) : 1;
  scale = (float) (1 - p->source_load * display->mean_emission);

#pragma omp parallel for num_threads(emission_threads) schedule(dynamic, BLOCK)
  for (guint y = seen.y0; y < seen.y1; y++)
    {
      gsize at = (gsize) y * sizes->source_width + seen.x0;

      lb_kernel_emission (pattern->data + at, optics->nonuniformity + at, optics->emission, scale,
                          seen.x1 - seen.x0, self->emission.data + y * self->emission.stride + seen.x0);
    }

#pragma omp parallel for num_threads(resample_threads) schedule(dynamic, BLOCK)
  for (guint y = window.y0; y < window.y1; y++)
    {
      gsize at = (gsize) y * sizes->weight_width + window.x0;

      lb_kernel_resample (&self->emission, optics->source_taps + at, &optics->source_kernel,
                          window.x1 - window.x0, display->target + at);
    }
}

static void
build_weight (LbWorld *self, LbWorldDisplay *display, const LbPattern *pattern)
{
  const LbWorldOptics *optics = &self->optics;
  const LbWorldParameters *p = &optics->parameters;
  const LbWorldWindow window = self->window;
  float kept = (float) (1 - p->polarisation_loss);
  float floor = (float) (kept * p->weight_floor + p->weight_reflection);
  float range = (float) (kept * (1 - p->weight_floor));
  guint threads = lb_kernel_threads (window_pixels (&window), 1);

#pragma omp parallel for num_threads(threads) schedule(dynamic, BLOCK)
  for (guint y = window.y0; y < window.y1; y++)
    {
      gsize at = (gsize) y * optics->sizes.weight_width + window.x0;

      lb_kernel_transmission (pattern->data + at, optics->phase_scale + at, optics->phase, floor, range,
                              window.x1 - window.x0, display->target + at);
    }
}

static void
build_target (LbWorld *self, LbRole role, LbPattern *pattern)
{
  g_autoptr (LbPattern) shown = lb_world_faults_show (self, role, pattern);

  if (role == LB_ROLE_SOURCE)
    build_source (self, &self->displays[role], shown);
  else
    build_weight (self, &self->displays[role], shown);
}

/* previous = what stands when the next pattern comes. */
static void
carry_over (LbWorld *self, LbWorldDisplay *display, float share)
{
  const LbWorldWindow window = self->window;
  guint threads = lb_kernel_threads (window_pixels (&window), 1);

  if (share == 0)
    {
      float *target = display->target;

      display->target = display->previous;
      display->previous = target;
      return;
    }
#pragma omp parallel for num_threads(threads) schedule(dynamic, BLOCK)
  for (guint y = window.y0; y < window.y1; y++)
    {
      gsize at = (gsize) y * self->optics.sizes.weight_width + window.x0;

      lb_kernel_carry (display->target + at, share, window.x1 - window.x0, display->previous + at);
    }
}

/* Brings target and previous up to what stands. */
static void
build_display (LbWorld *self, LbRole role)
{
  LbWorldDisplay *display = &self->displays[role];

  if (display->built == 0)
    {
      build_target (self, role, g_array_index (display->shown, LbWorldShown, 0).pattern);
      memcpy (display->previous, display->target,
              sizeof (float) * self->optics.sizes.weight_width * self->optics.sizes.weight_height);
      display->built = 1;
    }
  for (; display->built < display->shown->len; display->built++)
    {
      const LbWorldShown *next = &g_array_index (display->shown, LbWorldShown, display->built);

      carry_over (self, display, next->carry);
      build_target (self, role, next->pattern);
    }
}

/* --- Light to the sensor ----------------------------------------------------------- */

/* Mean over [from, to) of the product of what is left to settle of both planes. */
static double
product_rest (const LbWorld *self, gint64 from_us, gint64 to_us)
{
  const LbWorldDisplay *source = &self->displays[LB_ROLE_SOURCE];
  const LbWorldDisplay *weight = &self->displays[LB_ROLE_WEIGHT];
  double length_us = (double) (to_us - from_us);
  double rate;

  if (source->tau_us <= 0 || weight->tau_us <= 0 || length_us <= 0)
    return 0;
  rate = 1 / source->tau_us + 1 / weight->tau_us;
  return exp (-lb_world_display_age (source, from_us) / source->tau_us -
              lb_world_display_age (weight, from_us) / weight->tau_us) *
         -expm1 (-length_us * rate) / (rate * length_us);
}

static LbWorldShares
make_shares (const LbWorld *self, gint64 from_us, gint64 to_us, double exposure_us)
{
  double part = (double) (to_us - from_us) / exposure_us;
  double source = lb_world_display_rest (&self->displays[LB_ROLE_SOURCE], from_us, to_us);
  double weight = lb_world_display_rest (&self->displays[LB_ROLE_WEIGHT], from_us, to_us);

  return (LbWorldShares){ (float) part, (float) (part * source), (float) (part * weight),
                          source > 0 && weight > 0 ? (float) (part * product_rest (self, from_us, to_us))
                                                   : 0 };
}

/* Adds the light of the shares to the signal of sensor rows [first, last). */
static void
add_signal (LbWorld *self, const LbWorldShares *shares, guint first, guint last, gboolean add)
{
  const LbWorldOptics *optics = &self->optics;
  const LbWorldDisplay *source = &self->displays[LB_ROLE_SOURCE];
  const LbWorldDisplay *weight = &self->displays[LB_ROLE_WEIGHT];
  const LbWorldWindow window = self->window, region = self->region;
  guint product_threads = lb_kernel_threads (window_pixels (&window), 1);
  guint threads = lb_kernel_threads ((gsize) (last - first) * (region.x1 - region.x0), 4);
  guint low = window.y1, high = window.y0;

  for (guint y = first; y < last; y++)
    if (optics->camera_spans[y].last > 0)
      {
        low = MIN (low, MAX (optics->camera_spans[y].low, window.y0));
        high = MAX (high, MIN (optics->camera_spans[y].high, window.y1));
      }

#pragma omp parallel for num_threads(product_threads) schedule(dynamic, BLOCK)
  for (guint y = low; y < high; y++)
    {
      gsize at = (gsize) y * optics->sizes.weight_width + window.x0;

      lb_kernel_product (source->target + at, source->previous + at, weight->target + at,
                         weight->previous + at, optics->illumination + at, shares, FALSE,
                         window.x1 - window.x0, self->product.data + y * self->product.stride + window.x0);
    }

#pragma omp parallel for num_threads(threads) schedule(dynamic, 4)
  for (guint y = first; y < last; y++)
    {
      const LbWorldSpan *span = &optics->camera_spans[y];
      guint x0 = MAX (span->first, region.x0), x1 = MIN (span->last, region.x1);
      gsize row = (gsize) y * optics->sizes.sensor_width;

      for (guint x = x0; x < x1;)
        {
          float light[256];
          guint count = MIN (x1 - x, G_N_ELEMENTS (light));

          lb_kernel_resample (&self->product, optics->camera_taps + row + x, &optics->camera_kernel, count,
                              light);
          lb_kernel_multiply (light, optics->area + row + x, add, count, self->signal + row + x);
          x += count;
        }
    }
}

/* The light of the time in which both planes show the same patterns, for every
 * row of the region as far as it is exposed then. */
static void
add_epoch (LbWorld *self, const LbWorldExposure *exposure, gint64 from_us, gint64 to_us, gboolean add)
{
  const LbWorldWindow region = self->region;
  gint64 length_us = (gint64) llround (exposure->exposure_us);
  gboolean rolling = self->camera.readout_us > 0;
  guint band = rolling ? BAND : region.y1 - region.y0;

  build_display (self, LB_ROLE_SOURCE);
  build_display (self, LB_ROLE_WEIGHT);
  for (guint y = region.y0; y < region.y1; y += band)
    {
      gint64 start_us = exposure->start_us +
                        (gint64) llround (self->camera.readout_us * (y - region.y0) / self->camera.height);
      gint64 first_us = MAX (start_us, from_us), last_us = MIN (start_us + length_us, to_us);
      LbWorldShares shares = { 0 };

      if (first_us < last_us)
        shares = make_shares (self, first_us, last_us, (double) length_us);
      else if (add)
        continue;
      add_signal (self, &shares, y, MIN (y + band, region.y1), add);
    }
}

static gboolean
is_settled (const LbWorld *self, gint64 from_us, gint64 to_us)
{
  return lb_world_display_rest (&self->displays[LB_ROLE_SOURCE], from_us, to_us) == 0 &&
         lb_world_display_rest (&self->displays[LB_ROLE_WEIGHT], from_us, to_us) == 0 &&
         lb_world_display_next (&self->displays[LB_ROLE_SOURCE]) >= to_us &&
         lb_world_display_next (&self->displays[LB_ROLE_WEIGHT]) >= to_us;
}

/* Brings `signal` to the light of the exposure, epoch by epoch. */
static void
make_signal (LbWorld *self, const LbWorldExposure *exposure)
{
  LbWorldDisplay *source = &self->displays[LB_ROLE_SOURCE];
  LbWorldDisplay *weight = &self->displays[LB_ROLE_WEIGHT];
  const double rows = (double) (self->region.y1 - self->region.y0) / self->camera.height;
  gint64 now_us = exposure->start_us;
  /* Not later than the frame's end: the next frame may begin there, and displays do not go back. */
  gint64 end_us = now_us + (gint64) llround (exposure->exposure_us + self->camera.readout_us * rows);
  gboolean add = FALSE, settled;

  lb_world_display_advance (source, now_us);
  lb_world_display_advance (weight, now_us);
  settled = is_settled (self, now_us, end_us);
  if (settled && self->signal_versions[0] == source->version && self->signal_versions[1] == weight->version)
    return;
  self->signal_versions[0] = settled ? source->version : 0;
  self->signal_versions[1] = settled ? weight->version : 0;

  while (now_us < end_us)
    {
      gint64 next_us = MIN (lb_world_display_next (source), lb_world_display_next (weight));

      next_us = MIN (next_us, end_us);
      add_epoch (self, exposure, now_us, next_us, add);
      now_us = next_us;
      add = TRUE;
      if (now_us < end_us)
        {
          lb_world_display_advance (source, now_us);
          lb_world_display_advance (weight, now_us);
        }
    }
}

/* What the region sees has to be made anew when the region changes. */
static void
set_region (LbWorld *self, const LbWorldWindow *region)
{
  const LbWorldSizes *sizes = &self->optics.sizes;

  if (memcmp (&self->region, region, sizeof *region) == 0)
    return;
  self->region = *region;
  self->window =
      lb_world_taps_window (self->optics.camera_taps, sizes->sensor_width, region,
                            &self->optics.camera_kernel, sizes->weight_width, sizes->weight_height);
  self->source_window =
      lb_world_taps_window (self->optics.source_taps, sizes->weight_width, &self->window,
                            &self->optics.source_kernel, sizes->source_width, sizes->source_height);
  self->displays[LB_ROLE_SOURCE].built = 0;
  self->displays[LB_ROLE_WEIGHT].built = 0;
  self->signal_versions[0] = 0;
}

/* The same when a fault begins or ends that changes what a plane shows. */
static void
set_faults (LbWorld *self)
{
  const guint faults = lb_world_faults_of_planes (self);

  if (self->built_faults == faults)
    return;
  self->built_faults = faults;
  self->displays[LB_ROLE_SOURCE].built = 0;
  self->displays[LB_ROLE_WEIGHT].built = 0;
  self->signal_versions[0] = 0;
}

/* --- The exposure ------------------------------------------------------------------ */

/* Mean of 1 + amplitude sin over an exposure. */
static double
mean_flicker (double amplitude, double rate_hz, const LbWorldExposure *exposure)
{
  double turns = 2 * G_PI * rate_hz / G_USEC_PER_SEC;
  double from = turns * (double) exposure->start_us;
  double length = turns * exposure->exposure_us;

  return 1 + amplitude * (cos (from) - cos (from + length)) / length;
}

void
lb_world_expose (LbWorld *self, const LbWorldExposure *exposure, guint16 *out)
{
  const double exposure_us = exposure->exposure_us * lb_world_faults_exposure (self);
  const LbWorldParameters *p = &self->optics.parameters;
  LbWorldReadout readout = { exposure->region, exposure->bits, exposure->gain };
  const float *signal = self->signal;
  double light, electrons;

  g_return_if_fail (self->prepared);

  light = lb_world_is_lit (self) ? lb_world_light_level (self, atomic_load (&self->light.level)) : 0;
  g_mutex_lock (&self->lock);
  for (guint role = LB_ROLE_SOURCE; role <= LB_ROLE_WEIGHT; role++)
    if (lb_world_has_fault (self, (LbFault) role))
      lb_world_display_reset (&self->displays[role], exposure->start_us);
  set_region (self, &exposure->region);
  set_faults (self);

  readout.ordinal = self->ordinal++;
  readout.spans = self->optics.camera_spans;
  light *= lb_world_light_drift (self, exposure->start_us) *
           lb_world_faults_light (self, exposure->start_us) *
           MAX (1 + p->light_rin * lb_random_normal_at (self->noise.light, 0, readout.ordinal), 0);
  electrons = p->photons_per_us * exposure_us * light * p->quantum_efficiency * p->path_transmission;
  readout.signal_scale = electrons * mean_flicker (p->source_flicker, p->source_flicker_hz, exposure) *
                         mean_flicker (p->weight_flicker, p->weight_flicker_hz, exposure);
  readout.exposure_s = exposure_us / G_USEC_PER_SEC * lb_world_faults_dark (self);
  if (light > 0)
    make_signal (self, exposure);
  readout.stray_scale = electrons * (1 - p->stray_of_source +
                                     p->stray_of_source * self->displays[LB_ROLE_SOURCE].mean_emission);
  if (lb_world_faults_change_signal (self))
    {
      signal = lb_world_faults_signal (self, exposure, readout.signal_scale, exposure_us);
      readout.signal_scale = 1;
    }
  lb_world_sensor_read (&self->sensor, &self->noise, &readout, signal, self->optics.stray, out);
  g_mutex_unlock (&self->lock);
}

/* --- The power meter --------------------------------------------------------------- */

/* Planck's constant times the speed of light, J m. */
#define PHOTON_ENERGY_M 1.98644586e-25
/* Source pixels a side that are taken together. */
#define METER_BLOCK 8

double
lb_world_power (LbWorld *self, gint64 time_us)
{
  const LbWorldOptics *optics = &self->optics;
  const LbWorldParameters *p = &optics->parameters;
  const LbWorldMap *map = &optics->source_to_weight;
  double area = fabs (map->a[0] * map->a[3] - map->a[1] * map->a[2]);
  double light = lb_world_is_lit (self) ? lb_world_light_level (self, atomic_load (&self->light.level)) : 0;
  g_autoptr (LbPattern) told = lb_world_dup_shown (self, LB_ROLE_SOURCE);
  g_autoptr (LbPattern) pattern = lb_world_faults_show (self, LB_ROLE_SOURCE, told);
  double sum = 0;

  for (guint y = 0; y < pattern->height; y += METER_BLOCK)
    for (guint x = 0; x < pattern->width; x += METER_BLOCK)
      {
        guint width = MIN (METER_BLOCK, pattern->width - x), height = MIN (METER_BLOCK, pattern->height - y);
        double middle_x = x + (width - 1) / 2.0, middle_y = y + (height - 1) / 2.0;
        double emission = 0, wx, wy;

        for (guint j = 0; j < height; j++)
          for (guint i = 0; i < width; i++)
            emission += optics->emission[pattern->data[(gsize) (y + j) * pattern->width + x + i]];
        lb_world_map_forward (map, middle_x, middle_y, &wx, &wy);
        if (wx > -0.5 && wy > -0.5 && wx < optics->sizes.weight_width - 0.5 &&
            wy < optics->sizes.weight_height - 0.5)
          sum += emission * lb_world_optics_nonuniformity_at (optics, middle_x, middle_y) *
                 lb_world_optics_illumination_at (optics, wx, wy);
      }
  if (p->source_load > 0)
    sum *= 1 - p->source_load * mean_emission (optics, pattern);
  return sum * area * light * lb_world_light_drift (self, time_us) * lb_world_faults_light (self, time_us) *
         p->photons_per_us * G_USEC_PER_SEC * PHOTON_ENERGY_M / (p->wavelength_nm * 1e-9) *
         (1 + p->power_meter_error);
}
