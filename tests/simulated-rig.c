/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "simulated-rig.h"

#include <json-glib/json-glib.h>

/* The same text with the last of the members that have one name: what a test sets
 * goes before what the rig has. */
static char *
keep_last_members (const char *json)
{
  g_autoptr (JsonParser) parser = json_parser_new ();

  /* A test may want text that is not JSON. */
  if (!json_parser_load_from_data (parser, json, -1, NULL))
    return g_strdup (json);
  return json_to_string (json_parser_get_root (parser), FALSE);
}

char *
rig_json (const char *world, const char *camera, gboolean light)
{
  g_autofree char *json = g_strdup_printf (
      "{ \"name\": \"rig\", \"title\": \"Rig\", \"devices\": {"
      "\"source\": { \"driver\": \"simulated\", \"width\": 320, \"height\": 200 },"
      "\"weight\": { \"driver\": \"simulated\", \"width\": 320, \"height\": 200 },"
      "\"camera\": { \"driver\": \"simulated\", \"width\": 272, \"height\": 176 %s },"
      "%s \"power-meter\": { \"driver\": \"simulated\" } },"
      "\"optics\": { \"macropixel\": 4, \"source_margin\": 1, \"guard\": 1, \"source_floor\": 0.005,"
      "\"weight_floor\": 0.01, \"source_gamma\": 2.2, \"weight_phase_range\": 1, \"quantum_efficiency\": 0.7,"
      "\"path_transmission\": 0.714, \"electrons_per_dn\": 2.5, \"full_well\": 10000, \"read_noise\": 1.6,"
      "\"source_settling_us\": 6500, \"weight_settling_us\": 65000, \"light_level\": 50, \"exposure_us\": "
      "8000 },"
      "\"world\": { \"camera_magnification\": 0.75, \"photons_per_us\": 0.0188, \"camera_blur_px\": 0.4,"
      "\"source_blur_px\": 0.35, \"source_shift_px\": 2, \"camera_shift_px\": 3 %s%s } }",
      camera,
      light ? "\"light\": { \"driver\": \"simulated\", \"unit\": \"mW\", \"maximum\": 100, \"limit\": 80 },"
            : "",
      world[0] != '\0' ? ", " : "", world);

  return keep_last_members (json);
}

Rig *
rig_new_full (const char *world, const char *camera, gboolean light, guint64 world_seed, guint64 seed)
{
  g_autofree char *json = rig_json (world, camera, light);
  g_autoptr (GError) error = NULL;
  Rig *self = g_new0 (Rig, 1);

  self->setup = lb_setup_parse (json, -1, "rig", LB_FIDELITY_PIXEL, &error);
  g_assert_no_error (error);
  self->context.setup = self->setup;
  self->context.clock = lb_clock_new_virtual (0);
  self->context.seed = seed;
  self->context.world_seed = world_seed;
  for (guint role = 0; role < LB_N_ROLES; role++)
    {
      if (role == LB_ROLE_LIGHT && !light)
        continue;
      self->devices[role] = lb_simulated_driver.create (&self->context, role, &error);
      g_assert_no_error (error);
      lb_device_open (self->devices[role], NULL, -1, &error);
      g_assert_no_error (error);
    }
  if (light)
    {
      lb_light_source_set_level (rig_light (self), 50, NULL, NULL, -1, &error);
      g_assert_no_error (error);
    }
  return self;
}

Rig *
rig_new (const char *world, guint64 world_seed, guint64 seed)
{
  return rig_new_full (world, "", TRUE, world_seed, seed);
}

void
rig_free (Rig *self)
{
  for (guint role = 0; role < LB_N_ROLES; role++)
    if (self->devices[role] != NULL)
      {
        lb_device_close (self->devices[role], NULL, -1, NULL);
        g_object_unref (self->devices[role]);
      }
  /* State changes are notified later, by sources that hold the devices. */
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_clear_object (&self->context.shared);
  g_object_unref (self->context.clock);
  g_object_unref (self->setup);
  g_free (self);
}

LbCamera *
rig_camera (Rig *self)
{
  return LB_CAMERA (self->devices[LB_ROLE_CAMERA]);
}

LbLightSource *
rig_light (Rig *self)
{
  return LB_LIGHT_SOURCE (self->devices[LB_ROLE_LIGHT]);
}

gint64
rig_show (Rig *self, LbRole role, LbPattern *pattern)
{
  LbModulator *modulator = LB_MODULATOR (self->devices[role]);
  g_autoptr (GError) error = NULL;
  gint64 time_us = 0;

  lb_modulator_show (modulator, pattern, ++self->sequence, NULL, -1, &error);
  g_assert_no_error (error);
  lb_modulator_wait_presented (modulator, self->sequence, &time_us, NULL, -1, &error);
  g_assert_no_error (error);
  return time_us;
}

gint64
rig_show_level (Rig *self, LbRole role, guint8 level)
{
  g_autoptr (LbPattern) pattern = lb_pattern_new_uniform (320, 200, level);

  return rig_show (self, role, pattern);
}

LbPattern *
rig_random_pattern (Rig *self, guint32 seed)
{
  g_autoptr (GRand) random = g_rand_new_with_seed (seed);
  guint8 *data = g_malloc (320 * 200);

  for (guint i = 0; i < 320 * 200; i++)
    data[i] = (guint8) g_rand_int_range (random, 0, 256);
  return lb_pattern_new_take (320, 200, data);
}

void
rig_expose_for (Rig *self, double exposure_us)
{
  g_autoptr (GError) error = NULL;

  lb_camera_set_exposure (rig_camera (self), exposure_us, 1, NULL, NULL, NULL, NULL, -1, &error);
  g_assert_no_error (error);
  lb_camera_start (rig_camera (self), 4, NULL, -1, &error);
  g_assert_no_error (error);
}

LbFrame *
rig_frame (Rig *self, gint64 after_us)
{
  g_autoptr (GError) error = NULL;
  LbFrame *frame;

  if (self->devices[LB_ROLE_LIGHT] != NULL)
    lb_light_source_output_on (rig_light (self), 0, G_USEC_PER_SEC, NULL, -1, &error);
  g_assert_no_error (error);
  frame = lb_camera_wait_frame (rig_camera (self), after_us, NULL, -1, &error);
  g_assert_no_error (error);
  return frame;
}

gint64
rig_settled (Rig *self)
{
  return lb_clock_now_us (self->context.clock) + G_USEC_PER_SEC;
}

double
rig_mean (const LbFrame *frame)
{
  gsize count = (gsize) frame->width * frame->height;
  double sum = 0;

  for (gsize i = 0; i < count; i++)
    sum += frame->data[i];
  return sum / (double) count;
}
