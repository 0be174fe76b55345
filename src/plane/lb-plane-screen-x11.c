/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <sys/ipc.h>
#include <sys/shm.h>

#include <glib/gi18n.h>
#include <string.h>
#include <xcb/shm.h>
#include <xcb/xcb.h>
#include <xcb/xcb_keysyms.h>

#include "lb-plane-xcb.h"
#include "lb-plane-xwatch.h"

/*
 * The way past the toolkit: a window of the X server itself, without a window
 * manager, that fills the monitor; pixels go there through memory that the server
 * sees too (MIT-SHM). The server says when it has copied them.
 */

#define N_IMAGES 2
/* A pattern goes in so many parts, so that the server copies one while the next is
 * being made, and finds it in the caches. */
#define N_BANDS 8
#define KEY_ESCAPE 0xff1b
#define KEY_PERIOD 0x002e
#define ESCAPE_MS 500

typedef struct
{
  gboolean used;
  LbPlanePixels pixels;
  int id; /* of the System V segment */
  guint8 *data;
  gsize bytes; /* of one image */
  xcb_shm_seg_t segment;
  guint next;                /* image that is written next */
  guint64 tickets[N_IMAGES]; /* on their way; 0: none */
} Layer;

typedef struct
{
  LbPlaneScreen parent;
  LbPlaneXWatch *watch;
  xcb_connection_t *connection;
  xcb_screen_t *screen;
  xcb_window_t window;
  xcb_gcontext_t gc;
  xcb_key_symbols_t *symbols;
  guint8 completion; /* type of the event */
  GSource *source;
  guint escape;
  gboolean ready;
  char *lost; /* why; it stays so: its window is hidden */
  LbPlaneFaults faults;
  Layer layers[LB_PLANE_MAX_LAYERS];
} X11Screen;

/* --- Blackness and what is told -------------------------------------------------------------- */

static void
hide (X11Screen *self)
{
  xcb_unmap_window (self->connection, self->window);
  xcb_flush (self->connection);
}

static void
x11_black (LbPlaneScreen *screen)
{
  X11Screen *self = (X11Screen *) screen;

  xcb_clear_area (self->connection, 0, self->window, 0, 0, 0, 0);
  xcb_flush (self->connection);
}

static void
watch_cb (LbPlaneFaults faults, const char *text, gpointer data)
{
  X11Screen *self = data;

  if (self->lost != NULL)
    return;
  self->faults = faults;
  if (faults & LB_PLANE_FAULT_LOST)
    {
      self->lost = g_strdup (text);
      hide (self);
    }
  self->parent.listener.faults (faults, text, self->parent.listener.data);
}

static void
stop (X11Screen *self)
{
  x11_black (&self->parent);
  self->parent.listener.faults (self->faults | LB_PLANE_FAULT_STOP, _ ("STOP was pressed on a plane"),
                                self->parent.listener.data);
}

/* --- Events -------------------------------------------------------------------------------------- */

static void
completed (X11Screen *self, const xcb_shm_completion_event_t *event)
{
  gint64 now_us = g_get_monotonic_time ();

  for (guint i = 0; i < LB_PLANE_MAX_LAYERS; i++)
    {
      Layer *layer = &self->layers[i];
      guint image =
          layer->used && event->shmseg == layer->segment ? (guint) (event->offset / layer->bytes) : N_IMAGES;
      guint64 ticket;

      if (image >= N_IMAGES || layer->tickets[image] == 0)
        continue;
      ticket = layer->tickets[image];
      layer->tickets[image] = 0;
      self->parent.listener.presented (i, ticket, now_us, LB_TIME_STAMP_HOST_ARRIVAL,
                                       self->parent.listener.data);
    }
}

static gboolean
escape_cb (gpointer user_data)
{
  X11Screen *self = user_data;

  self->escape = 0;
  stop (self);
  return G_SOURCE_REMOVE;
}

static void
pressed (X11Screen *self, xcb_key_press_event_t *event)
{
  xcb_keysym_t key = xcb_key_press_lookup_keysym (self->symbols, event, 0);

  if (key == KEY_PERIOD && (event->state & XCB_MOD_MASK_CONTROL))
    stop (self);
  else if (key == KEY_ESCAPE && self->escape == 0)
    self->escape = g_timeout_add_full (G_PRIORITY_HIGH, ESCAPE_MS, escape_cb, self, NULL);
}

static void
event_cb (const xcb_generic_event_t *event, gpointer data)
{
  X11Screen *self = data;
  guint8 type = event != NULL ? event->response_type & 0x7f : 0;

  if (type == self->completion)
    completed (self, (const xcb_shm_completion_event_t *) event);
  else if (type == XCB_KEY_PRESS)
    pressed (self, (xcb_key_press_event_t *) event);
  else if (type == XCB_KEY_RELEASE &&
           xcb_key_press_lookup_keysym (self->symbols, (xcb_key_press_event_t *) event, 0) == KEY_ESCAPE)
    g_clear_handle_id (&self->escape, g_source_remove);
  else if (type == XCB_MAP_NOTIFY && !self->ready)
    {
      self->ready = TRUE;
      lb_plane_xwatch_set_mapped (self->watch);
      if (self->lost == NULL)
        self->parent.listener.ready (self->parent.listener.data);
    }
}

/* --- Layers ------------------------------------------------------------------------------------------ */

static void
free_layer (X11Screen *self, Layer *layer)
{
  if (!layer->used)
    return;
  xcb_shm_detach (self->connection, layer->segment);
  shmdt (layer->data);
  *layer = (Layer){ 0 };
}

static gboolean
attach (X11Screen *self, Layer *layer)
{
  xcb_generic_error_t *failure;

  layer->id = shmget (IPC_PRIVATE, N_IMAGES * layer->bytes, IPC_CREAT | 0600);
  layer->data = layer->id >= 0 ? shmat (layer->id, NULL, 0) : (void *) -1;
  if (layer->data == (void *) -1)
    return FALSE;
  layer->segment = xcb_generate_id (self->connection);
  failure = xcb_request_check (
      self->connection, xcb_shm_attach_checked (self->connection, layer->segment, (guint32) layer->id, 1));
  /* It lives on while somebody is attached. */
  shmctl (layer->id, IPC_RMID, NULL);
  if (failure == NULL)
    return TRUE;
  free (failure);
  shmdt (layer->data);
  return FALSE;
}

static void
x11_add_layer (LbPlaneScreen *screen, guint nth, const LbPlanePixels *pixels)
{
  X11Screen *self = (X11Screen *) screen;
  Layer *layer = &self->layers[nth];

  layer->pixels = *pixels;
  layer->bytes = (gsize) pixels->spec.width * pixels->spec.height * sizeof (guint32);
  layer->used = attach (self, layer);
  if (!layer->used)
    watch_cb (LB_PLANE_FAULT_LOST,
              _ ("the X server cannot share memory with this program; set \"path\" to \"gtk\" in the setup"),
              self);
}

static void
x11_remove_layer (LbPlaneScreen *screen, guint nth)
{
  X11Screen *self = (X11Screen *) screen;
  const LbPlaneSpec *spec = &self->layers[nth].pixels.spec;

  if (!self->layers[nth].used)
    return;
  xcb_clear_area (self->connection, 0, self->window, (gint16) spec->x, (gint16) spec->y,
                  (guint16) spec->width, (guint16) spec->height);
  free_layer (self, &self->layers[nth]);
  xcb_flush (self->connection);
}

/* Rows @from to @to - 1. The last band is told of when the server has copied it, and
 * with it all before. */
static void
put_band (X11Screen *self, Layer *layer, const guint8 *levels, guint from, guint to)
{
  const LbPlaneSpec *spec = &layer->pixels.spec;
  guint32 *image = (guint32 *) (layer->data + layer->next * layer->bytes);

  lb_plane_pixels_to_colours (&layer->pixels, levels, from, to - from, image + (gsize) from * spec->width);
  if (to > from)
    xcb_shm_put_image (self->connection, self->window, self->gc, (guint16) spec->width,
                       (guint16) spec->height, 0, (guint16) from, (guint16) spec->width,
                       (guint16) (to - from), (gint16) spec->x, (gint16) (spec->y + from), 24,
                       XCB_IMAGE_FORMAT_Z_PIXMAP, to == spec->height, layer->segment,
                       (guint32) (layer->next * layer->bytes));
  xcb_flush (self->connection);
}

static void
x11_show (LbPlaneScreen *screen, guint nth, const guint8 *levels, guint64 ticket)
{
  X11Screen *self = (X11Screen *) screen;
  Layer *layer = &self->layers[nth];
  const LbPlaneSpec *spec = &layer->pixels.spec;

  if (!layer->used || self->lost != NULL)
    return;
  layer->tickets[layer->next] = ticket;
  for (guint band = 0; band < N_BANDS; band++)
    put_band (self, layer, levels, spec->height * band / N_BANDS, spec->height * (band + 1) / N_BANDS);
  layer->next = (layer->next + 1) % N_IMAGES;
}

static gboolean
x11_read_back (LbPlaneScreen *screen, guint nth, guint32 *colours, GError **error)
{
  X11Screen *self = (X11Screen *) screen;
  const LbPlaneSpec *spec = &self->layers[nth].pixels.spec;

  return lb_plane_xwatch_read (self->watch, spec->x, spec->y, spec->width, spec->height, colours, error);
}

static LbPlaneFaults
x11_check (LbPlaneScreen *screen, char **text)
{
  X11Screen *self = (X11Screen *) screen;

  if (self->lost == NULL)
    return lb_plane_xwatch_check (self->watch, text);
  *text = g_strdup (self->lost);
  return LB_PLANE_FAULT_LOST;
}

static const LbMonitor *
x11_get_monitor (LbPlaneScreen *screen)
{
  return lb_plane_xwatch_get_monitor (((X11Screen *) screen)->watch);
}

/* --- The window --------------------------------------------------------------------------------------- */

static xcb_cursor_t
make_no_cursor (X11Screen *self)
{
  xcb_pixmap_t pixmap = xcb_generate_id (self->connection);
  xcb_cursor_t cursor = xcb_generate_id (self->connection);
  xcb_gcontext_t gc = xcb_generate_id (self->connection);
  const xcb_rectangle_t all = { 0, 0, 1, 1 };
  const guint32 zero = 0;

  xcb_create_pixmap (self->connection, 1, pixmap, self->screen->root, 1, 1);
  xcb_create_gc (self->connection, gc, pixmap, XCB_GC_FOREGROUND, &zero);
  xcb_poly_fill_rectangle (self->connection, pixmap, gc, 1, &all);
  xcb_create_cursor (self->connection, cursor, pixmap, pixmap, 0, 0, 0, 0, 0, 0, 0, 0);
  xcb_free_gc (self->connection, gc);
  xcb_free_pixmap (self->connection, pixmap);
  return cursor;
}

/* Compositors that know of it leave the window alone. */
static void
bypass_compositor (X11Screen *self)
{
  static const char name[] = "_NET_WM_BYPASS_COMPOSITOR";
  xcb_intern_atom_reply_t *atom = xcb_intern_atom_reply (
      self->connection, xcb_intern_atom (self->connection, 0, sizeof name - 1, name), NULL);
  const guint32 yes = 1;

  if (atom != NULL)
    xcb_change_property (self->connection, XCB_PROP_MODE_REPLACE, self->window, atom->atom, XCB_ATOM_CARDINAL,
                         32, 1, &yes);
  free (atom);
}

static void
make_window (X11Screen *self)
{
  const LbMonitor *monitor = lb_plane_xwatch_get_monitor (self->watch);
  const guint32 values[] = {
    self->screen->black_pixel,
    1, /* override redirect */
    XCB_EVENT_MASK_KEY_PRESS | XCB_EVENT_MASK_KEY_RELEASE | XCB_EVENT_MASK_STRUCTURE_NOTIFY,
    make_no_cursor (self),
  };
  static const char title[] = "lightbench-plane";

  self->window = xcb_generate_id (self->connection);
  xcb_create_window (self->connection, XCB_COPY_FROM_PARENT, self->window, self->screen->root,
                     (gint16) monitor->x, (gint16) monitor->y, (guint16) monitor->width,
                     (guint16) monitor->height, 0, XCB_WINDOW_CLASS_INPUT_OUTPUT, self->screen->root_visual,
                     XCB_CW_BACK_PIXEL | XCB_CW_OVERRIDE_REDIRECT | XCB_CW_EVENT_MASK | XCB_CW_CURSOR,
                     values);
  xcb_change_property (self->connection, XCB_PROP_MODE_REPLACE, self->window, XCB_ATOM_WM_NAME,
                       XCB_ATOM_STRING, 8, sizeof title - 1, title);
  bypass_compositor (self);
  self->gc = xcb_generate_id (self->connection);
  xcb_create_gc (self->connection, self->gc, self->window, 0, NULL);
}

/* The watch must see it before it is mapped: it learns then what covers it. */
static void
show_window (X11Screen *self)
{
  const guint32 above = XCB_STACK_MODE_ABOVE;

  free (xcb_get_input_focus_reply (self->connection, xcb_get_input_focus (self->connection), NULL));
  lb_plane_xwatch_start (self->watch, self->window, watch_cb, self);
  xcb_map_window (self->connection, self->window);
  xcb_configure_window (self->connection, self->window, XCB_CONFIG_WINDOW_STACK_MODE, &above);
  xcb_flush (self->connection);
  self->source = lb_plane_xcb_source_new (self->connection, event_cb, self);
}

static void
x11_free (LbPlaneScreen *screen)
{
  X11Screen *self = (X11Screen *) screen;

  if (self->source != NULL)
    g_source_destroy (self->source);
  g_clear_pointer (&self->source, g_source_unref);
  g_clear_handle_id (&self->escape, g_source_remove);
  for (guint i = 0; i < LB_PLANE_MAX_LAYERS; i++)
    free_layer (self, &self->layers[i]);
  g_clear_pointer (&self->symbols, xcb_key_symbols_free);
  if (self->connection != NULL)
    xcb_disconnect (self->connection);
  lb_plane_xwatch_free (self->watch);
  g_free (self->lost);
  g_free (self);
}

static gboolean
has_shared_memory (X11Screen *self, GError **error)
{
  const xcb_query_extension_reply_t *shm = xcb_get_extension_data (self->connection, &xcb_shm_id);

  if (shm != NULL && shm->present)
    {
      self->completion = (guint8) (shm->first_event + XCB_SHM_COMPLETION);
      return TRUE;
    }
  g_set_error_literal (
      error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
      _ ("the X server cannot share memory with this program; set \"path\" to \"gtk\" in the setup"));
  return FALSE;
}

LbPlaneScreen *
lb_plane_screen_new_x11 (const LbPlaneWish *wish, const LbPlaneListener *listener, GError **error)
{
  static const LbPlaneScreenClass klass = {
    "xshm",   x11_free,  x11_get_monitor, x11_add_layer, x11_remove_layer,
    x11_show, x11_black, x11_read_back,   x11_check,
  };
  X11Screen *self = g_new0 (X11Screen, 1);
  int number = 0;

  self->parent = (LbPlaneScreen){ &klass, *listener, *wish, LB_TIME_STAMP_HOST_ARRIVAL };
  self->watch = lb_plane_xwatch_new (wish, error);
  if (self->watch != NULL)
    {
      self->connection = xcb_connect (NULL, &number);
      self->symbols = xcb_key_symbols_alloc (self->connection);
      if (has_shared_memory (self, error))
        {
          self->screen = lb_plane_xcb_get_screen (self->connection, number);
          make_window (self);
          show_window (self);
          return &self->parent;
        }
    }
  x11_free (&self->parent);
  return NULL;
}
