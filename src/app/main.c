/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <glib/gi18n.h>
#include <locale.h>

#include "lb-application.h"

int
main (int argc, char **argv)
{
  const char *locale_dir = g_getenv ("LIGHTBENCH_LOCALE_DIR");
  g_autoptr (LbApplication) application = NULL;

  setlocale (LC_ALL, "");
  bindtextdomain (GETTEXT_PACKAGE, locale_dir != NULL ? locale_dir : LB_LOCALE_DIR);
  bind_textdomain_codeset (GETTEXT_PACKAGE, "UTF-8");
  textdomain (GETTEXT_PACKAGE);
  g_set_application_name (_ ("Lightbench"));
  application = lb_application_new ();
  return g_application_run (G_APPLICATION (application), argc, argv);
}
