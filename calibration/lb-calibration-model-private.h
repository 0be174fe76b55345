/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "lb-calibration-private.h"

G_BEGIN_DECLS

/* What of the results in force goes into a model; the rest is nominal. */
typedef enum
{
  LB_MODEL_NOMINAL = 0,
  LB_MODEL_CURVES = 1 << 0,
  LB_MODEL_STRAY = 1 << 1,
  LB_MODEL_GAIN = 1 << 2,
  LB_MODEL_ALL = LB_MODEL_CURVES | LB_MODEL_STRAY | LB_MODEL_GAIN,
} LbModelParts;

LbOpticsModel *
lb_calibration_build_model (LbCalibrationSet *set, LbSetup *setup, LbModelParts parts, GError **error);

/* The camera's region that the alignment chose. */
gboolean lb_calibration_get_region (LbCalibrationSet *set, LbCameraFormat *region, GError **error);

G_END_DECLS
