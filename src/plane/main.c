/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <fcntl.h>
#include <locale.h>
#include <malloc.h>

#include <glib/gi18n.h>

#include "lb-plane-host.h"
#include "lb-plane-inhibit.h"

/*
 * lightbench-plane: shows patterns full screen on one monitor. It is started by
 * lightbench and lightbench-cli, who speak to it over the socket that they give it.
 */

/* More than a picture; no larger threshold is allowed. */
#define PICTURES_BYTES (32 * 1024 * 1024)

static char *option_connector, *option_make, *option_model, *option_serial, *option_path;
static int option_fd = -1;
static gboolean option_version;

static const GOptionEntry entries[] = {
  { "control-fd", 0, 0, G_OPTION_ARG_INT, &option_fd, N_ ("socket to the program that started it"),
    N_ ("FD") },
  { "connector", 0, 0, G_OPTION_ARG_STRING, &option_connector, N_ ("of the monitor"), N_ ("NAME") },
  { "make", 0, 0, G_OPTION_ARG_STRING, &option_make, N_ ("of the monitor"), N_ ("TEXT") },
  { "model", 0, 0, G_OPTION_ARG_STRING, &option_model, N_ ("of the monitor"), N_ ("TEXT") },
  { "serial", 0, 0, G_OPTION_ARG_STRING, &option_serial, N_ ("of the monitor"), N_ ("TEXT") },
  { "path", 0, 0, G_OPTION_ARG_STRING, &option_path, N_ ("way to the pixels"), "auto|gtk|xshm" },
  { "version", 0, 0, G_OPTION_ARG_NONE, &option_version, N_ ("show the version"), NULL },
  { NULL },
};

static gboolean
quit_cb (gpointer data)
{
  g_main_loop_quit (data);
  return G_SOURCE_REMOVE;
}

/* Past the toolkit where that can be. */
static LbPlaneScreenFunc
choose_path (void)
{
  const char *backend = g_getenv ("GDK_BACKEND");
  gboolean x11 = g_getenv ("DISPLAY") != NULL &&
                 (g_getenv ("WAYLAND_DISPLAY") == NULL || g_strcmp0 (backend, "x11") == 0);

  if (g_strcmp0 (option_path, "xshm") == 0)
    return lb_plane_screen_new_x11;
  if (g_strcmp0 (option_path, "gtk") == 0)
    return lb_plane_screen_new_gtk;
  return x11 ? lb_plane_screen_new_x11 : lb_plane_screen_new_gtk;
}

/* Pictures of a monitor come and go with each pattern: they stay in the heap instead
 * of being given back to the kernel, which would clear every page for the next. */
static void
keep_pictures (void)
{
#ifdef __GLIBC__
  mallopt (M_MMAP_THRESHOLD, PICTURES_BYTES);
  mallopt (M_TRIM_THRESHOLD, 4 * PICTURES_BYTES);
#endif
}

static gboolean
parse (int argc, char **argv)
{
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_autoptr (GError) error = NULL;

  g_option_context_set_summary (
      context, _ ("Shows patterns full screen on one monitor. Started by lightbench and lightbench-cli."));
  g_option_context_add_main_entries (context, entries, GETTEXT_PACKAGE);
  if (g_option_context_parse (context, &argc, &argv, &error))
    {
      if (option_version || (option_fd >= 0 && fcntl (option_fd, F_SETFD, FD_CLOEXEC) == 0))
        return TRUE;
      g_set_error_literal (&error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                           _ ("it cannot be started by hand: --control-fd must name an open socket"));
    }
  g_printerr ("lightbench-plane: %s\n", error->message);
  return FALSE;
}

int
main (int argc, char **argv)
{
  g_autoptr (GMainLoop) loop = NULL;
  LbMonitorChoice choice;
  LbPlaneInhibit *inhibit;
  LbPlaneHost *host;

  setlocale (LC_ALL, "");
  bindtextdomain (GETTEXT_PACKAGE, g_getenv ("LIGHTBENCH_LOCALE_DIR") != NULL
                                       ? g_getenv ("LIGHTBENCH_LOCALE_DIR")
                                       : LB_LOCALE_DIR);
  bind_textdomain_codeset (GETTEXT_PACKAGE, "UTF-8");
  textdomain (GETTEXT_PACKAGE);
  if (!parse (argc, argv))
    return 2;
  if (option_version)
    {
      g_print ("lightbench-plane %s\n", LB_VERSION);
      return 0;
    }
  keep_pictures ();
  /* There is nothing to be read aloud in patterns. */
  g_setenv ("GTK_A11Y", "none", TRUE);
  loop = g_main_loop_new (NULL, FALSE);
  choice = (LbMonitorChoice){ option_connector, option_make, option_model, option_serial };
  inhibit = lb_plane_inhibit_new ();
  host = lb_plane_host_new (option_fd, &choice, choose_path (), quit_cb, loop);
  g_main_loop_run (loop);
  lb_plane_host_free (host);
  lb_plane_inhibit_free (inhibit);
  return 0;
}
