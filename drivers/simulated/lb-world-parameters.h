/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <gio/gio.h>
#include <lb-random.h>

G_BEGIN_DECLS

/* How a world seed makes the world's value of what the setup file says. */
typedef enum
{
  LB_DRAW_FIXED,    /* as the file says */
  LB_DRAW_RELATIVE, /* value * (1 + spread * u), u uniform in -1..1 */
  LB_DRAW_ABSOLUTE, /* value + spread * u, within the key's range */
  LB_DRAW_WITHIN,   /* value * u: the file says the largest magnitude */
} LbDraw;

/*
 * The keys of "world" that hold numbers: name, unit, default, least and largest
 * value in the file, draw, spread. "spread" scales all spreads: 0 makes the
 * world as the file says. Lengths in pixels of the plane named; powers of the
 * light are in the unit of the light source ("mW"), or 1 without one.
 */
#define LB_WORLD_PARAMETERS(X)                                                                               \
  X (spread, "", 1, 0, 1, FIXED, 0)                                                                          \
  /* Source plane. */                                                                                        \
  X (source_gamma, "", 2.2, 0.5, 4, ABSOLUTE, 0.1)                                                           \
  X (source_s_shape, "", 0.03, -0.1, 0.1, RELATIVE, 0.5)                                                     \
  X (source_floor, "", 0.005, 0, 0.2, RELATIVE, 0.2)                                                         \
  X (source_nonuniformity, "", 0.03, 0, 0.5, RELATIVE, 0.3)                                                  \
  X (source_flicker, "", 0.003, 0, 0.5, RELATIVE, 0.3)                                                       \
  X (source_flicker_hz, "Hz", 240, 1, 1e5, FIXED, 0)                                                         \
  X (source_load, "", 0, 0, 0.5, RELATIVE, 0.2)                                                              \
  X (source_tau_us, "us", 1000, 0, 1e6, RELATIVE, 0.05)                                                      \
  /* Weight plane. */                                                                                        \
  X (weight_floor, "", 0.012, 0, 0.2, ABSOLUTE, 0.006)                                                       \
  X (weight_phase_range, "pi", 0.97, 0.2, 2, ABSOLUTE, 0.02)                                                 \
  X (weight_phase_bow, "", 0.1, -0.4, 0.4, ABSOLUTE, 0.1)                                                    \
  X (weight_phase_s_shape, "", 0.1, -0.4, 0.4, ABSOLUTE, 0.1)                                                \
  X (weight_phase_variation, "", 0.02, 0, 0.1, RELATIVE, 0.3)                                                \
  X (weight_flicker, "", 0.001, 0, 0.2, RELATIVE, 0.3)                                                       \
  X (weight_flicker_hz, "Hz", 120, 1, 1e5, FIXED, 0)                                                         \
  X (weight_reflection, "", 0.001, 0, 0.1, RELATIVE, 0.5)                                                    \
  X (polarisation_loss, "", 0.05, 0, 0.9, RELATIVE, 0.3)                                                     \
  X (weight_tau_us, "us", 10000, 0, 1e6, RELATIVE, 0.05)                                                     \
  /* Source to weight plane. */                                                                              \
  X (source_magnification, "", 1, 0.25, 4, RELATIVE, 0.02)                                                   \
  X (source_rotation_deg, "deg", 1, 0, 45, WITHIN, 0)                                                        \
  X (source_quarter_turns, "", 0, 0, 3, FIXED, 0)                                                            \
  X (source_shift_px, "px", 12, 0, 500, WITHIN, 0)                                                           \
  X (source_distortion, "", 0.001, 0, 0.05, WITHIN, 0)                                                       \
  X (source_blur_px, "px", 0.7, 0.2, 1.5, RELATIVE, 0.05)                                                    \
  /* Weight plane to camera. */                                                                              \
  X (camera_magnification, "", 0.5, 0.25, 3, RELATIVE, 0.02)                                                 \
  X (camera_rotation_deg, "deg", 1.5, 0, 45, WITHIN, 0)                                                      \
  X (camera_quarter_turns, "", 0, 0, 3, FIXED, 0)                                                            \
  X (camera_shift_px, "px", 20, 0, 500, WITHIN, 0)                                                           \
  X (camera_distortion, "", 0.002, 0, 0.05, WITHIN, 0)                                                       \
  X (camera_blur_px, "px", 0.8, 0.2, 1.5, RELATIVE, 0.05)                                                    \
  /* Light. */                                                                                               \
  X (photons_per_us, "1/us", 0.00861, 0, 1e6, RELATIVE, 0.05)                                                \
  X (light_threshold, "", 5, 0, 1e5, RELATIVE, 0.05)                                                         \
  X (light_rin, "", 0.003, 0, 0.2, RELATIVE, 0.3)                                                            \
  X (light_drift, "", 0.003, 0, 0.2, RELATIVE, 0.3)                                                          \
  X (light_drift_period_s, "s", 600, 1, 1e6, RELATIVE, 0.2)                                                  \
  X (light_warm_up, "", 0.01, 0, 0.5, RELATIVE, 0.3)                                                         \
  X (light_warm_up_s, "s", 300, 1, 1e5, RELATIVE, 0.2)                                                       \
  X (wavelength_nm, "nm", 532, 200, 2000, FIXED, 0)                                                          \
  X (illumination_corner, "", 0.6, 0.01, 1, ABSOLUTE, 0.05)                                                  \
  X (illumination_shift, "", 0.03, 0, 0.5, WITHIN, 0)                                                        \
  X (fringe_contrast, "", 0.02, 0, 0.5, RELATIVE, 0.3)                                                       \
  X (fringe_count, "", 13, 0, 200, RELATIVE, 0.3)                                                            \
  X (speckle_contrast, "", 0.02, 0, 0.2, RELATIVE, 0.2)                                                      \
  X (speckle_cell_px, "px", 2, 1, 16, FIXED, 0)                                                              \
  X (stray_light, "", 0.003, 0, 0.5, RELATIVE, 0.3)                                                          \
  X (stray_of_source, "", 0, 0, 1, FIXED, 0)                                                                 \
  X (power_meter_error, "", 0.01, 0, 0.2, WITHIN, 0)                                                         \
  /* Camera. */                                                                                              \
  X (quantum_efficiency, "", 0.7, 0.001, 1, RELATIVE, 0.02)                                                  \
  X (path_transmission, "", 0.714, 0.001, 1, RELATIVE, 0.02)                                                 \
  X (electrons_per_dn, "electrons", 2.5, 0.001, 1e4, RELATIVE, 0.02)                                         \
  X (offset_dn, "DN", 64, 0, 1e4, RELATIVE, 0.05)                                                            \
  X (offset_pattern_dn, "DN", 2, 0, 100, RELATIVE, 0.2)                                                      \
  X (dark_current, "electrons/s", 5, 0, 1e5, RELATIVE, 0.3)                                                  \
  X (hot_fraction, "", 1e-4, 0, 0.05, RELATIVE, 0.3)                                                         \
  X (hot_current_low, "electrons/s", 500, 0, 1e7, FIXED, 0)                                                  \
  X (hot_current_high, "electrons/s", 20000, 0, 1e7, FIXED, 0)                                               \
  X (read_noise, "electrons", 1.6, 0, 1e3, RELATIVE, 0.1)                                                    \
  X (row_noise, "electrons", 0.5, 0, 1e3, RELATIVE, 0.2)                                                     \
  X (full_well, "electrons", 10500, 100, 1e7, RELATIVE, 0.01)

/* "none", "x", "y", "both", or "any": drawn. */
typedef enum
{
  LB_FLIP_NONE = 0,
  LB_FLIP_X = 1 << 0,
  LB_FLIP_Y = 1 << 1,
} LbFlip;

#define LB_WORLD_FIELD(name, ...) double name;
typedef struct
{
  LB_WORLD_PARAMETERS (LB_WORLD_FIELD)
  LbFlip source_flip;
  LbFlip camera_flip;
} LbWorldParameters;
#undef LB_WORLD_FIELD

/* Reads "world" (a{sv}, NULL: defaults) and draws the world of @key.
 * LB_SETUP_ERROR_KEY, LB_SETUP_ERROR_VALUE. */
gboolean lb_world_parameters_read (LbWorldParameters *self, GVariant *world, LbRandomKey key, GError **error);
/* "name: value unit" lines, independent of the locale. Caller frees. */
char *lb_world_parameters_print (const LbWorldParameters *self);

G_END_DECLS
