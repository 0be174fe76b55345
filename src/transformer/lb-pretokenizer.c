/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-pretokenizer.h"

#include <string.h>

typedef enum
{
  CLASS_LETTER,
  CLASS_NUMBER,
  CLASS_SPACE,
  CLASS_OTHER,
} CharacterClass;

/* White_Space of the Unicode Character Database (PropList.txt). */
static gboolean
is_white_space (gunichar c)
{
  return (c >= 0x09 && c <= 0x0d) || c == 0x20 || c == 0x85 || c == 0xa0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f ||
         c == 0x3000;
}

static CharacterClass
classify (gunichar c)
{
  if (is_white_space (c))
    return CLASS_SPACE;
  switch (g_unichar_type (c))
    {
    case G_UNICODE_LOWERCASE_LETTER:
    case G_UNICODE_MODIFIER_LETTER:
    case G_UNICODE_OTHER_LETTER:
    case G_UNICODE_TITLECASE_LETTER:
    case G_UNICODE_UPPERCASE_LETTER:
      return CLASS_LETTER;
    case G_UNICODE_DECIMAL_NUMBER:
    case G_UNICODE_LETTER_NUMBER:
    case G_UNICODE_OTHER_NUMBER:
      return CLASS_NUMBER;
    default:
      return CLASS_OTHER;
    }
}

static CharacterClass
classify_at (const char *text, gsize *length)
{
  guchar c = (guchar) *text;

  if (c >= 0x80)
    {
      *length = (gsize) (g_utf8_next_char (text) - text);
      return classify (g_utf8_get_char (text));
    }
  *length = 1;
  if (g_ascii_isalpha (c))
    return CLASS_LETTER;
  if (g_ascii_isdigit (c))
    return CLASS_NUMBER;
  return is_white_space (c) ? CLASS_SPACE : CLASS_OTHER;
}

/* Length of 's, 't, 're, 've, 'm, 'll, 'd at the start of @text; 0 if none. */
static gsize
match_contraction (const char *text, gsize length)
{
  static const char *const endings[] = { "s", "t", "re", "ve", "m", "ll", "d" };

  if (*text != '\'')
    return 0;
  for (guint i = 0; i < G_N_ELEMENTS (endings); i++)
    {
      gsize ending = strlen (endings[i]);

      if (length > ending && memcmp (text + 1, endings[i], ending) == 0)
        return 1 + ending;
    }
  return 0;
}

/* Length of the run of @class from @start on; @last: of its last character. */
static gsize
measure_run (const char *text, gsize start, gsize length, CharacterClass class, gsize *last)
{
  gsize at = start, step;

  *last = 0;
  while (at < length && classify_at (text + at, &step) == class)
    {
      at += step;
      *last = step;
    }
  return at - start;
}

gsize
lb_pretokenizer_next (const char *text, gsize length)
{
  gsize contraction, step, run, last;
  CharacterClass class;

  g_return_val_if_fail (text != NULL && length > 0, 0);

  contraction = match_contraction (text, length);
  if (contraction > 0)
    return contraction;

  class = classify_at (text, &step);
  if (class == CLASS_SPACE && *text == ' ' && length > 1)
    {
      /* One plain space goes with the word after it. */
      class = classify_at (text + 1, &step);
      if (class != CLASS_SPACE)
        return 1 + measure_run (text, 1, length, class, &last);
    }
  run = measure_run (text, 0, length, class, &last);
  /* White space leaves its last character to what follows. */
  if (class == CLASS_SPACE && run < length && run > last)
    run -= last;
  return run;
}
