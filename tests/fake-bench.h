/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <lb-bench.h>

#include "optics-fixture.h"

G_BEGIN_DECLS

/*
 * A bench that takes the place of drivers/lb-bench.c in a test program: no
 * threads, no devices, no noise; frames by the forward model of optics-fixture.
 */
typedef enum
{
  FAKE_BENCH_GOOD,
  FAKE_BENCH_DARK,       /* no light comes */
  FAKE_BENCH_FROZEN,     /* planes go on showing the first patterns */
  FAKE_BENCH_ALL_BRIGHT, /* planes show their highest level everywhere */
} FakeBenchFault;

typedef struct
{
  FakeBenchFault fault;
  double electrons_per_us; /* of a fully lit cell of gain 1, at the usual level */
  double surge;            /* light is that many times brighter than in the probe, from exposure 3 on */
  double jitter;           /* of the light, rms from frame to frame, relative */
  double exposure_min_us, exposure_max_us;
  gboolean has_light; /* there is a light source with a level */
  guint64 cancel_at;  /* exposure at which `cancellable` is cancelled; 0: never */
  GCancellable *cancellable;
  /* What happened. */
  guint64 frames;
  guint64 weight_changes, source_changes;
  guint64 ordinal;
  double shortest_us, longest_us;
  double lowest_level;
} FakeBenchOptions;

/* @options belongs to the caller and must outlive the bench. */
LbBench *fake_bench_new (LbOpticsModel *truth, FakeBenchOptions *options);

G_END_DECLS
