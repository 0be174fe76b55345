/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <lb-light-fit-private.h>
#include <lb-photon-transfer-private.h>
#include <lb-random.h>
#include <lb-settling-fit-private.h>
#include <lb-simulated-truth.h>
#include <lb-simulated.h>
#include <math.h>
#include <stdlib.h>

#include "calibration-fixture.h"
#include "sanitized.h"

/* Light, timing and photon transfer: their fits on made-up numbers, and the steps
 * against the truth of several worlds, to the accuracy of the table in optics.md.
 * With LIGHTBENCH_WORLDS (and LIGHTBENCH_FIDELITY, see calibration-fixture.h) the
 * steps alone, on those worlds of either preset. */

/* ---- Fits ------------------------------------------------------------------- */

static LbRandomKey
make_key (const char *name)
{
  return lb_random_key_derive (lb_random_key (20), g_str_hash (name));
}

/* Pairs of frames of a ramp with shot noise, read noise, speckle in cells of four
 * pixels, and light that is different in the two of a pair. */
static LbPhotonTransfer *
make_pairs (double electrons_per_dn, double speckle, double jitter, double bend)
{
  const guint width = 640, height = 256, pairs = 8;
  const gsize count = (gsize) width * height;
  LbPhotonTransfer *transfer = g_new0 (LbPhotonTransfer, 1);
  g_autofree guint16 *first = g_new (guint16, count);
  g_autofree guint16 *second = g_new (guint16, count);
  guint16 *const frames[2] = { first, second };
  g_autofree float *black = g_new (float, count);
  g_autofree float *electrons = g_new (float, count);
  g_autofree guint8 *bad = g_malloc0 (count);
  const LbRandomKey shot = make_key ("shot"), read = make_key ("read"), cells = make_key ("cells");

  transfer->range_dn = 4000;
  for (gsize i = 0; i < count; i++)
    black[i] = 64;
  for (guint pair = 0; pair < pairs; pair++)
    {
      for (guint k = 0; k < 2; k++)
        {
          const guint64 ordinal = 2 * pair + k;
          const double light = 1 + (k == 0 ? jitter : -jitter);

          for (gsize i = 0; i < count; i++)
            electrons[i] = (float) (light * 3800 * electrons_per_dn * (double) (i % width) / width *
                                    (1 + speckle * lb_random_normal_at (cells, ordinal, i / 4)));
          lb_random_poisson_fill (shot, ordinal, 0, count, electrons, electrons);
          for (gsize i = 0; i < count; i++)
            {
              const double dn = electrons[i] / electrons_per_dn;

              frames[k][i] = (guint16) CLAMP (
                  lround (64 + dn * (1 - bend * dn / 4000) + 0.64 * lb_random_normal_at (read, ordinal, i)),
                  0, 4095);
            }
        }
      lb_photon_transfer_add (transfer, frames[0], frames[1], black, bad, width, height, 2 * jitter, 1);
    }
  return transfer;
}

static void
check_transfer (double electrons_per_dn, double speckle, double jitter)
{
  g_autofree LbPhotonTransfer *transfer = make_pairs (electrons_per_dn, speckle, jitter, 0);
  LbPhotonTransferFit fit;

  g_assert_true (lb_photon_transfer_fit (transfer, 6, 2800, &fit));
  g_test_message ("%.4f +- %.4f electrons per DN of %.4f, speckle %.4f of %.4f, dark %.3f", 1 / fit.gain,
                  fit.gain_error / fit.gain / fit.gain, electrons_per_dn, fit.share, speckle,
                  fit.dark_variance);
  g_assert_cmpfloat (fabs (1 / fit.gain / electrons_per_dn - 1), <, 0.02);
  g_assert_cmpfloat (fabs (1 / fit.gain / electrons_per_dn - 1), <, 5 * fit.gain_error / fit.gain);
  g_assert_cmpfloat (fit.gain_error / fit.gain, <, 0.01);
  g_assert_cmpfloat (fabs (fit.share - speckle), <, 0.002);
  g_assert_cmpfloat_with_epsilon (fit.dark_variance, 0.64 * 0.64 + 1.0 / 12,
                                  MIN (0.5, 0.75 / electrons_per_dn));
}

static void
test_transfer (void)
{
  check_transfer (2.5, 0, 0);
  check_transfer (0.6, 0, 0);
}

static void
test_transfer_speckle (void)
{
  check_transfer (2.5, 0.02, 0);
}

static void
test_transfer_jitter (void)
{
  check_transfer (2.5, 0.01, 0.05);
}

/* What does not fit to a strip does not get into the result. */
static void
test_transfer_outlier (void)
{
  g_autofree LbPhotonTransfer *transfer = make_pairs (2.5, 0, 0, 0);
  LbPhotonTransferFit fit;

  for (guint bin = 0; bin < LB_PHOTON_BINS; bin++)
    transfer->bins[3][bin].square *= 1.5;
  g_assert_true (lb_photon_transfer_fit (transfer, 6, 2800, &fit));
  g_assert_cmpuint (fit.strips, <, LB_PHOTON_STRIPS);
  g_assert_cmpfloat (fabs (1 / fit.gain / 2.5 - 1), <, 0.02);
}

/* A camera that compresses gives a steeper slope below than over the whole range. */
static void
test_transfer_bend (void)
{
  g_autofree LbPhotonTransfer *transfer = make_pairs (2.5, 0, 0, 0.3);
  g_autofree LbPhotonTransfer *straight = make_pairs (2.5, 0, 0, 0);
  LbPhotonTransferFit fit, before;
  double time[6], signal[6], deviation[6], slope;

  g_assert_true (lb_photon_transfer_fit (transfer, 6, 2400, &fit));
  g_assert_true (lb_photon_transfer_fit (straight, 6, 2400, &before));
  for (guint i = 0; i < 6; i++)
    {
      time[i] = 1 + i;
      signal[i] = 500 * time[i] * (1 - 0.3 * 500 * time[i] / 4000);
    }
  g_assert_cmpfloat (lb_linearity_error (time, signal, 6, &slope, deviation), >, 0.03);
  for (guint i = 0; i < 6; i++)
    signal[i] = 500 * time[i];
  g_assert_cmpfloat (lb_linearity_error (time, signal, 6, &slope, deviation), <, 1e-9);
  g_assert_cmpfloat_with_epsilon (slope, 500, 1e-6);
}

static void
test_transfer_dark (void)
{
  g_autofree LbPhotonTransfer *transfer = g_new0 (LbPhotonTransfer, 1);
  LbPhotonTransferFit fit;

  transfer->range_dn = 4000;
  g_assert_false (lb_photon_transfer_fit (transfer, 6, 2800, &fit));
}

static guint
make_step (
    LbSettlingSample *samples, double frame_us, double start, const double tau[2], double slow, double noise)
{
  const LbRandomKey key = make_key ("settling");
  const guint count = 120;

  for (guint i = 0; i < count; i++)
    {
      LbSettlingSample *sample = &samples[i];
      double sum = 0;

      sample->from_us = i * frame_us * 1.03;
      sample->to_us = sample->from_us + frame_us;
      for (guint k = 0; k < 200; k++)
        {
          const double since = sample->from_us + (k + 0.5) / 200 * frame_us - start;

          sum += since < 0 ? 1 : (1 - slow) * exp (-since / tau[0]) + slow * exp (-since / tau[1]);
        }
      sample->rest = sum / 200 + noise * lb_random_normal_at (key, 0, i);
    }
  return count;
}

static void
test_settling (void)
{
  const double tau[2] = { 10000, 10000 };
  LbSettlingSample samples[120];
  LbSettling settling;
  guint count = make_step (samples, 2000, 41300, tau, 0, 0.002);

  g_assert_true (lb_settling_fit (samples, count, &settling));
  g_test_message ("starts %.0f us, settled %.0f +- %.0f us", settling.start_us, settling.settled_us,
                  settling.settled_error_us);
  g_assert_true (settling.whole);
  g_assert_cmpfloat (fabs (settling.start_us - 41300), <, 200);
  g_assert_cmpfloat (fabs (settling.settled_us - 41300 - 62146), <, 0.03 * 62146);
  g_assert_cmpfloat (fabs (settling.settled_us - 41300 - 62146), <, 5 * settling.settled_error_us);
}

/* Much faster than a frame. */
static void
test_settling_fast (void)
{
  const double tau[2] = { 100, 100 };
  LbSettlingSample samples[120];
  LbSettling settling;
  guint count = make_step (samples, 137, 5010, tau, 0, 0.002);

  g_assert_true (lb_settling_fit (samples, count, &settling));
  g_assert_cmpfloat (fabs (settling.start_us - 5010), <, 20);
  g_assert_cmpfloat (fabs (settling.settled_us - 5010 - 621), <, 0.2 * 621);
}

/* A slow part at the end counts: the truth is when 0.2 % is left. */
static void
test_settling_slow_end (void)
{
  const double tau[2] = { 5000, 20000 };
  LbSettlingSample samples[120];
  LbSettling settling;
  guint count = make_step (samples, 2000, 30000, tau, 0.3, 0.0005);
  double truth = 20000 * log (0.3 / LB_SETTLED_SHARE);

  g_assert_true (lb_settling_fit (samples, count, &settling));
  g_test_message ("settled %.0f of %.0f us", settling.settled_us - 30000, truth);
  g_assert_cmpfloat (fabs (settling.settled_us - 30000 - truth), <, 0.1 * truth);
}

/* Samples that end too early are told. */
static void
test_settling_cut (void)
{
  const double tau[2] = { 10000, 10000 };
  LbSettlingSample samples[120];
  LbSettling settling;

  make_step (samples, 2000, 41300, tau, 0, 0.001);
  g_assert_true (lb_settling_fit (samples, 30, &settling));
  g_assert_false (settling.whole);
  for (guint i = 0; i < 120; i++)
    samples[i].rest = 1;
  g_assert_false (lb_settling_fit (samples, 120, &settling));
}

static void
test_light_line (void)
{
  double level[8], power[8];
  LbLightLine line;

  for (guint i = 0; i < 8; i++)
    {
      level[i] = 10 * (i + 1);
      power[i] = 0.02 * MAX (level[i] - 12.5, 0);
    }
  g_assert_true (lb_light_line_fit (level, power, 8, &line));
  g_assert_cmpfloat_with_epsilon (line.threshold, 12.5, 1e-6);
  g_assert_cmpfloat_with_epsilon (line.slope, 0.02, 1e-9);
  g_assert_cmpfloat (line.worst, <, 1e-9);
  /* It rolls over at the top. */
  power[7] *= 0.9;
  g_assert_true (lb_light_line_fit (level, power, 8, &line));
  g_assert_cmpfloat (line.worst, >, 0.03);
  g_assert_false (lb_light_line_fit (level, power, 2, &line));
}

static void
test_light_drift (void)
{
  double time_s[400], value[400];
  const LbRandomKey key = make_key ("drift");
  LbLightDrift drift;

  for (guint i = 0; i < 400; i++)
    {
      time_s[i] = i / 60.0;
      value[i] = 7 * (1 + 1e-3 * time_s[i]) * (1 + 0.003 * lb_random_normal_at (key, 0, i));
    }
  g_assert_true (lb_light_drift_fit (time_s, value, 400, &drift));
  g_assert_cmpfloat (fabs (drift.per_s - 1e-3), <, 4 * drift.per_s_error);
  g_assert_cmpfloat (drift.per_s_error, <, 1.5e-4);
  g_assert_cmpfloat (fabs (drift.jitter / 0.003 - 1), <, 0.15);
  g_assert_false (lb_light_drift_fit (time_s, value, 3, &drift));
}

/* ---- Steps ------------------------------------------------------------------- */

typedef struct
{
  const char *preset;
  LbFidelity fidelity;
  guint64 seed;
} Case;

/* Watts on the weight plane at a set point, all pixels of the source full on. */
static double
true_watts (CalibrationWorld *world, double level)
{
  LbDevice *camera = calibration_world_get_camera (world);
  LbModulatorCaps source, weight;
  const double per_us = lb_simulated_truth_electrons (camera, level, 1) /
                        calibration_world_get_truth (world, "quantum_efficiency") /
                        calibration_world_get_truth (world, "path_transmission");
  double sum = 0;
  const guint grid = 160;

  g_assert_true (lb_bench_get_modulator_caps (world->bench, LB_ROLE_SOURCE, &source));
  g_assert_true (lb_bench_get_modulator_caps (world->bench, LB_ROLE_WEIGHT, &weight));
  for (guint i = 0; i < grid * grid; i++)
    {
      double x = (i % grid + 0.5) / grid * weight.width - 0.5,
             y = (i / grid + 0.5) / grid * weight.height - 0.5;
      double sx, sy;

      lb_simulated_truth_weight_to_source (camera, 1, &x, &y, &sx, &sy);
      if (sx > -0.5 && sy > -0.5 && sx < source.width - 0.5 && sy < source.height - 0.5)
        sum += lb_simulated_truth_light (camera, x, y);
    }
  sum *= (double) weight.width * weight.height / (grid * grid) *
         (1 - calibration_world_get_truth (world, "source_load"));
  return sum * per_us * 1e6 * 1.98644586e-25 / (calibration_world_get_truth (world, "wavelength_nm") * 1e-9);
}

static void
check_light (CalibrationWorld *world)
{
  LbCalibration *light = calibration_world_run (world, "light");
  const double threshold = calibration_world_get_truth (world, "light_threshold");
  const double usual = calibration_get_value (light, "usual_level");
  double jitter = calibration_world_get_truth (world, "light_rin");

  /* The meter's own calibration and what the light drifts by are not the step's.
   * On small planes the simulated meter's blocks are too coarse to compare with. */
  if (lb_setup_get_fidelity (world->setup) == LB_FIDELITY_PIXEL)
    calibration_world_check (world, light, "power",
                             fabs (1e-6 * calibration_get_value (light, "power") / true_watts (world, 50) /
                                       (1 + calibration_world_get_truth (world, "power_meter_error")) -
                                   1),
                             0.02 + calibration_world_get_truth (world, "light_drift") * 2.5);
  g_test_message ("jitter %.3f of %.3f %%", calibration_get_value (light, "jitter"), 100 * jitter);
  g_assert_cmpfloat (fabs (calibration_get_value (light, "jitter") / (100 * jitter) - 1), <, 0.3);
  if (lb_bench_get_device (world->bench, LB_ROLE_LIGHT) == NULL)
    return;
  for (double level = 10; level <= 80; level += 10)
    {
      const double found =
          calibration_get_value (light, "slope") * (level - calibration_get_value (light, "threshold"));

      calibration_world_check (world, light, "power at a set point",
                               fabs (found / (level - threshold) * (usual - threshold) - 1), 0.02);
    }
  g_assert_cmpfloat (fabs (calibration_get_value (light, "threshold") - threshold), <, 0.1);
}

static void
check_timing (CalibrationWorld *world)
{
  LbCalibration *timing = calibration_world_run (world, "timing");
  const char *names[2] = { "source", "weight" };
  LbBenchTiming in_force;

  lb_bench_get_timing (world->bench, &in_force);
  for (guint role = 0; role < 2; role++)
    {
      g_autofree char *tau_name = g_strdup_printf ("%s_tau_us", names[role]);
      g_autofree char *settling_name = g_strdup_printf ("%s_settling", names[role]);
      g_autofree char *frame_name = g_strdup_printf ("%s_frame", names[role]);
      g_autofree char *latency_name = g_strdup_printf ("%s_latency", names[role]);
      const double settling_ms = 1e-3 * calibration_world_get_truth (world, tau_name) * log (500);
      const double latency_ms = calibration_get_value (timing, latency_name);

      /* Within 20 %, or a frame of those that the camera follows it with. */
      calibration_world_check (world, timing, settling_name,
                               fabs (calibration_get_value (timing, settling_name) - settling_ms) /
                                   MAX (settling_ms, 5 * calibration_get_value (timing, frame_name)),
                               0.2);
      /* Two frames of the display after the next one of its grid. */
      g_test_message ("%s latency %.1f ms", names[role], latency_ms);
      g_assert_cmpfloat (latency_ms, >, 2 * 1000 / 60.0 - 2);
      g_assert_cmpfloat (latency_ms, <, 3 * 1000 / 60.0 + 2);
      g_assert_true (in_force.measured[role]);
      g_assert_cmpfloat (in_force.settling_us[role], >, 980 * settling_ms);
      g_assert_cmpfloat (in_force.settling_us[role], <,
                         1500 * settling_ms + 1000 * calibration_get_value (timing, frame_name));
    }
  g_assert_cmpfloat (calibration_get_value (timing, "frame_age"), <, 1000 / 60.0);
  g_assert_cmpstr (lb_quantities_get_text (lb_calibration_values (timing), "shutter"), ==, "global");
}

static void
check_photon_transfer (CalibrationWorld *world)
{
  LbCalibration *transfer = calibration_world_run (world, "photon-transfer");
  const double per_dn = calibration_world_get_truth (world, "electrons_per_dn");
  const double well = MIN (calibration_world_get_truth (world, "full_well"),
                           (4095 - calibration_world_get_truth (world, "offset_dn")) * per_dn);
  const double efficiency = calibration_world_get_truth (world, "quantum_efficiency") *
                            calibration_world_get_truth (world, "path_transmission") *
                            (1 - calibration_world_get_truth (world, "polarisation_loss")) /
                            (1 + calibration_world_get_truth (world, "power_meter_error"));

  calibration_world_check (world, transfer, "electrons per DN",
                           fabs (calibration_get_value (transfer, "electrons_per_dn") / per_dn - 1), 0.02);
  calibration_world_check (world, transfer, "saturation capacity",
                           fabs (calibration_get_value (transfer, "saturation_capacity") / well - 1), 0.02);
  /* Reflection and what the weight plane's maximum is short of 1 are in it, too. */
  calibration_world_check (world, transfer, "electrons per photon",
                           fabs (calibration_get_value (transfer, "electrons_per_photon") / efficiency - 1),
                           0.03);
  g_assert_cmpfloat (calibration_get_value (transfer, "linearity_error"), <, 1.5);
  g_assert_cmpfloat (fabs (calibration_get_value (transfer, "signal_fluctuation") / 100 -
                           calibration_world_get_truth (world, "speckle_contrast")),
                     <, 0.005);
}

/* What is measured takes the place of what is nominal, and says so. */
static void
check_model (CalibrationWorld *world)
{
  g_autoptr (LbOpticsModel) model = NULL;
  g_autoptr (GError) error = NULL;
  LbCalibration *transfer = calibration_world_run (world, "photon-transfer");

  calibration_world_run (world, "alignment");
  model = lb_calibration_set_make_model (world->set, world->bench, TRUE, &error);
  g_assert_no_error (error);
  g_assert_cmpfloat (model->electrons_per_dn, ==, calibration_get_value (transfer, "electrons_per_dn"));
  g_assert_cmpfloat_with_epsilon (model->quantum_efficiency * model->path_transmission,
                                  calibration_get_value (transfer, "electrons_per_photon"), 1e-9);
  g_assert_false (model->photons_nominal);
  g_assert_cmpfloat (fabs (model->read_noise / calibration_world_get_truth (world, "read_noise") - 1), <,
                     0.05);
}

static void
test_world (gconstpointer data)
{
  const Case *which = data;
  g_autoptr (CalibrationWorld) world =
      calibration_world_new_of (which->preset, which->fidelity, which->seed, NULL);

  check_light (world);
  check_timing (world);
  check_photon_transfer (world);
  if (which->fidelity == LB_FIDELITY_FAST)
    check_model (world);
}

/* ---- Worlds that are hard, or cannot work ---------------------------------------- */

static void
test_rolling (void)
{
  const char *changes[] = { "\"rate_hz\": 60, \"readout_us\": 0", "\"rate_hz\": 60, \"readout_us\": 12000",
                            NULL };
  g_autoptr (CalibrationWorld) world = calibration_world_new (LB_FIDELITY_FAST, 11, changes);
  LbCalibration *timing = calibration_world_run (world, "timing");

  g_test_message ("readout %.2f ms", calibration_get_value (timing, "readout"));
  g_assert_cmpstr (lb_quantities_get_text (lb_calibration_values (timing), "shutter"), ==, "rolling");
  g_assert_cmpfloat (fabs (calibration_get_value (timing, "readout") / 12 - 1), <, 0.2);
}

/* A converter that reaches sixteen times as far as the pixels' wells. */
static void
test_wide_converter (void)
{
  const char *changes[] = { "\"bits\": 12", "\"bits\": 16", NULL };
  g_autoptr (CalibrationWorld) world = calibration_world_new (LB_FIDELITY_FAST, 17, changes);
  LbCalibration *transfer = calibration_world_run (world, "photon-transfer");
  const double off = calibration_get_value (transfer, "electrons_per_dn") /
                         calibration_world_get_truth (world, "electrons_per_dn") -
                     1;

  calibration_world_check (world, transfer, "electrons per DN", fabs (off), 0.02);
}

/* The camera sees the planes' middle alone: there is no dark pixel in the light. */
static void
test_flooded_camera (void)
{
  const char *changes[] = { "\"width\": 320, \"height\": 176", "\"width\": 160, \"height\": 96", NULL };
  g_autoptr (CalibrationWorld) world = calibration_world_new (LB_FIDELITY_FAST, 18, changes);
  LbCalibration *light = calibration_world_run (world, "light");

  g_assert_cmpint (lb_calibration_get_verdict (light), !=, LB_VERDICT_FAIL);
}

/* The setup file is wrong by a factor, either way. */
static void
test_timing_surprise (void)
{
  const char *changes[] = { "\"source_settling_us\": 6500", "\"source_settling_us\": 500",
                            "\"weight_settling_us\": 65000", "\"weight_settling_us\": 400000", NULL };
  g_autoptr (CalibrationWorld) world = calibration_world_new (LB_FIDELITY_FAST, 12, changes);
  LbCalibration *timing = calibration_world_run (world, "timing");

  calibration_world_check (world, timing, "source",
                           fabs (1e3 * calibration_get_value (timing, "source_settling") /
                                     calibration_world_get_truth (world, "source_tau_us") / log (500) -
                                 1),
                           0.2);
  calibration_world_check (world, timing, "weight",
                           fabs (1e3 * calibration_get_value (timing, "weight_settling") /
                                     calibration_world_get_truth (world, "weight_tau_us") / log (500) -
                                 1),
                           0.2);
}

/* It has only just been switched on. */
static void
test_warm_up (void)
{
  const char *changes[] = { "\"light_warm_up\": 0.01", "\"light_warm_up\": 0.4", "\"light_warm_up_s\": 300",
                            "\"light_warm_up_s\": 3000", NULL };
  g_autoptr (CalibrationWorld) world = calibration_world_new (LB_FIDELITY_FAST, 13, changes);
  LbCalibration *light = calibration_world_run (world, "light");

  /* At an hour from its start a third of the warm-up is still to come. */
  g_assert_cmpfloat (calibration_get_value (light, "drift"), <, 1.5);
  g_assert_cmpfloat (fabs (calibration_get_value (light, "threshold") -
                           calibration_world_get_truth (world, "light_threshold")),
                     <, 0.1);
}

/* Fast drift: the light is not stable, and that is said; the set points are right all the same. */
static void
test_drift (void)
{
  const char *changes[] = { "\"light_drift\": 0.003", "\"light_drift\": 0.1", "\"light_drift_period_s\": 600",
                            "\"light_drift_period_s\": 120", NULL };
  g_autoptr (CalibrationWorld) world = calibration_world_new (LB_FIDELITY_FAST, 14, changes);
  LbCalibration *light = calibration_world_run (world, "light");

  g_assert_cmpint (lb_calibration_get_verdict (light), ==, LB_VERDICT_WARN);
  g_assert_nonnull (strstr (lb_calibration_get_message (light), "not stable"));
  g_assert_cmpfloat (fabs (calibration_get_value (light, "threshold") -
                           calibration_world_get_truth (world, "light_threshold")),
                     <, 0.2);
  check_photon_transfer (world);
}

static void
test_dropped (void)
{
  g_autoptr (CalibrationWorld) world = calibration_world_new (LB_FIDELITY_FAST, 15, NULL);

  g_assert_true (lb_simulated_set_fault (calibration_world_get_camera (world), "drop-frames", TRUE));
  check_light (world);
  check_timing (world);
  check_photon_transfer (world);
}

/* Strong speckle and jitter: either right, or it does not pass. */
static void
test_speckle (void)
{
  const char *changes[] = { "\"speckle_contrast\": 0.02", "\"speckle_contrast\": 0.08",
                            "\"light_rin\": 0.003", "\"light_rin\": 0.05", NULL };
  g_autoptr (CalibrationWorld) world = calibration_world_new (LB_FIDELITY_FAST, 16, changes);
  g_autoptr (LbCalibration) transfer = NULL;
  g_autoptr (GError) error = NULL;
  double off;

  calibration_world_run (world, "dark");
  transfer =
      lb_calibration_run_step (world->bench, world->set, "photon-transfer", 9, NULL, NULL, NULL, &error);
  g_assert_no_error (error);
  off = fabs (calibration_get_value (transfer, "electrons_per_dn") /
                  calibration_world_get_truth (world, "electrons_per_dn") -
              1);
  g_test_message ("off by %.4f, residual %.2f %%. %s", off, lb_calibration_get_residual (transfer),
                  lb_calibration_get_message (transfer));
  g_assert_cmpfloat (100 * off, <, 3 * MAX (lb_calibration_get_residual (transfer), 2));
  g_assert_cmpint (lb_calibration_get_verdict (transfer), !=, LB_VERDICT_PASS);
  /* And strong enough that a slope without the square would be twice as steep. */
  g_assert_cmpfloat (calibration_get_value (transfer, "signal_fluctuation"), >, 6);
}

/* The well is smaller than the converter's range. */
static void
test_full_well (void)
{
  const char *changes[] = { "\"full_well\": 10500", "\"full_well\": 8000", NULL };
  g_autoptr (CalibrationWorld) world = calibration_world_new (LB_FIDELITY_FAST, 17, changes);
  LbCalibration *transfer = calibration_world_run (world, "photon-transfer");

  g_assert_cmpstr (lb_quantities_get_text (lb_calibration_values (transfer), "saturation_by"), ==,
                   "full well");
  calibration_world_check (world, transfer, "full well",
                           fabs (calibration_get_value (transfer, "saturation_capacity") /
                                     calibration_world_get_truth (world, "full_well") -
                                 1),
                           0.02);
}

static void
test_no_meter (void)
{
  const char *changes[] = { ",\n    \"power-meter\": { \"driver\": \"simulated\" }", "", NULL };
  g_autoptr (CalibrationWorld) world = calibration_world_new (LB_FIDELITY_FAST, 18, changes);
  g_autoptr (LbOpticsModel) model = NULL;
  g_autoptr (GError) error = NULL;
  LbCalibration *light = calibration_world_run (world, "light");
  const double threshold = calibration_world_get_truth (world, "light_threshold");

  g_assert_true (isnan (calibration_get_value (light, "power")));
  calibration_world_check (world, light, "power at a set point",
                           fabs (calibration_get_value (light, "slope") *
                                     (30 - calibration_get_value (light, "threshold")) / (30 - threshold) *
                                     (calibration_get_value (light, "usual_level") - threshold) -
                                 1),
                           0.02);
  g_assert_true (isnan (
      calibration_get_value (calibration_world_run (world, "photon-transfer"), "electrons_per_photon")));
  calibration_world_run (world, "alignment");
  model = lb_calibration_set_make_model (world->set, world->bench, TRUE, &error);
  g_assert_no_error (error);
  g_assert_true (model->photons_nominal);
}

static void
add_world (const char *preset, LbFidelity fidelity, guint64 seed)
{
  Case *which = g_new (Case, 1);
  g_autofree char *path = g_strdup_printf ("/calibration/devices/%s-%s-%" G_GUINT64_FORMAT, preset,
                                           fidelity == LB_FIDELITY_FAST ? "fast" : "pixel", seed);

  *which = (Case){ preset, fidelity, seed };
  g_test_add_data_func_full (path, which, test_world, g_free);
}

static void
add_worlds (LbFidelity fidelity, guint64 first, guint64 last)
{
  static const char *const presets[] = { "simulated", "simulated-oled" };

  for (guint p = 0; p < G_N_ELEMENTS (presets); p++)
    for (guint64 seed = first; seed <= last; seed++)
      add_world (presets[p], fidelity, seed);
}

int
main (int argc, char *argv[])
{
  const struct
  {
    const char *path;
    GTestFunc func;
  } tests[] = {
    { "/calibration/fits/photon-transfer-finds-the-gain", test_transfer },
    { "/calibration/fits/photon-transfer-tells-speckle-from-shot-noise", test_transfer_speckle },
    { "/calibration/fits/photon-transfer-does-not-mind-jitter-of-the-light", test_transfer_jitter },
    { "/calibration/fits/photon-transfer-leaves-out-a-strip-that-does-not-fit", test_transfer_outlier },
    { "/calibration/fits/linearity-is-measured", test_transfer_bend },
    { "/calibration/fits/photon-transfer-without-light-is-no-result", test_transfer_dark },
    { "/calibration/fits/settling-is-found", test_settling },
    { "/calibration/fits/settling-within-frames-is-found", test_settling_fast },
    { "/calibration/fits/a-slow-end-counts", test_settling_slow_end },
    { "/calibration/fits/samples-that-end-early-are-told", test_settling_cut },
    { "/calibration/fits/threshold-and-slope-are-found", test_light_line },
    { "/calibration/fits/drift-and-jitter-are-told-apart", test_light_drift },
    { "/calibration/devices/a-rolling-shutter-is-found", test_rolling },
    { "/calibration/devices/a-converter-may-reach-beyond-the-wells", test_wide_converter },
    { "/calibration/devices/a-camera-may-see-nothing-dark", test_flooded_camera },
    { "/calibration/devices/timing-finds-what-the-setup-does-not-say", test_timing_surprise },
    { "/calibration/devices/a-light-that-warms-up-is-measured", test_warm_up },
    { "/calibration/devices/a-light-that-drifts-is-told", test_drift },
    { "/calibration/devices/dropped-frames-do-no-harm", test_dropped },
    { "/calibration/devices/strong-speckle-is-no-wrong-gain", test_speckle },
    { "/calibration/devices/a-small-well-is-found", test_full_well },
    { "/calibration/devices/without-a-power-meter-photons-stay-nominal", test_no_meter },
  };

  LbFidelity fidelity = LB_FIDELITY_FAST;
  guint64 first = 1, last = 3;
  gboolean given;

  g_test_init (&argc, &argv, NULL);
  given = calibration_fixture_get_worlds (&fidelity, &first, &last);
  add_worlds (fidelity, first, last);
  if (given)
    return g_test_run ();
  /* Full planes take minutes under a sanitizer and run the same code as small ones. */
  if (!SANITIZED)
    add_world ("simulated", LB_FIDELITY_PIXEL, 4);
  for (guint i = 0; i < G_N_ELEMENTS (tests); i++)
    g_test_add_func (tests[i].path, tests[i].func);
  return g_test_run ();
}
