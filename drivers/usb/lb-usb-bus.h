/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <lb-device.h>

G_BEGIN_DECLS

/*
 * USB devices by way of libusb, without what libusb's blocking calls cannot do:
 * every transfer is asynchronous, finished by an event thread of its own; the
 * caller waits on a condition and can be cancelled. A transfer that does not come
 * back keeps its buffer and its handle alive until it does.
 */

/* A device as sysfs shows it; nothing is opened. */
typedef struct
{
  guint16 vendor, product;
  guint bus, address;
  char *maker, *name, *serial; /* "" where unknown */
} LbUsbEntry;

/* All that are plugged in; elements and array are the caller's. */
GPtrArray *lb_usb_list (void);

/* What every call is given. */
typedef struct
{
  GCancellable *cancellable;
  gint64 deadline_us;     /* monotonic; -1: 5 s from the call */
  LbDevice *device;       /* lb_device_waiting() is called for it; NULL: for none */
  gint64 answer_us;       /* for each message and its answer; 0: until the deadline */
  const char *last_words; /* message to an instrument that does not answer in time; NULL: none */
} LbUsbCall;

/* How a transfer ended. */
typedef enum
{
  LB_USB_DONE,
  LB_USB_STALL,
  LB_USB_TIMEOUT,
  LB_USB_CANCELLED,
  LB_USB_GONE,
  LB_USB_FAILED,
} LbUsbResult;

typedef struct _LbUsbHandle LbUsbHandle;

/* Opens the device with these ids (product: either of two; 0: none) and serial
 * number. ABSENT, ACCESS (names the udev rule), BUSY. */
LbUsbHandle *lb_usb_open (guint16 vendor, const guint16 products[2], const char *serial, GError **error);
void lb_usb_close (LbUsbHandle *self);
/* Takes an interface, from the kernel's driver too, which gets it back. BUSY. */
gboolean lb_usb_claim (LbUsbHandle *self, int interface, GError **error);
/* It was unplugged. Any thread. */
gboolean lb_usb_is_gone (LbUsbHandle *self);
/* A transfer was given up: nothing more can be done with this handle. */
gboolean lb_usb_is_stuck (LbUsbHandle *self);

/* The first interface of a class; FALSE if it has none. Endpoints are 0 where
 * there is none of the kind. */
typedef struct
{
  int number;
  guint8 bulk_out, bulk_in;
  guint packet; /* of bulk in */
} LbUsbInterface;
gboolean lb_usb_find_interface (LbUsbHandle *self, guint8 class, guint8 subclass, LbUsbInterface *interface);

/* One bulk transfer, by the direction of @endpoint. *@done: bytes, also where it
 * did not end well. @error: set unless LB_USB_DONE. */
LbUsbResult lb_usb_bulk (LbUsbHandle *self,
                         guint8 endpoint,
                         guint8 *data,
                         gsize length,
                         gsize *done,
                         const LbUsbCall *call,
                         GError **error);
/* One control transfer with data from the device (or none). */
LbUsbResult lb_usb_control_in (LbUsbHandle *self,
                               guint8 request_type,
                               guint8 request,
                               guint16 value,
                               guint16 index,
                               guint8 *data,
                               guint16 length,
                               gsize *done,
                               const LbUsbCall *call,
                               GError **error);
/* CLEAR_FEATURE (ENDPOINT_HALT). */
gboolean lb_usb_clear_halt (LbUsbHandle *self, guint8 endpoint, GError **error);

G_END_DECLS
