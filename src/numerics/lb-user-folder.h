/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Where the program keeps what is the user's: "sessions", "calibrations", "setups". */
char *lb_user_folder (const char *name);

G_END_DECLS
