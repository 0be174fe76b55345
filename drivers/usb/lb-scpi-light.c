/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-scpi-light.h"

#include <math.h>

#include <glib/gi18n-lib.h>

/* Currents go out in whole microamperes. */
#define STEP_MA 0.001
/* A ramp takes a step so often. */
#define RAMP_STEP_US (10 * 1000)
/* The whole range in so long where the setup does not say. */
#define RAMP_S 0.1
/* The set point may be read back so much off: what instruments round to. */
#define READ_BACK_MA 0.1
/* The cooler is stable so near its set point. */
#define STABLE_C 0.5
#define STABLE_POLL_US (50 * 1000)

struct _LbScpiLight
{
  LbScpi *scpi;
  const LbUsbModel *model;
  LbScpiLightOptions options;
  double level_ma;   /* what the set point is, as far as we know */
  char *off_message; /* "OUTP1:STAT 0" */
};

/* --- Waiting --------------------------------------------------------------------------- */

static gboolean
pause_for (gint64 duration_us, const LbUsbCall *call, GError **error)
{
  gint64 until_us = g_get_monotonic_time () + duration_us;
  GPollFD fd;
  gboolean has_fd = call->cancellable != NULL && g_cancellable_make_pollfd (call->cancellable, &fd);

  do
    {
      gint64 left_us = MAX (until_us - g_get_monotonic_time (), 0);

      g_poll (&fd, has_fd ? 1 : 0, (int) ((left_us + 999) / 1000));
    }
  while (g_get_monotonic_time () < until_us && !g_cancellable_is_cancelled (call->cancellable));
  if (has_fd)
    g_cancellable_release_fd (call->cancellable);
  if (!g_cancellable_is_cancelled (call->cancellable))
    return TRUE;
  g_set_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_CANCELLED, _ ("%s: cancelled"), "light");
  return FALSE;
}

static gboolean
is_over (const LbUsbCall *call)
{
  return call->deadline_us >= 0 && g_get_monotonic_time () >= call->deadline_us;
}

/* --- The current ------------------------------------------------------------------------ */

gboolean
lb_scpi_light_check_level (LbScpiLight *self, double level_ma, GError **error)
{
  if (!(level_ma >= 0 && level_ma <= self->model->maximum))
    {
      g_set_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_RANGE,
                   _ ("set level: %.3f mA is out of the range of the %s, 0 to %.0f mA"), level_ma,
                   self->model->name, self->model->maximum);
      return FALSE;
    }
  if (!(level_ma <= self->options.limit_ma))
    {
      g_set_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_LIMIT,
                   _ ("set level: %.3f mA is over the limit of the setup file, %.3f mA"), level_ma,
                   self->options.limit_ma);
      return FALSE;
    }
  return TRUE;
}

/* Whole microamperes, never rounded up over the limit. */
static gint64
to_microamperes (LbScpiLight *self, double level_ma)
{
  gint64 microamperes = (gint64) llround (level_ma * 1000);

  while (microamperes > 0 && (double) microamperes / 1000 > self->options.limit_ma)
    microamperes--;
  return microamperes;
}

static char *
to_amperes (gint64 microamperes)
{
  return g_strdup_printf ("%" G_GINT64_FORMAT ".%06" G_GINT64_FORMAT, microamperes / 1000000,
                          microamperes % 1000000);
}

/* The only place from which a current goes to an instrument. */
static gboolean
send_current (LbScpiLight *self, double level_ma, const LbUsbCall *call, GError **error)
{
  g_autofree char *amperes = NULL;
  gint64 microamperes;
  double read_back;

  if (!lb_scpi_light_check_level (self, level_ma, error))
    return FALSE;
  microamperes = to_microamperes (self, level_ma);
  amperes = to_amperes (microamperes);
  if (!lb_scpi_set (self->scpi, self->model->light->current, amperes, call, error) ||
      !lb_scpi_get_number (self->scpi, self->model->light->current, NULL, &read_back, call, error))
    return FALSE;
  self->level_ma = read_back * 1000;
  if (fabs (self->level_ma - (double) microamperes / 1000) <= READ_BACK_MA)
    return TRUE;
  g_set_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_PROTOCOL,
               _ ("set level: the instrument was told %.3f mA and says %.3f mA"),
               (double) microamperes / 1000, self->level_ma);
  return FALSE;
}

static double
get_ramp_step (LbScpiLight *self)
{
  double ramp = self->options.ramp_ma_per_s > 0 ? self->options.ramp_ma_per_s : self->model->maximum / RAMP_S;

  return ramp * RAMP_STEP_US / G_USEC_PER_SEC;
}

gboolean
lb_scpi_light_change (LbScpiLight *self, double level_ma, const LbUsbCall *call, GError **error)
{
  double step = get_ramp_step (self);

  if (!lb_scpi_light_check_level (self, level_ma, error))
    return FALSE;
  while (fabs (level_ma - self->level_ma) > step)
    {
      double next = self->level_ma + copysign (step, level_ma - self->level_ma);

      if (is_over (call))
        {
          g_set_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_TIMEOUT,
                       _ ("set level: the ramp to %.3f mA takes longer than there was time for"), level_ma);
          return FALSE;
        }
      if (!send_current (self, CLAMP (next, 0, self->options.limit_ma), call, error) ||
          !pause_for (RAMP_STEP_US, call, error))
        return FALSE;
    }
  return send_current (self, level_ma, call, error);
}

/* --- Protections ---------------------------------------------------------------------------- */

/* @names: NULL, or what is tripped is added. */
static gboolean
read_trips (LbScpiLight *self, LbLightTrips *trips, GString *names, const LbUsbCall *call, GError **error)
{
  *trips = LB_LIGHT_TRIP_NONE;
  for (const LbScpiTrip *trip = self->model->light->trips; trip->query != NULL; trip++)
    {
      gboolean tripped;

      if (!lb_scpi_ask_switch (self->scpi, trip->query, &tripped, call, error))
        return FALSE;
      if (!tripped)
        continue;
      *trips |= trip->trip;
      if (names != NULL)
        g_string_append_printf (names, names->len > 0 ? ", %s" : "%s", _ (trip->what));
    }
  return TRUE;
}

static gboolean
check_trips (LbScpiLight *self, const LbUsbCall *call, GError **error)
{
  g_autoptr (GString) names = g_string_new (NULL);
  LbLightTrips trips;

  if (!read_trips (self, &trips, names, call, error))
    return FALSE;
  if (trips == LB_LIGHT_TRIP_NONE)
    return TRUE;
  g_set_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_INTERLOCK,
               _ ("output on: the %s keeps the light off: %s; put that right and try again"),
               self->model->name, names->str);
  return FALSE;
}

/* The instrument's own limit. One that may not be lit at all keeps what it has:
 * some refuse a limit of 0. */
static gboolean
send_limit (LbScpiLight *self, const LbUsbCall *call, GError **error)
{
  const LbScpiLightDialect *dialect = self->model->light;
  double limit_ma = MIN (self->options.limit_ma, self->model->maximum);
  gint64 microamperes = to_microamperes (self, limit_ma);
  g_autofree char *amperes = to_amperes (microamperes);
  double read_back;

  if (microamperes == 0)
    return TRUE;
  if (!lb_scpi_set (self->scpi, dialect->limit, amperes, call, error) ||
      !lb_scpi_get_number (self->scpi, dialect->limit, NULL, &read_back, call, error))
    return FALSE;
  if (read_back * 1000 <= (double) microamperes / 1000 + READ_BACK_MA)
    return TRUE;
  g_set_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_PROTOCOL,
               _ ("set limit: the instrument was told %.3f mA and says %.3f mA"),
               (double) microamperes / 1000, read_back * 1000);
  return FALSE;
}

/* --- The cooler -------------------------------------------------------------------------------- */

static gboolean
has_cooler (LbScpiLight *self)
{
  return self->model->light->cooler != NULL && !isnan (self->options.temperature_c);
}

static gboolean
start_cooler (LbScpiLight *self, const LbUsbCall *call, GError **error)
{
  const LbScpiLightDialect *dialect = self->model->light;
  char number[G_ASCII_DTOSTR_BUF_SIZE];
  g_autofree char *value = NULL;
  gboolean on;

  if (!has_cooler (self))
    return TRUE;
  g_ascii_formatd (number, sizeof number, "%.3f", self->options.temperature_c);
  value = g_strconcat (number, dialect->temperature_unit, NULL);
  if (!lb_scpi_set (self->scpi, dialect->temperature_set, value, call, error) ||
      !lb_scpi_set (self->scpi, dialect->cooler, "1", call, error) ||
      !lb_scpi_get_switch (self->scpi, dialect->cooler, &on, call, error))
    return FALSE;
  if (on)
    return TRUE;
  g_set_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_FAULTED,
               _ ("open: the cooler of the %s does not switch on; look at its front panel"),
               self->model->name);
  return FALSE;
}

static gboolean
wait_stable (LbScpiLight *self, const LbUsbCall *call, GError **error)
{
  gboolean on;
  double temperature;

  if (!has_cooler (self))
    return TRUE;
  for (;;)
    {
      if (!lb_scpi_get_switch (self->scpi, self->model->light->cooler, &on, call, error) ||
          !lb_scpi_ask_number (self->scpi, self->model->light->temperature, &temperature, call, error))
        return FALSE;
      if (on && fabs (temperature - self->options.temperature_c) <= STABLE_C)
        return TRUE;
      if (!on || (call->deadline_us >= 0 && g_get_monotonic_time () + STABLE_POLL_US >= call->deadline_us))
        {
          g_set_error (
              error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_TIMEOUT,
              on ? _ ("output on: the diode is at %.1f °C and not yet at %.1f °C; wait and try again")
                 : _ ("output on: the cooler is off (diode at %.1f °C, to be at %.1f °C); look at the "
                      "front panel"),
              temperature, self->options.temperature_c);
          return FALSE;
        }
      if (!pause_for (STABLE_POLL_US, call, error))
        return FALSE;
    }
}

/* --- On, off ------------------------------------------------------------------------------------ */

static gboolean
send_output (LbScpiLight *self, gboolean on, const LbUsbCall *call, GError **error)
{
  gboolean is_on;

  if (!lb_scpi_set (self->scpi, self->model->light->output, on ? "1" : "0", call, error) ||
      !lb_scpi_get_switch (self->scpi, self->model->light->output, &is_on, call, error))
    return FALSE;
  if (is_on == on)
    return TRUE;
  if (on)
    g_set_error_literal (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_INTERLOCK,
                         _ ("output on: the instrument stays off; look at its front panel"));
  else
    g_set_error_literal (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_FAULTED,
                         _ ("output off: the instrument stays on: use the key switch"));
  return FALSE;
}

gboolean
lb_scpi_light_prepare (LbScpiLight *self, const LbUsbCall *call, GError **error)
{
  return lb_scpi_forget_errors (self->scpi, call, error) && check_trips (self, call, error) &&
         send_limit (self, call, error) && wait_stable (self, call, error) &&
         send_current (self, 0, call, error);
}

gboolean
lb_scpi_light_start (LbScpiLight *self, double level_ma, const LbUsbCall *call, GError **error)
{
  return lb_scpi_light_check_level (self, level_ma, error) && send_output (self, TRUE, call, error) &&
         lb_scpi_light_change (self, level_ma, call, error);
}

/* Errors of the past must not be taken for one of this: the queue is emptied by
 * the first command's check, so it is sent again if only that failed. */
gboolean
lb_scpi_light_off (LbScpiLight *self, const LbUsbCall *call, GError **error)
{
  if (!send_output (self, FALSE, call, NULL) && !send_output (self, FALSE, call, error))
    return FALSE;
  return send_current (self, 0, call, error);
}

const char *
lb_scpi_light_get_off_message (LbScpiLight *self)
{
  return self->off_message;
}

void
lb_scpi_light_shout_off (LbScpiLight *self, gint64 within_us)
{
  lb_scpi_shout (self->scpi, self->off_message, within_us);
}

gboolean
lb_scpi_light_read_output (LbScpiLight *self, gboolean *on, const LbUsbCall *call, GError **error)
{
  return lb_scpi_get_switch (self->scpi, self->model->light->output, on, call, error);
}

gboolean
lb_scpi_light_read (LbScpiLight *self, LbLightSourceState *state, const LbUsbCall *call, GError **error)
{
  const LbScpiLightDialect *dialect = self->model->light;
  double amperes;

  *state = (LbLightSourceState){ .temperature_c = NAN };
  if (!lb_scpi_get_switch (self->scpi, dialect->output, &state->output, call, error) ||
      !lb_scpi_get_number (self->scpi, dialect->current, NULL, &amperes, call, error) ||
      !read_trips (self, &state->trips, NULL, call, error))
    return FALSE;
  state->level = amperes * 1000;
  return dialect->temperature == NULL ||
         lb_scpi_ask_number (self->scpi, dialect->temperature, &state->temperature_c, call, error);
}

/* --- Open ---------------------------------------------------------------------------------------- */

static gboolean
set_up (LbScpiLight *self, const LbUsbCall *call, GError **error)
{
  const LbScpiLightDialect *dialect = self->model->light;

  /* Off before anything else: it may have been left on. */
  if (!lb_scpi_light_off (self, call, error))
    return FALSE;
  for (guint i = 0; i < G_N_ELEMENTS (dialect->set_up) && dialect->set_up[i] != NULL; i++)
    if (!lb_scpi_send (self->scpi, dialect->set_up[i], call, error))
      return FALSE;
  return send_limit (self, call, error) && start_cooler (self, call, error);
}

LbScpiLight *
lb_scpi_light_open (const LbUsbModel *model,
                    const char *serial,
                    const LbScpiLightOptions *options,
                    const LbUsbCall *call,
                    GError **error)
{
  LbScpi *scpi = lb_scpi_open (model, serial, call, error);
  LbScpiLight *self;

  if (scpi == NULL)
    return NULL;
  self = g_new0 (LbScpiLight, 1);
  self->scpi = scpi;
  self->model = model;
  self->options = *options;
  self->off_message = g_strconcat (model->light->output, " 0", NULL);
  if (set_up (self, call, error))
    return self;
  lb_scpi_light_close (self);
  return NULL;
}

void
lb_scpi_light_close (LbScpiLight *self)
{
  if (self == NULL)
    return;
  lb_scpi_close (self->scpi);
  g_free (self->off_message);
  g_free (self);
}

LbIdentity *
lb_scpi_light_dup_identity (LbScpiLight *self)
{
  return lb_scpi_dup_identity (self->scpi);
}

gboolean
lb_scpi_light_recover (LbScpiLight *self, const LbUsbCall *call, GError **error)
{
  return lb_scpi_recover (self->scpi, call, error);
}

gboolean
lb_scpi_light_is_gone (LbScpiLight *self)
{
  return lb_scpi_is_gone (self->scpi);
}

void
lb_scpi_light_get_range (LbScpiLight *self, double *minimum, double *maximum, double *step)
{
  *minimum = 0;
  *maximum = self->model->maximum;
  *step = STEP_MA;
}
