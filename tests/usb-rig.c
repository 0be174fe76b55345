/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "usb-rig.h"

#include <lb-usb.h>

static char *
make_json (const char *light_model, const char *meter_model, const char *light_keys, double limit_ma)
{
  char limit[G_ASCII_DTOSTR_BUF_SIZE], level[G_ASCII_DTOSTR_BUF_SIZE];

  return g_strdup_printf (
      "{ \"name\": \"rig\", \"title\": \"Rig\", \"devices\": {"
      "\"source\": { \"driver\": \"simulated\", \"width\": 320, \"height\": 200 },"
      "\"weight\": { \"driver\": \"simulated\", \"width\": 320, \"height\": 200 },"
      "\"camera\": { \"driver\": \"simulated\", \"width\": 320, \"height\": 176 },"
      "\"light\": { \"driver\": \"usb\", \"model\": \"%s\", \"serial\": \"" USB_RIG_LIGHT "\","
      " \"limit\": %s%s },"
      "\"power-meter\": { \"driver\": \"usb\", \"model\": \"%s\", \"serial\": \"" USB_RIG_METER "\","
      " \"wavelength_nm\": 532 } },"
      "\"optics\": { \"macropixel\": 4, \"source_margin\": 1, \"guard\": 1, \"source_floor\": 0.005,"
      " \"weight_floor\": 0.01, \"source_gamma\": 2.2, \"weight_phase_range\": 1, \"quantum_efficiency\": "
      "0.7,"
      " \"path_transmission\": 0.7, \"electrons_per_dn\": 2.5, \"full_well\": 10000, \"read_noise\": 1.6,"
      " \"source_settling_us\": 100, \"weight_settling_us\": 100, \"light_level\": %s, \"exposure_us\": 8000 "
      "}"
      "}",
      light_model, g_ascii_dtostr (limit, sizeof limit, limit_ma), light_keys, meter_model,
      g_ascii_dtostr (level, sizeof level, MIN (limit_ma, 50)));
}

char *
usb_rig_make_json (const char *light_model, const char *meter_model, const char *light_keys)
{
  return make_json (light_model, meter_model, light_keys, USB_RIG_LIMIT);
}

static Instrument *
plug_in (UsbRig *rig, const char *model, const char *serial, UsbInstrument **usb, guint *place)
{
  Instrument *instrument = instrument_new (model, serial);

  g_assert_nonnull (instrument);
  *usb = usb_instrument_new (instrument);
  *place = umock_usb_add (rig->bus, *usb);
  return instrument;
}

static void
make_light (UsbRig *rig, double limit_ma)
{
  g_autofree char *json = make_json (rig->light_model, rig->meter_model, rig->light_keys, limit_ma);
  g_autoptr (GError) error = NULL;

  g_clear_object (&rig->context.setup);
  rig->context.setup = lb_setup_parse (json, -1, "rig", LB_FIDELITY_PIXEL, &error);
  g_assert_no_error (error);
  rig->source = LB_LIGHT_SOURCE (lb_usb_driver.create (&rig->context, LB_ROLE_LIGHT, &error));
  g_assert_no_error (error);
}

void
usb_rig_change_limit (UsbRig *rig, double limit_ma)
{
  lb_device_close (LB_DEVICE (rig->source), NULL, usb_rig_in (5000), NULL);
  g_clear_object (&rig->source);
  make_light (rig, limit_ma);
}

UsbRig *
usb_rig_new (const char *light_model, const char *meter_model, const char *light_keys)
{
  UsbRig *rig = g_new0 (UsbRig, 1);
  g_autoptr (GError) error = NULL;

  rig->bus = umock_usb_new ();
  rig->light = plug_in (rig, light_model, USB_RIG_LIGHT, &rig->light_usb, &rig->light_place);
  rig->meter = plug_in (rig, meter_model, USB_RIG_METER, &rig->meter_usb, &rig->meter_place);
  rig->light_model = g_strdup (light_model);
  rig->meter_model = g_strdup (g_str_equal (meter_model, "PM16-120") ? "PM16" : meter_model);
  rig->light_keys = g_strdup (light_keys);
  rig->context.clock = lb_clock_new_wall ();
  make_light (rig, USB_RIG_LIMIT);
  rig->power_meter = LB_POWER_METER (lb_usb_driver.create (&rig->context, LB_ROLE_POWER_METER, &error));
  g_assert_no_error (error);
  return rig;
}

void
usb_rig_free (UsbRig *rig)
{
  g_assert_cmpuint (instrument_get_unknown (rig->light), ==, 0);
  g_assert_cmpuint (instrument_get_unknown (rig->meter), ==, 0);
  g_assert_cmpuint (usb_instrument_get_violations (rig->light_usb), ==, 0);
  g_assert_cmpuint (usb_instrument_get_violations (rig->meter_usb), ==, 0);
  lb_device_close (LB_DEVICE (rig->source), NULL, usb_rig_in (5000), NULL);
  lb_device_close (LB_DEVICE (rig->power_meter), NULL, usb_rig_in (5000), NULL);
  g_object_unref (rig->source);
  g_object_unref (rig->power_meter);
  g_object_unref (rig->context.setup);
  g_object_unref (rig->context.clock);
  umock_usb_free (rig->bus);
  g_free (rig->light_model);
  g_free (rig->meter_model);
  g_free (rig->light_keys);
  g_free (rig);
}

gint64
usb_rig_in (gint64 milliseconds)
{
  return g_get_monotonic_time () + milliseconds * 1000;
}

gboolean
usb_rig_wait_lit (UsbRig *rig, gboolean lit, gint64 milliseconds)
{
  gint64 end_us = usb_rig_in (milliseconds);

  while (instrument_is_lit (rig->light) != lit)
    {
      if (g_get_monotonic_time () > end_us)
        return FALSE;
      g_usleep (1000);
    }
  return TRUE;
}

gboolean
usb_rig_wait_confirmed (UsbRig *rig, gint64 milliseconds)
{
  gint64 end_us = usb_rig_in (milliseconds);

  while (!lb_light_source_is_confirmed_off (rig->source))
    {
      if (g_get_monotonic_time () > end_us)
        return FALSE;
      g_usleep (1000);
    }
  return TRUE;
}

void
usb_rig_open (UsbRig *rig)
{
  g_autoptr (GError) error = NULL;

  lb_device_open (LB_DEVICE (rig->source), NULL, usb_rig_in (10000), &error);
  g_assert_no_error (error);
}

void
usb_rig_light_up (UsbRig *rig, double level_ma, guint64 generation)
{
  g_autoptr (GError) error = NULL;

  lb_light_source_set_level (rig->source, level_ma, NULL, NULL, usb_rig_in (5000), &error);
  g_assert_no_error (error);
  lb_light_source_output_on (rig->source, generation, G_USEC_PER_SEC, NULL, usb_rig_in (5000), &error);
  g_assert_no_error (error);
  g_assert_true (instrument_is_lit (rig->light));
}

guint
usb_rig_count_descriptors (void)
{
  g_autoptr (GDir) folder = g_dir_open ("/proc/self/fd", 0, NULL);
  guint count = 0;

  while (g_dir_read_name (folder) != NULL)
    count++;
  return count;
}

gboolean
usb_rig_wait_descriptors (guint count)
{
  gint64 end_us = usb_rig_in (5000);

  while (usb_rig_count_descriptors () > count)
    {
      if (g_get_monotonic_time () > end_us)
        return FALSE;
      g_usleep (5000);
    }
  return TRUE;
}
