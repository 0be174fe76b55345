/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-setup-private.h"

#include <glib/gi18n-lib.h>
#include <string.h>

#include <lb-json-scan.h>

#include "lb-driver.h"
#include "lb-drivers-resources.h"

#define RESOURCE_FOLDER "/org/lightbench/setups/"
/* Objects and arrays within each other; setups have four. */
#define MAX_DEPTH 16

struct _LbSetup
{
  GObject parent_instance;
  LbFidelity fidelity;
  LbSetupValues values;
};

/* clang-format off */
G_DEFINE_QUARK (lb-setup-error-quark, lb_setup_error)
/* clang-format on */
G_DEFINE_FINAL_TYPE (LbSetup, lb_setup, G_TYPE_OBJECT)

/* Files of the resource. */
static const char *const presets[] = { "simulated", "simulated-oled", NULL };

static void
lb_setup_finalize (GObject *object)
{
  lb_setup_values_clear (&LB_SETUP (object)->values);
  G_OBJECT_CLASS (lb_setup_parent_class)->finalize (object);
}

static void
lb_setup_class_init (LbSetupClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = lb_setup_finalize;
}

static void
lb_setup_init (LbSetup *self)
{
}

/**
 * lb_role_get_name:
 *
 * Returns: the role as setup files name it: "source", "power-meter", ...
 */
const char *
lb_role_get_name (LbRole role)
{
  static const char *const names[] = { "source", "weight", "camera", "light", "power-meter" };

  g_return_val_if_fail ((guint) role < LB_N_ROLES, NULL);
  return names[role];
}

/* --- Reading ---------------------------------------------------------------- */

static JsonNode *
parse_json (const char *json, gssize length, GError **error)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autoptr (GError) local_error = NULL;
  g_autoptr (JsonNode) root = NULL;

  if (!lb_json_scan (json, length >= 0 ? (gsize) length : strlen (json), MAX_DEPTH, &local_error))
    {
      g_set_error_literal (error, LB_SETUP_ERROR, LB_SETUP_ERROR_FORMAT, local_error->message);
      return NULL;
    }
  if (!json_parser_load_from_data (parser, json, length, &local_error))
    {
      g_set_error (error, LB_SETUP_ERROR, LB_SETUP_ERROR_FORMAT, _ ("not JSON: %s"),
                   g_strdelimit (local_error->message, "\n", ' '));
      return NULL;
    }
  root = json_parser_steal_root (parser);
  if (root != NULL && JSON_NODE_HOLDS_OBJECT (root))
    return g_steal_pointer (&root);
  g_set_error_literal (error, LB_SETUP_ERROR, LB_SETUP_ERROR_FORMAT, _ ("it must hold one object { }"));
  return NULL;
}

static LbSetup *
parse (const char *json, gssize length, LbFidelity fidelity, GError **error)
{
  g_autoptr (LbSetup) self = g_object_new (LB_TYPE_SETUP, NULL);
  g_autoptr (JsonNode) root = parse_json (json, length, error);

  if (root == NULL)
    return NULL;
  self->fidelity = fidelity;
  if (!lb_setup_values_read (&self->values, json_node_get_object (root), fidelity, error))
    return NULL;
  return g_steal_pointer (&self);
}

/**
 * lb_setup_parse:
 * @length: of @json in bytes, or -1 if it ends with a NUL
 * @name: of the file, for messages
 * @fidelity: %LB_FIDELITY_FAST: the section "fast" over the rest
 *
 * A wrong value in the section "fast" is an error whatever the fidelity.
 *
 * Returns: (transfer full): the setup, or %NULL with FORMAT, KEY or VALUE: what is wrong, where, and what
 * would be right
 */
LbSetup *
lb_setup_parse (const char *json, gssize length, const char *name, LbFidelity fidelity, GError **error)
{
  g_autoptr (LbSetup) pixel = NULL;
  g_autoptr (LbSetup) fast = NULL;

  g_return_val_if_fail (json != NULL && name != NULL, NULL);

  pixel = parse (json, length, LB_FIDELITY_PIXEL, error);
  if (pixel == NULL)
    {
      g_prefix_error (error, _ ("setup %s: "), name);
      return NULL;
    }
  fast = parse (json, length, LB_FIDELITY_FAST, error);
  if (fast == NULL)
    {
      g_prefix_error (error, _ ("setup %s with its \"fast\" section: "), name);
      return NULL;
    }
  return g_object_ref (fidelity == LB_FIDELITY_FAST ? fast : pixel);
}

/**
 * lb_setup_get_preset_text:
 * @preset: one of lb_setup_list_presets()
 *
 * Returns: (transfer full): the preset's JSON; %NULL with an error of GResource if there is none
 */
GBytes *
lb_setup_get_preset_text (const char *preset, GError **error)
{
  g_autofree char *path = g_strconcat (RESOURCE_FOLDER, preset, ".json", NULL);

  return g_resource_lookup_data (lb_drivers_get_resource (), path, G_RESOURCE_LOOKUP_FLAGS_NONE, error);
}

/**
 * lb_setup_load:
 * @name_or_path: name of a preset, else path of a file
 *
 * Returns: (transfer full): the setup, or %NULL with MISSING or as lb_setup_parse()
 */
LbSetup *
lb_setup_load (const char *name_or_path, LbFidelity fidelity, GError **error)
{
  g_autoptr (GError) local_error = NULL;
  g_autofree char *text = NULL;
  g_autofree char *known = NULL;
  gsize length;

  g_return_val_if_fail (name_or_path != NULL, NULL);

  if (g_strv_contains (presets, name_or_path))
    {
      g_autoptr (GBytes) bytes = lb_setup_get_preset_text (name_or_path, error);

      return bytes == NULL
                 ? NULL
                 : lb_setup_parse (g_bytes_get_data (bytes, NULL), (gssize) g_bytes_get_size (bytes),
                                   name_or_path, fidelity, error);
    }
  if (g_file_get_contents (name_or_path, &text, &length, &local_error))
    return lb_setup_parse (text, (gssize) length, name_or_path, fidelity, error);
  known = g_strjoinv (", ", (char **) presets);
  g_set_error (error, LB_SETUP_ERROR, LB_SETUP_ERROR_MISSING,
               _ ("setup %s cannot be read: %s; give the path of a setup file, or one of: %s"), name_or_path,
               local_error->message, known);
  return NULL;
}

/**
 * lb_setup_list_presets:
 *
 * Returns: (transfer none): names for lb_setup_load(), %NULL-terminated
 */
const char *const *
lb_setup_list_presets (void)
{
  return presets;
}

/* --- What it says ------------------------------------------------------------- */

/**
 * lb_setup_get_name:
 *
 * Returns: (transfer none): short name, for the operator and the session
 */
const char *
lb_setup_get_name (LbSetup *self)
{
  g_return_val_if_fail (LB_IS_SETUP (self), NULL);
  return self->values.name;
}

/**
 * lb_setup_get_title:
 *
 * Returns: (transfer none): what the operator reads
 */
const char *
lb_setup_get_title (LbSetup *self)
{
  g_return_val_if_fail (LB_IS_SETUP (self), NULL);
  return self->values.title;
}

/**
 * lb_setup_get_optics:
 *
 * Returns: (transfer none): nominal values of the optics
 */
const LbSetupOptics *
lb_setup_get_optics (LbSetup *self)
{
  g_return_val_if_fail (LB_IS_SETUP (self), NULL);
  return &self->values.optics;
}

/**
 * lb_setup_get_driver:
 *
 * Returns: (transfer none) (nullable): name of the driver of @role; %NULL: the setup has no such device
 */
const char *
lb_setup_get_driver (LbSetup *self, LbRole role)
{
  g_return_val_if_fail (LB_IS_SETUP (self) && (guint) role < LB_N_ROLES, NULL);
  return self->values.drivers[role];
}

/**
 * lb_setup_get_options:
 *
 * Returns: (transfer none) (nullable): the keys of @role but "driver", for its driver to check: a{sv} of
 * doubles (every number), strings and booleans
 */
GVariant *
lb_setup_get_options (LbSetup *self, LbRole role)
{
  g_return_val_if_fail (LB_IS_SETUP (self) && (guint) role < LB_N_ROLES, NULL);
  return self->values.options[role];
}

/**
 * lb_setup_get_world:
 *
 * Returns: (transfer none) (nullable): what simulated devices share; as lb_setup_get_options()
 */
GVariant *
lb_setup_get_world (LbSetup *self)
{
  g_return_val_if_fail (LB_IS_SETUP (self), NULL);
  return self->values.world;
}

/**
 * lb_setup_get_light_limit:
 *
 * Returns: hard limit of the set point, in the light source's unit; 0 without a light source
 */
double
lb_setup_get_light_limit (LbSetup *self)
{
  g_return_val_if_fail (LB_IS_SETUP (self), 0);
  return self->values.light_limit;
}

/**
 * lb_setup_is_simulated:
 *
 * Returns: whether all its devices are simulated, so that its time is virtual
 */
gboolean
lb_setup_is_simulated (LbSetup *self)
{
  g_return_val_if_fail (LB_IS_SETUP (self), FALSE);
  for (guint role = 0; role < LB_N_ROLES; role++)
    if (self->values.drivers[role] != NULL && !lb_drivers_find (self->values.drivers[role])->simulated)
      return FALSE;
  return TRUE;
}

/**
 * lb_setup_get_fidelity:
 *
 * Returns: the fidelity that it was read for
 */
LbFidelity
lb_setup_get_fidelity (LbSetup *self)
{
  g_return_val_if_fail (LB_IS_SETUP (self), LB_FIDELITY_PIXEL);
  return self->fidelity;
}
