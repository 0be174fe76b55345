/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "guest.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <glib/gstdio.h>
#include <lb-usb.h>
#include <sanitized.h>

#define POLL_US (10 * 1000)
#define TELL_MS 20000
/* What the memory of a program may grow by: libcamera forgets no camera at once. */
#define GROWTH_MB 2
#define GROWTH_MB_PER_ROUND 0.14

gint64
guest_in (gint64 milliseconds)
{
  return g_get_monotonic_time () + milliseconds * 1000;
}

void
guest_tell (const char *device, const char *command)
{
  g_autofree char *path = g_strdup_printf (GUEST_RESULTS "/ctl.%s", device);
  gint64 end_us = guest_in (TELL_MS);

  /* It is moved into place. */
  g_assert_true (g_file_set_contents (path, command, -1, NULL));
  while (g_access (path, F_OK) == 0)
    {
      g_assert_cmpint (g_get_monotonic_time (), <, end_us);
      g_usleep (POLL_US);
    }
}

double
guest_find (const char *device, const char *what)
{
  g_autofree char *path = g_strdup_printf (GUEST_RESULTS "/log.%s", device);
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;
  double found = -1;

  if (!g_file_get_contents (path, &text, NULL, NULL))
    return -1;
  lines = g_strsplit (text, "\n", -1);
  for (guint i = 0; lines[i] != NULL; i++)
    {
      char *end;
      double time_ms = g_ascii_strtod (lines[i], &end);

      if (*end == ' ' && g_str_equal (end + 1, what))
        found = time_ms;
    }
  return found;
}

double
guest_wait_for (const char *device, const char *what, double after_ms, gint64 wait_ms)
{
  gint64 end_us = guest_in (wait_ms);
  double found = guest_find (device, what);

  while (found < after_ms && g_get_monotonic_time () < end_us)
    {
      g_usleep (POLL_US);
      found = guest_find (device, what);
    }
  return found < after_ms ? -1 : found;
}

LbSetup *
guest_make_setup (void)
{
  g_autoptr (GError) error = NULL;
  LbSetup *setup = lb_setup_load (GUEST_RESULTS "/setup.json", LB_FIDELITY_PIXEL, &error);

  g_assert_no_error (error);
  return setup;
}

/* Takes @setup. */
static LbDevice *
make_device (LbSetup *setup, const char *driver, LbRole role)
{
  LbDriverContext context = { .setup = setup, .clock = lb_clock_new_wall () };
  g_autoptr (GError) error = NULL;
  LbDevice *device = lb_drivers_find (driver)->create (&context, role, &error);

  g_assert_no_error (error);
  g_object_unref (context.setup);
  g_object_unref (context.clock);
  return device;
}

LbDevice *
guest_make_device (const char *driver, LbRole role)
{
  return make_device (guest_make_setup (), driver, role);
}

LbDevice *
guest_make_light (const char *model)
{
  g_autofree char *json = NULL;
  g_autofree char *quoted = NULL;
  g_autoptr (GString) text = NULL;
  g_autoptr (GError) error = NULL;
  LbSetup *setup;

  g_file_get_contents (GUEST_RESULTS "/setup.json", &json, NULL, &error);
  g_assert_no_error (error);
  quoted = g_strdup_printf ("\"%s\"", model);
  text = g_string_new (json);
  g_assert_cmpuint (g_string_replace (text, "\"CLD1015\"", quoted, 0), ==, 1);
  setup = lb_setup_parse (text->str, -1, "machine", LB_FIDELITY_PIXEL, &error);
  g_assert_no_error (error);
  return make_device (setup, LB_USB_DRIVER, LB_ROLE_LIGHT);
}

static guint
count_descriptors (void)
{
  g_autoptr (GDir) folder = g_dir_open ("/proc/self/fd", 0, NULL);
  guint count = 0;

  while (g_dir_read_name (folder) != NULL)
    count++;
  return count;
}

static gboolean
is_child (const char *pid)
{
  g_autofree char *path = g_strdup_printf ("/proc/%s/stat", pid);
  g_autofree char *text = NULL;
  const char *rest;
  int parent;

  /* "123 (name) S 1 ..."; the name may have anything in it. */
  return g_file_get_contents (path, &text, NULL, NULL) && (rest = strrchr (text, ')')) != NULL &&
         sscanf (rest, ") %*c %d", &parent) == 1 && parent == getpid ();
}

static guint
count_children (void)
{
  g_autoptr (GDir) folder = g_dir_open ("/proc", 0, NULL);
  const char *name;
  guint count = 0;

  while ((name = g_dir_read_name (folder)) != NULL)
    count += g_ascii_isdigit (name[0]) && is_child (name);
  return count;
}

static double
get_memory_mb (void)
{
  g_autofree char *text = NULL;
  g_auto (GStrv) fields = NULL;

  g_assert_true (g_file_get_contents ("/proc/self/statm", &text, NULL, NULL));
  fields = g_strsplit (text, " ", 3);
  return g_ascii_strtod (fields[1], NULL) * (double) sysconf (_SC_PAGESIZE) / (1 << 20);
}

GuestUse
guest_get_use (void)
{
  return (GuestUse){ count_descriptors (), count_children (), get_memory_mb () };
}

void
guest_assert_no_leak (const GuestUse *before, guint rounds)
{
  GuestUse now = guest_get_use ();

  g_test_message ("%u rounds: %u descriptors, then %u; %u children, then %u; %.1f MB, then %.1f MB", rounds,
                  before->descriptors, now.descriptors, before->children, now.children, before->memory_mb,
                  now.memory_mb);
  g_assert_cmpuint (now.descriptors, <=, before->descriptors);
  g_assert_cmpuint (now.children, <=, before->children);
  /* A sanitizer keeps what was freed, and finds leaks itself, at the end. */
  if (!SANITIZED)
    g_assert_cmpfloat (now.memory_mb - before->memory_mb, <, GROWTH_MB + GROWTH_MB_PER_ROUND * rounds);
}

guint
guest_get_replugs (void)
{
  g_autofree char *text = NULL;

  g_assert_true (g_file_get_contents (GUEST_RESULTS "/replugs", &text, NULL, NULL));
  return (guint) g_ascii_strtoull (text, NULL, 10);
}
