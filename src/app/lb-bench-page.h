/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <adwaita.h>

#include "lb-console.h"

G_BEGIN_DECLS

/*
 * LbBenchPage: chooses a setup, shows its devices, connects and disconnects them, says what
 * blocks the light, and injects faults on the simulated bench.
 */
#define LB_TYPE_BENCH_PAGE (lb_bench_page_get_type ())
G_DECLARE_FINAL_TYPE (LbBenchPage, lb_bench_page, LB, BENCH_PAGE, GtkWidget)

GtkWidget *lb_bench_page_new (LbConsole *console);

G_END_DECLS
