/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <adwaita.h>

#include "lb-console.h"

G_BEGIN_DECLS

/*
 * LbCalibratePage: the steps with verdict, age and residual; runs one, those that are due or
 * all; the figures of each.
 */
#define LB_TYPE_CALIBRATE_PAGE (lb_calibrate_page_get_type ())
G_DECLARE_FINAL_TYPE (LbCalibratePage, lb_calibrate_page, LB, CALIBRATE_PAGE, GtkWidget)

GtkWidget *lb_calibrate_page_new (LbConsole *console);

G_END_DECLS
