/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <glib/gi18n-lib.h>
#include <math.h>

#include "lb-light-path-private.h"
#include "lb-verification-private.h"

/* Streams of the operands. */
enum
{
  STREAM_X,
  STREAM_W,
};

/* A group on its way. */
typedef struct
{
  LbVerificationGroup *group;
  LbCalibrationContext *context;
  const LbVerificationElements *elements;
  const LbVerificationDark *dark;
  const LbOpticsModel *model;
  LbEncoder *encoder;
  const LbLayout *layout;
  const LbPathPlan *plan;
  LbPathRun path; /* for its search of light; the exposures are our own */
  guint64 next;
  LbPattern *source_pattern, *weight_pattern;
  guint8 *source_levels, *weight_levels;
  LbReading *sum;
  double slot_noise2; /* of a slot without light, W+ less W-, electrons squared */
  double photons, electrons;
  guint64 tiles;
} GroupRun;

static void
group_run_clear (GroupRun *run)
{
  g_clear_pointer (&run->source_pattern, lb_pattern_unref);
  g_clear_pointer (&run->weight_pattern, lb_pattern_unref);
  g_clear_pointer (&run->sum, lb_reading_free);
  g_free (run->source_levels);
  g_free (run->weight_levels);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (GroupRun, group_run_clear)

void
lb_verification_group_clear (LbVerificationGroup *self)
{
  g_clear_pointer (&self->ideal, g_free);
  g_clear_pointer (&self->measured, g_free);
  for (guint half = 0; half < 2; half++)
    for (guint cause = 0; cause < LB_N_SYSTEMATIC; cause++)
      g_clear_pointer (&self->predicted[half][cause], g_free);
}

static LbMatrix *
random_matrix (guint64 key, guint stream, const LbVerificationGroup *group)
{
  LbMatrix *matrix = lb_matrix_new (group->count, group->length);

  for (guint r = 0; r < group->count; r++)
    {
      float *row = lb_matrix_row (matrix, r);

      lb_random_uniform_fill (lb_random_key (key), stream, (guint64) r * group->length, group->length, row);
      for (guint c = 0; group->is_signed && c < group->length; c++)
        row[c] = 2 * row[c] - 1;
    }
  return matrix;
}

static void
find_ideal (LbVerificationGroup *self, const LbMatrix *a, const LbMatrix *b)
{
  self->ideal = g_new0 (double, self->count);
  self->measured = g_new0 (double, (gsize) self->count *LB_VERIFICATION_REPEATS);
  for (guint half = 0; half < 2; half++)
    for (guint cause = 0; cause < LB_N_SYSTEMATIC; cause++)
      self->predicted[half][cause] = g_new0 (double, self->count);
  for (guint r = 0; r < self->count; r++)
    for (guint i = 0; i < self->length; i++)
      self->ideal[r] += (double) lb_matrix_get (a, r, i) * lb_matrix_get (b, r, i);
  self->pass_scale = lb_operand_pass_scale (a, b, TRUE);
}

/* Levels of all cells, as the plan's patterns have them. */
static void
find_levels (GroupRun *run, guint64 exposure)
{
  const LbLayout *layout = run->layout;
  g_autofree const float **x = g_new0 (const float *, layout->slots);
  g_autofree const float **w = g_new0 (const float *, layout->n_tiles);
  g_autofree gsize *lengths = g_new0 (gsize, layout->n_tiles);

  for (guint slot = 0; slot < layout->slots; slot++)
    {
      LbPathSlot what;

      if (!lb_path_plan_slot (run->plan, exposure, slot, &what))
        continue;
      x[slot] = lb_path_plan_a (run->plan, exposure, &what);
      for (guint sign = 0; sign < run->plan->signs_b; sign++)
        w[slot * layout->tiles_per_slot + sign] = lb_path_plan_b (run->plan, sign, &what);
    }
  /* All vectors fill their tiles. */
  for (guint tile = 0; tile < layout->n_tiles; tile++)
    lengths[tile] = run->group->length;
  lb_encoder_source_levels (run->encoder, layout, x, lengths, run->source_levels);
  lb_encoder_weight_levels (run->encoder, layout, w, lengths, run->weight_levels);
}

static gboolean
next_exposure (LbExposure *exposure, gpointer data, GError **error)
{
  GroupRun *run = data;
  const guint64 number = run->next;

  if (number >= run->plan->exposures)
    return FALSE;
  run->next++;
  g_clear_pointer (&run->source_pattern, lb_pattern_unref);
  run->source_pattern = lb_path_plan_source (run->plan, number);
  if (number % run->plan->signs_a == 0)
    {
      g_clear_pointer (&run->weight_pattern, lb_pattern_unref);
      run->weight_pattern = lb_path_plan_weight (run->plan, number);
    }
  *exposure = (LbExposure){ .source = run->source_pattern,
                            .weight = run->weight_pattern,
                            .light = TRUE,
                            .light_level = run->path.light.level,
                            .exposure_us = run->path.light.exposure_us,
                            .frames = run->path.light.frames * LB_VERIFICATION_REPEATS,
                            .meter = TRUE,
                            .tag = number };
  return TRUE;
}

/* One tile of one pass: scale, sums, and where its result goes. */
typedef struct
{
  const float *x, *w;
  double sum_cx, sum_w;
  double to_output; /* sum x^ w^ to output units */
  double sign;
  double per_electron; /* output units */
} TilePass;

static TilePass
get_tile_pass (const GroupRun *run, guint64 exposure, guint tile, guint sign_b, const LbPathSlot *what)
{
  const LbLayout *layout = run->layout;
  const double fx = layout->tile_source_floor[tile], fw = layout->tile_weight_floor[tile];
  TilePass pass = { .x = lb_path_plan_a (run->plan, exposure, what),
                    .w = lb_path_plan_b (run->plan, sign_b, what),
                    .to_output = (double) run->plan->a->scale[what->row] * run->plan->b->scale[what->column],
                    .sign = lb_path_plan_sign (run->plan, exposure) == sign_b ? 1 : -1 };

  for (gsize i = 0; i < what->length; i++)
    {
      pass.sum_cx += (double) layout->cell_gain[tile][i] * pass.x[i];
      pass.sum_w += pass.w[i];
    }
  pass.per_electron = pass.to_output / (run->sum->light * layout->tile_gain[tile] *
                                        (double) layout->tile_c0[tile] * (1 - fx) * (1 - fw));
  return pass;
}

static void
count_light (GroupRun *run, guint tile, const TilePass *pass)
{
  const LbOpticsModel *model = run->model;
  const double fx = run->layout->tile_source_floor[tile], length = run->group->length;

  run->photons += run->sum->light * (fx + (1 - fx) * pass->sum_cx / length) / model->quantum_efficiency /
                  model->path_transmission;
  run->electrons += run->sum->electrons[tile] / length;
  run->tiles++;
}

/* Read noise and rounding of the bright patches' sum in one frame, electrons squared. */
static double
find_reference_noise2 (const GroupRun *run)
{
  const LbOpticsModel *model = run->model;

  return run->layout->bright_pixels *
         (model->read_noise * model->read_noise + model->electrons_per_dn * model->electrons_per_dn / 12);
}

/* Variances of a slot in one repeat (optics.md, "Forward model and decode", Var
 * r_t; read and row noise as measured without light). */
static void
add_variances (GroupRun *run, const TilePass *passes, guint tile, guint n_passes)
{
  LbVerificationGroup *group = run->group;
  const LbLayout *layout = run->layout;
  const LbOpticsModel *model = run->model;
  const double frames = run->path.light.frames, share = 1.0 / group->count / LB_VERIFICATION_REPEATS;
  const double step2 = model->electrons_per_dn * model->electrons_per_dn / 12;
  const double bright = MAX (run->sum->bright_electrons, 1);
  double product = 1, common = 0;
  guint pixels = 0;

  for (guint i = 0; i < n_passes; i++)
    {
      const double electrons = run->sum->electrons[tile + i];

      group->variance[LB_RANDOM_SHOT] += share * MAX (electrons, 0) * pow (passes[i].per_electron, 2);
      common += passes[i].sign * electrons * passes[i].per_electron;
      product *= passes[i].per_electron;
      pixels += layout->tile_pixels[tile + i];
    }
  product = n_passes == 2 ? product : product * product;
  group->variance[LB_RANDOM_CONVERTER] += share * frames * pixels * step2 * product;
  group->variance[LB_RANDOM_READ] += share * frames * (run->slot_noise2 - pixels * step2) * product;
  group->variance[LB_RANDOM_REFERENCE] +=
      share * common * common * (bright + group->reference_noise2 * frames) / bright / bright;
  if (run->elements != NULL)
    group->variance[LB_RANDOM_JITTER] += share * common * common * pow (run->elements->speckle, 2) / frames /
                                         MAX (layout->bright_cells->len, 1);
}

static void
add_predictions (GroupRun *run, const TilePass *pass, guint tile, const LbPathSlot *what)
{
  LbVerificationGroup *group = run->group;
  double predicted[2][LB_N_SYSTEMATIC], squares;

  lb_verification_predict_tile (run->elements, run->model, run->layout, tile, pass->x, pass->w, what->length,
                                run->source_levels, run->weight_levels, predicted, &squares);
  for (guint half = 0; half < 2; half++)
    for (guint cause = 0; cause < LB_N_SYSTEMATIC; cause++)
      group->predicted[half][cause][what->row] += pass->sign * pass->to_output * predicted[half][cause];
  group->variance[LB_RANDOM_JITTER] +=
      squares * pow (pass->to_output * run->elements->speckle, 2) / run->path.light.frames / group->count;
}

static void
decode_slot (GroupRun *run, guint64 exposure, guint repeat, guint slot, const LbPathSlot *what)
{
  const guint n_passes = run->plan->signs_b, first = slot * run->layout->tiles_per_slot;
  double *measured = run->group->measured + what->row * LB_VERIFICATION_REPEATS + repeat;
  TilePass passes[2];

  for (guint sign = 0; sign < n_passes; sign++)
    {
      const guint tile = first + sign;
      double value;

      passes[sign] = get_tile_pass (run, exposure, tile, sign, what);
      value = lb_readout_decode (run->layout, run->sum, tile, passes[sign].sum_cx, passes[sign].sum_w,
                                 what->length);
      if (run->sum->saturated[tile] > 0 || run->sum->bright_saturated > 0)
        {
          value = NAN;
          run->group->unusable++;
        }
      *measured += passes[sign].sign * passes[sign].to_output * value;
      count_light (run, tile, &passes[sign]);
      if (repeat == 0 && run->elements != NULL)
        add_predictions (run, &passes[sign], tile, what);
    }
  add_variances (run, passes, first, n_passes);
}

static gboolean
take_frame (const LbExposure *exposure, guint nth, LbFrame *frame, gpointer data, GError **error)
{
  GroupRun *run = data;
  const guint frames = run->path.light.frames;
  g_autoptr (LbReading) reading = NULL;

  if (!lb_path_check_frame (run->model, frame, error) ||
      (nth == 0 && !lb_light_path_check (&run->path, exposure, exposure->tag, nth, frame,
                                         run->path.light_per_us, run->path.cancellable, error)))
    return FALSE;
  reading = lb_readout_read (run->layout, frame->data, frame->width, frame->height, frame->exposure_us,
                             frame->gain, TRUE, error);
  if (reading == NULL)
    return FALSE;
  if (nth % frames == 0)
    g_clear_pointer (&run->sum, lb_reading_free);
  lb_path_add_reading (&run->sum, g_steal_pointer (&reading));
  if ((nth + 1) % frames != 0)
    return TRUE;
  if (nth + 1 == frames)
    {
      if (!lb_path_check_patches (run->layout, run->sum, error))
        return FALSE;
      find_levels (run, exposure->tag);
    }
  for (guint slot = 0; slot < run->layout->slots; slot++)
    {
      LbPathSlot what;

      if (lb_path_plan_slot (run->plan, exposure->tag, slot, &what))
        decode_slot (run, exposure->tag, nth / frames, slot, &what);
    }
  lb_calibration_report_progress (run->context,
                                  run->group->fraction_from +
                                      (run->group->fraction_to - run->group->fraction_from) *
                                          (double) (exposure->tag + 1) / (double) run->plan->exposures,
                                  _ ("Random dot products"), NULL, frame);
  return TRUE;
}

/* What the noise model is told of the group. */
static void
describe_light (GroupRun *run)
{
  LbVerificationGroup *group = run->group;
  const LbLayout *layout = run->layout;

  lb_verification_describe_tiles (layout, &group->tiles);
  group->tile_read_noise2 = run->slot_noise2 / layout->tiles_per_slot;
  group->photons_per_mac = run->photons / MAX (run->tiles, 1);
  group->electrons_per_mac = run->electrons / MAX (run->tiles, 1);
  group->frames = run->path.light.frames;
  group->frame_photons = group->photons_per_mac * run->path.light.longest_us / run->path.light.exposure_us /
                         run->path.light.frames;
}

static gboolean
measure (GroupRun *run, GCancellable *cancellable, GError **error)
{
  LbBench *bench = run->context->bench;

  if (!lb_bench_get_camera_caps (bench, &run->path.caps))
    {
      g_set_error_literal (error, LB_BENCH_ERROR, LB_BENCH_ERROR_NOT_CONNECTED,
                           _ ("The bench is not connected: connect it first"));
      return FALSE;
    }
  if (!lb_path_find_light (&run->path, cancellable, error))
    return FALSE;
  run->group->reference_noise2 = find_reference_noise2 (run);
  if (run->dark != NULL)
    run->slot_noise2 = lb_verification_dark_noise2 (run->dark, run->layout, run->path.light.exposure_us);
  return lb_bench_run_sequence (bench, next_exposure, take_frame, run, cancellable, error);
}

gboolean
lb_verification_group_measure (LbVerificationGroup *self,
                               LbCalibrationContext *context,
                               LbOpticsModel *model,
                               LbEncoder *encoder,
                               const LbVerificationElements *elements,
                               const LbVerificationDark *dark,
                               guint64 key,
                               GCancellable *cancellable,
                               GError **error)
{
  g_auto (GroupRun)
      run = { .group = self, .context = context, .elements = elements, .dark = dark, .model = model };
  g_autoptr (LbLayout) layout = lb_layout_new (model, self->length, self->is_signed, 0, error);
  g_autoptr (LbMatrix) a = random_matrix (key, STREAM_X, self);
  g_autoptr (LbMatrix) b = random_matrix (key, STREAM_W, self);
  g_autoptr (LbPathPlan) plan = NULL;
  LbOpticalPathCounts counts = { 0 };

  if (layout == NULL)
    return FALSE;
  plan = lb_path_plan_new (layout, encoder, a, b, TRUE);
  find_ideal (self, a, b);
  run.encoder = encoder;
  run.layout = layout;
  run.plan = plan;
  run.path = (LbPathRun){
    .plan = plan, .bench = context->bench, .photons_per_mac = self->photons, .counts = &counts
  };
  run.source_levels = g_malloc0 (lb_optics_model_cells (model));
  run.weight_levels = g_malloc0 (lb_optics_model_cells (model));
  if (!measure (&run, cancellable, error))
    return FALSE;
  describe_light (&run);
  return TRUE;
}
