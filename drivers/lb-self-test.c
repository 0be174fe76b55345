/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-self-test.h"

#include <math.h>
#include <string.h>

#include <glib/gi18n-lib.h>

#include "lb-camera.h"
#include "lb-light-source.h"
#include "lb-modulator.h"
#include "lb-power-meter.h"

#define CALL_US (5 * G_USEC_PER_SEC)
#define OPEN_US (15 * G_USEC_PER_SEC)
/* How often it is opened and closed. */
#define CYCLES 3
#define FRAMES 5
#define LEASE_US (300 * 1000)
/* What STOP may take (LbBench). */
#define CONFIRM_US (500 * 1000)

typedef struct
{
  LbDevice *device;
  LbSelfTestFunc report;
  gpointer data;
  GCancellable *cancellable;
  gboolean passed; /* all so far */
} SelfTest;

static gint64
soon (void)
{
  return g_get_monotonic_time () + CALL_US;
}

/* Takes @failure. */
static gboolean
point (SelfTest *self, const char *name, GError *failure)
{
  self->report (name, failure, self->data);
  self->passed = self->passed && failure == NULL;
  if (failure == NULL)
    return TRUE;
  g_error_free (failure);
  return FALSE;
}

static GError *
broken (const char *why)
{
  return g_error_new_literal (LB_DEVICE_ERROR, LB_DEVICE_ERROR_FAULTED, why);
}

static gboolean
truth (SelfTest *self, const char *name, gboolean holds, const char *why)
{
  return point (self, name, holds ? NULL : broken (why));
}

/* A call that must fail with one of two codes. Takes @error. */
static void
refusal (
    SelfTest *self, const char *name, gboolean done, GError *error, LbDeviceError code, LbDeviceError other)
{
  if (done)
    point (self, name, broken (_ ("it was accepted")));
  else if (g_error_matches (error, LB_DEVICE_ERROR, (int) code) ||
           g_error_matches (error, LB_DEVICE_ERROR, (int) other))
    point (self, name, NULL);
  else
    {
      point (self, name, g_steal_pointer (&error));
      return;
    }
  g_clear_error (&error);
}

/* --- Planes -------------------------------------------------------------------------------- */

static void
test_pattern (SelfTest *self, LbModulator *plane, const LbModulatorCaps *caps)
{
  gsize length = (gsize) caps->width * caps->height;
  guint8 *levels = g_malloc (length);
  g_autoptr (LbPattern) pattern = NULL;
  g_autoptr (LbPattern) seen = NULL;
  GError *error = NULL;
  gint64 time_us;

  for (gsize i = 0; i < length; i++)
    levels[i] = (guint8) ((i * 7 + i / caps->width * 13) % caps->levels);
  pattern = lb_pattern_new_take (caps->width, caps->height, levels);
  lb_modulator_show (plane, pattern, 1, self->cancellable, soon (), &error);
  if (error == NULL)
    lb_modulator_wait_presented (plane, 1, &time_us, self->cancellable, soon (), &error);
  if (!point (self, "shows-a-pattern", error))
    return;
  error = NULL;
  seen = lb_modulator_read_back (plane, self->cancellable, soon (), &error);
  if (seen != NULL)
    truth (self, "pattern-reads-back-exactly", memcmp (seen->data, pattern->data, length) == 0,
           _ ("what stands on the display is not the pattern"));
  else if (g_error_matches (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_UNSUPPORTED))
    g_clear_error (&error);
  else
    point (self, "pattern-reads-back-exactly", error);
}

static void
test_modulator (SelfTest *self)
{
  LbModulator *plane = LB_MODULATOR (self->device);
  g_autoptr (LbPattern) odd = NULL;
  LbModulatorCaps caps = { 0 };
  LbModulatorFaults faults = 0;
  GError *error = NULL;
  gboolean done;

  lb_modulator_get_caps (plane, &caps, self->cancellable, soon (), &error);
  if (!point (self, "has-caps", error) ||
      !truth (self, "caps-make-sense", caps.width > 0 && caps.height > 0 && caps.levels > 1,
              _ ("size or levels are zero")))
    return;
  error = NULL;
  odd = lb_pattern_new_uniform (caps.width + 1, caps.height, 0);
  done = lb_modulator_show (plane, odd, 1, self->cancellable, soon (), &error);
  refusal (self, "refuses-a-pattern-of-another-size", done, error, LB_DEVICE_ERROR_SIZE,
           LB_DEVICE_ERROR_SIZE);
  test_pattern (self, plane, &caps);
  error = NULL;
  lb_modulator_check (plane, &faults, self->cancellable, soon (), &error);
  if (g_error_matches (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_UNSUPPORTED))
    g_clear_error (&error);
  if (point (self, "checks-itself", error))
    truth (self, "has-no-faults", faults == 0, _ ("it is covered, or levels are altered on their way"));
  error = NULL;
  lb_modulator_blank (plane, self->cancellable, soon (), &error);
  point (self, "goes-black", error);
}

/* --- Camera ---------------------------------------------------------------------------------- */

static void
test_frames (SelfTest *self, LbCamera *camera)
{
  GError *error = NULL;
  guint64 last = 0;
  gboolean rises = TRUE;

  lb_camera_start (camera, 4, self->cancellable, soon (), &error);
  if (!point (self, "starts", error))
    return;
  for (guint i = 0; i < FRAMES && error == NULL; i++)
    {
      g_autoptr (LbFrame) frame =
          lb_camera_wait_frame (camera, G_MININT64, self->cancellable, soon (), &error);

      rises = rises && (frame == NULL || i == 0 || frame->sequence > last);
      last = frame != NULL ? frame->sequence : last;
    }
  if (point (self, "delivers-frames", error))
    truth (self, "sequence-numbers-rise", rises, _ ("a sequence number came twice"));
  error = NULL;
  lb_camera_stop (camera, NULL, soon (), &error);
  point (self, "stops", error);
}

static void
test_camera (SelfTest *self)
{
  const LbCameraFormat whole = { 0 };
  LbCamera *camera = LB_CAMERA (self->device);
  LbCameraFormat actual = { 0 };
  LbCameraCaps caps = { 0 };
  GError *error = NULL;
  gboolean done;

  lb_camera_get_caps (camera, &caps, self->cancellable, soon (), &error);
  if (!point (self, "has-caps", error) ||
      !truth (self, "caps-make-sense",
              caps.width > 0 && caps.height > 0 && caps.exposure_max_us > caps.exposure_min_us,
              _ ("size or range of exposures is empty")))
    return;
  error = NULL;
  lb_camera_configure (camera, &whole, &actual, self->cancellable, soon (), &error);
  point (self, "takes-a-format", error);
  error = NULL;
  done = lb_camera_set_exposure (camera, caps.exposure_max_us * 2, caps.gain_min, NULL, NULL, NULL,
                                 self->cancellable, soon (), &error);
  refusal (self, "refuses-an-exposure-out-of-range", done, error, LB_DEVICE_ERROR_RANGE,
           LB_DEVICE_ERROR_RANGE);
  test_frames (self, camera);
}

/* --- Light source ------------------------------------------------------------------------------- */

static void
refuse_level (SelfTest *self, LbLightSource *light, const char *name, double level)
{
  GError *error = NULL;
  gboolean done = lb_light_source_set_level (light, level, NULL, self->cancellable, soon (), &error);

  refusal (self, name, done, error, LB_DEVICE_ERROR_LIMIT, LB_DEVICE_ERROR_RANGE);
}

static gboolean
wait_confirmed (LbLightSource *light, gint64 duration_us)
{
  gint64 end_us = g_get_monotonic_time () + duration_us;

  while (!lb_light_source_is_confirmed_off (light))
    {
      if (g_get_monotonic_time () > end_us)
        return FALSE;
      g_usleep (5000);
    }
  return TRUE;
}

/* At level 0. An open interlock is no fault of the device: it says so. */
static void
test_lease (SelfTest *self, LbLightSource *light)
{
  GError *error = NULL;
  gboolean done;

  lb_light_source_output_on (light, 1, LEASE_US, self->cancellable, g_get_monotonic_time () + OPEN_US,
                             &error);
  if (!point (self, "switches-on-at-level-0", error))
    return;
  error = NULL;
  lb_light_source_renew (light, 1, LEASE_US, self->cancellable, soon (), &error);
  point (self, "renews-the-lease", error);
  truth (self, "goes-off-when-the-lease-runs-out", wait_confirmed (light, LEASE_US + CONFIRM_US),
         _ ("it was still on, or did not say that it was off: use the key switch"));
  error = NULL;
  done = lb_light_source_output_on (light, 1, 2 * G_USEC_PER_SEC, self->cancellable, soon (), &error);
  refusal (self, "refuses-a-lease-of-2-s", done, error, LB_DEVICE_ERROR_RANGE, LB_DEVICE_ERROR_RANGE);
  error = NULL;
  lb_light_source_output_on (light, 1, G_USEC_PER_SEC, self->cancellable, g_get_monotonic_time () + OPEN_US,
                             &error);
  lb_light_source_off_now (light, 2);
  if (point (self, "switches-on-again", error))
    truth (self, "confirms-STOP", wait_confirmed (light, CONFIRM_US),
           _ ("it did not confirm within 0.5 s that it is off: use the key switch"));
  error = NULL;
  done = lb_light_source_output_on (light, 1, LEASE_US, self->cancellable, soon (), &error);
  refusal (self, "refuses-light-of-before-STOP", done, error, LB_DEVICE_ERROR_INTERLOCK,
           LB_DEVICE_ERROR_INTERLOCK);
}

static void
test_light (SelfTest *self)
{
  LbLightSource *light = LB_LIGHT_SOURCE (self->device);
  LbLightSourceCaps caps = { 0 };
  LbLightSourceState state = { 0 };
  GError *error = NULL;
  double actual = NAN;

  lb_light_source_get_caps (light, &caps, self->cancellable, soon (), &error);
  if (!point (self, "has-caps", error) ||
      !truth (self, "caps-make-sense", caps.maximum > caps.minimum && caps.limit >= 0 && caps.unit[0] != '\0',
              _ ("unit or range is empty")))
    return;
  error = NULL;
  lb_light_source_output_off (light, NULL, soon (), &error);
  point (self, "switches-off", error);
  error = NULL;
  lb_light_source_read_state (light, &state, self->cancellable, soon (), &error);
  if (point (self, "reads-its-state", error))
    truth (self, "is-dark", !state.output, _ ("it says that it is on: use the key switch"));
  refuse_level (self, light, "refuses-a-level-over-the-limit", caps.limit * 1.001 + 1e-3);
  refuse_level (self, light, "refuses-a-level-out-of-range", caps.maximum * 2);
  refuse_level (self, light, "refuses-a-negative-level", -1);
  refuse_level (self, light, "refuses-no-number", NAN);
  error = NULL;
  lb_light_source_set_level (light, 0, &actual, self->cancellable, soon (), &error);
  if (point (self, "takes-level-0", error) && truth (self, "level-0-is-0", actual == 0, _ ("it is not")))
    test_lease (self, light);
}

/* --- Power meter ---------------------------------------------------------------------------------- */

static void
test_power_meter (SelfTest *self)
{
  LbPowerMeter *meter = LB_POWER_METER (self->device);
  LbPowerMeterCaps caps = { 0 };
  GError *error = NULL;
  double watts = NAN;
  gboolean done;

  lb_power_meter_get_caps (meter, &caps, self->cancellable, soon (), &error);
  if (!point (self, "has-caps", error) ||
      !truth (self, "caps-make-sense",
              caps.wavelength_max_nm > caps.wavelength_min_nm && caps.power_max_w > 0,
              _ ("range of wavelengths or power is empty")))
    return;
  error = NULL;
  lb_power_meter_set_wavelength (meter, (caps.wavelength_min_nm + caps.wavelength_max_nm) / 2,
                                 self->cancellable, soon (), &error);
  point (self, "takes-a-wavelength", error);
  error = NULL;
  done =
      lb_power_meter_set_wavelength (meter, caps.wavelength_max_nm * 2, self->cancellable, soon (), &error);
  refusal (self, "refuses-a-wavelength-out-of-range", done, error, LB_DEVICE_ERROR_RANGE,
           LB_DEVICE_ERROR_RANGE);
  error = NULL;
  done = lb_power_meter_set_range (meter, caps.power_max_w * 2, self->cancellable, soon (), &error);
  refusal (self, "refuses-a-power-out-of-range", done, error, LB_DEVICE_ERROR_RANGE, LB_DEVICE_ERROR_RANGE);
  error = NULL;
  lb_power_meter_set_range (meter, 0, self->cancellable, soon (), &error);
  point (self, "ranges-by-itself", error);
  error = NULL;
  done = lb_power_meter_set_averaging (meter, 10, self->cancellable, soon (), &error);
  if (caps.has_averaging)
    point (self, "averages", error);
  else
    refusal (self, "refuses-averaging", done, error, LB_DEVICE_ERROR_UNSUPPORTED,
             LB_DEVICE_ERROR_UNSUPPORTED);
  error = NULL;
  lb_power_meter_read (meter, &watts, NULL, self->cancellable, soon (), &error);
  if (point (self, "reads-power", error))
    truth (self, "power-is-a-number", isfinite (watts), _ ("it is not"));
}

/* --- All devices ------------------------------------------------------------------------------------ */

/* Opened and asked who it is; @first: what it said before, or NULL. */
static LbIdentity *
open_and_ask (SelfTest *self, const LbIdentity *first)
{
  g_autoptr (LbIdentity) identity = NULL;
  g_autofree char *text = NULL;
  g_autofree char *before = NULL;
  GError *error = NULL;

  lb_device_open (self->device, self->cancellable, g_get_monotonic_time () + OPEN_US, &error);
  if (!point (self, first == NULL ? "opens" : "opens-again", error))
    return NULL;
  error = NULL;
  identity = lb_device_get_identity (self->device, self->cancellable, soon (), &error);
  if (identity == NULL)
    {
      point (self, "says-who-it-is", error);
      return NULL;
    }
  if (first == NULL)
    {
      truth (self, "says-who-it-is", identity->model[0] != '\0' && identity->driver[0] != '\0',
             _ ("model or driver is empty"));
      truth (self, "is-connected-when-open", lb_device_get_state (self->device) != LB_DEVICE_ABSENT,
             _ ("its state is absent"));
      return g_steal_pointer (&identity);
    }
  text = lb_identity_to_string (identity);
  before = lb_identity_to_string (first);
  truth (self, "is-still-the-same", g_str_equal (text, before), _ ("it says that it is another one"));
  return g_steal_pointer (&identity);
}

static gboolean
close_it (SelfTest *self)
{
  GError *error = NULL;

  lb_device_close (self->device, NULL, soon (), &error);
  return point (self, "closes", error) &&
         truth (self, "is-absent-when-closed", lb_device_get_state (self->device) == LB_DEVICE_ABSENT,
                _ ("its state is not absent"));
}

static void
test_role (SelfTest *self)
{
  if (LB_IS_MODULATOR (self->device))
    test_modulator (self);
  else if (LB_IS_CAMERA (self->device))
    test_camera (self);
  else if (LB_IS_LIGHT_SOURCE (self->device))
    test_light (self);
  else if (LB_IS_POWER_METER (self->device))
    test_power_meter (self);
}

/**
 * lb_self_test_run:
 * @device: closed before and after; held by no bench
 * @report: called for each point
 *
 * Tests whether @device keeps what its interface says: identity, ranges, refusal
 * of what is out of range, opening and closing three times; patterns, frames, a
 * lease of light at level 0, a reading of power.
 *
 * Returns: whether all points passed; %FALSE also if cancelled
 */
gboolean
lb_self_test_run (LbDevice *device, LbSelfTestFunc report, gpointer data, GCancellable *cancellable)
{
  SelfTest self = { device, report, data, cancellable, TRUE };
  g_autoptr (LbIdentity) first = NULL;

  g_return_val_if_fail (LB_IS_DEVICE (device) && report != NULL, FALSE);

  first = open_and_ask (&self, NULL);
  if (first == NULL)
    {
      lb_device_close (device, NULL, soon (), NULL);
      return FALSE;
    }
  test_role (&self);
  close_it (&self);
  for (guint i = 1; i < CYCLES && !g_cancellable_is_cancelled (cancellable); i++)
    {
      g_autoptr (LbIdentity) again = open_and_ask (&self, first);

      close_it (&self);
      if (again == NULL)
        break;
    }
  return self.passed && !g_cancellable_is_cancelled (cancellable);
}
