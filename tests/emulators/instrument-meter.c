/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "instrument-private.h"

/* Power meters PM100D, PM100A, PM100USB, PM16, PM400 with a photodiode sensor. */

#define OVER_RANGE 9.91e37
#define WAVELENGTH_MIN 400
#define WAVELENGTH_MAX 1100
#define RANGE_MIN 5e-9

static void
handle_reset (Instrument *self,
              const InstrumentCommand *command,
              gboolean query,
              const char *parameter,
              GString *answer)
{
  self->wavelength = 635;
  self->range_auto = TRUE;
  self->averaging = 1;
}

/* 6.4: the type 1 is a photodiode; the flags say power sensor, settable
 * wavelength (1 + 32). */
static void
handle_sensor (Instrument *self,
               const InstrumentCommand *command,
               gboolean query,
               const char *parameter,
               GString *answer)
{
  g_string_append (answer, "\"S130C\",\"16032512\",\"25-MAR-2016\",1,18,33");
}

static void
handle_range (Instrument *self,
              const InstrumentCommand *command,
              gboolean query,
              const char *parameter,
              GString *answer)
{
  double value = self->range;

  if (query)
    {
      if (parameter[0] == '\0' ||
          instrument_parse_number (self, parameter, RANGE_MIN, self->model->power_max, &value))
        instrument_append_number (answer, value);
    }
  else if (instrument_parse_number (self, parameter, RANGE_MIN, self->model->power_max, &value))
    {
      self->range = value;
      self->range_auto = FALSE;
    }
}

/* The PM16 with firmware 1.6 does not have it. */
static void
handle_averaging (Instrument *self,
                  const InstrumentCommand *command,
                  gboolean query,
                  const char *parameter,
                  GString *answer)
{
  if (self->model->has_averaging)
    instrument_handle_number (self, command, query, parameter, answer);
  else
    instrument_push_error (self, -113, "Undefined header");
}

static void
handle_zero (Instrument *self,
             const InstrumentCommand *command,
             gboolean query,
             const char *parameter,
             GString *answer)
{
  self->zero = self->power;
}

static void
handle_zero_state (Instrument *self,
                   const InstrumentCommand *command,
                   gboolean query,
                   const char *parameter,
                   GString *answer)
{
  g_string_append_c (answer, '0');
}

static void
handle_unit (Instrument *self,
             const InstrumentCommand *command,
             gboolean query,
             const char *parameter,
             GString *answer)
{
  if (query)
    g_string_append_c (answer, 'W');
  else if (g_ascii_strcasecmp (parameter, "W") != 0)
    instrument_push_error (self, -104, "Data type error");
}

static void
handle_measure (Instrument *self,
                const InstrumentCommand *command,
                gboolean query,
                const char *parameter,
                GString *answer)
{
  double range = self->range_auto ? self->model->power_max : self->range;

  instrument_append_number (answer, self->power > range ? OVER_RANGE : self->power - self->zero);
}

const InstrumentCommand instrument_meter_commands[] = {
  { "*IDN", instrument_handle_identity },
  { "*CLS", instrument_handle_clear },
  { "*OPC", instrument_handle_one },
  { "*RST", handle_reset },
  { "SYSTem:ERRor:[NEXT]", instrument_handle_error },
  { "SYSTem:SENSor:IDN", handle_sensor },
  { "[SENSe]:CORRection:WAVelength", instrument_handle_number, G_STRUCT_OFFSET (Instrument, wavelength),
    WAVELENGTH_MIN, WAVELENGTH_MAX },
  { "[SENSe]:CORRection:COLLect:ZERO:[INITiate]", handle_zero },
  { "[SENSe]:CORRection:COLLect:ZERO:STATe", handle_zero_state },
  { "[SENSe]:AVERage:[COUNt]", handle_averaging, G_STRUCT_OFFSET (Instrument, averaging), 1, 3000 },
  { "[SENSe]:POWer:[DC]:RANGe:AUTO", instrument_handle_switch, G_STRUCT_OFFSET (Instrument, range_auto) },
  { "[SENSe]:POWer:[DC]:RANGe:[UPPer]", handle_range },
  { "[SENSe]:POWer:[DC]:UNIT", handle_unit },
  { "MEASure:[SCALar]:[POWer]", handle_measure },
  { NULL },
};

void
instrument_set_power (Instrument *self, double watts)
{
  g_mutex_lock (&self->lock);
  self->power = watts;
  g_mutex_unlock (&self->lock);
}
