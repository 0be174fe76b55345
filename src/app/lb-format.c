/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-format.h"

#include <glib/gi18n.h>
#include <lb-plot.h>
#include <math.h>
#include <string.h>

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
  { "bits", N_ ("Bits of the camera"), FALSE },
  { "check_residual", N_ ("Residual of the check"), FALSE },
  { "corner_error", N_ ("Error at the four corners"), FALSE },
  { "correlation", N_ ("Correlation"), FALSE },
  { "count", N_ ("Dot products of each length"), FALSE },
  { "dark_columns", N_ ("Dark columns of the camera"), FALSE },
  { "dark_current", N_ ("Dark current"), FALSE },
  { "dark_current_error", N_ ("Uncertainty of the dark current of a pixel"), FALSE },
  { "dark_current_step", N_ ("Dark current is rounded to"), FALSE },
  { "dim_macropixels", N_ ("Macropixels that are too dim"), FALSE },
  { "dot_products", N_ ("Dot products"), FALSE },
  { "dot_products_per_group", N_ ("Dot products per group"), FALSE },
  { "duration_forecast", N_ ("Duration, forecast"), FALSE },
  { "duration_s", N_ ("Duration"), FALSE },
  { "effective_bits", N_ ("Effective bits"), FALSE },
  { "electrons", N_ ("Electrons collected per macropixel"), FALSE },
  { "electrons_per_dn", N_ ("Electrons per DN"), FALSE },
  { "exposure", N_ ("Exposure time"), FALSE },
  { "exposures", N_ ("Exposures"), FALSE },
  { "exposures_forecast", N_ ("Exposures, forecast"), FALSE },
  { "fidelity", N_ ("Fidelity"), FALSE },
  { "frames", N_ ("Frames"), FALSE },
  { "frames_per_level", N_ ("Frames per level"), FALSE },
  { "head", N_ ("Head"), FALSE },
  { "hot_limit", N_ ("Pixels are hot above"), FALSE },
  { "hot_pixels", N_ ("Hot pixels"), FALSE },
  { "in_doubt", N_ ("In doubt (a sentinel failed)"), FALSE },
  { "kind", N_ ("Kind"), FALSE },
  { "layer", N_ ("Layer"), FALSE },
  { "lengths", N_ ("Lengths"), FALSE },
  { "levels", N_ ("Levels"), FALSE },
  { "light", N_ ("Electrons per macropixel and frame"), FALSE },
  { "light_level", N_ ("Set point of the light"), FALSE },
  { "macropixels", N_ ("Macropixels"), FALSE },
  { "mean_signal", N_ ("Mean signal"), FALSE },
  { "model", N_ ("Model"), FALSE },
  { "noisy_pixels", N_ ("Noisy pixels"), FALSE },
  { "normalised_error", N_ ("Normalised error"), TRUE },
  { "normalised_error_uncalibrated", N_ ("Normalised error before calibration"), TRUE },
  { "offset", N_ ("Offset"), FALSE },
  { "offset_error", N_ ("Uncertainty of the offset of a pixel"), FALSE },
  { "offset_step", N_ ("Offset is rounded to"), FALSE },
  { "path_transmission", N_ ("Transmission from weight plane to camera"), FALSE },
  { "peak_share", N_ ("Share of the brightest pixel"), FALSE },
  { "photons_are", N_ ("Photons are"), FALSE },
  { "photons_per_mac", N_ ("Photons per MAC"), FALSE },
  { "photons_per_mac_detected", N_ ("Photons per MAC detected"), FALSE },
  { "quantum_efficiency", N_ ("Quantum efficiency"), FALSE },
  { "read_noise", N_ ("Read noise"), FALSE },
  { "read_noise_dn", N_ ("Read noise in DN"), FALSE },
  { "recalibrations", N_ ("Calibrations during the run"), FALSE },
  { "reference_gain", N_ ("Gain of the reference patches"), FALSE },
  { "relative_error", N_ ("rms error / spread of the ideal"), TRUE },
  { "repeatability", N_ ("Repeatability"), FALSE },
  { "row_noise", N_ ("Row noise"), FALSE },
  { "row_noise_dn", N_ ("Row noise in DN"), FALSE },
  { "seed", N_ ("Seed"), FALSE },
  { "sentinel_limit", N_ ("Limit of a sentinel's error"), TRUE },
  { "sentinel_worst", N_ ("Largest error of a sentinel"), TRUE },
  { "sentinels", N_ ("Sentinels"), FALSE },
  { "sentinels_failed", N_ ("Sentinels that failed"), FALSE },
  { "separability_error", N_ ("Error of separability"), FALSE },
  { "setup", N_ ("Setup"), FALSE },
  { "slope", N_ ("Slope"), FALSE },
  { "slope_high", N_ ("Slope, upper 95 % bound"), FALSE },
  { "slope_low", N_ ("Slope, lower 95 % bound"), FALSE },
  { "spill", N_ ("Light on the neighbours"), FALSE },
  { "stray_high", N_ ("Stray light, largest"), FALSE },
  { "stray_low", N_ ("Stray light, smallest"), FALSE },
  { "stray_mean", N_ ("Stray light, mean"), FALSE },
  { "text", N_ ("Text"), FALSE },
  { "title", N_ ("Title"), FALSE },
  { "tokens", N_ ("Tokens"), FALSE },
  { "unusable", N_ ("Unusable (saturated)"), FALSE },
};

/* Results of one group of a run are "group_0_bias": *@group is its number, -1
 * where the name is of the whole. Returns what follows, "" for "group_0". */
static const char *
skip_group (const char *name, int *group)
{
  char *end;
  guint64 number;

  *group = -1;
  if (!g_str_has_prefix (name, "group_"))
    return name;
  number = g_ascii_strtoull (name + strlen ("group_"), &end, 10);
  if (end == name + strlen ("group_") || (*end != '_' && *end != '\0'))
    return name;
  *group = (int) number;
  return *end == '_' ? end + 1 : end;
}

static const QuantityTitle *
find_title (const char *name)
{
  int group;
  const char *rest = skip_group (name, &group);

  for (guint i = 0; i < G_N_ELEMENTS (quantity_titles); i++)
    if (g_str_equal (quantity_titles[i].name, rest))
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
  int group;
  char *text;

  if (*skip_group (name, &group) == '\0' && group >= 0)
    return g_strdup_printf (_ ("Group %d"), group);
  if (title != NULL && group >= 0)
    /* Translators: number of a group of dot products, and what was found of it. */
    return g_strdup_printf (_ ("Group %d: %s"), group, _ (title->title));
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
