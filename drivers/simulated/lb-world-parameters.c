/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-world-parameters.h"

#include <math.h>

#include <glib/gi18n-lib.h>

#include "lb-setup.h"
#include "lb-options.h"

/* What the file holds, before the draw. */
typedef struct
{
  LbWorldParameters values;
  const char *source_flip;
  const char *camera_flip;
} WorldFile;

typedef struct
{
  const char *name;
  const char *unit;
  gsize offset;
  double initial, low, high;
  LbDraw draw;
  double spread;
} Parameter;

#define PARAMETER(name, unit, initial, low, high, draw, spread)                                              \
  { #name, unit, G_STRUCT_OFFSET (LbWorldParameters, name), initial, low, high, LB_DRAW_##draw, spread },
static const Parameter parameters[] = { LB_WORLD_PARAMETERS (PARAMETER) };
#undef PARAMETER

#define OPTION(name, unit, initial, low, high, ...)                                                          \
  { #name, LB_OPTION_NUMBER, G_STRUCT_OFFSET (WorldFile, values.name), low, high },
static const LbOption options[] = {
  LB_WORLD_PARAMETERS (OPTION){ "source_flip", LB_OPTION_TEXT, G_STRUCT_OFFSET (WorldFile, source_flip) },
  { "camera_flip", LB_OPTION_TEXT, G_STRUCT_OFFSET (WorldFile, camera_flip) },
};
#undef OPTION

/* In the order of LbFlip's bits. */
static const char *const flip_names[] = { "none", "x", "y", "both" };

static gboolean
draw_flip (const char *name, const char *text, LbRandomKey key, LbFlip *flip, GError **error)
{
  if (g_str_equal (text, "any"))
    {
      *flip = lb_random_bits_at (key, 0, 0) % G_N_ELEMENTS (flip_names);
      return TRUE;
    }
  for (guint i = 0; i < G_N_ELEMENTS (flip_names); i++)
    if (g_str_equal (text, flip_names[i]))
      {
        *flip = i;
        return TRUE;
      }
  g_set_error (error, LB_SETUP_ERROR, LB_SETUP_ERROR_VALUE,
               _ ("\"world.%s\" is \"%s\": it must be none, x, y, both or any"), name, text);
  return FALSE;
}

/* The draw of one parameter depends on its name alone, so that a new one does
 * not change the others. */
static double
draw_value (const Parameter *parameter, double value, double spread, LbRandomKey key)
{
  LbRandomKey own = lb_random_key_derive (key, g_str_hash (parameter->name));
  double u = 2 * lb_random_uniform_at (own, 0, 0) - 1;

  switch (parameter->draw)
    {
    case LB_DRAW_RELATIVE:
      return CLAMP (value * (1 + spread * parameter->spread * u), parameter->low, parameter->high);
    case LB_DRAW_ABSOLUTE:
      return CLAMP (value + spread * parameter->spread * u, parameter->low, parameter->high);
    case LB_DRAW_WITHIN:
      return value * spread * u;
    case LB_DRAW_FIXED:
    default:
      return value;
    }
}

/* What must hold beyond the ranges. */
static gboolean
check_world (const LbWorldParameters *self, GError **error)
{
  const struct
  {
    const char *name;
    double value;
  } whole[] = { { "source_quarter_turns", self->source_quarter_turns },
                { "camera_quarter_turns", self->camera_quarter_turns },
                { "speckle_cell_px", self->speckle_cell_px } };

  for (guint i = 0; i < G_N_ELEMENTS (whole); i++)
    if (whole[i].value != rint (whole[i].value))
      {
        g_set_error (error, LB_SETUP_ERROR, LB_SETUP_ERROR_VALUE, _ ("\"world.%s\" must be a whole number"),
                     whole[i].name);
        return FALSE;
      }
  if (self->hot_current_low <= self->hot_current_high)
    return TRUE;
  g_set_error_literal (error, LB_SETUP_ERROR, LB_SETUP_ERROR_VALUE,
                       _ ("\"world.hot_current_low\" is over \"world.hot_current_high\""));
  return FALSE;
}

gboolean
lb_world_parameters_read (LbWorldParameters *self, GVariant *world, LbRandomKey key, GError **error)
{
  WorldFile file = { .source_flip = "any", .camera_flip = "any" };

  for (guint i = 0; i < G_N_ELEMENTS (parameters); i++)
    G_STRUCT_MEMBER (double, &file.values, parameters[i].offset) = parameters[i].initial;
  if (!lb_options_read (options, G_N_ELEMENTS (options), world, "world.", &file, error) ||
      !check_world (&file.values, error))
    return FALSE;

  *self = file.values;
  for (guint i = 0; i < G_N_ELEMENTS (parameters); i++)
    G_STRUCT_MEMBER (double, self, parameters[i].offset) =
        draw_value (&parameters[i], G_STRUCT_MEMBER (double, &file.values, parameters[i].offset),
                    file.values.spread, key);
  return draw_flip ("source_flip", file.source_flip, lb_random_key_derive (key, g_str_hash ("source_flip")),
                    &self->source_flip, error) &&
         draw_flip ("camera_flip", file.camera_flip, lb_random_key_derive (key, g_str_hash ("camera_flip")),
                    &self->camera_flip, error);
}

char *
lb_world_parameters_print (const LbWorldParameters *self)
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < G_N_ELEMENTS (parameters); i++)
    {
      char number[G_ASCII_DTOSTR_BUF_SIZE];

      g_ascii_formatd (number, sizeof number, "%.9g", G_STRUCT_MEMBER (double, self, parameters[i].offset));
      g_string_append_printf (text, "%s: %s%s%s\n", parameters[i].name, number,
                              parameters[i].unit[0] != '\0' ? " " : "", parameters[i].unit);
    }
  g_string_append_printf (text, "source_flip: %s\n", flip_names[self->source_flip]);
  g_string_append_printf (text, "camera_flip: %s\n", flip_names[self->camera_flip]);
  return g_string_free (text, FALSE);
}
