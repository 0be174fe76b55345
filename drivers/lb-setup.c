/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-setup.h"

#include <math.h>

#include <glib/gi18n-lib.h>
#include <json-glib/json-glib.h>

#include "lb-drivers-resources.h"

#define RESOURCE_PREFIX "/org/lightbench/setups/"

struct _LbSetup
{
  GObject parent_instance;
  char *name;
  char *title;
  LbFidelity fidelity;
  LbSetupOptics optics;
  char *drivers[LB_N_ROLES];
  GVariant *options[LB_N_ROLES];
  GVariant *world;
  double light_limit;
};

G_DEFINE_QUARK (lb - setup - error - quark, lb_setup_error)
G_DEFINE_FINAL_TYPE (LbSetup, lb_setup, G_TYPE_OBJECT)

static const char *const presets[] = { "simulated", "simulated-oled", NULL };

/* The keys of "optics": each a number, all required. */
typedef struct
{
  const char *key;
  gsize offset;
  gboolean whole;
  double low, high;
} OpticsKey;

#define NUMBER(field, low, high)                                                                             \
  {                                                                                                          \
#field, G_STRUCT_OFFSET(LbSetupOptics, field), FALSE, low, high                                          \
  }
#define WHOLE(field, low, high)                                                                              \
  {                                                                                                          \
#field, G_STRUCT_OFFSET(LbSetupOptics, field), TRUE, low, high                                           \
  }

static const OpticsKey optics_keys[] = {
  WHOLE (macropixel, 1, 256),
  WHOLE (source_margin, 0, 127),
  WHOLE (guard, 0, 16),
  NUMBER (source_floor, 0, 0.5),
  NUMBER (weight_floor, 0, 0.5),
  NUMBER (source_gamma, 0.1, 10),
  NUMBER (weight_phase_range, 0.1, 4),
  NUMBER (quantum_efficiency, 0.001, 1),
  NUMBER (path_transmission, 0.001, 1),
  NUMBER (electrons_per_dn, 1e-4, 1e4),
  NUMBER (full_well, 10, 1e8),
  NUMBER (read_noise, 0, 1e4),
  NUMBER (source_settling_us, 0, 1e7),
  NUMBER (weight_settling_us, 0, 1e7),
  NUMBER (light_level, 0, 1e6),
  NUMBER (exposure_us, 1, 6e7),
};

const char *
lb_role_get_name (LbRole role)
{
  static const char *const names[] = { "source", "weight", "camera", "light", "power-meter" };

  g_return_val_if_fail ((guint) role < LB_N_ROLES, NULL);
  return names[role];
}

static void
lb_setup_finalize (GObject *object)
{
  LbSetup *self = LB_SETUP (object);

  g_free (self->name);
  g_free (self->title);
  for (guint role = 0; role < LB_N_ROLES; role++)
    {
      g_free (self->drivers[role]);
      g_clear_pointer (&self->options[role], g_variant_unref);
    }
  g_clear_pointer (&self->world, g_variant_unref);
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

/* --- Reading with good errors ------------------------------------------------ */

static gboolean
check_keys (JsonObject *object, const char *where, const char *const *allowed, GError **error)
{
  g_autoptr (GList) members = json_object_get_members (object);

  for (GList *member = members; member != NULL; member = member->next)
    if (!g_strv_contains (allowed, member->data))
      {
        g_autofree char *known = g_strjoinv (", ", (char **) allowed);

        g_set_error (error, LB_SETUP_ERROR, LB_SETUP_ERROR_KEY, _ ("unknown key \"%s%s\"; known are: %s"),
                     where, (const char *) member->data, known);
        return FALSE;
      }
  return TRUE;
}

static JsonObject *
get_object (JsonObject *parent, const char *where, const char *key, gboolean required, GError **error)
{
  JsonNode *node = json_object_get_member (parent, key);

  if (node == NULL)
    {
      if (required)
        g_set_error (error, LB_SETUP_ERROR, LB_SETUP_ERROR_KEY, _ ("the key \"%s%s\" is missing"), where,
                     key);
      return NULL;
    }
  if (!JSON_NODE_HOLDS_OBJECT (node))
    {
      g_set_error (error, LB_SETUP_ERROR, LB_SETUP_ERROR_VALUE, _ ("\"%s%s\" must be an object { }"), where,
                   key);
      return NULL;
    }
  return json_node_get_object (node);
}

static gboolean
get_number (JsonObject *parent, const char *where, const OpticsKey *key, double *value, GError **error)
{
  JsonNode *node = json_object_get_member (parent, key->key);
  char number[G_ASCII_DTOSTR_BUF_SIZE], low[G_ASCII_DTOSTR_BUF_SIZE], high[G_ASCII_DTOSTR_BUF_SIZE];

  if (node == NULL)
    {
      g_set_error (error, LB_SETUP_ERROR, LB_SETUP_ERROR_KEY, _ ("the key \"%s%s\" is missing"), where,
                   key->key);
      return FALSE;
    }
  if (!JSON_NODE_HOLDS_VALUE (node) ||
      (json_node_get_value_type (node) != G_TYPE_INT64 && json_node_get_value_type (node) != G_TYPE_DOUBLE))
    {
      g_set_error (error, LB_SETUP_ERROR, LB_SETUP_ERROR_VALUE, _ ("\"%s%s\" must be a number"), where,
                   key->key);
      return FALSE;
    }
  *value = json_node_get_value_type (node) == G_TYPE_INT64 ? (double) json_node_get_int (node)
                                                           : json_node_get_double (node);
  if (*value >= key->low && *value <= key->high && (!key->whole || *value == rint (*value)))
    return TRUE;
  g_set_error (error, LB_SETUP_ERROR, LB_SETUP_ERROR_VALUE,
               key->whole ? _ ("\"%s%s\" is %s: it must be a whole number from %s to %s")
                          : _ ("\"%s%s\" is %s: it must be from %s to %s"),
               where, key->key, g_ascii_formatd (number, sizeof number, "%.9g", *value),
               g_ascii_formatd (low, sizeof low, "%g", key->low),
               g_ascii_formatd (high, sizeof high, "%g", key->high));
  return FALSE;
}

static char *
get_text (JsonObject *parent, const char *where, const char *key, GError **error)
{
  JsonNode *node = json_object_get_member (parent, key);

  if (node != NULL && JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == G_TYPE_STRING &&
      json_node_get_string (node)[0] != '\0')
    return json_node_dup_string (node);
  if (node == NULL)
    g_set_error (error, LB_SETUP_ERROR, LB_SETUP_ERROR_KEY, _ ("the key \"%s%s\" is missing"), where, key);
  else
    g_set_error (error, LB_SETUP_ERROR, LB_SETUP_ERROR_VALUE, _ ("\"%s%s\" must be a text"), where, key);
  return NULL;
}

/* What a driver gets of its part of the file: numbers as "d", texts, booleans. */
static GVariant *
to_options (JsonObject *object, const char *where, GError **error)
{
  g_auto (GVariantDict) dict = G_VARIANT_DICT_INIT (NULL);
  g_autoptr (GList) members = json_object_get_members (object);

  for (GList *member = members; member != NULL; member = member->next)
    {
      JsonNode *node = json_object_get_member (object, member->data);
      GType type = JSON_NODE_HOLDS_VALUE (node) ? json_node_get_value_type (node) : G_TYPE_INVALID;

      if (g_str_equal (member->data, "driver"))
        continue;
      if (type == G_TYPE_INT64)
        g_variant_dict_insert (&dict, member->data, "d", (double) json_node_get_int (node));
      else if (type == G_TYPE_DOUBLE)
        g_variant_dict_insert (&dict, member->data, "d", json_node_get_double (node));
      else if (type == G_TYPE_BOOLEAN)
        g_variant_dict_insert (&dict, member->data, "b", json_node_get_boolean (node));
      else if (type == G_TYPE_STRING)
        g_variant_dict_insert (&dict, member->data, "s", json_node_get_string (node));
      else
        {
          g_set_error (error, LB_SETUP_ERROR, LB_SETUP_ERROR_VALUE,
                       _ ("\"%s%s\" must be a number, text or truth value"), where,
                       (const char *) member->data);
          return NULL;
        }
    }
  return g_variant_ref_sink (g_variant_dict_end (&dict));
}

/* --- The parts of the file ------------------------------------------------------ */

static gboolean
parse_optics (LbSetup *self, JsonObject *root, GError **error)
{
  JsonObject *object = get_object (root, "", "optics", TRUE, error);
  const char *names[G_N_ELEMENTS (optics_keys) + 1] = { NULL };

  if (object == NULL)
    return FALSE;
  for (guint i = 0; i < G_N_ELEMENTS (optics_keys); i++)
    names[i] = optics_keys[i].key;
  if (!check_keys (object, "optics.", names, error))
    return FALSE;
  for (guint i = 0; i < G_N_ELEMENTS (optics_keys); i++)
    {
      double value;

      if (!get_number (object, "optics.", &optics_keys[i], &value, error))
        return FALSE;
      if (optics_keys[i].whole)
        G_STRUCT_MEMBER (guint, &self->optics, optics_keys[i].offset) = (guint) value;
      else
        G_STRUCT_MEMBER (double, &self->optics, optics_keys[i].offset) = value;
    }
  if (2 * self->optics.source_margin >= self->optics.macropixel)
    {
      g_set_error (error, LB_SETUP_ERROR, LB_SETUP_ERROR_VALUE,
                   _ ("\"optics.source_margin\" is %u: it must be under half of \"optics.macropixel\", %u"),
                   self->optics.source_margin, self->optics.macropixel);
      return FALSE;
    }
  return TRUE;
}

static gboolean
parse_device (LbSetup *self, LbRole role, JsonObject *device, GError **error)
{
  const OpticsKey limit = { "limit", 0, FALSE, 0, 1e6 };
  g_autofree char *where = g_strdup_printf ("devices.%s.", lb_role_get_name (role));

  self->drivers[role] = get_text (device, where, "driver", error);
  if (self->drivers[role] == NULL)
    return FALSE;
  if (role == LB_ROLE_LIGHT && !get_number (device, where, &limit, &self->light_limit, error))
    return FALSE;
  self->options[role] = to_options (device, where, error);
  return self->options[role] != NULL;
}

static gboolean
parse_devices (LbSetup *self, JsonObject *root, GError **error)
{
  static const char *const allowed[] = { "source", "weight", "camera", "light", "power-meter", NULL };
  static const gboolean required[] = { TRUE, TRUE, TRUE, FALSE, FALSE };
  JsonObject *devices = get_object (root, "", "devices", TRUE, error);

  if (devices == NULL || !check_keys (devices, "devices.", allowed, error))
    return FALSE;
  for (guint role = 0; role < LB_N_ROLES; role++)
    {
      g_autoptr (GError) local_error = NULL;
      JsonObject *device =
          get_object (devices, "devices.", lb_role_get_name (role), required[role], &local_error);

      if (local_error != NULL)
        {
          g_propagate_error (error, g_steal_pointer (&local_error));
          return FALSE;
        }
      if (device != NULL && !parse_device (self, role, device, error))
        return FALSE;
    }
  if (self->drivers[LB_ROLE_LIGHT] != NULL && self->optics.light_level > self->light_limit)
    {
      g_set_error_literal (error, LB_SETUP_ERROR, LB_SETUP_ERROR_VALUE,
                           _ ("\"optics.light_level\" is over \"devices.light.limit\""));
      return FALSE;
    }
  return TRUE;
}

/* Members of @over replace those of @base; objects are merged. */
static void
merge (JsonObject *base, JsonObject *over)
{
  g_autoptr (GList) members = json_object_get_members (over);

  for (GList *member = members; member != NULL; member = member->next)
    {
      JsonNode *node = json_object_get_member (over, member->data);
      JsonNode *old = json_object_get_member (base, member->data);

      if (old != NULL && JSON_NODE_HOLDS_OBJECT (old) && JSON_NODE_HOLDS_OBJECT (node))
        merge (json_node_get_object (old), json_node_get_object (node));
      else
        json_object_set_member (base, member->data, json_node_copy (node));
    }
}

static gboolean
parse_root (LbSetup *self, JsonObject *root, GError **error)
{
  static const char *const allowed[] = { "name", "title", "devices", "optics", "world", "fast", NULL };
  static const char *const allowed_fast[] = { "devices", "optics", "world", NULL };
  g_autoptr (GError) local_error = NULL;
  JsonObject *fast, *world;

  if (!check_keys (root, "", allowed, error))
    return FALSE;
  self->name = get_text (root, "", "name", error);
  self->title = self->name != NULL ? get_text (root, "", "title", error) : NULL;
  if (self->title == NULL)
    return FALSE;
  fast = get_object (root, "", "fast", FALSE, &local_error);
  if (local_error == NULL && fast != NULL && check_keys (fast, "fast.", allowed_fast, &local_error) &&
      self->fidelity == LB_FIDELITY_FAST)
    merge (root, fast);
  world = local_error == NULL ? get_object (root, "", "world", FALSE, &local_error) : NULL;
  if (world != NULL)
    self->world = to_options (world, "world.", &local_error);
  if (local_error != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&local_error));
      return FALSE;
    }
  return parse_optics (self, root, error) && parse_devices (self, root, error);
}

LbSetup *
lb_setup_parse (const char *json, gssize length, const char *name, LbFidelity fidelity, GError **error)
{
  g_autoptr (JsonParser) parser = json_parser_new_immutable ();
  g_autoptr (GError) local_error = NULL;
  g_autoptr (LbSetup) self = NULL;
  g_autoptr (JsonNode) root = NULL;

  g_return_val_if_fail (json != NULL && name != NULL, NULL);

  if (!json_parser_load_from_data (parser, json, length, &local_error))
    {
      g_strdelimit (local_error->message, "\n", ' ');
      g_set_error (error, LB_SETUP_ERROR, LB_SETUP_ERROR_FORMAT, _ ("setup %s is not JSON: %s"), name,
                   local_error->message);
      return NULL;
    }
  if (json_parser_get_root (parser) == NULL || !JSON_NODE_HOLDS_OBJECT (json_parser_get_root (parser)))
    {
      g_set_error (error, LB_SETUP_ERROR, LB_SETUP_ERROR_FORMAT, _ ("setup %s does not hold an object { }"),
                   name);
      return NULL;
    }
  /* A copy that can be merged into: through text, which is immutable-proof. */
  {
    g_autofree char *text = json_to_string (json_parser_get_root (parser), FALSE);

    root = json_from_string (text, error);
    if (root == NULL)
      return NULL;
  }
  self = g_object_new (LB_TYPE_SETUP, NULL);
  self->fidelity = fidelity;
  if (!parse_root (self, json_node_get_object (root), error))
    {
      g_prefix_error (error, _ ("setup %s: "), name);
      return NULL;
    }
  return g_steal_pointer (&self);
}

LbSetup *
lb_setup_load (const char *name_or_path, LbFidelity fidelity, GError **error)
{
  g_autoptr (GError) local_error = NULL;
  g_autofree char *text = NULL;
  gsize length;

  g_return_val_if_fail (name_or_path != NULL, NULL);

  if (g_strv_contains (presets, name_or_path))
    {
      g_autofree char *path = g_strconcat (RESOURCE_PREFIX, name_or_path, ".json", NULL);
      g_autoptr (GBytes) bytes =
          g_resource_lookup_data (lb_drivers_get_resource (), path, G_RESOURCE_LOOKUP_FLAGS_NONE, error);

      if (bytes == NULL)
        return NULL;
      return lb_setup_parse (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), name_or_path, fidelity,
                             error);
    }
  if (!g_file_get_contents (name_or_path, &text, &length, &local_error))
    {
      g_set_error (error, LB_SETUP_ERROR, LB_SETUP_ERROR_MISSING,
                   _ ("setup %s cannot be read: %s; give a file, or one of simulated, simulated-oled"),
                   name_or_path, local_error->message);
      return NULL;
    }
  return lb_setup_parse (text, length, name_or_path, fidelity, error);
}

const char *const *
lb_setup_list_presets (void)
{
  return presets;
}

const char *
lb_setup_get_name (LbSetup *self)
{
  g_return_val_if_fail (LB_IS_SETUP (self), NULL);
  return self->name;
}

const char *
lb_setup_get_title (LbSetup *self)
{
  g_return_val_if_fail (LB_IS_SETUP (self), NULL);
  return self->title;
}

const LbSetupOptics *
lb_setup_get_optics (LbSetup *self)
{
  g_return_val_if_fail (LB_IS_SETUP (self), NULL);
  return &self->optics;
}

const char *
lb_setup_get_driver (LbSetup *self, LbRole role)
{
  g_return_val_if_fail (LB_IS_SETUP (self) && (guint) role < LB_N_ROLES, NULL);
  return self->drivers[role];
}

GVariant *
lb_setup_get_options (LbSetup *self, LbRole role)
{
  g_return_val_if_fail (LB_IS_SETUP (self) && (guint) role < LB_N_ROLES, NULL);
  return self->options[role];
}

GVariant *
lb_setup_get_world (LbSetup *self)
{
  g_return_val_if_fail (LB_IS_SETUP (self), NULL);
  return self->world;
}

double
lb_setup_get_light_limit (LbSetup *self)
{
  g_return_val_if_fail (LB_IS_SETUP (self), 0);
  return self->light_limit;
}

gboolean
lb_setup_is_simulated (LbSetup *self)
{
  g_return_val_if_fail (LB_IS_SETUP (self), FALSE);
  return self->world != NULL;
}

LbFidelity
lb_setup_get_fidelity (LbSetup *self)
{
  g_return_val_if_fail (LB_IS_SETUP (self), LB_FIDELITY_PIXEL);
  return self->fidelity;
}
