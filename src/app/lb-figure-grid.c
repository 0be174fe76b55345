/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-figure-grid.h"

#include "lb-plot-widget.h"

/* Least common multiple of the two numbers of plots in a row. */
#define COLUMNS 6
#define SPACING 8

struct _LbFigureGrid
{
  GtkWidget parent_instance;
  GtkWidget *grid;
  GPtrArray *plots; /* of LbPlotWidget, borrowed from the grid */
};

G_DEFINE_FINAL_TYPE (LbFigureGrid, lb_figure_grid, GTK_TYPE_WIDGET)

static gboolean
is_picture (const LbFigure *figure)
{
  for (guint i = 0; i < figure->series->len; i++)
    if (((const LbSeries *) g_ptr_array_index (figure->series, i))->kind == LB_SERIES_IMAGE)
      return TRUE;
  return FALSE;
}

/* How many plots a row of this kind has, @count of them being left. */
static guint
in_a_row (const LbFigure *figure, guint count)
{
  return MIN (count, is_picture (figure) ? 3 : 2);
}

/* Number of figures from @first on that are of one kind. */
static guint
run_length (GPtrArray *figures, guint first)
{
  guint last = first;

  while (last < figures->len &&
         is_picture (g_ptr_array_index (figures, last)) == is_picture (g_ptr_array_index (figures, first)))
    last++;
  return last - first;
}

static void
place (LbFigureGrid *self, GPtrArray *figures)
{
  GtkLayoutManager *layout = gtk_widget_get_layout_manager (self->grid);
  guint row = 0;

  for (guint first = 0; first < figures->len;)
    {
      guint count = in_a_row (g_ptr_array_index (figures, first), run_length (figures, first));

      for (guint i = 0; i < count; i++)
        {
          GtkLayoutChild *child =
              gtk_layout_manager_get_layout_child (layout, g_ptr_array_index (self->plots, first + i));

          gtk_grid_layout_child_set_row (GTK_GRID_LAYOUT_CHILD (child), row);
          gtk_grid_layout_child_set_column (GTK_GRID_LAYOUT_CHILD (child), i * COLUMNS / count);
          gtk_grid_layout_child_set_column_span (GTK_GRID_LAYOUT_CHILD (child), COLUMNS / count);
        }
      first += count;
      row++;
    }
}

/**
 * lb_figure_grid_set_figures:
 * @figures: (nullable) (element-type LbFigure): to show
 */
void
lb_figure_grid_set_figures (LbFigureGrid *self, GPtrArray *figures)
{
  guint count = figures != NULL ? figures->len : 0;

  g_return_if_fail (LB_IS_FIGURE_GRID (self));

  while (self->plots->len > count)
    {
      GtkWidget *plot = g_ptr_array_steal_index (self->plots, self->plots->len - 1);

      gtk_grid_remove (GTK_GRID (self->grid), plot);
    }
  while (self->plots->len < count)
    {
      GtkWidget *plot = lb_plot_widget_new ();

      gtk_widget_add_css_class (plot, "card");
      gtk_grid_attach (GTK_GRID (self->grid), plot, 0, self->plots->len, 1, 1);
      g_ptr_array_add (self->plots, plot);
    }
  gtk_widget_set_visible (GTK_WIDGET (self), count > 0);
  if (count == 0)
    return;
  place (self, figures);
  for (guint i = 0; i < count; i++)
    lb_plot_widget_set_figure (g_ptr_array_index (self->plots, i), g_ptr_array_index (figures, i));
}

/**
 * lb_figure_grid_get_length:
 *
 * Returns: number of figures that are shown
 */
guint
lb_figure_grid_get_length (LbFigureGrid *self)
{
  g_return_val_if_fail (LB_IS_FIGURE_GRID (self), 0);

  return self->plots->len;
}

static void
lb_figure_grid_dispose (GObject *object)
{
  LbFigureGrid *self = LB_FIGURE_GRID (object);

  g_clear_pointer (&self->grid, gtk_widget_unparent);
  g_clear_pointer (&self->plots, g_ptr_array_unref);
  G_OBJECT_CLASS (lb_figure_grid_parent_class)->dispose (object);
}

static void
lb_figure_grid_class_init (LbFigureGridClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = lb_figure_grid_dispose;
  gtk_widget_class_set_layout_manager_type (GTK_WIDGET_CLASS (klass), GTK_TYPE_BIN_LAYOUT);
}

static void
lb_figure_grid_init (LbFigureGrid *self)
{
  self->plots = g_ptr_array_new ();
  self->grid = g_object_new (GTK_TYPE_GRID, "row-spacing", SPACING, "column-spacing", SPACING,
                             "row-homogeneous", TRUE, "column-homogeneous", TRUE, NULL);
  gtk_widget_set_parent (self->grid, GTK_WIDGET (self));
}

/**
 * lb_figure_grid_new:
 *
 * Returns: (transfer floating): an empty grid
 */
GtkWidget *
lb_figure_grid_new (void)
{
  return g_object_new (LB_TYPE_FIGURE_GRID, NULL);
}
