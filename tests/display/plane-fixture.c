/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "plane-fixture.h"

#include <string.h>

/* Long: a busy computer is no error. */
#define WAIT_US (60 * G_USEC_PER_SEC)

gint64
deadline (void)
{
  return g_get_monotonic_time () + WAIT_US;
}

void
planes_init (Planes *self, const char *source, const char *weight)
{
  g_autofree char *json = g_strdup_printf (
      "{ \"name\": \"planes\", \"title\": \"Planes\", \"devices\": {"
      "\"source\": { \"driver\": \"display\", %s }, \"weight\": { \"driver\": \"display\", %s },"
      "\"camera\": { \"driver\": \"simulated\", \"width\": 320, \"height\": 176 } },"
      "\"optics\": { \"macropixel\": 8, \"source_margin\": 2, \"guard\": 1, \"source_floor\": 0,"
      "\"weight_floor\": 0.01, \"source_gamma\": 2.2, \"weight_phase_range\": 1, \"quantum_efficiency\": 0.7,"
      "\"path_transmission\": 0.7, \"electrons_per_dn\": 2.5, \"full_well\": 10000, \"read_noise\": 1.6,"
      "\"source_settling_us\": 1000, \"weight_settling_us\": 1000, \"light_level\": 1, \"exposure_us\": 8000 "
      "} }",
      source, weight != NULL ? weight : source);
  GError *error = NULL;

  *self = (Planes){ 0 };
  self->setup = lb_setup_parse (json, -1, "planes", LB_FIDELITY_PIXEL, &error);
  g_assert_no_error (error);
  self->context.setup = self->setup;
  self->context.clock = lb_clock_new_wall ();
  for (guint role = LB_ROLE_SOURCE; role <= LB_ROLE_WEIGHT; role++)
    {
      self->planes[role] = LB_MODULATOR (lb_drivers_find ("display")->create (&self->context, role, &error));
      g_assert_no_error (error);
    }
}

void
planes_clear (Planes *self)
{
  for (guint role = LB_ROLE_SOURCE; role <= LB_ROLE_WEIGHT; role++)
    g_clear_object (&self->planes[role]);
  g_clear_object (&self->context.clock);
  g_clear_object (&self->setup);
}

LbModulator *
plane_open (Planes *self, LbRole role)
{
  LbModulator *plane = self->planes[role];
  GError *error = NULL;

  lb_device_open (LB_DEVICE (plane), NULL, deadline (), &error);
  g_assert_no_error (error);
  g_assert_cmpint (lb_device_get_state (LB_DEVICE (plane)), ==, LB_DEVICE_CONNECTED);
  return plane;
}

void
plane_open_fails (Planes *self, LbRole role, LbDeviceError code, const char *text)
{
  GError *error = NULL;

  g_assert_false (lb_device_open (LB_DEVICE (self->planes[role]), NULL, deadline (), &error));
  g_assert_error (error, LB_DEVICE_ERROR, (int) code);
  if (strstr (error->message, text) == NULL)
    g_error ("\"%s\" does not say \"%s\"", error->message, text);
  g_assert_cmpint (lb_device_get_state (LB_DEVICE (self->planes[role])), ==, LB_DEVICE_ABSENT);
  g_clear_error (&error);
}

void
plane_close (Planes *self, LbRole role)
{
  GError *error = NULL;

  lb_device_close (LB_DEVICE (self->planes[role]), NULL, deadline (), &error);
  g_assert_no_error (error);
}

gint64
plane_show (LbModulator *plane, LbPattern *pattern, guint64 sequence)
{
  GError *error = NULL;
  gint64 time_us = 0;

  lb_modulator_show (plane, pattern, sequence, NULL, deadline (), &error);
  g_assert_no_error (error);
  lb_modulator_wait_presented (plane, sequence, &time_us, NULL, deadline (), &error);
  g_assert_no_error (error);
  return time_us;
}

/* A linear congruential generator, Numerical Recipes (1992), section 7.1. */
LbPattern *
pattern_new_random (guint width, guint height, guint32 seed)
{
  gsize count = (gsize) width * height;
  guint8 *data = g_malloc (count);

  for (gsize i = 0; i < count; i++)
    {
      seed = seed * 1664525u + 1013904223u;
      data[i] = (guint8) (seed >> 24);
    }
  return lb_pattern_new_take (width, height, data);
}

void
plane_reads (LbModulator *plane, LbPattern *pattern)
{
  GError *error = NULL;
  g_autoptr (LbPattern) back = lb_modulator_read_back (plane, NULL, deadline (), &error);

  g_assert_no_error (error);
  g_assert_cmpmem (back->data, (gsize) back->width * back->height, pattern->data,
                   (gsize) pattern->width * pattern->height);
}

LbModulatorFaults
plane_wait_faults (LbModulator *plane, LbModulatorFaults faults)
{
  gint64 until_us = deadline ();

  for (;;)
    {
      g_autofree char *text = NULL;
      LbModulatorFaults now = lb_modulator_peek (plane, &text);

      if (now & faults)
        {
          g_assert_cmpstr (text, !=, "");
          return now;
        }
      g_assert_cmpint (g_get_monotonic_time (), <, until_us);
      g_usleep (2000);
    }
}
