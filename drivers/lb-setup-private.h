/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <json-glib/json-glib.h>

#include "lb-setup.h"

G_BEGIN_DECLS

/* What a setup file says. All owned. */
typedef struct
{
  char *name;
  char *title;
  LbSetupOptics optics;
  char *drivers[LB_N_ROLES];     /* NULL: no such device */
  GVariant *options[LB_N_ROLES]; /* a{sv} */
  GVariant *world;               /* a{sv}, or NULL */
  double light_limit;
} LbSetupValues;

void lb_setup_values_clear (LbSetupValues *self);
/* Reads the file's object into @self (zeroed); FALSE with LB_SETUP_ERROR. "fast"
 * is merged into @root for LB_FIDELITY_FAST. */
gboolean lb_setup_values_read (LbSetupValues *self, JsonObject *root, LbFidelity fidelity, GError **error);

G_END_DECLS
