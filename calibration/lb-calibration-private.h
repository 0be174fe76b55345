/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "lb-calibration.h"

G_BEGIN_DECLS

/* A named array, map or figure of a result; one of them is set. */
typedef struct
{
  char *name;
  LbMatrix *array;
  LbFigure *figure;
  LbPlaneMap map;
} LbCalibrationItem;

struct _LbCalibration
{
  GObject parent_instance;
  char *step;
  gint64 time_us;
  double duration_s;
  guint64 exposures;
  LbQuantities *identities;
  LbQuantities *values;
  LbQuantities *settings;
  GPtrArray *arrays; /* of LbCalibrationItem, as the two below */
  GPtrArray *maps;
  GPtrArray *figures;
  LbVerdict verdict;
  double residual;
  double limit;
  char *unit;
  char *message;
  /* Set once it is sealed. */
  char *hash;
  GBytes *bytes;
};

/* Name under which the settings of a result hold the fidelity of its bench. */
#define LB_CALIBRATION_FIDELITY "fidelity"
/* And the camera's frame period, ms. */
#define LB_CALIBRATION_FRAME_PERIOD "setup_frame_period"
const char *lb_calibration_fidelity_name (LbFidelity fidelity);

/* The result as bytes and their hash (hex), from its fields. */
GBytes *lb_calibration_serialise (const LbCalibration *self, char **hash);
/* Who it belongs to, without reading its arrays or checking its hash: FALSE if
 * @bytes are no stored result. @identities is for the caller to free. */
gboolean lb_calibration_peek (GBytes *bytes,
                              char **step,
                              gint64 *time_us,
                              LbVerdict *verdict,
                              LbQuantities **identities,
                              char **fidelity);
/* An array as it is stored, and back; lb-calibration-array.c says how. */
GBytes *lb_calibration_pack_array (const LbMatrix *array);
LbMatrix *lb_calibration_unpack_array (const guint8 *packed, gsize size, gsize rows, gsize columns);
gboolean lb_calibration_identities_match (const LbQuantities *a, const LbQuantities *b);

/* For the forecasts of steps: @frames, each of @exposure_us (0: the setup's usual) or the
 * camera's period for that part of its rows; and @changes of a plane that are waited for. */
void lb_calibration_forecast_add (LbCalibrationForecast *self,
                                  LbBench *bench,
                                  guint changes,
                                  double frames,
                                  double exposure_us,
                                  double rows);
/* About how many macropixels there will be. */
double lb_calibration_forecast_cells (LbBench *bench);

extern const LbCalibrationStep lb_calibration_step_dark;
extern const LbCalibrationStep lb_calibration_step_light;
extern const LbCalibrationStep lb_calibration_step_timing;
extern const LbCalibrationStep lb_calibration_step_photon_transfer;
extern const LbCalibrationStep lb_calibration_step_alignment;
extern const LbCalibrationStep lb_calibration_step_response;
extern const LbCalibrationStep lb_calibration_step_background;
extern const LbCalibrationStep lb_calibration_step_flat_field;
extern const LbCalibrationStep lb_calibration_step_crosstalk;
extern const LbCalibrationStep lb_calibration_step_verification;

G_END_DECLS
