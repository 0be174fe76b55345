/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <math.h>

#include <glib/gi18n-lib.h>

#include "lb-model-experiment-private.h"

/* With more layers than that, errors are shown as a picture. */
#define MAX_LINES 6

static GStrv
operator_names (void)
{
  GStrv names = g_new0 (char *, LB_N_OPS + 1);

  for (guint op = 0; op < LB_N_OPS; op++)
    names[op] = g_strdup (lb_transformer_op_get_name ((LbTransformerOp) op));
  return names;
}

/* Percent; NAN where nothing was measured yet. */
static double
get_error (const GArray *groups, guint layer, guint op)
{
  const LbExperimentGroup *group = &g_array_index (groups, LbExperimentGroup, layer * LB_N_OPS + op);

  return group->figures.count > 0 ? 100 * group->figures.normalised_error : (double) NAN;
}

static void
add_layer (LbFigure *figure, const GArray *groups, guint layer)
{
  g_autofree char *name = g_strdup_printf (_ ("Layer %u"), layer);
  double x[LB_N_OPS], y[LB_N_OPS];
  gsize count = 0;

  for (guint op = 0; op < LB_N_OPS; op++)
    {
      x[count] = op;
      y[count] = get_error (groups, layer, op);
      count += isfinite (y[count]) ? 1 : 0;
    }
  if (count > 0)
    lb_figure_add_points (figure, name, x, y, NULL, count);
}

static LbFigure *
new_error_picture (const GArray *groups, guint layers)
{
  LbFigure *figure =
      lb_figure_new (_ ("Normalised error by layer and operator, %"), _ ("Operator"), "", _ ("Layer"), "");
  g_autoptr (LbMatrix) errors = lb_matrix_new (layers, LB_N_OPS);
  LbSeries *series;
  double highest = 1e-6;

  for (guint layer = 0; layer < layers; layer++)
    for (guint op = 0; op < LB_N_OPS; op++)
      {
        double error = get_error (groups, layer, op);

        lb_matrix_row (errors, layer)[op] = (float) error;
        highest = isfinite (error) ? fmax (highest, error) : highest;
      }
  series = lb_figure_add_image (figure, NULL, errors);
  series->x0 = series->y0 = -0.5;
  series->x1 = LB_N_OPS - 0.5;
  series->y1 = layers - 0.5;
  series->low = 0;
  series->high = highest;
  figure->y_axis.reversed = TRUE;
  figure->x_axis.categories = operator_names ();
  return figure;
}

static LbFigure *
new_error_figure (const GArray *groups)
{
  const guint layers = groups->len / LB_N_OPS;
  LbFigure *figure;

  if (layers > MAX_LINES)
    return new_error_picture (groups, layers);
  figure = lb_figure_new (_ ("Error by layer and operator"), _ ("Operator"), "", _ ("Normalised error"), "%");
  for (guint layer = 0; layer < layers; layer++)
    add_layer (figure, groups, layer);
  figure->x_axis.categories = operator_names ();
  figure->x_axis.low = -0.5;
  figure->x_axis.high = LB_N_OPS - 0.5;
  figure->y_axis.low = 0;
  return figure;
}

static LbFigure *
new_loss_figure (const LbExperimentText *text, const GPtrArray *predictions)
{
  LbFigure *figure =
      lb_figure_new (_ ("How well the next token was predicted"), _ ("Token"), "", _ ("Loss"), "nats");
  g_autofree double *x = g_new (double, predictions->len);
  g_autofree double *ideal = g_new (double, predictions->len);
  g_autofree double *measured = g_new (double, predictions->len);
  gsize count = 0;

  for (guint i = 0; i < predictions->len; i++)
    {
      const LbPrediction *prediction = g_ptr_array_index (predictions, i);

      if (prediction->next == NULL)
        continue;
      x[count] = i;
      ideal[count] = prediction->ideal_loss;
      measured[count++] = prediction->measured_loss;
    }
  if (count > 0)
    {
      lb_figure_add_line (figure, _ ("Ideal"), x, ideal, count);
      lb_figure_add_points (figure, _ ("Measured"), x, measured, NULL, count);
    }
  figure->x_axis.categories = g_strdupv (text->labels);
  return figure;
}

static guint32
likeliest (const LbExperimentText *text, const LbMatrix *logits, gsize row)
{
  const guint32 size = MIN (lb_tokenizer_get_size (text->tokenizer), (guint) logits->columns);
  guint32 best = 0;

  for (guint32 i = 1; i < size; i++)
    if (lb_matrix_get (logits, row, i) > lb_matrix_get (logits, row, best))
      best = i;
  return best;
}

/* The tokens that are the likeliest somewhere, in the order of the passage; of
 * guint32. */
static GArray *
find_candidates (const LbExperimentText *text, const LbMatrix *ideal, const LbMatrix *measured)
{
  GArray *candidates = g_array_new (FALSE, FALSE, sizeof (guint32));

  for (gsize row = 0; row < ideal->rows; row++)
    for (guint which = 0; which < 2; which++)
      {
        const LbMatrix *logits = which == 0 ? ideal : measured;
        guint32 token = logits != NULL ? likeliest (text, logits, row) : 0;
        gboolean known = logits == NULL;

        for (guint i = 0; i < candidates->len && !known; i++)
          known = g_array_index (candidates, guint32, i) == token;
        if (!known)
          g_array_append_val (candidates, token);
      }
  return candidates;
}

/* Probabilities of the candidates, (tokens, candidates). */
static LbMatrix *
probabilities (const LbMatrix *logits, const GArray *candidates)
{
  LbMatrix *map = lb_matrix_new (logits->rows, candidates->len);

  for (gsize row = 0; row < logits->rows; row++)
    {
      const float *values = lb_matrix_row (logits, row);
      double largest = (double) values[0], sum = 0;

      for (gsize i = 1; i < logits->columns; i++)
        largest = fmax (largest, (double) values[i]);
      for (gsize i = 0; i < logits->columns; i++)
        sum += exp ((double) values[i] - largest);
      for (guint i = 0; i < candidates->len; i++)
        lb_matrix_row (map, row)[i] =
            (float) (exp ((double) values[g_array_index (candidates, guint32, i)] - largest) / sum);
    }
  return map;
}

static void
add_prediction_map (GPtrArray *figures,
                    const LbExperimentText *text,
                    const char *title,
                    const LbMatrix *logits,
                    const GArray *candidates)
{
  g_autoptr (LbMatrix) map = probabilities (logits, candidates);
  g_auto (GStrv) labels = g_new0 (char *, candidates->len + 1);

  for (guint i = 0; i < candidates->len; i++)
    labels[i] = lb_tokenizer_label (text->tokenizer, g_array_index (candidates, guint32, i));
  g_ptr_array_add (figures, lb_experiment_text_new_map (text, title, _ ("Next token"), labels, map, 0,
                                                        lb_matrix_max_abs (map), FALSE));
}

void
lb_model_experiment_add_pass_figures (GPtrArray *figures,
                                      const LbExperimentText *text,
                                      const GArray *groups,
                                      const LbMatrix *ideal,
                                      const LbMatrix *measured,
                                      const GPtrArray *predictions)
{
  g_autoptr (GArray) candidates = find_candidates (text, ideal, measured);

  g_ptr_array_add (figures, new_error_figure (groups));
  if (predictions != NULL)
    g_ptr_array_add (figures, new_loss_figure (text, predictions));
  add_prediction_map (figures, text, _ ("Next token, ideal"), ideal, candidates);
  if (measured != NULL)
    add_prediction_map (figures, text, _ ("Next token, measured"), measured, candidates);
}
