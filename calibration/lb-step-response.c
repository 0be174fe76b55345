/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-step-response-private.h"

#include <glib/gi18n-lib.h>
#include <math.h>

/* Frames of what stands before a step and after it, and of the pictures that tell
 * the blocks apart. */
#define LEVEL_FRAMES 12
#define BLOCK_FRAMES 4
/* What a plane needs at most to begin to change, in periods of its display. */
#define LATENCY_PERIODS 14
#define START_FRAMES_MAX 4000
/* Nothing is known of the settling yet: what it may take. */
#define SETTLING_MIN_US 80000.0
#define SETTLINGS_WAITED 1.6
/* Frame periods as a multiple of what the rows allow, so that steps fall into the
 * frames anywhere. */
#define UNEVEN 1.11
#define ROWS_SHARE_MAX 32
#define PIXELS_MIN 40
#define BANDS_MAX 32

/* Frames of one picture; @number of the stepping plane's pattern. */
typedef struct
{
  guint number;
  double delay_us;
  guint frames;
} StepShot;

typedef void (*StepSink) (guint shot, LbFrame *frame, double since_us, gpointer data);

/* A row of shots under way. */
typedef struct
{
  LbStepProbe *probe;
  LbRole role;
  const StepShot *shots;
  guint count, next;
  LbPattern *fixed, *stepping;
  gint64 handed_us;
  double presented_us; /* of the shot before */
  StepSink sink;
  gpointer data;
} StepRun;

void
lb_step_response_clear (LbStepResponse *self)
{
  g_clear_pointer (&self->samples, g_free);
  self->count = 0;
}

/* ---- Frames ---------------------------------------------------------------------- */

static LbPattern *
render (LbStepProbe *self, LbRole role, guint number)
{
  LbCapture *capture = &self->field.capture;

  return role == LB_ROLE_SOURCE ? capture->render_source (number, capture->render_data)
                                : capture->render_weight (number, capture->render_data);
}

static gboolean
next_exposure (LbExposure *exposure, gpointer data, GError **error)
{
  StepRun *run = data;
  const LbCapture *capture = &run->probe->field.capture;
  const StepShot *shot;

  if (run->next >= run->count)
    return FALSE;
  shot = &run->shots[run->next];
  if (run->next > 0)
    run->presented_us =
        (double) (lb_bench_get_presented_us (capture->context->bench, run->role) - run->handed_us);
  if (run->next == 0 || shot->number != run->shots[run->next - 1].number)
    {
      g_clear_pointer (&run->stepping, lb_pattern_unref);
      run->stepping = render (run->probe, run->role, shot->number);
    }
  exposure->source = run->role == LB_ROLE_SOURCE ? run->stepping : run->fixed;
  exposure->weight = run->role == LB_ROLE_SOURCE ? run->fixed : run->stepping;
  exposure->light = TRUE;
  exposure->light_level = capture->light.level;
  exposure->exposure_us = capture->light.exposure_us;
  exposure->frames = shot->frames;
  exposure->unsettled = TRUE;
  exposure->delay_us = shot->delay_us;
  exposure->tag = run->next++;
  run->handed_us = lb_clock_now_us (lb_bench_get_clock (capture->context->bench));
  return TRUE;
}

static gboolean
take_frame (const LbExposure *exposure, guint nth, LbFrame *frame, gpointer data, GError **error)
{
  StepRun *run = data;
  LbStepProbe *self = run->probe;
  const LbCameraFormat *window = &self->field.window;
  LbClock *clock = lb_bench_get_clock (self->field.capture.context->bench);

  if (frame->width != window->width || frame->height != window->height)
    {
      g_set_error (error, LB_CALIBRATION_ERROR, LB_CALIBRATION_ERROR_SIGNAL,
                   _ ("The camera sent a frame of %u × %u pixels instead of %u × %u: connect it again"),
                   frame->width, frame->height, window->width, window->height);
      return FALSE;
    }
  self->age_us = MAX (self->age_us, (double) (lb_clock_now_us (clock) - frame->end_us));
  run->sink ((guint) exposure->tag, frame, (double) (frame->start_us - run->handed_us), run->data);
  return TRUE;
}

static gboolean
take_shots (StepRun *run, GCancellable *cancellable, GError **error)
{
  LbStepProbe *self = run->probe;
  const LbRole other = run->role == LB_ROLE_SOURCE ? LB_ROLE_WEIGHT : LB_ROLE_SOURCE;
  gboolean done;

  run->fixed = render (self, other, self->field.full[other]);
  done = lb_bench_run_sequence (self->field.capture.context->bench, next_exposure, take_frame, run,
                                cancellable, error);
  g_clear_pointer (&run->fixed, lb_pattern_unref);
  g_clear_pointer (&run->stepping, lb_pattern_unref);
  return done;
}

/* ---- Window and blocks ------------------------------------------------------------ */

static gboolean
placing_sink (const LbCaptureShot *shot, guint nth, LbFrame *frame, gpointer data, GError **error)
{
  LbStepProbe *self = data;

  g_clear_pointer (&self->placing, lb_frame_unref);
  self->placing = lb_frame_ref (frame);
  return TRUE;
}

gboolean
lb_step_probe_init (LbStepProbe *self,
                    LbCalibrationContext *context,
                    GCancellable *cancellable,
                    GError **error)
{
  g_autoptr (GArray) shots = g_array_new (FALSE, TRUE, sizeof (LbCaptureShot));
  LbCaptureShot shot = { .frames = 1 };

  *self = (LbStepProbe){ 0 };
  if (!lb_field_probe_init (&self->field, context, cancellable, error))
    return FALSE;
  for (guint role = LB_ROLE_SOURCE; role <= LB_ROLE_WEIGHT; role++)
    {
      LbModulatorCaps caps = { 0 };

      lb_bench_get_modulator_caps (context->bench, role, &caps);
      self->display_us[role] = G_USEC_PER_SEC / (caps.rate_hz > 0 ? caps.rate_hz : 60);
    }
  shot.source = self->field.full[LB_ROLE_SOURCE];
  shot.weight = self->field.full[LB_ROLE_WEIGHT];
  g_array_append_val (shots, shot);
  if (!lb_capture_find_light (&self->field.capture, shot.source, shot.weight, cancellable, error) ||
      !lb_capture_run (&self->field.capture, shots, placing_sink, self, cancellable, error))
    return FALSE;
  self->usual_us = self->field.capture.light.exposure_us;
  self->middle_row = lb_field_probe_place_window (&self->field, self->placing, self->field.caps.width, 1).y;
  g_clear_pointer (&self->placing, lb_frame_unref);
  return TRUE;
}

void
lb_step_probe_clear (LbStepProbe *self)
{
  lb_field_probe_clear (&self->field);
  g_clear_pointer (&self->placing, lb_frame_unref);
  g_clear_pointer (&self->kind, g_free);
}

/* Time that a region of @rows takes to be read. */
static double
rows_us (const LbStepProbe *self, guint rows)
{
  return self->field.caps.frame_period_us * rows / MAX (self->field.caps.height, 1);
}

double
lb_step_probe_get_shortest_us (LbStepProbe *self)
{
  const LbCameraCaps *caps = &self->field.caps;

  return UNEVEN * MAX (caps->has_region ? rows_us (self, MAX (caps->region_step, 1)) : caps->frame_period_us,
                       caps->exposure_min_us);
}

static gboolean
use_window (LbStepProbe *self,
            const LbCameraFormat *window,
            double exposure_us,
            GCancellable *cancellable,
            GError **error)
{
  self->field.capture.light.exposure_us =
      CLAMP (exposure_us, self->field.caps.exposure_min_us, self->field.caps.exposure_max_us);
  return lb_field_probe_set_window (&self->field, window, cancellable, error);
}

gboolean
lb_step_probe_set_frames (LbStepProbe *self, double frame_us, GCancellable *cancellable, GError **error)
{
  const LbCameraCaps *caps = &self->field.caps;
  const guint step = MAX (caps->region_step, 1);
  const guint most = MAX (caps->height / ROWS_SHARE_MAX / step * step, step);
  const guint rows = CLAMP ((guint) (frame_us / rows_us (self, 1) / UNEVEN) / step * step, step, most);
  LbCameraFormat window = { .width = caps->width / step * step, .height = rows };

  window.y =
      MIN (self->middle_row > rows / 2 ? self->middle_row - rows / 2 : 0, caps->height - rows) / step * step;
  self->frame_us = MAX (frame_us, lb_step_probe_get_shortest_us (self));
  return use_window (self, &window, MIN (self->frame_us, self->usual_us), cancellable, error);
}

/* Sums of the two pictures that tell the blocks apart. */
typedef struct
{
  LbStepProbe *probe;
  float *sums[2];
} BlockSums;

static void
block_sink (guint shot, LbFrame *frame, double since_us, gpointer data)
{
  BlockSums *sums = data;
  const float *black = lb_field_probe_black (&sums->probe->field, frame);

  for (gsize i = 0; i < (gsize) frame->width * frame->height; i++)
    sums->sums[shot][i] += ((float) frame->data[i] - black[i]) / BLOCK_FRAMES;
}

static gboolean
sort_pixels (LbStepProbe *self, const BlockSums *sums)
{
  const gsize count = (gsize) self->field.window.width * self->field.window.height;
  double brightest = 0, light[2] = { 0 };
  gsize n[2] = { 0 };

  /* Half of the brightest eighth: single pixels are left out by averaging over eight. */
  for (gsize i = 0; i + 8 <= count; i += 8)
    {
      double sum = 0;

      for (gsize k = i; k < i + 8; k++)
        sum += self->field.bad[k] ? 0 : sums->sums[1][k] / 8;
      brightest = MAX (brightest, sum);
    }
  g_free (self->kind);
  self->kind = g_new0 (gint8, count);
  for (gsize i = 0; i < count; i++)
    {
      const double before = sums->sums[0][i], after = sums->sums[1][i];

      if (self->field.bad[i] || after < 0.25 * brightest)
        continue;
      if (before < 0.5 * after)
        self->kind[i] = 1;
      else if (fabs (before - after) < 0.2 * after)
        self->kind[i] = -1;
      if (self->kind[i] != 0)
        {
          n[self->kind[i] > 0]++;
          light[self->kind[i] > 0] += after;
        }
    }
  self->full_ratio = light[0] > 0 ? light[1] / light[0] : 0;
  return brightest > 0 && n[0] >= PIXELS_MIN && n[1] >= PIXELS_MIN;
}

static double
wait_us (const LbStepProbe *self, LbRole role, double settling_us)
{
  return LATENCY_PERIODS * self->display_us[role] / 2 + SETTLINGS_WAITED * MAX (settling_us, 1000);
}

gboolean
lb_step_probe_find_blocks (LbStepProbe *self, LbRole role, GCancellable *cancellable, GError **error)
{
  const gsize count = (gsize) self->field.window.width * self->field.window.height;
  const double delay_us = wait_us (self, role, SETTLING_MIN_US);
  const StepShot shots[] = { { LB_FIELD_BLOCKS (0), delay_us, BLOCK_FRAMES },
                             { LB_FIELD_BLOCKS (self->field.reference[role]), delay_us, BLOCK_FRAMES } };
  g_autofree float *before = g_new0 (float, count);
  g_autofree float *after = g_new0 (float, count);
  BlockSums sums = { self, { before, after } };
  StepRun run = {
    .probe = self, .role = role, .shots = shots, .count = 2, .sink = block_sink, .data = &sums
  };

  if (!take_shots (&run, cancellable, error))
    return FALSE;
  if (sort_pixels (self, &sums))
    return TRUE;
  g_set_error (
      error, LB_CALIBRATION_ERROR, LB_CALIBRATION_ERROR_SIGNAL,
      _ ("The camera does not see the blocks that the %s plane shows: check that it shows patterns, is in "
         "focus, and that the camera looks at it"),
      lb_role_get_name (role));
  return FALSE;
}

/* ---- Steps -------------------------------------------------------------------------- */

/* Light of the blocks that change over that of those that stay. */
static double
find_ratio (LbStepProbe *self, LbFrame *frame)
{
  const float *black = lb_field_probe_black (&self->field, frame);
  double sums[2] = { 0 };

  for (gsize i = 0; i < (gsize) frame->width * frame->height; i++)
    if (self->kind[i] != 0)
      sums[self->kind[i] > 0] += frame->data[i] - (double) black[i];
  return sums[0] > 0 ? sums[1] / sums[0] : NAN;
}

typedef struct
{
  LbStepProbe *probe;
  StepRun *run;
  LbStepResponse *response;
  guint capacity;
  double before, after; /* sums of LEVEL_FRAMES */
} StepSums;

static void
step_sink (guint shot, LbFrame *frame, double since_us, gpointer data)
{
  StepSums *sums = data;
  const double ratio = find_ratio (sums->probe, frame);

  if (shot == 0)
    sums->before += ratio / LEVEL_FRAMES;
  else if (shot == 2)
    {
      sums->after += ratio / LEVEL_FRAMES;
      sums->response->presented_us = sums->run->presented_us;
    }
  else if (sums->response->count < sums->capacity && isfinite (ratio))
    sums->response->samples[sums->response->count++] =
        (LbSettlingSample){ since_us, since_us + frame->exposure_us, ratio };
}

gboolean
lb_step_probe_follow (LbStepProbe *self,
                      LbRole role,
                      guint8 before,
                      guint8 after,
                      double delay_us,
                      double settling_us,
                      guint frames,
                      LbStepResponse *response,
                      GCancellable *cancellable,
                      GError **error)
{
  const StepShot shots[] = { { LB_FIELD_BLOCKS (before), wait_us (self, role, settling_us), LEVEL_FRAMES },
                             { LB_FIELD_BLOCKS (after), delay_us, frames },
                             { LB_FIELD_BLOCKS (after), SETTLINGS_WAITED * settling_us, LEVEL_FRAMES } };
  StepRun run = { .probe = self, .role = role, .shots = shots, .count = 3, .sink = step_sink };
  StepSums sums = { self, &run, response, frames, 0, 0 };

  lb_step_response_clear (response);
  response->samples = g_new (LbSettlingSample, frames);
  run.data = &sums;
  if (!take_shots (&run, cancellable, error))
    return FALSE;
  response->contrast = fabs (sums.before - sums.after) / MAX (self->full_ratio, 1e-6);
  for (guint i = 0; i < response->count; i++)
    response->samples[i].rest = (response->samples[i].rest - sums.after) / (sums.before - sums.after);
  return TRUE;
}

gboolean
lb_step_probe_find_start (LbStepProbe *self,
                          LbRole role,
                          double settling_us,
                          double *start_us,
                          GCancellable *cancellable,
                          GError **error)
{
  g_auto (LbStepResponse) response = { 0 };
  const double length_us = LATENCY_PERIODS * self->display_us[role] + settling_us;
  const guint frames = (guint) CLAMP (length_us / self->frame_us, 16, START_FRAMES_MAX);

  if (!lb_step_probe_follow (self, role, 0, self->field.reference[role], 0,
                             MAX (settling_us, SETTLING_MIN_US), frames, &response, cancellable, error))
    return FALSE;
  *start_us = 0;
  for (guint i = 0; i < response.count; i++)
    {
      if (response.samples[i].rest > 0.9)
        *start_us = response.samples[i].to_us;
      else if (response.samples[i].rest < 0.5)
        return TRUE;
    }
  g_set_error (
      error, LB_CALIBRATION_ERROR, LB_CALIBRATION_ERROR_SIGNAL,
      _ ("The %s plane does not change within %.0f ms of being handed a pattern: check its cable, and that "
         "nothing delays it"),
      lb_role_get_name (role), 1e-3 * length_us);
  return FALSE;
}

/* ---- Rows ----------------------------------------------------------------------------- */

#define ROW_FRAMES 3
#define WATCHED_FRAMES 8
#define GAP_MAX 0.1

/* Light of the two kinds of blocks by band of rows, frame by frame. */
typedef struct
{
  LbStepProbe *probe;
  guint bands;
  double level[2][BANDS_MAX]; /* ratio before and after */
  double ratio[WATCHED_FRAMES][BANDS_MAX];
  double start_us[WATCHED_FRAMES];
  double exposure_us;
  guint count;
} RowSums;

static void
row_sink (guint shot, LbFrame *frame, double since_us, gpointer data)
{
  RowSums *rows = data;
  const float *black = lb_field_probe_black (&rows->probe->field, frame);
  double sums[BANDS_MAX][2] = { { 0 } };

  for (guint y = 0; y < frame->height; y++)
    for (guint x = 0; x < frame->width; x++)
      {
        const gsize i = (gsize) y * frame->width + x;

        if (rows->probe->kind[i] != 0)
          sums[y * rows->bands / frame->height][rows->probe->kind[i] > 0] +=
              frame->data[i] - (double) black[i];
      }
  if (shot == 1 && rows->count >= WATCHED_FRAMES)
    return;
  for (guint band = 0; band < rows->bands; band++)
    {
      const double ratio = sums[band][0] > 0 ? sums[band][1] / sums[band][0] : NAN;

      if (shot == 1)
        rows->ratio[rows->count][band] = ratio;
      else
        rows->level[shot / 2][band] += ratio / ROW_FRAMES;
    }
  if (shot == 1)
    {
      rows->exposure_us = frame->exposure_us;
      rows->start_us[rows->count++] = since_us;
    }
}

/* When a band saw the step: within the exposure of a frame, or in the gap between
 * two; but not in a long one. */
static gboolean
find_seen (const RowSums *rows, guint band, double *seen_us)
{
  const double step = rows->level[0][band] - rows->level[1][band];

  if (!(fabs (step) > 0.2 * rows->probe->full_ratio))
    return FALSE;
  for (guint k = 0; k < rows->count; k++)
    {
      const double rest = (rows->ratio[k][band] - rows->level[1][band]) / step;

      if (rest > 0.95)
        continue;
      if (rest > 0.05)
        *seen_us = rows->start_us[k] + rest * rows->exposure_us;
      else if (k > 0 && rows->start_us[k] - rows->start_us[k - 1] < (1 + GAP_MAX) * rows->exposure_us)
        *seen_us = 0.5 * (rows->start_us[k - 1] + rows->exposure_us + rows->start_us[k]);
      else
        return FALSE;
      return TRUE;
    }
  return FALSE;
}

gboolean
lb_step_probe_watch_rows (LbStepProbe *self,
                          double start_us,
                          guint bands,
                          double *seen_us,
                          double *row,
                          guint *count,
                          GCancellable *cancellable,
                          GError **error)
{
  const LbSetupOptics *optics = lb_setup_get_optics (lb_bench_get_setup (self->field.capture.context->bench));
  const LbCameraFormat whole = { 0 };
  const double frame_us = self->field.caps.frame_period_us;
  /* Exposed for the whole of a frame period, so dimmed by the source. */
  const double dim = MIN (self->usual_us / frame_us, 1);
  const guint8 level = (guint8) CLAMP (255 * pow (dim, 1 / optics->source_gamma), 32, 255);
  RowSums rows = { .probe = self, .bands = MIN (bands, BANDS_MAX) };
  const StepShot shots[] = {
    { LB_FIELD_BLOCKS (0), wait_us (self, LB_ROLE_SOURCE, SETTLING_MIN_US), ROW_FRAMES },
    { LB_FIELD_BLOCKS (level), MAX (start_us - 3.5 * frame_us, 0), WATCHED_FRAMES },
    { LB_FIELD_BLOCKS (level), SETTLING_MIN_US, ROW_FRAMES },
  };
  StepRun run = {
    .probe = self, .role = LB_ROLE_SOURCE, .shots = shots, .count = 3, .sink = row_sink, .data = &rows
  };

  *count = 0;
  self->field.reference[LB_ROLE_SOURCE] = level;
  if (!use_window (self, &whole, 0.98 * frame_us, cancellable, error) ||
      !lb_step_probe_find_blocks (self, LB_ROLE_SOURCE, cancellable, error) ||
      !take_shots (&run, cancellable, error))
    return FALSE;
  for (guint band = 0; band < rows.bands; band++)
    if (find_seen (&rows, band, &seen_us[*count]))
      row[(*count)++] = (band + 0.5) * self->field.window.height / rows.bands;
  return TRUE;
}
