/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-light-path-private.h"
#include "lb-sentinel-private.h"

#include <glib/gi18n-lib.h>
#include <math.h>
#include <string.h>

/* An exposure is repeated at half the time, and twice the frames, that often. */
#define ATTEMPTS_MAX 5
/* Number of an exposure and attempt in one tag. */
#define ATTEMPT_BITS 4
/* Dark patches brighter than that part of the bright ones: the planes do not
 * show what they should. */
#define DARK_PATCH_LIMIT 0.5

gboolean
lb_path_check_patches (const LbLayout *layout, const LbReading *reading, GError **error)
{
  const double bright = reading->bright_electrons / MAX (layout->bright_pixels, 1);
  const double dark = reading->dark_electrons / MAX (layout->dark_pixels, 1);

  if (layout->dark_pixels == 0 || dark <= DARK_PATCH_LIMIT * bright)
    return TRUE;
  g_set_error (
      error, LB_OPTICS_ERROR, LB_OPTICS_ERROR_DARK,
      _ ("The bright reference patches (%.1f electrons a pixel) do not stand out from the dark ones (%.1f): "
         "the planes do not show the patterns, or the alignment no longer holds. Check both displays, then "
         "align again"),
      bright, dark);
  return FALSE;
}

gboolean
lb_path_check_frame (const LbOpticsModel *model, const LbFrame *frame, GError **error)
{
  if (frame->x == model->sensor_x && frame->y == model->sensor_y && frame->width == model->sensor_width &&
      frame->height == model->sensor_height && frame->bits == model->bits)
    return TRUE;
  g_set_error (error, LB_OPTICS_ERROR, LB_OPTICS_ERROR_SHAPE,
               _ ("The camera gives %u × %u pixels at (%u, %u), %u bits, but the calibration is for %u × %u "
                  "at (%u, %u), "
                  "%u bits: calibrate again"),
               frame->width, frame->height, frame->x, frame->y, frame->bits, model->sensor_width,
               model->sensor_height, model->sensor_x, model->sensor_y, model->bits);
  return FALSE;
}

static gboolean
configure_camera (LbPathRun *self, GCancellable *cancellable, GError **error)
{
  const LbOpticsModel *model = self->plan->model;
  const LbCameraFormat want = { model->sensor_x, model->sensor_y, model->sensor_width, model->sensor_height,
                                model->bits };
  LbCameraFormat actual;

  lb_bench_get_camera_format (self->bench, &actual);
  if (actual.x == want.x && actual.y == want.y && actual.width == want.width &&
      actual.height == want.height && actual.bits == want.bits)
    return TRUE;
  return lb_bench_configure_camera (self->bench, &want, &actual, cancellable, error);
}

/* Whether an exposure can be taken with that many halvings of its time. */
static gboolean
can_shorten (const LbPathRun *self, guint attempt)
{
  return attempt <= ATTEMPTS_MAX &&
         ldexp (self->light.exposure_us, -(int) attempt) >= self->caps.exposure_min_us;
}

/* Next exposure of the plan, those to be repeated last. */
static gboolean
next_exposure (LbExposure *exposure, gpointer data, GError **error)
{
  LbPathRun *self = data;
  guint64 number;
  guint attempt;

  if (self->sentinels != NULL && lb_sentinels_is_due (self->sentinels))
    return FALSE;
  if (self->next < self->plan->exposures)
    {
      number = self->next++;
      attempt = self->attempt;
    }
  else if (self->again->len > 0)
    {
      const guint64 tag = g_array_index (self->again, guint64, 0);

      g_array_remove_index (self->again, 0);
      number = tag >> ATTEMPT_BITS;
      attempt = (guint) (tag & ((1u << ATTEMPT_BITS) - 1));
    }
  else
    return FALSE;

  if (self->sentinels != NULL)
    lb_sentinels_count_exposure (self->sentinels);
  g_clear_pointer (&self->source_pattern, lb_pattern_unref);
  self->source_pattern = lb_path_plan_source (self->plan, number);
  if (self->shown != lb_path_plan_pattern (self->plan, number))
    {
      g_clear_pointer (&self->weight_pattern, lb_pattern_unref);
      self->weight_pattern = lb_path_plan_weight (self->plan, number);
      self->shown = lb_path_plan_pattern (self->plan, number);
    }
  *exposure = (LbExposure){ .source = self->source_pattern,
                            .weight = self->weight_pattern,
                            .light = TRUE,
                            .light_level = self->light.level,
                            .exposure_us = ldexp (self->light.exposure_us, -(int) attempt),
                            .frames = self->light.frames << attempt,
                            .meter = TRUE,
                            .ahead = TRUE,
                            .tag = number << ATTEMPT_BITS | attempt };
  return TRUE;
}

void
lb_path_add_reading (LbReading **sum, LbReading *reading)
{
  LbReading *to = *sum;

  if (to == NULL)
    {
      *sum = reading;
      return;
    }
  for (guint t = 0; t < reading->tiles; t++)
    {
      to->electrons[t] += reading->electrons[t];
      to->saturated[t] += reading->saturated[t];
    }
  to->bright_electrons += reading->bright_electrons;
  to->dark_electrons += reading->dark_electrons;
  to->bright_saturated += reading->bright_saturated;
  to->light += reading->light;
  lb_reading_free (reading);
}

static gboolean
is_saturated (const LbPathRun *self, guint64 exposure)
{
  const LbLayout *layout = self->plan->layout;
  LbPathSlot what;

  if (self->sum->bright_saturated > 0)
    return TRUE;
  for (guint t = 0; t < layout->n_tiles; t++)
    if (self->sum->saturated[t] > 0 &&
        lb_path_plan_slot (self->plan, exposure, t / layout->tiles_per_slot, &what))
      return TRUE;
  return FALSE;
}

/* Light that a tile had, per element: N = L sum c_i u_i / (d QE eta). */
static void
count_light (LbPathRun *self, guint tile, const LbPathSlot *what, double sum_c, double sum_cx)
{
  const LbOpticsModel *model = self->plan->model;
  const double fx = self->plan->layout->tile_source_floor[tile];
  const double photons = self->sum->light * (fx * sum_c + (1 - fx) * sum_cx) /
                         (model->quantum_efficiency * model->path_transmission);
  const double per_mac = photons / (double) what->length;

  self->counts->photons += photons;
  self->counts->detected_electrons += self->sum->electrons[tile];
  self->counts->weight_values += what->length;
  self->sum_photons += per_mac;
  self->sum_square_photons += per_mac * per_mac;
  self->sum_electrons += self->sum->electrons[tile] / (double) what->length;
  self->tiles++;
}

/* Decodes one tile: one pass of one segment of a dot product. */
static void
decode_tile (LbPathRun *self, guint64 exposure, guint tile, guint sign_b, const LbPathSlot *what, gsize place)
{
  const LbLayout *layout = self->plan->layout;
  const float *x = lb_path_plan_a (self->plan, exposure, what);
  const float *w = lb_path_plan_b (self->plan, sign_b, what);
  const float *c = layout->cell_gain[tile];
  const guint sign_a = lb_path_plan_sign (self->plan, exposure);
  float *raw = &self->raw[4 * place + sign_a + 2 * sign_b];
  double sum_c = 0, sum_cx = 0, sum_w = 0, product;

  for (gsize i = 0; i < what->length; i++)
    {
      sum_c += c[i];
      sum_cx += (double) c[i] * x[i];
      sum_w += w[i];
    }
  product = lb_readout_decode (layout, self->sum, tile, sum_cx, sum_w, what->length);
  if (self->sum->saturated[tile] > 0 || self->sum->bright_saturated > 0)
    product = NAN;
  self->products[place] += sign_a == sign_b ? product : -product;
  *raw = (isnan (*raw) ? 0 : *raw) + (float) self->sum->electrons[tile];
  count_light (self, tile, what, sum_c, sum_cx);
}

typedef struct
{
  guint32 *rows;
  guint32 *columns;
  float *values;
  float *raw;
  gsize count;
} Finished;

/* A dot product of which nothing is missing any more goes into the result. */
static void
finish_product (LbPathRun *self, const LbPathSlot *what, gsize place, Finished *finished)
{
  const LbPathPlan *plan = self->plan;
  const float value =
      (float) (self->products[place] * plan->a->scale[what->row] * plan->b->scale[what->column]);
  const gsize i = finished->count++;

  lb_matrix_row (self->out, what->row)[plan->diagonal ? 0 : what->column] = value;
  self->counts->dot_products++;
  self->counts->macs += plan->layout->length;
  if (isnan (value))
    self->counts->unusable++;
  finished->rows[i] = (guint32) what->row;
  finished->columns[i] = plan->diagonal ? 0 : (guint32) what->column;
  finished->values[i] = value;
  memcpy (finished->raw + 4 * i, self->raw + 4 * place, 4 * sizeof (float));
}

static void
decode_exposure (LbPathRun *self, guint64 exposure)
{
  const LbPathPlan *plan = self->plan;
  const LbLayout *layout = plan->layout;
  g_autofree guint32 *rows = g_new (guint32, layout->slots);
  g_autofree guint32 *columns = g_new (guint32, layout->slots);
  g_autofree float *values = g_new (float, layout->slots);
  g_autofree float *raw = g_new (float, 4 * (gsize) layout->slots);
  Finished finished = { rows, columns, values, raw, 0 };

  for (guint slot = 0; slot < layout->slots; slot++)
    {
      LbPathSlot what;
      gsize place;

      if (!lb_path_plan_slot (plan, exposure, slot, &what))
        continue;
      place = plan->diagonal ? what.row : what.row * plan->b->positive->rows + what.column;
      self->counts->source_values += what.length * plan->signs_b;
      for (guint sign = 0; sign < plan->signs_b; sign++)
        decode_tile (self, exposure, slot * layout->tiles_per_slot + sign, sign, &what, place);
      self->missing[place]--;
      if (self->missing[place] == 0)
        finish_product (self, &what, place, &finished);
    }
  if (self->partial != NULL && finished.count > 0)
    self->partial (rows, columns, values, raw, finished.count, self->partial_data);
}

static void
count_readouts (LbPathRun *self, guint64 exposure)
{
  const LbLayout *layout = self->plan->layout;
  LbPathSlot what;

  self->counts->exposures++;
  for (guint t = 0; t < layout->n_tiles; t++)
    if (lb_path_plan_slot (self->plan, exposure, t / layout->tiles_per_slot, &what))
      {
        self->counts->readouts++;
        self->counts->adc_samples += layout->tile_pixels[t];
      }
}

static gboolean
take_frame (const LbExposure *exposure, guint nth, LbFrame *frame, gpointer data, GError **error)
{
  LbPathRun *self = data;
  const LbLayout *layout = self->plan->layout;
  const guint64 number = exposure->tag >> ATTEMPT_BITS;
  const guint attempt = (guint) (exposure->tag & ((1u << ATTEMPT_BITS) - 1));
  g_autoptr (LbReading) reading = NULL;

  if (nth == 0)
    g_clear_pointer (&self->sum, lb_reading_free);
  if (!lb_path_check_frame (self->plan->model, frame, error) ||
      !lb_light_path_check (self, exposure, number, nth, frame, self->light_per_us, self->cancellable, error))
    return FALSE;
  reading = lb_readout_read (layout, frame->data, frame->width, frame->height, frame->exposure_us,
                             frame->gain, TRUE, error);
  if (reading == NULL)
    return FALSE;
  count_readouts (self, number);
  if (self->drift != NULL)
    {
      lb_drift_correct_dark (self->drift, layout, frame->exposure_us, reading);
      lb_drift_correct_gain (self->drift, layout, reading);
    }
  lb_path_add_reading (&self->sum, g_steal_pointer (&reading));
  if (nth + 1 < exposure->frames)
    return TRUE;
  if (is_saturated (self, number) && can_shorten (self, attempt + 1))
    {
      const guint64 tag = number << ATTEMPT_BITS | (attempt + 1);

      g_array_append_val (self->again, tag);
      /* What follows would fare the same. */
      self->attempt = MAX (self->attempt, attempt + 1);
      return TRUE;
    }
  if (!lb_path_check_patches (layout, self->sum, error))
    return FALSE;
  decode_exposure (self, number);
  return TRUE;
}

/* FALSE as well if it failed: then self->held is set, and no error. */
static gboolean
take_sentinel (LbPathRun *self, GCancellable *cancellable, GError **error)
{
  LbSentinel sentinel;

  if (!lb_sentinels_take (self->sentinels, self->bench, &self->caps, &sentinel, &self->counts->exposures,
                          cancellable, error))
    return FALSE;
  if (self->sentinel_taken != NULL)
    self->sentinel_taken (&sentinel, self->sentinel_data);
  if (sentinel.passed)
    return TRUE;
  self->sentinel = sentinel;
  self->held = TRUE;
  return FALSE;
}

gboolean
lb_path_run_exposures (LbPathRun *self, GCancellable *cancellable, GError **error)
{
  self->cancellable = cancellable;
  while (self->next < self->plan->exposures || self->again->len > 0)
    {
      if (self->sentinels != NULL && lb_sentinels_is_due (self->sentinels) &&
          !take_sentinel (self, cancellable, error))
        return self->held;
      self->shown = -1;
      if (!lb_bench_run_sequence (self->bench, next_exposure, take_frame, self, cancellable, error))
        return FALSE;
    }
  return TRUE;
}

static gboolean
begin_run (LbPathRun *self, GError **error)
{
  lb_bench_begin_run (self->bench, self->ordinal);
  if (lb_bench_get_camera_caps (self->bench, &self->caps))
    return TRUE;
  g_set_error_literal (error, LB_BENCH_ERROR, LB_BENCH_ERROR_NOT_CONNECTED,
                       _ ("The bench is not connected: connect it first"));
  return FALSE;
}

gboolean
lb_path_run_last_sentinel (LbPathRun *self, GCancellable *cancellable, GError **error)
{
  return begin_run (self, error) && (take_sentinel (self, cancellable, error) || self->held);
}

gboolean
lb_path_run (LbBench *bench, gpointer data, GCancellable *cancellable, GError **error)
{
  LbPathRun *self = data;

  return begin_run (self, error) && configure_camera (self, cancellable, error) &&
         lb_path_find_light (self, cancellable, error) && lb_path_run_exposures (self, cancellable, error);
}
