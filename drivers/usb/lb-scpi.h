/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "lb-usb-models.h"
#include "lb-usbtmc.h"

G_BEGIN_DECLS

/*
 * LbScpi: an open instrument that speaks SCPI. Each setting is followed by
 * SYST:ERR?, so that a call has worked when it returns TRUE. Errors are named:
 * UNSUPPORTED (-113), RANGE (-222), INTERLOCK (-221), else PROTOCOL.
 */
typedef struct _LbScpi LbScpi;

/* Opens the instrument that the ids of @model and @serial name, and confirms by
 * *IDN? that it is the one. Forgets its old errors. */
LbScpi *lb_scpi_open (const LbUsbModel *model, const char *serial, const LbUsbCall *call, GError **error);
void lb_scpi_close (LbScpi *self);
/* As *IDN? says; the caller frees it. */
LbIdentity *lb_scpi_dup_identity (LbScpi *self);
gboolean lb_scpi_is_gone (LbScpi *self);
/* After it did not answer: clears both sides, and its errors. */
gboolean lb_scpi_recover (LbScpi *self, const LbUsbCall *call, GError **error);

/* lb_usbtmc_shout(). */
void lb_scpi_shout (LbScpi *self, const char *command, gint64 within_us);

gboolean lb_scpi_forget_errors (LbScpi *self, const LbUsbCall *call, GError **error);
/* Sends @command as it is. */
gboolean lb_scpi_send (LbScpi *self, const char *command, const LbUsbCall *call, GError **error);
/* Sends @command, a blank and @value. */
gboolean
lb_scpi_set (LbScpi *self, const char *command, const char *value, const LbUsbCall *call, GError **error);
/* Sends @query and reads the answer; the caller frees it. */
char *lb_scpi_ask (LbScpi *self, const char *query, const LbUsbCall *call, GError **error);
gboolean
lb_scpi_ask_number (LbScpi *self, const char *query, double *value, const LbUsbCall *call, GError **error);
gboolean
lb_scpi_ask_switch (LbScpi *self, const char *query, gboolean *value, const LbUsbCall *call, GError **error);
/* The same for @command with '?' (and @parameter, "MAX", where not NULL). */
gboolean lb_scpi_get_number (LbScpi *self,
                             const char *command,
                             const char *parameter,
                             double *value,
                             const LbUsbCall *call,
                             GError **error);
gboolean lb_scpi_get_switch (
    LbScpi *self, const char *command, gboolean *value, const LbUsbCall *call, GError **error);

G_END_DECLS
