/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <glib/gstdio.h>
#include <lb-bench-noise-model.h>
#include <lb-layout.h>
#include <lb-operand.h>
#include <lb-optical-path.h>
#include <lb-simulated-truth.h>
#include <lb-verification-shares.h>
#include <lb-simulated.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "calibration-fixture.h"

/* The step verification: figures, and a split of the error that follows when an
 * imperfection is switched on and off. Argument "causes": all imperfections are
 * switched, which takes minutes. With LIGHTBENCH_WORLDS (and LIGHTBENCH_FIDELITY, see
 * calibration-fixture.h) those worlds alone. */

/* Columns of the array "groups" (step-verification.c). */
enum
{
  COLUMN_LENGTH = 0,
  COLUMN_SIGNED = 1,
  COLUMN_PHOTONS = 2,
  COLUMN_COUNT = 4,
  COLUMN_ERROR = 5,
  COLUMN_BEFORE = 6,
  COLUMN_SLOPE = 8,
  COLUMN_RANDOM = 14,
  COLUMN_EXPLAINED = 15,
  COLUMN_SHARES = 18,
};

/* Columns of the array "noise" (lb-bench-noise-model-private.h). */
enum
{
  COLUMN_NOISE_LENGTH = 0,
  COLUMN_NOISE_SIGNED = 1,
  COLUMN_NOISE_DIMMING = 7,
};

static const char *const share_names[] = { "shot",         "read",         "jitter",
                                           "quantisation", "tables",       "floors_and_flat_field",
                                           "crosstalk",    "misalignment", "interaction" };
#define N_SHARES G_N_ELEMENTS (share_names)

static void
print_groups (LbCalibration *verification)
{
  const LbMatrix *groups = lb_calibration_get_array (verification, "groups");

  for (guint i = 0; i < lb_quantities_get_length (lb_calibration_values (verification)); i++)
    {
      const LbQuantity *value = lb_quantities_get_nth (lb_calibration_values (verification), i);

      g_test_message ("value %s %.4g %s", value->name, value->value, value->unit);
    }
  for (gsize i = 0; i < groups->rows; i++)
    {
      g_autoptr (GString) text = g_string_new (NULL);

      g_string_append_printf (
          text,
          "length %4.0f %s N %6.0f: %4.0f products, error %.3f %% (before %.2f %%), slope %.4f, random %.0f "
          "%%, explained %.2f;",
          lb_matrix_get (groups, i, COLUMN_LENGTH),
          lb_matrix_get (groups, i, COLUMN_SIGNED) > 0 ? "signed  " : "positive",
          lb_matrix_get (groups, i, COLUMN_PHOTONS), lb_matrix_get (groups, i, COLUMN_COUNT),
          100 * lb_matrix_get (groups, i, COLUMN_ERROR), 100 * lb_matrix_get (groups, i, COLUMN_BEFORE),
          lb_matrix_get (groups, i, COLUMN_SLOPE), 100 * lb_matrix_get (groups, i, COLUMN_RANDOM),
          lb_matrix_get (groups, i, COLUMN_EXPLAINED));
      for (guint share = 0; share < N_SHARES; share++)
        g_string_append_printf (text, " %s %.1f", share_names[share],
                                100 * lb_matrix_get (groups, i, COLUMN_SHARES + share));
      g_test_message ("%s", text->str);
    }
}

/* The row of the array "groups" of signed products with that light; NULL: none. */
static const float *
find_group (LbCalibration *verification, guint length, gboolean is_signed, double photons)
{
  const LbMatrix *groups = lb_calibration_get_array (verification, "groups");

  for (gsize i = 0; i < groups->rows; i++)
    {
      const float *row = lb_matrix_row (groups, i);

      if (row[COLUMN_LENGTH] == length && (row[COLUMN_SIGNED] > 0) == is_signed &&
          fabs (row[COLUMN_PHOTONS] / photons - 1) < 0.2)
        return row;
    }
  g_assert_not_reached ();
}

/* Normalised error squared: what the shares are shares of. */
static double
mean_square (const float *group)
{
  return (double) group[COLUMN_ERROR] * group[COLUMN_ERROR];
}

static double
part_of (const float *group, guint share)
{
  return mean_square (group) * group[COLUMN_SHARES + share];
}

/* ---- Worlds as they are --------------------------------------------------------- */

static CalibrationWorld *base;
static LbFidelity world_fidelity = LB_FIDELITY_FAST;

/* World 1 stays for the tests that change one thing of it. */
static CalibrationWorld *
get_world (guint seed)
{
  CalibrationWorld *world;

  if (seed == 1 && base != NULL)
    return base;
  world = calibration_world_new (world_fidelity, seed, NULL);
  calibration_world_run (world, "crosstalk");
  calibration_world_run (world, "verification");
  if (seed == 1)
    base = world;
  return world;
}

/* Signed products at the usual light. */
static void
check_group (CalibrationWorld *world, LbCalibration *verification, const float *row)
{
  const guint length = (guint) row[COLUMN_LENGTH];
  g_autofree char *slope = g_strdup_printf ("slope, d = %u", length);
  g_autofree char *name = g_strdup_printf ("normalised error, d = %u", length);

  calibration_world_check (world, verification, slope, fabs (row[COLUMN_SLOPE] - 1), 0.012);
  calibration_world_check (world, verification, name, row[COLUMN_ERROR], length >= 64 ? 0.021 : 0.04);
  g_assert_cmpfloat (row[COLUMN_BEFORE], >, 2 * row[COLUMN_ERROR]);
}

/* Variance of a camera pixel without light and without the converter's steps, in
 * electrons; rows of pixels share some. */
static double
measured_noise2 (CalibrationWorld *world)
{
  return pow (calibration_world_get_truth (world, "read_noise"), 2);
}

/* What scatters is what shot noise, read noise, the camera's rounding and jitter are
 * said to do. A variance from few products is a poor one, so that all lengths count
 * together, by their products. */
static void
check_random_shares (CalibrationWorld *world, LbCalibration *verification, gboolean is_signed)
{
  const LbMatrix *groups = lb_calibration_get_array (verification, "groups");
  const double step2 = pow (calibration_world_get_truth (world, "electrons_per_dn"), 2) / 12;
  const double rounding = step2 / measured_noise2 (world);
  double sum = 0, count = 0;

  for (gsize i = 0; i < groups->rows; i++)
    {
      const float *row = lb_matrix_row (groups, i);

      if ((row[COLUMN_SIGNED] > 0) != is_signed || row[COLUMN_PHOTONS] < 1500 || row[COLUMN_PHOTONS] > 3000)
        continue;
      sum += row[COLUMN_COUNT] *
             (row[COLUMN_SHARES] + row[COLUMN_SHARES + 1] * (1 + rounding) + row[COLUMN_SHARES + 2]) /
             row[COLUMN_RANDOM];
      count += row[COLUMN_COUNT];
    }
  g_test_message ("%s: the shares of %s products explain %.3f of their scatter", world->name,
                  is_signed ? "signed" : "positive", sum / count);
  g_assert_cmpfloat_with_epsilon (sum / count, 1, 0.06);
}

static void
check_figures (CalibrationWorld *world, LbCalibration *verification)
{
  const LbMatrix *groups = lb_calibration_get_array (verification, "groups");
  double products[2] = { 0 };

  for (gsize i = 0; i < groups->rows; i++)
    {
      const float *row = lb_matrix_row (groups, i);
      double sum = 0;

      for (guint share = 0; share < N_SHARES; share++)
        sum += row[COLUMN_SHARES + share];
      g_assert_cmpfloat_with_epsilon (sum, 1, 1e-4);
      products[row[COLUMN_SIGNED] > 0] += row[COLUMN_COUNT];
      if (!(row[COLUMN_SIGNED] > 0) || row[COLUMN_PHOTONS] < 1500 || row[COLUMN_PHOTONS] > 3000)
        continue;
      check_group (world, verification, row);
    }
  check_random_shares (world, verification, TRUE);
  check_random_shares (world, verification, FALSE);
  g_assert_cmpfloat (products[0], >=, 1000);
  g_assert_cmpfloat (products[1], >=, 1000);
}

static int
compare_values (gconstpointer a, gconstpointer b)
{
  const double x = *(const double *) a, y = *(const double *) b;

  return (x > y) - (x < y);
}

/* Probability that two samples of one distribution differ as much (Kolmogorov's
 * distribution; Press et al., Numerical Recipes, 3rd edition, section 14.3.3). */
static double
same_distribution (double *a, gsize count_a, double *b, gsize count_b)
{
  const double n = (double) count_a * (double) count_b / (double) (count_a + count_b);
  double largest = 0, lambda, sum = 0;
  gsize i = 0, j = 0;

  qsort (a, count_a, sizeof *a, compare_values);
  qsort (b, count_b, sizeof *b, compare_values);
  while (i < count_a && j < count_b)
    {
      if (a[i] <= b[j])
        i++;
      else
        j++;
      largest = MAX (largest, fabs ((double) i / (double) count_a - (double) j / (double) count_b));
    }
  lambda = (sqrt (n) + 0.12 + 0.11 / sqrt (n)) * largest;
  for (guint k = 1; k <= 100; k++)
    sum += (k % 2 != 0 ? 2 : -2) * exp (-2.0 * k * k * lambda * lambda);
  return lambda < 0.2 ? 1 : CLAMP (sum, 0, 1);
}

/* Held-out products of one length, sign and light. */
typedef struct
{
  guint length, count;
  gboolean is_signed;
  double photons;
} HeldOutCase;

typedef struct
{
  HeldOutCase what;
  LbMatrix *a, *b;
  double *ideal;
} HeldOut;

/* Draws of the model for each product that the bench measures. */
#define DRAWS 8
/* Products, and as many draws, whose distributions are compared; the size is that of all. */
#define COMPARED 600

static void
held_out_init (HeldOut *self, guint seed, const HeldOutCase *what)
{
  const LbRandomKey key = lb_random_key_derive (lb_random_key (seed), 77);
  const float low = what->is_signed ? -1 : 0;

  *self = (HeldOut){ *what, lb_matrix_new (what->count, what->length),
                     lb_matrix_new (what->count, what->length), g_new0 (double, what->count) };
  for (guint r = 0; r < what->count; r++)
    for (guint i = 0; i < what->length; i++)
      {
        const guint64 at = (guint64) r * what->length + i;

        lb_matrix_row (self->a, r)[i] = low + (1 - low) * lb_random_uniform_at (key, 0, at);
        lb_matrix_row (self->b, r)[i] = low + (1 - low) * lb_random_uniform_at (key, 1, at);
        self->ideal[r] += (double) lb_matrix_get (self->a, r, i) * lb_matrix_get (self->b, r, i);
      }
}

static void
held_out_clear (HeldOut *self)
{
  lb_matrix_unref (self->a);
  lb_matrix_unref (self->b);
  g_free (self->ideal);
}

static double *
errors_of_bench (const HeldOut *self, CalibrationWorld *world)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (LbOpticsModel) model = lb_calibration_set_make_model (world->set, world->bench, TRUE, &error);
  g_autoptr (LbOpticalPath) path = NULL;
  g_autoptr (LbMatrix) out = lb_matrix_new (self->what.count, 1);
  double *errors = g_new (double, self->what.count);

  g_assert_no_error (error);
  path = lb_optical_path_new (world->bench, model);
  lb_optical_path_set_ordinal (path, 4000 + self->what.length + (guint64) self->what.photons);
  lb_optical_path_multiply (path, self->a, self->b, TRUE, self->what.photons, out, NULL, NULL, NULL, NULL,
                            &error);
  g_assert_no_error (error);
  for (guint r = 0; r < self->what.count; r++)
    errors[r] = lb_matrix_get (out, r, 0) - self->ideal[r];
  return errors;
}

/* What the model is told of the products; @sums: (12, count), filled. */
static LbBenchNoiseInput
describe_products (const HeldOut *self, double *sums, double *scale)
{
  g_autoptr (LbOperand) a = lb_operand_new (self->a, LB_SCALE_BY_ROW);
  g_autoptr (LbOperand) b = lb_operand_new (self->b, LB_SCALE_WHOLE);
  const guint count = self->what.count, length = self->what.length;
  LbBenchNoiseInput input = {
    .length = length, .count = count, .photons_per_mac = self->what.photons, .scale = scale
  };

  for (guint pass = 0; pass < (self->what.is_signed ? LB_NOISE_PASSES : 1u); pass++)
    {
      const LbMatrix *x = pass % 2 == 0 ? a->positive : a->negative;
      const LbMatrix *w = pass / 2 == 0 ? b->positive : b->negative;
      double *products = sums + 3 * pass * count, *sums_x = products + count, *sums_w = sums_x + count;

      input.used[pass] = TRUE;
      input.signs[pass] = pass % 2 == pass / 2 ? 1 : -1;
      input.products[pass] = products;
      input.sums_x[pass] = sums_x;
      input.sums_w[pass] = sums_w;
      for (guint r = 0; r < count; r++)
        {
          scale[r] = (double) a->scale[r] * b->scale[r];
          for (guint i = 0; i < length; i++)
            {
              products[r] += (double) lb_matrix_get (x, r, i) * lb_matrix_get (w, r, i);
              sums_x[r] += lb_matrix_get (x, r, i);
              sums_w[r] += lb_matrix_get (w, r, i);
            }
          input.pass_mean[pass] += scale[r] * products[r] / count;
          input.mean_x += sums_x[r] / length / count / (self->what.is_signed ? LB_NOISE_PASSES : 1);
        }
    }
  return input;
}

/* (DRAWS, count), of the world's own noise: the same numbers in all worlds would be
 * off the same way in all of them. */
static double *
errors_of_model (const HeldOut *self, const LbBenchNoiseModel *noise, guint seed)
{
  const LbRandomKey key = lb_random_key_derive (lb_random_key (seed), 78 + (guint64) self->what.photons);
  const guint count = self->what.count;
  g_autofree double *sums = g_new0 (double, 12 * (gsize) count);
  g_autofree double *scale = g_new (double, count);
  const LbBenchNoiseInput input = describe_products (self, sums, scale);
  double *errors = g_new (double, DRAWS *(gsize) count);

  for (guint draw = 0; draw < DRAWS; draw++)
    {
      double *out = errors + (gsize) draw * count;

      lb_bench_noise_model_apply (noise, &input, lb_random_key_derive (key, 0), lb_random_key_derive (key, 1),
                                  (guint64) draw * count, out);
      for (guint r = 0; r < count; r++)
        out[r] -= self->ideal[r];
    }
  return errors;
}

/* rms, and the relative standard error that it has of so many independent values. */
static double
rms (const double *values, gsize count, double *relative_error)
{
  double square = 0, fourth = 0;

  for (gsize i = 0; i < count; i++)
    {
      square += pow (values[i], 2) / (double) count;
      fourth += pow (values[i], 4) / (double) count;
    }
  *relative_error = 0.5 * sqrt ((fourth / square / square - 1) / (double) count);
  return sqrt (square);
}

/* The error of held-out products, on the bench and by the model: the same size and
 * distribution. Sizes differ by what both samples and the fit scatter: worlds.py looks
 * at their mean over worlds. Positive products of one exposure share the error of its
 * light, so that Kolmogorov's distribution, which is of independent errors, says nothing
 * of them. */
static void
check_held_out (CalibrationWorld *world, const LbBenchNoiseModel *noise, const HeldOutCase *what, guint seed)
{
  HeldOut products;
  g_autofree double *bench = NULL;
  g_autofree double *model = NULL;
  double on_bench, by_model, bench_error, model_error, p;

  held_out_init (&products, seed, what);
  bench = errors_of_bench (&products, world);
  model = errors_of_model (&products, noise, seed);
  on_bench = rms (bench, what->count, &bench_error);
  by_model = rms (model, DRAWS * what->count, &model_error);
  p = same_distribution (bench, MIN (what->count, COMPARED), model, MIN (what->count, COMPARED));
  g_test_message ("%s: %u held-out %s products of %u elements, %.0f photons per MAC: rms error %.4f on the "
                  "bench, %.4f by the model, ratio %.4f +- %.4f, p = %.4f",
                  world->name, what->count, what->is_signed ? "signed" : "positive", what->length,
                  what->photons, on_bench, by_model, by_model / on_bench, hypot (bench_error, model_error),
                  p);
  if (what->is_signed)
    {
      g_assert_cmpfloat (p, >, 0.01);
      g_assert_cmpfloat (fabs (log (by_model / on_bench)), <, 0.12);
    }
  held_out_clear (&products);
}

/* The model dims each length as the encoder does, between the lengths that are verified
 * too: the darkest cells of the tiles, to which the others are dimmed, are not a smooth
 * function of the length. */
static void
check_dimming (CalibrationWorld *world, LbCalibration *verification)
{
  const LbMatrix *noise = lb_calibration_get_array (verification, "noise");
  g_autoptr (GError) error = NULL;
  g_autoptr (LbOpticsModel) model = lb_calibration_set_make_model (world->set, world->bench, TRUE, &error);
  gboolean between = FALSE;

  g_assert_no_error (error);
  for (gsize i = 0; i < noise->rows; i++)
    {
      const guint length = (guint) lb_matrix_get (noise, i, COLUMN_NOISE_LENGTH);
      LbLayout *layout =
          lb_layout_new (model, length, lb_matrix_get (noise, i, COLUMN_NOISE_SIGNED) > 0, 0, &error);
      double dimming = 0;

      g_assert_no_error (error);
      for (guint tile = 0; tile < layout->n_tiles; tile++)
        dimming += layout->tile_c0[tile] / layout->n_tiles;
      g_assert_cmpfloat_with_epsilon (lb_matrix_get (noise, i, COLUMN_NOISE_DIMMING), dimming, 1e-5);
      between = between || length == 128;
      lb_layout_unref (layout);
    }
  g_assert_true (between);
}

/* The file, read back, errs as the bench does on products that it has not seen. */
static void
check_noise_model (CalibrationWorld *world, guint seed)
{
  static const HeldOutCase held_out[] = { { 64, 2400, TRUE, 2000 },  { 64, 2400, TRUE, 200 },
                                          { 128, 1200, TRUE, 2000 }, { 256, 600, FALSE, 2000 },
                                          { 256, 600, FALSE, 200 },  { 64, 1200, TRUE, 20000 } };
  LbCalibration *verification = calibration_world_run (world, "verification");
  g_autoptr (GError) error = NULL;
  g_autoptr (LbBenchNoiseModel) made = lb_bench_noise_model_new (verification, &error);
  g_autofree char *path = g_build_filename (g_get_tmp_dir (), "lightbench-noise-XXXXXX", NULL);
  g_autoptr (LbBenchNoiseModel) noise = NULL;
  int descriptor = g_mkstemp (path);

  g_assert_no_error (error);
  g_assert_cmpint (descriptor, >=, 0);
  g_close (descriptor, NULL);
  g_assert_true (lb_bench_noise_model_save (made, path, &error));
  noise = lb_bench_noise_model_load (path, &error);
  g_assert_no_error (error);
  g_unlink (path);
  g_assert_cmpstr (lb_bench_noise_model_get_verification (noise), ==, lb_calibration_get_hash (verification));
  check_dimming (world, verification);
  for (guint i = 0; i < G_N_ELEMENTS (held_out); i++)
    check_held_out (world, noise, &held_out[i], seed);
}

static void
test_world (gconstpointer data)
{
  const guint seed = GPOINTER_TO_UINT (data);
  CalibrationWorld *world = get_world (seed);
  LbCalibration *verification = calibration_world_run (world, "verification");

  print_groups (verification);
  check_figures (world, verification);
  check_noise_model (world, seed);
  if (world != base)
    calibration_world_free (world);
}

/* ---- One imperfection switched off -------------------------------------------------- */

/* Verifies world 1, changed, by the calibration of world 1 as it is. */
static LbCalibration *
verify_changed (const char *const *changes)
{
  CalibrationWorld *world = get_world (1);
  g_autoptr (CalibrationWorld) changed = calibration_world_new (LB_FIDELITY_FAST, 1, changes);
  g_autoptr (GError) error = NULL;
  LbCalibration *result;

  for (guint i = 0; lb_calibration_steps_get ()[i] != NULL; i++)
    {
      g_autoptr (LbCalibration) one =
          lb_calibration_set_dup (world->set, lb_calibration_steps_get ()[i]->name);

      if (one != NULL)
        lb_calibration_set_put (changed->set, one);
    }
  result =
      lb_calibration_run_step (changed->bench, changed->set, "verification", 99, NULL, NULL, NULL, &error);
  g_assert_no_error (error);
  return result;
}

static void
check_switched_off (const char *const *changes, guint share, double photons)
{
  CalibrationWorld *world = get_world (1);
  LbCalibration *with = calibration_world_run (world, "verification");
  g_autoptr (LbCalibration) without = verify_changed (changes);
  const float *a = find_group (with, 64, TRUE, photons), *b = find_group (without, 64, TRUE, photons);
  const double gone = mean_square (a) - mean_square (b), said = part_of (a, share) - part_of (b, share);

  g_test_message (
      "%s at %.0f photons per MAC: %.1f %% of the mean square error went with it, %.1f %% was said",
      share_names[share], photons, 100 * gone / mean_square (a), 100 * said / mean_square (a));
  g_assert_cmpfloat (said, >, 0);
  g_assert_cmpfloat (fabs (gone - said), <, 0.2 * said + 0.04 * mean_square (a));
}

static void
test_read_noise (void)
{
  const char *changes[] = { "\"read_noise\": 1.6,\n    \"row_noise\": 0.5",
                            "\"read_noise\": 0.4,\n    \"row_noise\": 0", NULL };

  check_switched_off (changes, 1, 100);
}

static void
test_jitter (void)
{
  const char *changes[] = { "\"speckle_contrast\": 0.02", "\"speckle_contrast\": 0", NULL };

  check_switched_off (changes, 2, 2000);
}

/* More light instead: shot noise cannot be switched off. */
static void
test_shot_noise (void)
{
  LbCalibration *verification = calibration_world_run (get_world (1), "verification");
  const float *a = find_group (verification, 64, TRUE, 300), *b = find_group (verification, 64, TRUE, 2000);
  const double gone = mean_square (a) - mean_square (b);
  double said = 0, shares[LB_VERIFICATION_CAUSES];

  /* Quantisation is constant in electrons as read noise is. */
  for (guint share = 0; share < G_N_ELEMENTS (share_names); share++)
    if (share <= 1 || share == 3)
      said += part_of (a, share) - part_of (b, share);
  g_test_message (
      "shot noise, read noise and quantisation: %.3g of mean square error went with the light, %.3g was said",
      gone, said);
  g_assert_cmpfloat_with_epsilon (part_of (a, 0) / part_of (b, 0), b[COLUMN_PHOTONS] / a[COLUMN_PHOTONS],
                                  0.6);
  g_assert_cmpfloat (fabs (gone - said), <, 0.2 * said);
  /* What an experiment with less light is told, from the groups of the usual light. */
  g_assert_true (
      lb_verification_find_shares (verification, 64, TRUE, a[COLUMN_PHOTONS], a[COLUMN_ERROR], shares));
  for (guint share = 0; share < G_N_ELEMENTS (share_names); share++)
    if (share <= 1 || share == 3)
      {
        g_test_message ("%s: %.1f %%, told %.1f %%", share_names[share], 100 * a[COLUMN_SHARES + share],
                        100 * shares[share]);
        g_assert_cmpfloat (fabs (shares[share] - a[COLUMN_SHARES + share]), <,
                           0.02 + 0.2 * a[COLUMN_SHARES + share]);
      }
}

/* ---- A calibration that is wrong by a known amount ---------------------------------- */

static LbCalibration *
copy_result (LbCalibration *from)
{
  g_autoptr (GBytes) bytes = lb_calibration_to_bytes (from);
  g_autoptr (GError) error = NULL;
  g_autoptr (LbCalibration) read = lb_calibration_from_bytes (bytes, &error);
  LbCalibration *copy = lb_calibration_new (lb_calibration_get_step (from));
  static const char *const arrays[] = {
    "gain", "usable", "source_curve", "weight_curve", "source_range", "weight_range", NULL
  };

  g_assert_no_error (error);
  for (guint i = 0; arrays[i] != NULL; i++)
    if (lb_calibration_get_array (read, arrays[i]) != NULL)
      {
        g_autoptr (LbMatrix) array = lb_matrix_copy (lb_calibration_get_array (read, arrays[i]));

        lb_calibration_set_array (copy, arrays[i], array);
      }
  for (guint i = 0; i < lb_quantities_get_length (lb_calibration_values (read)); i++)
    {
      const LbQuantity *quantity = lb_quantities_get_nth (lb_calibration_values (read), i);

      if (quantity->text == NULL)
        lb_quantities_set (lb_calibration_values (copy), quantity->name, quantity->value, quantity->unit);
    }
  lb_quantities_set_text (lb_calibration_settings (copy), "fidelity", "fast");
  lb_calibration_set_verdict (copy, LB_VERDICT_PASS, 0, 1, "", "");
  return copy;
}

static void
check_damage (const char *step, void (*damage) (LbCalibration *), guint share)
{
  CalibrationWorld *world = get_world (1);
  LbCalibration *with = calibration_world_run (world, "verification");
  g_autoptr (LbCalibration) good = lb_calibration_set_dup (world->set, step);
  g_autoptr (LbCalibration) bad = copy_result (good);
  g_autoptr (LbCalibration) verification = NULL;
  g_autoptr (LbQuantities) identities = lb_bench_dup_identities (world->bench);
  g_autoptr (GError) error = NULL;
  const float *a, *b;
  double more, said, others = 0;

  damage (bad);
  lb_calibration_seal (bad, lb_calibration_get_time_us (good), 1, 1, identities);
  lb_calibration_set_put (world->set, bad);
  g_object_ref (with);
  verification =
      lb_calibration_run_step (world->bench, world->set, "verification", 98, NULL, NULL, NULL, &error);
  g_assert_no_error (error);
  lb_calibration_set_put (world->set, good);
  lb_calibration_set_put (world->set, with);
  g_object_unref (with);
  print_groups (verification);

  a = find_group (with, 64, TRUE, 2000);
  b = find_group (verification, 64, TRUE, 2000);
  more = mean_square (b) - mean_square (a);
  said = part_of (b, share) - part_of (a, share);
  for (guint i = 3; i < N_SHARES - 1; i++)
    if (i != share)
      others = MAX (others, part_of (b, i));
  g_test_message (
      "%s damaged: error %.2f %% instead of %.2f %%; %.3g more mean square error, %.3g said, at most "
      "%.3g to other causes",
      step, 100 * b[COLUMN_ERROR], 100 * a[COLUMN_ERROR], more, said, others);
  g_assert_cmpfloat (more, >, 0.5 * mean_square (a));
  g_assert_cmpfloat (fabs (more - said), <, 0.25 * more);
  g_assert_cmpfloat (others, <, 0.3 * said);
}

static void
damage_gain (LbCalibration *flat_field)
{
  LbMatrix *gain = lb_calibration_get_array (flat_field, "gain");

  for (gsize row = 0; row < gain->rows; row++)
    for (gsize i = 0; i < gain->columns; i++)
      lb_matrix_row (gain, row)[i] *=
          (float) (1 + 0.05 * lb_random_normal_at (lb_random_key (3), 0, row * gain->columns + i));
}

static void
damage_table (LbCalibration *response)
{
  LbMatrix *curve = lb_calibration_get_array (response, "source_curve");

  /* Says less in the middle than there is; floor and top stay. */
  for (gsize zone = 0; zone < curve->rows; zone++)
    for (gsize level = 0; level < curve->columns; level++)
      {
        float *value = &lb_matrix_row (curve, zone)[level];

        *value -= 0.2f * (*value - lb_matrix_get (curve, zone, 0)) * MAX (1 - *value, 0);
      }
}

static void
test_flat_field (void)
{
  check_damage ("flat-field", damage_gain, 5);
}

static void
test_tables (void)
{
  check_damage ("response", damage_table, 4);
}

/* ---- A world that has more of it, all measured anew ----------------------------------- */

static LbCalibration *
run_step (CalibrationWorld *world, const char *step)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (LbCalibration) result = lb_calibration_run_step (
      world->bench, world->set, step, world->next_ordinal++, NULL, NULL, NULL, &error);

  g_assert_no_error (error);
  g_test_message ("%s: %s. %s", step, lb_verdict_get_name (lb_calibration_get_verdict (result)),
                  lb_calibration_get_message (result));
  /* A failed one as well: it is what is to be looked at. */
  lb_calibration_set_put (world->set, result);
  return g_steal_pointer (&result);
}

/* The mean square error that @more has over @less at length 64 is what the split says
 * of all causes together, and among what is not random @share has got most. What is
 * switched brings a little of others with it: blur takes light, which is shot noise. */
static void
compare_worlds (LbCalibration *less, LbCalibration *more, guint share, double photons)
{
  const float *a = find_group (less, 64, TRUE, photons), *b = find_group (more, 64, TRUE, photons);
  const double gone = mean_square (b) - mean_square (a), own = part_of (b, share) - part_of (a, share);
  double said = 0, others = 0;

  for (guint i = 0; i < N_SHARES - 1; i++)
    {
      const double one = part_of (b, i) - part_of (a, i);

      said += one;
      if (i >= 3 && i != share)
        others = MAX (others, one);
    }
  g_test_message (
      "%s at %.0f photons per MAC: error %.2f %% instead of %.2f %%; %.3g more mean square error, "
      "%.3g said of all causes, %.3g of this one, at most %.3g of another systematic one",
      share_names[share], photons, 100 * b[COLUMN_ERROR], 100 * a[COLUMN_ERROR], gone, said, own, others);
  g_assert_cmpfloat (gone, >, 0.2 * mean_square (a));
  g_assert_cmpfloat (fabs (gone - said), <, 0.25 * gone + 0.04 * mean_square (b));
  g_assert_cmpfloat (own, >, others);
}

/* Blur by half as much again. A gain holds a macropixel's own light, so that the slope
 * stays; what comes from the neighbours is an error. */
static void
test_crosstalk (void)
{
  const char *changes[] = { "\"source_blur_px\": 0.35", "\"source_blur_px\": 0.5", NULL };
  g_autoptr (CalibrationWorld) sharp = calibration_world_new (LB_FIDELITY_FAST, 5, NULL);
  g_autoptr (CalibrationWorld) world = calibration_world_new (LB_FIDELITY_FAST, 5, changes);
  g_autoptr (LbCalibration) verification = NULL;

  calibration_world_run (world, "crosstalk");
  verification = run_step (world, "verification");
  print_groups (verification);
  calibration_world_run (sharp, "crosstalk");
  compare_worlds (calibration_world_run (sharp, "verification"), verification, 6, 10000);
}

/* The source moves by a quarter of a macropixel after the alignment. */
static void
test_misalignment (void)
{
  static const char *const again[] = { "response", "background", "flat-field", "crosstalk" };
  g_autoptr (CalibrationWorld) world = calibration_world_new (LB_FIDELITY_FAST, 1, NULL);
  g_autoptr (LbCalibration) verification = NULL;

  calibration_world_run (world, "alignment");
  g_assert_true (lb_simulated_set_fault (calibration_world_get_camera (world), "misalign", TRUE));
  for (guint i = 0; i < G_N_ELEMENTS (again); i++)
    g_object_unref (run_step (world, again[i]));
  verification = run_step (world, "verification");
  print_groups (verification);
  compare_worlds (calibration_world_run (get_world (1), "verification"), verification, 7, 10000);
}

/* A converter of 16 bits instead of 12 over the same range: what its steps add to
 * the variance (n K^2 / 12, optics.md) is not there. */
static void
test_quantisation (void)
{
  const char *changes[] = { "\"bits\": 12",
                            "\"bits\": 16",
                            "\"electrons_per_dn\": 2.5",
                            "\"electrons_per_dn\": 0.15625",
                            "\"offset_dn\": 64",
                            "\"offset_dn\": 1024",
                            "\"offset_pattern_dn\": 2",
                            "\"offset_pattern_dn\": 32",
                            NULL };
  g_autoptr (CalibrationWorld) fine = calibration_world_new (LB_FIDELITY_FAST, 1, changes);
  LbCalibration *with = calibration_world_run (get_world (1), "verification");
  g_autoptr (LbCalibration) without = NULL;
  const float *a, *b;
  double step2, expected, said;

  for (guint i = 0; !g_str_equal (lb_calibration_steps_get ()[i]->name, "verification"); i++)
    g_object_unref (run_step (fine, lb_calibration_steps_get ()[i]->name));
  without = run_step (fine, "verification");
  print_groups (without);
  a = find_group (with, 64, TRUE, 100);
  b = find_group (without, 64, TRUE, 100);
  /* What is left at much light, on both sides, is of the planes' levels. */
  step2 = pow (calibration_world_get_truth (get_world (1), "electrons_per_dn"), 2) / 12;
  expected = part_of (a, 1) * step2 / measured_noise2 (get_world (1));
  said = part_of (a, 3) - part_of (b, 3);
  g_test_message (
      "quantisation at 100 photons per MAC: %.2f %% of the mean square error went with it, %.2f %% "
      "was said, the converter's step gives %.2f %%",
      100 * (mean_square (a) - mean_square (b)) / mean_square (a), 100 * said / mean_square (a),
      100 * expected / mean_square (a));
  g_assert_cmpfloat (fabs (said / expected - 1), <, 0.1);
  g_assert_cmpfloat (fabs (mean_square (a) - mean_square (b) - said), <, 0.2 * said + 0.06 * mean_square (a));
}

/* ---- Files that are no noise model ---------------------------------------------------- */

#define KNOT                                                                                                 \
  "{\"length\": 64, \"passes\": 4, \"read_variance\": 900, \"gaussian\": 0.01, \"systematic\": 0.002, "      \
  "\"bias\": 0, \"background\": 0.02, \"dimming\": 0.6, \"reference\": 100, "                                \
  "\"reference_variance\": 500, \"frame_photons\": 40, \"light\": [1, 1, 1, 1, 1, 1, 1, 1]}"
#define FILE_TEXT(format, efficiency, knots)                                                                 \
  "{\"format\": \"" format                                                                                   \
  "\", \"version\": 2, \"verification\": \"x\", \"quantum_efficiency\": " efficiency                         \
  ", \"path_transmission\": 0.7, \"source_floor\": 0.005, \"weight_floor\": 0.01, "                          \
  "\"knots\": " knots "}"

static void
test_damaged_files (void)
{
  static const char *const bad[] = {
    "",
    "[]",
    "{",
    "nonsense",
    "{\"format\": \"lightbench-noise-model\"}",
    FILE_TEXT ("other", "0.7", "[" KNOT "]"),
    FILE_TEXT ("lightbench-noise-model", "-1", "[" KNOT "]"),
    FILE_TEXT ("lightbench-noise-model", "\"high\"", "[" KNOT "]"),
    FILE_TEXT ("lightbench-noise-model", "1e999", "[" KNOT "]"),
    FILE_TEXT ("lightbench-noise-model", "0.7", "[]"),
    FILE_TEXT ("lightbench-noise-model", "0.7", "[1, 2]"),
    FILE_TEXT ("lightbench-noise-model", "0.7", "{}"),
    FILE_TEXT ("lightbench-noise-model", "0.7", "[{\"length\": 64}]"),
  };
  const char *text = FILE_TEXT ("lightbench-noise-model", "0.7", "[" KNOT "]");
  g_autoptr (GError) error = NULL;
  g_autoptr (LbBenchNoiseModel) good = lb_bench_noise_model_parse (text, -1, &error);
  g_autoptr (LbBenchNoiseModel) again = NULL;
  g_autofree char *json = NULL;
  g_autofree char *json_again = NULL;

  g_assert_no_error (error);
  json = lb_bench_noise_model_to_json (good);
  again = lb_bench_noise_model_parse (json, -1, &error);
  g_assert_no_error (error);
  json_again = lb_bench_noise_model_to_json (again);
  g_assert_cmpstr (json, ==, json_again);
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GError) refused = NULL;

      g_assert_null (lb_bench_noise_model_parse (bad[i], -1, &refused));
      g_assert_error (refused, LB_CALIBRATION_ERROR, LB_CALIBRATION_ERROR_FORMAT);
    }
  g_assert_null (lb_bench_noise_model_load ("/no/such/file.json", &error));
  g_assert_error (error, G_FILE_ERROR, G_FILE_ERROR_NOENT);
}

/* What is asked of the model is what comes: mean and variance of each part. */
static void
test_model_statistics (void)
{
  enum
  {
    COUNT = 20000
  };
  g_autoptr (GError) error = NULL;
  g_autoptr (LbBenchNoiseModel) noise =
      lb_bench_noise_model_parse (FILE_TEXT ("lightbench-noise-model", "0.7", "[" KNOT "]"), -1, &error);
  g_autofree double *products = g_new (double, COUNT);
  g_autofree double *sums = g_new (double, COUNT);
  g_autofree double *scale = g_new (double, COUNT);
  g_autofree double *out = g_new (double, COUNT);
  g_autofree double *again = g_new (double, COUNT);
  LbBenchNoiseInput input = {
    .length = 64, .count = COUNT, .photons_per_mac = 100, .mean_x = 0.25, .scale = scale
  };
  const double fx = 0.005, fw = 0.01, c0 = 0.6, a = c0 * (1 - fx) * (1 - fw);
  const double light = 100 * 0.7 * 0.7 / (fx + (1 - fx) * 0.25);
  const double y = a * 4 + fw * (1 - fx) * 16 + fx * (1 - fw) * c0 * 16 + (fx * fw + 0.02) * 64;
  double expected, sum = 0, squares = 0;

  g_assert_no_error (error);
  for (guint i = 0; i < COUNT; i++)
    {
      products[i] = 4;
      sums[i] = 16;
      scale[i] = 2;
    }
  for (guint pass = 0; pass < LB_NOISE_PASSES; pass++)
    {
      input.used[pass] = TRUE;
      input.signs[pass] = pass % 2 == pass / 2 ? 1 : -1;
      input.products[pass] = products;
      input.sums_x[pass] = input.sums_w[pass] = sums;
      input.pass_mean[pass] = 8;
    }
  lb_bench_noise_model_apply (noise, &input, lb_random_key (1), lb_random_key (2), 0, out);
  for (guint i = 0; i < COUNT; i++)
    {
      sum += out[i] / COUNT;
      squares += out[i] * out[i] / COUNT;
    }
  /* Four passes of shot noise and the read noise of three frames each, and two Gaussians
   * of the passes' means, of which the random one is averaged over the frames. The light
   * of an exposure is common to a positive and a negative pass, which are alike here. */
  expected =
      4 * 4 * (y / light + 3 * 900 / light / light) / a / a + 4 * 64 * (0.01 * 0.01 / 3 + 0.002 * 0.002);
  g_test_message ("mean %.4f, variance %.4f of %.4f", sum, squares, expected);
  g_assert_cmpfloat (fabs (sum), <, 4 * sqrt (expected / COUNT));
  g_assert_cmpfloat (fabs (squares / expected - 1), <, 4 * sqrt (2.0 / COUNT));

  /* One pass: what the reference patches scatter does not cancel. */
  input.used[1] = input.used[2] = input.used[3] = FALSE;
  lb_bench_noise_model_apply (noise, &input, lb_random_key (1), lb_random_key (2), 0, out);
  squares = 0;
  for (guint i = 0; i < COUNT; i++)
    squares += pow (out[i] - 8, 2) / COUNT;
  expected = 4 * (y / light + 3 * 900 / light / light) / a / a + 64 * (0.01 * 0.01 / 3 + 0.002 * 0.002) +
             pow (2 * y / a, 2) * (100 * light + 3 * 500) / pow (100 * light, 2);
  g_test_message ("variance %.4f of %.4f", squares, expected);
  g_assert_cmpfloat (fabs (squares / expected - 1), <, 4 * sqrt (2.0 / COUNT));
  input.used[1] = input.used[2] = input.used[3] = TRUE;
  lb_bench_noise_model_apply (noise, &input, lb_random_key (1), lb_random_key (2), 0, out);

  /* The same numbers whatever the division over calls. */
  input.count = COUNT / 2;
  lb_bench_noise_model_apply (noise, &input, lb_random_key (1), lb_random_key (2), 0, again);
  lb_bench_noise_model_apply (noise, &input, lb_random_key (1), lb_random_key (2), COUNT / 2,
                              again + COUNT / 2);
  g_assert_cmpmem (out, COUNT * sizeof *out, again, COUNT * sizeof *again);
}

int
main (int argc, char *argv[])
{
  guint64 first = 1, last = 3;
  gboolean given;
  int failed;

  g_test_init (&argc, &argv, NULL);
  given = calibration_fixture_get_worlds (&world_fidelity, &first, &last);
  for (guint64 seed = first; seed <= last; seed++)
    {
      g_autofree char *path =
          g_strdup_printf ("/verification/world-%" G_GUINT64_FORMAT "-errs-as-its-split-and-model-say", seed);

      g_test_add_data_func (path, GUINT_TO_POINTER (seed), test_world);
    }
  if (!given)
    {
      g_test_add_func ("/noise-model/damaged-files-are-refused", test_damaged_files);
      g_test_add_func ("/noise-model/noise-has-the-variance-that-it-says", test_model_statistics);
      g_test_add_func ("/verification/less-light-is-more-shot-noise", test_shot_noise);
    }
  if (argc > 1 && g_str_equal (argv[1], "causes"))
    {
      g_test_add_func ("/verification/read-noise-switched-off", test_read_noise);
      g_test_add_func ("/verification/speckle-switched-off", test_jitter);
      g_test_add_func ("/verification/damaged-flat-field-is-named", test_flat_field);
      g_test_add_func ("/verification/damaged-table-is-named", test_tables);
      g_test_add_func ("/verification/blur-is-named-crosstalk", test_crosstalk);
      g_test_add_func ("/verification/a-displaced-source-is-named-misalignment", test_misalignment);
      g_test_add_func ("/verification/quantisation-switched-off", test_quantisation);
    }
  failed = g_test_run ();
  g_clear_pointer (&base, calibration_world_free);
  return failed;
}
