/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <adwaita.h>

#include "lb-console.h"

G_BEGIN_DECLS

/*
 * LbExperimentPage: chooses an experiment, forecasts it, runs, pauses and aborts it, and shows
 * measured against ideal while it comes in.
 */
#define LB_TYPE_EXPERIMENT_PAGE (lb_experiment_page_get_type ())
G_DECLARE_FINAL_TYPE (LbExperimentPage, lb_experiment_page, LB, EXPERIMENT_PAGE, GtkWidget)

GtkWidget *lb_experiment_page_new (LbConsole *console);

G_END_DECLS
