/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "lb-experiment.h"

G_BEGIN_DECLS

/*
 * What application and command line do alike around a bench and a session.
 */

/* Runs the steps (NULL: all; NULL-terminated names; {"due", NULL}: those that
 * are due) in their order, appends each result and its figures to @session (may
 * be NULL), saves it in the store. Stops at the first step that failed
 * (verdict or error), with an error that says which and why. Blocks (not in M,
 * not in the worker). @results (may be NULL): of LbCalibration, those that were
 * measured, also on failure. */
gboolean lb_workflow_calibrate (LbBench *bench,
                                LbCalibrationSet *set,
                                LbSession *session,
                                const char *const *steps,
                                GPtrArray *results,
                                LbCalibrationProgress progress,
                                gpointer user_data,
                                GCancellable *cancellable,
                                GError **error);

/* What that will take, of the steps that would be run now. Any thread; a connected bench. */
void lb_workflow_forecast_calibration (LbBench *bench,
                                       LbCalibrationSet *set,
                                       const char *const *steps,
                                       LbCalibrationForecast *forecast);

/* The set in force for a bench: results in @session (newest of each step, those
 * of the same devices) and, where it has none, the store's. Its timing is in force
 * on the bench then. */
LbCalibrationSet *lb_workflow_load_calibrations (LbBench *bench, LbSession *session, GError **error);

/* Appends those of the set that the session does not have yet: a session says by
 * what its products were decoded. */
gboolean lb_workflow_store_calibrations_in_force (LbSession *session, LbCalibrationSet *set, GError **error);

/* Appends a calibration and its figures to the session. */
gboolean lb_workflow_store_calibration (LbSession *session, LbCalibration *calibration, GError **error);

G_END_DECLS
