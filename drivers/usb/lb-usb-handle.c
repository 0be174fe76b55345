/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-usb-bus-private.h"

#include <string.h>

#include <glib/gi18n-lib.h>

#include "lb-usb-models.h"

/* Opening, claiming, transfers. */

#define DEFAULT_US (5 * G_USEC_PER_SEC)
/* How long a cancelled transfer may take to come back. */
#define GIVE_UP_US (100 * 1000)
/* How often a wait looks around. */
#define LOOK_US (50 * 1000)

LbUsbHandle *
lb_usb_handle_ref (LbUsbHandle *self)
{
  g_atomic_ref_count_inc (&self->references);
  return self;
}

void
lb_usb_handle_unref (LbUsbHandle *self)
{
  if (!g_atomic_ref_count_dec (&self->references))
    return;
  libusb_close (self->handle);
  libusb_unref_device (self->device);
  lb_usb_bus_release (self->bus);
  g_free (self->label);
  g_free (self);
}

static LbDeviceError
get_device_code (int code)
{
  switch (code)
    {
    case LIBUSB_ERROR_NO_DEVICE:
    case LIBUSB_ERROR_NOT_FOUND:
      return LB_DEVICE_ERROR_ABSENT;
    case LIBUSB_ERROR_ACCESS:
      return LB_DEVICE_ERROR_ACCESS;
    case LIBUSB_ERROR_BUSY:
      return LB_DEVICE_ERROR_BUSY;
    case LIBUSB_ERROR_TIMEOUT:
      return LB_DEVICE_ERROR_TIMEOUT;
    case LIBUSB_ERROR_PIPE:
    case LIBUSB_ERROR_OVERFLOW:
      return LB_DEVICE_ERROR_PROTOCOL;
    default:
      return LB_DEVICE_ERROR_FAULTED;
    }
}

LbUsbResult
lb_usb_set_error (LbUsbHandle *self, const char *what, int code, GError **error)
{
  LbDeviceError device_code = get_device_code (code);

  if (device_code == LB_DEVICE_ERROR_ABSENT)
    {
      g_atomic_int_set (&self->gone, TRUE);
      g_set_error (error, LB_DEVICE_ERROR, device_code,
                   _ ("%s: %s was unplugged or switched off; plug it in and connect again"), what,
                   self->label);
      return LB_USB_GONE;
    }
  g_set_error (error, LB_DEVICE_ERROR, device_code, _ ("%s: %s: %s"), what, self->label,
               libusb_strerror (code));
  return code == LIBUSB_ERROR_PIPE ? LB_USB_STALL : LB_USB_FAILED;
}

/* --- Opening ------------------------------------------------------------------------- */

static gboolean
is_wanted (
    libusb_device *device, guint16 vendor, const guint16 products[2], const char *serial, GPtrArray *entries)
{
  struct libusb_device_descriptor descriptor;

  if (libusb_get_device_descriptor (device, &descriptor) != 0 || descriptor.idVendor != vendor ||
      (descriptor.idProduct != products[0] && (products[1] == 0 || descriptor.idProduct != products[1])))
    return FALSE;
  for (guint i = 0; i < entries->len; i++)
    {
      const LbUsbEntry *entry = g_ptr_array_index (entries, i);

      if (entry->bus == libusb_get_bus_number (device) &&
          entry->address == libusb_get_device_address (device))
        return g_str_equal (entry->serial, serial);
    }
  return FALSE;
}

/* A reference of the device, or NULL. */
static libusb_device *
find_device (LbUsbBus *bus, guint16 vendor, const guint16 products[2], const char *serial)
{
  g_autoptr (GPtrArray) entries = lb_usb_list ();
  libusb_device **devices = NULL;
  ssize_t count = libusb_get_device_list (bus->context, &devices);
  libusb_device *found = NULL;

  for (ssize_t i = 0; i < count && found == NULL; i++)
    if (is_wanted (devices[i], vendor, products, serial, entries))
      found = libusb_ref_device (devices[i]);
  if (devices != NULL)
    libusb_free_device_list (devices, TRUE);
  return found;
}

static void
set_open_error (const char *label, int code, GError **error)
{
  if (code == LIBUSB_ERROR_ACCESS)
    g_set_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_ACCESS,
                 _ ("open: this user may not use %s; install the udev rule %s into /etc/udev/rules.d (or "
                    "/usr/lib/udev/rules.d), then unplug the device and plug it in again"),
                 label, LB_USB_RULE);
  else
    g_set_error (error, LB_DEVICE_ERROR, get_device_code (code), _ ("open: %s: %s"), label,
                 libusb_strerror (code));
}

LbUsbHandle *
lb_usb_open (guint16 vendor, const guint16 products[2], const char *serial, GError **error)
{
  g_autofree char *label = g_strdup_printf ("USB %04x:%04x, serial %s", vendor, products[0], serial);
  LbUsbBus *bus = lb_usb_bus_acquire (error);
  libusb_device *device;
  libusb_device_handle *handle;
  LbUsbHandle *self;
  int code;

  if (bus == NULL)
    return NULL;
  device = find_device (bus, vendor, products, serial);
  if (device == NULL)
    {
      g_set_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_ABSENT,
                   _ ("open: %s is not connected; plug it in and switch it on"), label);
      lb_usb_bus_release (bus);
      return NULL;
    }
  code = libusb_open (device, &handle);
  if (code != 0)
    {
      set_open_error (label, code, error);
      libusb_unref_device (device);
      lb_usb_bus_release (bus);
      return NULL;
    }
  self = g_new0 (LbUsbHandle, 1);
  g_atomic_ref_count_init (&self->references);
  self->bus = bus;
  self->device = device;
  self->handle = handle;
  self->label = g_steal_pointer (&label);
  self->interface = -1;
  lb_usb_bus_add (bus, self);
  return self;
}

/* Transfers that were given up hold a reference, and the handle with it. */
void
lb_usb_close (LbUsbHandle *self)
{
  if (self == NULL)
    return;
  if (self->interface >= 0)
    libusb_release_interface (self->handle, self->interface);
  lb_usb_bus_remove (self->bus, self);
  lb_usb_handle_unref (self);
}

gboolean
lb_usb_claim (LbUsbHandle *self, int interface, GError **error)
{
  int code;

  libusb_set_auto_detach_kernel_driver (self->handle, TRUE);
  code = libusb_claim_interface (self->handle, interface);
  if (code == 0)
    {
      self->interface = interface;
      return TRUE;
    }
  if (code == LIBUSB_ERROR_BUSY)
    g_set_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_BUSY,
                 _ ("open: another program uses %s; close it and try again"), self->label);
  else
    lb_usb_set_error (self, "open", code, error);
  return FALSE;
}

gboolean
lb_usb_is_gone (LbUsbHandle *self)
{
  return g_atomic_int_get (&self->gone);
}

gboolean
lb_usb_is_stuck (LbUsbHandle *self)
{
  return g_atomic_int_get (&self->stuck);
}

static void
take_endpoints (const struct libusb_interface_descriptor *descriptor, LbUsbInterface *interface)
{
  *interface = (LbUsbInterface){ .number = descriptor->bInterfaceNumber };
  for (guint i = 0; i < descriptor->bNumEndpoints; i++)
    {
      const struct libusb_endpoint_descriptor *endpoint = &descriptor->endpoint[i];

      if ((endpoint->bmAttributes & LIBUSB_TRANSFER_TYPE_MASK) != LIBUSB_TRANSFER_TYPE_BULK)
        continue;
      if (endpoint->bEndpointAddress & LIBUSB_ENDPOINT_IN)
        {
          interface->bulk_in = endpoint->bEndpointAddress;
          interface->packet = endpoint->wMaxPacketSize;
        }
      else
        interface->bulk_out = endpoint->bEndpointAddress;
    }
}

gboolean
lb_usb_find_interface (LbUsbHandle *self, guint8 class, guint8 subclass, LbUsbInterface *interface)
{
  struct libusb_config_descriptor *config = NULL;
  gboolean found = FALSE;

  if (libusb_get_active_config_descriptor (self->device, &config) != 0)
    return FALSE;
  for (guint i = 0; i < config->bNumInterfaces && !found; i++)
    {
      const struct libusb_interface *each = &config->interface[i];

      if (each->num_altsetting < 1 || each->altsetting[0].bInterfaceClass != class ||
          each->altsetting[0].bInterfaceSubClass != subclass)
        continue;
      take_endpoints (&each->altsetting[0], interface);
      found = TRUE;
    }
  libusb_free_config_descriptor (config);
  return found;
}

/* --- Transfers ------------------------------------------------------------------------- */

/* Belongs to the caller; once given up, to libusb's callback. */
typedef struct
{
  GMutex lock;
  GCond changed;
  gboolean done, abandoned;
  struct libusb_transfer *transfer;
  guint8 *buffer;
  LbUsbHandle *handle;
} Transfer;

static Transfer *
transfer_new (LbUsbHandle *handle, gsize length)
{
  Transfer *self = g_new0 (Transfer, 1);

  g_mutex_init (&self->lock);
  g_cond_init (&self->changed);
  self->transfer = libusb_alloc_transfer (0);
  self->buffer = g_malloc0 (length);
  self->handle = lb_usb_handle_ref (handle);
  return self;
}

static gpointer
transfer_free (gpointer user_data)
{
  Transfer *self = user_data;

  libusb_free_transfer (self->transfer);
  g_free (self->buffer);
  g_mutex_clear (&self->lock);
  g_cond_clear (&self->changed);
  lb_usb_handle_unref (self->handle);
  g_free (self);
  return NULL;
}

/* In the event thread: only says so. What nobody waits for any more is freed by
 * another thread, because libusb goes on using the handle after this. */
static void LIBUSB_CALL
done_cb (struct libusb_transfer *transfer)
{
  Transfer *self = transfer->user_data;
  gboolean abandoned;

  g_mutex_lock (&self->lock);
  self->done = TRUE;
  abandoned = self->abandoned;
  g_cond_signal (&self->changed);
  g_mutex_unlock (&self->lock);
  if (abandoned)
    g_thread_unref (g_thread_new ("lb-usb-late", transfer_free, self));
}

/* The caller has no use for it any more. */
static void
transfer_drop (Transfer *self, gboolean submitted)
{
  gboolean done;

  g_mutex_lock (&self->lock);
  done = self->done || !submitted;
  self->abandoned = !done;
  g_mutex_unlock (&self->lock);
  if (done)
    transfer_free (self);
}

static void
cancelled_cb (GCancellable *cancellable, gpointer user_data)
{
  Transfer *self = user_data;

  g_mutex_lock (&self->lock);
  g_cond_signal (&self->changed);
  g_mutex_unlock (&self->lock);
}

static gboolean
wait_until (Transfer *self, gint64 until_us, GCancellable *cancellable)
{
  gboolean done;

  g_mutex_lock (&self->lock);
  while (!self->done && !g_cancellable_is_cancelled (cancellable) &&
         g_cond_wait_until (&self->changed, &self->lock, until_us))
    ;
  done = self->done;
  g_mutex_unlock (&self->lock);
  return done;
}

/* Until it is done, or there is a reason to wait no longer. */
static LbUsbResult
wait_for (Transfer *self, const char *what, const LbUsbCall *call, gint64 deadline_us, GError **error)
{
  for (;;)
    {
      gint64 now_us = g_get_monotonic_time ();

      if (wait_until (self, MIN (deadline_us, now_us + LOOK_US), call->cancellable))
        return LB_USB_DONE;
      if (g_cancellable_is_cancelled (call->cancellable))
        {
          g_set_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_CANCELLED, _ ("%s: cancelled"), what);
          return LB_USB_CANCELLED;
        }
      if (g_get_monotonic_time () >= deadline_us)
        {
          g_set_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_TIMEOUT, _ ("%s: %s did not answer in time"),
                       what, self->handle->label);
          return LB_USB_TIMEOUT;
        }
      if (call->device != NULL && !lb_device_waiting (call->device, error))
        return LB_USB_CANCELLED;
    }
}

static LbUsbResult
read_status (Transfer *self, const char *what, GError **error)
{
  switch (self->transfer->status)
    {
    case LIBUSB_TRANSFER_COMPLETED:
      return LB_USB_DONE;
    case LIBUSB_TRANSFER_STALL:
      return lb_usb_set_error (self->handle, what, LIBUSB_ERROR_PIPE, error);
    case LIBUSB_TRANSFER_NO_DEVICE:
      return lb_usb_set_error (self->handle, what, LIBUSB_ERROR_NO_DEVICE, error);
    case LIBUSB_TRANSFER_OVERFLOW:
      return lb_usb_set_error (self->handle, what, LIBUSB_ERROR_OVERFLOW, error);
    case LIBUSB_TRANSFER_ERROR:
    case LIBUSB_TRANSFER_TIMED_OUT:
    case LIBUSB_TRANSFER_CANCELLED:
    default:
      return lb_usb_set_error (self->handle, what,
                               lb_usb_is_gone (self->handle) ? LIBUSB_ERROR_NO_DEVICE : LIBUSB_ERROR_IO,
                               error);
    }
}

/* Hands it to libusb and waits for it. One that does not come back within 100 ms
 * of being cancelled is left alone: libusb still owns it, and the handle is of no
 * use any more. */
static LbUsbResult
run (Transfer *self, const char *what, const LbUsbCall *call, GError **error)
{
  gint64 deadline_us = call->deadline_us >= 0 ? call->deadline_us : g_get_monotonic_time () + DEFAULT_US;
  gulong handler = 0;
  LbUsbResult result;

  if (call->cancellable != NULL)
    handler = g_cancellable_connect (call->cancellable, G_CALLBACK (cancelled_cb), self, NULL);
  result = wait_for (self, what, call, deadline_us, error);
  g_cancellable_disconnect (call->cancellable, handler);
  if (result == LB_USB_DONE)
    return read_status (self, what, error);
  libusb_cancel_transfer (self->transfer);
  if (!wait_until (self, g_get_monotonic_time () + GIVE_UP_US, NULL))
    g_atomic_int_set (&self->handle->stuck, TRUE);
  return result;
}

/* Takes @self. @into: where what came is put, after @skip bytes; NULL for writing. */
static LbUsbResult
submit (Transfer *self,
        const char *what,
        guint8 *into,
        gsize skip,
        gsize *done,
        const LbUsbCall *call,
        GError **error)
{
  LbUsbResult result = LB_USB_FAILED;
  int code = 0;

  *done = 0;
  if (lb_usb_is_stuck (self->handle))
    g_set_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_FAULTED,
                 _ ("%s: %s hangs; unplug it and plug it in again"), what, self->handle->label);
  else if ((code = libusb_submit_transfer (self->transfer)) != 0)
    result = lb_usb_set_error (self->handle, what, code, error);
  else
    {
      result = run (self, what, call, error);
      if (result == LB_USB_DONE)
        *done = (gsize) self->transfer->actual_length;
      if (into != NULL && *done > 0)
        memcpy (into, self->buffer + skip, *done);
      transfer_drop (self, TRUE);
      return result;
    }
  transfer_drop (self, FALSE);
  return result;
}

LbUsbResult
lb_usb_bulk (LbUsbHandle *self,
             guint8 endpoint,
             guint8 *data,
             gsize length,
             gsize *done,
             const LbUsbCall *call,
             GError **error)
{
  gboolean in = (endpoint & LIBUSB_ENDPOINT_IN) != 0;
  Transfer *transfer = transfer_new (self, length);

  if (!in)
    memcpy (transfer->buffer, data, length);
  libusb_fill_bulk_transfer (transfer->transfer, self->handle, endpoint, transfer->buffer, (int) length,
                             done_cb, transfer, 0);
  return submit (transfer, in ? "read" : "write", in ? data : NULL, 0, done, call, error);
}

LbUsbResult
lb_usb_control_in (LbUsbHandle *self,
                   guint8 request_type,
                   guint8 request,
                   guint16 value,
                   guint16 index,
                   guint8 *data,
                   guint16 length,
                   gsize *done,
                   const LbUsbCall *call,
                   GError **error)
{
  Transfer *transfer = transfer_new (self, LIBUSB_CONTROL_SETUP_SIZE + (gsize) length);

  libusb_fill_control_setup (transfer->buffer, request_type, request, value, index, length);
  libusb_fill_control_transfer (transfer->transfer, self->handle, transfer->buffer, done_cb, transfer, 0);
  return submit (transfer, "control request", data, LIBUSB_CONTROL_SETUP_SIZE, done, call, error);
}

gboolean
lb_usb_clear_halt (LbUsbHandle *self, guint8 endpoint, GError **error)
{
  int code = libusb_clear_halt (self->handle, endpoint);

  if (code != 0)
    lb_usb_set_error (self, "clear", code, error);
  return code == 0;
}
