/* SPDX-License-Identifier: GPL-3.0-or-later */

#include <cairo-pdf.h>
#include <cairo-svg.h>
#include <errno.h>
#include <gio/gio.h>
#include <glib/gi18n-lib.h>
#include <string.h>
#include "lb-plot-private.h"

static cairo_status_t
append_bytes (void *closure, const unsigned char *data, unsigned int length)
{
  g_byte_array_append (closure, data, length);
  return CAIRO_STATUS_SUCCESS;
}

typedef enum
{
  FORMAT_PNG,
  FORMAT_SVG,
  FORMAT_PDF,
  FORMAT_UNKNOWN,
} Format;

static Format
format_of (const char *path)
{
  static const char *const endings[] = { ".png", ".svg", ".pdf" };
  g_autofree char *lower = g_ascii_strdown (path, -1);

  for (guint i = 0; i < G_N_ELEMENTS (endings); i++)
    if (g_str_has_suffix (lower, endings[i]))
      return (Format) i;
  return FORMAT_UNKNOWN;
}

/* The whole file in memory; what cairo has to say about it is returned. */
static cairo_status_t
render (const LbFigure *figure, Format format, double width, double height, GByteArray *bytes)
{
  cairo_surface_t *surface;
  cairo_status_t status;
  cairo_t *cairo;

  if (format == FORMAT_PNG)
    surface = cairo_image_surface_create (CAIRO_FORMAT_RGB24, (int) ceil (width), (int) ceil (height));
  else if (format == FORMAT_SVG)
    surface = cairo_svg_surface_create_for_stream (append_bytes, bytes, width, height);
  else
    surface = cairo_pdf_surface_create_for_stream (append_bytes, bytes, width, height);
  cairo = cairo_create (surface);
  lb_plot_draw (figure, cairo, width, height,
                format == FORMAT_PNG ? LB_PLOT_THEME_LIGHT : LB_PLOT_THEME_PRINT, NULL, NULL);
  status = cairo_status (cairo);
  cairo_destroy (cairo);
  if (format == FORMAT_PNG && status == CAIRO_STATUS_SUCCESS)
    status = cairo_surface_write_to_png_stream (surface, append_bytes, bytes);
  cairo_surface_finish (surface);
  if (status == CAIRO_STATUS_SUCCESS)
    status = cairo_surface_status (surface);
  cairo_surface_destroy (surface);
  return status;
}

/**
 * lb_plot_save:
 * @figure: what to draw
 * @path: ends in .png, .svg or .pdf
 * @width: in pixels (PNG) or points
 * @height: in pixels (PNG) or points
 * @error: G_IO_ERROR_NOT_SUPPORTED for another ending, G_IO_ERROR_FAILED where
 *   it could not be drawn, G_FILE_ERROR where it could not be written
 *
 * Draws the figure into a file: written beside and renamed, so that @path is
 * whole or as it was.
 */
gboolean
lb_plot_save (const LbFigure *figure, const char *path, double width, double height, GError **error)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  cairo_status_t status;
  Format format;

  g_return_val_if_fail (figure != NULL, FALSE);
  g_return_val_if_fail (path != NULL, FALSE);
  g_return_val_if_fail (width > 0 && height > 0, FALSE);

  format = format_of (path);
  if (format == FORMAT_UNKNOWN)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
                   _ ("%s: unknown kind of picture; choose a name that ends in .png, .svg or .pdf"), path);
      return FALSE;
    }
  status = render (figure, format, width, height, bytes);
  if (status != CAIRO_STATUS_SUCCESS)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED, _ ("%s: the figure could not be drawn: %s"), path,
                   cairo_status_to_string (status));
      return FALSE;
    }
  return g_file_set_contents_full (path, (const char *) bytes->data, bytes->len,
                                   G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE, 0666, error);
}

/* A field of CSV (RFC 4180): in quotes where it needs them. */
static void
append_field (GString *csv, const char *text)
{
  if (strpbrk (text, ",\"\r\n") == NULL)
    {
      g_string_append (csv, text);
      return;
    }
  g_string_append_c (csv, '"');
  for (; *text != '\0'; text++)
    {
      if (*text == '"')
        g_string_append_c (csv, '"');
      g_string_append_c (csv, *text);
    }
  g_string_append_c (csv, '"');
}

static void
append_number (GString *csv, double value)
{
  char buffer[G_ASCII_DTOSTR_BUF_SIZE];

  g_string_append_c (csv, ',');
  if (isfinite (value))
    g_string_append (csv, g_ascii_dtostr (buffer, sizeof buffer, value));
}

static void
append_axis_field (GString *csv, const LbAxis *axis, const char *fallback)
{
  g_autofree char *title = lb_plot_axis_title (axis, 0);

  g_string_append_c (csv, ',');
  append_field (csv, title != NULL ? title : fallback);
}

static void
append_points (GString *csv, const LbSeries *series)
{
  const double *error = lb_plot_series_error (series);
  gsize length = lb_plot_series_length (series);

  for (gsize i = 0; i < length; i++)
    {
      append_field (csv, series->name != NULL ? series->name : "");
      append_number (csv, lb_plot_series_x (series)[i]);
      append_number (csv, lb_plot_series_y (series)[i]);
      append_number (csv, error != NULL ? error[i] : (double) NAN);
      g_string_append (csv, ",\n");
    }
}

/* One line a cell, with the middle of the cell and its value. */
static void
append_image (GString *csv, const LbSeries *series, gboolean reversed)
{
  double columns = (double) series->image->columns, rows = (double) series->image->rows;

  for (gsize row = 0; row < series->image->rows; row++)
    for (gsize column = 0; column < series->image->columns; column++)
      {
        double down = ((double) row + 0.5) / rows;
        double low = MIN (series->y0, series->y1), high = MAX (series->y0, series->y1);

        append_field (csv, series->name != NULL ? series->name : "");
        append_number (csv, series->x0 + ((double) column + 0.5) / columns * (series->x1 - series->x0));
        append_number (csv, reversed ? low + down * (high - low) : high - down * (high - low));
        append_number (csv, NAN);
        append_number (csv, lb_matrix_get (series->image, row, column));
        g_string_append_c (csv, '\n');
      }
}

/**
 * lb_plot_to_csv:
 * @figure: any figure
 *
 * The data of all series as CSV (RFC 4180, but lines end in a line feed): a
 * header, then one line a point, bar or cell of an image: series, x, y, error
 * of y, value. What does not apply, and what is no number, is left empty;
 * numbers are written as in C whatever the locale.
 *
 * Returns: owned by the caller
 */
char *
lb_plot_to_csv (const LbFigure *figure)
{
  g_autoptr (GString) csv = g_string_new ("series");

  g_return_val_if_fail (figure != NULL, NULL);

  append_axis_field (csv, &figure->x_axis, "x");
  append_axis_field (csv, &figure->y_axis, "y");
  g_string_append (csv, ",error,value\n");
  for (guint i = 0; i < figure->series->len; i++)
    {
      const LbSeries *series = g_ptr_array_index (figure->series, i);

      if (series->kind == LB_SERIES_IMAGE && series->image != NULL)
        append_image (csv, series, figure->y_axis.reversed);
      else if (series->kind != LB_SERIES_IMAGE && series->kind != LB_SERIES_IDENTITY)
        append_points (csv, series);
    }
  return g_strdup (csv->str);
}
