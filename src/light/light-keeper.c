/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "light-keeper.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

#include <glib/gi18n.h>

/* How long the device may take to answer, whatever it is asked. */
#define ANSWER_US G_USEC_PER_SEC
/* While it is lit: how often it is looked at, and how long it may be silent until it
 * is told to be off, before all else that helps. Together less than 0.5 s. */
#define LOOK_US (50 * 1000)
#define SILENCE_US (350 * 1000)
/* A query that fails at once, by a STALL or a spoilt answer, is asked so often. */
#define LOOKS_MAX 3
/* For that where nothing else has helped. */
#define SHOUT_US (20 * 1000)
/* For switching off, reading back included; then again, after a pause. */
#define OFF_US (300 * 1000)
#define OFF_PAUSE_US (50 * 1000)

struct _LightKeeper
{
  const LbUsbModel *model;
  char *serial;
  LbScpiLightOptions options;
  LbLightStatus *status;
  int wake_fd;
  GThread *thread;

  /* Of the device's thread alone. */
  LbScpiLight *light; /* NULL: not open */

  /* Guards what follows; never held over a call of the device. */
  GMutex lock;
  GCond changed;
  GQueue requests, replies;     /* of LbLightRequest, LbLightReply */
  GCancellable *cancellable;    /* of the request that is being done; NULL: none */
  guint64 off_wanted, off_done; /* counts of switching off: wanted, and done */
  guint64 generation;           /* older ones are refused */
  gboolean lit;                 /* the device has been told to be on, and not yet confirmed off */
  gint64 lease_end_us;          /* while lit */
  double level_ma;
  LbLightSourceState state; /* as last read */
  char *why_off;            /* why the light went off by itself; NULL: it did not */
  gboolean gone, quit, ended;
};

/* --- Replies ------------------------------------------------------------------------------- */

static void
set_failed (LbLightReply *reply, LbDeviceError code, const char *message)
{
  reply->code = (gint32) code;
  g_strlcpy (reply->message, message, sizeof reply->message);
}

static void
set_error (LbLightReply *reply, const GError *error)
{
  set_failed (reply, error->domain == LB_DEVICE_ERROR ? (LbDeviceError) error->code : LB_DEVICE_ERROR_FAULTED,
              error->message);
}

/* With the lock held. */
static void
init_reply (LightKeeper *self, const LbLightRequest *request, LbLightReply *reply)
{
  memset (reply, 0, sizeof *reply);
  reply->serial = request->serial;
  reply->code = -1;
  reply->state = self->state;
  reply->level_ma = self->level_ma;
}

static gboolean
refuse_gone (LbLightReply *reply)
{
  set_failed (reply, LB_DEVICE_ERROR_ABSENT,
              _ ("the light source was unplugged or switched off; plug it in and connect again"));
  return FALSE;
}

/* With the lock held: may light of this generation be given for so long? */
static gboolean
check_lease (LightKeeper *self, const LbLightRequest *request, LbLightReply *reply)
{
  if (self->gone)
    return refuse_gone (reply);
  if (request->generation < self->generation)
    set_failed (reply, LB_DEVICE_ERROR_INTERLOCK, _ ("the light was switched off by STOP: arm it again"));
  else if (request->lease_us <= 0 || request->lease_us > LB_LIGHT_LEASE_MAX_US)
    set_failed (reply, LB_DEVICE_ERROR_RANGE, _ ("a lease of light lasts up to 1 s"));
  else if (self->quit)
    set_failed (reply, LB_DEVICE_ERROR_INTERLOCK, _ ("the light is being switched off for good"));
  else
    return TRUE;
  return FALSE;
}

/* --- Wanting it off: with the lock held --------------------------------------------------------- */

static void
want_off (LightKeeper *self)
{
  self->off_wanted++;
  self->lease_end_us = 0;
  if (self->cancellable != NULL)
    g_cancellable_cancel (self->cancellable);
  g_cond_signal (&self->changed);
}

void
light_keeper_stop (LightKeeper *self, guint64 generation)
{
  g_mutex_lock (&self->lock);
  self->generation = MAX (self->generation, generation);
  want_off (self);
  g_mutex_unlock (&self->lock);
}

gint64
light_keeper_check_lease (LightKeeper *self)
{
  gint64 end_us = -1;

  g_mutex_lock (&self->lock);
  if (self->lit && self->off_wanted == self->off_done)
    {
      end_us = self->lease_end_us;
      if (g_get_monotonic_time () >= end_us)
        {
          g_clear_pointer (&self->why_off, g_free);
          self->why_off = g_strdup (_ ("its lease ran out, because nobody renewed it"));
          want_off (self);
          end_us = -1;
        }
    }
  g_mutex_unlock (&self->lock);
  return end_us;
}

/* --- Requests that the socket's thread answers itself ------------------------------------------- */

static void
renew (LightKeeper *self, const LbLightRequest *request, LbLightReply *reply)
{
  g_autofree char *message = NULL;
  gint64 now_us = g_get_monotonic_time ();

  if (!check_lease (self, request, reply))
    return;
  if (self->lit && self->off_wanted == self->off_done && now_us < self->lease_end_us)
    {
      self->lease_end_us = now_us + request->lease_us;
      return;
    }
  message = g_strdup_printf (_ ("the light cannot be renewed, because it is off: %s"),
                             self->why_off != NULL ? self->why_off : _ ("it was switched off"));
  set_failed (reply, LB_DEVICE_ERROR_INTERLOCK, message);
}

gboolean
light_keeper_request (LightKeeper *self, const LbLightRequest *request, LbLightReply *reply)
{
  gboolean at_once = request->kind == LB_LIGHT_RENEW;

  g_mutex_lock (&self->lock);
  if (at_once)
    {
      init_reply (self, request, reply);
      renew (self, request, reply);
    }
  else
    {
      /* What is being done must not keep the light on. */
      if (request->kind == LB_LIGHT_EXTINGUISH)
        {
          g_clear_pointer (&self->why_off, g_free);
          want_off (self);
        }
      g_queue_push_tail (&self->requests, g_memdup2 (request, sizeof *request));
      g_cond_signal (&self->changed);
    }
  g_mutex_unlock (&self->lock);
  return at_once;
}

gboolean
light_keeper_take_reply (LightKeeper *self, LbLightReply *reply)
{
  g_autofree LbLightReply *first = NULL;

  g_mutex_lock (&self->lock);
  first = g_queue_pop_head (&self->replies);
  g_mutex_unlock (&self->lock);
  if (first != NULL)
    *reply = *first;
  return first != NULL;
}

/* --- The device's thread --------------------------------------------------------------------------- */

static void
note_gone (LightKeeper *self)
{
  if (self->light == NULL || !lb_scpi_light_is_gone (self->light))
    return;
  g_mutex_lock (&self->lock);
  self->gone = TRUE;
  g_mutex_unlock (&self->lock);
}

static gboolean
try_off (LightKeeper *self, GError **error)
{
  const LbUsbCall call = { NULL, g_get_monotonic_time () + OFF_US, NULL };

  return lb_scpi_light_off (self->light, &call, error);
}

/* Once more for an instrument that does not listen: one that takes messages, but
 * cannot be brought back to where it answers, is dark without having said so. */
static gboolean
try_harder (LightKeeper *self, GError **error)
{
  const LbUsbCall call = { NULL, g_get_monotonic_time () + OFF_US, NULL };

  lb_scpi_light_shout_off (self->light, SHOUT_US);
  lb_scpi_light_recover (self->light, &call, NULL);
  return try_off (self, error);
}

/* Off and confirmed. What was wanted before it began is done with it. */
static gboolean
switch_off (LightKeeper *self, GError **error)
{
  guint64 wanted, generation;
  gboolean off = FALSE;

  g_mutex_lock (&self->lock);
  wanted = self->off_wanted;
  generation = self->generation;
  g_mutex_unlock (&self->lock);
  if (self->light == NULL)
    g_set_error_literal (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_ABSENT, _ ("the light source is not open"));
  else
    off = try_off (self, NULL) || try_harder (self, error);
  note_gone (self);
  g_mutex_lock (&self->lock);
  if (off)
    {
      self->lit = FALSE;
      self->state.output = FALSE;
      atomic_store (&self->status->may_be_on, 0);
      atomic_store (&self->status->generation, generation);
    }
  if (off || self->gone || self->light == NULL)
    self->off_done = wanted;
  g_mutex_unlock (&self->lock);
  return off;
}

/* The light is about to go on: refused if something has come in between. */
static gboolean
begin_light (LightKeeper *self, const LbLightRequest *request, LbLightReply *reply)
{
  gboolean allowed;

  g_mutex_lock (&self->lock);
  allowed = check_lease (self, request, reply);
  if (allowed && self->off_wanted != self->off_done)
    {
      set_failed (reply, LB_DEVICE_ERROR_INTERLOCK, _ ("the light is being switched off"));
      allowed = FALSE;
    }
  if (allowed)
    {
      self->lit = TRUE;
      self->lease_end_us = g_get_monotonic_time () + request->lease_us;
      g_clear_pointer (&self->why_off, g_free);
      atomic_store (&self->status->may_be_on, 1);
    }
  g_mutex_unlock (&self->lock);
  /* The lease is watched by the thread of the sockets. */
  if (allowed)
    {
      const guint64 one = 1;

      allowed = write (self->wake_fd, &one, sizeof one) == sizeof one;
    }
  return allowed;
}

static gboolean
read_state (LightKeeper *self, const LbUsbCall *call, GError **error)
{
  LbLightSourceState state;

  if (!lb_scpi_light_read (self->light, &state, call, error))
    return FALSE;
  g_mutex_lock (&self->lock);
  self->state = state;
  g_mutex_unlock (&self->lock);
  return TRUE;
}

/* A call of a device that is lit. */
static LbUsbCall
make_lit_call (LightKeeper *self, const LbUsbCall *call)
{
  LbUsbCall lit = *call;

  lit.answer_us = SILENCE_US;
  lit.last_words = lb_scpi_light_get_off_message (self->light);
  return lit;
}

/* A lease that stands is taken over: only the level may change. */
static void
do_hold (LightKeeper *self, const LbLightRequest *request, const LbUsbCall *call, LbLightReply *reply)
{
  const LbUsbCall lit_call = make_lit_call (self, call);
  g_autoptr (GError) error = NULL;
  gboolean was_lit;

  g_mutex_lock (&self->lock);
  was_lit = self->lit;
  g_mutex_unlock (&self->lock);
  if (!lb_scpi_light_check_level (self->light, request->level_ma, &error) ||
      (!was_lit && !lb_scpi_light_prepare (self->light, call, &error)))
    {
      set_error (reply, error);
      return;
    }
  if (!begin_light (self, request, reply))
    return;
  if (was_lit ? lb_scpi_light_change (self->light, request->level_ma, &lit_call, &error)
              : lb_scpi_light_start (self->light, request->level_ma, &lit_call, &error))
    {
      g_mutex_lock (&self->lock);
      self->level_ma = request->level_ma;
      self->state.output = TRUE;
      self->state.level = request->level_ma;
      g_mutex_unlock (&self->lock);
      return;
    }
  set_error (reply, error);
  g_mutex_lock (&self->lock);
  want_off (self);
  g_mutex_unlock (&self->lock);
}

/* One that fails leaves it unknown what the device gives. */
static void
do_level (LightKeeper *self, const LbLightRequest *request, const LbUsbCall *call, LbLightReply *reply)
{
  const LbUsbCall lit_call = make_lit_call (self, call);
  g_autoptr (GError) error = NULL;
  gboolean lit;

  g_mutex_lock (&self->lock);
  lit = self->lit && self->off_wanted == self->off_done;
  g_mutex_unlock (&self->lock);
  if (!lb_scpi_light_check_level (self->light, request->level_ma, &error))
    {
      set_error (reply, error);
      return;
    }
  if (lit && !lb_scpi_light_change (self->light, request->level_ma, &lit_call, &error))
    {
      set_error (reply, error);
      g_mutex_lock (&self->lock);
      want_off (self);
      g_mutex_unlock (&self->lock);
      return;
    }
  g_mutex_lock (&self->lock);
  self->level_ma = request->level_ma;
  g_mutex_unlock (&self->lock);
  reply->level_ma = request->level_ma;
}

static void
describe (LightKeeper *self, LbLightReply *reply)
{
  g_autoptr (LbIdentity) identity = lb_scpi_light_dup_identity (self->light);
  double step;

  lb_scpi_light_get_range (self->light, &reply->minimum_ma, &reply->maximum_ma, &step);
  g_strlcpy (reply->maker, identity->maker, sizeof reply->maker);
  g_strlcpy (reply->model, identity->model, sizeof reply->model);
  g_strlcpy (reply->number, identity->serial, sizeof reply->number);
  g_strlcpy (reply->firmware, identity->firmware, sizeof reply->firmware);
}

static void
do_open (LightKeeper *self, const LbUsbCall *call, LbLightReply *reply)
{
  g_autoptr (GError) error = NULL;

  if (self->light == NULL)
    self->light = lb_scpi_light_open (self->model, self->serial, &self->options, call, &error);
  if (self->light == NULL)
    {
      set_error (reply, error);
      return;
    }
  g_mutex_lock (&self->lock);
  atomic_store (&self->status->may_be_on, 0);
  atomic_store (&self->status->generation, self->generation);
  g_mutex_unlock (&self->lock);
  describe (self, reply);
}

/* Of a light that is on, one that cannot be read switches it off. */
static void
do_state (LightKeeper *self, const LbUsbCall *call, LbLightReply *reply)
{
  const LbUsbCall lit_call = make_lit_call (self, call);
  g_autoptr (GError) error = NULL;
  gboolean lit, seen;

  g_mutex_lock (&self->lock);
  lit = self->lit;
  g_mutex_unlock (&self->lock);
  seen = read_state (self, lit ? &lit_call : call, &error);
  if (!seen)
    set_error (reply, error);
  g_mutex_lock (&self->lock);
  if (!seen && lit && self->off_wanted == self->off_done)
    {
      g_free (self->why_off);
      self->why_off = g_strdup (error->message);
      want_off (self);
    }
  reply->state = self->state;
  g_mutex_unlock (&self->lock);
}

/* Most often it has been done by the time that the request is come to. */
static void
do_extinguish (LightKeeper *self, LbLightReply *reply)
{
  g_autoptr (GError) error = NULL;
  gboolean off;

  g_mutex_lock (&self->lock);
  off = !self->lit && self->off_wanted == self->off_done;
  g_mutex_unlock (&self->lock);
  if (!off && !switch_off (self, &error))
    set_error (reply, error);
  reply->state.output = reply->code != -1;
}

static void
do_request (LightKeeper *self, const LbLightRequest *request, const LbUsbCall *call, LbLightReply *reply)
{
  if (request->kind == LB_LIGHT_OPEN)
    do_open (self, call, reply);
  else if (self->light == NULL)
    set_failed (reply, LB_DEVICE_ERROR_ABSENT, _ ("the light source is not open"));
  else if (lb_scpi_light_is_gone (self->light))
    refuse_gone (reply);
  else if (request->kind == LB_LIGHT_HOLD)
    do_hold (self, request, call, reply);
  else if (request->kind == LB_LIGHT_LEVEL)
    do_level (self, request, call, reply);
  else if (request->kind == LB_LIGHT_EXTINGUISH)
    do_extinguish (self, reply);
  else if (request->kind == LB_LIGHT_STATE)
    do_state (self, call, reply);
  else
    set_failed (reply, LB_DEVICE_ERROR_PROTOCOL, _ ("there is no such request"));
}

/* With the lock held; lets go of it meanwhile. */
static void
serve (LightKeeper *self)
{
  g_autofree LbLightRequest *request = g_queue_pop_head (&self->requests);
  LbLightReply *reply = g_new (LbLightReply, 1);
  GCancellable *cancellable = g_cancellable_new ();
  const LbUsbCall call = { cancellable, request->deadline_us, NULL, ANSWER_US };
  const guint64 one = 1;

  init_reply (self, request, reply);
  self->cancellable = cancellable;
  g_mutex_unlock (&self->lock);
  do_request (self, request, &call, reply);
  note_gone (self);
  g_mutex_lock (&self->lock);
  self->cancellable = NULL;
  g_object_unref (cancellable);
  g_queue_push_tail (&self->replies, reply);
  if (write (self->wake_fd, &one, sizeof one) != sizeof one)
    g_warning ("the reply to a request was lost");
}

/* With the lock held; lets go of it meanwhile. Looks after the light while it is
 * on: one query, which switching off waits for rather than abort it, because
 * aborting takes longer. */
static void
look (LightKeeper *self)
{
  const LbUsbCall call = { NULL, g_get_monotonic_time () + SILENCE_US, NULL, 0,
                           lb_scpi_light_get_off_message (self->light) };
  g_autoptr (GError) error = NULL;
  gboolean on = FALSE, seen = FALSE;

  g_mutex_unlock (&self->lock);
  for (guint i = 0; i < LOOKS_MAX && !seen && g_get_monotonic_time () < call.deadline_us; i++)
    {
      g_clear_error (&error);
      seen = lb_scpi_light_read_output (self->light, &on, &call, &error);
    }
  if (seen && !on)
    read_state (self, &call, NULL);
  note_gone (self);
  g_mutex_lock (&self->lock);
  if ((seen && on) || !self->lit || self->off_wanted != self->off_done)
    return;
  g_free (self->why_off);
  self->why_off = g_strdup (!seen               ? error->message
                            : self->state.trips ? _ ("interlock, key switch or temperature")
                                                : _ ("somebody switched it off at the instrument"));
  want_off (self);
}

/* With the lock held; lets go of it meanwhile. */
static gboolean
do_off (LightKeeper *self)
{
  gboolean off;

  g_mutex_unlock (&self->lock);
  off = switch_off (self, NULL);
  g_mutex_lock (&self->lock);
  return off;
}

static gpointer
keeper_thread (gpointer user_data)
{
  LightKeeper *self = user_data;
  gint64 look_us = 0;

  g_mutex_lock (&self->lock);
  for (;;)
    {
      gboolean dark = self->off_wanted == self->off_done || do_off (self);

      /* Requests are answered even if it does not go off. */
      if (self->requests.length > 0)
        {
          serve (self);
          look_us = g_get_monotonic_time () + LOOK_US;
        }
      else if (!dark)
        g_cond_wait_until (&self->changed, &self->lock, g_get_monotonic_time () + OFF_PAUSE_US);
      else if (self->off_wanted != self->off_done)
        continue;
      else if (self->quit)
        break;
      else if (self->lit && !self->gone && g_get_monotonic_time () >= look_us)
        {
          look (self);
          look_us = g_get_monotonic_time () + LOOK_US;
        }
      else if (self->lit && !self->gone)
        g_cond_wait_until (&self->changed, &self->lock, look_us);
      else
        g_cond_wait (&self->changed, &self->lock);
    }
  g_mutex_unlock (&self->lock);
  lb_scpi_light_close (g_steal_pointer (&self->light));
  g_mutex_lock (&self->lock);
  self->ended = TRUE;
  g_cond_broadcast (&self->changed);
  g_mutex_unlock (&self->lock);
  return NULL;
}

LightKeeper *
light_keeper_new (const LbUsbModel *model,
                  const char *serial,
                  const LbScpiLightOptions *options,
                  LbLightStatus *status,
                  int wake_fd)
{
  LightKeeper *self = g_new0 (LightKeeper, 1);

  self->model = model;
  self->serial = g_strdup (serial);
  self->options = *options;
  self->status = status;
  self->wake_fd = wake_fd;
  self->state.temperature_c = NAN;
  g_mutex_init (&self->lock);
  g_cond_init (&self->changed);
  g_queue_init (&self->requests);
  g_queue_init (&self->replies);
  self->thread = g_thread_new ("lb-light", keeper_thread, self);
  return self;
}

gboolean
light_keeper_end (LightKeeper *self, gint64 deadline_us)
{
  gboolean ended;

  g_mutex_lock (&self->lock);
  self->quit = TRUE;
  want_off (self);
  while (!self->ended && g_cond_wait_until (&self->changed, &self->lock, deadline_us))
    ;
  ended = self->ended;
  g_mutex_unlock (&self->lock);
  if (!ended)
    return FALSE;
  g_thread_join (self->thread);
  g_queue_clear_full (&self->requests, g_free);
  g_queue_clear_full (&self->replies, g_free);
  g_mutex_clear (&self->lock);
  g_cond_clear (&self->changed);
  g_free (self->why_off);
  g_free (self->serial);
  g_free (self);
  return TRUE;
}
