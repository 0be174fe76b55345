/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <lb-bench.h>
#include <lb-driver.h>

#include "emulators/umock-usb.h"

G_BEGIN_DECLS

#define USB_RIG_LIGHT "M00290001"
#define USB_RIG_METER "P0007837"
#define USB_RIG_LIMIT 80.0

/* A light source and a power meter on an emulated bus, and the devices that the
 * driver makes of a setup that names them. */
typedef struct
{
  UmockUsb *bus;
  guint light_place, meter_place;
  UsbInstrument *light_usb, *meter_usb;
  Instrument *light, *meter;
  LbDriverContext context;
  LbLightSource *source;
  LbPowerMeter *power_meter;
  char *light_model, *meter_model, *light_keys;
} UsbRig;

/* @light_keys: added to the setup's light source, ", \"ramp_ma_per_s\": 100"; "": none. */
UsbRig *usb_rig_new (const char *light_model, const char *meter_model, const char *light_keys);
/* The same light source by a setup of another limit, in mA, closed. */
void usb_rig_change_limit (UsbRig *rig, double limit_ma);
/* Closes the devices. Checks that no command was unknown and no transfer wrong. */
void usb_rig_free (UsbRig *rig);

/* A setup file with these two and otherwise simulated devices. */
char *usb_rig_make_json (const char *light_model, const char *meter_model, const char *light_keys);

/* A deadline so many milliseconds from now. */
gint64 usb_rig_in (gint64 milliseconds);
/* Waits until @lit; FALSE after @milliseconds. */
gboolean usb_rig_wait_lit (UsbRig *rig, gboolean lit, gint64 milliseconds);
/* Waits until the light source is confirmed off; FALSE after @milliseconds. */
gboolean usb_rig_wait_confirmed (UsbRig *rig, gint64 milliseconds);
void usb_rig_open (UsbRig *rig);
/* Sets the level and switches on with a lease of 1 s. */
void usb_rig_light_up (UsbRig *rig, double level_ma, guint64 generation);
guint usb_rig_count_descriptors (void);
/* Programs that have just been told to end still hold some of this one's: FALSE if
 * there are more than @count after 5 s. */
gboolean usb_rig_wait_descriptors (guint count);

G_END_DECLS
