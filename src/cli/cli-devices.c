/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <glib/gi18n.h>
#include <lb-driver.h>

#include "cli.h"

static void
print_device (Cli *cli, JsonBuilder *builder, const char *role, const LbIdentity *identity, const char *state)
{
  g_autofree char *text = lb_identity_to_string (identity);

  if (!cli->json)
    {
      g_print ("%s: %s, %s\n", role, text, state);
      return;
    }
  json_builder_begin_object (builder);
  cli_json_text (builder, "role", role);
  cli_json_text (builder, "driver", identity->driver);
  cli_json_text (builder, "identity", text);
  cli_json_text (builder, "state", state);
  json_builder_end_object (builder);
}

/* What a device of @driver can be: "source/weight". */
static char *
get_roles (const LbDriver *driver)
{
  GString *roles = g_string_new (NULL);

  for (guint role = 0; role < LB_N_ROLES; role++)
    if (driver->roles[role])
      g_string_append_printf (roles, "%s%s", roles->len > 0 ? "/" : "", lb_role_get_name (role));
  return g_string_free (roles, FALSE);
}

/* What can be seen without opening anything. */
static void
list_passively (Cli *cli, JsonBuilder *builder)
{
  guint seen = 0;

  for (const LbDriver *driver = lb_drivers_get (); driver->name != NULL; driver++)
    {
      g_autoptr (GPtrArray) identities = g_ptr_array_new_with_free_func ((GDestroyNotify) lb_identity_free);
      g_autofree char *roles = get_roles (driver);

      if (driver->list == NULL)
        continue;
      driver->list (identities);
      for (guint i = 0; i < identities->len; i++)
        print_device (cli, builder, roles, g_ptr_array_index (identities, i), "present");
      seen += identities->len;
    }
  if (seen == 0 && !cli->json)
    g_print ("%s\n", _ ("No devices were found. --setup simulated shows the simulated bench."));
}

static void
list_bench (Cli *cli, JsonBuilder *builder, LbBench *bench)
{
  for (guint role = 0; role < LB_N_ROLES; role++)
    {
      LbDevice *device = lb_bench_get_device (bench, role);
      LbIdentity *identity = lb_bench_dup_identity (bench, role);

      if (device != NULL && identity != NULL)
        print_device (cli, builder, lb_role_get_name (role), identity,
                      lb_device_state_get_name (lb_device_get_state (device)));
      g_clear_pointer (&identity, lb_identity_free);
    }
}

int
cli_devices (Cli *cli, int argc, char **argv)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autoptr (LbSetup) setup = NULL;
  g_autoptr (LbBench) bench = NULL;
  g_autofree char *setup_name = NULL;
  gboolean self_test = FALSE, unplug = FALSE;
  const LbBenchOptions options = { .seed = 1, .world_seed = 1 };
  const GOptionEntry entries[] = {
    { "setup", 0, 0, G_OPTION_ARG_FILENAME, &setup_name,
      N_ ("connect the devices of this setup (file, simulated, simulated-oled)"), N_ ("SETUP") },
    { "self-test", 0, 0, G_OPTION_ARG_NONE, &self_test,
      N_ ("test each device of the setup: does it keep what its interface says?"), NULL },
    { "unplug", 0, 0, G_OPTION_ARG_NONE, &unplug,
      N_ ("with --self-test: ask for each real device to be unplugged and plugged in again"), NULL },
    { NULL },
  };
  GError *error = NULL;
  int exit_code =
      cli_parse (cli, &argc, &argv, NULL, _ ("Lists devices; opens none without --setup."), entries, NULL);

  if (exit_code >= 0)
    return exit_code;
  if (argc > 1)
    return cli_wrong (cli, _ ("\"%s\" is too much; see --help"), argv[1]);
  if (self_test && setup_name == NULL)
    return cli_wrong (cli, _ ("--self-test needs a --setup that names the devices"));
  if (unplug && !self_test)
    return cli_wrong (cli, _ ("--unplug is a part of --self-test"));
  if (setup_name != NULL && (setup = lb_setup_load (setup_name, LB_FIDELITY_PIXEL, &error)) == NULL)
    return cli_fail (cli, error);
  if (self_test)
    return cli_self_test (cli, setup, unplug);
  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "devices");
  json_builder_begin_array (builder);
  if (setup == NULL)
    list_passively (cli, builder);
  else
    {
      if ((bench = lb_bench_new (setup, &options, &error)) == NULL ||
          !lb_bench_connect (bench, cli->cancellable, &error))
        return cli_fail (cli, error);
      list_bench (cli, builder, bench);
      if (!lb_bench_disconnect (bench, NULL, &error))
        return cli_fail (cli, error);
    }
  json_builder_end_array (builder);
  json_builder_end_object (builder);
  if (cli->json)
    cli_json_print (builder);
  return CLI_SUCCESS;
}
