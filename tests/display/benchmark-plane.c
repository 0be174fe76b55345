/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <gtk/gtk.h>

#include "plane-fixture.h"

/*
 * Patterns a second on DUMMY1, each waited for until it stands there: by shared
 * memory, by GTK, and what a window of GTK that does nothing else reaches.
 */

#define SECOND "\"connector\": \"DUMMY1\", \"width\": 1920, \"height\": 1080"
#define N_PATTERNS 8
#define ROUNDS 3

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
make_textures (Bare *self, GdkMemoryFormat format)
{
  gsize pixel = format == GDK_MEMORY_R8G8B8 ? 3 : 4;

  for (guint i = 0; i < N_PATTERNS; i++)
    {
      gsize length = pixel * MONITOR_WIDTH * MONITOR_HEIGHT;
      g_autoptr (LbPattern) pattern = pattern_new_random ((guint) pixel * MONITOR_WIDTH, MONITOR_HEIGHT, i);
      guint8 *data = g_memdup2 (pattern->data, length);
      g_autoptr (GBytes) bytes = g_bytes_new_take (data, length);

      /* Opaque. */
      for (gsize k = 3; pixel == 4 && k < length; k += 4)
        data[k] = 255;
      self->textures[i] =
          gdk_memory_texture_new (MONITOR_WIDTH, MONITOR_HEIGHT, format, bytes, pixel * MONITOR_WIDTH);
    }
}

/* Textures are made beforehand: nothing but painting is counted. */
static double
measure_bare (guint count, GdkMemoryFormat format)
{
  Bare self = { .count = count };
  GtkWidget *window;

  g_setenv ("GTK_A11Y", "none", TRUE);
  gtk_init ();
  make_textures (&self, format);
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

/* The best of some rounds, in turn: what else the computer does comes and goes. */
int
main (void)
{
  double xshm = 0, bare = 0, gtk = 0;
  char limit[G_ASCII_DTOSTR_BUF_SIZE];

  for (guint round = 0; round < ROUNDS; round++)
    {
      xshm = MAX (xshm, measure_path ("xshm", 300));
      bare = MAX (bare, measure_bare (50, GDK_MEMORY_R8G8B8));
      bare = MAX (bare, measure_bare (50, GDK_MEMORY_DEFAULT));
      gtk = MAX (gtk, measure_path ("gtk", 50));
    }
  g_print ("{");
  print_row ("plane_xshm_1920x1080", xshm, "200 patterns a second", xshm / 200, "200");
  g_print (", ");
  print_row ("plane_gtk_1920x1080", gtk, "a bare window of GTK", gtk / bare,
             g_ascii_formatd (limit, sizeof limit, "%.6g", 0.9 * bare));
  g_print ("}\n");
  return 0;
}
