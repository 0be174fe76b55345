/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Who a monitor says it is; "" where it does not. */
typedef struct
{
  char make[4];    /* letters of the maker as registered: "DEL" */
  char model[14];  /* its name, else its product code: "0x40f1" */
  char serial[14]; /* its text, else its number */
} LbEdid;

/* Reads the first block of an EDID. FALSE: it is none, or its checksum is wrong. */
gboolean lb_edid_read (const guint8 *data, gsize length, LbEdid *edid);

G_END_DECLS
