/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-field-probe-private.h"

#include <glib/gi18n-lib.h>
#include <math.h>

/* Blocks of the chessboard along the shorter side of a plane. */
#define BLOCKS 8
/* Readings of the power meter that are averaged. */
#define METER_READINGS 10
/* Part of the brightest signal from which on a pixel counts as lit. */
#define LIT 0.2

static LbPattern *
render (LbFieldProbe *self, LbRole role, guint number)
{
  const gboolean patch = number == LB_FIELD_PATCH;
  LbModulatorCaps caps;
  guint8 *data;
  guint block;

  if (!lb_bench_get_modulator_caps (self->capture.context->bench, role, &caps))
    return NULL;
  if (number < 256)
    return lb_pattern_new_uniform (caps.width, caps.height, (guint8) number);
  data = g_malloc0 ((gsize) caps.width * caps.height);
  block = MAX (MIN (caps.width, caps.height) / BLOCKS, 1);
  for (guint y = 0; y < caps.height; y++)
    for (guint x = 0; x < caps.width; x++)
      {
        const gboolean inside =
            4 * x >= caps.width && 4 * x < 3 * caps.width && 4 * y >= caps.height && 4 * y < 3 * caps.height;
        const guint8 chess = (x / block + y / block) % 2 == 0 ? (guint8) (number - LB_FIELD_BLOCKS (0))
                                                              : self->reference[role];

        data[(gsize) y * caps.width + x] = patch ? (inside ? self->full[role] : 0) : chess;
      }
  return lb_pattern_new_take (caps.width, caps.height, data);
}

static LbPattern *
render_source (guint number, gpointer data)
{
  return render (data, LB_ROLE_SOURCE, number);
}

static LbPattern *
render_weight (guint number, gpointer data)
{
  return render (data, LB_ROLE_WEIGHT, number);
}

gboolean
lb_field_probe_init (LbFieldProbe *self,
                     LbCalibrationContext *context,
                     GCancellable *cancellable,
                     GError **error)
{
  const LbSetupOptics *optics = lb_setup_get_optics (lb_bench_get_setup (context->bench));
  const LbCameraFormat whole = { 0 };
  const LbMatrix *offset, *dark_current;

  *self = (LbFieldProbe){ .full = { 255, 255 }, .reference = { 255, 255 } };
  self->dark = lb_calibration_set_dup (context->in_force, "dark");
  if (self->dark == NULL || !lb_bench_get_camera_caps (context->bench, &self->caps))
    {
      g_set_error_literal (error, LB_CALIBRATION_ERROR, LB_CALIBRATION_ERROR_NEEDS,
                           _ ("The dark frames have not been measured: run the step Dark first"));
      return FALSE;
    }
  offset = lb_calibration_get_array (self->dark, "offset");
  dark_current = lb_calibration_get_array (self->dark, "dark_current");
  if (offset == NULL || dark_current == NULL || offset->columns != self->caps.width ||
      offset->rows != self->caps.height || dark_current->columns != offset->columns ||
      dark_current->rows != offset->rows)
    {
      g_set_error_literal (error, LB_CALIBRATION_ERROR, LB_CALIBRATION_ERROR_FORMAT,
                           _ ("The result of the step “dark” does not fit the camera: measure it again"));
      return FALSE;
    }
  self->dark_electrons_per_dn =
      lb_quantities_get (lb_calibration_settings (self->dark), "electrons_per_dn", optics->electrons_per_dn);
  /* A nominal range of more than half a wave falls again. */
  if (optics->weight_phase_range > 1)
    self->full[LB_ROLE_WEIGHT] = self->reference[LB_ROLE_WEIGHT] =
        (guint8) lround (255 / optics->weight_phase_range);
  self->capture = (LbCapture){
    .context = context, .render_source = render_source, .render_weight = render_weight, .render_data = self
  };
  return lb_field_probe_set_window (self, &whole, cancellable, error);
}

void
lb_field_probe_clear (LbFieldProbe *self)
{
  g_clear_object (&self->dark);
  g_clear_pointer (&self->bad, g_free);
  g_clear_pointer (&self->black, g_free);
}

static void
mark_bad (LbFieldProbe *self)
{
  const LbCameraFormat *window = &self->window;
  const LbMatrix *defects = lb_calibration_get_array (self->dark, "defects");

  g_free (self->bad);
  self->bad = g_malloc0 ((gsize) window->width * window->height);
  self->n_good = (gsize) window->width * window->height;
  for (gsize i = 0; defects != NULL && defects->columns == 2 && i < defects->rows; i++)
    {
      const double x = (double) lb_matrix_get (defects, i, 0) - window->x;
      const double y = (double) lb_matrix_get (defects, i, 1) - window->y;

      if (x >= 0 && y >= 0 && x < window->width && y < window->height)
        {
          self->bad[(gsize) y * window->width + (gsize) x] = 1;
          self->n_good--;
        }
    }
}

gboolean
lb_field_probe_set_window (LbFieldProbe *self,
                           const LbCameraFormat *want,
                           GCancellable *cancellable,
                           GError **error)
{
  const LbCameraFormat whole = { 0 };

  if (!lb_capture_set_region (self->capture.context, self->caps.has_region ? want : &whole, &self->window,
                              cancellable, error))
    return FALSE;
  self->largest = (1u << MIN (self->window.bits, 16)) - 1;
  mark_bad (self);
  g_clear_pointer (&self->black, g_free);
  return TRUE;
}

/* A length of whole steps that is at least one and no more than there is. */
static guint
fit_length (guint want, guint step, guint all)
{
  return MIN (MAX ((want + step - 1) / step * step, step), all / step * step);
}

static guint
fit_start (double middle, guint length, guint step, guint all)
{
  const double start = CLAMP (middle - length / 2.0, 0, (double) (all - length));

  return (guint) (start / step) * step;
}

LbCameraFormat
lb_field_probe_place_window (LbFieldProbe *self, LbFrame *frame, guint width, guint height)
{
  const guint step = MAX (self->caps.region_step, 1);
  const float *black = lb_field_probe_black (self, frame);
  double brightest = 0, sum = 0, sum_x = 0, sum_y = 0;
  LbCameraFormat window = { .bits = self->window.bits };

  /* A coarse grid is enough, and the second brightest of a few steps passes over hot pixels. */
  for (guint pass = 0; pass < 2; pass++)
    for (guint y = 0; y < frame->height; y += 4)
      for (guint x = 0; x < frame->width; x += 4)
        {
          const gsize i = (gsize) y * frame->width + x;
          const double signal = self->bad[i] ? 0 : frame->data[i] - (double) black[i];

          if (pass == 0)
            brightest = MAX (brightest, signal);
          else if (signal > LIT * brightest)
            {
              sum++;
              sum_x += x;
              sum_y += y;
            }
        }
  window.width = fit_length (width, step, self->caps.width);
  window.height = fit_length (height, step, self->caps.height);
  window.x = fit_start (self->window.x + (sum > 0 ? sum_x / sum : frame->width / 2.0), window.width, step,
                        self->caps.width);
  window.y = fit_start (self->window.y + (sum > 0 ? sum_y / sum : frame->height / 2.0), window.height, step,
                        self->caps.height);
  return window;
}

const float *
lb_field_probe_black (LbFieldProbe *self, LbFrame *frame)
{
  const LbMatrix *offset = lb_calibration_get_array (self->dark, "offset");
  const LbMatrix *dark = lb_calibration_get_array (self->dark, "dark_current");
  const float scale = (float) (1e-6 * frame->exposure_us / self->dark_electrons_per_dn);
  const LbCameraFormat *window = &self->window;

  if (self->black != NULL && self->black_us == frame->exposure_us)
    return self->black;
  g_free (self->black);
  self->black = g_new (float, (gsize) window->width * window->height);
  self->black_us = frame->exposure_us;
  for (guint y = 0; y < window->height; y++)
    for (guint x = 0; x < window->width; x++)
      self->black[(gsize) y * window->width + x] = lb_matrix_get (offset, window->y + y, window->x + x) +
                                                   scale * lb_matrix_get (dark, window->y + y, window->x + x);
  return self->black;
}

double
lb_field_probe_sum (LbFieldProbe *self, LbFrame *frame, double *clipped)
{
  const gsize count = (gsize) frame->width * frame->height;
  const float *black = lb_field_probe_black (self, frame);
  double sum = 0;
  gsize at_end = 0;

  for (gsize i = 0; i < count; i++)
    if (!self->bad[i])
      {
        sum += frame->data[i] - (double) black[i];
        at_end += frame->data[i] >= self->largest;
      }
  if (clipped != NULL)
    *clipped = (double) at_end / (double) count;
  return sum;
}

static LbPowerMeter *
get_meter (LbFieldProbe *self)
{
  return (LbPowerMeter *) lb_bench_get_device (self->capture.context->bench, LB_ROLE_POWER_METER);
}

static gint64
get_deadline (void)
{
  return g_get_monotonic_time () + 5 * G_USEC_PER_SEC;
}

gboolean
lb_field_probe_prepare_meter (LbFieldProbe *self, GCancellable *cancellable, GError **error)
{
  const LbSetupOptics *optics = lb_setup_get_optics (lb_bench_get_setup (self->capture.context->bench));
  LbPowerMeter *meter = get_meter (self);
  LbPowerMeterCaps caps = { 0 };

  if (meter == NULL)
    return FALSE;
  if (lb_power_meter_get_caps (meter, &caps, cancellable, get_deadline (), error) &&
      lb_power_meter_set_range (meter, 0, cancellable, get_deadline (), error) &&
      (!caps.has_averaging ||
       lb_power_meter_set_averaging (meter, METER_READINGS, cancellable, get_deadline (), error)) &&
      (optics->wavelength_nm <= 0 ||
       lb_power_meter_set_wavelength (meter, optics->wavelength_nm, cancellable, get_deadline (), error)))
    return TRUE;
  g_prefix_error (error, "%s: ", lb_role_get_name (LB_ROLE_POWER_METER));
  return FALSE;
}

gboolean
lb_field_probe_read_meter (LbFieldProbe *self, double *watts, GCancellable *cancellable, GError **error)
{
  if (lb_power_meter_read (get_meter (self), watts, NULL, cancellable, get_deadline (), error))
    return TRUE;
  g_prefix_error (error, "%s: ", lb_role_get_name (LB_ROLE_POWER_METER));
  return FALSE;
}
