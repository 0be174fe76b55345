/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <gtk/gtk.h>
#include <lb-quantities.h>

G_BEGIN_DECLS

/*
 * LbMeritTable: the figures of merit of a run at a glance: value, and beside it
 * what it was before calibration, its interval, or what it stands against.
 */
#define LB_TYPE_MERIT_TABLE (lb_merit_table_get_type ())
G_DECLARE_FINAL_TYPE (LbMeritTable, lb_merit_table, LB, MERIT_TABLE, GtkWidget)

GtkWidget *lb_merit_table_new (void);
/* @results: as lb_experiment_get_results() has them; read, not kept; NULL: none. */
void lb_merit_table_set_results (LbMeritTable *self, const LbQuantities *results);

/* Whether the result of that name is shown in the table. */
gboolean lb_merit_table_shows (const char *name);

G_END_DECLS
