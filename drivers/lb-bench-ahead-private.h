/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "lb-bench-private.h"

G_BEGIN_DECLS

/* An exposure of a sequence, from when it was asked for until its frames are taken. */
typedef struct
{
  LbExposure given;     /* as the source gave it; the turn holds its patterns */
  LbExposure exposure;  /* with the usual values filled in */
  gboolean handed;      /* ahead of time */
  guint64 sequence[2];  /* that a plane was handed its pattern under; 0: it stays as it is */
  guint64 serial[2];    /* of what stands on the planes for it */
  gint64 settled_us[2]; /* bench time at which they have settled, or will have */
  gint64 end_us;        /* by which its frames should have been exposed */
  gboolean meter;       /* read during it */
} LbBenchTurn;

/* The exposures of a sequence that have been asked for, in order. */
typedef struct
{
  LbBench *bench;
  LbBenchAction *action;
  gboolean enabled; /* planes can be handed patterns ahead of time */
  LbBenchTurn turns[LB_BENCH_AHEAD];
  guint count;
} LbBenchAhead;

void lb_bench_ahead_init (LbBenchAhead *self, LbBench *bench, LbBenchAction *action);
/* Drops what is left. */
void lb_bench_ahead_clear (LbBenchAhead *self);
/* Whether the source is to be asked for one more. */
gboolean lb_bench_ahead_has_room (const LbBenchAhead *self);
void lb_bench_ahead_push (LbBenchAhead *self, const LbExposure *given, const LbExposure *filled);
/* The first is done. */
void lb_bench_ahead_pop (LbBenchAhead *self);
/* The first has everything as it wants it, or will have: what it says of the planes
 * and of its end follows. */
void lb_bench_ahead_note_first (LbBenchAhead *self, gint64 ready_us);
/* Hands over what can follow the first without a change of light or camera. */
gboolean lb_bench_ahead_hand_over (LbBenchAhead *self, GError **error);
/* The planes show something, some time, that is not waited for any more. */
void lb_bench_ahead_forget (LbBenchAhead *self);

G_END_DECLS
