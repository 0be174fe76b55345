/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-plane-client.h"

#include <unistd.h>

#include <glib-unix.h>
#include <glib/gi18n.h>

struct _LbPlaneClient
{
  int socket;
  guint source;
  guint layer;
  LbPlanePixels pixels;
  LbPlaneScreen *screen; /* NULL: not ready yet */
  guint8 *data;          /* memory for patterns; NULL: none yet */
  gsize bytes;           /* of one of them */
  guint8 *black;
  const guint8 *shown; /* levels that stand there: in the memory, or black */
  gboolean over;
  LbPlaneClientFunc ended;
  gpointer user_data;
};

static void
end (LbPlaneClient *self)
{
  if (self->over)
    return;
  self->over = TRUE;
  g_clear_handle_id (&self->source, g_source_remove);
  if (self->screen != NULL)
    self->screen->klass->remove_layer (self->screen, self->layer);
  self->ended (self, self->user_data);
}

static void
answer (LbPlaneClient *self, const LbPlaneMessage *message)
{
  g_autoptr (GError) error = NULL;

  if (self->over || lb_plane_send (self->socket, message, -1, &error))
    return;
  g_debug ("a plane's answer was not taken: %s", error->message);
  end (self);
}

/* --- What the program asks for ------------------------------------------------------------------ */

static gboolean
out_of_turn (GError **error)
{
  g_set_error_literal (error, LB_PLANE_ERROR, LB_PLANE_ERROR_DAMAGED, _ ("a message came out of turn"));
  return FALSE;
}

static gboolean
take_memory (LbPlaneClient *self, const LbPlaneMessage *message, int fd, GError **error)
{
  const LbPlanePixels *pixels = &self->pixels;

  if (fd < 0 || self->screen == NULL || self->data != NULL || message->width != pixels->pattern_width ||
      message->height != pixels->pattern_height)
    return out_of_turn (error);
  self->bytes = (gsize) pixels->pattern_width * pixels->pattern_height;
  self->data = lb_plane_memory_map (fd, self->bytes, error);
  if (self->data == NULL)
    return FALSE;
  self->black = g_malloc0 (self->bytes);
  self->shown = self->black;
  self->screen->klass->add_layer (self->screen, self->layer, pixels);
  return TRUE;
}

static void
show (LbPlaneClient *self, const guint8 *levels, guint64 ticket)
{
  self->shown = levels;
  self->screen->klass->show (self->screen, self->layer, levels, ticket);
}

static void
read_back (LbPlaneClient *self, guint64 ticket)
{
  const LbPlaneSpec *spec = &self->pixels.spec;
  g_autofree guint32 *colours = g_new (guint32, (gsize) spec->width * spec->height);
  g_autoptr (GError) error = NULL;
  LbPlaneMessage message;

  lb_plane_message_init (&message, LB_PLANE_WAS_READ);
  message.ticket = ticket;
  if (self->screen->klass->read_back (self->screen, self->layer, colours, &error))
    message.wrong = lb_plane_pixels_to_levels (&self->pixels, colours, self->shown,
                                               self->data + LB_PLANE_READ_BUFFER * self->bytes);
  else
    lb_plane_message_set_text (&message, error->message);
  answer (self, &message);
}

static void
check (LbPlaneClient *self, guint64 ticket)
{
  g_autofree char *text = NULL;
  LbPlaneMessage message;

  lb_plane_message_init (&message, LB_PLANE_CHECKED);
  message.ticket = ticket;
  message.faults = self->screen->klass->check (self->screen, &text);
  lb_plane_message_set_text (&message, text);
  answer (self, &message);
}

static gboolean
take (LbPlaneClient *self, const LbPlaneMessage *message, int fd, GError **error)
{
  if (message->kind == LB_PLANE_BUFFERS_ARE)
    return take_memory (self, message, fd, error);
  if (self->data == NULL)
    return out_of_turn (error);
  switch ((LbPlaneKind) message->kind)
    {
    case LB_PLANE_SHOW:
      show (self, self->data + message->buffer * self->bytes, message->ticket);
      return TRUE;
    case LB_PLANE_BLANK:
      show (self, self->black, message->ticket);
      return TRUE;
    case LB_PLANE_READ:
      read_back (self, message->ticket);
      return TRUE;
    case LB_PLANE_CHECK:
      check (self, message->ticket);
      return TRUE;
    default:
      return out_of_turn (error);
    }
}

static gboolean
readable_cb (gint fd, GIOCondition condition, gpointer user_data)
{
  LbPlaneClient *self = user_data;
  g_autoptr (GError) error = NULL;

  while (error == NULL)
    {
      LbPlaneMessage message;
      int with = -1;

      if (lb_plane_receive (self->socket, &message, FALSE, &with, &error))
        take (self, &message, with, &error);
      if (with >= 0)
        close (with);
      if (self->over)
        return G_SOURCE_REMOVE;
    }
  if (g_error_matches (error, LB_PLANE_ERROR, LB_PLANE_ERROR_AGAIN))
    return G_SOURCE_CONTINUE;
  if (!g_error_matches (error, LB_PLANE_ERROR, LB_PLANE_ERROR_CLOSED))
    {
      g_message ("a plane is given up: %s", error->message);
      lb_plane_client_tell_faults (self, LB_PLANE_FAULT_LOST, error->message);
    }
  self->source = 0;
  end (self);
  return G_SOURCE_REMOVE;
}

/* --- What it tells the program ----------------------------------------------------------------------- */

void
lb_plane_client_be_ready (LbPlaneClient *self, LbPlaneScreen *screen)
{
  const LbMonitor *monitor = screen->klass->get_monitor (screen);
  g_autofree char *text = g_strjoin ("\n", monitor->make, monitor->model, monitor->serial, monitor->connector,
                                     screen->klass->name, NULL);
  LbPlaneMessage message;

  self->screen = screen;
  lb_plane_message_init (&message, LB_PLANE_READY);
  message.width = self->pixels.pattern_width;
  message.height = self->pixels.pattern_height;
  message.rate_mhz = monitor->rate_mhz;
  message.stamp = screen->stamp;
  lb_plane_message_set_text (&message, text);
  answer (self, &message);
}

void
lb_plane_client_presented (LbPlaneClient *self, guint64 ticket, gint64 time_us, LbTimeStampKind stamp)
{
  LbPlaneMessage message;

  lb_plane_message_init (&message, LB_PLANE_PRESENTED);
  message.ticket = ticket;
  message.time_us = time_us;
  message.stamp = stamp;
  answer (self, &message);
}

void
lb_plane_client_tell_faults (LbPlaneClient *self, LbPlaneFaults faults, const char *text)
{
  LbPlaneMessage message;

  lb_plane_message_init (&message, LB_PLANE_FAULT);
  message.faults = faults;
  lb_plane_message_set_text (&message, text);
  answer (self, &message);
}

/* --- Making one ------------------------------------------------------------------------------------------
 */

LbPlaneClient *
lb_plane_client_new (int socket, const LbPlaneSpec *spec, guint layer, LbPlaneClientFunc ended, gpointer data)
{
  LbPlaneClient *self = g_new0 (LbPlaneClient, 1);

  self->socket = socket;
  self->layer = layer;
  self->ended = ended;
  self->user_data = data;
  lb_plane_pixels_init (&self->pixels, spec);
  self->source =
      g_unix_fd_add_full (G_PRIORITY_HIGH, socket, G_IO_IN | G_IO_HUP | G_IO_ERR, readable_cb, self, NULL);
  return self;
}

void
lb_plane_client_free (LbPlaneClient *self)
{
  if (self == NULL)
    return;
  g_clear_handle_id (&self->source, g_source_remove);
  close (self->socket);
  lb_plane_memory_unmap (self->data, self->bytes);
  g_free (self->black);
  g_free (self);
}

guint
lb_plane_client_get_layer (LbPlaneClient *self)
{
  return self->layer;
}

const LbPlaneSpec *
lb_plane_client_get_spec (LbPlaneClient *self)
{
  return &self->pixels.spec;
}
