/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "lb-plot-private.h"

typedef struct
{
  guint series;
  PangoLayout *text;
  double width, height; /* of the text */
  double x, y;          /* left end and middle of the sample */
} Entry;

struct _LbPlotLegend
{
  GArray *entries; /* of Entry */
  double sample_width;
  gboolean framed;
  double left, top, width, height; /* of the frame, where it has one */
};

static void
clear_entry (gpointer data)
{
  g_clear_object (&((Entry *) data)->text);
}

/* The legend of the figure, not yet placed; NULL where no series has a name. */
LbPlotLegend *
lb_plot_legend_new (const LbPlotCanvas *canvas)
{
  g_autoptr (LbPlotLegend) self = g_new0 (LbPlotLegend, 1);
  double widest = MAX (40, 0.8 * canvas->width);

  self->entries = g_array_new (FALSE, TRUE, sizeof (Entry));
  g_array_set_clear_func (self->entries, clear_entry);
  self->sample_width = 1.8 * canvas->font_size;
  for (guint i = 0; i < canvas->figure->series->len; i++)
    {
      const LbSeries *series = g_ptr_array_index (canvas->figure->series, i);
      Entry entry = { .series = i };

      if (series->name == NULL || series->name[0] == '\0' || series->kind == LB_SERIES_IMAGE)
        continue;
      entry.text = lb_plot_text_new (canvas, series->name, LB_PLOT_TICK_TEXT, FALSE, widest, 2);
      lb_plot_text_size (entry.text, &entry.width, &entry.height);
      g_array_append_val (self->entries, entry);
    }
  return self->entries->len > 0 ? g_steal_pointer (&self) : NULL;
}

void
lb_plot_legend_free (LbPlotLegend *legend)
{
  if (legend == NULL)
    return;
  g_array_unref (legend->entries);
  g_free (legend);
}

/* What the data cover, in coarse cells. */
typedef struct
{
  const LbPlotCanvas *canvas;
  double cell;
  int columns, rows;
  guint32 *counts;
} Cover;

static void
cover_add (Cover *cover, double x, double y)
{
  double column = floor ((x - cover->canvas->left) / cover->cell);
  double row = floor ((y - cover->canvas->top) / cover->cell);

  if (column >= 0 && row >= 0 && column < cover->columns && row < cover->rows)
    cover->counts[(int) row * cover->columns + (int) column]++;
}

static void
cover_add_segment (Cover *cover, double x0, double y0, double x1, double y1)
{
  const LbPlotCanvas *canvas = cover->canvas;
  int steps;

  if (!isfinite (x0 + y0 + x1 + y1) ||
      !lb_plot_clip_segment (&x0, &y0, &x1, &y1, canvas->left, canvas->top, canvas->right, canvas->bottom))
    return;
  steps = (int) ceil (hypot (x1 - x0, y1 - y0) / cover->cell);
  for (int i = 0; i <= steps; i++)
    cover_add (cover, x0 + (x1 - x0) * i / MAX (steps, 1), y0 + (y1 - y0) * i / MAX (steps, 1));
}

static void
cover_add_values (Cover *cover, const LbSeries *series)
{
  const LbPlotCanvas *canvas = cover->canvas;
  gsize length = lb_plot_series_length (series);
  const double *error = lb_plot_series_error (series);
  double base = CLAMP (lb_plot_scale_map (&canvas->y, 0), canvas->top, canvas->bottom);
  double half = 0;
  double previous_x = NAN, previous_y = NAN;

  if (length == 0)
    return;
  if (series->kind == LB_SERIES_BARS && length > 1)
    half = 0.5 * (lb_plot_series_x (series)[1] - lb_plot_series_x (series)[0]);
  for (gsize i = 0; i < length; i++)
    {
      double value = lb_plot_series_y (series)[i];
      double x = lb_plot_scale_map (&canvas->x, lb_plot_series_x (series)[i] + half);
      double y = lb_plot_scale_map (&canvas->y, value);

      if (series->kind == LB_SERIES_LINE)
        cover_add_segment (cover, previous_x, previous_y, x, y);
      else if (series->kind == LB_SERIES_BARS)
        cover_add_segment (cover, x, base, x, y);
      else
        cover_add (cover, x, y);
      if (series->kind == LB_SERIES_POINTS && error != NULL)
        cover_add_segment (cover, x, lb_plot_scale_map (&canvas->y, value - error[i]), x,
                           lb_plot_scale_map (&canvas->y, value + error[i]));
      previous_x = x;
      previous_y = y;
    }
}

static void
cover_add_identity (Cover *cover)
{
  const LbPlotCanvas *canvas = cover->canvas;
  double low = MAX (canvas->x.low, canvas->y.low);
  double high = MIN (canvas->x.high, canvas->y.high);

  if (low < high)
    cover_add_segment (cover, lb_plot_scale_map (&canvas->x, low), lb_plot_scale_map (&canvas->y, low),
                       lb_plot_scale_map (&canvas->x, high), lb_plot_scale_map (&canvas->y, high));
}

static void
cover_init (Cover *cover, const LbPlotCanvas *canvas)
{
  *cover = (Cover){ .canvas = canvas, .cell = 0.5 * canvas->font_size };
  cover->columns = (int) ceil ((canvas->right - canvas->left) / cover->cell);
  cover->rows = (int) ceil ((canvas->bottom - canvas->top) / cover->cell);
  cover->counts = g_new0 (guint32, (gsize) MAX (1, cover->columns) * (gsize) MAX (1, cover->rows));
  for (guint i = 0; i < canvas->figure->series->len; i++)
    {
      const LbSeries *series = g_ptr_array_index (canvas->figure->series, i);

      if (series->kind == LB_SERIES_IDENTITY)
        cover_add_identity (cover);
      else if (series->kind != LB_SERIES_IMAGE)
        cover_add_values (cover, series);
    }
}

static guint64
cover_count (const Cover *cover, double left, double top, double width, double height)
{
  int first_column = (int) floor ((left - cover->canvas->left) / cover->cell);
  int last_column = (int) floor ((left + width - cover->canvas->left) / cover->cell);
  int first_row = (int) floor ((top - cover->canvas->top) / cover->cell);
  int last_row = (int) floor ((top + height - cover->canvas->top) / cover->cell);
  guint64 count = 0;

  for (int row = MAX (0, first_row); row <= MIN (last_row, cover->rows - 1); row++)
    for (int column = MAX (0, first_column); column <= MIN (last_column, cover->columns - 1); column++)
      count += cover->counts[row * cover->columns + column];
  return count;
}

/* Stacks the entries below each other in a frame at (0, 0). */
static void
stack (LbPlotLegend *legend, const LbPlotCanvas *canvas)
{
  double pad = 0.5 * canvas->font_size;

  legend->framed = TRUE;
  legend->width = 0;
  legend->height = pad;
  for (guint i = 0; i < legend->entries->len; i++)
    {
      Entry *entry = &g_array_index (legend->entries, Entry, i);

      entry->x = pad;
      entry->y = legend->height + 0.5 * entry->height;
      legend->height += entry->height + 0.15 * canvas->font_size;
      legend->width = MAX (legend->width, entry->width);
    }
  legend->width += 2.5 * pad + legend->sample_width;
  legend->height += pad - 0.15 * canvas->font_size;
}

gboolean
lb_plot_legend_place_inside (LbPlotLegend *legend, const LbPlotCanvas *canvas, gboolean even_over_data)
{
  /* Corners first, as eyes look there; then the middles of the edges. */
  static const double places[][2] = { { 1, 0 },   { 0, 0 },   { 1, 1 },   { 0, 1 },
                                      { 0.5, 0 }, { 1, 0.5 }, { 0, 0.5 }, { 0.5, 1 } };
  double margin = 0.5 * canvas->font_size;
  double free_width, free_height;
  guint64 best = G_MAXUINT64;
  Cover cover;

  stack (legend, canvas);
  free_width = canvas->right - canvas->left - legend->width - 2 * margin;
  free_height = canvas->bottom - canvas->top - legend->height - 2 * margin;
  if (!even_over_data && (free_width < legend->width * 0.5 || free_height < legend->height * 0.5))
    return FALSE;
  cover_init (&cover, canvas);
  for (guint i = 0; i < G_N_ELEMENTS (places) && best > 0; i++)
    {
      double left = canvas->left + margin + places[i][0] * MAX (0, free_width);
      double top = canvas->top + margin + places[i][1] * MAX (0, free_height);
      guint64 count = cover_count (&cover, left - 0.5 * margin, top - 0.5 * margin, legend->width + margin,
                                   legend->height + margin);

      if (count < best)
        {
          best = count;
          legend->left = left;
          legend->top = top;
        }
    }
  g_free (cover.counts);
  return best == 0 || even_over_data;
}

double
lb_plot_legend_place_above (
    LbPlotLegend *legend, const LbPlotCanvas *canvas, double left, double width, double top)
{
  double gap = 1.2 * canvas->font_size;
  double x = 0, y = 0, row_height = 0;

  legend->framed = FALSE;
  for (guint i = 0; i < legend->entries->len; i++)
    {
      Entry *entry = &g_array_index (legend->entries, Entry, i);
      double entry_width = legend->sample_width + 0.4 * canvas->font_size + entry->width;

      if (x > 0 && x + entry_width > width)
        {
          x = 0;
          y += row_height;
          row_height = 0;
        }
      row_height = MAX (row_height, entry->height * 1.1);
      entry->x = left + x;
      entry->y = top + y + 0.5 * row_height;
      x += entry_width + gap;
    }
  return y + row_height;
}

static void
draw_frame (const LbPlotLegend *legend, const LbPlotCanvas *canvas)
{
  cairo_t *cairo = canvas->cairo;
  double radius = 0.35 * canvas->font_size;
  double left = lb_plot_snap (canvas, legend->left), top = lb_plot_snap (canvas, legend->top);
  double right = lb_plot_snap (canvas, legend->left + legend->width);
  double bottom = lb_plot_snap (canvas, legend->top + legend->height);

  cairo_new_sub_path (cairo);
  cairo_arc (cairo, right - radius, top + radius, radius, -G_PI_2, 0);
  cairo_arc (cairo, right - radius, bottom - radius, radius, 0, G_PI_2);
  cairo_arc (cairo, left + radius, bottom - radius, radius, G_PI_2, G_PI);
  cairo_arc (cairo, left + radius, top + radius, radius, G_PI, 1.5 * G_PI);
  cairo_close_path (cairo);
  lb_plot_set_colour (cairo, canvas->style.background, 0.88);
  cairo_fill_preserve (cairo);
  cairo_set_line_width (cairo, canvas->style.theme == LB_PLOT_THEME_PRINT ? 0.5 : 1);
  lb_plot_set_colour (cairo, canvas->style.grid, 1);
  cairo_stroke (cairo);
}

void
lb_plot_legend_draw (const LbPlotLegend *legend, const LbPlotCanvas *canvas)
{
  double left = legend->framed ? legend->left : 0;
  double top = legend->framed ? legend->top : 0;

  if (legend->framed)
    draw_frame (legend, canvas);
  for (guint i = 0; i < legend->entries->len; i++)
    {
      const Entry *entry = &g_array_index (legend->entries, Entry, i);

      lb_plot_draw_sample (canvas, entry->series, left + entry->x, top + entry->y, legend->sample_width);
      lb_plot_set_colour (canvas->cairo, canvas->style.foreground, 1);
      lb_plot_text_draw (canvas, entry->text,
                         left + entry->x + legend->sample_width + 0.4 * canvas->font_size, top + entry->y, 0,
                         0.5, 0);
    }
}
