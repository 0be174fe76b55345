/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-merit-table.h"

#include <glib/gi18n.h>
#include <lb-plot.h>
#include <math.h>

#include "lb-format.h"

typedef char *(*Describe) (const LbQuantities *results);

typedef struct
{
  const char *title;
  Describe value;
  Describe beside; /* small text after the value, or NULL */
} Merit;

static char *
percent (const LbQuantities *results, const char *name)
{
  return lb_format_percent (lb_quantities_get (results, name, NAN));
}

static char *
number (const LbQuantities *results, const char *name)
{
  return lb_format_number (lb_quantities_get (results, name, NAN));
}

static char *
error_value (const LbQuantities *results)
{
  return percent (results, "normalised_error");
}

static char *
error_before (const LbQuantities *results)
{
  double before = lb_quantities_get (results, "normalised_error_uncalibrated", NAN);
  g_autofree char *text = lb_format_percent (before);

  return isfinite (before) ? g_strdup_printf (_ ("before: %s"), text) : NULL;
}

static char *
bias_value (const LbQuantities *results)
{
  return percent (results, "bias");
}

static char *
slope_value (const LbQuantities *results)
{
  return number (results, "slope");
}

static char *
slope_interval (const LbQuantities *results)
{
  double low = lb_quantities_get (results, "slope_low", NAN),
         high = lb_quantities_get (results, "slope_high", NAN);
  g_autofree char *text = lb_plot_format_number ((high - low) / 2, 2);

  return isfinite (low) && isfinite (high) ? g_strdup_printf ("± %s", text) : NULL;
}

static char *
correlation_value (const LbQuantities *results)
{
  return number (results, "correlation");
}

static char *
bits_value (const LbQuantities *results)
{
  return number (results, "effective_bits");
}

static char *
relative_value (const LbQuantities *results)
{
  return percent (results, "relative_error");
}

static char *
photons_value (const LbQuantities *results)
{
  return number (results, "photons_per_mac_detected");
}

static char *
photons_beside (const LbQuantities *results)
{
  double sent = lb_quantities_get (results, "photons_per_mac", NAN);
  g_autofree char *text = lb_format_number (sent);

  /* Translators: photons per MAC that arrived at the plane; before it stands how many were detected. */
  return isfinite (sent) ? g_strdup_printf (_ ("of %s"), text) : NULL;
}

static char *
exposures_value (const LbQuantities *results)
{
  return number (results, "exposures");
}

static char *
exposures_beside (const LbQuantities *results)
{
  double seconds = lb_quantities_get (results, "duration_s", NAN);
  g_autofree char *text = lb_format_seconds (seconds);

  return isfinite (seconds) ? g_strdup_printf (_ ("in %s"), text) : NULL;
}

static const Merit merits[] = {
  { N_ ("Normalised error"), error_value, error_before },
  { N_ ("Bias"), bias_value, NULL },
  { N_ ("Slope"), slope_value, slope_interval },
  { N_ ("Correlation"), correlation_value, NULL },
  { N_ ("Effective bits"), bits_value, NULL },
  { N_ ("rms error / spread"), relative_value, NULL },
  { N_ ("Photons/MAC detected"), photons_value, photons_beside },
  { N_ ("Exposures"), exposures_value, exposures_beside },
};

/**
 * lb_merit_table_shows:
 * @name: of a result
 *
 * Returns: whether it is in the table
 */
gboolean
lb_merit_table_shows (const char *name)
{
  static const char *const names[] = { "normalised_error",
                                       "normalised_error_uncalibrated",
                                       "bias",
                                       "slope",
                                       "slope_low",
                                       "slope_high",
                                       "correlation",
                                       "effective_bits",
                                       "relative_error",
                                       "photons_per_mac_detected",
                                       "photons_per_mac",
                                       "exposures",
                                       "duration_s",
                                       NULL };

  return g_strv_contains (names, name);
}

struct _LbMeritTable
{
  GtkWidget parent_instance;
  GtkWidget *flow;
  GtkLabel *values[G_N_ELEMENTS (merits)];
  GtkLabel *besides[G_N_ELEMENTS (merits)];
};

G_DEFINE_FINAL_TYPE (LbMeritTable, lb_merit_table, GTK_TYPE_WIDGET)

void
lb_merit_table_set_results (LbMeritTable *self, const LbQuantities *results)
{
  g_return_if_fail (LB_IS_MERIT_TABLE (self));

  for (guint i = 0; i < G_N_ELEMENTS (merits); i++)
    {
      g_autofree char *value = results != NULL ? merits[i].value (results) : g_strdup ("–");
      g_autofree char *beside =
          results != NULL && merits[i].beside != NULL ? merits[i].beside (results) : NULL;

      gtk_label_set_text (self->values[i], value);
      gtk_label_set_text (self->besides[i], beside != NULL ? beside : "");
    }
}

static void
add_merit (LbMeritTable *self, guint nth)
{
  GtkWidget *tile = gtk_box_new (GTK_ORIENTATION_VERTICAL, 0);
  GtkWidget *line = gtk_box_new (GTK_ORIENTATION_HORIZONTAL, 6);
  GtkWidget *title = gtk_label_new (_ (merits[nth].title));
  GtkWidget *value = gtk_label_new ("–");
  GtkWidget *beside = gtk_label_new (NULL);
  GtkWidget *child = gtk_flow_box_child_new ();

  gtk_label_set_xalign (GTK_LABEL (title), 0);
  gtk_label_set_ellipsize (GTK_LABEL (title), PANGO_ELLIPSIZE_END);
  gtk_widget_set_tooltip_text (title, _ (merits[nth].title));
  gtk_widget_add_css_class (title, "caption");
  gtk_widget_add_css_class (title, "dim-label");
  gtk_widget_add_css_class (value, "value");
  gtk_widget_set_valign (value, GTK_ALIGN_BASELINE);
  gtk_label_set_xalign (GTK_LABEL (beside), 0);
  gtk_label_set_ellipsize (GTK_LABEL (beside), PANGO_ELLIPSIZE_END);
  gtk_widget_set_hexpand (beside, TRUE);
  gtk_widget_set_valign (beside, GTK_ALIGN_BASELINE);
  gtk_widget_add_css_class (beside, "caption");
  gtk_widget_add_css_class (beside, "dim-label");
  gtk_box_append (GTK_BOX (line), value);
  gtk_box_append (GTK_BOX (line), beside);
  gtk_box_append (GTK_BOX (tile), title);
  gtk_box_append (GTK_BOX (tile), line);
  gtk_widget_add_css_class (tile, "card");
  gtk_widget_add_css_class (tile, "merit");
  gtk_flow_box_child_set_child (GTK_FLOW_BOX_CHILD (child), tile);
  gtk_widget_set_focusable (child, FALSE);
  gtk_flow_box_append (GTK_FLOW_BOX (self->flow), child);
  gtk_accessible_update_property (GTK_ACCESSIBLE (child), GTK_ACCESSIBLE_PROPERTY_LABEL,
                                  _ (merits[nth].title), -1);
  self->values[nth] = GTK_LABEL (value);
  self->besides[nth] = GTK_LABEL (beside);
}

static void
lb_merit_table_dispose (GObject *object)
{
  LbMeritTable *self = LB_MERIT_TABLE (object);

  g_clear_pointer (&self->flow, gtk_widget_unparent);
  G_OBJECT_CLASS (lb_merit_table_parent_class)->dispose (object);
}

static void
lb_merit_table_class_init (LbMeritTableClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = lb_merit_table_dispose;
  gtk_widget_class_set_layout_manager_type (GTK_WIDGET_CLASS (klass), GTK_TYPE_BIN_LAYOUT);
}

static void
lb_merit_table_init (LbMeritTable *self)
{
  self->flow = g_object_new (GTK_TYPE_FLOW_BOX, "selection-mode", GTK_SELECTION_NONE, "column-spacing", 4,
                             "row-spacing", 4, "homogeneous", TRUE, "min-children-per-line", 2,
                             "max-children-per-line", 4, NULL);
  gtk_widget_set_parent (self->flow, GTK_WIDGET (self));
  for (guint i = 0; i < G_N_ELEMENTS (merits); i++)
    add_merit (self, i);
}

/**
 * lb_merit_table_new:
 *
 * Returns: (transfer floating): a table without values
 */
GtkWidget *
lb_merit_table_new (void)
{
  return g_object_new (LB_TYPE_MERIT_TABLE, NULL);
}
