/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <lb-bench.h>
#include <lb-matrix.h>
#include <lb-optics-model.h>

G_BEGIN_DECLS

#define LB_OPTICAL_PATH_ERROR (lb_optical_path_error_quark ())
GQuark lb_optical_path_error_quark (void);
typedef enum
{
  LB_OPTICAL_PATH_ERROR_LIGHT, /* a frame is not of what was commanded; the likely cause is named */
} LbOpticalPathError;

/* What a product cost and how much light it had. */
typedef struct
{
  guint64 exposures;
  guint64 dot_products;
  guint64 macs; /* of the product itself */
  guint64 source_values, weight_values;
  guint64 readouts;    /* region sums */
  guint64 adc_samples; /* camera pixels that were added up */
  guint64 unusable;    /* dot products marked NAN */
  double photons;      /* at the weight plane, over all passes */
  double detected_electrons;
  double photons_per_mac;        /* per pass and element, mean over tiles */
  double photons_per_mac_spread; /* rms over tiles */
  double electrons_per_mac;
  double bench_time_s;
} LbOpticalPathCounts;

/* Dot products as they become known. @raw: 4 each (++ -+ +- --, electrons,
 * NAN where there was no such pass; of a split vector the sums). In the bench's
 * worker, or the calling thread. */
typedef void (*LbOpticalPathPartial) (const guint32 *rows,
                                      const guint32 *columns,
                                      const float *values,
                                      const float *raw,
                                      gsize count,
                                      gpointer user_data);

/**
 * LbSentinel: a known product that was measured between others.
 * @ordinal: from 0, of the path
 * @time_us: bench time
 * @residual: normalised error (see lb_figures_of_merit()); NAN: it could not be read
 * @slope: of measured on ideal: below 1 where light falls on neighbours
 * @dark_electrons_per_s: dark level a pixel that came since calibration; corrected
 * @gain_drift: rms over the field since calibration, relative; corrected as far as
 *   it is smooth
 */
typedef struct
{
  guint64 ordinal;
  gint64 time_us;
  double residual, limit;
  double slope;
  gboolean passed;
  double dark_electrons_per_s;
  double gain_drift;
} LbSentinel;

/* Limit of a sentinel's residual where none is asked for. A slope that is off by
 * 2 %, twice what optics.md allows, makes 3 %; noise and tables make about 1 %. */
#define LB_SENTINEL_LIMIT 0.03

/*
 * LbOpticalPath: operands in, products out, over a bench by the rules of one
 * optics model: scales, splits by sign, lays out, encodes, exposes, reads,
 * decodes, combines.
 */
#define LB_TYPE_OPTICAL_PATH (lb_optical_path_get_type ())
G_DECLARE_FINAL_TYPE (LbOpticalPath, lb_optical_path, LB, OPTICAL_PATH, GObject)

LbOpticalPath *lb_optical_path_new (LbBench *bench, LbOpticsModel *model);
LbBench *lb_optical_path_get_bench (LbOpticalPath *self);
LbOpticsModel *lb_optical_path_get_model (LbOpticalPath *self);
/* Ordinal that keys the noise of the next product; rises by itself from there. */
void lb_optical_path_set_ordinal (LbOpticalPath *self, guint64 ordinal);

/* A sentinel was taken; in the bench's worker, the light is off. */
typedef void (*LbSentinelFunc) (const LbSentinel *sentinel, gpointer user_data);
/* One has failed; in the thread that multiplies, no action runs on the bench. TRUE:
 * go on; it may have given the path another model. FALSE with @error: that ends it. */
typedef gboolean (*LbSentinelFailedFunc) (LbOpticalPath *self,
                                          const LbSentinel *sentinel,
                                          gpointer user_data,
                                          GCancellable *cancellable,
                                          GError **error);
gboolean lb_optical_path_set_sentinels (LbOpticalPath *self,
                                        guint every,
                                        double limit,
                                        LbSentinelFunc taken,
                                        LbSentinelFailedFunc failed,
                                        gpointer user_data,
                                        GError **error);
/* Encodes and decodes by @model from now on: what is left of a product, inside
 * LbSentinelFailedFunc, else the next one. */
gboolean lb_optical_path_set_model (LbOpticalPath *self, LbOpticsModel *model, GError **error);
/* Takes a last sentinel, if there were exposures since the one before. */
gboolean lb_optical_path_close_sentinels (LbOpticalPath *self, GCancellable *cancellable, GError **error);

/* Exposures and seconds of bench time that multiply() will take, with the sentinels in
 * between; and those that the first and the last sentinel of a run take. */
gboolean
lb_optical_path_forecast_ends (LbOpticalPath *self, guint64 *exposures, double *seconds, GError **error);
gboolean lb_optical_path_forecast (LbOpticalPath *self,
                                   const LbMatrix *a,
                                   const LbMatrix *b,
                                   gboolean diagonal,
                                   double photons_per_mac,
                                   guint64 *exposures,
                                   double *seconds,
                                   GError **error);
/*
 * out = a b^T, (m, n); @diagonal: out (m, 1), row i of a with row i of b. a is
 * shown on the source plane, b on the weight plane. @photons_per_mac: light to
 * use. NAN in @out marks a dot product that could not be measured (saturated
 * even at the shortest exposure). Blocks (not in M, not in the worker).
 */
gboolean lb_optical_path_multiply (LbOpticalPath *self,
                                   const LbMatrix *a,
                                   const LbMatrix *b,
                                   gboolean diagonal,
                                   double photons_per_mac,
                                   LbMatrix *out,
                                   LbOpticalPathCounts *counts,
                                   LbOpticalPathPartial partial,
                                   gpointer user_data,
                                   GCancellable *cancellable,
                                   GError **error);

G_END_DECLS
