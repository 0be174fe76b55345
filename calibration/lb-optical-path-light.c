/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-optical-path-private.h"

#include <glib/gi18n-lib.h>
#include <math.h>

/* The brightest pixel may reach that part of the full range: speckle and the
 * jitter of the light come on top. */
#define FILL 0.7
#define TRIES_MAX 16
/* The light is lowered until the exposure time is that many times the
 * camera's shortest, so that time sets the rest finely. */
#define EXPOSURE_HEADROOM 2.0
/* x^ of 0 everywhere would ask for endless light. */
#define MEAN_U_MIN 0.01

/* One frame of the first exposure. */
typedef struct
{
  LbPathRun *run;
  double exposure_us, level;
  LbPattern *source, *weight;
  gboolean asked;
  /* What it says. */
  gboolean dark, saturated;
  double light;     /* L of the frame */
  double actual_us; /* exposure time of the frame */
  double peak;      /* electrons of the brightest pixel of the bright patches */
  GError *dark_error;
} Probe;

static gboolean
next_probe (LbExposure *exposure, gpointer data, GError **error)
{
  Probe *probe = data;

  if (probe->asked)
    return FALSE;
  probe->asked = TRUE;
  *exposure = (LbExposure){ .source = probe->source,
                            .weight = probe->weight,
                            .light = TRUE,
                            .light_level = probe->level,
                            .exposure_us = probe->exposure_us,
                            .frames = 1 };
  return TRUE;
}

static double
find_peak (const LbLayout *layout, const LbFrame *frame)
{
  const LbOpticsModel *model = layout->model;
  double peak = 0;

  for (gsize y = 0; y < frame->height; y++)
    for (gsize x = 0; x < frame->width; x++)
      {
        const gsize pixel = y * frame->width + x;

        if (layout->region[pixel] == LB_REGION_BRIGHT)
          peak = MAX (peak, frame->data[pixel] - (double) lb_matrix_get (model->offset_dn, y, x));
      }
  return peak * model->electrons_per_dn / (frame->gain > 0 ? frame->gain : 1);
}

static gboolean
take_probe (const LbExposure *exposure, guint nth, LbFrame *frame, gpointer data, GError **error)
{
  Probe *probe = data;
  const LbLayout *layout = probe->run->plan->layout;
  g_autoptr (LbReading) reading = NULL;
  g_autoptr (GError) local_error = NULL;

  probe->run->counts->exposures++;
  if (!lb_path_check_frame (layout->model, frame, error))
    return FALSE;
  reading = lb_readout_read (layout, frame->data, frame->width, frame->height, frame->exposure_us,
                             frame->gain, TRUE, &local_error);
  if (reading == NULL && !g_error_matches (local_error, LB_OPTICS_ERROR, LB_OPTICS_ERROR_DARK))
    {
      g_propagate_error (error, g_steal_pointer (&local_error));
      return FALSE;
    }
  g_clear_error (&probe->dark_error);
  probe->dark_error = g_steal_pointer (&local_error);
  probe->dark = reading == NULL;
  probe->actual_us = frame->exposure_us;
  probe->saturated = FALSE;
  if (reading == NULL)
    return TRUE;
  probe->saturated = reading->bright_saturated > 0;
  for (guint t = 0; t < reading->tiles && !probe->saturated; t++)
    probe->saturated = reading->saturated[t] > 0;
  probe->light = reading->light;
  probe->peak = find_peak (layout, frame);
  return probe->saturated || lb_path_check_patches (layout, reading, error);
}

/* Electrons that the brightest pixel of the field has for each electron of the
 * brightest pixel of the bright patches: no element is brighter than c0 G. */
static double
field_brightness (const LbLayout *layout)
{
  const double patch_gain = layout->bright_gain / layout->bright_cells->len;
  double brightest = patch_gain;

  for (guint t = 0; t < layout->n_tiles; t++)
    brightest = MAX (brightest, (double) layout->tile_c0[t] * layout->tile_gain[t]);
  return brightest / patch_gain;
}

static double
usable_electrons (const LbOpticsModel *model)
{
  const double offset = lb_matrix_get (model->offset_dn, 0, 0);
  const double largest = ((1u << MIN (model->bits, 16)) - 1 - offset) * model->electrons_per_dn;

  return FILL * MIN (model->full_well, largest);
}

/* Divides the light that is wanted over frames. */
static void
settle (LbPathRun *self, const Probe *probe, double needed_us)
{
  const double shortest = self->caps.exposure_min_us, longest = self->caps.exposure_max_us;
  const double peak = probe->peak * field_brightness (self->plan->layout);
  double limit = longest;

  if (peak > 0)
    limit = CLAMP (probe->actual_us * usable_electrons (self->plan->model) / peak, shortest, longest);
  self->light.level = probe->level;
  self->light.frames = (guint) CLAMP (ceil (needed_us / limit), 1, 65535);
  self->light.exposure_us = CLAMP (needed_us / self->light.frames, shortest, longest);
}

/* After a frame without light: longer, or brighter if the light was lowered.
 * FALSE with @error if there is nothing left to try. */
static gboolean
more_light (LbPathRun *self, Probe *probe, double *level_lit, GError **error)
{
  const double longest = self->caps.exposure_max_us;

  if (*level_lit > 0)
    probe->level = 0.5 * (probe->level + *level_lit);
  else if (probe->exposure_us < longest)
    probe->exposure_us = MIN (8 * probe->exposure_us, longest);
  else
    {
      g_propagate_error (error, g_steal_pointer (&probe->dark_error));
      return FALSE;
    }
  return TRUE;
}

/* Shorter or darker by @factor < 1; FALSE if neither goes. */
static gboolean
less_light (LbPathRun *self, Probe *probe, double factor)
{
  const LbSetupOptics *optics = lb_setup_get_optics (lb_bench_get_setup (self->bench));
  const double shortest = self->caps.exposure_min_us;
  LbLightSourceCaps light_caps;

  if (probe->exposure_us > shortest)
    {
      probe->exposure_us = MAX (probe->exposure_us * factor, shortest);
      return TRUE;
    }
  if (!lb_bench_get_light_caps (self->bench, &light_caps))
    return FALSE;
  probe->level =
      MAX ((probe->level > 0 ? probe->level : optics->light_level) * MAX (factor, 0.25), light_caps.minimum);
  return probe->level > light_caps.minimum;
}

/* Takes one frame after the other until one tells the light. */
static gboolean
probe_light (LbPathRun *self, Probe *probe, double wanted, GCancellable *cancellable, GError **error)
{
  const double shortest = self->caps.exposure_min_us;
  double level_lit = 0;

  for (guint try = 0; try < TRIES_MAX; try++)
    {
      double needed_us;

      probe->asked = FALSE;
      if (!lb_bench_run_sequence (self->bench, next_probe, take_probe, probe, cancellable, error))
        return FALSE;
      if (probe->dark)
        {
          if (!more_light (self, probe, &level_lit, error))
            return FALSE;
          continue;
        }
      if (probe->saturated)
        {
          /* At the end of its range it stays saturated, and the results are marked. */
          if (!less_light (self, probe, 0.25))
            return TRUE;
          continue;
        }
      needed_us = probe->actual_us * wanted / probe->light;
      if (needed_us >= shortest)
        return TRUE;
      level_lit = probe->level > 0 ? probe->level
                                   : lb_setup_get_optics (lb_bench_get_setup (self->bench))->light_level;
      probe->exposure_us = shortest;
      if (!less_light (self, probe, needed_us / (EXPOSURE_HEADROOM * shortest)))
        return TRUE;
      probe->exposure_us = MIN (EXPOSURE_HEADROOM * shortest, self->caps.exposure_max_us);
    }
  if (probe->dark)
    {
      g_propagate_error (error, g_steal_pointer (&probe->dark_error));
      return FALSE;
    }
  return TRUE;
}

gboolean
lb_path_find_light (LbPathRun *self, GCancellable *cancellable, GError **error)
{
  const LbOpticsModel *model = self->plan->model;
  const LbSetupOptics *optics = lb_setup_get_optics (lb_bench_get_setup (self->bench));
  const double mean_u = MAX (lb_path_plan_mean_u (self->plan), MEAN_U_MIN);
  /* N = L mean (c u) / (QE eta), optics.md, "Photons". */
  const double wanted = self->photons_per_mac * model->quantum_efficiency * model->path_transmission / mean_u;
  g_autoptr (LbPattern) source = lb_path_plan_source (self->plan, 0);
  g_autoptr (LbPattern) weight = lb_path_plan_weight (self->plan, 0);
  Probe probe = { .run = self,
                  .source = source,
                  .weight = weight,
                  .exposure_us =
                      CLAMP (optics->exposure_us, self->caps.exposure_min_us, self->caps.exposure_max_us) };
  gboolean found = probe_light (self, &probe, wanted, cancellable, error);

  if (found)
    settle (self, &probe, probe.saturated ? probe.actual_us : probe.actual_us * wanted / probe.light);
  g_clear_error (&probe.dark_error);
  return found;
}
