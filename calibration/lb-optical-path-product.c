/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-sentinel-private.h"

#include <math.h>
#include <string.h>

/*
 * A product, measured in one piece; or in several, if sentinels fail on the way and
 * what is left is to be measured by another calibration.
 */

void
lb_path_run_init (LbPathRun *run, const LbPathPlan *plan)
{
  const gsize products = run->out->rows * run->out->columns;

  run->plan = plan;
  run->again = g_array_new (FALSE, FALSE, sizeof (guint64));
  run->shown = -1;
  run->products = g_new0 (double, products);
  run->raw = g_new (float, 4 * products);
  run->missing = g_new (guint16, products);
  for (gsize i = 0; i < 4 * products; i++)
    run->raw[i] = NAN;
  for (gsize i = 0; i < products; i++)
    run->missing[i] = (guint16) (plan->signs_a * plan->layout->segments);
  for (gsize row = 0; row < run->out->rows; row++)
    for (gsize i = 0; i < run->out->columns; i++)
      lb_matrix_row (run->out, row)[i] = NAN;
}

void
lb_path_run_clear (LbPathRun *run)
{
  g_array_unref (run->again);
  g_clear_pointer (&run->source_pattern, lb_pattern_unref);
  g_clear_pointer (&run->weight_pattern, lb_pattern_unref);
  g_clear_pointer (&run->sum, lb_reading_free);
  g_free (run->products);
  g_free (run->raw);
  g_free (run->missing);
}

/* Means over all tiles and exposures. */
static void
count_means (const LbPathRun *run)
{
  LbOpticalPathCounts *counts = run->counts;
  double mean;

  if (run->tiles == 0)
    return;
  mean = run->sum_photons / (double) run->tiles;
  counts->photons_per_mac = mean;
  counts->photons_per_mac_spread =
      sqrt (MAX (run->sum_square_photons / (double) run->tiles - mean * mean, 0));
  counts->electrons_per_mac = run->sum_electrons / (double) run->tiles;
}

typedef struct
{
  LbOpticalPath *path;
  const LbMatrix *a, *b;
  gboolean diagonal;
  double photons_per_mac;
  LbMatrix *out;
  LbOpticalPathCounts *counts;
  LbOpticalPathPartial partial;
  gpointer partial_data;
  guint8 *finished; /* of @out, row-major */

  /* The piece under way: rows from here on, of these columns. */
  gsize first_row;
  const GArray *columns; /* gsize */
} Product;

/* Places in the piece become places in the product; what was measured twice counts once. */
static void
partial_cb (const guint32 *rows,
            const guint32 *columns,
            const float *values,
            const float *raw,
            gsize count,
            gpointer user_data)
{
  Product *self = user_data;
  g_autofree guint32 *to_rows = g_new (guint32, count);
  g_autofree guint32 *to_columns = g_new (guint32, count);
  g_autofree float *to_values = g_new (float, count);
  g_autofree float *to_raw = g_new (float, 4 * count);
  gsize n = 0;

  for (gsize i = 0; i < count; i++)
    {
      const gsize row = self->first_row + rows[i], column = g_array_index (self->columns, gsize, columns[i]);
      guint8 *finished = &self->finished[row * self->out->columns + column];

      if (*finished)
        {
          self->counts->dot_products--;
          self->counts->macs -= self->a->columns;
          continue;
        }
      *finished = 1;
      lb_matrix_row (self->out, row)[column] = values[i];
      to_rows[n] = (guint32) row;
      to_columns[n] = (guint32) column;
      to_values[n] = values[i];
      memcpy (to_raw + 4 * n, raw + 4 * i, 4 * sizeof (float));
      n++;
    }
  if (self->partial != NULL && n > 0)
    self->partial (to_rows, to_columns, to_values, to_raw, n, self->partial_data);
}

/* First row of a column that has not been measured. */
static gsize
first_unfinished (const Product *self, gsize column)
{
  gsize row = 0;

  while (row < self->out->rows && self->finished[row * self->out->columns + column])
    row++;
  return row;
}

/* The next piece: the columns of which the same rows are left as of the first one
 * that is not done. FALSE: there is nothing left. */
static gboolean
next_piece (const Product *self, gsize *first_row, GArray *columns)
{
  g_array_set_size (columns, 0);
  for (gsize column = 0; column < self->out->columns; column++)
    {
      const gsize row = first_unfinished (self, column);

      if (row == self->out->rows || (columns->len > 0 && row != *first_row))
        continue;
      *first_row = row;
      g_array_append_val (columns, column);
    }
  return columns->len > 0;
}

/* Rows of b that the piece has. */
static LbMatrix *
take_b (const Product *self)
{
  LbMatrix *b;

  if (self->diagonal)
    return lb_matrix_new_view ((LbMatrix *) self->b, self->first_row, 0, self->b->rows - self->first_row,
                               self->b->columns);
  if (self->columns->len == self->b->rows)
    return lb_matrix_new_view ((LbMatrix *) self->b, 0, 0, self->b->rows, self->b->columns);
  b = lb_matrix_new (self->columns->len, self->b->columns);
  for (guint i = 0; i < self->columns->len; i++)
    memcpy (lb_matrix_row (b, i), lb_matrix_row (self->b, g_array_index (self->columns, gsize, i)),
            sizeof (float) * b->columns);
  return b;
}

/* Runs the exposures of @run; @replaced: until another model was given, in answer to
 * a sentinel that failed. */
static gboolean
run_piece (Product *self, LbPathRun *run, gboolean *replaced, GCancellable *cancellable, GError **error)
{
  LbOpticalPath *path = self->path;

  for (;;)
    {
      run->ordinal = path->ordinal++;
      run->held = FALSE;
      if (!lb_bench_run (path->bench, "multiply", lb_path_run, run, cancellable, error))
        return FALSE;
      if (!run->held)
        return TRUE;
      if (path->sentinel_failed != NULL &&
          !path->sentinel_failed (path, &run->sentinel, path->sentinel_data, cancellable, error))
        return FALSE;
      /* The run's plan keeps the model that it was made with. */
      *replaced = path->model != run->plan->model;
      if (*replaced)
        return TRUE;
    }
}

/* Adds to the sums over tiles and exposures of the whole product. */
static void
add_sums (LbPathRun *sums, const LbPathRun *run)
{
  sums->sum_photons += run->sum_photons;
  sums->sum_square_photons += run->sum_square_photons;
  sums->sum_electrons += run->sum_electrons;
  sums->tiles += run->tiles;
}

static gboolean
measure_piece (Product *self, LbPathRun *sums, GCancellable *cancellable, GError **error)
{
  LbOpticalPath *path = self->path;
  const gsize rows = self->a->rows - self->first_row;
  g_autoptr (LbMatrix) a =
      lb_matrix_new_view ((LbMatrix *) self->a, self->first_row, 0, rows, self->a->columns);
  g_autoptr (LbMatrix) b = take_b (self);
  g_autoptr (LbMatrix) out = lb_matrix_new (rows, self->columns->len);
  g_autoptr (LbPathPlan) plan = lb_path_make_plan (path, a, b, self->diagonal, error);
  LbPathRun run = { .bench = path->bench,
                    .photons_per_mac = self->photons_per_mac,
                    .out = out,
                    .counts = self->counts,
                    .partial = partial_cb,
                    .partial_data = self,
                    .sentinels = path->sentinels,
                    .sentinel_taken = path->sentinel_taken,
                    .sentinel_data = path->sentinel_data };
  gboolean replaced = FALSE, done;

  if (plan == NULL)
    return FALSE;
  if (path->sentinels != NULL)
    run.drift = lb_sentinels_get_drift (path->sentinels);
  lb_path_run_init (&run, plan);
  done = run_piece (self, &run, &replaced, cancellable, error);
  add_sums (sums, &run);
  lb_path_run_clear (&run);
  return done;
}

/**
 * lb_optical_path_multiply:
 * @a: (m, d), finite; shown on the source plane, each row by its own scale
 * @b: (n, d), finite; shown on the weight plane, all by one scale
 * @diagonal: row i with row i instead of every row with every row
 * @photons_per_mac: at the weight plane, per pass and element, on the average
 * @out: (out caller-allocates): (m, n), or (m, 1) if @diagonal
 * @counts: (out caller-allocates) (nullable): what it took; also on failure
 * @partial: (nullable): gets dot products as they become known, in the bench's worker
 * @error: LB_OPTICS_ERROR (SHAPE; SPACE; DARK: no light, or the planes do not
 *   show the patterns), and those of the bench and its devices
 *
 * out = a b^T on the bench, by the forward model and decode of optics.md. NAN
 * marks dot products with saturated pixels even at the shortest exposure, and
 * after a failure those that were not measured.
 */
gboolean
lb_optical_path_multiply (LbOpticalPath *self,
                          const LbMatrix *a,
                          const LbMatrix *b,
                          gboolean diagonal,
                          double photons_per_mac,
                          LbMatrix *out,
                          LbOpticalPathCounts *counts,
                          LbOpticalPathPartial partial,
                          gpointer user_data,
                          GCancellable *cancellable,
                          GError **error)
{
  g_autoptr (GArray) columns = g_array_new (FALSE, FALSE, sizeof (gsize));
  g_autofree guint8 *finished = NULL;
  LbOpticalPathCounts unwanted;
  LbPathRun sums = { 0 };
  Product product;
  gint64 start_us;
  gboolean done = TRUE;

  g_return_val_if_fail (LB_IS_OPTICAL_PATH (self) && a != NULL && b != NULL && out != NULL, FALSE);
  g_return_val_if_fail (out->rows == a->rows && out->columns == (diagonal ? 1 : b->rows), FALSE);
  g_return_val_if_fail (photons_per_mac > 0, FALSE);

  counts = counts != NULL ? counts : &unwanted;
  *counts = (LbOpticalPathCounts){ 0 };
  finished = g_malloc0 (MAX (out->rows * out->columns, 1));
  product = (Product){ self,    a,         b,        diagonal, photons_per_mac, out, counts,
                       partial, user_data, finished, 0,        columns };
  for (gsize row = 0; row < out->rows; row++)
    for (gsize i = 0; i < out->columns; i++)
      lb_matrix_row (out, row)[i] = NAN;
  start_us = lb_clock_now_us (lb_bench_get_clock (self->bench));
  while (done && next_piece (&product, &product.first_row, columns))
    done = measure_piece (&product, &sums, cancellable, error);
  counts->bench_time_s = 1e-6 * (double) (lb_clock_now_us (lb_bench_get_clock (self->bench)) - start_us);
  sums.counts = counts;
  count_means (&sums);
  return done;
}

/* The action: a sentinel by itself. */
static gboolean
sentinel_action (LbBench *bench, gpointer data, GCancellable *cancellable, GError **error)
{
  LbPathRun *run = data;

  return lb_path_run_last_sentinel (run, cancellable, error);
}

/**
 * lb_optical_path_close_sentinels:
 * @error: as lb_optical_path_multiply(), and what LbSentinelFailedFunc sets
 *
 * The exposures since the last sentinel get one after them too. Blocks (not in M,
 * not in the worker).
 */
gboolean
lb_optical_path_close_sentinels (LbOpticalPath *self, GCancellable *cancellable, GError **error)
{
  LbOpticalPathCounts counts = { 0 };
  LbPathRun run = { .bench = self->bench,
                    .ordinal = self->ordinal,
                    .counts = &counts,
                    .sentinels = self->sentinels,
                    .sentinel_taken = self->sentinel_taken,
                    .sentinel_data = self->sentinel_data };

  g_return_val_if_fail (LB_IS_OPTICAL_PATH (self), FALSE);

  if (self->sentinels == NULL || !lb_sentinels_is_open (self->sentinels))
    return TRUE;
  self->ordinal++;
  return lb_bench_run (self->bench, "multiply", sentinel_action, &run, cancellable, error);
}
