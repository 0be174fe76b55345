/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>
#include <unistd.h>

#include <glib/gi18n-lib.h>

#include "lb-display-private.h"
#include "lb-plane-link.h"
#include "lb-plane-process.h"

/* A plane on a monitor, as a client of the program that shows its patterns. */

#define LB_TYPE_DISPLAY_MODULATOR (lb_display_modulator_get_type ())
G_DECLARE_FINAL_TYPE (LbDisplayModulator, lb_display_modulator, LB, DISPLAY_MODULATOR, LbModulator)

struct _LbDisplayModulator
{
  LbModulator parent_instance;
  LbRole role;
  LbClock *clock;
  LbDisplayOptions options;
  guint width, height; /* of patterns */

  GMutex lock;       /* over the link's coming and going; held for moments */
  LbPlaneLink *link; /* NULL: not open */

  /* Of the worker alone. */
  LbPlaneProcess *process;
  guint8 *data;                          /* the memory for patterns */
  gsize bytes;                           /* of one of them */
  guint64 tickets[LB_PLANE_READ_BUFFER]; /* that a buffer was last shown under; 0: none */
  guint next;
  guint64 sequence, ticket; /* of what was shown last */
};

G_DEFINE_FINAL_TYPE (LbDisplayModulator, lb_display_modulator, LB_TYPE_MODULATOR)

/* --- Faults --------------------------------------------------------------------------------- */

static gboolean
fail (LbDisplayModulator *self, LbPlaneFaults faults, const char *what, const char *text, GError **error)
{
  LbDeviceError code = faults & LB_PLANE_FAULT_LOST      ? LB_DEVICE_ERROR_LOST
                       : faults & LB_PLANE_FAULT_COVERED ? LB_DEVICE_ERROR_COVERED
                                                         : LB_DEVICE_ERROR_GAMMA;

  g_set_error (error, LB_DEVICE_ERROR, code, "%s: %s", what, text);
  return FALSE;
}

static LbModulatorFaults
to_modulator_faults (LbPlaneFaults faults)
{
  return (faults & LB_PLANE_FAULT_COVERED ? LB_MODULATOR_FAULT_COVERED : 0) |
         (faults & LB_PLANE_FAULT_GAMMA ? LB_MODULATOR_FAULT_GAMMA : 0) |
         (faults & LB_PLANE_FAULT_LOST ? LB_MODULATOR_FAULT_LOST : 0) |
         (faults & LB_PLANE_FAULT_STOP ? LB_MODULATOR_FAULT_STOP : 0);
}

/* In the link's thread, which ends before the link does. */
static void
alarm_cb (LbPlaneLink *link, gpointer data)
{
  LbDisplayModulator *self = data;
  LbPlaneNews news;

  lb_plane_link_get_news (link, &news);
  if (news.closed || (news.faults & LB_PLANE_FAULT_LOST))
    lb_device_set_state (LB_DEVICE (self), LB_DEVICE_ABSENT);
  lb_modulator_alarm (LB_MODULATOR (self));
}

static gboolean
check_open (LbDisplayModulator *self, const char *what, GError **error)
{
  LbPlaneNews news;

  if (self->link == NULL)
    {
      g_set_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_ABSENT,
                   _ ("%s: the plane is not open (%s): connect the bench"), what,
                   lb_role_get_name (self->role));
      return FALSE;
    }
  lb_plane_link_get_news (self->link, &news);
  return news.faults == 0 || fail (self, news.faults, what, news.text, error);
}

static guint64
send (LbDisplayModulator *self, LbPlaneKind kind, guint buffer, const char *what, GError **error)
{
  g_autoptr (GError) local_error = NULL;
  LbPlaneMessage message;
  guint64 ticket;

  lb_plane_message_init (&message, kind);
  message.buffer = buffer;
  ticket = lb_plane_link_send (self->link, &message, -1, &local_error);
  if (ticket == 0)
    g_set_error (error, LB_DEVICE_ERROR,
                 g_error_matches (local_error, LB_PLANE_ERROR, LB_PLANE_ERROR_AGAIN) ? LB_DEVICE_ERROR_TIMEOUT
                                                                                     : LB_DEVICE_ERROR_LOST,
                 "%s: %s", what, local_error->message);
  return ticket;
}

/* --- Open and close ---------------------------------------------------------------------------- */

static gboolean
is_settled (const LbPlaneNews *news, guint64 ticket)
{
  return news->ready || news->faults != 0;
}

static gboolean
was_presented (const LbPlaneNews *news, guint64 ticket)
{
  return news->presented >= ticket || news->faults != 0;
}

/* Black is black, whatever the gamma ramp. */
static gboolean
was_blanked (const LbPlaneNews *news, guint64 ticket)
{
  return news->presented >= ticket || (news->faults & (LB_PLANE_FAULT_LOST | LB_PLANE_FAULT_COVERED)) != 0;
}

static gboolean
was_answered (const LbPlaneNews *news, guint64 ticket)
{
  return news->answered == ticket;
}

static gboolean
wait_ready (LbDisplayModulator *self, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  LbPlaneNews news;

  if (!lb_plane_link_wait (self->link, LB_DEVICE (self), "open", is_settled, 0, &news, cancellable,
                           deadline_us, error))
    return FALSE;
  if (!news.ready)
    {
      /* Nothing was there to be lost. */
      g_set_error (error, LB_DEVICE_ERROR,
                   news.faults & LB_PLANE_FAULT_LOST    ? LB_DEVICE_ERROR_ABSENT
                   : news.faults & LB_PLANE_FAULT_GAMMA ? LB_DEVICE_ERROR_GAMMA
                                                        : LB_DEVICE_ERROR_COVERED,
                   "open: %s", news.text);
      return FALSE;
    }
  if (news.faults != 0)
    return fail (self, news.faults, "open", news.text, error);
  if (news.monitor.width == self->width && news.monitor.height == self->height)
    return TRUE;
  g_set_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_PROTOCOL,
               _ ("open: the program that shows the patterns makes a plane of %u x %u, not %u x %u"),
               news.monitor.width, news.monitor.height, self->width, self->height);
  return FALSE;
}

static gboolean
share_memory (LbDisplayModulator *self, GError **error)
{
  g_autoptr (GError) local_error = NULL;
  LbPlaneMessage message;
  guint64 ticket = 0;
  int fd;

  self->bytes = (gsize) self->width * self->height;
  fd = lb_plane_memory_new (self->bytes, &self->data, &local_error);
  if (fd >= 0)
    {
      lb_plane_message_init (&message, LB_PLANE_BUFFERS_ARE);
      message.width = self->width;
      message.height = self->height;
      ticket = lb_plane_link_send (self->link, &message, fd, &local_error);
      close (fd);
    }
  if (ticket != 0)
    return TRUE;
  g_set_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_FAULTED, "open: %s", local_error->message);
  return FALSE;
}

static void
give_up (LbDisplayModulator *self)
{
  LbPlaneLink *link;

  g_mutex_lock (&self->lock);
  link = g_steal_pointer (&self->link);
  g_mutex_unlock (&self->lock);
  if (link == NULL)
    return;
  lb_plane_link_free (link);
  g_clear_pointer (&self->process, lb_plane_process_leave);
  lb_plane_memory_unmap (self->data, self->bytes);
  self->data = NULL;
}

static gboolean
blank (LbDisplayModulator *self, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  guint64 ticket = send (self, LB_PLANE_BLANK, 0, "blank", error);
  LbPlaneNews news;

  if (ticket == 0 || !lb_plane_link_wait (self->link, LB_DEVICE (self), "blank", was_blanked, ticket, &news,
                                          cancellable, deadline_us, error))
    return FALSE;
  return news.presented >= ticket || fail (self, news.faults, "blank", news.text, error);
}

static gboolean
modulator_open (LbDevice *device, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  LbDisplayModulator *self = LB_DISPLAY_MODULATOR (device);
  g_autoptr (GError) local_error = NULL;
  LbPlaneLink *link;
  int socket;

  give_up (self);
  self->process = lb_plane_process_join (&self->options, &socket, &local_error);
  if (self->process == NULL)
    {
      g_set_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_ACCESS, "open: %s", local_error->message);
      return FALSE;
    }
  memset (self->tickets, 0, sizeof self->tickets);
  self->ticket = self->sequence = 0;
  link = lb_plane_link_new (socket, alarm_cb, self);
  g_mutex_lock (&self->lock);
  self->link = link;
  g_mutex_unlock (&self->lock);
  if (wait_ready (self, cancellable, deadline_us, error) && share_memory (self, error) &&
      blank (self, cancellable, deadline_us, error))
    {
      lb_device_set_state (device, LB_DEVICE_CONNECTED);
      return TRUE;
    }
  give_up (self);
  lb_device_set_state (device, LB_DEVICE_ABSENT);
  return FALSE;
}

static gboolean
modulator_close (LbDevice *device, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  give_up (LB_DISPLAY_MODULATOR (device));
  lb_device_set_state (device, LB_DEVICE_ABSENT);
  return TRUE;
}

static LbIdentity *
modulator_get_identity (LbDevice *device, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  LbDisplayModulator *self = LB_DISPLAY_MODULATOR (device);
  const LbPlaneSpec *spec = &self->options.spec;
  g_auto (GStrv) lines = NULL;
  g_autofree char *model = NULL;
  LbPlaneNews news;

  if (!check_open (self, "identity", error))
    return NULL;
  lb_plane_link_get_news (self->link, &news);
  lines = g_strsplit (news.monitor.text, "\n", 5);
  if (g_strv_length (lines) != 5)
    {
      g_set_error_literal (
          error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_PROTOCOL,
          _ ("identity: the program that shows the patterns does not say which monitor it has"));
      return NULL;
    }
  /* A calibration holds for this part of it, fed this way. */
  model =
      g_strdup_printf ("%s %u x %u at %u, %u, %s", lines[1][0] != '\0' ? lines[1] : "monitor", spec->width,
                       spec->height, spec->x, spec->y, lb_plane_channels_get_name (spec->channels));
  return lb_identity_new (lb_display_driver.name, lines[0], model, lines[2][0] != '\0' ? lines[2] : lines[3],
                          NULL);
}

/* --- Patterns ------------------------------------------------------------------------------------ */

static gboolean
modulator_get_caps (LbModulator *modulator,
                    LbModulatorCaps *caps,
                    GCancellable *cancellable,
                    gint64 deadline_us,
                    GError **error)
{
  LbDisplayModulator *self = LB_DISPLAY_MODULATOR (modulator);
  LbPlaneNews news;

  if (!check_open (self, "get caps", error))
    return FALSE;
  lb_plane_link_get_news (self->link, &news);
  *caps = (LbModulatorCaps){ self->width, self->height, 256, news.monitor.rate_mhz / 1000.0,
                             (LbTimeStampKind) news.monitor.stamp };
  return TRUE;
}

static gboolean
check_size (LbDisplayModulator *self, const LbPattern *pattern, GError **error)
{
  if (pattern->width == self->width && pattern->height == self->height)
    return TRUE;
  g_set_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_SIZE,
               _ ("show: the pattern is %u x %u, the %s plane %u x %u"), pattern->width, pattern->height,
               lb_role_get_name (self->role), self->width, self->height);
  return FALSE;
}

/* A buffer may be written once what it last held, or something later, was presented. */
static gboolean
wait_buffer (
    LbDisplayModulator *self, guint buffer, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  LbPlaneNews news;

  return self->tickets[buffer] == 0 ||
         lb_plane_link_wait (self->link, LB_DEVICE (self), "show", was_presented, self->tickets[buffer],
                             &news, cancellable, deadline_us, error);
}

static gboolean
modulator_show (LbModulator *modulator,
                LbPattern *pattern,
                guint64 sequence,
                GCancellable *cancellable,
                gint64 deadline_us,
                GError **error)
{
  LbDisplayModulator *self = LB_DISPLAY_MODULATOR (modulator);
  guint buffer = self->next;

  if (!check_size (self, pattern, error) || !check_open (self, "show", error) ||
      !wait_buffer (self, buffer, cancellable, deadline_us, error))
    return FALSE;
  memcpy (self->data + buffer * self->bytes, pattern->data, self->bytes);
  self->tickets[buffer] = send (self, LB_PLANE_SHOW, buffer, "show", error);
  if (self->tickets[buffer] == 0)
    return FALSE;
  self->ticket = self->tickets[buffer];
  self->sequence = sequence;
  self->next = (buffer + 1) % LB_PLANE_READ_BUFFER;
  lb_device_set_state (LB_DEVICE (self), LB_DEVICE_RUNNING);
  return TRUE;
}

static gboolean
modulator_wait_presented (LbModulator *modulator,
                          guint64 sequence,
                          gint64 *time_us,
                          GCancellable *cancellable,
                          gint64 deadline_us,
                          GError **error)
{
  LbDisplayModulator *self = LB_DISPLAY_MODULATOR (modulator);
  LbPlaneNews news;

  if (!check_open (self, "wait presented", error))
    return FALSE;
  if (self->ticket == 0 || sequence != self->sequence)
    {
      g_autofree char *number = g_strdup_printf ("%" G_GUINT64_FORMAT, sequence);

      g_set_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_PROTOCOL,
                   _ ("wait presented: pattern %s was not shown last on the %s plane"), number,
                   lb_role_get_name (self->role));
      return FALSE;
    }
  if (!lb_plane_link_wait (self->link, LB_DEVICE (self), "wait presented", was_presented, self->ticket, &news,
                           cancellable, deadline_us, error))
    return FALSE;
  if (news.faults != 0)
    return fail (self, news.faults, "wait presented", news.text, error);
  if (time_us != NULL)
    *time_us = lb_clock_now_us (self->clock) - (g_get_monotonic_time () - news.presented_us);
  return TRUE;
}

static gboolean
modulator_blank (LbModulator *modulator, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  LbDisplayModulator *self = LB_DISPLAY_MODULATOR (modulator);

  self->ticket = 0;
  /* A plane that is gone, or hidden, is black. */
  if (self->link == NULL)
    return check_open (self, "blank", error);
  if (!blank (self, cancellable, deadline_us, error))
    return FALSE;
  lb_device_set_state (LB_DEVICE (self), LB_DEVICE_CONNECTED);
  return TRUE;
}

static void
modulator_blank_now (LbModulator *modulator)
{
  LbDisplayModulator *self = LB_DISPLAY_MODULATOR (modulator);
  LbPlaneMessage message;

  lb_plane_message_init (&message, LB_PLANE_BLANK);
  g_mutex_lock (&self->lock);
  if (self->link != NULL)
    lb_plane_link_send (self->link, &message, -1, NULL);
  g_mutex_unlock (&self->lock);
}

/* --- What stands there ------------------------------------------------------------------------------ */

static gboolean
check_read (const LbPlaneNews *news, gsize pixels, GError **error)
{
  g_autofree char *wrong = NULL;
  g_autofree char *all = NULL;

  if (news->answer.text[0] != '\0')
    {
      g_set_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_UNSUPPORTED, "read back: %s", news->answer.text);
      return FALSE;
    }
  if (news->answer.wrong == 0)
    return TRUE;
  wrong = g_strdup_printf ("%" G_GUINT64_FORMAT, news->answer.wrong);
  all = g_strdup_printf ("%" G_GSIZE_FORMAT, pixels);
  g_set_error (
      error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_COVERED,
      _ ("read back: %s of %s pixels have a colour that is no level of the plane; does another window "
         "cover it, or a filter change its colours?"),
      wrong, all);
  return FALSE;
}

static LbPattern *
modulator_read_back (LbModulator *modulator, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  LbDisplayModulator *self = LB_DISPLAY_MODULATOR (modulator);
  LbPlaneNews news;
  guint64 ticket;

  if (!check_open (self, "read back", error))
    return NULL;
  ticket = send (self, LB_PLANE_READ, 0, "read back", error);
  if (ticket == 0 || !lb_plane_link_wait (self->link, LB_DEVICE (self), "read back", was_answered, ticket,
                                          &news, cancellable, deadline_us, error))
    return NULL;
  if (!check_read (&news, self->bytes, error))
    return NULL;
  return lb_pattern_new_take (self->width, self->height,
                              g_memdup2 (self->data + LB_PLANE_READ_BUFFER * self->bytes, self->bytes));
}

static gboolean
modulator_check (LbModulator *modulator,
                 LbModulatorFaults *faults,
                 GCancellable *cancellable,
                 gint64 deadline_us,
                 GError **error)
{
  LbDisplayModulator *self = LB_DISPLAY_MODULATOR (modulator);
  LbPlaneNews news;
  guint64 ticket;

  if (self->link == NULL)
    return check_open (self, "check", error);
  lb_plane_link_get_news (self->link, &news);
  if (!news.closed)
    {
      ticket = send (self, LB_PLANE_CHECK, 0, "check", error);
      if (ticket == 0 || !lb_plane_link_wait (self->link, LB_DEVICE (self), "check", was_answered, ticket,
                                              &news, cancellable, deadline_us, error))
        return FALSE;
      news.faults |= news.answer.faults;
    }
  *faults = to_modulator_faults (news.faults);
  return TRUE;
}

static LbModulatorFaults
modulator_peek (LbModulator *modulator, char **text)
{
  LbDisplayModulator *self = LB_DISPLAY_MODULATOR (modulator);
  LbPlaneFaults faults = 0;

  g_mutex_lock (&self->lock);
  if (self->link != NULL)
    faults = lb_plane_link_take_faults (self->link, text);
  g_mutex_unlock (&self->lock);
  return to_modulator_faults (faults);
}

/* --- Making one -------------------------------------------------------------------------------------- */

static void
lb_display_modulator_finalize (GObject *object)
{
  LbDisplayModulator *self = LB_DISPLAY_MODULATOR (object);

  give_up (self);
  lb_display_options_clear (&self->options);
  g_clear_object (&self->clock);
  g_mutex_clear (&self->lock);
  G_OBJECT_CLASS (lb_display_modulator_parent_class)->finalize (object);
}

static void
lb_display_modulator_class_init (LbDisplayModulatorClass *klass)
{
  LbDeviceClass *device_class = LB_DEVICE_CLASS (klass);
  LbModulatorClass *modulator_class = LB_MODULATOR_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = lb_display_modulator_finalize;
  device_class->open = modulator_open;
  device_class->close = modulator_close;
  device_class->get_identity = modulator_get_identity;
  modulator_class->get_caps = modulator_get_caps;
  modulator_class->show = modulator_show;
  modulator_class->wait_presented = modulator_wait_presented;
  modulator_class->blank = modulator_blank;
  modulator_class->blank_now = modulator_blank_now;
  modulator_class->read_back = modulator_read_back;
  modulator_class->check = modulator_check;
  modulator_class->peek = modulator_peek;
}

static void
lb_display_modulator_init (LbDisplayModulator *self)
{
  g_mutex_init (&self->lock);
}

LbDevice *
lb_display_modulator_new (LbRole role, LbClock *clock, LbDisplayOptions *options)
{
  LbDisplayModulator *self = g_object_new (LB_TYPE_DISPLAY_MODULATOR, NULL);

  self->role = role;
  self->clock = g_object_ref (clock);
  self->options = *options;
  *options = (LbDisplayOptions){ 0 };
  lb_plane_spec_get_pattern_size (&self->options.spec, &self->width, &self->height);
  return LB_DEVICE (self);
}
