/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-figure.h"

#include <glib/gi18n-lib.h>
#include <math.h>
#include <string.h>

#include "lb-least-squares.h"

/* Label, unit, logarithmic, low, high, reversed, categories. */
#define AXIS_TYPE "(ssbddbmas)"
/* Kind, name, x, y, error, image (rows, columns, bits of the floats), extent,
 * low, high, diverging. Bits, because GVariant has no floats, and doubles would
 * double the size. */
#define SERIES_TYPE "(smsadadmadm(ttau)(dddd)ddb)"
/* Title, note, x axis, y axis, series. */
#define FIGURE_TYPE "(sms" AXIS_TYPE AXIS_TYPE "a" SERIES_TYPE ")"

static const char *const kind_names[] = {
  [LB_SERIES_LINE] = "line",   [LB_SERIES_POINTS] = "points",     [LB_SERIES_BARS] = "bars",
  [LB_SERIES_IMAGE] = "image", [LB_SERIES_IDENTITY] = "identity",
};

static void
series_free (LbSeries *series)
{
  g_free (series->name);
  g_clear_pointer (&series->x, g_array_unref);
  g_clear_pointer (&series->y, g_array_unref);
  g_clear_pointer (&series->error, g_array_unref);
  g_clear_pointer (&series->image, lb_matrix_unref);
  g_free (series);
}

static GArray *
new_values (const double *values, gsize count)
{
  GArray *array = g_array_sized_new (FALSE, FALSE, sizeof (double), (guint) count);

  if (count > 0)
    g_array_append_vals (array, values, (guint) count);
  return array;
}

static LbSeries *
add_series (
    LbFigure *self, LbSeriesKind kind, const char *name, const double *x, const double *y, gsize count)
{
  LbSeries *series = g_new0 (LbSeries, 1);

  series->kind = kind;
  series->name = g_strdup (name);
  series->x = new_values (x, count);
  series->y = new_values (y, count);
  g_ptr_array_add (self->series, series);
  return series;
}

static void
axis_init (LbAxis *axis, const char *label, const char *unit)
{
  *axis = (LbAxis){ .label = g_strdup (label != NULL ? label : ""),
                    .unit = g_strdup (unit != NULL ? unit : ""),
                    .low = NAN,
                    .high = NAN };
}

static void
axis_clear (LbAxis *axis)
{
  g_free (axis->label);
  g_free (axis->unit);
  g_strfreev (axis->categories);
}

/**
 * lb_figure_new:
 * @title: what the figure shows
 * @x_label: what the horizontal axis shows
 * @x_unit: (nullable): its unit, "" or %NULL for a pure number
 * @y_label: what the vertical axis shows
 * @y_unit: (nullable): its unit
 *
 * Makes a figure without series; the ranges of the axes follow the data.
 * Returns: (transfer full).
 */
LbFigure *
lb_figure_new (
    const char *title, const char *x_label, const char *x_unit, const char *y_label, const char *y_unit)
{
  LbFigure *self = g_new0 (LbFigure, 1);

  self->title = g_strdup (title != NULL ? title : "");
  axis_init (&self->x_axis, x_label, x_unit);
  axis_init (&self->y_axis, y_label, y_unit);
  self->series = g_ptr_array_new_with_free_func ((GDestroyNotify) series_free);
  g_atomic_ref_count_init (&self->references);
  return self;
}

/**
 * lb_figure_ref:
 * @self: a figure
 *
 * Takes a reference. Returns: (transfer full): @self.
 */
LbFigure *
lb_figure_ref (LbFigure *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  g_atomic_ref_count_inc (&self->references);
  return self;
}

/**
 * lb_figure_unref:
 * @self: (transfer full): a figure
 *
 * Gives a reference back.
 */
void
lb_figure_unref (LbFigure *self)
{
  g_return_if_fail (self != NULL);

  if (!g_atomic_ref_count_dec (&self->references))
    return;

  g_free (self->title);
  g_free (self->note);
  axis_clear (&self->x_axis);
  axis_clear (&self->y_axis);
  g_ptr_array_unref (self->series);
  g_free (self);
}

/**
 * lb_figure_add_line:
 * @self: a figure
 * @name: (nullable): for the legend
 * @x: (count), copied; a NaN interrupts the line
 * @y: (count), copied
 * @count: number of points
 *
 * Adds a line through points. Returns: (transfer none).
 */
LbSeries *
lb_figure_add_line (LbFigure *self, const char *name, const double *x, const double *y, gsize count)
{
  g_return_val_if_fail (self != NULL, NULL);
  g_return_val_if_fail (count == 0 || (x != NULL && y != NULL), NULL);
  g_return_val_if_fail (count <= G_MAXINT, NULL);

  return add_series (self, LB_SERIES_LINE, name, x, y, count);
}

/**
 * lb_figure_add_points:
 * @self: a figure
 * @name: (nullable): for the legend
 * @x: (count), copied
 * @y: (count), copied
 * @error: (nullable): (count), copied: half the length of the error bar of y
 * @count: number of points
 *
 * Adds points. Returns: (transfer none).
 */
LbSeries *
lb_figure_add_points (
    LbFigure *self, const char *name, const double *x, const double *y, const double *error, gsize count)
{
  LbSeries *series;

  g_return_val_if_fail (self != NULL, NULL);
  g_return_val_if_fail (count == 0 || (x != NULL && y != NULL), NULL);
  g_return_val_if_fail (count <= G_MAXINT, NULL);

  series = add_series (self, LB_SERIES_POINTS, name, x, y, count);
  if (error != NULL)
    series->error = new_values (error, count);
  return series;
}

/**
 * lb_figure_add_bars:
 * @self: a figure
 * @name: (nullable): for the legend
 * @left: (count), copied: left edges, equally far apart
 * @height: (count), copied
 * @count: number of bars, at least two, since their distance is their width
 *
 * Adds bars. Returns: (transfer none).
 */
LbSeries *
lb_figure_add_bars (LbFigure *self, const char *name, const double *left, const double *height, gsize count)
{
  g_return_val_if_fail (self != NULL, NULL);
  g_return_val_if_fail (left != NULL && height != NULL, NULL);
  g_return_val_if_fail (count >= 2 && count <= G_MAXINT, NULL);

  return add_series (self, LB_SERIES_BARS, name, left, height, count);
}

/**
 * lb_figure_add_histogram:
 * @self: a figure
 * @name: (nullable): for the legend
 * @values: (count)
 * @count: number of values
 * @low: left edge of the first bin
 * @high: right edge of the last bin, which belongs to it; where it is not over
 *   @low, the bins cover one unit around it
 * @bins: number of bins, at least two
 *
 * Counts the values in each bin and adds the counts as bars. What lies beyond
 * the edges, and what is NaN, is not counted. Returns: (transfer none).
 */
LbSeries *
lb_figure_add_histogram (
    LbFigure *self, const char *name, const double *values, gsize count, double low, double high, guint bins)
{
  g_autofree double *left = NULL;
  g_autofree double *height = NULL;

  g_return_val_if_fail (self != NULL, NULL);
  g_return_val_if_fail (count == 0 || values != NULL, NULL);
  g_return_val_if_fail (isfinite (low) && isfinite (high), NULL);
  g_return_val_if_fail (bins >= 2 && bins <= G_MAXINT, NULL);

  if (!(high > low))
    {
      low -= 0.5;
      high = low + 1;
    }

  left = g_new0 (double, bins);
  height = g_new0 (double, bins);
  for (guint i = 0; i < bins; i++)
    left[i] = low + (high - low) * i / bins;
  for (gsize i = 0; i < count; i++)
    if (values[i] >= low && values[i] <= high)
      height[MIN ((guint) ((values[i] - low) / (high - low) * bins), bins - 1)]++;
  return add_series (self, LB_SERIES_BARS, name, left, height, bins);
}

/* Range of the finite values; never empty, so that it can be divided by. */
static void
find_range (const LbMatrix *image, double *low, double *high)
{
  *low = INFINITY;
  *high = -INFINITY;
  for (gsize row = 0; row < image->rows; row++)
    for (gsize column = 0; column < image->columns; column++)
      if (isfinite (lb_matrix_get (image, row, column)))
        {
          *low = MIN (*low, lb_matrix_get (image, row, column));
          *high = MAX (*high, lb_matrix_get (image, row, column));
        }

  if (*low > *high)
    *low = 0;
  if (!(*high > *low))
    *high = *low + MAX (1, fabs (*low) * 1e-6);
}

/**
 * lb_figure_add_image:
 * @self: a figure
 * @name: (nullable): for the legend
 * @image: (rows, columns); kept by reference, not to be changed any more
 *
 * Adds an image from (0, 0) to (columns, rows), with a colour scale over the
 * range of its finite values. Returns: (transfer none).
 */
LbSeries *
lb_figure_add_image (LbFigure *self, const char *name, LbMatrix *image)
{
  LbSeries *series;

  g_return_val_if_fail (self != NULL, NULL);
  g_return_val_if_fail (image != NULL, NULL);

  series = add_series (self, LB_SERIES_IMAGE, name, NULL, NULL, 0);
  series->image = lb_matrix_ref (image);
  series->x1 = (double) image->columns;
  series->y1 = (double) image->rows;
  find_range (image, &series->low, &series->high);
  return series;
}

/**
 * lb_figure_add_identity:
 * @self: a figure
 * @name: (nullable): for the legend
 *
 * Adds the line y = x. Returns: (transfer none).
 */
LbSeries *
lb_figure_add_identity (LbFigure *self, const char *name)
{
  g_return_val_if_fail (self != NULL, NULL);

  return add_series (self, LB_SERIES_IDENTITY, name, NULL, NULL, 0);
}

static GVariant *
values_to_variant (const GArray *values)
{
  return g_variant_new_fixed_array (G_VARIANT_TYPE_DOUBLE, values->data, values->len, sizeof (double));
}

static GVariant *
image_to_variant (const LbMatrix *image)
{
  gsize count = image->rows * image->columns;
  g_autofree guint32 *bits = g_new (guint32, count);

  if (image->columns > 0)
    for (gsize row = 0; row < image->rows; row++)
      memcpy (bits + row * image->columns, lb_matrix_row (image, row), image->columns * sizeof (float));
  return g_variant_new ("(tt@au)", (guint64) image->rows, (guint64) image->columns,
                        g_variant_new_fixed_array (G_VARIANT_TYPE_UINT32, bits, count, sizeof (guint32)));
}

static GVariant *
series_to_variant (const LbSeries *series)
{
  return g_variant_new (
      "(sms@ad@ad@mad@m(ttau)(dddd)ddb)", kind_names[series->kind], series->name,
      values_to_variant (series->x), values_to_variant (series->y),
      g_variant_new_maybe (G_VARIANT_TYPE ("ad"),
                           series->error != NULL ? values_to_variant (series->error) : NULL),
      g_variant_new_maybe (G_VARIANT_TYPE ("(ttau)"),
                           series->image != NULL ? image_to_variant (series->image) : NULL),
      series->x0, series->y0, series->x1, series->y1, series->low, series->high, series->diverging);
}

static GVariant *
axis_to_variant (const LbAxis *axis)
{
  return g_variant_new ("(ssbddbm^as)", axis->label, axis->unit, axis->logarithmic, axis->low, axis->high,
                        axis->reversed, axis->categories);
}

/**
 * lb_figure_to_variant:
 * @self: a figure
 *
 * Returns: (transfer floating): all of it, for lb_figure_from_variant(), in the
 * byte order of the machine.
 */
GVariant *
lb_figure_to_variant (const LbFigure *self)
{
  GVariantBuilder series;

  g_return_val_if_fail (self != NULL, NULL);

  g_variant_builder_init (&series, G_VARIANT_TYPE ("a" SERIES_TYPE));
  for (guint i = 0; i < self->series->len; i++)
    g_variant_builder_add_value (&series, series_to_variant (g_ptr_array_index (self->series, i)));
  return g_variant_new ("(sms@" AXIS_TYPE "@" AXIS_TYPE "@a" SERIES_TYPE ")", self->title, self->note,
                        axis_to_variant (&self->x_axis), axis_to_variant (&self->y_axis),
                        g_variant_builder_end (&series));
}

static gboolean
damaged (GError **error, const char *what)
{
  g_set_error (error, LB_NUMERICS_ERROR, LB_NUMERICS_ERROR_FORMAT,
               _ ("A stored figure cannot be read (%s): the record is damaged"), what);
  return FALSE;
}

static GArray *
values_from_variant (GVariant *variant)
{
  gsize count;
  const double *values = g_variant_get_fixed_array (variant, &count, sizeof (double));

  return new_values (values, MIN (count, G_MAXINT));
}

static gboolean
image_from_variant (GVariant *variant, LbMatrix **image, GError **error)
{
  g_autoptr (GVariant) array = NULL;
  guint64 rows, columns;
  const guint32 *bits;
  gsize count;

  g_variant_get (variant, "(tt@au)", &rows, &columns, &array);
  bits = g_variant_get_fixed_array (array, &count, sizeof (guint32));
  /* So many empty rows or columns are no image either. */
  if (rows > G_MAXINT || columns > G_MAXINT || rows * columns != count)
    return damaged (error, "image");

  *image = lb_matrix_new ((gsize) rows, (gsize) columns);
  if (columns > 0)
    for (gsize row = 0; row < rows; row++)
      memcpy (lb_matrix_row (*image, row), bits + row * columns, columns * sizeof (float));
  return TRUE;
}

static gboolean
kind_from_name (const char *name, LbSeriesKind *kind)
{
  for (guint i = 0; i < G_N_ELEMENTS (kind_names); i++)
    if (g_str_equal (kind_names[i], name))
      {
        *kind = (LbSeriesKind) i;
        return TRUE;
      }
  return FALSE;
}

static gboolean
check_series (const LbSeries *series, GError **error)
{
  if (series->x->len != series->y->len)
    return damaged (error, "x, y");
  if (series->error != NULL && series->error->len != series->y->len)
    return damaged (error, "error");
  if (series->kind == LB_SERIES_BARS && series->x->len < 2)
    return damaged (error, "bars");
  if ((series->kind == LB_SERIES_IMAGE) != (series->image != NULL))
    return damaged (error, "image");
  return TRUE;
}

static gboolean
read_series (LbFigure *self, GVariant *variant, GError **error)
{
  LbSeries *series = g_new0 (LbSeries, 1);
  g_autoptr (GVariant) x = NULL;
  g_autoptr (GVariant) y = NULL;
  g_autoptr (GVariant) error_bars = NULL;
  g_autoptr (GVariant) image = NULL;
  const char *kind;

  g_ptr_array_add (self->series, series);
  g_variant_get (variant, "(&sms@ad@adm@adm@(ttau)(dddd)ddb)", &kind, &series->name, &x, &y, &error_bars,
                 &image, &series->x0, &series->y0, &series->x1, &series->y1, &series->low, &series->high,
                 &series->diverging);
  series->x = values_from_variant (x);
  series->y = values_from_variant (y);
  if (error_bars != NULL)
    series->error = values_from_variant (error_bars);
  if (!kind_from_name (kind, &series->kind))
    return damaged (error, kind);
  if (image != NULL && !image_from_variant (image, &series->image, error))
    return FALSE;
  return check_series (series, error);
}

static void
read_axis (LbAxis *axis, GVariant *variant)
{
  axis_clear (axis);
  g_variant_get (variant, "(ssbddbm^as)", &axis->label, &axis->unit, &axis->logarithmic, &axis->low,
                 &axis->high, &axis->reversed, &axis->categories);
}

/**
 * lb_figure_from_variant:
 * @variant: what lb_figure_to_variant() gave
 * @error: set to %LB_NUMERICS_ERROR_FORMAT
 *
 * Reads a figure back. Returns: (transfer full) (nullable).
 */
LbFigure *
lb_figure_from_variant (GVariant *variant, GError **error)
{
  g_autoptr (LbFigure) self = NULL;
  g_autoptr (GVariant) x_axis = NULL;
  g_autoptr (GVariant) y_axis = NULL;
  g_autoptr (GVariant) all_series = NULL;

  g_return_val_if_fail (variant != NULL, NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  if (!g_variant_is_of_type (variant, G_VARIANT_TYPE (FIGURE_TYPE)))
    {
      damaged (error, g_variant_get_type_string (variant));
      return NULL;
    }

  self = lb_figure_new (NULL, NULL, NULL, NULL, NULL);
  g_free (self->title);
  g_variant_get (variant, "(sms@" AXIS_TYPE "@" AXIS_TYPE "@a" SERIES_TYPE ")", &self->title, &self->note,
                 &x_axis, &y_axis, &all_series);
  read_axis (&self->x_axis, x_axis);
  read_axis (&self->y_axis, y_axis);
  for (gsize i = 0; i < g_variant_n_children (all_series); i++)
    {
      g_autoptr (GVariant) series = g_variant_get_child_value (all_series, i);

      if (!read_series (self, series, error))
        return NULL;
    }
  return g_steal_pointer (&self);
}
