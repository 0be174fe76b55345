/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-verification-private.h"

#include <math.h>

const char *const lb_share_names[LB_N_SHARES] = {
  [LB_SHARE_SHOT] = "shot",
  [LB_SHARE_READ] = "read",
  [LB_SHARE_JITTER] = "jitter",
  [LB_SHARE_QUANTISATION] = "quantisation",
  [LB_SHARE_TABLES] = "tables",
  [LB_SHARE_FLOORS] = "floors_and_flat_field",
  [LB_SHARE_CROSSTALK] = "crosstalk",
  [LB_SHARE_MISALIGNMENT] = "misalignment",
  [LB_SHARE_INTERACTION] = "interaction",
};

static double
cell_value (const LbOpticsModel *model, const LbCurves *curves, guint32 cell, guint8 level)
{
  const guint zone =
      lb_curves_zone (curves, model->columns, model->rows, cell % model->columns, cell / model->columns);

  return curves->values[(gsize) zone * LB_LEVELS + level];
}

/* What the neighbours' light does on a cell, whose gain holds its own alone. Blur
 * falls off about exponentially beyond a margin, so that a displacement gives to one
 * side the factor that it takes from the other: the geometric mean of both sides is
 * crosstalk (blur), what is left is misalignment. */
static void
add_leaks (const LbVerificationElements *elements,
           const LbOpticsModel *model,
           guint32 cell,
           double weight,
           const guint8 *source_levels,
           double sums[LB_N_SYSTEMATIC])
{
  const float *leak = lb_matrix_row (elements->leak, elements->zone[cell]);

  for (guint place = 0; place < LB_LEAK_PLACES; place++)
    {
      const gint64 other = lb_leak_neighbour (&elements->probe, cell, place);
      const double both = sqrt (MAX (leak[place], 0) * MAX (leak[LB_LEAK_PLACES - 1 - place], 0));
      double light;

      if (place == LB_LEAK_OWN || other < 0)
        continue;
      light = weight * cell_value (model, &model->source_curves, (guint32) other, source_levels[other]);
      sums[LB_SYSTEMATIC_CROSSTALK] += both * light;
      sums[LB_SYSTEMATIC_MISALIGNMENT] += (leak[place] - both) * light;
    }
}

/* What a cell is to show, and what it shows by the model's own tables. */
typedef struct
{
  guint32 cell;
  guint zone;
  double c, x, w;
  double fx, fw;           /* floors */
  double u, v;             /* wanted */
  double u_table, v_table; /* of the levels that stand for them */
} Element;

static Element
get_element (const LbVerificationElements *elements,
             const LbOpticsModel *model,
             const LbLayout *layout,
             guint tile,
             gsize i,
             double x,
             double w,
             const guint8 *source_levels,
             const guint8 *weight_levels)
{
  Element e = { .cell = layout->tiles[tile].cells[i], .c = layout->cell_gain[tile][i], .x = x };

  e.zone = elements->zone[e.cell];
  e.w = w * layout->tile_c0[tile] / e.c;
  e.fx = lb_optics_model_source_floor (model, e.cell);
  e.fw = lb_optics_model_weight_floor (model, e.cell);
  e.u = e.fx + (1 - e.fx) * e.x;
  e.v = e.fw + (1 - e.fw) * e.w;
  e.u_table = cell_value (model, &model->source_curves, e.cell, source_levels[e.cell]);
  e.v_table = cell_value (model, &model->weight_curves, e.cell, weight_levels[e.cell]);
  return e;
}

/* Errors that were measured in halves: tables and floors of both planes, gain. */
static void
add_measured (const LbVerificationElements *elements,
              const Element *e,
              guint half,
              double sums[LB_N_SYSTEMATIC])
{
  double source_floor, weight_floor, source, weight, dark;

  source = lb_verification_table_error (elements, half, 0, e->zone, e->x, &source_floor);
  weight = lb_verification_table_error (elements, half, 1, e->zone, e->w, &weight_floor);
  /* Dark planes show the floors' errors and that of the stray light together. */
  dark = elements->dark_error[half][e->zone] - elements->table_error[half][0][0][e->zone] * e->fw -
         elements->table_error[half][1][0][e->zone] * e->fx;
  sums[LB_SYSTEMATIC_TABLES] += e->c * (source * e->v + e->u * weight);
  sums[LB_SYSTEMATIC_FLOORS] += e->c * (source_floor * e->v + e->u * weight_floor + dark +
                                        elements->gain_error[half][e->cell] * e->u * e->v);
}

void
lb_verification_predict_tile (const LbVerificationElements *elements,
                              const LbOpticsModel *model,
                              const LbLayout *layout,
                              guint tile,
                              const float *x,
                              const float *w,
                              gsize length,
                              const guint8 *source_levels,
                              const guint8 *weight_levels,
                              double predicted[2][LB_N_SYSTEMATIC],
                              double *sum_squares)
{
  const double fx = layout->tile_source_floor[tile], fw = layout->tile_weight_floor[tile];
  const double c0 = layout->tile_c0[tile], scale = c0 * (1 - fx) * (1 - fw);
  double shared[LB_N_SYSTEMATIC] = { 0 }, halves[2][LB_N_SYSTEMATIC] = { { 0 } };
  double exact = 0, decoded = 0, squares = 0;

  for (gsize i = 0; i < length; i++)
    {
      const Element e =
          get_element (elements, model, layout, tile, i, x[i], w[i], source_levels, weight_levels);

      exact += e.c * e.u * e.v;
      decoded += fw * (1 - fx) * e.c * e.x + fx * (1 - fw) * c0 * w[i] + fx * fw + scale * e.x * w[i];
      squares += pow (e.c * e.u * e.v / scale, 2);
      shared[LB_SYSTEMATIC_QUANTISATION] += e.c * (e.u_table * e.v_table - e.u * e.v);
      if (elements->leak != NULL)
        add_leaks (elements, model, e.cell, e.c * e.v, source_levels, shared);
      for (guint half = 0; half < 2; half++)
        add_measured (elements, &e, half, halves[half]);
    }
  /* Floors differ from cell to cell, but the decode takes their mean. */
  shared[LB_SYSTEMATIC_FLOORS] += exact - decoded;
  for (guint half = 0; half < 2; half++)
    for (guint cause = 0; cause < LB_N_SYSTEMATIC; cause++)
      predicted[half][cause] = (shared[cause] + halves[half][cause]) / scale;
  *sum_squares = squares;
}

/* Mean and variance of a product's repeats; FALSE if one is missing. */
static gboolean
get_repeats (const LbVerificationGroup *self, guint product, double *mean, double *variance)
{
  const double *values = self->measured + (gsize) product * LB_VERIFICATION_REPEATS;

  *mean = lb_mean (values, LB_VERIFICATION_REPEATS);
  if (!isfinite (*mean))
    return FALSE;
  *variance = pow (lb_standard_deviation (values, LB_VERIFICATION_REPEATS), 2);
  return TRUE;
}

static void
find_figures (LbVerificationGroup *self)
{
  const gsize count = (gsize) self->count * LB_VERIFICATION_REPEATS;
  g_autofree double *ideal = g_new (double, count);

  for (gsize i = 0; i < count; i++)
    ideal[i] = self->ideal[i / LB_VERIFICATION_REPEATS];
  lb_figures_of_merit (self->measured, ideal, count, self->pass_scale, &self->figures);
}

/* Random part: the scatter of repeats. Systematic part: what their mean is off
 * by, less the scatter that a mean still has. Both add up to the mean square. */
static void
find_parts (LbVerificationGroup *self, double *predicted_squares, double *correlation)
{
  double systematic = 0, random = 0, cross = 0, square = 0, observed = 0;
  double squares[LB_N_SYSTEMATIC] = { 0 };
  guint used = 0;

  for (guint i = 0; i < self->count; i++)
    {
      double mean, variance, error, total[2] = { 0 };

      if (!get_repeats (self, i, &mean, &variance))
        continue;
      error = mean - self->ideal[i];
      random += variance;
      systematic += error * error - variance / LB_VERIFICATION_REPEATS;
      for (guint cause = 0; cause < LB_N_SYSTEMATIC; cause++)
        {
          squares[cause] += self->predicted[0][cause][i] * self->predicted[1][cause][i];
          total[0] += self->predicted[0][cause][i];
          total[1] += self->predicted[1][cause][i];
        }
      cross += 0.5 * (total[0] + total[1]) * error;
      square += total[0] * total[1];
      observed += error * error - variance / LB_VERIFICATION_REPEATS;
      used++;
    }
  used = MAX (used, 1);
  self->random = random / used;
  self->systematic = systematic / used;
  self->mean_square = self->random + self->systematic;
  for (guint cause = 0; cause < LB_N_SYSTEMATIC; cause++)
    predicted_squares[cause] = squares[cause] / used;
  *correlation = square > 0 && observed > 0 ? cross / sqrt (square * observed) : NAN;
}

void
lb_verification_group_split (LbVerificationGroup *self)
{
  double squares[LB_N_SYSTEMATIC], sum = 0;
  const double *variance = self->variance;

  find_figures (self);
  find_parts (self, squares, &self->explained);
  self->shares[LB_SHARE_SHOT] = variance[LB_RANDOM_SHOT] + variance[LB_RANDOM_REFERENCE];
  self->shares[LB_SHARE_READ] = variance[LB_RANDOM_READ];
  self->shares[LB_SHARE_JITTER] = variance[LB_RANDOM_JITTER];
  self->shares[LB_SHARE_QUANTISATION] = variance[LB_RANDOM_CONVERTER] + squares[LB_SYSTEMATIC_QUANTISATION];
  self->shares[LB_SHARE_TABLES] = squares[LB_SYSTEMATIC_TABLES];
  self->shares[LB_SHARE_FLOORS] = squares[LB_SYSTEMATIC_FLOORS];
  self->shares[LB_SHARE_CROSSTALK] = squares[LB_SYSTEMATIC_CROSSTALK];
  self->shares[LB_SHARE_MISALIGNMENT] = squares[LB_SYSTEMATIC_MISALIGNMENT];
  for (guint share = 0; share < LB_SHARE_INTERACTION; share++)
    {
      self->shares[share] = self->mean_square > 0 ? self->shares[share] / self->mean_square : 0;
      sum += self->shares[share];
    }
  /* Errors that are not independent of each other, and what nobody explained. */
  self->shares[LB_SHARE_INTERACTION] = 1 - sum;
}
