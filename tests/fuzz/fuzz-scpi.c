/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any text as an instrument's answer: a finite number, a switch, an error, an
 * identity, or none of these. */
#include <math.h>
#include <string.h>

#include <lb-scpi-answer.h>

#include "fuzz.h"

static void
check_printable (const char *text)
{
  for (const char *c = text; *c != '\0'; c++)
    g_assert_true (g_ascii_isprint (*c));
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autofree char *text = g_strndup ((const char *) data, size);
  g_autofree char *message = NULL;
  char *fields[4] = { NULL };
  gboolean on = 2;
  double number = NAN;
  int code;

  if (lb_scpi_parse_number (text, &number))
    g_assert_true (isfinite (number));
  if (lb_scpi_parse_switch (text, &on))
    g_assert_true (on == 0 || on == 1);
  if (lb_scpi_parse_error (text, &code, &message))
    check_printable (message);
  if (lb_scpi_parse_identity (text, fields))
    for (guint i = 0; i < G_N_ELEMENTS (fields); i++)
      check_printable (fields[i]);
  for (guint i = 0; i < G_N_ELEMENTS (fields); i++)
    g_free (fields[i]);
  return 0;
}
