/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-merit-table.h"

#include <glib/gi18n.h>
#include <lb-plot.h>
#include <math.h>

#include "lb-format.h"

typedef char *(*Format) (double value);
typedef char *(*Describe) (const LbQuantities *results);

typedef struct
{
  const char *title;
  const char *name; /* of the result */
  Format format;
  Describe beside;          /* small text after the value, or NULL */
  const char *described[2]; /* results that stand in that text */
  gboolean optional;        /* shown with results that have it alone */
} Merit;

static char *
error_before (const LbQuantities *results)
{
  double before = lb_quantities_get (results, "normalised_error_uncalibrated", NAN);
  g_autofree char *text = lb_format_percent (before);

  return isfinite (before) ? g_strdup_printf (_ ("before: %s"), text) : NULL;
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
photons_sent (const LbQuantities *results)
{
  double sent = lb_quantities_get (results, "photons_per_mac", NAN);
  g_autofree char *text = lb_format_number (sent);

  /* Translators: photons per MAC that arrived at the plane; before it stands how many were detected. */
  return isfinite (sent) ? g_strdup_printf (_ ("of %s"), text) : NULL;
}

static char *
exposures_duration (const LbQuantities *results)
{
  double seconds = lb_quantities_get (results, "duration_s", NAN);
  g_autofree char *text = lb_format_seconds (seconds);

  return isfinite (seconds) ? g_strdup_printf (_ ("in %s"), text) : NULL;
}

static char *
perplexity_ideal (const LbQuantities *results)
{
  g_autofree char *text = lb_format_number (lb_quantities_get (results, "perplexity_ideal", NAN));

  /* Translators: perplexity of a digital pass; before it stands the one that was measured. */
  return g_strdup_printf (_ ("ideal: %s"), text);
}

static const Merit merits[] = {
  { N_ ("Normalised error"),
    "normalised_error",
    lb_format_percent,
    error_before,
    { "normalised_error_uncalibrated" } },
  { N_ ("Bias"), "bias", lb_format_percent },
  { N_ ("Slope"), "slope", lb_format_number, slope_interval, { "slope_low", "slope_high" } },
  { N_ ("Correlation"), "correlation", lb_format_number },
  { N_ ("Effective bits"), "effective_bits", lb_format_number },
  { N_ ("rms error / spread"), "relative_error", lb_format_percent },
  { N_ ("Photons/MAC detected"),
    "photons_per_mac_detected",
    lb_format_number,
    photons_sent,
    { "photons_per_mac" } },
  { N_ ("Exposures"), "exposures", lb_format_number, exposures_duration, { "duration_s" } },
  { N_ ("Perplexity"), "perplexity", lb_format_number, perplexity_ideal, { "perplexity_ideal" }, TRUE },
  { N_ ("Same next token"), "same_prediction", lb_format_percent, .optional = TRUE },
  { N_ ("Logits: rms error / spread"), "logits_relative_error", lb_format_percent, .optional = TRUE },
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
  for (guint i = 0; i < G_N_ELEMENTS (merits); i++)
    if (g_str_equal (name, merits[i].name) || g_strcmp0 (name, merits[i].described[0]) == 0 ||
        g_strcmp0 (name, merits[i].described[1]) == 0)
      return TRUE;
  return FALSE;
}

struct _LbMeritTable
{
  GtkWidget parent_instance;
  GtkWidget *flow;
  GtkWidget *tiles[G_N_ELEMENTS (merits)];
  GtkLabel *values[G_N_ELEMENTS (merits)];
  GtkLabel *besides[G_N_ELEMENTS (merits)];
};

G_DEFINE_FINAL_TYPE (LbMeritTable, lb_merit_table, GTK_TYPE_WIDGET)

static char *
describe (const Merit *merit, const LbQuantities *results)
{
  return results != NULL ? merit->format (lb_quantities_get (results, merit->name, NAN)) : g_strdup ("–");
}

static gboolean
is_shown (const Merit *merit, const LbQuantities *results)
{
  return !merit->optional || (results != NULL && isfinite (lb_quantities_get (results, merit->name, NAN)));
}

void
lb_merit_table_set_results (LbMeritTable *self, const LbQuantities *results)
{
  g_return_if_fail (LB_IS_MERIT_TABLE (self));

  for (guint i = 0; i < G_N_ELEMENTS (merits); i++)
    {
      g_autofree char *value = describe (&merits[i], results);
      g_autofree char *beside =
          results != NULL && merits[i].beside != NULL ? merits[i].beside (results) : NULL;

      gtk_widget_set_visible (self->tiles[i], is_shown (&merits[i], results));
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
  gtk_widget_set_visible (child, !merits[nth].optional);
  self->tiles[nth] = child;
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
