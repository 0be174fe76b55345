/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <glib/gi18n.h>
#include <lb-driver.h>
#include <lb-self-test.h>

#include "cli.h"

/* devices --self-test: each device of a setup by itself, without a bench. */

typedef struct
{
  Cli *cli;
  JsonBuilder *builder;
  const char *role;
  gboolean unplug;
  guint passed, failed;
} Report;

static void
point_cb (const char *point, const GError *failure, gpointer data)
{
  Report *report = data;

  if (failure == NULL)
    report->passed++;
  else
    report->failed++;
  if (!report->cli->json)
    {
      if (failure == NULL)
        g_print ("%s: %s: pass\n", report->role, point);
      else
        g_print ("%s: %s: FAIL: %s\n", report->role, point, failure->message);
      return;
    }
  json_builder_begin_object (report->builder);
  cli_json_text (report->builder, "point", point);
  json_builder_set_member_name (report->builder, "passed");
  json_builder_add_boolean_value (report->builder, failure == NULL);
  if (failure != NULL)
    cli_json_text (report->builder, "why", failure->message);
  json_builder_end_object (report->builder);
}

static void
ask_cb (gboolean plug_in, gpointer data)
{
  Report *report = data;

  g_printerr (plug_in ? _ ("Plug the %s in again now.\n") : _ ("Unplug the %s now.\n"), report->role);
}

static gboolean
test_role (Report *report, LbDriverContext *context, LbRole role, GError **error)
{
  const char *name = lb_setup_get_driver (context->setup, role);
  const LbDriver *driver = name != NULL ? lb_drivers_find (name) : NULL;
  g_autoptr (LbDevice) device = NULL;
  gboolean passed;

  if (driver == NULL)
    return TRUE;
  device = driver->create (context, role, error);
  if (device == NULL)
    return FALSE;
  report->role = lb_role_get_name (role);
  json_builder_begin_object (report->builder);
  cli_json_text (report->builder, "role", report->role);
  cli_json_text (report->builder, "driver", name);
  json_builder_set_member_name (report->builder, "points");
  json_builder_begin_array (report->builder);
  passed = lb_self_test_run (device, point_cb, report, report->cli->cancellable);
  /* What is simulated has no plug, and is not found by looking around. */
  if (report->unplug && passed && driver->list != NULL)
    passed = lb_self_test_run_unplug (device, ask_cb, point_cb, report, report->cli->cancellable);
  json_builder_end_array (report->builder);
  json_builder_set_member_name (report->builder, "passed");
  json_builder_add_boolean_value (report->builder, passed);
  json_builder_end_object (report->builder);
  return TRUE;
}

static int
finish (Report *report)
{
  if (report->cli->json)
    cli_json_print (report->builder);
  else
    g_print ("%s: %u\n%s: %u\n", "passed", report->passed, "failed", report->failed);
  return report->failed == 0 && !g_cancellable_is_cancelled (report->cli->cancellable) ? CLI_SUCCESS
                                                                                       : CLI_FAILED;
}

int
cli_self_test (Cli *cli, LbSetup *setup, gboolean unplug)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autoptr (LbClock) clock = lb_setup_is_simulated (setup) ? lb_clock_new_virtual (0) : lb_clock_new_wall ();
  LbDriverContext context = { .setup = setup, .clock = clock, .seed = 1, .world_seed = 1 };
  Report report = { .cli = cli, .builder = builder, .unplug = unplug };
  GError *error = NULL;

  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "devices");
  json_builder_begin_array (builder);
  for (guint role = 0; role < LB_N_ROLES && error == NULL; role++)
    if (!g_cancellable_is_cancelled (cli->cancellable))
      test_role (&report, &context, role, &error);
  json_builder_end_array (builder);
  json_builder_end_object (builder);
  g_clear_object (&context.shared);
  return error != NULL ? cli_fail (cli, error) : finish (&report);
}
