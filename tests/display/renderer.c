/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "renderer.h"

#include <gtk/gtk.h>

int
renderer_main (void)
{
  GtkWidget *window;

  gtk_init ();
  window = gtk_window_new ();
  gtk_widget_realize (window);
  g_print ("%s", G_OBJECT_TYPE_NAME (gtk_native_get_renderer (GTK_NATIVE (window))));
  gtk_window_destroy (GTK_WINDOW (window));
  return 0;
}

void
renderer_check (void)
{
  const char *argv[] = { "/proc/self/exe", RENDERER_ARGUMENT, NULL };
  const char *wanted = g_str_equal (g_getenv ("GSK_RENDERER"), "gl") ? "GskGLRenderer" : "GskCairoRenderer";
  g_autofree char *self = g_file_read_link (argv[0], NULL);
  g_autofree char *name = NULL;
  g_auto (GStrv) environment = g_get_environ ();
  g_autoptr (GError) error = NULL;

  argv[0] = self;
  /* Neither is there for every user that tests run as. */
  environment = g_environ_setenv (environment, "GTK_A11Y", "none", TRUE);
  environment = g_environ_setenv (environment, "GSETTINGS_BACKEND", "memory", TRUE);
  g_spawn_sync (NULL, (char **) argv, environment, G_SPAWN_DEFAULT, NULL, NULL, &name, NULL, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (name, ==, wanted);
}
