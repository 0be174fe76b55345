/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* What a key of the setup file may hold. */
typedef enum
{
  LB_OPTION_NUMBER, /* double */
  LB_OPTION_WHOLE,  /* guint */
  LB_OPTION_TEXT,   /* const char *, of the variant */
  LB_OPTION_TRUTH,  /* gboolean */
} LbOptionKind;

/* One key: where its value goes, and its range. */
typedef struct
{
  const char *name;
  LbOptionKind kind;
  gsize offset;
  double low, high;
} LbOption;

/*
 * Checks @variant (a{sv}, NULL: empty) against the table and writes what it
 * holds into @target; what it does not hold stays. @where: path of the keys for
 * messages ("devices.camera."). LB_SETUP_ERROR_KEY, LB_SETUP_ERROR_VALUE.
 */
gboolean lb_options_read (const LbOption *options,
                          gsize count,
                          GVariant *variant,
                          const char *where,
                          gpointer target,
                          GError **error);

G_END_DECLS
