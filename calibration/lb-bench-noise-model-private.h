/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "lb-bench-noise-model.h"

G_BEGIN_DECLS

#define LB_NOISE_LIGHTS 8

/**
 * LbNoiseKnot: the noise of one length of vectors.
 * @is_signed: four passes on two tiles; else one pass
 * @read_variance: of one pass, electrons squared
 * @gaussian: standard deviation that goes with the means of the passes, over
 *   sqrt (sum of their squares)
 * @systematic, @bias: standard deviation and mean over the tiles, over the same
 * @background: light that is there without any operand (stray light), of an
 *   element, in the forward model's y
 * @light: quantiles of the tiles' gain: how much of the common light each has
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
  double light[LB_NOISE_LIGHTS];
} LbNoiseKnot;

struct _LbBenchNoiseModel
{
  char *verification;
  double quantum_efficiency;
  double path_transmission;
  double source_floor;
  double weight_floor;
  double dimming; /* c0: part of the light that the brightest weight lets through */
  GArray *knots;  /* LbNoiseKnot, by sign, then by length */
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
  LB_NOISE_LIGHT,
  LB_NOISE_COLUMNS = LB_NOISE_LIGHT + LB_NOISE_LIGHTS,
};

G_END_DECLS
