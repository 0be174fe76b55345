/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-format.h"

#include <glib/gi18n.h>
#include <lb-plot.h>
#include <math.h>

#define DIGITS 4

typedef struct
{
  const char *name;
  const char *title;
  gboolean percent; /* a share that is shown in per cent */
} QuantityTitle;

static const QuantityTitle quantity_titles[] = {
  { "adc_samples_per_product", N_ ("Camera pixels per dot product"), FALSE },
  { "bias", N_ ("Bias"), TRUE },
  { "correlation", N_ ("Correlation"), FALSE },
  { "count", N_ ("Dot products of each length"), FALSE },
  { "dot_products", N_ ("Dot products"), FALSE },
  { "duration_s", N_ ("Duration"), FALSE },
  { "effective_bits", N_ ("Effective bits"), FALSE },
  { "exposures", N_ ("Exposures"), FALSE },
  { "fidelity", N_ ("Fidelity"), FALSE },
  { "head", N_ ("Head"), FALSE },
  { "kind", N_ ("Kind"), FALSE },
  { "layer", N_ ("Layer"), FALSE },
  { "lengths", N_ ("Lengths"), FALSE },
  { "model", N_ ("Model"), FALSE },
  { "normalised_error", N_ ("Normalised error"), TRUE },
  { "normalised_error_uncalibrated", N_ ("Normalised error before calibration"), TRUE },
  { "photons_are", N_ ("Photons are"), FALSE },
  { "photons_per_mac", N_ ("Photons per MAC"), FALSE },
  { "photons_per_mac_detected", N_ ("Photons per MAC detected"), FALSE },
  { "relative_error", N_ ("rms error / spread of the ideal"), TRUE },
  { "seed", N_ ("Seed"), FALSE },
  { "slope", N_ ("Slope"), FALSE },
  { "slope_high", N_ ("Slope, upper 95 % bound"), FALSE },
  { "slope_low", N_ ("Slope, lower 95 % bound"), FALSE },
  { "text", N_ ("Text"), FALSE },
  { "title", N_ ("Title"), FALSE },
  { "tokens", N_ ("Tokens"), FALSE },
  { "unusable", N_ ("Unusable (saturated)"), FALSE },
};

static const QuantityTitle *
find_title (const char *name)
{
  for (guint i = 0; i < G_N_ELEMENTS (quantity_titles); i++)
    if (g_str_equal (quantity_titles[i].name, name))
      return &quantity_titles[i];
  return NULL;
}

/**
 * lb_format_age:
 * @time_us: Unix time
 *
 * Returns: how long ago that was, in words
 */
char *
lb_format_age (gint64 time_us)
{
  gint64 seconds = MAX ((g_get_real_time () - time_us) / G_USEC_PER_SEC, 0);

  if (seconds < 60)
    return g_strdup (_ ("just now"));
  if (seconds < 3600)
    return g_strdup_printf (_ ("%d min ago"), (int) (seconds / 60));
  if (seconds < 2 * 86400)
    return g_strdup_printf (_ ("%d h ago"), (int) (seconds / 3600));
  return g_strdup_printf (_ ("%d days ago"), (int) (seconds / 86400));
}

/**
 * lb_format_seconds:
 * @seconds: not negative
 *
 * Returns: with the units that fit
 */
char *
lb_format_seconds (double seconds)
{
  int whole = (int) lround (fmin (seconds, 1e9));

  if (!isfinite (seconds))
    return g_strdup ("–");
  if (seconds < 10)
    return g_strdup_printf (_ ("%.1f s"), seconds);
  if (whole < 60)
    return g_strdup_printf (_ ("%d s"), whole);
  if (whole < 3600)
    return g_strdup_printf (_ ("%d min %d s"), whole / 60, whole % 60);
  return g_strdup_printf (_ ("%d h %d min"), whole / 3600, whole / 60 % 60);
}

/**
 * lb_format_time:
 * @time_us: Unix time
 *
 * Returns: local time, with the date unless it is today
 */
char *
lb_format_time (gint64 time_us)
{
  g_autoptr (GDateTime) utc = g_date_time_new_from_unix_utc (time_us / G_USEC_PER_SEC);
  g_autoptr (GDateTime) local = utc != NULL ? g_date_time_to_local (utc) : NULL;
  g_autoptr (GDateTime) now = g_date_time_new_now_local ();

  if (local == NULL)
    return g_strdup ("–");
  if (g_date_time_get_day_of_year (local) == g_date_time_get_day_of_year (now) &&
      g_date_time_get_year (local) == g_date_time_get_year (now))
    return g_date_time_format (local, "%H:%M:%S");
  return g_date_time_format (local, "%Y-%m-%d %H:%M");
}

/**
 * lb_format_number:
 *
 * Returns: with the digits that matter
 */
char *
lb_format_number (double value)
{
  if (!isfinite (value))
    return g_strdup ("–");
  return lb_plot_format_number (value, DIGITS);
}

/**
 * lb_format_percent:
 * @share: 1 is 100 %
 *
 * Returns: in per cent
 */
char *
lb_format_percent (double share)
{
  g_autofree char *number = NULL;

  if (!isfinite (share))
    return g_strdup ("–");
  number = lb_plot_format_number (100 * share, 3);
  /* Translators: a number in per cent. */
  return g_strdup_printf (_ ("%s %%"), number);
}

/**
 * lb_format_residual:
 * @unit: of both
 *
 * Returns: "residual of limit unit", or "" where nothing was measured
 */
char *
lb_format_residual (double residual, double limit, const char *unit)
{
  g_autofree char *left = NULL;
  g_autofree char *right = NULL;

  if (!isfinite (residual))
    return g_strdup ("");
  left = lb_plot_format_number (residual, 3);
  if (!isfinite (limit))
    return g_strdup_printf ("%s %s", left, unit);
  right = lb_plot_format_number (limit, 3);
  /* Translators: residual, limit, unit. */
  return g_strdup_printf (_ ("%s of at most %s %s"), left, right, unit);
}

/**
 * lb_format_quantity_name:
 * @name: identifier
 *
 * Returns: title, translated where it is known
 */
char *
lb_format_quantity_name (const char *name)
{
  const QuantityTitle *title = find_title (name);
  char *text;

  if (title != NULL)
    return g_strdup (_ (title->title));
  text = g_strdelimit (g_strdup (name), "_-", ' ');
  text[0] = g_ascii_toupper (text[0]);
  return text;
}

/**
 * lb_format_quantity_value:
 *
 * Returns: number with unit, or the text
 */
char *
lb_format_quantity_value (const LbQuantity *quantity)
{
  const QuantityTitle *title = find_title (quantity->name);

  if (quantity->text != NULL)
    return g_strdup (quantity->text);
  if (title != NULL && title->percent)
    return lb_format_percent (quantity->value);
  if (g_str_equal (quantity->unit, "s"))
    return lb_format_seconds (quantity->value);
  if (!isfinite (quantity->value) || quantity->unit[0] == '\0')
    return lb_format_number (quantity->value);
  return lb_plot_format_quantity (quantity->value, quantity->unit);
}
