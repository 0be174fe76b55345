/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <adwaita.h>

#include "lb-console.h"

G_BEGIN_DECLS

/*
 * LbSessionPage: what was done, in order, with settings, results and figures; notes,
 * earlier sessions, report.
 */
#define LB_TYPE_SESSION_PAGE (lb_session_page_get_type ())
G_DECLARE_FINAL_TYPE (LbSessionPage, lb_session_page, LB, SESSION_PAGE, GtkWidget)

GtkWidget *lb_session_page_new (LbConsole *console);

G_END_DECLS
