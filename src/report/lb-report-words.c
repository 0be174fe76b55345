/* SPDX-License-Identifier: GPL-3.0-or-later */

#include <glib/gi18n-lib.h>
#include <math.h>
#include <string.h>
#include "lb-report-private.h"

typedef enum
{
  AS_IT_IS,
  PERCENT,
  SECONDS,
} Manner;

static const struct
{
  const char *name;
  const char *words;
  Manner manner;
} known[] = {
  { "adc_samples_per_product", N_ ("camera pixels read per product"), AS_IT_IS },
  { "bias", N_ ("bias"), PERCENT },
  { "clamped", N_ ("operands clamped to the model's ranges"), AS_IT_IS },
  { "correlation", N_ ("correlation"), AS_IT_IS },
  { "dot_products", N_ ("dot products"), AS_IT_IS },
  { "dot_products_per_group", N_ ("dot products per group"), AS_IT_IS },
  { "duration_forecast", N_ ("duration, forecast"), SECONDS },
  { "duration_s", N_ ("duration"), SECONDS },
  { "effective_bits", N_ ("effective bits"), AS_IT_IS },
  { "electrons_per_dn", N_ ("electrons per DN"), AS_IT_IS },
  { "electrons_per_photon", N_ ("electrons per photon on the weight plane"), AS_IT_IS },
  { "exposures", N_ ("exposures"), AS_IT_IS },
  { "exposures_forecast", N_ ("exposures, forecast"), AS_IT_IS },
  { "head", N_ ("head"), AS_IT_IS },
  { "in_doubt", N_ ("dot products in doubt (a sentinel before or after them failed)"), AS_IT_IS },
  { "layer", N_ ("layer"), AS_IT_IS },
  { "lengths", N_ ("lengths"), AS_IT_IS },
  { "logits_relative_error", N_ ("rms error of the logits / their spread"), PERCENT },
  { "model", N_ ("model"), AS_IT_IS },
  { "normalised_error", N_ ("normalised error"), PERCENT },
  { "normalised_error_uncalibrated", N_ ("normalised error before calibration"), PERCENT },
  { "operator", N_ ("operator of the layer"), AS_IT_IS },
  { "path_transmission", N_ ("transmission from modulator to camera"), AS_IT_IS },
  { "perplexity", N_ ("perplexity of the passage, measured"), AS_IT_IS },
  { "perplexity_ideal", N_ ("perplexity of the passage, ideal"), AS_IT_IS },
  { "photons_are", N_ ("photons are"), AS_IT_IS },
  { "photons_per_mac", N_ ("photons per MAC"), AS_IT_IS },
  { "photons_per_mac_detected", N_ ("photons per MAC, detected"), AS_IT_IS },
  { "predicted_tokens", N_ ("tokens predicted"), AS_IT_IS },
  { "quantum_efficiency", N_ ("quantum efficiency"), AS_IT_IS },
  { "recalibrations", N_ ("calibrations during the run"), AS_IT_IS },
  { "relative_error", N_ ("rms error / standard deviation of ideal"), PERCENT },
  { "same_prediction", N_ ("same next token as the ideal pass"), PERCENT },
  { "sentinel_limit", N_ ("limit of a sentinel's error"), PERCENT },
  { "sentinel_worst", N_ ("largest error of a sentinel"), PERCENT },
  { "sentinels", N_ ("sentinels"), AS_IT_IS },
  { "sentinels_failed", N_ ("sentinels that failed"), AS_IT_IS },
  { "slope", N_ ("slope"), AS_IT_IS },
  { "text", N_ ("text"), AS_IT_IS },
  { "tokens", N_ ("tokens"), AS_IT_IS },
  { "unusable", N_ ("dot products that were unusable"), AS_IT_IS },
};

/* What @name is called in the report. Owned by the caller, as all texts here. */
char *
lb_report_name (const char *name)
{
  for (guint i = 0; i < G_N_ELEMENTS (known); i++)
    if (g_str_equal (name, known[i].name))
      return g_strdup (_ (known[i].words));
  return g_strdelimit (g_strdup (name), "_-", ' ');
}

char *
lb_report_percent (double ratio)
{
  g_autofree char *number = NULL;
  double size = fabs (100 * ratio);

  if (!isfinite (ratio))
    return g_strdup ("\xe2\x80\x93");
  number = lb_plot_format_fixed (100 * ratio, size < 1 ? 3 : size < 10 ? 2 : size < 100 ? 1 : 0);
  return g_strdup_printf ("%s\xc2\xa0%%", number);
}

/* @unit may be NULL or empty. */
char *
lb_report_number (double value, const char *unit)
{
  return lb_plot_format_quantity (value, unit);
}

/* "4.2 s", "3 min 20 s", "2 h 5 min", "3 d 4 h". */
char *
lb_report_span (double seconds)
{
  gint64 whole;

  if (!isfinite (seconds) || fabs (seconds) < 100)
    return lb_plot_format_quantity (seconds, "s");
  whole = (gint64) (seconds + 0.5);
  if (whole < 3600)
    return g_strdup_printf (_ ("%d min %d s"), (int) (whole / 60), (int) (whole % 60));
  if (whole < 86400)
    return g_strdup_printf (_ ("%d h %d min"), (int) (whole / 3600), (int) (whole % 3600 / 60));
  return g_strdup_printf (_ ("%d d %d h"), (int) (whole / 86400), (int) (whole % 86400 / 3600));
}

char *
lb_report_value (const LbQuantity *quantity)
{
  if (quantity->text != NULL)
    return g_strdup (quantity->text);
  for (guint i = 0; i < G_N_ELEMENTS (known); i++)
    if (g_str_equal (quantity->name, known[i].name))
      {
        if (known[i].manner == PERCENT && (quantity->unit == NULL || quantity->unit[0] == '\0'))
          return lb_report_percent (quantity->value);
        if (known[i].manner == SECONDS)
          return lb_report_span (quantity->value);
      }
  return lb_report_number (quantity->value, quantity->unit);
}

/* In local time, to the minute. */
char *
lb_report_time (gint64 time_us)
{
  g_autoptr (GDateTime) utc = g_date_time_new_from_unix_utc (time_us / G_TIME_SPAN_SECOND);
  g_autoptr (GDateTime) local = utc != NULL ? g_date_time_to_local (utc) : NULL;

  return local != NULL ? g_date_time_format (local, "%Y-%m-%d %H:%M") : g_strdup ("\xe2\x80\x93");
}

char *
lb_report_state (LbRunState state)
{
  switch (state)
    {
    case LB_RUN_FINISHED:
      return g_strdup (_ ("finished"));
    case LB_RUN_ABORTED:
      return g_strdup (_ ("ended by the operator"));
    case LB_RUN_FAILED:
      return g_strdup (_ ("failed"));
    case LB_RUN_RUNNING:
    default:
      return g_strdup (_ ("did not end"));
    }
}

char *
lb_report_verdict (const char *verdict)
{
  if (g_strcmp0 (verdict, "pass") == 0)
    return g_strdup (_ ("pass"));
  if (g_strcmp0 (verdict, "warn") == 0)
    return g_strdup (_ ("warning"));
  if (g_strcmp0 (verdict, "fail") == 0)
    return g_strdup (_ ("fail"));
  return g_strdup (verdict);
}

/* Whether the text "nominal" of @settings lists @name: it comes from the setup
 * file or rests on what does. */
gboolean
lb_report_is_nominal (const LbQuantities *settings, const char *name)
{
  const char *text = lb_quantities_get_text (settings, "nominal");
  g_auto (GStrv) names = NULL;

  if (text == NULL)
    return FALSE;
  names = g_strsplit_set (text, ", ;", -1);
  return g_strv_contains ((const char *const *) names, name);
}
