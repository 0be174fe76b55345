/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

#define LB_SETUP_ERROR (lb_setup_error_quark ())
GQuark lb_setup_error_quark (void);
typedef enum
{
  LB_SETUP_ERROR_MISSING, /* no such file or preset */
  LB_SETUP_ERROR_FORMAT,  /* not JSON; names line and column */
  LB_SETUP_ERROR_KEY,     /* unknown or missing key; names it with its path */
  LB_SETUP_ERROR_VALUE,   /* value out of range or of the wrong kind; names key, value, range */
} LbSetupError;

typedef enum
{
  LB_ROLE_SOURCE,
  LB_ROLE_WEIGHT,
  LB_ROLE_CAMERA,
  LB_ROLE_LIGHT,
  LB_ROLE_POWER_METER,
  LB_N_ROLES,
} LbRole;

/* "source", "weight", "camera", "light", "power-meter". */
const char *lb_role_get_name (LbRole role);

typedef enum
{
  LB_FIDELITY_PIXEL,
  LB_FIDELITY_FAST,
} LbFidelity;

/*
 * What the setup file says of the optics: nominal values that hold until a
 * calibration step has measured them. They are marked "nominal" wherever they
 * show.
 */
typedef struct
{
  guint macropixel;    /* modulator pixels a side, on the weight plane */
  guint source_margin; /* weight-plane pixels left dark inside a macropixel's border by the source */
  guint guard;         /* macropixels between tiles */
  double source_floor; /* transmission or emission at level 0, per pixel */
  double weight_floor;
  double source_gamma;       /* nominal curve: level^gamma */
  double weight_phase_range; /* nominal curve sin^2 (pi/2 (level/255) range); 1: half a wave at 255 */
  double quantum_efficiency; /* electrons per photon at the sensor */
  double path_transmission;  /* eta: weight plane to sensor */
  double electrons_per_dn;   /* at gain 1 */
  double full_well;          /* electrons */
  double read_noise;         /* electrons rms */
  double source_settling_us; /* presented to settled within 0.2 % */
  double weight_settling_us;
  double light_level;   /* usual set point, in the light source's unit */
  double exposure_us;   /* usual exposure for calibration */
  double wavelength_nm; /* of the light, for power meter and photons; 0: not given */
} LbSetupOptics;

/**
 * LbSetup: which devices make a bench, and what is nominally known of it; from
 * a JSON file or a preset ("simulated", "simulated-oled"). Immutable.
 */
#define LB_TYPE_SETUP (lb_setup_get_type ())
G_DECLARE_FINAL_TYPE (LbSetup, lb_setup, LB, SETUP, GObject)

/* A preset's name, else a path. An unknown key is an error. @fidelity `fast`
 * takes the preset's (or file's) "fast" section over its values. */
LbSetup *lb_setup_load (const char *name_or_path, LbFidelity fidelity, GError **error);
LbSetup *
lb_setup_parse (const char *json, gssize length, const char *name, LbFidelity fidelity, GError **error);
/* NULL-terminated. */
const char *const *lb_setup_list_presets (void);
/* A preset's JSON, to make a file of one's own from. */
GBytes *lb_setup_get_preset_text (const char *preset, GError **error);
/* Short: identifies it to the operator and in the session. */
const char *lb_setup_get_name (LbSetup *self);
const char *lb_setup_get_title (LbSetup *self);
const LbSetupOptics *lb_setup_get_optics (LbSetup *self);
/* Name of the driver of a role, NULL if the setup has none for it. */
const char *lb_setup_get_driver (LbSetup *self, LbRole role);
/* The driver's own part of the file for @role, a{sv}; and what all simulated
 * devices share ("world"), NULL without. Every number is a double ("d"); texts
 * "s", truth values "b". They belong to the setup. */
GVariant *lb_setup_get_options (LbSetup *self, LbRole role);
GVariant *lb_setup_get_world (LbSetup *self);
/* Hard limit of the light source's set point, in its unit. */
double lb_setup_get_light_limit (LbSetup *self);
gboolean lb_setup_is_simulated (LbSetup *self);
LbFidelity lb_setup_get_fidelity (LbSetup *self);

G_END_DECLS
