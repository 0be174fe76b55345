/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <adwaita.h>

#include "lb-console.h"

G_BEGIN_DECLS

/*
 * LbWindow: header bar with STOP and the state of the light, side bar, the
 * pages (made when they are first shown), banners, status line.
 */
#define LB_TYPE_WINDOW (lb_window_get_type ())
G_DECLARE_FINAL_TYPE (LbWindow, lb_window, LB, WINDOW, AdwApplicationWindow)

LbWindow *lb_window_new (GtkApplication *application, LbConsole *console);
/* "bench", "calibrate", "experiment", "session". */
void lb_window_show_page (LbWindow *self, const char *name);
/* Passing news. @button and @action (a detailed action name) may be NULL. */
void lb_window_add_toast (LbWindow *self, const char *text, const char *button, const char *action);
/* The page of that name, made if need be. */
GtkWidget *lb_window_get_page (LbWindow *self, const char *name);

G_END_DECLS
