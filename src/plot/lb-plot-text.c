/* SPDX-License-Identifier: GPL-3.0-or-later */

#include <langinfo.h>
#include <string.h>
#include "lb-plot-private.h"

#define MINUS "\xe2\x88\x92"
#define NOT_A_NUMBER "\xe2\x80\x93"

/* Between groups of three digits; a comma where the locale names none. */
static const char *
thousands_separator (void)
{
  const char *separator = nl_langinfo (THOUSEP);

  if (separator == NULL || separator[0] == '\0' || !g_utf8_validate (separator, -1, NULL))
    return g_strcmp0 (nl_langinfo (RADIXCHAR), ",") == 0 ? "." : ",";
  return separator;
}

/* "1234.50" of g_ascii_formatd() as people of the locale write it. */
static char *
localise (const char *digits)
{
  g_autoptr (GString) text = g_string_new (NULL);
  const char *end;
  gsize whole;

  if (digits[0] == '-')
    {
      digits++;
      if (strspn (digits, "0.") < strlen (digits))
        g_string_append (text, MINUS);
    }
  whole = strspn (digits, "0123456789");
  end = digits + whole;
  for (gsize i = 0; i < whole; i++)
    {
      if (i > 0 && (whole - i) % 3 == 0)
        g_string_append (text, thousands_separator ());
      g_string_append_c (text, digits[i]);
    }
  if (*end == '.')
    {
      const char *radix = nl_langinfo (RADIXCHAR);

      g_string_append (text, radix[0] != '\0' ? radix : ".");
      end++;
    }
  g_string_append (text, end);
  return g_strdup (text->str);
}

/**
 * lb_plot_format_fixed:
 * @value: any number
 * @decimals: digits after the point, 0 to 17
 *
 * A number for people, in the locale's writing. Owned by the caller.
 */
char *
lb_plot_format_fixed (double value, int decimals)
{
  char format[16];
  char buffer[400];

  if (!isfinite (value))
    return g_strdup (isnan (value) ? NOT_A_NUMBER : value < 0 ? MINUS "\xe2\x88\x9e" : "\xe2\x88\x9e");
  g_snprintf (format, sizeof format, "%%.%df", CLAMP (decimals, 0, 17));
  return localise (g_ascii_formatd (buffer, sizeof buffer, format, value));
}

/* Removes zeros at the end of a fraction, and the point with them. */
static void
trim_zeros (char *digits)
{
  char *exponent = strchr (digits, 'e');
  char *end = exponent != NULL ? exponent : digits + strlen (digits);
  char *last = end;

  if (strchr (digits, '.') == NULL)
    return;
  while (last > digits && last[-1] == '0')
    last--;
  if (last > digits && last[-1] == '.')
    last--;
  memmove (last, end, strlen (end) + 1);
}

/* "1.2e-09" to "1.2e-9". */
static void
shorten_exponent (char *digits)
{
  char *exponent = strchr (digits, 'e');
  char *from;
  char *to;

  if (exponent == NULL)
    return;
  to = exponent + 1;
  from = to;
  if (*from == '-')
    to++;
  from++;
  while (*from == '0' && from[1] != '\0')
    from++;
  memmove (to, from, strlen (from) + 1);
}

/**
 * lb_plot_format_number:
 * @value: any number
 * @digits: significant digits, 1 to 17
 *
 * A number for people, in the locale's writing: digits grouped, zeros at the
 * end left out, whole numbers never rounded below a million, powers of ten
 * below 0.0001 and from ten million on. Owned by the caller.
 */
char *
lb_plot_format_number (double value, int digits)
{
  char format[16];
  char buffer[64];
  double size = fabs (value);

  digits = CLAMP (digits, 1, 17);
  if (!isfinite (value) || size == 0)
    return lb_plot_format_fixed (value == 0 ? 0 : value, 0);
  if (size < 1e-4 || size >= 1e7)
    {
      g_snprintf (format, sizeof format, "%%.%de", digits - 1);
    }
  else
    {
      /* Rounding may carry into another digit: 9.996 to three digits is 10.0. */
      int magnitude = (int) floor (log10 (size));
      double step = pow (10, magnitude - digits + 1);

      if (round (size / step) * step >= pow (10, magnitude + 1))
        magnitude++;
      g_snprintf (format, sizeof format, "%%.%df", CLAMP (digits - 1 - magnitude, 0, 17));
    }
  g_ascii_formatd (buffer, sizeof buffer, format, value);
  trim_zeros (buffer);
  shorten_exponent (buffer);
  return localise (buffer);
}

typedef struct
{
  const char *symbol;
  double factor;
} Prefix;

static const Prefix prefixes[] = {
  { "a", 1e-18 }, { "f", 1e-15 }, { "p", 1e-12 }, { "n", 1e-9 }, { "u", 1e-6 }, { "\xc2\xb5", 1e-6 },
  { "m", 1e-3 },  { "", 1 },      { "k", 1e3 },   { "M", 1e6 },  { "G", 1e9 },  { "T", 1e12 },
};

/* Splits "µs" or "mW/cm²" into prefix, base and rest; FALSE for a unit that
 * takes no prefixes. */
static gboolean
split_unit (const char *unit, double *factor, const char **base, const char **rest)
{
  static const char *const bases[] = { "s", "m", "W", "J", "V", "A", "Hz", NULL };
  gsize length = strcspn (unit, "/");

  for (guint p = 0; p < G_N_ELEMENTS (prefixes); p++)
    {
      gsize prefix_length = strlen (prefixes[p].symbol);

      if (prefix_length >= length || strncmp (unit, prefixes[p].symbol, prefix_length) != 0)
        continue;
      for (guint b = 0; bases[b] != NULL; b++)
        if (strlen (bases[b]) == length - prefix_length &&
            strncmp (unit + prefix_length, bases[b], length - prefix_length) == 0)
          {
            *factor = prefixes[p].factor;
            *base = bases[b];
            *rest = unit + length;
            return TRUE;
          }
    }
  return FALSE;
}

/**
 * lb_plot_format_quantity:
 * @value: in @unit
 * @unit: "s", "us", "mW", "nm", "J/MAC", "electrons", ""
 *
 * Value and unit with three significant digits; units of the SI get the prefix
 * that suits the magnitude (times no kilo and up). Owned by the caller.
 */
char *
lb_plot_format_quantity (double value, const char *unit)
{
  g_autofree char *number = NULL;
  const char *base, *rest, *symbol = "";
  double factor, scaled, best = 1;

  if (unit == NULL || unit[0] == '\0')
    return lb_plot_format_number (value, 3);
  if (!isfinite (value) || value == 0 || !split_unit (unit, &factor, &base, &rest))
    {
      number = lb_plot_format_number (value, 3);
      return g_strdup_printf ("%s\xc2\xa0%s", number, unit);
    }
  scaled = value * factor;
  for (guint p = 0; p < G_N_ELEMENTS (prefixes); p++)
    {
      if (prefixes[p].factor > 1 && (g_str_equal (base, "s") || g_str_equal (base, "m")))
        break;
      /* 0.9995 rounds to 1 and belongs to the next prefix already. */
      if (p == 0 || fabs (scaled) >= 0.9995 * prefixes[p].factor)
        {
          best = prefixes[p].factor;
          symbol = prefixes[p].symbol;
        }
    }
  number = lb_plot_format_number (scaled / best, 3);
  return g_strdup_printf ("%s\xc2\xa0%s%s%s", number, symbol, base, rest);
}

/*
 * A paragraph in the figure's type, @scale times its size; wrapped to
 * @max_width and shortened with an ellipsis after @max_lines (0: neither).
 */
PangoLayout *
lb_plot_text_new (const LbPlotCanvas *canvas,
                  const char *text,
                  double scale,
                  gboolean bold,
                  double max_width,
                  int max_lines)
{
  PangoLayout *layout = pango_layout_new (canvas->pango);
  g_autofree char *valid = g_utf8_make_valid (text, -1);
  PangoFontDescription *font = pango_font_description_from_string ("Cantarell, Noto Sans, DejaVu Sans, Sans");

  pango_font_description_set_absolute_size (font, canvas->font_size * scale * PANGO_SCALE);
  pango_font_description_set_weight (font, bold ? PANGO_WEIGHT_BOLD : PANGO_WEIGHT_NORMAL);
  pango_layout_set_font_description (layout, font);
  pango_font_description_free (font);
  if (max_lines <= 1)
    pango_layout_set_single_paragraph_mode (layout, TRUE);
  if (max_width > 0)
    {
      pango_layout_set_width (layout, (int) (max_width * PANGO_SCALE));
      pango_layout_set_wrap (layout, PANGO_WRAP_WORD_CHAR);
      pango_layout_set_ellipsize (layout, PANGO_ELLIPSIZE_END);
      pango_layout_set_height (layout, max_lines > 1 ? -max_lines : -1);
    }
  pango_layout_set_text (layout, valid, -1);
  return layout;
}

/* Size of the text itself, without what it was allowed to take. */
void
lb_plot_text_size (PangoLayout *layout, double *width, double *height)
{
  PangoRectangle logical;

  pango_layout_get_extents (layout, NULL, &logical);
  if (width != NULL)
    *width = (double) logical.width / PANGO_SCALE;
  if (height != NULL)
    *height = (double) logical.height / PANGO_SCALE;
}

void
lb_plot_text_draw (const LbPlotCanvas *canvas,
                   PangoLayout *layout,
                   double x,
                   double y,
                   double align_x,
                   double align_y,
                   double angle)
{
  PangoRectangle logical;

  pango_layout_get_extents (layout, NULL, &logical);
  cairo_save (canvas->cairo);
  cairo_translate (canvas->cairo, x, y);
  cairo_rotate (canvas->cairo, angle);
  cairo_move_to (canvas->cairo, -((double) logical.x + align_x * logical.width) / PANGO_SCALE,
                 -((double) logical.y + align_y * logical.height) / PANGO_SCALE);
  pango_cairo_show_layout (canvas->cairo, layout);
  cairo_restore (canvas->cairo);
}
