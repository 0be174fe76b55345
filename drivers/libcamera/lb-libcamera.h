/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <lb-driver.h>

G_BEGIN_DECLS

/* Cameras that libcamera offers. Keys of a setup file: lb-camera-choice.c. */
#define LB_LIBCAMERA_DRIVER "libcamera"
extern const LbDriver lb_libcamera_driver;

G_END_DECLS
