/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "usb-instrument.h"

#include <string.h>

#define BULK_OUT 0x01
#define BULK_IN 0x82
#define PACKET 512
#define HEADER 12
#define SPLIT 5

enum
{
  DEV_DEP_MSG_OUT = 1,
  REQUEST_DEV_DEP_MSG_IN = 2,
};

/* bRequest, table 15; status values, table 16. */
enum
{
  INITIATE_ABORT_BULK_OUT = 1,
  CHECK_ABORT_BULK_OUT_STATUS,
  INITIATE_ABORT_BULK_IN,
  CHECK_ABORT_BULK_IN_STATUS,
  INITIATE_CLEAR,
  CHECK_CLEAR_STATUS,
  GET_CAPABILITIES,
};
enum
{
  STATUS_SUCCESS = 1,
  STATUS_PENDING = 2,
  STATUS_FAILED = 0x80,
  STATUS_NOT_IN_PROGRESS = 0x81,
};

struct _UsbInstrument
{
  Instrument *instrument; /* owned */
  guint8 descriptors[18 + 9 + 9 + 7 + 7 + 7];
  GMutex lock;
  UsbFault fault;
  GString *command;   /* received so far */
  GByteArray *reply;  /* not yet asked for */
  GQueue transmit;    /* of GByteArray: packets waiting for bulk IN */
  gboolean requested; /* a request for an answer is open */
  guint8 request_tag, last_tag;
  guint32 request_size;
  gboolean halted_out, halted_in, aborting;
  guint polls;
  guint violations, aborts, clears;
};

static void
set_16 (guint8 *bytes, guint16 value)
{
  bytes[0] = (guint8) value;
  bytes[1] = (guint8) (value >> 8);
}

static guint32
get_32 (const guint8 *bytes)
{
  return bytes[0] | (guint32) bytes[1] << 8 | (guint32) bytes[2] << 16 | (guint32) bytes[3] << 24;
}

static void
set_32 (guint8 *bytes, guint32 value)
{
  set_16 (bytes, (guint16) value);
  set_16 (bytes + 2, (guint16) (value >> 16));
}

static void
make_descriptors (UsbInstrument *self)
{
  static const guint8 template[sizeof self->descriptors] = {
    /* clang-format off */
    18, 1, 0x00, 0x02, 0, 0, 0, 64, 0x13, 0x13, 0, 0, 0x00, 0x01, 1, 2, 3, 1,
    9, 2, 39, 0, 1, 1, 0, 0xc0, 0,
    9, 4, 0, 0, 3, 0xfe, 3, 1, 0,
    7, 5, BULK_OUT, 2, PACKET & 255, PACKET >> 8, 0,
    7, 5, BULK_IN, 2, PACKET & 255, PACKET >> 8, 0,
    7, 5, 0x83, 3, 8, 0, 9,
    /* clang-format on */
  };

  memcpy (self->descriptors, template, sizeof template);
  set_16 (self->descriptors + 10, instrument_get_product (self->instrument));
}

UsbInstrument *
usb_instrument_new (Instrument *instrument)
{
  UsbInstrument *self = g_new0 (UsbInstrument, 1);

  self->instrument = instrument;
  g_mutex_init (&self->lock);
  self->command = g_string_new (NULL);
  self->reply = g_byte_array_new ();
  g_queue_init (&self->transmit);
  make_descriptors (self);
  return self;
}

static void
forget (UsbInstrument *self)
{
  g_string_truncate (self->command, 0);
  g_byte_array_set_size (self->reply, 0);
  g_queue_clear_full (&self->transmit, (GDestroyNotify) g_byte_array_unref);
  self->requested = FALSE;
  self->aborting = FALSE;
}

void
usb_instrument_free (UsbInstrument *self)
{
  if (self == NULL)
    return;
  forget (self);
  g_string_free (self->command, TRUE);
  g_byte_array_unref (self->reply);
  instrument_free (self->instrument);
  g_mutex_clear (&self->lock);
  g_free (self);
}

Instrument *
usb_instrument_get (UsbInstrument *self)
{
  return self->instrument;
}

const guint8 *
usb_instrument_get_descriptors (UsbInstrument *self, gsize *length)
{
  *length = sizeof self->descriptors;
  return self->descriptors;
}

void
usb_instrument_reset (UsbInstrument *self)
{
  g_mutex_lock (&self->lock);
  forget (self);
  self->halted_in = self->halted_out = FALSE;
  self->last_tag = 0;
  g_mutex_unlock (&self->lock);
}

/* --- Control ------------------------------------------------------------------------ */

static int
get_string (UsbInstrument *self, guint8 index, guint8 *out)
{
  const char *const strings[] = { NULL, "Thorlabs", instrument_get_model (self->instrument),
                                  instrument_get_serial (self->instrument) };
  gsize length;

  if (index == 0)
    {
      memcpy (out, "\x04\x03\x09\x04", 4);
      return 4;
    }
  if (index >= G_N_ELEMENTS (strings))
    return USB_INSTRUMENT_PIPE;
  length = MIN (strlen (strings[index]), 60);
  memset (out, 0, 2 + 2 * length);
  out[0] = (guint8) (2 + 2 * length);
  out[1] = 3;
  for (gsize i = 0; i < length; i++)
    out[2 + 2 * i] = (guint8) strings[index][i];
  return out[0];
}

static int
standard_request (UsbInstrument *self, const guint8 *setup, guint8 *out)
{
  if (setup[1] != 6)
    return setup[0] & 0x80 ? USB_INSTRUMENT_PIPE : 0;
  switch (setup[3])
    {
    case 1:
      memcpy (out, self->descriptors, 18);
      return 18;
    case 2:
      memcpy (out, self->descriptors + 18, sizeof self->descriptors - 18);
      return sizeof self->descriptors - 18;
    case 3:
      return get_string (self, setup[2], out);
    default:
      return USB_INSTRUMENT_PIPE;
    }
}

/* 4.2.1.4: what is under way ends in a short packet. */
static guint8
abort_in (UsbInstrument *self, guint8 tag)
{
  if (!self->requested && self->transmit.length == 0)
    return STATUS_FAILED;
  if (tag != self->request_tag)
    return STATUS_NOT_IN_PROGRESS;
  g_queue_clear_full (&self->transmit, (GDestroyNotify) g_byte_array_unref);
  g_queue_push_tail (&self->transmit, g_byte_array_new ());
  g_byte_array_set_size (self->reply, 0);
  self->requested = FALSE;
  self->aborting = TRUE;
  self->polls = 0;
  return STATUS_SUCCESS;
}

/* Each status request is answered with "pending" once. */
static guint8
poll_status (UsbInstrument *self)
{
  return self->polls++ == 0 ? STATUS_PENDING : STATUS_SUCCESS;
}

static int
class_request (UsbInstrument *self, const guint8 *setup, guint8 *out)
{
  memset (out, 0, 24);
  out[0] = STATUS_SUCCESS;
  switch (setup[1])
    {
    case INITIATE_ABORT_BULK_OUT:
      self->aborts++;
      self->polls = 0;
      g_string_truncate (self->command, 0);
      out[0] = setup[2] == self->last_tag ? STATUS_SUCCESS : STATUS_NOT_IN_PROGRESS;
      out[1] = self->last_tag;
      self->halted_out = out[0] == STATUS_SUCCESS;
      return 2;
    case INITIATE_ABORT_BULK_IN:
      self->aborts++;
      out[0] = abort_in (self, setup[2]);
      out[1] = self->request_tag;
      return 2;
    case CHECK_ABORT_BULK_OUT_STATUS:
      out[0] = poll_status (self);
      return 8;
    case CHECK_ABORT_BULK_IN_STATUS:
      out[0] = self->transmit.length > 0 ? STATUS_PENDING : poll_status (self);
      out[1] = self->transmit.length > 0;
      self->aborting = self->aborting && out[0] == STATUS_PENDING;
      return 8;
    case INITIATE_CLEAR:
      self->clears++;
      forget (self);
      self->polls = 0;
      self->halted_out = TRUE;
      return 1;
    case CHECK_CLEAR_STATUS:
      out[0] = poll_status (self);
      return 2;
    case GET_CAPABILITIES:
      set_16 (out + 2, 0x0100);
      out[5] = 1; /* ends answers at a TermChar */
      set_16 (out + 12, 0x0100);
      return 24;
    default:
      return USB_INSTRUMENT_PIPE;
    }
}

int
usb_instrument_control (UsbInstrument *self, const guint8 *setup, guint8 *data, int capacity)
{
  guint8 out[256];
  int length;

  g_mutex_lock (&self->lock);
  if ((setup[0] & 0x60) == 0)
    length = standard_request (self, setup, out);
  else
    length = self->fault == USB_FAULT_STALL_CONTROL || self->fault == USB_FAULT_MUTE_FOR_GOOD
                 ? USB_INSTRUMENT_PIPE
                 : class_request (self, setup, out);
  g_mutex_unlock (&self->lock);
  if (length < 0)
    return length;
  length = MIN (length, MIN (capacity, setup[6] | setup[7] << 8));
  memcpy (data, out, (gsize) length);
  return length;
}

/* --- Bulk OUT ------------------------------------------------------------------------- */

/* A violation halts the endpoint, as 3.2.2 wants. */
static int
halt_out (UsbInstrument *self)
{
  self->violations++;
  self->halted_out = TRUE;
  return USB_INSTRUMENT_PIPE;
}

static void
run_command (UsbInstrument *self)
{
  g_autofree char *answer = NULL;
  gsize length = self->command->len;

  /* The end of the message stands for the new line. */
  while (length > 0 && (self->command->str[length - 1] == '\n' || self->command->str[length - 1] == '\r'))
    length--;
  g_string_truncate (self->command, length);
  answer = instrument_execute (self->instrument, self->command->str);
  g_string_truncate (self->command, 0);
  g_byte_array_set_size (self->reply, 0);
  if (answer == NULL)
    return;
  g_byte_array_append (self->reply, (const guint8 *) answer, (guint) strlen (answer));
  g_byte_array_append (self->reply, (const guint8 *) "\n", 1);
}

static void
spoil (UsbInstrument *self, guint8 *header)
{
  switch (self->fault)
    {
    case USB_FAULT_WRONG_TAG:
      header[1] ^= 1;
      header[2] ^= 1;
      break;
    case USB_FAULT_WRONG_INVERSE:
      header[2] ^= 0x10;
      break;
    case USB_FAULT_WRONG_MESSAGE:
      header[0] = 7;
      break;
    case USB_FAULT_WRONG_SIZE:
      set_32 (header + 4, self->request_size + 1000);
      break;
    case USB_FAULT_NONE:
    case USB_FAULT_MUTE:
    case USB_FAULT_STALL_OUT:
    case USB_FAULT_STALL_IN:
    case USB_FAULT_STALL_CONTROL:
    case USB_FAULT_EMPTY_FIRST:
    case USB_FAULT_SPLIT:
    case USB_FAULT_SHORT:
    case USB_FAULT_MUTE_FOR_GOOD:
    case USB_FAULT_DEAF:
    default:
      return;
    }
  self->fault = USB_FAULT_NONE;
}

static void
queue_transfer (UsbInstrument *self, const guint8 *bytes, gsize length)
{
  gsize first = self->fault == USB_FAULT_SHORT && length > HEADER + 4 ? HEADER + 4 : length;

  for (gsize at = 0; at < length; at += first)
    {
      GByteArray *packet = g_byte_array_new ();

      g_byte_array_append (packet, bytes + at, (guint) MIN (first, length - at));
      g_queue_push_tail (&self->transmit, packet);
    }
}

/* Puts what was asked for on its way (3.3.1). */
static void
answer_request (UsbInstrument *self)
{
  g_autofree guint8 *transfer = NULL;
  gsize length;

  if (!self->requested || self->reply->len == 0 || self->fault == USB_FAULT_MUTE ||
      self->fault == USB_FAULT_MUTE_FOR_GOOD)
    return;
  length = MIN (self->reply->len, self->request_size);
  if (self->fault == USB_FAULT_SPLIT)
    length = MIN (length, SPLIT);
  transfer = g_malloc0 (HEADER + length + 3);
  transfer[0] = REQUEST_DEV_DEP_MSG_IN;
  transfer[1] = self->request_tag;
  transfer[2] = (guint8) ~self->request_tag;
  set_32 (transfer + 4, (guint32) length);
  transfer[8] = length == self->reply->len;
  memcpy (transfer + HEADER, self->reply->data, length);
  g_byte_array_remove_range (self->reply, 0, (guint) length);
  if (self->fault == USB_FAULT_EMPTY_FIRST)
    {
      g_queue_push_tail (&self->transmit, g_byte_array_new ());
      self->fault = USB_FAULT_NONE;
    }
  spoil (self, transfer);
  queue_transfer (self, transfer, (HEADER + length + 3) & ~(gsize) 3);
  self->requested = FALSE;
}

static int
take_message (UsbInstrument *self, const guint8 *data, gsize length)
{
  guint32 size = get_32 (data + 4);

  if (size == 0 || (HEADER + size + 3) / 4 * 4 != length || (data[8] & ~1) != 0)
    return halt_out (self);
  g_string_append_len (self->command, (const char *) data + HEADER, (gssize) size);
  if (data[8] & 1)
    run_command (self);
  return 0;
}

static int
take_request (UsbInstrument *self, const guint8 *data, gsize length)
{
  if (length != HEADER || get_32 (data + 4) == 0 || (data[8] & ~2) != 0 || self->requested)
    return halt_out (self);
  self->requested = TRUE;
  self->request_tag = data[1];
  self->request_size = get_32 (data + 4);
  answer_request (self);
  return 0;
}

int
usb_instrument_out (UsbInstrument *self, const guint8 *data, int length)
{
  int result;

  g_mutex_lock (&self->lock);
  if (self->fault == USB_FAULT_STALL_OUT)
    {
      self->fault = USB_FAULT_NONE;
      self->halted_out = TRUE;
    }
  if (self->halted_out)
    result = USB_INSTRUMENT_PIPE;
  else if (length < HEADER || (data[1] ^ data[2]) != 0xff || data[1] == 0 || data[1] == self->last_tag ||
           data[3] != 0 || data[10] != 0 || data[11] != 0 || self->aborting)
    result = halt_out (self);
  else
    {
      self->last_tag = data[1];
      if (data[0] == DEV_DEP_MSG_OUT)
        result = take_message (self, data, (gsize) length);
      else if (data[0] == REQUEST_DEV_DEP_MSG_IN)
        result = take_request (self, data, (gsize) length);
      else
        result = halt_out (self);
    }
  g_mutex_unlock (&self->lock);
  return result;
}

/* --- Bulk IN ---------------------------------------------------------------------------- */

int
usb_instrument_in (UsbInstrument *self, guint8 *data, int capacity)
{
  int result = USB_INSTRUMENT_NAK;
  GByteArray *packet;

  g_mutex_lock (&self->lock);
  if (self->fault == USB_FAULT_STALL_IN)
    {
      self->fault = USB_FAULT_NONE;
      self->halted_in = TRUE;
      g_queue_clear_full (&self->transmit, (GDestroyNotify) g_byte_array_unref);
      self->requested = FALSE;
    }
  answer_request (self);
  packet = self->halted_in ? NULL : g_queue_pop_head (&self->transmit);
  if (self->halted_in)
    result = USB_INSTRUMENT_PIPE;
  else if (packet != NULL)
    {
      result = MIN ((int) packet->len, capacity);
      if (result > 0)
        memcpy (data, packet->data, (gsize) result);
      g_byte_array_unref (packet);
    }
  g_mutex_unlock (&self->lock);
  return result;
}

void
usb_instrument_clear_halt (UsbInstrument *self, guint8 endpoint)
{
  g_mutex_lock (&self->lock);
  if (endpoint == BULK_IN)
    self->halted_in = FALSE;
  else if (endpoint == BULK_OUT)
    self->halted_out = FALSE;
  g_mutex_unlock (&self->lock);
}

/* --- For tests ------------------------------------------------------------------------------- */

void
usb_instrument_set_fault (UsbInstrument *self, UsbFault fault)
{
  g_mutex_lock (&self->lock);
  self->fault = fault;
  g_mutex_unlock (&self->lock);
}

static guint
get_count (UsbInstrument *self, const guint *count)
{
  guint value;

  g_mutex_lock (&self->lock);
  value = *count;
  g_mutex_unlock (&self->lock);
  return value;
}

guint
usb_instrument_get_violations (UsbInstrument *self)
{
  return get_count (self, &self->violations);
}

guint
usb_instrument_get_aborts (UsbInstrument *self)
{
  return get_count (self, &self->aborts);
}

guint
usb_instrument_get_clears (UsbInstrument *self)
{
  return get_count (self, &self->clears);
}

gboolean
usb_instrument_is_deaf (UsbInstrument *self)
{
  gboolean deaf;

  g_mutex_lock (&self->lock);
  deaf = self->fault == USB_FAULT_DEAF;
  g_mutex_unlock (&self->lock);
  return deaf;
}
