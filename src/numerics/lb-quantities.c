/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-quantities.h"

#include <glib/gi18n-lib.h>

#include "lb-least-squares.h"

/* Name, unit, and a double or a string. */
#define QUANTITIES_TYPE G_VARIANT_TYPE ("a(ssv)")

struct _LbQuantities
{
  GPtrArray *items; /* of LbQuantity */
};

static void
quantity_free (LbQuantity *quantity)
{
  g_free (quantity->name);
  g_free (quantity->unit);
  g_free (quantity->text);
  g_free (quantity);
}

static LbQuantity *
find (const LbQuantities *self, const char *name)
{
  for (guint i = 0; i < self->items->len; i++)
    {
      LbQuantity *quantity = g_ptr_array_index (self->items, i);

      if (g_str_equal (quantity->name, name))
        return quantity;
    }
  return NULL;
}

/* Takes @text. */
static void
put (LbQuantities *self, const char *name, double value, const char *unit, char *text)
{
  LbQuantity *quantity = find (self, name);

  if (quantity == NULL)
    {
      quantity = g_new0 (LbQuantity, 1);
      quantity->name = g_strdup (name);
      g_ptr_array_add (self->items, quantity);
    }
  g_free (quantity->unit);
  g_free (quantity->text);
  quantity->unit = g_strdup (unit != NULL ? unit : "");
  quantity->text = text;
  quantity->value = value;
}

/**
 * lb_quantities_new:
 *
 * Makes an empty list. Returns: (transfer full).
 */
LbQuantities *
lb_quantities_new (void)
{
  LbQuantities *self = g_new0 (LbQuantities, 1);

  self->items = g_ptr_array_new_with_free_func ((GDestroyNotify) quantity_free);
  return self;
}

/**
 * lb_quantities_copy:
 * @self: quantities
 *
 * Makes a list of the same quantities. Returns: (transfer full).
 */
LbQuantities *
lb_quantities_copy (const LbQuantities *self)
{
  LbQuantities *copy;

  g_return_val_if_fail (self != NULL, NULL);

  copy = lb_quantities_new ();
  for (guint i = 0; i < self->items->len; i++)
    {
      const LbQuantity *quantity = g_ptr_array_index (self->items, i);

      put (copy, quantity->name, quantity->value, quantity->unit, g_strdup (quantity->text));
    }
  return copy;
}

/**
 * lb_quantities_free:
 * @self: (nullable) (transfer full): quantities
 *
 * Frees them.
 */
void
lb_quantities_free (LbQuantities *self)
{
  if (self == NULL)
    return;

  g_ptr_array_unref (self->items);
  g_free (self);
}

/**
 * lb_quantities_set:
 * @self: quantities
 * @name: identifier
 * @value: the number, in @unit
 * @unit: (nullable): as it is printed; "" or %NULL for a pure number
 *
 * Appends a number, or replaces in place the quantity of that name.
 */
void
lb_quantities_set (LbQuantities *self, const char *name, double value, const char *unit)
{
  g_return_if_fail (self != NULL);
  g_return_if_fail (name != NULL);

  put (self, name, value, unit, NULL);
}

/**
 * lb_quantities_set_text:
 * @self: quantities
 * @name: identifier
 * @text: the text
 *
 * Appends a text, or replaces in place the quantity of that name.
 */
void
lb_quantities_set_text (LbQuantities *self, const char *name, const char *text)
{
  g_return_if_fail (self != NULL);
  g_return_if_fail (name != NULL);
  g_return_if_fail (text != NULL);

  put (self, name, 0, "", g_strdup (text));
}

/**
 * lb_quantities_get:
 * @self: quantities
 * @name: identifier
 * @fallback: what to return where there is no number of that name
 *
 * Returns: the number of that name.
 */
double
lb_quantities_get (const LbQuantities *self, const char *name, double fallback)
{
  const LbQuantity *quantity;

  g_return_val_if_fail (self != NULL, fallback);
  g_return_val_if_fail (name != NULL, fallback);

  quantity = find (self, name);
  return quantity != NULL && quantity->text == NULL ? quantity->value : fallback;
}

/**
 * lb_quantities_get_text:
 * @self: quantities
 * @name: identifier
 *
 * Returns: (transfer none) (nullable): the text of that name.
 */
const char *
lb_quantities_get_text (const LbQuantities *self, const char *name)
{
  const LbQuantity *quantity;

  g_return_val_if_fail (self != NULL, NULL);
  g_return_val_if_fail (name != NULL, NULL);

  quantity = find (self, name);
  return quantity != NULL ? quantity->text : NULL;
}

/**
 * lb_quantities_get_length:
 * @self: quantities
 *
 * Returns: how many there are.
 */
guint
lb_quantities_get_length (const LbQuantities *self)
{
  g_return_val_if_fail (self != NULL, 0);

  return self->items->len;
}

/**
 * lb_quantities_get_nth:
 * @self: quantities
 * @nth: 0 is the one set first
 *
 * Returns: (transfer none): that quantity.
 */
const LbQuantity *
lb_quantities_get_nth (const LbQuantities *self, guint nth)
{
  g_return_val_if_fail (self != NULL, NULL);
  g_return_val_if_fail (nth < self->items->len, NULL);

  return g_ptr_array_index (self->items, nth);
}

/**
 * lb_quantities_to_variant:
 * @self: quantities
 *
 * Returns: (transfer floating): them as a(ssv): name, unit, and a double or a
 * string.
 */
GVariant *
lb_quantities_to_variant (const LbQuantities *self)
{
  GVariantBuilder builder;

  g_return_val_if_fail (self != NULL, NULL);

  g_variant_builder_init (&builder, QUANTITIES_TYPE);
  for (guint i = 0; i < self->items->len; i++)
    {
      const LbQuantity *quantity = g_ptr_array_index (self->items, i);

      g_variant_builder_add (&builder, "(ssv)", quantity->name, quantity->unit,
                             quantity->text != NULL ? g_variant_new_string (quantity->text)
                                                    : g_variant_new_double (quantity->value));
    }
  return g_variant_builder_end (&builder);
}

/**
 * lb_quantities_from_variant:
 * @variant: what lb_quantities_to_variant() gave
 * @error: set to %LB_NUMERICS_ERROR_FORMAT
 *
 * Reads quantities back. Returns: (transfer full) (nullable).
 */
LbQuantities *
lb_quantities_from_variant (GVariant *variant, GError **error)
{
  g_autoptr (LbQuantities) self = NULL;
  GVariantIter iter;
  const char *name, *unit;
  GVariant *value;

  g_return_val_if_fail (variant != NULL, NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  if (!g_variant_is_of_type (variant, QUANTITIES_TYPE))
    {
      g_set_error (error, LB_NUMERICS_ERROR, LB_NUMERICS_ERROR_FORMAT,
                   _ ("The stored quantities are of type %s, not a(ssv): the record is damaged"),
                   g_variant_get_type_string (variant));
      return NULL;
    }

  self = lb_quantities_new ();
  g_variant_iter_init (&iter, variant);
  while (g_variant_iter_loop (&iter, "(&s&sv)", &name, &unit, &value))
    {
      if (g_variant_is_of_type (value, G_VARIANT_TYPE_DOUBLE))
        put (self, name, g_variant_get_double (value), unit, NULL);
      else if (g_variant_is_of_type (value, G_VARIANT_TYPE_STRING))
        put (self, name, 0, unit, g_variant_dup_string (value, NULL));
      else
        {
          g_set_error (error, LB_NUMERICS_ERROR, LB_NUMERICS_ERROR_FORMAT,
                       _ ("The stored quantity “%s” is neither a number nor a text: the record is damaged"),
                       name);
          g_variant_unref (value);
          return NULL;
        }
    }
  return g_steal_pointer (&self);
}
