/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-calibration-private.h"

#include <math.h>

/* Display periods until a pattern that was handed over stands: its latency. */
#define SHOW_PERIODS 2.0

void
lb_calibration_forecast_add (LbCalibrationForecast *self,
                             LbBench *bench,
                             guint changes,
                             double frames,
                             double exposure_us,
                             double rows)
{
  LbBenchTiming timing;
  LbCameraCaps camera;
  double change_us = 0, frame_us;

  if (!lb_bench_get_camera_caps (bench, &camera))
    return;
  lb_bench_get_timing (bench, &timing);
  for (guint role = LB_ROLE_SOURCE; role <= LB_ROLE_WEIGHT; role++)
    {
      LbModulatorCaps plane;

      if (lb_bench_get_modulator_caps (bench, role, &plane) && plane.rate_hz > 0)
        /* Now one changes, now the other. */
        change_us += 0.5 * (SHOW_PERIODS * G_USEC_PER_SEC / plane.rate_hz + timing.settling_us[role]);
    }
  if (!(exposure_us > 0))
    exposure_us = lb_setup_get_optics (lb_bench_get_setup (bench))->exposure_us;
  frame_us = MAX (exposure_us, camera.frame_period_us * rows);
  self->exposures += (guint64) llround (frames);
  self->seconds += 1e-6 * (changes * (change_us + 0.5 * frame_us) + frames * frame_us);
}

double
lb_calibration_forecast_cells (LbBench *bench)
{
  /* Image and light reach about that part of a plane. */
  const double share = 0.6;
  const guint macropixel = lb_setup_get_optics (lb_bench_get_setup (bench))->macropixel;
  LbModulatorCaps plane;

  if (!lb_bench_get_modulator_caps (bench, LB_ROLE_WEIGHT, &plane) || macropixel == 0)
    return 1;
  return MAX (share * plane.width * plane.height / (macropixel * macropixel), 1);
}

/* Whether what a result took says what it would take now. */
static gboolean
is_telling (LbCalibration *last, LbBench *bench)
{
  const double period_ms =
      lb_quantities_get (lb_calibration_settings (last), LB_CALIBRATION_FRAME_PERIOD, NAN);
  LbCameraCaps camera;

  return lb_bench_get_camera_caps (bench, &camera) &&
         fabs (1e-3 * camera.frame_period_us - period_ms) <= 1e-3 * period_ms;
}

/**
 * lb_calibration_forecast:
 * @bench: a connected bench
 * @set: results in force
 * @step: name of a step
 * @forecast: (out): frames and bench time
 *
 * What a step will take: what it took the last time, if that is known, with the same camera
 * period; else what its own
 * plan takes on a bench of which nothing is known but its setup.
 *
 * Returns: %FALSE if there is no such step
 */
gboolean
lb_calibration_forecast (LbBench *bench,
                         LbCalibrationSet *set,
                         const char *step,
                         LbCalibrationForecast *forecast)
{
  const LbCalibrationStep *row;
  g_autoptr (LbCalibration) last = NULL;

  g_return_val_if_fail (LB_IS_BENCH (bench) && LB_IS_CALIBRATION_SET (set) && step != NULL, FALSE);

  *forecast = (LbCalibrationForecast){ 0 };
  row = lb_calibration_steps_find (step);
  if (row == NULL)
    return FALSE;
  last = lb_calibration_set_dup (set, step);
  if (last != NULL && is_telling (last, bench))
    *forecast =
        (LbCalibrationForecast){ lb_calibration_get_exposures (last), lb_calibration_get_duration_s (last) };
  else
    row->forecast (bench, forecast);
  return TRUE;
}
