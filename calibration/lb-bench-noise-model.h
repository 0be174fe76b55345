/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <lb-random.h>

#include "lb-calibration.h"

G_BEGIN_DECLS

/*
 * LbBenchNoiseModel: what a bench does to dot products, as fitted by the step
 * verification (optics.md, "Noise model of the bench"): shot noise with the
 * light that each dot product has, that of the reference patches by which the
 * light is known, read noise of as many frames as the light takes, a Gaussian in
 * proportion to the means of the passes, and a systematic part that stays with
 * the tile. It is kept in a JSON file. Immutable.
 */
typedef struct _LbBenchNoiseModel LbBenchNoiseModel;

#define LB_NOISE_PASSES 4

/**
 * LbBenchNoiseInput: dot products out = scale (p++ + p-- - p+- - p-+) to which
 * noise is added. Arrays are the caller's.
 * @length: of the vectors; @count: of dot products
 * @photons_per_mac: at the weight plane, per pass and element, on the average
 * @used: which passes there are; @signs: 1 or -1, of each
 * @products: [pass][dot product] sum x^ w^ (operands 0..1)
 * @sums_x, @sums_w: [pass][dot product] sum x^ and sum w^ of the pass
 * @mean_x: mean of x^ over all elements and passes that share the light
 * @scale: [dot product] from sum x^ w^ to output units
 * @pass_mean: [pass] mean of that pass, output units
 * @tiles: [dot product] the tile that it stands on: it has one systematic part;
 *   NULL: each has its own
 */
typedef struct
{
  gsize length;
  gsize count;
  double photons_per_mac;
  gboolean used[LB_NOISE_PASSES];
  double signs[LB_NOISE_PASSES];
  const double *products[LB_NOISE_PASSES];
  const double *sums_x[LB_NOISE_PASSES];
  const double *sums_w[LB_NOISE_PASSES];
  double mean_x;
  const double *scale;
  double pass_mean[LB_NOISE_PASSES];
  const guint64 *tiles;
} LbBenchNoiseInput;

/* From a result of the step verification; FORMAT if it is none. */
LbBenchNoiseModel *lb_bench_noise_model_new (LbCalibration *verification, GError **error);
/* From a file, which is checked: LB_CALIBRATION_ERROR_FORMAT with what is wrong
 * in it, or what the file system says. */
LbBenchNoiseModel *lb_bench_noise_model_load (const char *path, GError **error);
LbBenchNoiseModel *lb_bench_noise_model_parse (const char *json, gssize length, GError **error);
char *lb_bench_noise_model_to_json (const LbBenchNoiseModel *self);
gboolean lb_bench_noise_model_save (const LbBenchNoiseModel *self, const char *path, GError **error);
void lb_bench_noise_model_free (LbBenchNoiseModel *self);
/* Hash of the verification that it was fitted from. */
const char *lb_bench_noise_model_get_verification (const LbBenchNoiseModel *self);
/* @out: dot products as that bench would measure them. The same @key, @tile_key
 * and @first give the same numbers; @first: index of the first dot product. The
 * systematic part follows @tile_key and the tile alone, so that it repeats. */
void lb_bench_noise_model_apply (const LbBenchNoiseModel *self,
                                 const LbBenchNoiseInput *input,
                                 LbRandomKey key,
                                 LbRandomKey tile_key,
                                 guint64 first,
                                 double *out);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LbBenchNoiseModel, lb_bench_noise_model_free)

G_END_DECLS
