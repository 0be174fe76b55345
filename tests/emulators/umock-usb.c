/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "umock-usb.h"

#include <errno.h>
#include <string.h>

#include <glib/gstdio.h>
#include <sys/ioctl.h>
#include <linux/usbdevice_fs.h>
#include <umockdev.h>

#define PLACES 4
/* A program that has not made a call for so long is dead. */
#define DEAD_US G_USEC_PER_SEC

/* A transfer that libusb has handed in and not yet got back. */
typedef struct
{
  UMockdevIoctlClient *client;
  UMockdevIoctlData *data; /* struct usbdevfs_urb */
} Urb;

typedef struct
{
  UmockUsb *bus;
  guint number;
  char *node;
  char *path; /* in sysfs */
  UsbInstrument *device;
  UMockdevIoctlBase *base;
  GMutex lock;
  GCond changed;
  GQueue urbs;                /* of Urb */
  UMockdevIoctlClient *owner; /* has claimed it */
  gint64 owner_us;            /* its last call */
  gboolean plugged, kernel_driver;
  guint unplug_after;
} Place;

struct _UmockUsb
{
  UMockdevTestbed *bed;
  Place places[PLACES];
  guint used;
};

static void
urb_free (Urb *urb)
{
  umockdev_ioctl_data_unref (urb->data);
  g_free (urb);
}

static struct usbdevfs_urb *
get_urb (Urb *urb)
{
  return (struct usbdevfs_urb *) (void *) urb->data->data;
}

/* --- Transfers: with the lock held ------------------------------------------------- */

static void
finish (struct usbdevfs_urb *urb, int result)
{
  urb->status = result < 0 ? result : 0;
  urb->actual_length = result < 0 ? 0 : result;
}

/* What can be done now of a transfer that is under way. */
static void
work (Place *place, struct usbdevfs_urb *urb)
{
  guint8 *buffer = urb->buffer;

  if (urb->status != -EINPROGRESS)
    return;
  if (!place->plugged)
    {
      finish (urb, -ESHUTDOWN);
      return;
    }
  if (usb_instrument_is_deaf (place->device))
    return;
  if (urb->type == USBDEVFS_URB_TYPE_CONTROL)
    finish (urb, usb_instrument_control (place->device, buffer, buffer + 8, urb->buffer_length - 8));
  else if (urb->endpoint & 0x80)
    {
      int result = usb_instrument_in (place->device, buffer, urb->buffer_length);

      if (result != USB_INSTRUMENT_NAK)
        finish (urb, result);
    }
  else
    {
      int result = usb_instrument_out (place->device, buffer, urb->buffer_length);

      finish (urb, result < 0 ? result : urb->buffer_length);
    }
}

static int
submit (Place *place, UMockdevIoctlClient *client, UMockdevIoctlData *argument)
{
  UMockdevIoctlData *data = umockdev_ioctl_data_resolve (argument, 0, sizeof (struct usbdevfs_urb), NULL);
  struct usbdevfs_urb *urb = (struct usbdevfs_urb *) (void *) data->data;
  UMockdevIoctlData *buffer = umockdev_ioctl_data_resolve (
      data, G_STRUCT_OFFSET (struct usbdevfs_urb, buffer), (gsize) urb->buffer_length, NULL);
  Urb *entry = g_new0 (Urb, 1);

  urb->status = -EINPROGRESS;
  entry->client = client;
  entry->data = data;
  g_queue_push_tail (&place->urbs, entry);
  g_clear_pointer (&buffer, umockdev_ioctl_data_unref);
  if (place->unplug_after > 0 && --place->unplug_after == 0)
    {
      place->plugged = FALSE;
      g_cond_broadcast (&place->changed);
    }
  work (place, urb);
  return 0;
}

static Urb *
find_finished (Place *place, UMockdevIoctlClient *client)
{
  for (GList *link = place->urbs.head; link != NULL; link = link->next)
    {
      Urb *urb = link->data;

      if (urb->client != client)
        continue;
      work (place, get_urb (urb));
      if (get_urb (urb)->status == -EINPROGRESS)
        continue;
      g_queue_delete_link (&place->urbs, link);
      return urb;
    }
  return NULL;
}

/* TRUE: the call has been completed. */
static gboolean
reap (Place *place, UMockdevIoctlClient *client, UMockdevIoctlData *argument, int *error)
{
  Urb *urb = find_finished (place, client);
  UMockdevIoctlData *pointer;

  if (urb == NULL)
    {
      *error = place->plugged ? EAGAIN : ENODEV;
      return FALSE;
    }
  pointer = umockdev_ioctl_data_resolve (argument, 0, sizeof (gpointer), NULL);
  umockdev_ioctl_data_set_ptr (pointer, 0, urb->data);
  umockdev_ioctl_client_complete (client, 0, 0);
  umockdev_ioctl_data_unref (pointer);
  urb_free (urb);
  return TRUE;
}

static int
discard (Place *place, UMockdevIoctlClient *client, UMockdevIoctlData *argument)
{
  gulong address = (gulong) * (void **) (void *) argument->data;

  for (GList *link = place->urbs.head; link != NULL; link = link->next)
    {
      Urb *urb = link->data;

      if (urb->client == client && urb->data->client_addr == address &&
          get_urb (urb)->status == -EINPROGRESS &&
          !(place->plugged && usb_instrument_is_deaf (place->device) &&
            get_urb (urb)->type == USBDEVFS_URB_TYPE_INTERRUPT))
        {
          get_urb (urb)->status = -ENOENT;
          return 0;
        }
    }
  return EINVAL;
}

/* --- Other calls: with the lock held; they return an errno ----------------------------- */

/* Nothing tells when a program has died (umockdev 0.17 does not emit its signal
 * for it); but libusb asks all the time for what is done. */
static int
claim (Place *place, UMockdevIoctlClient *client, gboolean detach)
{
  if (place->owner != NULL && place->owner != client && g_get_monotonic_time () - place->owner_us < DEAD_US)
    return EBUSY;
  if (place->kernel_driver && !detach)
    return EBUSY;
  place->kernel_driver = FALSE;
  place->owner = client;
  place->owner_us = g_get_monotonic_time ();
  return 0;
}

static int
release (Place *place, UMockdevIoctlClient *client)
{
  if (place->owner != client)
    return EINVAL;
  place->owner = NULL;
  return 0;
}

static int
driver_call (Place *place, UMockdevIoctlData *argument)
{
  UMockdevIoctlData *data = umockdev_ioctl_data_resolve (argument, 0, sizeof (struct usbdevfs_ioctl), NULL);
  int code = ((struct usbdevfs_ioctl *) (void *) data->data)->ioctl_code;

  umockdev_ioctl_data_unref (data);
  if (code == (int) USBDEVFS_DISCONNECT)
    place->kernel_driver = FALSE;
  else if (code == (int) USBDEVFS_CONNECT)
    place->kernel_driver = TRUE;
  else
    return ENOTTY;
  return 0;
}

static int
get_driver (Place *place, UMockdevIoctlData *argument)
{
  UMockdevIoctlData *data;

  if (!place->kernel_driver)
    return ENODATA;
  data = umockdev_ioctl_data_resolve (argument, 0, sizeof (struct usbdevfs_getdriver), NULL);
  g_strlcpy (((struct usbdevfs_getdriver *) (void *) data->data)->driver, "usbtmc", 256);
  umockdev_ioctl_data_unref (data);
  return 0;
}

static int
clear_halt (Place *place, UMockdevIoctlData *argument)
{
  UMockdevIoctlData *data = umockdev_ioctl_data_resolve (argument, 0, sizeof (guint), NULL);

  usb_instrument_clear_halt (place->device, (guint8) * (guint *) (void *) data->data);
  umockdev_ioctl_data_unref (data);
  return 0;
}

static int
get_capabilities (UMockdevIoctlData *argument)
{
  UMockdevIoctlData *data = umockdev_ioctl_data_resolve (argument, 0, sizeof (guint32), NULL);

  *(guint32 *) (void *) data->data = USBDEVFS_CAP_BULK_SCATTER_GATHER | USBDEVFS_CAP_NO_PACKET_SIZE_LIM |
                                     USBDEVFS_CAP_REAP_AFTER_DISCONNECT | USBDEVFS_CAP_ZERO_PACKET;
  umockdev_ioctl_data_unref (data);
  return 0;
}

/* -1: not a call of usbfs. */
static int
call (Place *place, UMockdevIoctlClient *client, gulong request, UMockdevIoctlData *argument)
{
  if (request == USBDEVFS_GET_CAPABILITIES)
    return get_capabilities (argument);
  if (request == USBDEVFS_DISCARDURB)
    return discard (place, client, argument);
  if (!place->plugged)
    return ENODEV;
  switch (request)
    {
    case USBDEVFS_SUBMITURB:
      return submit (place, client, argument);
    case USBDEVFS_GETDRIVER:
      return get_driver (place, argument);
    case USBDEVFS_IOCTL:
      return driver_call (place, argument);
    case USBDEVFS_DISCONNECT_CLAIM:
      return claim (place, client, TRUE);
    case USBDEVFS_CLAIMINTERFACE:
      return claim (place, client, FALSE);
    case USBDEVFS_RELEASEINTERFACE:
      return release (place, client);
    case USBDEVFS_CLEAR_HALT:
      return clear_halt (place, argument);
    case USBDEVFS_RESET:
      usb_instrument_reset (place->device);
      return 0;
    case USBDEVFS_SETINTERFACE:
    case USBDEVFS_SETCONFIGURATION:
      return 0;
    default:
      return -1;
    }
}

/* In umockdev's own thread. */
static gboolean
ioctl_cb (UMockdevIoctlBase *base, UMockdevIoctlClient *client, gpointer user_data)
{
  Place *place = user_data;
  gulong request = umockdev_ioctl_client_get_request (client);
  UMockdevIoctlData *argument = umockdev_ioctl_client_get_arg (client);
  gboolean completed = FALSE, wait;
  int error = 0;

  g_mutex_lock (&place->lock);
  if (client == place->owner)
    place->owner_us = g_get_monotonic_time ();
  if (request == USBDEVFS_REAPURB || request == USBDEVFS_REAPURBNDELAY)
    completed = reap (place, client, argument, &error);
  else
    error = call (place, client, request, argument);
  wait = error == EAGAIN;
  g_mutex_unlock (&place->lock);
  /* The node is always ready for libusb's poll(): without this it would spin. */
  if (wait)
    g_usleep (500);
  if (error < 0)
    return FALSE;
  if (!completed)
    umockdev_ioctl_client_complete (client, error == 0 ? 0 : -1, error);
  return TRUE;
}

/* --- Plugging -------------------------------------------------------------------------------- */

/* What umockdev 0.17 says of a program that was killed in the middle of a call is
 * no fault of ours; all other criticals are fatal as ever. */
static gboolean
is_fatal (const char *domain, GLogLevelFlags level, const char *message, gpointer user_data)
{
  return strstr (message, "Destroying IoctlClient with open stream") == NULL;
}

static void
log_cb (const char *domain, GLogLevelFlags level, const char *message, gpointer user_data)
{
  if (is_fatal (domain, level, message, user_data))
    g_log_default_handler (domain, level, message, user_data);
}

UmockUsb *
umock_usb_new (void)
{
  UmockUsb *self = g_new0 (UmockUsb, 1);

  g_test_log_set_fatal_handler (is_fatal, NULL);
  g_log_set_handler (NULL, G_LOG_LEVEL_CRITICAL | G_LOG_FLAG_FATAL, log_cb, NULL);
  self->bed = umockdev_testbed_new ();
  if (!umockdev_in_mock_environment ())
    g_error ("this test has to be run under umockdev-wrapper");
  return self;
}

static void
add_to_bed (Place *place)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GString) hex = g_string_new (NULL);
  g_autofree char *text = NULL;
  gsize length;
  const guint8 *descriptors = usb_instrument_get_descriptors (place->device, &length);
  Instrument *instrument = usb_instrument_get (place->device);

  for (gsize i = 0; i < length; i++)
    g_string_append_printf (hex, "%02x", descriptors[i]);
  text = g_strdup_printf ("P: /devices/usb%u\n"
                          "N: bus/usb/001/%03u\n"
                          "E: SUBSYSTEM=usb\nE: DRIVER=usb\nE: BUSNUM=001\nE: DEVNUM=%03u\n"
                          "E: DEVNAME=/dev/bus/usb/001/%03u\nE: DEVTYPE=usb_device\n"
                          "A: busnum=1\\n\nA: devnum=%u\\n\nA: bConfigurationValue=1\\n\nA: speed=480\\n\n"
                          "A: idVendor=1313\\n\nA: idProduct=%04x\\n\n"
                          "A: manufacturer=Thorlabs\\n\nA: product=%s\\n\nA: serial=%s\\n\n"
                          "H: descriptors=%s\n",
                          place->number, place->number, place->number, place->number, place->number,
                          instrument_get_product (instrument), instrument_get_model (instrument),
                          instrument_get_serial (instrument), hex->str);
  umockdev_testbed_add_from_string (place->bus->bed, text, &error);
  g_assert_no_error (error);
}

guint
umock_usb_add (UmockUsb *self, UsbInstrument *device)
{
  g_autoptr (GError) error = NULL;
  guint index = self->used++;
  Place *place = &self->places[index];

  g_assert_cmpuint (index, <, PLACES);
  place->bus = self;
  place->number = index + 2;
  place->node = g_strdup_printf ("/dev/bus/usb/001/%03u", place->number);
  place->path = g_strdup_printf ("/sys/devices/usb%u", place->number);
  place->device = device;
  place->kernel_driver = TRUE;
  g_mutex_init (&place->lock);
  g_cond_init (&place->changed);
  g_queue_init (&place->urbs);
  place->base = umockdev_ioctl_base_new ();
  g_signal_connect_after (place->base, "handle-ioctl", G_CALLBACK (ioctl_cb), place);
  umockdev_testbed_attach_ioctl (self->bed, place->node, place->base, &error);
  g_assert_no_error (error);
  umock_usb_plug (self, index);
  return index;
}

void
umock_usb_plug (UmockUsb *self, guint index)
{
  Place *place = &self->places[index];

  g_mutex_lock (&place->lock);
  place->plugged = TRUE;
  place->kernel_driver = TRUE;
  place->owner = NULL;
  usb_instrument_reset (place->device);
  g_mutex_unlock (&place->lock);
  add_to_bed (place);
}

void
umock_usb_unplug (UmockUsb *self, guint index)
{
  Place *place = &self->places[index];

  g_mutex_lock (&place->lock);
  place->plugged = FALSE;
  place->unplug_after = 0;
  g_mutex_unlock (&place->lock);
  umockdev_testbed_uevent (self->bed, place->path, "remove");
  umockdev_testbed_remove_device (self->bed, place->path);
}

void
umock_usb_unplug_after (UmockUsb *self, guint index, guint transfers)
{
  g_mutex_lock (&self->places[index].lock);
  self->places[index].unplug_after = transfers;
  g_mutex_unlock (&self->places[index].lock);
}

gboolean
umock_usb_wait_unplugged (UmockUsb *self, guint index)
{
  Place *place = &self->places[index];
  gint64 end_us = g_get_monotonic_time () + 10 * G_USEC_PER_SEC;
  gboolean gone;

  g_mutex_lock (&place->lock);
  while (place->plugged && g_cond_wait_until (&place->changed, &place->lock, end_us))
    ;
  gone = !place->plugged;
  g_mutex_unlock (&place->lock);
  if (gone)
    umock_usb_unplug (self, index);
  return gone;
}

void
umock_usb_set_access (UmockUsb *self, guint index, int mode)
{
  g_autofree char *root = umockdev_testbed_get_root_dir (self->bed);
  g_autofree char *node = g_build_filename (root, self->places[index].node, NULL);
  g_autofree char *socket = g_build_filename (root, "ioctl", self->places[index].node, NULL);

  /* Others may look around, as in the real /sys. */
  g_assert_cmpint (g_chmod (root, 0755), ==, 0);
  g_assert_cmpint (g_chmod (socket, 0777), ==, 0);
  g_assert_cmpint (g_chmod (node, mode), ==, 0);
}

gboolean
umock_usb_has_kernel_driver (UmockUsb *self, guint index)
{
  gboolean has;

  g_mutex_lock (&self->places[index].lock);
  has = self->places[index].kernel_driver;
  g_mutex_unlock (&self->places[index].lock);
  return has;
}

gboolean
umock_usb_is_claimed (UmockUsb *self, guint index)
{
  gboolean claimed;

  g_mutex_lock (&self->places[index].lock);
  claimed = self->places[index].owner != NULL;
  g_mutex_unlock (&self->places[index].lock);
  return claimed;
}

/* A program that was started may still be about to close it, and umockdev tells
 * nobody when it has: so a bus stays, unplugged, until this program ends. */
void
umock_usb_free (UmockUsb *self)
{
  static GPtrArray *retired;

  if (retired == NULL)
    retired = g_ptr_array_new ();
  g_ptr_array_add (retired, self);
  for (guint i = 0; i < self->used; i++)
    {
      Place *place = &self->places[i];

      g_mutex_lock (&place->lock);
      place->plugged = FALSE;
      g_mutex_unlock (&place->lock);
      umockdev_testbed_detach_ioctl (self->bed, place->node, NULL);
    }
  g_clear_object (&self->bed);
}
