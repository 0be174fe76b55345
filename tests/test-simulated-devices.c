/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <math.h>
#include <string.h>

#include <lb-bench-private.h>
#include <lb-simulated-truth.h>

#include "simulated-rig.h"

/* The simulated devices: settings, refusals, light, faults, setup file. */

/* A world without anything that changes from frame to frame but photon and read
 * noise. */
#define STEADY                                                                                               \
  "\"light_rin\": 0, \"light_drift\": 0, \"light_warm_up\": 0, \"speckle_contrast\": 0, \"row_noise\": 0, "  \
  "\"source_flicker\": 0, \"weight_flicker\": 0"
/* Nearly without noise at all: photons are many and electrons per DN few. */
#define QUIET STEADY ", \"read_noise\": 0, \"offset_pattern_dn\": 0, \"hot_fraction\": 0"

/* --- Modulators and camera ------------------------------------------------------------- */

static void
test_wrong_size (void)
{
  g_autoptr (Rig) rig = rig_new ("", 1, 1);
  g_autoptr (LbPattern) pattern = lb_pattern_new_uniform (321, 200, 0);
  g_autoptr (GError) error = NULL;

  g_assert_false (lb_modulator_show (LB_MODULATOR (rig->devices[0]), pattern, 1, NULL, -1, &error));
  g_assert_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_SIZE);
  g_clear_error (&error);
  g_assert_false (lb_modulator_wait_presented (LB_MODULATOR (rig->devices[0]), 1, NULL, NULL, -1, &error));
  g_assert_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_PROTOCOL);
}

static void
test_blank (void)
{
  g_autoptr (Rig) rig = rig_new ("", 1, 1);
  g_autoptr (LbPattern) shown = NULL;

  rig_show_level (rig, LB_ROLE_WEIGHT, 9);
  g_assert_true (lb_modulator_blank (LB_MODULATOR (rig->devices[LB_ROLE_WEIGHT]), NULL, -1, NULL));
  shown = lb_modulator_read_back (LB_MODULATOR (rig->devices[LB_ROLE_WEIGHT]), NULL, -1, NULL);
  g_assert_cmpuint (shown->data[1234], ==, 0);
}

static void
test_camera_settings (void)
{
  g_autoptr (Rig) rig = rig_new ("", 1, 1);
  LbCamera *camera = rig_camera (rig);
  const LbCameraFormat outside = { 200, 0, 100, 8, 12 }, deep = { 0, 0, 0, 0, 16 },
                       shallow = { 0, 0, 0, 0, 8 };
  g_autoptr (GError) error = NULL;
  g_autoptr (LbFrame) frame = NULL;
  LbCameraFormat actual;
  double exposure_us, gain;
  guint64 valid, delivered, dropped, stale;

  g_assert_false (lb_camera_configure (camera, &outside, &actual, NULL, -1, &error));
  g_assert_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_FORMAT);
  g_clear_error (&error);
  g_assert_false (lb_camera_configure (camera, &deep, &actual, NULL, -1, &error));
  g_assert_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_FORMAT);
  g_clear_error (&error);
  g_assert_true (lb_camera_configure (camera, &shallow, &actual, NULL, -1, &error));
  g_assert_cmpuint (actual.bits, ==, 8);
  g_assert_false (lb_camera_set_exposure (camera, 1e8, 1, NULL, NULL, NULL, NULL, -1, &error));
  g_assert_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_RANGE);
  g_clear_error (&error);
  g_assert_true (
      lb_camera_set_exposure (camera, 1234.4, 2.006, &exposure_us, &gain, &valid, NULL, -1, &error));
  g_assert_cmpfloat (exposure_us, ==, 1234);
  g_assert_cmpfloat_with_epsilon (gain, 2.01, 1e-9);
  g_assert_null (lb_camera_wait_frame (camera, 0, NULL, -1, &error));
  g_assert_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_STALLED);
  g_clear_error (&error);
  lb_camera_start (camera, 4, NULL, -1, &error);
  g_assert_false (lb_camera_configure (camera, &shallow, &actual, NULL, -1, &error));
  g_assert_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_BUSY);
  g_clear_error (&error);
  frame = rig_frame (rig, 1000000);
  g_assert_cmpint (frame->start_us, >=, 1000000);
  g_assert_cmpuint (frame->bits, ==, 8);
  g_assert_cmpfloat_with_epsilon (rig_mean (frame), 4, 1);
  lb_camera_get_counters (camera, &delivered, &dropped, &stale, NULL, -1, NULL);
  g_assert_cmpuint (delivered, ==, 1);
  g_assert_cmpuint (dropped, ==, 0);
  g_assert_cmpuint (stale, ==, frame->sequence);
  g_assert_cmpuint (stale, >=, 58);
}

/* Frames of a region with half the rows come twice as fast. */
static void
test_region_is_faster (void)
{
  g_autoptr (Rig) rig = rig_new ("", 1, 1);
  const LbCameraFormat half = { 0, 0, 272, 88, 12 };
  g_autoptr (LbFrame) first = NULL, second = NULL;

  lb_camera_configure (rig_camera (rig), &half, NULL, NULL, -1, NULL);
  rig_expose_for (rig, 1000);
  first = rig_frame (rig, 0);
  second = rig_frame (rig, 0);
  g_assert_cmpuint (second->sequence, ==, first->sequence + 1);
  g_assert_cmpint (ABS (second->start_us - first->start_us - 8333), <=, 1);
}

static void
test_saturation (void)
{
  g_autoptr (Rig) rig = rig_new ("", 1, 1);
  g_autoptr (LbFrame) frame = NULL;

  rig_show_level (rig, LB_ROLE_SOURCE, 255);
  rig_show_level (rig, LB_ROLE_WEIGHT, 255);
  rig_expose_for (rig, 50000);
  frame = rig_frame (rig, rig_settled (rig));
  g_assert_cmpuint (frame->data[88 * 272 + 136], ==, 4095);
}

/* --- Light --------------------------------------------------------------------------- */

static gboolean
is_dark (Rig *rig)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (LbFrame) frame = lb_camera_wait_frame (rig_camera (rig), 0, NULL, -1, &error);

  g_assert_no_error (error);
  return rig_mean (frame) < 80;
}

static Rig *
lit_rig (void)
{
  Rig *rig = rig_new ("", 1, 1);
  g_autoptr (LbFrame) frame = NULL;

  rig_show_level (rig, LB_ROLE_SOURCE, 255);
  rig_show_level (rig, LB_ROLE_WEIGHT, 255);
  rig_expose_for (rig, 8000);
  frame = rig_frame (rig, rig_settled (rig));
  g_assert_cmpfloat (rig_mean (frame), >, 1000);
  return rig;
}

static void
test_lease (void)
{
  g_autoptr (Rig) rig = lit_rig ();
  LbLightSource *light = rig_light (rig);
  g_autoptr (GError) error = NULL;

  g_assert_true (lb_light_source_renew (light, 0, G_USEC_PER_SEC, NULL, -1, &error));
  g_assert_false (is_dark (rig));
  g_assert_false (lb_light_source_is_confirmed_off (light));
  g_assert_true (lb_light_source_renew (light, 0, 30000, NULL, -1, &error));
  g_usleep (40000);
  g_assert_true (lb_light_source_is_confirmed_off (light));
  g_assert_true (is_dark (rig));
  g_assert_false (lb_light_source_output_on (light, 0, 2 * G_USEC_PER_SEC, NULL, -1, &error));
  g_assert_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_RANGE);
}

static void
test_off_now (void)
{
  g_autoptr (Rig) rig = lit_rig ();
  LbLightSource *light = rig_light (rig);
  g_autoptr (GError) error = NULL;

  lb_light_source_off_now (light, 5);
  g_assert_true (lb_light_source_is_confirmed_off (light));
  g_assert_true (is_dark (rig));
  g_assert_false (lb_light_source_renew (light, 4, G_USEC_PER_SEC, NULL, -1, &error));
  g_assert_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_INTERLOCK);
  g_clear_error (&error);
  g_assert_true (is_dark (rig));
  /* An older generation does not come back by a late call. */
  lb_light_source_off_now (light, 3);
  g_assert_false (lb_light_source_output_on (light, 4, G_USEC_PER_SEC, NULL, -1, NULL));
  g_assert_true (lb_light_source_output_on (light, 5, G_USEC_PER_SEC, NULL, -1, &error));
  g_assert_no_error (error);
  g_assert_false (is_dark (rig));
}

static void
test_limit (void)
{
  g_autoptr (Rig) rig = rig_new ("", 1, 1);
  LbLightSource *light = rig_light (rig);
  LbLightSourceState state;
  g_autoptr (GError) error = NULL;
  double actual;

  g_assert_false (lb_light_source_set_level (light, 80.1, NULL, NULL, -1, &error));
  g_assert_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_LIMIT);
  g_clear_error (&error);
  g_assert_false (lb_light_source_set_level (light, 100.1, NULL, NULL, -1, &error));
  g_assert_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_RANGE);
  g_clear_error (&error);
  g_assert_false (lb_light_source_set_level (light, NAN, NULL, NULL, -1, NULL));
  g_assert_true (lb_light_source_set_level (light, 80, &actual, NULL, -1, &error));
  g_assert_cmpfloat (actual, ==, 80);
  g_assert_true (lb_light_source_read_state (light, &state, NULL, -1, &error));
  g_assert_false (state.output);
  g_assert_cmpfloat (state.level, ==, 80);
}

/* Power goes with the set point above the threshold. */
static void
test_threshold (void)
{
  g_autoptr (Rig) rig = rig_new (QUIET, 1, 1);
  LbDevice *device = rig->devices[LB_ROLE_LIGHT];
  double threshold = lb_simulated_truth_get_parameter (device, "light_threshold");

  g_assert_cmpfloat (lb_simulated_truth_electrons (device, 0.99 * threshold, 8000), ==, 0);
  g_assert_cmpfloat_with_epsilon (lb_simulated_truth_electrons (device, threshold + 40, 8000) /
                                      lb_simulated_truth_electrons (device, threshold + 20, 8000),
                                  2, 1e-6);
}

static void
test_power_meter (void)
{
  g_autoptr (Rig) rig = rig_new (STEADY ", \"power_meter_error\": 0", 1, 1);
  LbPowerMeter *meter = LB_POWER_METER (rig->devices[LB_ROLE_POWER_METER]);
  LbLightSource *light = rig_light (rig);
  LbDevice *device = rig->devices[0];
  g_autoptr (GError) error = NULL;
  double watts, dark, expected = 0;

  rig_show_level (rig, LB_ROLE_SOURCE, 255);
  g_assert_true (lb_power_meter_zero (meter, NULL, -1, &error));
  g_assert_true (lb_power_meter_read (meter, &dark, NULL, NULL, -1, &error));
  g_assert_true (lb_light_source_output_on (light, 0, G_USEC_PER_SEC, NULL, -1, &error));
  g_assert_true (lb_power_meter_read (meter, &watts, NULL, NULL, -1, &error));
  for (guint y = 0; y < 200; y++)
    for (guint x = 0; x < 320; x++)
      expected += lb_simulated_truth_light (device, x, y);
  expected *= lb_simulated_truth_electrons (device, 50, 1e6) /
              lb_simulated_truth_get_parameter (device, "quantum_efficiency") /
              lb_simulated_truth_get_parameter (device, "path_transmission") * 6.62607015e-34 * 299792458 /
              532e-9;
  g_test_message ("%g W, expected %g", watts, expected);
  /* The source does not fill all of the plane. */
  g_assert_cmpfloat_with_epsilon (watts / expected, 1, 0.04);
  g_assert_cmpfloat (fabs (dark), <, 0.01 * watts);
  g_assert_true (lb_power_meter_set_range (meter, watts / 2, NULL, -1, &error));
  g_assert_false (lb_power_meter_read (meter, &watts, NULL, NULL, -1, &error));
  g_assert_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_OVER_RANGE);
}

/* --- Faults ---------------------------------------------------------------------------- */

static void
test_interlock (void)
{
  g_autoptr (Rig) rig = lit_rig ();
  LbLightSource *light = rig_light (rig);
  g_autoptr (GError) error = NULL;
  LbLightSourceState state;

  g_assert_true (lb_simulated_set_fault (rig->devices[0], "interlock", TRUE));
  g_assert_true (is_dark (rig));
  g_assert_false (lb_light_source_renew (light, 0, G_USEC_PER_SEC, NULL, -1, &error));
  g_assert_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_INTERLOCK);
  g_clear_error (&error);
  lb_light_source_read_state (light, &state, NULL, -1, NULL);
  g_assert_cmpint (state.trips, ==, LB_LIGHT_TRIP_INTERLOCK);
  lb_simulated_set_fault (rig->devices[0], "interlock", FALSE);
  g_assert_true (is_dark (rig));
  g_assert_true (lb_light_source_output_on (light, 0, G_USEC_PER_SEC, NULL, -1, &error));
  g_assert_false (is_dark (rig));
}

/* Some call of the device, whatever it is. */
static gboolean
call_device (Rig *rig, LbRole role, GError **error)
{
  LbDevice *device = rig->devices[role];
  LbModulatorCaps modulator_caps;
  LbPowerMeterCaps meter_caps;

  switch (role)
    {
    case LB_ROLE_CAMERA:
      {
        g_autoptr (LbFrame) frame = NULL;

        if (!lb_camera_start (LB_CAMERA (device), 4, NULL, -1, error))
          return FALSE;
        frame = lb_camera_wait_frame (LB_CAMERA (device), 0, NULL, -1, error);
        return frame != NULL;
      }
    case LB_ROLE_LIGHT:
      return lb_light_source_output_on (LB_LIGHT_SOURCE (device), 0, G_USEC_PER_SEC, NULL, -1, error);
    case LB_ROLE_POWER_METER:
      return lb_power_meter_get_caps (LB_POWER_METER (device), &meter_caps, NULL, -1, error);
    case LB_ROLE_SOURCE:
    case LB_ROLE_WEIGHT:
    case LB_N_ROLES:
    default:
      return lb_modulator_get_caps (LB_MODULATOR (device), &modulator_caps, NULL, -1, error);
    }
}

static void
test_unplug (void)
{
  g_autoptr (Rig) rig = lit_rig ();

  for (guint role = 0; role < LB_N_ROLES; role++)
    {
      g_autofree char *fault = g_strconcat ("unplug-", lb_role_get_name (role), NULL);
      g_autoptr (GError) error = NULL;
      LbDevice *device = rig->devices[role];

      g_assert_true (call_device (rig, role, &error));
      g_assert_true (lb_simulated_set_fault (rig->devices[0], fault, TRUE));
      g_assert_true (lb_simulated_get_fault (device, fault));
      g_assert_cmpint (lb_device_get_state (device), ==, LB_DEVICE_ABSENT);
      g_assert_false (call_device (rig, role, &error));
      g_assert_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_ABSENT);
      g_clear_error (&error);
      g_assert_false (lb_device_open (device, NULL, -1, &error));
      g_assert_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_ABSENT);
      g_clear_error (&error);
      g_assert_true (lb_simulated_set_fault (rig->devices[0], fault, FALSE));
      /* Plugged in again is not yet open. */
      g_assert_false (call_device (rig, role, &error));
      g_assert_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_ABSENT);
      g_clear_error (&error);
      g_assert_true (lb_device_open (device, NULL, -1, &error));
      g_assert_cmpint (lb_device_get_state (device), ==, LB_DEVICE_CONNECTED);
      g_assert_true (call_device (rig, role, &error));
    }
}

static void
test_unplugged_planes_are_dark (void)
{
  g_autoptr (Rig) rig = lit_rig ();
  g_autoptr (LbFrame) frame = NULL;

  lb_simulated_set_fault (rig->devices[0], "unplug-source", TRUE);
  frame = rig_frame (rig, rig_settled (rig));
  g_clear_pointer (&frame, lb_frame_unref);
  frame = rig_frame (rig, rig_settled (rig));
  g_assert_cmpfloat (rig_mean (frame), <, 100);
}

static void
test_dropped_frames (void)
{
  g_autoptr (Rig) rig = rig_new ("", 1, 1);
  guint64 delivered, dropped, stale, first = 0, last = 0, gaps = 0;

  rig_expose_for (rig, 1000);
  lb_simulated_set_fault (rig->devices[0], "drop-frames", TRUE);
  for (guint i = 0; i < 200; i++)
    {
      g_autoptr (LbFrame) frame = rig_frame (rig, 0);

      if (i == 0)
        first = frame->sequence;
      else
        gaps += frame->sequence - last - 1;
      last = frame->sequence;
    }
  lb_camera_get_counters (rig_camera (rig), &delivered, &dropped, &stale, NULL, -1, NULL);
  g_assert_cmpuint (delivered, ==, 200);
  g_assert_cmpuint (stale, ==, 0);
  g_assert_cmpuint (gaps, ==, dropped - first);
  g_assert_cmpuint (dropped, >, 25);
  g_assert_cmpuint (dropped, <, 80);
}

/* Mean of a frame under a fault, over what the camera has without light, relative
 * to that without the fault. */
static double
light_under (const char *fault)
{
  g_autoptr (Rig) rig = lit_rig ();
  g_autoptr (LbFrame) before = rig_frame (rig, rig_settled (rig));
  g_autoptr (LbFrame) under = NULL;
  g_autoptr (LbFrame) after = NULL;

  lb_simulated_set_fault (rig->devices[0], fault, TRUE);
  under = rig_frame (rig, rig_settled (rig) + 60 * G_USEC_PER_SEC);
  lb_simulated_set_fault (rig->devices[0], fault, FALSE);
  after = rig_frame (rig, rig_settled (rig));
  g_assert_cmpfloat (fabs ((rig_mean (after) - 64) / (rig_mean (before) - 64) - 1), <, 0.05);
  return (rig_mean (under) - 64) / (rig_mean (before) - 64);
}

static void
test_light_path_faults (void)
{
  g_assert_cmpfloat (light_under ("block-beam"), <, 0.02);
  g_assert_cmpfloat (light_under ("dark-source"), <, 0.05);
  g_assert_cmpfloat (light_under ("dark-weight"), <, 0.1);
  g_assert_cmpfloat_with_epsilon (light_under ("wrong-exposure"), 0.5, 0.03);
  g_assert_cmpfloat_with_epsilon (light_under ("fast-drift"), 1 - 0.3 * (1 - exp (-61.0 / 30)), 0.05);
  g_assert_cmpfloat (light_under ("room-light"), >, 1.005);
  g_assert_cmpfloat (light_under ("cover-weight"), <, 0.97);
}

/* The source's picture moves by a pixel of this rig's macropixels of four. */
static void
test_misaligned (void)
{
  g_autoptr (Rig) rig = rig_new ("\"spread\": 0, \"light_rin\": 0, \"light_drift\": 0", 1, 1);
  g_autofree guint8 *data = g_malloc0 (320 * 200);
  g_autofree guint8 *moved = g_malloc0 (320 * 200);
  g_autoptr (LbPattern) pattern = NULL, expected = NULL;
  g_autoptr (LbFrame) faulted = NULL, without = NULL;
  double difference = 0, sum = 0;

  for (guint i = 0; i < 320 * 200; i++)
    data[i] = i % 320 / 8 % 2 == 0 ? 255 : 0;
  for (guint i = 0; i < 320 * 200; i++)
    moved[i] = i % 320 > 0 ? data[i - 1] : 0;
  pattern = lb_pattern_new_take (320, 200, g_steal_pointer (&data));
  expected = lb_pattern_new_take (320, 200, g_steal_pointer (&moved));
  rig_expose_for (rig, 1000);
  rig_show_level (rig, LB_ROLE_WEIGHT, 255);
  lb_simulated_set_fault (rig->devices[0], "misalign", TRUE);
  rig_show (rig, LB_ROLE_SOURCE, pattern);
  faulted = rig_frame (rig, rig_settled (rig));
  lb_simulated_set_fault (rig->devices[0], "misalign", FALSE);
  rig_show (rig, LB_ROLE_SOURCE, expected);
  without = rig_frame (rig, rig_settled (rig));
  for (guint x = 0; x < faulted->width; x++)
    {
      double column = 0;

      for (guint y = 0; y < faulted->height; y++)
        {
          const gsize at = (gsize) y * faulted->width + x;

          column += (double) faulted->data[at] - without->data[at];
          sum += without->data[at] - 64.0;
        }
      difference += fabs (column);
    }
  g_assert_cmpfloat (difference, <, 0.03 * sum);
}

static void
test_camera_faults (void)
{
  g_autoptr (Rig) rig = lit_rig ();
  g_autoptr (LbFrame) first = NULL, second = NULL, fresh = NULL;
  g_autoptr (GError) error = NULL;
  gsize size;

  lb_simulated_set_fault (rig->devices[0], "stale-frames", TRUE);
  first = rig_frame (rig, 0);
  second = rig_frame (rig, 0);
  lb_simulated_set_fault (rig->devices[0], "stale-frames", FALSE);
  fresh = rig_frame (rig, 0);
  size = sizeof (guint16) * first->width * first->height;
  g_assert_cmpint (second->start_us, >, first->start_us);
  g_assert_cmpmem (first->data, size, second->data, size);
  g_assert_cmpint (memcmp (first->data, fresh->data, size), !=, 0);
  lb_simulated_set_fault (rig->devices[0], "stall-camera", TRUE);
  g_assert_null (lb_camera_wait_frame (rig_camera (rig), 0, NULL, -1, &error));
  g_assert_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_STALLED);
}

static void
test_light_faults (void)
{
  g_autoptr (Rig) rig = lit_rig ();
  g_autoptr (LbFrame) frame = NULL;
  g_autoptr (GError) error = NULL;
  LbLightSourceState state;

  lb_simulated_set_fault (rig->devices[0], "over-temperature", TRUE);
  frame = lb_camera_wait_frame (rig_camera (rig), rig_settled (rig), NULL, -1, &error);
  g_assert_no_error (error);
  g_assert_cmpfloat (rig_mean (frame), <, 75);
  g_assert_true (lb_light_source_read_state (rig_light (rig), &state, NULL, -1, &error));
  g_assert_cmpint (state.trips, ==, LB_LIGHT_TRIP_TEMPERATURE);
  g_assert_cmpfloat (state.temperature_c, >, 50);
  g_assert_false (lb_light_source_output_on (rig_light (rig), 0, G_USEC_PER_SEC, NULL, -1, &error));
  g_assert_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_INTERLOCK);
  g_clear_error (&error);
  lb_simulated_set_fault (rig->devices[0], "over-temperature", FALSE);
  lb_simulated_set_fault (rig->devices[0], "usb-time-out", TRUE);
  g_assert_false (lb_light_source_output_on (rig_light (rig), 0, G_USEC_PER_SEC, NULL, -1, &error));
  g_assert_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_TIMEOUT);
}

static void
test_fault_table (void)
{
  g_autoptr (Rig) rig = rig_new ("", 1, 1);
  const char *const *faults = lb_simulated_list_faults ();

  g_assert_true (g_strv_contains (faults, "unplug-camera"));
  for (guint i = 0; faults[i] != NULL; i++)
    {
      g_assert_nonnull (lb_simulated_get_fault_title (faults[i]));
      g_assert_false (lb_simulated_get_fault (rig->devices[0], faults[i]));
    }
  g_assert_false (lb_simulated_set_fault (rig->devices[0], "earthquake", TRUE));
  g_assert_null (lb_simulated_get_fault_title ("earthquake"));
}

/* --- Setup ------------------------------------------------------------------------------ */

static void
assert_refused (const char *world, const char *camera, int code, const char *names)
{
  g_autofree char *json = rig_json (world, camera, TRUE);
  g_autoptr (GError) error = NULL;
  g_autoptr (LbSetup) setup = lb_setup_parse (json, -1, "rig", LB_FIDELITY_PIXEL, &error);
  LbDriverContext context = { .setup = setup };

  g_assert_no_error (error);
  context.clock = lb_clock_new_virtual (0);
  g_assert_null (lb_simulated_driver.create (&context, LB_ROLE_CAMERA, &error));
  g_assert_error (error, LB_SETUP_ERROR, code);
  g_assert_nonnull (strstr (error->message, names));
  g_assert_null (context.shared);
  g_object_unref (context.clock);
}

static void
test_bad_keys (void)
{
  assert_refused ("\"gravity\": 9.81", "", LB_SETUP_ERROR_KEY, "world.gravity");
  assert_refused ("\"read_noise\": -1", "", LB_SETUP_ERROR_VALUE, "world.read_noise");
  assert_refused ("\"read_noise\": \"low\"", "", LB_SETUP_ERROR_VALUE, "world.read_noise");
  assert_refused ("\"source_flip\": \"z\"", "", LB_SETUP_ERROR_VALUE, "world.source_flip");
  assert_refused ("\"camera_quarter_turns\": 1.5", "", LB_SETUP_ERROR_VALUE, "world.camera_quarter_turns");
  assert_refused ("\"hot_current_low\": 30000", "", LB_SETUP_ERROR_VALUE, "world.hot_current_low");
  assert_refused ("", ", \"bits\": 9", LB_SETUP_ERROR_VALUE, "devices.camera.bits");
  assert_refused ("", ", \"lens\": 9", LB_SETUP_ERROR_KEY, "devices.camera.lens");
  assert_refused ("", ", \"width\": 277", LB_SETUP_ERROR_VALUE, "devices.camera");
}

static void
test_draw (void)
{
  g_autoptr (Rig) plain = rig_new ("\"spread\": 0", 1, 1);
  g_autoptr (Rig) plain_other = rig_new ("\"spread\": 0", 2, 1);
  LbDevice *device = plain->devices[0];
  double low = 1, high = 0;

  g_assert_cmpfloat (lb_simulated_truth_get_parameter (device, "weight_floor"), ==, 0.012);
  g_assert_cmpfloat (lb_simulated_truth_get_parameter (device, "source_shift_px"), ==, 0);
  g_assert_cmpfloat (lb_simulated_truth_get_parameter (plain_other->devices[0], "read_noise"), ==,
                     lb_simulated_truth_get_parameter (device, "read_noise"));
  g_assert_true (isnan (lb_simulated_truth_get_parameter (device, "gravity")));
  for (guint seed = 0; seed < 12; seed++)
    {
      g_autoptr (Rig) rig = rig_new ("", seed, 1);
      double floor = lb_simulated_truth_get_parameter (rig->devices[0], "weight_floor");

      low = MIN (low, floor);
      high = MAX (high, floor);
      g_assert_cmpfloat (floor, >=, 0.006);
      g_assert_cmpfloat (floor, <=, 0.018);
    }
  g_assert_cmpfloat (high - low, >, 0.004);
}

static char *
get_serial (const char *world, guint64 seed)
{
  g_autoptr (Rig) rig = rig_new (world, seed, 1);
  g_autoptr (LbIdentity) identity = lb_device_get_identity (rig->devices[LB_ROLE_CAMERA], NULL, -1, NULL);

  return g_strdup (identity->serial);
}

static void
test_serial (void)
{
  g_autofree char *one = get_serial ("", 4711), *same = get_serial ("", 4711), *other = get_serial ("", 4712);
  g_autofree char *changed = get_serial ("\"read_noise\": 3", 4711);

  g_assert_true (g_str_has_prefix (one, "4711-"));
  g_assert_cmpstr (one, ==, same);
  g_assert_cmpstr (one, !=, other);
  g_assert_cmpstr (one, !=, changed);
}

static void
test_presets (void)
{
  for (const char *const *preset = lb_setup_list_presets (); *preset != NULL; preset++)
    for (guint fidelity = LB_FIDELITY_PIXEL; fidelity <= LB_FIDELITY_FAST; fidelity++)
      {
        g_autoptr (GError) error = NULL;
        g_autoptr (LbSetup) setup = lb_setup_load (*preset, fidelity, &error);
        LbDriverContext context = { .setup = setup };

        g_assert_no_error (error);
        context.clock = lb_clock_new_virtual (0);
        for (guint role = 0; role < LB_N_ROLES; role++)
          if (lb_setup_get_driver (setup, role) != NULL)
            {
              LbDevice *device = lb_simulated_driver.create (&context, role, &error);

              g_assert_no_error (error);
              g_object_unref (device);
            }
        g_object_unref (context.shared);
        g_object_unref (context.clock);
      }
}

/* Without a light source the source plane is the light, and black is dark. */
static void
test_without_light_source (void)
{
  g_autoptr (Rig) rig = rig_new_full (
      "\"photons_per_us\": 0.846, \"source_floor\": 0, \"stray_of_source\": 1, \"source_load\": 0.1", "",
      FALSE, 1, 1);
  g_autoptr (LbFrame) dark = NULL, bright = NULL;

  g_assert_null (rig->devices[LB_ROLE_LIGHT]);
  rig_show_level (rig, LB_ROLE_WEIGHT, 255);
  rig_expose_for (rig, 8000);
  dark = rig_frame (rig, rig_settled (rig));
  rig_show_level (rig, LB_ROLE_SOURCE, 255);
  bright = rig_frame (rig, rig_settled (rig));
  g_assert_cmpfloat (rig_mean (dark), <, 80);
  g_assert_cmpfloat (rig_mean (bright), >, 500);
}

typedef struct
{
  gboolean asked;
  double exposure_us;
  gboolean light;
  double mean;
} Look;

static gboolean
look_source (LbExposure *exposure, gpointer data, GError **error)
{
  Look *look = data;
  gboolean first = !look->asked;

  look->asked = TRUE;
  exposure->light = look->light;
  exposure->exposure_us = look->exposure_us;
  return first;
}

static gboolean
look_sink (const LbExposure *exposure, guint nth, LbFrame *frame, gpointer data, GError **error)
{
  ((Look *) data)->mean = rig_mean (frame);
  return TRUE;
}

static gboolean
look (LbBench *bench, gpointer data, GCancellable *cancellable, GError **error)
{
  return lb_bench_run_sequence (bench, look_source, look_sink, data, cancellable, error);
}

/* In wall time an exposure may outlast the lease: the waiting camera lets the
 * bench renew it. */
static void
test_longer_than_the_lease (void)
{
  g_autofree char *json = rig_json (QUIET, "", TRUE);
  g_autoptr (LbSetup) setup = lb_setup_parse (json, -1, "rig", LB_FIDELITY_PIXEL, NULL);
  LbDriverContext context = { .setup = setup, .clock = lb_clock_new_wall () };
  LbDevice *devices[LB_N_ROLES];
  g_autoptr (LbBench) bench = NULL;
  g_autoptr (GError) error = NULL;
  double means[2];

  for (guint role = 0; role < LB_N_ROLES; role++)
    devices[role] = lb_simulated_driver.create (&context, role, &error);
  g_assert_no_error (error);
  bench = lb_bench_new_for_devices (setup, context.clock, devices);
  lb_bench_connect (bench, NULL, &error);
  g_assert_no_error (error);
  for (guint light = 0; light < 2; light++)
    {
      Look what = { .exposure_us = 1.6e6, .light = light != 0 };

      lb_bench_run (bench, "look", look, &what, NULL, &error);
      g_assert_no_error (error);
      means[light] = what.mean;
    }
  g_assert_cmpfloat (means[1], >, means[0] + 100);
  lb_bench_disconnect (bench, NULL, &error);
  g_assert_no_error (error);
  g_object_unref (context.shared);
  g_object_unref (context.clock);
}

/* A display whose brightness gives way when much of it is lit. */
static void
test_load (void)
{
  double means[2];

  for (guint load = 0; load < 2; load++)
    {
      g_autoptr (Rig) rig = rig_new (load ? QUIET ", \"spread\": 0, \"source_load\": 0.2"
                                          : QUIET ", \"spread\": 0, \"source_load\": 0",
                                     1, 1);
      g_autoptr (LbFrame) frame = NULL;

      rig_show_level (rig, LB_ROLE_SOURCE, 255);
      rig_show_level (rig, LB_ROLE_WEIGHT, 255);
      rig_expose_for (rig, 4000);
      frame = rig_frame (rig, rig_settled (rig));
      means[load] = rig_mean (frame) - 64;
    }
  g_assert_cmpfloat_with_epsilon (means[1] / means[0], 0.8, 0.005);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/simulated/camera/settings-have-ranges-and-actual-values", test_camera_settings);
  g_test_add_func ("/simulated/camera/region-shortens-the-period", test_region_is_faster);
  g_test_add_func ("/simulated/camera/too-much-light-saturates", test_saturation);
  g_test_add_func ("/simulated/modulator/wrong-size-is-refused", test_wrong_size);
  g_test_add_func ("/simulated/modulator/blank-is-black", test_blank);
  g_test_add_func ("/simulated/modulator/load-dims-the-display", test_load);
  g_test_add_func ("/simulated/source/lease-runs-out", test_lease);
  g_test_add_func ("/simulated/source/exposure-may-outlast-the-lease", test_longer_than_the_lease);
  g_test_add_func ("/simulated/source/off-now-is-dark-at-once", test_off_now);
  g_test_add_func ("/simulated/source/limit-is-refused", test_limit);
  g_test_add_func ("/simulated/source/power-starts-at-the-threshold", test_threshold);
  g_test_add_func ("/simulated/source/no-light-source-means-the-display-shines", test_without_light_source);
  g_test_add_func ("/simulated/power-meter/reads-what-reaches-the-plane", test_power_meter);
  g_test_add_func ("/simulated/faults/interlock-makes-dark", test_interlock);
  g_test_add_func ("/simulated/faults/unplugged-is-absent-until-opened-again", test_unplug);
  g_test_add_func ("/simulated/faults/unplugged-plane-is-dark", test_unplugged_planes_are_dark);
  g_test_add_func ("/simulated/faults/dropped-frames-leave-gaps", test_dropped_frames);
  g_test_add_func ("/simulated/faults/planes-and-beam-change-the-light", test_light_path_faults);
  g_test_add_func ("/simulated/faults/misaligned-source-is-displaced", test_misaligned);
  g_test_add_func ("/simulated/faults/camera-repeats-or-stalls", test_camera_faults);
  g_test_add_func ("/simulated/faults/light-is-hot-or-silent", test_light_faults);
  g_test_add_func ("/simulated/faults/table-has-titles", test_fault_table);
  g_test_add_func ("/simulated/setup/bad-keys-are-named", test_bad_keys);
  g_test_add_func ("/simulated/setup/seed-draws-within-the-spread", test_draw);
  g_test_add_func ("/simulated/setup/serial-belongs-to-the-world", test_serial);
  g_test_add_func ("/simulated/setup/presets-are-valid", test_presets);
  return g_test_run ();
}
