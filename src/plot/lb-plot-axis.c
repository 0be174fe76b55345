/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "lb-plot-private.h"

/* Nothing measured is beyond; differences and ratios within stay finite. */
#define LARGEST 1e150
#define SMALLEST 1e-150

/* Smallest and largest value seen so far; with @positive only numbers over 0
 * count, as a logarithmic axis shows no others. */
typedef struct
{
  double low, high;
  gboolean positive;
} Range;

static void
range_add (Range *range, double value)
{
  if (!(fabs (value) <= LARGEST) || (range->positive && value < SMALLEST))
    return;
  range->low = MIN (range->low, value);
  range->high = MAX (range->high, value);
}

static void
range_add_series (Range *range, const LbSeries *series, gboolean vertical)
{
  gsize length = lb_plot_series_length (series);
  const double *x, *y, *error;

  if (series->kind == LB_SERIES_IMAGE)
    {
      range_add (range, vertical ? series->y0 : series->x0);
      range_add (range, vertical ? series->y1 : series->x1);
      return;
    }
  if (series->kind == LB_SERIES_IDENTITY || length == 0)
    return;
  x = lb_plot_series_x (series);
  y = lb_plot_series_y (series);
  error = lb_plot_series_error (series);
  for (gsize i = 0; i < length; i++)
    {
      if (!isfinite (x[i]) || !isfinite (y[i]))
        continue;
      range_add (range, vertical ? y[i] : x[i]);
      if (vertical && error != NULL && isfinite (error[i]))
        {
          range_add (range, y[i] - error[i]);
          range_add (range, y[i] + error[i]);
        }
    }
  if (series->kind != LB_SERIES_BARS)
    return;
  if (vertical)
    range_add (range, 0);
  else if (length > 1)
    range_add (range, x[length - 1] + x[1] - x[0]);
  else
    range_add (range, x[0] + 1);
}

static gboolean
has_kind (const LbFigure *figure, LbSeriesKind kind)
{
  for (guint i = 0; i < figure->series->len; i++)
    if (((const LbSeries *) g_ptr_array_index (figure->series, i))->kind == kind)
      return TRUE;
  return FALSE;
}

/* Gives a range of no width some, and keeps it where a double can tell its
 * values apart. */
static void
widen (LbPlotScale *scale)
{
  double centre, least;

  if (scale->logarithmic)
    {
      if (scale->high < scale->low * 1.001)
        {
          centre = sqrt (scale->low) * sqrt (scale->high);
          scale->low = centre / 3;
          scale->high = centre * 3;
        }
      return;
    }
  centre = 0.5 * scale->low + 0.5 * scale->high;
  least = MAX (fabs (centre) * 1e-10, 1e-280);
  if (scale->high - scale->low < least)
    {
      double half = centre == 0 ? 0.5 : 0.1 * fabs (centre);

      scale->low = centre - half;
      scale->high = centre + half;
    }
}

/* Room between the data and the axes, except where bars stand on the axis or
 * an image fills it. */
static void
add_margin (LbPlotScale *scale, const LbFigure *figure)
{
  gboolean bars = has_kind (figure, LB_SERIES_BARS);
  double margin;

  if (has_kind (figure, LB_SERIES_IMAGE))
    return;
  if (scale->logarithmic)
    {
      margin = pow (scale->high / scale->low, 0.04);
      scale->low /= margin;
      scale->high *= margin;
      return;
    }
  margin = 0.04 * (scale->high - scale->low);
  if (!(bars && scale->vertical && scale->low == 0))
    scale->low -= bars && !scale->vertical ? 0.5 * margin : margin;
  if (!(bars && scale->vertical && scale->high == 0))
    scale->high += bars && !scale->vertical ? 0.5 * margin : margin;
}

static double
category_offset (const LbFigure *figure, const LbAxis *axis, gboolean vertical)
{
  guint count;

  if (axis->categories == NULL)
    return 0;
  count = g_strv_length (axis->categories);
  for (guint i = 0; i < figure->series->len; i++)
    {
      const LbSeries *series = g_ptr_array_index (figure->series, i);

      if (series->kind == LB_SERIES_IMAGE && (vertical ? series->y0 : series->x0) == 0 &&
          (vertical ? series->y1 : series->x1) == count)
        return 0.5;
    }
  return 0;
}

/* Whether an axis can end at @value. */
static gboolean
is_usable (const LbAxis *axis, double value)
{
  return fabs (value) <= LARGEST && (!axis->logarithmic || value >= SMALLEST);
}

/* Range of one axis: what the view asks for, else the axis, else the data. */
void
lb_plot_scale_init (
    LbPlotScale *scale, const LbFigure *figure, gboolean vertical, double view_low, double view_high)
{
  const LbAxis *axis = vertical ? &figure->y_axis : &figure->x_axis;
  Range range = { G_MAXDOUBLE, -G_MAXDOUBLE, axis->logarithmic };

  *scale = (LbPlotScale){ .axis = axis, .vertical = vertical, .logarithmic = axis->logarithmic };
  scale->reversed = axis->reversed;
  scale->category_offset = category_offset (figure, axis, vertical);
  for (guint i = 0; i < figure->series->len; i++)
    range_add_series (&range, g_ptr_array_index (figure->series, i), vertical);
  scale->empty = range.low > range.high;
  scale->low = scale->empty ? (axis->logarithmic ? 1 : 0) : range.low;
  scale->high = scale->empty ? (axis->logarithmic ? 10 : 1) : range.high;
  widen (scale);
  if (!scale->empty)
    add_margin (scale, figure);
  if (is_usable (axis, axis->low))
    scale->low = axis->low;
  if (is_usable (axis, axis->high))
    scale->high = axis->high;
  if (is_usable (axis, view_low) && is_usable (axis, view_high) && view_low < view_high)
    {
      scale->low = view_low;
      scale->high = view_high;
    }
  if (scale->low > scale->high)
    {
      double swap = scale->low;

      scale->low = scale->high;
      scale->high = swap;
    }
  widen (scale);
}

void
lb_plot_scale_clear (LbPlotScale *scale)
{
  g_clear_pointer (&scale->ticks, g_array_unref);
}

/* Measured against ideal is read off the diagonal: both axes show one range
 * where nothing fixes them. */
void
lb_plot_equalise_ranges (LbPlotScale *x, LbPlotScale *y, const LbPlotView *view)
{
  const double fixed[] = { x->axis->low, x->axis->high, y->axis->low, y->axis->high,
                           view->x_low,  view->x_high,  view->y_low,  view->y_high };

  for (guint i = 0; i < G_N_ELEMENTS (fixed); i++)
    if (isfinite (fixed[i]))
      return;
  if (x->empty || y->empty || x->logarithmic != y->logarithmic)
    return;
  x->low = y->low = MIN (x->low, y->low);
  x->high = y->high = MAX (x->high, y->high);
}

/* Position in user units; not limited to the axes. */
double
lb_plot_scale_map (const LbPlotScale *scale, double value)
{
  double share;

  if (scale->logarithmic)
    share = value > 0 ? log (value / scale->low) / log (scale->high / scale->low) : -1e6;
  else
    share = (value - scale->low) / (scale->high - scale->low);
  return scale->start + share * (scale->end - scale->start);
}

/* Value at a position: the inverse of lb_plot_scale_map(). */
double
lb_plot_scale_unmap (const LbPlotScale *scale, double position)
{
  double share = (position - scale->start) / (scale->end - scale->start);

  if (scale->logarithmic)
    return scale->low * pow (scale->high / scale->low, share);
  return scale->low + share * (scale->high - scale->low);
}

static const char *const superscripts[] = { "\xe2\x81\xb0", "\xc2\xb9",     "\xc2\xb2",     "\xc2\xb3",
                                            "\xe2\x81\xb4", "\xe2\x81\xb5", "\xe2\x81\xb6", "\xe2\x81\xb7",
                                            "\xe2\x81\xb8", "\xe2\x81\xb9" };

/* "10" with @exponent raised. */
char *
lb_plot_power_of_ten (int exponent)
{
  g_autoptr (GString) text = g_string_new ("10");
  g_autofree char *digits = g_strdup_printf ("%d", ABS (exponent));

  if (exponent < 0)
    g_string_append (text, "\xe2\x81\xbb");
  for (const char *digit = digits; *digit != '\0'; digit++)
    g_string_append (text, superscripts[*digit - '0']);
  return g_strdup (text->str);
}

/* "label (unit)", "label (×10³ unit)"; NULL for an axis that says nothing. */
char *
lb_plot_axis_title (const LbAxis *axis, int exponent)
{
  const char *label = axis->label != NULL ? axis->label : "";
  const char *unit = axis->unit != NULL ? axis->unit : "";
  g_autofree char *power = NULL;

  if (exponent == 0)
    {
      if (label[0] == '\0' && unit[0] == '\0')
        return NULL;
      if (unit[0] == '\0')
        return g_strdup (label);
      return label[0] == '\0' ? g_strdup_printf ("(%s)", unit) : g_strdup_printf ("%s (%s)", label, unit);
    }
  power = lb_plot_power_of_ten (exponent);
  return g_strdup_printf ("%s%s(\xc3\x97%s%s%s)", label, label[0] == '\0' ? "" : " ", power,
                          unit[0] == '\0' ? "" : " ", unit);
}
