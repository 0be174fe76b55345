/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fake-bench.h"

#include <lb-random.h>
#include <math.h>
#include <string.h>

#define USUAL_LEVEL 50.0
#define USUAL_EXPOSURE_US 8000.0

struct _LbBench
{
  GObject parent_instance;
  OpticsFixture *fixture;
  FakeBenchOptions *options;
  LbClock *clock;
  LbPattern *source, *weight;
  LbCameraFormat format;
};

G_DEFINE_FINAL_TYPE (LbBench, lb_bench, G_TYPE_OBJECT)
G_DEFINE_QUARK (lb_bench_error, lb_bench_error)

static const LbSetupOptics setup_optics = { .light_level = USUAL_LEVEL,
                                            .exposure_us = USUAL_EXPOSURE_US,
                                            .weight_settling_us = 62000,
                                            .source_settling_us = 6000 };

static void
lb_bench_finalize (GObject *object)
{
  LbBench *self = LB_BENCH (object);

  optics_fixture_free (self->fixture);
  g_clear_pointer (&self->source, lb_pattern_unref);
  g_clear_pointer (&self->weight, lb_pattern_unref);
  g_object_unref (self->clock);
  G_OBJECT_CLASS (lb_bench_parent_class)->finalize (object);
}

static void
lb_bench_class_init (LbBenchClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = lb_bench_finalize;
}

static void
lb_bench_init (LbBench *self)
{
}

LbBench *
fake_bench_new (LbOpticsModel *truth, FakeBenchOptions *options)
{
  LbBench *self = g_object_new (LB_TYPE_BENCH, NULL);

  self->fixture = optics_fixture_new (truth);
  self->options = options;
  self->clock = lb_clock_new_virtual (0);
  options->shortest_us = G_MAXDOUBLE;
  options->lowest_level = USUAL_LEVEL;
  return self;
}

LbSetup *
lb_bench_get_setup (LbBench *self)
{
  return NULL;
}

const LbSetupOptics *
lb_setup_get_optics (LbSetup *self)
{
  return &setup_optics;
}

LbClock *
lb_bench_get_clock (LbBench *self)
{
  return self->clock;
}

void
lb_bench_get_timing (LbBench *self, LbBenchTiming *timing)
{
  *timing = (LbBenchTiming){ .settling_us = { 1000, 60000 } };
}

void
lb_bench_set_timing (LbBench *self, const LbBenchTiming *timing)
{
}

gint64
lb_bench_get_presented_us (LbBench *self, LbRole role)
{
  return G_MININT64;
}

double
lb_bench_get_power_w (LbBench *self)
{
  return NAN;
}

double
lb_bench_read_temperature (LbBench *self, GCancellable *cancellable)
{
  return NAN;
}

LbDevice *
lb_bench_get_device (LbBench *self, LbRole role)
{
  return NULL;
}

gboolean
lb_bench_get_camera_caps (LbBench *self, LbCameraCaps *caps)
{
  *caps = (LbCameraCaps){ .width = 2000,
                          .height = 2000,
                          .bits = self->fixture->model->bits,
                          .exposure_min_us = self->options->exposure_min_us,
                          .exposure_max_us = self->options->exposure_max_us,
                          .frame_period_us = 1e6 / 60 };
  return TRUE;
}

gboolean
lb_bench_get_modulator_caps (LbBench *self, LbRole role, LbModulatorCaps *caps)
{
  *caps = (LbModulatorCaps){ .width = 320, .height = 200, .levels = 256, .rate_hz = 60 };
  return TRUE;
}

gboolean
lb_bench_get_light_caps (LbBench *self, LbLightSourceCaps *caps)
{
  *caps = (LbLightSourceCaps){ .unit = "mW", .minimum = 0, .maximum = 100, .limit = 80 };
  return self->options->has_light;
}

void
lb_bench_begin_run (LbBench *self, guint64 ordinal)
{
  self->options->ordinal = ordinal;
}

void
lb_bench_get_camera_format (LbBench *self, LbCameraFormat *format)
{
  *format = self->format;
}

gboolean
lb_bench_configure_camera (LbBench *self,
                           const LbCameraFormat *want,
                           LbCameraFormat *actual,
                           GCancellable *cancellable,
                           GError **error)
{
  self->format = *want;
  *actual = *want;
  return TRUE;
}

gboolean
lb_bench_run (LbBench *self,
              const char *name,
              LbBenchFunc func,
              gpointer data,
              GCancellable *cancellable,
              GError **error)
{
  return func (self, data, cancellable, error);
}

static void
change (LbPattern **shown, LbPattern *pattern, guint64 *changes, gboolean frozen)
{
  if (pattern == NULL || pattern == *shown || (frozen && *shown != NULL))
    return;
  g_clear_pointer (shown, lb_pattern_unref);
  *shown = lb_pattern_ref (pattern);
  (*changes)++;
}

static double
light_of (LbBench *self, const LbExposure *exposure)
{
  const FakeBenchOptions *options = self->options;
  /* A laser with a threshold. */
  const double level = exposure->light_level > 0 ? exposure->light_level : USUAL_LEVEL;
  const double power = MAX (level - 5, 0) / (USUAL_LEVEL - 5);
  const double jitter = lb_random_normal_at (lb_random_key (9), options->ordinal, options->frames);

  if (!exposure->light || options->fault == FAKE_BENCH_DARK)
    return 0;
  return options->electrons_per_us * exposure->exposure_us * power * (1 + options->jitter * jitter) *
         (options->surge > 0 && options->frames >= 3 ? options->surge : 1);
}

static LbFrame *
new_frame (LbBench *self, const LbExposure *exposure)
{
  const LbOpticsModel *model = self->fixture->model;
  const OpticsExposure taken = { light_of (self, exposure), exposure->exposure_us, NULL };
  g_autofree guint8 *bright = NULL;
  const guint8 *source = self->source->data, *weight = self->weight->data;
  LbFrame info = { .x = self->format.x,
                   .y = self->format.y,
                   .width = self->format.width,
                   .height = self->format.height,
                   .bits = self->format.bits,
                   .exposure_us = exposure->exposure_us,
                   .gain = 1,
                   .sequence = self->options->frames };
  guint16 *data;

  if (self->options->fault == FAKE_BENCH_ALL_BRIGHT)
    {
      bright = g_malloc ((gsize) model->source_width * model->source_height);
      memset (bright, 255, (gsize) model->source_width * model->source_height);
      source = weight = bright;
    }
  data = optics_fixture_expose (self->fixture, source, weight, taken);
  /* There is no noise, but no two frames of a camera are the same. */
  data[0] ^= self->options->frames % 2;
  info.data = data;
  return lb_frame_new (&info, data, g_free);
}

gboolean
lb_bench_run_sequence (LbBench *self,
                       LbExposureSource source,
                       LbFrameSink sink,
                       gpointer data,
                       GCancellable *cancellable,
                       GError **error)
{
  FakeBenchOptions *options = self->options;
  const gboolean frozen = options->fault == FAKE_BENCH_FROZEN;

  for (;;)
    {
      LbExposure exposure = { 0 };
      GError *local_error = NULL;

      if (g_cancellable_set_error_if_cancelled (cancellable, error))
        return FALSE;
      if (!source (&exposure, data, &local_error))
        {
          g_assert_no_error (local_error);
          return TRUE;
        }
      change (&self->source, exposure.source, &options->source_changes, frozen);
      change (&self->weight, exposure.weight, &options->weight_changes, frozen);
      g_assert_cmpfloat (exposure.exposure_us, >=, options->exposure_min_us);
      g_assert_cmpfloat (exposure.exposure_us, <=, options->exposure_max_us);
      options->shortest_us = MIN (options->shortest_us, exposure.exposure_us);
      options->longest_us = MAX (options->longest_us, exposure.exposure_us);
      if (exposure.light_level > 0)
        options->lowest_level = MIN (options->lowest_level, exposure.light_level);
      for (guint nth = 0; nth < exposure.frames; nth++)
        {
          g_autoptr (LbFrame) frame = new_frame (self, &exposure);

          options->frames++;
          if (options->frames == options->cancel_at)
            g_cancellable_cancel (options->cancellable);
          if (!lb_clock_wait_until (self->clock, lb_clock_now_us (self->clock) + 16667, NULL, error) ||
              !sink (&exposure, nth, frame, data, error))
            return FALSE;
        }
    }
}
