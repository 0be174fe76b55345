/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "usb-redir.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Types of packets, section by section of the protocol's description. */
enum
{
  HELLO = 0,
  DEVICE_CONNECT = 1,
  RESET = 3,
  INTERFACE_INFO = 4,
  EP_INFO = 5,
  SET_CONFIGURATION = 6,
  GET_CONFIGURATION = 7,
  CONFIGURATION_STATUS = 8,
  SET_ALT_SETTING = 9,
  GET_ALT_SETTING = 10,
  ALT_SETTING_STATUS = 11,
  START_INTERRUPT_RECEIVING = 15,
  STOP_INTERRUPT_RECEIVING = 16,
  INTERRUPT_RECEIVING_STATUS = 17,
  CANCEL_DATA_PACKET = 21,
  CONTROL_PACKET = 100,
  BULK_PACKET = 101,
};

enum
{
  STATUS_SUCCESS = 0,
  STATUS_CANCELLED = 1,
  STATUS_STALL = 4,
};

/* Bits of the capabilities. */
#define CAP_CONNECT_DEVICE_VERSION (1u << 1)
#define CAP_EP_INFO_MAX_PACKET_SIZE (1u << 4)
#define CAP_64BITS_IDS (1u << 5)
#define CAP_32BITS_BULK_LENGTH (1u << 6)
#define CAPS                                                                                                 \
  (CAP_CONNECT_DEVICE_VERSION | CAP_EP_INFO_MAX_PACKET_SIZE | CAP_64BITS_IDS | CAP_32BITS_BULK_LENGTH)

#define TRANSFER_MAX (1 << 20)
#define N_ENDPOINTS 32

/* A bulk IN that the machine waits for. */
typedef struct
{
  guint64 id;
  guint8 endpoint;
  int length;
} Pending;

struct _UsbRedir
{
  const UsbRedirDevice *ops;
  gpointer device;
  char *path;
  int fd;            /* -1: not plugged in */
  gboolean wide;     /* ids of 64 bits */
  GByteArray *input; /* not yet a whole packet */
  GArray *pending;   /* of Pending, oldest first */
  guint8 alternate[256];
  guint8 *buffer;
};

/* --- Bytes ------------------------------------------------------------------------------- */

static void
put (GByteArray *out, guint64 value, guint bytes)
{
  for (guint i = 0; i < bytes; i++)
    {
      guint8 byte = (guint8) (value >> 8 * i);

      g_byte_array_append (out, &byte, 1);
    }
}

static guint64
get (const guint8 *data, guint bytes)
{
  guint64 value = 0;

  for (guint i = 0; i < bytes; i++)
    value |= (guint64) data[i] << 8 * i;
  return value;
}

static void
send_all (UsbRedir *self, const guint8 *data, gsize length)
{
  while (self->fd >= 0 && length > 0)
    {
      ssize_t sent = send (self->fd, data, length, MSG_NOSIGNAL);

      if (sent < 0 && errno == EINTR)
        continue;
      if (sent <= 0)
        {
          usb_redir_unplug (self);
          return;
        }
      data += sent;
      length -= (gsize) sent;
    }
}

static void
send_packet (UsbRedir *self, guint type, guint64 id, const GByteArray *body, const guint8 *data, gsize length)
{
  g_autoptr (GByteArray) header = g_byte_array_new ();

  put (header, type, 4);
  put (header, body->len + length, 4);
  put (header, id, self->wide ? 8 : 4);
  g_byte_array_append (header, body->data, body->len);
  send_all (self, header->data, header->len);
  send_all (self, data, length);
}

/* --- Plugging in ------------------------------------------------------------------------------ */

UsbRedir *
usb_redir_new (const UsbRedirDevice *ops, gpointer device, const char *socket_path)
{
  UsbRedir *self = g_new0 (UsbRedir, 1);

  self->ops = ops;
  self->device = device;
  self->path = g_strdup (socket_path);
  self->fd = -1;
  self->input = g_byte_array_new ();
  self->pending = g_array_new (FALSE, FALSE, sizeof (Pending));
  self->buffer = g_malloc (TRANSFER_MAX);
  return self;
}

void
usb_redir_free (UsbRedir *self)
{
  usb_redir_unplug (self);
  g_byte_array_unref (self->input);
  g_array_unref (self->pending);
  g_free (self->buffer);
  g_free (self->path);
  g_free (self);
}

gboolean
usb_redir_plug (UsbRedir *self)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  g_autoptr (GByteArray) hello = g_byte_array_new ();
  guint8 version[64] = "lightbench";

  if (self->fd >= 0)
    return TRUE;
  g_strlcpy (address.sun_path, self->path, sizeof address.sun_path);
  self->fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connect (self->fd, (struct sockaddr *) &address, sizeof address) != 0)
    {
      close (self->fd);
      self->fd = -1;
      return FALSE;
    }
  self->wide = FALSE;
  memset (self->alternate, 0, sizeof self->alternate);
  self->ops->reset (self->device);
  g_byte_array_append (hello, version, sizeof version);
  put (hello, CAPS, 4);
  send_packet (self, HELLO, 0, hello, NULL, 0);
  return self->fd >= 0;
}

void
usb_redir_unplug (UsbRedir *self)
{
  if (self->fd >= 0)
    close (self->fd);
  self->fd = -1;
  g_byte_array_set_size (self->input, 0);
  g_array_set_size (self->pending, 0);
}

gboolean
usb_redir_is_plugged (UsbRedir *self)
{
  return self->fd >= 0;
}

/* --- Descriptions -------------------------------------------------------------------------------- */

typedef struct
{
  guint8 numbers[N_ENDPOINTS], classes[N_ENDPOINTS], subclasses[N_ENDPOINTS], protocols[N_ENDPOINTS];
  guint n_interfaces;
  guint8 types[N_ENDPOINTS], intervals[N_ENDPOINTS], interfaces[N_ENDPOINTS];
  guint16 sizes[N_ENDPOINTS];
} Description;

static guint
endpoint_index (guint8 address)
{
  return (address & 15u) + (address & 0x80 ? 16 : 0);
}

static void
describe_one (Description *out, const guint8 *d, guint8 *interface)
{
  guint index;

  if (d[1] == 4)
    {
      *interface = d[2];
      if (d[3] != 0)
        return;
      out->numbers[out->n_interfaces] = d[2];
      out->classes[out->n_interfaces] = d[5];
      out->subclasses[out->n_interfaces] = d[6];
      out->protocols[out->n_interfaces++] = d[7];
    }
  else if (d[1] == 5)
    {
      index = endpoint_index (d[2]);
      out->types[index] = d[3] & 3;
      out->intervals[index] = d[6];
      out->interfaces[index] = *interface;
      out->sizes[index] = (guint16) get (d + 4, 2);
    }
}

static void
describe (UsbRedir *self, Description *out)
{
  gsize length;
  const guint8 *descriptors = self->ops->get_descriptors (self->device, &length);
  guint8 interface = 0;

  memset (out, 0, sizeof *out);
  memset (out->types, 0xff, sizeof out->types);
  out->types[0] = out->types[16] = 0;
  out->sizes[0] = out->sizes[16] = 64;
  for (gsize at = descriptors[0]; at + 2 <= length && descriptors[at] >= 2; at += descriptors[at])
    describe_one (out, descriptors + at, &interface);
}

/* Interfaces, endpoints, and then the device itself. */
static void
introduce (UsbRedir *self)
{
  g_autoptr (GByteArray) interfaces = g_byte_array_new ();
  g_autoptr (GByteArray) endpoints = g_byte_array_new ();
  g_autoptr (GByteArray) connection = g_byte_array_new ();
  gsize length;
  const guint8 *device = self->ops->get_descriptors (self->device, &length);
  Description d;

  describe (self, &d);
  put (interfaces, d.n_interfaces, 4);
  g_byte_array_append (interfaces, d.numbers, sizeof d.numbers);
  g_byte_array_append (interfaces, d.classes, sizeof d.classes);
  g_byte_array_append (interfaces, d.subclasses, sizeof d.subclasses);
  g_byte_array_append (interfaces, d.protocols, sizeof d.protocols);
  send_packet (self, INTERFACE_INFO, 0, interfaces, NULL, 0);
  g_byte_array_append (endpoints, d.types, sizeof d.types);
  g_byte_array_append (endpoints, d.intervals, sizeof d.intervals);
  g_byte_array_append (endpoints, d.interfaces, sizeof d.interfaces);
  for (guint i = 0; i < N_ENDPOINTS; i++)
    put (endpoints, d.sizes[i], 2);
  send_packet (self, EP_INFO, 0, endpoints, NULL, 0);
  /* High speed; class, subclass, protocol; vendor, product, version. */
  put (connection, 2, 1);
  g_byte_array_append (connection, device + 4, 3);
  g_byte_array_append (connection, device + 8, 6);
  send_packet (self, DEVICE_CONNECT, 0, connection, NULL, 0);
}

/* --- Transfers ------------------------------------------------------------------------------------- */

static void
answer_bulk (UsbRedir *self, guint64 id, guint8 endpoint, guint8 status, const guint8 *data, int length)
{
  g_autoptr (GByteArray) body = g_byte_array_new ();

  put (body, endpoint, 1);
  put (body, status, 1);
  put (body, (guint) length & 0xffff, 2);
  put (body, 0, 4);
  put (body, (guint) length >> 16, 2);
  send_packet (self, BULK_PACKET, id, body, data, data != NULL ? (gsize) length : 0);
}

static void
handle_bulk (UsbRedir *self, guint64 id, const guint8 *body, gsize length)
{
  guint8 endpoint = body[0];
  int wanted = (int) (get (body + 2, 2) | get (body + 8, 2) << 16);

  if (endpoint & 0x80)
    {
      const Pending pending = { id, endpoint, MIN (wanted, TRANSFER_MAX) };

      g_array_append_val (self->pending, pending);
      return;
    }
  if (self->ops->bulk_out (self->device, endpoint, body + 10, (int) length - 10) < 0)
    answer_bulk (self, id, endpoint, STATUS_STALL, NULL, 0);
  else
    answer_bulk (self, id, endpoint, STATUS_SUCCESS, NULL, wanted);
}

/* The request's own status byte is not initialised by QEMU: it is not echoed. */
static void
handle_control (UsbRedir *self, guint64 id, const guint8 *body, gsize length)
{
  gboolean in = (body[2] & 0x80) != 0;
  const guint8 setup[8] = { body[2], body[1], body[4], body[5], body[6], body[7], body[8], body[9] };
  int wanted = (int) get (body + 8, 2), got;
  g_autoptr (GByteArray) answer = g_byte_array_new ();

  memcpy (self->buffer, body + 10, length - 10);
  got = self->ops->control (self->device, setup, self->buffer, wanted);
  if (!in && got >= 0)
    got = wanted;
  g_byte_array_append (answer, body, 3);
  put (answer, got < 0 ? STATUS_STALL : STATUS_SUCCESS, 1);
  g_byte_array_append (answer, body + 4, 4);
  put (answer, (guint) MAX (got, 0), 2);
  send_packet (self, CONTROL_PACKET, id, answer, self->buffer, in ? (gsize) MAX (got, 0) : 0);
}

static void
handle_cancel (UsbRedir *self, guint64 id)
{
  for (guint i = 0; i < self->pending->len; i++)
    {
      Pending pending = g_array_index (self->pending, Pending, i);

      if (pending.id != id)
        continue;
      g_array_remove_index (self->pending, i);
      answer_bulk (self, id, pending.endpoint, STATUS_CANCELLED, NULL, 0);
      return;
    }
}

static void
answer_bytes (UsbRedir *self, guint type, guint64 id, const guint8 *data, guint length)
{
  g_autoptr (GByteArray) body = g_byte_array_new ();

  g_byte_array_append (body, data, length);
  send_packet (self, type, id, body, NULL, 0);
}

static void
handle_packet (UsbRedir *self, guint type, guint64 id, const guint8 *body, gsize length)
{
  switch (type)
    {
    case HELLO:
      self->wide = length >= 68 && (get (body + 64, 4) & CAP_64BITS_IDS) != 0;
      introduce (self);
      break;
    case SET_CONFIGURATION:
      answer_bytes (self, CONFIGURATION_STATUS, id, (const guint8[]){ STATUS_SUCCESS, body[0] }, 2);
      break;
    case GET_CONFIGURATION:
      answer_bytes (self, CONFIGURATION_STATUS, id, (const guint8[]){ STATUS_SUCCESS, 1 }, 2);
      break;
    case SET_ALT_SETTING:
      self->alternate[body[0]] = body[1];
      G_GNUC_FALLTHROUGH;
    case GET_ALT_SETTING:
      answer_bytes (self, ALT_SETTING_STATUS, id,
                    (const guint8[]){ STATUS_SUCCESS, body[0], self->alternate[body[0]] }, 3);
      break;
    case START_INTERRUPT_RECEIVING:
    case STOP_INTERRUPT_RECEIVING:
      answer_bytes (self, INTERRUPT_RECEIVING_STATUS, id, (const guint8[]){ STATUS_SUCCESS, body[0] }, 2);
      break;
    case CANCEL_DATA_PACKET:
      handle_cancel (self, id);
      break;
    case CONTROL_PACKET:
      handle_control (self, id, body, length);
      break;
    case BULK_PACKET:
      handle_bulk (self, id, body, length);
      break;
    case RESET:
      self->ops->reset (self->device);
      break;
    default:
      break;
    }
}

/* Whole packets only. */
static void
handle_input (UsbRedir *self)
{
  gsize at = 0;

  while (self->fd >= 0)
    {
      gsize header = self->wide ? 16 : 12;
      const guint8 *packet = self->input->data + at;
      gsize length;

      if (self->input->len < at + header)
        break;
      length = get (packet + 4, 4);
      if (self->input->len < at + header + length)
        break;
      handle_packet (self, (guint) get (packet, 4), get (packet + 8, self->wide ? 8 : 4), packet + header,
                     length);
      at += header + length;
    }
  if (self->fd >= 0)
    g_byte_array_remove_range (self->input, 0, (guint) at);
}

/* What the machine waits for, oldest first at each endpoint. */
static void
serve_pending (UsbRedir *self)
{
  guint32 busy = 0;
  guint i = 0;

  while (self->fd >= 0 && i < self->pending->len)
    {
      Pending pending = g_array_index (self->pending, Pending, i);
      guint32 bit = 1u << (pending.endpoint & 15);
      int got = USB_REDIR_NAK;

      if (!(busy & bit))
        got = self->ops->bulk_in (self->device, pending.endpoint, self->buffer, pending.length);
      if (got == USB_REDIR_NAK)
        {
          busy |= bit;
          i++;
          continue;
        }
      g_array_remove_index (self->pending, i);
      answer_bulk (self, pending.id, pending.endpoint, got < 0 ? STATUS_STALL : STATUS_SUCCESS, self->buffer,
                   MAX (got, 0));
    }
}

gboolean
usb_redir_turn (UsbRedir *self, int wait_ms)
{
  struct pollfd poller = { self->fd, POLLIN, 0 };
  ssize_t got;

  if (poll (&poller, self->fd >= 0 ? 1 : 0, wait_ms) > 0)
    {
      got = recv (self->fd, self->buffer, TRANSFER_MAX, 0);
      if (got <= 0)
        return FALSE;
      g_byte_array_append (self->input, self->buffer, (guint) got);
      handle_input (self);
    }
  serve_pending (self);
  return TRUE;
}
