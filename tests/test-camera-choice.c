/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <locale.h>

#include <glib/gstdio.h>

#include <lb-camera-choice.h>
#include <lb-setup.h>

/* What a setup file may say of a camera, and which camera and mode it means. */

static GVariant *
parse (const char *text)
{
  g_autoptr (GError) error = NULL;
  GVariant *options = g_variant_parse (G_VARIANT_TYPE_VARDICT, text, NULL, NULL, &error);

  g_assert_no_error (error);
  return g_variant_ref_sink (options);
}

static void
assert_refused (const char *text, int code, const char *part)
{
  g_autoptr (GVariant) options = parse (text);
  g_autoptr (GError) error = NULL;
  LbCameraChoice choice;

  g_assert_false (lb_camera_choice_read (&choice, options, "devices.camera.", &error));
  g_assert_error (error, LB_SETUP_ERROR, code);
  g_assert_nonnull (strstr (error->message, part));
}

static void
test_setup_is_read (void)
{
  g_autoptr (GVariant) options = parse ("{'model': <'Cam'>, 'serial': <'7'>, 'format': <'SRGGB10_CSI2P'>,"
                                        " 'colour': <'red'>, 'width': <640.>, 'height': <480.>,"
                                        " 'rate_hz': <12.5>, 'latency_us': <300.>}");
  g_autoptr (GError) error = NULL;
  LbCameraChoice choice;

  g_assert_true (lb_camera_choice_read (&choice, options, "", &error));
  g_assert_no_error (error);
  g_assert_cmpstr (choice.model, ==, "Cam");
  g_assert_cmpstr (choice.serial, ==, "7");
  g_assert_cmpstr (choice.format, ==, "SRGGB10_CSI2P");
  g_assert_cmpint (choice.colour, ==, LB_PIXEL_RED);
  g_assert_cmpuint (choice.width, ==, 640);
  g_assert_cmpuint (choice.height, ==, 480);
  g_assert_cmpfloat (choice.rate_hz, ==, 12.5);
  g_assert_cmpfloat (choice.latency_us, ==, 300);
  g_assert_false (choice.linear);
}

static void
test_wrong_setup_is_refused (void)
{
  assert_refused ("{}", LB_SETUP_ERROR_KEY, "devices.camera.model");
  assert_refused ("{'model': <'Cam'>, 'wdth': <640.>}", LB_SETUP_ERROR_KEY, "wdth");
  assert_refused ("{'model': <'Cam'>, 'width': <640.>}", LB_SETUP_ERROR_KEY, "height");
  assert_refused ("{'model': <'Cam'>, 'width': <640.5>, 'height': <480.>}", LB_SETUP_ERROR_VALUE, "width");
  assert_refused ("{'model': <'Cam'>, 'colour': <'pink'>}", LB_SETUP_ERROR_VALUE, "pink");
  assert_refused ("{'model': <'Cam'>, 'format': <'MJPEG'>}", LB_SETUP_ERROR_VALUE, "R10_CSI2P");
  assert_refused ("{'model': <'Cam'>, 'linear': <1.>}", LB_SETUP_ERROR_VALUE, "linear");
  assert_refused ("{'model': <'Cam'>, 'rate_hz': <0.>}", LB_SETUP_ERROR_VALUE, "rate_hz");
}

static void
test_gamma_encoded_format_needs_a_declaration (void)
{
  g_autoptr (GVariant) options = parse ("{'model': <'Cam'>, 'format': <'YUYV'>, 'linear': <true>}");
  g_autoptr (GError) error = NULL;
  LbCameraChoice choice;

  assert_refused ("{'model': <'Cam'>, 'format': <'YUYV'>}", LB_SETUP_ERROR_VALUE, "linear");
  g_assert_true (lb_camera_choice_read (&choice, options, "", &error));
  g_assert_true (choice.linear);
}

/* --- Which camera ----------------------------------------------------------------------------- */

static GPtrArray *
two_cameras (void)
{
  GPtrArray *entries = g_ptr_array_new_with_free_func ((GDestroyNotify) lb_camera_entry_free);

  for (guint i = 0; i < 2; i++)
    {
      g_autofree char *id = g_strdup_printf ("usb-%u:1.0-1209:0002", i + 1);
      LbCameraEntry *entry = lb_camera_entry_new (id, "Cam");

      g_free (entry->serial);
      entry->serial = g_strdup_printf ("%u", i + 1);
      g_ptr_array_add (entries, entry);
    }
  return entries;
}

static void
test_camera_is_found_by_serial_or_id (void)
{
  const LbCameraChoice by_serial = { .model = "Cam", .serial = "2" };
  const LbCameraChoice by_id = { .id = "usb-1:1.0-1209:0002" };
  g_autoptr (GPtrArray) entries = two_cameras ();

  g_assert_true (lb_camera_choice_find (&by_serial, entries, NULL) == g_ptr_array_index (entries, 1));
  g_assert_true (lb_camera_choice_find (&by_id, entries, NULL) == g_ptr_array_index (entries, 0));
}

static void
test_two_that_fit_are_not_guessed_between (void)
{
  const LbCameraChoice choice = { .model = "Cam" };
  g_autoptr (GPtrArray) entries = two_cameras ();
  g_autoptr (GError) error = NULL;

  g_assert_null (lb_camera_choice_find (&choice, entries, &error));
  g_assert_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_FORMAT);
}

static void
test_another_camera_is_not_taken (void)
{
  const LbCameraChoice choice = { .model = "Cam", .serial = "3" };
  g_autoptr (GPtrArray) entries = two_cameras ();
  g_autoptr (GError) error = NULL;

  g_assert_null (lb_camera_choice_find (&choice, entries, &error));
  g_assert_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_ABSENT);
  g_assert_nonnull (strstr (error->message, "serial \"3\""));
}

static void
add_usb_device (const char *sysfs, const char *name, const char *serial)
{
  const char *const attributes[][2] = {
    { "idVendor", "1209\n" }, { "idProduct", "0002\n" }, { "manufacturer", "Maker\n" }, { "serial", serial }
  };
  g_autofree char *folder = g_build_filename (sysfs, "bus", "usb", "devices", name, NULL);

  g_assert_cmpint (g_mkdir_with_parents (folder, 0700), ==, 0);
  for (guint i = 0; i < G_N_ELEMENTS (attributes); i++)
    {
      g_autofree char *path = g_build_filename (folder, attributes[i][0], NULL);

      g_assert_true (g_file_set_contents (path, attributes[i][1], -1, NULL));
    }
}

static void
remove_tree (const char *path)
{
  const char *argv[] = { "rm", "-rf", path, NULL };

  g_assert_true (
      g_spawn_sync (NULL, (char **) argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, NULL, NULL));
}

static void
test_serial_comes_from_the_kernel (void)
{
  g_autofree char *sysfs = g_dir_make_tmp ("lb-sysfs-XXXXXX", NULL);
  g_autoptr (LbCameraEntry) entry = lb_camera_entry_new ("\\_SB_.PCI0.S20_-2.4:1.0-1209:0002", "Cam");
  g_autoptr (LbCameraEntry) other = lb_camera_entry_new ("\\_SB_.PCI0.S20_-2:1.0-1209:0002", "Cam");

  add_usb_device (sysfs, "3-2.4", "S1\n");
  lb_camera_entry_look_up (entry, sysfs);
  g_assert_cmpstr (entry->serial, ==, "S1");
  g_assert_cmpstr (entry->maker, ==, "Maker");
  lb_camera_entry_look_up (other, sysfs);
  g_assert_cmpstr (other->serial, ==, "");
  remove_tree (sysfs);
}

static void
test_serial_of_two_that_fit_is_unknown (void)
{
  g_autofree char *sysfs = g_dir_make_tmp ("lb-sysfs-XXXXXX", NULL);
  g_autoptr (LbCameraEntry) entry = lb_camera_entry_new ("x-1:1.0-1209:0002", "Cam");

  add_usb_device (sysfs, "1-1", "S1\n");
  add_usb_device (sysfs, "2-1", "S2\n");
  lb_camera_entry_look_up (entry, sysfs);
  g_assert_cmpstr (entry->serial, ==, "");
  remove_tree (sysfs);
}

/* --- Which mode --------------------------------------------------------------------------------- */

static const LbCameraMode modes[] = {
  { "MJPEG", 4000, 3000 }, { "YUYV", 1920, 1080 }, { "R8", 1920, 1080 },
  { "R10", 640, 480 },     { "R10", 1280, 720 },
};

static void
test_best_for_measuring_is_the_deepest_then_the_largest (void)
{
  const LbCameraChoice any = { 0 }, linear = { .linear = TRUE };

  g_assert_true (lb_camera_choice_get_mode (&any, modes, G_N_ELEMENTS (modes), NULL) == &modes[4]);
  /* Raw comes before what may be encoded, declared or not. */
  g_assert_true (lb_camera_choice_get_mode (&linear, modes, G_N_ELEMENTS (modes), NULL) == &modes[4]);
}

static void
test_wanted_mode_is_taken_as_it_is (void)
{
  const LbCameraChoice small = { .format = "R10", .width = 640, .height = 480 };
  const LbCameraChoice yuyv = { .format = "YUYV", .linear = TRUE };
  const LbCameraChoice other = { .format = "R8", .width = 640, .height = 480 };
  g_autoptr (GError) error = NULL;

  g_assert_true (lb_camera_choice_get_mode (&small, modes, G_N_ELEMENTS (modes), NULL) == &modes[3]);
  g_assert_true (lb_camera_choice_get_mode (&yuyv, modes, G_N_ELEMENTS (modes), NULL) == &modes[1]);
  g_assert_null (lb_camera_choice_get_mode (&other, modes, G_N_ELEMENTS (modes), &error));
  g_assert_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_FORMAT);
}

static void
test_camera_with_encoded_formats_alone_is_refused (void)
{
  const LbCameraChoice any = { 0 }, linear = { .linear = TRUE };
  g_autoptr (GError) error = NULL;

  g_assert_null (lb_camera_choice_get_mode (&any, modes, 2, &error));
  g_assert_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_FORMAT);
  g_assert_nonnull (strstr (error->message, "linear"));
  g_assert_true (lb_camera_choice_get_mode (&linear, modes, 2, NULL) == &modes[1]);
}

/* --- Time and exposure ------------------------------------------------------------------------------ */

static void
test_time_stamps_of_both_clocks_are_told_apart (void)
{
  const gint64 s = G_GINT64_CONSTANT (1000000000);

  /* The machine slept for 1000 s. */
  g_assert_cmpint (lb_camera_stamp_to_us (499 * s, 500 * s, 1500 * s), ==, 499000000);
  g_assert_cmpint (lb_camera_stamp_to_us (1499 * s, 500 * s, 1500 * s), ==, 499000000);
  /* Of neither. */
  g_assert_cmpint (lb_camera_stamp_to_us (1, 500 * s, 1500 * s), ==, 500000000);
  g_assert_cmpint (lb_camera_stamp_to_us (9999 * s, 500 * s, 1500 * s), ==, 500000000);
}

static void
test_exposure_is_rounded_as_the_camera_does (void)
{
  g_assert_cmpfloat (lb_camera_choice_round_exposure (1234.5, TRUE, 100), ==, 1200);
  g_assert_cmpfloat (lb_camera_choice_round_exposure (1234.5, FALSE, 1), ==, 1234);
  g_assert_cmpfloat (lb_camera_choice_round_exposure (300, TRUE, 100), ==, 300);
  g_assert_cmpfloat (lb_camera_choice_round_exposure (50, TRUE, 100), ==, 100);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/camera/setup/is-read", test_setup_is_read);
  g_test_add_func ("/camera/setup/wrong-ones-are-refused", test_wrong_setup_is_refused);
  g_test_add_func ("/camera/setup/gamma-encoded-format-needs-a-declaration",
                   test_gamma_encoded_format_needs_a_declaration);
  g_test_add_func ("/camera/choice/camera-is-found-by-serial-or-id", test_camera_is_found_by_serial_or_id);
  g_test_add_func ("/camera/choice/two-that-fit-are-not-guessed-between",
                   test_two_that_fit_are_not_guessed_between);
  g_test_add_func ("/camera/choice/another-camera-is-not-taken", test_another_camera_is_not_taken);
  g_test_add_func ("/camera/choice/serial-comes-from-the-kernel", test_serial_comes_from_the_kernel);
  g_test_add_func ("/camera/choice/serial-of-two-that-fit-is-unknown",
                   test_serial_of_two_that_fit_is_unknown);
  g_test_add_func ("/camera/mode/best-is-the-deepest-then-the-largest",
                   test_best_for_measuring_is_the_deepest_then_the_largest);
  g_test_add_func ("/camera/mode/wanted-one-is-taken-as-it-is", test_wanted_mode_is_taken_as_it_is);
  g_test_add_func ("/camera/mode/encoded-formats-alone-are-refused",
                   test_camera_with_encoded_formats_alone_is_refused);
  g_test_add_func ("/camera/time/stamps-of-both-clocks-are-told-apart",
                   test_time_stamps_of_both_clocks_are_told_apart);
  g_test_add_func ("/camera/exposure/is-rounded-as-the-camera-does",
                   test_exposure_is_rounded_as_the_camera_does);
  return g_test_run ();
}
