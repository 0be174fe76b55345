/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <lb-clock.h>
#include <lb-light-source.h>
#include <lb-power-meter.h>

#include "lb-usb-models.h"

G_BEGIN_DECLS

typedef struct
{
  double limit_ma;
  double temperature_c; /* NAN: the cooler is left as it is */
  double ramp_ma_per_s; /* 0: as fast as the driver does it */
} LbUsbLightOptions;

typedef struct
{
  double wavelength_nm; /* 0: as the instrument has it */
  guint averaging;      /* 0: as the instrument has it */
} LbUsbMeterOptions;

LbDevice *lb_usb_light_new (const LbUsbModel *model, const char *serial, const LbUsbLightOptions *options);
LbDevice *lb_usb_power_meter_new (const LbUsbModel *model,
                                  const char *serial,
                                  const LbUsbMeterOptions *options,
                                  LbClock *clock);

G_END_DECLS
