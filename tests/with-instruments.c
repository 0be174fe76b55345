/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "usb-rig.h"

/*
 * with-instruments LOG COMMAND…: runs it with a CLD1015 and a PM100D plugged into an
 * emulated USB bus; to be run under umockdev-wrapper. The command finds their serial
 * numbers in LIGHT_SERIAL and METER_SERIAL. LOG gets a line "MICROSECONDS lit" or
 * "MICROSECONDS dark" each time that the light changes, by the instrument's own
 * (monotonic) clock. Ends as the command does, and with 1 if an instrument was sent
 * what its manual does not have.
 */

#define LOOK_US 500

typedef struct
{
  Instrument *light;
  const char *path;
  gint end;
} Watch;

static void
note (const Watch *watch, gboolean lit)
{
  FILE *file = fopen (watch->path, "a");

  g_assert_nonnull (file);
  fprintf (file, "%" G_GINT64_FORMAT " %s\n", instrument_get_changed_us (watch->light), lit ? "lit" : "dark");
  fclose (file);
}

static gpointer
watch_thread (gpointer data)
{
  Watch *watch = data;
  gboolean lit = FALSE;

  while (!g_atomic_int_get (&watch->end))
    {
      if (instrument_is_lit (watch->light) != lit)
        note (watch, lit = !lit);
      g_usleep (LOOK_US);
    }
  return NULL;
}

static int
run (char **argv)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GSubprocess) process =
      g_subprocess_newv ((const char *const *) argv, G_SUBPROCESS_FLAGS_STDIN_INHERIT, &error);

  g_assert_no_error (error);
  g_subprocess_wait (process, NULL, &error);
  g_assert_no_error (error);
  return g_subprocess_get_if_exited (process) ? g_subprocess_get_exit_status (process) : EXIT_FAILURE;
}

int
main (int argc, char **argv)
{
  UsbRig *rig;
  GThread *thread;
  Watch watch = { 0 };
  int code;

  /* Where it may: what is timed is the command, not what else the computer does. */
  setpriority (PRIO_PROCESS, 0, -15);
  g_assert_cmpint (argc, >, 2);
  g_setenv ("LIGHT_SERIAL", USB_RIG_LIGHT, TRUE);
  g_setenv ("METER_SERIAL", USB_RIG_METER, TRUE);
  rig = usb_rig_new ("CLD1015", "PM100D", "");
  watch.light = rig->light;
  watch.path = argv[1];
  thread = g_thread_new ("watch", watch_thread, &watch);
  code = run (argv + 2);
  g_atomic_int_set (&watch.end, TRUE);
  g_thread_join (thread);
  if (instrument_get_unknown (rig->light) + instrument_get_unknown (rig->meter) > 0)
    code = EXIT_FAILURE;
  usb_rig_free (rig);
  return code;
}
