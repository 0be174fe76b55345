/* SPDX-License-Identifier: GPL-3.0-or-later */

#include <glib/gi18n-lib.h>
#include "lb-session-private.h"

/* Sinks @variant. The type is stored with the value; little-endian. */
GBytes *
lb_session_variant_to_bytes (GVariant *variant)
{
  g_autoptr (GVariant) boxed = g_variant_ref_sink (g_variant_new_variant (variant));
  g_autoptr (GVariant) stored = NULL;

  stored = G_BYTE_ORDER == G_LITTLE_ENDIAN ? g_variant_ref (boxed) : g_variant_byteswap (boxed);
  return g_variant_get_data_as_bytes (stored);
}

/* NULL with FORMAT if the bytes are not what lb_session_variant_to_bytes() made. */
GVariant *
lb_session_bytes_to_variant (const void *bytes, gsize size, GError **error)
{
  g_autoptr (GBytes) copy = g_bytes_new (bytes, size);
  g_autoptr (GVariant) boxed =
      g_variant_ref_sink (g_variant_new_from_bytes (G_VARIANT_TYPE_VARIANT, copy, FALSE));
  g_autoptr (GVariant) native = NULL;

  if (!g_variant_is_normal_form (boxed))
    {
      g_set_error_literal (error, LB_SESSION_ERROR, LB_SESSION_ERROR_FORMAT, _ ("stored data are damaged"));
      return NULL;
    }
  native = G_BYTE_ORDER == G_LITTLE_ENDIAN ? g_variant_ref (boxed) : g_variant_byteswap (boxed);
  return g_variant_get_variant (native);
}

/* NULL for NULL. */
GBytes *
lb_session_quantities_to_bytes (const LbQuantities *quantities)
{
  return quantities != NULL ? lb_session_variant_to_bytes (lb_quantities_to_variant (quantities)) : NULL;
}

LbQuantities *
lb_session_bytes_to_quantities (const void *bytes, gsize size, GError **error)
{
  g_autoptr (GVariant) variant = NULL;
  g_autoptr (GError) problem = NULL;
  LbQuantities *quantities;

  variant = lb_session_bytes_to_variant (bytes, size, error);
  if (variant == NULL)
    return NULL;
  quantities = lb_quantities_from_variant (variant, &problem);
  if (quantities == NULL)
    g_set_error (error, LB_SESSION_ERROR, LB_SESSION_ERROR_FORMAT, _ ("stored quantities are damaged: %s"),
                 problem->message);
  return quantities;
}
