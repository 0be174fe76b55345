/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <gio/gio.h>
#include <gio/gunixfdlist.h>
#include <glib-unix.h>

#include "plane-fixture.h"

/*
 * While a plane shows patterns, neither the session's screen saver comes nor does the
 * machine sleep. Both services are played by this program: on the session bus, which
 * stands for the system's bus too.
 */

#define SECOND "\"connector\": \"DUMMY1\", \"width\": 1920, \"height\": 1080"
#define WAIT_US (20 * G_USEC_PER_SEC)

static const char interfaces[] = "<node><interface name='org.freedesktop.ScreenSaver'>"
                                 "<method name='Inhibit'><arg type='s' direction='in'/>"
                                 "<arg type='s' direction='in'/><arg type='u' direction='out'/></method>"
                                 "<method name='UnInhibit'><arg type='u' direction='in'/></method>"
                                 "</interface><interface name='org.freedesktop.login1.Manager'>"
                                 "<method name='Inhibit'><arg type='s' direction='in'/>"
                                 "<arg type='s' direction='in'/><arg type='s' direction='in'/>"
                                 "<arg type='s' direction='in'/><arg type='h' direction='out'/></method>"
                                 "</interface></node>";

/* Written by the services' thread. */
static gint held_off;   /* the screen saver, so often; what is handed out for it is the count */
static gint given_back; /* the last of these that was */
static gint lock = -1;  /* of sleep: reads its end when nobody holds it any more */

static void
screen_saver_call (GDBusConnection *connection,
                   const char *sender,
                   const char *path,
                   const char *interface,
                   const char *method,
                   GVariant *arguments,
                   GDBusMethodInvocation *call,
                   gpointer data)
{
  guint cookie;

  if (g_str_equal (method, "Inhibit"))
    {
      cookie = g_atomic_int_add (&held_off, 1) + 1;
      g_dbus_method_invocation_return_value (call, g_variant_new ("(u)", cookie));
      return;
    }
  g_variant_get (arguments, "(u)", &cookie);
  g_assert_cmpuint (cookie, <=, g_atomic_int_get (&held_off));
  g_atomic_int_set (&given_back, cookie);
  g_dbus_method_invocation_return_value (call, NULL);
}

static void
sleep_call (GDBusConnection *connection,
            const char *sender,
            const char *path,
            const char *interface,
            const char *method,
            GVariant *arguments,
            GDBusMethodInvocation *call,
            gpointer data)
{
  g_autoptr (GUnixFDList) fds = g_unix_fd_list_new ();
  const char *what, *who, *why, *mode;
  int ends[2];

  g_variant_get (arguments, "(&s&s&s&s)", &what, &who, &why, &mode);
  g_assert_cmpstr (what, ==, "sleep:idle");
  g_assert_cmpstr (mode, ==, "block");
  g_assert_true (g_unix_open_pipe (ends, FD_CLOEXEC, NULL));
  g_unix_fd_list_append (fds, ends[1], NULL);
  close (ends[1]);
  g_dbus_method_invocation_return_value_with_unix_fd_list (call, g_variant_new ("(h)", 0), fds);
  g_atomic_int_set (&lock, ends[0]);
}

static void
serve (GDBusConnection *connection, const char *name, const char *path, GDBusInterfaceMethodCallFunc call)
{
  g_autoptr (GDBusNodeInfo) node = g_dbus_node_info_new_for_xml (interfaces, NULL);
  const GDBusInterfaceVTable table = { .method_call = call };
  g_autoptr (GVariant) reply = NULL;
  g_autoptr (GError) error = NULL;

  g_dbus_connection_register_object (connection, path, node->interfaces[call == sleep_call], &table, NULL,
                                     NULL, &error);
  g_assert_no_error (error);
  reply = g_dbus_connection_call_sync (connection, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                       "org.freedesktop.DBus", "RequestName", g_variant_new ("(su)", name, 0),
                                       NULL, G_DBUS_CALL_FLAGS_NONE, -1, NULL, &error);
  g_assert_no_error (error);
}

static gpointer
services_thread (gpointer ready)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autoptr (GDBusConnection) connection = NULL;
  g_autoptr (GError) error = NULL;

  g_main_context_push_thread_default (context);
  connection = g_dbus_connection_new_for_address_sync (g_getenv ("DBUS_SESSION_BUS_ADDRESS"),
                                                       G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
                                                           G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                                                       NULL, NULL, &error);
  g_assert_no_error (error);
  serve (connection, "org.freedesktop.ScreenSaver", "/org/freedesktop/ScreenSaver", screen_saver_call);
  serve (connection, "org.freedesktop.login1", "/org/freedesktop/login1", sleep_call);
  g_atomic_int_set ((gint *) ready, TRUE);
  for (;;)
    g_main_context_iteration (context, TRUE);
  return NULL;
}

static gboolean
is_sleep_blocked (void)
{
  struct pollfd end = { g_atomic_int_get (&lock), POLLIN, 0 };

  return end.fd >= 0 && poll (&end, 1, 0) == 0;
}

static void
wait_for (gint off, gboolean blocked)
{
  gint64 end_us = g_get_monotonic_time () + WAIT_US;

  while (g_atomic_int_get (&held_off) != off || is_sleep_blocked () != blocked)
    {
      if (g_get_monotonic_time () > end_us)
        g_error ("held off %d times, sleep blocked: %d", g_atomic_int_get (&held_off), is_sleep_blocked ());
      g_usleep (5000);
    }
}

static void
test_held_off_while_a_plane_is_open (gconstpointer data)
{
  g_autofree char *keys = g_strdup_printf (SECOND ", \"path\": \"%s\"", (const char *) data);
  g_autoptr (LbPattern) pattern = pattern_new_random (MONITOR_WIDTH, MONITOR_HEIGHT, 1);
  gint cookie = g_atomic_int_get (&held_off) + 1;
  Planes planes;

  planes_init (&planes, keys, NULL);
  g_assert_false (is_sleep_blocked ());
  plane_show (plane_open (&planes, LB_ROLE_WEIGHT), pattern, 1);
  wait_for (cookie, TRUE);
  g_assert_cmpint (g_atomic_int_get (&given_back), <, cookie);
  /* It may give it back, or leave it to the session to forget a program that ends. */
  plane_close (&planes, LB_ROLE_WEIGHT);
  wait_for (cookie, FALSE);
  planes_clear (&planes);
}

int
main (int argc, char **argv)
{
  gint ready = FALSE;

  g_test_init (&argc, &argv, NULL);
  /* Before the program of the planes is started. */
  g_setenv ("DBUS_SYSTEM_BUS_ADDRESS", g_getenv ("DBUS_SESSION_BUS_ADDRESS"), TRUE);
  g_thread_unref (g_thread_new ("services", services_thread, &ready));
  while (!g_atomic_int_get (&ready))
    g_usleep (1000);
  g_test_add_data_func ("/plane/x11/idle-and-sleep-are-held-off/xshm", "xshm",
                        test_held_off_while_a_plane_is_open);
  g_test_add_data_func ("/plane/x11/idle-and-sleep-are-held-off/gtk", "gtk",
                        test_held_off_while_a_plane_is_open);
  return g_test_run ();
}
