/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "lb-display-options.h"

G_BEGIN_DECLS

/*
 * LbPlaneProcess: a `lightbench-plane` that runs for this program, one a
 * monitor: two planes on one monitor share it. It ends with its last plane, or
 * with the program. Any thread.
 */
typedef struct _LbPlaneProcess LbPlaneProcess;

/* Starts it, or joins the one that runs, and has it make a plane there. *@socket:
 * to the plane. */
LbPlaneProcess *lb_plane_process_join (const LbDisplayOptions *options, int *socket, GError **error);
void lb_plane_process_leave (LbPlaneProcess *self);
/* Of the program: LIGHTBENCH_PLANE, else beside this one, else where it is installed. */
char *lb_plane_process_find_program (void);

G_END_DECLS
