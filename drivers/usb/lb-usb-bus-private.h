/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <libusb.h>

#include "lb-usb-bus.h"

G_BEGIN_DECLS

/* libusb's context with its event thread: one for all devices that are open. */
typedef struct
{
  libusb_context *context;
  GThread *thread;
  int quit; /* atomic */
  libusb_hotplug_callback_handle hotplug;
  guint users;
  GPtrArray *handles; /* open, not owned; under the bus lock */
} LbUsbBus;

struct _LbUsbHandle
{
  gatomicrefcount references; /* the opener, and each transfer under way */
  LbUsbBus *bus;
  libusb_device *device;
  libusb_device_handle *handle;
  char *label;     /* for messages */
  int interface;   /* claimed; -1: none */
  int gone, stuck; /* atomic */
};

/* --- lb-usb-bus.c */
LbUsbBus *lb_usb_bus_acquire (GError **error);
void lb_usb_bus_release (LbUsbBus *bus);
void lb_usb_bus_add (LbUsbBus *bus, LbUsbHandle *handle);
void lb_usb_bus_remove (LbUsbBus *bus, LbUsbHandle *handle);

/* --- lb-usb-handle.c */
LbUsbHandle *lb_usb_handle_ref (LbUsbHandle *self);
void lb_usb_handle_unref (LbUsbHandle *self);
/* Sets @error for a code of libusb. */
LbUsbResult lb_usb_set_error (LbUsbHandle *self, const char *what, int code, GError **error);

G_END_DECLS
