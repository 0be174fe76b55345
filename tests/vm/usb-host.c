/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include <glib/gstdio.h>

#include "../emulators/usb-instrument.h"
#include "uvc-camera.h"

/*
 * usb-host KIND SOCKET FOLDER: plugs an emulated device into the machine at
 * SOCKET. KIND: "camera", or an instrument's model ("CLD1015").
 *
 * Lines that appear in FOLDER/ctl.KIND (moved into place) are done and the file
 * is removed: plug, unplug, "mark TEXT"; of a camera mute, unmute, follow-light;
 * of an instrument "fault NAME", open-interlock, close-interlock, "be MODEL" (it is
 * unplugged, and another plugged in in its place). FOLDER/log.KIND
 * gets a line "MILLISECONDS WHAT" for each of them, and "lit", "dark" of a light
 * source, "unknown COUNT" and "violations COUNT" of an instrument at the end.
 * FOLDER/light has the current that a light source gives, mA.
 */

#define LIGHT_SERIAL "M00123456"
#define METER_SERIAL "P0011223"
#define METER_WATTS 1.5e-3
#define TURN_MS 2
#define CONTROL_US (10 * 1000)

typedef struct
{
  const char *kind;
  char *control, *log, *light;
  UsbRedir *link;
  UvcCamera *camera; /* or */
  UsbInstrument *instrument;
  gboolean lit;
  double given_ma;
  gint64 looked_us;
  const char *socket_path;
  guint unknown, violations; /* of those that were there before */
} Host;

static void
note (Host *self, const char *what)
{
  g_autofree char *line = g_strdup_printf ("%.1f %s\n", (double) g_get_monotonic_time () / 1000, what);
  FILE *file = fopen (self->log, "a");

  g_assert_nonnull (file);
  fputs (line, file);
  fclose (file);
}

/* --- An instrument as a device --------------------------------------------------------- */

static const guint8 *
instrument_descriptors (gpointer device, gsize *length)
{
  return usb_instrument_get_descriptors (device, length);
}

static int
instrument_control (gpointer device, const guint8 *setup, guint8 *data, int capacity)
{
  /* CLEAR_FEATURE (ENDPOINT_HALT). */
  if (setup[0] == 2 && setup[1] == 1)
    {
      usb_instrument_clear_halt (device, setup[4]);
      return 0;
    }
  return usb_instrument_control (device, setup, data, capacity);
}

static int
instrument_out (gpointer device, guint8 endpoint, const guint8 *data, int length)
{
  return usb_instrument_out (device, data, length);
}

static int
instrument_in (gpointer device, guint8 endpoint, guint8 *data, int capacity)
{
  return usb_instrument_in (device, data, capacity);
}

static void
instrument_reset (gpointer device)
{
  usb_instrument_reset (device);
}

static const UsbRedirDevice instrument_device = {
  .get_descriptors = instrument_descriptors,
  .control = instrument_control,
  .bulk_out = instrument_out,
  .bulk_in = instrument_in,
  .reset = instrument_reset,
};

/* --- Commands ------------------------------------------------------------------------------ */

static gboolean
do_camera_command (UvcCamera *camera, const char *command)
{
  if (g_str_equal (command, "mute"))
    uvc_camera_set_mute (camera, TRUE);
  else if (g_str_equal (command, "unmute"))
    uvc_camera_set_mute (camera, FALSE);
  else if (g_str_equal (command, "follow-light"))
    uvc_camera_set_follows_light (camera, TRUE);
  else
    return FALSE;
  return TRUE;
}

static gboolean
do_instrument_command (UsbInstrument *instrument, const char *command)
{
  static const struct
  {
    const char *command;
    UsbFault fault;
  } faults[] = {
    { "fault none", USB_FAULT_NONE },
    { "fault mute", USB_FAULT_MUTE },
    { "fault stall-out", USB_FAULT_STALL_OUT },
    { "fault stall-in", USB_FAULT_STALL_IN },
  };

  for (guint i = 0; i < G_N_ELEMENTS (faults); i++)
    if (g_str_equal (command, faults[i].command))
      {
        usb_instrument_set_fault (instrument, faults[i].fault);
        return TRUE;
      }
  if (!g_str_equal (command, "open-interlock") && !g_str_equal (command, "close-interlock"))
    return FALSE;
  instrument_set_condition (usb_instrument_get (instrument), INSTRUMENT_INTERLOCK, command[0] == 'o');
  return TRUE;
}

static void
make_instrument (Host *self, const char *model)
{
  self->instrument = usb_instrument_new (
      instrument_new (model, g_str_has_prefix (model, "PM") ? METER_SERIAL : LIGHT_SERIAL));
  instrument_set_power (usb_instrument_get (self->instrument), METER_WATTS);
  self->link = usb_redir_new (&instrument_device, self->instrument, self->socket_path);
}

static void
count_breaches (Host *self)
{
  self->unknown += instrument_get_unknown (usb_instrument_get (self->instrument));
  self->violations += usb_instrument_get_violations (self->instrument);
}

static void
be (Host *self, const char *model)
{
  count_breaches (self);
  usb_redir_free (self->link);
  usb_instrument_free (self->instrument);
  make_instrument (self, model);
  usb_redir_plug (self->link);
}

static void
do_command (Host *self, const char *command)
{
  if (self->instrument != NULL && g_str_has_prefix (command, "be "))
    be (self, command + strlen ("be "));
  else if (g_str_equal (command, "plug"))
    usb_redir_plug (self->link);
  else if (g_str_equal (command, "unplug"))
    usb_redir_unplug (self->link);
  else if (!g_str_has_prefix (command, "mark ") &&
           !(self->camera != NULL ? do_camera_command (self->camera, command)
                                  : do_instrument_command (self->instrument, command)))
    g_error ("unknown command \"%s\"", command);
  note (self, command);
}

static void
look_for_commands (Host *self)
{
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;

  if (!g_file_get_contents (self->control, &text, NULL, NULL))
    return;
  g_unlink (self->control);
  lines = g_strsplit (g_strstrip (text), "\n", -1);
  for (guint i = 0; lines[i] != NULL; i++)
    do_command (self, lines[i]);
}

static void
look_at_light (Host *self)
{
  Instrument *instrument = usb_instrument_get (self->instrument);
  gboolean lit = instrument_is_lit (instrument);
  double given_ma = lit ? instrument_get_current (instrument) * 1000 : 0;
  char text[G_ASCII_DTOSTR_BUF_SIZE];

  if (lit != self->lit)
    note (self, lit ? "lit" : "dark");
  self->lit = lit;
  if (given_ma == self->given_ma)
    return;
  self->given_ma = given_ma;
  g_ascii_dtostr (text, sizeof text, given_ma);
  if (!g_file_set_contents (self->light, text, -1, NULL))
    g_error ("%s cannot be written", self->light);
}

static void
look (Host *self)
{
  gint64 now_us = g_get_monotonic_time ();

  if (self->instrument != NULL)
    look_at_light (self);
  if (now_us - self->looked_us < CONTROL_US)
    return;
  self->looked_us = now_us;
  look_for_commands (self);
}

static void
note_breaches (Host *self)
{
  g_autofree char *unknown = NULL;
  g_autofree char *violations = NULL;

  count_breaches (self);
  unknown = g_strdup_printf ("unknown %u", self->unknown);
  violations = g_strdup_printf ("violations %u", self->violations);
  note (self, unknown);
  note (self, violations);
}

static void
make_device (Host *self, const char *folder)
{
  if (!g_str_equal (self->kind, "camera"))
    {
      make_instrument (self, self->kind);
      return;
    }
  self->camera = uvc_camera_new (folder);
  self->link = usb_redir_new (&uvc_camera_device, self->camera, self->socket_path);
}

int
main (int argc, char **argv)
{
  Host self = { 0 };
  g_autofree char *control = NULL, *log = NULL, *light = NULL;

  if (argc != 4)
    g_error ("usage: usb-host KIND SOCKET FOLDER");
  self.kind = argv[1];
  self.socket_path = argv[2];
  self.control = control = g_strdup_printf ("%s/ctl.%s", argv[3], argv[1]);
  self.log = log = g_strdup_printf ("%s/log.%s", argv[3], argv[1]);
  self.light = light = g_build_filename (argv[3], "light", NULL);
  make_device (&self, argv[3]);
  while (!usb_redir_plug (self.link))
    g_usleep (50 * 1000);
  note (&self, "plug");
  while (usb_redir_turn (self.link, TURN_MS))
    look (&self);
  if (self.instrument != NULL)
    note_breaches (&self);
  usb_redir_free (self.link);
  g_clear_pointer (&self.camera, uvc_camera_free);
  g_clear_pointer (&self.instrument, usb_instrument_free);
  return 0;
}
