/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <lb-calibration.h>

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
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CalibrationWorld, calibration_world_free)

G_END_DECLS
