/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <math.h>
#include <string.h>

#include <lb-world-kernels.h>
#include <lb-world-optics.h>

/* The fast loops of the simulated world beside plain ones. */

static void
world_init (LbWorldOptics *optics, double magnification, double blur)
{
  LbWorldSizes sizes = { 96, 80, 90, 70, 64, 56 };
  LbWorldParameters parameters;
  g_autoptr (GError) error = NULL;

  g_assert_true (lb_world_parameters_read (&parameters, NULL, lb_random_key (3), &error));
  parameters.camera_magnification = magnification;
  parameters.camera_blur_px = blur;
  lb_world_optics_init (optics, &parameters, &sizes, lb_random_key (4));
  lb_world_optics_prepare (optics);
}

static void
check_resample (double magnification, double blur, guint width)
{
  LbWorldOptics optics;
  LbWorldPlane plane;
  const gsize count = 64 * 56;
  g_autofree float *fast = g_new (float, count), *plain = g_new (float, count), *part = g_new (float, count);

  world_init (&optics, magnification, blur);
  g_assert_cmpuint (optics.camera_kernel.width, ==, width);
  lb_world_plane_init (&plane, 90, 70);
  for (guint y = 0; y < 70; y++)
    lb_random_uniform_fill (lb_random_key (1), 0, y * 90, 90, plane.data + y * plane.stride);
  lb_kernel_resample (&plane, optics.camera_taps, &optics.camera_kernel, count, fast);
  lb_kernel_resample_reference (&plane, optics.camera_taps, &optics.camera_kernel, count, plain);
  for (gsize i = 0; i < count; i++)
    g_assert_cmpfloat_with_epsilon (fast[i], plain[i], 2e-6);

  /* Bit for bit the same in runs of any length. */
  for (gsize i = 0, length = 1; i < count; i += length, length = length % 23 + 1)
    lb_kernel_resample (&plane, optics.camera_taps + i, &optics.camera_kernel, MIN (length, count - i),
                        part + i);
  g_assert_cmpmem (fast, count * sizeof (float), part, count * sizeof (float));
  lb_world_plane_clear (&plane);
  lb_world_optics_clear (&optics);
}

static void
test_resample (void)
{
  check_resample (0.75, 0.4, 8);
  check_resample (0.5, 0.8, 16);
  check_resample (0.3, 1.2, 16);
}

/* A uniform plane stays uniform, away from its border. */
static void
test_kernel_sums_to_one (void)
{
  LbWorldOptics optics;

  world_init (&optics, 0.5, 0.8);
  for (guint phase = 0; phase < LB_KERNEL_PHASES; phase++)
    {
      double sum = 0;

      for (guint tap = 0; tap < optics.camera_kernel.width; tap++)
        sum += optics.camera_kernel.table[phase * optics.camera_kernel.width + tap];
      g_assert_cmpfloat_with_epsilon (sum, 1, 1e-6);
    }
  lb_world_optics_clear (&optics);
}

static void
test_transmission (void)
{
  LbWorldOptics optics;
  guint8 levels[256];
  float scale[256], out[256], part[256];

  world_init (&optics, 0.5, 0.8);
  for (guint i = 0; i < 256; i++)
    {
      levels[i] = (guint8) i;
      scale[i] = 0.98f + 0.04f * (float) ((i * 37) % 256) / 256;
    }
  lb_kernel_transmission (levels, scale, optics.phase, 0.01f, 0.9f, 256, out);
  for (guint i = 0; i < 256; i++)
    {
      double sine = sin (G_PI * optics.phase[i] * scale[i]);

      g_assert_cmpfloat_with_epsilon (out[i], 0.01 + 0.9 * sine * sine, 1e-6);
    }
  for (guint i = 0; i < 256; i += 3)
    lb_kernel_transmission (levels + i, scale + i, optics.phase, 0.01f, 0.9f, MIN (3, 256 - i), part + i);
  g_assert_cmpmem (out, sizeof out, part, sizeof part);
  lb_world_optics_clear (&optics);
}

/* The mean of the product of two exponentials, by summing over the exposure. */
static void
test_product (void)
{
  const float source[] = { 1, 0.2f, 0 }, source_previous[] = { 0, 0.8f, 1 };
  const float weight[] = { 0.5f, 1, 0.1f }, weight_previous[] = { 1, 0, 0.9f };
  const float light[] = { 1, 0.7f, 0.5f };
  const guint steps = 20000;
  LbWorldShares shares = { 1, 0, 0, 0 };
  double expected[3] = { 0 }, e_s = 0, e_w = 0, e_both = 0;
  float out[3];

  for (guint i = 0; i < steps; i++)
    {
      double t = (i + 0.5) / steps;
      double s = exp (-1 - 3 * t), w = exp (-0.5 - t);

      e_s += s / steps;
      e_w += w / steps;
      e_both += s * w / steps;
      for (guint p = 0; p < 3; p++)
        expected[p] += light[p] * (source[p] + (source_previous[p] - source[p]) * s) *
                       (weight[p] + (weight_previous[p] - weight[p]) * w) / steps;
    }
  shares.source_change = (float) e_s;
  shares.weight_change = (float) e_w;
  shares.product_change = (float) e_both;
  lb_kernel_product (source, source_previous, weight, weight_previous, light, &shares, FALSE, 3, out);
  for (guint p = 0; p < 3; p++)
    g_assert_cmpfloat_with_epsilon (out[p], expected[p], 1e-6);
  lb_kernel_product (source, source_previous, weight, weight_previous, light, &shares, TRUE, 3, out);
  for (guint p = 0; p < 3; p++)
    g_assert_cmpfloat_with_epsilon (out[p], 2 * expected[p], 2e-6);
}

static void
test_convert (void)
{
  const float electrons[] = { 0, 1000, 9000, 20000, 0 }, normal[] = { 0, 1, -1, 0, -100 };
  const float offset[] = { 64, 60, 70, 64, 64 };
  const LbWorldAdc adc = { 10000, 2, 0.5f, 0.4f, 1, 4095 };
  guint16 out[5];

  lb_kernel_convert (electrons, normal, offset, &adc, 5, out);
  g_assert_cmpuint (out[0], ==, 64);
  g_assert_cmpuint (out[1], ==, 461);
  g_assert_cmpuint (out[2], ==, 3669);
  g_assert_cmpuint (out[3], ==, 4064);
  g_assert_cmpuint (out[4], ==, 0);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/simulated/kernels/resample-is-its-reference", test_resample);
  g_test_add_func ("/simulated/kernels/kernel-sums-to-one", test_kernel_sums_to_one);
  g_test_add_func ("/simulated/kernels/transmission-is-sine-squared", test_transmission);
  g_test_add_func ("/simulated/kernels/product-settles-as-two-exponentials", test_product);
  g_test_add_func ("/simulated/kernels/convert-clips-at-both-ends", test_convert);
  return g_test_run ();
}
