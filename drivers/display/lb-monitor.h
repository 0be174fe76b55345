/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* A monitor that is connected and, where that is known, on. Texts are owned, ""
 * where unknown. */
typedef struct
{
  char *connector; /* as the display server calls it: "HDMI-1" */
  char *make;
  char *model;
  char *serial;
  gint x, y;           /* in the X screen; 0 without X */
  guint width, height; /* pixels; 0: unknown */
  guint rate_mhz;      /* 0: unknown */
  guint32 output;      /* of RandR; 0 without X */
  guint32 crtc;
} LbMonitor;

void lb_monitor_free (LbMonitor *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (LbMonitor, lb_monitor_free)
/* "DEL U2720Q, serial 123, on HDMI-1, 1920 x 1080" */
char *lb_monitor_to_string (const LbMonitor *self);

/* Which monitor is meant; NULL or "" fits all. */
typedef struct
{
  const char *connector;
  const char *make;
  const char *model;
  const char *serial;
} LbMonitorChoice;

/* By RandR; @display: NULL: the one of the environment. Empty if there is no X
 * server, or one without RandR 1.3. */
GPtrArray *lb_monitors_list_x11 (const char *display);
/* By sysfs; @folder: NULL: the kernel's. */
GPtrArray *lb_monitors_list_drm (const char *folder);
/* Those of the X server, else the kernel's. */
GPtrArray *lb_monitors_list (void);
/* The one of @monitors that is meant; it belongs to them. NULL with
 * G_IO_ERROR_NOT_FOUND that lists what there is, if there is none or more than one. */
const LbMonitor *
lb_monitors_choose (const GPtrArray *monitors, const LbMonitorChoice *choice, GError **error);
/* Fits @monitor the choice? */
gboolean lb_monitor_fits (const LbMonitor *monitor, const LbMonitorChoice *choice);

G_END_DECLS
