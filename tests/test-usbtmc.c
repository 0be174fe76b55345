/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include <lb-scpi.h>
#include <lb-usbtmc.h>

#include "usb-rig.h"

/* The transport over the real libusb, on an emulated bus. */

#define SERIAL "M00290001"

typedef struct
{
  UmockUsb *bus;
  guint place;
  UsbInstrument *device;
  Instrument *instrument;
  LbUsbtmc *usbtmc;
} Fixture;

static const guint16 products[2] = { 0x804f, 0x8047 };

static LbUsbCall
within (gint64 milliseconds)
{
  return (LbUsbCall){ NULL, g_get_monotonic_time () + milliseconds * 1000, NULL };
}

static void
open_it (Fixture *fixture)
{
  const LbUsbCall call = within (2000);
  g_autoptr (GError) error = NULL;

  fixture->usbtmc = lb_usbtmc_open (0x1313, products, SERIAL, &call, &error);
  g_assert_no_error (error);
  g_assert_nonnull (fixture->usbtmc);
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
  fixture->bus = umock_usb_new ();
  fixture->instrument = instrument_new ("CLD1015", SERIAL);
  fixture->device = usb_instrument_new (fixture->instrument);
  fixture->place = umock_usb_add (fixture->bus, fixture->device);
  open_it (fixture);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  g_assert_cmpuint (usb_instrument_get_violations (fixture->device), ==, 0);
  lb_usbtmc_close (fixture->usbtmc);
  umock_usb_free (fixture->bus);
}

static void
expect_answer (Fixture *fixture, const char *query, const char *expected)
{
  const LbUsbCall call = within (2000);
  g_autoptr (GError) error = NULL;
  g_autofree char *answer = lb_usbtmc_query (fixture->usbtmc, query, &call, &error);

  g_assert_no_error (error);
  g_assert_cmpstr (answer, ==, expected);
}

#define IDENTITY "THORLABS,CLD1015," SERIAL ",1.4.0/1.2.0/1.1.0"

/* Fails with @code by @milliseconds + 100 ms (and a little for a busy computer). */
static void
expect_failure (Fixture *fixture, const char *query, gint64 milliseconds, LbDeviceError code)
{
  const LbUsbCall call = within (milliseconds);
  g_autoptr (GError) error = NULL;
  g_autofree char *answer = lb_usbtmc_query (fixture->usbtmc, query, &call, &error);

  g_assert_null (answer);
  g_assert_error (error, LB_DEVICE_ERROR, (int) code);
}

/* --- Messages ----------------------------------------------------------------------------- */

static void
test_queries_are_answered (Fixture *fixture, gconstpointer data)
{
  for (guint i = 0; i < 300; i++)
    expect_answer (fixture, "*IDN?", IDENTITY);
}

static void
test_messages_go_in_parts (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GString) query = g_string_new ("*IDN?");

  for (guint i = 0; i < 200; i++)
    g_string_append (query, ";*IDN?");
  for (guint32 chunk = 1; chunk < 40; chunk += 6)
    {
      const LbUsbCall call = within (30000);
      g_autoptr (GError) error = NULL;
      g_autofree char *answer = NULL;

      lb_usbtmc_set_chunk (fixture->usbtmc, chunk, 17 * chunk);
      answer = lb_usbtmc_query (fixture->usbtmc, query->str, &call, &error);
      g_assert_no_error (error);
      g_assert_cmpuint (strlen (answer), ==, 201 * (strlen (IDENTITY) + 1) - 1);
      g_assert_true (g_str_has_prefix (answer, IDENTITY ";" IDENTITY));
    }
}

static void
test_answers_in_small_transfers (Fixture *fixture, gconstpointer data)
{
  usb_instrument_set_fault (fixture->device, USB_FAULT_SPLIT);
  expect_answer (fixture, "*IDN?", IDENTITY);
  usb_instrument_set_fault (fixture->device, USB_FAULT_SHORT);
  expect_answer (fixture, "*IDN?", IDENTITY);
  usb_instrument_set_fault (fixture->device, USB_FAULT_EMPTY_FIRST);
  expect_answer (fixture, "*IDN?", IDENTITY);
}

/* --- Faults ---------------------------------------------------------------------------------- */

static void
test_time_out_is_recovered_from (Fixture *fixture, gconstpointer data)
{
  for (guint i = 0; i < 5; i++)
    {
      usb_instrument_set_fault (fixture->device, USB_FAULT_MUTE);
      expect_failure (fixture, "*IDN?", 50, LB_DEVICE_ERROR_TIMEOUT);
      usb_instrument_set_fault (fixture->device, USB_FAULT_NONE);
      expect_answer (fixture, "*IDN?", IDENTITY);
    }
  g_assert_cmpuint (usb_instrument_get_aborts (fixture->device), ==, 5);
  /* Aborting was enough each time: only opening has cleared it. */
  g_assert_cmpuint (usb_instrument_get_clears (fixture->device), ==, 1);
}

/* A call of several messages has time for all of them, but not for one. */
static void
test_each_answer_has_its_own_time (Fixture *fixture, gconstpointer data)
{
  const gint64 begin_us = g_get_monotonic_time ();
  const LbUsbCall call = { NULL, begin_us + 20 * G_USEC_PER_SEC, NULL, 50 * 1000 };
  g_autoptr (GError) error = NULL;

  usb_instrument_set_fault (fixture->device, USB_FAULT_MUTE);
  g_assert_null (lb_usbtmc_query (fixture->usbtmc, "*IDN?", &call, &error));
  g_assert_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_TIMEOUT);
  g_assert_cmpint (g_get_monotonic_time (), <, begin_us + 10 * G_USEC_PER_SEC);
  usb_instrument_set_fault (fixture->device, USB_FAULT_NONE);
  expect_answer (fixture, "*IDN?", IDENTITY);
}

static void
test_unknown_query_times_out_and_says_why (Fixture *fixture, gconstpointer data)
{
  expect_failure (fixture, "NONSENSE?", 50, LB_DEVICE_ERROR_TIMEOUT);
  expect_answer (fixture, "SYST:ERR?", "-113,\"Undefined header\"");
}

static void
test_stall_is_recovered_from (Fixture *fixture, gconstpointer data)
{
  static const UsbFault faults[] = { USB_FAULT_STALL_OUT, USB_FAULT_STALL_IN };

  for (guint i = 0; i < 6; i++)
    {
      usb_instrument_set_fault (fixture->device, faults[i % 2]);
      expect_failure (fixture, "*IDN?", 1000, LB_DEVICE_ERROR_PROTOCOL);
      expect_answer (fixture, "*IDN?", IDENTITY);
    }
}

static void
test_wrong_headers_are_refused (Fixture *fixture, gconstpointer data)
{
  static const UsbFault faults[] = { USB_FAULT_WRONG_TAG, USB_FAULT_WRONG_INVERSE, USB_FAULT_WRONG_MESSAGE,
                                     USB_FAULT_WRONG_SIZE };

  for (guint i = 0; i < G_N_ELEMENTS (faults); i++)
    {
      usb_instrument_set_fault (fixture->device, faults[i]);
      expect_failure (fixture, "*IDN?", 1000, LB_DEVICE_ERROR_PROTOCOL);
      expect_answer (fixture, "*IDN?", IDENTITY);
    }
}

static void
test_deaf_instrument_is_given_up_in_time (Fixture *fixture, gconstpointer data)
{
  gint64 start_us = g_get_monotonic_time ();
  LbUsbCall call;

  usb_instrument_set_fault (fixture->device, USB_FAULT_DEAF);
  expect_failure (fixture, "*IDN?", 200, LB_DEVICE_ERROR_TIMEOUT);
  expect_failure (fixture, "*IDN?", 200, LB_DEVICE_ERROR_FAULTED);
  g_assert_cmpint (g_get_monotonic_time () - start_us, <, 2 * G_USEC_PER_SEC);
  usb_instrument_set_fault (fixture->device, USB_FAULT_NONE);
  call = within (2000);
  g_assert_true (lb_usbtmc_clear (fixture->usbtmc, &call, NULL));
  expect_answer (fixture, "*IDN?", IDENTITY);
}

static gpointer
cancel_thread (gpointer cancellable)
{
  g_usleep (50 * 1000);
  g_cancellable_cancel (cancellable);
  return NULL;
}

static void
test_waiting_is_cancelled (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  const LbUsbCall call = { cancellable, g_get_monotonic_time () + 20 * G_USEC_PER_SEC, NULL };
  g_autoptr (GError) error = NULL;
  GThread *thread = g_thread_new ("cancel", cancel_thread, cancellable);

  usb_instrument_set_fault (fixture->device, USB_FAULT_MUTE);
  g_assert_null (lb_usbtmc_query (fixture->usbtmc, "*IDN?", &call, &error));
  g_assert_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_CANCELLED);
  g_assert_cmpint (g_get_monotonic_time (), <, call.deadline_us - 15 * G_USEC_PER_SEC);
  g_thread_join (thread);
  usb_instrument_set_fault (fixture->device, USB_FAULT_NONE);
  expect_answer (fixture, "*IDN?", IDENTITY);
}

/* --- Plugging ----------------------------------------------------------------------------------- */

/* The plug is pulled after a number of transfers that reaches every state of a
 * query; later calls say ABSENT; a new handle works. */
static void
test_unplug_in_any_state (Fixture *fixture, gconstpointer data)
{
  guint cycles = g_test_slow () ? 100 : 12;
  guint before = 0;

  for (guint i = 0; i < cycles; i++)
    {
      const LbUsbCall call = within (3000);
      g_autoptr (GError) error = NULL;
      char *answer;

      umock_usb_unplug_after (fixture->bus, fixture->place, 1 + i % 6);
      do
        answer = lb_usbtmc_query (fixture->usbtmc, "*IDN?", &call, &error);
      while (answer != NULL && (g_free (answer), TRUE));
      g_assert_true (umock_usb_wait_unplugged (fixture->bus, fixture->place));
      g_assert_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_ABSENT);
      expect_failure (fixture, "*IDN?", 1000, LB_DEVICE_ERROR_ABSENT);
      g_assert_true (lb_usbtmc_is_gone (fixture->usbtmc));
      lb_usbtmc_close (g_steal_pointer (&fixture->usbtmc));
      umock_usb_plug (fixture->bus, fixture->place);
      open_it (fixture);
      expect_answer (fixture, "*IDN?", IDENTITY);
      if (i == 2)
        before = usb_rig_count_descriptors ();
    }
  g_assert_true (usb_rig_wait_descriptors (before));
}

static void
test_interface_is_given_back (Fixture *fixture, gconstpointer data)
{
  g_assert_false (umock_usb_has_kernel_driver (fixture->bus, fixture->place));
  g_assert_true (umock_usb_is_claimed (fixture->bus, fixture->place));
  lb_usbtmc_close (g_steal_pointer (&fixture->usbtmc));
  g_assert_true (umock_usb_has_kernel_driver (fixture->bus, fixture->place));
  g_assert_false (umock_usb_is_claimed (fixture->bus, fixture->place));
}

static void
test_second_user_is_told_so (Fixture *fixture, gconstpointer data)
{
  const LbUsbCall call = within (1000);
  g_autoptr (GError) error = NULL;

  g_assert_null (lb_usbtmc_open (0x1313, products, SERIAL, &call, &error));
  g_assert_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_BUSY);
}

static gpointer
let_go_thread (gpointer data)
{
  g_usleep (300 * 1000);
  lb_usbtmc_close (data);
  return NULL;
}

/* One that was killed holds it a moment longer than it lives. */
static void
test_first_user_may_let_go_meanwhile (Fixture *fixture, gconstpointer data)
{
  GThread *thread = g_thread_new ("lets-go", let_go_thread, g_steal_pointer (&fixture->usbtmc));

  open_it (fixture);
  g_thread_join (thread);
  expect_answer (fixture, "*IDN?", IDENTITY);
}

static void
test_other_serial_is_not_touched (Fixture *fixture, gconstpointer data)
{
  const LbUsbCall call = within (1000);
  g_autoptr (GError) error = NULL;

  lb_usbtmc_close (g_steal_pointer (&fixture->usbtmc));
  g_assert_null (lb_usbtmc_open (0x1313, products, "M99999999", &call, &error));
  g_assert_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_ABSENT);
  g_assert_true (umock_usb_has_kernel_driver (fixture->bus, fixture->place));
}

static void
test_other_model_is_refused (Fixture *fixture, gconstpointer data)
{
  const LbUsbCall call = within (2000);
  g_autoptr (GError) error = NULL;

  lb_usbtmc_close (g_steal_pointer (&fixture->usbtmc));
  g_assert_null (lb_scpi_open (lb_usb_model_find ("CLD1011"), SERIAL, &call, &error));
  g_assert_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_PROTOCOL);
  g_assert_nonnull (strstr (error->message, "CLD1015"));
  g_assert_true (umock_usb_has_kernel_driver (fixture->bus, fixture->place));
}

static void
test_devices_are_listed_unopened (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GPtrArray) entries = NULL;
  const LbUsbEntry *entry;

  lb_usbtmc_close (g_steal_pointer (&fixture->usbtmc));
  entries = lb_usb_list ();
  g_assert_cmpuint (entries->len, ==, 1);
  entry = g_ptr_array_index (entries, 0);
  g_assert_cmphex (entry->vendor, ==, 0x1313);
  g_assert_cmphex (entry->product, ==, 0x804f);
  g_assert_cmpstr (entry->name, ==, "CLD1015");
  g_assert_cmpstr (entry->serial, ==, SERIAL);
}

#define ADD(path, function) g_test_add (path, Fixture, NULL, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/usb/tmc/queries-are-answered", test_queries_are_answered);
  ADD ("/usb/tmc/messages-go-in-parts", test_messages_go_in_parts);
  ADD ("/usb/tmc/answers-in-small-transfers", test_answers_in_small_transfers);
  ADD ("/usb/tmc/time-out-is-recovered-from", test_time_out_is_recovered_from);
  ADD ("/usb/tmc/each-answer-has-its-own-time", test_each_answer_has_its_own_time);
  ADD ("/usb/tmc/unknown-query-times-out-and-says-why", test_unknown_query_times_out_and_says_why);
  ADD ("/usb/tmc/stall-is-recovered-from", test_stall_is_recovered_from);
  ADD ("/usb/tmc/wrong-headers-are-refused", test_wrong_headers_are_refused);
  ADD ("/usb/tmc/deaf-instrument-is-given-up-in-time", test_deaf_instrument_is_given_up_in_time);
  ADD ("/usb/tmc/waiting-is-cancelled", test_waiting_is_cancelled);
  ADD ("/usb/tmc/unplug-in-any-state", test_unplug_in_any_state);
  ADD ("/usb/tmc/interface-is-given-back", test_interface_is_given_back);
  ADD ("/usb/tmc/second-user-is-told-so", test_second_user_is_told_so);
  ADD ("/usb/tmc/first-user-may-let-go-meanwhile", test_first_user_may_let_go_meanwhile);
  ADD ("/usb/tmc/other-serial-is-not-touched", test_other_serial_is_not_touched);
  ADD ("/usb/tmc/other-model-is-refused", test_other_model_is_refused);
  ADD ("/usb/tmc/devices-are-listed-unopened", test_devices_are_listed_unopened);
  return g_test_run ();
}
