/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <lb-device.h>

#include "lb-pixel-format.h"

G_BEGIN_DECLS

/* Which camera a setup means, and what it wants of it: pure functions. */

/* What a setup file says of a camera. Texts belong to the setup's variant. */
typedef struct
{
  const char *id;     /* libcamera's, NULL: any */
  const char *model;  /* NULL: any */
  const char *serial; /* NULL: any */
  const char *format; /* NULL: the best for measuring */
  LbPixelColour colour;
  guint width, height; /* of the sensor's picture; 0: the largest */
  gboolean linear;     /* the camera is declared not to gamma-encode */
  double rate_hz;      /* 0: as fast as the exposure and the camera allow */
  double latency_us;   /* end of exposure to time stamp; negative: unknown */
  double readout_us;   /* first to last row; 0: global shutter or unknown */
  guint control_delay; /* frames from a setting sent until it is in force */
} LbCameraChoice;

/* FALSE with LB_SETUP_ERROR_KEY or _VALUE. @options: a{sv}; @where: "devices.camera.". */
gboolean lb_camera_choice_read (LbCameraChoice *self, GVariant *options, const char *where, GError **error);

/* A camera that can be seen. */
typedef struct
{
  char *id;
  char *model;
  char *maker;  /* "" unknown */
  char *serial; /* "" unknown */
} LbCameraEntry;

LbCameraEntry *lb_camera_entry_new (const char *id, const char *model);
LbCameraEntry *lb_camera_entry_copy (const LbCameraEntry *self);
void lb_camera_entry_free (LbCameraEntry *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (LbCameraEntry, lb_camera_entry_free)
/* Maker and serial of a camera on USB from below @sysfs ("/sys"): libcamera's id
 * of it ends in "-PORTS:CONFIG.INTERFACE-VID:PID". */
void lb_camera_entry_look_up (LbCameraEntry *self, const char *sysfs);
/* The one entry (of LbCameraEntry) that is meant; NULL with ABSENT (none) or
 * FORMAT (several). */
const LbCameraEntry *lb_camera_choice_find (const LbCameraChoice *self, GPtrArray *entries, GError **error);

/* A format and size that a camera offers. */
typedef struct
{
  char format[24];
  guint width, height;
} LbCameraMode;

/* The mode that is wanted, else the best for measuring: not gamma-encoded, the
 * deepest, the largest. NULL with FORMAT if there is none. */
const LbCameraMode *lb_camera_choice_get_mode (const LbCameraChoice *self,
                                               const LbCameraMode *modes,
                                               guint n_modes,
                                               GError **error);

/* What a camera makes of an exposure. UVC counts in units of 100 us (@usb), all
 * others in whole microseconds. */
double lb_camera_choice_round_exposure (double exposure_us, gboolean usb, double min_us);

/* Which of both clocks @stamp_ns was read from (time stamps of sensors are boot
 * time, of USB cameras monotonic time): monotonic microseconds, never later
 * than @monotonic_ns. */
gint64 lb_camera_stamp_to_us (gint64 stamp_ns, gint64 monotonic_ns, gint64 boot_ns);

G_END_DECLS
