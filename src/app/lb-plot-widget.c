/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-plot-widget.h"

#include <adwaita.h>
#include <glib/gi18n.h>
#include <math.h>

#include "lb-plot-export.h"
#include "lb-plot-renderer.h"

#define ZOOM_STEP 1.25
#define MINIMUM_WIDTH 150
#define MINIMUM_HEIGHT 150
#define NATURAL_HEIGHT 250

struct _LbPlotWidget
{
  GtkWidget parent_instance;
  LbFigure *figure;
  LbPlotView view;
  GdkTexture *texture;
  int texture_width, texture_height; /* application pixels */
  LbPlotFrame frame;                 /* of the texture */
  gboolean has_frame;
  gboolean drawing;  /* a request is with the renderer */
  gboolean outdated; /* what it draws is not the newest */
  double pointer_x, pointer_y;
  gboolean pointer_inside;
  LbPlotView drag_view; /* where the drag began */
  GtkWidget *menu;
  GSimpleActionGroup *actions;
};

G_DEFINE_FINAL_TYPE (LbPlotWidget, lb_plot_widget, GTK_TYPE_WIDGET)

static void request_picture (LbPlotWidget *self);

/* --- Picture --------------------------------------------------------------------- */

static void
rendered_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (LbPlotWidget) self = user_data;
  LbPlotRequest request;
  g_autoptr (GdkTexture) texture = lb_plot_renderer_render_finish (result, &request, &self->frame, NULL);

  self->drawing = FALSE;
  if (texture != NULL)
    {
      g_set_object (&self->texture, texture);
      self->texture_width = request.width;
      self->texture_height = request.height;
      self->has_frame = TRUE;
      gtk_widget_queue_draw (GTK_WIDGET (self));
    }
  if (self->outdated)
    request_picture (self);
}

static void
request_picture (LbPlotWidget *self)
{
  LbPlotRequest request = {
    .figure = self->figure,
    .width = gtk_widget_get_width (GTK_WIDGET (self)),
    .height = gtk_widget_get_height (GTK_WIDGET (self)),
    .scale = gtk_widget_get_scale_factor (GTK_WIDGET (self)),
    .theme = adw_style_manager_get_dark (adw_style_manager_get_default ()) ? LB_PLOT_THEME_DARK
                                                                           : LB_PLOT_THEME_LIGHT,
    .view = self->view,
  };

  self->outdated = TRUE;
  if (self->drawing || self->figure == NULL || request.width < 1 || request.height < 1 ||
      !gtk_widget_get_mapped (GTK_WIDGET (self)))
    return;
  self->outdated = FALSE;
  self->drawing = TRUE;
  lb_plot_renderer_render_async (&request, NULL, rendered_cb, g_object_ref (self));
}

static void
lb_plot_widget_size_allocate (GtkWidget *widget, int width, int height, int baseline)
{
  LbPlotWidget *self = LB_PLOT_WIDGET (widget);

  if (self->menu != NULL)
    gtk_popover_present (GTK_POPOVER (self->menu));
  if (width != self->texture_width || height != self->texture_height)
    request_picture (self);
}

static void
lb_plot_widget_map (GtkWidget *widget)
{
  GTK_WIDGET_CLASS (lb_plot_widget_parent_class)->map (widget);
  request_picture (LB_PLOT_WIDGET (widget));
}

static void
lb_plot_widget_measure (GtkWidget *widget,
                        GtkOrientation orientation,
                        int for_size,
                        int *minimum,
                        int *natural,
                        int *minimum_baseline,
                        int *natural_baseline)
{
  *minimum = orientation == GTK_ORIENTATION_HORIZONTAL ? MINIMUM_WIDTH : MINIMUM_HEIGHT;
  *natural = orientation == GTK_ORIENTATION_HORIZONTAL ? MINIMUM_WIDTH : NATURAL_HEIGHT;
}

/* Cross-hairs and the values under the pointer. */
static void
snapshot_read_out (LbPlotWidget *self, GtkSnapshot *snapshot)
{
  GdkRGBA line = { 0.5f, 0.5f, 0.5f, 0.6f };
  const LbPlotFrame *frame = &self->frame;
  g_autofree char *text = NULL;
  g_autoptr (PangoLayout) layout = NULL;
  GdkRGBA colour, shade;
  int width, height;
  double x, y;

  text = lb_plot_describe (self->figure, frame, self->pointer_x, self->pointer_y);
  if (text == NULL)
    return;
  gtk_snapshot_append_color (snapshot, &line,
                             &GRAPHENE_RECT_INIT (self->pointer_x, frame->top, 1, frame->height));
  gtk_snapshot_append_color (snapshot, &line,
                             &GRAPHENE_RECT_INIT (frame->left, self->pointer_y, frame->width, 1));
  layout = gtk_widget_create_pango_layout (GTK_WIDGET (self), text);
  pango_layout_set_width (layout, MAX (frame->width - 16, 60) * PANGO_SCALE);
  pango_layout_get_pixel_size (layout, &width, &height);
  /* On the side where the pointer is not. */
  x = self->pointer_x < frame->left + frame->width / 2 ? frame->left + frame->width - width - 10
                                                       : frame->left + 4;
  y = self->pointer_y < frame->top + frame->height / 2 ? frame->top + frame->height - height - 8
                                                       : frame->top + 4;
  gtk_style_context_get_color (gtk_widget_get_style_context (GTK_WIDGET (self)), &colour);
  shade = (GdkRGBA){ 1 - colour.red, 1 - colour.green, 1 - colour.blue, 0.85f };
  gtk_snapshot_append_color (snapshot, &shade, &GRAPHENE_RECT_INIT (x, y, width + 6, height + 4));
  gtk_snapshot_save (snapshot);
  gtk_snapshot_translate (snapshot, &GRAPHENE_POINT_INIT (x + 3, y + 2));
  gtk_snapshot_append_layout (snapshot, layout, &colour);
  gtk_snapshot_restore (snapshot);
}

static void
lb_plot_widget_snapshot (GtkWidget *widget, GtkSnapshot *snapshot)
{
  LbPlotWidget *self = LB_PLOT_WIDGET (widget);

  if (self->texture == NULL || self->figure == NULL)
    return;
  /* At its own size: while the widget is being resized, stretched text is worse
   * than a margin. */
  gtk_snapshot_append_texture (snapshot, self->texture,
                               &GRAPHENE_RECT_INIT (0, 0, self->texture_width, self->texture_height));
  if (self->pointer_inside && self->has_frame)
    snapshot_read_out (self, snapshot);
}

/* --- Zoom and pan ------------------------------------------------------------------ */

static double
to_scale (double value, gboolean logarithmic)
{
  return logarithmic ? log10 (value) : value;
}

static double
from_scale (double value, gboolean logarithmic)
{
  return logarithmic ? pow (10, value) : value;
}

/* The range low..high, @factor times narrower about the @share of it, moved by
 * @shift of its width. */
static void
transform_range (double *low, double *high, gboolean logarithmic, double factor, double share, double shift)
{
  double a = to_scale (*low, logarithmic), b = to_scale (*high, logarithmic);
  double centre = a + share * (b - a), width = b - a;

  *low = from_scale (centre + (a - centre) / factor + shift * width, logarithmic);
  *high = from_scale (centre + (b - centre) / factor + shift * width, logarithmic);
}

/* From the position of the pointer to the share of the range: the value axis
 * goes up while the screen goes down, unless it is reversed. */
static double
share_of_y (LbPlotWidget *self, double share_from_top)
{
  return self->figure->y_axis.reversed ? share_from_top : 1 - share_from_top;
}

static void
set_view (LbPlotWidget *self, const LbPlotView *view)
{
  self->view = *view;
  request_picture (self);
}

void
lb_plot_widget_zoom (LbPlotWidget *self, double factor, double x, double y)
{
  LbPlotView view;
  double share_x, share_y;

  g_return_if_fail (LB_IS_PLOT_WIDGET (self));
  g_return_if_fail (factor > 0);

  if (self->figure == NULL || !self->has_frame || !(self->frame.width > 0) || !(self->frame.height > 0))
    return;
  view = self->frame.view;
  share_x = CLAMP ((x - self->frame.left) / self->frame.width, 0, 1);
  share_y = CLAMP ((y - self->frame.top) / self->frame.height, 0, 1);
  if (self->figure->x_axis.reversed)
    share_x = 1 - share_x;
  transform_range (&view.x_low, &view.x_high, self->frame.x_logarithmic, factor, share_x, 0);
  transform_range (&view.y_low, &view.y_high, self->frame.y_logarithmic, factor, share_of_y (self, share_y),
                   0);
  set_view (self, &view);
}

void
lb_plot_widget_reset (LbPlotWidget *self)
{
  g_return_if_fail (LB_IS_PLOT_WIDGET (self));

  set_view (self, &LB_PLOT_VIEW_ALL);
}

gboolean
lb_plot_widget_is_zoomed (LbPlotWidget *self)
{
  g_return_val_if_fail (LB_IS_PLOT_WIDGET (self), FALSE);

  return isfinite (self->view.x_low);
}

static gboolean
scroll_cb (GtkEventControllerScroll *controller, double dx, double dy, LbPlotWidget *self)
{
  lb_plot_widget_zoom (self, pow (ZOOM_STEP, -dy), self->pointer_x, self->pointer_y);
  return TRUE;
}

static void
drag_begin_cb (GtkGestureDrag *gesture, double x, double y, LbPlotWidget *self)
{
  if (!self->has_frame || self->figure == NULL)
    gtk_gesture_set_state (GTK_GESTURE (gesture), GTK_EVENT_SEQUENCE_DENIED);
  self->drag_view = self->frame.view;
}

static void
drag_update_cb (GtkGestureDrag *gesture, double dx, double dy, LbPlotWidget *self)
{
  LbPlotView view = self->drag_view;
  double shift_x, shift_y;

  if (self->figure == NULL || !(self->frame.width > 0) || !(self->frame.height > 0) ||
      (fabs (dx) < 3 && fabs (dy) < 3))
    return;
  shift_x = (self->figure->x_axis.reversed ? dx : -dx) / self->frame.width;
  shift_y = (self->figure->y_axis.reversed ? -dy : dy) / self->frame.height;
  transform_range (&view.x_low, &view.x_high, self->frame.x_logarithmic, 1, 0, shift_x);
  transform_range (&view.y_low, &view.y_high, self->frame.y_logarithmic, 1, 0, shift_y);
  gtk_gesture_set_state (GTK_GESTURE (gesture), GTK_EVENT_SEQUENCE_CLAIMED);
  set_view (self, &view);
}

/* --- Pointer, keys, menu ------------------------------------------------------------ */

static void
motion_cb (GtkEventControllerMotion *controller, double x, double y, LbPlotWidget *self)
{
  self->pointer_x = x;
  self->pointer_y = y;
  self->pointer_inside = TRUE;
  gtk_widget_queue_draw (GTK_WIDGET (self));
}

static void
leave_cb (GtkEventControllerMotion *controller, LbPlotWidget *self)
{
  self->pointer_inside = FALSE;
  gtk_widget_queue_draw (GTK_WIDGET (self));
}

static void
show_menu (LbPlotWidget *self, double x, double y)
{
  if (self->figure == NULL)
    return;
  if (self->menu == NULL)
    {
      self->menu = gtk_popover_menu_new_from_model (lb_plot_export_get_menu ());
      gtk_widget_set_parent (self->menu, GTK_WIDGET (self));
      gtk_popover_set_has_arrow (GTK_POPOVER (self->menu), FALSE);
      gtk_widget_set_halign (self->menu, GTK_ALIGN_START);
    }
  gtk_popover_set_pointing_to (GTK_POPOVER (self->menu), &(GdkRectangle){ x, y, 1, 1 });
  gtk_popover_popup (GTK_POPOVER (self->menu));
}

static void
pressed_cb (GtkGestureClick *gesture, int presses, double x, double y, LbPlotWidget *self)
{
  GdkEvent *event = gtk_event_controller_get_current_event (GTK_EVENT_CONTROLLER (gesture));

  gtk_widget_grab_focus (GTK_WIDGET (self));
  if (event != NULL && gdk_event_triggers_context_menu (event))
    show_menu (self, x, y);
  else if (presses == 2)
    lb_plot_widget_reset (self);
}

static gboolean
key_cb (GtkEventControllerKey *controller, guint key, guint code, GdkModifierType state, LbPlotWidget *self)
{
  double x = gtk_widget_get_width (GTK_WIDGET (self)) / 2.0,
         y = gtk_widget_get_height (GTK_WIDGET (self)) / 2.0;

  if (key == GDK_KEY_plus || key == GDK_KEY_KP_Add)
    lb_plot_widget_zoom (self, ZOOM_STEP, x, y);
  else if (key == GDK_KEY_minus || key == GDK_KEY_KP_Subtract)
    lb_plot_widget_zoom (self, 1 / ZOOM_STEP, x, y);
  else if (key == GDK_KEY_0 || key == GDK_KEY_KP_0)
    lb_plot_widget_reset (self);
  else if (key == GDK_KEY_Menu || (key == GDK_KEY_F10 && (state & GDK_SHIFT_MASK)))
    show_menu (self, x, y);
  else
    return GDK_EVENT_PROPAGATE;
  return GDK_EVENT_STOP;
}

static void
export_cb (GSimpleAction *action, GVariant *parameter, gpointer user_data)
{
  LbPlotWidget *self = user_data;

  if (g_str_equal (g_action_get_name (G_ACTION (action)), "reset"))
    lb_plot_widget_reset (self);
  else if (self->figure != NULL)
    lb_plot_export_run (g_action_get_name (G_ACTION (action)), self->figure, GTK_WIDGET (self));
}

/* --- The object -------------------------------------------------------------------- */

void
lb_plot_widget_set_figure (LbPlotWidget *self, LbFigure *figure)
{
  g_return_if_fail (LB_IS_PLOT_WIDGET (self));

  if (figure == self->figure)
    return;
  if (figure == NULL || self->figure == NULL || g_strcmp0 (figure->title, self->figure->title) != 0)
    {
      self->view = LB_PLOT_VIEW_ALL;
      self->has_frame = FALSE;
      if (figure == NULL)
        g_clear_object (&self->texture);
    }
  g_clear_pointer (&self->figure, lb_figure_unref);
  if (figure != NULL)
    self->figure = lb_figure_ref (figure);
  gtk_accessible_update_property (GTK_ACCESSIBLE (self), GTK_ACCESSIBLE_PROPERTY_LABEL,
                                  figure != NULL && figure->title != NULL ? figure->title : _ ("Figure"), -1);
  gtk_widget_queue_draw (GTK_WIDGET (self));
  request_picture (self);
}

LbFigure *
lb_plot_widget_get_figure (LbPlotWidget *self)
{
  g_return_val_if_fail (LB_IS_PLOT_WIDGET (self), NULL);

  return self->figure;
}

gboolean
lb_plot_widget_is_settled (LbPlotWidget *self)
{
  g_return_val_if_fail (LB_IS_PLOT_WIDGET (self), FALSE);

  return !self->drawing && !self->outdated && self->texture != NULL;
}

static void
lb_plot_widget_dispose (GObject *object)
{
  LbPlotWidget *self = LB_PLOT_WIDGET (object);

  g_clear_pointer (&self->menu, gtk_widget_unparent);
  g_clear_pointer (&self->figure, lb_figure_unref);
  g_clear_object (&self->texture);
  g_clear_object (&self->actions);
  G_OBJECT_CLASS (lb_plot_widget_parent_class)->dispose (object);
}

static void
lb_plot_widget_class_init (LbPlotWidgetClass *klass)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  G_OBJECT_CLASS (klass)->dispose = lb_plot_widget_dispose;
  widget_class->size_allocate = lb_plot_widget_size_allocate;
  widget_class->map = lb_plot_widget_map;
  widget_class->measure = lb_plot_widget_measure;
  widget_class->snapshot = lb_plot_widget_snapshot;
  gtk_widget_class_set_css_name (widget_class, "plot");
  gtk_widget_class_set_accessible_role (widget_class, GTK_ACCESSIBLE_ROLE_IMG);
}

static void
add_controllers (LbPlotWidget *self)
{
  GtkEventController *motion = gtk_event_controller_motion_new ();
  GtkEventController *scroll = gtk_event_controller_scroll_new (GTK_EVENT_CONTROLLER_SCROLL_VERTICAL);
  GtkEventController *key = gtk_event_controller_key_new ();
  GtkGesture *drag = gtk_gesture_drag_new ();
  GtkGesture *click = gtk_gesture_click_new ();

  g_signal_connect (motion, "enter", G_CALLBACK (motion_cb), self);
  g_signal_connect (motion, "motion", G_CALLBACK (motion_cb), self);
  g_signal_connect (motion, "leave", G_CALLBACK (leave_cb), self);
  g_signal_connect (scroll, "scroll", G_CALLBACK (scroll_cb), self);
  g_signal_connect (key, "key-pressed", G_CALLBACK (key_cb), self);
  g_signal_connect (drag, "drag-begin", G_CALLBACK (drag_begin_cb), self);
  g_signal_connect (drag, "drag-update", G_CALLBACK (drag_update_cb), self);
  gtk_gesture_single_set_button (GTK_GESTURE_SINGLE (click), 0);
  g_signal_connect (click, "pressed", G_CALLBACK (pressed_cb), self);
  gtk_widget_add_controller (GTK_WIDGET (self), motion);
  gtk_widget_add_controller (GTK_WIDGET (self), scroll);
  gtk_widget_add_controller (GTK_WIDGET (self), key);
  gtk_widget_add_controller (GTK_WIDGET (self), GTK_EVENT_CONTROLLER (drag));
  gtk_widget_add_controller (GTK_WIDGET (self), GTK_EVENT_CONTROLLER (click));
}

static void
lb_plot_widget_init (LbPlotWidget *self)
{
  static const char *const names[] = { "save", "copy", "copy-csv", "reset" };

  self->view = LB_PLOT_VIEW_ALL;
  self->actions = g_simple_action_group_new ();
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autoptr (GSimpleAction) action = g_simple_action_new (names[i], NULL);

      g_signal_connect (action, "activate", G_CALLBACK (export_cb), self);
      g_action_map_add_action (G_ACTION_MAP (self->actions), G_ACTION (action));
    }
  gtk_widget_insert_action_group (GTK_WIDGET (self), "plot", G_ACTION_GROUP (self->actions));
  gtk_widget_set_focusable (GTK_WIDGET (self), TRUE);
  gtk_widget_set_hexpand (GTK_WIDGET (self), TRUE);
  gtk_widget_set_vexpand (GTK_WIDGET (self), TRUE);
  gtk_widget_set_overflow (GTK_WIDGET (self), GTK_OVERFLOW_HIDDEN);
  g_signal_connect_object (adw_style_manager_get_default (), "notify::dark", G_CALLBACK (request_picture),
                           self, G_CONNECT_SWAPPED);
  g_signal_connect_swapped (self, "notify::scale-factor", G_CALLBACK (request_picture), self);
  add_controllers (self);
}

/**
 * lb_plot_widget_new:
 *
 * Returns: (transfer floating): a view without a figure
 */
GtkWidget *
lb_plot_widget_new (void)
{
  return g_object_new (LB_TYPE_PLOT_WIDGET, NULL);
}
