/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "instrument.h"

G_BEGIN_DECLS

/*
 * An instrument as a USB device: descriptors, control requests and the two bulk
 * endpoints of USBTMC with the USB488 subclass ("USB Test and Measurement Class
 * Specification" 1.0, 2003: table 1 headers, 3.2 and 3.3 transfers, 4.2.1
 * requests). It knows nothing of how it is attached: a transport calls it.
 */
typedef struct _UsbInstrument UsbInstrument;

#define USB_INSTRUMENT_PIPE (-32) /* STALL */
#define USB_INSTRUMENT_NAK (-11)  /* nothing to say yet */

/* Takes @instrument over. */
UsbInstrument *usb_instrument_new (Instrument *instrument);
void usb_instrument_free (UsbInstrument *self);
Instrument *usb_instrument_get (UsbInstrument *self);

/* --- For transports */
/* Device descriptor and configuration, one after the other, as sysfs has them. */
const guint8 *usb_instrument_get_descriptors (UsbInstrument *self, gsize *length);
/* @setup: 8 bytes. @data: what goes in or comes out, room for @capacity. Bytes,
 * or STALL. */
int usb_instrument_control (UsbInstrument *self, const guint8 *setup, guint8 *data, int capacity);
/* Bulk OUT: 0 or STALL. */
int usb_instrument_out (UsbInstrument *self, const guint8 *data, int length);
/* Bulk IN: bytes, NAK or STALL. */
int usb_instrument_in (UsbInstrument *self, guint8 *data, int capacity);
/* CLEAR_FEATURE (ENDPOINT_HALT). */
void usb_instrument_clear_halt (UsbInstrument *self, guint8 endpoint);
/* Plugged in again: nothing is under way. */
void usb_instrument_reset (UsbInstrument *self);

/* --- For tests: what goes wrong from now on */
typedef enum
{
  USB_FAULT_NONE,
  USB_FAULT_MUTE,          /* takes commands, gives no answer until aborted */
  USB_FAULT_STALL_OUT,     /* the next bulk OUT */
  USB_FAULT_STALL_IN,      /* the next bulk IN */
  USB_FAULT_STALL_CONTROL, /* every class request */
  USB_FAULT_WRONG_TAG,     /* next answer */
  USB_FAULT_WRONG_INVERSE, /* next answer */
  USB_FAULT_WRONG_MESSAGE, /* next answer */
  USB_FAULT_WRONG_SIZE,    /* next answer says more than was asked for */
  USB_FAULT_EMPTY_FIRST,   /* a zero-length packet before the next answer */
  USB_FAULT_SPLIT,         /* every answer comes in transfers of a few bytes */
  USB_FAULT_SHORT,         /* every answer breaks off in a short packet and goes on */
  USB_FAULT_MUTE_FOR_GOOD, /* takes commands, answers neither them nor class requests */
  USB_FAULT_DEAF,          /* does not answer class requests or bulk at all */
} UsbFault;
void usb_instrument_set_fault (UsbInstrument *self, UsbFault fault);
/* Breaches of the specification by the host. */
guint usb_instrument_get_violations (UsbInstrument *self);
guint usb_instrument_get_aborts (UsbInstrument *self);
guint usb_instrument_get_clears (UsbInstrument *self);
/* TRUE: hangs; the transport does not complete even control requests. */
gboolean usb_instrument_is_deaf (UsbInstrument *self);

G_END_DECLS
