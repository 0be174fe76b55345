/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-world-sensor.h"

#include <math.h>
#include <omp.h>

/* Rows of one unit of parallel work: few enough that they stay in the cache. */
#define BLOCK 8

void
lb_world_sensor_init (LbWorldSensor *self,
                      const LbWorldParameters *parameters,
                      guint width,
                      guint height,
                      guint bits,
                      LbRandomKey key)
{
  gsize count = (gsize) width * height;
  LbRandomKey hot = lb_random_key_derive (key, g_str_hash ("hot"));
  double decades =
      parameters->hot_current_low > 0 ? log (parameters->hot_current_high / parameters->hot_current_low) : 0;

  self->parameters = parameters;
  self->width = width;
  self->height = height;
  self->bits = bits;
  self->offset_dn = g_new (float, count);
  self->dark = g_new (float, count);
  self->scratch = NULL;
  self->threads = 0;

  lb_random_normal_fill (lb_random_key_derive (key, g_str_hash ("offset")), 0, 0, count, self->offset_dn);
  lb_random_uniform_fill (hot, 0, 0, count, self->dark);
  for (gsize i = 0; i < count; i++)
    {
      gboolean is_hot = self->dark[i] < parameters->hot_fraction;

      self->offset_dn[i] =
          (float) (parameters->offset_dn + parameters->offset_pattern_dn * self->offset_dn[i]);
      self->dark[i] =
          (float) (is_hot ? parameters->hot_current_low * exp (decades * lb_random_uniform_at (hot, 1, i))
                          : parameters->dark_current);
    }
}

void
lb_world_sensor_clear (LbWorldSensor *self)
{
  g_clear_pointer (&self->offset_dn, g_free);
  g_clear_pointer (&self->dark, g_free);
  g_clear_pointer (&self->scratch, g_aligned_free);
}

LbWorldNoise
lb_world_noise (guint64 seed, guint64 run)
{
  LbRandomKey key =
      lb_random_key_derive (lb_random_key_derive (lb_random_key (seed), g_str_hash ("noise")), run);

  return (LbWorldNoise){
    .shot = lb_random_key_derive (key, 1),
    .read = lb_random_key_derive (key, 2),
    .row = lb_random_key_derive (key, 3),
    .speckle = lb_random_key_derive (key, 4),
    .light = lb_random_key_derive (key, 5),
    .loss = lb_random_key_derive (key, 6),
  };
}

/* What one row of the region needs besides the pixels. */
typedef struct
{
  const LbWorldSensor *sensor;
  const LbWorldNoise *noise;
  const LbWorldReadout *readout;
  const float *signal;
  const float *stray;
  LbWorldAdc adc;
  guint cell;
  float contrast;
} Reading;

/* Scratch of a thread. */
typedef struct
{
  float *electrons; /* BLOCK rows */
  float *normal;
  float *cells; /* one row */
  float *speckle;
} Scratch;

/* out = speckle of the region's part of one sensor row, 1 where there is no image. */
static void
speckle_row (const Reading *reading, guint y, float *cells, float *out)
{
  const LbWorldWindow *region = &reading->readout->region;
  const LbWorldSpan *span = &reading->readout->spans[y];
  guint x0 = MAX (span->first, region->x0), x1 = MIN (span->last, region->x1);
  guint cells_a_row = reading->sensor->width / reading->cell + 1;

  for (guint x = region->x0; x < region->x1; x++)
    out[x - region->x0] = 1;
  if (reading->contrast <= 0 || x0 >= x1)
    return;
  lb_random_normal_fill (reading->noise->speckle, reading->readout->ordinal,
                         (guint64) (y / reading->cell) * cells_a_row + x0 / reading->cell,
                         (x1 - 1) / reading->cell - x0 / reading->cell + 1, cells);
  lb_kernel_speckle (cells, reading->contrast, x0, reading->cell, x1 - x0, out + (x0 - region->x0));
}

/* Mean electrons of the region's part of one sensor row. */
static void
mean_row (const Reading *reading, guint y, Scratch *scratch, float *electrons)
{
  const LbWorldSensor *sensor = reading->sensor;
  const LbWorldReadout *readout = reading->readout;
  gsize at = (gsize) y * sensor->width + readout->region.x0;

  speckle_row (reading, y, scratch->cells, scratch->speckle);
  lb_kernel_mean (reading->signal + at, reading->stray + at, scratch->speckle, sensor->dark + at,
                  (float) readout->signal_scale, (float) readout->stray_scale, (float) readout->exposure_s,
                  readout->region.x1 - readout->region.x0, electrons);
}

/* Draws electrons and read noise of neighbouring sensor pixels. */
static void
draw_run (const Reading *reading, guint64 first, gsize count, float *electrons, float *normal)
{
  lb_random_poisson_fill (reading->noise->shot, reading->readout->ordinal, first, count, electrons,
                          electrons);
  lb_random_normal_fill (reading->noise->read, reading->readout->ordinal, first, count, normal);
}

static void
read_block (const Reading *reading, guint first, guint last, Scratch *scratch, guint16 *out)
{
  const LbWorldSensor *sensor = reading->sensor;
  const LbWorldWindow *region = &reading->readout->region;
  const gsize count = region->x1 - region->x0;
  const gboolean whole = count == sensor->width;

  for (guint y = first; y < last; y++)
    {
      gsize at = (y - first) * count;

      mean_row (reading, y, scratch, scratch->electrons + at);
      if (!whole)
        draw_run (reading, (guint64) y * sensor->width + region->x0, count, scratch->electrons + at,
                  scratch->normal + at);
    }
  if (whole)
    draw_run (reading, (guint64) first * sensor->width, (last - first) * count, scratch->electrons,
              scratch->normal);
  for (guint y = first; y < last; y++)
    {
      LbWorldAdc adc = reading->adc;
      gsize at = (y - first) * count;

      adc.row = (float) (sensor->parameters->row_noise *
                         lb_random_normal_at (reading->noise->row, reading->readout->ordinal, y));
      lb_kernel_convert (scratch->electrons + at, scratch->normal + at,
                         sensor->offset_dn + (gsize) y * sensor->width + region->x0, &adc, count,
                         out + (y - region->y0) * count);
    }
}

static void
make_scratch (LbWorldSensor *self, guint threads)
{
  gsize row = (self->width + 127) / 64 * 64;

  if (self->threads >= threads)
    return;
  g_clear_pointer (&self->scratch, g_aligned_free);
  self->scratch_size = (2 * BLOCK + 2) * row;
  self->threads = threads;
  self->scratch = g_aligned_alloc0 (self->scratch_size * threads, sizeof (float), 64);
}

void
lb_world_sensor_read (LbWorldSensor *self,
                      const LbWorldNoise *noise,
                      const LbWorldReadout *readout,
                      const float *signal,
                      const float *stray,
                      guint16 *out)
{
  const LbWorldParameters *p = self->parameters;
  const LbWorldWindow region = readout->region;
  guint threads = lb_kernel_threads ((gsize) (region.x1 - region.x0) * (region.y1 - region.y0), 10);
  double depth = ldexp (1, (int) readout->bits - (int) self->bits);
  Reading reading = { self, noise, readout, signal, stray };
  gsize row = (self->width + 127) / 64 * 64;

  make_scratch (self, threads);
  reading.cell = (guint) p->speckle_cell_px;
  reading.contrast = (float) p->speckle_contrast;
  reading.adc.full_well = (float) p->full_well;
  reading.adc.read_noise = (float) p->read_noise;
  reading.adc.dn_per_electron = (float) (readout->gain * depth / p->electrons_per_dn);
  reading.adc.offset_scale = (float) depth;
  reading.adc.largest = (float) (ldexp (1, (int) readout->bits) - 1);

  /* Blocks lie on multiples of BLOCK of the sensor, wherever the region is. */
#pragma omp parallel for num_threads(threads) schedule(dynamic, 1)
  for (guint block = region.y0 / BLOCK; block < (region.y1 + BLOCK - 1) / BLOCK; block++)
    {
      float *memory = self->scratch + (gsize) omp_get_thread_num () * self->scratch_size;
      Scratch scratch = { memory, memory + BLOCK * row, memory + 2 * BLOCK * row,
                          memory + (2 * BLOCK + 1) * row };

      read_block (&reading, MAX (block * BLOCK, region.y0), MIN ((block + 1) * BLOCK, region.y1), &scratch,
                  out);
    }
}
