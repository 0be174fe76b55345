/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <stdatomic.h>

#include "lb-bench.h"
#include "lb-device-private.h"
#include "lb-driver.h"

G_BEGIN_DECLS

/* All safety times are wall time. */
#define LB_BENCH_LEASE_US G_USEC_PER_SEC
#define LB_BENCH_RENEW_US (G_USEC_PER_SEC / 5)
#define LB_BENCH_HEARTBEAT_US G_USEC_PER_SEC
#define LB_BENCH_CONFIRM_US (G_USEC_PER_SEC / 2)
#define LB_BENCH_LATE_US (2 * G_USEC_PER_SEC)
/* So long a cancelled action may take to switch the light off by itself. */
#define LB_BENCH_CANCELLED_US (G_USEC_PER_SEC / 5)
/* A simulated device computes where a real one waits, and the computer may be
 * busy with something else. */
#define LB_BENCH_SIMULATED_LATE_US (120 * G_USEC_PER_SEC)
#define LB_BENCH_DEVICE_US (5 * G_USEC_PER_SEC)
/* Devices that start up take longer than an ordinary call. */
#define LB_BENCH_OPEN_US (10 * G_USEC_PER_SEC)

/* An action, from its submission until its function has come back. */
typedef struct
{
  gatomicrefcount references;
  LbBench *bench; /* owned */
  char *name;
  LbBenchFunc func;
  gpointer data;
  GDestroyNotify destroy;    /* nullable */
  GTask *task;               /* of the asynchronous form */
  GCancellable *cancellable; /* the action's own; STOP and the caller's trigger it */
  GCancellable *caller;      /* nullable */
  gulong caller_handler;
  guint64 generation;               /* when it was submitted */
  atomic_int_fast64_t cancelled_us; /* monotonic; 0: not cancelled */
  gboolean own;                     /* connects or disconnects */
  gboolean silent;                  /* the bench's own: not shown, does not count as busy */

  /* Guarded by the bench's lock. */
  gboolean started;
  gboolean finished;  /* has a result */
  gboolean stopped;   /* by STOP */
  gboolean abandoned; /* given up: it has its result, what it still does is dropped */
  gboolean harmless;  /* abandoned, and its function will not run on */
  guint depth;        /* device calls it is inside of */
  LbDevice *device;   /* the outermost of them */
  gint64 device_deadline_us;
  GError *fault;             /* of a plane, which ended it */
  gboolean planes_are_there; /* those that had been lost are open again */
  gboolean result;
  GError *error;
} LbBenchAction;

/* The worker thread W. It may outlive the bench if it hangs in a device. */
typedef struct
{
  gatomicrefcount references;
  GAsyncQueue *actions; /* of LbBenchAction */
  GThread *thread;
} LbBenchWorker;

/* The small thread that watches: STOP is confirmed, a late worker given up. */
typedef struct
{
  gatomicrefcount references;
  GMutex lock;
  GCond wake;
  gboolean woken, quit;
  GWeakRef bench;
  GThread *thread;
} LbBenchWatch;

/* A plane as the worker knows it. */
typedef struct
{
  LbPattern *wanted; /* the last that an exposure asked for; NULL: none yet */
  guint64 shown;     /* serial of what stands there; 0: black, or unknown */
  guint64 sequence;
  gint64 presented_us; /* bench time */
  gint64 settled_us;
} LbBenchPlane;

enum
{
  LB_BENCH_PROP_STATE = 1,
  LB_BENCH_PROP_LIGHT,
  LB_BENCH_PROP_ACTION,
  LB_BENCH_N_PROPERTIES,
};

struct _LbBench
{
  GObject parent_instance;

  /* Fixed once it is made. */
  LbSetup *setup;
  LbDriverContext driver_context;
  GMainContext *context;         /* M */
  LbDevice *devices[LB_N_ROLES]; /* owned */
  LbBenchWatch *watch;
  GSource *heartbeat;

  atomic_uint_fast64_t generation;
  atomic_int_fast64_t heartbeat_us; /* 0: M has not run yet */
  atomic_uint_fast64_t exposures;

  /* Guards what follows; never held over a call of a device or of a caller. */
  GMutex lock;
  GCond changed;      /* an action has finished, or has become harmless */
  LbBenchState state; /* never ACTIVE: that is IDLE with an action */
  LbLightState light;
  LbBenchAction *action; /* running */
  LbBenchAction *late;   /* given up; the bench is faulted */
  LbBenchWorker *worker;
  gboolean stopped;      /* until armed */
  gboolean late_closed;  /* the late worker has closed the devices */
  gboolean source_black; /* stands on the display; without a light source: the light is off */
  gint64 confirm_us;     /* until when darkness must be confirmed; 0: nothing to confirm */
  guint changes;         /* properties to notify, a bit each */
  LbIdentity *identities[LB_N_ROLES];
  LbCameraCaps camera_caps;
  LbModulatorCaps modulator_caps[2];
  LbLightSourceCaps light_caps;
  LbCameraFormat camera_format;
  LbBenchTiming timing;

  /* Of the worker alone. */
  gboolean opened[LB_N_ROLES];
  LbBenchPlane planes[2]; /* LB_ROLE_SOURCE, LB_ROLE_WEIGHT */
  gboolean camera_running;
  double exposure_us, gain; /* in force; 0: unknown */
  guint64 valid_from_sequence;
  double light_level;   /* in force; NAN: unknown */
  double temperature_c; /* of the light source, as last read; NAN: unknown */
  gboolean lit;
  gint64 lease_end_us, renewed_us; /* monotonic */
  gboolean renewing;
  double power_w;          /* of this exposure; NAN: not read */
  gboolean meter_ready;    /* for quick readings */
  gint64 meter_reading_us; /* that the last reading took, bench time; 0: none yet */
  gint64 meter_next_us;    /* before which a slow meter is not read again */
};

/* For tests: a bench over given devices (taken over; NULL where there is none).
 * The setup's own drivers are not looked at. */
LbBench *lb_bench_new_for_devices (LbSetup *setup, LbClock *clock, LbDevice *devices[LB_N_ROLES]);

/* --- lb-bench.c: with the lock held */
void lb_bench_changed_locked (LbBench *self, guint property);
void lb_bench_set_light_locked (LbBench *self, LbLightState light);
void lb_bench_set_state_locked (LbBench *self, LbBenchState state);
/* --- without it */
gboolean lb_bench_has_light_source (LbBench *self);
/* M runs, but does not answer: nobody could press STOP. */
gboolean lb_bench_is_deaf (LbBench *self);

/* --- lb-bench-worker.c */
void lb_bench_start_worker (LbBench *self);
void lb_bench_end_worker (LbBench *self);
LbBenchAction *lb_bench_action_ref (LbBenchAction *action);
void lb_bench_action_unref (LbBenchAction *action);
/* Cancels it and has the worker watched. */
void lb_bench_action_cancel (LbBenchAction *action);
/* The worker does not come back from it: bench faulted, light off, result LATE. */
void lb_bench_action_give_up (LbBenchAction *action);
/* The action that the calling thread runs for @self; NULL with NOT_IN_ACTION. */
LbBenchAction *lb_bench_get_current (LbBench *self, GError **error);
/* For actions of the bench itself; @state: what the bench must be in. */
gboolean lb_bench_run_own (LbBench *self,
                           const char *name,
                           LbBenchFunc func,
                           LbBenchState state,
                           GCancellable *cancellable,
                           GError **error);
void lb_bench_run_own_async (LbBench *self,
                             const char *name,
                             LbBenchFunc func,
                             LbBenchState state,
                             GCancellable *cancellable,
                             GAsyncReadyCallback callback,
                             gpointer user_data);
/* Has the worker, which is free, black the planes. */
void lb_bench_queue_blank (LbBench *self);

/* --- lb-bench-watch.c */
void lb_bench_start_watch (LbBench *self);
void lb_bench_end_watch (LbBench *self);
void lb_bench_wake_watch (LbBench *self);
/* What planes tell by themselves, if anything: a fault ends the action. Any thread. */
void lb_bench_look_at_planes (LbBench *self);
/* STOP without the cancelling: generation, light off, disarmed, to be confirmed. */
void lb_bench_make_dark (LbBench *self);

/* --- lb-bench-light.c: worker */
/* The end of every action: nothing stays lit. */
gboolean lb_bench_end_action (LbBench *self, LbBenchAction *action, GError **error);
gboolean lb_bench_light_on (
    LbBench *self, LbBenchAction *action, double level, GCancellable *cancellable, GError **error);
/* Works in any state; not cancellable. */
gboolean lb_bench_light_off (LbBench *self, GError **error);
/* Keeps the light on if its time has come. FALSE: it is off. */
gboolean lb_bench_light_renew (LbBench *self, LbBenchAction *action, GError **error);
/* Has the light been on without a gap since it was switched on? */
gboolean lb_bench_light_check (LbBench *self, GError **error);
/* Before an exposure: what took long since the last one, the sink above all, may
 * have outlasted the lease. Nothing was exposed meanwhile; the light goes on again. */
gboolean
lb_bench_light_revive (LbBench *self, LbBenchAction *action, GCancellable *cancellable, GError **error);
gboolean lb_bench_blank_planes (LbBench *self, GError **error);
/* A plane has changed at @presented_us (bench time) and settles from then on. */
void lb_bench_note_presented (LbBench *self, guint role, gint64 presented_us);

/* --- lb-bench-planes.c: worker */
/* Before the first exposure of an action: planes that were lost are opened again.
 * LB_BENCH_ERROR_PLANE, and they stay lost. */
gboolean lb_bench_reopen_planes (LbBench *self, LbBenchAction *action, GError **error);

/* --- lb-bench-meter.c: worker */
/* Whether the meter is to be read beside an exposure, whose source has settled at
 * @from_us; @end_us, of its frames, is later if it has to be. */
gboolean lb_bench_meter_plan (LbBench *self, const LbExposure *exposure, gint64 from_us, gint64 *end_us);
/* Reads it from bench time @from_us on. */
gboolean lb_bench_meter_read (LbBench *self, LbBenchAction *action, gint64 from_us, GError **error);

/* --- lb-bench-actions.c: worker */
gboolean lb_bench_stop_camera (LbBench *self, GError **error);
gboolean lb_bench_close_devices (LbBench *self, GError **error);

/* Deadline of an ordinary device call, monotonic. */
gint64 lb_bench_get_deadline (void);

G_END_DECLS
