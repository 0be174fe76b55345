/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-calibration-private.h"

#include <math.h>

GQuark
lb_calibration_error_quark (void)
{
  return g_quark_from_static_string ("lb-calibration-error-quark");
}

G_DEFINE_FINAL_TYPE (LbCalibration, lb_calibration, G_TYPE_OBJECT)

static void
item_free (LbCalibrationItem *item)
{
  g_free (item->name);
  g_clear_pointer (&item->array, lb_matrix_unref);
  g_clear_pointer (&item->figure, lb_figure_unref);
  g_free (item);
}

static LbCalibrationItem *
find_item (GPtrArray *items, const char *name)
{
  for (guint i = 0; i < items->len; i++)
    {
      LbCalibrationItem *item = g_ptr_array_index (items, i);

      if (g_str_equal (item->name, name))
        return item;
    }
  return NULL;
}

/* The item of that name, emptied, or a new one. */
static LbCalibrationItem *
renew_item (GPtrArray *items, const char *name)
{
  LbCalibrationItem *item = find_item (items, name);

  if (item == NULL)
    {
      item = g_new0 (LbCalibrationItem, 1);
      item->name = g_strdup (name);
      g_ptr_array_add (items, item);
    }
  g_clear_pointer (&item->array, lb_matrix_unref);
  g_clear_pointer (&item->figure, lb_figure_unref);
  return item;
}

static void
lb_calibration_finalize (GObject *object)
{
  LbCalibration *self = LB_CALIBRATION (object);

  g_free (self->step);
  g_free (self->unit);
  g_free (self->message);
  g_free (self->hash);
  lb_quantities_free (self->identities);
  lb_quantities_free (self->values);
  lb_quantities_free (self->settings);
  g_ptr_array_unref (self->arrays);
  g_ptr_array_unref (self->maps);
  g_ptr_array_unref (self->figures);
  g_clear_pointer (&self->bytes, g_bytes_unref);
  G_OBJECT_CLASS (lb_calibration_parent_class)->finalize (object);
}

static void
lb_calibration_class_init (LbCalibrationClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = lb_calibration_finalize;
}

static void
lb_calibration_init (LbCalibration *self)
{
  self->identities = lb_quantities_new ();
  self->values = lb_quantities_new ();
  self->settings = lb_quantities_new ();
  self->arrays = g_ptr_array_new_with_free_func ((GDestroyNotify) item_free);
  self->maps = g_ptr_array_new_with_free_func ((GDestroyNotify) item_free);
  self->figures = g_ptr_array_new_with_free_func ((GDestroyNotify) item_free);
  self->verdict = LB_VERDICT_FAIL;
  self->residual = NAN;
  self->limit = NAN;
  self->unit = g_strdup ("");
  self->message = g_strdup ("");
}

static const char *const verdict_names[] = { "pass", "warn", "fail" };

/**
 * lb_verdict_get_name:
 * @verdict: a verdict
 *
 * Returns: its name for machines: "pass", "warn" or "fail".
 */
const char *
lb_verdict_get_name (LbVerdict verdict)
{
  g_return_val_if_fail ((guint) verdict < G_N_ELEMENTS (verdict_names), NULL);

  return verdict_names[verdict];
}

/* Name under which the fidelity of a bench is stored. */
const char *
lb_calibration_fidelity_name (LbFidelity fidelity)
{
  return fidelity == LB_FIDELITY_FAST ? "fast" : "pixel";
}

/**
 * lb_calibration_new:
 * @step: name of the step
 *
 * Makes an empty result with verdict fail. Returns: (transfer full).
 */
LbCalibration *
lb_calibration_new (const char *step)
{
  LbCalibration *self;

  g_return_val_if_fail (step != NULL, NULL);

  self = g_object_new (LB_TYPE_CALIBRATION, NULL);
  self->step = g_strdup (step);
  return self;
}

/**
 * lb_calibration_values:
 * @self: a result
 *
 * Returns: (transfer none): what was found, with units. Not to be changed once
 * the result is sealed.
 */
LbQuantities *
lb_calibration_values (LbCalibration *self)
{
  g_return_val_if_fail (LB_IS_CALIBRATION (self), NULL);

  return self->values;
}

/**
 * lb_calibration_settings:
 * @self: a result
 *
 * Returns: (transfer none): what it was measured with. Not to be changed once
 * the result is sealed.
 */
LbQuantities *
lb_calibration_settings (LbCalibration *self)
{
  g_return_val_if_fail (LB_IS_CALIBRATION (self), NULL);

  return self->settings;
}

/**
 * lb_calibration_set_array:
 * @self: a result that is not sealed
 * @name: identifier
 * @array: array; a reference is taken, so it must not change any more
 *
 * Adds or replaces an array.
 */
void
lb_calibration_set_array (LbCalibration *self, const char *name, LbMatrix *array)
{
  g_return_if_fail (LB_IS_CALIBRATION (self) && self->hash == NULL);
  g_return_if_fail (name != NULL && array != NULL);

  lb_matrix_ref (array);
  renew_item (self->arrays, name)->array = array;
}

/**
 * lb_calibration_set_plane_map:
 * @self: a result that is not sealed
 * @name: identifier
 * @map: a map; copied
 *
 * Adds or replaces a map between planes.
 */
void
lb_calibration_set_plane_map (LbCalibration *self, const char *name, const LbPlaneMap *map)
{
  g_return_if_fail (LB_IS_CALIBRATION (self) && self->hash == NULL);
  g_return_if_fail (name != NULL && map != NULL);

  renew_item (self->maps, name)->map = *map;
}

/**
 * lb_calibration_add_figure:
 * @self: a result that is not sealed
 * @name: identifier
 * @figure: figure; a reference is taken, so it must not change any more
 *
 * Adds or replaces a figure.
 */
void
lb_calibration_add_figure (LbCalibration *self, const char *name, LbFigure *figure)
{
  g_return_if_fail (LB_IS_CALIBRATION (self) && self->hash == NULL);
  g_return_if_fail (name != NULL && figure != NULL);

  lb_figure_ref (figure);
  renew_item (self->figures, name)->figure = figure;
}

/**
 * lb_calibration_set_verdict:
 * @self: a result that is not sealed
 * @verdict: pass, warn or fail
 * @residual: how far off the result is estimated to be, in @unit
 * @limit: what @residual may be, in @unit
 * @unit: unit of both
 * @message: a translated sentence that tells the operator what to do
 *
 * Sets the verdict.
 */
void
lb_calibration_set_verdict (LbCalibration *self,
                            LbVerdict verdict,
                            double residual,
                            double limit,
                            const char *unit,
                            const char *message)
{
  g_return_if_fail (LB_IS_CALIBRATION (self) && self->hash == NULL);
  g_return_if_fail ((guint) verdict < G_N_ELEMENTS (verdict_names));
  g_return_if_fail (unit != NULL && message != NULL);

  self->verdict = verdict;
  self->residual = residual;
  self->limit = limit;
  g_free (self->unit);
  self->unit = g_strdup (unit);
  g_free (self->message);
  self->message = g_strdup (message);
}

/**
 * lb_calibration_get_step:
 * @self: a result
 *
 * Returns: the name of the step.
 */
const char *
lb_calibration_get_step (LbCalibration *self)
{
  g_return_val_if_fail (LB_IS_CALIBRATION (self), NULL);

  return self->step;
}

/**
 * lb_calibration_get_array:
 * @self: a result
 * @name: identifier
 *
 * Returns: (transfer none) (nullable): the array of that name.
 */
LbMatrix *
lb_calibration_get_array (LbCalibration *self, const char *name)
{
  LbCalibrationItem *item;

  g_return_val_if_fail (LB_IS_CALIBRATION (self) && name != NULL, NULL);

  item = find_item (self->arrays, name);
  return item != NULL ? item->array : NULL;
}

/**
 * lb_calibration_get_plane_map:
 * @self: a result
 * @name: identifier
 * @map: (out): the map
 *
 * Returns: whether there is a map of that name.
 */
gboolean
lb_calibration_get_plane_map (LbCalibration *self, const char *name, LbPlaneMap *map)
{
  LbCalibrationItem *item;

  g_return_val_if_fail (LB_IS_CALIBRATION (self) && name != NULL && map != NULL, FALSE);

  item = find_item (self->maps, name);
  if (item != NULL)
    *map = item->map;
  return item != NULL;
}

/**
 * lb_calibration_get_n_figures:
 * @self: a result
 *
 * Returns: the number of its figures.
 */
guint
lb_calibration_get_n_figures (LbCalibration *self)
{
  g_return_val_if_fail (LB_IS_CALIBRATION (self), 0);

  return self->figures->len;
}

/**
 * lb_calibration_get_figure:
 * @self: a result
 * @nth: 0 is the one added first
 * @name: (out) (nullable) (transfer none): its name
 *
 * Returns: (transfer none): that figure.
 */
LbFigure *
lb_calibration_get_figure (LbCalibration *self, guint nth, const char **name)
{
  LbCalibrationItem *item;

  g_return_val_if_fail (LB_IS_CALIBRATION (self) && nth < self->figures->len, NULL);

  item = g_ptr_array_index (self->figures, nth);
  if (name != NULL)
    *name = item->name;
  return item->figure;
}

/**
 * lb_calibration_get_verdict:
 * @self: a result
 *
 * Returns: its verdict; fail until one is set.
 */
LbVerdict
lb_calibration_get_verdict (LbCalibration *self)
{
  g_return_val_if_fail (LB_IS_CALIBRATION (self), LB_VERDICT_FAIL);

  return self->verdict;
}

/**
 * lb_calibration_get_residual:
 * @self: a result
 *
 * Returns: its residual, in lb_calibration_get_unit().
 */
double
lb_calibration_get_residual (LbCalibration *self)
{
  g_return_val_if_fail (LB_IS_CALIBRATION (self), NAN);

  return self->residual;
}

/**
 * lb_calibration_get_limit:
 * @self: a result
 *
 * Returns: what its residual may be, in lb_calibration_get_unit().
 */
double
lb_calibration_get_limit (LbCalibration *self)
{
  g_return_val_if_fail (LB_IS_CALIBRATION (self), NAN);

  return self->limit;
}

/**
 * lb_calibration_get_unit:
 * @self: a result
 *
 * Returns: the unit of residual and limit.
 */
const char *
lb_calibration_get_unit (LbCalibration *self)
{
  g_return_val_if_fail (LB_IS_CALIBRATION (self), NULL);

  return self->unit;
}

/**
 * lb_calibration_get_message:
 * @self: a result
 *
 * Returns: the sentence that tells the operator what to do.
 */
const char *
lb_calibration_get_message (LbCalibration *self)
{
  g_return_val_if_fail (LB_IS_CALIBRATION (self), NULL);

  return self->message;
}

/**
 * lb_calibration_get_time_us:
 * @self: a result
 *
 * Returns: when it was measured, in microseconds of Unix time.
 */
gint64
lb_calibration_get_time_us (LbCalibration *self)
{
  g_return_val_if_fail (LB_IS_CALIBRATION (self), 0);

  return self->time_us;
}

/**
 * lb_calibration_get_duration_s:
 * @self: a result
 *
 * Returns: how long it took, in seconds of bench time.
 */
double
lb_calibration_get_duration_s (LbCalibration *self)
{
  g_return_val_if_fail (LB_IS_CALIBRATION (self), 0);

  return self->duration_s;
}

/**
 * lb_calibration_get_exposures:
 * @self: a result
 *
 * Returns: the number of frames that it took.
 */
guint64
lb_calibration_get_exposures (LbCalibration *self)
{
  g_return_val_if_fail (LB_IS_CALIBRATION (self), 0);

  return self->exposures;
}

/**
 * lb_calibration_get_identities:
 * @self: a result
 *
 * Returns: (transfer none): the devices it was measured on, role -> text.
 */
const LbQuantities *
lb_calibration_get_identities (LbCalibration *self)
{
  g_return_val_if_fail (LB_IS_CALIBRATION (self), NULL);

  return self->identities;
}

/**
 * lb_calibration_get_hash:
 * @self: a result
 *
 * Returns: (nullable): SHA-256 of its bytes in hex, once it is sealed.
 */
const char *
lb_calibration_get_hash (LbCalibration *self)
{
  g_return_val_if_fail (LB_IS_CALIBRATION (self), NULL);

  return self->hash;
}

/**
 * lb_calibration_seal:
 * @self: a result that is not sealed
 * @time_us: when it was measured, in microseconds of Unix time
 * @duration_s: how long it took, in seconds of bench time
 * @exposures: number of frames taken
 * @identities: devices it was measured on, role -> text; copied
 *
 * Makes the result immutable and takes its hash.
 */
void
lb_calibration_seal (
    LbCalibration *self, gint64 time_us, double duration_s, guint64 exposures, const LbQuantities *identities)
{
  g_return_if_fail (LB_IS_CALIBRATION (self) && self->hash == NULL);
  g_return_if_fail (identities != NULL);

  self->time_us = time_us;
  self->duration_s = duration_s;
  self->exposures = exposures;
  lb_quantities_free (self->identities);
  self->identities = lb_quantities_copy (identities);
  self->bytes = lb_calibration_serialise (self, &self->hash);
}

/* Whether both name the same devices in the same roles. */
gboolean
lb_calibration_identities_match (const LbQuantities *a, const LbQuantities *b)
{
  if (lb_quantities_get_length (a) != lb_quantities_get_length (b))
    return FALSE;
  for (guint i = 0; i < lb_quantities_get_length (a); i++)
    {
      const LbQuantity *quantity = lb_quantities_get_nth (a, i);

      if (g_strcmp0 (quantity->text, lb_quantities_get_text (b, quantity->name)) != 0)
        return FALSE;
    }
  return TRUE;
}

/**
 * lb_calibration_fits_bench:
 * @self: a sealed result
 * @bench: a connected bench
 *
 * Returns: whether it was measured on the very devices of the bench, in its
 * fidelity.
 */
gboolean
lb_calibration_fits_bench (LbCalibration *self, LbBench *bench)
{
  g_autoptr (LbQuantities) identities = NULL;
  const char *fidelity;

  g_return_val_if_fail (LB_IS_CALIBRATION (self) && LB_IS_BENCH (bench), FALSE);

  identities = lb_bench_dup_identities (bench);
  fidelity = lb_calibration_fidelity_name (lb_setup_get_fidelity (lb_bench_get_setup (bench)));
  return lb_calibration_identities_match (self->identities, identities) &&
         g_strcmp0 (lb_quantities_get_text (self->settings, LB_CALIBRATION_FIDELITY), fidelity) == 0;
}

/**
 * lb_calibration_to_bytes:
 * @self: a sealed result
 *
 * Returns: (transfer full): the whole result as bytes.
 */
GBytes *
lb_calibration_to_bytes (LbCalibration *self)
{
  g_return_val_if_fail (LB_IS_CALIBRATION (self) && self->hash != NULL, NULL);

  return g_bytes_ref (self->bytes);
}
