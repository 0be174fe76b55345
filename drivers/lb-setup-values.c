/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-setup-private.h"

#include <math.h>

#include <glib/gi18n-lib.h>

#include "lb-driver.h"

/* Reading a setup file: every key is checked, and what is wrong is named with
 * its path. */

/* A number of the file. */
typedef struct
{
  const char *key;
  gsize offset;
  gboolean whole;
  double low, high;
  gboolean optional; /* 0 where the file does not have it */
} NumberKey;

/* clang-format off */
#define NUMBER(field, low, high) { #field, G_STRUCT_OFFSET (LbSetupOptics, field), FALSE, low, high }
#define OPTIONAL(field, low, high) { #field, G_STRUCT_OFFSET (LbSetupOptics, field), FALSE, low, high, TRUE }
#define WHOLE(field, low, high) { #field, G_STRUCT_OFFSET (LbSetupOptics, field), TRUE, low, high }
/* clang-format on */

/* The keys of "optics", required but for the last. */
static const NumberKey optics_keys[] = {
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
  OPTIONAL (wavelength_nm, 100, 1e5),
};

void
lb_setup_values_clear (LbSetupValues *self)
{
  g_clear_pointer (&self->name, g_free);
  g_clear_pointer (&self->title, g_free);
  for (guint role = 0; role < LB_N_ROLES; role++)
    {
      g_clear_pointer (&self->drivers[role], g_free);
      g_clear_pointer (&self->options[role], g_variant_unref);
    }
  g_clear_pointer (&self->world, g_variant_unref);
}

/* --- Keys, objects, texts, numbers ---------------------------------------------- */

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

static gboolean
missing (const char *where, const char *key, GError **error)
{
  g_set_error (error, LB_SETUP_ERROR, LB_SETUP_ERROR_KEY, _ ("the key \"%s%s\" is missing"), where, key);
  return FALSE;
}

/* *@object: NULL where there is none and none is required. */
static gboolean
get_object (JsonObject *parent,
            const char *where,
            const char *key,
            gboolean required,
            JsonObject **object,
            GError **error)
{
  JsonNode *node = json_object_get_member (parent, key);

  *object = NULL;
  if (node == NULL)
    return !required || missing (where, key, error);
  if (!JSON_NODE_HOLDS_OBJECT (node))
    {
      g_set_error (error, LB_SETUP_ERROR, LB_SETUP_ERROR_VALUE, _ ("\"%s%s\" must be an object { }"), where,
                   key);
      return FALSE;
    }
  *object = json_node_get_object (node);
  return TRUE;
}

static GType
get_type (JsonNode *node)
{
  return JSON_NODE_HOLDS_VALUE (node) ? json_node_get_value_type (node) : G_TYPE_INVALID;
}

static gboolean
is_number (JsonNode *node)
{
  return get_type (node) == G_TYPE_INT64 || get_type (node) == G_TYPE_DOUBLE;
}

static double
to_number (JsonNode *node)
{
  return get_type (node) == G_TYPE_INT64 ? (double) json_node_get_int (node) : json_node_get_double (node);
}

static gboolean
get_number (JsonObject *parent, const char *where, const NumberKey *key, double *value, GError **error)
{
  JsonNode *node = json_object_get_member (parent, key->key);
  char number[G_ASCII_DTOSTR_BUF_SIZE], low[G_ASCII_DTOSTR_BUF_SIZE], high[G_ASCII_DTOSTR_BUF_SIZE];

  if (node == NULL)
    return missing (where, key->key, error);
  g_ascii_formatd (low, sizeof low, "%g", key->low);
  g_ascii_formatd (high, sizeof high, "%g", key->high);
  if (!is_number (node))
    {
      g_set_error (error, LB_SETUP_ERROR, LB_SETUP_ERROR_VALUE, _ ("\"%s%s\" must be a number from %s to %s"),
                   where, key->key, low, high);
      return FALSE;
    }
  *value = to_number (node);
  if (*value >= key->low && *value <= key->high && (!key->whole || *value == rint (*value)))
    return TRUE;
  g_set_error (error, LB_SETUP_ERROR, LB_SETUP_ERROR_VALUE,
               key->whole ? _ ("\"%s%s\" is %s: it must be a whole number from %s to %s")
                          : _ ("\"%s%s\" is %s: it must be from %s to %s"),
               where, key->key, g_ascii_formatd (number, sizeof number, "%.9g", *value), low, high);
  return FALSE;
}

static char *
get_text (JsonObject *parent, const char *where, const char *key, GError **error)
{
  JsonNode *node = json_object_get_member (parent, key);

  if (node == NULL)
    {
      missing (where, key, error);
      return NULL;
    }
  if (get_type (node) == G_TYPE_STRING && json_node_get_string (node)[0] != '\0')
    return json_node_dup_string (node);
  g_set_error (error, LB_SETUP_ERROR, LB_SETUP_ERROR_VALUE, _ ("\"%s%s\" must be a text that is not empty"),
               where, key);
  return NULL;
}

/* What a driver is given of the file: each number as a double, texts, truth
 * values; the driver knows which keys there are. */
static GVariant *
to_options (JsonObject *object, const char *where, gboolean is_device, GError **error)
{
  g_auto (GVariantDict) dict = G_VARIANT_DICT_INIT (NULL);
  g_autoptr (GList) members = json_object_get_members (object);

  for (GList *member = members; member != NULL; member = member->next)
    {
      const char *key = member->data;
      JsonNode *node = json_object_get_member (object, key);

      if (is_device && g_str_equal (key, "driver"))
        continue;
      if (is_number (node))
        g_variant_dict_insert (&dict, key, "d", to_number (node));
      else if (get_type (node) == G_TYPE_BOOLEAN)
        g_variant_dict_insert (&dict, key, "b", json_node_get_boolean (node));
      else if (get_type (node) == G_TYPE_STRING)
        g_variant_dict_insert (&dict, key, "s", json_node_get_string (node));
      else
        {
          g_set_error (error, LB_SETUP_ERROR, LB_SETUP_ERROR_VALUE,
                       _ ("\"%s%s\" must be a number, a text, true or false"), where, key);
          return NULL;
        }
    }
  return g_variant_ref_sink (g_variant_dict_end (&dict));
}

/* --- The parts of the file ------------------------------------------------------ */

static gboolean
check_optics_keys (JsonObject *optics, const char *where, GError **error)
{
  const char *names[G_N_ELEMENTS (optics_keys) + 1] = { NULL };

  for (guint i = 0; i < G_N_ELEMENTS (optics_keys); i++)
    names[i] = optics_keys[i].key;
  return check_keys (optics, where, names, error);
}

static gboolean
read_optics (LbSetupValues *self, JsonObject *root, GError **error)
{
  JsonObject *object;

  if (!get_object (root, "", "optics", TRUE, &object, error) || !check_optics_keys (object, "optics.", error))
    return FALSE;
  for (guint i = 0; i < G_N_ELEMENTS (optics_keys); i++)
    {
      double value;

      if (optics_keys[i].optional && !json_object_has_member (object, optics_keys[i].key))
        continue;
      if (!get_number (object, "optics.", &optics_keys[i], &value, error))
        return FALSE;
      if (optics_keys[i].whole)
        G_STRUCT_MEMBER (guint, &self->optics, optics_keys[i].offset) = (guint) value;
      else
        G_STRUCT_MEMBER (double, &self->optics, optics_keys[i].offset) = value;
    }
  if (2 * self->optics.source_margin < self->optics.macropixel)
    return TRUE;
  g_set_error (error, LB_SETUP_ERROR, LB_SETUP_ERROR_VALUE,
               _ ("\"optics.source_margin\" is %u: it must be under half of \"optics.macropixel\", %u"),
               self->optics.source_margin, self->optics.macropixel);
  return FALSE;
}

static gboolean
check_driver (LbRole role, const char *where, const char *name, GError **error)
{
  const LbDriver *found = lb_drivers_find (name);
  g_autoptr (GString) known = NULL;

  if (found != NULL && found->roles[role])
    return TRUE;
  known = g_string_new (NULL);
  for (const LbDriver *driver = lb_drivers_get (); driver->name != NULL; driver++)
    if (driver->roles[role])
      g_string_append_printf (known, known->len > 0 ? ", %s" : "%s", driver->name);
  g_set_error (error, LB_SETUP_ERROR, LB_SETUP_ERROR_VALUE,
               _ ("\"%sdriver\" is \"%s\": there is no such driver for it; there is: %s"), where, name,
               known->str);
  return FALSE;
}

static gboolean
read_device (LbSetupValues *self, LbRole role, JsonObject *device, GError **error)
{
  const NumberKey limit = { "limit", 0, FALSE, 0, 1e6 };
  g_autofree char *where = g_strdup_printf ("devices.%s.", lb_role_get_name (role));

  self->drivers[role] = get_text (device, where, "driver", error);
  if (self->drivers[role] == NULL || !check_driver (role, where, self->drivers[role], error))
    return FALSE;
  if (role == LB_ROLE_LIGHT && !get_number (device, where, &limit, &self->light_limit, error))
    return FALSE;
  self->options[role] = to_options (device, where, TRUE, error);
  return self->options[role] != NULL;
}

static gboolean
check_roles (JsonObject *devices, const char *where, GError **error)
{
  const char *names[LB_N_ROLES + 1] = { NULL };

  for (guint role = 0; role < LB_N_ROLES; role++)
    names[role] = lb_role_get_name (role);
  return check_keys (devices, where, names, error);
}

static gboolean
read_devices (LbSetupValues *self, JsonObject *root, GError **error)
{
  JsonObject *devices;

  if (!get_object (root, "", "devices", TRUE, &devices, error) || !check_roles (devices, "devices.", error))
    return FALSE;
  for (guint role = 0; role < LB_N_ROLES; role++)
    {
      gboolean required = role == LB_ROLE_SOURCE || role == LB_ROLE_WEIGHT || role == LB_ROLE_CAMERA;
      JsonObject *device;

      if (!get_object (devices, "devices.", lb_role_get_name (role), required, &device, error) ||
          (device != NULL && !read_device (self, role, device, error)))
        return FALSE;
    }
  return TRUE;
}

static gboolean
check_light_level (const LbSetupValues *self, GError **error)
{
  char level[G_ASCII_DTOSTR_BUF_SIZE], limit[G_ASCII_DTOSTR_BUF_SIZE];

  if (self->drivers[LB_ROLE_LIGHT] == NULL || self->optics.light_level <= self->light_limit)
    return TRUE;
  g_set_error (error, LB_SETUP_ERROR, LB_SETUP_ERROR_VALUE,
               _ ("\"optics.light_level\" is %s: it must not be over \"devices.light.limit\", %s"),
               g_ascii_formatd (level, sizeof level, "%.9g", self->optics.light_level),
               g_ascii_formatd (limit, sizeof limit, "%.9g", self->light_limit));
  return FALSE;
}

/* --- "fast": what takes the place of the rest ------------------------------------- */

static gboolean
check_fast (JsonObject *fast, GError **error)
{
  static const char *const allowed[] = { "devices", "optics", "world", NULL };
  JsonObject *devices, *optics, *world, *device;

  if (!check_keys (fast, "fast.", allowed, error) ||
      !get_object (fast, "fast.", "devices", FALSE, &devices, error) ||
      !get_object (fast, "fast.", "optics", FALSE, &optics, error) ||
      !get_object (fast, "fast.", "world", FALSE, &world, error))
    return FALSE;
  if (optics != NULL && !check_optics_keys (optics, "fast.optics.", error))
    return FALSE;
  if (devices == NULL)
    return TRUE;
  if (!check_roles (devices, "fast.devices.", error))
    return FALSE;
  for (guint role = 0; role < LB_N_ROLES; role++)
    if (!get_object (devices, "fast.devices.", lb_role_get_name (role), FALSE, &device, error))
      return FALSE;
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

gboolean
lb_setup_values_read (LbSetupValues *self, JsonObject *root, LbFidelity fidelity, GError **error)
{
  static const char *const allowed[] = { "name", "title", "devices", "optics", "world", "fast", NULL };
  JsonObject *fast, *world;

  if (!check_keys (root, "", allowed, error))
    return FALSE;
  self->name = get_text (root, "", "name", error);
  self->title = self->name != NULL ? get_text (root, "", "title", error) : NULL;
  if (self->title == NULL || !get_object (root, "", "fast", FALSE, &fast, error) ||
      (fast != NULL && !check_fast (fast, error)))
    return FALSE;
  if (fast != NULL && fidelity == LB_FIDELITY_FAST)
    merge (root, fast);
  if (!get_object (root, "", "world", FALSE, &world, error))
    return FALSE;
  self->world = world != NULL ? to_options (world, "world.", FALSE, error) : NULL;
  return (world == NULL || self->world != NULL) && read_optics (self, root, error) &&
         read_devices (self, root, error) && check_light_level (self, error);
}
