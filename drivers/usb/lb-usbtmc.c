/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-usbtmc.h"

#include <string.h>

#include <glib/gi18n-lib.h>

#include "lb-usbtmc-message.h"

/*
 * "Universal Serial Bus Test and Measurement Class Specification (USBTMC)" 1.0:
 * 3.2, 3.3 bulk transfers, 4.2.1 requests.
 */

#define CLASS 0xfe
#define SUBCLASS 3

/* bmRequestType: class request from an interface or an endpoint, and bRequest. */
#define FROM_INTERFACE 0xa1
#define FROM_ENDPOINT 0xa2
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
  STATUS_SUCCESS = 0x01,
  STATUS_PENDING = 0x02,
};

#define CHUNK_OUT 4096
#define CHUNK_IN 4096
#define ANSWER_MAX (1024 * 1024)
/* All of a recovery, and the pause between two questions for its status. */
#define RECOVERY_US (100 * 1000)
#define POLL_US 2000
#define CLAIM_WAIT_US (2 * G_USEC_PER_SEC)
#define CLAIM_POLL_US (20 * 1000)
/* For an instrument that still takes messages a moment is enough. */
#define LAST_WORDS_US (20 * 1000)
/* An instrument that sends so many transfers without a byte in them is broken. */
#define EMPTY_MAX 16

struct _LbUsbtmc
{
  LbUsbHandle *handle;
  LbUsbInterface interface;
  guint8 tag; /* of the last transfer */
  gboolean has_term_char;
  gboolean dirty; /* has to be cleared before anything else */
  guint32 chunk_out, chunk_in;
  guint8 *buffer; /* of a transfer from the instrument */
  gsize capacity;
};

/* --- Open and close ------------------------------------------------------------------ */

/* Reads are of whole packets, or a device that sends too much would spoil them:
 * so there is room for a packet more than for the transfer. */
static void
set_chunk_in (LbUsbtmc *self, guint32 in)
{
  self->chunk_in = in;
  self->capacity = LB_USBTMC_TRANSFER (in) + 2 * (gsize) self->interface.packet;
  self->buffer = g_realloc (self->buffer, self->capacity);
}

/* How much can be read behind @have bytes. */
static gsize
get_room (LbUsbtmc *self, gsize have)
{
  return (self->capacity - have) / self->interface.packet * self->interface.packet;
}

static gboolean
request (LbUsbtmc *self,
         guint8 request_type,
         guint8 code,
         guint16 value,
         guint16 index,
         guint8 *data,
         guint16 length,
         const LbUsbCall *call,
         GError **error)
{
  gsize done;

  memset (data, 0, length);
  return lb_usb_control_in (self->handle, request_type, code, value, index, data, length, &done, call,
                            error) == LB_USB_DONE;
}

/* A program that was killed may hold it a moment longer, and lightbench-light until it
 * has switched the light off. */
static gboolean
claim (LbUsbtmc *self, const LbUsbCall *call, GError **error)
{
  gint64 until_us = g_get_monotonic_time () + CLAIM_WAIT_US;

  if (call->deadline_us >= 0)
    until_us = MIN (until_us, call->deadline_us);
  for (;;)
    {
      g_autoptr (GError) local_error = NULL;

      if (lb_usb_claim (self->handle, self->interface.number, &local_error))
        return TRUE;
      if (!g_error_matches (local_error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_BUSY) ||
          g_get_monotonic_time () + CLAIM_POLL_US > until_us ||
          g_cancellable_is_cancelled (call->cancellable))
        {
          g_propagate_error (error, g_steal_pointer (&local_error));
          return FALSE;
        }
      g_usleep (CLAIM_POLL_US);
    }
}

static gboolean
set_up (LbUsbtmc *self, const LbUsbCall *call, GError **error)
{
  guint8 capabilities[24];

  if (!lb_usb_find_interface (self->handle, CLASS, SUBCLASS, &self->interface) ||
      self->interface.bulk_in == 0 || self->interface.bulk_out == 0 || self->interface.packet == 0)
    {
      g_set_error_literal (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_PROTOCOL,
                           _ ("open: the device is no USBTMC instrument in the firmware mode that it is in"));
      return FALSE;
    }
  if (!claim (self, call, error) ||
      !request (self, FROM_INTERFACE, GET_CAPABILITIES, 0, (guint16) self->interface.number, capabilities,
                sizeof capabilities, call, error))
    return FALSE;
  self->has_term_char = (capabilities[5] & 1) != 0;
  set_chunk_in (self, CHUNK_IN);
  /* Whoever had it before may have left half a message. */
  return lb_usbtmc_clear (self, call, error);
}

LbUsbtmc *
lb_usbtmc_open (
    guint16 vendor, const guint16 products[2], const char *serial, const LbUsbCall *call, GError **error)
{
  LbUsbHandle *handle = lb_usb_open (vendor, products, serial, error);
  LbUsbtmc *self;

  if (handle == NULL)
    return NULL;
  self = g_new0 (LbUsbtmc, 1);
  self->handle = handle;
  self->chunk_out = CHUNK_OUT;
  if (set_up (self, call, error))
    return self;
  lb_usbtmc_close (self);
  return NULL;
}

void
lb_usbtmc_close (LbUsbtmc *self)
{
  if (self == NULL)
    return;
  lb_usb_close (self->handle);
  g_free (self->buffer);
  g_free (self);
}

gboolean
lb_usbtmc_is_gone (LbUsbtmc *self)
{
  return lb_usb_is_gone (self->handle);
}

void
lb_usbtmc_set_chunk (LbUsbtmc *self, guint32 out, guint32 in)
{
  self->chunk_out = out;
  set_chunk_in (self, in);
}

/* --- Recovery ------------------------------------------------------------------------- */

/* Reads what the instrument still sends, until a short packet. */
static void
drain (LbUsbtmc *self, const LbUsbCall *call)
{
  gsize done;

  do
    if (lb_usb_bulk (self->handle, self->interface.bulk_in, self->buffer, get_room (self, 0), &done, call,
                     NULL) != LB_USB_DONE)
      return;
  while (done == get_room (self, 0));
}

/* Until the request that was begun is no longer pending. @drains: the second byte
 * of a status tells that there is still something to read. */
static gboolean
poll_status (LbUsbtmc *self,
             guint8 request_type,
             guint8 check,
             guint16 index,
             guint16 length,
             gboolean drains,
             const LbUsbCall *call,
             GError **error)
{
  guint8 status[8];

  for (;;)
    {
      if (!request (self, request_type, check, 0, index, status, length, call, error))
        return FALSE;
      if (status[0] != STATUS_PENDING)
        return status[0] == STATUS_SUCCESS;
      if (call->deadline_us >= 0 && g_get_monotonic_time () >= call->deadline_us)
        return FALSE;
      if (drains && (status[1] & 1))
        drain (self, call);
      else
        g_usleep (POLL_US);
    }
}

static gboolean
clear (LbUsbtmc *self, const LbUsbCall *call, GError **error)
{
  guint16 index = (guint16) self->interface.number;
  guint8 status[1];

  if (!request (self, FROM_INTERFACE, INITIATE_CLEAR, 0, index, status, sizeof status, call, error) ||
      status[0] != STATUS_SUCCESS ||
      !poll_status (self, FROM_INTERFACE, CHECK_CLEAR_STATUS, index, 2, TRUE, call, error))
    return FALSE;
  return lb_usb_clear_halt (self->handle, self->interface.bulk_out, error) &&
         lb_usb_clear_halt (self->handle, self->interface.bulk_in, error);
}

gboolean
lb_usbtmc_clear (LbUsbtmc *self, const LbUsbCall *call, GError **error)
{
  g_autoptr (GError) local_error = NULL;

  self->dirty = !clear (self, call, &local_error);
  if (!self->dirty)
    return TRUE;
  if (local_error != NULL)
    g_propagate_error (error, g_steal_pointer (&local_error));
  else
    g_set_error_literal (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_FAULTED,
                         _ ("the instrument cannot be cleared; switch it off and on again"));
  return FALSE;
}

static gboolean
abort_in (LbUsbtmc *self, guint8 tag, const LbUsbCall *call)
{
  guint16 index = self->interface.bulk_in;
  guint8 status[2];

  if (!request (self, FROM_ENDPOINT, INITIATE_ABORT_BULK_IN, tag, index, status, sizeof status, call, NULL))
    return FALSE;
  if (status[0] != STATUS_SUCCESS)
    return FALSE;
  drain (self, call);
  return poll_status (self, FROM_ENDPOINT, CHECK_ABORT_BULK_IN_STATUS, index, 8, TRUE, call, NULL);
}

static gboolean
abort_out (LbUsbtmc *self, const LbUsbCall *call)
{
  guint16 index = self->interface.bulk_out;
  guint8 status[2];

  return request (self, FROM_ENDPOINT, INITIATE_ABORT_BULK_OUT, self->tag, index, status, sizeof status, call,
                  NULL) &&
         status[0] == STATUS_SUCCESS &&
         poll_status (self, FROM_ENDPOINT, CHECK_ABORT_BULK_OUT_STATUS, index, 8, FALSE, call, NULL) &&
         lb_usb_clear_halt (self->handle, self->interface.bulk_out, NULL);
}

void
lb_usbtmc_shout (LbUsbtmc *self, const char *text, gint64 within_us)
{
  const LbUsbCall call = { .deadline_us = g_get_monotonic_time () + within_us };
  g_autofree char *message = g_strconcat (text, "\n", NULL);
  guint32 length = (guint32) strlen (message);
  g_autofree guint8 *transfer = g_malloc (LB_USBTMC_TRANSFER (length));
  gsize whole, done;

  if (lb_usb_is_gone (self->handle) || lb_usb_is_stuck (self->handle))
    return;
  self->tag = lb_usbtmc_next_tag (self->tag);
  whole = lb_usbtmc_encode_out (self->tag, (const guint8 *) message, length, TRUE, transfer);
  if (lb_usb_bulk (self->handle, self->interface.bulk_out, transfer, whole, &done, &call, NULL) !=
      LB_USB_DONE)
    self->dirty = TRUE;
}

/* After a transfer that did not end well: the transfer is aborted if it was given
 * up on our side. If that does not help, or the instrument gave it up, it is
 * cleared; also after writing, because a request that did arrive would have its
 * answer taken for that of the next one. What there is no time for is left to the
 * next call. */
static void
recover (LbUsbtmc *self, guint8 endpoint, LbUsbResult result, const LbUsbCall *failed)
{
  gint64 soon_us = g_get_monotonic_time () + RECOVERY_US;
  gboolean given_up = result == LB_USB_TIMEOUT || result == LB_USB_CANCELLED;
  guint8 tag = self->tag;
  const LbUsbCall call = { NULL, given_up ? soon_us : MAX (failed->deadline_us, soon_us), NULL };

  if (result == LB_USB_TIMEOUT && endpoint == self->interface.bulk_in && failed->last_words != NULL)
    lb_usbtmc_shout (self, failed->last_words, LAST_WORDS_US);
  self->dirty = TRUE;
  if (lb_usb_is_gone (self->handle) || lb_usb_is_stuck (self->handle))
    return;
  if (given_up && endpoint == self->interface.bulk_in && abort_in (self, tag, &call))
    self->dirty = FALSE;
  else if (given_up && endpoint == self->interface.bulk_out)
    abort_out (self, &call);
  else if (!given_up)
    lb_usb_clear_halt (self->handle, endpoint, NULL);
  self->dirty = self->dirty && !clear (self, &call, NULL);
}

static gboolean
check (LbUsbtmc *self, const LbUsbCall *call, GError **error)
{
  if (lb_usb_is_gone (self->handle))
    g_set_error_literal (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_ABSENT,
                         _ ("the instrument was unplugged or switched off; plug it in and connect again"));
  else if (!self->dirty || (!lb_usb_is_stuck (self->handle) && lb_usbtmc_clear (self, call, NULL)))
    return TRUE;
  else if (lb_usb_is_gone (self->handle))
    return check (self, call, error);
  else
    g_set_error_literal (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_FAULTED,
                         _ ("the instrument does not answer any more; switch it off and on again, then "
                            "connect again"));
  return FALSE;
}

/* What is left for one message and its answer. */
static LbUsbCall
begin_message (const LbUsbCall *call)
{
  LbUsbCall message = *call;
  gint64 end_us = g_get_monotonic_time () + call->answer_us;

  if (call->answer_us > 0)
    message.deadline_us = call->deadline_us >= 0 ? MIN (call->deadline_us, end_us) : end_us;
  message.answer_us = 0;
  return message;
}

/* --- Messages -------------------------------------------------------------------------- */

static gboolean
send (LbUsbtmc *self, guint8 *transfer, gsize length, const LbUsbCall *call, GError **error)
{
  gsize done;
  LbUsbResult result =
      lb_usb_bulk (self->handle, self->interface.bulk_out, transfer, length, &done, call, error);

  if (result != LB_USB_DONE)
    recover (self, self->interface.bulk_out, result, call);
  return result == LB_USB_DONE;
}

gboolean
lb_usbtmc_write (LbUsbtmc *self, const char *text, const LbUsbCall *call, GError **error)
{
  const LbUsbCall limited = begin_message (call);
  g_autofree char *message = g_strconcat (text, "\n", NULL);
  gsize left = strlen (message);
  g_autofree guint8 *transfer = g_malloc (LB_USBTMC_TRANSFER (MIN (left, self->chunk_out)));
  const guint8 *from = (const guint8 *) message;

  if (!check (self, &limited, error))
    return FALSE;
  while (left > 0)
    {
      guint32 length = (guint32) MIN (left, self->chunk_out);
      gsize whole;

      self->tag = lb_usbtmc_next_tag (self->tag);
      whole = lb_usbtmc_encode_out (self->tag, from, length, length == left, transfer);
      if (!send (self, transfer, whole, &limited, error))
        {
          g_prefix_error (error, "%s: ", text);
          return FALSE;
        }
      from += length;
      left -= length;
    }
  return TRUE;
}

static gboolean
request_answer (LbUsbtmc *self, const LbUsbCall *call, GError **error)
{
  guint8 transfer[LB_USBTMC_HEADER];

  self->tag = lb_usbtmc_next_tag (self->tag);
  lb_usbtmc_encode_request (self->tag, self->chunk_in, self->has_term_char ? '\n' : -1, transfer);
  return send (self, transfer, sizeof transfer, call, error);
}

static gboolean
bad_answer (LbUsbtmc *self, const char *why, const LbUsbCall *call, GError **error)
{
  recover (self, self->interface.bulk_in, LB_USB_FAILED, call);
  g_set_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_PROTOCOL, _ ("the answer makes no sense: %s"),
               _ (why));
  return FALSE;
}

/* Reads on to *@have until @want bytes are there. Zero-length packets and packets
 * that are shorter than they could be may come in between. */
static gboolean
read_on (LbUsbtmc *self, gsize *have, gsize want, const LbUsbCall *call, GError **error)
{
  for (guint empty = 0; *have < want;)
    {
      gsize done;
      LbUsbResult result = lb_usb_bulk (self->handle, self->interface.bulk_in, self->buffer + *have,
                                        get_room (self, *have), &done, call, error);

      if (result != LB_USB_DONE)
        {
          recover (self, self->interface.bulk_in, result, call);
          return FALSE;
        }
      if (done == 0 && ++empty > EMPTY_MAX)
        return bad_answer (self, N_ ("it is empty"), call, error);
      *have += done;
    }
  return TRUE;
}

/* One transfer of an answer, appended to @text. */
static gboolean
read_transfer (LbUsbtmc *self, GString *text, gboolean *end, const LbUsbCall *call, GError **error)
{
  LbUsbtmcAnswer answer = { 0 };
  const char *wrong;
  gsize have = 0;

  if (!request_answer (self, call, error) || !read_on (self, &have, LB_USBTMC_HEADER, call, error))
    return FALSE;
  wrong = lb_usbtmc_decode_in (self->buffer, have, self->tag, self->chunk_in, &answer);
  if (wrong == NULL && answer.size == 0 && !answer.end)
    wrong = N_ ("it is empty");
  if (wrong == NULL && text->len + answer.size > ANSWER_MAX)
    wrong = N_ ("it is too long");
  if (wrong != NULL)
    return bad_answer (self, wrong, call, error);
  if (!read_on (self, &have, LB_USBTMC_HEADER + (gsize) answer.size, call, error))
    return FALSE;
  if (memchr (self->buffer + LB_USBTMC_HEADER, 0, answer.size) != NULL)
    return bad_answer (self, N_ ("it is not text"), call, error);
  g_string_append_len (text, (const char *) self->buffer + LB_USBTMC_HEADER, (gssize) answer.size);
  *end = answer.end || answer.term;
  return TRUE;
}

char *
lb_usbtmc_query (LbUsbtmc *self, const char *text, const LbUsbCall *call, GError **error)
{
  const LbUsbCall message = begin_message (call);
  g_autoptr (GString) answer = NULL;
  gboolean end = FALSE;

  if (!lb_usbtmc_write (self, text, &message, error))
    return NULL;
  answer = g_string_new (NULL);
  while (!end)
    if (!read_transfer (self, answer, &end, &message, error))
      {
        g_prefix_error (error, "%s: ", text);
        return NULL;
      }
  return g_strchomp (g_string_free (g_steal_pointer (&answer), FALSE));
}
