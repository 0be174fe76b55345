/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-setup-draft.h"

#include <errno.h>
#include <string.h>

#include <glib/gi18n.h>
#include <json-glib/json-glib.h>
#include <lb-driver.h>
#include <lb-user-folder.h>

#define BASE "simulated"
#define FOLDER "setups"

/* --- Candidates ----------------------------------------------------------------------- */

void
lb_setup_candidate_free (LbSetupCandidate *self)
{
  g_free (self->title);
  g_clear_pointer (&self->options, g_variant_unref);
  g_free (self);
}

static char *
make_title (const LbIdentity *identity)
{
  g_autoptr (GString) title = g_string_new (identity->maker);

  g_string_append_printf (title, title->len > 0 ? " %s" : "%s", identity->model);
  if (identity->serial[0] != '\0')
    g_string_append_printf (title, _ (", serial %s"), identity->serial);
  return g_string_free (g_steal_pointer (&title), FALSE);
}

static void
add_listed (GPtrArray *candidates, const LbDriver *driver, LbRole role)
{
  g_autoptr (GPtrArray) identities = g_ptr_array_new_with_free_func ((GDestroyNotify) lb_identity_free);
  gboolean plane = role == LB_ROLE_SOURCE || role == LB_ROLE_WEIGHT;

  driver->list (identities);
  for (guint i = 0; i < identities->len; i++)
    {
      const LbIdentity *identity = g_ptr_array_index (identities, i);
      GVariant *options = driver->name_listed (identity, role);
      LbSetupCandidate *candidate;

      if (options == NULL)
        continue;
      candidate = g_new0 (LbSetupCandidate, 1);
      candidate->title = make_title (identity);
      candidate->driver = driver->name;
      candidate->options = g_variant_ref_sink (options);
      candidate->number = plane ? i + 1 : 0;
      g_ptr_array_add (candidates, candidate);
    }
}

/**
 * lb_setup_candidates_find:
 *
 * Returns: (transfer full) (element-type LbSetupCandidate): what could take @role
 */
GPtrArray *
lb_setup_candidates_find (LbRole role)
{
  GPtrArray *candidates = g_ptr_array_new_with_free_func ((GDestroyNotify) lb_setup_candidate_free);
  LbSetupCandidate *simulated = g_new0 (LbSetupCandidate, 1);

  for (const LbDriver *driver = lb_drivers_get (); driver->name != NULL; driver++)
    if (driver->roles[role] && driver->list != NULL && driver->name_listed != NULL)
      add_listed (candidates, driver, role);
  simulated->title = g_strdup (_ ("Simulated"));
  simulated->driver = BASE;
  g_ptr_array_add (candidates, simulated);
  return candidates;
}

/* --- JSON ------------------------------------------------------------------------------- */

static JsonNode *
load_base (GError **error)
{
  g_autoptr (GBytes) text = lb_setup_get_preset_text (BASE, error);
  g_autoptr (JsonParser) parser = json_parser_new ();

  if (text == NULL || !json_parser_load_from_data (parser, g_bytes_get_data (text, NULL),
                                                   (gssize) g_bytes_get_size (text), error))
    return NULL;
  return json_parser_steal_root (parser);
}

static gboolean
is_real (const LbSetupCandidate *candidate)
{
  return candidate != NULL && candidate->options != NULL;
}

/* Half of a monitor: the source plane on the left, the weight plane on the right. */
static void
add_half (JsonObject *plane, LbRole role)
{
  double width = json_object_get_double_member (plane, "width");
  double half = (double) ((gint64) width / 2);

  json_object_set_double_member (plane, "region_x", role == LB_ROLE_SOURCE ? 0 : half);
  json_object_set_double_member (plane, "region_y", 0);
  json_object_set_double_member (plane, "region_width", half);
  json_object_set_double_member (plane, "region_height", json_object_get_double_member (plane, "height"));
}

static gboolean
is_shared (const LbSetupDraft *self, LbRole role)
{
  const LbSetupCandidate *source = self->devices[LB_ROLE_SOURCE], *weight = self->devices[LB_ROLE_WEIGHT];

  return (role == LB_ROLE_SOURCE || role == LB_ROLE_WEIGHT) && is_real (source) && is_real (weight) &&
         g_variant_equal (source->options, weight->options);
}

static void
set_device (const LbSetupDraft *self, JsonObject *devices, LbRole role)
{
  const LbSetupCandidate *candidate = self->devices[role];
  g_autoptr (JsonNode) node = NULL;
  JsonObject *object;

  if (candidate == NULL)
    {
      json_object_remove_member (devices, lb_role_get_name (role));
      return;
    }
  if (!is_real (candidate))
    return;
  node = json_gvariant_serialize (candidate->options);
  object = json_node_get_object (node);
  json_object_set_string_member (object, "driver", candidate->driver);
  if (is_shared (self, role))
    add_half (object, role);
  if (role == LB_ROLE_LIGHT)
    json_object_set_double_member (object, "limit", self->light_limit);
  if (role == LB_ROLE_POWER_METER)
    json_object_set_double_member (object, "wavelength_nm", self->wavelength_nm);
  if (role == LB_ROLE_CAMERA && self->camera_linear)
    json_object_set_boolean_member (object, "linear", TRUE);
  json_object_set_member (devices, lb_role_get_name (role), g_steal_pointer (&node));
}

/* Lower-case letters, figures and hyphens. */
static char *
make_name (const char *title)
{
  g_autofree char *ascii = g_str_to_ascii (title, "C");
  g_autoptr (GString) name = g_string_new (NULL);

  for (const char *c = ascii; *c != '\0'; c++)
    if (g_ascii_isalnum (*c))
      g_string_append_c (name, g_ascii_tolower (*c));
    else if (name->len > 0 && name->str[name->len - 1] != '-')
      g_string_append_c (name, '-');
  while (name->len > 0 && name->str[name->len - 1] == '-')
    g_string_truncate (name, name->len - 1);
  return g_string_free (g_steal_pointer (&name), FALSE);
}

static void
fill (const LbSetupDraft *self, JsonObject *root)
{
  JsonObject *devices = json_object_get_object_member (root, "devices");
  JsonObject *optics = json_object_get_object_member (root, "optics");
  g_autofree char *name = make_name (self->title);
  gboolean simulated = FALSE;

  json_object_set_string_member (root, "name", name);
  json_object_set_string_member (root, "title", self->title);
  json_object_remove_member (root, "fast");
  for (guint role = 0; role < LB_N_ROLES; role++)
    {
      set_device (self, devices, role);
      simulated = simulated || (self->devices[role] != NULL && !is_real (self->devices[role]));
    }
  if (!simulated)
    json_object_remove_member (root, "world");
  json_object_set_double_member (optics, "exposure_us", self->exposure_us);
  json_object_set_double_member (optics, "wavelength_nm", self->wavelength_nm);
  if (is_real (self->devices[LB_ROLE_LIGHT]))
    json_object_set_double_member (optics, "light_level", self->light_level);
}

/* The keys of the drivers; simulated ones are the preset's. */
static gboolean
check_devices (const LbSetupDraft *self, LbSetup *setup, GError **error)
{
  g_autoptr (LbClock) clock = lb_clock_new_wall ();
  LbDriverContext context = { .setup = setup, .clock = clock };

  for (guint role = 0; role < LB_N_ROLES; role++)
    {
      g_autoptr (LbDevice) device = NULL;

      if (!is_real (self->devices[role]))
        continue;
      device = lb_drivers_create (&context, role, error);
      if (device == NULL)
        return FALSE;
    }
  return TRUE;
}

/**
 * lb_setup_draft_to_json:
 *
 * Returns: (transfer full): the text of the file; %NULL with LB_SETUP_ERROR
 */
char *
lb_setup_draft_to_json (const LbSetupDraft *self, GError **error)
{
  g_autoptr (JsonNode) root = NULL;
  g_autoptr (LbSetup) setup = NULL;
  g_autofree char *name = make_name (self->title);
  g_autofree char *text = NULL;

  if (name[0] == '\0')
    {
      g_set_error_literal (error, LB_SETUP_ERROR, LB_SETUP_ERROR_VALUE,
                           _ ("the setup has no name: give it one with a letter or a figure in it"));
      return NULL;
    }
  if (is_real (self->devices[LB_ROLE_LIGHT]) && self->light_level > self->light_limit)
    {
      g_set_error_literal (error, LB_SETUP_ERROR, LB_SETUP_ERROR_VALUE,
                           _ ("the usual current is over the limit of the light source: lower it, or raise "
                              "the limit if the diode allows it"));
      return NULL;
    }
  root = load_base (error);
  if (root == NULL)
    return NULL;
  fill (self, json_node_get_object (root));
  text = json_to_string (root, TRUE);
  setup = lb_setup_parse (text, -1, name, LB_FIDELITY_PIXEL, error);
  return setup != NULL && check_devices (self, setup, error) ? g_steal_pointer (&text) : NULL;
}

/* --- Files ----------------------------------------------------------------------------------- */

char *
lb_setup_draft_make_path (const char *title)
{
  g_autofree char *folder = lb_user_folder (FOLDER);
  g_autofree char *name = make_name (title);
  g_autofree char *file = g_strconcat (name, ".json", NULL);

  return g_build_filename (folder, file, NULL);
}

static int
compare_paths (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

/**
 * lb_setup_draft_list_files:
 *
 * Returns: (transfer full) (element-type filename): the user's setups, sorted
 */
GPtrArray *
lb_setup_draft_list_files (void)
{
  GPtrArray *paths = g_ptr_array_new_with_free_func (g_free);
  g_autofree char *folder = lb_user_folder (FOLDER);
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    if (g_str_has_suffix (name, ".json"))
      g_ptr_array_add (paths, g_build_filename (folder, name, NULL));
  g_ptr_array_sort (paths, compare_paths);
  return paths;
}

/**
 * lb_setup_draft_save:
 * @replace: FALSE: a file that is there stays as it is
 *
 * Whole or not at all.
 *
 * Returns: %FALSE with G_IO_ERROR, EXISTS if it stayed; or G_FILE_ERROR
 */
gboolean
lb_setup_draft_save (const char *path, const char *json, gboolean replace, GError **error)
{
  g_autofree char *folder = g_path_get_dirname (path);

  if (g_mkdir_with_parents (folder, 0700) != 0)
    {
      g_set_error (error, G_IO_ERROR, g_io_error_from_errno (errno), _ ("%s: the folder cannot be made: %s"),
                   folder, g_strerror (errno));
      return FALSE;
    }
  if (!replace && g_file_test (path, G_FILE_TEST_EXISTS))
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_EXISTS, _ ("%s: there is such a file already"), path);
      return FALSE;
    }
  return g_file_set_contents_full (path, json, -1,
                                   G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE, 0666, error);
}
