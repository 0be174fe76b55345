/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-scpi.h"

#include <glib/gi18n-lib.h>

#include "lb-scpi-answer.h"

/* No instrument keeps more errors than this. */
#define ERRORS_MAX 64

/* SCPI 1999.0 volume 2, 21.8. */
enum
{
  SCPI_UNDEFINED_HEADER = -113,
  SCPI_SETTINGS_CONFLICT = -221,
  SCPI_OUT_OF_RANGE = -222,
};

struct _LbScpi
{
  LbUsbtmc *usbtmc;
  LbIdentity *identity;
};

/* --- Open ------------------------------------------------------------------------------- */

static gboolean
confirm_identity (
    LbScpi *self, const LbUsbModel *model, const char *serial, const LbUsbCall *call, GError **error)
{
  g_autofree char *answer = lb_usbtmc_query (self->usbtmc, "*IDN?", call, error);
  char *fields[4] = { NULL };
  gboolean right;

  if (answer == NULL)
    return FALSE;
  right = lb_scpi_parse_identity (answer, fields) && g_str_has_prefix (fields[1], model->name) &&
          g_str_equal (fields[2], serial);
  if (right)
    self->identity = lb_identity_new ("usb", fields[0], fields[1], fields[2], fields[3]);
  else
    g_set_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_PROTOCOL,
                 _ ("open: the setup names a %s with serial %s, but the instrument says that it is \"%s\"; "
                    "correct the setup"),
                 model->name, serial, answer);
  for (guint i = 0; i < G_N_ELEMENTS (fields); i++)
    g_free (fields[i]);
  return right;
}

LbScpi *
lb_scpi_open (const LbUsbModel *model, const char *serial, const LbUsbCall *call, GError **error)
{
  LbUsbtmc *usbtmc = lb_usbtmc_open (model->vendor, model->products, serial, call, error);
  LbScpi *self;

  if (usbtmc == NULL)
    return NULL;
  self = g_new0 (LbScpi, 1);
  self->usbtmc = usbtmc;
  if (confirm_identity (self, model, serial, call, error) && lb_scpi_forget_errors (self, call, error))
    return self;
  lb_scpi_close (self);
  return NULL;
}

void
lb_scpi_close (LbScpi *self)
{
  if (self == NULL)
    return;
  lb_usbtmc_close (self->usbtmc);
  g_clear_pointer (&self->identity, lb_identity_free);
  g_free (self);
}

LbIdentity *
lb_scpi_dup_identity (LbScpi *self)
{
  return lb_identity_copy (self->identity);
}

gboolean
lb_scpi_is_gone (LbScpi *self)
{
  return lb_usbtmc_is_gone (self->usbtmc);
}

gboolean
lb_scpi_recover (LbScpi *self, const LbUsbCall *call, GError **error)
{
  return lb_usbtmc_clear (self->usbtmc, call, error);
}

void
lb_scpi_shout (LbScpi *self, const char *command, gint64 within_us)
{
  lb_usbtmc_shout (self->usbtmc, command, within_us);
}

/* --- Errors -------------------------------------------------------------------------------- */

static LbDeviceError
get_device_code (int code)
{
  switch (code)
    {
    case SCPI_UNDEFINED_HEADER:
      return LB_DEVICE_ERROR_UNSUPPORTED;
    case SCPI_SETTINGS_CONFLICT:
      return LB_DEVICE_ERROR_INTERLOCK;
    case SCPI_OUT_OF_RANGE:
      return LB_DEVICE_ERROR_RANGE;
    default:
      return LB_DEVICE_ERROR_PROTOCOL;
    }
}

/* Empties the queue of errors; FALSE with the first of them. */
static gboolean
check_errors (LbScpi *self, const char *command, const LbUsbCall *call, GError **error)
{
  gboolean good = TRUE;

  for (guint i = 0; i < ERRORS_MAX; i++)
    {
      g_autofree char *answer = lb_usbtmc_query (self->usbtmc, "SYST:ERR?", call, good ? error : NULL);
      g_autofree char *message = NULL;
      int code;

      if (answer == NULL)
        return FALSE;
      if (!lb_scpi_parse_error (answer, &code, &message))
        {
          if (good)
            g_set_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_PROTOCOL,
                         _ ("SYST:ERR?: the answer makes no sense: \"%s\""), answer);
          return FALSE;
        }
      if (code == 0)
        return good;
      if (good)
        g_set_error (error, LB_DEVICE_ERROR, get_device_code (code), _ ("%s: the instrument says: %d, %s"),
                     command, code, message);
      good = FALSE;
    }
  return FALSE;
}

gboolean
lb_scpi_forget_errors (LbScpi *self, const LbUsbCall *call, GError **error)
{
  return lb_usbtmc_write (self->usbtmc, "*CLS", call, error) && check_errors (self, "*CLS", call, error);
}

/* --- Commands ---------------------------------------------------------------------------------- */

gboolean
lb_scpi_send (LbScpi *self, const char *command, const LbUsbCall *call, GError **error)
{
  return lb_usbtmc_write (self->usbtmc, command, call, error) && check_errors (self, command, call, error);
}

gboolean
lb_scpi_set (LbScpi *self, const char *command, const char *value, const LbUsbCall *call, GError **error)
{
  g_autofree char *text = g_strdup_printf ("%s %s", command, value);

  return lb_scpi_send (self, text, call, error);
}

char *
lb_scpi_ask (LbScpi *self, const char *query, const LbUsbCall *call, GError **error)
{
  return lb_usbtmc_query (self->usbtmc, query, call, error);
}

static gboolean
no_sense (const char *query, const char *answer, GError **error)
{
  g_set_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_PROTOCOL,
               _ ("%s: the answer makes no sense: \"%.40s\""), query, answer);
  return FALSE;
}

gboolean
lb_scpi_ask_number (LbScpi *self, const char *query, double *value, const LbUsbCall *call, GError **error)
{
  g_autofree char *answer = lb_scpi_ask (self, query, call, error);

  return answer != NULL && (lb_scpi_parse_number (answer, value) || no_sense (query, answer, error));
}

gboolean
lb_scpi_ask_switch (LbScpi *self, const char *query, gboolean *value, const LbUsbCall *call, GError **error)
{
  g_autofree char *answer = lb_scpi_ask (self, query, call, error);

  return answer != NULL && (lb_scpi_parse_switch (answer, value) || no_sense (query, answer, error));
}

gboolean
lb_scpi_get_number (LbScpi *self,
                    const char *command,
                    const char *parameter,
                    double *value,
                    const LbUsbCall *call,
                    GError **error)
{
  g_autofree char *query = g_strconcat (command, "?", parameter != NULL ? " " : NULL, parameter, NULL);

  return lb_scpi_ask_number (self, query, value, call, error);
}

gboolean
lb_scpi_get_switch (LbScpi *self, const char *command, gboolean *value, const LbUsbCall *call, GError **error)
{
  g_autofree char *query = g_strconcat (command, "?", NULL);

  return lb_scpi_ask_switch (self, query, value, call, error);
}
