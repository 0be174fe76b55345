/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "instrument-private.h"

#include <string.h>

/* What all instruments have in common: headers, parameters, the queue of errors. */

#define COMMAND_ERROR -113

static const InstrumentModel models[] = {
  { "CLD1010", 0x804f, "1.4.0/1.2.0/1.1.0", 1.0, 0, FALSE },
  { "CLD1011", 0x804f, "1.4.0/1.2.0/1.1.0", 1.0, 0, FALSE },
  { "CLD1015", 0x804f, "1.4.0/1.2.0/1.1.0", 1.5, 0, FALSE },
  { "ITC4001", 0x804a, "1.8.0/2.0.3/1.6.0", 1.0, 0, FALSE },
  { "ITC4002", 0x804a, "1.8.0/2.0.3/1.6.0", 2.0, 0, FALSE },
  { "ITC4005", 0x804a, "1.8.0/2.0.3/1.6.0", 5.0, 0, FALSE },
  { "DC2200", 0x80c8, "1.5.0", 4.0, 0, FALSE },
  { "PM100D", 0x8078, "2.4.0", 0, 0.5, TRUE },
  { "PM100A", 0x8079, "2.4.0", 0, 0.5, TRUE },
  { "PM100USB", 0x8072, "1.8.0", 0, 0.5, TRUE },
  { "PM16-120", 0x807b, "1.6.0", 0, 0.05, FALSE },
  { "PM400", 0x8075, "1.5.0", 0, 0.5, TRUE },
};

static const InstrumentCommand *
find_commands (const InstrumentModel *model)
{
  if (model->power_max > 0)
    return instrument_meter_commands;
  return g_str_equal (model->name, "DC2200") ? instrument_led_commands : instrument_laser_commands;
}

Instrument *
instrument_new (const char *model, const char *serial)
{
  for (guint i = 0; i < G_N_ELEMENTS (models); i++)
    if (g_str_equal (models[i].name, model))
      {
        Instrument *self = g_new0 (Instrument, 1);

        g_mutex_init (&self->lock);
        self->model = &models[i];
        self->commands = find_commands (self->model);
        self->serial = g_strdup (serial);
        self->log = g_string_new (NULL);
        g_queue_init (&self->errors);
        self->current_limit = self->model->current_max;
        self->temperature = self->temperature_set = 25;
        self->settling_us = 50 * 1000;
        self->wavelength = 635;
        self->range = self->model->power_max;
        self->range_auto = TRUE;
        self->averaging = 1;
        return self;
      }
  return NULL;
}

void
instrument_free (Instrument *self)
{
  if (self == NULL)
    return;
  g_queue_clear_full (&self->errors, g_free);
  g_string_free (self->log, TRUE);
  g_free (self->serial);
  g_mutex_clear (&self->lock);
  g_free (self);
}

const char *
instrument_get_model (Instrument *self)
{
  return self->model->name;
}

const char *
instrument_get_serial (Instrument *self)
{
  return self->serial;
}

guint16
instrument_get_product (Instrument *self)
{
  return self->model->product;
}

/* --- Errors (4 SCPI Error Messages) ---------------------------------------------- */

void
instrument_push_error (Instrument *self, int code, const char *text)
{
  if (self->errors.length == INSTRUMENT_ERRORS_MAX)
    {
      g_free (g_queue_pop_tail (&self->errors));
      g_queue_push_tail (&self->errors, g_strdup ("-350,\"Error queue overflow\""));
      return;
    }
  g_queue_push_tail (&self->errors, g_strdup_printf ("%d,\"%s\"", code, text));
}

void
instrument_handle_error (Instrument *self,
                         const InstrumentCommand *command,
                         gboolean query,
                         const char *parameter,
                         GString *answer)
{
  g_autofree char *error = g_queue_pop_head (&self->errors);

  if (query)
    g_string_append (answer, error != NULL ? error : "+0,\"No error\"");
}

void
instrument_handle_clear (Instrument *self,
                         const InstrumentCommand *command,
                         gboolean query,
                         const char *parameter,
                         GString *answer)
{
  g_queue_clear_full (&self->errors, g_free);
}

void
instrument_handle_identity (Instrument *self,
                            const InstrumentCommand *command,
                            gboolean query,
                            const char *parameter,
                            GString *answer)
{
  g_string_append_printf (answer, "THORLABS,%s,%s,%s", self->model->name, self->serial,
                          self->model->firmware);
}

void
instrument_handle_one (Instrument *self,
                       const InstrumentCommand *command,
                       gboolean query,
                       const char *parameter,
                       GString *answer)
{
  if (query)
    g_string_append_c (answer, '1');
}

/* --- Parameters (2.6 Parameter Types) ---------------------------------------------- */

void
instrument_append_number (GString *answer, double value)
{
  char number[G_ASCII_DTOSTR_BUF_SIZE];

  g_string_append (answer, g_ascii_formatd (number, sizeof number, "%.8E", value));
}

gboolean
instrument_parse_number (Instrument *self, const char *parameter, double low, double high, double *value)
{
  char *end;
  double number;

  if (g_ascii_strncasecmp (parameter, "MIN", 3) == 0)
    *value = low;
  else if (g_ascii_strncasecmp (parameter, "MAX", 3) == 0)
    *value = high;
  else
    {
      number = g_ascii_strtod (parameter, &end);
      /* A unit may follow: "25C", "635nm". Nothing else. */
      if (end == parameter || strspn (end, " ACWVmunCFKL") != strlen (end))
        {
          instrument_push_error (self, -104, "Data type error");
          return FALSE;
        }
      if (!(number >= low && number <= high))
        {
          instrument_push_error (self, -222, "Data out of range");
          return FALSE;
        }
      *value = number;
    }
  return TRUE;
}

gboolean
instrument_parse_switch (Instrument *self, const char *parameter, gboolean *value)
{
  if (g_ascii_strcasecmp (parameter, "ON") == 0 || g_str_equal (parameter, "1"))
    *value = TRUE;
  else if (g_ascii_strcasecmp (parameter, "OFF") == 0 || g_str_equal (parameter, "0"))
    *value = FALSE;
  else
    {
      instrument_push_error (self, -104, "Data type error");
      return FALSE;
    }
  return TRUE;
}

void
instrument_handle_number (Instrument *self,
                          const InstrumentCommand *command,
                          gboolean query,
                          const char *parameter,
                          GString *answer)
{
  double *value = &G_STRUCT_MEMBER (double, self, command->offset);
  double number = *value;

  if (!query)
    instrument_parse_number (self, parameter, command->low, command->high, value);
  else if (parameter[0] == '\0' ||
           instrument_parse_number (self, parameter, command->low, command->high, &number))
    instrument_append_number (answer, number);
}

void
instrument_handle_switch (Instrument *self,
                          const InstrumentCommand *command,
                          gboolean query,
                          const char *parameter,
                          GString *answer)
{
  gboolean *value = &G_STRUCT_MEMBER (gboolean, self, command->offset);

  if (query)
    g_string_append_c (answer, *value ? '1' : '0');
  else
    instrument_parse_switch (self, parameter, value);
}

/* --- Headers (2.1 Syntax Conventions) --------------------------------------------------- */

/* One keyword: its long form, or its capitals. */
static gboolean
keyword_matches (const char *pattern, const char *keyword)
{
  g_autofree char *name = g_strdup (pattern);
  g_autoptr (GString) brief = g_string_new (NULL);
  gsize length = strlen (keyword);
  char *suffix = strchr (name, '<');

  if (suffix != NULL)
    {
      *suffix = '\0';
      if (length > 1 && keyword[length - 1] == suffix[1])
        length--;
    }
  for (const char *c = name; *c != '\0'; c++)
    if (!g_ascii_islower (*c))
      g_string_append_c (brief, *c);
  return (strlen (name) == length && g_ascii_strncasecmp (name, keyword, length) == 0) ||
         (brief->len == length && g_ascii_strncasecmp (brief->str, keyword, length) == 0);
}

static gboolean
keywords_match (char **pattern, char **keywords)
{
  g_autofree char *name = NULL;
  gboolean optional;

  if (*pattern == NULL)
    return *keywords == NULL;
  optional = **pattern == '[';
  name = optional ? g_strndup (*pattern + 1, strlen (*pattern) - 2) : g_strdup (*pattern);
  if (*keywords != NULL && keyword_matches (name, *keywords) && keywords_match (pattern + 1, keywords + 1))
    return TRUE;
  return optional && keywords_match (pattern + 1, keywords);
}

static const InstrumentCommand *
find_command (Instrument *self, const char *header)
{
  g_auto (GStrv) keywords = g_strsplit (header[0] == ':' ? header + 1 : header, ":", -1);

  for (const InstrumentCommand *command = self->commands; command->pattern != NULL; command++)
    {
      g_auto (GStrv) pattern = g_strsplit (command->pattern, ":", -1);

      if (keywords_match (pattern, keywords))
        return command;
    }
  return NULL;
}

static void
execute_one (Instrument *self, char *text, GString *answer)
{
  gsize length = strcspn (text, " \t");
  gboolean query = length > 0 && text[length - 1] == '?';
  g_autofree char *header = g_strndup (text, query ? length - 1 : length);
  const char *parameter = g_strstrip (text + length);
  const InstrumentCommand *command = find_command (self, header);

  if (answer->len > 0 && query)
    g_string_append_c (answer, ';');
  if (command == NULL)
    {
      self->unknown++;
      g_string_append_printf (self->log, "unknown: %s\n", text);
      instrument_push_error (self, COMMAND_ERROR, "Undefined header");
      return;
    }
  command->handler (self, command, query, parameter, answer);
}

char *
instrument_execute (Instrument *self, const char *message)
{
  g_autoptr (GString) answer = g_string_new (NULL);
  g_auto (GStrv) commands = g_strsplit (message, ";", -1);

  g_mutex_lock (&self->lock);
  g_string_append_printf (self->log, "%s\n", message);
  for (char **text = commands; *text != NULL; text++)
    if (g_strstrip (*text)[0] != '\0')
      execute_one (self, *text, answer);
  g_mutex_unlock (&self->lock);
  return answer->len > 0 ? g_strdup (answer->str) : NULL;
}

/* --- What tests ask --------------------------------------------------------------------------- */

guint
instrument_get_unknown (Instrument *self)
{
  guint unknown;

  g_mutex_lock (&self->lock);
  unknown = self->unknown;
  g_mutex_unlock (&self->lock);
  return unknown;
}

char *
instrument_dup_log (Instrument *self)
{
  char *log;

  g_mutex_lock (&self->lock);
  log = g_strdup (self->log->str);
  g_mutex_unlock (&self->lock);
  return log;
}
