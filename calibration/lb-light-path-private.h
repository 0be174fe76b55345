/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "lb-optical-path-private.h"

G_BEGIN_DECLS

/*
 * The light path, checked with each frame of a product: what the camera should see
 * of the patterns that were commanded, against what it saw; and what the power meter
 * should read of the source's pattern, against what it read. It knows both operands,
 * which the decode must not; nothing of it goes into a result.
 */

/**
 * lb_light_path_check:
 * @exposure: that @frame, number @nth, is of; @number: of the plan
 * @light_per_us: L of a microsecond that is expected at its set point
 * @error: LB_OPTICAL_PATH_ERROR_LIGHT, with the likely cause; the sequence that
 *   ends with it has the light switched off
 */
gboolean lb_light_path_check (LbPathRun *self,
                              const LbExposure *exposure,
                              guint64 number,
                              guint nth,
                              LbFrame *frame,
                              double light_per_us,
                              GCancellable *cancellable,
                              GError **error);

G_END_DECLS
