/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-light-path-private.h"

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
                            .frames = 1,
                            .meter = TRUE };
  return TRUE;
}

static gboolean
take_probe (const LbExposure *exposure, guint nth, LbFrame *frame, gpointer data, GError **error)
{
  Probe *probe = data;
  const LbLayout *layout = probe->run->plan->layout;
  g_autoptr (LbReading) reading = NULL;
  g_autoptr (GError) local_error = NULL;

  probe->run->counts->exposures++;
  if (!lb_path_check_frame (layout->model, frame, error) ||
      (probe->level == 0 &&
       !lb_light_path_check (probe->run, exposure, 0, nth, frame, layout->model->light_per_us,
                             probe->run->cancellable, error)))
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
  probe->peak = lb_readout_find_peak (layout, frame->data, frame->gain);
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

/* Divides the light that @needed_us bring over frames that do not saturate:
 * @peak_per_us electrons a microsecond in the brightest pixel, 0: not known. */
static LbPathLight
divide (const LbOpticsModel *model, const LbCameraCaps *caps, double needed_us, double peak_per_us)
{
  const double shortest = caps->exposure_min_us, longest = caps->exposure_max_us;
  double limit = longest;
  LbPathLight light = { 0 };

  if (peak_per_us > 0)
    limit = CLAMP (usable_electrons (model) / peak_per_us, shortest, longest);
  light.frames = (guint) CLAMP (ceil (needed_us / limit), 1, 65535);
  light.exposure_us = CLAMP (needed_us / light.frames, shortest, longest);
  light.longest_us = limit;
  return light;
}

/* Light of a frame at the weight plane: N = L mean (c u) / (QE eta), optics.md,
 * "Photons". */
static double
find_wanted (const LbPathPlan *plan, double photons_per_mac)
{
  const LbOpticsModel *model = plan->model;

  return photons_per_mac * model->quantum_efficiency * model->path_transmission /
         MAX (lb_path_plan_mean_u (plan), MEAN_U_MIN);
}

LbPathLight
lb_path_forecast_light (const LbPathPlan *plan,
                        double photons_per_mac,
                        const LbCameraCaps *caps,
                        double usual_exposure_us)
{
  const LbOpticsModel *model = plan->model;
  const LbLayout *layout = plan->layout;
  const double patch_gain = layout->bright_gain / layout->bright_cells->len;
  double needed_us;

  if (!(model->light_per_us > 0))
    return (LbPathLight){ 0, usual_exposure_us, 1, usual_exposure_us };
  needed_us = find_wanted (plan, photons_per_mac) / model->light_per_us;
  /* The light is lowered then. */
  if (needed_us < caps->exposure_min_us)
    needed_us = EXPOSURE_HEADROOM * caps->exposure_min_us;
  return divide (model, caps, needed_us,
                 model->peak_share * patch_gain * field_brightness (layout) * model->light_per_us);
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
  const LbPathPlan *plan = self->plan;
  const LbSetupOptics *optics = lb_setup_get_optics (lb_bench_get_setup (self->bench));
  const double wanted = find_wanted (plan, self->photons_per_mac);
  g_autoptr (LbPattern) source = lb_path_plan_source (plan, 0);
  g_autoptr (LbPattern) weight = lb_path_plan_weight (plan, 0);
  Probe probe = { .run = self,
                  .source = source,
                  .weight = weight,
                  .exposure_us =
                      CLAMP (optics->exposure_us, self->caps.exposure_min_us, self->caps.exposure_max_us) };
  gboolean found;

  self->cancellable = cancellable;
  found = probe_light (self, &probe, wanted, cancellable, error);
  if (found)
    {
      const double needed_us = probe.saturated ? probe.actual_us : probe.actual_us * wanted / probe.light;

      self->light = divide (plan->model, &self->caps, needed_us,
                            probe.peak * field_brightness (plan->layout) / probe.actual_us);
      self->light.level = probe.level;
      self->light_per_us = probe.saturated ? 0 : probe.light / probe.actual_us;
    }
  g_clear_error (&probe.dark_error);
  return found;
}
