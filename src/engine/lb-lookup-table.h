/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define LB_LOOKUP_TABLE_MIN_LEVELS 2
#define LB_LOOKUP_TABLE_MAX_LEVELS 65536

/*
 * LbLookupTable: what each level of a display lets through.
 *
 * Its file is text: one row a level, from level 0 up, columns separated by tabs;
 * the second column is the transmission, from 0 to 1, with a decimal point. The
 * first column (a number: grey level, voltage) and those after the second are
 * for people and are not used. Spaces around values, empty lines, lines that
 * start with "#", a byte order mark and line ends of any system are allowed; a
 * line of titles without "#" is an error, as a damaged row would look alike.
 */
typedef struct
{
  guint levels;
  float *transmission; /* (levels), 0 to 1 */
} LbLookupTable;

LbLookupTable *lb_lookup_table_new_from_file (const char *path, GError **error);
LbLookupTable *lb_lookup_table_parse (const char *text, gsize size, const char *name, GError **error);
void lb_lookup_table_free (LbLookupTable *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (LbLookupTable, lb_lookup_table_free)

G_END_DECLS
