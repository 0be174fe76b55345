/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-least-squares.h"

#include <glib/gi18n-lib.h>
#include <math.h>
#include <string.h>

/* With the columns scaled, a pivot is the share of a column that the columns
 * before it do not explain. Rounding leaves some 1e-15 of a share of 0. */
#define SMALLEST_PIVOT 1e-12

struct _LbLeastSquares
{
  guint unknowns;
  guint right_sides;
  double *gram;   /* (unknowns, unknowns): sum of w r r^T, lower triangle */
  double *moment; /* (right_sides, unknowns): sum of w b r */
};

G_DEFINE_QUARK (lb - numerics - error - quark, lb_numerics_error)

/**
 * lb_least_squares_new:
 * @unknowns: number of unknowns, at least 1
 * @right_sides: number of right sides, at least 1
 *
 * Makes the normal equations of no row yet. Returns: (transfer full).
 */
LbLeastSquares *
lb_least_squares_new (guint unknowns, guint right_sides)
{
  LbLeastSquares *self;

  g_return_val_if_fail (unknowns > 0 && right_sides > 0, NULL);

  self = g_new0 (LbLeastSquares, 1);
  self->unknowns = unknowns;
  self->right_sides = right_sides;
  self->gram = g_new0 (double, (gsize) unknowns *unknowns);
  self->moment = g_new0 (double, (gsize) unknowns *right_sides);
  return self;
}

/**
 * lb_least_squares_add:
 * @self: normal equations
 * @row: (unknowns)
 * @right: (right_sides)
 * @weight: 0 or more; 1 over the variance of @right
 *
 * Adds the equation row . solution = right.
 */
void
lb_least_squares_add (LbLeastSquares *self, const double *row, const double *right, double weight)
{
  g_return_if_fail (self != NULL);
  g_return_if_fail (row != NULL && right != NULL);
  g_return_if_fail (weight >= 0);

  for (guint i = 0; i < self->unknowns; i++)
    {
      double weighted = weight * row[i];

      for (guint j = 0; j <= i; j++)
        self->gram[i * self->unknowns + j] += weighted * row[j];
      for (guint k = 0; k < self->right_sides; k++)
        self->moment[k * self->unknowns + i] += weighted * right[k];
    }
}

/* Cholesky's factor of the Gram matrix with its diagonal scaled to 1; FALSE if
 * it is singular, to rounding. scale[i] = 1 / sqrt (gram[i][i]). */
static gboolean
factorise (const LbLeastSquares *self, double *factor, double *scale)
{
  guint n = self->unknowns;

  for (guint i = 0; i < n; i++)
    {
      scale[i] = 1.0 / sqrt (self->gram[i * n + i]);
      if (!isfinite (scale[i]))
        return FALSE;
    }

  for (guint i = 0; i < n; i++)
    for (guint j = 0; j <= i; j++)
      {
        double sum = self->gram[i * n + j] * scale[i] * scale[j];

        for (guint k = 0; k < j; k++)
          sum -= factor[i * n + k] * factor[j * n + k];
        if (i != j)
          factor[i * n + j] = sum / factor[j * n + j];
        else if (sum > SMALLEST_PIVOT)
          factor[i * n + i] = sqrt (sum);
        else
          return FALSE;
      }
  return TRUE;
}

static void
substitute (const double *factor, const double *scale, const double *moment, guint n, double *solution)
{
  for (guint i = 0; i < n; i++)
    {
      double sum = moment[i] * scale[i];

      for (guint k = 0; k < i; k++)
        sum -= factor[i * n + k] * solution[k];
      solution[i] = sum / factor[i * n + i];
    }

  for (guint i = n; i-- > 0;)
    {
      double sum = solution[i];

      for (guint k = i + 1; k < n; k++)
        sum -= factor[k * n + i] * solution[k];
      solution[i] = sum / factor[i * n + i];
    }

  for (guint i = 0; i < n; i++)
    solution[i] *= scale[i];
}

/**
 * lb_least_squares_solve:
 * @self: normal equations; more rows may be added afterwards
 * @solution: (right_sides, unknowns), row-major; untouched on failure
 * @error: set to %LB_NUMERICS_ERROR_SINGULAR
 *
 * Solves the normal equations by Cholesky's factorisation.
 *
 * Returns: %FALSE if the rows do not determine the unknowns.
 */
gboolean
lb_least_squares_solve (LbLeastSquares *self, double *solution, GError **error)
{
  g_autofree double *factor = NULL;
  g_autofree double *scale = NULL;
  guint n;

  g_return_val_if_fail (self != NULL, FALSE);
  g_return_val_if_fail (solution != NULL, FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  n = self->unknowns;
  factor = g_new0 (double, (gsize) n *n);
  scale = g_new0 (double, n);
  if (!factorise (self, factor, scale))
    {
      g_set_error (error, LB_NUMERICS_ERROR, LB_NUMERICS_ERROR_SINGULAR,
                   _ ("The measurements do not determine the %u unknowns: more or other measurements are "
                      "needed"),
                   n);
      return FALSE;
    }

  for (guint k = 0; k < self->right_sides; k++)
    substitute (factor, scale, self->moment + (gsize) k * n, n, solution + (gsize) k * n);
  return TRUE;
}

/**
 * lb_least_squares_free:
 * @self: (nullable) (transfer full): normal equations
 *
 * Frees them.
 */
void
lb_least_squares_free (LbLeastSquares *self)
{
  if (self == NULL)
    return;

  g_free (self->gram);
  g_free (self->moment);
  g_free (self);
}
