/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <lb-device.h>
#include <lb-pattern.h>

G_BEGIN_DECLS

/*
 * The truth of a simulated world, from any of its devices, for tests alone: a
 * calibration that looked here would find what it never measured. Pixel centres
 * are at whole coordinates on all planes.
 */

/* All drawn parameters as "name: value unit" lines; or one of them (NAN: none
 * of that name). */
char *lb_simulated_truth_print (LbDevice *device);
double lb_simulated_truth_get_parameter (LbDevice *device, const char *name);

/* Maps of @count points; out may be in. */
void lb_simulated_truth_source_to_weight (
    LbDevice *device, gsize count, const double *x, const double *y, double *out_x, double *out_y);
void lb_simulated_truth_weight_to_source (
    LbDevice *device, gsize count, const double *x, const double *y, double *out_x, double *out_y);
void lb_simulated_truth_weight_to_camera (
    LbDevice *device, gsize count, const double *x, const double *y, double *out_x, double *out_y);
void lb_simulated_truth_camera_to_weight (
    LbDevice *device, gsize count, const double *x, const double *y, double *out_x, double *out_y);

/* Emission of a source pixel, floor and non-uniformity included, about 1 at
 * level 255. */
double lb_simulated_truth_emission (LbDevice *device, double x, double y, guint8 level);
/* Transmission of a weight-plane pixel, floor, loss and reflection included. */
double lb_simulated_truth_transmission (LbDevice *device, double x, double y, guint8 level);
/* Light of a full source at a weight-plane pixel: illumination, source
 * non-uniformity and the local magnification, about 1. */
double lb_simulated_truth_light (LbDevice *device, double x, double y);
/* Electrons of a full weight-plane pixel at @level (set point) in @exposure_us,
 * without jitter and drift. */
double lb_simulated_truth_electrons (LbDevice *device, double level, double exposure_us);

typedef struct
{
  double offset_dn;
  double dark_electrons_per_s;
  gboolean hot;
  double stray; /* of a camera pixel, in full weight-plane pixels */
  double area;  /* weight-plane pixels that it covers */
} LbSimulatedTruthPixel;

void lb_simulated_truth_pixel (LbDevice *device, guint x, guint y, LbSimulatedTruthPixel *pixel);

/* Mean electrons of each pixel of the sensor (row-major) with both patterns
 * settled: signal, stray light and dark current; no jitter, drift or flicker. */
void lb_simulated_truth_expected (LbDevice *device,
                                  const LbPattern *source,
                                  const LbPattern *weight,
                                  double level,
                                  double exposure_us,
                                  float *electrons);

G_END_DECLS
