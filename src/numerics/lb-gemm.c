/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-gemm.h"

#include <cblas.h>
#include <omp.h>
#include <string.h>

/* Tiles of the product that OpenBLAS works out one at a time. They are fixed:
 * how it orders sums depends on the shape that it is asked for. */
#define TILE_ROWS 512
#define TILE_COLUMNS 384
/* Values of a loop below which waking another thread costs more than it saves. */
#define WORTH_SHARING 20000

static int requested_threads;

/**
 * lb_numerics_set_threads:
 * @threads: number of threads, or 0 for one a core (or OMP_NUM_THREADS)
 *
 * Sets how many threads the numeric kernels use. No result depends on it.
 */
void
lb_numerics_set_threads (guint threads)
{
  g_return_if_fail (threads <= G_MAXINT);

  g_atomic_int_set (&requested_threads, (int) threads);
}

/**
 * lb_numerics_get_threads:
 *
 * Returns: how many threads the numeric kernels use, at least 1.
 */
guint
lb_numerics_get_threads (void)
{
  int threads = g_atomic_int_get (&requested_threads);

  return (guint) (threads > 0 ? threads : MAX (omp_get_max_threads (), 1));
}

/**
 * lb_numerics_get_threads_for:
 * @values: how many values a loop goes over, at about a nanosecond each
 *
 * Returns: how many threads to share it among, at least 1.
 */
guint
lb_numerics_get_threads_for (gsize values)
{
  return values < WORTH_SHARING ? 1 : lb_numerics_get_threads ();
}

static void
keep_blas_single_threaded (void)
{
  static gsize done = 0;

  if (g_once_init_enter (&done))
    {
      openblas_set_num_threads (1);
      g_once_init_leave (&done, 1);
    }
}

static gboolean
shapes_agree (const LbMatrix *a, const LbMatrix *b, const LbMatrix *out)
{
  return a->columns == b->columns && out->rows == a->rows && out->columns == b->rows;
}

/* The lengths that OpenBLAS takes are of type int. */
static gboolean
fits_blas (const LbMatrix *matrix)
{
  return matrix->columns <= G_MAXINT && matrix->stride <= G_MAXINT;
}

/**
 * lb_gemm_nt_block:
 * @a: (rows, depth)
 * @b: (columns, depth)
 * @out: (rows, columns), overwritten
 *
 * out = a b^T by one call of OpenBLAS in the calling thread; lengths and strides
 * up to G_MAXINT.
 */
void
lb_gemm_nt_block (const float *a,
                  gsize a_stride,
                  const float *b,
                  gsize b_stride,
                  gsize depth,
                  float *out,
                  gsize out_stride,
                  gsize rows,
                  gsize columns)
{
  keep_blas_single_threaded ();
  cblas_sgemm (CblasRowMajor, CblasNoTrans, CblasTrans, (int) rows, (int) columns, (int) depth, 1, a,
               (int) a_stride, b, (int) b_stride, 0, out, (int) out_stride);
}

/* Tile @tile of those of all heads. @rows, @columns, @across: of the product of one
 * head, and how many tiles lie side by side in it. */
static void
multiply_tile (
    const LbMatrix *a, const LbMatrix *b, LbMatrix *out, gsize rows, gsize columns, gsize across, gsize tile)
{
  const gsize of_head = across * ((rows + TILE_ROWS - 1) / TILE_ROWS);
  const gsize head = tile / of_head, row = tile % of_head / across * TILE_ROWS;
  const gsize column = tile % across * TILE_COLUMNS;

  lb_gemm_nt_block (lb_matrix_row (a, head * rows + row), a->stride,
                    lb_matrix_row (b, head * columns + column), b->stride, a->columns,
                    lb_matrix_row (out, head * rows + row) + column, out->stride, MIN (TILE_ROWS, rows - row),
                    MIN (TILE_COLUMNS, columns - column));
}

/* A sum of nothing. */
static void
clear (LbMatrix *out)
{
  for (gsize row = 0; row < out->rows; row++)
    memset (lb_matrix_row (out, row), 0, out->columns * sizeof (float));
}

/**
 * lb_gemm_nt:
 * @a: (m, d)
 * @b: (n, d)
 * @out: (m, n), overwritten; must not overlap @a or @b
 *
 * out = a b^T, in single precision; the same bytes for any number of threads.
 */
void
lb_gemm_nt (const LbMatrix *a, const LbMatrix *b, LbMatrix *out)
{
  lb_gemm_nt_heads (a, b, out, 1);
}

/**
 * lb_gemm_nt_heads:
 * @a: (heads m, d)
 * @b: (heads n, d)
 * @out: (heads m, n), overwritten; must not overlap @a or @b
 *
 * A product for each head, all at once: rows of a head of @a with those of the same
 * head of @b; the same bytes as those of lb_gemm_nt() one by one.
 */
void
lb_gemm_nt_heads (const LbMatrix *a, const LbMatrix *b, LbMatrix *out, gsize heads)
{
  gsize rows, columns, across, tiles;
  guint threads;

  g_return_if_fail (a != NULL && b != NULL && out != NULL);
  g_return_if_fail (heads > 0 && a->rows % heads == 0 && b->rows % heads == 0);
  g_return_if_fail (a->columns == b->columns && out->rows == a->rows && out->columns * heads == b->rows);
  g_return_if_fail (fits_blas (a) && fits_blas (b) && fits_blas (out));

  rows = out->rows / heads;
  columns = out->columns;
  if (rows == 0 || columns == 0)
    return;
  if (a->columns == 0)
    {
      clear (out);
      return;
    }

  across = (columns + TILE_COLUMNS - 1) / TILE_COLUMNS;
  tiles = heads * across * ((rows + TILE_ROWS - 1) / TILE_ROWS);
  threads = MIN (lb_numerics_get_threads_for (out->rows * columns * (a->columns / 16 + 1)), tiles);

#pragma omp parallel for num_threads(threads) schedule(dynamic, 1) if (threads > 1)
  for (gsize tile = 0; tile < tiles; tile++)
    multiply_tile (a, b, out, rows, columns, across, tile);
}

/**
 * lb_gemm_nt_reference:
 * @a: (m, d)
 * @b: (n, d)
 * @out: (m, n), overwritten
 *
 * out = a b^T by plain loops with double accumulators; for tests.
 */
void
lb_gemm_nt_reference (const LbMatrix *a, const LbMatrix *b, LbMatrix *out)
{
  g_return_if_fail (a != NULL && b != NULL && out != NULL);
  g_return_if_fail (shapes_agree (a, b, out));

  for (gsize row = 0; row < out->rows; row++)
    for (gsize column = 0; column < out->columns; column++)
      {
        double sum = 0;

        for (gsize i = 0; i < a->columns; i++)
          sum += (double) lb_matrix_get (a, row, i) * lb_matrix_get (b, column, i);
        lb_matrix_row (out, row)[column] = (float) sum;
      }
}
