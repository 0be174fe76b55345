/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <math.h>

#include <glib/gi18n-lib.h>
#include <lb-bench-engine.h>
#include <lb-gemm.h>
#include <lb-operand.h>
#include <lb-optical-path.h>
#include <lb-verification-shares.h>

#include "lb-experiment-private.h"
#include "lb-workflow.h"

/* Rows of the first operand that one product takes: between two products a run
 * can pause, and what came before is stored. */
#define ROWS_PER_STEP 256
#define SNAPSHOT_INTERVAL_US (G_USEC_PER_SEC / 10)
/* Snapshots take this part of the time at most, of runs with many dot products too. */
#define SNAPSHOT_SHARE 0.1
/* A run has this many products' worth of noise keys, so that no two products of
 * a session share one. */
#define ORDINALS_PER_RUN (1u << 16)

typedef struct
{
  GPtrArray *parts; /* of LbExperimentPart */
  double photons_per_mac;
  LbQuantities *results;
  GArray *groups; /* of LbExperimentGroup */
  gint64 run;

  GMutex lock;
  GCond resumed;
  gboolean paused;

  /* While it runs. */
  const LbExperimentPlace *place;
  LbSnapshotFunc snapshot;
  gpointer snapshot_data;
  gint64 next_snapshot_us;
  gint64 bench_start_us;
  guint64 exposures_start;
  guint64 exposures_forecast;
  double seconds_forecast;
  guint64 dot_products;
  guint64 to_measure; /* of both phases */
  LbEngine *nominal;  /* decodes with the nominal values, for the figure "before calibration"; or NULL */
  gboolean before;    /* it measures now */
  gboolean photons_nominal; /* photons rest on values of the setup file */
  guint part;
  gsize first_row;
  gboolean again;        /* the step was held: some of it is there already */
  GError *store_error;   /* of the writer thread, under lock */
  LbEngineCounts counts; /* of the calibrated phase */
  LbSentinelWatch watch;
  char *held;         /* what it waits for, or NULL */
  double photons_sum; /* over products, weighted by MACs */
  double electrons_sum;
} LbExperimentPrivate;

G_DEFINE_QUARK (lb - experiment - error - quark, lb_experiment_error)
G_DEFINE_ABSTRACT_TYPE_WITH_PRIVATE (LbExperiment, lb_experiment, G_TYPE_OBJECT)

#define PRIVATE(self) ((LbExperimentPrivate *) lb_experiment_get_instance_private (self))

static void
part_free (gpointer data)
{
  LbExperimentPart *part = data;

  lb_matrix_unref (part->a);
  lb_matrix_unref (part->b);
  g_free (part->name);
  g_free (part->ideal);
  g_free (part->measured);
  g_free (part->uncalibrated);
  g_free (part->seen);
  g_free (part);
}

static void
lb_experiment_finalize (GObject *object)
{
  LbExperimentPrivate *private = PRIVATE ((LbExperiment *) object);

  g_ptr_array_unref (private->parts);
  g_clear_pointer (&private->results, lb_quantities_free);
  g_clear_pointer (&private->groups, g_array_unref);
  lb_sentinel_watch_end (&private->watch);
  g_free (private->held);
  g_clear_error (&private->store_error);
  g_mutex_clear (&private->lock);
  g_cond_clear (&private->resumed);
  G_OBJECT_CLASS (lb_experiment_parent_class)->finalize (object);
}

static void
lb_experiment_class_init (LbExperimentClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = lb_experiment_finalize;
}

static void
lb_experiment_init (LbExperiment *self)
{
  LbExperimentPrivate *private = PRIVATE (self);

  private->parts = g_ptr_array_new_with_free_func (part_free);
  g_mutex_init (&private->lock);
  g_cond_init (&private->resumed);
}

void
lb_experiment_set_photons (LbExperiment *self, double photons_per_mac)
{
  PRIVATE (self)->photons_per_mac = photons_per_mac;
}

/* Ideal values in double: float products would add an error of their own. */
static void
compute_ideal (LbExperimentPart *part)
{
#pragma omp parallel for schedule(static) num_threads(lb_numerics_get_threads())
  for (gsize i = 0; i < part->count; i++)
    {
      const float *x = lb_matrix_row (part->a, i / part->columns);
      const float *w = lb_matrix_row (part->b, part->diagonal ? i : i % part->columns);
      double sum = 0;

      for (gsize e = 0; e < part->a->columns; e++)
        sum += (double) x[e] * w[e];
      part->ideal[i] = sum;
    }
}

static gboolean
has_negative (const LbMatrix *values)
{
  for (gsize r = 0; r < values->rows; r++)
    for (gsize c = 0; c < values->columns; c++)
      if (lb_matrix_get (values, r, c) < 0)
        return TRUE;
  return FALSE;
}

void
lb_experiment_set_operands (LbExperimentPart *part, LbMatrix *a, LbMatrix *b)
{
  g_clear_pointer (&part->a, lb_matrix_unref);
  g_clear_pointer (&part->b, lb_matrix_unref);
  part->a = a;
  part->b = b;
  part->pass_scale = lb_operand_pass_scale (a, b, part->diagonal);
  part->is_signed = has_negative (b);
  compute_ideal (part);
}

LbExperimentPart *
lb_experiment_add_part (LbExperiment *self, LbMatrix *a, LbMatrix *b, gboolean diagonal, LbProductKind kind)
{
  GPtrArray *parts = PRIVATE (self)->parts;
  LbExperimentPart *part = g_new0 (LbExperimentPart, 1);

  part->diagonal = diagonal;
  part->kind = kind;
  part->group = parts->len;
  part->columns = diagonal ? 1 : b->rows;
  part->count = a->rows * part->columns;
  part->ideal = g_new (double, part->count);
  part->measured = g_new (double, part->count);
  part->uncalibrated = g_new (double, part->count);
  part->seen = g_new0 (guint8, part->count);
  lb_experiment_set_operands (part, a, b);
  for (gsize i = 0; i < part->count; i++)
    part->measured[i] = part->uncalibrated[i] = NAN;
  g_ptr_array_add (parts, part);
  return part;
}

guint
lb_experiment_get_n_parts (LbExperiment *self)
{
  return PRIVATE (self)->parts->len;
}

GPtrArray *
lb_experiment_get_parts (LbExperiment *self)
{
  return PRIVATE (self)->parts;
}

LbExperimentPart *
lb_experiment_get_part (LbExperiment *self, guint nth)
{
  return g_ptr_array_index (PRIVATE (self)->parts, nth);
}

const char *
lb_experiment_get_kind (LbExperiment *self)
{
  g_return_val_if_fail (LB_IS_EXPERIMENT (self), NULL);
  return LB_EXPERIMENT_GET_CLASS (self)->kind;
}

char *
lb_experiment_dup_title (LbExperiment *self)
{
  g_return_val_if_fail (LB_IS_EXPERIMENT (self), NULL);
  return LB_EXPERIMENT_GET_CLASS (self)->dup_title (self);
}

const LbQuantities *
lb_experiment_get_results (LbExperiment *self)
{
  g_return_val_if_fail (LB_IS_EXPERIMENT (self), NULL);
  return PRIVATE (self)->results;
}

GArray *
lb_experiment_get_groups (LbExperiment *self)
{
  g_return_val_if_fail (LB_IS_EXPERIMENT (self), NULL);
  return PRIVATE (self)->groups;
}

gint64
lb_experiment_get_run (LbExperiment *self)
{
  g_return_val_if_fail (LB_IS_EXPERIMENT (self), 0);
  return PRIVATE (self)->run;
}

void
lb_experiment_set_paused (LbExperiment *self, gboolean paused)
{
  LbExperimentPrivate *private = PRIVATE (self);

  g_return_if_fail (LB_IS_EXPERIMENT (self));

  g_mutex_lock (&private->lock);
  private->paused = paused;
  g_cond_broadcast (&private->resumed);
  g_mutex_unlock (&private->lock);
}

static void send_snapshot (LbExperiment *self, gboolean finished);

static void
cancelled_cb (GCancellable *cancellable, gpointer user_data)
{
  LbExperimentPrivate *private = user_data;

  g_mutex_lock (&private->lock);
  g_cond_broadcast (&private->resumed);
  g_mutex_unlock (&private->lock);
}

/* Light is off here: no action runs on the bench. */
static gboolean
wait_while_paused (LbExperimentPrivate *private, GCancellable *cancellable, GError **error)
{
  gulong handler = 0;

  if (cancellable != NULL)
    handler = g_cancellable_connect (cancellable, G_CALLBACK (cancelled_cb), private, NULL);
  g_mutex_lock (&private->lock);
  while (private->paused && !g_cancellable_is_cancelled (cancellable))
    g_cond_wait (&private->resumed, &private->lock);
  g_mutex_unlock (&private->lock);
  if (handler != 0)
    g_cancellable_disconnect (cancellable, handler);
  return !g_cancellable_set_error_if_cancelled (cancellable, error);
}

/* Snapshots are sent in the thread that measures, which is this one. */
gboolean
lb_experiment_hold (LbExperiment *self, const char *message, GCancellable *cancellable, GError **error)
{
  LbExperimentPrivate *private = PRIVATE (self);
  gboolean resumed;

  private->held = g_strdup (message);
  lb_experiment_set_paused (self, TRUE);
  private->next_snapshot_us = 0;
  send_snapshot (self, FALSE);
  resumed = wait_while_paused (private, cancellable, error);
  g_clear_pointer (&private->held, g_free);
  private->next_snapshot_us = 0;
  return resumed;
}

/* --- Figures of merit and results ------------------------------------------ */

/* Where the error of a group comes from, by what the verification in force says of
 * products of its length, sign and light. */
static void
add_shares (LbExperimentPrivate *private, const LbExperimentGroup *group, LbQuantities *results)
{
  g_autoptr (LbCalibration) verification =
      lb_calibration_set_dup (private->place->calibrations, "verification");
  double shares[LB_VERIFICATION_CAUSES];

  if (verification == NULL || private->counts.macs == 0 ||
      !lb_verification_find_shares (verification, group->length, group->is_signed,
                                    private->photons_sum / private->counts.macs,
                                    group->figures.normalised_error, shares))
    return;
  for (guint cause = 0; cause < LB_VERIFICATION_CAUSES; cause++)
    {
      g_autofree char *name = g_strconcat ("share_", lb_verification_cause_name (cause), NULL);

      lb_quantities_set (results, name, shares[cause], "");
    }
}

static LbQuantities *
compute_results (LbExperiment *self, const GArray *groups)
{
  LbExperimentPrivate *private = PRIVATE (self);
  LbQuantities *results = lb_quantities_new ();
  LbBench *bench = private->place->bench;
  double seconds = (lb_clock_now_us (lb_bench_get_clock (bench)) - private->bench_start_us) / 1e6;
  guint64 measured = 0;

  for (guint i = 0; i < groups->len; i++)
    measured += g_array_index (groups, LbExperimentGroup, i).figures.count;
  if (LB_EXPERIMENT_GET_CLASS (self)->add_results != NULL)
    LB_EXPERIMENT_GET_CLASS (self)->add_results (self, results);
  lb_experiment_add_merits (results, groups);
  lb_quantities_set (results, "dot_products", measured, "");
  lb_quantities_set (results, "unusable", private->counts.unusable, "");
  lb_quantities_set (results, "exposures", lb_bench_get_exposures (bench) - private->exposures_start, "");
  lb_quantities_set (results, "duration_s", seconds, "s");
  if (private->counts.macs > 0)
    {
      lb_quantities_set (results, "photons_per_mac", private->photons_sum / private->counts.macs, "");
      lb_quantities_set (results, "photons_per_mac_detected", private->electrons_sum / private->counts.macs,
                         "");
      lb_quantities_set_text (results, "photons_are", private->photons_nominal ? "nominal" : "measured");
      lb_quantities_set (results, "adc_samples_per_product",
                         (double) private->counts.adc_samples / private->counts.dot_products, "");
    }
  lb_sentinel_watch_add_results (&private->watch, results);
  add_shares (private, lb_experiment_find_headline (groups), results);
  return results;
}

/* --- Snapshots ---------------------------------------------------------------- */

static void
send_snapshot (LbExperiment *self, gboolean finished)
{
  LbExperimentPrivate *private = PRIVATE (self);
  g_autoptr (LbSnapshot) snapshot = NULL;
  g_autoptr (GArray) groups = NULL;
  LbBench *bench = private->place->bench;
  gint64 now = g_get_monotonic_time ();

  if (private->snapshot == NULL || (!finished && now < private->next_snapshot_us))
    return;
  snapshot = lb_snapshot_new ();
  groups = lb_experiment_compute_groups (private->parts);
  snapshot->finished = finished;
  snapshot->fraction = fmin (1, (double) private->dot_products / MAX (private->to_measure, 1));
  snapshot->held = private->held != NULL;
  snapshot->message =
      g_strdup (private->held != NULL ? private->held
                : finished            ? _ ("Finished")
                : private->before     ? _ ("Measuring with the nominal values, before calibration")
                                      : _ ("Measuring with the calibration in force"));
  snapshot->exposures = lb_bench_get_exposures (bench) - private->exposures_start;
  snapshot->exposures_forecast = private->exposures_forecast;
  snapshot->seconds = (lb_clock_now_us (lb_bench_get_clock (bench)) - private->bench_start_us) / 1e6;
  snapshot->seconds_left = finished ? 0 : fmax (0, private->seconds_forecast - snapshot->seconds);
  snapshot->dot_products = private->dot_products;
  g_clear_pointer (&snapshot->results, lb_quantities_free);
  snapshot->results = compute_results (self, groups);
  lb_experiment_add_common_figures (self, snapshot->figures);
  if (LB_EXPERIMENT_GET_CLASS (self)->add_figures != NULL)
    LB_EXPERIMENT_GET_CLASS (self)->add_figures (self, snapshot->figures);
  private->snapshot (snapshot, private->snapshot_data);
  now = g_get_monotonic_time () - now;
  private->next_snapshot_us =
      g_get_monotonic_time () + MAX (SNAPSHOT_INTERVAL_US, (gint64) ((double) now / SNAPSHOT_SHARE));
}

/* --- Measuring ------------------------------------------------------------------ */

static void
rows_durable_cb (gpointer user_data, const GError *error)
{
  LbExperimentPrivate *private = user_data;

  if (error == NULL)
    return;
  g_mutex_lock (&private->lock);
  if (private->store_error == NULL)
  private->store_error = g_error_copy (error);
  g_mutex_unlock (&private->lock);
}

static void
store_rows (LbExperimentPrivate *private,
            const LbExperimentPart *part,
            const guint32 *rows,
            const guint32 *columns,
            const float *raw,
            gsize count)
{
  g_autofree LbSessionRow *stored = g_new0 (LbSessionRow, count);

  for (gsize i = 0; i < count; i++)
    {
      gsize row = private->first_row + rows[i];
      gsize index = row * part->columns + columns[i];

      stored[i] = (LbSessionRow){
        .row = part->group_row + row,
        .column = columns[i],
        .group = part->group,
        .measured = part->measured[index],
        .ideal = part->ideal[index],
        .uncalibrated = part->uncalibrated[index],
      };
      for (guint p = 0; p < 4; p++)
        {
          stored[i].raw[p] = raw != NULL ? raw[4 * i + p] : NAN;
          stored[i].exposures += isfinite (stored[i].raw[p]);
        }
    }
  lb_session_add_rows (private->place->session, private->run, stored, count, rows_durable_cb, private);
}

/* Whether the value was there before the step was held. */
static gboolean
is_seen (LbExperimentPrivate *private, const LbExperimentPart *part, guint32 row, guint32 column)
{
  return private->again &&
         (part->seen[(private->first_row + row) * part->columns + column] & (private->before ? 2 : 1)) != 0;
}

static void
take_values (LbExperimentPrivate *private,
             LbExperimentPart *part,
             const guint32 *rows,
             const guint32 *columns,
             const float *values,
             const float *raw,
             gsize count)
{
  double *target = private->before ? part->uncalibrated : part->measured;

  for (gsize i = 0; i < count; i++)
    {
      gsize index = (private->first_row + rows[i]) * part->columns + columns[i];

      target[index] = values[i];
      part->seen[index] |= private->before ? 2 : 1;
    }
  if (!private->before)
    {
      private->watch.since += count;
      if (private->place->session != NULL)
        store_rows (private, part, rows, columns, raw, count);
    }
  private->dot_products += count;
}

/* In runs of values that are new. */
static void
partial_cb (const guint32 *rows,
            const guint32 *columns,
            const float *values,
            const float *raw,
            gsize count,
            gpointer user_data)
{
  LbExperiment *self = user_data;
  LbExperimentPrivate *private = PRIVATE (self);
  LbExperimentPart *part = g_ptr_array_index (private->parts, private->part);
  gsize first = 0;

  while (first < count)
    {
      gsize end = first;

      while (end < count && !is_seen (private, part, rows[end], columns[end]))
        end++;
      if (end > first)
        take_values (private, part, rows + first, columns + first, values + first,
                     raw != NULL ? raw + 4 * first : NULL, end - first);
      first = end + 1;
    }
  send_snapshot (self, FALSE);
}

/* A plane's fault is the operator's to put right: the run waits for that. FALSE: @fault
 * ends the run. */
static gboolean
hold (LbExperiment *self, GCancellable *cancellable, GError **fault)
{
  g_autofree char *message = NULL;

  if (!PRIVATE (self)->place->attended || !g_error_matches (*fault, LB_BENCH_ERROR, LB_BENCH_ERROR_PLANE))
    return FALSE;
  message = g_strdup_printf (_ ("The run is paused; once the light is armed, Resume goes on with it. %s"),
                             (*fault)->message);
  g_clear_error (fault);
  return lb_experiment_hold (self, message, cancellable, fault);
}

/* One product, begun again after each hold. */
static gboolean
multiply (LbExperiment *self,
          LbEngine *engine,
          const LbProduct *product,
          LbMatrix *out,
          LbEngineCounts *counts,
          GCancellable *cancellable,
          GError **error)
{
  LbExperimentPrivate *private = PRIVATE (self);
  GError *fault = NULL;

  if (!wait_while_paused (private, cancellable, error))
    return FALSE;
  private->again = FALSE;
  do
    {
      *counts = (LbEngineCounts){ 0 };
      if (lb_engine_multiply (engine, product, out, counts, cancellable, &fault))
        return TRUE;
      private->again = TRUE;
    }
  while (hold (self, cancellable, &fault));
  g_propagate_error (error, fault);
  return FALSE;
}

/* Rows first_row.. of a part, as a product of its own. */
static gboolean
measure_step (LbExperiment *self, LbEngine *engine, GCancellable *cancellable, GError **error)
{
  LbExperimentPrivate *private = PRIVATE (self);
  LbExperimentPart *part = g_ptr_array_index (private->parts, private->part);
  gsize rows = MIN (ROWS_PER_STEP, part->a->rows - private->first_row);
  g_autoptr (LbMatrix) a = lb_matrix_new_view (part->a, private->first_row, 0, rows, part->a->columns);
  g_autoptr (LbMatrix) b = part->diagonal
                               ? lb_matrix_new_view (part->b, private->first_row, 0, rows, part->b->columns)
                               : lb_matrix_ref (part->b);
  g_autoptr (LbMatrix) out = lb_matrix_new (rows, part->columns);
  LbEngineCounts counts;
  double photons, electrons;
  LbProduct product = {
    .a = a,
    .b = b,
    .kind = part->kind,
    .pairs = part->diagonal ? LB_PAIRS_DIAGONAL : LB_PAIRS_ALL,
  };

  if (!multiply (self, engine, &product, out, &counts, cancellable, error))
    return FALSE;
  if (private->before)
    return TRUE;
  lb_bench_engine_get_last (LB_BENCH_ENGINE (engine), &photons, &electrons, NULL);
  private->counts.macs += counts.macs;
  private->counts.dot_products += counts.dot_products;
  private->counts.adc_samples += counts.adc_samples;
  private->counts.unusable += counts.unusable;
  private->photons_sum += photons * counts.macs;
  private->electrons_sum += electrons * counts.macs;
  return TRUE;
}

static LbEngine *
new_engine (LbExperiment *self, gboolean calibrated, GError **error)
{
  LbExperimentPrivate *private = PRIVATE (self);
  const LbExperimentPlace *place = private->place;
  g_autoptr (LbOpticsModel) model = NULL;
  g_autoptr (LbOpticalPath) path = NULL;
  LbEngine *engine;
  guint64 ordinal = place->session != NULL ? lb_session_get_next_ordinal (place->session) : 1;

  model = lb_calibration_set_make_model (place->calibrations, place->bench, calibrated, error);
  if (model == NULL)
    return NULL;
  path = lb_optical_path_new (place->bench, model);
  lb_optical_path_set_ordinal (path, ordinal * ORDINALS_PER_RUN + (calibrated ? 0 : ORDINALS_PER_RUN / 2));
  engine = LB_ENGINE (lb_bench_engine_new (path));
  lb_bench_engine_set_photons (LB_BENCH_ENGINE (engine), private->photons_per_mac);
  lb_engine_set_partial_func (engine, partial_cb, self);
  if (calibrated && !lb_sentinel_watch_guard (&private->watch, path, error))
    g_clear_object (&engine);
  return engine;
}

gboolean
lb_experiment_measure_part (
    LbExperiment *self, LbEngine *engine, guint nth, GCancellable *cancellable, GError **error)
{
  LbExperimentPrivate *private = PRIVATE (self);
  const LbExperimentPart *part = lb_experiment_get_part (self, nth);

  private->part = nth;
  for (private->first_row = 0; private->first_row < part->a->rows; private->first_row += ROWS_PER_STEP)
    {
      /* Step by step with the other: a row is stored with both. */
      private->before = TRUE;
      if (private->nominal != NULL && !measure_step (self, private->nominal, cancellable, error))
        return FALSE;
      private->before = FALSE;
      if (!measure_step (self, engine, cancellable, error))
        return FALSE;
    }
  return TRUE;
}

static gboolean
measure_all (LbExperiment *self, LbEngine *engine, GCancellable *cancellable, GError **error)
{
  LbExperimentPrivate *private = PRIVATE (self);

  if (LB_EXPERIMENT_GET_CLASS (self)->measure != NULL)
    return LB_EXPERIMENT_GET_CLASS (self)->measure (self, engine, cancellable, error);
  for (guint nth = 0; nth < private->parts->len; nth++)
    if (!lb_experiment_measure_part (self, engine, nth, cancellable, error))
      return FALSE;
  return TRUE;
}

/* The last sentinel says of the last products; what it finds is marked, and does not
 * end a run that has ended. */
static gboolean
close_sentinels (LbExperimentPrivate *private, LbEngine *engine, GCancellable *cancellable, GError **error)
{
  if (!lb_optical_path_close_sentinels (lb_bench_engine_get_path (LB_BENCH_ENGINE (engine)), cancellable,
                                        error))
    return FALSE;
  if (private->watch.error == NULL)
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&private->watch.error));
  return FALSE;
}

/* --- Before and after --------------------------------------------------------------- */

static gboolean
forecast (LbExperiment *self, LbEngine *engine, guint64 *exposures, double *seconds, GError **error)
{
  LbExperimentPrivate *private = PRIVATE (self);

  *exposures = 0;
  *seconds = 0;
  for (guint p = 0; p < private->parts->len; p++)
    {
      const LbExperimentPart *part = g_ptr_array_index (private->parts, p);

      for (gsize first = 0; first < part->a->rows; first += ROWS_PER_STEP)
        {
          gsize rows = MIN (ROWS_PER_STEP, part->a->rows - first);
          g_autoptr (LbMatrix) a = lb_matrix_new_view (part->a, first, 0, rows, part->a->columns);
          g_autoptr (LbMatrix) b = part->diagonal
                                       ? lb_matrix_new_view (part->b, first, 0, rows, part->b->columns)
                                       : lb_matrix_ref (part->b);
          guint64 some_exposures;
          double some_seconds;

          if (!lb_optical_path_forecast (lb_bench_engine_get_path (LB_BENCH_ENGINE (engine)), a, b,
                                         part->diagonal, private->photons_per_mac, &some_exposures,
                                         &some_seconds, error))
            return FALSE;
          *exposures += some_exposures;
          *seconds += some_seconds;
        }
    }
  return TRUE;
}

/* What is measured with the calibration, its sentinels, and what is with the nominal
 * values; @nominal: or NULL. */
static gboolean
forecast_all (LbExperiment *self,
              LbEngine *engine,
              LbEngine *nominal,
              guint64 *exposures,
              double *seconds,
              GError **error)
{
  guint64 ends, before = 0;
  double ends_s, before_s = 0;

  if (!forecast (self, engine, exposures, seconds, error) ||
      !lb_optical_path_forecast_ends (lb_bench_engine_get_path (LB_BENCH_ENGINE (engine)), &ends, &ends_s,
                                      error) ||
      (nominal != NULL && !forecast (self, nominal, &before, &before_s, error)))
    return FALSE;
  *exposures += ends + before;
  *seconds += ends_s + before_s;
  return TRUE;
}

/* Whether the same is measured with nominal values too. */
static gboolean
is_compared (LbExperiment *self, const LbExperimentPlace *place)
{
  return place->uncalibrated_too && !LB_EXPERIMENT_GET_CLASS (self)->calibrated_only;
}

static gboolean
prepare (LbExperiment *self, const LbExperimentPlace *place, GError **error)
{
  LbExperimentPrivate *private = PRIVATE (self);

  private->place = place;
  if (lb_bench_get_state (place->bench) == LB_BENCH_DISCONNECTED)
    {
      g_set_error_literal (error, LB_BENCH_ERROR, LB_BENCH_ERROR_NOT_CONNECTED,
                           _ ("the bench is not connected: connect it first"));
      return FALSE;
    }
  if (!lb_calibration_set_is_complete (place->calibrations))
    {
      g_set_error_literal (error, LB_EXPERIMENT_ERROR, LB_EXPERIMENT_ERROR_NOT_CALIBRATED,
                           _ ("the bench has no complete calibration in force: calibrate it first"));
      return FALSE;
    }
  g_ptr_array_set_size (private->parts, 0);
  return LB_EXPERIMENT_GET_CLASS (self)->prepare (self, error);
}

gboolean
lb_experiment_forecast (
    LbExperiment *self, const LbExperimentPlace *place, guint64 *exposures, double *seconds, GError **error)
{
  LbExperimentPrivate *private = PRIVATE (self);
  g_autoptr (LbEngine) engine = NULL;
  g_autoptr (LbEngine) nominal = NULL;

  g_return_val_if_fail (LB_IS_EXPERIMENT (self), FALSE);

  lb_sentinel_watch_end (&private->watch);
  lb_sentinel_watch_begin (&private->watch, self, place);
  if (!prepare (self, place, error))
    return FALSE;
  engine = new_engine (self, TRUE, error);
  if (engine == NULL || (is_compared (self, place) && (nominal = new_engine (self, FALSE, error)) == NULL))
    return FALSE;
  return forecast_all (self, engine, nominal, exposures, seconds, error);
}

/* What photons are counted by. Where electrons that a photon gives are measured,
 * as a whole, the data sheet's shares of it do not matter. */
static void
add_photon_settings (LbExperiment *self, const LbOpticsModel *model, LbQuantities *settings)
{
  LbExperimentPrivate *private = PRIVATE (self);
  g_autoptr (LbCalibration) transfer =
      lb_calibration_set_dup (private->place->calibrations, "photon-transfer");

  lb_quantities_set (settings, "photons_per_mac", private->photons_per_mac, "");
  lb_quantities_set (settings, "electrons_per_dn", model->electrons_per_dn, "");
  if (!model->photons_nominal)
    {
      lb_quantities_set (settings, "electrons_per_photon",
                         model->quantum_efficiency * model->path_transmission, "");
      return;
    }
  lb_quantities_set (settings, "quantum_efficiency", model->quantum_efficiency, "");
  lb_quantities_set (settings, "path_transmission", model->path_transmission, "");
  lb_quantities_set_text (settings, "nominal",
                          transfer != NULL
                              ? "photons_per_mac, quantum_efficiency, path_transmission"
                              : "photons_per_mac, quantum_efficiency, path_transmission, electrons_per_dn");
}

static LbQuantities *
make_settings (LbExperiment *self, const LbOpticsModel *model)
{
  LbExperimentPrivate *private = PRIVATE (self);
  g_autofree char *title = lb_experiment_dup_title (self);
  LbQuantities *settings = lb_quantities_new ();

  lb_quantities_set_text (settings, "title", title);
  LB_EXPERIMENT_GET_CLASS (self)->add_settings (self, settings);
  add_photon_settings (self, model, settings);
  lb_quantities_set (settings, "exposures_forecast", private->exposures_forecast, "");
  lb_quantities_set (settings, "duration_forecast", private->seconds_forecast, "s");
  return settings;
}

static gboolean
store_figures (LbExperiment *self, GError **error)
{
  LbExperimentPrivate *private = PRIVATE (self);
  g_autoptr (GPtrArray) figures = g_ptr_array_new_with_free_func ((GDestroyNotify) lb_figure_unref);

  lb_experiment_add_common_figures (self, figures);
  if (LB_EXPERIMENT_GET_CLASS (self)->add_figures != NULL)
    LB_EXPERIMENT_GET_CLASS (self)->add_figures (self, figures);
  for (guint i = 0; i < figures->len; i++)
    {
      g_autofree char *name = g_strdup_printf ("figure-%u", i);

      if (!lb_session_add_figure (private->place->session, private->run, name, g_ptr_array_index (figures, i),
                                  error))
        return FALSE;
    }
  return TRUE;
}

/* Ends the run in the session; @measured: what measuring came to. The first
 * error stays. */
static gboolean
finish (LbExperiment *self, gboolean measured, GError **error)
{
  LbExperimentPrivate *private = PRIVATE (self);
  LbSession *session = private->place->session;
  gboolean cancelled = !measured && error != NULL &&
                       (g_error_matches (*error, G_IO_ERROR, G_IO_ERROR_CANCELLED) ||
                        g_error_matches (*error, LB_BENCH_ERROR, LB_BENCH_ERROR_STOPPED) ||
                        g_error_matches (*error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_CANCELLED));
  LbRunState state = measured ? LB_RUN_FINISHED : cancelled ? LB_RUN_ABORTED : LB_RUN_FAILED;
  g_autoptr (GError) stored = NULL;

  g_clear_pointer (&private->groups, g_array_unref);
  g_clear_pointer (&private->results, lb_quantities_free);
  private->groups = lb_experiment_compute_groups (private->parts);
  private->results = compute_results (self, private->groups);
  if (session != NULL)
    {
      gint64 now_us = lb_clock_now_us (lb_bench_get_clock (private->place->bench));

      if (lb_session_flush (session, &stored) && store_figures (self, &stored) &&
          lb_session_set_bench_time_us (session, now_us, &stored))
        lb_session_finish_run (session, private->run, state, private->results,
                               measured || error == NULL ? NULL : (*error)->message, &stored);
      if (private->store_error != NULL && stored == NULL)
        stored = g_steal_pointer (&private->store_error);
    }
  if (stored != NULL && measured)
    {
      g_propagate_error (error, g_steal_pointer (&stored));
      return FALSE;
    }
  return measured;
}

gboolean
lb_experiment_run (LbExperiment *self,
                   const LbExperimentPlace *place,
                   LbSnapshotFunc snapshot,
                   gpointer user_data,
                   GCancellable *cancellable,
                   GError **error)
{
  LbExperimentPrivate *private = PRIVATE (self);
  g_autoptr (LbEngine) engine = NULL;
  g_autoptr (LbEngine) nominal = NULL;
  g_autoptr (LbOpticsModel) model = NULL;
  g_autoptr (GError) local_error = NULL;
  gboolean measured;

  g_return_val_if_fail (LB_IS_EXPERIMENT (self), FALSE);
  g_return_val_if_fail (place != NULL && place->bench != NULL && place->calibrations != NULL, FALSE);

  lb_sentinel_watch_end (&private->watch);
  lb_sentinel_watch_begin (&private->watch, self, place);
  if (!prepare (self, place, error))
    return FALSE;
  engine = new_engine (self, TRUE, error);
  model = lb_calibration_set_make_model (place->calibrations, place->bench, TRUE, error);
  if (engine == NULL || model == NULL)
    return FALSE;
  private->photons_nominal = model->photons_nominal;
  if (is_compared (self, place) && (nominal = new_engine (self, FALSE, error)) == NULL)
    return FALSE;
  if (!forecast_all (self, engine, nominal, &private->exposures_forecast, &private->seconds_forecast, error))
    return FALSE;
  private->snapshot = snapshot;
  private->snapshot_data = user_data;
  private->bench_start_us = lb_clock_now_us (lb_bench_get_clock (place->bench));
  private->exposures_start = lb_bench_get_exposures (place->bench);
  private->counts = (LbEngineCounts){ 0 };
  private->photons_sum = private->electrons_sum = 0;
  private->dot_products = private->to_measure = 0;
  for (guint p = 0; p < private->parts->len; p++)
  private->to_measure += lb_experiment_get_part (self, p)->count * (nominal != NULL ? 2 : 1);
  if (place->session != NULL)
    {
      g_autoptr (LbQuantities) settings = make_settings (self, model);

      if (!lb_workflow_store_calibrations_in_force (place->session, place->calibrations, error) ||
          !lb_session_begin_run (place->session, lb_experiment_get_kind (self), settings, &private->run,
                                 error))
        return FALSE;
      private->watch.run = private->run;
    }
  private->nominal = nominal;
  measured = measure_all (self, engine, cancellable, &local_error) &&
             close_sentinels (private, engine, cancellable, &local_error);
  private->nominal = NULL;
  measured = finish (self, measured, &local_error);
  send_snapshot (self, TRUE);
  lb_sentinel_watch_end (&private->watch);
  private->snapshot = NULL;
  private->place = NULL;
  if (local_error != NULL)
    g_propagate_error (error, g_steal_pointer (&local_error));
  return measured;
}
