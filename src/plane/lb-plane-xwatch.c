/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-plane-xwatch.h"

#include <string.h>

#include <glib/gi18n.h>
#include <lb-monitor-private.h>
#include <xcb/dpms.h>
#include <xcb/randr.h>
#include <xcb/screensaver.h>

#include "lb-plane-xcb.h"

/* What no event tells (gamma, standby) is asked for this often. */
#define POLL_MS 500
/* The server's own screen saver counts from the last reset. */
#define RESETS_PER_POLL 20
/* Of a gamma ramp, of full scale: less than a level. Servers fill the lower byte
 * with 0 or with a copy of the upper one. */
#define GAMMA_TOLERANCE (65535.0 / 255)

struct _LbPlaneXWatch
{
  xcb_connection_t *connection;
  xcb_screen_t *screen;
  LbPlaneWish wish;
  LbMonitor *monitor;
  guint8 randr_event; /* first of RandR's events; 0: not there */
  gboolean has_dpms, has_saver;
  xcb_window_t window;
  gboolean mapped;
  LbPlaneXWatchFunc func;
  gpointer data;
  GSource *source;
  guint timer, polls;
  LbPlaneFaults faults;
  char *text;
};

/* --- What is wrong ---------------------------------------------------------------------- */

/* Appends a sentence. */
static void
tell (GString *text, LbPlaneFaults *faults, LbPlaneFaults fault, const char *what)
{
  *faults |= fault;
  g_string_append_printf (text, "%s%s", text->len > 0 ? "; " : "", what);
}

static const LbMonitor *
find_output (const GPtrArray *monitors, guint32 output)
{
  for (guint i = 0; i < monitors->len; i++)
    {
      const LbMonitor *monitor = g_ptr_array_index (monitors, i);

      if (monitor->output == output)
        return monitor;
    }
  return NULL;
}

static void
check_monitor (LbPlaneXWatch *self, GString *text, LbPlaneFaults *faults)
{
  g_autoptr (GPtrArray) monitors = lb_monitors_list_xcb (self->connection, self->screen->root);
  const LbMonitor *now = find_output (monitors, self->monitor->output);
  g_autofree char *what = NULL;

  if (now == NULL)
    what = g_strdup_printf (_ ("the monitor on %s is gone; plug it in or switch it on"),
                            self->monitor->connector);
  else if (now->width != self->monitor->width || now->height != self->monitor->height)
    what = g_strdup_printf (_ ("the monitor on %s has another resolution now, %u x %u instead of %u x %u; "
                               "set it back, then connect again"),
                            now->connector, now->width, now->height, self->monitor->width,
                            self->monitor->height);
  else if (now->x != self->monitor->x || now->y != self->monitor->y || now->crtc != self->monitor->crtc)
    what = g_strdup_printf (_ ("the monitor on %s was moved on the desktop; connect again"), now->connector);
  if (what != NULL)
    tell (text, faults, LB_PLANE_FAULT_LOST, what);
}

static gboolean
is_linear (const guint16 *ramp, int length)
{
  for (int i = 0; i < length; i++)
    {
      double difference = ramp[i] - 65535.0 * i / (length - 1);

      if (difference >= GAMMA_TOLERANCE || difference <= -GAMMA_TOLERANCE)
        return FALSE;
    }
  return TRUE;
}

/* A server that has no ramps cannot change levels by them. */
static void
check_gamma (LbPlaneXWatch *self, GString *text, LbPlaneFaults *faults)
{
  xcb_randr_get_crtc_gamma_reply_t *gamma = xcb_randr_get_crtc_gamma_reply (
      self->connection, xcb_randr_get_crtc_gamma (self->connection, self->monitor->crtc), NULL);

  if (gamma != NULL && gamma->size > 1 &&
      (!is_linear (xcb_randr_get_crtc_gamma_red (gamma), gamma->size) ||
       !is_linear (xcb_randr_get_crtc_gamma_green (gamma), gamma->size) ||
       !is_linear (xcb_randr_get_crtc_gamma_blue (gamma), gamma->size)))
    {
      g_autofree char *what = g_strdup_printf (
          _ ("levels are changed on their way to %s, because its gamma ramp is not linear; switch off night "
             "light and colour profiles (or: xrandr --output %s --gamma 1)"),
          self->monitor->connector, self->monitor->connector);

      tell (text, faults, LB_PLANE_FAULT_GAMMA, what);
    }
  free (gamma);
}

static void
check_standby (LbPlaneXWatch *self, GString *text, LbPlaneFaults *faults)
{
  xcb_dpms_info_reply_t *info = NULL;
  xcb_screensaver_query_info_reply_t *saver = NULL;

  if (self->has_dpms)
    info = xcb_dpms_info_reply (self->connection, xcb_dpms_info (self->connection), NULL);
  if (self->has_saver)
    saver = xcb_screensaver_query_info_reply (
        self->connection, xcb_screensaver_query_info (self->connection, self->screen->root), NULL);
  if ((info != NULL && info->state && info->power_level != XCB_DPMS_DPMS_MODE_ON) ||
      (saver != NULL && saver->state == XCB_SCREENSAVER_STATE_ON))
    tell (text, faults, LB_PLANE_FAULT_COVERED,
          _ ("the screen saver is on, or the monitors are in standby; wake them, and switch both off in the "
             "desktop's settings"));
  free (saver);
  free (info);
}

/* The ancestor of @window that is a child of the root: with a window manager, its frame. */
static xcb_window_t
get_top (LbPlaneXWatch *self, xcb_window_t window)
{
  xcb_window_t parent = XCB_NONE;

  while (window != XCB_NONE)
    {
      xcb_query_tree_reply_t *tree =
          xcb_query_tree_reply (self->connection, xcb_query_tree (self->connection, window), NULL);

      parent = tree != NULL ? tree->parent : XCB_NONE;
      free (tree);
      if (parent == self->screen->root)
        break;
      window = parent;
    }
  return window;
}

static gboolean
has_compositor (LbPlaneXWatch *self)
{
  static const char name[] = "_NET_WM_CM_S0";
  xcb_intern_atom_reply_t *atom = xcb_intern_atom_reply (
      self->connection, xcb_intern_atom (self->connection, 1, sizeof name - 1, name), NULL);
  xcb_get_selection_owner_reply_t *owner = NULL;
  gboolean has;

  if (atom != NULL && atom->atom != XCB_ATOM_NONE)
    owner = xcb_get_selection_owner_reply (self->connection,
                                           xcb_get_selection_owner (self->connection, atom->atom), NULL);
  has = owner != NULL && owner->owner != XCB_NONE;
  free (owner);
  free (atom);
  return has;
}

static gboolean
lies_on_monitor (LbPlaneXWatch *self, xcb_window_t window)
{
  const LbMonitor *monitor = self->monitor;
  xcb_get_window_attributes_cookie_t attributes_cookie = xcb_get_window_attributes (self->connection, window);
  xcb_get_geometry_cookie_t geometry_cookie = xcb_get_geometry (self->connection, window);
  xcb_get_window_attributes_reply_t *attributes =
      xcb_get_window_attributes_reply (self->connection, attributes_cookie, NULL);
  xcb_get_geometry_reply_t *geometry = xcb_get_geometry_reply (self->connection, geometry_cookie, NULL);
  gboolean lies = FALSE;

  if (attributes != NULL && geometry != NULL && attributes->map_state == XCB_MAP_STATE_VIEWABLE &&
      attributes->_class == XCB_WINDOW_CLASS_INPUT_OUTPUT)
    {
      gint border = 2 * geometry->border_width;

      lies = geometry->x < monitor->x + (gint) monitor->width &&
             geometry->y < monitor->y + (gint) monitor->height &&
             geometry->x + geometry->width + border > monitor->x &&
             geometry->y + geometry->height + border > monitor->y;
      /* The window into which a compositor paints the whole desktop, patterns included. */
      if (lies && geometry->width >= self->screen->width_in_pixels &&
          geometry->height >= self->screen->height_in_pixels && has_compositor (self))
        lies = FALSE;
    }
  free (geometry);
  free (attributes);
  return lies;
}

/* By the stacking order. VisibilityNotify does not do: a window with an alpha
 * channel, as those of GTK are, is redirected by the server and always counts as
 * visible. */
static gboolean
is_covered (LbPlaneXWatch *self)
{
  xcb_window_t top = get_top (self, self->window);
  xcb_query_tree_reply_t *tree =
      xcb_query_tree_reply (self->connection, xcb_query_tree (self->connection, self->screen->root), NULL);
  gboolean covered = FALSE;

  if (tree != NULL)
    {
      const xcb_window_t *windows = xcb_query_tree_children (tree);

      /* From the bottom to the top. */
      for (int i = xcb_query_tree_children_length (tree) - 1; i >= 0 && windows[i] != top && !covered; i--)
        covered = lies_on_monitor (self, windows[i]);
    }
  free (tree);
  return covered;
}

static void
check_window (LbPlaneXWatch *self, GString *text, LbPlaneFaults *faults)
{
  xcb_get_geometry_cookie_t geometry_cookie = xcb_get_geometry (self->connection, self->window);
  xcb_translate_coordinates_cookie_t place_cookie =
      xcb_translate_coordinates (self->connection, self->window, self->screen->root, 0, 0);
  xcb_get_geometry_reply_t *geometry = xcb_get_geometry_reply (self->connection, geometry_cookie, NULL);
  xcb_translate_coordinates_reply_t *place =
      xcb_translate_coordinates_reply (self->connection, place_cookie, NULL);

  if (geometry == NULL || place == NULL || geometry->width != self->monitor->width ||
      geometry->height != self->monitor->height || place->dst_x != self->monitor->x ||
      place->dst_y != self->monitor->y)
    tell (text, faults, LB_PLANE_FAULT_LOST,
          _ ("the window of the patterns does not fill its monitor any more; connect again"));
  else if (is_covered (self))
    tell (text, faults, LB_PLANE_FAULT_COVERED,
          _ ("another window covers the patterns; move it to another monitor, or close it"));
  free (place);
  free (geometry);
}

static LbPlaneFaults
find_faults (LbPlaneXWatch *self, char **text)
{
  GString *all = g_string_new (NULL);
  LbPlaneFaults faults = 0;

  if (xcb_connection_has_error (self->connection) != 0)
    tell (all, &faults, LB_PLANE_FAULT_LOST, _ ("the X server is gone; connect again when it is back"));
  else
    {
      check_monitor (self, all, &faults);
      if ((faults & LB_PLANE_FAULT_LOST) == 0)
        check_gamma (self, all, &faults);
      check_standby (self, all, &faults);
      if (self->mapped && (faults & LB_PLANE_FAULT_LOST) == 0)
        check_window (self, all, &faults);
    }
  *text = g_string_free (all, FALSE);
  return faults;
}

static void
look (LbPlaneXWatch *self)
{
  g_autofree char *text = NULL;
  LbPlaneFaults faults = find_faults (self, &text);

  if (faults == self->faults && g_str_equal (text, self->text))
    return;
  self->faults = faults;
  g_free (self->text);
  self->text = g_strdup (text);
  self->func (faults, text, self->data);
}

LbPlaneFaults
lb_plane_xwatch_check (LbPlaneXWatch *self, char **text)
{
  look (self);
  *text = g_strdup (self->text);
  return self->faults;
}

/* --- Events --------------------------------------------------------------------------------- */

/* Whether it may have changed something. */
static gboolean
take_event (LbPlaneXWatch *self, const xcb_generic_event_t *event)
{
  guint8 type = event->response_type & 0x7f;

  return type == XCB_CONFIGURE_NOTIFY || type == XCB_MAP_NOTIFY || type == XCB_UNMAP_NOTIFY ||
         type == XCB_CIRCULATE_NOTIFY || type == XCB_REPARENT_NOTIFY || type == XCB_DESTROY_NOTIFY ||
         (self->randr_event != 0 && (type == self->randr_event + XCB_RANDR_SCREEN_CHANGE_NOTIFY ||
                                     type == self->randr_event + XCB_RANDR_NOTIFY));
}

static void
take_events (LbPlaneXWatch *self)
{
  xcb_generic_event_t *event;

  while ((event = xcb_poll_for_event (self->connection)) != NULL)
    free (event);
}

static void
event_cb (const xcb_generic_event_t *event, gpointer data)
{
  LbPlaneXWatch *self = data;

  if (event == NULL || take_event (self, event))
    {
      /* Those that wait are of the same change. */
      take_events (self);
      look (self);
    }
}

static gboolean
poll_cb (gpointer user_data)
{
  LbPlaneXWatch *self = user_data;

  if (self->polls++ % RESETS_PER_POLL == 0)
    xcb_force_screen_saver (self->connection, XCB_SCREEN_SAVER_RESET);
  look (self);
  return G_SOURCE_CONTINUE;
}

/* --- Making one --------------------------------------------------------------------------------- */

static void
find_extensions (LbPlaneXWatch *self)
{
  const xcb_query_extension_reply_t *randr = xcb_get_extension_data (self->connection, &xcb_randr_id);
  const xcb_query_extension_reply_t *dpms = xcb_get_extension_data (self->connection, &xcb_dpms_id);
  const xcb_query_extension_reply_t *saver = xcb_get_extension_data (self->connection, &xcb_screensaver_id);
  xcb_dpms_capable_reply_t *capable = NULL;

  if (randr != NULL && randr->present)
    self->randr_event = randr->first_event;
  if (dpms != NULL && dpms->present)
    capable = xcb_dpms_capable_reply (self->connection, xcb_dpms_capable (self->connection), NULL);
  self->has_saver = saver != NULL && saver->present;
  self->has_dpms = capable != NULL && capable->capable;
  free (capable);
}

static gboolean
find_monitor (LbPlaneXWatch *self, GError **error)
{
  g_autoptr (GPtrArray) monitors = lb_monitors_list_xcb (self->connection, self->screen->root);
  const LbMonitor *monitor = lb_monitors_choose (monitors, &self->wish.choice, error);
  guint index;

  if (monitor == NULL || !lb_plane_wish_check (&self->wish, monitor, error))
    return FALSE;
  g_ptr_array_find (monitors, monitor, &index);
  g_ptr_array_set_free_func (monitors, NULL);
  for (guint i = 0; i < monitors->len; i++)
    if (i != index)
      lb_monitor_free (g_ptr_array_index (monitors, i));
  self->monitor = g_ptr_array_index (monitors, index);
  return TRUE;
}

LbPlaneXWatch *
lb_plane_xwatch_new (const LbPlaneWish *wish, GError **error)
{
  LbPlaneXWatch *self = g_new0 (LbPlaneXWatch, 1);
  int number = 0;

  self->wish = *wish;
  self->text = g_strdup ("");
  self->connection = xcb_connect (NULL, &number);
  if (xcb_connection_has_error (self->connection) == 0)
    {
      self->screen = lb_plane_xcb_get_screen (self->connection, number);
      find_extensions (self);
      if (lb_plane_xcb_check_visual (self->screen, error) && find_monitor (self, error))
        return self;
    }
  else
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
                 _ ("no X server answers on display \"%s\"; is the desktop running, and DISPLAY set?"),
                 g_getenv ("DISPLAY") != NULL ? g_getenv ("DISPLAY") : "");
  lb_plane_xwatch_free (self);
  return NULL;
}

void
lb_plane_xwatch_free (LbPlaneXWatch *self)
{
  if (self == NULL)
    return;
  if (self->source != NULL)
    g_source_destroy (self->source);
  g_clear_pointer (&self->source, g_source_unref);
  g_clear_handle_id (&self->timer, g_source_remove);
  g_clear_pointer (&self->monitor, lb_monitor_free);
  xcb_disconnect (self->connection);
  g_free (self->text);
  g_free (self);
}

const LbMonitor *
lb_plane_xwatch_get_monitor (LbPlaneXWatch *self)
{
  return self->monitor;
}

void
lb_plane_xwatch_start (LbPlaneXWatch *self, xcb_window_t window, LbPlaneXWatchFunc func, gpointer data)
{
  const guint32 mask = XCB_EVENT_MASK_STRUCTURE_NOTIFY;
  const guint32 root_mask = XCB_EVENT_MASK_SUBSTRUCTURE_NOTIFY;

  self->window = window;
  self->func = func;
  self->data = data;
  xcb_change_window_attributes (self->connection, window, XCB_CW_EVENT_MASK, &mask);
  xcb_change_window_attributes (self->connection, self->screen->root, XCB_CW_EVENT_MASK, &root_mask);
  if (self->randr_event != 0)
    xcb_randr_select_input (self->connection, self->screen->root,
                            XCB_RANDR_NOTIFY_MASK_SCREEN_CHANGE | XCB_RANDR_NOTIFY_MASK_CRTC_CHANGE |
                                XCB_RANDR_NOTIFY_MASK_OUTPUT_CHANGE);
  xcb_flush (self->connection);
  self->source = lb_plane_xcb_source_new (self->connection, event_cb, self);
  self->timer = g_timeout_add (POLL_MS, poll_cb, self);
}

void
lb_plane_xwatch_pin (LbPlaneXWatch *self, xcb_window_t window)
{
  const guint32 yes = 1;
  const guint32 place[] = { (guint32) self->monitor->x, (guint32) self->monitor->y, XCB_STACK_MODE_ABOVE };

  xcb_change_window_attributes (self->connection, window, XCB_CW_OVERRIDE_REDIRECT, &yes);
  xcb_configure_window (self->connection, window,
                        XCB_CONFIG_WINDOW_X | XCB_CONFIG_WINDOW_Y | XCB_CONFIG_WINDOW_STACK_MODE, place);
  /* A reply: it is done before the toolkit maps the window. */
  free (xcb_get_input_focus_reply (self->connection, xcb_get_input_focus (self->connection), NULL));
}

void
lb_plane_xwatch_set_mapped (LbPlaneXWatch *self)
{
  self->mapped = TRUE;
  look (self);
}

/* --- Reading pixels ------------------------------------------------------------------------------- */

/* Of the root window, through whatever covers the patterns. In strips: a reply is
 * at most 2^18 words without big requests. */
gboolean
lb_plane_xwatch_read (
    LbPlaneXWatch *self, guint x, guint y, guint width, guint height, guint32 *colours, GError **error)
{
  const guint rows = MAX (1, 200000 / MAX (width, 1));

  for (guint row = 0; row < height; row += rows)
    {
      guint count = MIN (rows, height - row);
      xcb_get_image_reply_t *image =
          xcb_get_image_reply (self->connection,
                               xcb_get_image (self->connection, XCB_IMAGE_FORMAT_Z_PIXMAP, self->screen->root,
                                              (gint16) (self->monitor->x + (gint) x),
                                              (gint16) (self->monitor->y + (gint) (y + row)), (guint16) width,
                                              (guint16) count, G_MAXUINT32),
                               NULL);
      gsize bytes = (gsize) width * count * sizeof *colours;

      if (image == NULL || (gsize) xcb_get_image_data_length (image) < bytes)
        {
          free (image);
          g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_FAILED,
                               _ ("the X server does not give the pixels of the screen"));
          return FALSE;
        }
      memcpy (colours + (gsize) row * width, xcb_get_image_data (image), bytes);
      free (image);
    }
  return TRUE;
}
