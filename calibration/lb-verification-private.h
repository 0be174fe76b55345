/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <lb-random.h>
#include <lb-statistics.h>

#include "lb-leak-kernel-private.h"
#include "lb-optical-path-private.h"

G_BEGIN_DECLS

/* ---- Elements: what single macropixels do that the calibration does not say --- */

/* Values at which the tables are tested; the last is full. */
#define LB_VERIFICATION_VALUES 8

/**
 * LbVerificationElements: measured afresh, in two halves of independent noise, so
 * that products of the halves hold no noise.
 * @gain_error: [half][cell] own light over what the model says, less 1
 * @table_error: [half][plane][value][zone] of full; plane 0: source
 * @dark_error: [half][zone] light with both planes dark less what the model says
 * @speckle: rms of a macropixel's light from frame to frame, relative, without
 *   what is common to all, shot and read noise
 */
typedef struct
{
  LbCellProbe probe;
  float *gain_error[2];
  double table_error[2][2][LB_VERIFICATION_VALUES][LB_LEAK_ZONES];
  double dark_error[2][LB_LEAK_ZONES];
  double speckle;
  guint32 *zone;  /* per cell */
  LbMatrix *leak; /* (LB_LEAK_ZONES, LB_LEAK_PLACES) of the step crosstalk; NULL: none */
} LbVerificationElements;

gboolean lb_verification_elements_measure (LbVerificationElements *self,
                                           LbCalibrationContext *context,
                                           GCancellable *cancellable,
                                           GError **error);
/* Frames that it takes, and their patterns. */
double lb_verification_elements_forecast (guint *patterns);
void lb_verification_elements_clear (LbVerificationElements *self);
/* Error of a table at @value (0..1) of its zone, and of its floor there. */
double lb_verification_table_error (const LbVerificationElements *self,
                                    guint half,
                                    guint plane,
                                    guint zone,
                                    double value,
                                    double *floor_error);

/* ---- Frames without light: what the sums of the regions scatter by themselves ------ */

#define LB_VERIFICATION_LAYOUTS_MAX 24

/* The same frames tell it of all layouts, as well as many frames can. */
typedef struct
{
  guint count;
  LbLayout *layouts[LB_VERIFICATION_LAYOUTS_MAX];
  double *sums[LB_VERIFICATION_LAYOUTS_MAX]; /* per slot: W+ less W-, electrons */
  double *squares[LB_VERIFICATION_LAYOUTS_MAX];
  double exposure_us;
} LbVerificationDark;

void lb_verification_dark_add_layout (LbVerificationDark *self, LbLayout *layout);
gboolean lb_verification_dark_measure (LbVerificationDark *self,
                                       LbCapture *capture,
                                       GCancellable *cancellable,
                                       GError **error);
/* Variance of a slot of a layout like @layout in one frame, electrons squared: read
 * and row noise, rounding, and the dark current of so long an exposure. 0 if no such
 * layout was added. */
double
lb_verification_dark_noise2 (const LbVerificationDark *self, const LbLayout *layout, double exposure_us);
void lb_verification_dark_clear (LbVerificationDark *self);

/* ---- Products ------------------------------------------------------------------ */

/* What the systematic error of a product consists of, as far as it is known. */
typedef enum
{
  LB_SYSTEMATIC_QUANTISATION,
  LB_SYSTEMATIC_TABLES,
  LB_SYSTEMATIC_FLOORS,
  LB_SYSTEMATIC_CROSSTALK,
  LB_SYSTEMATIC_MISALIGNMENT,
  LB_N_SYSTEMATIC,
} LbSystematic;

typedef enum
{
  LB_RANDOM_SHOT,      /* of the tiles */
  LB_RANDOM_REFERENCE, /* of the light's reference patches */
  LB_RANDOM_READ,      /* read and row noise */
  LB_RANDOM_CONVERTER, /* rounding of the camera */
  LB_RANDOM_JITTER,
  LB_N_RANDOM,
} LbRandomPart;

/* Shares of the mean square error, in the order in which they are stored. */
typedef enum
{
  LB_SHARE_SHOT,
  LB_SHARE_READ,
  LB_SHARE_JITTER,
  LB_SHARE_QUANTISATION,
  LB_SHARE_TABLES,
  LB_SHARE_FLOORS,
  LB_SHARE_CROSSTALK,
  LB_SHARE_MISALIGNMENT,
  LB_SHARE_INTERACTION,
  LB_N_SHARES,
} LbShare;

extern const char *const lb_share_names[LB_N_SHARES];

#define LB_VERIFICATION_REPEATS 8
/* Frames without light: rows of pixels are common to the tiles beside each other, so that
 * not their number but that of the frames tells row noise. */
#define LB_VERIFICATION_DARK_FRAMES 128
#define LB_VERIFICATION_LIGHTS 8

/* What the noise model is told of the tiles of a layout, means over them. */
typedef struct
{
  double dimming;                        /* c0 */
  double background;                     /* stray light of an element, y of the forward model */
  double floors[2];                      /* of source and weight plane */
  double reference;                      /* gain of the bright patches, in sum */
  double lights[LB_VERIFICATION_LIGHTS]; /* quantiles of gain times c0 over its mean */
} LbVerificationTiles;

void lb_verification_describe_tiles (const LbLayout *layout, LbVerificationTiles *tiles);

/**
 * LbVerificationGroup: products of one length, sign and light.
 * @measured: (count, LB_VERIFICATION_REPEATS), output units; NAN: not usable
 * @predicted: [half][cause][product], output units
 * @variance: [part], mean over products of one repeat, output units squared
 */
typedef struct
{
  guint length;
  gboolean is_signed;
  double photons;
  guint count;
  double fraction_from, fraction_to; /* part of the step that it is */
  /* What comes of it. */
  double *ideal;
  double *measured;
  double *predicted[2][LB_N_SYSTEMATIC];
  double variance[LB_N_RANDOM];
  double pass_scale;
  double photons_per_mac, electrons_per_mac;
  double tile_read_noise2; /* electrons squared of a tile, a frame */
  double reference_noise2; /* electrons squared of their sum, a frame */
  double frame_photons;    /* photons per MAC that one frame takes */
  guint frames;            /* of a repeat */
  LbVerificationTiles tiles;
  guint64 unusable;
  /* The split. */
  LbFiguresOfMerit figures;
  double mean_square;
  double random, systematic; /* parts of mean_square */
  double shares[LB_N_SHARES];
  double explained;    /* correlation of the systematic error with what was predicted */
  double uncalibrated; /* normalised error before calibration; NAN: not measured */
} LbVerificationGroup;

void lb_verification_group_clear (LbVerificationGroup *self);
/* In the worker. @elements NULL: nothing is predicted; @dark NULL: nor are variances. */
gboolean lb_verification_group_measure (LbVerificationGroup *self,
                                        LbCalibrationContext *context,
                                        LbOpticsModel *model,
                                        LbEncoder *encoder,
                                        const LbVerificationElements *elements,
                                        const LbVerificationDark *dark,
                                        guint64 key,
                                        GCancellable *cancellable,
                                        GError **error);
/* Figures of merit and shares, from what was measured. */
void lb_verification_group_split (LbVerificationGroup *self);

/* The array "noise": the noise model's knots (lb-bench-noise-model-private.h), of the
 * groups' lengths and some between. NULL with @error if there is no room for one. */
LbMatrix *lb_verification_fit_noise (const LbVerificationGroup *const *groups,
                                     guint count,
                                     LbOpticsModel *model,
                                     GError **error);

/* Columns of the array "groups" of a verification, a row a group; followed by the shares. */
enum
{
  LB_COLUMN_LENGTH,
  LB_COLUMN_SIGNED,
  LB_COLUMN_PHOTONS,
  LB_COLUMN_ELECTRONS,
  LB_COLUMN_COUNT,
  LB_COLUMN_ERROR,
  LB_COLUMN_BEFORE,
  LB_COLUMN_BIAS,
  LB_COLUMN_SLOPE,
  LB_COLUMN_SLOPE_LOW,
  LB_COLUMN_SLOPE_HIGH,
  LB_COLUMN_RELATIVE,
  LB_COLUMN_CORRELATION,
  LB_COLUMN_BITS,
  LB_COLUMN_RANDOM,
  LB_COLUMN_EXPLAINED,
  LB_COLUMN_CONVERTER, /* share of the camera's rounding, a part of that of quantisation */
  LB_COLUMN_SWEEP,     /* 1: of the sweep of light */
  LB_N_COLUMNS,
};

/* Of one tile of a pass, in units of sum x^ w^: systematic errors by cause. @x,
 * @w: what the tile shows, 0..1; @source_levels, @weight_levels: of all cells. */
void lb_verification_predict_tile (const LbVerificationElements *elements,
                                   const LbOpticsModel *model,
                                   const LbLayout *layout,
                                   guint tile,
                                   const float *x,
                                   const float *w,
                                   gsize length,
                                   const guint8 *source_levels,
                                   const guint8 *weight_levels,
                                   double predicted[2][LB_N_SYSTEMATIC],
                                   double *sum_squares);

G_END_DECLS
