/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <gtk/gtk.h>

#include "plane-fixture.h"

/*
 * Patterns a second on DUMMY1, each waited for until it stands there: by shared
 * memory, by GTK, and what a window of GTK that does nothing else reaches.
 */

#define SECOND "\"connector\": \"DUMMY1\", \"width\": 1920, \"height\": 1080"
#define N_PATTERNS 8

static double
measure_path (const char *path, guint count)
{
  g_autofree char *keys = g_strdup_printf (SECOND ", \"path\": \"%s\"", path);
  LbPattern *patterns[N_PATTERNS];
  LbModulator *plane;
  gint64 start_us;
  Planes planes;
  double rate;

  for (guint i = 0; i < N_PATTERNS; i++)
    patterns[i] = pattern_new_random (MONITOR_WIDTH, MONITOR_HEIGHT, i);
  planes_init (&planes, keys, NULL);
  plane = plane_open (&planes, LB_ROLE_WEIGHT);
  plane_show (plane, patterns[0], 1);
  start_us = g_get_monotonic_time ();
  for (guint i = 0; i < count; i++)
    plane_show (plane, patterns[i % N_PATTERNS], i + 2);
  rate = count * 1e6 / (double) (g_get_monotonic_time () - start_us);
  plane_close (&planes, LB_ROLE_WEIGHT);
  planes_clear (&planes);
  for (guint i = 0; i < N_PATTERNS; i++)
    lb_pattern_unref (patterns[i]);
  return rate;
}

/* --- A bare window ------------------------------------------------------------------------ */

typedef struct
{
  GtkWidget *picture;
  GdkTexture *textures[N_PATTERNS];
  guint frames, count;
  gint64 start_us, end_us;
} Bare;

static void
after_paint_cb (Bare *self)
{
  if (self->frames++ == 0)
    self->start_us = g_get_monotonic_time ();
  if (self->frames > self->count)
    self->end_us = g_get_monotonic_time ();
  else
    gtk_picture_set_paintable (GTK_PICTURE (self->picture),
                               GDK_PAINTABLE (self->textures[self->frames % N_PATTERNS]));
}

static void
make_textures (Bare *self)
{
  for (guint i = 0; i < N_PATTERNS; i++)
    {
      g_autoptr (LbPattern) pattern = pattern_new_random (3 * MONITOR_WIDTH, MONITOR_HEIGHT, i);
      g_autoptr (GBytes) bytes = g_bytes_new (pattern->data, (gsize) 3 * MONITOR_WIDTH * MONITOR_HEIGHT);

      self->textures[i] =
          gdk_memory_texture_new (MONITOR_WIDTH, MONITOR_HEIGHT, GDK_MEMORY_R8G8B8, bytes, 3 * MONITOR_WIDTH);
    }
}

/* Textures are made beforehand: nothing but painting is counted. */
static double
measure_bare (guint count)
{
  Bare self = { .count = count };
  GtkWidget *window;

  g_setenv ("GTK_A11Y", "none", TRUE);
  gtk_init ();
  make_textures (&self);
  window = gtk_window_new ();
  self.picture = gtk_picture_new_for_paintable (GDK_PAINTABLE (self.textures[0]));
  gtk_window_set_child (GTK_WINDOW (window), self.picture);
  gtk_window_set_default_size (GTK_WINDOW (window), MONITOR_WIDTH, MONITOR_HEIGHT);
  gtk_window_set_decorated (GTK_WINDOW (window), FALSE);
  gtk_window_fullscreen (GTK_WINDOW (window));
  gtk_widget_realize (window);
  g_signal_connect_data (gtk_widget_get_frame_clock (window), "after-paint", G_CALLBACK (after_paint_cb),
                         &self, NULL, G_CONNECT_SWAPPED | G_CONNECT_AFTER);
  gtk_window_present (GTK_WINDOW (window));
  while (self.end_us == 0)
    g_main_context_iteration (NULL, TRUE);
  g_signal_handlers_disconnect_by_data (gtk_widget_get_frame_clock (window), &self);
  gtk_window_destroy (GTK_WINDOW (window));
  for (guint i = 0; i < N_PATTERNS; i++)
    g_object_unref (self.textures[i]);
  return count * 1e6 / (double) (self.end_us - self.start_us);
}

static void
print_row (const char *name, double value, const char *yardstick, double ratio, const char *limit)
{
  char number[G_ASCII_DTOSTR_BUF_SIZE], part[G_ASCII_DTOSTR_BUF_SIZE];

  g_print ("\"%s\": {\"value\": %s, \"unit\": \"patterns/s\", \"yardstick\": \"%s\", \"ratio\": %s, "
           "\"limit\": %s}",
           name, g_ascii_formatd (number, sizeof number, "%.6g", value), yardstick,
           g_ascii_formatd (part, sizeof part, "%.6g", ratio), limit);
}

int
main (void)
{
  double xshm = measure_path ("xshm", 600);
  double bare = measure_bare (100);
  double gtk = measure_path ("gtk", 100);

  g_print ("{");
  print_row ("plane_xshm_1920x1080", xshm, "200 patterns a second", xshm / 200, "200");
  g_print (", ");
  print_row ("plane_gtk_1920x1080", gtk, "a bare window of GTK", gtk / bare, "null");
  g_print ("}\n");
  return 0;
}
