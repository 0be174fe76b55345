/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "instrument.h"

G_BEGIN_DECLS

#define INSTRUMENT_ERRORS_MAX 10

typedef struct
{
  const char *name;
  guint16 product;
  const char *firmware;
  double current_max; /* A; light sources */
  double power_max;   /* W; power meters */
  gboolean has_averaging;
} InstrumentModel;

typedef struct _InstrumentCommand InstrumentCommand;

/* One call of a command. @answer: where a query writes. */
typedef void (*InstrumentHandler) (Instrument *self,
                                   const InstrumentCommand *command,
                                   gboolean query,
                                   const char *parameter,
                                   GString *answer);

/*
 * A row of a manual's table. @pattern: keywords apart by ':'; capitals are the
 * short form; [KEYword] may be left out; KEYword<1> may be followed by 1.
 */
struct _InstrumentCommand
{
  const char *pattern;
  InstrumentHandler handler;
  gsize offset; /* of the value in the state, for plain settings */
  double low, high;
};

struct _Instrument
{
  GMutex lock;
  const InstrumentModel *model;
  const InstrumentCommand *commands; /* ended by a row without a pattern */
  char *serial;
  GString *log;
  GQueue errors; /* of text */
  guint unknown;
  gboolean conditions[INSTRUMENT_N_CONDITIONS];

  /* Light source. */
  gboolean output, stuck_on, cooler, power_mode;
  double current, current_limit, current_peak, step_peak;
  double temperature, temperature_set;
  gint64 settling_us, cooler_us; /* since when it cools */
  gint64 changed_us;
  guint switched_on;

  /* Power meter. */
  double power, zero, wavelength, range, averaging;
  gboolean range_auto;
};

extern const InstrumentCommand instrument_laser_commands[];
extern const InstrumentCommand instrument_led_commands[];
extern const InstrumentCommand instrument_meter_commands[];

void instrument_push_error (Instrument *self, int code, const char *text);
/* Handlers that every instrument has. */
void instrument_handle_identity (Instrument *self,
                                 const InstrumentCommand *command,
                                 gboolean query,
                                 const char *parameter,
                                 GString *answer);
void instrument_handle_clear (Instrument *self,
                              const InstrumentCommand *command,
                              gboolean query,
                              const char *parameter,
                              GString *answer);
void instrument_handle_error (Instrument *self,
                              const InstrumentCommand *command,
                              gboolean query,
                              const char *parameter,
                              GString *answer);
void instrument_handle_one (Instrument *self,
                            const InstrumentCommand *command,
                            gboolean query,
                            const char *parameter,
                            GString *answer);
/* A number in the state, from @low to @high, MIN, MAX. */
void instrument_handle_number (Instrument *self,
                               const InstrumentCommand *command,
                               gboolean query,
                               const char *parameter,
                               GString *answer);
/* A truth value in the state. */
void instrument_handle_switch (Instrument *self,
                               const InstrumentCommand *command,
                               gboolean query,
                               const char *parameter,
                               GString *answer);
/* Parses a number with an optional unit; -104, -222 into the queue. */
gboolean
instrument_parse_number (Instrument *self, const char *parameter, double low, double high, double *value);
gboolean instrument_parse_switch (Instrument *self, const char *parameter, gboolean *value);
void instrument_append_number (GString *answer, double value);

G_END_DECLS
