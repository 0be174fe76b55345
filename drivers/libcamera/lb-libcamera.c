/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-libcamera.h"

#include "lb-camera-link.h"
#include "lb-libcamera-private.h"

#define SYSFS "/sys"

static LbDevice *
create (LbDriverContext *context, LbRole role, GError **error)
{
  g_autofree char *where = g_strdup_printf ("devices.%s.", lb_role_get_name (role));
  GVariant *options = lb_setup_get_options (context->setup, role);
  LbCameraChoice choice;

  if (!lb_camera_choice_read (&choice, options, where, error))
    return NULL;
  return lb_libcamera_camera_new (&choice, options);
}

/* libcamera looks at media devices when it starts, but acquires none. */
static void
list (GPtrArray *identities)
{
  g_autoptr (GPtrArray) entries = g_ptr_array_new_with_free_func ((GDestroyNotify) lb_camera_entry_free);
  g_autoptr (GError) error = NULL;

  if (!lb_camera_link_list (entries, &error))
    {
      g_warning ("%s", error->message);
      return;
    }
  for (guint i = 0; i < entries->len; i++)
    {
      LbCameraEntry *entry = g_ptr_array_index (entries, i);

      lb_camera_entry_look_up (entry, SYSFS);
      g_ptr_array_add (
          identities, lb_identity_new (LB_LIBCAMERA_DRIVER, entry->maker, entry->model, entry->serial, NULL));
    }
}

/* For a look at the picture and for the self-test, which measure no light: any
 * format will do. */
static LbDevice *
create_listed (const LbIdentity *identity, LbRole *role)
{
  g_autoptr (GVariantDict) dict = g_variant_dict_new (NULL);
  g_autoptr (GVariant) options = NULL;
  LbCameraChoice choice;

  g_variant_dict_insert (dict, "model", "s", identity->model);
  if (identity->serial[0] != '\0')
    g_variant_dict_insert (dict, "serial", "s", identity->serial);
  g_variant_dict_insert (dict, "linear", "b", TRUE);
  options = g_variant_ref_sink (g_variant_dict_end (dict));
  if (!lb_camera_choice_read (&choice, options, "", NULL))
    return NULL;
  *role = LB_ROLE_CAMERA;
  return lb_libcamera_camera_new (&choice, options);
}

static GVariant *
name_listed (const LbIdentity *identity, LbRole role)
{
  GVariantDict dict;

  if (role != LB_ROLE_CAMERA)
    return NULL;
  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "model", "s", identity->model);
  if (identity->serial[0] != '\0')
    g_variant_dict_insert (&dict, "serial", "s", identity->serial);
  return g_variant_dict_end (&dict);
}

const LbDriver lb_libcamera_driver = {
  .name = LB_LIBCAMERA_DRIVER,
  .roles = { [LB_ROLE_CAMERA] = TRUE },
  .create = create,
  .list = list,
  .create_listed = create_listed,
  .name_listed = name_listed,
};
