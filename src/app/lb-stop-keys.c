/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-stop-keys.h"

#include <gtk/gtk.h>

#define HOLD_MS 500
/* A press of which nothing more was heard that long ago is over. */
#define FORGET_MS 1500

typedef struct
{
  LbConsole *console; /* borrowed; lives as long as the program's windows */
  guint held;         /* source that fires when Escape was held long enough */
  GtkWidget *window;  /* weak: where it was last seen down */
  gint64 pressed_us;  /* 0: it is up */
} StopKeys;

static StopKeys keys;

static void
stop (void)
{
  keys.pressed_us = 0;
  lb_console_stop (keys.console);
}

/* A window that the press has closed hears nothing of the release, so it tells nothing
 * either: whether Escape is held still is told by its repeats, in another window. */
static gboolean
held_cb (gpointer user_data)
{
  keys.held = 0;
  if (keys.window != NULL && gtk_widget_get_mapped (keys.window))
    stop ();
  return G_SOURCE_REMOVE;
}

static void
escape_pressed (GtkWidget *window)
{
  const gint64 now_us = g_get_monotonic_time ();
  const gint64 since_us = keys.pressed_us != 0 ? now_us - keys.pressed_us : G_MAXINT64;

  g_set_weak_pointer (&keys.window, window);
  if (keys.held != 0)
    return;
  if (since_us >= HOLD_MS * 1000 && since_us < FORGET_MS * 1000)
    {
      stop ();
      return;
    }
  keys.pressed_us = now_us;
  keys.held = g_timeout_add_full (G_PRIORITY_HIGH, HOLD_MS, held_cb, NULL, NULL);
}

static gboolean
pressed_cb (
    GtkEventControllerKey *controller, guint key, guint code, GdkModifierType state, gpointer user_data)
{
  if (key == GDK_KEY_period && (state & GDK_CONTROL_MASK))
    {
      lb_console_stop (keys.console);
      return GDK_EVENT_STOP;
    }
  /* The press itself goes on to whoever it is for: a short one closes a dialog. */
  if (key == GDK_KEY_Escape)
    escape_pressed (gtk_event_controller_get_widget (GTK_EVENT_CONTROLLER (controller)));
  return GDK_EVENT_PROPAGATE;
}

static void
released_cb (
    GtkEventControllerKey *controller, guint key, guint code, GdkModifierType state, gpointer user_data)
{
  if (key != GDK_KEY_Escape)
    return;
  keys.pressed_us = 0;
  g_clear_handle_id (&keys.held, g_source_remove);
}

static void
watch (GtkWidget *window)
{
  GtkEventController *controller = gtk_event_controller_key_new ();

  gtk_event_controller_set_propagation_phase (controller, GTK_PHASE_CAPTURE);
  g_signal_connect (controller, "key-pressed", G_CALLBACK (pressed_cb), NULL);
  g_signal_connect (controller, "key-released", G_CALLBACK (released_cb), NULL);
  gtk_widget_add_controller (window, controller);
}

static void
windows_changed_cb (GListModel *windows, guint position, guint removed, guint added, gpointer user_data)
{
  for (guint i = position; i < position + added; i++)
    {
      g_autoptr (GtkWidget) window = g_list_model_get_item (windows, i);

      watch (window);
    }
}

/**
 * lb_stop_keys_install:
 * @console: that is stopped; must outlive all windows
 */
void
lb_stop_keys_install (LbConsole *console)
{
  GListModel *windows = gtk_window_get_toplevels ();

  g_return_if_fail (keys.console == NULL);

  keys.console = console;
  g_signal_connect (windows, "items-changed", G_CALLBACK (windows_changed_cb), NULL);
  windows_changed_cb (windows, 0, 0, g_list_model_get_n_items (windows), NULL);
}
