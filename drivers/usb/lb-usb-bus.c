/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-usb-bus-private.h"

#include <glib/gi18n-lib.h>

/* libusb's context, the thread in which its events are handled, and what sysfs shows. */

#define SYSFS_DEVICES "/sys/bus/usb/devices"

static GMutex bus_lock;
static LbUsbBus *shared_bus;

/* --- The event thread ---------------------------------------------------------------- */

static gpointer
event_thread (gpointer user_data)
{
  LbUsbBus *bus = user_data;

  while (!g_atomic_int_get (&bus->quit))
    {
      struct timeval timeout = { .tv_sec = 1 };

      libusb_handle_events_timeout_completed (bus->context, &timeout, NULL);
    }
  return NULL;
}

/* In the event thread. */
static int LIBUSB_CALL
left_cb (libusb_context *context, libusb_device *device, libusb_hotplug_event event, void *user_data)
{
  LbUsbBus *bus = user_data;

  g_mutex_lock (&bus_lock);
  for (guint i = 0; i < bus->handles->len; i++)
    {
      LbUsbHandle *handle = g_ptr_array_index (bus->handles, i);

      if (handle->device == device)
        g_atomic_int_set (&handle->gone, TRUE);
    }
  g_mutex_unlock (&bus_lock);
  return 0;
}

static LbUsbBus *
bus_new (GError **error)
{
  LbUsbBus *bus = g_new0 (LbUsbBus, 1);
  int code = libusb_init (&bus->context);

  if (code != 0)
    {
      g_set_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_FAULTED,
                   _ ("USB cannot be used on this computer: %s"), libusb_strerror (code));
      g_free (bus);
      return NULL;
    }
  bus->handles = g_ptr_array_new ();
  libusb_hotplug_register_callback (bus->context, LIBUSB_HOTPLUG_EVENT_DEVICE_LEFT, 0,
                                    LIBUSB_HOTPLUG_MATCH_ANY, LIBUSB_HOTPLUG_MATCH_ANY,
                                    LIBUSB_HOTPLUG_MATCH_ANY, left_cb, bus, &bus->hotplug);
  bus->thread = g_thread_new ("lb-usb", event_thread, bus);
  return bus;
}

LbUsbBus *
lb_usb_bus_acquire (GError **error)
{
  LbUsbBus *bus;

  g_mutex_lock (&bus_lock);
  if (shared_bus == NULL)
    shared_bus = bus_new (error);
  bus = shared_bus;
  if (bus != NULL)
    bus->users++;
  g_mutex_unlock (&bus_lock);
  return bus;
}

/* Not from the event thread. */
void
lb_usb_bus_release (LbUsbBus *bus)
{
  gboolean last;

  g_mutex_lock (&bus_lock);
  last = --bus->users == 0;
  if (last)
    shared_bus = NULL;
  g_mutex_unlock (&bus_lock);
  if (!last)
    return;
  libusb_hotplug_deregister_callback (bus->context, bus->hotplug);
  g_atomic_int_set (&bus->quit, TRUE);
  libusb_interrupt_event_handler (bus->context);
  g_thread_join (bus->thread);
  libusb_exit (bus->context);
  g_ptr_array_unref (bus->handles);
  g_free (bus);
}

void
lb_usb_bus_add (LbUsbBus *bus, LbUsbHandle *handle)
{
  g_mutex_lock (&bus_lock);
  g_ptr_array_add (bus->handles, handle);
  g_mutex_unlock (&bus_lock);
}

void
lb_usb_bus_remove (LbUsbBus *bus, LbUsbHandle *handle)
{
  g_mutex_lock (&bus_lock);
  g_ptr_array_remove_fast (bus->handles, handle);
  g_mutex_unlock (&bus_lock);
}

/* --- What is plugged in -------------------------------------------------------------- */

static void
entry_free (gpointer data)
{
  LbUsbEntry *entry = data;

  g_free (entry->maker);
  g_free (entry->name);
  g_free (entry->serial);
  g_free (entry);
}

/* "" where there is no such attribute. */
static char *
read_attribute (const char *folder, const char *name)
{
  g_autofree char *path = g_build_filename (SYSFS_DEVICES, folder, name, NULL);
  char *text = NULL;

  return g_file_get_contents (path, &text, NULL, NULL) ? g_strstrip (text) : g_strdup ("");
}

static guint
read_number (const char *folder, const char *name, guint base)
{
  g_autofree char *text = read_attribute (folder, name);

  return (guint) g_ascii_strtoull (text, NULL, base);
}

static LbUsbEntry *
read_entry (const char *folder)
{
  LbUsbEntry *entry = g_new0 (LbUsbEntry, 1);

  entry->vendor = (guint16) read_number (folder, "idVendor", 16);
  entry->product = (guint16) read_number (folder, "idProduct", 16);
  entry->bus = read_number (folder, "busnum", 10);
  entry->address = read_number (folder, "devnum", 10);
  entry->maker = read_attribute (folder, "manufacturer");
  entry->name = read_attribute (folder, "product");
  entry->serial = read_attribute (folder, "serial");
  return entry;
}

GPtrArray *
lb_usb_list (void)
{
  GPtrArray *entries = g_ptr_array_new_with_free_func (entry_free);
  g_autoptr (GDir) folder = g_dir_open (SYSFS_DEVICES, 0, NULL);
  const char *name;

  while (folder != NULL && (name = g_dir_read_name (folder)) != NULL)
    {
      LbUsbEntry *entry = read_entry (name);

      /* Interfaces stand there too; they have no ids. */
      if (entry->vendor != 0)
        g_ptr_array_add (entries, entry);
      else
        entry_free (entry);
    }
  return entries;
}
