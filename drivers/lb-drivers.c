/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <glib/gi18n-lib.h>
#include <lb-display.h>
#include <lb-libcamera.h>
#include <lb-simulated.h>
#include <lb-usb.h>

#include "lb-driver.h"

/* One row a driver; adding one is a folder and a row here. */

/**
 * lb_drivers_get:
 *
 * Returns: the table of drivers, ended by a row without a name
 */
const LbDriver *
lb_drivers_get (void)
{
  static LbDriver table[5];
  static gsize ready;

  if (g_once_init_enter (&ready))
    {
      table[0] = lb_simulated_driver;
      table[1] = lb_display_driver;
      table[2] = lb_usb_driver;
      table[3] = lb_libcamera_driver;
      g_once_init_leave (&ready, 1);
    }
  return table;
}

/**
 * lb_drivers_find:
 * @name: as the setup file says
 *
 * Returns: (nullable): the row of that driver
 */
const LbDriver *
lb_drivers_find (const char *name)
{
  for (const LbDriver *driver = lb_drivers_get (); driver->name != NULL; driver++)
    if (g_strcmp0 (driver->name, name) == 0)
      return driver;
  return NULL;
}

/**
 * lb_drivers_create:
 * @context: with the setup
 *
 * Returns: (transfer full): the setup's device for @role, not yet open; %NULL with an LbSetupError: a driver
 * or one of its keys that there is not, or a value out of range
 */
LbDevice *
lb_drivers_create (LbDriverContext *context, LbRole role, GError **error)
{
  const char *name = lb_setup_get_driver (context->setup, role);
  const LbDriver *driver = lb_drivers_find (name);
  LbDevice *device;

  if (driver == NULL || !driver->roles[role])
    {
      g_set_error (error, LB_SETUP_ERROR, LB_SETUP_ERROR_VALUE,
                   driver == NULL ? _ ("there is no driver \"%s\" for \"devices.%s\"")
                                  : _ ("the driver \"%s\" cannot be used for \"devices.%s\""),
                   name, lb_role_get_name (role));
      device = NULL;
    }
  else
    device = driver->create (context, role, error);
  if (device == NULL)
    g_prefix_error (error, _ ("setup %s: "), lb_setup_get_name (context->setup));
  return device;
}
