/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "usb-instrument.h"

G_BEGIN_DECLS

/*
 * A USB bus in umockdev's test bed: the real libusb, of this process and of the
 * programs that it starts, sees the devices plugged in here and speaks to them
 * through an emulated usbfs. To be run under umockdev-wrapper.
 */
typedef struct _UmockUsb UmockUsb;

UmockUsb *umock_usb_new (void);
void umock_usb_free (UmockUsb *self);
/* Takes @device over and plugs it in; returns its place. */
guint umock_usb_add (UmockUsb *self, UsbInstrument *device);
void umock_usb_plug (UmockUsb *self, guint place);
void umock_usb_unplug (UmockUsb *self, guint place);
/* Opening fails with this from now on (EACCES, ...); 0: it does not. */
void umock_usb_set_access (UmockUsb *self, guint place, int mode);
/* The kernel's usbtmc driver has it. */
gboolean umock_usb_has_kernel_driver (UmockUsb *self, guint place);
/* A program has claimed it. */
gboolean umock_usb_is_claimed (UmockUsb *self, guint place);
/* Unplugs after so many more transfers, in whatever state that is; 0: never. */
void umock_usb_unplug_after (UmockUsb *self, guint place, guint transfers);
/* Waits until that has happened; FALSE after 10 s. */
gboolean umock_usb_wait_unplugged (UmockUsb *self, guint place);

G_END_DECLS
