/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <lb-light-link.h>
#include <lb-program.h>

#include "usb-rig.h"

/*
 * Light is a lease: what ends in darkness, by the log of the emulated instrument.
 * The clients that are killed, stopped or hang are this program again, started
 * with --client; they see the same emulated bus.
 */

#define CLIENT "--client"
/* What the specification allows, in ms. */
#define STOP_MS 500
#define SIGSTOP_MS 1500

/* --- Clients ---------------------------------------------------------------------------------- */

static LbSetup *
make_setup (void)
{
  g_autofree char *json = usb_rig_make_json ("CLD1015", "PM100D", "");
  g_autoptr (GError) error = NULL;
  LbSetup *setup = lb_setup_parse (json, -1, "rig", LB_FIDELITY_PIXEL, &error);

  g_assert_no_error (error);
  return setup;
}

/* Lights and renews for ever. */
static int
client_holds (void)
{
  g_autoptr (LbSetup) setup = make_setup ();
  LbDriverContext context = { .setup = setup };
  g_autoptr (GError) error = NULL;
  LbLightSource *source = LB_LIGHT_SOURCE (lb_drivers_find ("usb")->create (&context, LB_ROLE_LIGHT, &error));

  g_assert_no_error (error);
  lb_device_open (LB_DEVICE (source), NULL, -1, &error);
  g_assert_no_error (error);
  lb_light_source_set_level (source, 20, NULL, NULL, -1, &error);
  g_assert_no_error (error);
  lb_light_source_output_on (source, 1, G_USEC_PER_SEC, NULL, -1, &error);
  g_assert_no_error (error);
  while (lb_light_source_renew (source, 1, G_USEC_PER_SEC, NULL, -1, &error))
    g_usleep (100 * 1000);
  g_printerr ("client: %s\n", error->message);
  return EXIT_FAILURE;
}

static gboolean
next_exposure (LbExposure *exposure, gpointer data, GError **error)
{
  *exposure = (LbExposure){ .light = TRUE, .frames = 1, .exposure_us = 1000 };
  return TRUE;
}

static gboolean
take_frame (const LbExposure *exposure, guint nth, LbFrame *frame, gpointer data, GError **error)
{
  return TRUE;
}

static gboolean
expose_for_ever (LbBench *bench, gpointer data, GCancellable *cancellable, GError **error)
{
  return lb_bench_run_sequence (bench, next_exposure, take_frame, NULL, cancellable, error);
}

static gpointer
run_thread (gpointer user_data)
{
  LbBench *bench = user_data;
  g_autoptr (GError) error = NULL;

  lb_bench_connect (bench, NULL, &error);
  g_assert_no_error (error);
  lb_bench_run (bench, "exposures", expose_for_ever, NULL, NULL, NULL);
  return NULL;
}

static gboolean
hang_cb (gpointer user_data)
{
  char line[16];

  /* Until it is told to: then M does not answer any more. */
  if (read (STDIN_FILENO, line, sizeof line) < 0)
    return G_SOURCE_REMOVE;
  g_usleep (30 * G_USEC_PER_SEC);
  return G_SOURCE_REMOVE;
}

static gboolean
look_cb (gpointer user_data)
{
  LbBench *bench = user_data;

  if (lb_bench_get_light (bench) != LB_LIGHT_ON)
    return G_SOURCE_CONTINUE;
  g_timeout_add (300, hang_cb, NULL);
  return G_SOURCE_REMOVE;
}

/* A whole bench whose main loop hangs. */
static int
client_hangs (void)
{
  g_autoptr (LbSetup) setup = make_setup ();
  g_autoptr (GError) error = NULL;
  LbBench *bench = lb_bench_new (setup, NULL, &error);
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);

  g_assert_no_error (error);
  g_thread_unref (g_thread_new ("run", run_thread, bench));
  g_timeout_add (20, look_cb, bench);
  g_main_loop_run (loop);
  return EXIT_FAILURE;
}

/* --- The rig with a client ---------------------------------------------------------------------- */

typedef struct
{
  UsbRig *rig;
  GSubprocess *client;
  GPid pid;
} Fixture;

static void
start_client (Fixture *fixture, const char *kind)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *self = g_file_read_link ("/proc/self/exe", &error);

  g_assert_no_error (error);
  fixture->client = g_subprocess_new (G_SUBPROCESS_FLAGS_STDIN_PIPE, &error, self, CLIENT, kind, NULL);
  g_assert_no_error (error);
  fixture->pid = atoi (g_subprocess_get_identifier (fixture->client));
  g_assert_true (usb_rig_wait_lit (fixture->rig, TRUE, 20000));
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
  fixture->rig = usb_rig_new ("CLD1015", "PM100D", "");
  if (data != NULL)
    start_client (fixture, data);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  if (fixture->client != NULL)
    {
      kill (fixture->pid, SIGCONT);
      g_subprocess_force_exit (fixture->client);
      g_subprocess_wait (fixture->client, NULL, NULL);
      g_clear_object (&fixture->client);
    }
  usb_rig_free (fixture->rig);
}

/* Dark within so long of @since_us, by the instrument's own clock. */
static void
expect_dark (Fixture *fixture, gint64 since_us, gint64 milliseconds)
{
  g_assert_true (usb_rig_wait_lit (fixture->rig, FALSE, 10000));
  g_assert_cmpint (instrument_get_changed_us (fixture->rig->light) - since_us, <=, milliseconds * 1000);
}

/* --- Clients that end ------------------------------------------------------------------------------ */

static void
test_renewed_light_stays_on (Fixture *fixture, gconstpointer data)
{
  g_usleep (1700 * 1000);
  g_assert_true (instrument_is_lit (fixture->rig->light));
  g_assert_cmpuint (instrument_get_switched_on (fixture->rig->light), ==, 1);
}

static void
test_killed_client (Fixture *fixture, gconstpointer data)
{
  gint64 start_us = g_get_monotonic_time ();

  g_assert_cmpint (kill (fixture->pid, SIGKILL), ==, 0);
  expect_dark (fixture, start_us, STOP_MS);
}

static void
test_stopped_client (Fixture *fixture, gconstpointer data)
{
  gint64 start_us = g_get_monotonic_time ();

  g_assert_cmpint (kill (fixture->pid, SIGSTOP), ==, 0);
  expect_dark (fixture, start_us, SIGSTOP_MS);
  /* Woken up, it cannot relight: its lease has run out. */
  g_assert_cmpint (kill (fixture->pid, SIGCONT), ==, 0);
  g_usleep (500 * 1000);
  g_assert_false (instrument_is_lit (fixture->rig->light));
  g_assert_cmpuint (instrument_get_switched_on (fixture->rig->light), ==, 1);
}

static void
test_terminated_client (Fixture *fixture, gconstpointer data)
{
  gint64 start_us = g_get_monotonic_time ();

  g_assert_cmpint (kill (fixture->pid, SIGTERM), ==, 0);
  expect_dark (fixture, start_us, STOP_MS);
}

static void
test_hanging_main_loop (Fixture *fixture, gconstpointer data)
{
  gint64 start_us;

  g_usleep (500 * 1000);
  g_assert_true (usb_rig_wait_lit (fixture->rig, TRUE, 2000));
  start_us = g_get_monotonic_time ();
  g_output_stream_write_all (g_subprocess_get_stdin_pipe (fixture->client), "hang\n", 5, NULL, NULL, NULL);
  /* 1 s of silence, then it is not renewed any more: at worst a lease later. */
  g_usleep (2200 * 1000);
  g_assert_false (instrument_is_lit (fixture->rig->light));
  g_assert_cmpint (instrument_get_changed_us (fixture->rig->light) - start_us, <=, 2200 * 1000);
  g_usleep (500 * 1000);
  g_assert_false (instrument_is_lit (fixture->rig->light));
}

/* --- The lease, from this program ------------------------------------------------------------------- */

static void
test_lease_runs_out (Fixture *fixture, gconstpointer data)
{
  UsbRig *rig = fixture->rig;
  g_autoptr (GError) error = NULL;
  gint64 start_us;

  usb_rig_open (rig);
  usb_rig_light_up (rig, 20, 1);
  g_assert_true (lb_light_source_renew (rig->source, 1, 200 * 1000, NULL, usb_rig_in (500), &error));
  start_us = g_get_monotonic_time ();
  expect_dark (fixture, start_us, 200 + STOP_MS);
  g_assert_true (usb_rig_wait_confirmed (rig, 1000));
  g_assert_false (lb_light_source_renew (rig->source, 1, 200 * 1000, NULL, usb_rig_in (500), &error));
  g_assert_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_INTERLOCK);
  g_assert_false (instrument_is_lit (rig->light));
}

static void
test_stop_and_late_workers (Fixture *fixture, gconstpointer data)
{
  UsbRig *rig = fixture->rig;
  g_autoptr (GError) error = NULL;
  gint64 start_us;

  usb_rig_open (rig);
  usb_rig_light_up (rig, 20, 5);
  start_us = g_get_monotonic_time ();
  lb_light_source_off_now (rig->source, 6);
  g_assert_cmpint (g_get_monotonic_time () - start_us, <, 100 * 1000);
  expect_dark (fixture, start_us, STOP_MS);
  g_assert_true (usb_rig_wait_confirmed (rig, STOP_MS));
  g_assert_false (lb_light_source_renew (rig->source, 5, 500 * 1000, NULL, usb_rig_in (500), NULL));
  g_assert_false (lb_light_source_output_on (rig->source, 5, 500 * 1000, NULL, usb_rig_in (500), &error));
  g_assert_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_INTERLOCK);
  g_assert_cmpuint (instrument_get_switched_on (rig->light), ==, 1);
  usb_rig_light_up (rig, 20, 6);
}

typedef struct
{
  LbLightSource *source;
  gint64 stopped_us;
} Stopper;

static gpointer
stop_thread (gpointer user_data)
{
  Stopper *stopper = user_data;

  g_usleep (150 * 1000);
  stopper->stopped_us = g_get_monotonic_time ();
  lb_light_source_off_now (stopper->source, 9);
  return NULL;
}

/* STOP comes while the device's thread is in the middle of a slow ramp. */
static void
test_stop_cuts_a_ramp_short (void)
{
  UsbRig *rig = usb_rig_new ("CLD1015", "PM100D", ", \"ramp_ma_per_s\": 5");
  Fixture fixture = { .rig = rig };
  Stopper stopper = { .source = rig->source };
  GThread *thread;

  usb_rig_open (rig);
  lb_light_source_set_level (rig->source, 79, NULL, NULL, -1, NULL);
  thread = g_thread_new ("stop", stop_thread, &stopper);
  g_assert_false (lb_light_source_output_on (rig->source, 8, G_USEC_PER_SEC, NULL, usb_rig_in (15000), NULL));
  g_assert_cmpint (g_get_monotonic_time () - stopper.stopped_us, <, 1000 * 1000);
  g_thread_join (thread);
  expect_dark (&fixture, stopper.stopped_us, STOP_MS);
  g_assert_cmpfloat (instrument_get_current_peak (rig->light), <, 0.07);
  usb_rig_free (rig);
}

/* A ramp that takes longer than a lease is not cut short while its worker waits. */
static void
test_slow_ramp_outlives_a_lease (void)
{
  UsbRig *rig = usb_rig_new ("CLD1015", "PM100D", ", \"ramp_ma_per_s\": 20");
  g_autoptr (GError) error = NULL;

  usb_rig_open (rig);
  lb_light_source_set_level (rig->source, 30, NULL, NULL, -1, NULL);
  lb_light_source_output_on (rig->source, 1, G_USEC_PER_SEC, NULL, usb_rig_in (30000), &error);
  g_assert_no_error (error);
  g_assert_true (instrument_is_lit (rig->light));
  usb_rig_free (rig);
}

/* --- The process itself -------------------------------------------------------------------------------- */

static gboolean
request (UsbRig *rig, LbLightLink *link, LbLightRequestKind kind, GError **error)
{
  LbLightRequest message = { .kind = kind,
                             .generation = 1,
                             .lease_us = G_USEC_PER_SEC,
                             .deadline_us = usb_rig_in (3000),
                             .level_ma = 20 };
  LbLightReply reply;

  return lb_light_link_request (link, &message, &reply, LB_DEVICE (rig->source), NULL, error);
}

static LbLightLink *
start_process (UsbRig *rig)
{
  static const char *const options[] = { "--model", "CLD1015", "--serial", USB_RIG_LIGHT, "--limit", "80" };
  g_autoptr (GPtrArray) arguments = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GError) error = NULL;
  LbLightLink *link = lb_light_link_new ();

  g_ptr_array_add (arguments, lb_program_find ("lightbench-light"));
  for (guint i = 0; i < G_N_ELEMENTS (options); i++)
    g_ptr_array_add (arguments, g_strdup (options[i]));
  lb_light_link_start (link, arguments, &error);
  g_assert_no_error (error);
  request (rig, link, LB_LIGHT_OPEN, &error);
  g_assert_no_error (error);
  request (rig, link, LB_LIGHT_HOLD, &error);
  g_assert_no_error (error);
  g_assert_true (instrument_is_lit (rig->light));
  return link;
}

static void
test_signals_end_in_darkness (Fixture *fixture, gconstpointer data)
{
  static const int signals[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT };

  for (guint i = 0; i < G_N_ELEMENTS (signals); i++)
    {
      LbLightLink *link = start_process (fixture->rig);
      gint64 start_us = g_get_monotonic_time ();

      g_assert_cmpint (kill (lb_light_link_get_pid (link), signals[i]), ==, 0);
      expect_dark (fixture, start_us, STOP_MS);
      lb_light_link_free (link);
    }
}

/* Nothing can switch it off then, and nothing may say that it is off. */
static void
test_killed_process_is_never_confirmed (Fixture *fixture, gconstpointer data)
{
  LbLightLink *link = start_process (fixture->rig);
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (kill (lb_light_link_get_pid (link), SIGKILL), ==, 0);
  g_usleep (200 * 1000);
  g_assert_true (instrument_is_lit (fixture->rig->light));
  g_assert_false (lb_light_link_is_confirmed_off (link));
  g_assert_false (request (fixture->rig, link, LB_LIGHT_EXTINGUISH, &error));
  g_assert_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_FAULTED);
  g_clear_error (&error);
  g_assert_false (lb_light_link_end (link, usb_rig_in (1000), &error));
  g_assert_false (lb_light_link_is_confirmed_off (link));
  lb_light_link_free (link);
  /* Connecting again switches it off (the emulated kernel takes a second to notice). */
  g_usleep (1500 * 1000);
  usb_rig_open (fixture->rig);
  g_assert_false (instrument_is_lit (fixture->rig->light));
}

static void
test_closing_the_sockets_ends_in_darkness (Fixture *fixture, gconstpointer data)
{
  LbLightLink *link = start_process (fixture->rig);
  g_autoptr (GError) error = NULL;
  gint64 start_us = g_get_monotonic_time ();

  lb_light_link_end (link, usb_rig_in (3000), &error);
  g_assert_no_error (error);
  expect_dark (fixture, start_us, STOP_MS);
  g_assert_true (lb_light_link_is_confirmed_off (link));
  lb_light_link_free (link);
}

#define ADD(path, client, function) g_test_add (path, Fixture, client, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  /* Where it may: what is timed is the program, not what else the computer does. */
  setpriority (PRIO_PROCESS, 0, -15);
  if (argc == 3 && g_str_equal (argv[1], CLIENT))
    return g_str_equal (argv[2], "hangs") ? client_hangs () : client_holds ();
  g_test_init (&argc, &argv, NULL);
  ADD ("/light/lease/renewed-light-stays-on", "holds", test_renewed_light_stays_on);
  ADD ("/light/lease/killed-client", "holds", test_killed_client);
  ADD ("/light/lease/stopped-client", "holds", test_stopped_client);
  ADD ("/light/lease/terminated-client", "holds", test_terminated_client);
  ADD ("/light/lease/hanging-main-loop", "hangs", test_hanging_main_loop);
  ADD ("/light/lease/runs-out", NULL, test_lease_runs_out);
  ADD ("/light/lease/stop-and-late-workers", NULL, test_stop_and_late_workers);
  g_test_add_func ("/light/lease/stop-cuts-a-ramp-short", test_stop_cuts_a_ramp_short);
  g_test_add_func ("/light/lease/slow-ramp-outlives-a-lease", test_slow_ramp_outlives_a_lease);
  ADD ("/light/process/signals-end-in-darkness", NULL, test_signals_end_in_darkness);
  ADD ("/light/process/killed-process-is-never-confirmed", NULL, test_killed_process_is_never_confirmed);
  ADD ("/light/process/closing-the-sockets-ends-in-darkness", NULL,
       test_closing_the_sockets_ends_in_darkness);
  return g_test_run ();
}
