/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "lb-simulated.h"
#include "lb-world.h"

G_BEGIN_DECLS

/* One constructor a role; they do not open the device. */
LbDevice *lb_simulated_modulator_new (void);
LbDevice *lb_simulated_camera_new (void);
LbDevice *lb_simulated_light_new (void);
LbDevice *lb_simulated_power_meter_new (void);

/* The world and role of a simulated device; NULL for any other device. */
LbWorld *lb_simulated_get_world (LbDevice *device);
LbRole lb_simulated_get_role (LbDevice *device);

/* What open, close and identity have in common. Opening makes the world ready. */
gboolean lb_simulated_open (LbDevice *device, const char *what, GError **error);
LbIdentity *lb_simulated_get_identity (LbDevice *device, const char *model, GError **error);
/* Every other call: the device is plugged in and open. FALSE with ABSENT. */
gboolean lb_simulated_check (LbDevice *device, const char *what, GError **error);
/* Waits in bench time; a clock of real time no longer than the deadline.
 * FALSE with CANCELLED or TIMEOUT. */
gboolean lb_simulated_wait (LbDevice *device,
                            const char *what,
                            gint64 time_us,
                            GCancellable *cancellable,
                            gint64 deadline_us,
                            GError **error);

G_END_DECLS
