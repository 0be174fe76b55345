/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-quantity-list.h"

#include "lb-format.h"

/* Characters of a text before it is wrapped. */
#define VALUE_WIDTH 40

struct _LbQuantityList
{
  GtkWidget parent_instance;
  GtkWidget *flow;
};

G_DEFINE_FINAL_TYPE (LbQuantityList, lb_quantity_list, GTK_TYPE_WIDGET)

static void
add (LbQuantityList *self, const LbQuantity *quantity)
{
  g_autofree char *name = lb_format_quantity_name (quantity->name);
  g_autofree char *value = lb_format_quantity_value (quantity);
  GtkWidget *box = gtk_box_new (GTK_ORIENTATION_VERTICAL, 0);
  GtkWidget *caption = gtk_label_new (name);
  GtkWidget *label = gtk_label_new (value);
  GtkWidget *child = gtk_flow_box_child_new ();

  gtk_label_set_xalign (GTK_LABEL (caption), 0);
  gtk_label_set_ellipsize (GTK_LABEL (caption), PANGO_ELLIPSIZE_END);
  gtk_widget_set_tooltip_text (caption, name);
  gtk_widget_add_css_class (caption, "caption");
  gtk_widget_add_css_class (caption, "dim-label");
  gtk_label_set_xalign (GTK_LABEL (label), 0);
  gtk_label_set_wrap (GTK_LABEL (label), TRUE);
  gtk_label_set_wrap_mode (GTK_LABEL (label), PANGO_WRAP_WORD_CHAR);
  gtk_label_set_max_width_chars (GTK_LABEL (label), VALUE_WIDTH);
  gtk_label_set_lines (GTK_LABEL (label), 4);
  gtk_label_set_ellipsize (GTK_LABEL (label), PANGO_ELLIPSIZE_END);
  gtk_label_set_selectable (GTK_LABEL (label), TRUE);
  gtk_widget_set_tooltip_text (label, value);
  gtk_box_append (GTK_BOX (box), caption);
  gtk_box_append (GTK_BOX (box), label);
  gtk_flow_box_child_set_child (GTK_FLOW_BOX_CHILD (child), box);
  gtk_widget_set_focusable (child, FALSE);
  gtk_flow_box_append (GTK_FLOW_BOX (self->flow), child);
}

void
lb_quantity_list_set_quantities (LbQuantityList *self, const LbQuantities *quantities)
{
  GtkWidget *child;

  g_return_if_fail (LB_IS_QUANTITY_LIST (self));

  while ((child = gtk_widget_get_first_child (self->flow)) != NULL)
    gtk_flow_box_remove (GTK_FLOW_BOX (self->flow), child);
  for (guint i = 0; quantities != NULL && i < lb_quantities_get_length (quantities); i++)
    add (self, lb_quantities_get_nth (quantities, i));
}

static void
lb_quantity_list_dispose (GObject *object)
{
  LbQuantityList *self = LB_QUANTITY_LIST (object);

  g_clear_pointer (&self->flow, gtk_widget_unparent);
  G_OBJECT_CLASS (lb_quantity_list_parent_class)->dispose (object);
}

static void
lb_quantity_list_class_init (LbQuantityListClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = lb_quantity_list_dispose;
  gtk_widget_class_set_layout_manager_type (GTK_WIDGET_CLASS (klass), GTK_TYPE_BIN_LAYOUT);
}

static void
lb_quantity_list_init (LbQuantityList *self)
{
  self->flow = g_object_new (GTK_TYPE_FLOW_BOX, "selection-mode", GTK_SELECTION_NONE, "column-spacing", 12,
                             "row-spacing", 4, "homogeneous", FALSE, "min-children-per-line", 2,
                             "max-children-per-line", 4, NULL);
  gtk_widget_set_parent (self->flow, GTK_WIDGET (self));
}

/**
 * lb_quantity_list_new:
 *
 * Returns: (transfer floating): an empty list
 */
GtkWidget *
lb_quantity_list_new (void)
{
  return g_object_new (LB_TYPE_QUANTITY_LIST, NULL);
}
