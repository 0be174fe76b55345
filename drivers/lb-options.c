/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-options.h"

#include <math.h>

#include <glib/gi18n-lib.h>

#include "lb-setup.h"

static const LbOption *
find_option (const LbOption *options, gsize count, const char *name)
{
  for (gsize i = 0; i < count; i++)
    if (g_str_equal (options[i].name, name))
      return &options[i];
  return NULL;
}

static gboolean
unknown_key (const LbOption *options, gsize count, const char *where, const char *name, GError **error)
{
  g_autoptr (GString) known = g_string_new (NULL);

  for (gsize i = 0; i < count; i++)
    g_string_append_printf (known, i > 0 ? ", %s" : "%s", options[i].name);
  g_set_error (error, LB_SETUP_ERROR, LB_SETUP_ERROR_KEY, _ ("unknown key \"%s%s\"; known are: %s"), where,
               name, known->str);
  return FALSE;
}

static gboolean
read_text (const LbOption *option, GVariant *value, const char *where, gpointer target, GError **error)
{
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_STRING))
    {
      G_STRUCT_MEMBER (const char *, target, option->offset) = g_variant_get_string (value, NULL);
      return TRUE;
    }
  g_set_error (error, LB_SETUP_ERROR, LB_SETUP_ERROR_VALUE, _ ("\"%s%s\" must be a text"), where,
               option->name);
  return FALSE;
}

static gboolean
read_truth (const LbOption *option, GVariant *value, const char *where, gpointer target, GError **error)
{
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_BOOLEAN))
    {
      G_STRUCT_MEMBER (gboolean, target, option->offset) = g_variant_get_boolean (value);
      return TRUE;
    }
  g_set_error (error, LB_SETUP_ERROR, LB_SETUP_ERROR_VALUE, _ ("\"%s%s\" must be true or false"), where,
               option->name);
  return FALSE;
}

static gboolean
read_number (const LbOption *option, GVariant *value, const char *where, gpointer target, GError **error)
{
  char number[G_ASCII_DTOSTR_BUF_SIZE], low[G_ASCII_DTOSTR_BUF_SIZE], high[G_ASCII_DTOSTR_BUF_SIZE];
  gboolean whole = option->kind == LB_OPTION_WHOLE;
  double x;

  if (!g_variant_is_of_type (value, G_VARIANT_TYPE_DOUBLE))
    {
      g_set_error (error, LB_SETUP_ERROR, LB_SETUP_ERROR_VALUE, _ ("\"%s%s\" must be a number"), where,
                   option->name);
      return FALSE;
    }
  x = g_variant_get_double (value);
  if (!(x >= option->low && x <= option->high) || (whole && x != rint (x)))
    {
      g_set_error (error, LB_SETUP_ERROR, LB_SETUP_ERROR_VALUE,
                   whole ? _ ("\"%s%s\" is %s: it must be a whole number from %s to %s")
                         : _ ("\"%s%s\" is %s: it must be from %s to %s"),
                   where, option->name, g_ascii_formatd (number, sizeof number, "%.9g", x),
                   g_ascii_formatd (low, sizeof low, "%g", option->low),
                   g_ascii_formatd (high, sizeof high, "%g", option->high));
      return FALSE;
    }
  if (whole)
    G_STRUCT_MEMBER (guint, target, option->offset) = (guint) x;
  else
    G_STRUCT_MEMBER (double, target, option->offset) = x;
  return TRUE;
}

static gboolean
read_value (const LbOption *option, GVariant *value, const char *where, gpointer target, GError **error)
{
  switch (option->kind)
    {
    case LB_OPTION_TEXT:
      return read_text (option, value, where, target, error);
    case LB_OPTION_TRUTH:
      return read_truth (option, value, where, target, error);
    case LB_OPTION_NUMBER:
    case LB_OPTION_WHOLE:
    default:
      return read_number (option, value, where, target, error);
    }
}

gboolean
lb_options_read (const LbOption *options,
                 gsize count,
                 GVariant *variant,
                 const char *where,
                 gpointer target,
                 GError **error)
{
  GVariantIter iter;
  const char *name;
  GVariant *value;

  if (variant == NULL)
    return TRUE;
  g_variant_iter_init (&iter, variant);
  while (g_variant_iter_next (&iter, "{&sv}", &name, &value))
    {
      g_autoptr (GVariant) owned = value;
      const LbOption *option = find_option (options, count, name);

      if (option == NULL)
        return unknown_key (options, count, where, name, error);
      if (!read_value (option, owned, where, target, error))
        return FALSE;
    }
  return TRUE;
}
