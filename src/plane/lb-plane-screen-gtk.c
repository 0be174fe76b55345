/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <gtk/gtk.h>

#include <glib/gi18n.h>
#include <gdk/x11/gdkx.h>

#include "lb-plane-view.h"
#include "lb-plane-xwatch.h"

/*
 * The way that works everywhere: a full-screen window of GTK. A plain GtkWindow
 * without decoration: client-side borders and rounded corners cost pixels.
 */

#define READY_MS 5000
#define ESCAPE_MS 500
/* Pixels that were painted are asked for this often whether they are shown. */
#define PRESENTED_MS 1
#define PRESENTED_LATE_US (200 * 1000)
/* Nothing was painted for so long: the desktop does not show the window. */
#define PAINT_LATE_MS 1000

typedef struct
{
  guint64 ticket; /* 0: none */
  gboolean painted;
  gint64 counter; /* of the frame */
  gint64 painted_us;
} Waiting;

typedef struct
{
  LbPlaneScreen parent;
  GdkDisplay *display;
  GdkMonitor *gdk_monitor; /* owned */
  LbMonitor *own_monitor;  /* without X */
  LbPlaneXWatch *watch;    /* with X */
  GtkWidget *window;
  LbPlaneView *view;
  LbPlanePixels pixels[LB_PLANE_MAX_LAYERS];
  gboolean used[LB_PLANE_MAX_LAYERS];
  Waiting waiting[LB_PLANE_MAX_LAYERS];
  guint ready_timer, presented_timer, late_timer, escape;
  gboolean ready;
  char *lost; /* why; it stays so: its window is hidden */
  LbPlaneFaults x_faults, own_faults, told;
  char *x_text;
  const char *own_text;
} GtkScreen;

static const LbMonitor *
gtk_get_monitor (LbPlaneScreen *screen)
{
  GtkScreen *self = (GtkScreen *) screen;

  return self->watch != NULL ? lb_plane_xwatch_get_monitor (self->watch) : self->own_monitor;
}

/* --- Faults -------------------------------------------------------------------------------- */

static void
tell (GtkScreen *self)
{
  g_autofree char *text = NULL;

  if (self->lost != NULL)
    return;
  text = g_strdup_printf ("%s%s%s", self->x_text,
                          self->x_text[0] != '\0' && self->own_text[0] != '\0' ? "; " : "", self->own_text);

  self->told = self->x_faults | self->own_faults;
  if (self->told & LB_PLANE_FAULT_LOST)
    {
      self->lost = g_strdup (text);
      gtk_widget_set_visible (self->window, FALSE);
    }
  self->parent.listener.faults (self->told, text, self->parent.listener.data);
}

static void
set_fault (GtkScreen *self, LbPlaneFaults faults, const char *text)
{
  if (self->own_faults == faults || (self->own_faults & LB_PLANE_FAULT_LOST))
    return;
  self->own_faults = faults;
  self->own_text = text;
  tell (self);
}

static void
watch_cb (LbPlaneFaults faults, const char *text, gpointer data)
{
  GtkScreen *self = data;

  self->x_faults = faults;
  g_free (self->x_text);
  self->x_text = g_strdup (text);
  tell (self);
}

/* Its monitor is gone: the desktop would put the window on another. */
static void
invalidate_cb (GtkScreen *self)
{
  set_fault (self, LB_PLANE_FAULT_LOST,
             _ ("the monitor of the patterns is gone; plug it in or switch it on"));
}

/* A compositor may move the window when a monitor goes, or when it is told to. */
static void
enter_monitor_cb (GtkScreen *self, GdkMonitor *monitor)
{
  if (self->ready && monitor != self->gdk_monitor)
    set_fault (self, LB_PLANE_FAULT_LOST,
               _ ("the desktop moved the window of the patterns to another monitor; connect again"));
}

static gboolean
close_cb (GtkScreen *self)
{
  set_fault (self, LB_PLANE_FAULT_LOST, _ ("the window of the patterns was closed; connect again"));
  return TRUE;
}

/* It can say that it is full screen and be of another size. Under X the watch
 * knows whether it is in its place. */
static gboolean
fills_monitor (GtkScreen *self)
{
  int scale = gtk_widget_get_scale_factor (self->window);

  return (self->watch != NULL || gtk_window_is_fullscreen (GTK_WINDOW (self->window))) &&
         gtk_widget_get_width (GTK_WIDGET (self->view)) * scale == (int) self->parent.wish.width &&
         gtk_widget_get_height (GTK_WIDGET (self->view)) * scale == (int) self->parent.wish.height;
}

static void
check_size (GtkScreen *self)
{
  if (self->ready && !fills_monitor (self))
    set_fault (self, LB_PLANE_FAULT_LOST,
               _ ("the window of the patterns does not fill its monitor any more; connect again"));
}

static gboolean
not_ready_cb (gpointer user_data)
{
  GtkScreen *self = user_data;

  self->ready_timer = 0;
  set_fault (
      self, LB_PLANE_FAULT_LOST,
      _ ("the desktop does not show the patterns full screen, pixel by pixel; set the monitor's scale to "
         "100 % or 200 %, and its resolution to the one in the setup"));
  return G_SOURCE_REMOVE;
}

/* --- STOP ---------------------------------------------------------------------------------------- */

static void
gtk_black (LbPlaneScreen *screen)
{
  GtkScreen *self = (GtkScreen *) screen;

  for (guint i = 0; i < LB_PLANE_MAX_LAYERS; i++)
    lb_plane_view_set (self->view, i, NULL, 0, 0);
}

static void
stop (GtkScreen *self)
{
  gtk_black (&self->parent);
  self->parent.listener.faults (self->told | LB_PLANE_FAULT_STOP, _ ("STOP was pressed on a plane"),
                                self->parent.listener.data);
}

static gboolean
escape_cb (gpointer user_data)
{
  GtkScreen *self = user_data;

  self->escape = 0;
  stop (self);
  return G_SOURCE_REMOVE;
}

static gboolean
pressed_cb (GtkScreen *self, guint key, guint code, GdkModifierType state)
{
  if (key == GDK_KEY_period && (state & GDK_CONTROL_MASK))
    stop (self);
  else if (key == GDK_KEY_Escape && self->escape == 0)
    self->escape = g_timeout_add_full (G_PRIORITY_HIGH, ESCAPE_MS, escape_cb, self, NULL);
  return GDK_EVENT_STOP;
}

static void
released_cb (GtkScreen *self, guint key)
{
  if (key == GDK_KEY_Escape)
    g_clear_handle_id (&self->escape, g_source_remove);
}

static void
add_stop_keys (GtkScreen *self)
{
  GtkEventController *controller = gtk_event_controller_key_new ();

  gtk_event_controller_set_propagation_phase (controller, GTK_PHASE_CAPTURE);
  g_signal_connect_swapped (controller, "key-pressed", G_CALLBACK (pressed_cb), self);
  g_signal_connect_swapped (controller, "key-released", G_CALLBACK (released_cb), self);
  gtk_widget_add_controller (self->window, controller);
}

/* --- When a pattern stands there -------------------------------------------------------------------- */

/* The compositor's time where it gives one; else after the paint and a round trip
 * to the display server, which has taken the pixels then. */
static gboolean
find_time (GtkScreen *self, Waiting *waiting, gint64 *time_us, LbTimeStampKind *stamp)
{
  GdkFrameClock *clock = gtk_widget_get_frame_clock (self->window);
  GdkFrameTimings *timings = clock != NULL ? gdk_frame_clock_get_timings (clock, waiting->counter) : NULL;
  gint64 now_us = g_get_monotonic_time ();

  if (timings != NULL && gdk_frame_timings_get_complete (timings) &&
      gdk_frame_timings_get_presentation_time (timings) != 0)
    {
      *time_us = gdk_frame_timings_get_presentation_time (timings);
      *stamp = LB_TIME_STAMP_DEVICE;
      return TRUE;
    }
  if (timings != NULL && !gdk_frame_timings_get_complete (timings) &&
      now_us - waiting->painted_us < PRESENTED_LATE_US)
    return FALSE;
  gdk_display_sync (self->display);
  *time_us = g_get_monotonic_time ();
  *stamp = LB_TIME_STAMP_HOST_ARRIVAL;
  return TRUE;
}

static gboolean
presented_cb (gpointer user_data)
{
  GtkScreen *self = user_data;
  gboolean more = FALSE;

  for (guint i = 0; i < LB_PLANE_MAX_LAYERS; i++)
    {
      Waiting *waiting = &self->waiting[i];
      LbTimeStampKind stamp = LB_TIME_STAMP_NONE;
      gint64 time_us = 0;

      if (waiting->ticket == 0 || !waiting->painted)
        continue;
      if (find_time (self, waiting, &time_us, &stamp))
        {
          guint64 ticket = waiting->ticket;

          waiting->ticket = 0;
          self->parent.listener.presented (i, ticket, time_us, stamp, self->parent.listener.data);
        }
      else
        more = TRUE;
    }
  if (more)
    return G_SOURCE_CONTINUE;
  self->presented_timer = 0;
  return G_SOURCE_REMOVE;
}

static void
become_ready (GtkScreen *self)
{
  if (self->ready || self->lost != NULL || !fills_monitor (self) ||
      (self->watch == NULL &&
       gdk_display_get_monitor_at_surface (
           self->display, gtk_native_get_surface (GTK_NATIVE (self->window))) != self->gdk_monitor))
    return;
  self->ready = TRUE;
  g_clear_handle_id (&self->ready_timer, g_source_remove);
  if (self->watch != NULL)
    lb_plane_xwatch_set_mapped (self->watch);
  if (self->lost == NULL)
    self->parent.listener.ready (self->parent.listener.data);
}

static void
after_paint_cb (GtkScreen *self, GdkFrameClock *clock)
{
  gboolean any = FALSE;

  for (guint i = 0; i < LB_PLANE_MAX_LAYERS; i++)
    if (self->waiting[i].ticket != 0 && !self->waiting[i].painted)
      {
        self->waiting[i].painted = any = TRUE;
        self->waiting[i].counter = gdk_frame_clock_get_frame_counter (clock);
        self->waiting[i].painted_us = g_get_monotonic_time ();
      }
  if (any)
    {
      g_clear_handle_id (&self->late_timer, g_source_remove);
      if (self->own_faults == LB_PLANE_FAULT_COVERED)
        set_fault (self, 0, "");
      if (self->presented_timer == 0)
        self->presented_timer = g_timeout_add_full (G_PRIORITY_HIGH, PRESENTED_MS, presented_cb, self, NULL);
    }
  become_ready (self);
  check_size (self);
}

static gboolean
late_cb (gpointer user_data)
{
  GtkScreen *self = user_data;

  self->late_timer = 0;
  set_fault (
      self, LB_PLANE_FAULT_COVERED,
      _ ("the desktop does not show the patterns; is another window over them, the screen locked, or the "
         "monitor in standby?"));
  return G_SOURCE_REMOVE;
}

/* --- Layers ------------------------------------------------------------------------------------------- */

static void
gtk_add_layer (LbPlaneScreen *screen, guint layer, const LbPlanePixels *pixels)
{
  GtkScreen *self = (GtkScreen *) screen;

  self->pixels[layer] = *pixels;
  self->used[layer] = TRUE;
}

static void
gtk_remove_layer (LbPlaneScreen *screen, guint layer)
{
  GtkScreen *self = (GtkScreen *) screen;

  self->used[layer] = FALSE;
  self->waiting[layer] = (Waiting){ 0 };
  lb_plane_view_set (self->view, layer, NULL, 0, 0);
}

static void
gtk_show (LbPlaneScreen *screen, guint layer, const guint8 *levels, guint64 ticket)
{
  GtkScreen *self = (GtkScreen *) screen;
  const LbPlaneSpec *spec = &self->pixels[layer].spec;
  gsize bytes = (gsize) 3 * spec->width * spec->height;
  guint8 *rgb;
  g_autoptr (GBytes) data = NULL;
  g_autoptr (GdkTexture) texture = NULL;

  if (!self->used[layer] || self->lost != NULL)
    return;
  rgb = g_malloc (bytes);
  lb_plane_pixels_to_rgb (&self->pixels[layer], levels, rgb);
  data = g_bytes_new_take (rgb, bytes);
  texture = gdk_memory_texture_new ((int) spec->width, (int) spec->height, GDK_MEMORY_R8G8B8, data,
                                    (gsize) 3 * spec->width);
  lb_plane_view_set (self->view, layer, texture, spec->x, spec->y);
  self->waiting[layer] = (Waiting){ .ticket = ticket };
  if (self->late_timer == 0)
    self->late_timer = g_timeout_add (PAINT_LATE_MS, late_cb, self);
}

static gboolean
gtk_read_back (LbPlaneScreen *screen, guint layer, guint32 *colours, GError **error)
{
  GtkScreen *self = (GtkScreen *) screen;
  const LbPlaneSpec *spec = &self->pixels[layer].spec;
  const LbPlaneWish *wish = &screen->wish;
  g_autofree guint32 *all = NULL;

  if (self->watch != NULL)
    return lb_plane_xwatch_read (self->watch, spec->x, spec->y, spec->width, spec->height, colours, error);
  all = g_new (guint32, (gsize) wish->width * wish->height);
  if (!lb_plane_view_render (self->view, wish->width, wish->height, all, error))
    return FALSE;
  for (gsize y = 0; y < spec->height; y++)
    for (gsize x = 0; x < spec->width; x++)
      colours[y * spec->width + x] = all[(spec->y + y) * wish->width + spec->x + x];
  return TRUE;
}

static LbPlaneFaults
gtk_check (LbPlaneScreen *screen, char **text)
{
  GtkScreen *self = (GtkScreen *) screen;
  g_autofree char *x_text = NULL;
  LbPlaneFaults x_faults = 0;

  check_size (self);
  if (self->lost != NULL)
    {
      *text = g_strdup (self->lost);
      return LB_PLANE_FAULT_LOST;
    }
  if (self->watch != NULL)
    x_faults = lb_plane_xwatch_check (self->watch, &x_text);
  *text = g_strdup (self->own_faults != 0 || x_text == NULL ? self->own_text : x_text);
  return x_faults | self->own_faults;
}

/* --- Which monitor -------------------------------------------------------------------------------------- */

static const LbMonitor *
find_connector (const GPtrArray *monitors, const char *connector)
{
  for (guint i = 0; i < monitors->len; i++)
    {
      const LbMonitor *monitor = g_ptr_array_index (monitors, i);

      if (g_strcmp0 (monitor->connector, connector) == 0)
        return monitor;
    }
  return NULL;
}

/* Without X: as GDK sees it; its serial number as the kernel does. */
static LbMonitor *
monitor_of_gdk (GdkMonitor *monitor, const GPtrArray *known)
{
  const char *connector = gdk_monitor_get_connector (monitor);
  const LbMonitor *same = find_connector (known, connector);
  const char *make = gdk_monitor_get_manufacturer (monitor);
  const char *model = gdk_monitor_get_model (monitor);
  LbMonitor *self = g_new0 (LbMonitor, 1);
  int scale = gdk_monitor_get_scale_factor (monitor);
  GdkRectangle area;

  gdk_monitor_get_geometry (monitor, &area);
  self->connector = g_strdup (connector != NULL ? connector : "");
  self->make = g_strdup (same != NULL && same->make[0] != '\0' ? same->make : make != NULL ? make : "");
  self->model = g_strdup (same != NULL && same->model[0] != '\0' ? same->model : model != NULL ? model : "");
  self->serial = g_strdup (same != NULL ? same->serial : "");
  self->width = (guint) (area.width * scale);
  self->height = (guint) (area.height * scale);
  self->rate_mhz = (guint) MAX (gdk_monitor_get_refresh_rate (monitor), 0);
  return self;
}

static GdkMonitor *
dup_gdk_monitor (GtkScreen *self, const char *connector)
{
  GListModel *monitors = gdk_display_get_monitors (self->display);

  for (guint i = 0; i < g_list_model_get_n_items (monitors); i++)
    {
      g_autoptr (GdkMonitor) monitor = g_list_model_get_item (monitors, i);

      if (g_strcmp0 (gdk_monitor_get_connector (monitor), connector) == 0)
        return g_steal_pointer (&monitor);
    }
  return NULL;
}

static gboolean
find_monitor_without_x (GtkScreen *self, GError **error)
{
  GListModel *monitors = gdk_display_get_monitors (self->display);
  g_autoptr (GPtrArray) known = lb_monitors_list_drm (NULL);
  g_autoptr (GPtrArray) all = g_ptr_array_new_with_free_func ((GDestroyNotify) lb_monitor_free);
  const LbMonitor *chosen;

  for (guint i = 0; i < g_list_model_get_n_items (monitors); i++)
    {
      g_autoptr (GdkMonitor) monitor = g_list_model_get_item (monitors, i);

      g_ptr_array_add (all, monitor_of_gdk (monitor, known));
    }
  chosen = lb_monitors_choose (all, &self->parent.wish.choice, error);
  if (chosen == NULL || !lb_plane_wish_check (&self->parent.wish, chosen, error))
    return FALSE;
  self->gdk_monitor = dup_gdk_monitor (self, chosen->connector);
  self->own_monitor = monitor_of_gdk (self->gdk_monitor, known);
  return TRUE;
}

static gboolean
find_monitor (GtkScreen *self, GError **error)
{
  if (!GDK_IS_X11_DISPLAY (self->display))
    return find_monitor_without_x (self, error);
  self->watch = lb_plane_xwatch_new (&self->parent.wish, error);
  if (self->watch == NULL)
    return FALSE;
  self->gdk_monitor = dup_gdk_monitor (self, lb_plane_xwatch_get_monitor (self->watch)->connector);
  if (self->gdk_monitor != NULL)
    return TRUE;
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
               _ ("the desktop does not use the monitor on %s; switch it on in its display settings"),
               lb_plane_xwatch_get_monitor (self->watch)->connector);
  return FALSE;
}

/* --- The window ------------------------------------------------------------------------------------------
 */

static void
blacken_windows (GdkDisplay *display)
{
  g_autoptr (GtkCssProvider) provider = gtk_css_provider_new ();

  gtk_css_provider_load_from_data (provider,
                                   "window { background: #000; border: none; border-radius: 0; "
                                   "box-shadow: none; margin: 0; padding: 0; }",
                                   -1);
  gtk_style_context_add_provider_for_display (display, GTK_STYLE_PROVIDER (provider),
                                              GTK_STYLE_PROVIDER_PRIORITY_USER + 1);
}

static void
watch_window (GtkScreen *self)
{
  GdkSurface *surface = gtk_native_get_surface (GTK_NATIVE (self->window));

  g_signal_connect_swapped (self->gdk_monitor, "invalidate", G_CALLBACK (invalidate_cb), self);
  if (self->watch == NULL)
    g_signal_connect_swapped (surface, "enter-monitor", G_CALLBACK (enter_monitor_cb), self);
  g_signal_connect_swapped (self->window, "close-request", G_CALLBACK (close_cb), self);
  g_signal_connect_swapped (self->window, "notify::fullscreened", G_CALLBACK (check_size), self);
  g_signal_connect_swapped (self->window, "notify::scale-factor", G_CALLBACK (check_size), self);
  g_signal_connect_data (gtk_widget_get_frame_clock (self->window), "after-paint",
                         G_CALLBACK (after_paint_cb), self, NULL, G_CONNECT_SWAPPED | G_CONNECT_AFTER);
  if (self->watch != NULL)
    {
      /* The server must know of the window before another connection asks for it. */
      gdk_display_sync (self->display);
      lb_plane_xwatch_pin (self->watch, (xcb_window_t) gdk_x11_surface_get_xid (surface));
      lb_plane_xwatch_start (self->watch, (xcb_window_t) gdk_x11_surface_get_xid (surface), watch_cb, self);
    }
}

static void
make_window (GtkScreen *self)
{
  GdkRectangle area;

  gdk_monitor_get_geometry (self->gdk_monitor, &area);
  blacken_windows (self->display);
  self->window = gtk_window_new ();
  self->view = LB_PLANE_VIEW (lb_plane_view_new ());
  gtk_window_set_title (GTK_WINDOW (self->window), "lightbench-plane");
  gtk_window_set_decorated (GTK_WINDOW (self->window), FALSE);
  gtk_window_set_default_size (GTK_WINDOW (self->window), area.width, area.height);
  gtk_window_set_child (GTK_WINDOW (self->window), GTK_WIDGET (self->view));
  gtk_widget_set_cursor_from_name (self->window, "none");
  add_stop_keys (self);
  if (self->watch == NULL)
    gtk_window_fullscreen_on_monitor (GTK_WINDOW (self->window), self->gdk_monitor);
  gtk_widget_realize (self->window);
  watch_window (self);
  gtk_window_present (GTK_WINDOW (self->window));
  self->ready_timer = g_timeout_add (READY_MS, not_ready_cb, self);
}

static void
gtk_screen_free (LbPlaneScreen *screen)
{
  GtkScreen *self = (GtkScreen *) screen;

  g_clear_handle_id (&self->ready_timer, g_source_remove);
  g_clear_handle_id (&self->presented_timer, g_source_remove);
  g_clear_handle_id (&self->late_timer, g_source_remove);
  g_clear_handle_id (&self->escape, g_source_remove);
  if (self->gdk_monitor != NULL)
    g_signal_handlers_disconnect_by_data (self->gdk_monitor, self);
  if (self->window != NULL)
    {
      g_signal_handlers_disconnect_by_data (self->window, self);
      g_signal_handlers_disconnect_by_data (gtk_native_get_surface (GTK_NATIVE (self->window)), self);
      g_signal_handlers_disconnect_by_data (gtk_widget_get_frame_clock (self->window), self);
      gtk_window_destroy (GTK_WINDOW (self->window));
    }
  g_clear_object (&self->gdk_monitor);
  g_clear_pointer (&self->own_monitor, lb_monitor_free);
  lb_plane_xwatch_free (self->watch);
  g_free (self->x_text);
  g_free (self->lost);
  g_free (self);
}

LbPlaneScreen *
lb_plane_screen_new_gtk (const LbPlaneWish *wish, const LbPlaneListener *listener, GError **error)
{
  static const LbPlaneScreenClass klass = {
    "gtk",    gtk_screen_free, gtk_get_monitor, gtk_add_layer, gtk_remove_layer,
    gtk_show, gtk_black,       gtk_read_back,   gtk_check,
  };
  GtkScreen *self;

  if (!gtk_init_check ())
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
                           _ ("no display server answers; start the program in a desktop session"));
      return NULL;
    }
  self = g_new0 (GtkScreen, 1);
  self->parent = (LbPlaneScreen){ &klass, *listener, *wish, LB_TIME_STAMP_DEVICE };
  self->display = gdk_display_get_default ();
  if (GDK_IS_X11_DISPLAY (self->display))
    self->parent.stamp = LB_TIME_STAMP_HOST_ARRIVAL;
  self->x_text = g_strdup ("");
  self->own_text = "";
  if (find_monitor (self, error))
    {
      make_window (self);
      return &self->parent;
    }
  gtk_screen_free (&self->parent);
  return NULL;
}
