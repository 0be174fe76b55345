/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdlib.h>
#include <string.h>

#include <lb-camera.h>
#include <lb-driver.h>
#include <lb-gemm.h>
#include <lb-light-source.h>
#include <lb-modulator.h>
#include <lb-random.h>
#include <lb-simulated.h>

/*
 * How fast the simulated bench gives frames through its drivers, with both
 * patterns changing from exposure to exposure. Prints a JSON object of
 * {name: {value, unit, yardstick, ratio, limit}}: the limit is the least value
 * that is asked for; the yardstick is what the machine did in the same run.
 */

#define PATTERNS 4
/* Time that is measured, seconds, at least. */
#define MEASURED_S 2.0

typedef struct
{
  LbDriverContext context;
  LbDevice *devices[LB_N_ROLES];
  LbPattern *patterns[2][PATTERNS];
  double settling_us[2];
  guint64 sequence;
} Bench;

static void
fail (const char *what, const GError *error)
{
  g_printerr ("benchmark-world: %s: %s\n", what, error->message);
  exit (1);
}

static LbPattern *
random_pattern (LbDevice *device, guint64 number)
{
  LbModulatorCaps caps;
  gsize count;
  guint8 *data;

  lb_modulator_get_caps (LB_MODULATOR (device), &caps, NULL, -1, NULL);
  count = (gsize) caps.width * caps.height;
  data = g_malloc ((count + 3) / 4 * 4);
  lb_random_bits_fill (lb_random_key (number), 0, 0, (count + 3) / 4, (guint32 *) (void *) data);
  return lb_pattern_new_take (caps.width, caps.height, data);
}

static void
bench_init (Bench *self, LbFidelity fidelity)
{
  g_autoptr (GError) error = NULL;
  const LbSetupOptics *optics;

  memset (self, 0, sizeof *self);
  self->context.setup = lb_setup_load ("simulated", fidelity, &error);
  if (self->context.setup == NULL)
    fail ("setup", error);
  optics = lb_setup_get_optics (self->context.setup);
  self->settling_us[0] = optics->source_settling_us;
  self->settling_us[1] = optics->weight_settling_us;
  self->context.clock = lb_clock_new_virtual (0);
  self->context.seed = self->context.world_seed = 1;
  for (guint role = LB_ROLE_SOURCE; role <= LB_ROLE_LIGHT; role++)
    {
      self->devices[role] = lb_simulated_driver.create (&self->context, role, &error);
      if (self->devices[role] == NULL || !lb_device_open (self->devices[role], NULL, -1, &error))
        fail ("open", error);
    }
  for (guint role = 0; role < 2; role++)
    for (guint i = 0; i < PATTERNS; i++)
      self->patterns[role][i] = random_pattern (self->devices[role], role * PATTERNS + i);
  if (!lb_light_source_set_level (LB_LIGHT_SOURCE (self->devices[LB_ROLE_LIGHT]), optics->light_level, NULL,
                                  NULL, -1, &error) ||
      !lb_camera_set_exposure (LB_CAMERA (self->devices[LB_ROLE_CAMERA]), optics->exposure_us, 1, NULL, NULL,
                               NULL, NULL, -1, &error) ||
      !lb_camera_start (LB_CAMERA (self->devices[LB_ROLE_CAMERA]), 4, NULL, -1, &error))
    fail ("start", error);
}

static void
bench_clear (Bench *self)
{
  for (guint role = 0; role < LB_N_ROLES; role++)
    g_clear_object (&self->devices[role]);
  for (guint role = 0; role < 2; role++)
    for (guint i = 0; i < PATTERNS; i++)
      lb_pattern_unref (self->patterns[role][i]);
  g_clear_object (&self->context.shared);
  g_object_unref (self->context.clock);
  g_object_unref (self->context.setup);
}

/* New patterns on both planes, settled; one frame. */
static void
expose (Bench *self)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (LbFrame) frame = NULL;
  gint64 ready_us = 0;

  self->sequence++;
  for (guint role = 0; role < 2; role++)
    if (!lb_modulator_show (LB_MODULATOR (self->devices[role]),
                            self->patterns[role][self->sequence % PATTERNS], self->sequence, NULL, -1,
                            &error))
      fail ("show", error);
  for (guint role = 0; role < 2; role++)
    {
      gint64 shown_us;

      if (!lb_modulator_wait_presented (LB_MODULATOR (self->devices[role]), self->sequence, &shown_us, NULL,
                                        -1, &error))
        fail ("wait presented", error);
      ready_us = MAX (ready_us, shown_us + (gint64) self->settling_us[role]);
    }
  if (!lb_light_source_output_on (LB_LIGHT_SOURCE (self->devices[LB_ROLE_LIGHT]), 0, G_USEC_PER_SEC, NULL, -1,
                                  &error))
    fail ("light", error);
  frame = lb_camera_wait_frame (LB_CAMERA (self->devices[LB_ROLE_CAMERA]), ready_us, NULL, -1, &error);
  if (frame == NULL)
    fail ("frame", error);
}

static double
frames_per_s (LbFidelity fidelity)
{
  Bench bench;
  gint64 start_us;
  guint count = 0;
  double seconds;

  bench_init (&bench, fidelity);
  for (guint i = 0; i < PATTERNS; i++)
    expose (&bench);
  start_us = g_get_monotonic_time ();
  do
    {
      expose (&bench);
      count++;
      seconds = (double) (g_get_monotonic_time () - start_us) / G_USEC_PER_SEC;
    }
  while (seconds < MEASURED_S);
  bench_clear (&bench);
  return count / seconds;
}

/* Plain multiply-add passes over a full frame of floats by all threads, per
 * second. */
static double
passes_per_s (void)
{
  const gsize pixels = 1920 * 1080;
  g_autofree float *values = g_new (float, pixels);
  gint64 start_us;
  guint count = 0;
  double seconds;

  for (gsize i = 0; i < pixels; i++)
    values[i] = (float) i;
  start_us = g_get_monotonic_time ();
  do
    {
#pragma omp parallel for num_threads(lb_numerics_get_threads()) schedule(static)
      for (gsize i = 0; i < pixels; i++)
        values[i] = values[i] * 0.999f + 0.001f;
      count++;
      seconds = (double) (g_get_monotonic_time () - start_us) / G_USEC_PER_SEC;
    }
  while (seconds < MEASURED_S / 4);
  return count / seconds;
}

static void
print_result (const char *name, double value, const char *unit, double yardstick, double limit, gboolean last)
{
  const double numbers[] = { value, yardstick, value / yardstick, limit };
  char texts[G_N_ELEMENTS (numbers)][G_ASCII_DTOSTR_BUF_SIZE];

  for (guint i = 0; i < G_N_ELEMENTS (numbers); i++)
    g_ascii_formatd (texts[i], sizeof texts[i], "%.6g", numbers[i]);
  g_print (
      "  \"%s\": { \"value\": %s, \"unit\": \"%s\", \"yardstick\": %s, \"ratio\": %s, \"limit\": %s }%s\n",
      name, texts[0], unit, texts[1], texts[2], texts[3], last ? "" : ",");
}

int
main (void)
{
  double yardstick = passes_per_s ();

  g_print ("{\n");
  print_result ("bench_pixel", frames_per_s (LB_FIDELITY_PIXEL), "frames/s", yardstick, 30, FALSE);
  print_result ("bench_fast", frames_per_s (LB_FIDELITY_FAST), "exposures/s", yardstick, 1000, TRUE);
  g_print ("}\n");
  return 0;
}
