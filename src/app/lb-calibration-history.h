/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <adwaita.h>
#include <lb-calibration.h>

G_BEGIN_DECLS

/*
 * LbCalibrationHistory: the results that a step had before, newest first, and what
 * has changed since one of them.
 */
#define LB_TYPE_CALIBRATION_HISTORY (lb_calibration_history_get_type ())
G_DECLARE_FINAL_TYPE (LbCalibrationHistory, lb_calibration_history, LB, CALIBRATION_HISTORY, GtkWidget)

/* @current: the result of the bench's step that others are compared with; NULL:
 * nothing is shown. The store is read in another thread. */
void lb_calibration_history_set_current (LbCalibrationHistory *self, LbBench *bench, LbCalibration *current);

G_END_DECLS
