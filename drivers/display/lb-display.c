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

static LbIdentity *
identify (const LbMonitor *monitor)
{
  g_autofree char *place =
      g_strdup_printf ("%s on %s, %u x %u", monitor->model[0] != '\0' ? monitor->model : "monitor",
                       monitor->connector, monitor->width, monitor->height);

  return lb_identity_new (DRIVER, monitor->make, place, monitor->serial, NULL);
}

static void
list (GPtrArray *identities)
{
  g_autoptr (GPtrArray) monitors = lb_monitors_list ();

  for (guint i = 0; i < monitors->len; i++)
    g_ptr_array_add (identities, identify (g_ptr_array_index (monitors, i)));
}

/* With a serial number it is that monitor, wherever it is plugged in; else the one
 * at that connector. */
static GVariant *
name_monitor (const LbMonitor *monitor)
{
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  if (monitor->serial[0] != '\0')
    {
      g_variant_dict_insert (&dict, "make", "s", monitor->make);
      g_variant_dict_insert (&dict, "model", "s", monitor->model);
      g_variant_dict_insert (&dict, "serial", "s", monitor->serial);
    }
  else
    g_variant_dict_insert (&dict, "connector", "s", monitor->connector);
  g_variant_dict_insert (&dict, "width", "d", (double) monitor->width);
  g_variant_dict_insert (&dict, "height", "d", (double) monitor->height);
  if (monitor->rate_mhz > 0)
    g_variant_dict_insert (&dict, "rate_hz", "d", monitor->rate_mhz / 1000.0);
  return g_variant_dict_end (&dict);
}

static GVariant *
name_listed (const LbIdentity *identity, LbRole role)
{
  g_autoptr (GPtrArray) monitors = NULL;
  g_autofree char *wanted = lb_identity_to_string (identity);

  if (role != LB_ROLE_SOURCE && role != LB_ROLE_WEIGHT)
    return NULL;
  monitors = lb_monitors_list ();
  for (guint i = 0; i < monitors->len; i++)
    {
      const LbMonitor *monitor = g_ptr_array_index (monitors, i);
      g_autoptr (LbIdentity) found = identify (monitor);
      g_autofree char *text = lb_identity_to_string (found);

      if (g_str_equal (text, wanted) && monitor->width > 0 && monitor->height > 0)
        return name_monitor (monitor);
    }
  return NULL;
}

const LbDriver lb_display_driver = {
  .name = DRIVER,
  .simulated = FALSE,
  .roles = { [LB_ROLE_SOURCE] = TRUE, [LB_ROLE_WEIGHT] = TRUE },
  .create = create,
  .list = list,
  .name_listed = name_listed,
};
