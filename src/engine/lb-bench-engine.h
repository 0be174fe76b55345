/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <lb-optical-path.h>
#include "lb-engine.h"

G_BEGIN_DECLS

#define LB_TYPE_BENCH_ENGINE (lb_bench_engine_get_type ())
G_DECLARE_FINAL_TYPE (LbBenchEngine, lb_bench_engine, LB, BENCH_ENGINE, LbEngine)

/* Products on the optical bench by way of the calibrated optical path; blocks
 * the calling thread, which must be neither the bench's worker nor M. */
LbEngine *lb_bench_engine_new (LbOpticalPath *path);
LbOpticalPath *lb_bench_engine_get_path (LbBenchEngine *self);
/* Photons per MAC from now on; default 2,000. */
void lb_bench_engine_set_photons (LbBenchEngine *self, double photons_per_mac);
/* Photons per MAC and electrons per MAC of the last product as measured, and
 * the scale of its passes (see lb_figures_of_merit()). */
void lb_bench_engine_get_last (LbBenchEngine *self,
                               double *photons_per_mac,
                               double *electrons_per_mac,
                               double *pass_scale);

G_END_DECLS
