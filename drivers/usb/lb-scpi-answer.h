/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/*
 * What instruments answer, read: numbers, truth values, *IDN?, SYST:ERR? (SCPI
 * 1999.0 volume 1, IEEE 488.2 10.14). Pure functions; FALSE for what is none.
 * A German locale does not matter.
 */

/* A finite number and nothing else but white space. */
gboolean lb_scpi_parse_number (const char *text, double *value);
/* 0, 1, ON, OFF. */
gboolean lb_scpi_parse_switch (const char *text, gboolean *value);
/* CODE,"text"; *@message is the caller's to free, without its quotes. */
gboolean lb_scpi_parse_error (const char *text, int *code, char **message);
/* maker,model,serial,firmware; the last takes what is left. Four texts, the caller's. */
gboolean lb_scpi_parse_identity (const char *text, char *fields[4]);

G_END_DECLS
