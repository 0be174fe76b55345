/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-usb.h"

#include <math.h>

#include <glib/gi18n-lib.h>
#include <lb-options.h>

#include "lb-usb-bus.h"
#include "lb-usb-private.h"

/* What a setup file says of an instrument. */
typedef struct
{
  const char *model, *serial;
  double limit_ma; /* the setup's own key "limit", in mA */
  double temperature_c, ramp_ma_per_s;
  double wavelength_nm;
  guint averaging;
} Options;

static const LbOption light_keys[] = {
  { "model", LB_OPTION_TEXT, G_STRUCT_OFFSET (Options, model) },
  { "serial", LB_OPTION_TEXT, G_STRUCT_OFFSET (Options, serial) },
  { "limit", LB_OPTION_NUMBER, G_STRUCT_OFFSET (Options, limit_ma), 0, 1e6 },
  { "temperature_c", LB_OPTION_NUMBER, G_STRUCT_OFFSET (Options, temperature_c), 5, 60 },
  { "ramp_ma_per_s", LB_OPTION_NUMBER, G_STRUCT_OFFSET (Options, ramp_ma_per_s), 1, 1e6 },
};

static const LbOption meter_keys[] = {
  { "model", LB_OPTION_TEXT, G_STRUCT_OFFSET (Options, model) },
  { "serial", LB_OPTION_TEXT, G_STRUCT_OFFSET (Options, serial) },
  { "wavelength_nm", LB_OPTION_NUMBER, G_STRUCT_OFFSET (Options, wavelength_nm), 100, 30000 },
  { "averaging", LB_OPTION_WHOLE, G_STRUCT_OFFSET (Options, averaging), 1, 10000 },
};

/* The model of the setup, which must be one for @role. */
static const LbUsbModel *
find_model (const char *name, LbRole role, const char *where, GError **error)
{
  const LbUsbModel *model = lb_usb_model_find (name);
  g_autoptr (GString) known = g_string_new (NULL);

  if (model != NULL && (role == LB_ROLE_LIGHT ? model->light != NULL : model->meter != NULL))
    return model;
  for (model = lb_usb_models; model->name != NULL; model++)
    if (role == LB_ROLE_LIGHT ? model->light != NULL : model->meter != NULL)
      g_string_append_printf (known, known->len > 0 ? ", %s" : "%s", model->name);
  g_set_error (error, LB_SETUP_ERROR, LB_SETUP_ERROR_VALUE,
               _ ("\"%smodel\" is \"%s\": there is no such instrument for it; there is: %s"), where, name,
               known->str);
  return NULL;
}

static gboolean
check_present (const char *value, const char *where, const char *key, GError **error)
{
  if (value != NULL && value[0] != '\0')
    return TRUE;
  g_set_error (error, LB_SETUP_ERROR, LB_SETUP_ERROR_KEY, _ ("the key \"%s%s\" is missing"), where, key);
  return FALSE;
}

/* A limit that the instrument cannot reach does not limit: most likely it was meant for another, or in
 * another unit. */
static gboolean
check_limit (double limit_ma, const LbUsbModel *model, const char *where, GError **error)
{
  if (limit_ma <= model->maximum)
    return TRUE;
  g_set_error (error, LB_SETUP_ERROR, LB_SETUP_ERROR_VALUE,
               _ ("\"%slimit\" is %.6g mA, and a %s gives %.6g mA at most: set it to what the diode may get"),
               where, limit_ma, model->name, model->maximum);
  return FALSE;
}

static LbDevice *
create (LbDriverContext *context, LbRole role, GError **error)
{
  g_autofree char *where = g_strdup_printf ("devices.%s.", lb_role_get_name (role));
  gboolean light = role == LB_ROLE_LIGHT;
  Options options = { .temperature_c = NAN };
  const LbUsbModel *model;

  if (!lb_options_read (light ? light_keys : meter_keys,
                        light ? G_N_ELEMENTS (light_keys) : G_N_ELEMENTS (meter_keys),
                        lb_setup_get_options (context->setup, role), where, &options, error) ||
      !check_present (options.model, where, "model", error) ||
      !check_present (options.serial, where, "serial", error))
    return NULL;
  model = find_model (options.model, role, where, error);
  if (model == NULL)
    return NULL;
  if (light)
    {
      const LbUsbLightOptions wanted = { lb_setup_get_light_limit (context->setup), options.temperature_c,
                                         options.ramp_ma_per_s };

      if (!check_limit (wanted.limit_ma, model, where, error))
        return NULL;
      return lb_usb_light_new (model, options.serial, &wanted);
    }
  return lb_usb_power_meter_new (model, options.serial,
                                 &(LbUsbMeterOptions){ options.wavelength_nm, options.averaging },
                                 context->clock);
}

/* By ids and what the kernel read when they were plugged in. */
static void
list (GPtrArray *identities)
{
  g_autoptr (GPtrArray) entries = lb_usb_list ();

  for (guint i = 0; i < entries->len; i++)
    {
      const LbUsbEntry *entry = g_ptr_array_index (entries, i);
      const LbUsbModel *model = lb_usb_model_find_by_id (entry->vendor, entry->product);

      if (model != NULL)
        g_ptr_array_add (identities, lb_identity_new (LB_USB_DRIVER, entry->maker,
                                                      entry->name[0] != '\0' ? entry->name : model->name,
                                                      entry->serial, NULL));
    }
}

/* The ids are those of a family, so it is the product's name that counts. */
static const LbUsbModel *
find_listed (const LbIdentity *identity)
{
  for (const LbUsbModel *model = lb_usb_models; model->name != NULL; model++)
    if (g_str_has_prefix (identity->model, model->name))
      return model;
  return NULL;
}

/* With a limit of 0 mA. */
static LbDevice *
create_listed (const LbIdentity *identity, LbRole *role)
{
  const LbUsbLightOptions dark = { .temperature_c = NAN };
  const LbUsbMeterOptions plain = { 0 };
  const LbUsbModel *model = find_listed (identity);
  g_autoptr (LbClock) clock = NULL;

  if (model == NULL || identity->serial[0] == '\0')
    return NULL;
  *role = model->light != NULL ? LB_ROLE_LIGHT : LB_ROLE_POWER_METER;
  if (model->light != NULL)
    return lb_usb_light_new (model, identity->serial, &dark);
  clock = lb_clock_new_wall ();
  return lb_usb_power_meter_new (model, identity->serial, &plain, clock);
}

static GVariant *
name_listed (const LbIdentity *identity, LbRole role)
{
  const LbUsbModel *model = find_listed (identity);
  GVariantDict dict;

  if (model == NULL || identity->serial[0] == '\0' ||
      (role == LB_ROLE_LIGHT ? model->light == NULL : role != LB_ROLE_POWER_METER || model->meter == NULL))
    return NULL;
  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "model", "s", model->name);
  g_variant_dict_insert (&dict, "serial", "s", identity->serial);
  return g_variant_dict_end (&dict);
}

const LbDriver lb_usb_driver = {
  .name = LB_USB_DRIVER,
  .roles = { [LB_ROLE_LIGHT] = TRUE, [LB_ROLE_POWER_METER] = TRUE },
  .create = create,
  .list = list,
  .create_listed = create_listed,
  .name_listed = name_listed,
};
