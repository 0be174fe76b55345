/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <gio/gio.h>
#include <lb-session.h>

G_BEGIN_DECLS

/* What a report says about itself; each may be NULL. */
typedef struct
{
  const char *title;
  const char *operator_name;
} LbReportOptions;

/*
 * Writes the report of @session as PDF (A4): title, operator, date, bench with
 * identities, software version; table of calibrations with age, residual,
 * verdict; each run with settings, figures of merit and plots; notes; hash of
 * every table. Reads the session alone. Written beside and renamed, so that
 * @path is whole or untouched.
 */
gboolean
lb_report_write_pdf (LbSession *session, const char *path, const LbReportOptions *options, GError **error);

G_END_DECLS
