/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <xcb/randr.h>
#include <xcb/xcb.h>

#include <lb-bench.h>
#include <lb-monitor.h>

#include "plane-fixture.h"
#include "renderer.h"

/*
 * Planes on the two monitors of an X server, seen by this program over a
 * connection of its own: DUMMY0 is the operator's, DUMMY1 the plane's.
 */

#define SECOND "\"connector\": \"DUMMY1\", \"width\": 1920, \"height\": 1080"
#define PIXELS ((gsize) MONITOR_WIDTH * MONITOR_HEIGHT)

static xcb_connection_t *connection;
static xcb_screen_t *screen;

/* --- What is on the screen -------------------------------------------------------------------- */

/* Pixels of a monitor, 0xRRGGBB. */
static guint32 *
grab (guint monitor)
{
  guint32 *pixels = g_new (guint32, PIXELS);
  const guint16 rows = 120;

  for (guint row = 0; row < MONITOR_HEIGHT; row += rows)
    {
      xcb_get_image_reply_t *image = xcb_get_image_reply (
          connection,
          xcb_get_image (connection, XCB_IMAGE_FORMAT_Z_PIXMAP, screen->root,
                         (gint16) (monitor * MONITOR_WIDTH), (gint16) row, MONITOR_WIDTH, rows, G_MAXUINT32),
          NULL);

      g_assert_nonnull (image);
      memcpy (pixels + (gsize) row * MONITOR_WIDTH, xcb_get_image_data (image),
              (gsize) rows * MONITOR_WIDTH * sizeof *pixels);
      free (image);
    }
  for (gsize i = 0; i < PIXELS; i++)
    pixels[i] &= 0xffffff;
  return pixels;
}

typedef guint32 (*Expected) (const LbPattern *pattern, guint x, guint y);

static guint32
grey (const LbPattern *pattern, guint x, guint y)
{
  return pattern->data[y * pattern->width + x] * 0x010101u;
}

static guint32
black (const LbPattern *pattern, guint x, guint y)
{
  return 0;
}

static gsize
count_wrong (guint monitor, const LbPattern *pattern, guint left, guint width, Expected expected)
{
  g_autofree guint32 *pixels = grab (monitor);
  gsize wrong = 0;

  for (guint y = 0; y < MONITOR_HEIGHT; y++)
    for (guint x = 0; x < width; x++)
      wrong += pixels[(gsize) y * MONITOR_WIDTH + left + x] != expected (pattern, x, y);
  return wrong;
}

static void
assert_shows (const LbPattern *pattern, Expected expected)
{
  g_assert_cmpuint (count_wrong (1, pattern, 0, MONITOR_WIDTH, expected), ==, 0);
}

/* Waits until it is; how soon, in ms. */
static guint
wait_black_from (guint left, guint width)
{
  gint64 begin_us = g_get_monotonic_time ();

  while (count_wrong (1, NULL, left, width, black) > 0)
    g_assert_cmpint (g_get_monotonic_time () - begin_us, <, 30 * G_USEC_PER_SEC);
  return (guint) ((g_get_monotonic_time () - begin_us) / 1000);
}

static guint
wait_black (void)
{
  return wait_black_from (0, MONITOR_WIDTH);
}

static void
run (const char *command)
{
  GError *error = NULL;
  int status;

  g_spawn_command_line_sync (command, NULL, NULL, &status, &error);
  g_assert_no_error (error);
  g_spawn_check_wait_status (status, &error);
  g_assert_no_error (error);
}

/* Until RandR has both monitors side by side, and the window manager knows. */
static void
restore_monitors (void)
{
  run ("xrandr --output DUMMY0 --mode 1920x1080 --pos 0x0 --output DUMMY1 --mode 1920x1080 --pos 1920x0");
}

/* --- Exact pixels -------------------------------------------------------------------------------- */

typedef struct
{
  const char *path, *renderer, *scale;
} Way;

static const Way ways[] = {
  { "xshm", "cairo", "1" }, { "gtk", "cairo", "1" }, { "gtk", "cairo", "2" },
  { "gtk", "gl", "1" },     { "gtk", "gl", "2" },
};

static void
test_every_pixel_is_as_computed (gconstpointer data)
{
  const Way *way = data;
  g_autofree char *keys = g_strdup_printf (SECOND ", \"path\": \"%s\"", way->path);
  LbModulatorCaps caps;
  LbModulator *plane;
  GError *error = NULL;
  gint64 before_us, shown_us;
  Planes planes;

  g_setenv ("GSK_RENDERER", way->renderer, TRUE);
  g_setenv ("GDK_SCALE", way->scale, TRUE);
  renderer_check ();
  planes_init (&planes, keys, NULL);
  plane = plane_open (&planes, LB_ROLE_WEIGHT);
  lb_modulator_get_caps (plane, &caps, NULL, deadline (), &error);
  g_assert_no_error (error);
  g_assert_cmpuint (caps.width, ==, MONITOR_WIDTH);
  g_assert_cmpuint (caps.height, ==, MONITOR_HEIGHT);
  g_assert_cmpfloat_with_epsilon (caps.rate_hz, 60, 0.1);
  assert_shows (NULL, black);
  for (guint i = 1; i <= 3; i++)
    {
      g_autoptr (LbPattern) pattern = pattern_new_random (MONITOR_WIDTH, MONITOR_HEIGHT, i);

      before_us = lb_clock_now_us (planes.context.clock);
      shown_us = plane_show (plane, pattern, i);
      g_assert_cmpint (shown_us, >=, before_us);
      g_assert_cmpint (shown_us, <=, lb_clock_now_us (planes.context.clock));
      assert_shows (pattern, grey);
      plane_reads (plane, pattern);
    }
  lb_modulator_blank (plane, NULL, deadline (), &error);
  g_assert_no_error (error);
  assert_shows (NULL, black);
  plane_close (&planes, LB_ROLE_WEIGHT);
  planes_clear (&planes);
  g_unsetenv ("GDK_SCALE");
  g_setenv ("GSK_RENDERER", "cairo", TRUE);
}

static void
test_two_planes_share_a_monitor (gconstpointer data)
{
  g_autofree char *left =
      g_strdup_printf (SECOND ", \"path\": \"%s\", \"region_width\": 901", (const char *) data);
  g_autofree char *right =
      g_strdup_printf (SECOND ", \"path\": \"%s\", \"region_x\": 901", (const char *) data);
  g_autoptr (LbPattern) first = pattern_new_random (901, MONITOR_HEIGHT, 1);
  g_autoptr (LbPattern) second = pattern_new_random (1019, MONITOR_HEIGHT, 2);
  LbModulator *source, *weight;
  Planes planes;

  planes_init (&planes, left, right);
  source = plane_open (&planes, LB_ROLE_SOURCE);
  weight = plane_open (&planes, LB_ROLE_WEIGHT);
  plane_show (source, first, 1);
  g_assert_cmpuint (count_wrong (1, NULL, 901, 1019, black), ==, 0);
  plane_show (weight, second, 1);
  g_assert_cmpuint (count_wrong (1, first, 0, 901, grey), ==, 0);
  g_assert_cmpuint (count_wrong (1, second, 901, 1019, grey), ==, 0);
  plane_reads (source, first);
  plane_reads (weight, second);
  /* One that goes does not take the other with it. */
  plane_close (&planes, LB_ROLE_SOURCE);
  plane_show (weight, second, 2);
  wait_black_from (0, 901);
  g_assert_cmpuint (count_wrong (1, second, 901, 1019, grey), ==, 0);
  plane_close (&planes, LB_ROLE_WEIGHT);
  planes_clear (&planes);
}

static guint32
green (const LbPattern *pattern, guint x, guint y)
{
  return (guint32) pattern->data[y * pattern->width + x] << 8;
}

/* Flipped from left to right, then turned clockwise: the pattern's upper right
 * corner comes to the upper left first, then to the upper right. */
static guint32
flipped_and_turned (const LbPattern *pattern, guint x, guint y)
{
  return grey (pattern, pattern->width - 1 - y, pattern->height - 1 - x);
}

/* 12 bits: level 255 is 4095; the upper 8 in green, the lower 4 at the top of red. */
static guint32
two_channels (const LbPattern *pattern, guint x, guint y)
{
  guint drive = pattern->data[y * pattern->width + x] * 4095u / 255;

  return drive / 16 << 8 | drive % 16 * 16 << 16;
}

static guint32
inverted (const LbPattern *pattern, guint x, guint y)
{
  return grey (pattern, x, y) ^ 0xffffff;
}

static void
test_levels_sit_where_the_setup_says (void)
{
  static const struct
  {
    const char *keys;
    guint width, height;
    Expected expected;
  } cases[] = {
    { "\"channels\": \"green\"", MONITOR_WIDTH, MONITOR_HEIGHT, green },
    { "\"flip\": \"horizontal\", \"rotation\": 90", MONITOR_HEIGHT, MONITOR_WIDTH, flipped_and_turned },
    { "\"channels\": \"green-red\", \"bits\": 12", MONITOR_WIDTH, MONITOR_HEIGHT, two_channels },
    { "\"inverted\": true", MONITOR_WIDTH, MONITOR_HEIGHT, inverted },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *keys = g_strdup_printf (SECOND ", %s", cases[i].keys);
      g_autoptr (LbPattern) pattern = pattern_new_random (cases[i].width, cases[i].height, 7 + i);
      LbModulator *plane;
      Planes planes;

      planes_init (&planes, keys, NULL);
      plane = plane_open (&planes, LB_ROLE_SOURCE);
      plane_show (plane, pattern, 1);
      assert_shows (pattern, cases[i].expected);
      plane_reads (plane, pattern);
      plane_close (&planes, LB_ROLE_SOURCE);
      planes_clear (&planes);
    }
}

static void
test_pattern_of_another_size_is_refused (void)
{
  g_autoptr (LbPattern) pattern = lb_pattern_new_uniform (MONITOR_WIDTH - 1, MONITOR_HEIGHT, 9);
  LbModulator *plane;
  GError *error = NULL;
  Planes planes;

  planes_init (&planes, SECOND, NULL);
  plane = plane_open (&planes, LB_ROLE_SOURCE);
  g_assert_false (lb_modulator_show (plane, pattern, 1, NULL, deadline (), &error));
  g_assert_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_SIZE);
  g_clear_error (&error);
  planes_clear (&planes);
}

/* --- Which monitor -------------------------------------------------------------------------------- */

/* An EDID with that serial number for a monitor that has none. */
static void
set_edid (const char *name, guint32 serial)
{
  guint8 edid[128] = { 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00, 0x30, 0x22, 0x34, 0x12 };
  xcb_randr_get_screen_resources_current_reply_t *resources = xcb_randr_get_screen_resources_current_reply (
      connection, xcb_randr_get_screen_resources_current (connection, screen->root), NULL);
  xcb_randr_output_t *outputs = xcb_randr_get_screen_resources_current_outputs (resources);
  xcb_intern_atom_reply_t *atom =
      xcb_intern_atom_reply (connection, xcb_intern_atom (connection, 0, 4, "EDID"), NULL);
  guint8 sum = 0;

  memcpy (edid + 12, &serial, sizeof serial);
  for (guint i = 0; i < 127; i++)
    sum += edid[i];
  edid[127] = (guint8) -sum;
  for (int i = 0; i < xcb_randr_get_screen_resources_current_outputs_length (resources); i++)
    {
      xcb_randr_get_output_info_reply_t *info = xcb_randr_get_output_info_reply (
          connection, xcb_randr_get_output_info (connection, outputs[i], resources->config_timestamp), NULL);

      if (strncmp ((const char *) xcb_randr_get_output_info_name (info), name,
                   (gsize) xcb_randr_get_output_info_name_length (info)) == 0)
        xcb_randr_change_output_property (connection, outputs[i], atom->atom, XCB_ATOM_INTEGER, 8,
                                          XCB_PROP_MODE_REPLACE, sizeof edid, edid);
      free (info);
    }
  xcb_flush (connection);
  free (atom);
  free (resources);
}

static void
test_monitor_is_chosen_by_its_serial_number (void)
{
  g_autoptr (LbPattern) pattern = pattern_new_random (MONITOR_WIDTH, MONITOR_HEIGHT, 3);
  g_autoptr (LbIdentity) identity = NULL;
  LbModulator *plane;
  GError *error = NULL;
  Planes planes;

  set_edid ("DUMMY0", 1001);
  set_edid ("DUMMY1", 1002);
  planes_init (
      &planes,
      "\"make\": \"LAB\", \"model\": \"0x1234\", \"serial\": \"1002\", \"width\": 1920, \"height\": 1080",
      "\"make\": \"LAB\", \"width\": 1920, \"height\": 1080");
  plane = plane_open (&planes, LB_ROLE_SOURCE);
  plane_show (plane, pattern, 1);
  assert_shows (pattern, grey);
  identity = lb_device_get_identity (LB_DEVICE (plane), NULL, deadline (), &error);
  g_assert_no_error (error);
  g_assert_cmpstr (identity->maker, ==, "LAB");
  g_assert_cmpstr (identity->serial, ==, "1002");
  plane_open_fails (&planes, LB_ROLE_WEIGHT, LB_DEVICE_ERROR_ABSENT, "2 monitors");
  planes_clear (&planes);
}

static void
test_wrong_monitor_is_refused (void)
{
  Planes planes;

  planes_init (&planes, "\"connector\": \"HDMI-7\", \"width\": 1920, \"height\": 1080",
               "\"connector\": \"DUMMY1\", \"width\": 1920, \"height\": 1200");
  plane_open_fails (&planes, LB_ROLE_SOURCE, LB_DEVICE_ERROR_ABSENT, "HDMI-7");
  plane_open_fails (&planes, LB_ROLE_WEIGHT, LB_DEVICE_ERROR_ABSENT, "1920 x 1200");
  planes_clear (&planes);
}

/* --- Faults ----------------------------------------------------------------------------------------- */

static void
assert_fails (LbModulator *plane, LbPattern *pattern, LbDeviceError code)
{
  GError *error = NULL;

  if (lb_modulator_show (plane, pattern, 99, NULL, deadline (), &error))
    lb_modulator_wait_presented (plane, 99, NULL, NULL, deadline (), &error);
  g_assert_error (error, LB_DEVICE_ERROR, (int) code);
  g_clear_error (&error);
}

static void
test_unplugged_monitor_never_shows_on_another (gconstpointer data)
{
  g_autofree char *keys = g_strdup_printf (SECOND ", \"path\": \"%s\"", (const char *) data);
  g_autoptr (LbPattern) pattern = lb_pattern_new_uniform (MONITOR_WIDTH, MONITOR_HEIGHT, 201);
  g_autofree guint32 *before = NULL;
  LbModulatorFaults faults = 0;
  LbModulator *plane;
  GError *error = NULL;
  GSubprocess *unplug;
  gint64 until_us;
  Planes planes;

  planes_init (&planes, keys, NULL);
  before = grab (0);
  plane = plane_open (&planes, LB_ROLE_WEIGHT);
  plane_show (plane, pattern, 1);
  unplug = g_subprocess_new (G_SUBPROCESS_FLAGS_NONE, &error, "xrandr", "--output", "DUMMY1", "--off", NULL);
  g_assert_no_error (error);
  until_us = g_get_monotonic_time () + 700 * 1000;
  while (g_get_monotonic_time () < until_us)
    {
      g_autofree guint32 *now = grab (0);
      gsize shown = 0;

      for (gsize i = 0; i < PIXELS; i++)
        shown += now[i] == 201 * 0x010101u && before[i] != now[i];
      g_assert_cmpuint (shown, ==, 0);
    }
  g_subprocess_wait (unplug, NULL, NULL);
  g_clear_object (&unplug);
  g_assert_cmpuint (plane_wait_faults (plane, LB_MODULATOR_FAULT_LOST) & LB_MODULATOR_FAULT_LOST, !=, 0);
  g_assert_cmpint (lb_device_get_state (LB_DEVICE (plane)), ==, LB_DEVICE_ABSENT);
  assert_fails (plane, pattern, LB_DEVICE_ERROR_LOST);
  lb_modulator_check (plane, &faults, NULL, deadline (), &error);
  g_assert_no_error (error);
  g_assert_true (faults & LB_MODULATOR_FAULT_LOST);
  plane_close (&planes, LB_ROLE_WEIGHT);
  plane_open_fails (&planes, LB_ROLE_WEIGHT, LB_DEVICE_ERROR_ABSENT, "DUMMY1");
  /* Plugged in again it goes on without a restart. */
  restore_monitors ();
  plane = plane_open (&planes, LB_ROLE_WEIGHT);
  plane_show (plane, pattern, 2);
  assert_shows (pattern, grey);
  planes_clear (&planes);
}

static xcb_window_t
cover (void)
{
  xcb_window_t window = xcb_generate_id (connection);
  const guint32 values[] = { screen->white_pixel, 1 };

  xcb_create_window (connection, XCB_COPY_FROM_PARENT, window, screen->root, MONITOR_WIDTH + 100, 100, 50, 50,
                     0, XCB_WINDOW_CLASS_INPUT_OUTPUT, screen->root_visual,
                     XCB_CW_BACK_PIXEL | XCB_CW_OVERRIDE_REDIRECT, values);
  xcb_map_window (connection, window);
  xcb_flush (connection);
  return window;
}

static void
test_covered_plane_is_a_fault (gconstpointer data)
{
  g_autofree char *keys = g_strdup_printf (SECOND ", \"path\": \"%s\"", (const char *) data);
  g_autoptr (LbPattern) pattern = pattern_new_random (MONITOR_WIDTH, MONITOR_HEIGHT, 4);
  LbModulatorFaults faults;
  LbModulator *plane;
  xcb_window_t window;
  GError *error = NULL;
  Planes planes;

  planes_init (&planes, keys, NULL);
  plane = plane_open (&planes, LB_ROLE_WEIGHT);
  plane_show (plane, pattern, 1);
  window = cover ();
  plane_wait_faults (plane, LB_MODULATOR_FAULT_COVERED);
  assert_fails (plane, pattern, LB_DEVICE_ERROR_COVERED);
  lb_modulator_check (plane, &faults, NULL, deadline (), &error);
  g_assert_no_error (error);
  g_assert_cmpuint (faults, ==, LB_MODULATOR_FAULT_COVERED);
  xcb_destroy_window (connection, window);
  xcb_flush (connection);
  while (faults != 0)
    {
      lb_modulator_check (plane, &faults, NULL, deadline (), &error);
      g_assert_no_error (error);
    }
  plane_show (plane, pattern, 2);
  assert_shows (pattern, grey);
  planes_clear (&planes);
}

static void
test_gamma_ramp_that_is_not_linear_is_a_fault (void)
{
  g_autoptr (LbPattern) pattern = pattern_new_random (MONITOR_WIDTH, MONITOR_HEIGHT, 5);
  LbModulatorFaults faults;
  LbModulator *plane;
  GError *error = NULL;
  Planes planes;

  planes_init (&planes, SECOND, NULL);
  plane = plane_open (&planes, LB_ROLE_WEIGHT);
  plane_show (plane, pattern, 1);
  run ("xrandr --output DUMMY1 --gamma 1:1:1.4");
  lb_modulator_check (plane, &faults, NULL, deadline (), &error);
  g_assert_no_error (error);
  g_assert_cmpuint (faults, ==, LB_MODULATOR_FAULT_GAMMA);
  plane_wait_faults (plane, LB_MODULATOR_FAULT_GAMMA);
  plane_close (&planes, LB_ROLE_WEIGHT);
  plane_open_fails (&planes, LB_ROLE_WEIGHT, LB_DEVICE_ERROR_GAMMA, "night light");
  run ("xrandr --output DUMMY1 --gamma 1:1:1");
  plane_open (&planes, LB_ROLE_WEIGHT);
  planes_clear (&planes);
}

static void
test_screen_saver_is_a_fault (void)
{
  LbModulatorFaults faults;
  LbModulator *plane;
  GError *error = NULL;
  Planes planes;

  planes_init (&planes, SECOND, NULL);
  plane = plane_open (&planes, LB_ROLE_WEIGHT);
  run ("xset s activate");
  lb_modulator_check (plane, &faults, NULL, deadline (), &error);
  g_assert_no_error (error);
  g_assert_cmpuint (faults, ==, LB_MODULATOR_FAULT_COVERED);
  run ("xset s reset");
  lb_modulator_check (plane, &faults, NULL, deadline (), &error);
  g_assert_no_error (error);
  g_assert_cmpuint (faults, ==, 0);
  planes_clear (&planes);
}

static void
test_keys_of_stop_black_the_plane (gconstpointer data)
{
  g_autofree char *keys = g_strdup_printf (SECOND ", \"path\": \"%s\"", (const char *) data);
  g_autoptr (LbPattern) pattern = pattern_new_random (MONITOR_WIDTH, MONITOR_HEIGHT, 6);
  LbModulator *plane;
  Planes planes;

  planes_init (&planes, keys, NULL);
  plane = plane_open (&planes, LB_ROLE_WEIGHT);
  plane_show (plane, pattern, 1);
  run ("sh -c 'xdotool search --onlyvisible --name \"^lightbench-plane$\" windowfocus --sync key "
       "ctrl+period'");
  plane_wait_faults (plane, LB_MODULATOR_FAULT_STOP);
  wait_black ();
  /* It is told once. */
  g_assert_cmpuint (lb_modulator_peek (plane, &(char *){ NULL }), ==, 0);
  planes_clear (&planes);
}

/* --- Ends ---------------------------------------------------------------------------------------------- */

static void
test_black_at_once_by_any_thread (void)
{
  g_autoptr (LbPattern) pattern = pattern_new_random (MONITOR_WIDTH, MONITOR_HEIGHT, 8);
  LbModulator *plane;
  Planes planes;

  planes_init (&planes, SECOND, NULL);
  plane = plane_open (&planes, LB_ROLE_WEIGHT);
  plane_show (plane, pattern, 1);
  g_assert_true (lb_modulator_blank_now (plane));
  wait_black ();
  planes_clear (&planes);
}

/* The other side of test_killed_program_leaves_black(). */
static G_NORETURN void
show_until_killed (const char *keys)
{
  g_autoptr (LbPattern) pattern = lb_pattern_new_uniform (MONITOR_WIDTH, MONITOR_HEIGHT, 255);
  Planes planes;

  planes_init (&planes, keys, NULL);
  plane_show (plane_open (&planes, LB_ROLE_WEIGHT), pattern, 1);
  kill (getppid (), SIGUSR1);
  for (;;)
    pause ();
}

static void
test_killed_program_leaves_black (gconstpointer data)
{
  g_autofree char *keys = g_strdup_printf (SECOND ", \"path\": \"%s\"", (const char *) data);
  g_autoptr (LbPattern) white = lb_pattern_new_uniform (MONITOR_WIDTH, MONITOR_HEIGHT, 255);
  sigset_t set;
  int signal_number;
  pid_t child;

  sigemptyset (&set);
  sigaddset (&set, SIGUSR1);
  sigprocmask (SIG_BLOCK, &set, NULL);
  child = fork ();
  if (child == 0)
    {
      execl ("/proc/self/exe", "test-plane-x11", "--show-until-killed", keys, NULL);
      _exit (1);
    }
  g_assert_cmpint (sigwait (&set, &signal_number), ==, 0);
  assert_shows (white, grey);
  kill (child, SIGKILL);
  g_test_message ("black %u ms after the program was killed", wait_black ());
  waitpid (child, NULL, 0);
}

/* The program that shows the patterns dies: what was lost is told. */
static void
test_death_of_the_plane_is_told (void)
{
  g_autoptr (LbPattern) pattern = pattern_new_random (MONITOR_WIDTH, MONITOR_HEIGHT, 9);
  LbModulator *plane;
  Planes planes;

  planes_init (&planes, SECOND, NULL);
  plane = plane_open (&planes, LB_ROLE_WEIGHT);
  plane_show (plane, pattern, 1);
  run ("sh -c 'kill -9 $(ps -o pid= -C lightbench-plane --ppid $PPID | head -n 1)'");
  plane_wait_faults (plane, LB_MODULATOR_FAULT_LOST);
  assert_fails (plane, pattern, LB_DEVICE_ERROR_LOST);
  plane_close (&planes, LB_ROLE_WEIGHT);
  plane = plane_open (&planes, LB_ROLE_WEIGHT);
  plane_show (plane, pattern, 2);
  assert_shows (pattern, grey);
  planes_clear (&planes);
}

/* --- A bench with such planes ------------------------------------------------------------------------------
 */

/* The sample of that name, on these monitors. */
static LbBench *
bench_new (const char *name, const char *hdmi, const char *dp)
{
  g_autofree char *path = g_strdup_printf ("%s/setups/%s.json", g_getenv ("LIGHTBENCH_DATA_DIR"), name);
  g_autoptr (GString) json = NULL;
  g_autofree char *text = NULL;
  g_autoptr (LbSetup) setup = NULL;
  GError *error = NULL;
  LbBench *bench;

  g_file_get_contents (path, &text, NULL, &error);
  g_assert_no_error (error);
  json = g_string_new (text);
  g_assert_cmpuint (g_string_replace (json, "HDMI-1", hdmi, 0), >, 0);
  g_string_replace (json, "DP-1", dp, 0);
  /* A small camera, which keeps up on a busy computer too. */
  g_assert_cmpuint (
      g_string_replace (json, "\"height\": 1080, \"bits\": 12", "\"height\": 16, \"bits\": 12", 0), ==, 1);
  setup = lb_setup_parse (json->str, -1, name, LB_FIDELITY_PIXEL, &error);
  g_assert_no_error (error);
  bench = lb_bench_new (setup, NULL, &error);
  g_assert_no_error (error);
  lb_bench_connect (bench, NULL, &error);
  g_assert_no_error (error);
  return bench;
}

/* What xrandr does, without holding the server meanwhile. */
static void
switch_off_second (void)
{
  g_autoptr (GPtrArray) monitors = lb_monitors_list_x11 (NULL);
  const LbMonitor *second =
      lb_monitors_choose (monitors, &(LbMonitorChoice){ "DUMMY1", NULL, NULL, NULL }, NULL);

  free (xcb_randr_set_crtc_config_reply (
      connection,
      xcb_randr_set_crtc_config (connection, second->crtc, XCB_CURRENT_TIME, XCB_CURRENT_TIME, 0, 0, XCB_NONE,
                                 XCB_RANDR_ROTATION_ROTATE_0, 0, NULL),
      NULL));
}

typedef struct
{
  LbExposure exposure;
  guint frames;
  gboolean unplugs; /* at the third frame; else covers */
  guint last;       /* frame; 0: none is */
  xcb_window_t window;
} Endless;

static gboolean
endless_source (LbExposure *exposure, gpointer data, GError **error)
{
  const Endless *endless = data;

  *exposure = endless->exposure;
  /* The first ones take the simulated world long. */
  exposure->light = endless->frames >= 2;
  return endless->last == 0 || endless->frames < endless->last;
}

static gboolean
endless_sink (const LbExposure *exposure, guint nth, LbFrame *frame, gpointer data, GError **error)
{
  Endless *endless = data;

  if (++endless->frames != 3)
    return TRUE;
  if (endless->unplugs)
    switch_off_second ();
  else
    endless->window = cover ();
  return TRUE;
}

static gboolean
run_endless (LbBench *bench, gpointer data, GCancellable *cancellable, GError **error)
{
  return lb_bench_run_sequence (bench, endless_source, endless_sink, data, cancellable, error);
}

static void
wait_light_off (LbBench *bench)
{
  gint64 until_us = deadline ();

  while (lb_bench_get_light (bench) != LB_LIGHT_OFF)
    {
      g_assert_cmpint (g_get_monotonic_time (), <, until_us);
      g_usleep (1000);
    }
}

static void
arm (LbBench *bench)
{
  gint64 until_us = deadline ();

  while (!lb_bench_arm (bench, NULL))
    {
      g_assert_cmpint (g_get_monotonic_time (), <, until_us);
      g_usleep (1000);
    }
}

/* @name: a setup with its planes on @first and DUMMY1, which is unplugged. */
static void
check_lost_plane (const char *name, const char *first, guint width)
{
  g_autoptr (LbBench) bench = bench_new (name, first, "DUMMY1");
  g_autoptr (LbPattern) pattern = pattern_new_random (width, MONITOR_HEIGHT, 1);
  Endless endless = { { pattern, pattern, TRUE, 0, 8000, 1, 1, 0 }, .unplugs = TRUE };
  GError *error = NULL;

  g_assert_cmpint (lb_bench_get_light (bench), ==, LB_LIGHT_ARMED);
  g_assert_false (lb_bench_run (bench, "measure", run_endless, &endless, NULL, &error));
  g_assert_error (error, LB_BENCH_ERROR, LB_BENCH_ERROR_PLANE);
  g_assert_nonnull (strstr (error->message, "plug it in"));
  g_clear_error (&error);
  wait_light_off (bench);
  /* Too early: it is still unplugged. */
  arm (bench);
  endless.frames = 0;
  g_assert_false (lb_bench_run (bench, "measure", run_endless, &endless, NULL, &error));
  g_assert_error (error, LB_BENCH_ERROR, LB_BENCH_ERROR_PLANE);
  g_assert_cmpuint (endless.frames, ==, 0);
  g_clear_error (&error);
  /* Replugged, it goes on where it is: neither restarted nor connected anew. */
  restore_monitors ();
  endless.last = 4;
  endless.frames = 3;
  lb_bench_run (bench, "measure", run_endless, &endless, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (endless.frames, >, 3);
  g_assert_cmpint (lb_bench_get_light (bench), ==, LB_LIGHT_ARMED);
  lb_bench_disconnect (bench, NULL, &error);
  g_assert_no_error (error);
}

static void
test_lost_plane_ends_the_run_in_the_dark (void)
{
  check_lost_plane ("two-monitors", "DUMMY0", MONITOR_WIDTH);
}

static void
test_lost_planes_of_one_monitor_come_back (void)
{
  check_lost_plane ("split-monitor", "DUMMY1", MONITOR_WIDTH / 2);
}

static void
test_covered_plane_ends_the_run_in_the_dark (void)
{
  g_autoptr (LbBench) bench = bench_new ("split-monitor", "DUMMY1", "DUMMY1");
  g_autoptr (LbPattern) pattern = pattern_new_random (960, MONITOR_HEIGHT, 1);
  Endless endless = { { pattern, pattern, TRUE, 0, 8000, 1, 1, 0 }, .unplugs = FALSE };
  GError *error = NULL;

  g_assert_false (lb_bench_run (bench, "measure", run_endless, &endless, NULL, &error));
  g_assert_error (error, LB_BENCH_ERROR, LB_BENCH_ERROR_PLANE);
  g_clear_error (&error);
  wait_light_off (bench);
  xcb_destroy_window (connection, endless.window);
  xcb_flush (connection);
  arm (bench);
  lb_bench_disconnect (bench, NULL, &error);
  g_assert_no_error (error);
}

static void
add_for_paths (const char *name, GTestDataFunc func)
{
  static const char *const paths[] = { "xshm", "gtk" };

  for (guint i = 0; i < G_N_ELEMENTS (paths); i++)
    {
      g_autofree char *path = g_strdup_printf ("/plane/x11/%s/%s", name, paths[i]);

      g_test_add_data_func (path, paths[i], func);
    }
}

int
main (int argc, char **argv)
{
  int number = 0;

  if (argc == 3 && g_str_equal (argv[1], "--show-until-killed"))
    show_until_killed (argv[2]);
  if (argc == 2 && g_str_equal (argv[1], RENDERER_ARGUMENT))
    return renderer_main ();
  g_test_init (&argc, &argv, NULL);
  connection = xcb_connect (NULL, &number);
  g_assert_cmpint (xcb_connection_has_error (connection), ==, 0);
  screen = xcb_setup_roots_iterator (xcb_get_setup (connection)).data;
  for (guint i = 0; i < G_N_ELEMENTS (ways); i++)
    {
      g_autofree char *path = g_strdup_printf ("/plane/x11/every-pixel-is-as-computed/%s-%s-%s", ways[i].path,
                                               ways[i].renderer, ways[i].scale);

      g_test_add_data_func (path, &ways[i], test_every_pixel_is_as_computed);
    }
  add_for_paths ("two-planes-share-a-monitor", test_two_planes_share_a_monitor);
  g_test_add_func ("/plane/x11/levels-sit-where-the-setup-says", test_levels_sit_where_the_setup_says);
  g_test_add_func ("/plane/x11/pattern-of-another-size-is-refused", test_pattern_of_another_size_is_refused);
  g_test_add_func ("/plane/x11/monitor-is-chosen-by-its-serial-number",
                   test_monitor_is_chosen_by_its_serial_number);
  g_test_add_func ("/plane/x11/wrong-monitor-is-refused", test_wrong_monitor_is_refused);
  add_for_paths ("unplugged-monitor-never-shows-on-another", test_unplugged_monitor_never_shows_on_another);
  add_for_paths ("covered-plane-is-a-fault", test_covered_plane_is_a_fault);
  g_test_add_func ("/plane/x11/gamma-ramp-that-is-not-linear-is-a-fault",
                   test_gamma_ramp_that_is_not_linear_is_a_fault);
  g_test_add_func ("/plane/x11/screen-saver-is-a-fault", test_screen_saver_is_a_fault);
  add_for_paths ("keys-of-stop-black-the-plane", test_keys_of_stop_black_the_plane);
  g_test_add_func ("/plane/x11/black-at-once-by-any-thread", test_black_at_once_by_any_thread);
  add_for_paths ("killed-program-leaves-black", test_killed_program_leaves_black);
  g_test_add_func ("/plane/x11/death-of-the-plane-is-told", test_death_of_the_plane_is_told);
  g_test_add_func ("/plane/x11/lost-plane-ends-the-run-in-the-dark",
                   test_lost_plane_ends_the_run_in_the_dark);
  g_test_add_func ("/plane/x11/lost-planes-of-one-monitor-come-back",
                   test_lost_planes_of_one_monitor_come_back);
  g_test_add_func ("/plane/x11/covered-plane-ends-the-run-in-the-dark",
                   test_covered_plane_ends_the_run_in_the_dark);
  return g_test_run ();
}
