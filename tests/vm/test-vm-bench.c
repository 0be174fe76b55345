/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <math.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include <lb-bench-private.h>
#include <lb-calibration.h>
#include <lb-libcamera.h>
#include <lb-matrix.h>
#include <lb-random.h>
#include <lb-usb.h>

#include "guest.h"
#include "uvc-camera.h"
#include "vm-plane.h"

/* A bench with the real drivers of camera, light source and power meter; what
 * counts of the light is the emulators' log, outside the machine. */

#define LIGHT "CLD1015"
#define METER "PM100D"
#define WAIT_MS 20000
/* From what goes wrong to darkness. */
#define DARK_MS 500
#define EXPOSURE_US 30000
#define CELL 4
#define COLUMNS (VM_PLANE_WIDTH / CELL)
#define CELLS (COLUMNS * VM_PLANE_HEIGHT / CELL)
#define PRODUCTS 6

/* This program again, as one that measures with light until it is killed. */
#define HOLD "--hold"

static LbBench *
new_bench (void)
{
  g_autoptr (LbSetup) setup = guest_make_setup ();
  g_autoptr (LbClock) clock = lb_clock_new_wall ();
  LbDevice *devices[LB_N_ROLES] = { NULL };

  vm_planes_new (&devices[LB_ROLE_SOURCE]);
  devices[LB_ROLE_CAMERA] = guest_make_device (LB_LIBCAMERA_DRIVER, LB_ROLE_CAMERA);
  devices[LB_ROLE_LIGHT] = guest_make_device (LB_USB_DRIVER, LB_ROLE_LIGHT);
  devices[LB_ROLE_POWER_METER] = guest_make_device (LB_USB_DRIVER, LB_ROLE_POWER_METER);
  return lb_bench_new_for_devices (setup, clock, devices);
}

/* A device that was just plugged in may take a while. */
static void
connect_bench (LbBench *bench)
{
  gint64 end_us = guest_in (2 * WAIT_MS);
  gboolean connected = FALSE;

  while (!connected)
    {
      g_autoptr (GError) error = NULL;

      connected = lb_bench_connect (bench, NULL, &error);
      if (!connected && g_get_monotonic_time () > end_us)
        g_assert_no_error (error);
      if (!connected)
        g_usleep (100 * 1000);
    }
}

static LbBench *
connected_bench (void)
{
  LbBench *bench = new_bench ();

  connect_bench (bench);
  return bench;
}

static void
free_bench (LbBench *bench)
{
  g_autoptr (GError) error = NULL;

  lb_bench_disconnect (bench, NULL, &error);
  g_assert_no_error (error);
  g_assert_finalize_object (bench);
}

/* --- A calibration step ---------------------------------------------------------------------- */

static void
test_dark_step (void)
{
  LbBench *bench = connected_bench ();
  g_autoptr (LbCalibrationSet) set = lb_calibration_set_new ();
  g_autoptr (GError) error = NULL;
  g_autoptr (LbCalibration) result = NULL;
  LbMatrix *offset;

  result = lb_calibration_run_step (bench, set, "dark", 1, NULL, NULL, NULL, &error);
  g_assert_no_error (error);
  g_test_message ("%s: %s", lb_verdict_get_name (lb_calibration_get_verdict (result)),
                  lb_calibration_get_message (result));
  g_assert_cmpint (lb_calibration_get_verdict (result), ==, LB_VERDICT_PASS);
  offset = lb_calibration_get_array (result, "offset");
  g_assert_nonnull (offset);
  for (gsize row = 0; row < offset->rows; row++)
    for (gsize column = 0; column < offset->columns; column++)
      g_assert_cmpfloat_with_epsilon (lb_matrix_row (offset, row)[column], UVC_CAMERA_BLACK, 0.01);
  free_bench (bench);
}

/* --- Dot products ------------------------------------------------------------------------------- */

typedef struct
{
  guint asked, taken;
  LbPattern *source, *weight;
  double expected[PRODUCTS + 2]; /* mean of x w over the cells, 0..1 */
  double seen[PRODUCTS + 2];     /* mean of the picture, DN */
} Products;

static double
operand (guint product, guint plane, guint cell)
{
  return lb_random_uniform_at (lb_random_key (3), plane, (guint64) product * CELLS + cell);
}

/* Levels of a plane that encodes the cells' values. */
static LbPattern *
new_pattern (guint product, guint plane)
{
  guint8 *levels = g_malloc (VM_PLANE_WIDTH * VM_PLANE_HEIGHT);

  for (guint y = 0; y < VM_PLANE_HEIGHT; y++)
    for (guint x = 0; x < VM_PLANE_WIDTH; x++)
      levels[y * VM_PLANE_WIDTH + x] =
          (guint8) lround (255 * operand (product, plane, y / CELL * COLUMNS + x / CELL));
  return lb_pattern_new_take (VM_PLANE_WIDTH, VM_PLANE_HEIGHT, levels);
}

/* First dark, then with all cells full, then the products. */
static gboolean
next_product (LbExposure *exposure, gpointer data, GError **error)
{
  Products *products = data;
  guint nth = products->asked++;

  if (nth == PRODUCTS + 2)
    return FALSE;
  g_clear_pointer (&products->source, lb_pattern_unref);
  g_clear_pointer (&products->weight, lb_pattern_unref);
  products->source =
      nth < 2 ? lb_pattern_new_uniform (VM_PLANE_WIDTH, VM_PLANE_HEIGHT, 255) : new_pattern (nth, 0);
  products->weight =
      nth < 2 ? lb_pattern_new_uniform (VM_PLANE_WIDTH, VM_PLANE_HEIGHT, 255) : new_pattern (nth, 1);
  products->expected[nth] = nth == 1;
  for (guint cell = 0; nth >= 2 && cell < CELLS; cell++)
    products->expected[nth] += operand (nth, 0, cell) * operand (nth, 1, cell) / CELLS;
  *exposure = (LbExposure){ .source = products->source,
                            .weight = products->weight,
                            .light = nth > 0,
                            .exposure_us = EXPOSURE_US,
                            .frames = 1,
                            .tag = nth };
  return TRUE;
}

static gboolean
take_product (const LbExposure *exposure, guint nth, LbFrame *frame, gpointer data, GError **error)
{
  Products *products = data;
  gsize pixels = (gsize) frame->width * frame->height;
  double sum = 0;

  for (gsize i = 0; i < pixels; i++)
    sum += frame->data[i];
  products->seen[exposure->tag] = sum / (double) pixels;
  products->taken++;
  return TRUE;
}

static gboolean
run_products (LbBench *bench, gpointer data, GCancellable *cancellable, GError **error)
{
  return lb_bench_run_sequence (bench, next_product, take_product, data, cancellable, error);
}

static void
measure_products (LbBench *bench)
{
  Products products = { 0 };
  g_autoptr (GError) error = NULL;

  lb_bench_run (bench, "dot products", run_products, &products, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (products.taken, ==, PRODUCTS + 2);
  g_assert_cmpfloat_with_epsilon (products.seen[0], UVC_CAMERA_BLACK, 0.01);
  for (guint i = 2; i < PRODUCTS + 2; i++)
    {
      double scale = products.seen[1] - products.seen[0];
      double measured = (products.seen[i] - products.seen[0]) / scale;

      g_test_message ("%.4f measured, %.4f ideal", measured, products.expected[i]);
      g_assert_cmpfloat_with_epsilon (measured, products.expected[i], 0.01);
    }
  g_clear_pointer (&products.source, lb_pattern_unref);
  g_clear_pointer (&products.weight, lb_pattern_unref);
}

static void
test_dot_products (void)
{
  LbBench *bench = connected_bench ();

  measure_products (bench);
  free_bench (bench);
}

/* --- What goes wrong in a run --------------------------------------------------------------------- */

/* An action with light that never ends by itself, in a thread. */
typedef struct
{
  LbBench *bench;
  LbPattern *pattern;
  GThread *thread;
  GError *error;
  double lit_ms; /* emulator's time */
  gboolean reads_power;
} Endless;

static gboolean
next_endless (LbExposure *exposure, gpointer data, GError **error)
{
  Endless *endless = data;

  *exposure = (LbExposure){ .source = endless->pattern,
                            .weight = endless->pattern,
                            .light = TRUE,
                            .exposure_us = EXPOSURE_US,
                            .frames = 1 };
  return TRUE;
}

static gboolean
take_endless (const LbExposure *exposure, guint nth, LbFrame *frame, gpointer data, GError **error)
{
  Endless *endless = data;
  LbDevice *meter = lb_bench_get_device (endless->bench, LB_ROLE_POWER_METER);
  double watts;

  return !endless->reads_power ||
         lb_power_meter_read (LB_POWER_METER (meter), &watts, NULL, NULL, guest_in (WAIT_MS), error);
}

static gboolean
run_endless (LbBench *bench, gpointer data, GCancellable *cancellable, GError **error)
{
  return lb_bench_run_sequence (bench, next_endless, take_endless, data, cancellable, error);
}

static gpointer
endless_thread (gpointer data)
{
  Endless *endless = data;

  lb_bench_run (endless->bench, "measure", run_endless, endless, NULL, &endless->error);
  return NULL;
}

/* Comes back while it measures with light; @reads_power: the power meter too. */
static void
begin_measuring (Endless *endless, LbBench *bench, gboolean reads_power)
{
  double before_ms;

  guest_tell (LIGHT, "mark begin");
  before_ms = guest_find (LIGHT, "mark begin");
  *endless = (Endless){ .bench = bench,
                        .pattern = lb_pattern_new_uniform (VM_PLANE_WIDTH, VM_PLANE_HEIGHT, 255),
                        .reads_power = reads_power };
  endless->thread = g_thread_new ("endless", endless_thread, endless);
  endless->lit_ms = guest_wait_for (LIGHT, "lit", before_ms, WAIT_MS);
  g_assert_cmpfloat (endless->lit_ms, >=, before_ms);
}

static void
begin_endless (Endless *endless, LbBench *bench)
{
  begin_measuring (endless, bench, FALSE);
}

/* It ends with an error, which the caller frees. */
static GError *
end_endless (Endless *endless)
{
  g_thread_join (endless->thread);
  lb_pattern_unref (endless->pattern);
  g_assert_nonnull (endless->error);
  g_test_message ("%s", endless->error->message);
  return endless->error;
}

static void
expect_dark (double since_ms)
{
  double dark_ms = guest_wait_for (LIGHT, "dark", since_ms, WAIT_MS);

  g_test_message ("dark after %.0f ms", dark_ms - since_ms);
  g_assert_cmpfloat (dark_ms, >=, since_ms);
  g_assert_cmpfloat (dark_ms - since_ms, <, DARK_MS);
}

/* As the operator does: disconnect, connect, arm; and it measures again. */
static void
go_on (LbBench *bench)
{
  g_autoptr (GError) error = NULL;

  lb_bench_disconnect (bench, NULL, NULL);
  connect_bench (bench);
  lb_bench_arm (bench, &error);
  g_assert_no_error (error);
  measure_products (bench);
}

static void
test_camera_unplugged (void)
{
  LbBench *bench = connected_bench ();
  Endless endless;
  g_autoptr (GError) error = NULL;

  begin_endless (&endless, bench);
  guest_tell ("camera", "unplug");
  error = end_endless (&endless);
  g_assert_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_ABSENT);
  expect_dark (guest_find ("camera", "unplug"));
  guest_tell ("camera", "plug");
  go_on (bench);
  free_bench (bench);
}

static void
test_meter_unplugged (void)
{
  LbBench *bench = connected_bench ();
  Endless endless;
  g_autoptr (GError) error = NULL;

  begin_measuring (&endless, bench, TRUE);
  guest_tell (METER, "unplug");
  error = end_endless (&endless);
  g_assert_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_ABSENT);
  expect_dark (guest_find (METER, "unplug"));
  guest_tell (METER, "plug");
  go_on (bench);
  free_bench (bench);
}

/* Its own cable: nothing can reach it, so it is dark once it is there again. */
static void
test_light_unplugged (void)
{
  LbBench *bench = connected_bench ();
  Endless endless;
  g_autoptr (GError) error = NULL;
  double plugged_ms;

  begin_endless (&endless, bench);
  guest_tell (LIGHT, "unplug");
  error = end_endless (&endless);
  g_assert_nonnull (strstr (error->message, "unplugged"));
  guest_tell (LIGHT, "plug");
  plugged_ms = guest_find (LIGHT, "plug");
  lb_bench_disconnect (bench, NULL, NULL);
  connect_bench (bench);
  g_assert_cmpfloat (guest_wait_for (LIGHT, "dark", plugged_ms, WAIT_MS), >=, plugged_ms);
  go_on (bench);
  free_bench (bench);
}

static void
test_interlock_trips (void)
{
  LbBench *bench = connected_bench ();
  Endless endless;
  g_autoptr (GError) error = NULL;
  g_autoptr (GError) refused = NULL;
  Products products = { 0 };

  begin_endless (&endless, bench);
  guest_tell (LIGHT, "open-interlock");
  error = end_endless (&endless);
  g_assert_nonnull (strstr (error->message, "interlock"));
  expect_dark (guest_find (LIGHT, "open-interlock") - 1);
  /* Not before it is closed. */
  lb_bench_arm (bench, NULL);
  g_assert_false (lb_bench_run (bench, "dot products", run_products, &products, NULL, &refused));
  g_assert_nonnull (strstr (refused->message, "interlock"));
  g_clear_pointer (&products.source, lb_pattern_unref);
  g_clear_pointer (&products.weight, lb_pattern_unref);
  guest_tell (LIGHT, "close-interlock");
  go_on (bench);
  free_bench (bench);
}

/* It takes commands and answers none. */
static void
test_light_is_mute (void)
{
  LbBench *bench = connected_bench ();
  Endless endless;
  g_autoptr (GError) error = NULL;
  gint64 muted_us;
  double muted_ms;

  begin_endless (&endless, bench);
  guest_tell (LIGHT, "fault mute");
  muted_us = g_get_monotonic_time ();
  muted_ms = guest_find (LIGHT, "fault mute");
  g_assert_cmpfloat (guest_wait_for (LIGHT, "dark", muted_ms, WAIT_MS), >=, muted_ms);
  /* By the machine's clock, which a busy host slows down; the emulators' log has the
   * host's. */
  g_test_message ("dark after %.0f ms", (double) (g_get_monotonic_time () - muted_us) / 1000);
  g_assert_cmpint (g_get_monotonic_time () - muted_us, <, DARK_MS * 1000);
  error = end_endless (&endless);
  guest_tell (LIGHT, "fault none");
  go_on (bench);
  free_bench (bench);
}

/* STALL is recovered from: the run goes on, or ends dark and can be begun again. */
static void
test_light_stalls (gconstpointer fault)
{
  LbBench *bench = connected_bench ();
  Endless endless;
  g_autoptr (GError) error = NULL;
  double stopped_ms;

  begin_endless (&endless, bench);
  guest_tell (LIGHT, fault);
  g_usleep (G_USEC_PER_SEC / 2);
  guest_tell (LIGHT, "mark stop");
  stopped_ms = guest_find (LIGHT, "mark stop");
  lb_bench_stop (bench);
  error = end_endless (&endless);
  if (guest_find (LIGHT, "dark") < endless.lit_ms)
    expect_dark (stopped_ms);
  go_on (bench);
  free_bench (bench);
}

/* --- kill -9 ---------------------------------------------------------------------------------------- */

static int
hold_main (void)
{
  LbBench *bench = connected_bench ();
  Endless endless = { .bench = bench,
                      .pattern = lb_pattern_new_uniform (VM_PLANE_WIDTH, VM_PLANE_HEIGHT, 255) };

  endless_thread (&endless);
  return 1;
}

static void
test_killed_while_measuring (gconstpointer self)
{
  const char *argv[] = { self, HOLD, NULL };
  g_autoptr (GError) error = NULL;
  double before_ms, lit_ms;
  GPid pid;

  guest_tell (LIGHT, "mark before");
  before_ms = guest_find (LIGHT, "mark before");
  g_spawn_async (NULL, (char **) argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL, &pid, &error);
  g_assert_no_error (error);
  lit_ms = guest_wait_for (LIGHT, "lit", before_ms, WAIT_MS);
  g_assert_cmpfloat (lit_ms, >=, before_ms);
  g_usleep (G_USEC_PER_SEC);
  g_assert_cmpfloat (guest_find (LIGHT, "dark"), <, lit_ms);
  guest_tell (LIGHT, "mark killed");
  g_assert_cmpint (kill (pid, SIGKILL), ==, 0);
  g_assert_cmpint (waitpid (pid, NULL, 0), ==, pid);
  expect_dark (guest_find (LIGHT, "mark killed"));
}

int
main (int argc, char **argv)
{
  if (argc == 2 && g_str_equal (argv[1], HOLD))
    return hold_main ();
  g_test_init (&argc, &argv, NULL);
  guest_tell ("camera", "follow-light");
  g_test_add_func ("/vm/bench/calibrates-dark", test_dark_step);
  g_test_add_func ("/vm/bench/dot-products-come-out", test_dot_products);
  g_test_add_func ("/vm/bench/camera-unplugged-ends-dark-and-comes-back", test_camera_unplugged);
  g_test_add_func ("/vm/bench/power-meter-unplugged-ends-dark-and-comes-back", test_meter_unplugged);
  g_test_add_func ("/vm/bench/light-unplugged-comes-back-dark", test_light_unplugged);
  g_test_add_func ("/vm/bench/interlock-ends-the-run", test_interlock_trips);
  g_test_add_func ("/vm/bench/mute-light-source-ends-dark", test_light_is_mute);
  g_test_add_data_func ("/vm/bench/stall-of-a-command-is-got-over", "fault stall-out", test_light_stalls);
  g_test_add_data_func ("/vm/bench/stall-of-an-answer-is-got-over", "fault stall-in", test_light_stalls);
  g_test_add_data_func ("/vm/bench/killed-program-ends-dark", argv[0], test_killed_while_measuring);
  return g_test_run ();
}
