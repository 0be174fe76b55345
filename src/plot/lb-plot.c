/* SPDX-License-Identifier: GPL-3.0-or-later */

#include <glib/gi18n-lib.h>
#include "lb-plot-private.h"

/* The smallest drawing that can hold axes. */
#define LEAST_WIDTH 60
#define LEAST_HEIGHT 50

/* An image is drawn to scale unless that would waste most of the place. */
#define MOST_DISTORTION 3

/* The texts around the axes; each may be NULL. */
typedef struct
{
  PangoLayout *title;
  PangoLayout *note;
  PangoLayout *x_title;
  PangoLayout *y_title;
} Texts;

static void
texts_clear (Texts *texts)
{
  g_clear_object (&texts->title);
  g_clear_object (&texts->note);
  g_clear_object (&texts->x_title);
  g_clear_object (&texts->y_title);
}

static double
text_height (PangoLayout *layout)
{
  double height = 0;

  if (layout != NULL)
    lb_plot_text_size (layout, NULL, &height);
  return height;
}

static PangoLayout *
optional_text (
    const LbPlotCanvas *canvas, const char *text, double scale, gboolean bold, double width, int lines)
{
  PangoLayout *layout;

  if (text == NULL || text[0] == '\0')
    return NULL;
  layout = lb_plot_text_new (canvas, text, scale, bold, width, lines);
  return layout;
}

static void
texts_init (Texts *texts, const LbPlotCanvas *canvas)
{
  double width = canvas->width - 1.4 * canvas->font_size;

  *texts = (Texts){ 0 };
  texts->title = optional_text (canvas, canvas->figure->title, LB_PLOT_TITLE_TEXT, TRUE, width, 3);
  texts->note = optional_text (canvas, canvas->figure->note, LB_PLOT_NOTE_TEXT, FALSE, width, 3);
}

/* The titles of the axes: the power of ten in them is known with the ticks. */
static void
make_axis_titles (Texts *texts, const LbPlotCanvas *canvas, double height)
{
  g_autofree char *x = lb_plot_axis_title (&canvas->figure->x_axis, canvas->x.exponent);
  g_autofree char *y = lb_plot_axis_title (&canvas->figure->y_axis, canvas->y.exponent);

  g_clear_object (&texts->x_title);
  g_clear_object (&texts->y_title);
  texts->x_title = optional_text (canvas, x, 1, FALSE, canvas->width - 1.4 * canvas->font_size, 2);
  texts->y_title = optional_text (canvas, y, 1, FALSE, height, 2);
  if (texts->x_title != NULL)
    pango_layout_set_alignment (texts->x_title, PANGO_ALIGN_CENTER);
  if (texts->y_title != NULL)
    pango_layout_set_alignment (texts->y_title, PANGO_ALIGN_CENTER);
}

/* Makes the cells of an image as wide as high where both axes count the same. */
static void
keep_proportion (LbPlotCanvas *canvas)
{
  double width = canvas->right - canvas->left, height = canvas->bottom - canvas->top;
  double ratio = width / (canvas->x.high - canvas->x.low) / (height / (canvas->y.high - canvas->y.low));
  double spare;

  if (lb_plot_find_image (canvas->figure) == NULL || canvas->x.logarithmic || canvas->y.logarithmic ||
      g_strcmp0 (canvas->figure->x_axis.unit, canvas->figure->y_axis.unit) != 0 || !(ratio > 0) ||
      ratio > MOST_DISTORTION || ratio < 1.0 / MOST_DISTORTION)
    return;
  if (ratio > 1)
    {
      spare = width - width / ratio;
      canvas->left += 0.5 * spare;
      canvas->right -= 0.5 * spare;
    }
  else
    {
      spare = height - height * ratio;
      canvas->top += 0.5 * spare;
      canvas->bottom -= 0.5 * spare;
    }
}

static void
make_ticks (LbPlotCanvas *canvas)
{
  lb_plot_scale_make_ticks (&canvas->x, canvas, canvas->right - canvas->left, 0.26 * canvas->height);
  lb_plot_scale_make_ticks (&canvas->y, canvas, canvas->bottom - canvas->top, 0.26 * canvas->width);
}

/* Ticks for the area as it came to be, which may have shrunk since they were
 * made; labels that need more room take it from the area. */
static void
settle_ticks (LbPlotCanvas *canvas)
{
  double below = canvas->x.label_extent, beside = canvas->y.label_extent;

  make_ticks (canvas);
  canvas->bottom -= MAX (0, canvas->x.label_extent - below);
  canvas->left += MAX (0, canvas->y.label_extent - beside);
  canvas->x.start = canvas->x.reversed ? canvas->right : canvas->left;
  canvas->x.end = canvas->x.reversed ? canvas->left : canvas->right;
  canvas->y.start = canvas->y.reversed ? canvas->top : canvas->bottom;
  canvas->y.end = canvas->y.reversed ? canvas->bottom : canvas->top;
}

/* Finds the edges of the area inside the axes, with @above units kept free
 * for the legend: margins depend on labels and labels on the margins, which
 * settles after two rounds. */
static void
place (LbPlotCanvas *canvas, Texts *texts, double above)
{
  const LbSeries *image = lb_plot_find_image (canvas->figure);
  double font = canvas->font_size;
  double pad = 0.7 * font;
  double tick = (LB_PLOT_TICK_LENGTH + LB_PLOT_TICK_GAP) * font;
  double title = text_height (texts->title);
  double note = text_height (texts->note);

  canvas->left = 4.5 * font;
  canvas->right = canvas->width - 2 * font;
  canvas->top = pad + title + 0.8 * font + above;
  canvas->bottom = canvas->height - 4 * font - note;
  for (guint round = 0; round < 3; round++)
    {
      double top = pad + title + (title > 0 ? 0.8 * font : 0.3 * font) + above;

      make_ticks (canvas);
      make_axis_titles (texts, canvas, MAX (40, canvas->height - 2 * pad - title - note - 1.2 * font));
      canvas->left = pad + tick + canvas->y.label_extent;
      canvas->left += texts->y_title != NULL ? text_height (texts->y_title) + 0.35 * font : 0;
      canvas->right =
          canvas->width - pad - (canvas->x.rotated ? 0 : MIN (canvas->x.label_overhang, 3 * font));
      if (image != NULL)
        canvas->right =
            canvas->width - pad - lb_plot_colour_bar_width (canvas, image, canvas->bottom - canvas->top);
      canvas->bottom = canvas->height - pad - tick - canvas->x.label_extent;
      canvas->bottom -= texts->x_title != NULL ? text_height (texts->x_title) + 0.25 * font : 0;
      canvas->bottom -= note > 0 ? note + 0.4 * font : 0;
      canvas->top = top;
      canvas->right = MAX (canvas->right, canvas->left + 10);
      canvas->bottom = MAX (canvas->bottom, canvas->top + 10);
      keep_proportion (canvas);
    }
  settle_ticks (canvas);
}

/* The legend goes where no data are, else above the axes, and over the data
 * only where the drawing is too low for that. */
static LbPlotLegend *
place_with_legend (LbPlotCanvas *canvas, Texts *texts)
{
  g_autoptr (LbPlotLegend) legend = lb_plot_legend_new (canvas);
  double top, height;

  place (canvas, texts, 0);
  if (legend == NULL)
    return NULL;
  if (lb_plot_find_image (canvas->figure) == NULL && lb_plot_legend_place_inside (legend, canvas, FALSE))
    return g_steal_pointer (&legend);
  top = canvas->top;
  height = lb_plot_legend_place_above (legend, canvas, canvas->left, canvas->right - canvas->left, top);
  if (height < 0.3 * (canvas->bottom - canvas->top))
    {
      double gap = 0.4 * canvas->font_size;

      place (canvas, texts, height + gap);
      lb_plot_legend_place_above (legend, canvas, canvas->left, canvas->right - canvas->left,
                                  canvas->top - height - gap);
    }
  else
    {
      lb_plot_legend_place_inside (legend, canvas, TRUE);
    }
  return g_steal_pointer (&legend);
}

static void
draw_texts (const LbPlotCanvas *canvas, const Texts *texts)
{
  double pad = 0.7 * canvas->font_size;
  double middle = 0.5 * (canvas->left + canvas->right);
  double note = text_height (texts->note);
  double width;

  lb_plot_set_colour (canvas->cairo, canvas->style.foreground, 1);
  if (texts->title != NULL)
    lb_plot_text_draw (canvas, texts->title, pad, pad, 0, 0, 0);
  if (texts->x_title != NULL)
    {
      double bottom = canvas->bottom + (LB_PLOT_TICK_LENGTH + LB_PLOT_TICK_GAP + 0.25) * canvas->font_size +
                      canvas->x.label_extent;

      lb_plot_text_size (texts->x_title, &width, NULL);
      middle = CLAMP (middle, MIN (0.5 * width + pad, 0.5 * canvas->width),
                      MAX (canvas->width - 0.5 * width - pad, 0.5 * canvas->width));
      lb_plot_text_draw (canvas, texts->x_title, middle, bottom, 0.5, 0, 0);
    }
  if (texts->y_title != NULL)
    {
      double x = canvas->left - (LB_PLOT_TICK_LENGTH + LB_PLOT_TICK_GAP + 0.35) * canvas->font_size -
                 canvas->y.label_extent;
      double y = 0.5 * (canvas->top + canvas->bottom);

      lb_plot_text_size (texts->y_title, &width, NULL);
      /* Below the title, above the note. */
      y = MIN (MAX (y, pad + text_height (texts->title) + 0.4 * canvas->font_size + 0.5 * width),
               canvas->height - pad - note - 0.4 * canvas->font_size - 0.5 * width);
      lb_plot_text_draw (canvas, texts->y_title, x, y, 0.5, 1, -G_PI_2);
    }
  lb_plot_set_colour (canvas->cairo, canvas->style.muted, 1);
  if (texts->note != NULL)
    lb_plot_text_draw (canvas, texts->note, pad, canvas->height - pad - note, 0, 0, 0);
}

static void
draw_emptiness (const LbPlotCanvas *canvas)
{
  g_autoptr (PangoLayout) layout =
      lb_plot_text_new (canvas, _ ("no data yet"), 1, FALSE, MAX (20, canvas->right - canvas->left), 2);

  pango_layout_set_alignment (layout, PANGO_ALIGN_CENTER);
  lb_plot_set_colour (canvas->cairo, canvas->style.muted, 1);
  lb_plot_text_draw (canvas, layout, 0.5 * (canvas->left + canvas->right),
                     0.5 * (canvas->top + canvas->bottom), 0.5, 0.5, 0);
}

static void
fill_frame (LbPlotFrame *frame, const LbPlotCanvas *canvas)
{
  *frame = (LbPlotFrame){
    .left = canvas->left,
    .top = canvas->top,
    .width = canvas->right - canvas->left,
    .height = canvas->bottom - canvas->top,
    .view = { canvas->x.low, canvas->x.high, canvas->y.low, canvas->y.high },
    .x_logarithmic = canvas->x.logarithmic,
    .y_logarithmic = canvas->y.logarithmic,
    .x_reversed = canvas->x.reversed,
    .y_reversed = canvas->y.reversed,
  };
}

static gboolean
has_identity (const LbFigure *figure)
{
  for (guint i = 0; i < figure->series->len; i++)
    if (((const LbSeries *) g_ptr_array_index (figure->series, i))->kind == LB_SERIES_IDENTITY)
      return TRUE;
  return FALSE;
}

static void
canvas_init (LbPlotCanvas *canvas,
             const LbFigure *figure,
             cairo_t *cairo,
             double width,
             double height,
             LbPlotTheme theme,
             const LbPlotView *view)
{
  LbPlotView all = LB_PLOT_VIEW_ALL;
  cairo_font_options_t *options = cairo_font_options_create ();
  double size = 7.5 + 0.0055 * sqrt (width * height);

  *canvas = (LbPlotCanvas){ .cairo = cairo, .figure = figure, .width = width, .height = height };
  lb_plot_style_init (&canvas->style, theme);
  canvas->font_size = theme == LB_PLOT_THEME_PRINT ? CLAMP (size - 1, 6.5, 10) : CLAMP (size, 8, 13);
  canvas->pango = pango_cairo_create_context (cairo);
  /* The same layout on every output: no rounding of widths to its pixels. */
  cairo_font_options_set_hint_metrics (options, CAIRO_HINT_METRICS_OFF);
  cairo_font_options_set_hint_style (options, CAIRO_HINT_STYLE_NONE);
  cairo_font_options_set_antialias (options, CAIRO_ANTIALIAS_GRAY);
  pango_cairo_context_set_font_options (canvas->pango, options);
  pango_context_set_round_glyph_positions (canvas->pango, FALSE);
  pango_cairo_context_set_resolution (canvas->pango, 96);
  cairo_font_options_destroy (options);
  if (view == NULL)
    view = &all;
  lb_plot_scale_init (&canvas->x, figure, FALSE, view->x_low, view->x_high);
  lb_plot_scale_init (&canvas->y, figure, TRUE, view->y_low, view->y_high);
  if (has_identity (figure))
    lb_plot_equalise_ranges (&canvas->x, &canvas->y, view);
}

static void
canvas_clear (LbPlotCanvas *canvas)
{
  lb_plot_scale_clear (&canvas->x);
  lb_plot_scale_clear (&canvas->y);
  g_clear_object (&canvas->pango);
}

static void
draw_on (LbPlotCanvas *canvas)
{
  g_autoptr (LbPlotLegend) legend = NULL;
  const LbSeries *image = lb_plot_find_image (canvas->figure);
  Texts texts;

  texts_init (&texts, canvas);
  legend = place_with_legend (canvas, &texts);
  lb_plot_draw_series (canvas);
  lb_plot_draw_axes (canvas);
  if (image != NULL)
    lb_plot_draw_colour_bar (canvas, image, canvas->right);
  draw_texts (canvas, &texts);
  if (legend != NULL)
    lb_plot_legend_draw (legend, canvas);
  if (canvas->x.empty || canvas->y.empty)
    draw_emptiness (canvas);
  texts_clear (&texts);
}

/**
 * lb_plot_draw:
 * @figure: what to draw
 * @cairo: where to; its state is as before afterwards
 * @width: of the drawing, in user units
 * @height: of the drawing, in user units
 * @theme: colours and type
 * @view: range to show, or %NULL for everything
 * @frame: (out) (optional): where the axes came to lie
 *
 * Draws the figure into the rectangle (0, 0, @width, @height). May be called in
 * any thread, with a figure that nobody changes meanwhile.
 */
void
lb_plot_draw (const LbFigure *figure,
              cairo_t *cairo,
              double width,
              double height,
              LbPlotTheme theme,
              const LbPlotView *view,
              LbPlotFrame *frame)
{
  LbPlotCanvas canvas;

  g_return_if_fail (figure != NULL);
  g_return_if_fail (cairo != NULL);

  if (frame != NULL)
    *frame = (LbPlotFrame){ 0 };
  if (!(width > 0 && height > 0))
    return;
  canvas_init (&canvas, figure, cairo, width, height, theme, view);
  cairo_save (cairo);
  cairo_rectangle (cairo, 0, 0, width, height);
  cairo_clip (cairo);
  lb_plot_set_colour (cairo, canvas.style.background, 1);
  cairo_paint (cairo);
  if (width >= LEAST_WIDTH && height >= LEAST_HEIGHT)
    {
      draw_on (&canvas);
      if (frame != NULL)
        fill_frame (frame, &canvas);
    }
  cairo_restore (cairo);
  canvas_clear (&canvas);
}
