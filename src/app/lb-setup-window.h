/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <adwaita.h>

#include "lb-console.h"

G_BEGIN_DECLS

/*
 * LbSetupWindow: makes a setup file: lists what is found, shows each monitor its
 * number, has a device chosen for each role and tested, writes the file and
 * connects the bench by it. It is not modal: STOP can be pressed beside it.
 */
#define LB_TYPE_SETUP_WINDOW (lb_setup_window_get_type ())
G_DECLARE_FINAL_TYPE (LbSetupWindow, lb_setup_window, LB, SETUP_WINDOW, AdwWindow)

/* Not shown yet. */
LbSetupWindow *lb_setup_window_new (GtkWindow *parent, LbConsole *console);

G_END_DECLS
