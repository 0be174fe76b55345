/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "lb-device.h"

G_BEGIN_DECLS

typedef struct
{
  char unit[8];            /* "mA", "mW" */
  double minimum, maximum; /* of the set point, in unit */
  double limit;            /* of the setup file; never exceeded */
} LbLightSourceCaps;

typedef enum
{
  LB_LIGHT_TRIP_NONE = 0,
  LB_LIGHT_TRIP_INTERLOCK = 1 << 0,
  LB_LIGHT_TRIP_KEY = 1 << 1,
  LB_LIGHT_TRIP_TEMPERATURE = 1 << 2,
} LbLightTrips;

typedef struct
{
  gboolean output; /* light is on, as the device says */
  double level;    /* set point, in the unit of the caps */
  LbLightTrips trips;
  double temperature_c; /* NAN where unknown */
} LbLightSourceState;

/*
 * LbLightSource: gives light as a lease (wall time): without renewal it goes
 * off. Every lease carries the bench's generation; after
 * lb_light_source_off_now() leases of an older generation are refused
 * (INTERLOCK) so that a late worker cannot relight.
 */
#define LB_TYPE_LIGHT_SOURCE (lb_light_source_get_type ())
G_DECLARE_DERIVABLE_TYPE (LbLightSource, lb_light_source, LB, LIGHT_SOURCE, LbDevice)

struct _LbLightSourceClass
{
  LbDeviceClass parent_class;
  gboolean (*get_caps) (LbLightSource *self,
                        LbLightSourceCaps *caps,
                        GCancellable *cancellable,
                        gint64 deadline_us,
                        GError **error);
  gboolean (*set_level) (LbLightSource *self,
                         double value,
                         double *actual,
                         GCancellable *cancellable,
                         gint64 deadline_us,
                         GError **error);
  gboolean (*output_on) (LbLightSource *self,
                         guint64 generation,
                         gint64 lease_us,
                         GCancellable *cancellable,
                         gint64 deadline_us,
                         GError **error);
  gboolean (*renew) (LbLightSource *self,
                     guint64 generation,
                     gint64 lease_us,
                     GCancellable *cancellable,
                     gint64 deadline_us,
                     GError **error);
  gboolean (*output_off) (LbLightSource *self, GCancellable *cancellable, gint64 deadline_us, GError **error);
  gboolean (*read_state) (LbLightSource *self,
                          LbLightSourceState *state,
                          GCancellable *cancellable,
                          gint64 deadline_us,
                          GError **error);
  /* Any thread, no lock, does not wait. */
  void (*off_now) (LbLightSource *self, guint64 generation);
  /* Any thread: whether the device itself has confirmed that it is off. */
  gboolean (*is_confirmed_off) (LbLightSource *self);
  gpointer padding[8];
};

gboolean lb_light_source_get_caps (LbLightSource *self,
                                   LbLightSourceCaps *caps,
                                   GCancellable *cancellable,
                                   gint64 deadline_us,
                                   GError **error);
/* LIMIT beyond the setup's limit, RANGE outside the device's range. */
gboolean lb_light_source_set_level (LbLightSource *self,
                                    double value,
                                    double *actual,
                                    GCancellable *cancellable,
                                    gint64 deadline_us,
                                    GError **error);
/* At most 1 s of lease. INTERLOCK, LIMIT. */
gboolean lb_light_source_output_on (LbLightSource *self,
                                    guint64 generation,
                                    gint64 lease_us,
                                    GCancellable *cancellable,
                                    gint64 deadline_us,
                                    GError **error);
gboolean lb_light_source_renew (LbLightSource *self,
                                guint64 generation,
                                gint64 lease_us,
                                GCancellable *cancellable,
                                gint64 deadline_us,
                                GError **error);
gboolean lb_light_source_output_off (LbLightSource *self,
                                     GCancellable *cancellable,
                                     gint64 deadline_us,
                                     GError **error);
gboolean lb_light_source_read_state (LbLightSource *self,
                                     LbLightSourceState *state,
                                     GCancellable *cancellable,
                                     gint64 deadline_us,
                                     GError **error);
void lb_light_source_off_now (LbLightSource *self, guint64 generation);
gboolean lb_light_source_is_confirmed_off (LbLightSource *self);

G_END_DECLS
