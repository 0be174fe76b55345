/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "uvc-camera.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Requests. */
enum
{
  SET_CUR = 0x01,
  GET_CUR = 0x81,
  GET_MIN = 0x82,
  GET_MAX = 0x83,
  GET_RES = 0x84,
  GET_LEN = 0x85,
  GET_INFO = 0x86,
  GET_DEF = 0x87,
};

#define AE_MANUAL 1
#define AE_APERTURE_PRIORITY 8
#define PROBE_LENGTH 26
#define PAYLOAD 16384
#define PICTURE (2 * UVC_CAMERA_WIDTH * UVC_CAMERA_HEIGHT)
#define INTERVAL (10000000 / UVC_CAMERA_RATE)

#define LE16(x) ((x) &0xff), ((x) >> 8 & 0xff)
#define LE32(x) ((x) &0xff), ((x) >> 8 & 0xff), ((x) >> 16 & 0xff), ((x) >> 24 & 0xff)

#define CONTROL_BODY (18 + 11 + 9)
#define STREAM_BODY (27 + 30 + 6)
#define CONFIGURATION (9 + 8 + 9 + 13 + CONTROL_BODY + 9 + 14 + STREAM_BODY + 7)

static const guint8 descriptors[] = {
  /* Device: miscellaneous class with interface associations. */
  18,
  1,
  LE16 (0x0200),
  0xef,
  2,
  1,
  64,
  LE16 (UVC_CAMERA_VENDOR),
  LE16 (UVC_CAMERA_PRODUCT),
  LE16 (0x0100),
  1,
  2,
  3,
  1,
  /* Configuration, association of the two interfaces. */
  9,
  2,
  LE16 (CONFIGURATION),
  2,
  1,
  0,
  0x80,
  50,
  8,
  11,
  0,
  2,
  14,
  3,
  0,
  2,
  /* Control interface: header, camera (automatic exposure mode, exposure time),
   * processing unit (brightness, gain), output. */
  9,
  4,
  0,
  0,
  0,
  14,
  1,
  0,
  2,
  13,
  0x24,
  1,
  LE16 (0x0100),
  LE16 (13 + CONTROL_BODY),
  LE32 (48000000),
  1,
  1,
  18,
  0x24,
  2,
  1,
  LE16 (0x0201),
  0,
  0,
  LE16 (0),
  LE16 (0),
  LE16 (0),
  3,
  0x0a,
  0,
  0,
  11,
  0x24,
  5,
  2,
  1,
  LE16 (0),
  2,
  LE16 (0x0201),
  0,
  9,
  0x24,
  3,
  3,
  LE16 (0x0101),
  0,
  2,
  0,
  /* Streaming interface: header, YUY2, one size, colours, bulk endpoint. */
  9,
  4,
  1,
  0,
  1,
  14,
  2,
  0,
  0,
  14,
  0x24,
  1,
  1,
  LE16 (14 + STREAM_BODY),
  0x81,
  0,
  3,
  0,
  0,
  0,
  1,
  0,
  27,
  0x24,
  4,
  1,
  1,
  'Y',
  'U',
  'Y',
  '2',
  0,
  0,
  0x10,
  0,
  0x80,
  0,
  0,
  0xaa,
  0,
  0x38,
  0x9b,
  0x71,
  16,
  1,
  0,
  0,
  0,
  0,
  30,
  0x24,
  5,
  1,
  0,
  LE16 (UVC_CAMERA_WIDTH),
  LE16 (UVC_CAMERA_HEIGHT),
  LE32 (8 * PICTURE),
  LE32 (8 * PICTURE * UVC_CAMERA_RATE),
  LE32 (PICTURE),
  LE32 (INTERVAL),
  1,
  LE32 (INTERVAL),
  6,
  0x24,
  13,
  1,
  1,
  4,
  7,
  5,
  0x81,
  2,
  LE16 (512),
  0,
};

G_STATIC_ASSERT (sizeof descriptors == 18 + CONFIGURATION);

/* One control of the camera or its processing unit. */
typedef struct
{
  guint8 unit, selector;
  guint length;
  guint32 minimum, maximum, step, initial;
} Control;

typedef enum
{
  AE_MODE,
  EXPOSURE,
  BRIGHTNESS,
  GAIN,
  N_CONTROLS,
} ControlIndex;

/* Exposure counts in 100 us; the gain in sixteenths. */
static const Control controls[N_CONTROLS] = {
  [AE_MODE] = { 1, 2, 1, 0, 0, AE_MANUAL | AE_APERTURE_PRIORITY, AE_APERTURE_PRIORITY },
  [EXPOSURE] = { 1, 4, 4, 1, 10000, 1, 156 },
  [BRIGHTNESS] = { 2, 2, 2, 0, 255, 1, 128 },
  [GAIN] = { 2, 4, 2, 16, 64, 1, 16 },
};

struct _UvcCamera
{
  char *folder;
  guint32 values[N_CONTROLS];
  gboolean streaming, mute, follows;
  guint8 frame_id;
  gint64 next_us;
  gsize at; /* in `picture`; PICTURE: none under way */
  guint8 picture[PICTURE];
};

UvcCamera *
uvc_camera_new (const char *folder)
{
  UvcCamera *self = g_new0 (UvcCamera, 1);

  self->folder = g_strdup (folder);
  self->at = PICTURE;
  return self;
}

void
uvc_camera_free (UvcCamera *self)
{
  g_free (self->folder);
  g_free (self);
}

void
uvc_camera_set_mute (UvcCamera *self, gboolean mute)
{
  self->mute = mute;
}

void
uvc_camera_set_follows_light (UvcCamera *self, gboolean follows)
{
  self->follows = follows;
}

/* --- Picture ------------------------------------------------------------------------------- */

/* Grey levels of a binary PGM; NULL: there is no whole one. */
static guint8 *
read_planes (UvcCamera *self, guint *width, guint *height)
{
  g_autofree char *path = g_build_filename (self->folder, "planes.pgm", NULL);
  g_autofree char *text = NULL;
  gsize length;
  int header = 0;

  if (!g_file_get_contents (path, &text, &length, NULL) ||
      sscanf (text, "P5 %u %u 255%n", width, height, &header) != 2 || header == 0 || *width == 0 ||
      length < (gsize) header + 1 + (gsize) *width * *height)
    return NULL;
  return g_memdup2 (text + header + 1, (gsize) *width * *height);
}

static double
read_light (UvcCamera *self)
{
  g_autofree char *path = g_build_filename (self->folder, "light", NULL);
  g_autofree char *text = NULL;

  if (!self->follows)
    return 1;
  return g_file_get_contents (path, &text, NULL, NULL) ? g_ascii_strtod (text, NULL) / UVC_CAMERA_LIGHT : 0;
}

static void
paint (UvcCamera *self)
{
  guint width = 1, height = 1;
  g_autofree guint8 *planes = read_planes (self, &width, &height);
  /* By itself the camera exposes for 10 ms. */
  double exposure_ms = self->values[AE_MODE] == AE_MANUAL ? self->values[EXPOSURE] / 10.0 : 10;
  double scale = UVC_CAMERA_FULL * exposure_ms / 10 * (self->values[GAIN] / 16.0) * read_light (self) / 255;

  for (guint y = 0; y < UVC_CAMERA_HEIGHT; y++)
    for (guint x = 0; x < UVC_CAMERA_WIDTH; x++)
      {
        guint at = y * height / UVC_CAMERA_HEIGHT * width + x * width / UVC_CAMERA_WIDTH;
        double value = UVC_CAMERA_BLACK + scale * (planes != NULL ? planes[at] : 255);
        guint8 *out = self->picture + 2 * ((gsize) y * UVC_CAMERA_WIDTH + x);

        out[0] = (guint8) MIN (lround (value), 255);
        out[1] = 128;
      }
}

/* --- Control requests --------------------------------------------------------------------------- */

static int
put (guint8 *data, guint64 value, guint length)
{
  for (guint i = 0; i < length; i++)
    data[i] = (guint8) (value >> 8 * i);
  return (int) length;
}

static guint32
get (const guint8 *data, guint length)
{
  guint32 value = 0;

  for (guint i = 0; i < length; i++)
    value |= (guint32) data[i] << 8 * i;
  return value;
}

static int
get_string (guint8 index, guint8 *data)
{
  static const char *const strings[] = { "", "Emulator", "Bench camera", "CAM0001" };
  gsize length;

  if (index == 0)
    return put (data, 0x04090304, 4);
  if (index >= G_N_ELEMENTS (strings))
    return USB_REDIR_PIPE;
  length = strlen (strings[index]);
  data[0] = (guint8) (2 + 2 * length);
  data[1] = 3;
  for (gsize i = 0; i < length; i++)
    put (data + 2 + 2 * i, (guint8) strings[index][i], 2);
  return data[0];
}

static int
standard_request (const guint8 *setup, guint8 *data)
{
  if (setup[1] == 8)
    return put (data, 1, 1);
  if (setup[1] == 0)
    return put (data, 0, 2);
  if (setup[1] != 6)
    return setup[0] & 0x80 ? USB_REDIR_PIPE : 0;
  switch (setup[3])
    {
    case 1:
      memcpy (data, descriptors, 18);
      return 18;
    case 2:
      memcpy (data, descriptors + 18, CONFIGURATION);
      return CONFIGURATION;
    case 3:
      return get_string (setup[2], data);
    default:
      return USB_REDIR_PIPE;
    }
}

/* A value that the unit refuses is a STALL: out of range, or the exposure while
 * the camera exposes by itself. */
static int
set_control (UvcCamera *self, ControlIndex index, guint32 value)
{
  const Control *control = &controls[index];

  if (index == AE_MODE ? value != AE_MANUAL && value != AE_APERTURE_PRIORITY
                       : value < control->minimum || value > control->maximum)
    return USB_REDIR_PIPE;
  if (index == EXPOSURE && self->values[AE_MODE] != AE_MANUAL)
    return USB_REDIR_PIPE;
  self->values[index] = value;
  return 0;
}

static int
control_request (UvcCamera *self, ControlIndex index, guint8 request, guint8 *data)
{
  const Control *control = &controls[index];

  switch (request)
    {
    case SET_CUR:
      return set_control (self, index, get (data, control->length));
    case GET_CUR:
      return put (data, self->values[index], control->length);
    case GET_MIN:
      return put (data, control->minimum, control->length);
    case GET_MAX:
      return put (data, control->maximum, control->length);
    case GET_RES:
      return put (data, control->step, control->length);
    case GET_DEF:
      return put (data, control->initial, control->length);
    case GET_LEN:
      return put (data, control->length, 2);
    case GET_INFO:
      return put (data, 3, 1);
    default:
      return USB_REDIR_PIPE;
    }
}

/* Probe and commit: there is one format and one size. */
static int
stream_request (UvcCamera *self, guint8 selector, guint8 request, guint8 *data)
{
  if (request == SET_CUR)
    {
      if (selector == 2)
        {
          self->streaming = TRUE;
          self->at = PICTURE;
          self->next_us = g_get_monotonic_time ();
        }
      return 0;
    }
  if (request == GET_LEN)
    return put (data, PROBE_LENGTH, 2);
  if (request == GET_INFO)
    return put (data, 3, 1);
  memset (data, 0, PROBE_LENGTH);
  put (data, 1, 2);
  put (data + 2, 1, 1);
  put (data + 3, 1, 1);
  put (data + 4, INTERVAL, 4);
  put (data + 18, PICTURE, 4);
  put (data + 22, PAYLOAD, 4);
  return PROBE_LENGTH;
}

static int
class_request (UvcCamera *self, const guint8 *setup, guint8 *data)
{
  guint8 request = setup[1], selector = setup[3], interface = setup[4], unit = setup[5];

  if (interface == 1 && (selector == 1 || selector == 2))
    return stream_request (self, selector, request, data);
  for (guint i = 0; interface == 0 && i < N_CONTROLS; i++)
    if (controls[i].unit == unit && controls[i].selector == selector)
      return control_request (self, i, request, data);
  /* The code of the last error: there is no better to say. */
  if (interface == 0 && unit == 0 && selector == 2 && request == GET_CUR)
    return put (data, 7, 1);
  return USB_REDIR_PIPE;
}

static int
control_cb (gpointer device, const guint8 *setup, guint8 *data, int capacity)
{
  guint8 out[sizeof descriptors];
  int length;

  memcpy (out, data, MIN ((gsize) capacity, sizeof out));
  length = (setup[0] & 0x60) == 0 ? standard_request (setup, out) : class_request (device, setup, out);
  length = MIN (length, capacity);
  if (length > 0)
    memcpy (data, out, (gsize) length);
  return length;
}

/* --- Streaming ----------------------------------------------------------------------------------------- */

static int
bulk_in_cb (gpointer device, guint8 endpoint, guint8 *data, int capacity)
{
  UvcCamera *self = device;
  gint64 now_us = g_get_monotonic_time ();
  gsize part;

  if (!self->streaming)
    return USB_REDIR_NAK;
  if (self->at == PICTURE)
    {
      if (self->mute || now_us < self->next_us)
        return USB_REDIR_NAK;
      self->next_us = MAX (self->next_us + INTERVAL / 10, now_us);
      self->at = 0;
      paint (self);
    }
  part = MIN ((gsize) MIN (capacity, PAYLOAD) - 2, PICTURE - self->at);
  memcpy (data + 2, self->picture + self->at, part);
  self->at += part;
  /* Length of the header; end of header, end of frame, frame id. */
  data[0] = 2;
  data[1] = (guint8) (0x80 | (self->at == PICTURE ? 2 : 0) | self->frame_id);
  if (self->at == PICTURE)
    self->frame_id ^= 1;
  return (int) part + 2;
}

static int
bulk_out_cb (gpointer device, guint8 endpoint, const guint8 *data, int length)
{
  return USB_REDIR_PIPE;
}

static const guint8 *
get_descriptors_cb (gpointer device, gsize *length)
{
  *length = sizeof descriptors;
  return descriptors;
}

/* As after power-up. */
static void
reset_cb (gpointer device)
{
  UvcCamera *self = device;

  for (guint i = 0; i < N_CONTROLS; i++)
    self->values[i] = controls[i].initial;
  self->streaming = FALSE;
  self->frame_id = 0;
  self->at = PICTURE;
}

const UsbRedirDevice uvc_camera_device = {
  .get_descriptors = get_descriptors_cb,
  .control = control_cb,
  .bulk_out = bulk_out_cb,
  .bulk_in = bulk_in_cb,
  .reset = reset_cb,
};
