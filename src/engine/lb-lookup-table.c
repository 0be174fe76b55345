/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-lookup-table.h"

#include <glib/gi18n-lib.h>
#include <math.h>
#include <string.h>

#include <lb-least-squares.h>

#define BYTE_ORDER_MARK "\xef\xbb\xbf"
/* A row of 65,536 needs some 15 bytes; what is far above is no table. */
#define MAX_FILE_SIZE (16 * 1024 * 1024)
/* Of a value in a message. */
#define MAX_SHOWN 40

/* Where a message points to. */
typedef struct
{
  const char *name;
  guint line;
} Place;

static gboolean G_GNUC_PRINTF (3, 4) fail (GError **error, const Place *place, const char *format, ...)
{
  g_autofree char *cause = NULL;
  va_list arguments;

  va_start (arguments, format);
  cause = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  if (place->line > 0)
    g_set_error (error, LB_NUMERICS_ERROR, LB_NUMERICS_ERROR_FORMAT, _ ("%s, line %u: %s"), place->name,
                 place->line, cause);
  else
    g_set_error (error, LB_NUMERICS_ERROR, LB_NUMERICS_ERROR_FORMAT, "%s: %s", place->name, cause);
  return FALSE;
}

static void
trim (const char **start, const char **end)
{
  while (*start < *end && (**start == ' ' || **start == '\t'))
    (*start)++;
  while (*end > *start && ((*end)[-1] == ' ' || (*end)[-1] == '\t'))
    (*end)--;
}

/* Reads one column, without the spaces around it, as a number. */
static gboolean
read_number (const char *start, const char *end, double *value)
{
  char buffer[64];
  char *stop;
  gsize length;

  trim (&start, &end);
  length = (gsize) (end - start);
  if (length == 0 || length >= sizeof buffer || memchr (start, '\0', length) != NULL)
    return FALSE;
  /* strtod also takes hexadecimal digits, which no table is written in. */
  for (gsize i = 0; i < length; i++)
    if (start[i] == 'x' || start[i] == 'X')
      return FALSE;
  memcpy (buffer, start, length);
  buffer[length] = '\0';
  *value = g_ascii_strtod (buffer, &stop);
  return stop == buffer + length;
}

/* A column as messages show it. */
static char *
show_column (const char *start, const char *end)
{
  trim (&start, &end);
  return g_utf8_make_valid (start, MIN (end - start, MAX_SHOWN));
}

/* One row: the first column a number, the second the transmission. */
static gboolean
read_row (const char *start, const char *end, const Place *place, float *transmission, GError **error)
{
  const char *tab = memchr (start, '\t', (gsize) (end - start));
  const char *second_end;
  double value;

  if (tab == NULL)
    return fail (error, place,
                 _ ("there is no second column: a row is a level and its transmission, separated by a tab"));
  second_end = memchr (tab + 1, '\t', (gsize) (end - tab - 1));
  if (second_end == NULL)
    second_end = end;

  if (!read_number (start, tab, &value))
    {
      g_autofree char *shown = show_column (start, tab);

      return fail (error, place, _ ("“%s” is not a number; start a line of titles with “#”"), shown);
    }
  if (!read_number (tab + 1, second_end, &value))
    {
      g_autofree char *shown = show_column (tab + 1, second_end);

      return fail (error, place, _ ("“%s” is not a number; transmissions are written like 0.25"), shown);
    }
  /* Also false for NaN. */
  if (!(value >= 0 && value <= 1))
    {
      g_autofree char *shown = show_column (tab + 1, second_end);

      return fail (error, place,
                   _ ("the transmission %s is outside 0 to 1: divide the column by its largest value"),
                   shown);
    }
  *transmission = (float) value;
  return TRUE;
}

/* The end of the line at @start, and the start of the next in @next; \n, \r\n
 * and \r end a line. */
static const char *
find_line_end (const char *start, const char *end, const char **next)
{
  const char *at = start;

  while (at < end && *at != '\n' && *at != '\r')
    at++;
  *next = at < end ? at + 1 : end;
  if (at < end && *at == '\r' && *next < end && **next == '\n')
    (*next)++;
  return at;
}

static gboolean
read_rows (const char *start, const char *end, Place *place, GArray *values, GError **error)
{
  const char *next;

  for (const char *line = start; line < end; line = next)
    {
      const char *line_end = find_line_end (line, end, &next);
      const char *first = line, *last = line_end;
      float transmission;

      place->line++;
      trim (&first, &last);
      if (first == last || *first == '#')
        continue;
      if (values->len == LB_LOOKUP_TABLE_MAX_LEVELS)
        return fail (error, place, _ ("there are more than %u rows, one a level"),
                     LB_LOOKUP_TABLE_MAX_LEVELS);
      /* An empty column at either end is a column. */
      if (!read_row (line, line_end, place, &transmission, error))
        return FALSE;
      g_array_append_val (values, transmission);
    }
  place->line = 0;
  if (values->len < LB_LOOKUP_TABLE_MIN_LEVELS)
    return fail (error, place, _ ("a table needs a row for each level, two at least; there are %u"),
                 values->len);
  return TRUE;
}

/**
 * lb_lookup_table_parse:
 * @text: (array length=size): the contents of a file
 * @size: number of bytes
 * @name: what error messages call it
 * @error: set to %LB_NUMERICS_ERROR_FORMAT, with the line
 *
 * Reads a table, whatever the locale; no damage to @text can do harm.
 * Returns: (transfer full) (nullable).
 */
LbLookupTable *
lb_lookup_table_parse (const char *text, gsize size, const char *name, GError **error)
{
  g_autoptr (GArray) values = g_array_new (FALSE, FALSE, sizeof (float));
  Place place = { name, 0 };
  const char *start = text;
  LbLookupTable *self;

  g_return_val_if_fail (size == 0 || text != NULL, NULL);
  g_return_val_if_fail (name != NULL, NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  if (size >= strlen (BYTE_ORDER_MARK) && memcmp (text, BYTE_ORDER_MARK, strlen (BYTE_ORDER_MARK)) == 0)
    start += strlen (BYTE_ORDER_MARK);
  if (size > 0 && !read_rows (start, text + size, &place, values, error))
    return NULL;
  if (size == 0)
    {
      fail (error, &place, _ ("the file is empty: a table needs a row for each level, two at least"));
      return NULL;
    }

  self = g_new (LbLookupTable, 1);
  self->levels = values->len;
  self->transmission = (float *) (gpointer) g_array_free (g_steal_pointer (&values), FALSE);
  return self;
}

/**
 * lb_lookup_table_new_from_file:
 * @path: the file
 * @error: set to a %G_FILE_ERROR or to %LB_NUMERICS_ERROR_FORMAT; names the file
 *   and the line
 *
 * Reads a table. Returns: (transfer full) (nullable).
 */
LbLookupTable *
lb_lookup_table_new_from_file (const char *path, GError **error)
{
  g_autoptr (GMappedFile) file = NULL;
  g_autofree char *name = NULL;
  Place place = { NULL, 0 };

  g_return_val_if_fail (path != NULL, NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  file = g_mapped_file_new (path, FALSE, error);
  if (file == NULL)
    return NULL;
  name = g_filename_display_name (path);
  place.name = name;
  if (g_mapped_file_get_length (file) > MAX_FILE_SIZE)
    {
      fail (error, &place, _ ("the file is too large for a look-up table"));
      return NULL;
    }
  return lb_lookup_table_parse (g_mapped_file_get_contents (file), g_mapped_file_get_length (file), name,
                                error);
}

/**
 * lb_lookup_table_free:
 * @self: (nullable) (transfer full): a table
 *
 * Frees it.
 */
void
lb_lookup_table_free (LbLookupTable *self)
{
  if (self == NULL)
    return;

  g_free (self->transmission);
  g_free (self);
}
