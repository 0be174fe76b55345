/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-plane-host.h"

#include <unistd.h>

#include <glib-unix.h>
#include <glib/gi18n.h>
#include <lb-plane-protocol.h>

#include "lb-plane-client.h"
#include "lb-plane-lock.h"

/* How long the monitor stays black before its window goes. */
#define LINGER_MS 300

struct _LbPlaneHost
{
  int control;
  guint source, linger;
  LbMonitorChoice choice;
  LbPlaneScreenFunc make_screen;
  LbPlaneScreen *screen;
  LbPlaneLock *lock;
  gboolean ready;
  LbPlaneFaults faults;
  char *text;
  LbPlaneClient *clients[LB_PLANE_MAX_LAYERS];
  GSourceFunc quit;
  gpointer data;
};

/* --- The screen tells ---------------------------------------------------------------------------- */

static void
ready_cb (gpointer data)
{
  LbPlaneHost *self = data;

  self->ready = TRUE;
  for (guint i = 0; i < LB_PLANE_MAX_LAYERS; i++)
    if (self->clients[i] != NULL)
      lb_plane_client_be_ready (self->clients[i], self->screen);
}

static void
presented_cb (guint layer, guint64 ticket, gint64 time_us, LbTimeStampKind stamp, gpointer data)
{
  LbPlaneHost *self = data;

  if (self->clients[layer] != NULL)
    lb_plane_client_presented (self->clients[layer], ticket, time_us, stamp);
}

static void
faults_cb (LbPlaneFaults faults, const char *text, gpointer data)
{
  LbPlaneHost *self = data;

  /* Pressed keys are an event, the others a state. */
  self->faults = faults & ~(LbPlaneFaults) LB_PLANE_FAULT_STOP;
  g_free (self->text);
  self->text = g_strdup (text);
  for (guint i = 0; i < LB_PLANE_MAX_LAYERS; i++)
    if (self->clients[i] != NULL)
      lb_plane_client_tell_faults (self->clients[i], faults, text);
}

static void
client_ended_cb (LbPlaneClient *client, gpointer data)
{
  LbPlaneHost *self = data;

  self->clients[lb_plane_client_get_layer (client)] = NULL;
  /* It is still inside of a call of its own. */
  g_idle_add_once ((GSourceOnceFunc) lb_plane_client_free, client);
}

/* --- Planes come ------------------------------------------------------------------------------------ */

static void
refuse (int socket, const char *why)
{
  LbPlaneMessage message;

  lb_plane_message_init (&message, LB_PLANE_FAULT);
  message.faults = LB_PLANE_FAULT_LOST;
  lb_plane_message_set_text (&message, why);
  lb_plane_send (socket, &message, -1, NULL);
  close (socket);
}

static gboolean
overlap (const LbPlaneSpec *a, const LbPlaneSpec *b)
{
  return a->x < b->x + b->width && b->x < a->x + a->width && a->y < b->y + b->height &&
         b->y < a->y + a->height;
}

static gboolean
find_layer (LbPlaneHost *self, const LbPlaneSpec *spec, guint *layer, GError **error)
{
  *layer = LB_PLANE_MAX_LAYERS;
  for (guint i = 0; i < LB_PLANE_MAX_LAYERS; i++)
    if (self->clients[i] == NULL)
      *layer = MIN (*layer, i);
    else if (overlap (spec, lb_plane_client_get_spec (self->clients[i])))
      {
        g_set_error_literal (
            error, G_IO_ERROR, G_IO_ERROR_BUSY,
            _ ("the two planes overlap on their monitor; give them regions apart in the setup"));
        return FALSE;
      }
  if (*layer < LB_PLANE_MAX_LAYERS)
    return TRUE;
  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_BUSY, _ ("the monitor has two planes already"));
  return FALSE;
}

static gboolean
ensure_screen (LbPlaneHost *self, const LbPlaneSpec *spec, GError **error)
{
  const LbPlaneListener listener = { ready_cb, presented_cb, faults_cb, self };
  const LbPlaneWish wish = { self->choice, spec->monitor_width, spec->monitor_height, spec->rate_mhz };

  if (self->screen != NULL)
    return lb_plane_wish_check (&wish, self->screen->klass->get_monitor (self->screen), error);
  self->screen = self->make_screen (&wish, &listener, error);
  if (self->screen == NULL)
    return FALSE;
  self->lock = lb_plane_lock_new (self->screen->klass->get_monitor (self->screen)->connector, error);
  if (self->lock != NULL)
    return TRUE;
  self->screen->klass->free (self->screen);
  self->screen = NULL;
  return FALSE;
}

static void
add (LbPlaneHost *self, const LbPlaneSpec *spec, int socket)
{
  g_autoptr (GError) error = NULL;
  guint layer;

  if (!find_layer (self, spec, &layer, &error) || !ensure_screen (self, spec, &error))
    {
      refuse (socket, error->message);
      return;
    }
  if (self->faults & LB_PLANE_FAULT_LOST)
    {
      refuse (socket, self->text);
      return;
    }
  self->clients[layer] = lb_plane_client_new (socket, spec, layer, client_ended_cb, self);
  if (self->faults != 0)
    lb_plane_client_tell_faults (self->clients[layer], self->faults, self->text);
  if (self->ready && self->clients[layer] != NULL)
    lb_plane_client_be_ready (self->clients[layer], self->screen);
}

static void
quit_cb (gpointer data)
{
  LbPlaneHost *self = data;

  self->linger = 0;
  self->quit (self->data);
}

static gboolean
control_cb (gint fd, GIOCondition condition, gpointer user_data)
{
  LbPlaneHost *self = user_data;
  g_autoptr (GError) error = NULL;

  while (error == NULL)
    {
      LbPlaneMessage message;
      int socket = -1;

      if (!lb_plane_receive (fd, &message, FALSE, &socket, &error))
        break;
      if (message.kind == LB_PLANE_ADD && socket >= 0)
        {
          add (self, &message.spec, socket);
          continue;
        }
      if (socket >= 0)
        close (socket);
    }
  if (g_error_matches (error, LB_PLANE_ERROR, LB_PLANE_ERROR_AGAIN))
    return G_SOURCE_CONTINUE;
  self->source = 0;
  if (self->screen != NULL)
    self->screen->klass->black (self->screen);
  self->linger = g_timeout_add_once (LINGER_MS, quit_cb, self);
  return G_SOURCE_REMOVE;
}

LbPlaneHost *
lb_plane_host_new (int control,
                   const LbMonitorChoice *choice,
                   LbPlaneScreenFunc make_screen,
                   GSourceFunc quit,
                   gpointer data)
{
  LbPlaneHost *self = g_new0 (LbPlaneHost, 1);

  self->control = control;
  self->choice = *choice;
  self->make_screen = make_screen;
  self->text = g_strdup ("");
  self->quit = quit;
  self->data = data;
  self->source =
      g_unix_fd_add_full (G_PRIORITY_HIGH, control, G_IO_IN | G_IO_HUP | G_IO_ERR, control_cb, self, NULL);
  return self;
}

void
lb_plane_host_free (LbPlaneHost *self)
{
  g_clear_handle_id (&self->source, g_source_remove);
  g_clear_handle_id (&self->linger, g_source_remove);
  for (guint i = 0; i < LB_PLANE_MAX_LAYERS; i++)
    g_clear_pointer (&self->clients[i], lb_plane_client_free);
  if (self->screen != NULL)
    self->screen->klass->free (self->screen);
  lb_plane_lock_free (self->lock);
  close (self->control);
  g_free (self->text);
  g_free (self);
}

/* --- What a monitor must be like ---------------------------------------------------------------------------
 */

gboolean
lb_plane_wish_check (const LbPlaneWish *wish, const LbMonitor *monitor, GError **error)
{
  g_autofree char *name = lb_monitor_to_string (monitor);
  char actual[G_ASCII_DTOSTR_BUF_SIZE], wanted[G_ASCII_DTOSTR_BUF_SIZE];
  guint difference = monitor->rate_mhz > wish->rate_mhz ? monitor->rate_mhz - wish->rate_mhz
                                                        : wish->rate_mhz - monitor->rate_mhz;

  if (monitor->width != wish->width || monitor->height != wish->height)
    {
      g_set_error (
          error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
          _ ("%s: the setup says %u x %u pixels, the monitor shows %u x %u; set its resolution in the "
             "desktop's settings, or correct the setup"),
          name, wish->width, wish->height, monitor->width, monitor->height);
      return FALSE;
    }
  /* 59.94 counts as 60. */
  if (wish->rate_mhz == 0 || difference <= wish->rate_mhz / 100)
    return TRUE;
  g_set_error (
      error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
      _ ("%s: the setup says %s Hz, the monitor runs at %s Hz; set its refresh rate in the desktop's "
         "settings, or correct the setup"),
      name, g_ascii_formatd (wanted, sizeof wanted, "%.6g", wish->rate_mhz / 1000.0),
      g_ascii_formatd (actual, sizeof actual, "%.6g", monitor->rate_mhz / 1000.0));
  return FALSE;
}
