/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "lb-bench-noise-model.h"

G_BEGIN_DECLS

#define LB_NOISE_LIGHTS 8

/**
 * LbNoiseKnot: the noise of one length of vectors.
 * @is_signed: four passes on two tiles; else one pass
 * @read_variance: of one pass, electrons squared, a frame
 * @gaussian: standard deviation that goes with the means of the passes, over
 *   sqrt (sum of their squares), of one frame
 * @systematic, @bias: standard deviation and mean over the tiles, over the same
 * @background: light that is there without any operand (stray light), of an
 *   element, in the forward model's y
 * @dimming: c0, part of the light that the brightest weight lets through, mean
 *   over the tiles; long tiles have darker cells, to which the others are dimmed
 * @reference: gain of the reference patches by which the light is known, in sum
 * @reference_variance: read noise of their sum, electrons squared, a frame
 * @frame_photons: photons per MAC that one frame takes; more needs more frames
 * @light: quantiles of what the tiles have of the common light (gain and c0), 1
 *   on the average of c0
 */
typedef struct
{
  double length;
  gboolean is_signed;
  double read_variance;
  double gaussian;
  double systematic;
  double bias;
  double background;
  double dimming;
  double reference;
  double reference_variance;
  double frame_photons;
  double light[LB_NOISE_LIGHTS];
} LbNoiseKnot;

/* The knot of @knots that is, or stands between those, next to @length and of that
 * sign. FALSE: none is both below and above. */
gboolean lb_noise_knots_find (const GArray *knots, double length, gboolean is_signed, LbNoiseKnot *knot);

struct _LbBenchNoiseModel
{
  char *verification;
  double quantum_efficiency;
  double path_transmission;
  double source_floor;
  double weight_floor;
  GArray *knots; /* LbNoiseKnot, by sign, then by length */
};

/* Columns of the array "noise" of a verification, a row a knot. */
enum
{
  LB_NOISE_LENGTH,
  LB_NOISE_SIGNED,
  LB_NOISE_READ,
  LB_NOISE_GAUSSIAN,
  LB_NOISE_SYSTEMATIC,
  LB_NOISE_BIAS,
  LB_NOISE_BACKGROUND,
  LB_NOISE_DIMMING,
  LB_NOISE_REFERENCE,
  LB_NOISE_REFERENCE_READ,
  LB_NOISE_FRAME_PHOTONS,
  LB_NOISE_LIGHT,
  LB_NOISE_COLUMNS = LB_NOISE_LIGHT + LB_NOISE_LIGHTS,
};

G_END_DECLS
