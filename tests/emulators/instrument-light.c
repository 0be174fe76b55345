/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "instrument-private.h"

#include <math.h>

/* Laser diode controllers of the series 4000 and CLD101x, and the LED driver DC2200. */

#define COMMON                                                                                               \
  { "*IDN", instrument_handle_identity }, { "*CLS", instrument_handle_clear },                               \
      { "*OPC", instrument_handle_one }, { "*RST", handle_reset },                                           \
  {                                                                                                          \
    "SYSTem:ERRor:[NEXT]", instrument_handle_error                                                           \
  }

static gboolean
is_blocked (Instrument *self)
{
  return self->conditions[INSTRUMENT_INTERLOCK] || self->conditions[INSTRUMENT_KEY] ||
         self->conditions[INSTRUMENT_OVER_TEMPERATURE];
}

static void
switch_output (Instrument *self, gboolean on)
{
  if (self->output == on || (!on && self->stuck_on))
    return;
  self->output = on;
  self->changed_us = g_get_monotonic_time ();
  if (on)
    self->switched_on++;
  g_string_append (self->log, on ? "LIGHT ON\n" : "LIGHT OFF\n");
}

static void
set_current (Instrument *self, double amperes)
{
  if (self->output)
    self->step_peak = MAX (self->step_peak, fabs (amperes - self->current));
  self->current = amperes;
  self->current_peak = MAX (self->current_peak, amperes);
}

/* 3.1.2: switches off the outputs. */
static void
handle_reset (Instrument *self,
              const InstrumentCommand *command,
              gboolean query,
              const char *parameter,
              GString *answer)
{
  switch_output (self, FALSE);
  self->cooler = FALSE;
  set_current (self, 0);
}

/* 3.4.1 Output State. */
static void
handle_output (Instrument *self,
               const InstrumentCommand *command,
               gboolean query,
               const char *parameter,
               GString *answer)
{
  gboolean on;

  if (query)
    g_string_append_c (answer, self->output ? '1' : '0');
  else if (instrument_parse_switch (self, parameter, &on))
    {
      if (on && is_blocked (self))
        instrument_push_error (self, -221, "Settings conflict");
      else
        switch_output (self, on);
    }
}

/* 3.4.7 Protection Queries; what is not of a model stays 0. */
static void
handle_trip (Instrument *self,
             const InstrumentCommand *command,
             gboolean query,
             const char *parameter,
             GString *answer)
{
  InstrumentCondition condition = (InstrumentCondition) command->low;

  if (query)
    g_string_append_c (answer,
                       condition < INSTRUMENT_N_CONDITIONS && self->conditions[condition] ? '1' : '0');
}

/* 3.7.1 LD Source Function. */
static void
handle_mode (Instrument *self,
             const InstrumentCommand *command,
             gboolean query,
             const char *parameter,
             GString *answer)
{
  if (query)
    g_string_append (answer, self->power_mode ? "POW" : "CURR");
  else if (g_ascii_strncasecmp (parameter, "CURR", 4) == 0)
    self->power_mode = FALSE;
  else if (g_ascii_strncasecmp (parameter, "POW", 3) == 0)
    self->power_mode = TRUE;
  else
    instrument_push_error (self, -104, "Data type error");
}

/* DC2200: CC is the constant current. */
static void
handle_led_mode (Instrument *self,
                 const InstrumentCommand *command,
                 gboolean query,
                 const char *parameter,
                 GString *answer)
{
  if (query)
    g_string_append (answer, self->power_mode ? "CB" : "CC");
  else if (g_ascii_strcasecmp (parameter, "CC") == 0 || g_ascii_strcasecmp (parameter, "CB") == 0)
    self->power_mode = g_ascii_strcasecmp (parameter, "CB") == 0;
  else
    instrument_push_error (self, -104, "Data type error");
}

/* 3.7.2 LD Current Limit: the set point goes down with it. */
static void
handle_limit (Instrument *self,
              const InstrumentCommand *command,
              gboolean query,
              const char *parameter,
              GString *answer)
{
  double value = self->current_limit;

  if (query)
    {
      if (parameter[0] == '\0' ||
          instrument_parse_number (self, parameter, 0, self->model->current_max, &value))
        instrument_append_number (answer, value);
    }
  else if (instrument_parse_number (self, parameter, 0, self->model->current_max, &value))
    {
      self->current_limit = value;
      if (self->current > value)
        set_current (self, value);
    }
}

/* 3.7.3 LD Current Setpoint: up to the limit. */
static void
handle_current (Instrument *self,
                const InstrumentCommand *command,
                gboolean query,
                const char *parameter,
                GString *answer)
{
  double value = self->current;

  if (query)
    {
      if (parameter[0] == '\0' || instrument_parse_number (self, parameter, 0, self->current_limit, &value))
        instrument_append_number (answer, value);
    }
  else if (instrument_parse_number (self, parameter, 0, self->current_limit, &value))
    set_current (self, value);
}

static void
handle_measured_current (Instrument *self,
                         const InstrumentCommand *command,
                         gboolean query,
                         const char *parameter,
                         GString *answer)
{
  instrument_append_number (answer, self->output ? self->current : 0);
}

static void
handle_voltage (Instrument *self,
                const InstrumentCommand *command,
                gboolean query,
                const char *parameter,
                GString *answer)
{
  instrument_append_number (answer, self->output ? 1.8 : 0);
}

/* The cooler comes to its set point in a straight line. */
static double
get_temperature (Instrument *self)
{
  double share;

  if (!self->cooler)
    return self->temperature;
  share = self->settling_us > 0
              ? (double) (g_get_monotonic_time () - self->cooler_us) / (double) self->settling_us
              : 1;
  return self->temperature + (self->temperature_set - self->temperature) * CLAMP (share, 0, 1);
}

static void
handle_temperature (Instrument *self,
                    const InstrumentCommand *command,
                    gboolean query,
                    const char *parameter,
                    GString *answer)
{
  instrument_append_number (answer, get_temperature (self));
}

static void
move_cooler (Instrument *self, gboolean on, double set)
{
  self->temperature = get_temperature (self);
  self->temperature_set = set;
  self->cooler = on;
  self->cooler_us = g_get_monotonic_time ();
}

static void
handle_cooler (Instrument *self,
               const InstrumentCommand *command,
               gboolean query,
               const char *parameter,
               GString *answer)
{
  gboolean on;

  if (query)
    g_string_append_c (answer, self->cooler ? '1' : '0');
  else if (instrument_parse_switch (self, parameter, &on) && on != self->cooler)
    move_cooler (self, on, self->temperature_set);
}

static void
handle_temperature_set (Instrument *self,
                        const InstrumentCommand *command,
                        gboolean query,
                        const char *parameter,
                        GString *answer)
{
  double value = self->temperature_set;

  if (query)
    instrument_append_number (answer, value);
  else if (instrument_parse_number (self, parameter, -55, 150, &value))
    move_cooler (self, self->cooler, value);
}

const InstrumentCommand instrument_laser_commands[] = {
  COMMON,
  { "OUTPut<1>:[STATe]", handle_output },
  { "OUTPut<1>:PROTection:VOLTage:TRIPped", handle_trip, 0, INSTRUMENT_N_CONDITIONS },
  { "OUTPut<1>:PROTection:EXTernal:TRIPped", handle_trip, 0, INSTRUMENT_N_CONDITIONS },
  { "OUTPut<1>:PROTection:INTLock:TRIPped", handle_trip, 0, INSTRUMENT_INTERLOCK },
  { "OUTPut<1>:PROTection:KEYLock:TRIPped", handle_trip, 0, INSTRUMENT_KEY },
  { "OUTPut<1>:PROTection:OTEMp:TRIPped", handle_trip, 0, INSTRUMENT_OVER_TEMPERATURE },
  { "SOURce<1>:FUNCtion:MODE", handle_mode },
  { "SOURce<1>:CURRent:LIMit:[AMPLitude]", handle_limit },
  { "SOURce<1>:CURRent:LIMit:TRIPped", handle_trip, 0, INSTRUMENT_LIMIT },
  { "SOURce<1>:CURRent:[LEVel]:[IMMediate]:[AMPLitude]", handle_current },
  { "SENSe3:CURRent:[DC]:DATA", handle_measured_current },
  { "SENSe4:VOLTage:[DC]:DATA", handle_voltage },
  { "SENSe2:TEMPerature:DATA", handle_temperature },
  { "MEASure:[SCALar]:TEMPerature", handle_temperature },
  { "MEASure:[SCALar]:CURRent", handle_measured_current },
  { "OUTPut2:[STATe]", handle_cooler },
  { "SOURce2:TEMPerature:[SPOint]", handle_temperature_set },
  { NULL },
};

const InstrumentCommand instrument_led_commands[] = {
  COMMON,
  { "OUTPut<1>:[STATe]", handle_output },
  { "OUTPut<1>:PROTection:INTLock:TRIPped", handle_trip, 0, INSTRUMENT_INTERLOCK },
  { "SOURce<1>:MODE", handle_led_mode },
  /* Spelt so by the instrument; there is no short form. */
  { "SOURce<1>:CCURENT:CURRent", handle_current },
  { "SOURce<1>:CURRent:LIMit:[AMPLitude]", handle_limit },
  { "SENSe3:CURRent:DATA", handle_measured_current },
  { NULL },
};

/* --- What tests do and ask ---------------------------------------------------------------- */

void
instrument_set_condition (Instrument *self, InstrumentCondition condition, gboolean active)
{
  g_mutex_lock (&self->lock);
  self->conditions[condition] = active;
  if (is_blocked (self))
    switch_output (self, FALSE);
  g_mutex_unlock (&self->lock);
}

void
instrument_set_output (Instrument *self, gboolean on)
{
  g_mutex_lock (&self->lock);
  switch_output (self, on);
  g_mutex_unlock (&self->lock);
}

void
instrument_set_current (Instrument *self, double amperes)
{
  g_mutex_lock (&self->lock);
  self->current = amperes;
  g_mutex_unlock (&self->lock);
}

void
instrument_set_stuck_on (Instrument *self, gboolean stuck)
{
  g_mutex_lock (&self->lock);
  self->stuck_on = stuck;
  g_mutex_unlock (&self->lock);
}

void
instrument_set_settling (Instrument *self, gint64 settling_us)
{
  g_mutex_lock (&self->lock);
  self->settling_us = settling_us;
  g_mutex_unlock (&self->lock);
}

gboolean
instrument_is_lit (Instrument *self)
{
  gboolean lit;

  g_mutex_lock (&self->lock);
  lit = self->output;
  g_mutex_unlock (&self->lock);
  return lit;
}

gboolean
instrument_is_cooling (Instrument *self)
{
  gboolean cooling;

  g_mutex_lock (&self->lock);
  cooling = self->cooler;
  g_mutex_unlock (&self->lock);
  return cooling;
}

static double
get_number (Instrument *self, const double *value)
{
  double number;

  g_mutex_lock (&self->lock);
  number = *value;
  g_mutex_unlock (&self->lock);
  return number;
}

double
instrument_get_current (Instrument *self)
{
  return get_number (self, &self->current);
}

double
instrument_get_current_limit (Instrument *self)
{
  return get_number (self, &self->current_limit);
}

double
instrument_get_current_peak (Instrument *self)
{
  return get_number (self, &self->current_peak);
}

double
instrument_get_step_peak (Instrument *self)
{
  return get_number (self, &self->step_peak);
}

gint64
instrument_get_changed_us (Instrument *self)
{
  gint64 changed_us;

  g_mutex_lock (&self->lock);
  changed_us = self->changed_us;
  g_mutex_unlock (&self->lock);
  return changed_us;
}

guint
instrument_get_switched_on (Instrument *self)
{
  guint switched_on;

  g_mutex_lock (&self->lock);
  switched_on = self->switched_on;
  g_mutex_unlock (&self->lock);
  return switched_on;
}
