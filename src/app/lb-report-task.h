/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "lb-window.h"

G_BEGIN_DECLS

/* Writes the report of @session (NULL: says that there is nothing to report) in
 * a computing thread, to @path, or beside the session where it is NULL; a toast
 * tells where it is. */
void lb_report_task_write (LbWindow *window, LbSession *session, const char *path);
/* Asks where. */
void lb_report_task_choose (LbWindow *window, LbSession *session);

G_END_DECLS
