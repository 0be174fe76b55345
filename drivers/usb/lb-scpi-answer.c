/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-scpi-answer.h"

#include <math.h>
#include <string.h>

/* The longest text that is kept of an answer. */
#define TEXT_MAX 200

gboolean
lb_scpi_parse_number (const char *text, double *value)
{
  char *end;
  double number = g_ascii_strtod (text, &end);

  if (end == text || !isfinite (number))
    return FALSE;
  while (g_ascii_isspace (*end))
    end++;
  if (*end != '\0')
    return FALSE;
  *value = number;
  return TRUE;
}

gboolean
lb_scpi_parse_switch (const char *text, gboolean *value)
{
  g_autofree char *word = g_strstrip (g_strndup (text, TEXT_MAX));
  double number;

  if (g_ascii_strcasecmp (word, "ON") == 0)
    *value = TRUE;
  else if (g_ascii_strcasecmp (word, "OFF") == 0)
    *value = FALSE;
  else if (lb_scpi_parse_number (word, &number) && (number == 0 || number == 1))
    *value = number == 1;
  else
    return FALSE;
  return TRUE;
}

/* Of bytes that a device sent: text that can be shown. */
static char *
make_printable (const char *text, gsize length)
{
  char *printable = g_strndup (text, MIN (length, TEXT_MAX));

  for (char *c = printable; *c != '\0'; c++)
    if (!g_ascii_isprint (*c))
      *c = '?';
  return g_strstrip (printable);
}

gboolean
lb_scpi_parse_error (const char *text, int *code, char **message)
{
  char *end;
  gint64 number = g_ascii_strtoll (text, &end, 10);
  const char *from, *to;

  if (end == text || number < G_MININT16 || number > G_MAXINT16)
    return FALSE;
  while (*end == ' ')
    end++;
  if (*end != ',' && *end != '\0' && !g_ascii_isspace (*end))
    return FALSE;
  from = *end == ',' ? end + 1 : end;
  while (*from == ' ' || *from == '"')
    from++;
  to = strchr (from, '"');
  *code = (int) number;
  *message = make_printable (from, to != NULL ? (gsize) (to - from) : strlen (from));
  return TRUE;
}

gboolean
lb_scpi_parse_identity (const char *text, char *fields[4])
{
  const char *commas[3];

  for (guint i = 0; i < 3; i++)
    {
      commas[i] = strchr (i == 0 ? text : commas[i - 1] + 1, ',');
      if (commas[i] == NULL)
        return FALSE;
    }
  fields[0] = make_printable (text, (gsize) (commas[0] - text));
  fields[1] = make_printable (commas[0] + 1, (gsize) (commas[1] - commas[0] - 1));
  fields[2] = make_printable (commas[1] + 1, (gsize) (commas[2] - commas[1] - 1));
  fields[3] = make_printable (commas[2] + 1, strlen (commas[2] + 1));
  return TRUE;
}
