/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-application.h"

#include <glib-unix.h>
#include <glib/gi18n.h>
#include <signal.h>

#include "lb-report-task.h"
#include "lb-stop-keys.h"
#include "lb-window.h"

#define APPLICATION_ID "org.lightbench.Lightbench"

struct _LbApplication
{
  AdwApplication parent_instance;
  LbConsole *console;
  LbWindow *window;
  /* Command line. */
  char *setup;
  char *session;
  char *fidelity;
  gint64 seed;
  gint64 world_seed;
  gboolean version;
  gint64 start_us; /* when the program began */
};

G_DEFINE_FINAL_TYPE (LbApplication, lb_application, ADW_TYPE_APPLICATION)

/* --- The way out ------------------------------------------------------------------------ */

static gboolean
quit_now_cb (gpointer user_data)
{
  g_application_quit (G_APPLICATION (user_data));
  return G_SOURCE_REMOVE;
}

static void
begin_quit (LbApplication *self)
{
  if (self->console == NULL)
    g_application_quit (G_APPLICATION (self));
  else
    lb_console_shut_down (self->console, quit_now_cb, self);
}

static gboolean
signal_cb (gpointer user_data)
{
  LbApplication *self = user_data;

  if (self->console != NULL)
    lb_console_stop (self->console);
  begin_quit (self);
  return G_SOURCE_CONTINUE;
}

/* --- Actions ----------------------------------------------------------------------------- */

static void
quit_cb (GSimpleAction *action, GVariant *parameter, gpointer user_data)
{
  begin_quit (user_data);
}

static void
stop_cb (GSimpleAction *action, GVariant *parameter, gpointer user_data)
{
  LbApplication *self = user_data;

  if (self->console != NULL)
    lb_console_stop (self->console);
}

static void
about_cb (GSimpleAction *action, GVariant *parameter, gpointer user_data)
{
  LbApplication *self = user_data;

  adw_show_about_window (
      GTK_WINDOW (self->window), "application-name", _ ("Lightbench"), "application-icon", APPLICATION_ID,
      "version", LB_VERSION, "license-type", GTK_LICENSE_GPL_3_0, "comments",
      _ ("Runs an optical matrix-vector multiplier: calibration, experiments, reports"), NULL);
}

static void
report_cb (GSimpleAction *action, GVariant *parameter, gpointer user_data)
{
  LbApplication *self = user_data;

  lb_report_task_write (self->window, lb_console_get_session (self->console), NULL);
}

static void
report_as_cb (GSimpleAction *action, GVariant *parameter, gpointer user_data)
{
  LbApplication *self = user_data;

  lb_report_task_choose (self->window, lb_console_get_session (self->console));
}

static void
open_file_cb (GSimpleAction *action, GVariant *parameter, gpointer user_data)
{
  LbApplication *self = user_data;
  g_autofree char *uri = g_filename_to_uri (g_variant_get_string (parameter, NULL), NULL, NULL);

  if (uri != NULL)
    gtk_show_uri (GTK_WINDOW (self->window), uri, GDK_CURRENT_TIME);
}

static const GActionEntry actions[] = {
  { "quit", quit_cb },     { "stop", stop_cb },           { "about", about_cb },
  { "report", report_cb }, { "report-as", report_as_cb }, { "open-file", open_file_cb, "s" },
};

static void
set_accelerators (GtkApplication *application)
{
  static const struct
  {
    const char *action;
    const char *keys[2];
  } table[] = {
    { "app.quit", { "<Control>q" } },         { "app.report", { "<Control>r" } },
    { "win.page::bench", { "<Alt>1" } },      { "win.page::calibrate", { "<Alt>2" } },
    { "win.page::experiment", { "<Alt>3" } }, { "win.page::session", { "<Alt>4" } },
  };

  for (guint i = 0; i < G_N_ELEMENTS (table); i++)
    gtk_application_set_accels_for_action (application, table[i].action, table[i].keys);
}

/* --- Start -------------------------------------------------------------------------------- */

static gboolean
parse_fidelity (const char *text, LbFidelity *fidelity)
{
  *fidelity = g_strcmp0 (text, "fast") == 0 ? LB_FIDELITY_FAST : LB_FIDELITY_PIXEL;
  return text == NULL || g_str_equal (text, "fast") || g_str_equal (text, "pixel");
}

static gboolean
connect_cb (gpointer user_data)
{
  LbApplication *self = user_data;

  lb_console_connect (self->console);
  return G_SOURCE_REMOVE;
}

/* Connecting waits until the operator sees the window. */
static void
first_frame_cb (GdkFrameClock *clock, LbApplication *self)
{
  g_signal_handlers_disconnect_by_func (clock, first_frame_cb, self);
  g_debug ("first frame %.0f ms after the start of the program",
           (g_get_monotonic_time () - self->start_us) / 1e3);
  g_idle_add_full (G_PRIORITY_LOW, connect_cb, g_object_ref (self), g_object_unref);
}

static void
make_window (LbApplication *self)
{
  LbConsoleOptions options = {
    .setup = self->setup != NULL ? self->setup : "simulated",
    .seed = self->seed,
    .world_seed = self->world_seed >= 0 ? self->world_seed : self->seed,
    .session = self->session,
  };

  parse_fidelity (self->fidelity, &options.fidelity);
  self->console = lb_console_new (&options);
  lb_stop_keys_install (self->console);
  self->window = lb_window_new (GTK_APPLICATION (self), self->console);
  gtk_window_present (GTK_WINDOW (self->window));
  g_signal_connect_after (gtk_widget_get_frame_clock (GTK_WIDGET (self->window)), "after-paint",
                          G_CALLBACK (first_frame_cb), self);
}

static void
lb_application_activate (GApplication *application)
{
  LbApplication *self = LB_APPLICATION (application);

  if (self->window == NULL)
    make_window (self);
  else
    gtk_window_present (GTK_WINDOW (self->window));
}

static void
lb_application_startup (GApplication *application)
{
  G_APPLICATION_CLASS (lb_application_parent_class)->startup (application);
  g_action_map_add_action_entries (G_ACTION_MAP (application), actions, G_N_ELEMENTS (actions), application);
  set_accelerators (GTK_APPLICATION (application));
  gtk_window_set_default_icon_name (APPLICATION_ID);
  g_unix_signal_add (SIGTERM, signal_cb, application);
  g_unix_signal_add (SIGINT, signal_cb, application);
  g_unix_signal_add (SIGHUP, signal_cb, application);
}

static void
lb_application_shutdown (GApplication *application)
{
  LbApplication *self = LB_APPLICATION (application);

  if (self->window != NULL)
    gtk_window_destroy (GTK_WINDOW (g_steal_pointer (&self->window)));
  G_APPLICATION_CLASS (lb_application_parent_class)->shutdown (application);
}

/* --- Command line ----------------------------------------------------------------------------- */

static int
wrong_use (const char *what, const char *why)
{
  g_printerr ("lightbench: %s: %s\n", what, why);
  return 2;
}

/* What can be found wrong without a window. */
static int
check_options (LbApplication *self)
{
  LbFidelity fidelity;
  g_autoptr (GError) error = NULL;
  g_autoptr (LbSetup) setup = NULL;

  if (!parse_fidelity (self->fidelity, &fidelity))
    return wrong_use ("--fidelity", _ ("must be pixel or fast"));
  if (self->seed < 0)
    return wrong_use ("--seed", _ ("must not be negative"));
  setup = lb_setup_load (self->setup != NULL ? self->setup : "simulated", fidelity, &error);
  if (setup == NULL)
    return wrong_use ("--setup", error->message);
  return -1;
}

static int
lb_application_handle_local_options (GApplication *application, GVariantDict *options)
{
  LbApplication *self = LB_APPLICATION (application);
  int code;

  if (self->version)
    {
      g_print ("lightbench %s\n", LB_VERSION);
      return 0;
    }
  code = check_options (self);
  if (code >= 0)
    return code;
  if (!gtk_init_check ())
    {
      g_printerr (
          _ ("lightbench: there is no display: start it in a desktop session, or use lightbench-cli\n"));
      return 1;
    }
  return -1;
}

static void
add_options (LbApplication *self)
{
  const GOptionEntry entries[] = {
    { "setup", 0, 0, G_OPTION_ARG_STRING, &self->setup,
      N_ ("bench: simulated, simulated-oled, or a setup file"), N_ ("NAME|FILE") },
    { "session", 0, 0, G_OPTION_ARG_FILENAME, &self->session, N_ ("session file to go on with, or to begin"),
      N_ ("FILE") },
    { "seed", 0, 0, G_OPTION_ARG_INT64, &self->seed, N_ ("of the simulated world and its noise (default 1)"),
      "N" },
    { "world-seed", 0, 0, G_OPTION_ARG_INT64, &self->world_seed,
      N_ ("of the simulated world alone (default: as --seed)"), "N" },
    { "fidelity", 0, 0, G_OPTION_ARG_STRING, &self->fidelity, N_ ("of a simulated bench: pixel or fast"),
      "F" },
    { "version", 0, 0, G_OPTION_ARG_NONE, &self->version, N_ ("print the version"), NULL },
    { NULL },
  };

  g_application_add_main_option_entries (G_APPLICATION (self), entries);
}

/* --- The object ---------------------------------------------------------------------------------- */

static void
lb_application_finalize (GObject *object)
{
  LbApplication *self = LB_APPLICATION (object);

  g_clear_object (&self->console);
  g_free (self->setup);
  g_free (self->session);
  g_free (self->fidelity);
  G_OBJECT_CLASS (lb_application_parent_class)->finalize (object);
}

static void
lb_application_class_init (LbApplicationClass *klass)
{
  GApplicationClass *application_class = G_APPLICATION_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = lb_application_finalize;
  application_class->activate = lb_application_activate;
  application_class->startup = lb_application_startup;
  application_class->shutdown = lb_application_shutdown;
  application_class->handle_local_options = lb_application_handle_local_options;
}

static void
lb_application_init (LbApplication *self)
{
  self->start_us = g_get_monotonic_time ();
  self->seed = 1;
  self->world_seed = -1;
  add_options (self);
}

/**
 * lb_application_new:
 *
 * Returns: (transfer full): the application
 */
LbApplication *
lb_application_new (void)
{
  return g_object_new (LB_TYPE_APPLICATION, "application-id", APPLICATION_ID, "resource-base-path",
                       "/org/lightbench/Lightbench", NULL);
}
