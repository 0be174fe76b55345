/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-bench-noise-model-private.h"
#include "lb-verification-private.h"

#include <math.h>

/* Lengths between those that are verified, in parts of the shorter one: how the field
 * divides into tiles, and so how dark their darkest cells are, is no smooth function of
 * the length. */
static const double between[] = { 1.5, 2, 3 };

G_STATIC_ASSERT (LB_VERIFICATION_LIGHTS == LB_NOISE_LIGHTS);

void
lb_verification_describe_tiles (const LbLayout *layout, LbVerificationTiles *tiles)
{
  g_autofree double *gains = g_new (double, layout->n_tiles);

  *tiles = (LbVerificationTiles){ .reference = layout->bright_gain + layout->bright_stray };
  for (guint tile = 0; tile < layout->n_tiles; tile++)
    {
      gains[tile] = layout->tile_gain[tile] * (double) layout->tile_c0[tile];
      tiles->dimming += layout->tile_c0[tile] / layout->n_tiles;
      tiles->background += layout->tile_stray[tile] / layout->tile_gain[tile] /
                           (double) layout->segment_length / layout->n_tiles;
      tiles->floors[0] += layout->tile_source_floor[tile] / layout->n_tiles;
      tiles->floors[1] += layout->tile_weight_floor[tile] / layout->n_tiles;
    }
  for (guint i = 0; i < LB_VERIFICATION_LIGHTS; i++)
    tiles->lights[i] =
        lb_percentile (gains, layout->n_tiles, 100 * (i + 0.5) / LB_VERIFICATION_LIGHTS) / tiles->dimming;
}

static void
set_tiles (LbNoiseKnot *knot, const LbVerificationTiles *tiles)
{
  knot->background = MAX (tiles->background, 0);
  knot->dimming = tiles->dimming;
  knot->reference = tiles->reference;
  for (guint light = 0; light < LB_NOISE_LIGHTS; light++)
    knot->light[light] = tiles->lights[light];
}

/* Relative mean squares against the length, and how well each is known. */
typedef struct
{
  guint count;
  double length[LB_VERIFICATION_LAYOUTS_MAX];
  double square[LB_VERIFICATION_LAYOUTS_MAX];
  double error[LB_VERIFICATION_LAYOUTS_MAX];
} Squares;

/* square = a / length + b: errors of elements that do not know of each other, and what
 * is common to all. Few long products tell a variance badly, but both parts are the same
 * for all lengths. Least squares; neither part is negative. */
static void
fit_squares (const Squares *squares, double *a, double *b)
{
  double waa = 0, wab = 0, wbb = 0, wa = 0, wb = 0, determinant;

  for (guint i = 0; i < squares->count; i++)
    {
      const double weight = pow (MAX (squares->error[i], 1e-30), -2), inverse = 1 / squares->length[i];

      waa += weight * inverse * inverse;
      wab += weight * inverse;
      wbb += weight;
      wa += weight * inverse * squares->square[i];
      wb += weight * squares->square[i];
    }
  determinant = waa * wbb - wab * wab;
  *a = *b = 0;
  if (squares->count > 1 && determinant > 1e-9 * waa * wbb)
    {
      *a = (wa * wbb - wb * wab) / determinant;
      *b = (wb * waa - wa * wab) / determinant;
    }
  if (*b <= 0 && waa > 0)
    {
      *a = MAX (wa / waa, 0);
      *b = 0;
    }
  else if (*a < 0)
    {
      *a = 0;
      *b = MAX (wb / wbb, 0);
    }
}

static void
add_square (Squares *squares, double length, double square, double error)
{
  squares->length[squares->count] = length;
  squares->square[squares->count] = square;
  squares->error[squares->count++] = error;
}

/* What photons and electrons do not explain of the scatter goes with the means of the
 * passes, and is drawn anew in each frame; what repeats is of the tile. The variance
 * of a variance is 2 / degrees of freedom of its square. */
static void
add_group (const LbVerificationGroup *group, Squares *gaussian, Squares *systematic)
{
  const double scale2 = group->pass_scale * group->pass_scale, bias = group->figures.bias;
  const double *variance = group->variance;
  const double explained = variance[LB_RANDOM_SHOT] + variance[LB_RANDOM_REFERENCE] +
                           variance[LB_RANDOM_READ] + variance[LB_RANDOM_CONVERTER];
  const double of_mean = group->random / LB_VERIFICATION_REPEATS + MAX (group->systematic, 0);

  add_square (gaussian, group->length, (group->random - explained) * group->frames / scale2,
              group->random * group->frames / scale2 *
                  sqrt (2.0 / (LB_VERIFICATION_REPEATS - 1) / group->count));
  add_square (systematic, group->length, group->systematic / scale2 - bias * bias,
              of_mean / scale2 * sqrt (2.0 / group->count));
}

/* The knots of the groups of one sign. */
static void
add_measured (GArray *knots, const LbVerificationGroup *const *groups, guint count, gboolean is_signed)
{
  Squares gaussian = { 0 }, systematic = { 0 };
  double random_a, random_b, tile_a, tile_b;

  for (guint i = 0; i < count; i++)
    if (groups[i]->is_signed == is_signed)
      add_group (groups[i], &gaussian, &systematic);
  fit_squares (&gaussian, &random_a, &random_b);
  fit_squares (&systematic, &tile_a, &tile_b);
  for (guint i = 0; i < count; i++)
    {
      const LbVerificationGroup *group = groups[i];
      LbNoiseKnot knot = { .length = group->length,
                           .is_signed = is_signed,
                           .read_variance = MAX (group->tile_read_noise2, 0),
                           .gaussian = sqrt (random_a / group->length + random_b),
                           .systematic = sqrt (tile_a / group->length + tile_b),
                           .bias = group->figures.bias,
                           .reference_variance = group->reference_noise2,
                           .frame_photons = group->frame_photons };

      if (group->is_signed != is_signed)
        continue;
      set_tiles (&knot, &group->tiles);
      g_array_append_val (knots, knot);
    }
}

/* Lengths above @group's up to the next that is verified, if there is one. */
static gboolean
add_between (GArray *knots,
             const GArray *measured,
             LbOpticsModel *model,
             const LbVerificationGroup *group,
             GError **error)
{
  for (guint i = 0; i < G_N_ELEMENTS (between); i++)
    {
      const guint length = (guint) (between[i] * group->length);
      g_autoptr (LbLayout) layout = NULL;
      LbVerificationTiles tiles;
      LbNoiseKnot knot;

      if (!lb_noise_knots_find (measured, length, group->is_signed, &knot))
        return TRUE;
      layout = lb_layout_new (model, length, group->is_signed, 0, error);
      if (layout == NULL)
        return FALSE;
      lb_verification_describe_tiles (layout, &tiles);
      set_tiles (&knot, &tiles);
      g_array_append_val (knots, knot);
    }
  return TRUE;
}

static LbMatrix *
knots_matrix (const GArray *knots)
{
  LbMatrix *matrix = lb_matrix_new (knots->len, LB_NOISE_COLUMNS);

  for (guint i = 0; i < knots->len; i++)
    {
      const LbNoiseKnot *knot = &g_array_index (knots, LbNoiseKnot, i);
      float *row = lb_matrix_row (matrix, i);

      row[LB_NOISE_LENGTH] = (float) knot->length;
      row[LB_NOISE_SIGNED] = knot->is_signed;
      row[LB_NOISE_READ] = (float) knot->read_variance;
      row[LB_NOISE_GAUSSIAN] = (float) knot->gaussian;
      row[LB_NOISE_SYSTEMATIC] = (float) knot->systematic;
      row[LB_NOISE_BIAS] = (float) knot->bias;
      row[LB_NOISE_BACKGROUND] = (float) knot->background;
      row[LB_NOISE_DIMMING] = (float) knot->dimming;
      row[LB_NOISE_REFERENCE] = (float) knot->reference;
      row[LB_NOISE_REFERENCE_READ] = (float) knot->reference_variance;
      row[LB_NOISE_FRAME_PHOTONS] = (float) knot->frame_photons;
      for (guint light = 0; light < LB_NOISE_LIGHTS; light++)
        row[LB_NOISE_LIGHT + light] = (float) knot->light[light];
    }
  return matrix;
}

LbMatrix *
lb_verification_fit_noise (const LbVerificationGroup *const *groups,
                           guint count,
                           LbOpticsModel *model,
                           GError **error)
{
  g_autoptr (GArray) measured = g_array_new (FALSE, FALSE, sizeof (LbNoiseKnot));
  g_autoptr (GArray) knots = g_array_new (FALSE, FALSE, sizeof (LbNoiseKnot));

  g_return_val_if_fail (count <= LB_VERIFICATION_LAYOUTS_MAX, NULL);

  add_measured (measured, groups, count, TRUE);
  add_measured (measured, groups, count, FALSE);
  g_array_append_vals (knots, measured->data, measured->len);
  for (guint i = 0; i < count; i++)
    if (!add_between (knots, measured, model, groups[i], error))
      return NULL;
  return knots_matrix (knots);
}
