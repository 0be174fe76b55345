/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "lb-engine.h"
#include "lb-lookup-table.h"

G_BEGIN_DECLS

/* How the noise of a product is drawn. */
typedef enum
{
  LB_NOISE_EXACT,  /* four passes, a Poisson count for each value of each */
  LB_NOISE_MOMENT, /* one Gaussian number a value, of the same mean and variance */
} LbNoiseMode;

/* Which mean of a pass the Gaussian noise is in proportion to. */
typedef enum
{
  LB_SIGMA_PAPER,      /* over the whole result: all rows, columns and heads */
  LB_SIGMA_CALIBRATED, /* constants of the operator, found on a text (LbProduct's sigma_means) */
} LbSigmaMean;

/**
 * LbNoiseOptions: the noise model of the paper (Anderson et al., "Optical
 * Transformers", arXiv 2302.10360, and the code that its authors published).
 * @photons_per_mac: 0: neither shot nor Gaussian noise; INFINITY: no shot noise
 * @g_linear, @g_attention: standard deviation of the Gaussian noise over the
 *   mean of a pass, for both kinds of product
 * @slm, @source: (nullable): what the levels of the displays let through;
 *   copied. An operand with a table is not quantised otherwise
 * @bits: of operands without a table; 0: 8 where the product has ranges, else
 *   none. Without ranges those of the operand's values
 */
typedef struct
{
  double photons_per_mac;
  LbNoiseMode mode;
  LbSigmaMean sigma_mean;
  double g_linear;
  double g_attention;
  const LbLookupTable *slm;
  const LbLookupTable *source;
  guint bits;
} LbNoiseOptions;

/* 2,000 photons per MAC, exact, the paper's mean and constants (0.021 and
 * 0.0565), no tables. */
void lb_noise_options_init (LbNoiseOptions *options);

/*
 * Simulated optical products: operands are clamped to the product's ranges,
 * quantised or looked up, split by sign and multiplied in up to four passes with
 * shot noise and Gaussian noise. Same bytes for any number of threads.
 * LB_ENGINE_ERROR_RANGES: the calibrated mean was asked for and the product has
 * none, or its ranges are none.
 */
LbEngine *lb_noise_engine_new (const LbNoiseOptions *options);

G_END_DECLS
