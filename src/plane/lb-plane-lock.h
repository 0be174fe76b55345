/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* A monitor belongs to one process: held until it is freed, or the process ends. */
typedef struct _LbPlaneLock LbPlaneLock;

/* Waits a few seconds for one that is about to end; G_IO_ERROR_BUSY. */
LbPlaneLock *lb_plane_lock_new (const char *connector, GError **error);
void lb_plane_lock_free (LbPlaneLock *self);

G_END_DECLS
