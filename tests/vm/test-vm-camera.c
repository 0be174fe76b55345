/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <math.h>
#include <string.h>

#include <lb-camera.h>
#include <lb-libcamera.h>

#include "guest.h"
#include "uvc-camera.h"

/* The camera driver over libcamera and the kernel's own driver of USB cameras. */

/* No call may hang longer, whatever happens to the camera. */
#define HANG_US (2 * G_USEC_PER_SEC)
#define WAIT_MS 10000
#define PLANES_SIDE 8

static LbCamera *
open_camera (void)
{
  LbCamera *camera = LB_CAMERA (guest_make_device (LB_LIBCAMERA_DRIVER, LB_ROLE_CAMERA));
  g_autoptr (GError) error = NULL;

  lb_device_open (LB_DEVICE (camera), NULL, guest_in (WAIT_MS), &error);
  g_assert_no_error (error);
  return camera;
}

static void
close_camera (LbCamera *camera)
{
  g_autoptr (GError) error = NULL;

  lb_device_close (LB_DEVICE (camera), NULL, guest_in (WAIT_MS), &error);
  g_assert_no_error (error);
  g_object_unref (camera);
}

static void
start (LbCamera *camera)
{
  g_autoptr (GError) error = NULL;

  lb_camera_start (camera, 4, NULL, guest_in (WAIT_MS), &error);
  g_assert_no_error (error);
}

static LbFrame *
next_frame (LbCamera *camera)
{
  g_autoptr (GError) error = NULL;
  LbFrame *frame = lb_camera_wait_frame (camera, 0, NULL, guest_in (WAIT_MS), &error);

  g_assert_no_error (error);
  return frame;
}

static void
skip_frame (LbCamera *camera)
{
  g_autoptr (LbFrame) frame = next_frame (camera);

  g_assert_nonnull (frame);
}

/* The first frame with @exposure_us and @gain in force. */
static LbFrame *
frame_with (LbCamera *camera, double exposure_us, double gain)
{
  g_autoptr (GError) error = NULL;
  double actual_us, actual_gain;
  guint64 valid_from;
  LbFrame *frame = NULL;

  lb_camera_set_exposure (camera, exposure_us, gain, &actual_us, &actual_gain, &valid_from, NULL,
                          guest_in (WAIT_MS), &error);
  g_assert_no_error (error);
  g_assert_cmpfloat_with_epsilon (actual_us, exposure_us, 100);
  do
    {
      g_clear_pointer (&frame, lb_frame_unref);
      frame = next_frame (camera);
    }
  while (frame->sequence < valid_from);
  g_assert_cmpfloat (frame->exposure_us, ==, actual_us);
  return frame;
}

static void
show (guint8 (*level) (guint x, guint y))
{
  g_autoptr (GString) pgm = g_string_new (NULL);
  g_autoptr (GError) error = NULL;

  g_string_append_printf (pgm, "P5 %d %d 255\n", PLANES_SIDE, PLANES_SIDE);
  for (guint y = 0; y < PLANES_SIDE; y++)
    for (guint x = 0; x < PLANES_SIDE; x++)
      g_string_append_c (pgm, (char) level (x, y));
  g_file_set_contents (GUEST_RESULTS "/planes.pgm", pgm->str, (gssize) pgm->len, &error);
  g_assert_no_error (error);
}

static guint8
full (guint x, guint y)
{
  return 255;
}

static guint8
ramp (guint x, guint y)
{
  return (guint8) (255 * (x + PLANES_SIDE * y) / (PLANES_SIDE * PLANES_SIDE - 1));
}

/* What the emulated sensor makes of it (uvc-camera.h). */
static guint
expected (double exposure_us, double gain, guint level)
{
  return (guint) MIN (
      lround (UVC_CAMERA_BLACK + UVC_CAMERA_FULL * exposure_us / 10000 * gain * level / 255.0), 255);
}

static guint
centre (const LbFrame *frame)
{
  return frame->data[(gsize) frame->height / 2 * frame->width + frame->width / 2];
}

/* --- Frames ---------------------------------------------------------------------------------- */

static void
test_identity_and_caps (void)
{
  LbCamera *camera = open_camera ();
  g_autoptr (GError) error = NULL;
  g_autoptr (LbIdentity) identity =
      lb_device_get_identity (LB_DEVICE (camera), NULL, guest_in (WAIT_MS), &error);
  LbCameraCaps caps;

  g_assert_no_error (error);
  g_assert_cmpstr (identity->model, ==, "Bench camera: Bench camera");
  g_assert_cmpstr (identity->maker, ==, "Emulator");
  g_assert_cmpstr (identity->serial, ==, "CAM0001");
  g_assert_true (lb_camera_get_caps (camera, &caps, NULL, guest_in (WAIT_MS), &error));
  g_assert_no_error (error);
  g_assert_cmpuint (caps.width, ==, UVC_CAMERA_WIDTH);
  g_assert_cmpuint (caps.height, ==, UVC_CAMERA_HEIGHT);
  g_assert_cmpuint (caps.bits, ==, 8);
  g_assert_cmpfloat (caps.exposure_min_us, ==, 100);
  g_assert_cmpfloat (caps.exposure_max_us, ==, 1000000);
  g_assert_cmpfloat (caps.gain_min, ==, 1);
  g_assert_cmpfloat (caps.gain_max, ==, 4);
  close_camera (camera);
}

static void
test_exposure_and_gain_are_manual (void)
{
  static const double settings[][2] = { { 10000, 1 }, { 2500, 1 }, { 30000, 1 }, { 10000, 2 }, { 10000, 4 } };
  LbCamera *camera = open_camera ();

  show (full);
  start (camera);
  for (guint i = 0; i < G_N_ELEMENTS (settings); i++)
    {
      g_autoptr (LbFrame) frame = frame_with (camera, settings[i][0], settings[i][1]);

      g_assert_cmpuint (centre (frame), ==, expected (settings[i][0], settings[i][1], 255));
    }
  close_camera (camera);
}

static void
test_out_of_range_is_refused (void)
{
  static const double settings[][2] = { { 10, 1 }, { 2e6, 1 }, { 10000, 0.5 }, { 10000, 5 } };
  LbCamera *camera = open_camera ();

  for (guint i = 0; i < G_N_ELEMENTS (settings); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_false (lb_camera_set_exposure (camera, settings[i][0], settings[i][1], NULL, NULL, NULL, NULL,
                                              guest_in (WAIT_MS), &error));
      g_assert_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_RANGE);
    }
  close_camera (camera);
}

static void
test_picture_is_that_of_the_planes (void)
{
  LbCamera *camera = open_camera ();
  const LbCameraFormat want = { .x = 40, .y = 60, .width = 160, .height = 120 };
  LbCameraFormat actual;
  g_autoptr (LbFrame) frame = NULL;
  g_autoptr (GError) error = NULL;

  show (ramp);
  lb_camera_configure (camera, &want, &actual, NULL, guest_in (WAIT_MS), &error);
  g_assert_no_error (error);
  start (camera);
  frame = frame_with (camera, 20000, 2);
  g_assert_cmpuint (frame->width, ==, 160);
  g_assert_cmpuint (frame->height, ==, 120);
  for (guint y = 0; y < frame->height; y++)
    for (guint x = 0; x < frame->width; x++)
      g_assert_cmpuint (frame->data[(gsize) y * frame->width + x], ==,
                        expected (20000, 2,
                                  ramp ((x + frame->x) * PLANES_SIDE / UVC_CAMERA_WIDTH,
                                        (y + frame->y) * PLANES_SIDE / UVC_CAMERA_HEIGHT)));
  close_camera (camera);
}

static void
test_frames_are_counted_and_timed (void)
{
  LbCamera *camera = open_camera ();
  guint64 delivered, dropped, stale, last = 0;
  gint64 last_us = 0;
  g_autoptr (GError) error = NULL;

  start (camera);
  for (guint i = 0; i < 10; i++)
    {
      g_autoptr (LbFrame) frame = next_frame (camera);

      g_assert_true (i == 0 || frame->sequence > last);
      g_assert_cmpint (frame->end_us, >, last_us);
      g_assert_cmpint (frame->end_us, <=, g_get_monotonic_time ());
      g_assert_cmpfloat ((double) (frame->end_us - frame->start_us), >=, frame->exposure_us);
      last = frame->sequence;
      last_us = frame->end_us;
    }
  g_assert_true (
      lb_camera_get_counters (camera, &delivered, &dropped, &stale, NULL, guest_in (WAIT_MS), &error));
  g_assert_no_error (error);
  g_assert_cmpuint (delivered, ==, 10);
  g_assert_cmpuint (delivered + dropped + stale, >=, last + 1);
  close_camera (camera);
}

static void
test_frame_is_not_older_than_asked_for (void)
{
  LbCamera *camera = open_camera ();
  g_autoptr (GError) error = NULL;

  start (camera);
  skip_frame (camera);
  for (guint i = 0; i < 3; i++)
    {
      gint64 now_us = g_get_monotonic_time ();
      g_autoptr (LbFrame) frame = lb_camera_wait_frame (camera, now_us, NULL, guest_in (WAIT_MS), &error);

      g_assert_no_error (error);
      g_assert_cmpint (frame->start_us, >=, now_us);
    }
  close_camera (camera);
}

/* --- What goes wrong --------------------------------------------------------------------------- */

static void
test_silent_camera_is_a_fault (void)
{
  LbCamera *camera = open_camera ();
  g_autoptr (GError) error = NULL;
  LbFrame *frame;

  start (camera);
  skip_frame (camera);
  guest_tell ("camera", "mute");
  do
    {
      frame = lb_camera_wait_frame (camera, g_get_monotonic_time (), NULL, guest_in (WAIT_MS), &error);
      g_clear_pointer (&frame, lb_frame_unref);
    }
  while (error == NULL);
  guest_tell ("camera", "unmute");
  g_assert_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_STALLED);
  g_assert_cmpint (lb_device_get_state (LB_DEVICE (camera)), ==, LB_DEVICE_FAULTED);
  close_camera (camera);
  /* And it works again. */
  camera = open_camera ();
  start (camera);
  skip_frame (camera);
  close_camera (camera);
}

/* A call that fails once it is gone: of a camera that runs, of one that does not. */
static void
use_until_lost (LbCamera *camera, gboolean running, GError **error)
{
  LbFrame *frame;

  if (running)
    {
      frame = lb_camera_wait_frame (camera, 0, NULL, guest_in (WAIT_MS), error);
      g_clear_pointer (&frame, lb_frame_unref);
    }
  else if (lb_camera_start (camera, 4, NULL, guest_in (WAIT_MS), error))
    lb_camera_stop (camera, NULL, guest_in (WAIT_MS), error);
}

/* It says ABSENT, and neither that nor closing hangs. */
static void
lose (LbCamera *camera, gboolean running)
{
  g_autoptr (GError) error = NULL;
  gint64 before_us;

  guest_tell ("camera", "unplug");
  before_us = g_get_monotonic_time ();
  do
    use_until_lost (camera, running, &error);
  while (error == NULL);
  g_test_message ("told after %.2f s", (double) (g_get_monotonic_time () - before_us) / G_USEC_PER_SEC);
  g_assert_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_ABSENT);
  g_assert_cmpint (g_get_monotonic_time () - before_us, <, HANG_US);
  g_assert_cmpint (lb_device_get_state (LB_DEVICE (camera)), ==, LB_DEVICE_ABSENT);
  before_us = g_get_monotonic_time ();
  lb_device_close (LB_DEVICE (camera), NULL, guest_in (WAIT_MS), NULL);
  g_assert_cmpint (g_get_monotonic_time () - before_us, <, HANG_US);
}

/* Until it can be opened again. */
static void
find_again (LbCamera *camera)
{
  gint64 end_us = guest_in (2 * WAIT_MS);
  gboolean open = FALSE;

  guest_tell ("camera", "plug");
  while (!open)
    {
      gint64 before_us = g_get_monotonic_time ();
      g_autoptr (GError) error = NULL;

      open = lb_device_open (LB_DEVICE (camera), NULL, guest_in (WAIT_MS), &error);
      g_assert_cmpint (g_get_monotonic_time () - before_us, <, HANG_US);
      if (!open && g_get_monotonic_time () > end_us)
        g_assert_no_error (error);
      if (!open)
        g_usleep (100 * 1000);
    }
}

/* Streaming, and merely open. */
static void
test_unplugged_comes_back (void)
{
  LbCamera *camera = open_camera ();
  guint replugs = guest_get_replugs ();
  GuestUse use = { 0 };

  for (guint i = 0; i < replugs; i++)
    {
      gboolean running = i % 2 == 0;

      if (running)
        {
          start (camera);
          skip_frame (camera);
        }
      lose (camera, running);
      find_again (camera);
      /* The first rounds open what stays open. */
      if (i == 1)
        use = guest_get_use ();
    }
  guest_assert_no_leak (&use, replugs - 2);
  start (camera);
  skip_frame (camera);
  close_camera (camera);
}

static void
test_absent_camera_is_named (void)
{
  LbCamera *camera = open_camera ();
  g_autoptr (GError) error = NULL;

  lb_device_close (LB_DEVICE (camera), NULL, guest_in (WAIT_MS), NULL);
  guest_tell ("camera", "unplug");
  while (lb_device_open (LB_DEVICE (camera), NULL, guest_in (WAIT_MS), &error))
    {
      lb_device_close (LB_DEVICE (camera), NULL, guest_in (WAIT_MS), NULL);
      g_usleep (100 * 1000);
    }
  g_assert_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_ABSENT);
  g_assert_nonnull (strstr (error->message, "CAM0001"));
  find_again (camera);
  close_camera (camera);
}

static void
test_cli_lists_what_is_there (gconstpointer cli)
{
  const char *argv[] = { cli, "devices", NULL };
  g_autofree char *out = NULL;
  g_autoptr (GError) error = NULL;
  int status;

  g_spawn_sync (NULL, (char **) argv, NULL, G_SPAWN_DEFAULT, NULL, NULL, &out, NULL, &status, &error);
  g_assert_no_error (error);
  g_test_message ("%s", out);
  g_assert_true (g_spawn_check_wait_status (status, NULL));
  g_assert_nonnull (strstr (out, "libcamera: Emulator Bench camera: Bench camera, serial CAM0001"));
  g_assert_nonnull (strstr (out, "usb: Thorlabs CLD1015, serial M00123456"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_assert_cmpint (argc, ==, 2);
  g_test_add_data_func ("/vm/cli/lists-what-is-there", argv[1], test_cli_lists_what_is_there);
  g_test_add_func ("/vm/camera/says-who-it-is-and-what-it-can", test_identity_and_caps);
  g_test_add_func ("/vm/camera/exposure-and-gain-are-manual", test_exposure_and_gain_are_manual);
  g_test_add_func ("/vm/camera/out-of-range-is-refused", test_out_of_range_is_refused);
  g_test_add_func ("/vm/camera/picture-is-that-of-the-planes", test_picture_is_that_of_the_planes);
  g_test_add_func ("/vm/camera/frames-are-counted-and-timed", test_frames_are_counted_and_timed);
  g_test_add_func ("/vm/camera/frame-is-not-older-than-asked-for", test_frame_is_not_older_than_asked_for);
  g_test_add_func ("/vm/camera/silent-one-is-a-fault", test_silent_camera_is_a_fault);
  g_test_add_func ("/vm/camera/unplugged-comes-back", test_unplugged_comes_back);
  g_test_add_func ("/vm/camera/absent-one-is-named", test_absent_camera_is_named);
  return g_test_run ();
}
