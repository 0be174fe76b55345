/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <glib/gi18n.h>
#include <lb-driver.h>

#include "cli.h"

/* Light off, planes black, confirmed by the devices. Each by itself, without a
 * bench: what is wrong with one must not keep another on. */

#define OPEN_US (15 * G_USEC_PER_SEC)
#define CALL_US (5 * G_USEC_PER_SEC)

typedef struct
{
  Cli *cli;
  JsonBuilder *builder;
  guint done, failed;
} Report;

static gint64
soon (void)
{
  return g_get_monotonic_time () + CALL_US;
}

/* Takes @error. */
static void
report_device (Report *report, const char *name, const char *what, GError *error)
{
  if (error == NULL)
    report->done++;
  else
    report->failed++;
  if (report->cli->json)
    {
      json_builder_begin_object (report->builder);
      cli_json_text (report->builder, "device", name);
      json_builder_set_member_name (report->builder, "confirmed");
      json_builder_add_boolean_value (report->builder, error == NULL);
      if (error != NULL)
        cli_json_text (report->builder, "why", error->message);
      json_builder_end_object (report->builder);
    }
  else if (error == NULL)
    g_print ("%s: %s\n", name, what);
  else
    g_printerr ("lightbench-cli: %s: %s\n", name, error->message);
  g_clear_error (&error);
}

static gboolean
light_off (LbLightSource *light, GError **error)
{
  LbLightSourceState state = { 0 };

  if (!lb_light_source_output_off (light, NULL, soon (), error) ||
      !lb_light_source_read_state (light, &state, NULL, soon (), error))
    return FALSE;
  if (!state.output)
    return TRUE;
  g_set_error_literal (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_FAULTED,
                       _ ("the light is on and cannot be switched off; use the key switch"));
  return FALSE;
}

static void
make_safe (Report *report, const char *name, LbDevice *device)
{
  gboolean light = LB_IS_LIGHT_SOURCE (device);
  GError *error = NULL;

  if (lb_device_open (device, report->cli->cancellable, g_get_monotonic_time () + OPEN_US, &error))
    {
      if (light)
        light_off (LB_LIGHT_SOURCE (device), &error);
      else
        lb_modulator_blank (LB_MODULATOR (device), NULL, soon (), &error);
      lb_device_close (device, NULL, soon (), error == NULL ? &error : NULL);
    }
  report_device (report, name, light ? _ ("off, confirmed") : _ ("black, confirmed"), error);
}

/* Light first. */
static gboolean
make_setup_safe (Report *report, LbSetup *setup, GError **error)
{
  static const LbRole roles[] = { LB_ROLE_LIGHT, LB_ROLE_SOURCE, LB_ROLE_WEIGHT };
  g_autoptr (LbClock) clock = lb_setup_is_simulated (setup) ? lb_clock_new_virtual (0) : lb_clock_new_wall ();
  LbDriverContext context = { .setup = setup, .clock = clock, .seed = 1, .world_seed = 1 };
  gboolean made = TRUE;

  for (guint i = 0; i < G_N_ELEMENTS (roles) && made; i++)
    {
      const char *driver = lb_setup_get_driver (setup, roles[i]);
      g_autoptr (LbDevice) device = NULL;

      if (driver == NULL)
        continue;
      device = lb_drivers_find (driver)->create (&context, roles[i], error);
      made = device != NULL;
      if (made)
        make_safe (report, lb_role_get_name (roles[i]), device);
    }
  g_clear_object (&context.shared);
  return made;
}

/* Every light source that can be seen. */
static void
make_all_safe (Report *report)
{
  for (const LbDriver *driver = lb_drivers_get (); driver->name != NULL; driver++)
    {
      g_autoptr (GPtrArray) identities = g_ptr_array_new_with_free_func ((GDestroyNotify) lb_identity_free);

      if (driver->list == NULL || driver->create_listed == NULL)
        continue;
      driver->list (identities);
      for (guint i = 0; i < identities->len; i++)
        {
          LbRole role = LB_N_ROLES;
          g_autofree char *name = lb_identity_to_string (g_ptr_array_index (identities, i));
          g_autoptr (LbDevice) device = driver->create_listed (g_ptr_array_index (identities, i), &role);

          if (device != NULL && role == LB_ROLE_LIGHT)
            make_safe (report, name, device);
        }
    }
  if (report->done + report->failed == 0 && !report->cli->json)
    g_print ("%s\n", _ ("No light source was found. --setup names one that is not listed, and the planes."));
}

int
cli_off (Cli *cli, int argc, char **argv)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autoptr (LbSetup) setup = NULL;
  g_autofree char *setup_name = NULL;
  Report report = { .cli = cli, .builder = builder };
  const GOptionEntry entries[] = {
    { "setup", 0, 0, G_OPTION_ARG_FILENAME, &setup_name,
      N_ ("devices of this setup (default: every light source that is connected)"), N_ ("SETUP") },
    { NULL },
  };
  GError *error = NULL;
  int exit_code = cli_parse (cli, &argc, &argv, NULL,
                             _ ("Switches the light off and blacks the planes; says so once the devices have "
                                "confirmed it."),
                             entries, NULL);

  if (exit_code >= 0)
    return exit_code;
  if (argc > 1)
    return cli_wrong (cli, _ ("\"%s\" is too much; see --help"), argv[1]);
  if (setup_name != NULL && (setup = lb_setup_load (setup_name, LB_FIDELITY_PIXEL, &error)) == NULL)
    return cli_fail (cli, error);
  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "devices");
  json_builder_begin_array (builder);
  if (setup == NULL)
    make_all_safe (&report);
  else if (!make_setup_safe (&report, setup, &error))
    return cli_fail (cli, error);
  json_builder_end_array (builder);
  json_builder_end_object (builder);
  if (cli->json)
    cli_json_print (builder);
  return report.failed == 0 ? CLI_SUCCESS : CLI_FAILED;
}
