/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <lb-setup.h>

#include "lb-monitor.h"
#include "lb-plane-protocol.h"

G_BEGIN_DECLS

/* A plane as the setup file describes it. */
typedef struct
{
  GVariant *variant; /* the texts of `choice` and `path` live there */
  LbMonitorChoice choice;
  const char *path; /* "auto", "gtk", "xshm" */
  LbPlaneSpec spec;
} LbDisplayOptions;

/* @where: path of the keys for messages ("devices.weight."). LB_SETUP_ERROR_KEY,
 * LB_SETUP_ERROR_VALUE. */
gboolean
lb_display_options_read (LbDisplayOptions *self, GVariant *variant, const char *where, GError **error);
void lb_display_options_clear (LbDisplayOptions *self);

G_END_DECLS
