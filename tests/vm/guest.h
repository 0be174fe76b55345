/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <lb-driver.h>

G_BEGIN_DECLS

/* What the test programs inside the machine share. */

#define GUEST_RESULTS "/results"
#define GUEST_CALL_US (10 * G_USEC_PER_SEC)

/* Monotonic time in @milliseconds. */
gint64 guest_in (gint64 milliseconds);
/* A command to the emulator of @device ("camera", "CLD1015"); waits until it is done. */
void guest_tell (const char *device, const char *command);
/* When (the emulator's ms) @what was last noted of @device; negative: never. */
double guest_find (const char *device, const char *what);
/* Waits until @what is noted after @after_ms; negative: it was not, within @wait_ms. */
double guest_wait_for (const char *device, const char *what, double after_ms, gint64 wait_ms);
/* A setup with a camera by libcamera and a light source on USB, the rest simulated. */
LbSetup *guest_make_setup (void);
/* A device of that setup. */
LbDevice *guest_make_device (const char *driver, LbRole role);
/* Its light source, another model. */
LbDevice *guest_make_light (const char *model);
/* What rounds of unplugging and plugging in again must not use up. */
typedef struct
{
  guint descriptors, children; /* zombies too */
  double memory_mb;            /* resident */
} GuestUse;
GuestUse guest_get_use (void);
/* No more than @before, @rounds ago. */
void guest_assert_no_leak (const GuestUse *before, guint rounds);
/* How often a device is to be unplugged. */
guint guest_get_replugs (void);

G_END_DECLS
