/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <stdatomic.h>

#include <lb-driver.h>

#include "lb-world-display.h"
#include "lb-world-sensor.h"

G_BEGIN_DECLS

/* The driver's name in setup files. */
#define LB_SIMULATED_DRIVER "simulated"
/* Regions of interest of the camera are multiples of that. */
#define LB_CAMERA_REGION_STEP 8

/* What the setup file says of the simulated devices. */
typedef struct
{
  guint width, height;
  double rate_hz;
  guint latency_frames;
} LbModulatorOptions;

typedef struct
{
  guint width, height, bits;
  double rate_hz;
  double readout_us; /* rolling shutter, first to last row; 0: global */
} LbCameraOptions;

typedef struct
{
  const char *unit;
  double maximum, limit;
} LbLightOptions;

/* Rows of the table of faults; bits of LbWorld.faults. */
typedef enum
{
  LB_FAULT_UNPLUG_SOURCE, /* in the order of LbRole */
  LB_FAULT_UNPLUG_WEIGHT,
  LB_FAULT_UNPLUG_CAMERA,
  LB_FAULT_UNPLUG_LIGHT,
  LB_FAULT_UNPLUG_POWER_METER,
  LB_FAULT_DROP_FRAMES,
  LB_FAULT_INTERLOCK,
  LB_FAULT_OVER_TEMPERATURE,
  LB_FAULT_USB_TIME_OUT, /* of the light source */
  LB_FAULT_STALL_CAMERA,
  LB_FAULT_HANG_CAMERA,  /* its driver, in the middle of a call */
  LB_FAULT_STALE_FRAMES, /* the last frame over and over */
  LB_FAULT_WRONG_EXPOSURE,
  LB_FAULT_COVER_WEIGHT,
  LB_FAULT_DARK_SOURCE,
  LB_FAULT_DARK_WEIGHT,
  LB_FAULT_BLOCK_BEAM,
  LB_FAULT_MISALIGN,
  LB_FAULT_FAST_DRIFT,
  LB_FAULT_ROOM_LIGHT,
  LB_FAULT_WARM,        /* of light source and camera */
  LB_FAULT_DUST,        /* on the camera's window */
  LB_FAULT_COVER_METER, /* the power meter's head */
  LB_N_FAULTS,
} LbFault;

/* The light source as it can be switched off from any thread without a lock. */
typedef struct
{
  atomic_uint_fast64_t generation;  /* leases of older ones are refused */
  atomic_int_fast64_t lease_end_us; /* wall time; 0: off */
  _Atomic double level;             /* set point */
  atomic_int_fast64_t changed_us;   /* bench time at which it was last switched or set */
} LbWorldLight;

/*
 * LbWorld: the simulated bench that the four devices share: a function of world
 * seed, virtual time and what the devices were told; its noise is keyed by
 * seed, run and exposure. The calls lock it; what concerns light and faults is
 * atomic.
 */
#define LB_TYPE_WORLD (lb_world_get_type ())
G_DECLARE_FINAL_TYPE (LbWorld, lb_world, LB, WORLD, GObject)

struct _LbWorld
{
  GObject parent_instance;
  LbSetup *setup;
  LbClock *clock;
  guint64 seed, world_seed;
  LbModulatorOptions modulators[2]; /* by LbRole */
  LbCameraOptions camera;
  LbLightOptions light_options;
  gboolean has_light; /* FALSE: the source is the light */
  double phases[3];   /* of the frame grids of source, weight and camera, 0..1 */
  LbWorldOptics optics;
  GWeakRef devices[LB_N_ROLES];

  LbWorldLight light;
  atomic_uint faults;                 /* 1 << LbFault */
  atomic_int_fast64_t drift_since_us; /* bench time at which the light began to drift fast */

  GMutex lock; /* of what follows */
  gboolean prepared;
  LbWorldDisplay displays[2]; /* by LbRole */
  LbWorldSensor sensor;
  LbWorldPlane emission;       /* source plane, scratch */
  LbWorldPlane product;        /* light behind the weight plane, scratch */
  float *signal;               /* sensor: light in full weight-plane pixels */
  float *faulted_signal;       /* sensor: electrons, under faults that change them; scratch */
  guint built_faults;          /* faults of planes that the displays were built with */
  LbWorldWindow region;        /* of the sensor, that frames were last taken of */
  LbWorldWindow window;        /* of the weight plane, that the region sees */
  LbWorldWindow source_window; /* of the source plane, that the window sees */
  guint64 signal_versions[2];  /* what `signal` holds; 0: nothing settled */
  guint64 run;
  guint64 ordinal; /* exposures of the run */
  LbWorldNoise noise;
};

/* The world of @context, made by the first device. Checks the simulated
 * devices' parts of the setup. LB_SETUP_ERROR_KEY, LB_SETUP_ERROR_VALUE. */
LbWorld *lb_world_ensure (LbDriverContext *context, GError **error); /* transfer full */

/* Allocates and fills the large arrays; the first open does. */
void lb_world_prepare (LbWorld *self);
void lb_world_begin_run (LbWorld *self, guint64 ordinal);

/* Planes: @pattern stands from the first frame of the display on that is neither
 * before now plus its latency nor before @from_us; returns that time. */
gint64 lb_world_show (LbWorld *self, LbRole role, LbPattern *pattern, guint64 sequence, gint64 from_us);
gboolean lb_world_find_shown (LbWorld *self, LbRole role, guint64 sequence, gint64 *time_us);
LbPattern *lb_world_dup_shown (LbWorld *self, LbRole role);
/* At once, as when it is switched on. */
void lb_world_black (LbWorld *self, LbRole role);

/* One exposure that begins at @start_us (bench time) and lasts @exposure_us. */
typedef struct
{
  gint64 start_us;
  double exposure_us;
  double gain;
  guint bits;
  LbWorldWindow region;
} LbWorldExposure;

/* @out: the region's digital numbers. The next exposure ordinal of the run. */
void lb_world_expose (LbWorld *self, const LbWorldExposure *exposure, guint16 *out);
/* Whether frame @sequence gets lost, while frames are dropped. */
gboolean lb_world_loses_frame (LbWorld *self, guint64 sequence);
/* Power on the weight plane, watts, by the meter's own calibration. */
double lb_world_power (LbWorld *self, gint64 time_us);

/* Bench time since which planes and light are as they are. */
gint64 lb_world_changed_us (LbWorld *self);

/* Light: any thread, no lock. */
gboolean lb_world_is_lit (LbWorld *self);
/* To be called when it is switched or set. */
void lb_world_note_light (LbWorld *self);
/* Mean relative power over an exposure without its jitter: 0 when dark. */
double lb_world_light_level (const LbWorld *self, double set_point);
/* Slow changes of the light: drift and warm-up, 1 on average. */
double lb_world_light_drift (const LbWorld *self, gint64 time_us);

/* Faults: any thread. */
void lb_world_set_fault (LbWorld *self, LbFault fault, gboolean active);
gboolean lb_world_has_fault (LbWorld *self, LbFault fault);
/* Key of what a world seed draws under @name. */
LbRandomKey lb_world_key (const LbWorld *self, const char *name);

/* Next time of a frame grid at or after @time_us. @grid: source, weight, camera. */
gint64 lb_world_next_frame (const LbWorld *self, guint grid, double period_us, gint64 time_us);

G_END_DECLS
