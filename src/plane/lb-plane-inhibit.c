/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-plane-inhibit.h"

#include <gio/gunixfdlist.h>
#include <unistd.h>

#include <glib/gi18n.h>

struct _LbPlaneInhibit
{
  GCancellable *cancellable;
  GDBusConnection *session;
  guint32 cookie; /* of the session's screen saver; 0: none */
  int sleep;      /* held open: no sleep; -1: none */
};

/* An answer that comes after all was freed finds its call cancelled. */
static gboolean
was_cancelled (const GError *error)
{
  return g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

static void
screen_saver_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) answer = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  LbPlaneInhibit *self = user_data;

  if (answer != NULL)
    g_variant_get (answer, "(u)", &self->cookie);
  else if (!was_cancelled (error))
    g_debug ("the session's screen saver is not held off: %s", error->message);
}

static void
session_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;
  GDBusConnection *session = g_bus_get_finish (result, &error);
  LbPlaneInhibit *self = user_data;

  if (session == NULL)
    {
      if (!was_cancelled (error))
        g_debug ("there is no session bus: %s", error->message);
      return;
    }
  self->session = session;
  g_dbus_connection_set_exit_on_close (session, FALSE);
  g_dbus_connection_call (
      session, "org.freedesktop.ScreenSaver", "/org/freedesktop/ScreenSaver", "org.freedesktop.ScreenSaver",
      "Inhibit", g_variant_new ("(ss)", "Lightbench", _ ("A plane of the optical bench shows patterns")),
      G_VARIANT_TYPE ("(u)"), G_DBUS_CALL_FLAGS_NONE, -1, self->cancellable, screen_saver_cb, self);
}

static void
sleep_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GUnixFDList) fds = NULL;
  g_autoptr (GVariant) answer =
      g_dbus_connection_call_with_unix_fd_list_finish (G_DBUS_CONNECTION (source), &fds, result, &error);
  LbPlaneInhibit *self = user_data;

  if (answer != NULL && fds != NULL && g_unix_fd_list_get_length (fds) > 0)
    self->sleep = g_unix_fd_list_get (fds, 0, NULL);
  else if (error != NULL && !was_cancelled (error))
    g_debug ("the machine's sleep is not held off: %s", error->message);
}

static void
system_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GDBusConnection) system = g_bus_get_finish (result, &error);
  LbPlaneInhibit *self = user_data;

  if (system == NULL)
    {
      if (!was_cancelled (error))
        g_debug ("there is no system bus: %s", error->message);
      return;
    }
  g_dbus_connection_set_exit_on_close (system, FALSE);
  g_dbus_connection_call_with_unix_fd_list (
      system, "org.freedesktop.login1", "/org/freedesktop/login1", "org.freedesktop.login1.Manager",
      "Inhibit",
      g_variant_new ("(ssss)", "sleep:idle", "Lightbench", _ ("A plane of the optical bench shows patterns"),
                     "block"),
      G_VARIANT_TYPE ("(h)"), G_DBUS_CALL_FLAGS_NONE, -1, NULL, self->cancellable, sleep_cb, self);
}

LbPlaneInhibit *
lb_plane_inhibit_new (void)
{
  LbPlaneInhibit *self = g_new0 (LbPlaneInhibit, 1);

  self->cancellable = g_cancellable_new ();
  self->sleep = -1;
  g_bus_get (G_BUS_TYPE_SESSION, self->cancellable, session_cb, self);
  g_bus_get (G_BUS_TYPE_SYSTEM, self->cancellable, system_cb, self);
  return self;
}

/* The session forgets the cookie by itself when the process ends; this is for
 * one that goes on. */
void
lb_plane_inhibit_free (LbPlaneInhibit *self)
{
  if (self == NULL)
    return;
  g_cancellable_cancel (self->cancellable);
  if (self->session != NULL && self->cookie != 0)
    g_dbus_connection_call (self->session, "org.freedesktop.ScreenSaver", "/org/freedesktop/ScreenSaver",
                            "org.freedesktop.ScreenSaver", "UnInhibit", g_variant_new ("(u)", self->cookie),
                            NULL, G_DBUS_CALL_FLAGS_NONE, -1, NULL, NULL, NULL);
  if (self->sleep >= 0)
    close (self->sleep);
  g_clear_object (&self->session);
  g_clear_object (&self->cancellable);
  g_free (self);
}
