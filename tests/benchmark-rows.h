/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>
#include <math.h>

/* Rows of a benchmark's JSON object, {name: {value, unit, yardstick, ratio, limit}}. */

static inline char *
benchmark_number (double value)
{
  char number[G_ASCII_DTOSTR_BUF_SIZE];

  return g_strdup (isfinite (value) ? g_ascii_formatd (number, sizeof number, "%.6g", value) : "null");
}

/* @ratio: to the yardstick, measured in the same run; @limit: of the ratio for
 * times, of the value for rates; NAN: none. */
static inline void
benchmark_add_row (GPtrArray *rows,
                   const char *name,
                   double value,
                   const char *unit,
                   const char *yardstick,
                   double ratio,
                   double limit)
{
  g_autofree char *value_text = benchmark_number (value);
  g_autofree char *ratio_text = benchmark_number (ratio);
  g_autofree char *limit_text = benchmark_number (limit);

  g_ptr_array_add (
      rows,
      g_strdup_printf (
          "\"%s\": {\"value\": %s, \"unit\": \"%s\", \"yardstick\": \"%s\", \"ratio\": %s, \"limit\": %s}",
          name, value_text, unit, yardstick, ratio_text, limit_text));
}

static inline void
benchmark_print (GPtrArray *rows)
{
  g_print ("{");
  for (guint i = 0; i < rows->len; i++)
    g_print ("%s%s", i > 0 ? ", " : "", (const char *) g_ptr_array_index (rows, i));
  g_print ("}\n");
}
