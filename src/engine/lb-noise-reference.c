/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <math.h>

#include "lb-noise-private.h"

/* How one operand is shown, in double precision. */
typedef struct
{
  double low, high;
  gboolean quantised;
  LbQuantiser quantiser;
  const LbLookupTable *table;
} Shown;

static Shown
find_shown (const LbMatrix *m, const float *range, guint bits, double floor, const LbLookupTable *table)
{
  Shown shown = { -INFINITY, INFINITY, FALSE, { 0, 0, 1u << (bits > 0 ? bits : 8), (float) floor }, table };
  double lowest = INFINITY, largest = 0;

  for (gsize i = 0; i < m->rows; i++)
    for (gsize j = 0; j < m->columns; j++)
      {
        lowest = fmin (lowest, (double) lb_matrix_get (m, i, j));
        largest = fmax (largest, fabs ((double) lb_matrix_get (m, i, j)));
      }
  if (range != NULL)
    {
      shown.low = (double) range[0];
      shown.high = (double) range[1];
    }
  else if (bits > 0 && table == NULL)
    {
      shown.low = lowest < 0 ? -largest : lowest;
      shown.high = largest;
    }
  shown.quantised = table == NULL && isfinite (shown.high);
  shown.quantiser.low = (float) shown.low;
  shown.quantiser.high = (float) shown.high;
  return shown;
}

/* Part @negative of a value: max (v, 0) or max (-v, 0). */
static double
part_of (const Shown *shown, double value, gboolean negative)
{
  double v = fmin (fmax (value, shown->low), shown->high);

  if (shown->quantised)
    v = lb_quantiser_apply_reference (&shown->quantiser, v, 0.5);
  return fmax (negative ? -v : v, 0);
}

static double
largest_part (const Shown *shown, const LbMatrix *m, gsize first, gsize rows, gboolean negative)
{
  double largest = 0;

  for (gsize i = first; i < first + rows; i++)
    for (gsize j = 0; j < m->columns; j++)
      largest = fmax (largest, part_of (shown, (double) lb_matrix_get (m, i, j), negative));
  return largest;
}

static double
hat (const Shown *shown, double value, gboolean negative, double largest)
{
  const double ratio = part_of (shown, value, negative) / (largest + 1e-8);

  if (shown->table == NULL)
    return ratio;
  return (double) shown->table->transmission[(gsize) rint (ratio * (shown->table->levels - 1))];
}

/* Adds one pass to @mean and @variance, and the square of sigma later: @scale_of
 * of every value goes to @units, the mean of the pass is returned. */
static double
add_pass (const LbNoiseOptions *options,
          const LbProduct *product,
          const Shown shown[2],
          const gboolean negative[2],
          double *mean,
          double *variance,
          double *units)
{
  const guint heads = lb_product_get_heads (product);
  const gsize rows = product->a->rows / heads, outputs = product->b->rows / heads, d = product->a->columns;
  const double sign = negative[0] == negative[1] ? 1 : -1;
  double total = 0;

  for (gsize i = 0; i < rows * heads; i++)
    {
      const gsize first = i / rows * outputs;
      const double x_max = largest_part (&shown[0], product->a, i, 1, negative[0]);
      const double w_max = largest_part (&shown[1], product->b, first, outputs, negative[1]);
      double light = 0;

      for (gsize k = 0; k < d; k++)
        light += hat (&shown[0], (double) lb_matrix_get (product->a, i, k), negative[0], x_max);
      for (gsize j = 0; j < outputs; j++)
        {
          const double s = options->photons_per_mac * (double) d / (light + 1e-8);
          double y = 0;

          for (gsize k = 0; k < d; k++)
            y += hat (&shown[0], (double) lb_matrix_get (product->a, i, k), negative[0], x_max) *
                 hat (&shown[1], (double) lb_matrix_get (product->b, first + j, k), negative[1], w_max);
          total += y;
          mean[i * outputs + j] += sign * x_max * w_max * y;
          if (options->photons_per_mac > 0 && isfinite (options->photons_per_mac))
            variance[i * outputs + j] += x_max * x_max * w_max * w_max * y / s;
          units[i * outputs + j] = x_max * w_max;
        }
    }
  return total / ((double) (rows * heads) * (double) outputs);
}

void
lb_noise_reference (const LbNoiseOptions *options, const LbProduct *product, double *mean, double *variance)
{
  const guint heads = lb_product_get_heads (product);
  const gsize outputs = product->b->rows / heads, count = product->a->rows * outputs;
  const float *ranges = product->ranges;
  const Shown shown[2] = {
    find_shown (product->a, ranges, options->bits, 0, options->source),
    find_shown (product->b, ranges != NULL ? ranges + 2 : NULL, options->bits, product->slm_floor,
                options->slm),
  };
  const gboolean signs[4][2] = { { FALSE, FALSE }, { TRUE, TRUE }, { FALSE, TRUE }, { TRUE, FALSE } };
  const double g = product->kind == LB_PRODUCT_ATTENTION ? options->g_attention : options->g_linear;
  g_autofree double *units = g_new (double, count);

  for (gsize i = 0; i < count; i++)
    mean[i] = variance[i] = 0;
  for (guint pass = 0; pass < 4; pass++)
    {
      const double found = add_pass (options, product, shown, signs[pass], mean, variance, units);

      for (gsize i = 0; i < count && options->photons_per_mac > 0; i++)
        {
          const gsize head = i / outputs / (product->a->rows / heads);
          const double level = options->sigma_mean == LB_SIGMA_CALIBRATED
                                   ? (double) product->sigma_means[4 * head + pass]
                                   : found;

          variance[i] += pow (units[i] * g * level, 2);
        }
    }
}
