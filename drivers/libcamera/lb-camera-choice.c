/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-camera-choice.h"

#include <math.h>
#include <string.h>

#include <glib/gi18n-lib.h>
#include <lb-options.h>
#include <lb-setup.h>

#define CONTROL_DELAY 3
/* A time stamp older than this is not one of that clock. */
#define STAMP_AGE_NS (G_GINT64_CONSTANT (60) * 1000 * 1000 * 1000)

/* --- Setup ------------------------------------------------------------------------------ */

typedef struct
{
  LbCameraChoice choice;
  const char *colour;
} Keys;

static const LbOption keys[] = {
  { "id", LB_OPTION_TEXT, G_STRUCT_OFFSET (Keys, choice.id) },
  { "model", LB_OPTION_TEXT, G_STRUCT_OFFSET (Keys, choice.model) },
  { "serial", LB_OPTION_TEXT, G_STRUCT_OFFSET (Keys, choice.serial) },
  { "format", LB_OPTION_TEXT, G_STRUCT_OFFSET (Keys, choice.format) },
  { "colour", LB_OPTION_TEXT, G_STRUCT_OFFSET (Keys, colour) },
  { "width", LB_OPTION_WHOLE, G_STRUCT_OFFSET (Keys, choice.width), 16, 65535 },
  { "height", LB_OPTION_WHOLE, G_STRUCT_OFFSET (Keys, choice.height), 16, 65535 },
  { "linear", LB_OPTION_TRUTH, G_STRUCT_OFFSET (Keys, choice.linear) },
  { "rate_hz", LB_OPTION_NUMBER, G_STRUCT_OFFSET (Keys, choice.rate_hz), 0.01, 10000 },
  { "latency_us", LB_OPTION_NUMBER, G_STRUCT_OFFSET (Keys, choice.latency_us), 0, 1e7 },
  { "readout_us", LB_OPTION_NUMBER, G_STRUCT_OFFSET (Keys, choice.readout_us), 0, 1e7 },
  { "control_delay_frames", LB_OPTION_WHOLE, G_STRUCT_OFFSET (Keys, choice.control_delay), 0, 100 },
};

static gboolean
check_format (const LbCameraChoice *self, const char *where, GError **error)
{
  const LbPixelFormat *format = lb_pixel_format_find (self->format);
  g_autoptr (GString) known = g_string_new (NULL);

  if (self->format == NULL || (format != NULL && (!format->gamma || self->linear)))
    return TRUE;
  if (format != NULL)
    {
      g_set_error (
          error, LB_SETUP_ERROR, LB_SETUP_ERROR_VALUE,
          _ ("\"%sformat\" is \"%s\": cameras usually gamma-encode it, so it does not measure light; "
             "take a raw format, or declare with \"linear\": true that this camera does not"),
          where, self->format);
      return FALSE;
    }
  for (format = lb_pixel_format_get_all (); format->name != NULL; format++)
    g_string_append_printf (known, known->len > 0 ? ", %s" : "%s", format->name);
  g_set_error (error, LB_SETUP_ERROR, LB_SETUP_ERROR_VALUE,
               _ ("\"%sformat\" is \"%s\": no such format can be read; these can: %s"), where, self->format,
               known->str);
  return FALSE;
}

/**
 * lb_camera_choice_read:
 * @self: (out): what the setup says; its texts belong to @options
 * @options: (nullable): a{sv}
 * @where: path of the keys, for messages
 *
 * Reads and checks the camera's part of a setup file.
 *
 * Returns: %FALSE with LB_SETUP_ERROR_KEY or LB_SETUP_ERROR_VALUE
 */
gboolean
lb_camera_choice_read (LbCameraChoice *self, GVariant *options, const char *where, GError **error)
{
  Keys read = { .choice = { .latency_us = -1, .control_delay = CONTROL_DELAY }, .colour = "green" };
  int colour;

  if (!lb_options_read (keys, G_N_ELEMENTS (keys), options, where, &read, error))
    return FALSE;
  if (read.choice.id == NULL && read.choice.model == NULL)
    {
      g_set_error (error, LB_SETUP_ERROR, LB_SETUP_ERROR_KEY,
                   _ ("the key \"%sid\" or \"%smodel\" is missing: it says which camera is meant; "
                      "\"lightbench-cli devices\" lists those that are connected"),
                   where, where);
      return FALSE;
    }
  if ((read.choice.width > 0) != (read.choice.height > 0))
    {
      g_set_error (error, LB_SETUP_ERROR, LB_SETUP_ERROR_KEY,
                   _ ("\"%swidth\" and \"%sheight\" go together; one of them is missing"), where, where);
      return FALSE;
    }
  colour = lb_pixel_colour_find (read.colour);
  if (colour < 0)
    {
      g_set_error (error, LB_SETUP_ERROR, LB_SETUP_ERROR_VALUE,
                   _ ("\"%scolour\" is \"%s\": it must be green, red or blue"), where, read.colour);
      return FALSE;
    }
  read.choice.colour = (LbPixelColour) colour;
  *self = read.choice;
  return check_format (self, where, error);
}

/* --- Which camera ------------------------------------------------------------------------- */

/**
 * lb_camera_entry_new:
 *
 * Returns: (transfer full): an entry with unknown maker and serial
 */
LbCameraEntry *
lb_camera_entry_new (const char *id, const char *model)
{
  LbCameraEntry *self = g_new0 (LbCameraEntry, 1);

  self->id = g_strdup (id);
  self->model = g_strdup (model);
  self->maker = g_strdup ("");
  self->serial = g_strdup ("");
  return self;
}

LbCameraEntry *
lb_camera_entry_copy (const LbCameraEntry *self)
{
  LbCameraEntry *copy = lb_camera_entry_new (self->id, self->model);

  g_free (copy->maker);
  g_free (copy->serial);
  copy->maker = g_strdup (self->maker);
  copy->serial = g_strdup (self->serial);
  return copy;
}

void
lb_camera_entry_free (LbCameraEntry *self)
{
  g_free (self->id);
  g_free (self->model);
  g_free (self->maker);
  g_free (self->serial);
  g_free (self);
}

static char *
read_attribute (const char *folder, const char *name)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);
  char *text = NULL;

  if (!g_file_get_contents (path, &text, NULL, NULL))
    return g_strdup ("");
  return g_strstrip (text);
}

static gboolean
attribute_is (const char *folder, const char *name, const char *value)
{
  g_autofree char *text = read_attribute (folder, name);

  return g_str_equal (text, value);
}

/* Folder of the device at @ports of any bus; NULL if there is none or several,
 * since libcamera's id does not say the bus. */
static char *
find_usb_folder (const char *sysfs, const char *ports, const char *vendor, const char *product)
{
  g_autofree char *devices = g_build_filename (sysfs, "bus", "usb", "devices", NULL);
  g_autoptr (GDir) folder = g_dir_open (devices, 0, NULL);
  g_autofree char *found = NULL;
  const char *name;

  while (folder != NULL && (name = g_dir_read_name (folder)) != NULL)
    {
      const char *dash = strchr (name, '-');
      g_autofree char *path = g_build_filename (devices, name, NULL);

      if (dash == NULL || !g_str_equal (dash + 1, ports) || !attribute_is (path, "idVendor", vendor) ||
          !attribute_is (path, "idProduct", product))
        continue;
      if (found != NULL)
        return NULL;
      found = g_steal_pointer (&path);
    }
  return g_steal_pointer (&found);
}

/**
 * lb_camera_entry_look_up:
 * @sysfs: "/sys"
 *
 * Fills in maker and serial of a camera on USB, as the kernel read them when it
 * was plugged in. libcamera's id of such a camera ends in
 * "-PORTS:CONFIG.INTERFACE-VID:PID" (its PipelineHandlerUVC).
 */
void
lb_camera_entry_look_up (LbCameraEntry *self, const char *sysfs)
{
  g_autoptr (GRegex) regex =
      g_regex_new ("-([0-9.]+):[0-9]+\\.[0-9]+-([0-9a-f]{4}):([0-9a-f]{4})$", 0, 0, NULL);
  g_autoptr (GMatchInfo) match = NULL;
  g_autofree char *ports = NULL, *vendor = NULL, *product = NULL, *folder = NULL;

  if (!g_regex_match (regex, self->id, 0, &match))
    return;
  ports = g_match_info_fetch (match, 1);
  vendor = g_match_info_fetch (match, 2);
  product = g_match_info_fetch (match, 3);
  folder = find_usb_folder (sysfs, ports, vendor, product);
  if (folder == NULL)
    return;
  g_free (self->maker);
  g_free (self->serial);
  self->maker = read_attribute (folder, "manufacturer");
  self->serial = read_attribute (folder, "serial");
}

static gboolean
is_meant (const LbCameraChoice *self, const LbCameraEntry *entry)
{
  return (self->id == NULL || g_str_equal (self->id, entry->id)) &&
         (self->model == NULL || g_str_equal (self->model, entry->model)) &&
         (self->serial == NULL || g_str_equal (self->serial, entry->serial));
}

static char *
describe (const LbCameraChoice *self)
{
  g_autoptr (GString) text = g_string_new (NULL);

  if (self->model != NULL)
    g_string_append_printf (text, _ ("model \"%s\""), self->model);
  if (self->serial != NULL)
    g_string_append_printf (text, _ ("%sserial \"%s\""), text->len > 0 ? ", " : "", self->serial);
  if (self->id != NULL)
    g_string_append_printf (text, _ ("%sid \"%s\""), text->len > 0 ? ", " : "", self->id);
  return g_string_free (g_steal_pointer (&text), FALSE);
}

/**
 * lb_camera_choice_find:
 * @entries: (element-type LbCameraEntry): cameras that can be seen
 *
 * Returns: (transfer none): the one that is meant; %NULL with ABSENT if there
 *   is none, with FORMAT if there are several
 */
const LbCameraEntry *
lb_camera_choice_find (const LbCameraChoice *self, GPtrArray *entries, GError **error)
{
  g_autofree char *text = describe (self);
  const LbCameraEntry *found = NULL;

  for (guint i = 0; i < entries->len; i++)
    {
      const LbCameraEntry *entry = g_ptr_array_index (entries, i);

      if (!is_meant (self, entry))
        continue;
      if (found != NULL)
        {
          g_set_error (
              error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_FORMAT,
              _ ("two cameras fit %s: \"%s\" and \"%s\"; say in the setup which one by \"serial\" or "
                 "\"id\""),
              text, found->id, entry->id);
          return NULL;
        }
      found = entry;
    }
  if (found == NULL)
    g_set_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_ABSENT,
                 _ ("no camera with %s is connected; plug it in, and see that your account may open "
                    "/dev/video* (group \"video\")"),
                 text);
  return found;
}

/* --- Which mode ---------------------------------------------------------------------------- */

static gboolean
is_better (const LbPixelFormat *format,
           const LbCameraMode *mode,
           const LbPixelFormat *best_format,
           const LbCameraMode *best)
{
  guint64 pixels = (guint64) mode->width * mode->height;

  if (best == NULL)
    return TRUE;
  if (format->gamma != best_format->gamma)
    return !format->gamma;
  if (format->bits != best_format->bits)
    return format->bits > best_format->bits;
  return pixels > (guint64) best->width * best->height;
}

static void
no_mode (
    const LbCameraChoice *self, const LbCameraMode *modes, guint n_modes, gboolean encoded, GError **error)
{
  g_autoptr (GString) known = g_string_new (NULL);

  for (guint i = 0; i < n_modes; i++)
    g_string_append_printf (known, i > 0 ? ", %s %ux%u" : "%s %ux%u", modes[i].format, modes[i].width,
                            modes[i].height);
  if (encoded)
    g_set_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_FORMAT,
                 _ ("the camera offers only formats that cameras usually gamma-encode (%s), which do not "
                    "measure light; declare with \"linear\": true in the setup that this one does not"),
                 known->str);
  else
    g_set_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_FORMAT,
                 _ ("the camera does not offer %s of %ux%u (0: any); it offers: %s"),
                 self->format != NULL ? self->format : _ ("a format that can be read"), self->width,
                 self->height, known->str);
}

/**
 * lb_camera_choice_get_mode:
 * @modes: (array length=n_modes): what the camera offers
 *
 * Returns: (transfer none): the mode to take; %NULL with FORMAT
 */
const LbCameraMode *
lb_camera_choice_get_mode (const LbCameraChoice *self,
                           const LbCameraMode *modes,
                           guint n_modes,
                           GError **error)
{
  const LbPixelFormat *best_format = NULL;
  const LbCameraMode *best = NULL;
  gboolean encoded = FALSE;

  for (guint i = 0; i < n_modes; i++)
    {
      const LbPixelFormat *format = lb_pixel_format_find (modes[i].format);

      if (format == NULL || (self->format != NULL && !g_str_equal (self->format, format->name)) ||
          (self->width > 0 && (modes[i].width != self->width || modes[i].height != self->height)))
        continue;
      if (format->gamma && !self->linear)
        encoded = TRUE;
      else if (is_better (format, &modes[i], best_format, best))
        {
          best_format = format;
          best = &modes[i];
        }
    }
  if (best == NULL)
    no_mode (self, modes, n_modes, encoded, error);
  return best;
}

/**
 * lb_camera_choice_round_exposure:
 * @usb: a UVC camera: units of 100 us ("USB Device Class Definition for Video
 *   Devices" 1.5, 4.2.2.1.4, Exposure Time (Absolute))
 * @min_us: the shortest
 *
 * Returns: the exposure that the camera makes of @exposure_us, never longer
 */
double
lb_camera_choice_round_exposure (double exposure_us, gboolean usb, double min_us)
{
  double unit_us = usb ? 100 : 1;

  return MAX (floor (exposure_us / unit_us + 1e-6) * unit_us, min_us);
}

/**
 * lb_camera_stamp_to_us:
 * @stamp_ns: a camera's time stamp, of the monotonic or the boot-time clock
 * @monotonic_ns, @boot_ns: what both clocks say now
 *
 * Returns: the time stamp in monotonic microseconds; now, if it is of neither clock
 */
gint64
lb_camera_stamp_to_us (gint64 stamp_ns, gint64 monotonic_ns, gint64 boot_ns)
{
  gint64 age_ns = monotonic_ns - stamp_ns;
  gint64 boot_age_ns = boot_ns - stamp_ns;

  /* After a sleep of the machine boot time is ahead, so that a stamp of it seems
   * to lie in the future of the monotonic clock. */
  if (age_ns < 0)
    age_ns = boot_age_ns;
  if (age_ns < 0 || age_ns > STAMP_AGE_NS)
    age_ns = 0;
  return (monotonic_ns - age_ns) / 1000;
}
