/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>
#include "lb-matrix.h"

G_BEGIN_DECLS

/*
 * NumPy's .npy files, versions 1 to 3, C order, of little- or big-endian f2,
 * f4, f8, i1..i8, u1..u8 with up to four axes; values become float. (Format:
 * numpy.lib.format, NEP 1.)
 */
typedef struct
{
  guint axes;
  gsize shape[4];
  gsize count; /* product of shape */
  float *values;
} LbNpy;

/* NULL with G_FILE_ERROR or LB_NUMERICS_ERROR_FORMAT, naming the file and what
 * is wrong with it. */
LbNpy *lb_npy_read (const char *path, GError **error);
LbNpy *lb_npy_parse (const guint8 *bytes, gsize size, const char *name, GError **error);
/* As <f4, version 1; written beside and renamed, so that no half file is left. */
gboolean lb_npy_write (const char *path, const float *values, guint axes, const gsize *shape, GError **error);
gboolean lb_npy_write_matrix (const char *path, const LbMatrix *matrix, GError **error);
/* Copy of a two-axis array (one axis: one row); NULL and FORMAT for more axes. */
LbMatrix *lb_npy_to_matrix (const LbNpy *self, GError **error);
void lb_npy_free (LbNpy *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (LbNpy, lb_npy_free)

G_END_DECLS
