/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "usb-redir.h"

G_BEGIN_DECLS

/*
 * A USB camera ("USB Device Class Definition for Video Devices" 1.0: 3.7 and 3.9
 * descriptors, 4.2.2 controls, 4.3.1 streaming) that sends uncompressed YUYV over
 * a bulk endpoint. Its luma is
 *   BLACK + FULL x exposure / 10 ms x gain x light x level / 255, at most 255,
 * where level is what the planes show: the grey levels of planes.pgm in the
 * folder, scaled to the picture, or 255 without such a file. The light is 1, or
 * follows the light source: the current in the folder's file "light", mA, over
 * LIGHT.
 */
#define UVC_CAMERA_WIDTH 320
#define UVC_CAMERA_HEIGHT 240
#define UVC_CAMERA_RATE 20
#define UVC_CAMERA_BLACK 8
#define UVC_CAMERA_FULL 60
#define UVC_CAMERA_LIGHT 50
#define UVC_CAMERA_VENDOR 0x1209
#define UVC_CAMERA_PRODUCT 0x0002

typedef struct _UvcCamera UvcCamera;

UvcCamera *uvc_camera_new (const char *folder);
void uvc_camera_free (UvcCamera *self);
/* It goes on answering, but sends no picture. */
void uvc_camera_set_mute (UvcCamera *self, gboolean mute);
/* It sees what the light source gives. */
void uvc_camera_set_follows_light (UvcCamera *self, gboolean follows);
extern const UsbRedirDevice uvc_camera_device;

G_END_DECLS
