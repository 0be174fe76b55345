/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "lb-monitor-private.h"

/* Monitors by RandR 1.3. XCB, because every request has its own error there: an
 * output that is unplugged between two of them ends nobody's program. */

#define EDID_WORDS 64

typedef xcb_randr_get_screen_resources_current_reply_t Resources;

static xcb_atom_t
get_atom (xcb_connection_t *connection, const char *name)
{
  xcb_intern_atom_cookie_t cookie = xcb_intern_atom (connection, 1, (guint16) strlen (name), name);
  xcb_intern_atom_reply_t *reply = xcb_intern_atom_reply (connection, cookie, NULL);
  xcb_atom_t atom = reply != NULL ? reply->atom : XCB_ATOM_NONE;

  free (reply);
  return atom;
}

/* In millihertz; 0 if the mode is not known. */
static guint
get_rate (const Resources *resources, xcb_randr_mode_t mode)
{
  const xcb_randr_mode_info_t *modes = xcb_randr_get_screen_resources_current_modes (resources);

  for (int i = 0; i < xcb_randr_get_screen_resources_current_modes_length (resources); i++)
    {
      guint64 total = (guint64) modes[i].htotal * modes[i].vtotal;

      if (modes[i].id != mode || total == 0)
        continue;
      if (modes[i].mode_flags & XCB_RANDR_MODE_FLAG_DOUBLE_SCAN)
        total *= 2;
      if (modes[i].mode_flags & XCB_RANDR_MODE_FLAG_INTERLACE)
        total = MAX (total / 2, 1);
      return (guint) ((guint64) modes[i].dot_clock * 1000 / total);
    }
  return 0;
}

static void
add_output (GPtrArray *monitors,
            xcb_connection_t *connection,
            const Resources *resources,
            xcb_randr_output_t output,
            xcb_atom_t edid_atom)
{
  xcb_randr_get_output_info_reply_t *info = xcb_randr_get_output_info_reply (
      connection, xcb_randr_get_output_info (connection, output, resources->config_timestamp), NULL);
  xcb_randr_get_crtc_info_reply_t *crtc = NULL;
  xcb_randr_get_output_property_reply_t *edid = NULL;

  if (info != NULL && info->crtc != XCB_NONE)
    crtc = xcb_randr_get_crtc_info_reply (
        connection, xcb_randr_get_crtc_info (connection, info->crtc, resources->config_timestamp), NULL);
  if (crtc != NULL && crtc->mode != XCB_NONE)
    {
      g_autofree char *name = g_strndup ((const char *) xcb_randr_get_output_info_name (info),
                                         (gsize) xcb_randr_get_output_info_name_length (info));
      LbMonitor *monitor;

      if (edid_atom != XCB_ATOM_NONE)
        edid = xcb_randr_get_output_property_reply (
            connection,
            xcb_randr_get_output_property (connection, output, edid_atom, XCB_ATOM_ANY, 0, EDID_WORDS, 0, 0),
            NULL);
      monitor = lb_monitor_new (name, edid != NULL ? xcb_randr_get_output_property_data (edid) : NULL,
                                edid != NULL ? (gsize) xcb_randr_get_output_property_data_length (edid) : 0);
      monitor->x = crtc->x;
      monitor->y = crtc->y;
      monitor->width = crtc->width;
      monitor->height = crtc->height;
      monitor->rate_mhz = get_rate (resources, crtc->mode);
      monitor->output = output;
      monitor->crtc = info->crtc;
      g_ptr_array_add (monitors, monitor);
    }
  free (edid);
  free (crtc);
  free (info);
}

GPtrArray *
lb_monitors_list_xcb (xcb_connection_t *connection, xcb_window_t root)
{
  GPtrArray *monitors = g_ptr_array_new_with_free_func ((GDestroyNotify) lb_monitor_free);
  const xcb_query_extension_reply_t *randr = xcb_get_extension_data (connection, &xcb_randr_id);
  xcb_randr_query_version_reply_t *version = NULL;
  Resources *resources = NULL;

  if (randr != NULL && randr->present)
    version = xcb_randr_query_version_reply (connection, xcb_randr_query_version (connection, 1, 3), NULL);
  if (version != NULL && (version->major_version > 1 || version->minor_version >= 3))
    resources = xcb_randr_get_screen_resources_current_reply (
        connection, xcb_randr_get_screen_resources_current (connection, root), NULL);
  if (resources != NULL)
    {
      const xcb_randr_output_t *outputs = xcb_randr_get_screen_resources_current_outputs (resources);
      xcb_atom_t edid_atom = get_atom (connection, "EDID");

      for (int i = 0; i < xcb_randr_get_screen_resources_current_outputs_length (resources); i++)
        add_output (monitors, connection, resources, outputs[i], edid_atom);
    }
  free (resources);
  free (version);
  return monitors;
}

/**
 * lb_monitors_list_x11:
 * @display: (nullable): name of the X server; %NULL: the one of the environment
 *
 * Returns: (transfer full): the monitors that show something, as LbMonitor
 */
GPtrArray *
lb_monitors_list_x11 (const char *display)
{
  int number = 0;
  xcb_connection_t *connection = NULL;
  GPtrArray *monitors = NULL;

  if (display != NULL || g_getenv ("DISPLAY") != NULL)
    connection = xcb_connect (display, &number);
  if (connection != NULL && xcb_connection_has_error (connection) == 0)
    {
      xcb_screen_iterator_t screens = xcb_setup_roots_iterator (xcb_get_setup (connection));

      for (int i = 0; i < number && screens.rem > 1; i++)
        xcb_screen_next (&screens);
      monitors = lb_monitors_list_xcb (connection, screens.data->root);
    }
  if (connection != NULL)
    xcb_disconnect (connection);
  return monitors != NULL ? monitors : g_ptr_array_new_with_free_func ((GDestroyNotify) lb_monitor_free);
}
