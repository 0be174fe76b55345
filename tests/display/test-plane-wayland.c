/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "plane-fixture.h"
#include "renderer.h"

/*
 * Planes on the two monitors of a Wayland compositor, seen by screenshots:
 * HEADLESS-1 is the operator's, HEADLESS-2 the plane's.
 */

#define SECOND "\"connector\": \"HEADLESS-2\", \"width\": 1920, \"height\": 1080"
#define PIXELS ((gsize) MONITOR_WIDTH * MONITOR_HEIGHT)

static void
run (const char *command)
{
  g_autofree char *out = NULL;
  GError *error = NULL;
  int status;

  g_spawn_command_line_sync (command, &out, NULL, &status, &error);
  g_assert_no_error (error);
  g_spawn_check_wait_status (status, &error);
  g_assert_no_error (error);
}

/* Of the plane's monitor; a screenshot of another scale would be scaled. */
static const char *scale = "1";

/* NULL: there is no such monitor, or it has another size. */
static GBytes *
try_to_grab (const char *monitor)
{
  static const char header[] = "P6\n1920 1080\n255\n";
  g_autoptr (GSubprocess) grim = NULL;
  g_autoptr (GBytes) picture = NULL;
  GError *error = NULL;

  grim = g_subprocess_new (G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_SILENCE, &error, "grim",
                           "-s", scale, "-o", monitor, "-t", "ppm", "-", NULL);
  g_assert_no_error (error);
  g_subprocess_communicate (grim, NULL, NULL, &picture, NULL, &error);
  g_assert_no_error (error);
  if (g_bytes_get_size (picture) != strlen (header) + 3 * PIXELS ||
      memcmp (g_bytes_get_data (picture, NULL), header, strlen (header)) != 0)
    return NULL;
  return g_bytes_new_from_bytes (picture, strlen (header), 3 * PIXELS);
}

/* R, G, B of each pixel of a monitor. */
static GBytes *
grab (const char *monitor)
{
  GBytes *picture = try_to_grab (monitor);

  g_assert_nonnull (picture);
  return picture;
}

static gsize
count_grey (GBytes *picture, guint8 level)
{
  const guint8 *rgb = g_bytes_get_data (picture, NULL);
  gsize count = 0;

  for (gsize i = 0; i < PIXELS; i++)
    count += rgb[3 * i] == level && rgb[3 * i + 1] == level && rgb[3 * i + 2] == level;
  return count;
}

/* Pixels from @left on that are not grey as @pattern says; NULL: black. */
static gsize
count_wrong (const LbPattern *pattern, guint left, guint width)
{
  g_autoptr (GBytes) picture = grab ("HEADLESS-2");
  const guint8 *rgb = g_bytes_get_data (picture, NULL);
  gsize wrong = 0;

  for (guint y = 0; y < MONITOR_HEIGHT; y++)
    for (guint x = 0; x < width; x++)
      {
        const guint8 *pixel = rgb + 3 * ((gsize) y * MONITOR_WIDTH + left + x);
        guint8 level = pattern != NULL ? pattern->data[(gsize) y * width + x] : 0;

        wrong += pixel[0] != level || pixel[1] != level || pixel[2] != level;
      }
  return wrong;
}

/* --- Exact pixels -------------------------------------------------------------------------- */

typedef struct
{
  const char *renderer, *scale;
} Way;

static const Way ways[] = { { "cairo", "1" }, { "cairo", "2" }, { "gl", "1" }, { "gl", "2" } };

static void
test_every_pixel_is_as_computed (gconstpointer data)
{
  const Way *way = data;
  g_autofree char *command = g_strdup_printf ("swaymsg output HEADLESS-2 scale %s", way->scale);
  LbModulatorCaps caps;
  LbModulator *plane;
  GError *error = NULL;
  Planes planes;

  g_setenv ("GSK_RENDERER", way->renderer, TRUE);
  renderer_check ();
  run (command);
  scale = way->scale;
  planes_init (&planes, SECOND, NULL);
  plane = plane_open (&planes, LB_ROLE_WEIGHT);
  lb_modulator_get_caps (plane, &caps, NULL, deadline (), &error);
  g_assert_no_error (error);
  g_assert_cmpfloat_with_epsilon (caps.rate_hz, 60, 0.1);
  g_assert_cmpint (caps.time_stamp, ==, LB_TIME_STAMP_DEVICE);
  for (guint i = 1; i <= 3; i++)
    {
      g_autoptr (LbPattern) pattern = pattern_new_random (MONITOR_WIDTH, MONITOR_HEIGHT, i);
      gint64 before_us = lb_clock_now_us (planes.context.clock);
      gint64 shown_us = plane_show (plane, pattern, i);

      g_assert_cmpint (shown_us, >=, before_us);
      g_assert_cmpint (shown_us, <=, lb_clock_now_us (planes.context.clock) + 20000);
      g_assert_cmpuint (count_wrong (pattern, 0, MONITOR_WIDTH), ==, 0);
      plane_reads (plane, pattern);
    }
  lb_modulator_blank (plane, NULL, deadline (), &error);
  g_assert_no_error (error);
  g_assert_cmpuint (count_wrong (NULL, 0, MONITOR_WIDTH), ==, 0);
  planes_clear (&planes);
  run ("swaymsg output HEADLESS-2 scale 1");
  scale = "1";
  g_setenv ("GSK_RENDERER", "cairo", TRUE);
}

static void
test_two_planes_share_a_monitor (void)
{
  g_autoptr (LbPattern) first = pattern_new_random (901, MONITOR_HEIGHT, 1);
  g_autoptr (LbPattern) second = pattern_new_random (1019, MONITOR_HEIGHT, 2);
  LbModulator *source, *weight;
  Planes planes;

  planes_init (&planes, SECOND ", \"region_width\": 901", SECOND ", \"region_x\": 901");
  source = plane_open (&planes, LB_ROLE_SOURCE);
  weight = plane_open (&planes, LB_ROLE_WEIGHT);
  plane_show (source, first, 1);
  plane_show (weight, second, 1);
  g_assert_cmpuint (count_wrong (first, 0, 901), ==, 0);
  g_assert_cmpuint (count_wrong (second, 901, 1019), ==, 0);
  planes_clear (&planes);
}

static void
test_scale_that_is_not_whole_is_refused (void)
{
  Planes planes;

  run ("swaymsg output HEADLESS-2 scale 1.5");
  planes_init (&planes, SECOND, NULL);
  plane_open_fails (&planes, LB_ROLE_WEIGHT, LB_DEVICE_ERROR_ABSENT, "2560 x 1440");
  planes_clear (&planes);
  run ("swaymsg output HEADLESS-2 scale 1");
}

/* --- Faults ---------------------------------------------------------------------------------- */

static void
test_lost_full_screen_is_a_fault (void)
{
  g_autoptr (LbPattern) pattern = pattern_new_random (MONITOR_WIDTH, MONITOR_HEIGHT, 3);
  LbModulator *plane;
  Planes planes;

  planes_init (&planes, SECOND, NULL);
  plane = plane_open (&planes, LB_ROLE_WEIGHT);
  plane_show (plane, pattern, 1);
  run ("swaymsg '[title=\"lightbench-plane\"]' fullscreen disable");
  plane_wait_faults (plane, LB_MODULATOR_FAULT_LOST);
  planes_clear (&planes);
}

static void
test_window_that_is_moved_to_another_monitor_hides (void)
{
  g_autoptr (LbPattern) pattern = lb_pattern_new_uniform (MONITOR_WIDTH, MONITOR_HEIGHT, 201);
  gsize shown = 1;
  LbModulator *plane;
  GError *error = NULL;
  gint64 begin_us;
  Planes planes;

  planes_init (&planes, SECOND, NULL);
  plane = plane_open (&planes, LB_ROLE_WEIGHT);
  plane_show (plane, pattern, 1);
  run ("swaymsg '[title=\"lightbench-plane\"]' move container to output HEADLESS-1");
  begin_us = g_get_monotonic_time ();
  plane_wait_faults (plane, LB_MODULATOR_FAULT_LOST);
  while (shown > 0)
    {
      g_autoptr (GBytes) picture = grab ("HEADLESS-1");

      shown = count_grey (picture, 201);
      g_assert_cmpint (g_get_monotonic_time () - begin_us, <, 30 * G_USEC_PER_SEC);
    }
  g_assert_cmpint (lb_device_get_state (LB_DEVICE (plane)), ==, LB_DEVICE_ABSENT);
  g_assert_false (lb_modulator_show (plane, pattern, 2, NULL, deadline (), &error));
  g_assert_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_LOST);
  g_clear_error (&error);
  plane_close (&planes, LB_ROLE_WEIGHT);
  plane = plane_open (&planes, LB_ROLE_WEIGHT);
  plane_show (plane, pattern, 2);
  g_assert_cmpuint (count_wrong (pattern, 0, MONITOR_WIDTH), ==, 0);
  planes_clear (&planes);
}

/* A compositor inside the other: its monitors WL-1 and WL-2 are windows on the two
 * monitors of the outer one, where a headless output cannot be unplugged. */
static GSubprocess *
start_inner_compositor (void)
{
  static const char config[] = "xwayland disable\ndefault_border none\nseat * hide_cursor 100\n"
                               "output WL-1 position 0 0\noutput WL-2 position 1920 0\n";
  g_autoptr (GSubprocessLauncher) launcher =
      g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDERR_SILENCE | G_SUBPROCESS_FLAGS_STDOUT_SILENCE);
  gint64 until_us = g_get_monotonic_time () + 30 * G_USEC_PER_SEC;
  GSubprocess *compositor;
  GError *error = NULL;

  g_file_set_contents ("inner.conf", config, -1, &error);
  g_assert_no_error (error);
  run ("swaymsg 'for_window [title=\"WL-2\"] move container to output HEADLESS-2'");
  g_subprocess_launcher_unsetenv (launcher, "SWAYSOCK");
  g_subprocess_launcher_setenv (launcher, "WLR_BACKENDS", "wayland", TRUE);
  g_subprocess_launcher_setenv (launcher, "WLR_WL_OUTPUTS", "2", TRUE);
  compositor = g_subprocess_launcher_spawn (launcher, &error, "sway", "-c", "inner.conf", NULL);
  g_assert_no_error (error);
  g_setenv ("WAYLAND_DISPLAY", "wayland-2", TRUE);
  for (;;)
    {
      g_autoptr (GBytes) first = try_to_grab ("WL-1");
      g_autoptr (GBytes) second = try_to_grab ("WL-2");

      if (first != NULL && second != NULL)
        return compositor;
      g_assert_cmpint (g_get_monotonic_time (), <, until_us);
      g_usleep (50000);
    }
}

static void
test_unplugged_monitor_never_shows_on_another (void)
{
  g_autoptr (GSubprocess) compositor = start_inner_compositor ();
  g_autoptr (LbPattern) pattern = lb_pattern_new_uniform (MONITOR_WIDTH, MONITOR_HEIGHT, 201);
  g_autoptr (GBytes) before = NULL;
  LbModulator *plane;
  GError *error = NULL;
  gint64 until_us;
  Planes planes;

  planes_init (&planes, "\"connector\": \"WL-2\", \"width\": 1920, \"height\": 1080", NULL);
  plane = plane_open (&planes, LB_ROLE_WEIGHT);
  plane_show (plane, pattern, 1);
  before = grab ("WL-2");
  g_assert_cmpuint (count_grey (before, 201), ==, PIXELS);
  run ("swaymsg '[title=\"WL-2\"] kill'");
  until_us = g_get_monotonic_time () + 700 * 1000;
  while (g_get_monotonic_time () < until_us)
    {
      g_autoptr (GBytes) picture = grab ("WL-1");

      g_assert_cmpuint (count_grey (picture, 201), ==, 0);
    }
  plane_wait_faults (plane, LB_MODULATOR_FAULT_LOST);
  g_assert_cmpint (lb_device_get_state (LB_DEVICE (plane)), ==, LB_DEVICE_ABSENT);
  g_assert_false (lb_modulator_show (plane, pattern, 2, NULL, deadline (), &error));
  g_assert_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_LOST);
  g_clear_error (&error);
  plane_close (&planes, LB_ROLE_WEIGHT);
  plane_open_fails (&planes, LB_ROLE_WEIGHT, LB_DEVICE_ERROR_ABSENT, "WL-2");
  planes_clear (&planes);
  g_subprocess_force_exit (compositor);
  g_subprocess_wait (compositor, NULL, NULL);
  g_setenv ("WAYLAND_DISPLAY", "wayland-1", TRUE);
}

static void
test_other_resolution_is_a_fault (void)
{
  g_autoptr (LbPattern) pattern = lb_pattern_new_uniform (MONITOR_WIDTH, MONITOR_HEIGHT, 201);
  LbModulator *plane;
  Planes planes;

  planes_init (&planes, SECOND, NULL);
  plane = plane_open (&planes, LB_ROLE_WEIGHT);
  plane_show (plane, pattern, 1);
  run ("swaymsg output HEADLESS-2 mode 1280x720@60Hz");
  plane_wait_faults (plane, LB_MODULATOR_FAULT_LOST);
  plane_close (&planes, LB_ROLE_WEIGHT);
  plane_open_fails (&planes, LB_ROLE_WEIGHT, LB_DEVICE_ERROR_ABSENT, "1280 x 720");
  run ("swaymsg output HEADLESS-2 mode 1920x1080@60Hz");
  plane_open (&planes, LB_ROLE_WEIGHT);
  planes_clear (&planes);
}

/* The other side of test_killed_program_leaves_no_pattern(). */
static G_NORETURN void
show_until_killed (void)
{
  g_autoptr (LbPattern) pattern = lb_pattern_new_uniform (MONITOR_WIDTH, MONITOR_HEIGHT, 255);
  Planes planes;

  planes_init (&planes, SECOND, NULL);
  plane_show (plane_open (&planes, LB_ROLE_WEIGHT), pattern, 1);
  kill (getppid (), SIGUSR1);
  for (;;)
    pause ();
}

static void
test_killed_program_leaves_no_pattern (void)
{
  g_autoptr (LbPattern) white = lb_pattern_new_uniform (MONITOR_WIDTH, MONITOR_HEIGHT, 255);
  gint64 begin_us;
  sigset_t set;
  int signal_number;
  pid_t child;

  sigemptyset (&set);
  sigaddset (&set, SIGUSR1);
  sigprocmask (SIG_BLOCK, &set, NULL);
  child = fork ();
  if (child == 0)
    {
      execl ("/proc/self/exe", "test-plane-wayland", "--show-until-killed", NULL);
      _exit (1);
    }
  g_assert_cmpint (sigwait (&set, &signal_number), ==, 0);
  g_assert_cmpuint (count_wrong (white, 0, MONITOR_WIDTH), ==, 0);
  kill (child, SIGKILL);
  begin_us = g_get_monotonic_time ();
  while (count_wrong (white, 0, MONITOR_WIDTH) < PIXELS)
    g_assert_cmpint (g_get_monotonic_time () - begin_us, <, 30 * G_USEC_PER_SEC);
  waitpid (child, NULL, 0);
}

int
main (int argc, char **argv)
{
  if (argc == 2 && g_str_equal (argv[1], "--show-until-killed"))
    show_until_killed ();
  if (argc == 2 && g_str_equal (argv[1], RENDERER_ARGUMENT))
    return renderer_main ();
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (ways); i++)
    {
      g_autofree char *path = g_strdup_printf ("/plane/wayland/every-pixel-is-as-computed/%s-%s",
                                               ways[i].renderer, ways[i].scale);

      g_test_add_data_func (path, &ways[i], test_every_pixel_is_as_computed);
    }
  g_test_add_func ("/plane/wayland/two-planes-share-a-monitor", test_two_planes_share_a_monitor);
  g_test_add_func ("/plane/wayland/scale-that-is-not-whole-is-refused",
                   test_scale_that_is_not_whole_is_refused);
  g_test_add_func ("/plane/wayland/lost-full-screen-is-a-fault", test_lost_full_screen_is_a_fault);
  g_test_add_func ("/plane/wayland/window-that-is-moved-to-another-monitor-hides",
                   test_window_that_is_moved_to_another_monitor_hides);
  g_test_add_func ("/plane/wayland/unplugged-monitor-never-shows-on-another",
                   test_unplugged_monitor_never_shows_on_another);
  g_test_add_func ("/plane/wayland/other-resolution-is-a-fault", test_other_resolution_is_a_fault);
  g_test_add_func ("/plane/wayland/killed-program-leaves-no-pattern", test_killed_program_leaves_no_pattern);
  return g_test_run ();
}
