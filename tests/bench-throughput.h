/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <lb-bench.h>

G_BEGIN_DECLS

/* A simulated bench of small planes on displays of 60 Hz with two frames of latency,
 * settling as the presets do; in virtual time. @camera_hz: frames a second, fast
 * enough is BENCH_THROUGHPUT_CAMERA_HZ. */
#define BENCH_THROUGHPUT_CAMERA_HZ 500
LbBench *bench_throughput_new_bench (guint camera_hz);
void bench_throughput_free_bench (LbBench *bench);
/* Exposures a second of bench time of a sequence in which the weight plane changes each
 * time, and the source plane too; or the source plane alone. */
double bench_throughput_measure (LbBench *bench, gboolean weight_changes);
/* The most that can be attained (optics.md, "Time"): a period of the display, as often
 * as settling, exposure and readout need it, and no wait for the camera. */
double bench_throughput_get_attainable (LbBench *bench, gboolean weight_changes);

G_END_DECLS
