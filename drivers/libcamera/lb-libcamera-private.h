/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <lb-camera.h>
#include <lb-clock.h>

#include "lb-camera-choice.h"

G_BEGIN_DECLS

/* @options: what the texts of @choice belong to (nullable). */
LbDevice *lb_libcamera_camera_new (const LbCameraChoice *choice, GVariant *options);

G_END_DECLS
