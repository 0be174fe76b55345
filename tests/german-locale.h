/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <locale.h>

#include <glib.h>
#include <glib/gstdio.h>

/*
 * Sets the locale of an operator who writes 0,05; made on the spot where the
 * machine does not have it, so that no test passes for want of it. Numbers are
 * German afterwards, messages are not.
 */
static inline void
use_german_locale (void)
{
  if (setlocale (LC_ALL, "de_DE.UTF-8") == NULL)
    {
      g_autoptr (GError) error = NULL;
      g_autofree char *folder = g_dir_make_tmp ("lightbench-locale-XXXXXX", &error);
      g_autofree char *locale = NULL;

      g_assert_no_error (error);
      locale = g_build_filename (folder, "de_DE.UTF-8", NULL);
      g_spawn_sync (NULL,
                    (char *[]){ (char *) "localedef", (char *) "-i", (char *) "de_DE", (char *) "-f",
                                (char *) "UTF-8", locale, NULL },
                    NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, NULL, &error);
      g_assert_no_error (error);
      g_setenv ("LOCPATH", folder, TRUE);
      g_assert_nonnull (setlocale (LC_ALL, "de_DE.UTF-8"));
      g_spawn_sync (NULL, (char *[]){ (char *) "rm", (char *) "-r", folder, NULL }, NULL, G_SPAWN_SEARCH_PATH,
                    NULL, NULL, NULL, NULL, NULL, NULL);
    }
  g_assert_cmpstr (localeconv ()->decimal_point, ==, ",");
  setlocale (LC_MESSAGES, "C");
}
