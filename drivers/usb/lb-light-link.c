/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-light-link.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <glib/gi18n-lib.h>

/* The descriptors as the process sees them. */
#define CHILD_CONTROL 3
#define CHILD_STOP 4
#define CHILD_STATUS 5

/* The process answers by the deadline; its answer takes this at most. */
#define GRACE_US (80 * 1000)
#define DEFAULT_US (5 * G_USEC_PER_SEC)
/* How often a wait looks around. */
#define LOOK_US (50 * 1000)
/* How often a lease is renewed while light is being switched on. */
#define RENEW_US (200 * 1000)

struct _LbLightLink
{
  GSubprocess *process;
  int control_fd;        /* -1: none */
  int stop_fd;           /* the same number from the first start on: other threads use it */
  LbLightStatus *status; /* mapped */
  int status_fd;
  atomic_int running;
  atomic_uint_fast64_t stop_generation; /* of the last STOP */
  guint64 serial;                       /* of the last request */
  GArray *waiting;                      /* guint64: serials of requests under way */
  GQueue replies;                       /* of LbLightReply: for a request further out */
};

LbLightLink *
lb_light_link_new (void)
{
  LbLightLink *self = g_new0 (LbLightLink, 1);

  self->control_fd = self->stop_fd = -1;
  self->status_fd = memfd_create ("lightbench-light", MFD_CLOEXEC);
  if (self->status_fd >= 0 && ftruncate (self->status_fd, sizeof (LbLightStatus)) == 0)
    self->status =
        mmap (NULL, sizeof (LbLightStatus), PROT_READ | PROT_WRITE, MAP_SHARED, self->status_fd, 0);
  if (self->status == NULL || self->status == MAP_FAILED)
    g_error ("no memory to share with lightbench-light");
  self->waiting = g_array_new (FALSE, FALSE, sizeof (guint64));
  g_queue_init (&self->replies);
  return self;
}

void
lb_light_link_free (LbLightLink *self)
{
  if (self == NULL)
    return;
  lb_light_link_end (self, g_get_monotonic_time () + G_USEC_PER_SEC, NULL);
  if (self->stop_fd >= 0)
    close (self->stop_fd);
  munmap (self->status, sizeof (LbLightStatus));
  close (self->status_fd);
  g_array_unref (self->waiting);
  g_queue_clear_full (&self->replies, g_free);
  g_free (self);
}

/* --- The process --------------------------------------------------------------------------- */

/* STOP may be sent to it in this moment: the number stays, what it stands for changes. */
static gboolean
replace_stop_fd (LbLightLink *self, int fd)
{
  if (self->stop_fd < 0)
    {
      self->stop_fd = fd;
      return TRUE;
    }
  if (dup3 (fd, self->stop_fd, O_CLOEXEC) < 0)
    return FALSE;
  close (fd);
  return TRUE;
}

static GSubprocess *
spawn (LbLightLink *self, GPtrArray *arguments, int control_fd, int stop_fd, GError **error)
{
  g_autoptr (GSubprocessLauncher) launcher = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_NONE);

  g_ptr_array_add (arguments, g_strdup_printf ("--control-fd=%d", CHILD_CONTROL));
  g_ptr_array_add (arguments, g_strdup_printf ("--stop-fd=%d", CHILD_STOP));
  g_ptr_array_add (arguments, g_strdup_printf ("--status-fd=%d", CHILD_STATUS));
  g_ptr_array_add (arguments, NULL);
  g_subprocess_launcher_take_fd (launcher, control_fd, CHILD_CONTROL);
  g_subprocess_launcher_take_fd (launcher, stop_fd, CHILD_STOP);
  g_subprocess_launcher_take_fd (launcher, fcntl (self->status_fd, F_DUPFD_CLOEXEC, 0), CHILD_STATUS);
  return g_subprocess_launcher_spawnv (launcher, (const char *const *) arguments->pdata, error);
}

static gboolean
no_sockets (GError **error)
{
  int code = errno;

  g_set_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_FAULTED, _ ("lightbench-light cannot be reached: %s"),
               g_strerror (code));
  return FALSE;
}

gboolean
lb_light_link_start (LbLightLink *self, GPtrArray *arguments, GError **error)
{
  const int kind = SOCK_SEQPACKET | SOCK_CLOEXEC;
  g_autofree char *program = g_strdup (g_ptr_array_index (arguments, 0));
  int control[2], stop[2];

  lb_light_link_end (self, g_get_monotonic_time () + G_USEC_PER_SEC, NULL);
  if (socketpair (AF_UNIX, kind, 0, control) < 0)
    return no_sockets (error);
  if (socketpair (AF_UNIX, kind, 0, stop) < 0)
    {
      close (control[0]);
      close (control[1]);
      return no_sockets (error);
    }
  /* What the device does is not known until the process has asked it. */
  atomic_store (&self->status->may_be_on, 1);
  atomic_store (&self->status->generation, 0);
  self->process = spawn (self, arguments, control[1], stop[1], error);
  if (self->process == NULL || !replace_stop_fd (self, stop[0]))
    {
      close (control[0]);
      close (stop[0]);
      g_clear_object (&self->process);
      g_prefix_error (error, _ ("the light source cannot be opened, because %s cannot be started: "),
                      program);
      return FALSE;
    }
  self->control_fd = control[0];
  atomic_store (&self->running, TRUE);
  return TRUE;
}

/* Its end of the socket closes when it has ended. */
static gboolean
wait_ended (LbLightLink *self, gint64 deadline_us)
{
  for (;;)
    {
      struct pollfd fd = { self->control_fd, POLLIN, 0 };
      gint64 left_us = deadline_us - g_get_monotonic_time ();
      LbLightReply reply;

      if (left_us <= 0 || poll (&fd, 1, (int) ((left_us + 999) / 1000)) == 0)
        return FALSE;
      if (fd.revents != 0 && recv (self->control_fd, &reply, sizeof reply, MSG_DONTWAIT) <= 0)
        return TRUE;
    }
}

gboolean
lb_light_link_end (LbLightLink *self, gint64 deadline_us, GError **error)
{
  gboolean ended;

  if (self->process == NULL)
    return TRUE;
  /* End-of-file: it switches off and ends. */
  shutdown (self->stop_fd, SHUT_RDWR);
  shutdown (self->control_fd, SHUT_WR);
  ended = wait_ended (self, deadline_us);
  close (self->control_fd);
  self->control_fd = -1;
  g_queue_clear_full (&self->replies, g_free);
  g_clear_object (&self->process);
  atomic_store (&self->running, FALSE);
  if (ended && atomic_load (&self->status->may_be_on) == 0)
    return TRUE;
  g_set_error_literal (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_FAULTED,
                       _ ("the light source does not confirm that it is off: use the key switch"));
  return FALSE;
}

gboolean
lb_light_link_check (LbLightLink *self, const char *what, GError **error)
{
  if (self->process != NULL)
    return TRUE;
  g_set_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_ABSENT,
               _ ("%s: the light source is not open; connect the bench"), what);
  return FALSE;
}

int
lb_light_link_get_pid (LbLightLink *self)
{
  const char *text = self->process != NULL ? g_subprocess_get_identifier (self->process) : NULL;

  return text != NULL ? atoi (text) : 0;
}

/* --- Requests -------------------------------------------------------------------------------- */

static gboolean
ended_by_itself (GError **error)
{
  g_set_error_literal (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_FAULTED,
                       _ ("lightbench-light has ended; disconnect the bench and connect it again"));
  return FALSE;
}

static gboolean
send_request (LbLightLink *self, LbLightRequest *request, gboolean wants_reply, GError **error)
{
  request->protocol = LB_LIGHT_PROTOCOL;
  request->serial = wants_reply ? ++self->serial : 0;
  if (send (self->control_fd, request, sizeof *request, MSG_DONTWAIT | MSG_NOSIGNAL) == sizeof *request)
    return TRUE;
  return errno == EAGAIN ? no_sockets (error) : ended_by_itself (error);
}

static gboolean
is_waited_for (LbLightLink *self, guint64 serial)
{
  for (guint i = 0; i < self->waiting->len; i++)
    if (g_array_index (self->waiting, guint64, i) == serial)
      return TRUE;
  return FALSE;
}

static gboolean
take_kept (LbLightLink *self, guint64 serial, LbLightReply *reply)
{
  for (GList *link = self->replies.head; link != NULL; link = link->next)
    {
      LbLightReply *kept = link->data;

      if (kept->serial != serial)
        continue;
      *reply = *kept;
      g_free (kept);
      g_queue_delete_link (&self->replies, link);
      return TRUE;
    }
  return FALSE;
}

/* Takes what has come. *@got: the reply with @serial. FALSE: the process has ended. */
static gboolean
receive (LbLightLink *self, guint64 serial, LbLightReply *reply, gboolean *got)
{
  ssize_t length;

  *got = take_kept (self, serial, reply);
  while (!*got && (length = recv (self->control_fd, reply, sizeof *reply, MSG_DONTWAIT)) != 0)
    {
      if (length < 0)
        return errno == EAGAIN || errno == EINTR;
      *got = length == sizeof *reply && reply->serial == serial;
      /* Replies to requests that were given up are dropped. */
      if (!*got && length == sizeof *reply && is_waited_for (self, reply->serial))
        g_queue_push_tail (&self->replies, g_memdup2 (reply, sizeof *reply));
    }
  return *got;
}

static void
poll_reply (LbLightLink *self, GCancellable *cancellable, gint64 until_us)
{
  GPollFD fds[2] = { { self->control_fd, G_IO_IN, 0 } };
  gint64 left_us = CLAMP (until_us - g_get_monotonic_time (), 0, LOOK_US);
  gboolean has_fd = cancellable != NULL && g_cancellable_make_pollfd (cancellable, &fds[1]);

  g_poll (fds, has_fd ? 2 : 1, (int) ((left_us + 999) / 1000));
  if (has_fd)
    g_cancellable_release_fd (cancellable);
}

/* Going on takes a while, and the light may be on already: its lease goes on for as
 * long as this thread does. */
static void
keep_lease (LbLightLink *self, const LbLightRequest *request, gint64 *renewed_us)
{
  LbLightRequest renewal = *request;
  gint64 now_us = g_get_monotonic_time ();

  if (request->kind != LB_LIGHT_HOLD || now_us < *renewed_us + RENEW_US)
    return;
  *renewed_us = now_us;
  renewal.kind = LB_LIGHT_RENEW;
  send_request (self, &renewal, FALSE, NULL);
}

static gboolean
wait_reply (LbLightLink *self,
            const LbLightRequest *request,
            LbLightReply *reply,
            LbDevice *device,
            GCancellable *cancellable,
            GError **error)
{
  gint64 renewed_us = g_get_monotonic_time ();
  gint64 until_us = request->deadline_us >= 0 ? request->deadline_us : renewed_us + DEFAULT_US;

  for (;;)
    {
      gboolean got;

      if (!receive (self, request->serial, reply, &got))
        return ended_by_itself (error);
      if (got)
        return TRUE;
      if (g_cancellable_is_cancelled (cancellable))
        {
          g_set_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_CANCELLED, _ ("%s: cancelled"), "light");
          return FALSE;
        }
      if (g_get_monotonic_time () >= until_us + GRACE_US)
        {
          g_set_error_literal (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_TIMEOUT,
                               _ ("lightbench-light did not answer in time"));
          return FALSE;
        }
      poll_reply (self, cancellable, until_us + GRACE_US);
      keep_lease (self, request, &renewed_us);
      /* Switching off is waited for, whatever becomes of the action. */
      if (request->kind != LB_LIGHT_EXTINGUISH && !lb_device_waiting (device, error))
        return FALSE;
    }
}

gboolean
lb_light_link_request (LbLightLink *self,
                       LbLightRequest *request,
                       LbLightReply *reply,
                       LbDevice *device,
                       GCancellable *cancellable,
                       GError **error)
{
  gboolean got;

  if (!lb_light_link_check (self, "light", error) || !send_request (self, request, TRUE, error))
    return FALSE;
  g_array_append_val (self->waiting, request->serial);
  got = wait_reply (self, request, reply, device, cancellable, error);
  g_array_set_size (self->waiting, self->waiting->len - 1);
  if (!got)
    return FALSE;
  if (reply->code == -1)
    return TRUE;
  g_set_error (error, LB_DEVICE_ERROR, reply->code, "%.*s", (int) sizeof reply->message, reply->message);
  return FALSE;
}

/* --- STOP --------------------------------------------------------------------------------------- */

void
lb_light_link_stop (LbLightLink *self, guint64 generation)
{
  const LbLightRequest request = { .protocol = LB_LIGHT_PROTOCOL,
                                   .kind = LB_LIGHT_STOP,
                                   .generation = generation };
  guint64 known = atomic_load (&self->stop_generation);

  while (known < generation && !atomic_compare_exchange_weak (&self->stop_generation, &known, generation))
    ;
  if (atomic_load (&self->running))
    send (self->stop_fd, &request, sizeof request, MSG_DONTWAIT | MSG_NOSIGNAL);
}

gboolean
lb_light_link_is_confirmed_off (LbLightLink *self)
{
  if (atomic_load (&self->status->may_be_on) != 0)
    return FALSE;
  return !atomic_load (&self->running) ||
         atomic_load (&self->status->generation) >= atomic_load (&self->stop_generation);
}
