/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/*
 * LbQuantities: named numbers and texts with units, in order, as plain data:
 * what a calibration found, what an experiment measured, what a run was set
 * to. Names are identifiers (`read_noise`), units are printed as they are
 * ("electrons"); unit "" for a pure number.
 */
typedef struct
{
  char *name;
  char *unit;
  char *text; /* NULL for a number */
  double value;
} LbQuantity;

typedef struct _LbQuantities LbQuantities;

LbQuantities *lb_quantities_new (void);
LbQuantities *lb_quantities_copy (const LbQuantities *self);
void lb_quantities_free (LbQuantities *self);
/* Sets, or replaces in place, the quantity of that name. */
void lb_quantities_set (LbQuantities *self, const char *name, double value, const char *unit);
void lb_quantities_set_text (LbQuantities *self, const char *name, const char *text);
/* @fallback (may be NAN) where there is none of that name. */
double lb_quantities_get (const LbQuantities *self, const char *name, double fallback);
const char *lb_quantities_get_text (const LbQuantities *self, const char *name);
guint lb_quantities_get_length (const LbQuantities *self);
const LbQuantity *lb_quantities_get_nth (const LbQuantities *self, guint nth);
/* Type a(ssvs)-like, little-endian when serialised by the caller with
 * g_variant_byteswap() on big-endian machines; floating. */
GVariant *lb_quantities_to_variant (const LbQuantities *self);
/* NULL and LB_NUMERICS_ERROR_FORMAT if @variant is not of that type. */
LbQuantities *lb_quantities_from_variant (GVariant *variant, GError **error);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (LbQuantities, lb_quantities_free)

G_END_DECLS
