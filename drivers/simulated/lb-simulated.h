/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <lb-driver.h>

G_BEGIN_DECLS

/* The row of the table of drivers for the simulated bench: four devices over
 * one world. */
extern const LbDriver lb_simulated_driver;

/* Faults to inject, by name ("unplug-source", "unplug-weight", "unplug-camera",
 * "unplug-light", "unplug-power-meter", "drop-frames", "interlock" and so on);
 * NULL-terminated. For the operator's Bench page and tests; any thread. FALSE:
 * no such fault, or @device is not a simulated one. A fault stays until it is
 * cleared. */
const char *const *lb_simulated_list_faults (void);
const char *lb_simulated_get_fault_title (const char *fault); /* translated */
gboolean lb_simulated_set_fault (LbDevice *device, const char *fault, gboolean active);
gboolean lb_simulated_get_fault (LbDevice *device, const char *fault);

G_END_DECLS
