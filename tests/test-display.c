/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <glib/gstdio.h>
#include <lb-display-options.h>
#include <lb-edid.h>
#include <lb-monitor.h>
#include <lb-plane-host.h>
#include <lb-plane-protocol.h>

/* Planes without a display: what is said over the sockets, levels and colours,
 * monitors by their identity, keys of the setup file. */

static LbPlaneSpec
make_spec (guint width, guint height)
{
  LbPlaneSpec spec = { .monitor_width = width, .monitor_height = height, .width = width, .height = height };

  spec.bits = 8;
  for (guint level = 0; level < 256; level++)
    spec.drive[level] = (guint16) level;
  return spec;
}

/* --- Messages ----------------------------------------------------------------------------- */

static void
test_message_comes_as_it_was_sent (void)
{
  int sockets[2], fd, with;
  g_autofree char *text = g_strnfill (2000, 'x');
  LbPlaneMessage sent, got;
  GError *error = NULL;

  g_assert_true (lb_plane_socket_pair (sockets, &error));
  lb_plane_message_init (&sent, LB_PLANE_SHOW);
  sent.ticket = 7;
  sent.buffer = 1;
  fd = memfd_create ("test", MFD_CLOEXEC);
  g_assert_true (lb_plane_send (sockets[0], &sent, fd, &error));
  g_assert_true (lb_plane_receive (sockets[1], &got, FALSE, &with, &error));
  g_assert_cmpmem (&got, sizeof got, &sent, sizeof sent);
  g_assert_cmpint (with, >=, 0);
  close (with);
  g_assert_false (lb_plane_receive (sockets[1], &got, FALSE, &with, &error));
  g_assert_error (error, LB_PLANE_ERROR, LB_PLANE_ERROR_AGAIN);
  g_clear_error (&error);

  /* Texts are cut between characters. */
  memcpy (text + sizeof sent.text - 2, "\303\244", 2);
  lb_plane_message_init (&sent, LB_PLANE_FAULT);
  lb_plane_message_set_text (&sent, text);
  g_assert_cmpuint (strlen (sent.text), ==, sizeof sent.text - 2);
  g_assert_true (lb_plane_send (sockets[1], &sent, -1, &error));
  g_assert_true (lb_plane_receive (sockets[0], &got, TRUE, &with, &error));
  g_assert_cmpint (with, ==, -1);

  close (sockets[0]);
  g_assert_false (lb_plane_receive (sockets[1], &got, FALSE, &with, &error));
  g_assert_error (error, LB_PLANE_ERROR, LB_PLANE_ERROR_CLOSED);
  g_clear_error (&error);
  g_assert_false (lb_plane_send (sockets[1], &sent, -1, &error));
  g_assert_error (error, LB_PLANE_ERROR, LB_PLANE_ERROR_CLOSED);
  g_clear_error (&error);
  close (sockets[1]);
  close (fd);
}

static gboolean
is_taken (const LbPlaneMessage *message, gboolean from_plane)
{
  g_autoptr (GError) error = NULL;
  gboolean taken = lb_plane_message_check (message, from_plane, &error);

  g_assert_true (taken || g_error_matches (error, LB_PLANE_ERROR, LB_PLANE_ERROR_DAMAGED));
  return taken;
}

static void
test_damaged_messages_are_refused (void)
{
  const LbPlaneSpec spec = make_spec (64, 48);
  LbPlaneMessage good, bad;

  lb_plane_message_init (&good, LB_PLANE_ADD);
  good.spec = spec;
  g_assert_true (is_taken (&good, FALSE));
  g_assert_false (is_taken (&good, TRUE));
#define REFUSED(change)                                                                                      \
  G_STMT_START                                                                                               \
  {                                                                                                          \
    bad = good;                                                                                              \
    bad.change;                                                                                              \
    g_assert_false (is_taken (&bad, FALSE));                                                                 \
  }                                                                                                          \
  G_STMT_END
  REFUSED (version++);
  REFUSED (kind = 0);
  REFUSED (kind = LB_PLANE_N_KINDS);
  REFUSED (kind = LB_PLANE_PRESENTED);
  REFUSED (faults = 1 << 4);
  REFUSED (stamp = 3);
  REFUSED (text[0] = (char) 0xff);
  REFUSED (spec.width = 65);
  REFUSED (spec.x = 1);
  REFUSED (spec.y = G_MAXUINT32);
  REFUSED (spec.height = 0);
  REFUSED (spec.monitor_width = LB_PLANE_MAX_SIZE + 1);
  REFUSED (spec.channels = LB_PLANE_N_CHANNELS);
  REFUSED (spec.channels = LB_PLANE_CHANNELS_RED_GREEN);
  REFUSED (spec.bits = 9);
  REFUSED (spec.quarter_turns = 4);
  REFUSED (spec.flip = 4);
  REFUSED (spec.drive[255] = 256);
  memset (bad.text, 'a', sizeof bad.text);
  g_assert_false (is_taken (&bad, FALSE));
  lb_plane_message_init (&good, LB_PLANE_SHOW);
  good.ticket = 1;
  g_assert_true (is_taken (&good, FALSE));
  REFUSED (buffer = LB_PLANE_READ_BUFFER);
  REFUSED (ticket = 0);
#undef REFUSED
}

/* Anything may come: bytes of any length. */
static void
test_random_bytes_are_no_messages (void)
{
  g_autoptr (GRand) random = g_rand_new_with_seed (1);
  guint8 bytes[2 * sizeof (LbPlaneMessage)];
  int sockets[2];

  g_assert_true (lb_plane_socket_pair (sockets, NULL));
  for (guint i = 0; i < 2000; i++)
    {
      gsize length =
          i % 2 == 0 ? sizeof (LbPlaneMessage) : (gsize) g_rand_int_range (random, 1, (gint32) sizeof bytes);
      g_autoptr (GError) error = NULL;
      LbPlaneMessage message;

      for (gsize k = 0; k < length; k++)
        bytes[k] = (guint8) g_rand_int (random);
      g_assert_cmpint (send (sockets[0], bytes, length, 0), ==, (gssize) length);
      g_assert_false (lb_plane_receive (sockets[1], &message, i % 3 == 0, NULL, &error));
      g_assert_error (error, LB_PLANE_ERROR, LB_PLANE_ERROR_DAMAGED);
    }
  close (sockets[0]);
  close (sockets[1]);
}

static void
test_memory_that_could_shrink_is_refused (void)
{
  int fd = memfd_create ("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  g_autoptr (GError) error = NULL;
  guint8 *data;

  g_assert_cmpint (ftruncate (fd, 3 * 100), ==, 0);
  g_assert_null (lb_plane_memory_map (fd, 100, &error));
  g_assert_error (error, LB_PLANE_ERROR, LB_PLANE_ERROR_DAMAGED);
  g_clear_error (&error);
  g_assert_cmpint (fcntl (fd, F_ADD_SEALS, F_SEAL_SHRINK), ==, 0);
  g_assert_null (lb_plane_memory_map (fd, 101, &error));
  g_assert_error (error, LB_PLANE_ERROR, LB_PLANE_ERROR_DAMAGED);
  data = lb_plane_memory_map (fd, 100, NULL);
  g_assert_nonnull (data);
  lb_plane_memory_unmap (data, 100);
  close (fd);
}

/* --- Levels and colours ------------------------------------------------------------------------ */

/* Done step by step on pictures, in the order in which the setup file says it. */
static guint8 *
flip_and_turn (const guint8 *pattern, guint *width, guint *height, guint flip, guint turns)
{
  guint8 *now = g_memdup2 (pattern, (gsize) *width * *height);

  for (guint step = 0; step < 2 + turns; step++)
    {
      guint w = *width, h = *height;
      guint8 *next = g_new (guint8, (gsize) w * h);

      for (guint y = 0; y < h; y++)
        for (guint x = 0; x < w; x++)
          {
            guint8 level = now[y * w + x];

            if (step == 0)
              next[y * w + (flip & LB_PLANE_FLIP_HORIZONTAL ? w - 1 - x : x)] = level;
            else if (step == 1)
              next[(flip & LB_PLANE_FLIP_VERTICAL ? h - 1 - y : y) * w + x] = level;
            else
              next[x * h + h - 1 - y] = level;
          }
      g_free (now);
      now = next;
      *width = step >= 2 ? h : w;
      *height = step >= 2 ? w : h;
    }
  return now;
}

static void
test_levels_become_colours_and_levels_again (void)
{
  for (guint variant = 0; variant < 4 * 4 * LB_PLANE_N_CHANNELS; variant++)
    {
      LbPlaneSpec spec = make_spec (13, 7);
      guint width, height;
      guint8 pattern[13 * 7], back[13 * 7], rgb[3 * 13 * 7];
      guint32 colours[13 * 7];
      g_autofree guint8 *expected = NULL;
      LbPlanePixels pixels;

      spec.flip = variant % 4;
      spec.quarter_turns = variant / 4 % 4;
      spec.channels = variant / 16;
      spec.bits = spec.channels >= LB_PLANE_CHANNELS_RED_GREEN ? 10 : 8;
      for (guint level = 0; level < 256; level++)
        spec.drive[level] = (guint16) (spec.bits == 10 ? 1023 - 4 * level : level);
      for (guint i = 0; i < G_N_ELEMENTS (pattern); i++)
        pattern[i] = (guint8) (37 * i);
      lb_plane_pixels_init (&pixels, &spec);
      lb_plane_pixels_to_colours (&pixels, pattern, 0, 1, colours);
      lb_plane_pixels_to_colours (&pixels, pattern, 1, spec.height - 1, colours + spec.width);
      lb_plane_pixels_to_rgb (&pixels, pattern, rgb);
      width = pixels.pattern_width;
      height = pixels.pattern_height;
      expected = flip_and_turn (pattern, &width, &height, spec.flip, spec.quarter_turns);
      g_assert_cmpuint (width, ==, 13);
      for (guint i = 0; i < G_N_ELEMENTS (pattern); i++)
        {
          guint level = expected[i], upper = spec.bits == 10 ? (1023 - 4 * level) / 4 : level;
          guint lower = (1023 - 4 * level) % 4 * 64;
          const guint32 all[] = { upper * 0x010101u,
                                  upper * 0x010000u,
                                  upper * 0x000100u,
                                  upper,
                                  upper * 65536u + lower * 256u,
                                  upper * 256u + lower * 65536u,
                                  upper * 256u + lower };

          g_assert_cmphex (colours[i], ==, all[spec.channels]);
          g_assert_cmphex ((guint32) rgb[3 * i] << 16 | (guint32) rgb[3 * i + 1] << 8 | rgb[3 * i + 2], ==,
                           all[spec.channels]);
        }
      g_assert_cmpuint (lb_plane_pixels_to_levels (&pixels, colours, pattern, back), ==, 0);
      g_assert_cmpmem (back, sizeof back, pattern, sizeof pattern);
      colours[5] ^= 0x030507;
      g_assert_cmpuint (lb_plane_pixels_to_levels (&pixels, colours, pattern, back), ==, 1);
    }
}

/* --- The process, with a screen that is none ----------------------------------------------------- */

typedef struct
{
  LbPlaneScreen parent;
  LbMonitor monitor;
  LbPlanePixels pixels[LB_PLANE_MAX_LAYERS];
  gboolean used[LB_PLANE_MAX_LAYERS];
  guint8 first[LB_PLANE_MAX_LAYERS]; /* level of its first pixel */
  gboolean black;
} FakeScreen;

static FakeScreen *fake_screen;

static void
fake_free (LbPlaneScreen *screen)
{
  g_assert_true ((FakeScreen *) screen == fake_screen);
  g_clear_pointer (&fake_screen, g_free);
}

static const LbMonitor *
fake_get_monitor (LbPlaneScreen *screen)
{
  return &((FakeScreen *) screen)->monitor;
}

static void
fake_add_layer (LbPlaneScreen *screen, guint layer, const LbPlanePixels *pixels)
{
  ((FakeScreen *) screen)->pixels[layer] = *pixels;
  ((FakeScreen *) screen)->used[layer] = TRUE;
}

static void
fake_remove_layer (LbPlaneScreen *screen, guint layer)
{
  ((FakeScreen *) screen)->used[layer] = FALSE;
  ((FakeScreen *) screen)->first[layer] = 0;
}

static void
fake_show (LbPlaneScreen *screen, guint layer, const guint8 *levels, guint64 ticket)
{
  ((FakeScreen *) screen)->first[layer] = levels[0];
  screen->listener.presented (layer, ticket, 12345, LB_TIME_STAMP_DEVICE, screen->listener.data);
}

static void
fake_black (LbPlaneScreen *screen)
{
  ((FakeScreen *) screen)->black = TRUE;
}

static gboolean
fake_read_back (LbPlaneScreen *screen, guint layer, guint32 *colours, GError **error)
{
  const LbPlanePixels *pixels = &((FakeScreen *) screen)->pixels[layer];

  for (gsize i = 0; i < (gsize) pixels->spec.width * pixels->spec.height; i++)
    colours[i] = i == 0 ? 0x123456 : 0x070707;
  return TRUE;
}

static LbPlaneFaults
fake_check (LbPlaneScreen *screen, char **text)
{
  *text = g_strdup ("night light");
  return LB_PLANE_FAULT_GAMMA;
}

static LbPlaneScreen *
fake_screen_new (const LbPlaneWish *wish, const LbPlaneListener *listener, GError **error)
{
  static const LbPlaneScreenClass klass = {
    "fake",    fake_free,  fake_get_monitor, fake_add_layer, fake_remove_layer,
    fake_show, fake_black, fake_read_back,   fake_check,
  };
  g_autofree char *connector = g_strdup_printf ("FAKE-%d", (int) getpid ());
  static char name[32];

  g_assert_null (fake_screen);
  g_strlcpy (name, connector, sizeof name);
  fake_screen = g_new0 (FakeScreen, 1);
  fake_screen->parent = (LbPlaneScreen){ &klass, *listener, *wish, LB_TIME_STAMP_DEVICE };
  fake_screen->monitor =
      (LbMonitor){ .connector = name, .make = (char *) "LAB", .model = (char *) "M", .serial = (char *) "7" };
  fake_screen->monitor.width = wish->width;
  fake_screen->monitor.height = wish->height;
  fake_screen->monitor.rate_mhz = 60000;
  return &fake_screen->parent;
}

typedef struct
{
  LbPlaneHost *host;
  int control;
  gboolean quit;
} Process;

static gboolean
quit_cb (gpointer data)
{
  ((Process *) data)->quit = TRUE;
  return G_SOURCE_REMOVE;
}

static void
process_init (Process *self)
{
  const LbMonitorChoice choice = { "FAKE", NULL, NULL, NULL };
  int sockets[2];

  g_assert_true (lb_plane_socket_pair (sockets, NULL));
  *self = (Process){ .control = sockets[0] };
  self->host = lb_plane_host_new (sockets[1], &choice, fake_screen_new, quit_cb, self);
}

static void
settle (void)
{
  while (g_main_context_iteration (NULL, FALSE))
    ;
}

static void
process_clear (Process *self)
{
  close (self->control);
  while (!self->quit)
    g_main_context_iteration (NULL, TRUE);
  g_assert_true (fake_screen == NULL || fake_screen->black);
  lb_plane_host_free (self->host);
  settle ();
  g_assert_null (fake_screen);
}

/* A plane on it; its socket. */
static int
add (Process *self, const LbPlaneSpec *spec)
{
  LbPlaneMessage message;
  int sockets[2];

  g_assert_true (lb_plane_socket_pair (sockets, NULL));
  lb_plane_message_init (&message, LB_PLANE_ADD);
  message.spec = *spec;
  g_assert_true (lb_plane_send (self->control, &message, sockets[1], NULL));
  close (sockets[1]);
  settle ();
  return sockets[0];
}

static void
receive (int socket, LbPlaneKind kind, LbPlaneMessage *message)
{
  GError *error = NULL;

  settle ();
  lb_plane_receive (socket, message, TRUE, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (message->kind, ==, kind);
}

static void
assert_ended (int socket)
{
  g_autoptr (GError) error = NULL;
  LbPlaneMessage message;

  settle ();
  g_assert_false (lb_plane_receive (socket, &message, TRUE, NULL, &error));
  g_assert_error (error, LB_PLANE_ERROR, LB_PLANE_ERROR_CLOSED);
}

static void
send_kind (int socket, LbPlaneKind kind, guint buffer, guint64 ticket)
{
  LbPlaneMessage message;

  lb_plane_message_init (&message, kind);
  message.buffer = buffer;
  message.ticket = ticket;
  g_assert_true (lb_plane_send (socket, &message, -1, NULL));
}

static guint8 *
share (int socket, const LbPlaneSpec *spec)
{
  LbPlaneMessage message;
  guint8 *data;
  int fd = lb_plane_memory_new ((gsize) spec->width * spec->height, &data, NULL);

  lb_plane_message_init (&message, LB_PLANE_BUFFERS_ARE);
  message.width = spec->width;
  message.height = spec->height;
  g_assert_true (lb_plane_send (socket, &message, fd, NULL));
  close (fd);
  return data;
}

static void
test_process_does_what_it_is_asked_for (void)
{
  const LbPlaneSpec spec = make_spec (8, 4);
  LbPlaneMessage message;
  guint8 *data;
  Process process;
  int socket;

  process_init (&process);
  socket = add (&process, &spec);
  fake_screen->parent.listener.ready (fake_screen->parent.listener.data);
  receive (socket, LB_PLANE_READY, &message);
  g_assert_cmpuint (message.width, ==, 8);
  g_assert_cmpuint (message.rate_mhz, ==, 60000);
  g_assert_true (g_str_has_prefix (message.text, "LAB\nM\n7\nFAKE-"));
  data = share (socket, &spec);
  data[32] = 99;
  send_kind (socket, LB_PLANE_SHOW, 1, 5);
  receive (socket, LB_PLANE_PRESENTED, &message);
  g_assert_cmpuint (message.ticket, ==, 5);
  g_assert_cmpint (message.time_us, ==, 12345);
  g_assert_cmpuint (fake_screen->first[0], ==, 99);
  send_kind (socket, LB_PLANE_READ, 0, 6);
  receive (socket, LB_PLANE_WAS_READ, &message);
  g_assert_cmpuint (message.wrong, ==, 1);
  g_assert_cmpuint (data[2 * 32 + 1], ==, 7);
  send_kind (socket, LB_PLANE_CHECK, 0, 7);
  receive (socket, LB_PLANE_CHECKED, &message);
  g_assert_cmpuint (message.faults, ==, LB_PLANE_FAULT_GAMMA);
  g_assert_cmpstr (message.text, ==, "night light");
  send_kind (socket, LB_PLANE_BLANK, 0, 8);
  receive (socket, LB_PLANE_PRESENTED, &message);
  g_assert_cmpuint (fake_screen->first[0], ==, 0);
  fake_screen->parent.listener.faults (LB_PLANE_FAULT_COVERED, "a clock", fake_screen->parent.listener.data);
  receive (socket, LB_PLANE_FAULT, &message);
  g_assert_cmpstr (message.text, ==, "a clock");
  close (socket);
  settle ();
  g_assert_false (fake_screen->used[0]);
  lb_plane_memory_unmap (data, 32);
  process_clear (&process);
}

static void
test_process_gives_up_a_plane_that_errs (void)
{
  const LbPlaneSpec spec = make_spec (8, 4);

  for (guint mistake = 0; mistake < 5; mistake++)
    {
      LbPlaneMessage message;
      guint8 *data = NULL;
      Process process;
      int socket;

      g_test_expect_message ("lightbench-plane", G_LOG_LEVEL_MESSAGE, "*given up*");
      process_init (&process);
      socket = add (&process, &spec);
      fake_screen->parent.listener.ready (fake_screen->parent.listener.data);
      receive (socket, LB_PLANE_READY, &message);
      if (mistake >= 2)
        data = share (socket, &spec);
      if (mistake == 0)
        send_kind (socket, LB_PLANE_SHOW, 0, 1); /* no memory yet */
      else if (mistake == 1)
        send_kind (socket, LB_PLANE_BUFFERS_ARE, 0, 1); /* none comes with it */
      else if (mistake == 2)
        send_kind (socket, LB_PLANE_SHOW, 2, 1); /* not a buffer of patterns */
      else if (mistake == 3)
        send_kind (socket, LB_PLANE_PRESENTED, 0, 1); /* from the wrong side */
      else
        g_assert_cmpint (send (socket, "hello", 5, 0), ==, 5);
      settle ();
      g_assert_false (fake_screen->used[0]);
      receive (socket, LB_PLANE_FAULT, &message);
      assert_ended (socket);
      g_test_assert_expected_messages ();
      close (socket);
      lb_plane_memory_unmap (data, 32);
      process_clear (&process);
    }
}

static void
test_process_refuses_planes_that_do_not_fit (void)
{
  LbPlaneSpec left = make_spec (8, 4), right = left, over = left, other = make_spec (8, 5);
  LbPlaneMessage message;
  Process process;
  int sockets[5];

  left.width = 4;
  right.width = right.x = 4;
  over.width = 3;
  over.x = 3;
  process_init (&process);
  sockets[0] = add (&process, &left);
  sockets[1] = add (&process, &over);
  receive (sockets[1], LB_PLANE_FAULT, &message);
  g_assert_nonnull (strstr (message.text, "overlap"));
  assert_ended (sockets[1]);
  other.y = 4;
  other.height = 1;
  sockets[2] = add (&process, &other);
  receive (sockets[2], LB_PLANE_FAULT, &message);
  assert_ended (sockets[2]);
  sockets[3] = add (&process, &right);
  fake_screen->parent.listener.ready (fake_screen->parent.listener.data);
  receive (sockets[0], LB_PLANE_READY, &message);
  receive (sockets[3], LB_PLANE_READY, &message);
  right.x = 8;
  sockets[4] = add (&process, &left);
  receive (sockets[4], LB_PLANE_FAULT, &message);
  /* A monitor that is lost takes no more planes. */
  close (sockets[3]);
  settle ();
  fake_screen->parent.listener.faults (LB_PLANE_FAULT_LOST, "unplugged", fake_screen->parent.listener.data);
  receive (sockets[0], LB_PLANE_FAULT, &message);
  sockets[3] = add (&process, &(LbPlaneSpec){ 0 });
  /* An ADD that is damaged ends all. */
  assert_ended (sockets[3]);
  for (guint i = 0; i < G_N_ELEMENTS (sockets); i++)
    close (sockets[i]);
  process_clear (&process);
}

/* --- Monitors ------------------------------------------------------------------------------------- */

static void
make_edid (guint8 *edid, const char *name, const char *serial)
{
  static const guint8 begin[] = { 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00,
                                  0x10, 0xac, 0xf1, 0x40, 0x39, 0x30, 0x00, 0x00 };
  const char *const texts[] = { name, serial };
  guint8 sum = 0;

  memset (edid, 0, 128);
  memcpy (edid, begin, sizeof begin);
  edid[54] = 1; /* a timing */
  for (guint i = 0; i < 2; i++)
    if (texts[i] != NULL)
      {
        guint8 *descriptor = edid + 54 + 18 * (i + 1);

        descriptor[3] = i == 0 ? 0xfc : 0xff;
        memset (descriptor + 5, ' ', 13);
        memcpy (descriptor + 5, texts[i], MIN (strlen (texts[i]), 13));
        if (strlen (texts[i]) < 13)
          descriptor[5 + strlen (texts[i])] = '\n';
      }
  for (guint i = 0; i < 127; i++)
    sum += edid[i];
  edid[127] = (guint8) -sum;
}

static void
test_identity_is_read_from_edid (void)
{
  guint8 data[128];
  LbEdid edid;

  make_edid (data, "DELL U2720Q", "ABC123");
  g_assert_true (lb_edid_read (data, sizeof data, &edid));
  g_assert_cmpstr (edid.make, ==, "DEL");
  g_assert_cmpstr (edid.model, ==, "DELL U2720Q");
  g_assert_cmpstr (edid.serial, ==, "ABC123");
  make_edid (data, "THIRTEENLETTE", NULL);
  g_assert_true (lb_edid_read (data, sizeof data, &edid));
  g_assert_cmpstr (edid.model, ==, "THIRTEENLETTE");
  g_assert_cmpstr (edid.serial, ==, "12345");
  make_edid (data, NULL, NULL);
  g_assert_true (lb_edid_read (data, sizeof data, &edid));
  g_assert_cmpstr (edid.model, ==, "0x40f1");
  g_assert_false (lb_edid_read (data, 127, &edid));
  data[20]++;
  g_assert_false (lb_edid_read (data, sizeof data, &edid));
  g_assert_cmpstr (edid.make, ==, "");
  g_assert_false (lb_edid_read (NULL, 0, &edid));
}

static void
write_file (const char *folder, const char *name, const void *data, gssize length)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);

  g_assert_true (g_file_set_contents (path, data, length, NULL));
}

static void
add_connector (const char *folder, const char *name, const char *status, const char *serial)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);
  guint8 edid[128];

  g_assert_cmpint (g_mkdir (path, 0700), ==, 0);
  write_file (path, "status", status, -1);
  write_file (path, "modes", "1920x1080\n1280x720\n", -1);
  make_edid (edid, "SLM", serial);
  write_file (path, "edid", edid, sizeof edid);
}

static void
test_monitors_of_the_kernel_are_listed (void)
{
  g_autofree char *folder = g_dir_make_tmp ("lightbench-drm-XXXXXX", NULL);
  g_autofree char *remove = g_strdup_printf ("rm -r '%s'", folder);
  g_autofree char *text = NULL;
  g_autoptr (GPtrArray) monitors = NULL;
  g_autoptr (GError) error = NULL;
  const LbMonitor *monitor;

  add_connector (folder, "card0-HDMI-A-1", "connected\n", "111");
  add_connector (folder, "card0-DP-1", "disconnected\n", "222");
  add_connector (folder, "card1-DP-2", "connected\n", "333");
  write_file (folder, "version", "drm", -1);
  monitors = lb_monitors_list_drm (folder);
  g_assert_cmpuint (monitors->len, ==, 2);
  monitor = lb_monitors_choose (monitors, &(LbMonitorChoice){ NULL, "DEL", "SLM", "333" }, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (monitor->connector, ==, "DP-2");
  text = lb_monitor_to_string (monitor);
  g_assert_cmpstr (text, ==, "DEL SLM, serial 333, on DP-2, 1920 x 1080");
  g_assert_null (lb_monitors_choose (monitors, &(LbMonitorChoice){ NULL, "DEL", NULL, NULL }, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
  g_assert_nonnull (strstr (error->message, "2 monitors"));
  g_clear_error (&error);
  g_assert_null (lb_monitors_choose (monitors, &(LbMonitorChoice){ "DP-1", NULL, NULL, "" }, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
  g_assert_nonnull (strstr (error->message, "serial 111, on HDMI-A-1"));
  g_assert_true (g_spawn_command_line_sync (remove, NULL, NULL, NULL, NULL));
}

/* --- Setup files --------------------------------------------------------------------------------------- */

static gboolean
read_options (const char *text, LbDisplayOptions *options, GError **error)
{
  g_autoptr (GVariant) variant = g_variant_ref_sink (g_variant_new_parsed (text));

  return lb_display_options_read (options, variant, "devices.weight.", error);
}

static void
test_setup_describes_a_plane (void)
{
  LbDisplayOptions options;
  GError *error = NULL;

  read_options ("@a{sv} { 'serial': <'7'>, 'width': <1920.0>, 'height': <1080.0>, 'region_x': <960.0>,"
                "'channels': <'red-green'>, 'bits': <10.0>, 'rotation': <270.0>, 'flip': <'both'>,"
                "'inverted': <true>, 'rate_hz': <60.0>, 'path': <'gtk'> }",
                &options, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (options.choice.serial, ==, "7");
  g_assert_cmpstr (options.choice.connector, ==, "");
  g_assert_cmpstr (options.path, ==, "gtk");
  g_assert_cmpuint (options.spec.x, ==, 960);
  g_assert_cmpuint (options.spec.width, ==, 960);
  g_assert_cmpuint (options.spec.height, ==, 1080);
  g_assert_cmpuint (options.spec.quarter_turns, ==, 3);
  g_assert_cmpuint (options.spec.flip, ==, 3);
  g_assert_cmpuint (options.spec.rate_mhz, ==, 60000);
  g_assert_cmpuint (options.spec.drive[0], ==, 1023);
  g_assert_cmpuint (options.spec.drive[255], ==, 0);
  lb_display_options_clear (&options);
}

static void
test_wrong_keys_are_named (void)
{
  static const struct
  {
    const char *keys, *says;
  } cases[] = {
    { "", "name the monitor" },
    { "'connector': <'A'>", "\"width\"" },
    { "'conector': <'A'>", "conector" },
    { "'connector': <1.0>", "devices.weight.connector" },
    { "'connector': <'A'>, 'width': <1920.5>, 'height': <1080.0>", "whole number" },
    { "'connector': <'A'>, 'width': <1920.0>, 'height': <1080.0>, 'region_x': <1920.0>", "outside" },
    { "'connector': <'A'>, 'width': <1920.0>, 'height': <1080.0>, 'region_x': <1.0>, 'region_width': "
      "<1920.0>",
      "in full" },
    { "'connector': <'A'>, 'width': <1920.0>, 'height': <1080.0>, 'rotation': <45.0>", "rotation" },
    { "'connector': <'A'>, 'width': <1920.0>, 'height': <1080.0>, 'flip': <'up'>", "horizontal" },
    { "'connector': <'A'>, 'width': <1920.0>, 'height': <1080.0>, 'path': <'vnc'>", "xshm" },
    { "'connector': <'A'>, 'width': <1920.0>, 'height': <1080.0>, 'channels': <'red-green'>", "bits" },
    { "'connector': <'A'>, 'width': <1920.0>, 'height': <1080.0>, 'bits': <10.0>", "channels" },
    { "'connector': <'A'>, 'width': <1920.0>, 'height': <1080.0>, 'inverted': <1.0>", "true or false" },
    { "'connector': <'A'>, 'width': <1920.0>, 'height': <1080.0>, 'table': <'/nowhere'>", "/nowhere" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *text = g_strdup_printf ("@a{sv} { %s }", cases[i].keys);
      g_autoptr (GError) error = NULL;
      LbDisplayOptions options;

      g_assert_false (read_options (text, &options, &error));
      if (strstr (error->message, cases[i].says) == NULL)
        g_error ("\"%s\" does not say \"%s\"", error->message, cases[i].says);
      lb_display_options_clear (&options);
    }
}

static void
test_factory_table_gives_the_drive_values (void)
{
  g_autoptr (GString) table = g_string_new ("# drive values\n");
  g_autofree char *path = NULL;
  g_autofree char *text = NULL;
  LbDisplayOptions options;
  GError *error = NULL;
  int fd = g_file_open_tmp ("lightbench-table-XXXXXX", &path, &error);

  g_assert_no_error (error);
  close (fd);
  for (guint level = 0; level < 256; level++)
    g_string_append_printf (table, "%u # level %u\n", level * level / 255, level);
  g_assert_true (g_file_set_contents (path, table->str, -1, NULL));
  text = g_strdup_printf ("@a{sv} { 'connector': <'A'>, 'width': <8.0>, 'height': <8.0>, 'table': <'%s'> }",
                          path);
  read_options (text, &options, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (options.spec.drive[128], ==, 128 * 128 / 255);
  lb_display_options_clear (&options);
  g_string_append (table, "1\n");
  g_assert_true (g_file_set_contents (path, table->str, -1, NULL));
  g_assert_false (read_options (text, &options, &error));
  g_assert_nonnull (strstr (error->message, "257"));
  g_clear_error (&error);
  lb_display_options_clear (&options);
  g_assert_true (g_file_set_contents (path, "256\n", -1, NULL));
  g_assert_false (read_options (text, &options, &error));
  g_assert_nonnull (strstr (error->message, ":1: "));
  g_clear_error (&error);
  lb_display_options_clear (&options);
  g_unlink (path);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/display/protocol/message-comes-as-it-was-sent", test_message_comes_as_it_was_sent);
  g_test_add_func ("/display/protocol/damaged-messages-are-refused", test_damaged_messages_are_refused);
  g_test_add_func ("/display/protocol/random-bytes-are-no-messages", test_random_bytes_are_no_messages);
  g_test_add_func ("/display/protocol/memory-that-could-shrink-is-refused",
                   test_memory_that_could_shrink_is_refused);
  g_test_add_func ("/display/pixels/levels-become-colours-and-levels-again",
                   test_levels_become_colours_and_levels_again);
  g_test_add_func ("/display/process/does-what-it-is-asked-for", test_process_does_what_it_is_asked_for);
  g_test_add_func ("/display/process/gives-up-a-plane-that-errs", test_process_gives_up_a_plane_that_errs);
  g_test_add_func ("/display/process/refuses-planes-that-do-not-fit",
                   test_process_refuses_planes_that_do_not_fit);
  g_test_add_func ("/display/monitors/identity-is-read-from-edid", test_identity_is_read_from_edid);
  g_test_add_func ("/display/monitors/those-of-the-kernel-are-listed",
                   test_monitors_of_the_kernel_are_listed);
  g_test_add_func ("/display/setup/describes-a-plane", test_setup_describes_a_plane);
  g_test_add_func ("/display/setup/wrong-keys-are-named", test_wrong_keys_are_named);
  g_test_add_func ("/display/setup/factory-table-gives-the-drive-values",
                   test_factory_table_gives_the_drive_values);
  return g_test_run ();
}
