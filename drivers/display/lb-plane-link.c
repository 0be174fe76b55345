/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-plane-link.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <glib/gi18n-lib.h>

/* A wait looks after the light's lease and its cancellable this often. */
#define SLICE_US (20 * 1000)

struct _LbPlaneLink
{
  int socket;
  GThread *thread;
  LbPlaneLinkFunc alarm;
  gpointer data;
  GMutex lock;
  GCond changed;
  guint64 ticket;
  LbPlaneNews news;
  LbPlaneFaults seen; /* since they were taken last */
};

/* --- What the plane says -------------------------------------------------------------------- */

static void
note_faults (LbPlaneLink *self, LbPlaneFaults faults, const char *text)
{
  self->seen |= faults;
  self->news.faults = faults & ~(LbPlaneFaults) LB_PLANE_FAULT_STOP;
  if (faults != 0)
    g_strlcpy (self->news.text, text, sizeof self->news.text);
}

/* With the lock held. Whether it is something to be alarmed by. */
static gboolean
take (LbPlaneLink *self, const LbPlaneMessage *message)
{
  switch ((LbPlaneKind) message->kind)
    {
    case LB_PLANE_READY:
      self->news.ready = TRUE;
      self->news.monitor = *message;
      return FALSE;
    case LB_PLANE_PRESENTED:
      self->news.presented = MAX (self->news.presented, message->ticket);
      self->news.presented_us = message->time_us;
      self->news.stamp = message->stamp;
      return FALSE;
    case LB_PLANE_WAS_READ:
    case LB_PLANE_CHECKED:
      self->news.answered = message->ticket;
      self->news.answer = *message;
      return FALSE;
    default:
      note_faults (self, message->faults, message->text);
      return TRUE;
    }
}

static void
note_end (LbPlaneLink *self, const GError *error)
{
  self->news.closed = TRUE;
  /* What it said before says more. */
  if ((self->news.faults & LB_PLANE_FAULT_LOST) == 0)
    note_faults (self, LB_PLANE_FAULT_LOST,
                 g_error_matches (error, LB_PLANE_ERROR, LB_PLANE_ERROR_CLOSED)
                     ? _ ("the program that shows the patterns has ended; connect again")
                     : error->message);
}

static gpointer
link_thread (gpointer user_data)
{
  LbPlaneLink *self = user_data;
  gboolean closed = FALSE;

  while (!closed)
    {
      struct pollfd poll_fd = { self->socket, POLLIN, 0 };
      g_autoptr (GError) error = NULL;
      LbPlaneMessage message;
      gboolean alarming = FALSE, got;

      poll (&poll_fd, 1, -1);
      got = lb_plane_receive (self->socket, &message, TRUE, NULL, &error);
      if (!got && g_error_matches (error, LB_PLANE_ERROR, LB_PLANE_ERROR_AGAIN))
        continue;
      g_mutex_lock (&self->lock);
      if (got)
        alarming = take (self, &message);
      else
        note_end (self, error);
      alarming |= closed = !got;
      g_cond_broadcast (&self->changed);
      g_mutex_unlock (&self->lock);
      if (alarming)
        self->alarm (self, self->data);
    }
  return NULL;
}

LbPlaneLink *
lb_plane_link_new (int socket, LbPlaneLinkFunc alarm, gpointer data)
{
  LbPlaneLink *self = g_new0 (LbPlaneLink, 1);

  self->socket = socket;
  self->alarm = alarm;
  self->data = data;
  g_mutex_init (&self->lock);
  g_cond_init (&self->changed);
  self->thread = g_thread_new ("lb-plane-link", link_thread, self);
  return self;
}

void
lb_plane_link_free (LbPlaneLink *self)
{
  if (self == NULL)
    return;
  /* End of file on both sides: the thread leaves, the plane is black. */
  shutdown (self->socket, SHUT_RDWR);
  g_thread_join (self->thread);
  close (self->socket);
  g_mutex_clear (&self->lock);
  g_cond_clear (&self->changed);
  g_free (self);
}

/* --- What the program asks --------------------------------------------------------------------- */

void
lb_plane_link_get_news (LbPlaneLink *self, LbPlaneNews *news)
{
  g_mutex_lock (&self->lock);
  *news = self->news;
  g_mutex_unlock (&self->lock);
}

LbPlaneFaults
lb_plane_link_take_faults (LbPlaneLink *self, char **text)
{
  LbPlaneFaults faults;

  g_mutex_lock (&self->lock);
  faults = self->news.faults | self->seen;
  self->seen = 0;
  *text = g_strdup (self->news.text);
  g_mutex_unlock (&self->lock);
  return faults;
}

guint64
lb_plane_link_send (LbPlaneLink *self, LbPlaneMessage *message, int fd, GError **error)
{
  guint64 ticket;

  /* Under the lock, which is held for moments: tickets leave in their order. */
  g_mutex_lock (&self->lock);
  ticket = message->ticket = ++self->ticket;
  if (!lb_plane_send (self->socket, message, fd, error))
    ticket = 0;
  g_mutex_unlock (&self->lock);
  return ticket;
}

static gboolean
may_go_on (LbDevice *device, const char *what, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  if (g_cancellable_is_cancelled (cancellable))
    g_set_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_CANCELLED, _ ("%s: cancelled"), what);
  else if (deadline_us >= 0 && g_get_monotonic_time () > deadline_us)
    g_set_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_TIMEOUT,
                 _ ("%s: the program that shows the patterns did not answer in time; is the desktop busy?"),
                 what);
  else
    return lb_device_waiting (device, error);
  return FALSE;
}

gboolean
lb_plane_link_wait (LbPlaneLink *self,
                    LbDevice *device,
                    const char *what,
                    LbPlaneLinkTest test,
                    guint64 ticket,
                    LbPlaneNews *news,
                    GCancellable *cancellable,
                    gint64 deadline_us,
                    GError **error)
{
  gboolean done, closed;

  for (;;)
    {
      gint64 until_us = g_get_monotonic_time () + SLICE_US;

      if (deadline_us >= 0)
        until_us = MIN (until_us, deadline_us + 1);
      g_mutex_lock (&self->lock);
      done = test (&self->news, ticket);
      if (!done && !self->news.closed)
        {
          g_cond_wait_until (&self->changed, &self->lock, until_us);
          done = test (&self->news, ticket);
        }
      closed = self->news.closed;
      *news = self->news;
      g_mutex_unlock (&self->lock);
      if (done)
        return TRUE;
      if (closed)
        {
          g_set_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_ABSENT, "%s: %s", what, news->text);
          return FALSE;
        }
      if (!may_go_on (device, what, cancellable, deadline_us, error))
        return FALSE;
    }
}
