/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <lb-calibration.h>
#include <lb-optical-path.h>

G_BEGIN_DECLS

/* A connected simulated bench and the results on it. */
typedef struct
{
  char *name;
  LbSetup *setup;
  LbBench *bench;
  LbCalibrationSet *set;
  guint64 next_ordinal;
} CalibrationWorld;

/* @changes: pairs of a text of the preset "simulated" and what stands in its
 * place (each must be there), NULL-terminated; NULL: as it is. */
CalibrationWorld *calibration_world_new (LbFidelity fidelity, guint64 seed, const char *const *changes);
/* Of another preset. */
CalibrationWorld *
calibration_world_new_of (const char *preset, LbFidelity fidelity, guint64 seed, const char *const *changes);
void calibration_world_free (CalibrationWorld *world);
/* Runs @step and all that it needs, as far as they are not in force; the result
 * belongs to the world. */
LbCalibration *calibration_world_run (CalibrationWorld *world, const char *step);
LbDevice *calibration_world_get_camera (CalibrationWorld *world);
/* The true value of a parameter of the world. */
double calibration_world_get_truth (CalibrationWorld *world, const char *name);
/* A path by what is in force on it; transfer full. */
LbOpticalPath *calibration_world_new_path (CalibrationWorld *world);
/* A value of a result; NAN if it has none of that name. */
double calibration_get_value (LbCalibration *result, const char *name);
/* Saves it in the user's store. */
void calibration_fixture_save (LbCalibration *result);
/* "offset" of what the store puts in force of a step; -1: nothing. */
double calibration_fixture_stored_mark (CalibrationWorld *world, const char *step);
/* What @result has found of @what is off by @off (no sign), where the table in
 * optics.md asks for @limit: it must be within, unless the verdict is an honest
 * "fail". worlds.py reads the lines that are printed. */
void calibration_world_check (
    CalibrationWorld *world, LbCalibration *result, const char *what, double off, double limit);
/* Worlds that a test compares with their truth: LIGHTBENCH_WORLDS ("7" or "1-20") of
 * LIGHTBENCH_FIDELITY ("fast" or "pixel"). FALSE: neither is set, the test takes its own. */
gboolean calibration_fixture_get_worlds (LbFidelity *fidelity, guint64 *first, guint64 *last);
/* Uniform between @low and 1; @seed and @stream as of lb_random_key(). */
LbMatrix *calibration_fixture_new_matrix (gsize rows, gsize columns, guint64 seed, guint64 stream, float low);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CalibrationWorld, calibration_world_free)

G_END_DECLS
