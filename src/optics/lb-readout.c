/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-readout.h"

#include "lb-optics-private.h"

#include <glib/gi18n-lib.h>
#include <math.h>

/* Pixels of a row's dark columns are averaged in groups of which the median is
 * taken: an outlier (a cosmic ray, a new hot pixel) spoils one group. */
#define GROUP 16
/* Smooth stray light along the dark columns is not row noise: a polynomial.
 * Each of its terms also takes that share of the row noise: no more than needed. */
#define BASELINE_TERMS 3
/* Fewer rows than that leave nothing over after the polynomial. */
#define ROWS_MIN 64
/* Error of the offsets below which light cannot be told from none, DN a pixel. */
#define OFFSET_UNCERTAINTY_DN 0.05
#define LIGHT_SIGNIFICANCE 5.0

/* Per row of the camera's region: mean of the dark columns in electrons, and of
 * how many pixels; 0 pixels: not known. */
typedef struct
{
  gsize rows;
  double *mean;
  guint *pixels;
} RowMeans;

static int
compare_doubles (gconstpointer a, gconstpointer b)
{
  const double x = *(const double *) a, y = *(const double *) b;

  return (x > y) - (x < y);
}

static double
median_of_groups (double *groups, gsize count)
{
  qsort (groups, count, sizeof *groups, compare_doubles);
  return count % 2 != 0 ? groups[count / 2] : 0.5 * (groups[count / 2 - 1] + groups[count / 2]);
}

static void
row_means_clear (RowMeans *self)
{
  g_clear_pointer (&self->mean, g_free);
  g_clear_pointer (&self->pixels, g_free);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (RowMeans, row_means_clear)

/* Electrons of the pixels of a run of dark columns, as means of groups. */
static gsize
average_groups (const LbOpticsModel *model,
                const LbReadoutRun *run,
                const guint16 *data,
                double electrons_per_dn,
                double exposure_s,
                double *groups)
{
  const gsize column = run->start - (gsize) run->row * model->sensor_width;
  const float *offset = lb_matrix_row (model->offset_dn, run->row) + column;
  const float *dark = lb_matrix_row (model->dark_electrons_per_s, run->row) + column;
  const gsize count = run->count / GROUP;

  for (gsize group = 0; group < count; group++)
    {
      double sum = 0;

      for (gsize i = group * GROUP; i < (group + 1) * GROUP; i++)
        sum += electrons_per_dn * (data[run->start + i] - (double) offset[i]) - dark[i] * exposure_s;
      groups[group] = sum / GROUP;
    }
  return count;
}

static void
read_dark_columns (
    const LbLayout *layout, const guint16 *data, double electrons_per_dn, double exposure_s, RowMeans *rows)
{
  const LbOpticsModel *model = layout->model;
  const GArray *runs = layout->column_runs;
  g_autofree double *groups = g_new (double, model->sensor_width / GROUP + 1);

  rows->rows = model->sensor_height;
  rows->mean = g_new0 (double, rows->rows);
  rows->pixels = g_new0 (guint, rows->rows);
  for (guint i = 0; i < runs->len;)
    {
      const guint row = g_array_index (runs, LbReadoutRun, i).row;
      gsize count = 0;

      for (; i < runs->len && g_array_index (runs, LbReadoutRun, i).row == row; i++)
        count += average_groups (model, &g_array_index (runs, LbReadoutRun, i), data, electrons_per_dn,
                                 exposure_s, groups + count);
      if (count == 0)
        continue;
      rows->mean[row] = median_of_groups (groups, count);
      rows->pixels[row] = (guint) count * GROUP;
    }
}

/* Chebyshev polynomials over the rows. */
static void
baseline_terms (const RowMeans *rows, gsize row, double terms[BASELINE_TERMS])
{
  const double t = 2.0 * ((double) row + 0.5) / (double) rows->rows - 1;

  terms[0] = 1;
  terms[1] = t;
  for (guint i = 2; i < BASELINE_TERMS; i++)
    terms[i] = 2 * t * terms[i - 1] - terms[i - 2];
}

/* Takes the smooth part out of the means. FALSE if too few rows have any. */
static gboolean
remove_baseline (RowMeans *rows)
{
  g_autoptr (LbLeastSquares) fit = lb_least_squares_new (BASELINE_TERMS, 1);
  double terms[BASELINE_TERMS], solution[BASELINE_TERMS];
  gsize count = 0;

  for (gsize row = 0; row < rows->rows; row++)
    if (rows->pixels[row] > 0)
      {
        baseline_terms (rows, row, terms);
        lb_least_squares_add (fit, terms, &rows->mean[row], 1);
        count++;
      }
  if (count < ROWS_MIN || !lb_least_squares_solve (fit, solution, NULL))
    return FALSE;
  for (gsize row = 0; row < rows->rows; row++)
    if (rows->pixels[row] > 0)
      {
        baseline_terms (rows, row, terms);
        for (guint i = 0; i < BASELINE_TERMS; i++)
          rows->mean[row] -= solution[i] * terms[i];
      }
  return TRUE;
}

/* Row noise in electrons, per row of the region. The estimates are noisy
 * themselves, so they are shrunk by the share of their variance that is not
 * that of the pixels (Wiener): few columns then do no harm. */
static double *
estimate_row_noise (const LbLayout *layout, const guint16 *data, double electrons_per_dn, double exposure_s)
{
  const LbOpticsModel *model = layout->model;
  const double pixel_variance =
      model->read_noise * model->read_noise + electrons_per_dn * electrons_per_dn / 12;
  /* The median of normal variates has pi / 2 times the variance of the mean. */
  const double median_variance = 0.5 * G_PI * pixel_variance;
  g_auto (RowMeans) rows = { 0 };
  double *noise = g_new0 (double, model->sensor_height);
  double squares = 0, expected = 0, kept;

  read_dark_columns (layout, data, electrons_per_dn, exposure_s, &rows);
  if (!remove_baseline (&rows))
    return noise;
  for (gsize row = 0; row < rows.rows; row++)
    if (rows.pixels[row] > 0)
      {
        squares += rows.mean[row] * rows.mean[row];
        expected += median_variance / rows.pixels[row];
      }
  kept = squares > expected ? 1 - expected / squares : 0;
  for (gsize row = 0; row < rows.rows; row++)
    noise[row] = kept * rows.mean[row];
  return noise;
}

/* Sum and maximum of consecutive pixels. */
static inline guint32
sum_run (const guint16 *data, gsize count, guint16 *largest)
{
  guint32 sum = 0;
  guint16 high = 0;

  for (gsize i = 0; i < count; i++)
    {
      sum += data[i];
      high = MAX (high, data[i]);
    }
  *largest = high;
  return sum;
}

static guint32
count_saturated (const guint16 *data, gsize count, guint16 limit)
{
  guint32 saturated = 0;

  for (gsize i = 0; i < count; i++)
    saturated += data[i] >= limit;
  return saturated;
}

/* From here on a pixel counts as saturated: gain moves the full well, but not
 * the largest number. */
static guint16
saturated_from (const LbLayout *layout, double gain)
{
  const double largest = (double) ((1u << MIN (layout->model->bits, 16)) - 1);

  return (guint16) MIN (largest, gain > 1 ? layout->saturated_dn * gain : layout->saturated_dn);
}

/* Region sums in electrons, of tiles, bright and dark patches; dark current is
 * still in them. */
static void
sum_regions (const LbLayout *layout,
             const guint16 *data,
             double electrons_per_dn,
             guint16 limit,
             const double *row_noise,
             double *electrons,
             guint32 *saturated)
{
  const guint sums = layout->n_tiles + 2;
  g_autofree gint64 *dn = g_new0 (gint64, sums);
  g_autofree double *noise = g_new0 (double, sums);

  for (guint i = 0; i < layout->runs->len; i++)
    {
      const LbReadoutRun *run = &g_array_index (layout->runs, LbReadoutRun, i);
      guint16 largest;

      dn[run->sum] += sum_run (data + run->start, run->count, &largest);
      noise[run->sum] += row_noise[run->row] * run->count;
      if (largest >= limit)
        saturated[run->sum] += count_saturated (data + run->start, run->count, limit);
    }
  for (guint i = 0; i < sums; i++)
    electrons[i] = electrons_per_dn * ((double) dn[i] - layout->offset_sums[i]) - noise[i];
}

/* What the bright patches could show without any light. */
static double
dark_limit (const LbLayout *layout, double electrons_per_dn, double exposure_s)
{
  const LbOpticsModel *model = layout->model;
  const double pixels = layout->bright_pixels;
  const double variance =
      pixels * (model->read_noise * model->read_noise + electrons_per_dn * electrons_per_dn / 12) +
      layout->bright_dark_per_s * exposure_s;

  return LIGHT_SIGNIFICANCE * sqrt (variance) + OFFSET_UNCERTAINTY_DN * electrons_per_dn * pixels;
}

static gboolean
find_light (const LbLayout *layout,
            LbReading *reading,
            double electrons_per_dn,
            double exposure_s,
            gboolean light_on,
            GError **error)
{
  /* Bright cells have u = v = 1, so their floors do not matter. */
  reading->light = reading->bright_electrons / (layout->bright_gain + layout->bright_stray);
  if (!light_on || reading->bright_electrons > dark_limit (layout, electrons_per_dn, exposure_s))
    return TRUE;
  g_set_error (
      error, LB_OPTICS_ERROR, LB_OPTICS_ERROR_DARK,
      _ ("The bright reference patches are dark: %.1f electrons a pixel in %.3f ms. Is the light on, the "
         "beam free, and does the alignment still hold?"),
      layout->bright_pixels > 0 ? reading->bright_electrons / layout->bright_pixels : 0.0, 1e3 * exposure_s);
  return FALSE;
}

/**
 * lb_readout_read:
 * @layout: what stands where
 * @data: pixels of the frame, digital numbers
 * @width: of the frame; the model's sensor_width
 * @height: of the frame; the model's sensor_height
 * @exposure_us: of the frame
 * @gain: of the camera; 0 means 1
 * @light_on: light is expected
 * @error: LB_OPTICS_ERROR_SHAPE, LB_OPTICS_ERROR_DARK
 *
 * Sums the regions: r_t - n D tau in electrons, and L_k from the reference
 * patches (optics.md, "Forward model and decode").
 *
 * Returns: (transfer full): the reading, or NULL with @error
 */
LbReading *
lb_readout_read (const LbLayout *layout,
                 const guint16 *data,
                 guint width,
                 guint height,
                 double exposure_us,
                 double gain,
                 gboolean light_on,
                 GError **error)
{
  g_autoptr (LbReading) self = NULL;
  g_autofree double *row_noise = NULL;
  g_autofree double *electrons = NULL;
  g_autofree guint32 *saturated = NULL;
  const double exposure_s = 1e-6 * exposure_us;
  double electrons_per_dn;

  g_return_val_if_fail (layout != NULL && data != NULL && exposure_us >= 0, NULL);

  if (width != layout->model->sensor_width || height != layout->model->sensor_height)
    {
      g_set_error (
          error, LB_OPTICS_ERROR, LB_OPTICS_ERROR_SHAPE,
          _ ("The camera's frame is %u × %u pixels, but the calibration is for %u × %u: calibrate again"),
          width, height, layout->model->sensor_width, layout->model->sensor_height);
      return NULL;
    }
  gain = gain > 0 ? gain : 1;
  electrons_per_dn = layout->model->electrons_per_dn / gain;
  electrons = g_new (double, layout->n_tiles + 2);
  saturated = g_new0 (guint32, layout->n_tiles + 2);
  row_noise = estimate_row_noise (layout, data, electrons_per_dn, exposure_s);
  sum_regions (layout, data, electrons_per_dn, saturated_from (layout, gain), row_noise, electrons,
               saturated);

  self = g_new0 (LbReading, 1);
  self->tiles = layout->n_tiles;
  self->bright_electrons = electrons[layout->n_tiles] - layout->bright_dark_per_s * exposure_s;
  self->dark_electrons = electrons[layout->n_tiles + 1] - layout->dark_dark_per_s * exposure_s;
  self->bright_saturated = saturated[layout->n_tiles];
  for (guint t = 0; t < layout->n_tiles; t++)
    electrons[t] -= (double) layout->tile_dark_per_s[t] * exposure_s;
  self->electrons = g_steal_pointer (&electrons);
  self->saturated = g_steal_pointer (&saturated);
  if (!find_light (layout, self, electrons_per_dn, exposure_s, light_on, error))
    return NULL;
  return g_steal_pointer (&self);
}

/**
 * lb_readout_find_peak:
 * @layout: what stands where
 * @data: pixels of a frame that lb_readout_read() takes
 * @gain: of the camera; 0 means 1
 *
 * Returns: electrons of the brightest pixel of the bright patches
 */
double
lb_readout_find_peak (const LbLayout *layout, const guint16 *data, double gain)
{
  const LbOpticsModel *model = layout->model;
  double peak = 0;

  for (gsize y = 0; y < model->sensor_height; y++)
    for (gsize x = 0; x < model->sensor_width; x++)
      {
        const gsize pixel = y * model->sensor_width + x;

        if (layout->region[pixel] == LB_REGION_BRIGHT)
          peak = MAX (peak, data[pixel] - (double) lb_matrix_get (model->offset_dn, y, x));
      }
  return peak * model->electrons_per_dn / (gain > 0 ? gain : 1);
}

/**
 * lb_reading_free:
 *
 * Frees a reading.
 */
void
lb_reading_free (LbReading *self)
{
  g_return_if_fail (self != NULL);

  g_free (self->electrons);
  g_free (self->saturated);
  g_free (self);
}

/**
 * lb_readout_decode:
 * @reading: of the layout's frame, or the sums of several frames' electrons and lights
 * @tile: index of a tile
 * @sum_cx: sum of c_i x^_i over the elements
 * @sum_w: sum of w^_i over the elements
 * @elements: elements shown, at most segment_length; the other cells of the tile are dark
 *
 * sum x^ w^ = [y - fw (1 - fx) sum c_i x^_i - fx (1 - fw) c0 sum w^_i - fx fw
 * sum c_i] / (c0 (1 - fx) (1 - fw)), y = r / (L G) - rho / G (optics.md,
 * "Forward model and decode"). sum c_i goes over all cells of the tile, as those
 * without an element leak light too.
 *
 * Returns: the dot product of the values that were shown, 0..elements but for noise
 */
double
lb_readout_decode (
    const LbLayout *layout, const LbReading *reading, guint tile, double sum_cx, double sum_w, gsize elements)
{
  double gain, fx, fw, c0, y;

  g_return_val_if_fail (layout != NULL && reading != NULL && tile < layout->n_tiles, NAN);
  g_return_val_if_fail (elements <= layout->segment_length, NAN);

  gain = layout->tile_gain[tile];
  fx = layout->tile_source_floor[tile];
  fw = layout->tile_weight_floor[tile];
  c0 = layout->tile_c0[tile];
  y = reading->electrons[tile] / (reading->light * gain) - layout->tile_stray[tile] / gain;
  return (y - fw * (1 - fx) * sum_cx - fx * (1 - fw) * c0 * sum_w -
          fx * fw * (double) layout->segment_length) /
         (c0 * (1 - fx) * (1 - fw));
}
