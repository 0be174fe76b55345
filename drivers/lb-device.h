/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <gio/gio.h>
#include <lb-quantities.h>

G_BEGIN_DECLS

/*
 * Errors of devices. The message names the operation, the device, the cause
 * and, where there is one, the remedy.
 */
#define LB_DEVICE_ERROR (lb_device_error_quark ())
GQuark lb_device_error_quark (void);
typedef enum
{
  LB_DEVICE_ERROR_ABSENT,
  LB_DEVICE_ERROR_ACCESS,
  LB_DEVICE_ERROR_BUSY,
  LB_DEVICE_ERROR_TIMEOUT,
  LB_DEVICE_ERROR_RANGE,
  LB_DEVICE_ERROR_PROTOCOL,
  LB_DEVICE_ERROR_FAULTED,
  LB_DEVICE_ERROR_CANCELLED,
  LB_DEVICE_ERROR_FORMAT,    /* camera: no such format or region */
  LB_DEVICE_ERROR_STALLED,   /* camera: no frame */
  LB_DEVICE_ERROR_SIZE,      /* modulator: pattern of another size */
  LB_DEVICE_ERROR_COVERED,   /* modulator: not visible in full */
  LB_DEVICE_ERROR_GAMMA,     /* modulator: levels altered on their way */
  LB_DEVICE_ERROR_LOST,      /* modulator: monitor gone */
  LB_DEVICE_ERROR_LIMIT,     /* light: beyond the limit of the setup */
  LB_DEVICE_ERROR_INTERLOCK, /* light: interlock, key, over-temperature or an old generation */
  LB_DEVICE_ERROR_UNSUPPORTED,
  LB_DEVICE_ERROR_OVER_RANGE, /* power meter */
} LbDeviceError;

typedef enum
{
  LB_DEVICE_ABSENT,
  LB_DEVICE_CONNECTED,
  LB_DEVICE_RUNNING,
  LB_DEVICE_FAULTED,
} LbDeviceState;

/* "absent", "connected", "running", "faulted": for machines. */
const char *lb_device_state_get_name (LbDeviceState state);

/* Whose clock and moment a time stamp of a device is. */
typedef enum
{
  LB_TIME_STAMP_NONE,
  LB_TIME_STAMP_HOST_ARRIVAL, /* when the host learnt of it */
  LB_TIME_STAMP_DEVICE,       /* the device's own, mapped to the bench's clock */
} LbTimeStampKind;

/* Who a device says it is. All strings owned, "" where unknown. */
typedef struct
{
  char *driver;
  char *maker;
  char *model;
  char *serial;
  char *firmware;
} LbIdentity;

LbIdentity *lb_identity_new (
    const char *driver, const char *maker, const char *model, const char *serial, const char *firmware);
LbIdentity *lb_identity_copy (const LbIdentity *self);
void lb_identity_free (LbIdentity *self);
/* "driver: maker model, serial 123, firmware 1.2"; the same text means the
 * same device: calibrations are bound to it. */
char *lb_identity_to_string (const LbIdentity *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (LbIdentity, lb_identity_free)

/*
 * LbDevice: what all devices share. Every call is made by the bench's worker
 * (but for lb_light_source_off_now()), takes a GCancellable and a deadline in
 * monotonic microseconds (g_get_monotonic_time(); -1: none), and returns by the
 * deadline + 100 ms. `state` is a property; its notification is emitted in the
 * main context that was the default of the thread that made the device.
 */
#define LB_TYPE_DEVICE (lb_device_get_type ())
G_DECLARE_DERIVABLE_TYPE (LbDevice, lb_device, LB, DEVICE, GObject)

struct _LbDeviceClass
{
  GObjectClass parent_class;
  gboolean (*open) (LbDevice *self, GCancellable *cancellable, gint64 deadline_us, GError **error);
  gboolean (*close) (LbDevice *self, GCancellable *cancellable, gint64 deadline_us, GError **error);
  LbIdentity *(*get_identity) (LbDevice *self, GCancellable *cancellable, gint64 deadline_us, GError **error);
  /* A run begins: keys the noise of simulated devices. Default: nothing. */
  void (*begin_run) (LbDevice *self, guint64 ordinal);
  gpointer padding[8];
};

gboolean lb_device_open (LbDevice *self, GCancellable *cancellable, gint64 deadline_us, GError **error);
gboolean lb_device_close (LbDevice *self, GCancellable *cancellable, gint64 deadline_us, GError **error);
LbIdentity *
lb_device_get_identity (LbDevice *self, GCancellable *cancellable, gint64 deadline_us, GError **error);
void lb_device_begin_run (LbDevice *self, guint64 ordinal);
/* From any thread. */
LbDeviceState lb_device_get_state (LbDevice *self);
/* For drivers: from any thread; notifies in the device's main context. */
void lb_device_set_state (LbDevice *self, LbDeviceState state);
/* For drivers: at least each 200 ms while a call waits, with no lock held. The
 * light's lease is renewed meanwhile. FALSE: give up waiting, @error says why. */
gboolean lb_device_waiting (LbDevice *self, GError **error);

G_END_DECLS
