/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <stdatomic.h>

#include "lb-bench.h"
#include "lb-driver.h"

G_BEGIN_DECLS

/* One action, from its submission until its function has returned. Shared by
 * the caller, the worker and the watch that a cancellation starts. */
typedef struct
{
  gatomicrefcount references;
  LbBench *bench;               /* owned */
  char *name;
  LbBenchFunc func;
  gpointer data;
  GDestroyNotify destroy;
  GCancellable *cancellable;    /* of the action; STOP and the caller's trigger it */
  GCancellable *caller;         /* nullable */
  gulong caller_handler;
  guint64 generation;           /* when it was submitted */
  GTask *task;                  /* of the asynchronous form */
  atomic_bool abandoned;        /* the worker did not come back: what it does is dropped */

  GMutex lock;
  GCond changed;
  gboolean finished;            /* for the caller: returned or abandoned */
  gboolean result;
  GError *error;
} LbBenchJob;

/* The worker outlives the bench if it hangs in a device. */
typedef struct
{
  gatomicrefcount references;
  GAsyncQueue *jobs;            /* of LbBenchJob; LB_BENCH_QUIT ends it */
} LbBenchWorker;

struct _LbBench
{
  GObject parent_instance;
  LbSetup *setup;
  LbDriverContext driver_context;
  GMainContext *context;        /* M */
  LbDevice *devices[LB_N_ROLES];

  GMutex lock;                  /* of what follows */
  LbBenchState state;
  LbLightState light;
  LbBenchJob *job;              /* running, or NULL */
  LbBenchWorker *worker;
  gboolean stopped;
  LbIdentity *identities[LB_N_ROLES];
  LbCameraCaps camera_caps;
  LbModulatorCaps modulator_caps[2];
  LbLightSourceCaps light_caps;
  GSource *notify;              /* pending notification */
  GSource *heartbeat_source;

  atomic_uint_fast64_t generation;
  atomic_int_fast64_t heartbeat_us;     /* 0: M has not run yet */
  atomic_uint_fast64_t exposures;

  /* Of the worker alone. */
  guint64 shown[2];             /* serial of the pattern on each plane; 0: black or unknown */
  guint64 sequence[2];
  LbCameraFormat camera_format;
  gboolean camera_running;
  double exposure_us, gain;     /* in force; 0: unknown */
  double light_level;
  gboolean lit;
};

/* For tests: a bench over given devices (owned from now on; NULL where there is
 * none). */
LbBench  *lb_bench_new_for_devices (LbSetup *setup, LbClock *clock, LbDevice *devices[LB_N_ROLES]);

/* Deadline of an ordinary device call. */
gint64    lb_bench_deadline        (void);
/* Properties have changed; M notifies. */
void      lb_bench_notify          (LbBench *self);
void      lb_bench_set_state       (LbBench *self, LbBenchState state);
void      lb_bench_set_light_state (LbBench *self, LbLightState light);
/* The action that the calling thread runs for @self; NULL with an error if it
 * runs none, or was abandoned. */
LbBenchJob *lb_bench_current_job   (LbBench *self, GError **error);
void      lb_bench_job_unref       (LbBenchJob *job);
LbBenchJob *lb_bench_job_ref       (LbBenchJob *job);

/* Worker: light on (or renewed) at a level, off. Off never fails for having been
 * cancelled. */
gboolean  lb_bench_light_on        (LbBench *self, LbBenchJob *job, double level, GError **error);
gboolean  lb_bench_light_off       (LbBench *self, GError **error);
gboolean  lb_bench_camera_stop     (LbBench *self, GError **error);

void      lb_bench_start_worker    (LbBench *self);
void      lb_bench_abandon_worker  (LbBench *self);
gboolean  lb_bench_submit          (LbBench *self, LbBenchJob *job, gboolean even_if_stopped, GError **error);
LbBenchJob *lb_bench_job_new       (LbBench *self, const char *name, LbBenchFunc func, gpointer data,
                                    GDestroyNotify destroy, GCancellable *cancellable);

#define LB_BENCH_LATE_US (2 * G_USEC_PER_SEC)
#define LB_BENCH_CONFIRM_US (G_USEC_PER_SEC / 2)
#define LB_BENCH_LEASE_US G_USEC_PER_SEC
#define LB_BENCH_RENEW_US (G_USEC_PER_SEC / 5)

G_END_DECLS
