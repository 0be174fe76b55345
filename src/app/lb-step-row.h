/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <gtk/gtk.h>
#include <lb-calibration.h>

G_BEGIN_DECLS

/*
 * LbStepRow: one calibration step in the list: verdict, age, residual against
 * its limit, what to do. Signal "run" ().
 */
#define LB_TYPE_STEP_ROW (lb_step_row_get_type ())
G_DECLARE_FINAL_TYPE (LbStepRow, lb_step_row, LB, STEP_ROW, GtkListBoxRow)

GtkWidget *lb_step_row_new (const LbCalibrationStep *step);
const LbCalibrationStep *lb_step_row_get_step (LbStepRow *self);
/* @result: in force, or NULL; @why: why it is due, or NULL. */
void lb_step_row_set_result (LbStepRow *self, LbCalibration *result, LbCalibration *failed, const char *why);
void lb_step_row_set_running (LbStepRow *self, gboolean running);
gboolean lb_step_row_is_running (LbStepRow *self);
void lb_step_row_set_runnable (LbStepRow *self, gboolean runnable);

G_END_DECLS
