/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-json-scan.h"

#include <glib/gi18n-lib.h>
#include <string.h>

#include "lb-least-squares.h"

/* Of a number: longer ones are no numbers that anybody needs. */
#define MAX_NUMBER_LENGTH 64

typedef struct
{
  const char *at;
  const char *end;
  char *twice; /* the name that an object has twice; NULL: none yet */
} Scanner;

static gboolean scan_value (Scanner *scanner, guint depth);

static void
skip_space (Scanner *scanner)
{
  while (scanner->at < scanner->end && strchr (" \t\r\n", *scanner->at) != NULL)
    scanner->at++;
}

static gboolean
take (Scanner *scanner, char expected)
{
  if (scanner->at == scanner->end || *scanner->at != expected)
    return FALSE;
  scanner->at++;
  return TRUE;
}

/* The four hexadecimal digits of an escape; -1 if they are not. */
static int
scan_escape_unit (Scanner *scanner)
{
  int unit = 0;

  for (guint i = 0; i < 4; i++)
    {
      if (scanner->at == scanner->end || !g_ascii_isxdigit (*scanner->at))
        return -1;
      unit = unit * 16 + g_ascii_xdigit_value (*scanner->at++);
    }
  return unit;
}

static gboolean
scan_escape (Scanner *scanner)
{
  int unit;

  if (scanner->at == scanner->end)
    return FALSE;
  if (*scanner->at != 'u')
    return strchr ("\"\\/bfnrt", *scanner->at++) != NULL;
  scanner->at++;
  unit = scan_escape_unit (scanner);
  if (unit >= 0xd800 && unit <= 0xdbff)
    {
      if (!take (scanner, '\\') || !take (scanner, 'u'))
        return FALSE;
      unit = scan_escape_unit (scanner);
      return unit >= 0xdc00 && unit <= 0xdfff;
    }
  return unit > 0 && !(unit >= 0xdc00 && unit <= 0xdfff);
}

static gboolean
scan_string (Scanner *scanner)
{
  if (!take (scanner, '"'))
    return FALSE;
  while (scanner->at < scanner->end)
    {
      guchar c = (guchar) *scanner->at++;

      if (c == '"')
        return TRUE;
      if (c < 0x20 || (c == '\\' && !scan_escape (scanner)))
        return FALSE;
    }
  return FALSE;
}

static gboolean
scan_digits (Scanner *scanner)
{
  const char *start = scanner->at;

  while (scanner->at < scanner->end && g_ascii_isdigit (*scanner->at))
    scanner->at++;
  return scanner->at > start;
}

static gboolean
scan_number (Scanner *scanner)
{
  const char *start = scanner->at;

  (void) take (scanner, '-');
  if (!take (scanner, '0') && !scan_digits (scanner))
    return FALSE;
  if (take (scanner, '.') && !scan_digits (scanner))
    return FALSE;
  if (take (scanner, 'e') || take (scanner, 'E'))
    {
      if (!take (scanner, '+'))
        (void) take (scanner, '-');
      if (!scan_digits (scanner))
        return FALSE;
    }
  return scanner->at - start <= MAX_NUMBER_LENGTH;
}

static gboolean
scan_word (Scanner *scanner, const char *word)
{
  gsize length = strlen (word);

  if ((gsize) (scanner->end - scanner->at) < length || memcmp (scanner->at, word, length) != 0)
    return FALSE;
  scanner->at += length;
  return TRUE;
}

/* What the string from @start to @end, which passed scan_string(), stands for. */
static char *
unescape (const char *start, const char *end)
{
  GString *text = g_string_sized_new ((gsize) (end - start));
  Scanner scanner = { start, end };

  while (scanner.at < end)
    {
      static const char escapes[] = "bfnrt", meanings[] = "\b\f\n\r\t";
      char c = *scanner.at++;
      gunichar unit;

      if (c != '\\')
        {
          g_string_append_c (text, c);
          continue;
        }
      c = *scanner.at++;
      if (c != 'u')
        {
          const char *escape = strchr (escapes, c);

          g_string_append_c (text, escape != NULL ? meanings[escape - escapes] : c);
          continue;
        }
      unit = (gunichar) scan_escape_unit (&scanner);
      if (unit >= 0xd800 && unit <= 0xdbff)
        {
          scanner.at += strlen ("\\u");
          unit = 0x10000 + ((unit & 0x3ff) << 10 | ((gunichar) scan_escape_unit (&scanner) & 0x3ff));
        }
      g_string_append_unichar (text, unit);
    }
  return g_string_free (text, FALSE);
}

/* The name of a member and the colon behind it. */
static gboolean
scan_name (Scanner *scanner, GHashTable *names)
{
  const char *start = scanner->at;
  g_autofree char *name = NULL;

  if (!scan_string (scanner))
    return FALSE;
  name = unescape (start + 1, scanner->at - 1);
  if (g_hash_table_contains (names, name))
    {
      scanner->at = start;
      scanner->twice = g_steal_pointer (&name);
      return FALSE;
    }
  g_hash_table_add (names, g_steal_pointer (&name));
  skip_space (scanner);
  return take (scanner, ':');
}

static gboolean
scan_members (Scanner *scanner, gboolean named, char close, guint depth)
{
  g_autoptr (GHashTable) names = NULL;

  if (named)
    names = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  scanner->at++;
  skip_space (scanner);
  if (take (scanner, close))
    return TRUE;
  do
    {
      skip_space (scanner);
      if (named && !scan_name (scanner, names))
        return FALSE;
      if (!scan_value (scanner, depth))
        return FALSE;
      skip_space (scanner);
    }
  while (take (scanner, ','));
  return take (scanner, close);
}

static gboolean
scan_value (Scanner *scanner, guint depth)
{
  skip_space (scanner);
  if (scanner->at == scanner->end)
    return FALSE;
  switch (*scanner->at)
    {
    case '{':
      return depth > 0 && scan_members (scanner, TRUE, '}', depth - 1);
    case '[':
      return depth > 0 && scan_members (scanner, FALSE, ']', depth - 1);
    case '"':
      return scan_string (scanner);
    case 't':
      return scan_word (scanner, "true");
    case 'f':
      return scan_word (scanner, "false");
    case 'n':
      return scan_word (scanner, "null");
    default:
      return scan_number (scanner);
    }
}

/**
 * lb_json_scan:
 * @data: (array length=size): the text
 * @size: in bytes
 * @depth: how many objects and arrays may lie within each other
 * @error: set to %LB_NUMERICS_ERROR_FORMAT, with line and column (of characters)
 *
 * Whether the text is JSON (RFC 8259, strictly) in UTF-8, without U+0000 and
 * without an object that has a name twice.
 */
gboolean
lb_json_scan (const char *data, gsize size, guint depth, GError **error)
{
  Scanner scanner = { data, data + size };
  g_autofree char *twice = NULL;
  const char *line_start = data;
  guint line = 1;

  g_return_val_if_fail (data != NULL || size == 0, FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  if (size > 0 && g_utf8_validate_len (data, size, &scanner.at))
    {
      gboolean good;

      scanner.at = data;
      good = scan_value (&scanner, depth);
      skip_space (&scanner);
      twice = scanner.twice;
      if (good && scanner.at == scanner.end)
        return TRUE;
    }
  for (const char *at = data; at < scanner.at; at++)
    if (*at == '\n')
      {
        line++;
        line_start = at + 1;
      }
  if (twice != NULL)
    g_set_error (error, LB_NUMERICS_ERROR, LB_NUMERICS_ERROR_FORMAT,
                 _ ("not valid JSON: the name “%s” stands twice in one object (line %u, column %ld)"), twice,
                 line, g_utf8_strlen (line_start, scanner.at - line_start) + 1);
  else
    g_set_error (error, LB_NUMERICS_ERROR, LB_NUMERICS_ERROR_FORMAT,
                 _ ("not valid JSON from line %u, column %ld on"), line,
                 size > 0 ? g_utf8_strlen (line_start, scanner.at - line_start) + 1 : 1L);
  return FALSE;
}
