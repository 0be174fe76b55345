/* SPDX-License-Identifier: GPL-3.0-or-later */
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
