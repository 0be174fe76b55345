/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <gio/gio.h>
#include <lb-setup.h>

G_BEGIN_DECLS

/* A device that could take a role of a setup that is being made. */
typedef struct
{
  char *title; /* "Thorlabs CLD1015, serial M00123456" */
  const char *driver;
  GVariant *options; /* what the setup file says of it, a{sv}; NULL: simulated */
  guint number;      /* of a monitor, as lb_monitor_numbers_show() shows it; 0: none */
} LbSetupCandidate;

void lb_setup_candidate_free (LbSetupCandidate *self);

/* Those for @role: what is plugged in, then the simulated one. Element type
 * LbSetupCandidate. Looks at the devices, opens none; may take seconds. */
GPtrArray *lb_setup_candidates_find (LbRole role);

/*
 * LbSetupDraft: the choices of a setup that is being made. What it does not hold
 * is taken from the preset "simulated".
 * @devices: a candidate for each role; NULL: none (light source and power meter)
 * @light_limit, @light_level: of a real light source, in its unit
 * @exposure_us: usual one
 * @wavelength_nm: of the light
 * @camera_linear: the operator says that the camera does not gamma-encode
 */
typedef struct
{
  const char *title;
  const LbSetupCandidate *devices[LB_N_ROLES];
  double light_limit, light_level;
  double exposure_us;
  double wavelength_nm;
  gboolean camera_linear;
} LbSetupDraft;

/* The text of a setup file, which has been read back as one. Planes on the same
 * monitor get half of it each. LB_SETUP_ERROR where the choices make no setup. */
char *lb_setup_draft_to_json (const LbSetupDraft *self, GError **error);
/* Where a setup of that title goes: in the user's folder of setups. */
char *lb_setup_draft_make_path (const char *title);
/* The user's setups: paths, sorted; the caller's. */
GPtrArray *lb_setup_draft_list_files (void);
/* A file that is there is replaced only if @replace; else G_IO_ERROR_EXISTS. */
gboolean lb_setup_draft_save (const char *path, const char *json, gboolean replace, GError **error);

G_END_DECLS
