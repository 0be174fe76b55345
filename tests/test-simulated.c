/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <math.h>
#include <string.h>

#include <lb-gemm.h>
#include <lb-simulated-truth.h>

#include "simulated-rig.h"

/* The simulated world: what a camera sees of it, against its truth. */

/* A world without anything that changes from frame to frame but photon and read
 * noise. */
#define STEADY                                                                                               \
  "\"light_rin\": 0, \"light_drift\": 0, \"light_warm_up\": 0, \"speckle_contrast\": 0, \"row_noise\": 0, "  \
  "\"source_flicker\": 0, \"weight_flicker\": 0"
/* Nearly without noise at all: photons are many and electrons per DN few. */
#define QUIET STEADY ", \"read_noise\": 0, \"offset_pattern_dn\": 0, \"hot_fraction\": 0"

#define PIXELS (272 * 176)

static void
assert_same_frame (const LbFrame *a, const LbFrame *b)
{
  g_assert_cmpuint (a->width, ==, b->width);
  g_assert_cmpuint (a->height, ==, b->height);
  g_assert_cmpint (a->start_us, ==, b->start_us);
  g_assert_cmpmem (a->data, sizeof (guint16) * a->width * a->height, b->data,
                   sizeof (guint16) * b->width * b->height);
}

/* A short story: patterns that change before they have settled, light and dark. */
static GPtrArray *
tell_story (guint64 world_seed, guint64 seed, guint64 run)
{
  g_autoptr (Rig) rig = rig_new ("", world_seed, seed);
  GPtrArray *frames = g_ptr_array_new_with_free_func ((GDestroyNotify) lb_frame_unref);

  lb_device_begin_run (rig->devices[LB_ROLE_CAMERA], run);
  rig_expose_for (rig, 8000);
  for (guint i = 0; i < 4; i++)
    {
      g_autoptr (LbPattern) source = rig_random_pattern (rig, 2 * i);
      g_autoptr (LbPattern) weight = rig_random_pattern (rig, 2 * i + 1);

      rig_show (rig, LB_ROLE_WEIGHT, weight);
      rig_show (rig, LB_ROLE_SOURCE, source);
      g_ptr_array_add (frames, rig_frame (rig, 0));
    }
  g_ptr_array_add (frames, rig_frame (rig, rig_settled (rig)));
  return frames;
}

static void
test_same_seed (void)
{
  g_autoptr (GPtrArray) first = tell_story (3, 5, 1);
  g_autoptr (GPtrArray) again = tell_story (3, 5, 1);
  g_autoptr (GPtrArray) other_seed = tell_story (3, 6, 1);
  g_autoptr (GPtrArray) other_run = tell_story (3, 5, 2);
  g_autoptr (GPtrArray) other_world = tell_story (4, 5, 1);
  const gsize size = sizeof (guint16) * PIXELS;

  for (guint i = 0; i < first->len; i++)
    {
      const LbFrame *frame = g_ptr_array_index (first, i);

      assert_same_frame (frame, g_ptr_array_index (again, i));
      g_assert_cmpint (memcmp (frame->data, ((LbFrame *) g_ptr_array_index (other_seed, i))->data, size), !=,
                       0);
      g_assert_cmpint (memcmp (frame->data, ((LbFrame *) g_ptr_array_index (other_run, i))->data, size), !=,
                       0);
      g_assert_cmpint (memcmp (frame->data, ((LbFrame *) g_ptr_array_index (other_world, i))->data, size), !=,
                       0);
    }
}

static void
test_threads (void)
{
  g_autoptr (GPtrArray) one = NULL, two = NULL, three = NULL;

  lb_numerics_set_threads (1);
  one = tell_story (3, 5, 1);
  lb_numerics_set_threads (2);
  two = tell_story (3, 5, 1);
  lb_numerics_set_threads (3);
  three = tell_story (3, 5, 1);
  lb_numerics_set_threads (0);
  for (guint i = 0; i < one->len; i++)
    {
      assert_same_frame (g_ptr_array_index (one, i), g_ptr_array_index (two, i));
      assert_same_frame (g_ptr_array_index (one, i), g_ptr_array_index (three, i));
    }
}

/* The same story on two rigs, one of which then looks at a part: while both
 * planes are still settling from several patterns. */
static void
test_region (void)
{
  g_autoptr (Rig) whole = rig_new ("", 7, 1);
  g_autoptr (Rig) part = rig_new ("", 7, 1);
  const LbCameraFormat want = { 101, 57, 70, 33, 12 };
  Rig *rigs[] = { whole, part };
  LbFrame *frames[2];
  LbCameraFormat actual;

  for (guint r = 0; r < 2; r++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (LbFrame) before = NULL;

      rig_expose_for (rigs[r], 20000);
      for (guint i = 0; i < 5; i++)
        {
          g_autoptr (LbPattern) pattern = rig_random_pattern (rigs[r], i);

          rig_show (rigs[r], i % 2 ? LB_ROLE_SOURCE : LB_ROLE_WEIGHT, pattern);
          if (i == 2)
            before = rig_frame (rigs[r], 0);
        }
      lb_camera_stop (rig_camera (rigs[r]), NULL, -1, NULL);
      if (r == 1)
        lb_camera_configure (rig_camera (part), &want, &actual, NULL, -1, &error);
      g_assert_no_error (error);
      lb_camera_start (rig_camera (rigs[r]), 4, NULL, -1, NULL);
      frames[r] = rig_frame (rigs[r], 0);
    }

  g_assert_cmpuint (actual.x, ==, 96);
  g_assert_cmpuint (actual.y, ==, 56);
  g_assert_cmpuint (actual.width, ==, 80);
  g_assert_cmpuint (actual.height, ==, 40);
  g_assert_cmpint (frames[0]->start_us, ==, frames[1]->start_us);
  g_assert_cmpuint (frames[1]->x, ==, actual.x);
  for (guint y = 0; y < actual.height; y++)
    g_assert_cmpmem (frames[1]->data + (gsize) y * actual.width, sizeof (guint16) * actual.width,
                     frames[0]->data + (gsize) (y + actual.y) * 272 + actual.x,
                     sizeof (guint16) * actual.width);
  lb_frame_unref (frames[0]);
  lb_frame_unref (frames[1]);
}

/* --- Light ------------------------------------------------------------------------- */

/* The light of a few source pixels, wherever they fall on the pixels of the
 * planes after it, reaches the camera to the same amount. */
static void
check_flux (const char *world)
{
  g_autoptr (Rig) rig = rig_new (world, 11, 1);
  g_autofree float *black = g_new (float, PIXELS);
  g_autofree float *lit = g_new (float, PIXELS);
  g_autoptr (LbPattern) dark = lb_pattern_new_uniform (320, 200, 0);
  g_autoptr (LbPattern) open = lb_pattern_new_uniform (320, 200, 255);
  LbDevice *device = rig->devices[LB_ROLE_SOURCE];
  double low = G_MAXDOUBLE, high = 0;
  double one, expected;

  lb_simulated_truth_expected (device, dark, open, 50, 8000, black);
  for (guint i = 0; i < 12; i++)
    {
      guint8 *data = g_malloc0 (320 * 200);
      g_autoptr (LbPattern) spot = NULL;
      double sum = 0;

      for (guint y = 0; y < 2; y++)
        memset (data + (70 + 5 * i + y) * 320 + 120 + 7 * i, 255, 2);
      spot = lb_pattern_new_take (320, 200, data);
      lb_simulated_truth_expected (device, spot, open, 50, 8000, lit);
      for (gsize p = 0; p < PIXELS; p++)
        sum += (double) lit[p] - black[p];
      low = MIN (low, sum);
      high = MAX (high, sum);
    }
  g_test_message ("%s: %.6f..%.6f", world, low, high);
  g_assert_cmpfloat (high / low - 1, <, 5e-4);

  /* And it is as much as four pixels give. */
  one = lb_simulated_truth_electrons (device, 50, 8000) *
        (lb_simulated_truth_emission (device, 160, 100, 255) -
         lb_simulated_truth_emission (device, 160, 100, 0)) *
        lb_simulated_truth_transmission (device, 160, 100, 255);
  expected = 4 * one * pow (lb_simulated_truth_get_parameter (device, "source_magnification"), 2);
  g_assert_cmpfloat_with_epsilon (high / expected, 1, 2e-3);
}

#define FLAT                                                                                                 \
  "\"illumination_corner\": 1, \"fringe_contrast\": 0, \"source_nonuniformity\": 0, "                        \
  "\"weight_phase_variation\": 0"

static void
test_flux (void)
{
  check_flux (FLAT);
  check_flux (FLAT ", \"camera_magnification\": 0.5, \"camera_blur_px\": 0.8, \"source_blur_px\": 0.7");
  check_flux (FLAT ", \"source_quarter_turns\": 2, \"camera_quarter_turns\": 3, \"source_flip\": \"x\"");
}

/* Frames average to the expected electrons, which other loops worked out. */
static void
test_expected (void)
{
  g_autoptr (Rig) rig = rig_new (STEADY, 2, 1);
  LbDevice *device = rig->devices[LB_ROLE_CAMERA];
  g_autoptr (LbPattern) source = rig_random_pattern (rig, 1);
  g_autoptr (LbPattern) weight = rig_random_pattern (rig, 2);
  g_autofree float *expected = g_new (float, PIXELS);
  g_autofree double *sum = g_new0 (double, PIXELS);
  g_autofree double *squares = g_new0 (double, PIXELS);
  const guint frames = 60;
  double k = lb_simulated_truth_get_parameter (device, "electrons_per_dn");
  double read = lb_simulated_truth_get_parameter (device, "read_noise");
  double chi = 0, variance = 0, mean_variance = 0, bias = 0;

  lb_simulated_truth_expected (device, source, weight, 50, 8000, expected);
  rig_show (rig, LB_ROLE_SOURCE, source);
  rig_show (rig, LB_ROLE_WEIGHT, weight);
  rig_expose_for (rig, 8000);
  for (guint i = 0; i < frames; i++)
    {
      g_autoptr (LbFrame) frame = rig_frame (rig, i == 0 ? rig_settled (rig) : 0);

      for (guint p = 0; p < PIXELS; p++)
        {
          LbSimulatedTruthPixel pixel;
          double electrons;

          lb_simulated_truth_pixel (device, p % 272, p / 272, &pixel);
          electrons = (frame->data[p] - pixel.offset_dn) * k;
          sum[p] += electrons;
          squares[p] += electrons * electrons;
        }
    }
  for (guint p = 0; p < PIXELS; p++)
    {
      double mean = sum[p] / frames;
      double should = expected[p] + read * read + k * k / 12;

      chi += (mean - expected[p]) * (mean - expected[p]) / (should / frames);
      bias += (mean - expected[p]) / PIXELS;
      variance += (squares[p] / frames - mean * mean) * frames / (frames - 1);
      mean_variance += should;
    }
  g_test_message ("chi^2 %.4f a pixel, bias %.4f electrons, variance %.4f of what photons give", chi / PIXELS,
                  bias, variance / mean_variance);
  g_assert_cmpfloat_with_epsilon (chi / PIXELS, 1, 0.03);
  g_assert_cmpfloat_with_epsilon (bias, 0, 0.05);
  g_assert_cmpfloat_with_epsilon (variance / mean_variance, 1, 0.01);
}

/* What all pixels of a frame share changes as much as the parameters say. */
static void
test_jitter (void)
{
  g_autoptr (Rig) rig =
      rig_new ("\"spread\": 0, \"light_rin\": 0.02, \"light_drift\": 0, \"light_warm_up\": 0, "
               "\"source_flicker\": 0, \"weight_flicker\": 0",
               1, 1);
  const guint frames = 300;
  double sum = 0, squares = 0, offset;

  offset = lb_simulated_truth_get_parameter (rig->devices[0], "offset_dn");
  rig_show_level (rig, LB_ROLE_SOURCE, 255);
  rig_show_level (rig, LB_ROLE_WEIGHT, 200);
  rig_expose_for (rig, 4000);
  for (guint i = 0; i < frames; i++)
    {
      g_autoptr (LbFrame) frame = rig_frame (rig, i == 0 ? rig_settled (rig) : 0);
      double mean = rig_mean (frame) - offset;

      sum += mean;
      squares += mean * mean;
    }
  sum /= frames;
  squares = squares / frames - sum * sum;
  g_test_message ("jitter %.5f", sqrt (squares) / sum);
  g_assert_cmpfloat_with_epsilon (sqrt (squares) / sum, 0.02, 0.003);
}

/* Two neighbours of one cell share the speckle, two cells do not. */
static void
test_speckle (void)
{
  g_autoptr (Rig) rig =
      rig_new ("\"spread\": 0, \"speckle_contrast\": 0.1, \"light_rin\": 0, \"read_noise\": 0, "
               "\"row_noise\": 0, \"offset_pattern_dn\": 0, \"light_warm_up\": 0",
               1, 1);
  g_autoptr (LbFrame) first = NULL, second = NULL;
  double same = 0, other = 0, variance = 0;
  guint pairs = 0;

  rig_show_level (rig, LB_ROLE_SOURCE, 255);
  rig_show_level (rig, LB_ROLE_WEIGHT, 255);
  rig_expose_for (rig, 4000);
  first = rig_frame (rig, rig_settled (rig));
  second = rig_frame (rig, 0);
  for (guint y = 60; y < 116; y++)
    for (guint x = 80; x < 190; x += 2)
      {
        gsize at = (gsize) y * 272 + x;
        double a = (first->data[at] - 64.0) / (second->data[at] - 64.0) - 1;
        double b = (first->data[at + 1] - 64.0) / (second->data[at + 1] - 64.0) - 1;
        double c = (first->data[at + 2] - 64.0) / (second->data[at + 2] - 64.0) - 1;

        variance += a * a;
        same += a * b;
        other += b * c;
        pairs++;
      }
  g_test_message ("speckle %.4f, same cell %.3f, next cell %.3f", sqrt (variance / pairs / 2),
                  same / variance, other / variance);
  g_assert_cmpfloat_with_epsilon (sqrt (variance / pairs / 2), 0.1, 0.01);
  g_assert_cmpfloat (same / variance, >, 0.9);
  g_assert_cmpfloat (fabs (other / variance), <, 0.1);
}

static void
test_dark (void)
{
  g_autoptr (Rig) rig = rig_new ("\"hot_fraction\": 0.01", 1, 1);
  LbDevice *device = rig->devices[LB_ROLE_CAMERA];
  g_autoptr (LbFrame) frame = NULL;
  g_autoptr (GError) error = NULL;
  double k = lb_simulated_truth_get_parameter (device, "electrons_per_dn");
  guint hot = 0, wrong = 0;

  rig_show_level (rig, LB_ROLE_SOURCE, 255);
  rig_show_level (rig, LB_ROLE_WEIGHT, 255);
  rig_expose_for (rig, 100000);
  frame = lb_camera_wait_frame (rig_camera (rig), 0, NULL, -1, &error);
  g_assert_no_error (error);
  for (guint p = 0; p < PIXELS; p++)
    {
      LbSimulatedTruthPixel pixel;
      double dark;

      lb_simulated_truth_pixel (device, p % 272, p / 272, &pixel);
      dark = pixel.dark_electrons_per_s * 0.1;
      hot += pixel.hot ? 1 : 0;
      if (fabs (frame->data[p] - pixel.offset_dn - dark / k) > 6 * (sqrt (dark + 4) / k + 0.3))
        wrong++;
    }
  g_assert_cmpuint (hot, >, 300);
  g_assert_cmpuint (hot, <, 700);
  g_assert_cmpuint (wrong, <=, 1);
}

static void
test_maps (void)
{
  for (guint seed = 0; seed < 8; seed++)
    {
      g_autoptr (Rig) rig = rig_new ("\"camera_distortion\": 0.02, \"source_distortion\": 0.01", seed, 1);
      LbDevice *device = rig->devices[0];
      double x[] = { 0, 319, 160, 12.5 }, y[] = { 0, 199, 100, 180.25 };
      double there_x[4], there_y[4], back_x[4], back_y[4];

      lb_simulated_truth_source_to_weight (device, 4, x, y, there_x, there_y);
      lb_simulated_truth_weight_to_source (device, 4, there_x, there_y, back_x, back_y);
      for (guint i = 0; i < 4; i++)
        g_assert_cmpfloat (hypot (back_x[i] - x[i], back_y[i] - y[i]), <, 1e-6);
      lb_simulated_truth_weight_to_camera (device, 4, x, y, there_x, there_y);
      lb_simulated_truth_camera_to_weight (device, 4, there_x, there_y, back_x, back_y);
      for (guint i = 0; i < 4; i++)
        g_assert_cmpfloat (hypot (back_x[i] - x[i], back_y[i] - y[i]), <, 1e-6);
    }
}

/* A bright spot is where the maps say. */
static void
test_spot (void)
{
  for (guint seed = 0; seed < 4; seed++)
    {
      g_autoptr (Rig) rig = rig_new (QUIET, seed, 1);
      LbDevice *device = rig->devices[0];
      guint8 *data = g_malloc0 (320 * 200);
      g_autoptr (LbPattern) spot = NULL;
      g_autoptr (LbFrame) frame = NULL;
      double x = 91.5, y = 61.5, sum = 0, mean_x = 0, mean_y = 0;

      for (guint j = 0; j < 8; j++)
        memset (data + (58 + j) * 320 + 88, 255, 8);
      spot = lb_pattern_new_take (320, 200, data);
      rig_show (rig, LB_ROLE_SOURCE, spot);
      rig_show_level (rig, LB_ROLE_WEIGHT, 255);
      rig_expose_for (rig, 8000);
      frame = rig_frame (rig, rig_settled (rig));
      lb_simulated_truth_source_to_weight (device, 1, &x, &y, &x, &y);
      lb_simulated_truth_weight_to_camera (device, 1, &x, &y, &x, &y);
      for (guint p = 0; p < PIXELS; p++)
        if (frame->data[p] > 300)
          {
            sum += frame->data[p];
            mean_x += frame->data[p] * (p % 272);
            mean_y += frame->data[p] * (p / 272);
          }
      g_assert_cmpfloat (sum, >, 0);
      g_test_message ("spot at %.2f %.2f, seen at %.2f %.2f", x, y, mean_x / sum, mean_y / sum);
      g_assert_cmpfloat (hypot (mean_x / sum - x, mean_y / sum - y), <, 0.15);
    }
}

/* --- Time --------------------------------------------------------------------------- */

static void
test_latency (void)
{
  g_autoptr (Rig) rig = rig_new (QUIET, 1, 1);
  g_autoptr (LbPattern) white = lb_pattern_new_uniform (320, 200, 255);
  LbModulator *source = LB_MODULATOR (rig->devices[LB_ROLE_SOURCE]);
  g_autoptr (LbPattern) shown = NULL;
  g_autoptr (LbFrame) before = NULL, after = NULL;
  gint64 asked_us, time_us, again_us;
  const double period_us = 1e6 / 60;
  double frames;

  rig_show_level (rig, LB_ROLE_WEIGHT, 255);
  rig_expose_for (rig, 4000);
  lb_clock_wait_until (rig->context.clock, rig_settled (rig), NULL, NULL);
  asked_us = lb_clock_now_us (rig->context.clock);
  lb_modulator_show (source, white, 100, NULL, -1, NULL);
  before = rig_frame (rig, 0);
  shown = lb_modulator_read_back (source, NULL, -1, NULL);
  g_assert_cmpuint (shown->data[0], ==, 0);
  g_clear_pointer (&shown, lb_pattern_unref);

  g_assert_true (lb_modulator_wait_presented (source, 100, &time_us, NULL, -1, NULL));
  g_assert_cmpint (time_us, >=, asked_us + (gint64) (2 * period_us) - 1);
  g_assert_cmpint (time_us, <=, asked_us + (gint64) (3 * period_us) + 1);
  g_assert_cmpint (lb_clock_now_us (rig->context.clock), >=, time_us);
  g_assert_cmpint (before->end_us, <, time_us);
  shown = lb_modulator_read_back (source, NULL, -1, NULL);
  g_assert_cmpuint (shown->serial, ==, white->serial);

  after = rig_frame (rig, rig_settled (rig));
  g_assert_cmpfloat (rig_mean (before), <, 90);
  g_assert_cmpfloat (rig_mean (after), >, 500);

  again_us = rig_show (rig, LB_ROLE_SOURCE, white);
  frames = (double) (again_us - time_us) / period_us;
  g_assert_cmpfloat_with_epsilon (frames, rint (frames), 1e-3);
}

static void
test_settling (void)
{
  g_autoptr (Rig) rig = rig_new (QUIET ", \"source_tau_us\": 0", 1, 1);
  double tau = lb_simulated_truth_get_parameter (rig->devices[0], "weight_tau_us");
  g_autoptr (LbFrame) dark = NULL, bright = NULL;
  gint64 time_us;

  rig_show_level (rig, LB_ROLE_SOURCE, 255);
  rig_show_level (rig, LB_ROLE_WEIGHT, 0);
  rig_expose_for (rig, 5000);
  dark = rig_frame (rig, rig_settled (rig));
  time_us = rig_show_level (rig, LB_ROLE_WEIGHT, 255);
  {
    LbFrame *frames[5];

    for (guint i = 0; i < 5; i++)
      frames[i] = rig_frame (rig, 0);
    bright = rig_frame (rig, rig_settled (rig));
    for (guint i = 0; i < 5; i++)
      {
        double part = (rig_mean (frames[i]) - rig_mean (dark)) / (rig_mean (bright) - rig_mean (dark));
        double from = (double) (frames[i]->start_us - time_us), to = (double) (frames[i]->end_us - time_us);
        double expected = 1 - tau / (to - from) * (exp (-from / tau) - exp (-to / tau));

        g_test_message ("%.0f us: %.4f, expected %.4f", from, part, expected);
        g_assert_cmpfloat_with_epsilon (part, expected, 2e-3);
        lb_frame_unref (frames[i]);
      }
    g_assert_cmpfloat (rig_mean (bright), >, 500);
  }
}

/* A pattern that comes in the middle of an exposure counts for its part. */
static void
test_change_within_exposure (void)
{
  g_autoptr (Rig) rig = rig_new (QUIET ", \"source_tau_us\": 0, \"weight_tau_us\": 0", 1, 1);
  LbModulator *source = LB_MODULATOR (rig->devices[LB_ROLE_SOURCE]);
  g_autoptr (LbPattern) white = lb_pattern_new_uniform (320, 200, 200);
  g_autoptr (LbFrame) dark = NULL, mixed = NULL, bright = NULL;
  gint64 time_us;
  double part;

  rig_show_level (rig, LB_ROLE_WEIGHT, 255);
  rig_expose_for (rig, 100000);
  dark = rig_frame (rig, 0);
  lb_modulator_show (source, white, 100, NULL, -1, NULL);
  mixed = rig_frame (rig, 0);
  g_assert_true (lb_modulator_wait_presented (source, 100, &time_us, NULL, -1, NULL));
  bright = rig_frame (rig, 0);
  g_assert_cmpint (time_us, >, mixed->start_us);
  g_assert_cmpint (time_us, <, mixed->end_us);
  /* 100 ms of full light would saturate; the parts are compared by the dim rim. */
  part = 0;
  {
    double sums[3] = { 0 };
    const LbFrame *frames[] = { dark, mixed, bright };

    for (guint p = 0; p < PIXELS; p++)
      if (bright->data[p] < 4000)
        for (guint i = 0; i < 3; i++)
          sums[i] += frames[i]->data[p];
    part = (sums[1] - sums[0]) / (sums[2] - sums[0]);
  }
  g_assert_cmpfloat_with_epsilon (part, (double) (mixed->end_us - time_us) / 100000, 0.01);
}

/* Rows of a rolling shutter begin one after the other: the upper ones are over
 * when the pattern comes, the lower ones see it. */
static void
test_rolling_shutter (void)
{
  g_autoptr (Rig) rig =
      rig_new_full (QUIET ", \"source_tau_us\": 0", ", \"readout_us\": 80000, \"rate_hz\": 10", TRUE, 1, 1);
  LbModulator *source = LB_MODULATOR (rig->devices[LB_ROLE_SOURCE]);
  g_autoptr (LbPattern) white = lb_pattern_new_uniform (320, 200, 255);
  g_autoptr (LbFrame) before = NULL, frame = NULL, full = NULL;
  guint dark = 0, bright = 0;
  gint64 time_us;

  rig_show_level (rig, LB_ROLE_WEIGHT, 255);
  rig_expose_for (rig, 2000);
  before = rig_frame (rig, rig_settled (rig));
  lb_modulator_show (source, white, 100, NULL, -1, NULL);
  frame = rig_frame (rig, 0);
  g_assert_true (lb_modulator_wait_presented (source, 100, &time_us, NULL, -1, NULL));
  g_assert_cmpint (frame->end_us - frame->start_us, ==, 82000);
  full = rig_frame (rig, 0);
  for (guint y = 0; y < 176; y++)
    {
      gint64 row_us = frame->start_us + 80000 * y / 176;
      gsize at = (gsize) y * 272 + 136;

      if (full->data[at] < 500)
        continue;
      if (row_us + 2000 < time_us)
        {
          g_assert_cmpuint (frame->data[at], <, 200);
          dark++;
        }
      else if (row_us > time_us + 4000)
        {
          g_assert_cmpfloat_with_epsilon (frame->data[at], full->data[at], 0.2 * full->data[at]);
          bright++;
        }
    }
  g_assert_cmpuint (dark, >, 5);
  g_assert_cmpuint (bright, >, 50);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/simulated/world/same-seed-gives-same-bytes", test_same_seed);
  g_test_add_func ("/simulated/world/any-number-of-threads-gives-same-bytes", test_threads);
  g_test_add_func ("/simulated/world/region-is-a-crop-of-the-whole-frame", test_region);
  g_test_add_func ("/simulated/light/flux-does-not-depend-on-where-it-falls", test_flux);
  g_test_add_func ("/simulated/light/frames-average-to-the-truth-with-photon-noise", test_expected);
  g_test_add_func ("/simulated/light/jitter-is-shared-by-all-pixels", test_jitter);
  g_test_add_func ("/simulated/light/speckle-is-shared-by-a-cell", test_speckle);
  g_test_add_func ("/simulated/light/maps-invert", test_maps);
  g_test_add_func ("/simulated/light/spot-is-where-the-maps-say", test_spot);
  g_test_add_func ("/simulated/camera/dark-frame-shows-offset-and-hot-pixels", test_dark);
  g_test_add_func ("/simulated/camera/rolling-shutter-exposes-rows-in-turn", test_rolling_shutter);
  g_test_add_func ("/simulated/time/pattern-comes-late-and-on-a-frame", test_latency);
  g_test_add_func ("/simulated/time/weight-plane-settles-exponentially", test_settling);
  g_test_add_func ("/simulated/time/change-within-an-exposure-counts-in-part", test_change_within_exposure);
  return g_test_run ();
}
