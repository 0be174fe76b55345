/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <lb-clock.h>
#include "lb-camera.h"
#include "lb-light-source.h"
#include "lb-modulator.h"
#include "lb-power-meter.h"
#include "lb-setup.h"

G_BEGIN_DECLS

/*
 * LbBench: the devices of one setup, their worker thread, and the state of the
 * light. One action at a time; a second gets BUSY. It alone turns light on, and
 * turns it off on every way out of an action. It knows nothing of calibration
 * or matrices.
 *
 * The light is a lease of 1 s that the worker renews, at each device call and
 * each 200 ms of waiting. It is renewed only while M, the main context in which
 * the bench was made, answers: M's heartbeat must be younger than 1 s. That
 * counts while a thread runs M, and once it has beaten for the first time, so
 * that programs without a main loop can use a bench too.
 *
 * An action that does not end within 2 s of being cancelled (or a device that
 * does not within 2 s of its deadline) is given up: the light is switched off,
 * the bench is LB_BENCH_FAULTED, what the action still does is dropped. It will
 * not run on once it comes out of the device; then the devices are closed, and
 * lb_bench_disconnect() makes the bench as new.
 *
 * A plane that tells of a fault (covered, unplugged, another resolution, a gamma
 * ramp) while an action runs ends it with LB_BENCH_ERROR_PLANE: the light is off,
 * planes are black, and nothing lights before lb_bench_arm(). One that was lost is
 * opened again by the next action; if it cannot be, that action ends with the same
 * error before it lights. The keys of STOP pressed in a plane's window are
 * lb_bench_stop().
 */
#define LB_BENCH_ERROR (lb_bench_error_quark ())
GQuark lb_bench_error_quark (void);
typedef enum
{
  LB_BENCH_ERROR_BUSY, /* another action runs; the message names it */
  LB_BENCH_ERROR_NOT_CONNECTED,
  LB_BENCH_ERROR_STOPPED, /* STOP was pressed; lb_bench_arm() first */
  LB_BENCH_ERROR_LATE,    /* the worker did not come back; bench faulted */
  LB_BENCH_ERROR_NOT_IN_ACTION,
  LB_BENCH_ERROR_PLANE, /* a plane was covered, lost, or changed levels; the light is off and disarmed */
  LB_BENCH_ERROR_LEASE, /* the light went off because nobody renewed it: W late, or M does not answer */
} LbBenchError;

typedef enum
{
  LB_BENCH_DISCONNECTED,
  LB_BENCH_IDLE,
  LB_BENCH_ACTIVE, /* an action runs */
  LB_BENCH_FAULTED,
} LbBenchState;

typedef enum
{
  LB_LIGHT_OFF,   /* off and disarmed (after STOP, or not connected) */
  LB_LIGHT_ARMED, /* off, an action may turn it on */
  LB_LIGHT_ON,
  LB_LIGHT_TRIPPED,       /* interlock, key, temperature */
  LB_LIGHT_NOT_CONFIRMED, /* STOP was not confirmed by the device within 500 ms */
} LbLightState;

typedef struct
{
  guint64 seed;       /* noise of simulated devices */
  guint64 world_seed; /* imperfections of the simulated world */
  gint64 start_us;    /* where virtual time begins */
} LbBenchOptions;

#define LB_TYPE_BENCH (lb_bench_get_type ())
G_DECLARE_FINAL_TYPE (LbBench, lb_bench, LB, BENCH, GObject)

/*
 * Properties, notified in the main context that was the thread default when
 * the bench was made (M): "state" (LbBenchState as guint), "light"
 * (LbLightState as guint), "action" (name of the running action, or NULL).
 */
LbBench *lb_bench_new (LbSetup *setup, const LbBenchOptions *options, GError **error);
LbSetup *lb_bench_get_setup (LbBench *self);
LbClock *lb_bench_get_clock (LbBench *self);
LbBenchState lb_bench_get_state (LbBench *self);
LbLightState lb_bench_get_light (LbBench *self);
char *lb_bench_dup_action (LbBench *self);
/* Any thread: devices (owned by the bench; NULL where the setup has none).
 * Only the worker may call them. */
LbDevice *lb_bench_get_device (LbBench *self, LbRole role);
/* As read when it was connected; NULL before. Caller frees. */
LbIdentity *lb_bench_dup_identity (LbBench *self, LbRole role);
/* Identities as quantities (role -> text), for session and calibrations. */
LbQuantities *lb_bench_dup_identities (LbBench *self);
/* The caps read when it was connected. */
gboolean lb_bench_get_camera_caps (LbBench *self, LbCameraCaps *caps);
gboolean lb_bench_get_modulator_caps (LbBench *self, LbRole role, LbModulatorCaps *caps);
gboolean lb_bench_get_light_caps (LbBench *self, LbLightSourceCaps *caps);

/**
 * LbBenchTiming: what the bench waits for.
 * @settling_us: by role of the plane: from what its display gives as the time of
 *   presentation until it has settled within 0.2 %
 * @measured: FALSE: the setup's nominal value
 */
typedef struct
{
  double settling_us[2];
  gboolean measured[2];
} LbBenchTiming;

/* Any thread. NULL: the nominal timing, which is in force from each connecting on. */
void lb_bench_get_timing (LbBench *self, LbBenchTiming *timing);
void lb_bench_set_timing (LbBench *self, const LbBenchTiming *timing);

/* --- Actions --------------------------------------------------------------
 * An action is a function that runs in the worker. lb_bench_run() blocks the
 * caller (not M, not the worker); the other comes back in the thread-default
 * main context of its caller. Light is off before either returns.
 */
typedef gboolean (*LbBenchFunc) (LbBench *self, gpointer data, GCancellable *cancellable, GError **error);

gboolean lb_bench_run (LbBench *self,
                       const char *name,
                       LbBenchFunc func,
                       gpointer data,
                       GCancellable *cancellable,
                       GError **error);
void lb_bench_run_async (LbBench *self,
                         const char *name,
                         LbBenchFunc func,
                         gpointer data,
                         GDestroyNotify destroy,
                         GCancellable *cancellable,
                         GAsyncReadyCallback callback,
                         gpointer user_data);
gboolean lb_bench_run_finish (LbBench *self, GAsyncResult *result, GError **error);

/* Actions that come with it: open and close all devices (open unwinds in
 * reverse order on failure; connecting arms the light). */
gboolean lb_bench_connect (LbBench *self, GCancellable *cancellable, GError **error);
void lb_bench_connect_async (LbBench *self,
                             GCancellable *cancellable,
                             GAsyncReadyCallback callback,
                             gpointer user_data);
gboolean lb_bench_disconnect (LbBench *self, GCancellable *cancellable, GError **error);
void lb_bench_disconnect_async (LbBench *self,
                                GCancellable *cancellable,
                                GAsyncReadyCallback callback,
                                gpointer user_data);

/* --- STOP: any thread, never waits, does not go by way of the worker -------
 * New generation, light off by its second way, action cancelled, planes black.
 * The light is LB_LIGHT_OFF once confirmed, LB_LIGHT_NOT_CONFIRMED after 500 ms
 * without. Actions are refused (STOPPED) until lb_bench_arm(). */
void lb_bench_stop (LbBench *self);
gboolean lb_bench_arm (LbBench *self, GError **error);
guint64 lb_bench_get_generation (LbBench *self);

/* --- Inside an action (worker thread only) -------------------------------- */

/* A new run: @ordinal keys the noise of simulated devices. */
void lb_bench_begin_run (LbBench *self, guint64 ordinal);
/* Region of interest and depth from now on (stops and starts the camera). */
gboolean lb_bench_configure_camera (LbBench *self,
                                    const LbCameraFormat *want,
                                    LbCameraFormat *actual,
                                    GCancellable *cancellable,
                                    GError **error);
void lb_bench_get_camera_format (LbBench *self, LbCameraFormat *format);

/* Exposures for which a sequence asks ahead. */
#define LB_BENCH_AHEAD 4

/**
 * LbExposure: what to show and how to take it.
 * @source, @weight: patterns; NULL: leave what is shown. Owned by the source
 *   of exposures until it is asked for the next one; the bench refs them.
 * @light: FALSE: dark (light off; where there is no light source the source
 *   plane is black for it, and its pattern comes back with the light)
 * @light_level: set point in the light source's unit; 0: the setup's usual one
 * @exposure_us, @gain: of the camera; 0 means the setup's usual one, and 1
 * @frames: frames to take of it, at least 1
 * @unsettled: TRUE: its frames are those that begin @delay_us or more after the
 *   patterns were handed over, whether they stand by then or not; that they do
 *   is waited for after the last frame
 * @meter: TRUE: the power meter, if there is one, is read as well, once the source
 *   plane has settled (a slow one not for each exposure); lb_bench_get_power_w() says
 *   what it read
 * @ahead: TRUE: the source may be asked for what follows, up to LB_BENCH_AHEAD
 *   exposures, before the frames of this one have been handed on
 * @tag: the caller's
 */
typedef struct
{
  LbPattern *source;
  LbPattern *weight;
  gboolean light;
  double light_level;
  double exposure_us;
  double gain;
  guint frames;
  gboolean unsettled;
  double delay_us;
  gboolean meter;
  gboolean ahead;
  guint64 tag;
} LbExposure;

/* Fills @exposure and returns TRUE, or returns FALSE when there is no more
 * (@error unset) or it failed (@error set). */
typedef gboolean (*LbExposureSource) (LbExposure *exposure, gpointer data, GError **error);
/* A frame of @exposure, number @nth of it. FALSE with @error ends the sequence. */
typedef gboolean (*LbFrameSink) (
    const LbExposure *exposure, guint nth, LbFrame *frame, gpointer data, GError **error);

/*
 * Shows, waits until settled, lights, takes frames that were exposed after
 * that, hands them on; asks for the next. Patterns of exposures that may be asked
 * for ahead are handed over early, where both planes can say when they will stand
 * (LbModulatorCaps.ahead), so that the displays' latency is not waited for: none is
 * shown before the last row of the frames before it has been exposed. Light goes
 * off when it returns.
 */
gboolean lb_bench_run_sequence (LbBench *self,
                                LbExposureSource source,
                                LbFrameSink sink,
                                gpointer data,
                                GCancellable *cancellable,
                                GError **error);
/* Bench time at which the plane of @role showed its last pattern, as it says;
 * G_MININT64 before the first. */
gint64 lb_bench_get_presented_us (LbBench *self, LbRole role);
/* In a sink: watts that the power meter read during the exposure, INFINITY over its
 * range; NAN where it was not read. */
double lb_bench_get_power_w (LbBench *self);
/* In an action: asks the light source for its temperature, degrees Celsius; NAN where
 * it does not say. lb_bench_get_temperature(), any thread: the last that was read. */
double lb_bench_read_temperature (LbBench *self, GCancellable *cancellable);
double lb_bench_get_temperature (LbBench *self);
/* Frames taken and bench time gone by since the bench was made. */
guint64 lb_bench_get_exposures (LbBench *self);

G_END_DECLS
