/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-verification-private.h"

#include <glib/gi18n-lib.h>
#include <math.h>
#include <string.h>

/* Limit of the normalised error of signed products of 64 elements and more, and
 * of the slope's distance from 1 (optics.md, "Figures of merit"). */
#define ERROR_LIMIT 0.021
#define SLOPE_LIMIT 0.01
#define JUDGED_LENGTH 64u
#define PHOTONS 2000.0
/* No group takes more weight patterns than that, nor a sweep more than one. */
#define PATTERNS_MAX 24u
#define SWEEP_COUNT 200u
#define BEFORE_COUNT 100u
#define GROUPS_MAX 24
/* Macropixels of a tile beside its elements, for the forecast. */
#define SLOT_BORDER 12

/* Products of each length; those of the first lengths alone are over 1,000. */
static const struct
{
  guint length, count;
} lengths[] = { { 16, 768 }, { 64, 384 }, { 256, 96 }, { 1024, 32 }, { 4096, 12 } };

/* Light of the sweep beside PHOTONS. */
static const double sweep[] = { 30, 100, 300, 1000, 10000 };

typedef enum
{
  KIND_SIGNED,
  KIND_POSITIVE,
  KIND_SWEEP,
} Kind;

typedef struct
{
  LbCalibrationContext *context;
  LbVerificationElements elements;
  LbVerificationDark dark;
  LbOpticsModel *model, *nominal;
  LbEncoder *encoder, *nominal_encoder;
  LbVerificationGroup groups[GROUPS_MAX];
  Kind kinds[GROUPS_MAX];
  guint n_groups;
} VerificationWork;

static void
verification_work_clear (VerificationWork *work)
{
  lb_verification_elements_clear (&work->elements);
  lb_verification_dark_clear (&work->dark);
  for (guint i = 0; i < work->n_groups; i++)
    lb_verification_group_clear (&work->groups[i]);
  g_clear_pointer (&work->encoder, lb_encoder_free);
  g_clear_pointer (&work->nominal_encoder, lb_encoder_free);
  g_clear_pointer (&work->model, lb_optics_model_unref);
  g_clear_pointer (&work->nominal, lb_optics_model_unref);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (VerificationWork, verification_work_clear)

static void
add_group (VerificationWork *work, Kind kind, guint length, guint count, double photons)
{
  work->kinds[work->n_groups] = kind;
  work->groups[work->n_groups++] = (LbVerificationGroup){ .length = length,
                                                          .is_signed = kind != KIND_POSITIVE,
                                                          .count = count,
                                                          .photons = photons,
                                                          .uncalibrated = NAN };
}

/* Lengths up to the longest that stands on the planes in one piece. */
static gboolean
plan_groups (VerificationWork *work, GError **error)
{
  for (guint i = 0; i < G_N_ELEMENTS (lengths); i++)
    {
      g_autoptr (LbLayout) layout = lb_layout_new (work->model, lengths[i].length, TRUE, 0, error);
      guint count;

      if (layout == NULL)
        return FALSE;
      if (layout->segments > 1)
        break;
      count = MIN (lengths[i].count, PATTERNS_MAX * layout->slots);
      add_group (work, KIND_SIGNED, lengths[i].length, count, PHOTONS);
      add_group (work, KIND_POSITIVE, lengths[i].length, count, PHOTONS);
      for (guint light = 0; lengths[i].length == JUDGED_LENGTH && light < G_N_ELEMENTS (sweep); light++)
        add_group (work, KIND_SWEEP, lengths[i].length, CLAMP (layout->slots, SWEEP_COUNT / 2, SWEEP_COUNT),
                   sweep[light]);
    }
  if (work->n_groups > 0)
    return TRUE;
  g_set_error (error, LB_CALIBRATION_ERROR, LB_CALIBRATION_ERROR_SIGNAL,
               _ ("There is no room for %u elements in one piece: check the alignment and the flat field"),
               lengths[0].length);
  return FALSE;
}

/* One layout of each length and sign. */
static gboolean
measure_dark (VerificationWork *work, GCancellable *cancellable, GError **error)
{
  LbCapture *capture = &work->elements.probe.capture;

  for (guint i = 0; i < work->n_groups; i++)
    {
      g_autoptr (LbLayout) layout = NULL;

      if (work->kinds[i] == KIND_SWEEP)
        continue;
      layout = lb_layout_new (work->model, work->groups[i].length, work->groups[i].is_signed, 0, error);
      if (layout == NULL)
        return FALSE;
      lb_verification_dark_add_layout (&work->dark, layout);
    }
  capture->fraction_from = 0.3;
  capture->fraction_to = 0.32;
  return lb_verification_dark_measure (&work->dark, capture, cancellable, error);
}

/* The same with nominal values: what calibration is good for. */
static gboolean
measure_before (VerificationWork *work, LbVerificationGroup *group, GCancellable *cancellable, GError **error)
{
  LbVerificationGroup before = { .length = group->length,
                                 .is_signed = group->is_signed,
                                 .photons = group->photons,
                                 .count = MIN (group->count, BEFORE_COUNT),
                                 .fraction_from = group->fraction_to,
                                 .fraction_to = group->fraction_to };
  gboolean done = lb_verification_group_measure (&before, work->context, work->nominal, work->nominal_encoder,
                                                 NULL, NULL, group->length, cancellable, error);

  if (done)
    {
      lb_verification_group_split (&before);
      group->uncalibrated = before.figures.normalised_error;
    }
  lb_verification_group_clear (&before);
  return done;
}

static void
drop_group (VerificationWork *work, guint nth)
{
  lb_verification_group_clear (&work->groups[nth]);
  work->n_groups--;
  memmove (&work->groups[nth], &work->groups[nth + 1], (work->n_groups - nth) * sizeof *work->groups);
  memmove (&work->kinds[nth], &work->kinds[nth + 1], (work->n_groups - nth) * sizeof *work->kinds);
}

/* FALSE with @error. A point of the sweep at which the light is too little to be measured in
 * the reference patches, as where many camera pixels share it, is left out. */
static gboolean
measure_group (VerificationWork *work, guint *nth, guint64 key, GCancellable *cancellable, GError **error)
{
  LbVerificationGroup *group = &work->groups[*nth];
  g_autoptr (GError) local_error = NULL;

  if (lb_verification_group_measure (group, work->context, work->model, work->encoder, &work->elements,
                                     &work->dark, key, cancellable, &local_error))
    {
      lb_verification_group_split (group);
      (*nth)++;
      return work->kinds[*nth - 1] != KIND_SIGNED || measure_before (work, group, cancellable, error);
    }
  if (work->kinds[*nth] == KIND_SWEEP && g_error_matches (local_error, LB_OPTICS_ERROR, LB_OPTICS_ERROR_DARK))
    {
      drop_group (work, *nth);
      return TRUE;
    }
  g_propagate_error (error, g_steal_pointer (&local_error));
  return FALSE;
}

static gboolean
measure_groups (VerificationWork *work, GCancellable *cancellable, GError **error)
{
  guint64 key = 1000;

  for (guint i = 0; i < work->n_groups;)
    {
      LbVerificationGroup *group = &work->groups[i];

      group->fraction_from = 0.32 + 0.66 * i / work->n_groups;
      group->fraction_to = 0.32 + 0.66 * (i + 1) / work->n_groups;
      if (!measure_group (work, &i, key++, cancellable, error))
        return FALSE;
    }
  return TRUE;
}

/* ---- What comes of it ------------------------------------------------------------ */

static LbMatrix *
groups_matrix (const VerificationWork *work)
{
  LbMatrix *matrix = lb_matrix_new (work->n_groups, LB_N_COLUMNS + LB_N_SHARES);

  for (guint i = 0; i < work->n_groups; i++)
    {
      const LbVerificationGroup *group = &work->groups[i];
      const LbFiguresOfMerit *figures = &group->figures;
      float *row = lb_matrix_row (matrix, i);

      row[LB_COLUMN_LENGTH] = (float) group->length;
      row[LB_COLUMN_SIGNED] = group->is_signed;
      row[LB_COLUMN_PHOTONS] = (float) group->photons_per_mac;
      row[LB_COLUMN_ELECTRONS] = (float) group->electrons_per_mac;
      row[LB_COLUMN_COUNT] = (float) group->count;
      row[LB_COLUMN_ERROR] = (float) figures->normalised_error;
      row[LB_COLUMN_BEFORE] = (float) group->uncalibrated;
      row[LB_COLUMN_BIAS] = (float) figures->bias;
      row[LB_COLUMN_SLOPE] = (float) figures->slope;
      row[LB_COLUMN_SLOPE_LOW] = (float) figures->slope_low;
      row[LB_COLUMN_SLOPE_HIGH] = (float) figures->slope_high;
      row[LB_COLUMN_RELATIVE] = (float) figures->relative_error;
      row[LB_COLUMN_CORRELATION] = (float) figures->correlation;
      row[LB_COLUMN_BITS] = (float) figures->effective_bits;
      row[LB_COLUMN_RANDOM] = (float) (group->random / MAX (group->mean_square, 1e-30));
      row[LB_COLUMN_SWEEP] = work->kinds[i] == KIND_SWEEP;
      row[LB_COLUMN_EXPLAINED] = (float) group->explained;
      row[LB_COLUMN_CONVERTER] =
          (float) (group->variance[LB_RANDOM_CONVERTER] / MAX (group->mean_square, 1e-30));
      for (guint share = 0; share < LB_N_SHARES; share++)
        row[LB_N_COLUMNS + share] = (float) group->shares[share];
    }
  return matrix;
}

static double
root (double square)
{
  return sqrt (MAX (square, 0));
}

/* The noise model of the usual light: it follows another by its photons. */
static LbMatrix *
noise_matrix (const VerificationWork *work, GError **error)
{
  const LbVerificationGroup *groups[GROUPS_MAX];
  guint count = 0;

  for (guint i = 0; i < work->n_groups; i++)
    if (work->kinds[i] != KIND_SWEEP)
      groups[count++] = &work->groups[i];
  return lb_verification_fit_noise (groups, count, work->model, error);
}

static const LbVerificationGroup *
find_group (const VerificationWork *work, Kind kind, guint length)
{
  for (guint i = 0; i < work->n_groups; i++)
    if (work->kinds[i] == kind && work->groups[i].length == length)
      return &work->groups[i];
  return &work->groups[0];
}

/* What single macropixels and the tables are off by. */
static void
add_elements (const LbVerificationElements *elements, LbQuantities *values)
{
  const guint n_tiles = elements->probe.layout->n_tiles;
  double mean = 0, square = 0, dark = 0;

  for (guint tile = 0; tile < n_tiles; tile++)
    {
      const guint32 cell = lb_cell_probe_cell (&elements->probe, tile);
      const double a = elements->gain_error[0][cell], b = elements->gain_error[1][cell];
      const guint zone = elements->zone[cell];

      mean += 0.5 * (a + b) / n_tiles;
      square += a * b / n_tiles;
      dark += 0.5 * (elements->dark_error[0][zone] + elements->dark_error[1][zone]) / n_tiles;
    }
  lb_quantities_set (values, "gain_error_mean", 100 * mean, "%");
  lb_quantities_set (values, "gain_error", 100 * root (square - mean * mean), "%");
  lb_quantities_set (values, "dark_error_mean", 100 * dark, "%");
  for (guint plane = 0; plane < 2; plane++)
    {
      double floor_error = 0;

      for (guint zone = 0; zone < LB_LEAK_ZONES; zone++)
        floor_error += 0.5 *
                       (elements->table_error[0][plane][0][zone] + elements->table_error[1][plane][0][zone]) /
                       LB_LEAK_ZONES;
      lb_quantities_set (values, plane == 0 ? "source_floor_error_mean" : "weight_floor_error_mean",
                         100 * floor_error, "%");
    }
  lb_quantities_set (values, "speckle", 100 * elements->speckle, "%");
}

static void
add_values (const VerificationWork *work, LbCalibration *result)
{
  const LbVerificationGroup *group = find_group (work, KIND_SIGNED, JUDGED_LENGTH);
  LbQuantities *values = lb_calibration_values (result);
  const LbFiguresOfMerit *figures = &group->figures;

  lb_quantities_set (values, "normalised_error", figures->normalised_error, "");
  lb_quantities_set (values, "normalised_error_uncalibrated", group->uncalibrated, "");
  lb_quantities_set (values, "bias", figures->bias, "");
  lb_quantities_set (values, "slope", figures->slope, "");
  lb_quantities_set (values, "relative_error", figures->relative_error, "");
  lb_quantities_set (values, "correlation", figures->correlation, "");
  lb_quantities_set (values, "effective_bits", figures->effective_bits, "");
  lb_quantities_set (values, "photons_per_mac", group->photons_per_mac, "");
  lb_quantities_set (values, "photons_per_mac_detected", group->electrons_per_mac, "");
  for (guint share = 0; share < LB_N_SHARES; share++)
    {
      g_autofree char *name = g_strdup_printf ("share_%s", lb_share_names[share]);

      lb_quantities_set (values, name, 100 * group->shares[share], "%");
    }
  lb_quantities_set (values, "random", 100 * group->random / MAX (group->mean_square, 1e-30), "%");
  lb_quantities_set (values, "explained", group->explained, "");
  add_elements (&work->elements, values);
  lb_quantities_set (values, "quantum_efficiency", work->model->quantum_efficiency, "");
  lb_quantities_set (values, "path_transmission", work->model->path_transmission, "");
  lb_quantities_set (values, "source_floor", group->tiles.floors[0], "");
  lb_quantities_set (values, "weight_floor", group->tiles.floors[1], "");
  lb_quantities_set (lb_calibration_settings (result), "repeats", LB_VERIFICATION_REPEATS, "");
}

static void
add_error_figure (const VerificationWork *work, LbCalibration *result, gboolean against_photons)
{
  g_autoptr (LbFigure) figure =
      against_photons ? lb_figure_new (_ ("Error against light, signed products of 64 elements"),
                                       _ ("Photons per MAC"), "", _ ("Normalised error"), "%")
                      : lb_figure_new (_ ("Error against length"), _ ("Elements of a vector"), "",
                                       _ ("Normalised error"), "%");
  const Kind kind = against_photons ? KIND_SWEEP : KIND_SIGNED;
  double x[GROUPS_MAX], error[GROUPS_MAX], before[GROUPS_MAX], positive[GROUPS_MAX];
  guint count = 0;

  for (guint i = 0; i < work->n_groups; i++)
    {
      const LbVerificationGroup *group = &work->groups[i];

      if (work->kinds[i] != kind)
        continue;
      x[count] = against_photons ? group->photons_per_mac : group->length;
      error[count] = 100 * group->figures.normalised_error;
      before[count] = 100 * group->uncalibrated;
      positive[count++] = 100 * find_group (work, KIND_POSITIVE, group->length)->figures.normalised_error;
    }
  figure->x_axis.logarithmic = figure->y_axis.logarithmic = TRUE;
  lb_figure_add_points (figure, against_photons ? NULL : _ ("signed"), x, error, NULL, count);
  if (!against_photons)
    {
      lb_figure_add_points (figure, _ ("non-negative"), x, positive, NULL, count);
      lb_figure_add_points (figure, _ ("signed, before calibration"), x, before, NULL, count);
    }
  lb_calibration_add_figure (result, against_photons ? "error-photons" : "error-length", figure);
}

static void
add_share_figure (const VerificationWork *work, LbCalibration *result)
{
  const LbVerificationGroup *group = find_group (work, KIND_SIGNED, JUDGED_LENGTH);
  const char *const names[] = { _ ("shot"),        _ ("read, row"),
                                _ ("jitter"),      _ ("levels"),
                                _ ("tables"),      _ ("floors, flat field"),
                                _ ("crosstalk"),   _ ("misalignment"),
                                _ ("interaction"), NULL };
  g_autoptr (LbFigure) figure =
      lb_figure_new (_ ("Where the error comes from, signed products of 64 elements"), "", "",
                     _ ("Share of the mean square error"), "%");
  double x[LB_N_SHARES], shares[LB_N_SHARES];

  G_STATIC_ASSERT (G_N_ELEMENTS (names) == LB_N_SHARES + 1);
  for (guint share = 0; share < LB_N_SHARES; share++)
    {
      x[share] = share;
      shares[share] = 100 * group->shares[share];
    }
  figure->x_axis.categories = g_strdupv ((char **) names);
  lb_figure_add_points (figure, NULL, x, shares, NULL, LB_N_SHARES);
  lb_calibration_add_figure (result, "shares", figure);
}

static void
add_scatter (const VerificationWork *work, LbCalibration *result)
{
  const LbVerificationGroup *group = find_group (work, KIND_SIGNED, JUDGED_LENGTH);
  g_autoptr (LbFigure) figure =
      lb_figure_new (_ ("Measured against ideal"), _ ("Ideal"), "", _ ("Measured, mean of the repeats"), "");
  g_autofree double *means = g_new (double, group->count);

  for (guint i = 0; i < group->count; i++)
    means[i] = lb_mean (group->measured + (gsize) i * LB_VERIFICATION_REPEATS, LB_VERIFICATION_REPEATS);
  lb_figure_add_identity (figure, NULL);
  lb_figure_add_points (figure, NULL, group->ideal, means, NULL, group->count);
  lb_calibration_add_figure (result, "scatter", figure);
}

static const char *
share_title (guint share)
{
  const char *const titles[LB_N_SHARES] = {
    _ ("shot noise: give more light"),
    _ ("read noise of the camera: give more light"),
    _ ("jitter of the light and speckle: take more frames, or move the diffuser faster"),
    _ ("the planes' levels: a source with more bits would help"),
    _ ("the tables: measure the response again"),
    _ ("floors and flat field: measure background and flat field again"),
    _ ("crosstalk: focus the source, or use a wider margin"),
    _ ("misalignment: align again"),
    _ ("causes that are not separated: let the light warm up, then calibrate again"),
  };

  return titles[share];
}

static void
judge (const VerificationWork *work, LbCalibration *result)
{
  const LbVerificationGroup *judged = find_group (work, KIND_SIGNED, JUDGED_LENGTH);
  g_autofree char *message = NULL;
  double worst = 0, slope = 1;
  LbVerdict verdict = LB_VERDICT_PASS;
  guint largest = 0, length = JUDGED_LENGTH;

  for (guint i = 0; i < work->n_groups; i++)
    if (work->kinds[i] == KIND_SIGNED && work->groups[i].length >= JUDGED_LENGTH)
      {
        const LbFiguresOfMerit *figures = &work->groups[i].figures;

        worst = MAX (worst, isfinite (figures->normalised_error) ? figures->normalised_error : 1);
        /* Of a few long products the slope is not known that well. */
        if (0.5 * (figures->slope_high - figures->slope_low) < SLOPE_LIMIT &&
            fabs (figures->slope - 1) > fabs (slope - 1))
          {
            slope = figures->slope;
            length = work->groups[i].length;
          }
      }
  for (guint share = 1; share < LB_N_SHARES; share++)
    if (judged->shares[share] > judged->shares[largest])
      largest = share;
  if (worst > 2 * ERROR_LIMIT)
    verdict = LB_VERDICT_FAIL;
  else if (worst > ERROR_LIMIT || fabs (slope - 1) > SLOPE_LIMIT)
    verdict = LB_VERDICT_WARN;
  if (worst <= ERROR_LIMIT && verdict == LB_VERDICT_WARN)
    message = g_strdup_printf (_ ("Signed products of %u elements come out at %.3f of their size: measure "
                                  "crosstalk and flat field again. Normalised error %.2f %%."),
                               length, slope, 100 * worst);
  else
    message =
        g_strdup_printf (_ ("Signed products are known to %.2f %% (before calibration %.1f %%). The largest "
                            "share is that of %s."),
                         100 * worst, 100 * judged->uncalibrated, share_title (largest));
  lb_calibration_set_verdict (result, verdict, 100 * worst, 100 * ERROR_LIMIT, "%", message);
}

static gboolean
report (const VerificationWork *work, LbCalibration *result, GError **error)
{
  g_autoptr (LbMatrix) groups = groups_matrix (work);
  g_autoptr (LbMatrix) noise = noise_matrix (work, error);

  if (noise == NULL)
    return FALSE;
  lb_calibration_set_array (result, "groups", groups);
  lb_calibration_set_array (result, "noise", noise);
  add_values (work, result);
  add_error_figure (work, result, FALSE);
  add_error_figure (work, result, TRUE);
  add_share_figure (work, result);
  add_scatter (work, result);
  judge (work, result);
  return TRUE;
}

static gboolean
measure_verification (LbCalibrationContext *context,
                      LbCalibration *result,
                      GCancellable *cancellable,
                      GError **error)
{
  g_auto (VerificationWork) work = { .context = context };
  LbSetup *setup = lb_bench_get_setup (context->bench);

  if (!lb_verification_elements_measure (&work.elements, context, cancellable, error))
    return FALSE;
  work.model = lb_calibration_build_model (context->in_force, setup, LB_MODEL_ALL, error);
  work.nominal = work.model != NULL
                     ? lb_calibration_build_model (context->in_force, setup, LB_MODEL_NOMINAL, error)
                     : NULL;
  if (work.nominal == NULL)
    return FALSE;
  work.encoder = lb_encoder_new (work.model);
  work.nominal_encoder = lb_encoder_new (work.nominal);
  if (!plan_groups (&work, error) || !measure_dark (&work, cancellable, error) ||
      !measure_groups (&work, cancellable, error))
    return FALSE;
  return report (&work, result, error);
}

static void
forecast (LbBench *bench, LbCalibrationForecast *forecast)
{
  const double cells = lb_calibration_forecast_cells (bench);
  guint patterns;
  double frames = 1 + LB_VERIFICATION_DARK_FRAMES + lb_verification_elements_forecast (&patterns);

  for (guint i = 0; i < G_N_ELEMENTS (lengths); i++)
    for (Kind kind = KIND_SIGNED; kind <= KIND_SWEEP; kind++)
      {
        const guint tiles = kind == KIND_POSITIVE ? 1 : 2;
        const double slots = MAX (floor (cells / (tiles * (lengths[i].length + SLOT_BORDER))), 1);
        const guint groups =
            kind != KIND_SWEEP ? 1 : (lengths[i].length == JUDGED_LENGTH ? G_N_ELEMENTS (sweep) : 0);
        const double count = kind != KIND_SWEEP ? MIN (lengths[i].count, PATTERNS_MAX * slots)
                                                : CLAMP (slots, SWEEP_COUNT / 2, SWEEP_COUNT);
        /* Those with nominal values as well; both signs of x. */
        const double shown =
            groups * tiles *
            (ceil (count / slots) + (kind == KIND_SIGNED ? ceil (MIN (count, BEFORE_COUNT) / slots) : 0));

        if (cells < lengths[i].length * tiles)
          continue;
        patterns += (guint) shown + 2 * groups;
        frames += shown * LB_VERIFICATION_REPEATS + groups * (kind == KIND_SIGNED ? 2 : 1);
      }
  lb_calibration_forecast_add (forecast, bench, patterns, frames, 0, 1);
}

const LbCalibrationStep lb_calibration_step_verification = {
  .name = "verification",
  .title = N_ ("Verification"),
  .description = N_ ("Measures random products of every length and light, and finds where their errors come "
                     "from"),
  .needs = { "dark", "alignment", "response", "background", "flat-field", NULL },
  .max_age_s = 12 * 3600,
  .only_checks = TRUE,
  .forecast = forecast,
  .measure = measure_verification,
};
