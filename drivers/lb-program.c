/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-program.h"

#include <string.h>

#define PREFIX "lightbench-"

/* build/src/cli/lightbench-cli has build/src/light/lightbench-light beside it. */
static char *
find_in_build (const char *name)
{
  g_autofree char *self = g_file_read_link ("/proc/self/exe", NULL);
  g_autofree char *folder = self != NULL ? g_path_get_dirname (self) : NULL;
  g_autofree char *parent = folder != NULL ? g_path_get_dirname (folder) : NULL;
  const char *brief = g_str_has_prefix (name, PREFIX) ? name + strlen (PREFIX) : name;
  g_autofree char *path = parent != NULL ? g_build_filename (parent, brief, name, NULL) : NULL;

  return path != NULL && g_file_test (path, G_FILE_TEST_IS_EXECUTABLE) ? g_steal_pointer (&path) : NULL;
}

/**
 * lb_program_find:
 * @name: "lightbench-light"
 *
 * Where a program that belongs to Lightbench is: in $LIGHTBENCH_LIBEXEC_DIR if
 * that is set, else in the build folder that the running program is in, else where
 * it is installed. It need not be there.
 *
 * Returns: (transfer full): its path
 */
char *
lb_program_find (const char *name)
{
  const char *folder = g_getenv ("LIGHTBENCH_LIBEXEC_DIR");
  char *path;

  g_return_val_if_fail (name != NULL, NULL);

  if (folder != NULL && folder[0] != '\0')
    return g_build_filename (folder, name, NULL);
  path = find_in_build (name);
  return path != NULL ? path : g_build_filename (LB_LIBEXEC_DIR, name, NULL);
}
