/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-figure.h"

#include <math.h>
#include <string.h>

#include "lb-least-squares.h"
#include "lb-quantities.h"

static double
value_at (const GArray *values, guint index)
{
  g_assert_cmpuint (index, <, values->len);
  return g_array_index (values, double, index);
}

static LbSeries *
series_at (const LbFigure *figure, guint index)
{
  g_assert_cmpuint (index, <, figure->series->len);
  return g_ptr_array_index (figure->series, index);
}

/* A figure that has something in every field. */
static LbFigure *
new_full_figure (void)
{
  const double x[] = { 0, 1, 2.5 }, y[] = { 3, NAN, -1e300 }, error[] = { 0.1, 0.2, 0.3 };
  g_autoptr (LbMatrix) image = lb_matrix_new (2, 3);
  LbFigure *figure = lb_figure_new ("Kennlinie ü", "level", "", "power", "mW");
  LbSeries *series;

  for (guint i = 0; i < 6; i++)
    lb_matrix_row (image, i / 3)[i % 3] = i == 4 ? NAN : (float) i * i - 2;
  figure->note = g_strdup ("a note");
  figure->x_axis.logarithmic = TRUE;
  figure->x_axis.low = 0.5;
  figure->x_axis.high = 7;
  figure->y_axis.reversed = TRUE;
  figure->y_axis.categories = g_strsplit ("the|ca|t", "|", -1);
  lb_figure_add_line (figure, "line", x, y, 3);
  lb_figure_add_points (figure, NULL, x, y, error, 3);
  lb_figure_add_points (figure, "points", x, y, NULL, 2);
  lb_figure_add_bars (figure, "bars", x, y, 2);
  series = lb_figure_add_image (figure, "image", image);
  series->diverging = TRUE;
  lb_figure_add_identity (figure, "ideal");
  lb_figure_add_line (figure, "empty", NULL, NULL, 0);
  return figure;
}

static void
test_values_are_copied (void)
{
  double x[] = { 1, 2 }, y[] = { 3, 4 }, error[] = { 5, 6 };
  g_autoptr (LbFigure) figure = lb_figure_new ("t", "x", NULL, "y", "mW");
  LbSeries *series = lb_figure_add_points (figure, "p", x, y, error, 2);

  x[0] = y[0] = error[0] = 9;
  g_assert_cmpfloat (value_at (series->x, 0), ==, 1);
  g_assert_cmpfloat (value_at (series->y, 0), ==, 3);
  g_assert_cmpfloat (value_at (series->error, 0), ==, 5);
  g_assert_cmpstr (figure->x_axis.unit, ==, "");
  g_assert_cmpstr (figure->y_axis.unit, ==, "mW");
  g_assert_true (isnan (figure->x_axis.low));
  g_assert_true (isnan (figure->y_axis.high));
}

static void
test_histogram_counts_values_within (void)
{
  const double values[] = { 0, 0.49, 0.5, 0.99, 1, 1.5, 2, -0.001, 2.001, NAN, INFINITY };
  const double expected[] = { 2, 2, 1, 2 };
  g_autoptr (LbFigure) figure = lb_figure_new ("t", "x", "", "y", "");
  LbSeries *series = lb_figure_add_histogram (figure, NULL, values, G_N_ELEMENTS (values), 0, 2, 4);

  g_assert_cmpint (series->kind, ==, LB_SERIES_BARS);
  g_assert_cmpuint (series->x->len, ==, 4);
  for (guint i = 0; i < 4; i++)
    {
      g_assert_cmpfloat_with_epsilon (value_at (series->x, i), 0.5 * i, 1e-15);
      g_assert_cmpfloat (value_at (series->y, i), ==, expected[i]);
    }
}

static void
test_histogram_of_equal_values_has_width (void)
{
  const double values[] = { 3, 3, 3 };
  g_autoptr (LbFigure) figure = lb_figure_new ("t", "x", "", "y", "");
  LbSeries *series = lb_figure_add_histogram (figure, NULL, values, 3, 3, 3, 10);
  double total = 0;

  g_assert_cmpfloat (value_at (series->x, 1), >, value_at (series->x, 0));
  for (guint i = 0; i < 10; i++)
    total += value_at (series->y, i);
  g_assert_cmpfloat (total, ==, 3);
}

static void
test_image_has_extent_and_range (void)
{
  g_autoptr (LbFigure) figure = lb_figure_new ("t", "x", "", "y", "");
  g_autoptr (LbMatrix) image = lb_matrix_new (2, 3);
  g_autoptr (LbMatrix) flat = lb_matrix_new (2, 2);
  LbSeries *series;

  lb_matrix_row (image, 0)[1] = -4;
  lb_matrix_row (image, 1)[2] = 9;
  lb_matrix_row (image, 1)[1] = INFINITY;
  series = lb_figure_add_image (figure, NULL, image);
  g_assert_true (series->image == image);
  g_assert_cmpfloat (series->x0, ==, 0);
  g_assert_cmpfloat (series->y0, ==, 0);
  g_assert_cmpfloat (series->x1, ==, 3);
  g_assert_cmpfloat (series->y1, ==, 2);
  g_assert_cmpfloat (series->low, ==, -4);
  g_assert_cmpfloat (series->high, ==, 9);

  series = lb_figure_add_image (figure, NULL, flat);
  g_assert_cmpfloat (series->high, >, series->low);
}

static void
check_same_values (const GArray *a, const GArray *b)
{
  g_assert_true ((a == NULL) == (b == NULL));
  if (a != NULL)
    g_assert_cmpmem (a->data, a->len * sizeof (double), b->data, b->len * sizeof (double));
}

static void
check_same_series (const LbSeries *a, const LbSeries *b)
{
  g_assert_cmpint (a->kind, ==, b->kind);
  g_assert_cmpstr (a->name, ==, b->name);
  check_same_values (a->x, b->x);
  check_same_values (a->y, b->y);
  check_same_values (a->error, b->error);
  g_assert_cmpfloat (a->x1, ==, b->x1);
  g_assert_cmpfloat (a->y1, ==, b->y1);
  g_assert_cmpfloat (a->low, ==, b->low);
  g_assert_cmpfloat (a->high, ==, b->high);
  g_assert_cmpint (a->diverging, ==, b->diverging);
  g_assert_true ((a->image == NULL) == (b->image == NULL));
  if (a->image == NULL)
    return;
  g_assert_cmpuint (a->image->rows, ==, b->image->rows);
  g_assert_cmpuint (a->image->columns, ==, b->image->columns);
  for (gsize row = 0; row < a->image->rows; row++)
    g_assert_cmpmem (lb_matrix_row (a->image, row), a->image->columns * sizeof (float),
                     lb_matrix_row (b->image, row), b->image->columns * sizeof (float));
}

static void
check_same_axis (const LbAxis *a, const LbAxis *b)
{
  g_assert_cmpstr (a->label, ==, b->label);
  g_assert_cmpstr (a->unit, ==, b->unit);
  g_assert_cmpint (a->logarithmic, ==, b->logarithmic);
  g_assert_cmpint (a->reversed, ==, b->reversed);
  g_assert_true (a->low == b->low || (isnan (a->low) && isnan (b->low)));
  g_assert_true (a->high == b->high || (isnan (a->high) && isnan (b->high)));
  g_assert_true ((a->categories == NULL) == (b->categories == NULL));
  if (a->categories != NULL)
    g_assert_cmpstrv (a->categories, b->categories);
}

static void
check_same_figure (const LbFigure *a, const LbFigure *b)
{
  g_assert_cmpstr (a->title, ==, b->title);
  g_assert_cmpstr (a->note, ==, b->note);
  check_same_axis (&a->x_axis, &b->x_axis);
  check_same_axis (&a->y_axis, &b->y_axis);
  g_assert_cmpuint (a->series->len, ==, b->series->len);
  for (guint i = 0; i < a->series->len; i++)
    check_same_series (series_at (a, i), series_at (b, i));
}

static void
test_figure_survives_storage (void)
{
  g_autoptr (LbFigure) figure = new_full_figure ();
  g_autoptr (GVariant) variant = g_variant_ref_sink (lb_figure_to_variant (figure));
  g_autoptr (GVariant) swapped = g_variant_byteswap (variant);
  g_autoptr (GVariant) swapped_back = g_variant_byteswap (swapped);
  g_autoptr (GError) error = NULL;
  g_autoptr (LbFigure) read = lb_figure_from_variant (variant, &error);
  g_autoptr (LbFigure) read_swapped = lb_figure_from_variant (swapped_back, &error);

  g_assert_no_error (error);
  check_same_figure (figure, read);
  check_same_figure (figure, read_swapped);
}

static void
test_figure_without_extras_survives_storage (void)
{
  g_autoptr (LbFigure) figure = lb_figure_new ("", "", "", "", "");
  g_autoptr (GVariant) variant = g_variant_ref_sink (lb_figure_to_variant (figure));
  g_autoptr (LbFigure) read = lb_figure_from_variant (variant, NULL);

  g_assert_nonnull (read);
  check_same_figure (figure, read);
  g_assert_null (read->note);
  g_assert_null (read->x_axis.categories);
}

static void
test_foreign_variants_are_refused (void)
{
  g_autoptr (GVariant) variant = g_variant_ref_sink (g_variant_new_string ("figure"));
  g_autoptr (GError) error = NULL;

  g_assert_null (lb_figure_from_variant (variant, &error));
  g_assert_error (error, LB_NUMERICS_ERROR, LB_NUMERICS_ERROR_FORMAT);
  g_clear_error (&error);
  g_assert_null (lb_quantities_from_variant (variant, &error));
  g_assert_error (error, LB_NUMERICS_ERROR, LB_NUMERICS_ERROR_FORMAT);
}

/* Whatever bytes come, a figure that is read fulfils what plots rely on. */
static void
check_sound (const LbFigure *figure)
{
  g_assert_nonnull (figure->title);
  g_assert_nonnull (figure->x_axis.label);
  for (guint i = 0; i < figure->series->len; i++)
    {
      const LbSeries *series = series_at (figure, i);

      g_assert_cmpuint (series->x->len, ==, series->y->len);
      g_assert_true (series->error == NULL || series->error->len == series->y->len);
      g_assert_true ((series->kind == LB_SERIES_IMAGE) == (series->image != NULL));
    }
}

static void
test_damaged_figures_do_no_harm (void)
{
  g_autoptr (LbFigure) figure = new_full_figure ();
  g_autoptr (GVariant) variant = g_variant_ref_sink (lb_figure_to_variant (figure));
  gsize size = g_variant_get_size (variant);
  guint read = 0, refused = 0;

  for (gsize i = 0; i < size; i++)
    for (guint change = 0; change < 3; change++)
      {
        guint8 *bytes = g_memdup2 (g_variant_get_data (variant), size);
        gsize kept = change == 2 ? i : size;
        g_autoptr (GVariant) damaged = NULL;
        g_autoptr (LbFigure) result = NULL;
        g_autoptr (GError) error = NULL;

        bytes[i] ^= change == 0 ? 0xff : 1;
        damaged = g_variant_ref_sink (
            g_variant_new_from_data (g_variant_get_type (variant), bytes, kept, FALSE, g_free, bytes));
        result = lb_figure_from_variant (damaged, &error);
        if (result != NULL)
          check_sound (result);
        else
          g_assert_error (error, LB_NUMERICS_ERROR, LB_NUMERICS_ERROR_FORMAT);
        read += result != NULL;
        refused += result == NULL;
      }
  g_assert_cmpuint (read, >, 0);
  g_assert_cmpuint (refused, >, 0);
}

static void
test_figure_is_shared_by_reference (void)
{
  LbFigure *figure = new_full_figure ();
  LbMatrix *image = lb_matrix_ref (series_at (figure, 4)->image);

  g_assert_true (lb_figure_ref (figure) == figure);
  lb_figure_unref (figure);
  g_assert_cmpstr (figure->note, ==, "a note");
  lb_figure_unref (figure);
  /* The image outlives the figure as long as somebody else holds it. */
  g_assert_cmpfloat (lb_matrix_get (image, 0, 0), ==, -2);
  lb_matrix_unref (image);
}

static void
test_quantities_keep_order_and_are_replaced_in_place (void)
{
  g_autoptr (LbQuantities) quantities = lb_quantities_new ();

  lb_quantities_set (quantities, "gain", 2, "DN/electron");
  lb_quantities_set_text (quantities, "camera", "simulated");
  lb_quantities_set (quantities, "floor", 0.02, NULL);
  lb_quantities_set (quantities, "gain", 3, "DN");
  g_assert_cmpuint (lb_quantities_get_length (quantities), ==, 3);
  g_assert_cmpstr (lb_quantities_get_nth (quantities, 0)->name, ==, "gain");
  g_assert_cmpfloat (lb_quantities_get_nth (quantities, 0)->value, ==, 3);
  g_assert_cmpstr (lb_quantities_get_nth (quantities, 0)->unit, ==, "DN");
  g_assert_cmpstr (lb_quantities_get_nth (quantities, 1)->text, ==, "simulated");
  g_assert_cmpstr (lb_quantities_get_nth (quantities, 2)->unit, ==, "");

  lb_quantities_set_text (quantities, "gain", "unknown");
  g_assert_true (isnan (lb_quantities_get (quantities, "gain", NAN)));
  g_assert_cmpstr (lb_quantities_get_text (quantities, "gain"), ==, "unknown");
  lb_quantities_set (quantities, "camera", 1, "");
  g_assert_null (lb_quantities_get_text (quantities, "camera"));
  g_assert_cmpfloat (lb_quantities_get (quantities, "camera", 0), ==, 1);
}

static void
test_missing_quantities_give_the_fallback (void)
{
  g_autoptr (LbQuantities) quantities = lb_quantities_new ();

  g_assert_cmpfloat (lb_quantities_get (quantities, "none", 7), ==, 7);
  g_assert_null (lb_quantities_get_text (quantities, "none"));
}

static void
test_quantities_survive_copy_and_storage (void)
{
  g_autoptr (LbQuantities) quantities = lb_quantities_new ();
  g_autoptr (LbQuantities) copy = NULL, read = NULL;
  g_autoptr (GVariant) variant = NULL;
  g_autoptr (GError) error = NULL;

  lb_quantities_set (quantities, "a", 0.1, "µs");
  lb_quantities_set_text (quantities, "b", "grün");
  lb_quantities_set (quantities, "c", NAN, "");
  copy = lb_quantities_copy (quantities);
  lb_quantities_set (quantities, "a", 9, "");
  g_assert_cmpfloat (lb_quantities_get (copy, "a", 0), ==, 0.1);

  variant = g_variant_ref_sink (lb_quantities_to_variant (copy));
  g_assert_cmpstr (g_variant_get_type_string (variant), ==, "a(ssv)");
  read = lb_quantities_from_variant (variant, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (lb_quantities_get_length (read), ==, 3);
  g_assert_cmpfloat (lb_quantities_get (read, "a", 0), ==, 0.1);
  g_assert_cmpstr (lb_quantities_get_nth (read, 0)->unit, ==, "µs");
  g_assert_cmpstr (lb_quantities_get_text (read, "b"), ==, "grün");
  g_assert_true (isnan (lb_quantities_get (read, "c", 0)));
}

static void
test_quantities_of_other_types_are_refused (void)
{
  g_autoptr (GVariant) variant =
      g_variant_ref_sink (g_variant_new_parsed ("[('a', '', <'x'>), ('b', '', <true>)]"));
  g_autoptr (GError) error = NULL;

  g_assert_null (lb_quantities_from_variant (variant, &error));
  g_assert_error (error, LB_NUMERICS_ERROR, LB_NUMERICS_ERROR_FORMAT);
  g_assert_nonnull (strstr (error->message, "b"));
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/numerics/figure/values-are-copied", test_values_are_copied);
  g_test_add_func ("/numerics/figure/histogram-counts-values-within", test_histogram_counts_values_within);
  g_test_add_func ("/numerics/figure/histogram-of-equal-values-has-width",
                   test_histogram_of_equal_values_has_width);
  g_test_add_func ("/numerics/figure/image-has-extent-and-range", test_image_has_extent_and_range);
  g_test_add_func ("/numerics/figure/survives-storage", test_figure_survives_storage);
  g_test_add_func ("/numerics/figure/without-extras-survives-storage",
                   test_figure_without_extras_survives_storage);
  g_test_add_func ("/numerics/figure/foreign-variants-are-refused", test_foreign_variants_are_refused);
  g_test_add_func ("/numerics/figure/damaged-figures-do-no-harm", test_damaged_figures_do_no_harm);
  g_test_add_func ("/numerics/figure/is-shared-by-reference", test_figure_is_shared_by_reference);
  g_test_add_func ("/numerics/quantities/keep-order-and-are-replaced-in-place",
                   test_quantities_keep_order_and_are_replaced_in_place);
  g_test_add_func ("/numerics/quantities/missing-ones-give-the-fallback",
                   test_missing_quantities_give_the_fallback);
  g_test_add_func ("/numerics/quantities/survive-copy-and-storage", test_quantities_survive_copy_and_storage);
  g_test_add_func ("/numerics/quantities/of-other-types-are-refused",
                   test_quantities_of_other_types_are_refused);
  return g_test_run ();
}
