/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <lb-driver.h>
#include <lb-modulator.h>

G_BEGIN_DECLS

#define MONITOR_WIDTH 1920
#define MONITOR_HEIGHT 1080

/* Two planes, as a setup file of those keys makes them; not open. @weight: NULL:
 * as @source. */
typedef struct
{
  LbSetup *setup;
  LbDriverContext context;
  LbModulator *planes[2];
} Planes;

void planes_init (Planes *self, const char *source, const char *weight);
void planes_clear (Planes *self);
LbModulator *plane_open (Planes *self, LbRole role);
/* Fails with that code, and says @text. */
void plane_open_fails (Planes *self, LbRole role, LbDeviceError code, const char *text);
void plane_close (Planes *self, LbRole role);
/* Shows it and waits until it stands there; returns the time. */
gint64 plane_show (LbModulator *plane, LbPattern *pattern, guint64 sequence);
/* Every level at every place, by a counter: none like another of another seed. */
LbPattern *pattern_new_random (guint width, guint height, guint32 seed);
/* What stands on the plane is @pattern, as it says itself. */
void plane_reads (LbModulator *plane, LbPattern *pattern);
/* Waits until the plane tells of one of @faults by itself. */
LbModulatorFaults plane_wait_faults (LbModulator *plane, LbModulatorFaults faults);
gint64 deadline (void);

G_END_DECLS
