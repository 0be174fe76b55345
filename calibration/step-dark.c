/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-capture-private.h"

#include <glib/gi18n-lib.h>
#include <lb-statistics.h>
#include <math.h>
#include <string.h>

/* Limit of the uncertainty of the offset of a pixel (optics.md), DN rms. */
#define OFFSET_LIMIT_DN 0.2
#define N_TIMES 3
#define LONG_EXPOSURE_US 100000.0
/* A pixel is hot if its dark current is that many deviations over the median,
 * and noisy if its variance is that many times the usual one: with 24 frames a
 * good pixel never gets there. */
#define HOT_DEVIATIONS 10.0
#define NOISY_VARIANCE_RATIO 6.0
#define OFFSET_DEVIATIONS 12.0
/* Median dark current beyond which light leaks in or the sensor is hot. */
#define LEAK_ELECTRONS_PER_S 200.0
/* Results are rounded to that part of their uncertainty: 0.5 % more variance. */
#define ROUNDING_SHARE 0.25
/* Variance of rounding to whole numbers, DN^2. */
#define ROUNDING_VARIANCE (1.0 / 12)

/* Sums over the frames of one exposure time. Of each row its mean is taken out
 * first, so that row noise does not hide the noise of the pixels. */
typedef struct
{
  double exposure_s;
  guint frames;
  float *sum;      /* per pixel, of DN - mean of the row */
  float *squares;  /* NULL: not wanted */
  double *row_sum; /* per row, of the means */
  double *row_squares;
} DarkSums;

typedef struct
{
  guint width, height;
  DarkSums sums[N_TIMES];
  guint16 largest;
  /* What comes of it. */
  LbMatrix *offset; /* DN */
  LbMatrix *dark;   /* electrons per second */
  float *variance;  /* DN^2 per pixel, rounding included */
  guint8 *defective;
  guint n_hot, n_noisy;
  double read_noise_dn, row_noise_dn, offset_error_dn, dark_error;
  double offset_median, dark_median, hot_limit;
} DarkWork;

static void
dark_work_clear (DarkWork *work)
{
  for (guint i = 0; i < N_TIMES; i++)
    {
      g_free (work->sums[i].sum);
      g_free (work->sums[i].squares);
      g_free (work->sums[i].row_sum);
      g_free (work->sums[i].row_squares);
    }
  g_clear_pointer (&work->offset, lb_matrix_unref);
  g_clear_pointer (&work->dark, lb_matrix_unref);
  g_free (work->variance);
  g_free (work->defective);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (DarkWork, dark_work_clear)

static void
dark_sums_init (DarkSums *sums, guint width, guint height, gboolean squares)
{
  const gsize pixels = (gsize) width * height;

  sums->sum = g_new0 (float, pixels);
  sums->squares = squares ? g_new0 (float, pixels) : NULL;
  sums->row_sum = g_new0 (double, height);
  sums->row_squares = g_new0 (double, height);
}

static void
add_row (DarkSums *sums, const guint16 *data, gsize row, gsize width)
{
  float *sum = sums->sum + row * width;
  guint64 total = 0;
  float mean;

  for (gsize x = 0; x < width; x++)
    total += data[x];
  mean = (float) ((double) total / (double) width);
  if (sums->squares == NULL)
    for (gsize x = 0; x < width; x++)
      sum[x] += (float) data[x] - mean;
  else
    {
      float *squares = sums->squares + row * width;

      for (gsize x = 0; x < width; x++)
        {
          float value = (float) data[x] - mean;

          sum[x] += value;
          squares[x] += value * value;
        }
    }
  sums->row_sum[row] += mean;
  sums->row_squares[row] += (double) mean * mean;
}

static gboolean
dark_sink (const LbCaptureShot *shot, guint nth, LbFrame *frame, gpointer data, GError **error)
{
  DarkWork *work = data;
  DarkSums *sums = &work->sums[shot->tag];

  for (gsize row = 0; row < work->height; row++)
    add_row (sums, frame->data + row * work->width, row, work->width);
  sums->exposure_s = 1e-6 * frame->exposure_us;
  sums->frames++;
  work->largest = (guint16) ((1u << MIN (frame->bits, 16)) - 1);
  return TRUE;
}

static LbPattern *
render_black (guint role, gpointer data)
{
  LbCapture *capture = data;
  LbModulatorCaps caps;

  if (!lb_bench_get_modulator_caps (capture->context->bench, role, &caps))
    return NULL;
  return lb_pattern_new_uniform (caps.width, caps.height, 0);
}

/* Three exposure times: for the offset, the usual one, and for the dark current. */
static GArray *
plan_shots (LbBench *bench)
{
  const guint frames[N_TIMES] = { 24, 8, 16 };
  double times_us[N_TIMES] = { 100, lb_setup_get_optics (lb_bench_get_setup (bench))->exposure_us,
                               LONG_EXPOSURE_US };
  GArray *shots = g_array_new (FALSE, TRUE, sizeof (LbCaptureShot));
  LbCameraCaps caps;

  if (!lb_bench_get_camera_caps (bench, &caps))
    caps = (LbCameraCaps){ .exposure_min_us = times_us[0], .exposure_max_us = LONG_EXPOSURE_US };
  for (guint i = 0; i < N_TIMES; i++)
    {
      LbCaptureShot shot = { .source = LB_ROLE_SOURCE, .weight = LB_ROLE_WEIGHT, .dark = TRUE, .tag = i };

      shot.frames = frames[i];
      shot.exposure_us = CLAMP (times_us[i], caps.exposure_min_us, caps.exposure_max_us);
      g_array_append_val (shots, shot);
    }
  return shots;
}

/* Line through the means of the exposure times, weighted by frames: offset in
 * DN and slope in DN per second of a pixel. */
static void
fit_pixels (DarkWork *work, double electrons_per_dn)
{
  double weight = 0, time = 0, time2 = 0, determinant;

  for (guint i = 0; i < N_TIMES; i++)
    {
      const DarkSums *sums = &work->sums[i];

      weight += sums->frames;
      time += sums->frames * sums->exposure_s;
      time2 += sums->frames * sums->exposure_s * sums->exposure_s;
    }
  determinant = weight * time2 - time * time;
  for (gsize y = 0; y < work->height; y++)
    {
      float *offset = lb_matrix_row (work->offset, y), *dark = lb_matrix_row (work->dark, y);

      for (gsize x = 0; x < work->width; x++)
        {
          double sum = 0, moment = 0;

          for (guint i = 0; i < N_TIMES; i++)
            {
              const double total = (double) work->sums[i].sum[y * work->width + x] + work->sums[i].row_sum[y];

              sum += total;
              moment += total * work->sums[i].exposure_s;
            }
          offset[x] = (float) ((time2 * sum - time * moment) / determinant);
          dark[x] = (float) (electrons_per_dn * (weight * moment - time * sum) / determinant);
        }
    }
  /* Both times the variance of a frame; see find_noise(). */
  work->offset_error_dn = time2 / determinant;
  work->dark_error = electrons_per_dn * electrons_per_dn * weight / determinant;
}

/* Values of an array that lie on a coarse grid of pixels: enough for medians. */
static float *
sample (const float *values, gsize stride, guint width, guint height, gsize *count)
{
  const guint step = MAX (1, (guint) sqrt ((double) width * height / 100000.0));
  float *samples = g_new (float, ((gsize) width / step + 1) * (height / step + 1));

  *count = 0;
  for (gsize y = step / 2; y < height; y += step)
    for (gsize x = step / 2; x < width; x += step)
      samples[(*count)++] = values[y * stride + x];
  return samples;
}

/* Median and robust standard deviation (from the quartiles). */
static double
robust_centre (const float *values, gsize stride, guint width, guint height, double *deviation)
{
  gsize count;
  g_autofree float *samples = sample (values, stride, width, height, &count);

  *deviation = (lb_percentile_float (samples, count, 75) - lb_percentile_float (samples, count, 25)) / 1.349;
  return lb_percentile_float (samples, count, 50);
}

static void
find_variance (DarkWork *work)
{
  const DarkSums *sums = &work->sums[0];
  const double n = sums->frames, width = work->width;
  const float scale = (float) (width / (width - 1) / (n - 1));

  work->variance = g_new (float, (gsize) work->width * work->height);
  for (gsize i = 0; i < (gsize) work->width * work->height; i++)
    work->variance[i] = (sums->squares[i] - sums->sum[i] * sums->sum[i] / (float) n) * scale;
}

static void
find_defects (DarkWork *work)
{
  const gsize pixels = (gsize) work->width * work->height;
  double offset_deviation, dark_deviation, variance_deviation, variance;

  work->offset_median =
      robust_centre (work->offset->data, work->offset->stride, work->width, work->height, &offset_deviation);
  work->dark_median =
      robust_centre (work->dark->data, work->dark->stride, work->width, work->height, &dark_deviation);
  variance = robust_centre (work->variance, work->width, work->width, work->height, &variance_deviation);
  work->hot_limit = work->dark_median + HOT_DEVIATIONS * dark_deviation;
  offset_deviation = MAX (offset_deviation, 0.5);

  work->defective = g_malloc0 (pixels);
  for (gsize y = 0; y < work->height; y++)
    for (gsize x = 0; x < work->width; x++)
      {
        const gsize i = y * work->width + x;
        const double offset = lb_matrix_get (work->offset, y, x);
        gboolean hot = lb_matrix_get (work->dark, y, x) > work->hot_limit ||
                       fabs (offset - work->offset_median) > OFFSET_DEVIATIONS * offset_deviation ||
                       offset >= work->largest;
        gboolean noisy = work->variance[i] > NOISY_VARIANCE_RATIO * MAX (variance, ROUNDING_VARIANCE);

        work->defective[i] = hot || noisy;
        work->n_hot += hot;
        work->n_noisy += noisy && !hot;
      }
}

/* Noise of the good pixels, and of the rows: what their means vary by, less
 * what the pixels in them contribute. */
static void
find_noise (DarkWork *work)
{
  const DarkSums *sums = &work->sums[0];
  const double n = sums->frames;
  double variance = 0, row_variance = 0;
  gsize count = 0;

  for (gsize i = 0; i < (gsize) work->width * work->height; i++)
    if (!work->defective[i])
      {
        variance += work->variance[i];
        count++;
      }
  variance /= (double) MAX (count, 1);
  for (gsize y = 0; y < work->height; y++)
    row_variance += (sums->row_squares[y] - sums->row_sum[y] * sums->row_sum[y] / n) / (n - 1);
  row_variance = row_variance / work->height - variance / work->width;

  work->read_noise_dn = sqrt (MAX (variance - ROUNDING_VARIANCE, 0));
  work->row_noise_dn = sqrt (MAX (row_variance, 0));
  work->offset_error_dn = sqrt (work->offset_error_dn * (variance + MAX (row_variance, 0)));
  work->dark_error = sqrt (work->dark_error * (variance + MAX (row_variance, 0)));
}

/* Rounds values to what is known of them, to the power of two next below
 * ROUNDING_SHARE of the error of each, which becomes that much larger: what is
 * left can be stored in a fraction of the room. Returns the step. */
static double
round_to_error (LbMatrix *values, double *error)
{
  const double step = *error > 0 ? exp2 (floor (log2 (ROUNDING_SHARE * *error))) : 0;

  for (gsize row = 0; step > 0 && row < values->rows; row++)
    {
      float *data = lb_matrix_row (values, row);

      /* The sum makes a positive zero of a negative one. */
      for (gsize column = 0; column < values->columns; column++)
        data[column] = (float) (step * nearbyint (data[column] / step) + 0.0);
    }
  *error = hypot (*error, step / sqrt (12));
  return step;
}

/* Defective pixels as x, y of the sensor. */
static LbMatrix *
list_defects (const DarkWork *work)
{
  LbMatrix *list = lb_matrix_new (work->n_hot + work->n_noisy, 2);
  gsize row = 0;

  for (gsize i = 0; i < (gsize) work->width * work->height; i++)
    if (work->defective[i])
      {
        lb_matrix_row (list, row)[0] = (float) (i % work->width);
        lb_matrix_row (list, row)[1] = (float) (i / work->width);
        row++;
      }
  return list;
}

static void
add_histogram (LbCalibration *result,
               const char *name,
               LbFigure *figure,
               const float *values,
               gsize stride,
               const DarkWork *work,
               double low,
               double high)
{
  gsize count;
  g_autofree float *samples = sample (values, stride, work->width, work->height, &count);
  g_autofree double *numbers = g_new (double, count);

  for (gsize i = 0; i < count; i++)
    numbers[i] = samples[i];
  lb_figure_add_histogram (figure, NULL, numbers, count, low, high, 60);
  lb_calibration_add_figure (result, name, figure);
}

static void
add_figures (LbCalibration *result, const DarkWork *work)
{
  g_autoptr (LbFigure) offset =
      lb_figure_new (_ ("Offset of the pixels"), _ ("Offset"), "DN", _ ("Pixels (sample)"), "");
  g_autoptr (LbFigure) dark = lb_figure_new (_ ("Dark current of the pixels"), _ ("Dark current"),
                                             _ ("electrons/s"), _ ("Pixels (sample)"), "");
  g_autoptr (LbFigure) noise =
      lb_figure_new (_ ("Read noise of the pixels"), _ ("Variance"), "DN²", _ ("Pixels (sample)"), "");
  double deviation, median;

  median = robust_centre (work->offset->data, work->offset->stride, work->width, work->height, &deviation);
  deviation = MAX (deviation, 0.1);
  add_histogram (result, "offset", offset, work->offset->data, work->offset->stride, work,
                 median - 5 * deviation, median + 5 * deviation);
  median = robust_centre (work->dark->data, work->dark->stride, work->width, work->height, &deviation);
  deviation = MAX (deviation, 0.1);
  add_histogram (result, "dark_current", dark, work->dark->data, work->dark->stride, work,
                 median - 6 * deviation, median + 12 * deviation);
  median = robust_centre (work->variance, work->width, work->width, work->height, &deviation);
  add_histogram (result, "noise", noise, work->variance, work->width, work, 0, MAX (3 * median, 0.01));
}

static void
set_values (LbCalibration *result, const DarkWork *work, double electrons_per_dn)
{
  LbQuantities *values = lb_calibration_values (result);

  lb_quantities_set (values, "offset", work->offset_median, "DN");
  lb_quantities_set (values, "offset_error", work->offset_error_dn, "DN");
  lb_quantities_set (values, "dark_current", work->dark_median, "electrons/s");
  lb_quantities_set (values, "dark_current_error", work->dark_error, "electrons/s");
  lb_quantities_set (values, "read_noise_dn", work->read_noise_dn, "DN");
  lb_quantities_set (values, "read_noise", work->read_noise_dn * electrons_per_dn, "electrons");
  lb_quantities_set (values, "row_noise_dn", work->row_noise_dn, "DN");
  lb_quantities_set (values, "row_noise", work->row_noise_dn * electrons_per_dn, "electrons");
  lb_quantities_set (values, "hot_pixels", work->n_hot, "");
  lb_quantities_set (values, "noisy_pixels", work->n_noisy, "");
  lb_quantities_set (values, "hot_limit", work->hot_limit, "electrons/s");
  lb_quantities_set (values, "sensor_width", work->width, "px");
  lb_quantities_set (values, "sensor_height", work->height, "px");
}

static void
judge (LbCalibration *result, const DarkWork *work)
{
  const double defects = (double) (work->n_hot + work->n_noisy) / ((double) work->width * work->height);
  g_autofree char *good =
      g_strdup_printf (_ ("The sensor is dark and quiet: %.2f DN read noise, %u defective pixels left out."),
                       work->read_noise_dn, work->n_hot + work->n_noisy);

  lb_capture_judge (result, work->offset_error_dn, OFFSET_LIMIT_DN, "DN", good,
                    _ ("The camera is noisier than its offset can be measured with: cool it, or lower its "
                       "gain."));
  if (lb_calibration_get_verdict (result) == LB_VERDICT_FAIL)
    return;
  if (defects > 0.02)
    lb_calibration_set_verdict (result, LB_VERDICT_FAIL, work->offset_error_dn, OFFSET_LIMIT_DN, "DN",
                                _ ("More than 2 % of the pixels are hot or noisy: cool the camera, or cover "
                                   "the bench against room light."));
  else if (work->dark_median > LEAK_ELECTRONS_PER_S)
    lb_calibration_set_verdict (result, LB_VERDICT_WARN, work->offset_error_dn, OFFSET_LIMIT_DN, "DN",
                                _ ("The camera sees light although the light is off: cover the bench "
                                   "against room light."));
}

static gboolean
start (LbCalibrationContext *context, DarkWork *work, GCancellable *cancellable, GError **error)
{
  const LbCameraFormat whole = { 0 };
  LbCameraFormat format;

  if (!lb_capture_set_region (context, &whole, &format, cancellable, error))
    return FALSE;
  work->width = format.width;
  work->height = format.height;
  for (guint i = 0; i < N_TIMES; i++)
    dark_sums_init (&work->sums[i], work->width, work->height, i == 0);
  work->offset = lb_matrix_new (work->height, work->width);
  work->dark = lb_matrix_new (work->height, work->width);
  return TRUE;
}

static gboolean
measure_dark (LbCalibrationContext *context, LbCalibration *result, GCancellable *cancellable, GError **error)
{
  const double electrons_per_dn = lb_setup_get_optics (lb_bench_get_setup (context->bench))->electrons_per_dn;
  LbCapture capture = { .context = context,
                        .render_source = render_black,
                        .render_weight = render_black,
                        .fraction_to = 0.9,
                        .message = _ ("Dark frames") };
  g_auto (DarkWork) work = { 0 };
  g_autoptr (GArray) shots = plan_shots (context->bench);
  g_autoptr (LbMatrix) defects = NULL;

  capture.render_data = &capture;
  if (!start (context, &work, cancellable, error) ||
      !lb_capture_run (&capture, shots, dark_sink, &work, cancellable, error))
    return FALSE;

  for (guint i = 0; i < N_TIMES; i++)
    {
      g_autofree char *name = g_strdup_printf ("exposure_%u", i + 1);

      lb_quantities_set (lb_calibration_settings (result), name, 1e3 * work.sums[i].exposure_s, "ms");
    }
  if (work.sums[N_TIMES - 1].exposure_s < 2 * work.sums[0].exposure_s)
    {
      g_set_error_literal (error, LB_CALIBRATION_ERROR, LB_CALIBRATION_ERROR_SIGNAL,
                           _ ("The camera offers one exposure time only: the dark current cannot be told "
                              "from the offset"));
      return FALSE;
    }
  lb_quantities_set (lb_calibration_settings (result), "electrons_per_dn", electrons_per_dn, "electrons");
  fit_pixels (&work, electrons_per_dn);
  find_variance (&work);
  find_defects (&work);
  find_noise (&work);
  add_figures (result, &work);
  defects = list_defects (&work);
  lb_quantities_set (lb_calibration_settings (result), "offset_step",
                     round_to_error (work.offset, &work.offset_error_dn), "DN");
  lb_quantities_set (lb_calibration_settings (result), "dark_current_step",
                     round_to_error (work.dark, &work.dark_error), "electrons/s");
  lb_calibration_set_array (result, "offset", work.offset);
  lb_calibration_set_array (result, "dark_current", work.dark);
  lb_calibration_set_array (result, "defects", defects);
  set_values (result, &work, electrons_per_dn);
  judge (result, &work);
  return TRUE;
}

static void
forecast (LbBench *bench, LbCalibrationForecast *forecast)
{
  g_autoptr (GArray) shots = plan_shots (bench);

  for (guint i = 0; i < shots->len; i++)
    {
      const LbCaptureShot *shot = &g_array_index (shots, LbCaptureShot, i);

      lb_calibration_forecast_add (forecast, bench, 0, shot->frames, shot->exposure_us, 1);
    }
}

const LbCalibrationStep lb_calibration_step_dark = {
  .name = "dark",
  .title = N_ ("Dark"),
  .description = N_ ("Finds offset, dark current, noise and hot pixels of the camera, with the light off: "
                     "they are taken out of every frame"),
  .needs = { NULL },
  .max_age_s = 12 * 3600,
  .forecast = forecast,
  .measure = measure_dark,
};
