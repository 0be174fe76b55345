/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-user-folder.h"

/**
 * lb_user_folder:
 * @name: of the folder
 *
 * Returns: (transfer full): its path, in LIGHTBENCH_HOME if that is set, else in the
 *   user's data folder (XDG); it need not be there
 */
char *
lb_user_folder (const char *name)
{
  const char *home = g_getenv ("LIGHTBENCH_HOME");

  g_return_val_if_fail (name != NULL, NULL);

  return home != NULL && *home != '\0' ? g_build_filename (home, name, NULL)
                                       : g_build_filename (g_get_user_data_dir (), "lightbench", name, NULL);
}
