/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "lb-calibration.h"

G_BEGIN_DECLS

/*
 * The store beyond what lb_calibration_store_save() and _load() do: every result
 * that there is, with the mark that an operator gave it. Files are never
 * changed: a newer result supersedes an older one, a mark is a file beside it.
 */

/**
 * LbStoredCalibration: one result of the store.
 * @id: the first 16 digits of its hash, by which it is called
 * @bad: marked; it is not put in force any more
 * @in_force: what lb_calibration_store_load() takes of its step
 */
typedef struct
{
  char *id;
  LbCalibration *calibration;
  gboolean bad;
  gboolean in_force;
} LbStoredCalibration;

void lb_stored_calibration_free (LbStoredCalibration *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (LbStoredCalibration, lb_stored_calibration_free)

/* All results of the bench's devices and fidelity, newest first, whatever their
 * verdict; damaged files are passed over. */
GPtrArray *lb_calibration_store_list (LbBench *bench, GError **error);
/* The one whose hash begins with @id; NO_SUCH_RESULT if there is none or more. */
LbCalibration *lb_calibration_store_find (LbBench *bench, const char *id, GError **error);
/* Whether it is stored already. */
gboolean lb_calibration_store_holds (LbCalibration *calibration);
/* Marks it: from now on it is not put in force, from store or session. */
gboolean lb_calibration_store_mark_bad (LbCalibration *calibration, GError **error);
gboolean lb_calibration_store_is_bad (const char *hash);

/* All of @calibrations as JSON: what can be read, and the whole result as it is
 * stored; and back. FORMAT, with what is wrong, if not all of them are whole. */
char *lb_calibration_archive_write (const GPtrArray *calibrations);
GPtrArray *lb_calibration_archive_read (const char *json, gssize length, GPtrArray *bad, GError **error);

/**
 * LbCalibrationDifference: a value that two results of a step do not share.
 * @a, @b: NAN where one has none
 */
typedef struct
{
  char *name;
  char *unit;
  double a, b;
} LbCalibrationDifference;

/* All values of both that are numbers, and for each array "NAME (rms change)":
 * rms difference over rms of @a. FORMAT if they are of different steps. */
GPtrArray *lb_calibration_compare (LbCalibration *a, LbCalibration *b, GError **error);

G_END_DECLS
