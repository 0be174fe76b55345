/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "lb-scpi.h"

G_BEGIN_DECLS

/*
 * LbScpiLight: a laser diode controller or LED driver, as the process that owns
 * it handles it. Levels are drive currents in mA. The hard limit is checked where
 * a current is put into words, whoever asked for it; the instrument is given the
 * same limit for its own protection. One thread at a time.
 */
typedef struct
{
  double limit_ma;      /* never exceeded */
  double temperature_c; /* of the cooler; NAN: the cooler is left as it is */
  double ramp_ma_per_s; /* steepest change of the current while the light is on; 0: a tenth of a second for
                           all of it */
} LbScpiLightOptions;

typedef struct _LbScpiLight LbScpiLight;

/* Opens the instrument, light off, limit set, cooler on. Nothing is left open on
 * failure. */
LbScpiLight *lb_scpi_light_open (const LbUsbModel *model,
                                 const char *serial,
                                 const LbScpiLightOptions *options,
                                 const LbUsbCall *call,
                                 GError **error);
/* The light should be off before. */
void lb_scpi_light_close (LbScpiLight *self);
LbIdentity *lb_scpi_light_dup_identity (LbScpiLight *self);
gboolean lb_scpi_light_is_gone (LbScpiLight *self);
/* Range of levels, mA, and the least step. */
void lb_scpi_light_get_range (LbScpiLight *self, double *minimum, double *maximum, double *step);

/* RANGE, LIMIT; nothing is sent. */
gboolean lb_scpi_light_check_level (LbScpiLight *self, double level_ma, GError **error);
/* Before the light: old errors forgotten, protections looked at, limit set, cooler
 * stable, set point at zero. INTERLOCK names what keeps the light off. */
gboolean lb_scpi_light_prepare (LbScpiLight *self, const LbUsbCall *call, GError **error);
/* Output on at no current and read back, then a ramp to @level_ma. On failure the
 * light may be on: lb_scpi_light_off(). */
gboolean lb_scpi_light_start (LbScpiLight *self, double level_ma, const LbUsbCall *call, GError **error);
/* A ramp from the level that stands. */
gboolean lb_scpi_light_change (LbScpiLight *self, double level_ma, const LbUsbCall *call, GError **error);
/* Output off, read back, set point to zero. The cooler stays on. */
gboolean lb_scpi_light_off (LbScpiLight *self, const LbUsbCall *call, GError **error);
/* The message that switches the output off, as last words of calls while it is on. */
const char *lb_scpi_light_get_off_message (LbScpiLight *self);
/* That message at once, whatever is under way. Nothing says whether it was taken:
 * lb_scpi_light_off(). */
void lb_scpi_light_shout_off (LbScpiLight *self, gint64 within_us);
/* After it did not answer: brings it back to where it listens, if it can be. */
gboolean lb_scpi_light_recover (LbScpiLight *self, const LbUsbCall *call, GError **error);
/* Whether the output is on, as the instrument says: one query. */
gboolean lb_scpi_light_read_output (LbScpiLight *self, gboolean *on, const LbUsbCall *call, GError **error);
/* Everything, as the instrument says. */
gboolean
lb_scpi_light_read (LbScpiLight *self, LbLightSourceState *state, const LbUsbCall *call, GError **error);

G_END_DECLS
