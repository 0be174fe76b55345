/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <lb-light-source.h>
#include <lb-usb.h>

#include "guest.h"

/* The light source driver over the real USB stack: usbfs, xHCI, the kernel's own
 * usbtmc driver to detach. What counts is the emulator's log, outside the machine. */

#define DEVICE "CLD1015"
#define WAIT_MS 20000
#define LEVEL_MA 50
/* No call may hang longer, whatever happens to it. */
#define HANG_US (2 * G_USEC_PER_SEC)
/* From the death of the program to darkness. */
#define DARK_MS 500

/* This program again, as one that holds light until it is killed. */
#define HOLD "--hold"

static LbLightSource *
open_light (void)
{
  LbLightSource *light = LB_LIGHT_SOURCE (guest_make_device (LB_USB_DRIVER, LB_ROLE_LIGHT));
  g_autoptr (GError) error = NULL;

  lb_device_open (LB_DEVICE (light), NULL, guest_in (WAIT_MS), &error);
  g_assert_no_error (error);
  return light;
}

static void
close_light (LbLightSource *light)
{
  g_autoptr (GError) error = NULL;

  lb_device_close (LB_DEVICE (light), NULL, guest_in (WAIT_MS), &error);
  g_assert_no_error (error);
  g_object_unref (light);
}

static void
light_up (LbLightSource *light, guint64 generation)
{
  g_autoptr (GError) error = NULL;

  lb_light_source_set_level (light, LEVEL_MA, NULL, NULL, guest_in (WAIT_MS), &error);
  g_assert_no_error (error);
  lb_light_source_output_on (light, generation, G_USEC_PER_SEC, NULL, guest_in (WAIT_MS), &error);
  g_assert_no_error (error);
}

static int
hold_main (void)
{
  LbLightSource *light = open_light ();

  light_up (light, 1);
  while (lb_light_source_renew (light, 1, G_USEC_PER_SEC, NULL, guest_in (WAIT_MS), NULL))
    g_usleep (200 * 1000);
  return 1;
}

static void
test_identity (void)
{
  LbLightSource *light = open_light ();
  g_autoptr (GError) error = NULL;
  g_autoptr (LbIdentity) identity =
      lb_device_get_identity (LB_DEVICE (light), NULL, guest_in (WAIT_MS), &error);

  g_assert_no_error (error);
  g_assert_cmpstr (identity->model, ==, DEVICE);
  g_assert_cmpstr (identity->serial, ==, "M00123456");
  close_light (light);
}

static void
test_lease_lights_and_ends (void)
{
  LbLightSource *light = open_light ();
  g_autoptr (GError) error = NULL;
  LbLightSourceState state;
  double lit_ms;

  light_up (light, 1);
  g_assert_true (lb_light_source_read_state (light, &state, NULL, guest_in (WAIT_MS), &error));
  g_assert_no_error (error);
  g_assert_true (state.output);
  lit_ms = guest_wait_for (DEVICE, "lit", 0, WAIT_MS);
  g_assert_cmpfloat (lit_ms, >=, 0);
  /* Nobody renews. */
  g_assert_cmpfloat (guest_wait_for (DEVICE, "dark", lit_ms, WAIT_MS), >=, lit_ms);
  close_light (light);
}

static void
test_killed_program_ends_in_darkness (gconstpointer self)
{
  const char *argv[] = { self, HOLD, NULL };
  g_autoptr (GError) error = NULL;
  double before_ms, lit_ms, killed_ms, dark_ms;
  GPid pid;

  guest_tell (DEVICE, "mark before");
  before_ms = guest_find (DEVICE, "mark before");
  g_spawn_async (NULL, (char **) argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL, &pid, &error);
  g_assert_no_error (error);
  lit_ms = guest_wait_for (DEVICE, "lit", before_ms, WAIT_MS);
  g_assert_cmpfloat (lit_ms, >=, before_ms);
  g_usleep (G_USEC_PER_SEC);
  /* Renewed meanwhile, so that it is the death that darkens. */
  g_assert_cmpfloat (guest_find (DEVICE, "dark"), <, lit_ms);
  guest_tell (DEVICE, "mark killed");
  g_assert_cmpint (kill (pid, SIGKILL), ==, 0);
  g_assert_cmpint (waitpid (pid, NULL, 0), ==, pid);
  killed_ms = guest_find (DEVICE, "mark killed");
  dark_ms = guest_wait_for (DEVICE, "dark", lit_ms, WAIT_MS);
  g_test_message ("dark %.0f ms after the mark before the kill", dark_ms - killed_ms);
  g_assert_cmpfloat (dark_ms, >=, killed_ms);
  g_assert_cmpfloat (dark_ms - killed_ms, <, DARK_MS);
}

/* Until it says that it is gone, which takes no longer than HANG_US. */
static void
lose (LbLightSource *light)
{
  gint64 before_us;
  LbLightSourceState state;

  guest_tell (DEVICE, "unplug");
  before_us = g_get_monotonic_time ();
  while (lb_light_source_read_state (light, &state, NULL, guest_in (WAIT_MS), NULL))
    {
      g_assert_cmpint (g_get_monotonic_time () - before_us, <, HANG_US);
      g_usleep (50 * 1000);
    }
  lb_device_close (LB_DEVICE (light), NULL, guest_in (WAIT_MS), NULL);
  g_assert_cmpint (g_get_monotonic_time () - before_us, <, HANG_US);
}

/* Until the machine has seen it. */
static void
open_when_there (LbLightSource *light)
{
  gint64 end_us = guest_in (2 * WAIT_MS);
  gboolean open = FALSE;

  while (!open)
    {
      gint64 before_us = g_get_monotonic_time ();
      g_autoptr (GError) error = NULL;

      open = lb_device_open (LB_DEVICE (light), NULL, guest_in (WAIT_MS), &error);
      g_assert_cmpint (g_get_monotonic_time () - before_us, <, HANG_US);
      if (!open && g_get_monotonic_time () > end_us)
        g_assert_no_error (error);
      if (!open)
        g_usleep (200 * 1000);
    }
}

static void
find_again (LbLightSource *light)
{
  guest_tell (DEVICE, "plug");
  open_when_there (light);
}

/* One of each table in the place of the CLD1015: they are spoken to in other words. */
static void
check_model (const char *model)
{
  g_autofree char *command = g_strdup_printf ("be %s", model);
  LbLightSource *light = LB_LIGHT_SOURCE (guest_make_light (model));
  g_autoptr (GError) error = NULL;
  g_autoptr (LbIdentity) identity = NULL;
  LbLightSourceState state;
  double lit_ms;

  guest_tell (DEVICE, command);
  open_when_there (light);
  identity = lb_device_get_identity (LB_DEVICE (light), NULL, guest_in (WAIT_MS), &error);
  g_assert_no_error (error);
  g_assert_cmpstr (identity->model, ==, model);
  light_up (light, 1);
  lit_ms = guest_wait_for (DEVICE, "lit", guest_find (DEVICE, command), WAIT_MS);
  g_assert_cmpfloat (lit_ms, >=, 0);
  g_assert_true (lb_light_source_read_state (light, &state, NULL, guest_in (WAIT_MS), &error));
  g_assert_no_error (error);
  g_assert_cmpfloat_with_epsilon (state.level, LEVEL_MA, 0.01);
  g_assert_true (lb_light_source_output_off (light, NULL, guest_in (WAIT_MS), &error));
  g_assert_no_error (error);
  g_assert_cmpfloat (guest_wait_for (DEVICE, "dark", lit_ms, WAIT_MS), >=, lit_ms);
  close_light (light);
}

static void
test_other_models (void)
{
  check_model ("ITC4001");
  check_model ("DC2200");
  check_model (DEVICE);
}

/* Dark, and lit. */
static void
test_unplugged_comes_back (void)
{
  LbLightSource *light = open_light ();
  guint replugs = guest_get_replugs ();
  GuestUse use = { 0 };

  for (guint i = 0; i < replugs; i++)
    {
      if (i % 2 == 1)
        light_up (light, 1);
      lose (light);
      find_again (light);
      if (i == 1)
        use = guest_get_use ();
    }
  guest_assert_no_leak (&use, replugs - 2);
  close_light (light);
}

int
main (int argc, char **argv)
{
  if (argc == 2 && g_str_equal (argv[1], HOLD))
    return hold_main ();
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/vm/light/says-who-it-is", test_identity);
  g_test_add_func ("/vm/light/lease-lights-and-ends", test_lease_lights_and_ends);
  g_test_add_data_func ("/vm/light/killed-program-ends-in-darkness", argv[0],
                        test_killed_program_ends_in_darkness);
  g_test_add_func ("/vm/light/other-models-light-and-darken", test_other_models);
  g_test_add_func ("/vm/light/unplugged-comes-back", test_unplugged_comes_back);
  return g_test_run ();
}
