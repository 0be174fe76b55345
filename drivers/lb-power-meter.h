/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "lb-device.h"

G_BEGIN_DECLS

typedef struct
{
  double wavelength_min_nm, wavelength_max_nm;
  double power_max_w;
  gboolean has_averaging;
} LbPowerMeterCaps;

#define LB_TYPE_POWER_METER (lb_power_meter_get_type ())
G_DECLARE_DERIVABLE_TYPE (LbPowerMeter, lb_power_meter, LB, POWER_METER, LbDevice)

struct _LbPowerMeterClass
{
  LbDeviceClass parent_class;
  gboolean (*get_caps) (LbPowerMeter *self,
                        LbPowerMeterCaps *caps,
                        GCancellable *cancellable,
                        gint64 deadline_us,
                        GError **error);
  gboolean (*set_wavelength) (
      LbPowerMeter *self, double nm, GCancellable *cancellable, gint64 deadline_us, GError **error);
  gboolean (*set_range) (
      LbPowerMeter *self, double max_w, GCancellable *cancellable, gint64 deadline_us, GError **error);
  gboolean (*set_averaging) (
      LbPowerMeter *self, guint count, GCancellable *cancellable, gint64 deadline_us, GError **error);
  gboolean (*zero) (LbPowerMeter *self, GCancellable *cancellable, gint64 deadline_us, GError **error);
  gboolean (*read) (LbPowerMeter *self,
                    double *watts,
                    gint64 *time_us,
                    GCancellable *cancellable,
                    gint64 deadline_us,
                    GError **error);
  gpointer padding[8];
};

gboolean lb_power_meter_get_caps (LbPowerMeter *self,
                                  LbPowerMeterCaps *caps,
                                  GCancellable *cancellable,
                                  gint64 deadline_us,
                                  GError **error);
gboolean lb_power_meter_set_wavelength (
    LbPowerMeter *self, double nm, GCancellable *cancellable, gint64 deadline_us, GError **error);
/* 0: automatic. */
gboolean lb_power_meter_set_range (
    LbPowerMeter *self, double max_w, GCancellable *cancellable, gint64 deadline_us, GError **error);
/* UNSUPPORTED where the meter has none. */
gboolean lb_power_meter_set_averaging (
    LbPowerMeter *self, guint count, GCancellable *cancellable, gint64 deadline_us, GError **error);
gboolean
lb_power_meter_zero (LbPowerMeter *self, GCancellable *cancellable, gint64 deadline_us, GError **error);
/* OVER_RANGE. *@time_us: bench time. */
gboolean lb_power_meter_read (LbPowerMeter *self,
                              double *watts,
                              gint64 *time_us,
                              GCancellable *cancellable,
                              gint64 deadline_us,
                              GError **error);

G_END_DECLS
