/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/*
 * Models of instruments as their manuals describe them: the commands, what they
 * do to the state, and the queue of errors. They know nothing of how they are
 * attached. Written from
 * - Thorlabs, "Series 4000 SCPI Programmers' Reference Manual" v3.3 (2015):
 *   2.1 to 2.6 syntax, 3.1 common commands, 3.2.2 error query, 3.4 LD output,
 *   3.7 LD source, 3.12 TEC, 4 error messages (queue of 10, -350 at its end);
 *   the CLD101x take the same commands;
 * - Thorlabs, "DC2200 Operation Manual" 4.3.2 SCPI command reference;
 * - Thorlabs, "PM100D Operation Manual" 6.4 SCPI commands, "PM400" chapter 5,
 *   and the same commands for PM100A, PM100USB and PM16.
 *
 * A header that the manual does not have is answered with -113 and counted: the
 * test that made a driver send it fails. All calls from any thread.
 */
typedef struct _Instrument Instrument;

/* "CLD1015", "ITC4001", "DC2200", "PM100D", "PM16-120", "PM400", ...: as *IDN?
 * says. NULL if there is no such model. */
Instrument *instrument_new (const char *model, const char *serial);
void instrument_free (Instrument *self);
const char *instrument_get_model (Instrument *self);
const char *instrument_get_serial (Instrument *self);
guint16 instrument_get_product (Instrument *self);

/* One program message (which may hold several commands apart by ';'), without
 * its terminator. Returns the answer without terminator, or NULL. */
char *instrument_execute (Instrument *self, const char *message);

/* What a person or the world does to it. */
typedef enum
{
  INSTRUMENT_INTERLOCK, /* open */
  INSTRUMENT_KEY,       /* locked */
  INSTRUMENT_OVER_TEMPERATURE,
  INSTRUMENT_LIMIT, /* the current limit is reached */
  INSTRUMENT_N_CONDITIONS,
} InstrumentCondition;
void instrument_set_condition (Instrument *self, InstrumentCondition condition, gboolean active);
/* Somebody switches the output on or off at the front panel. */
void instrument_set_output (Instrument *self, gboolean on);
void instrument_set_current (Instrument *self, double amperes);
/* Switching off does not work any more: a broken relay. */
void instrument_set_stuck_on (Instrument *self, gboolean stuck);
/* How long the cooler takes to its set point. */
void instrument_set_settling (Instrument *self, gint64 settling_us);
/* Light on a power meter, watts. */
void instrument_set_power (Instrument *self, double watts);

/* What happened. */
gboolean instrument_is_lit (Instrument *self);
double instrument_get_current (Instrument *self);       /* set point, A */
double instrument_get_current_limit (Instrument *self); /* A */
double instrument_get_current_peak (Instrument *self);  /* largest set point since it was made, A */
double instrument_get_step_peak (Instrument *self);     /* largest change of the set point while lit, A */
gboolean instrument_is_cooling (Instrument *self);
gint64 instrument_get_changed_us (Instrument *self); /* when the light last went on or off, monotonic */
guint instrument_get_switched_on (Instrument *self); /* how often */
guint instrument_get_unknown (Instrument *self);     /* headers that no manual has */
/* All commands so far, a line each. */
char *instrument_dup_log (Instrument *self);

G_END_DECLS
