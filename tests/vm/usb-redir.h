/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/*
 * A device that is plugged into a machine by the usbredir protocol
 * ("USB Network Redirection protocol description", version 0.7): the part of it
 * that QEMU's usb-redir device speaks for control, bulk and interrupt transfers.
 */

#define USB_REDIR_NAK (-11)  /* nothing to say yet */
#define USB_REDIR_PIPE (-32) /* STALL */

/* What the device is; all calls from one thread. Bytes, NAK or STALL. */
typedef struct
{
  /* Device descriptor and the only configuration, one after the other. */
  const guint8 *(*get_descriptors) (gpointer device, gsize *length);
  /* @data: what goes in or comes out, room for @capacity. */
  int (*control) (gpointer device, const guint8 *setup, guint8 *data, int capacity);
  int (*bulk_out) (gpointer device, guint8 endpoint, const guint8 *data, int length);
  int (*bulk_in) (gpointer device, guint8 endpoint, guint8 *data, int capacity);
  /* Plugged in: nothing is under way. */
  void (*reset) (gpointer device);
} UsbRedirDevice;

typedef struct _UsbRedir UsbRedir;

UsbRedir *usb_redir_new (const UsbRedirDevice *ops, gpointer device, const char *socket_path);
void usb_redir_free (UsbRedir *self);
/* FALSE if the machine is not there yet. */
gboolean usb_redir_plug (UsbRedir *self);
void usb_redir_unplug (UsbRedir *self);
gboolean usb_redir_is_plugged (UsbRedir *self);
/* Handles what comes, for @wait_ms at most; FALSE once the machine is gone. */
gboolean usb_redir_turn (UsbRedir *self, int wait_ms);

G_END_DECLS
