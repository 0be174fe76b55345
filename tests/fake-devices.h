/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <lb-bench-private.h>

G_BEGIN_DECLS

/*
 * FakeDevices: devices that do as they are told, for tests of what is above them.
 * Calls are named "ROLE.CALL", as in "camera.wait-frame" or "light.renew"; all
 * are logged in order. The light's lease is wall time, as that of any.
 *
 * A frame of the camera is 4 x 1: whether the light was on, level of the source
 * plane, level of the weight plane, exposure in ms.
 */
typedef struct _FakeDevices FakeDevices;

typedef enum
{
  FAKE_WITHOUT_LIGHT = 1 << 0, /* the source plane is the light */
  FAKE_QUICK_BLANK = 1 << 1,   /* planes have lb_modulator_blank_now(), and tell of faults */
  FAKE_WALL_CLOCK = 1 << 2,    /* else the bench's time is virtual */
} FakeFlags;

FakeDevices *fake_devices_new (FakeFlags flags);
/* @light is the bench's; what is told to the light here goes for no such one. */
FakeDevices *fake_devices_new_with_light (FakeFlags flags, LbLightSource *light);
void fake_devices_free (FakeDevices *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FakeDevices, fake_devices_free)
/* Owned by @self, which drops it when it is freed or by fake_devices_drop(). */
LbBench *fake_devices_get_bench (FakeDevices *self);
void fake_devices_drop (FakeDevices *self);
/* A setup file with a light source; for tests of reading such files too. */
const char *fake_devices_get_json (void);

/* From now on @call fails with that LbDeviceError; NULL: none does. */
void fake_devices_fail (FakeDevices *self, const char *call, LbDeviceError code);
/* The next @call waits, whatever its cancellable and deadline say, until it is
 * released. */
void fake_devices_block (FakeDevices *self, const char *call);
/* Waits until it is in there. */
void fake_devices_wait_blocked (FakeDevices *self);
void fake_devices_release (FakeDevices *self);
/* From now on @call takes that wall time; @waiting: it calls lb_device_waiting(). */
void fake_devices_slow (FakeDevices *self, const char *call, gint64 duration_us, gboolean waiting);
/* The light does not confirm that it is off. */
void fake_devices_set_silent (FakeDevices *self, gboolean silent);

/* A plane of FAKE_QUICK_BLANK tells of faults by itself; they hold until others,
 * or none, are told. STOP is an event. */
void fake_devices_tell_faults (FakeDevices *self, LbRole plane, LbModulatorFaults faults);

/* From now on devices that are opened have other serial numbers. */
void fake_devices_exchange (FakeDevices *self, gboolean exchanged);

guint fake_devices_count (FakeDevices *self, const char *call);
void fake_devices_clear_log (FakeDevices *self);
/* Calls of that kind ("open"), in order: "source weight camera". */
char *fake_devices_dup_order (FakeDevices *self, const char *kind);
/* Now, at the device itself. */
gboolean fake_devices_is_lit (FakeDevices *self);
guint8 fake_devices_get_level (FakeDevices *self, LbRole plane);
/* What a late worker would do: asks for light as of @generation, not by way of
 * the bench. TRUE: it was given. */
gboolean fake_devices_relight (FakeDevices *self, guint64 generation);

G_END_DECLS
