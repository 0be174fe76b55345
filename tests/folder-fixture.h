/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Removes a folder and all that is in it. */
void folder_fixture_remove (const char *path);

G_END_DECLS
