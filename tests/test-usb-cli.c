/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "usb-rig.h"

/* lightbench-cli with instruments on the emulated bus: listing, self-test, off, a
 * calibration step, and being killed with the light on. */

#define STOP_MS 500

typedef struct
{
  UsbRig *rig;
  char *folder;
  char *setup;
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
  g_autofree char *json = usb_rig_make_json ("CLD1015", "PM100D", ", \"temperature_c\": 25");
  g_autoptr (GError) error = NULL;

  fixture->rig = usb_rig_new ("CLD1015", "PM100D", "");
  fixture->folder = g_dir_make_tmp ("lightbench-usb-XXXXXX", &error);
  g_assert_no_error (error);
  fixture->setup = g_build_filename (fixture->folder, "rig.json", NULL);
  g_assert_true (g_file_set_contents (fixture->setup, json, -1, NULL));
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  const char *const command[] = { "rm", "-r", fixture->folder, NULL };

  usb_rig_free (fixture->rig);
  g_spawn_sync (NULL, (char **) command, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, NULL, NULL);
  g_free (fixture->folder);
  g_free (fixture->setup);
}

static GSubprocess *
start (Fixture *fixture, GSubprocessFlags flags, const char *const *arguments)
{
  g_autoptr (GSubprocessLauncher) launcher = g_subprocess_launcher_new (flags);
  g_autoptr (GPtrArray) argv = g_ptr_array_new ();
  g_autoptr (GError) error = NULL;
  GSubprocess *process;

  g_subprocess_launcher_setenv (launcher, "XDG_DATA_HOME", fixture->folder, TRUE);
  g_subprocess_launcher_setenv (launcher, "LC_ALL", "C.UTF-8", TRUE);
  g_ptr_array_add (argv, (gpointer) g_getenv ("LIGHTBENCH_CLI"));
  for (const char *const *argument = arguments; *argument != NULL; argument++)
    g_ptr_array_add (argv, (gpointer) *argument);
  g_ptr_array_add (argv, NULL);
  process = g_subprocess_launcher_spawnv (launcher, (const char *const *) argv->pdata, &error);
  g_assert_no_error (error);
  return process;
}

/* Standard output; the exit code must be @code. */
static char *
run (Fixture *fixture, int code, const char *const *arguments)
{
  g_autoptr (GSubprocess) process =
      start (fixture, G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_MERGE, arguments);
  g_autoptr (GError) error = NULL;
  char *output = NULL;

  g_subprocess_communicate_utf8 (process, NULL, NULL, &output, NULL, &error);
  g_assert_no_error (error);
  if (!g_subprocess_get_if_exited (process) || g_subprocess_get_exit_status (process) != code)
    g_error ("%s %s: %s", arguments[0], arguments[1], output);
  return output;
}

#define RUN(fixture, code, ...) run (fixture, code, (const char *const[]){ __VA_ARGS__, NULL })

static void
test_lists_what_is_plugged_in (Fixture *fixture, gconstpointer data)
{
  g_autofree char *output = RUN (fixture, 0, "devices");

  g_assert_nonnull (strstr (output, "usb: Thorlabs CLD1015, serial " USB_RIG_LIGHT));
  g_assert_nonnull (strstr (output, "usb: Thorlabs PM100D, serial " USB_RIG_METER));
  g_assert_true (umock_usb_has_kernel_driver (fixture->rig->bus, fixture->rig->light_place));
}

static void
test_self_test_passes (Fixture *fixture, gconstpointer data)
{
  g_autofree char *output = RUN (fixture, 0, "devices", "--setup", fixture->setup, "--self-test");

  g_assert_nonnull (strstr (output, "light: confirms-STOP: pass\n"));
  g_assert_nonnull (strstr (output, "power-meter: reads-power: pass\n"));
  g_assert_nonnull (strstr (output, "failed: 0\n"));
  g_assert_false (instrument_is_lit (fixture->rig->light));
  g_assert_cmpfloat (instrument_get_current_peak (fixture->rig->light), ==, 0);
}

/* A self-test that cannot fail would be worth nothing. */
static void
test_self_test_finds_a_broken_device (Fixture *fixture, gconstpointer data)
{
  g_autofree char *output = NULL;

  instrument_set_condition (fixture->rig->light, INSTRUMENT_INTERLOCK, TRUE);
  output = RUN (fixture, 1, "devices", "--setup", fixture->setup, "--self-test");
  g_assert_nonnull (strstr (output, "light: switches-on-at-level-0: FAIL"));
  g_assert_nonnull (strstr (output, "interlock"));
}

/* Reads on until @text has come. */
static void
expect (GDataInputStream *stream, const char *text)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *line = NULL;

  do
    {
      g_free (line);
      line = g_data_input_stream_read_line (stream, NULL, NULL, &error);
      g_assert_no_error (error);
      if (line == NULL)
        g_error ("\"%s\" never came", text);
    }
  while (strstr (line, text) == NULL);
}

static void
test_self_test_asks_to_unplug (Fixture *fixture, gconstpointer data)
{
  const char *const arguments[] = { "devices", "--setup", fixture->setup, "--self-test", "--unplug", NULL };
  g_autoptr (GSubprocess) process =
      start (fixture, G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_MERGE, arguments);
  g_autoptr (GDataInputStream) stream = g_data_input_stream_new (g_subprocess_get_stdout_pipe (process));
  const guint places[] = { fixture->rig->light_place, fixture->rig->meter_place };
  static const char *const names[] = { "light", "power-meter" };

  for (guint i = 0; i < G_N_ELEMENTS (places); i++)
    {
      g_autofree char *pull = g_strdup_printf ("Unplug the %s now.", names[i]);
      g_autofree char *push = g_strdup_printf ("Plug the %s in again now.", names[i]);
      g_autofree char *works = g_strdup_printf ("%s: replugged-one-works: pass", names[i]);

      expect (stream, pull);
      umock_usb_unplug (fixture->rig->bus, places[i]);
      expect (stream, push);
      umock_usb_plug (fixture->rig->bus, places[i]);
      expect (stream, works);
    }
  expect (stream, "failed: 0");
  g_assert_true (g_subprocess_wait_check (process, NULL, NULL));
}

static void
test_off_with_and_without_a_setup (Fixture *fixture, gconstpointer data)
{
  g_autofree char *with = NULL;
  g_autofree char *without = NULL;

  instrument_set_output (fixture->rig->light, TRUE);
  with = RUN (fixture, 0, "off", "--setup", fixture->setup);
  g_assert_false (instrument_is_lit (fixture->rig->light));
  g_assert_nonnull (strstr (with, "light: off, confirmed\n"));
  g_assert_nonnull (strstr (with, "weight: black, confirmed\n"));
  instrument_set_output (fixture->rig->light, TRUE);
  without = RUN (fixture, 0, "off");
  g_assert_false (instrument_is_lit (fixture->rig->light));
  g_assert_nonnull (strstr (without, USB_RIG_LIGHT ": off, confirmed\n"));
}

static void
test_off_says_when_it_is_not (Fixture *fixture, gconstpointer data)
{
  g_autofree char *output = NULL;

  instrument_set_output (fixture->rig->light, TRUE);
  instrument_set_stuck_on (fixture->rig->light, TRUE);
  output = RUN (fixture, 1, "off");
  g_assert_nonnull (strstr (output, "key switch"));
  instrument_set_stuck_on (fixture->rig->light, FALSE);
}

static void
test_calibrates_with_light (Fixture *fixture, gconstpointer data)
{
  g_autofree char *session = g_build_filename (fixture->folder, "a.lbsession", NULL);
  g_autofree char *output =
      RUN (fixture, 0, "calibrate", "--setup", fixture->setup, "--session", session, "--steps", "dark");

  g_assert_nonnull (output);
  g_assert_false (instrument_is_lit (fixture->rig->light));
  g_assert_cmpfloat (instrument_get_current_peak (fixture->rig->light), <=, USB_RIG_LIMIT / 1000);
}

/* Ends it in the midst of exposures with the light on. */
static void
end_with_light_on (Fixture *fixture, int number, gint64 milliseconds)
{
  g_autofree char *session = g_build_filename (fixture->folder, "b.lbsession", NULL);
  const char *const arguments[] = { "calibrate", "--setup", fixture->setup, "--session", session, NULL };
  g_autoptr (GSubprocess) process = start (fixture, G_SUBPROCESS_FLAGS_STDOUT_SILENCE, arguments);
  gint64 start_us;

  g_assert_true (usb_rig_wait_lit (fixture->rig, TRUE, 120000));
  start_us = g_get_monotonic_time ();
  g_subprocess_send_signal (process, number);
  if (number == SIGSTOP)
    g_usleep (milliseconds * 1000);
  else
    g_subprocess_wait (process, NULL, NULL);
  g_assert_true (usb_rig_wait_lit (fixture->rig, FALSE, 10000));
  g_assert_cmpint (instrument_get_changed_us (fixture->rig->light) - start_us, <=, milliseconds * 1000);
  g_subprocess_force_exit (process);
  g_subprocess_wait (process, NULL, NULL);
  g_usleep (300 * 1000);
  g_assert_false (instrument_is_lit (fixture->rig->light));
}

static void
test_killed_with_light_on (Fixture *fixture, gconstpointer data)
{
  end_with_light_on (fixture, SIGKILL, STOP_MS);
}

static void
test_interrupted_with_light_on (Fixture *fixture, gconstpointer data)
{
  end_with_light_on (fixture, SIGINT, STOP_MS);
}

static void
test_terminated_with_light_on (Fixture *fixture, gconstpointer data)
{
  end_with_light_on (fixture, SIGTERM, STOP_MS);
}

static void
test_crashed_with_light_on (Fixture *fixture, gconstpointer data)
{
  end_with_light_on (fixture, SIGSEGV, STOP_MS);
}

static void
test_stopped_with_light_on (Fixture *fixture, gconstpointer data)
{
  end_with_light_on (fixture, SIGSTOP, 1500);
}

#define ADD(path, function) g_test_add (path, Fixture, NULL, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  /* Where it may: what is timed is the program, not what else the computer does. */
  setpriority (PRIO_PROCESS, 0, -15);
  g_test_init (&argc, &argv, NULL);
  ADD ("/usb/cli/lists-what-is-plugged-in", test_lists_what_is_plugged_in);
  ADD ("/usb/cli/self-test-passes", test_self_test_passes);
  ADD ("/usb/cli/self-test-finds-a-broken-device", test_self_test_finds_a_broken_device);
  ADD ("/usb/cli/self-test-asks-to-unplug", test_self_test_asks_to_unplug);
  ADD ("/usb/cli/off-with-and-without-a-setup", test_off_with_and_without_a_setup);
  ADD ("/usb/cli/off-says-when-it-is-not", test_off_says_when_it_is_not);
  ADD ("/usb/cli/calibrates-with-light", test_calibrates_with_light);
  ADD ("/usb/cli/killed-with-light-on", test_killed_with_light_on);
  ADD ("/usb/cli/interrupted-with-light-on", test_interrupted_with_light_on);
  ADD ("/usb/cli/terminated-with-light-on", test_terminated_with_light_on);
  ADD ("/usb/cli/crashed-with-light-on", test_crashed_with_light_on);
  ADD ("/usb/cli/stopped-with-light-on", test_stopped_with_light_on);
  return g_test_run ();
}
