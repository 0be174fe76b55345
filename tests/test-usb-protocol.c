/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <locale.h>
#include <string.h>

#include <lb-scpi-answer.h>
#include <lb-usb-models.h>
#include <lb-usbtmc-message.h>

#include "emulators/instrument.h"
#include "german-locale.h"

/* Bytes of USBTMC headers, answers of instruments, and that the emulated
 * instruments know every command that a dialect has. */

/* --- Headers --------------------------------------------------------------------------- */

static void
test_out_is_byte_exact (void)
{
  const guint8 expected[] = { 1, 7, 0xf8, 0, 6, 0, 0, 0, 1, 0, 0, 0, '*', 'I', 'D', 'N', '?', '\n', 0, 0 };
  guint8 transfer[LB_USBTMC_TRANSFER (6)];

  memset (transfer, 0xaa, sizeof transfer);
  g_assert_cmpuint (lb_usbtmc_encode_out (7, (const guint8 *) "*IDN?\n", 6, TRUE, transfer), ==, 20);
  g_assert_cmpmem (transfer, sizeof transfer, expected, sizeof expected);
}

static void
test_part_of_a_message_has_no_end (void)
{
  const guint8 expected[] = { 1, 255, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 'S', 'O', 'U', 'R' };
  guint8 transfer[LB_USBTMC_TRANSFER (4)];

  g_assert_cmpuint (lb_usbtmc_encode_out (255, (const guint8 *) "SOUR", 4, FALSE, transfer), ==, 16);
  g_assert_cmpmem (transfer, sizeof transfer, expected, sizeof expected);
}

static void
test_request_is_byte_exact (void)
{
  const guint8 with[] = { 2, 8, 0xf7, 0, 0x00, 0x10, 0, 0, 2, '\n', 0, 0 };
  const guint8 without[] = { 2, 8, 0xf7, 0, 0x78, 0x56, 0x34, 0x12, 0, 0, 0, 0 };
  guint8 transfer[LB_USBTMC_HEADER];

  lb_usbtmc_encode_request (8, 4096, '\n', transfer);
  g_assert_cmpmem (transfer, sizeof transfer, with, sizeof with);
  lb_usbtmc_encode_request (8, 0x12345678, -1, transfer);
  g_assert_cmpmem (transfer, sizeof transfer, without, sizeof without);
}

static void
test_tags_go_round_without_zero (void)
{
  guint8 tag = 0;

  for (guint i = 1; i <= 255; i++)
    {
      tag = lb_usbtmc_next_tag (tag);
      g_assert_cmpuint (tag, ==, i);
    }
  g_assert_cmpuint (lb_usbtmc_next_tag (tag), ==, 1);
}

static void
test_answers_are_checked (void)
{
  const guint8 good[] = { 2, 9, 0xf6, 0, 3, 0, 0, 0, 1, 0, 0, 0, 'O', 'N', '\n', 0 };
  LbUsbtmcAnswer answer = { 0 };
  guint8 bad[sizeof good];

  g_assert_null (lb_usbtmc_decode_in (good, sizeof good, 9, 4096, &answer));
  g_assert_cmpuint (answer.size, ==, 3);
  g_assert_true (answer.end);
  g_assert_false (answer.term);
  g_assert_nonnull (lb_usbtmc_decode_in (good, LB_USBTMC_HEADER - 1, 9, 4096, &answer));
  g_assert_nonnull (lb_usbtmc_decode_in (good, sizeof good, 8, 4096, &answer));
  g_assert_nonnull (lb_usbtmc_decode_in (good, sizeof good, 9, 2, &answer));
  /* One bit wrong in message, tag or complement. */
  for (guint byte = 0; byte < 3; byte++)
    for (guint bit = 0; bit < 8; bit++)
      {
        memcpy (bad, good, sizeof good);
        bad[byte] ^= (guint8) (1 << bit);
        g_assert_nonnull (lb_usbtmc_decode_in (bad, sizeof bad, 9, 4096, &answer));
      }
}

/* --- Answers ------------------------------------------------------------------------------ */

static void
test_numbers_are_read_whole (void)
{
  static const char *const bad[] = { "", " ", "abc", "1,5", "1.5x", "1 2", "nan", "inf", "--1", "1e999" };
  double value = 0;

  g_assert_true (lb_scpi_parse_number ("6.50000000E-02", &value));
  g_assert_cmpfloat (value, ==, 0.065);
  g_assert_true (lb_scpi_parse_number ("+9.91000000E+37\r\n", &value));
  g_assert_cmpfloat (value, ==, 9.91e37);
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    g_assert_false (lb_scpi_parse_number (bad[i], &value));
}

static void
test_numbers_do_not_follow_the_locale (void)
{
  double value = 0;

  use_german_locale ();
  g_assert_true (lb_scpi_parse_number ("0.5", &value));
  g_assert_cmpfloat (value, ==, 0.5);
  g_assert_false (lb_scpi_parse_number ("0,5", &value));
  setlocale (LC_ALL, "C");
}

static void
test_switches_are_read (void)
{
  gboolean value = FALSE;

  g_assert_true (lb_scpi_parse_switch ("1\n", &value) && value);
  g_assert_true (lb_scpi_parse_switch ("OFF", &value) && !value);
  g_assert_true (lb_scpi_parse_switch ("on", &value) && value);
  g_assert_true (lb_scpi_parse_switch ("+0", &value) && !value);
  g_assert_false (lb_scpi_parse_switch ("2", &value));
  g_assert_false (lb_scpi_parse_switch ("", &value));
}

static void
check_error (const char *text, int code, const char *message)
{
  g_autofree char *found = NULL;
  int number = 1;

  g_assert_true (lb_scpi_parse_error (text, &number, &found));
  g_assert_cmpint (number, ==, code);
  g_assert_cmpstr (found, ==, message);
}

static void
test_errors_are_read (void)
{
  g_autofree char *message = NULL;
  int code;

  check_error ("+0,\"No error\"", 0, "No error");
  check_error ("-113,\"Undefined header\"", -113, "Undefined header");
  check_error ("0,'No error'", 0, "'No error'");
  check_error ("-222", -222, "");
  check_error ("-1, \"a\x01\x80\"", -1, "a??");
  g_assert_false (lb_scpi_parse_error ("No error", &code, &message));
  g_assert_false (lb_scpi_parse_error ("", &code, &message));
  g_assert_false (lb_scpi_parse_error ("12x", &code, &message));
  g_assert_false (lb_scpi_parse_error ("99999999,\"a\"", &code, &message));
}

static void
test_identity_is_read (void)
{
  char *fields[4] = { NULL };

  g_assert_true (lb_scpi_parse_identity ("THORLABS,CLD1015,M00290000,1.4.0/1.2.0,x", fields));
  g_assert_cmpstr (fields[0], ==, "THORLABS");
  g_assert_cmpstr (fields[1], ==, "CLD1015");
  g_assert_cmpstr (fields[2], ==, "M00290000");
  g_assert_cmpstr (fields[3], ==, "1.4.0/1.2.0,x");
  for (guint i = 0; i < G_N_ELEMENTS (fields); i++)
    g_free (fields[i]);
  g_assert_false (lb_scpi_parse_identity ("THORLABS,CLD1015,M00290000", fields));
}

/* --- Emulated instruments -------------------------------------------------------------------- */

static char *
ask (Instrument *instrument, const char *command)
{
  char *answer = instrument_execute (instrument, command);

  return answer != NULL ? answer : g_strdup ("");
}

static void
expect (Instrument *instrument, const char *command, const char *answer)
{
  g_autofree char *found = ask (instrument, command);

  g_assert_cmpstr (found, ==, answer);
}

static void
test_unknown_headers_are_refused (void)
{
  Instrument *instrument = instrument_new ("CLD1015", "M1");

  expect (instrument, "SYST:ERR?", "+0,\"No error\"");
  expect (instrument, "SOUR:CURRE 0.1", "");
  expect (instrument, "SOUR:CURR:LEVE:AMPL?", "");
  g_assert_cmpuint (instrument_get_unknown (instrument), ==, 2);
  expect (instrument, "SYSTEM:ERROR:NEXT?", "-113,\"Undefined header\"");
  expect (instrument, ":syst:err?;*CLS;SYST:ERR?", "-113,\"Undefined header\";+0,\"No error\"");
  instrument_free (instrument);
}

static void
test_error_queue_holds_ten (void)
{
  Instrument *instrument = instrument_new ("CLD1015", "M1");

  for (guint i = 0; i < 12; i++)
    expect (instrument, "SOUR:CURR 99", "");
  for (guint i = 0; i < 9; i++)
    expect (instrument, "SYST:ERR?", "-222,\"Data out of range\"");
  expect (instrument, "SYST:ERR?", "-350,\"Error queue overflow\"");
  expect (instrument, "SYST:ERR?", "+0,\"No error\"");
  instrument_free (instrument);
}

static void
test_limit_keeps_the_set_point_down (void)
{
  Instrument *instrument = instrument_new ("CLD1015", "M1");

  expect (instrument, "SOUR:CURR:LEV:IMM:AMPL 0.5;:SOURCE1:CURRENT:LIMIT:AMPLITUDE 0.1", "");
  expect (instrument, "SOUR:CURR?", "1.00000000E-01");
  expect (instrument, "SOUR:CURR 0.2;SOUR:CURR?", "1.00000000E-01");
  expect (instrument, "SYST:ERR?", "-222,\"Data out of range\"");
  instrument_free (instrument);
}

static void
test_open_interlock_switches_off_and_keeps_off (void)
{
  Instrument *instrument = instrument_new ("CLD1015", "M1");

  expect (instrument, "OUTP1:STAT ON;OUTP1:STAT?", "1");
  instrument_set_condition (instrument, INSTRUMENT_INTERLOCK, TRUE);
  expect (instrument, "OUTP1:STAT?;OUTP:PROT:INTL:TRIP?;OUTP:PROT:KEYL:TRIP?", "0;1;0");
  expect (instrument, "OUTP ON;OUTP?", "0");
  expect (instrument, "SYST:ERR?", "-221,\"Settings conflict\"");
  g_assert_cmpuint (instrument_get_switched_on (instrument), ==, 1);
  instrument_free (instrument);
}

/* Every command of the dialects is one that the manual's table has. */
static void
check_command (Instrument *instrument, const char *command, gboolean query)
{
  g_autofree char *text = NULL;
  g_autofree char *answer = NULL;

  if (command == NULL)
    return;
  text = g_strconcat (command, query ? "?" : NULL, NULL);
  answer = instrument_execute (instrument, text);
  if (instrument_get_unknown (instrument) != 0)
    g_error ("%s does not know %s", instrument_get_model (instrument), text);
}

static void
check_light (Instrument *instrument, const LbScpiLightDialect *dialect)
{
  check_command (instrument, dialect->limit, TRUE);
  check_command (instrument, dialect->current, TRUE);
  check_command (instrument, dialect->output, TRUE);
  check_command (instrument, dialect->cooler, TRUE);
  check_command (instrument, dialect->temperature_set, TRUE);
  check_command (instrument, dialect->temperature, FALSE);
  for (guint i = 0; i < G_N_ELEMENTS (dialect->set_up); i++)
    check_command (instrument, dialect->set_up[i], FALSE);
  for (const LbScpiTrip *trip = dialect->trips; trip->query != NULL; trip++)
    check_command (instrument, trip->query, FALSE);
}

static void
check_meter (Instrument *instrument, const LbScpiMeterDialect *dialect)
{
  check_command (instrument, dialect->sensor, FALSE);
  check_command (instrument, dialect->wavelength, TRUE);
  check_command (instrument, dialect->range, TRUE);
  check_command (instrument, dialect->range_auto, TRUE);
  check_command (instrument, dialect->averaging, TRUE);
  check_command (instrument, dialect->zero, FALSE);
  check_command (instrument, dialect->zero_state, FALSE);
  check_command (instrument, dialect->power, FALSE);
}

static void
test_dialects_are_of_the_manuals (void)
{
  for (const LbUsbModel *model = lb_usb_models; model->name != NULL; model++)
    {
      const char *name = g_str_equal (model->name, "PM16") ? "PM16-120" : model->name;
      Instrument *instrument = instrument_new (name, "1");

      g_assert_nonnull (instrument);
      g_assert_true (lb_usb_model_has_id (model, model->vendor, instrument_get_product (instrument)));
      g_assert_true ((model->light != NULL) != (model->meter != NULL));
      if (model->light != NULL)
        check_light (instrument, model->light);
      else
        check_meter (instrument, model->meter);
      instrument_free (instrument);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/usb/message/out-is-byte-exact", test_out_is_byte_exact);
  g_test_add_func ("/usb/message/part-of-a-message-has-no-end", test_part_of_a_message_has_no_end);
  g_test_add_func ("/usb/message/request-is-byte-exact", test_request_is_byte_exact);
  g_test_add_func ("/usb/message/tags-go-round-without-zero", test_tags_go_round_without_zero);
  g_test_add_func ("/usb/message/answers-are-checked", test_answers_are_checked);
  g_test_add_func ("/usb/answer/numbers-are-read-whole", test_numbers_are_read_whole);
  g_test_add_func ("/usb/answer/numbers-do-not-follow-the-locale", test_numbers_do_not_follow_the_locale);
  g_test_add_func ("/usb/answer/switches-are-read", test_switches_are_read);
  g_test_add_func ("/usb/answer/errors-are-read", test_errors_are_read);
  g_test_add_func ("/usb/answer/identity-is-read", test_identity_is_read);
  g_test_add_func ("/usb/emulator/unknown-headers-are-refused", test_unknown_headers_are_refused);
  g_test_add_func ("/usb/emulator/error-queue-holds-ten", test_error_queue_holds_ten);
  g_test_add_func ("/usb/emulator/limit-keeps-the-set-point-down", test_limit_keeps_the_set_point_down);
  g_test_add_func ("/usb/emulator/open-interlock-switches-off-and-keeps-off",
                   test_open_interlock_switches_off_and_keeps_off);
  g_test_add_func ("/usb/emulator/dialects-are-of-the-manuals", test_dialects_are_of_the_manuals);
  return g_test_run ();
}
