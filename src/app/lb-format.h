/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <lb-quantities.h>

G_BEGIN_DECLS

/* Numbers and names as the operator reads them. Callers free what is char *. */

/* "just now", "3 min ago"; @time_us: Unix time. */
char *lb_format_age (gint64 time_us);
/* "0.4 s", "3 min 20 s", "1 h 5 min". */
char *lb_format_seconds (double seconds);
/* "14:03:12" today, else with the date; @time_us: Unix time. */
char *lb_format_time (gint64 time_us);
/* "2.31 %" from 0.0231. */
char *lb_format_percent (double share);
/* "0.0124" or "1,234". */
char *lb_format_number (double value);
/* A value beside its limit in one unit: "0.12 of 0.5 %"; NaN: "". */
char *lb_format_residual (double residual, double limit, const char *unit);
/* Name of a quantity as a title: "Normalised error"; itself made readable where unknown. */
char *lb_format_quantity_name (const char *name);
/* Value with unit; errors as percent. */
char *lb_format_quantity_value (const LbQuantity *quantity);

G_END_DECLS
