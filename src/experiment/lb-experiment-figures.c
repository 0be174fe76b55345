/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <math.h>

#include <glib/gi18n-lib.h>

#include "lb-experiment-private.h"

#define HISTOGRAM_BINS 61
/* Of more dot products than that, every so many are shown. */
#define MAX_POINTS 100000

/* The finite pairs of all parts, for a scatter. */
typedef struct
{
  GArray *ideal;
  GArray *measured;
  GArray *before_ideal;
  GArray *before;
  GArray *residual; /* in units of each part's pass scale, percent */
  GArray *before_residual;
} Points;

static void
points_clear (Points *points)
{
  g_array_unref (points->ideal);
  g_array_unref (points->measured);
  g_array_unref (points->before_ideal);
  g_array_unref (points->before);
  g_array_unref (points->residual);
  g_array_unref (points->before_residual);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Points, points_clear)

static void
points_init (Points *points)
{
  points->ideal = g_array_new (FALSE, FALSE, sizeof (double));
  points->measured = g_array_new (FALSE, FALSE, sizeof (double));
  points->before_ideal = g_array_new (FALSE, FALSE, sizeof (double));
  points->before = g_array_new (FALSE, FALSE, sizeof (double));
  points->residual = g_array_new (FALSE, FALSE, sizeof (double));
  points->before_residual = g_array_new (FALSE, FALSE, sizeof (double));
}

static void
points_add_part (Points *points, const LbExperimentPart *part, gsize step)
{
  for (gsize i = 0; i < part->count; i += step)
    {
      double ideal = part->ideal[i];

      if (isfinite (part->measured[i]))
        {
          double residual = 100 * (part->measured[i] - ideal) / part->pass_scale;

          g_array_append_val (points->ideal, ideal);
          g_array_append_val (points->measured, part->measured[i]);
          g_array_append_val (points->residual, residual);
        }
      if (isfinite (part->uncalibrated[i]))
        {
          double residual = 100 * (part->uncalibrated[i] - ideal) / part->pass_scale;

          g_array_append_val (points->before_ideal, ideal);
          g_array_append_val (points->before, part->uncalibrated[i]);
          g_array_append_val (points->before_residual, residual);
        }
    }
}

static LbFigure *
new_scatter (const Points *points)
{
  LbFigure *figure = lb_figure_new (_ ("Measured against ideal"), _ ("Ideal"), "", _ ("Measured"), "");

  lb_figure_add_identity (figure, NULL);
  if (points->before->len > 0)
    lb_figure_add_points (figure, _ ("Before calibration"), (double *) (void *) points->before_ideal->data,
                          (double *) (void *) points->before->data, NULL, points->before->len);
  if (points->measured->len > 0)
    lb_figure_add_points (figure, _ ("Measured"), (double *) (void *) points->ideal->data,
                          (double *) (void *) points->measured->data, NULL, points->measured->len);
  return figure;
}

/* Symmetric about zero and wide enough for the measured residuals, so that the
 * shape of the calibrated bench is seen; what lies outside is counted at the ends. */
static double
histogram_reach (const Points *points)
{
  const GArray *values = points->residual->len > 0 ? points->residual : points->before_residual;
  double high = 0;

  if (values->len == 0)
    return 1;
  high = MAX (fabs (lb_percentile ((const double *) (const void *) values->data, values->len, 0.2)),
              fabs (lb_percentile ((const double *) (const void *) values->data, values->len, 99.8)));
  return high > 0 ? 1.25 * high : 1;
}

static LbFigure *
new_histogram (const Points *points)
{
  LbFigure *figure =
      lb_figure_new (_ ("Residuals"), _ ("Measured - ideal, of the pass scale"), "%", _ ("Dot products"), "");
  double reach = histogram_reach (points);
  const GArray *values = points->residual->len > 0 ? points->residual : points->before_residual;
  const double *data = (const double *) (const void *) values->data;
  double mean, deviation, width = 2 * reach / HISTOGRAM_BINS;
  double x[121], y[121];

  if (values->len == 0)
    return figure;
  lb_figure_add_histogram (figure, points->residual->len > 0 ? _ ("Measured") : _ ("Before calibration"),
                           data, values->len, -reach, reach, HISTOGRAM_BINS);
  if (values->len < 8)
    return figure;
  mean = lb_mean (data, values->len);
  deviation = lb_standard_deviation (data, values->len);
  if (!(deviation > 0))
    return figure;
  for (guint i = 0; i < G_N_ELEMENTS (x); i++)
    {
      double z;

      x[i] = -reach + 2 * reach * i / (G_N_ELEMENTS (x) - 1);
      z = (x[i] - mean) / deviation;
      y[i] = values->len * width / (deviation * sqrt (2 * G_PI)) * exp (-z * z / 2);
    }
  lb_figure_add_line (figure, _ ("Normal distribution of the same width"), x, y, G_N_ELEMENTS (x));
  return figure;
}

void
lb_experiment_add_common_figures (LbExperiment *self, GPtrArray *figures)
{
  g_auto (Points) points = { NULL };
  gsize count = 0, step;

  points_init (&points);
  for (guint p = 0; p < lb_experiment_get_n_parts (self); p++)
    count += lb_experiment_get_part (self, p)->count;
  step = (count + MAX_POINTS - 1) / MAX_POINTS;
  for (guint p = 0; p < lb_experiment_get_n_parts (self); p++)
    points_add_part (&points, lb_experiment_get_part (self, p), MAX (step, 1));
  g_ptr_array_add (figures, new_scatter (&points));
  g_ptr_array_add (figures, new_histogram (&points));
}
