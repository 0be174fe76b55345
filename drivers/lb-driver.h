/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <lb-clock.h>
#include "lb-device.h"
#include "lb-setup.h"

G_BEGIN_DECLS

/*
 * What the devices of one bench share while they are made: its setup, its
 * clock, the seeds (simulated devices), and a place for an object that the
 * devices of one driver share (the simulated world).
 */
typedef struct
{
  LbSetup *setup;
  LbClock *clock;
  guint64 seed; /* of the noise */
  guint64 world_seed;
  GObject *shared; /* owned; set by the first device that needs it */
} LbDriverContext;

/* A row of the table of drivers. */
typedef struct
{
  const char *name;   /* as the setup file says: "simulated" */
  gboolean simulated; /* time is virtual */
  gboolean roles[LB_N_ROLES];
  /* A new device (not yet open) for @role. */
  LbDevice *(*create) (LbDriverContext *context, LbRole role, GError **error);
  /* Appends an LbIdentity for each device that can be seen without opening any; may be NULL. */
  void (*list) (GPtrArray *identities);
  /* A new device for one that was listed, without a setup: a light source that
   * cannot be lit. *@role: what it is for. May be NULL, and return NULL. */
  LbDevice *(*create_listed) (const LbIdentity *identity, LbRole *role);
  /* What a setup file says, but for "driver", to mean a device that was listed:
   * a{sv}, floating; NULL if it is not for @role. NULL where nothing is listed. */
  GVariant *(*name_listed) (const LbIdentity *identity, LbRole role);
} LbDriver;

/* The table, ended by a row without a name. */
const LbDriver *lb_drivers_get (void);
const LbDriver *lb_drivers_find (const char *name);
/* The setup's device for a role, which it must name; not open. */
LbDevice *lb_drivers_create (LbDriverContext *context, LbRole role, GError **error);

G_END_DECLS
