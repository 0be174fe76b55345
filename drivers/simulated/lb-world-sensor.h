/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "lb-world-kernels.h"

G_BEGIN_DECLS

/* The camera's sensor: what each pixel adds, and the noise. */
typedef struct
{
  const LbWorldParameters *parameters;
  guint width, height;
  guint bits;         /* largest depth */
  float *offset_dn;   /* at the largest depth */
  float *dark;        /* electrons per second */
  float *scratch;     /* of the threads */
  gsize scratch_size; /* floats a thread */
  guint threads;
} LbWorldSensor;

/* Keys of the noise of one run. */
typedef struct
{
  LbRandomKey shot, read, row, speckle, light, loss;
} LbWorldNoise;

/* One frame to read out. */
typedef struct
{
  LbWorldWindow region; /* sensor pixels */
  guint bits;
  double gain;
  double signal_scale; /* electrons of a full weight-plane pixel */
  double stray_scale;
  double exposure_s;
  guint64 ordinal;          /* stream of the noise */
  const LbWorldSpan *spans; /* by sensor row: where there is a signal, and speckle */
} LbWorldReadout;

void lb_world_sensor_init (LbWorldSensor *self,
                           const LbWorldParameters *parameters,
                           guint width,
                           guint height,
                           guint bits,
                           LbRandomKey key);
void lb_world_sensor_clear (LbWorldSensor *self);
LbWorldNoise lb_world_noise (guint64 seed, guint64 run);
/*
 * Reads out the region: @signal and @stray (height x width of the sensor, light
 * in full weight-plane pixels) become digital numbers in @out (rows of the
 * region without gaps).
 */
void lb_world_sensor_read (LbWorldSensor *self,
                           const LbWorldNoise *noise,
                           const LbWorldReadout *readout,
                           const float *signal,
                           const float *stray,
                           guint16 *out);

G_END_DECLS
