/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-monitor.h"

#include <string.h>

#include <glib/gi18n-lib.h>

#include "lb-edid.h"
#include "lb-monitor-private.h"

/* Monitors by who they are, and those that the kernel knows of. */

#define DRM_FOLDER "/sys/class/drm"

LbMonitor *
lb_monitor_new (const char *connector, const guint8 *edid_data, gsize edid_length)
{
  LbMonitor *self = g_new0 (LbMonitor, 1);
  LbEdid edid;

  lb_edid_read (edid_data, edid_length, &edid);
  self->connector = g_strdup (connector);
  self->make = g_strdup (edid.make);
  self->model = g_strdup (edid.model);
  self->serial = g_strdup (edid.serial);
  return self;
}

/**
 * lb_monitor_free:
 * @self: (nullable) (transfer full):
 */
void
lb_monitor_free (LbMonitor *self)
{
  if (self == NULL)
    return;
  g_free (self->connector);
  g_free (self->make);
  g_free (self->model);
  g_free (self->serial);
  g_free (self);
}

/**
 * lb_monitor_to_string:
 *
 * Returns: (transfer full): who it is and where, for the operator
 */
char *
lb_monitor_to_string (const LbMonitor *self)
{
  GString *text = g_string_new (NULL);

  g_string_append_printf (text, "%s%s%s", self->make, self->make[0] != '\0' ? " " : "", self->model);
  if (self->serial[0] != '\0')
    g_string_append_printf (text, _ (", serial %s"), self->serial);
  if (text->len == 0)
    g_string_append (text, _ ("monitor without a name"));
  g_string_append_printf (text, _ (", on %s"), self->connector);
  if (self->width > 0)
    g_string_append_printf (text, ", %u x %u", self->width, self->height);
  return g_string_free (text, FALSE);
}

/* --- Choosing ------------------------------------------------------------------------- */

static gboolean
fits (const char *value, const char *wanted)
{
  return wanted == NULL || wanted[0] == '\0' || g_str_equal (value, wanted);
}

gboolean
lb_monitor_fits (const LbMonitor *monitor, const LbMonitorChoice *choice)
{
  return fits (monitor->connector, choice->connector) && fits (monitor->make, choice->make) &&
         fits (monitor->model, choice->model) && fits (monitor->serial, choice->serial);
}

static char *
describe (const GPtrArray *monitors)
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < monitors->len; i++)
    {
      g_autofree char *monitor = lb_monitor_to_string (g_ptr_array_index (monitors, i));

      g_string_append_printf (text, "%s%s", i > 0 ? "; " : "", monitor);
    }
  if (monitors->len == 0)
    g_string_append (text, _ ("none"));
  return g_string_free (text, FALSE);
}

static char *
describe_choice (const LbMonitorChoice *choice)
{
  const char *const names[] = { "connector", "make", "model", "serial" };
  const char *const values[] = { choice->connector, choice->make, choice->model, choice->serial };
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    if (values[i] != NULL && values[i][0] != '\0')
      g_string_append_printf (text, "%s%s \"%s\"", text->len > 0 ? ", " : "", names[i], values[i]);
  return g_string_free (text, FALSE);
}

/**
 * lb_monitors_choose:
 * @monitors: of LbMonitor
 *
 * Never "the second one": a monitor is meant by who it is.
 *
 * Returns: (transfer none): the only one that fits, or %NULL with %G_IO_ERROR_NOT_FOUND
 */
const LbMonitor *
lb_monitors_choose (const GPtrArray *monitors, const LbMonitorChoice *choice, GError **error)
{
  g_autofree char *there = describe (monitors);
  g_autofree char *wanted = describe_choice (choice);
  const LbMonitor *found = NULL;
  guint count = 0;

  for (guint i = 0; i < monitors->len; i++)
    if (lb_monitor_fits (g_ptr_array_index (monitors, i), choice))
      {
        found = g_ptr_array_index (monitors, i);
        count++;
      }
  if (count == 1)
    return found;
  if (count == 0)
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
                 _ ("there is no monitor with %s; check its cable and power, and that the desktop uses it. "
                    "There are: %s"),
                 wanted, there);
  else
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
                 _ ("%u monitors have %s; name the connector or the serial number too. There are: %s"), count,
                 wanted[0] != '\0' ? wanted : _ ("no name"), there);
  return NULL;
}

/* --- The kernel's ------------------------------------------------------------------------ */

static char *
read_text (const char *folder, const char *name)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);
  char *text = NULL;

  return g_file_get_contents (path, &text, NULL, NULL) ? g_strstrip (text) : g_strdup ("");
}

/* Names are "card0-HDMI-A-1". */
static void
add_connector (GPtrArray *monitors, const char *folder, const char *name)
{
  const char *connector = strchr (name, '-');
  g_autofree char *path = g_build_filename (folder, name, NULL);
  g_autofree char *edid_path = g_build_filename (path, "edid", NULL);
  g_autofree char *status = NULL;
  g_autofree char *modes = NULL;
  g_autofree char *edid = NULL;
  LbMonitor *monitor;
  gsize length = 0;
  char *end;

  if (!g_str_has_prefix (name, "card") || connector == NULL)
    return;
  status = read_text (path, "status");
  if (!g_str_equal (status, "connected"))
    return;
  if (!g_file_get_contents (edid_path, &edid, &length, NULL))
    length = 0;
  monitor = lb_monitor_new (connector + 1, (const guint8 *) edid, length);
  /* The first is the one that it likes best: "1920x1080". */
  modes = read_text (path, "modes");
  monitor->width = (guint) MIN (g_ascii_strtoull (modes, &end, 10), G_MAXUINT16);
  if (*end == 'x')
    monitor->height = (guint) MIN (g_ascii_strtoull (end + 1, NULL, 10), G_MAXUINT16);
  g_ptr_array_add (monitors, monitor);
}

static int
compare_names (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

/**
 * lb_monitors_list_drm:
 * @folder: (nullable): in the place of the kernel's
 *
 * Returns: (transfer full): the connected monitors as LbMonitor, by name of card and connector; opens nothing
 */
GPtrArray *
lb_monitors_list_drm (const char *folder)
{
  const char *from = folder != NULL ? folder : DRM_FOLDER;
  GPtrArray *monitors = g_ptr_array_new_with_free_func ((GDestroyNotify) lb_monitor_free);
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GDir) dir = g_dir_open (from, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    g_ptr_array_add (names, g_strdup (name));
  g_ptr_array_sort (names, compare_names);
  for (guint i = 0; i < names->len; i++)
    add_connector (monitors, from, g_ptr_array_index (names, i));
  return monitors;
}

/**
 * lb_monitors_list:
 *
 * Returns: (transfer full): the monitors of the X server of the environment, else those that the kernel knows
 */
GPtrArray *
lb_monitors_list (void)
{
  GPtrArray *monitors = NULL;

  /* Under Wayland the X server is a guest, and its outputs are made up. */
  if (g_getenv ("WAYLAND_DISPLAY") == NULL)
    monitors = lb_monitors_list_x11 (NULL);
  if (monitors != NULL && monitors->len > 0)
    return monitors;
  g_clear_pointer (&monitors, g_ptr_array_unref);
  return lb_monitors_list_drm (NULL);
}
