/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* The file of a program that belongs to Lightbench, "lightbench-light": in
 * $LIGHTBENCH_LIBEXEC_DIR if that is set, else beside the running program in its
 * build folder (../light/), else where it is installed. The caller frees it. */
char *lb_program_find (const char *name);

G_END_DECLS
