/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-sentinel-private.h"

#include <glib/gi18n-lib.h>
#include <lb-random.h>
#include <lb-statistics.h>
#include <math.h>

/* Elements of a sentinel's vectors, or fewer where the field is small. */
#define LENGTH_MAX 64
#define LENGTH_MIN 8
/* With that many photons a MAC, noise is small beside the limit: at 64 elements
 * about 0.5 % of the passes (optics.md, "What to expect", without its systematic part). */
#define PHOTONS 20000.0
#define DARK_FRAMES 4
#define REFERENCE_FRAMES 2
/* The same vectors each time, on every bench. */
#define SEED 0x53656e74u

struct _LbSentinels
{
  guint every;
  double limit;
  guint64 since; /* exposures since the last one */
  gboolean any;
  guint64 taken;
  LbDrift drift;

  LbLayout *layout;
  LbEncoder *encoder; /* not owned */
  LbMatrix *a, *b;
  LbPathPlan *plan;
  LbPattern *reference_source, *reference_weight;
  LbPathLight light; /* exposure_us 0: not found yet */
  double light_per_us;
};

LbSentinels *
lb_sentinels_new (guint every, double limit)
{
  LbSentinels *self = g_new0 (LbSentinels, 1);

  self->every = every;
  self->limit = limit;
  return self;
}

static void
clear_model (LbSentinels *self)
{
  g_clear_pointer (&self->plan, lb_path_plan_free);
  g_clear_pointer (&self->layout, lb_layout_unref);
  g_clear_pointer (&self->a, lb_matrix_unref);
  g_clear_pointer (&self->b, lb_matrix_unref);
  g_clear_pointer (&self->reference_source, lb_pattern_unref);
  g_clear_pointer (&self->reference_weight, lb_pattern_unref);
}

void
lb_sentinels_free (LbSentinels *self)
{
  clear_model (self);
  g_free (self);
}

/* x uniform in -1..1; w from -x on the first slot to x on the last, with something
 * uncorrelated in between: products that spread as wide as they can, so that light
 * on a neighbour's weight (a slope below 1) shows most. */
static void
make_operands (LbSentinels *self)
{
  const guint slots = self->layout->slots;
  const gsize length = self->layout->length;
  const LbRandomKey key = lb_random_key (SEED);
  g_autofree float *other = g_new (float, length);

  self->a = lb_matrix_new (slots, length);
  self->b = lb_matrix_new (slots, length);
  for (guint s = 0; s < slots; s++)
    {
      const float share = (float) ((2 * s + 1.0) / slots - 1);
      float *x = lb_matrix_row (self->a, s), *w = lb_matrix_row (self->b, s);

      lb_random_uniform_fill (key, 0, (guint64) s * length, length, x);
      lb_random_uniform_fill (key, 1, (guint64) s * length, length, other);
      for (gsize i = 0; i < length; i++)
        {
          x[i] = 2 * x[i] - 1;
          w[i] = share * x[i] + (1 - fabsf (share)) * (2 * other[i] - 1);
        }
    }
}

/* Every element of every slot full on, on both planes. */
static void
make_reference (LbSentinels *self)
{
  const LbLayout *layout = self->layout;
  const LbOpticsModel *model = layout->model;
  g_autofree float *ones = g_new (float, layout->segment_length);
  g_autofree const float **values = g_new (const float *, layout->n_tiles);
  g_autofree gsize *lengths = g_new (gsize, layout->n_tiles);
  g_autofree guint8 *levels = g_malloc (lb_optics_model_cells (model));

  for (gsize i = 0; i < layout->segment_length; i++)
    ones[i] = 1;
  for (guint t = 0; t < layout->n_tiles; t++)
    {
      values[t] = ones;
      lengths[t] = layout->segment_length;
    }
  lb_encoder_source_levels (self->encoder, layout, values, lengths, levels);
  self->reference_source = lb_pattern_new_take (model->source_width, model->source_height,
                                                lb_encoder_render_source (self->encoder, levels));
  lb_encoder_weight_levels (self->encoder, layout, values, lengths, levels);
  self->reference_weight = lb_pattern_new_take (model->weight_width, model->weight_height,
                                                lb_encoder_render_weight (self->encoder, levels));
}

gboolean
lb_sentinels_set_model (LbSentinels *self, LbOpticsModel *model, LbEncoder *encoder, GError **error)
{
  clear_model (self);
  for (guint length = LENGTH_MAX; length >= LENGTH_MIN && self->layout == NULL; length /= 2)
    {
      g_autoptr (LbLayout) layout = lb_layout_new (model, length, TRUE, 0, NULL);

      if (layout != NULL && layout->segments == 1)
        self->layout = g_steal_pointer (&layout);
    }
  if (self->layout == NULL)
    {
      g_set_error_literal (error, LB_OPTICS_ERROR, LB_OPTICS_ERROR_SPACE,
                           _ ("The planes have no room for sentinels: make macropixels smaller, or switch "
                              "sentinels off"));
      return FALSE;
    }
  self->encoder = encoder;
  make_operands (self);
  self->plan = lb_path_plan_new (self->layout, encoder, self->a, self->b, TRUE);
  make_reference (self);
  self->drift = (LbDrift){ 0 };
  self->light = (LbPathLight){ 0 };
  self->any = FALSE;
  return TRUE;
}

gboolean
lb_sentinels_is_due (const LbSentinels *self)
{
  return !self->any || self->since >= self->every;
}

gboolean
lb_sentinels_is_open (const LbSentinels *self)
{
  return self->since > 0;
}

void
lb_sentinels_count_exposure (LbSentinels *self)
{
  self->since++;
}

guint64
lb_sentinels_frames (const LbSentinels *self, const LbCameraCaps *caps, double usual_exposure_us)
{
  const LbPathLight light = lb_path_forecast_light (self->plan, PHOTONS, caps, usual_exposure_us);

  return DARK_FRAMES + REFERENCE_FRAMES + self->plan->exposures * light.frames;
}

guint64
lb_sentinels_between (const LbSentinels *self, guint64 exposures)
{
  return (exposures + self->every / 2) / self->every;
}

const LbDrift *
lb_sentinels_get_drift (const LbSentinels *self)
{
  return &self->drift;
}

/* --- Dark and reference frames ------------------------------------------------- */

typedef struct
{
  LbSentinels *self;
  guint next; /* exposure: dark, then reference */
  LbReading *sum;
  guint64 frames;
} Interlude;

static gboolean
next_interlude (LbExposure *exposure, gpointer data, GError **error)
{
  Interlude *interlude = data;
  LbSentinels *self = interlude->self;
  const gboolean dark = interlude->next == 0;

  if (interlude->next++ > 1)
    return FALSE;
  *exposure = (LbExposure){ .source = self->reference_source,
                            .weight = self->reference_weight,
                            .light = !dark,
                            .light_level = self->light.level,
                            .exposure_us = self->light.exposure_us,
                            .frames = dark ? DARK_FRAMES : REFERENCE_FRAMES,
                            .tag = dark };
  return TRUE;
}

static gboolean
take_interlude (const LbExposure *exposure, guint nth, LbFrame *frame, gpointer data, GError **error)
{
  Interlude *interlude = data;
  LbSentinels *self = interlude->self;
  const LbLayout *layout = self->layout;
  const gboolean dark = exposure->tag == 1;
  LbReading *reading;

  if (!lb_path_check_frame (layout->model, frame, error))
    return FALSE;
  reading = lb_readout_read (layout, frame->data, frame->width, frame->height, frame->exposure_us,
                             frame->gain, !dark, error);
  if (reading == NULL)
    return FALSE;
  interlude->frames++;
  if (nth == 0)
    g_clear_pointer (&interlude->sum, lb_reading_free);
  if (!dark)
    lb_drift_correct_dark (&self->drift, layout, frame->exposure_us, reading);
  lb_path_add_reading (&interlude->sum, reading);
  if (nth + 1 < exposure->frames)
    return TRUE;
  if (dark)
    lb_drift_fit_dark (&self->drift, layout, interlude->sum, frame->exposure_us, exposure->frames);
  else
    lb_drift_fit_gain (&self->drift, layout, interlude->sum);
  return TRUE;
}

/* --- Sentinels -------------------------------------------------------------------- */

static void
judge (LbSentinels *self, const LbMatrix *out, LbSentinel *result)
{
  const guint slots = self->layout->slots;
  g_autofree double *measured = g_new (double, slots);
  g_autofree double *ideal = g_new0 (double, slots);
  LbFiguresOfMerit figures;

  for (guint s = 0; s < slots; s++)
    {
      measured[s] = lb_matrix_get (out, s, 0);
      for (gsize i = 0; i < self->layout->length; i++)
        ideal[s] += (double) lb_matrix_get (self->a, s, i) * lb_matrix_get (self->b, s, i);
    }
  lb_figures_of_merit (measured, ideal, slots, lb_operand_pass_scale (self->a, self->b, TRUE), &figures);
  result->residual = figures.count > slots / 2 ? figures.normalised_error : NAN;
  result->slope = figures.slope;
  result->limit = self->limit;
  result->passed = result->residual <= self->limit;
  result->dark_electrons_per_s = 1e6 * self->drift.dark[0];
  result->gain_drift = self->drift.gain_rms;
}

gboolean
lb_sentinels_take (LbSentinels *self,
                   LbBench *bench,
                   const LbCameraCaps *caps,
                   LbSentinel *result,
                   guint64 *seen,
                   GCancellable *cancellable,
                   GError **error)
{
  g_autoptr (LbMatrix) out = lb_matrix_new (self->layout->slots, 1);
  LbOpticalPathCounts counts = { 0 };
  Interlude interlude = { .self = self };
  LbPathRun run = { .bench = bench,
                    .photons_per_mac = PHOTONS,
                    .out = out,
                    .counts = &counts,
                    .caps = *caps,
                    .drift = &self->drift };
  gboolean done;

  lb_bench_read_temperature (bench, cancellable);
  lb_path_run_init (&run, self->plan);
  done = self->light.exposure_us > 0 || lb_path_find_light (&run, cancellable, error);
  if (done && !(self->light.exposure_us > 0))
    {
      self->light = run.light;
      self->light_per_us = run.light_per_us;
    }
  run.light = self->light;
  run.light_per_us = self->light_per_us;
  done =
      done && lb_bench_run_sequence (bench, next_interlude, take_interlude, &interlude, cancellable, error);
  g_clear_pointer (&interlude.sum, lb_reading_free);
  done = done && lb_path_run_exposures (&run, cancellable, error);
  lb_path_run_clear (&run);
  *seen += counts.exposures + interlude.frames;
  if (!done)
    return FALSE;
  *result = (LbSentinel){ .ordinal = self->taken++, .time_us = lb_clock_now_us (lb_bench_get_clock (bench)) };
  judge (self, out, result);
  self->since = 0;
  self->any = TRUE;
  return TRUE;
}
