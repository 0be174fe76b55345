/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <gtk/gtk.h>
#include <lb-quantities.h>

G_BEGIN_DECLS

/*
 * LbQuantityList: names and values of quantities beside each other, in as many
 * columns as there is room for.
 */
#define LB_TYPE_QUANTITY_LIST (lb_quantity_list_get_type ())
G_DECLARE_FINAL_TYPE (LbQuantityList, lb_quantity_list, LB, QUANTITY_LIST, GtkWidget)

GtkWidget *lb_quantity_list_new (void);
/* @quantities: read, not kept; NULL: nothing. */
void lb_quantity_list_set_quantities (LbQuantityList *self, const LbQuantities *quantities);

G_END_DECLS
