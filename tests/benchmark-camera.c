/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <lb-pixel-format.h>

#include <string.h>
#include <time.h>

#include "benchmark-rows.h"

/*
 * How many pictures of a camera become frames a second on one core, for each
 * format that can be read, beside a plain copy of memory in the same run. A
 * picture has 1920 x 1080 pixels of the sensor; of a mosaic one colour is taken.
 * Rates are compared by the bytes that are read and written. Pictures and frames
 * change places as in a camera, so that they are not in the nearest caches.
 * Prints one JSON object.
 */

#define WIDTH 1920u
#define HEIGHT 1080u
#define N_BUFFERS 8
#define N_RUNS 5
#define RUN_S 0.05
#define FRAME_BYTES (sizeof (guint16) * WIDTH * HEIGHT)
/* No format has more bytes a pixel of the sensor. */
#define PICTURE_BYTES (3 * (gsize) WIDTH * HEIGHT)
#define YARDSTICK "bytes read and written by a plain copy in the same time"

typedef struct
{
  guint8 *pictures[N_BUFFERS];
  guint16 *frames[N_BUFFERS];
} Buffers;

typedef void (*Work) (const Buffers *buffers, guint nth, gconstpointer data);

/* --- What is measured ------------------------------------------------------------------ */

static void
copy (const Buffers *buffers, guint nth, gconstpointer data)
{
  memcpy (buffers->frames[nth], buffers->pictures[nth], FRAME_BYTES);
}

static gsize
get_row_bytes (const LbPixelFormat *format)
{
  guint divisor = lb_pixel_format_get_divisor (format);

  return lb_pixel_format_get_extent (format, 0, WIDTH / divisor, 1);
}

static void
convert (const Buffers *buffers, guint nth, gconstpointer data)
{
  const LbPixelFormat *format = data;
  guint divisor = lb_pixel_format_get_divisor (format);

  lb_pixel_format_unpack (format, LB_PIXEL_GREEN, buffers->pictures[nth], get_row_bytes (format), 0, 0,
                          WIDTH / divisor, HEIGHT / divisor, buffers->frames[nth]);
}

/* Bytes that must at least be read and written: of a mosaic every second row is read. */
static double
get_traffic (const LbPixelFormat *format)
{
  guint divisor = lb_pixel_format_get_divisor (format);
  double pixels = (double) (WIDTH / divisor) * (HEIGHT / divisor);

  return (double) get_row_bytes (format) * (HEIGHT / divisor) + sizeof (guint16) * pixels;
}

/* --- Measuring ------------------------------------------------------------------------- */

/* Time of this thread on its core: what runs beside it does not count. */
static double
get_core_s (void)
{
  struct timespec now;

  clock_gettime (CLOCK_THREAD_CPUTIME_ID, &now);
  return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}

/* Times a second. */
static double
measure (const Buffers *buffers, Work work, gconstpointer data)
{
  double start_s = get_core_s (), now_s = start_s;
  guint done = 0;

  while (now_s < start_s + RUN_S)
    {
      for (guint i = 0; i < N_BUFFERS; i++, done++)
        work (buffers, i, data);
      now_s = get_core_s ();
    }
  return done / (now_s - start_s);
}

/* The best of some runs, in turn with the copy. */
static void
measure_format (const Buffers *buffers, const LbPixelFormat *format, GPtrArray *rows)
{
  g_autofree char *name = g_strdup_printf ("camera_%s_1920x1080", format->name);
  double copied = 0, pictures = 0, converted;

  for (guint run = 0; run < N_RUNS; run++)
    {
      copied = MAX (copied, measure (buffers, copy, NULL) * 2 * FRAME_BYTES);
      pictures = MAX (pictures, measure (buffers, convert, format));
    }
  converted = pictures * get_traffic (format);
  benchmark_add_row (rows, name, pictures, "pictures/s", YARDSTICK, converted / copied, 120);
  if (g_str_equal (format->name, "R8") || g_str_equal (format->name, "R16"))
    {
      g_autofree char *memory = g_strdup_printf ("camera_%s_memory", format->name);

      benchmark_add_row (rows, memory, converted / 1e9, "GB/s", YARDSTICK, converted / copied,
                         copied / 2 / 1e9);
    }
}

int
main (void)
{
  g_autoptr (GPtrArray) rows = g_ptr_array_new_with_free_func (g_free);
  Buffers buffers;

  for (guint i = 0; i < N_BUFFERS; i++)
    {
      buffers.pictures[i] = g_malloc (PICTURE_BYTES);
      buffers.frames[i] = g_malloc (FRAME_BYTES);
      for (gsize k = 0; k < PICTURE_BYTES; k++)
        buffers.pictures[i][k] = (guint8) (k * 7 + k / WIDTH * 3 + i * 61);
    }
  for (const LbPixelFormat *format = lb_pixel_format_get_all (); format->name != NULL; format++)
    measure_format (&buffers, format, rows);
  benchmark_print (rows);
  for (guint i = 0; i < N_BUFFERS; i++)
    {
      g_free (buffers.pictures[i]);
      g_free (buffers.frames[i]);
    }
  return 0;
}
