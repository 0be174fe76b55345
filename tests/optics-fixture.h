/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <lb-encoder.h>
#include <lb-readout.h>

G_BEGIN_DECLS

/*
 * OpticsFixture: a small bench with known optics and without noise: what the
 * camera sees of two patterns by the forward model of optics.md, worked out on
 * its own ways.
 */
typedef struct
{
  LbOpticsModel *model;  /* the truth */
  GArray *splats;        /* where the light of the cells falls */
  gsize *first_splat;    /* per cell, and one more */
  gint32 *cell_of_pixel; /* -1 outside the grid */
  guint32 *good_pixels;  /* per cell */
  LbPlaneMap weight_to_source;
} OpticsFixture;

typedef struct
{
  double light; /* L, electrons of a fully lit cell of gain 1 */
  double exposure_us;
  const double *row_noise; /* electrons per row of the sensor, or NULL */
} OpticsExposure;

/* Planes of 320 x 200 pixels, macropixels of 4, turned and flipped maps, floors,
 * curves by zone, a flat field, stray light, offsets and dark current; 16 bits. */
LbOpticsModel *optics_fixture_new_model (void);
/* Takes its own reference to @model. */
OpticsFixture *optics_fixture_new (LbOpticsModel *model);
void optics_fixture_free (OpticsFixture *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (OpticsFixture, optics_fixture_free)

/* Pixels of the camera's region. */
guint16 *optics_fixture_expose (const OpticsFixture *self,
                                const guint8 *source,
                                const guint8 *weight,
                                OpticsExposure exposure);
/* The same for levels of cells, by way of the encoder. */
guint16 *optics_fixture_expose_levels (const OpticsFixture *self,
                                       const LbEncoder *encoder,
                                       const guint8 *source,
                                       const guint8 *weight,
                                       OpticsExposure exposure);
/* Electrons that a lit cell sends to each pixel of a region; sums to 1. */
double optics_fixture_collected (const OpticsFixture *self, const LbLayout *layout, gsize cell, gint32 label);

/* Uniform values in 0..1, the same for the same @stream. */
void optics_fixture_fill (float *values, gsize count, guint64 stream);
double optics_fixture_correlation (const double *a, const double *b, gsize count);

G_END_DECLS
