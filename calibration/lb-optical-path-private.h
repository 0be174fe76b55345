/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <lb-encoder.h>
#include <lb-operand.h>
#include <lb-readout.h>

#include "lb-drift-private.h"
#include "lb-optical-path.h"

G_BEGIN_DECLS

/*
 * LbPathPlan: which segment of which vector stands in which slot of which
 * exposure. A unit is one segment of one row of b: unit = row * segments +
 * segment. A weight pattern holds `distinct` units, each `copies` times, so that
 * several rows of a are measured in one exposure; copy c of a pattern shows row
 * group * copies + c of a. Exposure numbers count sign of a fastest, then group,
 * then weight pattern: the slow weight plane changes least.
 */
typedef struct
{
  LbOpticsModel *model;
  LbLayout *layout;
  LbEncoder *encoder;
  LbOperand *a;
  LbOperand *b;
  gboolean diagonal;
  gsize units;
  guint distinct;
  guint copies;
  guint patterns;
  guint groups;
  guint signs_a, signs_b; /* 1, or 2 if there are negative values */
  guint64 exposures;
} LbPathPlan;

/* What a slot of an exposure measures. */
typedef struct
{
  gsize row;    /* of a */
  gsize column; /* row of b */
  guint segment;
  gsize start, length; /* elements of the vectors */
} LbPathSlot;

LbPathPlan *lb_path_plan_new (
    LbLayout *layout, LbEncoder *encoder, const LbMatrix *a, const LbMatrix *b, gboolean diagonal);
void lb_path_plan_free (LbPathPlan *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (LbPathPlan, lb_path_plan_free)

guint lb_path_plan_pattern (const LbPathPlan *self, guint64 exposure);
guint lb_path_plan_sign (const LbPathPlan *self, guint64 exposure);
/* FALSE: the slot is empty. */
gboolean lb_path_plan_slot (const LbPathPlan *self, guint64 exposure, guint slot, LbPathSlot *what);
/* The patterns of an exposure; new. */
LbPattern *lb_path_plan_source (const LbPathPlan *self, guint64 exposure);
LbPattern *lb_path_plan_weight (const LbPathPlan *self, guint64 exposure);
/* Values on a slot's cells, 0..1: of a by the exposure's sign, of b by @sign. */
const float *lb_path_plan_a (const LbPathPlan *self, guint64 exposure, const LbPathSlot *what);
const float *lb_path_plan_b (const LbPathPlan *self, guint sign, const LbPathSlot *what);
/* Mean of u = fx + (1 - fx) x^ over all elements and passes. */
double lb_path_plan_mean_u (const LbPathPlan *self);

typedef struct _LbSentinels LbSentinels; /* lb-sentinel-private.h */

struct _LbOpticalPath
{
  GObject parent_instance;
  LbBench *bench;
  LbOpticsModel *model;
  LbEncoder *encoder;
  LbLayout *layout;   /* of the last product */
  guint layout_limit; /* max_slots that it was made with */
  guint64 ordinal;
  LbSentinels *sentinels; /* or NULL */
  LbSentinelFunc sentinel_taken;
  LbSentinelFailedFunc sentinel_failed;
  gpointer sentinel_data;
};

/* Layout and plan of a product by the path's model. */
LbPathPlan *lb_path_make_plan (
    LbOpticalPath *self, const LbMatrix *a, const LbMatrix *b, gboolean diagonal, GError **error);

/* How an exposure is taken. */
typedef struct
{
  double level; /* of the light source; 0: the setup's usual one */
  double exposure_us;
  guint frames;
  double longest_us; /* a frame that long does not saturate, and the camera can take it */
} LbPathLight;

/* One product on its way. */
typedef struct
{
  const LbPathPlan *plan;
  LbBench *bench;
  guint64 ordinal;
  double photons_per_mac;
  LbMatrix *out;
  LbOpticalPathCounts *counts;
  LbOpticalPathPartial partial;
  gpointer partial_data;
  const LbDrift *drift;   /* that readings are corrected for; or NULL */
  LbSentinels *sentinels; /* to be taken between exposures; or NULL */
  LbSentinelFunc sentinel_taken;
  gpointer sentinel_data;
  LbSentinel sentinel; /* the last one that failed */
  gboolean held;       /* by that */

  LbPathLight light;
  double light_per_us; /* L of a microsecond at that level; 0: not known yet */
  guint64 frame_sum;   /* of the last frame */
  GCancellable *cancellable;
  LbCameraCaps caps;
  guint attempt; /* halvings of the exposure time with which new exposures begin */
  guint64 next;  /* exposure that comes next */
  GArray *again; /* guint64 tags of exposures to be repeated shorter */
  gint64 shown;  /* weight pattern that stands on the plane, or -1 */
  LbPattern *source_pattern, *weight_pattern;
  LbReading *sum; /* over the frames of an exposure so far */

  double *products; /* (m, n): sum over passes and segments, in units of the scales */
  float *raw;       /* (m, n, 4) */
  guint16 *missing; /* (m, n): passes times segments still to come */
  double sum_photons, sum_square_photons, sum_electrons; /* per MAC, over tiles and exposures */
  guint64 tiles;                                         /* number of those */
} LbPathRun;

/* Memory for the products of @plan; self->out is there already. */
void lb_path_run_init (LbPathRun *self, const LbPathPlan *plan);
void lb_path_run_clear (LbPathRun *self);
/* Finds light level, exposure time and frames for the photons that are wanted,
 * from frames of the first exposure. In the worker. */
gboolean lb_path_find_light (LbPathRun *self, GCancellable *cancellable, GError **error);
/* What that will be, by the light that the calibration had; at the usual exposure
 * time if it did not tell. */
LbPathLight lb_path_forecast_light (const LbPathPlan *plan,
                                    double photons_per_mac,
                                    const LbCameraCaps *caps,
                                    double usual_exposure_us);
/* Takes what is left of the plan's exposures, with sentinels between; the light is
 * known. Ends early, with self->held, when a sentinel fails. */
gboolean lb_path_run_exposures (LbPathRun *self, GCancellable *cancellable, GError **error);
/* Begins a run of nothing but a sentinel; in the worker. */
gboolean lb_path_run_last_sentinel (LbPathRun *self, GCancellable *cancellable, GError **error);
/* The action: all exposures of the plan, or what is left of them. */
gboolean lb_path_run (LbBench *bench, gpointer data, GCancellable *cancellable, GError **error);
/* Adds a frame's reading to the sum over an exposure (NULL before the first);
 * takes @reading. */
void lb_path_add_reading (LbReading **sum, LbReading *reading);
/* DARK if the dark patches are about as bright as the bright ones. */
gboolean lb_path_check_patches (const LbLayout *layout, const LbReading *reading, GError **error);
/* SHAPE if the frame is not of the model's region and depth. */
gboolean lb_path_check_frame (const LbOpticsModel *model, const LbFrame *frame, GError **error);

G_END_DECLS
