/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-display-private.h"

/* The driver of planes on monitors. */

#define DRIVER "display"

static LbDevice *
create (LbDriverContext *context, LbRole role, GError **error)
{
  g_autofree char *where = g_strdup_printf ("devices.%s.", lb_role_get_name (role));
  LbDisplayOptions options;

  if (lb_display_options_read (&options, lb_setup_get_options (context->setup, role), where, error))
    return lb_display_modulator_new (role, context->clock, &options);
  lb_display_options_clear (&options);
  return NULL;
}

static void
list (GPtrArray *identities)
{
  g_autoptr (GPtrArray) monitors = lb_monitors_list ();

  for (guint i = 0; i < monitors->len; i++)
    {
      const LbMonitor *monitor = g_ptr_array_index (monitors, i);
      g_autofree char *place =
          g_strdup_printf ("%s on %s, %u x %u", monitor->model[0] != '\0' ? monitor->model : "monitor",
                           monitor->connector, monitor->width, monitor->height);

      g_ptr_array_add (identities, lb_identity_new (DRIVER, monitor->make, place, monitor->serial, NULL));
    }
}

const LbDriver lb_display_driver = {
  .name = DRIVER,
  .simulated = FALSE,
  .roles = { [LB_ROLE_SOURCE] = TRUE, [LB_ROLE_WEIGHT] = TRUE },
  .create = create,
  .list = list,
};
