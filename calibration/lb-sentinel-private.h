/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "lb-drift-private.h"
#include "lb-optical-path-private.h"

G_BEGIN_DECLS

/*
 * LbSentinels: known products that a path measures between others, with dark and
 * reference frames before them. They stand on a layout of their own that fills the
 * field, whatever the run measures.
 */
LbSentinels *lb_sentinels_new (guint every, double limit);
void lb_sentinels_free (LbSentinels *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (LbSentinels, lb_sentinels_free)

/* From now on by that model; what had drifted is forgotten, since the model is
 * younger. @encoder: of it, not owned. SPACE if the field holds no sentinels. */
gboolean lb_sentinels_set_model (LbSentinels *self, LbOpticsModel *model, LbEncoder *encoder, GError **error);
/* Whether one is to be taken before the next exposure. */
gboolean lb_sentinels_is_due (const LbSentinels *self);
/* Whether there were exposures since the last one. */
gboolean lb_sentinels_is_open (const LbSentinels *self);
void lb_sentinels_count_exposure (LbSentinels *self);
/* Frames that one takes, with its dark and reference frames. */
guint64 lb_sentinels_frames (const LbSentinels *self, const LbCameraCaps *caps, double usual_exposure_us);
/* How many come between @exposures; the first and the last of a run not counted. */
guint64 lb_sentinels_between (const LbSentinels *self, guint64 exposures);
/* Takes dark and reference frames and a sentinel, in the worker; the run must have
 * begun. @seen: frames that it took. FALSE: it could not be measured at all. */
gboolean lb_sentinels_take (LbSentinels *self,
                            LbBench *bench,
                            const LbCameraCaps *caps,
                            LbSentinel *result,
                            guint64 *seen,
                            GCancellable *cancellable,
                            GError **error);
const LbDrift *lb_sentinels_get_drift (const LbSentinels *self);

G_END_DECLS
