/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-calibration-model-private.h"

#include <glib/gi18n-lib.h>
#include <math.h>
#include <string.h>

static guint
get_size (const LbQuantities *values, const char *name)
{
  double value = lb_quantities_get (values, name, 0);

  return value >= 0 && value <= G_MAXUINT16 ? (guint) value : 0;
}

static gboolean
fail_damaged (GError **error, const char *step)
{
  g_set_error (error, LB_CALIBRATION_ERROR, LB_CALIBRATION_ERROR_FORMAT,
               _ ("The result of the step “%s” does not fit the bench: measure it again"), step);
  return FALSE;
}

static LbCalibration *
dup_alignment (LbCalibrationSet *set, GError **error)
{
  LbCalibration *alignment = lb_calibration_set_dup (set, "alignment");

  if (alignment == NULL)
    g_set_error_literal (error, LB_CALIBRATION_ERROR, LB_CALIBRATION_ERROR_NEEDS,
                         _ ("The bench has not been aligned: run the step Alignment first"));
  return alignment;
}

gboolean
lb_calibration_get_region (LbCalibrationSet *set, LbCameraFormat *region, GError **error)
{
  g_autoptr (LbCalibration) alignment = dup_alignment (set, error);
  const LbQuantities *values;

  if (alignment == NULL)
    return FALSE;
  values = lb_calibration_values (alignment);
  *region = (LbCameraFormat){
    .x = get_size (values, "region_x"),
    .y = get_size (values, "region_y"),
    .width = get_size (values, "region_width"),
    .height = get_size (values, "region_height"),
    .bits = get_size (values, "bits"),
  };
  return region->width > 0 && region->height > 0 ? TRUE : fail_damaged (error, "alignment");
}

static LbOpticsModel *
new_model (LbCalibration *alignment, const LbCameraFormat *region, const LbSetupOptics *optics)
{
  const LbQuantities *values = lb_calibration_values (alignment);
  guint source_width = get_size (values, "source_width"), source_height = get_size (values, "source_height");
  guint weight_width = get_size (values, "weight_width"), weight_height = get_size (values, "weight_height");
  LbOpticsModel *model;

  if (source_width == 0 || source_height == 0 || weight_width < optics->macropixel ||
      weight_height < optics->macropixel)
    return NULL;
  model = lb_optics_model_new (source_width, source_height, weight_width, weight_height, region->x, region->y,
                               region->width, region->height, optics->macropixel, optics->source_margin,
                               optics->guard);
  if (lb_calibration_get_plane_map (alignment, "source_to_weight", &model->source_to_weight) &&
      lb_calibration_get_plane_map (alignment, "weight_to_camera", &model->weight_to_camera) &&
      lb_calibration_get_plane_map (alignment, "camera_to_weight", &model->camera_to_weight))
    return model;
  lb_optics_model_unref (model);
  return NULL;
}

static void
set_nominal (LbOpticsModel *model, const LbSetupOptics *optics, guint bits)
{
  const double lit_side = optics->macropixel - 2.0 * optics->source_margin;
  const double lit = lit_side * lit_side / optics->macropixel / optics->macropixel;
  const double fx = optics->source_floor, fw = optics->weight_floor;
  const double full = lit + (1 - lit) * fx;

  if (bits > 0)
    model->bits = bits;
  model->electrons_per_dn = optics->electrons_per_dn;
  model->read_noise = optics->read_noise;
  model->full_well = optics->full_well;
  model->quantum_efficiency = optics->quantum_efficiency;
  model->path_transmission = optics->path_transmission;
  model->photons_nominal = TRUE;
  for (guint level = 0; level < LB_LEVELS; level++)
    {
      const double part = level / (LB_LEVELS - 1.0);
      const double source = fx + (1 - fx) * pow (part, optics->source_gamma);
      const double phase = 0.5 * G_PI * part * optics->weight_phase_range;

      /* The margin of a macropixel leaks at its floor, whatever its value. */
      model->source_curves.values[level] = (float) ((lit * source + (1 - lit) * fx) / full);
      model->weight_curves.values[level] = (float) (fw + (1 - fw) * sin (phase) * sin (phase));
    }
  /* A nominal range of more than half a wave falls again. */
  if (optics->weight_phase_range > 1)
    model->weight_curves.high_level[0] = (guint8) lround ((LB_LEVELS - 1) / optics->weight_phase_range);
}

/* Copies the camera's region out of an array of the whole sensor. */
static gboolean
crop (const LbMatrix *from, const LbOpticsModel *model, LbMatrix *to)
{
  if (from == NULL || model->sensor_x + model->sensor_width > from->columns ||
      model->sensor_y + model->sensor_height > from->rows)
    return FALSE;
  for (gsize y = 0; y < model->sensor_height; y++)
    memcpy (lb_matrix_row (to, y), lb_matrix_row (from, model->sensor_y + y) + model->sensor_x,
            model->sensor_width * sizeof (float));
  return TRUE;
}

/* What photon transfer has measured of the sensor takes the place of the nominal
 * values: they hold before calibration as after it. Electrons that a photon gives
 * are measured as a whole; the path is what a data sheet's efficiency leaves of it. */
static void
set_photon_transfer (LbOpticsModel *model, LbCalibrationSet *set)
{
  g_autoptr (LbCalibration) transfer = lb_calibration_set_dup (set, "photon-transfer");
  const LbQuantities *values;
  double efficiency;

  if (transfer == NULL)
    return;
  values = lb_calibration_values (transfer);
  model->electrons_per_dn = lb_quantities_get (values, "electrons_per_dn", model->electrons_per_dn);
  model->full_well = lb_quantities_get (values, "saturation_capacity", model->full_well);
  efficiency = lb_quantities_get (values, "electrons_per_photon", NAN);
  if (!(efficiency > 0))
    return;
  model->path_transmission = efficiency / model->quantum_efficiency;
  model->photons_nominal = FALSE;
}

/* Electrons per DN that went into the dark current may have been nominal. */
static void
rescale_dark (LbOpticsModel *model, LbCalibration *dark)
{
  const double used =
      lb_quantities_get (lb_calibration_settings (dark), "electrons_per_dn", model->electrons_per_dn);
  const double read_noise_dn = lb_quantities_get (lb_calibration_values (dark), "read_noise_dn", NAN);

  if (isfinite (read_noise_dn) && read_noise_dn > 0)
    model->read_noise = read_noise_dn * model->electrons_per_dn;
  if (!(used > 0) || used == model->electrons_per_dn)
    return;
  for (gsize y = 0; y < model->sensor_height; y++)
    for (gsize x = 0; x < model->sensor_width; x++)
      lb_matrix_row (model->dark_electrons_per_s, y)[x] *= (float) (model->electrons_per_dn / used);
}

static gboolean
set_dark (LbOpticsModel *model, LbCalibrationSet *set, GError **error)
{
  g_autoptr (LbCalibration) dark = lb_calibration_set_dup (set, "dark");
  const LbMatrix *defects;

  if (dark == NULL)
    return TRUE;
  defects = lb_calibration_get_array (dark, "defects");
  if (!crop (lb_calibration_get_array (dark, "offset"), model, model->offset_dn) ||
      !crop (lb_calibration_get_array (dark, "dark_current"), model, model->dark_electrons_per_s) ||
      defects == NULL || (defects->rows > 0 && defects->columns != 2))
    return fail_damaged (error, "dark");

  for (gsize i = 0; i < defects->rows; i++)
    {
      double x = (double) lb_matrix_get (defects, i, 0) - model->sensor_x;
      double y = (double) lb_matrix_get (defects, i, 1) - model->sensor_y;

      if (x >= 0 && y >= 0 && x < model->sensor_width && y < model->sensor_height)
        model->defective[(gsize) y * model->sensor_width + (gsize) x] = 1;
    }
  rescale_dark (model, dark);
  return TRUE;
}

static gboolean
set_curves (LbCurves *curves, LbCalibration *response, const char *plane)
{
  g_autofree char *curve_name = g_strdup_printf ("%s_curve", plane);
  g_autofree char *range_name = g_strdup_printf ("%s_range", plane);
  const LbMatrix *values = lb_calibration_get_array (response, curve_name);
  const LbMatrix *range = lb_calibration_get_array (response, range_name);
  guint zones_x = get_size (lb_calibration_values (response), "zones_x");
  guint zones_y = get_size (lb_calibration_values (response), "zones_y");
  const gsize zones = (gsize) zones_x * zones_y;

  if (zones == 0 || values == NULL || range == NULL || values->rows != zones || range->rows != zones ||
      values->columns != LB_LEVELS || range->columns != 2)
    return FALSE;
  lb_curves_clear (curves);
  lb_curves_init (curves, zones_x, zones_y);
  for (gsize zone = 0; zone < zones; zone++)
    {
      memcpy (curves->values + zone * LB_LEVELS, lb_matrix_row (values, zone), LB_LEVELS * sizeof (float));
      curves->low_level[zone] = (guint8) CLAMP (lb_matrix_get (range, zone, 0), 0, LB_LEVELS - 1);
      curves->high_level[zone] = (guint8) CLAMP (lb_matrix_get (range, zone, 1), 0, LB_LEVELS - 1);
    }
  return TRUE;
}

/* Cells of the bright patches have one gain, that of the reference. */
static gboolean
set_gain (LbOpticsModel *model, LbCalibration *flat_field)
{
  const LbMatrix *gain = lb_calibration_get_array (flat_field, "gain");
  const LbMatrix *usable = lb_calibration_get_array (flat_field, "usable");

  if (gain == NULL || usable == NULL || gain->rows != model->rows || gain->columns != model->columns ||
      usable->rows != model->rows || usable->columns != model->columns)
    return FALSE;
  for (gsize row = 0; row < model->rows; row++)
    for (gsize column = 0; column < model->columns; column++)
      {
        const gsize cell = row * model->columns + column;

        model->gain[cell] = lb_matrix_get (gain, row, column);
        if (lb_matrix_get (usable, row, column) < 0.5f)
          model->usable[cell] = 0;
      }
  return TRUE;
}

/* The light of the flat-field frames at the usual set point, if they tell it. A
 * source with a threshold does not quite follow its set point; for a forecast it
 * does. */
static void
set_light (LbOpticsModel *model, LbCalibration *flat_field, const LbSetupOptics *optics)
{
  LbQuantities *settings = lb_calibration_settings (flat_field);
  const double light = lb_quantities_get (lb_calibration_values (flat_field), "light", 0);
  const double exposure_us = 1e3 * lb_quantities_get (settings, "exposure", 0);
  const double level = lb_quantities_get (settings, "light_level", optics->light_level);

  if (!(light > 0 && exposure_us > 0 && level > 0 && optics->light_level > 0))
    return;
  model->light_per_us = light / exposure_us * optics->light_level / level;
  model->peak_share = lb_quantities_get (lb_calibration_values (flat_field), "peak_share", 0);
}

/* Stray light is stored in units of the light of a bright reference cell. */
static gboolean
set_stray (LbOpticsModel *model, LbCalibration *background, double reference_gain)
{
  const LbMatrix *stray = lb_calibration_get_array (background, "stray");

  if (stray == NULL || stray->rows != model->rows || stray->columns != model->columns)
    return FALSE;
  for (gsize row = 0; row < model->rows; row++)
    for (gsize column = 0; column < model->columns; column++)
      model->stray[row * model->columns + column] =
          (float) (reference_gain * lb_matrix_get (stray, row, column));
  return TRUE;
}

/* What the power meter read of a source full on at the usual set point, if one did. */
static void
set_power (LbOpticsModel *model, LbCalibrationSet *set)
{
  g_autoptr (LbCalibration) light = lb_calibration_set_dup (set, "light");

  if (light != NULL)
    {
      model->full_power_w = 1e-6 * lb_quantities_get (lb_calibration_values (light), "power", 0);
      model->dark_power_w = 1e-6 * lb_quantities_get (lb_calibration_values (light), "power_dark", 0);
    }
}

static gboolean
set_measured (LbOpticsModel *model,
              LbCalibrationSet *set,
              const LbSetupOptics *optics,
              LbModelParts parts,
              GError **error)
{
  g_autoptr (LbCalibration) response = lb_calibration_set_dup (set, "response");
  g_autoptr (LbCalibration) background = lb_calibration_set_dup (set, "background");
  g_autoptr (LbCalibration) flat_field = lb_calibration_set_dup (set, "flat-field");
  double reference_gain = 1;

  if ((parts & LB_MODEL_CURVES) != 0 && response != NULL &&
      (!set_curves (&model->source_curves, response, "source") ||
       !set_curves (&model->weight_curves, response, "weight")))
    return fail_damaged (error, "response");
  if (flat_field != NULL)
    set_light (model, flat_field, optics);
  set_power (model, set);
  if ((parts & LB_MODEL_GAIN) != 0 && flat_field != NULL)
    {
      if (!set_gain (model, flat_field))
        return fail_damaged (error, "flat-field");
      reference_gain = lb_quantities_get (lb_calibration_values (flat_field), "reference_gain", 1);
    }
  if ((parts & LB_MODEL_STRAY) != 0 && background != NULL && !set_stray (model, background, reference_gain))
    return fail_damaged (error, "background");
  model->calibrated = parts == LB_MODEL_ALL && response != NULL && flat_field != NULL && background != NULL;
  return TRUE;
}

LbOpticsModel *
lb_calibration_build_model (LbCalibrationSet *set, LbSetup *setup, LbModelParts parts, GError **error)
{
  g_autoptr (LbCalibration) alignment = dup_alignment (set, error);
  g_autoptr (LbOpticsModel) model = NULL;
  const LbSetupOptics *optics = lb_setup_get_optics (setup);
  LbCameraFormat region;

  if (alignment == NULL || !lb_calibration_get_region (set, &region, error))
    return NULL;
  model = new_model (alignment, &region, optics);
  if (model == NULL)
    {
      fail_damaged (error, "alignment");
      return NULL;
    }
  set_nominal (model, optics, region.bits);
  lb_optics_model_find_usable (model);
  set_photon_transfer (model, set);
  if (!set_dark (model, set, error) || !set_measured (model, set, optics, parts, error))
    return NULL;
  return g_steal_pointer (&model);
}

/**
 * lb_calibration_set_make_model:
 * @self: results in force
 * @bench: the bench they belong to
 * @calibrated: %FALSE: nominal values but for alignment, dark and photon transfer
 * @error: %LB_CALIBRATION_ERROR_NEEDS without an alignment,
 *   %LB_CALIBRATION_ERROR_FORMAT if a result does not fit
 *
 * Makes the model that encodes and decodes, for the camera's region that the
 * alignment chose.
 *
 * Returns: (transfer full) (nullable): the model.
 */
LbOpticsModel *
lb_calibration_set_make_model (LbCalibrationSet *self, LbBench *bench, gboolean calibrated, GError **error)
{
  g_return_val_if_fail (LB_IS_CALIBRATION_SET (self) && LB_IS_BENCH (bench), NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  return lb_calibration_build_model (self, lb_bench_get_setup (bench),
                                     calibrated ? LB_MODEL_ALL : LB_MODEL_NOMINAL, error);
}
