/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "lb-plot-private.h"

static void
clear_tick (gpointer data)
{
  g_free (((LbPlotTick *) data)->label);
}

static void
reset_ticks (LbPlotScale *scale)
{
  g_clear_pointer (&scale->ticks, g_array_unref);
  scale->ticks = g_array_new (FALSE, FALSE, sizeof (LbPlotTick));
  g_array_set_clear_func (scale->ticks, clear_tick);
  scale->exponent = 0;
  scale->rotated = FALSE;
}

static void
add_tick (LbPlotScale *scale, double value, char *label)
{
  LbPlotTick tick = { value, label };

  g_array_append_val (scale->ticks, tick);
}

/* Sets the extent of the labels from the largest, and returns whether they all
 * stand clear of each other on an axis @length long. */
static gboolean
labels_fit (LbPlotScale *scale, const LbPlotCanvas *canvas, double length, double max_label)
{
  double gap = (!scale->vertical ? 1.0 : scale->axis->categories != NULL ? 0.0 : 0.45) * canvas->font_size;
  double previous = -G_MAXDOUBLE;
  double widest = 0, highest = 0;
  gboolean fit = TRUE;

  scale->start = 0;
  scale->end = length;
  for (guint i = 0; i < scale->ticks->len; i++)
    {
      const LbPlotTick *tick = &g_array_index (scale->ticks, LbPlotTick, i);
      g_autoptr (PangoLayout) layout = NULL;
      double width, height, half, position;

      if (tick->label == NULL)
        continue;
      layout = lb_plot_text_new (canvas, tick->label, LB_PLOT_TICK_TEXT, FALSE, max_label, 1);
      lb_plot_text_size (layout, &width, &height);
      half = 0.5 * (scale->vertical || scale->rotated ? height : width);
      position = lb_plot_scale_map (scale, tick->value);
      fit = fit && position - half >= previous;
      previous = position + half + (scale->rotated ? 0 : gap);
      widest = MAX (widest, width);
      highest = MAX (highest, height);
    }
  scale->label_extent = scale->vertical || scale->rotated ? widest : highest;
  scale->label_overhang = 0.5 * (scale->vertical || scale->rotated ? highest : widest);
  return fit;
}

static int
common_exponent (const LbPlotScale *scale)
{
  double largest = MAX (fabs (scale->low), fabs (scale->high));

  if (largest >= 1e5 || largest < 1e-3)
    return 3 * (int) floor (log10 (largest) / 3 + 1e-9);
  return 0;
}

/* Ticks at the multiples of a round @step, @parts minor ones to each. */
static void
add_linear_ticks (LbPlotScale *scale, double step, int decimals, guint parts)
{
  double minor = step / parts;
  double unit = pow (10, scale->exponent);
  double first = ceil (scale->low / minor - 1e-6);
  double last = floor (scale->high / minor + 1e-6);

  for (double i = first; i <= last && i < first + 500; i++)
    {
      double value = i * minor;

      if (fmod (i, parts) == 0)
        add_tick (scale, value, lb_plot_format_fixed (value / unit, decimals));
      else
        add_tick (scale, value, NULL);
    }
}

static guint
count_labels (const LbPlotScale *scale)
{
  guint count = 0;

  for (guint i = 0; i < scale->ticks->len; i++)
    count += g_array_index (scale->ticks, LbPlotTick, i).label != NULL;
  return count;
}

#define STEPS 20

/* Steps 1, 2, 2.5, 5 times a power of ten, one after the other from
 * 10^@magnitude on. */
static double
nth_step (int magnitude, guint nth, int *power, guint *parts)
{
  static const double steps[] = { 1, 2, 2.5, 5 };

  *power = magnitude + (int) (nth / 4);
  *parts = nth % 4 == 1 ? 4 : 5;
  return steps[nth % 4] * pow (10, *power);
}

static gboolean
try_linear_ticks (LbPlotScale *scale, const LbPlotCanvas *canvas, double length, int magnitude, guint nth)
{
  int power;
  guint parts;
  double step = nth_step (magnitude, nth, &power, &parts);

  reset_ticks (scale);
  scale->exponent = scale->logarithmic ? 0 : common_exponent (scale);
  add_linear_ticks (scale, step, MAX (0, scale->exponent - power + (nth % 4 == 2 ? 1 : 0)), parts);
  return labels_fit (scale, canvas, length, 0);
}

/* The finest of the steps whose labels fit with room between them. One label
 * alone tells no scale: a finer step may stand closer then. */
static void
make_linear_ticks (LbPlotScale *scale, const LbPlotCanvas *canvas, double length)
{
  double range = scale->high - scale->low;
  double most = CLAMP (length / (4.0 * canvas->font_size), 2, 10);
  int magnitude = (int) floor (log10 (range / most)) - 1;

  for (guint i = 0; i < STEPS; i++)
    {
      int power;
      guint parts;

      if (range / nth_step (magnitude, i, &power, &parts) > most && i < STEPS - 1)
        continue;
      if (!try_linear_ticks (scale, canvas, length, magnitude, i))
        continue;
      for (guint finer = i; finer > 0 && count_labels (scale) < 2;)
        if (!try_linear_ticks (scale, canvas, length, magnitude, --finer))
          finer = 0;
      if (count_labels (scale) < 2 || !labels_fit (scale, canvas, length, 0))
        try_linear_ticks (scale, canvas, length, magnitude, i);
      return;
    }
}

static char *
logarithmic_label (int multiple, int power)
{
  g_autofree char *exponent = NULL;

  if (power >= -3 && power <= 4)
    return lb_plot_format_fixed (multiple * pow (10, power), MAX (0, -power));
  exponent = lb_plot_power_of_ten (power);
  return multiple == 1 ? g_steal_pointer (&exponent) : g_strdup_printf ("%d\xc3\x97%s", multiple, exponent);
}

/* Ticks at 1 to 9 times each power of ten; @labelled has bit m set where m
 * times every @stride-th power is labelled. */
static void
add_logarithmic_ticks (LbPlotScale *scale, guint labelled, int stride)
{
  int first = (int) floor (log10 (scale->low));
  int last = (int) ceil (log10 (scale->high));

  for (int power = first; power <= last; power++)
    for (int multiple = 1; multiple <= 9; multiple++)
      {
        double value = multiple * pow (10, power);
        gboolean label = (labelled & 1u << multiple) != 0 && (power - first) % stride == 0;

        if (value < scale->low * (1 - 1e-9) || value > scale->high * (1 + 1e-9))
          continue;
        if (label)
          add_tick (scale, value, logarithmic_label (multiple, power));
        else if (stride == 1 || multiple == 1)
          add_tick (scale, value, NULL);
      }
}

static void
make_logarithmic_ticks (LbPlotScale *scale, const LbPlotCanvas *canvas, double length)
{
  double decades = log10 (scale->high / scale->low);

  if (decades < 1)
    {
      make_linear_ticks (scale, canvas, length);
      return;
    }
  if (decades < 2.5)
    {
      reset_ticks (scale);
      add_logarithmic_ticks (scale, 1u << 1 | 1u << 2 | 1u << 5, 1);
      if (labels_fit (scale, canvas, length, 0))
        return;
    }
  for (int stride = 1; stride < 700; stride++)
    {
      reset_ticks (scale);
      add_logarithmic_ticks (scale, 1u << 1, stride);
      if (labels_fit (scale, canvas, length, 0))
        return;
    }
}

static char *
category_label (const char *text)
{
  g_autofree char *valid = g_utf8_make_valid (text, -1);

  g_strdelimit (valid, "\n\r\t", ' ');
  g_strstrip (valid);
  return g_strdup (valid[0] != '\0' ? valid : "\xe2\x90\xa3");
}

static void
add_category_ticks (LbPlotScale *scale, guint count, guint stride)
{
  for (guint i = 0; i < count; i += stride)
    {
      double value = i + scale->category_offset;

      if (value >= scale->low && value <= scale->high)
        add_tick (scale, value, category_label (scale->axis->categories[i]));
    }
}

/* Makes room for the longest text in view, whether it is shown or not: else the
 * room that labels need would depend on how many there is room for. */
static void
reserve_category_room (LbPlotScale *scale, const LbPlotCanvas *canvas, guint count, double max_label)
{
  gboolean across = !scale->vertical && !scale->rotated;
  guint stride = 1 + count / 500;

  for (guint i = 0; i < count; i += stride)
    {
      double value = i + scale->category_offset;
      g_autofree char *label = NULL;
      g_autoptr (PangoLayout) layout = NULL;
      double width;

      if (across || value < scale->low || value > scale->high)
        continue;
      label = category_label (scale->axis->categories[i]);
      layout = lb_plot_text_new (canvas, label, LB_PLOT_TICK_TEXT, FALSE, max_label, 1);
      lb_plot_text_size (layout, &width, NULL);
      scale->label_extent = MAX (scale->label_extent, width);
    }
}

static void
make_category_ticks (LbPlotScale *scale, const LbPlotCanvas *canvas, double length, double max_label)
{
  guint count = g_strv_length (scale->axis->categories);
  double spacing = length / (scale->high - scale->low);
  guint stride;

  /* Lying only if there is a chance: to measure thousands of texts takes long. */
  if (!scale->vertical && spacing > 1.5 * canvas->font_size)
    {
      reset_ticks (scale);
      add_category_ticks (scale, count, 1);
      if (labels_fit (scale, canvas, length, max_label))
        return;
    }
  stride = (guint) CLAMP (canvas->font_size / spacing, 1, MAX (count, 1));
  for (; stride <= MAX (count, 1); stride++)
    {
      reset_ticks (scale);
      scale->rotated = !scale->vertical;
      add_category_ticks (scale, count, stride);
      if (labels_fit (scale, canvas, length, max_label))
        return;
    }
}

void
lb_plot_scale_make_ticks (LbPlotScale *scale, const LbPlotCanvas *canvas, double length, double max_label)
{
  double start = scale->start, end = scale->end;

  length = MAX (length, 1);
  if (scale->axis->categories != NULL)
    {
      make_category_ticks (scale, canvas, length, max_label);
      reserve_category_room (scale, canvas, g_strv_length (scale->axis->categories), max_label);
    }
  else if (scale->logarithmic)
    make_logarithmic_ticks (scale, canvas, length);
  else
    make_linear_ticks (scale, canvas, length);
  if (scale->ticks == NULL)
    reset_ticks (scale);
  scale->start = start;
  scale->end = end;
}

/* On screen, lines of one unit fall on whole pixels; print needs no such thing. */
double
lb_plot_snap (const LbPlotCanvas *canvas, double position)
{
  return canvas->style.theme == LB_PLOT_THEME_PRINT ? position : floor (position) + 0.5;
}

static void
draw_grid_of (const LbPlotCanvas *canvas, const LbPlotScale *scale, gboolean minor)
{
  cairo_t *cairo = canvas->cairo;

  for (guint i = 0; i < scale->ticks->len; i++)
    {
      const LbPlotTick *tick = &g_array_index (scale->ticks, LbPlotTick, i);
      double position = lb_plot_snap (canvas, lb_plot_scale_map (scale, tick->value));

      if ((tick->label == NULL) != minor)
        continue;
      if (scale->vertical)
        {
          cairo_move_to (cairo, canvas->left, position);
          cairo_line_to (cairo, canvas->right, position);
        }
      else
        {
          cairo_move_to (cairo, position, canvas->top);
          cairo_line_to (cairo, position, canvas->bottom);
        }
    }
  lb_plot_set_colour (cairo, minor ? canvas->style.minor_grid : canvas->style.grid, 1);
  cairo_stroke (cairo);
}

/* Lines at the labelled ticks; on logarithmic axes at the others too, fainter. */
void
lb_plot_draw_grid (const LbPlotCanvas *canvas)
{
  const LbPlotScale *const scales[] = { &canvas->x, &canvas->y };

  if (lb_plot_find_image (canvas->figure) != NULL)
    return;
  cairo_set_line_width (canvas->cairo, canvas->style.theme == LB_PLOT_THEME_PRINT ? 0.5 : 1);
  for (guint pass = 0; pass < 2; pass++)
    for (guint i = 0; i < 2; i++)
      if (scales[i]->axis->categories == NULL && (pass == 1 || scales[i]->logarithmic))
        draw_grid_of (canvas, scales[i], pass == 0);
}

static void
draw_tick_label (const LbPlotCanvas *canvas,
                 const LbPlotScale *scale,
                 const LbPlotTick *tick,
                 double position)
{
  double away = (LB_PLOT_TICK_LENGTH + LB_PLOT_TICK_GAP) * canvas->font_size;
  double max_label = scale->axis->categories != NULL ? scale->label_extent + 1 : 0;
  g_autoptr (PangoLayout) layout = NULL;
  double width, height;

  if (scale->axis->categories != NULL && !scale->vertical && !scale->rotated)
    max_label = 2 * scale->label_overhang + 1;
  layout = lb_plot_text_new (canvas, tick->label, LB_PLOT_TICK_TEXT, FALSE, max_label, 1);
  lb_plot_text_size (layout, &width, &height);
  lb_plot_set_colour (canvas->cairo, canvas->style.foreground, 1);
  if (scale->vertical)
    {
      position = CLAMP (position, 0.5 * height + 1, canvas->height - 0.5 * height - 1);
      lb_plot_text_draw (canvas, layout, canvas->left - away, position, 1, 0.5, 0);
    }
  else if (scale->rotated)
    {
      lb_plot_text_draw (canvas, layout, position, canvas->bottom + away, 1, 0.5, -G_PI_2);
    }
  else
    {
      position = CLAMP (position, 0.5 * width + 1, canvas->width - 0.5 * width - 1);
      lb_plot_text_draw (canvas, layout, position, canvas->bottom + away, 0.5, 0, 0);
    }
}

static void
draw_ticks (const LbPlotCanvas *canvas, const LbPlotScale *scale)
{
  cairo_t *cairo = canvas->cairo;

  for (guint i = 0; i < scale->ticks->len; i++)
    {
      const LbPlotTick *tick = &g_array_index (scale->ticks, LbPlotTick, i);
      double position = lb_plot_scale_map (scale, tick->value);
      double length =
          (tick->label != NULL ? LB_PLOT_TICK_LENGTH : 0.5 * LB_PLOT_TICK_LENGTH) * canvas->font_size;
      double line = lb_plot_snap (canvas, position);

      if (scale->vertical)
        {
          cairo_move_to (cairo, canvas->left, line);
          cairo_line_to (cairo, canvas->left - length, line);
        }
      else
        {
          cairo_move_to (cairo, line, canvas->bottom);
          cairo_line_to (cairo, line, canvas->bottom + length);
        }
      lb_plot_set_colour (cairo, canvas->style.muted, 1);
      cairo_stroke (cairo);
      if (tick->label != NULL)
        draw_tick_label (canvas, scale, tick, position);
    }
}

/* The lines of the axes (a box around an image), ticks and their labels. */
void
lb_plot_draw_axes (const LbPlotCanvas *canvas)
{
  cairo_t *cairo = canvas->cairo;
  double left = lb_plot_snap (canvas, canvas->left);
  double right = lb_plot_snap (canvas, canvas->right);
  double top = lb_plot_snap (canvas, canvas->top);
  double bottom = lb_plot_snap (canvas, canvas->bottom);

  cairo_set_line_width (cairo, canvas->style.theme == LB_PLOT_THEME_PRINT ? 0.6 : 1);
  draw_ticks (canvas, &canvas->x);
  draw_ticks (canvas, &canvas->y);
  cairo_move_to (cairo, left, top);
  cairo_line_to (cairo, left, bottom);
  cairo_line_to (cairo, right, bottom);
  if (lb_plot_find_image (canvas->figure) != NULL)
    {
      cairo_line_to (cairo, right, top);
      cairo_close_path (cairo);
    }
  lb_plot_set_colour (cairo, canvas->style.muted, 1);
  cairo_stroke (cairo);
}
