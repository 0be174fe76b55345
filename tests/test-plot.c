/* SPDX-License-Identifier: GPL-3.0-or-later */

#include <glib/gstdio.h>
#include <lb-plot.h>
#include <lb-random.h>
#include <math.h>
#include <pango/pangocairo.h>
#include <string.h>
#include <unistd.h>

#include "pdf-words.h"

static double
normal (guint64 i)
{
  return lb_random_normal_at (lb_random_key (7), 0, i);
}

static LbFigure *
new_scatter (gsize count)
{
  LbFigure *figure = lb_figure_new ("Measured against ideal", "ideal", "", "measured", "V");
  g_autofree double *x = g_new (double, count), *y = g_new (double, count);

  for (gsize i = 0; i < count; i++)
    {
      x[i] = normal (2 * i);
      y[i] = x[i] + 0.1 * normal (2 * i + 1);
    }
  lb_figure_add_points (figure, "dot products", x, y, NULL, count);
  lb_figure_add_identity (figure, "identity");
  figure->note = g_strdup ("normalised error 1.9 %, before calibration 7.4 %");
  return figure;
}

static LbFigure *
new_map (guint size, gboolean diverging)
{
  LbFigure *figure = lb_figure_new ("Attention scores", "key", "", "query", "");
  g_autoptr (LbMatrix) image = lb_matrix_new (size, size);
  LbSeries *series;

  for (guint row = 0; row < size; row++)
    for (guint column = 0; column < size; column++)
      lb_matrix_row (image, row)[column] = (float) (row * size + column);
  series = lb_figure_add_image (figure, "score", image);
  series->diverging = diverging;
  figure->y_axis.reversed = TRUE;
  return figure;
}

static void
name_cells (LbFigure *figure, guint count)
{
  static const char *const words[] = {
    "The", " light", " of", " the", "\n", " modulator", " supercalifragilistic", "\xff"
  };

  figure->x_axis.categories = g_new0 (char *, count + 1);
  figure->y_axis.categories = g_new0 (char *, count + 1);
  for (guint i = 0; i < count; i++)
    {
      figure->x_axis.categories[i] = g_strdup (words[i % G_N_ELEMENTS (words)]);
      figure->y_axis.categories[i] = g_strdup (words[i % G_N_ELEMENTS (words)]);
    }
}

static cairo_surface_t *
draw (const LbFigure *figure,
      int width,
      int height,
      LbPlotTheme theme,
      const LbPlotView *view,
      LbPlotFrame *frame)
{
  cairo_surface_t *surface = cairo_image_surface_create (CAIRO_FORMAT_RGB24, width, height);
  cairo_t *cairo = cairo_create (surface);

  lb_plot_draw (figure, cairo, width, height, theme, view, frame);
  g_assert_cmpint (cairo_status (cairo), ==, CAIRO_STATUS_SUCCESS);
  cairo_destroy (cairo);
  cairo_surface_flush (surface);
  return surface;
}

static guint32
pixel (cairo_surface_t *surface, int x, int y)
{
  const guint8 *row = cairo_image_surface_get_data (surface) + y * cairo_image_surface_get_stride (surface);

  return ((const guint32 *) (gconstpointer) row)[x] & 0xFFFFFF;
}

static double
brightness (guint32 colour)
{
  return 0.299 * (colour >> 16 & 255) + 0.587 * (colour >> 8 & 255) + 0.114 * (colour & 255);
}

static void
assert_number (double value, int digits, const char *expected)
{
  g_autofree char *text = lb_plot_format_number (value, digits);

  g_assert_cmpstr (text, ==, expected);
}

static void
test_numbers (void)
{
  assert_number (0, 3, "0");
  assert_number (-0.0, 3, "0");
  assert_number (1234, 3, "1,234");
  assert_number (1234567, 3, "1,234,567");
  assert_number (999.6, 3, "1,000");
  assert_number (0.00123, 3, "0.00123");
  assert_number (1.2e-9, 3, "1.2e-9");
  assert_number (1.25e12, 3, "1.25e12");
  assert_number (9.996, 3, "10");
  assert_number (2.1, 3, "2.1");
  assert_number (0.05, 3, "0.05");
  assert_number (-0.5, 3,
                 "\xe2\x88\x92"
                 "0.5");
  assert_number (100, 1, "100");
  assert_number (NAN, 3, "\xe2\x80\x93");
  assert_number (INFINITY, 3, "\xe2\x88\x9e");
}

static void
assert_quantity (double value, const char *unit, const char *expected)
{
  g_autofree char *text = lb_plot_format_quantity (value, unit);

  g_assert_cmpstr (text, ==, expected);
}

#define NBSP "\xc2\xa0"
#define MICRO "\xc2\xb5"

static void
test_quantities (void)
{
  assert_quantity (12.3e-6, "s", "12.3" NBSP MICRO "s");
  assert_quantity (12.3, "us", "12.3" NBSP MICRO "s");
  assert_quantity (0.0012, "W", "1.2" NBSP "mW");
  assert_quantity (1200, "mW", "1.2" NBSP "W");
  assert_quantity (0.9999, "mW", "1" NBSP "mW");
  assert_quantity (532, "nm", "532" NBSP "nm");
  assert_quantity (1500, "s", "1,500" NBSP "s");
  assert_quantity (2.5e-18, "J/MAC", "2.5" NBSP "aJ/MAC");
  assert_quantity (1.61, "electrons", "1.61" NBSP "electrons");
  assert_quantity (3, "min", "3" NBSP "min");
  assert_quantity (0.5, "", "0.5");
  assert_quantity (0, "mm", "0" NBSP "mm");
}

static void
assert_near (double a, double b, double scale)
{
  g_assert_cmpfloat_with_epsilon (a, b, 1e-9 * scale);
}

static void
test_frame (void)
{
  g_autoptr (LbFigure) figure = lb_figure_new ("F", "x", "", "y", "");
  const double x[] = { 1, 10, 1000 }, y[] = { -2, 0, 7 };
  LbPlotView view = { 1, 1000, -2, 7 };
  LbPlotFrame frame;
  double value_x, value_y;

  lb_figure_add_points (figure, NULL, x, y, NULL, 3);
  figure->x_axis.logarithmic = TRUE;
  figure->y_axis.reversed = TRUE;
  cairo_surface_destroy (draw (figure, 500, 400, LB_PLOT_THEME_LIGHT, &view, &frame));
  g_assert_cmpfloat (frame.width, >, 300);
  g_assert_cmpfloat (frame.height, >, 250);
  g_assert_true (frame.x_logarithmic && !frame.y_logarithmic);
  g_assert_cmpfloat (frame.view.x_high, ==, 1000);
  g_assert_true (lb_plot_frame_to_values (&frame, frame.left, frame.top, &value_x, &value_y));
  assert_near (value_x, 1, 1);
  /* Reversed: small values at the top. */
  assert_near (value_y, -2, 1);
  g_assert_true (lb_plot_frame_to_values (&frame, frame.left + frame.width / 3, frame.top + frame.height,
                                          &value_x, &value_y));
  assert_near (value_x, 10, 10);
  assert_near (value_y, 7, 1);
  g_assert_false (lb_plot_frame_to_values (&frame, frame.left - 1, frame.top, &value_x, &value_y));
  g_assert_false (
      lb_plot_frame_to_values (&frame, frame.left, frame.top + frame.height + 1, &value_x, &value_y));
}

static void
test_zoom (void)
{
  g_autoptr (LbFigure) figure = new_scatter (100);
  LbPlotFrame frame, zoomed;
  LbPlotView view;
  double before_x, before_y, after_x, after_y;

  cairo_surface_destroy (draw (figure, 500, 400, LB_PLOT_THEME_LIGHT, NULL, &frame));
  view = lb_plot_frame_zoom (&frame, 300, 150, 4);
  assert_near (view.x_high - view.x_low, (frame.view.x_high - frame.view.x_low) / 4, 10);
  zoomed = frame;
  zoomed.view = view;
  g_assert_true (lb_plot_frame_to_values (&frame, 300, 150, &before_x, &before_y));
  g_assert_true (lb_plot_frame_to_values (&zoomed, 300, 150, &after_x, &after_y));
  assert_near (before_x, after_x, 10);
  assert_near (before_y, after_y, 10);
  view = lb_plot_frame_pan (&frame, 50, 20);
  zoomed.view = view;
  g_assert_true (lb_plot_frame_to_values (&zoomed, 350, 170, &after_x, &after_y));
  assert_near (before_x, after_x, 10);
  assert_near (before_y, after_y, 10);
  view = lb_plot_frame_select (&frame, frame.left, frame.top, frame.left + frame.width,
                               frame.top + frame.height);
  assert_near (view.y_low, frame.view.y_low, 10);
  assert_near (view.y_high, frame.view.y_high, 10);
}

static void
test_describe (void)
{
  g_autoptr (LbFigure) figure = new_scatter (50);
  g_autoptr (LbFigure) map = new_map (4, FALSE);
  LbPlotFrame frame = { .left = 100, .top = 0, .width = 100, .height = 100, .view = { 0, 1, 0, 1 } };
  g_autofree char *text = lb_plot_describe (figure, &frame, 150, 75);
  g_autofree char *cell = NULL, *named = NULL;

  g_assert_cmpstr (text, ==, "ideal 0.5, measured 0.25\xc2\xa0V");
  g_assert_null (lb_plot_describe (figure, &frame, 50, 50));
  /* Row 2, column 1 of four, with row 0 at the top. */
  cairo_surface_destroy (draw (map, 400, 400, LB_PLOT_THEME_LIGHT, NULL, &frame));
  cell = lb_plot_describe (map, &frame, frame.left + 0.375 * frame.width, frame.top + 0.625 * frame.height);
  g_assert_cmpstr (cell, ==, "key 1.5, query 2.5: 9");
  name_cells (map, 4);
  cairo_surface_destroy (draw (map, 400, 400, LB_PLOT_THEME_LIGHT, NULL, &frame));
  named = lb_plot_describe (map, &frame, frame.left + 0.375 * frame.width, frame.top + 0.625 * frame.height);
  g_assert_cmpstr (named, ==, "key 1 (light), query 2 (of): 9");
}

static void
assert_texts_are_clear (const LbFigure *figure, int width, int height)
{
  g_autofree char *path = g_build_filename (g_get_tmp_dir (), "test-plot-XXXXXX.pdf", NULL);
  g_autoptr (GArray) words = NULL;
  g_autoptr (GError) error = NULL;
  guint pages;

  close (g_mkstemp (path));
  lb_plot_save (figure, path, width, height, &error);
  g_assert_no_error (error);
  words = pdf_read_words (path, &pages);
  g_assert_cmpuint (words->len, >, 3);
  pdf_assert_words_are_clear (words);
  g_unlink (path);
}

/* Whatever is in the figure, it draws, no text lies over another, and nothing
 * but the paper touches the edge of the drawing: no text is cut. */
static void
assert_draws_within (const LbFigure *figure)
{
  static const int sizes[][2] = { { 260, 200 }, { 300, 500 }, { 420, 320 }, { 1200, 800 } };

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    assert_texts_are_clear (figure, sizes[i][0], sizes[i][1]);
  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    for (guint theme = 0; theme < 3; theme++)
      {
        int width = sizes[i][0], height = sizes[i][1];
        LbPlotFrame frame;
        cairo_surface_t *surface = draw (figure, width, height, (LbPlotTheme) theme, NULL, &frame);
        guint32 paper = pixel (surface, 0, 0);

        for (int x = 0; x < width; x++)
          {
            g_assert_cmphex (pixel (surface, x, 0), ==, paper);
            g_assert_cmphex (pixel (surface, x, height - 1), ==, paper);
          }
        for (int y = 0; y < height; y++)
          {
            g_assert_cmphex (pixel (surface, 0, y), ==, paper);
            g_assert_cmphex (pixel (surface, width - 1, y), ==, paper);
          }
        g_assert_cmpfloat (frame.width, >, 0.3 * width);
        g_assert_cmpfloat (frame.height, >, 0.2 * height);
        cairo_surface_destroy (surface);
      }
}

/* A colour bar says its scale at any height: one number alone does not. */
static void
test_colour_bar (void)
{
  for (double high = 0.11; high < 1.1; high *= 1.13)
    for (int size = 180; size < 420; size += 30)
      {
        g_autofree char *path = g_build_filename (g_get_tmp_dir (), "test-plot-XXXXXX.pdf", NULL);
        g_autoptr (LbMatrix) image = lb_matrix_new (20, 20);
        g_autoptr (LbFigure) figure = lb_figure_new ("Map", "column", "", "row", "");
        g_autoptr (GArray) words = NULL;
        LbSeries *series = lb_figure_add_image (figure, NULL, image);
        guint pages, numbers = 0;

        series->low = -high;
        series->high = high;
        close (g_mkstemp (path));
        g_assert_true (lb_plot_save (figure, path, size, size, NULL));
        words = pdf_read_words (path, &pages);
        g_unlink (path);
        /* Those of the axes are whole. */
        for (guint i = 0; i < words->len; i++)
          numbers += strchr (g_array_index (words, PdfWord, i).text, '.') != NULL;
        g_assert_cmpuint (numbers, >=, 2);
      }
}

static LbFigure *
new_decades (double low, double high)
{
  LbFigure *figure = lb_figure_new ("Error against photons", "photons per MAC", "", "error", "%");
  const double x[] = { low, high }, y[] = { high, low };

  lb_figure_add_line (figure, "theory", x, y, 2);
  lb_figure_add_points (figure, "measured", x, y, NULL, 2);
  figure->x_axis.logarithmic = TRUE;
  figure->y_axis.logarithmic = TRUE;
  return figure;
}

static void
test_within (void)
{
  g_autoptr (LbFigure) decades = NULL;
  g_autoptr (LbFigure) scatter = new_scatter (500);
  g_autoptr (LbFigure) map = new_map (40, TRUE);
  g_autoptr (LbFigure) large = new_scatter (20);
  g_autoptr (LbFigure) wordy =
      lb_figure_new ("A title that is far too long for one line of a small figure, and goes on",
                     "a label of the x axis that is long", "electrons",
                     "a label of the y axis that is rather long as well", "photons per second");
  const double x[] = { 1e5, 2.5e6 }, y[] = { -1e-5, 3e-4 }, error[] = { 1e-4, 1e-5 };

  assert_draws_within (scatter);
  name_cells (map, 40);
  assert_draws_within (map);
  for (guint i = 0; i < 5; i++)
    lb_figure_add_line (wordy, "one of several long names in the legend", x, y, 2);
  lb_figure_add_points (wordy, "with errors", x, y, error, 2);
  wordy->note =
      g_strdup ("A note that tells a lot, more than fits into a single line, and does not come to an end.");
  assert_draws_within (wordy);
  large->x_axis.low = 123456.001;
  large->x_axis.high = 123456.002;
  assert_draws_within (large);
  decades = new_decades (1e-7, 1e6);
  assert_draws_within (decades);
  lb_figure_unref (decades);
  decades = new_decades (3, 70);
  assert_draws_within (decades);
}

static void
test_odd_data (void)
{
  const double odd[] = { NAN, INFINITY, -INFINITY, 0, -1, 1e300, -1e300, 1e-300, 5, 5 };
  const double same[] = { 3, 3, 3, 3, 3, 3, 3, 3, 3, 3 };
  static const LbSeriesKind kinds[] = { LB_SERIES_LINE, LB_SERIES_POINTS, LB_SERIES_BARS };

  for (guint kind = 0; kind < G_N_ELEMENTS (kinds); kind++)
    for (guint variant = 0; variant < 12; variant++)
      {
        g_autoptr (LbFigure) figure = lb_figure_new (NULL, NULL, NULL, NULL, NULL);
        const double *x = variant & 1 ? same : odd, *y = variant & 2 ? same : odd;
        gsize count = variant >= 8 ? variant - 8 : 10;

        if (kinds[kind] == LB_SERIES_LINE)
          lb_figure_add_line (figure, "odd", x, y, count);
        else if (kinds[kind] == LB_SERIES_POINTS)
          lb_figure_add_points (figure, "odd", x, y, odd, count);
        else if (count >= 2)
          lb_figure_add_bars (figure, "odd", x, y, count);
        lb_figure_add_identity (figure, NULL);
        figure->x_axis.logarithmic = (variant & 4) != 0;
        figure->y_axis.logarithmic = (variant & 4) != 0;
        cairo_surface_destroy (draw (figure, 300, 200, LB_PLOT_THEME_LIGHT, NULL, NULL));
      }
}

static void
test_odd_images (void)
{
  static const float values[] = { NAN, 0, 1e30f, -1e30f };

  for (guint i = 0; i < G_N_ELEMENTS (values); i++)
    {
      g_autoptr (LbFigure) figure = lb_figure_new ("Odd", "x", "", "y", "");
      g_autoptr (LbMatrix) image = lb_matrix_new (i == 0 ? 1 : 1001, i == 0 ? 1 : 333);

      for (gsize row = 0; row < image->rows; row++)
        for (gsize column = 0; column < image->columns; column++)
          lb_matrix_row (image, row)[column] = values[(row + column + i) % (i + 1)];
      lb_figure_add_image (figure, "value", image);
      cairo_surface_destroy (draw (figure, 300, 200, LB_PLOT_THEME_LIGHT, NULL, NULL));
    }
}

/* Sizes down to nothing do no harm. */
static void
test_tiny (void)
{
  g_autoptr (LbFigure) figure = new_scatter (3000);
  cairo_surface_t *surface = cairo_image_surface_create (CAIRO_FORMAT_RGB24, 100, 100);
  cairo_t *cairo = cairo_create (surface);
  LbPlotFrame frame;
  double value;

  for (double size = 0; size < 100; size += 7)
    lb_plot_draw (figure, cairo, size, size, LB_PLOT_THEME_LIGHT, NULL, &frame);
  lb_plot_draw (figure, cairo, 10, 10, LB_PLOT_THEME_LIGHT, NULL, &frame);
  g_assert_false (lb_plot_frame_to_values (&frame, 5, 5, &value, &value));
  g_assert_cmpint (cairo_status (cairo), ==, CAIRO_STATUS_SUCCESS);
  cairo_destroy (cairo);
  cairo_surface_destroy (surface);
}

static void
test_density (void)
{
  g_autoptr (LbFigure) figure = lb_figure_new (NULL, "x", "", "y", "");
  const gsize count = 5000;
  g_autofree double *x = g_new0 (double, count), *y = g_new0 (double, count);
  LbPlotView view = { -1, 2, -1, 1 };
  LbPlotFrame frame;
  cairo_surface_t *surface;
  int row, crowd, alone;

  /* All in one place but one. */
  x[0] = 1;
  lb_figure_add_points (figure, NULL, x, y, NULL, count);
  surface = draw (figure, 601, 401, LB_PLOT_THEME_LIGHT, &view, &frame);
  row = (int) (frame.top + frame.height / 2);
  crowd = (int) (frame.left + frame.width / 3);
  alone = (int) (frame.left + frame.width * 2 / 3);
  g_assert_cmpfloat (brightness (pixel (surface, crowd, row)), <,
                     0.5 * brightness (pixel (surface, alone, row)));
  g_assert_cmpfloat (brightness (pixel (surface, alone, row)), <, 220);
  g_assert_cmpfloat (brightness (pixel (surface, (crowd + alone) / 2, row - 8)), >, 220);
  cairo_surface_destroy (surface);
}

/* The colours along a ramp of values, from left to right. */
static void
ramp_colours (gboolean diverging, guint32 *colours, guint count)
{
  g_autoptr (LbFigure) figure = lb_figure_new (NULL, NULL, NULL, NULL, NULL);
  g_autoptr (LbMatrix) image = lb_matrix_new (1, count);
  LbPlotFrame frame;
  cairo_surface_t *surface;

  for (guint i = 0; i < count; i++)
    image->data[i] = (float) i;
  lb_figure_add_image (figure, NULL, image)->diverging = diverging;
  surface = draw (figure, 900, 300, LB_PLOT_THEME_LIGHT, NULL, &frame);
  for (guint i = 0; i < count; i++)
    colours[i] = pixel (surface, (int) (frame.left + (i + 0.5) * frame.width / count),
                        (int) (frame.top + frame.height / 2));
  cairo_surface_destroy (surface);
}

static void
test_colour_maps (void)
{
  guint32 colours[65];

  ramp_colours (FALSE, colours, 65);
  for (guint i = 1; i < 65; i++)
    g_assert_cmpfloat (brightness (colours[i]), >, brightness (colours[i - 1]));
  g_assert_cmpfloat (brightness (colours[64]) - brightness (colours[0]), >, 150);
  ramp_colours (TRUE, colours, 65);
  for (guint i = 1; i <= 32; i++)
    {
      g_assert_cmpfloat (brightness (colours[i]), >, brightness (colours[i - 1]));
      g_assert_cmpfloat (brightness (colours[64 - i]), >, brightness (colours[65 - i]));
    }
  /* Blue below, red above. */
  g_assert_cmpuint (colours[0] & 255, >, colours[0] >> 16);
  g_assert_cmpuint (colours[64] >> 16, >, colours[64] & 255);
}

static void
test_rows_from_the_top (void)
{
  for (guint reversed = 0; reversed < 2; reversed++)
    {
      g_autoptr (LbFigure) figure = lb_figure_new (NULL, NULL, NULL, NULL, NULL);
      g_autoptr (LbMatrix) image = lb_matrix_new (2, 2);
      LbPlotFrame frame;
      cairo_surface_t *surface;

      image->data[0] = 1;
      lb_figure_add_image (figure, NULL, image);
      figure->y_axis.reversed = reversed != 0;
      surface = draw (figure, 300, 300, LB_PLOT_THEME_LIGHT, NULL, &frame);
      for (guint cell = 0; cell < 4; cell++)
        {
          double light = brightness (pixel (surface, (int) (frame.left + (cell % 2 + 0.5) * frame.width / 2),
                                            (int) (frame.top + (cell / 2 + 0.5) * frame.height / 2)));

          if (cell == 0)
            g_assert_cmpfloat (light, >, 150);
          else
            g_assert_cmpfloat (light, <, 80);
        }
      cairo_surface_destroy (surface);
    }
}

/* A line of a million points goes through its extremes. */
static void
test_long_line (void)
{
  g_autoptr (LbFigure) figure = lb_figure_new (NULL, "x", "", "y", "");
  const gsize count = 1000000;
  g_autofree double *x = g_new (double, count), *y = g_new0 (double, count);
  LbPlotFrame frame;
  cairo_surface_t *surface;
  guint dark = 0;

  for (gsize i = 0; i < count; i++)
    x[i] = (double) i;
  y[500001] = 1;
  lb_figure_add_line (figure, NULL, x, y, count);
  surface = draw (figure, 800, 400, LB_PLOT_THEME_LIGHT, NULL, &frame);
  for (int column = (int) (frame.left + frame.width / 2) - 3; column < frame.left + frame.width / 2 + 3;
       column++)
    if (brightness (pixel (surface, column, (int) (frame.top + 0.2 * frame.height))) < 200)
      dark++;
  g_assert_cmpuint (dark, >=, 1);
  cairo_surface_destroy (surface);
}

static void
test_repeats (void)
{
  g_autoptr (LbFigure) figure = new_scatter (5000);
  cairo_surface_t *first = draw (figure, 400, 300, LB_PLOT_THEME_DARK, NULL, NULL);
  cairo_surface_t *second = draw (figure, 400, 300, LB_PLOT_THEME_DARK, NULL, NULL);
  gsize size = 300 * (gsize) cairo_image_surface_get_stride (first);

  g_assert_cmpmem (cairo_image_surface_get_data (first), size, cairo_image_surface_get_data (second), size);
  cairo_surface_destroy (first);
  cairo_surface_destroy (second);
}

static gpointer
draw_in_thread (gpointer data)
{
  cairo_surface_destroy (draw (data, 400, 300, LB_PLOT_THEME_DARK, NULL, NULL));
  return NULL;
}

static void
test_threads (void)
{
  g_autoptr (LbFigure) figure = new_map (20, TRUE);
  GThread *threads[4];

  name_cells (figure, 20);
  for (guint i = 0; i < 4; i++)
    threads[i] = g_thread_new ("draw", draw_in_thread, figure);
  for (guint i = 0; i < 4; i++)
    g_thread_join (threads[i]);
}

static void
test_save (void)
{
  static const struct
  {
    const char *name;
    const char *magic;
  } kinds[] = { { "a.png", "\x89PNG" }, { "b.SVG", "<?xml" }, { "c.pdf", "%PDF" } };
  g_autoptr (LbFigure) figure = new_scatter (2000);
  g_autofree char *folder = g_dir_make_tmp ("test-plot-XXXXXX", NULL);
  g_autoptr (GError) error = NULL;
  g_autofree char *odd = g_build_filename (folder, "d.gif", NULL);
  g_autofree char *missing = g_build_filename (folder, "missing", "e.png", NULL);

  for (guint i = 0; i < G_N_ELEMENTS (kinds); i++)
    {
      g_autofree char *path = g_build_filename (folder, kinds[i].name, NULL);
      g_autofree char *contents = NULL;

      g_assert_true (lb_plot_save (figure, path, 640, 480, &error));
      g_assert_no_error (error);
      g_assert_true (g_file_get_contents (path, &contents, NULL, NULL));
      g_assert_true (strncmp (contents, kinds[i].magic, strlen (kinds[i].magic)) == 0);
      g_unlink (path);
    }
  g_assert_false (lb_plot_save (figure, odd, 640, 480, &error));
  g_assert_nonnull (strstr (error->message, odd));
  g_clear_error (&error);
  g_assert_false (lb_plot_save (figure, missing, 640, 480, &error));
  g_assert_nonnull (strstr (error->message, missing));
  /* Nothing is left behind. */
  g_assert_cmpint (g_rmdir (folder), ==, 0);
}

static void
test_csv (void)
{
  g_autoptr (LbFigure) figure = lb_figure_new ("T", "time", "s", "power, \"net\"", "mW");
  g_autoptr (LbFigure) map = new_map (2, FALSE);
  const double x[] = { 0, 0.5 }, y[] = { 1.25, NAN }, error[] = { 0.1, 0.2 };
  g_autofree char *csv = NULL, *cells = NULL;

  lb_figure_add_points (figure, "a, b", x, y, error, 2);
  lb_figure_add_line (figure, NULL, x, x, 2);
  lb_figure_add_identity (figure, "identity");
  csv = lb_plot_to_csv (figure);
  g_assert_cmpstr (csv, ==,
                   "series,time (s),\"power, \"\"net\"\" (mW)\",error,value\n"
                   "\"a, b\",0,1.25,0.10000000000000001,\n"
                   "\"a, b\",0.5,,0.20000000000000001,\n"
                   ",0,0,,\n"
                   ",0.5,0.5,,\n");
  cells = lb_plot_to_csv (map);
  g_assert_cmpstr (cells, ==,
                   "series,key,query,error,value\n"
                   "score,0.5,0.5,,0\n"
                   "score,1.5,0.5,,1\n"
                   "score,0.5,1.5,,2\n"
                   "score,1.5,1.5,,3\n");
}

int
main (int argc, char *argv[])
{
  int result;

  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/plot/numbers-are-written-for-people", test_numbers);
  g_test_add_func ("/plot/quantities-choose-their-prefix", test_quantities);
  g_test_add_func ("/plot/positions-give-back-values", test_frame);
  g_test_add_func ("/plot/zoom-and-pan-keep-the-point", test_zoom);
  g_test_add_func ("/plot/the-pointer-reads-values", test_describe);
  g_test_add_func ("/plot/no-text-is-cut-or-overlaps", test_within);
  g_test_add_func ("/plot/odd-data-do-no-harm", test_odd_data);
  g_test_add_func ("/plot/odd-images-do-no-harm", test_odd_images);
  g_test_add_func ("/plot/tiny-drawings-do-no-harm", test_tiny);
  g_test_add_func ("/plot/crowded-points-are-darker", test_density);
  g_test_add_func ("/plot/colour-bars-tell-their-scale", test_colour_bar);
  g_test_add_func ("/plot/colour-maps-rise-evenly", test_colour_maps);
  g_test_add_func ("/plot/images-begin-at-the-top", test_rows_from_the_top);
  g_test_add_func ("/plot/long-lines-keep-their-extremes", test_long_line);
  g_test_add_func ("/plot/drawing-repeats", test_repeats);
  g_test_add_func ("/plot/threads-may-draw", test_threads);
  g_test_add_func ("/plot/figures-are-saved", test_save);
  g_test_add_func ("/plot/data-become-csv", test_csv);
  result = g_test_run ();
  pango_cairo_font_map_set_default (NULL);
  cairo_debug_reset_static_data ();
  return result;
}
