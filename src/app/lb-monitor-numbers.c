/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-monitor-numbers.h"

#include <cairo.h>
#include <lb-driver.h>
#include <lb-modulator.h>

#define SHOW_US (4 * G_USEC_PER_SEC)
#define POLL_US (50 * 1000)
#define CALL_US (5 * G_USEC_PER_SEC)
/* Height of the figure, of the monitor's smaller side. */
#define SHARE 0.7

/**
 * lb_monitor_number_draw:
 *
 * Returns: (transfer full): @width x @height grey levels
 */
guint8 *
lb_monitor_number_draw (guint number, guint width, guint height)
{
  cairo_surface_t *surface = cairo_image_surface_create (CAIRO_FORMAT_A8, (int) width, (int) height);
  cairo_t *cr = cairo_create (surface);
  g_autofree char *text = g_strdup_printf ("%u", number);
  guint8 *levels = g_malloc ((gsize) width * height);
  cairo_text_extents_t extents;
  const guint8 *data;
  gsize stride;

  cairo_select_font_face (cr, "sans-serif", CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_BOLD);
  cairo_set_font_size (cr, SHARE * MIN (width, height));
  cairo_text_extents (cr, text, &extents);
  cairo_move_to (cr, (width - extents.width) / 2 - extents.x_bearing,
                 (height - extents.height) / 2 - extents.y_bearing);
  cairo_show_text (cr, text);
  cairo_destroy (cr);
  cairo_surface_flush (surface);
  data = cairo_image_surface_get_data (surface);
  stride = (gsize) cairo_image_surface_get_stride (surface);
  for (gsize y = 0; y < height; y++)
    for (gsize x = 0; x < width; x++)
      levels[y * width + x] = data[y * stride + x];
  cairo_surface_destroy (surface);
  return levels;
}

/* A plane on all of that monitor. */
static LbDevice *
make_plane (const LbSetupCandidate *monitor, LbClock *clock, GError **error)
{
  const LbSetupCandidate other = { .driver = "simulated" };
  const LbSetupDraft draft = {
    .title = "monitor", .devices = { monitor, &other, &other }, .exposure_us = 10000, .wavelength_nm = 532
  };
  g_autofree char *json = lb_setup_draft_to_json (&draft, error);
  LbDriverContext context = { .clock = clock };
  LbDevice *device;

  if (json == NULL)
    return NULL;
  context.setup = lb_setup_parse (json, -1, draft.title, LB_FIDELITY_PIXEL, error);
  if (context.setup == NULL)
    return NULL;
  device = lb_drivers_find (monitor->driver)->create (&context, LB_ROLE_SOURCE, error);
  g_object_unref (context.setup);
  return device;
}

static gboolean
show_number (LbDevice *plane, guint number, GCancellable *cancellable, GError **error)
{
  gint64 deadline_us = g_get_monotonic_time () + CALL_US;
  g_autoptr (LbPattern) pattern = NULL;
  LbModulatorCaps caps;

  if (!lb_device_open (plane, cancellable, deadline_us, error) ||
      !lb_modulator_get_caps (LB_MODULATOR (plane), &caps, cancellable, deadline_us, error))
    return FALSE;
  pattern =
      lb_pattern_new_take (caps.width, caps.height, lb_monitor_number_draw (number, caps.width, caps.height));
  return lb_modulator_show (LB_MODULATOR (plane), pattern, 1, cancellable, deadline_us, error);
}

static void
close_plane (gpointer data)
{
  LbDevice *plane = data;

  lb_device_close (plane, NULL, g_get_monotonic_time () + CALL_US, NULL);
  g_object_unref (plane);
}

/**
 * lb_monitor_numbers_show:
 * @candidates: (element-type LbSetupCandidate): for a plane
 *
 * Each monitor among @candidates shows its number for 4 s.
 *
 * Returns: %FALSE with the error of the first monitor that could not
 */
gboolean
lb_monitor_numbers_show (GPtrArray *candidates, GCancellable *cancellable, GError **error)
{
  g_autoptr (GPtrArray) planes = g_ptr_array_new_with_free_func (close_plane);
  g_autoptr (LbClock) clock = lb_clock_new_wall ();
  g_autoptr (GError) first = NULL;
  gint64 end_us;

  for (guint i = 0; i < candidates->len; i++)
    {
      const LbSetupCandidate *candidate = g_ptr_array_index (candidates, i);
      g_autoptr (GError) local_error = NULL;
      LbDevice *plane;

      if (candidate->number == 0)
        continue;
      plane = make_plane (candidate, clock, &local_error);
      if (plane != NULL)
        {
          g_ptr_array_add (planes, plane);
          show_number (plane, candidate->number, cancellable, &local_error);
        }
      if (local_error != NULL && first == NULL)
        {
          g_prefix_error (&local_error, "%s: ", candidate->title);
          first = g_steal_pointer (&local_error);
        }
    }
  end_us = g_get_monotonic_time () + (planes->len > 0 ? SHOW_US : 0);
  while (g_get_monotonic_time () < end_us && !g_cancellable_is_cancelled (cancellable))
    g_usleep (POLL_US);
  if (first == NULL)
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&first));
  return FALSE;
}
