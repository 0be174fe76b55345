/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-display-options.h"

#include <math.h>

#include <glib/gi18n-lib.h>
#include <lb-options.h>

/* What the setup file may say of a plane on a monitor. */

typedef struct
{
  const char *connector, *make, *model, *serial, *path, *channels, *flip, *table;
  guint width, height, region_x, region_y, region_width, region_height, bits, rotation;
  double rate_hz;
  gboolean inverted;
} Values;

/* clang-format off */
#define TEXT(key) { #key, LB_OPTION_TEXT, G_STRUCT_OFFSET (Values, key), 0, 0 }
#define WHOLE(key, low, high) { #key, LB_OPTION_WHOLE, G_STRUCT_OFFSET (Values, key), low, high }
/* clang-format on */

static const LbOption keys[] = {
  TEXT (connector),
  TEXT (make),
  TEXT (model),
  TEXT (serial),
  TEXT (path),
  TEXT (channels),
  TEXT (flip),
  TEXT (table),
  WHOLE (width, 1, LB_PLANE_MAX_SIZE),
  WHOLE (height, 1, LB_PLANE_MAX_SIZE),
  WHOLE (region_x, 0, LB_PLANE_MAX_SIZE),
  WHOLE (region_y, 0, LB_PLANE_MAX_SIZE),
  WHOLE (region_width, 1, LB_PLANE_MAX_SIZE),
  WHOLE (region_height, 1, LB_PLANE_MAX_SIZE),
  WHOLE (bits, 8, 16),
  WHOLE (rotation, 0, 270),
  { "rate_hz", LB_OPTION_NUMBER, G_STRUCT_OFFSET (Values, rate_hz), 0, 1000 },
  { "inverted", LB_OPTION_TRUTH, G_STRUCT_OFFSET (Values, inverted), 0, 0 },
};

static const char *const flips[] = { "none", "horizontal", "vertical", "both" };
static const char *const paths[] = { "auto", "gtk", "xshm" };

/* --- Values -------------------------------------------------------------------------- */

static gboolean
choose (const char *const *names,
        guint count,
        const char *value,
        const char *where,
        const char *key,
        guint32 *index,
        GError **error)
{
  g_autoptr (GString) known = g_string_new (NULL);

  for (*index = 0; *index < count; (*index)++)
    {
      if (g_str_equal (names[*index], value))
        return TRUE;
      g_string_append_printf (known, "%s%s", *index > 0 ? ", " : "", names[*index]);
    }
  g_set_error (error, LB_SETUP_ERROR, LB_SETUP_ERROR_VALUE, _ ("\"%s%s\" is \"%s\": it must be one of: %s"),
               where, key, value, known->str);
  return FALSE;
}

static gboolean
wrong (GError **error, const char *where, const char *what)
{
  g_set_error (error, LB_SETUP_ERROR, LB_SETUP_ERROR_VALUE, "\"%s\": %s", where, what);
  return FALSE;
}

static gboolean
read_geometry (LbPlaneSpec *spec, const Values *values, const char *where, GError **error)
{
  spec->monitor_width = values->width;
  spec->monitor_height = values->height;
  spec->x = values->region_x;
  spec->y = values->region_y;
  if (values->width == 0 || values->height == 0)
    return wrong (error, where, _ ("\"width\" and \"height\", the monitor's pixels, are missing"));
  if (spec->x >= values->width || spec->y >= values->height)
    return wrong (error, where, _ ("the region begins outside of the monitor"));
  spec->width = values->region_width > 0 ? values->region_width : values->width - spec->x;
  spec->height = values->region_height > 0 ? values->region_height : values->height - spec->y;
  if (spec->width > values->width - spec->x || spec->height > values->height - spec->y)
    return wrong (error, where, _ ("the region is not on the monitor in full"));
  if (values->rotation % 90 != 0)
    return wrong (error, where, _ ("\"rotation\" must be 0, 90, 180 or 270 degrees"));
  spec->quarter_turns = values->rotation / 90;
  spec->rate_mhz = (guint32) lround (values->rate_hz * 1000);
  return TRUE;
}

/* One drive value a line, 256 lines; what follows # is a comment. */
static gboolean
read_table (LbPlaneSpec *spec, const char *path, const char *where, GError **error)
{
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;
  guint count = 0;

  if (!g_file_get_contents (path, &text, NULL, error))
    {
      g_prefix_error (error, "\"%stable\": ", where);
      return FALSE;
    }
  lines = g_strsplit (text, "\n", -1);
  for (char **line = lines; *line != NULL; line++)
    {
      guint64 value;

      g_strdelimit (*line, "#", '\0');
      g_strstrip (*line);
      if ((*line)[0] == '\0')
        continue;
      if (!g_ascii_string_to_unsigned (*line, 10, 0, (1u << spec->bits) - 1, &value, error))
        {
          g_prefix_error (error, "\"%stable\", %s:%d: ", where, path, (int) (line - lines) + 1);
          return FALSE;
        }
      if (count < G_N_ELEMENTS (spec->drive))
        spec->drive[count] = (guint16) value;
      count++;
    }
  if (count == G_N_ELEMENTS (spec->drive))
    return TRUE;
  g_set_error (error, LB_SETUP_ERROR, LB_SETUP_ERROR_VALUE,
               _ ("\"%stable\": %s has %u drive values; it must have 256, one for each level"), where, path,
               count);
  return FALSE;
}

/* The whole range of the bits, or the factory's table; turned round if inverted. */
static gboolean
read_drive (LbPlaneSpec *spec, const Values *values, const char *where, GError **error)
{
  const guint last = G_N_ELEMENTS (spec->drive) - 1;

  spec->bits = values->bits;
  for (guint level = 0; level <= last; level++)
    spec->drive[level] = (guint16) (((1u << spec->bits) - 1) * level / last);
  if (values->table[0] != '\0' && !read_table (spec, values->table, where, error))
    return FALSE;
  for (guint level = 0; values->inverted && level <= last / 2; level++)
    {
      guint16 drive = spec->drive[level];

      spec->drive[level] = spec->drive[last - level];
      spec->drive[last - level] = drive;
    }
  return TRUE;
}

static gboolean
read_channels (LbPlaneSpec *spec, const Values *values, const char *where, GError **error)
{
  const char *names[LB_PLANE_N_CHANNELS];

  for (guint i = 0; i < LB_PLANE_N_CHANNELS; i++)
    names[i] = lb_plane_channels_get_name (i);
  if (!choose (names, LB_PLANE_N_CHANNELS, values->channels, where, "channels", &spec->channels, error))
    return FALSE;
  if (spec->channels >= LB_PLANE_CHANNELS_RED_GREEN && values->bits == 8)
    return wrong (error, where, _ ("two \"channels\" need \"bits\", from 9 to 16"));
  if (spec->channels < LB_PLANE_CHANNELS_RED_GREEN && values->bits != 8)
    return wrong (error, where, _ ("more than 8 \"bits\" need two \"channels\", as in \"red-green\""));
  return TRUE;
}

gboolean
lb_display_options_read (LbDisplayOptions *self, GVariant *variant, const char *where, GError **error)
{
  Values values = { "", "", "", "", "auto", "grey", "none", "", .bits = 8 };
  guint32 path;

  *self = (LbDisplayOptions){ .variant = variant != NULL ? g_variant_ref (variant) : NULL };
  if (!lb_options_read (keys, G_N_ELEMENTS (keys), variant, where, &values, error))
    return FALSE;
  self->choice = (LbMonitorChoice){ values.connector, values.make, values.model, values.serial };
  self->path = values.path;
  if (values.connector[0] == '\0' && values.make[0] == '\0' && values.model[0] == '\0' &&
      values.serial[0] == '\0')
    return wrong (
        error, where,
        _ ("name the monitor by \"connector\", \"make\", \"model\" or \"serial\"; lightbench-cli devices "
           "lists them"));
  return choose (paths, G_N_ELEMENTS (paths), values.path, where, "path", &path, error) &&
         choose (flips, G_N_ELEMENTS (flips), values.flip, where, "flip", &self->spec.flip, error) &&
         read_geometry (&self->spec, &values, where, error) &&
         read_channels (&self->spec, &values, where, error) &&
         read_drive (&self->spec, &values, where, error) && lb_plane_spec_check (&self->spec, error);
}

void
lb_display_options_clear (LbDisplayOptions *self)
{
  g_clear_pointer (&self->variant, g_variant_unref);
}
